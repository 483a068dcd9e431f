//! What sync remembers: its peers, and what each of them is known to hold. It lies in the node
//! database; what peers hold is a cache that may be a second old (a peer is then asked again).

mod forks;
mod table;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use policy_core::{DeviceId, PeerKey, SpaceId, Timestamp, UserId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, Set};
use sea_orm_migration::MigratorTrait;
use sync_core::{CommitId, Lane, Reason, Report, Scope, Tip, Tips};

use crate::store::StoreError;
pub(crate) use forks::{Chain, Forked};
pub use table::Migrator;
use table::{fork, held, invite, peer, setting};

/// Peers that one user may have; `replica add` refuses more.
pub(crate) const PEERS_PER_USER: usize = 64;

/// So many forked chains are kept, and so many of them of one scope: a device can sign as many as it likes.
const FORKS: usize = 1_024;
const FORKS_PER_SCOPE: usize = 64;

/// What a peer is to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerKind {
    /// Another device of the same account.
    Device,
    /// A blind replica that the user configured.
    Replica,
}

/// A peer of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) key: PeerKey,
    pub(crate) user: UserId,
    pub(crate) kind: PeerKind,
    /// Multiaddrs to dial, by line; empty: the peer dials us.
    pub(crate) addrs: Vec<String>,
    /// `None`: all spaces of the user, future ones too.
    pub(crate) spaces: Option<Vec<SpaceId>>,
    /// The operator of this machine named the addresses: they are dialled wherever they lie.
    pub(crate) vouched: bool,
}

#[derive(Debug, Default)]
struct Memory {
    peers: Vec<Peer>,
    held: HashMap<(PeerKey, Scope), Held>,
    unsaved: HashSet<(PeerKey, Scope)>,
    errors: HashMap<PeerKey, String>,
    /// Peers with which changes wait because of a clock, and until when that counts unless it is said again.
    apart: HashMap<PeerKey, (Apart, Timestamp)>,
    /// Chains that have two histories.
    forks: BTreeMap<Chain, Forked>,
    unsaved_forks: HashSet<Chain>,
}

/// Whose clock is so far ahead of the other's that changes wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    Ours,
    Theirs,
}

/// A sender tries again after 20 s.
const APART_US: i64 = 50_000_000;

#[derive(Debug, Clone, Default)]
struct Held {
    tips: Arc<Tips>,
    behind_since: Option<Timestamp>,
}

/// The ledger: read from memory, written behind.
#[derive(Debug)]
pub(crate) struct Ledger {
    database: DatabaseConnection,
    memory: Mutex<Memory>,
}

impl Ledger {
    /// Makes its tables if they are missing, and reads them.
    pub(crate) async fn open(database: DatabaseConnection) -> Result<Arc<Self>, StoreError> {
        Migrator::up(&database, None).await?;
        let mut memory = Memory::default();
        for row in peer::Entity::find().all(&database).await? {
            memory.peers.push(row.try_into()?);
        }
        for row in held::Entity::find().all(&database).await? {
            let (at, tips, behind_since) = row.parse()?;
            memory.held.insert(at, Held { tips: Arc::new(tips), behind_since });
        }
        for row in fork::Entity::find().all(&database).await? {
            let (chain, forked) = row.parse()?;
            memory.forks.insert(chain, forked);
        }
        Ok(Arc::new(Ledger { database, memory: Mutex::new(memory) }))
    }

    pub(crate) fn peers(&self) -> Vec<Peer> {
        self.memory.lock().peers.clone()
    }

    /// The peers of a user.
    pub(crate) fn peers_of(&self, user: UserId) -> Vec<Peer> {
        self.memory.lock().peers.iter().filter(|peer| peer.user == user).cloned().collect()
    }

    /// Whom a key is a peer to.
    pub(crate) fn peers_with(&self, key: PeerKey) -> Vec<Peer> {
        self.memory.lock().peers.iter().filter(|peer| peer.key == key).cloned().collect()
    }

    /// The peers that are known to hold something of a scope.
    pub(crate) fn holders(&self, scope: Scope) -> Vec<PeerKey> {
        self.memory.lock().held.keys().filter(|(_, held)| *held == scope).map(|(key, _)| *key).collect()
    }

    /// Adds a peer of a user, or widens what it is given. On disk when this returns.
    pub(crate) async fn add_peer(self: &Arc<Self>, added: Peer) -> Result<(), StoreError> {
        let ledger = Arc::clone(self);
        to_its_end(async move { ledger.keep_peer(added).await }).await
    }

    async fn keep_peer(&self, mut added: Peer) -> Result<(), StoreError> {
        let known = self.peers().into_iter().find(|known| known.key == added.key && known.user == added.user);
        if let Some(known) = known {
            added.spaces = match (known.spaces, added.spaces) {
                (Some(mut before), Some(more)) => {
                    before.extend(more);
                    before.sort();
                    before.dedup();
                    Some(before)
                }
                _ => None,
            };
            if added.addrs.is_empty() {
                added.addrs = known.addrs;
                added.vouched = known.vouched;
            }
        }
        let columns = [peer::Column::Kind, peer::Column::Addrs, peer::Column::Spaces];
        let clash = OnConflict::columns([peer::Column::Peer, peer::Column::Account]).update_columns(columns).to_owned();
        peer::Entity::insert(peer::ActiveModel::from(&added)).on_conflict(clash).exec(&self.database).await?;
        let mut memory = self.memory.lock();
        memory.peers.retain(|known| (known.key, known.user) != (added.key, added.user));
        memory.peers.push(added);
        Ok(())
    }

    /// Forgets a peer of a user; false: there was none. On disk when this returns.
    pub(crate) async fn remove_peer(self: &Arc<Self>, key: PeerKey, user: UserId) -> Result<bool, StoreError> {
        let ledger = Arc::clone(self);
        to_its_end(async move { ledger.forget_peer(key, user).await }).await
    }

    async fn forget_peer(&self, key: PeerKey, user: UserId) -> Result<bool, StoreError> {
        let row = (key.0.to_vec(), user.as_bytes().to_vec());
        let gone = peer::Entity::delete_by_id(row).exec(&self.database).await?;
        let left = {
            let mut memory = self.memory.lock();
            memory.peers.retain(|known| (known.key, known.user) != (key, user));
            memory.errors.remove(&key);
            memory.peers.iter().any(|known| known.key == key)
        };
        if !left {
            held::Entity::delete_many().filter(held::Column::Peer.eq(key.0.to_vec())).exec(&self.database).await?;
            let mut memory = self.memory.lock();
            memory.held.retain(|(known, _), _| *known != key);
            memory.unsaved.retain(|(known, _)| *known != key);
        }
        Ok(gone.rows_affected > 0)
    }

    /// The one-time codes that wait, sealed by the database as a whole: id, code, wrong tries so far.
    pub(crate) async fn invites(&self) -> Result<Vec<(Vec<u8>, Vec<u8>, i32)>, StoreError> {
        let rows = invite::Entity::find().all(&self.database).await?;
        Ok(rows.into_iter().map(|row| (row.id, row.code, row.tries)).collect())
    }

    /// Keeps a code, or the number of wrong tries at it.
    pub(crate) async fn keep_invite(&self, id: &[u8; 32], code: Vec<u8>, tries: i32) -> Result<(), StoreError> {
        let row = invite::ActiveModel { id: Set(id.to_vec()), code: Set(code), tries: Set(tries) };
        let clash = OnConflict::column(invite::Column::Id).update_column(invite::Column::Tries).to_owned();
        invite::Entity::insert(row).on_conflict(clash).exec_without_returning(&self.database).await?;
        Ok(())
    }

    pub(crate) async fn drop_invite(&self, id: &[u8; 32]) -> Result<(), StoreError> {
        invite::Entity::delete_by_id(id.to_vec()).exec(&self.database).await?;
        Ok(())
    }

    /// A setting of sync, such as the addresses chosen before.
    pub(crate) async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(setting::Entity::find_by_id(name).one(&self.database).await?.map(|row| row.value))
    }

    pub(crate) async fn set(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let row = setting::ActiveModel { name: Set(name.to_owned()), value: Set(value.to_owned()) };
        let clash = OnConflict::column(setting::Column::Name).update_column(setting::Column::Value).to_owned();
        setting::Entity::insert(row).on_conflict(clash).exec(&self.database).await?;
        Ok(())
    }

    /// What a peer acknowledged of a scope.
    pub(crate) fn held(&self, key: PeerKey, scope: Scope) -> Option<Arc<Tips>> {
        self.memory.lock().held.get(&(key, scope)).map(|held| Arc::clone(&held.tips))
    }

    pub(crate) fn holds(&self, key: PeerKey, scope: Scope, tips: Arc<Tips>) {
        let mut memory = self.memory.lock();
        memory.held.entry((key, scope)).or_default().tips = tips;
        memory.unsaved.insert((key, scope));
        memory.errors.remove(&key);
    }

    /// A session with a peer begins: it will show anew whose clock is ahead.
    pub(crate) fn meets(&self, key: PeerKey) {
        self.memory.lock().apart.remove(&key);
    }

    /// Whose clock makes changes wait between this node and a peer.
    pub(crate) fn apart(&self, key: PeerKey, now: Timestamp) -> Option<Apart> {
        self.memory.lock().apart.get(&key).filter(|(_, until)| now < *until).map(|(whose, _)| *whose)
    }

    /// How many of our commits a peer lacks, and since when it lacks the first.
    pub(crate) fn lag(&self, key: PeerKey, scope: Scope, ours: &Tips, now: Timestamp) -> (u64, Option<Timestamp>) {
        let mut memory = self.memory.lock();
        let held = memory.held.entry((key, scope)).or_default();
        let behind = ours.beyond(&held.tips);
        let since = if behind == 0 { None } else { Some(held.behind_since.unwrap_or(now)) };
        if held.behind_since != since {
            held.behind_since = since;
            memory.unsaved.insert((key, scope));
        }
        (behind, since)
    }

    pub(crate) fn report(&self, key: PeerKey, report: Report, now: Timestamp) {
        let apart = match report {
            Report::Refused { reason: Reason::Ahead, .. } => Some(Apart::Ours),
            Report::Rejected { reason: Reason::Ahead, .. } => Some(Apart::Theirs),
            _ => None,
        };
        if let Report::Fork { scope, tip, other } = report {
            self.forked((scope, tip.lane, tip.device), Forked { tip, other, peer: key, at: now, seen: false });
        }
        if let Some(whose) = apart {
            self.memory.lock().apart.insert(key, (whose, Timestamp(now.0.saturating_add(APART_US))));
        }
        self.note(key, format!("{report:?}"));
    }

    /// Remembers what went wrong with a peer last, for `replica list`.
    pub(crate) fn note(&self, key: PeerKey, error: String) {
        self.memory.lock().errors.insert(key, error);
    }

    pub(crate) fn error(&self, key: PeerKey) -> Option<String> {
        self.memory.lock().errors.get(&key).cloned()
    }

    /// Writes what has changed.
    pub(crate) async fn flush(&self) -> Result<(), StoreError> {
        let rows: Vec<_> = {
            let mut memory = self.memory.lock();
            let unsaved = std::mem::take(&mut memory.unsaved);
            let held = unsaved.into_iter().filter_map(|at| Some((at, memory.held.get(&at)?.clone())));
            held.collect()
        };
        for chunk in rows.chunks(64) {
            let clash = OnConflict::columns([held::Column::Peer, held::Column::Kind, held::Column::Scope])
                .update_columns([held::Column::Tips, held::Column::BehindSince])
                .to_owned();
            let models = chunk.iter().map(|(at, kept)| held::row(*at, &kept.tips, kept.behind_since));
            let written = held::Entity::insert_many(models).on_conflict(clash).exec(&self.database).await;
            if let Err(error) = written {
                self.memory.lock().unsaved.extend(chunk.iter().map(|(at, _)| *at));
                return Err(error.into());
            }
        }
        self.flush_forks().await
    }

    #[cfg(test)]
    pub(crate) async fn forget_held(&self) -> Result<(), StoreError> {
        held::Entity::delete_many().exec(&self.database).await?;
        Ok(())
    }
}

impl Ledger {
    /// Keeps what was found first of a chain: that it is forked does not change any more.
    fn forked(&self, chain: Chain, forked: Forked) {
        let mut memory = self.memory.lock();
        let of_scope = memory.forks.keys().filter(|(scope, ..)| *scope == chain.0).count();
        let full = memory.forks.len() >= FORKS || of_scope >= FORKS_PER_SCOPE;
        if !full && !memory.forks.contains_key(&chain) {
            memory.forks.insert(chain, forked);
            memory.unsaved_forks.insert(chain);
        }
    }

    /// The forks of these scopes that nobody has seen yet.
    pub(crate) fn forks(&self, mut of: impl FnMut(Scope) -> bool) -> Vec<(Chain, Forked)> {
        let memory = self.memory.lock();
        memory.forks.iter().filter(|((scope, ..), fork)| !fork.seen && of(*scope)).map(|(c, f)| (*c, *f)).collect()
    }

    /// A person knows of these. On disk when this returns.
    pub(crate) async fn see_forks(&self, chains: &[Chain]) -> Result<(), StoreError> {
        {
            let mut memory = self.memory.lock();
            for chain in chains {
                if let Some(fork) = memory.forks.get_mut(chain) {
                    fork.seen = true;
                    memory.unsaved_forks.insert(*chain);
                }
            }
        }
        self.flush_forks().await
    }

    async fn flush_forks(&self) -> Result<(), StoreError> {
        let rows: Vec<_> = {
            let mut memory = self.memory.lock();
            let unsaved = std::mem::take(&mut memory.unsaved_forks);
            unsaved.into_iter().filter_map(|chain| Some((chain, *memory.forks.get(&chain)?))).collect()
        };
        for chunk in rows.chunks(64) {
            use fork::Column::{Device, Kind, Lane, Scope, Seen};
            let clash = OnConflict::columns([Kind, Scope, Lane, Device]).update_column(Seen).to_owned();
            let models = chunk.iter().map(|(chain, forked)| fork::row(*chain, forked));
            let written = fork::Entity::insert_many(models).on_conflict(clash);
            if let Err(error) = written.exec_without_returning(&self.database).await {
                self.memory.lock().unsaved_forks.extend(rows.iter().map(|(chain, _)| *chain));
                return Err(error.into());
            }
        }
        Ok(())
    }
}

/// Changes the database and what is known of it in memory: both, whoever asked and goes away.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(StoreError(error.to_string())))
}

/// Tips as they are kept: 72 bytes each.
fn tips_to_bytes(tips: &Tips) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(tips.len() * 72);
    for tip in tips.iter() {
        bytes.extend(tip.lane.0);
        bytes.extend(tip.device.as_bytes());
        bytes.extend(tip.seq.to_be_bytes());
        bytes.extend(tip.commit.0);
    }
    bytes
}

fn tips_from_bytes(bytes: &[u8]) -> Option<Tips> {
    if !bytes.len().is_multiple_of(72) {
        return None;
    }
    let tip = |bytes: &[u8]| {
        Some(Tip {
            lane: Lane(bytes[..16].try_into().ok()?),
            device: DeviceId::from_slice(&bytes[16..32])?,
            seq: u64::from_be_bytes(bytes[32..40].try_into().ok()?),
            commit: CommitId(bytes[40..].try_into().ok()?),
        })
    };
    bytes.chunks_exact(72).map(tip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::Database;

    fn tips(seq: u64) -> Arc<Tips> {
        let tip = Tip { lane: Lane([1; 16]), device: DeviceId::from_bytes([2; 16]), seq, commit: CommitId([3; 32]) };
        Arc::new([tip].into_iter().collect())
    }

    #[tokio::test]
    async fn what_is_owed_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", dir.path().join("node.db").display());
        let (key, user) = (PeerKey([9; 32]), UserId::from_bytes([8; 16]));
        let scope = Scope::Space(SpaceId::from_bytes([7; 16]));
        let added = Peer {
            key,
            user,
            kind: PeerKind::Replica,
            addrs: vec!["/ip4/1.2.3.4".into()],
            spaces: None,
            vouched: true,
        };
        {
            let ledger = Ledger::open(Database::connect(&url).await.unwrap()).await.unwrap();
            ledger.add_peer(added.clone()).await.unwrap();
            ledger.holds(key, scope, tips(5));
            assert_eq!(ledger.lag(key, scope, &tips(7), Timestamp(1_000)), (2, Some(Timestamp(1_000))));
            ledger.flush().await.unwrap();
            ledger.set("listen", "x").await.unwrap();
            ledger.set("listen", "y").await.unwrap();
        }
        let ledger = Ledger::open(Database::connect(&url).await.unwrap()).await.unwrap();
        assert_eq!(ledger.peers(), std::slice::from_ref(&added));
        assert_eq!(ledger.held(key, scope), Some(tips(5)));
        assert_eq!(ledger.lag(key, scope, &tips(7), Timestamp(9_000)), (2, Some(Timestamp(1_000))));
        assert_eq!(ledger.lag(key, scope, &tips(5), Timestamp(9_000)), (0, None));
        assert_eq!(ledger.setting("listen").await.unwrap().as_deref(), Some("y"));
        // The control: without the rows, everything is owed.
        ledger.forget_held().await.unwrap();
        let ledger = Ledger::open(Database::connect(&url).await.unwrap()).await.unwrap();
        assert_eq!(ledger.lag(key, scope, &tips(7), Timestamp(9_000)).0, 7);
        // A peer that is removed is forgotten on disk, and only once.
        assert!(ledger.remove_peer(key, user).await.unwrap() && !ledger.remove_peer(key, user).await.unwrap());
        let ledger = Ledger::open(Database::connect(&url).await.unwrap()).await.unwrap();
        assert!(ledger.peers().is_empty() && ledger.held(key, scope).is_none());
    }
}
