//! The edges field → collection → space, which follow from the schemas of the spaces and are not stored.
//!
//! A field that a stored relationship seals has no edge to its collection: `sealed` stands in its place.

use std::collections::{HashMap, HashSet};

use policy_core::{
    CollectionId, CollectionResource, FieldId, Object, SpaceId, Subject, Tuple, TupleError, Tuples, field_object,
};

/// Who has said what. The ids in a space's schema were chosen by whoever wrote it, so two spaces may
/// name the same collection: then it belongs to neither, or the owner of one would own it in the other.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    collections: HashMap<CollectionId, Claim>,
    fields: HashSet<(CollectionId, FieldId)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    Of(SpaceId),
    Contested,
}

/// Edges to add and to take away.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    pub(crate) put: Vec<Tuple>,
    pub(crate) remove: Vec<Tuple>,
}

/// Puts an edge of the catalogue among the relationships, unless it is of a field that is sealed. Whether it stands.
pub(crate) fn put(tuples: &mut Tuples, edge: &Tuple) -> Result<bool, TupleError> {
    let sealed = edge.resource.kind == "field" && !tuples.subjects(&edge.resource, "sealed").is_empty();
    if !sealed {
        tuples.put(edge)?;
    }
    Ok(!sealed)
}

fn space_edge(collection: CollectionId, space: SpaceId) -> Tuple {
    Tuple::new(Object::new("collection", collection), "space", Subject::object("space", space))
}

/// A field that whoever views its collection sees.
pub(crate) fn field_edge(collection: CollectionId, field: FieldId) -> Tuple {
    Tuple::new(field_object(collection, field), "collection", Subject::object("collection", collection))
}

impl Catalogue {
    /// Notes the collections of a space; what that changes.
    pub(crate) fn declare(&mut self, space: SpaceId, collections: &[CollectionResource]) -> Edges {
        let mut edges = Edges::default();
        for collection in collections {
            match self.collections.insert(collection.id, Claim::Of(space)) {
                None => edges.put.push(space_edge(collection.id, space)),
                Some(Claim::Of(known)) if known == space => {}
                Some(claim) => {
                    self.collections.insert(collection.id, Claim::Contested);
                    if let Claim::Of(known) = claim {
                        tracing::error!(collection = %collection.id, "two spaces name one collection; nobody may use it");
                        edges.remove.push(space_edge(collection.id, known));
                    }
                }
            }
            for &field in collection.fields.iter() {
                if self.fields.insert((collection.id, field)) {
                    edges.put.push(field_edge(collection.id, field));
                }
            }
        }
        edges
    }

    /// Every edge that holds.
    pub(crate) fn edges(&self) -> impl Iterator<Item = Tuple> {
        let spaces = self.collections.iter().filter_map(|(&collection, claim)| match claim {
            Claim::Of(space) => Some(space_edge(collection, *space)),
            Claim::Contested => None,
        });
        spaces.chain(self.fields.iter().map(|&(collection, field)| field_edge(collection, field)))
    }
}
