//! Bytes of a file that somebody else may have written: never more than one document of them at a time.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{TransferError, excerpt};
use crate::format::Document;

/// The longest document, in bytes: several times what a node takes.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 20;
/// How deep a document may nest.
const DEEPEST: usize = 120;
const BUFFER: usize = 256 << 10;

/// Opens a file to read it from begin to end, and says how long it is.
///
/// # Errors
/// If it is none, or cannot be read.
pub fn open(path: &Path) -> Result<(File, u64), TransferError> {
    let failed = |error: std::io::Error| TransferError::io(path, &error);
    // A device or a pipe may never end, and a directory has no bytes.
    let found = std::fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(TransferError::new("not_a_file", format!("{} is not a file", path.display())));
    }
    Ok((File::open(path).map_err(failed)?, found.len()))
}

/// A reader that counts lines and bytes.
pub(crate) struct Input {
    reader: Box<dyn Read>,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    /// From 1.
    pub line: u64,
    pub read: u64,
    pub of: Option<u64>,
}

impl Input {
    /// Over what is read from `reader`, a mark of UTF-8 left out.
    ///
    /// # Errors
    /// If it is in another encoding, or packed.
    pub fn new(reader: Box<dyn Read>, of: Option<u64>) -> Result<Input, TransferError> {
        let mut input = Input { reader, buffer: vec![0; BUFFER], at: 0, end: 0, line: 1, read: 0, of };
        while input.end < 4 && input.more()? {}
        let begin = &input.buffer[..input.end];
        let refused = |text: &str| Err(TransferError::new("file_encoding", text));
        match begin {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return refused("the file is UTF-16: save it as UTF-8"),
            [0x1f, 0x8b, ..] | [b'P', b'K', 3, 4, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                return refused("the file is packed: unpack it first");
            }
            [0xef, 0xbb, 0xbf, ..] => input.at = 3,
            _ => {}
        }
        Ok(input)
    }

    /// Reads on; false at the end.
    fn more(&mut self) -> Result<bool, TransferError> {
        if self.at == self.end {
            (self.at, self.end) = (0, 0);
        }
        if self.end == self.buffer.len() {
            return Ok(true);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.end += n;
                    self.read += n as u64;
                    return Ok(true);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TransferError::new("file_failed", format!("reading failed: {error}"))),
            }
        }
    }

    /// The next byte, left where it is.
    pub fn peek(&mut self) -> Result<Option<u8>, TransferError> {
        if self.at == self.end && !self.more()? {
            return Ok(None);
        }
        Ok(Some(self.buffer[self.at]))
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<Option<u8>, TransferError> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.at += 1;
            self.line += u64::from(byte == b'\n');
        }
        Ok(byte)
    }

    /// Goes by white space; the byte behind it.
    pub fn behind_space(&mut self) -> Result<Option<u8>, TransferError> {
        loop {
            match self.peek()? {
                Some(b' ' | b'\t' | b'\r' | b'\n') => drop(self.byte()?),
                other => return Ok(other),
            }
        }
    }

    /// A line, without its end; `None` behind the last.
    pub fn take_line(&mut self) -> Result<Option<Vec<u8>>, TransferError> {
        let (mut out, begun) = (Vec::new(), self.line);
        if self.peek()?.is_none() {
            return Ok(None);
        }
        while self.peek()?.is_some() {
            let there = &self.buffer[self.at..self.end];
            let end = there.iter().position(|&byte| byte == b'\n');
            let part = &there[..end.unwrap_or(there.len())];
            if out.len() + part.len() > MAX_DOCUMENT_BYTES {
                return Err(too_long(begun));
            }
            out.extend_from_slice(part);
            self.at += part.len() + usize::from(end.is_some());
            if end.is_some() {
                self.line += 1;
                break;
            }
        }
        if out.last() == Some(&b'\r') {
            out.pop();
        }
        Ok(Some(out))
    }

    /// The bytes of one value of JSON, which is not looked at but for where it ends.
    pub fn take_value(&mut self) -> Result<Vec<u8>, TransferError> {
        let mut out = Vec::new();
        self.behind_space()?;
        let begun = self.line;
        let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
        loop {
            let Some(byte) = self.peek()? else {
                return match depth == 0 && !quoted && !out.is_empty() {
                    true => Ok(out),
                    false => Err(TransferError::cut_off(&format!("what begins on line {begun} has no end"))),
                };
            };
            if quoted {
                quoted = escaped || byte != b'"';
                escaped = byte == b'\\' && !escaped;
            } else {
                match byte {
                    b'"' => quoted = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' | b',' | b':' if depth == 0 => return Ok(out),
                    b'}' | b']' => depth -= 1,
                    b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return Ok(out),
                    _ => {}
                }
                if depth > DEEPEST {
                    let text = format!("a document nests more than {DEEPEST} deep");
                    return Err(TransferError::malformed(self.line, text));
                }
            }
            if out.len() >= MAX_DOCUMENT_BYTES {
                return Err(too_long(begun));
            }
            out.push(byte);
            self.byte()?;
            let closed = depth == 0 && !quoted && matches!(byte, b'}' | b']' | b'"');
            if closed {
                return Ok(out);
            }
        }
    }
}

pub(crate) fn too_long(line: u64) -> TransferError {
    let text =
        format!("line {line}: what begins here is longer than {} MiB, which no document is", MAX_DOCUMENT_BYTES >> 20);
    TransferError::new("file_too_long", text)
}

/// Values of a document at most: a byte of JSON may be a value, which takes many times that.
const VALUES: usize = 500_000;

/// Whether what JSON says is no larger than its text by much.
pub(crate) fn is_small(json: &[u8]) -> bool {
    gateway_graphql::weight::values(json) <= VALUES
}

/// What JSON says, each name of an object once. `line`: where it begins.
pub(crate) fn json<T: serde::de::DeserializeOwned>(bytes: &[u8], line: u64) -> Result<T, TransferError> {
    std::str::from_utf8(bytes).map_err(|_| TransferError::malformed(line, "it is not UTF-8"))?;
    if !is_small(bytes) {
        return Err(TransferError::malformed(line, "it holds more values than a document has"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        // The line of the file, not of the value.
        let at = line + (error.line() as u64).saturating_sub(1);
        let text = error.to_string();
        let why = excerpt(text.split(" at line ").next().unwrap_or_default());
        TransferError::malformed(at, format!("it is not what is expected: {why}"))
    })
}

/// An object whose names are all different.
pub(crate) struct Object(pub Document);

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        struct Names;
        impl<'de> serde::de::Visitor<'de> for Names {
            type Value = Object;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a document, which is an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut out = Document::new();
                while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
                    if out.contains_key(&name) {
                        return Err(serde::de::Error::custom(format_args!(
                            "`{}` stands twice in one object",
                            excerpt(&name)
                        )));
                    }
                    out.insert(name, value);
                }
                Ok(Object(out))
            }
        }
        deserializer.deserialize_map(Names)
    }
}
