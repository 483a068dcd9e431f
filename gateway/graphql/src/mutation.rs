//! Mutations: every root of one operation is a change of one transaction.

use apollo_compiler::ast::Type;
use cid::Cid;
use policy_core::{FieldId, Scalar, Verb};
use vault_core::change::{Action, Change, ChangeRequest, NewDocument, Target};
use vault_core::schema::{FieldType, Merge};
use vault_core::value::Value;

use super::Spelling;
use super::aliases::Aliases;
use super::collect::{Arguments, Merged};
use super::error::GraphQlError;
use super::input::{Input, VALUE_WEIGHT};
use super::planner::Planner;
use super::scalar;
use super::select::{cid_of, doc_ids};
use super::visible::VisibleCollection;
use super::weight;

impl<'a> Planner<'a> {
    pub(crate) fn mutation(&mut self, roots: &[Merged<'a>]) -> Result<ChangeRequest, GraphQlError> {
        let mut changes = Vec::with_capacity(roots.len());
        for root in roots {
            changes.push(self.walk_within(root, |planner| planner.change(root))?);
        }
        Ok(ChangeRequest { changes })
    }

    fn change(&mut self, root: &Merged<'a>) -> Result<Change, GraphQlError> {
        let (name, entry) = (root.name(), self.entry);
        if name.starts_with("__") {
            let message = "`__typename` and introspection cannot be asked for beside a change.";
            return Err(GraphQlError::invalid(message));
        }
        let none = || GraphQlError::unknown_field("Mutation", name);
        let (verb, collection) = name.split_once('_').ok_or_else(none)?;
        let collection = entry.visible.named(collection).ok_or_else(none)?;
        let args = self.walk.arguments(root.field())?;
        let action = match verb {
            "add" | "create" => Action::Add(self.added(collection, &args)?),
            "update" => Action::Update {
                target: self.target(collection, &args)?,
                fields: self.updated(collection, &args)?,
                expect_heads: expected_heads(&args)?,
            },
            "upsert" => {
                let wanted =
                    |key: &str| args.get(key).ok_or_else(|| GraphQlError::invalid(format!("`{key}` is null.")));
                Action::Upsert {
                    filter: self.filter(collection, wanted("filter")?, &Aliases::default())?,
                    add: self.document(collection, wanted("add")?)?,
                    update: self.fields(collection, wanted("update")?, Verb::Update)?,
                }
            }
            "delete" => {
                Action::Delete { target: self.target(collection, &args)?, expect_heads: expected_heads(&args)? }
            }
            "restore" => {
                Action::Restore { target: self.target(collection, &args)?, expect_heads: expected_heads(&args)? }
            }
            _ => return Err(none()),
        };
        let children = self.walk.children(root)?;
        let items = self.items(collection, &children, None)?;
        Ok(Change { key: root.response.to_owned(), collection: collection.id, action, items })
    }

    /// Which documents. What narrows must not be hollow: a variable that was forgotten would make it
    /// every document in scope.
    fn target(&self, collection: &VisibleCollection, args: &Arguments<'_>) -> Result<Target, GraphQlError> {
        let ids = self.spelling().change_ids();
        for name in ids.iter().chain(&["filter"]) {
            if args.is_hollow(name) {
                let message = format!("`{name}` has no value: leave it out to mean every document.");
                return Err(GraphQlError::invalid(message));
            }
        }
        let filter = args.get("filter").map(|filter| self.filter(collection, filter, &Aliases::default()));
        Ok(Target { doc_ids: doc_ids(args, ids)?, filter: filter.transpose()? })
    }

    fn added(&self, collection: &VisibleCollection, args: &Arguments<'_>) -> Result<Vec<NewDocument>, GraphQlError> {
        if let Some(text) = self.data(args)? {
            let json = self.parsed(text)?;
            let objects = match &json {
                serde_json::Value::Array(items) => items.as_slice(),
                single => std::slice::from_ref(single),
            };
            return objects.iter().map(|object| self.document(collection, &self.read(collection, object)?)).collect();
        }
        let input = args.get("input").ok_or_else(|| GraphQlError::invalid("There is no document to add."))?;
        input.items().iter().map(|input| self.document(collection, input)).collect()
    }

    fn updated(
        &self,
        collection: &VisibleCollection,
        args: &Arguments<'_>,
    ) -> Result<Vec<(FieldId, Value)>, GraphQlError> {
        if let Some(text) = self.data(args)? {
            let json = self.parsed(text)?;
            return self.fields(collection, &self.read(collection, &json)?, Verb::Update);
        }
        let input = args.get("input").ok_or_else(|| GraphQlError::invalid("There is nothing to update with."))?;
        self.fields(collection, input, Verb::Update)
    }

    /// `data:`, the document as a text of JSON.
    fn data<'t>(&self, args: &'t Arguments<'_>) -> Result<Option<&'t str>, GraphQlError> {
        match (args.get("data"), args.get("input")) {
            (Some(_), Some(_)) => Err(GraphQlError::invalid("Give `data` or `input`, not both.")),
            (Some(Input::Str(text)), None) if self.spelling() == Spelling::V0 => Ok(Some(text)),
            _ => Ok(None),
        }
    }

    fn parsed(&self, text: &str) -> Result<serde_json::Value, GraphQlError> {
        self.walk.weigh(weight::values(text.as_bytes()).saturating_mul(4 * VALUE_WEIGHT))?;
        serde_json::from_str(text).map_err(|_| GraphQlError::invalid("`data` is not JSON."))
    }

    /// A document of JSON as if it had been written as `input`.
    fn read<'t>(&self, collection: &VisibleCollection, json: &'t serde_json::Value) -> Result<Input<'t>, GraphQlError>
    where
        'a: 't,
    {
        let name = apollo_compiler::Name::new(&format!("{}MutationInputArg", collection.name))
            .map_err(|_| GraphQlError::new("internal", "A collection has a name that is none."))?;
        let input = self.walk.variables.conform(&Type::NonNullNamed(name), Input::from_json(json), "data")?;
        input.ok_or_else(|| GraphQlError::invalid("`data` is null."))
    }

    fn document(&self, collection: &VisibleCollection, input: &Input<'_>) -> Result<NewDocument, GraphQlError> {
        let id_name = self.spelling().doc_id();
        let doc_id = match input.get(id_name).filter(|id| !id.is_null()) {
            Some(id) => Some(scalar::doc_id(id, id_name)?),
            None => None,
        };
        Ok(NewDocument { doc_id, fields: self.fields(collection, input, Verb::Create)? })
    }

    /// The fields that `input` sets, each of which must have `verb`.
    fn fields(
        &self,
        collection: &VisibleCollection,
        input: &Input<'_>,
        verb: Verb,
    ) -> Result<Vec<(FieldId, Value)>, GraphQlError> {
        let Input::Object(given) = input else { return Err(GraphQlError::invalid("A document is not an object.")) };
        let spelling = self.spelling();
        let mut out: Vec<(FieldId, Value)> = Vec::with_capacity(given.len());
        for (key, value) in given {
            if *key == spelling.doc_id() {
                match verb {
                    Verb::Create => continue,
                    _ => return Err(GraphQlError::invalid(format!("`{key}` of a document cannot change."))),
                }
            }
            let named = |verb| collection.named(key, verb).or_else(|| collection.relation_id(key, verb, spelling));
            let Some(field) = named(verb) else {
                // The input type is shared by adding and updating, so the caller knows of the field.
                let other = if verb == Verb::Create { Verb::Update } else { Verb::Create };
                return Err(match named(other) {
                    Some(_) => GraphQlError::new("forbidden", format!("You may not {verb} `{key}`.")),
                    None => GraphQlError::unknown_field(&format!("{}MutationInputArg", collection.name), key),
                });
            };
            let value = scalar::value(&field.kind, value, key)?;
            if field.merge != Merge::Lww {
                step(field.merge, &value, key)?;
            }
            if matches!(field.kind, FieldType::ToOne { .. }) && out.iter().any(|(id, _)| *id == field.id) {
                return Err(GraphQlError::invalid(format!("`{key}` is given twice, as relation and as id.")));
            }
            out.push((field.id, value));
        }
        Ok(out)
    }
}

/// `expectHeads`: what nobody may have written since. A variable that was forgotten would let everything through.
fn expected_heads(args: &Arguments<'_>) -> Result<Option<Vec<Cid>>, GraphQlError> {
    if args.is_hollow("expectHeads") {
        return Err(GraphQlError::invalid("`expectHeads` has no value: leave it out to write in any case."));
    }
    args.get("expectHeads").map(|heads| heads.items().iter().map(cid_of).collect()).transpose()
}

/// A counter takes steps: numbers, and for one that only grows none below zero.
fn step(merge: Merge, value: &Value, field: &str) -> Result<(), GraphQlError> {
    let negative = match value {
        Value::Scalar(Scalar::Int(step)) => *step < 0,
        Value::Scalar(Scalar::Float(step)) => *step < 0.0,
        _ => return Err(GraphQlError::invalid(format!("`{field}` is a counter and takes a number."))),
    };
    if negative && merge == Merge::PCounter {
        return Err(GraphQlError::invalid(format!("`{field}` is a counter that only grows.")));
    }
    Ok(())
}
