//! Names that definitions may use: none that the language or the generated schema takes.

use std::collections::{HashMap, HashSet};

use apollo_compiler::Node;
use apollo_compiler::ast::{ObjectTypeDefinition, Type};
use vault_core::schema::Schema;

use super::draft::scalar_named;
use super::error::{Places, SdlError};
use crate::names::RESERVED_FIELDS;

const NAME_MAX: usize = 120;

/// Types of the generated schema that belong to no collection, and fields of its `Query`.
const RESERVED_TYPES: [&str; 7] = ["Query", "Mutation", "Subscription", "Ordering", "commits", "latestCommits", "Any"];

/// The names that the schema makes of a collection.
fn generated(name: &str) -> [String; 4] {
    ["MutationInputArg", "FilterArg", "OrderArg", "Field"].map(|suffix| format!("{name}{suffix}"))
}

pub fn check(types: &[&Node<ObjectTypeDefinition>], existing: &Schema, places: &Places<'_>) -> Result<(), SdlError> {
    let mut seen = HashSet::new();
    for node in types {
        let name = node.name.as_str();
        if existing.collection_named(name).is_some() {
            let (line, column) = places.at(node);
            return Err(SdlError::Exists { name: name.to_owned(), line, column });
        }
        let reserved = name.starts_with('_')
            || name.contains("__")
            || name.ends_with("OperatorBlock")
            || scalar_named(name).is_some()
            || RESERVED_TYPES.contains(&name)
            || RESERVED_FIELDS.contains(&name);
        if reserved {
            return Err(places.invalid(node, format!("The name `{name}` is reserved")));
        }
        if name.len() > NAME_MAX {
            return Err(places.invalid(node, format!("The name of a type is longer than {NAME_MAX} characters")));
        }
        if !seen.insert(name) {
            return Err(places.invalid(node, format!("The type `{name}` is defined twice")));
        }
        fields(node, places)?;
    }
    let mut taken: HashMap<String, String> = HashMap::new();
    let old = existing.collections.iter().map(|collection| collection.name.as_str());
    let all: Vec<&str> = old.chain(types.iter().map(|node| node.name.as_str())).collect();
    for &name in &all {
        taken.extend(generated(name).map(|made| (made, name.to_owned())));
    }
    for &name in &all {
        if let Some(by) = taken.get(name) {
            // Existing ones do not collide with each other, so one of the two is new.
            let node = types.iter().find(|node| node.name == name || node.name == by.as_str()).or(types.first());
            if let Some(node) = node {
                return Err(places.invalid(node, format!("`{name}` is what the schema makes of the type `{by}`")));
            }
        }
    }
    Ok(())
}

fn fields(node: &Node<ObjectTypeDefinition>, places: &Places<'_>) -> Result<(), SdlError> {
    let mut seen = HashSet::new();
    for field in &node.fields {
        let (name, full) = (field.name.as_str(), format!("{}.{}", node.name, field.name));
        if name.starts_with('_') || name.contains("__") || RESERVED_FIELDS.contains(&name) {
            return Err(places.invalid(field, format!("The name of the field `{full}` is reserved")));
        }
        if name.len() > NAME_MAX {
            return Err(places.invalid(field, format!("The name of a field is longer than {NAME_MAX} characters")));
        }
        if !seen.insert(name) {
            return Err(places.invalid(field, format!("The field `{full}` is defined twice")));
        }
    }
    for field in &node.fields {
        // The 2023 spelling calls the id behind a relation `author_id`.
        let to_one = match &field.ty {
            Type::Named(ty) | Type::NonNullNamed(ty) => scalar_named(ty).is_none(),
            _ => false,
        };
        let id = format!("{}_id", field.name);
        if to_one && seen.contains(id.as_str()) {
            let message = format!("The field `{}.{id}` is what the relation `{}` makes", node.name, field.name);
            return Err(places.invalid(field, message));
        }
    }
    Ok(())
}
