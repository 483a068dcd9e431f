//! What must hold, checked from outside: nothing here calls the code under test but its plain data.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use policy_core::DeviceId;
use sync_core::{CommitId, Lane, Message, Scope, Tip, Tips};

use crate::world::Row;

/// Watches the wire and the disks.
#[derive(Default)]
pub struct Checker {
    /// (sender, receiver, connection, batch) -> ends of the frames.
    batches: HashMap<(usize, usize, u64, u64), Vec<CommitId>>,
    /// (node, peer) -> what the peer held when they met, as long as nothing between them was lost, doubled or overtaken.
    met: HashMap<(usize, usize), Vec<Tip>>,
    /// Devices of whom a number stands for two commits.
    pub twins: BTreeSet<DeviceId>,
}

impl Checker {
    pub fn sent(&mut self, from: usize, to: usize, connection: u64, message: &Message, disk: &[Row]) {
        match message {
            Message::Data { batch, frames, .. } => {
                let ids = frames.iter().map(|frame| crate::world::id(frame)).collect();
                self.batches.insert((from, to, connection, *batch), ids);
            }
            Message::Ack { batch, .. } => {
                let ids = &self.batches[&(to, from, connection, *batch)];
                for id in ids {
                    assert!(disk.iter().any(|row| row.tip.commit == *id), "acknowledged and not on disk");
                }
            }
            _ => {}
        }
    }

    /// A session begins.
    pub fn met(&mut self, node: usize, peer: usize, disk: &[Row]) {
        self.met.insert((node, peer), disk.iter().map(|row| row.tip).collect());
    }

    /// Messages between the two do not come as a stream brings them.
    pub fn disturbed(&mut self, a: usize, b: usize) {
        self.met.remove(&(a, b));
        self.met.remove(&(b, a));
    }

    /// Who says that nothing is missing holds all that the peer held when they met.
    pub fn settled(&self, node: usize, peer: usize, disk: &[Row]) {
        for tip in self.met.get(&(node, peer)).into_iter().flatten().filter(|tip| !self.twins.contains(&tip.device)) {
            assert!(disk.iter().any(|row| row.tip == *tip), "{node} says that it has all of {peer}, and lacks {tip:?}");
        }
    }

    /// What a node believes of a peer is true.
    pub fn believed(&self, scope: Scope, tips: &Tips, disk: &[Row]) {
        for tip in tips.iter() {
            let held = disk.iter().any(|row| {
                row.scope == scope && (row.tip.lane, row.tip.device) == (tip.lane, tip.device) && row.tip.seq >= tip.seq
            });
            assert!(held, "believed to hold {tip:?}, and does not");
        }
    }

    /// Every chain on a disk is without gaps, and each row names the one before.
    pub fn chains(&self, disk: &[Row]) {
        let mut ends: BTreeMap<(Scope, Lane, DeviceId), (u64, CommitId)> = BTreeMap::new();
        for row in disk {
            let Tip { lane, device, seq, commit } = row.tip;
            let end = ends.entry((row.scope, lane, device)).or_insert((0, CommitId([0; 32])));
            assert_eq!((end.0 + 1, end.1), (seq, row.previous), "a chain has a gap or a fork inside");
            *end = (seq, commit);
        }
    }

    /// All disks hold the same, but for the chains in `but`.
    pub fn converged(&self, disks: &[&[Row]], but: Option<DeviceId>) -> bool {
        let set = |disk: &[Row]| {
            let mut ids: Vec<_> =
                disk.iter().filter(|row| Some(row.tip.device) != but).map(|row| row.tip.commit).collect();
            ids.sort();
            ids
        };
        disks.windows(2).all(|pair| set(pair[0]) == set(pair[1]))
    }
}
