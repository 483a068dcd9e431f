//! Sync over libp2p.
//!
//! [`Node`] drives the state machine of `sync-core` over TCP, Noise and Yamux for a node whose log a
//! [`Member`] keeps. Not here yet: pairing of a new device, and the blind replica's own store. The
//! bytes on the wire are written down in `sync/docs/protocol.md`.
#![forbid(unsafe_code)]

mod driver;
mod error;
mod framing;
mod identity;
mod ledger;
mod link;
mod live;
mod member;
mod node;
mod store;
mod swarm;
mod trace;

pub use error::{AddReplicaError, StartError};
pub use identity::{Identity, PeerAddr, peer_id};
pub use member::Member;
pub use node::{Node, Options, PeerLag, ReplicaAdded, ReplicaStatus, Waited};
pub use store::{Moved, Owned, Remote, Rows, Store, StoreError, Stored};
