//! Makes the tables.

pub(super) mod columns;
mod first;
mod sessions;
mod sharing;

use policy_core::UserId;
use sea_orm::{ColumnTrait as _, ConnectionTrait as _};
use sea_orm_migration::prelude::*;

use self::columns::{PASSWORD, bytes, bytes_or_null, instant, instant_or_null, table, text, text_or_null};
use self::first::First;
use self::sessions::{Browsers, Confirmed, Sessions};
use self::sharing::{Assignments, Folders, Givers, Groups, Links, Offers};
use super::tables::{audit, credential, group, link, setting, space, token, user};
use super::usage::Used;

mod bound;
mod documents;
mod held;
mod provider;
mod registrations;
mod removed;
mod replaced;
mod waiting;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(First),
            Box::new(Groups),
            Box::new(Assignments),
            Box::new(Folders),
            Box::new(Links),
            Box::new(Confirmed),
            Box::new(Givers),
            Box::new(Offers),
            Box::new(Quotas),
            Box::new(Browsers),
            Box::new(Sessions),
            Box::new(Credentials),
            Box::new(Operators),
            Box::new(Outside),
            Box::new(Passkeys),
            Box::new(provider::Provider),
            Box::new(waiting::Waiting),
            Box::new(Used),
            Box::new(replaced::Replaced),
            Box::new(super::notices::migration::Notices),
            Box::new(super::mail::migration::Mail),
            Box::new(super::requests::migration::Requests),
            Box::new(bound::Bound),
            Box::new(removed::Removed),
            Box::new(documents::Documents),
            Box::new(registrations::Registrations),
            Box::new(held::Held),
            Box::new(super::daily_rows::RowsToday),
        ]
    }
    fn migration_table_name() -> DynIden {
        // Several parts of a node share one database, each with its own list.
        "dir_migration".into_iden()
    }
}

struct Quotas;

impl MigrationName for Quotas {
    fn name(&self) -> &str {
        "dir_0008_quotas"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Quotas {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let personal = ColumnDef::new(space::Column::Personal).boolean().not_null().take();
        let mut spaces = table(space::Entity, vec![bytes(space::Column::Id), text(space::Column::Name), personal]);
        manager.create_table(spaces.if_not_exists().take()).await?;
        if !manager.has_column("dir_group", "maker").await? {
            let maker = bytes_or_null(group::Column::Maker);
            manager.alter_table(Table::alter().table(group::Entity).add_column(maker).take()).await?;
        }
        // Groups that are there count for whoever has managed them longest.
        let sql = r#"UPDATE dir_group SET maker = (SELECT m.party FROM dir_membership m
            WHERE m.group_id = dir_group.id AND m.role = 'manager' AND m.kind = 'user'
            ORDER BY m.created, m.party LIMIT 1) WHERE maker IS NULL"#;
        manager.get_connection().execute_unprepared(sql).await?;
        for (name, table, column) in [
            ("dir_group_maker", group::Entity.into_table_ref(), group::Column::Maker.into_iden()),
            ("dir_link_user", link::Entity.into_table_ref(), link::Column::User.into_iden()),
        ] {
            manager.create_index(Index::create().if_not_exists().name(name).table(table).col(column).take()).await?;
        }
        Ok(())
    }
}

/// Passwords become credentials, one of a kind that there are several of.
struct Credentials;

impl MigrationName for Credentials {
    fn name(&self) -> &str {
        "dir_0011_credentials"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Credentials {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use credential::Column;
        let columns = vec![
            bytes(Column::Id),
            bytes(Column::User),
            text(Column::Kind),
            text(Column::Secret),
            instant_or_null(Column::Step),
            instant(Column::Created),
        ];
        manager.create_table(table(credential::Entity, columns).if_not_exists().take()).await?;
        let mut by_user = Index::create();
        by_user.name("dir_credential_user").table(credential::Entity).if_not_exists();
        manager.create_index(by_user.col(Column::User).take()).await?;
        if !manager.has_column("dir_user", PASSWORD).await? {
            return Ok(());
        }
        let sql = r#"INSERT INTO dir_credential (id, "user", kind, secret, created)
            SELECT id, id, 'password', password, created FROM dir_user"#;
        manager.get_connection().execute_unprepared(sql).await?;
        manager.alter_table(Table::alter().table(user::Entity).drop_column(PASSWORD).take()).await
    }
}

/// Some people are operators, the owner first; some are suspended; and the audit is read across people.
struct Operators;

impl MigrationName for Operators {
    fn name(&self) -> &str {
        "dir_0012_operators"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Operators {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use user::Column;
        for (name, column) in [("operator", Column::Operator), ("suspended", Column::Suspended)] {
            if !manager.has_column("dir_user", name).await? {
                let mut table = Table::alter().table(user::Entity).take();
                manager.alter_table(table.add_column(instant_or_null(column)).take()).await?;
            }
        }
        let owner = Query::select()
            .column(setting::Column::Value)
            .from(setting::Entity)
            .and_where(setting::Column::Name.eq("owner"))
            .take();
        let owner = manager.get_connection().query_one(&owner).await?;
        let owner =
            owner.and_then(|row| row.try_get_by_index::<String>(0).ok()).and_then(|id| id.parse::<UserId>().ok());
        if let Some(owner) = owner {
            let name = Query::update()
                .table(user::Entity)
                .value(Column::Operator, Expr::col(Column::Created))
                .and_where(Column::Id.eq(owner.as_bytes().to_vec()))
                .take();
            manager.exec_stmt(name).await?;
        }
        let mut by_time = Index::create();
        by_time.name("dir_audit_at").table(audit::Entity).if_not_exists();
        manager.create_index(by_time.col(audit::Column::At).col(audit::Column::Id).take()).await
    }
}

/// People sign in by accounts at outside providers too.
struct Outside;

impl MigrationName for Outside {
    fn name(&self) -> &str {
        "dir_0013_outside"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Outside {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let credentials = [
            ("identity", text_or_null(credential::Column::Identity)),
            ("label", text_or_null(credential::Column::Label)),
        ];
        for (name, column) in credentials {
            if !manager.has_column("dir_credential", name).await? {
                manager.alter_table(Table::alter().table(credential::Entity).add_column(column).take()).await?;
            }
        }
        let mut one_person = Index::create();
        one_person.name("dir_credential_identity").table(credential::Entity).unique().if_not_exists();
        manager.create_index(one_person.col(credential::Column::Identity).take()).await?;
        let sessions = [
            ("credential", bytes_or_null(token::Column::Credential)),
            ("outside_session", text_or_null(token::Column::OutsideSession)),
        ];
        for (name, column) in sessions {
            if !manager.has_column("dir_token", name).await? {
                manager.alter_table(Table::alter().table(token::Entity).add_column(column).take()).await?;
            }
        }
        Ok(())
    }
}

/// People sign in by passkeys too.
struct Passkeys;

impl MigrationName for Passkeys {
    fn name(&self) -> &str {
        "dir_0014_passkeys"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Passkeys {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use credential::Column;
        let columns = [
            ("relying_party", text_or_null(Column::RelyingParty)),
            ("handle", bytes_or_null(Column::Handle)),
            ("used", instant_or_null(Column::Used)),
            ("model", text_or_null(Column::Model)),
            ("transports", text_or_null(Column::Transports)),
        ];
        for (name, column) in columns {
            if !manager.has_column("dir_credential", name).await? {
                manager.alter_table(Table::alter().table(credential::Entity).add_column(column).take()).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectOptions, Database, EntityTrait as _};

    use super::*;

    #[tokio::test]
    async fn passwords_of_before_are_credentials_and_a_start_that_was_broken_off_goes_on() {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        Migrator::up(&db, Some(11)).await.unwrap();
        let add = "INSERT INTO dir_user (id, name, tenant, space, password, created, browsers)
            VALUES (x'0102', 'alice', x'01', x'02', '$argon2id$', 7, 0)";
        db.execute_unprepared(add).await.unwrap();
        // What was done of it before the kill is undone with its transaction.
        let txn = sea_orm::TransactionTrait::begin(&db).await.unwrap();
        txn.execute_unprepared("CREATE TABLE dir_credential (id blob)").await.unwrap();
        drop(txn);
        for _ in 0..2 {
            Migrator::up(&db, None).await.unwrap();
            let all = credential::Entity::find().all(&db).await.unwrap();
            let found: Vec<_> = all.iter().map(|one| (one.user.as_slice(), &*one.kind, &*one.secret)).collect();
            assert_eq!(found, [([1u8, 2].as_slice(), "password", "$argon2id$")]);
            assert!(db.execute_unprepared("SELECT password FROM dir_user").await.is_err(), "it lies in one place");
        }
    }

    #[tokio::test]
    async fn who_owns_a_node_of_before_is_its_operator_and_nobody_else() {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        Migrator::up(&db, Some(12)).await.unwrap();
        let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        for (user, name) in [(alice, "alice"), (bob, "bob")] {
            let id = data_encoding::HEXLOWER.encode(user.as_bytes());
            let sql = format!(
                "INSERT INTO dir_user (id, name, tenant, space, created, browsers) VALUES (x'{id}', '{name}', x'01', x'02', 7, 0)"
            );
            db.execute_unprepared(&sql).await.unwrap();
        }
        db.execute_unprepared(&format!("INSERT INTO dir_setting (name, value) VALUES ('owner', '{alice}')"))
            .await
            .unwrap();
        Migrator::up(&db, None).await.unwrap();
        let found = user::Entity::find().all(&db).await.unwrap();
        let found: Vec<_> = found.iter().map(|one| (&*one.name, one.operator, one.suspended)).collect();
        assert_eq!(found, [("alice", Some(7), None), ("bob", None, None)]);
    }
}
