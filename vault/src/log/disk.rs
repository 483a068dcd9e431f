//! The log's database: who writes to it next, and when what was written moves from its write-ahead log into the file.
//!
//! SQLite lets one transaction write at a time, and whoever finds it taken asks again after ever longer pauses: so
//! those who write come in order here. It also moves what was written into the file (a checkpoint) inside of whichever
//! commit passes the mark, which then takes as long as everything before it was large: here that is a task of its own,
//! beside which everybody goes on writing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use tokio::sync::{Mutex, MutexGuard, Notify};

/// What was written moves into the file after so many bytes.
const STEP: u64 = 2 << 20;
/// A write-ahead log of so many pages is moved whole while nobody writes, so that it begins anew.
const PAGES: i64 = 4_096;

pub(super) struct Disk {
    pub(super) db: DatabaseConnection,
    /// Held by whoever writes.
    writing: Mutex<()>,
    /// Bytes that were written since the last checkpoint.
    grown: AtomicU64,
    full: Arc<Notify>,
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.full.notify_one();
    }
}

impl Disk {
    pub(super) fn new(db: DatabaseConnection) -> Arc<Disk> {
        let full = Arc::new(Notify::new());
        let sqlite = db.get_database_backend() == DbBackend::Sqlite;
        let disk = Arc::new(Disk { db, writing: Mutex::new(()), grown: AtomicU64::new(0), full: Arc::clone(&full) });
        if sqlite {
            let weak = Arc::downgrade(&disk);
            tokio::spawn(async move {
                loop {
                    full.notified().await;
                    let Some(disk) = weak.upgrade() else { return };
                    if let Err(error) = disk.checkpoint().await {
                        tracing::warn!(%error, "what was written could not be moved into the file of the log");
                    }
                }
            });
        }
        disk
    }

    /// The turn to write, in the order in which it was asked for.
    pub(super) async fn alone(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// So many bytes were written.
    pub(super) fn grew(&self, bytes: usize) {
        if self.grown.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64 >= STEP {
            self.full.notify_one();
        }
    }

    async fn checkpoint(&self) -> Result<(), DbErr> {
        self.grown.store(0, Ordering::Relaxed);
        if self.move_pages().await? >= PAGES {
            // Little is left of it by now.
            let _alone = self.alone().await;
            self.move_pages().await?;
        }
        Ok(())
    }

    /// Moves what can be moved beside those who read and write; how many pages the write-ahead log has.
    async fn move_pages(&self) -> Result<i64, DbErr> {
        let sql = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(PASSIVE)");
        let row = self.db.query_one_raw(sql).await?;
        row.map_or(Ok(0), |row| row.try_get_by_index(1))
    }
}
