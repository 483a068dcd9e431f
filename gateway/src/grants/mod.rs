//! Grants as apps ask for them, as they are enforced, and as they are shown.
//!
//! An app asks in the words of `authorization_details` (RFC 9396): [`Access`]. [`compile`] turns
//! names into ids and yields the [`policy_core::Grant`] that is stored and enforced. Everything a
//! person or an app is shown of a grant ([`show`], [`sentences`]) is made from that grant, never from
//! the request.

mod access;
mod attribute;
mod compile;
mod issue;
mod manifest;
mod show;
mod span;
mod words;

pub use access::{Access, Asked, Operator, parse, parse_value, reads_once, unreadable};
pub use attribute::{attributed, filter};
pub use compile::{Terms, compile};
pub(crate) use issue::space_of;
pub use issue::{GrantRequest, IssueError, issue, revoke};
pub use manifest::Manifest;
pub(crate) use show::rfc3339;
pub use show::{Order, ends, show_json, where_json};
pub use span::Span;
pub use words::{date, sentences};

/// Why a requested access cannot become a grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("The key `{0}` is not supported in a grant; nothing is shown that is not enforced.")]
    UnsupportedKey(String),
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    OutsideManifest(String),
    /// The definitions of the space do not fit.
    #[error("{0}")]
    Schema(String),
}

impl AccessError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            AccessError::UnsupportedKey(_) => "grant_key_unsupported",
            AccessError::Malformed(_) => "grant_malformed",
            AccessError::OutsideManifest(_) => "grant_outside_manifest",
            AccessError::Schema(_) => "grant_schema_mismatch",
        }
    }

    fn malformed(text: impl Into<String>) -> Self {
        AccessError::Malformed(text.into())
    }
}
