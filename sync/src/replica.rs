//! A blind replica: a log without keys, on a directory of its own.

use std::path::{Path, PathBuf};

use policy_core::UserId;
use serde::Serialize;

use crate::ReplicaError;

/// How a blind replica is served.
#[derive(Debug, Clone, Default)]
pub struct ServeOptions {
    /// A multiaddr; `None`: `/ip4/127.0.0.1/tcp/0`. A chosen port is remembered.
    pub listen: Option<String>,
    /// Record every decoded message here, for tests that search them (`ALLOD_SYNC_TRACE`).
    pub trace: Option<PathBuf>,
}

/// What `replica init` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Initialised {
    /// The peer id of the new replica.
    pub peer: String,
}

/// Makes `dir` a replica: a transport key (0600) and an empty log. No key of any account.
pub async fn init(dir: &Path) -> Result<Initialised, ReplicaError> {
    Err(ReplicaError::Store(dir.display().to_string()))
}

/// Lets `account` use the replica in `dir`, which may be running.
pub async fn allow(dir: &Path, account: UserId) -> Result<(), ReplicaError> {
    let _ = account;
    Err(ReplicaError::NotAReplica(dir.display().to_string()))
}

/// A blind replica that listens.
pub struct Replica {
    peer: String,
    addrs: Vec<String>,
}

impl Replica {
    /// Serves the replica in `dir` until [`Replica::shutdown`].
    pub async fn serve(dir: &Path, options: ServeOptions) -> Result<Replica, ReplicaError> {
        let _ = options;
        Err(ReplicaError::NotAReplica(dir.display().to_string()))
    }

    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// The address to give to `replica add`; it ends in `/p2p/PEER`.
    pub fn addr(&self) -> &str {
        self.addrs.first().map_or("", String::as_str)
    }

    /// Stops listening, closes every connection and waits until the log is closed.
    pub async fn shutdown(self) {}
}
