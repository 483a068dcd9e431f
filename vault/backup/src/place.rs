//! A place that backups go to.
//!
//! `allod-backup` says which version and which key it is for; `data/xx/` and `backups/` hold sealed files by their
//! names, `tested/` what was found of backups. A backup's manifest is written last. What keeps the files is a
//! [`Store`].

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::directory::Directory;
use crate::error::PlaceError;
use crate::manifest::{Backup, Manifest, Unreadable};
use crate::seal::{BackupKey, DataName, ObjectKind, OpenError};
use crate::store::{Hold, Store};

const HEADER: &str = "allod-backup";
const VERSION: &str = "allod-backup-1";
const DATA: &str = "data";
const BACKUPS: &str = "backups";
const TESTED: &str = "tested";

/// A place, and the key that opens what lies in it.
#[derive(Debug, Clone)]
pub struct Place {
    store: Arc<dyn Store>,
    key: BackupKey,
}

/// Nobody else adds to the place, or takes from it, for as long as this is there.
#[derive(Debug)]
pub struct PlaceLock(Box<dyn Hold>);

impl PlaceLock {
    /// Lets go of the place, and waits until that is known there. Blocks.
    pub fn release(self) {
        self.0.release();
    }

    /// What a [`Store`] is told of it.
    pub fn hold(&self) -> &dyn Hold {
        &*self.0
    }

    /// What the place cannot promise, for the operator.
    pub fn caution(&self) -> Option<String> {
        self.0.caution()
    }
}

impl Place {
    /// Opens a place that is there.
    ///
    /// # Errors
    /// If there is none, or it is for another key.
    pub fn open(store: Arc<dyn Store>, key: BackupKey) -> Result<Self, PlaceError> {
        let text = match store.read(HEADER, 256) {
            Ok(text) => text,
            Err(PlaceError::Lost(_)) => return Err(PlaceError::Missing(store.name())),
            Err(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&text);
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            [VERSION, id] if id == key.id() => Ok(Place { store, key }),
            [VERSION, ..] => Err(PlaceError::Locked(store.name())),
            [other, ..] if is_newer(other) => Err(PlaceError::NewerVersion(store.name())),
            _ => {
                let problem = "it does not say that here are backups";
                Err(PlaceError::Damaged { path: store.name_of(HEADER), problem })
            }
        }
    }

    /// Opens a place, and makes it of an empty one or where there is none.
    ///
    /// # Errors
    /// If something else lies there.
    pub fn open_or_create(store: Arc<dyn Store>, key: BackupKey) -> Result<Self, PlaceError> {
        match Self::open(Arc::clone(&store), key.clone()) {
            Err(PlaceError::Missing(_)) => {}
            other => return other,
        }
        store.prepare(&[DATA, BACKUPS, TESTED])?;
        // Of two that make it at once one does: whose key the other has, it is told when it opens it.
        store.create(HEADER, format!("{VERSION} {}\n", key.id()).as_bytes())?;
        Self::open(store, key)
    }

    /// As [`Place::open`], of a directory.
    ///
    /// # Errors
    /// As there.
    pub fn open_directory(dir: &Path, key: BackupKey) -> Result<Self, PlaceError> {
        Self::open(Arc::new(Directory::new(dir)), key)
    }

    /// As [`Place::open_or_create`], of a directory.
    ///
    /// # Errors
    /// As there.
    pub fn open_or_create_directory(dir: &Path, key: BackupKey) -> Result<Self, PlaceError> {
        Self::open_or_create(Arc::new(Directory::new(dir)), key)
    }

    /// What people call it.
    pub fn name(&self) -> String {
        self.store.name()
    }

    pub fn key(&self) -> &BackupKey {
        &self.key
    }

    /// Takes the right to add to the place and to take from it.
    ///
    /// # Errors
    /// If another process has it.
    pub fn lock(&self) -> Result<PlaceLock, PlaceError> {
        Ok(PlaceLock(self.store.lock()?))
    }

    /// The files of segments and pieces that are there, with their lengths.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn data(&self) -> Result<HashMap<DataName, u64>, PlaceError> {
        let all = self.store.list(DATA)?.into_iter();
        Ok(all.filter_map(|found| name_of(DATA, &found.path).zip(found.bytes)).collect())
    }

    /// Puts a content into the place; returns its name and the length of its file. It is there for good when
    /// [`Place::settle`] has returned.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&self, kind: ObjectKind, content: &[u8]) -> Result<(DataName, u64), PlaceError> {
        self.write(kind, content, None)
    }

    fn write(&self, kind: ObjectKind, content: &[u8], held: Option<&dyn Hold>) -> Result<(DataName, u64), PlaceError> {
        let (name, file) = self.key.seal(kind, content);
        let bytes = file.len() as u64;
        self.store.write(&path(kind, name), file, held)?;
        Ok((name, bytes))
    }

    /// Waits until what was put is there for good.
    ///
    /// # Errors
    /// If something of it could not be written.
    pub fn settle(&self) -> Result<(), PlaceError> {
        self.store.settle()
    }

    /// Adds a backup: everything that it names was put. Returns its name and the length of its file.
    ///
    /// # Errors
    /// If something that was put could not be written, the place is somebody else's by now, or the manifest cannot be
    /// written: then there is no such backup. Also if the place does not give back what was written.
    pub fn commit(&self, manifest: &Manifest, lock: &PlaceLock) -> Result<(DataName, u64), PlaceError> {
        let content = manifest.encode();
        let most = ObjectKind::Manifest.most_sealed();
        if ObjectKind::sealed_len(content.len() as u64) > most || Manifest::decode(&content).is_err() {
            return Err(PlaceError::TooMuch);
        }
        // Everything that it names is there for good before it is there itself.
        self.settle()?;
        lock.0.check()?;
        let put = self.write(ObjectKind::Manifest, &content, Some(lock.hold()))?;
        self.settle()?;
        // By its name what is read is what was written.
        self.get(ObjectKind::Manifest, put.0)?;
        Ok(put)
    }

    /// What a file of the place holds.
    ///
    /// # Errors
    /// If it is missing, or does not hold what its name says.
    pub fn get(&self, kind: ObjectKind, name: DataName) -> Result<Zeroizing<Vec<u8>>, PlaceError> {
        let path = path(kind, name);
        let file = self.store.read(&path, kind.most_sealed())?;
        self.key.open(kind, name, &file).map_err(|error| damaged(self.store.name_of(&path), error))
    }

    /// The backups of the place that can be read, the newest first, and the files of those that cannot.
    ///
    /// # Errors
    /// If they cannot be listed, or the place cannot be reached.
    pub fn backups(&self) -> Result<(Vec<Backup>, Vec<Unreadable>), PlaceError> {
        let (mut all, mut bad) = (Vec::new(), Vec::new());
        for found in self.store.list(BACKUPS)? {
            let Some(name) = name_of(BACKUPS, &found.path) else {
                let path = self.store.name_of(&found.path);
                let error = PlaceError::Damaged { path, problem: "a file of another name than backups have" };
                bad.push(Unreadable { name: None, error });
                continue;
            };
            match self.backup(name) {
                Ok(backup) => all.push(backup),
                // What cannot be asked for now may be the newest.
                Err(error @ (PlaceError::Unreachable { .. } | PlaceError::Refused { .. })) => return Err(error),
                Err(error) => bad.push(Unreadable { name: Some(name), error }),
            }
        }
        all.sort_by(|a, b| b.manifest.age(&a.manifest).then(a.name.cmp(&b.name)));
        Ok((all, bad))
    }

    fn backup(&self, name: DataName) -> Result<Backup, PlaceError> {
        let content = self.get(ObjectKind::Manifest, name)?;
        let problem = "it is of another version, or no manifest";
        let manifest = Manifest::decode(&content).map_err(|_| PlaceError::Damaged {
            path: self.store.name_of(&path(ObjectKind::Manifest, name)),
            problem,
        })?;
        Ok(Backup { name, manifest, tested: self.tested(name) })
    }

    /// Notes that a backup was restored, and found whole.
    ///
    /// # Errors
    /// If it cannot be written, or the place is somebody else's by now.
    pub fn note_tested(&self, backup: DataName, at: i64, lock: &PlaceLock) -> Result<(), PlaceError> {
        let (name, file) = self.key.seal(ObjectKind::Tested, &[&backup.0[..], &at.to_be_bytes()].concat());
        self.store.write(&path(ObjectKind::Tested, backup), [&name.0[..], &file].concat(), Some(lock.hold()))?;
        self.settle()
    }

    fn tested(&self, backup: DataName) -> Option<i64> {
        let file = self.store.read(&path(ObjectKind::Tested, backup), ObjectKind::Tested.most_sealed()).ok()?;
        let (name, file) = file.split_first_chunk::<32>()?;
        let content = self.key.open(ObjectKind::Tested, DataName(*name), file).ok()?;
        let (of, at) = content.split_first_chunk::<32>()?;
        (*of == backup.0).then_some(i64::from_be_bytes(at.try_into().ok()?))
    }

    /// Removes backups, and then whatever none of `left` rests on; returns how many files of data and bytes that were.
    ///
    /// # Errors
    /// If something cannot be removed, or the place is somebody else's by now. What was removed before stays so, and
    /// every backup that is left is whole.
    pub fn remove(&self, backups: &[DataName], left: &[Backup], lock: &PlaceLock) -> Result<(usize, u64), PlaceError> {
        lock.0.check()?;
        // For good: a manifest that comes back after a power cut must not name what is gone.
        let paths: Vec<String> = backups
            .iter()
            .flat_map(|name| [ObjectKind::Manifest, ObjectKind::Tested].map(|kind| path(kind, *name)))
            .collect();
        self.store.remove(&paths, lock.hold())?;
        let mut needed = HashSet::new();
        for backup in left {
            needed.extend(backup.manifest.segments.iter().map(|stored| stored.name));
            needed.extend(&backup.manifest.pieces);
        }
        let gone: Vec<(DataName, u64)> = self.data()?.into_iter().filter(|(name, _)| !needed.contains(name)).collect();
        let (mut files, mut bytes) = (0, 0);
        for part in gone.chunks(REMOVED_AT_ONCE) {
            // Somebody who took the place over meanwhile may rest on them.
            lock.0.check()?;
            let paths: Vec<String> = part.iter().map(|(name, _)| path(ObjectKind::Segment, *name)).collect();
            self.store.remove(&paths, lock.hold())?;
            files += part.len();
            bytes += part.iter().map(|(_, len)| len).sum::<u64>();
        }
        Ok((files, bytes))
    }
}

/// How many files are removed before it is asked again whether the place is held.
const REMOVED_AT_ONCE: usize = 256;

/// The file of a name.
fn path(kind: ObjectKind, name: DataName) -> String {
    let name = name.to_string();
    match kind {
        ObjectKind::Segment | ObjectKind::Piece => format!("{DATA}/{}/{name}", &name[..2]),
        ObjectKind::Manifest => format!("{BACKUPS}/{name}"),
        ObjectKind::Tested => format!("{TESTED}/{name}"),
    }
}

/// The name of a file that was found in a directory of the place, if it lies where files of its name do.
fn name_of(dir: &str, found: &str) -> Option<DataName> {
    let name = DataName::parse(found.rsplit('/').next()?)?;
    let kind = if dir == DATA { ObjectKind::Segment } else { ObjectKind::Manifest };
    (path(kind, name) == found).then_some(name)
}

fn damaged(path: String, error: OpenError) -> PlaceError {
    let problem = match error {
        OpenError::Damaged => "it does not hold what was put there",
        OpenError::Newer => "it was made by a newer version of Allod",
    };
    PlaceError::Damaged { path, problem }
}

fn is_newer(word: &str) -> bool {
    word.strip_prefix("allod-backup-").and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n > 1)
}

#[cfg(test)]
mod tests;
