//! The one writer of the log: requests of all spaces, in batches.
//!
//! What people write waits in a queue that is fair to them. A batch is what is due of it: small requests of any
//! spaces together, or one large request by itself, so that nobody waits for more than one of another's. Each request is validated against the
//! view as the writer sees it (so with the requests before it), sealed, and applied in the space's
//! open view transaction; then one log transaction, one fsync, and the answers. A view never commits
//! what the log does not hold.

mod change;
mod error;
mod fair;
mod queue;
mod scope;
mod weight;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::lock_api::ArcMutexGuard;
use policy_core::{GateSeal, Permits, Timestamp, UserId, Write};
use tokio::sync::{broadcast, oneshot};
use vault_core::change::ChangeRequest;

pub use error::WriteError;
use queue::{Next, Queue};
use weight::Weight;

use crate::admission::Admission;
use crate::feed::Moved;
use crate::log::{NewRow, Scope};
use crate::space::{Core, Space};
use crate::turn::Turn;
use crate::view::ViewError;

/// A batch is cut at so many requests, or so many commits.
const BATCH_REQUESTS: usize = 256;
const BATCH_COMMITS: usize = 1_000;
/// A view is committed after so many changes, or after this long; sooner if anybody reads. A larger
/// transaction writes each page of an index once instead of once a batch.
const VIEW_COMMITS: usize = 8_192;
const VIEW_AGE: Duration = Duration::from_millis(100);

type Guard = ArcMutexGuard<parking_lot::RawMutex, Core>;

/// A clock: injected, so that tests can turn it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

struct Job {
    space: Arc<Space>,
    permits: Permits<Write>,
    request: Arc<ChangeRequest>,
    weight: Weight,
    reply: oneshot::Sender<Result<Vec<u8>, WriteError>>,
}

/// The way to the writer's thread. Dropped, the thread ends after what is queued.
pub struct Writer {
    queue: Arc<Queue>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What the writer's thread works with.
pub struct Parts {
    pub admission: Arc<Admission>,
    pub seal: GateSeal,
    pub clock: Clock,
    pub feed: broadcast::Sender<Moved>,
}

impl Writer {
    pub fn start(parts: Parts) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new());
        let jobs = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("allod-writer".into()).spawn(move || run(&parts, &jobs))?;
        Ok(Writer { queue, thread: Some(thread) })
    }

    /// How many requests wait to be written.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Answers after the change is on disk.
    pub async fn write(
        &self,
        space: Arc<Space>,
        permits: Permits<Write>,
        request: Arc<ChangeRequest>,
    ) -> Result<Vec<u8>, WriteError> {
        let (reply, answer) = oneshot::channel();
        let weight = Weight::of(&request);
        self.queue.push(Job { space, permits, request, weight, reply })?;
        answer.await.map_err(|_| WriteError::Stopped)?
    }
}

impl Drop for Writer {
    /// Waits for the thread: a process that ends while it still commits a view may crash in the cipher's library.
    fn drop(&mut self) {
        self.queue.close(false);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// When the thread ends, however it ends, nobody waits for it any more.
struct Ends<'a>(&'a Queue);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.close(true);
    }
}

fn run(parts: &Parts, jobs: &Queue) {
    let _ends = Ends(jobs);
    // Spaces whose view has an open transaction, and since when.
    let mut open: Vec<(Arc<Space>, Instant)> = Vec::new();
    loop {
        let first = match jobs.next((!open.is_empty()).then_some(VIEW_AGE)) {
            Next::Write(person, job) => Some((person, *job)),
            Next::Rest => None,
            Next::End => break,
        };
        if let Some(first) = first {
            let turn = parts.admission.turn_of_thread();
            batch(parts, &turn, first, jobs, &mut open);
            drop(turn);
            // While there is work, views wait for a pause, for a reader or for enough changes.
            if !jobs.is_empty() {
                continue;
            }
        }
        open.retain(|(space, since)| {
            if since.elapsed() < VIEW_AGE {
                return true;
            }
            if let Err(error) = space.settle() {
                tracing::error!(space = %space.id, %error, "the view could not be committed");
            }
            false
        });
    }
}

fn batch(parts: &Parts, turn: &Turn, first: (UserId, Job), jobs: &Queue, open: &mut Vec<(Arc<Space>, Instant)>) {
    let mut spaces: Vec<(Arc<Space>, Guard)> = Vec::new();
    let mut rows: Vec<NewRow> = Vec::new();
    let mut answers = Vec::new();
    let (mut next, mut requests, mut commits, mut bytes) = (Some(first), 0, 0, 0);
    while let Some((person, job)) = next {
        bytes += job.weight.bytes;
        requests += 1;
        if turn.log().has_stopped() {
            let _ = job.reply.send(Err(WriteError::Stopped));
        } else {
            let at = match spaces.iter().position(|(space, _)| space.id == job.space.id) {
                Some(at) => at,
                None => {
                    let guard = parking_lot::Mutex::lock_arc(job.space.core());
                    spaces.push((Arc::clone(&job.space), guard));
                    spaces.len() - 1
                }
            };
            let (space, core) = &mut spaces[at];
            match request(parts, turn, space, core, &job) {
                Ok((answer, built)) => {
                    let sealed: u64 = built.iter().map(|row| row.len() as u64).sum();
                    // What a filter found was not known before.
                    jobs.charge(person, sealed.saturating_sub(job.weight.bytes));
                    bytes += sealed.saturating_sub(job.weight.bytes);
                    commits += built.iter().map(NewRow::commits).sum::<usize>();
                    rows.extend(built);
                    answers.push((job.reply, answer));
                }
                Err(error) => {
                    let _ = job.reply.send(Err(error));
                }
            }
        }
        let room = requests < BATCH_REQUESTS && commits < BATCH_COMMITS;
        next = if room { jobs.another(bytes) } else { None };
    }
    if rows.is_empty() {
        // Nothing matched: there is nothing to wait for. A transaction that nothing was done in ends here.
        for (space, core) in &mut spaces {
            if core.uncommitted == 0
                && let Err(error) = core.commit()
            {
                tracing::error!(space = %space.id, %error, "the view could not be committed");
            }
        }
        drop(spaces);
        for (reply, answer) in answers {
            let _ = reply.send(Ok(answer));
        }
    } else {
        let scopes: Vec<Scope> = rows.iter().map(NewRow::scope).collect();
        match turn.runtime().block_on(turn.append(rows)) {
            Ok(positions) => {
                for (space, core) in &mut spaces {
                    let scope = Scope::Space(space.id);
                    let last = scopes.iter().zip(&positions).filter(|(s, _)| **s == scope).map(|(_, p)| *p).max();
                    let Some(last) = last else { continue };
                    // A later request of this batch may have made the database take its transaction back: the
                    // position then stays where it was, or what was lost with it would be skipped for ever.
                    let lost = core.open && !core.view.in_transaction();
                    if lost || core.view.set_position(last).is_err() {
                        tracing::error!(space = %space.id, "the view could not follow the log; it catches up");
                        core.lose();
                    }
                    // From here on readers ask for what is acknowledged below, and wait for it.
                    space.mark_dirty();
                }
                for (reply, answer) in answers {
                    let _ = reply.send(Ok(answer));
                }
                for (space, core) in &mut spaces {
                    if core.uncommitted >= VIEW_COMMITS
                        && let Err(error) = core.commit()
                    {
                        tracing::error!(space = %space.id, %error, "the view could not be committed");
                    }
                    if core.open && !open.iter().any(|(other, _)| other.id == space.id) {
                        open.push((Arc::clone(space), Instant::now()));
                    }
                }
                drop(spaces);
                let mut told = scopes;
                told.sort();
                told.dedup();
                for scope in told {
                    let _ = parts.feed.send(Moved::Log(scope));
                }
            }
            Err(error) => {
                // What was sent to the disk may or may not be there, and a later fsync would not tell:
                // nothing more is written until a start has read the log again.
                tracing::error!(%error, "the log could not be written; the node stops writing");
                turn.log().stop();
                for (space, core) in &mut spaces {
                    core.lose();
                    space.mark_dirty();
                }
                for (reply, _) in answers {
                    let _ = reply.send(Err(WriteError::Log));
                }
            }
        }
    }
}

/// One request, whole or not at all.
fn request(
    parts: &Parts,
    turn: &Turn,
    space: &Space,
    core: &mut Core,
    job: &Job,
) -> Result<(Vec<u8>, Vec<NewRow>), WriteError> {
    let now = (parts.clock)();
    parts.seal.admits(&job.permits, space.schema().version, now).map_err(WriteError::Permit)?;
    if job.permits.space() != space.id {
        return Err(WriteError::Permit(policy_core::SealRefusal::ForeignGate));
    }
    if space.is_replaced() {
        return Err(WriteError::Busy);
    }
    if space.is_behind() {
        return Err(ViewError::Behind.into());
    }
    core.begin()?;
    core.view.savepoint()?;
    let control = turn.space(space.id).map(|lane| lane.heads.seen()).unwrap_or_default();
    let hlc = core.hlc;
    match change::run(space, core, control, &job.permits, &job.request, now) {
        Ok((answer, frames, count)) => {
            core.view.release()?;
            core.uncommitted += count;
            for frame in &frames {
                core.chains.insert(frame.lane(), (frame.tip().seq, frame.tip().cid));
            }
            let rows = frames.into_iter().map(|frame| NewRow::built(Scope::Space(space.id), frame)).collect();
            Ok((answer, rows))
        }
        Err(error) => {
            core.hlc = hlc;
            core.view.rollback_to()?;
            Err(error)
        }
    }
}
