//! Nodes with disks, and a network that loses, delays, reorders and repeats.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use policy_core::{DeviceId, SpaceId, Timestamp, UserId};
use sha2::{Digest, Sha256};
use sync_core::{
    Answer, CommitId, Event, Item, Lane, Limits, Message, Question, Reason, Report, Scope, Session, Shared, Tip, Tips,
    Version,
};

use crate::check::Checker;

pub const OWNER: UserId = UserId::from_bytes([1; 16]);
pub const ACCOUNT: Scope = Scope::Account(OWNER);
pub const SPACE: Scope = Scope::Space(SpaceId::from_bytes([2; 16]));

/// splitmix64: all a simulation needs, and the same on every platform.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// One frame on a disk: lane, device, number, previous commit, a commit it rests on, anything.
#[derive(Clone)]
pub struct Row {
    pub scope: Scope,
    pub tip: Tip,
    pub previous: CommitId,
    pub frame: Bytes,
}

pub fn id(frame: &[u8]) -> CommitId {
    CommitId(Sha256::digest(frame).into())
}

fn assemble(lane: Lane, device: DeviceId, seq: u64, previous: CommitId, rests_on: CommitId, body: &[u8]) -> Bytes {
    [&lane.0[..], device.as_bytes(), &seq.to_be_bytes(), &previous.0, &rests_on.0, body].concat().into()
}

#[derive(Default)]
pub struct Node {
    /// Survives a crash.
    pub disk: Vec<Row>,
    acked: BTreeMap<(usize, Scope), Arc<Tips>>,
    sessions: BTreeMap<usize, Session>,
    pub forks: usize,
    /// The devices that this node is and was; the one by which it writes; how many it has been.
    pub own: BTreeSet<DeviceId>,
    pub device: Option<DeviceId>,
    devices: u8,
    /// The end of a chain was written again: sessions begin anew.
    rewritten: bool,
    /// Devices whose clock is ahead of this node's.
    pub ahead: BTreeSet<DeviceId>,
}

/// What a copy of a node's directory holds.
pub struct Copy {
    disk: Vec<Row>,
    acked: BTreeMap<(usize, Scope), Arc<Tips>>,
    own: BTreeSet<DeviceId>,
    device: Option<DeviceId>,
}

impl Node {
    pub fn tips(&self, scope: Scope) -> Tips {
        self.disk.iter().filter(|row| row.scope == scope).map(|row| row.tip).collect()
    }

    /// As the vault does: the end of a chain of our own that is elsewhere what we do not know gives way, and
    /// is written again by another device.
    fn reclaim(&mut self, scope: Scope, tip: Tip, previous: CommitId, frame: &Bytes) -> Option<Tip> {
        let chain = |row: &Row| row.scope == scope && (row.tip.lane, row.tip.device) == (tip.lane, tip.device);
        let before = self.disk.iter().find(|row| chain(row) && row.tip.seq + 1 == tip.seq).map(|row| row.tip.commit);
        if before.unwrap_or(CommitId([0; 32])) != previous {
            return None;
        }
        let mut gone: Vec<Row> = self.disk.iter().filter(|row| chain(row) && row.tip.seq >= tip.seq).cloned().collect();
        let chained = |row: &Row, other: &Row| {
            (row.tip.lane, row.tip.device) == (other.tip.lane, other.tip.device) && row.tip.seq > other.tip.seq
        };
        let rests = |row: &Row, gone: &[Row]| {
            gone.iter().any(|other| row.frame[72..104] == other.tip.commit.0 || chained(row, other))
        };
        for row in self.disk.iter().filter(|row| row.scope == scope && self.own.contains(&row.tip.device)) {
            if !gone.iter().any(|other| other.tip == row.tip) && rests(row, &gone) {
                gone.push(row.clone());
            }
        }
        if gone.iter().any(|row| Some(row.tip.device) == self.device) || self.device == Some(tip.device) {
            self.devices += 1;
            let mut id = *tip.device.as_bytes();
            (id[14], id[15]) = (u8::MAX, self.devices);
            self.device = Some(DeviceId::from_bytes(id));
            self.own.extend(self.device);
        }
        self.disk.retain(|row| !gone.iter().any(|other| other.tip.commit == row.tip.commit));
        self.disk.push(Row { scope, tip, previous, frame: frame.clone() });
        let mut renamed = BTreeMap::new();
        for row in gone {
            let device = self.device.expect("a node that writes");
            let end = self
                .disk
                .iter()
                .rev()
                .find(|other| other.scope == scope && (other.tip.lane, other.tip.device) == (row.tip.lane, device));
            let (seq, previous) = end.map_or((1, CommitId([0; 32])), |end| (end.tip.seq + 1, end.tip.commit));
            let rests = CommitId(row.frame[72..104].try_into().unwrap());
            let rests = renamed.get(&rests).copied().unwrap_or(rests);
            let written = assemble(row.tip.lane, device, seq, previous, rests, &row.frame[104..]);
            let tip = Tip { device, seq, commit: id(&written), ..row.tip };
            renamed.insert(row.tip.commit, tip.commit);
            self.disk.push(Row { scope, tip, previous, frame: written });
            self.rewritten = true;
        }
        Some(tip)
    }

    /// Our own chains that a peer with these tips holds otherwise.
    fn differing(&self, scope: Scope, theirs: &[Tip]) -> Vec<(Lane, DeviceId)> {
        let same = |tip: &&Tip| !self.disk.iter().any(|row| row.scope == scope && row.tip == **tip);
        theirs.iter().filter(same).map(|tip| (tip.lane, tip.device)).collect()
    }

    fn store(&mut self, scope: Scope, frame: &Bytes) -> Result<Tip, (Reason, Option<(Tip, CommitId)>)> {
        let lane = Lane(frame[..16].try_into().unwrap());
        let device = DeviceId::from_slice(&frame[16..32]).unwrap();
        let seq = u64::from_be_bytes(frame[32..40].try_into().unwrap());
        let previous = CommitId(frame[40..72].try_into().unwrap());
        let rests_on = CommitId(frame[72..104].try_into().unwrap());
        let tip = Tip { lane, device, seq, commit: id(frame) };
        if self.ahead.contains(&device) {
            return Err((Reason::Ahead, None));
        }
        if self.own.contains(&device) {
            let same = self.disk.iter().any(|row| row.scope == scope && row.tip == tip);
            return if same { Ok(tip) } else { self.reclaim(scope, tip, previous, frame).ok_or((Reason::Gap, None)) };
        }
        let of_chain = |row: &&Row| row.scope == scope && (row.tip.lane, row.tip.device) == (lane, device);
        if let Some(held) = self.disk.iter().filter(of_chain).find(|row| row.tip.seq == seq) {
            let fork = (Reason::Forked, Some((held.tip, tip.commit)));
            return if held.tip.commit == tip.commit { Ok(tip) } else { Err(fork) };
        }
        let last = self.disk.iter().rev().find(of_chain).map_or((0, CommitId([0; 32])), |r| (r.tip.seq, r.tip.commit));
        let rests = rests_on.0 == [0; 32] || self.disk.iter().any(|row| row.tip.commit == rests_on);
        if last.0 + 1 != seq || !rests {
            return Err((Reason::Gap, None));
        }
        if last.1 != previous {
            // The frame rests on another commit than the one held at the number before it.
            let held = Tip { seq: last.0, commit: last.1, ..tip };
            return Err((Reason::Forked, Some((held, previous))));
        }
        self.disk.push(Row { scope, tip, previous, frame: frame.clone() });
        Ok(tip)
    }
}

enum Flying {
    Message { from: usize, to: usize, connection: u64, bytes: Bytes },
    Answer { node: usize, peer: usize, connection: u64, ticket: sync_core::Ticket, answer: Answer },
}

pub struct World {
    pub nodes: Vec<Node>,
    pub dice: Dice,
    pub checker: Checker,
    /// Of 1,000 messages, so many are lost, and so many come twice.
    pub lost: u64,
    pub twice: u64,
    /// What a peer speaks; a link speaks what both do.
    pub versions: Vec<Version>,
    limits: Limits,
    now: i64,
    written: u64,
    /// What was written on disks that are gone, and nowhere else.
    gone: BTreeSet<Vec<u8>>,
    connections: BTreeMap<(usize, usize), u64>,
    flying: Vec<(i64, Flying)>,
}

fn link(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    pub fn new(nodes: usize, seed: u64) -> Self {
        let limits = Limits {
            window_bytes: 2_000,
            batch_bytes: 500,
            resend_us: 2_000_000,
            announce_us: 1_000_000,
            silence_us: 20_000_000,
            ..Limits::default()
        };
        let versions = vec![Version::Two; nodes];
        let nodes = (0..nodes).map(|_| Node::default()).collect();
        let connections = BTreeMap::new();
        let checker = Checker::default();
        World {
            nodes,
            dice: Dice(seed),
            checker,
            lost: 0,
            twice: 0,
            versions,
            limits,
            now: 0,
            written: 0,
            gone: BTreeSet::new(),
            connections,
            flying: Vec::new(),
        }
    }

    /// Opens a connection anew at both ends; what was under way on the old one is gone.
    pub fn connect(&mut self, a: usize, b: usize) {
        *self.connections.entry(link(a, b)).or_default() += 1;
        for (node, peer) in [(a, b), (b, a)] {
            let version = self.version(a, b);
            let mut session = Session::new(self.limits, version, Timestamp(self.now));
            for scope in [ACCOUNT, SPACE] {
                let tips = Arc::new(self.nodes[node].tips(scope));
                let acked = self.nodes[node].acked.get(&(peer, scope)).cloned().unwrap_or_default();
                let own = self.nodes[node].own.clone();
                assert!(session.share(Shared { scope, owner: OWNER, tips, acked, own }));
            }
            self.nodes[node].sessions.insert(peer, session);
            self.checker.met(node, peer, &self.nodes[peer].disk);
        }
        self.pump();
    }

    fn version(&self, a: usize, b: usize) -> Version {
        self.versions[a].min(self.versions[b])
    }

    /// Whether a node says that it and the peer hold the same.
    pub fn settled(&self, node: usize, peer: usize) -> bool {
        self.nodes[node].sessions.get(&peer).is_some_and(Session::is_settled)
    }

    /// A copy of what a node has on its disk.
    pub fn copy(&self, node: usize) -> Copy {
        let Node { disk, acked, own, device, .. } = &self.nodes[node];
        Copy { disk: disk.clone(), acked: acked.clone(), own: own.clone(), device: *device }
    }

    /// Puts a copy back; the node is alone until it crashes, which connects it anew.
    pub fn put_back(&mut self, node: usize, copy: Copy) {
        // What nobody else has is gone with the disk.
        let bodies = |disk: &[Row]| disk.iter().map(|row| row.frame[104..112].to_vec()).collect::<BTreeSet<_>>();
        let others = self.nodes.iter().enumerate().filter(|(n, _)| *n != node).map(|(_, node)| bodies(&node.disk));
        let kept: BTreeSet<_> = others.flatten().chain(bodies(&copy.disk)).collect();
        self.gone.extend(bodies(&self.nodes[node].disk).difference(&kept).cloned());
        let Copy { disk, acked, own, device } = copy;
        let back = &mut self.nodes[node];
        (back.disk, back.acked, back.own, back.device) = (disk, acked, own, device);
        for peer in 0..self.nodes.len() {
            self.nodes[node].sessions.remove(&peer);
            self.nodes[peer].sessions.remove(&node);
        }
    }

    /// A start that sees that its files are a copy: another device writes from now on.
    pub fn renew(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.devices += 1;
        let mut id = *node.device.expect("a node that writes").as_bytes();
        // Never the id that it had: all bytes of a first one are alike.
        (id[14], id[15]) = (u8::MAX, node.devices);
        node.device = Some(DeviceId::from_bytes(id));
        node.own.extend(node.device);
    }

    /// Whether every node holds everything that was ever written, but for what was only on a disk that is gone.
    pub fn nothing_lost(&self) -> bool {
        let holds = |node: &Node, n: u64| node.disk.iter().any(|row| row.frame[104..112] == n.to_be_bytes());
        let kept = (1..=self.written).filter(|n| !self.gone.contains(n.to_be_bytes().as_slice()));
        kept.into_iter().all(|n| self.nodes.iter().all(|node| holds(node, n)))
    }

    pub fn crash(&mut self, node: usize) {
        for peer in 0..self.nodes.len() {
            if peer != node {
                self.connect(node, peer);
            }
        }
    }

    pub fn write(&mut self, node: usize, scope: Scope, lane: Lane, device: DeviceId, rests: bool) {
        let chain = self.nodes[node]
            .disk
            .iter()
            .rev()
            .find(|row| row.scope == scope && (row.tip.lane, row.tip.device) == (lane, device));
        let (seq, previous) = chain.map_or((1, CommitId([0; 32])), |row| (row.tip.seq + 1, row.tip.commit));
        let of = &self.nodes[node];
        // Where chains are written again, a commit rests on what is of its own lane: documents do.
        let near = |row: &&Row| of.device.is_none() || row.tip.lane == lane;
        let newest = of.disk.iter().rfind(near).map(|row| row.tip.commit);
        let newest = newest.filter(|_| rests && lane != Lane::CONTROL);
        self.written += 1;
        let mut body = self.written.to_be_bytes().to_vec();
        body.extend(vec![7; self.dice.below(300) as usize]);
        let frame = assemble(lane, device, seq, previous, newest.unwrap_or(CommitId([0; 32])), &body);
        let tip = Tip { lane, device, seq, commit: id(&frame) };
        self.nodes[node].disk.push(Row { scope, tip, previous, frame });
        self.moved(node, scope);
        self.pump();
    }

    fn moved(&mut self, node: usize, scope: Scope) {
        let tips = Arc::new(self.nodes[node].tips(scope));
        for session in self.nodes[node].sessions.values_mut() {
            session.moved(scope, Arc::clone(&tips));
        }
    }

    /// Runs `us` microseconds of virtual time.
    pub fn run(&mut self, us: i64) {
        let end = self.now + us;
        loop {
            let due = self.nodes.iter().flat_map(|node| node.sessions.values()).map(|s| s.poll_timeout().0).min();
            let flight = self.flying.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(i, (at, _))| (i, *at));
            let next = due.into_iter().chain(flight.map(|(_, at)| at)).min().unwrap_or(i64::MAX).max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            match flight {
                Some((i, at)) if at <= next => {
                    // What is due at the same time comes in the order in which it was sent.
                    let (_, flying) = self.flying.remove(i);
                    self.arrive(flying);
                }
                _ => {
                    for node in &mut self.nodes {
                        for session in node.sessions.values_mut() {
                            session.tick(Timestamp(next));
                        }
                    }
                }
            }
            self.pump();
        }
    }

    fn arrive(&mut self, flying: Flying) {
        let now = Timestamp(self.now);
        match flying {
            Flying::Message { from, to, connection, bytes } => {
                let version = self.version(from, to);
                let session = self.nodes[to].sessions.get_mut(&from);
                if let Some(session) = session.filter(|_| self.connections[&link(from, to)] == connection) {
                    let message = Message::decode(bytes, version).expect("our own encoding");
                    if session.can_take() {
                        session.handle(message, now).expect("within the bounds");
                    }
                }
            }
            Flying::Answer { node, peer, connection, ticket, answer } => {
                if self.connections[&link(node, peer)] == connection
                    && let Some(session) = self.nodes[node].sessions.get_mut(&peer)
                {
                    session.answer(ticket, answer, now);
                }
            }
        }
    }

    /// Carries out all that the sessions ask for.
    fn pump(&mut self) {
        for node in 0..self.nodes.len() {
            for peer in 0..self.nodes.len() {
                while let Some(session) = self.nodes[node].sessions.get_mut(&peer) {
                    let connection = self.connections[&link(node, peer)];
                    if let Some(event) = session.poll_event(Timestamp(self.now)) {
                        self.event(node, peer, connection, event);
                    } else if let Some(message) = session.poll_transmit() {
                        self.checker.sent(node, peer, connection, &message, &self.nodes[node].disk);
                        self.send(node, peer, connection, &message);
                    } else {
                        break;
                    }
                }
                if self.settled(node, peer) {
                    self.checker.settled(node, peer, &self.nodes[node].disk);
                }
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, connection: u64, message: &Message) {
        if self.lost > 0 || self.twice > 0 {
            // No stream does that, and none on which it was done says when everything is there.
            self.checker.disturbed(from, to);
        }
        let copies = u64::from(self.dice.below(1_000) >= self.lost) + u64::from(self.dice.below(1_000) < self.twice);
        for _ in 0..copies {
            let at = self.now + 1_000 + self.dice.below(if self.lost > 0 { 50_000 } else { 1 }) as i64;
            let bytes = message.encode(self.version(from, to));
            self.flying.push((at, Flying::Message { from, to, connection, bytes }));
        }
    }

    fn event(&mut self, node: usize, peer: usize, connection: u64, event: Event) {
        match event {
            Event::Ask(ticket, question) => {
                let answer = self.answer(node, question);
                if std::mem::take(&mut self.nodes[node].rewritten) {
                    return self.crash(node);
                }
                let at = self.now + self.dice.below(5_000) as i64;
                self.flying.push((at, Flying::Answer { node, peer, connection, ticket, answer }));
            }
            Event::Holds { scope, tips } => {
                self.checker.believed(scope, &tips, &self.nodes[peer].disk);
                self.nodes[node].acked.insert((peer, scope), tips);
            }
            Event::Report(Report::Fork { .. }) => self.nodes[node].forks += 1,
            Event::Report(_) => {}
            Event::Gone => self.connect(node, peer),
        }
    }

    fn answer(&mut self, node: usize, question: Question) -> Answer {
        match question {
            Question::Admit(_) => Answer::Admitted(Vec::new()),
            Question::Compare { scope, theirs } => Answer::Compared(self.nodes[node].differing(scope, &theirs)),
            Question::Read { scope, control, after, have, max_bytes } => {
                let disk = &self.nodes[node].disk;
                let mut items = Vec::new();
                let (mut bytes, mut position, mut end) = (0, after, true);
                for (at, row) in disk.iter().enumerate().skip(after as usize) {
                    let wanted = row.scope == scope && (row.tip.lane == Lane::CONTROL) == control;
                    if wanted && have.seq(row.tip.lane, row.tip.device) < row.tip.seq {
                        bytes += row.frame.len();
                        if bytes > max_bytes && !items.is_empty() {
                            end = false;
                            break;
                        }
                        items.push(Item { position: at as u64 + 1, tip: row.tip, frame: row.frame.clone() });
                    }
                    position = at as u64 + 1;
                }
                Answer::Read { items, position, end }
            }
            Question::Store { scope, frames } => {
                let mut stored = Vec::new();
                let (mut refused, mut fork) = (None, None);
                for frame in &frames {
                    match self.nodes[node].store(scope, frame) {
                        Ok(tip) => stored.push(tip),
                        Err((reason, proof)) => {
                            (refused, fork) = (Some(reason), proof);
                            break;
                        }
                    }
                }
                self.moved(node, scope);
                Answer::Stored { stored, refused, fork }
            }
        }
    }
}
