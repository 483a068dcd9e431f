//! Why a file was not written or not read.

use std::path::Path;

/// Characters of what a file says that are told again.
const MAX_EXCERPT_CHARACTERS: usize = 120;

/// What a file says, as a message tells it: not all of something long, and nothing that a terminal would obey.
pub fn excerpt(text: &str) -> String {
    let mut characters = text.chars().map(|one| if one.is_control() { '\u{fffd}' } else { one });
    let mut out: String = characters.by_ref().take(MAX_EXCERPT_CHARACTERS).collect();
    if characters.next().is_some() {
        out.push('…');
    }
    out
}

/// A stable code, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransferError {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl TransferError {
    /// With a code and a sentence.
    pub fn new(code: &'static str, message: impl Into<String>) -> TransferError {
        TransferError { code, message: message.into() }
    }

    /// What is read is not of its format, at this line or row.
    pub(crate) fn malformed(place: u64, why: impl std::fmt::Display) -> TransferError {
        TransferError::new("file_malformed", format!("line {place}: {why}"))
    }

    /// The file ends before what it holds does.
    pub(crate) fn cut_off(why: &str) -> TransferError {
        TransferError::new("file_cut_off", format!("the file ends in the middle: {why}"))
    }

    /// The system refused to read or write.
    pub fn io(path: &Path, error: &std::io::Error) -> TransferError {
        TransferError::new("file_failed", format!("{}: {error}", path.display()))
    }
}
