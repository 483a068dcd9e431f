//! What waits to be written: fair to persons, and bounded for each of them.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use policy_core::{GrantId, UserId};

use super::fair::{Bounds, FairQueue};
use super::{Job, WriteError};

/// What waits at most.
const WAITING: Bounds = Bounds { requests: 4_096, requests_each: 1_024, cost_each: 48 << 20 };
/// Small requests that are written together come to so many bytes.
const BATCH_BYTES: u64 = 1 << 20;

/// The queue of the writer's threads.
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    /// Told when the queue is closed.
    end: Condvar,
}

struct State {
    /// Within a person, what each grant writes takes turns with what they write themselves.
    fair: FairQueue<UserId, Option<GrantId>, Job>,
    /// Small requests whose space had a large one when they were due, or that turned out to be large.
    later: VecDeque<(UserId, Job)>,
    /// Whose large requests are being done.
    begun: BTreeSet<UserId>,
    closed: bool,
    /// The thread of small requests has ended.
    rest: bool,
}

/// A large request of a person is being done.
pub(super) struct Begun<'a> {
    queue: &'a Queue,
    person: UserId,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.queue.state.lock().begun.remove(&self.person);
        self.queue.work.notify_all();
    }
}

impl Queue {
    pub(super) fn new() -> Self {
        let state = State {
            fair: FairQueue::new(WAITING),
            later: VecDeque::new(),
            begun: BTreeSet::new(),
            closed: false,
            rest: false,
        };
        Queue { state: Mutex::new(state), work: Condvar::new(), end: Condvar::new() }
    }

    pub(super) fn push(&self, job: Job) -> Result<(), WriteError> {
        let caller = job.permits.caller();
        let (person, grant) = (caller.user, caller.app.as_ref().map(|app| app.grant));
        let mut state = self.state.lock();
        if state.closed {
            return Err(WriteError::Stopped);
        }
        state.fair.push(person, grant, job.weight.bytes, job).map_err(|_| WriteError::Busy)?;
        self.work.notify_all();
        Ok(())
    }

    /// The small request that is due, waiting for one. `None`: there will be none any more; what is left is for the
    /// thread of large ones.
    pub(super) fn next(&self) -> Option<(UserId, Job)> {
        let mut state = self.state.lock();
        loop {
            if let Some(next) = self.take_small(&mut state, |_| true) {
                return Some(next);
            }
            if state.closed {
                state.rest = true;
                self.work.notify_all();
                return None;
            }
            self.work.wait(&mut state);
        }
    }

    /// The large request that is due, or one that was left to it, waiting for one. `None`: nothing will come any more.
    pub(super) fn next_large(&self) -> Option<(UserId, Job)> {
        let mut state = self.state.lock();
        loop {
            let State { fair, later, begun, closed, rest } = &mut *state;
            let mut next = later.iter().position(|(person, _)| !begun.contains(person)).and_then(|at| later.remove(at));
            if next.is_none() {
                let may = |_: &Option<GrantId>, job: &Job| {
                    (*rest || job.weight.heavy) && !begun.contains(&job.permits.caller().user)
                };
                next = fair.take(may).map(|(person, _, job)| (person, job));
            }
            if let Some((person, job)) = next {
                begun.insert(person);
                // What waited behind it may be small.
                self.work.notify_all();
                return Some((person, job));
            }
            if *closed && *rest && later.is_empty() && fair.is_empty() {
                return None;
            }
            self.work.wait(&mut state);
        }
    }

    /// Lets nothing else of the person's that is large begin, until what is returned goes.
    pub(super) fn begun(&self, person: UserId) -> Begun<'_> {
        Begun { queue: self, person }
    }

    /// Leaves a small request to the thread of large ones.
    pub(super) fn later(&self, person: UserId, job: Job) {
        self.state.lock().later.push_back((person, job));
        self.work.notify_all();
    }

    /// A further small request for a batch that holds so many bytes.
    pub(super) fn another(&self, bytes: u64) -> Option<(UserId, Job)> {
        self.take_small(&mut self.state.lock(), |job| bytes + job.weight.bytes <= BATCH_BYTES)
    }

    /// The small request that is due among those that fit. One of a flow is taken after the other: where a large one comes
    /// first then, its thread hears of it, which nobody else may ever wake.
    fn take_small(&self, state: &mut State, fits: impl Fn(&Job) -> bool) -> Option<(UserId, Job)> {
        let (person, flow, job) = state.fair.take(|_, job| !job.weight.heavy && fits(job))?;
        if state.fair.first(person, &flow).is_some_and(|next| next.weight.heavy) {
            self.work.notify_all();
        }
        Some((person, job))
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
        let state = self.state.lock();
        state.fair.is_empty() && state.later.is_empty()
    }

    /// Waits for so long. Whether the queue was closed.
    pub(super) fn rest(&self, patience: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.closed {
            self.end.wait_for(&mut state, patience);
        }
        state.closed
    }

    /// Nothing is taken in any more. What waits is still written, unless it is `dropped`.
    pub(super) fn close(&self, dropped: bool) {
        let left = {
            let mut state = self.state.lock();
            state.closed = true;
            // The thread that failed may have been that of small requests.
            state.rest |= dropped;
            let later = if dropped { std::mem::take(&mut state.later) } else { VecDeque::new() };
            let fair = if dropped { state.fair.drain() } else { Vec::new() };
            (fair, later)
        };
        drop(left);
        self.work.notify_all();
        self.end.notify_all();
    }
}
