//! Single documents that are shared, filed or kept from somebody.

use std::sync::Arc;

use policy_core::{GroupId, Timestamp, Verb};

use crate::household::{Backend, NOW, books, gate, household, person, resources, share, space, user};

#[tokio::test]
async fn the_gate_finds_single_documents_by_whatever_way_they_are_given() {
    use policy::facts::{Party, Resource};
    use policy_core::{DocId, Documents, FolderId};
    let doc = |n: u8| DocId::from_bytes([n; 16]);
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let (firm, work, inner) =
            (GroupId::from_bytes([1; 16]), FolderId::from_bytes([1; 16]), FolderId::from_bytes([2; 16]));
        let later = Some(Timestamp::from_seconds(2_000));
        let mut put = vec![
            Resource::exceptional(books()),
            Resource::Group(firm).to("member", Party::User(user(3)), None),
            Resource::Document(books(), doc(1)).to("viewer", Party::User(user(3)), later),
            Resource::Document(books(), doc(2)).to("editor", Party::Group(firm), None),
            Resource::Document(books(), doc(3)).to("viewer", Party::User(user(3)), None),
            Resource::Document(books(), doc(3)).to("blocked", Party::Group(firm), None),
            Resource::Folder(books(), work).to("viewer", Party::User(user(3)), None),
            Resource::filed(books(), doc(4), inner),
            Resource::Document(books(), doc(6)).to("viewer", Party::User(user(9)), None),
        ];
        put.extend(Resource::folder(books(), work, None));
        put.extend(Resource::folder(books(), inner, Some(work)));
        put.extend((1..=6).map(|n| Resource::within(books(), doc(n))));
        engine.write(put, Vec::new()).await.unwrap();
        let gate = gate(&engine);
        let permits = gate.read(&person(3), &resources(7), NOW).await.unwrap();
        assert_eq!(permits.valid_until(), later);
        let entries = &permits.mask(books()).unwrap().entries;
        let reach: Vec<_> =
            entries.iter().map(|entry| (entry.verbs.has(Verb::Read), entry.documents.clone())).collect();
        let only = |all: &[u8]| Documents::only(all.iter().map(|&n| doc(n)).collect());
        assert_eq!(reach, [(true, only(&[1, 2, 4])), (false, only(&[2]))]);
        assert!(entries.iter().all(|entry| !entry.verbs.has(Verb::Create)));
        // Of the whole, what is blocked is left out.
        engine.write(vec![share(space(7), "viewer", user(3))], Vec::new()).await.unwrap();
        let permits = gate.read(&person(3), &resources(7), Timestamp::from_seconds(3_000)).await.unwrap();
        assert_eq!(permits.mask(books()).unwrap().entries[0].documents, Documents::except(vec![doc(3)]));
        let owner = gate.read(&person(2), &resources(7), NOW).await.unwrap();
        assert!(owner.mask(books()).unwrap().entries[0].is_everything());
    }
}

/// What marks single documents comes with the first relationship of one and goes with the last, whoever writes.
#[tokio::test]
async fn marks_of_single_documents_come_and_go_with_them() {
    use policy::facts::{Party, Resource};
    use policy::{Consistency, Delete, EmbeddedService, Reason, RelationshipService, Window, Write};
    use policy_core::{DocId, Filter, Update};
    let doc = |n: u8| Resource::Document(books(), DocId::from_bytes([n; 16]));
    let within = |n: u8| Resource::within(books(), DocId::from_bytes([n; 16])).to_string();
    let to = |n: u8, relation: &str| doc(n).to(relation, Party::User(user(3)), None);
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let service = EmbeddedService::new(Arc::clone(&engine), "operator");
        let marks = async || {
            let mut found = Vec::new();
            for (kind, relation) in [("collection", "exceptional"), ("document", "collection")] {
                let filter = Filter {
                    resource_kind: Some(kind.to_owned()),
                    relation: Some(relation.to_owned()),
                    ..Filter::default()
                };
                let page = service.read(&filter, &Window::default(), &Consistency::Full).await.unwrap();
                found.extend(page.items.into_iter().map(|(tuple, _)| tuple.to_string()));
            }
            found
        };
        let of = |n: u8| {
            let object = doc(n).object();
            Filter { resource_kind: Some(object.kind), resource_id: Some(object.id), ..Filter::default() }
        };
        let delete = async |filter: Filter, limit: Option<u32>| {
            service.delete(Delete { filter, limit, partial: limit.is_some(), ..Delete::default() }).await
        };
        // Spelled in another way it would be of no document: a block of it that counts only by half.
        let canonical = to(3, "blocked");
        let spelled = |document: &str| format!("{}|{document}", books());
        let hyphens = spelled("03030303-0303-0303-0303-030303030303");
        for id in [hyphens, spelled(&"AB".repeat(16)), spelled("3"), "3".to_owned()] {
            let mut other = canonical.clone();
            other.resource.id = id;
            let write = Write { updates: vec![Update::Touch(other)], ..Write::default() };
            assert_eq!(service.write(write).await.unwrap_err().reason, Reason::InvalidArgument);
        }
        assert_eq!(marks().await, Vec::<String>::new());
        let exceptional = Resource::exceptional(books()).to_string();
        let updates = [to(1, "viewer"), to(1, "editor"), to(2, "viewer")].map(Update::Create).to_vec();
        service.write(Write { updates, ..Write::default() }).await.unwrap();
        engine.write(vec![to(3, "blocked")], Vec::new()).await.unwrap();
        assert_eq!(marks().await, [exceptional.clone(), within(1), within(2), within(3)]);
        let edges = Filter { relation: Some("collection".to_owned()), ..of(1) };
        assert_eq!(delete(edges, None).await.unwrap_err().reason, Reason::ReadOnly, "by name they are the node's");
        let first = delete(of(1), Some(1)).await.unwrap();
        assert_eq!((first.count, first.complete), (1, false));
        assert_eq!(marks().await, [exceptional.clone(), within(1), within(2), within(3)], "something is left");
        let all = delete(of(1), None).await.unwrap();
        assert_eq!((all.count, all.complete), (1, true));
        assert_eq!(marks().await, [exceptional.clone(), within(2), within(3)]);
        assert_eq!(delete(Filter { relation: Some("viewer".to_owned()), ..of(2) }, None).await.unwrap().count, 1);
        assert_eq!(marks().await, [exceptional.clone(), within(3)]);
        engine.write(vec![to(4, "viewer")], vec![to(3, "blocked")]).await.unwrap();
        assert_eq!(marks().await, [exceptional, within(4)]);
        engine.write(vec![to(4, "editor")], vec![to(4, "viewer")]).await.unwrap();
        assert_eq!(marks().await.len(), 2);
        engine.write(Vec::new(), vec![to(4, "editor")]).await.unwrap();
        assert_eq!(marks().await, Vec::<String>::new());
        drop(engine);
        let again = EmbeddedService::new(backend.open().await, "operator");
        let stored = Filter { resource_kind: Some("document".to_owned()), ..Filter::default() };
        assert!(again.read(&stored, &Window::default(), &Consistency::Full).await.unwrap().items.is_empty());
    }
}
