//! `allod backup verify`: a backup is restored into a scratch directory, opened as a node, and compared.

use std::sync::Arc;

use gateway_people::realm::Realm as _;
use rand::RngExt;
use serde_json::{Value, json};
use vault::data_dir::DataDir;
use vault_backup::{Backup, Place, PlaceLock, SpaceDigest};
use zeroize::Zeroizing;

use super::place::{blocking, failed, locked, open_place, pick};
use crate::app::App;
use crate::failure::Failure;
use crate::places::Target;
use crate::restoring::Compared;

/// Where, in the data directory.
const SCRATCH: &str = "verifying";

/// Restores a backup for a test.
///
/// # Errors
/// If there is none of this id, or it does not hold what it should.
pub async fn verify(app: &App, target: &Target, id: Option<&str>) -> Result<Value, Failure> {
    let place = open_place(app, target).await?;
    locked(&place, async |lock| {
        let (at, id) = (place.clone(), id.map(str::to_owned));
        let backup = blocking(move || pick(&at.backups()?.0, id.as_deref())).await?;
        let found = test(app, &place, &backup, &lock).await?;
        Ok(json!({ "backup": backup.id(), "verified": found }))
    })
    .await
}

/// As [`verify`], by whoever holds the place.
pub(super) async fn test(
    app: &App,
    place: &Place,
    backup: &Backup,
    lock: &Arc<PlaceLock>,
) -> Result<Compared, Failure> {
    let scratch = app.dir.path().join(SCRATCH);
    let _ = std::fs::remove_dir_all(&scratch);
    let found = compared(place, backup, &DataDir::at(&scratch)).await;
    let _ = std::fs::remove_dir_all(&scratch);
    let found = found?;
    let (at, name, now, lock) = (place.clone(), backup.name, app.now().0, Arc::clone(lock));
    blocking(move || Ok(at.note_tested(name, now, &lock)?)).await?;
    Ok(found)
}

async fn compared(place: &Place, backup: &Backup, dir: &DataDir) -> Result<Compared, Failure> {
    let lock = dir.lock()?;
    // A node key that is sealed does not lie about in clear while its backup is tested; nor does what a kill leaves.
    let passphrase = Zeroizing::new(data_encoding::HEXLOWER.encode(&rand::rng().random::<[u8; 16]>()));
    vault::backup::restore(place.clone(), backup.manifest.clone(), dir, Some(&passphrase), |_, _| {}).await?;
    let node = crate::app::open(dir, Some(&passphrase), false).await?;
    let shown = compare(&node, &backup.manifest.digests).await;
    node.shutdown().await;
    drop(lock);
    shown
}

/// Compares what an opened backup shows with what the node showed when it was taken.
pub(super) async fn compare(node: &App, wanted: &[SpaceDigest]) -> Result<Compared, Failure> {
    let all = node.vault.doctor(false, |_, _| {}).await.map_err(failed)?;
    let mut equal = 0;
    for wanted in wanted {
        let found = all.iter().find(|health| *health.space.as_bytes() == wanted.space);
        let same = found.is_some_and(|health| health.digest == wanted.digest && health.documents == wanted.documents);
        if !same {
            let space = data_encoding::HEXLOWER.encode(&wanted.space);
            let text = format!("what the backup holds of space {space} shows other documents than the node did");
            return Err(
                Failure::failed("backup_differs", &text).hint("make another backup, to another place, and tell us")
            );
        }
        equal += 1;
    }
    let documents: u64 = all.iter().map(|health| health.documents).sum();
    Ok(Compared { spaces: all.len(), equal, documents })
}
