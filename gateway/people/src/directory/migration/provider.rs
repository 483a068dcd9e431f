//! Apps learn who somebody is (OpenID Connect).

use sea_orm_migration::prelude::*;

use super::super::tables::{code, pushed, refresh, sign_in, signing_key, token};
use super::{bytes, instant, table, text, text_or_null};

pub(super) struct Provider;

impl MigrationName for Provider {
    fn name(&self) -> &str {
        "dir_0015_provider"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Provider {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_column("dir_token", "scope").await? {
            let scope = text_or_null(token::Column::Scope);
            manager.alter_table(Table::alter().table(token::Entity).add_column(scope).take()).await?;
        }
        if !manager.has_column("dir_refresh", "scope").await? {
            let scope = text_or_null(refresh::Column::Scope);
            manager.alter_table(Table::alter().table(refresh::Entity).add_column(scope).take()).await?;
        }
        if !manager.has_column("dir_code", "openid").await? {
            let openid = text_or_null(code::Column::Openid);
            manager.alter_table(Table::alter().table(code::Entity).add_column(openid).take()).await?;
        }
        let mut sign_ins = Table::create();
        sign_ins.table(sign_in::Entity).if_not_exists();
        sign_ins.col(bytes(sign_in::Column::User)).col(bytes(sign_in::Column::Client));
        sign_ins.col(text(sign_in::Column::Scope));
        sign_ins.col(instant(sign_in::Column::Created)).col(instant(sign_in::Column::LastUsed));
        sign_ins.primary_key(Index::create().col(sign_in::Column::User).col(sign_in::Column::Client));
        manager.create_table(sign_ins.take()).await?;
        let keys = vec![
            instant(signing_key::Column::Span),
            bytes(signing_key::Column::Pkcs8),
            instant(signing_key::Column::Created),
        ];
        manager.create_table(table(signing_key::Entity, keys).if_not_exists().take()).await?;
        let requests = vec![
            bytes(pushed::Column::Hash),
            bytes(pushed::Column::Client),
            text(pushed::Column::Origin),
            text(pushed::Column::Request),
            instant(pushed::Column::Expires),
        ];
        manager.create_table(table(pushed::Entity, requests).if_not_exists().take()).await?;
        let mut by_app = Index::create();
        by_app.name("dir_pushed_client").table(pushed::Entity).if_not_exists();
        manager.create_index(by_app.col(pushed::Column::Client).take()).await
    }
}
