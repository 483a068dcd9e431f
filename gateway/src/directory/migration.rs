//! Makes the tables.

use sea_orm::ColumnTrait as _;
use sea_orm_migration::prelude::*;

use super::tables::{
    app, assignment, audit, code, credential, filing, folder, grant, group, link, membership, offer, refresh, setting,
    space, tenant, token, user,
};

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
        ]
    }
    fn migration_table_name() -> DynIden {
        // Several parts of a node share one database, each with its own list.
        "dir_migration".into_iden()
    }
}

/// Where a person's password lay before there were credentials.
const PASSWORD: &str = "password";

struct First;

impl MigrationName for First {
    fn name(&self) -> &str {
        "dir_0001"
    }
}

fn bytes(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).binary().not_null().take()
}
fn bytes_or_null(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).binary().null().take()
}
fn text(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).text().not_null().take()
}
fn instant(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).big_integer().not_null().take()
}
fn instant_or_null(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).big_integer().null().take()
}
fn text_or_null(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).text().null().take()
}
fn table(name: impl IntoTableRef, columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    for (at, mut column) in columns.into_iter().enumerate() {
        if at == 0 {
            column.primary_key();
        }
        table.col(column);
    }
    table
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

struct Groups;

impl MigrationName for Groups {
    fn name(&self) -> &str {
        "dir_0002_groups"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Groups {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            bytes(group::Column::Id),
            bytes(group::Column::Tenant),
            text(group::Column::Name),
            instant(group::Column::Created),
        ];
        manager.create_table(table(group::Entity, columns)).await?;
        let identity = [
            membership::Column::GroupId,
            membership::Column::Role,
            membership::Column::Kind,
            membership::Column::Party,
        ];
        let mut memberships = Table::create().table(membership::Entity).take();
        memberships
            .col(bytes(membership::Column::GroupId))
            .col(text(membership::Column::Role))
            .col(text(membership::Column::Kind))
            .col(bytes(membership::Column::Party))
            .col(instant_or_null(membership::Column::Until))
            .col(instant(membership::Column::Created));
        let mut key = Index::create();
        for column in identity {
            key.col(column);
        }
        manager.create_table(memberships.primary_key(&mut key).take()).await?;
        let mut by_party = Index::create();
        by_party.name("dir_membership_party").table(membership::Entity);
        manager.create_index(by_party.col(membership::Column::Kind).col(membership::Column::Party).take()).await
    }
}

struct Assignments;

impl MigrationName for Assignments {
    fn name(&self) -> &str {
        "dir_0003_assignments"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Assignments {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use assignment::Column;
        let columns = vec![
            bytes(Column::Id),
            bytes(Column::Space),
            text(Column::Kind),
            bytes(Column::Collection),
            bytes(Column::Object),
            text(Column::Relation),
            text(Column::PartyKind),
            bytes(Column::Party),
            instant_or_null(Column::Until),
            bytes(Column::Giver),
            instant(Column::Created),
        ];
        manager.create_table(table(assignment::Entity, columns)).await?;
        let identity =
            [Column::Kind, Column::Collection, Column::Object, Column::Relation, Column::PartyKind, Column::Party];
        let indexes: [(&str, bool, &[Column]); 4] = [
            ("dir_assignment_identity", true, &identity),
            ("dir_assignment_party", false, &[Column::PartyKind, Column::Party]),
            ("dir_assignment_space", false, &[Column::Space, Column::Collection]),
            ("dir_assignment_giver", false, &[Column::Giver]),
        ];
        for (name, unique, columns) in indexes {
            let mut index = Index::create();
            index.name(name).table(assignment::Entity);
            if unique {
                index.unique();
            }
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index.take()).await?;
        }
        Ok(())
    }
}

struct Folders;

impl MigrationName for Folders {
    fn name(&self) -> &str {
        "dir_0004_folders"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Folders {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            bytes(folder::Column::Id),
            bytes(folder::Column::Space),
            bytes(folder::Column::Collection),
            bytes_or_null(folder::Column::Parent),
            text(folder::Column::Name),
            instant(folder::Column::Created),
        ];
        manager.create_table(table(folder::Entity, columns)).await?;
        let mut filings = Table::create().table(filing::Entity).take();
        filings
            .col(bytes(filing::Column::Folder))
            .col(bytes(filing::Column::Document))
            .col(bytes(filing::Column::Collection))
            .col(instant(filing::Column::Created));
        let mut key = Index::create();
        key.col(filing::Column::Folder).col(filing::Column::Document);
        manager.create_table(filings.primary_key(&mut key).take()).await?;
        let mut of_space = Index::create();
        of_space.name("dir_folder_space").table(folder::Entity);
        manager.create_index(of_space.col(folder::Column::Space).col(folder::Column::Collection).take()).await?;
        let mut of_document = Index::create();
        of_document.name("dir_filing_document").table(filing::Entity);
        manager.create_index(of_document.col(filing::Column::Collection).col(filing::Column::Document).take()).await
    }
}

struct Links;

impl MigrationName for Links {
    fn name(&self) -> &str {
        "dir_0005_links"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Links {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            bytes(link::Column::GrantId),
            bytes(link::Column::User),
            bytes(link::Column::Space),
            instant(link::Column::Created),
            instant_or_null(link::Column::LastUsed),
        ];
        manager.create_table(table(link::Entity, columns)).await
    }
}

/// Sessions know when their person last gave the password. Those from before end: their cookies were bearers.
struct Confirmed;

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

struct Givers;

impl MigrationName for Givers {
    fn name(&self) -> &str {
        "dir_0006_givers"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Givers {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A start that ended in between has added it already.
        if manager.has_column("dir_membership", "giver").await? {
            return Ok(());
        }
        let mut giver = bytes_or_null(membership::Column::Giver);
        manager.alter_table(Table::alter().table(membership::Entity).add_column(&mut giver).take()).await
    }
}

struct Offers;

impl MigrationName for Offers {
    fn name(&self) -> &str {
        "dir_0007_offers"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Offers {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            bytes(offer::Column::Id),
            text(offer::Column::Kind),
            bytes(offer::Column::Object),
            text(offer::Column::Body),
            text(offer::Column::Name),
            bytes(offer::Column::Giver),
            instant(offer::Column::Created),
        ];
        manager.create_table(table(offer::Entity, columns).if_not_exists().take()).await?;
        let mut by_name = Index::create();
        by_name.name("dir_offer_name").table(offer::Entity).if_not_exists();
        manager.create_index(by_name.col(offer::Column::Name).take()).await
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

struct Browsers;

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
struct Sessions;

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

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, EntityTrait as _};

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
}
