//! What the node keeps of a link beside its grant, which lies in its space. Of its token there is only the hash.

use policy_core::{GrantId, SpaceId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Set};

use super::tables::{link, token};
use super::{Directory, DirectoryError, id};

/// Bookkeeping of one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    pub grant: GrantId,
    pub user: UserId,
    pub space: SpaceId,
    pub created: Timestamp,
    pub last_used: Option<Timestamp>,
}

impl TryFrom<link::Model> for LinkRow {
    type Error = DirectoryError;
    fn try_from(row: link::Model) -> Result<Self, DirectoryError> {
        Ok(LinkRow {
            grant: id(&row.grant_id, GrantId::from_bytes, "dir_link")?,
            user: id(&row.user, UserId::from_bytes, "dir_link")?,
            space: id(&row.space, SpaceId::from_bytes, "dir_link")?,
            created: Timestamp(row.created),
            last_used: row.last_used.map(Timestamp),
        })
    }
}

pub(super) async fn insert(db: &impl ConnectionTrait, new: &LinkRow) -> Result<(), DirectoryError> {
    let row = link::ActiveModel {
        grant_id: Set(new.grant.as_bytes().to_vec()),
        user: Set(new.user.as_bytes().to_vec()),
        space: Set(new.space.as_bytes().to_vec()),
        created: Set(new.created.0),
        last_used: Set(new.last_used.map(|at| at.0)),
    };
    link::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

impl Directory {
    pub async fn link_row(&self, grant: GrantId) -> Result<Option<LinkRow>, DirectoryError> {
        let Some(row) = link::Entity::find_by_id(grant.as_bytes().to_vec()).one(&self.db).await? else {
            return Ok(None);
        };
        let mut row = LinkRow::try_from(row)?;
        row.last_used = self.last_use(grant).or(row.last_used);
        Ok(Some(row))
    }

    /// Links whose token has lapsed or is gone, at most `most`.
    pub async fn lapsed_links(&self, now: Timestamp, most: u64) -> Result<Vec<LinkRow>, DirectoryError> {
        let good = token::Entity::find()
            .select_only()
            .column(token::Column::GrantId)
            .filter(token::Column::GrantId.is_not_null())
            .filter(token::Column::Expires.gt(now.0))
            .into_query();
        let gone = link::Entity::find().filter(link::Column::GrantId.not_in_subquery(good)).limit(most);
        gone.all(&self.db).await?.into_iter().map(LinkRow::try_from).collect()
    }

    /// Writes when a link was last used, if the grant is one of a link.
    pub(super) async fn link_was_used(&self, grant: GrantId, at: Timestamp) -> Result<(), DirectoryError> {
        link::Entity::update_many()
            .col_expr(link::Column::LastUsed, Expr::value(at.0))
            .filter(link::Column::GrantId.eq(grant.as_bytes().to_vec()))
            .exec(&self.db)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Secret, on_each_backend};
    use super::*;

    #[tokio::test]
    async fn links_lapse_with_their_tokens() {
        for directory in on_each_backend().await {
            let at = Timestamp::from_seconds;
            let row = |n: u8| LinkRow {
                grant: GrantId::from_bytes([n; 16]),
                user: UserId::from_bytes([1; 16]),
                space: SpaceId::from_bytes([2; 16]),
                created: at(100),
                last_used: None,
            };
            for (n, until) in [(1, None), (2, Some(at(200))), (3, Some(at(300)))] {
                directory.open_link(&Secret::draw(), &row(n), until).await.unwrap();
            }
            directory.open_session(row(1).user, at(100), 1, None).await.unwrap();
            assert_eq!(directory.lapsed_links(at(150), 10).await.unwrap(), []);
            assert_eq!(directory.lapsed_links(at(200), 10).await.unwrap(), [row(2)]);
            directory.tend(at(400)).await.unwrap();
            assert_eq!(directory.lapsed_links(at(400), 10).await.unwrap(), [row(2), row(3)], "their tokens are gone");
            assert_eq!(directory.lapsed_links(at(400), 1).await.unwrap().len(), 1);
            directory.end_grant(row(2).grant).await.unwrap();
            assert_eq!(directory.lapsed_links(at(400), 10).await.unwrap(), [row(3)]);
        }
    }
}
