//! Small requests: written together, in the turn of the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use policy_core::UserId;

use super::batch::{Batch, Effort, request};
use super::queue::Queue;
use super::views::Views;
use super::{Ends, Guard, Job, Parts, WriteError};
use crate::space::Space;
use crate::turn::Turn;
use crate::view::ReadError;

/// A batch is cut at so many requests, or so many commits.
const BATCH_REQUESTS: usize = 256;
const BATCH_COMMITS: usize = 1_000;
/// And when it took so long to make ready.
const BATCH_TIME: Duration = Duration::from_millis(10);
/// A request that takes more than this is large, which could not be seen before.
const SMALL: Effort =
    Effort { patience: Duration::from_millis(10), all: Duration::from_millis(50), commits: BATCH_COMMITS };
/// How long a space is waited for.
const LOOK: Duration = Duration::from_millis(2);

pub(super) fn run(parts: &Parts, jobs: &Queue, views: &Views) {
    let _ends = Ends(jobs);
    while let Some(first) = jobs.next() {
        let turn = parts.admission.turn_of_thread();
        let batch = gather(parts, &turn, first, jobs);
        batch.store(parts, turn, views);
    }
}

/// Does what is due, until the batch is full.
fn gather(parts: &Parts, turn: &Turn, first: (UserId, Job), jobs: &Queue) -> Batch {
    let mut batch = Batch::default();
    let began = Instant::now();
    let (mut next, mut requests, mut commits, mut bytes) = (Some(first), 0, 0, 0);
    while let Some((person, job)) = next {
        bytes += job.weight.bytes;
        requests += 1;
        if turn.log().has_stopped() {
            let _ = job.reply.send(Err(WriteError::Stopped));
        } else {
            match batch.core(&job.space, core_of) {
                // Whoever has the space writes what comes to it meanwhile as well.
                None => jobs.later(person, job),
                Some(core) => {
                    let done = request(parts, turn, &job.space, core, &job, SMALL).and_then(|done| done.keep(core));
                    match done {
                        Ok(done) => {
                            let sealed = done.bytes().saturating_sub(job.weight.bytes);
                            // What a filter found was not known before.
                            jobs.charge(person, sealed);
                            bytes += sealed;
                            commits += done.commits();
                            batch.push(job.reply, done);
                        }
                        Err(error) if is_large(&error) => jobs.later(person, job),
                        Err(error) => {
                            let _ = job.reply.send(Err(error));
                        }
                    }
                }
            }
        }
        let room = requests < BATCH_REQUESTS && commits < BATCH_COMMITS && began.elapsed() < BATCH_TIME;
        next = if room { jobs.another(bytes) } else { None };
    }
    batch
}

/// The space, unless somebody has it for long: with the turn in hand it is not waited for.
fn core_of(space: &Arc<Space>) -> Option<Guard> {
    if space.is_reserved() { None } else { parking_lot::Mutex::try_lock_arc_for(space.core(), LOOK) }
}

/// Whether a request was refused because it was not done whole.
fn is_large(error: &WriteError) -> bool {
    match error {
        WriteError::TooManyRows => true,
        WriteError::View(error) => matches!(error.refusal(), Some(ReadError::Time(_))),
        _ => false,
    }
}
