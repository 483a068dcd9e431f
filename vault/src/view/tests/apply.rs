use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::view::{ViewError, covers};

#[test]
fn the_file_opens_under_its_key_only_and_shows_no_plaintext() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("view.db");
    let mut view = View::open(&path, &[1; 32]).unwrap();
    view.set_schema(&schema()).unwrap();
    view.begin().unwrap();
    view.apply(&commit(AUTHOR, doc(1), "a", &[], vec![(NAME, text("canary-in-the-view"))])).unwrap();
    view.set_position(7).unwrap();
    view.commit().unwrap();
    drop(view);
    assert!(matches!(View::open(&path, &[2; 32]), Err(ViewError::Sql(_))));
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|w| w == b"canary" || w == b"SQLite"));
    }
    let view = View::open(&path, &[1; 32]).unwrap();
    assert_eq!(view.position().unwrap(), 7);
    assert_eq!(**view.schema(), schema());
    let loaded = view.load(AUTHOR, doc(1)).unwrap().unwrap();
    assert_eq!(loaded.values, [(NAME, text("canary-in-the-view"))]);
    assert_eq!((loaded.deleted, &loaded.state.heads[..]), (false, &[cid("a")][..]));
}

#[test]
fn commits_before_their_definitions_wait_for_them() {
    let mut late = Fixture::empty();
    let early_schema = Schema { version: SchemaVersion(0), collections: vec![] };
    let dir = tempfile::tempdir().unwrap();
    let mut early = View::open(&dir.path().join("v"), &[1; 32]).unwrap();
    early.set_schema(&early_schema).unwrap();
    let mut narrow = schema();
    narrow.collections[0].fields.retain(|field| field.id != BORN);
    let all = [
        commit(AUTHOR, doc(1), "a", &[], vec![(NAME, text("x")), (BORN, int(3))]),
        commit(AUTHOR, doc(1), "b", &["a"], vec![(BORN, int(4))]),
        commit(AUTHOR, doc(2), "c", &[], vec![(BORN, int(5))]),
    ];
    late.apply(&all);
    early.apply(&all[0]).unwrap();
    early.set_schema(&narrow).unwrap();
    assert_eq!(early.load(AUTHOR, doc(1)).unwrap().unwrap().values, [(NAME, text("x"))]);
    early.apply(&all[1]).unwrap();
    early.apply(&all[2]).unwrap();
    early.set_schema(&schema()).unwrap();
    assert_eq!(early.digest().unwrap(), late.view.digest().unwrap());
    assert_eq!(early.load(AUTHOR, doc(1)).unwrap().unwrap().values, [(NAME, text("x")), (BORN, int(4))]);
}

#[test]
fn savepoints_undo_one_request_and_rollback_undoes_all() {
    let mut fixture = Fixture::library();
    let before = fixture.view.digest().unwrap();
    let view = &mut fixture.view;
    view.begin().unwrap();
    view.savepoint().unwrap();
    view.apply(&commit(AUTHOR, doc(1), "a1x", &["a1"], vec![(BORN, int(1))])).unwrap();
    view.rollback_to().unwrap();
    assert_eq!(view.digest().unwrap(), before);
    view.savepoint().unwrap();
    view.apply(&commit(AUTHOR, doc(1), "a1x", &["a1"], vec![(BORN, int(1))])).unwrap();
    view.release().unwrap();
    assert_ne!(view.digest().unwrap(), before);
    view.rollback().unwrap();
    assert_eq!(view.digest().unwrap(), before);
    assert!(!view.in_transaction());
}

#[test]
fn unique_look_ups_see_others_and_not_nulls_or_the_deleted() {
    let mut fixture = Fixture::library();
    assert!(!fixture.view.collides(AUTHOR, doc(1), &[NAME]).unwrap());
    fixture.apply(&[
        commit(AUTHOR, doc(3), "a3", &[], vec![(NAME, text("Austen")), (BORN, int(1775))]),
        commit(AUTHOR, doc(4), "a4", &[], vec![(BORN, int(1899))]),
        commit(AUTHOR, doc(5), "a5", &[], vec![(BORN, int(1899))]),
    ]);
    let collides = |fixture: &Fixture, of, fields: &[FieldId]| fixture.view.collides(AUTHOR, doc(of), fields).unwrap();
    assert!(collides(&fixture, 1, &[NAME]) && collides(&fixture, 3, &[NAME]) && !collides(&fixture, 2, &[NAME]));
    assert!(collides(&fixture, 1, &[NAME, BORN]) && !collides(&fixture, 2, &[NAME, BORN]));
    assert!(!collides(&fixture, 4, &[NAME]) && !collides(&fixture, 4, &[BORN, NAME]), "a null equals nothing");
    assert!(collides(&fixture, 4, &[BORN]), "control");
    fixture.apply(&[with_status(commit(AUTHOR, doc(1), "gone", &["a1"], vec![]), Status::Deleted)]);
    assert!(!collides(&fixture, 1, &[NAME]) && !collides(&fixture, 3, &[NAME]));
}

/// A random history of two documents; commit `n` names some of the same document's before it.
fn commits() -> impl Strategy<Value = Vec<DocumentCommit>> {
    let one = (0u8..2, proptest::collection::vec(any::<u8>(), 0..3), 0u8..4, -3i64..3, 0u8..8);
    proptest::collection::vec(one, 1..12).prop_map(|all| {
        let mut made: Vec<DocumentCommit> = Vec::new();
        for (n, (of, picks, what, value, status)) in all.into_iter().enumerate() {
            let earlier: Vec<Cid> = made.iter().filter(|c| c.doc == doc(of)).map(|c| c.cid).collect();
            let mut parents: Vec<Cid> = match earlier.len() {
                0 => vec![],
                len => picks.iter().map(|pick| earlier[usize::from(*pick) % len]).collect(),
            };
            parents.dedup();
            let mut c = commit(BOOK, doc(of), &format!("c{n}"), &[], vec![]);
            if !parents.is_empty() {
                c.salt = None;
            }
            c.parents = parents;
            c.hlc = Hlc(n as u64 / 2);
            c.seq = n as u64;
            let (field, delta) = match what {
                0 => (READS, Delta::IntCounter { plus: i128::from(value.max(0)), minus: 1 }),
                1 => (PAGES, Delta::Set(int(value))),
                2 => (TITLE, Delta::Set(text(&value.to_string()))),
                _ => (TITLE, Delta::Set(Value::NULL)),
            };
            c.deltas = vec![FieldDelta { field, generation: 0, part: [n as u8; 32], delta }];
            c.status = match status {
                0 => Some(Status::Deleted),
                1 => Some(Status::Undeleted),
                _ => None,
            };
            made.push(c);
        }
        made
    })
}

fn scalar_value() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        Just(Scalar::Null),
        any::<bool>().prop_map(Scalar::Bool),
        (-2i64..3).prop_map(Scalar::Int),
        prop_oneof![Just(i64::MAX), Just(i64::MIN), Just((1 << 53) + 1)].prop_map(Scalar::Int),
        prop_oneof![Just(-1.5), Just(0.0), Just(-0.0), Just(1.0), Just(9007199254740992.0), Just(9.3e18)]
            .prop_map(Scalar::Float),
        "[ab0]{0,2}".prop_map(Scalar::String),
        (-1i64..2).prop_map(|n| Scalar::DateTime(Timestamp(n))),
        proptest::collection::vec(0u8..2, 0..3).prop_map(Scalar::Blob),
        Just(Scalar::Blob(doc(1).as_bytes().to_vec())),
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    let many = || proptest::collection::vec(scalar_value(), 0..3);
    prop_oneof![
        scalar_value().prop_map(Comparison::Eq),
        scalar_value().prop_map(Comparison::Neq),
        many().prop_map(Comparison::In),
        many().prop_map(Comparison::Nin),
        scalar_value().prop_map(Comparison::Gt),
        scalar_value().prop_map(Comparison::Geq),
        scalar_value().prop_map(Comparison::Lt),
        scalar_value().prop_map(Comparison::Leq),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_order_and_duplication_gives_the_same_view(commits in commits(), order in proptest::collection::vec(any::<u16>(), 24)) {
        let mut straight = Fixture::empty();
        straight.apply(&commits);
        let mut keyed: Vec<(u16, &DocumentCommit)> =
            order.iter().enumerate().map(|(i, key)| (*key, &commits[i % commits.len()])).collect();
        keyed.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<DocumentCommit> = keyed.into_iter().map(|(_, c)| c.clone()).collect();
        let mut other = Fixture::empty();
        other.apply(&shuffled);
        prop_assert_eq!(straight.view.digest().unwrap(), other.view.digest().unwrap());
        for n in 0..2 {
            prop_assert_eq!(straight.view.load(BOOK, doc(n)).unwrap(), other.view.load(BOOK, doc(n)).unwrap());
        }
    }
}

#[test]
fn predicates_are_the_same_truth_in_rust_and_in_sql() {
    let mut fixture = Fixture::empty();
    let fields = [TITLE, RATING, PAGES, TAGS, OUT, BY, EXTRA, COVER];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let value = prop_oneof![
        4 => scalar_value().prop_map(Value::Scalar),
        1 => Just(Value::List(vec![Scalar::String("a".into())])),
        1 => Just(Value::Json(serde_json::json!([1]))),
    ];
    let draw = |runner: &mut proptest::test_runner::TestRunner, strategy: &BoxedStrategy<Value>| {
        strategy.new_tree(runner).unwrap().current()
    };
    let value = value.boxed();
    let mut commits = Vec::new();
    for n in 0..60u8 {
        let values = fields.iter().map(|field| (*field, draw(&mut runner, &value))).collect();
        commits.push(commit(BOOK, doc(n), &format!("d{n}"), &[], values));
    }
    fixture.apply(&commits);
    let conditions = proptest::collection::vec((proptest::sample::select(fields.to_vec()), comparison()), 1..3);
    let (mut yes, mut no) = (0, 0);
    for round in 0..600 {
        let conditions = conditions.new_tree(&mut runner).unwrap().current();
        let mut entry = entry(&[Verb::Read, Verb::Search], &[TITLE], conditions);
        let some = proptest::collection::vec((0..80u8).prop_map(doc), 0..40).new_tree(&mut runner).unwrap().current();
        entry.documents = match (round % 4, round % 3) {
            (0, _) => Documents::only(some),
            (1, _) => Documents::except(some),
            _ => Documents::All,
        };
        if round % 3 == 0 {
            entry.predicate = Predicate::default();
        }
        // Two entries are another statement than one, and a read by id another than a search.
        let twice = if round % 5 == 0 { vec![entry.clone(), entry.clone()] } else { vec![entry.clone()] };
        let masks = with(Masked::new(), BOOK, twice);
        let all: Vec<DocId> = (0..60).map(doc).collect();
        let named = (round % 2 == 0).then_some(&all[..]);
        let found =
            fixture.view.select_masked(&|id| masks.get(&id).cloned(), BOOK, named, None, Verb::Read, false).unwrap();
        for n in 0..60 {
            let values = fixture.view.load(BOOK, doc(n)).unwrap().unwrap().values;
            let covered = covers(&entry, Some(doc(n)), &values);
            assert_eq!(covered, found.contains(&doc(n)), "{entry:?} {n} {values:?}");
            if covered { yes += 1 } else { no += 1 }
        }
    }
    assert!(yes > 1_000 && no > 1_000, "{yes} {no}");
}
