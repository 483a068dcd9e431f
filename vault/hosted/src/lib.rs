//! Another node as a place for backups.
//!
//! Whoever operates a node makes *places* for others: a name, a secret, a quota. The [`Keeper`] holds their files as they
//! come: it has no key, and reads nothing of them. The node that backs itself up reaches its place by a [`HostedStore`],
//! a [`vault_backup::Store`] over HTTP with a bearer secret. `docs/protocol.md` is the record of what goes between the two.
#![forbid(unsafe_code)]

mod address;
mod client;
mod coming;
mod files;
mod hold;
mod holding;
mod keeper;
mod name;
mod place;
mod refused;
mod secret;
mod settings;
mod store;
mod taken;
pub mod wire;

pub use address::{AddressError, HostedAddress, PlaceLabel};
pub use keeper::{Keeper, KeeperError, Removed};
pub use name::{MAX_OBJECT_BYTES, NameError, ObjectName};
pub use place::{KeptPlace, Listing, Upload};
pub use refused::KeepError;
pub use secret::{PREFIX, PlaceSecret};
pub use settings::{HostedSettings, Judge, is_root};
pub use store::HostedStore;
