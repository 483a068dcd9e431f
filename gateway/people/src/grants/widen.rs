//! A grant that gives more: what an app asked for, and its person left of it, is put beside what was granted.

use policy_core::{Grant, GrantEntry, GrantScope, Timestamp};
use vault_core::schema::Schema;

use super::access::{Access, AccessError, named_within_bounds};
use super::compile::{Terms, compile};
use super::narrow::narrow;

/// Entries of a grant at most: what was granted and has not ended, and what comes beside it.
const MAX_ENTRIES: usize = 64;

/// What an app asked for, and what its person makes of it.
#[derive(Debug, Clone)]
pub struct Widening {
    /// As it was asked, within the app's manifest.
    pub asked: Vec<Access>,
    /// What is left of it; `None`: all.
    pub chosen: Option<Vec<Access>>,
    /// It ends no later than this.
    pub until: Option<Timestamp>,
}

impl Widening {
    /// What comes beside a grant by it.
    ///
    /// # Errors
    /// [`AccessError::Wider`] if more is chosen than was asked; as [`compile`] else.
    pub fn added(&self, terms: Terms, schema: &Schema) -> Result<Grant, AccessError> {
        let asked = compile(&self.asked, terms, schema)?;
        let mut added = match &self.chosen {
            None => asked,
            Some(chosen) => narrow(&asked, chosen, terms, schema)?,
        };
        let sooner = |end: Option<Timestamp>, until: Timestamp| Some(end.map_or(until, |end| end.min(until)));
        if let Some(until) = self.until {
            added.entries.iter_mut().for_each(|entry| entry.until = sooner(entry.until, until));
        }
        Ok(added)
    }
}

/// Whether an entry gives all that one with a limit gives, for as long, and no fewer rows: beside it that one would but hold
/// it to its own limit.
fn raises(new: &GrantEntry, old: &GrantEntry) -> bool {
    let lasts = |until: Option<Timestamp>| until.map_or(i64::MAX, |until| until.0);
    let rows = |rows: Option<u32>| rows.unwrap_or(u32::MAX);
    let within = |old: &GrantScope, new: &GrantScope| {
        old.collection == new.collection
            && old.fields.iter().all(|field| new.fields.contains(field))
            && (new.predicate.is_everything() || new.predicate == old.predicate)
            && new.documents.as_ref().is_none_or(|new| {
                old.documents.as_ref().is_some_and(|old| old.iter().all(|id| new.binary_search(id).is_ok()))
            })
            && rows(new.rows_per_day) >= rows(old.rows_per_day)
    };
    old.scopes.iter().any(|scope| scope.rows_per_day.is_some())
        && new.verbs.covers(old.verbs)
        && lasts(new.until) >= lasts(old.until)
        && old.scopes.iter().all(|old| new.scopes.iter().any(|new| within(old, new)))
}

/// `old`, with what is added beside it. What of it has ended goes, and so does what is limited and the added gives with
/// more rows: so a limit is raised.
///
/// # Errors
/// [`AccessError::Schema`] if that is more than a grant holds.
pub fn widen(old: &Grant, added: Grant, now: Timestamp) -> Result<Grant, AccessError> {
    let lives = |entry: &&GrantEntry| entry.until.is_none_or(|until| until > now);
    let raised = |entry: &&GrantEntry| added.entries.iter().any(|new| new != *entry && raises(new, entry));
    let mut entries: Vec<GrantEntry> =
        old.entries.iter().filter(lives).filter(|entry| !raised(entry)).cloned().collect();
    for entry in added.entries {
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    if entries.len() > MAX_ENTRIES {
        let text =
            format!("A grant holds {MAX_ENTRIES} entries at most; take this app's access back, and let it ask anew.");
        return Err(AccessError::Schema(text));
    }
    let grant = Grant { id: added.id, entries, ..old.clone() };
    named_within_bounds(grant.named_documents())?;
    Ok(grant)
}

#[cfg(test)]
mod tests {
    use policy_core::{ClientId, CollectionId, FieldId, GrantId, Holder, SchemaVersion, SpaceId, UserId};
    use serde_json::{Value, json};
    use vault_core::schema::{Collection, Field, FieldType, Merge, ScalarType};

    use super::super::parse_value;
    use super::*;

    fn schema() -> Schema {
        let field = |n: u8, name: &str| Field {
            id: FieldId::from_bytes([n; 16]),
            name: name.into(),
            kind: FieldType::Scalar { of: ScalarType::String, not_null: false },
            merge: Merge::Lww,
            default: None,
            size: None,
        };
        let contact = Collection {
            id: CollectionId::from_bytes([1; 16]),
            name: "Contact".into(),
            fields: vec![field(1, "name"), field(2, "phone")],
            indexes: Vec::new(),
            version: cid::Cid::default(),
        };
        Schema { version: SchemaVersion(1), collections: vec![contact] }
    }

    fn terms(id: u8, now: i64) -> Terms {
        Terms {
            id: GrantId::from_bytes([id; 16]),
            grantor: UserId::from_bytes([1; 16]),
            holder: Holder::Client(ClientId::from_bytes([2; 16])),
            space: SpaceId::from_bytes([3; 16]),
            now: Timestamp::from_seconds(now),
        }
    }

    fn access(fields: &[&str], actions: &[&str], duration: &str) -> Value {
        json!([{"type": "allod_doc", "datatypes": ["Contact"], "actions": actions,
            "fields": {"allow": fields}, "duration": duration}])
    }

    fn parsed(value: &Value) -> Vec<Access> {
        parse_value(value).unwrap()
    }

    #[test]
    fn what_is_left_of_a_wish_comes_beside_what_was_granted_and_never_more() {
        let schema = schema();
        let old = compile(&parsed(&access(&["name"], &["read"], "P30D")), terms(1, 0), &schema).unwrap();
        let asked = parsed(&access(&["name", "phone"], &["read", "search"], "P90D"));
        let with = |chosen: Option<Value>, until: Option<i64>| Widening {
            asked: asked.clone(),
            chosen: chosen.map(|chosen| parsed(&chosen)),
            until: until.map(Timestamp::from_seconds),
        };
        let all = with(None, None).added(terms(2, 100), &schema).unwrap();
        let wide = widen(&old, all.clone(), Timestamp::from_seconds(100)).unwrap();
        assert_eq!((wide.id, wide.entries.len()), (GrantId::from_bytes([2; 16]), 2));
        assert_eq!(wide.entries[0], old.entries[0], "what was granted stays as it is");
        assert_eq!(wide.entries[1].until, Some(Timestamp::from_seconds(100 + 90 * 86_400)));

        let less = with(Some(access(&["phone"], &["read"], "P90D")), Some(500)).added(terms(2, 100), &schema).unwrap();
        assert_eq!(less.entries[0].until, Some(Timestamp::from_seconds(500)));
        assert_eq!(less.entries[0].scopes[0].fields, [FieldId::from_bytes([2; 16])]);
        let late = with(None, Some(i64::MAX / 2_000_000)).added(terms(2, 100), &schema).unwrap();
        assert_eq!(late, all, "no later than was asked");
        for more in [access(&["phone"], &["delete"], "P1D"), access(&["phone"], &["history"], "P1D")] {
            let refused = with(Some(more), None).added(terms(2, 100), &schema);
            assert!(matches!(refused, Err(AccessError::Wider(_))), "{refused:?}");
        }
        // Twice is once, and what has ended does not come back.
        let again = widen(&wide, Grant { id: GrantId::from_bytes([4; 16]), ..all }, Timestamp::from_seconds(200));
        assert_eq!(again.unwrap().entries, wide.entries);
        let later = Timestamp::from_seconds(31 * 86_400);
        assert_eq!(widen(&old, less.clone(), later).unwrap().entries, less.entries);
        // A higher limit takes the place of a lower one, and a lower one comes beside a higher.
        let limited = |rows: u32, id: u8| {
            let mut list = parsed(&access(&["name"], &["read"], "P30D"));
            list[0].rows_per_day = Some(rows);
            compile(&list, terms(id, 0), &schema).unwrap()
        };
        let raised = widen(&limited(5, 1), limited(50, 2), Timestamp::from_seconds(1)).unwrap();
        assert_eq!(raised.entries, limited(50, 2).entries);
        assert_eq!(widen(&limited(50, 1), limited(5, 2), Timestamp::from_seconds(1)).unwrap().entries.len(), 2);
        let mut many = old.clone();
        many.entries = (0..64).map(|n| GrantEntry { purpose: Some(n.to_string()), ..old.entries[0].clone() }).collect();
        assert!(widen(&many, less, Timestamp::from_seconds(1)).is_err());
    }
}
