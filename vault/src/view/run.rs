//! Runs plans and writes their rows.

use policy_core::DocId;
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{CachedStatement, Connection};
use vault_core::schema::Schema;

use super::compile::{ColumnKind, Constant, Plan};
use super::sink::{self, Sink};
use super::watch::Watch;
use super::{Limits, Masks, ReadError, Room, history};

/// What is left of a read's allowance, and what history needs to answer.
pub(super) struct Run<'a> {
    pub(super) connection: &'a Connection,
    pub(super) schema: &'a Schema,
    pub(super) masks: Masks<'a>,
    limits: Limits,
    room: &'a mut Room,
    /// Beside the answer: documents as they were.
    held: usize,
    rows: u64,
    pub(super) watch: Watch,
}

/// A plan with its statements prepared: once, however many rows ask for them.
struct Prepared<'c, 'p> {
    plan: &'p Plan,
    statement: CachedStatement<'c>,
    /// By column.
    nested: Vec<Option<Prepared<'c, 'p>>>,
}

impl<'c, 'p> Prepared<'c, 'p> {
    fn new(connection: &'c Connection, plan: &'p Plan) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached(&plan.sql)?;
        plan.parameters.give(&mut statement)?;
        let nested = plan.columns.iter().map(|column| match &column.kind {
            ColumnKind::Nested { plan, .. } => Prepared::new(connection, plan).map(Some),
            _ => Ok(None),
        });
        let nested = nested.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Prepared { plan, statement, nested })
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        schema: &'a Schema,
        masks: Masks<'a>,
        limits: Limits,
        room: &'a mut Room,
    ) -> Self {
        Run { connection, schema, masks, limits, room, held: 0, rows: 0, watch: Watch::new(limits.time) }
    }

    /// Refuses an answer that has grown too large. Asked after each value: one is a few MiB at most.
    pub(super) fn holds(&mut self, out: &dyn Sink) -> Result<(), ReadError> {
        self.room(out.size())
    }

    /// Takes room for an answer of so many bytes.
    pub(super) fn room(&mut self, bytes: usize) -> Result<(), ReadError> {
        self.room.holds(self.held.saturating_add(bytes))
    }

    /// Refuses what would be held beside the answer, if it is more than the read may take.
    pub(super) fn would_hold(&self, bytes: usize) -> Result<(), ReadError> {
        self.room.takes(self.held.saturating_add(bytes))
    }

    /// Takes room for so many bytes more beside the answer, until [`Run::release`].
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), ReadError> {
        self.held = self.held.saturating_add(bytes);
        self.room(0)
    }

    /// What was held beside the answer is there no more.
    pub(super) fn release(&mut self) {
        self.held = 0;
    }

    /// Looks at the clock now and then: a read of many short statements is never interrupted in one.
    pub(super) fn step(&self) -> Result<(), ReadError> {
        Ok(self.watch.step(0)?)
    }

    /// Counts a row of the answer.
    pub(super) fn count(&mut self) -> Result<(), ReadError> {
        self.step()?;
        self.rows += 1;
        self.room.rows += 1;
        if self.rows > self.limits.rows { Err(ReadError::Rows(self.limits.rows)) } else { Ok(()) }
    }

    /// Writes what a plan selects: a list, or an object or null.
    pub(super) fn plan(&mut self, plan: &Plan, arguments: &[Sql], out: &mut dyn Sink) -> Result<(), ReadError> {
        let mut prepared = Prepared::new(self.connection, plan)?;
        self.write(&mut prepared, arguments, out)
    }

    /// As [`Run::plan`], for one after the other of these arguments.
    pub(super) fn each(&mut self, plan: &Plan, arguments: &[Sql], out: &mut dyn Sink) -> Result<(), ReadError> {
        let mut prepared = Prepared::new(self.connection, plan)?;
        for argument in arguments {
            self.write(&mut prepared, std::slice::from_ref(argument), out)?;
        }
        Ok(())
    }

    /// The one value of a plan of one row and one column.
    pub(super) fn single(&mut self, plan: &Plan, out: &mut dyn Sink) -> Result<(), ReadError> {
        let mut prepared = Prepared::new(self.connection, plan)?;
        let Some(ColumnKind::Value(at, shape)) = plan.columns.first().map(|column| &column.kind) else {
            return Err(ReadError::Hidden);
        };
        let mut rows = prepared.statement.raw_query();
        match rows.next()? {
            Some(row) => sink::column(out, *shape, row.get_ref(*at)?),
            None => out.null(),
        }
        Ok(())
    }

    fn write(
        &mut self,
        prepared: &mut Prepared<'_, '_>,
        arguments: &[Sql],
        out: &mut dyn Sink,
    ) -> Result<(), ReadError> {
        let Prepared { plan, statement, nested } = prepared;
        for (i, argument) in arguments.iter().enumerate() {
            statement.raw_bind_parameter(i + 1, argument)?;
        }
        let mut rows = statement.raw_query();
        let mut first = true;
        if !plan.one {
            out.begin_list();
        }
        while let Some(row) = rows.next()? {
            self.count()?;
            first = false;
            out.begin_row();
            for (i, column) in plan.columns.iter().enumerate() {
                self.holds(out)?;
                out.key(&column.key);
                match &column.kind {
                    ColumnKind::Constant(Constant::Text(text)) => out.text(text),
                    ColumnKind::Constant(Constant::Null) => out.null(),
                    ColumnKind::Constant(Constant::Empty) => {
                        out.begin_list();
                        out.end_list();
                    }
                    ColumnKind::Value(at, shape) => sink::column(out, *shape, row.get_ref(*at)?),
                    ColumnKind::Nested { arguments, relation, plan } => {
                        let given = arguments.iter().map(|&at| row.get_ref(at).map(Sql::try_from));
                        let given = given.collect::<rusqlite::Result<Result<Vec<Sql>, _>>>()?;
                        let given = given.map_err(|_| super::ViewError::Unreadable("column"))?;
                        match &mut nested[i] {
                            // A relation that does not show, or that names nothing.
                            _ if *relation && given[0] == Sql::Null => {
                                if plan.one {
                                    out.null();
                                } else {
                                    out.begin_list();
                                    out.end_list();
                                }
                            }
                            Some(nested) => self.write(nested, &given, out)?,
                            None => out.null(),
                        }
                    }
                    ColumnKind::Version { collection, doc, at, items } => {
                        let doc = doc_in(row.get_ref(*doc)?)?;
                        let at = match at {
                            Some(at) => row.get_ref(*at)?.as_str_or_null().ok().flatten().map(str::to_owned),
                            None => None,
                        };
                        history::version(self, *collection, doc, at.as_deref(), items, out)?;
                    }
                    ColumnKind::Conflicts { collection, doc, items } => {
                        let doc = doc_in(row.get_ref(*doc)?)?;
                        super::conflicts::write(self, *collection, doc, items, out)?;
                    }
                }
            }
            out.end_row();
        }
        if !plan.one {
            out.end_list();
        } else if first {
            out.null();
        }
        Ok(())
    }
}

pub(super) fn doc_in(value: ValueRef<'_>) -> Result<DocId, ReadError> {
    let id = value.as_blob().ok().and_then(DocId::from_slice);
    id.ok_or(ReadError::View(super::ViewError::Unreadable("document id")))
}
