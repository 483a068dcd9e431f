//! A blind replica: it holds no keys of anyone. It verifies hash, chain, signature and enrolment
//! against the control lanes before it stores, and serves a lane only to the transport keys of
//! devices that are enrolled in it.

mod table;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use policy_core::{PeerKey, UserId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait};
use sea_orm_migration::MigratorTrait;
use sync_core::{Lane, Limits, Offer, Reason, Scope, Tips};
use tokio::sync::{broadcast, watch};
use vault::LogHealth;
use vault::handover::Wanted;
use vault::log::Log;
use vault::replica::{ReplicaError, ReplicaLog};
use vault_core::tags::LaneTag;

use crate::driver::Context;
use crate::link::{self, Hub};
use crate::live::Lives;
use crate::store::{Moved, Owned, Remote, Rows, Store, StoreError, Stored};
use crate::trace::Trace;
use crate::vault_member::{rows, stored, tips_of, to_vault};
use crate::{Identity, StartError};

pub use table::Migrator;

/// What an account may store on a replica, in bytes of its log.
pub const QUOTA: u64 = 10 << 30;
const FEED: usize = 1_024;

/// The accounts that may store on a replica.
pub struct Allowed {
    db: DatabaseConnection,
    users: Mutex<BTreeSet<UserId>>,
}

impl Allowed {
    pub async fn open(db: DatabaseConnection) -> Result<Self, StoreError> {
        Migrator::up(&db, None).await?;
        let rows = table::allowed::Entity::find().all(&db).await?;
        let users = rows.iter().filter_map(|row| UserId::from_slice(&row.user)).collect();
        Ok(Allowed { db, users: Mutex::new(users) })
    }

    pub async fn allow(&self, user: UserId) -> Result<(), StoreError> {
        if self.users.lock().contains(&user) {
            return Ok(());
        }
        let row = table::allowed::ActiveModel { user: Set(user.as_bytes().to_vec()) };
        // Whoever was cut off between the table and what is known of it comes again.
        let again = OnConflict::column(table::allowed::Column::User).do_nothing().to_owned();
        table::allowed::Entity::insert(row).on_conflict(again).exec_without_returning(&self.db).await?;
        self.users.lock().insert(user);
        Ok(())
    }

    /// Reads the table again: `replica allow` may have written to it beside the running replica.
    async fn reload(&self) -> Result<(), StoreError> {
        let rows = table::allowed::Entity::find().all(&self.db).await?;
        self.users.lock().extend(rows.iter().filter_map(|row| UserId::from_slice(&row.user)));
        Ok(())
    }

    /// Closes the database and waits until its threads have let go of it.
    pub async fn close(&self) {
        if let Err(error) = self.db.clone().close().await {
            tracing::warn!(%error, "the replica's database was not closed");
        }
    }

    pub fn users(&self) -> Vec<UserId> {
        self.users.lock().iter().copied().collect()
    }
}

/// How a replica is run.
#[derive(Debug, Clone)]
pub struct ReplicaOptions {
    pub listen: Vec<String>,
    pub identity: Identity,
    /// Bytes of log that an account may store.
    pub quota: u64,
    /// Record every decoded message here, for tests that search them (`ALLOD_SYNC_TRACE`).
    pub trace: Option<PathBuf>,
}

/// Cheap to clone.
#[derive(Clone)]
struct BlindStore(Arc<Blind>);

impl std::ops::Deref for BlindStore {
    type Target = Blind;
    fn deref(&self) -> &Blind {
        &self.0
    }
}

struct Blind {
    log: ReplicaLog,
    allowed: Allowed,
    quota: u64,
    /// What a peer was admitted with before the account's devices are known here.
    admitted: Mutex<HashMap<PeerKey, BTreeSet<Owned>>>,
    used: Mutex<BTreeMap<UserId, u64>>,
    feed: broadcast::Sender<Moved>,
}

impl BlindStore {
    fn accounts_of(&self, key: PeerKey) -> Vec<UserId> {
        let mut users = self.allowed.users();
        users.retain(|user| self.log.transports(*user).contains(&key));
        users
    }

    /// Whether an account may come from this peer: it is allowed, or the first and from loopback.
    fn may_bring(&self, remote: Remote, user: UserId) -> bool {
        let users = self.allowed.users();
        if users.contains(&user) {
            let known = self.log.account(user).is_some();
            return !known || self.log.transports(user).contains(&remote.key);
        }
        users.is_empty() && remote.loopback
    }

    fn shared(&self, key: PeerKey) -> Vec<Owned> {
        let mut all: Vec<Owned> = self.admitted.lock().get(&key).into_iter().flatten().copied().collect();
        // What was admitted before counts only until the account's own devices are known.
        all.retain(|owned| self.log.account(owned.owner).is_none() || self.log.transports(owned.owner).contains(&key));
        for user in self.accounts_of(key) {
            all.push(Owned { scope: Scope::Account(user), owner: user });
            let spaces = self.log.spaces_of(user);
            all.extend(spaces.into_iter().map(|space| Owned { scope: Scope::Space(space), owner: user }));
        }
        all.sort();
        all.dedup();
        all
    }

    async fn used_by(&self, user: UserId) -> Result<u64, StoreError> {
        if let Some(used) = self.used.lock().get(&user) {
            return Ok(*used);
        }
        let mut scopes = vec![vault::log::Scope::Account(user)];
        scopes.extend(self.log.spaces_of(user).into_iter().map(vault::log::Scope::Space));
        let mut used = 0;
        for scope in scopes {
            used += self.log.bytes(scope).await?;
        }
        self.used.lock().insert(user, used);
        Ok(used)
    }
}

#[async_trait]
impl Store for BlindStore {
    async fn knows(&self, remote: Remote) -> Result<bool, StoreError> {
        self.allowed.reload().await?;
        let users = self.allowed.users();
        let expected = users.iter().any(|user| self.log.account(*user).is_none());
        Ok(expected || (users.is_empty() && remote.loopback) || !self.accounts_of(remote.key).is_empty())
    }

    async fn shared_with(&self, remote: Remote) -> Result<Vec<Owned>, StoreError> {
        Ok(self.shared(remote.key))
    }

    async fn admit(&self, remote: Remote, offers: &[Offer]) -> Result<Vec<Owned>, StoreError> {
        let mut admitted = Vec::new();
        for offer in offers {
            let Offer { scope, owner, .. } = *offer;
            if matches!(scope, Scope::Account(user) if user != owner) || !self.may_bring(remote, owner) {
                continue;
            }
            if self.allowed.users().is_empty() {
                self.allowed.allow(owner).await?;
                tracing::info!(account = %owner, "this replica takes its first account");
            }
            let owned = Owned { scope, owner };
            self.admitted.lock().entry(remote.key).or_default().insert(owned);
            admitted.push(owned);
        }
        Ok(admitted)
    }

    async fn tips(&self, scope: Scope) -> Result<Arc<Tips>, StoreError> {
        Ok(Arc::new(tips_of(&self.log, scope)))
    }

    async fn read(
        &self,
        remote: Remote,
        scope: Scope,
        control: bool,
        after: u64,
        have: &Tips,
        max_bytes: usize,
    ) -> Result<Option<Rows>, StoreError> {
        let Some(owned) = self.shared(remote.key).into_iter().find(|owned| owned.scope == scope) else {
            return Ok(None);
        };
        if self.log.owner(to_vault(scope)).is_none() || self.log.account(owned.owner).is_none() {
            // It was admitted, and nothing of it is here yet.
            return Ok(Some(Rows { items: Vec::new(), position: after, end: true }));
        }
        let Some(enrolled) = self.log.enrolled(owned.owner, remote.key) else { return Ok(None) };
        let have = |lane: LaneTag, device| have.seq(Lane(lane.0), device);
        let wanted = Wanted { control, after, have: &have, max_bytes };
        let found = self.log.hand_over(&enrolled, to_vault(scope), wanted).await;
        Ok(found.map_err(|error| StoreError(error.to_string()))?.map(rows))
    }

    async fn store(&self, remote: Remote, scope: Scope, frames: Vec<Bytes>) -> Result<Stored, StoreError> {
        // A session that ends does not cut it off: what is on disk and what is known of it go together.
        let store = self.clone();
        let stored = tokio::spawn(async move { store.take(remote, scope, frames).await }).await;
        stored.map_err(|error| StoreError(error.to_string()))?
    }

    fn feed(&self) -> broadcast::Receiver<Moved> {
        self.feed.subscribe()
    }
}

impl BlindStore {
    async fn take(&self, remote: Remote, scope: Scope, frames: Vec<Bytes>) -> Result<Stored, StoreError> {
        let Some(owned) = self.shared(remote.key).into_iter().find(|owned| owned.scope == scope) else {
            return Ok(Stored { refused: Some(Reason::NotShared), ..Stored::default() });
        };
        let bytes: u64 = frames.iter().map(|frame| frame.len() as u64).sum();
        if self.used_by(owned.owner).await? + bytes > self.quota {
            return Ok(Stored { refused: Some(Reason::Quota), ..Stored::default() });
        }
        let frames = frames.into_iter().map(Vec::from).collect();
        let (taken, stored_bytes) = match self.log.take(owned.owner, to_vault(scope), frames).await {
            Ok(taken) => taken,
            Err(ReplicaError::Foreign) => {
                return Ok(Stored { refused: Some(Reason::Invalid), ..Stored::default() });
            }
            Err(error) => return Err(StoreError(error.to_string())),
        };
        *self.used.lock().entry(owned.owner).or_default() += stored_bytes;
        let _ = self.feed.send(Moved::Log(scope));
        if matches!(scope, Scope::Account(_)) {
            let _ = self.feed.send(Moved::Sharing);
        }
        Ok(stored(taken))
    }
}

/// A running blind replica. Dropped, it stops.
pub struct Replica {
    identity: Identity,
    store: BlindStore,
    addrs: Vec<String>,
    stop: watch::Sender<bool>,
    lives: Arc<Lives>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.lives.stop_all();
    }
}

impl Replica {
    /// Verifies the log's control lanes, listens, and serves. `remembered`: where it listened before.
    pub async fn start(
        log: Log,
        allowed: Allowed,
        options: ReplicaOptions,
        remembered: Option<&str>,
    ) -> Result<Self, StartError> {
        let log = ReplicaLog::open(log).await.map_err(|error| StartError::Store(error.to_string()))?;
        let trace = match &options.trace {
            None => None,
            Some(path) => Some(Arc::new(
                Trace::open(path).map_err(|error| StartError::Store(format!("{}: {error}", path.display())))?,
            )),
        };
        let swarm = crate::node::listen(&options.identity, &options.listen, remembered).await?;
        let addrs = swarm.addrs().iter().map(ToString::to_string).collect();
        let (feed, _) = broadcast::channel(FEED);
        let store = BlindStore(Arc::new(Blind {
            log,
            allowed,
            quota: options.quota,
            admitted: Mutex::default(),
            used: Mutex::default(),
            feed,
        }));
        let shared = Arc::new(store.clone()) as Arc<dyn Store>;
        let context = Arc::new(Context {
            store: shared,
            ledger: None,
            trace,
            limits: Limits::default(),
            waits: AtomicBool::default(),
        });
        let lives = Lives::new(options.identity.peer());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(link::accept(Arc::new(Hub {
            swarm,
            context,
            lives: Arc::clone(&lives),
            stopped,
            turned_away: link::TurnedAway::default(),
        })));
        Ok(Replica { identity: options.identity, store, addrs, stop, lives })
    }

    /// Reads everything that is kept here, as `vault::admission::Admission::look_at_log` does.
    ///
    /// # Errors
    /// If the log cannot be read at all.
    pub async fn look_at_log(&self) -> Result<LogHealth, sea_orm::DbErr> {
        self.store.log.look_at_log().await
    }

    /// Ends every session and closes both databases.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        self.lives.stop_all();
        if let Err(error) = self.store.log.close().await {
            tracing::warn!(%error, "the log was not closed");
        }
        self.store.allowed.close().await;
    }

    pub fn peer(&self) -> String {
        self.identity.peer_id()
    }

    /// Each ends in `/p2p/PEER`.
    pub fn addrs(&self) -> &[String] {
        &self.addrs
    }
}
