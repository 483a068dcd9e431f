//! Changes, free of any front: what a mutation asks of the vault. All changes of one request are one
//! transaction: either every one is durable, or nothing is written.

use cid::Cid;
use policy_core::{CollectionId, DocId, FieldId};

use crate::query::{Filter, Item};
use crate::value::Value;

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRequest {
    /// Done in this order, all or none.
    pub changes: Vec<Change>,
}

/// One mutation root: what it does, and what it answers of the documents it touched.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The key in the answer.
    pub key: String,
    /// Of which collection.
    pub collection: CollectionId,
    /// What is done.
    pub action: Action,
    /// Cut to the caller's read mask by the writer.
    pub items: Vec<Item>,
}

/// What is done to documents.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// New ones.
    Add(Vec<NewDocument>),
    /// Those that are there.
    Update {
        /// Which.
        target: Target,
        /// What becomes of their fields.
        fields: Vec<(FieldId, Value)>,
        /// The heads that each of the documents must have, as the caller sees its history, in any order.
        expect_heads: Option<Vec<Cid>>,
    },
    /// Updates what matches; if nothing does, adds.
    Upsert {
        /// What must match.
        filter: Filter,
        /// What is added if nothing does.
        add: NewDocument,
        /// What becomes of the fields of what does.
        update: Vec<(FieldId, Value)>,
    },
    /// They can be restored.
    Delete {
        /// Which.
        target: Target,
        /// As of an update.
        expect_heads: Option<Vec<Cid>>,
    },
    /// Undelete.
    Restore {
        /// Which.
        target: Target,
        /// As of an update.
        expect_heads: Option<Vec<Cid>>,
    },
}

/// Fields that are absent take their default; fields given as null are null. A counter field is given
/// its step. Values are already of the field's type; the writer checks size, null and uniqueness.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDocument {
    /// Its id; `None`: one that the writer draws.
    pub doc_id: Option<DocId>,
    /// Each field once.
    pub fields: Vec<(FieldId, Value)>,
}

/// Which documents: by id, by filter, or (both absent) all in scope.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Target {
    /// These, of which those that the caller may not change are left out; `None`: of any id.
    pub doc_ids: Option<Vec<DocId>>,
    /// Those that match; `None`: all.
    pub filter: Option<Filter>,
}
