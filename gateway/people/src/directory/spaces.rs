//! What spaces are called, as far as the node knows: lists of spaces are answered without opening their views.

use policy_core::SpaceId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::tables::space;
use super::{Directory, DirectoryError, id};

/// What is known of a space without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceRow {
    pub id: SpaceId,
    pub name: String,
    pub personal: bool,
}

/// Ids in one statement.
const IDS: usize = 500;

impl Directory {
    /// Notes what a space is called.
    pub async fn note_space(&self, new: &SpaceRow) -> Result<(), DirectoryError> {
        let row = space::ActiveModel {
            id: Set(new.id.as_bytes().to_vec()),
            name: Set(new.name.clone()),
            personal: Set(new.personal),
        };
        let known = OnConflict::column(space::Column::Id)
            .update_columns([space::Column::Name, space::Column::Personal])
            .to_owned();
        space::Entity::insert(row).on_conflict(known).exec_without_returning(&self.db).await?;
        Ok(())
    }

    /// Those of these spaces that are noted, in no order.
    pub async fn noted_spaces(&self, ids: &[SpaceId]) -> Result<Vec<SpaceRow>, DirectoryError> {
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(IDS) {
            let some = some.iter().map(|id| id.as_bytes().to_vec());
            for row in space::Entity::find().filter(space::Column::Id.is_in(some)).all(&self.db).await? {
                let id = id(&row.id, SpaceId::from_bytes, "dir_space")?;
                found.push(SpaceRow { id, name: row.name, personal: row.personal });
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;

    #[tokio::test]
    async fn a_space_is_noted_once_and_by_its_newest_name() {
        for directory in on_each_backend().await {
            let row =
                |n: u8, name: &str| SpaceRow { id: SpaceId::from_bytes([n; 16]), name: name.into(), personal: n == 1 };
            for one in [row(1, "Personal"), row(2, "old"), row(2, "new")] {
                directory.note_space(&one).await.unwrap();
            }
            let ids: Vec<_> = (0..4).map(|n| SpaceId::from_bytes([n; 16])).collect();
            let mut found = directory.noted_spaces(&ids).await.unwrap();
            found.sort_by_key(|row| row.id);
            assert_eq!(found, [row(1, "Personal"), row(2, "new")]);
        }
    }
}
