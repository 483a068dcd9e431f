//! Apps register themselves (RFC 7591), by tokens that operators hand out or without.

use sea_orm_migration::prelude::*;

use super::super::tables::{app, registration_token};
use super::{bytes, bytes_or_null, instant, table, text_or_null};

pub(super) struct Registrations;

impl MigrationName for Registrations {
    fn name(&self) -> &str {
        "dir_0024_registrations"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Registrations {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (column, definition) in [
            ("managed", bytes_or_null(app::Column::Managed)),
            ("origin", text_or_null(app::Column::Origin)),
            ("auth", text_or_null(app::Column::Auth)),
        ] {
            if !manager.has_column("dir_app", column).await? {
                manager.alter_table(Table::alter().table(app::Entity).add_column(definition).take()).await?;
            }
        }
        let columns = vec![
            bytes(registration_token::Column::Id),
            bytes(registration_token::Column::Hash),
            instant(registration_token::Column::Created),
            instant(registration_token::Column::Expires),
            instant(registration_token::Column::Remaining),
        ];
        manager.create_table(table(registration_token::Entity, columns).if_not_exists().take()).await
    }
}
