//! What the node keeps of a link beside its grant, which lies in its space. Of its token there is only the hash.

use policy_core::{GrantId, SpaceId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};

use super::tables::link;
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
        let used = self.last_use(grant).or(row.last_used.map(Timestamp));
        Ok(Some(LinkRow {
            grant,
            user: id(&row.user, UserId::from_bytes, "dir_link")?,
            space: id(&row.space, SpaceId::from_bytes, "dir_link")?,
            created: Timestamp(row.created),
            last_used: used,
        }))
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
