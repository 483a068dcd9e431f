//! The hybrid clock: 48 bits of Unix milliseconds, then 16 bits of counter, in one number.

use policy_core::{DocId, Timestamp};

use crate::document::Hlc;

impl Hlc {
    /// `milliseconds` beyond 48 bits are cut to the largest.
    pub fn from_parts(milliseconds: u64, counter: u16) -> Self {
        Hlc(milliseconds.min((1 << 48) - 1) << 16 | u64::from(counter))
    }
    /// Since the Unix epoch.
    pub fn milliseconds(self) -> u64 {
        self.0 >> 16
    }
    /// Tells readings of one millisecond apart.
    pub fn counter(self) -> u16 {
        self.0 as u16
    }
    /// The millisecond as an instant.
    pub fn timestamp(self) -> Timestamp {
        Timestamp(self.milliseconds() as i64 * 1_000)
    }

    /// The next value of a writer whose wall clock says `now` and who has applied `self` or less:
    /// greater than both. A full counter goes on in the next millisecond.
    pub fn tick(self, now: Timestamp) -> Hlc {
        let wall = Hlc::from_parts(now.0.max(0) as u64 / 1_000, 0);
        if wall.0 > self.0 { wall } else { Hlc(self.0.saturating_add(1)) }
    }

    /// A UUIDv7 (RFC 9562, 5.7) made from this reading: its counter fills `rand_a` and the next four
    /// bits, so ids of one writer sort as they were made; `random` fills the remaining 58.
    pub fn document_id(self, random: u64) -> DocId {
        let ms = self.milliseconds().to_be_bytes();
        let counter = self.counter();
        let mut id = [0u8; 16];
        id[..6].copy_from_slice(&ms[2..]);
        id[6] = 0x70 | (counter >> 12) as u8;
        id[7] = (counter >> 4) as u8;
        let low = u64::from(counter & 0xf) << 58 | random & ((1 << 58) - 1);
        id[8..].copy_from_slice(&low.to_be_bytes());
        id[8] = 0x80 | id[8] & 0x3f;
        DocId::from_bytes(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_grow_past_the_wall_clock_and_past_what_was_applied() {
        let now = Timestamp::from_seconds(1_700_000_000);
        let first = Hlc::default().tick(now);
        assert_eq!((first.milliseconds(), first.counter()), (1_700_000_000_000, 0));
        let second = first.tick(now);
        assert_eq!(second.counter(), 1);
        assert!(second.tick(Timestamp(0)) > second, "a clock that was set back");
        let full = Hlc::from_parts(5, u16::MAX).tick(Timestamp(0));
        assert_eq!((full.milliseconds(), full.counter()), (6, 0));
    }

    #[test]
    fn document_ids_are_version_seven_and_sort_by_their_clock() {
        let mut last = None;
        for counter in [0, 1, 15, 16, 255, 4096, u16::MAX] {
            let id = Hlc::from_parts(0x0123_4567_89ab, counter).document_id(u64::MAX >> (counter % 60));
            assert_eq!((id.as_bytes()[6] >> 4, id.as_bytes()[8] >> 6), (7, 2));
            assert_eq!(&id.to_string()[..13], "01234567-89ab");
            assert!(last < Some(id));
            last = Some(id);
        }
    }
}
