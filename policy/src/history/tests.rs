use futures::StreamExt;
use policy_core::{Filter, Object, Schema, Subject, Tuple};
use proptest::prelude::*;

use super::*;
use crate::Event;

const STORE: Uuid = Uuid::from_u128(1);
const SCHEMA: &str = "definition user {}\ndefinition doc {\n relation viewer: user\n}";
const OTHER: &str = "definition user {}\ndefinition doc {\n relation viewer: user\n relation owner: user\n}";

fn schema(text: &str) -> Arc<Schema> {
    Arc::new(Schema::parse(text).unwrap())
}

fn fresh(kept: Kept) -> History {
    History::new(STORE, 0, Tuples::new(schema(SCHEMA)), SCHEMA, kept)
}

fn viewer(doc: u8, user: u8) -> Tuple {
    Tuple::new(Object::new("doc", doc), "viewer", Subject::object("user", user))
}

fn write(history: &mut History, updates: &[Update], at: i64) -> Token {
    let mut next = history.head().tuples;
    let updates = next.apply(updates, &[], Timestamp(at)).unwrap();
    history.relationships_changed(next, Change { updates, ..Change::default() }, Timestamp(at))
}

fn change_schema(history: &mut History, text: &str, at: i64) {
    let next = history.head().tuples.with_schema(schema(text), Timestamp(at)).unwrap();
    history.schema_changed(next, text, Timestamp(at));
}

fn all(tuples: &Tuples) -> Vec<String> {
    let mut all: Vec<_> = tuples.select(&Filter::default(), Timestamp(0)).map(|tuple| tuple.to_text()).collect();
    all.sort();
    all
}

fn at(history: &mut History, token: &Token, now: i64) -> Result<Snapshot, ServiceError> {
    let sequence = history.point(&Consistency::Exactly(token.clone()), Timestamp(now))?;
    history.way_to(sequence).go()
}

#[derive(Debug, Clone)]
enum Step {
    Touch(Vec<(u8, u8)>),
    Delete(Vec<(u8, u8)>),
    Schema,
    Pin(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pairs = || prop::collection::hash_set((0..4u8, 0..4u8), 1..5).prop_map(|pairs| pairs.into_iter().collect());
    let step = prop_oneof![
        4 => pairs().prop_map(Step::Touch),
        3 => pairs().prop_map(Step::Delete),
        1 => Just(Step::Schema),
        1 => any::<usize>().prop_map(Step::Pin),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #[test]
    fn every_point_can_be_read_again(steps in steps()) {
        let mut history = fresh(Kept::default());
        let mut points = vec![(history.head().token, all(&history.head().tuples))];
        let updates = |pairs: Vec<(u8, u8)>, make: fn(Tuple) -> Update| {
            pairs.into_iter().map(|(doc, user)| make(viewer(doc, user))).collect::<Vec<_>>()
        };
        let mut other = false;
        for step in steps {
            match step {
                Step::Touch(pairs) => {
                    write(&mut history, &updates(pairs, Update::Touch), 1);
                }
                Step::Delete(pairs) => {
                    write(&mut history, &updates(pairs, Update::Delete), 1);
                }
                Step::Schema => {
                    other = !other;
                    change_schema(&mut history, if other { OTHER } else { SCHEMA }, 1);
                }
                Step::Pin(which) => {
                    let token = points[which % points.len()].0.clone();
                    let snapshot = at(&mut history, &token, 1).unwrap();
                    history.pin(&snapshot);
                }
            }
            points.push((history.head().token, all(&history.head().tuples)));
        }
        for (token, held) in points {
            let snapshot = at(&mut history, &token, 1).unwrap();
            prop_assert_eq!(&snapshot.token, &token);
            prop_assert_eq!(all(&snapshot.tuples), held);
        }
    }
}

#[test]
fn the_past_is_bounded_by_time_and_by_changes() {
    let mut history = fresh(Kept { micros: 10, changes: 3, schemas: 1 });
    let first = history.head().token;
    let second = write(&mut history, &[Update::Touch(viewer(1, 1))], 100);
    assert!(at(&mut history, &first, 110).is_ok());
    assert_eq!(at(&mut history, &first, 111).unwrap_err().reason, Reason::SnapshotExpired);
    // The present does not age.
    assert!(at(&mut history, &second, 1_000).is_ok());
    let updates: Vec<_> = (0..3).map(|user| Update::Touch(viewer(2, user))).collect();
    let third = write(&mut history, &updates, 1_000);
    assert!(at(&mut history, &second, 1_000).is_ok());
    write(&mut history, &[Update::Touch(viewer(3, 3))], 1_000);
    assert!(at(&mut history, &third, 1_000).is_ok());
    assert_eq!(at(&mut history, &second, 1_000).unwrap_err().reason, Reason::SnapshotExpired);
    change_schema(&mut history, OTHER, 1_000);
    assert!(at(&mut history, &third, 1_000).is_ok());
    change_schema(&mut history, SCHEMA, 1_000);
    assert_eq!(at(&mut history, &third, 1_000).unwrap_err().reason, Reason::SnapshotExpired);
}

#[test]
fn tokens_of_others_mean_the_present_but_no_point_of_the_past() {
    let mut history = fresh(Kept::default());
    let foreign = token::encode(Uuid::from_u128(9), 0, SchemaHash([0; 8]));
    write(&mut history, &[Update::Touch(viewer(1, 1))], 1);
    assert_eq!(history.point(&Consistency::AtLeast(foreign.clone()), Timestamp(1)).unwrap(), 1);
    let exactly = history.point(&Consistency::Exactly(foreign), Timestamp(1)).unwrap_err();
    assert_eq!(exactly.reason, Reason::InvalidToken);
    let future = token::encode(STORE, 2, SchemaHash([0; 8]));
    for at in [Consistency::AtLeast(future.clone()), Consistency::Exactly(future)] {
        assert_eq!(history.point(&at, Timestamp(1)).unwrap_err().reason, Reason::SnapshotExpired);
    }
}

fn watch(request: WatchRequest, history: &mut History) -> Events {
    history.watch(request, Timestamp(1)).unwrap()
}

async fn told(events: &mut Events, count: usize) -> Vec<Event> {
    events.take(count).map(Result::unwrap).collect().await
}

#[tokio::test]
async fn a_watcher_is_told_what_it_missed_and_what_comes() {
    let mut history = fresh(Kept::default());
    write(&mut history, &[Update::Touch(viewer(1, 1))], 1);
    let after = history.head().token;
    write(&mut history, &[Update::Touch(viewer(2, 2))], 1);
    let mut events = watch(WatchRequest { after: Some(after), schema: true, ..WatchRequest::default() }, &mut history);
    write(&mut history, &[Update::Delete(viewer(1, 1))], 1);
    change_schema(&mut history, OTHER, 1);
    let last = history.head().token;
    drop(history);
    let told = told(&mut events, 4).await;
    assert_eq!(told.len(), 3, "the store is gone");
    assert_eq!(told[0].updates, [Update::Touch(viewer(2, 2))]);
    assert_eq!(told[1].updates, [Update::Delete(viewer(1, 1))]);
    assert!(told[2].schema_changed && told[2].updates.is_empty());
    assert_eq!(told[2].through, last);
}

#[tokio::test]
async fn a_watcher_is_told_what_concerns_it() {
    let mut history = fresh(Kept::default());
    let filter = Filter { resource_id: Some("2".to_owned()), ..Filter::default() };
    let mut filtered = watch(WatchRequest { filters: vec![filter], ..WatchRequest::default() }, &mut history);
    let mut of_users = watch(WatchRequest { kinds: vec!["user".to_owned()], ..WatchRequest::default() }, &mut history);
    let mut points = watch(WatchRequest { checkpoints: true, ..WatchRequest::default() }, &mut history);
    write(&mut history, &[Update::Touch(viewer(1, 1)), Update::Touch(viewer(2, 1))], 1);
    change_schema(&mut history, OTHER, 1);
    drop(history);
    assert_eq!(
        told(&mut filtered, 9).await.into_iter().map(|event| event.updates).collect::<Vec<_>>(),
        [[Update::Touch(viewer(2, 1))]]
    );
    assert!(told(&mut of_users, 9).await.is_empty());
    let points = told(&mut points, 9).await;
    assert_eq!(points.iter().map(|event| event.checkpoint).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(points[0].through, points[1].through);
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_cut_off() {
    let mut history = fresh(Kept::default());
    let mut events = watch(WatchRequest::default(), &mut history);
    for i in 0..=MAX_WAITING_EVENTS {
        let update = if i % 2 == 0 { Update::Touch(viewer(1, 1)) } else { Update::Delete(viewer(1, 1)) };
        write(&mut history, &[update], 1);
    }
    assert_eq!(events.next().await.unwrap().unwrap_err().reason, Reason::TooSlow);
    assert!(events.next().await.is_none());
}
