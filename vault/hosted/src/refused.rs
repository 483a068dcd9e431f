//! Why a place does not do what it is asked for.

use crate::name::MAX_OBJECT_BYTES;
use crate::taken::MAX_OBJECTS;

/// A place does not do what it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// There is no such object.
    #[error("there is no such object")]
    Missing,
    /// There is one already.
    #[error("there is one already")]
    Exists,
    /// The quota is reached.
    #[error("the place may take {quota} bytes, and takes {taken}")]
    Full {
        /// So much it may take.
        quota: u64,
        /// So much it takes.
        taken: u64,
    },
    /// There are as many objects as a place holds.
    #[error("a place holds {MAX_OBJECTS} objects at most")]
    Crowded,
    /// The place was removed meanwhile.
    #[error("the place is no longer there")]
    Gone,
    /// The keeper's own disk is next to full.
    #[error("the disk of the node that keeps the place is next to full")]
    DiskFull,
    /// It is longer than any object of a place.
    #[error("no object is longer than {MAX_OBJECT_BYTES} bytes")]
    TooLong,
    /// Less or more of it came than was announced.
    #[error("another number of bytes came than was announced")]
    Cut,
    /// Whoever changes which backups there are has not the lock: somebody else took it, or nobody has it.
    #[error("whoever changes the backups of a place holds its lock, and says so; the lock is another's, or nobody's")]
    NotHeld,
    /// More than the place may ask at a time.
    #[error("too much at a time")]
    Busy,
    /// What was asked does not fit.
    #[error("{0}")]
    Unfit(&'static str),
    /// The disk does not do it.
    #[error("the disk of the node that keeps the place failed")]
    Io(#[from] std::io::Error),
}
