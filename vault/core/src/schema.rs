//! Definitions: the collections and fields of a space.

use cid::Cid;
use policy_core::{CollectionId, FieldId, SchemaVersion};

use crate::value::Value;

/// The scalar types of the definition language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScalarType {
    /// An id of a document, as text.
    Id,
    /// True or false.
    Boolean,
    /// Signed, 64 bits.
    Int,
    /// IEEE 754, of 64 bits.
    Float64,
    /// IEEE 754, of 32 bits; kept in 64.
    Float32,
    /// Unicode.
    String,
    /// An instant, to the microsecond.
    DateTime,
    /// Any JSON.
    Json,
    /// Bytes.
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
    /// The last write counts.
    Register,
    /// Whole steps are added up.
    IntCounter,
    /// Steps with a point are added up.
    FloatCounter,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// One value.
    Scalar {
        /// Of this type.
        of: ScalarType,
        /// It must have one.
        not_null: bool,
    },
    /// A list of values.
    List {
        /// Of this type.
        of: ScalarType,
        /// Each element must have a value.
        item_not_null: bool,
        /// There must be a list.
        not_null: bool,
    },
    /// The side that stores the target's document id.
    ToOne {
        /// The collection of the related document.
        target: CollectionId,
        /// As both sides call it.
        relation: String,
        /// There must be one.
        not_null: bool,
        /// No two documents lead to the same.
        one_one: bool,
    },
    /// The side that stores nothing: the documents of `target` whose field `via` names this one.
    /// `many` is false for the secondary side of a one-one relation.
    Inverse {
        /// The collection of the related documents.
        target: CollectionId,
        /// As both sides call it.
        relation: String,
        /// The field there that leads here.
        via: FieldId,
        /// Several may lead here; else one.
        many: bool,
    },
}

/// A field of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Names it, whatever it is called.
    pub id: FieldId,
    /// As the definition calls it.
    pub name: String,
    /// What it holds.
    pub kind: FieldType,
    /// How concurrent writes become one value.
    pub merge: Merge,
    /// What a new document has that says nothing of it.
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
    /// Whether it must have a value.
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
    /// As the definition calls it, or as it was called for it.
    pub name: String,
    /// No two documents have the same keys.
    pub unique: bool,
    /// The first counts most.
    pub keys: Vec<IndexKey>,
}

/// A field that an index is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexKey {
    /// Which one.
    pub field: FieldId,
    /// The greatest first.
    pub descending: bool,
}

/// A collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Collection {
    /// Names it, whatever it is called.
    pub id: CollectionId,
    /// As the definition calls it.
    pub name: String,
    /// In the order of the definition. Inverse sides included.
    pub fields: Vec<Field>,
    /// Beside the one by id, which each has.
    pub indexes: Vec<Index>,
    /// CID of the schema entry that defined it: `collectionVersionId`.
    pub version: Cid,
}

impl Collection {
    /// The field of this id.
    pub fn field(&self, id: FieldId) -> Option<&Field> {
        self.fields.iter().find(|field| field.id == id)
    }
    /// The field of this name.
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
    /// Of the space's definitions; each change has the next.
    pub version: SchemaVersion,
    /// Sorted by name.
    pub collections: Vec<Collection>,
}

impl Schema {
    /// The collection of this id.
    pub fn collection(&self, id: CollectionId) -> Option<&Collection> {
        self.collections.iter().find(|collection| collection.id == id)
    }
    /// The collection of this name.
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
    /// As the definition calls it.
    pub name: String,
    /// In the order of the definition.
    pub fields: Vec<NewField>,
    /// As the definition asks for them.
    pub indexes: Vec<NewIndex>,
}

/// A field that has no id yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewField {
    /// As the definition calls it.
    pub name: String,
    /// What it holds.
    pub kind: NewFieldType,
    /// How concurrent writes become one value.
    pub merge: Merge,
    /// What a new document has that says nothing of it.
    pub default: Option<Value>,
    /// `@constraints(size:)`: the exact length of a list.
    pub size: Option<u32>,
}

/// What a field without an id holds: as [`FieldType`], with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewFieldType {
    /// One value.
    Scalar {
        /// Of this type.
        of: ScalarType,
        /// It must have one.
        not_null: bool,
    },
    /// A list of values.
    List {
        /// Of this type.
        of: ScalarType,
        /// Each element must have a value.
        item_not_null: bool,
        /// There must be a list.
        not_null: bool,
    },
    /// The related document.
    ToOne {
        /// The name of its collection.
        target: String,
        /// As both sides call it.
        relation: String,
        /// There must be one.
        not_null: bool,
        /// No two documents lead to the same.
        one_one: bool,
    },
    /// `via`: the name of the target's `ToOne` field.
    Inverse {
        /// The name of the collection of the related documents.
        target: String,
        /// As both sides call it.
        relation: String,
        /// The name of the field there that leads here.
        via: String,
        /// Several may lead here; else one.
        many: bool,
    },
}

/// An index that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIndex {
    /// `None`: named by the vault after collection and fields.
    pub name: Option<String>,
    /// No two documents have the same keys.
    pub unique: bool,
    /// Field name, and whether descending.
    pub keys: Vec<(String, bool)>,
}
