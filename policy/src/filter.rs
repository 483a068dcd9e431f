//! Filters against a schema, and as text.

use policy_core::{Filter, MemberKind, Precondition, Schema, SubjectRelation};

use crate::refusal::{unknown_definition, unknown_member};
use crate::{Reason, ServiceError};

/// Whether a filter names what the schema has, and selects something in particular.
///
/// # Errors
/// What it names that is not there, or how it contradicts itself.
pub fn check(filter: &Filter, schema: &Schema) -> Result<(), ServiceError> {
    if let Some(kind) = &filter.resource_kind {
        known(schema, kind, filter.relation.as_deref())?;
    }
    if let Some(subject) = &filter.subject {
        let relation = match &subject.relation {
            SubjectRelation::Is(relation) => Some(relation.as_str()),
            SubjectRelation::Any | SubjectRelation::None => None,
        };
        known(schema, &subject.kind, relation)?;
    }
    let wrong = if filter.resource_id.is_some() && filter.resource_id_prefix.is_some() {
        "resource_id and resource_id_prefix cannot be set at the same time"
    } else if *filter == Filter::default() {
        "at least one field must be set"
    } else {
        return Ok(());
    };
    let message = format!("the relationship filter provided is not valid: {wrong}");
    Err(ServiceError::new(Reason::InvalidFilter, message).with("filter", to_text(filter)))
}

/// As [`check`], for a list: a permission has no relationships.
///
/// # Errors
/// As [`check`].
pub fn check_list(filter: &Filter, schema: &Schema) -> Result<(), ServiceError> {
    check(filter, schema)?;
    if let (Some(kind), Some(name)) = (&filter.resource_kind, &filter.relation)
        && schema.member_kind(kind, name) == Some(MemberKind::Permission)
    {
        let message = format!("relation `{name}` does not have type information");
        return Err(ServiceError::new(Reason::SchemaType, message));
    }
    Ok(())
}

/// # Errors
/// The first precondition whose filter is wrong.
pub fn check_all(preconditions: &[Precondition], schema: &Schema) -> Result<(), ServiceError> {
    preconditions.iter().try_for_each(|precondition| {
        let (Precondition::MustMatch(filter) | Precondition::MustNotMatch(filter)) = precondition;
        check(filter, schema)
    })
}

fn known(schema: &Schema, kind: &str, member: Option<&str>) -> Result<(), ServiceError> {
    if !schema.defines(kind) {
        return Err(unknown_definition(kind));
    }
    match member {
        Some(name) if schema.member_kind(kind, name).is_none() => {
            let message = format!("relation/permission `{name}` not found under definition `{kind}`");
            Err(unknown_member(message, kind, name))
        }
        _ => Ok(()),
    }
}

/// A filter as the text form of SpiceDB's message.
pub fn to_text(filter: &Filter) -> String {
    let mut parts = Vec::new();
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            parts.push(format!("{name}:{value:?}"));
        }
    };
    add("resource_type", filter.resource_kind.as_deref());
    add("optional_resource_id", filter.resource_id.as_deref());
    add("optional_resource_id_prefix", filter.resource_id_prefix.as_deref());
    add("optional_relation", filter.relation.as_deref());
    if let Some(subject) = &filter.subject {
        let id = subject.id.as_ref().map(|id| format!(" optional_subject_id:{id:?}")).unwrap_or_default();
        let relation = match &subject.relation {
            SubjectRelation::Any => String::new(),
            SubjectRelation::None => " optional_relation:{}".to_owned(),
            SubjectRelation::Is(relation) => format!(" optional_relation:{{relation:{relation:?}}}"),
        };
        parts.push(format!("optional_subject_filter:{{subject_type:{:?}{id}{relation}}}", subject.kind));
    }
    parts.join(" ")
}
