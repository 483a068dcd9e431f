//! Whom relationships name in connection with a collection, and what rests on somebody or something.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use policy_core::{
    CollectionId, DocId, EVERYONE, EngineUnavailable, Filter, GroupId, Object, SubjectFilter, SubjectRelation,
    Timestamp, Tuple, Tuples, UserId,
};

use super::Embedded;
use crate::facts::Resource;

/// Who is named, by themselves or as members of a group. Each may have something or not.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NamedSubjects {
    pub everyone: bool,
    pub users: BTreeSet<UserId>,
    pub groups: BTreeSet<GroupId>,
}

/// What has of a collection, and what a collection, folder or document has resources of.
const PLACES: [&str; 5] = ["space", "collection", "folder", "document", "field"];

impl Embedded {
    /// Everybody who can have anything of a collection (of one document of it, if it is named): whom a live
    /// relationship of it, of its space, its fields, folders or documents names. Nobody else has anything.
    ///
    /// # Errors
    /// If the node is closing.
    pub async fn named(
        &self,
        collection: CollectionId,
        document: Option<DocId>,
        now: Timestamp,
    ) -> Result<NamedSubjects, EngineUnavailable> {
        let cut_off = || EngineUnavailable { reason: "lookup_cut_off".to_owned() };
        let place = Arc::clone(&self.inner.lookups).acquire_owned().await.map_err(|_| cut_off())?;
        let tuples = self.inner.snapshot.load().tuples.clone();
        let found = tokio::task::spawn_blocking(move || {
            let _place = place;
            named(&tuples, collection, document, now)
        });
        found.await.map_err(|_| cut_off())
    }

    /// Every relationship that one of these objects is in, as what it is about or as whom it names, lapsed ones among them:
    /// what ends with them. It takes as long as there are such relationships.
    pub fn resting_on(&self, objects: &[Object]) -> Vec<Tuple> {
        let snapshot = self.inner.snapshot.load_full();
        let mut found = Vec::new();
        for object in objects {
            let about = Filter {
                resource_kind: Some(object.kind.clone()),
                resource_id: Some(object.id.clone()),
                ..Filter::default()
            };
            let (kind, id) = (object.kind.clone(), Some(object.id.clone()));
            let naming = SubjectFilter { kind, id, relation: SubjectRelation::Any };
            let naming = Filter { subject: Some(naming), ..Filter::default() };
            for filter in [about, naming] {
                found.extend(snapshot.tuples.select(&filter, Timestamp(i64::MIN)));
            }
        }
        found.sort_unstable_by(|a, b| a.identity().cmp(&b.identity()));
        found.dedup_by(|a, b| a.identity() == b.identity());
        found
    }
}

fn named(tuples: &Tuples, collection: CollectionId, document: Option<DocId>, now: Timestamp) -> NamedSubjects {
    let own = Resource::Collection(collection).object();
    let one = document.map(|document| Resource::Document(collection, document).object());
    let within = Filter {
        subject: Some(SubjectFilter {
            kind: own.kind.clone(),
            id: Some(own.id.clone()),
            relation: SubjectRelation::None,
        }),
        ..Filter::default()
    };
    // What lies in the collection; of documents, if one is asked about, that one.
    let inside = tuples.select(&within, now).map(|tuple| tuple.resource);
    let inside = inside.filter(|object| is_place(object) && (one.is_none() || object.kind != "document"));
    let mut queue: Vec<Object> = inside.chain(one.clone()).chain([own]).collect();
    let mut seen: HashSet<Object> = HashSet::new();
    let mut found = NamedSubjects::default();
    while let Some(object) = queue.pop() {
        if !seen.insert(object.clone()) {
            continue;
        }
        let relation = (object.kind == "group").then(|| "member".to_owned());
        let of =
            Filter { resource_kind: Some(object.kind), resource_id: Some(object.id), relation, ..Filter::default() };
        for tuple in tuples.select(&of, now) {
            let subject = tuple.subject;
            match (subject.object.kind.as_str(), subject.relation.as_deref()) {
                // The mark of single documents is no right.
                ("user", None) if tuple.relation == "exceptional" => {}
                ("user", None) if subject.object.id == EVERYONE => found.everyone = true,
                ("user", None) => found.users.extend(subject.object.id.parse::<UserId>()),
                ("group", Some("member")) => {
                    found.groups.extend(subject.object.id.parse::<GroupId>());
                    queue.push(subject.object);
                }
                (_, None) if is_place(&subject.object) => queue.push(subject.object),
                _ => {}
            }
        }
    }
    found
}

fn is_place(object: &Object) -> bool {
    PLACES.contains(&object.kind.as_str())
}
