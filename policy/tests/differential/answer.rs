//! Answers of either side, in one form.

use std::collections::BTreeSet;

use policy_core::EVERYONE;

/// The answer to a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    /// With the names of what is missing.
    Conditional(BTreeSet<String>),
    Error(Fault),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Too many steps, or a circle.
    Depth,
    /// A caveat could not be evaluated.
    Caveat,
    /// The schema has no such definition or member.
    Unknown,
    /// A check about everyone.
    Everyone,
    /// No answer in time.
    Slow,
    Other(String),
}

impl Fault {
    /// Whether the other side may rightly have an answer: it looked at other branches first.
    pub fn hangs_on_order(&self) -> bool {
        matches!(self, Fault::Depth | Fault::Caveat | Fault::Slow)
    }
}

/// An answer without the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    No,
    Maybe,
    Yes,
}

impl Truth {
    pub fn not(self) -> Truth {
        match self {
            Truth::No => Truth::Yes,
            Truth::Maybe => Truth::Maybe,
            Truth::Yes => Truth::No,
        }
    }
}

impl Answer {
    /// `None` for errors.
    pub fn truth(&self) -> Option<Truth> {
        match self {
            Answer::Yes => Some(Truth::Yes),
            Answer::No => Some(Truth::No),
            Answer::Conditional(_) => Some(Truth::Maybe),
            Answer::Error(_) => None,
        }
    }
}

/// One answer of a lookup.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub id: String,
    pub truth: Truth,
    pub missing: BTreeSet<String>,
    /// Who is not meant by everyone, or perhaps not.
    pub excluded: Vec<Entry>,
}

pub type Entries = Result<Vec<Entry>, Fault>;

/// What the entries say of one id: by its own name, or as one of everyone.
pub fn implied(entries: &[Entry], id: &str) -> Truth {
    let of = |entry: &Entry| {
        if entry.id == id {
            entry.truth
        } else if entry.id == EVERYONE {
            let excluded = entry.excluded.iter().find(|excluded| excluded.id == id);
            entry.truth.min(excluded.map_or(Truth::Yes, |excluded| excluded.truth.not()))
        } else {
            Truth::No
        }
    };
    entries.iter().map(of).max().unwrap_or(Truth::No)
}

/// One entry for each id, the strongest, in order. Of two that are as strong all names count.
pub fn merged(mut entries: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut entries {
        entry.excluded.sort();
    }
    entries.sort_by(|a, b| a.id.cmp(&b.id).then(b.truth.cmp(&a.truth)));
    entries.dedup_by(|next, kept| {
        let same = next.id == kept.id;
        if same && next.truth == kept.truth {
            kept.missing.append(&mut next.missing);
        }
        same
    });
    entries
}
