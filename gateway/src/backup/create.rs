//! `allod backup create`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use gateway_people::realm::Realm as _;
use policy_core::{SpaceId, Timestamp};
use serde_json::{Value, json};
use vault::Health;
use vault::backup::{Created, Extras, Followed, Snapshot};
use vault::data_dir::DataFile;
use vault::log::Scope;
use vault_backup::{MAX_FILE_BYTES, MAX_FILES, OtherFile, Place, PlaceLock, SpaceDigest};
use zeroize::Zeroizing;

use super::noted;
use super::place::{blocking, failed, locked, store};
use super::verify::{self, UNTESTED};
use crate::app::App;
use crate::failure::Failure;
use crate::grants::rfc3339;
use crate::places::{PlaceName, Target};

/// A log of at most so many bytes is restored for a test after each backup, unless that is not wanted.
const TESTED_LOG_BYTES: u64 = 64 << 20;
/// How often it is tried to find a moment at which nothing was written since spaces were looked at.
const ROUNDS: usize = 4;
/// Directories of certificates within each other, at most.
const DEEP: usize = 4;

/// What is wanted of a backup.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    /// Restore it into a scratch directory, and compare what it shows; `None`: where that is quick.
    pub tested: Option<bool>,
    /// Add it also where the place has gone on from another copy of the directory, as far as its log can.
    pub go_on: bool,
}

/// Adds a backup of the node to a place.
///
/// # Errors
/// If the place is not one, is ahead of the node, or something cannot be read or written. A backup that was made and does
/// not hold what it should is an error too, and so is one beside others that cannot be read.
pub async fn create(app: &App, target: &Target, wish: Wish) -> Result<Value, Failure> {
    let (store, key) = (store(app, target)?, crate::recovery::secret(app).await?.backup_key());
    let place = blocking(move || Ok(Place::open_or_create(store, key)?)).await?;
    locked(&place, async |lock| added(app, &place, &target.to, lock, wish).await).await
}

async fn added(app: &App, place: &Place, to: &PlaceName, lock: Arc<PlaceLock>, wish: Wish) -> Result<Value, Failure> {
    let log = std::fs::metadata(app.dir.file(DataFile::Log)).map_or(0, |file| file.len());
    let tested = wish.tested.unwrap_or(log <= TESTED_LOG_BYTES);
    let followed = if wish.go_on { Followed::Everything } else { noted::followed(app).await? };
    let (node, (files, left_out)) = (node_id(app)?, other_files(app.dir.path())?);
    let (snapshot, digests) = moment(app).await?;
    let extras = Extras { node, at: app.now().0, files, digests, followed };
    let at = place.clone();
    let prepared = blocking(move || Ok(vault::backup::prepare(&snapshot, &at, extras)?)).await?;
    noted::follow(app, to, prepared.followed()).await?;
    let (at, held) = (place.clone(), Arc::clone(&lock));
    let made = blocking(move || Ok(prepared.commit(&at, &held)?)).await?;
    let Created { backup, bytes, new_bytes, mended, unreadable } = made;
    // It is there from now on, whatever its test says.
    noted::made(app, to, &backup).await?;
    let (mut verified, mut untested) = (None, None);
    if tested {
        match verify::test(app, place, to, &backup, &lock).await {
            Ok(found) => verified = Some(found),
            Err(failure) if failure.code == UNTESTED && wish.tested.is_none() => untested = Some(failure.message),
            Err(failure) => return Err(though_made(app, &backup.id(), failure)),
        }
    }
    if let Some(bad) = unreadable.first() {
        let text = format!("an older one of the place cannot be read: {bad}");
        let failure = Failure::failed("backup_damaged", &text)
            .hint("put the file back if you have it, or remove it: nothing is pruned before");
        return Err(though_made(app, &backup.id(), failure));
    }
    Ok(json!({
        "backup": backup.id(), "at": rfc3339(Timestamp(backup.manifest.at)), "bytes": bytes, "new_bytes": new_bytes,
        "spaces": backup.manifest.scopes.iter().filter(|end| end.scope[0] == 1).count(),
        "frames": backup.manifest.rows(), "position": backup.manifest.position(),
        "mended": mended, "verified": verified, "untested": untested, "left_out": left_out, "caution": lock.caution(),
    }))
}

/// What went wrong once the backup was there: the operator hears of it until another one is made.
fn though_made(app: &App, id: &str, mut failure: Failure) -> Failure {
    failure.message = format!("backup {id} was made, but {}", failure.message);
    app.backups.failed(failure.message.clone());
    failure
}

/// How many commits every space has.
fn positions(app: &App) -> HashMap<SpaceId, u64> {
    let spaces = app.vault.users().into_iter().flat_map(|user| app.vault.admission().spaces_of(user));
    let written = |space| app.vault.admission().tips(Scope::Space(space)).values().map(|(seq, _)| seq).sum();
    spaces.map(|space| (space, written(space))).collect()
}

/// One moment of the node, and what every space showed at it: those in which something was written since they were looked at
/// are looked at again, and another moment is taken. What is written all the time is left out in the end.
async fn moment(app: &App) -> Result<(Snapshot, Vec<SpaceDigest>), Failure> {
    let mut shown: HashMap<SpaceId, (u64, Option<Health>)> = HashMap::new();
    let mut rounds = ROUNDS;
    loop {
        let now = positions(app);
        let moved = now.iter().filter(|(space, at)| shown.get(space).is_none_or(|(then, _)| then != *at));
        for (space, at) in moved.map(|(space, at)| (*space, *at)).collect::<Vec<_>>() {
            // One that does not open is in the backup all the same, and cannot be compared.
            let health = app.vault.shown(space).await.unwrap_or_else(|error| {
                tracing::warn!(%space, %error, "what the space shows is not noted with the backup");
                None
            });
            shown.insert(space, (at, health));
        }
        let snapshot = app.vault.snapshot(&app.dir).await?;
        let now = positions(app);
        shown.retain(|space, (then, _)| now.get(space) == Some(then));
        rounds -= 1;
        if rounds == 0 || shown.len() == now.len() {
            let digest = |health: Health| SpaceDigest {
                space: *health.space.as_bytes(),
                documents: health.documents,
                digest: health.digest,
                kind: vault::DIGEST_KIND,
            };
            let mut all: Vec<_> = shown.into_values().filter_map(|(_, health)| health.map(digest)).collect();
            all.sort_by_key(|shown| shown.space);
            return Ok((snapshot, all));
        }
    }
}

fn node_id(app: &App) -> Result<[u8; 16], Failure> {
    let bytes = data_encoding::HEXLOWER.decode(app.directory.node().as_bytes()).map_err(failed)?;
    bytes.try_into().map_err(|_| failed("the id of the node is damaged"))
}

/// Settings and certificates of the directory, and what of these no backup holds.
fn other_files(home: &Path) -> Result<(Vec<OtherFile>, Vec<String>), Failure> {
    let mut paths = vec!["allod.toml".to_owned()];
    below(home, "certs", DEEP, &mut paths);
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for path in paths {
        let at = home.join(&path);
        let Ok(found) = at.symlink_metadata() else { continue };
        if !OtherFile::is_plain(&path) || !found.is_file() || found.len() > MAX_FILE_BYTES as u64 {
            left_out.push(path);
        } else if files.len() == MAX_FILES {
            let text = format!("there are more than {MAX_FILES} files in certs, such as {path}; nothing was written");
            return Err(
                Failure::failed("backup_failed", &text).hint("move elsewhere what is no certificate of the node")
            );
        } else {
            files.push(OtherFile { path, bytes: Zeroizing::new(std::fs::read(at).map_err(failed)?) });
        }
    }
    Ok((files, left_out))
}

/// The paths of what lies in a directory and those within, in order.
fn below(home: &Path, dir: &str, deep: usize, paths: &mut Vec<String>) {
    let entries = std::fs::read_dir(home.join(dir)).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        let path = format!("{dir}/{}", name.to_string_lossy());
        let is_dir = home.join(&path).symlink_metadata().is_ok_and(|found| found.is_dir());
        if is_dir && deep > 1 {
            below(home, &path, deep - 1, paths);
        } else {
            paths.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(home: &Path, path: &str, bytes: &[u8]) {
        let path = home.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn certificates_are_kept_with_those_of_authorities_and_what_is_not_is_named() {
        let home = tempfile::tempdir().unwrap();
        let kept =
            ["allod.toml", "certs/acme/0a1b/account.json", "certs/acme/0a1b/cloud.example.org.pem", "certs/root.key"];
        kept.iter().for_each(|path| write(home.path(), path, b"x"));
        write(home.path(), "certs/large", &vec![0; MAX_FILE_BYTES + 1]);
        write(home.path(), "certs/with blank", b"x");
        let (files, left_out) = other_files(home.path()).unwrap();
        assert_eq!(files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), kept);
        assert_eq!(left_out, ["certs/large", "certs/with blank"]);
    }

    #[test]
    fn more_files_than_a_manifest_takes_are_refused_before_anything_is_written() {
        let home = tempfile::tempdir().unwrap();
        for n in 0..MAX_FILES {
            write(home.path(), &format!("certs/c{n}.pem"), b"x");
        }
        assert_eq!(other_files(home.path()).unwrap().0.len(), MAX_FILES, "control");
        write(home.path(), "certs/one-more.pem", b"x");
        assert_eq!(other_files(home.path()).err().unwrap().code, "backup_failed");
    }
}
