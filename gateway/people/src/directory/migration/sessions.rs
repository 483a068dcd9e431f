//! What is known of sessions and browsers.

use sea_orm::ColumnTrait as _;
use sea_orm_migration::prelude::*;

use super::super::tables::{token, user};
use super::columns::{instant, instant_or_null, text_or_null};

/// Sessions know when their person last gave the password. Those from before end: their cookies were bearers.
pub(super) struct Confirmed;

impl MigrationName for Confirmed {
    fn name(&self) -> &str {
        "dir_0006_confirmed"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Confirmed {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sessions = Query::delete().from_table(token::Entity).and_where(token::Column::GrantId.is_null()).take();
        manager.exec_stmt(sessions).await?;
        if manager.has_column("dir_token", "confirmed").await? {
            return Ok(());
        }
        let mut table = Table::alter().table(token::Entity).take();
        manager.alter_table(table.add_column(instant_or_null(token::Column::Confirmed)).take()).await
    }
}

pub(super) struct Browsers;

impl MigrationName for Browsers {
    fn name(&self) -> &str {
        "dir_0009_browsers"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Browsers {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_column("dir_user", "browsers").await? {
            return Ok(());
        }
        let browsers = instant(user::Column::Browsers).default(0).take();
        manager.alter_table(Table::alter().table(user::Entity).add_column(browsers).take()).await
    }
}

/// Sessions know when and from where they are used. Those from before last as long as they were to.
pub(super) struct Sessions;

impl MigrationName for Sessions {
    fn name(&self) -> &str {
        "dir_0010_sessions"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Sessions {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use token::Column;
        let columns = [
            ("used", instant_or_null(Column::Used)),
            ("idle", instant_or_null(Column::Idle)),
            ("address", text_or_null(Column::Address)),
            ("product", text_or_null(Column::Product)),
        ];
        for (name, column) in columns {
            if !manager.has_column("dir_token", name).await? {
                manager.alter_table(Table::alter().table(token::Entity).add_column(column).take()).await?;
            }
        }
        Ok(())
    }
}
