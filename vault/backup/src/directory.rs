//! A directory that backups go to.
//!
//! A file is written under another name, waited for until it is on disk, and renamed: whatever is broken off leaves
//! nothing under a name that counts. Many are waited for together, which costs a disk little more than one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{OFlags, RenameFlags};

use crate::error::PlaceError;
use crate::store::{Found, Hold, Store};

const LOCK: &str = "lock";
/// Where files are written until they are whole.
const FRESH: &str = "fresh";
/// So many bytes are written before they are waited for.
const AT_ONCE: u64 = 256 << 20;
/// Directories in directories that are looked into.
const DEEP: usize = 4;

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> PlaceError + '_ {
    use std::io::ErrorKind;
    move |source| match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            PlaceError::Full { place: path.display().to_string(), problem: source.kind().to_string() }
        }
        _ => PlaceError::Io { path: path.display().to_string(), source },
    }
}

/// A directory, by its path.
#[derive(Debug)]
pub struct Directory {
    dir: PathBuf,
    unsettled: Mutex<Unsettled>,
}

/// What may not be on disk yet.
#[derive(Debug, Default)]
struct Unsettled {
    /// Files that were written, by the name that does not count, each with the one that it is to have.
    files: BTreeMap<PathBuf, PathBuf>,
    bytes: u64,
    /// Directories in which names have changed.
    dirs: BTreeSet<PathBuf>,
}

/// The lock of a directory: that of a file in it, which the kernel frees when the process ends.
#[derive(Debug)]
struct Locked {
    _file: File,
}

impl Hold for Locked {
    fn check(&self) -> Result<(), PlaceError> {
        Ok(())
    }
}

impl Directory {
    /// The directory of this path, whether there is one or not.
    pub fn new(dir: &Path) -> Self {
        Directory { dir: dir.to_owned(), unsettled: Mutex::default() }
    }

    /// Writes a file under a name that does not count.
    fn fresh(&self, path: &str, bytes: &[u8]) -> Result<PathBuf, PlaceError> {
        if let Some(parent) = self.dir.join(path).parent() {
            make_dir(parent)?;
        }
        let fresh = self.dir.join(FRESH).join(path.replace('/', "-"));
        let _ = std::fs::remove_file(&fresh);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh).map_err(io(&fresh))?;
        file.write_all(bytes).map_err(io(&fresh))?;
        Ok(fresh)
    }

    fn unsettled(&self) -> MutexGuard<'_, Unsettled> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Directory {
    fn name(&self) -> String {
        self.dir.display().to_string()
    }

    fn prepare(&self, known: &[&str]) -> Result<(), PlaceError> {
        let dir = &self.dir;
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io(dir))?;
        for entry in std::fs::read_dir(dir).map_err(io(dir))? {
            let name = entry.map_err(io(dir))?.file_name();
            // What a making that was broken off leaves, and what a fresh file system has.
            let ours = [LOCK, FRESH, "lost+found"];
            if !ours.iter().chain(known).any(|known| name == *known) {
                return Err(PlaceError::Foreign(self.name()));
            }
        }
        make_dir(&dir.join(FRESH))
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<bool, PlaceError> {
        let fresh = self.fresh(path, bytes)?;
        sync(&fresh)?;
        let path = self.dir.join(path);
        let cwd = rustix::fs::CWD;
        match rustix::fs::renameat_with(cwd, &fresh, cwd, &path, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST) => return Ok(false),
            // Not every file system knows how to.
            Err(_) if path.symlink_metadata().is_ok() => return Ok(false),
            Err(_) => std::fs::rename(&fresh, &path).map_err(io(&path))?,
        }
        self.unsettled().dirs.extend(path.parent().map(Path::to_owned));
        self.settle()?;
        Ok(true)
    }

    fn write(&self, path: &str, bytes: Vec<u8>, _: Option<&dyn Hold>) -> Result<(), PlaceError> {
        let fresh = self.fresh(path, &bytes)?;
        let full = {
            let mut unsettled = self.unsettled();
            unsettled.files.insert(fresh, self.dir.join(path));
            unsettled.bytes += bytes.len() as u64;
            unsettled.bytes >= AT_ONCE
        };
        if full { self.settle() } else { Ok(()) }
    }

    fn settle(&self) -> Result<(), PlaceError> {
        let mut unsettled = self.unsettled();
        // What one file waits for brings most of the others to the disk, too.
        for fresh in unsettled.files.keys() {
            sync(fresh)?;
        }
        while let Some((fresh, path)) = unsettled.files.pop_first() {
            std::fs::rename(&fresh, &path).map_err(io(&path))?;
            unsettled.dirs.extend(path.parent().map(Path::to_owned));
        }
        unsettled.bytes = 0;
        // A directory that was made for them is a name in the one above.
        let above: BTreeSet<&Path> = unsettled.dirs.iter().filter_map(|dir| dir.parent()).collect();
        for dir in unsettled.dirs.iter().map(PathBuf::as_path).chain(above) {
            sync(dir)?;
        }
        unsettled.dirs.clear();
        Ok(())
    }

    fn read(&self, path: &str, most: u64) -> Result<Vec<u8>, PlaceError> {
        read_plain(&self.dir.join(path), most)
    }

    fn list(&self, dir: &str) -> Result<Vec<Found>, PlaceError> {
        let mut all = Vec::new();
        let mut left = vec![(dir.to_owned(), 0)];
        while let Some((path, deep)) = left.pop() {
            for entry in listed(&self.dir.join(&path))? {
                let Some(name) = entry.file_name().to_str().map(|name| format!("{path}/{name}")) else { continue };
                // Links are not followed, and are not what was put there.
                let Ok(found) = entry.metadata() else { continue };
                if found.is_dir() && deep < DEEP {
                    left.push((name, deep + 1));
                } else {
                    all.push(Found { path: name, bytes: found.is_file().then_some(found.len()) });
                }
            }
        }
        Ok(all)
    }

    fn remove(&self, paths: &[String], _: &dyn Hold) -> Result<(), PlaceError> {
        for path in paths {
            let path = self.dir.join(path);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(&path)(error)),
                _ => self.unsettled().dirs.extend(path.parent().filter(|parent| parent.is_dir()).map(Path::to_owned)),
            }
        }
        self.settle()
    }

    fn lock(&self) -> Result<Box<dyn Hold>, PlaceError> {
        let path = self.dir.join(LOCK);
        let nofollow = OFlags::NOFOLLOW.bits() as i32;
        let open =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).custom_flags(nofollow).open(&path);
        let file = open.map_err(io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PlaceError::InUse(self.name())),
            Err(TryLockError::Error(source)) => return Err(io(&path)(source)),
        }
        // What was broken off before.
        let fresh = self.dir.join(FRESH);
        make_dir(&fresh)?;
        for entry in std::fs::read_dir(&fresh).map_err(io(&fresh))?.flatten() {
            let _ = std::fs::remove_file(entry.path());
        }
        Ok(Box::new(Locked { _file: file }))
    }
}

fn make_dir(dir: &Path) -> Result<(), PlaceError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found = dir.symlink_metadata().map_err(io(dir))?;
            let (path, problem) = (dir.display().to_string(), "it is no directory");
            if found.is_dir() { Ok(()) } else { Err(PlaceError::Damaged { path, problem }) }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io(dir))
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

/// Waits until a file, or the names in a directory, are on disk.
fn sync(path: &Path) -> Result<(), PlaceError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(io(path))
}

/// Reads a plain file of at most so many bytes: no link is followed, and nothing is waited for (as a pipe would have it).
fn read_plain(path: &Path, most: u64) -> Result<Vec<u8>, PlaceError> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(PlaceError::Lost(path.display().to_string())),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(PlaceError::Damaged { path: path.display().to_string(), problem: "it is a link" });
        }
        Err(error) => return Err(io(path)(error)),
    };
    let found = file.metadata().map_err(io(path))?;
    if !found.is_file() || found.len() > most {
        let problem = if found.is_file() { "it is longer than anything that was put there" } else { "it is no file" };
        return Err(PlaceError::Damaged { path: path.display().to_string(), problem });
    }
    let mut bytes = Vec::with_capacity(found.len() as usize);
    file.take(most).read_to_end(&mut bytes).map_err(io(path))?;
    Ok(bytes)
}
