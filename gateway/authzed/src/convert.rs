//! Between messages and the words of the policy crates. Requests are valid by now: fields that must be there are.

use policy::{Consistency, Cursor, ServiceError, Token};
use policy_core::{
    CaveatUse, Context, Filter, Object, Permissionship, Precondition, Subject, SubjectFilter, SubjectRelation,
    Timestamp, Tuple, Update,
};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use serde_json::{Map, Number, Value as Json};
use spicedb_grpc_tonic::v1::consistency::Requirement;
use spicedb_grpc_tonic::v1::{self, precondition, relationship_update};

use super::status::Failed;

/// Integers up to here are exact as numbers of a message.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub fn object(object: Option<v1::ObjectReference>) -> Object {
    let object = object.unwrap_or_default();
    Object { kind: object.object_type, id: object.object_id }
}

pub fn subject(subject: Option<v1::SubjectReference>) -> Subject {
    let subject = subject.unwrap_or_default();
    Subject { object: object(subject.object), relation: some(subject.optional_relation) }
}

/// Empty stands for nothing.
pub fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub fn object_message(object: &Object) -> v1::ObjectReference {
    v1::ObjectReference { object_type: object.kind.clone(), object_id: object.id.clone() }
}

pub fn subject_message(subject: &Subject) -> v1::SubjectReference {
    v1::SubjectReference {
        object: Some(object_message(&subject.object)),
        optional_relation: subject.relation.clone().unwrap_or_default(),
    }
}

pub fn tuple(relationship: v1::Relationship) -> Result<Tuple, Failed> {
    let caveat = match relationship.optional_caveat {
        None => None,
        Some(caveat) => Some(CaveatUse { name: caveat.caveat_name, context: context(caveat.context)? }),
    };
    Ok(Tuple {
        resource: object(relationship.resource),
        relation: relationship.relation,
        subject: subject(relationship.subject),
        caveat,
        until: relationship.optional_expires_at.map(timestamp).transpose()?,
    })
}

pub fn relationship(tuple: &Tuple) -> v1::Relationship {
    let caveat = |caveat: &CaveatUse| v1::ContextualizedCaveat {
        caveat_name: caveat.name.clone(),
        context: (!caveat.context.is_empty()).then(|| struct_message(&caveat.context)),
    };
    v1::Relationship {
        resource: Some(object_message(&tuple.resource)),
        relation: tuple.relation.clone(),
        subject: Some(subject_message(&tuple.subject)),
        optional_caveat: tuple.caveat.as_ref().map(caveat),
        optional_expires_at: tuple.until.map(timestamp_message),
    }
}

pub fn update(update: v1::RelationshipUpdate) -> Result<Update, Failed> {
    use relationship_update::Operation;
    let operation = Operation::try_from(update.operation).unwrap_or(Operation::Unspecified);
    let tuple = tuple(update.relationship.unwrap_or_default())?;
    match operation {
        Operation::Create => Ok(Update::Create(tuple)),
        Operation::Touch => Ok(Update::Touch(tuple)),
        Operation::Delete => Ok(Update::Delete(tuple)),
        Operation::Unspecified => Err(Failed::invalid("an update must say what it does")),
    }
}

pub fn update_message(update: &Update) -> v1::RelationshipUpdate {
    use relationship_update::Operation;
    let operation = match update {
        Update::Create(_) => Operation::Create,
        Update::Touch(_) => Operation::Touch,
        Update::Delete(_) => Operation::Delete,
    };
    v1::RelationshipUpdate { operation: operation.into(), relationship: Some(relationship(update.tuple())) }
}

pub fn filter(filter: v1::RelationshipFilter) -> Filter {
    let subject = filter.optional_subject_filter.map(|subject| SubjectFilter {
        kind: subject.subject_type,
        id: some(subject.optional_subject_id),
        relation: match subject.optional_relation {
            None => SubjectRelation::Any,
            Some(relation) if relation.relation.is_empty() => SubjectRelation::None,
            Some(relation) => SubjectRelation::Is(relation.relation),
        },
    });
    Filter {
        resource_kind: some(filter.resource_type),
        resource_id: some(filter.optional_resource_id),
        resource_id_prefix: some(filter.optional_resource_id_prefix),
        relation: some(filter.optional_relation),
        subject,
    }
}

pub fn precondition(precondition: v1::Precondition) -> Result<Precondition, Failed> {
    use precondition::Operation;
    let operation = Operation::try_from(precondition.operation).unwrap_or(Operation::Unspecified);
    let filter = filter(precondition.filter.unwrap_or_default());
    match operation {
        Operation::MustMatch => Ok(Precondition::MustMatch(filter)),
        Operation::MustNotMatch => Ok(Precondition::MustNotMatch(filter)),
        Operation::Unspecified => Err(Failed::invalid("a precondition must say what it demands")),
    }
}

/// Without a wish, the server may take what is fastest.
pub fn consistency(consistency: Option<v1::Consistency>) -> Consistency {
    match consistency.and_then(|consistency| consistency.requirement) {
        None | Some(Requirement::MinimizeLatency(_)) => Consistency::MinimizeLatency,
        Some(Requirement::FullyConsistent(_)) => Consistency::Full,
        Some(Requirement::AtLeastAsFresh(token)) => Consistency::AtLeast(Token(token.token)),
        Some(Requirement::AtExactSnapshot(token)) => Consistency::Exactly(Token(token.token)),
    }
}

pub fn token(token: Token) -> Option<v1::ZedToken> {
    Some(v1::ZedToken { token: token.0 })
}

pub fn cursor(cursor: Option<v1::Cursor>) -> Option<Cursor> {
    cursor.map(|cursor| Cursor(cursor.token))
}

pub fn cursor_message(cursor: Option<Cursor>) -> Option<v1::Cursor> {
    cursor.map(|cursor| v1::Cursor { token: cursor.0 })
}

pub fn timestamp(at: prost_types::Timestamp) -> Result<Timestamp, Failed> {
    let micros = at.seconds.checked_mul(1_000_000).and_then(|micros| micros.checked_add(i64::from(at.nanos) / 1_000));
    micros.map(Timestamp).ok_or_else(|| Failed::invalid("the expiration is too far away"))
}

pub fn timestamp_message(at: Timestamp) -> prost_types::Timestamp {
    let nanos = at.0.rem_euclid(1_000_000) * 1_000;
    prost_types::Timestamp { seconds: at.0.div_euclid(1_000_000), nanos: i32::try_from(nanos).unwrap_or_default() }
}

pub fn permissionship(permissionship: Permissionship) -> v1::check_permission_response::Permissionship {
    use v1::check_permission_response::Permissionship as Message;
    match permissionship {
        Permissionship::Yes => Message::HasPermission,
        Permissionship::No => Message::NoPermission,
        Permissionship::Conditional => Message::ConditionalPermission,
    }
}

pub fn lookup_permissionship(permissionship: Permissionship) -> i32 {
    let message = match permissionship {
        Permissionship::Yes => v1::LookupPermissionship::HasPermission,
        Permissionship::Conditional => v1::LookupPermissionship::ConditionalPermission,
        Permissionship::No => v1::LookupPermissionship::Unspecified,
    };
    message.into()
}

/// What a conditional answer lacks.
pub fn partial(permissionship: Permissionship, missing: Vec<String>) -> Option<v1::PartialCaveatInfo> {
    (permissionship == Permissionship::Conditional)
        .then_some(v1::PartialCaveatInfo { missing_required_context: missing })
}

/// The values of a message. Whole numbers become integers, as callers mean them.
pub fn context(values: Option<Struct>) -> Result<Context, Failed> {
    let fields = values.unwrap_or_default().fields;
    fields.into_iter().map(|(key, value)| Ok((key, json(value)?))).collect()
}

// As deep as a message may nest, which its decoder bounds.
fn json(value: Value) -> Result<Json, Failed> {
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => Json::Bool(value),
        Some(Kind::StringValue(value)) => Json::String(value),
        Some(Kind::NumberValue(value)) => Json::Number(number(value)?),
        Some(Kind::ListValue(list)) => Json::Array(list.values.into_iter().map(json).collect::<Result<_, _>>()?),
        Some(Kind::StructValue(inner)) => Json::Object(context(Some(inner))?),
    })
}

fn number(value: f64) -> Result<Number, Failed> {
    if value.fract() == 0.0 && value.abs() < EXACT {
        return Ok(Number::from(value as i64));
    }
    Number::from_f64(value).ok_or_else(|| Failed::invalid("a value of a context is not a number"))
}

pub fn struct_message(values: &Map<String, Json>) -> Struct {
    Struct { fields: values.iter().map(|(key, value)| (key.clone(), value_message(value))).collect() }
}

fn value_message(value: &Json) -> Value {
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::String(value) => Kind::StringValue(value.clone()),
        Json::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Json::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(value_message).collect() }),
        Json::Object(values) => Kind::StructValue(struct_message(values)),
    };
    Value { kind: Some(kind) }
}

/// What one check failed with.
pub fn check_failed(error: policy_core::CheckError) -> Failed {
    ServiceError::from(error).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            "[a-z]{0,5}".prop_map(Json::String),
            (-(1i64 << 53) + 1..1i64 << 53).prop_map(|value| Json::Number(value.into())),
            (-1000..1000i32).prop_map(|value| Json::Number(Number::from_f64(f64::from(value) + 0.5).unwrap())),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
                prop::collection::btree_map("[a-z]{1,3}", inner, 0..4)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn contexts_go_through_messages_unchanged(value in values()) {
            let context_in = Context::from_iter([("key".to_owned(), value)]);
            prop_assert_eq!(context(Some(struct_message(&context_in))).unwrap(), context_in);
        }

        #[test]
        fn instants_go_through_messages_unchanged(micros: i64) {
            let message = timestamp_message(Timestamp(micros));
            prop_assert!((0..1_000_000_000).contains(&message.nanos));
            prop_assert_eq!(timestamp(message).unwrap(), Timestamp(micros));
        }
    }

    #[test]
    fn what_no_number_can_say_is_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(number(value).is_err());
        }
        let far = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
        assert!(timestamp(far).is_err());
    }
}
