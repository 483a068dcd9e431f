//! Which resources, which subjects.

use policy::{Consistency, Cursor, Reason, Window};
use policy_core::{Context, Found, FoundSubject, LookupResources, LookupSubjects, Permissionship};

use super::{Store, cases, context, delete, object, refused, subject, touch};

cases![
    every_resource_once_with_what_it_lacks,
    resources_come_in_pages_of_one_point,
    cursors_of_resources_are_of_one_request,
    every_subject_once_and_everyone_with_exceptions,
    members_can_be_looked_for_as_such,
    nothing_is_found_of_what_is_unknown,
    unknown_names_are_a_mistake,
];

fn pages(who: &str, permission: &str, context: Context) -> LookupResources {
    let (kind, permission) = ("page".to_owned(), permission.to_owned());
    LookupResources { kind, permission, subject: subject(who), context }
}

fn people(page: &str, permission: &str, context: Context) -> LookupSubjects {
    let (kind, permission) = ("person".to_owned(), permission.to_owned());
    LookupSubjects { resource: object(page), permission, kind, relation: None, context }
}

async fn resources(store: &Store<'_>, lookup: &LookupResources) -> Vec<Found> {
    let page = store.service.lookup_resources(lookup, &Window::default(), &Consistency::Full).await.unwrap();
    page.items.into_iter().map(|(found, _)| found).collect()
}

async fn subjects(store: &Store<'_>, lookup: &LookupSubjects) -> Vec<FoundSubject> {
    let page = store.service.lookup_subjects(lookup, &Consistency::Full).await.unwrap();
    page.items.into_iter().map(|(found, _)| found).collect()
}

fn yes(id: &str) -> Found {
    Found { id: id.to_owned(), permissionship: Permissionship::Yes, missing: Vec::new() }
}

fn perhaps(id: &str, missing: &str) -> Found {
    let missing = vec![missing.to_owned()];
    Found { id: id.to_owned(), permissionship: Permissionship::Conditional, missing }
}

async fn every_resource_once_with_what_it_lacks(store: &Store<'_>) {
    store
        .with(&[
            "page:a#owner@person:ann",
            "page:b#viewer@person:ann[small:{\"most\":5}]",
            "page:c#viewer@crew:x#member",
            "crew:x#member@person:ann",
            "page:c#owner@person:ann",
            "page:d#parent@page:c",
            "page:e#owner@person:ann",
            "page:e#banned@person:ann",
            "page:f#owner@person:ben",
            "page:g#viewer@person:*[open]",
        ])
        .await;
    let found = resources(store, &pages("person:ann", "view", Context::new())).await;
    assert_eq!(found, [yes("a"), perhaps("b", "size"), yes("c"), yes("d"), perhaps("g", "hour")]);
    let found = resources(store, &pages("person:ann", "view", context("{\"size\":9,\"hour\":9}"))).await;
    assert_eq!(found, [yes("a"), yes("c"), yes("d"), yes("g")]);
    let found = resources(store, &pages("crew:x#member", "view", Context::new())).await;
    assert_eq!(found, [yes("c"), yes("d")]);
}

async fn resources_come_in_pages_of_one_point(store: &Store<'_>) {
    let owners: Vec<String> = (0..5).map(|i| format!("page:p{i}#owner@person:ann")).collect();
    store.with(&owners.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let lookup = pages("person:ann", "view", Context::new());
    let mut window = Window { limit: Some(2), after: None };
    let mut seen = Vec::new();
    for expected in [2, 2, 1] {
        let page = store.service.lookup_resources(&lookup, &window, &Consistency::Full).await.unwrap();
        assert_eq!(page.items.len(), expected);
        seen.extend(page.items.iter().map(|(found, _)| found.id.clone()));
        window.after = page.items.last().and_then(|(_, cursor)| cursor.clone());
        store.update(vec![touch("page:zz#owner@person:ann"), delete("page:p4#owner@person:ann")]).await.unwrap();
    }
    assert_eq!(seen, ["p0", "p1", "p2", "p3", "p4"]);
}

async fn cursors_of_resources_are_of_one_request(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann", "page:2#owner@person:ann"]).await;
    let window = Window { limit: Some(1), after: None };
    let lookup = pages("person:ann", "view", Context::new());
    let page = store.service.lookup_resources(&lookup, &window, &Consistency::Full).await.unwrap();
    let window = Window { limit: Some(1), after: page.items[0].1.clone() };
    let other = pages("person:ben", "view", Context::new());
    let answer = store.service.lookup_resources(&other, &window, &Consistency::Full).await;
    assert_eq!(refused(answer), Reason::InvalidCursor);
    let window = Window { limit: Some(1), after: Some(Cursor("zzz".to_owned())) };
    let answer = store.service.lookup_resources(&lookup, &window, &Consistency::Full).await;
    assert_eq!(refused(answer), Reason::InvalidCursor);
}

async fn every_subject_once_and_everyone_with_exceptions(store: &Store<'_>) {
    store
        .with(&[
            "page:1#owner@person:ann",
            "page:1#viewer@crew:x#member",
            "crew:x#member@person:ann",
            "crew:x#member@person:ben",
            "page:1#viewer@person:cid[small:{\"most\":5}]",
            "page:1#owner@person:dan",
            "page:1#banned@person:dan",
            "page:2#guest@person:*",
            "page:2#banned@person:ben",
        ])
        .await;
    let plain = |found: Found| FoundSubject { found, excluded: Vec::new() };
    let found = subjects(store, &people("page:1", "view", Context::new())).await;
    assert_eq!(found, [plain(yes("ann")), plain(yes("ben")), plain(perhaps("cid", "size"))]);
    let found = subjects(store, &people("page:1", "view", context("{\"size\":9}"))).await;
    assert_eq!(found, [plain(yes("ann")), plain(yes("ben"))]);
    let found = subjects(store, &people("page:2", "public", Context::new())).await;
    assert_eq!(found, [FoundSubject { found: yes("*"), excluded: vec![yes("ben")] }]);
}

async fn members_can_be_looked_for_as_such(store: &Store<'_>) {
    store.with(&["page:1#viewer@crew:x#member", "crew:x#member@crew:y#member", "page:1#owner@person:ann"]).await;
    let lookup = LookupSubjects {
        kind: "crew".to_owned(),
        relation: Some("member".to_owned()),
        ..people("page:1", "view", Context::new())
    };
    let found = subjects(store, &lookup).await;
    assert_eq!(found.iter().map(|each| each.found.id.as_str()).collect::<Vec<_>>(), ["x", "y"]);
}

async fn nothing_is_found_of_what_is_unknown(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann"]).await;
    assert!(resources(store, &pages("person:nobody", "view", Context::new())).await.is_empty());
    assert!(subjects(store, &people("page:9", "view", Context::new())).await.is_empty());
}

async fn unknown_names_are_a_mistake(store: &Store<'_>) {
    store.with_schema().await;
    let everyone = pages("person:*", "view", Context::new());
    let cases = [
        (LookupResources { kind: "nothing".to_owned(), ..everyone.clone() }, Reason::UnknownDefinition),
        (pages("person:ann", "nothing", Context::new()), Reason::UnknownRelationOrPermission),
        (pages("nothing:ann", "view", Context::new()), Reason::UnknownDefinition),
        (pages("crew:a#nothing", "view", Context::new()), Reason::UnknownRelationOrPermission),
        (everyone, Reason::WildcardNotAllowed),
    ];
    for (lookup, reason) in cases {
        let answer = store.service.lookup_resources(&lookup, &Window::default(), &Consistency::Full).await;
        assert_eq!(refused(answer), reason, "{lookup:?}");
    }
    let ann = || people("page:1", "view", Context::new());
    let cases = [
        (people("nothing:1", "view", Context::new()), Reason::UnknownDefinition),
        (people("page:1", "nothing", Context::new()), Reason::UnknownRelationOrPermission),
        (LookupSubjects { kind: "nothing".to_owned(), ..ann() }, Reason::UnknownDefinition),
        (LookupSubjects { relation: Some("nothing".to_owned()), ..ann() }, Reason::UnknownRelationOrPermission),
    ];
    for (lookup, reason) in cases {
        let answer = store.service.lookup_subjects(&lookup, &Consistency::Full).await;
        assert_eq!(refused(answer), reason, "{lookup:?}");
    }
}
