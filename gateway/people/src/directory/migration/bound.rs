//! Tokens and codes are bound to keys (RFC 9449). Those from before are bound to none, and go on.

use sea_orm_migration::prelude::*;

use super::super::tables::{code, refresh, token};
use super::bytes_or_null;

pub(super) struct Bound;

impl MigrationName for Bound {
    fn name(&self) -> &str {
        "dir_0022_bound"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Bound {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ("dir_token", token::Entity.into_table_ref(), bytes_or_null(token::Column::Jkt)),
            ("dir_refresh", refresh::Entity.into_table_ref(), bytes_or_null(refresh::Column::Jkt)),
            ("dir_code", code::Entity.into_table_ref(), bytes_or_null(code::Column::Jkt)),
        ];
        for (name, table, column) in columns {
            if !manager.has_column(name, "jkt").await? {
                manager.alter_table(Table::alter().table(table).add_column(column).take()).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use policy_core::{ClientId, Timestamp};
    use sea_orm::{ConnectOptions, ConnectionTrait as _, Database};

    use super::super::super::{Directory, Exchanger, Rotation, SecretHash};
    use super::super::Migrator;
    use super::*;

    #[tokio::test]
    async fn tokens_of_before_are_bound_to_nothing_and_go_on() {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        let before = Migrator::migrations().iter().position(|one| one.name() == Bound.name());
        let before = before.and_then(|before| before.try_into().ok()).unwrap();
        Migrator::up(&db, Some(before)).await.unwrap();
        let (user, client, grant) = ("01".repeat(16), "02".repeat(16), "03".repeat(16));
        let hash = |text: &str| data_encoding::HEXLOWER.encode(&SecretHash::of(text).0);
        for sql in [
            format!(
                "INSERT INTO dir_user (id, name, tenant, space, created, browsers) VALUES (x'{user}', 'a', x'01', x'02', 7, 0)"
            ),
            format!(
                "INSERT INTO dir_grant (id, \"user\", client, space, field_order, created) \
                 VALUES (x'{grant}', x'{user}', x'{client}', x'{grant}', '', 7)"
            ),
            format!(
                "INSERT INTO dir_token (hash, \"user\", client, grant_id, family, created, expires) \
                 VALUES (x'{}', x'{user}', x'{client}', x'{grant}', x'{grant}', 7, 900000000)",
                hash("access")
            ),
            format!(
                "INSERT INTO dir_refresh (hash, \"user\", client, grant_id, family, expires) \
                 VALUES (x'{}', x'{user}', x'{client}', x'{grant}', x'{grant}', 900000000)",
                hash("refresh")
            ),
        ] {
            db.execute_unprepared(&sql).await.unwrap();
        }
        let now = Timestamp::from_seconds(100);
        let directory = Directory::open(db.clone()).await.unwrap();
        let token = directory.token("access", now).await.unwrap().expect("it is there");
        assert_eq!(token.key, None);
        let by = Exchanger { client: ClientId::from_bytes([2; 16]), confidential: false, proof: None };
        let rotated = directory.rotate("refresh", by, now).await.unwrap();
        assert!(matches!(&rotated, Rotation::Rotated(pair) if pair.key.is_none()), "{rotated:?}");
        Directory::open(db).await.expect("once more");
    }
}
