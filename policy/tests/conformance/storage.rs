//! What lies in the database: whole, written once, and in one order, however many write.

use std::sync::Arc;

use policy::{Embedded, PolicyError};
use policy_core::{Engine, GroupId, Object, SealRefusal, Subject, Tuple, UserId};
use sea_orm::ConnectionTrait;

use crate::household::{Backend, NOW, collections, gate, household, person, resources, share, space, tenant, user};

#[tokio::test]
async fn facts_outlive_a_restart_and_are_noted_once() {
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let (rows, epoch) = (engine.audit(0, 100).await.unwrap().len(), engine.clock().now());
        engine.declare_tenant(tenant(), Some(user(1))).await.unwrap();
        engine.declare_tenant(tenant(), None).await.unwrap();
        engine.add_member(tenant(), user(2)).await.unwrap();
        engine.declare_space(space(7), tenant(), user(2)).await.unwrap();
        engine.declare_collections(space(7), &collections());
        assert_eq!((engine.audit(0, 100).await.unwrap().len(), engine.clock().now()), (rows, epoch));
        assert_eq!(rows, 3);
        let engine = backend.open().await;
        engine.declare_collections(space(7), &collections());
        assert!(gate(&engine).read(&person(2), &resources(7), NOW).await.is_ok());
        assert!(gate(&engine).read(&person(3), &resources(7), NOW).await.is_err());
        let stolen = engine.declare_space(space(7), tenant(), user(3)).await.unwrap_err();
        assert!(matches!(stolen, PolicyError::Conflict(_)), "{stolen}");
        assert!(gate(&engine).read(&person(3), &resources(7), NOW).await.is_err());
    }
}

#[tokio::test]
async fn what_does_not_fit_changes_nothing() {
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let (rows, epoch) = (engine.audit(0, 100).await.unwrap().len(), engine.clock().now());
        let member = |a: u8, b: u8| {
            let subject = Subject {
                object: Object::new("group", GroupId::from_bytes([b; 16])),
                relation: Some("member".to_owned()),
            };
            Tuple::new(Object::new("group", GroupId::from_bytes([a; 16])), "member", subject)
        };
        let odd = Tuple::new(Object::new("space", space(7)), "view", Subject::object("user", user(3)));
        let good = share(space(7), "viewer", user(3));
        assert!(matches!(engine.write(vec![good.clone(), odd], vec![]).await, Err(PolicyError::Tuple(_))));
        assert!(matches!(engine.write(vec![member(1, 1)], vec![]).await, Err(PolicyError::Conflict(_))));
        let circle = engine.write(vec![member(1, 2), member(2, 3), member(3, 1)], vec![]).await;
        assert!(matches!(circle, Err(PolicyError::Conflict(_))));
        let many = (0..=u32::try_from(policy::MAX_CHANGES).unwrap()).map(|n| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&n.to_be_bytes());
            share(space(7), "viewer", UserId::from_bytes(id))
        });
        assert!(matches!(engine.write(many.collect(), vec![]).await, Err(PolicyError::Conflict(_))));
        assert_eq!((engine.audit(0, 100).await.unwrap().len(), engine.clock().now()), (rows, epoch));
        engine.write(vec![good, member(1, 2), member(2, 3)], vec![]).await.unwrap();
        assert_eq!(engine.audit(0, 100).await.unwrap().len(), rows + 1);
    }
}

#[tokio::test]
async fn the_audit_chain_shows_what_was_changed_behind_its_back() {
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let rows = engine.audit(0, 100).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(rows[2].action, "declare_space");
        assert!(rows[2].detail.contains(&format!("space:{}#owner@user:{}", space(7), user(2))));
        assert_eq!(engine.audit(1, 1).await.unwrap(), rows[1..2]);
        let mut before = [0; 32];
        for row in &rows {
            let sealed = |detail: &str| policy::AuditRow::sealed(&before, row.seq, row.at, &row.action, detail);
            assert_eq!(row.hash, sealed(&row.detail));
            assert_ne!(row.hash, sealed(&format!("{} ", row.detail)), "to the letter");
            before = row.hash;
        }
        let db = backend.connect().await;
        db.execute_unprepared("UPDATE policy_audit SET action = 'nothing' WHERE seq = 2").await.unwrap();
        assert!(matches!(engine.audit(0, 100).await, Err(PolicyError::Damaged(_))));
        db.execute_unprepared("UPDATE policy_audit SET action = 'add_member' WHERE seq = 2").await.unwrap();
        assert_eq!(engine.audit(0, 100).await.unwrap(), rows);
        db.execute_unprepared("DELETE FROM policy_audit WHERE seq = 2").await.unwrap();
        assert!(matches!(engine.audit(0, 100).await, Err(PolicyError::Damaged(_))));
        assert!(
            Embedded::open(backend.connect().await, Arc::new(policy::wall_clock)).await.is_err(),
            "a gap before the last row is seen at once"
        );
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_understood_is_a_refusal_to_open() {
    for backend in Backend::all().await {
        drop(household(&backend).await);
        let db = backend.connect().await;
        db.execute_unprepared("UPDATE policy_tuple SET relation = 'lord' WHERE relation = 'member'").await.unwrap();
        assert!(matches!(
            Embedded::open(backend.connect().await, Arc::new(policy::wall_clock)).await,
            Err(PolicyError::Damaged(_))
        ));
        db.execute_unprepared("UPDATE policy_tuple SET relation = 'member' WHERE relation = 'lord'").await.unwrap();
        assert!(Embedded::open(backend.connect().await, Arc::new(policy::wall_clock)).await.is_ok());
    }
}

#[tokio::test]
async fn a_second_writer_collides_instead_of_forking_the_chain() {
    for backend in Backend::all().await {
        let (one, two) = (household(&backend).await, backend.open().await);
        one.add_member(tenant(), user(3)).await.unwrap();
        assert!(matches!(two.add_member(tenant(), user(4)).await, Err(PolicyError::Storage(_))));
        two.add_member(tenant(), user(4)).await.unwrap();
        assert_eq!(two.audit(0, 100).await.unwrap().len(), 5, "it reads again and goes on");
    }
}

#[tokio::test]
async fn many_writers_of_one_engine_take_turns() {
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let writing = (10..40u8).map(|n| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move { engine.add_member(tenant(), user(n)).await })
        });
        for task in writing.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        assert_eq!(engine.audit(0, 100).await.unwrap().len(), 33);
    }
}

#[tokio::test]
async fn another_process_on_the_same_database_catches_up() {
    for backend in Backend::all().await {
        let (one, two) = (household(&backend).await, backend.open().await);
        two.declare_collections(space(7), &collections());
        assert!(!two.catch_up().await.unwrap());
        one.write(vec![share(space(7), "viewer", user(3))], vec![]).await.unwrap();
        let gate = gate(&two);
        assert!(gate.read(&person(3), &resources(7), NOW).await.is_err());
        assert!(two.catch_up().await.unwrap());
        let permits = gate.read(&person(3), &resources(7), NOW).await.unwrap();
        one.write(vec![], vec![share(space(7), "viewer", user(3))]).await.unwrap();
        assert!(two.catch_up().await.unwrap());
        assert_eq!(gate.seal().admits(&permits, permits.schema(), NOW), Err(SealRefusal::Moved));
        assert!(gate.read(&person(3), &resources(7), NOW).await.is_err());
    }
}
