//! The commit format, keys, sealing, CRDTs, definitions, queries and changes.
//!
//! Nothing here does I/O, reads a clock or makes its own randomness: time, randomness and bytes come
//! in as arguments. `vault/docs/format.md` is the byte-exact record of what this crate writes.
#![forbid(unsafe_code)]

pub mod change;
pub mod document;
pub mod query;
pub mod schema;
pub mod value;
