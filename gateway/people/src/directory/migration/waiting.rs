//! Devices without a browser wait for their person (RFC 8628).

use sea_orm_migration::prelude::*;

use super::super::tables::waiting::{Column, Entity};
use super::{bytes, bytes_or_null, instant, instant_or_null, table, text, text_or_null};

pub(super) struct Waiting;

impl MigrationName for Waiting {
    fn name(&self) -> &str {
        "dir_0016_waiting"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Waiting {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            bytes(Column::Hash),
            bytes(Column::UserCode),
            bytes(Column::Client),
            text(Column::Origin),
            text(Column::Request),
            instant(Column::Expires),
            instant(Column::Interval),
            instant_or_null(Column::Polled),
            text(Column::State),
            bytes_or_null(Column::User),
            bytes_or_null(Column::GrantId),
            text_or_null(Column::Openid),
        ];
        manager.create_table(table(Entity, columns).if_not_exists().take()).await?;
        let mut by_code = Index::create();
        by_code.name("dir_waiting_code").table(Entity).unique().if_not_exists();
        manager.create_index(by_code.col(Column::UserCode).take()).await?;
        let mut by_app = Index::create();
        by_app.name("dir_waiting_client").table(Entity).if_not_exists();
        manager.create_index(by_app.col(Column::Client).take()).await
    }
}
