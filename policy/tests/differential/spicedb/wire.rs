//! Our types as SpiceDB's messages, and back.

use std::collections::BTreeSet;

use policy_core::{Context, Object, Subject, Timestamp, Tuple};
use prost_types::value::Kind;
use serde_json::Value;
use spicedb_grpc_tonic::v1;

use super::Truth;
use crate::answer::{Answer, Fault};

pub fn latest() -> Option<v1::Consistency> {
    Some(v1::Consistency { requirement: Some(v1::consistency::Requirement::FullyConsistent(true)) })
}

pub fn object(object: &Object) -> v1::ObjectReference {
    v1::ObjectReference { object_type: object.kind.clone(), object_id: object.id.clone() }
}

pub fn subject(subject: &Subject) -> v1::SubjectReference {
    v1::SubjectReference {
        object: Some(object(&subject.object)),
        optional_relation: subject.relation.clone().unwrap_or_default(),
    }
}

pub fn relationship(tuple: &Tuple) -> v1::Relationship {
    v1::Relationship {
        resource: Some(object(&tuple.resource)),
        relation: tuple.relation.clone(),
        subject: Some(subject(&tuple.subject)),
        optional_caveat: tuple.caveat.as_ref().map(|caveat| v1::ContextualizedCaveat {
            caveat_name: caveat.name.clone(),
            context: context(&caveat.context),
        }),
        optional_expires_at: tuple.until.map(|Timestamp(micros)| prost_types::Timestamp {
            seconds: micros.div_euclid(1_000_000),
            nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32,
        }),
    }
}

pub fn context(context: &Context) -> Option<prost_types::Struct> {
    (!context.is_empty()).then(|| fields(context))
}

fn fields(map: &Context) -> prost_types::Struct {
    prost_types::Struct { fields: map.iter().map(|(key, item)| (key.clone(), value(item))).collect() }
}

fn value(json: &Value) -> prost_types::Value {
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(prost_types::ListValue { values: items.iter().map(value).collect() }),
        Value::Object(map) => Kind::StructValue(fields(map)),
    };
    prost_types::Value { kind: Some(kind) }
}

fn missing(info: Option<v1::PartialCaveatInfo>) -> BTreeSet<String> {
    info.into_iter().flat_map(|info| info.missing_required_context).collect()
}

/// The answer to a check.
pub fn answer(permissionship: i32, info: Option<v1::PartialCaveatInfo>) -> Answer {
    use v1::check_permission_response::Permissionship;
    match Permissionship::try_from(permissionship) {
        Ok(Permissionship::HasPermission) => Answer::Yes,
        Ok(Permissionship::NoPermission) => Answer::No,
        Ok(Permissionship::ConditionalPermission) => Answer::Conditional(missing(info)),
        _ => Answer::Error(Fault::Other(format!("permissionship {permissionship}"))),
    }
}

/// The answer of a lookup.
pub fn permissionship(permissionship: i32, info: Option<v1::PartialCaveatInfo>) -> (Truth, BTreeSet<String>) {
    match v1::LookupPermissionship::try_from(permissionship) {
        Ok(v1::LookupPermissionship::HasPermission) => (Truth::Yes, BTreeSet::new()),
        _ => (Truth::Maybe, missing(info)),
    }
}
