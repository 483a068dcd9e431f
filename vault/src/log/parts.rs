//! Large bodies: on disk ahead of the rows that they are of, in bounded pieces, so that nobody waits for as long as
//! somebody else's row is large.
//!
//! A large body is stored in parts, each in a transaction of its own, under the digest of its row's last commit; the
//! row, which is stored last and in one transaction with all others of its request, has no body of its own. Until then
//! the digest is noted as pending: parts whose rows never came are removed when the log is opened.

use std::time::Instant;

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, SimpleExpr};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, TransactionTrait,
};
use vault_core::commit::digest_of;

use super::body::Body;
use super::table::{part, pending, row};
use super::{Log, NewRow, Scope, unreadable};

/// The most that is stored in one transaction of a part.
const PART: usize = 512 << 10;
/// Bodies that come to so little together are stored with their rows.
const MAX_INLINE_BYTES: usize = 256 << 10;

impl Log {
    /// Puts large bodies on disk, before their rows are appended. It needs no turn: nobody waits for more of it than a
    /// part. Rows that are then not appended are given back by [`Log::take_back`].
    ///
    /// # Errors
    /// If the disk fails. Nothing more is appended then: a later fsync would not tell what is missing.
    pub(crate) async fn put_ahead(&self, rows: &mut [NewRow]) -> Result<(), DbErr> {
        let mut small = 0;
        for row in rows {
            let Body::Whole(bytes) = &row.body else { continue };
            if small + bytes.len() <= MAX_INLINE_BYTES {
                small += bytes.len();
                continue;
            }
            if let Err(error) = self.put_parts(digest_of(&row.tip), bytes).await {
                self.stop();
                return Err(error);
            }
            row.body = Body::Ahead { len: bytes.len() };
        }
        Ok(())
    }

    async fn put_parts(&self, commit: [u8; 32], bytes: &[u8]) -> Result<(), DbErr> {
        if self.has_stopped() {
            return Err(DbErr::Custom("nothing is written until the node is started again".into()));
        }
        for (n, bytes) in bytes.chunks(PART).enumerate() {
            let of_part =
                part::ActiveModel { commit: Set(commit.to_vec()), n: Set(n as i32), bytes: Set(bytes.to_vec()) };
            let begun = Instant::now();
            let _alone = self.disk.alone().await;
            if n == 0 {
                let txn = self.disk.db.begin().await?;
                let noted = pending::ActiveModel { commit: Set(commit.to_vec()) };
                pending::Entity::insert(noted).exec_without_returning(&txn).await?;
                part::Entity::insert(of_part).exec_without_returning(&txn).await?;
                txn.commit().await?;
            } else {
                part::Entity::insert(of_part).exec_without_returning(&self.disk.db).await?;
            }
            self.commits.observe(begun.elapsed().as_secs_f64());
            self.disk.grew(bytes.len());
        }
        Ok(())
    }

    /// Removes what was put on disk for rows that are not appended. What remains is removed at the next opening.
    pub(crate) async fn take_back(&self, rows: &[NewRow]) {
        for row in rows.iter().filter(|row| matches!(row.body, Body::Ahead { .. })) {
            if let Err(error) = self.remove_parts(digest_of(&row.tip).to_vec()).await {
                tracing::warn!(%error, "parts of a row that was not written could not be removed");
            }
        }
    }

    /// Removes the parts of rows that never came.
    pub(super) async fn sweep(&self) -> Result<(), DbErr> {
        for left in pending::Entity::find().all(&self.disk.db).await? {
            self.remove_parts(left.commit).await?;
        }
        Ok(())
    }

    async fn remove_parts(&self, commit: Vec<u8>) -> Result<(), DbErr> {
        let parts: Vec<i32> = part::Entity::find()
            .select_only()
            .column(part::Column::N)
            .filter(part::Column::Commit.eq(commit.clone()))
            .into_tuple()
            .all(&self.disk.db)
            .await?;
        for n in parts {
            let _alone = self.disk.alone().await;
            part::Entity::delete_by_id((commit.clone(), n)).exec(&self.disk.db).await?;
        }
        let _alone = self.disk.alone().await;
        pending::Entity::delete_by_id(commit).exec(&self.disk.db).await?;
        Ok(())
    }

    /// How many bytes of a scope's frames lie in parts.
    pub(super) async fn bytes_of_parts(&self, scope: Scope) -> Result<u64, DbErr> {
        let length = |column: SimpleExpr| Expr::expr(Func::cust(Alias::new("length")).arg(column));
        let rows = row::Entity::find()
            .select_only()
            .column(row::Column::Commit)
            .filter(row::Column::Scope.eq(scope.bytes()))
            .filter(length(Expr::col(row::Column::Body)).eq(0))
            .into_query();
        let sum: Option<(Option<i64>,)> = part::Entity::find()
            .select_only()
            .expr(length(Expr::col(part::Column::Bytes)).sum().cast_as(Alias::new("bigint")))
            .filter(part::Column::Commit.in_subquery(rows))
            .into_tuple()
            .one(&self.disk.db)
            .await?;
        Ok(u64::try_from(sum.and_then(|(sum,)| sum).unwrap_or(0)).unwrap_or(0))
    }

    /// The row with its body.
    pub(super) async fn whole(&self, mut model: row::Model) -> Result<row::Model, DbErr> {
        if model.body.is_empty() {
            let mut parts = part::Entity::find()
                .filter(part::Column::Commit.eq(model.commit.clone()))
                .order_by_asc(part::Column::N)
                .all(&self.disk.db)
                .await?
                .into_iter();
            // A frame is never empty, so neither is its first part.
            model.body = parts.next().ok_or_else(unreadable)?.bytes;
            parts.for_each(|part| model.body.extend_from_slice(&part.bytes));
        }
        Ok(model)
    }
}

/// Removes the parts of a row that is about to be removed.
pub(super) async fn remove_with_row(db: &impl ConnectionTrait, scope: Vec<u8>, position: i64) -> Result<(), DbErr> {
    let of_row: Option<(Vec<u8>,)> = row::Entity::find_by_id((scope, position))
        .select_only()
        .column(row::Column::Commit)
        .into_tuple()
        .one(db)
        .await?;
    if let Some((commit,)) = of_row {
        part::Entity::delete_many().filter(part::Column::Commit.eq(commit)).exec(db).await?;
    }
    Ok(())
}

/// The rows that have come: their parts are theirs.
pub(super) async fn settle(db: &impl ConnectionTrait, commits: Vec<Vec<u8>>) -> Result<(), DbErr> {
    pending::Entity::delete_many().filter(pending::Column::Commit.is_in(commits)).exec(db).await?;
    Ok(())
}
