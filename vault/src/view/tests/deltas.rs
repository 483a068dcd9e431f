//! What the deltas of `_commits` say: what was set, what was cleared, and whether the document was deleted or restored.

use serde_json::{Value as Json, json};
use vault_core::query::{CommitItem, CommitItemKind, CommitSelect};

use super::select::all_commits;
use super::*;

const PAST: [Verb; 3] = [Verb::Read, Verb::Search, Verb::History];

/// Books 20 and 21: linked to Austen, to Borges, to nobody, deleted, restored. Book 21 is linked to nobody where book
/// 20 is linked to Borges.
fn linked() -> Fixture {
    let mut fixture = Fixture::library();
    let mut all = Vec::new();
    for (n, second) in [(20, link(doc(2))), (21, Value::NULL)] {
        let name = |step: &str| format!("{n}{step}");
        let of = |step: &str, parent: &str, values| commit(BOOK, doc(n), &name(step), &[&name(parent)], values);
        let mut steps = vec![
            of("x2", "x1", vec![(BY, second)]),
            of("x3x", "x2", vec![(BY, Value::NULL), (PAGES, int(7))]),
            with_status(of("x4xx", "x3x", vec![]), Status::Deleted),
            with_status(of("x5xxx", "x4xx", vec![]), Status::Undeleted),
        ];
        let root = name("x1");
        all.push(commit(BOOK, doc(n), &root, &[], vec![(TITLE, text("T")), (BY, link(doc(1)))]));
        steps.iter_mut().zip(2..).for_each(|(step, height)| {
            step.root = cid(&root);
            step.height = height;
        });
        all.extend(steps);
    }
    fixture.apply(&all);
    fixture
}

/// The items of CBOR that deltas have.
fn decoded(bytes: &mut &[u8]) -> Json {
    let (head, rest) = bytes.split_first().unwrap();
    *bytes = rest;
    let (major, low) = (head >> 5, head & 31);
    if major == 7 {
        return match low {
            20 => json!(false),
            21 => json!(true),
            22 => Json::Null,
            other => panic!("simple value {other}"),
        };
    }
    let n = match low {
        0..=23 => usize::from(low),
        24 => {
            let (n, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            usize::from(*n)
        }
        other => panic!("a length by {other}"),
    };
    match major {
        0 => json!(n),
        3 => {
            let (text, rest) = bytes.split_at(n);
            *bytes = rest;
            json!(std::str::from_utf8(text).unwrap())
        }
        5 => {
            let mut members = serde_json::Map::new();
            for _ in 0..n {
                let Json::String(key) = decoded(bytes) else { panic!("a key is text") };
                members.insert(key, decoded(bytes));
            }
            Json::Object(members)
        }
        other => panic!("major type {other}"),
    }
}

/// Field and delta of all rows of a document, oldest commit first, a composite before its parts.
fn deltas(fixture: &Fixture, masks: &Masked, n: u8) -> Vec<(String, Json)> {
    let items = [("f", CommitItemKind::FieldName), ("d", CommitItemKind::Delta)];
    let items = items.into_iter().map(|(key, kind)| CommitItem { key: key.into(), kind }).collect();
    let select = CommitSelect { items, ..all_commits(Some(vec![doc(n)])) };
    let rows = fixture.read(masks, RootKind::Commits(select)).unwrap();
    let mut by_commit: Vec<Vec<(String, Json)>> = Vec::new();
    for row in rows.as_array().unwrap() {
        let bytes = data_encoding::BASE64.decode(row["d"].as_str().unwrap().as_bytes()).unwrap();
        let field = row["f"].as_str().unwrap().to_owned();
        let mut rest = bytes.as_slice();
        let delta = decoded(&mut rest);
        assert!(rest.is_empty());
        match by_commit.last_mut() {
            Some(commit) if field != "_C" => commit.push((field, delta)),
            _ => by_commit.push(vec![(field, delta)]),
        }
    }
    by_commit.reverse();
    by_commit.concat()
}

fn row(field: &str, delta: Json) -> (String, Json) {
    (field.to_owned(), delta)
}

#[test]
fn deltas_tell_set_from_cleared_and_deleted_from_restored() {
    let fixture = linked();
    let (austen, borges) = (doc(1).to_string(), doc(2).to_string());
    let expected = |second: Json| {
        vec![
            row("_C", json!({"title": "T", "author": austen})),
            row("title", json!("T")),
            row("author", json!(austen)),
            row("_C", json!({"author": second})),
            row("author", second),
            row("_C", json!({"author": null, "pages": 7})),
            row("author", Json::Null),
            row("pages", json!(7)),
            row("_C", json!({"_deleted": true})),
            row("_C", json!({"_deleted": false})),
        ]
    };
    assert_eq!(deltas(&fixture, &owner(), 20), expected(json!(borges)));
    assert_eq!(deltas(&fixture, &owner(), 21), expected(Json::Null), "control: cleared");
}

#[test]
fn a_delta_tells_no_more_of_a_relation_than_a_read_of_it() {
    let fixture = linked();
    let austen = Comparison::Eq(Scalar::String("Austen".into()));
    let only = |verbs: &[Verb], conditions| vec![entry(verbs, &[NAME, BOOKS], conditions)];
    let narrow = with(owner(), AUTHOR, only(&PAST, vec![(NAME, austen)]));
    // Linked to whom the caller does not see is as linked to nobody; whom they see is told.
    let (hidden, cleared) = (deltas(&fixture, &narrow, 20), deltas(&fixture, &narrow, 21));
    assert_eq!(hidden, cleared);
    assert_eq!(hidden[2], row("author", json!(doc(1).to_string())));
    assert_ne!(deltas(&fixture, &owner(), 20), deltas(&fixture, &owner(), 21), "control");
    // Of whom nothing is read there is no relation: not in deltas, not as a row, and a commit of it alone is none.
    let mut nobody = owner();
    nobody.remove(&AUTHOR);
    let without = vec![
        row("_C", json!({"title": "T"})),
        row("title", json!("T")),
        row("_C", json!({"pages": 7})),
        row("pages", json!(7)),
        row("_C", json!({"_deleted": true})),
        row("_C", json!({"_deleted": false})),
    ];
    for masks in [nobody, with(owner(), AUTHOR, only(&[Verb::Search], vec![]))] {
        for n in [20, 21] {
            assert_eq!(deltas(&fixture, &masks, n), without);
        }
        let hidden = select(BOOK, SelectArgs::default(), vec![item("a", ItemKind::RelationId(BY))]);
        let read = fixture.read(&masks, hidden);
        let nulls = |rows: &Json| rows.as_array().unwrap().iter().all(|row| row["a"].is_null());
        assert!(matches!(&read, Err(ReadError::Hidden)) || read.as_ref().is_ok_and(nulls), "as a read: {read:?}");
    }
}
