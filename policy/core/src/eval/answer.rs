//! Answers on the way, and how they combine: Kleene's three values, each with the time until which it holds, and failure.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::CheckError;
use crate::permit::earliest;
use crate::{Decision, Permissionship, Timestamp};

/// The earliest instant at which a row that the answer rests on lapses; `None`: never.
pub(super) type Until = Option<Timestamp>;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    No(Until),
    /// It depends on these parameters of caveats.
    Maybe(Arc<BTreeSet<String>>, Until),
    Yes(Until),
    /// Apart, since it is large and rare.
    Failed(Box<Failure>),
}

/// Why a part has no answer. Of two the lesser is reported, so that the order of parts does not matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failure {
    Depth,
    Caveat { caveat: Arc<str>, parameter: Option<Arc<str>>, message: Arc<str> },
}

impl Answer {
    pub(super) const NO: Answer = Answer::No(None);
    pub(super) const YES: Answer = Answer::Yes(None);

    /// Nothing that follows in a union can change it.
    pub(super) fn is_yes_for_ever(&self) -> bool {
        matches!(self, Answer::Yes(None))
    }
    /// Nothing that follows in an intersection can change it.
    pub(super) fn is_no_for_ever(&self) -> bool {
        matches!(self, Answer::No(None))
    }

    pub(super) fn is_no(&self) -> bool {
        matches!(self, Answer::No(_))
    }
    pub(super) fn is_yes(&self) -> bool {
        matches!(self, Answer::Yes(_))
    }

    /// Yes if either is; a failure of one does not hide the yes of the other.
    pub(super) fn or(self, other: Answer) -> Answer {
        use Answer::{Failed, Maybe, No, Yes};
        match (self, other) {
            (Yes(a), Yes(b)) => Yes(latest(a, b)),
            (yes @ Yes(_), _) | (_, yes @ Yes(_)) => yes,
            (Failed(a), Failed(b)) => Failed(a.min(b)),
            (failed @ Failed(_), _) | (_, failed @ Failed(_)) => failed,
            (No(a), No(b)) => No(earliest(a, b)),
            (Maybe(names, a), No(b)) | (No(b), Maybe(names, a)) => Maybe(names, earliest(a, b)),
            (Maybe(names, a), Maybe(others, b)) => Maybe(joined(names, &others), earliest(a, b)),
        }
    }

    /// No if either is; a failure of one does not hide the no of the other.
    pub(super) fn and(self, other: Answer) -> Answer {
        use Answer::{Failed, Maybe, No, Yes};
        match (self, other) {
            (No(a), No(b)) => No(latest(a, b)),
            (no @ No(_), _) | (_, no @ No(_)) => no,
            (Failed(a), Failed(b)) => Failed(a.min(b)),
            (failed @ Failed(_), _) | (_, failed @ Failed(_)) => failed,
            (Yes(a), Yes(b)) => Yes(earliest(a, b)),
            (Maybe(names, a), Yes(b)) | (Yes(b), Maybe(names, a)) => Maybe(names, earliest(a, b)),
            (Maybe(names, a), Maybe(others, b)) => Maybe(joined(names, &others), earliest(a, b)),
        }
    }

    pub(super) fn not(self) -> Answer {
        match self {
            Answer::No(until) => Answer::Yes(until),
            Answer::Yes(until) => Answer::No(until),
            other => other,
        }
    }

    /// The same, but only until then: what it rests on changes at that instant.
    pub(super) fn before(self, end: Until) -> Answer {
        match self {
            Answer::No(until) => Answer::No(earliest(until, end)),
            Answer::Maybe(names, until) => Answer::Maybe(names, earliest(until, end)),
            Answer::Yes(until) => Answer::Yes(earliest(until, end)),
            failed @ Answer::Failed(_) => failed,
        }
    }

    pub(super) fn decide(self) -> Result<Decision, CheckError> {
        let (permissionship, missing, valid_until) = match self {
            Answer::No(until) => (Permissionship::No, Vec::new(), until),
            Answer::Yes(until) => (Permissionship::Yes, Vec::new(), until),
            Answer::Maybe(names, until) => (Permissionship::Conditional, names.iter().cloned().collect(), until),
            Answer::Failed(failure) => return Err((*failure).into()),
        };
        Ok(Decision { permissionship, missing, valid_until })
    }
}

impl From<Failure> for CheckError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Depth => CheckError::Depth,
            Failure::Caveat { caveat, parameter, message } => CheckError::Caveat {
                caveat: caveat.to_string(),
                parameter: parameter.map(|parameter| parameter.to_string()),
                message: message.to_string(),
            },
        }
    }
}

/// The later of two ends, where `None` never comes.
fn latest(a: Until, b: Until) -> Until {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        _ => None,
    }
}

fn joined(mut names: Arc<BTreeSet<String>>, others: &Arc<BTreeSet<String>>) -> Arc<BTreeSet<String>> {
    if !others.is_subset(&names) {
        Arc::make_mut(&mut names).extend(others.iter().cloned());
    }
    names
}
