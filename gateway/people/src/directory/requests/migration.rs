//! Makes the table.

use sea_orm_migration::prelude::*;

use super::super::migration::columns::{bytes, instant, instant_or_null, table, text, text_or_null};
use super::tables::request::{Column, Entity};

/// The table of requests for access.
pub struct Requests;

impl MigrationName for Requests {
    fn name(&self) -> &str {
        "dir_0021_requests"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Requests {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            bytes(Column::Id),
            bytes(Column::User),
            bytes(Column::Client),
            bytes(Column::GrantId),
            text(Column::Access),
            text_or_null(Column::Purpose),
            text(Column::State),
            instant(Column::Created),
            instant(Column::Expires),
            instant_or_null(Column::Decided),
        ];
        manager.create_table(table(Entity, columns).if_not_exists().take()).await?;
        let mut by_user = Index::create();
        by_user.name("dir_access_request_user").table(Entity).if_not_exists();
        manager.create_index(by_user.col(Column::User).col(Column::State).take()).await
    }
}
