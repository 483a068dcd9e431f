//! Queries, free of any front: what an operation of some protocol asks of the vault.
//!
//! A front resolves names to ids against the definitions **as the caller's permit shows them**, so a
//! query never names a field outside the mask; the reader checks that again and adds the row
//! predicates of the permit's entries itself.

use cid::Cid;
use policy_core::{CollectionId, DocId, FieldId, Scalar};

use crate::value::Value;

/// One request: its roots are read from one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub roots: Vec<Root>,
}

/// One root field.
#[derive(Debug, Clone, PartialEq)]
pub struct Root {
    /// The key in the answer.
    pub key: String,
    pub kind: RootKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RootKind {
    /// A list of documents (of groups, if `group_by` is set).
    Select(Select),
    /// One number over a collection.
    Aggregate(Aggregate),
    /// Rows of history.
    Commits(CommitSelect),
    /// A text of the front's own.
    Constant(String),
}

/// A selection of documents of one collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    pub collection: CollectionId,
    pub args: SelectArgs,
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct SelectArgs {
    pub filter: Option<Filter>,
    /// Of these documents; an empty list selects nothing.
    pub doc_ids: Option<Vec<DocId>>,
    /// Documents as they were at these commits.
    pub cids: Option<Vec<Cid>>,
    pub order: Vec<OrderKey>,
    pub limit: Option<u64>,
    pub offset: u64,
    pub group_by: Option<Vec<FieldId>>,
    pub show_deleted: bool,
}

/// One member of a selection, in the order of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub key: String,
    pub kind: ItemKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    DocId,
    /// Whether it is deleted.
    Deleted,
    /// A text of the front's own, the same in every row.
    Constant(String),
    /// A stored scalar, list or JSON field.
    Field(FieldId),
    /// The stored id of a to-one relation.
    RelationId(FieldId),
    /// The related document (object or null), or the list of them; `select.collection` is the target.
    Relation {
        field: FieldId,
        select: Box<Select>,
    },
    /// The documents of a group, with arguments of its own.
    Group(Box<Select>),
    Aggregate(Aggregate),
    /// The heads of the document as rows of history.
    Version(Vec<CommitItem>),
    /// What the document's values do not tell, and which rules of its definition a merge has broken.
    Conflicts(Vec<(String, ConflictItem)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConflictItem {
    FieldName,
    Value,
    Cid,
    /// `concurrent`, `type`, `unique` or `not_null`.
    Reason,
    Constant(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

/// An aggregate over one or several sources (their union).
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    pub function: Function,
    pub sources: Vec<AggregateSource>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AggregateSource {
    pub over: Over,
    /// What is summed, averaged or compared; `None` for COUNT and over lists of scalars.
    pub field: Option<FieldId>,
    pub filter: Option<Filter>,
    /// Over a list of scalars: conditions on the elements, all of which hold.
    pub elements: Vec<Operator>,
    pub order: Vec<OrderKey>,
    pub limit: Option<u64>,
    pub offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// At the root.
    Collection(CollectionId),
    /// On a document: the documents of an inverse field, whose collection this is.
    Relation(FieldId, CollectionId),
    /// On a document: the elements of a list field.
    List(FieldId),
    /// In a group: its documents.
    Group,
}

/// What a condition or an order looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    DocId,
    /// Whether it is deleted, as a boolean: meaningful where `show_deleted` is set.
    Deleted,
    Field(FieldId),
    /// The stored id of a to-one relation.
    RelationId(FieldId),
    /// A path inside a JSON field.
    JsonPath(FieldId, Vec<String>),
    /// An aggregate over what belongs to the document.
    Aggregate(Box<Aggregate>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Is(Operand, Operator),
    /// To-one: the related document matches. To-many: at least one does.
    Related {
        field: FieldId,
        target: CollectionId,
        filter: Box<Filter>,
    },
}

/// Null is comparable: to equal null is to have no value; orders have nulls first ascending.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    Eq(Value),
    Neq(Value),
    In(Vec<Value>),
    Nin(Vec<Value>),
    Gt(Scalar),
    Geq(Scalar),
    Lt(Scalar),
    Leq(Scalar),
    /// `%` stands for any run of characters; case-sensitive unless `fold`.
    Like {
        pattern: String,
        fold: bool,
        negated: bool,
    },
    /// On lists and JSON: false on null, empty and non-lists.
    Any(Vec<Operator>),
    All(Vec<Operator>),
    None(Vec<Operator>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct OrderKey {
    pub operand: OrderOperand,
    pub descending: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum OrderOperand {
    Own(Operand),
    /// Through a to-one relation.
    Related {
        field: FieldId,
        target: CollectionId,
        operand: Box<OrderOperand>,
    },
}

/// A selection of commits.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitSelect {
    pub doc_ids: Option<Vec<DocId>>,
    pub cid: Option<Cid>,
    /// The field that a part is of, by name; `_C` names the rows of whole commits. `None`: all rows.
    pub field: Option<String>,
    /// Only the heads.
    pub heads_only: bool,
    /// How far back from `cid` or the heads; `None`: to the root.
    pub depth: Option<u64>,
    pub height: Option<u64>,
    pub order: Vec<(CommitOrder, bool)>,
    pub limit: Option<u64>,
    pub offset: u64,
    pub items: Vec<CommitItem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOrder {
    Height,
    Cid,
    DocId,
    FieldName,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CommitItem {
    pub key: String,
    pub kind: CommitItemKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CommitItemKind {
    Cid,
    /// Base64 CBOR: of the visible changed fields on a composite row, of the value on a part row.
    Delta,
    Height,
    DocId,
    FieldName,
    CollectionVersionId,
    /// Each with its members, by key.
    Links(Vec<(String, LinkItem)>),
    Heads(Vec<(String, LinkItem)>),
    /// With its members, by key.
    Signature(Vec<(String, SignatureItem)>),
    Constant(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkItem {
    Cid,
    Name,
    FieldName,
    Constant(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureItem {
    Type,
    Identity,
    Value,
    Constant(String),
}
