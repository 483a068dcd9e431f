//! The write side of a view: applies opened commits in an open transaction.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cid::Cid;
use hashbrown::HashMap;
use policy_core::{CollectionId, DocId, FieldId};
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, OptionalExtension, params};
use vault_core::crdt::{DocumentState, decode_commit, encode_commit};
use vault_core::document::{DocumentCommit, FieldDelta, Status};
use vault_core::schema::{Field, Schema};

use super::changes::begin_journal;
use super::column::{column_name, to_sql};
use super::database::Database;
use super::tables::{self, Table};
use super::{CHANGING, ReadError, Reader, ViewError, read};

/// The write side of one space's view. One at a time; it blocks.
pub struct View {
    pub(super) database: Database,
    pub(super) schema: Arc<Schema>,
    pub(super) tables: HashMap<CollectionId, Table>,
    path: PathBuf,
    key: zeroize::Zeroizing<[u8; 32]>,
    /// How long documents to change are looked for at a time, and until when in all.
    patience: Duration,
    until: Option<Instant>,
    /// Set by a reader whose query needs the index by CID; made at the next `begin`.
    wants_cid_index: Arc<AtomicBool>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("path", &self.path).finish_non_exhaustive()
    }
}

impl View {
    /// Opens (creates) the view in the file `path` under a raw key. A wrong key and a damaged file fail
    /// alike: delete the file and fold the log again.
    pub fn open(path: &Path, key: &[u8; 32]) -> Result<View, ViewError> {
        let database = Database::open(path, key, false)?;
        tables::create(&database.connection)?;
        begin_journal(&database.connection, false)?;
        let schema = Arc::new(tables::load_schema(&database.connection)?);
        Ok(View {
            tables: tables::all(&schema),
            database,
            schema,
            path: path.to_owned(),
            key: zeroize::Zeroizing::new(*key),
            patience: CHANGING,
            until: None,
            wants_cid_index: Arc::default(),
        })
    }

    /// For how long documents to change are looked for at a time, and for how long they are looked for and changed in
    /// all, from here on.
    pub(crate) fn set_patience(&mut self, patience: Duration, all: Duration) {
        (self.patience, self.until) = (patience, Instant::now().checked_add(all));
    }

    /// Does what is interrupted when it has had its time, which it is told, or the whole request has.
    pub(super) fn within<T>(&self, work: impl FnOnce(Duration) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let left = self.until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
        let time = self.patience.min(left);
        self.database.within(time, || work(time)).map_err(|error| match error {
            ReadError::Time(_) => ReadError::Time(self.patience),
            error => error,
        })
    }

    /// Refuses to go on with a request that has had its time.
    pub(crate) fn in_time(&self) -> Result<(), ViewError> {
        match self.until {
            Some(until) if Instant::now() >= until => Err(ReadError::Time(self.patience).into()),
            _ => Ok(()),
        }
    }

    /// A read-only connection of this view. It sees what was committed when each read begins.
    pub fn reader(&self) -> Result<Reader, ViewError> {
        read::open(&self.path, &self.key, Arc::clone(&self.wants_cid_index))
    }

    /// The definitions that the tables follow.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.database.connection
    }

    /// Runs a statement without parameters, prepared once.
    fn run(&self, sql: &str) -> Result<(), ViewError> {
        self.connection().prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    /// Opens the write transaction.
    pub fn begin(&mut self) -> Result<(), ViewError> {
        self.run("BEGIN IMMEDIATE")?;
        if self.wants_cid_index.swap(false, Ordering::Relaxed) {
            self.run("CREATE INDEX IF NOT EXISTS history_cid ON history(cid)")?;
        }
        Ok(())
    }
    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        !self.connection().is_autocommit()
    }
    /// Marks a point inside the transaction; points nest.
    pub fn savepoint(&mut self) -> Result<(), ViewError> {
        self.run("SAVEPOINT request")
    }
    /// Undoes everything since the last point and forgets the point. Not over a change of definitions.
    pub fn rollback_to(&mut self) -> Result<(), ViewError> {
        self.run("ROLLBACK TO request")?;
        self.run("RELEASE request")
    }
    /// Forgets the last point and keeps what was done since.
    pub fn release(&mut self) -> Result<(), ViewError> {
        self.run("RELEASE request")
    }
    pub fn commit(&mut self) -> Result<(), ViewError> {
        self.run("COMMIT")
    }
    /// Undoes the transaction, definitions included.
    pub fn rollback(&mut self) -> Result<(), ViewError> {
        self.run("ROLLBACK")?;
        self.use_schema(tables::load_schema(self.connection())?);
        Ok(())
    }

    /// Notes up to where the log has been applied.
    pub fn set_position(&mut self, position: u64) -> Result<(), ViewError> {
        let sql = "INSERT OR REPLACE INTO meta(name, value) VALUES ('position', ?)";
        self.connection().prepare_cached(sql)?.execute([position as i64])?;
        Ok(())
    }
    /// Up to where the log has been applied; 0 for a new view.
    pub fn position(&self) -> Result<u64, ViewError> {
        read::position(self.connection())
    }

    /// Notes by which clock readings, named by a digest, commits are applied.
    ///
    /// # Errors
    /// [`ViewError::Readings`] if some were applied by others.
    pub fn goes_by(&mut self, readings: Option<[u8; 32]>) -> Result<(), ViewError> {
        let noted: Option<Vec<u8>> = self
            .connection()
            .query_row("SELECT value FROM meta WHERE name = 'readings'", [], |row| row.get(0))
            .optional()?;
        let readings = readings.map(Vec::from).unwrap_or_default();
        if noted.unwrap_or_default() == readings {
            return Ok(());
        }
        // Not by its position: that goes back to the beginning when the log is read again.
        if self.connection().prepare("SELECT 1 FROM history LIMIT 1")?.exists([])? {
            return Err(ViewError::Readings);
        }
        let sql = "INSERT OR REPLACE INTO meta(name, value) VALUES ('readings', ?)";
        self.connection().execute(sql, [readings])?;
        Ok(())
    }

    fn use_schema(&mut self, schema: Schema) {
        if *self.schema != schema {
            self.tables = tables::all(&schema);
            self.schema = Arc::new(schema);
        }
    }

    /// Follows new definitions: makes tables, columns and indexes, and folds again what reads otherwise under them.
    /// Inside the open transaction if there is one. `true`: the log may hold more that they name, and the position
    /// is back at its beginning.
    pub fn set_schema(&mut self, schema: &Schema) -> Result<bool, ViewError> {
        if *self.schema == *schema {
            return Ok(false);
        }
        self.run("SAVEPOINT definitions")?;
        let followed = self.follow(schema);
        if followed.is_err() {
            self.run("ROLLBACK TO definitions")?;
            self.use_schema(tables::load_schema(self.connection())?);
        }
        self.run("RELEASE definitions")?;
        followed
    }

    fn follow(&mut self, schema: &Schema) -> Result<bool, ViewError> {
        let mut again: Vec<CollectionId> = Vec::new();
        let mut gained = false;
        for collection in &schema.collections {
            let before = self.schema.collection(collection.id);
            if before == Some(collection) {
                continue;
            }
            let anew = tables::define(self.connection(), collection)?;
            let table = Table::of(collection);
            match before.map(Table::of) {
                _ if anew => again.push(collection.id),
                Some(before) if before.reads_like(&table) => {}
                Some(_) => again.push(collection.id),
                None if self.holds(collection.id)? => again.push(collection.id),
                None => {}
            }
            // Parts of fields that nothing named were not opened.
            let named = |field: &Field| before.is_none_or(|before| before.field(field.id).is_some());
            gained |= !collection.fields.iter().all(named);
        }
        tables::store_schema(self.connection(), schema)?;
        self.use_schema(schema.clone());
        if gained || !again.is_empty() {
            begin_journal(self.connection(), true)?;
        }
        for collection in again {
            self.fold_again(collection)?;
        }
        let behind = gained || self.left_out()?;
        if behind {
            self.set_position(0)?;
            self.connection().execute("DELETE FROM meta WHERE name = 'left out'", [])?;
        }
        Ok(behind)
    }

    /// Notes that a commit was left out because nothing defines its collection: a definition that arrives later has
    /// the log read again.
    pub fn note_left_out(&self) -> Result<(), ViewError> {
        let sql = "INSERT OR REPLACE INTO meta(name, value) VALUES ('left out', 1)";
        self.connection().prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn left_out(&self) -> Result<bool, ViewError> {
        Ok(self.connection().prepare("SELECT 1 FROM meta WHERE name = 'left out'")?.exists([])?)
    }

    fn holds(&self, collection: CollectionId) -> Result<bool, ViewError> {
        let sql = "SELECT 1 FROM history WHERE collection = ? LIMIT 1";
        Ok(self.connection().prepare(sql)?.exists([collection.as_bytes()])?)
    }

    /// Writes every row of a collection anew from its commits.
    fn fold_again(&self, collection: CollectionId) -> Result<(), ViewError> {
        let mut docs: Vec<DocId> = Vec::new();
        {
            let mut statement = self.connection().prepare("SELECT DISTINCT doc FROM history WHERE collection = ?")?;
            let mut rows = statement.query([collection.as_bytes()])?;
            while let Some(row) = rows.next()? {
                docs.extend(DocId::from_slice(row.get_ref(0)?.as_blob().unwrap_or_default()));
            }
        }
        for doc in docs {
            self.write_row(collection, doc, &DocumentState::fold(&self.history(collection, doc)?))?;
        }
        Ok(())
    }

    /// Applies a commit; one that is already in changes nothing, unless more of its parts are open now.
    pub fn apply(&mut self, commit: &DocumentCommit) -> Result<(), ViewError> {
        if let Some(table) = self.tables.get(&commit.collection) {
            if commit.parents.is_empty() && table.tells(commit) && self.insert_root(table, commit)? {
                return self.add_history(commit);
            }
            let known = self.state(table, commit.doc)?;
            if let Some(mut state) = known
                && state.apply_linear(commit)
            {
                self.add_history(commit)?;
                return self.update_row(commit, &state);
            }
        }
        let mut commits = self.history(commit.collection, commit.doc)?;
        match commits.iter_mut().find(|known| known.cid == commit.cid) {
            Some(known) if commit.deltas.iter().all(|new| known.deltas.iter().any(|old| old.field == new.field)) => {
                return Ok(());
            }
            Some(known) => {
                // A field that nothing names any more stays, behind those that are named.
                let mut fuller = commit.clone();
                let unnamed = |old: &&FieldDelta| commit.deltas.iter().all(|new| new.field != old.field);
                fuller.deltas.extend(known.deltas.iter().filter(unnamed).cloned());
                *known = fuller;
                let sql = "UPDATE history SET body = ? WHERE doc = ? AND collection = ? AND cid = ?";
                self.connection().prepare_cached(sql)?.execute(params![
                    encode_commit(known),
                    commit.doc.as_bytes(),
                    commit.collection.as_bytes(),
                    commit.cid.to_bytes()
                ])?;
            }
            None => {
                self.add_history(commit)?;
                commits.push(commit.clone());
            }
        }
        self.write_row(commit.collection, commit.doc, &DocumentState::fold(&commits))
    }

    /// A document's first commit is the whole row. Its state stays out of the row until a second commit
    /// comes: it is what the one commit in history folds to, and the columns tell all of it.
    fn insert_root(&self, table: &Table, commit: &DocumentCommit) -> Result<bool, ViewError> {
        let mut statement = self.connection().prepare_cached(&table.insert)?;
        statement.raw_bind_parameter(1, commit.doc.as_bytes())?;
        statement.raw_bind_parameter(2, commit.status == Some(Status::Deleted))?;
        let mut state = DocumentState::default();
        state.apply_linear(commit);
        for (i, (field, shape, reading)) in table.stored().enumerate() {
            statement.raw_bind_parameter(i + 3, to_sql(shape, &state.value(field, reading)))?;
        }
        Ok(statement.raw_execute()? > 0)
    }

    fn update_row(&self, commit: &DocumentCommit, state: &DocumentState) -> Result<(), ViewError> {
        let Some(table) = self.tables.get(&commit.collection) else { return Ok(()) };
        let mut changed: Vec<(FieldId, Sql)> = Vec::new();
        for (field, shape, reading) in table.stored() {
            if commit.deltas.iter().any(|delta| delta.field == field) {
                changed.push((field, to_sql(shape, &state.value(field, reading))));
            }
        }
        let sets: String = changed.iter().map(|(field, _)| format!(",{}=?", column_name(*field))).collect();
        let sql = format!("UPDATE {} SET deleted=?,state=?{sets} WHERE doc=?", table.name);
        let mut statement = self.connection().prepare_cached(&sql)?;
        statement.raw_bind_parameter(1, state.deleted)?;
        statement.raw_bind_parameter(2, state.encode())?;
        for (i, (_, value)) in changed.iter().enumerate() {
            statement.raw_bind_parameter(i + 3, value)?;
        }
        statement.raw_bind_parameter(changed.len() + 3, commit.doc.as_bytes())?;
        statement.raw_execute()?;
        Ok(())
    }

    /// Without a table the commits stay in history, and a definition folds them.
    fn write_row(&self, collection: CollectionId, doc: DocId, state: &DocumentState) -> Result<(), ViewError> {
        let Some(table) = self.tables.get(&collection) else { return Ok(()) };
        let mut statement = self.connection().prepare_cached(&table.replace)?;
        statement.raw_bind_parameter(1, doc.as_bytes())?;
        statement.raw_bind_parameter(2, state.deleted)?;
        statement.raw_bind_parameter(3, state.encode())?;
        for (i, (field, shape, reading)) in table.stored().enumerate() {
            statement.raw_bind_parameter(i + 4, to_sql(shape, &state.value(field, reading)))?;
        }
        statement.raw_execute()?;
        Ok(())
    }

    fn add_history(&self, commit: &DocumentCommit) -> Result<(), ViewError> {
        let sql = "INSERT INTO history(doc, collection, cid, body) VALUES (?, ?, ?, ?)";
        self.connection().prepare_cached(sql)?.execute(params![
            commit.doc.as_bytes(),
            commit.collection.as_bytes(),
            commit.cid.to_bytes(),
            encode_commit(commit)
        ])?;
        Ok(())
    }

    /// The commits of a document in the order in which they were applied.
    pub(crate) fn history(&self, collection: CollectionId, doc: DocId) -> Result<Vec<DocumentCommit>, ViewError> {
        history_of(self.connection(), collection, doc)
    }

    /// The state of a document; `None` if the view has no row of it.
    pub(super) fn state(&self, table: &Table, doc: DocId) -> Result<Option<DocumentState>, ViewError> {
        let sql = format!("SELECT state FROM {} WHERE doc = ?", table.name);
        let mut statement = self.connection().prepare_cached(&sql)?;
        let row = statement.query_row([doc.as_bytes()], |row| row.get::<_, Option<Vec<u8>>>(0)).optional()?;
        match row {
            None => Ok(None),
            Some(Some(bytes)) => Ok(Some(DocumentState::decode(&bytes)?)),
            Some(None) => {
                let id = table.name.strip_prefix("c_").and_then(|hex| hex.parse().ok());
                let id: CollectionId = id.ok_or(ViewError::Unreadable("table name"))?;
                Ok(Some(DocumentState::fold(&self.history(id, doc)?)))
            }
        }
    }
}

pub(super) fn history_of(
    connection: &Connection,
    collection: CollectionId,
    doc: DocId,
) -> Result<Vec<DocumentCommit>, ViewError> {
    let mut commits = Vec::new();
    each_commit(connection, collection, doc, |commit, _| {
        commits.push(commit);
        Ok::<(), ViewError>(())
    })?;
    Ok(commits)
}

/// Hands over the commits of a document in the order in which they were applied, each with the bytes of its body.
pub(super) fn each_commit<E: From<ViewError> + From<rusqlite::Error>>(
    connection: &Connection,
    collection: CollectionId,
    doc: DocId,
    mut take: impl FnMut(DocumentCommit, usize) -> Result<(), E>,
) -> Result<(), E> {
    let sql = "SELECT cid, body FROM history WHERE doc = ? AND collection = ? ORDER BY n";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([doc.as_bytes(), collection.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?;
        let bytes = body.as_blob().map_or(0, <[u8]>::len);
        take(decode_row(collection, doc, row.get_ref(0)?, body)?, bytes)?;
    }
    Ok(())
}

/// One commit of a document.
pub(super) fn commit_of(
    connection: &Connection,
    collection: CollectionId,
    doc: DocId,
    cid: &Cid,
) -> Result<Option<DocumentCommit>, ViewError> {
    let sql = "SELECT cid, body FROM history WHERE doc = ? AND collection = ? AND cid = ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![doc.as_bytes(), collection.as_bytes(), cid.to_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    decode_row(collection, doc, row.get_ref(0)?, row.get_ref(1)?).map(Some)
}

pub(super) fn decode_row(
    collection: CollectionId,
    doc: DocId,
    cid: ValueRef<'_>,
    body: ValueRef<'_>,
) -> Result<DocumentCommit, ViewError> {
    let cid = cid.as_blob().ok().and_then(|bytes| Cid::try_from(bytes).ok()).ok_or(ViewError::Unreadable("CID"))?;
    let body = body.as_blob().map_err(|_| ViewError::Unreadable("commit"))?;
    Ok(decode_commit(collection, doc, cid, body)?)
}
