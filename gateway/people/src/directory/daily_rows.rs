//! Rows that were told under grants which limit them, by the day (UTC).
//!
//! Before a row is told it is counted, and what is written down is never less than what was told: a limit is taken in
//! shares, each of which is written before the first row of it is told. What is left of a share when the node stops is
//! lost to the app until the next day; no row is ever told twice over for it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use policy_core::{CollectionId, GrantId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use sea_orm_migration::prelude::{ColumnDef, DbErr, MigrationName, MigrationTrait, SchemaManager, Table, async_trait};

use super::tables::grant;
use super::{Directory, DirectoryError};

const DAY: i64 = 86_400;
/// A share is so much of the limit.
const SHARES: u64 = 16;

/// A limit that a question is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyLimit {
    /// Of which entry of the grant.
    pub entry: usize,
    /// Of which type.
    pub collection: CollectionId,
    /// So many rows a day.
    pub most: u32,
}

/// What becomes of rows that are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// They are counted, and may be told.
    Told,
    /// They are more than the day has left by this limit.
    Spent(DailyLimit),
    /// There is no such grant here any more.
    Gone,
}

/// What was told by one limit.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    told: u64,
    /// So much is written down as told; never less.
    written: u64,
}

/// What was told under one grant on one day.
#[derive(Debug, Default)]
struct Today {
    /// `None`: what is written down was not read yet.
    day: Option<i64>,
    /// As it was written down when this began.
    before: HashMap<CollectionId, u64>,
    counts: HashMap<(usize, CollectionId), Count>,
}

impl Today {
    fn count(&self, limit: &DailyLimit) -> Count {
        let known = self.counts.get(&(limit.entry, limit.collection)).copied();
        known.unwrap_or_else(|| {
            let told = self.before.get(&limit.collection).copied().unwrap_or_default();
            Count { told, written: told }
        })
    }

    /// A new day begins anew. A clock that was put back gives no day twice; one that was days ahead leaves what was told
    /// behind for a day, and not until it would be right.
    fn at(&mut self, day: i64) {
        match self.day {
            Some(known) if day > known => *self = Today { day: Some(day), ..Today::default() },
            Some(known) if known <= day + 1 => {}
            _ => self.day = Some(day),
        }
    }

    /// As it is written down: the day, and the most that was told of each type by any limit.
    fn to_text(&self) -> String {
        let mut all = self.before.clone();
        for ((_, collection), count) in &self.counts {
            let known = all.entry(*collection).or_default();
            *known = (*known).max(count.written);
        }
        let mut lines: Vec<String> = all.iter().map(|(collection, rows)| format!("{collection} {rows}")).collect();
        lines.sort_unstable();
        format!("{}\n{}", self.day.unwrap_or_default(), lines.join("\n"))
    }
}

/// The day and the rows of each type that [`Today::to_text`] wrote.
fn read(text: &str) -> Option<(i64, HashMap<CollectionId, u64>)> {
    let (day, lines) = text.split_once('\n').unwrap_or((text, ""));
    let line = |line: &str| {
        let (collection, rows) = line.split_once(' ')?;
        Some((collection.parse().ok()?, rows.parse().ok()?))
    };
    Some((day.parse().ok()?, lines.lines().map(line).collect::<Option<_>>()?))
}

/// What was told today, of the grants that were asked under since the node began.
#[derive(Debug, Default)]
pub(super) struct DailyRows(Mutex<HashMap<GrantId, Arc<tokio::sync::Mutex<Today>>>>);

impl DailyRows {
    /// Another grant took the place of this one: nothing is counted under it any more.
    pub(super) fn forget(&self, grant: GrantId) {
        self.0.lock().remove(&grant);
    }
}

fn day_of(now: Timestamp) -> i64 {
    now.seconds().div_euclid(DAY)
}

/// When the next day begins.
pub fn next_day(now: Timestamp) -> Timestamp {
    Timestamp::from_seconds((day_of(now) + 1) * DAY)
}

impl Directory {
    /// The counts of a grant on the day of `now`, to be changed by one at a time. `None`: there is no such grant here.
    async fn today(
        &self,
        grant: GrantId,
        now: Timestamp,
    ) -> Result<Option<tokio::sync::OwnedMutexGuard<Today>>, DirectoryError> {
        let counts = Arc::clone(self.daily_rows.0.lock().entry(grant).or_default());
        let mut counts = counts.lock_owned().await;
        if counts.day.is_none() {
            let Some(row) = grant::Entity::find_by_id(grant.as_bytes().to_vec()).one(&self.db).await? else {
                self.daily_rows.0.lock().remove(&grant);
                return Ok(None);
            };
            if let Some(text) = row.rows_today {
                let (day, before) = read(&text).ok_or(DirectoryError::Damaged("dir_grant"))?;
                (counts.day, counts.before) = (Some(day), before);
            }
        }
        counts.at(day_of(now));
        Ok(Some(counts))
    }

    /// The first of these limits by which nothing is left of the day.
    pub async fn spent(
        &self,
        grant: GrantId,
        limits: &[DailyLimit],
        now: Timestamp,
    ) -> Result<Option<DailyLimit>, DirectoryError> {
        let Some(counts) = self.today(grant, now).await? else { return Ok(None) };
        Ok(limits.iter().find(|limit| counts.count(limit).told >= u64::from(limit.most)).copied())
    }

    /// Counts rows that are about to be told, by each of these limits: all of them, or, where they are more than one
    /// of the limits has left, `refused` of them for having been asked for.
    pub async fn count_rows(
        &self,
        grant: GrantId,
        limits: &[DailyLimit],
        (rows, refused): (u64, u64),
        now: Timestamp,
    ) -> Result<Counted, DirectoryError> {
        let Some(mut counts) = self.today(grant, now).await? else { return Ok(Counted::Gone) };
        let left = |limit: &DailyLimit| u64::from(limit.most).saturating_sub(counts.count(limit).told);
        let spent = limits.iter().find(|limit| rows > left(limit)).copied();
        let told = if spent.is_some() { refused } else { rows };
        let mut to_write = false;
        for limit in limits {
            let most = u64::from(limit.most);
            let mut count = counts.count(limit);
            count.told = count.told.saturating_add(told).min(most.max(count.told));
            if count.told > count.written {
                count.written = count.told.saturating_add(most / SHARES).min(most.max(count.told));
                to_write = true;
            }
            counts.counts.insert((limit.entry, limit.collection), count);
        }
        if to_write {
            let column = Expr::value(counts.to_text());
            let written = grant::Entity::update_many()
                .col_expr(grant::Column::RowsToday, column)
                .filter(grant::Column::Id.eq(grant.as_bytes().to_vec()))
                .exec(&self.db)
                .await;
            // What is not written down is not told: it is read again.
            if !matches!(&written, Ok(done) if done.rows_affected == 1) {
                *counts = Today::default();
                written?;
                return Ok(Counted::Gone);
            }
        }
        Ok(spent.map_or(Counted::Told, Counted::Spent))
    }

    /// How much of each of these limits is used on this day.
    pub async fn rows_told(
        &self,
        grant: GrantId,
        limits: &[DailyLimit],
        now: Timestamp,
    ) -> Result<Vec<u64>, DirectoryError> {
        let counts = self.today(grant, now).await?;
        let told = |limit: &DailyLimit| counts.as_ref().map_or(0, |counts| counts.count(limit).told);
        Ok(limits.iter().map(told).collect())
    }

    /// Forgets days that are over; what is written down of them counts no more.
    pub(super) fn drop_old_days(&self, now: Timestamp) {
        let today = day_of(now);
        self.daily_rows.0.lock().retain(|_, counts| {
            Arc::strong_count(counts) > 1
                || counts.try_lock().is_ok_and(|counts| counts.day.is_some_and(|day| day >= today))
        });
    }
}

/// Gives grants the column of what was told today.
pub(super) struct RowsToday;

impl MigrationName for RowsToday {
    fn name(&self) -> &str {
        "dir_0024_rows_today"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for RowsToday {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if !manager.has_column("dir_grant", "rows_today").await? {
            let column = ColumnDef::new(grant::Column::RowsToday).text().null().take();
            manager.alter_table(Table::alter().table(grant::Entity).add_column(column).take()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::refresh::tests::noted;
    use super::super::{GrantRow, on_each_backend};
    use super::*;

    fn at(day: i64, second: i64) -> Timestamp {
        Timestamp::from_seconds(20_000 * DAY + day * DAY + second)
    }

    fn of(entry: usize, collection: u8, most: u32) -> DailyLimit {
        DailyLimit { entry, collection: CollectionId::from_bytes([collection; 16]), most }
    }

    /// The directory as the next process finds it.
    fn restarted(directory: &Directory) {
        directory.daily_rows.0.lock().clear();
    }

    #[tokio::test]
    async fn a_day_has_so_many_rows_and_the_next_as_many() {
        for directory in on_each_backend().await {
            let grant = noted(&directory, None).await.id;
            let (one, other) = (of(0, 1, 5), of(1, 2, 100));
            let tell = async |limits: &[DailyLimit], rows: u64, now: Timestamp| {
                directory.count_rows(grant, limits, (rows, 1), now).await.unwrap()
            };
            let told = async |now| directory.rows_told(grant, &[one, other], now).await.unwrap();
            assert_eq!(tell(&[one, other], 3, at(0, 1)).await, Counted::Told);
            assert_eq!(tell(&[one, other], 3, at(0, 2)).await, Counted::Spent(one), "more than is left");
            assert_eq!(told(at(0, 3)).await, [4, 4], "what was asked for counts as one");
            assert_eq!(tell(&[other], 3, at(0, 4)).await, Counted::Told, "of another type");
            assert_eq!(directory.spent(grant, &[one], at(0, 5)).await.unwrap(), None);
            assert_eq!(tell(&[one], 1, at(0, 6)).await, Counted::Told);
            assert_eq!(directory.spent(grant, &[other, one], at(0, 86_399)).await.unwrap(), Some(one));
            assert_eq!(told(at(0, 86_399)).await, [5, 7]);
            assert_eq!(told(at(1, 0)).await, [0, 0]);
            assert_eq!(next_day(at(0, 86_399)), at(1, 0));
            assert_eq!(tell(&[one], 5, at(1, 0)).await, Counted::Told);
            // A clock that is put back gives the day before not once more.
            assert_eq!(tell(&[one], 1, at(0, 5)).await, Counted::Spent(one));
            assert_eq!(tell(&[one], 1, at(1, 5)).await, Counted::Spent(one));
            // One that was far ahead leaves its count for a day.
            assert_eq!(tell(&[one], 5, at(900, 0)).await, Counted::Told);
            assert_eq!(tell(&[one], 1, at(2, 0)).await, Counted::Spent(one));
            assert_eq!(tell(&[one], 1, at(3, 0)).await, Counted::Told);
            let gone = GrantId::from_bytes([9; 16]);
            assert_eq!(directory.count_rows(gone, &[one], (1, 1), at(0, 1)).await.unwrap(), Counted::Gone);
        }
    }

    #[tokio::test]
    async fn a_restart_gives_no_row_again_and_takes_a_share_at_most() {
        for directory in on_each_backend().await {
            let grant = noted(&directory, None).await.id;
            let limit = of(0, 1, 160);
            let mut told = 0;
            for _ in 0..40 {
                if directory.count_rows(grant, &[limit], (7, 0), at(0, 1)).await.unwrap() != Counted::Told {
                    break;
                }
                told += 7;
                restarted(&directory);
                let known = directory.rows_told(grant, &[limit], at(0, 2)).await.unwrap()[0];
                assert!(known >= told, "{known} of {told}");
            }
            assert!(told <= 160);
            restarted(&directory);
            assert_eq!(directory.rows_told(grant, &[limit], at(1, 0)).await.unwrap(), [0]);
            assert_eq!(directory.count_rows(grant, &[limit], (100, 0), at(1, 1)).await.unwrap(), Counted::Told);
            restarted(&directory);
            let known = directory.rows_told(grant, &[limit], at(1, 2)).await.unwrap()[0];
            assert!((100..=110).contains(&known), "{known}");
        }
    }

    #[tokio::test]
    async fn the_day_goes_on_under_the_grant_that_takes_the_place_of_one() {
        for directory in on_each_backend().await {
            let grant = noted(&directory, None).await;
            let (wide, tight) = (of(0, 1, 100), of(3, 1, 40));
            assert_eq!(directory.count_rows(grant.id, &[wide], (50, 1), at(0, 1)).await.unwrap(), Counted::Told);
            let row = GrantRow { id: Directory::new_grant_id(), ..grant.clone() };
            assert!(directory.replace_grant(grant.id, &row).await.unwrap());
            assert_eq!(directory.spent(row.id, &[tight], at(0, 2)).await.unwrap(), Some(tight));
            assert_eq!(directory.count_rows(grant.id, &[wide], (40, 1), at(0, 3)).await.unwrap(), Counted::Gone);
            assert_eq!(directory.spent(row.id, &[tight], at(1, 2)).await.unwrap(), None, "control");
        }
    }

    #[tokio::test]
    async fn who_asks_all_at_once_gets_no_more() {
        for directory in on_each_backend().await {
            let grant = noted(&directory, None).await.id;
            let limit = of(0, 1, 100);
            let asks = (0..50).map(|_| directory.count_rows(grant, std::slice::from_ref(&limit), (7, 0), at(0, 1)));
            let done = futures::future::join_all(asks).await;
            assert_eq!(done.iter().filter(|one| matches!(one, Ok(Counted::Told))).count(), 14);
            directory.drop_old_days(at(0, 5));
            assert_eq!(directory.daily_rows.0.lock().len(), 1);
            directory.drop_old_days(at(1, 0));
            assert_eq!(directory.daily_rows.0.lock().len(), 0);
        }
    }
}
