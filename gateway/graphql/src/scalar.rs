//! From what a request says to the scalars that documents hold.

use policy_core::instant::instant;
use policy_core::{DocId, Scalar, Timestamp};
use serde_json::Value as Json;
use vault_core::limits::MAX_VALUE;
use vault_core::schema::{FieldType, ScalarType};
use vault_core::value::Value;

use super::error::GraphQlError;
use super::input::Input;

fn too_large(field: &str) -> GraphQlError {
    GraphQlError::new("value_too_large", format!("The value of `{field}` is larger than 1 MiB."))
}

fn wrong(field: &str, wanted: &str) -> GraphQlError {
    GraphQlError::invalid(format!("The value of `{field}` is not {wanted}."))
}

/// The scalar of type `of`, or null. `field` is what an error names.
pub fn scalar(of: ScalarType, input: &Input<'_>, field: &str) -> Result<Scalar, GraphQlError> {
    Ok(match (of, input) {
        (_, Input::Null) => Scalar::Null,
        (ScalarType::Id, Input::Str(text) | Input::Int(text)) | (ScalarType::String, Input::Str(text)) => {
            if text.len() > MAX_VALUE {
                return Err(too_large(field));
            }
            Scalar::String((*text).to_owned())
        }
        (ScalarType::Boolean, Input::Bool(value)) => Scalar::Bool(*value),
        (ScalarType::Int, Input::Int(text)) => {
            Scalar::Int(text.parse().map_err(|_| wrong(field, "an integer of 64 bits"))?)
        }
        (ScalarType::Float64, Input::Int(text) | Input::Float(text)) => Scalar::Float(finite(text, field)?),
        (ScalarType::Float32, Input::Int(text) | Input::Float(text)) => {
            let narrow = finite(text, field)? as f32;
            if !narrow.is_finite() {
                return Err(wrong(field, "a number that fits 32 bits"));
            }
            Scalar::Float(f64::from(narrow))
        }
        (ScalarType::DateTime, Input::Str(text)) => Scalar::DateTime(date_time(text, field)?),
        (ScalarType::Blob, Input::Str(text)) => {
            if text.len() > 2 * MAX_VALUE {
                return Err(too_large(field));
            }
            let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
            Scalar::Blob(bytes.map_err(|_| wrong(field, "a blob in hexadecimal digits"))?)
        }
        (ScalarType::Json, _) => return Err(wrong(field, "a scalar")),
        (of, _) => return Err(wrong(field, described(of))),
    })
}

fn described(of: ScalarType) -> &'static str {
    match of {
        ScalarType::Id => "an ID",
        ScalarType::Boolean => "a boolean",
        ScalarType::Int => "an integer of 64 bits",
        ScalarType::Float64 | ScalarType::Float32 => "a number",
        ScalarType::String => "a string",
        ScalarType::DateTime => "a date and time (RFC 3339)",
        ScalarType::Json => "JSON",
        ScalarType::Blob => "a blob in hexadecimal digits",
    }
}

/// A finite number; zero has no sign.
fn finite(text: &str, field: &str) -> Result<f64, GraphQlError> {
    let value: f64 = text.parse().map_err(|_| wrong(field, "a number"))?;
    if value.is_finite() { Ok(value + 0.0) } else { Err(wrong(field, "a finite number")) }
}

/// What a value of type `of` is compared with: as [`scalar`], but a whole number beside floats keeps all of its
/// digits, and one that no float and no 64-bit integer holds is refused instead of rounded to a neighbour.
pub fn compared(of: ScalarType, input: &Input<'_>, field: &str) -> Result<Scalar, GraphQlError> {
    let (ScalarType::Float64 | ScalarType::Float32, Input::Int(text)) = (of, input) else {
        return scalar(of, input, field);
    };
    match (text.parse::<i64>(), text.parse::<i128>()) {
        (Ok(whole), _) => Ok(Scalar::Int(whole)),
        (_, Ok(whole)) if whole as f64 as i128 != whole => {
            Err(wrong(field, "a number that can be compared exactly: it has more digits than a float"))
        }
        _ => finite(text, field).map(Scalar::Float),
    }
}

fn date_time(text: &str, field: &str) -> Result<Timestamp, GraphQlError> {
    instant(text).map_err(|why| wrong(field, why.wanted()))
}

/// The value of a stored field of this kind; null where it is null. Relations take the target's id.
pub fn value(kind: &FieldType, input: &Input<'_>, field: &str) -> Result<Value, GraphQlError> {
    if matches!(input, Input::Null) {
        return Ok(Value::NULL);
    }
    match kind {
        FieldType::Scalar { of: ScalarType::Json, .. } => Ok(Value::Json(json(input, field)?)),
        FieldType::Scalar { of, .. } => Ok(Value::Scalar(scalar(*of, input, field)?)),
        FieldType::List { of, item_not_null, .. } => {
            let single = std::slice::from_ref(input);
            let items = match input {
                Input::List(items) => items.as_slice(),
                _ => single,
            };
            let mut size = 0;
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                let item = scalar(*of, item, field)?;
                if *item_not_null && item == Scalar::Null {
                    return Err(GraphQlError::new("not_null", format!("An element of `{field}` is null.")));
                }
                size += match &item {
                    Scalar::String(text) => text.len(),
                    Scalar::Blob(bytes) => bytes.len(),
                    _ => 8,
                };
                if size > MAX_VALUE {
                    return Err(too_large(field));
                }
                out.push(item);
            }
            Ok(Value::List(out))
        }
        FieldType::ToOne { .. } => Ok(Value::Scalar(doc_scalar(input, field)?)),
        FieldType::Inverse { .. } => {
            Err(GraphQlError::invalid(format!("`{field}` is the side of its relation that stores nothing.")))
        }
    }
}

/// The id of a document.
pub fn doc_id(input: &Input<'_>, field: &str) -> Result<DocId, GraphQlError> {
    match input {
        Input::Str(text) => text.parse().map_err(|_| wrong(field, "a document id")),
        _ => Err(wrong(field, "a document id")),
    }
}

/// A document id as a scalar: its sixteen bytes, or null.
pub fn doc_scalar(input: &Input<'_>, field: &str) -> Result<Scalar, GraphQlError> {
    match input {
        Input::Null => Ok(Scalar::Null),
        _ => Ok(Scalar::Blob(doc_id(input, field)?.as_bytes().to_vec())),
    }
}

/// Any value as JSON. Numbers are 64-bit integers or finite floats.
pub fn json(input: &Input<'_>, field: &str) -> Result<Json, GraphQlError> {
    let mut left = MAX_VALUE;
    json_within(input, field, &mut left, 0)
}

fn json_within(input: &Input<'_>, field: &str, left: &mut usize, depth: usize) -> Result<Json, GraphQlError> {
    if depth > 100 {
        return Err(GraphQlError::new("limit_depth", format!("The value of `{field}` is nested too deeply.")));
    }
    let weight = match input {
        Input::Str(text) | Input::Enum(text) | Input::Int(text) | Input::Float(text) => text.len() + 2,
        Input::Object(fields) => fields.iter().map(|(key, _)| key.len() + 4).sum::<usize>() + 2,
        _ => 4,
    };
    *left = left.checked_sub(weight).ok_or_else(|| too_large(field))?;
    Ok(match input {
        Input::Null => Json::Null,
        Input::Bool(value) => Json::Bool(*value),
        Input::Int(text) => match text.parse::<i64>() {
            Ok(value) => Json::from(value),
            Err(_) => return Err(wrong(field, "JSON whose integers fit 64 bits")),
        },
        Input::Float(text) => {
            let value = finite(text, field)?;
            serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number)
        }
        Input::Str(text) => Json::String((*text).to_owned()),
        Input::Enum(_) | Input::Var(_) => return Err(wrong(field, "JSON")),
        Input::List(items) => {
            Json::Array(items.iter().map(|item| json_within(item, field, left, depth + 1)).collect::<Result<_, _>>()?)
        }
        Input::Object(fields) => {
            let mut map = serde_json::Map::new();
            for (key, value) in fields {
                map.insert((*key).to_owned(), json_within(value, field, left, depth + 1)?);
            }
            Json::Object(map)
        }
    })
}
