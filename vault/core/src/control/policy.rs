//! The plaintext of policy entries: what a space is called, and the grants on it.

use policy_core::{
    ClientId, CollectionId, Comparison, Condition, DocId, FieldId, Grant, GrantEntry, GrantId, GrantScope, Holder,
    LinkId, Predicate, Scalar, SpaceId, Timestamp, UserId, Verbs,
};

use crate::cbor::{CborError, Reader, Writer};
use crate::codec::{read_scalar, write_scalar};
use crate::limits::{MAX_LIST, MAX_TEXT};

/// One change of a space's policy.
#[derive(Debug, Clone, PartialEq)]
pub enum PolicyEntry {
    /// The name of the space; the newest counts. `personal`: its owner's own space.
    Space {
        /// As its owner calls it.
        name: String,
        /// The one that comes with its owner's account.
        personal: bool,
    },
    /// A consent. A grant id is given once.
    Grant(GrantRecord),
    /// Final: a revoked id never comes back.
    Revoke(GrantId),
}

/// A grant and the app that it was given to, so that every device can show it.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantRecord {
    /// The terms.
    pub grant: Grant,
    /// As it was when the grant was made.
    pub app: AppDescription,
    /// When.
    pub created: Timestamp,
}

/// An app as the person saw it when they consented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppDescription {
    /// As it calls itself.
    pub name: String,
    /// Its page.
    pub uri: Option<String>,
    /// Where its users are sent back to.
    pub redirect_uris: Vec<String>,
}

/// What stands at the end of a grant whose holder is a link.
const LINK: u64 = 1;

/// The body of an entry.
pub fn encode_policy(entry: &PolicyEntry) -> Vec<u8> {
    let mut w = Writer::with_capacity(256);
    match entry {
        PolicyEntry::Space { name, personal } => {
            w.array(3).uint(0).text(name).bool(*personal);
        }
        PolicyEntry::Grant(record) => {
            w.array(2).uint(1);
            write_record(&mut w, record);
        }
        PolicyEntry::Revoke(id) => {
            w.array(2).uint(2).bytes(id.as_bytes());
        }
    }
    w.into_bytes()
}

fn write_record(w: &mut Writer, record: &GrantRecord) {
    let grant = &record.grant;
    let (length, holder) = match &grant.holder {
        Holder::Client(client) => (9, client.as_bytes()),
        Holder::Link(link) => (10, link.as_bytes()),
    };
    w.array(length).bytes(grant.id.as_bytes()).bytes(grant.grantor.as_bytes()).bytes(holder);
    w.bytes(grant.space.as_bytes()).array(grant.entries.len());
    for entry in &grant.entries {
        w.array(4).uint(u64::from(entry.verbs.bits())).array(entry.scopes.len());
        for scope in &entry.scopes {
            let length = match (&scope.documents, scope.rows_per_day) {
                (_, Some(_)) => 5,
                (Some(_), None) => 4,
                (None, None) => 3,
            };
            w.array(length).bytes(scope.collection.as_bytes()).array(scope.fields.len());
            for field in &scope.fields {
                w.bytes(field.as_bytes());
            }
            w.array(scope.predicate.conditions.len());
            for condition in &scope.predicate.conditions {
                write_condition(w, condition);
            }
            if length > 3 {
                let documents = scope.documents.as_deref().unwrap_or_default();
                w.array(documents.len());
                for document in documents {
                    w.bytes(document.as_bytes());
                }
            }
            if let Some(rows) = scope.rows_per_day {
                w.uint(u64::from(rows));
            }
        }
        w.optional(entry.purpose.as_deref(), |w, purpose| {
            w.text(purpose);
        });
        w.optional(entry.until, |w, until| {
            w.int(until.0);
        });
    }
    w.text(&record.app.name);
    w.optional(record.app.uri.as_deref(), |w, uri| {
        w.text(uri);
    });
    w.array(record.app.redirect_uris.len());
    for uri in &record.app.redirect_uris {
        w.text(uri);
    }
    w.int(record.created.0);
    if length == 10 {
        w.uint(LINK);
    }
}

fn write_condition(w: &mut Writer, condition: &Condition) {
    let (number, values): (u64, &[Scalar]) = match &condition.comparison {
        Comparison::Eq(v) => (0, std::slice::from_ref(v)),
        Comparison::Neq(v) => (1, std::slice::from_ref(v)),
        Comparison::In(vs) => (2, vs),
        Comparison::Nin(vs) => (3, vs),
        Comparison::Gt(v) => (4, std::slice::from_ref(v)),
        Comparison::Geq(v) => (5, std::slice::from_ref(v)),
        Comparison::Lt(v) => (6, std::slice::from_ref(v)),
        Comparison::Leq(v) => (7, std::slice::from_ref(v)),
    };
    w.array(3).bytes(condition.field.as_bytes()).uint(number).array(values.len());
    for value in values {
        write_scalar(w, value);
    }
}

/// Reads what [`encode_policy`] wrote, and nothing else.
pub fn decode_policy(bytes: &[u8]) -> Result<PolicyEntry, CborError> {
    let mut r = Reader::new(bytes);
    let length = r.array(3)?;
    let unknown = r.error("an unknown policy entry");
    let entry = match (r.uint()?, length) {
        (0, 3) => PolicyEntry::Space { name: r.text(MAX_TEXT)?.to_owned(), personal: r.bool()? },
        (1, 2) => PolicyEntry::Grant(read_record(&mut r)?),
        (2, 2) => PolicyEntry::Revoke(GrantId::from_bytes(r.array_bytes()?)),
        _ => return Err(unknown),
    };
    r.end()?;
    Ok(entry)
}

fn read_record(r: &mut Reader<'_>) -> Result<GrantRecord, CborError> {
    let length = r.array(10)?;
    let short = r.error("a grant that is cut off");
    if length < 9 {
        return Err(short);
    }
    let id = GrantId::from_bytes(r.array_bytes()?);
    let grantor = UserId::from_bytes(r.array_bytes()?);
    let holder: [u8; 16] = r.array_bytes()?;
    let space = SpaceId::from_bytes(r.array_bytes()?);
    let mut entries = Vec::new();
    for _ in 0..r.array(MAX_LIST)? {
        r.array_of(4)?;
        let bad = r.error("unknown verbs");
        let verbs = u8::try_from(r.uint()?).ok().and_then(Verbs::from_bits).ok_or(bad)?;
        let mut scopes = Vec::new();
        for _ in 0..r.array(MAX_LIST)? {
            let cut_off = r.error("a scope that is cut off");
            let length = r.array(5)?;
            if length < 3 {
                return Err(cut_off);
            }
            let collection = CollectionId::from_bytes(r.array_bytes()?);
            let fields = (0..r.array(MAX_LIST)?)
                .map(|_| r.array_bytes().map(FieldId::from_bytes))
                .collect::<Result<Vec<_>, _>>()?;
            let conditions = (0..r.array(MAX_LIST)?).map(|_| read_condition(r)).collect::<Result<Vec<_>, _>>()?;
            let unsorted = r.error("fields out of order");
            if !fields.is_sorted_by(|a, b| a < b) {
                return Err(unsorted);
            }
            let documents = if length > 3 { read_documents(r, length == 5)? } else { None };
            let bad = r.error("an unknown number of rows");
            let rows_per_day = match length {
                5 => Some(u32::try_from(r.uint()?).ok().filter(|rows| *rows > 0).ok_or(bad)?),
                _ => None,
            };
            scopes.push(GrantScope {
                collection,
                fields,
                predicate: Predicate { conditions },
                documents,
                rows_per_day,
            });
        }
        let purpose = r.optional(|r| r.text(MAX_TEXT).map(str::to_owned))?;
        let until = r.optional(|r| r.int().map(Timestamp))?;
        entries.push(GrantEntry { verbs, scopes, purpose, until });
    }
    let app = AppDescription {
        name: r.text(MAX_TEXT)?.to_owned(),
        uri: r.optional(|r| r.text(MAX_TEXT).map(str::to_owned))?,
        redirect_uris: (0..r.array(MAX_LIST)?)
            .map(|_| r.text(MAX_TEXT).map(str::to_owned))
            .collect::<Result<_, _>>()?,
    };
    let created = Timestamp(r.int()?);
    let unknown = r.error("a grant to an unknown kind of holder");
    let holder = match length {
        9 => Holder::Client(ClientId::from_bytes(holder)),
        _ if r.uint()? == LINK => Holder::Link(LinkId::from_bytes(holder)),
        _ => return Err(unknown),
    };
    Ok(GrantRecord { grant: Grant { id, grantor, holder, space, entries }, app, created })
}

/// Documents that are named. Where more stands behind them there may be none: it covers all.
fn read_documents(r: &mut Reader<'_>, may_be_none: bool) -> Result<Option<Vec<DocId>>, CborError> {
    let unsorted = r.error("documents out of order, or none");
    let documents =
        (0..r.array(MAX_LIST)?).map(|_| r.array_bytes().map(DocId::from_bytes)).collect::<Result<Vec<_>, _>>()?;
    match documents.is_empty() {
        true if may_be_none => Ok(None),
        false if documents.is_sorted_by(|a, b| a < b) => Ok(Some(documents)),
        _ => Err(unsorted),
    }
}

fn read_condition(r: &mut Reader<'_>) -> Result<Condition, CborError> {
    r.array_of(3)?;
    let field = FieldId::from_bytes(r.array_bytes()?);
    let unknown = r.error("an unknown comparison");
    let number = r.uint()?;
    let mut values = (0..r.array(MAX_LIST)?).map(|_| read_scalar(r)).collect::<Result<Vec<_>, _>>()?;
    let comparison = match number {
        2 => Comparison::In(values),
        3 => Comparison::Nin(values),
        _ => {
            let (Some(value), true) = (values.pop(), values.is_empty()) else { return Err(unknown) };
            match number {
                0 => Comparison::Eq(value),
                1 => Comparison::Neq(value),
                4 => Comparison::Gt(value),
                5 => Comparison::Geq(value),
                6 => Comparison::Lt(value),
                7 => Comparison::Leq(value),
                _ => return Err(unknown),
            }
        }
    };
    Ok(Condition { field, comparison })
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_core::Verb;
    use proptest::prelude::*;

    fn sample() -> PolicyEntry {
        let condition = |comparison| Condition { field: FieldId::from_bytes([7; 16]), comparison };
        let entries = vec![GrantEntry {
            verbs: Verbs::NONE.with(Verb::Read).with(Verb::Search),
            scopes: vec![GrantScope {
                collection: CollectionId::from_bytes([5; 16]),
                fields: vec![FieldId::from_bytes([6; 16]), FieldId::from_bytes([7; 16])],
                predicate: Predicate {
                    conditions: vec![
                        condition(Comparison::Eq(Scalar::String("family".into()))),
                        condition(Comparison::Nin(vec![Scalar::Int(1), Scalar::Null])),
                        condition(Comparison::Leq(Scalar::DateTime(Timestamp(5)))),
                    ],
                },
                documents: None,
                rows_per_day: None,
            }],
            purpose: Some("to show it".into()),
            until: Some(Timestamp(9)),
        }];
        PolicyEntry::Grant(GrantRecord {
            grant: Grant {
                id: GrantId::from_bytes([1; 16]),
                grantor: UserId::from_bytes([2; 16]),
                holder: Holder::Client(ClientId::from_bytes([3; 16])),
                space: SpaceId::from_bytes([4; 16]),
                entries,
            },
            app: AppDescription { name: "App".into(), uri: None, redirect_uris: vec!["https://a.example/".into()] },
            created: Timestamp(-1),
        })
    }

    proptest! {
        #[test]
        fn entries_round_trip_and_damage_never_panics(at in 0usize..4096, byte: u8, name: String) {
            let PolicyEntry::Grant(mut record) = sample() else { unreachable!("a grant") };
            record.grant.holder = Holder::Link(LinkId::from_bytes([3; 16]));
            let mut named = record.clone();
            named.grant.entries[0].scopes[0].documents = Some([1, 2].map(|n| DocId::from_bytes([n; 16])).to_vec());
            let (mut limited, mut both) = (record.clone(), named.clone());
            limited.grant.entries[0].scopes[0].rows_per_day = Some(500);
            both.grant.entries[0].scopes[0].rows_per_day = Some(u32::MAX);
            for entry in [
                sample(),
                PolicyEntry::Grant(record),
                PolicyEntry::Grant(named),
                PolicyEntry::Grant(limited),
                PolicyEntry::Grant(both),
                PolicyEntry::Space { name: name.clone(), personal: true },
                PolicyEntry::Revoke(GrantId::from_bytes([8; 16])),
            ] {
                let mut bytes = encode_policy(&entry);
                prop_assert_eq!(decode_policy(&bytes).unwrap(), entry);
                let n = bytes.len();
                bytes[at % n] = byte;
                let _ = decode_policy(&bytes);
            }
        }
    }
}
