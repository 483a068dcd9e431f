//! Values of a context to values of the declared types, as SpiceDB converts them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use super::Type;
use super::ip::Address;
use super::number::{self, Whole};
use super::time::{DurationFault, Instant, parse_duration};
use super::value::{Map, Value};

/// How deep lists and objects may nest in a value of the type `any`.
const MAX_NESTING: usize = 128;

impl Value {
    /// The value that `json` gives a parameter of the type `as_type`. Numbers are doubles, as in a
    /// protocol buffer's `Struct`: an integer of more than 53 bits must be written as a string.
    ///
    /// # Errors
    /// Why the value does not fit, in a sentence that names the type.
    pub fn from_json(json: &Json, as_type: &Type) -> Result<Value, String> {
        convert(json, as_type).map_err(|why| format!("for {as_type}: {why}"))
    }
}

fn convert(json: &Json, as_type: &Type) -> Result<Value, String> {
    match as_type {
        Type::Any => any(json, MAX_NESTING),
        Type::Bool => match json {
            Json::Bool(value) => Ok(Value::Bool(*value)),
            other => Err(wanted("bool", other)),
        },
        Type::String => match json {
            Json::String(text) => Ok(Value::from(text.as_str())),
            other => Err(wanted("string", other)),
        },
        Type::Int => whole(json, "int64", "int").map(Value::Int),
        Type::Uint => {
            let number = whole(json, "uint64", "uint")?;
            let unsigned = u64::try_from(number).map(Value::Uint);
            unsigned.map_err(|_| {
                let shown = number::general(number as f64, Some(10));
                format!("a uint value is required, but found int64 value `{shown}`")
            })
        }
        Type::Double => match json {
            Json::Number(_) => double(json).map(Value::Double),
            Json::String(text) => {
                number::double_from_text(text).map(Value::Double).ok_or_else(|| invalid("float64", json))
            }
            other => Err(wanted("float64", other)),
        },
        Type::Bytes => match json {
            Json::String(text) => base64(text.as_bytes()).map(|bytes| Value::Bytes(bytes.into())).map_err(|at| {
                format!("bytes requires a base64 encoded string: illegal base64 data at input byte {at}")
            }),
            other => {
                Err(format!("bytes requires a base64 unicode string, found: {} `{}`", kind(other), Summary(other)))
            }
        },
        Type::Duration => match json {
            Json::String(text) => duration(text),
            other => Err(format!("durations requires a duration string, found: {}", kind(other))),
        },
        Type::Timestamp => match json {
            Json::String(text) => Instant::parse(text)
                .map(Value::Timestamp)
                .ok_or_else(|| format!("could not parse RFC 3339 formatted timestamp string `{}`", cut(text))),
            other => Err(format!(
                "timestamps requires a RFC 3339 formatted timestamp string, found: {} `{}`",
                kind(other),
                Summary(other)
            )),
        },
        Type::IpAddress => match json {
            Json::String(text) => Address::parse(text)
                .map(Value::IpAddress)
                .map_err(|why| format!("could not parse ip address string `{}`: {why}", cut(text))),
            other => {
                Err(format!("ipaddress requires an ipaddress string, found: {} `{}`", kind(other), Summary(other)))
            }
        },
        Type::List(of) => match json {
            Json::Array(items) => {
                let mut elements = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    let element = Value::from_json(item, of);
                    elements.push(
                        element.map_err(|why| format!("found an invalid value for item at index {index}: {why}"))?,
                    );
                }
                Ok(Value::List(Arc::new(elements)))
            }
            other => Err(format!("list requires a list, found: {}", kind(other))),
        },
        Type::Map(of) => match json {
            Json::Object(fields) => {
                let mut entries = BTreeMap::new();
                for (key, item) in fields {
                    let value = Value::from_json(item, of);
                    let value = value.map_err(|why| format!("found an invalid value for key `{}`: {why}", cut(key)))?;
                    entries.insert(key.as_str().into(), value);
                }
                Ok(Value::Map(Arc::new(Map::Named(entries))))
            }
            other => Err(format!("map requires a map, found: {}", kind(other))),
        },
    }
}

fn any(json: &Json, levels: usize) -> Result<Value, String> {
    let below = || levels.checked_sub(1).ok_or_else(|| format!("lists and maps nest deeper than {MAX_NESTING}"));
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(_) => Value::Double(double(json)?),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => {
            let levels = below()?;
            Value::List(Arc::new(items.iter().map(|item| any(item, levels)).collect::<Result<_, _>>()?))
        }
        Json::Object(fields) => {
            let levels = below()?;
            let entry = |(key, item): (&String, &Json)| Ok((key.as_str().into(), any(item, levels)?));
            Value::Map(Arc::new(Map::Named(fields.iter().map(entry).collect::<Result<_, String>>()?)))
        }
    })
}

fn double(json: &Json) -> Result<f64, String> {
    json.as_f64().ok_or_else(|| format!("the number `{}` is out of range", Summary(json)))
}

/// `form` and `name` are two names of the type; SpiceDB uses either.
fn whole(json: &Json, form: &str, name: &str) -> Result<i64, String> {
    let number = match json {
        Json::Number(_) => number::whole_from_double(double(json)?),
        Json::String(text) => number::whole_from_text(text),
        other => return Err(wanted(form, other)),
    };
    match number {
        Whole::Number(number) => Ok(number),
        Whole::Fraction(shown) => Err(format!("a {name} value is required, but found numeric value `{shown}`")),
        Whole::NotANumber => Err(invalid(form, json)),
    }
}

fn duration(text: &str) -> Result<Value, String> {
    parse_duration(text).map(Value::Duration).map_err(|fault| {
        let text = cut(text);
        let why = match fault {
            DurationFault::Invalid => format!("invalid duration {text:?}"),
            DurationFault::MissingUnit => format!("missing unit in duration {text:?}"),
            DurationFault::UnknownUnit(unit) => format!("unknown unit {:?} in duration {text:?}", cut(&unit)),
        };
        format!("could not parse duration string `{text}`: time: {why}")
    })
}

fn wanted(form: &str, found: &Json) -> String {
    format!("a {form} value is required, but found {} `{}`", kind(found), Summary(found))
}

fn invalid(form: &str, found: &Json) -> String {
    format!("a {form} value is required, but found invalid string value `{}`", Summary(found))
}

/// As SpiceDB names what JSON can hold.
fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "<nil>",
        Json::Bool(_) => "bool",
        Json::Number(_) => "float64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    }
}

/// The beginning of a text that comes from outside.
fn cut(text: &str) -> &str {
    text.char_indices().nth(256).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// A value as messages show it: scalars in full, collections by their size.
struct Summary<'a>(&'a Json);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Json::Null => f.write_str("<nil>"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Number(number) => match number.as_f64() {
                Some(number) => f.write_str(&number::general(number, None)),
                None => f.write_str(cut(&number.to_string())),
            },
            Json::String(text) => f.write_str(cut(text)),
            Json::Array(items) => write!(f, "[{} items]", items.len()),
            Json::Object(fields) => write!(f, "map[{} entries]", fields.len()),
        }
    }
}

/// Standard base64 with padding; line ends are skipped, and what is left over in the last byte is
/// not looked at.
///
/// # Errors
/// Where the fault is.
fn base64(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut filled, mut padding) = (0u32, 0, 0);
    for (at, byte) in text.iter().enumerate() {
        let sextet = match byte {
            b'\r' | b'\n' => continue,
            b'=' if filled >= 2 && filled + padding < 4 => {
                padding += 1;
                continue;
            }
            _ if padding > 0 => return Err(at),
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(at),
        };
        buffer = buffer << 6 | u32::from(sextet);
        filled += 1;
        if filled == 4 {
            let [_, quantum @ ..] = buffer.to_be_bytes();
            bytes.extend_from_slice(&quantum);
            (buffer, filled) = (0, 0);
        }
    }
    match (filled, padding) {
        (0, 0) => {}
        (2, 2) => bytes.push((buffer >> 4) as u8),
        (3, 1) => bytes.extend_from_slice(&[(buffer >> 10) as u8, (buffer >> 2) as u8]),
        _ => return Err(text.len()),
    }
    Ok(bytes)
}
