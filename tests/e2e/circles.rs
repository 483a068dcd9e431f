//! Which files of a crate need each other in a circle: a change in one of them is a change for all of them.
//!
//! A file needs what its `use` declarations name. What only its tests need does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Files by the path of their module, each with those that it needs.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Files of each crate that stand in circles. A number may fall, and then is lowered here; it may not rise.
const IN_CIRCLES: [(&str, usize); 18] = [
    ("policy/core", 42),
    ("policy", 33),
    ("vault/core", 5),
    ("vault/backup", 0),
    ("vault/s3", 0),
    ("vault/hosted", 0),
    ("vault", 30),
    ("sync/core", 2),
    ("sync", 13),
    ("gateway/authzed", 0),
    ("gateway/graphql", 0),
    ("gateway/config", 3),
    ("gateway/http", 0),
    ("gateway/mail", 0),
    ("gateway/people", 22),
    ("gateway/trace", 0),
    ("gateway/transfer", 0),
    ("gateway", 8),
];

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|end| end == "rs") {
            out.push(path);
        }
    }
}

/// `a/b/mod.rs` and `a/b.rs` are `a::b`; `lib.rs` is the root, an empty path.
fn module(src: &Path, file: &Path) -> Vec<String> {
    let steps = file.strip_prefix(src).expect("a file of the crate").with_extension("");
    let mut steps: Vec<String> = steps.iter().map(|step| step.to_string_lossy().into_owned()).collect();
    if steps.last().is_some_and(|last| last == "mod") || steps == ["lib"] {
        steps.pop();
    }
    steps
}

/// The paths that a tree of `use` stands for.
fn leaves(before: &str, tree: &str, out: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        out.push(format!("{before}{}", tree.split_whitespace().next().unwrap_or_default()));
        return;
    };
    let (before, inner) =
        (format!("{before}{}", &tree[..open]), &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())]);
    let (mut depth, mut begin) = (0, 0);
    for (at, letter) in inner.char_indices().chain([(inner.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                leaves(&before, &inner[begin..at], out);
                begin = at + 1;
            }
            _ => {}
        }
    }
}

/// What the text of a file names by `use`, but for its tests.
fn used(text: &str) -> Vec<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let begins_tests = |at: &usize| {
        let next = code[*at..].lines().nth(1).unwrap_or_default();
        next.contains("mod ") && next.ends_with('{')
    };
    let end = code.match_indices("#[cfg(test)]\n").map(|(at, _)| at).find(begins_tests).unwrap_or(code.len());
    let code = &code[..end];
    let mut out = Vec::new();
    for line in code.split_inclusive('\n').scan(0, |at, line| {
        *at += line.len();
        Some((*at - line.len(), line))
    }) {
        let words = line.1.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
        if let Some(rest) = words.trim_start_matches("pub ").strip_prefix("use ") {
            let from = line.0 + line.1.len() - rest.len();
            let tree = &code[from..];
            leaves("", &tree[..tree.find(';').unwrap_or(tree.len())], &mut out);
        }
    }
    out
}

/// The module of a crate that a path names, seen from `own`: the longest beginning of it that is a file.
fn target(own: &[String], path: &str, known: &BTreeSet<String>) -> Option<String> {
    let mut steps: Vec<String> = path.split("::").map(str::to_owned).collect();
    let child = |first: &str| {
        known.contains(own.iter().map(String::as_str).chain([first]).collect::<Vec<_>>().join("::").as_str())
    };
    let mut full = match steps.first()?.as_str() {
        "crate" => Vec::new(),
        "self" => own.to_vec(),
        "super" => own[..own.len().saturating_sub(1)].to_vec(),
        first if child(first) => own.to_vec(),
        _ => return None,
    };
    if matches!(steps[0].as_str(), "crate" | "self" | "super") {
        steps.remove(0);
    }
    while steps.first().is_some_and(|step| step == "super") {
        full.pop();
        steps.remove(0);
    }
    full.extend(steps);
    while !full.is_empty() && !known.contains(&full.join("::")) {
        full.pop();
    }
    Some(full.join("::"))
}

fn graph(files: &[(Vec<String>, String)]) -> Graph {
    let known: BTreeSet<String> = files.iter().map(|(own, _)| own.join("::")).collect();
    let needs = |own: &[String], text: &str| -> BTreeSet<String> {
        let all = used(text).into_iter().filter_map(|path| target(own, &path, &known));
        all.filter(|to| *to != own.join("::")).collect()
    };
    files.iter().map(|(own, text)| (own.join("::"), needs(own, text))).collect()
}

fn of_crate(path: &str) -> Graph {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join(path).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let read = |file: PathBuf| (module(&src, &file), std::fs::read_to_string(&file).expect("a source"));
    let mut all: Vec<(Vec<String>, String)> = all.into_iter().map(read).collect();
    all.retain(|(own, _)| !own.iter().any(|step| step == "tests"));
    graph(&all)
}

/// Files that are reached from themselves.
fn in_circles(graph: &Graph) -> BTreeSet<&str> {
    let reached = |from: &str| -> BTreeSet<&str> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(at) = open.pop() {
            for to in graph.get(at).into_iter().flatten() {
                if seen.insert(to.as_str()) {
                    open.push(to);
                }
            }
        }
        seen
    };
    graph.keys().map(String::as_str).filter(|file| reached(file).contains(file)).collect()
}

#[test]
fn a_circle_is_found_and_a_line_is_none() {
    let file = |path: &str, text: &str| (path.split("::").map(str::to_owned).collect(), text.to_owned());
    let files = [
        file("a", "use crate::b::{\n    One, Two as Three};\n"),
        file("b", "pub(crate) use super::c::d::Four;\n// use crate::e;\n"),
        file("c", "pub use d::Four;\n"),
        file("c::d", "use std::fmt;\nuse super::super::a;\n"),
        file("e", "use crate::{a::One, b};\n\n#[cfg(test)]\npub(crate) mod tests {\n    use crate::f::Six;\n}\n"),
        file("f", "use crate::e::Five;\n"),
    ];
    let graph = graph(&files);
    let needs = |file: &str| graph[file].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!((needs("a"), needs("b"), needs("c")), (vec!["b"], vec!["c::d"], vec!["c::d"]));
    assert_eq!((needs("c::d"), needs("e"), needs("f")), (vec!["a"], vec!["a", "b"], vec!["e"]));
    assert_eq!(in_circles(&graph).into_iter().collect::<Vec<_>>(), ["a", "b", "c::d"]);
}

#[test]
fn no_more_files_stand_in_circles() {
    for (path, most) in IN_CIRCLES {
        let graph = of_crate(path);
        assert!(graph.len() > 2, "{path}: {} files found", graph.len());
        let circles = in_circles(&graph);
        assert!(circles.len() <= most, "{path}: {} files stand in circles, not {most}: {circles:?}", circles.len());
    }
}
