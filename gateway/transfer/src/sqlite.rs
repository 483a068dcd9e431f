//! An SQLite database with a table a collection. Booleans are 0 and 1, bytes are blobs; instants, lists and JSON are text.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use rusqlite::limits::Limit;
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, OpenFlags, params_from_iter};
use serde_json::Value;
use vault_core::schema::{FieldType, ScalarType};

use crate::definitions::{Collection, Column, ColumnKind, DOC_ID, Definitions};
use crate::error::{TransferError, excerpt};
use crate::format::{Document, Found, Header, Sink, Source};
use crate::input::{MAX_DOCUMENT_BYTES, is_small, open};
use crate::output::Part;

/// The table that says what the file is.
const ABOUT: &str = "_allod";
/// Rows that are read at once, and about how many bytes of them.
const ROWS: usize = 500;
const BYTES: usize = 8 << 20;

fn failed(error: rusqlite::Error) -> TransferError {
    TransferError::new("file_failed", format!("the database: {error}"))
}

fn unreadable(error: rusqlite::Error) -> TransferError {
    TransferError::new("file_malformed", format!("the database cannot be read: {error}"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Writes a database.
pub struct SqliteSink {
    part: Part,
    database: Connection,
    /// As SQLite sees names: in lower case.
    tables: BTreeSet<String>,
    insert: String,
}

impl SqliteSink {
    /// A new database.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(part: Part, header: &Header) -> Result<SqliteSink, TransferError> {
        drop(part.file()?);
        let database = Connection::open(part.place()).map_err(failed)?;
        // It has its name only once it is whole and on disk: until then nobody needs a journal.
        database
            .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; BEGIN;")
            .map_err(failed)?;
        database.execute_batch(&format!("CREATE TABLE {ABOUT} (name TEXT PRIMARY KEY, value TEXT)")).map_err(failed)?;
        let schema = serde_json::to_string(&header.schema).unwrap_or_default();
        let about = [
            ("version", Some("1".to_owned())),
            ("space", header.space.clone()),
            ("exported", header.exported.clone()),
            ("schema", Some(schema)),
        ];
        for (name, value) in about {
            database.execute(&format!("INSERT INTO {ABOUT} VALUES (?, ?)"), (name, value)).map_err(failed)?;
        }
        Ok(SqliteSink { part, database, tables: BTreeSet::from([ABOUT.to_owned()]), insert: String::new() })
    }
}

fn column_type(kind: &ColumnKind) -> &'static str {
    match kind.scalar() {
        Some(ScalarType::Int | ScalarType::Boolean) => "INTEGER",
        Some(ScalarType::Float32 | ScalarType::Float64) => "REAL",
        Some(ScalarType::Blob) => "BLOB",
        _ => "TEXT",
    }
}

fn sql(column: &Column, value: Option<&Value>) -> Result<Sql, TransferError> {
    let unfit = || TransferError::new("file_failed", format!("the node answers something else in `{}`", column.name));
    Ok(match (value, column.kind.scalar()) {
        (None | Some(Value::Null), _) => Sql::Null,
        (Some(Value::Bool(value)), Some(ScalarType::Boolean)) => Sql::Integer(i64::from(*value)),
        (Some(Value::Number(number)), Some(ScalarType::Int)) => {
            Sql::Integer(number.as_str().parse().map_err(|_| unfit())?)
        }
        (Some(Value::Number(number)), Some(ScalarType::Float32 | ScalarType::Float64)) => {
            Sql::Real(number.as_str().parse().map_err(|_| unfit())?)
        }
        (Some(Value::String(text)), Some(ScalarType::Blob)) => {
            Sql::Blob(data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| unfit())?)
        }
        (Some(value), Some(ScalarType::Json)) => Sql::Text(value.to_string()),
        (Some(Value::String(text)), _) => Sql::Text(text.clone()),
        (Some(value @ Value::Array(_)), None) => Sql::Text(value.to_string()),
        _ => return Err(unfit()),
    })
}

impl Sink for SqliteSink {
    fn begin(&mut self, collection: &Collection) -> Result<(), TransferError> {
        let alike = |name: &str| {
            TransferError::new("names_alike", format!("SQLite does not tell `{name}` from another name that it holds"))
        };
        if !self.tables.insert(collection.name.to_ascii_lowercase()) {
            return Err(alike(&collection.name));
        }
        let (mut names, mut columns) = (BTreeSet::new(), vec![format!("{} TEXT PRIMARY KEY", quoted(DOC_ID))]);
        for column in collection.readable() {
            if !names.insert(column.name.to_ascii_lowercase()) {
                return Err(alike(&column.name));
            }
            columns.push(format!("{} {}", quoted(&column.name), column_type(&column.kind)));
        }
        let table = quoted(&collection.name);
        self.database.execute_batch(&format!("CREATE TABLE {table} ({})", columns.join(", "))).map_err(failed)?;
        self.insert = format!("INSERT INTO {table} VALUES ({})", vec!["?"; columns.len()].join(", "));
        Ok(())
    }

    fn document(&mut self, collection: &Collection, document: &Document) -> Result<(), TransferError> {
        let id = document.get(DOC_ID).and_then(Value::as_str).unwrap_or_default();
        let mut row = vec![Sql::Text(id.to_owned())];
        for column in collection.readable() {
            row.push(sql(column, document.get(&column.name))?);
        }
        let mut insert = self.database.prepare_cached(&self.insert).map_err(failed)?;
        insert.execute(params_from_iter(row)).map(drop).map_err(failed)
    }

    fn finish(self: Box<Self>) -> Result<(), TransferError> {
        self.database.execute_batch("COMMIT").map_err(failed)?;
        self.database.close().map_err(|(_, error)| failed(error))?;
        self.part.finish()
    }
}

/// Reads a database that somebody else may have made.
pub struct SqliteSource {
    database: Connection,
    definitions: Definitions,
    header: Option<Header>,
    /// Tables that are not begun, the next one last.
    tables: Vec<String>,
    table: Option<Table>,
    rows: VecDeque<Found>,
    read: u64,
    of: u64,
}

struct Table {
    name: String,
    columns: Vec<String>,
    /// The row that was read last.
    last: i64,
}

impl SqliteSource {
    /// Its tables; of `only` alone, if it is named.
    ///
    /// # Errors
    /// If it is no database of SQLite.
    pub fn new(path: &Path, definitions: &Definitions, only: Option<&str>) -> Result<SqliteSource, TransferError> {
        use std::io::Read;
        let (file, of) = open(path)?;
        let mut begin = Vec::new();
        file.take(16).read_to_end(&mut begin).map_err(|error| TransferError::io(path, &error))?;
        if begin != b"SQLite format 3\0" {
            let text = format!("{} is no database of SQLite", path.display());
            return Err(TransferError::new("file_malformed", text));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(path, flags).map_err(unreadable)?;
        // Whoever made it may have put programs into its definitions.
        database
            .execute_batch("PRAGMA trusted_schema = OFF; PRAGMA query_only = ON; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;")
            .map_err(unreadable)?;
        database.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_DOCUMENT_BYTES as i32).map_err(unreadable)?;
        database.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20).map_err(unreadable)?;
        let mut source = SqliteSource {
            database,
            definitions: definitions.clone(),
            header: None,
            tables: Vec::new(),
            table: None,
            rows: VecDeque::new(),
            read: 0,
            of,
        };
        source.tables = source.names(only)?;
        if source.names(Some(ABOUT))?.len() == 1 {
            source.header = Some(source.about()?);
        }
        Ok(source)
    }

    /// What is a table, and neither a view nor virtual.
    fn names(&self, only: Option<&str>) -> Result<Vec<String>, TransferError> {
        let listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%' \
            AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name DESC LIMIT 10000";
        let mut statement = self.database.prepare(listed).map_err(unreadable)?;
        let names = statement.query_map([], |row| row.get::<_, String>(0)).map_err(unreadable)?;
        let names: Vec<String> = names.collect::<Result<_, _>>().map_err(unreadable)?;
        let wanted = |name: &String| only.map_or(name != ABOUT, |only| only == name);
        Ok(names.into_iter().filter(wanted).collect())
    }

    fn about(&self) -> Result<Header, TransferError> {
        let value = |name: &str| -> Result<Option<String>, TransferError> {
            let text = format!("SELECT CAST(value AS TEXT) FROM {ABOUT} WHERE name = ?");
            let mut statement = self.database.prepare(&text).map_err(unreadable)?;
            let mut rows = statement.query([name]).map_err(unreadable)?;
            let Some(row) = rows.next().map_err(unreadable)? else { return Ok(None) };
            row.get(0).map_err(unreadable)
        };
        if value("version")?.is_some_and(|version| version != "1") {
            return Err(TransferError::new("file_newer", "the file is of a version that a newer Allod writes"));
        }
        let schema = value("schema")?.map(|text| serde_json::from_str(&text)).transpose();
        let schema = schema.map_err(|_| TransferError::new("file_malformed", "its definitions cannot be read"))?;
        Ok(Header { space: value("space")?, exported: value("exported")?, schema: schema.unwrap_or_default() })
    }

    fn begin(&mut self, name: String) -> Result<(), TransferError> {
        let mut statement = self.database.prepare("SELECT name FROM pragma_table_info(?)").map_err(unreadable)?;
        let columns = statement.query_map([&name], |row| row.get::<_, String>(0)).map_err(unreadable)?;
        let columns = columns.collect::<Result<_, _>>().map_err(unreadable)?;
        self.table = Some(Table { name, columns, last: i64::MIN });
        Ok(())
    }

    /// The next rows of the table; none at its end.
    fn more(&mut self) -> Result<(), TransferError> {
        let Some(table) = &mut self.table else { return Ok(()) };
        let columns: Vec<String> = table.columns.iter().map(|name| quoted(name)).collect();
        let text = format!(
            "SELECT rowid, {} FROM {} WHERE rowid > ? ORDER BY rowid LIMIT {ROWS}",
            columns.join(", "),
            quoted(&table.name)
        );
        let mut statement = self.database.prepare_cached(&text).map_err(unreadable)?;
        let mut rows = statement.query([table.last]).map_err(unreadable)?;
        let collection = self.definitions.named(&table.name);
        let mut bytes = 0;
        while bytes < BYTES
            && let Some(row) = rows.next().map_err(unreadable)?
        {
            table.last = row.get(0).map_err(unreadable)?;
            let (mut document, mut unread) = (Document::new(), None);
            for (at, name) in table.columns.iter().enumerate() {
                let value = row.get_ref(at + 1).map_err(unreadable)?;
                bytes += 16 + value.as_bytes_or_null().ok().flatten().map_or(0, <[u8]>::len);
                let column = collection.and_then(|collection| collection.column(name));
                match json(column, name, value) {
                    Ok(Value::Null) if name.starts_with(DOC_ID) => {}
                    Ok(value) => drop(document.insert(name.clone(), value)),
                    Err(why) => unread = unread.or(Some((name.clone(), why))),
                }
            }
            let (collection, place) = (table.name.clone(), table.last.unsigned_abs());
            self.rows.push_back(Found { collection, place, document, unread });
        }
        self.read = (self.read + bytes as u64).min(self.of);
        Ok(())
    }
}

/// A value of a row as GraphQL would say it.
fn json(column: Option<&Column>, name: &str, value: ValueRef<'_>) -> Result<Value, String> {
    let of = column.and_then(|column| column.kind.scalar());
    let text = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|_| format!("the text in `{}` is not UTF-8", excerpt(name)))?;
        Ok::<_, String>(text.to_owned())
    };
    let inner = matches!(of, Some(ScalarType::Json))
        || column.is_some_and(|column| matches!(column.kind, ColumnKind::Value(FieldType::List { .. })));
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) if of == Some(ScalarType::Boolean) && (n == 0 || n == 1) => Value::Bool(n == 1),
        ValueRef::Integer(n) => Value::from(n),
        ValueRef::Real(n) => serde_json::Number::from_f64(n).map_or(Value::Null, Value::Number),
        ValueRef::Text(bytes) if inner => {
            if !is_small(bytes) {
                return Err(format!("`{}` holds more values than a document has", excerpt(name)));
            }
            serde_json::from_str(&text(bytes)?).map_err(|_| format!("`{}` is not JSON here", excerpt(name)))?
        }
        ValueRef::Text(bytes) => Value::String(text(bytes)?),
        ValueRef::Blob(bytes) => Value::String(data_encoding::HEXLOWER.encode(bytes)),
    })
}

impl Source for SqliteSource {
    fn next(&mut self) -> Result<Option<Found>, TransferError> {
        loop {
            if let Some(found) = self.rows.pop_front() {
                return Ok(Some(found));
            }
            if self.table.is_some() {
                self.more()?;
                if self.rows.is_empty() {
                    self.table = None;
                }
                continue;
            }
            let Some(name) = self.tables.pop() else { return Ok(None) };
            self.begin(name)?;
        }
    }

    fn read(&self) -> (u64, Option<u64>) {
        (self.read, Some(self.of))
    }

    fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }
}
