//! Fields that are sealed, whatever is declared, started anew or delivered.

use std::sync::Arc;

use policy::Embedded;
use policy_core::{Check, Engine, Subject, Verb};

use crate::household::{
    Backend, NOW, books, collections, field, gate, household, person, resources, share, space, tenant, user,
};

#[tokio::test]
async fn a_sealed_field_stays_sealed_whatever_the_catalogue_says_and_opens_again() {
    use policy::facts::Resource;
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        engine.write(vec![share(space(7), "viewer", user(3))], Vec::new()).await.unwrap();
        let sees = async |engine: &Arc<Embedded>, n: u8| {
            let permits = gate(engine).read(&person(n), &resources(7), NOW).await.unwrap();
            permits.mask(books()).map(|mask| mask.shows(field(1), Verb::Read))
        };
        assert_eq!((sees(&engine, 2).await, sees(&engine, 3).await), (Some(true), Some(true)));
        let (sealed, open) = (Resource::sealed(books(), field(1)), Resource::open(books(), field(1)));
        engine.write(vec![sealed.clone()], vec![open.clone()]).await.unwrap();
        engine.declare_collections(space(7), &collections());
        assert_eq!((sees(&engine, 2).await, sees(&engine, 3).await), (Some(true), Some(false)));
        drop(engine);
        // After a start the catalogue comes later than the relationships.
        let engine = backend.open().await;
        engine.declare_collections(space(7), &collections());
        assert_eq!((sees(&engine, 2).await, sees(&engine, 3).await), (Some(true), Some(false)));
        engine.write(vec![open], vec![sealed]).await.unwrap();
        assert_eq!((sees(&engine, 2).await, sees(&engine, 3).await), (Some(true), Some(true)));
        drop(engine);
        let engine = backend.open().await;
        engine.declare_collections(space(7), &collections());
        assert_eq!(sees(&engine, 3).await, Some(true));
    }
}

/// A second engine is told no more than the first enforces, also by a node that starts anew.
#[tokio::test]
async fn a_sealed_field_is_sealed_for_a_second_engine_too() {
    use policy::facts::Resource;
    use policy::{Consistency, Memory, Outbox, RelationshipService};
    for backend in Backend::all().await {
        let memory = Arc::new(Memory::new(Arc::new(policy::wall_clock)));
        memory.write_schema(policy::SCHEMA).await.unwrap();
        let open = async || {
            let engine = backend.open().await;
            let to = Arc::clone(&memory) as Arc<dyn RelationshipService>;
            assert!(engine.deliver_to(Outbox::new(
                backend.connect().await,
                to,
                Arc::clone(engine.clock()),
                Arc::new(policy::wall_clock)
            )));
            engine
        };
        let engine = open().await;
        engine.declare_tenant(tenant(), Some(user(1))).await.unwrap();
        engine.declare_space(space(7), tenant(), user(2)).await.unwrap();
        engine.declare_collections(space(7), &collections());
        engine.write(vec![share(space(7), "viewer", user(3))], Vec::new()).await.unwrap();
        let sees = async |engine: &Arc<Embedded>| {
            engine.settle().await.unwrap();
            let subject = || Subject::object("user", user(3));
            let check = Check::new(Resource::Field(books(), field(1)).object(), "view", subject());
            let answers = memory.check(&[check], &Consistency::Full).await.unwrap();
            answers.decisions.into_iter().all(|answer| answer.unwrap().allowed())
        };
        assert!(sees(&engine).await, "control");
        let (sealed, edge) = (Resource::sealed(books(), field(1)), Resource::open(books(), field(1)));
        engine.write(vec![sealed.clone()], vec![edge.clone()]).await.unwrap();
        assert!(!sees(&engine).await);
        drop(engine);
        let engine = open().await;
        engine.declare_collections(space(7), &collections());
        assert!(!sees(&engine).await, "after a start");
        engine.write(vec![edge], vec![sealed]).await.unwrap();
        assert!(sees(&engine).await, "open again");
    }
}

/// Who follows the changes, as the outbox of another engine does, must not hear that a sealed field is open.
#[tokio::test]
async fn nobody_is_told_that_a_sealed_field_is_open() {
    use futures::StreamExt;
    use policy::facts::Resource;
    use policy::{EmbeddedService, RelationshipService, WatchRequest};
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let (sealed, open) = (Resource::sealed(books(), field(1)), Resource::open(books(), field(1)));
        engine.write(vec![sealed], vec![open.clone()]).await.unwrap();
        // A restart declares every field anew.
        let engine = backend.open().await;
        let mut events =
            EmbeddedService::new(Arc::clone(&engine), "test").watch(WatchRequest::default()).await.unwrap();
        engine.declare_collections(space(7), &collections());
        let told = events.next().await.unwrap().unwrap();
        let told: Vec<String> = told.updates.iter().map(|update| update.tuple().to_string()).collect();
        assert!(told.contains(&Resource::open(books(), field(2)).to_string()), "the open field is told: {told:?}");
        assert!(!told.contains(&open.to_string()), "{told:?}");
    }
}
