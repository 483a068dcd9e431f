//! What waits to be written: fair to persons, and bounded for each of them.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use policy_core::{GrantId, UserId};

use super::fair::{Bounds, FairQueue};
use super::{Job, WriteError};

/// What waits at most.
const WAITING: Bounds = Bounds { requests: 4_096, requests_each: 1_024, cost_each: 48 << 20 };
/// Small requests that are written together come to so many bytes.
const BATCH_BYTES: u64 = 1 << 20;

/// The queue of the writer's thread.
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    /// Within a person, what each grant writes takes turns with what they write themselves.
    fair: FairQueue<UserId, Option<GrantId>, Job>,
    closed: bool,
}

/// What the writer's thread does next.
pub(super) enum Next {
    Write(UserId, Box<Job>),
    /// Nothing came for as long as the thread wanted to wait.
    Rest,
    /// Nothing will come any more.
    End,
}

impl Queue {
    pub(super) fn new() -> Self {
        Queue { state: Mutex::new(State { fair: FairQueue::new(WAITING), closed: false }), work: Condvar::new() }
    }

    pub(super) fn push(&self, job: Job) -> Result<(), WriteError> {
        let caller = job.permits.caller();
        let (person, grant) = (caller.user, caller.app.map(|app| app.grant));
        let mut state = self.state.lock();
        if state.closed {
            return Err(WriteError::Stopped);
        }
        state.fair.push(person, grant, job.weight.bytes, job).map_err(|_| WriteError::Busy)?;
        self.work.notify_one();
        Ok(())
    }

    /// The request that is due, waiting for one for so long, or for ever.
    pub(super) fn next(&self, patience: Option<Duration>) -> Next {
        let mut state = self.state.lock();
        loop {
            if let Some((person, _, job)) = state.fair.take(|_, _| true) {
                return Next::Write(person, Box::new(job));
            }
            if state.closed {
                return Next::End;
            }
            match patience {
                None => self.work.wait(&mut state),
                Some(patience) if self.work.wait_for(&mut state, patience).timed_out() => return Next::Rest,
                Some(_) => {}
            }
        }
    }

    /// A further small request for a batch that holds so many bytes.
    pub(super) fn another(&self, bytes: u64) -> Option<(UserId, Job)> {
        let fits = |_: &Option<GrantId>, job: &Job| !job.weight.heavy && bytes + job.weight.bytes <= BATCH_BYTES;
        self.state.lock().fair.take(fits).map(|(person, _, job)| (person, job))
    }

    /// What came to light of the cost of a person's request while it was done.
    pub(super) fn charge(&self, person: UserId, cost: u64) {
        self.state.lock().fair.charge(person, cost);
    }

    /// How many requests wait.
    pub(super) fn len(&self) -> usize {
        self.state.lock().fair.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().fair.is_empty()
    }

    /// Nothing is taken in any more. What waits is still written, unless it is `dropped`.
    pub(super) fn close(&self, dropped: bool) {
        let left = {
            let mut state = self.state.lock();
            state.closed = true;
            if dropped { state.fair.drain() } else { Vec::new() }
        };
        drop(left);
        self.work.notify_all();
    }
}
