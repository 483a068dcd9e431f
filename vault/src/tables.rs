//! The vault's tables in the node database.

use sea_orm_migration::prelude::*;

macro_rules! entity {
    ($(#[$doc:meta])* $module:ident, $table:literal, { $(#[$key:meta] $id:ident: $id_type:ty,)+ }, { $($column:ident: $type:ty,)* }) => {
        $(#[$doc])*
        pub mod $module {
            use sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                $(#[$key] pub $id: $id_type,)+
                $(pub $column: $type,)*
            }
            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}
            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

entity!(
    /// The node itself: one row.
    node, "vault_node", { #[sea_orm(primary_key, auto_increment = false)] id: i32, }, { transport: Vec<u8>, }
);
entity!(
    /// An account that has a device here; secrets sealed under the node key.
    account, "vault_account", { #[sea_orm(primary_key, auto_increment = false)] user: Vec<u8>, },
    { device_secret: Vec<u8>, root_secret: Option<Vec<u8>>, }
);
entity!(
    /// A device of this node whose place another has taken; its secrets sealed under the node key.
    former, "vault_former", { #[sea_orm(primary_key, auto_increment = false)] device: Vec<u8>, },
    { user: Vec<u8>, device_secret: Vec<u8>, }
);
entity!(
    /// The key of a view, sealed, and how the view was left.
    view, "vault_view", { #[sea_orm(primary_key, auto_increment = false)] space: Vec<u8>, },
    { key: Vec<u8>, clean: bool, boot: String, }
);
entity!(
    /// Small settings.
    setting, "vault_setting", { #[sea_orm(primary_key, auto_increment = false)] name: String, }, { value: String, }
);

/// Creates the vault's tables.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First), Box::new(Former)]
    }
    fn migration_table_name() -> DynIden {
        "vault_migration".into_iden()
    }
}

struct Former;

impl MigrationName for Former {
    fn name(&self) -> &str {
        "vault_0002"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Former {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(former::Entity)
            .if_not_exists()
            .col(ColumnDef::new(former::Column::Device).binary().not_null().primary_key())
            .col(ColumnDef::new(former::Column::User).binary().not_null())
            .col(ColumnDef::new(former::Column::DeviceSecret).binary().not_null())
            .to_owned();
        manager.create_table(table).await
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &str {
        "vault_0001"
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
            Table::create()
                .table(node::Entity)
                .col(ColumnDef::new(node::Column::Id).integer().not_null().primary_key())
                .col(ColumnDef::new(node::Column::Transport).binary().not_null())
                .to_owned(),
            Table::create()
                .table(account::Entity)
                .col(ColumnDef::new(account::Column::User).binary().not_null().primary_key())
                .col(ColumnDef::new(account::Column::DeviceSecret).binary().not_null())
                .col(ColumnDef::new(account::Column::RootSecret).binary())
                .to_owned(),
            Table::create()
                .table(view::Entity)
                .col(ColumnDef::new(view::Column::Space).binary().not_null().primary_key())
                .col(ColumnDef::new(view::Column::Key).binary().not_null())
                .col(ColumnDef::new(view::Column::Clean).boolean().not_null())
                .col(ColumnDef::new(view::Column::Boot).string().not_null())
                .to_owned(),
            Table::create()
                .table(setting::Entity)
                .col(ColumnDef::new(setting::Column::Name).string().not_null().primary_key())
                .col(ColumnDef::new(setting::Column::Value).string().not_null())
                .to_owned(),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        Ok(())
    }
}
