//! `allod restore`, and restoring from the set-up page: a directory becomes the node that a backup was taken of.
//!
//! It is made in `DIR/restoring`, opened there (which gives it a device of its own) and compared; then its files take
//! their places, the node key last. Broken off before that, the directory holds what it held.

use std::sync::Arc;

use gateway_people::realm::Realm as _;
use policy_core::Timestamp;
use vault::data_dir::{DataDir, DataFile};
use vault::keyring::DirectoryError;
use vault_backup::{Backup, Place};

use super::place::{blocking, failed, pick};
use super::verify::compare;
use super::{asleep, noted};
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::grants::rfc3339;
use crate::places::{PlaceAccess, PlaceName};
use crate::restoring::{Restored, Restoring, UNFINISHED, Wanted, databases, move_up};

/// Which backup is restored, and how much is asked of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chosen<'a> {
    /// Its id, or the beginning of it; `None`: the newest.
    pub backup: Option<&'a str>,
    /// Take it also if it shows other documents than the node did.
    pub unverified: bool,
}

/// Restores a backup from a place into `dir`, which is empty or not there. `tell` hears how many files of how many were
/// fetched.
///
/// # Errors
/// If the words do not open the place, which backup is the newest cannot be told, the directory holds something, or the
/// backup is not whole: then the directory is as it was.
pub async fn restore(
    from: &PlaceName,
    access: &PlaceAccess,
    chosen: Chosen<'_>,
    words: &str,
    dir: &DataDir,
    passphrase: Option<&str>,
    tell: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<Restored, Failure> {
    let found = Found::by(from, access, chosen, words).await?;
    let _lock = dir.lock()?;
    make_room(dir)?;
    let made = make(&found, dir, passphrase, tell).await?;
    move_up(&dir.path().join(UNFINISHED), dir).map_err(failed)?;
    Ok(made)
}

/// Restores what was asked for into `DIR/restoring`, beside the files of a node that nobody owns.
///
/// # Errors
/// As [`restore`].
pub async fn restore_beside(
    wanted: Wanted,
    dir: &DataDir,
    passphrase: Option<&str>,
    standing: Arc<Restoring>,
) -> Result<Restored, Failure> {
    wanted.from.is_apart_from(dir.path())?;
    let chosen = Chosen { backup: wanted.backup.as_deref(), unverified: false };
    let found = Found::by(&wanted.from, &wanted.access, chosen, &wanted.words).await?;
    drop(wanted);
    let _ = std::fs::remove_dir_all(dir.path().join(UNFINISHED));
    make(&found, dir, passphrase, move |done, all| standing.fetched(done, all)).await
}

/// A backup that is to be restored.
struct Found {
    from: PlaceName,
    place: Place,
    backup: Backup,
    /// It and those of the place that are older, by their ids, the newest first.
    older: Vec<String>,
    /// The newest other one that was tested.
    tested: Option<String>,
    unverified: bool,
}

impl Found {
    async fn by(from: &PlaceName, access: &PlaceAccess, chosen: Chosen<'_>, words: &str) -> Result<Found, Failure> {
        let key = crate::recovery::parse(words)?.backup_key();
        let (store, from, id) = (from.store(access)?, from.clone(), chosen.backup.map(str::to_owned));
        let unverified = chosen.unverified;
        blocking(move || {
            let place = Place::open(store, key)?;
            let (backups, bad) = place.backups()?;
            let backup = pick(&backups, &bad, id.as_deref())?;
            let older = backups.iter().skip_while(|other| other.name != backup.name).map(Backup::id).collect();
            let mut others = backups.iter().filter(|other| other.name != backup.name && other.tested.is_some());
            let tested = others.next().map(Backup::id);
            Ok(Found { from, place, backup, older, tested, unverified })
        })
        .await
    }

    /// What differs is not taken for what it was, and whoever has nothing else may have it.
    fn refused(&self, failure: Failure) -> Failure {
        if failure.code != "backup_differs" {
            return failure;
        }
        let other = match &self.tested {
            Some(id) => format!("the newest other one that was tested is {id} (`--backup {id}`); "),
            None => String::new(),
        };
        failure.hint(&format!("nothing was changed; {other}`allod restore --unverified` takes this one as it is"))
    }
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

/// Makes the node in `DIR/restoring`; nothing is left there if that fails.
async fn make(
    found: &Found,
    dir: &DataDir,
    passphrase: Option<&str>,
    tell: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<Restored, Failure> {
    let inner = DataDir::at(dir.path().join(UNFINISHED));
    let made = opened(found, &inner, passphrase, tell).await;
    if made.is_err() {
        let _ = std::fs::remove_dir_all(inner.path());
    }
    made.map_err(|failure| found.refused(failure))
}

async fn opened(
    found: &Found,
    inner: &DataDir,
    passphrase: Option<&str>,
    tell: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<Restored, Failure> {
    let _lock = inner.lock()?;
    let Found { place, backup, .. } = found;
    vault::backup::restore(place.clone(), backup.manifest.clone(), inner, passphrase, tell).await?;
    let node = crate::app::open(inner, passphrase, false).await?;
    let done = settle(&node, found).await;
    node.shutdown().await;
    done
}

/// What was given out before is void, or sleeps; what documents show is what they showed. The place can go on from here.
async fn settle(node: &App, found: &Found) -> Result<Restored, Failure> {
    let backup = &found.backup;
    node.directory.put_back(node.now()).await.map_err(failed)?;
    let verified = compare(node, &backup.manifest.digests, found.unverified).await?;
    noted::follow(node, &found.from, found.older.clone()).await?;
    noted::made(node, &found.from, backup).await?;
    Ok(Restored {
        backup: backup.id(),
        restored_as_of: rfc3339(Timestamp(backup.manifest.at)),
        node: node.directory.node().to_owned(),
        user: node.owner().map(|user| user.to_string()),
        verified,
        asleep: true,
        sleeping: asleep::sleeping(node).await?,
    })
}
