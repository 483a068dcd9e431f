//! The recent past of a store: what it held at each point, and what changed, for those who watch.
//!
//! Of the past only the changes are kept, each with what undoes it; a point is reached by undoing what came after.

mod events;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use policy_core::{Context, Timestamp, Tuples, Update};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::token::{self, Point, SchemaHash};
use crate::{Consistency, Events, Reason, ServiceError, Token, WatchRequest};

/// How much of the past is kept: no more than this, and none that is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    pub micros: i64,
    /// Changed relationships.
    pub changes: usize,
    /// Changed schemas, each of which keeps a whole snapshot.
    pub schemas: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Kept { micros: 600_000_000, changes: 100_000, schemas: 16 }
    }
}

/// Events that may wait for one watcher before it is cut off.
const MAX_WAITING_EVENTS: usize = 1_024;
/// Snapshots that are kept at hand: lists are read page by page at one point.
const PINNED: usize = 8;

/// A point of a store and what it held there.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub sequence: u64,
    pub token: Token,
    pub tuples: Tuples,
}

/// What a transaction changed.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// `Touch` and `Delete` only.
    pub updates: Vec<Update>,
    pub metadata: Context,
}

/// One transaction, as watchers are told.
#[derive(Debug)]
struct Transaction {
    sequence: u64,
    schema: SchemaHash,
    change: Change,
    schema_changed: bool,
}

/// One transaction, and the way back.
#[derive(Debug)]
struct Step {
    transaction: Arc<Transaction>,
    made: Timestamp,
    undo: Undo,
}

#[derive(Debug)]
enum Undo {
    Updates(Arc<[Update]>),
    /// What was there under another schema.
    Whole(Tuples),
}

/// A store's present, and as much of its past as is kept.
#[derive(Debug)]
pub struct History {
    store: Uuid,
    kept: Kept,
    sequence: u64,
    schema: SchemaHash,
    head: Tuples,
    /// The steps that led here, oldest first.
    steps: VecDeque<Step>,
    /// The schema before the first of them.
    first_schema: SchemaHash,
    changes: usize,
    schemas: usize,
    pinned: VecDeque<(u64, Tuples)>,
    watchers: Option<broadcast::Sender<Arc<Transaction>>>,
}

impl History {
    /// A store that stands at `sequence` and holds `head`.
    pub fn new(store: Uuid, sequence: u64, head: Tuples, schema: &str, kept: Kept) -> Self {
        let schema = SchemaHash::of(schema);
        History {
            store,
            kept,
            sequence,
            schema,
            head,
            steps: VecDeque::new(),
            first_schema: schema,
            changes: 0,
            schemas: 0,
            pinned: VecDeque::new(),
            watchers: None,
        }
    }

    pub fn store(&self) -> Uuid {
        self.store
    }

    /// The present.
    pub fn head(&self) -> Snapshot {
        let token = token::encode(self.store, self.sequence, self.schema);
        Snapshot { sequence: self.sequence, token, tuples: self.head.clone() }
    }

    /// Relationships were changed; `next` is what is there now.
    pub fn relationships_changed(&mut self, next: Tuples, change: Change, now: Timestamp) -> Token {
        let undo = change.updates.iter().rev().map(|update| {
            let tuple = update.tuple();
            self.head.get(tuple).map_or_else(|| Update::Delete(tuple.clone()), Update::Touch)
        });
        let undo = Undo::Updates(undo.collect());
        self.changes += change.updates.len();
        self.step(next, change, undo, now)
    }

    /// The schema, written as `text`, took the place of another; `next` is what is there now.
    pub fn schema_changed(&mut self, next: Tuples, text: &str, now: Timestamp) -> Token {
        self.schema = SchemaHash::of(text);
        self.schemas += 1;
        let undo = Undo::Whole(self.head.clone());
        self.step(next, Change::default(), undo, now)
    }

    fn step(&mut self, next: Tuples, change: Change, undo: Undo, now: Timestamp) -> Token {
        self.sequence += 1;
        self.head = next;
        let schema_changed = matches!(undo, Undo::Whole(_));
        let transaction =
            Arc::new(Transaction { sequence: self.sequence, schema: self.schema, change, schema_changed });
        if let Some(watchers) = &self.watchers {
            // Nobody listening is no failure.
            let _ = watchers.send(Arc::clone(&transaction));
        }
        self.steps.push_back(Step { transaction, made: now, undo });
        self.forget(now);
        self.head().token
    }

    /// Drops what is too old or too much.
    fn forget(&mut self, now: Timestamp) {
        let oldest = now.0.saturating_sub(self.kept.micros);
        while let Some(step) = self.steps.front() {
            let too_much = self.changes > self.kept.changes || self.schemas > self.kept.schemas;
            if step.made.0 >= oldest && !too_much {
                break;
            }
            self.changes -= step.transaction.change.updates.len();
            self.schemas -= usize::from(step.transaction.schema_changed);
            self.first_schema = step.transaction.schema;
            self.steps.pop_front();
        }
        let first = self.first();
        self.pinned.retain(|(sequence, _)| *sequence >= first);
    }

    /// The earliest point that can be reached.
    fn first(&self) -> u64 {
        self.sequence - self.steps.len() as u64
    }

    /// The point at which a request is to be answered. The present is never too old, since every change is seen by
    /// whoever asks after it was acknowledged.
    ///
    /// # Errors
    /// [`Reason::InvalidToken`] for garbage, or if exactly a point of another store is wanted;
    /// [`Reason::SnapshotExpired`] if the point is no longer kept, or not there yet.
    pub fn point(&mut self, at: &Consistency, now: Timestamp) -> Result<u64, ServiceError> {
        let (token, exactly) = match at {
            Consistency::MinimizeLatency | Consistency::Full => return Ok(self.sequence),
            Consistency::AtLeast(token) => (token, false),
            Consistency::Exactly(token) => (token, true),
        };
        match token::decode(token, self.store)? {
            Point::Foreign if exactly => {
                let message = "ZedToken specified references a different datastore instance but at-exact-snapshot was \
                               requested";
                Err(ServiceError::new(Reason::InvalidToken, message))
            }
            Point::Foreign => Ok(self.sequence),
            Point::At(sequence) if exactly => self.reachable(sequence, now),
            Point::At(sequence) if sequence > self.sequence => Err(not_yet()),
            Point::At(_) => Ok(self.sequence),
        }
    }

    /// # Errors
    /// [`Reason::SnapshotExpired`] if the point is no longer kept, or not there yet.
    pub fn reachable(&mut self, sequence: u64, now: Timestamp) -> Result<u64, ServiceError> {
        self.forget(now);
        if sequence > self.sequence {
            return Err(not_yet());
        }
        if sequence < self.first() {
            let message = "invalid revision: revision has expired";
            return Err(ServiceError::new(Reason::SnapshotExpired, message));
        }
        Ok(sequence)
    }

    /// The way to a reachable point, to be gone without holding the store up.
    pub fn way_to(&self, sequence: u64) -> Rewind {
        let (mut from, mut tuples) = (self.sequence, &self.head);
        for (pinned, held) in &self.pinned {
            if (sequence..from).contains(pinned) {
                (from, tuples) = (*pinned, held);
            }
        }
        let newer = sequence.saturating_sub(self.first());
        let mut undo: Vec<&Arc<[Update]>> = Vec::new();
        for step in self.steps.iter().skip(usize::try_from(newer).unwrap_or(usize::MAX)) {
            if step.transaction.sequence > from {
                break;
            }
            match &step.undo {
                Undo::Updates(updates) => undo.push(updates),
                Undo::Whole(before) => {
                    tuples = before;
                    break;
                }
            }
        }
        Rewind {
            sequence,
            token: token::encode(self.store, sequence, self.schema_at(sequence)),
            from: tuples.clone(),
            undo: undo.into_iter().rev().cloned().collect(),
        }
    }

    fn schema_at(&self, sequence: u64) -> SchemaHash {
        let before = self.steps.iter().take_while(|step| step.transaction.sequence <= sequence).last();
        before.map_or(self.first_schema, |step| step.transaction.schema)
    }

    /// Keeps a snapshot at hand, for those who read on from there.
    pub fn pin(&mut self, snapshot: &Snapshot) {
        if self.pinned.iter().any(|(sequence, _)| *sequence == snapshot.sequence) {
            return;
        }
        if self.pinned.len() == PINNED {
            self.pinned.pop_front();
        }
        self.pinned.push_back((snapshot.sequence, snapshot.tuples.clone()));
    }

    /// Tells what changes from now on, or has changed since a point.
    ///
    /// # Errors
    /// [`Reason::InvalidToken`] if the point is garbage or of another store; [`Reason::SnapshotExpired`] if it is no
    /// longer kept, or not there yet.
    pub fn watch(&mut self, request: WatchRequest, now: Timestamp) -> Result<Events, ServiceError> {
        let after = match &request.after {
            None => self.sequence,
            Some(token) => match token::decode(token, self.store)? {
                Point::At(sequence) => self.reachable(sequence, now)?,
                Point::Foreign => {
                    let message = "start revision was generated by a different datastore instance";
                    return Err(ServiceError::new(Reason::InvalidToken, message));
                }
            },
        };
        let missed = self
            .steps
            .iter()
            .map(|step| &step.transaction)
            .filter(|transaction| transaction.sequence > after)
            .cloned()
            .collect();
        let watchers = self.watchers.get_or_insert_with(|| broadcast::channel(MAX_WAITING_EVENTS).0);
        Ok(events::stream(self.store, request, missed, watchers.subscribe()))
    }
}

fn not_yet() -> ServiceError {
    ServiceError::new(Reason::SnapshotExpired, "invalid revision: revision was invalid")
}

/// How to come to a point: from where, and what to undo.
#[derive(Debug)]
pub struct Rewind {
    sequence: u64,
    token: Token,
    from: Tuples,
    /// In the order in which it is undone.
    undo: Vec<Arc<[Update]>>,
}

impl Rewind {
    /// Goes there. Takes time with the number of changes on the way.
    ///
    /// # Errors
    /// [`Reason::Internal`] if a change cannot be undone, which no change that was made can cause.
    pub fn go(self) -> Result<Snapshot, ServiceError> {
        let mut tuples = self.from;
        for update in self.undo.iter().flat_map(|updates| updates.iter()) {
            match update {
                Update::Delete(tuple) => {
                    tuples.remove(tuple);
                }
                Update::Create(tuple) | Update::Touch(tuple) => {
                    tuples.put(tuple).map_err(|error| {
                        ServiceError::new(Reason::Internal, format!("the past cannot be read: {error}"))
                    })?;
                }
            }
        }
        Ok(Snapshot { sequence: self.sequence, token: self.token, tuples })
    }
}
