//! Backups of a vault: what is put away is read from one moment of log and node database, and a directory is made of it
//! again. The format of what lies in the place is `vault_backup`'s.

mod create;
mod error;
mod restore;
mod snapshot;

pub use create::{Created, Extras, Followed, Prepared, prepare};
pub use error::BackupError;
pub use restore::{PUT_BACK, restore};
pub use snapshot::Snapshot;
