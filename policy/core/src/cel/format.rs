//! An expression written out in normal form: what cel-go makes of it, which SpiceDB shows.

#[cfg(test)]
mod tests;

use std::fmt::Write;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::ast::{Element, Expr, ExprKind, Fold, FoldKind, Literal};

/// From this many bytes since the last break on, a line breaks behind a logical operator.
const WIDTH: usize = 80;
/// What a logical operator itself counts for.
const OPERATOR_WIDTH: usize = 4;

/// How loosely a call binds, and of how many arguments it is; nothing else needs parentheses.
#[derive(Clone, Copy)]
struct Shape {
    looseness: u8,
    arguments: usize,
}

const TERNARY: u8 = 8;
const OR: u8 = 7;
const AND: u8 = 6;

fn looseness(function: &str) -> u8 {
    match function {
        "_?_:_" => TERNARY,
        "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" => 5,
        "+" | "-" => 4,
        "*" | "/" | "%" => 3,
        "!_" | "-_" => 2,
        "_[_]" | "_[?_]" | "_?._" => 1,
        _ => 0,
    }
}

/// Whether it stands between its operands.
fn is_binary(looseness: u8) -> bool {
    (3..=OR).contains(&looseness)
}

pub(super) fn format(expr: &Expr) -> String {
    let mut out = Writer { out: String::new(), wrapped: 0 };
    out.write(expr, false);
    out.out
}

struct Writer {
    out: String,
    /// Where the line last broke.
    wrapped: usize,
}

/// `opaque` says that this stands in an argument of a macro, with only calls and lists between: a macro
/// there is never put in parentheses.
impl Writer {
    fn shape(expr: &Expr, opaque: bool) -> Option<Shape> {
        match &expr.kind {
            ExprKind::Call { function, arguments, .. } => {
                Some(Shape { looseness: looseness(function), arguments: arguments.len() })
            }
            ExprKind::And(_) => Some(Shape { looseness: AND, arguments: 2 }),
            ExprKind::Or(_) => Some(Shape { looseness: OR, arguments: 2 }),
            // Stands for a ternary.
            ExprKind::Fold(fold) if fold.kind == FoldKind::Optional && !opaque => {
                Some(Shape { looseness: TERNARY, arguments: 3 })
            }
            _ => None,
        }
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn nested(&mut self, expr: &Expr, opaque: bool, needs: impl FnOnce(Shape) -> bool) {
        if Self::shape(expr, opaque).is_some_and(needs) {
            self.push("(");
            self.write(expr, opaque);
            self.push(")");
        } else {
            self.write(expr, opaque);
        }
    }

    /// What something is selected from, indexed in or called on.
    fn operand(&mut self, expr: &Expr, opaque: bool) {
        self.nested(expr, opaque, |shape| {
            shape.arguments >= 2 && (is_binary(shape.looseness) || shape.looseness == TERNARY)
        });
    }

    /// Recursion ends where the parser's bound on depth does; a level takes little stack.
    fn write(&mut self, expr: &Expr, opaque: bool) {
        match &expr.kind {
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Name(name) => self.push(name),
            ExprKind::Select(operand, field) => {
                self.operand(operand, false);
                self.push(".");
                self.push(field);
            }
            ExprKind::Has(operand, field) => {
                self.push("has(");
                self.operand(operand, false);
                self.push(".");
                self.push(field);
                self.push(")");
            }
            ExprKind::Call { function, target, arguments } => self.call(function, target.as_deref(), arguments, opaque),
            ExprKind::And(operands) => self.chain("&&", AND, operands, opaque),
            ExprKind::Or(operands) => self.chain("||", OR, operands, opaque),
            ExprKind::List(elements) => self.row("[", elements, "]", |out, element| out.element(element, opaque)),
            ExprKind::Map(entries) => self.row("{", entries, "}", |out, entry| {
                if entry.element.optional {
                    out.push("?");
                }
                out.write(&entry.key, false);
                out.push(": ");
                out.write(&entry.element.value, false);
            }),
            ExprKind::Fold(fold) => self.fold(fold),
        }
    }

    fn row<T>(&mut self, open: &str, items: &[T], close: &str, mut write: impl FnMut(&mut Self, &T)) {
        self.push(open);
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.push(", ");
            }
            write(self, item);
        }
        self.push(close);
    }

    fn element(&mut self, element: &Element, opaque: bool) {
        if element.optional {
            self.push("?");
        }
        self.write(&element.value, opaque);
    }

    fn call(&mut self, function: &str, target: Option<&Expr>, arguments: &[Expr], opaque: bool) {
        let own = looseness(function);
        match (function, arguments) {
            ("_?_:_", [condition, yes, no]) => {
                for (before, operand) in [("", condition), (" ? ", yes), (" : ", no)] {
                    self.push(before);
                    self.nested(operand, opaque, |shape| shape.arguments >= 2);
                }
            }
            ("!_" | "-_", [operand]) => {
                self.push(&function[..1]);
                self.nested(operand, opaque, |shape| shape.arguments >= 2);
            }
            ("_[_]" | "_[?_]", [operand, index]) => {
                self.operand(operand, opaque);
                self.push(if function == "_[_]" { "[" } else { "[?" });
                self.write(index, opaque);
                self.push("]");
            }
            ("_?._", [operand, Expr { kind: ExprKind::Literal(Literal::Text(field)), .. }]) => {
                self.operand(operand, opaque);
                self.push(".?");
                self.push(field);
            }
            (operator, [left, right]) if is_binary(own) => {
                self.nested(left, opaque, |shape| shape.arguments >= 2 && own < shape.looseness);
                self.push(" ");
                self.push(operator);
                self.push(" ");
                self.nested(right, opaque, |shape| {
                    (shape.arguments >= 2 && own < shape.looseness) || own == shape.looseness
                });
            }
            _ => {
                if let Some(target) = target {
                    self.operand(target, opaque);
                    self.push(".");
                }
                self.push(function);
                self.row("(", arguments, ")", |out, argument| out.write(argument, opaque));
            }
        }
    }

    fn chain(&mut self, operator: &str, own: u8, operands: &[Expr], opaque: bool) {
        for (i, operand) in operands.iter().enumerate() {
            if i > 0 {
                let wide = self.out.len() - self.wrapped + OPERATOR_WIDTH >= WIDTH;
                if wide {
                    self.wrapped = self.out.len();
                }
                self.push(" ");
                self.push(operator);
                self.push(if wide { "\n" } else { " " });
            }
            self.nested(operand, opaque, |shape| shape.arguments >= 2 && own < shape.looseness);
        }
    }

    fn fold(&mut self, fold: &Fold) {
        let name = match fold.kind {
            FoldKind::All => "all",
            FoldKind::Exists => "exists",
            FoldKind::ExistsOne => "exists_one",
            FoldKind::Map => "map",
            FoldKind::Filter => "filter",
            FoldKind::Optional => "optMap",
        };
        self.operand(&fold.range, true);
        self.push(".");
        self.push(name);
        self.push("(");
        self.push(&fold.variable);
        for argument in fold.condition.iter().chain(&fold.transform) {
            self.push(", ");
            self.write(argument, true);
        }
        self.push(")");
    }

    fn literal(&mut self, literal: &Literal) {
        // Writing to a string does not fail.
        let _ = match literal {
            Literal::Null => self.out.write_str("null"),
            Literal::Bool(value) => write!(self.out, "{value}"),
            Literal::Int(value) => write!(self.out, "{value}"),
            Literal::Uint(value) => write!(self.out, "{value}u"),
            Literal::Double(value) => self.out.write_str(&double(*value)),
            Literal::Text(text) => self.out.write_str(&quoted(text)),
            Literal::Bytes(bytes) => {
                self.out.push_str("b\"");
                bytes.iter().for_each(|byte| {
                    let _ = write!(self.out, "\\{byte:03o}");
                });
                self.out.write_str("\"")
            }
        };
    }
}

/// The fewest digits that tell the number apart, with an exponent where Go's `%g` has one. cel-go forgets
/// the point before an exponent and writes what nobody can read, `1e+06.0`; this has it in its place.
fn double(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value == 0.0 || (-4..6).contains(&exponent) {
        let plain = format!("{value}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let digits = if digits.contains('.') { digits.to_owned() } else { format!("{digits}.0") };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// A string in double quotes, with Go's escapes. Only a quote is escaped by its number: a schema's strings end
/// at a quote, whatever stands before it, so that SpiceDB cannot read what it writes there.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\x22"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            ' ' => out.push(c),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0x7f => write!(out, "\\x{code:02x}"),
                    0x80..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
    out
}

fn is_printable(c: char) -> bool {
    !matches!(c.general_category_group(), GeneralCategoryGroup::Separator | GeneralCategoryGroup::Other)
}
