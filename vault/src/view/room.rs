//! The memory that an answer may take.

use crate::memory::AnswerLease;

use super::ReadError;

/// By how much an answer's charge grows at a time.
const STEP: usize = 1 << 20;

/// An answer, and the room that it takes until it is sent.
#[derive(Debug)]
pub struct Answer<S> {
    pub sink: S,
    pub(super) room: Room,
}

impl<S> Answer<S> {
    pub fn new(sink: S, room: Room) -> Answer<S> {
        Answer { sink, room }
    }

    /// How many rows it has, those of nested lists too.
    pub fn rows(&self) -> u64 {
        self.room.rows
    }

    /// The answer, and what its caller is charged for it: to be dropped when it is sent.
    pub fn into_parts(self) -> (S, Option<AnswerLease>) {
        (self.sink, self.room.lease)
    }
}

/// What an answer may still grow by: to a fixed size at most and, where its caller is charged, within their share.
#[derive(Debug)]
pub struct Room {
    lease: Option<AnswerLease>,
    /// Up to here it is charged.
    until: usize,
    most: usize,
    /// How many rows the answer has.
    pub(super) rows: u64,
}

impl Room {
    /// Room for `most` bytes, charged as they come.
    pub fn new(lease: AnswerLease, most: usize) -> Room {
        let until = usize::try_from(lease.amount()).unwrap_or(usize::MAX).min(most);
        Room { lease: Some(lease), until, most, rows: 0 }
    }

    /// Room for `most` bytes that nobody is charged for.
    pub fn free(most: usize) -> Room {
        Room { lease: None, until: most, most, rows: 0 }
    }

    /// Refuses `bytes` if that is more than an answer may ever have.
    pub(super) fn takes(&self, bytes: usize) -> Result<(), ReadError> {
        if bytes > self.most { Err(ReadError::Bytes(self.most)) } else { Ok(()) }
    }

    /// Refuses an answer that has grown to `bytes` if that is more than it may have.
    pub(super) fn holds(&mut self, bytes: usize) -> Result<(), ReadError> {
        if bytes <= self.until {
            return Ok(());
        }
        if bytes > self.most {
            return Err(ReadError::Bytes(self.most));
        }
        let wanted = bytes.saturating_add(STEP).min(self.most);
        if let Some(lease) = &mut self.lease
            && !lease.grow(wanted as u64)
        {
            return Err(ReadError::Busy);
        }
        self.until = wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use policy_core::{GrantId, UserId};

    use super::*;
    use crate::memory::Answers;
    use crate::shares::Payer;

    #[tokio::test]
    async fn an_answer_grows_to_its_own_limit_and_to_its_callers_share() {
        let answers = Answers::default();
        let part = Payer::Part(UserId::from_bytes([1; 16]), GrantId::from_bytes([1; 16]));
        let take = || answers.take(part, 0, Duration::ZERO);
        let mut room = Room::new(take().await.unwrap(), 30 << 20);
        assert!(room.holds(1_000).is_ok() && room.holds(2 << 20).is_ok() && room.holds(30 << 20).is_ok());
        assert!(matches!(room.holds((30 << 20) + 1), Err(ReadError::Bytes(most)) if most == 30 << 20));
        let mut other = Room::new(take().await.unwrap(), 30 << 20);
        assert!(other.holds(1 << 20).is_ok());
        assert!(matches!(other.holds(20 << 20), Err(ReadError::Busy)), "the first is not sent yet");
        drop(room);
        assert!(other.holds(20 << 20).is_ok());
        assert!(Room::free(10).holds(10).is_ok() && Room::free(10).holds(11).is_err());
    }
}
