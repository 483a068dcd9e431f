//! What engines answer besides yes and no: how something came about, and what a permission is made of.

use crate::{Check, Context, Object, Permissionship, Subject, Tuple};

/// A decision and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    pub check: Check,
    /// Whether `check.permission` is a permission, not a relation.
    pub is_permission: bool,
    pub permissionship: Permissionship,
    /// As in [`crate::Decision::missing`].
    pub missing: Vec<String>,
    /// The relationship that led from the step above to this one.
    pub via: Option<Followed>,
    /// The relationships that name the subject itself, or everyone, in this relation.
    pub direct: Vec<Followed>,
    /// What it rests on: for a yes the steps that made it so, else everything that was tried.
    pub steps: Vec<Traced>,
}

/// A relationship on the way, and what its caveat said.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    pub tuple: Tuple,
    pub caveat: Option<TracedCaveat>,
}

impl Traced {
    /// The relationships, from the resource to the subject, that made a yes. A denial rests on what is not there and
    /// has none.
    pub fn path(&self) -> Vec<&Tuple> {
        let mut path = Vec::new();
        self.walk(&mut path);
        path
    }

    fn walk<'a>(&'a self, path: &mut Vec<&'a Tuple>) {
        if self.permissionship != Permissionship::Yes {
            return;
        }
        path.extend(self.via.iter().chain(&self.direct).map(|followed| &followed.tuple));
        self.steps.iter().for_each(|step| step.walk(path));
    }
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
    Failed(String),
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
