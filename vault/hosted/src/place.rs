//! One place, as its keeper has it on disk: `place.json`, `holder`, and the objects as they came, for the keeper's eyes alone.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use parking_lot::Mutex;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::address::PlaceLabel;
use crate::coming::{Coming, UnderWay};
use crate::files::{first_names, length, make_dir, make_one, sync};
use crate::holding::{Holding, is_holder};
use crate::name::{MAX_OBJECT_BYTES, ObjectName};
use crate::refused::KeepError;
use crate::secret::SecretHash;
use crate::taken::{NoRoom, Reserved, Taken};
use crate::wire::{Listed, ListedObject, LockAsked, LockStanding, PAGE, PlaceStanding};

pub(crate) const TERMS: &str = "place.json";
const HOLDER: &str = "holder";
pub(crate) const OBJECTS: &str = "objects";
pub(crate) const FRESH: &str = "fresh";
/// Requests of a place at once, how long whoever comes beyond waits, and how many a second there are at length.
const AT_ONCE: usize = 8;
const TURN: Duration = Duration::from_secs(15);
const EACH: Duration = Duration::from_millis(2);
/// So far requests may come ahead of that.
const AHEAD: Duration = Duration::from_secs(4);

/// What a place was made with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PlaceTerms {
    pub(crate) version: u32,
    /// SHA-256 of the secret.
    pub(crate) secret: String,
    pub(crate) quota: u64,
    /// Microseconds since 1970.
    pub(crate) made: i64,
}

/// A place for somebody's backups.
#[derive(Debug)]
pub struct KeptPlace {
    label: PlaceLabel,
    dir: PathBuf,
    terms: PlaceTerms,
    pub(crate) secret: SecretHash,
    /// Counted when it is first asked for.
    taken: Mutex<Option<Taken>>,
    holding: Mutex<Holding>,
    room: Arc<Semaphore>,
    /// One at a time: it reads directories.
    listing: Arc<tokio::sync::Mutex<()>>,
    under_way: UnderWay,
    /// It was removed: what still has it does nothing in a new place of the same name. Set while `taken` and `holding` are
    /// locked.
    gone: AtomicBool,
    /// When the next request is due, if they come no quicker than they may.
    due: Mutex<Instant>,
}

impl KeptPlace {
    pub(crate) fn open(label: PlaceLabel, dir: PathBuf, under_way: UnderWay) -> std::io::Result<Self> {
        let terms: PlaceTerms = serde_json::from_slice(&std::fs::read(dir.join(TERMS))?)?;
        let secret = SecretHash::read(&terms.secret).filter(|_| terms.version == 1);
        let secret = secret.ok_or_else(|| std::io::Error::other("place.json is damaged, or of a newer version"))?;
        // What was broken off before.
        let _ = std::fs::remove_dir_all(dir.join(FRESH));
        for inner in [FRESH, OBJECTS] {
            make_dir(&dir.join(inner))?;
        }
        Ok(KeptPlace {
            label,
            holding: Mutex::new(Holding::open(dir.join(HOLDER))),
            dir,
            terms,
            secret,
            taken: Mutex::default(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            listing: Arc::default(),
            under_way,
            gone: AtomicBool::new(false),
            due: Mutex::new(Instant::now()),
        })
    }

    /// What it is called.
    pub fn label(&self) -> &PlaceLabel {
        &self.label
    }

    /// When it was made, in microseconds since 1970.
    pub fn made(&self) -> i64 {
        self.terms.made
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Ends it by what moves its directory away.
    ///
    /// # Errors
    /// As `by`: then it goes on.
    pub(crate) fn end(&self, by: impl FnOnce() -> std::io::Result<()>) -> std::io::Result<()> {
        let _locked = (self.taken.lock(), self.holding.lock());
        by()?;
        self.gone.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn there(&self) -> Result<(), KeepError> {
        if self.gone.load(Ordering::SeqCst) { Err(KeepError::Gone) } else { Ok(()) }
    }

    /// The turn of a request, to be held until it is answered and nothing is done for it any more.
    ///
    /// # Errors
    /// [`KeepError::Busy`] if too many come; [`KeepError::Gone`] if it was removed meanwhile.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, KeepError> {
        {
            let (now, mut due) = (Instant::now(), self.due.lock());
            if due.saturating_duration_since(now) > AHEAD {
                return Err(KeepError::Busy);
            }
            *due = (*due).max(now) + EACH;
        }
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.room).acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(KeepError::Busy)?;
        self.there()?;
        Ok(turn)
    }

    fn counted<T>(&self, with: impl FnOnce(&mut Taken) -> T) -> Result<T, KeepError> {
        let mut taken = self.taken.lock();
        self.there()?;
        if taken.is_none() {
            *taken = Some(Taken::count(&self.dir.join(OBJECTS))?);
        }
        taken.as_mut().map(with).ok_or(KeepError::Busy)
    }

    /// How it stands. Blocks.
    ///
    /// # Errors
    /// If the disk does not tell.
    pub fn standing(&self) -> Result<PlaceStanding, KeepError> {
        let taken = self.counted(|taken| *taken)?;
        Ok(PlaceStanding {
            place: self.label.to_string(),
            quota: self.terms.quota,
            taken: taken.bytes,
            objects: taken.objects,
        })
    }

    /// Does what is for whoever holds the lock, while they do: nobody takes it meanwhile.
    fn held<T>(&self, holder: Option<&str>, act: impl FnOnce() -> Result<T, KeepError>) -> Result<T, KeepError> {
        let holding = self.holding.lock();
        self.there()?;
        if holding.is_held_by(holder) { act() } else { Err(KeepError::NotHeld) }
    }

    pub(crate) fn path(&self, name: &ObjectName) -> PathBuf {
        self.dir.join(OBJECTS).join(name.path())
    }

    /// Makes room for an object of so many bytes, which are then written to the upload's file. Blocks.
    ///
    /// # Errors
    /// If there is no room, or, with `only_new`, the object is there; [`KeepError::NotHeld`] of what says which backups there
    /// are, unless it is by the `holder` of the lock.
    pub fn begin(
        self: &Arc<Self>,
        name: ObjectName,
        bytes: u64,
        only_new: bool,
        holder: Option<String>,
    ) -> Result<Upload, KeepError> {
        if bytes > MAX_OBJECT_BYTES {
            return Err(KeepError::TooLong);
        }
        if name.is_of_backups() {
            self.held(holder.as_deref(), || Ok(()))?;
        }
        let there = length(&self.path(&name))?;
        if only_new && there.is_some() {
            return Err(KeepError::Exists);
        }
        let coming = self.under_way.add(bytes, || {
            let free = rustix::fs::statvfs(&self.dir).map_err(std::io::Error::from)?;
            Ok::<_, KeepError>(free.f_bavail.saturating_mul(free.f_frsize))
        });
        let coming = coming?.ok_or(KeepError::DiskFull)?;
        let quota = self.terms.quota;
        let reserved =
            self.counted(|taken| taken.reserve(bytes, there, quota).map_err(|none| self.no_room(none, taken)))??;
        Upload::begin(Arc::clone(self), name, bytes, (reserved, coming), (only_new, holder))
    }

    fn no_room(&self, none: NoRoom, taken: &Taken) -> KeepError {
        match none {
            NoRoom::Bytes => KeepError::Full { quota: self.terms.quota, taken: taken.bytes + taken.coming.bytes },
            NoRoom::Objects => KeepError::Crowded,
        }
    }

    fn give_back(&self, reserved: Reserved) {
        if let Some(taken) = self.taken.lock().as_mut() {
            taken.give_back(reserved);
        }
    }

    /// Gives a written file its object's name; whether one was there.
    fn settle(&self, upload: &mut Upload) -> Result<bool, KeepError> {
        let path = self.path(&upload.name);
        let above = path.parent().unwrap_or(&self.dir);
        // One by one: of a place that was removed meanwhile nothing is made again.
        for dir in [above.parent().unwrap_or(above), above] {
            if dir.starts_with(self.dir.join(OBJECTS)) {
                make_one(dir)?;
            }
        }
        // What is counted and what is there change together.
        let replaced = self.counted(|taken| {
            let there = length(&path)?;
            if upload.only_new && there.is_some() {
                return Err(KeepError::Exists);
            }
            // What was to be replaced may be gone by now: that there is room is looked at again.
            taken.give_back(std::mem::take(&mut upload.reserved));
            taken.room(upload.bytes, there, self.terms.quota).map_err(|none| self.no_room(none, taken))?;
            let name = || std::fs::rename(&upload.fresh, &path).map_err(KeepError::from);
            match upload.name.is_of_backups() {
                // Looked at again: a body may take longer than a lease.
                true => self.held(upload.holder.as_deref(), name)?,
                false => name()?,
            }
            taken.put(upload.bytes, there);
            Ok(there)
        })??;
        for dir in [above, above.parent().unwrap_or(above)] {
            sync(dir)?;
        }
        Ok(replaced.is_some())
    }

    /// The file of an object, and its length. Blocks.
    ///
    /// # Errors
    /// [`KeepError::Missing`], or if it cannot be read.
    pub fn read(&self, name: &ObjectName) -> Result<(File, u64), KeepError> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(self.path(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(KeepError::Missing),
            Err(error) => return Err(error.into()),
        };
        let found = file.metadata()?;
        // What was opened before it went is its own.
        self.there()?;
        if found.is_file() { Ok((file, found.len())) } else { Err(KeepError::Missing) }
    }

    /// Removes an object, for good. Blocks.
    ///
    /// # Errors
    /// [`KeepError::NotHeld`] if it is not by the `holder` of the lock; or it is there and cannot be removed.
    pub fn remove(&self, name: &ObjectName, holder: Option<&str>) -> Result<(), KeepError> {
        let path = self.path(name);
        let removed = self.counted(|taken| {
            self.held(holder, || {
                let Some(bytes) = length(&path)? else { return Ok(false) };
                std::fs::remove_file(&path)?;
                taken.removed(bytes);
                Ok(true)
            })
        })??;
        match path.parent() {
            Some(above) if removed => Ok(sync(above)?),
            _ => Ok(()),
        }
    }

    /// What lists its objects, once nobody else does.
    pub async fn listing(self: &Arc<Self>) -> Listing {
        let alone = Arc::clone(&self.listing).lock_owned().await;
        Listing { place: Arc::clone(self), _alone: alone }
    }

    fn listed(&self, dir: &str, after: &str, page: usize) -> Result<Listed, KeepError> {
        let at = self.dir.join(OBJECTS).join(dir);
        let mut dirs = vec![(dir.to_owned(), at.clone())];
        if ObjectName::is_deep(dir) {
            let parts = first_names(&at, 256, ObjectName::is_part)?.into_iter();
            dirs = parts.map(|part| (format!("{dir}/{part}"), at.join(part))).collect();
        }
        let mut objects = Vec::new();
        for (dir, at) in dirs {
            // Everything of it is behind `after`, or nothing is.
            if format!("{dir}/~").as_str() <= after {
                continue;
            }
            let wanted = |file: &str| {
                let name = format!("{dir}/{file}");
                name.as_str() > after && name.parse::<ObjectName>().is_ok()
            };
            for file in first_names(&at, page - objects.len(), wanted)? {
                let found = at.join(&file).symlink_metadata()?;
                let bytes = found.is_file().then_some(found.len());
                objects.push(ListedObject { name: format!("{dir}/{file}"), bytes });
            }
            if objects.len() == page {
                break;
            }
        }
        self.there()?;
        let next = objects.last().filter(|_| objects.len() == page).map(|last| last.name.clone());
        Ok(Listed { objects, next })
    }

    /// Takes, renews or lets go of the lock. Blocks.
    ///
    /// # Errors
    /// If the holder is no such word, or cannot be noted.
    pub fn lock(&self, asked: &LockAsked) -> Result<LockStanding, KeepError> {
        if !is_holder(&asked.holder) {
            return Err(KeepError::Unfit("a holder is 32 hexadecimal digits"));
        }
        let mut holding = self.holding.lock();
        self.there()?;
        Ok(holding.ask(asked)?)
    }
}

/// Lists the objects of a place: one at a time, for it reads directories.
#[derive(Debug)]
pub struct Listing {
    place: Arc<KeptPlace>,
    _alone: OwnedMutexGuard<()>,
}

impl Listing {
    /// The objects of a directory of the place behind `after`, in the order of their names: so many as an answer holds.
    /// Blocks.
    ///
    /// # Errors
    /// If there is no such directory in any place, or it cannot be read.
    pub fn read(self, dir: &str, after: Option<&str>) -> Result<Listed, KeepError> {
        if !ObjectName::is_dir(dir) {
            return Err(KeepError::Unfit("lists are of data, backups or tested"));
        }
        self.place.listed(dir, after.unwrap_or_default(), PAGE)
    }
}

/// Room for an object, and the file that it is written to. What is not finished leaves nothing.
#[derive(Debug)]
pub struct Upload {
    place: Arc<KeptPlace>,
    name: ObjectName,
    bytes: u64,
    reserved: Reserved,
    _coming: Coming,
    only_new: bool,
    /// Who says that they hold the lock.
    holder: Option<String>,
    fresh: PathBuf,
}

impl Drop for Upload {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.fresh);
        self.place.give_back(self.reserved);
    }
}

impl Upload {
    fn begin(
        place: Arc<KeptPlace>,
        name: ObjectName,
        bytes: u64,
        (reserved, coming): (Reserved, Coming),
        (only_new, holder): (bool, Option<String>),
    ) -> Result<Self, KeepError> {
        let mut random = [0; 16];
        let drawn = getrandom::fill(&mut random).map_err(|_| KeepError::Busy);
        let fresh = place.dir().join(FRESH).join(HEXLOWER.encode(&random));
        let upload = Upload { place, name, bytes, reserved, _coming: coming, only_new, holder, fresh };
        drawn.map(|()| upload)
    }

    /// How many bytes are to come.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file for them. Blocks.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(&self) -> Result<File, KeepError> {
        Ok(OpenOptions::new().create_new(true).write(true).mode(0o600).open(&self.fresh)?)
    }

    /// It is there for good when this returns; whether another one was there before. Blocks.
    ///
    /// # Errors
    /// [`KeepError::Cut`] if not as many bytes came as were announced; [`KeepError::Exists`]; [`KeepError::NotHeld`] if the
    /// lock was lost meanwhile; or the disk fails.
    pub fn finish(mut self) -> Result<bool, KeepError> {
        let file = File::open(&self.fresh)?;
        if file.metadata()?.len() != self.bytes {
            return Err(KeepError::Cut);
        }
        file.sync_all()?;
        let place = Arc::clone(&self.place);
        place.settle(&mut self)
    }
}

#[cfg(test)]
mod tests;
