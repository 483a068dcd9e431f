//! SpiceDB as the engine, and what becomes of every route when it is stopped, slow, and back.

#[path = "../../policy/tests/support/proxy.rs"]
mod proxy;

use std::time::Duration;

use harness::{Allod, Answer, Client, Node};
use proxy::{Mode, Proxy};
use reqwest::Method;
use serde_json::{Value, json};
use spicedb_grpc_tonic::v1::schema_service_client::SchemaServiceClient;
use spicedb_grpc_tonic::v1::{ReadSchemaRequest, WriteSchemaRequest};
use tonic::Request;
use tonic::transport::Endpoint;

/// A node before whose SpiceDB one can stand; nothing, where no SpiceDB is at hand.
struct World {
    proxy: Proxy,
    node: Node,
    alice: Client,
    bob: Client,
    space: String,
    root: tempfile::TempDir,
}

async fn world() -> Option<World> {
    let Ok(address) = std::env::var("ALLOD_TEST_SPICEDB") else {
        eprintln!("note: ALLOD_TEST_SPICEDB is not set; SpiceDB as the engine is not tested");
        return None;
    };
    let proxy = Proxy::before(&address).await;
    let root = tempfile::tempdir().unwrap();
    let (allod, dir) = (Allod::find().unwrap(), root.path().join("home"));
    let made = Node::init(&allod, &dir, "alice", "home", "correct horse battery").unwrap();
    let at = proxy.address.clone();
    // Blocking, and the proxy is served by this runtime.
    let node = tokio::task::spawn_blocking(move || Node::serve_with_spicedb(&allod, &dir, &at)).await.unwrap().unwrap();
    let file = root.path().join("bob.password");
    std::fs::write(&file, "the long password of bob").unwrap();
    let node = cli(node, &["user", "add", "bob", "--password-file", file.to_str().unwrap()]).await;
    let alice = node.sign_in("alice", "correct horse battery").await.unwrap();
    alice.define("type Contact { name: String phone: String }").await.unwrap();
    alice.graphql(r#"mutation { add_Contact(input: {name: "Ann", phone: "1"}) { _docID } }"#).await.unwrap();
    let space = made["space"].as_str().unwrap().to_owned();
    let bob = node.sign_in("bob", "the long password of bob").await.unwrap().in_space(&space);
    Some(World { proxy, node, alice, bob, space, root })
}

/// A command that must succeed, while this runtime goes on.
async fn cli(node: Node, args: &[&str]) -> Node {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let ran = move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        node.cli_ok(&args).unwrap();
        node
    };
    tokio::task::spawn_blocking(ran).await.unwrap()
}

async fn made(client: &Client, path: &str, body: Value, key: &str) -> String {
    let made = client.post(path, &body).await.unwrap();
    assert_eq!(made.status, 201, "{path}: {}", made.text);
    made.json[key].as_str().unwrap().to_owned()
}

impl World {
    async fn ready(&self) -> Answer {
        Client::new(&self.node.url, None).unwrap().get("/readyz").await.unwrap()
    }

    /// Waits until the node says so of policy.
    async fn until(&self, answers: bool) -> Answer {
        for _ in 0..600 {
            let ready = self.ready().await;
            if ready.json["policy"]["answers"] == answers {
                return ready;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("policy is not what it should be: {}", self.ready().await.text)
    }

    async fn stop(&self) -> Answer {
        self.proxy.set(Mode::Refuse);
        self.proxy.cut();
        self.until(false).await
    }
}

async fn names(client: &Client) -> Answer {
    client.try_graphql("{ Contact { name } }", Value::Null).await.unwrap()
}

#[tokio::test]
async fn without_spicedb_every_question_is_refused_and_what_is_taken_away_is_gone() {
    let Some(world) = world().await else { return };
    let alice = &world.alice;
    let share = made(alice, "/api/v1/shares", json!({"with": {"user": "bob"}, "role": "viewer"}), "share").await;
    let group = made(alice, "/api/v1/groups", json!({"name": "Firm"}), "group").await;
    made(alice, &format!("/api/v1/groups/{group}/members"), json!({"user": "bob"}), "user").await;
    let folder = made(alice, "/api/v1/folders", json!({"collection": "Contact", "name": "Work"}), "folder").await;
    let rule = json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "bob"}});
    let rule = made(alice, "/api/v1/field-rules", rule, "field_rule").await;
    let link = alice.post("/api/v1/links", &json!({"collection": "Contact", "fields": ["name"]})).await.unwrap();
    let token = link.json["token"].as_str().unwrap();
    assert_eq!(names(&world.bob).await.json["data"]["Contact"], json!([{"name": "Ann"}]), "control");
    let operator = world.node.operator().unwrap();
    let check = json!({ "check": format!("space:{}#manage@user:{}", world.space, "0".repeat(32)) });
    let asks = json!({"user": "bob", "verb": "read", "collection": "Contact", "space": world.space, "explain": true});
    let ready = world.ready().await;
    assert_eq!((ready.status, &ready.json["policy"]["engine"]), (200, &json!("spicedb")), "{}", ready.text);

    let stopped = world.stop().await;
    assert_eq!(stopped.status, 503, "{}", stopped.text);
    let policy = &stopped.json["policy"];
    assert!(policy["detail"].as_str().unwrap().contains("SpiceDB") && policy["fix"].is_string(), "{}", stopped.text);
    let person = json!({"collection": "Contact", "with": {"user": "bob"}, "role": "viewer"});
    let hide = json!({"collection": "Contact", "field": "name", "rule": "sealed"});
    let questions = [
        (alice, Method::POST, "/api/v1/graphql".to_owned(), json!({"query": "{ Contact { name } }"})),
        (alice, Method::POST, "/api/v1/graphql".to_owned(), json!({"query": "{ __schema { types { name } } }"})),
        (
            alice,
            Method::POST,
            "/api/v1/graphql".to_owned(),
            json!({"query": "mutation { add_Contact(input: {name: \"Ben\"}) { name } }"}),
        ),
        (&world.bob, Method::POST, "/api/v1/graphql".to_owned(), json!({"query": "{ Contact { name } }"})),
        (alice, Method::GET, "/api/v1/collections".to_owned(), Value::Null),
        (alice, Method::POST, "/api/v1/collections".to_owned(), json!({"sdl": "type Fresh { a: String }"})),
        (alice, Method::POST, "/api/v1/shares".to_owned(), person),
        (alice, Method::GET, "/api/v1/shares".to_owned(), Value::Null),
        (alice, Method::GET, format!("/api/v1/shares/{share}"), Value::Null),
        (alice, Method::GET, format!("/api/v1/groups/{group}"), Value::Null),
        (alice, Method::POST, format!("/api/v1/groups/{group}/members"), json!({"user": "alice"})),
        (alice, Method::GET, "/api/v1/folders".to_owned(), Value::Null),
        (alice, Method::POST, "/api/v1/folders".to_owned(), json!({"collection": "Contact", "name": "More"})),
        (alice, Method::GET, format!("/api/v1/folders/{folder}/documents"), Value::Null),
        (alice, Method::POST, "/api/v1/field-rules".to_owned(), hide),
        (alice, Method::GET, "/api/v1/field-rules".to_owned(), Value::Null),
        (alice, Method::POST, "/api/v1/links".to_owned(), json!({"collection": "Contact", "fields": ["name"]})),
        (alice, Method::GET, "/api/v1/access?collection=Contact&field=name".to_owned(), Value::Null),
        (&world.bob, Method::GET, "/api/v1/spaces".to_owned(), Value::Null),
        (&operator, Method::POST, "/api/v1/policy/explain".to_owned(), check),
        (&operator, Method::POST, "/api/v1/check".to_owned(), asks),
    ];
    for mode in [Mode::Refuse, Mode::Swallow] {
        world.proxy.set(mode);
        world.proxy.cut();
        // At once: where nothing comes back, each waits for its deadline.
        let asked = questions.iter().map(async |(client, method, path, body)| {
            let mut request = client.request(method.clone(), path);
            if !body.is_null() {
                request = request.json(body);
            }
            let refused = client.send(request).await.unwrap();
            assert_eq!(refused.status, 503, "{mode:?} {method} {path}: {}", refused.text);
            assert!(refused.text.contains("policy_unavailable"), "{mode:?} {method} {path}: {}", refused.text);
        });
        futures::future::join_all(asked).await;
        let page = Client::new(&world.node.url, None).unwrap().get(&format!("/l/{token}")).await.unwrap();
        assert_eq!(page.status, 503, "{}", page.text);
        assert_eq!(world.until(false).await.status, 503);
    }

    // What is taken away is pending, and said to be.
    world.stop().await;
    for path in [format!("/api/v1/field-rules/{rule}"), format!("/api/v1/groups/{group}/members/users/bob")] {
        let pending = alice.delete(&path).await.unwrap();
        assert_eq!((pending.status, &pending.json["pending"]), (202, &json!(true)), "{path}: {}", pending.text);
    }
    let pending = alice.delete(&format!("/api/v1/shares/{share}")).await.unwrap();
    assert_eq!((pending.status, &pending.json["pending"]), (202, &json!(true)), "{}", pending.text);
    assert!(pending.json["detail"].as_str().unwrap().contains("SpiceDB"), "{}", pending.text);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let waits = world.ready().await;
    assert!(waits.json["policy"]["revocations_pending"].as_u64().unwrap() >= 2, "{}", waits.text);
    assert_eq!(names(&world.bob).await.status, 503);

    // Back, it is delivered before anything is decided.
    world.proxy.set(Mode::Pass);
    world.until(true).await;
    let bob = names(&world.bob).await;
    assert_eq!(bob.status, 404, "{}", bob.text);
    assert_eq!(names(alice).await.json["data"]["Contact"], json!([{"name": "Ann"}]));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let ready = world.until(true).await;
    assert_eq!((ready.status, &ready.json["policy"]["revocations_pending"]), (200, &json!(0)), "{}", ready.text);
    assert_eq!(alice.get("/api/v1/shares").await.unwrap().json["given"], json!([]));
}

/// A grant that is taken back while policy is away is of no use from then on, and its space says so later.
#[tokio::test]
async fn a_grant_is_taken_back_while_spicedb_is_away() {
    let Some(world) = world().await else { return };
    let alice = &world.alice;
    let link = alice.post("/api/v1/links", &json!({"collection": "Contact", "fields": ["name"]})).await.unwrap();
    let (id, token) = (link.json["link"].as_str().unwrap(), link.json["token"].as_str().unwrap());
    let nobody = Client::new(&world.node.url, None).unwrap();
    assert_eq!(nobody.get(&format!("/l/{token}")).await.unwrap().status, 200, "control");
    world.stop().await;
    let removed = alice.delete(&format!("/api/v1/links/{id}")).await.unwrap();
    assert_eq!((removed.status, &removed.json["pending"]), (202, &json!(true)), "{}", removed.text);
    assert_eq!(nobody.get(&format!("/l/{token}")).await.unwrap().status, 404);
    world.proxy.set(Mode::Pass);
    world.until(true).await;
    for _ in 0..100 {
        if alice.get("/api/v1/links").await.unwrap().json == json!([]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    panic!("the space does not say so: {}", alice.get("/api/v1/links").await.unwrap().text);
}

/// The schema in SpiceDB, changed by whoever has its key, past the node.
async fn change_schema(world: &World, from: &str, to: &str) {
    let key = std::fs::read_to_string(world.root.path().join("home.spicedb.key")).unwrap();
    let bearer: tonic::metadata::MetadataValue<_> = format!("Bearer {}", key.trim()).parse().unwrap();
    let address = format!("http://{}", std::env::var("ALLOD_TEST_SPICEDB").unwrap());
    let mut schema = SchemaServiceClient::new(Endpoint::from_shared(address).unwrap().connect().await.unwrap());
    let mut read = Request::new(ReadSchemaRequest {});
    read.metadata_mut().insert("authorization", bearer.clone());
    let text = schema.read_schema(read).await.unwrap().into_inner().schema_text;
    assert!(text.contains(from), "{text}");
    let mut write = Request::new(WriteSchemaRequest { schema: text.replace(from, to) });
    write.metadata_mut().insert("authorization", bearer);
    schema.write_schema(write).await.unwrap();
}

/// What takes away and is refused by SpiceDB counts on the node at once, holds up whom it concerns and nobody else, and
/// is there by itself when SpiceDB takes it, also if SpiceDB was gone in between.
#[tokio::test]
async fn a_revocation_that_spicedb_refuses_waits_and_is_delivered_when_it_is_taken() {
    let Some(world) = world().await else { return };
    made(&world.alice, "/api/v1/shares", json!({"with": {"user": "bob"}, "role": "viewer"}), "share").await;
    let phones = "{ Contact { name phone } }";
    let both = json!([{"name": "Ann", "phone": "1"}]);
    assert_eq!(world.bob.graphql(phones).await.unwrap()["Contact"], both, "control");
    let (with, without) = ("relation hidden: user | group#member", "relation hidden: group#member");
    change_schema(&world, with, without).await;
    let hide = json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "bob"}});
    let hidden = world.alice.post("/api/v1/field-rules", &hide).await.unwrap();
    assert!([201, 202, 503].contains(&hidden.status), "{}", hidden.text);
    let shut = async |world: &World| {
        let answer = world.bob.try_graphql(phones, Value::Null).await.unwrap();
        assert!(answer.json["data"].is_null() && !answer.text.contains("\"1\""), "{}", answer.text);
        assert_eq!(world.alice.graphql(phones).await.unwrap()["Contact"], both, "it concerns her not");
    };
    shut(&world).await;
    let waits = world.ready().await;
    let policy = &waits.json["policy"];
    assert_eq!((&policy["revocations_pending"], &policy["refused"]), (&json!(1), &json!(1)), "{}", waits.text);
    assert!(policy["fix"].is_string(), "{}", waits.text);
    // Away and back changes nothing of that.
    world.stop().await;
    world.proxy.set(Mode::Pass);
    world.until(true).await;
    shut(&world).await;
    // SpiceDB takes it: nobody has to do anything more.
    change_schema(&world, without, with).await;
    for _ in 0..600 {
        if world.ready().await.json["policy"]["revocations_pending"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ready = world.ready().await;
    assert_eq!((ready.status, &ready.json["policy"]["refused"]), (200, &json!(0)), "{}", ready.text);
    assert_eq!(names(&world.bob).await.json["data"]["Contact"], json!([{"name": "Ann"}]));
    let phone = world.bob.try_graphql(phones, Value::Null).await.unwrap();
    assert_eq!(phone.codes(), ["unknown_field"], "{}", phone.text);
    assert_eq!(world.alice.graphql(phones).await.unwrap()["Contact"], both);
}

/// Waits until the device has so many of them.
async fn count(laptop: &Node, wanted: usize) {
    let mut last = String::new();
    for _ in 0..600 {
        let answer = laptop.operator().unwrap().try_graphql("{ COUNT(Contact: {}) }", Value::Null).await.unwrap();
        if answer.json["data"]["COUNT"] == wanted {
            return;
        }
        last = answer.text;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there should be {wanted}: {last}")
}

/// What devices get of a space leaves by what policy says of each batch: without an answer nothing does.
#[tokio::test]
async fn nothing_is_handed_to_a_device_while_spicedb_is_away_and_all_of_it_afterwards() {
    let Some(world) = world().await else { return };
    let joined = tokio::task::spawn_blocking(move || {
        let code = world.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
        let dir = world.root.path().join("laptop");
        world.node.allod.ok(&dir, &["device", "join", &code]).unwrap();
        let laptop = Node::serve(&world.node.allod, &dir).unwrap();
        (world, laptop)
    });
    let (world, laptop) = joined.await.unwrap();
    count(&laptop, 1).await;
    let dir = tokio::task::spawn_blocking(move || laptop.stop().unwrap()).await.unwrap();
    world.alice.graphql(r#"mutation { add_Contact(input: {name: "Joe", phone: "2"}) { _docID } }"#).await.unwrap();
    world.stop().await;
    let serve = tokio::task::spawn_blocking(move || {
        let laptop = Node::serve(&world.node.allod, &dir).unwrap();
        (world, laptop)
    });
    let (world, laptop) = serve.await.unwrap();
    assert!(world.node.says("sync waits for its store"), "it was asked for: {}", world.node.said());
    count(&laptop, 1).await;
    world.proxy.set(Mode::Pass);
    world.until(true).await;
    count(&laptop, 2).await;
}
