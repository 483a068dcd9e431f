//! The tree that the parser makes: CEL's macros are already recognised in it.

use super::lex::At;

#[derive(Debug)]
pub(super) struct Expr {
    pub(super) at: At,
    /// The longest chain of operators and selections below and including this one; bounded by the parser.
    pub(super) height: u16,
    /// The longest chain of nodes of any kind, this one included.
    pub(super) depth: u16,
    pub(super) kind: ExprKind,
}

impl Expr {
    pub(super) fn new(at: At, height: u16, kind: ExprKind) -> Expr {
        Expr { at, height, depth: kind.depth_below().saturating_add(1), kind }
    }
}

#[derive(Debug)]
pub(super) enum ExprKind {
    Literal(Literal),
    /// A leading dot is gone: there is one namespace, so it changes nothing.
    Name(String),
    Select(Box<Expr>, String),
    /// `has(operand.field)`
    Has(Box<Expr>, String),
    /// A call of a function or operator; operators go by the names of the signature table.
    Call {
        function: String,
        target: Option<Box<Expr>>,
        arguments: Vec<Expr>,
    },
    /// Operands of `&&` in order, two at least.
    And(Vec<Expr>),
    Or(Vec<Expr>),
    List(Vec<Element>),
    Map(Vec<Entry>),
    Fold(Box<Fold>),
}

impl ExprKind {
    fn depth_below(&self) -> u16 {
        fn deepest<'a>(of: impl IntoIterator<Item = &'a Expr>) -> u16 {
            of.into_iter().map(|expr| expr.depth).max().unwrap_or(0)
        }
        match self {
            ExprKind::Literal(_) | ExprKind::Name(_) => 0,
            ExprKind::Select(operand, _) | ExprKind::Has(operand, _) => operand.depth,
            ExprKind::Call { target, arguments, .. } => deepest(arguments.iter().chain(target.as_deref())),
            ExprKind::And(operands) | ExprKind::Or(operands) => deepest(operands),
            ExprKind::List(elements) => deepest(elements.iter().map(|element| &element.value)),
            ExprKind::Map(entries) => deepest(entries.iter().flat_map(|entry| [&entry.key, &entry.element.value])),
            ExprKind::Fold(fold) => {
                deepest([Some(&fold.range), fold.condition.as_ref(), fold.transform.as_ref()].into_iter().flatten())
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Debug)]
pub(super) struct Element {
    /// Written `?e`: left out when its optional is empty.
    pub(super) optional: bool,
    pub(super) value: Expr,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Expr,
    pub(super) element: Element,
}

#[derive(Debug)]
pub(super) struct Fold {
    pub(super) kind: FoldKind,
    pub(super) range: Expr,
    pub(super) variable: String,
    /// The condition of `all`, `exists`, `exists_one`, `filter`, and of a `map` of three arguments.
    pub(super) condition: Option<Expr>,
    /// What `map` and `optMap` make of each element.
    pub(super) transform: Option<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoldKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    /// `optional.optMap(x, f(x))`: of the one value that an optional may hold.
    Optional,
}
