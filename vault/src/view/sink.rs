//! What a read writes its answer into: text of JSON, or rows of typed cells. A reader knows what values are and not how
//! a protocol writes them.

use std::sync::Arc;

use policy_core::{DocId, Scalar, Timestamp};
use rusqlite::types::ValueRef;
use vault_core::schema::ScalarType;
use vault_core::value::Value;

use super::column::{Shape, elements};
use super::json;

/// Takes an answer, value by value: lists and rows are begun and ended, and in a row each value follows its key.
pub trait Sink {
    fn begin_list(&mut self);
    fn end_list(&mut self);
    fn begin_row(&mut self);
    fn end_row(&mut self);
    fn key(&mut self, name: &str);
    fn null(&mut self);
    fn bool(&mut self, value: bool);
    fn int(&mut self, value: i64);
    fn float(&mut self, value: f64);
    /// A float of 32 bits: its digits are fewer.
    fn float32(&mut self, value: f32);
    fn text(&mut self, text: &str);
    /// An instant, in microseconds since 1970-01-01 in UTC.
    fn instant(&mut self, at: Timestamp);
    fn bytes(&mut self, bytes: &[u8]);
    fn document(&mut self, id: DocId);
    /// A value of JSON, as its text in UTF-8 (RFC 8259).
    fn json(&mut self, text: &[u8]);
    /// About how many bytes of memory the answer takes so far.
    fn size(&self) -> usize;
    /// Forgets the answer so far: the read begins again.
    fn clear(&mut self);
    /// A list of scalars as columns hold it: the text of a JSON array, with instants in microseconds and bytes in
    /// hexadecimal digits.
    fn scalars(&mut self, of: ScalarType, stored: &[u8]) {
        self.begin_list();
        for element in elements(of, stored) {
            scalar(self, &element);
        }
        self.end_list();
    }
}

/// Writes a scalar.
pub(super) fn scalar<S: Sink + ?Sized>(out: &mut S, scalar: &Scalar) {
    match scalar {
        Scalar::Null => out.null(),
        Scalar::Bool(value) => out.bool(*value),
        Scalar::Int(value) => out.int(*value),
        Scalar::Float(value) => out.float(*value),
        Scalar::String(text) => out.text(text),
        Scalar::DateTime(at) => out.instant(*at),
        Scalar::Blob(bytes) => out.bytes(bytes),
    }
}

/// Writes a value that no column holds any more: a conflict's.
pub(super) fn value(out: &mut dyn Sink, shape: Shape, value: &Value) {
    match (shape, value) {
        (Shape::Relation(_) | Shape::DocId, Value::Scalar(Scalar::Blob(id))) => document(out, id),
        (_, Value::Scalar(one)) => scalar(out, one),
        (_, Value::List(all)) => {
            out.begin_list();
            all.iter().for_each(|one| scalar(out, one));
            out.end_list();
        }
        (_, Value::Json(json)) => out.json(json.to_string().as_bytes()),
    }
}

fn document(out: &mut dyn Sink, id: &[u8]) {
    match DocId::from_slice(id) {
        Some(id) => out.document(id),
        None => out.bytes(id),
    }
}

/// Writes what a column holds.
pub(super) fn column(out: &mut dyn Sink, shape: Shape, value: ValueRef<'_>) {
    match (shape, value) {
        (_, ValueRef::Null) => out.null(),
        (Shape::Scalar(ScalarType::Boolean), ValueRef::Integer(n)) => out.bool(n != 0),
        (Shape::Scalar(ScalarType::DateTime), ValueRef::Integer(n)) => out.instant(Timestamp(n)),
        (_, ValueRef::Integer(n)) => out.int(n),
        (Shape::Scalar(ScalarType::Float32), ValueRef::Real(n)) => out.float32(n as f32),
        (_, ValueRef::Real(n)) => out.float(n),
        (Shape::List(of), ValueRef::Text(text)) => out.scalars(of, text),
        (Shape::Scalar(ScalarType::Json), ValueRef::Text(text)) => out.json(text),
        (_, ValueRef::Text(text)) => out.text(&String::from_utf8_lossy(text)),
        (Shape::Relation(_) | Shape::DocId, ValueRef::Blob(id)) => document(out, id),
        (_, ValueRef::Blob(bytes)) => out.bytes(bytes),
    }
}

/// An answer as text of JSON: instants by RFC 3339, bytes in hexadecimal digits, ids as hyphenated UUIDs.
#[derive(Debug, Default)]
pub struct Text(Vec<u8>);

impl Text {
    /// With room for so many bytes at once.
    pub fn with_capacity(bytes: usize) -> Text {
        Text(Vec::with_capacity(bytes))
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A comma where something stands before: what has begun, and a key, end otherwise than any value.
    fn next(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0.last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(b',');
        }
        &mut self.0
    }
}

impl Sink for Text {
    fn begin_list(&mut self) {
        self.next().push(b'[');
    }
    fn end_list(&mut self) {
        self.0.push(b']');
    }
    fn begin_row(&mut self) {
        self.next().push(b'{');
    }
    fn end_row(&mut self) {
        self.0.push(b'}');
    }
    fn key(&mut self, name: &str) {
        json::key(self.next(), name);
    }
    fn null(&mut self) {
        json::null(self.next());
    }
    fn bool(&mut self, value: bool) {
        json::bool(self.next(), value);
    }
    fn int(&mut self, value: i64) {
        json::int(self.next(), value);
    }
    fn float(&mut self, value: f64) {
        json::float(self.next(), value);
    }
    fn float32(&mut self, value: f32) {
        json::float32(self.next(), value);
    }
    fn text(&mut self, text: &str) {
        json::string(self.next(), text);
    }
    fn instant(&mut self, at: Timestamp) {
        json::date_time(self.next(), at.0);
    }
    fn bytes(&mut self, bytes: &[u8]) {
        json::hex(self.next(), bytes);
    }
    fn document(&mut self, id: DocId) {
        json::doc_id(self.next(), id.as_bytes());
    }
    fn json(&mut self, text: &[u8]) {
        self.next().extend_from_slice(text);
    }
    fn size(&self) -> usize {
        self.0.len()
    }
    fn clear(&mut self) {
        self.0.clear();
    }
    fn scalars(&mut self, of: ScalarType, stored: &[u8]) {
        if of != ScalarType::DateTime {
            return self.json(stored);
        }
        self.begin_list();
        elements(of, stored).iter().for_each(|element| scalar(self, element));
        self.end_list();
    }
}

/// One value of an answer, typed.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Instant(Timestamp),
    Bytes(Vec<u8>),
    Document(DocId),
    /// The text of a value of JSON.
    Json(String),
    List(Vec<Cell>),
    Row(Row),
}

impl Cell {
    /// Writes the cell as it was written.
    pub fn write(&self, out: &mut dyn Sink) {
        match self {
            Cell::Null => out.null(),
            Cell::Bool(value) => out.bool(*value),
            Cell::Int(value) => out.int(*value),
            Cell::Float(value) => out.float(*value),
            Cell::Text(text) => out.text(text),
            Cell::Instant(at) => out.instant(*at),
            Cell::Bytes(bytes) => out.bytes(bytes),
            Cell::Document(id) => out.document(*id),
            Cell::Json(text) => out.json(text.as_bytes()),
            Cell::List(all) => {
                out.begin_list();
                all.iter().for_each(|cell| cell.write(out));
                out.end_list();
            }
            Cell::Row(row) => {
                out.begin_row();
                for (key, cell) in row {
                    out.key(key);
                    cell.write(out);
                }
                out.end_row();
            }
        }
    }

    /// The cell as [`Text`] has it.
    pub fn to_json(&self) -> String {
        let mut text = Text::default();
        self.write(&mut text);
        String::from_utf8(text.into_bytes()).unwrap_or_default()
    }
}

/// The cells of a row by their keys, in the order in which they were asked for.
pub type Row = Vec<(Arc<str>, Cell)>;

/// What a cell takes beside what it points to, with its key.
const CELL: usize = 48;

/// An answer as typed cells.
#[derive(Debug, Default)]
pub struct Cells {
    root: Option<Cell>,
    open: Vec<Open>,
    keys: Vec<Arc<str>>,
    size: usize,
}

#[derive(Debug)]
enum Open {
    List(Vec<Cell>),
    Row(Row, Option<Arc<str>>),
}

impl Cells {
    /// The whole answer; null before there is one.
    pub fn into_root(self) -> Cell {
        self.root.unwrap_or(Cell::Null)
    }

    /// The rows of the first root, of one that is a list.
    pub fn into_rows(self) -> Vec<Row> {
        let Cell::Row(roots) = self.into_root() else { return Vec::new() };
        let Some((_, Cell::List(rows))) = roots.into_iter().next() else { return Vec::new() };
        rows.into_iter().filter_map(|row| if let Cell::Row(cells) = row { Some(cells) } else { None }).collect()
    }

    fn put(&mut self, cell: Cell) {
        self.size += CELL;
        self.place(cell);
    }

    fn place(&mut self, cell: Cell) {
        match self.open.last_mut() {
            None => self.root = Some(cell),
            Some(Open::List(all)) => all.push(cell),
            Some(Open::Row(all, key)) => all.extend(key.take().map(|key| (key, cell))),
        }
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(Open::List(all)) => self.place(Cell::List(all)),
            Some(Open::Row(all, _)) => self.place(Cell::Row(all)),
            None => {}
        }
    }
}

impl Sink for Cells {
    fn begin_list(&mut self) {
        self.size += CELL;
        self.open.push(Open::List(Vec::new()));
    }
    fn end_list(&mut self) {
        self.end();
    }
    fn begin_row(&mut self) {
        self.size += CELL;
        self.open.push(Open::Row(Vec::new(), None));
    }
    fn end_row(&mut self) {
        self.end();
    }
    fn key(&mut self, name: &str) {
        // Rows of one list have the same keys.
        let known = self.keys.iter().find(|key| &***key == name).cloned();
        let key = known.unwrap_or_else(|| {
            self.keys.push(name.into());
            self.size += name.len();
            Arc::clone(&self.keys[self.keys.len() - 1])
        });
        if let Some(Open::Row(_, next)) = self.open.last_mut() {
            *next = Some(key);
        }
    }
    fn null(&mut self) {
        self.put(Cell::Null);
    }
    fn bool(&mut self, value: bool) {
        self.put(Cell::Bool(value));
    }
    fn int(&mut self, value: i64) {
        self.put(Cell::Int(value));
    }
    fn float(&mut self, value: f64) {
        self.put(Cell::Float(value));
    }
    fn float32(&mut self, value: f32) {
        self.put(Cell::Float(f64::from(value)));
    }
    fn text(&mut self, text: &str) {
        self.size += text.len();
        self.put(Cell::Text(text.to_owned()));
    }
    fn instant(&mut self, at: Timestamp) {
        self.put(Cell::Instant(at));
    }
    fn bytes(&mut self, bytes: &[u8]) {
        self.size += bytes.len();
        self.put(Cell::Bytes(bytes.to_vec()));
    }
    fn document(&mut self, id: DocId) {
        self.put(Cell::Document(id));
    }
    fn json(&mut self, text: &[u8]) {
        self.size += text.len();
        self.put(Cell::Json(String::from_utf8_lossy(text).into_owned()));
    }
    fn size(&self) -> usize {
        self.size
    }
    fn clear(&mut self) {
        *self = Cells::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(out: &mut dyn Sink) {
        out.begin_row();
        out.key("a\"b");
        out.begin_list();
        out.null();
        out.bool(true);
        out.int(-7);
        out.float(0.5);
        out.float32(0.1);
        out.text("[{,:");
        out.instant(Timestamp(1_500_000));
        out.bytes(&[0, 255]);
        out.document(DocId::from_bytes([1; 16]));
        out.json(b"{\"k\":[1]}");
        out.scalars(ScalarType::DateTime, b"[0,null]");
        out.scalars(ScalarType::String, b"[\"x\"]");
        out.begin_list();
        out.end_list();
        out.begin_row();
        out.end_row();
        out.end_list();
        out.key("c");
        out.int(1);
        out.end_row();
    }

    #[test]
    fn one_answer_is_text_and_cells_alike() {
        let mut text = Text::default();
        all(&mut text);
        assert!(text.size() > 100);
        assert_eq!(
            String::from_utf8(text.into_bytes()).unwrap(),
            r#"{"a\"b":[null,true,-7,0.5,0.1,"[{,:","1970-01-01T00:00:01.5Z","00ff","01010101-0101-0101-0101-010101010101",{"k":[1]},["1970-01-01T00:00:00Z",null],["x"],[],{}],"c":1}"#
        );
        let mut cells = Cells::default();
        all(&mut cells);
        assert!(cells.size() > 19 * CELL);
        let list = vec![
            Cell::Null,
            Cell::Bool(true),
            Cell::Int(-7),
            Cell::Float(0.5),
            Cell::Float(f64::from(0.1f32)),
            Cell::Text("[{,:".into()),
            Cell::Instant(Timestamp(1_500_000)),
            Cell::Bytes(vec![0, 255]),
            Cell::Document(DocId::from_bytes([1; 16])),
            Cell::Json("{\"k\":[1]}".into()),
            Cell::List(vec![Cell::Instant(Timestamp(0)), Cell::Null]),
            Cell::List(vec![Cell::Text("x".into())]),
            Cell::List(vec![]),
            Cell::Row(vec![]),
        ];
        let root = vec![("a\"b".into(), Cell::List(list)), ("c".into(), Cell::Int(1))];
        let root = Cell::Row(root);
        assert_eq!(cells.into_root(), root);
        let mut again = Cells::default();
        root.write(&mut again);
        assert_eq!(again.into_root(), root);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&root.to_json()).unwrap()["c"], 1);
        let mut again = Cells::default();
        all(&mut again);
        again.clear();
        assert_eq!((again.size(), again.into_root()), (0, Cell::Null));
    }
}
