//! The blind replicas of people: named, listed, removed.

use std::time::Duration;

use policy_core::{SpaceId, UserId};
use serde::Serialize;
use sync_core::Scope;
use tokio::time::Instant;

use crate::AddReplicaError;
use crate::identity::PeerAddr;
use crate::ledger::{PEERS_PER_USER, Peer, PeerKind};
use crate::node::SyncNode;
use crate::store::StoreError;

/// How long an address that is named for the first time is waited for.
const ANSWER: Duration = Duration::from_secs(5);

/// Who names the address of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// Whoever holds the machine: any address. `unseen`: kept also if nothing answers there yet.
    Operator { unseen: bool },
    /// Somebody with an account: an address within [`crate::Reach`] at which the replica answers.
    Person,
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
    /// What went wrong last, if anything has since the last success. For the operator's eyes: it says
    /// what answers at an address.
    pub error: Option<String>,
}

impl SyncNode {
    /// Remembers a blind replica of one space of `user`, or of all, future ones too, once whoever
    /// answers at its address has proved to hold its key.
    pub async fn add_replica(
        &self,
        user: UserId,
        addr: &str,
        space: Option<SpaceId>,
        by: NamedBy,
    ) -> Result<ReplicaAdded, AddReplicaError> {
        let inner = &self.inner;
        let store_failed = |error: StoreError| AddReplicaError::Store(error.0);
        let parsed = PeerAddr::parse(addr)?;
        let refuse = |reason| AddReplicaError::Address { addr: addr.to_owned(), reason };
        if parsed.key == inner.identity.peer() {
            return Err(refuse("it is this node"));
        }
        let spaces = inner.store.vault.spaces(user).await.map_err(store_failed)?;
        if space.is_some_and(|space| !spaces.contains(&space)) {
            return Err(AddReplicaError::NotFound);
        }
        if by == NamedBy::Person
            && let Some(reason) = inner.dialling.reach.refuses(&parsed.addr)
        {
            return Err(AddReplicaError::OutOfReach { reason });
        }
        let known = inner.ledger.peers_of(user);
        if known.iter().any(|peer| peer.key == parsed.key && peer.kind == PeerKind::Device) {
            return Err(refuse("it is one of your devices"));
        }
        if known.iter().filter(|peer| peer.key != parsed.key).count() >= PEERS_PER_USER {
            return Err(refuse("there are too many replicas"));
        }
        if by != (NamedBy::Operator { unseen: true }) {
            self.answers(user, &parsed, by).await?;
        }
        let peer = Peer {
            key: parsed.key,
            user,
            kind: PeerKind::Replica,
            addrs: vec![parsed.to_string()],
            spaces: space.map(|space| vec![space]),
            vouched: by != NamedBy::Person,
        };
        inner.ledger.add_peer(peer).await.map_err(store_failed)?;
        self.dial_peers();
        if let Some(live) = inner.lives.get(parsed.key) {
            // It begins again, and then offers what it did not before.
            live.stop();
        }
        inner.dialling.nudge(user, Instant::now());
        Ok(ReplicaAdded { replica: parsed.peer.to_string(), spaces: space.map_or(spaces, |space| vec![space]) })
    }

    /// Whether the holder of the key answers at the address, tried once. A failure takes as long whatever
    /// it is, and is told without its reason: how and when a port answers is nobody's business.
    async fn answers(&self, user: UserId, addr: &PeerAddr, by: NamedBy) -> Result<(), AddReplicaError> {
        let inner = &self.inner;
        let began = Instant::now();
        if by == NamedBy::Person && !inner.dialling.dials.take(user, began) {
            return Err(AddReplicaError::TooOften);
        }
        let dialled = tokio::time::timeout(ANSWER, inner.hub.swarm.connect_at(addr.peer, addr.addr.clone())).await;
        if matches!(dialled, Ok(Ok(()))) {
            return Ok(());
        }
        if by == NamedBy::Person {
            tokio::time::sleep_until(began + ANSWER).await;
        }
        Err(AddReplicaError::Unreachable)
    }

    /// Forgets a replica of `user` and gives it nothing more; what it holds it keeps. False: `user` has no
    /// such replica.
    pub async fn remove_replica(&self, user: UserId, replica: &str) -> Result<bool, StoreError> {
        let inner = &self.inner;
        let Some(key) = replica.parse().ok().and_then(|id| crate::identity::key_of(&id)) else { return Ok(false) };
        let is_one = |peer: &Peer| peer.key == key && peer.kind == PeerKind::Replica;
        if !inner.ledger.peers_of(user).iter().any(is_one) || !inner.ledger.remove_peer(key, user).await? {
            return Ok(false);
        }
        if let Some(live) = inner.lives.get(key) {
            // Whatever else is shared with this peer, it begins again without what was taken away.
            live.stop();
        }
        inner.dialling.nudge(user, Instant::now());
        Ok(true)
    }

    /// The replicas of `user`, with their lag.
    pub async fn replicas(&self, user: UserId) -> Vec<ReplicaStatus> {
        let mut all = Vec::new();
        for peer in self.inner.ledger.peers_of(user) {
            if peer.kind != PeerKind::Replica {
                continue;
            }
            let lag = self.lag(&peer, None).await;
            let owned = self.inner.store.scopes_of(&peer).await.unwrap_or_default();
            let spaces = owned.into_iter().filter_map(|owned| match owned.scope {
                Scope::Space(space) => Some(space),
                Scope::Account(_) => None,
            });
            all.push(ReplicaStatus {
                replica: lag.peer,
                addr: peer.addrs.first().cloned().unwrap_or_default(),
                user,
                spaces: spaces.collect(),
                reachable: lag.reachable,
                lag_commits: lag.lag_commits,
                lag_s: lag.lag_s,
                error: self.inner.ledger.error(peer.key),
            });
        }
        all
    }
}
