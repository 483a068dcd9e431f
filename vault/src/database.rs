//! The two SQL databases of a node, opened as they must be.
//!
//! `node.db` (control plane, encrypted as a whole) and `log.db` (sealed rows). Both run with
//! `synchronous = FULL`; the log's setting is read back, because a log that does not wait for the
//! disk would acknowledge what a power cut takes away.

use std::path::Path;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};

use zeroize::Zeroizing;

use crate::data_dir::{DataDir, DataFile};
use crate::keyring::NodeKey;
use crate::witness::Loss;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("{file} cannot be opened: {source}. If it is damaged, put it back from your backup; nothing was changed")]
    Open { file: &'static str, source: DbErr },
    #[error("{file} does not wait for the disk (synchronous = {level}); refusing to acknowledge writes")]
    NotDurable { file: &'static str, level: i64 },
    #[error(transparent)]
    Loss(#[from] Loss),
}

/// Looks at what was last written beside the databases of a directory, which nobody has open: before any of them is, since
/// SQLite forgets what is damaged, and does not miss what is gone. Whoever goes on calls [`DataDir::mark_closed`] first.
///
/// # Errors
/// If something that had been on disk would be forgotten.
pub fn look_at_frames(dir: &DataDir) -> Result<(), Loss> {
    let in_use = dir.is_in_use();
    for file in [DataFile::NodeDatabase, DataFile::ReplicaDatabase, DataFile::Log] {
        let mut frames = dir.file(file).into_os_string();
        frames.push("-wal");
        if in_use && dir.has(file) && !Path::new(&frames).exists() {
            return Err(Loss::FramesMissing { file });
        }
        // What cannot be read is refused where it is opened.
        if let Ok(Some(at)) = crate::frames::damaged_at(frames.as_ref()) {
            return Err(Loss::FramesDamaged { file, at });
        }
    }
    Ok(())
}

/// A database that is gone beside a log, or where it was before, is a loss, and not the beginning of a new one.
fn beside_a_log(dir: &DataDir, file: DataFile) -> Result<(), DatabaseError> {
    if !dir.file(file).exists() && (dir.file(DataFile::Log).exists() || dir.was_opened()) {
        return Err(Loss::DatabaseMissing { file }.into());
    }
    Ok(())
}

async fn open_file(
    dir: &DataDir,
    file: DataFile,
    key: Option<String>,
    connections: u32,
) -> Result<DatabaseConnection, DatabaseError> {
    let path = dir.file(file);
    // The log sees to that by itself, beside whoever writes.
    let file_is_log = file == DataFile::Log;
    let file = file.name();
    let synchronous = synchronous();
    let mut options = ConnectOptions::new("sqlite://node");
    options
        .max_connections(connections)
        // Two connections that open a fresh file at once fight over its journal mode, and one loses.
        .min_connections(0)
        .connect_timeout(Duration::from_secs(10))
        .acquire_timeout(Duration::from_secs(60))
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .test_before_acquire(false)
        .sqlx_logging(false);
    options.map_sqlx_sqlite_opts(move |sqlite| {
        let mut sqlite = sqlite
            .filename(&path)
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30))
            .pragma("temp_store", "MEMORY")
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", synchronous);
        if let Some(key) = &key {
            sqlite = sqlite
                .pragma("key", key.clone())
                .pragma("cipher_log_level", "NONE")
                .pragma("cipher_hmac_algorithm", "HMAC_SHA256")
                // Keys that are destroyed are overwritten: whoever has the node key finds them in no free page.
                .pragma("secure_delete", "ON");
        } else {
            sqlite = sqlite.pragma("wal_autocheckpoint", if file_is_log { "0" } else { "4000" });
        }
        sqlite
    });
    let open = |source| DatabaseError::Open { file, source };
    let db = Database::connect(options).await.map_err(open)?;
    let one = |sql: &'static str| Statement::from_string(db.get_database_backend(), sql);
    db.query_one_raw(one("SELECT count(*) FROM sqlite_master")).await.map_err(open)?;
    let level: i64 = match db.query_one_raw(one("PRAGMA synchronous")).await.map_err(open)? {
        Some(row) => row.try_get_by_index(0).map_err(open)?,
        None => -1,
    };
    if level != 2 && synchronous == "FULL" {
        return Err(DatabaseError::NotDurable { file, level });
    }
    // Frames after a failed fsync may live only in the page cache: what is acknowledged from here on
    // rests on pages that are in the file.
    db.execute_raw(one("PRAGMA wal_checkpoint(TRUNCATE)")).await.map_err(open)?;
    Ok(db)
}

/// `FULL`, always: but in development builds for the test that shows that the check of it can fail.
fn synchronous() -> &'static str {
    if cfg!(debug_assertions) && std::env::var_os("ALLOD_TEST_LOG_WITHOUT_FSYNC").is_some() { "OFF" } else { "FULL" }
}

/// Opens (creates) the node database, encrypted under the node key.
pub async fn open_node(dir: &DataDir, key: &NodeKey) -> Result<DatabaseConnection, DatabaseError> {
    beside_a_log(dir, DataFile::NodeDatabase)?;
    open_file(dir, DataFile::NodeDatabase, Some(format!("\"{}\"", *node_raw_key(key))), 4).await
}

/// The key of the node database, as SQLCipher takes one that needs no stretching.
pub(crate) fn node_raw_key(key: &NodeKey) -> Zeroizing<String> {
    let hex = Zeroizing::new(data_encoding::HEXLOWER.encode(&*key.derive("node database")));
    Zeroizing::new(format!("x'{}'", *hex))
}

/// What a connection to the node database says first.
pub(crate) fn node_pragmas(key: &NodeKey) -> Zeroizing<String> {
    Zeroizing::new(format!(
        "PRAGMA cipher_log_level = NONE; PRAGMA key = \"{}\"; PRAGMA cipher_hmac_algorithm = HMAC_SHA256;",
        *node_raw_key(key)
    ))
}

/// Opens (creates) the log: its rows are sealed, so the file itself is not encrypted.
pub async fn open_log(dir: &DataDir) -> Result<DatabaseConnection, DatabaseError> {
    open_file(dir, DataFile::Log, None, 4).await
}

/// Opens (creates) the small database of a blind replica: the ids of the accounts it serves.
pub async fn open_replica(dir: &DataDir) -> Result<DatabaseConnection, DatabaseError> {
    beside_a_log(dir, DataFile::ReplicaDatabase)?;
    open_file(dir, DataFile::ReplicaDatabase, None, 1).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_node_database_opens_under_its_key_only_and_shows_no_plaintext() {
        let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [a, b] = roots.each_ref().map(|root| DataDir::at(root.path()));
        let (key, other) = (NodeKey::create(&a, None).unwrap(), NodeKey::create(&b, None).unwrap());
        let db = open_node(&a, &key).await.unwrap();
        db.execute_unprepared("CREATE TABLE t(x); INSERT INTO t VALUES ('canary-in-the-node-database')").await.unwrap();
        db.close().await.unwrap();
        let bytes = std::fs::read(a.file(DataFile::NodeDatabase)).unwrap();
        assert!(bytes.len() > 4_000);
        assert!(!bytes.windows(6).any(|w| w == b"canary" || w == b"SQLite"));
        assert!(matches!(open_node(&a, &other).await, Err(DatabaseError::Open { .. })));
        let db = open_node(&a, &key).await.unwrap();
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), "SELECT x FROM t")).await.unwrap();
        assert_eq!(row.unwrap().try_get_by_index::<String>(0).unwrap(), "canary-in-the-node-database");
    }

    #[tokio::test]
    async fn what_is_deleted_in_the_node_database_is_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path());
        let key = NodeKey::create(&dir, None).unwrap();
        let db = open_node(&dir, &key).await.unwrap();
        let one = Statement::from_string(db.get_database_backend(), "PRAGMA secure_delete");
        let row = db.query_one_raw(one).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0).unwrap(), 1);
    }

    #[tokio::test]
    async fn the_log_waits_for_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let db = open_log(&DataDir::at(dir.path())).await.unwrap();
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), "PRAGMA synchronous")).await;
        assert_eq!(row.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap(), 2);
    }
}
