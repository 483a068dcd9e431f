//! What the engine must do over every database: run on SQLite, and on the PostgreSQL server that
//! `ALLOD_TEST_POSTGRES` names.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use policy::{Embedded, PolicyError};
use policy_core::{
    AppCaller, Caller, Check, ClientId, CollectionId, CollectionResource, Context, DeviceId, Engine, FieldId, Gate,
    Grant, GrantEntry, GrantId, GrantScope, GroupId, Holder, Object, Predicate, Refusal, Resources, SchemaVersion,
    SealRefusal, SpaceId, Subject, TenantId, Timestamp, Tuple, UserId, Verb,
};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};

/// Opens the same database again and again; a file is gone with the test.
enum Backend {
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

impl Backend {
    async fn all() -> Vec<Backend> {
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

    async fn connect(&self) -> DatabaseConnection {
        let url = match self {
            Backend::Sqlite(dir) => format!("sqlite://{}?mode=rwc", dir.path().join("node.db").display()),
            Backend::Postgres(url) => url.clone(),
        };
        Database::connect(url).await.unwrap()
    }

    async fn open(&self) -> Arc<Embedded> {
        Embedded::open(self.connect().await, Arc::new(policy::wall_clock)).await.unwrap()
    }
}

const NOW: Timestamp = Timestamp::from_seconds(1_000);

fn tenant() -> TenantId {
    TenantId::from_bytes([1; 16])
}
fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}
fn space(n: u8) -> SpaceId {
    SpaceId::from_bytes([n; 16])
}
fn books() -> CollectionId {
    CollectionId::from_bytes([8; 16])
}
fn field(n: u8) -> FieldId {
    FieldId::from_bytes([n; 16])
}
fn grant_id(n: u8) -> GrantId {
    GrantId::from_bytes([n; 16])
}
fn client() -> ClientId {
    ClientId::from_bytes([5; 16])
}
fn collections() -> Vec<CollectionResource> {
    vec![CollectionResource { id: books(), fields: Arc::new([field(1), field(2)]) }]
}
fn resources(n: u8) -> Resources {
    Resources { space: space(n), schema: SchemaVersion(1), collections: collections() }
}
fn person(n: u8) -> Caller {
    Caller { user: user(n), app: None, device: None }
}
fn app(n: u8, grant: u8) -> Caller {
    Caller {
        user: user(n),
        app: Some(AppCaller { holder: Holder::Client(client()), grant: grant_id(grant) }),
        device: None,
    }
}
fn grant(n: u8, verbs: &[Verb], until: Option<Timestamp>) -> Arc<Grant> {
    let scope = GrantScope { collection: books(), fields: vec![field(1)], predicate: Predicate::default() };
    let entry = GrantEntry { verbs: verbs.iter().copied().collect(), scopes: vec![scope], purpose: None, until };
    Arc::new(Grant {
        id: grant_id(n),
        grantor: user(2),
        holder: Holder::Client(client()),
        space: space(7),
        entries: vec![entry],
    })
}
fn check(resource: &str, permission: &str, subject: Subject) -> Check {
    let (kind, id) = resource.split_once(':').unwrap();
    Check::new(Object::new(kind, id), permission, subject)
}
fn share(space_id: SpaceId, relation: &str, with: UserId) -> Tuple {
    Tuple::new(Object::new("space", space_id), relation, Subject::object("user", with))
}

#[expect(clippy::disallowed_methods, reason = "tests open their own gates")]
fn gate(engine: &Arc<Embedded>) -> Gate {
    Gate::new(1, Arc::clone(engine) as Arc<dyn Engine>)
}

/// A tenant of user 1 with member 2, who owns space 7.
async fn household(backend: &Backend) -> Arc<Embedded> {
    let engine = backend.open().await;
    engine.declare_tenant(tenant(), Some(user(1))).await.unwrap();
    engine.add_member(tenant(), user(2)).await.unwrap();
    engine.declare_space(space(7), tenant(), user(2)).await.unwrap();
    engine.declare_collections(space(7), &collections());
    engine
}

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

/// Definitions of one's own, beside the platform's.
#[tokio::test]
async fn an_operator_adds_definitions_and_the_platform_stays() {
    const SHOP: &str = "caveat at_most(limit int, amount int) {\n  amount <= limit\n}\ndefinition shop {\n  relation \
                        buyer: user with at_most\n  permission buy = buyer\n}";
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let by = Context::from_iter([("actor".to_owned(), "operator".into())]);
        let whole = format!("{}\n{SHOP}", engine.schema());
        assert!(engine.write_schema(&whole, by.clone()).await.unwrap());
        assert!(!engine.write_schema(&whole, by.clone()).await.unwrap(), "again is no change");
        let buyer: Tuple = format!("shop:1#buyer@user:{}[at_most:{{\"limit\":10}}]", user(2)).parse().unwrap();
        let badly: Tuple = format!("shop:1#buyer@user:{}[at_most:{{\"limit\":\"ten\"}}]", user(2)).parse().unwrap();
        assert!(matches!(engine.write(vec![badly], vec![]).await, Err(PolicyError::Tuple(_))));
        engine.write_by(vec![buyer.clone()], vec![], by.clone()).await.unwrap();
        for engine in [Arc::clone(&engine), backend.open().await] {
            engine.declare_collections(space(7), &collections());
            let mut buys = check("shop:1", "buy", Subject::object("user", user(2)));
            let (decision, _) = engine.check_one(&buys, NOW);
            assert_eq!(decision.missing, ["amount"], "without the amount it depends");
            for (amount, allowed) in [(10, true), (11, false)] {
                buys.context.insert("amount".into(), amount.into());
                assert_eq!(engine.check_one(&buys, NOW).0.allowed(), allowed, "{amount}");
            }
            assert!(gate(&engine).read(&person(2), &resources(7), NOW).await.is_ok());
        }
        let open =
            whole.replace("permission administer = tenant->manage", "permission administer = tenant->manage + owner");
        assert!(matches!(engine.write_schema(&open, by.clone()).await, Err(PolicyError::Platform(_))));
        let without = policy::SCHEMA.to_owned();
        assert!(matches!(engine.write_schema(&without, by.clone()).await, Err(PolicyError::SchemaInUse(_))));
        assert!(matches!(engine.write_schema("definition", by.clone()).await, Err(PolicyError::Schema(_))));
        let rows = engine.audit(0, 100).await.unwrap();
        assert_eq!(
            rows.iter().rev().map(|row| row.action.as_str()).take(2).collect::<Vec<_>>(),
            ["write", "write_schema"]
        );
        assert!(rows[rows.len() - 1].detail.contains("\"by\":{\"actor\":\"operator\"}"));
        engine.write_by(vec![], vec![buyer], by.clone()).await.unwrap();
        assert!(engine.write_schema(&without, by).await.unwrap());
    }
}

/// What SpiceDB's clients may do to a live node, and what they may not.
#[tokio::test]
async fn clients_read_and_write_what_is_not_the_nodes_own() {
    use futures::StreamExt;
    use policy::{Consistency, Delete, EmbeddedService, Reason, RelationshipService, WatchRequest, Window, Write};
    use policy_core::{Filter, Precondition, Update};
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let service = EmbeddedService::new(Arc::clone(&engine), "operator");
        let mut events = service.watch(WatchRequest::default()).await.unwrap();
        let group = |n: u8| format!("group:{}", GroupId::from_bytes([n; 16]));
        let touch = |text: String| Update::Touch(text.parse().unwrap());
        let write = |updates: Vec<Update>| Write { updates, ..Write::default() };
        let nested = vec![
            touch(format!("{}#member@{}#member", group(1), group(2))),
            touch(format!("{}#member@user:{}", group(2), user(3))),
            touch(format!("space:{}#viewer@{}#member", space(7), group(1))),
        ];
        let epoch = engine.clock().now();
        service.write(write(nested)).await.unwrap();
        assert!(engine.clock().now() > epoch, "permits minted before are stale");
        assert!(gate(&engine).read(&person(3), &resources(7), NOW).await.is_ok());
        let told = events.next().await.unwrap().unwrap();
        assert_eq!(told.updates.len(), 3);
        assert_eq!(told.metadata["actor"], "operator");
        let rows = engine.audit(0, 100).await.unwrap();
        assert!(rows.last().unwrap().detail.contains("\"by\":{\"actor\":\"operator\"}"));
        for (text, reason) in [
            (format!("{}#member@{}#member", group(2), group(1)), Reason::InvalidArgument),
            (format!("space:{}#owner@user:{}", space(7), user(3)), Reason::ReadOnly),
            (format!("grant:{}/0#reader@client:{}", grant_id(1), client()), Reason::ReadOnly),
            (format!("collection:{}#space@space:{}", books(), space(9)), Reason::ReadOnly),
        ] {
            assert_eq!(service.write(write(vec![touch(text.clone())])).await.unwrap_err().reason, reason, "{text}");
        }
        let taken =
            Filter { resource_kind: Some("space".into()), relation: Some("viewer".into()), ..Filter::default() };
        let unless = Write {
            updates: vec![touch(format!("{}#member@user:{}", group(1), user(4)))],
            preconditions: vec![Precondition::MustNotMatch(taken.clone())],
            ..Write::default()
        };
        assert_eq!(service.write(unless).await.unwrap_err().reason, Reason::PreconditionFailed);
        let page = service.read(&taken, &Window::default(), &Consistency::Full).await.unwrap();
        assert_eq!(page.items.len(), 1);
        let deleted = service.delete(Delete { filter: taken.clone(), ..Delete::default() }).await.unwrap();
        assert_eq!((deleted.count, deleted.complete), (1, true));
        assert!(gate(&engine).read(&person(3), &resources(7), NOW).await.is_err());
        let all = Filter { resource_kind: Some("space".into()), relation: Some("owner".into()), ..Filter::default() };
        let own = service.delete(Delete { filter: all, ..Delete::default() }).await.unwrap_err();
        assert_eq!(own.reason, Reason::ReadOnly);
        assert!(gate(&engine).read(&person(2), &resources(7), NOW).await.unwrap().manages());
        // A restart begins another history; what was written is there.
        let again = EmbeddedService::new(backend.open().await, "operator");
        let members = Filter { resource_kind: Some("group".into()), ..Filter::default() };
        assert_eq!(
            again.read(&members, &Window::default(), &Consistency::AtLeast(deleted.at)).await.unwrap().items.len(),
            2
        );
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
        caller.app = Some(AppCaller { holder, grant: grant_id(1) });
        let permits = gate(&engine).read(&caller, &resources(7), NOW).await.unwrap();
        let given: Vec<Verb> = permits.mask(books()).unwrap().entries[0].verbs.iter().collect();
        assert_eq!(given, [Verb::Read, Verb::Search]);
        assert!(engine.revoke_grant(grant_id(1), by).await.unwrap());
        for row in engine.audit(0, 100).await.unwrap().iter().rev().take(2) {
            assert!(row.detail.contains("\"by\":{\"actor\":\"somebody\"}"), "{}", row.detail);
        }
    }
}
