//! Relations: which two fields are the sides of one, and which side stores it.

use std::collections::HashMap;

use vault_core::schema::{NewCollection, NewFieldType, NewIndex};

use super::draft::{Draft, DraftKind, Relation, finished};
use super::error::{Places, SdlError};

/// A side: which draft, which field of it.
type Side = (usize, usize);

/// Pairs the sides and finishes the collections.
pub fn resolve(drafts: Vec<Draft<'_>>, places: &Places<'_>) -> Result<Vec<NewCollection>, SdlError> {
    let mut kinds: HashMap<Side, NewFieldType> = HashMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        for (n, field) in draft.fields.iter().enumerate() {
            if let DraftKind::Relation(relation) = &field.kind {
                let kind = side(&drafts, (at, n), relation, places)?;
                kinds.insert((at, n), kind);
            }
        }
    }
    let mut out = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.iter().enumerate() {
        let mut fields = Vec::with_capacity(draft.fields.len());
        for (n, field) in draft.fields.iter().enumerate() {
            let kind = match (&field.kind, kinds.remove(&(at, n))) {
                (DraftKind::Stored(kind), _) => kind.clone(),
                (DraftKind::Relation(_), Some(kind)) => kind,
                (DraftKind::Relation(_), None) => continue,
            };
            fields.push(finished(field, kind));
        }
        let mut collection =
            NewCollection { name: draft.node.name.to_string(), fields, indexes: draft.indexes.clone() };
        indexes(draft, &mut collection, places)?;
        out.push(collection);
    }
    Ok(out)
}

fn relation_of<'d>(drafts: &'d [Draft<'_>], (at, n): Side) -> Option<&'d Relation> {
    match &drafts[at].fields[n].kind {
        DraftKind::Relation(relation) => Some(relation),
        DraftKind::Stored(_) => None,
    }
}

/// The sides that could be the other one of `own`.
fn partners(drafts: &[Draft<'_>], own: Side, relation: &Relation) -> Vec<Side> {
    let own_type = drafts[own.0].node.name.as_str();
    let Some(target) = drafts.iter().position(|draft| draft.node.name == relation.target.as_str()) else {
        return Vec::new();
    };
    (0..drafts[target].fields.len())
        .map(|n| (target, n))
        .filter(|&side| side != own)
        .filter(|&side| {
            relation_of(drafts, side).is_some_and(|other| {
                let same_name = other.name == relation.name;
                // Two plain to-one fields of a type to itself are two relations, not one.
                let two_of_one =
                    target == own.0 && !other.list && !relation.list && !other.primary && !relation.primary;
                other.target == own_type && same_name && !(two_of_one && relation.name.is_none())
            })
        })
        .collect()
}

fn side(drafts: &[Draft<'_>], own: Side, relation: &Relation, places: &Places<'_>) -> Result<NewFieldType, SdlError> {
    let node = drafts[own.0].fields[own.1].node;
    let full = format!("{}.{}", drafts[own.0].node.name, node.name);
    let target = relation.target.clone();
    let named = |holder: Side| {
        let draft = &drafts[holder.0];
        let field = draft.fields[holder.1].node;
        relation.name.clone().unwrap_or_else(|| format!("{}.{}", draft.node.name, field.name))
    };
    if relation.list && relation.primary {
        return Err(places.invalid(node, format!("`{full}` is a list and cannot be `@primary`: the other side stores")));
    }
    let partners = partners(drafts, own, relation);
    match partners.as_slice() {
        [] if relation.list => {
            let message = format!("`{full}` has no other side: `{target}` needs a field of this type that stores it");
            Err(places.invalid(node, message))
        }
        [] => Ok(NewFieldType::ToOne { target, relation: named(own), not_null: relation.not_null, one_one: false }),
        [other] => {
            let Some(partner) = relation_of(drafts, *other) else {
                return Err(places.invalid(node, format!("`{full}` has no other side")));
            };
            let via = drafts[other.0].fields[other.1].node.name.to_string();
            match (relation.list, partner.list) {
                (true, true) => {
                    let message = format!("`{full}` is many to many, which needs a type in between");
                    Err(places.unsupported(node, message))
                }
                (true, false) => Ok(NewFieldType::Inverse { target, relation: named(*other), via, many: true }),
                (false, true) => Ok(NewFieldType::ToOne {
                    target,
                    relation: named(own),
                    not_null: relation.not_null,
                    one_one: false,
                }),
                (false, false) if relation.primary == partner.primary => {
                    let message = format!("`{full}` is one to one: mark exactly one of its two sides `@primary`");
                    Err(places.invalid(node, message))
                }
                (false, false) if relation.primary => {
                    Ok(NewFieldType::ToOne { target, relation: named(own), not_null: relation.not_null, one_one: true })
                }
                (false, false) => Ok(NewFieldType::Inverse { target, relation: named(*other), via, many: false }),
            }
        }
        _ => {
            let message = format!("`{full}` has several possible other sides: name the pair with `@relation(name:)`");
            Err(places.invalid(node, message))
        }
    }
}

/// Index keys must be fields that are stored and have an order.
fn indexes(draft: &Draft<'_>, collection: &mut NewCollection, places: &Places<'_>) -> Result<(), SdlError> {
    use vault_core::schema::ScalarType;
    let mut names = std::collections::HashSet::new();
    for NewIndex { keys, name, .. } in &collection.indexes {
        let mut seen = std::collections::HashSet::new();
        for (key, _) in keys {
            let field = collection.fields.iter().find(|field| field.name == *key);
            let fits = match field.map(|field| &field.kind) {
                Some(NewFieldType::Scalar { of, .. }) => *of != ScalarType::Json,
                Some(NewFieldType::ToOne { .. }) => true,
                _ => false,
            };
            if !fits || !seen.insert(key) {
                let message = format!("`{}.{key}` cannot be part of an index, or is in it twice", collection.name);
                return Err(places.invalid(draft.node, message));
            }
        }
        if let Some(name) = name
            && !names.insert(name)
        {
            return Err(places.invalid(draft.node, format!("Two indexes of `{}` are named `{name}`", collection.name)));
        }
    }
    Ok(())
}
