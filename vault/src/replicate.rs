//! What sync asks of a log: its tips, its rows, and to take frames in. Members and blind replicas
//! answer alike.

use std::sync::Arc;

use cid::Cid;
use policy_core::DeviceId;
use sea_orm::DbErr;
use vault_core::document::Hlc;
use vault_core::frame::{FrameError, Parsed};
use vault_core::tags::LaneTag;

use crate::admission::{Admission, Batch, head_of};
use crate::handover::Wanted;
use crate::log::{Chains, Row, Scope};
use crate::turn::{CutOff, Turn};

/// How many rows are looked at per page of the log.
const PAGE: u64 = 64;
/// Of so many frames at a time that are held already it is looked up whether they are what is held.
const COMPARED: usize = 16;

/// The end of a piece of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    pub lane: LaneTag,
    pub device: DeviceId,
    pub seq: u64,
    pub cid: Cid,
}

/// Rows that a peer lacks.
#[derive(Debug, Clone, Default)]
pub struct Beyond {
    pub rows: Vec<Row>,
    /// The position of the last row looked at.
    pub position: u64,
    /// No row lies behind `position`.
    pub end: bool,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// What comes before it is missing.
    Gap,
    /// Its clock is too far ahead of ours: it waits at its sender.
    Ahead,
    /// It does not verify.
    Invalid(FrameError),
    /// The device signed another commit at a number that is held: the held end, and the other commit.
    Forked(Box<(Tip, Cid)>),
}

/// What became of frames, in order.
#[derive(Debug, Default)]
pub struct Taken {
    /// The end of each frame that is on disk now; it may have been before.
    pub stored: Vec<Tip>,
    /// Why the frame after them is not.
    pub refused: Option<Refused>,
}

impl Admission {
    /// The rows that are wanted. Whoever calls this has seen by what right.
    pub(crate) async fn beyond(&self, scope: Scope, wanted: Wanted<'_>) -> Result<Beyond, DbErr> {
        let Wanted { control, after, have, max_bytes } = wanted;
        let mut found = Beyond { position: after, ..Beyond::default() };
        let mut bytes = 0;
        loop {
            let rows = self.log().rows(scope, control, found.position, PAGE).await?;
            let short = (rows.len() as u64) < PAGE;
            for row in rows {
                if (row.lane() == LaneTag::CONTROL) == control && row.last() > have(row.lane(), row.device()) {
                    if bytes > 0 && bytes + row.body().len() > max_bytes {
                        return Ok(found);
                    }
                    bytes += row.body().len();
                    found.position = row.position();
                    found.rows.push(row);
                } else {
                    found.position = row.position();
                }
            }
            if short {
                found.end = true;
                return Ok(found);
            }
        }
    }

    /// The ends of all chains of a scope that are on disk.
    pub fn tips(&self, scope: Scope) -> Chains {
        self.log().chains(scope)
    }
}

/// A frame that arrives, looked at before the turn.
#[derive(Clone)]
pub(crate) enum Incoming {
    /// Its hashes were computed and its signature was looked at, as far as that can be done by what is held now.
    Read(Box<Parsed>),
    /// What is not looked at ahead: it is held already, or comes behind one that will be refused. With the commit that is held
    /// at the number of its last, where more of its chain is held and that was looked up.
    Unread(Vec<u8>, Option<Cid>),
    /// It shows by itself that it is none.
    Broken(Option<DeviceId>, FrameError),
}

impl Incoming {
    /// The bytes, unless they are no frame.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Incoming::Read(parsed) => Some(parsed.bytes()),
            Incoming::Unread(bytes, _) => Some(bytes),
            Incoming::Broken(..) => None,
        }
    }

    /// Who says that it is theirs.
    pub(crate) fn device(&self) -> Option<DeviceId> {
        match self {
            Incoming::Broken(device, _) => *device,
            other => other.bytes().and_then(|bytes| head_of(bytes).ok()).map(|(_, device, _)| device),
        }
    }
}

impl Admission {
    /// Looks at frames as far as it can be done without the turn, on a thread of its own: hashes and signatures take as
    /// long as frames are large, and the turn is everybody's.
    pub(crate) async fn look_at<E: From<DbErr> + From<CutOff>>(
        self: &Arc<Self>,
        scope: Scope,
        frames: Vec<Vec<u8>>,
    ) -> Result<Vec<Incoming>, E> {
        let ends = self.held_at_ends(scope, &frames).await?;
        let admission = Arc::clone(self);
        let look = move || {
            let mut broken = false;
            let one = |(bytes, end): (Vec<u8>, Option<Cid>)| {
                let head = head_of(&bytes).ok();
                let held = head.is_some_and(|(lane, device, (end, _))| {
                    admission.log().chain(scope, lane, device).is_some_and(|(seq, _)| seq >= end)
                });
                if broken || held {
                    return Incoming::Unread(bytes, end);
                }
                match Parsed::read(bytes) {
                    Ok(mut parsed) => {
                        if let Some(key) = admission.signer(scope, parsed.get().txn.device) {
                            parsed.look_at_signature(&key);
                        }
                        Incoming::Read(Box::new(parsed))
                    }
                    Err(error) => {
                        broken = true;
                        Incoming::Broken(head.map(|(_, device, _)| device), error)
                    }
                }
            };
            frames.into_iter().zip(ends).map(one).collect()
        };
        Ok(self.runtime().spawn_blocking(look).await.map_err(|_| CutOff)?)
    }

    /// The commit that is held at the end of each frame, of which more is held: it may be another than the frame's.
    async fn held_at_ends(&self, scope: Scope, frames: &[Vec<u8>]) -> Result<Vec<Option<Cid>>, DbErr> {
        let (mut ends, mut compared) = (vec![None; frames.len()], 0);
        for (at_end, bytes) in ends.iter_mut().zip(frames) {
            let Ok((lane, device, (end, _))) = head_of(bytes) else { continue };
            if compared < COMPARED && self.log().chain(scope, lane, device).is_some_and(|(seq, _)| seq > end) {
                compared += 1;
                *at_end = self.log().commit_at(scope, lane, device, end).await?;
            }
        }
        Ok(ends)
    }
}

impl Turn {
    /// Verifies frames one after the other, up to the first that is refused. The caller stores the
    /// batch, and then says `stored` of what this returns.
    /// `latest`: a frame whose clock is beyond it waits at the sender (a member's own clock and ten
    /// minutes; a blind replica takes all).
    pub(crate) fn take(&self, scope: Scope, frames: Vec<Incoming>, latest: Option<Hlc>) -> (Batch<'_>, Taken) {
        let mut batch = self.begin();
        let mut taken = Taken::default();
        for frame in frames {
            match self.take_one(&mut batch, scope, frame, latest) {
                Ok(tip) => taken.stored.push(tip),
                Err(refused) => {
                    taken.refused = Some(refused);
                    break;
                }
            }
        }
        (batch, taken)
    }

    fn take_one(
        &self,
        batch: &mut Batch<'_>,
        scope: Scope,
        frame: Incoming,
        latest: Option<Hlc>,
    ) -> Result<Tip, Refused> {
        let bytes = match &frame {
            Incoming::Broken(_, error) => return Err(Refused::Invalid(error.clone())),
            Incoming::Read(parsed) => parsed.bytes(),
            Incoming::Unread(bytes, _) => bytes,
        };
        let (lane, device, end) = head_of(bytes).map_err(Refused::Invalid)?;
        let tip = Tip { lane, device, seq: end.0, cid: end.1 };
        let chain = batch.chain(scope, lane, device);
        if let Some((seq, cid)) = chain
            && seq >= tip.seq
        {
            let held = match &frame {
                _ if seq == tip.seq => Some(cid),
                Incoming::Unread(_, held) => *held,
                _ => None,
            };
            return match held {
                Some(cid) if cid != tip.cid => Err(Refused::Forked(Box::new((Tip { cid, ..tip }, tip.cid)))),
                _ => Ok(tip),
            };
        }
        let parsed = match frame {
            Incoming::Read(parsed) => *parsed,
            // What was held a moment ago, or stood behind something broken: seldom, and then as before.
            Incoming::Unread(bytes, _) => Parsed::read(bytes).map_err(Refused::Invalid)?,
            Incoming::Broken(_, error) => return Err(Refused::Invalid(error)),
        };
        // Nothing in an account's lane goes by its clock.
        if let (Some(latest), Scope::Space(space)) = (latest, scope) {
            let clocks = batch.clocks(space);
            // Of each: a correction may hold some of a frame's commits and not the others.
            if parsed.get().entries.iter().any(|entry| clocks.reading(space, &entry.commit) > latest) {
                tracing::warn!(%device, "a device's clock is far ahead; its changes wait");
                return Err(Refused::Ahead);
            }
        }
        let first = &parsed.get().first().commit;
        if let (Some((seq, cid)), Some(prev)) = (chain, first.prev)
            && first.seq == seq + 1
            && prev != cid
            && let Some(key) = self.signer(scope, device)
            && parsed.get().txn.verify(&key)
        {
            // It goes on from another commit than the one that is held.
            return Err(Refused::Forked(Box::new((Tip { lane, device, seq, cid }, prev))));
        }
        match batch.admit_parsed(scope, parsed) {
            Ok(_) => Ok(tip),
            Err(FrameError::Gap { .. }) => Err(Refused::Gap),
            // An unknown device may be one whose enrolment is on its way.
            Err(FrameError::Device) => Err(Refused::Gap),
            Err(error) => Err(Refused::Invalid(error)),
        }
    }
}
