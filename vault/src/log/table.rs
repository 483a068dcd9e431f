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
        pub body: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod tip {
    use sea_orm::entity::prelude::*;

    /// The end of a chain.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "log_tip")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub scope: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub lane: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub device: Vec<u8>,
        pub seq: i64,
        pub commit: Vec<u8>,
        /// The position of the scope when the chain last moved.
        pub position: i64,
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
        vec![Box::new(First)]
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
        manager
            .create_table(
                Table::create()
                    .table(tip::Entity)
                    .col(bytes("scope"))
                    .col(bytes("lane"))
                    .col(bytes("device"))
                    .col(number("seq"))
                    .col(bytes("commit"))
                    .col(number("position"))
                    .primary_key(
                        Index::create().col(tip::Column::Scope).col(tip::Column::Lane).col(tip::Column::Device),
                    )
                    .to_owned(),
            )
            .await
    }
}
