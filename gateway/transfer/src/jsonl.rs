//! JSON Lines: a line that says what the file is, a line a document, and a line that says that it is whole.

use std::collections::BTreeMap;
use std::io::Read;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::definitions::Collection;
use crate::error::TransferError;
use crate::format::{Document, Found, Header, Sink, Source};
use crate::input::{Input, Object, json};
use crate::output::Output;

const VERSION: u32 = 1;

/// Writes JSON Lines.
pub struct JsonlSink {
    out: Output,
    documents: u64,
}

impl JsonlSink {
    /// Begins with what the file is.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(mut out: Output, header: &Header) -> Result<JsonlSink, TransferError> {
        let mut first = json!({ "allod_export": VERSION });
        if let (Some(first), Ok(serde_json::Value::Object(header))) =
            (first.as_object_mut(), serde_json::to_value(header))
        {
            first.extend(header);
        }
        out.write(first.to_string().as_bytes())?;
        out.write(b"\n")?;
        Ok(JsonlSink { out, documents: 0 })
    }
}

impl Sink for JsonlSink {
    fn begin(&mut self, _: &Collection) -> Result<(), TransferError> {
        Ok(())
    }

    fn document(&mut self, collection: &Collection, document: &Document) -> Result<(), TransferError> {
        self.documents += 1;
        #[derive(Serialize)]
        struct Line<'a> {
            collection: &'a str,
            document: &'a Document,
        }
        let line = serde_json::to_vec(&Line { collection: &collection.name, document });
        self.out.write(&line.map_err(|error| TransferError::new("file_failed", error.to_string()))?)?;
        self.out.write(b"\n")
    }

    fn finish(mut self: Box<Self>) -> Result<(), TransferError> {
        self.out.write(json!({ "end": { "documents": self.documents } }).to_string().as_bytes())?;
        self.out.write(b"\n")?;
        self.out.finish()
    }
}

/// Any line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    allod_export: Option<u32>,
    space: Option<String>,
    exported: Option<String>,
    #[serde(default)]
    schema: BTreeMap<String, String>,
    collection: Option<String>,
    document: Option<Object>,
    end: Option<End>,
}

#[derive(Deserialize)]
struct End {
    documents: u64,
}

/// Reads JSON Lines, of ours or of whoever writes a document with its collection on each line.
pub struct JsonlSource {
    input: Input,
    header: Option<Header>,
    documents: u64,
    ended: bool,
}

impl JsonlSource {
    /// Over a file of this length, if it is known.
    ///
    /// # Errors
    /// If it is in another encoding.
    pub fn new(reader: Box<dyn Read>, of: Option<u64>) -> Result<JsonlSource, TransferError> {
        Ok(JsonlSource { input: Input::new(reader, of)?, header: None, documents: 0, ended: false })
    }
}

impl Source for JsonlSource {
    fn next(&mut self) -> Result<Option<Found>, TransferError> {
        loop {
            let place = self.input.line;
            let Some(bytes) = self.input.take_line()? else {
                return match &self.header {
                    Some(_) if !self.ended => Err(TransferError::cut_off("its last line, which says so, is missing")),
                    _ => Ok(None),
                };
            };
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if self.ended {
                return Err(TransferError::malformed(place, "there is more behind what says that it is the end"));
            }
            match json::<Line>(&bytes, place)? {
                Line {
                    allod_export: Some(VERSION),
                    space,
                    exported,
                    schema,
                    collection: None,
                    document: None,
                    end: None,
                } if self.header.is_none() && self.documents == 0 => {
                    self.header = Some(Header { space, exported, schema });
                }
                Line { allod_export: Some(version), collection: None, document: None, end: None, .. }
                    if version != VERSION =>
                {
                    let text = format!("the file is of version {version}, which a newer Allod writes");
                    return Err(TransferError::new("file_newer", text));
                }
                Line {
                    allod_export: None, collection: Some(collection), document: Some(document), end: None, ..
                } => {
                    self.documents += 1;
                    return Ok(Some(Found { collection, place, document: document.0, unread: None }));
                }
                Line { allod_export: None, collection: None, document: None, end: Some(end), .. } => {
                    if end.documents != self.documents {
                        let (told, found) = (end.documents, self.documents);
                        return Err(TransferError::cut_off(&format!("it had {told} documents, and has {found}")));
                    }
                    self.ended = true;
                }
                _ => {
                    let wanted = r#"a line is {"collection": "…", "document": {…}}"#;
                    return Err(TransferError::malformed(place, wanted));
                }
            }
        }
    }

    fn read(&self) -> (u64, Option<u64>) {
        (self.input.read, self.input.of)
    }

    fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }
}
