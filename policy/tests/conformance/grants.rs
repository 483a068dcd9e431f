//! What apps and links have by their grants, until these end.

use std::sync::Arc;

use policy::PolicyError;
use policy_core::{AppCaller, Context, Engine, Grant, Holder, Refusal, SealRefusal, Subject, Timestamp, Verb};

use crate::household::{
    Backend, NOW, app, books, check, client, collections, field, gate, grant, grant_id, household, resources, space,
    user,
};

#[tokio::test]
async fn a_grant_gives_what_it_says_until_it_ends() {
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let gate = gate(&engine);
        assert_eq!(gate.read(&app(2, 1), &resources(7), NOW).await.unwrap_err(), Refusal::Denied);
        let until = Timestamp(NOW.0 + 500);
        engine.put_grant(grant(1, &[Verb::Read, Verb::Create], Some(until)), Context::new()).await.unwrap();
        let permits = gate.read(&app(2, 1), &resources(7), NOW).await.unwrap();
        let mask = permits.mask(books()).unwrap();
        assert!(mask.shows(field(1), Verb::Read) && mask.shows(field(1), Verb::Create));
        assert!(!mask.gives(Verb::Search) && !mask.shows(field(2), Verb::Read));
        assert_eq!(permits.valid_until(), Some(until));
        assert_eq!(gate.read(&app(2, 1), &resources(7), until).await.unwrap_err(), Refusal::Denied);
        assert_eq!(gate.read(&app(3, 1), &resources(7), NOW).await.unwrap_err(), Refusal::Denied);
    }
}

#[tokio::test]
async fn a_grant_is_put_once_and_other_entries_replace_the_first() {
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        engine.put_grant(grant(1, &[Verb::Read, Verb::Create], None), Context::new()).await.unwrap();
        let (rows, epoch) = (engine.audit(0, 100).await.unwrap().len(), engine.clock().now());
        engine.put_grant(grant(1, &[Verb::Read, Verb::Create], None), Context::new()).await.unwrap();
        assert_eq!((engine.audit(0, 100).await.unwrap().len(), engine.clock().now()), (rows, epoch));
        engine.put_grant(grant(1, &[Verb::Search], None), Context::new()).await.unwrap();
        let creates = check(&format!("grant:{}/0", grant_id(1)), "create", Subject::object("client", client()));
        assert!(!engine.check_one(&creates, NOW).0.allowed());
        // After a restart the terms come again, and with them nothing is stored anew.
        let engine = backend.open().await;
        engine.declare_collections(space(7), &collections());
        let gate = gate(&engine);
        assert_eq!(gate.read(&app(2, 1), &resources(7), NOW).await.unwrap_err(), Refusal::Denied);
        let rows = engine.audit(0, 100).await.unwrap().len();
        engine.put_grant(grant(1, &[Verb::Search], None), Context::new()).await.unwrap();
        assert_eq!(engine.audit(0, 100).await.unwrap().len(), rows);
        assert!(gate.read(&app(2, 1), &resources(7), NOW).await.unwrap().mask(books()).unwrap().gives(Verb::Search));
        let mut stolen = Grant::clone(&grant(1, &Verb::ALL, None));
        stolen.grantor = user(3);
        assert!(matches!(engine.put_grant(Arc::new(stolen), Context::new()).await, Err(PolicyError::Conflict(_))));
    }
}

#[tokio::test]
async fn a_revoked_grant_is_gone_for_good() {
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let gate_now = gate(&engine);
        engine.put_grant(grant(1, &Verb::ALL, None), Context::new()).await.unwrap();
        engine.put_grant(grant(2, &Verb::ALL, None), Context::new()).await.unwrap();
        let permits = gate_now.read(&app(2, 1), &resources(7), NOW).await.unwrap();
        assert_eq!(gate_now.seal().admits(&permits, permits.schema(), NOW), Ok(()));
        assert!(engine.revoke_grant(grant_id(1), Context::new()).await.unwrap());
        assert_eq!(gate_now.seal().admits(&permits, permits.schema(), NOW), Err(SealRefusal::Moved));
        assert!(!engine.revoke_grant(grant_id(1), Context::new()).await.unwrap());
        assert!(!engine.revoke_grant(grant_id(3), Context::new()).await.unwrap(), "revoked before it was put");
        for engine in [Arc::clone(&engine), backend.open().await] {
            engine.declare_collections(space(7), &collections());
            engine.put_grant(grant(2, &Verb::ALL, None), Context::new()).await.unwrap();
            for n in [1, 3] {
                assert!(engine.is_revoked(grant_id(n)));
                assert!(matches!(
                    engine.put_grant(grant(n, &Verb::ALL, None), Context::new()).await,
                    Err(PolicyError::Revoked(_))
                ));
                let refused = gate(&engine).read(&app(2, n), &resources(7), NOW).await;
                assert_eq!(refused.unwrap_err(), Refusal::Denied);
            }
            assert!(!engine.is_revoked(grant_id(2)));
            assert!(gate(&engine).read(&app(2, 2), &resources(7), NOW).await.is_ok(), "the other grant stays");
            let reads = check(&format!("grant:{}/0", grant_id(1)), "read", Subject::object("client", client()));
            assert!(!engine.check_one(&reads, NOW).0.allowed());
        }
    }
}

/// A control entry comes from a device that may be newer or hostile: what it says beyond a link's verbs gives nothing,
/// and stops nothing.
#[tokio::test]
async fn a_link_reads_and_searches_whatever_its_entry_says() {
    use policy_core::LinkId;
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let holder = Holder::Link(LinkId::from_bytes([6; 16]));
        let wide = Grant { holder, ..Grant::clone(&grant(1, &Verb::ALL, None)) };
        let by = Context::from_iter([("actor".to_owned(), "somebody".into())]);
        engine.put_grant(Arc::new(wide), by.clone()).await.unwrap();
        let mut caller = app(2, 1);
        caller.app = Some(AppCaller::new(holder, grant_id(1)));
        let permits = gate(&engine).read(&caller, &resources(7), NOW).await.unwrap();
        let given: Vec<Verb> = permits.mask(books()).unwrap().entries[0].verbs.iter().collect();
        assert_eq!(given, [Verb::Read, Verb::Search]);
        assert!(engine.revoke_grant(grant_id(1), by).await.unwrap());
        for row in engine.audit(0, 100).await.unwrap().iter().rev().take(2) {
            assert!(row.detail.contains("\"by\":{\"actor\":\"somebody\"}"), "{}", row.detail);
        }
    }
}
