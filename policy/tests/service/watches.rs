//! What changes is told.

use std::time::Duration;

use futures::StreamExt;
use policy::{Delete, Event, Events, Reason, Token, WatchRequest, Write};
use policy_core::{Filter, Update};

use super::{SCHEMA, Store, cases, context, create, delete, of_kind, of_page, refused, touch, tuple};

cases![
    each_transaction_is_told_once_in_order,
    what_changed_nothing_is_not_told,
    metadata_comes_back,
    deletions_by_filter_are_told,
    only_what_was_asked_for_is_told,
    changes_of_the_schema_are_told_if_wanted,
    a_watch_goes_on_where_another_ended,
    wrong_watches_are_refused,
];

/// An event comes within this, or not at all.
const PATIENCE: Duration = Duration::from_secs(5);

async fn next(events: &mut Events) -> Event {
    let next = tokio::time::timeout(PATIENCE, events.next()).await.expect("an event comes");
    next.expect("the watch goes on").unwrap()
}

async fn watch(store: &Store<'_>, after: Token) -> Events {
    store.service.watch(WatchRequest { after: Some(after), ..WatchRequest::default() }).await.unwrap()
}

fn sorted(event: Event) -> Vec<Update> {
    let mut updates = event.updates;
    updates.sort_by_key(|update| update.tuple().to_text());
    updates
}

async fn each_transaction_is_told_once_in_order(store: &Store<'_>) {
    let start = store.with_schema().await;
    let mut events = watch(store, start).await;
    store.update(vec![create("page:1#owner@person:ann"), touch("page:1#owner@person:ben")]).await.unwrap();
    store.update(vec![touch("page:1#viewer@person:ann[small:{\"most\":3}]")]).await.unwrap();
    let last = store.update(vec![delete("page:1#owner@person:ann")]).await.unwrap();
    // What was created shows as touched.
    let first = next(&mut events).await;
    assert!(!first.schema_changed && !first.checkpoint);
    assert_eq!(sorted(first), [touch("page:1#owner@person:ann"), touch("page:1#owner@person:ben")]);
    assert_eq!(next(&mut events).await.updates, [touch("page:1#viewer@person:ann[small:{\"most\":3}]")]);
    let third = next(&mut events).await;
    assert_eq!(third.updates, [delete("page:1#owner@person:ann")]);
    assert_eq!(third.through, last);
}

async fn what_changed_nothing_is_not_told(store: &Store<'_>) {
    let start = store.with(&["page:1#owner@person:ann"]).await;
    let mut events = watch(store, start).await;
    store.update(vec![touch("page:1#owner@person:ann")]).await.unwrap();
    store.update(vec![delete("page:1#owner@person:nobody")]).await.unwrap();
    store.update(vec![touch("page:1#owner@person:ann"), touch("page:2#owner@person:ann")]).await.unwrap();
    assert_eq!(next(&mut events).await.updates, [touch("page:2#owner@person:ann")]);
}

async fn metadata_comes_back(store: &Store<'_>) {
    let start = store.with_schema().await;
    let mut events = watch(store, start).await;
    let metadata = context("{\"by\":\"ann\",\"why\":{\"ticket\":\"7\"}}");
    let updates = vec![touch("page:1#owner@person:ann")];
    store.service.write(Write { updates, metadata: metadata.clone(), ..Write::default() }).await.unwrap();
    let delete = Delete { filter: of_page("1"), metadata: metadata.clone(), ..Delete::default() };
    store.service.delete(delete).await.unwrap();
    store.update(vec![touch("page:2#owner@person:ann")]).await.unwrap();
    for expected in [metadata.clone(), metadata, context("{}")] {
        assert_eq!(next(&mut events).await.metadata, expected);
    }
}

async fn deletions_by_filter_are_told(store: &Store<'_>) {
    let start = store.with(&["page:1#owner@person:ann", "page:1#viewer@person:ann[small:{\"most\":3}]"]).await;
    let mut events = watch(store, start).await;
    store.delete(of_page("1")).await.unwrap();
    let gone = sorted(next(&mut events).await);
    let gone: Vec<_> =
        gone.iter().map(|update| (matches!(update, Update::Delete(_)), update.tuple().to_string())).collect();
    let tuples = ["page:1#owner@person:ann", "page:1#viewer@person:ann"];
    assert_eq!(gone, tuples.map(|text| (true, tuple(text).to_string())));
}

async fn only_what_was_asked_for_is_told(store: &Store<'_>) {
    let start = store.with_schema().await;
    let request = |kinds: &[&str], filters: Vec<Filter>| WatchRequest {
        kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
        filters,
        after: Some(start.clone()),
        ..WatchRequest::default()
    };
    let mut crews = store.service.watch(request(&["crew"], Vec::new())).await.unwrap();
    let owners = Filter { relation: Some("owner".to_owned()), ..of_kind("page") };
    let mut filtered = store.service.watch(request(&[], vec![owners, of_page("2")])).await.unwrap();
    store.update(vec![touch("page:1#viewer@person:ann"), touch("page:1#owner@person:ann")]).await.unwrap();
    store.update(vec![touch("page:2#viewer@person:ann"), touch("crew:a#member@person:ann")]).await.unwrap();
    assert_eq!(next(&mut crews).await.updates, [touch("crew:a#member@person:ann")]);
    assert_eq!(next(&mut filtered).await.updates, [touch("page:1#owner@person:ann")]);
    assert_eq!(next(&mut filtered).await.updates, [touch("page:2#viewer@person:ann")]);
}

async fn changes_of_the_schema_are_told_if_wanted(store: &Store<'_>) {
    let start = store.with_schema().await;
    let request = WatchRequest { after: Some(start.clone()), schema: true, ..WatchRequest::default() };
    let mut told = store.service.watch(request).await.unwrap();
    let mut untold = watch(store, start).await;
    let more = format!("{SCHEMA}\ndefinition another {{}}");
    store.service.write_schema(&store.whole(&more)).await.unwrap();
    store.update(vec![touch("page:1#owner@person:ann")]).await.unwrap();
    let event = next(&mut told).await;
    assert!(event.schema_changed && event.updates.is_empty());
    assert_eq!(next(&mut told).await.updates, [touch("page:1#owner@person:ann")]);
    assert_eq!(next(&mut untold).await.updates, [touch("page:1#owner@person:ann")]);
}

async fn a_watch_goes_on_where_another_ended(store: &Store<'_>) {
    let start = store.with_schema().await;
    for page in 1..=3 {
        store.update(vec![touch(&format!("page:{page}#owner@person:ann"))]).await.unwrap();
    }
    let mut events = watch(store, start).await;
    next(&mut events).await;
    let second = next(&mut events).await;
    drop(events);
    let mut events = watch(store, second.through).await;
    assert_eq!(next(&mut events).await.updates, [touch("page:3#owner@person:ann")]);
    store.update(vec![touch("page:4#owner@person:ann")]).await.unwrap();
    assert_eq!(next(&mut events).await.updates, [touch("page:4#owner@person:ann")]);
}

async fn wrong_watches_are_refused(store: &Store<'_>) {
    store.with_schema().await;
    let first = async |request: WatchRequest| match store.service.watch(request).await {
        Err(error) => error.reason,
        Ok(mut events) => {
            let next = tokio::time::timeout(PATIENCE, events.next()).await.expect("a refusal comes");
            refused(next.expect("a refusal comes"))
        }
    };
    let none = WatchRequest::default;
    let garbage = first(WatchRequest { after: Some(Token("zzz".to_owned())), ..none() }).await;
    assert_eq!(garbage, Reason::InvalidToken);
    let foreign = Token("Gh8KEzE3OTU1MDAzNjE3Mjc1Mjc0NzASCDQ5ODI5NjM4".to_owned());
    let foreign = first(WatchRequest { after: Some(foreign), ..none() }).await;
    assert_eq!(foreign, Reason::InvalidToken);
    let both = WatchRequest { kinds: vec!["page".to_owned()], filters: vec![of_page("1")], ..none() };
    assert_eq!(first(both).await, Reason::InvalidArgument);
    let unknown = first(WatchRequest { filters: vec![of_kind("nothing")], ..none() }).await;
    assert_eq!(unknown, Reason::UnknownDefinition);
    let empty = first(WatchRequest { filters: vec![Filter::default()], ..none() }).await;
    assert_eq!(empty, Reason::InvalidFilter);
}
