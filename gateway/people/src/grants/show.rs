//! From what is enforced back to the words of `authorization_details`.

use policy_core::{Comparison, DocId, FieldId, Grant, GrantEntry, GrantScope, Predicate, Scalar, Timestamp};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use vault_core::schema::{Collection, FieldType, Schema};

use super::access::{Access, AskedCondition, Operator, rows_json};
use super::compile::once;
use super::span::Span;

/// The fields of a grant in the order in which the app asked for them. It changes only the order in
/// which they are shown, never which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order(Vec<FieldId>);

impl Order {
    /// The order in which `asked` names the fields of `grant`, which was compiled from it.
    pub fn of(asked: &[Access], grant: &Grant, schema: &Schema) -> Order {
        let mut order: Vec<FieldId> = Vec::new();
        for (access, entry) in asked.iter().zip(&grant.entries) {
            for scope in &entry.scopes {
                let Some(collection) = schema.collection(scope.collection) else { continue };
                for name in &access.allow {
                    let field = collection.field_named(name).map(|field| field.id);
                    order.extend(field.filter(|id| !order.contains(id)));
                }
            }
        }
        Order(order)
    }

    /// One id a line.
    pub fn to_lines(&self) -> String {
        self.0.iter().map(|id| format!("{id}\n")).collect()
    }

    /// What [`Order::to_lines`] wrote; lines that are no ids are left out.
    pub fn from_lines(text: &str) -> Order {
        Order(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// The names of the scope's fields, in this order, fields that it does not hold last, in the order of the definition.
    pub(super) fn names(&self, scope: &GrantScope, collection: &Collection) -> Vec<String> {
        let mut fields: Vec<_> = collection.fields.iter().filter(|field| scope.fields.contains(&field.id)).collect();
        fields.sort_by_key(|field| self.place(field.id));
        fields.into_iter().map(|field| field.name.clone()).collect()
    }

    /// Where the field stands; one that was not asked for stands behind all others.
    pub fn place(&self, id: FieldId) -> usize {
        self.0.iter().position(|known| *known == id).unwrap_or(usize::MAX)
    }
}

/// The grant in words. Types that show the same fields and conditions stand in one element; a
/// collection or field that no longer exists shows nothing, because it gives nothing.
pub fn show(grant: &Grant, schema: &Schema, order: &Order, created: Timestamp) -> Vec<Access> {
    let mut out = Vec::new();
    for entry in &grant.entries {
        let first = out.len();
        for scope in &entry.scopes {
            let Some(collection) = schema.collection(scope.collection) else { continue };
            let one = show_scope(grant, entry, scope, collection, order, created);
            let same = out[first..].iter_mut().find(|shown: &&mut Access| alike(shown, &one));
            match same {
                Some(shown) => shown.datatypes.extend(one.datatypes),
                None => out.push(one),
            }
        }
    }
    out
}

/// Whether two say the same, but for their types.
fn alike(a: &Access, b: &Access) -> bool {
    (&a.allow, &a.conditions, &a.documents, a.rows_per_day) == (&b.allow, &b.conditions, &b.documents, b.rows_per_day)
}

/// The grant in words, as a JSON list.
pub fn show_json(grant: &Grant, schema: &Schema, order: &Order, created: Timestamp) -> Value {
    Value::Array(show(grant, schema, order, created).iter().map(Access::to_json).collect())
}

/// When the last entry lapses; `None`: one of them lasts until revoked.
pub fn ends(grant: &Grant) -> Option<Timestamp> {
    grant.entries.iter().map(|entry| entry.until).collect::<Option<Vec<_>>>()?.into_iter().max()
}

fn show_scope(
    grant: &Grant,
    entry: &GrantEntry,
    scope: &GrantScope,
    collection: &Collection,
    order: &Order,
    created: Timestamp,
) -> Access {
    Access {
        space: Some(grant.space),
        datatypes: vec![collection.name.clone()],
        verbs: entry.verbs,
        allow: order.names(scope, collection),
        required: Vec::new(),
        conditions: conditions(&scope.predicate, collection),
        documents: scope.documents.clone(),
        rows_per_day: scope.rows_per_day,
        purpose: entry.purpose.clone(),
        duration: entry.until.and_then(|until| Span::between(created, until)),
    }
}

pub(super) fn conditions(predicate: &Predicate, collection: &Collection) -> Vec<AskedCondition> {
    // What stands twice in a grant of old is shown as it works.
    let conditions = once(predicate.conditions.clone());
    let asked = conditions.iter().map(|condition| {
        let field = collection.field(condition.field);
        let relation = field.is_some_and(|field| matches!(field.kind, FieldType::ToOne { .. }));
        let name = field.map_or_else(|| condition.field.to_string(), |field| field.name.clone());
        let (operator, value) = comparison(&condition.comparison, relation);
        AskedCondition { field: name, operator, value }
    });
    asked.collect()
}

/// A predicate in the words of `where`; null if it covers every document.
pub fn where_json(predicate: &Predicate, collection: &Collection) -> Value {
    if predicate.is_everything() { Value::Null } else { rows_json(&conditions(predicate, collection)) }
}

pub(super) fn comparison(comparison: &Comparison, relation: bool) -> (Operator, Value) {
    let one = |value: &Scalar| scalar(value, relation);
    let all = |values: &[Scalar]| Value::Array(values.iter().map(one).collect());
    let value = match comparison {
        Comparison::In(values) | Comparison::Nin(values) => all(values),
        Comparison::Eq(value)
        | Comparison::Neq(value)
        | Comparison::Gt(value)
        | Comparison::Geq(value)
        | Comparison::Lt(value)
        | Comparison::Leq(value) => one(value),
    };
    (Operator::of(comparison), value)
}

fn scalar(value: &Scalar, relation: bool) -> Value {
    match value {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => json!(value),
        Scalar::Int(value) => json!(value),
        Scalar::Float(value) => json!(value),
        Scalar::String(value) => json!(value),
        Scalar::DateTime(at) => json!(rfc3339(*at)),
        Scalar::Blob(bytes) => match DocId::from_slice(bytes).filter(|_| relation) {
            Some(id) => json!(id.to_string()),
            None => json!(data_encoding::HEXLOWER.encode(bytes)),
        },
    }
}

/// RFC 3339, UTC, microseconds where there are any.
pub fn rfc3339(at: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| at.0.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{Terms, compile, parse_value, sentences};
    use super::*;
    use policy_core::{ClientId, CollectionId, GrantId, Holder, SchemaVersion, SpaceId, UserId};
    use proptest::prelude::*;
    use vault_core::schema::{Field, Merge, ScalarType};

    fn schema() -> Schema {
        let kinds = [
            ("name", ScalarType::String),
            ("phone", ScalarType::String),
            ("tag", ScalarType::String),
            ("age", ScalarType::Int),
            ("score", ScalarType::Float64),
            ("born", ScalarType::DateTime),
            ("photo", ScalarType::Blob),
            ("active", ScalarType::Boolean),
            ("extra", ScalarType::Json),
        ];
        let collection = |name: &str, at: u8| Collection {
            id: CollectionId::from_bytes([at; 16]),
            name: name.into(),
            fields: kinds
                .iter()
                .enumerate()
                .map(|(i, (name, of))| Field {
                    // Ids fall while the definition goes on: the order of ids is not the order of names.
                    id: FieldId::from_bytes([at * 16 + 15 - i as u8; 16]),
                    name: (*name).into(),
                    kind: FieldType::Scalar { of: *of, not_null: false },
                    merge: Merge::Lww,
                    default: None,
                    size: None,
                })
                .collect(),
            indexes: Vec::new(),
            version: cid::Cid::default(),
        };
        Schema { version: SchemaVersion(1), collections: vec![collection("Contact", 1), collection("Person", 2)] }
    }

    fn terms() -> Terms {
        Terms {
            id: GrantId::from_bytes([1; 16]),
            grantor: UserId::from_bytes([2; 16]),
            holder: Holder::Client(ClientId::from_bytes([3; 16])),
            space: SpaceId::from_bytes([4; 16]),
            now: Timestamp::from_seconds(1_764_000_000),
        }
    }

    fn asked(rows: Value) -> Vec<Access> {
        parse_value(&json!({"type": "allod_doc", "datatypes": ["Contact", "Person"], "actions": ["read", "search"],
            "fields": {"allow": ["phone", "name", "born"]}, "where": rows, "purpose": "To call.", "duration": "P30D"}))
        .unwrap()
    }

    #[test]
    fn a_grant_shows_what_it_enforces_in_the_order_asked() {
        let rows = json!({"tag": {"_eq": "family"}, "age": {"_gt": 3}, "score": {"_leq": 1.5}, "active": {"_neq": null},
            "photo": {"_in": ["00ff"]}, "born": {"_lt": "2000-01-01T00:00:00Z"}});
        let list = asked(rows);
        let (schema, terms) = (schema(), terms());
        let grant = compile(&list, terms, &schema).unwrap();
        assert!(grant.entries[0].scopes.iter().all(|scope| scope.fields.is_sorted()));
        assert_eq!(ends(&grant), Some(Timestamp(terms.now.0 + 30 * 86_400_000_000)));
        let order = Order::of(&list, &grant, &schema);
        assert_eq!(Order::from_lines(&order.to_lines()), order);
        let mut expected = list.clone();
        expected[0].space = Some(terms.space);
        assert_eq!(show(&grant, &schema, &order, terms.now), expected);
        let said = sentences(&grant, &schema, &order, crate::language::Language::English);
        assert!(said[0].contains("family") && said[0].contains("phone, name and born"), "{said:?}");
        // What is gone from the definitions is not shown; what is taken out of the grant neither.
        let mut less = grant.clone();
        less.entries[0].scopes.iter_mut().for_each(|scope| scope.fields.truncate(2));
        let shown = show(&less, &schema, &order, terms.now);
        assert_eq!(shown[0].allow.len(), 2);
        assert!(show(&grant, &Schema::default(), &order, terms.now).is_empty());
    }

    #[test]
    fn of_two_conditions_on_one_field_both_are_enforced_and_both_are_shown() {
        let of = |comparison| policy_core::Condition { field: FieldId::from_bytes([0x1d; 16]), comparison };
        let text = |text: &str| Scalar::String(text.to_owned());
        let shown = |one: Comparison, two: Comparison| {
            where_json(&Predicate { conditions: vec![of(one), of(two)] }, &schema().collections[0])["tag"].clone()
        };
        let many = |all: &[&str]| all.iter().map(|one| text(one)).collect::<Vec<_>>();
        assert_eq!(shown(Comparison::Eq(text("a")), Comparison::Eq(text("a"))), json!({"_eq": "a"}));
        assert_eq!(shown(Comparison::Eq(text("a")), Comparison::Eq(text("b"))), json!({"_in": []}));
        assert_eq!(shown(Comparison::Neq(text("a")), Comparison::Neq(text("b"))), json!({"_nin": ["a", "b"]}));
        assert_eq!(shown(Comparison::In(many(&["a", "b"])), Comparison::In(many(&["b", "c"]))), json!({"_in": ["b"]}));
        assert_eq!(
            shown(Comparison::Nin(many(&["a"])), Comparison::Nin(many(&["a", "c"]))),
            json!({"_nin": ["a", "c"]})
        );
        assert_eq!(shown(Comparison::Gt(text("a")), Comparison::Gt(text("b"))), json!({"_gt": "b"}));
        assert_eq!(shown(Comparison::Leq(text("b")), Comparison::Leq(text("a"))), json!({"_leq": "a"}));
        assert_eq!(shown(Comparison::Gt(text("a")), Comparison::Lt(text("b"))), json!({"_gt": "a", "_lt": "b"}));
        // A grant is compiled so, and one that gives nothing is none.
        let mut list = asked(json!({"tag": {"_neq": "family"}}));
        list[0].conditions.push(AskedCondition { field: "tag".into(), operator: Operator::Neq, value: json!("work") });
        let grant = compile(&list, terms(), &schema()).unwrap();
        assert_eq!(grant.entries[0].scopes[0].predicate.conditions.len(), 1);
        list[0].conditions[0].operator = Operator::Eq;
        list[0].conditions[1].operator = Operator::Eq;
        assert_eq!(compile(&list, terms(), &schema()).unwrap_err().code(), "grant_schema_mismatch");
    }

    #[test]
    fn names_and_values_that_do_not_fit_the_definitions_are_refused() {
        let compile = |list: &[Access]| compile(list, terms(), &schema()).map_err(|error| error.code());
        for rows in [
            json!({"tags": {"_eq": "x"}}),
            json!({"tag": {"_eq": 1}}),
            json!({"age": {"_eq": 1.5}}),
            json!({"age": {"_gt": null}}),
            json!({"age": {"_in": [1, "2"]}}),
            json!({"born": {"_gt": "yesterday"}}),
            json!({"photo": {"_gt": "00"}}),
            json!({"photo": {"_eq": "xyz"}}),
            json!({"active": {"_lt": true}}),
            json!({"extra": {"_eq": 1}}),
        ] {
            assert_eq!(compile(&asked(rows.clone())), Err("grant_schema_mismatch"), "{rows}");
        }
        let mut list = asked(json!({}));
        assert!(compile(&list).is_ok(), "control");
        list[0].allow.push("nothing".into());
        assert_eq!(compile(&list), Err("grant_schema_mismatch"));
        let mut list = asked(json!({}));
        list[0].space = Some(SpaceId::from_bytes([9; 16]));
        assert_eq!(compile(&list), Err("grant_malformed"));
    }

    proptest! {
        #[test]
        fn values_show_as_they_were_asked(text in "\\PC{0,20}", int: i64, float in -1e300f64..1e300, micros in -60_000_000_000_000_000i64..250_000_000_000_000_000) {
            let rows = json!({"tag": {"_eq": text}, "age": {"_leq": int}, "score": {"_gt": float}, "born": {"_geq": rfc3339(Timestamp(micros))}});
            let list = asked(rows);
            let (schema, terms) = (schema(), terms());
            let grant = compile(&list, terms, &schema).unwrap();
            let shown = show(&grant, &schema, &Order::of(&list, &grant, &schema), terms.now);
            let mut again = shown.clone();
            again.iter_mut().for_each(|one| one.space = None);
            prop_assert_eq!(compile(&again, terms, &schema).unwrap(), grant);
        }
    }
}
