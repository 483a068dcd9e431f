//! Values as columns hold them. Columns have no declared type, so SQLite converts nothing: an integer,
//! a boolean and a date and time (microseconds) are INTEGER, a float REAL, a text TEXT, bytes and
//! document ids BLOB, a list and JSON the text of JSON.

use policy_core::{CollectionId, DocId, FieldId, Scalar, Timestamp};
use rusqlite::types::{Value as Sql, ValueRef};
use vault_core::schema::{Field, FieldType, ScalarType};
use vault_core::value::Value;

use super::json;
use super::predicate::equal;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar(ScalarType),
    List(ScalarType),
    /// The document id of a document of another collection.
    Relation(CollectionId),
    DocId,
    /// A number as SQLite computed it.
    Number,
}

/// `None` for a field that documents store nothing for.
pub(super) fn shape(field: &Field) -> Option<Shape> {
    match &field.kind {
        FieldType::Scalar { of, .. } => Some(Shape::Scalar(*of)),
        FieldType::List { of, .. } => Some(Shape::List(*of)),
        FieldType::ToOne { target, .. } => Some(Shape::Relation(*target)),
        FieldType::Inverse { .. } => None,
    }
}

pub(super) fn column_name(field: FieldId) -> String {
    format!("f_{field}")
}

pub(super) fn table_name(collection: CollectionId) -> String {
    format!("c_{collection}")
}

/// Whether a column of this shape tells a value whole. What it does not tell reads as null and is reported.
pub(super) fn fits(shape: Shape, value: &Value) -> bool {
    let scalar = |of, scalar: &Scalar| matches!(scalar, Scalar::Null) || equal(&typed(of, scalar), scalar);
    match (shape, value) {
        (_, Value::Scalar(Scalar::Null)) | (Shape::Scalar(ScalarType::Json), Value::Json(_) | Value::Scalar(_)) => true,
        (Shape::Scalar(of), Value::Scalar(value)) => scalar(of, value),
        (Shape::List(of), Value::List(elements)) => elements.iter().all(|element| scalar(of, element)),
        (Shape::Relation(_), Value::Scalar(Scalar::Blob(id))) => id.len() == 16,
        _ => false,
    }
}

/// A scalar as a column of this type holds it; null if it is of another type, so that a member who
/// writes nonsense leaves a null and not a column of mixed types.
fn typed(of: ScalarType, scalar: &Scalar) -> Scalar {
    match (of, scalar) {
        // Only if nothing is lost: another definition of the field may have been in force where it was written.
        (ScalarType::Float64, Scalar::Int(n)) if *n as f64 as i128 == i128::from(*n) => Scalar::Float(*n as f64),
        (ScalarType::Float32, Scalar::Int(n)) if *n as f32 as i128 == i128::from(*n) => Scalar::Float(*n as f32 as f64),
        (ScalarType::Float32, Scalar::Float(n)) if (*n as f32).is_finite() => Scalar::Float(f64::from(*n as f32)),
        (ScalarType::DateTime, Scalar::DateTime(at)) if !INSTANTS.contains(&at.0) => Scalar::Null,
        (ScalarType::Float64, Scalar::Float(_))
        | (ScalarType::Boolean, Scalar::Bool(_))
        | (ScalarType::Int, Scalar::Int(_))
        | (ScalarType::String | ScalarType::Id, Scalar::String(_))
        | (ScalarType::DateTime, Scalar::DateTime(_))
        | (ScalarType::Blob, Scalar::Blob(_)) => scalar.clone(),
        _ => Scalar::Null,
    }
}

/// The instants that RFC 3339 can write, in microseconds: the years 0000 to 9999.
const INSTANTS: std::ops::RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_300_799_999_999;

pub(super) fn scalar_to_sql(scalar: &Scalar) -> Sql {
    match scalar {
        Scalar::Null => Sql::Null,
        Scalar::Bool(value) => Sql::Integer(i64::from(*value)),
        Scalar::Int(value) => Sql::Integer(*value),
        Scalar::Float(value) => Sql::Real(*value),
        Scalar::String(value) => Sql::Text(value.clone()),
        Scalar::DateTime(value) => Sql::Integer(value.0),
        Scalar::Blob(value) => Sql::Blob(value.clone()),
    }
}

pub(super) fn to_sql(shape: Shape, value: &Value) -> Sql {
    match (shape, value) {
        (Shape::Scalar(ScalarType::Json), value) => match value {
            Value::Json(serde_json::Value::Null) | Value::Scalar(Scalar::Null) => Sql::Null,
            Value::Json(json) => Sql::Text(json.to_string()),
            Value::Scalar(scalar) => {
                let mut text = Vec::new();
                json::scalar(&mut text, scalar);
                Sql::Text(String::from_utf8(text).unwrap_or_default())
            }
            Value::List(_) => Sql::Null,
        },
        (Shape::Scalar(of), Value::Scalar(scalar)) => scalar_to_sql(&typed(of, scalar)),
        (Shape::List(of), Value::List(elements)) => Sql::Text(list_text(of, elements)),
        (Shape::Relation(_), Value::Scalar(Scalar::Blob(id))) if id.len() == 16 => Sql::Blob(id.clone()),
        _ => Sql::Null,
    }
}

/// A list as JSON: date and time as microseconds, bytes as hexadecimal.
fn list_text(of: ScalarType, elements: &[Scalar]) -> String {
    let mut text = vec![b'['];
    for (i, element) in elements.iter().enumerate() {
        if i > 0 {
            text.push(b',');
        }
        match typed(of, element) {
            Scalar::DateTime(at) => json::int(&mut text, at.0),
            scalar => json::scalar(&mut text, &scalar),
        }
    }
    text.push(b']');
    String::from_utf8(text).unwrap_or_default()
}

/// The scalar in a column (or in an element of a list) of type `of`.
pub(super) fn scalar_from_sql(of: ScalarType, value: ValueRef<'_>) -> Scalar {
    match (of, value) {
        (ScalarType::Boolean, ValueRef::Integer(n)) => Scalar::Bool(n != 0),
        (ScalarType::Int, ValueRef::Integer(n)) => Scalar::Int(n),
        (ScalarType::DateTime, ValueRef::Integer(n)) => Scalar::DateTime(Timestamp(n)),
        (ScalarType::Float64 | ScalarType::Float32, ValueRef::Real(n)) => Scalar::Float(n),
        (ScalarType::Float64 | ScalarType::Float32, ValueRef::Integer(n)) => Scalar::Float(n as f64),
        (ScalarType::String | ScalarType::Id, ValueRef::Text(text)) => {
            Scalar::String(String::from_utf8_lossy(text).into_owned())
        }
        (ScalarType::Blob, ValueRef::Blob(bytes)) => Scalar::Blob(bytes.to_vec()),
        (ScalarType::Blob, ValueRef::Text(hex)) => {
            data_encoding::HEXLOWER_PERMISSIVE.decode(hex).map_or(Scalar::Null, Scalar::Blob)
        }
        _ => Scalar::Null,
    }
}

/// The elements of a list column.
pub(super) fn elements(of: ScalarType, text: &[u8]) -> Vec<Scalar> {
    let Ok(all) = serde_json::from_slice::<Vec<serde_json::Value>>(text) else { return Vec::new() };
    all.iter().map(|element| element_from_json(of, element)).collect()
}

fn element_from_json(of: ScalarType, element: &serde_json::Value) -> Scalar {
    let scalar = match of {
        ScalarType::Boolean => element.as_bool().map(Scalar::Bool),
        ScalarType::Int => element.as_i64().map(Scalar::Int),
        ScalarType::DateTime => element.as_i64().map(|n| Scalar::DateTime(Timestamp(n))),
        ScalarType::Float64 | ScalarType::Float32 => element.as_f64().map(Scalar::Float),
        ScalarType::String | ScalarType::Id => element.as_str().map(|s| Scalar::String(s.to_owned())),
        ScalarType::Blob => element
            .as_str()
            .and_then(|s| data_encoding::HEXLOWER_PERMISSIVE.decode(s.as_bytes()).ok())
            .map(Scalar::Blob),
        ScalarType::Json => None,
    };
    scalar.unwrap_or(Scalar::Null)
}

/// The value in a column.
pub(super) fn from_sql(shape: Shape, value: ValueRef<'_>) -> Value {
    match (shape, value) {
        (_, ValueRef::Null) => Value::NULL,
        (Shape::Scalar(ScalarType::Json), ValueRef::Text(text)) => {
            serde_json::from_slice(text).map_or(Value::NULL, Value::Json)
        }
        (Shape::List(of), ValueRef::Text(text)) => Value::List(elements(of, text)),
        (Shape::Scalar(of), value) => Value::Scalar(scalar_from_sql(of, value)),
        (Shape::Relation(_) | Shape::DocId, ValueRef::Blob(id)) => Value::Scalar(Scalar::Blob(id.to_vec())),
        (Shape::Number, ValueRef::Integer(n)) => Value::Scalar(Scalar::Int(n)),
        (Shape::Number, ValueRef::Real(n)) => Value::Scalar(Scalar::Float(n)),
        _ => Value::NULL,
    }
}

/// A value as it would be read back from a column of this shape.
pub(super) fn as_stored(shape: Shape, value: &Value) -> Value {
    from_sql(shape, ValueRef::from(&to_sql(shape, value)))
}

/// An operand of a comparison with a column of this shape; `None` if the two cannot be compared.
pub(super) fn operand(shape: Shape, scalar: &Scalar) -> Option<Sql> {
    let fits = match (shape, scalar) {
        (Shape::Scalar(ScalarType::Float32), Scalar::Float(n)) => return Some(Sql::Real(f64::from(*n as f32))),
        (
            Shape::Number | Shape::Scalar(ScalarType::Int | ScalarType::Float64 | ScalarType::Float32),
            Scalar::Int(_) | Scalar::Float(_),
        )
        | (Shape::Scalar(ScalarType::Boolean), Scalar::Bool(_))
        | (Shape::Scalar(ScalarType::String | ScalarType::Id), Scalar::String(_))
        | (Shape::Number | Shape::Scalar(ScalarType::DateTime), Scalar::DateTime(_))
        | (Shape::Scalar(ScalarType::Blob), Scalar::Blob(_)) => true,
        (Shape::Relation(_) | Shape::DocId, Scalar::Blob(id)) => id.len() == 16,
        (Shape::Relation(_) | Shape::DocId, Scalar::String(id)) => {
            return id.parse::<DocId>().ok().map(|id| Sql::Blob(id.as_bytes().to_vec()));
        }
        _ => false,
    };
    fits.then(|| scalar_to_sql(scalar))
}
