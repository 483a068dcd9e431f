//! Errors of the public operations: each lists what the caller can do about it.

/// Why a node does not start to sync.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Choose another address.
    #[error("cannot listen on {addr}: {reason}")]
    Listen { addr: String, reason: String },
    /// The database or the vault failed; nothing was changed.
    #[error("sync cannot use its store: {0}")]
    Store(String),
}

/// Why a replica is not added.
#[derive(Debug, thiserror::Error)]
pub enum AddReplicaError {
    /// The caller corrects the address: a peer is known by its key, so `/p2p/PEER` must end it.
    #[error("`{addr}` is not the address of a peer: {reason}")]
    Address { addr: String, reason: &'static str },
    /// The space is not the caller's, or is not there: the two answer alike.
    #[error("space not found")]
    NotFound,
    #[error("sync cannot use its store: {0}")]
    Store(String),
}

/// Why no code is made.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    #[error("this node holds no device of that account")]
    NotFound,
    /// The operating system gave no randomness.
    #[error("no randomness: {0}")]
    Randomness(String),
    /// The peer-to-peer side of the node has stopped.
    #[error("sync has stopped")]
    Stopped,
}

/// Why a device does not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The code is mistyped, of another version, or past its ten minutes: ask for another.
    #[error("the code is not valid: {0}")]
    Code(&'static str),
    /// The directory holds a node already, or cannot be written.
    #[error("cannot use the directory: {0}")]
    Directory(String),
    /// The inviter is not reachable from here; the code is still good.
    #[error("the inviting device cannot be reached: {0}")]
    Unreachable(String),
    /// The inviter refused (the code was used, or died after three wrong tries).
    #[error("the inviting device refused: {0}")]
    Refused(String),
    /// Whoever answered is not who made the code. Nothing was kept.
    #[error("the answer does not match the code: {0}")]
    Mismatch(&'static str),
    #[error("sync cannot use its store: {0}")]
    Store(String),
}

/// Why a replica command fails.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// `replica init` comes first.
    #[error("{0} is not a replica: run `allod replica init`")]
    NotAReplica(String),
    /// `replica init` refuses a directory that is a replica or a node already.
    #[error("{0} is not empty")]
    Exists(String),
    /// Another process serves this directory.
    #[error("{0} is in use by another process")]
    InUse(String),
    #[error("cannot listen on {addr}: {reason}")]
    Listen { addr: String, reason: String },
    #[error("the replica cannot use its store: {0}")]
    Store(String),
}
