//! Making a data directory of a backup.

use std::fs::Permissions;
use std::io::Cursor;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use vault_backup::{Manifest, ObjectKind, Place, Segment, SegmentRow};
use zeroize::Zeroizing;

use super::error::BackupError;
use crate::data_dir::{DataDir, DataFile, write_private};
use crate::database;
use crate::keyring::NodeKey;
use crate::log::Log;
use crate::log::identity::Identity;

/// What the setting that notes the log's file says in a directory that was made of a backup: whatever file systems tell, a
/// new device takes the place of the one that wrote the log.
pub const PUT_BACK: &str = "put back";

/// Makes the files of a node of a backup, in a directory that holds none. Blocking work is done on threads of its own.
/// `tell` hears how many files of the place, of how many, were fetched.
///
/// # Errors
/// If anything of the backup is missing or altered, or cannot be written. What was made is the caller's to remove.
pub async fn restore(
    place: Place,
    manifest: Manifest,
    dir: &DataDir,
    passphrase: Option<&str>,
    tell: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Result<(), BackupError> {
    let all = (manifest.pieces.len() + manifest.segments.len()) as u64;
    let tell = Arc::new(move |done: usize| tell(done as u64, all));
    tell(0);
    let key = NodeKey::put_back(dir, &manifest.node_key, passphrase)?;
    let (at, hears) = (dir.clone(), Arc::clone(&tell));
    let (place, manifest) = blocking(move || {
        node_database(&place, &manifest, &at, &key, &*hears)?;
        for file in &manifest.files {
            let path = at.path().join(&file.path);
            if let Some(parent) = path.parent() {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            }
            write_private(&path, &file.bytes)?;
        }
        Ok((place, manifest))
    })
    .await?;
    let log = Log::open(database::open_log(dir).await?).await?;
    log.set_identity(Identity { log: manifest.log.log, run: manifest.log.run, number: manifest.log.number }).await?;
    log.close().await?;
    let at = dir.clone();
    blocking(move || {
        let before = manifest.pieces.len();
        rows(&place, &manifest, &at.file(DataFile::Log), |done| tell(before + done))?;
        for file in [DataFile::Log, DataFile::NodeDatabase] {
            let path = at.file(file);
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            std::fs::File::open(&path)?.sync_all()?;
        }
        Ok(std::fs::File::open(at.path())?.sync_all()?)
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| BackupError::CutOff(crate::turn::CutOff))?
}

fn node_database(
    place: &Place,
    manifest: &Manifest,
    dir: &DataDir,
    key: &NodeKey,
    tell: impl Fn(usize),
) -> Result<(), BackupError> {
    let mut image = Zeroizing::new(Vec::new());
    for (n, name) in manifest.pieces.iter().enumerate() {
        image.extend_from_slice(&place.get(ObjectKind::Piece, *name)?);
        if image.len() as u64 > manifest.database {
            break;
        }
        tell(n + 1);
    }
    if image.len() as u64 != manifest.database || image.len() < 100 {
        return Err(BackupError::Damaged("the node database of the backup is not as long as it was"));
    }
    // A database in memory has no log of its own: as the header of the file says it, SQLite would refuse it.
    image[18..20].copy_from_slice(&[1, 1]);
    let mut memory = Connection::open_in_memory()?;
    memory.deserialize_read_exact("main", Cursor::new(&image[..]), image.len(), true)?;
    let path = dir.file(DataFile::NodeDatabase);
    let path = path.to_str().ok_or(BackupError::Damaged("the path of the directory is not UTF-8"))?;
    memory.execute("ATTACH DATABASE ?1 AS kept KEY ?2", (path, database::node_raw_key(key).as_str()))?;
    memory.execute_batch(
        "PRAGMA cipher_log_level = NONE; PRAGMA kept.cipher_hmac_algorithm = HMAC_SHA256; PRAGMA kept.synchronous = FULL;",
    )?;
    memory.query_row("SELECT sqlcipher_export('kept')", [], |_| Ok(()))?;
    memory.execute(
        "INSERT INTO kept.vault_setting(name, value) VALUES ('log born', ?1)
         ON CONFLICT(name) DO UPDATE SET value = excluded.value",
        [PUT_BACK],
    )?;
    memory.execute_batch("DETACH DATABASE kept")?;
    Ok(())
}

fn rows(place: &Place, manifest: &Manifest, path: &Path, tell: impl Fn(usize)) -> Result<(), BackupError> {
    let mut log = Connection::open(path)?;
    for (n, stored) in manifest.segments.iter().enumerate() {
        let segment = Segment::decode(&place.get(ObjectKind::Segment, stored.name)?)
            .map_err(|_| BackupError::Damaged("a segment is of another version"))?;
        if segment.ranges() != stored.ranges {
            return Err(BackupError::Damaged("a segment holds other rows than its backup says"));
        }
        let txn = log.transaction()?;
        {
            let mut insert = txn.prepare_cached(
                r#"INSERT INTO log_row("scope", "position", "lane", "device", "first", "last", "commit", "body")
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"#,
            )?;
            for row in segment.into_rows() {
                let SegmentRow { scope, position, lane, device, first, last, commit, body } = row;
                let numbers = (position as i64, first as i64, last as i64);
                insert.execute((
                    &scope[..],
                    numbers.0,
                    &lane[..],
                    &device[..],
                    numbers.1,
                    numbers.2,
                    &commit[..],
                    body,
                ))?;
            }
        }
        txn.commit()?;
        tell(n + 1);
    }
    let mut ends = log.prepare(
        r#"SELECT MAX("position"), COUNT(*), (SELECT "commit" FROM log_row l WHERE l."scope" = ?1
           ORDER BY "position" DESC LIMIT 1) FROM log_row WHERE "scope" = ?1"#,
    )?;
    let mut all = 0;
    for end in &manifest.scopes {
        let found: (i64, i64, [u8; 32]) =
            ends.query_row([&end.scope[..]], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if found != (end.position as i64, end.rows as i64, end.commit) {
            return Err(BackupError::Damaged("the log of the backup is not as long as it was"));
        }
        all += found.1;
    }
    drop(ends);
    let held: i64 = log.query_row("SELECT COUNT(*) FROM log_row", [], |row| row.get(0))?;
    if held != all {
        return Err(BackupError::Damaged("the log of the backup holds what it should not"));
    }
    log.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}
