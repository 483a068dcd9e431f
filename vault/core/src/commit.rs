//! The commit: one change to one document, or one control entry. Positional CBOR; its CID is over
//! these bytes, so a replica without keys can verify the whole graph.

use cid::Cid;
use multihash::Multihash;
use policy_core::{DeviceId, SpaceId};
use sha2::{Digest, Sha256};

use crate::cbor::{CborError, Reader, Writer};
use crate::document::Hlc;
use crate::seal::{MAX_PART, SUITE};
use crate::tags::{DocTag, EpochId, FieldTag, LaneTag, TxnId};

/// The format version.
pub const VERSION: u64 = 1;
/// The largest commit, without its parts.
pub const MAX_COMMIT: usize = 64 * 1024;
/// The most parents a commit names.
pub const MAX_PARENTS: usize = 64;
/// The most control heads a commit names.
pub const MAX_CONTROL: usize = 8;
/// The most parts of one commit.
pub const MAX_PARTS: usize = 1_024;

const CODEC_DAG_CBOR: u64 = 0x71;
const CODEC_RAW: u64 = 0x55;
const SHA2_256: u64 = 0x12;

/// What a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CommitKind {
    /// A change of a document.
    Op = 0,
    /// An account begins.
    AccountGenesis = 1,
    /// A device is let into an account.
    AddDevice = 2,
    /// A space begins.
    SpaceGenesis = 3,
    /// A key epoch of a space begins.
    KeyOp = 4,
    /// The key of an epoch, for a further device.
    Envelope = 5,
    /// Definitions of a space change.
    Schema = 6,
    /// An entry of a space's name, grants and catalogue.
    Policy = 7,
    /// A device that takes the place of another of the same node.
    Successor = 8,
    /// Clock readings that are pulled back.
    Clock = 9,
}

impl CommitKind {
    /// As it stands in a commit.
    pub const fn number(self) -> u64 {
        self as u64
    }
    /// The kind of this number; `None`: a later version's.
    pub fn from_number(number: u64) -> Option<CommitKind> {
        use CommitKind::*;
        [Op, AccountGenesis, AddDevice, SpaceGenesis, KeyOp, Envelope, Schema, Policy, Successor, Clock]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
    /// Whether it stands in a control lane.
    pub fn is_control(self) -> bool {
        self != CommitKind::Op
    }
}

/// A part as its commit names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRef {
    /// The tag of the field, or of what stands beside fields.
    pub ftag: FieldTag,
    /// Which generation of the definition of its field it is of.
    pub generation: u32,
    /// SHA-256 of the part's bytes.
    pub hash: [u8; 32],
    /// Of the part, in bytes.
    pub len: u32,
}

/// One commit, without its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// Where it belongs.
    pub space: SpaceId,
    /// The lane of its collection; zeros: the control lane.
    pub lane: LaneTag,
    /// The tag of its document; zeros in a control lane.
    pub doc: DocTag,
    /// The document's first commit; `None` in that commit itself.
    pub root: Option<Cid>,
    /// What it is.
    pub kind: CommitKind,
    /// Who signed it.
    pub device: DeviceId,
    /// Its number in the chain of its device in this lane, from 1 on.
    pub seq: u64,
    /// The commit before it in that chain.
    pub prev: Option<Cid>,
    /// The heads that the writer saw, of the document or of the control lane, sorted.
    pub parents: Vec<Cid>,
    /// One more than the greatest of its parents; of a root 1.
    pub height: u64,
    /// The key epoch that its parts are sealed in; `None` where nothing is sealed by one.
    pub epoch: Option<EpochId>,
    /// The heads of the control lane that the writer saw, sorted.
    pub control: Vec<EpochId>,
    /// The reading of the writer's clock.
    pub hlc: Hlc,
    /// The transaction that it was written in.
    pub txn: TxnId,
    /// For its parts, drawn by the writer.
    pub nonce: [u8; 24],
    /// Sorted by tag.
    pub parts: Vec<PartRef>,
}

/// Why bytes are not a commit of this format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// It is not the CBOR of a commit.
    #[error("the commit is malformed: {0}")]
    Malformed(#[from] CborError),
    /// It is of a version of the format that this one does not know.
    #[error("commits of format version {0} are not supported")]
    Version(u64),
    /// It is of a suite of algorithms that this one does not know.
    #[error("commits of suite {0} are not supported")]
    Suite(u64),
    /// It is of a kind that this version does not know.
    #[error("commits of kind {0} are not supported")]
    CommitKind(u64),
    /// It has more bytes than a commit may have.
    #[error("the commit is too large: {0} bytes")]
    TooLarge(usize),
    /// It is well-formed, and says what no commit may say.
    #[error("the commit breaks a rule: {0}")]
    Rule(&'static str),
}

/// SHA-256 of a commit as its CID: CIDv1, dag-cbor.
pub fn cid_of(bytes: &[u8]) -> Cid {
    cid_from_digest(Sha256::digest(bytes).into())
}

/// The CID of the commit with this digest.
pub fn cid_from_digest(digest: [u8; 32]) -> Cid {
    Cid::new_v1(CODEC_DAG_CBOR, Multihash::wrap(SHA2_256, &digest).expect("a digest of 32 bytes fits"))
}

/// The CID of a part: CIDv1, raw.
pub fn part_cid(hash: &[u8; 32]) -> Cid {
    Cid::new_v1(CODEC_RAW, Multihash::wrap(SHA2_256, hash).expect("a digest of 32 bytes fits"))
}

/// The digest inside a CID; zero-filled if it is shorter than SHA-256's.
pub fn digest_of(cid: &Cid) -> [u8; 32] {
    let mut digest = [0u8; 32];
    let bytes = cid.hash().digest();
    let n = bytes.len().min(32);
    digest[..n].copy_from_slice(&bytes[..n]);
    digest
}

/// The first sixteen bytes of a commit's digest: what epochs, accounts and spaces are called by.
pub fn head_of(cid: &Cid) -> [u8; 16] {
    let digest = digest_of(cid);
    let mut head = [0u8; 16];
    head.copy_from_slice(&digest[..16]);
    head
}

fn link(r: &mut Reader<'_>) -> Result<Cid, CborError> {
    let at = r.position();
    let cid = r.link()?;
    if cid.codec() == CODEC_DAG_CBOR && cid.hash().code() == SHA2_256 && cid.hash().digest().len() == 32 {
        Ok(cid)
    } else {
        Err(CborError { at, what: "not the CID of a commit" })
    }
}

impl Commit {
    /// As it is hashed: there is one way to write it.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(320 + 64 * self.parts.len());
        w.array(18).uint(VERSION).uint(SUITE);
        w.bytes(self.space.as_bytes()).bytes(&self.lane.0).bytes(&self.doc.0);
        w.optional(self.root.as_ref(), |w, cid| {
            w.link(cid);
        });
        w.uint(self.kind.number()).bytes(self.device.as_bytes()).uint(self.seq);
        w.optional(self.prev.as_ref(), |w, cid| {
            w.link(cid);
        });
        w.array(self.parents.len());
        for parent in &self.parents {
            w.link(parent);
        }
        w.uint(self.height);
        w.optional(self.epoch, |w, epoch| {
            w.bytes(&epoch.0);
        });
        w.array(self.control.len());
        for head in &self.control {
            w.bytes(&head.0);
        }
        w.uint(self.hlc.0).bytes(&self.txn.0).bytes(&self.nonce);
        w.array(self.parts.len());
        for part in &self.parts {
            w.array(4).bytes(&part.ftag.0).uint(u64::from(part.generation)).bytes(&part.hash).uint(u64::from(part.len));
        }
        w.into_bytes()
    }

    /// Strict: what this accepts encodes to the same bytes again.
    pub fn decode(bytes: &[u8]) -> Result<Commit, CommitError> {
        if bytes.len() > MAX_COMMIT {
            return Err(CommitError::TooLarge(bytes.len()));
        }
        let mut r = Reader::new(bytes);
        r.array_of(18)?;
        match r.uint()? {
            VERSION => {}
            other => return Err(CommitError::Version(other)),
        }
        match r.uint()? {
            SUITE => {}
            other => return Err(CommitError::Suite(other)),
        }
        let space = SpaceId::from_bytes(r.array_bytes()?);
        let lane = LaneTag(r.array_bytes()?);
        let doc = DocTag(r.array_bytes()?);
        let root = r.optional(link)?;
        let kind = r.uint()?;
        let kind = CommitKind::from_number(kind).ok_or(CommitError::CommitKind(kind))?;
        let device = DeviceId::from_bytes(r.array_bytes()?);
        let seq = r.uint()?;
        let prev = r.optional(link)?;
        let parents = (0..r.array(MAX_PARENTS)?).map(|_| link(&mut r)).collect::<Result<Vec<_>, _>>()?;
        let height = r.uint()?;
        let epoch = r.optional(|r| r.array_bytes().map(EpochId))?;
        let control =
            (0..r.array(MAX_CONTROL)?).map(|_| r.array_bytes().map(EpochId)).collect::<Result<Vec<_>, _>>()?;
        let hlc = Hlc(r.uint()?);
        let txn = TxnId(r.array_bytes()?);
        let nonce = r.array_bytes()?;
        let mut parts = Vec::new();
        for _ in 0..r.array(MAX_PARTS)? {
            r.array_of(4)?;
            let ftag = FieldTag(r.array_bytes()?);
            let at = r.error("a generation beyond 32 bits");
            let generation = u32::try_from(r.uint()?).map_err(|_| at)?;
            let hash = r.array_bytes()?;
            let at = r.error("a part that is too long");
            let len = u32::try_from(r.uint()?).ok().filter(|&len| len as usize <= MAX_PART).ok_or(at)?;
            parts.push(PartRef { ftag, generation, hash, len });
        }
        r.end()?;
        let commit = Commit {
            space,
            lane,
            doc,
            root,
            kind,
            device,
            seq,
            prev,
            parents,
            height,
            epoch,
            control,
            hlc,
            txn,
            nonce,
            parts,
        };
        commit.check()?;
        Ok(commit)
    }

    /// The rules that need nothing but the commit itself.
    fn check(&self) -> Result<(), CommitError> {
        let rule = |holds: bool, what| if holds { Ok(()) } else { Err(CommitError::Rule(what)) };
        rule(self.seq >= 1, "numbers begin with 1")?;
        // Whoever writes next adds one to it.
        rule(self.height < 1 << 48, "a height has 48 bits")?;
        rule((self.seq == 1) == self.prev.is_none(), "the first of a chain, and only it, has none before it")?;
        rule(self.parents.is_sorted_by(|a, b| a < b), "parents are sorted, without doubles")?;
        rule(self.control.is_sorted_by(|a, b| a < b), "control heads are sorted, without doubles")?;
        rule(
            self.parts.iter().enumerate().all(|(i, part)| self.parts[..i].iter().all(|other| other.ftag != part.ftag)),
            "a field tag occurs once",
        )?;
        if self.kind.is_control() {
            rule(self.lane == LaneTag::CONTROL && self.doc == DocTag::NONE, "control entries lie in the control lane")?;
            rule(self.parts.first().is_some_and(|part| part.ftag == FieldTag::BODY), "a control entry has a body")?;
        } else {
            rule(self.lane != LaneTag::CONTROL, "changes of documents do not lie in the control lane")?;
            rule(self.epoch.is_some(), "changes of documents are sealed")?;
            rule(self.root.is_none() == self.parents.is_empty(), "a root, and only a root, has no parents")?;
            rule((self.height == 1) == self.root.is_none(), "a root, and only a root, has height 1")?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn sample(parts: usize) -> Commit {
        Commit {
            space: SpaceId::from_bytes([1; 16]),
            lane: LaneTag([2; 16]),
            doc: DocTag([3; 16]),
            root: None,
            kind: CommitKind::Op,
            device: DeviceId::from_bytes([4; 16]),
            seq: 2,
            prev: Some(cid_of(b"prev")),
            parents: vec![],
            height: 1,
            epoch: Some(EpochId([5; 16])),
            control: vec![EpochId([6; 16])],
            hlc: Hlc::from_parts(1_700_000_000_000, 3),
            txn: TxnId([7; 16]),
            nonce: [8; 24],
            parts: (0..parts)
                .map(|n| PartRef { ftag: FieldTag([10 + n as u8; 16]), generation: 0, hash: [9; 32], len: 64 })
                .collect(),
        }
    }

    #[test]
    fn a_commit_decodes_to_itself_and_other_versions_are_refused_by_name() {
        let commit = sample(8);
        let bytes = commit.encode();
        assert_eq!(Commit::decode(&bytes).unwrap(), commit);
        for (at, value, error) in
            [(1, 9, CommitError::Version(9)), (2, 7, CommitError::Suite(7)), (55, 20, CommitError::CommitKind(20))]
        {
            let mut bad = bytes.clone();
            bad[at] = value;
            assert_eq!(Commit::decode(&bad), Err(error), "{at}");
        }
    }

    #[test]
    fn rules_are_checked() {
        let broken: [fn(&mut Commit); 6] = [
            |c| c.seq = 0,
            |c| c.prev = None,
            |c| c.kind = CommitKind::Schema,
            |c| c.lane = LaneTag::CONTROL,
            |c| c.epoch = None,
            |c| c.parts[1].ftag = c.parts[0].ftag,
        ];
        for (n, break_it) in broken.into_iter().enumerate() {
            let mut commit = sample(2);
            break_it(&mut commit);
            assert!(matches!(Commit::decode(&commit.encode()), Err(CommitError::Rule(_))), "{n}");
        }
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(at in 0usize..1000, byte: u8, cut in 0usize..1000) {
            let mut bytes = sample(3).encode();
            let n = bytes.len();
            bytes[at % n] = byte;
            if let Ok(commit) = Commit::decode(&bytes) {
                prop_assert_eq!(commit.encode(), bytes.clone());
            }
            prop_assert!(Commit::decode(&bytes[..cut % n]).is_err());
        }
    }
}
