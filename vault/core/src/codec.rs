//! The plaintext of parts: values, deltas and the reserved parts (vault/docs/format.md, Plaintexts).

use policy_core::{ClientId, DocId, GrantId, Scalar, Timestamp, UserId};

use crate::cbor::{CborError, Reader, Writer};
use crate::document::{Author, Delta, Status};
use crate::limits::{MAX_ELEMENTS, MAX_VALUE};
use crate::value::Value;

/// Writes a scalar: null, bool, int, float, text, bytes as such; a date and time as `[microseconds]`.
pub fn write_scalar(w: &mut Writer, scalar: &Scalar) {
    match scalar {
        Scalar::Null => w.null(),
        Scalar::Bool(value) => w.bool(*value),
        Scalar::Int(value) => w.int(*value),
        Scalar::Float(value) => w.float(*value),
        Scalar::String(value) => w.text(value),
        Scalar::DateTime(value) => w.array(1).int(value.0),
        Scalar::Blob(value) => w.bytes(value),
    };
}

/// Reads what [`write_scalar`] wrote, and nothing else.
pub fn read_scalar(r: &mut Reader<'_>) -> Result<Scalar, CborError> {
    if r.null() {
        return Ok(Scalar::Null);
    }
    match r.next_major() {
        Some(0 | 1) => r.int().map(Scalar::Int),
        Some(2) => r.bytes(MAX_VALUE).map(|bytes| Scalar::Blob(bytes.to_vec())),
        Some(3) => r.text(MAX_VALUE).map(|text| Scalar::String(text.to_owned())),
        Some(4) => {
            r.array_of(1)?;
            r.int().map(|micros| Scalar::DateTime(Timestamp(micros)))
        }
        _ => match r.bool() {
            Ok(value) => Ok(Scalar::Bool(value)),
            Err(_) => r.float().map(Scalar::Float),
        },
    }
}

/// Writes a value as it stands in a delta: `[0, scalar]`, `[1, [scalar…]]` or `[2, JSON text]`.
pub fn write_value(w: &mut Writer, value: &Value) {
    match value {
        Value::Scalar(scalar) => {
            w.array(2).uint(0);
            write_scalar(w, scalar);
        }
        Value::List(elements) => {
            w.array(2).uint(1).array(elements.len());
            for element in elements {
                write_scalar(w, element);
            }
        }
        Value::Json(json) => {
            w.array(2).uint(2).text(&json.to_string());
        }
    }
}

/// Reads what [`write_value`] wrote, and nothing else.
pub fn read_value(r: &mut Reader<'_>) -> Result<Value, CborError> {
    r.array_of(2)?;
    let unknown = r.error("an unknown kind of value");
    match r.uint()? {
        0 => read_scalar(r).map(Value::Scalar),
        1 => (0..r.array(MAX_ELEMENTS)?).map(|_| read_scalar(r)).collect::<Result<_, _>>().map(Value::List),
        2 => {
            let bad = r.error("a text that is not JSON");
            serde_json::from_str(r.text(MAX_VALUE + 4096)?).map(Value::Json).map_err(|_| bad)
        }
        _ => Err(unknown),
    }
}

/// The plaintext of a field part: a value, `[3, plus, minus]` (16 bytes each, big-endian two's
/// complement) or `[4, total]`.
pub fn encode_delta(delta: &Delta) -> Vec<u8> {
    let mut w = Writer::with_capacity(48);
    match delta {
        Delta::Set(value) => write_value(&mut w, value),
        Delta::IntCounter { plus, minus } => {
            w.array(3).uint(3).bytes(&plus.to_be_bytes()).bytes(&minus.to_be_bytes());
        }
        Delta::FloatCounter { total } => {
            w.array(2).uint(4).float(*total);
        }
    }
    w.into_bytes()
}

/// Reads what [`encode_delta`] wrote, and nothing else.
pub fn decode_delta(bytes: &[u8]) -> Result<Delta, CborError> {
    let mut r = Reader::new(bytes);
    let mut ahead = r.clone();
    let length = ahead.array(3)?;
    let delta = match (length, ahead.uint()?) {
        (3, 3) => Delta::IntCounter {
            plus: i128::from_be_bytes(ahead.array_bytes()?),
            minus: i128::from_be_bytes(ahead.array_bytes()?),
        },
        (2, 4) => Delta::FloatCounter { total: ahead.float()? },
        _ => {
            let value = read_value(&mut r)?;
            r.end()?;
            return Ok(Delta::Set(value));
        }
    };
    ahead.end()?;
    Ok(delta)
}

/// The `head` part: document id and salt.
pub fn encode_head(doc: DocId, salt: &[u8; 16]) -> Vec<u8> {
    let mut w = Writer::with_capacity(40);
    w.array(2).bytes(doc.as_bytes()).bytes(salt);
    w.into_bytes()
}

/// Reads what [`encode_head`] wrote, and nothing else.
pub fn decode_head(bytes: &[u8]) -> Result<(DocId, [u8; 16]), CborError> {
    let mut r = Reader::new(bytes);
    r.array_of(2)?;
    let head = (DocId::from_bytes(r.array_bytes()?), r.array_bytes()?);
    r.end()?;
    Ok(head)
}

/// The `status` part.
pub fn encode_status(status: Status) -> Vec<u8> {
    let mut w = Writer::new();
    w.uint(match status {
        Status::Deleted => 0,
        Status::Undeleted => 1,
    });
    w.into_bytes()
}

/// Reads what [`encode_status`] wrote, and nothing else.
pub fn decode_status(bytes: &[u8]) -> Result<Status, CborError> {
    let mut r = Reader::new(bytes);
    let unknown = r.error("an unknown status");
    let status = match r.uint()? {
        0 => Status::Deleted,
        1 => Status::Undeleted,
        _ => return Err(unknown),
    };
    r.end()?;
    Ok(status)
}

/// The `who` part.
pub fn encode_author(author: &Author) -> Vec<u8> {
    let mut w = Writer::with_capacity(56);
    w.array(3).bytes(author.user.as_bytes());
    match author.app {
        None => {
            w.null().null();
        }
        Some((client, grant)) => {
            w.bytes(client.as_bytes()).bytes(grant.as_bytes());
        }
    }
    w.into_bytes()
}

/// Reads what [`encode_author`] wrote, and nothing else.
pub fn decode_author(bytes: &[u8]) -> Result<Author, CborError> {
    let mut r = Reader::new(bytes);
    r.array_of(3)?;
    let user = UserId::from_bytes(r.array_bytes()?);
    let app = if r.null() {
        if !r.null() {
            return Err(r.error("a grant without an app"));
        }
        None
    } else {
        Some((ClientId::from_bytes(r.array_bytes()?), GrantId::from_bytes(r.array_bytes()?)))
    };
    r.end()?;
    Ok(Author { user, app })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn scalar() -> impl Strategy<Value = Scalar> {
        prop_oneof![
            Just(Scalar::Null),
            any::<bool>().prop_map(Scalar::Bool),
            any::<i64>().prop_map(Scalar::Int),
            (-1e300..1e300f64).prop_map(Scalar::Float),
            any::<String>().prop_map(Scalar::String),
            any::<i64>().prop_map(|n| Scalar::DateTime(Timestamp(n))),
            any::<Vec<u8>>().prop_map(Scalar::Blob),
        ]
    }

    fn delta() -> impl Strategy<Value = Delta> {
        prop_oneof![
            scalar().prop_map(|s| Delta::Set(Value::Scalar(s))),
            proptest::collection::vec(scalar(), 0..6).prop_map(|l| Delta::Set(Value::List(l))),
            any::<(i64, String)>().prop_map(|(n, s)| Delta::Set(Value::Json(serde_json::json!({ "a": [n, s] })))),
            (any::<i128>(), any::<i128>()).prop_map(|(plus, minus)| Delta::IntCounter { plus, minus }),
            (-1e300..1e300f64).prop_map(|total| Delta::FloatCounter { total }),
        ]
    }

    proptest! {
        #[test]
        fn deltas_round_trip_and_damage_never_panics(delta in delta(), at in 0usize..64, byte: u8) {
            let mut bytes = encode_delta(&delta);
            prop_assert_eq!(decode_delta(&bytes).unwrap(), delta);
            let n = bytes.len();
            bytes[at % n] = byte;
            let _ = decode_delta(&bytes);
        }
    }
}
