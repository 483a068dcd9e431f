//! The tables in the node database.

use sea_orm_migration::prelude::*;

pub(crate) mod tuple {
    use sea_orm::entity::prelude::*;

    /// One relationship. The first six columns are its identity.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "policy_tuple")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub resource_kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub resource_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub relation: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_id: String,
        /// Empty: the object itself.
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject_relation: String,
        /// Microseconds since 1970; none: until removed.
        pub until: Option<i64>,
        /// The grant that it follows from.
        pub source: Option<Vec<u8>>,
        /// The name of the caveat that it is under.
        pub caveat: Option<String>,
        /// JSON: the values written with the caveat.
        pub context: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod schema {
    use sea_orm::entity::prelude::*;

    /// What the operator has added to the schema of the node: one row, or none.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "policy_schema")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub text: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod revoked {
    use sea_orm::entity::prelude::*;

    /// A grant that does not come back.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "policy_revoked")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub grant_id: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod audit {
    use sea_orm::entity::prelude::*;

    /// One change. `hash` covers the row and the hash before it.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "policy_audit")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        pub at: i64,
        pub action: String,
        pub detail: String,
        pub hash: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Creates the policy tables.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First), Box::new(Second), Box::new(crate::spicedb::OutboxMigration)]
    }
    fn migration_table_name() -> DynIden {
        "policy_migrations".into_iden()
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &str {
        "policy_0001"
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
        let identity = [
            tuple::Column::ResourceKind,
            tuple::Column::ResourceId,
            tuple::Column::Relation,
            tuple::Column::SubjectKind,
            tuple::Column::SubjectId,
            tuple::Column::SubjectRelation,
        ];
        let mut tuples = Table::create().table(tuple::Entity).take();
        let mut key = Index::create();
        for column in identity {
            tuples.col(ColumnDef::new(column).text().not_null());
            key.col(column);
        }
        tuples
            .col(ColumnDef::new(tuple::Column::Until).big_integer())
            .col(ColumnDef::new(tuple::Column::Source).binary())
            .primary_key(&mut key);
        manager.create_table(tuples).await?;
        manager
            .create_index(
                Index::create().name("policy_tuple_source").table(tuple::Entity).col(tuple::Column::Source).to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(revoked::Entity)
                    .col(ColumnDef::new(revoked::Column::GrantId).binary().not_null().primary_key())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(audit::Entity)
                    .col(ColumnDef::new(audit::Column::Seq).big_integer().not_null().primary_key())
                    .col(ColumnDef::new(audit::Column::At).big_integer().not_null())
                    .col(ColumnDef::new(audit::Column::Action).text().not_null())
                    .col(ColumnDef::new(audit::Column::Detail).text().not_null())
                    .col(ColumnDef::new(audit::Column::Hash).binary().not_null())
                    .to_owned(),
            )
            .await
    }
}

/// Caveats, and definitions of the operator's own.
struct Second;

impl MigrationName for Second {
    fn name(&self) -> &str {
        "policy_0002"
    }
}

// The trait is declared with a hidden lifetime, and its implementations must spell it alike.
#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Second {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One column a statement: SQLite adds no more at once.
        for column in [tuple::Column::Caveat, tuple::Column::Context] {
            let add = Table::alter().table(tuple::Entity).add_column(ColumnDef::new(column).text()).to_owned();
            manager.alter_table(add).await?;
        }
        manager
            .create_table(
                Table::create()
                    .table(schema::Entity)
                    .col(ColumnDef::new(schema::Column::Id).integer().not_null().primary_key())
                    .col(ColumnDef::new(schema::Column::Text).text().not_null())
                    .to_owned(),
            )
            .await
    }
}
