//! From a request to a [`Query`], a [`ChangeRequest`] or a ready answer.

use std::sync::Arc;

use apollo_compiler::executable::OperationType;
use bytes::Bytes;
use vault_core::change::ChangeRequest;
use vault_core::query::{Query, Root, RootKind};

use super::collect::{Merged, Walk};
use super::context::Context;
use super::document::Prepared;
use super::error::GraphQlError;
use super::input::Variables;
use super::introspect;
use super::planner::Planner;
use super::request::Request;
use super::schema::NOTHING;

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
    let entry = context.caches.schema(context.who, context.schema, context.masks, context.spelling).map_err(one)?;
    let prepared: Arc<Prepared> =
        context.caches.document(context.who, &entry, request, &context.limits, context.allow_mutation)?;
    let mutates = prepared.operation.operation_type == OperationType::Mutation;
    if mutates && !context.allow_mutation {
        return Err(vec![GraphQlError::no_mutation()]);
    }
    let placed = |error| vec![prepared.placed(error)];
    let variables = Variables::new(&entry.schema, &prepared.operation.variables, &request.variables).map_err(placed)?;
    let walk = Walk::new(&prepared, variables, context.limits.nodes.saturating_mul(2));
    let mut planner = Planner::new(&entry, walk, context.limits.conditions);
    let roots = planner.walk.roots().map_err(placed)?;
    let is_meta = |root: &Merged<'_>| matches!(root.name(), "__schema" | "__type" | "__typename");
    if roots.iter().all(is_meta) {
        return introspect::answer(&mut planner, request, &roots, context).map(Plan::Answer).map_err(placed);
    }
    if mutates { planner.mutation(&roots).map(Plan::Change) } else { planner.query(&roots).map(Plan::Query) }
        .map_err(placed)
}

impl<'a> Planner<'a> {
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
            return Err(GraphQlError::unknown_field("Query", name));
        };
        self.select(collection, root).map(RootKind::Select)
    }
}
