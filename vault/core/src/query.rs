//! Queries, free of any front: what a GraphQL operation (or another protocol) asks of the vault.
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
    pub response: String,
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
    /// A constant, for `__typename` at the root.
    TypeName(String),
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
    /// `docID:`; an empty list selects nothing.
    pub doc_ids: Option<Vec<DocId>>,
    /// `cid:`: documents as they were at these composite commits.
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
    pub response: String,
    pub kind: ItemKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    DocId,
    /// `_deleted`.
    Deleted,
    /// `__typename`: the constant.
    TypeName(String),
    /// A stored scalar, list or JSON field.
    Field(FieldId),
    /// `_authorID`: the stored id of a to-one relation.
    RelationId(FieldId),
    /// The related document (object or null), or the list of them; `select.collection` is the target.
    Relation {
        field: FieldId,
        select: Box<Select>,
    },
    /// `GROUP` (v0 `_group`): the documents of a group, with arguments of its own.
    Group(Box<Select>),
    Aggregate(Aggregate),
    /// `_version`: the heads of the document as rows of history.
    Version(Vec<CommitItem>),
    /// `_conflicts {fieldName value cid reason}`.
    Conflicts(Vec<(String, ConflictItem)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictItem {
    FieldName,
    Value,
    Cid,
    /// `concurrent`, `type`, `unique` or `not_null`.
    Reason,
    TypeName,
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
    /// `_deleted`, as a boolean: meaningful where `show_deleted` is set.
    Deleted,
    Field(FieldId),
    /// `_authorID`.
    RelationId(FieldId),
    /// A path inside a JSON field.
    JsonPath(FieldId, Vec<String>),
    /// `_alias`: the aggregate that the selection calls by this response name (written out here).
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

/// Null is comparable: `_eq: null` matches absent values; orders have nulls first ascending.
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

/// `_commits`, `latestCommits`.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitSelect {
    pub doc_ids: Option<Vec<DocId>>,
    pub cid: Option<Cid>,
    /// `fieldName`: a part's field by name, or `None` for all; `_C` names the composite rows.
    pub field: Option<String>,
    /// `latestCommits`: only the heads.
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
    pub response: String,
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
    /// Each link: `cid`, `name`, `fieldName` by response name.
    Links(Vec<(String, LinkItem)>),
    Heads(Vec<(String, LinkItem)>),
    /// `type`, `identity`, `value`.
    Signature(Vec<(String, SignatureItem)>),
    TypeName(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkItem {
    Cid,
    Name,
    FieldName,
    TypeName(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureItem {
    Type,
    Identity,
    Value,
    TypeName(String),
}
