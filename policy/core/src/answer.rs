//! What engines answer besides yes and no: how something came about, and what a permission is made of.

use crate::{Check, Context, Object, Permissionship, Subject, Timestamp};

/// A decision and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    pub check: Check,
    /// Whether `check.permission` is a permission, not a relation.
    pub is_permission: bool,
    pub permissionship: Permissionship,
    /// As in [`crate::Decision::missing`].
    pub missing: Vec<String>,
    /// The caveat of the relationship that was followed here.
    pub caveat: Option<TracedCaveat>,
    /// When that relationship lapses.
    pub until: Option<Timestamp>,
    /// What it rests on: for a yes the steps that made it so, else everything that was tried.
    pub steps: Vec<Traced>,
}

/// A caveat as it was evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct TracedCaveat {
    pub name: String,
    pub expression: String,
    /// The values that it saw, of the relationship and of the request.
    pub context: Context,
    pub outcome: CaveatOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaveatOutcome {
    True,
    False,
    /// Names of parameters, sorted.
    Missing(Vec<String>),
}

/// One step of what a relation or permission of an object is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    pub object: Object,
    pub member: String,
    pub tree: ExpandedTree,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpandedTree {
    /// The subjects that are written there.
    Subjects(Vec<Subject>),
    Union(Vec<Expanded>),
    Intersection(Vec<Expanded>),
    /// The first without all the others.
    Exclusion(Vec<Expanded>),
}
