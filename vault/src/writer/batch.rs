//! Requests that were done in views, on their way into the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use vault_core::build::SealedFrame;
use vault_core::document::Hlc;
use vault_core::tags::LaneTag;

use super::views::Views;
use super::{Guard, Job, Parts, Reply, WriteError, change};
use crate::admission::Admission;
use crate::feed::Moved;
use crate::log::{NewRow, Scope};
use crate::space::{Core, Space};
use crate::turn::Turn;
use crate::view::{CHANGING, ViewError};

/// A view is committed after so many changes.
const VIEW_COMMITS: usize = 8_192;

/// A request that was done in the view, behind a point to which it can be taken back.
pub(super) struct Done {
    answer: Vec<u8>,
    rows: Vec<NewRow>,
    before: Before,
}

/// What was before a request.
struct Before {
    hlc: Hlc,
    /// Where the chains ended that it goes on with.
    chains: Vec<(LaneTag, Option<(u64, Cid)>)>,
    uncommitted: usize,
}

impl Before {
    fn restore(self, core: &mut Core) {
        (core.hlc, core.uncommitted) = (self.hlc, self.uncommitted);
        for (lane, end) in self.chains {
            match end {
                Some(end) => drop(core.chains.insert(lane, end)),
                None => drop(core.chains.remove(&lane)),
            }
        }
    }
}

/// How much is done of a request before it is left to others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// For each time that documents are looked up.
    pub(super) patience: Duration,
    /// For all that is looked up and changed.
    pub(super) all: Duration,
    pub(super) commits: usize,
}

impl Effort {
    /// All that a request may take anyhow, where others write meanwhile.
    pub(super) const AHEAD: Effort = Effort { patience: CHANGING, all: Duration::from_secs(30), commits: usize::MAX };
    /// What it may take where they do not.
    pub(super) const IN_TURN: Effort = Effort { all: Duration::from_secs(5), ..Effort::AHEAD };
}

impl Done {
    pub(super) fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.len() as u64).sum()
    }

    pub(super) fn commits(&self) -> usize {
        self.rows.iter().map(NewRow::commits).sum()
    }

    /// Puts what is large of it on disk, where it takes nobody's turn.
    pub(super) fn put_ahead(&mut self, admission: &Admission) -> Result<(), WriteError> {
        admission.runtime().block_on(admission.log().put_ahead(&mut self.rows)).map_err(|error| {
            tracing::error!(%error, "the log could not be written; the node stops writing");
            WriteError::Log
        })
    }

    /// Whether the log goes on where the rows do.
    pub(super) fn follows(&self, admission: &Admission, space: &Space) -> bool {
        let scope = Scope::Space(space.id);
        let mut ends = HashMap::new();
        self.rows.iter().all(|row| {
            let held = || admission.log().chain(scope, row.lane(), space.device()).map_or(0, |(seq, _)| seq);
            let end = ends.entry(row.lane()).or_insert_with(held);
            let next = row.first() == *end + 1;
            *end = row.last();
            next
        })
    }

    /// Forgets the point.
    pub(super) fn keep(self, core: &mut Core) -> Result<Done, WriteError> {
        match core.view.release() {
            Ok(()) => Ok(self),
            Err(error) => {
                self.before.restore(core);
                Err(error.into())
            }
        }
    }

    /// Takes the request back.
    pub(super) fn undo(self, admission: &Admission, core: &mut Core) -> Result<(), ViewError> {
        admission.runtime().block_on(admission.log().take_back(&self.rows));
        self.before.restore(core);
        core.view.rollback_to()
    }
}

/// One request, whole or not at all; behind a point of the view.
pub(super) fn request(
    parts: &Parts,
    admission: &Admission,
    space: &Space,
    core: &mut Core,
    job: &Job,
    effort: Effort,
) -> Result<Done, WriteError> {
    let now = (parts.clock)();
    may(parts, space, job)?;
    core.begin()?;
    core.view.savepoint()?;
    let control = admission.space(space.id).map(|lane| lane.heads.head_ids()).unwrap_or_default();
    let (hlc, uncommitted) = (core.hlc, core.uncommitted);
    core.view.set_patience(effort.patience, effort.all);
    match change::run(space, core, control, &job.permits, &job.request, (now, effort.commits)) {
        Ok((answer, frames, count)) => {
            core.uncommitted += count;
            let go_on = |frame: &SealedFrame| {
                (frame.lane(), core.chains.insert(frame.lane(), (frame.tip().seq, frame.tip().cid)))
            };
            let mut chains: Vec<_> = frames.iter().map(go_on).collect();
            // The first of a lane is what was before all of them.
            chains.reverse();
            let rows = frames.into_iter().map(|frame| NewRow::built(Scope::Space(space.id), frame)).collect();
            Ok(Done { answer, rows, before: Before { hlc, chains, uncommitted } })
        }
        Err(error) => {
            core.hlc = hlc;
            core.view.rollback_to()?;
            Err(error)
        }
    }
}

/// Whether the request may be done now.
pub(super) fn may(parts: &Parts, space: &Space, job: &Job) -> Result<(), WriteError> {
    parts.seal.admits(&job.permits, space.schema().version, (parts.clock)()).map_err(WriteError::Permit)?;
    if job.permits.space() != space.id {
        return Err(WriteError::Permit(policy_core::SealRefusal::ForeignGate));
    }
    if space.is_replaced() {
        return Err(WriteError::Busy);
    }
    if space.is_behind() {
        return Err(ViewError::Behind.into());
    }
    Ok(())
}

/// What is stored together: the spaces, which nobody else reads or writes meanwhile, and what is to be answered.
#[derive(Default)]
pub(super) struct Batch {
    spaces: Vec<(Arc<Space>, Guard)>,
    rows: Vec<NewRow>,
    answers: Vec<(Reply, Vec<u8>)>,
}

impl Batch {
    /// A space of this batch, taken into it by `lock` if it is not there yet.
    pub(super) fn core(
        &mut self,
        space: &Arc<Space>,
        lock: impl FnOnce(&Arc<Space>) -> Option<Guard>,
    ) -> Option<&mut Core> {
        let at = match self.spaces.iter().position(|(other, _)| Arc::ptr_eq(other, space)) {
            Some(at) => at,
            None => {
                self.spaces.push((Arc::clone(space), lock(space)?));
                self.spaces.len() - 1
            }
        };
        Some(&mut self.spaces[at].1)
    }

    pub(super) fn push(&mut self, reply: Reply, done: Done) {
        self.rows.extend(done.rows);
        self.answers.push((reply, done.answer));
    }

    /// Stores what was done, in a turn that ends with it, and answers.
    pub(super) fn store(self, parts: &Parts, turn: Turn, views: &Views) {
        let Batch { mut spaces, rows, answers } = self;
        if rows.is_empty() {
            drop(turn);
            return answer_unmatched(spaces, answers);
        }
        let scopes: Vec<Scope> = rows.iter().map(NewRow::scope).collect();
        let positions = match turn.runtime().block_on(turn.append(rows)) {
            Ok(positions) => positions,
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
                return;
            }
        };
        for (space, core) in &mut spaces {
            let scope = Scope::Space(space.id);
            let last = scopes.iter().zip(&positions).filter(|(s, _)| **s == scope).map(|(_, p)| *p).max();
            let Some(last) = last.filter(|_| !space.is_replaced()) else { continue };
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
        // What follows is for these spaces alone.
        drop(turn);
        for (reply, answer) in answers {
            let _ = reply.send(Ok(answer));
        }
        for (space, core) in &mut spaces {
            if core.uncommitted >= VIEW_COMMITS
                && let Err(error) = core.commit()
            {
                tracing::error!(space = %space.id, %error, "the view could not be committed");
            }
            if core.open {
                views.wait(space);
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
}

/// Ends a transaction of a view that nothing was done in.
pub(super) fn give_back(space: &Space, core: &mut Core) {
    if core.uncommitted == 0
        && let Err(error) = core.commit()
    {
        tracing::error!(space = %space.id, %error, "the view could not be committed");
    }
}

/// Nothing matched: there is nothing to wait for.
fn answer_unmatched(mut spaces: Vec<(Arc<Space>, Guard)>, answers: Vec<(Reply, Vec<u8>)>) {
    spaces.iter_mut().for_each(|(space, core)| give_back(space, core));
    drop(spaces);
    for (reply, answer) in answers {
        let _ = reply.send(Ok(answer));
    }
}
