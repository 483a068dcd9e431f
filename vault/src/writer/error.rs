//! Why a change was not made.

use policy_core::SealRefusal;

use crate::view::ViewError;

/// Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Mint again, or give up.
    #[error(transparent)]
    Permit(SealRefusal),
    #[error("this is not allowed")]
    Forbidden,
    /// `None`: a field that the caller does not see.
    #[error("{}", match field { Some(field) => format!("the field `{field}` must not be null"), None => "a field that must not be null has no value".into() })]
    NotNull { field: Option<String> },
    #[error("the value of `{field}` is taken")]
    NotUnique { field: String },
    #[error("the value of `{field}` is not valid: {reason}")]
    InvalidInput { field: String, reason: &'static str },
    #[error("the value of `{field}` is larger than 1 MiB")]
    ValueTooLarge { field: String },
    #[error("the document was changed by another")]
    Conflict,
    #[error("one request changes at most 10,000 documents or 16 MiB")]
    TooManyRows,
    #[error("too much of yours waits to be written; try again when some of it is")]
    Busy,
    /// The log failed during this request: it may or may not be durable, and is not acknowledged.
    #[error("the log could not be written; the node stops writing until it is started again")]
    Log,
    #[error("the node does not write: start it again")]
    Stopped,
    #[error(transparent)]
    View(#[from] ViewError),
}
