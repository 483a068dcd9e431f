//! The commit format, keys, sealing, CRDTs, definitions, queries and changes.
//!
//! Nothing here does I/O, reads a clock or makes its own randomness: time, randomness and bytes come
//! in as arguments. `vault/docs/format.md` is the byte-exact record of what this crate writes.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod build;
pub mod cbor;
pub mod change;
pub mod codec;
pub mod commit;
pub mod control;
pub mod crdt;
pub mod document;
pub mod fair;
pub mod frame;
mod hlc;
pub mod identity;
pub mod keys;
pub mod limits;
pub mod query;
pub mod schema;
pub mod seal;
mod space_keys;
pub mod tags;
pub mod txn;
pub mod value;

pub use space_keys::{KeysError, LaneKeys, OpenCommitError, SpaceKeys};
