//! What lies on the keeper's disk: directories and files for its eyes alone.

use std::collections::BinaryHeap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The first so many names in a directory that are wanted, in order; of one that is not there, none. No more are in memory,
/// however many there are.
pub(crate) fn first_names(dir: &Path, most: usize, wanted: impl Fn(&str) -> bool) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = BinaryHeap::new();
    for entry in entries {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let first = names.len() < most || names.peek().is_some_and(|last| name < *last);
        if first && wanted(&name) {
            names.push(name);
            if names.len() > most {
                names.pop();
            }
        }
    }
    Ok(names.into_sorted_vec())
}

/// The length of what is there.
pub(crate) fn length(path: &Path) -> std::io::Result<Option<u64>> {
    match path.symlink_metadata() {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes one directory, unless it is there.
pub(crate) fn make_one(dir: &Path) -> std::io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Makes a directory and those above it, unless they are there.
pub(crate) fn make_dir(dir: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Waits until a file, or the names in a directory, are on disk.
pub(crate) fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

/// Writes a small file, whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), sync)
}
