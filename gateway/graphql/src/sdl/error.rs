//! Why definitions are not taken, and where in their text.

use apollo_compiler::Node;
use apollo_compiler::ast::Document;

/// Why a definition was not taken. Messages name the type and field; positions are from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdlError {
    /// A collection of this name is there.
    #[error("The collection `{name}` exists already (line {line}, column {column}).")]
    Exists {
        /// Its name.
        name: String,
        /// Where it is defined again.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Not of the language, or a contradiction.
    #[error("{message} (line {line}, column {column})")]
    Invalid {
        /// What is wrong, without its place.
        message: String,
        /// Where.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Part of the language, and not built yet.
    #[error("{message} (line {line}, column {column})")]
    Unsupported {
        /// What it is, without its place.
        message: String,
        /// Where.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// More text, collections or fields than one request may define.
    #[error("The definitions are too large: {0}.")]
    TooLarge(&'static str),
}

impl SdlError {
    /// The `code` in an answer.
    pub fn code(&self) -> &'static str {
        match self {
            SdlError::Exists { .. } => "conflict",
            SdlError::Invalid { .. } => "invalid_input",
            SdlError::Unsupported { .. } => "unsupported",
            SdlError::TooLarge(_) => "limit_tokens",
        }
    }
}

/// Where in the text something stands.
pub(super) struct Places<'a>(pub(super) &'a Document);

impl Places<'_> {
    pub(super) fn at<T>(&self, node: &Node<T>) -> (usize, usize) {
        node.line_column_range(&self.0.sources).map_or((1, 1), |range| (range.start.line, range.start.column))
    }
    pub(super) fn invalid<T>(&self, node: &Node<T>, message: impl Into<String>) -> SdlError {
        let (line, column) = self.at(node);
        SdlError::Invalid { message: message.into(), line, column }
    }
    pub(super) fn unsupported<T>(&self, node: &Node<T>, message: impl Into<String>) -> SdlError {
        let (line, column) = self.at(node);
        SdlError::Unsupported { message: message.into(), line, column }
    }
}
