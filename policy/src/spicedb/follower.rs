//! Follows what changes in SpiceDB, whoever changes it, and moves the epoch.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parking_lot::Mutex;
use policy_core::EpochClock;
use rand::RngExt;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::SpiceDb;
use super::freshness::Freshness;
use crate::service::{Event, Events, Reason, RelationshipService, ServiceError, WatchRequest};

/// When nothing was heard for so long, nothing is known of what changed.
const SILENCE: Duration = Duration::from_secs(5);
/// SpiceDB says something every second, but not over every database: it is asked for a sign of life.
const PROBE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Follower {
    heard: Arc<Heard>,
    task: JoinHandle<()>,
}

/// When the last sign of life came over the connection of the open watch; `None`: there is none open.
#[derive(Default)]
struct Heard(Mutex<Option<Instant>>);

impl Follower {
    /// `service` is used by nobody else: a sign of life over its connection is one of the watch's connection.
    pub(super) fn start(service: SpiceDb, clock: Arc<EpochClock>) -> Self {
        let heard = Arc::<Heard>::default();
        let follow = Follow { freshness: Arc::clone(&service.freshness), service, clock, heard: Arc::clone(&heard) };
        Follower { heard, task: tokio::spawn(follow.run()) }
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.heard.0.lock().is_some_and(|at| at.elapsed() <= SILENCE)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Follow {
    service: SpiceDb,
    freshness: Arc<Freshness>,
    clock: Arc<EpochClock>,
    heard: Arc<Heard>,
}

impl Follow {
    async fn run(self) {
        let mut request = WatchRequest { schema: true, checkpoints: true, ..WatchRequest::default() };
        let mut pause = Duration::from_millis(50);
        loop {
            let error = match self.service.watch(request.clone()).await {
                Ok(events) => {
                    let error = self.listen(events, &mut request).await;
                    if self.heard.0.lock().take().is_some() {
                        tracing::warn!(%error, "the changes in SpiceDB are not followed any more; trying again");
                        pause = Duration::from_millis(50);
                    }
                    error
                }
                Err(error) => error,
            };
            tracing::debug!(%error, "the changes in SpiceDB cannot be followed yet");
            if matches!(error.reason, Reason::InvalidToken | Reason::SnapshotExpired | Reason::InvalidArgument) {
                // Another store, or one that does not reach back so far.
                request.after = None;
            }
            let wait = rand::rng().random_range(Duration::ZERO..=pause);
            sleep(wait).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Listens until the stream or the connection ends; why it did.
    async fn listen(&self, mut events: Events, request: &mut WatchRequest) -> ServiceError {
        let mut probe = Box::pin(self.probe(Duration::ZERO));
        loop {
            tokio::select! {
                // The request for the events goes out before the first probe, over the same connection.
                biased;
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        self.on_event(&event);
                        request.after = Some(event.through);
                        self.hear();
                    }
                    Some(Err(error)) => return error,
                    None => return super::error::unavailable("SpiceDB ended the watch"),
                },
                answer = &mut probe => {
                    if let Err(error) = answer {
                        return error;
                    }
                    self.hear();
                    probe.set(self.probe(PROBE));
                }
            }
        }
    }

    async fn probe(&self, wait: Duration) -> Result<(), ServiceError> {
        sleep(wait).await;
        self.service.probe().await
    }

    fn on_event(&self, event: &Event) {
        if event.schema_changed || !event.updates.is_empty() {
            self.moved();
        }
    }

    /// Reads see the change before the epoch moves: what is decided in the new epoch knows of it.
    fn moved(&self) {
        self.freshness.changed();
        self.clock.advance();
    }

    fn hear(&self) {
        let now = Instant::now();
        let before = *self.heard.0.lock();
        if before.is_none_or(|before| now.duration_since(before) > SILENCE) {
            // What was decided meanwhile may have missed what is only now being told.
            self.moved();
        }
        *self.heard.0.lock() = Some(now);
    }
}
