//! What a request is thought to cost, before anything of it is done.

use policy_core::{FieldId, Scalar};
use vault_core::change::{Action, ChangeRequest, NewDocument, Target};
use vault_core::value::Value;

use crate::asked::Asked;

/// A request of more than this is large: it is written by itself, and never by all threads at once.
const HEAVY: u64 = 256 << 10;
/// What a request, a document and a condition take besides their values.
const EACH: u64 = 256;
/// What a head takes that is expected.
const HEAD: usize = 128;

/// The cost of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) bytes: u64,
    /// Documents that it makes or names; of those that a filter finds nothing is known yet.
    pub(crate) documents: usize,
    /// Whether it may take long.
    pub(crate) heavy: bool,
}

impl Weight {
    pub(crate) fn of(request: &ChangeRequest) -> Weight {
        let (mut bytes, mut documents, mut open) = (EACH, 0usize, false);
        let mut count = |n: usize, each: u64| {
            documents = documents.saturating_add(n);
            bytes = bytes.saturating_add((n as u64).saturating_mul(EACH.saturating_add(each)));
        };
        // What is asked costs before a document is found: it is compiled in the turn of a small request.
        let mut asked = Asked::default();
        for change in &request.changes {
            asked.items(&change.items);
            match &change.action {
                Action::Update { target, expect_heads, .. }
                | Action::Delete { target, expect_heads }
                | Action::Restore { target, expect_heads } => {
                    target.filter.iter().for_each(|filter| asked.filter(filter));
                    asked.bytes += expect_heads.as_ref().map_or(0, Vec::len) * HEAD;
                }
                Action::Add(_) | Action::Upsert { .. } => {}
            }
            match &change.action {
                Action::Add(new) => new.iter().for_each(|new| count(1, document(new))),
                Action::Update { target, fields, .. } => match named(target) {
                    Some(n) => count(n, values(fields)),
                    None => {
                        open |= target.filter.is_none();
                        count(1, values(fields));
                    }
                },
                Action::Upsert { filter, add, update } => {
                    asked.filter(filter);
                    count(1, document(add).saturating_add(values(update)));
                }
                Action::Delete { target, .. } | Action::Restore { target, .. } => match named(target) {
                    Some(n) => count(n, 0),
                    None => {
                        open |= target.filter.is_none();
                        count(1, 0);
                    }
                },
            }
        }
        let asked = (asked.parts as u64).saturating_mul(EACH).saturating_add(asked.bytes as u64);
        let bytes = bytes.saturating_add(asked);
        Weight { bytes, documents, heavy: open || bytes > HEAVY }
    }
}

fn named(target: &Target) -> Option<usize> {
    target.doc_ids.as_ref().map(Vec::len)
}

fn document(new: &NewDocument) -> u64 {
    values(&new.fields)
}

fn values(values: &[(FieldId, Value)]) -> u64 {
    values.iter().map(|(_, value)| 24 + size(value)).fold(0, u64::saturating_add)
}

fn size(value: &Value) -> u64 {
    match value {
        Value::Scalar(scalar) => scalar_size(scalar),
        Value::List(elements) => elements.iter().map(|one| 4 + scalar_size(one)).fold(0, u64::saturating_add),
        Value::Json(json) => json_size(json),
    }
}

fn scalar_size(scalar: &Scalar) -> u64 {
    match scalar {
        Scalar::String(text) => text.len() as u64,
        Scalar::Blob(bytes) => bytes.len() as u64,
        _ => 8,
    }
}

fn json_size(json: &serde_json::Value) -> u64 {
    use serde_json::Value as Json;
    match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
        Json::String(text) => text.len() as u64,
        Json::Array(all) => all.iter().map(|one| 2 + json_size(one)).fold(0, u64::saturating_add),
        Json::Object(all) => {
            all.iter().map(|(key, one)| 4 + key.len() as u64 + json_size(one)).fold(0, u64::saturating_add)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_core::{CollectionId, DocId};
    use vault_core::change::Change;
    use vault_core::query::{Filter, Operand, Operator};

    fn weigh(action: Action) -> Weight {
        let collection = CollectionId::from_bytes([1; 16]);
        Weight::of(&ChangeRequest { changes: vec![Change { key: "a".into(), collection, action, items: Vec::new() }] })
    }

    #[test]
    fn a_request_weighs_what_it_brings_and_all_that_it_names() {
        let field = FieldId::from_bytes([2; 16]);
        let text = |n: usize| (field, Value::Scalar(Scalar::String("x".repeat(n))));
        let new = |n: usize| NewDocument { doc_id: None, fields: vec![text(n)] };
        let small = weigh(Action::Add(vec![new(10)]));
        assert!(!small.heavy && small.documents == 1 && small.bytes < 1_000);
        let large = weigh(Action::Add(vec![new(1 << 20)]));
        assert!(large.heavy && large.bytes > 1 << 20);
        assert!(weigh(Action::Add(vec![new(0); 2_000])).heavy, "many small ones are large");
        let ids = Target { doc_ids: Some(vec![DocId::from_bytes([3; 16]); 5_000]), filter: None };
        assert!(weigh(Action::Delete { target: ids.clone(), expect_heads: None }).heavy);
        let spread = weigh(Action::Update { target: ids, fields: vec![text(1_000)], expect_heads: None });
        assert!(spread.heavy && spread.bytes > 5_000_000 && spread.documents == 5_000);
        assert!(weigh(Action::Delete { target: Target::default(), expect_heads: None }).heavy, "everything");
        let among = |n: i64| {
            let all = (0..n).map(|n| Value::Scalar(Scalar::Int(n))).collect();
            Filter::Is(Operand::Field(field), Operator::Any(vec![Operator::In(all)]))
        };
        let found = |filter: Filter| Target { doc_ids: None, filter: Some(filter) };
        for (n, heavy) in [(240_000, true), (1_000, false)] {
            let target = found(among(n));
            assert_eq!(weigh(Action::Delete { target: target.clone(), expect_heads: None }).heavy, heavy, "{n}");
            assert_eq!(weigh(Action::Update { target, fields: Vec::new(), expect_heads: None }).heavy, heavy, "{n}");
            let upsert = Action::Upsert { filter: among(n), add: new(1), update: Vec::new() };
            assert_eq!(weigh(upsert).heavy, heavy, "{n}");
        }
        assert!(weigh(Action::Delete { target: found(Filter::Or(vec![among(1); 1_000])), expect_heads: None }).heavy);
        let expected = |n| Some(vec![cid::Cid::default(); n]);
        let one = Target { doc_ids: Some(vec![DocId::from_bytes([3; 16])]), filter: None };
        assert!(weigh(Action::Delete { target: one.clone(), expect_heads: expected(100_000) }).heavy);
        assert!(!weigh(Action::Delete { target: one, expect_heads: expected(10) }).heavy, "control");
        let json = serde_json::json!({ "a": ["x".repeat(300_000)] });
        let json = NewDocument { doc_id: None, fields: vec![(field, Value::Json(json))] };
        assert!(weigh(Action::Add(vec![json])).heavy);
    }
}
