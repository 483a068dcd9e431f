//! The control lane of a space.

use std::collections::BTreeMap;

use cid::Cid;
use policy_core::{DeviceId, SpaceId, UserId};

use super::{AccountLane, Heads};
use crate::cbor::{CborError, Reader, Writer};
use crate::commit::{CommitKind, head_of};
use crate::frame::{Entry, Frame, FrameError, Parsed, Verified};
use crate::limits::MAX_MEMBERS;
use crate::tags::{EpochId, LaneTag};

/// One key epoch as replicas without keys see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch {
    /// The first has number 1.
    pub number: u64,
    /// Of the key-op that began it.
    pub height: u64,
    /// `S_e || K_tag`, sealed to devices by the key-op or by a later envelope.
    pub sealed: BTreeMap<DeviceId, Vec<u8>>,
}

/// A space as its control lane has it, without its sealed entries.
#[derive(Debug, Clone, PartialEq)]
pub struct SpaceLane {
    /// Which space.
    pub space: SpaceId,
    /// The account whose devices may write.
    pub owner: UserId,
    epochs: BTreeMap<EpochId, Epoch>,
    /// Where the lane ends.
    pub heads: Heads,
}

/// A schema or policy entry, still sealed.
pub type SealedEntry = Entry;

/// What binds an envelope to its space, epoch and device.
pub fn envelope_info(space: SpaceId, number: u64, device: DeviceId) -> Vec<u8> {
    let mut info = b"allod/envelope/v1\0".to_vec();
    info.extend_from_slice(space.as_bytes());
    info.extend_from_slice(&number.to_be_bytes());
    info.extend_from_slice(device.as_bytes());
    info
}

pub(crate) fn genesis_body(owner: UserId, random: &[u8; 16]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(2).bytes(owner.as_bytes()).bytes(random);
    w.into_bytes()
}

/// `[number, parents, member root, [[device, sealed]…], previous secret | null, reason, pins]`.
pub(crate) fn key_op_body(number: u64, parents: &[EpochId], sealed: &[(DeviceId, Vec<u8>)], reason: &str) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(7).uint(number).array(parents.len());
    for parent in parents {
        w.bytes(&parent.0);
    }
    w.bytes(&member_root(sealed.iter().map(|(device, _)| *device))).array(sealed.len());
    for (device, envelope) in sealed {
        w.array(2).bytes(device.as_bytes()).bytes(envelope);
    }
    w.null().text(reason).array(0);
    w.into_bytes()
}

pub(crate) fn envelope_body(epoch: EpochId, device: DeviceId, sealed: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(3).bytes(&epoch.0).bytes(device.as_bytes()).bytes(sealed);
    w.into_bytes()
}

/// The root of a Merkle tree over the sorted device ids (leaves and nodes domain-separated, an odd
/// node rises as it is; RFC 6962, 2.1).
fn member_root(devices: impl Iterator<Item = DeviceId>) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let mut ids: Vec<_> = devices.collect();
    ids.sort();
    let mut level: Vec<[u8; 32]> =
        ids.iter().map(|id| Sha256::new().chain_update([0]).chain_update(id.as_bytes()).finalize().into()).collect();
    if level.is_empty() {
        return Sha256::digest([]).into();
    }
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [a, b] => Sha256::new().chain_update([1]).chain_update(a).chain_update(b).finalize().into(),
                _ => pair[0],
            })
            .collect();
    }
    level[0]
}

fn read_genesis(body: &[u8]) -> Result<UserId, CborError> {
    let mut r = Reader::new(body);
    r.array_of(2)?;
    let owner = UserId::from_bytes(r.array_bytes()?);
    let _: [u8; 16] = r.array_bytes()?;
    r.end()?;
    Ok(owner)
}

fn read_key_op(body: &[u8], height: u64) -> Result<Epoch, CborError> {
    let mut r = Reader::new(body);
    r.array_of(7)?;
    let number = r.uint()?;
    for _ in 0..r.array(64)? {
        let _: [u8; 16] = r.array_bytes()?;
    }
    let root: [u8; 32] = r.array_bytes()?;
    let mut sealed = BTreeMap::new();
    for _ in 0..r.array(MAX_MEMBERS)? {
        r.array_of(2)?;
        sealed.insert(DeviceId::from_bytes(r.array_bytes()?), r.bytes(1024)?.to_vec());
    }
    let wrong = r.error("another member root");
    if member_root(sealed.keys().copied()) != root {
        return Err(wrong);
    }
    r.optional(|r| r.bytes(1024))?;
    r.text(1024)?;
    r.array_of(0)?;
    r.end()?;
    Ok(Epoch { number, height, sealed })
}

fn read_envelope(body: &[u8]) -> Result<(EpochId, DeviceId, Vec<u8>), CborError> {
    let mut r = Reader::new(body);
    r.array_of(3)?;
    let read = (EpochId(r.array_bytes()?), DeviceId::from_bytes(r.array_bytes()?), r.bytes(1024)?.to_vec());
    r.end()?;
    Ok(read)
}

impl SpaceLane {
    /// Those that have begun, by id.
    pub fn epochs(&self) -> impl Iterator<Item = (EpochId, &Epoch)> {
        self.epochs.iter().map(|(id, epoch)| (*id, epoch))
    }
    /// The newest epoch among these: the highest by (height, id), never by a clock.
    pub fn newest(&self, among: impl Fn(EpochId) -> bool) -> Option<EpochId> {
        let all = self.epochs.iter().filter(|(id, _)| among(**id));
        all.max_by_key(|(id, epoch)| (epoch.height, **id)).map(|(id, _)| *id)
    }

    /// Who owns the space that a first frame creates.
    pub fn owner_in(frame: &Frame) -> Result<UserId, FrameError> {
        let first = frame.first();
        if first.commit.kind != CommitKind::SpaceGenesis {
            return Err(FrameError::Gap { seq: first.commit.seq });
        }
        Ok(read_genesis(&first.parts[0])?)
    }

    /// Verifies a frame of a space's control lane and folds it. `owner` is the account that owns the
    /// space; only its enrolled devices write here.
    ///
    /// # Errors
    /// If it is not a frame, or may not be there.
    pub fn admit(
        held: Option<&SpaceLane>,
        owner: &AccountLane,
        bytes: Vec<u8>,
        tip: Option<(u64, Cid)>,
    ) -> Result<(SpaceLane, Verified<Frame>), FrameError> {
        Self::admit_parsed(held, owner, Parsed::read(bytes)?, tip)
    }

    /// As [`SpaceLane::admit`], of a frame that was parsed before.
    ///
    /// # Errors
    /// As there.
    pub fn admit_parsed(
        held: Option<&SpaceLane>,
        owner: &AccountLane,
        parsed: Parsed,
        tip: Option<(u64, Cid)>,
    ) -> Result<(SpaceLane, Verified<Frame>), FrameError> {
        let frame = parsed.get();
        if frame.lane != LaneTag::CONTROL {
            return Err(FrameError::Rule("not a frame of the control lane"));
        }
        let mut lane = match held {
            Some(lane) => lane.clone(),
            None => {
                let first = frame.first();
                if first.commit.kind != CommitKind::SpaceGenesis {
                    return Err(FrameError::Gap { seq: first.commit.seq });
                }
                let space = SpaceId::from_bytes(head_of(&first.cid));
                if frame.space != space || read_genesis(&first.parts[0])? != owner.user {
                    return Err(FrameError::Rule("not the genesis of this space"));
                }
                SpaceLane { space, owner: owner.user, epochs: BTreeMap::new(), heads: Heads::default() }
            }
        };
        if lane.owner != owner.user || lane.space != frame.space {
            return Err(FrameError::Rule("not the owner's account"));
        }
        let key = owner.device(frame.txn.device).ok_or(FrameError::Device)?.sign;
        let verified = parsed.verify(&key, tip)?;
        for (n, entry) in verified.get().entries.iter().enumerate() {
            lane.fold(entry, held.is_none() && n == 0)?;
        }
        Ok((lane, verified))
    }

    /// Verifies a frame of any other lane.
    ///
    /// # Errors
    /// As [`SpaceLane::admit`].
    pub fn admit_changes(
        &self,
        owner: &AccountLane,
        bytes: Vec<u8>,
        tip: Option<(u64, Cid)>,
    ) -> Result<Verified<Frame>, FrameError> {
        self.admit_parsed_changes(owner, Parsed::read(bytes)?, tip)
    }

    /// As [`SpaceLane::admit_changes`], of a frame that was parsed before.
    ///
    /// # Errors
    /// As there.
    pub fn admit_parsed_changes(
        &self,
        owner: &AccountLane,
        parsed: Parsed,
        tip: Option<(u64, Cid)>,
    ) -> Result<Verified<Frame>, FrameError> {
        let frame = parsed.get();
        if frame.lane == LaneTag::CONTROL || frame.space != self.space || owner.user != self.owner {
            return Err(FrameError::Rule("not a frame of this space's documents"));
        }
        let key = owner.device(frame.txn.device).ok_or(FrameError::Device)?.sign;
        if frame.entries.iter().any(|entry| entry.commit.epoch.is_none_or(|epoch| !self.epochs.contains_key(&epoch))) {
            return Err(FrameError::Gap { seq: frame.first().commit.seq });
        }
        parsed.verify(&key, tip)
    }

    fn fold(&mut self, entry: &Entry, genesis: bool) -> Result<(), FrameError> {
        let commit = &entry.commit;
        match commit.kind {
            CommitKind::SpaceGenesis if genesis => {}
            // Nobody begins another yet: whoever could would choose who reads on.
            CommitKind::KeyOp if !self.epochs.is_empty() => {
                return Err(FrameError::Rule("a key epoch beside the first"));
            }
            CommitKind::KeyOp => {
                let epoch = read_key_op(&entry.parts[0], commit.height)?;
                self.epochs.insert(EpochId(head_of(&entry.cid)), epoch);
            }
            CommitKind::Envelope => {
                let (epoch, device, sealed) = read_envelope(&entry.parts[0])?;
                let epoch = self.epochs.get_mut(&epoch).ok_or(FrameError::Rule("an envelope of an unknown epoch"))?;
                epoch.sealed.entry(device).or_insert(sealed);
            }
            CommitKind::Schema | CommitKind::Policy => {
                if commit.epoch.is_none_or(|epoch| !self.epochs.contains_key(&epoch)) {
                    return Err(FrameError::Rule("an entry sealed under an unknown epoch"));
                }
            }
            _ => return Err(FrameError::Rule("not an entry of a space's control lane")),
        }
        self.heads.advance(entry.cid, &commit.parents, commit.height);
        Ok(())
    }
}
