//! How far peers are behind, and waiting until they are not.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use policy_core::{SpaceId, Timestamp, UserId};
use serde::Serialize;
use sync_core::{CommitId, Scope, Tips};
use tokio::time::Instant;

use crate::identity::peer_id;
use crate::ledger::{Apart, Chain, Forked, Peer, PeerKind};
use crate::node::{SyncNode, wall_clock};
use crate::store::StoreError;

/// Peers that are looked at together at most.
const MAX_PEERS: usize = 1_024;
/// Requests of one person that wait at a time: each looks at all of their peers over and over.
const MAX_WAITS: usize = 8;

/// Who waits for their peers, by how many requests.
pub(crate) type Waits = Mutex<HashMap<UserId, usize>>;

/// A place among those who wait, until it goes.
#[must_use]
pub struct PlaceToWait {
    all: Arc<Waits>,
    user: UserId,
}

impl Drop for PlaceToWait {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(own) = all.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                all.remove(&self.user);
            }
        }
    }
}

/// A peer, and how far behind it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeerLag {
    pub peer: String,
    /// `device` or `replica`.
    pub kind: &'static str,
    pub reachable: bool,
    /// Commits that this node holds and the peer has not acknowledged.
    pub lag_commits: u64,
    /// For how long it has lacked the first of them, in seconds; 0 if it lacks none.
    pub lag_s: u64,
    /// `our_clock`, `their_clock`: which of the two is so far ahead that changes wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<&'static str>,
}

/// A device signed two commits with one number: each side of it keeps its own, and neither gets the other's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fork {
    /// The space, or none: the account's own lane.
    pub space: Option<String>,
    pub device: String,
    /// The number that was used twice.
    pub number: u64,
    /// The commit that is held here, and the other, as hexadecimal digits.
    pub here: String,
    pub elsewhere: String,
    /// Who has the other.
    pub peer: String,
}

/// What `sync wait` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waited {
    /// Every peer that ought to have the data, but for those that were left out.
    pub peers: Vec<PeerLag>,
    /// Chains with two histories that nobody has seen yet.
    pub forked: Vec<Fork>,
    /// Each of them is reachable and has acknowledged an fsync of all that this node holds (and this
    /// node holds all that it offers); and nothing is forked.
    #[serde(skip)]
    pub settled: bool,
}

impl SyncNode {
    /// Every peer that ought to have `user`'s data (of `space`): the other devices of the account,
    /// whether they dial us or we them, and the replicas that were named.
    async fn peers_of(&self, user: UserId, space: Option<SpaceId>) -> Vec<Peer> {
        let inner = &self.inner;
        let known = inner.ledger.peers_of(user);
        let enrolled = inner.store.vault.transports(user).await.unwrap_or_default();
        let mut peers: Vec<Peer> = known.iter().filter(|peer| peer.kind == PeerKind::Replica).cloned().collect();
        let gives = |peer: &Peer| space.is_none_or(|id| peer.spaces.as_ref().is_none_or(|some| some.contains(&id)));
        peers.retain(gives);
        for key in enrolled {
            if key == inner.identity.peer() || peers.iter().any(|peer| peer.key == key) {
                continue;
            }
            let addrs = known.iter().find(|peer| peer.key == key).map(|peer| peer.addrs.clone()).unwrap_or_default();
            peers.push(Peer { key, user, kind: PeerKind::Device, addrs, spaces: None, vouched: true });
        }
        peers
    }

    /// The peers of all these people, each once, those that are furthest behind first. A peer of several people is behind
    /// by what it lacks of all of them. Of more than 1,024 the others are left out.
    pub async fn peers(&self, users: &[UserId]) -> Vec<PeerLag> {
        let mut all: HashMap<String, PeerLag> = HashMap::new();
        for user in users {
            for peer in self.peers_of(*user, None).await {
                if all.len() >= MAX_PEERS {
                    break;
                }
                let lag = self.lag(&peer, None).await;
                match all.get_mut(&lag.peer) {
                    Some(known) => {
                        known.lag_commits = known.lag_commits.saturating_add(lag.lag_commits);
                        known.lag_s = known.lag_s.max(lag.lag_s);
                    }
                    None => drop(all.insert(lag.peer.clone(), lag)),
                }
            }
        }
        let mut all: Vec<PeerLag> = all.into_values().collect();
        all.sort_by(|a, b| (b.lag_s, b.lag_commits, &a.peer).cmp(&(a.lag_s, a.lag_commits, &b.peer)));
        all
    }

    /// The other devices of `user`, and how far they are behind.
    pub async fn devices(&self, user: UserId) -> Vec<PeerLag> {
        let mut all = Vec::new();
        for peer in self.peers_of(user, None).await {
            if peer.kind == PeerKind::Device {
                all.push(self.lag(&peer, None).await);
            }
        }
        all
    }

    /// A place among those who wait for their peers, until it goes. `None`: so many requests of `user` wait already.
    pub fn place_to_wait(&self, user: UserId) -> Option<PlaceToWait> {
        let mut all = self.inner.waiting.lock();
        let own = all.entry(user).or_default();
        if *own >= MAX_WAITS {
            return None;
        }
        *own += 1;
        Some(PlaceToWait { all: Arc::clone(&self.inner.waiting), user })
    }

    /// Waits until every peer of `user` that ought to have it holds, on disk, all of `space` (or of all
    /// spaces) that this node held when it was called. `except`: peers that are not waited for.
    pub async fn wait(&self, user: UserId, space: Option<SpaceId>, timeout: Duration, except: &[String]) -> Waited {
        let inner = &self.inner;
        let deadline = Instant::now() + timeout;
        let mut changes = inner.lives.changes();
        let mut targets: HashMap<Scope, Arc<Tips>> = HashMap::new();
        inner.dialling.nudge(user, Instant::now());
        loop {
            changes.mark_unchanged();
            let mut settled = true;
            let mut lags = Vec::new();
            for peer in self.peers_of(user, space).await {
                let lag = self.lag(&peer, space).await;
                if except.contains(&lag.peer) {
                    continue;
                }
                lags.push(lag);
                let Some(live) = inner.lives.get(peer.key) else {
                    settled = false;
                    continue;
                };
                settled &= live.quiet.load(Ordering::SeqCst);
                for owned in inner.store.scopes_of(&peer).await.unwrap_or_default() {
                    if !counts(owned.scope, space) {
                        continue;
                    }
                    let Ok(tips) = inner.store.vault.tips(owned.scope).await else {
                        settled = false;
                        continue;
                    };
                    let target = targets.entry(owned.scope).or_insert_with(|| Arc::clone(&tips));
                    if !target.within(&tips) {
                        // The end of a chain was written again elsewhere: it is that which is waited for.
                        *target = tips;
                    }
                    let confirmed = live.confirmed.lock();
                    settled &= confirmed.get(&owned.scope).is_some_and(|held| target.within(held));
                }
            }
            if settled || Instant::now() >= deadline {
                // By number both sides of a fork have everything.
                let forked = self.forks(user, space).await;
                let settled = settled && forked.is_empty();
                return Waited { peers: lags, forked, settled };
            }
            // Also looks again now and then: a lag in seconds grows by itself.
            let next = deadline.min(Instant::now() + Duration::from_millis(500));
            let _ = tokio::time::timeout_at(next, changes.changed()).await;
        }
    }

    pub(crate) async fn lag(&self, peer: &Peer, space: Option<SpaceId>) -> PeerLag {
        let inner = &self.inner;
        let now = wall_clock();
        let mut commits = 0u64;
        let mut since: Option<Timestamp> = None;
        for owned in inner.store.scopes_of(peer).await.unwrap_or_default() {
            if counts(owned.scope, space)
                && let Ok(ours) = inner.store.vault.tips(owned.scope).await
            {
                let (behind, first) = inner.ledger.lag(peer.key, owned.scope, &ours, now);
                commits = commits.saturating_add(behind);
                since = since.into_iter().chain(first).min();
            }
        }
        PeerLag {
            peer: peer_id(peer.key).unwrap_or_default(),
            kind: match peer.kind {
                PeerKind::Device => "device",
                PeerKind::Replica => "replica",
            },
            reachable: inner.lives.get(peer.key).is_some(),
            lag_commits: commits,
            waits_for: inner.ledger.apart(peer.key, now).filter(|whose| commits > 0 || *whose == Apart::Theirs).map(
                |whose| match whose {
                    Apart::Ours => "our_clock",
                    Apart::Theirs => "their_clock",
                },
            ),
            lag_s: since.map_or(0, |since| (now.seconds() - since.seconds()).max(0).unsigned_abs()),
        }
    }
}

fn hex(commit: CommitId) -> String {
    commit.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn told((chain, forked): &(Chain, Forked)) -> Fork {
    Fork {
        space: match chain.0 {
            Scope::Account(_) => None,
            Scope::Space(id) => Some(id.to_string()),
        },
        device: chain.2.to_string(),
        number: forked.tip.seq,
        here: hex(forked.tip.commit),
        elsewhere: hex(forked.other),
        peer: peer_id(forked.peer).unwrap_or_default(),
    }
}

impl SyncNode {
    async fn unseen(&self, user: UserId, space: Option<SpaceId>) -> Vec<(Chain, Forked)> {
        let vault = &self.inner.store.vault;
        let spaces = match vault.spaces(user).await {
            Ok(spaces) => spaces,
            Err(error) => {
                tracing::warn!(%error, "it is not known which spaces are forked");
                return Vec::new();
            }
        };
        // Of our own devices the vault sees to it: another takes the place of one that was put back.
        let own = vault.own(user);
        let mut all = self.inner.ledger.forks(|scope| {
            counts(scope, space)
                && match scope {
                    Scope::Account(id) => id == user,
                    Scope::Space(id) => spaces.contains(&id),
                }
        });
        all.retain(|((_, _, device), _)| !own.contains(device));
        all
    }

    /// The forks in what is `user`'s (in `space`) that nobody has seen yet.
    pub async fn forks(&self, user: UserId, space: Option<SpaceId>) -> Vec<Fork> {
        self.unseen(user, space).await.iter().map(told).collect()
    }

    /// `user` knows of their forks (in `space`): they are told no more. Those that are found later are.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub async fn see_forks(&self, user: UserId, space: Option<SpaceId>) -> Result<(), StoreError> {
        let chains: Vec<_> = self.unseen(user, space).await.into_iter().map(|(chain, _)| chain).collect();
        self.inner.ledger.see_forks(&chains).await
    }
}

fn counts(scope: Scope, space: Option<SpaceId>) -> bool {
    match (scope, space) {
        (Scope::Space(id), Some(space)) => id == space,
        _ => true,
    }
}
