//! The relationship schema language: definitions, relations, permissions over them, and caveats.
//!
//! The language is SpiceDB's: what SpiceDB takes is taken and means the same, what it refuses is refused
//! for the same kind of fault.

mod annotate;
mod build;
mod caveats;
mod check;
mod compile;
mod cycles;
mod diff;
mod error;
mod expression;
mod lex;
mod lint;
mod lookup;
mod names;
mod parse;
mod reach;
mod reflect;
mod source;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::caveat::Caveat;
use caveats::Declared;
pub use diff::Difference;
pub use error::{SchemaError, SchemaFault};
pub use lint::{Lint, LintKind};
pub use lookup::MemberKind;
pub use reach::MemberReference;
pub use reflect::{
    ReflectError, ReflectFilter, ReflectedCaveat, ReflectedDefinition, ReflectedForm, ReflectedParameter,
    ReflectedPermission, ReflectedRelation, ReflectedSubjectType, Reflection,
};

/// The longest schema text that is read, in bytes: as much as SpiceDB takes in one message.
pub const MAX_SCHEMA_BYTES: usize = 4 << 20;

/// How deep the operators of a permission may nest, as written: bounds the recursion of whatever walks
/// its expression. Parentheses that are not needed do not count, nor do those of `((a - b) - c) - d`.
pub(crate) const MAX_NESTING: usize = 32;

/// A definition of the schema, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DefinitionId(pub(crate) u32);

/// A relation or permission of any definition, by its place among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId(pub(crate) u32);

/// A caveat of the schema, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CaveatId(pub(crate) u32);

/// A checked schema: every name in it is resolved. By default, one of nothing.
#[derive(Debug, Default)]
pub struct Schema {
    text: String,
    definitions: Vec<Definition>,
    members: Vec<Member>,
    by_name: HashMap<String, DefinitionId>,
    caveats: Vec<Declared>,
    caveat_names: HashMap<String, CaveatId>,
}

#[derive(Debug)]
struct Definition {
    name: String,
    comments: Vec<String>,
    members: HashMap<String, MemberId>,
    /// The same members, by their places, in the order of the text.
    own: Range<u32>,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) definition: DefinitionId,
    pub(crate) name: String,
    pub(crate) body: Body,
    source: Arc<tree::Member>,
}

#[derive(Debug)]
pub(crate) enum Body {
    /// The forms of subject that a relationship may have.
    Relation(Vec<Allowed>),
    Permission(Rule),
}

/// One form of subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) definition: DefinitionId,
    pub(crate) form: Form,
    pub(crate) caveat: Option<CaveatId>,
    pub(crate) expires: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Object,
    Everyone,
    Members(MemberId),
}

/// How a permission follows. Never nested deeper than [`MAX_NESTING`].
#[derive(Debug)]
pub(crate) enum Rule {
    Nil,
    Itself,
    Member(MemberId),
    Arrow {
        over: MemberId,
        /// What is walked to, by the definition of the subject; one that lacks the name is not here.
        to: Vec<(DefinitionId, MemberId)>,
        /// Every subject must have it, and there must be one.
        all: bool,
    },
    Union(Vec<Rule>),
    Intersection(Vec<Rule>),
    /// The first without all the others.
    Exclusion(Box<Rule>, Vec<Rule>),
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(text: &str) -> Result<Schema, SchemaError> {
        let file = parse::parse(text)?;
        let text = error::Text(text);
        let compiled = compile::compile(text, file)?;
        caveats::check(text, &compiled.caveats)?;
        check::check(text, &compiled)?;
        cycles::check(text, &compiled)?;
        build::build(text, compiled)
    }

    /// The text that was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn definition(&self, name: &str) -> Option<DefinitionId> {
        self.by_name.get(name).copied()
    }
    pub(crate) fn definition_name(&self, id: DefinitionId) -> &str {
        &self.definitions[id.0 as usize].name
    }
    /// How many definitions there are. SpiceDB holds a schema of none, caveats or not, for no schema.
    pub fn definition_count(&self) -> usize {
        self.definitions.len()
    }
    pub(crate) fn member_of(&self, definition: DefinitionId, name: &str) -> Option<MemberId> {
        self.definitions[definition.0 as usize].members.get(name).copied()
    }
    pub(crate) fn member(&self, id: MemberId) -> &Member {
        &self.members[id.0 as usize]
    }
    fn own_members(&self, definition: &Definition) -> impl Iterator<Item = &Member> {
        definition.own.clone().map(|id| self.member(MemberId(id)))
    }
    pub(crate) fn caveat(&self, id: CaveatId) -> &Caveat {
        &self.caveats[id.0 as usize].caveat
    }
    pub(crate) fn caveats(&self) -> impl Iterator<Item = &Caveat> {
        self.caveats.iter().map(|declared| &declared.caveat)
    }
    pub(crate) fn caveat_named(&self, name: &str) -> Option<CaveatId> {
        self.caveat_names.get(name).copied()
    }
    /// The relations of the same definition that a member rests on; a relation rests on itself.
    pub(crate) fn relations_under(&self, member: MemberId) -> Vec<MemberId> {
        let (mut open, mut found) = (vec![member], Vec::new());
        let mut seen = HashSet::new();
        while let Some(next) = open.pop() {
            if !seen.insert(next) {
                continue;
            }
            match &self.member(next).body {
                Body::Relation(_) => found.push(next),
                Body::Permission(rule) => rule.named(&mut open),
            }
        }
        found
    }
    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }
    fn member_ids(&self) -> impl Iterator<Item = MemberId> {
        (0..).map(MemberId).take(self.members.len())
    }
}

impl Rule {
    /// Adds the members of the same definition that the rule names outside arrows.
    fn named(&self, out: &mut Vec<MemberId>) {
        match self {
            Rule::Member(member) => out.push(*member),
            Rule::Union(rules) | Rule::Intersection(rules) => rules.iter().for_each(|rule| rule.named(out)),
            Rule::Exclusion(first, without) => {
                first.named(out);
                without.iter().for_each(|rule| rule.named(out));
            }
            Rule::Nil | Rule::Itself | Rule::Arrow { .. } => {}
        }
    }
}
