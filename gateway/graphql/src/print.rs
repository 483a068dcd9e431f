//! Definitions as text: what [`crate::sdl::compile`] reads back as the same collections.

use std::fmt::Write;

use policy_core::{FieldId, Scalar, instant};
use vault_core::schema::{Collection, Field, FieldType, Merge, ScalarType, Schema};
use vault_core::value::Value;

use crate::schema::type_name;
use crate::visible::{Visible, VisibleCollection};

/// Each collection that `visible` shows, by name, as far as it shows it: a field that it hides stands nowhere, and
/// neither does an index over one.
pub fn definitions(schema: &Schema, visible: &Visible) -> Vec<(String, String)> {
    // A type without fields is none, and then nothing leads to it either, which may leave another without fields.
    let mut told = visible.clone();
    loop {
        let shown = |seen: &VisibleCollection| {
            let collection = schema.collection(seen.id)?;
            Some((collection.name.clone(), one(schema, &told, collection, seen)))
        };
        let texts: Vec<(String, String)> = told.collections.iter().filter_map(shown).collect();
        if texts.iter().all(|(_, text)| !text.is_empty()) {
            return texts;
        }
        let empty = |name: &str| texts.iter().any(|(other, text)| other == name && text.is_empty());
        told.collections.retain(|collection| !empty(&collection.name));
    }
}

/// Text of GraphQL: JSON's escapes are among its own.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Empty where no field is shown.
fn one(schema: &Schema, visible: &Visible, collection: &Collection, seen: &VisibleCollection) -> String {
    let shows = |id: FieldId| seen.fields.iter().any(|field| field.id == id);
    let mut fields = String::new();
    for field in collection.fields.iter().filter(|field| shows(field.id)) {
        if let Some(text) = line(schema, visible, field) {
            let _ = writeln!(fields, "  {}: {text}", field.name);
        }
    }
    if fields.is_empty() {
        return fields;
    }
    let mut out = format!("type {}", collection.name);
    for index in collection.indexes.iter().filter(|index| index.keys.iter().all(|key| shows(key.field))) {
        let key = |key: &vault_core::schema::IndexKey| {
            let name = &collection.field(key.field)?.name;
            Some(format!("{{field: {}{}}}", quoted(name), if key.descending { ", direction: DESC" } else { "" }))
        };
        let keys: Vec<String> = index.keys.iter().filter_map(key).collect();
        let unique = if index.unique { ", unique: true" } else { "" };
        let _ = write!(out, " @index(name: {}{unique}, includes: [{}])", quoted(&index.name), keys.join(", "));
    }
    let _ = write!(out, " {{\n{fields}}}\n");
    out
}

fn bang(not_null: bool) -> &'static str {
    if not_null { "!" } else { "" }
}

/// Type and directives; nothing for a relation whose other side is not shown.
fn line(schema: &Schema, visible: &Visible, field: &Field) -> Option<String> {
    let named = |relation: &str| format!(" @relation(name: {})", quoted(relation));
    let mut out = match &field.kind {
        FieldType::Scalar { of, not_null } => format!("{}{}", type_name(*of), bang(*not_null)),
        FieldType::List { of, item_not_null, not_null } => {
            format!("[{}{}]{}", type_name(*of), bang(*item_not_null), bang(*not_null))
        }
        FieldType::ToOne { target, relation, not_null, one_one } => {
            let primary = if *one_one { " @primary" } else { "" };
            visible.collection(*target)?;
            format!("{}{}{primary}{}", schema.collection(*target)?.name, bang(*not_null), named(relation))
        }
        FieldType::Inverse { target, relation, via, many } => {
            let there = visible.collection(*target)?;
            there.fields.iter().find(|field| field.id == *via)?;
            let target = &schema.collection(*target)?.name;
            format!("{}{}", if *many { format!("[{target}]") } else { target.clone() }, named(relation))
        }
    };
    match field.merge {
        Merge::Lww => {}
        Merge::PCounter => out.push_str(" @crdt(type: pcounter)"),
        Merge::PnCounter => out.push_str(" @crdt(type: pncounter)"),
    }
    if let Some(size) = field.size {
        let _ = write!(out, " @constraints(size: {size})");
    }
    if let Some(default) = &field.default {
        let json = matches!(field.kind, FieldType::Scalar { of: ScalarType::Json, .. });
        let _ = write!(out, " @default({}: {})", if json { "json" } else { "value" }, literal(default));
    }
    Some(out)
}

fn literal(value: &Value) -> String {
    match value {
        Value::Scalar(scalar) => scalar_literal(scalar),
        Value::List(items) => format!("[{}]", items.iter().map(scalar_literal).collect::<Vec<_>>().join(", ")),
        Value::Json(json) => quoted(&json.to_string()),
    }
}

fn scalar_literal(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => format!("{value:?}"),
        Scalar::String(text) => quoted(text),
        Scalar::DateTime(at) => quoted(&instant::written(*at)),
        Scalar::Blob(bytes) => quoted(&data_encoding::HEXLOWER.encode(bytes)),
    }
}
