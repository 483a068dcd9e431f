//! Clock readings that are pulled back.
//!
//! A device whose clock was ahead has written commits whose readings no other device takes before their
//! time. Once its clock is right again it says where those belong: from then on they count by their
//! corrected readings, everywhere. A correction only ever lowers a reading, and only of the chains of
//! the device that signs it and of those whose place it took: nobody moves what others wrote, and
//! nobody pushes the clocks of others ahead by it.

use std::collections::{BTreeMap, BTreeSet};

use policy_core::{DeviceId, SpaceId};
use sha2::{Digest, Sha256};

use crate::cbor::{CborError, Reader, Writer};
use crate::commit::Commit;
use crate::document::Hlc;
use crate::tags::LaneTag;

/// The most pieces of chains that one entry pulls back.
pub const MAX_READINGS: usize = 1_024;
/// The most pieces of one chain that count: the smallest, in their order, so that it is the same everywhere.
const PIECES: usize = 1_024;

/// A piece of a device's chain in one lane, and where its readings belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    /// Where.
    pub space: SpaceId,
    /// In which lane; the device is whoever signed the entry.
    pub lane: LaneTag,
    /// Which commits, and how far they were ahead.
    pub piece: Piece,
}

/// Commits `first` to `last` of a chain were written `ahead_ms` before their readings, behind `floor`, and the last of
/// them at `ceiling` at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    /// The number of the first commit.
    pub first: u64,
    /// The number of the last commit.
    pub last: u64,
    /// In milliseconds.
    pub ahead_ms: u64,
    /// The least that the first counts by; each after it one more.
    pub floor: Hlc,
    /// The most that the last counts by; each before it one less.
    pub ceiling: Hlc,
}

impl Piece {
    fn holds(&self, seq: u64) -> bool {
        (self.first..=self.last).contains(&seq)
    }

    /// What `written`, the reading of number `seq` of the chain, counts by.
    fn reading(&self, seq: u64, written: Hlc) -> Hlc {
        let pulled = written.0.saturating_sub(self.ahead_ms.saturating_mul(1 << 16));
        let least = self.floor.0.saturating_add(seq - self.first);
        let most = self.ceiling.0.saturating_sub(self.last - seq);
        Hlc(pulled.max(least).min(most).min(written.0))
    }
}

/// All readings of an account's devices that were pulled back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clocks(BTreeMap<(SpaceId, DeviceId, LaneTag), BTreeSet<Piece>>);

impl Clocks {
    /// `[device, [[space, lane, first, last, milliseconds, floor, ceiling] …]]`
    pub(crate) fn body(device: DeviceId, readings: &[Reading]) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2).bytes(device.as_bytes()).array(readings.len());
        for Reading { space, lane, piece } in readings {
            w.array(7).bytes(space.as_bytes()).bytes(&lane.0);
            w.uint(piece.first).uint(piece.last).uint(piece.ahead_ms).uint(piece.floor.0).uint(piece.ceiling.0);
        }
        w.into_bytes()
    }

    pub(super) fn read(body: &[u8]) -> Result<(DeviceId, Vec<Reading>), CborError> {
        let mut r = Reader::new(body);
        r.array_of(2)?;
        let device = DeviceId::from_bytes(r.array_bytes()?);
        let mut readings = Vec::new();
        for _ in 0..r.array(MAX_READINGS)? {
            r.array_of(7)?;
            let (space, lane) = (SpaceId::from_bytes(r.array_bytes()?), LaneTag(r.array_bytes()?));
            let (first, last, ahead_ms) = (r.uint()?, r.uint()?, r.uint()?);
            let piece = Piece { first, last, ahead_ms, floor: Hlc(r.uint()?), ceiling: Hlc(r.uint()?) };
            readings.push(Reading { space, lane, piece });
        }
        r.end()?;
        Ok((device, readings))
    }

    pub(super) fn take(&mut self, device: DeviceId, readings: Vec<Reading>) {
        for Reading { space, lane, piece } in readings {
            let pieces = self.0.entry((space, device, lane)).or_default();
            pieces.insert(piece);
            if pieces.len() > PIECES {
                pieces.pop_last();
            }
        }
    }

    /// The reading by which a commit counts: its own, or what it was pulled back to. Of several
    /// corrections the one that pulls back most counts, whichever came first.
    pub fn reading(&self, space: SpaceId, commit: &Commit) -> Hlc {
        if self.0.is_empty() {
            return commit.hlc;
        }
        let Some(pieces) = self.0.get(&(space, commit.device, commit.lane)) else { return commit.hlc };
        let holding = pieces.iter().filter(|piece| piece.holds(commit.seq));
        holding.map(|piece| piece.reading(commit.seq, commit.hlc)).min().unwrap_or(commit.hlc)
    }

    /// What was pulled back of one space, by a digest; `None`: nothing.
    pub fn digest(&self, space: SpaceId) -> Option<[u8; 32]> {
        let from = (space, DeviceId::from_bytes([0; 16]), LaneTag([0; 16]));
        let mut digest = None;
        for ((_, device, lane), pieces) in self.0.range(from..).take_while(|((of, _, _), _)| *of == space) {
            let digest = digest.get_or_insert_with(Sha256::new);
            let reading = |piece: &Piece| Reading { space, lane: *lane, piece: *piece };
            digest.update(Self::body(*device, &pieces.iter().map(reading).collect::<Vec<_>>()));
        }
        digest.map(|digest| digest.finalize().into())
    }

    /// The spaces of which something was pulled back.
    pub fn spaces(&self) -> BTreeSet<SpaceId> {
        self.0.keys().map(|(space, _, _)| *space).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPACE: SpaceId = SpaceId::from_bytes([1; 16]);
    const DEVICE: DeviceId = DeviceId::from_bytes([2; 16]);
    const LANE: LaneTag = LaneTag([3; 16]);

    fn piece() -> impl Strategy<Value = Piece> {
        let hlc = || any::<u64>().prop_map(Hlc);
        (0u64..50, 0u64..50, prop_oneof![0u64..1_000, any::<u64>()], hlc(), hlc()).prop_map(
            |(first, more, ahead_ms, floor, ceiling)| Piece { first, last: first + more, ahead_ms, floor, ceiling },
        )
    }

    fn commit(seq: u64, hlc: Hlc) -> Commit {
        Commit { device: DEVICE, lane: LANE, seq, hlc, ..crate::commit::tests::sample(1) }
    }

    proptest! {
        #[test]
        fn corrections_are_a_set_and_only_lower(
            pieces in proptest::collection::vec(piece(), 0..8), seq in 0u64..120, hlc in any::<u64>()
        ) {
            let of = |pieces: &[Piece]| {
                let mut clocks = Clocks::default();
                let reading = |piece: &Piece| Reading { space: SPACE, lane: LANE, piece: *piece };
                clocks.take(DEVICE, pieces.iter().map(reading).collect());
                clocks
            };
            let clocks = of(&pieces);
            let read = clocks.reading(SPACE, &commit(seq, Hlc(hlc)));
            prop_assert!(read.0 <= hlc, "a correction pushed a clock ahead");
            let held = pieces.iter().any(|piece| piece.holds(seq));
            prop_assert!(held || read.0 == hlc, "what no piece holds stays");
            prop_assert!(pieces.iter().filter(|piece| piece.holds(seq)).all(|piece| read <= piece.ceiling));
            let mut other = pieces.clone();
            other.reverse();
            other.extend(&pieces);
            prop_assert_eq!(&of(&other), &clocks);
            prop_assert_eq!(of(&other).digest(SPACE), clocks.digest(SPACE));
            prop_assert_eq!(clocks.digest(SPACE).is_some(), !pieces.is_empty());
            prop_assert_eq!(clocks.digest(SpaceId::from_bytes([9; 16])), None);
            let readings: Vec<_> = pieces.iter().map(|piece| Reading { space: SPACE, lane: LANE, piece: *piece }).collect();
            prop_assert_eq!(Clocks::read(&Clocks::body(DEVICE, &readings)).unwrap(), (DEVICE, readings));
        }

        /// Whatever the clock did meanwhile, what is pulled back stays in its order, between what was before and now.
        #[test]
        fn a_chain_keeps_its_order(steps in proptest::collection::vec(1u64..1 << 40, 1..40), before in 0u64..1 << 40) {
            let now = before + steps.len() as u64 + 1;
            let mut hlc = now;
            let written: Vec<_> = steps.iter().map(|step| { hlc += step; Hlc(hlc) }).collect();
            let last = written.len() as u64;
            let piece = Piece {
                first: 1, last, ahead_ms: (hlc - now) >> 16, floor: Hlc(before + 1), ceiling: Hlc(now),
            };
            let read: Vec<_> = (1..).zip(&written).map(|(seq, hlc)| piece.reading(seq, *hlc)).collect();
            prop_assert!(read.windows(2).all(|pair| pair[0] < pair[1]), "{read:?}");
            prop_assert!(read[0].0 > before && read[read.len() - 1].0 <= now);
        }
    }
}
