//! The replica's own table.

use sea_orm_migration::prelude::*;

pub mod allowed {
    use sea_orm::entity::prelude::*;

    /// An account that may store here.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "replica_allowed")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user: Vec<u8>,
    }
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Creates the replica's table.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First)]
    }
    fn migration_table_name() -> DynIden {
        "replica_migration".into_iden()
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &str {
        "replica_0001"
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
        let table = Table::create()
            .table(allowed::Entity)
            .col(ColumnDef::new(allowed::Column::User).binary().not_null().primary_key())
            .to_owned();
        manager.create_table(table).await
    }
}
