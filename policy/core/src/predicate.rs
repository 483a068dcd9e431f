//! Row predicates: which documents an entry of a permit covers.

use crate::FieldId;

/// Microseconds since the Unix epoch, UTC. Always passed in; no core reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// So many seconds since the Unix epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Timestamp(seconds.saturating_mul(1_000_000))
    }
    /// Seconds since the Unix epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

/// A scalar as documents and predicates hold it.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// No value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Signed, of 64 bits.
    Int(i64),
    /// Never NaN, never infinite: refused where it would enter.
    Float(f64),
    /// Text.
    String(String),
    /// An instant.
    DateTime(Timestamp),
    /// Bytes.
    Blob(Vec<u8>),
}

/// The fixed operator set of a grant's `where`: each can be said in one sentence on the consent page.
#[derive(Debug, Clone, PartialEq)]
pub enum Comparison {
    /// The same value.
    Eq(Scalar),
    /// Another value, or none.
    Neq(Scalar),
    /// One of these.
    In(Vec<Scalar>),
    /// None of these.
    Nin(Vec<Scalar>),
    /// Greater.
    Gt(Scalar),
    /// Greater, or the same.
    Geq(Scalar),
    /// Less.
    Lt(Scalar),
    /// Less, or the same.
    Leq(Scalar),
}

/// One field compared with constants.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Whose value is compared.
    pub field: FieldId,
    /// With what, and how.
    pub comparison: Comparison,
}

/// All conditions hold (AND). Without conditions every document is covered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Predicate {
    /// All of them must be true; of none the predicate is true of everything.
    pub conditions: Vec<Condition>,
}

impl Predicate {
    /// Covers every document.
    pub fn is_everything(&self) -> bool {
        self.conditions.is_empty()
    }
    /// The value that an `_eq` condition demands of `field`: `add` sets it where the caller cannot.
    pub fn equal_to(&self, field: FieldId) -> Option<&Scalar> {
        self.conditions.iter().find_map(|c| match &c.comparison {
            Comparison::Eq(value) if c.field == field => Some(value),
            _ => None,
        })
    }
}
