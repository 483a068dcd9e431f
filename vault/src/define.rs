//! From definitions as people state them to definitions with ids.

use std::collections::{HashMap, HashSet};

use policy_core::{CollectionId, FieldId, SchemaVersion};
use vault_core::keys::TagKey;
use vault_core::limits::{BeyondLimit, SpaceLimits};
use vault_core::schema::{
    Collection, Field, FieldType, Index, IndexKey, NewCollection, NewField, NewFieldType, Schema,
};

/// What a collection stores at most, whoever defines it: each field is a column of its view, and SQLite has 2,000 of a
/// table at most. One entry states far less; devices that define one name apart may come to more together.
pub(crate) const STORED: usize = 1_990;

/// Why definitions are not taken. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    #[error("the type `{0}` exists already")]
    Exists(String),
    #[error("`{collection}.{field}` refers to the type `{target}`, which is not defined")]
    UnknownType { collection: String, field: String, target: String },
    #[error("`{collection}.{field}` refers to the field `{via}` of `{target}`, which does not exist")]
    UnknownField { collection: String, field: String, target: String, via: String },
    #[error("an index of `{collection}` names the field `{field}`, which does not exist or stores nothing")]
    UnknownIndexField { collection: String, field: String },
    #[error("`{0}` is defined twice")]
    Twice(String),
    #[error(transparent)]
    Beyond(#[from] BeyondLimit),
}

/// Gives ids to new collections. The ids depend on names alone, so the same definition made on two
/// devices is the same collection. `version` of the result is a placeholder: the entry's CID follows.
pub fn with_ids(tags: &TagKey, existing: &Schema, new: &[NewCollection]) -> Result<Vec<Collection>, DefinitionError> {
    const LIMITS: SpaceLimits = SpaceLimits::DEFINED;
    LIMITS.fit(existing, new.iter().map(|one| (one.fields.len(), one.indexes.len())))?;
    for (n, collection) in new.iter().enumerate() {
        if existing.collection_named(&collection.name).is_some() {
            return Err(DefinitionError::Exists(collection.name.clone()));
        }
        if new[..n].iter().any(|other| other.name == collection.name) {
            return Err(DefinitionError::Twice(collection.name.clone()));
        }
    }
    let id_of = |name: &str| -> Option<CollectionId> {
        let fresh = new.iter().any(|collection| collection.name == name).then(|| tags.collection_id(name, 0));
        fresh.or_else(|| existing.collection_named(name).map(|collection| collection.id))
    };
    let with_id = |collection: &NewCollection| {
        let made = with_id(tags, existing, new, collection, &id_of)?;
        LIMITS.names_fit(&made)?;
        Ok(made)
    };
    new.iter().map(with_id).collect()
}

fn with_id(
    tags: &TagKey,
    existing: &Schema,
    new: &[NewCollection],
    collection: &NewCollection,
    id_of: &dyn Fn(&str) -> Option<CollectionId>,
) -> Result<Collection, DefinitionError> {
    let id = tags.collection_id(&collection.name, 0);
    let field_id = |name: &str| tags.field_id(id, name, 0);
    let kind = |field: &NewField| {
        let target_of = |target: &String| {
            id_of(target).ok_or_else(|| DefinitionError::UnknownType {
                collection: collection.name.clone(),
                field: field.name.clone(),
                target: target.clone(),
            })
        };
        Ok(match &field.kind {
            NewFieldType::Scalar { of, not_null } => FieldType::Scalar { of: *of, not_null: *not_null },
            NewFieldType::List { of, item_not_null, not_null } => {
                FieldType::List { of: *of, item_not_null: *item_not_null, not_null: *not_null }
            }
            NewFieldType::ToOne { target, relation, not_null, one_one } => FieldType::ToOne {
                target: target_of(target)?,
                relation: relation.clone(),
                not_null: *not_null,
                one_one: *one_one,
            },
            NewFieldType::Inverse { target, relation, via, many } => {
                let target_id = target_of(target)?;
                let known = new
                    .iter()
                    .find(|other| other.name == *target)
                    .map(|other| other.fields.iter().any(|f| f.name == *via))
                    .or_else(|| existing.collection(target_id).map(|other| other.field_named(via).is_some()));
                if known != Some(true) {
                    return Err(DefinitionError::UnknownField {
                        collection: collection.name.clone(),
                        field: field.name.clone(),
                        target: target.clone(),
                        via: via.clone(),
                    });
                }
                FieldType::Inverse {
                    target: target_id,
                    relation: relation.clone(),
                    via: tags.field_id(target_id, via, 0),
                    many: *many,
                }
            }
        })
    };
    let mut fields = Vec::with_capacity(collection.fields.len());
    for field in &collection.fields {
        if fields.iter().any(|other: &Field| other.name == field.name) {
            return Err(DefinitionError::Twice(format!("{}.{}", collection.name, field.name)));
        }
        fields.push(Field {
            id: field_id(&field.name),
            name: field.name.clone(),
            kind: kind(field)?,
            merge: field.merge,
            default: field.default.clone(),
            size: field.size,
        });
    }
    let mut indexes: Vec<Index> = Vec::new();
    for index in &collection.indexes {
        let mut keys = Vec::new();
        for (name, descending) in &index.keys {
            let field = fields.iter().find(|field| field.name == *name && field.is_stored()).ok_or_else(|| {
                DefinitionError::UnknownIndexField { collection: collection.name.clone(), field: name.clone() }
            })?;
            keys.push(IndexKey { field: field.id, descending: *descending });
        }
        let named = index.name.clone().unwrap_or_else(|| {
            let names: Vec<_> = index.keys.iter().map(|(name, _)| name.as_str()).collect();
            let mut name = format!("{}_{}", collection.name, names.join("_"));
            // Room is left for what tells it from another of the name.
            name.truncate(name.floor_char_boundary(SpaceLimits::DEFINED.name - 8));
            name
        });
        let taken = |name: &str| indexes.iter().any(|other: &Index| other.name == name);
        let name = match (index.name.is_some(), taken(&named)) {
            (true, true) => return Err(DefinitionError::Twice(named)),
            (false, true) => format!("{named}_{}", indexes.len()),
            _ => named,
        };
        indexes.push(Index { name, unique: index.unique, keys });
    }
    let version = vault_core::commit::cid_of(b"");
    Ok(Collection { id, name: collection.name.clone(), fields, indexes, version })
}

/// The schema that entries state, in the order of their clocks. Two definitions of one name that were made apart are
/// one collection: it has the fields and indexes of both, and what both define is as the later one has it.
pub fn merged<'a>(entries: impl Iterator<Item = &'a Vec<Collection>>) -> Schema {
    let mut schema = Schema::default();
    let mut stored: HashMap<(CollectionId, FieldId), Field> = HashMap::new();
    for entry in entries {
        schema.version = SchemaVersion(schema.version.0 + 1);
        for collection in entry {
            let fields = collection.fields.iter().filter(|field| field.is_stored());
            stored.extend(fields.map(|field| ((collection.id, field.id), field.clone())));
            match schema.collections.iter_mut().find(|other| other.id == collection.id) {
                Some(other) => combine(other, collection),
                None => schema.collections.push(collection.clone()),
            }
        }
    }
    let all = schema.collections.clone();
    let mut left_out = false;
    for collection in &mut schema.collections {
        let id = collection.id;
        // The side of a relation that stores nothing is none without the side that stores: what the field stored
        // under an earlier definition counts then, if there is one.
        let is_one = |field: &Field| match &field.kind {
            FieldType::Inverse { target, via, .. } => {
                let other = all.iter().find(|other| other.id == *target).and_then(|other| other.field(*via));
                other.is_some_and(|via| matches!(via.kind, FieldType::ToOne { target, .. } if target == id))
            }
            _ => true,
        };
        let fields = std::mem::take(&mut collection.fields).into_iter();
        let kept = fields.filter_map(|field| if is_one(&field) { Some(field) } else { stored.remove(&(id, field.id)) });
        collection.fields = kept.collect();
        left_out |= leave_out(collection);
    }
    if left_out {
        // The other side of a relation that is left out has nothing to be read from.
        let all = schema.collections.clone();
        let is_left = |field: &Field| match &field.kind {
            FieldType::Inverse { target, via, .. } => {
                all.iter().any(|other| other.id == *target && other.field(*via).is_some())
            }
            _ => true,
        };
        schema.collections.iter_mut().for_each(|collection| collection.fields.retain(is_left));
    }
    schema.collections.sort_by(|a, b| a.name.cmp(&b.name));
    schema
}

/// Leaves out what a collection stores beyond [`STORED`], in the order in which entries state it, which is the same on
/// every node; whether there is such. It stays in the entries, and what was written of it in the log.
fn leave_out(collection: &mut Collection) -> bool {
    let before = collection.fields.len();
    let mut stored = 0;
    collection.fields.retain(|field| {
        stored += usize::from(field.is_stored());
        !field.is_stored() || stored <= STORED
    });
    let gone = before - collection.fields.len();
    if gone == 0 {
        return false;
    }
    tracing::warn!(collection = %collection.id, fields = gone, "devices define more fields together than a collection holds; the last are left out");
    let there: HashSet<FieldId> = collection.fields.iter().map(|field| field.id).collect();
    collection.indexes.retain(|index| index.keys.iter().all(|key| there.contains(&key.field)));
    true
}

fn combine(older: &mut Collection, newer: &Collection) {
    for field in &newer.fields {
        match older.fields.iter_mut().find(|other| other.id == field.id) {
            Some(other) => *other = field.clone(),
            None => older.fields.push(field.clone()),
        }
    }
    for index in &newer.indexes {
        match older.indexes.iter_mut().find(|other| other.keys == index.keys) {
            Some(other) => other.unique = index.unique,
            None => {
                let taken = |name: &str| older.indexes.iter().any(|other| other.name == name);
                let mut name = index.name.clone();
                for n in 2.. {
                    if !taken(&name) {
                        break;
                    }
                    name = format!("{}_{n}", index.name);
                }
                older.indexes.push(Index { name, ..index.clone() });
            }
        }
    }
    older.version = newer.version;
}

#[cfg(test)]
mod tests {
    use super::*;
    use vault_core::schema::{Merge, NewIndex, ScalarType};

    fn new(name: &str, fields: Vec<(&str, NewFieldType)>, indexes: Vec<NewIndex>) -> NewCollection {
        let field = |(name, kind): (&str, NewFieldType)| NewField {
            name: name.into(),
            kind,
            merge: Merge::Lww,
            default: None,
            size: None,
        };
        NewCollection { name: name.into(), fields: fields.into_iter().map(field).collect(), indexes }
    }

    const LIMITS: SpaceLimits = SpaceLimits::DEFINED;

    #[test]
    fn a_space_has_so_many_fields_and_indexes_and_not_one_more() {
        let tags = TagKey::from_bytes([1; 32]);
        let int = || NewFieldType::Scalar { of: ScalarType::Int, not_null: false };
        let index = |name: String| NewIndex { name: None, unique: false, keys: vec![(name, false)] };
        let wide = |name: &str, fields: usize, indexes: usize| {
            let names: Vec<String> = (0..fields).map(|n| format!("f{n}")).collect();
            let indexes = names.iter().take(indexes).cloned().map(index).collect();
            new(name, names.iter().map(|name| (name.as_str(), int())).collect(), indexes)
        };
        let full: Vec<_> = (0..10).map(|n| wide(&format!("T{n}"), LIMITS.fields / 10, LIMITS.indexes_each)).collect();
        let schema = merged([with_ids(&tags, &Schema::default(), &full).unwrap()].iter());
        let more = |schema: &Schema, fields, indexes| with_ids(&tags, schema, &[wide("More", fields, indexes)]);
        assert!(matches!(more(&schema, 1, 0), Err(DefinitionError::Beyond(_))));
        let mut schema = schema;
        schema.collections.pop();
        assert!(more(&schema, LIMITS.fields / 10, 0).is_ok(), "control");
        assert!(matches!(more(&Schema::default(), 70, LIMITS.indexes_each + 1), Err(DefinitionError::Beyond(_))));
        let many: Vec<_> = (0..16).map(|n| wide(&format!("T{n}"), 63, 63)).collect();
        assert!(matches!(with_ids(&tags, &Schema::default(), &many), Err(DefinitionError::Beyond(_))));
        assert!(with_ids(&tags, &Schema::default(), &many[..15]).is_ok(), "control");
    }

    #[test]
    fn ids_depend_on_names_alone_and_relations_meet() {
        let tags = TagKey::from_bytes([1; 32]);
        let to_one = |target: &str| NewFieldType::ToOne {
            target: target.into(),
            relation: "r".into(),
            not_null: false,
            one_one: false,
        };
        let text = NewFieldType::Scalar { of: ScalarType::String, not_null: false };
        let book = new("Book", vec![("title", text), ("author", to_one("Author"))], vec![]);
        let inverse = |via: &str| NewFieldType::Inverse {
            target: "Book".into(),
            relation: "r".into(),
            via: via.into(),
            many: true,
        };
        let author = new("Author", vec![("books", inverse("author"))], vec![]);
        let both = with_ids(&tags, &Schema::default(), &[author.clone(), book.clone()]).unwrap();
        let other_order = with_ids(&tags, &Schema::default(), &[book.clone(), author]).unwrap();
        assert_eq!(both[0], other_order[1]);
        assert!(matches!(both[0].fields[0].kind, FieldType::Inverse { via, .. } if via == both[1].fields[1].id));
        let schema = merged(std::iter::once(&both));
        assert_eq!(schema.version, SchemaVersion(1));
        assert_eq!(with_ids(&tags, &schema, std::slice::from_ref(&book)), Err(DefinitionError::Exists("Book".into())));
        let lost = new("Lost", vec![("a", to_one("Nobody"))], vec![]);
        assert!(matches!(with_ids(&tags, &schema, &[lost]), Err(DefinitionError::UnknownType { .. })));
        let bad = new("Bad", vec![("b", inverse("nothing"))], vec![]);
        assert!(matches!(with_ids(&tags, &schema, &[bad]), Err(DefinitionError::UnknownField { .. })));
        assert!(matches!(with_ids(&tags, &Schema::default(), &[book.clone(), book]), Err(DefinitionError::Twice(_))));
    }
}
