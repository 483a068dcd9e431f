//! Tokens that an app got for less than it has (RFC 8693): to what they are held, and of which token they came.

use sea_orm_migration::prelude::*;

use super::super::tables::token;
use super::bytes_or_null;

pub(super) struct Held;

impl MigrationName for Held {
    fn name(&self) -> &str {
        "dir_0025_held"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Held {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (column, definition) in
            [("within", bytes_or_null(token::Column::Within)), ("came_of", bytes_or_null(token::Column::CameOf))]
        {
            if !manager.has_column("dir_token", column).await? {
                manager.alter_table(Table::alter().table(token::Entity).add_column(definition).take()).await?;
            }
        }
        Ok(())
    }
}
