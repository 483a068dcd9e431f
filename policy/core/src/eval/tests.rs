mod lookups;
mod naive;

use std::sync::Arc;

use super::*;
use crate::{Nesting, Tuple, TupleError};

const NOW: Timestamp = Timestamp(1_000);

/// `doc:1#viewer@group:eng#member` or `doc:1#viewer@user:tom until 2000`.
pub(super) fn tuple(line: &str) -> Tuple {
    let (line, until) = match line.split_once(" until ") {
        Some((line, until)) => (line, Some(Timestamp(until.parse().unwrap()))),
        None => (line, None),
    };
    let check = ask(line);
    Tuple { resource: check.resource, relation: check.permission, subject: check.subject, caveat: None, until }
}

fn object(text: &str) -> Object {
    let (kind, id) = text.split_once(':').unwrap();
    Object::new(kind, id)
}

pub(super) fn ask(line: &str) -> Check {
    let (left, subject) = line.split_once('@').unwrap();
    let (resource, permission) = left.split_once('#').unwrap();
    let (subject, relation) = match subject.split_once('#') {
        Some((subject, relation)) => (subject, Some(relation.to_owned())),
        None => (subject, None),
    };
    Check {
        resource: object(resource),
        permission: permission.to_owned(),
        subject: Subject { object: object(subject), relation },
        context: Default::default(),
    }
}

fn tuples(schema: &str, lines: &[&str]) -> Tuples {
    let schema = Schema::parse(schema).unwrap_or_else(|error| panic!("{schema}: {error}"));
    let mut tuples = Tuples::new(Arc::new(schema));
    lines.iter().for_each(|line| assert!(tuples.put(&tuple(line)).unwrap(), "{line}"));
    tuples
}

fn yes(tuples: &Tuples, line: &str) -> bool {
    tuples.check(&ask(line), NOW).unwrap_or_else(|error| panic!("{line}: {error}")).allowed()
}

const DOCS: &str = "
use expiration
use self
definition user {
  permission own_page = self
}
definition group {
  relation member: user | user with expiration | group#member | group#see
  permission mem = member
  permission see = mem
}
definition folder {
  relation parent: folder
  relation viewer: user
  permission view = viewer + parent->view
}
definition doc {
  relation parent: folder | user
  relation team: group | group#member
  relation viewer: user | user:* | user with expiration | group#member | group#member with expiration
  relation banned: user | user:* | user with expiration
  relation editor: user
  permission minus = viewer - banned
  permission both = viewer & banned
  permission nothing = nil
  permission all_but_nothing = viewer - nil
  permission none_at_all = nil - viewer
  permission mixed = viewer + editor & banned
  permission late = viewer - banned + editor
  permission above = parent->view
  permission above_missing = parent->absent
  permission team_any = team.any(see)
  permission team_all = team.all(see)
  permission team_arrow = team->see
}";

#[test]
fn direct_rows_groups_and_everyone() {
    let t = tuples(
        DOCS,
        &["doc:1#viewer@user:tom", "doc:1#viewer@group:eng#member", "group:eng#member@user:ann", "doc:2#viewer@user:*"],
    );
    for line in ["doc:1#viewer@user:tom", "doc:1#viewer@user:ann", "doc:2#viewer@user:bob", "group:eng#see@user:ann"] {
        assert!(yes(&t, line), "{line}");
    }
    for line in ["doc:1#viewer@user:bob", "doc:9#viewer@user:tom", "doc:1#editor@user:tom", "doc:2#viewer@group:eng"] {
        assert!(!yes(&t, line), "{line}");
    }
}

#[test]
fn members_of_something_are_a_subject_too() {
    let t = tuples(DOCS, &["doc:1#viewer@group:eng#member"]);
    assert!(yes(&t, "doc:1#viewer@group:eng#member"));
    assert!(yes(&t, "group:new#member@group:new#member"), "identity needs no rows");
    assert!(yes(&t, "group:new#mem@group:new#member"));
    assert!(!yes(&t, "group:new#member@group:new#mem"));
    assert!(!yes(&t, "doc:1#viewer@group:ops#member"));
}

#[test]
fn boolean_operators_over_everyone_and_nil() {
    let t = tuples(
        DOCS,
        &[
            "doc:1#viewer@user:*",
            "doc:1#banned@user:ann",
            "doc:2#viewer@user:ann",
            "doc:2#banned@user:*",
            "doc:3#editor@user:eve",
        ],
    );
    for (line, answer) in [
        ("doc:1#minus@user:bob", true),
        ("doc:1#minus@user:ann", false),
        ("doc:2#minus@user:ann", false),
        ("doc:1#both@user:ann", true),
        ("doc:1#both@user:bob", false),
        ("doc:1#nothing@user:bob", false),
        ("doc:1#all_but_nothing@user:bob", true),
        ("doc:1#none_at_all@user:bob", false),
        // (viewer + editor) & banned
        ("doc:1#mixed@user:bob", false),
        ("doc:1#mixed@user:ann", true),
        // viewer - (banned + editor)
        ("doc:3#late@user:eve", false),
        ("doc:1#late@user:bob", true),
        ("user:tom#own_page@user:tom", true),
        ("user:tom#own_page@user:bob", false),
    ] {
        assert_eq!(yes(&t, line), answer, "{line}");
    }
}

#[test]
fn arrows_walk_objects_and_all_wants_every_one() {
    let t = tuples(
        DOCS,
        &[
            "doc:1#parent@folder:a",
            "doc:1#parent@user:odd",
            "folder:a#parent@folder:b",
            "folder:b#viewer@user:tom",
            "doc:1#team@group:x",
            "doc:1#team@group:y#member",
            "group:x#member@user:ann",
            "group:y#member@user:ann",
            "group:x#member@user:bob",
        ],
    );
    for (line, answer) in [
        ("doc:1#above@user:tom", true),
        ("doc:1#above@user:ann", false),
        ("doc:1#above_missing@user:tom", false),
        ("doc:1#team_any@user:bob", true),
        ("doc:1#team_arrow@user:bob", true),
        ("doc:1#team_all@user:bob", false),
        ("doc:1#team_all@user:ann", true),
        ("doc:2#team_all@user:ann", false),
    ] {
        assert_eq!(yes(&t, line), answer, "{line}");
    }
}

#[test]
fn what_the_schema_has_not_is_an_error_and_not_a_no() {
    let t = tuples(DOCS, &[]);
    for (line, code) in [
        ("doc:1#fly@user:tom", "unknown_relation"),
        ("ship:1#view@user:tom", "unknown_definition"),
        ("doc:1#viewer@ship:1", "unknown_definition"),
        ("doc:1#viewer@user:tom#fly", "unknown_relation"),
    ] {
        assert_eq!(t.check(&ask(line), NOW).unwrap_err().code(), code, "{line}");
    }
    assert_eq!(t.check(&ask("doc:1#viewer@user:*"), NOW), Err(CheckError::Everyone));
}

#[test]
fn the_depth_is_that_of_fifty_steps() {
    let chain = |parents: usize| {
        let mut t = tuples(DOCS, &[]);
        for i in 0..parents {
            t.put(&tuple(&format!("folder:{i}#parent@folder:{}", i + 1))).unwrap();
        }
        t.put(&tuple(&format!("folder:{parents}#viewer@user:tom"))).unwrap();
        t.check(&ask("folder:0#view@user:tom"), NOW)
    };
    assert!(chain(48).unwrap().allowed());
    assert_eq!(chain(49), Err(CheckError::Depth));
}

#[test]
fn another_name_costs_no_step_unless_the_subject_may_bear_it() {
    // Each group is in the one before it by way of `see = mem` and `mem = member`.
    let mut t = tuples(DOCS, &["group:49#member@user:tom", "group:49#member@group:x#member"]);
    for i in 0..49 {
        t.put(&tuple(&format!("group:{i}#member@group:{}#see", i + 1))).unwrap();
    }
    assert!(yes(&t, "group:0#see@user:tom"));
    assert_eq!(t.trace(&ask("group:0#see@user:tom"), NOW).unwrap().1.path().len(), 50);
    assert_eq!(t.check(&ask("group:0#see@group:x#member"), NOW), Err(CheckError::Depth));
    assert!(yes(&t, "group:40#see@group:x#member"));
}

#[test]
fn circles_in_the_data_end_and_are_not_a_no() {
    let mut t = tuples(DOCS, &["group:0#member@user:tom"]);
    for i in 0..40 {
        for j in 0..40 {
            t.put(&tuple(&format!("group:{i}#member@group:{j}#member"))).unwrap();
        }
    }
    assert!(yes(&t, "group:39#member@user:tom"), "a yes outweighs the circle");
    assert_eq!(t.check(&ask("group:1#member@user:ann"), NOW), Err(CheckError::Depth));
    t.put(&tuple("doc:1#viewer@group:1#member")).unwrap();
    t.put(&tuple("doc:1#banned@user:tom")).unwrap();
    assert_eq!(t.check(&ask("doc:1#minus@user:ann"), NOW), Err(CheckError::Depth));
    assert!(!yes(&t, "doc:1#both@user:ann"), "a no outweighs it in an intersection");
}

#[test]
fn rows_end_and_answers_know_when() {
    let t = tuples(
        DOCS,
        &[
            "doc:1#viewer@user:tom until 2000",
            "doc:2#viewer@user:tom",
            "doc:2#banned@user:tom until 1500",
            "doc:3#viewer@group:eng#member until 3000",
            "group:eng#member@user:tom until 2500",
            "doc:4#viewer@user:tom until 900",
            "doc:5#viewer@user:tom until 1000",
        ],
    );
    let at = |line: &str, now: i64| {
        let decision = t.check(&ask(line), Timestamp(now)).unwrap();
        (decision.allowed(), decision.valid_until.map(|until| until.0))
    };
    assert_eq!(at("doc:1#viewer@user:tom", 1000), (true, Some(2000)));
    assert_eq!(at("doc:1#viewer@user:tom", 2000), (false, None));
    assert_eq!(at("doc:2#minus@user:tom", 1000), (false, Some(1500)), "the denial lapses");
    assert_eq!(at("doc:2#minus@user:tom", 1500), (true, None));
    assert_eq!(at("doc:3#viewer@user:tom", 1000), (true, Some(2500)));
    assert_eq!(at("doc:4#viewer@user:tom", 1000), (false, None));
    assert_eq!(at("doc:5#viewer@user:tom", 1000), (false, None));
}

#[test]
fn only_what_the_schema_allows_is_put() {
    let mut t = tuples(DOCS, &[]);
    for line in [
        "doc:1#editor@user:tom until 2000",
        "doc:1#editor@user:*",
        "doc:1#editor@group:eng#member",
        "doc:1#viewer@group:eng",
    ] {
        assert!(matches!(t.put(&tuple(line)), Err(TupleError::Subject { .. })), "{line}");
    }
    assert!(matches!(t.put(&tuple("doc:1#minus@user:tom")), Err(TupleError::Permission { .. })));
    for line in ["doc:1#fly@user:tom", "doc:1#viewer@group:1#fly"] {
        assert!(matches!(t.put(&tuple(line)), Err(TupleError::UnknownRelation { .. })), "{line}");
    }
    for line in ["ship:1#own@user:tom", "doc:1#viewer@ship:1"] {
        assert!(matches!(t.put(&tuple(line)), Err(TupleError::UnknownDefinition { .. })), "{line}");
    }
    for line in ["doc:a.b#editor@user:tom", "doc:1#editor@user:a:b", "doc:#editor@user:tom", "doc:*#editor@user:tom"] {
        assert!(matches!(t.put(&tuple(line)), Err(TupleError::ObjectId(_))), "{line}");
    }
    assert!(t.is_empty());
    assert!(t.put(&tuple("doc:1|a/b#editor@user:t-o_m=+")).unwrap());
}

#[test]
fn a_copy_is_not_changed_with_its_original() {
    let mut t = tuples(DOCS, &["doc:1#viewer@user:tom", "doc:2#viewer@user:ann until 2000"]);
    let before = t.clone();
    assert!(t.remove(&tuple("doc:1#viewer@user:tom")));
    assert!(!t.remove(&tuple("doc:1#viewer@user:tom")));
    assert!(t.put(&tuple("doc:2#viewer@user:ann until 3000")).unwrap(), "another end is a change");
    assert!(!t.put(&tuple("doc:2#viewer@user:ann until 3000")).unwrap());
    assert!(t.put(&tuple("doc:2#viewer@user:ann")).unwrap(), "so is none");
    assert_eq!((t.len(), before.len()), (1, 2));
    assert!(yes(&before, "doc:1#viewer@user:tom") && !yes(&t, "doc:1#viewer@user:tom"));
    assert_eq!(before.check(&ask("doc:2#viewer@user:ann"), NOW).unwrap().valid_until, Some(Timestamp(2000)));
    assert!(t.remove(&tuple("doc:2#viewer@user:ann until 1")), "the end is not part of the identity");
}

#[test]
fn an_explanation_is_the_chain_of_relationships() {
    let t = tuples(
        DOCS,
        &[
            "doc:1#parent@folder:a",
            "folder:a#parent@folder:b",
            "folder:b#viewer@user:tom",
            "doc:1#viewer@group:eng#member until 3000000",
            "group:eng#member@user:ann",
        ],
    );
    let path = |line: &str| t.explain(&ask(line), NOW).unwrap().1;
    assert_eq!(
        path("doc:1#above@user:tom"),
        ["doc:1#parent@folder:a", "folder:a#parent@folder:b", "folder:b#viewer@user:tom"]
    );
    assert_eq!(
        path("doc:1#minus@user:ann"),
        ["doc:1#viewer@group:eng#member[expiration:1970-01-01T00:00:03Z]", "group:eng#member@user:ann"]
    );
    assert!(path("doc:1#above@user:ann").is_empty());
}

#[test]
fn a_circle_is_seen_before_it_closes() {
    let t = tuples(
        DOCS,
        &[
            "group:a#member@group:b#member",
            "group:b#member@group:c#see",
            "folder:1#parent@folder:2",
            "folder:2#parent@folder:3",
            "doc:1#parent@folder:1",
        ],
    );
    for (line, circle) in [
        ("group:a#member@group:a#member", true),
        ("group:a#member@group:a#see", true),
        ("group:c#member@group:a#member", true),
        ("group:c#member@group:b#see", true),
        ("group:a#member@group:c#member", false),
        ("group:c#member@user:tom", false),
        ("group:c#member@group:d#member", false),
        ("folder:3#parent@folder:1", true),
        ("folder:1#parent@folder:1", true),
        ("folder:3#parent@folder:4", false),
        ("doc:2#parent@folder:1", false),
    ] {
        assert_eq!(t.nesting(&tuple(line)) == Some(Nesting::Circle), circle, "{line}");
    }
    let subjects: Vec<String> =
        t.subjects(&object("group:b"), "member").iter().map(|subject| subject.to_string()).collect();
    assert_eq!(subjects, ["group:c#see"]);
}

/// The deepest rules over the longest chain, on the stack that a server's thread has.
#[test]
fn the_deepest_walk_fits_on_the_stack_of_a_thread() {
    let deep = (0..31).fold("parent.all(see)".to_owned(), |rule, i| match i % 3 {
        0 => format!("(nobody + {rule})"),
        1 => format!("(everybody & {rule})"),
        _ => format!("({rule} - nobody)"),
    });
    let schema = format!(
        "definition user {{}}\ndefinition doc {{\nrelation parent: doc | doc#see\nrelation nobody: user\nrelation \
         everybody: user | user:* | doc#see\npermission see = everybody + {deep}\n}}"
    );
    let walk = move || {
        let mut t = tuples(&schema, &[]);
        for i in 0..60 {
            t.put(&tuple(&format!("doc:{i}#parent@doc:{}", i + 1))).unwrap();
            t.put(&tuple(&format!("doc:{i}#everybody@doc:{}#see", i + 1))).unwrap();
        }
        let check = ask("doc:0#see@user:tom");
        assert_eq!(t.check(&check, NOW), Err(CheckError::Depth));
        t.put(&tuple("doc:20#everybody@user:tom")).unwrap();
        assert!(t.check(&check, NOW).unwrap().allowed());
        t.trace(&check, NOW).unwrap();
        t.expand(&object("doc:0"), "see", NOW).unwrap_err();
        let found = t.lookup_resources(
            &crate::LookupResources {
                kind: "doc".into(),
                permission: "see".into(),
                subject: check.subject,
                context: Default::default(),
            },
            NOW,
        );
        assert_eq!(found.unwrap().found.len(), 21);
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(walk).unwrap().join().unwrap();
}

#[test]
fn a_tree_that_doubles_at_every_step_is_refused() {
    let schema = "definition user {}\ndefinition doc {\nrelation parent: doc\nrelation own: user\npermission see = own \
                  + parent->see + parent->see\n}";
    let mut t = tuples(schema, &["doc:40#own@user:tom"]);
    for i in 0..40 {
        t.put(&tuple(&format!("doc:{i}#parent@doc:{}", i + 1))).unwrap();
    }
    assert_eq!(t.expand(&object("doc:0"), "see", NOW), Err(CheckError::TooLarge));
    assert!(t.expand(&object("doc:35"), "see", NOW).is_ok());
    // The answers themselves are walked once.
    assert!(yes(&t, "doc:0#see@user:tom") && !yes(&t, "doc:0#see@user:ann"));
    assert_eq!(t.trace(&ask("doc:0#see@user:tom"), NOW).unwrap().1.path().len(), 41);
}
