//! Whether a document of a file fits where it goes, before anything is written.

use policy_core::DocId;
use serde_json::Value;

use crate::definitions::{Collection, Column, ColumnKind, DOC_ID};
use crate::error::excerpt;
use crate::format::{Document, Found};
use crate::ids::Ids;

/// What the names of a document's id are, in the current spelling and in that of 2023.
const OLD_IDS: [&str; 2] = [DOC_ID, "_key"];
/// And of the id that it has where it comes to.
const NEW_IDS: [&str; 2] = ["_docIDNew", "_newKey"];

/// Something that stands in the way of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line or row, if it is one document's.
    pub place: Option<u64>,
    /// As the file calls it.
    pub collection: String,
    /// The field at fault.
    pub field: Option<String>,
    /// `unknown_field` where leaving the field out would help.
    pub code: &'static str,
    /// A sentence.
    pub problem: String,
}

/// The ids that a document of a file has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DocumentIds<'d> {
    /// Where it comes from.
    pub old: Option<&'d str>,
    /// Where it comes to.
    pub new: Option<&'d str>,
}

impl<'d> DocumentIds<'d> {
    /// Of this document.
    pub fn of(document: &'d Document) -> DocumentIds<'d> {
        let first = |names: [&str; 2]| names.iter().find_map(|name| document.get(*name)?.as_str());
        DocumentIds { old: first(OLD_IDS), new: first(NEW_IDS) }
    }
}

/// The document as `add_…` takes it, with its id; each thing that is wrong with it goes to `wrong`.
pub fn check(collection: &Collection, found: &Found, ids: &Ids, wrong: &mut Vec<Problem>) -> (DocId, Document) {
    let mut out = Document::new();
    let mut say = |field: Option<&str>, code, problem: String| {
        let (place, collection) = (Some(found.place), excerpt(&found.collection));
        wrong.push(Problem { place, collection, field: field.map(excerpt), code, problem });
    };
    if let Some((field, why)) = &found.unread {
        say(Some(field), "invalid_input", why.clone());
    }
    for (name, value) in &found.document {
        let shown = excerpt(name);
        if OLD_IDS.contains(&name.as_str()) || NEW_IDS.contains(&name.as_str()) {
            if !value.is_string() {
                say(Some(name), "invalid_input", format!("`{shown}` is not a text"));
            }
            continue;
        }
        let Some(column) = collection.column(name) else {
            say(
                Some(name),
                "unknown_field",
                format!("`{}` has no field `{shown}` that documents store", collection.name),
            );
            continue;
        };
        if !column.written {
            say(Some(name), "unknown_field", format!("you may not set `{shown}` of `{}`", collection.name));
            continue;
        }
        if out.contains_key(&column.name) {
            say(Some(name), "invalid_input", format!("`{}` is given twice", column.name));
            continue;
        }
        // Null is what a field is that nobody sets, but where a default would take its place.
        if value.is_null() && !column.default {
            continue;
        }
        match fitting(column, value, ids) {
            Ok(value) => drop(out.insert(column.name.clone(), value)),
            Err(why) => say(Some(name), "invalid_input", why),
        }
    }
    for column in &collection.columns {
        let lacks = column.not_null && !column.default && !out.contains_key(&column.name);
        let is_column = |name: &String| collection.column(name).is_some_and(|other| other.name == column.name);
        let refused = found.document.iter().any(|(name, value)| is_column(name) && !value.is_null());
        if lacks && !refused && found.unread.is_none() {
            say(Some(&column.name), "not_null", format!("`{}` must have a value", column.name));
        }
    }
    let known = DocumentIds::of(&found.document);
    let id = match known.new.or(known.old) {
        Some(text) => ids.of(text),
        None => ids.of_content(&found.collection, found.place, &Value::Object(out.clone()).to_string()),
    };
    out.insert(DOC_ID.to_owned(), Value::String(id.to_string()));
    (id, out)
}

/// The value as it is sent, or why it does not fit.
fn fitting(column: &Column, value: &Value, ids: &Ids) -> Result<Value, String> {
    let bare = |error: gateway_graphql::GraphQlError| error.message.trim_end_matches('.').to_owned();
    match &column.kind {
        ColumnKind::Relation => match value {
            Value::String(text) => Ok(Value::String(ids.of(text).to_string())),
            Value::Null => Ok(Value::Null),
            _ => Err(format!("the value of `{}` is not the id of a document", column.name)),
        },
        ColumnKind::Value(kind) => {
            gateway_graphql::fits(kind, value, &column.name).map_err(bare)?;
            if let (Some(size), Value::Array(items)) = (column.size, value)
                && items.len() != size as usize
            {
                return Err(format!("the list `{}` has {} elements and not {size}", column.name, items.len()));
            }
            let negative = value.as_number().is_some_and(|number| number.as_str().starts_with('-'));
            if column.grows && negative {
                return Err(format!("`{}` is a counter that only grows", column.name));
            }
            Ok(value.clone())
        }
    }
}
