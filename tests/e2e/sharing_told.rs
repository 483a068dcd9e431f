//! Who sees a field, told of everybody: also of those whom clients of SpiceDB named, of everyone, and of what the one
//! who asks cannot be told.

use std::collections::BTreeSet;

use harness::{Client, free_port};
use serde_json::{Value, json};
use spicedb_grpc_tonic::v1::permissions_service_client::PermissionsServiceClient;
use spicedb_grpc_tonic::v1::{
    ObjectReference, Relationship, RelationshipUpdate, SubjectReference, WriteRelationshipsRequest,
};
use tonic::transport::Endpoint;

use crate::home::OWNER;
use crate::policy_node::{bearing, serve};
use crate::sharing::{People, share};
use crate::sharing_access::{by, shows, told};
use crate::sharing_fields::rule;

const KEY: &str = "a key of more than sixteen characters";

fn object(text: &str) -> ObjectReference {
    let (kind, id) = text.split_once(':').unwrap();
    ObjectReference { object_type: kind.into(), object_id: id.into() }
}

/// `resource#relation@subject`, as an update.
fn touch(text: &str) -> RelationshipUpdate {
    let (resource, rest) = text.split_once('#').unwrap();
    let (relation, subject) = rest.split_once('@').unwrap();
    let (subject, member) = subject.split_once('#').unwrap_or((subject, ""));
    let relationship = Relationship {
        resource: Some(object(resource)),
        relation: relation.into(),
        subject: Some(SubjectReference { object: Some(object(subject)), optional_relation: member.into() }),
        optional_caveat: None,
        optional_expires_at: None,
    };
    RelationshipUpdate { operation: 2, relationship: Some(relationship) }
}

fn everyone(entries: &[Value]) -> Option<&Value> {
    entries.iter().find(|one| one["everyone"] == true)
}

#[tokio::test]
async fn whom_clients_of_spicedb_name_is_told_too() {
    let People { home, space, .. } = People::new().await;
    let contacts = home.alice.graphql("{ Contact(order: {name: ASC}) { _docID } }").await.unwrap();
    let id = [0, 1, 2].map(|n: usize| contacts["Contact"][n]["_docID"].as_str().unwrap().to_owned());
    let folder = home.alice.post("/api/v1/folders", &json!({"collection": "Contact", "name": "Work"})).await.unwrap();
    let folder = folder.json["folder"].as_str().unwrap().to_owned();
    let filing = format!("/api/v1/folders/{folder}/documents");
    assert_eq!(home.alice.post(&filing, &json!({"documents": [id[2]]})).await.unwrap().status, 200);
    home.user("dan", None).await;
    let key = home.file("policy.key", KEY);
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let node = serve(&allod, &dir, &["--policy-listen", &listen, "--policy-key-file", &key, "--policy-write"]);
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let signed =
        async |name: &str| node.sign_in(name, &format!("the long password of {name}")).await.unwrap().in_space(&space);
    let (bob, carol, dan) = (signed("bob").await, signed("carol").await, signed("dan").await);
    let users = node.cli_ok(&["user", "list"]).unwrap();
    let user = |name: &str| {
        let found = users.as_array().unwrap().iter().find(|user| user["name"] == name).unwrap();
        found["user"].as_str().unwrap().to_owned()
    };
    // The collection's id, from the edge of the document that is filed.
    let audit = node.cli_ok(&["policy", "audit"]).unwrap().to_string();
    let filed = id[2].replace('-', "");
    let at = audit.find(&format!("|{filed}#folder@")).unwrap();
    let collection = audit[at - 32..at].to_owned();
    let document = |n: usize| format!("document:{collection}|{}", id[n].replace('-', ""));
    let group = "5".repeat(32);
    let updates = [
        format!("{}#viewer@user:{}", document(0), user("bob")),
        format!("{}#viewer@user:*", document(1)),
        format!("folder:{folder}#viewer@group:{group}#member"),
        format!("group:{group}#member@user:{}", user("carol")),
    ];
    let channel = Endpoint::from_shared(format!("http://{listen}")).unwrap().connect().await.unwrap();
    let write = WriteRelationshipsRequest {
        updates: updates.iter().map(|text| touch(text)).collect(),
        optional_preconditions: Vec::new(),
        optional_transaction_metadata: None,
    };
    PermissionsServiceClient::new(channel).write_relationships(bearing(write, KEY)).await.unwrap();

    let clients: [(&str, &Client); 3] = [("alice", &alice), ("bob", &bob), ("carol", &carol)];
    for at in [None, Some(0), Some(1), Some(2)] {
        let at = at.map(|n: usize| id[n].as_str());
        let question = match at {
            None => "collection=Contact&field=name".to_owned(),
            Some(id) => format!("collection=Contact&field=name&document={id}"),
        };
        let entries = told(&alice, &question, 100).await;
        assert_eq!(told(&alice, &question, 1).await, entries, "page by page, {question}");
        let mut expected = BTreeSet::new();
        for (name, client) in clients {
            if shows(client, "name", at).await {
                expected.insert(name);
            }
        }
        // Whom nothing names is told as everyone.
        assert_eq!(everyone(&entries).is_some(), shows(&dan, "name", at).await, "{question}: {entries:?}");
        let named = by(&entries, "user");
        assert!(everyone(&entries).is_some() || named == expected, "{question}: {entries:?}");
        assert!(named.is_subset(&expected), "{question}: {entries:?}");
        assert_eq!(by(&entries, "group").contains(group.as_str()), at.is_none_or(|at| at == id[2]));
        for one in &entries {
            assert!(!one["path"].as_array().unwrap().is_empty(), "why? {one}");
        }
    }
    let all = told(&alice, "collection=Contact&field=name", 100).await;
    assert_eq!(by(&all, "user"), BTreeSet::from(["alice", "bob", "carol"]), "{all:?}");
    let everyone = everyone(&all).unwrap();
    assert_eq!(everyone["documents"], json!({"only": 1}), "{everyone}");
    let path = everyone["path"].to_string();
    assert!(path.contains(&format!("{}#viewer@user:*", document(1))), "{path}");
    drop((node, root));
}

#[tokio::test]
async fn what_the_one_who_asks_cannot_be_told_is_said_and_so_is_which_entry_shows_it() {
    let people = People::new().await;
    let (alice, [bob, _]) = (&people.home.alice, people.looking());
    let all = alice.graphql("{ Contact(order: {name: ASC}) { _docID } }").await.unwrap();
    let id = |n: usize| all["Contact"][n]["_docID"].as_str().unwrap().to_owned();
    share(alice, json!({"collection": "Contact", "with": {"user": "bob"}, "role": "owner"})).await;
    let family = json!({"tag": {"_eq": "family"}});
    let link = json!({"collection": "Contact", "fields": ["name"], "where": family});
    let made = alice.post("/api/v1/links", &link).await.unwrap();
    let link = made.json["link"].as_str().unwrap();
    let of_link = async |client: &Client, n: usize| {
        let entries = told(client, &format!("collection=Contact&field=name&document={}", id(n)), 100).await;
        entries.into_iter().find(|one| one["link"] == link)
    };
    for client in [alice, &bob] {
        assert!(of_link(client, 0).await.unwrap()["document"].is_null(), "it shows Ann");
        assert!(of_link(client, 1).await.is_none(), "it does not show Ben");
    }
    rule(alice, json!({"collection": "Contact", "field": "tag", "rule": "hidden", "who": {"user": "bob"}})).await;
    for n in [0, 1] {
        assert_eq!(of_link(&bob, n).await.unwrap()["document"], "unknown", "whether it shows {n} would tell Bob a tag");
    }
    assert!(of_link(alice, 1).await.is_none(), "control: Alice is told");

    let entry = |fields: Value, rows: Value| {
        json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"], "fields": {"allow": fields},
            "where": rows})
    };
    let (phones, names) = (entry(json!(["phone"]), json!({})), entry(json!(["name"]), family));
    let node = &people.home.node;
    let manifest = json!({"name": "Two", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [phones, names],
        "confidential": false});
    let app = node.cli_ok(&["app", "add", &people.home.file("two.json", &manifest.to_string())]).unwrap();
    let app = app["client_id"].as_str().unwrap();
    let file = people.home.file("grant.json", &json!([phones, names]).to_string());
    let mut grants = BTreeSet::new();
    for _ in 0..2 {
        let made = node.cli_ok(&["grant", "add", "--user", "alice", "--app", app, &file]).unwrap();
        grants.insert(made["grant"].as_str().unwrap().to_owned());
    }
    for (field, n) in [("phone", 0), ("name", 1)] {
        let entries = told(alice, &format!("collection=Contact&field={field}"), 100).await;
        assert_eq!(by(&entries, "grant").len(), 2, "{entries:?}");
        for one in entries.iter().filter(|one| one["grant"].is_string() && one["client_id"] == app) {
            let (path, grant) = (one["path"].to_string(), one["grant"].as_str().unwrap());
            assert!(path.contains(&format!("grant:{grant}/{n}#reader@")), "{field}: {path}");
            assert!(!path.contains(&format!("grant:{grant}/{}#reader@", 1 - n)), "{field}: {path}");
        }
    }
    // What an app sees comes in pages as well.
    let first = node.cli_ok(&["policy", "app", app, "--limit", "1"]).unwrap();
    let next = first["next"].as_str().unwrap();
    let second = node.cli_ok(&["policy", "app", app, "--limit", "1", "--after", next]).unwrap();
    let of = |page: &Value| page["entries"][0]["grant"].as_str().unwrap().to_owned();
    assert_eq!(BTreeSet::from([of(&first), of(&second)]), grants);
    assert!(second["next"].is_null() && first["entries"].as_array().unwrap().len() == 1, "{first} {second}");
    assert_eq!(alice.get(&format!("/api/v1/access/apps/{app}?limit=0")).await.unwrap().status, 400);

    // Who reads text is told that there is more, and not on stdout.
    let text = |args: &[&str]| {
        let mut command = std::process::Command::new(node.allod.path());
        let out = command.args(args).arg("--data").arg(&node.dir).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&out.stdout), text(&out.stderr))
    };
    let (stdout, stderr) = text(&["policy", "who", "Contact.name", "--limit", "1"]);
    let after = stderr.trim().strip_prefix("there are more: --after ").unwrap_or_else(|| panic!("{stdout} {stderr}"));
    let (rest, none) = text(&["policy", "who", "Contact.name", "--after", after]);
    assert!(!stdout.contains("--after") && rest != stdout && none.is_empty(), "{rest} {none}");
    assert_eq!(node.cli(&["policy", "who", "Contact.name", "--limit", "1"]).unwrap().stderr, "", "JSON says it itself");
}
