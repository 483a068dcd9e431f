//! Permits: the vault's only way in, and the gate that alone mints them.

mod cache;
mod documents;
mod gate;
mod half;
mod masks;
mod singled;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::sync::Arc;

use crate::{
    CollectionId, DeviceId, Epoch, EpochClock, FieldId, GrantId, Holder, Narrowing, Predicate, SpaceId, Timestamp,
    UserId, Verb, Verbs,
};

pub use documents::{Documents, MAX_DOCUMENTS};
pub use gate::Gate;
pub(crate) use masks::earliest;
pub use masks::{document_object, document_of, field_object, grant_object};

/// Who asks: a person, perhaps through an app or a link that acts under one grant, perhaps from a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The person, whoever acts for them.
    pub user: UserId,
    /// The app or link that acts for the person; `None`: they do it themselves.
    pub app: Option<AppCaller>,
    /// The device at which they do it, if it is known.
    pub device: Option<DeviceId>,
}

/// An app, or whoever has a link, and the grant that its token names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AppCaller {
    /// Which app or link.
    pub holder: Holder,
    /// The grant that it acts under.
    pub grant: GrantId,
    /// What its token is held to within that; `None`: all of it.
    pub within: Option<Arc<Narrowing>>,
}

impl AppCaller {
    /// Whoever acts under the whole of a grant.
    pub fn new(holder: Holder, grant: GrantId) -> Self {
        AppCaller { holder, grant, within: None }
    }
}

/// The authenticated transport key of a peer (an Ed25519 public key), never a claimed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerKey(pub [u8; 32]);

/// Identifies the definitions of a space: moves with every schema entry that is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SchemaVersion(pub u64);

/// What a request may touch, as the catalogue of its space has it.
#[derive(Debug, Clone)]
pub struct Resources {
    /// What is asked for.
    pub space: SpaceId,
    /// The version of the definitions that the collections and fields are those of.
    pub schema: SchemaVersion,
    /// All that it holds.
    pub collections: Vec<CollectionResource>,
}

/// A collection and all its fields.
#[derive(Debug, Clone)]
pub struct CollectionResource {
    /// Names it.
    pub id: CollectionId,
    /// Its fields, sorted.
    pub fields: Arc<[FieldId]>,
}

/// What a caller may do in one collection. Entries are evaluated one by one: field `f` of a document
/// counts only where the predicate of an entry that holds `f` with the verb is true.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    /// Each is evaluated alone: fields of one and documents of another are not put together.
    pub entries: Vec<Entry>,
    /// The earliest expiry that this mask rests on.
    pub valid_until: Option<Timestamp>,
}

/// Verbs on fields of those documents that a predicate covers.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What may be done.
    pub verbs: Verbs,
    /// Sorted.
    pub fields: Arc<[FieldId]>,
    /// Of which documents: all, or those that are named.
    pub documents: Documents,
    /// And only those for which this is true.
    pub predicate: Predicate,
}

impl Entry {
    /// Whether the entry covers every document of its collection, present and future.
    pub fn is_everything(&self) -> bool {
        self.documents.is_all() && self.predicate.is_everything()
    }
    /// Whether it says anything of this field.
    pub fn holds(&self, field: FieldId) -> bool {
        self.fields.binary_search(&field).is_ok()
    }
}

impl Mask {
    /// Whether any entry gives `verb`.
    pub fn gives(&self, verb: Verb) -> bool {
        self.entries.iter().any(|entry| entry.verbs.has(verb))
    }
    /// Whether any entry gives `verb` on `field`.
    pub fn shows(&self, field: FieldId, verb: Verb) -> bool {
        self.entries.iter().any(|entry| entry.verbs.has(verb) && entry.holds(field))
    }
    /// The entries that give `verb`.
    pub fn entries_with(&self, verb: Verb) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.verbs.has(verb))
    }
}

mod right {
    pub trait Sealed {}
}
/// A kind of permit.
pub trait Right: right::Sealed + Send + Sync + 'static {
    /// Whom a permit of this kind names besides its caller: nobody, or the peer of a sync session.
    type Peer: std::fmt::Debug + Send + Sync;
}
/// The right to read.
#[derive(Debug)]
pub struct Read(());
/// The right to write (and to read back, within the same masks, what a write returns).
#[derive(Debug)]
pub struct Write(());
/// The right to receive and hand over sealed bytes.
#[derive(Debug)]
pub struct Replicate(());
impl right::Sealed for Read {}
impl right::Sealed for Write {}
impl right::Sealed for Replicate {}
impl Right for Read {
    type Peer = ();
}
impl Right for Write {
    type Peer = ();
}
impl Right for Replicate {
    type Peer = PeerKey;
}

/// The permits of one request, by collection, from one policy snapshot. Neither `Clone` nor
/// serialisable: they live for one request or one batch.
///
/// Only [`Gate`] makes one. What a permit has can be read,
/// ```
/// fn space(permits: &policy_core::Permits<policy_core::Read>) -> policy_core::SpaceId {
///     permits.space()
/// }
/// ```
/// but it cannot be put together from its parts:
/// ```compile_fail,E0451
/// fn space(permits: policy_core::Permits<policy_core::Read>) -> policy_core::Permits<policy_core::Read> {
///     policy_core::Permits { manages: true, ..permits }
/// }
/// ```
///
/// It can be handed on,
/// ```
/// fn twice(permits: policy_core::Permits<policy_core::Read>) -> policy_core::Permits<policy_core::Read> {
///     permits
/// }
/// ```
/// but not copied:
/// ```compile_fail,E0599
/// fn twice(permits: policy_core::Permits<policy_core::Read>) -> policy_core::Permits<policy_core::Read> {
///     permits.clone()
/// }
/// ```
///
/// The space in it can be serialised,
/// ```
/// fn stored(permits: &policy_core::Permits<policy_core::Read>) -> impl serde::Serialize {
///     permits.space()
/// }
/// ```
/// the permit itself cannot:
/// ```compile_fail,E0277
/// fn stored(permits: &policy_core::Permits<policy_core::Read>) -> impl serde::Serialize {
///     permits
/// }
/// ```
///
/// One right is not another. A permit to write writes,
/// ```
/// fn write(_: &policy_core::Permits<policy_core::Write>) {}
/// fn with(permits: &policy_core::Permits<policy_core::Write>) {
///     write(permits)
/// }
/// ```
/// a permit to read does not:
/// ```compile_fail,E0308
/// fn write(_: &policy_core::Permits<policy_core::Write>) {}
/// fn with(permits: &policy_core::Permits<policy_core::Read>) {
///     write(permits)
/// }
/// ```
///
/// A permit to replicate names its peer; a permit to read has none.
/// ```
/// fn peer(permits: &policy_core::Permits<policy_core::Replicate>) -> policy_core::PeerKey {
///     permits.peer()
/// }
/// ```
/// ```compile_fail,E0599
/// fn peer(permits: &policy_core::Permits<policy_core::Read>) -> policy_core::PeerKey {
///     permits.peer()
/// }
/// ```
#[derive(Debug)]
pub struct Permits<R: Right> {
    gate: u64,
    epoch: Epoch,
    caller: Caller,
    space: SpaceId,
    schema: SchemaVersion,
    collections: Vec<(CollectionId, Arc<Mask>)>,
    manages: bool,
    valid_until: Option<Timestamp>,
    right: PhantomData<R>,
    peer: R::Peer,
}

impl Permits<Replicate> {
    /// The peer that may receive and hand over the sealed bytes of the space.
    pub fn peer(&self) -> PeerKey {
        self.peer
    }
}

impl<R: Right> Permits<R> {
    /// Whom it was minted for.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
    /// Where it holds.
    pub fn space(&self) -> SpaceId {
        self.space
    }
    /// The version of the definitions that it was minted for.
    pub fn schema(&self) -> SchemaVersion {
        self.schema
    }
    /// The policy epoch that it was minted in; in another one it is refused.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
    /// The mask of a collection; `None`: for this caller the collection does not exist.
    pub fn mask(&self, collection: CollectionId) -> Option<&Arc<Mask>> {
        self.collections.iter().find(|(id, _)| *id == collection).map(|(_, mask)| mask)
    }
    /// What it holds of each collection that it holds anything of.
    pub fn collections(&self) -> impl Iterator<Item = (CollectionId, &Arc<Mask>)> {
        self.collections.iter().map(|(id, mask)| (*id, mask))
    }
    /// Whether the caller manages the space: its owner, in person. Schema and policy entries need it.
    pub fn manages(&self) -> bool {
        self.manages
    }
    /// When it lapses, if it does before policy moves.
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }
}

/// Why no permit was minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not allowed, or not there: the two answer alike.
    #[error("not found")]
    Denied,
    /// More single documents of one collection than [`MAX_DOCUMENTS`] are shared with the person, or kept from them.
    #[error("more than {MAX_DOCUMENTS} single documents of a collection are shared with you, or kept from you")]
    TooManyDocuments,
    /// The engine could not decide; refused, and worth another try.
    #[error("policy unavailable: {0}")]
    Unavailable(String),
}

/// What the vault keeps of the gate it was opened with.
#[derive(Debug, Clone)]
pub struct GateSeal {
    gate: u64,
    clock: Arc<EpochClock>,
}

/// Why the vault does not take a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealRefusal {
    /// It was minted by a gate that the vault does not know.
    #[error("the permit was minted by another gate")]
    ForeignGate,
    /// Policy, or the definitions that the permit was minted for.
    #[error("policy or the definitions have moved since the permit was minted; mint again")]
    Moved,
    /// What it rests on has lapsed.
    #[error("the permit has lapsed")]
    Lapsed,
}

impl SealRefusal {
    /// Whether the work is to begin again, under a fresh permit: this one holds no more, which does not say that the right
    /// has ended. A permit may lapse while the work waits for its turn (those by SpiceDB live for seconds).
    pub fn calls_for_another(self) -> bool {
        match self {
            SealRefusal::Moved | SealRefusal::Lapsed => true,
            SealRefusal::ForeignGate => false,
        }
    }
}

impl GateSeal {
    /// Invariant: called after the reader's transaction has begun, and again inside a writer's batch,
    /// so that nothing written after an acknowledged revocation is read under the old permit.
    ///
    /// `schema`: the definitions that the work is planned and done with; a permit that was minted for others has
    /// masks of other collections and fields. Nobody can leave it out. With it, this compiles:
    /// ```
    /// # use policy_core::{GateSeal, Permits, Read, SchemaVersion, SealRefusal, Timestamp};
    /// fn ask(seal: &GateSeal, permits: &Permits<Read>, schema: SchemaVersion) -> Result<(), SealRefusal> {
    ///     seal.admits(permits, schema, Timestamp(0))
    /// }
    /// ```
    /// and without it, it does not:
    /// ```compile_fail,E0061
    /// # use policy_core::{GateSeal, Permits, Read, SchemaVersion, SealRefusal, Timestamp};
    /// fn ask(seal: &GateSeal, permits: &Permits<Read>, schema: SchemaVersion) -> Result<(), SealRefusal> {
    ///     seal.admits(permits, Timestamp(0))
    /// }
    /// ```
    pub fn admits<R: Right>(
        &self,
        permits: &Permits<R>,
        schema: SchemaVersion,
        now: Timestamp,
    ) -> Result<(), SealRefusal> {
        if permits.gate != self.gate {
            return Err(SealRefusal::ForeignGate);
        }
        if permits.schema != schema {
            return Err(SealRefusal::Moved);
        }
        if permits.epoch != self.clock.now() {
            return Err(SealRefusal::Moved);
        }
        if permits.valid_until.is_some_and(|until| until <= now) {
            return Err(SealRefusal::Lapsed);
        }
        Ok(())
    }
}
