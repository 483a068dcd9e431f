//! Clock readings that are pulled back.
//!
//! A device whose clock was ahead has written commits whose readings no other device takes before their
//! time. Once its clock is right again it says by how much those were ahead: from then on they count
//! by their corrected readings, everywhere.

use std::collections::BTreeMap;

use policy_core::{DeviceId, SpaceId};

use crate::cbor::{CborError, Reader, Writer};
use crate::commit::Commit;
use crate::document::Hlc;
use crate::tags::LaneTag;

/// The most pieces of chains that one entry pulls back.
pub const MAX_READINGS: usize = 1_024;

/// A piece of a device's chain in one lane, and by how many milliseconds its readings were ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    pub space: SpaceId,
    pub lane: LaneTag,
    pub first: u64,
    pub last: u64,
    pub ahead_ms: u64,
}

/// All readings of an account's devices that were pulled back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clocks(BTreeMap<(SpaceId, DeviceId, LaneTag), Vec<(u64, u64, u64)>>);

impl Clocks {
    /// `[device, [[space, lane, first, last, milliseconds] …]]`
    pub(crate) fn body(device: DeviceId, readings: &[Reading]) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2).bytes(device.as_bytes()).array(readings.len());
        for reading in readings {
            w.array(5).bytes(reading.space.as_bytes()).bytes(&reading.lane.0);
            w.uint(reading.first).uint(reading.last).uint(reading.ahead_ms);
        }
        w.into_bytes()
    }

    pub(super) fn read(body: &[u8]) -> Result<(DeviceId, Vec<Reading>), CborError> {
        let mut r = Reader::new(body);
        r.array_of(2)?;
        let device = DeviceId::from_bytes(r.array_bytes()?);
        let mut readings = Vec::new();
        for _ in 0..r.array(MAX_READINGS)? {
            r.array_of(5)?;
            readings.push(Reading {
                space: SpaceId::from_bytes(r.array_bytes()?),
                lane: LaneTag(r.array_bytes()?),
                first: r.uint()?,
                last: r.uint()?,
                ahead_ms: r.uint()?,
            });
        }
        r.end()?;
        Ok((device, readings))
    }

    pub(super) fn take(&mut self, device: DeviceId, readings: Vec<Reading>) {
        for Reading { space, lane, first, last, ahead_ms } in readings {
            let pieces = self.0.entry((space, device, lane)).or_default();
            if let Err(at) = pieces.binary_search(&(first, last, ahead_ms)) {
                pieces.insert(at, (first, last, ahead_ms));
            }
        }
    }

    /// The reading by which a commit counts: its own, or what it was pulled back to. Of several
    /// corrections the greatest counts, whichever came first.
    pub fn reading(&self, space: SpaceId, commit: &Commit) -> Hlc {
        let Some(pieces) = self.0.get(&(space, commit.device, commit.lane)) else { return commit.hlc };
        let holds = |&&(first, last, _): &&(u64, u64, u64)| (first..=last).contains(&commit.seq);
        let ahead = pieces.iter().filter(holds).map(|(_, _, ahead)| *ahead).max().unwrap_or_default();
        Hlc::from_parts(commit.hlc.milliseconds().saturating_sub(ahead), commit.hlc.counter())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
