//! The work that a node does beside requests: begun in one place, ended by one signal.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the end waits for work that does not hear the signal, because it is in the middle of something.
const PATIENCE: Duration = Duration::from_secs(5);

/// What runs until [`Tasks::end`].
pub struct Tasks {
    ended: watch::Sender<bool>,
    running: Mutex<JoinSet<()>>,
}

impl Default for Tasks {
    fn default() -> Self {
        Tasks { ended: watch::Sender::new(false), running: Mutex::default() }
    }
}

impl Tasks {
    /// Does `work` until it is done or the signal comes: then it is dropped where it waits. After the signal nothing
    /// begins.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut ended = self.ended.subscribe();
        self.running.lock().spawn(async move {
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => {}
                () = work => {}
            }
        });
    }

    /// Gives the signal, and returns when nothing runs any more.
    pub async fn end(&self) {
        let _ = self.ended.send_replace(true);
        let mut running = std::mem::take(&mut *self.running.lock());
        let all = async {
            while let Some(done) = running.join_next().await {
                if let Err(error) = done {
                    tracing::error!(%error, "work in the background broke off");
                }
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("work in the background did not end; it is cut off");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts those of its kind that are there.
    struct Held(Arc<AtomicUsize>);

    impl Held {
        fn by(count: &Arc<AtomicUsize>) -> Held {
            count.fetch_add(1, Ordering::SeqCst);
            Held(Arc::clone(count))
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn one_signal_ends_what_runs_and_nothing_begins_after_it() {
        let (tasks, there) = (Tasks::default(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 {
            let held = Held::by(&there);
            tasks.spawn(async move {
                let _held = held;
                std::future::pending().await
            });
        }
        assert_eq!(there.load(Ordering::SeqCst), 3, "control: they run");
        tasks.end().await;
        assert_eq!(there.load(Ordering::SeqCst), 0, "what they held is free when the end returns");

        let (late, begun) = (Held::by(&there), Arc::new(AtomicUsize::new(0)));
        let begins = Arc::clone(&begun);
        tasks.spawn(async move {
            let _late = late;
            begins.fetch_add(1, Ordering::SeqCst);
        });
        tasks.end().await;
        assert_eq!((there.load(Ordering::SeqCst), begun.load(Ordering::SeqCst)), (0, 0));
    }

    #[tokio::test]
    async fn work_that_breaks_off_keeps_nothing_from_ending() {
        let (tasks, done) = (Tasks::default(), Arc::new(AtomicUsize::new(0)));
        let counts = Arc::clone(&done);
        tasks.spawn(async { panic!("on purpose") });
        tasks.spawn(async move {
            counts.fetch_add(1, Ordering::SeqCst);
        });
        while done.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        tasks.end().await;
    }
}
