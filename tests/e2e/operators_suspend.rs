//! What operators take away: somebody's way in, for a while, and an app.

use harness::Node;
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::Home;

const ASK: &str = "{ Note { text } }";

#[tokio::test]
async fn whoever_is_suspended_is_out_at_once_with_their_apps_and_links_and_comes_back_with_them() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let carol = home.user("carol", None).await;
    bob.define("type Note { text: String }").await.unwrap();
    bob.graphql(r#"mutation { add_Note(input: {text: "mine"}) { _docID } }"#).await.unwrap();
    let note = json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read", "search"], "fields": {"allow": ["text"]}});
    let manifest = json!({"name": "Notes", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [note]});
    let app = home.node.cli_ok(&["app", "add", &home.file("notes.json", &manifest.to_string())]).unwrap();
    let client = app["client_id"].as_str().unwrap();
    let file = home.file("note.json", &note.to_string());
    let given = home.node.cli_ok(&["grant", "add", "--user", "bob", "--app", client, &file]).unwrap();
    let by_app = bob.with_token(given["access_token"].as_str().unwrap());
    let link = bob.post("/api/v1/links", &json!({"collection": "Note", "fields": ["text"]})).await.unwrap();
    let by_link = bob.with_token(link.json["token"].as_str().unwrap());
    let page = link.json["url"].as_str().unwrap().strip_prefix(&home.node.url).unwrap().to_owned();
    let share = json!({"collection": "Note", "with": {"user": "carol"}, "role": "viewer"});
    let shared = bob.post("/api/v1/shares", &share).await.unwrap();
    assert_eq!(shared.status, 201, "{}", shared.text);
    let space = shared.json["space"].as_str().unwrap();
    let status = async |client: &harness::Client| client.try_graphql(ASK, Value::Null).await.unwrap().status;
    for (who, one) in [("bob", &bob), ("his app", &by_app), ("his link", &by_link)] {
        assert_eq!(status(one).await, 200, "control: {who}");
    }
    assert_eq!(bob.nobody().get(&page).await.unwrap().status, 200, "control: the page of his link");

    let put = home.alice.request(Method::PUT, "/api/v1/users/bob/suspension");
    let suspended = home.alice.send(put).await.unwrap();
    assert_eq!(suspended.status, 200, "{}", suspended.text);
    assert!(suspended.json["suspended"].is_string(), "{}", suspended.text);
    let out = async |node: &Node| {
        for (who, one) in [("bob", &bob), ("his app", &by_app), ("his link", &by_link)] {
            let one = harness::Client::new(&node.url, one.token.as_deref()).unwrap();
            assert_eq!(status(&one).await, 401, "{who}");
        }
        let refresh = [
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", given["refresh_token"].as_str().unwrap()),
        ];
        let nobody = harness::Client::new(&node.url, None).unwrap();
        let answer = nobody.send(nobody.request(Method::POST, "/oauth/token").form(&refresh)).await.unwrap();
        assert_eq!((answer.status, &answer.json["error"]), (400, &json!("invalid_grant")), "{}", answer.text);
        assert!(nobody.get(&page).await.unwrap().status >= 400);
        let sign_in = async |password: &str| {
            let body = json!({"user": "bob", "password": password});
            let answer = nobody.post("/api/v1/session", &body).await.unwrap();
            (answer.status, answer.json["code"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(sign_in("the long password of bob").await, (403, "suspended".to_owned()));
        assert_eq!(sign_in("a guess at a password").await, (401, "wrong_password".to_owned()), "only he is told");
    };
    out(&home.node).await;
    // What he shared is with those whom he shared it with.
    assert_eq!(status(&carol.in_space(space)).await, 200);
    for (command, code) in [
        (["user", "token", "bob"], "suspended"),
        (["user", "invite", "bob"], "suspended"),
        (["user", "operator", "bob"], "suspended"),
    ] {
        assert_eq!(home.node.cli(&command).unwrap().refused(1).unwrap(), code, "{command:?}");
    }
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.kill().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    out(&node).await;

    assert!(node.cli_ok(&["user", "suspend", "bob", "--end"]).unwrap()["suspended"].is_null());
    let at = |client: &harness::Client| harness::Client::new(&node.url, client.token.as_deref()).unwrap();
    assert_eq!(status(&at(&bob)).await, 401, "his session ended");
    for one in [&by_app, &by_link] {
        assert_eq!(status(&at(one)).await, 200);
    }
    let back = node.sign_in("bob", "the long password of bob").await.unwrap();
    let acts = back.get("/api/v1/audit").await.unwrap().text;
    assert!(acts.contains("user.suspended") && acts.contains("user.resumed"), "{acts}");
    drop(root);
}

#[tokio::test]
async fn an_app_that_is_removed_has_nothing_of_anybody() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let note = json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read", "search"], "fields": {"allow": ["text"]}});
    let (app, _) = home.app(&note, &note);
    let (other, _) = home.app(&note, &note);
    let status = async |client: &harness::Client| client.try_graphql(ASK, Value::Null).await.unwrap().status;
    assert_eq!((status(&app).await, status(&other).await), (200, 200), "control");
    let apps = home.alice.get("/api/v1/apps").await.unwrap().json;
    assert_eq!((apps.as_array().map(Vec::len), &apps[0]["grants"]), (Some(2), &json!(1)), "{apps}");
    let client = apps[0]["client_id"].as_str().unwrap();
    let removed = home.alice.delete(&format!("/api/v1/apps/{client}")).await.unwrap();
    assert_eq!((removed.status, &removed.json["revoked"]), (200, &json!(1)), "{}", removed.text);
    assert_eq!((status(&app).await, status(&other).await), (401, 200), "the other stays");
    assert_eq!(home.alice.get("/api/v1/grants").await.unwrap().json.as_array().map(Vec::len), Some(1));
    assert_eq!(home.node.cli(&["app", "remove", client]).unwrap().refused(4).unwrap(), "unknown_app");
    let about = home.node.cli_ok(&["audit", "--app", client]).unwrap();
    let about: Vec<_> = about.as_array().unwrap().iter().map(|act| act["action"].as_str().unwrap()).collect();
    assert_eq!(about, ["app.removed", "grant.revoked", "grant.created", "app.registered"]);
    let other = apps[1]["client_id"].as_str().unwrap();
    assert_eq!(home.node.cli_ok(&["app", "remove", other]).unwrap()["revoked"], 1);
}

#[tokio::test]
async fn the_audit_of_all_is_told_in_parts_that_leave_nothing_out() {
    let home = Home::new().await;
    home.user("bob", None).await;
    for n in 0..12 {
        home.node.cli_ok(&["quota", "set", "groups", &n.to_string(), "--user", "bob"]).unwrap();
    }
    let whole = home.alice.get("/api/v1/audit/all?limit=500").await.unwrap().json;
    let whole = whole.as_array().unwrap();
    assert!(whole.len() > 12, "control");
    let (mut told, mut path) = (Vec::new(), "/api/v1/audit/all?limit=5".to_owned());
    loop {
        let answer = home.alice.request(Method::GET, &path).send().await.unwrap();
        let next = answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let part: Vec<Value> = answer.json().await.unwrap();
        assert!(part.len() <= 5);
        told.extend(part);
        let Some(next) = next else { break };
        path = next.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned();
    }
    assert_eq!(&told, whole);
    let of_bob = home.node.cli_ok(&["audit", "--user", "bob", "--action", "quota.set", "--by", "operator"]).unwrap();
    assert_eq!(of_bob.as_array().map(Vec::len), Some(12));
    assert!(of_bob.as_array().unwrap().iter().all(|act| act["user_name"] == "bob"), "{of_bob}");
}
