//! Comma-separated values (RFC 4180), a file a collection.
//!
//! An empty cell is null, and `""` an empty text. Lists and JSON stand as JSON, bytes in hexadecimal digits.
//!
//! A spreadsheet runs a text that begins like a formula. Such a text gets an apostrophe before it, one more than it had,
//! and loses one when it is read: nothing is run, and nothing is lost.

use std::path::{Path, PathBuf};

use serde_json::Value;
use vault_core::schema::{FieldType, ScalarType};

use crate::definitions::{Collection, Column, ColumnKind, DOC_ID, Definitions};
use crate::error::{TransferError, excerpt};
use crate::format::{Document, Found, Sink, Source};
use crate::input::{Input, MAX_DOCUMENT_BYTES, is_small, open, too_long};
use crate::output::{Output, Part, new_file};

/// More columns than a collection has.
const CELLS: usize = 4_000;

/// Whether a spreadsheet may take the text for a formula, apostrophes before it left out.
fn is_risky(text: &str) -> bool {
    let first = text.trim_start_matches('\'').chars().next();
    first.is_some_and(|first| "=+-@\t\r\n＝＋－＠".contains(first))
}

fn guarded(text: &str) -> String {
    if is_risky(text) { format!("'{text}") } else { text.to_owned() }
}

fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_risky(rest)).unwrap_or(text)
}

/// Writes a file a collection: one file, or a directory of them.
pub struct CsvFiles {
    target: Target,
    guard: bool,
    file: Option<Output>,
}

enum Target {
    One(Option<Output>),
    Directory(Part),
}

impl CsvFiles {
    /// One collection. `guard`: texts that look like formulas are kept from being run.
    pub fn one(out: Output, guard: bool) -> CsvFiles {
        CsvFiles { target: Target::One(Some(out)), guard, file: None }
    }

    /// `NAME.csv` of each collection.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn directory(part: Part, guard: bool) -> Result<CsvFiles, TransferError> {
        part.directory()?;
        Ok(CsvFiles { target: Target::Directory(part), guard, file: None })
    }

    fn row(&mut self, cells: impl Iterator<Item = Option<String>>) -> Result<(), TransferError> {
        let mut line = String::new();
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                line.push(',');
            }
            let Some(text) = cell else { continue };
            let plain = !text.is_empty() && !text.contains([',', '"', '\r', '\n']) && text.trim() == text;
            if plain {
                line.push_str(&text);
            } else {
                line.push('"');
                line.push_str(&text.replace('"', "\"\""));
                line.push('"');
            }
        }
        line.push_str("\r\n");
        let none = || TransferError::new("file_failed", "no collection was begun");
        self.file.as_mut().ok_or_else(none)?.write(line.as_bytes())
    }
}

/// A value as a cell; `None` is null.
fn cell(column: &Column, value: Option<&Value>, guard: bool) -> Option<String> {
    let text = matches!(column.kind.scalar(), Some(ScalarType::String | ScalarType::Id));
    match value? {
        Value::Null => None,
        Value::String(value) if text && guard => Some(guarded(value)),
        Value::String(value) if column.kind.scalar() != Some(ScalarType::Json) => Some(value.clone()),
        other => Some(other.to_string()),
    }
}

impl Sink for CsvFiles {
    fn begin(&mut self, collection: &Collection) -> Result<(), TransferError> {
        if let Some(file) = self.file.take() {
            file.finish()?;
        }
        self.file = match &mut self.target {
            Target::One(out) => {
                let one = "CSV is a file a collection: name one with --collection, or a directory";
                Some(out.take().ok_or_else(|| TransferError::new("csv_one_collection", one))?)
            }
            Target::Directory(part) => {
                // Names of collections are names of GraphQL: no separators, no dots.
                let path = part.place().join(format!("{}.csv", collection.name));
                Some(Output::of(new_file(&path)?)?)
            }
        };
        let columns: Vec<String> = collection.readable().map(|column| column.name.clone()).collect();
        self.row([DOC_ID.to_owned()].into_iter().chain(columns).map(Some))
    }

    fn document(&mut self, collection: &Collection, document: &Document) -> Result<(), TransferError> {
        let id = document.get(DOC_ID).and_then(Value::as_str).map(str::to_owned);
        let guard = self.guard;
        let cells = collection.readable().map(|column| cell(column, document.get(&column.name), guard));
        self.row([id].into_iter().chain(cells))
    }

    fn finish(mut self: Box<Self>) -> Result<(), TransferError> {
        if let Some(file) = self.file.take() {
            file.finish()?;
        }
        match self.target {
            Target::One(Some(out)) => out.finish(),
            Target::One(None) => Ok(()),
            Target::Directory(part) => part.finish(),
        }
    }
}

/// A cell, and whether it stood in quotes.
type Cell = (String, bool);

/// Reads a file a collection.
pub struct CsvSource {
    definitions: Definitions,
    /// Files that are not begun, the next one last.
    files: Vec<(String, PathBuf)>,
    file: Option<(String, Vec<String>, Input)>,
    guard: bool,
    before: u64,
    of: u64,
}

impl CsvSource {
    /// The file, or each `NAME.csv` of the directory. `collection`: what the documents of a file belong to.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn new(
        path: &Path,
        collection: Option<&str>,
        definitions: &Definitions,
        guard: bool,
    ) -> Result<CsvSource, TransferError> {
        let failed = |error: std::io::Error| TransferError::io(path, &error);
        let named = |path: &Path| path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
        let mut files = Vec::new();
        if std::fs::metadata(path).map_err(failed)?.is_dir() {
            for entry in std::fs::read_dir(path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let path = entry.path();
                if path.extension().is_none_or(|end| !end.eq_ignore_ascii_case("csv")) {
                    continue;
                }
                // What leads elsewhere is not part of the directory.
                if !entry.file_type().map_err(failed)?.is_file() {
                    return Err(TransferError::new("not_a_file", format!("{} is not a file", path.display())));
                }
                if let Some(name) = named(&path).filter(|name| collection.is_none_or(|only| only == name)) {
                    files.push((name, path));
                }
            }
            files.sort();
            files.reverse();
            if files.is_empty() {
                let text = format!("there is no NAME.csv in {}", path.display());
                return Err(TransferError::new("file_empty", text));
            }
        } else {
            let name = collection.map(str::to_owned).or_else(|| named(path)).unwrap_or_default();
            files.push((name, path.to_owned()));
        }
        let mut of = 0;
        for (_, path) in &files {
            of += open(path)?.1;
        }
        Ok(CsvSource { definitions: definitions.clone(), files, file: None, guard, before: 0, of })
    }

    fn value(&self, column: Option<&Column>, (text, quoted): Cell) -> Result<Value, String> {
        if text.is_empty() && !quoted {
            return Ok(Value::Null);
        }
        let Some(column) = column else { return Ok(Value::String(text)) };
        let number = |text: String| match serde_json::from_str::<serde_json::Number>(text.trim()) {
            Ok(number) => Ok(Value::Number(number)),
            Err(_) => Err(format!("`{}` is not a number", excerpt(&text))),
        };
        let read = |text: &str| match is_small(text.as_bytes()) {
            true => serde_json::from_str(text).map_err(|_| format!("`{}` is not JSON here", column.name)),
            false => Err(format!("`{}` holds more values than a document has", column.name)),
        };
        match &column.kind {
            ColumnKind::Value(FieldType::Scalar { of, .. }) => match of {
                ScalarType::Boolean => match text.to_ascii_lowercase().as_str() {
                    "true" => Ok(Value::Bool(true)),
                    "false" => Ok(Value::Bool(false)),
                    _ => Err(format!("`{}` is neither true nor false", column.name)),
                },
                ScalarType::Int | ScalarType::Float64 | ScalarType::Float32 => number(text),
                ScalarType::Json => read(&text),
                ScalarType::String | ScalarType::Id if self.guard => Ok(Value::String(unguarded(&text).to_owned())),
                _ => Ok(Value::String(text)),
            },
            ColumnKind::Value(_) => read(&text),
            ColumnKind::Relation => Ok(Value::String(text)),
        }
    }
}

impl Source for CsvSource {
    fn next(&mut self) -> Result<Option<Found>, TransferError> {
        loop {
            let Some((name, header, input)) = &mut self.file else {
                let Some((name, path)) = self.files.pop() else { return Ok(None) };
                let (file, of) = open(&path)?;
                let mut input = Input::new(Box::new(file), Some(of))?;
                let no_header = || TransferError::malformed(1, "the first line names the fields");
                let cells = record(&mut input)?.ok_or_else(no_header)?;
                let header: Vec<String> = cells.into_iter().map(|(name, _)| name).collect();
                let odd = |name: &String| name.is_empty() || name.len() > 200 || name.chars().any(char::is_control);
                if header.iter().any(odd) {
                    return Err(TransferError::malformed(1, "the first line names the fields"));
                }
                if let Some(twice) = header.iter().find(|name| header.iter().filter(|other| other == name).count() > 1)
                {
                    return Err(TransferError::malformed(1, format!("`{twice}` stands twice")));
                }
                self.file = Some((name, header, input));
                continue;
            };
            let place = input.line;
            let Some(cells) = record(input)? else {
                self.before += input.read;
                self.file = None;
                continue;
            };
            let (name, header) = (name.clone(), header.clone());
            if cells.len() != header.len() {
                let text = format!("there are {} cells, and the first line has {}", cells.len(), header.len());
                return Err(TransferError::malformed(place, text));
            }
            let collection = self.definitions.named(&name);
            let (mut document, mut unread) = (Document::new(), None);
            for (field, cell) in header.into_iter().zip(cells) {
                let column = collection.and_then(|collection| collection.column(&field));
                match self.value(column, cell) {
                    // Whoever has no id for a document leaves the cell empty.
                    Ok(Value::Null) if field.starts_with("_docID") => {}
                    Ok(value) => drop(document.insert(field, value)),
                    Err(why) => unread = unread.or(Some((field, why))),
                }
            }
            return Ok(Some(Found { collection: name, place, document, unread }));
        }
    }

    fn read(&self) -> (u64, Option<u64>) {
        (self.before + self.file.as_ref().map_or(0, |(_, _, input)| input.read), Some(self.of))
    }
}

/// The cells of one record; `None` at the end.
fn record(input: &mut Input) -> Result<Option<Vec<Cell>>, TransferError> {
    let begun = input.line;
    let (mut cells, mut text, mut size) = (Vec::new(), Vec::new(), 0usize);
    if input.peek()?.is_none() {
        return Ok(None);
    }
    let (mut quoted, mut within) = (false, false);
    loop {
        let byte = input.byte()?;
        let wrong = |why: &str| Err(TransferError::malformed(begun, why));
        let mut end = |text: &mut Vec<u8>, quoted: &mut bool| {
            let text = String::from_utf8(std::mem::take(text));
            cells.push((text.map_err(|_| TransferError::malformed(begun, "it is not UTF-8"))?, *quoted));
            *quoted = false;
            if cells.len() > CELLS { Err(TransferError::malformed(begun, "there are too many cells")) } else { Ok(()) }
        };
        match byte {
            None if within => return Err(TransferError::cut_off(&format!("a quote of line {begun} has no end"))),
            None | Some(b'\n') if !within => {
                end(&mut text, &mut quoted)?;
                return Ok(Some(cells));
            }
            Some(b'"') if within => match input.peek()? {
                Some(b'"') => {
                    input.byte()?;
                    text.push(b'"');
                }
                Some(b',' | b'\r' | b'\n') | None => within = false,
                Some(_) => return wrong("there is something behind the quote at the end of a cell"),
            },
            Some(byte) if within => text.push(byte),
            Some(b',') => end(&mut text, &mut quoted)?,
            Some(b'\r') if input.peek()?.is_none_or(|next| next == b'\n') => {}
            Some(b'"') if text.is_empty() && !quoted => (quoted, within) = (true, true),
            Some(b'"') => return wrong("there is a quote in a cell that does not begin with one"),
            Some(_) if quoted => return wrong("there is something behind the quote at the end of a cell"),
            Some(byte) => text.push(byte),
            None => {}
        }
        size += 1;
        if size > MAX_DOCUMENT_BYTES {
            return Err(too_long(begun));
        }
    }
}
