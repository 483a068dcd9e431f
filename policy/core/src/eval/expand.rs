//! What a permission of an object is made of: rules and arrows are followed, relations are where it stops.

use std::cell::Cell;

use super::{CheckError, MAX_DEPTH, ObjectMember, on_enough_stack, target};
use crate::schema::{Body, Rule};
use crate::tuples::{ObjectIndex, Tuples};
use crate::{Expanded, ExpandedTree, Object, Subject, Timestamp};

impl Tuples {
    /// The tree of a relation or permission. Subjects that stand for others are leaves; expand them in turn.
    ///
    /// # Errors
    /// If the schema has no such member, the way is longer than [`MAX_DEPTH`] steps, or the tree has more than
    /// 100,000 nodes.
    pub fn expand(&self, resource: &Object, member: &str, now: Timestamp) -> Result<Expanded, CheckError> {
        let place = self.place(resource, member)?;
        Expansion { tuples: self, now, root: resource, nodes: Cell::new(0) }.place(place, MAX_DEPTH)
    }
}

/// A tree may have so many nodes: ways that meet again are told as often as they are walked.
const MAX_NODES: usize = 100_000;

struct Expansion<'a> {
    tuples: &'a Tuples,
    now: Timestamp,
    root: &'a Object,
    nodes: Cell<usize>,
}

impl Expansion<'_> {
    fn place(&self, place: ObjectMember, depth: u8) -> Result<Expanded, CheckError> {
        if depth == 0 {
            return Err(CheckError::Depth);
        }
        let tree = on_enough_stack(|| match &self.tuples.schema().member(place.0).body {
            Body::Relation(_) => Ok(ExpandedTree::Subjects(self.subjects(place))),
            Body::Permission(rule) => self.tree(rule, place, depth),
        })?;
        Ok(self.node(place, tree))
    }

    fn node(&self, (member, node): ObjectMember, tree: ExpandedTree) -> Expanded {
        let member = self.tuples.schema().member(member);
        let object = match node {
            ObjectIndex::NOWHERE => self.root.clone(),
            node => Object::new(
                self.tuples.schema().definition_name(member.definition),
                self.tuples.names().read().id(node),
            ),
        };
        Expanded { object, member: member.name.clone(), tree }
    }

    fn count(&self) -> Result<(), CheckError> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > MAX_NODES { Err(CheckError::TooLarge) } else { Ok(()) }
    }

    fn subjects(&self, (member, node): ObjectMember) -> Vec<Subject> {
        let live = self.tuples.rows(member, node).filter(|(_, terms)| terms.is_none_or(|terms| terms.live(self.now)));
        live.map(|row| self.tuples.tuple(row).subject).collect()
    }

    fn tree(&self, rule: &Rule, own: ObjectMember, depth: u8) -> Result<ExpandedTree, CheckError> {
        let children = |rules: &[Rule]| -> Result<Vec<Expanded>, CheckError> {
            rules.iter().map(|rule| self.child(rule, own, depth)).collect()
        };
        Ok(match rule {
            Rule::Union(rules) => ExpandedTree::Union(children(rules)?),
            Rule::Intersection(rules) => ExpandedTree::Intersection(children(rules)?),
            Rule::Exclusion(first, without) => {
                let mut parts = vec![self.child(first, own, depth)?];
                for rule in without {
                    parts.push(self.child(rule, own, depth)?);
                }
                ExpandedTree::Exclusion(parts)
            }
            // A permission that is one thing is a union of one.
            other => ExpandedTree::Union(vec![self.child(other, own, depth)?]),
        })
    }

    fn child(&self, rule: &Rule, own: ObjectMember, depth: u8) -> Result<Expanded, CheckError> {
        self.count()?;
        Ok(match rule {
            Rule::Nil => self.node(own, ExpandedTree::Subjects(Vec::new())),
            Rule::Itself => {
                let itself =
                    Subject { object: self.node(own, ExpandedTree::Subjects(Vec::new())).object, relation: None };
                self.node(own, ExpandedTree::Subjects(vec![itself]))
            }
            Rule::Member(member) => self.place((*member, own.1), depth - 1)?,
            Rule::Arrow { over, to, all, .. } => {
                let mut children = Vec::new();
                for (edge, terms) in self.tuples.rows(*over, own.1) {
                    if terms.is_some_and(|terms| !terms.live(self.now)) {
                        continue;
                    }
                    self.count()?;
                    children.push(match target(to, self.tuples.definition_in(edge.of)) {
                        Some(target) => self.place((target, edge.subject), depth - 1)?,
                        None => self.node(own, ExpandedTree::Subjects(Vec::new())),
                    });
                }
                let tree = if *all { ExpandedTree::Intersection(children) } else { ExpandedTree::Union(children) };
                self.node(own, tree)
            }
            Rule::Union(_) | Rule::Intersection(_) | Rule::Exclusion(..) => {
                let tree = self.tree(rule, own, depth)?;
                self.node(own, tree)
            }
        })
    }
}
