//! The read side of a view.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use policy_core::{Permits, Right, SealRefusal};
use rusqlite::{Connection, OptionalExtension};
use vault_core::query::{Query, Root, RootKind};
use vault_core::schema::Schema;

use super::changes::PositionKey;
use super::compile::{Compiler, Frame, Link, root_aggregate};
use super::database::Database;
use super::functions::Called;
use super::run::Run;
use super::sink::Sink;
use super::{Answer, Limits, Masks, ReadError, Room, ViewError, history};

/// A read-only connection of one view. It blocks; each thread has its own.
pub struct Reader {
    database: Database,
    positions: PositionKey,
    wants_cid_index: Arc<AtomicBool>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

pub(super) fn open(path: &Path, key: &[u8; 32], wants_cid_index: Arc<AtomicBool>) -> Result<Reader, ViewError> {
    Ok(Reader { database: Database::open(path, key, true)?, positions: PositionKey::of(key), wants_cid_index })
}

/// Up to where the log has been applied in the view at `path`; `None` if it cannot be read.
pub(crate) fn position_in(path: &Path, key: &[u8; 32]) -> Option<u64> {
    position(&Database::open(path, key, true).ok()?.connection).ok()
}

pub(super) fn position(connection: &Connection) -> Result<u64, ViewError> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE name = 'position'")?;
    let position: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(position.unwrap_or(0) as u64)
}

impl Reader {
    pub(super) fn connection(&self) -> &Connection {
        &self.database.connection
    }

    pub(super) fn positions(&self) -> &PositionKey {
        &self.positions
    }

    /// Up to where the log has been applied, as of what is committed now.
    pub fn position(&self) -> Result<u64, ViewError> {
        position(&self.database.connection)
    }

    /// Answers a query from one snapshot: a row of its roots, in order. `schema`
    /// is what the permits were minted for. `admits` is called once the read transaction has begun and before
    /// anything is read under the permits (architecture, invariant 8).
    pub fn read<R: Right, S: Sink>(
        &self,
        permits: &Permits<R>,
        schema: &Schema,
        query: &Query,
        limits: &Limits,
        answer: &mut Answer<S>,
        admits: impl Fn() -> Result<(), SealRefusal>,
    ) -> Result<(), ReadError> {
        self.read_masked(&|id| permits.mask(id).cloned(), schema, query, limits, answer, admits)
    }

    pub(super) fn read_masked<S: Sink>(
        &self,
        masks: Masks<'_>,
        schema: &Schema,
        query: &Query,
        limits: &Limits,
        answer: &mut Answer<S>,
        admits: impl Fn() -> Result<(), SealRefusal>,
    ) -> Result<(), ReadError> {
        let connection = &self.database.connection;
        connection.prepare_cached("BEGIN")?.execute([])?;
        let done = self.database.within(limits.time, || {
            // The first read pins the snapshot.
            position(connection)?;
            admits()?;
            self.roots(masks, schema, query, limits, &mut answer.sink, &mut answer.room)
        });
        self.database.set_called(Called::default());
        if !connection.is_autocommit() {
            connection.prepare_cached("COMMIT")?.execute([])?;
        }
        done
    }

    fn roots(
        &self,
        masks: Masks<'_>,
        schema: &Schema,
        query: &Query,
        limits: &Limits,
        out: &mut dyn Sink,
        room: &mut Room,
    ) -> Result<(), ReadError> {
        let mut run = Run::new(&self.database.connection, schema, masks, *limits, room);
        out.begin_row();
        for root in &query.roots {
            out.key(&root.key);
            self.root(&mut run, root, out)?;
        }
        out.end_row();
        run.holds(out)
    }

    fn root(&self, run: &mut Run<'_>, root: &Root, out: &mut dyn Sink) -> Result<(), ReadError> {
        let mut compiler = Compiler::new(run.schema, run.masks);
        match &root.kind {
            RootKind::Constant(name) => out.text(name),
            RootKind::Select(select) => {
                let (fields, rows) = match &select.args.cids {
                    Some(cids) => {
                        self.wants_cid_index.store(true, Ordering::Relaxed);
                        let history::Past { fields, rows } = history::past(run, select, cids)?;
                        (fields, Some(rows))
                    }
                    None => (Vec::new(), None),
                };
                let past = rows.as_ref().map(|rows| (&fields[..], rows.len()));
                let plan = compiler.select(&Frame { past, ..Frame::new(select, Link::Root) }, &select.items)?;
                let is_past = rows.is_some();
                compiler.called.past = rows.unwrap_or_default();
                self.database.set_called(compiler.called);
                run.plan(&plan, &[], out)?;
                if is_past {
                    self.database.set_called(Called::default());
                    run.release();
                }
            }
            RootKind::Aggregate(aggregate) => {
                let plan = root_aggregate(&mut compiler, &root.key, aggregate)?;
                self.database.set_called(compiler.called);
                run.single(&plan, out)?;
            }
            RootKind::Commits(select) => {
                if select.cid.is_some() {
                    self.wants_cid_index.store(true, Ordering::Relaxed);
                }
                history::commits(run, select, out)?;
            }
        }
        Ok(())
    }
}
