//! Policy of a running node: its schema, reasons and audit for the operator, SpiceDB's API for whoever has the key, and
//! SpiceDB itself as the engine.

use std::path::Path;

use harness::{Allod, Client, Node, free_port};
use serde_json::{Value, json};
use spicedb_grpc_tonic::v1::permissions_service_client::PermissionsServiceClient;
use spicedb_grpc_tonic::v1::schema_service_client::SchemaServiceClient;
use spicedb_grpc_tonic::v1::{
    ObjectReference, ReadSchemaRequest, Relationship, RelationshipUpdate, SubjectReference, WriteRelationshipsRequest,
};
use tonic::transport::Endpoint;
use tonic::{Code, Request};

const SHOP: &str = "\ncaveat at_most(limit int, amount int) {\n  amount <= limit\n}\n\ndefinition shop {\n  relation \
                    buyer: user with at_most\n  permission buy = buyer\n}\n";

pub fn serve(allod: &Allod, dir: &Path, more: &[&str]) -> Node {
    let mut args = vec!["serve", "--listen", "127.0.0.1:0"];
    args.extend(more);
    Node::serve_by(allod.clone(), dir, allod.command(dir, &args)).unwrap()
}

fn file(root: &Path, name: &str, text: &str) -> String {
    let path = root.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_operator_adds_to_the_schema_asks_why_and_reads_the_audit() {
    let root = tempfile::tempdir().unwrap();
    let (allod, dir) = (Allod::find().unwrap(), root.path().join("home"));
    let made = Node::init(&allod, &dir, "alice", "home", "correct horse battery").unwrap();
    let node = serve(&allod, &dir, &[]);
    let schema = node.cli_ok(&["policy", "schema"]).unwrap();
    let schema = schema["schema"].as_str().unwrap();
    assert!(schema.contains("definition space"));
    let whole = file(root.path(), "whole.zed", &format!("{schema}{SHOP}"));
    let written = node.cli_ok(&["policy", "write", &whole]).unwrap();
    assert_eq!(written["changed"], true);
    assert!(written["changes"].to_string().contains("definition `shop` was added"), "{written}");
    assert_eq!(node.cli_ok(&["policy", "write", &whole]).unwrap()["changed"], false);
    // The platform's own rules are nobody's to change: a tenant's owner would see every space.
    let open =
        schema.replace("permission view = edit + viewer\n", "permission view = edit + viewer + tenant->manage\n");
    assert_ne!(open, schema);
    let open = file(root.path(), "open.zed", &open);
    assert_eq!(node.cli(&["policy", "write", &open]).unwrap().refused(2).unwrap(), "schema_of_the_platform");
    let bad = file(root.path(), "bad.zed", "definition user {");
    assert_eq!(node.cli(&["policy", "write", &bad]).unwrap().refused(2).unwrap(), "schema_wrong");

    let (user, space) = (made["user"].as_str().unwrap(), made["space"].as_str().unwrap());
    let why = node.cli_ok(&["policy", "explain", &format!("space:{space}#view@user:{user}")]).unwrap();
    assert_eq!(why["path"], json!([format!("space:{space}#owner@user:{user}")]));
    let stranger = "0".repeat(32);
    let no = node.cli(&["policy", "explain", &format!("space:{space}#view@user:{stranger}")]).unwrap();
    assert_eq!((no.code, &no.json["answer"]), (3, &json!("no")));
    assert_eq!(node.cli(&["policy", "explain", "space:1#fly@user:1"]).unwrap().refused(2).unwrap(), "unknown_name");
    let audit = node.cli_ok(&["policy", "audit"]).unwrap();
    let last = audit.as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["action"], &last["detail"]["by"]["actor"]), (&json!("write_schema"), &json!("operator")));

    // After a restart the additions are there. An operator looks at them over the network, and only the machine writes.
    let node = serve(&allod, &node.stop().unwrap(), &[]);
    assert!(node.cli_ok(&["policy", "schema"]).unwrap()["schema"].as_str().unwrap().contains("definition shop"));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let alice = node.sign_in("alice", "correct horse battery").await.unwrap();
        for path in ["/api/v1/policy/schema", "/api/v1/policy/audit"] {
            assert_eq!(alice.get(path).await.unwrap().status, 200, "{path}");
        }
        let write = alice.request(reqwest::Method::PUT, "/api/v1/policy/schema").body("definition user {}");
        assert_eq!(alice.send(write).await.unwrap().status, 403);
        // What would come of a schema they may ask; nothing comes of it.
        let check = async |text: String| {
            let request = alice.request(reqwest::Method::POST, "/api/v1/policy/schema/check").body(text);
            let answer = alice.send(request).await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
            answer.json
        };
        let more = "definition stall {\n  relation stall: user\n  permission open = stall\n}\n";
        let told = check(format!("{schema}{SHOP}{more}")).await;
        assert_eq!((&told["fits"], &told["wrong"]), (&json!(true), &json!(null)));
        assert_eq!(told["changes"].as_array().unwrap().len(), 1, "{told}");
        assert!(told["changes"][0].as_str().unwrap().contains("`stall` was added"), "{told}");
        assert_eq!(told["warnings"][0]["name"], "relation-name-references-parent", "{told}");
        let told = check(schema.to_owned()).await;
        assert_eq!((&told["fits"], told["warnings"].as_array().unwrap().len()), (&json!(true), 0));
        assert!(told["changes"][0].as_str().unwrap().contains("`shop` was removed"), "{told}");
        let told = check("definition user {\n  relation".to_owned()).await;
        assert_eq!((&told["fits"], &told["wrong"]["code"]), (&json!(false), &json!("schema_wrong")));
        assert_eq!(told["wrong"]["line"], 2, "{told}");
        let told = check(schema.replace("permission view = edit + viewer\n", "permission view = edit\n")).await;
        assert_eq!((&told["fits"], &told["wrong"]["code"]), (&json!(false), &json!("schema_of_the_platform")));
        let now = alice.get("/api/v1/policy/schema").await.unwrap().json;
        assert!(now["schema"].as_str().unwrap().contains("definition shop") && !now.to_string().contains("stall"));
        assert_eq!(node.operator().unwrap().get("/api/v1/policy/audit").await.unwrap().status, 200);
    });
}

pub fn bearing<T>(message: T, key: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

fn touch(kind: &str, id: &str, relation: &str, user: &str) -> WriteRelationshipsRequest {
    let object = |kind: &str, id: &str| ObjectReference { object_type: kind.into(), object_id: id.into() };
    let relationship = Relationship {
        resource: Some(object(kind, id)),
        relation: relation.into(),
        subject: Some(SubjectReference { object: Some(object("user", user)), optional_relation: String::new() }),
        optional_caveat: None,
        optional_expires_at: None,
    };
    let update = RelationshipUpdate { operation: 2, relationship: Some(relationship) };
    WriteRelationshipsRequest {
        updates: vec![update],
        optional_preconditions: Vec::new(),
        optional_transaction_metadata: None,
    }
}

#[tokio::test]
async fn clients_of_spicedb_speak_to_a_live_node_with_its_key() {
    const KEY: &str = "a key of more than sixteen characters";
    let root = tempfile::tempdir().unwrap();
    let (allod, dir) = (Allod::find().unwrap(), root.path().join("home"));
    let made = Node::init(&allod, &dir, "alice", "home", "correct horse battery").unwrap();
    let space = made["space"].as_str().unwrap().to_owned();
    let key = file(root.path(), "policy.key", KEY);
    let group = "5".repeat(32);
    for (writes, code) in [(false, Code::Unavailable), (true, Code::Ok)] {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut args = vec!["--policy-listen", &listen, "--policy-key-file", &key];
        args.extend(writes.then_some("--policy-write"));
        let node = serve(&allod, &dir, &args);
        let channel = Endpoint::from_shared(format!("http://{listen}")).unwrap().connect().await.unwrap();
        let mut schema = SchemaServiceClient::new(channel.clone());
        for wrong in ["", "another key of that many characters"] {
            let refused = schema.read_schema(bearing(ReadSchemaRequest {}, wrong)).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated);
        }
        let read = schema.read_schema(bearing(ReadSchemaRequest {}, KEY)).await.unwrap().into_inner();
        assert!(read.schema_text.contains("definition space"));
        let mut permissions = PermissionsServiceClient::new(channel);
        let user = "7".repeat(32);
        let written = permissions.write_relationships(bearing(touch("group", &group, "member", &user), KEY)).await;
        assert_eq!(written.map_or_else(|status| status.code(), |_| Code::Ok), code, "writes: {writes}");
        // What the node keeps itself is nobody's to write: a key is no way into a space.
        let stolen = permissions.write_relationships(bearing(touch("space", &space, "owner", &user), KEY)).await;
        assert_ne!(stolen.map_or_else(|status| status.code(), |_| Code::Ok), Code::Ok);
        if writes {
            let member = format!("group:{group}#member@user:{user}");
            assert_eq!(node.cli_ok(&["policy", "explain", &member]).unwrap()["allowed"], true);
            let audit = node.cli_ok(&["policy", "audit"]).unwrap();
            let last = audit.as_array().unwrap().last().unwrap().clone();
            assert_eq!(last["detail"]["by"]["actor"], "policy_api");
        }
        node.stop().unwrap();
    }
    let refused = allod.run(&dir, &["serve", "--policy-listen", "127.0.0.1:0"]).unwrap();
    assert_eq!(refused.code, 2, "no key, no API: {}", refused.stderr);
}

async fn titles(client: &Client) -> Value {
    client.graphql("{ Book { title } }").await.unwrap()["Book"].clone()
}

/// The same node, the same rules; SpiceDB answers.
#[tokio::test]
async fn spicedb_takes_over_and_what_is_revoked_is_revoked_there() {
    let Ok(address) = std::env::var("ALLOD_TEST_SPICEDB") else {
        eprintln!("note: ALLOD_TEST_SPICEDB is not set; SpiceDB as the engine is not tested");
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let (allod, dir) = (Allod::find().unwrap(), root.path().join("home"));
    Node::init(&allod, &dir, "alice", "home", "correct horse battery").unwrap();
    let key = file(root.path(), "spicedb.key", &format!("e2e-{}", root.path().file_name().unwrap().display()));
    let spicedb = ["--spicedb", &address, "--spicedb-key-file", &key, "--spicedb-tls", "off"];
    // Before anything was moved, SpiceDB knows nothing and must not answer.
    let refused = allod.run(&dir, &[&["serve", "--listen", "127.0.0.1:0"], &spicedb[..]].concat()).unwrap();
    assert_eq!(refused.refused(1).unwrap(), "spicedb_not_ready");

    let node = serve(&allod, &dir, &[]);
    node.cli_ok(&["client", "schema", "add", "type Book { title: String secret: String }"]).unwrap();
    node.cli_ok(&[
        "client",
        "query",
        "--api",
        "v1",
        r#"mutation { add_Book(input: {title: "Emma", secret: "x"}) { _docID } }"#,
    ])
    .unwrap();
    let moved = node.cli_ok(&[&["policy", "migrate", "--to", "spicedb"], &spicedb[..]].concat()).unwrap();
    assert!(moved["relationships"].as_u64().unwrap() > 5 && moved["checks"].as_u64().unwrap() > 0, "{moved}");
    let dir = node.stop().unwrap();

    let node = serve(&allod, &dir, &spicedb);
    let alice = node.sign_in("alice", "correct horse battery").await.unwrap();
    assert_eq!(titles(&alice).await, json!([{ "title": "Emma" }]));
    let manifest = file(
        root.path(),
        "manifest.json",
        &json!({ "name": "Shelf", "redirect_uris": ["http://127.0.0.1:9/x"], "access": [{
            "type": "allod_doc", "datatypes": ["Book"], "actions": ["read", "search"],
            "fields": { "allow": ["title"] }, "purpose": "Shows books", "duration": "P30D" }] })
        .to_string(),
    );
    let grant = file(
        root.path(),
        "grant.json",
        &json!({ "type": "allod_doc", "datatypes": ["Book"], "actions": ["read", "search"],
            "fields": { "allow": ["title"] } })
        .to_string(),
    );
    let app = node.cli_ok(&["app", "add", &manifest]).unwrap();
    let client_id = app["client_id"].as_str().unwrap();
    let granted = node.cli_ok(&["grant", "add", "--user", "alice", "--app", client_id, &grant]).unwrap();
    let shelf = Client::new(&node.url, granted["access_token"].as_str()).unwrap();
    assert_eq!(titles(&shelf).await, json!([{ "title": "Emma" }]));
    let secret = shelf.try_graphql("{ Book { secret } }", Value::Null).await.unwrap();
    assert!(!secret.codes().is_empty(), "{}", secret.text);
    // A collection made while SpiceDB answers is known there before it is used.
    node.cli_ok(&["client", "schema", "add", "type Note { text: String }"]).unwrap();
    node.cli_ok(&["client", "query", "--api", "v1", r#"mutation { add_Note(input: {text: "n"}) { _docID } }"#])
        .unwrap();
    node.cli_ok(&["grant", "revoke", granted["grant"].as_str().unwrap()]).unwrap();
    let after = shelf.try_graphql("{ Book { title } }", Value::Null).await.unwrap();
    assert_ne!(after.status, 200, "{}", after.text);
    assert_eq!(titles(&alice).await, json!([{ "title": "Emma" }]));
    node.stop().unwrap();

    // Without SpiceDB nothing is allowed, and nothing is lost.
    let nowhere = ["--spicedb", "127.0.0.1:9", "--spicedb-key-file", &key, "--spicedb-tls", "off"];
    let refused = allod.run(&dir, &[&["serve", "--listen", "127.0.0.1:0"], &nowhere[..]].concat()).unwrap();
    assert_eq!(refused.refused(1).unwrap(), "spicedb_not_ready");
    let node = serve(&allod, &dir, &[]);
    let back = node.cli_ok(&[&["policy", "migrate", "--to", "embedded"], &spicedb[..]].concat()).unwrap();
    assert!(back["relationships"].as_u64().unwrap() > 5, "{back}");
    let alice = node.sign_in("alice", "correct horse battery").await.unwrap();
    assert_eq!(titles(&alice).await, json!([{ "title": "Emma" }]));
}
