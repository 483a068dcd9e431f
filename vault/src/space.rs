//! One open space: its keys, its definitions and its view.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use cid::Cid;
use parking_lot::Mutex;
use policy_core::{DeviceId, DocId, SpaceId, UserId};
use tokio::sync::OwnedMutexGuard;
use vault_core::commit::CommitKind;
use vault_core::control::{Clocks, GrantRecord, PolicyEntry, SpaceLane, decode_policy, decode_schema};
use vault_core::document::{DocumentCommit, Hlc};
use vault_core::frame::{Entry, Frame, FrameError};
use vault_core::limits::SpaceLimits;
use vault_core::schema::{Collection, Schema};
use vault_core::tags::LaneTag;
use vault_core::{KeysError, OpenCommitError, SpaceKeys};
use zeroize::Zeroizing;

use crate::accounts::{Account, AccountsError};
use crate::admission::Admission;
use crate::define;
use crate::log::{Row, Scope};
use crate::turn::{CutOff, Turn};
use crate::view::{Reader, View, ViewError};
use crate::witness::{Behind, Loss};

/// How many rows are read from the log at a time.
const PAGE: u64 = 64;
/// At most this many reads run at a time, and so many read connections are kept open a space.
pub(crate) const READERS: usize = 8;

/// Why a space cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SpaceError {
    /// Not here, or not of an account that this node holds a device of.
    #[error("not found")]
    NotFound,
    #[error("the keys of the space are not here: {0}")]
    Keys(#[from] KeysError),
    #[error("the log failed: {0}")]
    Log(#[from] sea_orm::DbErr),
    #[error("position {position} of the log is damaged: {source}")]
    Frame { position: u64, source: FrameError },
    #[error("this node has just taken a new device for the space; try again")]
    Replaced,
    #[error("a control entry of the space is unreadable: {0}")]
    Entry(&'static str),
    #[error(transparent)]
    CutOff(#[from] CutOff),
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Loss(#[from] Loss),
    #[error(transparent)]
    Accounts(#[from] AccountsError),
}

/// An open space. The view's write side is behind one lock, which the writer holds over a batch.
pub struct Space {
    pub id: SpaceId,
    pub owner: UserId,
    pub account: Account,
    schema: ArcSwap<Schema>,
    policy: ArcSwap<Policy>,
    core: Arc<Mutex<Core>>,
    /// The view holds applied changes that its readers cannot see yet.
    dirty: AtomicBool,
    /// The view lacks changes that the log holds; see [`Core::behind`].
    behind: Arc<AtomicBool>,
    readers: Mutex<Vec<Reader>>,
    last_used: AtomicU64,
    /// Another opening of this space has taken its place: nothing more is written through this one.
    replaced: AtomicBool,
    /// How many have the space for long, or wait for it: who has the turn of the log does not wait for them.
    reserved: AtomicUsize,
    alone: Arc<tokio::sync::Mutex<()>>,
}

/// Entries of a space that say nothing, of which the log tells.
const LEFT_OUT_TOLD: usize = 8;

/// What a space's policy entries say.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    pub name: String,
    pub personal: bool,
    /// Live grants, oldest first.
    pub grants: Vec<GrantRecord>,
    /// By the devices that took it back.
    pub revoked: BTreeMap<policy_core::GrantId, BTreeSet<DeviceId>>,
}

impl Policy {
    fn fold(&mut self, device: DeviceId, entry: PolicyEntry) {
        match entry {
            PolicyEntry::Space { name, personal } => (self.name, self.personal) = (name, personal),
            PolicyEntry::Grant(record) => {
                let id = record.grant.id;
                if !self.revoked.contains_key(&id) && self.grants.iter().all(|other| other.grant.id != id) {
                    self.grants.push(record);
                }
            }
            PolicyEntry::Revoke(id) => {
                self.grants.retain(|record| record.grant.id != id);
                self.revoked.entry(id).or_default().insert(device);
            }
        }
    }
}

/// The sealed entries of the control lane, in the order of their clocks: the same on every device,
/// whichever way they came.
#[derive(Default)]
pub struct Control {
    /// By what clock readings commits count.
    clocks: Arc<Clocks>,
    schemas: BTreeMap<(Hlc, Cid), Vec<Collection>>,
    policies: BTreeMap<(Hlc, Cid), (DeviceId, PolicyEntry)>,
    /// Entries that say nothing: they do not open, or are malformed.
    left_out: BTreeSet<Cid>,
}

impl Control {
    /// Takes the entries of a frame in. One that says nothing never blocks the others: any device of the account can have
    /// written it, it stays in the log, and every device leaves it out.
    fn take(&mut self, keys: &SpaceKeys, frame: &Frame) {
        for entry in &frame.entries {
            if let Err(problem) = self.take_entry(keys, frame.txn.device, frame.space, entry) {
                self.left_out.insert(entry.cid);
                // One device can write very many.
                if self.left_out.len() <= LEFT_OUT_TOLD {
                    tracing::error!(space = %frame.space, cid = %entry.cid, problem, "a control entry is left out");
                }
            }
        }
    }

    fn take_entry(
        &mut self,
        keys: &SpaceKeys,
        device: DeviceId,
        space: SpaceId,
        entry: &Entry,
    ) -> Result<(), &'static str> {
        let place = (self.clocks.reading(space, &entry.commit), entry.cid);
        match entry.commit.kind {
            CommitKind::Schema => {
                let plain = keys.open_control(entry).map_err(|_| "a schema entry does not open")?;
                let collections = decode_schema(&plain, entry.cid, &SpaceLimits::ENTRY)
                    .map_err(|_| "a schema entry is malformed, or larger than an entry may be")?;
                self.schemas.insert(place, collections);
            }
            CommitKind::Policy => {
                let plain = keys.open_control(entry).map_err(|_| "a policy entry does not open")?;
                let entry = decode_policy(&plain).map_err(|_| "a policy entry is malformed")?;
                self.policies.insert(place, (device, entry));
            }
            _ => {}
        }
        Ok(())
    }

    fn schema(&self) -> Schema {
        define::merged(self.schemas.values())
    }

    fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        self.policies.values().cloned().for_each(|(device, entry)| policy.fold(device, entry));
        policy
    }
}

/// What the writer works with.
pub struct Core {
    control: Control,
    pub keys: Arc<SpaceKeys>,
    /// The ends of this device's chains.
    pub chains: HashMap<LaneTag, (u64, Cid)>,
    /// The largest reading that was applied here.
    pub hlc: Hlc,
    pub view: View,
    /// Changes since the view's last commit.
    pub uncommitted: usize,
    /// A transaction is open in the view.
    pub open: bool,
    /// The view lacks changes that the log holds: nobody reads or writes before it has caught up.
    pub behind: Arc<AtomicBool>,
}

/// Somebody has a space for longer than a turn: alone among those who do, and outside of the turn of the log. Taken
/// before the turn, and never in it.
pub(crate) struct Reserved {
    _alone: OwnedMutexGuard<()>,
    _wanted: Wanted,
}

/// Who has a space for long, or waits for it.
struct Wanted(Arc<Space>);

impl Wanted {
    fn new(space: &Arc<Space>) -> Wanted {
        space.reserved.fetch_add(1, Ordering::AcqRel);
        Wanted(Arc::clone(space))
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.reserved.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Core {
    /// Begins a transaction in the view unless one is open.
    pub fn begin(&mut self) -> Result<(), ViewError> {
        if self.open && !self.view.in_transaction() {
            // The database took it back by itself (a full disk does that).
            return Err(self.lose());
        }
        if !self.open {
            self.view.begin()?;
            self.open = true;
        }
        Ok(())
    }

    /// Makes everything that was applied visible to readers.
    pub fn commit(&mut self) -> Result<(), ViewError> {
        if !self.open {
            return Ok(());
        }
        if !self.view.in_transaction() {
            return Err(self.lose());
        }
        if let Err(error) = self.view.commit() {
            self.lose();
            return Err(error);
        }
        (self.open, self.uncommitted) = (false, 0);
        Ok(())
    }

    /// Takes back what was applied and not committed, some of which may have been acknowledged: the
    /// view is behind the log until it has caught up.
    pub fn lose(&mut self) -> ViewError {
        if self.view.in_transaction()
            && let Err(error) = self.view.rollback()
        {
            tracing::error!(%error, "the view could not be rolled back");
        }
        (self.open, self.uncommitted) = (false, 0);
        self.behind.store(true, Ordering::Release);
        ViewError::Behind
    }
}

/// A space that was made ready outside of the turn.
pub(crate) struct Prepared {
    space: Space,
    /// What it was made ready by.
    lane: Arc<SpaceLane>,
    goes_by: Option<[u8; 32]>,
    rewritten: u64,
    position: u64,
}

impl Prepared {
    /// The space as the log is in this turn; `None`: what it was made ready by is not so any more.
    pub(crate) async fn go_on(self, turn: &Turn, device: DeviceId) -> Result<Option<Space>, SpaceError> {
        let Prepared { space, lane, goes_by, rewritten, position } = self;
        let (id, scope) = (space.id, Scope::Space(space.id));
        let stands = turn.space(id).is_some_and(|now| Arc::ptr_eq(&now, &lane))
            && turn.clocks(id).digest(id) == goes_by
            && turn.log().rewritten() == rewritten
            && space.account.device.id == device;
        if !stands {
            return Ok(None);
        }
        if turn.log().position(scope) != position {
            let largest = largest_hlc(turn, id).await?;
            {
                let mut core = space.core.lock();
                core.chains = own_chains(turn, scope, device);
                core.hlc = core.hlc.max(largest);
            }
            space.catch_up(turn).await?;
        }
        Ok(Some(space))
    }
}

/// Where the chains of a device end in a scope.
fn own_chains(admission: &Admission, scope: Scope, device: DeviceId) -> HashMap<LaneTag, (u64, Cid)> {
    let chains = admission.log().chains(scope).into_iter();
    chains.filter(|((_, of), _)| *of == device).map(|((lane, _), tip)| (lane, tip)).collect()
}

impl Space {
    /// Makes a space ready that this node holds a device for, as far as the log goes now; it is open when it has gone on
    /// in a turn. `dir`: where views lie. By whoever has the turn, or prepares alone.
    pub(crate) async fn prepare(
        admission: &Admission,
        account: Account,
        id: SpaceId,
        dir: &Path,
        key: Zeroizing<[u8; 32]>,
    ) -> Result<Prepared, SpaceError> {
        let scope = Scope::Space(id);
        let (rewritten, position) = (admission.log().rewritten(), admission.log().position(scope));
        let lane = admission.space(id).ok_or(SpaceError::NotFound)?;
        let mut keys = SpaceKeys::open_by(&lane, account.devices())?;
        let clocks = admission.clocks(id);
        let goes_by = clocks.digest(id);
        let mut control = Control { clocks: Arc::clone(&clocks), ..Control::default() };
        let mut after = 0;
        loop {
            let rows = admission.log().rows(scope, true, after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = last.position();
            for row in &rows {
                control.take(&keys, &decode(row)?);
            }
        }
        let (schema, policy) = (control.schema(), control.policy());
        for collection in &schema.collections {
            keys.define(collection);
        }
        let (view_path, view_schema) = (dir.join(format!("{id}.view")), schema.clone());
        let has = admission.log().position(scope);
        let view = tokio::task::spawn_blocking(move || {
            let mut view = View::open(&view_path, &key)?;
            let had = view.position()?;
            if had > has {
                // What it shows beyond the log would be gone at the next rebuild.
                return Err(Loss::LogOlderThanView(vec![Behind { scope, has, had }]).into());
            }
            view.goes_by(goes_by)?;
            if view.schema().version != view_schema.version && view.position()? > 0 {
                // Commits of what was not defined then were left out: the log is read from its beginning,
                // and what is in changes nothing.
                view.begin()?;
                view.set_position(0)?;
                view.commit()?;
            }
            view.set_schema(&view_schema)?;
            Ok::<_, SpaceError>(view)
        })
        .await
        .map_err(|_| SpaceError::Entry("opening the view was cut off"))??;
        let behind = Arc::new(AtomicBool::new(false));
        let core = Core {
            control,
            keys: Arc::new(keys),
            chains: own_chains(admission, scope, account.device.id),
            hlc: Hlc::default(),
            view,
            uncommitted: 0,
            open: false,
            behind: Arc::clone(&behind),
        };
        let space = Space {
            id,
            owner: lane.owner,
            account,
            schema: ArcSwap::from_pointee(schema),
            policy: ArcSwap::from_pointee(policy),
            core: Arc::new(Mutex::new(core)),
            dirty: AtomicBool::new(false),
            behind,
            readers: Mutex::new(Vec::new()),
            last_used: AtomicU64::new(0),
            replaced: AtomicBool::new(false),
            reserved: AtomicUsize::new(0),
            alone: Arc::default(),
        };
        space.core.lock().hlc = largest_hlc(admission, id).await?;
        space.catch_up(admission).await?;
        Ok(Prepared { space, lane, goes_by, rewritten, position })
    }

    pub fn schema(&self) -> Arc<Schema> {
        self.schema.load_full()
    }
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }
    pub fn core(&self) -> &Arc<Mutex<Core>> {
        &self.core
    }

    /// Applies what the log holds behind the view's position. In a turn, or by who has the space for long.
    pub(crate) async fn catch_up(&self, admission: &Admission) -> Result<(), SpaceError> {
        let scope = Scope::Space(self.id);
        loop {
            let after = self.core.lock().view.position()?;
            let rows = admission.log().rows(scope, false, after, PAGE).await?;
            if rows.is_empty() {
                break;
            }
            let core = Arc::clone(&self.core);
            let user = self.owner;
            tokio::task::spawn_blocking(move || apply_rows(&mut core.lock(), user, rows))
                .await
                .map_err(|_| SpaceError::Entry("applying the log was cut off"))??;
        }
        let mut core = self.core.lock();
        core.commit()?;
        core.behind.store(false, Ordering::Release);
        self.dirty.store(false, Ordering::Release);
        Ok(())
    }

    /// Ends the writing through this opening of the space. Called under the turn.
    pub fn replace(&self) {
        self.replaced.store(true, Ordering::Release);
    }
    pub fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Acquire)
    }

    /// Whether somebody has the space for long: who has the turn of the log does not wait for that.
    pub(crate) fn is_reserved(&self) -> bool {
        self.reserved.load(Ordering::Acquire) > 0
    }

    /// Waits for the space, to have it for long. From when this is called small requests leave it alone.
    pub(crate) async fn reserve(self: &Arc<Self>) -> Reserved {
        let _wanted = Wanted::new(self);
        Reserved { _alone: Arc::clone(&self.alone).lock_owned().await, _wanted }
    }

    /// As [`Space::reserve`], for a thread of its own.
    pub(crate) fn reserve_by_thread(self: &Arc<Self>) -> Reserved {
        let _wanted = Wanted::new(self);
        Reserved { _alone: Arc::clone(&self.alone).blocking_lock_owned(), _wanted }
    }

    /// How many entries of the control lane say nothing, and are left out.
    pub(crate) fn left_out(&self) -> usize {
        self.core.lock().control.left_out.len()
    }

    /// The device that writes here.
    pub(crate) fn device(&self) -> DeviceId {
        self.account.device.id
    }

    /// Notes that the view lacks what the log holds.
    pub(crate) fn mark_behind(&self) {
        self.behind.store(true, Ordering::Release);
    }

    /// Whether the view must catch up with the log before anybody reads.
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    /// Takes in a frame of the control lane that has just been stored.
    pub fn apply_control(&self, frame: &Frame) -> Result<(), SpaceError> {
        let mut core = self.core.lock();
        let keys = Arc::clone(&core.keys);
        core.control.take(&keys, frame);
        drop(keys);
        if core.control.schemas.len() as u64 != self.schema.load().version.0 {
            let schema = core.control.schema();
            for collection in &schema.collections {
                Arc::make_mut(&mut core.keys).define(collection);
            }
            core.commit()?;
            if core.view.set_schema(&schema)? {
                // The caller lets it catch up.
                core.behind.store(true, Ordering::Release);
            }
            self.dirty.store(false, Ordering::Release);
            self.schema.store(Arc::new(schema));
            self.readers.lock().clear();
        }
        let policy = core.control.policy();
        self.policy.store(Arc::new(policy));
        for entry in &frame.entries {
            core.hlc = core.hlc.max(core.control.clocks.reading(self.id, &entry.commit));
            if entry.commit.device == self.account.device.id {
                core.chains.insert(LaneTag::CONTROL, (entry.commit.seq, entry.cid));
            }
        }
        Ok(())
    }

    /// Notes that the view has changes which the log holds on disk. Called with the core locked.
    pub fn mark_dirty(&self) {
        self.dirty.store(true, Ordering::Release);
    }

    /// Makes acknowledged changes visible, if there are any that are not.
    pub fn settle(&self) -> Result<(), ViewError> {
        if self.dirty.load(Ordering::Acquire) {
            let mut core = self.core.lock();
            if self.dirty.load(Ordering::Acquire) {
                core.commit()?;
                if self.is_behind() {
                    return Err(ViewError::Behind);
                }
                self.dirty.store(false, Ordering::Release);
            }
        }
        Ok(())
    }

    /// As [`Space::settle`], but without waiting for the writer: false if it is at work.
    pub fn try_settle(&self) -> Result<bool, ViewError> {
        if self.dirty.load(Ordering::Acquire) {
            let Some(mut core) = self.core.try_lock() else { return Ok(false) };
            core.commit()?;
            if self.is_behind() {
                return Ok(false);
            }
            self.dirty.store(false, Ordering::Release);
        }
        Ok(true)
    }

    /// Runs `read` on a read connection that sees everything acknowledged so far.
    pub fn with_reader<T>(&self, read: impl FnOnce(&Reader) -> T) -> Result<T, ViewError> {
        self.settle()?;
        let pooled = self.readers.lock().pop();
        let reader = match pooled {
            Some(reader) => reader,
            None => self.core.lock().view.reader()?,
        };
        Ok(self.read_by(reader, read))
    }

    /// As [`Space::with_reader`], where everything is settled, but without waiting for who writes: `None`, there is no
    /// connection to be had now.
    pub fn with_reader_now<T>(&self, read: impl FnOnce(&Reader) -> T) -> Result<Option<T>, ViewError> {
        let pooled = self.readers.lock().pop();
        let reader = match pooled {
            Some(reader) => reader,
            None => match self.core.try_lock() {
                Some(core) => core.view.reader()?,
                None => return Ok(None),
            },
        };
        Ok(Some(self.read_by(reader, read)))
    }

    fn read_by<T>(&self, reader: Reader, read: impl FnOnce(&Reader) -> T) -> T {
        let answer = read(&reader);
        let mut readers = self.readers.lock();
        if readers.len() < READERS && reader.is_idle() {
            readers.push(reader);
        }
        answer
    }

    pub fn touch(&self, now_seconds: u64) {
        self.last_used.store(now_seconds, Ordering::Relaxed);
    }
    pub fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// Closes read connections, writes the view out and syncs it, so that it counts as clean.
    pub fn close(&self) -> Result<(), ViewError> {
        self.readers.lock().clear();
        let mut core = self.core.lock();
        core.commit()?;
        self.dirty.store(false, Ordering::Release);
        core.view.sync()
    }
}

pub(crate) fn decode(row: &Row) -> Result<Frame, SpaceError> {
    row.frame().map_err(|source| SpaceError::Frame { position: row.position(), source })
}

/// Opens and applies rows of the log to the view, in order. Each row is whole or not at all.
pub(crate) fn apply_rows(core: &mut Core, owner: UserId, rows: Vec<Row>) -> Result<(), SpaceError> {
    let mut roots: HashMap<Cid, (DocId, [u8; 16])> = HashMap::new();
    core.begin()?;
    for row in rows {
        let frame = decode(&row)?;
        if frame.lane != LaneTag::CONTROL {
            for entry in &frame.entries {
                let view = &core.view;
                let mut lookup = Ok(());
                let opened = core.keys.open_commit(entry, owner, |cid| {
                    roots.get(cid).copied().or_else(|| match view.root(cid) {
                        Ok(found) => found,
                        Err(error) => {
                            lookup = Err(error);
                            None
                        }
                    })
                });
                lookup?;
                let commit = match opened {
                    Ok(commit) => {
                        DocumentCommit { hlc: core.control.clocks.reading(frame.space, &entry.commit), ..commit }
                    }
                    // Kept in the log; a definition that arrives later rebuilds the view.
                    Err(OpenCommitError::UnknownLane) => {
                        core.view.note_left_out()?;
                        continue;
                    }
                    // One bad commit never blocks the others: it stays in the log and out of the view.
                    Err(error) => {
                        tracing::error!(position = row.position(), cid = %entry.cid, %error, "a commit is left out");
                        continue;
                    }
                };
                if let Some(salt) = commit.salt {
                    roots.insert(commit.cid, (commit.doc, salt));
                }
                core.hlc = core.hlc.max(commit.hlc);
                core.view.apply(&commit)?;
                core.uncommitted += 1;
            }
        }
        core.view.set_position(row.position())?;
    }
    if core.uncommitted > 4_096 {
        core.commit()?;
    }
    Ok(())
}

/// The largest clock reading in a scope: clocks grow along every chain, so the last row of each has it.
pub(crate) async fn largest_hlc(admission: &Admission, space: SpaceId) -> Result<Hlc, SpaceError> {
    let clocks = admission.clocks(space);
    let mut largest = Hlc::default();
    for row in admission.log().last_rows(Scope::Space(space)).await? {
        let frame = decode(&row)?;
        largest = largest.max(clocks.reading(space, &frame.last().commit));
    }
    Ok(largest)
}
