//! From one version to the next: what a directory was written by, and how it becomes this version's.
//!
//! Each part of a node keeps, in a table of its own, the names of the changes that its tables went through. A name that
//! this version does not know was made by a newer one: then nothing is touched. What this version knows and the directory
//! lacks is done behind a snapshot of the databases that change, which comes back if anything fails, also at the next
//! start after a kill. The snapshot goes before this version serves anybody; and where another has served since, which the
//! log says, it is not put back: so nothing that was acknowledged is ever taken back.

mod snapshot;
#[cfg(test)]
mod tests;

use futures::future::BoxFuture;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use sea_orm::{DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;
use sha2::{Digest, Sha256};

use crate::data_dir::{DataDir, DataFile};
use crate::database::{self, DatabaseError};
use crate::keyring::NodeKey;
use crate::{log, tables, witness};
pub(crate) use snapshot::NAME as SNAPSHOT;
use snapshot::{Opening, Snapshot};

/// Under this name the operator reads of it.
const SAID: &str = "allod::upgrade";

type Up = Box<dyn for<'a> Fn(&'a DatabaseConnection) -> BoxFuture<'a, Result<(), DbErr>> + Send + Sync>;

/// The tables of one part of a node, by the changes that they went through.
pub struct Part {
    /// The table that holds the names of those that were done.
    table: String,
    /// The names that this version knows, in order.
    known: Vec<String>,
    up: Up,
}

impl Part {
    pub fn of<M: MigratorTrait + 'static>() -> Part {
        Part {
            table: M::migration_table_name().to_string(),
            known: M::migrations().iter().map(|change| change.name().to_owned()).collect(),
            up: Box::new(|db| Box::pin(M::up(db, None))),
        }
    }

    /// Does what the tables lack.
    pub async fn up(&self, db: &DatabaseConnection) -> Result<(), DbErr> {
        (self.up)(db).await
    }
}

/// A database, and the parts that share it.
pub struct Tables {
    file: DataFile,
    key: Option<NodeKey>,
    parts: Vec<Part>,
}

impl Tables {
    /// The node database: the vault's parts, and `more`.
    pub fn of_node(key: &NodeKey, more: Vec<Part>) -> Tables {
        let own = [Part::of::<tables::Migrator>(), Part::of::<witness::Migrator>()];
        let parts = own.into_iter().chain(more).collect();
        Tables { file: DataFile::NodeDatabase, key: Some(key.clone()), parts }
    }

    /// The log.
    pub fn of_log() -> Tables {
        Tables { file: DataFile::Log, key: None, parts: vec![Part::of::<log::Migrator>()] }
    }

    /// The small database of a blind replica.
    pub fn of_replica(more: Vec<Part>) -> Tables {
        let parts = [Part::of::<witness::Migrator>()].into_iter().chain(more).collect();
        Tables { file: DataFile::ReplicaDatabase, key: None, parts }
    }

    async fn open(&self, dir: &DataDir) -> Result<DatabaseConnection, DatabaseError> {
        match (self.file, &self.key) {
            (DataFile::NodeDatabase, Some(key)) => database::open_node(dir, key).await,
            (DataFile::ReplicaDatabase, _) => database::open_replica(dir).await,
            _ => database::open_log(dir).await,
        }
    }

    /// A connection that only looks.
    fn look_into(&self, dir: &DataDir) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(dir.file(self.file), flags)?;
        // What is only looked at stays as it is, to the byte.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        if let Some(key) = &self.key {
            connection.execute_batch(&database::node_pragmas(key))?;
        }
        connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA query_only = ON;")?;
        Ok(connection)
    }

    /// What the database has seen that this version does not know, and what it lacks; of a fresh one nothing.
    fn standing(&self, connection: &Connection) -> rusqlite::Result<Standing> {
        let mut names = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?;
        let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut standing = Standing::default();
        let known = |table: &str| self.parts.iter().any(|part| part.table == table);
        let lists = names.iter().filter(|name| name.ends_with("_migration") || name.ends_with("_migrations"));
        standing.unknown.extend(lists.filter(|list| !known(list)).cloned());
        let mut lacking = Vec::new();
        let mut seen = 0;
        for part in &self.parts {
            let mut done = Vec::new();
            if names.contains(&part.table) {
                let mut rows = connection.prepare(&format!("SELECT version FROM \"{}\"", part.table))?;
                done = rows.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
            }
            seen += done.len();
            standing.unknown.extend(done.iter().filter(|name| !part.known.contains(name)).cloned());
            lacking.extend(part.known.iter().filter(|name| !done.contains(name)).cloned());
        }
        if seen > 0 {
            standing.lacking = lacking;
        }
        Ok(standing)
    }
}

#[derive(Debug, Default)]
struct Standing {
    unknown: Vec<String>,
    lacking: Vec<String>,
}

/// Why a directory cannot be used by this version.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// A newer version has written here.
    #[error("{file} was written by a newer version of Allod (it knows {unknown}); this one leaves it alone")]
    Newer { file: &'static str, unknown: String },
    /// There was no going on, and nothing is other than it was.
    #[error("the directory could not be brought to this version ({why}); all of it is again as it was before")]
    Failed { why: String },
    /// There was no going on, and no way back by itself.
    #[error(
        "the directory could not be brought to this version ({why}), and what it was before could not be put back \
         ({source}); it lies in before-upgrade"
    )]
    Stuck { why: String, source: std::io::Error },
    /// What a kill left half done could not be put back.
    #[error(
        "what was there before an upgrade that was cut short could not be put back: {0}; it lies in before-upgrade"
    )]
    Leftover(std::io::Error),
    /// A kill left a snapshot behind, and the directory has served since.
    #[error(
        "before-upgrade is left of an upgrade that was cut short, and the directory was opened by another version since: \
         what it holds now is newer, and nothing was changed"
    )]
    Overtaken,
    /// The way back could not be made, so nothing was begun.
    #[error("there is no place for what an upgrade must be able to put back: {0}; nothing was changed")]
    NoSnapshot(std::io::Error),
}

impl UpgradeError {
    /// Stable.
    pub fn code(&self) -> &'static str {
        match self {
            UpgradeError::Newer { .. } => "newer_directory",
            UpgradeError::Failed { .. } | UpgradeError::Stuck { .. } | UpgradeError::Leftover(_) => "upgrade_failed",
            UpgradeError::Overtaken => "upgrade_overtaken",
            UpgradeError::NoSnapshot(_) => "upgrade_no_room",
        }
    }
}

/// Puts back what an upgrade that was cut short has left, unless the directory has served since. The caller holds its lock,
/// and has nothing of it open; [`bring_up`] does this too.
///
/// # Errors
/// If it has served since, or this cannot be done. The snapshot is there then.
pub fn put_back_leftover(dir: &DataDir) -> Result<(), UpgradeError> {
    let Some(left) = Snapshot::left(dir).map_err(UpgradeError::Leftover)? else { return Ok(()) };
    let noted = left.opening().map_err(UpgradeError::Leftover)?;
    match opening_of_the_log(dir) {
        Ok(now) if now == noted => {}
        // Cut short while it was put back: the log may be half the one and half the other.
        Ok(now) if now.is_empty() && left.is_begun() => {}
        Err(_) if left.is_begun() => {}
        Ok(_) => return Err(UpgradeError::Overtaken),
        Err(error) => return Err(UpgradeError::Leftover(error)),
    }
    tracing::warn!(target: SAID, "an upgrade was cut short: what was there before it is put back");
    left.put_back(dir).map_err(UpgradeError::Leftover)
}

/// Brings a directory to this version, if it is of an earlier one. The caller holds its lock, and has nothing of it open.
/// `verify`: opens what is there as a node would, before the way back is given up.
///
/// # Errors
/// If it is of a later version, or this cannot be done: then everything is as it was before.
pub async fn bring_up<E: std::fmt::Display>(
    dir: &DataDir,
    all: &[Tables],
    verify: impl AsyncFnOnce() -> Result<(), E>,
) -> Result<(), UpgradeError> {
    put_back_leftover(dir)?;
    let mut behind = Vec::new();
    for tables in all {
        // What cannot be looked into is refused where it is opened, and nothing is done to it before.
        let Some(standing) = standing(dir, tables) else { continue };
        if !standing.unknown.is_empty() {
            let (file, unknown) = (tables.file.name(), standing.unknown.join(", "));
            return Err(UpgradeError::Newer { file, unknown });
        }
        if !standing.lacking.is_empty() {
            behind.push((tables, standing.lacking));
        }
    }
    if behind.is_empty() {
        return Ok(());
    }
    let files: Vec<DataFile> = behind.iter().map(|(tables, _)| tables.file).collect();
    let names: Vec<&str> = files.iter().map(|file| file.name()).collect();
    tracing::info!(target: SAID, files = names.join(", "), "the directory is of an earlier version: a snapshot is taken first");
    let opening = opening_of_the_log(dir).map_err(UpgradeError::NoSnapshot)?;
    let snapshot = Snapshot::take(dir, &files, &opening).map_err(UpgradeError::NoSnapshot)?;
    let done = async {
        for (n, (tables, lacking)) in behind.iter().enumerate() {
            let (file, changes) = (tables.file.name(), lacking.len());
            tracing::info!(target: SAID, file, changes, "upgrading, {} of {}", n + 1, behind.len());
            change(dir, tables).await?;
        }
        tracing::info!(target: SAID, "upgraded; what was changed is verified");
        verify().await.map_err(|error| error.to_string())
    };
    match done.await {
        Ok(()) => {
            snapshot.give_up(dir).map_err(|error| UpgradeError::Failed { why: error.to_string() })?;
            tracing::info!(target: SAID, "the directory is of this version");
            Ok(())
        }
        Err(why) => {
            tracing::error!(target: SAID, %why, "the upgrade failed; what was there before it is put back");
            match snapshot.put_back(dir) {
                Ok(()) => Err(UpgradeError::Failed { why }),
                Err(source) => Err(UpgradeError::Stuck { why, source }),
            }
        }
    }
}

/// Which log this is, and by how many openings it has grown; empty if there is none, or it is of a version that gave it none.
fn opening_of_the_log(dir: &DataDir) -> std::io::Result<Opening> {
    let there = std::fs::metadata(dir.file(DataFile::Log)).is_ok_and(|file| file.len() > 0);
    if !there {
        return Ok(Opening::new());
    }
    let mut frames = dir.file(DataFile::Log).into_os_string();
    frames.push("-wal");
    if crate::frames::damaged_at(frames.as_ref())?.is_some() {
        return Err(std::io::Error::other("what was last written to log.db is damaged"));
    }
    let read = || -> rusqlite::Result<Opening> {
        let log = Tables::of_log().look_into(dir)?;
        let kept = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'log_identity'";
        if log.query_row(kept, [], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(Opening::new());
        }
        let mut rows = log.prepare(r#"SELECT "log", "run", "number" FROM log_identity WHERE id = 1"#)?;
        let mut rows = rows.query([])?;
        let Some(row) = rows.next()? else { return Ok(Opening::new()) };
        let (log, run, number): (Vec<u8>, Vec<u8>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok([log, run, number.to_le_bytes().to_vec()].concat())
    };
    read().map_err(|error| std::io::Error::other(format!("log.db cannot be read: {error}")))
}

/// How a database stands; `None` if there is none yet, or it cannot be looked into.
fn standing(dir: &DataDir, tables: &Tables) -> Option<Standing> {
    let there = std::fs::metadata(dir.file(tables.file)).is_ok_and(|file| file.len() > 0);
    let look = || tables.standing(&tables.look_into(dir)?);
    there.then(look)?.ok()
}

/// Does what the tables of a database lack, and looks at what came of it.
async fn change(dir: &DataDir, tables: &Tables) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", tables.file.name());
    let rows = |dir| tables.look_into(dir).and_then(|found| rows_of_the_log(&found));
    let before = match tables.file {
        DataFile::Log => Some(rows(dir).map_err(|error| failed(&error))?),
        _ => None,
    };
    let db = tables.open(dir).await.map_err(|error| failed(&error))?;
    let mut done = Ok(());
    for part in &tables.parts {
        done = part.up(&db).await;
        if done.is_err() {
            break;
        }
    }
    db.close().await.map_err(|error| failed(&error))?;
    done.map_err(|error| failed(&error))?;
    let connection = tables.look_into(dir).map_err(|error| failed(&error))?;
    let said: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| failed(&error))?;
    if said != "ok" {
        return Err(failed(&said));
    }
    let standing = tables.standing(&connection).map_err(|error| failed(&error))?;
    if !standing.lacking.is_empty() || !standing.unknown.is_empty() {
        return Err(failed(&"its tables are not those of this version"));
    }
    if let Some(before) = before {
        // What cannot be read any more is not what it was either.
        let after = rows_of_the_log(&connection).map_err(|error| failed(&error))?;
        if after != before {
            return Err(failed(&"its rows are not what they were"));
        }
    }
    Ok(())
}

/// A digest of what the log holds, bodies included, and in which order.
fn rows_of_the_log(connection: &Connection) -> rusqlite::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let parted = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'log_part'";
    let mut parts = match connection.query_row(parted, [], |row| row.get::<_, i64>(0))? {
        0 => None,
        _ => Some(connection.prepare(r#"SELECT "bytes" FROM log_part WHERE "commit" = ?1 ORDER BY "n""#)?),
    };
    let mut all = connection.prepare(
        r#"SELECT scope, position, lane, device, "first", "last", "commit", body FROM log_row ORDER BY 1, 2"#,
    )?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        for column in [0, 2, 3, 6] {
            let bytes = row.get_ref(column)?.as_blob()?;
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(bytes);
        }
        for column in [1, 4, 5] {
            digest.update(row.get::<_, i64>(column)?.to_le_bytes());
        }
        // A large body lies in parts beside its row, or in the row: it is the same body.
        let mut body = Sha256::new();
        body.update(row.get_ref(7)?.as_blob()?);
        if let Some(parts) = &mut parts {
            let mut parts = parts.query([row.get_ref(6)?.as_blob()?])?;
            while let Some(part) = parts.next()? {
                body.update(part.get_ref(0)?.as_blob()?);
            }
        }
        digest.update(body.finalize());
    }
    Ok(digest.finalize().into())
}
