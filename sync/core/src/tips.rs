//! What a replica holds, in a few bytes a chain.
//!
//! A device numbers its commits in a lane without gaps and each names the one before, so "up to
//! number n, which is commit c" says all about that chain.

use std::collections::BTreeMap;
use std::fmt;

use policy_core::{DeviceId, SpaceId, UserId};
use sha2::{Digest, Sha256};

/// What is synced as one: the control lane of an account, or a space with all its lanes.
/// Ordered so that accounts come first: spaces are verified against them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The control lane of an account: its devices.
    Account(UserId),
    /// A space: its control lane, and the lanes of its collections.
    Space(SpaceId),
}

impl Scope {
    pub(crate) fn parts(&self) -> (u64, &[u8; 16]) {
        match self {
            Scope::Account(id) => (0, id.as_bytes()),
            Scope::Space(id) => (1, id.as_bytes()),
        }
    }

    pub(crate) fn from_parts(kind: u64, id: [u8; 16]) -> Option<Self> {
        match kind {
            0 => Some(Scope::Account(UserId::from_bytes(id))),
            1 => Some(Scope::Space(SpaceId::from_bytes(id))),
            _ => None,
        }
    }
}

/// The blinded tag of a collection, as the log names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub [u8; 16]);

impl Lane {
    /// The lane of control entries. It travels first and in full.
    pub const CONTROL: Lane = Lane([0; 16]);
}

/// A commit: the SHA-256 digest inside its CID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub [u8; 32]);

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

/// The end of one device's chain in one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tip {
    /// Where the chain is.
    pub lane: Lane,
    /// Whose it is.
    pub device: DeviceId,
    /// The number of the newest commit; the first has number 1.
    pub seq: u64,
    /// The newest commit.
    pub commit: CommitId,
}

/// How a peer's tip of a chain lies to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The same, or there is nothing to compare.
    Same,
    /// The peer holds more of it.
    Ahead,
    /// The peer holds less of it.
    Behind,
    /// The same number, another commit: the device signed two histories.
    Forked {
        /// Ours; the peer's is the other.
        ours: CommitId,
    },
}

/// The tips of all chains of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tips(BTreeMap<(Lane, DeviceId), (u64, CommitId)>);

impl Tips {
    /// How many chains there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ordered by lane and device.
    pub fn iter(&self) -> impl Iterator<Item = Tip> + '_ {
        self.0.iter().map(|(&(lane, device), &(seq, commit))| Tip { lane, device, seq, commit })
    }

    /// The number and id of the newest commit of a chain; `None`: nothing of it is held.
    pub fn get(&self, lane: Lane, device: DeviceId) -> Option<(u64, CommitId)> {
        self.0.get(&(lane, device)).copied()
    }

    /// The number of the newest commit of a chain, 0 if nothing of it is held.
    pub fn seq(&self, lane: Lane, device: DeviceId) -> u64 {
        self.get(lane, device).map_or(0, |(seq, _)| seq)
    }

    /// Moves a chain forward. An older tip changes nothing, and neither does another commit at the
    /// same number: the first one known stays, and the fork is for the caller to report.
    pub fn advance(&mut self, tip: Tip) -> Compared {
        match self.0.get(&(tip.lane, tip.device)) {
            Some(&(seq, _)) if seq > tip.seq => Compared::Behind,
            Some(&(seq, commit)) if seq == tip.seq => {
                if commit == tip.commit {
                    Compared::Same
                } else {
                    Compared::Forked { ours: commit }
                }
            }
            _ => {
                self.0.insert((tip.lane, tip.device), (tip.seq, tip.commit));
                Compared::Ahead
            }
        }
    }

    /// Where a peer that says `tip` stands, seen from here.
    pub fn compare(&self, tip: &Tip) -> Compared {
        match self.get(tip.lane, tip.device) {
            None => Compared::Ahead,
            Some((seq, _)) if seq < tip.seq => Compared::Ahead,
            Some((seq, _)) if seq > tip.seq => Compared::Behind,
            Some((_, commit)) if commit == tip.commit => Compared::Same,
            Some((_, ours)) => Compared::Forked { ours },
        }
    }

    /// Commits that `self` holds and `other` does not, by number.
    pub fn beyond(&self, other: &Tips) -> u64 {
        self.0
            .iter()
            .map(|(&(lane, device), &(seq, _))| seq.saturating_sub(other.seq(lane, device)))
            .fold(0, u64::saturating_add)
    }

    /// Whether `other` holds, by number, all that `self` holds.
    pub fn within(&self, other: &Tips) -> bool {
        self.0.iter().all(|(&(lane, device), &(seq, _))| other.seq(lane, device) >= seq)
    }

    /// SHA-256 over all tips in order: equal digests, equal holdings.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"allod/sync/tips/v1");
        for tip in self.iter() {
            hash.update(tip.lane.0);
            hash.update(tip.device.as_bytes());
            hash.update(tip.seq.to_be_bytes());
            hash.update(tip.commit.0);
        }
        hash.finalize().into()
    }
}

impl FromIterator<Tip> for Tips {
    fn from_iter<I: IntoIterator<Item = Tip>>(tips: I) -> Self {
        let mut all = Tips::default();
        for tip in tips {
            all.advance(tip);
        }
        all
    }
}
