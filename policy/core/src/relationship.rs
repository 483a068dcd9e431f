//! Relationships, what selects them and what changes them.

mod text;

use std::fmt;

use crate::{Context, Object, Subject, Timestamp};

pub use text::RelationshipTextError;

/// The id that stands for everyone of a type, where a relation allows it.
pub const EVERYONE: &str = "*";

/// The longest object id, in bytes.
pub const MAX_OBJECT_ID_BYTES: usize = 1024;

/// One relationship: `subject` is in `relation` of `resource`, as far as the caveat holds, until it lapses. Caveat and
/// expiry are not part of its identity: a second with others takes the place of the first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// The object that it is a relationship of.
    pub resource: Object,
    /// The relation, as its definition calls it.
    pub relation: String,
    /// Who is in it.
    pub subject: Subject,
    /// The caveat under which it counts; `None`: always.
    pub caveat: Option<CaveatUse>,
    /// `None`: until removed.
    pub until: Option<Timestamp>,
}

/// The caveat that a relationship is under, with the values written with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CaveatUse {
    /// As the schema calls it.
    pub name: String,
    /// They override what a request says.
    pub context: Context,
}

impl Tuple {
    /// A relationship without caveat and without end.
    pub fn new(resource: Object, relation: &str, subject: Subject) -> Self {
        Tuple { resource, relation: relation.to_owned(), subject, caveat: None, until: None }
    }

    /// What makes it this relationship and no other; also the order in which lists show them.
    pub fn identity(&self) -> (&Object, &str, &Subject) {
        (&self.resource, &self.relation, &self.subject)
    }
}

/// `resource#relation@subject`, without caveat and expiry.
impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@{}", self.resource, self.relation, self.subject)
    }
}

/// Whether `id` may name an object: 1 to 1024 bytes of letters, digits and `/ _ | - = +`.
pub fn is_object_id(id: &str) -> bool {
    (1..=MAX_OBJECT_ID_BYTES).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'|' | b'-' | b'=' | b'+'))
}

/// Selects relationships; what is `None` selects all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Filter {
    /// Of this kind.
    pub resource_kind: Option<String>,
    /// Of this id.
    pub resource_id: Option<String>,
    /// Of an id that begins so.
    pub resource_id_prefix: Option<String>,
    /// Of this relation.
    pub relation: Option<String>,
    /// With a subject that is so.
    pub subject: Option<SubjectFilter>,
}

/// Selects relationships by their subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SubjectFilter {
    /// Of this kind.
    pub kind: String,
    /// Of this id.
    pub id: Option<String>,
    /// As itself, or by its members.
    pub relation: SubjectRelation,
}

/// Which relation of the subject a filter selects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SubjectRelation {
    /// Whichever.
    Any,
    /// Subjects that are objects.
    None,
    /// The members of this relation.
    Is(String),
}

impl Filter {
    /// Whether the relationship is selected.
    pub fn selects(&self, tuple: &Tuple) -> bool {
        let is = |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|wanted| wanted == have);
        is(&self.resource_kind, &tuple.resource.kind)
            && is(&self.resource_id, &tuple.resource.id)
            && self.resource_id_prefix.as_deref().is_none_or(|prefix| tuple.resource.id.starts_with(prefix))
            && is(&self.relation, &tuple.relation)
            && self.subject.as_ref().is_none_or(|subject| {
                subject.kind == tuple.subject.object.kind
                    && is(&subject.id, &tuple.subject.object.id)
                    && match &subject.relation {
                        SubjectRelation::Any => true,
                        SubjectRelation::None => tuple.subject.relation.is_none(),
                        SubjectRelation::Is(relation) => tuple.subject.relation.as_ref() == Some(relation),
                    }
            })
    }
}

/// What a change does to one relationship.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Update {
    /// It must not be there.
    Create(Tuple),
    /// Put it, or give it this caveat and expiry.
    Touch(Tuple),
    /// Take it away, whatever its caveat and expiry; one that is not there is no mistake.
    Delete(Tuple),
}

impl Update {
    /// The relationship that it is about.
    pub fn tuple(&self) -> &Tuple {
        match self {
            Update::Create(tuple) | Update::Touch(tuple) | Update::Delete(tuple) => tuple,
        }
    }
}

/// What must hold for a change to be made, looked at in its transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Precondition {
    /// There is one that the filter selects, or nothing is changed.
    MustMatch(Filter),
    /// There is none that the filter selects, or nothing is changed.
    MustNotMatch(Filter),
}
