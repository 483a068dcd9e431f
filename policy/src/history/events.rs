//! What one watcher is told.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::{StreamExt, stream};
use policy_core::Update;
use tokio::sync::broadcast::{self, error::RecvError};
use uuid::Uuid;

use super::Transaction;
use crate::{Event, Events, Reason, ServiceError, WatchRequest, token};

struct Watcher {
    store: Uuid,
    request: WatchRequest,
    /// What happened before the watcher came.
    missed: VecDeque<Arc<Transaction>>,
    live: broadcast::Receiver<Arc<Transaction>>,
    /// To be told next.
    next: VecDeque<Event>,
    ended: bool,
}

pub(super) fn stream(
    store: Uuid,
    request: WatchRequest,
    missed: VecDeque<Arc<Transaction>>,
    live: broadcast::Receiver<Arc<Transaction>>,
) -> Events {
    let watcher = Watcher { store, request, missed, live, next: VecDeque::new(), ended: false };
    stream::unfold(watcher, |mut watcher| async move { Some((watcher.tell().await?, watcher)) }).boxed()
}

impl Watcher {
    /// The next event; `None` when the store is gone or the watcher was cut off.
    async fn tell(&mut self) -> Option<Result<Event, ServiceError>> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(event) = self.next.pop_front() {
                return Some(Ok(event));
            }
            let transaction = match self.missed.pop_front() {
                Some(transaction) => transaction,
                None => match self.live.recv().await {
                    Ok(transaction) => transaction,
                    Err(RecvError::Closed) => return None,
                    Err(RecvError::Lagged(_)) => {
                        self.ended = true;
                        let message = "watch fell too far behind and was disconnected";
                        return Some(Err(ServiceError::new(Reason::TooSlow, message)));
                    }
                },
            };
            self.queue(&transaction);
        }
    }

    fn queue(&mut self, transaction: &Transaction) {
        let through = token::encode(self.store, transaction.sequence, transaction.schema);
        let updates = &transaction.change.updates;
        let updates: Vec<Update> = updates.iter().filter(|update| self.concerns(update)).cloned().collect();
        let schema_changed = transaction.schema_changed && self.request.schema;
        if !updates.is_empty() || schema_changed {
            let metadata = transaction.change.metadata.clone();
            self.next.push_back(Event {
                updates,
                metadata,
                schema_changed,
                checkpoint: false,
                through: through.clone(),
            });
        }
        if self.request.checkpoints {
            self.next.push_back(Event {
                updates: Vec::new(),
                metadata: Default::default(),
                schema_changed: false,
                checkpoint: true,
                through,
            });
        }
    }

    fn concerns(&self, update: &Update) -> bool {
        let (WatchRequest { kinds, filters, .. }, tuple) = (&self.request, update.tuple());
        (kinds.is_empty() || kinds.contains(&tuple.resource.kind))
            && (filters.is_empty() || filters.iter().any(|filter| filter.selects(tuple)))
    }
}
