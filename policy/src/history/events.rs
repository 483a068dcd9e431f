//! What one watcher is told.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::{StreamExt, stream};
use policy_core::Update;
use tokio::sync::broadcast::{self, error::RecvError};
use uuid::Uuid;

use super::Told;
use crate::{Event, Events, Reason, ServiceError, WatchRequest, token};

struct Watcher {
    store: Uuid,
    request: WatchRequest,
    /// What happened before the watcher came.
    missed: VecDeque<Arc<Told>>,
    live: broadcast::Receiver<Arc<Told>>,
    /// To be told next.
    next: VecDeque<Event>,
    ended: bool,
}

pub(super) fn stream(
    store: Uuid,
    request: WatchRequest,
    missed: VecDeque<Arc<Told>>,
    live: broadcast::Receiver<Arc<Told>>,
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
            let told = match self.missed.pop_front() {
                Some(told) => told,
                None => match self.live.recv().await {
                    Ok(told) => told,
                    Err(RecvError::Closed) => return None,
                    Err(RecvError::Lagged(_)) => {
                        self.ended = true;
                        let message = "watch fell too far behind and was disconnected";
                        return Some(Err(ServiceError::new(Reason::TooSlow, message)));
                    }
                },
            };
            self.queue(&told);
        }
    }

    fn queue(&mut self, told: &Told) {
        let through = token::encode(self.store, told.sequence, told.schema);
        let updates = &told.change.updates;
        let updates: Vec<Update> = updates.iter().filter(|update| self.concerns(update)).cloned().collect();
        let schema_changed = told.schema_changed && self.request.schema;
        if !updates.is_empty() || schema_changed {
            let metadata = told.change.metadata.clone();
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
