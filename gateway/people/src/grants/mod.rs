//! Grants as apps ask for them, as they are enforced, and as they are shown.
//!
//! An app asks in the words of `authorization_details` (RFC 9396): [`Access`]. [`compile`] turns
//! names into ids and yields the [`policy_core::Grant`] that is stored and enforced. Everything a
//! person or an app is shown of a grant ([`show_json`], [`sentences`]) is made from that grant, never from
//! the request.

mod access;
mod attribute;
pub mod client_document;
pub mod client_metadata;
mod compile;
pub mod manifest;
mod narrow;
mod show;
mod span;
mod widen;
mod words;

pub use access::{
    Access, AccessError, AskedCondition, Operator, parse, parse_value, reads_as_line, reads_once, turns_text,
    unreadable,
};
pub use attribute::{attributed, filter};
pub use compile::{Terms, compile};
pub use manifest::Manifest;
pub use narrow::{extend, left_of, narrow, narrow_unseen};
pub use show::rfc3339;
pub use show::{Order, ends, show_json, where_json};
pub use span::Span;
pub use widen::{Widening, widen};
pub use words::{Statement, date, german_month, marked, operator_words, sentences, statements, verb_word};
