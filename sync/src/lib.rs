//! Sync over libp2p: peers, pairing of devices, and blind replicas.
//!
//! [`Node`] drives the state machine of `sync-core` for a node that holds keys; [`replica`] is the
//! node without keys of a data centre; [`join`] enrols a new device by a one-time code. The bytes
//! on the wire are written down in `sync/docs/protocol.md`.
#![forbid(unsafe_code)]

mod error;
mod identity;
mod node;
mod pairing;
pub mod replica;
mod store;

pub use error::{AddReplicaError, InviteError, JoinError, ReplicaError, StartError};
pub use identity::{Identity, PeerAddr, peer_id};
pub use node::{Node, Options, PeerLag, ReplicaAdded, ReplicaStatus, Waited};
pub use pairing::{Invitation, JoinOptions, Joined, join};
pub use store::{Store, StoreError};
