//! S3 as a place for backups: a [`vault_backup::Store`] whose files are objects of a bucket.
//!
//! Requests are signed (Signature Version 4, payload and all) and bounded: in time, in tries, in what is read. Who may add to
//! a place is told by an object that is written on conditions (`If-None-Match`, `If-Match`), so that two nodes never take
//! from each other; of a server that knows none it is said ([`vault_backup::Hold::caution`]).
#![forbid(unsafe_code)]

mod address;
mod connector;
mod lease;
mod objects;
mod settings;
mod store;

pub use address::{AddressError, S3Address};
pub use settings::{S3Settings, SettingsError};
pub use store::S3Store;
