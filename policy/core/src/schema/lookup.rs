//! What names stand for.

use std::collections::HashSet;

use super::{Body, Form, MemberId, Rule, Schema};

/// What a member of a definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberKind {
    Relation,
    Permission,
}

impl Schema {
    /// The names of all definitions, in the order of the text.
    pub fn definition_names(&self) -> impl Iterator<Item = &str> {
        self.definitions.iter().map(|definition| definition.name.as_str())
    }

    /// Whether there is such a definition.
    pub fn defines(&self, definition: &str) -> bool {
        self.definition(definition).is_some()
    }

    /// What `name` is in a definition, if that is there and has it.
    pub fn member_kind(&self, definition: &str, name: &str) -> Option<MemberKind> {
        let member = self.member_of(self.definition(definition)?, name)?;
        Some(match self.member(member).body {
            Body::Relation(_) => MemberKind::Relation,
            Body::Permission(_) => MemberKind::Permission,
        })
    }

    /// Whether a relationship of this relation may take a permission away: it stands, by whatever way, on the right
    /// of some `-`.
    pub fn takes_away(&self, definition: &str, relation: &str) -> bool {
        let found = self.definition(definition).and_then(|of| self.member_of(of, relation));
        let Some(sought) = found else { return false };
        let (mut open, mut seen) = (Vec::new(), HashSet::new());
        for id in self.member_ids() {
            if let Body::Permission(rule) = &self.member(id).body {
                subtracted(rule, &mut open);
            }
        }
        while let Some(next) = open.pop() {
            if next == sought {
                return true;
            }
            if !seen.insert(next) {
                continue;
            }
            match &self.member(next).body {
                Body::Permission(rule) => all_named(rule, &mut open),
                Body::Relation(allowed) => open.extend(allowed.iter().filter_map(|one| match one.form {
                    Form::Members(member) => Some(member),
                    Form::Object | Form::Everyone => None,
                })),
            }
        }
        false
    }
}

/// What stands on the right of an exclusion.
fn subtracted(rule: &Rule, out: &mut Vec<MemberId>) {
    match rule {
        Rule::Nil | Rule::Itself | Rule::Member(_) | Rule::Arrow { .. } => {}
        Rule::Union(rules) | Rule::Intersection(rules) => rules.iter().for_each(|rule| subtracted(rule, out)),
        Rule::Exclusion(first, without) => {
            subtracted(first, out);
            without.iter().for_each(|rule| all_named(rule, out));
        }
    }
}

fn all_named(rule: &Rule, out: &mut Vec<MemberId>) {
    match rule {
        Rule::Nil | Rule::Itself => {}
        Rule::Member(member) => out.push(*member),
        Rule::Arrow { over, to, .. } => {
            out.push(*over);
            out.extend(to.iter().map(|&(_, member)| member));
        }
        Rule::Union(rules) | Rule::Intersection(rules) => rules.iter().for_each(|rule| all_named(rule, out)),
        Rule::Exclusion(first, without) => {
            all_named(first, out);
            without.iter().for_each(|rule| all_named(rule, out));
        }
    }
}
