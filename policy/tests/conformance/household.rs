//! A household on every database, and the names of what is in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use policy::Embedded;
use policy_core::{
    AppCaller, Caller, Check, ClientId, CollectionId, CollectionResource, Engine, FieldId, Gate, Grant, GrantEntry,
    GrantId, GrantScope, Holder, Object, Predicate, Resources, SchemaVersion, SpaceId, Subject, TenantId, Timestamp,
    Tuple, UserId, Verb,
};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};

/// Opens the same database again and again; a file is gone with the test.
pub enum Backend {
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

impl Backend {
    pub async fn all() -> Vec<Backend> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut all = vec![Backend::Sqlite(tempfile::tempdir().unwrap())];
        match std::env::var("ALLOD_TEST_POSTGRES") {
            Err(_) => eprintln!("note: ALLOD_TEST_POSTGRES is not set; PostgreSQL is not tested"),
            Ok(server) => {
                let name = format!("policy_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
                let admin = Database::connect(&server).await.expect("the PostgreSQL server of ALLOD_TEST_POSTGRES");
                admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
                let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
                all.push(Backend::Postgres(format!("{base}/{name}")));
            }
        }
        all
    }

    pub async fn connect(&self) -> DatabaseConnection {
        let url = match self {
            Backend::Sqlite(dir) => format!("sqlite://{}?mode=rwc", dir.path().join("node.db").display()),
            Backend::Postgres(url) => url.clone(),
        };
        Database::connect(url).await.unwrap()
    }

    pub async fn open(&self) -> Arc<Embedded> {
        Embedded::open(self.connect().await, Arc::new(policy::wall_clock)).await.unwrap()
    }
}

pub const NOW: Timestamp = Timestamp::from_seconds(1_000);

pub fn tenant() -> TenantId {
    TenantId::from_bytes([1; 16])
}
pub fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}
pub fn space(n: u8) -> SpaceId {
    SpaceId::from_bytes([n; 16])
}
pub fn books() -> CollectionId {
    CollectionId::from_bytes([8; 16])
}
pub fn field(n: u8) -> FieldId {
    FieldId::from_bytes([n; 16])
}
pub fn grant_id(n: u8) -> GrantId {
    GrantId::from_bytes([n; 16])
}
pub fn client() -> ClientId {
    ClientId::from_bytes([5; 16])
}
pub fn collections() -> Vec<CollectionResource> {
    vec![CollectionResource { id: books(), fields: Arc::new([field(1), field(2)]) }]
}
pub fn resources(n: u8) -> Resources {
    Resources { space: space(n), schema: SchemaVersion(1), collections: collections() }
}
pub fn person(n: u8) -> Caller {
    Caller { user: user(n), app: None, device: None }
}
pub fn app(n: u8, grant: u8) -> Caller {
    Caller { user: user(n), app: Some(AppCaller::new(Holder::Client(client()), grant_id(grant))), device: None }
}
pub fn grant(n: u8, verbs: &[Verb], until: Option<Timestamp>) -> Arc<Grant> {
    let scope = GrantScope {
        collection: books(),
        fields: vec![field(1)],
        predicate: Predicate::default(),
        documents: None,
        rows_per_day: None,
    };
    let entry = GrantEntry { verbs: verbs.iter().copied().collect(), scopes: vec![scope], purpose: None, until };
    Arc::new(Grant {
        id: grant_id(n),
        grantor: user(2),
        holder: Holder::Client(client()),
        space: space(7),
        entries: vec![entry],
    })
}
pub fn check(resource: &str, permission: &str, subject: Subject) -> Check {
    let (kind, id) = resource.split_once(':').unwrap();
    Check::new(Object::new(kind, id), permission, subject)
}
pub fn share(space_id: SpaceId, relation: &str, with: UserId) -> Tuple {
    Tuple::new(Object::new("space", space_id), relation, Subject::object("user", with))
}

#[expect(clippy::disallowed_methods, reason = "tests open their own gates")]
pub fn gate(engine: &Arc<Embedded>) -> Gate {
    Gate::new(1, Arc::clone(engine) as Arc<dyn Engine>)
}

/// A tenant of user 1 with member 2, who owns space 7.
pub async fn household(backend: &Backend) -> Arc<Embedded> {
    let engine = backend.open().await;
    engine.declare_tenant(tenant(), Some(user(1))).await.unwrap();
    engine.add_member(tenant(), user(2)).await.unwrap();
    engine.declare_space(space(7), tenant(), user(2)).await.unwrap();
    engine.declare_collections(space(7), &collections());
    engine
}
