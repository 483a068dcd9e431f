//! Selections of documents: their arguments and what of each document is asked for.

use policy_core::{DocId, FieldId, Verb};
use vault_core::query::{ConflictItem, Item, ItemKind, Select, SelectArgs};
use vault_core::schema::{FieldType, ScalarType};

use super::aliases::Aliases;
use super::collect::{Arguments, Merged};
use super::error::GraphQlError;
use super::input::Input;
use super::planner::{Planner, type_name};
use super::scalar;
use super::visible::VisibleCollection;

impl<'a> Planner<'a> {
    /// A list of documents (of groups, if the field groups).
    pub fn select(&mut self, collection: &'a VisibleCollection, merged: &Merged<'a>) -> Result<Select, GraphQlError> {
        let args = self.walk.arguments(merged.field())?;
        let children = self.walk.children(merged)?;
        let group_by = args.get("groupBy").map(|fields| self.group_by(collection, fields)).transpose()?;
        let items = self.items(collection, &children, group_by.as_deref())?;
        let aliases = self.aliases(collection, &items);
        let filter = args.get("filter").map(|filter| self.filter(collection, filter, &aliases)).transpose()?;
        let order = match args.get("order") {
            Some(order) => self.order(collection, order, &aliases)?,
            None => Vec::new(),
        };
        Ok(Select {
            collection: collection.id,
            args: SelectArgs {
                filter,
                doc_ids: doc_ids(&args, self.spelling().select_ids())?,
                cids: args.get("cid").map(cids).transpose()?,
                order,
                limit: args.count("limit")?,
                offset: args.count("offset")?.unwrap_or(0),
                group_by,
                show_deleted: matches!(args.get("showDeleted"), Some(Input::Bool(true))),
            },
            items,
        })
    }

    fn group_by(&self, collection: &VisibleCollection, input: &Input<'_>) -> Result<Vec<FieldId>, GraphQlError> {
        let mut out: Vec<FieldId> = Vec::new();
        for item in input.items() {
            let Input::Enum(name) = item else { return Err(GraphQlError::invalid("`groupBy` takes names of fields.")) };
            let field = collection
                .named(name, Verb::Search)
                .or_else(|| collection.relation_id(name, Verb::Search, self.spelling()));
            let field = field.ok_or_else(|| GraphQlError::unknown_field(&format!("{}Field", collection.name), name))?;
            if !out.contains(&field.id) {
                out.push(field.id);
            }
        }
        if out.is_empty() {
            return Err(GraphQlError::invalid("`groupBy` names no field."));
        }
        Ok(out)
    }

    /// What is asked of each document, or of each group of `grouped`.
    pub fn items(
        &mut self,
        collection: &'a VisibleCollection,
        children: &[Merged<'a>],
        grouped: Option<&[FieldId]>,
    ) -> Result<Vec<Item>, GraphQlError> {
        let mut items = Vec::with_capacity(children.len());
        for child in children {
            let kind = self.walk_within(child, |planner| planner.item(collection, child, grouped))?;
            items.push(Item { key: child.response.to_owned(), kind });
        }
        Ok(items)
    }

    fn item(
        &mut self,
        collection: &'a VisibleCollection,
        child: &Merged<'a>,
        grouped: Option<&[FieldId]>,
    ) -> Result<ItemKind, GraphQlError> {
        let (name, spelling) = (child.name(), self.spelling());
        let entry = self.entry;
        if name == "__typename" {
            return Ok(type_name(&collection.name));
        }
        if name == spelling.group() {
            if grouped.is_none() {
                return Err(GraphQlError::invalid(format!("`{name}` needs `groupBy`.")));
            }
            return Ok(ItemKind::Group(Box::new(self.select(collection, child)?)));
        }
        if let Some(function) = spelling.function_named(name) {
            return self.document_aggregate(collection, child, function, grouped.is_some()).map(ItemKind::Aggregate);
        }
        let in_group = |id: FieldId| match grouped {
            Some(keys) if !keys.contains(&id) => {
                let message = format!("`{name}` is not in `groupBy`: ask for it in `{}`.", spelling.group());
                Err(GraphQlError::invalid(message))
            }
            _ => Ok(()),
        };
        if let Some(field) = collection.named(name, Verb::Read) {
            in_group(field.id)?;
            return Ok(match &field.kind {
                FieldType::Scalar { .. } | FieldType::List { .. } => ItemKind::Field(field.id),
                FieldType::ToOne { target, .. } | FieldType::Inverse { target, .. } => {
                    let target = entry
                        .visible
                        .collection(*target)
                        .ok_or_else(|| GraphQlError::unknown_field(&collection.name, name))?;
                    ItemKind::Relation { field: field.id, select: Box::new(self.select(target, child)?) }
                }
            });
        }
        if let Some(field) = collection.relation_id(name, Verb::Read, spelling) {
            in_group(field.id)?;
            return Ok(ItemKind::RelationId(field.id));
        }
        if grouped.is_some() {
            return Err(GraphQlError::invalid(format!("`{name}` is asked for in `{}`.", spelling.group())));
        }
        if name == spelling.doc_id() {
            return Ok(ItemKind::DocId);
        }
        match name {
            "_deleted" => Ok(ItemKind::Deleted),
            "_version" => Ok(ItemKind::Version(self.commit_items(child)?)),
            "_conflicts" => {
                let mut out = Vec::new();
                for part in self.walk.children(child)? {
                    let kind = match part.name() {
                        "fieldName" => ConflictItem::FieldName,
                        "value" => ConflictItem::Value,
                        "cid" => ConflictItem::Cid,
                        "reason" => ConflictItem::Reason,
                        _ => ConflictItem::Constant("_Conflict".to_owned()),
                    };
                    out.push((part.response.to_owned(), kind));
                }
                Ok(ItemKind::Conflicts(out))
            }
            _ => Err(GraphQlError::unknown_field(&collection.name, name)),
        }
    }

    /// What `_alias` may name: aggregates, and fields that may be searched.
    fn aliases(&self, collection: &VisibleCollection, items: &[Item]) -> Aliases {
        use vault_core::query::{Function, Operand};
        let mut out = Aliases::default();
        for item in items {
            match &item.kind {
                ItemKind::Aggregate(aggregate) => {
                    let of = match aggregate.function {
                        Function::Count => ScalarType::Int,
                        _ => ScalarType::Float64,
                    };
                    out.add(&item.key, Operand::Aggregate(Box::new(aggregate.clone())), of);
                }
                ItemKind::Field(id) => {
                    let field = collection.with(Verb::Search).find(|field| field.id == *id);
                    if let Some(of) = field.and_then(|field| field.scalar()).filter(|of| *of != ScalarType::Json) {
                        out.add(&item.key, Operand::Field(*id), of);
                    }
                }
                _ => {}
            }
        }
        out
    }
}

/// The documents that one of these arguments names; at most one of them may be given.
pub(crate) fn doc_ids(args: &Arguments<'_>, names: &[&str]) -> Result<Option<Vec<DocId>>, GraphQlError> {
    let mut given = names.iter().filter_map(|name| args.get(name).map(|value| (*name, value)));
    let Some((name, value)) = given.next() else { return Ok(None) };
    if let Some((other, _)) = given.next() {
        return Err(GraphQlError::invalid(format!("`{name}` and `{other}` say the same thing: give one of them.")));
    }
    let mut ids = Vec::with_capacity(value.items().len());
    for item in value.items() {
        ids.push(scalar::doc_id(item, name)?);
    }
    Ok(Some(ids))
}

/// Content identifiers of commits.
pub(crate) fn cids(input: &Input<'_>) -> Result<Vec<cid::Cid>, GraphQlError> {
    input.items().iter().map(cid_of).collect()
}

pub(crate) fn cid_of(input: &Input<'_>) -> Result<cid::Cid, GraphQlError> {
    let bad = || GraphQlError::invalid("The value of `cid` is not a content identifier.");
    match input {
        Input::Str(text) if text.len() <= 256 => text.parse().map_err(|_| bad()),
        _ => Err(bad()),
    }
}
