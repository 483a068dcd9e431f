//! Definitions: the collections and fields of a space.

use cid::Cid;
use policy_core::{CollectionId, FieldId, SchemaVersion};

use crate::value::Value;

/// The scalar types of the definition language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScalarType {
    Id,
    Boolean,
    /// Signed, 64 bits.
    Int,
    Float64,
    Float32,
    String,
    DateTime,
    Json,
    Blob,
}

/// How concurrent writes of a field merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Merge {
    /// Last writer wins, by (hlc, device, CID); the loser stays readable as a conflict.
    Lww,
    /// A counter that only grows.
    PCounter,
    /// A counter that grows and shrinks.
    PnCounter,
}

/// Which of the things that commits may say of a field its definition counts: writers that held another definition may
/// have written others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Register,
    IntCounter,
    FloatCounter,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FieldType {
    Scalar {
        of: ScalarType,
        not_null: bool,
    },
    List {
        of: ScalarType,
        item_not_null: bool,
        not_null: bool,
    },
    /// The side that stores the target's document id.
    ToOne {
        target: CollectionId,
        relation: String,
        not_null: bool,
        one_one: bool,
    },
    /// The side that stores nothing: the documents of `target` whose field `via` names this one.
    /// `many` is false for the secondary side of a one-one relation.
    Inverse {
        target: CollectionId,
        relation: String,
        via: FieldId,
        many: bool,
    },
}

/// A field of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub id: FieldId,
    pub name: String,
    pub kind: FieldType,
    pub merge: Merge,
    pub default: Option<Value>,
    /// `@constraints(size:)`: the exact length of a list.
    pub size: Option<u32>,
}

impl Field {
    /// How the field is read off what commits say of it.
    pub fn reading(&self) -> Reading {
        let float = matches!(self.kind, FieldType::Scalar { of: ScalarType::Float32 | ScalarType::Float64, .. });
        match (self.merge, float) {
            (Merge::Lww, _) => Reading::Register,
            (_, false) => Reading::IntCounter,
            (_, true) => Reading::FloatCounter,
        }
    }

    /// Whether documents store something for this field.
    pub fn is_stored(&self) -> bool {
        !matches!(self.kind, FieldType::Inverse { .. })
    }
    pub fn not_null(&self) -> bool {
        match self.kind {
            FieldType::Scalar { not_null, .. }
            | FieldType::List { not_null, .. }
            | FieldType::ToOne { not_null, .. } => not_null,
            FieldType::Inverse { .. } => false,
        }
    }
}

/// An index over one or more fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub name: String,
    pub unique: bool,
    pub keys: Vec<IndexKey>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexKey {
    pub field: FieldId,
    pub descending: bool,
}

/// A collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    pub id: CollectionId,
    pub name: String,
    /// In the order of the definition. Inverse sides included.
    pub fields: Vec<Field>,
    pub indexes: Vec<Index>,
    /// CID of the schema entry that defined it: `collectionVersionId`.
    pub version: Cid,
}

impl Collection {
    pub fn field(&self, id: FieldId) -> Option<&Field> {
        self.fields.iter().find(|field| field.id == id)
    }
    pub fn field_named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The sets of fields whose values must be unique together: unique indexes, and one-one relations.
    pub fn unique_sets(&self) -> Vec<Vec<FieldId>> {
        let indexes = self.indexes.iter().filter(|index| index.unique);
        let mut sets: Vec<Vec<FieldId>> =
            indexes.map(|index| index.keys.iter().map(|key| key.field).collect()).collect();
        let one_one = self.fields.iter().filter(|field| matches!(field.kind, FieldType::ToOne { one_one: true, .. }));
        sets.extend(one_one.map(|field| vec![field.id]));
        sets
    }
}

/// All definitions of a space at one version.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schema {
    pub version: SchemaVersion,
    /// Sorted by name.
    pub collections: Vec<Collection>,
}

impl Schema {
    pub fn collection(&self, id: CollectionId) -> Option<&Collection> {
        self.collections.iter().find(|collection| collection.id == id)
    }
    pub fn collection_named(&self, name: &str) -> Option<&Collection> {
        self.collections
            .binary_search_by(|collection| collection.name.as_str().cmp(name))
            .ok()
            .map(|i| &self.collections[i])
    }
}

/// A collection as the definition language states it, before it has ids: names in place of ids.
/// One DDL request is a list of these; the vault gives them ids and writes one sealed schema entry.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCollection {
    pub name: String,
    pub fields: Vec<NewField>,
    pub indexes: Vec<NewIndex>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewField {
    pub name: String,
    pub kind: NewFieldType,
    pub merge: Merge,
    pub default: Option<Value>,
    pub size: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewFieldType {
    Scalar {
        of: ScalarType,
        not_null: bool,
    },
    List {
        of: ScalarType,
        item_not_null: bool,
        not_null: bool,
    },
    ToOne {
        target: String,
        relation: String,
        not_null: bool,
        one_one: bool,
    },
    /// `via`: the name of the target's `ToOne` field.
    Inverse {
        target: String,
        relation: String,
        via: String,
        many: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIndex {
    /// `None`: named by the vault after collection and fields.
    pub name: Option<String>,
    pub unique: bool,
    /// Field name, and whether descending.
    pub keys: Vec<(String, bool)>,
}
