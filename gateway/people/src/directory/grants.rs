//! What the node keeps of a grant beside the grant itself, which lies in its space: who uses it, and when.

use std::collections::HashMap;

use policy_core::{ClientId, GrantId, SpaceId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, Set, TransactionTrait,
};

use super::opened::follow;
use super::refresh::{REFRESH, touch_grant, until};
use super::tables::{code, grant, refresh, replaced, token, waiting};
use super::usage::Usage;
use super::{Directory, DirectoryError, id};

/// How long before its end a grant is about to end at the earliest, in microseconds.
const ENDING: i64 = 3 * 86_400_000_000;

/// Bookkeeping of one grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    pub id: GrantId,
    pub user: UserId,
    pub client: ClientId,
    pub space: SpaceId,
    /// Field ids, one a line, in the order in which the app asked.
    pub field_order: String,
    pub created: Timestamp,
    /// When its last entry lapses; `None`: never.
    pub expires: Option<Timestamp>,
    pub last_used: Option<Timestamp>,
    pub usage: Usage,
}

/// A grant that was held to less or to another end, and what is in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplacedGrant {
    pub space: SpaceId,
    pub before: GrantId,
    pub now: GrantId,
}

impl TryFrom<grant::Model> for GrantRow {
    type Error = DirectoryError;
    fn try_from(row: grant::Model) -> Result<Self, DirectoryError> {
        let usage = Usage::of(&row);
        Ok(GrantRow {
            id: id(&row.id, GrantId::from_bytes, "dir_grant")?,
            user: id(&row.user, UserId::from_bytes, "dir_grant")?,
            client: id(&row.client, ClientId::from_bytes, "dir_grant")?,
            space: id(&row.space, SpaceId::from_bytes, "dir_grant")?,
            field_order: row.field_order,
            created: Timestamp(row.created),
            expires: row.expires.map(Timestamp),
            last_used: row.last_used.map(Timestamp),
            usage,
        })
    }
}

pub(super) fn model(noted: &GrantRow) -> grant::ActiveModel {
    let mut row = grant::ActiveModel {
        id: Set(noted.id.as_bytes().to_vec()),
        user: Set(noted.user.as_bytes().to_vec()),
        client: Set(noted.client.as_bytes().to_vec()),
        space: Set(noted.space.as_bytes().to_vec()),
        field_order: Set(noted.field_order.clone()),
        created: Set(noted.created.0),
        expires: Set(noted.expires.map(|at| at.0)),
        last_used: Set(noted.last_used.map(|at| at.0)),
        ..Default::default()
    };
    noted.usage.keep_in(&mut row);
    row
}

impl Directory {
    /// Notes a grant that is in force.
    pub async fn note_grant(&self, noted: &GrantRow) -> Result<(), DirectoryError> {
        grant::Entity::insert(model(noted)).exec_without_returning(&self.db).await?;
        Ok(())
    }

    /// Notes a grant in the place of another: what was issued for that opens this from then on, and no longer than it lasts;
    /// where it lasts longer, an app that can refresh can go on to. False: the other is gone meanwhile, and nothing is noted.
    pub async fn replace_grant(&self, before: GrantId, noted: &GrantRow) -> Result<bool, DirectoryError> {
        self.replace_grant_by(before, noted, None).await
    }

    /// [`Directory::replace_grant`], by which a request is approved. False as well: that is decided by somebody else.
    pub async fn replace_grant_by(
        &self,
        before: GrantId,
        noted: &GrantRow,
        decision: Option<super::requests::Decision>,
    ) -> Result<bool, DirectoryError> {
        let (old, id, mut new) = (before.as_bytes().to_vec(), noted.id.as_bytes().to_vec(), model(noted));
        let (now, end) = (noted.created, noted.expires.unwrap_or(Timestamp(i64::MAX)));
        let space = noted.space.as_bytes().to_vec();
        let replaced = self.change_tokens(move |db| async move {
            let txn = db.begin().await?;
            if !touch_grant(&txn, old.clone()).await? {
                return Ok(false);
            }
            if let Some(decision) = decision
                && !super::requests::approve(&txn, decision, now).await?
            {
                return Ok(false);
            }
            let before = grant::Entity::find_by_id(old.clone()).one(&txn).await?;
            // The day goes on: what was told of it stays told.
            new.rows_today = Set(before.as_ref().and_then(|before| before.rows_today.clone()));
            let before = before.map_or(i64::MAX, |before| before.expires.unwrap_or(i64::MAX));
            grant::Entity::delete_by_id(old.clone()).exec(&txn).await?;
            grant::Entity::insert(new).exec_without_returning(&txn).await?;
            replaced::Entity::update_many()
                .set(replaced::ActiveModel { grant_id: Set(id.clone()), ..Default::default() })
                .filter(replaced::Column::GrantId.eq(old.clone()))
                .exec(&txn)
                .await?;
            let of = replaced::ActiveModel { before: Set(old.clone()), grant_id: Set(id.clone()), space: Set(space) };
            replaced::Entity::insert(of).exec_without_returning(&txn).await?;
            code::Entity::update_many()
                .set(code::ActiveModel { grant_id: Set(id.clone()), ..Default::default() })
                .filter(code::Column::GrantId.eq(old.clone()))
                .exec(&txn)
                .await?;
            refresh::Entity::update_many()
                .set(refresh::ActiveModel { grant_id: Set(id.clone()), ..Default::default() })
                .filter(refresh::Column::GrantId.eq(old.clone()))
                .exec(&txn)
                .await?;
            refresh::Entity::update_many()
                .col_expr(refresh::Column::Expires, Expr::value(end.0))
                .filter(refresh::Column::GrantId.eq(id.clone()))
                .filter(refresh::Column::Expires.gt(end.0))
                .exec(&txn)
                .await?;
            if end.0 > before {
                let most = until(now, REFRESH, end).0;
                refresh::Entity::update_many()
                    .col_expr(refresh::Column::Expires, Expr::value(most))
                    .filter(refresh::Column::GrantId.eq(id.clone()))
                    .filter(refresh::Column::Used.is_null())
                    .filter(refresh::Column::Expires.gt(now.0))
                    .filter(refresh::Column::Expires.lt(most))
                    .exec(&txn)
                    .await?;
            }
            token::Entity::update_many()
                .set(token::ActiveModel { grant_id: Set(Some(id.clone())), ..Default::default() })
                .filter(token::Column::GrantId.eq(old.clone()))
                .exec(&txn)
                .await?;
            token::Entity::update_many()
                .col_expr(token::Column::Expires, Expr::value(end.0))
                .filter(token::Column::GrantId.eq(id.clone()))
                .filter(token::Column::Expires.gt(end.0))
                .exec(&txn)
                .await?;
            follow(&txn, id.clone(), end).await?;
            waiting::Entity::update_many()
                .set(waiting::ActiveModel { grant_id: Set(Some(id.clone())), ..Default::default() })
                .filter(waiting::Column::GrantId.eq(old.clone()))
                .exec(&txn)
                .await?;
            super::requests::follow(&txn, old, id).await?;
            txn.commit().await?;
            Ok(true)
        });
        if !replaced.await? {
            return Ok(false);
        }
        self.used.lock().remove(&before);
        self.usage.lock().remove(&before);
        self.daily_rows.forget(before);
        Ok(true)
    }

    /// Grants of a space, or of all, each with the one that is in its place now, which has not ended.
    pub async fn replaced_grants(&self, space: Option<SpaceId>) -> Result<Vec<ReplacedGrant>, DirectoryError> {
        let mut find = replaced::Entity::find();
        if let Some(space) = space {
            find = find.filter(replaced::Column::Space.eq(space.as_bytes().to_vec()));
        }
        let all = find.all(&self.db).await?;
        all.into_iter()
            .map(|row| {
                Ok(ReplacedGrant {
                    space: id(&row.space, SpaceId::from_bytes, "dir_replaced_grant")?,
                    before: id(&row.before, GrantId::from_bytes, "dir_replaced_grant")?,
                    now: id(&row.grant_id, GrantId::from_bytes, "dir_replaced_grant")?,
                })
            })
            .collect()
    }

    pub async fn grant_row(&self, grant: GrantId) -> Result<Option<GrantRow>, DirectoryError> {
        let row = grant::Entity::find_by_id(grant.as_bytes().to_vec()).one(&self.db).await?;
        row.map(|row| self.with_use(row)).transpose()
    }

    /// The grants of one person, or of everyone; oldest first.
    pub async fn grant_rows(&self, user: Option<UserId>) -> Result<Vec<GrantRow>, DirectoryError> {
        let mut find = grant::Entity::find().order_by_asc(grant::Column::Created);
        if let Some(user) = user {
            find = find.filter(grant::Column::User.eq(user.as_bytes().to_vec()));
        }
        find.all(&self.db).await?.into_iter().map(|row| self.with_use(row)).collect()
    }

    /// The grants that are about to end: within three days, and in the last quarter of their time.
    pub async fn grants_ending(&self, now: Timestamp) -> Result<Vec<GrantRow>, DirectoryError> {
        let soon = grant::Entity::find()
            .filter(grant::Column::Expires.gt(now.0))
            .filter(grant::Column::Expires.lte(now.0 + ENDING))
            .all(&self.db)
            .await?;
        let rows = soon.into_iter().map(GrantRow::try_from).collect::<Result<Vec<_>, _>>()?;
        let last_quarter = |row: &GrantRow| row.expires.is_some_and(|end| end.0 - now.0 <= (end.0 - row.created.0) / 4);
        Ok(rows.into_iter().filter(last_quarter).collect())
    }

    /// The grants in a space, or in all.
    pub async fn grant_rows_in(&self, space: Option<SpaceId>) -> Result<Vec<GrantRow>, DirectoryError> {
        let mut find = grant::Entity::find();
        if let Some(space) = space {
            find = find.filter(grant::Column::Space.eq(space.as_bytes().to_vec()));
        }
        find.all(&self.db).await?.into_iter().map(|row| self.with_use(row)).collect()
    }

    /// Notes in memory that a grant was used; [`Directory::tend`] writes it.
    pub fn used_grant(&self, grant: GrantId, now: Timestamp) {
        self.used.lock().insert(grant, now);
    }

    /// When a grant was last used, if that is not yet written.
    pub(super) fn last_use(&self, grant: GrantId) -> Option<Timestamp> {
        self.used.lock().get(&grant).copied()
    }

    pub(super) fn with_use(&self, model: grant::Model) -> Result<GrantRow, DirectoryError> {
        let mut row = GrantRow::try_from(model.clone())?;
        row.usage = self.usage_of(row.id, &model);
        row.last_used = self.last_use(row.id).or(row.last_used);
        Ok(row)
    }

    pub(super) async fn write_last_used(&self) -> Result<(), DirectoryError> {
        let used = std::mem::take(&mut *self.used.lock());
        for (grant, at) in used {
            grant::Entity::update_many()
                .col_expr(grant::Column::LastUsed, Expr::value(at.0))
                .filter(grant::Column::Id.eq(grant.as_bytes().to_vec()))
                .exec(&self.db)
                .await?;
            self.link_was_used(grant, at).await?;
        }
        Ok(())
    }

    /// Notes in memory what an answer told under a grant; [`Directory::tend`] writes it.
    pub fn count_usage(&self, grant: GrantId, usage: &Usage) {
        self.usage.lock().entry(grant).or_default().add(usage);
    }

    /// What was used under a grant, with what is not yet written.
    pub(super) fn usage_of(&self, grant: GrantId, row: &grant::Model) -> Usage {
        let mut all = Usage::of(row);
        self.usage.lock().get(&grant).into_iter().for_each(|waiting| all.add(waiting));
        all
    }

    pub(super) async fn write_usage(&self) -> Result<(), DirectoryError> {
        let waiting: HashMap<GrantId, Usage> = std::mem::take(&mut *self.usage.lock());
        for (grant, told) in waiting {
            // A grant that has ended, or one of a link, has no row.
            let Some(row) = grant::Entity::find_by_id(grant.as_bytes().to_vec()).one(&self.db).await? else { continue };
            let mut all = Usage::of(&row);
            all.add(&told);
            let mut row = row.into_active_model();
            all.keep_in(&mut row);
            match row.update(&self.db).await {
                // It was taken back meanwhile.
                Ok(_) | Err(DbErr::RecordNotUpdated) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use policy_core::FieldId;

    use super::super::codes::NewCode;
    use super::super::on_each_backend;
    use super::super::refresh::Rotation;
    use super::super::refresh::tests::noted;
    use super::super::waiting::Polled;
    use super::*;

    #[tokio::test]
    async fn what_was_used_is_counted_before_and_after_it_is_written() {
        for directory in on_each_backend().await {
            let grant = noted(&directory, None).await.id;
            let field = |n: u8| FieldId::from_bytes([n; 16]);
            let told = |n: u8| Usage { requests: 1, rows: 3, bytes: 100, fields: [field(n)].into() };
            let known = async || directory.grant_row(grant).await.unwrap().unwrap().usage;
            assert_eq!(known().await, Usage::default());
            directory.count_usage(grant, &told(1));
            directory.count_usage(GrantId::from_bytes([9; 16]), &told(1));
            assert_eq!(known().await, told(1));
            directory.tend(Timestamp::from_seconds(10)).await.unwrap();
            assert_eq!(known().await, told(1), "written");
            directory.count_usage(grant, &told(2));
            let both = Usage { requests: 2, rows: 6, bytes: 200, fields: [field(1), field(2)].into() };
            assert_eq!(known().await, both);
            directory.tend(Timestamp::from_seconds(20)).await.unwrap();
            assert_eq!(known().await, both);
        }
    }

    #[tokio::test]
    async fn what_was_issued_lasts_as_long_as_the_grant_that_takes_the_place_of_its_own() {
        const DAY: i64 = 86_400;
        for directory in on_each_backend().await {
            let at = Timestamp::from_seconds;
            let grant = noted(&directory, None).await;
            let pair = directory.first_pair(&grant, at(100)).await.unwrap().unwrap();
            let to = async |before: &GrantRow, now: i64, end: Option<i64>| {
                let id = Directory::new_grant_id();
                let row = GrantRow { id, created: at(now), expires: end.map(at), ..before.clone() };
                assert!(directory.replace_grant(before.id, &row).await.unwrap());
                row
            };
            let opens = async |text: &str, now: i64| directory.token(text, at(now)).await.unwrap().is_some();
            let short = to(&grant, 101, Some(200)).await;
            assert!(opens(pair.access.text(), 199).await, "control");
            assert!(!opens(pair.access.text(), 200).await);
            let refused = directory.rotate(pair.refresh.text(), grant.client, at(200)).await.unwrap();
            assert!(matches!(refused, Rotation::Refused), "{refused:?}");
            // Longer: the app that has not refreshed meanwhile can for as long as any.
            let long = to(&short, 150, Some(30 * DAY)).await;
            let later = at(20 * DAY);
            let Rotation::Rotated(next) = directory.rotate(pair.refresh.text(), grant.client, later).await.unwrap()
            else {
                panic!("its refresh token lasts as long as the grant")
            };
            assert_eq!(next.grant.id, long.id);
            assert!(!directory.replace_grant(grant.id, &short).await.unwrap(), "it is gone");
            // All that were there lead to the one that is, for as long as that is.
            let now = async || {
                let all = directory.replaced_grants(Some(grant.space)).await.unwrap();
                all.into_iter().map(|one| (one.before, one.now)).collect::<HashMap<_, _>>()
            };
            assert_eq!(now().await, HashMap::from([(grant.id, long.id), (short.id, long.id)]));
            directory.end_grant(long.id).await.unwrap();
            assert_eq!(now().await, HashMap::new());
        }
    }

    #[tokio::test]
    async fn what_is_exchanged_while_another_grant_takes_its_place_is_followed_and_nothing_is_reused() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(100);
            let mut grant = noted(&directory, None).await;
            let first = directory.first_pair(&grant, now).await.unwrap().unwrap();
            let mut text = first.refresh.text().to_owned();
            for _ in 0..50 {
                let row = GrantRow { id: Directory::new_grant_id(), ..grant.clone() };
                let client = grant.client;
                let code = NewCode {
                    user: grant.user,
                    client,
                    grant: Some(grant.id),
                    redirect_uri: String::new(),
                    challenge: String::new(),
                    openid: None,
                    key: None,
                };
                let codes = directory.await_person((client, false), "here", "a=b", now).await.unwrap();
                let device = directory.waiting(&codes.user, now).await.unwrap().unwrap();
                assert!(directory.answer_device(&device).await.unwrap());
                assert!(directory.allow_device(&device, &code).await.unwrap());
                let (rotated, replaced, polled) = tokio::join!(
                    directory.rotate(&text, client, now),
                    directory.replace_grant(grant.id, &row),
                    directory.poll_device(codes.device.text(), client, None, now),
                );
                assert!(replaced.unwrap(), "control");
                let rotated = rotated.unwrap();
                let Rotation::Rotated(pair) = rotated else { panic!("{rotated:?}") };
                let Polled::Allowed(code) = polled.unwrap() else { panic!("it was let in") };
                assert_eq!(directory.grant_of_code(code.text()).await.unwrap(), Some(row.id));
                text = pair.refresh.text().to_owned();
                grant = row;
            }
            // Where the grant is gone, nothing is marked.
            directory.end_grant(grant.id).await.unwrap();
            assert!(matches!(directory.rotate(&text, grant.client, now).await.unwrap(), Rotation::Refused));
        }
    }
}
