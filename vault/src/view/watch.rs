//! Looks at the clock within work of our own, which SQLite does not interrupt.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::background::step_back_in_time;

/// How many bytes are looked through between two looks at the clock.
const CLOCK_EVERY: usize = 1 << 20;
/// What a step counts beside the bytes that it looks at.
const STEP: usize = CLOCK_EVERY / 64;

/// A read, or what is looked up for a change, has had this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Late(pub(super) Duration);

/// The time of one read, or of what is looked up for a change.
#[derive(Debug)]
pub(super) struct Watch {
    time: Duration,
    until: Option<Instant>,
    spent: Cell<usize>,
}

impl Watch {
    pub(super) fn new(time: Duration) -> Watch {
        Watch { time, until: Instant::now().checked_add(time), spent: Cell::new(0) }
    }

    /// Counts a step that looks at so many bytes; after some of them it looks at the clock.
    pub(super) fn step(&self, bytes: usize) -> Result<(), Late> {
        self.spent.set(self.spent.get().saturating_add(STEP).saturating_add(bytes));
        if self.spent.get() < CLOCK_EVERY {
            return Ok(());
        }
        self.spent.set(0);
        self.look()
    }

    /// Looks at the clock now.
    pub(super) fn look(&self) -> Result<(), Late> {
        let now = Instant::now();
        step_back_in_time(now);
        if self.until.is_some_and(|until| now >= until) { Err(Late(self.time)) } else { Ok(()) }
    }
}

/// The time of the statement that runs, for the functions that it calls back.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    deadline: Arc<Mutex<Option<Instant>>>,
    spent: Arc<AtomicUsize>,
}

/// The statement has had its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time is up")]
pub(super) struct TimeUp;

impl Meter {
    /// Of a connection whose statements have this deadline.
    pub(super) fn new(deadline: &Arc<Mutex<Option<Instant>>>) -> Meter {
        Meter { deadline: Arc::clone(deadline), spent: Arc::default() }
    }

    /// Counts so many bytes that are looked through.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), TimeUp> {
        if self.spent.fetch_add(bytes, Ordering::Relaxed) < CLOCK_EVERY {
            return Ok(());
        }
        self.spent.store(0, Ordering::Relaxed);
        let now = Instant::now();
        step_back_in_time(now);
        if self.deadline.lock().is_some_and(|deadline| now >= deadline) { Err(TimeUp) } else { Ok(()) }
    }
}

impl From<TimeUp> for rusqlite::Error {
    fn from(up: TimeUp) -> Self {
        rusqlite::Error::UserFunctionError(Box::new(up))
    }
}
