//! What was compared, and how it went.

use std::collections::BTreeMap;
use std::fmt;

/// How two answers to one question stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    Equal,
    /// An error on one side that hangs on the order of evaluation, or both have one.
    Undetermined,
    /// SpiceDB answers a bulk or a look-up otherwise than its own single check; ours agrees with the check.
    SelfContradiction,
    Mismatch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Whether a schema is accepted.
    Schema,
    /// Whether a relationship is accepted.
    Relationship,
    Check,
    LookupResources,
    LookupSubjects,
}

#[derive(Debug, Default)]
pub struct Tally {
    counts: BTreeMap<(Subject, Verdict), u64>,
    /// Everything else that is counted.
    pub notes: BTreeMap<String, u64>,
    pub worlds: u64,
}

impl Tally {
    pub fn add(&mut self, subject: Subject, verdict: Verdict) {
        *self.counts.entry((subject, verdict)).or_default() += 1;
    }
    pub fn note(&mut self, what: impl Into<String>) {
        *self.notes.entry(what.into()).or_default() += 1;
    }
    pub fn join(&mut self, other: Tally) {
        for (key, count) in other.counts {
            *self.counts.entry(key).or_default() += count;
        }
        for (key, count) in other.notes {
            *self.notes.entry(key).or_default() += count;
        }
        self.worlds += other.worlds;
    }
    pub fn count(&self, verdict: Verdict) -> u64 {
        self.counts.iter().filter(|((_, of), _)| *of == verdict).map(|(_, count)| count).sum()
    }
    /// Answers on both sides that could be laid side by side.
    pub fn decisions(&self) -> u64 {
        self.counts.iter().filter(|((_, of), _)| *of != Verdict::Undetermined).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Verdict::{Equal, Mismatch, SelfContradiction, Undetermined};
        writeln!(f, "worlds               {:>10}", self.worlds)?;
        writeln!(f, "decisions compared   {:>10}", self.decisions())?;
        for (name, verdict) in [
            ("equal", Equal),
            ("undetermined", Undetermined),
            ("SpiceDB contradicts its own check", SelfContradiction),
            ("MISMATCH", Mismatch),
        ] {
            writeln!(f, "  {name}: {}", self.count(verdict))?;
            for ((subject, _), count) in self.counts.iter().filter(|((_, of), _)| *of == verdict) {
                writeln!(f, "  {count:>12}  {subject:?}")?;
            }
        }
        for (note, count) in &self.notes {
            writeln!(f, "  {count:>12}  {note}")?;
        }
        Ok(())
    }
}
