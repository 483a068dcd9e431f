//! What names stand for.

use std::collections::HashSet;

use super::{Body, Form, MemberId, Rule, Schema};

/// What a member of a definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberKind {
    /// What is stored.
    Relation,
    /// What is computed.
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

    /// Whether a relationship of this relation may take a permission away: it stands, by whatever way, on the right of an
    /// odd number of `-`. By the permissions `refusing` (definition and name) nobody is allowed anything: they count only
    /// in what uses them.
    pub fn takes_away(&self, definition: &str, relation: &str, refusing: &[(&str, &str)]) -> bool {
        let find = |definition: &str, name: &str| self.member_of(self.definition(definition)?, name);
        let Some(sought) = find(definition, relation) else { return false };
        let refusing: HashSet<MemberId> = refusing.iter().filter_map(|(of, name)| find(of, name)).collect();
        let roots = self.member_ids().filter(|id| !refusing.contains(id));
        let mut open: Vec<(MemberId, bool)> = roots.map(|id| (id, false)).collect();
        let mut seen = HashSet::new();
        while let Some((next, taken)) = open.pop() {
            if next == sought && taken {
                return true;
            }
            if !seen.insert((next, taken)) {
                continue;
            }
            match &self.member(next).body {
                Body::Permission(rule) => named(rule, taken, &mut open),
                Body::Relation(allowed) => open.extend(allowed.iter().filter_map(|one| match one.form {
                    Form::Members(member) => Some((member, taken)),
                    Form::Object | Form::Everyone => None,
                })),
            }
        }
        false
    }
}

/// What a rule names, and whether that takes away.
fn named(rule: &Rule, taken: bool, out: &mut Vec<(MemberId, bool)>) {
    match rule {
        Rule::Nil | Rule::Itself => {}
        Rule::Member(member) => out.push((*member, taken)),
        Rule::Arrow { over, to, .. } => {
            out.push((*over, taken));
            out.extend(to.iter().map(|&(_, member)| (member, taken)));
        }
        Rule::Union(rules) | Rule::Intersection(rules) => rules.iter().for_each(|rule| named(rule, taken, out)),
        Rule::Exclusion(first, without) => {
            named(first, taken, out);
            without.iter().for_each(|rule| named(rule, !taken, out));
        }
    }
}
