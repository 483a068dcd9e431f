//! The sessions that run now.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use policy_core::PeerKey;
use sync_core::{Scope, Tips};
use tokio::sync::watch;

/// What a running session tells others.
#[derive(Debug)]
pub(crate) struct Live {
    /// We opened the stream.
    pub(crate) outbound: bool,
    /// The peer has offered, and nothing is on its way in either direction that both know of.
    pub(crate) quiet: AtomicBool,
    /// What the peer said in this session that it holds.
    pub(crate) confirmed: Mutex<HashMap<Scope, Arc<Tips>>>,
    stop: watch::Sender<bool>,
}

impl Live {
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// All running sessions, at most one with a peer.
#[derive(Debug)]
pub(crate) struct Lives {
    own: PeerKey,
    all: Mutex<HashMap<PeerKey, Arc<Live>>>,
    changed: watch::Sender<u64>,
}

/// A place among the running sessions; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    lives: Arc<Lives>,
    peer: PeerKey,
    pub(crate) live: Arc<Live>,
    pub(crate) stopped: watch::Receiver<bool>,
}

impl Lives {
    pub(crate) fn new(own: PeerKey) -> Arc<Self> {
        Arc::new(Lives { own, all: Mutex::default(), changed: watch::Sender::new(0) })
    }

    pub(crate) fn get(&self, peer: PeerKey) -> Option<Arc<Live>> {
        self.all.lock().get(&peer).cloned()
    }

    /// Moves whenever a session begins, ends, or learns what its peer holds.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn touch(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    pub(crate) fn stop_all(&self) {
        for live in self.all.lock().values() {
            live.stop();
        }
    }

    /// Takes the place of the peer's session. When two nodes dial each other at once, both keep the
    /// stream that the smaller key opened; otherwise a newer stream replaces an older one, which
    /// may be dead.
    pub(crate) fn sit(self: &Arc<Self>, peer: PeerKey, outbound: bool) -> Option<Seat> {
        let mut all = self.all.lock();
        if let Some(held) = all.get(&peer) {
            let ours_wins = self.own.0 < peer.0;
            if outbound || (held.outbound && ours_wins) {
                return None;
            }
            held.stop();
        }
        let (stop, stopped) = watch::channel(false);
        let live = Arc::new(Live { outbound, quiet: AtomicBool::new(false), confirmed: Mutex::default(), stop });
        all.insert(peer, Arc::clone(&live));
        drop(all);
        self.touch();
        Some(Seat { lives: Arc::clone(self), peer, live, stopped })
    }
}

impl Seat {
    pub(crate) fn confirm(&self, scope: Scope, tips: Arc<Tips>) {
        self.live.confirmed.lock().insert(scope, tips);
        self.lives.touch();
    }

    pub(crate) fn set_quiet(&self, quiet: bool) {
        if self.live.quiet.swap(quiet, Ordering::SeqCst) != quiet {
            self.lives.touch();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut all = self.lives.all.lock();
        if all.get(&self.peer).is_some_and(|held| Arc::ptr_eq(held, &self.live)) {
            all.remove(&self.peer);
        }
        drop(all);
        self.lives.touch();
    }
}
