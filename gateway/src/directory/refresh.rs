//! Pairs of access and refresh token, and their rotation (OAuth 2.1, section 4.3.1): a refresh token
//! is good once, and its second use ends the whole family.

use policy_core::{ClientId, GrantId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set, TransactionTrait};

use super::tables::{grant, refresh, token};
use super::tokens::row;
use super::{Directory, DirectoryError, Family, GrantRow, Kind, Secret, SecretHash, Token, id};

/// An access token lasts an hour, in seconds.
const ACCESS: i64 = 3_600;
/// A refresh token lasts ninety days unless it is used, in seconds.
const REFRESH: i64 = 90 * 86_400;

/// What an app gets.
#[derive(Debug)]
pub struct Pair {
    pub access: Secret,
    pub refresh: Secret,
    pub expires: Timestamp,
    pub grant: GrantRow,
}

/// What came of a refresh token.
#[derive(Debug)]
pub enum Rotation {
    Rotated(Pair),
    /// Unknown, lapsed, another app's, or its grant is gone.
    Refused,
    /// Used a second time: the family is dead. Tokens were ended, so the policy epoch must move.
    Reused {
        user: UserId,
        grant: GrantId,
    },
}

/// Whose tokens they are.
struct Holder {
    user: UserId,
    client: ClientId,
    grant: GrantId,
    family: Family,
}

impl Directory {
    /// The first pair of a grant; `None` if the grant is gone.
    pub async fn first_pair(&self, grant: &GrantRow, now: Timestamp) -> Result<Option<Pair>, DirectoryError> {
        let holder = Holder { user: grant.user, client: grant.client, grant: grant.id, family: Family::draw() };
        let txn = self.db.begin().await?;
        let pair = pair(&txn, &holder, now).await?;
        txn.commit().await?;
        Ok(pair)
    }

    /// Exchanges a refresh token of `client` for a new pair.
    pub async fn rotate(&self, text: &str, client: ClientId, now: Timestamp) -> Result<Rotation, DirectoryError> {
        let hash = SecretHash::of(text).0.to_vec();
        let found = refresh::Entity::find_by_id(hash.clone()).one(&self.db).await?;
        let Some(found) = found.filter(|found| found.client == client.as_bytes() && found.expires > now.0) else {
            return Ok(Rotation::Refused);
        };
        let holder = Holder {
            user: id(&found.user, UserId::from_bytes, "dir_refresh")?,
            client,
            grant: id(&found.grant_id, GrantId::from_bytes, "dir_refresh")?,
            family: id(&found.family, Family, "dir_refresh")?,
        };
        let txn = self.db.begin().await?;
        // Marking and issuing are one step: whoever sees the mark can end all that was issued.
        let marked = refresh::Entity::update_many()
            .col_expr(refresh::Column::Used, Expr::value(now.0))
            .filter(refresh::Column::Hash.eq(hash.clone()))
            .filter(refresh::Column::Used.is_null())
            .exec(&txn)
            .await?;
        if marked.rows_affected == 1 {
            let pair = pair(&txn, &holder, now).await?;
            txn.commit().await?;
            return Ok(pair.map_or(Rotation::Refused, Rotation::Rotated));
        }
        txn.rollback().await?;
        if refresh::Entity::find_by_id(hash).one(&self.db).await?.is_none() {
            return Ok(Rotation::Refused);
        }
        self.end_family(holder.family).await?;
        Ok(Rotation::Reused { user: holder.user, grant: holder.grant })
    }

    /// The family and holder of a refresh token of this app, used or not.
    pub async fn refresh_family(&self, text: &str, client: ClientId) -> Result<Option<Family>, DirectoryError> {
        let found = refresh::Entity::find_by_id(SecretHash::of(text).0.to_vec()).one(&self.db).await?;
        let family = found.filter(|found| found.client == client.as_bytes());
        family.map(|found| id(&found.family, Family, "dir_refresh")).transpose()
    }
}

async fn pair(db: &impl ConnectionTrait, holder: &Holder, now: Timestamp) -> Result<Option<Pair>, DirectoryError> {
    // Touching the grant's row orders this against a revocation, which deletes the row first.
    let touched = grant::Entity::update_many()
        .col_expr(grant::Column::Created, Expr::col(grant::Column::Created))
        .filter(grant::Column::Id.eq(holder.grant.as_bytes().to_vec()))
        .exec(db)
        .await?;
    if touched.rows_affected != 1 {
        return Ok(None);
    }
    let found = grant::Entity::find_by_id(holder.grant.as_bytes().to_vec()).one(db).await?;
    let Some(found) = found else { return Ok(None) };
    let grant = GrantRow::try_from(found)?;
    let end = grant.expires.unwrap_or(Timestamp(i64::MAX));
    if end <= now {
        return Ok(None);
    }
    let after = |seconds: i64| Timestamp(now.0 + seconds * 1_000_000).min(end);
    let (access, next, expires) = (Secret::draw(), Secret::draw(), after(ACCESS));
    let kind = Kind::Access { client: holder.client, grant: holder.grant, family: holder.family };
    let token = Token { hash: access.hash(), user: holder.user, kind, created: now, expires };
    token::Entity::insert(row(&token)).exec_without_returning(db).await?;
    let row = refresh::ActiveModel {
        hash: Set(next.hash().0.to_vec()),
        user: Set(holder.user.as_bytes().to_vec()),
        client: Set(holder.client.as_bytes().to_vec()),
        grant_id: Set(holder.grant.as_bytes().to_vec()),
        family: Set(holder.family.0.to_vec()),
        expires: Set(after(REFRESH).0),
        used: Set(None),
    };
    refresh::Entity::insert(row).exec_without_returning(db).await?;
    Ok(Some(Pair { access, refresh: next, expires, grant }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::on_each_backend;
    use super::*;
    use policy_core::SpaceId;

    pub(in super::super) async fn noted(directory: &Directory, expires: Option<Timestamp>) -> GrantRow {
        let row = GrantRow {
            id: Directory::new_grant_id(),
            user: UserId::from_bytes([1; 16]),
            client: ClientId::from_bytes([2; 16]),
            space: SpaceId::from_bytes([3; 16]),
            field_order: String::new(),
            created: Timestamp::from_seconds(10),
            expires,
            last_used: None,
        };
        directory.note_grant(&row).await.unwrap();
        row
    }

    #[tokio::test]
    async fn a_refresh_token_is_good_once_and_its_second_use_ends_the_family() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(100);
            let grant = noted(&directory, None).await;
            let first = directory.first_pair(&grant, now).await.unwrap().unwrap();
            let bystander = directory.first_pair(&grant, now).await.unwrap().unwrap();
            let stranger = ClientId::from_bytes([9; 16]);
            assert!(matches!(directory.rotate(first.refresh.text(), stranger, now).await.unwrap(), Rotation::Refused));
            let Rotation::Rotated(second) = directory.rotate(first.refresh.text(), grant.client, now).await.unwrap()
            else {
                panic!("a fresh refresh token rotates")
            };
            for pair in [&first, &second] {
                assert!(directory.token(pair.access.text(), now).await.unwrap().is_some());
            }
            let again = directory.rotate(first.refresh.text(), grant.client, now).await.unwrap();
            assert!(matches!(again, Rotation::Reused { .. }), "{again:?}");
            for pair in [&first, &second] {
                assert_eq!(directory.token(pair.access.text(), now).await.unwrap(), None);
            }
            assert!(matches!(
                directory.rotate(second.refresh.text(), grant.client, now).await.unwrap(),
                Rotation::Refused
            ));
            assert!(directory.token(bystander.access.text(), now).await.unwrap().is_some(), "control: another family");
            directory.end_grant(grant.id).await.unwrap();
            assert_eq!(directory.token(bystander.access.text(), now).await.unwrap(), None);
            let gone = directory.rotate(bystander.refresh.text(), grant.client, now).await.unwrap();
            assert!(matches!(gone, Rotation::Refused));
            assert!(directory.first_pair(&grant, now).await.unwrap().is_none(), "no tokens for a grant that is gone");
        }
    }

    #[tokio::test]
    async fn tokens_do_not_outlive_their_grant_and_use_is_noted() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(100);
            let end = Timestamp::from_seconds(160);
            let grant = noted(&directory, Some(end)).await;
            let pair = directory.first_pair(&grant, now).await.unwrap().unwrap();
            assert_eq!(pair.expires, end);
            assert_eq!(directory.token(pair.access.text(), end).await.unwrap(), None);
            assert!(matches!(
                directory.rotate(pair.refresh.text(), grant.client, end).await.unwrap(),
                Rotation::Refused
            ));
            directory.used_grant(grant.id, Timestamp::from_seconds(120));
            let noted = || async { directory.grant_rows(Some(grant.user)).await.unwrap()[0].last_used };
            assert_eq!(noted().await, Some(Timestamp::from_seconds(120)));
            directory.tend(now).await.unwrap();
            assert_eq!(noted().await, Some(Timestamp::from_seconds(120)));
        }
    }
}
