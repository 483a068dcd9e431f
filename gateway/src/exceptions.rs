//! Documents with relationships of their own. Policy holds an edge to the collection for these documents only, and
//! a mark on the collection while there are any.

use std::collections::{BTreeMap, BTreeSet};

use policy::PolicyError;
use policy::facts::Thing;
use policy_core::{CollectionId, Context, DocId, Tuple};

use crate::app::App;
use crate::directory::DirectoryError;

/// Relationships of one change.
pub const CHANGES: usize = 5_000;

/// Why policy does not follow the rows of the directory.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// What a document needs in policy before anything else is said of it.
pub fn needs(collection: CollectionId, document: DocId) -> [Tuple; 2] {
    [Thing::exceptional(collection), Thing::within(collection, document)]
}

/// The documents among things, by their collection.
pub fn documents(things: impl IntoIterator<Item = Thing>) -> BTreeMap<CollectionId, BTreeSet<DocId>> {
    let mut found = BTreeMap::<_, BTreeSet<DocId>>::new();
    for thing in things {
        if let Thing::Document(collection, document) = thing {
            found.entry(collection).or_default().insert(document);
        }
    }
    found
}

impl App {
    /// Takes the edges of documents that stand out no more out of policy, and the mark of a collection without any.
    /// What is left if this fails takes nothing from anybody and gives nobody anything. The caller holds
    /// `sharing`.
    pub async fn forget_exceptions(
        &self,
        collection: CollectionId,
        documents: impl IntoIterator<Item = DocId>,
        by: Context,
    ) -> Result<(), FollowError> {
        let documents: Vec<DocId> = documents.into_iter().collect();
        let out = self.directory.standing_out(collection, &documents).await?;
        let gone = documents.iter().filter(|document| !out.contains(document));
        let mut gone: Vec<Tuple> = gone.map(|document| Thing::within(collection, *document)).collect();
        if !self.directory.has_exceptions(collection).await? {
            gone.push(Thing::exceptional(collection));
        }
        for some in gone.chunks(CHANGES) {
            self.policy.write_by(Vec::new(), some.to_vec(), by.clone()).await?;
        }
        Ok(())
    }
}
