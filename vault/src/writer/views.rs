//! Views whose transactions are open: committed after a while, on a thread of their own, so that no request waits for
//! what those before it left to be written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::space::Space;

/// How long a view's transaction is open; sooner committed if anybody reads. A larger transaction writes each page of an
/// index once instead of once a batch.
const AGE: Duration = Duration::from_millis(100);
/// While there is work, views wait for a pause, for a reader or for enough changes: and no longer than this.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Spaces whose view has an open transaction.
#[derive(Clone, Default)]
pub(super) struct Views(Arc<Mutex<Vec<Open>>>);

/// A space, and since when the transaction of its view is open.
type Open = (Arc<Space>, Instant);

impl Views {
    /// A view has changes that the log holds and the view has not committed.
    pub(super) fn wait(&self, space: &Arc<Space>) {
        let mut waiting = self.0.lock();
        if !waiting.iter().any(|(other, _)| Arc::ptr_eq(other, space)) {
            waiting.push((Arc::clone(space), Instant::now()));
        }
    }

    /// Until nothing will be written any more: `ended` waits for so long at most, and says so. `idle`: nothing waits to
    /// be written.
    pub(super) fn run(&self, ended: impl Fn(Duration) -> bool, idle: impl Fn() -> bool) {
        while !ended(AGE) {
            let most = if idle() { AGE } else { MAX_AGE };
            let due: Vec<Arc<Space>> = {
                let mut waiting = self.0.lock();
                let due = waiting.extract_if(.., |(_, since)| since.elapsed() >= most);
                due.map(|(space, _)| space).collect()
            };
            for space in due {
                if let Err(error) = space.settle() {
                    tracing::error!(space = %space.id, %error, "the view could not be committed");
                }
            }
        }
        self.0.lock().clear();
    }
}
