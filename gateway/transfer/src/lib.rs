//! Documents in files: what `allod export` writes and `allod import` reads. Every format is written and read one document
//! at a time, so that neither needs more memory than one document takes; nothing here knows of a network.
//!
//! A value stands in a file as GraphQL answers it, and comes back the same: 64-bit integers, floats, instants, bytes,
//! lists, JSON, ids of related documents, null.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod check;
mod csv;
mod definitions;
mod error;
mod format;
mod ids;
mod input;
mod json;
mod jsonl;
mod output;
mod sqlite;
#[cfg(test)]
mod tests;

pub use check::{DocumentIds, Problem, check};
pub use csv::{CsvFiles, CsvSource};
pub use definitions::{Collection, Column, ColumnKind, Definitions};
pub use error::{TransferError, excerpt};
pub use format::{Document, Format, Found, Header, Sink, Source};
pub use ids::Ids;
pub use input::{MAX_DOCUMENT_BYTES, open};
pub use json::{JsonSink, JsonSource};
pub use jsonl::{JsonlSink, JsonlSource};
pub use output::{Output, Part};
pub use sqlite::{SqliteSink, SqliteSource};
