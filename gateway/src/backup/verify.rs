//! `allod backup verify`: a backup is restored into a scratch directory, opened as a node, and compared.

use std::path::Path;
use std::sync::Arc;

use gateway_people::realm::Realm as _;
use rand::RngExt;
use serde_json::{Value, json};
use vault::data_dir::DataDir;
use vault_backup::{Backup, Place, PlaceLock, SpaceDigest};
use zeroize::Zeroizing;

use super::noted;
use super::place::{blocking, failed, locked, open_place, pick};
use crate::app::App;
use crate::failure::Failure;
use crate::places::{PlaceName, Target};
use crate::restoring::{Compared, VERIFYING};

/// Nothing is known against a backup, and nothing for it.
pub(super) const UNTESTED: &str = "backup_untested";
/// The node's disk keeps so much for what is written meanwhile, or a tenth of it if that is less.
const KEPT_FREE: u64 = 1 << 30;

/// Restores a backup for a test.
///
/// # Errors
/// If there is none of this id, it does not hold what it should, or not all of it can be compared.
pub async fn verify(app: &App, target: &Target, id: Option<&str>) -> Result<Value, Failure> {
    let place = open_place(app, target).await?;
    locked(&place, async |lock| {
        let (at, id) = (place.clone(), id.map(str::to_owned));
        let backup = blocking(move || {
            let (backups, bad) = at.backups()?;
            pick(&backups, &bad, id.as_deref())
        });
        let backup = backup.await?;
        let found = test(app, &place, &target.to, &backup, &lock).await?;
        Ok(json!({ "backup": backup.id(), "verified": found }))
    })
    .await
}

/// As [`verify`], by whoever holds the place. It is noted as tested if all of it is what it was.
pub(super) async fn test(
    app: &App,
    place: &Place,
    to: &PlaceName,
    backup: &Backup,
    lock: &Arc<PlaceLock>,
) -> Result<Compared, Failure> {
    let scratch = app.dir.path().join(VERIFYING);
    let _ = std::fs::remove_dir_all(&scratch);
    let needs = needed(backup, bytes_in(&app.dir.views()));
    if let Ok(disk) = rustix::fs::statvfs(app.dir.path())
        && let (free, whole) =
            (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize))
        && !fits(needs, free, whole)
    {
        let text = format!(
            "it is not tested: restored beside the node it takes {} MB, of {} MB that are free there",
            needs >> 20,
            free >> 20
        );
        let fix = "make room on the node's disk, or try the backup out elsewhere by `allod restore`";
        return Err(Failure::failed(UNTESTED, &text).hint(fix));
    }
    let found = compared(place, backup, &DataDir::at(&scratch)).await;
    let _ = std::fs::remove_dir_all(&scratch);
    let found = found?;
    if found.equal < found.spaces {
        let (left, spaces) = (found.spaces - found.equal, found.spaces);
        let text = format!(
            "it is not tested: it is whole and opens, but of {left} of {spaces} spaces it does not say what they showed"
        );
        let fix = "they were written to all the time, or it is of an earlier version: test the next backup";
        return Err(Failure::failed(UNTESTED, &text).hint(fix));
    }
    let (at, name, now, lock) = (place.clone(), backup.name, app.now().0, Arc::clone(lock));
    blocking(move || Ok(at.note_tested(name, now, &lock)?)).await?;
    noted::tested(app, to).await?;
    Ok(found)
}

/// What a backup takes on a disk once it is restored: `views` is what the node's own take.
fn needed(backup: &Backup, views: u64) -> u64 {
    let log: u64 = backup.manifest.segments.iter().map(|stored| stored.bytes).sum();
    (log + backup.manifest.database + views) / 5 * 6
}

fn fits(needs: u64, free: u64, whole: u64) -> bool {
    needs.checked_add(KEPT_FREE.min(whole / 10)).is_some_and(|needs| free >= needs)
}

fn bytes_in(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

async fn compared(place: &Place, backup: &Backup, dir: &DataDir) -> Result<Compared, Failure> {
    let lock = dir.lock()?;
    // A node key that is sealed does not lie about in clear while its backup is tested; nor does what a kill leaves.
    let passphrase = Zeroizing::new(data_encoding::HEXLOWER.encode(&rand::rng().random::<[u8; 16]>()));
    vault::backup::restore(place.clone(), backup.manifest.clone(), dir, Some(&passphrase), |_, _| {}).await?;
    let node = crate::app::open(dir, Some(&passphrase), false).await?;
    let shown = reads(&node, &backup.manifest.digests).await;
    node.shutdown().await;
    drop(lock);
    shown
}

/// Whether the log of an opened backup reads from its beginning to its end, and spaces show what they showed.
async fn reads(node: &App, wanted: &[SpaceDigest]) -> Result<Compared, Failure> {
    let log = node.vault.look_at_log().await.map_err(failed)?;
    if !log.faults.is_empty() {
        let text = format!("its log does not read: {}", log.faults.join("; "));
        return Err(Failure::failed("backup_damaged", &text).hint("see log_chain of `allod doctor`"));
    }
    compare(node, wanted, false).await
}

/// Compares what an opened backup shows with what the node showed when it was taken. `unverified`: what differs is counted,
/// and no error.
pub(super) async fn compare(node: &App, wanted: &[SpaceDigest], unverified: bool) -> Result<Compared, Failure> {
    let all = node.vault.doctor(false, |_, _| {}).await.map_err(failed)?;
    let mut equal = 0;
    // Digests of another kind cannot be compared.
    for wanted in wanted.iter().filter(|wanted| wanted.kind == vault::DIGEST_KIND) {
        let found = all.iter().find(|health| *health.space.as_bytes() == wanted.space);
        let same = found.is_some_and(|health| health.digest == wanted.digest && health.documents == wanted.documents);
        if !same && !unverified {
            let space = data_encoding::HEXLOWER.encode(&wanted.space);
            let text = format!("what the backup holds of space {space} shows other documents than the node did");
            return Err(
                Failure::failed("backup_differs", &text).hint("make another backup, to another place, and tell us")
            );
        }
        equal += usize::from(same);
    }
    let documents: u64 = all.iter().map(|health| health.documents).sum();
    Ok(Compared { spaces: all.len(), equal, documents })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_leaves_room_for_what_the_node_writes() {
        let (large, small) = (1 << 40, 1 << 30);
        assert!(fits(100, 100 + KEPT_FREE, large) && !fits(101, 100 + KEPT_FREE, large));
        assert!(fits(100, 100 + small / 10, small), "a small disk keeps a tenth");
        assert!(!fits(u64::MAX, u64::MAX, large));
    }
}
