//! A log whose owner holds keys: shared with the devices of its accounts and with their replicas.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use policy_core::{DeviceId, PeerKey, SpaceId, UserId};
use sync_core::{Lane, Offer, Reason, Scope, Tip, Tips};
use tokio::sync::broadcast;

use crate::ledger::{Ledger, Peer, PeerKind};
use crate::store::{Moved, Owned, Recipient, Remote, Rows, Store, StoreError, Stored};

/// What sync asks of a vault.
#[async_trait]
pub trait Member: Send + Sync + 'static {
    /// The accounts that this node holds a device of and syncs.
    async fn accounts(&self) -> Result<Vec<UserId>, StoreError>;

    /// The transport keys of the devices of an account that are enrolled and not revoked.
    async fn transports(&self, user: UserId) -> Result<Vec<PeerKey>, StoreError>;

    /// The spaces that an account owns.
    async fn spaces(&self, user: UserId) -> Result<Vec<SpaceId>, StoreError>;

    /// Whether the vault takes over a space that another device of `owner` offers.
    async fn adopt(&self, owner: UserId, space: SpaceId) -> Result<bool, StoreError>;

    /// What is on disk of a scope.
    async fn tips(&self, scope: Scope) -> Result<Arc<Tips>, StoreError>;

    /// The devices of an account that this node is and was.
    fn own(&self, _owner: UserId) -> BTreeSet<DeviceId> {
        BTreeSet::new()
    }

    /// See [`sync_core::Question::Compare`].
    async fn differing(&self, _scope: Scope, _theirs: &[Tip]) -> Result<Vec<(Lane, DeviceId)>, StoreError> {
        Ok(Vec::new())
    }

    /// Another device of the owner says that our clock readings in a scope are ahead of its clock.
    async fn ahead(&self, _scope: Scope) -> Result<(), StoreError> {
        Ok(())
    }

    /// Rows in log order, for this peer; see [`sync_core::Question::Read`]. `Ok(None)`: policy does not give it any
    /// (any more), which is decided anew for each batch.
    async fn rows(
        &self,
        to: Recipient,
        owned: Owned,
        control: bool,
        after: u64,
        have: &Tips,
        max_bytes: usize,
    ) -> Result<Option<Rows>, StoreError>;

    /// Verifies, stores, and returns after the fsync.
    async fn ingest(&self, from: PeerKey, scope: Scope, frames: Vec<Bytes>) -> Result<Stored, StoreError>;

    /// News of the log.
    fn feed(&self) -> broadcast::Receiver<Moved>;
}

/// A vault as sessions see it.
pub(crate) struct MemberStore {
    pub(crate) vault: Arc<dyn Member>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) own: PeerKey,
}

impl MemberStore {
    /// The scopes of a configured peer.
    pub(crate) async fn scopes_of(&self, peer: &Peer) -> Result<Vec<Owned>, StoreError> {
        let mut all = vec![Owned { scope: Scope::Account(peer.user), owner: peer.user }];
        for space in self.vault.spaces(peer.user).await? {
            if peer.spaces.as_ref().is_none_or(|some| some.contains(&space)) {
                all.push(Owned { scope: Scope::Space(space), owner: peer.user });
            }
        }
        Ok(all)
    }

    /// The accounts of which the peer is an enrolled device.
    async fn accounts_of(&self, key: PeerKey) -> Result<Vec<UserId>, StoreError> {
        let mut all = Vec::new();
        if key == self.own {
            return Ok(all);
        }
        for user in self.vault.accounts().await? {
            if self.vault.transports(user).await?.contains(&key) {
                all.push(user);
            }
        }
        Ok(all)
    }

    async fn replica_of(&self, key: PeerKey) -> Result<Vec<Peer>, StoreError> {
        let accounts = self.vault.accounts().await?;
        let mine = |peer: &Peer| peer.key == key && peer.kind == PeerKind::Replica && accounts.contains(&peer.user);
        Ok(self.ledger.peers().into_iter().filter(mine).collect())
    }

    /// As what the peer gets this scope now, and of whom; `None`: it does not.
    async fn recipient(&self, remote: Remote, scope: Scope) -> Result<Option<(Recipient, Owned)>, StoreError> {
        for user in self.accounts_of(remote.key).await? {
            let owned = Owned { scope, owner: user };
            if self.owns(owned).await? {
                return Ok(Some((Recipient::Device(remote.key), owned)));
            }
        }
        for replica in self.replica_of(remote.key).await? {
            let owned = Owned { scope, owner: replica.user };
            let stores = match (scope, &replica.spaces) {
                (Scope::Space(space), Some(some)) => some.contains(&space),
                _ => true,
            };
            if stores && self.owns(owned).await? {
                return Ok(Some((Recipient::Replica(remote.key), owned)));
            }
        }
        Ok(None)
    }

    /// Whether a scope is an account's.
    async fn owns(&self, Owned { scope, owner }: Owned) -> Result<bool, StoreError> {
        match scope {
            Scope::Account(user) => Ok(user == owner),
            Scope::Space(space) => Ok(self.vault.spaces(owner).await?.contains(&space)),
        }
    }

    async fn shares(&self, remote: Remote, scope: Scope) -> Result<bool, StoreError> {
        Ok(self.recipient(remote, scope).await?.is_some())
    }
}

#[async_trait]
impl Store for MemberStore {
    async fn knows(&self, remote: Remote) -> Result<bool, StoreError> {
        Ok(!self.accounts_of(remote.key).await?.is_empty() || !self.replica_of(remote.key).await?.is_empty())
    }

    async fn shared_with(&self, remote: Remote) -> Result<Vec<Owned>, StoreError> {
        let mut all = Vec::new();
        for user in self.accounts_of(remote.key).await? {
            let device =
                Peer { key: remote.key, user, kind: PeerKind::Device, addrs: Vec::new(), spaces: None, vouched: true };
            all.extend(self.scopes_of(&device).await?);
        }
        for replica in self.replica_of(remote.key).await? {
            all.extend(self.scopes_of(&replica).await?);
        }
        all.sort();
        all.dedup();
        Ok(all)
    }

    async fn admit(&self, remote: Remote, offers: &[Offer]) -> Result<Vec<Owned>, StoreError> {
        // New spaces come from devices of their owner. A replica offers what we gave it, and what
        // other devices of the account gave it: spaces whose genesis is then verified as any other.
        let mut from = self.accounts_of(remote.key).await?;
        from.extend(self.replica_of(remote.key).await?.into_iter().filter(|r| r.spaces.is_none()).map(|r| r.user));
        let mut admitted = Vec::new();
        for offer in offers {
            if let Scope::Space(space) = offer.scope
                && from.contains(&offer.owner)
                && self.vault.adopt(offer.owner, space).await?
            {
                admitted.push(Owned { scope: offer.scope, owner: offer.owner });
            }
        }
        Ok(admitted)
    }

    async fn tips(&self, scope: Scope) -> Result<Arc<Tips>, StoreError> {
        self.vault.tips(scope).await
    }

    fn own(&self, owner: UserId) -> BTreeSet<DeviceId> {
        self.vault.own(owner)
    }

    async fn differing(&self, scope: Scope, theirs: &[Tip]) -> Result<Vec<(Lane, DeviceId)>, StoreError> {
        self.vault.differing(scope, theirs).await
    }

    async fn ahead(&self, remote: Remote, scope: Scope) -> Result<(), StoreError> {
        // A replica has no say: only who has a clock by which it takes commits, and an account's trust.
        for user in self.accounts_of(remote.key).await? {
            if self.owns(Owned { scope, owner: user }).await? {
                return self.vault.ahead(scope).await;
            }
        }
        Ok(())
    }

    async fn read(
        &self,
        remote: Remote,
        scope: Scope,
        control: bool,
        after: u64,
        have: &Tips,
        max_bytes: usize,
    ) -> Result<Option<Rows>, StoreError> {
        let Some((to, owned)) = self.recipient(remote, scope).await? else { return Ok(None) };
        let rows = self.vault.rows(to, owned, control, after, have, max_bytes).await?;
        // What was taken from the peer while the log was read is not handed to it.
        Ok(if self.recipient(remote, scope).await? == Some((to, owned)) { rows } else { None })
    }

    async fn store(&self, remote: Remote, scope: Scope, frames: Vec<Bytes>) -> Result<Stored, StoreError> {
        if !self.shares(remote, scope).await? {
            return Ok(Stored { refused: Some(Reason::NotShared), ..Stored::default() });
        }
        self.vault.ingest(remote.key, scope, frames).await
    }

    fn feed(&self) -> broadcast::Receiver<Moved> {
        self.vault.feed()
    }
}
