//! What apps really used of their grants: how often, how much, and which fields.

use std::collections::BTreeSet;

use policy_core::FieldId;
use sea_orm::Set;
use sea_orm_migration::prelude::{ColumnDef, DbErr, MigrationName, MigrationTrait, SchemaManager, Table, async_trait};

use super::tables::grant;
use super::tables::grant::Column;

/// What was used under one grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests for data that were answered.
    pub requests: u64,
    /// Documents in those answers; one counts as often as it was told.
    pub rows: u64,
    pub bytes: u64,
    /// The fields that were told or asked about.
    pub fields: BTreeSet<FieldId>,
}

impl Usage {
    pub(super) fn add(&mut self, more: &Usage) {
        self.requests = self.requests.saturating_add(more.requests);
        self.rows = self.rows.saturating_add(more.rows);
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.fields.extend(&more.fields);
    }

    /// Makes this what a row of the table keeps.
    pub(super) fn keep_in(&self, row: &mut grant::ActiveModel) {
        let count = |count: u64| Set(Some(i64::try_from(count).unwrap_or(i64::MAX)));
        let fields: Vec<String> = self.fields.iter().map(ToString::to_string).collect();
        row.requests = count(self.requests);
        row.rows = count(self.rows);
        row.bytes = count(self.bytes);
        row.fields_used = Set(Some(fields.join("\n")));
    }

    /// As a row of the table keeps it.
    pub(super) fn of(row: &grant::Model) -> Usage {
        let count = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
        let fields = row.fields_used.as_deref().unwrap_or_default().lines();
        Usage {
            requests: count(row.requests),
            rows: count(row.rows),
            bytes: count(row.bytes),
            fields: fields.filter_map(|line| line.parse().ok()).collect(),
        }
    }
}

/// Gives grants the columns of what was used of them.
pub(super) struct Used;

impl MigrationName for Used {
    fn name(&self) -> &str {
        "dir_0017_used"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Used {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let counts = [("requests", Column::Requests), ("rows", Column::Rows), ("bytes", Column::Bytes)];
        let mut columns: Vec<_> =
            counts.map(|(name, column)| (name, ColumnDef::new(column).big_integer().null().take())).into();
        columns.push(("fields_used", ColumnDef::new(Column::FieldsUsed).text().null().take()));
        for (name, column) in columns {
            if !manager.has_column("dir_grant", name).await? {
                manager.alter_table(Table::alter().table(grant::Entity).add_column(column).take()).await?;
            }
        }
        Ok(())
    }
}
