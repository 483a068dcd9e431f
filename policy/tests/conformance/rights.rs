//! What people have by what they are and by what is shared with them.

use policy_core::{Caller, DeviceId, Refusal, SealRefusal, Subject, Timestamp, Tuple, Verb};

use crate::household::{
    Backend, NOW, books, check, collections, field, gate, household, person, resources, share, space, tenant, user,
};

#[tokio::test]
async fn the_owner_has_everything_and_the_tenant_sees_nothing() {
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let gate = gate(&engine);
        let permits = gate.write(&person(2), &resources(7), NOW).await.unwrap();
        assert!(permits.manages());
        assert!(Verb::ALL.iter().all(|&verb| permits.mask(books()).unwrap().shows(field(2), verb)));
        for other in [1, 3] {
            assert_eq!(gate.read(&person(other), &resources(7), NOW).await.unwrap_err(), Refusal::Denied);
        }
        let administers = |n| {
            engine
                .check_one(&check(&format!("space:{}", space(7)), "administer", Subject::object("user", user(n))), NOW)
                .0
        };
        assert!(administers(1).allowed(), "quota and suspension, never content");
        assert!(!administers(2).allowed());
    }
}

#[tokio::test]
async fn a_share_is_given_ends_and_is_taken_away() {
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let gate = gate(&engine);
        let until = Timestamp(NOW.0 + 500);
        engine.write(vec![Tuple { until: Some(until), ..share(space(7), "viewer", user(3)) }], vec![]).await.unwrap();
        let permits = gate.read(&person(3), &resources(7), NOW).await.unwrap();
        assert_eq!(permits.valid_until(), Some(until));
        assert!(!permits.mask(books()).unwrap().gives(Verb::Create));
        assert_eq!(gate.seal().admits(&permits, permits.schema(), until), Err(SealRefusal::Lapsed));
        assert_eq!(gate.read(&person(3), &resources(7), until).await.unwrap_err(), Refusal::Denied);
        engine.write(vec![share(space(7), "editor", user(3))], vec![]).await.unwrap();
        let permits = gate.write(&person(3), &resources(7), until).await.unwrap();
        assert!(permits.mask(books()).unwrap().gives(Verb::Create) && !permits.manages());
        engine.write(vec![], vec![share(space(7), "editor", user(3))]).await.unwrap();
        assert_eq!(gate.seal().admits(&permits, permits.schema(), until), Err(SealRefusal::Moved));
        assert_eq!(gate.read(&person(3), &resources(7), until).await.unwrap_err(), Refusal::Denied);
    }
}

/// The ids in a schema are chosen by whoever writes it: naming another's collection gains nothing.
#[tokio::test]
async fn a_collection_that_two_spaces_name_belongs_to_neither() {
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        engine.declare_space(space(9), tenant(), user(3)).await.unwrap();
        engine.write(vec![share(space(7), "viewer", user(3))], vec![]).await.unwrap();
        let gate = gate(&engine);
        let viewer = gate.read(&person(3), &resources(7), NOW).await.unwrap();
        assert!(!viewer.mask(books()).unwrap().gives(Verb::Update));
        engine.declare_collections(space(9), &collections());
        let viewer = gate.write(&person(3), &resources(7), NOW).await.unwrap();
        assert!(viewer.mask(books()).is_none());
        engine.declare_collections(space(9), &collections());
        engine.declare_collections(space(7), &collections());
        assert!(gate.write(&person(3), &resources(7), NOW).await.unwrap().mask(books()).is_none());
    }
}

#[tokio::test]
async fn an_explanation_leads_from_the_field_to_the_owner() {
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let (collection, space, user) = (books(), space(7), user(2));
        let question = |permission: &str| {
            check(&format!("field:{collection}|{}", field(1)), permission, Subject::object("user", user))
        };
        let (decision, path) = engine.check_one(&question("view"), NOW);
        assert!(decision.allowed());
        let chain = [
            format!("field:{collection}|{}#collection@collection:{collection}", field(1)),
            format!("collection:{collection}#space@space:{space}"),
            format!("space:{space}#owner@user:{user}"),
        ];
        assert_eq!(path, chain);
        let (decision, path) = engine.check_one(&question("fly"), NOW);
        assert!(!decision.allowed() && path[0].starts_with("unknown_relation"));
        let device = Caller { device: Some(DeviceId::from_bytes([1; 16])), ..person(2) };
        let peer = policy_core::PeerKey([1; 32]);
        assert!(gate(&engine).replicate(&device, peer, space, NOW).await.is_ok());
    }
}
