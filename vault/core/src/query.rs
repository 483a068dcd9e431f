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
    /// In the order of the answer.
    pub roots: Vec<Root>,
}

/// One root field.
#[derive(Debug, Clone, PartialEq)]
pub struct Root {
    /// The key in the answer.
    pub key: String,
    /// What is read.
    pub kind: RootKind,
}

/// What a root field is.
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
    /// Which one.
    pub collection: CollectionId,
    /// Which documents, in which order.
    pub args: SelectArgs,
    /// What of each; empty only where nothing is shown.
    pub items: Vec<Item>,
}

/// Which documents, and in which order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SelectArgs {
    /// Those that match; `None`: all.
    pub filter: Option<Filter>,
    /// Of these documents; an empty list selects nothing.
    pub doc_ids: Option<Vec<DocId>>,
    /// Documents as they were at these commits.
    pub cids: Option<Vec<Cid>>,
    /// The first key counts most; behind the last, documents follow their ids.
    pub order: Vec<OrderKey>,
    /// So many at most.
    pub limit: Option<u64>,
    /// So many of the first are left out.
    pub offset: u64,
    /// Groups of equal values of these fields; `None`: no groups.
    pub group_by: Option<Vec<FieldId>>,
    /// Deleted ones too.
    pub show_deleted: bool,
}

/// One member of a selection, in the order of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The key in the answer.
    pub key: String,
    /// What stands there.
    pub kind: ItemKind,
}

/// What a member of a selection is.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemKind {
    /// The document's id.
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
        /// The relation.
        field: FieldId,
        /// What of the related documents.
        select: Box<Select>,
    },
    /// The documents of a group, with arguments of its own.
    Group(Box<Select>),
    /// A number over what belongs to the document.
    Aggregate(Aggregate),
    /// The heads of the document as rows of history.
    Version(Vec<CommitItem>),
    /// What the document's values do not tell, and which rules of its definition a merge has broken.
    Conflicts(Vec<(String, ConflictItem)>),
}

/// What a member of a conflict is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConflictItem {
    /// The name of the field.
    FieldName,
    /// One of the values that were written at once.
    Value,
    /// The commit that it stands in.
    Cid,
    /// `concurrent`, `type`, `unique` or `not_null`.
    Reason,
    /// A text of the front's own.
    Constant(String),
}

/// How many values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// How many there are.
    Count,
    /// All together.
    Sum,
    /// The mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

/// An aggregate over one or several sources (their union).
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// What is computed.
    pub function: Function,
    /// Of what: all of them together.
    pub sources: Vec<AggregateSource>,
}

/// What an aggregate is over.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateSource {
    /// The documents, or elements.
    pub over: Over,
    /// What is summed, averaged or compared; `None` for COUNT and over lists of scalars.
    pub field: Option<FieldId>,
    /// Those that match; `None`: all.
    pub filter: Option<Filter>,
    /// Over a list of scalars: conditions on the elements, all of which hold.
    pub elements: Vec<Operator>,
    /// Which come first, where there is a limit.
    pub order: Vec<OrderKey>,
    /// So many at most.
    pub limit: Option<u64>,
    /// So many of the first are left out.
    pub offset: u64,
}

/// Where the documents or elements come from.
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
    /// The document's id.
    DocId,
    /// Whether it is deleted, as a boolean: meaningful where `show_deleted` is set.
    Deleted,
    /// A stored scalar, list or JSON field.
    Field(FieldId),
    /// The stored id of a to-one relation.
    RelationId(FieldId),
    /// A path inside a JSON field.
    JsonPath(FieldId, Vec<String>),
    /// An aggregate over what belongs to the document.
    Aggregate(Box<Aggregate>),
}

/// Which documents match.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of these.
    And(Vec<Filter>),
    /// One of these.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// A condition on a value.
    Is(Operand, Operator),
    /// To-one: the related document matches. To-many: at least one does.
    Related {
        /// The relation.
        field: FieldId,
        /// The collection of the related documents.
        target: CollectionId,
        /// What they must match.
        filter: Box<Filter>,
    },
}

/// Null is comparable: to equal null is to have no value; orders have nulls first ascending.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// The same value.
    Eq(Value),
    /// Another value.
    Neq(Value),
    /// One of these values.
    In(Vec<Value>),
    /// None of these values.
    Nin(Vec<Value>),
    /// Greater.
    Gt(Scalar),
    /// Greater, or the same.
    Geq(Scalar),
    /// Less.
    Lt(Scalar),
    /// Less, or the same.
    Leq(Scalar),
    /// `%` stands for any run of characters; case-sensitive unless `fold`.
    Like {
        /// What it must be like.
        pattern: String,
        /// Letters without case.
        fold: bool,
        /// It must not be like it.
        negated: bool,
    },
    /// On lists and JSON: false on null, empty and non-lists.
    Any(Vec<Operator>),
    /// On lists and JSON: every element fulfils all of these.
    All(Vec<Operator>),
    /// On lists and JSON: no element fulfils all of these.
    None(Vec<Operator>),
}

/// A key by which documents follow one another.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderKey {
    /// What is compared.
    pub operand: OrderOperand,
    /// The greatest first.
    pub descending: bool,
}

/// What an order compares.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderOperand {
    /// Of the document itself.
    Own(Operand),
    /// Through a to-one relation.
    Related {
        /// The relation.
        field: FieldId,
        /// The collection of the related document.
        target: CollectionId,
        /// What is compared of it.
        operand: Box<OrderOperand>,
    },
}

/// A selection of commits.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitSelect {
    /// Of these documents; `None`: of all that the caller may see the history of.
    pub doc_ids: Option<Vec<DocId>>,
    /// This commit, and what came before it.
    pub cid: Option<Cid>,
    /// The field that a part is of, by name; `_C` names the rows of whole commits. `None`: all rows.
    pub field: Option<String>,
    /// Only the heads.
    pub heads_only: bool,
    /// How far back from `cid` or the heads; `None`: to the root.
    pub depth: Option<u64>,
    /// Of this height.
    pub height: Option<u64>,
    /// Each with whether the greatest come first; the first counts most.
    pub order: Vec<(CommitOrder, bool)>,
    /// So many at most.
    pub limit: Option<u64>,
    /// So many of the first are left out.
    pub offset: u64,
    /// What of each.
    pub items: Vec<CommitItem>,
}

/// What commits are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOrder {
    /// How far it is from the root.
    Height,
    /// Its id.
    Cid,
    /// The id of its document.
    DocId,
    /// The name of the field that a part is of.
    FieldName,
}

/// What is shown of a commit.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitItem {
    /// The key in the answer.
    pub key: String,
    /// What stands there.
    pub kind: CommitItemKind,
}

/// What a member of a commit is.
#[derive(Debug, Clone, PartialEq)]
pub enum CommitItemKind {
    /// Its id.
    Cid,
    /// Base64 CBOR: of the visible changed fields on a composite row, of the value on a part row.
    Delta,
    /// How far it is from the root.
    Height,
    /// The id of its document.
    DocId,
    /// The name of the field that a part is of.
    FieldName,
    /// The version of the definitions of its collection.
    CollectionVersionId,
    /// Each with its members, by key.
    Links(Vec<(String, LinkItem)>),
    /// The commits that it follows, with their members, by key.
    Heads(Vec<(String, LinkItem)>),
    /// With its members, by key.
    Signature(Vec<(String, SignatureItem)>),
    /// A text of the front's own.
    Constant(String),
}

/// What a member of a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkItem {
    /// The id of what it leads to.
    Cid,
    /// What it is called.
    Name,
    /// The name of the field that it leads to.
    FieldName,
    /// A text of the front's own.
    Constant(String),
}

/// What a member of a signature is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureItem {
    /// The algorithm.
    Type,
    /// The public key.
    Identity,
    /// The bytes.
    Value,
    /// A text of the front's own.
    Constant(String),
}
