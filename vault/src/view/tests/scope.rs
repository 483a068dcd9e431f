//! What a caller with less than everything sees; each case beside one that is shown.

use serde_json::json;

use super::select::all_commits;
use super::*;

const LOOK: [Verb; 2] = [Verb::Read, Verb::Search];
const PAST: [Verb; 3] = [Verb::Read, Verb::Search, Verb::History];

fn eq(value: Scalar) -> Comparison {
    Comparison::Eq(value)
}

#[test]
fn one_entry_cuts_rows_and_fields() {
    let fixture = Fixture::library();
    let masks = with(Masked::new(), BOOK, vec![entry(&LOOK, &[TITLE], vec![(PAGES, eq(Scalar::Int(100)))])]);
    assert_eq!(fixture.titles(&masks, SelectArgs::default()), ["Book 1", "Book 2"]);
    let count = RootKind::Aggregate(aggregate(Function::Count, Over::Collection(BOOK), None));
    assert_eq!(fixture.read(&masks, count.clone()).unwrap(), json!(2));
    assert_eq!(fixture.read(&owner(), count).unwrap(), json!(5));
    for hidden in [
        select(BOOK, SelectArgs::default(), vec![item("p", ItemKind::Field(PAGES))]),
        select(BOOK, filtered(is(PAGES, Operator::Eq(int(100)))), vec![item("t", ItemKind::Field(TITLE))]),
        select(
            BOOK,
            SelectArgs { order: vec![by(PAGES, false)], ..SelectArgs::default() },
            vec![item("t", ItemKind::Field(TITLE))],
        ),
        select(AUTHOR, SelectArgs::default(), vec![item("i", ItemKind::DocId)]),
        RootKind::Aggregate(aggregate(Function::Sum, Over::Collection(BOOK), Some(PAGES))),
    ] {
        assert!(matches!(fixture.read(&masks, hidden.clone()), Err(ReadError::Hidden)), "{hidden:?}");
        assert!(fixture.read(&owner(), hidden).is_ok());
    }
}

#[test]
fn of_several_entries_each_field_counts_where_its_own_predicate_holds() {
    let fixture = Fixture::library();
    let masks = with(
        Masked::new(),
        BOOK,
        vec![
            entry(&LOOK, &[TITLE, PAGES], vec![(PAGES, eq(Scalar::Int(100)))]),
            entry(&LOOK, &[TITLE, RATING], vec![(PAGES, eq(Scalar::Int(200)))]),
        ],
    );
    let items =
        vec![item("t", ItemKind::Field(TITLE)), item("p", ItemKind::Field(PAGES)), item("r", ItemKind::Field(RATING))];
    let rows = fixture.read(&masks, select(BOOK, SelectArgs::default(), items)).unwrap();
    assert_eq!(
        rows,
        json!([
            {"t": "Book 1", "p": 100, "r": null},
            {"t": "Book 2", "p": 100, "r": null},
            {"t": "Book 3", "p": null, "r": 3.5},
            {"t": "Book 4", "p": null, "r": 4.5}
        ])
    );
    let found = |filter| fixture.titles(&masks, filtered(filter));
    assert_eq!(found(is(RATING, Operator::Gt(Scalar::Int(0)))), ["Book 3", "Book 4"]);
    assert_eq!(found(is(PAGES, Operator::Eq(Value::NULL))), ["Book 3", "Book 4"]);
    let sum = |field| {
        fixture
            .read(&masks, RootKind::Aggregate(aggregate(Function::Sum, Over::Collection(BOOK), Some(field))))
            .unwrap()
    };
    assert_eq!((sum(PAGES), sum(RATING)), (json!(200), json!(8.0)));
    let groups = SelectArgs { group_by: Some(vec![PAGES]), ..SelectArgs::default() };
    let count = item("n", ItemKind::Aggregate(aggregate(Function::Count, Over::Group, None)));
    let inner = nested(BOOK, SelectArgs::default(), vec![item("r", ItemKind::Field(RATING))]);
    let items = vec![item("p", ItemKind::Field(PAGES)), count, item("g", ItemKind::Group(inner))];
    assert_eq!(
        fixture.read(&masks, select(BOOK, groups, items)).unwrap(),
        json!([
            {"p": 100, "n": 2, "g": [{"r": null}, {"r": null}]},
            {"p": null, "n": 2, "g": [{"r": 3.5}, {"r": 4.5}]}
        ])
    );
}

#[test]
fn a_search_shows_only_what_read_shows_and_an_id_needs_no_search() {
    let fixture = Fixture::library();
    let searches = with(Masked::new(), BOOK, vec![entry(&[Verb::Search], &[TITLE], vec![])]);
    let reads = with(Masked::new(), BOOK, vec![entry(&[Verb::Read], &[TITLE], vec![])]);
    let titled = |masks: &Masked, doc_ids: Option<Vec<DocId>>| {
        let args = SelectArgs { doc_ids, ..SelectArgs::default() };
        fixture.read(masks, select(BOOK, args, vec![item("t", ItemKind::Field(TITLE))]))
    };
    assert!(matches!(titled(&searches, None), Err(ReadError::Hidden)));
    assert_eq!(titled(&reads, None).unwrap(), json!([]));
    assert_eq!(titled(&reads, Some(vec![doc(11)])).unwrap(), json!([{"t": "Book 1"}]));
    let args = SelectArgs { show_deleted: true, ..SelectArgs::default() };
    let some = with(Masked::new(), BOOK, vec![entry(&LOOK, &[TITLE], vec![])]);
    assert!(fixture.titles(&some, args.clone()).is_empty());
    assert_eq!(fixture.titles(&owner(), args).len(), 5);
}

#[test]
fn a_target_out_of_scope_is_absent_everywhere_alike() {
    let fixture = Fixture::library();
    let narrow = vec![entry(&LOOK, &[NAME, BOOKS], vec![(NAME, eq(Scalar::String("Austen".into())))])];
    let masks = with(owner(), AUTHOR, narrow);
    let author = || nested(AUTHOR, SelectArgs::default(), vec![item("n", ItemKind::Field(NAME))]);
    let items =
        vec![item("id", ItemKind::RelationId(BY)), item("a", ItemKind::Relation { field: BY, select: author() })];
    let args = SelectArgs { doc_ids: Some(vec![doc(11), doc(12)]), ..SelectArgs::default() };
    assert_eq!(
        fixture.read(&masks, select(BOOK, args, items)).unwrap(),
        json!([{"id": null, "a": null}, {"id": doc(1).to_string(), "a": {"n": "Austen"}}])
    );
    let linked = |to: DocId| Filter::Is(Operand::RelationId(BY), Operator::Eq(link(to)));
    assert!(fixture.titles(&masks, filtered(linked(doc(2)))).is_empty());
    assert_eq!(fixture.titles(&masks, filtered(linked(doc(1)))), ["Book 2", "Book 4"]);
    assert_eq!(fixture.titles(&owner(), filtered(linked(doc(2)))), ["Book 1", "Book 3"]);
    let related =
        Filter::Related { field: BY, target: AUTHOR, filter: Box::new(is(NAME, Operator::Neq(text("nobody")))) };
    assert_eq!(fixture.titles(&masks, filtered(related.clone())), ["Book 2", "Book 4"]);
    assert_eq!(fixture.titles(&owner(), filtered(related)).len(), 4);
    let order = |descending| OrderKey {
        operand: OrderOperand::Related {
            field: BY,
            target: AUTHOR,
            operand: Box::new(OrderOperand::Own(Operand::Field(NAME))),
        },
        descending,
    };
    let args = SelectArgs { order: vec![order(false)], ..SelectArgs::default() };
    assert_eq!(fixture.titles(&masks, args), ["Book 1", "Book 3", "Anon", "Book 2", "Book 4"]);
    let books = entry(&LOOK, &[TITLE, BY], vec![(TITLE, eq(Scalar::String("Book 2".into())))]);
    let masks = with(owner(), BOOK, vec![books]);
    let rows = nested(BOOK, SelectArgs::default(), vec![item("t", ItemKind::Field(TITLE))]);
    let items = vec![
        item("b", ItemKind::Relation { field: BOOKS, select: rows }),
        item("n", ItemKind::Aggregate(aggregate(Function::Count, Over::Relation(BOOKS, BOOK), None))),
    ];
    assert_eq!(
        fixture.read(&masks, select(AUTHOR, SelectArgs::default(), items)).unwrap(),
        json!([{"b": [{"t": "Book 2"}], "n": 1}, {"b": [], "n": 0}])
    );
}

fn of(documents: Documents, entry: Entry) -> Entry {
    Entry { documents, ..entry }
}

fn these(docs: &[u8]) -> Documents {
    Documents::only(docs.iter().map(|&n| doc(n)).collect())
}

fn not_these(docs: &[u8]) -> Documents {
    Documents::except(docs.iter().map(|&n| doc(n)).collect())
}

/// As what a predicate covers, a set of documents is all that there is: in lists and pages, counts and groups,
/// by id and through relations, in the past and in what a mutation finds.
#[test]
fn documents_outside_the_set_are_absent_everywhere() {
    let fixture = Fixture::library();
    let whole = || entry(&PAST, &[TITLE, RATING, PAGES, BY], vec![]);
    let rows = |masks: &Masked, args: SelectArgs| fixture.titles(masks, args);
    for (documents, expected) in [
        (these(&[11, 13, 99]), vec!["Book 1", "Book 3"]),
        (not_these(&[12, 14]), vec!["Book 1", "Book 3", "Anon"]),
        (these(&[13]), vec!["Book 3"]),
        (these(&[]), vec![]),
    ] {
        let masks = with(owner(), BOOK, vec![of(documents.clone(), whole())]);
        let mut all = rows(&masks, SelectArgs::default());
        all.sort_unstable();
        let mut sorted = expected.clone();
        sorted.sort_unstable();
        assert_eq!(all, sorted, "{documents:?}");
        let count = RootKind::Aggregate(aggregate(Function::Count, Over::Collection(BOOK), None));
        assert_eq!(fixture.read(&masks, count).unwrap(), json!(expected.len()), "{documents:?}");
        let some = Some((10..20).map(doc).collect());
        assert_eq!(rows(&masks, SelectArgs { doc_ids: some, ..SelectArgs::default() }).len(), expected.len());
        // A page is full: what is left out is left out before the limit.
        let args = SelectArgs { limit: Some(2), order: vec![by(TITLE, true)], ..SelectArgs::default() };
        assert_eq!(rows(&masks, args).len(), expected.len().min(2), "{documents:?}");
        let commits = |docs| {
            let rows = fixture.read(&masks, RootKind::Commits(all_commits(docs))).unwrap();
            rows.as_array().unwrap().len()
        };
        let each: Vec<usize> = [1, 2, 11, 12, 13, 14, 15].map(|n| commits(Some(vec![doc(n)]))).to_vec();
        assert_eq!(each[2..].iter().filter(|rows| **rows > 0).count(), expected.len(), "{documents:?}");
        assert_eq!(commits(None), each.iter().sum::<usize>());
        let found = |verb| {
            let lookup = |id| masks.get(&id).cloned();
            fixture.view.select_masked(&lookup, BOOK, None, None, verb, false).unwrap().len()
        };
        assert_eq!((found(Verb::Read), found(Verb::Update)), (expected.len(), 0));
    }
    // Through relations, both ways, and in a filter over them.
    let masks = with(owner(), BOOK, vec![of(these(&[11, 12]), whole())]);
    let titles = nested(BOOK, SelectArgs::default(), vec![item("t", ItemKind::Field(TITLE))]);
    let items = vec![
        item("b", ItemKind::Relation { field: BOOKS, select: titles }),
        item("n", ItemKind::Aggregate(aggregate(Function::Count, Over::Relation(BOOKS, BOOK), None))),
    ];
    assert_eq!(
        fixture.read(&masks, select(AUTHOR, SelectArgs::default(), items)).unwrap(),
        json!([{"b": [{"t": "Book 2"}], "n": 1}, {"b": [{"t": "Book 1"}], "n": 1}])
    );
    let masks = with(owner(), AUTHOR, vec![of(these(&[1]), entry(&LOOK, &[NAME, BOOKS], vec![]))]);
    let linked = |to: DocId| Filter::Is(Operand::RelationId(BY), Operator::Eq(link(to)));
    assert!(fixture.titles(&masks, filtered(linked(doc(2)))).is_empty());
    assert_eq!(fixture.titles(&masks, filtered(linked(doc(1)))), ["Book 2", "Book 4"]);
    let related =
        Filter::Related { field: BY, target: AUTHOR, filter: Box::new(is(NAME, Operator::Neq(text("nobody")))) };
    assert_eq!(fixture.titles(&masks, filtered(related)), ["Book 2", "Book 4"]);
}

#[test]
fn a_field_shows_in_the_documents_of_its_own_entry_only() {
    let fixture = Fixture::library();
    let masks = with(
        Masked::new(),
        BOOK,
        vec![
            of(these(&[11, 12]), entry(&LOOK, &[TITLE], vec![])),
            of(not_these(&[11]), entry(&LOOK, &[PAGES], vec![(RATING, Comparison::Gt(Scalar::Int(2)))])),
        ],
    );
    let items = vec![item("t", ItemKind::Field(TITLE)), item("p", ItemKind::Field(PAGES))];
    let rows = fixture.read(&masks, select(BOOK, SelectArgs::default(), items)).unwrap();
    assert_eq!(
        rows,
        json!([
            {"t": "Book 1", "p": null},
            {"t": "Book 2", "p": 100},
            {"t": null, "p": 200},
            {"t": null, "p": 200}
        ])
    );
    assert_eq!(fixture.titles(&masks, filtered(is(TITLE, Operator::Neq(Value::NULL)))), ["Book 1", "Book 2"]);
    let sum = aggregate(Function::Sum, Over::Collection(BOOK), Some(PAGES));
    assert_eq!(fixture.read(&masks, RootKind::Aggregate(sum)).unwrap(), json!(500));
}

#[test]
fn an_edit_of_a_hidden_field_leaves_no_trace_in_history() {
    let (mut edited, plain) = (Fixture::library(), Fixture::library());
    edited.apply(&[
        commit(AUTHOR, doc(1), "hide", &["a1"], vec![(BORN, int(1))]),
        commit(AUTHOR, doc(1), "hidden", &["a1"], vec![(BORN, int(2))]),
    ]);
    let masks = with(Masked::new(), AUTHOR, vec![entry(&PAST, &[NAME], vec![])]);
    let rows = |fixture: &Fixture, masks: &Masked| {
        fixture.read(masks, RootKind::Commits(all_commits(Some(vec![doc(1)])))).unwrap()
    };
    assert_eq!(rows(&edited, &masks), rows(&plain, &masks));
    assert_ne!(rows(&edited, &owner()), rows(&plain, &owner()));
    let none = with(Masked::new(), AUTHOR, vec![entry(&LOOK, &[NAME], vec![])]);
    assert_eq!(rows(&plain, &none), json!([]));
}

#[test]
fn the_past_shows_only_of_documents_in_scope_now_and_then() {
    let mut fixture = Fixture::library();
    fixture.apply(&[commit(AUTHOR, doc(1), "later", &["a1"], vec![(BORN, int(2000))])]);
    let scope =
        |year| with(Masked::new(), AUTHOR, vec![entry(&PAST, &[NAME, BORN], vec![(BORN, eq(Scalar::Int(year)))])]);
    let at = |masks: &Masked, name: &str| {
        let args = SelectArgs { cids: Some(vec![cid(name)]), ..SelectArgs::default() };
        fixture.read(masks, select(AUTHOR, args, vec![item("b", ItemKind::Field(BORN))])).unwrap()
    };
    assert_eq!(at(&owner(), "a1"), json!([{"b": 1775}]));
    assert_eq!(at(&scope(2000), "a1"), json!([]));
    assert_eq!(at(&scope(1775), "a1"), json!([]));
    assert_eq!(at(&scope(2000), "later"), json!([{"b": 2000}]));
    // Two entries, of which one covers the document now and the other covered it then, add up to nothing.
    let year = |year, fields: &[FieldId]| entry(&PAST, fields, vec![(BORN, eq(Scalar::Int(year)))]);
    let halves = with(Masked::new(), AUTHOR, vec![year(1775, &[NAME, BORN]), year(2000, &[NAME, BORN])]);
    assert_eq!(at(&halves, "a1"), json!([]));
    let narrow = with(Masked::new(), AUTHOR, vec![year(1775, &[NAME, BORN]), entry(&PAST, &[NAME], vec![])]);
    assert_eq!(at(&narrow, "a1"), json!([{"b": null}]));
    let commits = fixture.read(&scope(2000), RootKind::Commits(all_commits(Some(vec![doc(1)])))).unwrap();
    assert!(commits.as_array().unwrap().iter().all(|row| row["fieldName"] != "name"));
    assert!(!commits.as_array().unwrap().is_empty());
}

#[test]
fn a_mutation_answers_with_what_may_be_read() {
    let mut fixture = Fixture::library();
    fixture.apply(&[with_status(commit(BOOK, doc(12), "gone", &["b2"], vec![]), Status::Deleted)]);
    let masks = with(Masked::new(), BOOK, vec![entry(&LOOK, &[TITLE], vec![(PAGES, eq(Scalar::Int(100)))])]);
    let author = nested(AUTHOR, SelectArgs::default(), vec![item("n", ItemKind::Field(NAME))]);
    let items = [
        item("i", ItemKind::DocId),
        item("t", ItemKind::Field(TITLE)),
        item("p", ItemKind::Field(PAGES)),
        item("a", ItemKind::Relation { field: BY, select: author }),
    ];
    let answer = |masks: &Masked| -> serde_json::Value {
        let lookup = |id| masks.get(&id).cloned();
        let mut out = Text::default();
        fixture.view.answer_masked(&lookup, &fixture.schema, BOOK, &[doc(13), doc(12)], &items, &mut out).unwrap();
        serde_json::from_slice(&out.into_bytes()).unwrap()
    };
    let (three, two) = (doc(13).to_string(), doc(12).to_string());
    assert_eq!(
        answer(&masks),
        json!([{"i": three, "t": null, "p": null, "a": null}, {"i": two, "t": "Book 2", "p": null, "a": null}])
    );
    assert_eq!(
        answer(&owner()),
        json!([
            {"i": three, "t": "Book 3", "p": 200, "a": {"n": "Borges"}},
            {"i": two, "t": "Book 2", "p": 100, "a": {"n": "Austen"}}
        ])
    );
}

#[test]
fn a_target_of_a_mutation_is_in_the_scope_of_its_verb_and_of_search() {
    let fixture = Fixture::library();
    let hundred = vec![(PAGES, eq(Scalar::Int(100)))];
    let masks = with(
        Masked::new(),
        BOOK,
        vec![
            entry(&[Verb::Update], &[TITLE], hundred.clone()),
            entry(&[Verb::Search], &[TITLE], vec![(RATING, Comparison::Gt(Scalar::Int(2)))]),
        ],
    );
    let found = |masks: &Masked, docs: Option<&[DocId]>, filter: Option<Filter>| {
        let lookup = |id| masks.get(&id).cloned();
        fixture.view.select_masked(&lookup, BOOK, docs, filter.as_ref(), Verb::Update, false).unwrap()
    };
    let all = [doc(11), doc(12), doc(13)];
    assert_eq!(found(&masks, Some(&all), None), [doc(11), doc(12)]);
    assert_eq!(found(&masks, None, Some(is(TITLE, Operator::Neq(text("x"))))), [doc(12)]);
    assert_eq!(found(&owner(), Some(&all), None), all);
    assert_eq!(found(&owner(), Some(&[]), None), []);
}
