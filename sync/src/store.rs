//! What sync asks of the place where the log lies: a vault, or the log of a blind replica.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use policy_core::{DeviceId, PeerKey, UserId};
use sync_core::{CommitId, Item, Lane, Offer, Reason, Scope, Tip, Tips};
use tokio::sync::broadcast;

/// A failed store: nothing was kept, the peer is told nothing, and sync tries again later.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);

impl From<sea_orm::DbErr> for StoreError {
    fn from(error: sea_orm::DbErr) -> Self {
        StoreError(error.to_string())
    }
}

/// Who is at the other end: known by the key that the transport authenticated, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Remote {
    pub key: PeerKey,
    /// Every connection with it goes over the loopback interface.
    pub loopback: bool,
}

/// As what a peer is handed rows of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient {
    /// A device of the account that owns the scope.
    Device(PeerKey),
    /// A replica that the account stores the scope with.
    Replica(PeerKey),
}

/// A scope and the account that owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owned {
    pub scope: Scope,
    pub owner: UserId,
}

/// Rows of the log.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub items: Vec<Item>,
    /// The position of the last row looked at.
    pub position: u64,
    /// No row lies behind `position`.
    pub end: bool,
}

/// What became of frames that were to be stored.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// The end of each frame that is on disk now, in order.
    pub stored: Vec<Tip>,
    /// Why the frame after them is not.
    pub refused: Option<Reason>,
    /// A commit held already at the number of another among the frames, and that other one.
    pub fork: Option<(Tip, CommitId)>,
}

/// Something that sessions should look at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// The log of a scope has grown, on disk.
    Log(Scope),
    /// What is shared with whom may have changed.
    Sharing,
    /// The log was written again in places: sessions begin anew.
    Rewritten,
}

/// A log that is synced. Every call decides anew whether the peer may have what it names, so that
/// a revocation bites with the next batch.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether the peer may open a session.
    async fn knows(&self, remote: Remote) -> Result<bool, StoreError>;

    /// What is shared with the peer now.
    async fn shared_with(&self, remote: Remote) -> Result<Vec<Owned>, StoreError>;

    /// Which of these scopes, offered by the peer and not shared with it, are shared from now on.
    async fn admit(&self, remote: Remote, offers: &[Offer]) -> Result<Vec<Owned>, StoreError>;

    /// What is on disk of a scope; empty if it is not known.
    async fn tips(&self, scope: Scope) -> Result<Arc<Tips>, StoreError>;

    /// The devices of an account that this node is and was.
    fn own(&self, _owner: UserId) -> BTreeSet<DeviceId> {
        BTreeSet::new()
    }

    /// See [`sync_core::Question::Compare`].
    async fn differing(&self, _scope: Scope, _theirs: &[Tip]) -> Result<Vec<(Lane, DeviceId)>, StoreError> {
        Ok(Vec::new())
    }

    /// A peer does not take what we send: our clock readings are ahead of its clock.
    async fn ahead(&self, _remote: Remote, _scope: Scope) -> Result<(), StoreError> {
        Ok(())
    }

    /// See [`sync_core::Question::Read`]. `Ok(None)`: not shared with the peer (any more).
    async fn read(
        &self,
        remote: Remote,
        scope: Scope,
        control: bool,
        after: u64,
        have: &Tips,
        max_bytes: usize,
    ) -> Result<Option<Rows>, StoreError>;

    /// See [`sync_core::Question::Store`]. Returns after the fsync.
    async fn store(&self, remote: Remote, scope: Scope, frames: Vec<Bytes>) -> Result<Stored, StoreError>;

    /// News. A receiver that falls behind looks at everything again.
    fn feed(&self) -> broadcast::Receiver<Moved>;
}
