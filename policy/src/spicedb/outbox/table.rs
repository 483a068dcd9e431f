//! The tables in the node database.

use sea_orm_migration::prelude::*;

pub(super) mod row {
    use sea_orm::entity::prelude::*;

    /// The last word about one relationship that SpiceDB has not heard.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "policy_outbox")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        /// `resource#relation@subject`; each once.
        pub identity: String,
        pub deletes: bool,
        pub takes: bool,
        /// The relationship as text.
        pub body: String,
        pub scope: String,
        /// Microseconds since 1970.
        pub created: i64,
        /// Why SpiceDB refused it.
        pub parked: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod token {
    use sea_orm::entity::prelude::*;

    /// A point in SpiceDB's history that has seen all that was delivered for a scope.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "policy_token")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub scope: String,
        pub token: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "policy_spicedb_0001"
    }
}

// The trait is declared with a hidden lifetime, and its implementations must spell it alike.
#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(row::Entity)
                    .col(ColumnDef::new(row::Column::Seq).big_integer().not_null().auto_increment().primary_key())
                    .col(ColumnDef::new(row::Column::Identity).text().not_null().unique_key())
                    .col(ColumnDef::new(row::Column::Deletes).boolean().not_null())
                    .col(ColumnDef::new(row::Column::Takes).boolean().not_null())
                    .col(ColumnDef::new(row::Column::Body).text().not_null())
                    .col(ColumnDef::new(row::Column::Scope).text().not_null())
                    .col(ColumnDef::new(row::Column::Created).big_integer().not_null())
                    .col(ColumnDef::new(row::Column::Parked).text())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(token::Entity)
                    .col(ColumnDef::new(token::Column::Scope).text().not_null().primary_key())
                    .col(ColumnDef::new(token::Column::Token).text().not_null())
                    .to_owned(),
            )
            .await
    }
}
