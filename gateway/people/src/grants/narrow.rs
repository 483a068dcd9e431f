//! A grant that is held to less, or for longer: what is asked for is put beside what was granted.

use policy_core::{Comparison, Grant, GrantEntry, GrantScope, Narrowing, Predicate, Timestamp};
use vault_core::schema::Schema;

use super::access::{Access, AccessError, fewer};
use super::compile::{Terms, compile, once};

/// What remains of `old` when it is held to `list`: of each element, what the first entry of `old` covers that names
/// its types, actions and fields. Conditions are those of both, and it ends with whichever ends first, so nothing is
/// granted that was not before. A purpose stays as it was consented to.
///
/// # Errors
/// [`AccessError::Wider`] if no entry of `old` covers an element; as [`compile`] else.
pub fn narrow(old: &Grant, list: &[Access], terms: Terms, schema: &Schema) -> Result<Grant, AccessError> {
    let now = terms.now;
    let mut new = compile(list, terms, schema)?;
    for entry in &mut new.entries {
        let mut why = "The grant has nothing to hold this to.";
        // What has ended holds nothing that another entry still gives.
        let (living, ended): (Vec<_>, Vec<_>) = old.entries.iter().partition(|before| lives(before, now));
        let held = living.into_iter().chain(ended).find_map(|before| match within(entry, before) {
            Ok(held) => Some(held),
            Err(reason) => {
                why = reason;
                None
            }
        });
        *entry = held.ok_or_else(|| AccessError::Wider(why.to_owned()))?;
        if entry.scopes.iter().any(|scope| scope.predicate.conditions.iter().any(matches_nothing)) {
            let message = "`where`: no document can meet these conditions and those of the grant.";
            return Err(AccessError::Contradiction(message.to_owned()));
        }
    }
    Ok(new)
}

/// [`narrow`] for an app, which knows no more of the space than what `old` names. What does not lie in that is refused before
/// anything is looked up, and whatever is refused is refused alike.
///
/// # Errors
/// [`AccessError::Wider`].
pub fn narrow_unseen(old: &Grant, list: &[Access], terms: Terms, schema: &Schema) -> Result<Grant, AccessError> {
    let wider = || AccessError::Wider("The access is not within what the token opens.".to_owned());
    let lies_in = |access: &Access| {
        access.datatypes.iter().all(|name| {
            let scopes = || {
                let collection = schema.collection_named(name).map(|collection| collection.id);
                old.entries.iter().flat_map(|entry| &entry.scopes).filter(move |one| Some(one.collection) == collection)
            };
            let known = |field: &String| {
                let id = schema.collection_named(name).and_then(|of| of.fields.iter().find(|one| one.name == *field));
                id.is_some_and(|field| {
                    scopes().any(|scope| {
                        let asked_about = || scope.predicate.conditions.iter().any(|one| one.field == field.id);
                        scope.fields.contains(&field.id) || asked_about()
                    })
                })
            };
            scopes().next().is_some()
                && access.allow.iter().all(known)
                && access.conditions.iter().all(|condition| known(&condition.field))
        })
    };
    if !list.iter().all(lies_in) {
        return Err(wider());
    }
    // A day's rows are counted for the grant, and no token has a count of its own: what it says of them is the grant's.
    let free: Vec<Access> = list.iter().map(|access| Access { rows_per_day: None, ..access.clone() }).collect();
    let new = narrow(old, &free, terms, schema).map_err(|_| wider())?;
    let other = |(access, entry): (&Access, &GrantEntry)| {
        access.rows_per_day.is_some() && entry.scopes.iter().any(|scope| scope.rows_per_day != access.rows_per_day)
    };
    if list.iter().zip(&new.entries).any(other) {
        return Err(wider());
    }
    // Of each element something is left that may be told, as it is enforced.
    let left = |entry: &GrantEntry| !Narrowing::new([0; 32], vec![entry.clone()]).of(old).grant.entries.is_empty();
    if new.entries.iter().all(left) { Ok(new) } else { Err(wider()) }
}

/// What is left of a grant for a token that is held to a part of it, as it is shown.
#[must_use]
pub fn left_of(grant: &Grant, within: &Narrowing) -> Grant {
    let mut left = within.of(grant).grant;
    for scope in left.entries.iter_mut().flat_map(|entry| &mut entry.scopes) {
        scope.predicate.conditions = once(std::mem::take(&mut scope.predicate.conditions));
    }
    left
}

/// The same until another instant, or until it is revoked. What of it has ended stays so: whoever saw it end has not been
/// asked again.
#[must_use]
pub fn extend(old: &Grant, terms: Terms, until: Option<Timestamp>) -> Grant {
    let longer = |entry: &GrantEntry| match lives(entry, terms.now) {
        true => GrantEntry { until, ..entry.clone() },
        false => entry.clone(),
    };
    Grant { id: terms.id, entries: old.entries.iter().map(longer).collect(), ..old.clone() }
}

fn lives(entry: &GrantEntry, now: Timestamp) -> bool {
    entry.until.is_none_or(|until| until > now)
}

fn matches_nothing(condition: &policy_core::Condition) -> bool {
    matches!(&condition.comparison, Comparison::In(values) if values.is_empty())
}

fn within(asked: &GrantEntry, before: &GrantEntry) -> Result<GrantEntry, &'static str> {
    if !before.verbs.covers(asked.verbs) {
        return Err("The access names an action that was not granted, or not for these types.");
    }
    let scopes = asked.scopes.iter().map(|scope| held(scope, &before.scopes)).collect::<Result<_, _>>()?;
    let until = match (asked.until, before.until) {
        (Some(asked), Some(before)) => Some(asked.min(before)),
        (asked, before) => asked.or(before),
    };
    Ok(GrantEntry { verbs: asked.verbs, scopes, purpose: before.purpose.clone(), until })
}

fn held(asked: &GrantScope, before: &[GrantScope]) -> Result<GrantScope, &'static str> {
    let mut of_type = before.iter().filter(|scope| scope.collection == asked.collection).peekable();
    if of_type.peek().is_none() {
        return Err("The access names a type that was not granted.");
    }
    let scope = of_type
        .find(|scope| asked.fields.iter().all(|field| scope.fields.contains(field)))
        .ok_or("The access names a field that was not granted.")?;
    let conditions = scope.predicate.conditions.iter().chain(&asked.predicate.conditions).cloned().collect();
    let documents = match (&scope.documents, &asked.documents) {
        (Some(before), Some(asked)) if !asked.iter().all(|id| before.binary_search(id).is_ok()) => {
            return Err("The access names a document that was not granted.");
        }
        (before, asked) => asked.as_ref().or(before.as_ref()).cloned(),
    };
    let rows_per_day = fewer(scope.rows_per_day, asked.rows_per_day);
    Ok(GrantScope { predicate: Predicate { conditions: once(conditions) }, documents, rows_per_day, ..asked.clone() })
}

#[cfg(test)]
mod tests {
    use policy_core::{
        ClientId, CollectionId, DocId, FieldId, GrantId, Holder, Scalar, SchemaVersion, SpaceId, UserId, Verb,
    };
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use vault_core::schema::{Collection, Field, FieldType, Merge, ScalarType};

    use super::super::parse_value;
    use super::*;

    const FIELDS: [&str; 3] = ["name", "age", "tag"];

    fn schema() -> Schema {
        let of = [ScalarType::String, ScalarType::Int, ScalarType::String];
        let field = |n: usize, at: u8| Field {
            id: FieldId::from_bytes([at * 8 + n as u8; 16]),
            name: FIELDS[n].into(),
            kind: FieldType::Scalar { of: of[n], not_null: false },
            merge: Merge::Lww,
            default: None,
            size: None,
        };
        let collection = |name: &str, at: u8| Collection {
            id: CollectionId::from_bytes([at; 16]),
            name: name.into(),
            fields: (0..3).map(|n| field(n, at)).collect(),
            indexes: Vec::new(),
            version: cid::Cid::default(),
        };
        Schema { version: SchemaVersion(1), collections: vec![collection("Contact", 1), collection("Film", 2)] }
    }

    fn terms(id: u8, now: i64) -> Terms {
        Terms {
            id: GrantId::from_bytes([id; 16]),
            grantor: UserId::from_bytes([1; 16]),
            holder: Holder::Client(ClientId::from_bytes([2; 16])),
            space: SpaceId::from_bytes([3; 16]),
            now: Timestamp(now),
        }
    }

    fn given(access: &Value) -> Grant {
        compile(&parse_value(access).unwrap(), terms(1, 0), &schema()).unwrap()
    }

    fn narrowed(old: &Grant, access: &Value) -> Result<Grant, AccessError> {
        narrow(old, &parse_value(access).unwrap(), terms(2, 1_000_000), &schema())
    }

    /// Ids of documents of these ages.
    fn aged(ages: &[i64]) -> Vec<DocId> {
        ages.iter().map(|&age| DocId::from_bytes([u8::try_from(age).unwrap(); 16])).collect()
    }

    /// Whether a grant gives a verb on a field of a document whose values are these, at an instant. Its age is its id.
    fn gives(grant: &Grant, verb: Verb, (of, field): (u8, usize), document: &[Scalar; 3], now: i64) -> bool {
        let schema = schema();
        let collection = schema.collection(CollectionId::from_bytes([of; 16])).unwrap();
        grant.entries.iter().any(|entry| {
            entry.verbs.has(verb)
                && entry.until.is_none_or(|until| until.0 > now)
                && entry.scopes.iter().any(|scope| {
                    scope.collection == collection.id
                        && scope.documents.as_ref().is_none_or(|named| match &document[1] {
                            Scalar::Int(age) => named.contains(&aged(&[*age])[0]),
                            other => unreachable!("{other:?}"),
                        })
                        && scope.fields.contains(&collection.fields[field].id)
                        && scope.predicate.conditions.iter().all(|condition| {
                            let n = collection.fields.iter().position(|field| field.id == condition.field).unwrap();
                            meets(&document[n], &condition.comparison)
                        })
                })
        })
    }

    fn meets(value: &Scalar, comparison: &Comparison) -> bool {
        match (value, comparison) {
            (value, Comparison::Eq(other)) => value == other,
            (value, Comparison::Neq(other)) => value != other,
            (value, Comparison::In(others)) => others.contains(value),
            (value, Comparison::Nin(others)) => !others.contains(value),
            (Scalar::Int(a), Comparison::Gt(Scalar::Int(b))) => a > b,
            (Scalar::Int(a), Comparison::Leq(Scalar::Int(b))) => a <= b,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn less_is_held_to_what_was_granted_and_more_is_refused() {
        let old = given(&json!([
            { "type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "update"], "purpose": "Letters",
              "fields": { "allow": ["name", "age"] }, "where": { "age": { "_gt": 17 } }, "duration": "P30D" },
            { "type": "allod_doc", "datatypes": ["Film"], "actions": ["read"], "fields": { "allow": ["tag"] } }]));
        let less = json!({ "type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"],
            "fields": { "allow": ["name"] }, "where": { "tag": { "_eq": "friend" } }, "purpose": "Spam" });
        let new = narrowed(&old, &less).unwrap();
        let [entry] = &new.entries[..] else { panic!("{new:?}") };
        assert_eq!((entry.purpose.as_deref(), entry.until), (Some("Letters"), old.entries[0].until));
        assert_eq!(entry.scopes[0].predicate.conditions.len(), 2, "both conditions hold");
        let friend = [Scalar::Null, Scalar::Int(18), Scalar::String("friend".into())];
        let child = [Scalar::Null, Scalar::Int(17), Scalar::String("friend".into())];
        assert!(gives(&new, Verb::Read, (1, 0), &friend, 0) && !gives(&new, Verb::Read, (1, 0), &child, 0));

        let mut longer = less.clone();
        longer["duration"] = json!("P60D");
        assert_eq!(narrowed(&old, &longer).unwrap().entries[0].until, old.entries[0].until, "no longer than it was");
        longer["duration"] = json!("P1D");
        assert!(narrowed(&old, &longer).unwrap().entries[0].until < old.entries[0].until, "control");
        for (key, more) in [
            ("actions", json!(["read", "delete"])),
            ("fields", json!({ "allow": ["name", "tag"] })),
            ("datatypes", json!(["Contact", "Film"])),
        ] {
            let mut wider = less.clone();
            wider[key] = more;
            assert_eq!(narrowed(&old, &wider).unwrap_err().code(), "grant_wider", "{wider}");
        }
        let mut named = less.clone();
        named["documents"] = json!(aged(&[18, 19]));
        let held = narrowed(&old, &named).unwrap();
        assert_eq!(held.entries[0].scopes[0].documents, Some(aged(&[18, 19])), "fewer, by their names");
        named["documents"] = json!(aged(&[17]));
        assert_eq!(narrowed(&held, &named).unwrap_err().code(), "grant_wider");
        assert_eq!(narrowed(&held, &less).unwrap().entries[0].scopes[0].documents, Some(aged(&[18, 19])));
        named["documents"] = json!(aged(&[19]));
        assert_eq!(narrowed(&held, &named).unwrap().entries[0].scopes[0].documents, Some(aged(&[19])));
        let mut limited = less.clone();
        limited["limits"] = json!({ "rows_per_day": 10 });
        let held = narrowed(&old, &limited).unwrap();
        let rows = |grant: &Grant| grant.entries[0].scopes[0].rows_per_day;
        assert_eq!((rows(&old), rows(&held)), (None, Some(10)));
        for (asked, left) in [(json!(5), 5), (json!(500), 10), (json!(null), 10)] {
            limited["limits"] = json!({ "rows_per_day": asked });
            assert_eq!(rows(&narrowed(&held, &limited).unwrap()), Some(left), "no more than it was");
        }
        let mut nobody = less;
        nobody["where"] = json!({ "age": { "_in": [1, 2] } });
        assert!(narrowed(&old, &nobody).is_ok(), "ages that the older condition leaves out are nobody's, at no harm");
        let film = json!({ "type": "allod_doc", "datatypes": ["Film"], "actions": ["update"], "fields": { "allow": ["tag"] } });
        assert_eq!(
            narrowed(&old, &film).unwrap_err().code(),
            "grant_wider",
            "actions of one entry are none of another"
        );
    }

    #[test]
    fn what_is_extended_says_the_same_and_ends_later() {
        let old = given(&json!({ "type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"],
            "fields": { "allow": ["name"] }, "duration": "P1D" }));
        let new = extend(&old, terms(2, 5), Some(Timestamp(i64::MAX)));
        assert_eq!((new.id, new.entries[0].until), (GrantId::from_bytes([2; 16]), Some(Timestamp(i64::MAX))));
        assert_eq!(new.entries[0].scopes, old.entries[0].scopes);
        assert_eq!(extend(&old, terms(2, 5), None).entries[0].until, None);
    }

    #[test]
    fn what_has_ended_is_not_extended_and_holds_nothing_that_still_lives() {
        let one = |days: &str| {
            json!({ "type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"],
            "fields": { "allow": ["name"] }, "duration": days })
        };
        let mut old = given(&one("P1D"));
        old.entries.extend(given(&one("P9D")).entries);
        let (first, second) = (old.entries[0].until.unwrap(), old.entries[1].until.unwrap());
        let at = |seconds| Terms { now: Timestamp(first.0 + seconds), ..terms(2, 5) };
        let until = |grant: &Grant| -> Vec<_> { grant.entries.iter().map(|entry| entry.until).collect() };
        assert_eq!(until(&extend(&old, at(-1), None)), [None, None], "control");
        assert_eq!(until(&extend(&old, at(0), None)), [Some(first), None]);
        let list = parse_value(&one("P90D")).unwrap();
        assert_eq!(until(&narrow(&old, &list, at(0), &schema()).unwrap()), [Some(second)]);
        assert_eq!(until(&narrow(&old, &list, at(-1), &schema()).unwrap()), [Some(first)], "control");
    }

    fn access() -> impl Strategy<Value = Value> {
        let some = |from: &'static [&'static str]| proptest::sample::subsequence(from, 1..=from.len());
        let condition = prop_oneof![
            Just(json!({})),
            (0..4).prop_map(|n| json!({ "age": { "_gt": n } })),
            (0..4).prop_map(|n| json!({ "age": { "_leq": n }, "tag": { "_neq": "a" } })),
            Just(json!({ "tag": { "_in": ["a", "b"] } })),
            Just(json!({ "name": { "_eq": "a" } })),
        ];
        let entry = (
            some(&["Contact", "Film"]),
            some(&["read", "update", "delete"]),
            some(&FIELDS),
            condition,
            proptest::option::of(1..4_u8),
            proptest::option::of(proptest::sample::subsequence(vec![0_i64, 1, 2, 3, 4], 1..5)),
        );
        let entry = entry.prop_map(|(datatypes, actions, allow, rows, days, ages)| {
            json!({ "type": "allod_doc", "datatypes": datatypes, "actions": actions, "fields": { "allow": allow },
                "where": rows, "duration": days.map(|days| format!("P{days}D")),
                "documents": ages.map(|ages| aged(&ages)) })
        });
        proptest::collection::vec(entry, 1..4).prop_map(Value::Array)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn nothing_is_given_that_was_not_before(old in access(), list in access()) {
            let old = given(&old);
            let Ok(new) = narrowed(&old, &list) else { return Ok(()) };
            let texts = ["a", "b", "c"].map(|text| Scalar::String(text.into()));
            let days = [0_i64, 1, 2, 3, 5].map(|days| days * 86_400_000_000 + 2_000_000);
            for (name, tag) in texts.iter().flat_map(|name| texts.iter().map(move |tag| (name, tag))) {
                for (age, now) in (0..5).flat_map(|age| days.iter().map(move |now| (age, *now))) {
                    let document = [name.clone(), Scalar::Int(age), tag.clone()];
                    for (verb, of) in [Verb::Read, Verb::Update, Verb::Delete].into_iter().zip([1, 2, 1]) {
                        for field in 0..3 {
                            let after = gives(&new, verb, (of, field), &document, now);
                            prop_assert!(!after || gives(&old, verb, (of, field), &document, now));
                        }
                    }
                }
            }
        }

        #[test]
        fn what_is_left_for_a_token_both_give_and_a_condition_is_on_what_is_read(old in access(), part in access()) {
            let (old, part) = (given(&old), given(&part));
            let within = Narrowing::new([1; 32], part.entries.clone());
            let left = left_of(&old, &within);
            let texts = ["a", "b", "c"].map(|text| Scalar::String(text.into()));
            for (name, tag) in texts.iter().flat_map(|name| texts.iter().map(move |tag| (name, tag))) {
                for (age, now) in (0..5).flat_map(|age| [2_000_000, 86_402_000_000].map(|now| (age, now))) {
                    let document = [name.clone(), Scalar::Int(age), tag.clone()];
                    for (verb, of) in [Verb::Read, Verb::Update, Verb::Delete].into_iter().zip([1, 2, 1]) {
                        for field in 0..3 {
                            let gives = |grant: &Grant| gives(grant, verb, (of, field), &document, now);
                            prop_assert!(!gives(&left) || gives(&old) && gives(&part));
                        }
                    }
                }
            }
            // Whatever of its own it asks about rows, the entries of the grant that it lies in read that field.
            let asked: Vec<_> = part.entries.iter().flat_map(|entry| &entry.scopes).collect();
            for entry in &left.entries {
                for scope in &entry.scopes {
                    for condition in &scope.predicate.conditions {
                        let own = asked.iter().any(|one| one.predicate.conditions.contains(condition));
                        let read = old.entries.iter().any(|of| {
                            let here = || of.scopes.iter().filter(|one| one.collection == scope.collection);
                            here().any(|one| one.predicate.conditions.iter().any(|of| of.field == condition.field))
                                || of.verbs.has(Verb::Read) && here().any(|one| one.fields.contains(&condition.field))
                        });
                        prop_assert!(!own || read);
                    }
                }
            }
        }

        #[test]
        fn the_same_again_is_the_same(old in access()) {
            let before = given(&old);
            let again = narrow(&before, &parse_value(&old).unwrap(), terms(1, 0), &schema()).unwrap();
            for (again, before) in again.entries.iter().zip(&before.entries) {
                prop_assert_eq!(again.verbs, before.verbs);
            }
        }
    }
}
