//! The view: one encrypted SQLite database per space, a cache folded from opened commits.
//!
//! [`View`] is the write side, used by the writer and by replay; [`Reader`] answers queries from its
//! own read-only connection. Both compile what they are asked to SQL under the masks of a permit:
//! a field of a document counts only where the predicate of an entry that holds it is true.
//!
//! Tables carry no constraint that a merge can break. Losing a view costs time, not data.

mod answer;
mod apply;
mod changes;
mod column;
mod compile;
mod conflicts;
mod database;
mod digest;
mod functions;
mod history;
mod json;
mod lookup;
mod matching;
mod parameters;
mod predicate;
mod read;
mod room;
mod run;
mod sink;
mod tables;
#[cfg(test)]
mod tests;
mod upkeep;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use policy_core::{AppCaller, Caller, CollectionId, Holder, Mask, SealRefusal};

pub use answer::CHANGED_MAX;
pub use apply::View;
pub(crate) use changes::PAGE_MAX;
pub use changes::{CHANGES_MAX, Change, Changes, ChangesError, Position, Reset};
pub use digest::DIGEST_KIND;
pub use lookup::LoadedDocument;
pub use predicate::covers;
pub use read::Reader;
pub(crate) use read::position_in;
pub use room::{Answer, Room};
pub use sink::{Cell, Cells, Row, Sink, Text};

/// The mask of a collection, as a permit has it; `None`: for this caller there is no such collection.
type Masks<'a> = &'a dyn Fn(CollectionId) -> Option<Arc<Mask>>;

/// Why a view did not do what was asked. It is a cache: delete it and fold the log again.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    #[error("the view's database failed: {0}")]
    Sql(rusqlite::Error),
    #[error("the view holds bytes that do not decode: {0}")]
    Damaged(#[from] vault_core::cbor::CborError),
    #[error("the view holds a {0} that does not read")]
    Unreadable(&'static str),
    /// Clock readings by which it went were pulled back since.
    #[error("the view goes by clock readings that were pulled back")]
    Readings,
    #[error("collection {0} is not in the view")]
    UnknownCollection(CollectionId),
    /// It lacks changes that the log holds, and could not catch up (a full disk does that).
    #[error("the view is behind the log")]
    Behind,
    /// A mutation's filter or selection was refused.
    #[error(transparent)]
    Refused(Box<ReadError>),
}

impl ViewError {
    /// Whether the disk failed under the view, and not the view: it is full, read-only, or answers with errors.
    pub fn is_of_the_disk(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
        let code = match self {
            ViewError::Sql(error) => error.sqlite_error_code(),
            _ => None,
        };
        matches!(code, Some(CannotOpen | DiskFull | ReadOnly | SystemIoFailure))
    }
}

/// Why a read was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The permit no longer holds: mint again.
    #[error(transparent)]
    Seal(#[from] SealRefusal),
    /// The query names what the permit does not show: fronts resolve names under the permit, so this
    /// is a defect of the front and not of the caller.
    #[error("the query names what its permit does not show")]
    Hidden,
    /// The query asks for what the view cannot answer.
    #[error("{0}")]
    Unsupported(&'static str),
    #[error("the query took longer than {0:?}")]
    Time(Duration),
    #[error("the answer has more than {0} rows")]
    Rows(u64),
    #[error("the answer has more than {} MiB: ask for fewer documents or fields at a time", .0 >> 20)]
    Bytes(usize),
    /// A document has more of a history than is held at a time.
    #[error("a document has a history of more than {} MiB of what this looks at: ask for its newest values, without history", .0 >> 20)]
    History(usize),
    /// The caller has no place or no memory left of their share.
    #[error("you read too much at a time: wait until some of it is answered and read, then try again")]
    Busy,
    /// Too many conditions, values, columns or orders at once.
    #[error("one operation asks for more at once than the node takes: ask for it in parts")]
    Wide,
    /// It needs more memory than one statement gets.
    #[error("the query needs more memory than the node gives it: ask for it in parts")]
    Memory,
    #[error(transparent)]
    View(ViewError),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        ViewError::from(error).into()
    }
}

impl From<watch::Late> for ReadError {
    fn from(late: watch::Late) -> Self {
        ReadError::Time(late.0)
    }
}

impl From<rusqlite::Error> for ViewError {
    /// What an operation asks too much of is the operation's fault and not the view's.
    fn from(error: rusqlite::Error) -> Self {
        let refused = match (error.sqlite_error_code(), &error) {
            (Some(rusqlite::ErrorCode::TooBig), _) => ReadError::Wide,
            (Some(rusqlite::ErrorCode::OutOfMemory), _) => ReadError::Memory,
            (_, rusqlite::Error::SqliteFailure(_, Some(text))) if text == functions::TOO_LARGE => {
                ReadError::Unsupported(functions::TOO_LARGE)
            }
            // The compiler stays below SQLite's limits; what it has overlooked is refused by name all the same.
            (_, rusqlite::Error::SqliteFailure(_, Some(text)))
                if text.starts_with("too many ")
                    || text.starts_with("Expression tree is too large")
                    || text.starts_with("variable number must be between") =>
            {
                ReadError::Wide
            }
            _ => return ViewError::Sql(error),
        };
        ViewError::Refused(Box::new(refused))
    }
}

impl From<ViewError> for ReadError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Refused(error) => *error,
            error => ReadError::View(error),
        }
    }
}

impl From<ReadError> for ViewError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::View(error) => error,
            error => ViewError::Refused(Box::new(error)),
        }
    }
}

impl From<vault_core::cbor::CborError> for ReadError {
    fn from(error: vault_core::cbor::CborError) -> Self {
        ReadError::View(ViewError::Damaged(error))
    }
}

/// How long a mutation may look for the documents that it changes, and then for what it answers of them: meanwhile
/// nobody writes.
pub(crate) const CHANGING: Duration = Duration::from_secs(1);

/// What one read may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub time: Duration,
    /// Rows of every level together.
    pub rows: u64,
    /// Bytes of the answer.
    pub bytes: usize,
}

impl Limits {
    /// What one read of this caller may cost. A link is anybody's.
    pub fn of(caller: &Caller) -> Limits {
        match caller.app {
            Some(AppCaller { holder: Holder::Link(_), .. }) => {
                Limits { rows: 10_000, bytes: 8 << 20, time: Duration::from_secs(10) }
            }
            _ => Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { time: Duration::from_secs(30), rows: 1_000_000, bytes: 32 << 20 }
    }
}
