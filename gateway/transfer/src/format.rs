//! What every format is: somewhere documents go, and somewhere they come from.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::definitions::Collection;
use crate::error::TransferError;

/// A document, by the names of its fields.
pub type Document = Map<String, Value>;

/// What a file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The space that it is of.
    pub space: Option<String>,
    /// When it was begun, RFC 3339.
    pub exported: Option<String>,
    /// The definitions of its collections, by name.
    #[serde(default)]
    pub schema: BTreeMap<String, String>,
}

/// In which form documents stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line of JSON a document.
    Jsonl,
    /// One object: of each collection an array of documents.
    Json,
    /// A file a collection (RFC 4180).
    Csv,
    /// A database with a table a collection.
    Sqlite,
}

impl Format {
    /// By its name.
    pub fn named(name: &str) -> Option<Format> {
        Some(match name {
            "jsonl" | "ndjson" => Format::Jsonl,
            "json" => Format::Json,
            "csv" => Format::Csv,
            "sqlite" | "sqlite3" | "db" => Format::Sqlite,
            _ => return None,
        })
    }

    /// By the end of a file's name.
    pub fn of(path: &Path) -> Option<Format> {
        Format::named(&path.extension()?.to_str()?.to_ascii_lowercase())
    }

    /// As `--format` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Sqlite => "sqlite",
        }
    }
}

/// Where documents go, collection after collection.
pub trait Sink {
    /// Begins a collection; its documents follow. One without documents is begun as well.
    fn begin(&mut self, collection: &Collection) -> Result<(), TransferError>;
    /// One document of the collection that was begun last.
    fn document(&mut self, collection: &Collection, document: &Document) -> Result<(), TransferError>;
    /// The end: what was written is on disk, under its name.
    fn finish(self: Box<Self>) -> Result<(), TransferError>;
}

/// Where documents come from, one after the other.
pub trait Source {
    /// The next one; `None` at the end of what is whole.
    fn next(&mut self) -> Result<Option<Found>, TransferError>;
    /// How many bytes were read, and of how many.
    fn read(&self) -> (u64, Option<u64>);
    /// What the file says of itself, once its begin was read.
    fn header(&self) -> Option<&Header> {
        None
    }
}

/// A document as it stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// As the file calls it.
    pub collection: String,
    /// The line on which it begins, or the number of its row.
    pub place: u64,
    /// Its fields.
    pub document: Document,
    /// A field that could not be read as what its definition says, and why.
    pub unread: Option<(String, String)>,
}
