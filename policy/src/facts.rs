//! What a fact of the node is in relationships.

use crate::catalogue::field_edge;
use policy_core::{
    CollectionId, DocId, EVERYONE, FieldId, FolderId, Grant, GroupId, Holder, Object, SpaceId, Subject, TenantId,
    Timestamp, Tuple, UserId, Verb, document_object, field_object, grant_object,
};

/// Whom a right is given to, or taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    User(UserId),
    /// Its members, and those of groups in it.
    Group(GroupId),
}

impl Party {
    pub fn subject(self) -> Subject {
        match self {
            Party::User(id) => user(id),
            Party::Group(id) => Subject { object: Resource::Group(id).object(), relation: Some("member".to_owned()) },
        }
    }
}

/// What people share, and what shares rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    Space(SpaceId),
    Collection(CollectionId),
    Folder(CollectionId, FolderId),
    Document(CollectionId, DocId),
    Field(CollectionId, FieldId),
    Group(GroupId),
}

impl Resource {
    pub fn object(self) -> Object {
        match self {
            Resource::Space(id) => Object::new("space", id),
            Resource::Collection(id) => Object::new("collection", id),
            Resource::Folder(_, id) => Object::new("folder", id),
            Resource::Document(collection, id) => document_object(collection, id),
            Resource::Field(collection, id) => field_object(collection, id),
            Resource::Group(id) => Object::new("group", id),
        }
    }

    /// The relationship that keeps a field from everybody but its readers and who manages its collection.
    pub fn sealed(collection: CollectionId, field: FieldId) -> Tuple {
        Tuple::new(field_object(collection, field), "sealed", Subject::object("collection", collection))
    }

    /// The relationship by which a field is seen by whoever views its collection. It is there unless the field
    /// is sealed.
    pub fn open(collection: CollectionId, field: FieldId) -> Tuple {
        field_edge(collection, field)
    }

    /// The relationship that says that documents of a collection have relationships of their own.
    pub fn exceptional(collection: CollectionId) -> Tuple {
        Tuple::new(Object::new("collection", collection), "exceptional", Subject::object("user", EVERYONE))
    }

    /// The relationship by which a document has what its collection has. Only documents with relationships of
    /// their own need it.
    pub fn within(collection: CollectionId, document: DocId) -> Tuple {
        let subject = Subject::object("collection", collection);
        Tuple::new(document_object(collection, document), "collection", subject)
    }

    /// The relationship by which a document has what a folder of its collection has.
    pub fn filed(collection: CollectionId, document: DocId, folder: FolderId) -> Tuple {
        Tuple::new(document_object(collection, document), "folder", Subject::object("folder", folder))
    }

    /// A new folder: what it has of its collection, and of the folder that it lies in.
    pub fn folder(collection: CollectionId, folder: FolderId, parent: Option<FolderId>) -> Vec<Tuple> {
        let object = Object::new("folder", folder);
        let of = Tuple::new(object.clone(), "collection", Subject::object("collection", collection));
        let parent = parent.map(|parent| Tuple::new(object, "parent", Subject::object("folder", parent)));
        [of].into_iter().chain(parent).collect()
    }

    /// This resource stands in `relation` to `party`, until then if it ends.
    pub fn to(self, relation: &str, party: Party, until: Option<Timestamp>) -> Tuple {
        Tuple { until, ..Tuple::new(self.object(), relation, party.subject()) }
    }
}

/// The relation of a grant that gives a verb.
fn verb_relation(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "creator",
        Verb::Read => "reader",
        Verb::Update => "updater",
        Verb::Delete => "deleter",
        Verb::Search => "searcher",
        Verb::History => "historian",
    }
}

fn user(id: UserId) -> Subject {
    Subject::object("user", id)
}

pub(crate) fn tenant_owner(tenant: TenantId, owner: UserId) -> Tuple {
    Tuple::new(Object::new("tenant", tenant), "owner", user(owner))
}

pub(crate) fn tenant_member(tenant: TenantId, member: UserId) -> Tuple {
    Tuple::new(Object::new("tenant", tenant), "member", user(member))
}

pub(crate) fn space(space: SpaceId, tenant: TenantId, owner: UserId) -> [Tuple; 2] {
    let object = Object::new("space", space);
    [Tuple::new(object.clone(), "tenant", Subject::object("tenant", tenant)), Tuple::new(object, "owner", user(owner))]
}

/// Sorted, no doubles.
pub(crate) fn grant(grant: &Grant) -> Vec<Tuple> {
    let mut tuples = Vec::new();
    for (n, entry) in grant.entries.iter().enumerate() {
        let object = grant_object(grant.id, n);
        let subject = Subject { object: object.clone(), relation: None };
        tuples.push(Tuple::new(object.clone(), "grantor", user(grant.grantor)));
        // A link reads and searches; of an entry that says more, only that counts.
        let given = |verb: &Verb| match grant.holder {
            Holder::Client(_) => true,
            Holder::Link(_) => matches!(verb, Verb::Read | Verb::Search),
        };
        for verb in entry.verbs.iter().filter(given) {
            let holder = grant.holder.subject();
            tuples.push(until(Tuple::new(object.clone(), verb_relation(verb), holder), entry.until));
        }
        for scope in &entry.scopes {
            tuples.push(Tuple::new(Object::new("collection", scope.collection), "grant", subject.clone()));
            for &field in &scope.fields {
                tuples.push(Tuple::new(field_object(scope.collection, field), "grant", subject.clone()));
            }
        }
    }
    tuples.sort_unstable_by(|a, b| a.identity().cmp(&b.identity()));
    tuples.dedup();
    tuples
}

fn until(tuple: Tuple, until: Option<Timestamp>) -> Tuple {
    Tuple { until, ..tuple }
}
