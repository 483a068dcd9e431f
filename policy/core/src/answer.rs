//! What engines answer besides yes and no: how something came about, and what a permission is made of.

use crate::{Check, Context, Object, Permissionship, Subject, Tuple};

/// A decision and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    /// What was asked.
    pub check: Check,
    /// Whether `check.permission` is a permission, not a relation.
    pub is_permission: bool,
    /// What this part of the question came to.
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
    /// The relationship as it is stored.
    pub tuple: Tuple,
    /// The caveat that it stands under, and what became of it.
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
    /// As the schema calls it.
    pub name: String,
    /// Its expression, as the schema writes it.
    pub expression: String,
    /// The values that it saw, of the relationship and of the request.
    pub context: Context,
    /// What it came to.
    pub outcome: CaveatOutcome,
}

/// What a caveat came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaveatOutcome {
    /// It holds: the relationship counts.
    True,
    /// It does not hold: the relationship does not count.
    False,
    /// Names of parameters, sorted.
    Missing(Vec<String>),
    /// Its expression failed, for this reason: the relationship does not count.
    Failed(String),
}

/// One step of what a relation or permission of an object is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// Whose members these are.
    pub object: Object,
    /// Its relation or permission.
    pub member: String,
    /// Who they are, and by what.
    pub tree: ExpandedTree,
}

/// How a relation or permission comes to its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpandedTree {
    /// The subjects that are written there.
    Subjects(Vec<Subject>),
    /// Whoever is in one of them.
    Union(Vec<Expanded>),
    /// Whoever is in all of them.
    Intersection(Vec<Expanded>),
    /// The first without all the others.
    Exclusion(Vec<Expanded>),
}
