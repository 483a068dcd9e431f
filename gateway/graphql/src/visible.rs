//! What of a space's definitions a caller's masks show, and the shape by which equal views share a
//! schema.

use std::sync::Arc;

use policy_core::{CollectionId, FieldId, Mask, Verb, Verbs};
use sha2::{Digest, Sha256};
use vault_core::schema::{FieldType, Merge, ScalarType, Schema};

use super::names::Spelling;

/// The mask of a collection; `None`: for this caller it does not exist.
pub type Masks<'a> = &'a dyn Fn(CollectionId) -> Option<Arc<Mask>>;

/// The definitions as one caller may know them. Sorted by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Visible {
    /// Those of which any entry gives anything.
    pub collections: Vec<VisibleCollection>,
}

/// A collection as one caller may know it.
#[derive(Debug, Clone, PartialEq)]
pub struct VisibleCollection {
    /// Names it in the vault.
    pub id: CollectionId,
    /// Names it in the schema.
    pub name: String,
    /// What any entry gives.
    pub verbs: Verbs,
    /// Whether an added document may bring its own id: some entry that creates covers every row.
    pub own_ids: bool,
    /// Those on which any entry gives anything.
    pub fields: Vec<VisibleField>,
}

/// A field as one caller may know it.
#[derive(Debug, Clone, PartialEq)]
pub struct VisibleField {
    /// Names it in the vault.
    pub id: FieldId,
    /// Names it in the schema.
    pub name: String,
    /// What it holds.
    pub kind: FieldType,
    /// How concurrent writes become one value.
    pub merge: Merge,
    /// What may be done with the field; never empty. A relation has a verb only if its other side has it too.
    pub verbs: Verbs,
}

impl VisibleField {
    /// Whether any entry gives this verb on it.
    pub fn has(&self, verb: Verb) -> bool {
        self.verbs.has(verb)
    }
    /// The scalar type of a field that is neither a list nor a relation.
    pub fn scalar(&self) -> Option<ScalarType> {
        match self.kind {
            FieldType::Scalar { of, .. } => Some(of),
            _ => None,
        }
    }
    /// Whether SUM, AVG, MIN and MAX take the field.
    pub fn is_numeric(&self) -> bool {
        self.scalar().is_some_and(is_numeric)
    }
}

/// Whether values of the type can be summed.
pub fn is_numeric(of: ScalarType) -> bool {
    matches!(of, ScalarType::Int | ScalarType::Float64 | ScalarType::Float32)
}

impl VisibleCollection {
    /// Whether some entry gives `verb`.
    pub fn gives(&self, verb: Verb) -> bool {
        self.verbs.has(verb)
    }
    /// Whether documents can be asked for at all.
    pub fn can_select(&self) -> bool {
        self.gives(Verb::Read) || self.gives(Verb::Search)
    }
    /// The fields that have this verb.
    pub fn with(&self, verb: Verb) -> impl Iterator<Item = &VisibleField> {
        self.fields.iter().filter(move |field| field.has(verb))
    }
    /// The field of this name, if it has `verb`.
    pub fn named(&self, name: &str, verb: Verb) -> Option<&VisibleField> {
        self.with(verb).find(|field| field.name == name)
    }
    /// The to-one relation whose id field has this name, if it has `verb`.
    pub fn relation_id(&self, name: &str, verb: Verb, spelling: Spelling) -> Option<&VisibleField> {
        self.with(verb)
            .find(|field| matches!(field.kind, FieldType::ToOne { .. }) && spelling.relation_id(&field.name) == name)
    }
}

impl Visible {
    /// Cuts `schema` to what `masks` give.
    pub fn new(schema: &Schema, masks: Masks<'_>) -> Visible {
        let all: Vec<Option<Arc<Mask>>> = schema.collections.iter().map(|collection| masks(collection.id)).collect();
        let mask_of = |id: CollectionId| {
            schema.collections.iter().position(|collection| collection.id == id).and_then(|at| all[at].as_deref())
        };
        let mut collections = Vec::new();
        for (collection, mask) in schema.collections.iter().zip(&all) {
            let Some(mask) = mask else { continue };
            let verbs: Verbs = Verb::ALL.into_iter().filter(|&verb| mask.gives(verb)).collect();
            if verbs.is_empty() {
                continue;
            }
            let fields = collection.fields.iter().filter_map(|field| {
                let verbs: Verbs = Verb::ALL
                    .into_iter()
                    .filter(|&verb| mask.shows(field.id, verb) && other_side(&field.kind, verb, &mask_of))
                    .collect();
                (!verbs.is_empty()).then(|| VisibleField {
                    id: field.id,
                    name: field.name.clone(),
                    kind: field.kind.clone(),
                    merge: field.merge,
                    verbs,
                })
            });
            collections.push(VisibleCollection {
                id: collection.id,
                name: collection.name.clone(),
                verbs,
                own_ids: mask.entries_with(Verb::Create).any(policy_core::Entry::is_everything),
                fields: fields.collect(),
            });
        }
        Visible { collections }
    }

    /// The collection of this id.
    pub fn collection(&self, id: CollectionId) -> Option<&VisibleCollection> {
        self.collections.iter().find(|collection| collection.id == id)
    }

    /// The collection of this name.
    pub fn named(&self, name: &str) -> Option<&VisibleCollection> {
        self.collections
            .binary_search_by(|collection| collection.name.as_str().cmp(name))
            .ok()
            .map(|at| &self.collections[at])
    }

    /// Whether anything of the past may be read.
    pub fn has_history(&self) -> bool {
        self.collections.iter().any(|collection| collection.gives(Verb::History))
    }

    /// The key under which equal views share one schema.
    pub fn shape(&self, version: u64, spelling: Spelling) -> Shape {
        let mut hash = Sha256::new();
        hash.update([0, spelling as u8]);
        hash.update(version.to_be_bytes());
        let text = |hash: &mut Sha256, text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        for collection in &self.collections {
            hash.update([1, collection.verbs.bits(), u8::from(collection.own_ids)]);
            hash.update(collection.id.as_bytes());
            text(&mut hash, &collection.name);
            for field in &collection.fields {
                hash.update([2, field.verbs.bits(), field.merge as u8]);
                hash.update(field.id.as_bytes());
                text(&mut hash, &field.name);
                match &field.kind {
                    FieldType::Scalar { of, not_null } => hash.update([3, *of as u8, u8::from(*not_null)]),
                    FieldType::List { of, item_not_null, not_null } => {
                        hash.update([4, *of as u8, u8::from(*item_not_null), u8::from(*not_null)]);
                    }
                    FieldType::ToOne { target, relation, not_null, one_one } => {
                        hash.update([5, u8::from(*not_null), u8::from(*one_one)]);
                        hash.update(target.as_bytes());
                        text(&mut hash, relation);
                    }
                    FieldType::Inverse { target, relation, via, many } => {
                        hash.update([6, u8::from(*many)]);
                        hash.update(target.as_bytes());
                        hash.update(via.as_bytes());
                        text(&mut hash, relation);
                    }
                }
            }
        }
        Shape(hash.finalize().into())
    }
}

/// Whether the other side of a relation allows `verb` too. Anything but a relation has no other side.
fn other_side<'a>(kind: &FieldType, verb: Verb, mask_of: &impl Fn(CollectionId) -> Option<&'a Mask>) -> bool {
    match kind {
        FieldType::Scalar { .. } | FieldType::List { .. } => true,
        FieldType::ToOne { target, .. } => mask_of(*target).is_some_and(|mask| match verb {
            Verb::Read | Verb::Search => mask.gives(verb),
            _ => mask.gives(Verb::Read) || mask.gives(Verb::Search),
        }),
        FieldType::Inverse { target, via, many, .. } => mask_of(*target).is_some_and(|mask| match verb {
            // A to-many relation is a list, and lists are searched.
            Verb::Read => mask.gives(Verb::Read) && mask.shows(*via, Verb::Read) && (!many || mask.gives(Verb::Search)),
            Verb::Search => mask.gives(Verb::Search) && mask.shows(*via, Verb::Search),
            _ => false,
        }),
    }
}

/// Identifies a view of definitions: version, spelling, and every visible field with its verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape([u8; 32]);
