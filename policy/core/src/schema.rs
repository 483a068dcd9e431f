//! The relationship schema language: definitions, relations and permissions over them.
//!
//! The language is that of SpiceDB, without caveats, partials and imports, which are refused by name.

mod check;
mod lex;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

/// The longest schema text that is read, in bytes.
pub const MAX_SCHEMA_BYTES: usize = 1 << 20;

/// What kind of mistake a schema has. Engines agree on the kind, not on the wording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaFault {
    /// The text is not of the language.
    Syntax,
    /// The text is of the language, but names or types in it do not fit together.
    Types,
}

/// A schema that cannot be used. Line and column count from 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct SchemaError {
    pub fault: SchemaFault,
    pub line: u32,
    pub column: u32,
    pub message: String,
}

/// Where in the text something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct At {
    line: u32,
    column: u32,
}

impl At {
    fn syntax(self, message: impl Into<String>) -> SchemaError {
        self.error(SchemaFault::Syntax, message)
    }
    fn types(self, message: impl Into<String>) -> SchemaError {
        self.error(SchemaFault::Types, message)
    }
    fn error(self, fault: SchemaFault, message: impl Into<String>) -> SchemaError {
        SchemaError { fault, line: self.line, column: self.column, message: message.into() }
    }
}

/// A definition of the schema, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DefinitionId(pub(crate) u32);

/// A relation or permission of any definition, by its place among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId(pub(crate) u32);

/// A caveat of the schema, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CaveatId(pub(crate) u32);

/// A checked schema: every name in it is resolved.
#[derive(Debug)]
pub struct Schema {
    definitions: Vec<Definition>,
    members: Vec<Member>,
    by_name: HashMap<String, DefinitionId>,
    caveats: Vec<crate::caveat::Caveat>,
}

#[derive(Debug)]
struct Definition {
    name: String,
    members: HashMap<String, MemberId>,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) definition: DefinitionId,
    pub(crate) name: String,
    pub(crate) body: Body,
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

/// How a permission follows. Never nested deeper than [`parse::MAX_NESTING`] parentheses.
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
        check::check(&parse::parse(text)?)
    }

    pub(crate) fn definition(&self, name: &str) -> Option<DefinitionId> {
        self.by_name.get(name).copied()
    }
    pub(crate) fn definition_name(&self, id: DefinitionId) -> &str {
        &self.definitions[id.0 as usize].name
    }
    pub(crate) fn member_of(&self, definition: DefinitionId, name: &str) -> Option<MemberId> {
        self.definitions[definition.0 as usize].members.get(name).copied()
    }
    pub(crate) fn member(&self, id: MemberId) -> &Member {
        &self.members[id.0 as usize]
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
    pub(crate) fn caveat(&self, id: CaveatId) -> &crate::caveat::Caveat {
        &self.caveats[id.0 as usize]
    }
    pub(crate) fn caveats(&self) -> &[crate::caveat::Caveat] {
        &self.caveats
    }
    pub(crate) fn caveat_named(&self, name: &str) -> Option<CaveatId> {
        (0u32..).map(CaveatId).zip(&self.caveats).find(|(_, caveat)| caveat.name() == name).map(|(id, _)| id)
    }
    pub(crate) fn definition_count(&self) -> usize {
        self.definitions.len()
    }
    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
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
