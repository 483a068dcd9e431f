//! Relationships are listed.

use std::collections::BTreeSet;

use policy::{Consistency, Cursor, Page, Reason, Window};
use policy_core::{Filter, SubjectRelation, Tuple};

use super::{Store, cases, delete, of_kind, of_page, of_subject, refused, touch};

cases![
    filters_select_by_each_part,
    filters_must_name_what_is_there_and_select_something,
    what_lapsed_is_not_listed,
    pages_follow_each_other_and_stay_at_their_point,
    cursors_are_of_one_request,
];

fn texts(page: &Page<Tuple>) -> Vec<String> {
    page.items.iter().map(|(tuple, _)| tuple.to_text()).collect()
}

async fn filters_select_by_each_part(store: &Store<'_>) {
    let all = [
        "crew:a#member@crew:b#member",
        "crew:a#member@person:ann",
        "page:1#owner@person:ann",
        "page:12#viewer@crew:a#member",
        "page:12#viewer@person:*[open]",
        "page:2#viewer@person:ann[small:{\"most\":3}]",
    ];
    store.with(&all).await;
    let id = |text: &str| Some(text.to_owned());
    let cases: [(Filter, &[usize]); 10] = [
        (of_kind("page"), &[2, 3, 4, 5]),
        (of_page("12"), &[3, 4]),
        (Filter { resource_id_prefix: id("1"), ..of_kind("page") }, &[2, 3, 4]),
        (Filter { relation: id("viewer"), ..of_kind("page") }, &[3, 4, 5]),
        (Filter { relation: id("owner"), ..Filter::default() }, &[2]),
        (Filter { resource_id: id("a"), ..Filter::default() }, &[0, 1]),
        (of_subject("person", Some("ann"), SubjectRelation::Any), &[1, 2, 5]),
        (of_subject("crew", None, SubjectRelation::Is("member".to_owned())), &[0, 3]),
        (of_subject("crew", None, SubjectRelation::None), &[]),
        (of_subject("person", Some("*"), SubjectRelation::None), &[4]),
    ];
    for (filter, selected) in cases {
        let expected: Vec<&str> = selected.iter().map(|&at| all[at]).collect();
        assert_eq!(store.read(&filter).await, expected, "{filter:?}");
    }
}

async fn filters_must_name_what_is_there_and_select_something(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann"]).await;
    let relation = |name: &str| Filter { relation: Some(name.to_owned()), ..of_kind("page") };
    let cases = [
        (Filter::default(), Reason::InvalidFilter),
        (Filter { resource_id_prefix: Some("1".to_owned()), ..of_page("1") }, Reason::InvalidFilter),
        (of_kind("nothing"), Reason::UnknownDefinition),
        (relation("nothing"), Reason::UnknownRelationOrPermission),
        (relation("view"), Reason::SchemaType),
        (of_subject("nothing", None, SubjectRelation::Any), Reason::UnknownDefinition),
        (of_subject("crew", None, SubjectRelation::Is("nothing".to_owned())), Reason::UnknownRelationOrPermission),
    ];
    for (filter, reason) in cases {
        assert_eq!(refused(store.read_at(&filter, &Consistency::Full).await), reason, "{filter:?}");
    }
    // A relation of no definition in particular may be one of none.
    let anywhere = Filter { relation: Some("nothing".to_owned()), ..Filter::default() };
    assert!(store.read(&anywhere).await.is_empty());
}

async fn what_lapsed_is_not_listed(store: &Store<'_>) {
    let (past, far) = ("[expiration:2001-01-01T00:00:00Z]", "[expiration:2900-01-01T00:00:00Z]");
    let (gone, there) = (format!("page:1#viewer@person:ann{past}"), format!("page:1#viewer@person:ben{far}"));
    store.with(&[&gone, &there]).await;
    assert_eq!(store.pages().await, [there]);
}

async fn pages_follow_each_other_and_stay_at_their_point(store: &Store<'_>) {
    let owners: Vec<String> = (0..7).map(|i| format!("page:1#owner@person:p{i}")).collect();
    store.with(&owners.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let filter = of_page("1");
    let mut window = Window { limit: Some(3), after: None };
    let mut seen = Vec::new();
    for expected in [3, 3, 1] {
        let page = store.service.read(&filter, &window, &Consistency::Full).await.unwrap();
        assert_eq!(page.items.len(), expected);
        seen.extend(texts(&page));
        window.after = page.items.last().and_then(|(_, cursor)| cursor.clone());
        // What changes in between shows on none of the pages.
        store.update(vec![touch("page:1#owner@person:new"), delete("page:1#owner@person:p6")]).await.unwrap();
        store.update(vec![delete("page:1#owner@person:p0")]).await.unwrap();
    }
    assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>().len(), 7, "each once: {seen:?}");
    assert_eq!(BTreeSet::from_iter(seen), BTreeSet::from_iter(owners));
    let page = store.service.read(&filter, &window, &Consistency::Full).await.unwrap();
    assert!(page.items.is_empty());
}

async fn cursors_are_of_one_request(store: &Store<'_>) {
    store.with(&["page:1#owner@person:ann", "page:1#owner@person:ben"]).await;
    let window = Window { limit: Some(1), after: None };
    let page = store.service.read(&of_page("1"), &window, &Consistency::Full).await.unwrap();
    let after = page.items[0].1.clone();
    assert!(after.is_some());
    let window = Window { limit: Some(1), after };
    let other = store.service.read(&of_kind("crew"), &window, &Consistency::Full).await;
    assert_eq!(refused(other), Reason::InvalidCursor);
    for garbage in ["zzz", "AAAA", ""] {
        let window = Window { limit: Some(1), after: Some(Cursor(garbage.to_owned())) };
        let answer = store.service.read(&of_page("1"), &window, &Consistency::Full).await;
        assert_eq!(refused(answer), Reason::InvalidCursor, "{garbage}");
    }
}
