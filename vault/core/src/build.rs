//! Building transactions: plain changes in, sealed and signed frames out.

use cid::Cid;
use policy_core::{CollectionId, DeviceId, DocId, FieldId, PeerKey, SpaceId, UserId};
use rand::{CryptoRng, RngExt};
use sha2::{Digest, Sha256};

use crate::codec::{encode_author, encode_delta, encode_head, encode_status};
use crate::commit::{Commit, CommitKind, MAX_COMMIT, PartRef, cid_of, head_of};
use crate::control::{Clocks, Heads, PolicyEntry, Reading, decode_policy, decode_schema, encode_policy, encode_schema};
use crate::document::{Author, Delta, DocumentCommit, FieldDelta, Hlc, Status};
use crate::frame::{Frame, MAX_FRAME};
use crate::identity::{DeviceKeys, DeviceSecret, EnvelopeError, Signer};
use crate::keys::{Reserved, SpaceSecret, TagKey};
use crate::limits::{MAX_VALUE, SpaceLimits};
use crate::schema::Collection;
use crate::seal::{MAX_PART, SealContext, seal};
use crate::space_keys::{SpaceKeys, seal_bundle};
use crate::tags::{DocTag, EpochId, FieldTag, LaneTag, TxnId};
use crate::txn::{LaneTip, MAX_COMMITS, SignedTxn};

/// A change of one document, before it is sealed.
#[derive(Debug, Clone)]
pub struct DocumentDraft {
    /// Where the document is.
    pub collection: CollectionId,
    /// Which document.
    pub doc: DocId,
    /// The document's first commit and its salt; `None` for a new document.
    pub root: Option<(Cid, [u8; 16])>,
    /// The heads that this change saw (at most 64 are named: the smallest).
    pub parents: Vec<Cid>,
    /// The greatest height among the parents.
    pub height: u64,
    /// The reading of the writer's clock.
    pub hlc: Hlc,
    /// Who changes it.
    pub author: Author,
    /// Whether it is deleted or restored thereby; `None`: neither.
    pub status: Option<Status>,
    /// The fields that change, each once.
    pub deltas: Vec<(FieldId, Delta)>,
}

/// The frame of one lane, ready for the log. Only what is sealed and signed here becomes one.
///
/// Its bytes can be taken out,
/// ```
/// fn bytes(frame: vault_core::build::SealedFrame) -> Vec<u8> {
///     frame.into_bytes()
/// }
/// ```
/// but no others put in:
/// ```compile_fail,E0451
/// fn bytes(frame: vault_core::build::SealedFrame) -> vault_core::build::SealedFrame {
///     vault_core::build::SealedFrame { bytes: Vec::new(), ..frame }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct SealedFrame {
    lane: LaneTag,
    device: DeviceId,
    first: u64,
    tip: LaneTip,
    bytes: Vec<u8>,
}

impl SealedFrame {
    /// The lane of all its commits.
    pub fn lane(&self) -> LaneTag {
        self.lane
    }
    /// The device that signed it.
    pub fn device(&self) -> DeviceId {
        self.device
    }
    /// The number of its first commit.
    pub fn first(&self) -> u64 {
        self.first
    }
    /// Its last commit.
    pub fn tip(&self) -> LaneTip {
        self.tip
    }
    /// The frame, as it travels.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// The frame, as it travels.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Why a change cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A value is larger than a part may be.
    #[error("the value of field {0} is larger than 1 MiB")]
    ValueTooLarge(FieldId),
    /// The request changes more than one frame may hold.
    #[error("one request changes more than 10,000 documents or 16 MiB")]
    TooManyRows,
    /// The writer has no definition or no key of where it would write.
    #[error("the collection or its key is not known")]
    Unknown,
    /// An entry says more than anybody would read of it.
    #[error("a definition or a grant is larger than an entry may be")]
    EntryTooLarge,
}

struct Lane {
    tag: LaneTag,
    first: u64,
    seq: u64,
    prev: Option<Cid>,
    entries: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

/// One transaction of one device in one space, being built. Commits are sealed one at a time, so that
/// a later one can name an earlier one as its parent.
pub struct TxnBuilder<'a> {
    space: SpaceId,
    device: DeviceId,
    account: UserId,
    keys: Option<&'a SpaceKeys>,
    control: Vec<EpochId>,
    txn: TxnId,
    /// The end of this device's chain in a lane.
    held: &'a dyn Fn(LaneTag) -> Option<(u64, Cid)>,
    lanes: Vec<Lane>,
    commits: usize,
    bytes: usize,
}

impl<'a> TxnBuilder<'a> {
    /// `account`: whose device this is; `control`: the control heads as the writer sees them.
    pub fn new(
        keys: &'a SpaceKeys,
        device: DeviceId,
        account: UserId,
        control: Vec<EpochId>,
        held: &'a dyn Fn(LaneTag) -> Option<(u64, Cid)>,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let txn = TxnId(rng.random());
        let space = keys.space();
        TxnBuilder { space, device, account, keys: Some(keys), control, txn, held, lanes: vec![], commits: 0, bytes: 0 }
    }

    fn bare(
        space: SpaceId,
        device: DeviceId,
        account: UserId,
        held: &'a dyn Fn(LaneTag) -> Option<(u64, Cid)>,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let txn = TxnId(rng.random());
        let control = Vec::new();
        TxnBuilder { space, device, account, keys: None, control, txn, held, lanes: vec![], commits: 0, bytes: 0 }
    }

    fn lane(&mut self, tag: LaneTag) -> usize {
        if let Some(at) = self.lanes.iter().position(|lane| lane.tag == tag) {
            return at;
        }
        let (seq, prev) = (self.held)(tag).map_or((0, None), |(seq, cid)| (seq, Some(cid)));
        self.lanes.push(Lane { tag, first: seq + 1, seq, prev, entries: Vec::new() });
        self.lanes.len() - 1
    }

    fn append(&mut self, at: usize, commit: &Commit, parts: Vec<Vec<u8>>) -> Result<Cid, SealError> {
        let bytes = commit.encode();
        self.commits += 1;
        self.bytes += bytes.len() + parts.iter().map(|part| part.len() + 8).sum::<usize>() + 16;
        if self.commits > MAX_COMMITS || self.bytes > MAX_FRAME - 256 * 1024 || bytes.len() > MAX_COMMIT {
            return Err(SealError::TooManyRows);
        }
        let cid = cid_of(&bytes);
        let lane = &mut self.lanes[at];
        lane.seq += 1;
        lane.prev = Some(cid);
        lane.entries.push((bytes, parts));
        Ok(cid)
    }

    /// Seals a change of a document and returns it as a view applies it.
    pub fn push(&mut self, draft: DocumentDraft, rng: &mut impl CryptoRng) -> Result<DocumentCommit, SealError> {
        let keys = self.keys.ok_or(SealError::Unknown)?;
        let lane = std::sync::Arc::clone(keys.collection(draft.collection).ok_or(SealError::Unknown)?);
        let epoch = keys.current();
        let at = self.lane(lane.lane);
        let mut parents = draft.parents;
        parents.sort();
        parents.dedup();
        parents.truncate(crate::commit::MAX_PARENTS);
        let fresh: Option<[u8; 16]> = if draft.root.is_none() { Some(rng.random()) } else { None };
        let salt = draft.root.map(|(_, salt)| salt).or(fresh).ok_or(SealError::Unknown)?;
        let nonce: [u8; 24] = rng.random();
        let mut commit = Commit {
            space: self.space,
            lane: lane.lane,
            doc: keys.tags().document(lane.lane, draft.doc),
            root: draft.root.map(|(cid, _)| cid),
            kind: CommitKind::Op,
            device: self.device,
            seq: self.lanes[at].seq + 1,
            prev: self.lanes[at].prev,
            height: if parents.is_empty() { 1 } else { draft.height + 1 },
            parents,
            epoch: Some(epoch),
            control: self.control.clone(),
            hlc: draft.hlc,
            txn: self.txn,
            nonce,
            parts: Vec::with_capacity(draft.deltas.len() + 2),
        };
        let frame = crate::space_keys::place(&commit, epoch).frame();
        let mut parts = Vec::with_capacity(draft.deltas.len() + 2);
        let mut refs = Vec::with_capacity(draft.deltas.len() + 2);
        let mut add = |ftag: FieldTag, part: Vec<u8>| {
            let hash: [u8; 32] = Sha256::digest(&part).into();
            refs.push(PartRef { ftag, generation: 0, hash, len: part.len() as u32 });
            parts.push(part);
            hash
        };
        let reserved = |which| lane.reserved(epoch, which).ok_or(SealError::Unknown);
        if let Some(salt) = &fresh {
            let (tag, leaf) = reserved(Reserved::Head)?;
            add(tag, seal(leaf, &nonce, &frame, tag, 0, &encode_head(draft.doc, salt)));
        }
        if let Some(status) = draft.status {
            let (tag, leaf) = reserved(Reserved::Status)?;
            add(tag, seal(leaf, &nonce, &frame, tag, 0, &encode_status(status)));
        }
        if draft.author != (Author { user: self.account, app: None }) {
            let (tag, leaf) = reserved(Reserved::Who)?;
            add(tag, seal(leaf, &nonce, &frame, tag, 0, &encode_author(&draft.author)));
        }
        let mut deltas = Vec::with_capacity(draft.deltas.len());
        for (field, delta) in draft.deltas {
            let (tag, leaf) = lane.field(epoch, field, draft.doc, &salt).ok_or(SealError::Unknown)?;
            let plain = encode_delta(&delta);
            if plain.len() > MAX_VALUE + 4_096 {
                return Err(SealError::ValueTooLarge(field));
            }
            let sealed = seal(&leaf, &nonce, &frame, tag, 0, &plain);
            if sealed.len() > MAX_PART {
                return Err(SealError::ValueTooLarge(field));
            }
            let part = add(tag, sealed);
            deltas.push(FieldDelta { field, generation: 0, part, delta });
        }
        commit.parts = refs;
        let cid = self.append(at, &commit, parts)?;
        Ok(DocumentCommit {
            collection: draft.collection,
            doc: draft.doc,
            cid,
            root: commit.root.unwrap_or(cid),
            salt: fresh,
            parents: commit.parents,
            height: commit.height,
            hlc: commit.hlc,
            device: self.device,
            seq: commit.seq,
            author: draft.author,
            status: draft.status,
            deltas,
        })
    }

    /// Appends a control entry; `heads` moves on to it. `epoch`: sealed under it, else in clear.
    fn control(
        &mut self,
        kind: CommitKind,
        body: Vec<u8>,
        epoch: Option<(EpochId, &SpaceSecret)>,
        heads: &mut Heads,
        hlc: Hlc,
        rng: &mut impl CryptoRng,
    ) -> Result<Cid, SealError> {
        let at = self.lane(LaneTag::CONTROL);
        let nonce: [u8; 24] = rng.random();
        let genesis = matches!(kind, CommitKind::AccountGenesis | CommitKind::SpaceGenesis);
        let mut commit = Commit {
            space: if genesis { SpaceId::from_bytes([0; 16]) } else { self.space },
            lane: LaneTag::CONTROL,
            doc: DocTag::NONE,
            root: None,
            kind,
            device: self.device,
            seq: self.lanes[at].seq + 1,
            prev: self.lanes[at].prev,
            parents: heads.parents().iter().copied().take(crate::commit::MAX_PARENTS).collect(),
            height: heads.height() + 1,
            epoch: epoch.map(|(id, _)| id),
            control: heads.head_ids(),
            hlc,
            txn: self.txn,
            nonce,
            parts: Vec::new(),
        };
        let part = match epoch {
            None => body,
            Some((id, secret)) => {
                let place = SealContext { ..crate::space_keys::place(&commit, id) };
                seal(&secret.control(), &nonce, &place.frame(), FieldTag::BODY, 0, &body)
            }
        };
        if part.len() > MAX_PART {
            return Err(SealError::TooManyRows);
        }
        let hash = Sha256::digest(&part).into();
        commit.parts.push(PartRef { ftag: FieldTag::BODY, generation: 0, hash, len: part.len() as u32 });
        let (parents, height) = (commit.parents.clone(), commit.height);
        let cid = self.append(at, &commit, vec![part])?;
        heads.advance(cid, &parents, height);
        Ok(cid)
    }

    /// Appends definitions; returns the CID that is their version.
    pub fn schema(
        &mut self,
        collections: &[Collection],
        heads: &mut Heads,
        hlc: Hlc,
        rng: &mut impl CryptoRng,
    ) -> Result<Cid, SealError> {
        let body = encode_schema(collections);
        // What is in the log stays there: a space with an entry that cannot be read does not open again.
        decode_schema(&body, cid_of(b""), &SpaceLimits::ENTRY).map_err(|_| SealError::EntryTooLarge)?;
        self.sealed(CommitKind::Schema, body, heads, hlc, rng)
    }

    /// Appends a change of policy.
    pub fn policy(
        &mut self,
        entry: &PolicyEntry,
        heads: &mut Heads,
        hlc: Hlc,
        rng: &mut impl CryptoRng,
    ) -> Result<Cid, SealError> {
        let body = encode_policy(entry);
        decode_policy(&body).map_err(|_| SealError::EntryTooLarge)?;
        self.sealed(CommitKind::Policy, body, heads, hlc, rng)
    }

    /// Appends a control entry that another device of the account wrote and that was lost with its chain.
    /// `body`: as it was in clear, or as it opened.
    pub fn again(
        &mut self,
        kind: CommitKind,
        body: Vec<u8>,
        heads: &mut Heads,
        hlc: Hlc,
        rng: &mut impl CryptoRng,
    ) -> Result<Cid, SealError> {
        match kind {
            CommitKind::Schema | CommitKind::Policy => self.sealed(kind, body, heads, hlc, rng),
            CommitKind::AddDevice | CommitKind::Envelope | CommitKind::Clock => {
                self.control(kind, body, None, heads, hlc, rng)
            }
            _ => Err(SealError::Unknown),
        }
    }

    fn sealed(
        &mut self,
        kind: CommitKind,
        body: Vec<u8>,
        heads: &mut Heads,
        hlc: Hlc,
        rng: &mut impl CryptoRng,
    ) -> Result<Cid, SealError> {
        let keys = self.keys.ok_or(SealError::Unknown)?;
        let epoch = keys.current();
        let secret = keys.secret(epoch).ok_or(SealError::Unknown)?;
        self.control(kind, body, Some((epoch, secret)), heads, hlc, rng)
    }

    /// Appends an envelope: the secrets of `epoch`, sealed to a device.
    pub fn envelope(
        &mut self,
        epoch: EpochId,
        device: DeviceId,
        sealed: &[u8],
        heads: &mut Heads,
        hlc: Hlc,
        rng: &mut impl CryptoRng,
    ) -> Result<Cid, SealError> {
        let body = crate::control::envelope_body(epoch, device, sealed);
        self.control(CommitKind::Envelope, body, None, heads, hlc, rng)
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.commits == 0
    }

    /// Signs the transaction and assembles one frame a lane.
    pub fn finish(self, signer: &Signer) -> Vec<SealedFrame> {
        let lanes: Vec<_> = self.lanes.into_iter().filter(|lane| !lane.entries.is_empty()).collect();
        let tips: Vec<_> =
            lanes.iter().filter_map(|lane| Some(LaneTip { lane: lane.tag, seq: lane.seq, cid: lane.prev? })).collect();
        let record = SignedTxn::sign(signer, self.space, self.device, self.txn, tips.clone()).encode();
        let frame = |(lane, tip): (Lane, LaneTip)| {
            let bytes = Frame::assemble(self.space, lane.tag, &record, lane.entries);
            SealedFrame { lane: lane.tag, device: self.device, first: lane.first, tip, bytes }
        };
        lanes.into_iter().zip(tips).map(frame).collect()
    }
}

/// A new account: its genesis and its first device, signed by the root key.
pub fn create_account(
    root: &Signer,
    device: &DeviceKeys,
    hlc: Hlc,
    rng: &mut impl CryptoRng,
) -> Result<(UserId, SealedFrame), SealError> {
    let body = crate::control::account_genesis_body(&root.public(), &rng.random());
    let zero = DeviceId::from_bytes([0; 16]);
    let mut heads = Heads::default();
    // The id is the head of the genesis' own hash, so the transaction learns it from the first entry.
    let nobody = UserId::from_bytes([0; 16]);
    let mut txn = TxnBuilder::bare(SpaceId::from_bytes([0; 16]), zero, nobody, &|_| None, rng);
    let genesis = txn.control(CommitKind::AccountGenesis, body, None, &mut heads, hlc, rng)?;
    let user = UserId::from_bytes(head_of(&genesis));
    txn.space = SpaceId::from_bytes(*user.as_bytes());
    let body = crate::control::device_body(device, None);
    txn.control(CommitKind::AddDevice, body, None, &mut heads, Hlc(hlc.0 + 1), rng)?;
    Ok((user, txn.finish(root).remove(0)))
}

/// An entry that enrols a further device, signed by one that is enrolled. `code`: the hash of the
/// one-time code that it came by; `held`: the end of the signer's chain in the account's lane.
#[expect(clippy::too_many_arguments, reason = "each is a different thing, and there is one caller")]
pub fn enrol_device(
    user: UserId,
    by: &DeviceSecret,
    device: &DeviceKeys,
    code: &[u8; 32],
    heads: &Heads,
    held: Option<(u64, Cid)>,
    hlc: Hlc,
    rng: &mut impl CryptoRng,
) -> Result<SealedFrame, SealError> {
    let space = SpaceId::from_bytes(*user.as_bytes());
    let held = move |_| held;
    let mut txn = TxnBuilder::bare(space, by.id, user, &held, rng);
    let body = crate::control::device_body(device, Some(code));
    txn.control(CommitKind::AddDevice, body, None, &mut heads.clone(), hlc, rng)?;
    Ok(txn.finish(&by.signer).remove(0))
}

/// An entry by which `new` takes the place of `old`, a device of the same node. It begins the chain of
/// the new one: the old one's may be longer than this node knows.
pub fn succeed_device(
    user: UserId,
    old: &DeviceSecret,
    new: (&DeviceSecret, PeerKey),
    heads: &Heads,
    hlc: Hlc,
    rng: &mut impl CryptoRng,
) -> Result<SealedFrame, SealError> {
    let (new, transport) = new;
    let mut txn = TxnBuilder::bare(SpaceId::from_bytes(*user.as_bytes()), new.id, user, &|_| None, rng);
    let body = crate::control::successor_body(user, old, &new.public(transport));
    txn.control(CommitKind::Successor, body, None, &mut heads.clone(), hlc, rng)?;
    Ok(txn.finish(&new.signer).remove(0))
}

/// Further entries of an account's lane, by `by`; `held`: the end of its chain there.
pub fn account_entries(
    user: UserId,
    by: &DeviceSecret,
    entries: Vec<(CommitKind, Vec<u8>)>,
    heads: &Heads,
    held: Option<(u64, Cid)>,
    hlc: Hlc,
    rng: &mut impl CryptoRng,
) -> Result<SealedFrame, SealError> {
    let held = move |_| held;
    let mut txn = TxnBuilder::bare(SpaceId::from_bytes(*user.as_bytes()), by.id, user, &held, rng);
    let (mut heads, mut hlc) = (heads.clone(), hlc);
    for (kind, body) in entries {
        txn.again(kind, body, &mut heads, hlc, rng)?;
        hlc = Hlc(hlc.0 + 1);
    }
    Ok(txn.finish(&by.signer).remove(0))
}

/// The body of an entry that pulls back readings of `device`.
pub fn clock_entry(device: DeviceId, readings: &[Reading]) -> (CommitKind, Vec<u8>) {
    (CommitKind::Clock, Clocks::body(device, readings))
}

/// A new space: genesis, first key-op (sealed to `devices`) and its name, in one transaction.
pub fn create_space(
    owner: UserId,
    by: &DeviceSecret,
    devices: &[DeviceKeys],
    name: &PolicyEntry,
    hlc: Hlc,
    rng: &mut impl CryptoRng,
) -> Result<(SpaceId, SealedFrame), SealError> {
    let mut heads = Heads::default();
    let mut txn = TxnBuilder::bare(SpaceId::from_bytes([0; 16]), by.id, owner, &|_| None, rng);
    let body = crate::control::space_genesis_body(owner, &rng.random());
    let genesis = txn.control(CommitKind::SpaceGenesis, body, None, &mut heads, hlc, rng)?;
    txn.space = SpaceId::from_bytes(head_of(&genesis));
    let (secret, tag) = (SpaceSecret::random(rng), TagKey::random(rng));
    let sealed = devices
        .iter()
        .map(|device| Ok((device.id, seal_bundle(txn.space, 1, &secret, &tag, device, rng)?)))
        .collect::<Result<Vec<_>, EnvelopeError>>()
        .map_err(|_| SealError::Unknown)?;
    let body = crate::control::key_op_body(1, &[], &sealed, "first");
    let epoch = EpochId(head_of(&txn.control(CommitKind::KeyOp, body, None, &mut heads, Hlc(hlc.0 + 1), rng)?));
    txn.control(CommitKind::Policy, encode_policy(name), Some((epoch, &secret)), &mut heads, Hlc(hlc.0 + 2), rng)?;
    let space = txn.space;
    Ok((space, txn.finish(&by.signer).remove(0)))
}

#[cfg(test)]
mod tests {
    use policy_core::PeerKey;
    use rand::SeedableRng;

    use super::*;
    use crate::control::{AccountLane, SpaceLane};

    #[test]
    fn a_device_of_the_account_begins_no_epoch_of_its_own() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let (root, device) = (Signer::random(&mut rng), DeviceSecret::random(&mut rng));
        let public = device.public(PeerKey([1; 32]));
        let (user, frame) = create_account(&root, &public, Hlc(1 << 20), &mut rng).unwrap();
        let (account, _) = AccountLane::admit(None, frame.into_bytes(), None).unwrap();
        let name = PolicyEntry::Space { name: "home".into(), personal: true };
        let (space, frame) = create_space(user, &device, &[public], &name, Hlc(1 << 20), &mut rng).unwrap();
        let tip = (frame.tip().seq, frame.tip().cid);
        let (lane, _) = SpaceLane::admit(None, &account, frame.into_bytes(), None).unwrap();
        let first = SpaceKeys::open(&lane, &device).unwrap().current();

        // Sealed to a device that nobody has: the others could read and write nothing from then on.
        let held = |_| Some(tip);
        let mut txn = TxnBuilder::bare(space, device.id, user, &held, &mut rng);
        let mut heads = lane.heads.clone();
        let body = crate::control::key_op_body(2, &[first], &[(DeviceId::from_bytes([9; 16]), vec![1; 80])], "mine");
        txn.control(CommitKind::KeyOp, body, None, &mut heads, Hlc(2 << 20), &mut rng).unwrap();
        let frame = txn.finish(&device.signer).remove(0);
        let refused = SpaceLane::admit(Some(&lane), &account, frame.into_bytes(), Some(tip)).map(|_| ());
        assert!(matches!(refused, Err(crate::frame::FrameError::Rule("a key epoch beside the first"))), "{refused:?}");
        let mut txn = TxnBuilder::bare(space, device.id, user, &held, &mut rng);
        txn.envelope(first, DeviceId::from_bytes([9; 16]), &[1; 80], &mut heads, Hlc(2 << 20), &mut rng).unwrap();
        let frame = txn.finish(&device.signer).remove(0);
        SpaceLane::admit(Some(&lane), &account, frame.into_bytes(), Some(tip))
            .expect("control: another entry of theirs");
    }
}
