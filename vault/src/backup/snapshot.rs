//! One moment of log and node database: a read transaction of each, begun while nothing was appended. What is written
//! meanwhile is not waited for and not held up.

use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use vault_backup::{LogIdentity, Manifest, Now, ScopeEnd, ScopeName, SegmentRow};
use zeroize::Zeroizing;

use super::error::BackupError;
use crate::data_dir::{DataDir, DataFile};
use crate::keyring::NodeKey;

/// See the module.
pub struct Snapshot {
    log: Connection,
    node: Connection,
    key: NodeKey,
}

fn connect(dir: &DataDir, file: DataFile) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(dir.file(file), flags)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    Ok(connection)
}

impl Snapshot {
    /// Opens connections of its own to both databases. Their moment is that of [`Snapshot::begin`].
    pub(crate) fn open(dir: &DataDir, key: NodeKey) -> rusqlite::Result<Self> {
        let node = connect(dir, DataFile::NodeDatabase)?;
        node.execute_batch(&crate::database::node_pragmas(&key))?;
        let log = connect(dir, DataFile::Log)?;
        for connection in [&node, &log] {
            connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA query_only = ON;")?;
            connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
        }
        Ok(Snapshot { log, node, key })
    }

    /// Fixes the moment. The caller sees to it that nothing is appended between the two.
    pub(crate) fn begin(&self) -> rusqlite::Result<()> {
        for connection in [&self.node, &self.log] {
            // The transaction begins where it first reads.
            connection.execute_batch("BEGIN")?;
            connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
        }
        Ok(())
    }

    pub(crate) fn identity(&self) -> Result<LogIdentity, BackupError> {
        let sql = r#"SELECT "log", "run", "number" FROM log_identity WHERE id = 1"#;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(LogIdentity { log: row.get(0)?, run: row.get(1)?, number: row.get::<_, i64>(2)? as u64 })
        };
        Ok(self.log.query_row(sql, [], read)?)
    }

    /// Every scope as it is, and as it is where the newest backup of a place ends.
    pub(crate) fn scopes(&self, newest: Option<&Manifest>) -> Result<Vec<Now>, BackupError> {
        let sql = r#"SELECT r."scope", r."position", g.n, r."commit" FROM log_row r
            JOIN (SELECT "scope" AS s, MAX("position") AS p, COUNT(*) AS n FROM log_row GROUP BY "scope") g
            ON r."scope" = g.s AND r."position" = g.p ORDER BY r."scope""#;
        let mut statement = self.log.prepare(sql)?;
        let read = |row: &rusqlite::Row<'_>| {
            let (position, rows): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(ScopeEnd { scope: row.get(0)?, position: position as u64, rows: rows as u64, commit: row.get(3)? })
        };
        let ends: Vec<ScopeEnd> = statement.query_map([], read)?.collect::<Result<_, _>>()?;
        let mut at = self.log.prepare(r#"SELECT "commit" FROM log_row WHERE "scope" = ?1 AND "position" = ?2"#)?;
        let mut count = self.log.prepare(r#"SELECT COUNT(*) FROM log_row WHERE "scope" = ?1 AND "position" <= ?2"#)?;
        let mut all = Vec::with_capacity(ends.len());
        for end in ends {
            let had = newest.and_then(|newest| {
                let found = newest.scopes.binary_search_by(|had| had.scope.cmp(&end.scope));
                Some(newest.scopes[found.ok()?].position)
            });
            let then = match had {
                None => None,
                Some(had) => {
                    let place = (&end.scope[..], had as i64);
                    let commit: Option<[u8; 32]> = at.query_row(place, |row| row.get(0)).optional()?;
                    Some((commit, count.query_row(place, |row| row.get::<_, i64>(0))? as u64))
                }
            };
            all.push(Now { end, then });
        }
        Ok(all)
    }

    /// The rows of a scope behind `after`, up to `to`, one after the other.
    pub(crate) fn rows(
        &self,
        scope: ScopeName,
        after: u64,
        to: u64,
        mut each: impl FnMut(SegmentRow) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let sql = r#"SELECT "position", "lane", "device", "first", "last", "commit", "body" FROM log_row
            WHERE "scope" = ?1 AND "position" > ?2 AND "position" <= ?3 ORDER BY "position""#;
        let mut statement = self.log.prepare_cached(sql)?;
        let mut parts = self.log.prepare_cached(r#"SELECT "bytes" FROM log_part WHERE "commit" = ?1 ORDER BY "n""#)?;
        let mut rows = statement.query((&scope[..], after as i64, to as i64))?;
        while let Some(row) = rows.next()? {
            let number = |n: usize| row.get::<_, i64>(n).map(|number| number as u64);
            let commit: [u8; 32] = row.get(5)?;
            let mut body: Vec<u8> = row.get(6)?;
            if body.is_empty() {
                // A large body lies in parts beside its row.
                let mut found = parts.query([&commit[..]])?;
                while let Some(part) = found.next()? {
                    body.extend_from_slice(part.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
                }
            }
            if body.is_empty() {
                return Err(BackupError::Damaged("a row of the log has lost its body"));
            }
            each(SegmentRow {
                scope,
                position: number(0)?,
                lane: row.get(1)?,
                device: row.get(2)?,
                first: number(3)?,
                last: number(4)?,
                commit,
                body,
            })?;
        }
        Ok(())
    }

    /// The pages of the node database, in clear.
    pub(crate) fn database(&self) -> Result<Zeroizing<Vec<u8>>, BackupError> {
        Ok(Zeroizing::new(self.node.serialize("main")?.to_vec()))
    }

    pub(crate) fn node_key(&self) -> Zeroizing<[u8; 32]> {
        self.key.bytes()
    }
}
