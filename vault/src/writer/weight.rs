//! What a request is thought to cost, before anything of it is done.

use policy_core::{FieldId, Scalar};
use vault_core::change::{Action, ChangeRequest, NewDocument, Target};
use vault_core::value::Value;

/// A request of more than this is large: it is written by itself, and never by all threads at once.
const HEAVY: u64 = 256 << 10;
/// What a request and a document take besides their values.
const EACH: u64 = 256;

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
        for change in &request.changes {
            match &change.action {
                Action::Add(new) => new.iter().for_each(|new| count(1, document(new))),
                Action::Update { target, fields, .. } => match named(target) {
                    Some(n) => count(n, values(fields)),
                    None => {
                        open |= target.filter.is_none();
                        count(1, values(fields));
                    }
                },
                Action::Upsert { add, update, .. } => count(1, document(add).saturating_add(values(update))),
                Action::Delete { target, .. } | Action::Restore { target, .. } => match named(target) {
                    Some(n) => count(n, 0),
                    None => {
                        open |= target.filter.is_none();
                        count(1, 0);
                    }
                },
            }
        }
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
        let json = serde_json::json!({ "a": ["x".repeat(300_000)] });
        let json = NewDocument { doc_id: None, fields: vec![(field, Value::Json(json))] };
        assert!(weigh(Action::Add(vec![json])).heavy);
    }
}
