//! The vault: the sealed log, the encrypted views, the writer, the reader and the keyring.
#![forbid(unsafe_code)]

pub mod database;
pub mod keyring;
pub mod log;
