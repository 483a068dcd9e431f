//! A request's text: bounded, parsed, validated.

use std::collections::HashMap;

use apollo_compiler::ast::{Argument, Definition, DirectiveList, Document, Selection, Value};
use apollo_compiler::diagnostic::{Diagnostic, ToCliReport as _};
use apollo_compiler::executable::Operation;
use apollo_compiler::parser::{Parser, SourceMap, SourceSpan};
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, Name, Node};

use super::error::GraphQlError;
use super::request::Limits;
use super::schema::SchemaEntry;

const ERRORS_MAX: usize = 20;
/// How deep brackets may nest in the text, before anything is known of what they mean.
const NESTING_MAX: usize = 100;

/// A validated document and the operation that was asked for.
pub struct Prepared {
    pub document: Valid<ExecutableDocument>,
    pub operation: Node<Operation>,
    /// Fields, aliases and depth, fragments expanded.
    pub size: Size,
}

/// How large a selection is with its fragments written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    pub nodes: usize,
    pub aliases: usize,
    pub depth: usize,
    /// Fields directly in it.
    pub roots: usize,
}

impl Prepared {
    /// Parses and validates `text` against the caller's schema.
    pub fn new(
        entry: &SchemaEntry,
        text: &str,
        operation_name: Option<&str>,
        limits: &Limits,
        allow_mutation: bool,
    ) -> Result<Prepared, Vec<GraphQlError>> {
        let mut parser = Parser::new().token_limit(limits.tokens).recursion_limit(NESTING_MAX);
        let parsed = parser.parse_ast(text, "query.graphql");
        // A limit that was reached is not always the first of the errors.
        if parser.tokens_reached() > limits.tokens {
            let message = format!("The request has more than {} tokens.", limits.tokens);
            return Err(vec![GraphQlError::new("limit_tokens", message)]);
        }
        if parser.recursion_reached() > NESTING_MAX {
            return Err(vec![GraphQlError::new("limit_depth", "The request is nested too deeply.")]);
        }
        let ast = parsed.map_err(|failed| errors_of(&failed.errors, None))?;
        // Said before anything else of the text: by GET a mutation is refused as such.
        let mutates = |definition: &Definition| match definition {
            Definition::OperationDefinition(operation) => {
                operation.operation_type.is_mutation()
                    && operation_name.is_none_or(|name| operation.name.as_ref().is_some_and(|own| own == name))
            }
            _ => false,
        };
        if !allow_mutation && ast.definitions.iter().any(mutates) {
            return Err(vec![GraphQlError::no_mutation()]);
        }
        let size = measure(&ast, operation_name, limits).map_err(|error| vec![error])?;
        let document = ast.to_executable(&entry.schema).map_err(|failed| errors_of(&failed.errors, Some(&ast)))?;
        let document = match document.validate(&entry.schema) {
            Ok(document) => document,
            // A variable for a list may be a single value; `input::Variables` does this check for
            // every variable wherever it stands.
            Err(failed) if failed.errors.iter().all(|error| kind(&error) == Some("DisallowedVariableUsage")) => {
                Valid::assume_valid(failed.partial)
            }
            Err(failed) => return Err(errors_of(&failed.errors, Some(&ast))),
        };
        let operation = match document.operations.get(operation_name) {
            Ok(operation) => operation.clone(),
            Err(_) => {
                let message = match operation_name {
                    Some(_) => "The request has no operation of this name.",
                    None => "The request has several operations: name one in `operationName`.",
                };
                return Err(vec![GraphQlError::invalid(message)]);
            }
        };
        Ok(Prepared { document, operation, size })
    }

    /// The error with its place as line and column, if it has none yet.
    pub fn placed(&self, mut error: GraphQlError) -> GraphQlError {
        if error.locations.is_empty() {
            error.locations.extend(error.span().and_then(|span| line_column(span, &self.document.sources)));
        }
        error
    }
}

fn line_column(span: SourceSpan, sources: &SourceMap) -> Option<(u32, u32)> {
    let at = span.line_column(sources)?;
    Some((u32::try_from(at.line).ok()?, u32::try_from(at.column).ok()?))
}

fn kind(error: &Diagnostic<'_, apollo_compiler::validation::DiagnosticData>) -> Option<&'static str> {
    error.error.unstable_error_name()
}

/// The errors as an answer shows them. Where the library points at a value, they point at its key.
fn errors_of(list: &DiagnosticList, ast: Option<&Document>) -> Vec<GraphQlError> {
    let keyed = ast.map(Keyed::of).unwrap_or_default();
    list.iter()
        .filter(|error| kind(error) != Some("DisallowedVariableUsage"))
        .take(ERRORS_MAX)
        .map(|error| {
            let code = match kind(&error) {
                Some("UndefinedField" | "UndefinedArgument" | "UndefinedInputValue" | "UndefinedEnumValue") => {
                    "unknown_field"
                }
                Some("UndefinedRootOperation") => "unknown_field",
                Some(
                    "UndefinedDefinition"
                    | "UndefinedTypeInNamedFragmentTypeCondition"
                    | "UndefinedTypeInInlineFragmentTypeCondition",
                ) => "unknown_type",
                Some("RecursionError" | "DeeplyNestedType" | "RecursionLimitError") => "limit_depth",
                _ => "invalid_input",
            };
            let shown = error.to_json();
            let mut out = GraphQlError::new(code, shown.message);
            let span = error.error.location().map(|span| keyed.key_of(span));
            out.locations.extend(span.and_then(|span| line_column(span, error.sources)));
            out
        })
        .collect()
}

/// The values of a document with the names of the arguments and keys that they stand behind.
#[derive(Default)]
struct Keyed(Vec<(SourceSpan, SourceSpan)>);

impl Keyed {
    fn of(ast: &Document) -> Keyed {
        let mut keyed = Keyed::default();
        for definition in &ast.definitions {
            match definition {
                Definition::OperationDefinition(operation) => {
                    for variable in &operation.variables {
                        if let Some(default) = &variable.default_value {
                            keyed.value(&variable.name, default);
                        }
                    }
                    keyed.directives(&operation.directives);
                    keyed.selections(&operation.selection_set);
                }
                Definition::FragmentDefinition(fragment) => {
                    keyed.directives(&fragment.directives);
                    keyed.selections(&fragment.selection_set);
                }
                _ => {}
            }
        }
        keyed
    }

    fn selections(&mut self, selections: &[Selection]) {
        for selection in selections {
            match selection {
                Selection::Field(field) => {
                    self.arguments(&field.arguments);
                    self.directives(&field.directives);
                    self.selections(&field.selection_set);
                }
                Selection::FragmentSpread(spread) => self.directives(&spread.directives),
                Selection::InlineFragment(fragment) => {
                    self.directives(&fragment.directives);
                    self.selections(&fragment.selection_set);
                }
            }
        }
    }

    fn directives(&mut self, directives: &DirectiveList) {
        for directive in directives.iter() {
            self.arguments(&directive.arguments);
        }
    }

    fn arguments(&mut self, arguments: &[Node<Argument>]) {
        for argument in arguments {
            self.value(&argument.name, &argument.value);
        }
    }

    fn value(&mut self, name: &Name, value: &Node<Value>) {
        if let (Some(of), Some(key)) = (value.location(), name.location()) {
            self.0.push((of, key));
        }
        match &**value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| self.value(name, value)),
            Value::List(items) => items.iter().for_each(|item| self.item(item)),
            _ => {}
        }
    }

    /// An item of a list stands behind the list's key.
    fn item(&mut self, value: &Node<Value>) {
        match &**value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| self.value(name, value)),
            Value::List(items) => items.iter().for_each(|item| self.item(item)),
            _ => {}
        }
    }

    /// The name that what stands at `span` is the value of, or in the value of; else `span` itself.
    fn key_of(&self, span: SourceSpan) -> SourceSpan {
        let holds = |value: &SourceSpan| {
            value.file_id() == span.file_id() && value.offset() <= span.offset() && span.offset() < value.end_offset()
        };
        let inmost = self.0.iter().filter(|(value, _)| holds(value)).min_by_key(|(value, _)| value.node_len());
        inmost.map_or(span, |(_, key)| *key)
    }
}

/// Measures every operation with its fragments written out, without writing them out.
fn measure(ast: &Document, operation_name: Option<&str>, limits: &Limits) -> Result<Size, GraphQlError> {
    let mut fragments: HashMap<&str, &[Selection]> = HashMap::new();
    let mut operations = Vec::new();
    for definition in &ast.definitions {
        match definition {
            Definition::OperationDefinition(operation) => operations.push(operation),
            Definition::FragmentDefinition(fragment) => {
                fragments.insert(&fragment.name, &fragment.selection_set);
            }
            _ => {}
        }
    }
    if operations.len() > limits.operations {
        let message = format!("The request has more than {} operations.", limits.operations);
        return Err(GraphQlError::new("limit_operations", message));
    }
    let mut measure = Measure { fragments, known: HashMap::new(), open: Vec::new() };
    let names: Vec<&str> = measure.fragments.keys().copied().collect();
    // Validation visits the fragments that nothing uses as well.
    let mut total = 0usize;
    for name in names {
        let size = measure.fragment(name)?;
        total = total.saturating_add(size.nodes.min(limits.nodes + 1));
    }
    if total > limits.nodes.saturating_mul(20) {
        return Err(too_many_nodes(limits));
    }
    let mut chosen = Size::default();
    for operation in operations {
        let size = measure.selections(&operation.selection_set)?;
        if size.roots > limits.roots {
            let message = format!("An operation has more than {} root fields.", limits.roots);
            return Err(GraphQlError::new("limit_roots", message));
        }
        if size.aliases > limits.aliases {
            let message = format!("An operation has more than {} aliases.", limits.aliases);
            return Err(GraphQlError::new("limit_aliases", message));
        }
        if size.depth > limits.depth {
            let message = format!("An operation is more than {} fields deep.", limits.depth);
            return Err(GraphQlError::new("limit_depth", message));
        }
        if size.nodes > limits.nodes {
            return Err(too_many_nodes(limits));
        }
        if operation_name.is_none_or(|name| operation.name.as_ref().is_some_and(|own| own == name)) {
            chosen = size;
        }
    }
    Ok(chosen)
}

fn too_many_nodes(limits: &Limits) -> GraphQlError {
    let message = format!("An operation has more than {} fields with its fragments written out.", limits.nodes);
    GraphQlError::new("limit_fragments", message)
}

struct Measure<'a> {
    fragments: HashMap<&'a str, &'a [Selection]>,
    known: HashMap<&'a str, Size>,
    /// Fragments being measured: one inside itself counts nothing here and is refused by validation.
    open: Vec<&'a str>,
}

impl<'a> Measure<'a> {
    fn fragment(&mut self, name: &str) -> Result<Size, GraphQlError> {
        let Some((&name, &selections)) = self.fragments.get_key_value(name) else { return Ok(Size::default()) };
        if let Some(size) = self.known.get(name) {
            return Ok(*size);
        }
        if self.open.contains(&name) {
            return Ok(Size::default());
        }
        // Fragments that use one another in a chain: the recursion here, and that of validation.
        if self.open.len() >= NESTING_MAX {
            return Err(GraphQlError::new("limit_depth", "Fragments use one another too deeply."));
        }
        self.open.push(name);
        let size = self.selections(selections);
        self.open.pop();
        self.known.insert(name, size.clone()?);
        size
    }

    fn selections(&mut self, selections: &'a [Selection]) -> Result<Size, GraphQlError> {
        let mut total = Size::default();
        for selection in selections {
            let size = match selection {
                Selection::Field(field) => {
                    let inner = self.selections(&field.selection_set)?;
                    Size {
                        nodes: inner.nodes.saturating_add(1),
                        aliases: inner.aliases.saturating_add(usize::from(field.alias.is_some())),
                        depth: inner.depth + 1,
                        roots: 1,
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let inner = self.fragment(&spread.fragment_name)?;
                    Size { nodes: inner.nodes.saturating_add(1), ..inner }
                }
                Selection::InlineFragment(fragment) => {
                    let inner = self.selections(&fragment.selection_set)?;
                    Size { nodes: inner.nodes.saturating_add(1), ..inner }
                }
            };
            total = Size {
                nodes: total.nodes.saturating_add(size.nodes),
                aliases: total.aliases.saturating_add(size.aliases),
                depth: total.depth.max(size.depth),
                roots: total.roots.saturating_add(size.roots),
            };
        }
        Ok(total)
    }
}
