//! The vault: the sealed log, the encrypted views, the writer, the reader and the keyring.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod admission;
mod asked;
#[cfg(test)]
mod backend;
mod background;
pub mod backup;

pub mod data_dir;
pub mod database;
pub mod define;
pub mod feed;
mod figures;
mod frames;
pub mod handover;
pub mod keyring;
pub mod log;
mod log_health;
pub mod memory;
mod reading;
pub mod replica;
pub mod replicate;
pub mod shares;
mod space;
mod space_locks;
mod tables;
mod turn;
pub mod upgrade;
mod vault;
pub mod view;
pub mod witness;
mod writer;

pub use figures::Figures;
pub use log_health::LogHealth;
pub use space::{Policy, SpaceError};
pub use turn::CutOff;
pub use vault::{CreatedAccount, Health, Options, SpaceInfo, Vault, VaultError};
pub use view::{DIGEST_KIND, ReadError};
pub use writer::{Clock, WriteError};
