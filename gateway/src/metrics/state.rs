//! A node at one moment: queues, memory, views, the log, peers.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use sync::PeerLag;
use vault::Figures;
use vault::shares::Use;

/// Peers that have a label of their own: those that are furthest behind. The others are counted.
const PEERS: usize = 64;

/// What is looked at when somebody asks.
#[derive(Debug)]
pub struct State {
    pub vault: Figures,
    pub commit_times: Histogram,
    /// The memory for bodies of requests.
    pub bodies: Use,
    /// Places where large operations are planned.
    pub planning: Use,
    pub sign_ins_waiting: usize,
    pub epoch: u64,
    pub tasks: usize,
    /// For how many seconds what is written cannot be restored; `None`: nothing was backed up.
    pub backup_age_s: Option<i64>,
    /// How many seconds ago a backup was last restored for a test.
    pub backup_tested_s: Option<i64>,
    /// Those that are furthest behind first.
    pub peers: Vec<PeerLag>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    queue: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pool {
    pool: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Peer {
    peer: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reach {
    kind: &'static str,
    reachable: &'static str,
}

fn number(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

impl State {
    pub(super) fn register(&self, registry: &mut Registry) {
        let vault = &self.vault;
        let waiting = Family::<Queue, Gauge>::default();
        for (queue, waits) in [
            ("short_reads", vault.short_reads.waiting),
            ("long_reads", vault.long_reads.waiting),
            ("answers", vault.answers.waiting),
            ("writes", vault.writes_waiting),
            ("bodies", self.bodies.waiting),
            ("plans", self.planning.waiting),
            ("sign_ins", self.sign_ins_waiting),
        ] {
            waiting.get_or_create(&Queue { queue }).set(number(waits));
        }
        registry.register("queue_waiting", "Requests that wait for their turn", waiting);

        let (held, total) = (Family::<Pool, Gauge>::default(), Family::<Pool, Gauge>::default());
        for (pool, usage) in [("bodies", self.bodies), ("answers", vault.answers)] {
            held.get_or_create(&Pool { pool }).set(number(usage.held));
            total.get_or_create(&Pool { pool }).set(number(usage.total));
        }
        registry.register_with_unit("memory_held", "Memory of requests that is in use", Unit::Bytes, held);
        registry.register_with_unit("memory_budget", "Memory that requests may use together", Unit::Bytes, total);
        let (taken, places) = (Family::<Pool, Gauge>::default(), Family::<Pool, Gauge>::default());
        let pools = [("short_reads", vault.short_reads), ("long_reads", vault.long_reads), ("plans", self.planning)];
        for (pool, usage) in pools {
            taken.get_or_create(&Pool { pool }).set(number(usage.held));
            places.get_or_create(&Pool { pool }).set(number(usage.total));
        }
        registry.register("places_taken", "Places to work in that are taken", taken);
        registry.register("places", "Places to work in", places);

        let mut one = |name: &str, help: &str, unit: Option<Unit>, value: i64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(value);
            match unit {
                Some(unit) => registry.register_with_unit(name, help, unit, gauge),
                None => registry.register(name, help, gauge),
            }
        };
        one("writing", "Whether the node takes writes", None, i64::from(vault.writing));
        one("log_size", "What the log takes on disk", Some(Unit::Bytes), number(vault.log_bytes));
        one("views_open", "Views of spaces that are open", None, number(vault.views));
        one("views_size", "What open views take on disk", Some(Unit::Bytes), number(vault.view_bytes));
        one("policy_epoch", "Moved by every change that can alter a decision", None, number(self.epoch));
        for (name, help, age) in [
            ("backup_age", "Since when what is written cannot be restored", self.backup_age_s),
            ("backup_tested", "Since when no backup was restored for a test", self.backup_tested_s),
        ] {
            if let Some(age) = age {
                one(name, help, Some(Unit::Seconds), age);
            }
        }
        one("background_tasks", "Work that runs beside requests", None, number(self.tasks));
        self.register_peers(registry);
    }

    fn register_peers(&self, registry: &mut Registry) {
        let count = Family::<Reach, Gauge>::default();
        for kind in ["device", "replica"] {
            for (reachable, is) in [("yes", true), ("no", false)] {
                let such = self.peers.iter().filter(|peer| peer.kind == kind && peer.reachable == is).count();
                count.get_or_create(&Reach { kind, reachable }).set(number(such));
            }
        }
        registry.register("sync_peers", "Devices and replicas that ought to have this node's data", count);
        let commits = Family::<Peer, Gauge>::default();
        let seconds = Family::<Peer, Gauge<f64, AtomicU64>>::default();
        for lag in self.peers.iter().take(PEERS) {
            let peer = Peer { peer: lag.peer.clone(), kind: lag.kind };
            commits.get_or_create(&peer).set(number(lag.lag_commits));
            seconds.get_or_create(&peer).set(lag.lag_s as f64);
        }
        let help = "Commits that a peer has not acknowledged: of the 64 that are furthest behind";
        registry.register("sync_lag_commits", help, commits);
        let help = "For how long a peer has lacked something: of the 64 that are furthest behind";
        registry.register_with_unit("sync_lag", help, Unit::Seconds, seconds);
    }
}
