//! The work that a node does beside requests: begun in one place, ended by one signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the end waits for work that does not hear the signal, because it is in the middle of something.
const PATIENCE: Duration = Duration::from_secs(5);

/// What runs until [`Tasks::end`].
pub struct Tasks {
    ended: watch::Sender<bool>,
    count: Arc<AtomicUsize>,
    running: Mutex<JoinSet<()>>,
}

/// One that runs, for as long as it is there.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn by(count: &Arc<AtomicUsize>) -> Counted {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Tasks { ended: watch::Sender::new(false), count: Arc::default(), running: Mutex::default() }
    }
}

impl Tasks {
    /// Does `work` until it is done or the signal comes: then it is dropped where it waits. After the signal nothing
    /// begins.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut ended = self.ended.subscribe();
        let counted = Counted::by(&self.count);
        self.running.lock().spawn(async move {
            let _counted = counted;
            tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => {}
                () = work => {}
            }
        });
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.count.load(Ordering::Relaxed)
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
    use super::*;

    #[tokio::test]
    async fn one_signal_ends_what_runs_and_nothing_begins_after_it() {
        let (tasks, there) = (Tasks::default(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 {
            let held = Counted::by(&there);
            tasks.spawn(async move {
                let _held = held;
                std::future::pending().await
            });
        }
        assert_eq!(there.load(Ordering::SeqCst), 3, "control: they run");
        assert_eq!(tasks.running(), 3);
        tasks.end().await;
        assert_eq!(there.load(Ordering::SeqCst), 0, "what they held is free when the end returns");
        assert_eq!(tasks.running(), 0);

        let (late, begun) = (Counted::by(&there), Arc::new(AtomicUsize::new(0)));
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
