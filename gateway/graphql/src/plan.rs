//! From a request to a [`Query`], a [`ChangeRequest`] or a ready answer.

use std::cell::Cell;
use std::sync::Arc;

use apollo_compiler::executable::OperationType;
use bytes::Bytes;
use vault_core::change::ChangeRequest;
use vault_core::query::{ItemKind, Query, Root, RootKind};

use super::cache::Caches;
use super::collect::{Merged, Walk};
use super::document::Prepared;
use super::error::GraphQlError;
use super::input::Variables;
use super::schema::{NOTHING, SchemaEntry};
use super::visible::Masks;
use super::{Spelling, introspect};

/// A request as it came in.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The document.
    pub text: String,
    /// Which of its operations; `None`: the only one.
    pub operation_name: Option<String>,
    /// By name, without `$`.
    pub variables: serde_json::Map<String, serde_json::Value>,
}

impl Request {
    /// A request of a text alone.
    pub fn text(text: impl Into<String>) -> Request {
        Request { text: text.into(), ..Request::default() }
    }
}

/// What one request may cost before it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the document.
    pub tokens: usize,
    /// Of the document.
    pub operations: usize,
    /// Fields deep.
    pub depth: usize,
    /// Of an operation.
    pub aliases: usize,
    /// Root fields of an operation.
    pub roots: usize,
    /// Fields and fragments of an operation, fragments written out.
    pub nodes: usize,
    /// Values of the variables.
    pub values: usize,
    /// Conditions of all filters of an operation, and the keys of its orders.
    pub conditions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            tokens: 250_000,
            operations: 20,
            depth: 24,
            aliases: 256,
            roots: 64,
            nodes: 5_000,
            values: 250_000,
            conditions: 1_024,
        }
    }
}

/// Under what a request is planned.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// All definitions of the space.
    pub schema: &'a vault_core::schema::Schema,
    /// What the caller may do in each collection.
    pub masks: Masks<'a>,
    /// How names are spelt.
    pub spelling: Spelling,
    /// Whether a mutation may be asked for (not by GET).
    pub allow_mutation: bool,
    /// What it may cost.
    pub limits: Limits,
    /// Where schemas and documents are kept.
    pub caches: &'a Caches,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// To be read.
    Query(Query),
    /// To be written.
    Change(ChangeRequest),
    /// The value of `data`, ready: introspection, or `__typename` alone.
    Answer(Bytes),
}

impl Plan {
    /// The response name of the only root field; `None` where there are several, and for a ready answer.
    pub fn only_root(&self) -> Option<&str> {
        match self {
            Plan::Query(query) => match query.roots.as_slice() {
                [only] => Some(&only.key),
                _ => None,
            },
            Plan::Change(request) => match request.changes.as_slice() {
                [only] => Some(&only.key),
                _ => None,
            },
            Plan::Answer(_) => None,
        }
    }
}

/// Plans `request` for a caller. Errors are ready for the answer's `errors`, at most twenty.
pub fn plan(request: &Request, context: &Context<'_>) -> Result<Plan, Vec<GraphQlError>> {
    let one = |error| vec![error];
    let entry = context.caches.schema(context.schema, context.masks, context.spelling).map_err(one)?;
    let prepared: Arc<Prepared> = context.caches.document(&entry, request, &context.limits, context.allow_mutation)?;
    let mutates = prepared.operation.operation_type == OperationType::Mutation;
    if mutates && !context.allow_mutation {
        return Err(vec![no_mutation()]);
    }
    let placed = |error| vec![prepared.placed(error)];
    let variables = Variables::new(&entry.schema, &prepared.operation.variables, &request.variables).map_err(placed)?;
    let mut planner = Planner {
        entry: &entry,
        walk: Walk::new(&prepared, variables, context.limits.nodes.saturating_mul(2)),
        conditions: Cell::new(0),
        most_conditions: context.limits.conditions,
    };
    let roots = planner.walk.roots().map_err(placed)?;
    let is_meta = |root: &Merged<'_>| matches!(root.name(), "__schema" | "__type" | "__typename");
    if roots.iter().all(is_meta) {
        return introspect::answer(&mut planner, request, &roots).map(Plan::Answer).map_err(placed);
    }
    if mutates { planner.mutation(&roots).map(Plan::Change) } else { planner.query(&roots).map(Plan::Query) }
        .map_err(placed)
}

pub(crate) fn no_mutation() -> GraphQlError {
    GraphQlError::new("method_not_allowed", "A mutation needs the method POST.")
}

pub(crate) struct Planner<'a> {
    pub entry: &'a SchemaEntry,
    pub walk: Walk<'a>,
    /// Conditions so far.
    conditions: Cell<usize>,
    most_conditions: usize,
}

impl<'a> Planner<'a> {
    pub fn spelling(&self) -> Spelling {
        self.entry.spelling
    }

    /// How many conditions there are so far.
    pub fn counted(&self) -> usize {
        self.conditions.get()
    }

    /// Counts a condition: each is asked of each row, so that many of them are a cost, however little is written.
    pub fn condition(&self) -> Result<(), GraphQlError> {
        self.conditions.set(self.conditions.get() + 1);
        if self.conditions.get() > self.most_conditions {
            let most = self.most_conditions;
            let message = format!("An operation has more than {most} conditions; `_in` takes many values of a field.");
            return Err(GraphQlError::new("limit_conditions", message));
        }
        Ok(())
    }

    fn query(&mut self, roots: &[Merged<'a>]) -> Result<Query, GraphQlError> {
        let mut out = Vec::with_capacity(roots.len());
        for root in roots {
            let kind = self.walk_within(root, |planner| planner.query_root(root))?;
            out.push(Root { key: root.response.to_owned(), kind });
        }
        Ok(Query { roots: out })
    }

    fn query_root(&mut self, root: &Merged<'a>) -> Result<RootKind, GraphQlError> {
        let name = root.name();
        let entry = self.entry;
        if name == "__typename" {
            return Ok(RootKind::Constant("Query".to_owned()));
        }
        if name == "__schema" || name == "__type" {
            return Err(GraphQlError::invalid("Introspection and documents cannot be asked for in one operation."));
        }
        if name == NOTHING {
            return Err(GraphQlError::new("not_found", "There is no collection here that you may read."));
        }
        if name == self.spelling().commits() || name == "latestCommits" {
            return self.commits(root, name == "latestCommits").map(RootKind::Commits);
        }
        if let Some(function) = self.spelling().function_named(name) {
            return self.root_aggregate(root, function).map(RootKind::Aggregate);
        }
        let Some(collection) = entry.visible.named(name) else {
            return Err(GraphQlError::new("unknown_field", format!("type `Query` does not have a field `{name}`")));
        };
        self.select(collection, root).map(RootKind::Select)
    }

    /// [`Walk::within`], for the planner.
    pub fn walk_within<T>(
        &mut self,
        merged: &Merged<'a>,
        f: impl FnOnce(&mut Self) -> Result<T, GraphQlError>,
    ) -> Result<T, GraphQlError> {
        self.walk.enter(merged.response);
        let result = f(self).map_err(|error| self.walk.placed(error, merged));
        self.walk.leave();
        result
    }
}

/// The constant behind `__typename`.
pub(crate) fn type_name(name: &str) -> ItemKind {
    ItemKind::Constant(name.to_owned())
}
