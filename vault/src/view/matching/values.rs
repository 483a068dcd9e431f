//! The values of one `_in`, so that to look one up takes no longer where they are many.

use std::collections::HashSet;

use policy_core::Scalar;
use serde_json::Value as Json;
use vault_core::value::Value;

/// What a condition looks at.
pub(super) enum Subject<'a> {
    Scalar(Scalar),
    List(Vec<Scalar>),
    /// An array or an object.
    Json(&'a Json),
}

/// Values of which one equals a subject exactly if [`Values::has`] it. By hashes that nobody foresees: values are chosen
/// by whoever asks.
#[derive(Default)]
pub(super) struct Values {
    null: bool,
    bools: [bool; 2],
    numbers: HashSet<Number>,
    instants: HashSet<i64>,
    texts: HashSet<String>,
    blobs: HashSet<Vec<u8>>,
    /// Lists, as [`list`] writes them down.
    lists: HashSet<Vec<u8>>,
    /// Arrays and objects, as [`json`] writes them down.
    json: HashSet<Vec<u8>>,
}

/// A number: integers and floats that equal one another are one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Number {
    Int(i64),
    /// The bits of one that is no integer of 64 bits.
    Float(u64),
}

impl Number {
    /// `None`: it equals nothing, itself neither.
    fn of(float: f64) -> Option<Number> {
        const TWO_63: f64 = 9_223_372_036_854_775_808.0;
        if float.is_nan() {
            None
        } else if float.trunc() == float && (-TWO_63..TWO_63).contains(&float) {
            Some(Number::Int(float as i64))
        } else {
            Some(Number::Float(float.to_bits()))
        }
    }
}

impl Values {
    pub(super) fn new(all: Vec<Value>) -> Values {
        let mut values = Values::default();
        for value in all {
            match value {
                Value::Scalar(scalar) => values.take(scalar),
                Value::List(all) => values.lists.extend(list(all.iter())),
                Value::Json(all @ (Json::Array(_) | Json::Object(_))) => values.json.extend(json(&all)),
                Value::Json(one) => values.take(scalar_of(&one)),
            }
        }
        values
    }

    fn take(&mut self, scalar: Scalar) {
        match scalar {
            Scalar::Null => self.null = true,
            Scalar::Bool(value) => self.bools[usize::from(value)] = true,
            Scalar::Int(value) => drop(self.numbers.insert(Number::Int(value))),
            Scalar::Float(value) => self.numbers.extend(Number::of(value)),
            Scalar::DateTime(at) => drop(self.instants.insert(at.0)),
            Scalar::String(text) => drop(self.texts.insert(text)),
            Scalar::Blob(bytes) => drop(self.blobs.insert(bytes)),
        }
    }

    pub(super) fn has(&self, subject: &Subject<'_>) -> bool {
        match subject {
            Subject::Scalar(scalar) => self.has_scalar(scalar),
            Subject::List(all) => {
                !self.lists.is_empty() && list(all.iter()).is_some_and(|key| self.lists.contains(&key))
            }
            Subject::Json(all) => {
                let among = |set: &HashSet<Vec<u8>>| !set.is_empty() && json(all).is_some_and(|key| set.contains(&key));
                among(&self.json) || (all.is_array() && among(&self.lists))
            }
        }
    }

    fn has_scalar(&self, scalar: &Scalar) -> bool {
        match scalar {
            Scalar::Null => self.null,
            Scalar::Bool(value) => self.bools[usize::from(*value)],
            Scalar::Int(value) => self.numbers.contains(&Number::Int(*value)),
            Scalar::Float(value) => Number::of(*value).is_some_and(|number| self.numbers.contains(&number)),
            Scalar::DateTime(at) => self.instants.contains(&at.0),
            Scalar::String(text) => self.texts.contains(text),
            Scalar::Blob(bytes) => self.blobs.contains(bytes),
        }
    }
}

/// A number of JSON.
pub(super) fn number_of(number: &serde_json::Number) -> Scalar {
    match (number.as_i64(), number.as_f64()) {
        (Some(n), _) => Scalar::Int(n),
        (None, Some(n)) if n.is_finite() => Scalar::Float(n),
        _ => Scalar::Null,
    }
}

fn scalar_of(json: &Json) -> Scalar {
    match json {
        Json::Bool(value) => Scalar::Bool(*value),
        Json::Number(number) => number_of(number),
        Json::String(text) => Scalar::String(text.clone()),
        Json::Null | Json::Array(_) | Json::Object(_) => Scalar::Null,
    }
}

/// What is equal is written down alike. `None`: it equals nothing.
fn list<'a>(all: impl ExactSizeIterator<Item = &'a Scalar>) -> Option<Vec<u8>> {
    let mut key = vec![b'['];
    key.extend_from_slice(&(all.len() as u64).to_le_bytes());
    for element in all {
        write_scalar(&mut key, element)?;
    }
    Some(key)
}

fn json(value: &Json) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    write_json(&mut key, value)?;
    Some(key)
}

fn write_json(key: &mut Vec<u8>, value: &Json) -> Option<()> {
    match value {
        Json::Array(all) => {
            key.push(b'[');
            key.extend_from_slice(&(all.len() as u64).to_le_bytes());
            all.iter().try_for_each(|element| write_json(key, element))
        }
        Json::Object(members) => {
            key.push(b'{');
            key.extend_from_slice(&(members.len() as u64).to_le_bytes());
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            members.into_iter().try_for_each(|(name, member)| {
                write_bytes(key, b's', name.as_bytes());
                write_json(key, member)
            })
        }
        Json::String(text) => {
            write_bytes(key, b's', text.as_bytes());
            Some(())
        }
        one => write_scalar(key, &scalar_of(one)),
    }
}

fn write_scalar(key: &mut Vec<u8>, scalar: &Scalar) -> Option<()> {
    let mut fixed = |tag: u8, bits: u64| {
        key.push(tag);
        key.extend_from_slice(&bits.to_le_bytes());
    };
    match scalar {
        Scalar::Null => key.push(b'0'),
        Scalar::Bool(value) => key.extend_from_slice(if *value { b"b1" } else { b"b0" }),
        Scalar::Int(value) => fixed(b'i', *value as u64),
        Scalar::Float(value) => match Number::of(*value)? {
            Number::Int(value) => fixed(b'i', value as u64),
            Number::Float(bits) => fixed(b'f', bits),
        },
        Scalar::DateTime(at) => fixed(b't', at.0 as u64),
        Scalar::String(text) => write_bytes(key, b's', text.as_bytes()),
        Scalar::Blob(bytes) => write_bytes(key, b'x', bytes),
    }
    Some(())
}

fn write_bytes(key: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    key.push(tag);
    key.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    key.extend_from_slice(bytes);
}
