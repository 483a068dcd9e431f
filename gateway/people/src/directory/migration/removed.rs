//! People are removed, and tenants are suspended and removed. Nobody of before is.

use sea_orm_migration::prelude::*;

use super::super::tables::{removed, tenant, user};
use super::{bytes, instant, instant_or_null, table};

pub(super) struct Removed;

impl MigrationName for Removed {
    fn name(&self) -> &str {
        "dir_0023_removed"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Removed {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ("dir_user", "removing", user::Entity.into_table_ref(), instant_or_null(user::Column::Removing)),
            ("dir_tenant", "suspended", tenant::Entity.into_table_ref(), instant_or_null(tenant::Column::Suspended)),
            ("dir_tenant", "removing", tenant::Entity.into_table_ref(), instant_or_null(tenant::Column::Removing)),
        ];
        for (name, column_name, table, column) in columns {
            if !manager.has_column(name, column_name).await? {
                manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
            }
        }
        let columns = vec![bytes(removed::Column::User), instant(removed::Column::At)];
        manager.create_table(table(removed::Entity, columns).if_not_exists().take()).await
    }
}
