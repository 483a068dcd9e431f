//! What a caller may write: the entries of a mask, tried one by one.

use policy_core::{DocId, Entry, FieldId, Mask, Verb};
use vault_core::schema::Collection;
use vault_core::value::Value;

use super::WriteError;
use crate::view::covers;

/// Values by field.
pub type Values = Vec<(FieldId, Value)>;

/// The value of a field among others.
pub fn value_of(values: &[(FieldId, Value)], field: FieldId) -> Option<&Value> {
    values.iter().find(|(id, _)| *id == field).map(|(_, value)| value)
}

/// Sets a field among others.
pub fn set(values: &mut Values, field: FieldId, value: Value) {
    match values.iter_mut().find(|(id, _)| *id == field) {
        Some((_, slot)) => *slot = value,
        None => values.push((field, value)),
    }
}

/// The first entry with `verb` that holds all named fields and covers `before` (a document and its values,
/// where there is one) and what `after` makes of it.
pub fn entry_for<'a>(
    mask: &'a Mask,
    verb: Verb,
    named: &[FieldId],
    before: Option<(DocId, &[(FieldId, Value)])>,
    after: impl Fn(&Entry) -> Values,
) -> Result<(&'a Entry, Values), WriteError> {
    for entry in mask.entries_with(verb) {
        if !named.iter().all(|field| entry.holds(*field)) {
            continue;
        }
        if before.is_some_and(|(doc, values)| !covers(entry, Some(doc), values)) {
            continue;
        }
        let values = after(entry);
        if covers(entry, before.map(|(doc, _)| doc), &values) {
            return Ok((entry, values));
        }
    }
    Err(WriteError::Forbidden)
}

/// Whether some entry lets the caller see every document of the collection with all these fields: who
/// does not could learn from a refusal what others hold.
pub fn sees_all(mask: &Mask, fields: &[FieldId]) -> bool {
    mask.entries_with(Verb::Search).any(|entry| entry.is_everything() && fields.iter().all(|field| entry.holds(*field)))
}

/// Whether some entry shows the caller this field of a document that holds `values`.
pub fn sees_field(mask: &Mask, field: FieldId, doc: DocId, values: &[(FieldId, Value)]) -> bool {
    mask.entries_with(Verb::Read).any(|entry| entry.holds(field) && covers(entry, Some(doc), values))
}

/// The sets of fields whose values must be unique together: unique indexes, and one-one relations.
pub fn unique_sets(collection: &Collection) -> Vec<Vec<FieldId>> {
    collection.unique_sets()
}
