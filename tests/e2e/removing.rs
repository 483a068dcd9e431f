//! Removing a person for good: nothing of theirs counts, what was theirs is gone, what others own stays, and whoever gets
//! their name has nothing of them.

use harness::{Client, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::Home;
use crate::trap::{killed_by, point, points};

const ASK: &str = "{ Note { text } }";
const PASSWORD: &str = "the long password of bob";

async fn status(client: &Client) -> u16 {
    client.try_graphql(ASK, Value::Null).await.unwrap().status
}

async fn code_of(client: &Client, method: Method, path: &str) -> (u16, String) {
    let answer = client.send(client.request(method, path)).await.unwrap();
    (answer.status, answer.json["code"].as_str().unwrap_or_default().to_owned())
}

/// Bob, what he has and what he gave.
struct Bob {
    client: Client,
    app: Client,
    link: Client,
    app_password: String,
    refresh: String,
    client_id: String,
    space: String,
    user: String,
}

const SECRET: &str = "what bob alone knows";

/// Bob has a note, an app, a link, an app password; shares with Carol; and writes into Alice's notes, who shares with him.
async fn bob(home: &Home, carol: bool) -> Bob {
    let client = home.user("bob", None).await;
    client.define("type Note { text: String }").await.unwrap();
    client.graphql(&format!(r#"mutation {{ add_Note(input: {{text: "{SECRET}"}}) {{ _docID }} }}"#)).await.unwrap();
    let note = json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read", "search"], "fields": {"allow": ["text"]}});
    let manifest = json!({"name": "Notes", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [note]});
    let app = home.node.cli_ok(&["app", "add", &home.file("notes.json", &manifest.to_string())]).unwrap();
    let client_id = app["client_id"].as_str().unwrap().to_owned();
    let file = home.file("note.json", &note.to_string());
    let given = home.node.cli_ok(&["grant", "add", "--user", "bob", "--app", &client_id, &file]).unwrap();
    let app = client.with_token(given["access_token"].as_str().unwrap());
    let link = client.post("/api/v1/links", &json!({"collection": "Note", "fields": ["text"]})).await.unwrap();
    let link = client.with_token(link.json["token"].as_str().unwrap());
    let made = client.post("/api/v1/app-passwords", &json!({"name": "curl", "access": [note]})).await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text);
    let share =
        json!({"collection": "Note", "with": {"user": if carol { "carol" } else { "alice" }}, "role": "viewer"});
    let shared = client.post("/api/v1/shares", &share).await.unwrap();
    assert_eq!(shared.status, 201, "{}", shared.text);
    let me = client.get("/api/v1/me").await.unwrap();
    Bob {
        app,
        link,
        app_password: made.json["password"].as_str().unwrap().to_owned(),
        refresh: given["refresh_token"].as_str().unwrap().to_owned(),
        client_id,
        space: shared.json["space"].as_str().unwrap().to_owned(),
        user: me.json["user"].as_str().unwrap().to_owned(),
        client,
    }
}

/// Nothing that Bob had lets anybody in.
async fn is_out(node: &Node, bob: &Bob) {
    let at = |client: &Client| Client::new(&node.url, client.token.as_deref()).unwrap();
    for (who, one) in [("bob", &bob.client), ("his app", &bob.app), ("his link", &bob.link)] {
        assert_eq!(status(&at(one)).await, 401, "{who}");
    }
    let nobody = Client::new(&node.url, None).unwrap();
    let form = [("grant_type", "refresh_token"), ("client_id", &bob.client_id), ("refresh_token", &bob.refresh)];
    let answer = nobody.send(nobody.request(Method::POST, "/oauth/token").form(&form)).await.unwrap();
    assert_eq!((answer.status, &answer.json["error"]), (400, &json!("invalid_grant")), "{}", answer.text);
    let basic = nobody.request(Method::GET, "/api/v1/graphql?query=%7BNote%7Btext%7D%7D");
    let answer = nobody.send(basic.basic_auth("bob", Some(&bob.app_password))).await.unwrap();
    assert_eq!(answer.status, 401, "{}", answer.text);
    let answer = nobody.post("/api/v1/session", &json!({"user": "bob", "password": PASSWORD})).await.unwrap();
    assert_eq!((answer.status, &answer.json["code"]), (401, &json!("wrong_password")), "{}", answer.text);
}

#[tokio::test]
async fn whoever_is_removed_is_out_for_good_and_what_others_own_stays() {
    let home = Home::new().await;
    let carol = home.user("carol", None).await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let alices = home.made["space"].as_str().unwrap().to_owned();
    let bob = bob(&home, true).await;
    for role in ["editor", "owner"] {
        let share = json!({"collection": "Note", "with": {"user": "bob"}, "role": role});
        let shared = home.alice.post("/api/v1/shares", &share).await.unwrap();
        assert_eq!(shared.status, 201, "{}", shared.text);
    }
    // In Alice's space he writes, and gives Carol to read.
    let there = bob.client.in_space(&alices);
    there.graphql(r#"mutation { add_Note(input: {text: "for alice"}) { _docID } }"#).await.unwrap();
    let share = json!({"collection": "Note", "with": {"user": "carol"}, "role": "viewer"});
    assert_eq!(there.post("/api/v1/shares", &share).await.unwrap().status, 201);
    let group = home.node.cli_ok(&["group", "add", "Family"]).unwrap()["group"].as_str().unwrap().to_owned();
    home.node.cli_ok(&["group", "member", "add", &group, "--user", "bob"]).unwrap();
    let own = bob.client.post("/api/v1/groups", &json!({"name": "Of Bob"})).await.unwrap();
    let own = own.json["group"].as_str().unwrap().to_owned();
    let member = bob.client.post(&format!("/api/v1/groups/{own}/members"), &json!({"user": "carol"})).await.unwrap();
    assert!(member.status < 300, "{}", member.text);
    for (who, one) in [
        ("bob", &bob.client),
        ("his app", &bob.app),
        ("his link", &bob.link),
        ("carol at bob's", &carol.in_space(&bob.space)),
        ("carol at alice's", &carol.in_space(&alices)),
    ] {
        assert_eq!(status(one).await, 200, "control: {who}");
    }
    let groups = async |client: &Client| client.get("/api/v1/groups").await.unwrap().text;
    assert!(groups(&carol).await.contains("Of Bob"), "control");
    let policy = |home: &Home| home.node.cli_ok(&["policy", "audit"]).unwrap().to_string();
    assert!(policy(&home).contains(&bob.user), "control: it tells what was, by ids");

    // Who owns the node, and operators, are not removed; and nobody by somebody else.
    assert_eq!(code_of(&home.alice, Method::DELETE, "/api/v1/users/alice").await, (409, "is_owner".to_owned()));
    assert_eq!(code_of(&home.alice, Method::DELETE, "/api/v1/me").await, (409, "is_owner".to_owned()));
    home.node.cli_ok(&["user", "operator", "carol"]).unwrap();
    assert_eq!(home.node.cli(&["user", "remove", "carol"]).unwrap().refused(1).unwrap(), "is_operator");
    home.node.cli_ok(&["user", "operator", "carol", "--remove"]).unwrap();
    assert_eq!(code_of(&carol, Method::DELETE, "/api/v1/users/bob").await, (403, "operator_only".to_owned()));
    assert_eq!(home.node.cli(&["user", "remove", "nobody"]).unwrap().refused(4).unwrap(), "unknown_user");
    assert_eq!(status(&bob.client).await, 200, "control: he is there still");

    let view = home.node.dir.join("views").join(format!("{}.view", bob.space));
    assert!(view.exists(), "control: {}", view.display());
    let removed = home.alice.delete("/api/v1/users/bob").await.unwrap();
    assert_eq!((removed.status, &removed.json["finished"]), (200, &json!(true)), "{}", removed.text);
    assert_eq!(removed.json["user"], bob.user.as_str());
    is_out(&home.node, &bob).await;
    assert_eq!(status(&carol.in_space(&bob.space)).await, 404, "what was his is gone for everybody");
    assert_ne!(status(&carol.in_space(&alices)).await, 200, "what he gave there ended");
    assert!(!view.exists());
    // What he wrote for Alice is Alice's.
    let notes = home.alice.graphql(ASK).await.unwrap();
    assert_eq!(notes["Note"], json!([{"text": "for alice"}]));
    let groups = (groups(&home.alice).await, groups(&carol).await);
    assert!(groups.0.contains("Family") && !groups.1.contains("Of Bob"), "{groups:?}");
    let members = home.alice.get(&format!("/api/v1/groups/{group}")).await.unwrap();
    assert!(!members.text.contains("bob") && !members.text.contains(&bob.user), "{}", members.text);
    let users = home.node.cli_ok(&["user", "list"]).unwrap().to_string();
    assert!(!users.contains("bob") && users.contains("carol"), "{users}");
    // The operators' audit says that it was done, and nothing of his.
    let acts = home.alice.get("/api/v1/audit/all?limit=200").await.unwrap();
    let acts = acts.json.as_array().unwrap();
    let removal = acts.iter().find(|act| act["action"] == "user.removed").expect("it is told");
    assert_eq!(removal["detail"], json!({"user": bob.user}));
    assert!(acts.iter().all(|act| act["user"] != bob.user.as_str()), "his slice is gone");
    assert!(!Value::Array(acts.clone()).to_string().contains("\"bob\""));

    // Another of his name has nothing of him, and another start neither.
    let next = home.user("bob", None).await;
    let me = next.get("/api/v1/me").await.unwrap();
    assert!(me.json["user"] != bob.user.as_str() && me.json["space"] != bob.space.as_str(), "{}", me.text);
    for path in ["/api/v1/shares", "/api/v1/groups", "/api/v1/grants", "/api/v1/links", "/api/v1/app-passwords"] {
        let told = next.get(path).await.unwrap();
        let list = told.json["received"].as_array().or(told.json.as_array()).expect("a list");
        assert_eq!((told.status, list.len()), (200, 0), "{path}: {}", told.text);
    }
    let spaces = next.get("/api/v1/spaces").await.unwrap();
    assert_eq!(spaces.json.as_array().unwrap().len(), 1, "{}", spaces.text);
    assert_eq!(status(&next.in_space(&bob.space)).await, 404);
    next.define("type Note { text: String }").await.unwrap();
    assert_eq!(next.graphql(ASK).await.unwrap()["Note"], json!([]));
    is_out_but_for_the_name(&home.node, &bob).await;
    let (allod, dir) = (home.node.allod.clone(), home.node.kill().unwrap());
    let node = Node::serve(&allod, &dir).unwrap();
    is_out_but_for_the_name(&node, &bob).await;
    let carol = Client::new(&node.url, carol.token.as_deref()).unwrap();
    assert_eq!(status(&carol.in_space(&bob.space)).await, 404);
    let doctor = node.cli_ok(&["doctor"]).unwrap();
    assert!(!doctor.to_string().contains(&bob.space), "{doctor}");
    drop(home.root);
}

/// As [`is_out`], when somebody else has his name, and the same password.
async fn is_out_but_for_the_name(node: &Node, bob: &Bob) {
    let at = |client: &Client| Client::new(&node.url, client.token.as_deref()).unwrap();
    for (who, one) in [("bob", &bob.client), ("his app", &bob.app), ("his link", &bob.link)] {
        assert_eq!(status(&at(one)).await, 401, "{who}");
    }
    let nobody = Client::new(&node.url, None).unwrap();
    let basic = nobody.request(Method::GET, "/api/v1/graphql?query=%7BNote%7Btext%7D%7D");
    let answer = nobody.send(basic.basic_auth("bob", Some(&bob.app_password))).await.unwrap();
    assert_eq!(answer.status, 401, "{}", answer.text);
}

#[tokio::test]
async fn a_person_removes_themselves_once_they_gave_their_password_again() {
    let home = Home::new().await;
    let bob = bob(&home, false).await;
    // What is held for him by an app, or was made by whoever holds the machine, removes nobody.
    assert_eq!(code_of(&bob.app, Method::DELETE, "/api/v1/me").await, (403, "not_for_apps".to_owned()));
    let minted = home.node.cli_ok(&["user", "token", "bob"]).unwrap();
    let minted = bob.client.with_token(minted["access_token"].as_str().unwrap());
    let asked = code_of(&minted, Method::DELETE, "/api/v1/me").await;
    assert_eq!(asked, (401, "insufficient_user_authentication".to_owned()));
    assert_eq!(status(&bob.client).await, 200, "control: he is there");
    assert_eq!(code_of(&bob.client.nobody(), Method::DELETE, "/api/v1/me").await.0, 401);
    let removed = bob.client.delete("/api/v1/me").await.unwrap();
    assert_eq!((removed.status, &removed.json["finished"]), (200, &json!(true)), "{}", removed.text);
    is_out(&home.node, &bob).await;
    assert_eq!(status(&home.alice.in_space(&bob.space)).await, 404, "what he shared");
    let told = home.alice.get("/api/v1/audit/all?limit=100").await.unwrap();
    let act = told.json.as_array().unwrap().iter().find(|act| act["action"] == "user.removed").unwrap();
    assert_eq!((&act["actor"], &act["detail"]), (&json!(format!("user:{}", bob.user)), &json!({"user": bob.user})));
}

#[tokio::test]
async fn what_keeps_something_from_somebody_stays_when_who_said_so_is_gone() {
    let home = Home::new().await;
    let carol = home.user("carol", None).await;
    let bob = home.user("bob", None).await;
    home.alice.define("type Note { text: String secret: String }").await.unwrap();
    home.alice.graphql(r#"mutation { add_Note(input: {text: "a", secret: "b"}) { _docID } }"#).await.unwrap();
    let alices = home.made["space"].as_str().unwrap();
    for (user, role) in [("bob", "owner"), ("carol", "viewer")] {
        let share = json!({"collection": "Note", "with": {"user": user}, "role": role});
        assert_eq!(home.alice.post("/api/v1/shares", &share).await.unwrap().status, 201);
    }
    let hides = json!({"collection": "Note", "field": "secret", "rule": "hidden", "who": {"user": "carol"}});
    let carol = carol.in_space(alices);
    let sees = async || carol.try_graphql("{ Note { secret } }", Value::Null).await.unwrap().json["data"].is_object();
    assert!(sees().await, "control");
    let hidden = bob.in_space(alices).post("/api/v1/field-rules", &hides).await.unwrap();
    assert_eq!(hidden.status, 201, "{}", hidden.text);
    assert!(!sees().await, "control");
    home.node.cli_ok(&["user", "remove", "bob"]).unwrap();
    assert!(!sees().await, "it stays hidden");
    assert_eq!(status(&carol).await, 200, "control: what Alice gave her");
}

#[tokio::test]
async fn a_removal_that_was_killed_anywhere_is_none_or_is_gone_on_with() {
    let mut home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let (mut early, mut alices) = (0, home.made["space"].as_str().unwrap().to_owned());
    alices.shrink_to_fit();
    for n in 0..points() + 3 {
        let (call, nth) = point(n);
        let there = bob(&home, false).await;
        let share = json!({"collection": "Note", "with": {"user": "bob"}, "role": "viewer"});
        let alice = home.node.sign_in(crate::home::OWNER.0, crate::home::OWNER.1).await.unwrap();
        assert_eq!(alice.post("/api/v1/shares", &share).await.unwrap().status, 201);
        let outcome = killed_by(&mut home, n, async |home| {
            home.node.allod.run(&home.node.dir, &["user", "remove", "bob"]).unwrap()
        });
        let acknowledged = outcome.await.code == 0;
        early += usize::from(!acknowledged);
        let users = home.node.cli_ok(&["user", "list"]).unwrap().to_string();
        let listed = users.contains("bob");
        assert!(!(acknowledged && listed), "acknowledged, and killed at {call} {nth}");
        let at = |client: &Client| Client::new(&home.node.url, client.token.as_deref()).unwrap();
        if listed {
            // It was none: all of it is as before.
            for one in [&there.client, &there.app, &there.link] {
                assert_eq!(status(&at(one)).await, 200, "killed at {call} {nth}");
            }
            home.node.cli_ok(&["user", "remove", "bob"]).unwrap();
        }
        is_out(&home.node, &there).await;
        let alice = home.node.sign_in(crate::home::OWNER.0, crate::home::OWNER.1).await.unwrap();
        assert_eq!(status(&alice.in_space(&there.space)).await, 404, "killed at {call} {nth}");
        let view = home.node.dir.join("views").join(format!("{}.view", there.space));
        assert!(!view.exists(), "killed at {call} {nth}");
        let given = home.node.cli_ok(&["share", "list"]).unwrap();
        assert!(given["given"].as_array().unwrap().is_empty(), "killed at {call} {nth}: {given}");
        // Nobody gets what was his: neither his account nor what was shared with him.
        let next = home.user("bob", None).await;
        let me = next.get("/api/v1/me").await.unwrap().json;
        assert!(me["user"] != there.user.as_str() && me["space"] != there.space.as_str(), "killed at {call} {nth}");
        assert_ne!(status(&next.in_space(&alices)).await, 200, "killed at {call} {nth}");
        home.node.cli_ok(&["user", "remove", "bob"]).unwrap();
    }
    assert!(early > 0, "no kill came in time");
}

#[tokio::test]
async fn devices_of_who_is_suspended_or_removed_get_nothing_and_bring_nothing() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    bob.define("type Note { text: String }").await.unwrap();
    let code = async || {
        bob.post("/api/v1/devices/invite", &json!({})).await.unwrap().json["code"].as_str().unwrap().to_owned()
    };
    let dir = home.root.path().join("laptop");
    home.node.allod.ok(&dir, &["device", "join", &code().await]).unwrap();
    let laptop = Node::serve(&home.node.allod, &dir).unwrap();
    let there = laptop.operator().unwrap();
    let wait = |node: &Node, seconds: &str| node.cli(&["sync", "wait", "--timeout", seconds]).unwrap().code;
    let add = async |client: &Client, text: &str| {
        client.graphql(&format!(r#"mutation {{ add_Note(input: {{text: "{text}"}}) {{ _docID }} }}"#)).await.unwrap()
    };
    assert_eq!(wait(&laptop, "60s"), 0, "control: what was there has come");
    add(&there, "one").await;
    assert_eq!(wait(&laptop, "60s"), 0, "control: it syncs");
    let unused = code().await;

    home.node.cli_ok(&["user", "suspend", "bob"]).unwrap();
    add(&there, "two").await;
    assert_ne!(wait(&laptop, "3s"), 0, "what he writes meanwhile is not taken");
    let other = home.root.path().join("other");
    assert_ne!(home.node.allod.run(&other, &["device", "join", &unused]).unwrap().code, 0, "nor does a device join");
    home.node.cli_ok(&["user", "suspend", "bob", "--end"]).unwrap();
    assert_eq!(wait(&laptop, "60s"), 0, "it goes on");
    let back = home.node.sign_in("bob", PASSWORD).await.unwrap();
    assert_eq!(back.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 2);

    home.node.cli_ok(&["user", "remove", "bob"]).unwrap();
    add(&there, "three").await;
    assert_ne!(wait(&laptop, "3s"), 0);
    // What his own device holds it keeps.
    assert_eq!(there.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 3);
}

#[tokio::test]
async fn a_tenant_is_suspended_with_its_people_and_removed_with_them() {
    let home = Home::new().await;
    home.node.cli_ok(&["tenant", "add", "firm"]).unwrap();
    let (erin, dave) = (home.user("erin", Some("firm")).await, home.user("dave", None).await);
    erin.define("type Note { text: String }").await.unwrap();
    erin.graphql(r#"mutation { add_Note(input: {text: "of the firm"}) { _docID } }"#).await.unwrap();
    let link = erin.post("/api/v1/links", &json!({"collection": "Note", "fields": ["text"]})).await.unwrap();
    let link = erin.with_token(link.json["token"].as_str().unwrap());
    let lets_in = async |home: &Home| {
        let body = json!({"user": "erin", "password": "the long password of erin"});
        let answer = erin.nobody().post("/api/v1/session", &body).await.unwrap();
        let _ = home;
        (answer.status, answer.json["code"].as_str().unwrap_or_default().to_owned())
    };
    for command in ["suspend", "remove"] {
        assert_eq!(home.node.cli(&["tenant", command, "home"]).unwrap().refused(1).unwrap(), "is_owner");
        assert_eq!(home.node.cli(&["tenant", command, "nobody"]).unwrap().refused(4).unwrap(), "unknown_tenant");
        home.node.cli_ok(&["user", "operator", "erin"]).unwrap();
        assert_eq!(home.node.cli(&["tenant", command, "firm"]).unwrap().refused(1).unwrap(), "is_operator");
        home.node.cli_ok(&["user", "operator", "erin", "--remove"]).unwrap();
    }
    assert_eq!((status(&erin).await, status(&link).await), (200, 200), "control");
    let suspended = home.node.cli_ok(&["tenant", "suspend", "firm"]).unwrap();
    assert!(suspended["suspended"].is_string(), "{suspended}");
    assert_eq!((status(&erin).await, status(&link).await), (401, 401));
    assert_eq!(lets_in(&home).await, (403, "suspended".to_owned()));
    assert_eq!(dave.get("/api/v1/me").await.unwrap().status, 200, "control: of another tenant");
    let file = home.file("frank.password", "the long password of frank");
    let frank = ["user", "add", "frank", "--tenant", "firm", "--password-file", &file];
    assert_eq!(home.node.cli(&frank).unwrap().refused(1).unwrap(), "suspended");
    assert_eq!(home.node.cli(&["user", "token", "erin"]).unwrap().refused(1).unwrap(), "suspended");
    assert!(home.node.cli_ok(&["tenant", "resume", "firm"]).unwrap()["suspended"].is_null());
    assert_eq!((lets_in(&home).await.0, status(&link).await), (200, 200));
    home.node.cli_ok(&frank).expect("control");

    let removed = home.node.cli_ok(&["tenant", "remove", "firm"]).unwrap();
    assert_eq!(removed["finished"], json!(true), "{removed}");
    assert_eq!((lets_in(&home).await, status(&link).await), ((401, "wrong_password".to_owned()), 401));
    let (users, tenants) =
        (home.node.cli_ok(&["user", "list"]).unwrap(), home.node.cli_ok(&["tenant", "list"]).unwrap());
    assert_eq!((users.as_array().unwrap().len(), tenants.as_array().unwrap().len()), (2, 1), "{users} {tenants}");
    let acts = home.alice.get("/api/v1/audit/all?limit=100").await.unwrap().text;
    for act in ["tenant.suspended", "tenant.resumed", "tenant.removed", "user.removed"] {
        assert!(acts.contains(act), "{act}: {acts}");
    }
    // Another tenant of its name has nothing of it.
    home.node.cli_ok(&["tenant", "add", "firm"]).unwrap();
    let next = home.user("erin", Some("firm")).await;
    next.define("type Note { text: String }").await.unwrap();
    assert_eq!(next.graphql(ASK).await.unwrap()["Note"], json!([]));
}
