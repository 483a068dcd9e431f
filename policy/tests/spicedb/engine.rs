//! The gate before SpiceDB.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use policy::{
    DEFAULT_HORIZON, Effect, Migrator, Outbox, RelationshipService, SCHEMA, SpiceDb, SpiceDbConfig, SpiceDbEngine,
};
use policy_core::{
    Caller, Check, CollectionId, CollectionResource, Decision, Engine, EngineUnavailable, EpochClock, FieldId, Gate,
    Grant, GrantId, Lookup, LookupResources, Permits, Read, Refusal, Resources, SchemaVersion, SealRefusal, SpaceId,
    Timestamp, Update, UserId,
};
use sea_orm::{Database, DatabaseConnection, TransactionTrait};
use sea_orm_migration::MigratorTrait;

use super::proxy::{Mode, Proxy};
use super::support::Store;
use super::{delete, touch, tuple};

const NOW: Timestamp = Timestamp::from_seconds(1_000);

/// Knows the terms of grants, and nothing else.
#[derive(Default)]
struct Local {
    clock: Arc<EpochClock>,
    grants: Mutex<HashMap<GrantId, Arc<Grant>>>,
}

#[async_trait]
impl Engine for Local {
    fn clock(&self) -> &Arc<EpochClock> {
        &self.clock
    }
    async fn check(&self, _: &[Check], _: Timestamp) -> Result<Vec<Decision>, EngineUnavailable> {
        Err(EngineUnavailable { reason: "not here".to_owned() })
    }
    async fn lookup_resources(&self, _: &LookupResources, _: Timestamp) -> Result<Lookup, EngineUnavailable> {
        Err(EngineUnavailable { reason: "not here".to_owned() })
    }
    async fn grant(&self, id: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable> {
        Ok(self.grants.lock().get(&id).cloned())
    }
}

struct World {
    store: Store,
    /// What somebody else does to the same store.
    elsewhere: SpiceDb,
    proxy: Proxy,
    db: DatabaseConnection,
    outbox: Arc<Outbox>,
    engine: Arc<SpiceDbEngine>,
    gate: Gate,
    _dir: tempfile::TempDir,
}

fn space() -> SpaceId {
    SpaceId::from_bytes([7; 16])
}
fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}
fn viewer(n: u8) -> String {
    format!("space:{}#viewer@user:{}", space(), user(n))
}
fn books() -> CollectionResource {
    CollectionResource { id: CollectionId::from_bytes([8; 16]), fields: Arc::new([FieldId::from_bytes([1; 16])]) }
}

#[expect(clippy::disallowed_methods, reason = "a test opens its own gate")]
async fn world() -> Option<World> {
    let store = Store::new()?;
    let proxy = Proxy::before(&store.address).await;
    let elsewhere = store.client();
    elsewhere.write_schema(SCHEMA).await.unwrap();
    elsewhere.write(touch(&[&viewer(1)])).await.unwrap();
    let config = SpiceDbConfig { address: proxy.address.clone(), deadline: Duration::from_secs(10), ..store.config() };
    let service = Arc::new(SpiceDb::new(&config).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("node.db").display());
    let db = Database::connect(url).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    let local = Arc::new(Local::default());
    let remote = Arc::clone(&service) as Arc<dyn RelationshipService>;
    let outbox = Outbox::new(db.clone(), remote, Arc::clone(&local.clock), Arc::new(policy::wall_clock));
    let engine = SpiceDbEngine::start(service, local, Arc::clone(&outbox), DEFAULT_HORIZON);
    let gate = Gate::new(1, Arc::clone(&engine) as Arc<dyn Engine>);
    let world = World { store, elsewhere, proxy, db, outbox, engine, gate, _dir: dir };
    world.fresh(true).await;
    Some(world)
}

impl World {
    async fn fresh(&self, wanted: bool) {
        while self.engine.is_fresh() != wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn mint(&self, n: u8) -> Result<Permits<Read>, Refusal> {
        let caller = Caller { user: user(n), app: None, device: None };
        let resources = Resources { space: space(), schema: SchemaVersion(1), collections: vec![books()] };
        self.gate.read(&caller, &resources, NOW).await
    }

    /// Waits until a permit is refused because policy moved.
    async fn moved(&self, permits: &Permits<Read>) {
        while self.gate.seal().admits(permits, permits.schema(), NOW) != Err(SealRefusal::Moved) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn what_somebody_else_changes_makes_permits_stale_and_counts() {
    let Some(world) = world().await else { return };
    let permits = world.mint(1).await.unwrap();
    assert_eq!(world.mint(2).await.unwrap_err(), Refusal::Denied);
    let seal = world.gate.seal();
    assert_eq!(seal.admits(&permits, permits.schema(), NOW), Ok(()));
    let until = permits.valid_until().unwrap();
    assert_eq!(until, Timestamp::from_seconds(NOW.seconds() + 5), "nothing tells when a relationship lapses");

    world.elsewhere.write(touch(&[&viewer(2)])).await.unwrap();
    world.moved(&permits).await;
    let permits = world.mint(2).await.unwrap();
    world.elsewhere.write(delete(&[&viewer(1)])).await.unwrap();
    world.moved(&permits).await;
    assert_eq!(world.mint(1).await.unwrap_err(), Refusal::Denied);
    world.mint(2).await.unwrap();
}

#[tokio::test]
async fn without_a_server_nothing_is_allowed_and_nothing_is_remembered() {
    let Some(world) = world().await else { return };
    world.mint(1).await.unwrap();
    world.proxy.set(Mode::Refuse);
    world.proxy.cut();
    world.fresh(false).await;
    let refused = world.mint(1).await.unwrap_err();
    assert_eq!(refused, Refusal::Unavailable("spicedb_unavailable".to_owned()));

    // What changes meanwhile is known when it is back.
    world.elsewhere.write(delete(&[&viewer(1)])).await.unwrap();
    world.proxy.set(Mode::Pass);
    world.fresh(true).await;
    assert_eq!(world.mint(1).await.unwrap_err(), Refusal::Denied);
    world.elsewhere.write(touch(&[&viewer(1)])).await.unwrap();
    while world.mint(1).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_not_trusted() {
    let Some(world) = world().await else { return };
    let permits = world.mint(1).await.unwrap();
    world.proxy.set(Mode::Swallow);
    world.elsewhere.write(delete(&[&viewer(1)])).await.unwrap();
    world.fresh(false).await;
    world.proxy.set(Mode::Pass);
    // The connections that swallowed still do; new ones take their place.
    world.fresh(true).await;
    assert_eq!(world.gate.seal().admits(&permits, permits.schema(), NOW), Err(SealRefusal::Moved));
    // The connection for checks may have swallowed too; it is left behind when the first of them is not answered.
    let refused = match world.mint(1).await.unwrap_err() {
        Refusal::Unavailable(_) => world.mint(1).await.unwrap_err(),
        refused => refused,
    };
    assert_eq!(refused, Refusal::Denied);
}

#[tokio::test]
async fn no_check_is_answered_past_a_revocation_that_is_under_way() {
    let Some(world) = world().await else { return };
    world.mint(1).await.unwrap();
    let transaction = world.db.begin().await.unwrap();
    let revocation = [Update::Delete(tuple(&viewer(1)))];
    let put = world.outbox.put(&transaction, "", Effect::Takes, &revocation).await.unwrap();
    transaction.commit().await.unwrap();
    world.proxy.set(Mode::Refuse);
    world.proxy.cut();
    put.deliver().await.unwrap_err();
    world.fresh(false).await;
    let refused = world.mint(1).await.unwrap_err();
    assert_eq!(refused, Refusal::Unavailable("revocation_pending".to_owned()));
    world.proxy.set(Mode::Pass);
    // The check itself delivers it.
    assert_eq!(world.mint(1).await.unwrap_err(), Refusal::Denied);
    assert_eq!(world.outbox.waiting().await.unwrap(), 0);
}

#[tokio::test]
async fn a_circle_or_another_schema_refuses() {
    let Some(world) = world().await else { return };
    world.mint(1).await.unwrap();
    let group = |a: u8, b: u8| format!("group:{}#member@group:{}#member", user(a), user(b));
    let circle = [group(1, 2), group(2, 1), format!("space:{}#viewer@group:{}#member", space(), user(1))];
    world.elsewhere.write(touch(&circle.each_ref().map(String::as_str))).await.unwrap();
    let refused = loop {
        match world.mint(3).await.unwrap_err() {
            Refusal::Denied => tokio::time::sleep(Duration::from_millis(5)).await,
            refused => break refused,
        }
    };
    assert_eq!(refused, Refusal::Unavailable("max_depth".to_owned()));
    let other = Store { token: format!("{}x", world.store.token), ..world.store.clone() };
    let service = Arc::new(other.client());
    let remote = Arc::clone(&service) as Arc<dyn RelationshipService>;
    let outbox = Outbox::new(world.db.clone(), remote, Arc::default(), Arc::new(policy::wall_clock));
    let engine = SpiceDbEngine::start(service, Arc::new(Local::default()), outbox, DEFAULT_HORIZON);
    let check = super::check(&format!("space:{}#view@user:{}", space(), user(1)));
    let refused = engine.check(&[check], NOW).await.unwrap_err();
    assert_eq!(refused.reason, "unknown_definition");
}
