//! A schema as it was written: names not yet resolved.

use std::sync::Arc;

use super::error::Span;

#[derive(Debug, Default)]
pub(super) struct File {
    /// In the order of the text.
    pub(super) items: Vec<Item>,
    /// What definitions and partials hold; they name it by its place here, and may share it.
    pub(super) members: Vec<Arc<Member>>,
    /// The first `import`.
    pub(super) import: Option<Span>,
    pub(super) typechecking: bool,
}

#[derive(Debug)]
pub(super) enum Item {
    Definition(Block),
    Partial(Block),
    Caveat(Caveat),
}

/// A definition or partial.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) comments: Vec<String>,
    pub(super) entries: Vec<Entry>,
}

#[derive(Debug)]
pub(super) enum Entry {
    /// A place in [`File::members`].
    Member(u32),
    /// `...name`: what that partial holds.
    Splice { name: String, span: Span },
}

#[derive(Debug)]
pub(super) struct Caveat {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) comments: Vec<String>,
    pub(super) parameters: Vec<Parameter>,
    /// The expression, from its first token to its last.
    pub(super) expression: Option<Span>,
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) kind: ParameterType,
}

#[derive(Debug)]
pub(super) struct ParameterType {
    pub(super) name: String,
    pub(super) arguments: Vec<ParameterType>,
}

/// A relation or permission.
#[derive(Debug)]
pub(crate) struct Member {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) comments: Vec<String>,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Relation(Vec<SubjectType>),
    Permission(Permission),
}

#[derive(Debug)]
pub(super) struct SubjectType {
    pub(super) definition: String,
    pub(super) form: Form,
    pub(super) caveat: Option<String>,
    pub(super) expires: bool,
    pub(super) span: Span,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    Object,
    Everyone,
    Members(String),
}

#[derive(Debug)]
pub(super) struct Permission {
    /// The types that may have it, as annotated.
    pub(super) types: Vec<String>,
    pub(super) expression: Expression,
    /// The left side of the first arrow that starts from an arrow.
    pub(super) nested_arrow: Option<Span>,
}

/// Unions hold no unions, intersections no intersections, and the first operand of an exclusion is none:
/// `a - b - c` takes both from `a`. Never deeper than [`super::MAX_NESTING`].
#[derive(Debug, Clone)]
pub(super) enum Expression {
    Nil,
    Itself,
    Member { name: String, at: u32 },
    Arrow { over: String, to: String, walk: Walk, at: u32 },
    Union(Vec<Expression>),
    Intersection(Vec<Expression>),
    Exclusion(Box<Expression>, Vec<Expression>),
}

/// How an arrow is written. The first two mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    Arrow,
    Any,
    All,
}

impl Expression {
    /// The operands, in order; none of a leaf.
    pub(super) fn operands(&self) -> impl Iterator<Item = &Expression> {
        let (first, rest): (Option<&Expression>, &[Expression]) = match self {
            Expression::Union(all) | Expression::Intersection(all) => (None, all),
            Expression::Exclusion(first, rest) => (Some(first), rest),
            _ => (None, &[]),
        };
        first.into_iter().chain(rest)
    }

    /// Calls `visit` with every leaf, in the order of the text, until it fails.
    pub(super) fn leaves<E>(&self, visit: &mut impl FnMut(&Expression) -> Result<(), E>) -> Result<(), E> {
        match self {
            Expression::Union(_) | Expression::Intersection(_) | Expression::Exclusion(..) => {
                self.operands().try_for_each(|operand| operand.leaves(visit))
            }
            leaf => visit(leaf),
        }
    }
}

/// Whether they are the same but for where they stand.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        use Expression::{Arrow, Exclusion, Intersection, Itself, Member, Nil, Union};
        match (self, other) {
            (Nil, Nil) | (Itself, Itself) => true,
            (Member { name: a, .. }, Member { name: b, .. }) => a == b,
            (Arrow { over: a, to: b, walk: c, .. }, Arrow { over: x, to: y, walk: z, .. }) => (a, b, c) == (x, y, z),
            (Union(a), Union(b)) | (Intersection(a), Intersection(b)) => a == b,
            (Exclusion(a, x), Exclusion(b, y)) => a == b && x == y,
            _ => false,
        }
    }
}
