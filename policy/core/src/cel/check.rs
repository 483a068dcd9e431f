//! The type checker, which also makes the plan.

use std::sync::Arc;

use super::ast::{Element, Entry, Expr, ExprKind, Fold, FoldKind, Literal};
use super::lex::At;
use super::pattern::Pattern;
use super::plan::{self, Choice, Path, PlanNode, Root, Step, StepKind};
use super::signatures::{Declared, Function, Overload, Shape, VARIABLES, declared};
use super::stack::with_room;
use super::types::{Bindings, Static, TooComplex};
use super::value::{self, Value};
use super::{CompileError, Type};

/// The names of types: no parameter may take them.
pub(super) const TYPE_NAMES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// The variables that the types named `list` and `map` are written with.
const FREE: (u32, u32) = (u32::MAX, u32::MAX - 1);

pub(super) struct Checker<'a> {
    parameters: &'a [(String, Type)],
    types: Vec<Static>,
    bindings: Bindings,
    locals: Vec<(String, Static)>,
    used: Vec<bool>,
    /// In SpiceDB numbers of different types compare within a fold and after the first one, not before.
    mixed_comparison: bool,
    /// What makes every evaluation fail, though the expression is well typed.
    broken: Option<String>,
}

pub(super) struct Checked {
    pub(super) node: PlanNode,
    pub(super) used: Vec<bool>,
    pub(super) broken: Option<String>,
}

struct Typed(PlanNode, Static);

type Checks<T> = Result<T, CompileError>;

/// # Errors
/// The first fault of type, and where it is.
pub(super) fn check(expr: &Expr, parameters: &[(String, Type)]) -> Checks<Checked> {
    let mut checker = Checker {
        parameters,
        types: parameters.iter().map(|(_, declared)| declared.into()).collect(),
        bindings: Bindings::default(),
        locals: Vec::new(),
        used: vec![false; parameters.len()],
        mixed_comparison: false,
        broken: None,
    };
    let Typed(node, result) = checker.expr(expr)?;
    match checker.resolved(expr.at, &result)? {
        Static::Bool => Ok(Checked { node, used: checker.used, broken: checker.broken }),
        other => {
            let message = format!("caveat expression must result in a boolean value: found `{}`", spelled(&other));
            Err(At { line: 1, column: 1 }.error(message))
        }
    }
}

/// The names by which SpiceDB calls types in this one message.
fn spelled(of: &Static) -> String {
    match of {
        Static::Null => "null_type".to_owned(),
        Static::Duration => "google.protobuf.Duration".to_owned(),
        Static::Timestamp => "google.protobuf.Timestamp".to_owned(),
        other => other.to_string(),
    }
}

impl Checker<'_> {
    fn expr(&mut self, expr: &Expr) -> Checks<Typed> {
        with_room(|| self.any(expr))
    }

    fn any(&mut self, expr: &Expr) -> Checks<Typed> {
        let at = expr.at;
        match &expr.kind {
            ExprKind::Literal(literal) => Ok(constant(literal)),
            ExprKind::Name(name) => {
                self.named(name).ok_or_else(|| at.error(format!("undeclared reference to '{name}' (in container '')")))
            }
            ExprKind::Select(operand, field) => {
                if let Some(typed) = dotted(expr).and_then(|name| self.named(&name)) {
                    return Ok(typed);
                }
                let key = StepKind::Key(Value::from(field.as_str()));
                self.select(at, operand, Step { optional: false, kind: key })
            }
            ExprKind::Has(operand, field) => {
                let key = StepKind::Test(Value::from(field.as_str()));
                let Typed(node, _) = self.select(at, operand, Step { optional: false, kind: key })?;
                let PlanNode::Path(path) = node else { return Ok(Typed(node, Static::Bool)) };
                Ok(Typed(PlanNode::Has(path), Static::Bool))
            }
            ExprKind::Call { function, target, arguments } => self.call(at, function, target.as_deref(), arguments),
            ExprKind::And(operands) => Ok(Typed(PlanNode::And(self.operands(operands)?), Static::Bool)),
            ExprKind::Or(operands) => Ok(Typed(PlanNode::Or(self.operands(operands)?), Static::Bool)),
            ExprKind::List(elements) => self.list(at, elements),
            ExprKind::Map(entries) => self.map(at, entries),
            ExprKind::Fold(fold) => self.fold(at, fold),
        }
    }

    /// What a name, dots and all, stands for.
    fn named(&mut self, name: &str) -> Option<Typed> {
        let parameter = self.parameters.iter().position(|(parameter, _)| parameter == name);
        if let Some(used) = parameter.and_then(|index| self.used.get_mut(index)) {
            // Even where a fold's variable hides it: SpiceDB counts names.
            *used = true;
        }
        if let Some(depth) = self.locals.iter().rposition(|(local, _)| local == name) {
            let of = self.locals.get(depth)?.1.clone();
            let depth = u16::try_from(depth).ok()?;
            let hides = parameter.and_then(|index| u16::try_from(index).ok());
            return Some(Typed(path(Root::Local { depth, hides }), of));
        }
        if let Some(index) = parameter {
            let of = self.types.get(index)?.clone();
            return Some(Typed(path(Root::Parameter(u16::try_from(index).ok()?)), of));
        }
        if name == "google.protobuf.NullValue.NULL_VALUE" {
            return Some(Typed(PlanNode::Constant(Value::Int(0)), Static::Int));
        }
        let (name, of, known) = type_named(name)?;
        if !known {
            self.broken.get_or_insert_with(|| format!("reference to undefined type: {name}"));
        }
        Some(Typed(PlanNode::Constant(Value::Type(name)), Static::Type(of.into())))
    }

    fn select(&mut self, at: At, operand: &Expr, step: Step) -> Checks<Typed> {
        let Typed(node, of) = self.expr(operand)?;
        let of = self.resolved(operand.at, &of)?;
        let (of, within) = match of {
            Static::Optional(inner) => ((*inner).clone(), true),
            other => (other, false),
        };
        let found = match of {
            Static::Map(parts) => parts.1.clone(),
            Static::Dyn => Static::Dyn,
            Static::Variable(_) => {
                self.assignable(at, &[Static::Dyn], &[of])?;
                Static::Dyn
            }
            Static::IpAddress => return Err(at.error("unexpected failed resolution of 'IPAddress'")),
            other => return Err(at.error(format!("type '{other}' does not support field selection"))),
        };
        let found = if within || step.optional { Static::optional(found) } else { found };
        let found = self.resolved(at, &found)?;
        Ok(Typed(stepped(node, step), found))
    }

    fn call(&mut self, at: At, name: &str, target: Option<&Expr>, arguments: &[Expr]) -> Checks<Typed> {
        if let ("_?._", [operand, Expr { kind: ExprKind::Literal(Literal::Text(field)), .. }]) = (name, arguments) {
            let key = StepKind::Key(Value::from(field.as_str()));
            return self.select(at, operand, Step { optional: true, kind: key });
        }
        let mut nodes = Vec::with_capacity(arguments.len() + 1);
        let mut types = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            let Typed(node, of) = self.expr(argument)?;
            nodes.push(node);
            types.push(of);
        }
        let qualified = target.and_then(dotted).map(|target| format!("{target}.{name}"));
        let (name, method) = match (qualified, target) {
            (Some(qualified), _) if declared(&qualified).is_some() => (qualified, false),
            (_, Some(target)) => {
                let Typed(node, of) = self.expr(target)?;
                nodes.insert(0, node);
                types.insert(0, of);
                (name.to_owned(), true)
            }
            (_, None) => (name.to_owned(), false),
        };
        let Some(declared) = declared(&name) else {
            return Err(at.error(format!("undeclared reference to '{name}' (in container '')")));
        };
        let (result, only) = self.resolve(at, &name, declared, method, &types)?;
        let function = declared.function;
        let node = match (function, only) {
            (Function::Ternary, _) => choice(nodes),
            (Function::Index | Function::OptionalIndex, _) => self.index(nodes, function == Function::OptionalIndex),
            (Function::Matches, _) => matches(nodes),
            (_, only) => {
                let only = only.filter(|_| function.keeps_to_overload());
                PlanNode::Call { function, only, arguments: nodes }
            }
        };
        Ok(Typed(node, result))
    }

    /// The result type of a call of these argument types, and the overload if only one fits.
    fn resolve(
        &mut self,
        at: At,
        name: &str,
        declared: &'static Declared,
        method: bool,
        types: &[Static],
    ) -> Checks<(Static, Option<&'static Overload>)> {
        let mut found: Option<(Static, Option<&'static Overload>)> = None;
        for overload in &declared.overloads {
            let mixed = || matches!(overload.arguments.as_slice(), [one, two] if one != two);
            if overload.method != method || (declared.function.compares() && !self.mixed_comparison && mixed()) {
                continue;
            }
            let first = self.bindings.fresh(VARIABLES);
            let wanted: Vec<Static> =
                overload.arguments.iter().map(|shape| Static::from(shape).renumbered(first)).collect();
            if !self.assignable(at, types, &wanted)? {
                continue;
            }
            let result = self.resolved(at, &Static::from(&overload.result).renumbered(first))?;
            found = Some(match found {
                None => (result, Some(overload)),
                Some((before, _)) if before == Static::Dyn || before == result => (before, None),
                Some(_) => (Static::Dyn, None),
            });
        }
        if let Some(found) = found {
            return Ok(found);
        }
        let mut names = Vec::with_capacity(types.len());
        for of in types {
            names.push(self.resolved(at, of)?.to_string());
        }
        let target = if method && !names.is_empty() { format!("{}.", names.remove(0)) } else { String::new() };
        let name = match declared.function {
            Function::Ternary | Function::Index | Function::OptionalIndex | Function::Not | Function::Negate => {
                name.to_owned()
            }
            Function::In => "@in".to_owned(),
            _ if name.starts_with(|c: char| c.is_ascii_alphabetic()) => name.to_owned(),
            _ => format!("_{name}_"),
        };
        Err(at.error(format!("found no matching overload for '{name}' applied to '{target}({})'", names.join(", "))))
    }

    /// The operands of `&&` or `||`.
    fn operands(&mut self, operands: &[Expr]) -> Checks<Vec<PlanNode>> {
        let mut nodes = Vec::with_capacity(operands.len());
        for operand in operands {
            nodes.push(self.boolean(operand)?);
        }
        Ok(nodes)
    }

    fn boolean(&mut self, expr: &Expr) -> Checks<PlanNode> {
        let Typed(node, of) = self.expr(expr)?;
        if !self.assignable(expr.at, std::slice::from_ref(&of), &[Static::Bool])? {
            return Err(expr.at.error(format!("expected type 'bool' but found '{of}'")));
        }
        Ok(node)
    }

    fn element(&mut self, element: &Element) -> Checks<Typed> {
        let Typed(node, of) = self.expr(&element.value)?;
        let of = match of {
            Static::Optional(inner) if element.optional => (*inner).clone(),
            other if element.optional && other != Static::Dyn => {
                let message = format!("expected type 'optional_type({other})' but found '{other}'");
                return Err(element.value.at.error(message));
            }
            other => other,
        };
        Ok(Typed(node, of))
    }

    fn join(&mut self, at: At, before: Option<Static>, next: Static) -> Checks<Option<Static>> {
        self.bindings.join(before, next).map(Some).map_err(|TooComplex| too_complex(at))
    }

    fn list(&mut self, at: At, elements: &[Element]) -> Checks<Typed> {
        let mut joined = None;
        let mut nodes = Vec::with_capacity(elements.len());
        for element in elements {
            let Typed(node, of) = self.element(element)?;
            joined = self.join(at, joined, of)?;
            nodes.push((element.optional, node));
        }
        let of = joined.unwrap_or_else(|| Static::Variable(self.bindings.fresh(1)));
        let constant = |(optional, node): &(bool, PlanNode)| match node {
            PlanNode::Constant(value) if !optional => Some(value.clone()),
            _ => None,
        };
        let node = match nodes.iter().map(constant).collect::<Option<Vec<Value>>>() {
            Some(values) => PlanNode::Constant(Value::List(Arc::new(values))),
            None => PlanNode::List(nodes),
        };
        Ok(Typed(node, Static::list(of)))
    }

    fn map(&mut self, at: At, entries: &[Entry]) -> Checks<Typed> {
        let (mut keys, mut values) = (None, None);
        let mut nodes = Vec::with_capacity(entries.len());
        for entry in entries {
            // What stands in a key alone does not make a parameter count as used.
            let used = self.used.clone();
            let Typed(key, of) = self.expr(&entry.key)?;
            self.used = used;
            keys = self.join(at, keys, of)?;
            let Typed(value, of) = self.element(&entry.element)?;
            values = self.join(at, values, of)?;
            nodes.push((key, entry.element.optional, value));
        }
        let (key, value) = match (keys, values) {
            (Some(key), Some(value)) => (key, value),
            _ => {
                let first = self.bindings.fresh(2);
                (Static::Variable(first), Static::Variable(first + 1))
            }
        };
        Ok(Typed(PlanNode::Map(nodes), Static::map(key, value)))
    }

    fn fold(&mut self, at: At, fold: &Fold) -> Checks<Typed> {
        let Typed(range, of) = self.expr(&fold.range)?;
        let of = self.resolved(fold.range.at, &of)?;
        let element = match &of {
            _ if fold.kind == FoldKind::Optional => {
                self.apply(at, "hasValue", true, std::slice::from_ref(&of))?;
                let (inner, _) = self.apply(at, "value", true, &[of])?;
                inner
            }
            Static::List(element) => (**element).clone(),
            Static::Map(parts) => parts.0.clone(),
            Static::Dyn => Static::Dyn,
            Static::Variable(_) => {
                self.assignable(at, &[Static::Dyn], &[of])?;
                Static::Dyn
            }
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                return Err(fold.range.at.error(message));
            }
        };
        self.mixed_comparison = true;
        self.locals.push((fold.variable.clone(), element));
        let (condition, transform, of) = self.folded(at, fold)?;
        let used = self.used.clone();
        let element = match self.named(&fold.variable) {
            Some(Typed(PlanNode::Path(path), _)) => path,
            _ => return Err(too_complex(at)),
        };
        if !matches!(fold.kind, FoldKind::Filter | FoldKind::Optional) {
            self.used = used;
        }
        self.locals.pop();
        let node = plan::Fold { kind: fold.kind, range, condition, transform, element };
        Ok(Typed(PlanNode::Fold(Box::new(node)), of))
    }

    /// The body of a fold, and the type of the whole.
    fn folded(&mut self, at: At, fold: &Fold) -> Checks<(Option<PlanNode>, Option<PlanNode>, Static)> {
        let condition = match (&fold.condition, fold.kind) {
            (Some(condition), FoldKind::All | FoldKind::Exists) => {
                return Ok((Some(self.boolean(condition)?), None, Static::Bool));
            }
            (Some(condition), _) => Some((condition, self.expr(condition)?)),
            (None, _) => None,
        };
        let (transform, kept) = match (&fold.transform, fold.kind) {
            (Some(transform), _) => {
                let Typed(node, of) = self.expr(transform)?;
                (Some(node), of)
            }
            (None, FoldKind::ExistsOne) => (None, Static::Int),
            (None, _) => (None, self.locals.last().map_or(Static::Dyn, |(_, of)| of.clone())),
        };
        if fold.kind == FoldKind::Optional {
            let (some, _) = self.apply(at, "optional.of", false, &[kept])?;
            let (none, _) = self.apply(at, "optional.none", false, &[])?;
            let (of, _) = self.apply(at, "_?_:_", false, &[Static::Bool, some, none])?;
            return Ok((None, transform, of));
        }
        let (gathered, mut next) = if fold.kind == FoldKind::ExistsOne {
            (Static::Int, Static::Int)
        } else {
            let gathered = Static::list(Static::Variable(self.bindings.fresh(1)));
            let (next, _) = self.apply(at, "+", false, &[gathered.clone(), Static::list(kept)])?;
            (gathered, next)
        };
        let condition = match condition {
            Some((_, Typed(node, of))) => {
                (next, _) = self.apply(at, "_?_:_", false, &[of, next, gathered.clone()])?;
                Some(node)
            }
            None => None,
        };
        if !self.assignable(at, std::slice::from_ref(&gathered), std::slice::from_ref(&next))? {
            return Err(at.error(format!("expected type '{gathered}' but found '{next}'")));
        }
        let of = if fold.kind == FoldKind::ExistsOne { Static::Bool } else { self.resolved(at, &gathered)? };
        Ok((condition, transform, of))
    }

    fn apply(
        &mut self,
        at: At,
        name: &str,
        method: bool,
        types: &[Static],
    ) -> Checks<(Static, Option<&'static Overload>)> {
        let Some(declared) = declared(name) else { return Err(too_complex(at)) };
        self.resolve(at, name, declared, method, types)
    }

    fn index(&mut self, mut nodes: Vec<PlanNode>, optional: bool) -> PlanNode {
        let (Some(key), Some(operand)) = (nodes.pop(), nodes.pop()) else { return PlanNode::List(Vec::new()) };
        let kind = match key {
            PlanNode::Constant(key) if !matches!(key, Value::List(_)) => {
                if !value::is_key(&key) {
                    self.broken.get_or_insert_with(|| format!("invalid qualifier type: {}", key.kind()));
                }
                StepKind::Key(key)
            }
            key => StepKind::Path(into_path(key)),
        };
        stepped(operand, Step { optional, kind })
    }

    fn assignable(&mut self, at: At, from: &[Static], to: &[Static]) -> Checks<bool> {
        self.bindings.assignable(from, to).map_err(|TooComplex| too_complex(at))
    }

    fn resolved(&mut self, at: At, of: &Static) -> Checks<Static> {
        self.bindings.resolved(of).map_err(|TooComplex| too_complex(at))
    }
}

fn too_complex(at: At) -> CompileError {
    at.error("the types of this expression are too complex to check")
}

fn constant(literal: &Literal) -> Typed {
    let (value, of) = match literal {
        Literal::Null => (Value::Null, Static::Null),
        Literal::Bool(value) => (Value::Bool(*value), Static::Bool),
        Literal::Int(value) => (Value::Int(*value), Static::Int),
        Literal::Uint(value) => (Value::Uint(*value), Static::Uint),
        Literal::Double(value) => (Value::Double(*value), Static::Double),
        Literal::Text(text) => (Value::from(text.as_str()), Static::Text),
        Literal::Bytes(bytes) => (Value::Bytes(bytes.as_slice().into()), Static::Bytes),
    };
    Typed(PlanNode::Constant(value), of)
}

/// `a.b.c` as one name, if the expression is nothing but names and dots.
fn dotted(expr: &Expr) -> Option<String> {
    let mut parts = Vec::new();
    let mut at = expr;
    loop {
        match &at.kind {
            ExprKind::Select(operand, field) => {
                parts.push(field.as_str());
                at = operand;
            }
            ExprKind::Name(name) => {
                parts.push(name);
                parts.reverse();
                return Some(parts.join("."));
            }
            _ => return None,
        }
    }
}

/// The type that goes by a name, and whether it can be evaluated.
fn type_named(name: &str) -> Option<(&'static str, Static, bool)> {
    let (a, b) = (Static::Variable(FREE.0), Static::Variable(FREE.1));
    let known = match name {
        "bool" => ("bool", Static::Bool),
        "bytes" => ("bytes", Static::Bytes),
        "double" => ("double", Static::Double),
        "int" => ("int", Static::Int),
        "list" => ("list", Static::list(a)),
        "map" => ("map", Static::map(a, b)),
        "null_type" => ("null_type", Static::Null),
        "string" => ("string", Static::Text),
        "type" => ("type", Static::Type(Static::Dyn.into())),
        "uint" => ("uint", Static::Uint),
        "optional_type" => ("optional_type", Static::optional(Static::Dyn)),
        "google.protobuf.Duration" => ("google.protobuf.Duration", Static::Duration),
        "google.protobuf.Timestamp" => ("google.protobuf.Timestamp", Static::Timestamp),
        "google.protobuf.Empty" => ("google.protobuf.Empty", Static::Message("google.protobuf.Empty")),
        _ => {
            let message = MESSAGES.into_iter().find(|message| *message == name)?;
            return Some((message, Static::Message(message), false));
        }
    };
    Some((known.0, known.1, true))
}

/// Message types that the checker of SpiceDB knows and its evaluator does not.
const MESSAGES: [&str; 13] = [
    "google.protobuf.Any",
    "google.protobuf.BoolValue",
    "google.protobuf.BytesValue",
    "google.protobuf.DoubleValue",
    "google.protobuf.FloatValue",
    "google.protobuf.Int32Value",
    "google.protobuf.Int64Value",
    "google.protobuf.ListValue",
    "google.protobuf.StringValue",
    "google.protobuf.Struct",
    "google.protobuf.UInt32Value",
    "google.protobuf.UInt64Value",
    "google.protobuf.Value",
];

impl From<&Shape> for Static {
    fn from(shape: &Shape) -> Self {
        match shape {
            Shape::Dyn => Static::Dyn,
            Shape::Bool => Static::Bool,
            Shape::Int => Static::Int,
            Shape::Uint => Static::Uint,
            Shape::Double => Static::Double,
            Shape::Text => Static::Text,
            Shape::Bytes => Static::Bytes,
            Shape::Duration => Static::Duration,
            Shape::Timestamp => Static::Timestamp,
            Shape::IpAddress => Static::IpAddress,
            Shape::List(element) => Static::list((&**element).into()),
            Shape::Map(parts) => Static::map((&parts.0).into(), (&parts.1).into()),
            Shape::Optional(inner) => Static::optional((&**inner).into()),
            Shape::Type(inner) => Static::Type(std::rc::Rc::new((&**inner).into())),
            Shape::Variable(number) => Static::Variable(*number),
        }
    }
}

fn path(root: Root) -> PlanNode {
    PlanNode::Path(Path { root, steps: Vec::new() })
}

/// The node as the start of a path. A test among the branches of a choice is then a step like any other.
fn into_path(node: PlanNode) -> Path {
    match node {
        PlanNode::Path(path) | PlanNode::Has(path) => path,
        other => Path { root: Root::Value(Box::new(other)), steps: Vec::new() },
    }
}

fn stepped(operand: PlanNode, step: Step) -> PlanNode {
    let mut path = into_path(operand);
    add_step(&mut path, &Arc::new(step));
    PlanNode::Path(path)
}

/// Both branches of a choice take every step after it.
fn add_step(path: &mut Path, step: &Arc<Step>) {
    match &mut path.root {
        Root::Choice(choice) => {
            add_step(&mut choice.yes, step);
            add_step(&mut choice.no, step);
        }
        _ => path.steps.push(Arc::clone(step)),
    }
}

fn choice(mut nodes: Vec<PlanNode>) -> PlanNode {
    let (no, yes, condition) = (nodes.pop(), nodes.pop(), nodes.pop());
    match (condition, yes, no) {
        (Some(condition), Some(yes), Some(no)) => {
            path(Root::Choice(Box::new(Choice { condition, yes: into_path(yes), no: into_path(no) })))
        }
        _ => PlanNode::List(Vec::new()),
    }
}

fn matches(mut nodes: Vec<PlanNode>) -> PlanNode {
    match (nodes.pop(), nodes.pop()) {
        (Some(PlanNode::Constant(Value::String(pattern))), Some(text)) => {
            PlanNode::Matches(Box::new(text), Pattern::new(&pattern))
        }
        (Some(pattern), Some(text)) => {
            PlanNode::Call { function: Function::Matches, only: None, arguments: vec![text, pattern] }
        }
        _ => PlanNode::List(Vec::new()),
    }
}
