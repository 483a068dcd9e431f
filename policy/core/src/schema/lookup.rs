//! What names stand for.

use super::{Body, Schema};

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
}
