//! Values of an evaluation, their equality and their order.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::eval::{Meter, Stop};
use super::ip::Address;
use super::stack::with_room;
use super::time::Instant;

/// A value that an expression works on. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Value {
    /// The value of no type but its own.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// `1`.
    Int(i64),
    /// `1u`.
    Uint(u64),
    /// `1.0`.
    Double(f64),
    /// `"a"`.
    String(Arc<str>),
    /// `b"a"`.
    Bytes(Arc<[u8]>),
    /// In nanoseconds.
    Duration(i64),
    /// An instant, to the nanosecond.
    Timestamp(Instant),
    /// `[1, 2]`.
    List(Arc<Vec<Value>>),
    /// `{"a": 1}`.
    Map(Arc<Map>),
    /// What `ipaddress("10.0.0.1")` makes.
    IpAddress(Address),
    /// The name of a type.
    Type(&'static str),
    /// `optional.of(1)`, or `optional.none()`.
    Optional(Option<Arc<Value>>),
}

/// A map of an expression.
#[derive(Debug)]
pub enum Map {
    /// From a context.
    Named(BTreeMap<Arc<str>, Value>),
    /// Written in the expression.
    Written(Written),
}

/// A map that an expression writes: its keys may be of any type, and an int and a uint of one value
/// are two keys.
#[derive(Debug, Default)]
pub struct Written {
    entries: BTreeMap<Key, (Value, Value)>,
    distinct: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(u64),
    String(Arc<str>),
    Duration(i64),
    Timestamp(Instant),
    IpAddress(Address),
    Type(&'static str),
    /// Equal to no other key: NaN, and what is compared by its parts.
    Distinct(u32),
}

impl Key {
    fn of(value: &Value) -> Option<Key> {
        Some(match value {
            Value::Null => Key::Null,
            Value::Bool(value) => Key::Bool(*value),
            Value::Int(value) => Key::Int(*value),
            Value::Uint(value) => Key::Uint(*value),
            Value::Double(value) if value.is_nan() => return None,
            // Both zeros are one key.
            Value::Double(value) => Key::Double((value + 0.0).to_bits()),
            Value::String(text) => Key::String(Arc::clone(text)),
            Value::Duration(value) => Key::Duration(*value),
            Value::Timestamp(value) => Key::Timestamp(*value),
            Value::IpAddress(address) => Key::IpAddress(address.clone()),
            Value::Type(name) => Key::Type(name),
            Value::Bytes(_) | Value::List(_) | Value::Map(_) | Value::Optional(_) => return None,
        })
    }
}

impl Written {
    pub(super) fn insert(&mut self, key: Value, value: Value) {
        let place = Key::of(&key).unwrap_or_else(|| {
            self.distinct += 1;
            Key::Distinct(self.distinct)
        });
        self.entries.insert(place, (key, value));
    }

    pub(super) fn remove(&mut self, key: &Value) {
        if let Some(key) = Key::of(key) {
            self.entries.remove(&key);
        }
    }

    fn get(&self, key: &Value) -> Option<&Value> {
        let get = |key: Key| self.entries.get(&key).map(|(_, value)| value);
        if let Some(found) = Key::of(key).and_then(get) {
            return Some(found);
        }
        // A number also finds a key of the same value and another type.
        match key {
            Value::Double(key) => {
                whole_i64(*key).and_then(|key| get(Key::Int(key))).or_else(|| get(Key::Uint(whole_u64(*key)?)))
            }
            Value::Int(key) => get(Key::Uint(u64::try_from(*key).ok()?)),
            Value::Uint(key) => get(Key::Int(i64::try_from(*key).ok()?)),
            _ => None,
        }
    }
}

impl Map {
    pub(super) fn len(&self) -> usize {
        match self {
            Map::Named(entries) => entries.len(),
            Map::Written(written) => written.entries.len(),
        }
    }

    pub(super) fn get(&self, key: &Value) -> Option<&Value> {
        match (self, key) {
            (Map::Named(entries), Value::String(key)) => entries.get(key),
            (Map::Named(_), _) => None,
            (Map::Written(written), key) => written.get(key),
        }
    }

    /// In an order of the map's own; SpiceDB's order is random.
    pub(super) fn keys(&self) -> Vec<Value> {
        match self {
            Map::Named(entries) => entries.keys().map(|key| Value::String(Arc::clone(key))).collect(),
            Map::Written(written) => written.entries.values().map(|(key, _)| key.clone()).collect(),
        }
    }

    pub(super) fn first_key(&self) -> Option<Value> {
        match self {
            Map::Named(entries) => entries.keys().next().map(|key| Value::String(Arc::clone(key))),
            Map::Written(written) => written.entries.values().next().map(|(key, _)| key.clone()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.into())
    }
}

impl Value {
    /// The name of the value's type, as the expression `type(v)` has it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::IpAddress(_) => "IPAddress",
            Value::Type(_) => "type",
            Value::Optional(_) => "optional_type",
        }
    }

    /// Whether `optional.ofNonZeroValue` takes it for nothing.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Bool(value) => !value,
            Value::Int(value) => *value == 0,
            Value::Uint(value) => *value == 0,
            Value::Double(value) => *value == 0.0,
            Value::String(text) => text.is_empty(),
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::Duration(value) => *value == 0,
            Value::Timestamp(instant) => instant.is_year_one(),
            Value::List(elements) => elements.is_empty(),
            Value::Map(map) => map.len() == 0,
            Value::IpAddress(_) | Value::Type(_) | Value::Optional(_) => false,
        }
    }
}

/// Whether a value may stand in brackets after a map or list.
pub(super) fn is_key(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Int(_) | Value::Uint(_) | Value::Bool(_) | Value::Double(_))
}

/// The place in a list that a number stands for.
pub(super) fn list_index(key: &Value) -> Option<i64> {
    match key {
        Value::Int(index) => Some(*index),
        Value::Double(index) => whole_i64(*index),
        Value::Uint(index) => i64::try_from(*index).ok(),
        _ => None,
    }
}

/// 2^63 and 2^64, the first numbers out of range.
const I64_END: f64 = 9_223_372_036_854_775_808.0;
const U64_END: f64 = 18_446_744_073_709_551_616.0;

/// Without the fraction. The lowest integer is out of range, as in SpiceDB.
pub(super) fn to_i64(value: f64) -> Option<i64> {
    (value > -I64_END && value < I64_END).then_some(value as i64)
}

pub(super) fn to_u64(value: f64) -> Option<u64> {
    (0.0..U64_END).contains(&value).then_some(value as u64)
}

fn whole_i64(value: f64) -> Option<i64> {
    to_i64(value).filter(|whole| *whole as f64 == value)
}

fn whole_u64(value: f64) -> Option<u64> {
    to_u64(value).filter(|whole| *whole as f64 == value)
}

fn compare_double_int(one: f64, two: i64) -> Ordering {
    compare_doubles(one, two as f64)
}

fn compare_double_uint(one: f64, two: u64) -> Ordering {
    compare_doubles(one, two as f64)
}

fn compare_doubles(one: f64, two: f64) -> Ordering {
    one.partial_cmp(&two).unwrap_or(Ordering::Equal)
}

fn compare_int_uint(one: i64, two: u64) -> Ordering {
    u64::try_from(one).map_or(Ordering::Less, |one| one.cmp(&two))
}

/// The order of two values of one type, or of two numbers.
///
/// # Errors
/// NaN, and values that have no order between them.
pub(super) fn compare(one: &Value, two: &Value) -> Result<Ordering, Stop> {
    let unordered = |value: f64| value.is_nan().then(|| Stop::fault("NaN values cannot be ordered"));
    for side in [one, two] {
        if let Value::Double(value) = side
            && let Some(fault) = unordered(*value)
        {
            return Err(fault);
        }
    }
    Ok(match (one, two) {
        (Value::Bool(one), Value::Bool(two)) => one.cmp(two),
        (Value::Int(one), Value::Int(two)) => one.cmp(two),
        (Value::Int(one), Value::Uint(two)) => compare_int_uint(*one, *two),
        (Value::Int(one), Value::Double(two)) => compare_double_int(*two, *one).reverse(),
        (Value::Uint(one), Value::Uint(two)) => one.cmp(two),
        (Value::Uint(one), Value::Int(two)) => compare_int_uint(*two, *one).reverse(),
        (Value::Uint(one), Value::Double(two)) => compare_double_uint(*two, *one).reverse(),
        (Value::Double(one), Value::Double(two)) => compare_doubles(*one, *two),
        (Value::Double(one), Value::Int(two)) => compare_double_int(*one, *two),
        (Value::Double(one), Value::Uint(two)) => compare_double_uint(*one, *two),
        (Value::String(one), Value::String(two)) => one.cmp(two),
        (Value::Bytes(one), Value::Bytes(two)) => one.cmp(two),
        (Value::Duration(one), Value::Duration(two)) => one.cmp(two),
        (Value::Timestamp(one), Value::Timestamp(two)) => one.order(two),
        _ => return Err(Stop::NO_OVERLOAD),
    })
}

/// Whether two values are equal. Values of different types are not, except numbers.
///
/// # Errors
/// An address and something else cannot be compared; also if the evaluation takes too long.
pub(super) fn equal(one: &Value, two: &Value, meter: &mut Meter) -> Result<bool, Stop> {
    meter.charge(1)?;
    Ok(match (one, two) {
        (Value::Null, Value::Null) => true,
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::IpAddress(one), Value::IpAddress(two)) => one == two,
        (Value::IpAddress(_), _) => return Err(Stop::NO_OVERLOAD),
        (Value::Double(value), _) | (_, Value::Double(value)) if value.is_nan() => false,
        (Value::Bool(one), Value::Bool(two)) => one == two,
        (Value::Int(_) | Value::Uint(_) | Value::Double(_), Value::Int(_) | Value::Uint(_) | Value::Double(_)) => {
            compare(one, two)? == Ordering::Equal
        }
        (Value::String(one), Value::String(two)) => one == two,
        (Value::Bytes(one), Value::Bytes(two)) => one == two,
        (Value::Duration(one), Value::Duration(two)) => one == two,
        (Value::Timestamp(one), Value::Timestamp(two)) => one.order(two) == Ordering::Equal,
        (Value::List(one), Value::List(two)) => {
            if one.len() != two.len() {
                return Ok(false);
            }
            for (one, two) in one.iter().zip(two.iter()) {
                if !within(with_room(|| equal(one, two, meter)))? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(one), Value::Map(two)) => with_room(|| equal_maps(one, two, meter))?,
        (Value::Type(one), Value::Type(two)) => one == two,
        (Value::Optional(one), Value::Optional(two)) => match (one, two) {
            (None, None) => true,
            (Some(one), Some(two)) => equal(one, two, meter)?,
            _ => false,
        },
        _ => false,
    })
}

/// Inside a collection, what cannot be compared counts as equal, as in SpiceDB.
fn within(result: Result<bool, Stop>) -> Result<bool, Stop> {
    match result {
        Err(Stop::Fault(_)) => Ok(true),
        other => other,
    }
}

fn equal_maps(one: &Map, two: &Map, meter: &mut Meter) -> Result<bool, Stop> {
    if one.len() != two.len() {
        return Ok(false);
    }
    let mut same = |key: &Value, value: &Value| match two.get(key) {
        Some(other) => within(equal(value, other, meter)),
        None => Ok(false),
    };
    match one {
        Map::Named(entries) => {
            for (key, value) in entries {
                if !same(&Value::String(Arc::clone(key)), value)? {
                    return Ok(false);
                }
            }
        }
        Map::Written(written) => {
            for (key, value) in written.entries.values() {
                if !same(key, value)? {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}
