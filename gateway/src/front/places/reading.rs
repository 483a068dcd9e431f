//! An answer that is read from a file as whoever asked takes it. Nobody is waited for who takes none: what is held for
//! them is let go of, and the answer breaks off.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// What is held for an answer, and how many bytes of it are left.
pub(super) struct Reading<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    /// `None` while some of it is read, and once it is over.
    rest: Option<(T, u64)>,
    /// Some was taken since the last look.
    moved: bool,
    over: bool,
}

impl<T: Send + 'static> Reading<T> {
    /// Something has to be taken `within` each such time, and everything before `altogether` is over.
    pub(super) fn begin(held: T, bytes: u64, within: Duration, altogether: Duration) -> Self {
        let state = Arc::new(Mutex::new(State { rest: Some((held, bytes)), moved: false, over: false }));
        actix_web::rt::spawn(watch(Arc::downgrade(&state), within, Instant::now() + altogether));
        Reading(state)
    }

    /// What is held, with the bytes that are left, to read some; `None`: there are none, or it took too long.
    pub(super) fn take(&self) -> Option<(T, u64)> {
        let mut state = self.0.lock();
        state.moved = true;
        let rest = state.rest.take().filter(|(_, left)| *left > 0);
        state.over |= rest.is_none();
        rest
    }

    /// So many are left.
    pub(super) fn put_back(&self, held: T, left: u64) {
        let mut state = self.0.lock();
        if !state.over {
            state.rest = Some((held, left));
        }
    }
}

async fn watch<T>(state: Weak<Mutex<State<T>>>, within: Duration, until: Instant) {
    loop {
        actix_web::rt::time::sleep(within).await;
        // Whoever asked may be gone, with the answer.
        let Some(state) = state.upgrade() else { return };
        let let_go = {
            let mut state = state.lock();
            let late = Instant::now() >= until;
            if state.over {
                return;
            }
            if state.moved && !late {
                state.moved = false;
                continue;
            }
            // What a thread reads from just now is let go of by it.
            state.over = state.rest.is_some() || late;
            state.rest.take()
        };
        drop(let_go);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(600);

    async fn is_let_go(held: &Weak<()>) {
        for _ in 0..6_000 {
            if held.strong_count() == 0 {
                return;
            }
            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it is held");
    }

    #[actix_web::test]
    async fn what_nobody_takes_is_let_go_of() {
        let held = Arc::new(());
        let known = Arc::downgrade(&held);
        let silent = Reading::begin(held, 10, SHORT, LONG);
        is_let_go(&known).await;
        assert!(silent.take().is_none());
        // Nor may it go on for ever, a little at a time.
        let held = Arc::new(());
        let known = Arc::downgrade(&held);
        let slow = Reading::begin(held, u64::MAX, SHORT, SHORT);
        while let Some((held, left)) = slow.take() {
            slow.put_back(held, left - 1);
            actix_web::rt::time::sleep(Duration::from_millis(1)).await;
        }
        is_let_go(&known).await;
        // Control: what is taken is not.
        let held = Arc::new(());
        let known = Arc::downgrade(&held);
        let read = Reading::begin(held, 3, LONG, LONG);
        for left in (0..3).rev() {
            let (held, _) = read.take().unwrap();
            read.put_back(held, left);
        }
        assert!(known.strong_count() == 1 && read.take().is_none() && known.strong_count() == 0);
    }
}
