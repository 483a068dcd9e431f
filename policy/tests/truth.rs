//! The truth files, and any other validation files, on every engine: what they say is so, and every way to ask gives
//! the same answer.
//!
//! `ALLOD_GOLDEN_DIR` names a directory of validation files (`*.yaml`) to run besides our own.

#[path = "support/agree.rs"]
mod agree;
#[path = "support/spicedb.rs"]
mod store;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agree::Breadth;
use policy::validation::{Report, SchemaSource, ValidationFile, run};
use policy::{Memory, RelationshipService, SpiceDb, wall_clock};
use store::Store;

/// One file, its schema, and whence it comes.
struct Golden {
    name: String,
    file: ValidationFile,
    schema: String,
}

impl Golden {
    fn read(path: &Path) -> Golden {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).unwrap();
        let file = ValidationFile::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let schema = match &file.schema {
            SchemaSource::Here { text, .. } => text.clone(),
            SchemaSource::File { path: schema, .. } => {
                std::fs::read_to_string(path.parent().unwrap().join(schema)).unwrap()
            }
        };
        Golden { name, file, schema }
    }
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth")
}

/// The files of a directory, by name.
fn files(dir: &Path) -> Vec<Golden> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths.iter().map(|path| Golden::read(path)).collect()
}

/// What is wrong, as lines of text.
fn wrong(name: &str, report: &Report) -> Vec<String> {
    let assertions = report.assertions.iter().filter(|one| !one.passed()).map(|one| {
        let missing = if one.missing.is_empty() { String::new() } else { format!(", lacking {:?}", one.missing) };
        format!("{name}:{}: {}: expected {:?}, got {:?}{missing}", one.at.line, one.text, one.expected, one.got)
    });
    let expected = report
        .expected
        .iter()
        .flat_map(|one| &one.differences)
        .map(|one| format!("{name}:{}: {}", one.at.line, one.message));
    assertions.chain(expected).collect()
}

/// An engine to run files on.
struct Engine<S, F: Fn() -> S> {
    name: &'static str,
    fresh: F,
    breadth: Breadth,
    /// Where it is known to contradict itself: a file and a part of the line that says so.
    faults: &'static [(&'static str, &'static str)],
}

fn memory() -> Engine<Memory, impl Fn() -> Memory> {
    Engine {
        name: "memory",
        fresh: || Memory::new(Arc::new(wall_clock)),
        breadth: Breadth { contexts: 5, subjects: usize::MAX },
        faults: &[],
    }
}

/// A store of its own for every file; `None` if no SpiceDB runs for tests.
fn spicedb() -> Option<Engine<SpiceDb, impl Fn() -> SpiceDb>> {
    Store::new().map(|_| Engine {
        name: "SpiceDB",
        fresh: || Store::new().unwrap().client(),
        breadth: Breadth { contexts: 1, subjects: 12 },
        faults: FAULTS_OF_SPICEDB,
    })
}

/// SpiceDB 1.54.
const FAULTS_OF_SPICEDB: &[(&str, &str)] = &[
    // A type that lacks the permission does not fail `.all` when subjects are looked up.
    ("arrow-all-some-types-lack-it.yaml", "doc:2#everywhere@user:ann {}: check No, lookup of subjects Yes"),
    // Checked in bulk, `.all` puts the caveat of one relationship on others that lead to the same object.
    ("arrow-all-under-caveats.yaml", "doc:1#everywhere@user:ben"),
    // `self` is found for every type of subject.
    ("self.yaml", "@user:nobody {}: check No, lookup of subjects Yes"),
    ("self.yaml", "@doc:nobody {}: check No, lookup of subjects Yes"),
    // Everyone of a type matches its sets in a check, but not when resources are looked up.
    ("wildcard-matches-usersets.yaml", "@group:eng#member {}: check Yes, lookup of resources No"),
];

/// Runs files, each on a fresh engine, and fails with everything that is wrong.
async fn all_hold<S: RelationshipService, F: Fn() -> S>(engine: Engine<S, F>, files: &[Golden]) {
    let Engine { name, fresh, breadth, faults } = engine;
    let (mut assertions, mut lists, mut asked, mut failed, mut mistakes) = (0, 0, 0, 0, Vec::new());
    for golden in files {
        let service = fresh();
        match run(&golden.file, &golden.schema, &service).await {
            Err(error) => mistakes.push(format!("{}: {error}", golden.name)),
            Ok(report) => {
                assertions += report.assertions.len();
                lists += report.expected.len();
                mistakes.extend(wrong(&golden.name, &report));
                let agreement = agree::agreement(&golden.file, &golden.schema, &service, breadth).await;
                asked += agreement.compared;
                failed += agreement.failed;
                let known =
                    |one: &String| faults.iter().any(|(file, says)| golden.name.ends_with(file) && one.contains(says));
                let contradictions = agreement.contradictions.iter().filter(|one| !known(one));
                mistakes.extend(contradictions.map(|one| format!("{}: {one}", golden.name)));
            }
        }
    }
    println!(
        "{name}: {} files, {assertions} assertions, {lists} lists of members, {asked} checks compared with lookups \
         and expansions ({failed} without an answer), {} wrong",
        files.len(),
        mistakes.len()
    );
    assert!(mistakes.is_empty(), "{name}:\n{}", mistakes.join("\n"));
}

#[tokio::test]
async fn truth_holds_in_memory() {
    let files = files(&own());
    assert!(files.len() >= 60, "only {} truth files", files.len());
    all_hold(memory(), &files).await;
}

#[tokio::test]
async fn truth_holds_on_spicedb() {
    if let Some(engine) = spicedb() {
        all_hold(engine, &files(&own())).await;
    }
}

/// The files of `ALLOD_GOLDEN_DIR`.
fn golden() -> Option<Vec<Golden>> {
    let dir = std::env::var("ALLOD_GOLDEN_DIR").ok();
    if dir.is_none() {
        eprintln!("note: ALLOD_GOLDEN_DIR is not set; only our own validation files are run");
    }
    dir.map(|dir| files(Path::new(&dir)))
}

#[tokio::test]
async fn golden_files_hold_in_memory() {
    if let Some(files) = golden() {
        all_hold(memory(), &files).await;
    }
}

#[tokio::test]
async fn golden_files_hold_on_spicedb() {
    if let (Some(files), Some(engine)) = (golden(), spicedb()) {
        all_hold(engine, &files).await;
    }
}

/// A truth file whose ways are as deep as may be, rows that make them one object deeper, and the assertions that then
/// have no answer. All others keep theirs.
type Deepest = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const DEEPEST: &[Deepest] = &[
    (
        "depth-of-arrows.yaml",
        &[("folder:48#viewer@user:ann", "folder:48#parent@folder:49\n  folder:49#viewer@user:ann")],
        &["folder:0#see@user:ann", "folder:0#see@user:ben"],
    ),
    (
        "depth-of-groups.yaml",
        &[("group:49#member@user:ann", "group:49#member@group:50#member\n  group:50#member@user:ann")],
        &["group:0#member@user:ann", "group:0#member@user:ben"],
    ),
    (
        "depth-of-names.yaml",
        &[("group:49#member@user:tom", "group:49#member@group:50#all\n  group:50#member@user:tom")],
        &["group:0#all@user:tom", "group:0#member@user:tom", "group:0#all@user:ann"],
    ),
    (
        "depth-of-names-among-groups.yaml",
        &[
            ("group:24#member@group:end#member", "group:24#member@group:25#all\n  group:25#member@group:end#member"),
            ("group:24#member@user:ann", "group:25#member@user:ann"),
            ("team:49#member@team:end#member", "team:49#member@team:50#member\n  team:50#member@team:end#member"),
        ],
        &[
            "group:0#all@group:end#member",
            "group:0#member@group:end#member",
            "team:0#member@team:end#member",
            "group:1#all@group:other#member",
            "team:1#member@team:other#member",
        ],
    ),
];

/// The deepest ways that have an answer are in the truth files; one step more has none, whatever it would be.
async fn too_deep_is_an_error<S: RelationshipService, F: Fn() -> S>(engine: Engine<S, F>) {
    for (name, longer, lost) in DEEPEST {
        let golden = Golden::read(&own().join(name));
        let mut text = std::fs::read_to_string(&golden.name).unwrap();
        for (row, rows) in *longer {
            assert!(text.contains(&format!("  {row}\n")), "{name} has no {row}");
            text = text.replace(&format!("  {row}\n"), &format!("  {rows}\n"));
        }
        let deeper = ValidationFile::parse(&text).unwrap();
        let report = run(&deeper, &golden.schema, &(engine.fresh)()).await.unwrap();
        let failed: Vec<_> = report.assertions.iter().filter(|one| !one.passed()).collect();
        let lines: Vec<&str> = failed.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(lines, *lost, "{}, {name}", engine.name);
        for one in failed {
            assert!(one.got.as_ref().is_err_and(|why| why.contains("max depth exceeded")), "{}: {one:?}", engine.name);
        }
    }
}

#[tokio::test]
async fn too_deep_is_an_error_in_memory() {
    too_deep_is_an_error(memory()).await;
}

#[tokio::test]
async fn too_deep_is_an_error_on_spicedb() {
    if let Some(engine) = spicedb() {
        too_deep_is_an_error(engine).await;
    }
}

/// A truth file that is wrong must not pass.
#[tokio::test]
async fn what_is_not_true_fails() {
    let text = "\
schema: |-
  definition user {}

  definition doc {
    relation viewer: user | user:*
    relation banned: user
    permission see = viewer - banned
  }
relationships: |-
  doc:1#viewer@user:*
  doc:1#banned@user:ben
assertions:
  assertTrue:
    - doc:1#see@user:ben
    - doc:1#see@user:ann
    - doc:1#steal@user:ann
  assertFalse:
    - doc:1#see@user:ann
  assertCaveated:
    - doc:1#see@user:ann
validation:
  doc:1#see:
    - '[user:*] is <doc:1#viewer>'
    - '[user:cat] is <doc:1#viewer>'
  doc:1#banned: []
";
    let file = ValidationFile::parse(text).unwrap();
    let SchemaSource::Here { text: schema, .. } = &file.schema else { panic!() };
    let report = run(&file, schema, &Memory::new(Arc::new(wall_clock))).await.unwrap();
    let lines = wrong("x", &report);
    let begin = ["x:14: ", "x:16: ", "x:18: ", "x:20: ", "x:23: ", "x:24: ", "x:25: "];
    assert_eq!(lines.len(), begin.len(), "{lines:#?}");
    for (line, begin) in lines.iter().zip(begin) {
        assert!(line.starts_with(begin), "{line}");
    }
    assert!(!report.passed());
    assert_eq!((report.failures(), report.total()), (6, 7));
    let seen = report.assertions.iter().find(|one| one.at.line == 18).unwrap();
    let path: Vec<String> = seen.trace.iter().flat_map(|trace| trace.path()).map(ToString::to_string).collect();
    assert_eq!(path, ["doc:1#viewer@user:*"]);
}

/// A file that cannot be run says where it is wrong.
#[tokio::test]
async fn what_cannot_be_written_is_named() {
    let begin = "schema: |-\n  definition user {}\n  definition doc {\n    relation viewer: user\n";
    for (rest, says) in [
        ("    permission see = viewers\n  }\n", "the schema is wrong in line 5: "),
        (
            "  }\nrelationships: |-\n  doc:1#viewer@user:a\n  doc:1#viewer@doc:2\n",
            "line 8: the relationship `doc:1#viewer@doc:2`",
        ),
        (
            "  }\nrelationships: |-\n  doc:1#viewer@user:a\n  doc:1#reader@user:a\n",
            "line 8: the relationship `doc:1#reader@user:a`",
        ),
    ] {
        let file = ValidationFile::parse(&format!("{begin}{rest}")).unwrap();
        let SchemaSource::Here { text: schema, .. } = &file.schema else { panic!() };
        let error = run(&file, schema, &Memory::new(Arc::new(wall_clock))).await.unwrap_err().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}
