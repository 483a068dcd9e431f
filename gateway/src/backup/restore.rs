//! `allod restore`: an empty directory becomes the node that a backup was taken of.
//!
//! It is made in `DIR/restoring`, opened there (which gives it a device of its own) and compared; then its files are moved
//! up, the node key last. Broken off before that, the directory holds no node, and the next restore begins anew.

use std::path::Path;

use policy_core::Timestamp;
use serde_json::{Value, json};
use vault::data_dir::{DataDir, DataFile};
use vault::keyring::DirectoryError;
use vault_backup::{Backup, Place};

use super::place::{blocking, failed, pick};
use super::verify::compare;
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::grants::rfc3339;
use crate::node::Node as _;

const UNFINISHED: &str = "restoring";

/// Restores a backup (by default the newest) from a place into `dir`, which is empty or not there.
///
/// # Errors
/// If the words do not open the place, the directory holds something, or the backup is not whole: then the directory is as
/// it was.
pub async fn restore(
    from: &Path,
    id: Option<&str>,
    words: &str,
    dir: &DataDir,
    passphrase: Option<&str>,
) -> Result<Value, Failure> {
    let key = crate::recovery::parse(words)?.backup_key();
    let (from, id) = (from.to_owned(), id.map(str::to_owned));
    let (place, backup) = blocking(move || {
        let place = Place::open(&from, key)?;
        let backup = pick(&place.backups()?.0, id.as_deref())?;
        Ok((place, backup))
    })
    .await?;
    let _lock = dir.lock()?;
    make_room(dir)?;
    let inner = DataDir::at(dir.path().join(UNFINISHED));
    let made = make(&place, &backup, &inner, passphrase).await;
    let made = match made {
        Ok(made) => made,
        Err(failure) => {
            let _ = std::fs::remove_dir_all(inner.path());
            return Err(failure);
        }
    };
    move_up(&inner, dir).map_err(failed)?;
    let at = rfc3339(Timestamp(backup.manifest.at));
    let mut answer = json!({ "backup": backup.id(), "restored_as_of": at, "asleep": true });
    if let (Some(answer), Value::Object(made)) = (answer.as_object_mut(), made) {
        answer.extend(made);
    }
    Ok(answer)
}

/// Refuses a directory that holds something, but for what a restore that was broken off left.
fn make_room(dir: &DataDir) -> Result<(), Failure> {
    if dir.has(DataFile::NodeKey) {
        return Err(DirectoryError::AlreadyANode(dir.path().to_owned()).into());
    }
    let unfinished = dir.path().join(UNFINISHED);
    let ours = unfinished.symlink_metadata().is_ok_and(|found| found.is_dir());
    if ours {
        // What was moved up already is whole in the place too.
        for name in databases() {
            let _ = std::fs::remove_file(dir.path().join(name));
        }
        let _ = std::fs::remove_dir_all(dir.views());
        let _ = std::fs::remove_dir_all(dir.certs());
        let _ = std::fs::remove_file(dir.path().join("allod.toml"));
        std::fs::remove_dir_all(&unfinished).map_err(failed)?;
    }
    for entry in std::fs::read_dir(dir.path()).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name != DataFile::Lock.name() && name != "lost+found" {
            let text = format!("{} is not empty: it holds {}", dir.path().display(), name.to_string_lossy());
            return Err(Failure::new(Exit::Failed, "directory_not_empty", &text)
                .hint("restore into an empty directory; nothing was changed"));
        }
    }
    Ok(())
}

async fn make(place: &Place, backup: &Backup, inner: &DataDir, passphrase: Option<&str>) -> Result<Value, Failure> {
    let _lock = inner.lock()?;
    vault::backup::restore(place.clone(), backup.manifest.clone(), inner, passphrase).await?;
    let node = crate::app::open(inner, passphrase, false).await?;
    let done = settle(&node, backup).await;
    node.shutdown().await;
    done
}

/// What was given out before is void, or sleeps; what documents show is what they showed.
async fn settle(node: &App, backup: &Backup) -> Result<Value, Failure> {
    node.directory.put_back(node.now()).await.map_err(failed)?;
    let compared = compare(node, &backup.manifest.digests).await?;
    let user = node.owner();
    Ok(json!({ "node": node.directory.node(), "user": user, "verified": compared }))
}

/// The names of the databases' files, and of what SQLite keeps beside them: those first.
fn databases() -> impl Iterator<Item = String> {
    let names = |file: DataFile| ["-wal", "-shm", ""].map(|suffix| format!("{}{suffix}", file.name()));
    [DataFile::NodeDatabase, DataFile::Log].into_iter().flat_map(names)
}

fn move_up(inner: &DataDir, dir: &DataDir) -> std::io::Result<()> {
    let rename = |name: &str| match std::fs::rename(inner.path().join(name), dir.path().join(name)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    // `node.lock` stays: it is held, and says what it must at the next start.
    for name in ["views", "certs", "allod.toml"] {
        rename(name)?;
    }
    for name in databases() {
        rename(&name)?;
    }
    let sync = || std::fs::File::open(dir.path())?.sync_all();
    sync()?;
    rename(DataFile::NodeKey.name())?;
    sync()?;
    std::fs::remove_dir_all(inner.path())
}
