//! What an upgrade can put back: copies of the databases that it changes.
//!
//! Copies and no hard links, since SQLite changes a file in place; where the file system shares blocks (btrfs, XFS) a
//! copy costs next to nothing. `before-upgrade` is whole, by a rename, or it is not there.
//!
//! It says of which opening of the log it is. An upgrade opens no log as a node does; whoever serves does. So a log of another
//! opening holds what was written since, and the snapshot is not put back over that.

use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::data_dir::{DataDir, DataFile};

pub(crate) const NAME: &str = "before-upgrade";
const FRESH: &str = "before-upgrade.new";
const GONE: &str = "before-upgrade.gone";
/// In it: the opening of the log that it is of; and, once it is being put back, that it is.
const OPENING: &str = "opening";
const BEGUN: &str = "putting-back";

/// An opening of the log, as it is noted; empty of a log that has none, or is not there.
pub(super) type Opening = Vec<u8>;

/// A snapshot that lies in the directory.
pub(super) struct Snapshot(PathBuf);

impl Snapshot {
    /// What an upgrade that was cut short has left.
    pub(super) fn left(dir: &DataDir) -> std::io::Result<Option<Snapshot>> {
        for rest in [FRESH, GONE] {
            remove(&dir.path().join(rest))?;
        }
        let path = dir.path().join(NAME);
        Ok(path.exists().then_some(Snapshot(path)))
    }

    /// The opening of the log that it is of.
    pub(super) fn opening(&self) -> std::io::Result<Opening> {
        std::fs::read(self.0.join(OPENING))
    }

    /// Whether it was being put back when that was cut short.
    pub(super) fn is_begun(&self) -> bool {
        self.0.join(BEGUN).exists()
    }

    /// Copies the files, whose databases nobody has open, and notes the opening of the log.
    pub(super) fn take(dir: &DataDir, files: &[DataFile], opening: &Opening) -> std::io::Result<Snapshot> {
        let (fresh, path) = (dir.path().join(FRESH), dir.path().join(NAME));
        let copied = (|| {
            DirBuilder::new().mode(0o700).create(&fresh)?;
            for file in files {
                for from in file.with_companions(dir.path()).filter(|from| from.exists()) {
                    let Some(name) = from.file_name() else { continue };
                    copy(&from, &fresh.join(name))?;
                }
            }
            write(&fresh.join(OPENING), opening)?;
            sync(&fresh)
        })();
        if let Err(error) = copied {
            let _ = remove(&fresh);
            return Err(error);
        }
        std::fs::rename(&fresh, &path)?;
        sync(dir.path())?;
        Ok(Snapshot(path))
    }

    /// Makes the databases what they were. Broken off, it is begun again at the next start.
    pub(super) fn put_back(self, dir: &DataDir) -> std::io::Result<()> {
        // From here on a log that cannot be read is one that is half put back.
        write(&self.0.join(BEGUN), &[])?;
        sync(&self.0)?;
        for file in DataFile::ALL {
            if !self.0.join(file.name()).exists() {
                continue;
            }
            for path in file.with_companions(dir.path()) {
                let Some(name) = path.file_name() else { continue };
                let kept = self.0.join(name);
                // Into the file that is there: a log in another file would count as a copied one.
                if kept.exists() {
                    copy(&kept, &path)?;
                } else if path.exists() {
                    std::fs::remove_file(&path)?;
                }
            }
        }
        sync(dir.path())?;
        self.give_up(dir)
    }

    /// There is no way back from here.
    pub(super) fn give_up(self, dir: &DataDir) -> std::io::Result<()> {
        let gone = dir.path().join(GONE);
        std::fs::rename(&self.0, &gone)?;
        sync(dir.path())?;
        if let Err(error) = remove(&gone) {
            tracing::warn!(%error, "what is left of a snapshot goes at the next start");
        }
        Ok(())
    }
}

fn remove(dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// On disk when this returns.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(from, to)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o600))?;
    sync(to)
}
