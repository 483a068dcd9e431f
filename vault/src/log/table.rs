//! The log's tables.

use sea_orm_migration::prelude::*;

pub mod row {
    use sea_orm::entity::prelude::*;

    /// One frame. `(scope, position)` is the order in which a scope's frames were stored here.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "log_row")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub scope: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i64,
        pub lane: Vec<u8>,
        pub device: Vec<u8>,
        pub first: i64,
        pub last: i64,
        /// The digest of the last commit.
        pub commit: Vec<u8>,
        /// Empty: the body lies in parts.
        pub body: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod identity {
    use sea_orm::entity::prelude::*;

    /// Which log this is: one row.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "log_identity")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub log: Vec<u8>,
        pub run: Vec<u8>,
        pub number: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod part {
    use sea_orm::entity::prelude::*;

    /// A part of the body of a row: of the row that ends with this commit.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "log_part")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub commit: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub n: i32,
        pub bytes: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod pending {
    use sea_orm::entity::prelude::*;

    /// A row that parts are there of, and that has not come yet.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "log_pending")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub commit: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Creates the log's tables.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First), Box::new(Second), Box::new(Third)]
    }
    fn migration_table_name() -> DynIden {
        "log_migration".into_iden()
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &str {
        "log_0001"
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
        let bytes = |name: &'static str| ColumnDef::new(Alias::new(name)).binary().not_null().to_owned();
        let number = |name: &'static str| ColumnDef::new(Alias::new(name)).big_integer().not_null().to_owned();
        manager
            .create_table(
                Table::create()
                    .table(row::Entity)
                    .col(bytes("scope"))
                    .col(number("position"))
                    .col(bytes("lane"))
                    .col(bytes("device"))
                    .col(number("first"))
                    .col(number("last"))
                    .col(bytes("commit"))
                    .col(bytes("body"))
                    .primary_key(Index::create().col(row::Column::Scope).col(row::Column::Position))
                    .to_owned(),
            )
            .await?;
        // The way to the end of every chain, in one pass over the index.
        manager
            .create_index(
                Index::create()
                    .name("log_row_chain")
                    .table(row::Entity)
                    .col(row::Column::Scope)
                    .col(row::Column::Lane)
                    .col(row::Column::Device)
                    .col(row::Column::Position)
                    .to_owned(),
            )
            .await
    }
}

/// Which log this is.
struct Second;

impl MigrationName for Second {
    fn name(&self) -> &str {
        "log_0002"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Second {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use identity::Column;
        let bytes = |column: Column| ColumnDef::new(column).binary().not_null().to_owned();
        let table = Table::create()
            .table(identity::Entity)
            .col(ColumnDef::new(Column::Id).integer().not_null().primary_key())
            .col(bytes(Column::Log))
            .col(bytes(Column::Run))
            .col(ColumnDef::new(Column::Number).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await
    }
}

/// Parts of large bodies.
struct Third;

impl MigrationName for Third {
    fn name(&self) -> &str {
        "log_0003"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Third {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let parts = Table::create()
            .table(part::Entity)
            .col(ColumnDef::new(part::Column::Commit).binary().not_null())
            .col(ColumnDef::new(part::Column::N).integer().not_null())
            .col(ColumnDef::new(part::Column::Bytes).binary().not_null())
            .primary_key(Index::create().col(part::Column::Commit).col(part::Column::N))
            .to_owned();
        manager.create_table(parts).await?;
        let commit = ColumnDef::new(pending::Column::Commit).binary().not_null().primary_key().to_owned();
        manager.create_table(Table::create().table(pending::Entity).col(commit).to_owned()).await
    }
}
