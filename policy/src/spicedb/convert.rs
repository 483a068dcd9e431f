//! Between Allod's types and those of SpiceDB's API.

use policy_core::{
    CaveatUse, Check, Context, Filter, Object, Permissionship, Precondition, Subject, SubjectRelation, Timestamp,
    Tuple, Update,
};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use serde_json::Number;
use spicedb_grpc_tonic::v1;
use v1::consistency::Requirement;

use super::error::garbled;
use crate::{ServiceError, Token};

/// Integers up to here are the same as a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn object(object: &Object) -> v1::ObjectReference {
    v1::ObjectReference { object_type: object.kind.clone(), object_id: object.id.clone() }
}

pub(super) fn subject(subject: &Subject) -> v1::SubjectReference {
    v1::SubjectReference {
        object: Some(object(&subject.object)),
        optional_relation: subject.relation.clone().unwrap_or_default(),
    }
}

pub(super) fn to_object(object: v1::ObjectReference) -> Object {
    Object { kind: object.object_type, id: object.object_id }
}

pub(super) fn to_subject(subject: v1::SubjectReference) -> Result<Subject, ServiceError> {
    let object = subject.object.ok_or_else(|| garbled("a subject without object"))?;
    Ok(Subject { object: to_object(object), relation: some(subject.optional_relation) })
}

/// Empty strings stand for what is not there.
fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

pub(super) fn check_item(check: &Check) -> v1::CheckBulkPermissionsRequestItem {
    v1::CheckBulkPermissionsRequestItem {
        resource: Some(object(&check.resource)),
        permission: check.permission.clone(),
        subject: Some(subject(&check.subject)),
        context: request_context(&check.context),
    }
}

/// The context of a request; none if it is empty.
pub(super) fn request_context(context: &Context) -> Option<Struct> {
    (!context.is_empty()).then(|| structure(context))
}

pub(super) fn structure(context: &Context) -> Struct {
    Struct { fields: context.iter().map(|(name, json)| (name.clone(), value(json))).collect() }
}

/// Nested no deeper than the JSON that it comes from, which its reader bounds.
fn value(json: &serde_json::Value) -> Value {
    let kind = match json {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(truth) => Kind::BoolValue(*truth),
        serde_json::Value::Number(number) => number_kind(number),
        serde_json::Value::String(text) => Kind::StringValue(text.clone()),
        serde_json::Value::Array(items) => Kind::ListValue(ListValue { values: items.iter().map(value).collect() }),
        serde_json::Value::Object(fields) => Kind::StructValue(structure(fields)),
    };
    Value { kind: Some(kind) }
}

/// SpiceDB carries numbers as doubles and reads text as an integer where a caveat wants one: an integer that is no
/// double goes as text, so that it is not another one.
fn number_kind(number: &Number) -> Kind {
    let double = number.as_f64().unwrap_or(f64::NAN);
    let whole = number.as_i64().is_some() || number.as_u64().is_some();
    if !double.is_finite() || (whole && double.abs() >= EXACT) {
        return Kind::StringValue(number.to_string());
    }
    Kind::NumberValue(double)
}

pub(super) fn to_context(structure: Struct) -> Context {
    structure.fields.into_iter().map(|(name, value)| (name, to_json(value))).collect()
}

/// Nested no deeper than what prost decodes.
fn to_json(value: Value) -> serde_json::Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(truth)) => serde_json::Value::Bool(truth),
        Some(Kind::NumberValue(double)) => to_number(double).map_or(serde_json::Value::Null, serde_json::Value::Number),
        Some(Kind::StringValue(text)) => serde_json::Value::String(text),
        Some(Kind::ListValue(list)) => serde_json::Value::Array(list.values.into_iter().map(to_json).collect()),
        Some(Kind::StructValue(fields)) => serde_json::Value::Object(to_context(fields)),
    }
}

/// A whole number without a fraction, however it was written.
fn to_number(double: f64) -> Option<Number> {
    #[expect(clippy::cast_possible_truncation, reason = "below 2^53 it is exact")]
    if double.fract() == 0.0 && double.abs() < EXACT {
        return Some(Number::from(double as i64));
    }
    Number::from_f64(double)
}

pub(super) fn instant(at: Timestamp) -> prost_types::Timestamp {
    let nanos = i32::try_from(at.0.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    prost_types::Timestamp { seconds: at.seconds(), nanos }
}

fn to_instant(at: prost_types::Timestamp) -> Timestamp {
    Timestamp(at.seconds.saturating_mul(1_000_000).saturating_add(i64::from(at.nanos) / 1_000))
}

pub(super) fn relationship(tuple: &Tuple) -> v1::Relationship {
    v1::Relationship {
        resource: Some(object(&tuple.resource)),
        relation: tuple.relation.clone(),
        subject: Some(subject(&tuple.subject)),
        optional_caveat: tuple.caveat.as_ref().map(|caveat| v1::ContextualizedCaveat {
            caveat_name: caveat.name.clone(),
            context: request_context(&caveat.context),
        }),
        optional_expires_at: tuple.until.map(instant),
    }
}

pub(super) fn to_tuple(relationship: v1::Relationship) -> Result<Tuple, ServiceError> {
    let resource = relationship.resource.ok_or_else(|| garbled("a relationship without resource"))?;
    let subject = relationship.subject.ok_or_else(|| garbled("a relationship without subject"))?;
    Ok(Tuple {
        resource: to_object(resource),
        relation: relationship.relation,
        subject: to_subject(subject)?,
        caveat: relationship.optional_caveat.map(|caveat| CaveatUse {
            name: caveat.caveat_name,
            context: caveat.context.map(to_context).unwrap_or_default(),
        }),
        until: relationship.optional_expires_at.map(to_instant),
    })
}

/// The relationship as it comes back after it went to SpiceDB.
pub(crate) fn canonical(tuple: &Tuple) -> Tuple {
    let caveat = tuple.caveat.as_ref();
    let caveat = caveat.map(|caveat| CaveatUse { context: to_context(structure(&caveat.context)), ..caveat.clone() });
    Tuple { caveat, ..tuple.clone() }
}

pub(super) fn update(update: &Update) -> v1::RelationshipUpdate {
    use v1::relationship_update::Operation;
    let (operation, relationship) = match update {
        Update::Create(tuple) => (Operation::Create, relationship(tuple)),
        Update::Touch(tuple) => (Operation::Touch, relationship(tuple)),
        // Whatever its caveat and expiry: with them SpiceDB would look whether the schema allows just these.
        Update::Delete(tuple) => {
            let identity = Tuple { caveat: None, until: None, ..tuple.clone() };
            (Operation::Delete, relationship(&identity))
        }
    };
    v1::RelationshipUpdate { operation: operation.into(), relationship: Some(relationship) }
}

/// An update that was made: what was created shows as touched.
pub(super) fn to_update(update: v1::RelationshipUpdate) -> Result<Update, ServiceError> {
    use v1::relationship_update::Operation;
    let operation = update.operation();
    let tuple = to_tuple(update.relationship.ok_or_else(|| garbled("an update without relationship"))?)?;
    match operation {
        Operation::Create | Operation::Touch => Ok(Update::Touch(tuple)),
        Operation::Delete => Ok(Update::Delete(tuple)),
        Operation::Unspecified => Err(garbled("an update without operation")),
    }
}

pub(super) fn filter(filter: &Filter) -> v1::RelationshipFilter {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    v1::RelationshipFilter {
        resource_type: text(&filter.resource_kind),
        optional_resource_id: text(&filter.resource_id),
        optional_resource_id_prefix: text(&filter.resource_id_prefix),
        optional_relation: text(&filter.relation),
        optional_subject_filter: filter.subject.as_ref().map(|subject| v1::SubjectFilter {
            subject_type: subject.kind.clone(),
            optional_subject_id: text(&subject.id),
            optional_relation: match &subject.relation {
                SubjectRelation::Any => None,
                SubjectRelation::None => Some(String::new()),
                SubjectRelation::Is(relation) => Some(relation.clone()),
            }
            .map(|relation| v1::subject_filter::RelationFilter { relation }),
        }),
    }
}

pub(super) fn precondition(precondition: &Precondition) -> v1::Precondition {
    use v1::precondition::Operation;
    let (operation, selects) = match precondition {
        Precondition::MustMatch(filter) => (Operation::MustMatch, filter),
        Precondition::MustNotMatch(filter) => (Operation::MustNotMatch, filter),
    };
    v1::Precondition { operation: operation.into(), filter: Some(filter(selects)) }
}

pub(super) fn zed_token(token: &Token) -> v1::ZedToken {
    v1::ZedToken { token: token.0.clone() }
}

pub(super) fn to_token(token: Option<v1::ZedToken>) -> Result<Token, ServiceError> {
    token.map(|token| Token(token.token)).ok_or_else(|| garbled("no token"))
}

pub(super) fn required(requirement: Requirement) -> Option<v1::Consistency> {
    Some(v1::Consistency { requirement: Some(requirement) })
}

/// What a conditional answer lacks, in order and each once.
pub(super) fn missing(info: Option<v1::PartialCaveatInfo>) -> Vec<String> {
    let mut names = info.map(|info| info.missing_required_context).unwrap_or_default();
    names.sort_unstable();
    names.dedup();
    names
}

pub(super) fn lookup_permissionship(permissionship: i32) -> Result<Permissionship, ServiceError> {
    match v1::LookupPermissionship::try_from(permissionship) {
        Ok(v1::LookupPermissionship::HasPermission) => Ok(Permissionship::Yes),
        Ok(v1::LookupPermissionship::ConditionalPermission) => Ok(Permissionship::Conditional),
        _ => Err(garbled("a lookup without permissionship")),
    }
}

pub(super) fn check_permissionship(permissionship: i32) -> Result<Permissionship, ServiceError> {
    use v1::check_permission_response::Permissionship as Theirs;
    match Theirs::try_from(permissionship) {
        Ok(Theirs::HasPermission) => Ok(Permissionship::Yes),
        Ok(Theirs::ConditionalPermission) => Ok(Permissionship::Conditional),
        Ok(Theirs::NoPermission) => Ok(Permissionship::No),
        _ => Err(garbled("a check without permissionship")),
    }
}

#[cfg(test)]
mod tests;
