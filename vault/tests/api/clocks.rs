//! A clock that was ahead and came back.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use policy_core::{DeviceId, SpaceId, UserId};
use rand::{RngExt, SeedableRng};
use vault::log::{Log, Scope};
use vault::replica::ReplicaLog;
use vault::replicate::Refused;
use vault_core::build;
use vault_core::control::{Piece, Reading};
use vault_core::document::Hlc;
use vault_core::identity::DeviceSecret;
use vault_core::tags::LaneTag;

use crate::node::{Node, handed};

const HOURS: i64 = 2 * 3_600_000_000;
const MINUTE: i64 = 60_000_000;

/// Nodes of one account, the first of which made it.
struct Nodes {
    all: Vec<Node>,
    user: UserId,
    space: SpaceId,
    secrets: Vec<DeviceSecret>,
}

impl Nodes {
    async fn new(count: u64) -> Nodes {
        let home = Node::new().await;
        let account = home.account().await;
        let mut nodes = Nodes { all: vec![home], user: account.user, space: account.space, secrets: Vec::new() };
        for n in 1..count {
            let node = Node::new().await;
            let device = DeviceSecret::random(&mut rand::rngs::StdRng::seed_from_u64(n));
            let keys = device.public(node.vault.transport());
            nodes.all[0].vault.enrol(nodes.user, keys, [n as u8; 32]).await.unwrap();
            nodes.secrets.push(device.clone());
            send(&nodes.all[0], &node, Scope::Account(nodes.user)).await;
            node.vault.join(nodes.user, device).await.unwrap();
            nodes.all.push(node);
        }
        nodes.settle().await;
        nodes
    }

    fn shift(&self, node: usize, by: i64) {
        self.all[node].time.fetch_add(by, Ordering::SeqCst);
    }

    fn pass(&self, time: i64) {
        (0..self.all.len()).for_each(|node| self.shift(node, time));
    }

    /// One node sends another what it lacks, as sync does: whom the other does not take for its clock is told so.
    async fn carry(&self, from: usize, to: usize) -> bool {
        let (from, to) = (&self.all[from], &self.all[to]);
        let mut ahead = false;
        for scope in [Scope::Account(self.user), Scope::Space(self.space)] {
            ahead |= send(from, to, scope).await;
        }
        if ahead {
            from.vault.pull_back(Scope::Space(self.space)).await.unwrap();
        }
        ahead
    }

    /// All nodes meet until nobody has anything for anybody; whether that came about within some minutes.
    async fn settle(&self) -> bool {
        for _ in 0..12 {
            let mut waits = false;
            for from in 0..self.all.len() {
                for to in (0..self.all.len()).filter(|to| *to != from) {
                    waits |= self.carry(from, to).await;
                }
            }
            let tips = |node: &Node| {
                [Scope::Account(self.user), Scope::Space(self.space)].map(|s| node.vault.admission().tips(s))
            };
            if !waits && self.all.windows(2).all(|pair| tips(&pair[0]) == tips(&pair[1])) {
                return true;
            }
            self.pass(2 * MINUTE);
        }
        false
    }

    async fn add(&self, node: usize, text: &str) {
        self.all[node].add(self.user, self.space, &[text]).await.unwrap();
    }

    async fn texts(&self, node: usize) -> Vec<String> {
        let json: serde_json::Value = serde_json::from_str(&self.all[node].texts(self.user, self.space).await).unwrap();
        let mut texts: Vec<_> = json["n"].as_array().unwrap().iter().map(|n| n["t"].as_str().unwrap().into()).collect();
        texts.sort();
        texts
    }

    /// All nodes answer the same, before and after their views are made anew.
    async fn alike(&self) {
        let expected = self.texts(0).await;
        let mut digests = BTreeSet::new();
        for anew in [false, true] {
            for (n, node) in self.all.iter().enumerate() {
                digests.insert(node.vault.doctor(anew, |_, _| {}).await.unwrap().remove(0).digest);
                assert_eq!(self.texts(n).await, expected, "node {n}, anew: {anew}");
            }
        }
        assert_eq!(digests.len(), 1);
    }

    async fn corrections(&self) -> usize {
        let entry = |row: &vault::log::Row| vault_core::frame::Frame::decode(row.body()).unwrap().entries.len();
        let vault = &self.all[0].vault;
        let rows = handed(vault, vault.transport(), Scope::Account(self.user), true, &|_, _| 0).await;
        // All but the genesis, the first device, and those that were enrolled.
        rows.iter().map(entry).sum::<usize>() - 2 - self.secrets.len()
    }
}

/// Puts an entry into the log of a node that does not run.
async fn put(node: &mut Node, user: UserId, frame: Vec<u8>) {
    node.vault.shutdown().await.unwrap();
    let log = Log::open(vault::database::open_log(&vault::data_dir::DataDir::at(node.dir.path())).await.unwrap())
        .await
        .unwrap();
    let log = ReplicaLog::open(log).await.unwrap();
    let (taken, _) = log.take(user, Scope::Account(user), vec![frame]).await.unwrap();
    assert_eq!((taken.stored.len(), taken.refused), (1, None));
    log.close().await.unwrap();
    node.reopen().await;
}

/// Sends what `to` lacks of a scope; a chain that waits for its time keeps back nobody else's. Whether one does.
async fn send(from: &Node, to: &Node, scope: Scope) -> bool {
    let mut ahead: BTreeSet<(LaneTag, DeviceId)> = BTreeSet::new();
    for control in [true, false] {
        loop {
            let held = to.vault.admission().tips(scope);
            let have = |lane: LaneTag, device: DeviceId| match ahead.contains(&(lane, device)) {
                true => u64::MAX,
                false => held.get(&(lane, device)).map_or(0, |(seq, _)| *seq),
            };
            let rows = handed(&from.vault, to.vault.transport(), scope, control, &have).await;
            let chains: Vec<_> = rows.iter().map(|row| (row.lane(), row.device())).collect();
            let frames = rows.into_iter().map(|row| row.into_body()).collect();
            let taken = to.vault.ingest(scope, frames).await.unwrap();
            match taken.refused {
                None => break,
                Some(Refused::Ahead) => drop(ahead.insert(chains[taken.stored.len()])),
                other => panic!("{other:?}"),
            }
        }
    }
    !ahead.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_after_the_clock_came_back_reaches_a_device_at_once() {
    let mut nodes = Nodes::new(2).await;
    let (user, space) = (nodes.user, nodes.space);
    nodes.add(0, "before").await;
    nodes.settle().await;
    nodes.shift(0, HOURS);
    nodes.add(0, "ahead").await;
    nodes.all[0].set_all(user, space, "set ahead").await.unwrap();
    let permits = nodes.all[0].write_permits(user, space).await;
    let more = vault_core::schema::NewCollection { name: "More".into(), ..crate::node::note() };
    nodes.all[0].vault.define(&permits, &[more]).await.unwrap();
    assert_eq!(nodes.all[0].vault.clock_ahead(None), None, "its own clock cannot say so yet");
    assert!(nodes.carry(0, 1).await, "the other device does not take it");
    assert_eq!(nodes.corrections().await, 0, "and while the clock is ahead nothing is pulled back");
    nodes.shift(0, -HOURS);
    nodes.add(0, "later").await;
    assert!(nodes.all[0].vault.clock_ahead(None).is_some_and(|ahead| ahead > 7_000), "now it says so");
    assert_eq!(nodes.all[0].vault.clock_ahead(Some(UserId::from_bytes([9; 16]))), None, "to whom it concerns");

    assert!(nodes.carry(0, 1).await);
    assert_eq!(nodes.corrections().await, 1);
    assert!(!nodes.carry(0, 1).await, "it is taken without waiting");
    assert_eq!(nodes.texts(1).await, ["later", "set ahead", "set ahead"]);
    assert_eq!(nodes.all[0].vault.clock_ahead(None), None);
    for node in &nodes.all {
        assert!(node.vault.schema(space).await.unwrap().collection_named("More").is_some());
    }
    // What a device writes after that wins, and what is written at home after that again.
    nodes.pass(MINUTE);
    nodes.all[1].set_all(user, space, "there").await.unwrap();
    nodes.settle().await;
    assert_eq!(nodes.texts(0).await, ["there"; 3]);
    nodes.add(0, "new").await;
    nodes.settle().await;
    nodes.alike().await;
    // It is done once, and a start finds nothing ahead.
    nodes.all[0].vault.pull_back(Scope::Space(space)).await.unwrap();
    let home = nodes.all.remove(0).restart(true).await;
    nodes.all.insert(0, home);
    nodes.all[0].vault.look_at_clocks().await.unwrap();
    assert_eq!((nodes.corrections().await, nodes.all[0].vault.clock_ahead(None)), (1, None));
    nodes.alike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_entry_and_the_view_changes_nothing() {
    let mut nodes = Nodes::new(2).await;
    let (user, space) = (nodes.user, nodes.space);
    nodes.shift(0, HOURS);
    nodes.add(0, "one").await;
    nodes.all[0].set_all(user, space, "ahead").await.unwrap();
    // The view as it is without the entry.
    nodes.all[0].vault.shutdown().await.unwrap();
    let view = nodes.all[0].dir.path().join("views").join(format!("{space}.view"));
    let stale = std::fs::read(&view).unwrap();
    nodes.all[0].reopen().await;
    nodes.shift(0, -HOURS);
    nodes.all[0].vault.pull_back(Scope::Space(space)).await.unwrap();
    assert_eq!(nodes.corrections().await, 1);
    nodes.all[0].vault.shutdown().await.unwrap();
    std::fs::write(&view, stale).unwrap();
    nodes.all[0].reopen().await;
    assert!(nodes.settle().await);
    nodes.pass(MINUTE);
    nodes.all[1].set_all(user, space, "right").await.unwrap();
    assert!(nodes.settle().await);
    assert_eq!(nodes.texts(0).await, ["right"]);
    nodes.alike().await;
    assert_eq!(nodes.corrections().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_behind_pulls_nothing_back() {
    let nodes = Nodes::new(2).await;
    nodes.add(0, "one").await;
    nodes.settle().await;
    nodes.shift(0, -HOURS);
    nodes.all[0].vault.look_at_clocks().await.unwrap();
    assert!(nodes.all[0].vault.clock_ahead(None).is_some(), "it looks the same from here");
    nodes.add(0, "two").await;
    // A peer's clock is what tells: it takes all.
    assert!(!nodes.carry(0, 1).await);
    for _ in 0..60 {
        nodes.pass(MINUTE / 4);
        nodes.all[0].vault.look_at_clocks().await.unwrap();
    }
    assert_eq!(nodes.corrections().await, 0);
    assert!(nodes.carry(1, 0).await || nodes.texts(1).await == nodes.texts(0).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_another_device_believes_its_clock_after_a_while() {
    let nodes = Nodes::new(1).await;
    nodes.shift(0, HOURS);
    nodes.add(0, "ahead").await;
    nodes.shift(0, -HOURS);
    let look = async || {
        nodes.pass(MINUTE / 4);
        nodes.all[0].vault.look_at_clocks().await.unwrap();
        nodes.all[0].vault.clock_ahead(None).is_some()
    };
    for _ in 0..30 {
        assert!(look().await);
    }
    // A leap begins the time anew.
    nodes.shift(0, 5 * MINUTE);
    for n in 0..40 {
        assert!(look().await, "{n}");
    }
    look().await;
    assert!(!look().await);
    assert_eq!(nodes.corrections().await, 1);
    nodes.add(0, "later").await;
    assert_eq!(nodes.texts(0).await, ["ahead", "later"]);
    nodes.alike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_moves_the_clock_of_others_by_a_correction() {
    let mut nodes = Nodes::new(2).await;
    let (user, space) = (nodes.user, nodes.space);
    let home = &nodes.all[0].vault.clone();
    let by = &nodes.secrets[0].clone();
    nodes.add(0, "home's").await;
    nodes.settle().await;
    let of_home = home.device(user).unwrap();
    let lane = home.admission().tips(Scope::Space(space)).into_keys().find(|(lane, _)| *lane != LaneTag::CONTROL);
    let lane = lane.unwrap().0;
    let entry = |laptop: &Node, device: DeviceId, piece: Piece| {
        let lane_of = laptop.vault.admission().account(user).unwrap();
        let end = laptop.vault.admission().tips(Scope::Account(user)).get(&(LaneTag::CONTROL, by.id)).copied();
        let entry = build::clock_entry(device, &[Reading { space, lane, piece }]);
        let hlc = Hlc::from_parts(1, 0);
        build::account_entries(user, by, vec![entry], &lane_of.heads, end, hlc, &mut rand::rng()).unwrap().into_bytes()
    };
    let all = Piece { first: 1, last: 9, ahead_ms: 1 << 30, floor: Hlc(0), ceiling: Hlc(5) };
    let taken = home.ingest(Scope::Account(user), vec![entry(&nodes.all[1], of_home, all)]).await.unwrap();
    assert!(matches!(taken.refused, Some(Refused::Invalid(_))), "another device's clock: {taken:?}");
    assert_eq!(nodes.corrections().await, 0);

    // A frame of two commits far ahead, of which one only is pulled back, and one that is pushed further.
    nodes.shift(1, HOURS);
    nodes.all[1].add(user, space, &["one", "two"]).await.unwrap();
    let now = nodes.all[0].time.load(Ordering::SeqCst) as u64 / 1_000;
    let right = Hlc::from_parts(now, 0);
    for (piece, why) in [
        (
            Piece { first: 2, last: 2, ahead_ms: HOURS as u64 / 1_000, floor: right, ceiling: right },
            "the other is ahead",
        ),
        (
            Piece { first: 1, last: 2, ahead_ms: 0, floor: Hlc(u64::MAX), ceiling: Hlc(u64::MAX) },
            "never ahead of itself",
        ),
    ] {
        let said = entry(&nodes.all[1], by.id, piece);
        put(&mut nodes.all[1], user, said).await;
        assert!(!send(&nodes.all[1], &nodes.all[0], Scope::Account(user)).await, "its own chain");
        assert!(send(&nodes.all[1], &nodes.all[0], Scope::Space(space)).await, "{why}");
    }
    assert_eq!(nodes.texts(0).await, ["home's"]);
    // The control: both are pulled back, and taken.
    let ms = HOURS as u64 / 1_000;
    let both = Piece { first: 1, last: 2, ahead_ms: ms, floor: Hlc(0), ceiling: right };
    let said = entry(&nodes.all[1], by.id, both);
    put(&mut nodes.all[1], user, said).await;
    nodes.shift(1, -HOURS);
    assert!(nodes.settle().await);
    let laptop = nodes.all.remove(1).restart(true).await;
    nodes.all.push(laptop);
    assert_eq!(nodes.texts(0).await, ["home's", "one", "two"]);
    nodes.alike().await;
}

/// Clocks of three nodes go two hours ahead and come back as they like; at the end all are right.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_leap_lose_nothing() {
    for seed in 0..8 {
        let mut dice = rand::rngs::StdRng::seed_from_u64(seed);
        let nodes = Nodes::new(3).await;
        let mut ahead = [false; 3];
        let mut written = Vec::new();
        for step in 0..24 {
            let node = dice.random_range(0..3);
            match dice.random_range(0..8) {
                0 | 1 => {
                    nodes.shift(node, if ahead[node] { -HOURS } else { HOURS });
                    ahead[node] = !ahead[node];
                }
                2..=4 => {
                    let text = format!("{seed}/{step:02}");
                    nodes.add(node, &text).await;
                    written.push(text);
                }
                5 => nodes.pass(dice.random_range(MINUTE..20 * MINUTE)),
                _ => drop(nodes.carry(node, (node + dice.random_range(1..3)) % 3).await),
            }
        }
        for node in (0..3).filter(|node| ahead[*node]) {
            nodes.shift(node, -HOURS);
        }
        nodes.add(0, "from the first").await;
        nodes.add(1, "from the second").await;
        nodes.add(2, "from the third").await;
        written.extend(["from the first", "from the second", "from the third"].map(str::to_owned));
        written.sort();
        assert!(nodes.settle().await, "seed {seed}: something waits for hours");
        for node in 0..3 {
            assert_eq!(nodes.texts(node).await, written, "seed {seed}, node {node}");
        }
        nodes.alike().await;
        // From now on the last who writes wins.
        for node in [1, 2, 0] {
            nodes.pass(MINUTE);
            nodes.all[node].set_all(nodes.user, nodes.space, &format!("by {node}")).await.unwrap();
            assert!(nodes.settle().await, "seed {seed}");
            assert!(nodes.texts((node + 1) % 3).await.iter().all(|text| *text == format!("by {node}")));
        }
        nodes.alike().await;
    }
}
