//! The exclusive right to a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::{DirectoryError, io};

/// The exclusive right to a data directory; released when dropped or when the process ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    pub(super) fn take(dir: &Path, path: &Path) -> Result<Self, DirectoryError> {
        let open = || OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
        let file = open().map_err(io(path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DirectoryError::InUse(dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(DirectoryError::Io { path: path.to_owned(), source }),
        }
        // A lock that a second opening can take as well keeps nobody out.
        if open().map_err(io(path))?.try_lock().is_ok() {
            return Err(DirectoryError::NoLocks(dir.to_owned()));
        }
        Ok(DirectoryLock { _file: file })
    }
}
