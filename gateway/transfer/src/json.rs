//! The backup JSON of 2023: one object, of each collection an array of documents, each with the id that it has
//! (`_docID`) and the one that it will have (`_docIDNew`).

use std::io::Read;

use serde_json::Value;

use crate::definitions::{Collection, DOC_ID};
use crate::error::{TransferError, excerpt};
use crate::format::{Document, Found, Sink, Source};
use crate::input::{Input, Object, json};
use crate::output::Output;

/// Writes one object.
pub struct JsonSink {
    out: Output,
    pretty: bool,
    collections: usize,
    documents: usize,
}

impl JsonSink {
    /// `pretty`: for people.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(mut out: Output, pretty: bool) -> Result<JsonSink, TransferError> {
        out.write(b"{")?;
        Ok(JsonSink { out, pretty, collections: 0, documents: 0 })
    }

    fn close(&mut self) -> Result<(), TransferError> {
        match (self.collections, self.documents, self.pretty) {
            (0, ..) => Ok(()),
            (_, 1.., true) => self.out.write(b"\n  ]"),
            _ => self.out.write(b"]"),
        }
    }
}

impl Sink for JsonSink {
    fn begin(&mut self, collection: &Collection) -> Result<(), TransferError> {
        self.close()?;
        let comma = if self.collections > 0 { "," } else { "" };
        let name = Value::from(collection.name.as_str());
        let begin = if self.pretty { format!("{comma}\n  {name}: [") } else { format!("{comma}{name}:[") };
        (self.collections, self.documents) = (self.collections + 1, 0);
        self.out.write(begin.as_bytes())
    }

    fn document(&mut self, _: &Collection, document: &Document) -> Result<(), TransferError> {
        if self.documents > 0 {
            self.out.write(b",")?;
        }
        self.documents += 1;
        let mut document = document.clone();
        if let Some(id) = document.get(DOC_ID).cloned() {
            document.insert("_docIDNew".to_owned(), id);
        }
        if !self.pretty {
            return self.out.write(Value::Object(document).to_string().as_bytes());
        }
        let text = serde_json::to_string_pretty(&document);
        let text = text.map_err(|error| TransferError::new("file_failed", error.to_string()))?;
        for line in text.lines() {
            self.out.write(b"\n    ")?;
            self.out.write(line.as_bytes())?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), TransferError> {
        self.close()?;
        self.out.write(if self.pretty { b"\n}\n" } else { b"}\n" })?;
        self.out.finish()
    }
}

/// What comes next.
enum State {
    Begin,
    /// The name of a collection, or the end of all.
    Name {
        first: bool,
    },
    /// A document of a collection, or its end.
    Document {
        collection: String,
        first: bool,
    },
    End,
}

/// Reads one object.
pub struct JsonSource {
    input: Input,
    state: State,
    seen: Vec<String>,
}

/// More collections than a space has.
const COLLECTIONS: usize = 10_000;

impl JsonSource {
    /// Over a file of this length, if it is known.
    ///
    /// # Errors
    /// If it is in another encoding.
    pub fn new(reader: Box<dyn Read>, of: Option<u64>) -> Result<JsonSource, TransferError> {
        Ok(JsonSource { input: Input::new(reader, of)?, state: State::Begin, seen: Vec::new() })
    }

    /// The byte that stands next, which has to be one of these.
    fn expect(&mut self, wanted: &[u8], what: &str) -> Result<u8, TransferError> {
        match self.input.behind_space()? {
            Some(byte) if wanted.contains(&byte) => {
                self.input.byte()?;
                Ok(byte)
            }
            Some(_) => Err(TransferError::malformed(self.input.line, format!("{what} is expected"))),
            None => Err(TransferError::cut_off(&format!("{what} is expected"))),
        }
    }

    /// Whether another element follows, in an object or array that ends with `end`.
    fn another(&mut self, first: bool, end: u8) -> Result<bool, TransferError> {
        let what = if end == b']' { "a document, or `]`," } else { "a collection, or `}`," };
        if self.input.behind_space()? == Some(end) {
            self.input.byte()?;
            return Ok(false);
        }
        if !first {
            self.expect(b",", what)?;
        }
        match self.input.behind_space()? {
            Some(b'"') if end == b'}' => Ok(true),
            Some(b'{') if end == b']' => Ok(true),
            Some(_) => Err(TransferError::malformed(self.input.line, format!("{what} is expected"))),
            None => Err(TransferError::cut_off(&format!("{what} is expected"))),
        }
    }
}

impl Source for JsonSource {
    fn next(&mut self) -> Result<Option<Found>, TransferError> {
        loop {
            match std::mem::replace(&mut self.state, State::End) {
                State::Begin => {
                    self.expect(b"{", "an object of collections, `{\"Name\": [{…}, …]}`,")?;
                    self.state = State::Name { first: true };
                }
                State::Name { first } => {
                    if !self.another(first, b'}')? {
                        if self.input.behind_space()?.is_some() {
                            let text = "there is more behind the end of the object";
                            return Err(TransferError::malformed(self.input.line, text));
                        }
                        return Ok(None);
                    }
                    let line = self.input.line;
                    let collection: String = json(&self.input.take_value()?, line)?;
                    if self.seen.contains(&collection) || self.seen.len() >= COLLECTIONS {
                        let text =
                            format!("`{}` stands twice, or there are too many collections", excerpt(&collection));
                        return Err(TransferError::malformed(line, text));
                    }
                    self.seen.push(collection.clone());
                    self.expect(b":", "`:`")?;
                    self.expect(b"[", "an array of documents")?;
                    self.state = State::Document { collection, first: true };
                }
                State::Document { collection, first } => {
                    if !self.another(first, b']')? {
                        self.state = State::Name { first: false };
                        continue;
                    }
                    let place = self.input.line;
                    let document: Object = json(&self.input.take_value()?, place)?;
                    self.state = State::Document { collection: collection.clone(), first: false };
                    return Ok(Some(Found { collection, place, document: document.0, unread: None }));
                }
                State::End => return Ok(None),
            }
        }
    }

    fn read(&self) -> (u64, Option<u64>) {
        (self.input.read, self.input.of)
    }
}
