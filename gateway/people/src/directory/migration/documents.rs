//! Apps that are described by a document elsewhere, and what it said when a person let one know who they are.

use sea_orm_migration::prelude::*;

use super::super::tables::{app, sign_in};
use super::{bytes_or_null, instant_or_null, text_or_null};

pub(super) struct Documents;

impl MigrationName for Documents {
    fn name(&self) -> &str {
        "dir_0023_documents"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Documents {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ("dir_app", "document", app::Entity.into_table_ref(), text_or_null(app::Column::Document)),
            ("dir_app", "lapses", app::Entity.into_table_ref(), instant_or_null(app::Column::Lapses)),
            ("dir_sign_in", "terms", sign_in::Entity.into_table_ref(), bytes_or_null(sign_in::Column::Terms)),
        ];
        for (name, column, table, definition) in columns {
            if !manager.has_column(name, column).await? {
                manager.alter_table(Table::alter().table(table).add_column(definition).take()).await?;
            }
        }
        Ok(())
    }
}
