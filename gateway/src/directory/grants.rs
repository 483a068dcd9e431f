//! What the node keeps of a grant beside the grant itself, which lies in its space: who uses it, and when.

use policy_core::{ClientId, GrantId, SpaceId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set};

use super::tables::grant;
use super::{Directory, DirectoryError, id};

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
}

impl TryFrom<grant::Model> for GrantRow {
    type Error = DirectoryError;
    fn try_from(row: grant::Model) -> Result<Self, DirectoryError> {
        Ok(GrantRow {
            id: id(&row.id, GrantId::from_bytes, "dir_grant")?,
            user: id(&row.user, UserId::from_bytes, "dir_grant")?,
            client: id(&row.client, ClientId::from_bytes, "dir_grant")?,
            space: id(&row.space, SpaceId::from_bytes, "dir_grant")?,
            field_order: row.field_order,
            created: Timestamp(row.created),
            expires: row.expires.map(Timestamp),
            last_used: row.last_used.map(Timestamp),
        })
    }
}

impl Directory {
    /// Notes a grant that is in force.
    pub async fn note_grant(&self, noted: &GrantRow) -> Result<(), DirectoryError> {
        let row = grant::ActiveModel {
            id: Set(noted.id.as_bytes().to_vec()),
            user: Set(noted.user.as_bytes().to_vec()),
            client: Set(noted.client.as_bytes().to_vec()),
            space: Set(noted.space.as_bytes().to_vec()),
            field_order: Set(noted.field_order.clone()),
            created: Set(noted.created.0),
            expires: Set(noted.expires.map(|at| at.0)),
            last_used: Set(noted.last_used.map(|at| at.0)),
        };
        grant::Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok(())
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

    /// Notes in memory that a grant was used; [`Directory::tend`] writes it.
    pub fn used_grant(&self, grant: GrantId, now: Timestamp) {
        self.used.lock().insert(grant, now);
    }

    /// When a grant was last used, if that is not yet written.
    pub(super) fn last_use(&self, grant: GrantId) -> Option<Timestamp> {
        self.used.lock().get(&grant).copied()
    }

    fn with_use(&self, row: grant::Model) -> Result<GrantRow, DirectoryError> {
        let mut row = GrantRow::try_from(row)?;
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
}
