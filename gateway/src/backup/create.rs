//! `allod backup create`.

use std::collections::HashMap;
use std::sync::Arc;

use gateway_people::realm::Realm as _;
use policy_core::{SpaceId, Timestamp};
use serde_json::{Value, json};
use vault::backup::{Created, Extras};
use vault::data_dir::DataFile;
use vault::log::Scope;
use vault_backup::{OtherFile, Place, PlaceLock, SpaceDigest};
use zeroize::Zeroizing;

use super::place::{blocking, failed, locked, store};
use super::verify;
use crate::app::App;
use crate::backup_standing::LastBackup;
use crate::failure::Failure;
use crate::grants::rfc3339;
use crate::places::{PlaceName, Target};

/// A log of at most so many bytes is restored for a test after each backup, unless that is not wanted.
const TESTED_LOG_BYTES: u64 = 64 << 20;
/// The setting that says how the last backup went.
pub const LAST: &str = "backup last";
/// Other files of the directory are small.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Adds a backup of the node to a place. `tested`: restore it into a scratch directory, and compare what it shows; by
/// default where that is quick.
///
/// # Errors
/// If the place is not one, is ahead of the node, or something cannot be read or written; a backup that was made and does
/// not hold what it should is an error too.
pub async fn create(app: &App, target: &Target, tested: Option<bool>) -> Result<Value, Failure> {
    let (store, key) = (store(app, target)?, crate::recovery::secret(app).await?.backup_key());
    let place = blocking(move || Ok(Place::open_or_create(store, key)?)).await?;
    locked(&place, async |lock| added(app, &place, &target.to, lock, tested).await).await
}

async fn added(
    app: &App,
    place: &Place,
    to: &PlaceName,
    lock: Arc<PlaceLock>,
    tested: Option<bool>,
) -> Result<Value, Failure> {
    let log = std::fs::metadata(app.dir.file(DataFile::Log)).map_or(0, |file| file.len());
    let tested = tested.unwrap_or(log <= TESTED_LOG_BYTES);
    let before = positions(app);
    let snapshot = app.vault.snapshot(&app.dir).await?;
    let digests = if tested { digests(app, &before).await? } else { Vec::new() };
    let (node, files) = (node_id(app)?, other_files(app)?);
    let extras = Extras { node, at: app.now().0, files, digests };
    let (at, held) = (place.clone(), Arc::clone(&lock));
    let made = blocking(move || Ok(vault::backup::create(&snapshot, &at, &held, extras)?)).await?;
    let Created { backup, bytes, new_bytes, mended, unreadable } = made;
    let found = if tested { Some(verify::test(app, place, &backup, &lock).await?) } else { None };
    let (id, taken) = (backup.id(), rfc3339(Timestamp(backup.manifest.at)));
    let tested_at = found.as_ref().map(|_| app.now().0);
    let last = LastBackup { to: to.to_string(), backup: id.clone(), at: backup.manifest.at, tested: tested_at };
    app.vault.accounts().set(LAST, &serde_json::to_string(&last).map_err(failed)?).await.map_err(failed)?;
    app.backups.made(last);
    let problems: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
    Ok(json!({
        "backup": id, "at": taken, "bytes": bytes, "new_bytes": new_bytes,
        "spaces": backup.manifest.scopes.iter().filter(|end| end.scope[0] == 1).count(),
        "frames": backup.manifest.rows(), "position": backup.manifest.position(),
        "mended": mended, "verified": found, "unreadable": problems, "caution": lock.caution(),
    }))
}

/// How many commits every space has.
fn positions(app: &App) -> HashMap<SpaceId, u64> {
    let spaces = app.vault.users().into_iter().flat_map(|user| app.vault.admission().spaces_of(user));
    let written = |space| app.vault.admission().tips(Scope::Space(space)).values().map(|(seq, _)| seq).sum();
    spaces.map(|space| (space, written(space))).collect()
}

/// What every space shows in which nothing was written since `before`.
async fn digests(app: &App, before: &HashMap<SpaceId, u64>) -> Result<Vec<SpaceDigest>, Failure> {
    let all =
        app.vault.doctor(false, |_, _| {}).await.map_err(|error| Failure::failed("damaged", &error.to_string()))?;
    let after = positions(app);
    let still = all
        .into_iter()
        .filter(|health| before.contains_key(&health.space) && before.get(&health.space) == after.get(&health.space));
    let shown = still.map(|health| SpaceDigest {
        space: *health.space.as_bytes(),
        documents: health.documents,
        digest: health.digest,
    });
    Ok(shown.collect())
}

fn node_id(app: &App) -> Result<[u8; 16], Failure> {
    let bytes = data_encoding::HEXLOWER.decode(app.directory.node().as_bytes()).map_err(failed)?;
    bytes.try_into().map_err(|_| failed("the id of the node is damaged"))
}

/// Settings and certificates of the directory.
fn other_files(app: &App) -> Result<Vec<OtherFile>, Failure> {
    let mut paths = vec!["allod.toml".to_owned()];
    for entry in std::fs::read_dir(app.dir.certs()).into_iter().flatten().flatten() {
        paths.extend(entry.file_name().to_str().map(|name| format!("certs/{name}")));
    }
    let mut files = Vec::new();
    for path in paths.into_iter().filter(|path| OtherFile::is_plain(path)) {
        let at = app.dir.path().join(&path);
        if at.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() <= MAX_FILE_BYTES) {
            files.push(OtherFile { path, bytes: Zeroizing::new(std::fs::read(at).map_err(failed)?) });
        }
    }
    Ok(files)
}
