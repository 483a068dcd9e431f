//! A log in memory with the rules of the real one that sync relies on: chains without gaps, no
//! second commit at a number, positions in order of arrival.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use policy_core::{DeviceId, PeerKey, SpaceId, UserId};
use sync::{Member, Moved, Owned, Recipient, Rows, StoreError, Stored};
use sync_core::{CommitId, Item, Lane, Reason, Scope, Tip, Tips};
use tokio::sync::broadcast;

#[derive(Default)]
struct State {
    rows: BTreeMap<Scope, Vec<(Tip, Bytes)>>,
    devices: HashMap<UserId, Vec<PeerKey>>,
    spaces: HashMap<UserId, Vec<SpaceId>>,
    policy: Says,
    asked: Vec<(Recipient, Scope)>,
}

/// What policy says when a batch of a space is to be handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Says {
    #[default]
    Yes,
    No,
    /// It cannot be asked.
    Nothing,
}

pub struct Memory {
    state: Mutex<State>,
    feed: broadcast::Sender<Moved>,
}

/// A frame: lane, device, number, previous commit, then anything. Its id is a hash of all.
pub fn frame(lane: Lane, device: DeviceId, seq: u64, previous: CommitId, body: &[u8]) -> Bytes {
    let mut bytes = Vec::new();
    bytes.extend(lane.0);
    bytes.extend(device.as_bytes());
    bytes.extend(seq.to_be_bytes());
    bytes.extend(previous.0);
    bytes.extend(body);
    bytes.into()
}

pub fn id(frame: &[u8]) -> CommitId {
    // Good enough for a test: the ends of the frame, folded.
    let mut id = [0u8; 32];
    for (i, byte) in frame.iter().enumerate() {
        id[i % 32] = id[i % 32].rotate_left(3) ^ byte;
    }
    CommitId(id)
}

impl Memory {
    pub fn new(user: UserId, devices: &[PeerKey]) -> Arc<Self> {
        let mut state = State::default();
        state.devices.insert(user, devices.to_vec());
        Arc::new(Memory { state: Mutex::new(state), feed: broadcast::channel(1024).0 })
    }

    pub fn add_space(&self, user: UserId, space: SpaceId) {
        self.state.lock().spaces.entry(user).or_default().push(space);
        let _ = self.feed.send(Moved::Sharing);
    }

    pub fn set_devices(&self, user: UserId, devices: &[PeerKey]) {
        self.state.lock().devices.insert(user, devices.to_vec());
        let _ = self.feed.send(Moved::Sharing);
    }

    pub fn set_policy(&self, says: Says) {
        self.state.lock().policy = says;
    }

    /// As what peers were to be handed rows of which scopes since this was asked last.
    pub fn asked(&self) -> Vec<(Recipient, Scope)> {
        std::mem::take(&mut self.state.lock().asked)
    }

    pub fn write(&self, scope: Scope, lane: Lane, device: DeviceId, body: &[u8]) {
        {
            let mut state = self.state.lock();
            let rows = state.rows.entry(scope).or_default();
            let last = rows.iter().rev().find(|(tip, _)| tip.lane == lane && tip.device == device);
            let (seq, previous) = last.map_or((1, CommitId([0; 32])), |(tip, _)| (tip.seq + 1, tip.commit));
            let bytes = frame(lane, device, seq, previous, body);
            rows.push((Tip { lane, device, seq, commit: id(&bytes) }, bytes));
        }
        let _ = self.feed.send(Moved::Log(scope));
    }

    pub fn holdings(&self, scope: Scope) -> Tips {
        self.state.lock().rows.get(&scope).into_iter().flatten().map(|(tip, _)| *tip).collect()
    }

    pub fn count(&self, scope: Scope) -> usize {
        self.state.lock().rows.get(&scope).map_or(0, Vec::len)
    }
}

#[async_trait]
impl Member for Memory {
    async fn accounts(&self) -> Result<Vec<UserId>, StoreError> {
        Ok(self.state.lock().devices.keys().copied().collect())
    }

    async fn transports(&self, user: UserId) -> Result<Vec<PeerKey>, StoreError> {
        Ok(self.state.lock().devices.get(&user).cloned().unwrap_or_default())
    }

    async fn spaces(&self, user: UserId) -> Result<Vec<SpaceId>, StoreError> {
        Ok(self.state.lock().spaces.get(&user).cloned().unwrap_or_default())
    }

    async fn adopt(&self, owner: UserId, space: SpaceId) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        if !state.devices.contains_key(&owner) {
            return Ok(false);
        }
        let spaces = state.spaces.entry(owner).or_default();
        if !spaces.contains(&space) {
            spaces.push(space);
        }
        Ok(true)
    }

    async fn tips(&self, scope: Scope) -> Result<Arc<Tips>, StoreError> {
        Ok(Arc::new(self.holdings(scope)))
    }

    async fn rows(
        &self,
        to: Recipient,
        Owned { scope, .. }: Owned,
        control: bool,
        after: u64,
        have: &Tips,
        max: usize,
    ) -> Result<Option<Rows>, StoreError> {
        let mut state = self.state.lock();
        state.asked.push((to, scope));
        match (state.policy, scope) {
            (Says::No, Scope::Space(_)) => return Ok(None),
            (Says::Nothing, Scope::Space(_)) => return Err(StoreError("policy cannot decide".to_owned())),
            _ => {}
        }
        let rows = state.rows.get(&scope).map_or(&[][..], Vec::as_slice);
        let mut out = Rows { position: after, end: true, ..Rows::default() };
        let mut bytes = 0;
        for (at, (tip, frame)) in rows.iter().enumerate().skip(after as usize) {
            if (tip.lane == Lane::CONTROL) == control && have.seq(tip.lane, tip.device) < tip.seq {
                if bytes > 0 && bytes + frame.len() > max {
                    out.end = false;
                    break;
                }
                bytes += frame.len();
                out.items.push(Item { position: at as u64 + 1, tip: *tip, frame: frame.clone() });
            }
            out.position = at as u64 + 1;
        }
        Ok(Some(out))
    }

    async fn ingest(&self, _: PeerKey, scope: Scope, frames: Vec<Bytes>) -> Result<Stored, StoreError> {
        let mut out = Stored::default();
        {
            let mut state = self.state.lock();
            let rows = state.rows.entry(scope).or_default();
            for frame in frames {
                if frame.len() < 72 {
                    out.refused = Some(Reason::Invalid);
                    break;
                }
                let lane = Lane(frame[..16].try_into().unwrap());
                let device = DeviceId::from_slice(&frame[16..32]).unwrap();
                let seq = u64::from_be_bytes(frame[32..40].try_into().unwrap());
                let previous = CommitId(frame[40..72].try_into().unwrap());
                let tip = Tip { lane, device, seq, commit: id(&frame) };
                let held = rows.iter().find(|(held, _)| (held.lane, held.device, held.seq) == (lane, device, seq));
                if let Some((held, _)) = held {
                    if held.commit != tip.commit {
                        out.refused = Some(Reason::Forked);
                        out.fork = Some((*held, tip.commit));
                        break;
                    }
                    out.stored.push(tip);
                    continue;
                }
                let last = rows.iter().rev().find(|(held, _)| (held.lane, held.device) == (lane, device));
                let (next, before) = last.map_or((1, CommitId([0; 32])), |(tip, _)| (tip.seq + 1, tip.commit));
                if next != seq {
                    out.refused = Some(Reason::Gap);
                    break;
                }
                if before != previous {
                    out.refused = Some(Reason::Forked);
                    out.fork = last.map(|(tip, _)| (*tip, previous));
                    break;
                }
                rows.push((tip, frame));
                out.stored.push(tip);
            }
        }
        let _ = self.feed.send(Moved::Log(scope));
        Ok(out)
    }

    fn feed(&self) -> broadcast::Receiver<Moved> {
        self.feed.subscribe()
    }
}
