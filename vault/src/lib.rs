//! The vault: the sealed log, the encrypted views, the writer, the reader and the keyring.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod admission;
pub mod database;
pub mod define;
pub mod keyring;
pub mod log;
mod tables;
pub mod view;
