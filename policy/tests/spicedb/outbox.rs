//! Changes on their way to SpiceDB.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use policy::{Effect, Migrator, Outbox, OutboxError, Reason, RelationshipService, SpiceDb, SpiceDbConfig};
use policy_core::{EpochClock, Update};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, TransactionTrait};
use sea_orm_migration::MigratorTrait;

use super::proxy::{Mode, Proxy};
use super::support::Store;
use super::{SCHEMA, allowed, stores, touch, tuple};

/// Every database that the outbox works on, empty.
async fn databases() -> Vec<(DatabaseConnection, Option<tempfile::TempDir>)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("node.db").display());
    let mut all = vec![(Database::connect(url).await.unwrap(), Some(dir))];
    match std::env::var("ALLOD_TEST_POSTGRES") {
        Err(_) => eprintln!("note: ALLOD_TEST_POSTGRES is not set; PostgreSQL is not tested"),
        Ok(server) => {
            let name = format!("outbox_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
            let admin = Database::connect(&server).await.expect("the PostgreSQL server of ALLOD_TEST_POSTGRES");
            admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
            let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
            all.push((Database::connect(format!("{base}/{name}")).await.unwrap(), None));
        }
    }
    for (db, _) in &all {
        Migrator::up(db, None).await.unwrap();
    }
    all
}

/// Every kind of database with every kind of store, which has the schema.
async fn everywhere() -> Vec<(DatabaseConnection, Arc<dyn RelationshipService>, Option<tempfile::TempDir>)> {
    let mut all = Vec::new();
    for place in 0..stores().len() {
        for (db, dir) in databases().await {
            let store = stores().swap_remove(place);
            store.write_schema(SCHEMA).await.unwrap();
            all.push((db, store, dir));
        }
    }
    all
}

/// A store of SpiceDB with the schema, and a client of it that tries once.
async fn server() -> Option<(SpiceDb, Arc<dyn RelationshipService>, Proxy)> {
    let store = Store::new()?;
    let proxy = Proxy::before(&store.address).await;
    let direct = store.client();
    direct.write_schema(SCHEMA).await.unwrap();
    let config = SpiceDbConfig { address: proxy.address.clone(), retries: 0, ..store.config() };
    Some((direct, Arc::new(SpiceDb::new(&config).unwrap()), proxy))
}

fn touched(line: &str) -> Update {
    Update::Touch(tuple(line))
}
fn deleted(line: &str) -> Update {
    Update::Delete(tuple(line))
}

fn outbox(db: &DatabaseConnection, service: &Arc<dyn RelationshipService>) -> Arc<Outbox> {
    Outbox::new(db.clone(), Arc::clone(service), Arc::default(), Arc::new(policy::wall_clock))
}

/// Puts changes in a transaction of their own, and commits it.
async fn put(outbox: &Outbox, db: &DatabaseConnection, effect: Effect, updates: &[Update]) {
    let transaction = db.begin().await.unwrap();
    let put = outbox.put(&transaction, "tenant", effect, updates).await.unwrap();
    transaction.commit().await.unwrap();
    drop(put);
}

#[tokio::test]
async fn what_was_committed_arrives_and_what_was_not_does_not() {
    for (db, service, _dir) in everywhere().await {
        let clock = Arc::<EpochClock>::default();
        let outbox = Outbox::new(db.clone(), Arc::clone(&service), Arc::clone(&clock), Arc::new(policy::wall_clock));
        let transaction = db.begin().await.unwrap();
        let put = outbox.put(&transaction, "one", Effect::Gives, &[touched("doc:a#viewer@user:tom")]).await.unwrap();
        transaction.rollback().await.unwrap();
        drop(put);
        assert_eq!(outbox.deliver().await.unwrap(), 0);

        let transaction = db.begin().await.unwrap();
        let lines = ["doc:b#viewer@user:tom", "doc:c#viewer@user:ann[small:{\"most\":3}]"].map(touched);
        let put = outbox.put(&transaction, "two", Effect::Gives, &lines).await.unwrap();
        transaction.commit().await.unwrap();
        drop(put);
        let epoch = clock.now();
        assert_eq!(outbox.deliver().await.unwrap(), 2);
        assert!(clock.now() > epoch);
        assert_eq!(outbox.waiting().await.unwrap(), 0);
        assert!(!allowed(&*service, "doc:a#view@user:tom").await);
        assert!(allowed(&*service, "doc:b#view@user:tom").await);
        assert_eq!(outbox.token("one").await.unwrap(), None);
        assert!(outbox.token("two").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn the_last_word_about_a_relationship_is_delivered() {
    for (db, service, _dir) in everywhere().await {
        let outbox = outbox(&db, &service);
        put(&outbox, &db, Effect::Gives, &["doc:a#viewer@user:tom", "doc:b#viewer@user:tom"].map(touched)).await;
        put(&outbox, &db, Effect::Takes, &[deleted("doc:a#viewer@user:tom")]).await;
        put(&outbox, &db, Effect::Takes, &[deleted("doc:c#viewer@user:tom")]).await;
        put(&outbox, &db, Effect::Gives, &[touched("doc:c#viewer@user:tom")]).await;
        assert_eq!(outbox.waiting().await.unwrap(), 3);
        // The revocation goes first, and what was given before it does not come after it.
        outbox.deliver_revocations().await.unwrap();
        assert_eq!(outbox.waiting().await.unwrap(), 2);
        outbox.deliver().await.unwrap();
        assert!(!allowed(&*service, "doc:a#view@user:tom").await);
        assert!(allowed(&*service, "doc:b#view@user:tom").await);
        assert!(allowed(&*service, "doc:c#view@user:tom").await);
    }
}

#[tokio::test]
async fn a_revocation_is_delivered_before_it_is_acknowledged_and_before_all_that_waits() {
    for (db, _dir) in databases().await {
        let Some((direct, service, proxy)) = server().await else { return };
        direct.write(touch(&["doc:secret#viewer@user:bob"])).await.unwrap();
        let outbox = outbox(&db, &service);
        let many: Vec<Update> = (0..1_200).map(|n| touched(&format!("doc:d{n}#viewer@user:tom"))).collect();
        put(&outbox, &db, Effect::Gives, &many).await;
        let transaction = db.begin().await.unwrap();
        let revocation = [deleted("doc:secret#viewer@user:bob")];
        let put = outbox.put(&transaction, "tenant", Effect::Takes, &revocation).await.unwrap();
        transaction.commit().await.unwrap();
        proxy.set(Mode::Refuse);
        let error = put.deliver().await.unwrap_err();
        assert!(matches!(&error, OutboxError::Undelivered(error) if error.reason == Reason::Unavailable), "{error:?}");
        assert!(allowed(&direct, "doc:secret#view@user:bob").await);
        // Another process on the same database knows it too.
        let later = self::outbox(&db, &service);
        assert!(later.deliver_revocations().await.is_err());
        proxy.set(Mode::Pass);
        later.deliver_revocations().await.unwrap();
        assert!(!allowed(&direct, "doc:secret#view@user:bob").await);
        assert_eq!(later.waiting().await.unwrap(), 1_200);
        assert_eq!(later.deliver().await.unwrap(), 1_200);
        assert!(allowed(&direct, "doc:d1199#view@user:tom").await);
        assert_eq!(outbox.deliver().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_gets_it_again() {
    for (db, _dir) in databases().await {
        let Some((direct, service, proxy)) = server().await else { return };
        direct.write(touch(&["doc:b#viewer@user:tom"])).await.unwrap();
        let outbox = outbox(&db, &service);
        put(&outbox, &db, Effect::Gives, &[touched("doc:a#viewer@user:tom")]).await;
        put(&outbox, &db, Effect::Takes, &[deleted("doc:b#viewer@user:tom")]).await;
        // It dies with the first answer: what it did is not known here.
        proxy.set(Mode::CutAnswer);
        outbox.deliver().await.unwrap_err();
        assert!(!allowed(&direct, "doc:b#view@user:tom").await, "it had done it");
        assert_eq!(outbox.waiting().await.unwrap(), 2);
        drop(outbox);
        let outbox = self::outbox(&db, &service);
        assert_eq!(outbox.deliver().await.unwrap(), 2);
        assert!(allowed(&direct, "doc:a#view@user:tom").await);
        assert!(!allowed(&direct, "doc:b#view@user:tom").await);
    }
}

#[tokio::test]
async fn what_is_refused_is_parked_and_holds_up_nothing_but_revocations() {
    for (db, service, _dir) in everywhere().await {
        let outbox = outbox(&db, &service);
        let mut lines: Vec<Update> = (0..40).map(|n| touched(&format!("doc:d{n}#viewer@user:tom"))).collect();
        lines.insert(17, touched("doc:d#owner@group:g#member"));
        lines.insert(30, deleted("doc:d#nothing@user:tom"));
        put(&outbox, &db, Effect::Gives, &lines).await;
        outbox.deliver().await.unwrap();
        assert!(allowed(&*service, "doc:d39#view@user:tom").await);
        let parked = outbox.parked().await.unwrap();
        let updates: Vec<&Update> = parked.iter().map(|parked| &parked.update).collect();
        assert_eq!(updates, [&touched("doc:d#owner@group:g#member")]);
        assert!(parked[0].why.contains("not allowed"), "{parked:?}");
        assert_eq!(outbox.waiting().await.unwrap(), 0);

        put(&outbox, &db, Effect::Takes, &[touched("doc:d#owner@group:h#member")]).await;
        assert!(matches!(outbox.deliver_revocations().await, Err(OutboxError::Refused(_))));
        assert!(matches!(outbox.deliver_revocations().await, Err(OutboxError::Refused(_))), "and not only once");
        service.write_schema(&SCHEMA.replace("owner: user", "owner: user | group#member")).await.unwrap();
        outbox.retry_parked().await.unwrap();
        assert_eq!(outbox.deliver().await.unwrap(), 2);
        assert!(outbox.parked().await.unwrap().is_empty());
        put(&outbox, &db, Effect::Takes, &[deleted("doc:d#owner@group:g#member")]).await;
        outbox.deliver_revocations().await.unwrap();
    }
}

#[tokio::test]
async fn the_background_delivers_what_is_put() {
    for (db, _dir) in databases().await {
        let Some((direct, service, proxy)) = server().await else { return };
        let outbox = outbox(&db, &service);
        proxy.set(Mode::Refuse);
        let running = Arc::clone(&outbox);
        let task = tokio::spawn(async move { running.run().await });
        put(&outbox, &db, Effect::Gives, &[touched("doc:a#viewer@user:tom")]).await;
        proxy.set(Mode::Pass);
        while !allowed(&direct, "doc:a#view@user:tom").await {
            tokio::task::yield_now().await;
        }
        task.abort();
    }
}
