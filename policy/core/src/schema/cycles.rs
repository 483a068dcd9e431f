//! Permissions that are nothing but each other.

use std::collections::HashMap;

use super::SchemaError;
use super::compile::{Compiled, Definition};
use super::error::Text;
use super::tree::{Body, Expression};

/// Refuses permissions that are other names of each other in a circle. A circle with anything else in it
/// is let pass, as SpiceDB does; a check runs into its limit of depth there.
pub(super) fn check(text: Text<'_>, compiled: &Compiled) -> Result<(), SchemaError> {
    for definition in &compiled.definitions {
        let circling = circling(definition);
        let Some(first) = circling.iter().map(|(_, at)| *at).min() else { continue };
        let names: Vec<&str> = circling.into_iter().map(|(name, _)| name).collect();
        let name = &definition.name;
        let message = format!("under definition `{name}`, there exists a cycle in permissions: {}", names.join(", "));
        return Err(text.cycle(first, message));
    }
    Ok(())
}

/// The permissions that are another name of one in a circle, sorted by name, and where they stand.
fn circling(definition: &Definition) -> Vec<(&str, u32)> {
    // Of what each permission is merely another name.
    let mut aliases: HashMap<&str, (&str, u32)> = HashMap::new();
    let mut renamed: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut others: Vec<&str> = Vec::new();
    for member in &definition.members {
        match &member.body {
            Body::Permission(permission) if let Expression::Member { name, .. } = &permission.expression => {
                aliases.insert(&member.name, (name, member.span.start));
                renamed.entry(name).or_default().push(&member.name);
            }
            _ => others.push(&member.name),
        }
    }
    // Takes away whatever leads to something else; what is left leads into a circle.
    while let Some(name) = others.pop() {
        for alias in renamed.remove(name).unwrap_or_default() {
            aliases.remove(alias);
            others.push(alias);
        }
    }
    let mut left: Vec<(&str, u32)> = aliases.into_iter().map(|(name, (_, at))| (name, at)).collect();
    left.sort_unstable();
    left
}
