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
    pub collection: CollectionId,
    pub doc: DocId,
    pub cid: Cid,
    /// The document's first commit; its own `cid` if this is it.
    pub root: Cid,
    /// The salt of the document's leaf keys; present in a root commit.
    pub salt: Option<[u8; 16]>,
    pub parents: Vec<Cid>,
    pub height: u64,
    pub hlc: Hlc,
    pub device: DeviceId,
    pub seq: u64,
    pub author: Author,
    pub status: Option<Status>,
    pub deltas: Vec<FieldDelta>,
}

/// On whose behalf a commit was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    pub user: UserId,
    pub app: Option<(ClientId, GrantId)>,
}

/// The reserved `status` part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Deleted,
    Undeleted,
}

/// The change of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDelta {
    pub field: FieldId,
    pub generation: u32,
    /// SHA-256 of the sealed part: a part row's CID in `_commits` is CIDv1(raw, this).
    pub part: [u8; 32],
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
        plus: i128,
        minus: i128,
    },
    FloatCounter {
        total: f64,
    },
}
