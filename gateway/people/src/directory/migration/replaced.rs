//! Grants in whose place others are.

use sea_orm_migration::prelude::*;

use super::super::tables::replaced::{Column, Entity};
use super::{bytes, table};

pub(super) struct Replaced;

impl MigrationName for Replaced {
    fn name(&self) -> &str {
        "dir_0018_replaced"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Replaced {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![bytes(Column::Before), bytes(Column::GrantId), bytes(Column::Space)];
        manager.create_table(table(Entity, columns).if_not_exists().take()).await?;
        let mut by_grant = Index::create();
        by_grant.name("dir_replaced_grant_id").table(Entity).if_not_exists();
        manager.create_index(by_grant.col(Column::GrantId).take()).await
    }
}
