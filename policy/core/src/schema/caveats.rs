//! Caveats: parameters and types checked, the expression compiled.

use std::collections::HashSet;

use super::SchemaError;
use super::error::{Span, Text};
use super::tree::{self, ParameterType};
use crate::caveat::Caveat;
use crate::cel::Type;

/// A caveat and where it is declared.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) caveat: Caveat,
    pub(super) span: Span,
    pub(super) comments: Vec<String>,
    /// The expression as it was written.
    pub(super) written: String,
}

impl Declared {
    /// The expression in normal form.
    pub(super) fn expression(&self) -> String {
        self.caveat.source().to_owned()
    }
}

pub(super) fn compile(text: Text<'_>, tree: &tree::Caveat) -> Result<Declared, SchemaError> {
    let name = &tree.name;
    if tree.parameters.is_empty() {
        let message = format!("caveat `{name}` must have at least one parameter defined");
        return Err(text.syntax(tree.span, name, message));
    }
    let mut parameters: Vec<(String, Type)> = Vec::with_capacity(tree.parameters.len());
    let mut named = HashSet::new();
    for parameter in &tree.parameters {
        let own = &parameter.name;
        if !named.insert(own.as_str()) {
            let message = format!("duplicate parameter `{own}` defined on caveat `{name}`");
            return Err(text.syntax(parameter.span, own, message));
        }
        let kind = kind(&parameter.kind).map_err(|error| {
            let message = format!("invalid type for caveat parameter `{own}` on caveat `{name}`: {error}");
            text.syntax(parameter.span, own, message)
        })?;
        parameters.push((own.clone(), kind));
    }
    let Some(span) = tree.expression else {
        return Err(text.syntax(tree.span, name, "invalid expression: unknown predicate caveat-definition-expression"));
    };
    let expression = text.slice(span);
    let invalid = |why: String| text.syntax(span, expression, format!("invalid expression for caveat `{name}`: {why}"));
    let caveat = Caveat::new(name, parameters, expression).map_err(|error| {
        // What is wrong with the expression as a whole has no place in it.
        if error.message.starts_with("caveat expression ") {
            return invalid(error.message);
        }
        let (line, column) = text.place(span.start);
        let column = if error.line <= 1 { error.column + column - 1 } else { error.column };
        let line = error.line.max(1) + line - 1;
        invalid(format!("ERROR: {name}:{line}:{column}: {}", error.message))
    })?;
    let (comments, written) = (tree.comments.clone(), expression.to_owned());
    Ok(Declared { caveat, span: tree.span, comments, written })
}

/// A type by its name. What stands in `<>` behind a type that takes nothing must be types, and is dropped.
fn kind(tree: &ParameterType) -> Result<Type, String> {
    let mut arguments = tree.arguments.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    if !matches!(tree.name.as_str(), "list" | "map") {
        arguments.clear();
    }
    Type::named(&tree.name, arguments)
}

/// Every parameter must be used.
pub(super) fn check(text: Text<'_>, caveats: &[Declared]) -> Result<(), SchemaError> {
    for Declared { caveat, span, .. } in caveats {
        if let Some(unused) = caveat.unused() {
            let name = caveat.name();
            let error = text.types(span.start, unused, format!("parameter `{unused}` for caveat `{name}` is unused"));
            return Err(error.about("caveat_name", name).about("parameter_name", unused));
        }
    }
    Ok(())
}
