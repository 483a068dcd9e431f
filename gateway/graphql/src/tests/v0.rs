//! The spelling of 2023.

use policy_core::Scalar;
use vault_core::change::Action;
use vault_core::query::*;

use super::*;

fn users() -> Fixture {
    Fixture::new("type User { name: String age: Int verified: Boolean points: Float }")
}

fn plan_v0(fixture: &Fixture, text: &str) -> Plan {
    fixture
        .plan_with(&fixture.everything(), Spelling::V0, &Request::text(text))
        .unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

#[test]
fn the_walk_through_is_planned() {
    let users = users();
    let create = r#"mutation { create_User(data: "{\"age\": 31, \"verified\": true, \"points\": 90, \"name\": \"Bob\"}") { _key } }"#;
    let plan = plan_v0(&users, create);
    assert!(plan.only_root().is_some());
    let created = change(plan).changes.remove(0);
    assert_eq!((created.key.as_str(), &created.items[0].kind), ("create_User", &ItemKind::DocId));
    let Action::Add(added) = created.action else { panic!() };
    let mut fields = added[0].fields.clone();
    fields.sort_by_key(|(id, _)| *id);
    let mut wanted = vec![
        (users.field("User", "age"), Scalar::Int(31).into()),
        (users.field("User", "verified"), Scalar::Bool(true).into()),
        (users.field("User", "points"), Scalar::Float(90.0).into()),
        (users.field("User", "name"), Scalar::String("Bob".into()).into()),
    ];
    wanted.sort_by_key(|(id, _)| *id);
    assert_eq!(fields, wanted);
    plan_v0(&users, "query { User { _key age name points } }");
    let filtered = query(plan_v0(&users, "query { User(filter: {points: {_ge: 50}}) { _key } }"));
    let RootKind::Select(select) = &filtered.roots[0].kind else { panic!() };
    let points = Operand::Field(users.field("User", "points"));
    assert_eq!(select.args.filter, Some(Filter::Is(points, Operator::Geq(Scalar::Int(50)))));
    let id = "01930000-0000-7000-8000-00000000000a";
    let latest = format!("query {{ latestCommits(dockey: \"{id}\") {{ cid delta height links {{ cid name }} }} }}");
    let RootKind::Commits(commits) = query(plan_v0(&users, &latest)).roots.remove(0).kind else { panic!() };
    assert!(commits.heads_only);
    assert_eq!(commits.doc_ids, Some(vec![id.parse().unwrap()]));
    let kinds: Vec<_> = commits.items.iter().map(|item| item.kind.clone()).collect();
    let links = vec![("cid".to_owned(), LinkItem::Cid), ("name".to_owned(), LinkItem::Name)];
    assert_eq!(
        kinds,
        [CommitItemKind::Cid, CommitItemKind::Delta, CommitItemKind::Height, CommitItemKind::Links(links)]
    );
    let text = format!("query {{ commits(cid: \"{}\") {{ cid delta height links {{ cid name }} }} }}", cid(7));
    let RootKind::Commits(commits) = query(plan_v0(&users, &text)).roots.remove(0).kind else { panic!() };
    assert_eq!((commits.cid, commits.heads_only), (Some(cid(7)), false));
}

#[test]
fn each_spelling_refuses_the_other() {
    let library = library();
    for text in [
        "{ Book { _key author_id } }",
        "{ Book(filter: {pages: {_ne: 1, _le: 5}}) { title } }",
        "{ Book(groupBy: [pages]) { pages _group { title } _count(_group: {}) _avg(_group: {field: rating}) } }",
        "{ _count(Book: {}) _sum(Book: {field: pages}) }",
        "{ commits { cid dockey } }",
        r#"mutation { create_Book(data: "{\"title\": \"a\"}") { _key } }"#,
        r#"mutation { create_Book(input: {title: "a"}) { _key } }"#,
        r#"mutation { update_Book(id: "01930000-0000-7000-8000-00000000000a", data: "{\"pages\": 1}") { _key } }"#,
        r#"mutation { update_Book(ids: ["01930000-0000-7000-8000-00000000000a"], input: {pages: 1}) { _key } }"#,
        r#"mutation { delete_Book(id: "01930000-0000-7000-8000-00000000000a") { _key } }"#,
        r#"mutation { create_Book(input: {title: "a", author_id: "01930000-0000-7000-8000-00000000000a"}) { _key } }"#,
    ] {
        plan_v0(&library, text);
        assert_eq!(library.code(text), "unknown_field", "{text}");
    }
    let refused =
        |text: &str| library.plan_with(&library.everything(), Spelling::V0, &Request::text(text)).unwrap_err()[0].code;
    assert_eq!(refused("{ Book { _docID } }"), "unknown_field");
    assert_eq!(refused(r#"mutation { create_Book(data: "{") { _key } }"#), "invalid_input");
    assert_eq!(refused(r#"mutation { create_Book(data: "{\"nothing\": 1}") { _key } }"#), "unknown_field");
    assert_eq!(refused(r#"mutation { create_Book(data: "{}", input: {}) { _key } }"#), "invalid_input");
    assert_eq!(refused(r#"mutation { create_Book { _key } }"#), "invalid_input");
}
