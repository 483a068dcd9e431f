//! What a session asks of its driver, and what it is answered.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use policy_core::{DeviceId, UserId};

use crate::message::{Offer, Reason};
use crate::tips::{CommitId, Lane, Scope, Tip, Tips};

/// A scope that this node shares with the peer.
#[derive(Debug, Clone)]
pub struct Shared {
    /// What is shared.
    pub scope: Scope,
    /// The account that owns it.
    pub owner: UserId,
    /// What this node holds of it, on disk.
    pub tips: Arc<Tips>,
    /// What the peer acknowledged in earlier sessions.
    pub acked: Arc<Tips>,
    /// The devices that this node is and was: nobody else goes on with their chains.
    pub own: BTreeSet<DeviceId>,
}

/// Names a question, so that its answer finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// What the driver does next.
#[derive(Debug, Clone)]
pub enum Event {
    /// Answer with [`crate::Session::answer`]. `Store` questions are answered in the order they came.
    Ask(Ticket, Question),
    /// To be persisted: the peer holds this, and no more, of the scope.
    Holds {
        /// Of what.
        scope: Scope,
        /// What it acknowledged to have on disk.
        tips: Arc<Tips>,
    },
    /// For the operator.
    Report(Report),
    /// Close the connection; the peer was silent too long.
    Gone,
}

/// A question to the store.
#[derive(Debug, Clone)]
pub enum Question {
    /// The peer offers scopes that are not shared with it. Which of them are to be?
    Admit(Vec<Offer>),
    /// Which rows come next, in log order?
    Read {
        /// Of what.
        scope: Scope,
        /// Of the control lane; else of all others.
        control: bool,
        /// Behind this position of the log.
        after: u64,
        /// Without those that end within these.
        have: Arc<Tips>,
        /// So many bytes, or one row if that is larger.
        max_bytes: usize,
    },
    /// Which chains of this node's own devices does the peer hold otherwise than this node: more of them, or another
    /// commit at the same number?
    Compare {
        /// Of what.
        scope: Scope,
        /// The peer's tips of them.
        theirs: Vec<Tip>,
    },
    /// Verify and store, in order; stop at the first that is refused. Answered after the fsync.
    Store {
        /// Where they belong.
        scope: Scope,
        /// The bytes of each.
        frames: Vec<Bytes>,
    },
}

/// An answer of the store.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Question::Admit`]: those that are shared from now on.
    Admitted(Vec<Shared>),
    /// To [`Question::Compare`]: those that differ.
    Compared(Vec<(Lane, DeviceId)>),
    /// To [`Question::Read`].
    Read {
        /// In log order.
        items: Vec<Item>,
        /// The position of the last row looked at.
        position: u64,
        /// No row lies behind `position`.
        end: bool,
    },
    /// To [`Question::Store`].
    Stored {
        /// The end of each frame that is now on disk, in order; it may have been there before.
        stored: Vec<Tip>,
        /// Why the frame after them is not.
        refused: Option<Reason>,
        /// A commit that the log holds, and another one at its number: among the frames, or named by
        /// one of them as the commit before it.
        fork: Option<(Tip, CommitId)>,
    },
    /// The store failed, or the peer may not have this any more.
    Failed(Reason),
}

/// One row of the log.
#[derive(Debug, Clone)]
pub struct Item {
    /// Where it lies in the log of its scope.
    pub position: u64,
    /// The end of the piece of a chain that the row holds.
    pub tip: Tip,
    /// As it travels.
    pub frame: Bytes,
}

/// News for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// A device signed two commits with one number. Nothing was overwritten.
    Fork {
        /// Where.
        scope: Scope,
        /// The one of them that is held here, and where it stands.
        tip: Tip,
        /// The other one.
        other: CommitId,
    },
    /// The peer holds less than it once acknowledged: it was restored from an old copy, or lies.
    Stale {
        /// Of what.
        scope: Scope,
    },
    /// The peer did not store what we sent.
    Refused {
        /// Of what.
        scope: Scope,
        /// As the peer says.
        reason: Reason,
    },
    /// We did not store what the peer sent.
    Rejected {
        /// Of what.
        scope: Scope,
        /// As the store says.
        reason: Reason,
    },
}
