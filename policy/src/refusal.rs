//! What the evaluator and the store refuse, in the words of the service.

use policy_core::{
    ApplyError, CheckError, Filter, Precondition, SchemaError, SchemaFault, SchemaInUse, SubjectRelation, Tuple,
    TupleError,
};

use crate::{Reason, ServiceError};

impl From<CheckError> for ServiceError {
    fn from(error: CheckError) -> Self {
        let message = error.to_string();
        match error {
            CheckError::UnknownDefinition { definition } => {
                ServiceError::new(Reason::UnknownDefinition, message).with("definition_name", definition)
            }
            CheckError::UnknownMember { definition, member } => unknown_member(message, &definition, &member),
            CheckError::Everyone => everyone("cannot perform check on wildcard subject", "subject.object_id"),
            CheckError::ObjectId { .. } => ServiceError::new(Reason::InvalidArgument, message),
            CheckError::Depth => ServiceError::new(Reason::MaximumDepthExceeded, message),
            CheckError::TooLarge => ServiceError::new(Reason::TooLarge, message),
            CheckError::Caveat { caveat, parameter, message } => of_caveat(message, &caveat, parameter.as_deref()),
        }
    }
}

impl From<SchemaError> for ServiceError {
    fn from(error: SchemaError) -> Self {
        let SchemaError { line, column, message, .. } = &error;
        let refused = match error.fault {
            SchemaFault::Syntax => {
                let message = format!("parse error in `schema`, line {line}, column {column}: {message}");
                ServiceError::new(Reason::SchemaParse, message)
            }
            SchemaFault::Types | SchemaFault::Cycle => ServiceError::new(Reason::SchemaType, message.clone()),
        };
        error.details().into_iter().fold(refused, |refused, (key, value)| refused.with(key, value))
    }
}

impl From<SchemaInUse> for ServiceError {
    fn from(error: SchemaInUse) -> Self {
        let refused = ServiceError::new(Reason::SchemaInUse, error.to_string());
        match error {
            SchemaInUse::Definition { definition, by } => refused
                .with("operation", "delete_object_definition")
                .with("resource_type", definition)
                .with("relationship", by),
            SchemaInUse::Relation { definition, relation, by } => refused
                .with("operation", "delete_relation")
                .with("resource_type", definition)
                .with("relation", relation)
                .with("relationship", by),
            SchemaInUse::SubjectRelation { definition, relation, by } => refused
                .with("operation", "delete_relation")
                .with("subject_type", definition)
                .with("subject_relation", relation)
                .with("relationship", by),
            SchemaInUse::AllowedType { definition, relation, form, by } => refused
                .with("operation", "remove_allowed_type")
                .with("resource_type", definition)
                .with("relation", relation)
                .with("allowed_type", form)
                .with("relationship", by),
            SchemaInUse::Parameter { caveat, parameter } => refused
                .with("operation", "remove_parameter")
                .with("caveat_name", caveat)
                .with("parameter_name", parameter),
            SchemaInUse::ParameterType { caveat, parameter } => refused
                .with("operation", "change_parameter_type")
                .with("caveat_name", caveat)
                .with("parameter_name", parameter),
        }
    }
}

impl From<ApplyError> for ServiceError {
    fn from(error: ApplyError) -> Self {
        let message = error.to_string();
        match error {
            ApplyError::Tuple(error) => error.into(),
            ApplyError::Twice(tuple) => ServiceError::new(Reason::UpdatesOnSameRelationship, message)
                .with("definition_name", &tuple.resource.kind)
                .with("relationship", tuple.to_text()),
            ApplyError::Exists(tuple) => already_exists(message, &tuple),
            ApplyError::Precondition(precondition) => precondition_failed(&precondition),
        }
    }
}

impl From<TupleError> for ServiceError {
    fn from(error: TupleError) -> Self {
        let message = error.to_string();
        match error {
            TupleError::UnknownDefinition { definition } => {
                ServiceError::new(Reason::UnknownDefinition, message).with("definition_name", definition)
            }
            TupleError::UnknownRelation { definition, relation } => unknown_member(message, &definition, &relation),
            TupleError::Permission { definition, permission } => {
                ServiceError::new(Reason::CannotUpdatePermission, message)
                    .with("definition_name", definition)
                    .with("permission_name", permission)
            }
            TupleError::Subject { subject, relation, .. } => {
                let (definition, name) = relation.split_once('#').unwrap_or((&relation, ""));
                ServiceError::new(Reason::InvalidSubjectType, message)
                    .with("definition_name", definition)
                    .with("relation_name", name)
                    .with("subject_type", subject)
            }
            TupleError::ObjectId(_) => ServiceError::new(Reason::InvalidArgument, message),
            TupleError::CaveatContext(error) => of_caveat(message, error.caveat(), error.parameter()),
            TupleError::Full => ServiceError::new(Reason::Internal, message),
        }
    }
}

/// Everyone was named where somebody is wanted.
pub fn everyone(what: &str, field: &str) -> ServiceError {
    ServiceError::new(Reason::WildcardNotAllowed, format!("invalid argument: {what}")).with("field", field)
}

pub fn unknown_definition(definition: &str) -> ServiceError {
    let message = format!("object definition `{definition}` not found");
    ServiceError::new(Reason::UnknownDefinition, message).with("definition_name", definition)
}

fn of_caveat(message: String, caveat: &str, parameter: Option<&str>) -> ServiceError {
    let reason = if parameter.is_some() { Reason::CaveatParameterType } else { Reason::CaveatEvaluation };
    let refused = ServiceError::new(reason, message).with("caveat_name", caveat);
    parameter.into_iter().fold(refused, |refused, parameter| refused.with("parameter_name", parameter))
}

pub fn unknown_member(message: String, definition: &str, member: &str) -> ServiceError {
    ServiceError::new(Reason::UnknownRelationOrPermission, message)
        .with("definition_name", definition)
        .with("relation_or_permission_name", member)
}

fn already_exists(message: String, tuple: &Tuple) -> ServiceError {
    let (resource, subject) = (&tuple.resource, &tuple.subject);
    ServiceError::new(Reason::AlreadyExists, message)
        .with("relationship", tuple)
        .with("resource_type", &resource.kind)
        .with("resource_object_id", &resource.id)
        .with("resource_relation", &tuple.relation)
        .with("subject_type", &subject.object.kind)
        .with("subject_object_id", &subject.object.id)
        .with("subject_relation", subject.relation.as_deref().unwrap_or_default())
}

fn precondition_failed(precondition: &Precondition) -> ServiceError {
    let (operation, filter) = match precondition {
        Precondition::MustMatch(filter) => ("OPERATION_MUST_MATCH", filter),
        Precondition::MustNotMatch(filter) => ("OPERATION_MUST_NOT_MATCH", filter),
    };
    let message = format!(
        "unable to satisfy write precondition `operation:{operation} filter:{{{}}}`",
        crate::filter::to_text(filter)
    );
    let refused = ServiceError::new(Reason::PreconditionFailed, message).with("precondition_operation", operation);
    filter_fields(filter)
        .into_iter()
        .fold(refused, |refused, (key, value)| refused.with(&format!("precondition_{key}"), value))
}

pub fn too_many_to_delete(filter: &Filter, limit: u32) -> ServiceError {
    let message = format!("found more than {limit} relationships to be deleted and partial deletion was not requested");
    let refused = ServiceError::new(Reason::TooManyForTransactionalDelete, message)
        .with("limit", limit)
        .with("filter_resource_type", filter.resource_kind.as_deref().unwrap_or_default());
    let named = filter_fields(filter).into_iter().filter(|(key, _)| *key != "resource_id_prefix");
    named.fold(refused, |refused, (key, value)| refused.with(&format!("filter_{key}"), value))
}

/// What a filter names, by the names that error details use.
fn filter_fields(filter: &Filter) -> Vec<(&'static str, &str)> {
    let subject = filter.subject.as_ref();
    let relation = subject.and_then(|subject| match &subject.relation {
        SubjectRelation::Any => None,
        SubjectRelation::None => Some(""),
        SubjectRelation::Is(relation) => Some(relation.as_str()),
    });
    let fields = [
        ("resource_type", filter.resource_kind.as_deref()),
        ("resource_id", filter.resource_id.as_deref()),
        ("resource_id_prefix", filter.resource_id_prefix.as_deref()),
        ("relation", filter.relation.as_deref()),
        ("subject_type", subject.map(|subject| subject.kind.as_str())),
        ("subject_id", subject.and_then(|subject| subject.id.as_deref())),
        ("subject_relation", relation),
    ];
    fields.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}
