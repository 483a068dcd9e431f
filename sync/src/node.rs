//! A node that holds keys: it syncs with the devices of its accounts and with blind replicas.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use libp2p::Multiaddr;
use parking_lot::Mutex;
use policy_core::{PeerKey, Timestamp, UserId};
use sea_orm::DatabaseConnection;
use sync_core::{Limits, Scope};
use tokio::sync::watch;

use crate::announced::Announced;
use crate::driver::Context;
use crate::ledger::{Ledger, Peer, PeerKind};
use crate::link::{self, Dialling, Hub};
use crate::live::Lives;
use crate::member::{Member, MemberStore};
use crate::pairing::{self, Code, Invites};
use crate::reach::Reach;
use crate::store::{Moved, StoreError};
use crate::swarm::SwarmHandle;
use crate::trace::Trace;
use crate::waiting::Waits;
use crate::{Identity, PeerAddr, StartError};

/// How a node meets its peers.
#[derive(Debug, Clone)]
pub struct Options {
    /// Multiaddrs to listen on; empty: the port chosen before if it is free, else any, on loopback.
    pub listen: Vec<String>,
    /// Where others reach the node, if not where it listens: told in its place.
    pub announce: Vec<Announced>,
    /// Where peers are reached now that are dialled, whatever they were known by before: a home that has moved is not found
    /// any more by devices that joined it elsewhere. Nobody becomes a peer by it.
    pub peers: Vec<PeerAddr>,
    pub identity: Identity,
    /// The node database: sync keeps its peers and what it owes them there.
    pub database: DatabaseConnection,
    /// What may be dialled for people who are not the operator.
    pub reach: Reach,
    /// Record every decoded message here, for tests that search them (`ALLOD_SYNC_TRACE`).
    pub trace: Option<PathBuf>,
}

/// The running peer-to-peer side of a node. Cheap to clone; [`SyncNode::shutdown`], or dropping the last
/// clone, stops it.
#[derive(Clone)]
pub struct SyncNode {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) identity: Identity,
    pub(crate) store: Arc<MemberStore>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) lives: Arc<Lives>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) dialling: Arc<Dialling>,
    /// Where we listen, and where others are told that we do.
    addrs: Vec<String>,
    announced: Vec<String>,
    stop: watch::Sender<bool>,
    links: Arc<Mutex<HashSet<PeerKey>>>,
    invites: Arc<Invites>,
    pub(crate) waiting: Arc<Waits>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.lives.stop_all();
    }
}

/// The name of the setting that remembers the chosen port.
const LISTEN: &str = "listen";

impl SyncNode {
    /// Listens, and begins to sync with every peer it knows.
    pub async fn start(vault: Arc<dyn Member>, options: Options) -> Result<SyncNode, StartError> {
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

        let announced = options.announce.iter().map(|addr| addr.of(&options.identity.peer_id())).collect();
        let own = options.identity.peer();
        let store = Arc::new(MemberStore { vault, ledger: Arc::clone(&ledger), own });
        let context = Arc::new(Context {
            store: Arc::clone(&store) as Arc<dyn crate::Store>,
            ledger: Some(Arc::clone(&ledger)),
            trace: trace.clone(),
            limits: Limits::default(),
            waits: AtomicBool::default(),
        });
        let lives = Lives::new(own);
        let (stop, stopped) = watch::channel(false);
        let hub = Arc::new(Hub {
            swarm,
            context,
            lives: Arc::clone(&lives),
            stopped: stopped.clone(),
            turned_away: link::TurnedAway::default(),
        });
        tokio::spawn(link::accept(Arc::clone(&hub)));
        tokio::spawn(keep(Arc::clone(&store), Arc::clone(&ledger), stopped));
        let invites = Invites::open(Arc::clone(&ledger)).await.map_err(store_failed)?;
        let node = SyncNode {
            inner: Arc::new(Inner {
                identity: options.identity,
                store,
                ledger,
                lives,
                hub,
                dialling: Arc::new(Dialling::new(options.reach, options.peers.clone())),
                addrs,
                announced,
                stop,
                links: Arc::default(),
                invites: Arc::new(invites),
                waiting: Arc::default(),
            }),
        };
        for named in &options.peers {
            if node.inner.ledger.peers_with(named.key).is_empty() {
                tracing::warn!(addr = %named, "this node dials no such peer: it is neither a replica nor the node that this one joined");
            }
        }
        node.dial_peers();
        Ok(node)
    }

    /// Lets devices of `vault`'s accounts join by one-time codes from now on.
    pub fn accept_devices(&self, vault: vault::Vault) {
        let (hub, invites) = (Arc::clone(&self.inner.hub), Arc::clone(&self.inner.invites));
        let member = Arc::clone(&self.inner.store.vault);
        tokio::spawn(pairing::accept(hub, vault, member, invites, self.inner.identity.peer()));
    }

    /// Forgets what is kept of an account that is gone: its peers, where they are reached, what they hold, and codes that
    /// wait for a device. Again is no change.
    pub async fn forget_account(&self, user: UserId) -> Result<(), StoreError> {
        self.inner.invites.forget(user).await?;
        for peer in self.inner.ledger.peers_of(user) {
            self.inner.ledger.remove_peer(peer.key, user).await?;
            if let Some(live) = self.inner.lives.get(peer.key) {
                // Whatever else is shared with this peer, it begins again without the account.
                live.stop();
            }
        }
        Ok(())
    }

    /// A one-time code for a new device of `user`; `None`: too many codes wait.
    pub async fn invite(&self, user: UserId) -> Result<Option<Code>, StoreError> {
        let Inner { announced, addrs, .. } = &*self.inner;
        // Addresses of a network within lead whoever is not in it to somebody else.
        let told = if announced.is_empty() { addrs } else { announced };
        self.inner.invites.add(user, self.inner.identity.peer(), told.clone()).await
    }

    /// How many codes of `user` wait for a device.
    pub fn waiting_codes(&self, user: UserId) -> usize {
        self.inner.invites.waiting(user)
    }

    /// Remembers another device of `user`, to be dialled at these addresses.
    pub async fn remember_device(
        database: DatabaseConnection,
        user: UserId,
        key: PeerKey,
        addrs: Vec<String>,
    ) -> Result<(), StoreError> {
        let ledger = Ledger::open(database).await?;
        ledger.add_peer(Peer { key, user, kind: PeerKind::Device, addrs, spaces: None, vouched: true }).await
    }

    /// Our peer id.
    pub fn peer(&self) -> String {
        self.inner.identity.peer_id()
    }

    /// Where we are reached: at what is announced, and where we listen. Each ends in `/p2p/PEER`.
    pub fn addrs(&self) -> Vec<String> {
        self.inner.announced.iter().chain(&self.inner.addrs).cloned().collect()
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

    /// Keeps dialling every peer that has an address and is not being dialled.
    pub(crate) fn dial_peers(&self) {
        for peer in self.inner.ledger.peers() {
            let dialled = !peer.addrs.is_empty() || self.inner.dialling.names(peer.key);
            if dialled && self.inner.links.lock().insert(peer.key) {
                let (hub, ledger) = (Arc::clone(&self.inner.hub), Arc::clone(&self.inner.ledger));
                let (dialling, links) = (Arc::clone(&self.inner.dialling), Arc::clone(&self.inner.links));
                tokio::spawn(link::keep_dialling(hub, ledger, dialling, links, peer.key));
            }
        }
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
                Ok(Moved::Sharing | Moved::Rewritten) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => continue,
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            },
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        let now = wall_clock();
        for scope in moved.drain() {
            let Ok(tips) = store.vault.tips(scope).await else { continue };
            for key in ledger.holders(scope) {
                ledger.lag(key, scope, &tips, now);
            }
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
