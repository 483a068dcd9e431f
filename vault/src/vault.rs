//! The vault of a node: accounts, spaces, and the three ways in (read, write, replicate).

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use policy_core::{
    CollectionId, DeviceId, GateSeal, GrantId, PeerKey, Permits, SealRefusal, SpaceId, Timestamp, UserId, Write,
};
use sea_orm::DatabaseConnection;
use tokio::sync::broadcast;
use vault_core::build::{self, SealError, TxnBuilder};
use vault_core::change::ChangeRequest;
use vault_core::control::{GrantRecord, Heads, PolicyEntry};
use vault_core::document::Hlc;
use vault_core::frame::{Frame, FrameError};
use vault_core::identity::{DeviceKeys, Signer};
use vault_core::query::{Item, ItemKind};
use vault_core::schema::{Collection, NewCollection, Schema};
use vault_core::tags::LaneTag;

mod answers;
mod clock;
mod doctor;
mod opening;
mod set_up;
mod succession;

pub use doctor::Health;

use crate::accounts::{Account, Accounts, AccountsError};
use crate::admission::{Admission, AdmissionError, head_of};
use crate::data_dir::VIEWS;
use crate::database::{self, DatabaseError};
use crate::define::{self, DefinitionError};
use crate::feed::{FEED, Moved};
use crate::keyring::NodeKey;
use crate::log::Scope;
use crate::reading::Reading;
use crate::replicate::{Refused, Taken};
use crate::shares::Payer;
use crate::space::{Policy, Space, SpaceError};
use crate::view::{Answer, CHANGED_MAX, ViewError};
use crate::witness::{Loss, Witness};
use crate::writer::{Clock, Parts, WriteError, Writer};

/// What a vault is opened with.
pub struct Options {
    pub dir: PathBuf,
    pub key: NodeKey,
    /// The node database, opened by the composition root.
    pub node: DatabaseConnection,
    /// The seal of the one gate whose permits count.
    pub seal: GateSeal,
    pub clock: Clock,
    /// Go on without what was lost of log or node database, where that can be done at all.
    pub accept_loss: bool,
}

/// Why a vault operation failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    Admission(#[from] AdmissionError),
    #[error(transparent)]
    Space(#[from] SpaceError),
    #[error("the log failed: {0}")]
    Log(#[from] sea_orm::DbErr),
    #[error(transparent)]
    Loss(#[from] Loss),
    #[error("io: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error("an entry could not be sealed: {0}")]
    Seal(#[from] SealError),
    #[error("our own entry was refused: {0}")]
    Refused(#[from] FrameError),
    #[error(transparent)]
    Permit(SealRefusal),
    #[error("only who manages the space may do this")]
    Forbidden,
    #[error(transparent)]
    View(#[from] ViewError),
}

impl VaultError {
    /// Whether what was asked for is not there (or not ours, which answers alike).
    pub fn is_not_found(&self) -> bool {
        matches!(self, VaultError::Space(SpaceError::NotFound | SpaceError::Keys(_)))
    }
}

/// A new account.
#[derive(Debug, Clone, Copy)]
pub struct CreatedAccount {
    pub user: UserId,
    pub device: DeviceId,
    /// The personal space.
    pub space: SpaceId,
}

/// A space as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceInfo {
    pub id: SpaceId,
    pub name: String,
    pub personal: bool,
    pub owner: UserId,
}

/// The vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    views: PathBuf,
    witness: Witness,
    accounts: Accounts,
    admission: Arc<Admission>,
    spaces: Mutex<HashMap<SpaceId, Arc<Space>>>,
    /// Held while a space is opened or closed, so that none is open twice.
    opening: tokio::sync::Mutex<()>,
    seal: GateSeal,
    clock: Clock,
    turn: Arc<tokio::sync::Mutex<()>>,
    writer: Writer,
    reading: Reading,
    feed: broadcast::Sender<Moved>,
    boot: String,
    /// How far the clock readings of spaces have come.
    readings: Mutex<clock::Readings>,
}

/// How far a device's clock may be ahead of ours, in microseconds: ten minutes.
const CLOCK_AHEAD_US: i64 = 600_000_000;
/// At most so many spaces are open.
const OPEN_SPACES: usize = 64;
impl Vault {
    /// Opens the log, verifies its control lanes, and starts the writer.
    pub async fn open(options: Options) -> Result<Self, VaultError> {
        let witness = Witness::open(options.node.clone(), database::NODE_FILE).await?;
        let accounts = Accounts::open(options.node, options.key).await?;
        let views = options.dir.join(VIEWS);
        let log = opening::log(&options.dir, &views, &accounts, &witness, options.accept_loss).await?;
        DirBuilder::new().recursive(true).mode(0o700).create(&views)?;
        let admission = Arc::new(Admission::open(log).await?);
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        let (feed, _) = broadcast::channel(FEED);
        let writer = Writer::start(Parts {
            admission: Arc::clone(&admission),
            turn: Arc::clone(&turn),
            seal: options.seal.clone(),
            clock: Arc::clone(&options.clock),
            feed: feed.clone(),
            runtime: tokio::runtime::Handle::current(),
        })?;
        // Views survive the process, not the machine's crash: the boot id tells the two apart.
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        let vault = Vault(Arc::new(Inner {
            views,
            witness,
            accounts,
            admission,
            spaces: Mutex::default(),
            opening: tokio::sync::Mutex::new(()),
            seal: options.seal,
            clock: options.clock,
            turn,
            writer,
            reading: Reading::new(),
            feed,
            boot,
            readings: Mutex::default(),
        }));
        for user in vault.0.accounts.users() {
            vault.succeed(user).await?;
            vault.heal_envelopes(user).await?;
        }
        Ok(vault)
    }

    /// News of the log.
    pub fn feed(&self) -> broadcast::Receiver<Moved> {
        self.0.feed.subscribe()
    }

    /// The accounts that have a device here.
    pub fn users(&self) -> Vec<UserId> {
        self.0.accounts.users()
    }

    /// The node's own settings and keys.
    pub fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    fn tick(&self) -> Hlc {
        Hlc::default().tick((self.0.clock)())
    }

    /// The public transport key of this node.
    pub fn transport(&self) -> PeerKey {
        PeerKey(Signer::from_seed(self.0.accounts.transport_seed()).public())
    }

    /// Notes in the node database how far the log has come, so that an older one can be told from it.
    pub async fn note(&self) -> Result<(), VaultError> {
        Ok(self.0.witness.note(self.0.admission.log()).await?)
    }

    /// Makes a space owned by `owner`, which must have a device here.
    pub async fn create_space(&self, owner: UserId, name: &str) -> Result<SpaceId, VaultError> {
        self.make_space(owner, &PolicyEntry::Space { name: name.to_owned(), personal: false }).await
    }

    async fn make_space(&self, owner: UserId, name: &PolicyEntry) -> Result<SpaceId, VaultError> {
        let account = self.0.accounts.get(owner).ok_or(SpaceError::NotFound)?;
        let lane = self.0.admission.account(owner).ok_or(SpaceError::NotFound)?;
        let devices: Vec<_> = lane.devices().copied().collect();
        let (space, frame) =
            build::create_space(owner, &account.device, &devices, name, self.tick(), &mut rand::rng())?;
        let _turn = self.0.turn.lock().await;
        let mut batch = self.0.admission.begin();
        batch.admit(Scope::Space(space), frame.bytes)?;
        batch.store().await?;
        let _ = self.0.feed.send(Moved::Sharing);
        let _ = self.0.feed.send(Moved::Log(Scope::Space(space)));
        Ok(space)
    }

    /// The spaces that an account owns here, personal first, then by id.
    pub async fn spaces(&self, user: UserId) -> Result<Vec<SpaceInfo>, VaultError> {
        let mut all = Vec::new();
        if self.0.accounts.get(user).is_none() {
            return Ok(all);
        }
        for id in self.0.admission.spaces_of(user) {
            match self.space(id).await {
                Ok(space) => {
                    let policy = space.policy();
                    all.push(SpaceInfo { id, name: policy.name.clone(), personal: policy.personal, owner: user });
                }
                // Offered by another device, its keys not sealed to this one yet.
                Err(SpaceError::Keys(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        all.sort_by_key(|space| (!space.personal, space.id));
        Ok(all)
    }

    /// The ids of an account's spaces, without opening them.
    pub fn space_ids(&self, user: UserId) -> Vec<SpaceId> {
        self.0.admission.spaces_of(user)
    }

    /// Who owns a space that this node serves.
    pub fn owner_of(&self, space: SpaceId) -> Option<UserId> {
        self.0.admission.space(space).map(|lane| lane.owner).filter(|owner| self.0.accounts.get(*owner).is_some())
    }

    /// The definitions of a space.
    pub async fn schema(&self, space: SpaceId) -> Result<Arc<Schema>, VaultError> {
        Ok(self.space(space).await?.schema())
    }

    /// Name and grants of a space.
    pub async fn policy(&self, space: SpaceId) -> Result<Arc<Policy>, VaultError> {
        Ok(self.space(space).await?.policy())
    }

    /// The live grants on a space.
    pub async fn grants(&self, space: SpaceId) -> Result<Vec<GrantRecord>, VaultError> {
        Ok(self.policy(space).await?.grants.clone())
    }

    /// The space of the permits, for who manages it.
    async fn managed(&self, permits: &Permits<Write>) -> Result<Arc<Space>, VaultError> {
        if permits.manages() { Ok(self.space(permits.space()).await?) } else { Err(VaultError::Forbidden) }
    }

    /// Whether the permits still hold, for the definitions that the space has now. Under the turn.
    fn holds(&self, permits: &Permits<Write>, space: &Space) -> Result<(), VaultError> {
        self.0.seal.admits(permits, space.schema().version, (self.0.clock)()).map_err(VaultError::Permit)
    }

    /// Adds collections. Everything or nothing.
    pub async fn define(&self, permits: &Permits<Write>, new: &[NewCollection]) -> Result<Vec<Collection>, VaultError> {
        let space = self.managed(permits).await?;
        let _turn = self.0.turn.lock().await;
        self.holds(permits, &space)?;
        let mut collections = define::with_ids(space.core().lock().keys.tags(), &space.schema(), new)?;
        let entry = collections.clone();
        let cid = self.control(&space, |txn, heads, hlc| txn.schema(&entry, heads, hlc, &mut rand::rng())).await?;
        for collection in &mut collections {
            collection.version = cid;
        }
        Ok(collections)
    }

    /// Records a consent in the space's control lane.
    pub async fn put_grant(&self, permits: &Permits<Write>, record: GrantRecord) -> Result<(), VaultError> {
        self.policy_entry(permits, &PolicyEntry::Grant(record)).await
    }

    /// Records the end of a grant. Final.
    pub async fn revoke_grant(&self, permits: &Permits<Write>, id: GrantId) -> Result<(), VaultError> {
        self.policy_entry(permits, &PolicyEntry::Revoke(id)).await
    }

    async fn policy_entry(&self, permits: &Permits<Write>, entry: &PolicyEntry) -> Result<(), VaultError> {
        let space = self.managed(permits).await?;
        let _turn = self.0.turn.lock().await;
        self.holds(permits, &space)?;
        self.control(&space, |txn, heads, hlc| txn.policy(entry, heads, hlc, &mut rand::rng())).await.map(drop)
    }

    /// Writes one entry to a space's control lane and takes it in. The caller holds the turn.
    async fn control(
        &self,
        space: &Arc<Space>,
        write: impl FnOnce(&mut TxnBuilder<'_>, &mut Heads, Hlc) -> Result<cid::Cid, SealError>,
    ) -> Result<cid::Cid, VaultError> {
        if space.is_replaced() {
            return Err(SpaceError::Replaced.into());
        }
        let scope = Scope::Space(space.id);
        let mut heads = self.0.admission.space(space.id).ok_or(SpaceError::NotFound)?.heads.clone();
        let device = &space.account.device;
        let tip = self.0.admission.log().chain(scope, LaneTag::CONTROL, device.id);
        let (cid, frame) = {
            let mut core = space.core().lock();
            core.hlc = core.hlc.tick((self.0.clock)());
            let hlc = core.hlc;
            let held = move |_| tip;
            let mut txn =
                TxnBuilder::new(&core.keys, device.id, space.account.user, heads.seen(), &held, &mut rand::rng());
            let cid = write(&mut txn, &mut heads, hlc)?;
            (cid, txn.finish(&device.signer).remove(0))
        };
        let mut batch = self.0.admission.begin();
        let frame = batch.admit(scope, frame.bytes)?.get().clone();
        batch.store().await?;
        let taking = Arc::clone(space);
        tokio::task::spawn_blocking(move || taking.apply_control(&frame))
            .await
            .map_err(|_| SpaceError::Entry("taking in a control entry was cut off"))??;
        if space.is_behind() {
            space.catch_up(&self.0.admission).await?;
        }
        let _ = self.0.feed.send(Moved::Control(space.id));
        let _ = self.0.feed.send(Moved::Log(scope));
        Ok(cid)
    }

    /// Makes a change: durable when this answers. The answer is a JSON object by response name.
    pub async fn write(&self, permits: Permits<Write>, request: ChangeRequest) -> Result<Answer<Vec<u8>>, WriteError> {
        let most = if request.changes.iter().all(|change| names_ids_alone(&change.items)) { 0 } else { CHANGED_MAX };
        let room = self.0.reading.whole(Payer::from(permits.caller()), most).await?;
        let space = self.space(permits.space()).await.map_err(|error| {
            tracing::error!(%error, "a space could not be opened");
            WriteError::Stopped
        })?;
        if space.is_behind() {
            self.settled(&space).await?;
        }
        self.0.writer.write(space, permits, request).await.map(|bytes| Answer::new(bytes, room))
    }

    /// Whether the node writes: false once the log has failed, and while a view cannot follow it.
    pub fn is_writing(&self) -> bool {
        !self.0.writer.has_failed() && self.0.spaces.lock().values().all(|space| !space.is_behind())
    }

    /// An open space.
    pub(crate) async fn space(&self, id: SpaceId) -> Result<Arc<Space>, SpaceError> {
        let seconds = (self.0.clock)().seconds().max(0) as u64;
        if let Some(space) = self.0.spaces.lock().get(&id) {
            space.touch(seconds);
            return Ok(Arc::clone(space));
        }
        let _opening = self.0.opening.lock().await;
        if let Some(space) = self.0.spaces.lock().get(&id) {
            return Ok(Arc::clone(space));
        }
        let owner = self.0.admission.space(id).ok_or(SpaceError::NotFound)?.owner;
        let account = self.0.accounts.get(owner).ok_or(SpaceError::NotFound)?;
        if self.0.spaces.lock().len() >= OPEN_SPACES {
            self.close_oldest().await?;
        }
        // Nothing is stored between the last row that the view has followed and its place in the map.
        let _turn = self.0.turn.lock().await;
        let space = Arc::new(self.open_space(account, id).await?);
        space.touch(seconds);
        self.0.spaces.lock().insert(id, Arc::clone(&space));
        Ok(space)
    }

    async fn open_space(&self, account: Account, id: SpaceId) -> Result<Space, SpaceError> {
        let record = self.0.accounts.view(id).await?;
        if !record.clean && record.boot != self.0.boot {
            remove_view(&self.0.views, id)?;
        }
        self.0.accounts.mark_view(id, false, &self.0.boot).await?;
        match Space::open(&self.0.admission, account.clone(), id, &self.0.views, record.key.clone()).await {
            Err(SpaceError::View(error)) => {
                // A view is a cache: what cannot be read is made anew from the log.
                tracing::warn!(space = %id, %error, "the view is made anew");
                remove_view(&self.0.views, id)?;
                Space::open(&self.0.admission, account, id, &self.0.views, record.key).await
            }
            other => other,
        }
    }

    async fn close_oldest(&self) -> Result<(), SpaceError> {
        let oldest = {
            let spaces = self.0.spaces.lock();
            let idle = spaces.values().filter(|space| Arc::strong_count(space) == 1);
            idle.min_by_key(|space| space.last_used()).map(|space| space.id)
        };
        if let Some(id) = oldest {
            self.close_space(id).await?;
        }
        Ok(())
    }

    async fn close_space(&self, id: SpaceId) -> Result<(), SpaceError> {
        let space = {
            let mut spaces = self.0.spaces.lock();
            // Somebody works with it: not now.
            if spaces.get(&id).is_none_or(|space| Arc::strong_count(space) > 1) {
                return Ok(());
            }
            spaces.remove(&id)
        };
        if let Some(space) = space {
            tokio::task::spawn_blocking(move || space.close())
                .await
                .map_err(|_| SpaceError::Entry("closing the view was cut off"))??;
            // A view that is closed is not looked into at the next start: the mark speaks for it.
            self.0.witness.note(self.0.admission.log()).await?;
            self.0.accounts.mark_view(id, true, &self.0.boot).await?;
        }
        Ok(())
    }

    /// Closes views that nobody has used for so long.
    pub async fn close_idle(&self, seconds: u64) -> Result<(), VaultError> {
        let now = (self.0.clock)().seconds().max(0) as u64;
        let idle: Vec<_> = {
            let spaces = self.0.spaces.lock();
            spaces.values().filter(|space| space.last_used() + seconds <= now).map(|space| space.id).collect()
        };
        let _opening = self.0.opening.lock().await;
        for id in idle {
            self.close_space(id).await?;
        }
        Ok(())
    }

    /// Writes out and closes everything; the last thing before the process ends.
    pub async fn shutdown(&self) -> Result<(), VaultError> {
        let _opening = self.0.opening.lock().await;
        let _turn = self.0.turn.lock().await;
        self.0.witness.note(self.0.admission.log()).await?;
        let ids: Vec<_> = self.0.spaces.lock().keys().copied().collect();
        for id in ids {
            let space = self.0.spaces.lock().remove(&id);
            if let Some(space) = space {
                tokio::task::spawn_blocking(move || space.close())
                    .await
                    .map_err(|_| SpaceError::Entry("closing the view was cut off"))??;
                self.0.accounts.mark_view(id, true, &self.0.boot).await?;
            }
        }
        self.0.admission.log().close().await?;
        Ok(())
    }

    /// The collections of a space as policy names them.
    pub async fn collection_ids(&self, space: SpaceId) -> Result<Vec<CollectionId>, VaultError> {
        Ok(self.schema(space).await?.collections.iter().map(|collection| collection.id).collect())
    }

    /// Seals the keys of an account's spaces to its devices that lack them.
    pub async fn heal_envelopes(&self, user: UserId) -> Result<(), VaultError> {
        let Some(account) = self.0.admission.account(user) else { return Ok(()) };
        let devices: Vec<_> = account.devices().copied().collect();
        for id in self.0.admission.spaces_of(user) {
            let Some(lane) = self.0.admission.space(id) else { continue };
            let missing: Vec<_> = lane
                .epochs()
                .flat_map(|(epoch, held)| {
                    let lacking = devices.iter().filter(|device| !held.sealed.contains_key(&device.id));
                    lacking.map(|device| (epoch, held.number, *device)).collect::<Vec<_>>()
                })
                .collect();
            if missing.is_empty() {
                continue;
            }
            let space = match self.space(id).await {
                Ok(space) => space,
                // Not ours to heal: another device, which has the keys, does it.
                Err(SpaceError::Keys(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            for (epoch, number, device) in missing {
                let sealed = space.core().lock().keys.envelope(epoch, number, &device, &mut rand::rng());
                let Some(sealed) = sealed else { continue };
                let sealed = sealed.map_err(|_| SealError::Unknown)?;
                let _turn = self.0.turn.lock().await;
                self.control(&space, |txn, heads, hlc| {
                    txn.envelope(epoch, device.id, &sealed, heads, hlc, &mut rand::rng())
                })
                .await?;
            }
        }
        Ok(())
    }

    /// What the log holds, for sync.
    pub fn admission(&self) -> &Admission {
        &self.0.admission
    }

    /// Frames from elsewhere: verified, stored, applied. Stops at the first that is refused; answers
    /// after the fsync.
    pub async fn ingest(&self, scope: Scope, frames: Vec<Vec<u8>>) -> Result<Taken, VaultError> {
        let known = self.0.admission.owner(scope).is_some();
        let (taken, mine, pulled) = {
            // Held until the view has followed: the writer's next position must not skip these rows.
            let _turn = self.0.turn.lock().await;
            let mine = self.reclaim(scope, &frames).await?;
            let devices: Vec<_> = frames.iter().map(|frame| head_of(frame).ok().map(|(_, device, _)| device)).collect();
            let now = (self.0.clock)();
            let latest = Hlc::default().tick(Timestamp(now.0.saturating_add(CLOCK_AHEAD_US)));
            let (batch, mut taken) = self.0.admission.take(scope, frames, Some(latest));
            let stopped = devices.get(taken.stored.len()).copied().flatten();
            if let Some(Refused::Invalid(FrameError::Chain(_)) | Refused::Forked(_)) = &taken.refused
                && stopped.is_some_and(|device| self.0.accounts.owning(device).is_some())
            {
                // A branch of our own chain that begins before what was sent: what comes before it decides.
                taken.refused = Some(Refused::Gap);
            }
            if batch.is_empty() {
                drop(batch);
                drop(_turn);
                self.reclaimed(scope, mine).await?;
                return Ok(taken);
            }
            let frames = || batch.admitted().iter().map(|(_, frame)| frame.get());
            let before = self.0.admission.clocks_of(scope);
            let control: Vec<_> = frames().filter(|frame| frame.lane == LaneTag::CONTROL).cloned().collect();
            let changes = frames().any(|frame| frame.lane != LaneTag::CONTROL);
            batch.store().await?;
            let mut pulled = Vec::new();
            match scope {
                Scope::Space(id) => self.follow(id, control, changes).await?,
                Scope::Account(user) => pulled = self.follow_clocks(user, &before).await?,
            }
            (taken, mine, pulled)
        };
        for space in pulled {
            // Another clock of the account has said what is now: ours may have been ahead together with it.
            self.pull_back(Scope::Space(space)).await?;
        }
        self.reclaimed(scope, mine).await?;
        if let Scope::Account(user) = scope {
            self.heal_envelopes(user).await?;
        }
        if matches!(scope, Scope::Account(_)) || !known {
            let _ = self.0.feed.send(Moved::Sharing);
        }
        let _ = self.0.feed.send(Moved::Log(scope));
        Ok(taken)
    }

    /// Lets an open space follow the log; one that is not open follows when it is opened.
    async fn follow(&self, id: SpaceId, control: Vec<Frame>, changes: bool) -> Result<(), VaultError> {
        let moved = !control.is_empty();
        let open = self.0.spaces.lock().get(&id).cloned();
        if let Some(space) = open {
            if moved {
                let taking = Arc::clone(&space);
                let apply = move || control.iter().try_for_each(|frame| taking.apply_control(frame));
                tokio::task::spawn_blocking(apply)
                    .await
                    .map_err(|_| SpaceError::Entry("taking in a control entry was cut off"))??;
            }
            if changes || space.is_behind() {
                space.catch_up(&self.0.admission).await?;
            }
        }
        if moved {
            let _ = self.0.feed.send(Moved::Control(id));
        }
        Ok(())
    }

    /// Enrols a device that came by a one-time code, and seals the keys of all spaces to it.
    pub async fn enrol(&self, user: UserId, device: DeviceKeys, code: [u8; 32]) -> Result<(), VaultError> {
        let scope = Scope::Account(user);
        {
            let _turn = self.0.turn.lock().await;
            let account = self.0.accounts.get(user).ok_or(SpaceError::NotFound)?;
            let lane = self.0.admission.account(user).ok_or(SpaceError::NotFound)?;
            let held = self.0.admission.log().chain(scope, LaneTag::CONTROL, account.device.id);
            let frame = build::enrol_device(
                user,
                &account.device,
                &device,
                &code,
                &lane.heads,
                held,
                self.tick(),
                &mut rand::rng(),
            )?;
            let mut batch = self.0.admission.begin();
            batch.admit(scope, frame.bytes)?;
            batch.store().await?;
        }
        let _ = self.0.feed.send(Moved::Sharing);
        let _ = self.0.feed.send(Moved::Log(scope));
        self.heal_envelopes(user).await
    }

    /// All devices that ever were enrolled in an account.
    pub fn devices(&self, user: UserId) -> Vec<DeviceKeys> {
        self.0.admission.account(user).map(|lane| lane.enrolled().copied().collect()).unwrap_or_default()
    }

    /// The device by which this node writes for an account.
    pub fn device(&self, user: UserId) -> Option<DeviceId> {
        self.0.accounts.get(user).map(|account| account.device.id)
    }

    /// The device that took the place of another.
    pub fn successor(&self, user: UserId, device: DeviceId) -> Option<DeviceId> {
        self.0.admission.account(user)?.successor(device)
    }
}

/// Whether nothing is asked of the changed documents but their ids: the answer is then no larger than the request.
fn names_ids_alone(items: &[Item]) -> bool {
    items.len() <= 2 && items.iter().all(|item| matches!(item.kind, ItemKind::DocId | ItemKind::TypeName(_)))
}

fn remove_view(dir: &std::path::Path, id: SpaceId) -> Result<(), SpaceError> {
    for suffix in ["", "-wal", "-shm"] {
        let path = dir.join(format!("{id}.view{suffix}"));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(SpaceError::Entry("a view could not be removed"));
            }
            _ => {}
        }
    }
    Ok(())
}
