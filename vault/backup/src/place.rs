//! A directory that backups go to.
//!
//! `allod-backup` says which version and which key it is for; `data/xx/` and `backups/` hold sealed files by their
//! names, `tested/` what was found of backups. A file is written under another name, waited for until it is on disk, and
//! renamed: whatever is broken off leaves nothing under a name that counts. A backup's manifest is written last.

use std::collections::{BTreeSet, HashMap};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::manifest::{Backup, Manifest};
use crate::seal::{BackupKey, DataName, Kind, OpenError};

const HEADER: &str = "allod-backup";
const VERSION: &str = "allod-backup-1";
const LOCK: &str = "lock";
/// Where files are written until they are whole.
const FRESH: &str = "fresh";

/// Why a place cannot be used. The words in front of the colon are stable codes.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("backup_place_missing: there are no backups at {0}")]
    Missing(PathBuf),
    #[error("backup_place_foreign: {0} holds other things than backups; choose an empty directory")]
    Foreign(PathBuf),
    #[error(
        "backup_place_locked: the key does not open {0}: it is for other recovery words, or its file `allod-backup` was altered"
    )]
    Locked(PathBuf),
    #[error("backup_place_newer_version: {0} was made by a newer version of Allod; use that")]
    NewerVersion(PathBuf),
    #[error("backup_place_in_use: another backup to {0} is under way; wait until it is done")]
    InUse(PathBuf),
    #[error("backup_damaged: {path}: {problem}")]
    Damaged { path: PathBuf, problem: &'static str },
    #[error("backup_incomplete: {0} is missing")]
    Lost(PathBuf),
    #[error("io: {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> PlaceError + '_ {
    move |source| PlaceError::Io { path: path.to_owned(), source }
}

/// A place, and the key that opens what lies in it.
#[derive(Debug, Clone)]
pub struct Place {
    dir: PathBuf,
    key: BackupKey,
    /// Directories in which names have changed that may not be on disk yet.
    unsettled: Arc<Mutex<BTreeSet<PathBuf>>>,
}

/// Nobody else adds to the place, or takes from it, for as long as this is there.
#[derive(Debug)]
pub struct PlaceLock {
    _file: File,
}

impl Place {
    /// Opens a place that is there.
    ///
    /// # Errors
    /// If there is none, or it is for another key.
    pub fn open(dir: &Path, key: BackupKey) -> Result<Self, PlaceError> {
        let header = dir.join(HEADER);
        let text = match read_plain(&header, 256) {
            Ok(text) => text,
            Err(PlaceError::Lost(_)) => return Err(PlaceError::Missing(dir.to_owned())),
            Err(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&text);
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            [VERSION, id] if id == key.id() => Ok(Place { dir: dir.to_owned(), key, unsettled: Arc::default() }),
            [VERSION, ..] => Err(PlaceError::Locked(dir.to_owned())),
            [other, ..] if is_newer(other) => Err(PlaceError::NewerVersion(dir.to_owned())),
            _ => Err(PlaceError::Damaged { path: header, problem: "it does not say that here are backups" }),
        }
    }

    /// Opens a place, and makes it of an empty directory or where there is none.
    ///
    /// # Errors
    /// If something else lies there.
    pub fn open_or_create(dir: &Path, key: BackupKey) -> Result<Self, PlaceError> {
        match Self::open(dir, key.clone()) {
            Err(PlaceError::Missing(_)) => {}
            other => return other,
        }
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io(dir))?;
        for entry in std::fs::read_dir(dir).map_err(io(dir))? {
            let name = entry.map_err(io(dir))?.file_name();
            // What a making that was broken off leaves, and what a fresh file system has.
            let known = [LOCK, FRESH, "data", "backups", "tested", "lost+found"];
            if !known.iter().any(|known| name == *known) {
                return Err(PlaceError::Foreign(dir.to_owned()));
            }
        }
        let place = Place { dir: dir.to_owned(), key, unsettled: Arc::default() };
        for name in [FRESH, "data", "backups", "tested"] {
            make_dir(&dir.join(name))?;
        }
        let header = format!("{VERSION} {}\n", place.key.id());
        place.write(&dir.join(HEADER), header.as_bytes())?;
        sync_dir(dir)?;
        Ok(place)
    }

    pub fn path(&self) -> &Path {
        &self.dir
    }

    pub fn key(&self) -> &BackupKey {
        &self.key
    }

    /// Takes the right to add to the place and to take from it, and removes what was broken off before.
    ///
    /// # Errors
    /// If another process has it.
    pub fn lock(&self) -> Result<PlaceLock, PlaceError> {
        let path = self.dir.join(LOCK);
        let nofollow = OFlags::NOFOLLOW.bits() as i32;
        let open =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).custom_flags(nofollow).open(&path);
        let file = open.map_err(io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PlaceError::InUse(self.dir.clone())),
            Err(TryLockError::Error(source)) => return Err(PlaceError::Io { path, source }),
        }
        let fresh = self.dir.join(FRESH);
        make_dir(&fresh)?;
        for entry in std::fs::read_dir(&fresh).map_err(io(&fresh))?.flatten() {
            let _ = std::fs::remove_file(entry.path());
        }
        Ok(PlaceLock { _file: file })
    }

    /// The files of segments and pieces that are there, with their lengths.
    ///
    /// # Errors
    /// If the directories cannot be read.
    pub fn data(&self) -> Result<HashMap<DataName, u64>, PlaceError> {
        let mut found = HashMap::new();
        let data = self.dir.join("data");
        for part in listed(&data)? {
            if part.file_type().is_ok_and(|kind| kind.is_dir()) {
                for entry in listed(&part.path())? {
                    let name = entry.file_name().to_str().and_then(DataName::parse);
                    // Links are not followed, and are not what was put there.
                    let len = entry.metadata().ok().filter(|found| found.is_file()).map(|found| found.len());
                    found.extend(name.zip(len));
                }
            }
        }
        Ok(found)
    }

    fn file(&self, kind: Kind, name: DataName) -> PathBuf {
        let name = name.to_string();
        match kind {
            Kind::Segment | Kind::Piece => self.dir.join("data").join(&name[..2]).join(name),
            Kind::Manifest => self.dir.join("backups").join(name),
            Kind::Tested => self.dir.join("tested").join(name),
        }
    }

    /// Puts a content into the place; returns its name and the length of its file. On disk when [`Place::settle`] has
    /// returned.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&self, kind: Kind, content: &[u8]) -> Result<(DataName, u64), PlaceError> {
        let (name, file) = self.key.seal(kind, content);
        self.write(&self.file(kind, name), &file)?;
        Ok((name, file.len() as u64))
    }

    /// Waits until what was put is on disk under its name.
    ///
    /// # Errors
    /// If a directory cannot be written out.
    pub fn settle(&self) -> Result<(), PlaceError> {
        let unsettled = std::mem::take(&mut *self.unsettled.lock().unwrap_or_else(PoisonError::into_inner));
        // A directory that was made for them is a name in the one above.
        let above: BTreeSet<&Path> = unsettled.iter().filter_map(|dir| dir.parent()).collect();
        for dir in unsettled.iter().map(PathBuf::as_path).chain(above) {
            if let Err(error) = sync_dir(dir) {
                self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).extend(unsettled.iter().cloned());
                return Err(error);
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), PlaceError> {
        if let Some(parent) = path.parent() {
            make_dir(parent)?;
        }
        let name = path.file_name().unwrap_or_default();
        let fresh = self.dir.join(FRESH).join(name);
        let _ = std::fs::remove_file(&fresh);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh).map_err(io(&fresh))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io(&fresh))?;
        std::fs::rename(&fresh, path).map_err(io(path))?;
        let parent = path.parent().map(Path::to_owned);
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner).extend(parent);
        Ok(())
    }

    /// What a file of the place holds.
    ///
    /// # Errors
    /// If it is missing, or does not hold what its name says.
    pub fn get(&self, kind: Kind, name: DataName) -> Result<Zeroizing<Vec<u8>>, PlaceError> {
        let path = self.file(kind, name);
        let file = read_plain(&path, kind.most_sealed())?;
        self.key.open(kind, name, &file).map_err(|error| damaged(&path, error))
    }

    /// The backups of the place that can be read, the newest first, and the files of those that cannot.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn backups(&self) -> Result<(Vec<Backup>, Vec<PlaceError>), PlaceError> {
        let (mut all, mut bad) = (Vec::new(), Vec::new());
        for entry in listed(&self.dir.join("backups"))? {
            let path = entry.path();
            let Some(name) = entry.file_name().to_str().and_then(DataName::parse) else {
                bad.push(PlaceError::Damaged { path, problem: "a file of another name than backups have" });
                continue;
            };
            match self.backup(name) {
                Ok(backup) => all.push(backup),
                Err(error) => bad.push(error),
            }
        }
        all.sort_by(|a, b| b.manifest.age(&a.manifest).then(a.name.cmp(&b.name)));
        Ok((all, bad))
    }

    fn backup(&self, name: DataName) -> Result<Backup, PlaceError> {
        let content = self.get(Kind::Manifest, name)?;
        let problem = "it is of another version, or no manifest";
        let manifest = Manifest::decode(&content)
            .map_err(|_| PlaceError::Damaged { path: self.file(Kind::Manifest, name), problem })?;
        Ok(Backup { name, manifest, tested: self.tested(name) })
    }

    /// Notes that a backup was restored, and found whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note_tested(&self, backup: DataName, at: i64) -> Result<(), PlaceError> {
        let (name, file) = self.key.seal(Kind::Tested, &[&backup.0[..], &at.to_be_bytes()].concat());
        self.write(&self.file(Kind::Tested, backup), &[&name.0[..], &file].concat())?;
        sync_dir(&self.dir.join("tested"))
    }

    fn tested(&self, backup: DataName) -> Option<i64> {
        let path = self.file(Kind::Tested, backup);
        let file = read_plain(&path, Kind::Tested.most_sealed()).ok()?;
        let (name, file) = file.split_first_chunk::<32>()?;
        let content = self.key.open(Kind::Tested, DataName(*name), file).ok()?;
        let (of, at) = content.split_first_chunk::<32>()?;
        (*of == backup.0).then_some(i64::from_be_bytes(at.try_into().ok()?))
    }

    /// Removes backups, and then whatever none of `left` rests on; returns how many files of data and bytes that were.
    ///
    /// # Errors
    /// If something cannot be removed. What was removed before stays so, and every backup that is left is whole.
    pub fn remove(&self, backups: &[DataName], left: &[Backup]) -> Result<(usize, u64), PlaceError> {
        for name in backups {
            for path in [self.file(Kind::Manifest, *name), self.file(Kind::Tested, *name)] {
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(&path)(error)),
                    _ => {}
                }
            }
        }
        // A manifest that comes back after a power cut must not name what is gone.
        sync_dir(&self.dir.join("backups"))?;
        let mut needed = std::collections::HashSet::new();
        for backup in left {
            needed.extend(backup.manifest.segments.iter().map(|stored| stored.name));
            needed.extend(&backup.manifest.pieces);
        }
        let (mut files, mut bytes) = (0, 0);
        for (name, len) in self.data()?.into_iter().filter(|(name, _)| !needed.contains(name)) {
            let path = self.file(Kind::Segment, name);
            std::fs::remove_file(&path).map_err(io(&path))?;
            (files, bytes) = (files + 1, bytes + len);
        }
        Ok((files, bytes))
    }
}

fn damaged(path: &Path, error: OpenError) -> PlaceError {
    let problem = match error {
        OpenError::Damaged => "it does not hold what was put there",
        OpenError::Newer => "it was made by a newer version of Allod",
    };
    PlaceError::Damaged { path: path.to_owned(), problem }
}

fn is_newer(word: &str) -> bool {
    word.strip_prefix("allod-backup-").and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n > 1)
}

fn make_dir(dir: &Path) -> Result<(), PlaceError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = dir.symlink_metadata().map_err(io(dir))?;
            let problem = "it is no directory";
            if found.is_dir() { Ok(()) } else { Err(PlaceError::Damaged { path: dir.to_owned(), problem }) }
        }
        other => other.map_err(io(dir)),
    }
}

fn listed(dir: &Path) -> Result<Vec<std::fs::DirEntry>, PlaceError> {
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.collect::<Result<_, _>>().map_err(io(dir)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(io(dir)(error)),
    }
}

fn sync_dir(dir: &Path) -> Result<(), PlaceError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io(dir))
}

/// Reads a plain file of at most so many bytes: no link is followed, and nothing is waited for (as a pipe would have it).
fn read_plain(path: &Path, most: u64) -> Result<Vec<u8>, PlaceError> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(PlaceError::Lost(path.to_owned())),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(PlaceError::Damaged { path: path.to_owned(), problem: "it is a link" });
        }
        Err(error) => return Err(io(path)(error)),
    };
    let found = file.metadata().map_err(io(path))?;
    if !found.is_file() || found.len() > most {
        let problem = if found.is_file() { "it is longer than anything that was put there" } else { "it is no file" };
        return Err(PlaceError::Damaged { path: path.to_owned(), problem });
    }
    let mut bytes = Vec::with_capacity(found.len() as usize);
    file.take(most).read_to_end(&mut bytes).map_err(io(path))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
