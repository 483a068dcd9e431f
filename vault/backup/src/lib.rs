//! Backups of a node: what a person keeps of it (24 words), and what lies in the place that backups go to.
//!
//! A place holds sealed files that are written once, each called by a keyed hash of what it holds: *segments* of the
//! log (rows of ranges of positions), *pieces* of the node database (runs of its pages), and one *manifest* for each
//! backup, which names the rest. So nothing is sent twice, a file that went missing can be sent again under its name, and
//! whoever looks at the place learns sizes and times, and nothing else. `docs/format.md` is the byte-exact record.
#![forbid(unsafe_code)]

mod directory;
mod error;
mod manifest;
mod place;
mod plan;
mod seal;
mod segment;
mod sending;
mod store;
mod words;

pub use directory::Directory;
pub use error::PlaceError;
pub use manifest::{
    Backup, LogIdentity, MAX_FILE_BYTES, MAX_FILES, Manifest, OtherFile, ScopeEnd, ScopeName, SpaceDigest, Stored,
    StoredRange, Unreadable,
};
pub use place::{Place, PlaceLock};
pub use plan::{Ahead, Now, Plan, Present, Refused, Rows, plan};
pub use seal::{BackupKey, DataName, ObjectKind, OpenError};
pub use segment::{Segment, SegmentRow};
pub use sending::Sending;
pub use store::{Found, Hold, Store};
pub use words::{RecoverySecret, WordsError};

/// The largest run of rows that a segment holds is closed once its frames have so many bytes. One frame more may follow.
pub const SEGMENT_BYTES: usize = 4 << 20;
/// The length of a piece of the node database: all but the last have it.
pub const PIECE_BYTES: usize = 64 << 10;
