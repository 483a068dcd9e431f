//! Large requests: one of each person at a time, on threads of their own.
//!
//! A large request takes as long as it is large, so it is made ready outside of the turn, while others write: only its
//! space is taken. It takes the turn to be stored, after it was seen that what it was made ready under still holds; if it
//! does not, or if whoever has the turn waits for this very space, the request is taken back, and done in a turn.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::batch::{Batch, Done, Effort, give_back, may, request};
use super::queue::Queue;
use super::views::Views;
use super::{Ends, Guard, Job, Parts, WriteError};
use crate::space::Space;
use crate::turn::Turn;
use crate::view::ViewError;

/// How long the turn is waited for with a space in hand: whoever has it may wait for that space, if they change all
/// spaces of an account at once. (Whoever changes this one alone has waited for it before the turn.)
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn run(parts: &Parts, jobs: &Queue, views: &Views) {
    let _ends = Ends(jobs);
    while let Some((person, job)) = jobs.next_large() {
        let _turn_of_person = jobs.begun(person);
        let space = Arc::clone(&job.space);
        let _reserved = space.reserve_by_thread();
        let charge = |done: &Done| jobs.charge(person, done.bytes().saturating_sub(job.weight.bytes));
        match ahead(parts, &space, &job) {
            Ahead::Done(turn, core, done) => {
                charge(&done);
                store(parts, turn, (space.clone(), core), done, job.reply, views);
            }
            Ahead::Failed(error) => {
                let _ = job.reply.send(Err(error));
            }
            Ahead::Again => {
                let turn = parts.admission.turn_of_thread();
                let mut core = parking_lot::Mutex::lock_arc(space.core());
                let stopped = if turn.log().has_stopped() { Err(WriteError::Stopped) } else { Ok(()) };
                match stopped.and_then(|()| request(parts, &turn, &space, &mut core, &job, Effort::IN_TURN)) {
                    Ok(done) => {
                        charge(&done);
                        store(parts, turn, (space.clone(), core), done, job.reply, views);
                    }
                    Err(error) => {
                        drop(turn);
                        give_back(&space, &mut core);
                        let _ = job.reply.send(Err(error));
                    }
                }
            }
        }
    }
}

fn store(
    parts: &Parts,
    turn: Turn,
    (space, mut core): (Arc<Space>, Guard),
    done: Done,
    reply: super::Reply,
    views: &Views,
) {
    match done.keep(&mut core) {
        Ok(done) => {
            let mut batch = Batch::default();
            batch.core(&space, |_| Some(core));
            batch.push(reply, done);
            batch.store(parts, turn, views);
        }
        Err(error) => {
            let _ = reply.send(Err(error));
        }
    }
}

/// What came of a request that was made ready outside of the turn.
enum Ahead {
    Done(Turn, Guard, Done),
    Failed(WriteError),
    /// It was taken back.
    Again,
}

fn ahead(parts: &Parts, space: &Arc<Space>, job: &Job) -> Ahead {
    let mut core = parking_lot::Mutex::lock_arc(space.core());
    let control = parts.admission.space(space.id);
    let mut done = match request(parts, &parts.admission, space, &mut core, job, Effort::AHEAD) {
        Ok(done) => done,
        // What it rests on may be changing at this moment, in somebody's turn.
        Err(WriteError::Busy | WriteError::View(ViewError::Behind)) => return Ahead::Again,
        Err(error) => {
            give_back(space, &mut core);
            return Ahead::Failed(error);
        }
    };
    if let Err(error) = done.put_ahead(&parts.admission) {
        core.lose();
        space.mark_dirty();
        return Ahead::Failed(error);
    }
    if let Some(turn) = turn_within(parts, PATIENCE) {
        let same = match (&control, turn.space(space.id)) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, &now),
            (before, now) => before.is_none() && now.is_none(),
        };
        let holds = same && !turn.log().has_stopped() && may(parts, space, job).is_ok() && done.follows(&turn, space);
        if holds {
            return Ahead::Done(turn, core, done);
        }
    }
    match done.undo(&parts.admission, &mut core) {
        Ok(()) => Ahead::Again,
        Err(error) => Ahead::Failed(error.into()),
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The turn, if it comes in time.
fn turn_within(parts: &Parts, patience: Duration) -> Option<Turn> {
    let until = Instant::now() + patience;
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut turn = pin!(parts.admission.turn_for_thread());
    loop {
        if let Poll::Ready(turn) = turn.as_mut().poll(&mut context) {
            return Some(turn);
        }
        let left = until.checked_duration_since(Instant::now())?;
        std::thread::park_timeout(left);
    }
}
