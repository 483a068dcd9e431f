//! The habits of the house, held by a test.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !matches!(name, "target" | "node_modules" | ".git" | "dist") {
                sources(&path, out);
            }
        } else if name.ends_with(".rs") {
            out.push(path);
        }
    }
}

#[test]
fn no_source_file_is_longer_than_800_lines_and_none_is_a_drawer() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    assert!(files.len() > 50, "{} files found", files.len());
    for file in files {
        let lines = std::fs::read_to_string(&file).expect("a source").lines().count();
        assert!(lines <= 800, "{} has {lines} lines", file.display());
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(!matches!(name, "utils" | "util" | "helpers" | "misc" | "common"), "{}", file.display());
    }
}

#[test]
fn every_crate_forbids_unsafe_code_and_dependencies_point_one_way() {
    let allowed: [(&str, &[&str]); 18] = [
        ("policy/core", &[]),
        ("policy", &["policy-core"]),
        ("vault/core", &["policy-core"]),
        ("vault/backup", &["vault-core"]),
        ("vault/s3", &["vault-backup"]),
        ("vault/hosted", &["vault-backup"]),
        ("vault", &["policy-core", "vault-core", "vault-backup"]),
        ("sync/core", &["policy-core", "vault-core"]),
        ("sync", &["policy-core", "vault-core", "vault", "sync-core"]),
        ("gateway/config", &[]),
        ("gateway/authzed", &["policy-core", "policy"]),
        ("gateway/graphql", &["policy-core", "vault-core"]),
        ("gateway/tls", &["vault"]),
        ("gateway/http", &["policy-core", "vault", "sync", "gateway-people", "gateway-tls", "gateway-trace"]),
        ("gateway/people", &["policy-core", "policy", "vault-core"]),
        ("gateway/trace", &[]),
        ("gateway/transfer", &["policy-core", "vault-core", "gateway-graphql"]),
        ("tests", &[]),
    ];
    let rooms = [
        "policy-core",
        "policy",
        "vault-core",
        "vault-backup",
        "vault-s3",
        "vault-hosted",
        "vault",
        "sync-core",
        "sync",
        "gateway-authzed",
        "gateway-graphql",
        "gateway-http",
        "gateway-people",
        "gateway-tls",
        "gateway-trace",
        "gateway-transfer",
        "gateway",
    ];
    for (path, may) in allowed {
        let manifest = std::fs::read_to_string(root().join(path).join("Cargo.toml")).expect("a manifest");
        let depends = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for room in rooms {
            let named = depends
                .lines()
                .any(|line| line.starts_with(&format!("{room}.")) || line.starts_with(&format!("{room} ")));
            assert!(!named || may.contains(&room), "{path} depends on {room}");
        }
        let lib = ["src/lib.rs", "harness/lib.rs"]
            .into_iter()
            .map(|file| root().join(path).join(file))
            .find(|file| file.is_file());
        let source = std::fs::read_to_string(lib.expect("a crate root")).expect("a source");
        assert!(source.contains("#![forbid(unsafe_code)]"), "{path}");
    }
}

#[test]
fn the_code_map_names_every_room() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    for room in [
        "policy/core",
        "policy",
        "vault/core",
        "vault/backup",
        "vault/s3",
        "vault",
        "sync/core",
        "sync",
        "gateway/config",
        "gateway/authzed",
        "gateway/graphql",
        "gateway/http",
        "gateway/people",
        "gateway/tls",
        "gateway/trace",
        "gateway/transfer",
        "gateway",
        "admin-ui",
        "tests",
        "deploy",
    ] {
        assert!(readme.contains(&format!("| `{room}` |")), "{room}");
        assert!(root().join(room).is_dir(), "{room}");
    }
}

/// A migration that is killed half-way must not leave half its tables.
#[test]
fn every_migration_is_one_transaction() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let mut migrations = 0;
    for file in files {
        let source = std::fs::read_to_string(&file).expect("a source");
        let count = |text: &str| source.matches(text).count();
        let (made, whole) = (count("impl Migration\u{54}rait for "), count("fn use_\u{74}ransaction(&self)"));
        assert_eq!(made, whole, "{}", file.display());
        migrations += made;
    }
    assert!(migrations > 10, "{migrations} migrations found");
}

/// Whether a source names a crate as one: at the beginning of a path (`name::…`), in `use name;`, or as the file of a crate's
/// own library in `extern crate`. A word in a text, a comment or the name of a variable is no use of it.
fn is_used(name: &str, text: &str) -> bool {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let begins =
        |before: Option<char>| !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '.' | '"'));
    code.flat_map(|line| line.match_indices(name).map(move |found| (line, found.0))).any(|(line, at)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        // `::name::…` is a path from the root.
        let from_root = before.ends_with("::") && begins(before[..before.len() - 2].chars().next_back());
        let is_named = after.starts_with("::")
            || ((before.ends_with("use ") || before.ends_with("extern crate ")) && after.starts_with([';', ' ']));
        is_named && (from_root || begins(before.chars().next_back()))
    })
}

#[test]
fn a_word_is_no_use_of_a_dependency() {
    for used in [
        "use pear::Pear;",
        "    let x = pear::Pear::default();",
        "pub use pear;",
        "use pear as c;",
        "fn f(_: ::pear::Pear) {}",
    ] {
        assert!(is_used("pear", used), "{used}");
    }
    for not in [
        "let pear = 1;",
        "x.pear()",
        "\"pear::\"",
        "// pear::Pear",
        "/// [`pear::Pear`]",
        "appear::x()",
        "core::pear::x()",
        "use vault_core::pear;",
    ] {
        assert!(!is_used("pear", not), "{not}");
    }
}

/// What a crate's manifest names its sources name too: an unused dependency is compiled by everybody, for nothing.
#[test]
fn every_dependency_is_used() {
    // Chosen for its features alone: which SQLite all others are linked with.
    const FOR_ITS_FEATURES: [&str; 1] = ["libsqlite3-sys"];
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).expect("the workspace's manifest");
    let members = workspace.lines().find(|line| line.starts_with("members = [")).expect("the members");
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.len() > 8, "{members:?}");
    let mut named = 0;
    for member in &members {
        let mut files = Vec::new();
        sources(&root().join(member), &mut files);
        // A crate within another's folder speaks for itself.
        let inner = |file: &Path| {
            members.iter().any(|other| other.starts_with(&format!("{member}/")) && file.starts_with(root().join(other)))
        };
        let read = |file: &PathBuf| std::fs::read_to_string(file).expect("a source");
        let text: String = files.iter().filter(|file| !inner(file)).map(read).collect();
        let manifest = std::fs::read_to_string(root().join(member).join("Cargo.toml")).expect("a manifest");
        for line in manifest.lines().filter(|line| line.contains("workspace = true")) {
            let name = line.split(['.', ' ']).next().unwrap_or_default();
            if ["version", "edition", "rust-version", "license", "publish", "workspace"].contains(&name)
                || FOR_ITS_FEATURES.contains(&name)
            {
                continue;
            }
            named += 1;
            assert!(is_used(&name.replace('-', "_"), &text), "{member} names {name} and does not use it");
        }
    }
    assert!(named > 100, "{named} dependencies found");
}
