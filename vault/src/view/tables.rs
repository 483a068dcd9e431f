//! The tables of a view, made from the definitions of its space.

use hashbrown::HashMap;
use policy_core::{CollectionId, FieldId, SchemaVersion};
use rusqlite::{Connection, OptionalExtension};
use vault_core::cbor::{Reader, Writer};
use vault_core::control::{decode_schema, encode_schema};
use vault_core::document::{Delta, DocumentCommit};
use vault_core::limits::SpaceLimits;
use vault_core::schema::{Collection, Field, Reading, Schema};

use super::ViewError;
use super::column::{Shape, column_name, fits, shape, table_name};

/// Columns of a table: what a collection stores, and three of every table.
const COLUMNS: usize = crate::define::STORED + 3;

/// The table of one collection.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<(FieldId, Shape)>,
    /// How the field of each column is read.
    readings: Vec<Reading>,
    /// Inserts a document by its root commit, unless it is there: `(doc, deleted, columns…)`.
    pub(super) insert: String,
    /// Writes a whole row: `(doc, deleted, state, columns…)`.
    pub(super) replace: String,
}

impl Table {
    pub(super) fn of(collection: &Collection) -> Table {
        let name = table_name(collection.id);
        let columns: Vec<(FieldId, Shape)> =
            collection.fields.iter().filter_map(|field| Some((field.id, shape(field)?))).collect();
        let readings = collection.fields.iter().filter(|field| shape(field).is_some()).map(Field::reading).collect();
        let names: String = columns.iter().map(|(field, _)| format!(",{}", column_name(*field))).collect();
        let marks = ",?".repeat(columns.len());
        let insert = format!("INSERT OR IGNORE INTO {name}(doc,deleted{names}) VALUES (?,?{marks})");
        let replace = format!("INSERT OR REPLACE INTO {name}(doc,deleted,state{names}) VALUES (?,?,?{marks})");
        Table { name, columns, readings, insert, replace }
    }

    /// The columns with how each is read off a document's state.
    pub(super) fn stored(&self) -> impl Iterator<Item = (FieldId, Shape, Reading)> {
        self.columns.iter().zip(&self.readings).map(|(&(field, shape), &reading)| (field, shape, reading))
    }

    /// Whether the columns tell all that a commit says: every part has one, and its value fits it. What they do not
    /// tell is looked up in the document's state.
    pub(super) fn tells(&self, commit: &DocumentCommit) -> bool {
        commit.deltas.iter().all(|delta| {
            let column = self.stored().find(|(field, ..)| *field == delta.field);
            column.is_some_and(|(_, shape, reading)| match (&delta.delta, reading) {
                (Delta::Set(value), Reading::Register) => fits(shape, value),
                (Delta::IntCounter { .. }, Reading::IntCounter) => true,
                (Delta::FloatCounter { .. }, Reading::FloatCounter) => true,
                _ => false,
            })
        })
    }

    /// Whether documents that are in need other columns, or the same ones read otherwise.
    pub(super) fn reads_like(&self, other: &Table) -> bool {
        self.columns.len() == other.columns.len() && self.stored().all(|column| other.stored().any(|o| o == column))
    }

    pub(super) fn shape(&self, field: FieldId) -> Option<Shape> {
        self.columns.iter().find(|(id, _)| *id == field).map(|(_, shape)| *shape)
    }
}

pub(super) fn all(schema: &Schema) -> HashMap<CollectionId, Table> {
    schema.collections.iter().map(|collection| (collection.id, Table::of(collection))).collect()
}

/// Makes what every view has.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS history(n INTEGER PRIMARY KEY, doc BLOB, collection BLOB, cid BLOB, body BLOB);
         CREATE INDEX IF NOT EXISTS history_doc ON history(doc);",
    )
}

/// Makes the table of a collection as it is now defined; what is there stays. `true`: it was made anew and holds nothing,
/// as there was no room for other columns beside those that are there.
///
/// A new table is made with all its columns in one statement: SQLite reads the definitions of all tables again
/// after each column that is added to one, so that a space of many types would cost their square.
pub(super) fn define(connection: &Connection, collection: &Collection) -> Result<bool, ViewError> {
    let table = Table::of(collection);
    let mut there = Vec::new();
    let mut statement = connection.prepare(&format!("SELECT name FROM pragma_table_info('{}')", table.name))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        there.push(row.get::<_, String>(0)?);
    }
    drop(rows);
    let missing = table.columns.iter().filter(|(field, _)| !there.contains(&column_name(*field))).count();
    let anew = !there.is_empty() && there.len() + missing > COLUMNS;
    if anew {
        connection.execute_batch(&format!("DROP TABLE {}", table.name))?;
        there.clear();
    }
    if there.is_empty() {
        let columns: String = table.columns.iter().map(|(field, _)| format!(",{}", column_name(*field))).collect();
        connection.execute_batch(&format!(
            "CREATE TABLE {}(doc BLOB PRIMARY KEY, deleted, state{columns}) WITHOUT ROWID",
            table.name
        ))?;
    } else {
        for (field, _) in &table.columns {
            let column = column_name(*field);
            if !there.contains(&column) {
                connection.execute_batch(&format!("ALTER TABLE {} ADD COLUMN {column}", table.name))?;
            }
        }
    }
    for keys in index_keys(collection, &table) {
        // `deleted` last: counts and existence need the index alone, and rows stay in document order.
        let columns: String = keys
            .iter()
            .map(|(field, descending)| format!("{}{},", column_name(*field), if *descending { " DESC" } else { "" }))
            .collect();
        let digest = blake3::hash(format!("{}:{columns}", table.name).as_bytes());
        let name = &digest.to_hex()[..32];
        connection
            .execute_batch(&format!("CREATE INDEX IF NOT EXISTS i_{name} ON {}({columns}deleted)", table.name))?;
    }
    Ok(anew)
}

/// The indexes that were asked for, and one for each relation, which its other side is found by.
fn index_keys(collection: &Collection, table: &Table) -> Vec<Vec<(FieldId, bool)>> {
    let known = |field: FieldId| table.shape(field).is_some();
    let mut all: Vec<Vec<(FieldId, bool)>> = Vec::new();
    for index in &collection.indexes {
        let keys: Vec<(FieldId, bool)> = index.keys.iter().map(|key| (key.field, key.descending)).collect();
        if !keys.is_empty() && keys.iter().all(|(field, _)| known(*field)) {
            all.push(keys);
        }
    }
    for (field, shape) in &table.columns {
        let first = |keys: &Vec<(FieldId, bool)>| keys.first().is_some_and(|(first, _)| first == field);
        if matches!(shape, Shape::Relation(_)) && !all.iter().any(first) {
            all.push(vec![(*field, false)]);
        }
    }
    all
}

pub(super) fn store_schema(connection: &Connection, schema: &Schema) -> rusqlite::Result<()> {
    let mut w = Writer::with_capacity(4_096);
    w.array(2).uint(schema.version.0).array(schema.collections.len());
    for collection in &schema.collections {
        w.array(2).link(&collection.version).bytes(&encode_schema(std::slice::from_ref(collection)));
    }
    connection.execute("INSERT OR REPLACE INTO meta(name, value) VALUES ('schema', ?)", [w.into_bytes()])?;
    Ok(())
}

pub(super) fn load_schema(connection: &Connection) -> Result<Schema, ViewError> {
    let bytes: Option<Vec<u8>> =
        connection.query_row("SELECT value FROM meta WHERE name = 'schema'", [], |row| row.get(0)).optional()?;
    let Some(bytes) = bytes else { return Ok(Schema::default()) };
    let mut r = Reader::new(&bytes);
    r.array_of(2)?;
    let mut schema = Schema { version: SchemaVersion(r.uint()?), collections: Vec::new() };
    for _ in 0..r.array(usize::MAX)? {
        r.array_of(2)?;
        let version = r.link()?;
        schema.collections.extend(decode_schema(r.bytes(usize::MAX)?, version, &SpaceLimits::MERGED)?);
    }
    r.end()?;
    Ok(schema)
}
