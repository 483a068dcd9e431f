//! The expression of a permission. `+` binds tightest, then `&`, then `-`; all to the left.

use super::error::Span;
use super::lex::TokenKind;
use super::parse::Parser;
use super::tree::{Expression, Walk};
use super::{MAX_NESTING, SchemaError};

/// An expression and how deep it nests.
type Nested = (Expression, usize);

/// What stands before the operand to come, since a parenthesis opened. Boxed, and made when the first
/// operator comes: a text may open very many parentheses.
#[derive(Default)]
struct Group(Option<Box<Operands>>);

#[derive(Default)]
struct Operands {
    /// What is excluded from the first, once there is a `-`.
    exclusion: Vec<Nested>,
    intersection: Vec<Nested>,
    union: Vec<Nested>,
}

impl Group {
    fn begun(&self) -> bool {
        self.0.is_some()
    }
    fn push(&mut self, operand: Nested, operator: TokenKind) {
        let operands = self.0.get_or_insert_default();
        operands.union.push(operand);
        if operator != TokenKind::Plus {
            operands.fold_union();
        }
        if operator == TokenKind::Minus {
            operands.fold_intersection();
        }
    }
    fn close(self, last: Nested) -> Nested {
        let Some(mut operands) = self.0 else { return last };
        operands.union.push(last);
        operands.fold_union();
        operands.fold_intersection();
        fold(operands.exclusion, exclusion)
    }
}

impl Operands {
    fn fold_union(&mut self) {
        self.intersection.push(fold(std::mem::take(&mut self.union), union));
    }
    fn fold_intersection(&mut self) {
        self.exclusion.push(fold(std::mem::take(&mut self.intersection), intersection));
    }
}

/// One operand as it is, more joined into one.
fn fold(mut operands: Vec<Nested>, join: fn(Expression, Vec<Expression>) -> Expression) -> Nested {
    if operands.len() == 1
        && let Some(only) = operands.pop()
    {
        return only;
    }
    let mut operands = operands.into_iter();
    let Some((first, first_depth)) = operands.next() else { return (Expression::Nil, 0) };
    let mut depth = first_depth;
    let rest: Vec<Expression> = operands
        .map(|(expression, inner)| {
            depth = depth.max(inner + 1);
            expression
        })
        .collect();
    let kind = std::mem::discriminant(&first);
    let joined = join(first, rest);
    // A first operand of the same kind was continued in place; it may be so very often.
    let continued = kind == std::mem::discriminant(&joined);
    (joined, if continued { depth } else { depth.max(first_depth + 1) })
}

fn union(first: Expression, rest: Vec<Expression>) -> Expression {
    let mut all = if let Expression::Union(all) = first { all } else { vec![first] };
    for operand in rest {
        if let Expression::Union(inner) = operand { all.extend(inner) } else { all.push(operand) }
    }
    Expression::Union(all)
}

fn intersection(first: Expression, rest: Vec<Expression>) -> Expression {
    let mut all = if let Expression::Intersection(all) = first { all } else { vec![first] };
    for operand in rest {
        if let Expression::Intersection(inner) = operand { all.extend(inner) } else { all.push(operand) }
    }
    Expression::Intersection(all)
}

fn exclusion(first: Expression, rest: Vec<Expression>) -> Expression {
    match first {
        Expression::Exclusion(first, mut without) => {
            without.extend(rest);
            Expression::Exclusion(first, without)
        }
        first => Expression::Exclusion(Box::new(first), rest),
    }
}

impl Parser<'_> {
    /// Reads an expression; puts the left side of the first arrow from an arrow into `nested_arrow`.
    pub(super) fn expression(&mut self, nested_arrow: &mut Option<Span>) -> Result<Expression, SchemaError> {
        // Recursion would be driven by the text.
        let mut outer: Vec<Group> = Vec::new();
        let mut group = Group::default();
        loop {
            if self.take(TokenKind::LeftParen) {
                outer.push(std::mem::take(&mut group));
                continue;
            }
            let Some(leaf) = self.operand(nested_arrow)? else {
                return Err(if group.begun() {
                    self.error(format!("Expected right hand expression, found: {}", self.current.kind))
                } else {
                    self.missing("Expected compute expression for permission")
                });
            };
            let mut operand = (leaf, 0);
            loop {
                let operator = self.current.kind;
                if matches!(operator, TokenKind::Plus | TokenKind::And | TokenKind::Minus) {
                    self.advance();
                    group.push(operand, operator);
                    break;
                }
                operand = group.close(operand);
                if operand.1 > MAX_NESTING {
                    return Err(self.error(format!("the operators of a permission nest deeper than {MAX_NESTING}")));
                }
                match outer.pop() {
                    Some(next) => group = next,
                    None => return Ok(operand.0),
                }
                self.expect(TokenKind::RightParen)?;
            }
        }
    }

    fn operand(&mut self, nested_arrow: &mut Option<Span>) -> Result<Option<Expression>, SchemaError> {
        if self.is_keyword("nil") {
            self.advance();
            return Ok(Some(Expression::Nil));
        }
        if self.is_keyword("self") {
            self.advance();
            return Ok(Some(Expression::Itself));
        }
        if !self.is(TokenKind::Identifier) {
            return Ok(None);
        }
        let over = self.advance();
        let (mut found, mut nested, at) = (None, None, over.start);
        while self.is(TokenKind::RightArrow) || self.is(TokenKind::Period) {
            if found.is_some() {
                nested = Some(self.since(at));
            }
            let walk = self.walk()?;
            if !self.is(TokenKind::Identifier) {
                return Err(self.error(format!("Expected right hand expression, found: {}", self.current.kind)));
            }
            let to = self.advance().value.to_owned();
            if walk != Walk::Arrow {
                self.expect(TokenKind::RightParen)?;
            }
            found = Some(Expression::Arrow { over: over.value.to_owned(), to, walk, at });
        }
        *nested_arrow = nested_arrow.or(nested);
        Ok(Some(found.unwrap_or_else(|| Expression::Member { name: over.value.to_owned(), at })))
    }

    /// `->`, `.any(` or `.all(`.
    fn walk(&mut self) -> Result<Walk, SchemaError> {
        if self.advance().kind == TokenKind::RightArrow {
            return Ok(Walk::Arrow);
        }
        let walk = match self.name()? {
            "any" => Walk::Any,
            "all" => Walk::All,
            other => {
                return Err(self.error(format!("Expected 'any' or 'all' for arrow function, found: {other}")));
            }
        };
        self.expect(TokenKind::LeftParen)?;
        Ok(walk)
    }
}
