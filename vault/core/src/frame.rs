//! The frame: the commits and parts of one transaction in one lane, as a log keeps them in one row
//! and as they travel. Raw bytes become a [`Frame`] by parsing and a [`Verified`] frame by checking
//! hashes, chain and signature; only the latter can be stored.

use cid::Cid;
use policy_core::SpaceId;
use sha2::{Digest, Sha256};

use crate::cbor::{CborError, Reader, Writer};
use crate::commit::{Commit, CommitError, MAX_COMMIT, MAX_PARTS, VERSION, cid_of};
use crate::seal::MAX_PART;
use crate::tags::LaneTag;
use crate::txn::{MAX_COMMITS, SignedTxn};

/// The largest frame.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;
const MAX_RECORD: usize = 128 * 1024;

/// One commit of a frame with its parts, in the order in which the commit names them.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What is hashed.
    pub commit: Commit,
    /// Its hash.
    pub cid: Cid,
    /// The sealed bytes of each.
    pub parts: Vec<Vec<u8>>,
}

/// A parsed frame. Nothing of it is verified yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Where it belongs.
    pub space: SpaceId,
    /// The lane of all its commits.
    pub lane: LaneTag,
    /// What the device signed: where its chains end with this transaction.
    pub txn: SignedTxn,
    /// The commits, one after the other in one chain.
    pub entries: Vec<Entry>,
}

/// Something whose hashes, chain, signature and authority have been checked. Only this crate makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified<T> {
    inner: T,
    bytes: Vec<u8>,
}

impl<T> Verified<T> {
    /// What was checked.
    pub fn get(&self) -> &T {
        &self.inner
    }
    /// The bytes that were verified.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// What was checked, and its bytes.
    pub fn into_parts(self) -> (T, Vec<u8>) {
        (self.inner, self.bytes)
    }
}

/// Why a frame is refused. `Gap` may heal by itself, when what comes before arrives; the others not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It is not the CBOR of a frame.
    #[error("the frame is malformed: {0}")]
    Malformed(#[from] CborError),
    /// One of its commits is not of this format.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It has more bytes than a frame may have.
    #[error("the frame is too large: {0} bytes")]
    TooLarge(usize),
    /// A part is missing, or has been changed.
    #[error("a part does not have the hash that its commit names")]
    Part,
    /// Numbers, devices or hashes do not follow one another.
    #[error("the commits do not form a chain: {0}")]
    Chain(&'static str),
    /// What comes before it is not held here.
    #[error("commits before number {seq} are missing")]
    Gap {
        /// The number that is needed first.
        seq: u64,
    },
    /// The device did not sign this.
    #[error("the signature does not verify")]
    Signature,
    /// No device of this id may write there.
    #[error("the device is not enrolled")]
    Device,
    /// It says what no entry may say, or what its device may not.
    #[error("the entry breaks a rule: {0}")]
    Rule(&'static str),
}

impl Frame {
    /// The bytes of a frame of these entries: each a commit and its parts. They are let go of one after the other, so
    /// that a large frame is there once.
    pub fn assemble(space: SpaceId, lane: LaneTag, record: &[u8], entries: Vec<(Vec<u8>, Vec<Vec<u8>>)>) -> Vec<u8> {
        let mut w = Writer::with_capacity(4_096);
        w.array(5).uint(VERSION).bytes(space.as_bytes()).bytes(&lane.0).bytes(record).array(entries.len());
        for (commit, parts) in entries {
            w.array(2).bytes(&commit).array(parts.len());
            for part in parts {
                w.bytes(&part);
            }
        }
        w.into_bytes()
    }

    /// Parses, and checks what the frame itself shows: sizes, part hashes, one chain that ends where
    /// the transaction record says.
    pub fn decode(bytes: &[u8]) -> Result<Frame, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLarge(bytes.len()));
        }
        let mut r = Reader::new(bytes);
        r.array_of(5)?;
        match r.uint()? {
            VERSION => {}
            other => return Err(CommitError::Version(other).into()),
        }
        let space = SpaceId::from_bytes(r.array_bytes()?);
        let lane = LaneTag(r.array_bytes()?);
        let txn = SignedTxn::decode(r.bytes(MAX_RECORD)?)?;
        let mut entries = Vec::new();
        for _ in 0..r.array(MAX_COMMITS)? {
            r.array_of(2)?;
            let bytes = r.bytes(MAX_COMMIT)?;
            let commit = Commit::decode(bytes)?;
            let mut parts = Vec::new();
            for _ in 0..r.array(MAX_PARTS)? {
                parts.push(r.bytes(MAX_PART)?.to_vec());
            }
            if parts.len() != commit.parts.len()
                || parts.iter().zip(&commit.parts).any(|(part, named)| {
                    part.len() != named.len as usize || <[u8; 32]>::from(Sha256::digest(part)) != named.hash
                })
            {
                return Err(FrameError::Part);
            }
            entries.push(Entry { commit, cid: cid_of(bytes), parts });
        }
        r.end()?;
        let frame = Frame { space, lane, txn, entries };
        frame.check_chain()?;
        Ok(frame)
    }

    fn check_chain(&self) -> Result<(), FrameError> {
        let rule = |holds: bool, what| if holds { Ok(()) } else { Err(FrameError::Chain(what)) };
        let tip = self.txn.tip(self.lane).ok_or(FrameError::Chain("the transaction does not name the lane"))?;
        let last = self.entries.last().ok_or(FrameError::Chain("a frame without commits"))?;
        rule(self.txn.space == self.space, "the transaction is of another space")?;
        rule(tip.seq == last.commit.seq && tip.cid == last.cid, "the transaction names another end")?;
        for entry in &self.entries {
            let commit = &entry.commit;
            let genesis = commit.kind == crate::commit::CommitKind::AccountGenesis
                || commit.kind == crate::commit::CommitKind::SpaceGenesis;
            let named = if genesis { SpaceId::from_bytes([0; 16]) } else { self.space };
            rule(commit.space == named, "a commit of another space")?;
            rule(commit.lane == self.lane && commit.txn == self.txn.txn, "a commit of another transaction")?;
            rule(commit.device == self.txn.device, "a commit of another device")?;
        }
        for pair in self.entries.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            rule(b.commit.seq == a.commit.seq + 1 && b.commit.prev == Some(a.cid), "a break within the frame")?;
            rule(b.commit.hlc > a.commit.hlc, "a clock that does not grow")?;
        }
        Ok(())
    }

    /// Of its commits.
    pub fn first(&self) -> &Entry {
        &self.entries[0]
    }
    /// Of its commits.
    pub fn last(&self) -> &Entry {
        &self.entries[self.entries.len() - 1]
    }
}

/// A frame beside its bytes, as it came: what it shows by itself has been checked, what depends on what is held has not.
///
/// It is no frame that can be stored: for that it is admitted by a lane, which makes a [`Verified`] one of it.
#[derive(Debug, Clone)]
pub struct Parsed {
    frame: Frame,
    bytes: Vec<u8>,
    /// The key by which its signature was found good.
    signed: Option<[u8; 32]>,
}

impl Parsed {
    /// Parses, as [`Frame::decode`].
    ///
    /// # Errors
    /// As there.
    pub fn read(bytes: Vec<u8>) -> Result<Parsed, FrameError> {
        Ok(Parsed { frame: Frame::decode(&bytes)?, bytes, signed: None })
    }

    /// What was parsed.
    pub fn get(&self) -> &Frame {
        &self.frame
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Looks at the signature ahead of admission, which does not look at it again if this is the key of the frame's
    /// device then.
    pub fn look_at_signature(&mut self, key: &[u8; 32]) {
        self.signed = self.frame.txn.verify(key).then_some(*key);
    }

    /// Verifies against the key of the frame's device and the end of its chain as it is held.
    pub(crate) fn verify(self, key: &[u8; 32], tip: Option<(u64, Cid)>) -> Result<Verified<Frame>, FrameError> {
        let first = &self.frame.first().commit;
        let (seq, prev) = tip.map_or((0, None), |(seq, cid)| (seq, Some(cid)));
        if first.seq > seq + 1 {
            return Err(FrameError::Gap { seq: first.seq });
        }
        if first.seq <= seq || first.prev != prev {
            return Err(FrameError::Chain("it does not continue the chain that is held"));
        }
        if self.signed.as_ref() != Some(key) && !self.frame.txn.verify(key) {
            return Err(FrameError::Signature);
        }
        Ok(Verified { inner: self.frame, bytes: self.bytes })
    }
}
