//! A node that holds keys: it syncs with the devices of its accounts and with blind replicas.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use libp2p::Multiaddr;
use parking_lot::Mutex;
use policy_core::{PeerKey, SpaceId, Timestamp, UserId};
use sea_orm::DatabaseConnection;
use serde::Serialize;
use sync_core::{Limits, Scope, Tips};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::driver::Context;
use crate::identity::{PeerAddr, peer_id};
use crate::ledger::{Kind, Ledger, PEERS_PER_USER, Peer};
use crate::link::{self, Hub};
use crate::live::Lives;
use crate::member::{Member, MemberStore};
use crate::pairing::{self, Code, Invites};
use crate::store::{Moved, StoreError};
use crate::swarm::SwarmHandle;
use crate::trace::Trace;
use crate::{AddReplicaError, Identity, StartError};

/// How a node meets its peers.
#[derive(Debug, Clone)]
pub struct Options {
    /// Multiaddrs to listen on; empty: the port chosen before if it is free, else any, on loopback.
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
    /// For how long it has lacked the first of them, in seconds; 0 if it lacks none.
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
    /// fsync of all that this node holds (and this node holds all that it offers).
    #[serde(skip)]
    pub settled: bool,
}

/// The running peer-to-peer side of a node. Cheap to clone; [`Node::shutdown`], or dropping the last
/// clone, stops it.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    identity: Identity,
    store: Arc<MemberStore>,
    ledger: Arc<Ledger>,
    lives: Arc<Lives>,
    hub: Arc<Hub>,
    nudge: Arc<Notify>,
    addrs: Vec<String>,
    stop: watch::Sender<bool>,
    links: Mutex<HashSet<PeerKey>>,
    invites: Arc<Invites>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.lives.stop_all();
    }
}

/// The name of the setting that remembers the chosen port.
const LISTEN: &str = "listen";

impl Node {
    /// Listens, and begins to sync with every peer it knows.
    pub async fn start(vault: Arc<dyn Member>, options: Options) -> Result<Node, StartError> {
        let store_failed = |error: StoreError| StartError::Store(error.0);
        let ledger = Ledger::open(options.database).await.map_err(store_failed)?;
        let trace = match &options.trace {
            None => None,
            Some(path) => {
                let open = Trace::open(path).map_err(|error| StartError::Store(format!("{}: {error}", path.display())));
                Some(Arc::new(open?))
            }
        };
        let remembered = ledger.setting(LISTEN).await.map_err(store_failed)?;
        let swarm = listen(&options.identity, &options.listen, remembered.as_deref()).await?;
        let addrs: Vec<String> = swarm.addrs().iter().map(ToString::to_string).collect();
        if let Some(first) = addrs.first() {
            ledger.set(LISTEN, first).await.map_err(store_failed)?;
        }

        let own = options.identity.peer();
        let store = Arc::new(MemberStore { vault, ledger: Arc::clone(&ledger), own });
        let context = Arc::new(Context {
            store: Arc::clone(&store) as Arc<dyn crate::Store>,
            ledger: Some(Arc::clone(&ledger)),
            trace: trace.clone(),
            limits: Limits::default(),
        });
        let lives = Lives::new(own);
        let (stop, stopped) = watch::channel(false);
        let hub = Arc::new(Hub { swarm, context, lives: Arc::clone(&lives), stopped: stopped.clone() });
        tokio::spawn(link::accept(Arc::clone(&hub)));
        tokio::spawn(keep(Arc::clone(&store), Arc::clone(&ledger), stopped));
        let node = Node {
            inner: Arc::new(Inner {
                identity: options.identity,
                store,
                ledger,
                lives,
                hub,
                nudge: Arc::new(Notify::new()),
                addrs,
                stop,
                links: Mutex::default(),
                invites: Arc::default(),
            }),
        };
        node.dial_peers();
        Ok(node)
    }

    /// Lets devices of `vault`'s accounts join by one-time codes from now on.
    pub fn accept_devices(&self, vault: vault::Vault) {
        let (hub, invites) = (Arc::clone(&self.inner.hub), Arc::clone(&self.inner.invites));
        tokio::spawn(pairing::accept(hub, vault, invites, self.inner.identity.peer()));
    }

    /// A one-time code for a new device of `user`; `None`: too many codes wait.
    pub fn invite(&self, user: UserId) -> Option<Code> {
        self.inner.invites.add(user, self.inner.identity.peer(), self.inner.addrs.clone())
    }

    /// Remembers another device of `user`, to be dialled at these addresses.
    pub async fn remember_device(
        database: DatabaseConnection,
        user: UserId,
        key: PeerKey,
        addrs: Vec<String>,
    ) -> Result<(), StoreError> {
        let ledger = Ledger::open(database).await?;
        ledger.add_peer(Peer { key, user, kind: Kind::Device, addrs, spaces: None }).await
    }

    /// Our peer id.
    pub fn peer(&self) -> String {
        self.inner.identity.peer_id()
    }

    /// The addresses we listen on, each ending in `/p2p/PEER`.
    pub fn addrs(&self) -> Vec<String> {
        self.inner.addrs.clone()
    }

    /// Remembers a blind replica of one space of `user`, or of all, future ones too.
    pub async fn add_replica(
        &self,
        user: UserId,
        addr: &str,
        space: Option<SpaceId>,
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
        let known = inner.ledger.peers();
        if known.iter().filter(|peer| peer.user == user && peer.key != parsed.key).count() >= PEERS_PER_USER {
            return Err(refuse("there are too many replicas"));
        }
        let spaces_given = space.map(|space| vec![space]);
        let peer =
            Peer { key: parsed.key, user, kind: Kind::Replica, addrs: vec![parsed.to_string()], spaces: spaces_given };
        inner.ledger.add_peer(peer).await.map_err(store_failed)?;
        self.dial_peers();
        if let Some(live) = inner.lives.get(parsed.key) {
            // It begins again, and then offers what it did not before.
            live.stop();
        }
        inner.nudge.notify_waiters();
        Ok(ReplicaAdded { replica: parsed.peer.to_string(), spaces: space.map_or(spaces, |space| vec![space]) })
    }

    /// The replicas of `user`, with their lag.
    pub async fn replicas(&self, user: UserId) -> Vec<ReplicaStatus> {
        let mut all = Vec::new();
        for peer in self.inner.ledger.peers() {
            if peer.user != user || peer.kind != Kind::Replica {
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

    /// Waits until every reachable peer of `user` holds, on disk, all of `space` (or of all spaces)
    /// that this node held when it was called.
    pub async fn wait(&self, user: UserId, space: Option<SpaceId>, timeout: Duration) -> Waited {
        let inner = &self.inner;
        let deadline = Instant::now() + timeout;
        let mut changes = inner.lives.changes();
        let mut targets: HashMap<Scope, Arc<Tips>> = HashMap::new();
        inner.nudge.notify_waiters();
        loop {
            changes.mark_unchanged();
            let peers: Vec<Peer> = inner.ledger.peers().into_iter().filter(|peer| peer.user == user).collect();
            let mut reachable = 0;
            let mut settled = true;
            let mut lags = Vec::new();
            for peer in &peers {
                lags.push(self.lag(peer, space).await);
                let Some(live) = inner.lives.get(peer.key) else { continue };
                reachable += 1;
                settled &= live.quiet.load(std::sync::atomic::Ordering::SeqCst);
                for owned in inner.store.scopes_of(peer).await.unwrap_or_default() {
                    if !counts(owned.scope, space) {
                        continue;
                    }
                    let Ok(tips) = inner.store.vault.tips(owned.scope).await else {
                        settled = false;
                        continue;
                    };
                    let target = targets.entry(owned.scope).or_insert(tips);
                    let confirmed = live.confirmed.lock();
                    settled &= confirmed.get(&owned.scope).is_some_and(|held| target.within(held));
                }
            }
            let settled = settled && reachable > 0;
            if settled || Instant::now() >= deadline {
                return Waited { peers: lags, settled };
            }
            // Also looks again now and then: a lag in seconds grows by itself.
            let next = deadline.min(Instant::now() + Duration::from_millis(500));
            let _ = tokio::time::timeout_at(next, changes.changed()).await;
        }
    }

    /// Stops listening, closes every connection and writes down what peers hold.
    pub async fn shutdown(&self) {
        self.inner.stop.send_replace(true);
        self.inner.lives.stop_all();
        for peer in self.inner.ledger.peers() {
            if let Some(id) = crate::identity::libp2p_id(peer.key) {
                self.inner.hub.swarm.disconnect(id).await;
            }
        }
        if let Err(error) = self.inner.ledger.flush().await {
            tracing::warn!(%error, "what peers hold was not written down; they are asked again");
        }
    }

    fn dial_peers(&self) {
        for peer in self.inner.ledger.peers() {
            if !peer.addrs.is_empty() && self.inner.links.lock().insert(peer.key) {
                let hub = Arc::clone(&self.inner.hub);
                let (ledger, nudge) = (Arc::clone(&self.inner.ledger), Arc::clone(&self.inner.nudge));
                tokio::spawn(link::keep_dialling(hub, ledger, nudge, peer.key));
            }
        }
    }

    async fn lag(&self, peer: &Peer, space: Option<SpaceId>) -> PeerLag {
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
        let lag_s = since.map_or(0, |since| (now.seconds() - since.seconds()).max(0).unsigned_abs());
        let reachable = inner.lives.get(peer.key).is_some();
        PeerLag { peer: peer_id(peer.key).unwrap_or_default(), reachable, lag_commits: commits, lag_s }
    }
}

fn counts(scope: Scope, space: Option<SpaceId>) -> bool {
    match (scope, space) {
        (Scope::Space(id), Some(space)) => id == space,
        _ => true,
    }
}

/// Now, in microseconds since the Unix epoch.
pub(crate) fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
}

/// Listens where asked; without a wish, where it listened before if that is free.
pub(crate) async fn listen(
    identity: &Identity,
    wished: &[String],
    remembered: Option<&str>,
) -> Result<SwarmHandle, StartError> {
    let parse = |addr: &str| -> Result<Multiaddr, StartError> {
        let fail = |reason: &str| StartError::Listen { addr: addr.to_owned(), reason: reason.to_owned() };
        let addr: Multiaddr = addr.parse().map_err(|_| fail("it is not a multiaddr"))?;
        Ok(addr.into_iter().filter(|part| !matches!(part, libp2p::multiaddr::Protocol::P2p(_))).collect())
    };
    let any = "/ip4/127.0.0.1/tcp/0";
    let unspecific = wished.is_empty() || (wished.len() == 1 && wished[0] == any);
    if unspecific {
        if let Some(before) = remembered
            && let Ok(before) = parse(before)
            && before.to_string().starts_with("/ip4/127.0.0.1/tcp/")
            && let Ok(swarm) = SwarmHandle::start(identity, &[before]).await
        {
            return Ok(swarm);
        }
        return SwarmHandle::start(identity, &[parse(any)?]).await;
    }
    let addrs = wished.iter().map(|addr| parse(addr)).collect::<Result<Vec<_>, _>>()?;
    SwarmHandle::start(identity, &addrs).await
}

/// Writes the ledger behind, and notes since when peers lack something.
async fn keep(store: Arc<MemberStore>, ledger: Arc<Ledger>, mut stopped: watch::Receiver<bool>) {
    let mut feed = store.vault.feed();
    let mut moved: HashSet<Scope> = HashSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            news = feed.recv() => match news {
                Ok(Moved::Log(scope)) => {
                    moved.insert(scope);
                    continue;
                }
                Ok(Moved::Sharing) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => continue,
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            },
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        let now = wall_clock();
        for scope in moved.drain() {
            let Ok(tips) = store.vault.tips(scope).await else { continue };
            for peer in ledger.peers() {
                let shared = store.scopes_of(&peer).await.unwrap_or_default();
                if shared.iter().any(|owned| owned.scope == scope) {
                    ledger.lag(peer.key, scope, &tips, now);
                }
            }
        }
        if let Err(error) = ledger.flush().await {
            tracing::warn!(%error, "what peers hold is not written down yet");
        }
    }
}
