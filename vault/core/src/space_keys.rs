//! The keys of one space in use: what a lane, a document and a field are called and sealed under.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use policy_core::{CollectionId, DocId, FieldId, SpaceId};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::codec::{decode_author, decode_delta, decode_head, decode_status};
use crate::control::{SpaceLane, envelope_info};
use crate::document::{Author, DocumentCommit, FieldDelta};
use crate::frame::Entry;
use crate::identity::{DeviceKeys, DeviceSecret, EnvelopeError};
use crate::keys::{CollectionKey, FieldKey, LeafKey, Reserved, SpaceSecret, TagKey};
use crate::schema::Collection;
use crate::seal::{SealContext, open};
use crate::tags::{EpochId, FieldTag, LaneTag};

/// The keys of a space, opened.
#[derive(Debug, Clone)]
pub struct SpaceKeys {
    space: SpaceId,
    tag: TagKey,
    epochs: BTreeMap<EpochId, SpaceSecret>,
    current: EpochId,
    lanes: HashMap<LaneTag, Arc<LaneKeys>>,
    by_collection: HashMap<CollectionId, Arc<LaneKeys>>,
}

/// The keys and tags of one collection.
#[derive(Debug)]
pub struct LaneKeys {
    /// Whose they are.
    pub collection: CollectionId,
    /// The lane of its documents.
    pub lane: LaneTag,
    fields: Vec<(FieldId, FieldTag)>,
    head: FieldTag,
    status: FieldTag,
    who: FieldTag,
    epochs: BTreeMap<EpochId, EpochKeys>,
}

#[derive(Debug)]
struct EpochKeys {
    collection: CollectionKey,
    fields: HashMap<FieldId, FieldKey>,
    head: LeafKey,
    status: LeafKey,
    who: LeafKey,
}

/// Why the keys of a space cannot be had. Never answered by making new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Its control lane is not held here as far as that.
    #[error("the space has no key epoch")]
    NoEpoch,
    /// A device that has them must hand them over first.
    #[error("no key of the space is sealed to this device yet")]
    NotSealedToUs,
    /// It is damaged, or was made for another key.
    #[error("what is sealed to this device does not open")]
    Envelope,
}

impl From<EnvelopeError> for KeysError {
    fn from(_: EnvelopeError) -> Self {
        KeysError::Envelope
    }
}

/// Why a verified commit was not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenCommitError {
    /// Its definition comes with the control lane.
    #[error("its collection is not defined here yet")]
    UnknownLane,
    /// It comes with the lane.
    #[error("the first commit of its document is not known here yet")]
    UnknownRoot,
    /// The key comes with the control lane.
    #[error("its key epoch is not known here yet")]
    UnknownEpoch,
    /// It was changed, or its writer did not keep to the format.
    #[error("it does not open: {0}")]
    Damaged(&'static str),
}

/// `S_e || K_tag`, as it is sealed to devices.
fn bundle(secret: &SpaceSecret, tag: &TagKey) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&secret.expose()[..], tag.expose()].concat())
}

/// Seals a new epoch's secrets to a device.
pub(crate) fn seal_bundle(
    space: SpaceId,
    number: u64,
    secret: &SpaceSecret,
    tag: &TagKey,
    device: &DeviceKeys,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, EnvelopeError> {
    device.seal(&envelope_info(space, number, device.id), &bundle(secret, tag), rng)
}

impl SpaceKeys {
    /// Opens what the control lane has sealed to this device.
    pub fn open(lane: &SpaceLane, device: &DeviceSecret) -> Result<Self, KeysError> {
        Self::open_by(lane, std::iter::once(device))
    }

    /// Opens what the control lane has sealed to any of these devices, which are one node's. They write under the newest
    /// epoch of which they have the key: one that another device began and sealed to itself keeps nobody out.
    pub fn open_by<'d>(
        lane: &SpaceLane,
        devices: impl Iterator<Item = &'d DeviceSecret> + Clone,
    ) -> Result<Self, KeysError> {
        let mut epochs = BTreeMap::new();
        let mut tag = None;
        for (id, epoch) in lane.epochs() {
            let sealed = devices.clone().find_map(|device| Some((device, epoch.sealed.get(&device.id)?)));
            let Some((device, sealed)) = sealed else { continue };
            let plain = device.open(&envelope_info(lane.space, epoch.number, device.id), sealed)?;
            let (secret, rest) = plain.split_at_checked(32).ok_or(KeysError::Envelope)?;
            epochs.insert(id, SpaceSecret::from_bytes(secret.try_into().map_err(|_| KeysError::Envelope)?));
            tag = Some(TagKey::from_bytes(rest.try_into().map_err(|_| KeysError::Envelope)?));
        }
        match (tag, lane.newest(|epoch| epochs.contains_key(&epoch))) {
            (Some(tag), Some(current)) => Ok(Self::from_secrets(lane.space, tag, epochs, current)),
            _ if lane.newest(|_| true).is_none() => Err(KeysError::NoEpoch),
            _ => Err(KeysError::NotSealedToUs),
        }
    }

    pub(crate) fn from_secrets(
        space: SpaceId,
        tag: TagKey,
        epochs: BTreeMap<EpochId, SpaceSecret>,
        current: EpochId,
    ) -> Self {
        SpaceKeys { space, tag, epochs, current, lanes: HashMap::new(), by_collection: HashMap::new() }
    }

    /// Which space.
    pub fn space(&self) -> SpaceId {
        self.space
    }
    /// What tags and ids are made with.
    pub fn tags(&self) -> &TagKey {
        &self.tag
    }
    /// The epoch that is sealed in from now on.
    pub fn current(&self) -> EpochId {
        self.current
    }
    pub(crate) fn secret(&self, epoch: EpochId) -> Option<&SpaceSecret> {
        self.epochs.get(&epoch)
    }

    /// Seals an epoch's secrets to a device that came later; `None`: the epoch is not held.
    pub fn envelope(
        &self,
        epoch: EpochId,
        number: u64,
        device: &DeviceKeys,
        rng: &mut impl CryptoRng,
    ) -> Option<Result<Vec<u8>, EnvelopeError>> {
        let secret = self.epochs.get(&epoch)?;
        Some(seal_bundle(self.space, number, secret, &self.tag, device, rng))
    }

    /// Derives the keys of a collection; call again when its definition changes.
    pub fn define(&mut self, collection: &Collection) {
        let id = collection.id;
        let fields: Vec<_> = collection.fields.iter().map(|f| (f.id, self.tag.field(id, f.id))).collect();
        let epochs = self
            .epochs
            .iter()
            .map(|(epoch, secret)| {
                let key = secret.collection(id);
                let keys = EpochKeys {
                    fields: fields.iter().map(|(field, _)| (*field, key.field(*field, 0))).collect(),
                    head: key.reserved(Reserved::Head),
                    status: key.reserved(Reserved::Status),
                    who: key.reserved(Reserved::Who),
                    collection: key,
                };
                (*epoch, keys)
            })
            .collect();
        let lane = Arc::new(LaneKeys {
            collection: id,
            lane: self.tag.lane(id),
            fields,
            head: self.tag.reserved(id, Reserved::Head),
            status: self.tag.reserved(id, Reserved::Status),
            who: self.tag.reserved(id, Reserved::Who),
            epochs,
        });
        self.lanes.insert(lane.lane, Arc::clone(&lane));
        self.by_collection.insert(id, lane);
    }

    /// The keys of a collection, if it is defined.
    pub fn collection(&self, id: CollectionId) -> Option<&Arc<LaneKeys>> {
        self.by_collection.get(&id)
    }
    /// The keys of the collection of this lane, if it is defined.
    pub fn lane(&self, lane: LaneTag) -> Option<&Arc<LaneKeys>> {
        self.lanes.get(&lane)
    }

    /// Opens a sealed control entry (schema, policy).
    pub fn open_control(&self, entry: &Entry) -> Result<Vec<u8>, OpenCommitError> {
        let commit = &entry.commit;
        let epoch = commit.epoch.ok_or(OpenCommitError::UnknownEpoch)?;
        let secret = self.epochs.get(&epoch).ok_or(OpenCommitError::UnknownEpoch)?;
        let part = entry.parts.first().ok_or(OpenCommitError::Damaged("an entry without a body"))?;
        open(&secret.control(), &commit.nonce, &place(commit, epoch).frame(), FieldTag::BODY, 0, part)
            .map_err(|_| OpenCommitError::Damaged("the body of a control entry"))
    }

    /// Opens a verified commit of a document. `account`: whose device wrote it; `root`: what is known
    /// of the document that the commit's `root` names. Parts of fields that no definition names are
    /// left out.
    pub fn open_commit(
        &self,
        entry: &Entry,
        account: policy_core::UserId,
        root: impl FnOnce(&cid::Cid) -> Option<(DocId, [u8; 16])>,
    ) -> Result<DocumentCommit, OpenCommitError> {
        let commit = &entry.commit;
        let lane = self.lanes.get(&commit.lane).ok_or(OpenCommitError::UnknownLane)?;
        let epoch = commit.epoch.ok_or(OpenCommitError::UnknownEpoch)?;
        let keys = lane.epochs.get(&epoch).ok_or(OpenCommitError::UnknownEpoch)?;
        let frame = place(commit, epoch).frame();
        let named = |tag: FieldTag| commit.parts.iter().position(|part| part.ftag == tag);
        let reserved = |tag: FieldTag, leaf: &LeafKey, what: &'static str| {
            named(tag)
                .map(|n| open(leaf, &commit.nonce, &frame, tag, commit.parts[n].generation, &entry.parts[n]))
                .transpose()
                .map_err(|_| OpenCommitError::Damaged(what))
        };
        let damaged = |what| move |_| OpenCommitError::Damaged(what);
        let (doc, salt, fresh) = match &commit.root {
            Some(cid) => {
                let (doc, salt) = root(cid).ok_or(OpenCommitError::UnknownRoot)?;
                (doc, salt, None)
            }
            None => {
                let head = reserved(lane.head, &keys.head, "the head part")?
                    .ok_or(OpenCommitError::Damaged("a root without a head part"))?;
                let (doc, salt) = decode_head(&head).map_err(damaged("the head part"))?;
                (doc, salt, Some(salt))
            }
        };
        if self.tag.document(commit.lane, doc) != commit.doc {
            return Err(OpenCommitError::Damaged("the document tag"));
        }
        let status = reserved(lane.status, &keys.status, "the status part")?
            .map(|bytes| decode_status(&bytes))
            .transpose()
            .map_err(damaged("the status part"))?;
        let author = reserved(lane.who, &keys.who, "the author part")?
            .map(|bytes| decode_author(&bytes))
            .transpose()
            .map_err(damaged("the author part"))?
            .unwrap_or(Author { user: account, app: None });
        let mut deltas = Vec::with_capacity(commit.parts.len());
        for (part, bytes) in commit.parts.iter().zip(&entry.parts) {
            let Some((field, _)) = lane.fields.iter().find(|(_, tag)| *tag == part.ftag) else { continue };
            let leaf = lane.leaf(keys, *field, part.generation, doc, &salt);
            let plain = open(&leaf, &commit.nonce, &frame, part.ftag, part.generation, bytes)
                .map_err(|_| OpenCommitError::Damaged("a field part"))?;
            let delta = decode_delta(&plain).map_err(damaged("a field part"))?;
            deltas.push(FieldDelta { field: *field, generation: part.generation, part: part.hash, delta });
        }
        Ok(DocumentCommit {
            collection: lane.collection,
            doc,
            cid: entry.cid,
            root: commit.root.unwrap_or(entry.cid),
            salt: fresh,
            parents: commit.parents.clone(),
            height: commit.height,
            hlc: commit.hlc,
            device: commit.device,
            seq: commit.seq,
            author,
            status,
            deltas,
        })
    }
}

pub(crate) fn place(commit: &crate::commit::Commit, epoch: EpochId) -> SealContext<'_> {
    SealContext {
        space: commit.space,
        lane: commit.lane,
        doc: commit.doc,
        epoch,
        device: commit.device,
        seq: commit.seq,
        kind: commit.kind.number(),
        parents: &commit.parents,
    }
}

impl LaneKeys {
    fn leaf(&self, keys: &EpochKeys, field: FieldId, generation: u32, doc: DocId, salt: &[u8; 16]) -> LeafKey {
        match keys.fields.get(&field) {
            Some(key) if generation == 0 => key.leaf(doc, salt),
            _ => keys.collection.field(field, generation).leaf(doc, salt),
        }
    }

    /// Tag and key of a field of a document, for sealing.
    pub(crate) fn field(
        &self,
        epoch: EpochId,
        field: FieldId,
        doc: DocId,
        salt: &[u8; 16],
    ) -> Option<(FieldTag, LeafKey)> {
        let keys = self.epochs.get(&epoch)?;
        let (_, tag) = self.fields.iter().find(|(id, _)| *id == field)?;
        Some((*tag, self.leaf(keys, field, 0, doc, salt)))
    }

    pub(crate) fn reserved(&self, epoch: EpochId, which: Reserved) -> Option<(FieldTag, &LeafKey)> {
        let keys = self.epochs.get(&epoch)?;
        Some(match which {
            Reserved::Head => (self.head, &keys.head),
            Reserved::Status => (self.status, &keys.status),
            Reserved::Who => (self.who, &keys.who),
        })
    }
}
