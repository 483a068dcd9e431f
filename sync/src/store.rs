//! What sync asks of the place where the log lies: a vault, or the log of a blind replica.

use async_trait::async_trait;
use policy_core::PeerKey;

/// A failed store: nothing was kept, the peer is told nothing, and sync tries again later.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);

/// A log that is synced.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether `peer` may open a session at all.
    async fn knows(&self, peer: PeerKey) -> Result<bool, StoreError>;
}
