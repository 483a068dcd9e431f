//! The data directory: what it holds, where it may lie, and for whose eyes.
//!
//! Whoever works on a directory takes its lock first. Taking it makes the directory if it is missing, and sees to what
//! everything else rests on: a path that SQLite can open, a file system whose locks hold, and modes that let nobody
//! else read.

mod error;
mod file_system;
mod files;
mod lock;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub use error::DirectoryError;
pub(crate) use error::io;
pub use file_system::MAX_PATH_BYTES;
pub use files::DataFile;
pub use lock::DirectoryLock;
use zeroize::Zeroizing;

/// What lies in a directory, by the files that are there. None of them is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Nothing,
    /// A node, or what is left of one.
    Node,
    /// A blind replica, or what is left of one.
    Replica,
}

/// A data directory, which need not be there yet. Every file of a node or of a blind replica is reached through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(PathBuf);

/// What `node.lock` says once the databases have been there: that they are gone is a loss, and not a beginning.
const OPENED: &[u8] = b"opened\n";
/// What it says while they are open: what was last written lies beside them (`-wal`) then. As long as the other, so that
/// it is written over that in one piece.
const IN_USE: &[u8] = b"in use\n";
/// The longest secret that is read from a file, in bytes.
const SECRET_BYTES: u64 = 1_024;

impl DataDir {
    pub fn at(path: impl Into<PathBuf>) -> Self {
        DataDir(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where a file of the directory lies, whether it is there or not.
    pub fn file(&self, file: DataFile) -> PathBuf {
        self.0.join(file.name())
    }

    /// Where views lie.
    pub fn views(&self) -> PathBuf {
        self.0.join(files::VIEWS)
    }

    /// Where the certificates of a node that speaks TLS lie, and their keys.
    pub fn certs(&self) -> PathBuf {
        self.0.join("certs")
    }

    /// Where the places lie that a node keeps for the backups of others.
    pub fn places(&self) -> PathBuf {
        self.0.join("places")
    }

    /// Whether a file is there, or a link in its place.
    pub fn has(&self, file: DataFile) -> bool {
        self.file(file).symlink_metadata().is_ok()
    }

    pub fn holds(&self) -> Holds {
        use DataFile::{Log, NodeDatabase, NodeKey, ReplicaDatabase, ReplicaKey};
        if self.has(NodeKey) || self.has(NodeDatabase) {
            Holds::Node
        } else if self.has(ReplicaKey) || self.has(ReplicaDatabase) {
            Holds::Replica
        } else if self.has(Log) {
            Holds::Node
        } else {
            Holds::Nothing
        }
    }

    /// Takes the exclusive right to the directory, and makes it if it is missing, with access for its owner only.
    ///
    /// # Errors
    /// If the path is too long, the file system cannot keep what a node needs, or another process works on it.
    pub fn lock(&self) -> Result<DirectoryLock, DirectoryError> {
        let dir = self.path();
        file_system::fits(dir)?;
        if !dir.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io(dir))?;
        }
        // Through a symbolic link the path may have become longer.
        file_system::fits(dir)?;
        if let Some(kind) = file_system::network(dir) {
            return Err(DirectoryError::NetworkFileSystem { dir: dir.to_owned(), kind });
        }
        let lock = DirectoryLock::take(dir, &self.file(DataFile::Lock))?;
        files::narrow(self.path());
        Ok(lock)
    }

    /// Notes that the databases of the directory are there. On disk when this returns.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn mark_opened(&self) -> std::io::Result<()> {
        self.say(OPENED)
    }

    fn say(&self, state: &[u8]) -> std::io::Result<()> {
        let path = self.file(DataFile::Lock);
        if std::fs::read(&path).is_ok_and(|text| text == state) {
            return Ok(());
        }
        // Written in place: the file is what the lock is held on.
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        file.write_all(state)?;
        file.sync_all()
    }

    /// Notes that the databases are open, and lie with what SQLite keeps beside each, until what this returns goes. On disk
    /// when it returns. Called when all of them have been written to.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn mark_in_use(&self) -> std::io::Result<InUse> {
        // The names of the files beside them are on disk before it is said that they are there.
        File::open(&self.0)?.sync_all()?;
        self.say(IN_USE)?;
        Ok(InUse(self.clone()))
    }

    /// Whether the databases were open when whoever worked on the directory went away.
    pub fn is_in_use(&self) -> bool {
        std::fs::read(self.file(DataFile::Lock)).is_ok_and(|text| text == IN_USE)
    }

    /// Takes back what [`DataDir::mark_in_use`] noted: a database that is closed from here on leaves nothing beside it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn mark_closed(&self) -> std::io::Result<()> {
        if self.is_in_use() { self.say(OPENED) } else { Ok(()) }
    }

    /// Whether the databases of the directory have been there.
    pub fn was_opened(&self) -> bool {
        let views = || std::fs::read_dir(self.views()).is_ok_and(|mut entries| entries.next().is_some());
        std::fs::read(self.file(DataFile::Lock)).is_ok_and(|text| text == OPENED || text == IN_USE) || views()
    }

    /// Removes what a first start has made in the directory: in an order that, broken off, leaves what can be begun
    /// with.
    pub fn remove_fresh(&self) {
        if let Ok(file) = OpenOptions::new().write(true).open(self.file(DataFile::Lock)) {
            let _ = file.set_len(0).and_then(|()| file.sync_all());
        }
        let _ = std::fs::remove_dir_all(self.views());
        for file in [DataFile::Log, DataFile::NodeDatabase, DataFile::NodeKey] {
            for path in file.with_companions(self.path()) {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    /// Reads the text of a file that holds a secret.
    ///
    /// # Errors
    /// If it is not there (the code says which was missing), if others can read it, or if it is no short text.
    pub fn read_secret(&self, file: DataFile) -> Result<Zeroizing<String>, SecretError> {
        let path = self.file(file);
        let mut open = match File::open(&path) {
            Ok(open) => open,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(SecretError::Missing(path)),
            Err(source) => return Err(SecretError::Io { path, source }),
        };
        match is_exposed(&open) {
            Ok(false) => {}
            Ok(true) => return Err(SecretError::Exposed(path)),
            Err(source) => return Err(SecretError::Io { path, source }),
        }
        let mut text = Zeroizing::new(String::with_capacity(256));
        match Read::by_ref(&mut open).take(SECRET_BYTES).read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(_) => Err(SecretError::Damaged(path)),
        }
    }

    /// Writes a file for its owner's eyes only, whole or not at all: it is on disk under its name when this returns.
    ///
    /// # Errors
    /// If it cannot be written; then what was there before is there still.
    pub fn write(&self, file: DataFile, bytes: &[u8]) -> std::io::Result<()> {
        write_private(&self.file(file), bytes)
    }

    /// Removes a file that says where a running process is; that it is not there does not matter.
    pub fn remove(&self, file: DataFile) {
        let _ = std::fs::remove_file(self.file(file));
    }

    /// The files that a running node works with, as they are now that it has opened them.
    pub fn open_files(&self) -> OpenFiles {
        let files = [DataFile::Log, DataFile::NodeDatabase, DataFile::NodeKey];
        OpenFiles(files.map(|file| (file, identity(&self.file(file)))).to_vec(), self.clone())
    }
}

/// The databases of a directory are open. It goes before they are closed.
#[derive(Debug)]
#[must_use]
pub struct InUse(DataDir);

impl Drop for InUse {
    fn drop(&mut self) {
        if let Err(error) = self.0.mark_closed() {
            tracing::warn!(%error, "it was not noted that the databases are closed");
        }
    }
}

/// Why a secret of the directory cannot be read.
#[derive(Debug)]
pub enum SecretError {
    Missing(PathBuf),
    /// Others can read it.
    Exposed(PathBuf),
    /// It is not a text.
    Damaged(PathBuf),
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// The files that a running node works with, as they were when it opened them: one that was deleted or replaced since
/// takes what is written from now on with it.
#[derive(Debug, Clone)]
pub struct OpenFiles(Vec<(DataFile, Option<FileIdentity>)>, DataDir);

/// Device and inode.
type FileIdentity = (u64, u64);

impl OpenFiles {
    /// Those that are not there any more.
    pub fn missing(&self) -> Vec<DataFile> {
        let gone = self.0.iter().filter(|(file, then)| then.is_none() || identity(&self.1.file(*file)) != *then);
        gone.map(|(file, _)| *file).collect()
    }
}

fn identity(path: &Path) -> Option<FileIdentity> {
    path.metadata().ok().map(|found| (found.dev(), found.ino()))
}

/// Whether others may read a file that holds a secret.
///
/// # Errors
/// If it cannot be looked at.
pub fn is_exposed(file: &File) -> std::io::Result<bool> {
    let found = file.metadata()?;
    // A pipe or a terminal has no mode that says anything.
    Ok(found.is_file() && found.mode() & 0o077 != 0)
}

/// Writes a file for its owner's eyes only, whole or not at all: it is on disk under its name when this returns.
///
/// # Errors
/// If it cannot be written; then what was there before is there still.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let _ = std::fs::remove_file(&fresh);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn the_lock_is_exclusive_and_makes_a_private_directory() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path().join("fresh/node"));
        let lock = dir.lock().unwrap();
        assert_eq!((mode(dir.path()), mode(&dir.file(DataFile::Lock))), (0o700, 0o600));
        assert!(matches!(dir.lock(), Err(DirectoryError::InUse(_))));
        drop(lock);
        dir.lock().unwrap();
    }

    #[test]
    fn what_others_could_read_is_closed_and_what_is_not_ours_is_left() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path().join("node"));
        std::fs::create_dir_all(dir.views()).unwrap();
        let (log, view) = (dir.file(DataFile::Log), dir.views().join("00.view"));
        for path in [&log, &view] {
            std::fs::write(path, b"").unwrap();
            std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        }
        for path in [dir.path(), &dir.views()] {
            std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        drop(dir.lock().unwrap());
        assert_eq!([&log, &view].map(|path| mode(path)), [0o600; 2]);
        assert_eq!([mode(dir.path()), mode(&dir.views())], [0o700; 2]);
        std::fs::write(dir.path().join("letters"), b"").unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        drop(dir.lock().unwrap());
        assert_eq!(mode(dir.path()), 0o755, "it holds what is not ours");
    }

    #[test]
    fn every_file_but_a_key_is_closed_to_others() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path());
        for file in DataFile::ALL {
            std::fs::write(dir.file(file), b"").unwrap();
            std::fs::set_permissions(dir.file(file), Permissions::from_mode(0o644)).unwrap();
        }
        drop(dir.lock().unwrap());
        for file in DataFile::ALL {
            let expected = if file.is_key() { 0o644 } else { 0o600 };
            assert_eq!(mode(&dir.file(file)), expected, "{file:?}");
        }
    }

    #[test]
    fn a_secret_that_is_missing_read_by_others_or_no_text_is_named() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path());
        assert!(matches!(dir.read_secret(DataFile::NodeKey), Err(SecretError::Missing(_))));
        dir.write(DataFile::NodeKey, b"a secret").unwrap();
        assert_eq!(&**dir.read_secret(DataFile::NodeKey).unwrap(), "a secret", "control");
        std::fs::set_permissions(dir.file(DataFile::NodeKey), Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(dir.read_secret(DataFile::NodeKey), Err(SecretError::Exposed(_))));
        dir.write(DataFile::NodeKey, &[0xff; 8]).unwrap();
        assert!(matches!(dir.read_secret(DataFile::NodeKey), Err(SecretError::Damaged(_))));
    }

    #[test]
    fn a_path_that_sqlite_cannot_open_is_refused_before_anything_is_made() {
        let root = tempfile::tempdir().unwrap();
        let longest = |bytes: usize| {
            let mut path = root.path().canonicalize().unwrap();
            while bytes - path.as_os_str().len() > 101 {
                path.push("p".repeat(100));
            }
            let rest = bytes - path.as_os_str().len() - 1;
            path.join("q".repeat(rest))
        };
        let dir = longest(MAX_PATH_BYTES + 1);
        assert!(matches!(DataDir::at(&dir).lock(), Err(DirectoryError::PathTooLong { .. })));
        assert!(matches!(
            DataDir::at(root.path().join("n".repeat(256))).lock(),
            Err(DirectoryError::PathTooLong { .. })
        ));
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "something was made");
        let dir = longest(MAX_PATH_BYTES);
        drop(DataDir::at(&dir).lock().unwrap());
        std::fs::create_dir(DataDir::at(&dir).views()).unwrap();
        let view = DataDir::at(&dir).views().join(format!("{}.view", "0".repeat(32)));
        let open = rusqlite::Connection::open(&view).unwrap();
        open.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x)").expect("control: the longest path works");
        let link = root.path().join("link");
        std::os::unix::fs::symlink(dir.parent().unwrap(), &link).unwrap();
        let beyond = link.join("r".repeat(250));
        assert!(matches!(DataDir::at(&beyond).lock(), Err(DirectoryError::PathTooLong { .. })), "through a link");
    }

    #[test]
    fn what_a_directory_holds_is_known_by_any_of_its_files() {
        for (name, holds) in [
            (DataFile::NodeKey.name(), Holds::Node),
            (DataFile::NodeDatabase.name(), Holds::Node),
            (DataFile::Log.name(), Holds::Node),
            (DataFile::ReplicaKey.name(), Holds::Replica),
            (DataFile::ReplicaDatabase.name(), Holds::Replica),
            ("letters", Holds::Nothing),
        ] {
            let root = tempfile::tempdir().unwrap();
            std::fs::write(root.path().join(name), b"").unwrap();
            assert_eq!(DataDir::at(root.path()).holds(), holds, "{name}");
        }
    }
}
