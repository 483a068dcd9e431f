//! Which entry of a grant an entry of a mask comes from.

use policy_core::{
    CollectionId, Comparison, Documents, Entry, Grant, GrantScope, Mask, Predicate, Scalar, Timestamp, Verb,
};
use vault_core::query::{Filter, Operand, Operator};
use vault_core::schema::{Collection, FieldType};
use vault_core::value::Value;

/// The entries of an app's mask in a collection, each with the number of the entry of the grant that it comes from.
///
/// A mask is made of the grant's entries in their order, and of each scope of one come at most two: what reads, and
/// what writes. One that no entry explains is left out.
pub fn attributed<'m>(
    mask: &'m Mask,
    grant: &Grant,
    collection: CollectionId,
    now: Timestamp,
) -> Vec<(usize, &'m Entry)> {
    let scopes: Vec<_> = grant
        .entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.until.is_none_or(|until| until > now))
        .flat_map(|(n, entry)| entry.scopes.iter().map(move |scope| (n, entry.verbs, scope)))
        .filter(|(.., scope)| scope.collection == collection)
        .collect();
    let (mut at, mut used): (usize, Option<&Entry>) = (0, None);
    let mut found = Vec::with_capacity(mask.entries.len());
    for entry in &mask.entries {
        let fits = |at: usize| {
            scopes.get(at).is_some_and(|(_, verbs, scope)| {
                scope.predicate == entry.predicate
                    && within_named(scope, entry)
                    && verbs.covers(entry.verbs)
                    && entry.fields.iter().all(|field| scope.fields.contains(field))
            })
        };
        let second =
            used.is_some_and(|first| first.verbs.and(entry.verbs).is_empty() && !writes(first) && writes(entry));
        let from = if used.is_some() && !second { at + 1 } else { at };
        if let Some(next) = (from..scopes.len()).find(|next| fits(*next)) {
            used = Some(entry);
            at = next;
            found.push((scopes[next].0, entry));
        }
    }
    found
}

/// Whether an entry reaches no document that the scope does not name.
fn within_named(scope: &GrantScope, entry: &Entry) -> bool {
    scope.documents.as_ref().is_none_or(|named| match &entry.documents {
        Documents::Only(documents) => documents.iter().all(|document| named.binary_search(document).is_ok()),
        Documents::All | Documents::Except(_) => false,
    })
}

fn writes(entry: &Entry) -> bool {
    [Verb::Create, Verb::Update, Verb::Delete].into_iter().any(|verb| entry.verbs.has(verb))
}

/// A predicate as a filter: the same documents.
pub fn filter(predicate: &Predicate, collection: &Collection) -> Filter {
    let one = |condition: &policy_core::Condition| {
        let field = condition.field;
        let relation = collection.field(field).is_some_and(|field| matches!(field.kind, FieldType::ToOne { .. }));
        let operand = if relation { Operand::RelationId(field) } else { Operand::Field(field) };
        let all = |values: &[Scalar]| values.iter().cloned().map(Value::Scalar).collect();
        let operator = match &condition.comparison {
            Comparison::Eq(value) => Operator::Eq(Value::Scalar(value.clone())),
            Comparison::Neq(value) => Operator::Neq(Value::Scalar(value.clone())),
            Comparison::In(values) => Operator::In(all(values)),
            Comparison::Nin(values) => Operator::Nin(all(values)),
            Comparison::Gt(value) => Operator::Gt(value.clone()),
            Comparison::Geq(value) => Operator::Geq(value.clone()),
            Comparison::Lt(value) => Operator::Lt(value.clone()),
            Comparison::Leq(value) => Operator::Leq(value.clone()),
        };
        Filter::Is(operand, operator)
    };
    Filter::And(predicate.conditions.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_core::{ClientId, Condition, DocId, FieldId, GrantEntry, GrantId, Holder, SpaceId, UserId, Verbs};
    use std::sync::Arc;

    fn field(n: u8) -> FieldId {
        FieldId::from_bytes([n; 16])
    }
    fn tagged(text: &str) -> Predicate {
        let comparison = Comparison::Eq(Scalar::String(text.to_owned()));
        Predicate { conditions: vec![Condition { field: field(9), comparison }] }
    }
    fn verbs(all: &[Verb]) -> Verbs {
        all.iter().copied().collect()
    }
    fn entry(all: &[Verb], fields: &[u8], predicate: Predicate) -> Entry {
        let fields: Arc<[FieldId]> = fields.iter().map(|&n| field(n)).collect();
        Entry { verbs: verbs(all), fields, documents: Documents::All, predicate }
    }

    #[test]
    fn each_entry_of_a_mask_is_traced_to_its_own() {
        let collection = CollectionId::from_bytes([1; 16]);
        let of = |all: &[Verb], fields: &[u8], predicate: Predicate, until: Option<i64>| GrantEntry {
            verbs: verbs(all),
            scopes: vec![GrantScope {
                collection,
                fields: fields.iter().map(|&n| field(n)).collect(),
                predicate,
                documents: None,
                rows_per_day: None,
            }],
            purpose: None,
            until: until.map(Timestamp),
        };
        let both = [Verb::Read, Verb::Update];
        let grant = Grant {
            id: GrantId::from_bytes([1; 16]),
            grantor: UserId::from_bytes([2; 16]),
            holder: Holder::Client(ClientId::from_bytes([3; 16])),
            space: SpaceId::from_bytes([4; 16]),
            entries: vec![
                of(&[Verb::Read], &[1], tagged("a"), Some(5)),
                of(&[Verb::Read], &[1, 2], tagged("a"), Some(50)),
                of(&both, &[1, 2], tagged("b"), Some(60)),
                of(&[Verb::Read], &[1, 2], tagged("a"), None),
            ],
        };
        let mask = Mask {
            entries: vec![
                entry(&[Verb::Read], &[1], tagged("a")),
                entry(&[Verb::Read], &[1, 2], tagged("b")),
                entry(&[Verb::Update], &[1], tagged("b")),
                entry(&[Verb::Read], &[1], tagged("a")),
            ],
            valid_until: None,
        };
        let numbers =
            |now| attributed(&mask, &grant, collection, Timestamp(now)).iter().map(|(n, _)| *n).collect::<Vec<_>>();
        assert_eq!(numbers(10), [1, 2, 2, 3], "the first has lapsed");
        assert_eq!(numbers(1), [0, 2, 2, 3], "control: it has not");
        assert!(attributed(&mask, &grant, CollectionId::from_bytes([7; 16]), Timestamp(1)).is_empty());
        // Of two entries that differ in the documents which they name, each has its own.
        let doc = |n: u8| DocId::from_bytes([n; 16]);
        let mut grant = grant;
        grant.entries = [1, 2].map(|n| of(&[Verb::Read], &[1], tagged("a"), Some(i64::from(n) * 10))).to_vec();
        (grant.entries[0].scopes[0].documents, grant.entries[1].scopes[0].documents) =
            (Some(vec![doc(1)]), Some(vec![doc(2), doc(3)]));
        let only = |n: u8| {
            let documents = Documents::only(vec![doc(n)]);
            let mask = Mask {
                entries: vec![Entry { documents, ..entry(&[Verb::Read], &[1], tagged("a")) }],
                valid_until: None,
            };
            attributed(&mask, &grant, collection, Timestamp(1)).first().map(|(n, _)| *n)
        };
        assert_eq!([1, 3, 4].map(only), [Some(0), Some(1), None]);
    }
}
