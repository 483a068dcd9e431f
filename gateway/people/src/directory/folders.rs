//! Folders of documents. A document may lie in several, all of its collection; a folder lies in one at most.

use policy_core::{CollectionId, DocId, FolderId, SpaceId, Timestamp};
use sea_orm::sea_query::{Expr, OnConflict, Query};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set, TransactionTrait};

use super::quotas::{Maker, QuotaKind};
use super::tables::{filing, folder};
use super::{Directory, DirectoryError, id};

/// Folders of one collection.
const MAX_FOLDERS: u64 = 10_000;
/// Documents in one folder.
pub const MAX_FILED_DOCUMENTS: u64 = 100_000;
/// Rows of one statement.
const ROWS: usize = 200;

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    pub id: FolderId,
    pub space: SpaceId,
    pub collection: CollectionId,
    pub parent: Option<FolderId>,
    pub name: String,
    pub created: Timestamp,
}

impl TryFrom<folder::Model> for Folder {
    type Error = DirectoryError;
    fn try_from(row: folder::Model) -> Result<Self, DirectoryError> {
        const TABLE: &str = "dir_folder";
        Ok(Folder {
            id: id(&row.id, FolderId::from_bytes, TABLE)?,
            space: id(&row.space, SpaceId::from_bytes, TABLE)?,
            collection: id(&row.collection, CollectionId::from_bytes, TABLE)?,
            parent: row.parent.map(|parent| id(&parent, FolderId::from_bytes, TABLE)).transpose()?,
            name: row.name,
            created: Timestamp(row.created),
        })
    }
}

fn document(row: &filing::Model) -> Result<DocId, DirectoryError> {
    id(&row.document, DocId::from_bytes, "dir_filing")
}

fn stored(spaces: &[SpaceId]) -> Vec<Vec<u8>> {
    spaces.iter().map(|space| space.as_bytes().to_vec()).collect()
}

impl Directory {
    /// Refuses one more folder in these spaces, which are all of the maker's, if they may not have so many.
    pub async fn room_for_folder(&self, maker: &Maker, spaces: &[SpaceId]) -> Result<(), DirectoryError> {
        let mut held = 0;
        for some in spaces.chunks(ROWS) {
            let here = folder::Entity::find().filter(folder::Column::Space.is_in(stored(some)));
            held += here.count(&self.db).await?;
        }
        self.room(maker, QuotaKind::Folders, held, 1).await
    }

    /// Refuses these documents in a folder beside what lies in the folders of these spaces, which are all of the maker's, if
    /// that may not be so much. What lies there already takes no room again.
    pub async fn room_for_filings(
        &self,
        maker: &Maker,
        spaces: &[SpaceId],
        into: FolderId,
        documents: &[DocId],
    ) -> Result<(), DirectoryError> {
        let (mut held, mut there) = (0, 0);
        for some in spaces.chunks(ROWS) {
            let mut folders = Query::select();
            folders
                .column(folder::Column::Id)
                .from(folder::Entity)
                .and_where(folder::Column::Space.is_in(stored(some)));
            let here = filing::Entity::find().filter(filing::Column::Folder.in_subquery(folders));
            held += here.count(&self.db).await?;
        }
        for some in documents.chunks(ROWS) {
            let among = filing::Column::Document.is_in(some.iter().map(|document| document.as_bytes().to_vec()));
            let here = filing::Entity::find().filter(filing::Column::Folder.eq(into.as_bytes().to_vec()));
            there += here.filter(among).count(&self.db).await?;
        }
        match documents.len() as u64 - there {
            0 => Ok(()),
            new => self.room(maker, QuotaKind::Filings, held, new).await,
        }
    }

    /// Notes a new folder.
    pub async fn add_folder(&self, new: &Folder) -> Result<(), DirectoryError> {
        let beside = folder::Entity::find()
            .filter(folder::Column::Space.eq(new.space.as_bytes().to_vec()))
            .filter(folder::Column::Collection.eq(new.collection.as_bytes().to_vec()));
        if beside.count(&self.db).await? >= MAX_FOLDERS {
            return Err(DirectoryError::Unfit("A collection has at most 10,000 folders."));
        }
        let row = folder::ActiveModel {
            id: Set(new.id.as_bytes().to_vec()),
            space: Set(new.space.as_bytes().to_vec()),
            collection: Set(new.collection.as_bytes().to_vec()),
            parent: Set(new.parent.map(|parent| parent.as_bytes().to_vec())),
            name: Set(new.name.clone()),
            created: Set(new.created.0),
        };
        folder::Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok(())
    }

    pub async fn folder(&self, folder: FolderId) -> Result<Option<Folder>, DirectoryError> {
        let row = folder::Entity::find_by_id(folder.as_bytes().to_vec()).one(&self.db).await?;
        row.map(Folder::try_from).transpose()
    }

    /// The folders of a space (of one collection, if it is named), by name.
    pub async fn folders_in(
        &self,
        space: SpaceId,
        collection: Option<CollectionId>,
    ) -> Result<Vec<Folder>, DirectoryError> {
        let mut find = folder::Entity::find().filter(folder::Column::Space.eq(space.as_bytes().to_vec()));
        if let Some(collection) = collection {
            find = find.filter(folder::Column::Collection.eq(collection.as_bytes().to_vec()));
        }
        let rows = find.order_by_asc(folder::Column::Name).order_by_asc(folder::Column::Id).all(&self.db).await?;
        rows.into_iter().map(Folder::try_from).collect()
    }

    /// How many folders lie around a new one in `parent`, itself counted.
    pub async fn folder_depth(&self, parent: Option<FolderId>, most: usize) -> Result<usize, DirectoryError> {
        let (mut depth, mut around) = (1, parent);
        while let Some(folder) = around {
            depth += 1;
            if depth > most {
                break;
            }
            around = self.folder(folder).await?.and_then(|folder| folder.parent);
        }
        Ok(depth)
    }

    /// Whether any folder lies in this one.
    pub async fn has_folders(&self, folder: FolderId) -> Result<bool, DirectoryError> {
        let inner = folder::Entity::find().filter(folder::Column::Parent.eq(folder.as_bytes().to_vec()));
        Ok(inner.count(&self.db).await? > 0)
    }

    /// Forgets a folder and what lay in it.
    pub async fn remove_folder(&self, folder: FolderId) -> Result<(), DirectoryError> {
        let bytes = folder.as_bytes().to_vec();
        let txn = self.db.begin().await?;
        // The folder first, as whoever files in it does.
        folder::Entity::delete_by_id(bytes.clone()).exec(&txn).await?;
        filing::Entity::delete_many().filter(filing::Column::Folder.eq(bytes)).exec(&txn).await?;
        Ok(txn.commit().await?)
    }

    /// Notes that documents lie in a folder; again is no change. Those that did not lie there before.
    pub async fn file(
        &self,
        folder: &Folder,
        documents: &[DocId],
        now: Timestamp,
    ) -> Result<Vec<DocId>, DirectoryError> {
        let of_folder = filing::Column::Folder.eq(folder.id.as_bytes().to_vec());
        let filed = filing::Entity::find().filter(of_folder.clone()).count(&self.db).await?;
        if filed.saturating_add(documents.len() as u64) > MAX_FILED_DOCUMENTS {
            return Err(DirectoryError::Unfit("A folder holds at most 100,000 documents."));
        }
        let row = |document: &DocId| filing::ActiveModel {
            folder: Set(folder.id.as_bytes().to_vec()),
            document: Set(document.as_bytes().to_vec()),
            collection: Set(folder.collection.as_bytes().to_vec()),
            created: Set(now.0),
        };
        let known = OnConflict::columns([filing::Column::Folder, filing::Column::Document]).do_nothing().to_owned();
        let txn = self.db.begin().await?;
        // Written before anything is read: SQLite lets nobody write who has read before another wrote.
        folder::Entity::update_many()
            .col_expr(folder::Column::Created, Expr::col(folder::Column::Created))
            .filter(folder::Column::Id.eq(folder.id.as_bytes().to_vec()))
            .exec(&txn)
            .await?;
        let mut new = Vec::new();
        for some in documents.chunks(ROWS) {
            let among = filing::Column::Document.is_in(some.iter().map(|document| document.as_bytes().to_vec()));
            let there = filing::Entity::find().filter(of_folder.clone()).filter(among).all(&txn).await?;
            let there: Vec<DocId> = there.iter().map(document).collect::<Result<_, _>>()?;
            new.extend(some.iter().filter(|document| !there.contains(document)));
            let rows = filing::Entity::insert_many(some.iter().map(row)).on_conflict(known.clone());
            rows.exec_without_returning(&txn).await?;
        }
        txn.commit().await?;
        Ok(new)
    }

    /// Whether it lay there.
    pub async fn unfile(&self, folder: FolderId, document: DocId) -> Result<bool, DirectoryError> {
        let key = (folder.as_bytes().to_vec(), document.as_bytes().to_vec());
        Ok(filing::Entity::delete_by_id(key).exec(&self.db).await?.rows_affected > 0)
    }

    /// The documents in a folder after `after`, ascending, at most `most`.
    pub async fn filed(&self, folder: FolderId, after: Option<DocId>, most: u64) -> Result<Vec<DocId>, DirectoryError> {
        let mut find = filing::Entity::find().filter(filing::Column::Folder.eq(folder.as_bytes().to_vec()));
        if let Some(after) = after {
            find = find.filter(filing::Column::Document.gt(after.as_bytes().to_vec()));
        }
        let rows = find.order_by_asc(filing::Column::Document).limit(most).all(&self.db).await?;
        rows.iter().map(document).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{beside_a_writer, in_a_file, on_each_backend};
    use super::*;

    #[tokio::test]
    async fn documents_are_filed_and_folders_removed_while_somebody_else_writes() {
        let (directory, _dir) = in_a_file().await;
        let folder = Folder {
            id: FolderId::from_bytes([1; 16]),
            space: SpaceId::from_bytes([1; 16]),
            collection: CollectionId::from_bytes([2; 16]),
            parent: None,
            name: "folder".to_owned(),
            created: Timestamp(5),
        };
        directory.add_folder(&folder).await.unwrap();
        let docs = [DocId::from_bytes([3; 16])];
        assert_eq!(beside_a_writer(&directory, directory.file(&folder, &docs, Timestamp(6))).await.unwrap(), docs);
        beside_a_writer(&directory, directory.remove_folder(folder.id)).await.unwrap();
        assert!(directory.filed(folder.id, None, 9).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn documents_lie_in_folders_and_folders_in_one_another() {
        for directory in on_each_backend().await {
            let (space, books) = (SpaceId::from_bytes([1; 16]), CollectionId::from_bytes([2; 16]));
            let folder = |n: u8, parent: Option<FolderId>| Folder {
                id: FolderId::from_bytes([n; 16]),
                space,
                collection: books,
                parent,
                name: format!("folder {n}"),
                created: Timestamp(5),
            };
            let outer = folder(1, None);
            let inner = folder(2, Some(outer.id));
            for one in [&inner, &outer] {
                directory.add_folder(one).await.unwrap();
            }
            assert_eq!(directory.folders_in(space, Some(books)).await.unwrap(), [outer.clone(), inner.clone()]);
            assert_eq!(directory.folder_depth(None, 20).await.unwrap(), 1);
            assert_eq!(directory.folder_depth(Some(inner.id), 20).await.unwrap(), 3);
            assert!(directory.has_folders(outer.id).await.unwrap() && !directory.has_folders(inner.id).await.unwrap());
            let doc = |n: u8| DocId::from_bytes([n; 16]);
            let file = async |docs: &[DocId]| directory.file(&inner, docs, Timestamp(6)).await.unwrap();
            assert_eq!(file(&[doc(3), doc(1), doc(2)]).await, [doc(3), doc(1), doc(2)]);
            assert_eq!(file(&[doc(1), doc(4)]).await, [doc(4)]);
            assert_eq!(directory.filed(inner.id, None, 3).await.unwrap(), [doc(1), doc(2), doc(3)]);
            assert_eq!(directory.filed(inner.id, Some(doc(3)), 3).await.unwrap(), [doc(4)]);
            assert!(directory.unfile(inner.id, doc(1)).await.unwrap());
            assert!(!directory.unfile(inner.id, doc(1)).await.unwrap());
            directory.remove_folder(inner.id).await.unwrap();
            assert!(directory.filed(inner.id, None, 9).await.unwrap().is_empty());
            assert_eq!(directory.folder(inner.id).await.unwrap(), None);
        }
    }
}
