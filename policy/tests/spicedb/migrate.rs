//! From one engine to another.

use std::sync::Arc;

use async_trait::async_trait;
use policy::{
    Answers, Consistency, Delete, Deleted, Embedded, EmbeddedService, Events, MigrateError, MigrateOptions,
    MigrateProgress, Migrated, Page, RelationshipService, ServiceError, Token, WatchRequest, Window, Write, migrate,
};
use policy_core::{
    Check, CollectionId, CollectionResource, Expanded, FieldId, Filter, Found, FoundSubject, LookupResources,
    LookupSubjects, Object, SpaceId, TenantId, Traced, Tuple, UserId,
};

use super::{SCHEMA, allowed, stores, touch, tuple};

async fn run(
    from: &dyn RelationshipService,
    to: &dyn RelationshipService,
    merge: bool,
) -> Result<Migrated, MigrateError> {
    let options = MigrateOptions { merge, ..MigrateOptions::default() };
    migrate(from, to, &options, &policy::wall_clock, &mut |_| {}).await
}

/// 1,530 relationships of every form.
async fn fill(client: &dyn RelationshipService) {
    client.write_schema(SCHEMA).await.unwrap();
    let lines = touch(&[
        "doc:x#viewer@user:*",
        "doc:x#viewer@group:g#member",
        "doc:x#viewer@group:g#any",
        "doc:x#viewer@user:ann[small:{\"most\":3,\"size\":2}]",
        "doc:x#owner@user:tom",
        "doc:y#parent@doc:x",
        "group:g#open@user:*",
        "group:g#banned@user:bob",
        "group:g#member@group:h#member",
        "group:h#member@user:tom[expiration:2040-01-01T00:00:00.000001Z]",
    ]);
    client.write(lines).await.unwrap();
    let many = (0..1_500).map(|n| tuple(&format!("doc:d{n}#viewer@user:u{}", n % 7))).collect();
    client.import(many).await.unwrap();
    let few = (0..20).map(|n| tuple(&format!("group:g{n}#member@user:u{}", n % 7))).collect();
    client.create(few).await.unwrap();
}

#[tokio::test]
async fn a_copy_is_complete_and_answers_alike_from_any_engine_to_any() {
    let count = stores().len();
    for (one, two) in (0..count).flat_map(|one| (0..count).map(move |two| (one, two))) {
        let (from, to) = (stores().swap_remove(one), stores().swap_remove(two));
        fill(&*from).await;
        copy(&*from, &*to).await;
    }
}

async fn copy(from: &dyn RelationshipService, to: &dyn RelationshipService) {
    let mut told = Vec::new();
    let mut progress = |progress: MigrateProgress<'_>| told.push(format!("{progress:?}"));
    let done = migrate(from, to, &MigrateOptions::default(), &policy::wall_clock, &mut progress).await.unwrap();
    assert_eq!((done.definitions, done.relationships, done.lapsed, done.others), (3, 1_530, 0, 0));
    assert!(done.checks > 200, "{done:?}");
    assert!(told[0].contains("SchemaWritten") && told.last().unwrap().contains("Compared"), "{told:?}");
    assert!(told.iter().any(|told| told.contains("Verified { definition: \"doc\", relationships: 1506 }")), "{told:?}");
    assert!(allowed(to, "doc:y#view@user:tom").await);
    assert!(allowed(to, "doc:d1499#view@user:u1").await);
    assert!(!allowed(to, "doc:d1499#view@user:u2").await);

    // Once more is refused, unless it is meant.
    let error = run(from, to, false).await.unwrap_err();
    assert!(matches!(&error, MigrateError::NotEmpty { definition } if definition == "doc"), "{error}");
    to.write(touch(&["doc:own#viewer@user:zoe", "doc:x#viewer@user:ann[small:{\"most\":9}]"])).await.unwrap();
    let done = run(from, to, true).await.unwrap();
    assert_eq!((done.relationships, done.others), (1_530, 1));
    let filter = Filter { resource_kind: Some("doc".into()), resource_id: Some("x".into()), ..Filter::default() };
    let back = to.read(&filter, &Window::default(), &Consistency::Full).await.unwrap();
    let ann = tuple("doc:x#viewer@user:ann[small:{\"most\":3,\"size\":2}]");
    assert!(back.items.iter().any(|(tuple, _)| *tuple == ann), "{back:?}");
}

#[tokio::test]
async fn an_empty_source_has_nothing_to_copy() {
    for (from, to) in stores().into_iter().zip(stores()) {
        let error = run(&*from, &*to, false).await.unwrap_err();
        assert!(matches!(error, MigrateError::Source(_)), "{error}");
        from.write_schema(SCHEMA).await.unwrap();
        let done = run(&*from, &*to, false).await.unwrap();
        assert_eq!((done.definitions, done.relationships, done.checks), (3, 0, 0));
    }
}

#[tokio::test]
async fn a_copy_that_lost_or_changed_something_is_no_copy() {
    for from in stores() {
        fill(&*from).await;
        let target = |flaw| Flawed { inner: stores().swap_remove(0), flaw };
        match run(&*from, &target(Flaw::Loses("doc:d777#viewer@user:u0")), false).await.unwrap_err() {
            MigrateError::Missing { count: 1, examples } => assert_eq!(examples, ["doc:d777#viewer@user:u0"]),
            error => panic!("{error}"),
        }
        match run(&*from, &target(Flaw::Forgets), false).await.unwrap_err() {
            MigrateError::Missing { count: 1, examples } => {
                assert_eq!(examples, ["group:h#member@user:tom[expiration:2040-01-01T00:00:00.000001Z]"]);
            }
            error => panic!("{error}"),
        }
        let error = run(&*from, &target(Flaw::Schema), false).await.unwrap_err();
        assert!(matches!(error, MigrateError::Differs { .. }), "{error}");
    }
}

enum Flaw {
    Loses(&'static str),
    /// When relationships end.
    Forgets,
    Schema,
}

/// An engine that does something else than it is told.
struct Flawed {
    inner: Arc<dyn RelationshipService>,
    flaw: Flaw,
}

#[async_trait]
impl RelationshipService for Flawed {
    async fn read_schema(&self) -> Result<(String, Token), ServiceError> {
        self.inner.read_schema().await
    }
    async fn write_schema(&self, schema: &str) -> Result<Token, ServiceError> {
        match self.flaw {
            Flaw::Schema => self.inner.write_schema(&schema.replace("view = viewer +", "view = viewer &")).await,
            _ => self.inner.write_schema(schema).await,
        }
    }
    async fn write(&self, write: Write) -> Result<Token, ServiceError> {
        self.inner.write(write).await
    }
    async fn import(&self, mut tuples: Vec<Tuple>) -> Result<(), ServiceError> {
        match self.flaw {
            Flaw::Loses(line) => tuples.retain(|tuple| tuple.to_text() != line),
            Flaw::Forgets => tuples.iter_mut().for_each(|tuple| tuple.until = None),
            Flaw::Schema => {}
        }
        self.inner.import(tuples).await
    }
    async fn delete(&self, delete: Delete) -> Result<Deleted, ServiceError> {
        self.inner.delete(delete).await
    }
    async fn read(&self, filter: &Filter, window: &Window, at: &Consistency) -> Result<Page<Tuple>, ServiceError> {
        self.inner.read(filter, window, at).await
    }
    async fn check(&self, checks: &[Check], at: &Consistency) -> Result<Answers, ServiceError> {
        self.inner.check(checks, at).await
    }
    async fn trace(&self, check: &Check, at: &Consistency) -> Result<(Traced, Token), ServiceError> {
        self.inner.trace(check, at).await
    }
    async fn lookup_resources(
        &self,
        lookup: &LookupResources,
        window: &Window,
        at: &Consistency,
    ) -> Result<Page<Found>, ServiceError> {
        self.inner.lookup_resources(lookup, window, at).await
    }
    async fn lookup_subjects(
        &self,
        lookup: &LookupSubjects,
        at: &Consistency,
    ) -> Result<Page<FoundSubject>, ServiceError> {
        self.inner.lookup_subjects(lookup, at).await
    }
    async fn expand(
        &self,
        resource: &Object,
        permission: &str,
        at: &Consistency,
    ) -> Result<(Expanded, Token), ServiceError> {
        self.inner.expand(resource, permission, at).await
    }
    async fn watch(&self, request: WatchRequest) -> Result<Events, ServiceError> {
        self.inner.watch(request).await
    }
}

#[tokio::test]
async fn a_node_moves_from_its_own_engine() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("node.db").display());
    let node =
        Embedded::open(sea_orm::Database::connect(url).await.unwrap(), Arc::new(policy::wall_clock)).await.unwrap();
    let (tenant, owner, space) =
        (TenantId::from_bytes([1; 16]), UserId::from_bytes([2; 16]), SpaceId::from_bytes([3; 16]));
    node.declare_tenant(tenant, Some(owner)).await.unwrap();
    node.declare_space(space, tenant, owner).await.unwrap();
    let fields: Arc<[FieldId]> = Arc::new([FieldId::from_bytes([5; 16])]);
    node.declare_collections(space, &[CollectionResource { id: CollectionId::from_bytes([4; 16]), fields }]);
    let from = EmbeddedService::new(node, "test");
    for to in stores() {
        let done = run(&from, &*to, false).await.unwrap();
        assert!(done.relationships >= 3 && done.checks > 0, "{done:?}");
        let view = |user: UserId| format!("collection:{}#view@user:{user}", CollectionId::from_bytes([4; 16]));
        assert!(allowed(&*to, &view(owner)).await);
        assert!(!allowed(&*to, &view(UserId::from_bytes([9; 16]))).await);
    }
}
