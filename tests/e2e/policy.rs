//! `allod policy`: schemas and validation files are judged without a node.

use std::path::PathBuf;

use harness::{Allod, Outcome};

struct Desk {
    allod: Allod,
    root: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk { allod: Allod::find().unwrap(), root: tempfile::tempdir().unwrap() }
    }
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.root.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
    /// There is no node, and none comes to be.
    fn no_node(&self) -> PathBuf {
        self.root.path().join("no-node")
    }
    fn run(&self, args: &[&str]) -> Outcome {
        let outcome = self.allod.run(&self.no_node(), args).unwrap();
        assert!(!self.no_node().exists());
        assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
        outcome
    }
    /// What a person reads, and the exit code.
    fn told(&self, args: &[&str]) -> (i32, String) {
        let output = std::process::Command::new(self.allod.path()).args(args).output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

const SCHEMA: &str = "\
definition user {}

definition doc {
  relation viewer: user
  relation banned: user
  permission see = viewer - banned
}
";

/// A validation file over [`SCHEMA`], in which `ann` sees and `ben` is banned.
fn validation(schema: &str, sees: &str) -> String {
    format!(
        "{schema}relationships: |-\n  doc:1#viewer@user:ann\n  doc:1#viewer@user:ben\n  doc:1#banned@user:ben\n\
         assertions:\n  assertTrue:\n    - doc:1#see@user:{sees}\n\
         validation:\n  doc:1#see:\n    - \"[user:{sees}] is <doc:1#viewer>\"\n"
    )
}

#[test]
fn validation_files_pass_or_fail_with_line_and_reason() {
    let desk = Desk::new();
    desk.file("schema.zed", SCHEMA);
    let good = desk.file("good.yaml", &validation("schemaFile: ./schema.zed\n", "ann"));
    let bad = desk.file("bad.yaml", &validation("schemaFile: ./schema.zed\n", "ben"));

    let passed = desk.run(&["policy", "test", &good]).ok().unwrap();
    assert_eq!(passed["passed"], true);
    assert_eq!(passed["files"][0]["relationships"], 3);
    assert_eq!(passed["files"][0]["assertions"][0]["got"], "yes");

    let failed = desk.run(&["policy", "test", &good, &bad]);
    assert_eq!(failed.code, 1, "{failed:?}");
    let files = &failed.json["files"];
    assert_eq!((&files[0]["passed"], &files[1]["passed"]), (&true.into(), &false.into()));
    let assertion = &files[1]["assertions"][0];
    assert_eq!(
        (&assertion["line"], &assertion["expected"], &assertion["got"]),
        (&8.into(), &"yes".into(), &"no".into())
    );
    assert!(assertion["why"].to_string().contains("doc:1#banned@user:ben"), "{assertion}");
    let differences = files[1]["validation"][0]["differences"].as_array().unwrap();
    assert_eq!(differences.iter().map(|one| &one["line"]).collect::<Vec<_>>(), [11, 10]);

    let (code, text) = desk.told(&["policy", "test", &good, &bad]);
    assert_eq!(code, 1);
    for line in ["good.yaml: passed (3 relationships, 1 assertion, 1 list of members)", "bad.yaml: 2 of 2 failed"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.contains("  line 8: doc:1#see@user:ben\n    expected yes, got no\n"), "{text}");
    assert!(text.ends_with("1 of 2 files passed\n"), "{text}");
}

#[test]
fn what_is_no_validation_file_fails_and_what_is_no_file_is_wrong_use() {
    let desk = Desk::new();
    for (name, text, says) in [
        ("empty.yaml", "", "empty"),
        ("typo.yaml", "schema: ''\nassertion: {}\n", "line 2"),
        ("wrong.yaml", "schema: |-\n  definition user {}\n  definition doc\n", "the schema is wrong in line 3"),
        ("out.yaml", "schemaFile: ../../schema.zed\n", "in or below the directory"),
        ("root.yaml", "schemaFile: /etc/hostname\n", "in or below the directory"),
    ] {
        let path = desk.file(name, text);
        let failed = desk.run(&["policy", "test", &path]);
        assert_eq!(failed.code, 1, "{failed:?}");
        let error = failed.json["files"][0]["error"].as_str().unwrap_or_default();
        assert!(error.contains(says), "{name}: {failed:?}");
    }
    let missing = desk.root.path().join("missing.yaml").to_str().unwrap().to_owned();
    let lost = desk.file("lost.yaml", "schemaFile: missing.zed\n");
    for args in
        [&["policy", "test"][..], &["policy", "test", &missing], &["policy", "test", "/"], &["policy", "test", &lost]]
    {
        desk.run(args).refused(2).unwrap();
    }
}

#[test]
fn two_schemas_are_compared_and_likely_mistakes_found() {
    let desk = Desk::new();
    let old = desk.file("old.zed", SCHEMA);
    let new = SCHEMA.replace("banned: user", "banned: user | user:*").replace("viewer - banned", "viewer");
    let new = desk.file("new.zed", &new);
    assert_eq!(desk.run(&["policy", "diff", &old, &old]).ok().unwrap(), serde_json::json!([]));
    let found = desk.run(&["policy", "diff", &old, &new]).ok().unwrap();
    let effects: Vec<_> = found.as_array().unwrap().iter().map(|one| one["effect"].as_str().unwrap()).collect();
    assert_eq!(effects, ["other_answers", "allows"], "{found}");
    let found = desk.run(&["policy", "diff", &new, &old]).ok().unwrap();
    assert!(found.to_string().contains("refused_while_used"), "{found}");
    assert_eq!(desk.run(&["policy", "diff", &old, "/nowhere"]).refused(2).unwrap(), "unreadable");
    let broken = desk.file("broken.zed", "definition {");
    assert_eq!(desk.run(&["policy", "diff", &old, &broken]).refused(1).unwrap(), "schema_wrong");

    assert_eq!(desk.run(&["policy", "lint", &old]).ok().unwrap(), serde_json::json!([]));
    let odd = desk.file("odd.zed", &SCHEMA.replace("viewer - banned", "viewer->see"));
    let odd = desk.run(&["policy", "lint", &old, &odd]);
    assert_eq!(odd.code, 1, "{odd:?}");
    assert_eq!(odd.json[0]["line"], 6);
}
