//! The writer of the log: requests of all spaces, in batches.
//!
//! What people write waits in a queue that is fair to them. Small requests of any spaces are written together, in the
//! turn of the log ([`small`]); a large one is made ready by itself on a thread of its own, outside of the turn, which it
//! takes only to be stored ([`large`]): so nobody waits for as long as somebody else's request is long. Each request is
//! validated against the view as the writer sees it (so with the requests before it), sealed, and applied in the
//! space's open view transaction; then one log transaction, one fsync, and the answers ([`batch`]). A view never commits
//! what the log does not hold; it commits on a thread of its own ([`views`]), or for whoever reads.

mod batch;
mod change;
mod error;
mod fair;
mod large;
mod queue;
mod scope;
mod small;
mod views;
mod weight;

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::lock_api::ArcMutexGuard;
use policy_core::{GateSeal, Permits, Timestamp, Write};
use tokio::sync::{broadcast, oneshot};
use vault_core::change::ChangeRequest;

pub use error::WriteError;
use queue::Queue;
use views::Views;
use weight::Weight;

use crate::admission::Admission;
use crate::feed::Moved;
use crate::space::{Core, Space};

/// Large requests that are made ready at a time, each of another person.
const MAX_LARGE_REQUESTS: usize = 2;

type Guard = ArcMutexGuard<parking_lot::RawMutex, Core>;

/// A clock: injected, so that tests can turn it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

struct Job {
    space: Arc<Space>,
    permits: Permits<Write>,
    request: Arc<ChangeRequest>,
    weight: Weight,
    reply: Reply,
}

type Reply = oneshot::Sender<Result<Vec<u8>, WriteError>>;

/// The way to the writer's threads. Dropped, they end after what is queued.
pub struct Writer {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

/// What the writer's threads work with.
#[derive(Clone)]
pub struct Parts {
    pub admission: Arc<Admission>,
    pub seal: GateSeal,
    pub clock: Clock,
    pub feed: broadcast::Sender<Moved>,
}

impl Writer {
    pub fn start(parts: Parts) -> std::io::Result<Self> {
        let mut writer = Writer { queue: Arc::new(Queue::new()), threads: Vec::new() };
        let views = Views::default();
        let (jobs, own, waiting) = (Arc::clone(&writer.queue), parts.clone(), views.clone());
        writer.thread("allod-writer", move || small::run(&own, &jobs, &waiting))?;
        for _ in 0..MAX_LARGE_REQUESTS {
            let (jobs, own, waiting) = (Arc::clone(&writer.queue), parts.clone(), views.clone());
            writer.thread("allod-large", move || large::run(&own, &jobs, &waiting))?;
        }
        let jobs = Arc::clone(&writer.queue);
        writer.thread("allod-views", move || views.run(|most| jobs.rest(most), || jobs.is_empty()))?;
        Ok(writer)
    }

    fn thread(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        self.threads.push(std::thread::Builder::new().name(name.into()).spawn(work)?);
        Ok(())
    }

    /// How many requests wait to be written.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Answers after the change is on disk.
    pub async fn write(
        &self,
        space: Arc<Space>,
        permits: Permits<Write>,
        request: Arc<ChangeRequest>,
    ) -> Result<Vec<u8>, WriteError> {
        let (reply, answer) = oneshot::channel();
        let weight = Weight::of(&request);
        self.queue.push(Job { space, permits, request, weight, reply })?;
        answer.await.map_err(|_| WriteError::Stopped)?
    }
}

impl Drop for Writer {
    /// Waits for the threads: a process that ends while one still commits a view may crash in the cipher's library.
    fn drop(&mut self) {
        self.queue.close(false);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// When a thread ends because of a mistake in it, nobody waits for it any more.
struct Ends<'a>(&'a Queue);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close(true);
        }
    }
}
