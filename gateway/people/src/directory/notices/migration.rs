//! Makes the tables.

use sea_orm_migration::prelude::*;

use super::super::migration::columns::{bytes, instant, instant_or_null, text, text_or_null};
use super::tables::{muted, notice, place, told};

/// The tables of notices.
pub struct Notices;

impl MigrationName for Notices {
    fn name(&self) -> &str {
        "dir_0019_notices"
    }
}

fn keyed<C: IntoIden, const N: usize>(
    name: impl IntoTableRef,
    columns: Vec<ColumnDef>,
    key: [C; N],
) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name).if_not_exists();
    for column in columns {
        table.col(column);
    }
    let mut primary = Index::create();
    for column in key {
        primary.col(column);
    }
    table.primary_key(&mut primary);
    table
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Notices {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use notice::Column as N;
        let columns = vec![
            bytes(N::Id),
            bytes(N::User),
            text(N::Kind),
            text_or_null(N::About),
            instant(N::At),
            instant_or_null(N::Read),
        ];
        manager.create_table(keyed(notice::Entity, columns, [N::Id])).await?;
        let mut by_user = Index::create();
        by_user.name("dir_notice_user").table(notice::Entity).if_not_exists().col(N::User).col(N::Kind);
        manager.create_index(by_user).await?;
        use muted::Column as M;
        let columns = vec![bytes(M::User), text(M::Kind), text(M::Channel)];
        manager.create_table(keyed(muted::Entity, columns, [M::User, M::Kind, M::Channel])).await?;
        use told::Column as T;
        let columns = vec![bytes(T::User), text(T::Mark), instant(T::At)];
        manager.create_table(keyed(told::Entity, columns, [T::User, T::Mark])).await?;
        use place::Column as P;
        let columns = vec![bytes(P::User), bytes(P::Mark), instant(P::Seen)];
        manager.create_table(keyed(place::Entity, columns, [P::User, P::Mark])).await
    }
}
