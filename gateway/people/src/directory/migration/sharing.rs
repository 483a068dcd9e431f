//! What people give each other: groups, shares and field rules, folders, links, what waits for somebody.

use sea_orm_migration::prelude::*;

use super::super::tables::{assignment, filing, folder, group, link, membership, offer};
use super::columns::{bytes, bytes_or_null, instant, instant_or_null, table, text};

pub(super) struct Groups;

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

pub(super) struct Assignments;

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

pub(super) struct Folders;

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

pub(super) struct Links;

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

pub(super) struct Givers;

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

pub(super) struct Offers;

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
