//! Threads for what takes long, and so is not waited for within a moment: they step back for whoever wants little.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// By how much less such a thread matters than the others, in the steps of `nice`: where the processors are wanted by
/// both it has about a tenth of what they have, and where they are idle all of it.
const STEP_BACK: i32 = 10;
/// Threads that are idle for so long end.
const KEPT: Duration = Duration::from_secs(30);

/// Threads of low priority.
pub(crate) struct Background(Option<Runtime>);

impl Background {
    /// `threads`: at most so many.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(name: &str, threads: usize) -> io::Result<Background> {
        let runtime = Builder::new_current_thread()
            .thread_name(name)
            .max_blocking_threads(threads.max(1))
            .thread_keep_alive(KEPT)
            .on_thread_start(|| {
                // Of this thread alone. Where the system does not let a thread step back it works all the same.
                if let Err(error) = rustix::process::setpriority_process(None, STEP_BACK) {
                    tracing::debug!(%error, "a thread keeps its priority");
                }
            })
            .build()?;
        Ok(Background(Some(runtime)))
    }

    /// Does `work` on one of the threads.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        match &self.0 {
            Some(runtime) => runtime.spawn_blocking(work),
            // Only while it is dropped.
            None => tokio::task::spawn_blocking(work),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Waiting for threads is not for whoever happens to drop this.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn its_threads_step_back_and_no_others() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let own = nice();
        let background = Background::start("allod-test", 2).unwrap();
        assert_eq!(background.run(nice).await.unwrap(), (own + STEP_BACK).min(19));
        assert_eq!((nice(), tokio::task::spawn_blocking(nice).await.unwrap()), (own, own), "control");
    }
}
