//! Keeps sessions going: dials for ever, with back-off, and takes what comes in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::SelectAll;
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use libp2p_stream::OpenStreamError;
use parking_lot::Mutex;
use policy_core::{PeerKey, UserId};
use rand::RngExt;
use sync_core::Version;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use crate::dials::Dials;
use crate::driver::{self, Context, End};
use crate::identity::{PeerAddr, key_of, libp2p_id, peer_id};
use crate::ledger::{Ledger, Peer};
use crate::live::Lives;
use crate::reach::Reach;
use crate::store::Remote;
use crate::swarm::SwarmHandle;

/// The protocol of sync, newest version first: what is dialled is the first that the peer speaks.
const SYNC: [(StreamProtocol, Version); 2] =
    [(StreamProtocol::new("/allod/sync/2"), Version::Two), (StreamProtocol::new("/allod/sync/1"), Version::One)];

const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(15);
/// As long as nobody but a person with an account has named the address.
const BACKOFF_OTHERS: Duration = Duration::from_secs(300);
/// A session that lasted this long starts the back-off anew.
const GOOD: Duration = Duration::from_secs(5);

/// What all sessions of a node share.
pub(crate) struct Hub {
    pub(crate) swarm: SwarmHandle,
    pub(crate) context: Arc<Context>,
    pub(crate) lives: Arc<Lives>,
    pub(crate) stopped: watch::Receiver<bool>,
    pub(crate) turned_away: TurnedAway,
}

/// Peers that were turned away, told at a bounded rate: anybody can come, as often as they like.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway(Mutex<(Option<Instant>, u64)>);

impl TurnedAway {
    /// A line of the log at most so often.
    const EVERY: Duration = Duration::from_secs(10);

    /// Counts one; how many to tell of, if it is time.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut counted = self.0.lock();
        counted.1 += 1;
        if counted.0.is_some_and(|told| now.duration_since(told) < Self::EVERY) {
            return None;
        }
        let times = std::mem::take(&mut counted.1);
        counted.0 = Some(now);
        Some(times)
    }
}

/// Takes sessions that peers open. Peers that nothing is shared with are dropped at once.
pub(crate) async fn accept(hub: Arc<Hub>) {
    let mut streams = SelectAll::new();
    for (name, version) in SYNC {
        let Ok(incoming) = hub.swarm.control().accept(name) else { return };
        streams.push(incoming.map(move |(peer, stream)| (peer, (stream, version))));
    }
    let mut stopped = hub.stopped.clone();
    loop {
        let (peer, stream) = tokio::select! {
            _ = stopped.changed() => return,
            next = streams.next() => match next {
                Some(next) => next,
                None => return,
            },
        };
        let Some(key) = key_of(&peer) else { continue };
        let remote = Remote { key, loopback: hub.swarm.is_loopback(&peer) };
        let hub = Arc::clone(&hub);
        tokio::spawn(async move {
            match hub.context.store.knows(remote).await {
                Ok(true) => hub.swarm.know(peer).await,
                Ok(false) => {
                    if let Some(times) = hub.turned_away.count(Instant::now()) {
                        let said = "peers that nothing is shared with were turned away; the last of them is named";
                        tracing::warn!(target: "allod::sync", %peer, times, "{said}");
                    }
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "a peer was turned away");
                    return;
                }
            }
            if let Some(seat) = hub.lives.sit(key, false) {
                let end = driver::run(stream, remote, seat, Arc::clone(&hub.context)).await;
                tracing::debug!(%peer, %end, "a session ended");
            }
        });
    }
}

/// Opens a stream of the newest version that the peer speaks.
async fn open(hub: &Hub, peer: PeerId) -> Result<(libp2p::Stream, Version), String> {
    let mut refused = String::new();
    for (name, version) in SYNC {
        match hub.swarm.control().open_stream(peer, name).await {
            Ok(stream) => return Ok((stream, version)),
            Err(error @ OpenStreamError::UnsupportedProtocol(_)) => refused = error.to_string(),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(refused)
}

/// When and where peers are dialled.
pub(crate) struct Dialling {
    /// Who waits for their peers, or changed them.
    nudges: broadcast::Sender<UserId>,
    nudged: Mutex<HashMap<UserId, Instant>>,
    pub(crate) reach: Reach,
    pub(crate) dials: Dials,
    /// Where the operator says that peers are reached now.
    named: Vec<PeerAddr>,
}

/// How often peers are tried at once because somebody waits for them.
const NUDGED: Duration = Duration::from_secs(5);

impl Dialling {
    pub(crate) fn new(reach: Reach, named: Vec<PeerAddr>) -> Dialling {
        Dialling { nudges: broadcast::Sender::new(64), nudged: Mutex::default(), reach, dials: Dials::default(), named }
    }

    /// Whether the operator says where this peer is reached.
    pub(crate) fn names(&self, key: PeerKey) -> bool {
        self.named.iter().any(|named| named.key == key)
    }

    /// The peers of this person are tried at once, and nobody else's: whoever asks over and over makes none of them tried
    /// more often than every five seconds. Whether they are.
    pub(crate) fn nudge(&self, user: UserId, now: Instant) -> bool {
        let mut nudged = self.nudged.lock();
        nudged.retain(|_, at| now.saturating_duration_since(*at) < NUDGED);
        if nudged.contains_key(&user) {
            return false;
        }
        nudged.insert(user, now);
        // Where nobody listens every peer is connected.
        let _ = self.nudges.send(user);
        true
    }

    /// The addresses of a peer that may be dialled now, and whether the operator named one of them.
    fn addresses(&self, known: &[Peer]) -> Result<(Vec<Multiaddr>, bool), String> {
        let named = |named: &&PeerAddr| known.iter().any(|peer| peer.key == named.key);
        let mut addrs: Vec<_> = self.named.iter().filter(named).map(|named| named.addr.clone()).collect();
        let mut vouched = !addrs.is_empty();
        let mut refused = None;
        for peer in known {
            for addr in peer.addrs.iter().filter_map(|addr| addr.parse::<Multiaddr>().ok()) {
                // Asked again at each dial: what the operator allows may have changed, and so may the
                // addresses of this machine.
                match self.reach.refuses(&addr) {
                    Some(reason) if !peer.vouched => refused = Some(reason),
                    _ => addrs.push(addr),
                }
            }
            vouched |= peer.vouched;
        }
        if addrs.is_empty()
            && let Some(reason) = refused
        {
            return Err(format!("its address is not dialled: {reason}"));
        }
        let now = Instant::now();
        if !vouched && !known.iter().any(|peer| self.dials.take(peer.user, now)) {
            return Err("too many addresses were dialled for its owner in the last minute".to_owned());
        }
        Ok((addrs, vouched))
    }
}

/// Waits until whoever named the peer wants it tried.
async fn nudged(nudges: &mut broadcast::Receiver<UserId>, known: &[Peer]) {
    loop {
        match nudges.recv().await {
            Ok(user) if known.iter().any(|peer| peer.user == user) => return,
            Ok(_) => {}
            // It may have been among those that were missed.
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Dials a peer for as long as somebody has named it.
pub(crate) async fn keep_dialling(
    hub: Arc<Hub>,
    ledger: Arc<Ledger>,
    dialling: Arc<Dialling>,
    links: Arc<Mutex<HashSet<PeerKey>>>,
    key: PeerKey,
) {
    let (Some(id), Some(name)) = (libp2p_id(key), peer_id(key)) else { return };
    let mut stopped = hub.stopped.clone();
    let mut changes = hub.lives.changes();
    let mut wait = BACKOFF_FIRST;
    loop {
        if *stopped.borrow() {
            return;
        }
        let known = {
            // Under the lock: whoever names the peer again finds this link gone, or this finds the name.
            let mut links = links.lock();
            let mut known = ledger.peers_with(key);
            if !dialling.names(key) {
                known.retain(|peer| !peer.addrs.is_empty());
            }
            if known.is_empty() {
                links.remove(&key);
                return;
            }
            known
        };
        if hub.lives.get(key).is_some() {
            // The peer dialled us.
            tokio::select! {
                _ = stopped.changed() => return,
                _ = changes.changed() => continue,
            }
        }
        let began = Instant::now();
        // Who wants it tried while it is being dialled has it tried once more.
        let mut nudges = dialling.nudges.subscribe();
        let mut most = MAX_BACKOFF;
        let ended = async {
            let (addrs, vouched) = dialling.addresses(&known)?;
            if !vouched {
                most = BACKOFF_OTHERS;
            }
            hub.swarm.connect(id, addrs).await?;
            let stream = open(&hub, id).await?;
            let Some(seat) = hub.lives.sit(key, true) else { return Ok(None) };
            let remote = Remote { key, loopback: hub.swarm.is_loopback(&id) };
            Ok::<_, String>(Some(driver::run(stream, remote, seat, Arc::clone(&hub.context)).await))
        };
        match ended.await {
            Ok(Some(End::Closed | End::Stopped) | None) => {}
            Ok(Some(end)) => {
                tracing::warn!(peer = %name, %end, "a session ended");
                ledger.note(key, end.to_string());
            }
            Err(error) => {
                tracing::debug!(peer = %name, %error, "a peer is not reachable");
                ledger.note(key, format!("not reachable: {error}"));
            }
        }
        if began.elapsed() >= GOOD {
            wait = BACKOFF_FIRST;
        }
        // Between half and all of the time: peers that went away together do not come back together.
        let some = wait.mul_f64(rand::rng().random_range(0.5..=1.0));
        tokio::select! {
            _ = stopped.changed() => return,
            () = nudged(&mut nudges, &known) => wait = BACKOFF_FIRST,
            () = tokio::time::sleep(some) => wait = (wait * 2).min(most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_has_their_own_peers_tried_and_not_over_and_over() {
        let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let dialling = Dialling::new(Reach::new(Vec::new()), Vec::new());
        let peer = |user| Peer {
            key: PeerKey([7; 32]),
            user,
            kind: crate::ledger::PeerKind::Replica,
            addrs: Vec::new(),
            spaces: None,
            vouched: false,
        };
        let (of_alice, of_bob) = ([peer(alice)], [peer(bob)]);
        let (mut ours, mut others) = (dialling.nudges.subscribe(), dialling.nudges.subscribe());
        let (tried, other) = (nudged(&mut ours, &of_alice), nudged(&mut others, &of_bob));
        let now = Instant::now();
        assert!(dialling.nudge(alice, now));
        tried.await;
        assert!(futures::FutureExt::now_or_never(other).is_none(), "another's is not");
        assert!(!dialling.nudge(alice, now + NUDGED / 2), "so soon");
        assert!(dialling.nudge(bob, now + NUDGED / 2), "control: somebody else");
        assert!(dialling.nudge(alice, now + NUDGED));
    }

    #[test]
    fn a_flood_of_strangers_is_a_line_now_and_then() {
        let (away, begun) = (TurnedAway::default(), Instant::now());
        assert_eq!(away.count(begun), Some(1), "the first is told at once");
        for n in 0..1_000 {
            assert_eq!(away.count(begun + Duration::from_millis(n)), None);
        }
        assert_eq!(away.count(begun + TurnedAway::EVERY), Some(1_001), "and none is forgotten");
    }
}
