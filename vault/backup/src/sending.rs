//! What is on its way to a place that is elsewhere.

use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use crate::error::PlaceError;

/// Sends files to a place by a thread of its own, few at once, so that whoever backs up waits for nothing but the last.
/// It is called where nothing runs that may not block.
pub struct Sending {
    /// What errors call the place.
    place: String,
    /// `None` once it is let go.
    runtime: Option<Runtime>,
    room: Arc<Semaphore>,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    files: JoinSet<Result<(), PlaceError>>,
    /// The first that went wrong since [`Sending::settle`].
    failed: Option<PlaceError>,
}

impl std::fmt::Debug for Sending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sending").field(&self.place).finish()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // It may be let go where nothing may be waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Sending {
    /// Files that are under way at once; each is in memory.
    pub const AT_ONCE: usize = 4;

    /// To the place that errors call so, by a thread of this name.
    ///
    /// # Errors
    /// [`PlaceError::Unreachable`] if the system gives no thread.
    pub fn to(place: String, thread: &str) -> Result<Self, PlaceError> {
        let built =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name(thread).enable_all().build();
        let runtime = match built {
            Ok(runtime) => Some(runtime),
            Err(error) => return Err(PlaceError::Unreachable { place, problem: error.kind().to_string() }),
        };
        Ok(Sending { place, runtime, room: Arc::new(Semaphore::new(Self::AT_ONCE)), under_way: Mutex::default() })
    }

    /// What runs on its thread.
    ///
    /// # Panics
    /// Never: it is there until it is dropped.
    pub fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("it is there until it is dropped").handle()
    }

    /// Waits for one call. Blocks.
    pub fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.handle().block_on(call)
    }

    /// Sends a file once there is room: whoever reads the log for it waits here, so that few are in memory.
    ///
    /// # Errors
    /// What one before it failed with; then this one is not sent.
    ///
    /// # Panics
    /// Never: the room is never closed.
    pub fn send(&self, file: impl Future<Output = Result<(), PlaceError>> + Send + 'static) -> Result<(), PlaceError> {
        let room = self.wait(Arc::clone(&self.room).acquire_owned()).expect("it is never closed");
        let mut under_way = self.under_way.lock();
        while let Some(sent) = under_way.files.try_join_next() {
            under_way.note(sent, &self.place);
        }
        if let Some(failed) = under_way.failed.take() {
            return Err(failed);
        }
        let sent = async move {
            let _room = room;
            file.await
        };
        under_way.files.spawn_on(sent, self.handle());
        Ok(())
    }

    /// Waits until all were sent.
    ///
    /// # Errors
    /// The first that went wrong since the last time.
    pub fn settle(&self) -> Result<(), PlaceError> {
        let mut under_way = std::mem::take(&mut *self.under_way.lock());
        self.wait(async {
            while let Some(sent) = under_way.files.join_next().await {
                under_way.note(sent, &self.place);
            }
        });
        under_way.failed.map_or(Ok(()), Err)
    }
}

impl UnderWay {
    fn note(&mut self, sent: Result<Result<(), PlaceError>, JoinError>, place: &str) {
        let failed = sent.unwrap_or_else(|_| {
            Err(PlaceError::Unreachable { place: place.to_owned(), problem: "it was broken off".to_owned() })
        });
        self.failed = self.failed.take().or(failed.err());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn lost(name: &str) -> Result<(), PlaceError> {
        Err(PlaceError::Lost(name.to_owned()))
    }

    #[test]
    fn few_are_under_way_at_once_and_all_have_come_when_it_has_settled() {
        let sending = Sending::to("elsewhere".to_owned(), "test").unwrap();
        let (under_way, most, sent) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        // None is done before as many are under way as there is room for.
        let counts = Arc::new((under_way, most, sent, tokio::sync::Barrier::new(Sending::AT_ONCE)));
        for _ in 0..5 * Sending::AT_ONCE {
            let counts = Arc::clone(&counts);
            let file = async move {
                let (under_way, most, sent, all_of_them) = &*counts;
                most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                all_of_them.wait().await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                sent.fetch_add(1, Ordering::SeqCst);
                Ok(())
            };
            sending.send(file).unwrap();
        }
        sending.settle().unwrap();
        assert_eq!(counts.2.load(Ordering::SeqCst), 5 * Sending::AT_ONCE);
        assert_eq!(counts.1.load(Ordering::SeqCst), Sending::AT_ONCE);
    }

    #[test]
    fn the_first_that_went_wrong_is_told_once_to_whoever_sends_next_or_waits() {
        let sending = Sending::to("elsewhere".to_owned(), "test").unwrap();
        sending.send(async { lost("first") }).unwrap();
        assert!(matches!(sending.settle(), Err(PlaceError::Lost(name)) if name == "first"));
        sending.settle().expect("it was told");
        sending.send(async { lost("second") }).unwrap();
        let told = std::iter::repeat_with(|| sending.send(async { Ok(()) })).find_map(Result::err);
        assert!(matches!(told, Some(PlaceError::Lost(name)) if name == "second"));
        sending.settle().expect("it was told");
        sending.send(async { panic!("planted") }).unwrap();
        assert!(matches!(sending.settle(), Err(PlaceError::Unreachable { place, .. }) if place == "elsewhere"));
    }
}
