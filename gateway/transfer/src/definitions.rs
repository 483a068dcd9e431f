//! What the documents of a space are like, and what one may do with them.

use std::collections::BTreeMap;

use gateway_graphql::sdl;
use serde::Deserialize;
use vault_core::schema::{FieldType, Merge, NewCollection, NewField, NewFieldType, ScalarType, Schema};

use crate::error::TransferError;

/// The id of a document, among its fields.
pub(crate) const DOC_ID: &str = "_docID";

/// The collections of a space, by name.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    collections: BTreeMap<String, Collection>,
}

/// A collection.
#[derive(Debug, Clone)]
pub struct Collection {
    /// As its definition calls it.
    pub name: String,
    /// Its definition.
    pub sdl: String,
    /// What documents store, in the order of the definition.
    pub columns: Vec<Column>,
    /// Whether all of its documents can be asked for.
    pub listed: bool,
    /// Whether a document can be asked for by its id.
    pub read: bool,
    /// Whether documents may be added.
    pub added: bool,
    /// Whether an added document may bring its id.
    pub own_ids: bool,
    /// The columns whose values no two documents may have together.
    pub unique: Vec<Vec<String>>,
}

/// Something that documents store.
#[derive(Debug, Clone)]
pub struct Column {
    /// As documents call it: of a relation the id behind it, `_authorID` of `author`.
    pub name: String,
    /// As the definition calls it.
    pub field: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// It must have a value.
    pub not_null: bool,
    /// A document that says nothing of it gets a value.
    pub default: bool,
    /// A counter that takes no negative number.
    pub grows: bool,
    /// The length of a list, if it is given.
    pub size: Option<u32>,
    /// Whether it may be read.
    pub read: bool,
    /// Whether an added document may set it.
    pub written: bool,
}

/// What a column holds.
#[derive(Debug, Clone)]
pub enum ColumnKind {
    /// A value, or a list of values.
    Value(FieldType),
    /// The id of a document.
    Relation,
}

impl ColumnKind {
    /// The type of a single value.
    pub fn scalar(&self) -> Option<ScalarType> {
        match self {
            ColumnKind::Value(FieldType::Scalar { of, .. }) => Some(*of),
            _ => None,
        }
    }
}

/// An element of what `GET /api/v1/schema` answers.
#[derive(Deserialize)]
struct Defined {
    name: String,
    sdl: String,
    verbs: Vec<String>,
    own_ids: bool,
    fields: Vec<FieldDefined>,
}

#[derive(Deserialize)]
struct FieldDefined {
    name: String,
    verbs: Vec<String>,
}

fn has(verbs: &[String], verb: &str) -> bool {
    verbs.iter().any(|one| one == verb)
}

fn compiled(texts: &str) -> Result<Vec<NewCollection>, TransferError> {
    if texts.trim().is_empty() {
        return Ok(Vec::new());
    }
    let unfit = |error: gateway_graphql::SdlError| TransferError::new("definitions_unreadable", error.to_string());
    sdl::compile(texts, &Schema::default()).map_err(unfit)
}

impl Definitions {
    /// From what `GET /api/v1/schema` answers.
    ///
    /// # Errors
    /// If it is something else.
    pub fn of_answer(answer: &serde_json::Value) -> Result<Definitions, TransferError> {
        let all: Vec<Defined> = Deserialize::deserialize(answer).map_err(|error| {
            TransferError::new("definitions_unreadable", format!("what answers is no node: {error}"))
        })?;
        let texts: String = all.iter().map(|one| one.sdl.as_str()).collect();
        let mut collections = BTreeMap::new();
        for new in compiled(&texts)? {
            let Some(defined) = all.iter().find(|one| one.name == new.name) else { continue };
            let verbs = |field: &str| {
                let found = defined.fields.iter().find(|one| one.name == field);
                found.map_or((false, false), |field| (has(&field.verbs, "read"), has(&field.verbs, "create")))
            };
            let mut collection = Collection::of(&new, defined.sdl.clone(), verbs);
            collection.read = has(&defined.verbs, "read");
            collection.listed = collection.read && has(&defined.verbs, "search");
            collection.added = has(&defined.verbs, "create");
            collection.own_ids = defined.own_ids;
            collections.insert(new.name, collection);
        }
        Ok(Definitions { collections })
    }

    /// From texts of definitions, by name: whoever makes the collections may do everything there.
    ///
    /// # Errors
    /// If they are no definitions.
    pub fn of_texts(texts: &BTreeMap<String, String>) -> Result<Definitions, TransferError> {
        let all: String = texts.values().flat_map(|text| [text.as_str(), "\n"]).collect();
        let mut collections = BTreeMap::new();
        for new in compiled(&all)? {
            let sdl = texts.get(&new.name).cloned().unwrap_or_default();
            collections.insert(new.name.clone(), Collection::of(&new, sdl, |_| (true, true)));
        }
        Ok(Definitions { collections })
    }

    /// The collection of this name.
    pub fn named(&self, name: &str) -> Option<&Collection> {
        self.collections.get(name)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Collection> {
        self.collections.values()
    }

    /// Adds a collection that is not there yet.
    pub fn add(&mut self, collection: Collection) {
        self.collections.entry(collection.name.clone()).or_insert(collection);
    }
}

impl Collection {
    fn of(new: &NewCollection, sdl: String, verbs: impl Fn(&str) -> (bool, bool)) -> Collection {
        let column = |field: &NewField| {
            let (read, written) = verbs(&field.name);
            Column::of(field, read, written)
        };
        let columns: Vec<Column> = new.fields.iter().filter_map(column).collect();
        let named = |field: &String| Some(columns.iter().find(|column| column.field == *field)?.name.clone());
        let indexes = new.indexes.iter().filter(|index| index.unique);
        let mut unique: Vec<Vec<String>> =
            indexes.filter_map(|index| index.keys.iter().map(|(field, _)| named(field)).collect()).collect();
        let one_one = |field: &&NewField| matches!(field.kind, NewFieldType::ToOne { one_one: true, .. });
        unique.extend(new.fields.iter().filter(one_one).filter_map(|field| Some(vec![named(&field.name)?])));
        let (name, listed, read, added, own_ids) = (new.name.clone(), true, true, true, true);
        Collection { name, sdl, columns, listed, read, added, own_ids, unique }
    }

    /// What of its documents may be read.
    pub fn readable(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.read)
    }

    /// The column that a file calls so: by its name, or as the spelling of 2023 calls the id behind a relation.
    pub fn column(&self, name: &str) -> Option<&Column> {
        let exact = self.columns.iter().find(|column| column.name == name);
        exact.or_else(|| {
            let relation = name.strip_suffix("_id").unwrap_or(name);
            self.columns.iter().find(|column| matches!(column.kind, ColumnKind::Relation) && column.field == relation)
        })
    }
}

impl Column {
    /// `None`: the side of a relation that stores nothing.
    fn of(field: &NewField, read: bool, written: bool) -> Option<Column> {
        let (name, kind, not_null) = match &field.kind {
            NewFieldType::Scalar { of, not_null } => {
                (field.name.clone(), ColumnKind::Value(FieldType::Scalar { of: *of, not_null: *not_null }), *not_null)
            }
            NewFieldType::List { of, item_not_null, not_null } => {
                let kind = FieldType::List { of: *of, item_not_null: *item_not_null, not_null: *not_null };
                (field.name.clone(), ColumnKind::Value(kind), *not_null)
            }
            NewFieldType::ToOne { not_null, .. } => (format!("_{}ID", field.name), ColumnKind::Relation, *not_null),
            NewFieldType::Inverse { .. } => return None,
        };
        let (default, grows) = (field.default.is_some(), field.merge == Merge::PCounter);
        let (field, size) = (field.name.clone(), field.size);
        Some(Column { name, field, kind, not_null, default, grows, size, read, written })
    }
}
