//! A document commit after opening: what the writer makes before sealing and what a view applies.

use cid::Cid;
use policy_core::{ClientId, CollectionId, DeviceId, DocId, FieldId, GrantId, UserId};

use crate::value::Value;

/// Hybrid logical clock: 48 bits of Unix milliseconds, 16 bits of counter (vault/docs/format.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hlc(pub u64);

/// One commit of one document, opened. Applying a set of these in any order gives the same document.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentCommit {
    /// Where the document is.
    pub collection: CollectionId,
    /// Which document.
    pub doc: DocId,
    /// The commit.
    pub cid: Cid,
    /// The document's first commit; its own `cid` if this is it.
    pub root: Cid,
    /// The salt of the document's leaf keys; present in a root commit.
    pub salt: Option<[u8; 16]>,
    /// The heads that its writer saw.
    pub parents: Vec<Cid>,
    /// One more than the greatest of its parents; of a root 1.
    pub height: u64,
    /// The reading of the writer's clock.
    pub hlc: Hlc,
    /// Who signed it.
    pub device: DeviceId,
    /// Its number in the chain of its device in this lane.
    pub seq: u64,
    /// For whom it was written.
    pub author: Author,
    /// Whether it deletes or restores; `None`: neither.
    pub status: Option<Status>,
    /// The fields that it changes.
    pub deltas: Vec<FieldDelta>,
}

/// On whose behalf a commit was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    /// The person.
    pub user: UserId,
    /// The app or link that did it for them, and its grant; `None`: they themselves.
    pub app: Option<(ClientId, GrantId)>,
}

/// The reserved `status` part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It is deleted.
    Deleted,
    /// It is there again.
    Undeleted,
}

/// The change of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDelta {
    /// Which field.
    pub field: FieldId,
    /// Which generation of the definition of its field it is of.
    pub generation: u32,
    /// SHA-256 of the sealed part: a part row's CID in `_commits` is CIDv1(raw, this).
    pub part: [u8; 32],
    /// What changes.
    pub delta: Delta,
}

/// How a field changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// A register is set.
    Set(Value),
    /// A counter: this device's totals so far (of increments, of decrements), which replace its
    /// earlier ones by highest `seq`: redelivery changes nothing.
    IntCounter {
        /// Of all increments.
        plus: i128,
        /// Of all decrements.
        minus: i128,
    },
    /// A counter of numbers with a point.
    FloatCounter {
        /// This device's total so far.
        total: f64,
    },
}
