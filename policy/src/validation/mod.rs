//! SpiceDB's validation files: a schema, relationships, and what must follow from them. `zed` and the playground read
//! the same format.

mod expected;
mod file;
mod report;
mod run;
#[cfg(test)]
mod tests;
mod yaml;

pub use expected::{ExpectedMember, ExpectedSubject};
pub use file::{Assertion, ExpectedMembers, Relationship, SchemaSource, ValidationFile};
pub use report::{Asserted, Compared, Difference, Report};
pub use run::{LoadError, run};

/// The longest file that is read, in bytes.
pub const MAX_VALIDATION_FILE_BYTES: usize = 16 << 20;

/// Where something stands in a file. Both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcePosition {
    pub line: u32,
    pub column: u32,
}

impl SourcePosition {
    fn error(self, message: impl Into<String>) -> ValidationFileError {
        ValidationFileError { at: self, message: message.into() }
    }
}

/// A text that is no validation file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {message}", at.line, at.column)]
pub struct ValidationFileError {
    pub at: SourcePosition,
    pub message: String,
}
