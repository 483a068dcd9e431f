//! From what is asked to what is enforced: names become ids, values get the types of their fields.

use policy_core::instant::instant;
use policy_core::{
    Comparison, Condition, DocId, Grant, GrantEntry, GrantId, GrantScope, Holder, Predicate, Scalar, SpaceId,
    Timestamp, UserId, Verb,
};
use serde_json::Value;
use vault_core::schema::{Collection, Field, FieldType, ScalarType, Schema};

use super::access::{Access, AccessError, AskedCondition, Operator, creates_among_named, named_within_bounds};

/// Whose grant it is, to whom, and when it begins.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub id: GrantId,
    pub grantor: UserId,
    pub holder: Holder,
    pub space: SpaceId,
    pub now: Timestamp,
}

/// The grant that `list` asks for, in the definitions of `schema`. Entry `n` is element `n` of the
/// list, with one scope for each type.
pub fn compile(list: &[Access], terms: Terms, schema: &Schema) -> Result<Grant, AccessError> {
    let mut entries = Vec::with_capacity(list.len());
    for access in list {
        if access.space.is_some_and(|space| space != terms.space) {
            return Err(AccessError::malformed("All entries of one grant lie in one space."));
        }
        let scopes = access.datatypes.iter().map(|name| scope(access, name, schema)).collect::<Result<_, _>>()?;
        entries.push(GrantEntry {
            verbs: access.verbs,
            scopes,
            purpose: access.purpose.clone(),
            until: access.duration.map(|span| span.after(terms.now)),
        });
    }
    let grant = Grant { id: terms.id, grantor: terms.grantor, holder: terms.holder, space: terms.space, entries };
    named_within_bounds(grant.named_documents())?;
    Ok(grant)
}

fn scope(access: &Access, name: &str, schema: &Schema) -> Result<GrantScope, AccessError> {
    let collection = schema
        .collection_named(name)
        .ok_or_else(|| AccessError::Schema(format!("There is no type `{name}` in this space.")))?;
    let mut fields = Vec::with_capacity(access.allow.len());
    for field in &access.allow {
        fields.push(named(collection, field)?.id);
    }
    fields.sort_unstable();
    let conditions = access.conditions.iter().map(|asked| condition(collection, asked)).collect::<Result<_, _>>()?;
    let conditions = once(conditions);
    let nothing = conditions.iter().find(|one| matches!(&one.comparison, Comparison::In(values) if values.is_empty()));
    if let Some(condition) = nothing {
        let name = collection.field(condition.field).map_or("", |field| field.name.as_str());
        return Err(AccessError::Contradiction(format!("`where.{name}`: no document can meet all of its conditions.")));
    }
    let documents = access.documents.clone().map(|mut documents| {
        documents.sort_unstable();
        documents.dedup();
        documents
    });
    match &documents {
        Some(_) if access.verbs.has(Verb::Create) => return Err(creates_among_named()),
        Some(none) if none.is_empty() => {
            return Err(AccessError::Contradiction("`documents` names none.".to_owned()));
        }
        _ => {}
    }
    Ok(GrantScope {
        collection: collection.id,
        fields,
        predicate: Predicate { conditions },
        documents,
        rows_per_day: access.rows_per_day,
    })
}

/// The same documents by conditions of which no two compare one field in the same way: so each of them can be shown.
/// What contradicts itself is a choice from no values.
pub(super) fn once(conditions: Vec<Condition>) -> Vec<Condition> {
    let mut kept: Vec<Condition> = Vec::with_capacity(conditions.len());
    for condition in conditions {
        add(&mut kept, condition);
    }
    kept
}

fn add(kept: &mut Vec<Condition>, new: Condition) {
    let word = |one: &Condition| Operator::of(&one.comparison);
    let Some(at) = kept.iter().position(|one| one.field == new.field && word(one) == word(&new)) else {
        return kept.push(new);
    };
    let of = |comparison| Condition { field: new.field, comparison };
    let both = match (&kept[at].comparison, &new.comparison) {
        (Comparison::Eq(a), Comparison::Eq(b)) if a == b => of(Comparison::Eq(a.clone())),
        (Comparison::Eq(_), Comparison::Eq(_)) => of(Comparison::In(Vec::new())),
        (Comparison::Neq(a), Comparison::Neq(b)) if a == b => of(Comparison::Neq(a.clone())),
        (Comparison::Neq(a), Comparison::Neq(b)) => of(Comparison::Nin(vec![a.clone(), b.clone()])),
        (Comparison::In(a), Comparison::In(b)) => {
            of(Comparison::In(a.iter().filter(|value| b.contains(value)).cloned().collect()))
        }
        (Comparison::Nin(a), Comparison::Nin(b)) => {
            let more = b.iter().filter(|value| !a.contains(value));
            of(Comparison::Nin(a.iter().chain(more).cloned().collect()))
        }
        (Comparison::Gt(a), Comparison::Gt(b)) => of(Comparison::Gt(larger(a, b).clone())),
        (Comparison::Geq(a), Comparison::Geq(b)) => of(Comparison::Geq(larger(a, b).clone())),
        (Comparison::Lt(a), Comparison::Lt(b)) => of(Comparison::Lt(if larger(a, b) == a { b } else { a }.clone())),
        (Comparison::Leq(a), Comparison::Leq(b)) => of(Comparison::Leq(if larger(a, b) == a { b } else { a }.clone())),
        _ => return kept.push(new),
    };
    let changed = word(&both) != word(&kept[at]);
    if changed {
        // It may meet another of its new kind.
        kept.remove(at);
        add(kept, both);
    } else {
        kept[at] = both;
    }
}

/// The larger of two values of one field.
fn larger<'a>(a: &'a Scalar, b: &'a Scalar) -> &'a Scalar {
    let more = match (a, b) {
        (Scalar::Int(a), Scalar::Int(b)) => a >= b,
        (Scalar::Float(a), Scalar::Float(b)) => a >= b,
        (Scalar::String(a), Scalar::String(b)) => a >= b,
        (Scalar::DateTime(a), Scalar::DateTime(b)) => a >= b,
        _ => true,
    };
    if more { a } else { b }
}

fn named<'a>(collection: &'a Collection, name: &str) -> Result<&'a Field, AccessError> {
    let missing = || AccessError::Schema(format!("The type `{}` has no field `{name}`.", collection.name));
    collection.field_named(name).ok_or_else(missing)
}

fn condition(collection: &Collection, asked: &AskedCondition) -> Result<Condition, AccessError> {
    let field = named(collection, &asked.field)?;
    let unfit = |why: &str| AccessError::Schema(format!("`where.{}`: {why}", asked.field));
    let kind = match &field.kind {
        FieldType::Scalar { of: ScalarType::Json, .. } | FieldType::List { .. } | FieldType::Inverse { .. } => {
            return Err(unfit("rows cannot be chosen by a list, a JSON value or the far side of a relation."));
        }
        FieldType::Scalar { of, .. } => Some(*of),
        FieldType::ToOne { .. } => None,
    };
    let ordered = matches!(
        kind,
        Some(ScalarType::Int | ScalarType::Float64 | ScalarType::Float32 | ScalarType::String | ScalarType::DateTime)
    );
    let convert = |value: &Value| scalar(kind, value).ok_or_else(|| unfit("the value does not have the field's type."));
    let order = |value: &Value| {
        if !ordered || value.is_null() {
            return Err(unfit("values of this field have no order."));
        }
        convert(value)
    };
    let listed = asked.value.as_array().map(Vec::as_slice).unwrap_or_default();
    let several = || listed.iter().map(convert).collect::<Result<Vec<_>, _>>();
    let value = &asked.value;
    let comparison = match asked.operator {
        Operator::Eq => Comparison::Eq(convert(value)?),
        Operator::Neq => Comparison::Neq(convert(value)?),
        Operator::In => Comparison::In(several()?),
        Operator::Nin => Comparison::Nin(several()?),
        Operator::Gt => Comparison::Gt(order(value)?),
        Operator::Geq => Comparison::Geq(order(value)?),
        Operator::Lt => Comparison::Lt(order(value)?),
        Operator::Leq => Comparison::Leq(order(value)?),
    };
    Ok(Condition { field: field.id, comparison })
}

/// A JSON value as a field of this type holds it (`None` as type: the id of a related document).
fn scalar(kind: Option<ScalarType>, value: &Value) -> Option<Scalar> {
    if value.is_null() {
        return Some(Scalar::Null);
    }
    Some(match kind {
        None => Scalar::Blob(value.as_str()?.parse::<DocId>().ok()?.as_bytes().to_vec()),
        Some(ScalarType::Boolean) => Scalar::Bool(value.as_bool()?),
        Some(ScalarType::Int) => Scalar::Int(value.as_i64()?),
        Some(ScalarType::Float64) => {
            let exact = |number: &f64| value.as_i64().is_none_or(|whole| *number as i128 == i128::from(whole));
            Scalar::Float(value.as_f64().filter(|number| number.is_finite() && exact(number))? + 0.0)
        }
        Some(ScalarType::Float32) => {
            let narrow = value.as_f64()? as f32;
            Scalar::Float(f64::from(Some(narrow).filter(|number| number.is_finite())?))
        }
        Some(ScalarType::String | ScalarType::Id) => Scalar::String(value.as_str()?.to_owned()),
        Some(ScalarType::DateTime) => Scalar::DateTime(instant(value.as_str()?).ok()?),
        Some(ScalarType::Blob) => {
            let text = value.as_str()?.to_ascii_lowercase();
            Scalar::Blob(data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?)
        }
        Some(ScalarType::Json) => return None,
    })
}
