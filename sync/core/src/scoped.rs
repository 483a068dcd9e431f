//! A scope as one session sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy_core::{DeviceId, UserId};

use crate::sending::Sending;
use crate::tips::{Lane, Tip, Tips};

#[derive(Debug)]
pub(crate) struct Scoped {
    pub(crate) owner: UserId,
    pub(crate) mine: Arc<Tips>,
    pub(crate) own: BTreeSet<DeviceId>,
    /// Whether the peer's tips of our own chains have been compared with ours in this session.
    pub(crate) compared: bool,
    /// Our own chains that the peer holds otherwise. They are not sent to it, and it is told nothing of
    /// them, so that it sends what it has.
    pub(crate) differing: BTreeSet<(Lane, DeviceId)>,
    /// The digest that the peer was offered last.
    pub(crate) offered: Option<[u8; 32]>,
    /// The digest that the peer offered last.
    pub(crate) theirs: Option<[u8; 32]>,
    /// Whether this node has been told of, or sent, everything that the peer held when it last offered.
    pub(crate) all_known: bool,
    /// Whether the peer knows, by our last offer of it, that it has been told of everything here.
    pub(crate) all_said: bool,
    /// Whether the peer shares it too. Nothing but offers is sent before.
    pub(crate) active: bool,
    pub(crate) sending: Sending,
    /// A vector that arrives in parts: the number of the next part, and the tips so far.
    pub(crate) collecting: Option<(u32, Vec<Tip>)>,
    /// How many whole vectors have come, and which of them was learned last.
    pub(crate) vectors: u64,
    pub(crate) learned: u64,
}

impl Scoped {
    /// What the peer is told that this node holds. Of our own chains no more than it has acknowledged,
    /// until they have been compared: if this node was put back from an older copy, it may hold something
    /// else at the numbers behind.
    pub(crate) fn advertised(&self) -> impl Iterator<Item = Tip> + '_ {
        self.mine.iter().filter_map(|tip| {
            if !self.own.contains(&tip.device) {
                return Some(tip);
            }
            if self.differing.contains(&(tip.lane, tip.device)) {
                return None;
            }
            if self.compared {
                return Some(tip);
            }
            let (seq, commit) = self.sending.acked.get(tip.lane, tip.device)?;
            (seq <= tip.seq).then_some(Tip { seq, commit, ..tip })
        })
    }

    /// Whether the peer has acknowledged, or told to have, every commit that is held here. By number: of a fork each side
    /// keeps its own branch.
    pub(crate) fn all_sent(&self) -> bool {
        self.sending.known && self.differing.is_empty() && self.mine.within(&self.sending.acked)
    }

    /// Whether both sides are known to hold the same.
    pub(crate) fn is_settled(&self) -> bool {
        // Of a chain of our own that differs the number alone says nothing: what was taken will be given another.
        self.all_known && self.sending.known && self.differing.is_empty() && {
            let acked = &self.sending.acked;
            self.mine.within(acked) && acked.within(&self.mine)
        }
    }

    /// The digest of what is offered.
    pub(crate) fn digest(&self) -> [u8; 32] {
        if self.differing.is_empty() { self.mine.digest() } else { self.advertised().collect::<Tips>().digest() }
    }
}
