//! The memory of answers, from when they are made until they are sent: shared fairly among whoever asks.
//!
//! Small answers and large ones do not wait for one another: however many large ones somebody has, and however slowly they
//! are read, there is room for the small ones of everybody else.

use std::time::Duration;

use crate::shares::{Busy, Lease, Payer, Pool, Shares, Use};

/// An answer of so many bytes is small.
pub const SMALL_ANSWER: u64 = 64 << 10;
/// The memory of all small answers, and of all large ones, in bytes.
const SMALL: u64 = 16 << 20;
const LARGE: u64 = 96 << 20;
/// Answers of one person that may wait for room.
const WAITING: usize = 128;

/// The memory of all answers that are being made or have not been sent yet. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Answers {
    small: Pool,
    large: Pool,
}

impl Default for Answers {
    fn default() -> Answers {
        Answers::new(SMALL, LARGE)
    }
}

impl Answers {
    fn new(small: u64, large: u64) -> Answers {
        // Two people together leave a quarter to others. An app's answer may be as large as a person's.
        let of = |total: u64, part: u64| {
            Pool::new(Shares { total, person: total * 3 / 8, part, stranger: total / 16, waiting: WAITING })
        };
        Answers { small: of(small, small / 4), large: of(large, large / 3) }
    }

    /// Room for an answer of `bytes`, waited for.
    ///
    /// # Errors
    /// If it does not come within `patience`, or too many answers of this payer wait already.
    pub async fn take(&self, payer: Payer, bytes: u64, patience: Duration) -> Result<AnswerLease, Busy> {
        let pool = if bytes <= SMALL_ANSWER { &self.small } else { &self.large };
        let lease = pool.take(payer, bytes.max(SMALL_ANSWER), patience).await?;
        Ok(AnswerLease { lease, payer, large: self.large.clone() })
    }

    /// How that of large answers is used.
    pub fn large(&self) -> Use {
        self.large.usage()
    }

    /// How it is used, small answers and large ones together.
    pub fn usage(&self) -> Use {
        let (small, large) = (self.small.usage(), self.large.usage());
        Use { total: small.total + large.total, held: small.held + large.held, waiting: small.waiting + large.waiting }
    }
}

/// The room of one answer; given back when dropped.
#[derive(Debug)]
pub struct AnswerLease {
    lease: Lease,
    payer: Payer,
    large: Pool,
}

impl AnswerLease {
    /// In bytes.
    pub fn amount(&self) -> u64 {
        self.lease.amount()
    }

    /// Holds at least `bytes`; false, and as before, if that is not to be had at once.
    #[must_use]
    pub fn grow(&mut self, bytes: u64) -> bool {
        if bytes <= self.lease.amount() {
            return true;
        }
        if self.lease.is_of(&self.large) {
            return self.lease.grow(bytes);
        }
        match self.large.take_now(self.payer, bytes) {
            Some(lease) => {
                self.lease = lease;
                true
            }
            None => false,
        }
    }

    /// How the memory is used that this is a part of: that of small answers, or of large ones.
    pub fn usage(&self) -> Use {
        self.lease.usage()
    }
}

#[cfg(test)]
mod tests {
    use policy_core::UserId;

    use super::*;

    fn person(n: u8) -> Payer {
        Payer::Person(UserId::from_bytes([n; 16]))
    }

    #[tokio::test]
    async fn large_answers_leave_room_for_small_ones_and_two_people_for_a_third() {
        let all = Answers::default();
        let take = |who: u8, bytes: u64| all.take(person(who), bytes, Duration::ZERO);
        let held = [take(1, 99 << 20).await.unwrap(), take(2, 99 << 20).await.unwrap()];
        assert!(held.iter().all(|held| held.amount() == LARGE * 3 / 8));
        assert!(take(1, 1 << 20).await.is_err(), "a person has a share");
        let third = take(3, 20 << 20).await.unwrap();
        assert_eq!(third.amount(), 20 << 20, "two hold what two may");
        let fourth = take(4, 99 << 20).await;
        assert!(fourth.is_err(), "now it is full");
        for who in 0..20 {
            let small = take(who, 1).await.unwrap();
            assert_eq!(small.amount(), SMALL_ANSWER);
        }
        let usage = all.usage();
        assert_eq!((usage.total, usage.held), (SMALL + LARGE, (LARGE * 3 / 4) + (20 << 20)));
    }

    #[tokio::test]
    async fn an_answer_grows_out_of_the_small_ones() {
        let all = Answers::default();
        let mut lease = all.take(person(1), 1, Duration::ZERO).await.unwrap();
        assert!(lease.grow(SMALL_ANSWER) && all.small.usage().held == SMALL_ANSWER);
        assert!(lease.grow(1 << 20) && lease.amount() == 1 << 20);
        assert_eq!((all.small.usage().held, all.large.usage().held), (0, 1 << 20));
        assert!(lease.grow(2 << 20) && !lease.grow(LARGE / 2) && lease.amount() == 2 << 20);
        drop(lease);
        assert_eq!(all.usage().held, 0);
    }
}
