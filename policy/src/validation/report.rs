//! What came out of running a validation file.

use policy_core::{Object, Permissionship, Traced};

use super::SourcePosition;

/// Everything that was asked of an engine, and what it answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How many relationships were written.
    pub relationships: usize,
    pub assertions: Vec<Asserted>,
    pub expected: Vec<Compared>,
}

/// One assertion.
#[derive(Debug, Clone, PartialEq)]
pub struct Asserted {
    pub at: SourcePosition,
    /// As it is written.
    pub text: String,
    pub expected: Permissionship,
    /// The answer, or why there is none.
    pub got: Result<Permissionship, String>,
    /// What a conditional answer lacks.
    pub missing: Vec<String>,
    /// How a wrong answer came about, where the engine can tell.
    pub trace: Option<Traced>,
}

/// The members of one relation or permission, compared with those that are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    pub at: SourcePosition,
    pub resource: Object,
    pub member: String,
    /// How many lines there are about it.
    pub lines: usize,
    pub differences: Vec<Difference>,
}

/// One way in which the members are not those that are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub at: SourcePosition,
    pub message: String,
}

impl Report {
    /// Whether everything is as the file says.
    pub fn passed(&self) -> bool {
        self.failures() == 0
    }
    /// How many assertions are wrong and how many lists of members differ.
    pub fn failures(&self) -> usize {
        self.assertions.iter().filter(|one| !one.passed()).count()
            + self.expected.iter().filter(|one| !one.passed()).count()
    }
    /// How many assertions and lists of members there are.
    pub fn total(&self) -> usize {
        self.assertions.len() + self.expected.len()
    }
}

impl Asserted {
    pub fn passed(&self) -> bool {
        self.got.as_ref() == Ok(&self.expected)
    }
}

impl Compared {
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}
