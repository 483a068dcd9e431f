//! A node that holds keys: it syncs with the devices of its accounts and with blind replicas.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use policy_core::{SpaceId, UserId};
use sea_orm::DatabaseConnection;
use serde::Serialize;

use crate::{AddReplicaError, Identity, Invitation, InviteError, PeerAddr, StartError, Store};

/// How a node meets its peers.
#[derive(Debug, Clone)]
pub struct Options {
    /// Multiaddrs to listen on; empty: `/ip4/127.0.0.1/tcp/0`. A chosen port is remembered.
    pub listen: Vec<String>,
    pub identity: Identity,
    /// The node database: sync keeps its peers and what it owes them there.
    pub database: DatabaseConnection,
    /// Record every decoded message here, for tests that search them (`ALLOD_SYNC_TRACE`).
    pub trace: Option<PathBuf>,
}

/// A peer, and how far behind it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeerLag {
    pub peer: String,
    pub reachable: bool,
    /// Commits that this node holds and the peer has not acknowledged.
    pub lag_commits: u64,
    /// Age of the oldest of them in seconds; 0 if there are none.
    pub lag_s: u64,
}

/// What `replica add` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplicaAdded {
    /// Its peer id.
    pub replica: String,
    pub spaces: Vec<SpaceId>,
}

/// One line of `replica list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplicaStatus {
    pub replica: String,
    pub addr: String,
    pub user: UserId,
    pub spaces: Vec<SpaceId>,
    pub reachable: bool,
    pub lag_commits: u64,
    pub lag_s: u64,
    /// What went wrong last, if anything has since the last success.
    pub error: Option<String>,
}

/// What `sync wait` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waited {
    pub peers: Vec<PeerLag>,
    /// At least one configured peer is reachable, and every reachable one has acknowledged an
    /// fsync of all that this node holds.
    #[serde(skip)]
    pub settled: bool,
}

/// The running peer-to-peer side of a node. Cheap to clone; dropping the last clone stops it.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    identity: Identity,
}

impl Node {
    /// Listens, and begins to sync with every peer it knows.
    pub async fn start(vault: Arc<dyn Store>, options: Options) -> Result<Node, StartError> {
        drop(vault);
        Ok(Node { inner: Arc::new(Inner { identity: options.identity }) })
    }

    /// Our peer id.
    pub fn peer(&self) -> String {
        self.inner.identity.peer_id()
    }

    /// The addresses we listen on, each ending in `/p2p/PEER`.
    pub fn addrs(&self) -> Vec<String> {
        Vec::new()
    }

    /// Makes a one-time code by which another device joins `user`'s account within ten minutes.
    pub async fn invite(&self, user: UserId) -> Result<Invitation, InviteError> {
        let _ = user;
        Err(InviteError::Stopped)
    }

    /// Remembers a blind replica of one space of `user`, or of all, future ones too.
    pub async fn add_replica(
        &self,
        user: UserId,
        addr: &str,
        space: Option<SpaceId>,
    ) -> Result<ReplicaAdded, AddReplicaError> {
        let addr = PeerAddr::parse(addr)?;
        let _ = (user, space);
        Err(AddReplicaError::Store(format!("{addr} cannot be kept")))
    }

    /// The replicas of `user`, with their lag.
    pub async fn replicas(&self, user: UserId) -> Vec<ReplicaStatus> {
        let _ = user;
        Vec::new()
    }

    /// Waits until every reachable peer of `user` holds, on disk, all of `space` (or of all spaces)
    /// that this node held when it was called.
    pub async fn wait(&self, user: UserId, space: Option<SpaceId>, timeout: Duration) -> Waited {
        let _ = (user, space, timeout);
        Waited { peers: Vec::new(), settled: false }
    }

    /// Stops listening, closes every connection and waits until the tasks are gone.
    pub async fn shutdown(&self) {}
}
