//! What people are told: something shared, a sign-in from a new place, a device, a grant that ends, another password.

use std::time::{Duration, Instant};

use harness::{Allod, Client, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::{Home, OWNER};
use crate::hostile::code;

/// Kinds and what they are about, newest first.
async fn told(client: &Client) -> Vec<(String, Value)> {
    let answer = client.get("/api/v1/notices").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    let one = |one: &Value| (one["kind"].as_str().unwrap().to_owned(), one["about"].clone());
    answer.json.as_array().unwrap().iter().map(one).collect()
}

/// Waits until somebody is told of a kind; about what.
async fn told_of(client: &Client, kind: &str) -> Value {
    let begun = Instant::now();
    loop {
        let all = told(client).await;
        if let Some((_, about)) = all.iter().find(|one| one.0 == kind) {
            return about.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{kind}: {all:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Somebody signs in from an address behind the proxy on this machine.
async fn sign_in_from(node: &Node, address: &str, agent: &str) -> u16 {
    let nobody = Client::new(&node.url, None).unwrap();
    let request = nobody.request(Method::POST, "/api/v1/session");
    let request = request.header("x-forwarded-for", address).header("user-agent", agent);
    nobody.send(request.json(&json!({"user": OWNER.0, "password": OWNER.1}))).await.unwrap().status
}

#[tokio::test]
async fn who_gets_something_is_told_once_and_who_shares_is_not() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    home.alice.define("type Note { text: String } type Recipe { text: String }").await.unwrap();
    for collection in ["Note", "Recipe"] {
        let share = home
            .alice
            .post("/api/v1/shares", &json!({"with": {"user": "bob"}, "collection": collection, "role": "viewer"}))
            .await
            .unwrap();
        assert_eq!(share.status, 201, "{}", share.text);
    }
    assert_eq!(told(&bob).await, [("share_got".to_owned(), json!("alice"))], "one stands for all that are unread");
    assert_eq!(told(&home.alice).await, []);
    // What is kept from somebody is not told them.
    let eve = home.user("eve", None).await;
    let note = home.alice.graphql(r#"mutation { add_Note(input: {text: "x"}) { _docID } }"#).await.unwrap();
    let note = &note["add_Note"][0]["_docID"];
    let blocked = json!({"with": {"user": "eve"}, "collection": "Note", "document": note, "role": "blocked"});
    let blocked = home.alice.post("/api/v1/shares", &blocked).await.unwrap();
    assert_eq!(blocked.status, 201, "{}", blocked.text);
    assert_eq!(told(&eve).await, []);
    home.node.cli_ok(&["tenant", "add", "firm"]).unwrap();
    let other = home.user("carol", Some("firm")).await;
    let offered = home
        .alice
        .post("/api/v1/shares", &json!({"with": {"user": "carol"}, "collection": "Note", "role": "viewer"}))
        .await
        .unwrap();
    assert_eq!((offered.status, &offered.json["pending"]), (201, &json!(true)), "{}", offered.text);
    assert_eq!(told_of(&other, "share_got").await, "alice", "also of another tenant, who may come for it");

    // Read by its id, by another person, and all.
    let listed = bob.get("/api/v1/notices").await.unwrap();
    assert_eq!(listed.json[0]["read"], Value::Null);
    let these = json!({"notices": [listed.json[0]["notice"], "not hex", "00".repeat(16)]});
    assert_eq!(eve.post("/api/v1/notices/read", &these).await.unwrap().json, json!({"read": 0}));
    assert_eq!(bob.post("/api/v1/notices/read", &these).await.unwrap().json, json!({"read": 1}));
    assert_eq!(bob.post("/api/v1/notices/read", &json!({})).await.unwrap().json, json!({"read": 0}));
    assert!(bob.get("/api/v1/notices").await.unwrap().json[0]["read"].is_string());
    let many = json!({"notices": vec!["00"; 1_001]});
    assert_eq!(bob.post("/api/v1/notices/read", &many).await.unwrap().status, 400);
    let wrong = json!({"notices": [], "all": true});
    assert_eq!(code(&bob.post("/api/v1/notices/read", &wrong).await.unwrap()), "bad_request");
}

#[tokio::test]
async fn notices_are_for_people_each_their_own_and_no_apps() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let note = json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read"], "fields": {"allow": ["text"]}});
    let (app, _) = home.app(&note, &note);
    let link = home.alice.post("/api/v1/links", &json!({"collection": "Note", "fields": ["text"]})).await.unwrap();
    let link = home.alice.with_token(link.json["token"].as_str().unwrap());
    for (method, path) in [
        (Method::GET, "/api/v1/notices"),
        (Method::POST, "/api/v1/notices/read"),
        (Method::GET, "/api/v1/notices/kinds"),
        (Method::PUT, "/api/v1/notices/kinds/share_got"),
    ] {
        let ask = async |client: &Client| {
            let mut request = client.request(method.clone(), path);
            if method != Method::GET {
                request = request.json(&json!({}));
            }
            client.send(request).await.unwrap()
        };
        assert_eq!(ask(&home.alice).await.status, 200, "control: {path}");
        for client in [&app, &link] {
            let refused = ask(client).await;
            assert_eq!((refused.status, code(&refused)), (403, "not_for_apps"), "{path}");
        }
        assert_eq!(ask(&home.alice.nobody()).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_kind_is_turned_off_and_what_warns_of_others_only_by_who_proves_who_they_are() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let set = async |client: &Client, kind: &str, on: bool| {
        client.put(&format!("/api/v1/notices/kinds/{kind}"), &json!({"console": on})).await.unwrap()
    };
    let off = set(&bob, "share_got", false).await;
    let of = |answer: &harness::Answer, kind: &str| {
        let all = answer.json.as_array().unwrap();
        all.iter().find(|one| one["kind"] == kind).unwrap().clone()
    };
    assert_eq!(of(&off, "share_got"), json!({"kind": "share_got", "fixed": false, "console": false, "mail": true}));
    let share = json!({"with": {"user": "bob"}, "collection": "Note", "role": "viewer"});
    assert_eq!(home.alice.post("/api/v1/shares", &share).await.unwrap().status, 201);
    assert_eq!(told(&bob).await, []);
    assert_eq!(set(&bob, "share_got", true).await.status, 200);
    assert_eq!(home.alice.post("/api/v1/shares", &share).await.unwrap().status, 200);
    assert_eq!(told(&bob).await.len(), 1, "control");

    assert_eq!(set(&bob, "nonsense", false).await.status, 404);
    assert_eq!(of(&bob.get("/api/v1/notices/kinds").await.unwrap(), "password_changed")["fixed"], true);
    let fixed = set(&bob, "password_changed", false).await;
    assert_eq!((fixed.status, code(&fixed)), (409, "notice_fixed"));
    assert_eq!(set(&bob, "password_changed", true).await.status, 200);
    // Ten minutes later.
    let Home { node, root, .. } = home;
    let (allod, dir) = (node.allod.clone(), node.stop().unwrap());
    let mut command = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("ALLOD_CLOCK_AHEAD", "600");
    let node = Node::serve_by(allod, &dir, command).unwrap();
    let old = bob.at(&node.url);
    for kind in ["sign_in_new", "device_added", "password_changed"] {
        let refused = set(&old, kind, false).await;
        assert_eq!((refused.status, code(&refused)), (401, "insufficient_user_authentication"), "{kind}");
        assert_eq!(set(&old, kind, true).await.status, 200, "{kind}: on is no danger");
    }
    assert_eq!(set(&old, "share_got", false).await.status, 200, "control");
    let fresh = node.sign_in("bob", "the long password of bob").await.unwrap();
    assert_eq!(of(&set(&fresh, "sign_in_new", false).await, "sign_in_new")["console"], false, "control");
    drop(root);
}

#[tokio::test]
async fn a_sign_in_from_a_new_place_and_changes_of_how_one_signs_in_are_told() {
    let home = Home::with("[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n").await;
    assert_eq!(told(&home.alice).await, [], "the first place is none that is new");
    for _ in 0..3 {
        assert_eq!(sign_in_from(&home.node, "198.51.100.7", "Thing/1.0").await, 200);
    }
    assert_eq!(told(&home.alice).await, [("sign_in_new".to_owned(), json!("Thing, 198.51.100.7"))]);
    assert_eq!(sign_in_from(&home.node, "198.51.100.8", "Thing/2.0").await, 200);
    assert_eq!(told(&home.alice).await.len(), 2, "another address");
    // Names that programs give themselves are words, and nothing of theirs is more than that.
    assert_eq!(sign_in_from(&home.node, "198.51.100.9", "<b>x</b>\u{202e}").await, 200);
    let all = home.alice.get("/api/v1/notices").await.unwrap();
    assert!(!all.text.contains('<') && !all.text.contains('\u{202e}'), "{}", all.text);

    let change = json!({"current": OWNER.1, "new": "another horse, another battery"});
    assert_eq!(home.alice.put("/api/v1/me/password", &change).await.unwrap().status, 200);
    assert_eq!(told(&home.alice).await[0].0, "password_changed");
    let totp = home.alice.post("/api/v1/me/totp", &json!({})).await.unwrap();
    assert_eq!(totp.status, 201, "{}", totp.text);
    assert_eq!(told(&home.alice).await[0].0, "password_changed", "begun is not added");
    let file = home.file("given", "a password that was given");
    home.node.cli_ok(&["user", "password", "alice", "--password-file", &file]).unwrap();
    let again = home.node.sign_in(OWNER.0, "a password that was given").await.unwrap();
    let changes = told(&again).await.into_iter().filter(|one| one.0 == "password_changed").count();
    assert_eq!(changes, 2, "also by whoever holds the machine");
}

#[tokio::test]
async fn a_device_that_joins_a_grant_that_ends_and_backups_that_fail_are_told_once() {
    let home = Home::with("[backup]\nto = \"/proc/nowhere\"\nevery = \"1h\"\n").await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let note = json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read"], "fields": {"allow": ["text"]},
        "duration": "P30D"});
    home.app(&note, &note);
    let mut long = note;
    long["duration"] = json!("P90D");
    home.app(&long, &long);
    assert_eq!(told_of(&home.alice, "backup_failing").await, Value::Null);
    let code = home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    home.node.allod.ok(&home.root.path().join("laptop"), &["device", "join", &code]).unwrap();
    assert!(told_of(&home.alice, "device_added").await.as_str().unwrap().starts_with("12D3Koo"));
    assert!(told(&home.alice).await.iter().all(|one| one.0 != "grant_ending"));

    // Twenty-eight days later.
    let Home { node, root, .. } = home;
    let (allod, dir): (Allod, _) = (node.allod.clone(), node.stop().unwrap());
    let serve = |ahead: u64| {
        let mut command = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
        command.env("ALLOD_CLOCK_AHEAD", ahead.to_string());
        Node::serve_by(allod.clone(), &dir, command).unwrap()
    };
    let node = serve(28 * 86_400);
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(told_of(&alice, "grant_ending").await, "An App");
    let before = told(&alice).await;
    node.stop().unwrap();
    let node = serve(28 * 86_400 + 60);
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(told(&alice).await, before, "once each: a start tells nothing again");
    drop(root);
}
