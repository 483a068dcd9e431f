//! Collections from their definition language: the subset of GraphQL's type language that defines them.

mod directives;
mod draft;
mod error;
mod names;
mod relations;

use apollo_compiler::Node;
use apollo_compiler::ast::{Definition, FieldDefinition, ObjectTypeDefinition, Type};
use apollo_compiler::parser::Parser;
use vault_core::schema::{NewCollection, NewFieldType, ScalarType, Schema};

use self::directives::{FieldDirectives, type_indexes};
use self::draft::{Draft, DraftField, DraftKind, Relation, scalar_named};
use self::error::Places;
pub use self::error::SdlError;

const TEXT_MAX: usize = 1 << 20;
const TOKENS_MAX: usize = 200_000;
const NESTING_MAX: usize = 50;
const COLLECTIONS_MAX: usize = 500;
const FIELDS_MAX: usize = 1_000;

/// Reads the definitions of `text`. They may refer to each other and to collections of `existing`.
/// Either all are good, or none is taken.
pub fn compile(text: &str, existing: &Schema) -> Result<Vec<NewCollection>, SdlError> {
    if text.len() > TEXT_MAX {
        return Err(SdlError::TooLarge("more than 1 MiB of text"));
    }
    let mut parser = Parser::new().token_limit(TOKENS_MAX).recursion_limit(NESTING_MAX);
    let parsed = parser.parse_ast(text, "schema.graphql");
    if parser.tokens_reached() > TOKENS_MAX {
        return Err(SdlError::TooLarge("more than 200,000 tokens"));
    }
    if parser.recursion_reached() > NESTING_MAX {
        return Err(SdlError::TooLarge("nested too deeply"));
    }
    let document = parsed.map_err(|failed| {
        let first = failed.errors.iter().next();
        let at = first.as_ref().and_then(|error| error.line_column_range());
        let (line, column) = at.map_or((1, 1), |range| (range.start.line, range.start.column));
        let message = first.map_or_else(|| "not a definition".to_owned(), |error| error.error.to_string());
        SdlError::Invalid { message: format!("The definitions cannot be read: {message}"), line, column }
    })?;
    let places = Places(&document);
    let mut types = Vec::new();
    for definition in &document.definitions {
        match definition {
            Definition::ObjectTypeDefinition(node) => types.push(node),
            other => {
                let (line, column) = other
                    .location()
                    .and_then(|span| span.line_column(&document.sources))
                    .map_or((1, 1), |at| (at.line, at.column));
                let message = "Only `type` definitions make collections".to_owned();
                return Err(SdlError::Unsupported { message, line, column });
            }
        }
    }
    if types.is_empty() {
        return Err(SdlError::Invalid { message: "There is no `type` here".to_owned(), line: 1, column: 1 });
    }
    if types.len() > COLLECTIONS_MAX {
        return Err(SdlError::TooLarge("more than 500 types at once"));
    }
    names::check(&types, existing, &places)?;
    let known = |name: &str| types.iter().any(|node| node.name == name) || existing.collection_named(name).is_some();
    let mut drafts = Vec::with_capacity(types.len());
    for &node in &types {
        drafts.push(draft(node, &known, &places)?);
    }
    relations::resolve(drafts, &places)
}

fn draft<'a>(
    node: &'a Node<ObjectTypeDefinition>,
    known: &impl Fn(&str) -> bool,
    places: &Places<'_>,
) -> Result<Draft<'a>, SdlError> {
    let name = &node.name;
    if !node.implements_interfaces.is_empty() {
        return Err(places.unsupported(node, format!("`{name}` implements an interface, which is not supported")));
    }
    if node.fields.is_empty() {
        return Err(places.invalid(node, format!("The type `{name}` has no fields")));
    }
    if node.fields.len() > FIELDS_MAX {
        return Err(SdlError::TooLarge("more than 1,000 fields in one type"));
    }
    let mut fields = Vec::with_capacity(node.fields.len());
    let mut indexes = Vec::new();
    for field in &node.fields {
        let full = format!("{name}.{}", field.name);
        if !field.arguments.is_empty() {
            return Err(places.invalid(field, format!("The field `{full}` has arguments")));
        }
        let kind = kind_of(field, &full, known, places)?;
        let directives = FieldDirectives::read(field, &full, &kind, places)?;
        let kind = match kind {
            DraftKind::Relation(mut relation) => {
                relation.primary = directives.primary;
                relation.name = directives.relation;
                DraftKind::Relation(relation)
            }
            stored => stored,
        };
        indexes.extend(directives.indexes);
        fields.push(DraftField {
            node: field,
            kind,
            merge: directives.merge,
            default: directives.default,
            size: directives.size,
        });
    }
    indexes.extend(type_indexes(node, places)?);
    Ok(Draft { node, fields, indexes })
}

fn kind_of(
    field: &Node<FieldDefinition>,
    full: &str,
    known: &impl Fn(&str) -> bool,
    places: &Places<'_>,
) -> Result<DraftKind, SdlError> {
    let (item, list) = match &field.ty {
        Type::Named(_) | Type::NonNullNamed(_) => (&field.ty, false),
        Type::List(item) | Type::NonNullList(item) => (&**item, true),
    };
    let (Type::Named(name) | Type::NonNullNamed(name)) = item else {
        return Err(places.invalid(field, format!("The field `{full}` is a list of lists")));
    };
    let (not_null, item_not_null) = (field.ty.is_non_null(), item.is_non_null());
    match scalar_named(name) {
        Some(ScalarType::Json) if list => {
            Err(places.unsupported(field, format!("The field `{full}` is a list of JSON: use JSON, which holds lists")))
        }
        Some(of) if list => Ok(DraftKind::Stored(NewFieldType::List { of, item_not_null, not_null })),
        Some(of) => Ok(DraftKind::Stored(NewFieldType::Scalar { of, not_null })),
        None if known(name) => {
            Ok(DraftKind::Relation(Relation { target: name.to_string(), list, not_null, primary: false, name: None }))
        }
        None => Err(places.invalid(field, format!("The type `{name}` of the field `{full}` is not known"))),
    }
}

#[cfg(test)]
mod tests;
