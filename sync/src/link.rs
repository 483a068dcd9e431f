//! Keeps sessions going: dials for ever, with back-off, and takes what comes in.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::{Multiaddr, StreamProtocol};
use policy_core::PeerKey;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::driver::{self, Context, End};
use crate::identity::{key_of, libp2p_id, peer_id};
use crate::ledger::Ledger;
use crate::live::Lives;
use crate::store::Remote;
use crate::swarm::SwarmHandle;

/// The one protocol of sync.
pub(crate) const SYNC: StreamProtocol = StreamProtocol::new("/allod/sync/1");

const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MOST: Duration = Duration::from_secs(15);
/// A session that lasted this long starts the back-off anew.
const GOOD: Duration = Duration::from_secs(5);

/// What all sessions of a node share.
pub(crate) struct Hub {
    pub(crate) swarm: SwarmHandle,
    pub(crate) context: Arc<Context>,
    pub(crate) lives: Arc<Lives>,
    pub(crate) stopped: watch::Receiver<bool>,
}

/// Takes sessions that peers open. Peers that nothing is shared with are dropped at once.
pub(crate) async fn accept(hub: Arc<Hub>) {
    let Ok(mut streams) = hub.swarm.control().accept(SYNC) else { return };
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
                Ok(true) => {}
                Ok(false) => {
                    tracing::debug!(%peer, "a peer that nothing is shared with was turned away");
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

/// Dials a peer for ever.
pub(crate) async fn keep_dialling(hub: Arc<Hub>, ledger: Arc<Ledger>, nudge: Arc<Notify>, key: PeerKey) {
    let (Some(id), Some(name)) = (libp2p_id(key), peer_id(key)) else { return };
    let mut stopped = hub.stopped.clone();
    let mut changes = hub.lives.changes();
    let mut wait = BACKOFF_FIRST;
    loop {
        if *stopped.borrow() {
            return;
        }
        if hub.lives.get(key).is_some() {
            // The peer dialled us.
            tokio::select! {
                _ = stopped.changed() => return,
                _ = changes.changed() => continue,
            }
        }
        let peers = ledger.peers().into_iter().filter(|peer| peer.key == key);
        let addrs: Vec<Multiaddr> = peers.flat_map(|peer| peer.addrs).filter_map(|addr| addr.parse().ok()).collect();
        let began = Instant::now();
        let ended = async {
            hub.swarm.connect(id, addrs).await?;
            let stream = hub.swarm.control().open_stream(id, SYNC).await.map_err(|error| error.to_string())?;
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
        tokio::select! {
            _ = stopped.changed() => return,
            () = nudge.notified() => wait = BACKOFF_FIRST,
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(BACKOFF_MOST),
        }
    }
}
