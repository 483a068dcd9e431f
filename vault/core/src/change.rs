//! Changes, free of any front: what a mutation asks of the vault. All changes of one request are one
//! transaction: either every one is durable, or nothing is written.

use cid::Cid;
use policy_core::{CollectionId, DocId, FieldId};

use crate::query::{Filter, Item};
use crate::value::Value;

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRequest {
    pub changes: Vec<Change>,
}

/// One mutation root: what it does, and what it answers of the documents it touched.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The key in the answer.
    pub key: String,
    pub collection: CollectionId,
    pub action: Action,
    /// Cut to the caller's read mask by the writer.
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Add(Vec<NewDocument>),
    Update {
        target: Target,
        fields: Vec<(FieldId, Value)>,
        /// The heads that each of the documents must have, as the caller sees its history, in any order.
        expect_heads: Option<Vec<Cid>>,
    },
    /// Updates what matches; if nothing does, adds.
    Upsert {
        filter: Filter,
        add: NewDocument,
        update: Vec<(FieldId, Value)>,
    },
    Delete {
        target: Target,
        /// As of an update.
        expect_heads: Option<Vec<Cid>>,
    },
    /// Undelete.
    Restore {
        target: Target,
        /// As of an update.
        expect_heads: Option<Vec<Cid>>,
    },
}

/// Fields that are absent take their default; fields given as null are null. A counter field is given
/// its step. Values are already of the field's type; the writer checks size, null and uniqueness.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    pub doc_id: Option<DocId>,
    pub fields: Vec<(FieldId, Value)>,
}

/// Which documents: by id, by filter, or (both absent) all in scope.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Target {
    pub doc_ids: Option<Vec<DocId>>,
    pub filter: Option<Filter>,
}
