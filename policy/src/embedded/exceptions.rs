//! Documents with relationships of their own. Each has an edge to its collection beside them, and the collection a
//! mark, for as long as there is any: nobody looks for single documents where there is none.

use std::collections::BTreeSet;

use policy_core::{CollectionId, DocId, Filter, SubjectFilter, SubjectRelation, Timestamp, Tuple, Tuples, document_of};

use crate::facts::Resource;

fn documents(tuples: &[Tuple]) -> BTreeSet<(CollectionId, DocId)> {
    tuples.iter().filter_map(|tuple| document_of(&tuple.resource)).collect()
}

/// What has to be put with these relationships, because they are of documents.
pub(super) fn marks(put: &[Tuple]) -> Vec<Tuple> {
    let documents = documents(put);
    let collections: BTreeSet<CollectionId> = documents.iter().map(|(collection, _)| *collection).collect();
    let within = documents.into_iter().map(|(collection, document)| Resource::within(collection, document));
    collections.into_iter().map(Resource::exceptional).chain(within).collect()
}

/// Takes out of `next` what has to go with the relationships that a change removed from it: the edges of documents
/// that have nothing else any more, and the marks of collections that have no such document. What is put at the same
/// time keeps its own.
pub(super) fn unmark(next: &mut Tuples, removed: &[Tuple], put: &[Tuple], now: Timestamp) -> Vec<Tuple> {
    let kept = documents(put);
    let mut gone = Vec::new();
    let mut collections = BTreeSet::new();
    for (collection, document) in documents(removed).difference(&kept) {
        if stands_out(next, *collection, *document, now) {
            continue;
        }
        collections.insert(*collection);
        gone.push(Resource::within(*collection, *document));
    }
    gone.retain(|edge| next.remove(edge));
    for collection in collections {
        let mark = Resource::exceptional(collection);
        if !has_documents(next, collection, now) && next.remove(&mark) {
            gone.push(mark);
        }
    }
    gone
}

/// Whether a document has anything but the edge to its collection.
fn stands_out(tuples: &Tuples, collection: CollectionId, document: DocId, now: Timestamp) -> bool {
    let object = Resource::Document(collection, document).object();
    let filter = Filter { resource_kind: Some(object.kind), resource_id: Some(object.id), ..Filter::default() };
    tuples.select(&filter, now).any(|tuple| !is_edge(&tuple))
}

/// Whether any document has an edge to the collection. Goes by the subject, so that documents elsewhere cost nothing.
fn has_documents(tuples: &Tuples, collection: CollectionId, now: Timestamp) -> bool {
    let object = Resource::Collection(collection).object();
    let subject = SubjectFilter { kind: object.kind, id: Some(object.id), relation: SubjectRelation::None };
    let filter = Filter {
        resource_kind: Some("document".to_owned()),
        relation: Some("collection".to_owned()),
        subject: Some(subject),
        ..Filter::default()
    };
    tuples.select(&filter, now).next().is_some()
}

/// Whether it is the edge from a document to its collection, which comes and goes with what else the document has.
pub(super) fn is_edge(tuple: &Tuple) -> bool {
    tuple.resource.kind == "document" && tuple.relation == "collection"
}
