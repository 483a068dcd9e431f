//! Who reads, and how long: places and memory for reads, shared fairly among their callers.

use std::time::Duration;

use crate::background::{Background, step_back};
use crate::memory::Answers;
use crate::shares::{Lease, Payer, Pool, Shares, Use};
use crate::view::{ReadError, Room, ViewError};

/// How long a read may hold the thread of its caller.
pub(crate) const INLINE: Duration = Duration::from_millis(2);
/// How long a read may hold a place of the short ones. One that needs longer begins again among the long ones: what
/// others wait for is never longer than this.
pub(crate) const SHORT: Duration = Duration::from_millis(250);
/// How long a read waits for its turn.
const PATIENCE: Duration = Duration::from_secs(15);
/// Reads of one person that may wait for a place.
const MAX_WAITING_OF_PERSON: usize = 128;

/// Which places a read is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Short,
    Long,
}

pub(crate) struct Reading {
    short: Pool,
    long: Pool,
    answers: Answers,
    /// Where reads run that have a place.
    threads: Background,
}

impl Reading {
    pub(crate) fn new() -> Reading {
        let cores = std::thread::available_parallelism().map_or(2, usize::from) as u64;
        // One person's long reads leave half of the processors to others.
        let places = |total: u64| Pool::new(Shares::of(total, MAX_WAITING_OF_PERSON));
        let (short, long) = ((2 * cores).clamp(4, 16), cores.clamp(2, 8));
        Reading {
            short: places(short),
            long: places(long),
            threads: Background::new("allod-read"),
            answers: Answers::default(),
        }
    }

    /// Runs what has a place of this stage, on a thread that steps back for whoever wants little: one among the long ones
    /// at once, any other once it has taken a moment.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        stage: Stage,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        let cut_off = ReadError::Unsupported("the read was cut off");
        let read = move || {
            if stage == Stage::Long {
                step_back();
            }
            read()
        };
        match self.threads.run(read) {
            Ok(done) => done.await.map_err(|_| cut_off),
            Err(error) => {
                tracing::error!(%error, "the system gives no thread to read by");
                Err(cut_off)
            }
        }
    }

    /// How the places for short reads, those for long ones, and the memory of answers are used.
    pub(crate) fn usage(&self) -> [Use; 3] {
        [self.short.usage(), self.long.usage(), self.answers.usage()]
    }

    /// The memory of answers.
    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Whether this caller's reads wait already: then none of them goes ahead of the others.
    pub(crate) fn is_crowded(&self, payer: Payer) -> bool {
        self.short.waits(payer)
    }

    /// A place to read in, when it is this caller's turn.
    pub(crate) async fn place(&self, stage: Stage, payer: Payer) -> Result<Lease, ReadError> {
        let pool = match stage {
            Stage::Short => &self.short,
            Stage::Long => &self.long,
        };
        pool.take(payer, 1, PATIENCE).await.map_err(|_| ReadError::Busy)
    }

    /// Room for an answer of `most` bytes, charged from the beginning: its maker cannot ask for more.
    pub(crate) async fn whole(&self, payer: Payer, most: usize) -> Result<Room, ViewError> {
        let busy = |_| ViewError::from(ReadError::Busy);
        let lease = self.answers.take(payer, most as u64, PATIENCE).await.map_err(busy)?;
        Ok(Room::new(lease, most))
    }

    /// Room for an answer that grows to `most` bytes at most.
    pub(crate) async fn room(&self, payer: Payer, most: usize) -> Result<Room, ReadError> {
        let lease = self.answers.take(payer, 0, PATIENCE).await.map_err(|_| ReadError::Busy)?;
        Ok(Room::new(lease, most))
    }
}
