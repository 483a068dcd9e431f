//! Threads for reads. One that works for longer than a moment steps back for whoever wants little; as no thread can come
//! forward again without being allowed to, it ends with what it does, and the next gets another.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// By how much less a thread that has stepped back matters than the others, in the steps of `nice`: where the processors
/// are wanted by both it has about a tenth of what they have, and where they are idle all of it.
const STEP_BACK: i32 = 10;
/// No thread matters less than this.
const LAST: i32 = 19;
/// How long work goes on beside everybody else's.
const MOMENT: Duration = Duration::from_millis(10);
/// Threads that are idle for so long end.
const KEPT: Duration = Duration::from_secs(30);

thread_local! {
    /// When this thread began what it does, until it has stepped back: of the threads here alone.
    static BEGUN: Cell<Option<Instant>> = const { Cell::new(None) };
}

type Work = Box<dyn FnOnce() + Send>;

/// The threads that have nothing to do, by number, with how each is told; `None`: there will be nothing any more.
type Idle = Arc<Mutex<Option<Vec<(u64, Sender<Work>)>>>>;

/// There are as many threads as work: how much of that there is at a time is for others to bound.
pub(crate) struct Background {
    name: &'static str,
    idle: Idle,
}

impl Background {
    pub(crate) fn new(name: &'static str) -> Background {
        Background { name, idle: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    /// Does `work` on one of the threads, and to its end, whoever goes away. It is on its way when this returns.
    ///
    /// # Errors
    /// If the system gives no thread. What is waited for then is an error if the work panics.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<oneshot::Receiver<T>> {
        let (tell, done) = oneshot::channel();
        let mut work: Work = Box::new(move || drop(tell.send(work())));
        loop {
            let idle = self.idle.lock().as_mut().and_then(Vec::pop);
            let Some((_, idle)) = idle else { break };
            match idle.send(work) {
                Ok(()) => return Ok(done),
                Err(back) => work = back.0,
            }
        }
        let idle = Arc::clone(&self.idle);
        // A thread matters as much as the one that begins it, and whoever asks has not stepped back.
        Builder::new().name(self.name.to_owned()).spawn(move || serve(work, &idle))?;
        Ok(done)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Whoever works ends by itself; waiting for it is not for whoever happens to drop this.
        *self.idle.lock() = None;
    }
}

/// What a thread does as long as there is something, and it has not stepped back.
fn serve(mut work: Work, idle: &Idle) {
    static NUMBERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    loop {
        BEGUN.set(Some(Instant::now()));
        work();
        if BEGUN.take().is_none() {
            return;
        }
        let (tell, told) = channel();
        let number = NUMBERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match idle.lock().as_mut() {
            Some(idle) => idle.push((number, tell)),
            None => return,
        }
        work = match told.recv_timeout(KEPT) {
            Ok(work) => work,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let mut idle = idle.lock();
                let own = idle.as_ref().and_then(|idle| idle.iter().position(|(other, _)| *other == number));
                match (own, idle.as_mut()) {
                    (Some(at), Some(idle)) => {
                        idle.swap_remove(at);
                        return;
                    }
                    // Somebody has found it, and tells it what to do at this moment.
                    _ => {
                        drop(idle);
                        match told.recv() {
                            Ok(work) => work,
                            Err(_) => return,
                        }
                    }
                }
            }
        };
    }
}

/// Called now and then by whatever may take long: on the threads here it steps back once it has.
pub(crate) fn step_back_in_time(now: Instant) {
    if BEGUN.get().is_some_and(|begun| now.saturating_duration_since(begun) >= MOMENT) {
        step_back();
    }
}

/// Steps back at once, for what is known to take long.
pub(crate) fn step_back() {
    if BEGUN.take().is_some() {
        // Of this thread alone. Where the system does not let a thread step back it works all the same.
        let own = rustix::process::getpriority_process(None).unwrap_or_default();
        if let Err(error) = rustix::process::setpriority_process(None, (own + STEP_BACK).min(LAST)) {
            tracing::debug!(%error, "a thread keeps its priority");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nice() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_takes_long_steps_back_and_nothing_else_does() {
        let own = nice();
        let back = (own + STEP_BACK).min(19);
        let background = Background::new("allod-test");
        let run = async |takes: Option<Duration>| {
            let work = move || {
                if let Some(takes) = takes {
                    step_back_in_time(Instant::now() + takes);
                }
                (nice(), std::thread::current().id())
            };
            background.run(work).unwrap().await.unwrap()
        };
        let (short, first) = run(None).await;
        assert_eq!(short, own);
        assert_eq!(run(Some(Duration::ZERO)).await.0, own, "it has only begun");
        let (long, stepped_back) = run(Some(MOMENT)).await;
        assert_eq!(long, back);
        for _ in 0..4 {
            let (after, thread) = run(None).await;
            assert!(after == own && thread != stepped_back, "{first:?} {thread:?}");
        }
        let at_once = background.run(|| {
            step_back();
            nice()
        });
        assert_eq!(at_once.unwrap().await.unwrap(), back);
        // On any other thread it changes nothing.
        step_back_in_time(Instant::now() + MOMENT);
        step_back();
        assert_eq!((nice(), tokio::task::spawn_blocking(nice).await.unwrap()), (own, own), "control");
    }

    #[tokio::test]
    async fn work_that_ends_badly_takes_nobody_with_it() {
        let background = Background::new("allod-test");
        let bad = background.run::<()>(|| std::panic::resume_unwind(Box::new("broken"))).unwrap();
        assert!(bad.await.is_err());
        let all = (0..20).map(|n| background.run(move || n).unwrap());
        let all = futures::future::join_all(all.collect::<Vec<_>>()).await;
        assert_eq!(all.into_iter().map(Result::unwrap).sum::<i32>(), 190);
    }
}
