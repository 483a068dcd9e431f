//! The tables of the first version.

use sea_orm_migration::prelude::*;

use super::super::tables::{app, audit, code, grant, refresh, setting, tenant, token, user};
use super::columns::{PASSWORD, bytes, bytes_or_null, instant, instant_or_null, table, text};

pub(super) struct First;

impl MigrationName for First {
    fn name(&self) -> &str {
        "dir_0001"
    }
}

// The trait is declared with a hidden lifetime, and its implementations must spell it alike.
#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for First {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            table(setting::Entity, vec![text(setting::Column::Name), text(setting::Column::Value)]),
            table(
                tenant::Entity,
                vec![bytes(tenant::Column::Id), text(tenant::Column::Name), instant(tenant::Column::Created)],
            ),
            table(
                user::Entity,
                vec![
                    bytes(user::Column::Id),
                    text(user::Column::Name),
                    bytes(user::Column::Tenant),
                    bytes(user::Column::Space),
                    text(PASSWORD),
                    instant(user::Column::Created),
                ],
            ),
            table(
                token::Entity,
                vec![
                    bytes(token::Column::Hash),
                    bytes(token::Column::User),
                    bytes_or_null(token::Column::Client),
                    bytes_or_null(token::Column::GrantId),
                    bytes_or_null(token::Column::Family),
                    instant(token::Column::Created),
                    instant(token::Column::Expires),
                ],
            ),
            table(
                refresh::Entity,
                vec![
                    bytes(refresh::Column::Hash),
                    bytes(refresh::Column::User),
                    bytes(refresh::Column::Client),
                    bytes(refresh::Column::GrantId),
                    bytes(refresh::Column::Family),
                    instant(refresh::Column::Expires),
                    instant_or_null(refresh::Column::Used),
                ],
            ),
            table(
                code::Entity,
                vec![
                    bytes(code::Column::Hash),
                    bytes(code::Column::User),
                    bytes(code::Column::Client),
                    bytes(code::Column::GrantId),
                    text(code::Column::RedirectUri),
                    text(code::Column::Challenge),
                    instant(code::Column::Expires),
                    instant_or_null(code::Column::Used),
                ],
            ),
            table(
                app::Entity,
                vec![
                    bytes(app::Column::Id),
                    text(app::Column::Manifest),
                    bytes_or_null(app::Column::Secret),
                    instant(app::Column::Created),
                ],
            ),
            table(
                grant::Entity,
                vec![
                    bytes(grant::Column::Id),
                    bytes(grant::Column::User),
                    bytes(grant::Column::Client),
                    bytes(grant::Column::Space),
                    text(grant::Column::FieldOrder),
                    instant(grant::Column::Created),
                    instant_or_null(grant::Column::Expires),
                    instant_or_null(grant::Column::LastUsed),
                ],
            ),
            table(
                audit::Entity,
                vec![
                    bytes(audit::Column::Id),
                    bytes(audit::Column::User),
                    instant(audit::Column::At),
                    text(audit::Column::Actor),
                    text(audit::Column::Action),
                    text(audit::Column::Detail),
                ],
            ),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        let index = |name: &str, unique: bool| {
            let mut index = Index::create();
            index.name(name);
            if unique {
                index.unique();
            }
            index
        };
        let indexes = [
            index("dir_tenant_name", true).table(tenant::Entity).col(tenant::Column::Name).take(),
            index("dir_user_name", true).table(user::Entity).col(user::Column::Name).take(),
            index("dir_token_user", false).table(token::Entity).col(token::Column::User).take(),
            index("dir_token_grant", false).table(token::Entity).col(token::Column::GrantId).take(),
            index("dir_refresh_grant", false).table(refresh::Entity).col(refresh::Column::GrantId).take(),
            index("dir_refresh_family", false).table(refresh::Entity).col(refresh::Column::Family).take(),
            index("dir_grant_user", false).table(grant::Entity).col(grant::Column::User).take(),
            index("dir_audit_user", false).table(audit::Entity).col(audit::Column::User).col(audit::Column::At).take(),
        ];
        for index in indexes {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}
