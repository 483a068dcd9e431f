//! What a request is planned with.

use policy_core::UserId;

use super::cache::Caches;
use super::names::Spelling;
use super::request::Limits;
use super::visible::Masks;

/// So much of a ready answer is free, in bytes.
pub const FREE_ANSWER: usize = 64 << 10;

/// Under what a request is planned.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// All definitions of the space.
    pub schema: &'a vault_core::schema::Schema,
    /// What the caller may do in each collection.
    pub masks: Masks<'a>,
    /// How names are spelt.
    pub spelling: Spelling,
    /// Whether a mutation may be asked for (not by GET).
    pub allow_mutation: bool,
    /// What it may cost.
    pub limits: Limits,
    /// Where schemas and documents are kept.
    pub caches: &'a Caches,
    /// Who asks, or whose app or link: what is kept counts as theirs.
    pub who: UserId,
    /// Whether a ready answer may take so many bytes: asked as it grows beyond [`FREE_ANSWER`].
    pub room: &'a dyn Fn(usize) -> bool,
}
