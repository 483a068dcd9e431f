//! What a space may hold at most. One type: whoever makes a change asks it, and so does whoever reads one that came from
//! elsewhere. Nothing is written that nobody would read.

use crate::schema::{Collection, FieldType, Schema};

/// The largest text, byte string or JSON of a field, as plaintext bytes.
pub const MAX_VALUE: usize = 1 << 20;
/// The most elements of a list.
pub const MAX_ELEMENTS: usize = 1 << 20;
/// The longest text of a policy entry, in bytes, and its longest list.
pub(crate) const MAX_TEXT: usize = 4_096;
pub(crate) const MAX_LIST: usize = 4_096;
/// The most devices that a key-op seals to.
pub(crate) const MAX_MEMBERS: usize = 4_096;

/// How much definitions may define.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceLimits {
    /// Collections of one entry.
    pub collections: usize,
    /// Fields of one collection, and of all of a space together.
    pub fields_each: usize,
    /// As there.
    pub fields: usize,
    /// Indexes of one collection, and of all of a space together; keys of an index, as fields of a collection.
    pub indexes_each: usize,
    /// As there.
    pub indexes: usize,
    /// The name of a collection, a field, an index or a relation, in bytes.
    pub name: usize,
}

impl SpaceLimits {
    /// What an entry may state, whoever wrote it (vault/docs/format.md, Limits). Of all entries together no other is refused:
    /// devices define apart, and what a collection stores beyond what a view can hold is left out in reading.
    pub const ENTRY: SpaceLimits = SpaceLimits {
        collections: 4_096,
        fields_each: 1_024,
        fields: usize::MAX,
        indexes_each: 1_024,
        indexes: usize::MAX,
        name: 256,
    };

    /// What a node lets people define. Each field is a column and each index a tree of the view, which is made whenever the
    /// view is, and an index is written with every document.
    pub const DEFINED: SpaceLimits =
        SpaceLimits { fields: 10_000, indexes_each: 64, indexes: 1_000, ..SpaceLimits::ENTRY };

    /// What entries of several devices may come to: two that define one name apart define it together.
    pub const MERGED: SpaceLimits = SpaceLimits {
        collections: usize::MAX,
        fields_each: usize::MAX,
        fields: usize::MAX,
        indexes_each: usize::MAX,
        indexes: usize::MAX,
        name: usize::MAX,
    };

    /// Whether so many collections, each with its counts of fields and indexes, fit beside those of `existing`. What is
    /// there already stays, however much it is.
    ///
    /// # Errors
    /// If they do not.
    pub fn fit(
        &self,
        existing: &Schema,
        new: impl ExactSizeIterator<Item = (usize, usize)>,
    ) -> Result<(), BeyondLimit> {
        if new.len() > self.collections {
            return Err(BeyondLimit::Collections(self.collections));
        }
        let held = |count: fn(&Collection) -> usize| existing.collections.iter().map(count).sum::<usize>();
        let (mut fields, mut indexes) = (held(|known| known.fields.len()), held(|known| known.indexes.len()));
        for (of_fields, of_indexes) in new {
            if of_fields > self.fields_each {
                return Err(BeyondLimit::FieldsEach(self.fields_each));
            }
            if of_indexes > self.indexes_each {
                return Err(BeyondLimit::IndexesEach(self.indexes_each));
            }
            (fields, indexes) = (fields + of_fields, indexes + of_indexes);
        }
        if fields > self.fields {
            return Err(BeyondLimit::Fields(self.fields));
        }
        if indexes > self.indexes { Err(BeyondLimit::Indexes(self.indexes)) } else { Ok(()) }
    }

    /// Whether all names of a collection are short enough.
    ///
    /// # Errors
    /// If one is not.
    pub fn names_fit(&self, collection: &Collection) -> Result<(), BeyondLimit> {
        let relations = collection.fields.iter().filter_map(|field| match &field.kind {
            FieldType::ToOne { relation, .. } | FieldType::Inverse { relation, .. } => Some(relation),
            FieldType::Scalar { .. } | FieldType::List { .. } => None,
        });
        let fields = collection.fields.iter().map(|field| &field.name);
        let indexes = collection.indexes.iter().map(|index| &index.name);
        let mut all = std::iter::once(&collection.name).chain(fields).chain(indexes).chain(relations);
        if all.any(|name| name.len() > self.name) { Err(BeyondLimit::Name(self.name)) } else { Ok(()) }
    }
}

/// What is more than a space may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BeyondLimit {
    /// Collections at once.
    #[error("at most {0} collections are defined at once; define fewer")]
    Collections(usize),
    /// Fields of a collection.
    #[error("a collection has at most {0} fields; define fewer")]
    FieldsEach(usize),
    /// Fields of a space.
    #[error("the collections of a space have at most {0} fields together; define fewer")]
    Fields(usize),
    /// Indexes of a collection.
    #[error("a collection has at most {0} indexes; define fewer")]
    IndexesEach(usize),
    /// Indexes of a space.
    #[error("the collections of a space have at most {0} indexes together; define fewer")]
    Indexes(usize),
    /// A name.
    #[error("the name of a type, a field, an index or a relation has at most {0} bytes; give a shorter one")]
    Name(usize),
}
