//! Sync over libp2p.
//!
//! [`SyncNode`] drives the state machine of `sync-core` over TCP, Noise and Yamux for a node whose log a
//! [`Member`] keeps; [`blind::Replica`] does so for a log without keys; [`pairing`] brings a new device
//! in. The bytes on the wire are written down in `sync/docs/protocol.md`.
#![forbid(unsafe_code)]

mod announced;
pub mod blind;
mod dials;
mod doorway;
mod driver;
mod error;
mod framing;
mod identity;
mod ledger;
mod link;
mod live;
mod member;
mod node;
pub mod pairing;
mod reach;
mod replicas;
mod store;
mod swarm;
mod trace;
mod vault_member;
mod waiting;

pub use announced::{Announced, AnnouncedError};
pub use error::{AddReplicaError, StartError};
pub use identity::{Identity, PeerAddr, peer_id};
pub use ipnet::IpNet;
pub use ledger::Migrator;
pub use member::Member;
pub use node::{Options, SyncNode};
pub use reach::{Lies, Reach};
pub use replicas::{NamedBy, ReplicaAdded, ReplicaStatus};
pub use store::{Moved, Owned, Recipient, Remote, Rows, Store, StoreError, Stored};
pub use vault_member::{ReplicateGate, VaultMember};
pub use waiting::{Fork, PeerLag, PlaceToWait, Waited};
