//! The control lane of an account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cid::Cid;
use policy_core::{DeviceId, PeerKey, UserId};

use super::{Clocks, Heads};
use crate::cbor::{CborError, Reader, Writer};
use crate::commit::{CommitKind, head_of};
use crate::frame::{Entry, Frame, FrameError, Parsed, Verified};
use crate::identity::{DeviceKeys, DeviceSecret, enrollable, verify};

/// The author of entries that the account's root key signs.
const ROOT: DeviceId = DeviceId::from_bytes([0; 16]);

/// An account as its control lane has it.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountLane {
    /// Whose it is.
    pub user: UserId,
    root: [u8; 32],
    devices: BTreeMap<DeviceId, DeviceKeys>,
    /// Devices that write no more, and the first that took their place.
    retired: BTreeMap<DeviceId, DeviceId>,
    /// Whose place each device took that took one.
    took: BTreeMap<DeviceId, DeviceId>,
    /// Hashes of the one-time codes by which devices came.
    consumed: BTreeSet<[u8; 32]>,
    clocks: Arc<Clocks>,
    /// Where the lane ends.
    pub heads: Heads,
}

/// The body of an account's genesis: root public key and 16 random bytes.
pub(crate) fn genesis_body(root: &[u8; 32], random: &[u8; 16]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(2).bytes(root).bytes(random);
    w.into_bytes()
}

/// The body of a device's enrolment: its keys, and the hash of the code that it came by (none for
/// the first, which the root key signs).
pub(crate) fn device_body(keys: &DeviceKeys, code: Option<&[u8; 32]>) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(5).bytes(keys.id.as_bytes()).bytes(&keys.sign).bytes(&keys.kem).bytes(&keys.transport.0);
    w.optional(code, |w, code| {
        w.bytes(code);
    });
    w.into_bytes()
}

fn read_genesis(body: &[u8]) -> Result<[u8; 32], CborError> {
    let mut r = Reader::new(body);
    r.array_of(2)?;
    let root = r.array_bytes()?;
    let _: [u8; 16] = r.array_bytes()?;
    r.end()?;
    Ok(root)
}

/// The body by which a device takes the place of another: its keys, the other's id and signature.
pub(crate) fn successor_body(user: UserId, old: &DeviceSecret, keys: &DeviceKeys) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(6).bytes(keys.id.as_bytes()).bytes(&keys.sign).bytes(&keys.kem).bytes(&keys.transport.0);
    w.bytes(old.id.as_bytes()).bytes(&old.signer.sign(&succession(user, keys)));
    w.into_bytes()
}

/// What the old device signs. It signs no entry of its own chain: how long that is, it may not know.
fn succession(user: UserId, keys: &DeviceKeys) -> Vec<u8> {
    let domain = b"allod/successor/v1\0".as_slice();
    [domain, user.as_bytes(), keys.id.as_bytes(), &keys.sign, &keys.kem, &keys.transport.0].concat()
}

fn read_successor(body: &[u8]) -> Result<(DeviceKeys, DeviceId, [u8; 64]), CborError> {
    let mut r = Reader::new(body);
    r.array_of(6)?;
    let keys = DeviceKeys {
        id: DeviceId::from_bytes(r.array_bytes()?),
        sign: r.array_bytes()?,
        kem: r.array_bytes()?,
        transport: PeerKey(r.array_bytes()?),
    };
    let read = (keys, DeviceId::from_bytes(r.array_bytes()?), r.array_bytes()?);
    r.end()?;
    Ok(read)
}

fn read_device(body: &[u8]) -> Result<(DeviceKeys, Option<[u8; 32]>), CborError> {
    let mut r = Reader::new(body);
    r.array_of(5)?;
    let keys = DeviceKeys {
        id: DeviceId::from_bytes(r.array_bytes()?),
        sign: r.array_bytes()?,
        kem: r.array_bytes()?,
        transport: PeerKey(r.array_bytes()?),
    };
    let code = r.optional(|r| r.array_bytes())?;
    r.end()?;
    Ok((keys, code))
}

impl AccountLane {
    /// The keys of a device that is enrolled; `None`: it is not.
    pub fn device(&self, id: DeviceId) -> Option<&DeviceKeys> {
        self.devices.get(&id)
    }
    /// The devices that are in use.
    pub fn devices(&self) -> impl Iterator<Item = &DeviceKeys> {
        self.devices.values().filter(|device| !self.retired.contains_key(&device.id))
    }
    /// All devices that ever were enrolled. What they wrote is taken.
    pub fn enrolled(&self) -> impl Iterator<Item = &DeviceKeys> {
        self.devices.values()
    }
    /// The keys by which what the account holds is signed: of all devices that ever were enrolled, and of its root.
    pub fn signers(&self) -> impl Iterator<Item = (DeviceId, [u8; 32])> {
        [(ROOT, self.root)].into_iter().chain(self.enrolled().map(|device| (device.id, device.sign)))
    }
    /// The device that took the place of `id`, if one has.
    pub fn successor(&self, id: DeviceId) -> Option<DeviceId> {
        self.retired.get(&id).copied()
    }
    /// The clock readings that were pulled back.
    pub fn clocks(&self) -> &Arc<Clocks> {
        &self.clocks
    }

    /// Whether `later` is `id`, or took its place in one or more steps.
    fn continues(&self, later: DeviceId, id: DeviceId) -> bool {
        let mut at = Some(later);
        while let Some(device) = at.filter(|device| *device != id) {
            at = self.took.get(&device).copied();
        }
        at.is_some()
    }
    /// Whether a device has come by the code with this hash.
    pub fn has_consumed(&self, code: &[u8; 32]) -> bool {
        self.consumed.contains(code)
    }

    /// Verifies a frame of an account's control lane and folds it. `held`: the account as known so
    /// far; `tip`: the end of the device's chain that is held.
    ///
    /// # Errors
    /// If it is not a frame, or may not be there.
    pub fn admit(
        held: Option<&AccountLane>,
        bytes: Vec<u8>,
        tip: Option<(u64, Cid)>,
    ) -> Result<(AccountLane, Verified<Frame>), FrameError> {
        Self::admit_parsed(held, Parsed::read(bytes)?, tip)
    }

    /// As [`AccountLane::admit`], of a frame that was parsed before.
    ///
    /// # Errors
    /// As there.
    pub fn admit_parsed(
        held: Option<&AccountLane>,
        parsed: Parsed,
        tip: Option<(u64, Cid)>,
    ) -> Result<(AccountLane, Verified<Frame>), FrameError> {
        let frame = parsed.get();
        if !frame.lane.eq(&crate::tags::LaneTag::CONTROL) {
            return Err(FrameError::Rule("an account has a control lane only"));
        }
        let mut lane = match held {
            Some(lane) => lane.clone(),
            None => Self::from_genesis(frame)?,
        };
        let key = if frame.txn.device == ROOT {
            lane.root
        } else {
            match lane.devices.get(&frame.txn.device) {
                Some(device) => device.sign,
                None => Self::introduced(frame)?,
            }
        };
        let verified = parsed.verify(&key, tip)?;
        for (n, entry) in verified.get().entries.iter().enumerate() {
            lane.fold(entry, held.is_none() && n == 0)?;
        }
        if lane.devices.is_empty() {
            return Err(FrameError::Rule("an account without a device"));
        }
        Ok((lane, verified))
    }

    /// The signing key of a device that its own first entry introduces.
    fn introduced(frame: &Frame) -> Result<[u8; 32], FrameError> {
        let first = frame.first();
        if first.commit.kind != CommitKind::Successor {
            return Err(FrameError::Device);
        }
        let (keys, _, _) = read_successor(&first.parts[0])?;
        if keys.id != frame.txn.device {
            return Err(FrameError::Rule("a device introduces itself only"));
        }
        Ok(keys.sign)
    }

    fn from_genesis(frame: &Frame) -> Result<Self, FrameError> {
        let first = frame.first();
        if first.commit.kind != CommitKind::AccountGenesis {
            return Err(FrameError::Gap { seq: first.commit.seq });
        }
        let root = read_genesis(&first.parts[0])?;
        let user = UserId::from_bytes(head_of(&first.cid));
        if frame.space.as_bytes() != user.as_bytes() || !enrollable(&root) || first.commit.device != ROOT {
            return Err(FrameError::Rule("not the genesis of this account"));
        }
        Ok(AccountLane {
            user,
            root,
            devices: BTreeMap::new(),
            retired: BTreeMap::new(),
            took: BTreeMap::new(),
            consumed: BTreeSet::new(),
            clocks: Arc::default(),
            heads: Heads::default(),
        })
    }

    fn fold(&mut self, entry: &Entry, genesis: bool) -> Result<(), FrameError> {
        let commit = &entry.commit;
        match commit.kind {
            CommitKind::AccountGenesis if genesis => {}
            CommitKind::AddDevice => {
                let (keys, code) = read_device(&entry.parts[0])?;
                let by_root = commit.device == ROOT;
                if by_root != self.devices.is_empty() || by_root != code.is_none() {
                    return Err(FrameError::Rule(
                        "the root key enrols the first device, devices with a code the others",
                    ));
                }
                // The same enrolment, written again by a device whose chain was lost, says nothing new.
                let again =
                    code.is_some_and(|code| self.consumed.contains(&code)) && self.devices.get(&keys.id) == Some(&keys);
                if again {
                    self.heads.advance(entry.cid, &commit.parents, commit.height);
                    return Ok(());
                }
                if self.devices.contains_key(&keys.id) || keys.id == ROOT || !enrollable(&keys.sign) {
                    return Err(FrameError::Rule("a device that may not be enrolled"));
                }
                if let Some(code) = code
                    && !self.consumed.insert(code)
                {
                    return Err(FrameError::Rule("a code that was used before"));
                }
                self.devices.insert(keys.id, keys);
            }
            CommitKind::Successor => {
                let (keys, old, signature) = read_successor(&entry.parts[0])?;
                let known = self.devices.contains_key(&keys.id) || keys.id == ROOT || !enrollable(&keys.sign);
                if known || commit.device != keys.id || commit.seq != 1 {
                    return Err(FrameError::Rule("a device that may not take the place of another"));
                }
                let by = self.devices.get(&old).ok_or(FrameError::Device)?;
                if !verify(&by.sign, &succession(self.user, &keys), &signature) {
                    return Err(FrameError::Signature);
                }
                // Of several the smallest counts, whichever came first.
                self.retired.entry(old).and_modify(|first| *first = keys.id.min(*first)).or_insert(keys.id);
                self.took.insert(keys.id, old);
                self.devices.insert(keys.id, keys);
            }
            CommitKind::Clock => {
                let (device, readings) = Clocks::read(&entry.parts[0])?;
                if !self.continues(commit.device, device) {
                    return Err(FrameError::Rule("a device pulls back its own clock only"));
                }
                Arc::make_mut(&mut self.clocks).take(device, readings);
            }
            _ => return Err(FrameError::Rule("an account's lane holds its genesis and its devices")),
        }
        self.heads.advance(entry.cid, &commit.parents, commit.height);
        Ok(())
    }
}
