//! Documents that have relationships of their own: shared one by one, in folders, or kept from somebody.
//!
//! A collection says whether it has any (`exceptional`); of one that has none nothing is asked here.

use std::collections::{HashMap, HashSet};

use super::masks::{document_parts, earliest};
use super::{Documents, MAX_DOCUMENTS, Refusal};
use crate::{
    CollectionId, Context, DocId, Engine, Lookup, LookupResources, Permissionship, Subject, Timestamp, UserId,
};

/// Which lists are worth asking for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The collections that have single documents.
    pub(super) collections: HashSet<CollectionId>,
    /// What the person views though not the whole collection.
    pub(super) viewed: bool,
    /// What they edit though not the whole collection.
    pub(super) edited: bool,
    /// What is kept from them though they view the collection.
    pub(super) blocked: bool,
}

/// Documents by collection.
type ByCollection = HashMap<CollectionId, Vec<DocId>>;

/// What a person may do with single documents, in whatever collection.
#[derive(Debug, Default)]
pub(super) struct Singled {
    viewed: ByCollection,
    edited: ByCollection,
    blocked: ByCollection,
    pub(super) valid_until: Option<Timestamp>,
    /// The collections of which there are more than [`MAX_DOCUMENTS`]; nothing further was asked for then.
    pub(super) too_many: HashSet<CollectionId>,
}

impl Singled {
    /// Asks for the lists that are wanted, of these collections.
    pub(super) async fn find(
        engine: &dyn Engine,
        user: UserId,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Singled, Refusal> {
        let mut singled = Singled::default();
        if wanted.viewed {
            singled.viewed = singled.list(engine, user, ("view", false), wanted, now).await?;
        }
        if wanted.edited && singled.too_many.is_empty() {
            singled.edited = singled.list(engine, user, ("edit", false), wanted, now).await?;
        }
        if wanted.blocked && singled.too_many.is_empty() {
            singled.blocked = singled.list(engine, user, ("barred", true), wanted, now).await?;
        }
        Ok(singled)
    }

    /// `perhaps`: whether what depends on a caveat's missing context counts.
    async fn list(
        &mut self,
        engine: &dyn Engine,
        user: UserId,
        (permission, perhaps): (&str, bool),
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<ByCollection, Refusal> {
        let lookup = LookupResources {
            kind: "document".to_owned(),
            permission: permission.to_owned(),
            subject: Subject::object("user", user),
            context: Context::new(),
        };
        let Lookup { found, valid_until } = engine.lookup_resources(&lookup, now).await?;
        self.valid_until = earliest(self.valid_until, valid_until);
        let mut documents = ByCollection::new();
        for one in found {
            let (collection, document) = document_parts(&one.id)
                .ok_or_else(|| Refusal::Unavailable("the engine names a document that is none".to_owned()))?;
            // What others share with the person elsewhere counts for nothing here, and to no limit.
            let here = wanted.collections.contains(&collection);
            if here && (perhaps || one.permissionship == Permissionship::Yes) {
                documents.entry(collection).or_default().push(document);
            }
        }
        let many = documents.iter().filter(|(_, documents)| documents.len() > MAX_DOCUMENTS);
        self.too_many.extend(many.map(|(collection, _)| *collection));
        Ok(documents)
    }

    /// Of a collection: what the person views, given whether they view the whole of it.
    pub(super) fn viewed(&self, collection: CollectionId, whole: bool) -> Documents {
        self.of(&self.viewed, collection, whole)
    }

    /// Of a collection: what the person edits, given whether they edit the whole of it.
    pub(super) fn edited(&self, collection: CollectionId, whole: bool) -> Documents {
        self.of(&self.edited, collection, whole)
    }

    fn of(&self, some: &ByCollection, collection: CollectionId, whole: bool) -> Documents {
        let list = |of: &ByCollection| of.get(&collection).cloned().unwrap_or_default();
        if whole { Documents::except(list(&self.blocked)) } else { Documents::only(list(some)) }
    }
}
