//! Columns as the tables have them.

use sea_orm_migration::prelude::*;

/// Where a person's password lay before there were credentials.
pub(in super::super) const PASSWORD: &str = "password";

pub(in super::super) fn bytes(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).binary().not_null().take()
}
pub(in super::super) fn bytes_or_null(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).binary().null().take()
}
pub(in super::super) fn text(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).text().not_null().take()
}
pub(in super::super) fn instant(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).big_integer().not_null().take()
}
pub(in super::super) fn instant_or_null(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).big_integer().null().take()
}
pub(in super::super) fn text_or_null(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).text().null().take()
}
pub(in super::super) fn table(name: impl IntoTableRef, columns: Vec<ColumnDef>) -> TableCreateStatement {
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
