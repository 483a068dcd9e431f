//! Opens the encrypted file, and keeps what both sides of it need.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::functions::{self, Called};
use super::watch::Meter;
use super::{ReadError, ViewError};
use crate::background::step_back_in_time;

/// The most memory that SQLite takes in this process, in bytes: a sort never spills to disk.
const HEAP: i64 = 1 << 30;
/// How often a running statement looks at the clock, in SQLite instructions.
const CLOCK_EVERY: i32 = 10_000;
const STATEMENTS: usize = 256;
/// How the tables of a view are laid out: a view that says otherwise is of another version, and made anew.
const LAYOUT: i32 = 1;

pub(super) struct Database {
    pub(super) connection: Connection,
    /// What of the running query is evaluated in Rust.
    called: Arc<Mutex<Called>>,
    deadline: Arc<Mutex<Option<Instant>>>,
}

impl Database {
    /// Opens the file under its raw key, creating it unless `read_only`.
    pub(super) fn open(path: &Path, key: &[u8; 32], read_only: bool) -> rusqlite::Result<Database> {
        let access = if read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        };
        let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        let hex = zeroize::Zeroizing::new(data_encoding::HEXLOWER.encode(key));
        let keyed = zeroize::Zeroizing::new(format!(
            "PRAGMA cipher_log_level = NONE; PRAGMA key = \"x'{}'\"; PRAGMA cipher_hmac_algorithm = HMAC_SHA256;",
            *hex
        ));
        connection.execute_batch(&keyed)?;
        connection.execute_batch(&format!(
            "PRAGMA temp_store = MEMORY; PRAGMA hard_heap_limit = {HEAP}; PRAGMA trusted_schema = OFF;"
        ))?;
        if read_only {
            connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096;")?;
        } else {
            connection.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384; \
                 PRAGMA wal_autocheckpoint = 4000;",
            )?;
        }
        // With a wrong key this is the first statement that fails.
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
        if !read_only {
            of_this_layout(&connection)?;
        }
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 1_000)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let called = Arc::default();
        let deadline: Arc<Mutex<Option<Instant>>> = Arc::default();
        functions::register(&connection, &called, &Meter::new(&deadline))?;
        let watched = Arc::clone(&deadline);
        connection.progress_handler(CLOCK_EVERY, Some(move || is_over(&watched)))?;
        Ok(Database { connection, called, deadline })
    }

    /// What the next statements name by number.
    pub(super) fn set_called(&self, called: Called) {
        *self.called.lock() = called;
    }

    /// Statements that still run then are interrupted.
    fn set_deadline(&self, deadline: Option<Instant>) {
        *self.deadline.lock() = deadline;
    }
}

impl Database {
    /// Does what may be interrupted after `time`, which is then its error.
    pub(super) fn within<T>(
        &self,
        time: Duration,
        work: impl FnOnce() -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let deadline = Instant::now().checked_add(time);
        self.set_deadline(deadline);
        let done = work();
        self.set_deadline(None);
        let late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        done.map_err(|error| match error {
            ReadError::View(ViewError::Sql(sql)) if interrupted(&sql) || late() => ReadError::Time(time),
            error => error,
        })
    }
}

/// Fails if a view is laid out as by another version. Those of the first layout did not say so at first.
fn of_this_layout(connection: &Connection) -> rusqlite::Result<()> {
    match connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
        LAYOUT => Ok(()),
        0 => connection.pragma_update(None, "user_version", LAYOUT),
        other => {
            let kind = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
            Err(rusqlite::Error::SqliteFailure(kind, Some(format!("the view is laid out by version {other}"))))
        }
    }
}

/// Whether what runs has had its time; asked now and then, and so where a read that takes long steps back.
pub(super) fn is_over(deadline: &Mutex<Option<Instant>>) -> bool {
    let now = Instant::now();
    step_back_in_time(now);
    deadline.lock().is_some_and(|deadline| now >= deadline)
}

/// Whether a statement was interrupted by its deadline.
fn interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_of_another_layout_does_not_open_and_one_that_does_not_say_is_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00.view");
        let open = || Database::open(&path, &[7; 32], false);
        for (said, opens) in [(0, true), (LAYOUT, true), (LAYOUT + 1, false)] {
            let _ = std::fs::remove_file(&path);
            let view = open().unwrap();
            view.connection.execute_batch(&format!("CREATE TABLE t(x); PRAGMA user_version = {said}")).unwrap();
            drop(view);
            assert_eq!(open().is_ok(), opens, "layout {said}");
        }
    }
}
