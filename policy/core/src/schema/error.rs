//! What is wrong with a schema, and where.

/// What kind of mistake a schema has. Engines agree on the kind; SpiceDB answers each with another status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaFault {
    /// The text is not of the language, or a name or a caveat in it is malformed (`INVALID_ARGUMENT`).
    Syntax,
    /// The text is of the language, but names or types in it do not fit together (`FAILED_PRECONDITION`).
    Types,
    /// Permissions or partials lead back to themselves, or a partial leads to none (`UNKNOWN`).
    Cycle,
}

/// A schema that cannot be used: its first mistake.
///
/// Line and column count from 1; columns count bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct SchemaError {
    /// What kind of mistake it is.
    pub fault: SchemaFault,
    /// From 1 on.
    pub line: u32,
    /// From 1 on, in bytes.
    pub column: u32,
    /// The mistake without its place, in SpiceDB's words where SpiceDB knows it.
    pub message: String,
    /// The piece of the text, or the name, that the message is about; may be empty.
    pub source_code: String,
    /// Line and column of the last byte of what is wrong; it may lie before the place of the error,
    /// where something is missing. `None` at the very start of the text.
    pub end: Option<(u32, u32)>,
    /// What the message names, by the keys that SpiceDB uses; empty unless the fault is one of types.
    pub about: Vec<(&'static str, String)>,
}

impl SchemaError {
    /// The key-value pairs that SpiceDB attaches to the error. Its lines and columns count from 0.
    pub fn details(&self) -> Vec<(&'static str, String)> {
        match (self.fault, self.end) {
            (SchemaFault::Syntax, Some((end_line, end_column))) => vec![
                ("start_line_number", self.line.saturating_sub(1).to_string()),
                ("start_column_position", self.column.saturating_sub(1).to_string()),
                ("end_line_number", end_line.saturating_sub(1).to_string()),
                ("end_column_position", end_column.saturating_sub(1).to_string()),
                ("source_code", self.source_code.clone()),
            ],
            _ => self.about.clone(),
        }
    }
}

/// A stretch of the text, in bytes: from its first to behind its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The text that errors are placed in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a>(pub(super) &'a str);

impl<'a> Text<'a> {
    pub(super) fn slice(self, span: Span) -> &'a str {
        self.0.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Line and column of a byte, from 1. Counts lines: for errors only.
    pub(super) fn place(self, offset: u32) -> (u32, u32) {
        let before = &self.0.as_bytes()[..(offset as usize).min(self.0.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count();
        let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count();
        (number(line) + 1, number(column) + 1)
    }

    pub(super) fn syntax(self, at: Span, source_code: &str, message: impl Into<String>) -> SchemaError {
        let end = at.end.checked_sub(1).map(|last| self.place(last));
        SchemaError { end, ..self.error(SchemaFault::Syntax, at.start, source_code, message.into()) }
    }

    pub(super) fn types(self, at: u32, source_code: &str, message: impl Into<String>) -> SchemaError {
        self.error(SchemaFault::Types, at, source_code, message.into())
    }

    pub(super) fn cycle(self, at: u32, message: impl Into<String>) -> SchemaError {
        self.error(SchemaFault::Cycle, at, "", message.into())
    }

    fn error(self, fault: SchemaFault, at: u32, source_code: &str, message: String) -> SchemaError {
        let (line, column) = self.place(at);
        SchemaError { fault, line, column, message, source_code: source_code.to_owned(), end: None, about: Vec::new() }
    }
}

impl SchemaError {
    /// Adds what the message names.
    pub(super) fn about(mut self, key: &'static str, value: &str) -> Self {
        self.about.push((key, value.to_owned()));
        self
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX - 1)
}
