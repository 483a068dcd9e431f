//! What a schema holds, told to others: owned, and without the places that the evaluator uses.

use serde::Serialize;

use super::tree::{self, Form};
use super::{Declared, Definition, Member, Schema};

/// What a schema holds. Definitions and caveats are sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reflection {
    /// Sorted by name.
    pub definitions: Vec<ReflectedDefinition>,
    /// Sorted by name.
    pub caveats: Vec<ReflectedCaveat>,
}

/// Comments, here and below, are those right before the keyword, with their marks, joined by newlines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReflectedDefinition {
    /// As the schema calls it.
    pub name: String,
    /// What stands above it.
    pub comment: String,
    /// In the order of the text.
    pub relations: Vec<ReflectedRelation>,
    /// In the order of the text.
    pub permissions: Vec<ReflectedPermission>,
}

/// What is stored between objects of two kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReflectedRelation {
    /// Where it is defined.
    pub definition: String,
    /// As it is called there.
    pub name: String,
    /// What stands above it.
    pub comment: String,
    /// Who may be in it.
    pub subject_types: Vec<ReflectedSubjectType>,
}

/// One form of subject that a relation allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReflectedSubjectType {
    /// The kind of subject.
    pub definition: String,
    /// The subject itself, its members, or everyone of its kind.
    pub form: ReflectedForm,
    /// The caveat that it must stand under.
    pub caveat: Option<String>,
    /// Whether it must have an end.
    pub expires: bool,
}

/// How subjects of a kind are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum ReflectedForm {
    /// The object itself.
    Object,
    /// Every object of the definition.
    Everyone,
    /// Who has this relation or permission of the object.
    Members(String),
}

/// What is computed of relations and permissions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReflectedPermission {
    /// Where it is defined.
    pub definition: String,
    /// As it is called there.
    pub name: String,
    /// What stands above it.
    pub comment: String,
}

/// A condition that relationships may stand under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReflectedCaveat {
    /// As the schema calls it.
    pub name: String,
    /// What stands above it.
    pub comment: String,
    /// Sorted by name.
    pub parameters: Vec<ReflectedParameter>,
    /// As the schema writes it.
    pub expression: String,
}

/// A value that a caveat reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReflectedParameter {
    /// Whose it is.
    pub caveat: String,
    /// As the caveat calls it.
    pub name: String,
    /// The type as it is written.
    #[serde(rename = "type")]
    pub kind: String,
}

/// What to tell of a schema. Each is the beginning of a name; an empty one says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReflectFilter {
    /// The definition of this name alone.
    pub definition: String,
    /// The caveat of this name alone.
    pub caveat: String,
    /// The relation of this name alone.
    pub relation: String,
    /// The permission of this name alone.
    pub permission: String,
}

/// Why a question about a schema has no answer, in SpiceDB's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReflectError {
    /// There is no such definition.
    #[error("object definition `{0}` not found")]
    UnknownDefinition(String),
    /// A definition has no such relation or permission.
    #[error("relation/permission `{name}` not found under definition `{definition}`")]
    UnknownMember {
        /// The definition.
        definition: String,
        /// What it does not have.
        name: String,
    },
    /// What was named is a relation.
    #[error("the relation `{0}` is not a permission")]
    NotAPermission(String),
    /// The filter contradicts itself.
    #[error("the relationship filter provided is not valid: {0}")]
    Filter(&'static str),
}

impl Schema {
    /// What the schema holds, as far as one of the filters asks for it; without filters, everything.
    ///
    /// # Errors
    /// If a filter contradicts itself.
    pub fn reflect(&self, filters: &[ReflectFilter]) -> Result<Reflection, ReflectError> {
        filters.iter().try_for_each(ReflectFilter::check)?;
        let selection = Selection(filters);
        let definitions = self.definitions_by_name().into_iter().filter(|each| selection.definition(&each.name));
        let caveats = self.caveats_by_name().into_iter().filter(|each| selection.caveat(each.caveat.name()));
        Ok(Reflection {
            definitions: definitions.map(|each| self.reflect_definition(each, selection)).collect(),
            caveats: caveats.map(reflect_caveat).collect(),
        })
    }

    pub(super) fn definitions_by_name(&self) -> Vec<&Definition> {
        let mut definitions: Vec<&Definition> = self.definitions.iter().collect();
        definitions.sort_by_key(|definition| &definition.name);
        definitions
    }

    pub(super) fn caveats_by_name(&self) -> Vec<&Declared> {
        let mut caveats: Vec<&Declared> = self.caveats.iter().collect();
        caveats.sort_by_key(|declared| declared.caveat.name());
        caveats
    }

    pub(super) fn reflect_definition(&self, definition: &Definition, selection: Selection<'_>) -> ReflectedDefinition {
        let name = &definition.name;
        let (mut relations, mut permissions) = (Vec::new(), Vec::new());
        for member in self.own_members(definition) {
            match &member.source.body {
                tree::Body::Relation(types) if selection.relation(name, &member.name) => {
                    relations.push(reflect_relation(name, member, types));
                }
                tree::Body::Permission(_) if selection.permission(name, &member.name) => {
                    permissions.push(reflect_permission(name, member));
                }
                _ => {}
            }
        }
        ReflectedDefinition { name: name.clone(), comment: joined(&definition.comments), relations, permissions }
    }
}

fn joined(comments: &[String]) -> String {
    comments.join("\n")
}

pub(super) fn reflect_relation(definition: &str, member: &Member, types: &[tree::SubjectType]) -> ReflectedRelation {
    ReflectedRelation {
        definition: definition.to_owned(),
        name: member.name.clone(),
        comment: joined(&member.source.comments),
        subject_types: types.iter().map(reflect_subject_type).collect(),
    }
}

pub(super) fn reflect_permission(definition: &str, member: &Member) -> ReflectedPermission {
    let (definition, name) = (definition.to_owned(), member.name.clone());
    ReflectedPermission { definition, name, comment: joined(&member.source.comments) }
}

pub(super) fn reflect_subject_type(subject: &tree::SubjectType) -> ReflectedSubjectType {
    ReflectedSubjectType {
        definition: subject.definition.clone(),
        form: match &subject.form {
            Form::Object => ReflectedForm::Object,
            Form::Everyone => ReflectedForm::Everyone,
            Form::Members(name) => ReflectedForm::Members(name.clone()),
        },
        caveat: subject.caveat.clone(),
        expires: subject.expires,
    }
}

pub(super) fn reflect_caveat(declared: &Declared) -> ReflectedCaveat {
    let caveat = &declared.caveat;
    let mut parameters: Vec<ReflectedParameter> = caveat
        .parameters()
        .iter()
        .map(|(name, kind)| ReflectedParameter {
            caveat: caveat.name().to_owned(),
            name: name.clone(),
            kind: kind.to_string(),
        })
        .collect();
    parameters.sort_by(|a, b| a.name.cmp(&b.name));
    ReflectedCaveat {
        name: caveat.name().to_owned(),
        comment: joined(&declared.comments),
        parameters,
        expression: declared.expression(),
    }
}

impl ReflectFilter {
    fn check(&self) -> Result<(), ReflectError> {
        let [definition, caveat, relation, permission] =
            [&self.definition, &self.caveat, &self.relation, &self.permission].map(|name| !name.is_empty());
        let wrong = if definition && caveat {
            "cannot filter by both definition and caveat name"
        } else if relation && !definition {
            "relation name match requires definition name match"
        } else if relation && permission {
            "cannot filter by both relation and permission name"
        } else if permission && !definition {
            "permission name match requires definition name match"
        } else {
            return Ok(());
        };
        Err(ReflectError::Filter(wrong))
    }
}

/// What filters let through.
#[derive(Clone, Copy)]
pub(super) struct Selection<'a>(pub(super) &'a [ReflectFilter]);

impl Selection<'_> {
    /// Whether a filter of this kind fits, where there is any of it.
    fn fits(self, of: fn(&ReflectFilter) -> &String, name: &str, also: impl Fn(&ReflectFilter) -> bool) -> bool {
        let mut of_kind = self.0.iter().filter(|filter| !of(filter).is_empty()).peekable();
        of_kind.peek().is_none() || of_kind.any(|filter| name.starts_with(of(filter)) && also(filter))
    }
    fn definition(self, name: &str) -> bool {
        let wanted = self.0.is_empty() || self.0.iter().any(|filter| !filter.definition.is_empty());
        wanted && self.fits(|filter| &filter.definition, name, |_| true)
    }
    fn caveat(self, name: &str) -> bool {
        let wanted = self.0.is_empty() || self.0.iter().any(|filter| !filter.caveat.is_empty());
        wanted && self.fits(|filter| &filter.caveat, name, |_| true)
    }
    fn relation(self, definition: &str, name: &str) -> bool {
        self.fits(|filter| &filter.relation, name, |filter| definition.starts_with(&filter.definition))
    }
    fn permission(self, definition: &str, name: &str) -> bool {
        self.fits(|filter| &filter.permission, name, |filter| definition.starts_with(&filter.definition))
    }
}
