//! What the functions and operators do.

use std::cmp::Ordering;
use std::sync::Arc;

use super::eval::{Meter, Stop, contains};
use super::number::{general, parse_double};
use super::pattern::Pattern;
use super::signatures::{Function, Overload, Shape};
use super::time::{Instant, parse_duration};
use super::value::{Map, Value, compare, equal, to_i64, to_u64};

type Result_ = Result<Value, Stop>;

/// Bytes cannot be a key of a map that an expression writes.
pub(super) fn unhashable() -> Stop {
    Stop::abort("internal error: runtime error: hash of unhashable type types.Bytes")
}

/// A key as messages show it.
pub(super) fn key_text(key: &Value) -> String {
    match key {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Double(value) => general(*value, None),
        Value::String(text) => text.chars().take(256).collect(),
        other => other.kind().to_owned(),
    }
}

fn overflow(what: &'static str) -> Stop {
    Stop::fault(what)
}

fn int_overflow() -> Stop {
    overflow("integer overflow")
}

fn uint_overflow() -> Stop {
    overflow("unsigned integer overflow")
}

fn timestamp_overflow() -> Stop {
    overflow("timestamp overflow")
}

/// Whether a value is of the type that an overload declares; of a collection, its first element is looked at.
fn fits(value: &Value, shape: &Shape) -> bool {
    match (shape, value) {
        (Shape::Dyn | Shape::Variable(_), _)
        | (Shape::Bool, Value::Bool(_))
        | (Shape::Int, Value::Int(_))
        | (Shape::Uint, Value::Uint(_))
        | (Shape::Double, Value::Double(_))
        | (Shape::Text, Value::String(_))
        | (Shape::Bytes, Value::Bytes(_))
        | (Shape::Duration, Value::Duration(_))
        | (Shape::Timestamp, Value::Timestamp(_))
        | (Shape::IpAddress, Value::IpAddress(_))
        | (Shape::Optional(_), Value::Optional(_))
        | (Shape::Type(_), Value::Type(_)) => true,
        (Shape::List(element), Value::List(elements)) => elements.first().is_none_or(|first| fits(first, element)),
        (Shape::Map(parts), Value::Map(map)) => map.first_key().is_none_or(|first| fits(&first, &parts.0)),
        _ => false,
    }
}

/// # Errors
/// The argument is of a type that the function does not take, or it has no result for that value.
pub(super) fn unary(function: Function, only: Option<&Overload>, value: Value, meter: &mut Meter) -> Result_ {
    if only.is_some_and(|only| !only.arguments.first().is_some_and(|shape| fits(&value, shape))) {
        return Err(Stop::NO_OVERLOAD);
    }
    match (function, value) {
        (Function::Not, Value::Bool(value)) => Ok(Value::Bool(!value)),
        (Function::Negate, Value::Int(value)) => value.checked_neg().map(Value::Int).ok_or_else(int_overflow),
        (Function::Negate, Value::Double(value)) => Ok(Value::Double(-value)),
        (Function::Negate, Value::Duration(value)) => value.checked_neg().map(Value::Duration).ok_or_else(int_overflow),
        (Function::Size, value) => size(&value, meter),
        (Function::TypeOf, value) => Ok(Value::Type(value.kind())),
        (Function::ToDyn, value) => Ok(value),
        (Function::OptionalOf, value) => Ok(Value::Optional(Some(Arc::new(value)))),
        (Function::OptionalOfNonZero, value) => {
            Ok(Value::Optional(if value.is_zero() { None } else { Some(Arc::new(value)) }))
        }
        (Function::OptionalHasValue, Value::Optional(inner)) => Ok(Value::Bool(inner.is_some())),
        (Function::OptionalValue, Value::Optional(Some(inner))) => Ok((*inner).clone()),
        (Function::OptionalValue, Value::Optional(None)) => Err(Stop::fault("optional.none() dereference")),
        (function, Value::Timestamp(instant)) if calendar(function).is_some() => part(function, instant, None),
        (function, Value::Duration(nanos)) => duration_part(function, nanos),
        (function, value) => convert(function, value, meter),
    }
}

/// # Errors
/// As [`unary`].
pub(super) fn binary(
    function: Function,
    only: Option<&Overload>,
    one: Value,
    two: Value,
    meter: &mut Meter,
) -> Result_ {
    if let Some(only) = only
        && !matches!(only.arguments.as_slice(), [first, second] if fits(&one, first) && fits(&two, second))
    {
        return Err(Stop::NO_OVERLOAD);
    }
    match function {
        Function::Equal => {
            meter.charge(weight(&one))?;
            equal(&one, &two, meter).map(Value::Bool)
        }
        Function::Unequal => {
            meter.charge(weight(&one))?;
            match equal(&one, &two, meter) {
                Ok(equal) => Ok(Value::Bool(!equal)),
                Err(Stop::Fault(_)) => Ok(Value::Bool(true)),
                Err(other) => Err(other),
            }
        }
        Function::Less => ordered(&one, &two, meter, Ordering::is_lt),
        Function::LessOrEqual => ordered(&one, &two, meter, Ordering::is_le),
        Function::Greater => ordered(&one, &two, meter, Ordering::is_gt),
        Function::GreaterOrEqual => ordered(&one, &two, meter, Ordering::is_ge),
        Function::Add => add(one, two, meter),
        Function::Subtract => subtract(&one, &two),
        Function::Multiply => multiply(&one, &two),
        Function::Divide => divide(&one, &two),
        Function::Modulo => modulo(&one, &two),
        Function::In => {
            meter.charge(weight(&two) / 8)?;
            contains(&two, &one, meter)
        }
        _ => method(function, &one, &two, meter),
    }
}

fn method(function: Function, one: &Value, two: &Value, meter: &mut Meter) -> Result_ {
    match (function, one, two) {
        (Function::Contains | Function::StartsWith | Function::EndsWith, Value::String(text), Value::String(part)) => {
            meter.charge(weight(one) + weight(two))?;
            Ok(Value::Bool(match function {
                Function::Contains => text.contains(&**part),
                Function::StartsWith => text.starts_with(&**part),
                _ => text.ends_with(&**part),
            }))
        }
        (Function::Matches, Value::String(text), Value::String(pattern)) => {
            meter.charge(Pattern::cost(pattern))?;
            let pattern = Pattern::new(pattern);
            meter.charge(pattern.match_cost(text.len()))?;
            pattern.is_match(text).map(Value::Bool).map_err(Stop::fault)
        }
        (Function::InCidr, Value::IpAddress(address), Value::String(prefix)) => {
            let within = address.in_prefix(prefix);
            let invalid = || format!("invalid CIDR string: `{}`", prefix.chars().take(256).collect::<String>());
            within.map(Value::Bool).ok_or_else(|| Stop::fault(invalid()))
        }
        (Function::IsSubtreeOf, Value::Map(one), Value::Map(two)) => is_subtree(one, two, meter),
        (function, Value::Timestamp(instant), Value::String(zone)) => part(function, *instant, Some(zone)),
        _ => Err(Stop::NO_OVERLOAD),
    }
}

/// About how many units it takes to look at all of a value once.
fn weight(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64 / 64,
        Value::Bytes(bytes) => bytes.len() as u64 / 64,
        _ => 0,
    }
}

fn ordered(one: &Value, two: &Value, meter: &mut Meter, holds: fn(Ordering) -> bool) -> Result_ {
    meter.charge(weight(one))?;
    compare(one, two).map(|order| Value::Bool(holds(order)))
}

fn add(one: Value, two: Value, meter: &mut Meter) -> Result_ {
    match (one, two) {
        (Value::Int(one), Value::Int(two)) => one.checked_add(two).map(Value::Int).ok_or_else(int_overflow),
        (Value::Uint(one), Value::Uint(two)) => one.checked_add(two).map(Value::Uint).ok_or_else(uint_overflow),
        (Value::Double(one), Value::Double(two)) => Ok(Value::Double(one + two)),
        (Value::String(one), Value::String(two)) => {
            meter.charge((one.len() + two.len()) as u64 / 16)?;
            Ok(Value::String([&*one, &*two].concat().into()))
        }
        (Value::Bytes(one), Value::Bytes(two)) => {
            meter.charge((one.len() + two.len()) as u64 / 16)?;
            Ok(Value::Bytes([&*one, &*two].concat().into()))
        }
        (Value::List(one), Value::List(two)) => {
            meter.charge((one.len() + two.len()) as u64)?;
            let mut elements = Vec::with_capacity(one.len() + two.len());
            elements.extend(one.iter().cloned());
            elements.extend(two.iter().cloned());
            Ok(Value::List(Arc::new(elements)))
        }
        (Value::Duration(one), Value::Duration(two)) => {
            one.checked_add(two).map(Value::Duration).ok_or_else(int_overflow)
        }
        (Value::Timestamp(instant), Value::Duration(nanos)) | (Value::Duration(nanos), Value::Timestamp(instant)) => {
            instant.plus(nanos).map(Value::Timestamp).ok_or_else(timestamp_overflow)
        }
        _ => Err(Stop::NO_OVERLOAD),
    }
}

fn subtract(one: &Value, two: &Value) -> Result_ {
    match (one, two) {
        (Value::Int(one), Value::Int(two)) => one.checked_sub(*two).map(Value::Int).ok_or_else(int_overflow),
        (Value::Uint(one), Value::Uint(two)) => one.checked_sub(*two).map(Value::Uint).ok_or_else(uint_overflow),
        (Value::Double(one), Value::Double(two)) => Ok(Value::Double(one - two)),
        (Value::Duration(one), Value::Duration(two)) => {
            one.checked_sub(*two).map(Value::Duration).ok_or_else(int_overflow)
        }
        (Value::Timestamp(instant), Value::Duration(nanos)) => {
            let nanos = nanos.checked_neg().ok_or_else(int_overflow)?;
            instant.plus(nanos).map(Value::Timestamp).ok_or_else(timestamp_overflow)
        }
        (Value::Timestamp(one), Value::Timestamp(two)) => one.since(*two).map(Value::Duration).ok_or_else(int_overflow),
        _ => Err(Stop::NO_OVERLOAD),
    }
}

fn multiply(one: &Value, two: &Value) -> Result_ {
    match (one, two) {
        (Value::Int(one), Value::Int(two)) => one.checked_mul(*two).map(Value::Int).ok_or_else(int_overflow),
        (Value::Uint(one), Value::Uint(two)) => one.checked_mul(*two).map(Value::Uint).ok_or_else(uint_overflow),
        (Value::Double(one), Value::Double(two)) => Ok(Value::Double(one * two)),
        _ => Err(Stop::NO_OVERLOAD),
    }
}

fn divide(one: &Value, two: &Value) -> Result_ {
    match (one, two) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => Err(Stop::fault("division by zero")),
        (Value::Int(one), Value::Int(two)) => one.checked_div(*two).map(Value::Int).ok_or_else(int_overflow),
        (Value::Uint(one), Value::Uint(two)) => Ok(Value::Uint(one / two)),
        (Value::Double(one), Value::Double(two)) => Ok(Value::Double(one / two)),
        _ => Err(Stop::NO_OVERLOAD),
    }
}

fn modulo(one: &Value, two: &Value) -> Result_ {
    match (one, two) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => Err(Stop::fault("modulus by zero")),
        (Value::Int(one), Value::Int(two)) => one.checked_rem(*two).map(Value::Int).ok_or_else(int_overflow),
        (Value::Uint(one), Value::Uint(two)) => Ok(Value::Uint(one % two)),
        _ => Err(Stop::NO_OVERLOAD),
    }
}

fn size(value: &Value, meter: &mut Meter) -> Result_ {
    meter.charge(weight(value))?;
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(elements) => elements.len(),
        Value::Map(map) => map.len(),
        _ => return Err(Stop::NO_OVERLOAD),
    };
    i64::try_from(size).map(Value::Int).map_err(|_| int_overflow())
}

fn convert(function: Function, value: Value, meter: &mut Meter) -> Result_ {
    meter.charge(weight(&value))?;
    let failed =
        |to: &str, value: &Value| Err(Stop::fault(format!("type conversion error from '{}' to '{to}'", value.kind())));
    let converted = match (function, &value) {
        (Function::ToBool, Value::Bool(_))
        | (Function::ToBytes, Value::Bytes(_))
        | (Function::ToDouble, Value::Double(_))
        | (Function::ToDuration, Value::Duration(_))
        | (Function::ToInt, Value::Int(_))
        | (Function::ToText, Value::String(_))
        | (Function::ToTimestamp, Value::Timestamp(_))
        | (Function::ToUint, Value::Uint(_)) => return Ok(value),
        (Function::ToBool, Value::String(text)) => match &**text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Value::Bool(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Value::Bool(false),
            _ => return failed("bool", &value),
        },
        (Function::ToBytes, Value::String(text)) => Value::Bytes(text.as_bytes().into()),
        (Function::ToDouble, Value::Int(number)) => Value::Double(*number as f64),
        (Function::ToDouble, Value::Uint(number)) => Value::Double(*number as f64),
        (Function::ToDouble, Value::String(text)) => match parse_double(text) {
            Some(number) => Value::Double(number),
            None => return failed("double", &value),
        },
        (Function::ToDuration, Value::String(text)) => match parse_duration(text) {
            Ok(nanos) => Value::Duration(nanos),
            Err(_) => return failed("google.protobuf.Duration", &value),
        },
        (Function::ToDuration, Value::Int(_)) => return failed("google.protobuf.Duration", &value),
        (Function::ToInt, Value::Double(number)) => Value::Int(to_i64(*number).ok_or_else(int_overflow)?),
        (Function::ToInt, Value::Uint(number)) => Value::Int(i64::try_from(*number).map_err(|_| int_overflow())?),
        (Function::ToInt, Value::Timestamp(instant)) => Value::Int(instant.seconds()),
        (Function::ToInt, Value::String(text)) => match text.parse() {
            Ok(number) => Value::Int(number),
            Err(_) => return failed("int", &value),
        },
        (Function::ToUint, Value::Double(number)) => Value::Uint(to_u64(*number).ok_or_else(uint_overflow)?),
        (Function::ToUint, Value::Int(number)) => Value::Uint(u64::try_from(*number).map_err(|_| uint_overflow())?),
        // Unlike an int, a uint takes no sign at all.
        (Function::ToUint, Value::String(text)) => match text.parse() {
            Ok(number) if !text.starts_with('+') => Value::Uint(number),
            _ => return failed("uint", &value),
        },
        (Function::ToTimestamp, Value::Int(seconds)) => {
            Value::Timestamp(Instant::from_seconds(*seconds).ok_or_else(timestamp_overflow)?)
        }
        (Function::ToTimestamp, Value::String(text)) => match Instant::parse(text) {
            Some(instant) => Value::Timestamp(instant.in_range().ok_or_else(timestamp_overflow)?),
            None => return failed("google.protobuf.Timestamp", &value),
        },
        (Function::ToText, Value::Bool(value)) => Value::from(value.to_string().as_str()),
        (Function::ToText, Value::Int(value)) => Value::from(value.to_string().as_str()),
        (Function::ToText, Value::Uint(value)) => Value::from(value.to_string().as_str()),
        (Function::ToText, Value::Double(value)) => Value::from(general(*value, None).as_str()),
        (Function::ToText, Value::Timestamp(instant)) => Value::from(instant.to_string().as_str()),
        (Function::ToText, Value::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::from(text),
            Err(_) => return Err(Stop::fault("invalid UTF-8 in bytes, cannot convert to string")),
        },
        _ => return Err(Stop::NO_OVERLOAD),
    };
    Ok(converted)
}

/// Whether a function reads a part of a timestamp.
fn calendar(function: Function) -> Option<fn(&super::time::Civil) -> i64> {
    Some(match function {
        Function::Year => |civil| civil.year,
        Function::Month => |civil| civil.month - 1,
        Function::DayOfYear => |civil| civil.day_of_year,
        Function::DayOfMonth => |civil| civil.day - 1,
        Function::Date => |civil| civil.day,
        Function::DayOfWeek => |civil| civil.day_of_week,
        Function::Hours => |civil| civil.hour,
        Function::Minutes => |civil| civil.minute,
        Function::Seconds => |civil| civil.second,
        Function::Milliseconds => |civil| civil.millisecond,
        _ => return None,
    })
}

fn part(function: Function, instant: Instant, zone: Option<&str>) -> Result_ {
    let Some(read) = calendar(function) else { return Err(Stop::NO_OVERLOAD) };
    let civil = match zone {
        Some(zone) => instant.civil_in(zone).map_err(Stop::fault)?,
        None => instant.civil(),
    };
    Ok(Value::Int(read(&civil)))
}

/// The whole of a duration in a unit; also what else takes a duration alone.
fn duration_part(function: Function, nanos: i64) -> Result_ {
    Ok(match function {
        Function::Hours => Value::Int(nanos / 3_600_000_000_000),
        Function::Minutes => Value::Int(nanos / 60_000_000_000),
        Function::Seconds => Value::Int(nanos / 1_000_000_000),
        Function::Milliseconds => Value::Int(nanos / 1_000_000),
        Function::ToInt => Value::Int(nanos),
        Function::ToDuration => Value::Duration(nanos),
        Function::ToText => {
            let seconds = (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9;
            Value::from(format!("{seconds}s").as_str())
        }
        _ => return Err(Stop::NO_OVERLOAD),
    })
}

/// Whether all of `one` is in `two`. Both come from a context; lists and bytes in them cannot be
/// compared, and fail the evaluation unless another entry differs: SpiceDB takes what comes first.
fn is_subtree(one: &Arc<Map>, two: &Arc<Map>, meter: &mut Meter) -> Result_ {
    let mut incomparable = false;
    let same = Arc::ptr_eq(one, two);
    match subtree(one, two, same, &mut incomparable, meter)? {
        true if incomparable => Err(Stop::abort("internal error: runtime error: comparing uncomparable type")),
        within => Ok(Value::Bool(within)),
    }
}

fn subtree(one: &Map, two: &Map, same: bool, incomparable: &mut bool, meter: &mut Meter) -> Result<bool, Stop> {
    let (Map::Named(one), Map::Named(two)) = (one, two) else {
        return Err(Stop::abort("internal error: isSubtreeOf takes maps of the context only"));
    };
    for (key, value) in one {
        meter.charge(1 + weight(value))?;
        let holds = match (value, two.get(key)) {
            (_, None) => false,
            (Value::Map(one), Some(Value::Map(two))) => {
                subtree(one, two, same || Arc::ptr_eq(one, two), incomparable, meter)?
            }
            (Value::List(_), Some(Value::List(_))) | (Value::Bytes(_), Some(Value::Bytes(_))) => {
                *incomparable = true;
                true
            }
            (value, Some(other)) => identical(value, other, same),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Equal and of one type.
fn identical(one: &Value, two: &Value, same: bool) -> bool {
    match (one, two) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(one), Value::Bool(two)) => one == two,
        (Value::Int(one), Value::Int(two)) => one == two,
        (Value::Uint(one), Value::Uint(two)) => one == two,
        (Value::Double(one), Value::Double(two)) => one == two,
        (Value::String(one), Value::String(two)) => one == two,
        (Value::Duration(one), Value::Duration(two)) => one == two,
        (Value::Timestamp(one), Value::Timestamp(two)) => one.identical(two) || (same && one == two),
        (Value::IpAddress(one), Value::IpAddress(two)) => one == two,
        _ => false,
    }
}
