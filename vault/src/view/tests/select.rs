use policy_core::{AppCaller, Caller, ClientId, GrantId, Holder, LinkId, UserId};
use serde_json::json;
use vault_core::query::{CommitItem, CommitItemKind, CommitSelect, ConflictItem, LinkItem};

use super::*;

#[test]
fn fields_print_as_the_contract_says() {
    let fixture = Fixture::library();
    let items = vec![
        item("id", ItemKind::DocId),
        item("gone", ItemKind::Deleted),
        item("t", ItemKind::Constant("Book".into())),
        item("title", ItemKind::Field(TITLE)),
        item("rating", ItemKind::Field(RATING)),
        item("pages", ItemKind::Field(PAGES)),
        item("tags", ItemKind::Field(TAGS)),
        item("out", ItemKind::Field(OUT)),
        item("_authorID", ItemKind::RelationId(BY)),
        item("extra", ItemKind::Field(EXTRA)),
        item("cover", ItemKind::Field(COVER)),
    ];
    let args = SelectArgs { doc_ids: Some(vec![doc(11), doc(15), doc(99)]), ..SelectArgs::default() };
    let rows = fixture.read(&owner(), select(BOOK, args, items)).unwrap();
    assert_eq!(
        rows,
        json!([
            {"id": doc(11).to_string(), "gone": false, "t": "Book", "title": "Book 1", "rating": 1.5, "pages": 100,
             "tags": ["t", "n1"], "out": "1970-01-02T00:00:00Z", "_authorID": doc(2).to_string(),
             "extra": {"a": {"b": 1}, "l": [1, 9]}, "cover": "01ff"},
            {"id": doc(15).to_string(), "gone": false, "t": "Book", "title": "Anon", "rating": null, "pages": null,
             "tags": null, "out": null, "_authorID": null, "extra": null, "cover": null}
        ])
    );
}

#[test]
fn filters_order_limit_and_offset() {
    let fixture = Fixture::library();
    let found = |filter| fixture.titles(&owner(), filtered(filter));
    let like = |pattern: &str, fold, negated| Operator::Like { pattern: pattern.into(), fold, negated };
    assert_eq!(found(is(RATING, Operator::Geq(Scalar::Float(3.5)))), ["Book 3", "Book 4"]);
    assert_eq!(found(is(RATING, Operator::Eq(Value::NULL))), ["Anon"]);
    assert_eq!(found(is(PAGES, Operator::Neq(int(100)))), ["Book 3", "Book 4", "Anon"]);
    assert_eq!(found(is(PAGES, Operator::Nin(vec![int(100), Value::NULL]))), ["Book 3", "Book 4"]);
    assert_eq!(found(is(PAGES, Operator::In(vec![]))), Vec::<String>::new());
    assert_eq!(found(is(TITLE, like("book%", true, false))).len(), 4);
    assert_eq!(found(is(TITLE, like("Book%", false, true))), ["Anon"]);
    let not = Filter::Not(Box::new(is(PAGES, Operator::Gt(Scalar::Int(100)))));
    assert_eq!(found(not), ["Book 1", "Book 2", "Anon"]);
    let tagged = |op| is(TAGS, op);
    let eq = |s: &str| vec![Operator::Eq(text(s))];
    assert_eq!(found(tagged(Operator::Any(eq("n2")))), ["Book 2"]);
    assert_eq!(found(tagged(Operator::None(eq("n2")))), ["Book 1", "Book 3", "Book 4"]);
    assert_eq!(found(tagged(Operator::All(vec![like("%n%", false, false)]))), Vec::<String>::new());
    let path = Operand::JsonPath(EXTRA, vec!["a".into(), "b".into()]);
    assert_eq!(found(Filter::Is(path, Operator::Gt(Scalar::Int(2)))), ["Book 3", "Book 4"]);
    let id = Filter::Is(Operand::DocId, Operator::Eq(text(&doc(13).to_string())));
    assert_eq!(found(Filter::Or(vec![id, is(TITLE, Operator::Eq(text("Anon")))])), ["Book 3", "Anon"]);
    let ordered = SelectArgs {
        order: vec![by(PAGES, false), by(TITLE, true)],
        limit: Some(3),
        offset: 1,
        ..SelectArgs::default()
    };
    assert_eq!(fixture.titles(&owner(), ordered), ["Book 2", "Book 1", "Book 4"]);
}

#[test]
fn relations_nest_filter_and_order_both_ways() {
    let fixture = Fixture::library();
    let named = |s: &str| is(NAME, Operator::Eq(text(s)));
    let by_author = Filter::Related { field: BY, target: AUTHOR, filter: Box::new(named("Austen")) };
    assert_eq!(fixture.titles(&owner(), filtered(by_author)), ["Book 2", "Book 4"]);
    let order = OrderKey {
        operand: OrderOperand::Related {
            field: BY,
            target: AUTHOR,
            operand: Box::new(OrderOperand::Own(Operand::Field(NAME))),
        },
        descending: true,
    };
    let args = SelectArgs { order: vec![order], ..SelectArgs::default() };
    assert_eq!(fixture.titles(&owner(), args), ["Book 1", "Book 3", "Book 2", "Book 4", "Anon"]);
    let author = nested(AUTHOR, SelectArgs::default(), vec![item("name", ItemKind::Field(NAME))]);
    let last = SelectArgs { order: vec![by(TITLE, true)], limit: Some(1), ..SelectArgs::default() };
    let books = nested(
        BOOK,
        last,
        vec![item("t", ItemKind::Field(TITLE)), item("a", ItemKind::Relation { field: BY, select: author })],
    );
    let count = aggregate(Function::Count, Over::Relation(BOOKS, BOOK), None);
    let items = vec![
        item("name", ItemKind::Field(NAME)),
        item("books", ItemKind::Relation { field: BOOKS, select: books }),
        item("COUNT", ItemKind::Aggregate(count.clone())),
        item("AVG", ItemKind::Aggregate(aggregate(Function::Avg, Over::Relation(BOOKS, BOOK), Some(RATING)))),
    ];
    let many =
        Filter::Related { field: BOOKS, target: BOOK, filter: Box::new(is(RATING, Operator::Gt(Scalar::Int(4)))) };
    let both = Filter::And(vec![many, Filter::Is(Operand::Aggregate(Box::new(count)), Operator::Eq(int(2)))]);
    let rows = fixture.read(&owner(), select(AUTHOR, filtered(both), items)).unwrap();
    assert_eq!(
        rows,
        json!([{"name": "Austen", "books": [{"t": "Book 4", "a": {"name": "Austen"}}], "COUNT": 2, "AVG": 3.5}])
    );
}

#[test]
fn aggregates_and_groups() {
    let mut fixture = Fixture::library();
    let root = |fixture: &Fixture, function, field, filter: Option<Filter>| {
        let mut of = aggregate(function, Over::Collection(BOOK), field);
        of.sources[0].filter = filter;
        fixture.read(&owner(), RootKind::Aggregate(of)).unwrap()
    };
    let none = || Some(is(PAGES, Operator::Gt(Scalar::Int(999))));
    assert_eq!(root(&fixture, Function::Count, None, None), json!(5));
    assert_eq!(root(&fixture, Function::Sum, Some(PAGES), None), json!(600));
    assert_eq!(root(&fixture, Function::Max, Some(RATING), None), json!(4.5));
    assert_eq!(root(&fixture, Function::Max, Some(OUT), None), json!("1970-01-05T00:00:00Z"));
    assert_eq!(root(&fixture, Function::Count, None, none()), json!(0));
    assert_eq!(root(&fixture, Function::Avg, Some(PAGES), none()), json!(0));
    assert_eq!(root(&fixture, Function::Min, Some(PAGES), none()), json!(null));
    let rows = vec![item("t", ItemKind::Field(TITLE))];
    let inner = SelectArgs { order: vec![by(TITLE, true)], limit: Some(1), ..SelectArgs::default() };
    let sum = aggregate(Function::Sum, Over::Group, Some(RATING));
    let mut first = sum.clone();
    first.sources[0].limit = Some(1);
    let items = vec![
        item("pages", ItemKind::Field(PAGES)),
        item("COUNT", ItemKind::Aggregate(aggregate(Function::Count, Over::Group, None))),
        item("s", ItemKind::Aggregate(sum.clone())),
        item("f", ItemKind::Aggregate(first)),
        item("GROUP", ItemKind::Group(nested(BOOK, inner, rows))),
    ];
    let big = Filter::Is(Operand::Aggregate(Box::new(sum)), Operator::Gt(Scalar::Int(1)));
    let args = SelectArgs {
        group_by: Some(vec![PAGES]),
        order: vec![by(PAGES, true)],
        filter: Some(Filter::And(vec![big, is(TITLE, Operator::Neq(text("Book 1")))])),
        ..SelectArgs::default()
    };
    let groups = fixture.read(&owner(), select(BOOK, args, items)).unwrap();
    assert_eq!(
        groups,
        json!([
            {"pages": 200, "COUNT": 2, "s": 8.0, "f": 3.5, "GROUP": [{"t": "Book 4"}]},
            {"pages": 100, "COUNT": 1, "s": 2.5, "f": 2.5, "GROUP": [{"t": "Book 2"}]}
        ])
    );
    let mut tags = aggregate(Function::Count, Over::List(TAGS), None);
    tags.sources[0].elements = vec![Operator::Neq(text("t"))];
    let args = SelectArgs { doc_ids: Some(vec![doc(11)]), ..SelectArgs::default() };
    let counted = fixture.read(&owner(), select(BOOK, args, vec![item("n", ItemKind::Aggregate(tags))])).unwrap();
    assert_eq!(counted, json!([{"n": 1}]));
    fixture.apply(&[
        commit(BOOK, doc(16), "x", &[], vec![(PAGES, int(i64::MAX))]),
        commit(BOOK, doc(17), "y", &[], vec![(PAGES, int(i64::MAX))]),
    ]);
    assert!(root(&fixture, Function::Sum, Some(PAGES), None).as_f64().unwrap() > 1.8e19);
}

fn composite() -> Vec<CommitItem> {
    let links = CommitItemKind::Links(vec![("fieldName".into(), LinkItem::FieldName)]);
    let heads = CommitItemKind::Heads(vec![("cid".into(), LinkItem::Cid)]);
    [
        ("cid", CommitItemKind::Cid),
        ("height", CommitItemKind::Height),
        ("fieldName", CommitItemKind::FieldName),
        ("delta", CommitItemKind::Delta),
        ("links", links),
        ("heads", heads),
    ]
    .into_iter()
    .map(|(key, kind)| CommitItem { key: key.into(), kind })
    .collect()
}

pub fn all_commits(doc_ids: Option<Vec<DocId>>) -> CommitSelect {
    CommitSelect {
        doc_ids,
        cid: None,
        field: None,
        heads_only: false,
        depth: None,
        height: None,
        order: vec![],
        limit: None,
        offset: 0,
        items: composite(),
    }
}

#[test]
fn history_shows_composites_parts_conflicts_and_the_past() {
    let mut fixture = Fixture::library();
    fixture.apply(&[
        commit(AUTHOR, doc(1), "a1-x", &["a1"], vec![(BORN, int(1))]),
        commit(AUTHOR, doc(1), "a1-y", &["a1"], vec![(BORN, int(2))]),
    ]);
    let rows = fixture.read(&owner(), RootKind::Commits(all_commits(Some(vec![doc(1)])))).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 2 + 2 + 3, "{rows:?}");
    let root = rows.iter().find(|row| row["cid"] == json!(cid("a1").to_string())).unwrap();
    assert_eq!((&root["height"], &root["heads"]), (&json!(1), &json!([])));
    assert_eq!(root["links"], json!([{"fieldName": "name"}, {"fieldName": "born"}]));
    let delta = data_encoding::BASE64.decode(root["delta"].as_str().unwrap().as_bytes()).unwrap();
    assert!(delta.windows(6).any(|w| w == b"Austen"));
    let conflicts = vec![("f".to_owned(), ConflictItem::FieldName), ("v".to_owned(), ConflictItem::Value)];
    let items = vec![
        item("born", ItemKind::Field(BORN)),
        item("_conflicts", ItemKind::Conflicts(conflicts)),
        item("_version", ItemKind::Version(composite().drain(1..2).collect())),
    ];
    let args = SelectArgs { doc_ids: Some(vec![doc(1)]), ..SelectArgs::default() };
    let now = fixture.read(&owner(), select(AUTHOR, args, items.clone())).unwrap();
    assert_eq!(
        now,
        json!([{"born": 2, "_conflicts": [{"f": "born", "v": 1}], "_version": [{"height": 2}, {"height": 2}]}])
    );
    let args = SelectArgs { cids: Some(vec![cid("a1")]), ..SelectArgs::default() };
    let then = fixture.read(&owner(), select(AUTHOR, args, items)).unwrap();
    assert_eq!(then[0]["born"], json!(1775));
    assert_eq!(then[0]["_version"], json!([{"height": 1}]));
}

#[test]
fn deleted_documents_show_only_when_asked_for() {
    let mut fixture = Fixture::library();
    fixture.apply(&[with_status(commit(BOOK, doc(11), "gone", &["b1"], vec![]), Status::Deleted)]);
    assert_eq!(fixture.titles(&owner(), SelectArgs::default()).len(), 4);
    let deleted = Filter::Is(Operand::Deleted, Operator::Eq(Value::Scalar(Scalar::Bool(true))));
    let args = SelectArgs { show_deleted: true, filter: Some(deleted), ..SelectArgs::default() };
    assert_eq!(fixture.titles(&owner(), args), ["Book 1"]);
}

#[test]
fn a_read_is_bounded_in_rows_and_time() {
    let fixture = Fixture::library();
    let query = |root| Query { roots: vec![Root { key: "r".into(), kind: root }] };
    let masks = owner();
    let read = |limits: Limits| {
        let all = query(select(BOOK, SelectArgs::default(), vec![item("i", ItemKind::DocId)]));
        fixture.answer(&masks, &all, &limits, || Ok(()))
    };
    assert!(matches!(read(Limits { rows: 4, ..Limits::default() }), Err(ReadError::Rows(4))));
    assert!(read(Limits { rows: 5, ..Limits::default() }).is_ok());
    let length = read(Limits::default()).unwrap().len();
    assert!(read(Limits { bytes: length, ..Limits::default() }).is_ok());
    let few = Limits { bytes: length - 1, ..Limits::default() };
    assert!(matches!(read(few), Err(ReadError::Bytes(most)) if most == length - 1));
    let by = |holder| {
        let app = AppCaller::new(holder, GrantId::from_bytes([1; 16]));
        Limits::of(&Caller { user: UserId::from_bytes([1; 16]), app: Some(app), device: None }).rows
    };
    assert_eq!(by(Holder::Client(ClientId::from_bytes([1; 16]))), Limits::default().rows);
    assert_eq!(by(Holder::Link(LinkId::from_bytes([1; 16]))), 10_000, "a link is anybody's");
    let many: Vec<Filter> = (0..3_000).map(|n| is(PAGES, Operator::Eq(int(n)))).collect();
    assert_eq!(fixture.titles(&masks, filtered(Filter::Or(many))).len(), 4);
    let mut crowd = Fixture::empty();
    let made = |n: u64| {
        let id = DocId::from_slice(&[[0; 8], n.to_be_bytes()].concat()).unwrap();
        commit(BOOK, id, &format!("m{n}"), &[], vec![(PAGES, int(n as i64))])
    };
    crowd.apply(&(0..3_000).map(made).collect::<Vec<_>>());
    let count = |time| {
        let root = RootKind::Aggregate(aggregate(Function::Sum, Over::Collection(BOOK), Some(PAGES)));
        let limits = Limits { time, ..Limits::default() };
        crowd.answer(&masks, &query(root), &limits, || Ok(()))
    };
    assert!(matches!(count(Duration::ZERO), Err(ReadError::Time(_))));
    assert_eq!(count(Limits::default().time).unwrap(), br#"{"r":4498500}"#);
    let of_a_type = query(RootKind::Constant("Query".into()));
    let refused = fixture.answer(&masks, &of_a_type, &Limits::default(), || Err(policy_core::SealRefusal::Moved));
    assert!(matches!(refused, Err(ReadError::Seal(policy_core::SealRefusal::Moved))));
}
