//! What a fact of the node is in relationships.

use policy_core::{
    Grant, Object, SpaceId, Subject, TenantId, Timestamp, Tuple, UserId, Verb, field_object, grant_object,
};

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
        for verb in entry.verbs.iter() {
            let client = Subject::object("client", grant.client);
            tuples.push(until(Tuple::new(object.clone(), verb_relation(verb), client), entry.until));
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
