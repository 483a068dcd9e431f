//! Documents with relationships of their own. Each has an edge to its collection beside them, and the collection a
//! mark, for as long as there is any: nobody looks for single documents where there is none.

use std::collections::BTreeSet;

use policy_core::{CollectionId, Context, DocId, Filter, Timestamp, Tuple, Tuples};

use super::Embedded;
use crate::clock::wall_clock;
use crate::facts::Thing;
use crate::store::Change;
use crate::{MAX_CHANGES, PolicyError};

/// What has to be put with these relationships, because they are of documents.
pub(super) fn marks(put: &[Tuple]) -> Vec<Tuple> {
    let documents: BTreeSet<(CollectionId, DocId)> =
        put.iter().filter_map(|tuple| Thing::document_of(&tuple.resource)).collect();
    let collections: BTreeSet<CollectionId> = documents.iter().map(|(collection, _)| *collection).collect();
    let within = documents.into_iter().map(|(collection, document)| Thing::within(collection, document));
    collections.into_iter().map(Thing::exceptional).chain(within).collect()
}

/// Whether a filter selects anything but edges from documents to their collections.
fn stands_out(tuples: &Tuples, filter: &Filter, now: Timestamp) -> bool {
    tuples.select(filter, now).any(|tuple| tuple.relation != "collection")
}

impl Embedded {
    /// Takes away the edges of those of the documents that have nothing else any more, and the mark of a collection
    /// that has no such document.
    ///
    /// # Errors
    /// If it cannot be stored. What is left then gives nobody anything and takes nothing from anybody.
    pub async fn forget_exceptions(
        &self,
        collection: CollectionId,
        documents: Vec<DocId>,
        by: Context,
    ) -> Result<(), PolicyError> {
        self.run(move |inner| async move {
            let mut writer = inner.writer().await?;
            for some in documents.chunks(MAX_CHANGES / 2) {
                let (tuples, now) = (inner.snapshot.load().tuples.clone(), wall_clock());
                let of = |document: &DocId| {
                    let object = Thing::Document(collection, *document).object();
                    Filter { resource_kind: Some(object.kind), resource_id: Some(object.id), ..Filter::default() }
                };
                let alone = some.iter().filter(|document| !stands_out(&tuples, &of(document), now));
                let remove = alone.map(|document| Thing::within(collection, *document)).collect();
                let change = Change { action: "forget", remove, metadata: by.clone(), ..Change::default() };
                inner.apply(&mut writer, change, |_| {}).await?;
            }
            let any = Filter {
                resource_kind: Some("document".to_owned()),
                resource_id_prefix: Some(format!("{collection}|")),
                ..Filter::default()
            };
            if stands_out(&inner.snapshot.load().tuples, &any, wall_clock()) {
                return Ok(());
            }
            let remove = vec![Thing::exceptional(collection)];
            inner
                .apply(&mut writer, Change { action: "forget", remove, metadata: by, ..Change::default() }, |_| {})
                .await
        })
        .await
    }
}
