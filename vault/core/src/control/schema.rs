//! The plaintext of schema entries: whole definitions of collections, ids and names.

use policy_core::{CollectionId, FieldId};

use crate::cbor::{CborError, Reader, Writer};
use crate::codec::{read_value, write_value};
use crate::limits::SpaceLimits;
use crate::schema::{Collection, Field, FieldType, Index, IndexKey, Merge, ScalarType};

const SCALARS: [ScalarType; 9] = [
    ScalarType::Id,
    ScalarType::Boolean,
    ScalarType::Int,
    ScalarType::Float64,
    ScalarType::Float32,
    ScalarType::String,
    ScalarType::DateTime,
    ScalarType::Json,
    ScalarType::Blob,
];
const MERGES: [Merge; 3] = [Merge::Lww, Merge::PCounter, Merge::PnCounter];

fn scalar_number(of: ScalarType) -> u64 {
    SCALARS.iter().position(|&s| s == of).unwrap_or_default() as u64
}

fn pick<T: Copy>(r: &mut Reader<'_>, from: &[T]) -> Result<T, CborError> {
    let unknown = r.error("an unknown number");
    let n = r.uint()?;
    usize::try_from(n).ok().and_then(|n| from.get(n)).copied().ok_or(unknown)
}

/// `version` of the collections is not written: it is the CID of the entry itself.
pub fn encode_schema(collections: &[Collection]) -> Vec<u8> {
    let mut w = Writer::with_capacity(1_024);
    w.array(collections.len());
    for collection in collections {
        w.array(4).bytes(collection.id.as_bytes()).text(&collection.name).array(collection.fields.len());
        for field in &collection.fields {
            write_field(&mut w, field);
        }
        w.array(collection.indexes.len());
        for index in &collection.indexes {
            w.array(3).text(&index.name).bool(index.unique).array(index.keys.len());
            for key in &index.keys {
                w.array(2).bytes(key.field.as_bytes()).bool(key.descending);
            }
        }
    }
    w.into_bytes()
}

fn write_field(w: &mut Writer, field: &Field) {
    w.array(6).bytes(field.id.as_bytes()).text(&field.name);
    match &field.kind {
        FieldType::Scalar { of, not_null } => {
            w.array(3).uint(0).uint(scalar_number(*of)).bool(*not_null);
        }
        FieldType::List { of, item_not_null, not_null } => {
            w.array(4).uint(1).uint(scalar_number(*of)).bool(*item_not_null).bool(*not_null);
        }
        FieldType::ToOne { target, relation, not_null, one_one } => {
            w.array(5).uint(2).bytes(target.as_bytes()).text(relation).bool(*not_null).bool(*one_one);
        }
        FieldType::Inverse { target, relation, via, many } => {
            w.array(5).uint(3).bytes(target.as_bytes()).text(relation).bytes(via.as_bytes()).bool(*many);
        }
    }
    w.uint(MERGES.iter().position(|&m| m == field.merge).unwrap_or_default() as u64);
    w.optional(field.default.as_ref(), write_value);
    w.optional(field.size, |w, size| {
        w.uint(u64::from(size));
    });
}

/// `version`: the CID of the entry that is read. More than `limits` allow is refused.
pub fn decode_schema(bytes: &[u8], version: cid::Cid, limits: &SpaceLimits) -> Result<Vec<Collection>, CborError> {
    let mut r = Reader::new(bytes);
    let mut collections = Vec::new();
    for _ in 0..r.array(limits.collections)? {
        r.array_of(4)?;
        let id = CollectionId::from_bytes(r.array_bytes()?);
        let name = r.text(limits.name)?.to_owned();
        let fields =
            (0..r.array(limits.fields_each)?).map(|_| read_field(&mut r, limits)).collect::<Result<Vec<_>, _>>()?;
        let mut indexes = Vec::new();
        for _ in 0..r.array(limits.indexes_each)? {
            r.array_of(3)?;
            let (name, unique) = (r.text(limits.name)?.to_owned(), r.bool()?);
            let mut keys = Vec::new();
            for _ in 0..r.array(limits.fields_each)? {
                r.array_of(2)?;
                keys.push(IndexKey { field: FieldId::from_bytes(r.array_bytes()?), descending: r.bool()? });
            }
            indexes.push(Index { name, unique, keys });
        }
        collections.push(Collection { id, name, fields, indexes, version });
    }
    r.end()?;
    Ok(collections)
}

fn read_field(r: &mut Reader<'_>, limits: &SpaceLimits) -> Result<Field, CborError> {
    r.array_of(6)?;
    let id = FieldId::from_bytes(r.array_bytes()?);
    let name = r.text(limits.name)?.to_owned();
    let length = r.array(5)?;
    let unknown = r.error("an unknown field type");
    let kind = match (r.uint()?, length) {
        (0, 3) => FieldType::Scalar { of: pick(r, &SCALARS)?, not_null: r.bool()? },
        (1, 4) => FieldType::List { of: pick(r, &SCALARS)?, item_not_null: r.bool()?, not_null: r.bool()? },
        (2, 5) => FieldType::ToOne {
            target: CollectionId::from_bytes(r.array_bytes()?),
            relation: r.text(limits.name)?.to_owned(),
            not_null: r.bool()?,
            one_one: r.bool()?,
        },
        (3, 5) => FieldType::Inverse {
            target: CollectionId::from_bytes(r.array_bytes()?),
            relation: r.text(limits.name)?.to_owned(),
            via: FieldId::from_bytes(r.array_bytes()?),
            many: r.bool()?,
        },
        _ => return Err(unknown),
    };
    let merge = pick(r, &MERGES)?;
    let default = r.optional(read_value)?;
    let range = r.error("a size beyond 32 bits");
    let size = r.optional(Reader::uint)?.map(u32::try_from).transpose().map_err(|_| range)?;
    Ok(Field { id, name, kind, merge, default, size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use policy_core::Scalar;
    use proptest::prelude::*;

    fn sample() -> Vec<Collection> {
        let field = |n: u8, kind, default| Field {
            id: FieldId::from_bytes([n; 16]),
            name: format!("f{n}"),
            kind,
            merge: MERGES[n as usize % 3],
            default,
            size: (n == 2).then_some(3),
        };
        let target = CollectionId::from_bytes([9; 16]);
        vec![Collection {
            id: target,
            name: "Book".into(),
            fields: vec![
                field(
                    1,
                    FieldType::Scalar { of: ScalarType::Int, not_null: true },
                    Some(Value::Scalar(Scalar::Int(3))),
                ),
                field(2, FieldType::List { of: ScalarType::Blob, item_not_null: true, not_null: false }, None),
                field(3, FieldType::ToOne { target, relation: "r".into(), not_null: false, one_one: true }, None),
                field(
                    4,
                    FieldType::Inverse { target, relation: "r".into(), via: FieldId::from_bytes([3; 16]), many: false },
                    None,
                ),
            ],
            indexes: vec![Index {
                name: "i".into(),
                unique: true,
                keys: vec![IndexKey { field: FieldId::from_bytes([1; 16]), descending: true }],
            }],
            version: crate::commit::cid_of(b"entry"),
        }]
    }

    proptest! {
        #[test]
        fn definitions_round_trip_and_damage_never_panics(at in 0usize..4096, byte: u8) {
            let mut bytes = encode_schema(&sample());
            prop_assert_eq!(decode_schema(&bytes, crate::commit::cid_of(b"entry"), &SpaceLimits::ENTRY).unwrap(), sample());
            let n = bytes.len();
            bytes[at % n] = byte;
            let _ = decode_schema(&bytes, crate::commit::cid_of(b"entry"), &SpaceLimits::ENTRY);
        }
    }
}
