//! What the parts of a plan have in common: the schema, the way down the request, and what was counted on it.

use std::cell::Cell;

use vault_core::query::ItemKind;

use super::collect::{Merged, Walk};
use super::error::GraphQlError;
use super::names::Spelling;
use super::schema::SchemaEntry;

/// What the parts of a plan are made with.
pub(crate) struct Planner<'a> {
    pub entry: &'a SchemaEntry,
    pub walk: Walk<'a>,
    /// Conditions so far.
    conditions: Cell<usize>,
    most_conditions: usize,
}

impl<'a> Planner<'a> {
    /// Of one request, whose filters and orders have so many conditions at most.
    pub fn new(entry: &'a SchemaEntry, walk: Walk<'a>, most_conditions: usize) -> Self {
        Planner { entry, walk, conditions: Cell::new(0), most_conditions }
    }

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
