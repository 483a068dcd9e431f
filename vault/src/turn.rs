//! The turn in which a log is appended to.
//!
//! A log has one, for all its scopes: what several people write goes into it in one transaction, and a device that
//! takes the place of another changes an account and all its spaces at once. So there is no order in which turns
//! would have to be taken, and whoever has the turn knows that nothing else moves. (Were there ever one for each
//! scope: the account's first, then those of its spaces, by id.) Other locks go in this order: the opening and
//! closing of a space, then the turn, then the core of a space.
//!
//! What is begun in a turn runs to its end, whoever goes away: from sealing over the disk to what is known of the
//! log in memory. That is why a [`Turn`] is lent to a task of its own, or to a thread, and never given to whoever
//! asked. Waiting for it is no beginning, and can be given up at any time.

use std::ops::Deref;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::OwnedMutexGuard;

use crate::admission::Admission;

/// The work was broken off: the process ends, or there is a mistake in it, which the node's log tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was broken off; try again")]
pub struct CutOff;

/// Runs work to its end in a task of its own, whoever waits for it or does not.
///
/// # Errors
/// If it panics, or the process ends.
pub(crate) async fn to_its_end<T: Send + 'static>(
    runtime: &tokio::runtime::Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, CutOff> {
    runtime.spawn(work).await.map_err(|_| CutOff)
}

/// The turn of a log: nobody else appends to it meanwhile, and appending is what a turn can do.
///
/// There is no way to one but [`Start::run`] and the writer's threads, and none to keep one.
pub(crate) struct Turn {
    admission: Arc<Admission>,
    _alone: OwnedMutexGuard<()>,
}

impl Deref for Turn {
    type Target = Arc<Admission>;
    fn deref(&self) -> &Arc<Admission> {
        &self.admission
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What of it is on disk, and what is known of that, nobody can say.
            tracing::error!("what appended to the log failed in the middle; the node stops writing");
            self.admission.log().stop();
        }
    }
}

/// The turn has come, and nothing is begun yet. Dropped, it is somebody else's.
pub(crate) struct Start(Turn);

impl Start {
    /// Does what is to be done in this turn, to its end, whoever goes away meanwhile.
    ///
    /// # Errors
    /// If it panics, or the process ends.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl for<'a> FnOnce(&'a Turn) -> BoxFuture<'a, T> + Send + 'static,
    ) -> Result<T, CutOff> {
        let runtime = self.0.runtime().clone();
        to_its_end(&runtime, async move { work(&self.0).await }).await
    }
}

impl Admission {
    /// Waits for the turn.
    pub(crate) async fn turn(self: &Arc<Self>) -> Start {
        let alone = Arc::clone(self.alone()).lock_owned().await;
        Start(Turn { admission: Arc::clone(self), _alone: alone })
    }

    /// As [`Admission::turn`], for a thread of its own, which nobody can break off.
    pub(crate) fn turn_of_thread(self: &Arc<Self>) -> Turn {
        let alone = Arc::clone(self.alone()).blocking_lock_owned();
        Turn { admission: Arc::clone(self), _alone: alone }
    }

    /// As [`Admission::turn_of_thread`], where the thread waits by itself, and may give up.
    pub(crate) async fn turn_for_thread(self: &Arc<Self>) -> Turn {
        let alone = Arc::clone(self.alone()).lock_owned().await;
        Turn { admission: Arc::clone(self), _alone: alone }
    }
}
