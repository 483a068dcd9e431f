//! Definitions as they are written, before relations are paired.

use apollo_compiler::Node;
use apollo_compiler::ast::{FieldDefinition, ObjectTypeDefinition};
use vault_core::schema::{Merge, NewField, NewFieldType, NewIndex, ScalarType};

/// A collection whose relations are not paired yet.
pub(super) struct Draft<'a> {
    pub(super) node: &'a Node<ObjectTypeDefinition>,
    pub(super) fields: Vec<DraftField<'a>>,
    pub(super) indexes: Vec<NewIndex>,
}

pub(super) struct DraftField<'a> {
    pub(super) node: &'a Node<FieldDefinition>,
    pub(super) kind: DraftKind,
    pub(super) merge: Merge,
    pub(super) default: Option<vault_core::value::Value>,
    pub(super) size: Option<u32>,
}

pub(super) enum DraftKind {
    Stored(NewFieldType),
    Relation(Relation),
}

pub(super) fn scalar_named(name: &str) -> Option<ScalarType> {
    Some(match name {
        "ID" => ScalarType::Id,
        "Boolean" => ScalarType::Boolean,
        "Int" => ScalarType::Int,
        "Float" | "Float64" => ScalarType::Float64,
        "Float32" => ScalarType::Float32,
        "String" => ScalarType::String,
        "DateTime" => ScalarType::DateTime,
        "JSON" => ScalarType::Json,
        "Blob" => ScalarType::Blob,
        _ => return None,
    })
}

/// The finished field.
pub(super) fn finished(field: &DraftField<'_>, kind: NewFieldType) -> NewField {
    NewField {
        name: field.node.name.to_string(),
        kind,
        merge: field.merge,
        default: field.default.clone(),
        size: field.size,
    }
}

/// One side, as written.
pub struct Relation {
    pub target: String,
    pub list: bool,
    pub not_null: bool,
    pub primary: bool,
    /// `@relation(name:)`.
    pub name: Option<String>,
}
