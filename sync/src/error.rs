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
    /// The operator of the node allows the range, or the caller names another address.
    #[error("this node does not dial there for you: {reason}")]
    OutOfReach { reason: &'static str },
    /// Nothing was kept. The caller corrects the address, or starts the replica first.
    #[error("no replica with this key answers at this address; nothing was added")]
    Unreachable,
    /// The caller waits a minute.
    #[error("too many addresses were tried in the last minute")]
    TooOften,
    /// The space is not the caller's, or is not there: the two answer alike.
    #[error("space not found")]
    NotFound,
    #[error("sync cannot use its store: {0}")]
    Store(String),
}
