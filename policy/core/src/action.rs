//! The verbs of a grant, and sets of them.

use std::fmt;
use std::str::FromStr;

/// What may be done to documents. `Search` covers lists, filters, orders, aggregates and groups;
/// `Read` reads by document id what it may; `History` covers commits and the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Verb {
    /// Make documents.
    Create = 1,
    /// Read a document that one can name.
    Read = 2,
    /// Change documents.
    Update = 4,
    /// Delete documents, and take that back.
    Delete = 8,
    /// Find documents: lists, filters, counts.
    Search = 16,
    /// Read what documents were before.
    History = 32,
}

impl Verb {
    /// Every verb, in the order in which a grant shows them.
    pub const ALL: [Verb; 6] = [Verb::Create, Verb::Read, Verb::Update, Verb::Delete, Verb::Search, Verb::History];

    /// The word in grants, manifests and `allod check`.
    pub const fn word(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Read => "read",
            Verb::Update => "update",
            Verb::Delete => "delete",
            Verb::Search => "search",
            Verb::History => "history",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Verb {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Verb::ALL.into_iter().find(|verb| verb.word() == text).ok_or(())
    }
}

/// A set of verbs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Verbs(u8);

impl Verbs {
    /// No verb.
    pub const NONE: Verbs = Verbs(0);
    /// Every verb.
    pub const ALL: Verbs = Verbs(63);

    /// Whether `verb` is in the set.
    pub const fn has(self, verb: Verb) -> bool {
        self.0 & verb as u8 != 0
    }
    /// The set with `verb` in it.
    #[must_use]
    pub const fn with(self, verb: Verb) -> Verbs {
        Verbs(self.0 | verb as u8)
    }
    /// What both sets hold.
    #[must_use]
    pub const fn and(self, other: Verbs) -> Verbs {
        Verbs(self.0 & other.0)
    }
    /// Whether every verb of `other` is in this set.
    pub const fn covers(self, other: Verbs) -> bool {
        self.0 & other.0 == other.0
    }
    /// Whether it holds no verb.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// One bit a verb (create 1, read 2, update 4, delete 8, search 16, history 32): the stored form.
    pub const fn bits(self) -> u8 {
        self.0
    }
    /// The set of these bits; `None` if a bit is no verb.
    pub const fn from_bits(bits: u8) -> Option<Verbs> {
        if bits > 63 { None } else { Some(Verbs(bits)) }
    }
    /// The verbs that it holds.
    pub fn iter(self) -> impl Iterator<Item = Verb> {
        Verb::ALL.into_iter().filter(move |&verb| self.has(verb))
    }
}

impl FromIterator<Verb> for Verbs {
    fn from_iter<I: IntoIterator<Item = Verb>>(verbs: I) -> Self {
        verbs.into_iter().fold(Verbs::NONE, Verbs::with)
    }
}

impl fmt::Debug for Verbs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
