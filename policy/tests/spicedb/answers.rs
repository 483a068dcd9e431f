//! What it answers.

use futures::StreamExt;
use policy::{Consistency, Delete, Page, RelationshipService, Token, WatchRequest, Window, Write};
use policy_core::{
    CheckError, Context, ExpandedTree, Filter, Found, FoundSubject, LookupResources, LookupSubjects, Object,
    Permissionship, Subject, Tuple, Update,
};
use serde_json::json;

use super::{check, delete, filled, touch, tuple};

fn context(json: serde_json::Value) -> Context {
    serde_json::from_value(json).unwrap()
}

fn items<T>(page: Page<T>) -> Vec<T> {
    page.items.into_iter().map(|(item, _)| item).collect()
}

fn yes(id: &str) -> Found {
    Found { id: id.into(), permissionship: Permissionship::Yes, missing: Vec::new() }
}

fn maybe(id: &str, missing: &[&str]) -> Found {
    let missing = missing.iter().map(|name| (*name).to_owned()).collect();
    Found { id: id.into(), permissionship: Permissionship::Conditional, missing }
}

#[tokio::test]
async fn one_call_answers_each_check_by_itself() {
    let lines = ["doc:d#viewer@user:tom", "doc:d#viewer@user:ann[small:{\"most\":3}]", "doc:d#parent@doc:d"];
    let Some(client) = filled(&lines).await else { return };
    let with = |text: &str, json| policy_core::Check { context: context(json), ..check(text) };
    let checks = [
        check("doc:d#view@user:tom"),
        check("doc:d#viewer@user:ann"),
        with("doc:d#viewer@user:ann", json!({ "size": 2 })),
        with("doc:d#viewer@user:ann", json!({ "size": 4 })),
        with("doc:d#viewer@user:ann", json!({ "size": "x" })),
        check("doc:d#view@user:*"),
        check("doc:d#nothing@user:tom"),
        check("nowhere:d#view@user:tom"),
        check("doc:d#view@user:bob"),
        check("doc:d#view@user:tom"),
    ];
    let answers = client.check(&checks, &Consistency::Full).await.unwrap();
    let answers: Vec<_> = answers
        .decisions
        .into_iter()
        .map(|answer| answer.map(|decision| (decision.permissionship, decision.missing)))
        .collect();
    let plain = |permissionship| Ok((permissionship, Vec::new()));
    assert_eq!(
        answers[..4],
        [
            plain(Permissionship::Yes),
            Ok((Permissionship::Conditional, vec!["size".to_owned()])),
            plain(Permissionship::Yes),
            plain(Permissionship::No),
        ]
    );
    assert!(matches!(&answers[4], Err(CheckError::Caveat { caveat, .. }) if caveat == "small"), "{:?}", answers[4]);
    let unknown = CheckError::UnknownMember { definition: "doc".into(), member: "nothing".into() };
    assert_eq!(
        answers[5..],
        [
            Err(CheckError::Everyone),
            Err(unknown),
            Err(CheckError::UnknownDefinition { definition: "nowhere".into() }),
            Err(CheckError::Depth),
            plain(Permissionship::Yes),
        ]
    );
}

#[tokio::test]
async fn more_checks_than_fit_in_a_call_see_one_snapshot() {
    let Some(client) = filled(&["doc:d0#viewer@user:tom", "doc:d2499#viewer@user:tom"]).await else { return };
    let checks: Vec<_> = (0..2_500).map(|n| check(&format!("doc:d{n}#view@user:tom"))).collect();
    let answers = client.check(&checks, &Consistency::Full).await.unwrap();
    let allowed: Vec<usize> =
        (0..2_500).filter(|&n| answers.decisions[n].as_ref().is_ok_and(|decision| decision.allowed())).collect();
    assert_eq!(allowed, [0, 2_499]);
    client.write(delete(&["doc:d0#viewer@user:tom"])).await.unwrap();
    let then = client.check(&checks[..1], &Consistency::Exactly(answers.at)).await.unwrap();
    assert!(then.decisions[0].as_ref().unwrap().allowed(), "the snapshot is the one before the deletion");
    let now = client.check(&checks[..1], &Consistency::MinimizeLatency).await.unwrap();
    assert!(!now.decisions[0].as_ref().unwrap().allowed(), "what this process wrote is always seen");
    let none = client.check(&[], &Consistency::Full).await.unwrap();
    assert!(none.decisions.is_empty() && none.at != Token(String::new()));
}

#[tokio::test]
async fn lists_of_resources_are_sorted_merged_and_paged_at_one_snapshot() {
    let mut lines: Vec<String> = (0..25).map(|n| format!("doc:d{n:02}#viewer@user:tom")).collect();
    // Two ways to one document, of which one is conditional.
    lines.push("doc:d07#viewer@user:tom[small:{\"most\":1}]".into());
    lines.push("doc:e#viewer@user:tom[small:{\"most\":1}]".into());
    lines.push("doc:d03#viewer@group:g#member".into());
    lines.push("doc:d03#owner@user:tom".into());
    lines.push("group:g#member@user:tom".into());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let Some(client) = filled(&lines[..25]).await else { return };
    client.write(touch(&lines[26..])).await.unwrap();
    let lookup = LookupResources {
        kind: "doc".into(),
        permission: "view".into(),
        subject: Subject::object("user", "tom"),
        context: Context::new(),
    };
    let mut all: Vec<Found> = (0..25).map(|n| yes(&format!("d{n:02}"))).collect();
    all.push(maybe("e", &["size"]));
    let found = client.lookup_resources(&lookup, &Window::default(), &Consistency::Full).await.unwrap();
    assert_eq!(items(found), all);

    let mut window = Window { limit: Some(10), after: None };
    let first = client.lookup_resources(&lookup, &window, &Consistency::Full).await.unwrap();
    client.write(delete(&["doc:d11#viewer@user:tom"])).await.unwrap();
    window.after = first.items.last().unwrap().1.clone();
    let second = client.lookup_resources(&lookup, &window, &Consistency::Full).await.unwrap();
    assert_eq!([items(first), items(second)].concat(), all[..20], "the second page is of the first one's snapshot");

    let other = LookupResources { permission: "viewer".into(), ..lookup.clone() };
    let error = client.lookup_resources(&other, &window, &Consistency::Full).await.unwrap_err();
    assert_eq!(error.reason, policy::Reason::InvalidCursor);
    let nobody = LookupResources { subject: Subject::object("user", "nobody"), ..lookup };
    let none = client.lookup_resources(&nobody, &Window::default(), &Consistency::Full).await.unwrap();
    assert!(none.items.is_empty() && none.at != Token(String::new()));
}

#[tokio::test]
async fn lists_of_subjects_name_everyone_last_and_whom_it_leaves_out() {
    let lines = [
        "doc:d#viewer@user:zoe",
        "doc:d#viewer@user:ann[small:{\"most\":3}]",
        "doc:d#viewer@group:g#any",
        "group:g#open@user:*",
        "group:g#banned@user:bob",
        "group:g#banned@user:ann",
        "group:g#banned@user:zoe",
        "doc:e#viewer@group:g#member",
    ];
    let Some(client) = filled(&lines).await else { return };
    let lookup = LookupSubjects {
        resource: Object::new("doc", "d"),
        permission: "viewer".into(),
        kind: "user".into(),
        relation: None,
        context: Context::new(),
    };
    let found = items(client.lookup_subjects(&lookup, &Consistency::Full).await.unwrap());
    let one = |found| FoundSubject { found, excluded: Vec::new() };
    let everyone = FoundSubject { found: yes("*"), excluded: vec![maybe("ann", &["size"]), yes("bob")] };
    assert_eq!(found, [one(maybe("ann", &["size"])), one(yes("zoe")), everyone]);

    let groups = LookupSubjects {
        resource: Object::new("doc", "e"),
        kind: "group".into(),
        relation: Some("member".into()),
        ..lookup.clone()
    };
    let found = items(client.lookup_subjects(&groups, &Consistency::Full).await.unwrap());
    assert_eq!(found, [one(yes("g"))]);
    let none = LookupSubjects { resource: Object::new("doc", "none"), ..lookup };
    let none = client.lookup_subjects(&none, &Consistency::Full).await.unwrap();
    assert!(none.items.is_empty() && none.at != Token(String::new()));
}

#[tokio::test]
async fn relationships_are_read_in_pages_of_any_size_at_one_snapshot() {
    let Some(client) = filled(&[]).await else { return };
    let all: Vec<Tuple> = (0..2_300).map(|n| tuple(&format!("doc:d{n:04}#viewer@user:tom"))).collect();
    client.import(all.clone()).await.unwrap();
    client.import(all[..3].to_vec()).await.unwrap();
    client.write(touch(&["group:g#member@user:tom[expiration:2030-01-01T00:00:00.5Z]"])).await.unwrap();
    let filter = Filter { resource_kind: Some("doc".into()), ..Filter::default() };
    let page = client.read(&filter, &Window::default(), &Consistency::Full).await.unwrap();
    assert_eq!(items(page), all);

    let (mut window, mut read) = (Window { limit: Some(7), after: None }, Vec::new());
    for limit in [7, 1_000, 1, 1_500] {
        window.limit = Some(limit);
        let page = client.read(&filter, &window, &Consistency::Full).await.unwrap();
        window.after = page.items.last().unwrap().1.clone();
        read.extend(items(page));
        client.write(delete(&["doc:d2299#viewer@user:tom"])).await.unwrap();
    }
    assert_eq!(read, all);
    let end = client.read(&filter, &window, &Consistency::Full).await.unwrap();
    assert!(end.items.is_empty(), "{:?}", end.items);
    let groups = Filter { resource_kind: Some("group".into()), ..Filter::default() };
    let page = client.read(&groups, &Window::default(), &Consistency::Full).await.unwrap();
    assert_eq!(items(page), [tuple("group:g#member@user:tom[expiration:2030-01-01T00:00:00.5Z]")]);
    let error = client.read(&groups, &window, &Consistency::Full).await.unwrap_err();
    assert_eq!(error.reason, policy::Reason::InvalidCursor);
}

#[tokio::test]
async fn deletions_by_filter_say_how_much_they_took() {
    let lines: Vec<String> = (0..30).map(|n| format!("doc:d{n:02}#viewer@user:tom")).collect();
    let Some(client) = filled(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await else { return };
    let filter = Filter { resource_kind: Some("doc".into()), ..Filter::default() };
    let some = Delete { filter: filter.clone(), limit: Some(10), ..Delete::default() };
    let error = client.delete(some.clone()).await.unwrap_err();
    assert_eq!(error.reason, policy::Reason::TooManyForTransactionalDelete);
    let deleted = client.delete(Delete { partial: true, ..some }).await.unwrap();
    assert_eq!((deleted.count, deleted.complete), (10, false));
    let deleted = client.delete(Delete { filter, ..Delete::default() }).await.unwrap();
    assert_eq!((deleted.count, deleted.complete), (20, true));
}

#[tokio::test]
async fn a_trace_leads_from_the_resource_to_the_subject() {
    let lines = ["doc:d#viewer@group:g#member", "group:g#member@user:tom", "doc:d#viewer@user:ann[small:{\"most\":3}]"];
    let Some(client) = filled(&lines).await else { return };
    let (traced, _) = client.trace(&check("doc:d#view@user:tom"), &Consistency::Full).await.unwrap();
    assert_eq!((traced.permissionship, traced.is_permission), (Permissionship::Yes, true));
    let path: Vec<String> = traced.path().into_iter().map(Tuple::to_text).collect();
    assert_eq!(path, ["doc:d#viewer@group:g#member", "group:g#member@user:tom"]);
    let (traced, _) = client.trace(&check("doc:d#view@user:bob"), &Consistency::Full).await.unwrap();
    assert_eq!((traced.permissionship, traced.path().len()), (Permissionship::No, 0));
    assert!(!traced.steps.is_empty());
    let (traced, _) = client.trace(&check("doc:d#viewer@user:ann"), &Consistency::Full).await.unwrap();
    assert_eq!((traced.permissionship, &*traced.missing), (Permissionship::Conditional, &["size".to_owned()][..]));
    let caveat = traced.direct[0].caveat.as_ref().unwrap();
    assert_eq!((&*caveat.name, &*caveat.expression), ("small", "size <= most"));
}

#[tokio::test]
async fn a_permission_expands_to_what_it_is_made_of() {
    let Some(client) = filled(&["doc:d#viewer@group:g#member", "doc:d#owner@user:tom"]).await else { return };
    let (tree, _) = client.expand(&Object::new("doc", "d"), "other", &Consistency::Full).await.unwrap();
    let ExpandedTree::Exclusion(parts) = &tree.tree else { panic!("{tree:?}") };
    let names: Vec<&str> = parts.iter().map(|part| part.member.as_str()).collect();
    assert_eq!((&*tree.member, names), ("other", vec!["viewer", "owner"]));
    let members = Subject { object: Object::new("group", "g"), relation: Some("member".into()) };
    assert_eq!(parts[0].tree, ExpandedTree::Subjects(vec![members]));
    assert_eq!(parts[1].tree, ExpandedTree::Subjects(vec![Subject::object("user", "tom")]));
}

#[tokio::test]
async fn a_watch_tells_every_transaction_from_where_it_begins() {
    let Some(client) = filled(&["doc:d#viewer@user:tom"]).await else { return };
    let request = WatchRequest { schema: true, ..WatchRequest::default() };
    let mut events = client.watch(request.clone()).await.unwrap();
    let metadata = context(json!({ "actor": "ann", "n": 1 }));
    let change = Write {
        updates: vec![
            Update::Create(tuple("doc:e#viewer@user:ann[small:{\"most\":3}]")),
            Update::Delete(tuple("doc:d#viewer@user:tom")),
        ],
        preconditions: Vec::new(),
        metadata: metadata.clone(),
    };
    client.write(change).await.unwrap();
    // What changes nothing is not told.
    client.write(delete(&["doc:d#viewer@user:tom"])).await.unwrap();
    client.write_schema(&format!("{}\n\ndefinition later {{}}", super::SCHEMA)).await.unwrap();
    let first = events.next().await.unwrap().unwrap();
    let mut updates = first.updates.clone();
    updates.sort_by_key(|update| matches!(update, Update::Delete(_)));
    assert_eq!(
        updates,
        [
            Update::Touch(tuple("doc:e#viewer@user:ann[small:{\"most\":3}]")),
            Update::Delete(tuple("doc:d#viewer@user:tom")),
        ]
    );
    assert_eq!((first.metadata, first.schema_changed, first.checkpoint), (metadata, false, false));
    let second = events.next().await.unwrap().unwrap();
    assert!(second.schema_changed && second.updates.is_empty(), "{second:?}");

    let mut again = client.watch(WatchRequest { after: Some(first.through), ..request }).await.unwrap();
    assert!(again.next().await.unwrap().unwrap().schema_changed);
    let error = client.watch(WatchRequest { after: Some(Token("x".into())), ..WatchRequest::default() });
    let error = error.await.unwrap().next().await.unwrap().unwrap_err();
    assert_eq!(error.reason, policy::Reason::InvalidToken);
}
