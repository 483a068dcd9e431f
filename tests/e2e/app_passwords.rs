//! App passwords: a tool that sends one beside its person's name does what its grant says, on routes for data, and nothing
//! else; and it ends with what ends the sessions of that person.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use harness::{Answer, Client, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::{Home, OWNER};
use crate::hostile::{code, unhurt};

/// The sample of how many wait to have a password looked at.
const WAITING: &str = r#"allod_queue_waiting{queue="sign_ins"}"#;
const ASK: &str = "{ Contact(order: {name: ASC}) { name } }";

fn reading() -> Value {
    json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": {"allow": ["name"]}})
}

/// A node with contacts of alice's.
async fn home() -> Home {
    let home = Home::new().await;
    home.alice
        .define("type Contact { name: String phone: String tag: String } type Diary { text: String }")
        .await
        .unwrap();
    let add = r#"mutation { add_Contact(input: [{name: "Ann", phone: "1", tag: "family"}, {name: "Ben", phone: "2", tag: "work"}]) { _docID } }"#;
    home.alice.graphql(add).await.unwrap();
    home
}

struct Made {
    id: String,
    password: String,
    whole: Value,
}

async fn made(by: &Client, body: Value) -> Made {
    let answer = by.post("/api/v1/app-passwords", &body).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text);
    let text = |key: &str| answer.json[key].as_str().unwrap_or_else(|| panic!("{key}: {}", answer.text)).to_owned();
    Made { id: text("app_password"), password: text("password"), whole: answer.json.clone() }
}

/// As a tool sends it.
async fn tool(url: &str, user: &str, password: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let nobody = Client::new(url, None).unwrap();
    let mut request = nobody.request(method, path).basic_auth(user, Some(password));
    if let Some(body) = body {
        request = request.json(&body);
    }
    nobody.send(request).await.unwrap()
}

async fn asks(url: &str, user: &str, password: &str, query: &str) -> Answer {
    tool(url, user, password, Method::POST, "/api/v1/graphql", Some(json!({ "query": query }))).await
}

async fn opens(home: &Home, made: &Made) -> u16 {
    asks(&home.node.url, "alice", &made.password, ASK).await.status
}

#[tokio::test]
async fn a_tool_does_with_data_what_its_password_is_for_and_nothing_else() {
    let home = home().await;
    let url = home.node.url.clone();
    let body = json!({"name": "curl", "access": [{"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search", "update"],
        "fields": {"allow": ["name"]}, "where": {"tag": {"_eq": "family"}}, "duration": "P30D"}]});
    let made = made(&home.alice, body).await;
    assert!(made.password.starts_with("allod-app-") && made.password.len() == 42, "{}", made.whole);
    assert_eq!((&made.whole["user"], &made.whole["name"]), (&json!("alice"), &json!("curl")));
    let read = asks(&url, "alice", &made.password, ASK).await;
    assert_eq!((read.status, &read.json["data"]), (200, &json!({"Contact": [{"name": "Ann"}]})), "{}", read.text);
    let get = tool(&url, "ALICE", &made.password, Method::GET, "/api/v1/graphql?query={Contact{name}}", None).await;
    assert_eq!(get.json["data"]["Contact"], json!([{"name": "Ann"}]), "{}", get.text);
    let write = r#"mutation { update_Contact(filter: {name: {_eq: "Ann"}}, input: {name: "Anna"}) { name } }"#;
    assert_eq!(asks(&url, "alice", &made.password, write).await.json["data"]["update_Contact"][0]["name"], "Anna");
    for beyond in [
        "{ Contact { phone } }",
        "{ Diary { text } }",
        r#"mutation { delete_Contact(filter: {name: {_eq: "Anna"}}) { name } }"#,
        r#"mutation { add_Contact(input: {name: "Eve"}) { name } }"#,
    ] {
        let refused = asks(&url, "alice", &made.password, beyond).await;
        assert!(!refused.codes().is_empty() && refused.json["data"].is_null(), "{beyond}: {}", refused.text);
    }
    let spaces = tool(&url, "alice", &made.password, Method::GET, "/api/v1/spaces", None).await;
    assert_eq!(spaces.json.as_array().map(Vec::len), Some(1), "{}", spaces.text);
    let sdl = json!({"sdl": "type Eve { x: Int }"});
    let defined = tool(&url, "alice", &made.password, Method::POST, "/api/v1/collections", Some(sdl)).await;
    assert_eq!(defined.status, 403, "{}", defined.text);

    // It opens no account, whatever is asked, and is no bearer anywhere.
    for (method, path) in [
        (Method::GET, "/api/v1/me"),
        (Method::GET, "/api/v1/me/credentials"),
        (Method::GET, "/api/v1/sessions"),
        (Method::DELETE, "/api/v1/sessions"),
        (Method::GET, "/api/v1/grants"),
        (Method::GET, "/api/v1/app-passwords"),
        (Method::POST, "/api/v1/app-passwords"),
        (Method::POST, "/api/v1/session/confirm"),
        (Method::PUT, "/api/v1/me/password"),
        (Method::GET, "/api/v1/audit"),
        (Method::POST, "/api/v1/shares"),
        (Method::POST, "/api/v1/links"),
        (Method::GET, "/api/v1/devices"),
        (Method::GET, "/api/v1/users"),
        (Method::GET, "/metrics"),
    ] {
        let body = (method != Method::GET).then(|| json!({}));
        let answer = tool(&url, "alice", &made.password, method.clone(), path, body).await;
        assert_eq!((answer.status, code(&answer)), (401, "invalid_token"), "{method} {path}: {}", answer.text);
    }
    let bearer = home.alice.with_token(&made.password);
    assert_eq!(bearer.try_graphql(ASK, Value::Null).await.unwrap().status, 401);
    let signs_in = json!({"user": "alice", "password": made.password});
    assert_eq!(home.alice.nobody().post("/api/v1/session", &signs_in).await.unwrap().status, 401);
    assert_eq!(opens(&home, &made).await, 200, "control");

    // What is wrong, for whatever reason, answers alike.
    home.user("bob", None).await;
    let mut told = Vec::new();
    let right = made.password.as_str();
    for (user, password) in [
        ("bob", right),
        ("nobody", right),
        ("", right),
        ("a b\u{7f}", right),
        ("alice", &right[..41]),
        ("alice", ""),
        ("alice", OWNER.1),
        ("bob", "x"),
    ] {
        let answer = asks(&url, user, password, ASK).await;
        assert_eq!(answer.status, 401, "{user}: {}", answer.text);
        let mut json = answer.json.clone();
        json["errors"][0]["extensions"]["request_id"] = Value::Null;
        told.push(json);
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:#?}");
    assert_eq!(told[0]["errors"][0]["extensions"]["code"], "app_password_wrong");
    let nobody = Client::new(&url, None).unwrap();
    let asked = nobody.request(Method::GET, "/api/v1/spaces").basic_auth("alice", Some("x")).send().await.unwrap();
    let challenge = asked.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Basic realm="), "{challenge}");
    let without = nobody.request(Method::GET, "/api/v1/spaces").send().await.unwrap();
    let mut asked = without.headers().get_all("www-authenticate").iter().map(|asked| asked.to_str().unwrap());
    assert!(asked.all(|asked| !asked.starts_with("Basic")), "no browser asks for it by itself");
    assert!(without.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "control");

    // Its use is told: when, from where, by what, and what was looked at.
    let shown = home.alice.get(&format!("/api/v1/app-passwords/{}", made.id)).await.unwrap().json;
    assert_eq!(
        (&shown["from"], shown["used"]["fields"].as_array().map(Vec::is_empty)),
        (&json!("127.0.0.1"), Some(false)),
        "{shown}"
    );
    assert!(
        shown["last_used"].is_string() && shown["expires"].is_string() && shown.get("password").is_none(),
        "{shown}"
    );
    let known = home.alice.get("/api/v1/me/credentials").await.unwrap();
    assert!(!known.text.contains("app_password"), "one signs in by none: {}", known.text);
    let given = home.alice.get("/api/v1/grants").await.unwrap().json;
    assert_eq!((&given[0]["app"], &given[0]["app_password"]), (&json!("curl"), &json!(true)), "{given}");
    assert!(!home.node.said().contains(&made.password));
    unhurt(&home).await;
}

#[tokio::test]
async fn it_is_made_by_a_person_who_gave_the_password_for_what_is_theirs() {
    let home = home().await;
    let bob = home.user("bob", None).await;
    let path = "/api/v1/app-passwords";
    let body = json!({"name": "x", "access": reading()});
    let (app, _) = home.app(&reading(), &reading());
    for (who, client, status, says) in
        [("nobody", &home.alice.nobody(), 401, "unauthenticated"), ("an app", &app, 403, "not_for_apps")]
    {
        let refused = client.post(path, &body).await.unwrap();
        assert_eq!((refused.status, code(&refused)), (status, says), "{who}");
    }
    let minted = home.node.cli_ok(&["user", "token", "alice", "--ttl", "1h"]).unwrap();
    let minted = home.alice.with_token(minted["access_token"].as_str().unwrap());
    let refused = minted.post(path, &body).await.unwrap();
    assert_eq!((refused.status, code(&refused)), (401, "insufficient_user_authentication"));
    let hers = home.made["space"].as_str().unwrap();
    let in_hers = json!({"type": "allod_doc", "space": hers, "datatypes": ["Contact"], "actions": ["read"], "fields": {"allow": ["name"]}});
    let everything = json!({"name": "x", "whole_space": hers});
    for (who, client, body, status) in [
        ("bob, in her space", &bob, json!({"name": "x", "access": in_hers}), 404),
        ("bob, all of her space", &bob, everything.clone(), 404),
        ("no access", &home.alice, json!({"name": "x"}), 400),
        ("both", &home.alice, json!({"name": "x", "access": reading(), "whole_space": hers}), 400),
        ("no name", &home.alice, json!({"name": " ", "access": reading()}), 400),
        ("a name that turns round", &home.alice, json!({"name": "a\u{202e}b", "access": reading()}), 400),
        (
            "no such field",
            &home.alice,
            json!({"name": "x", "access": {"type": "allod_doc", "datatypes": ["Contact"],
            "actions": ["read"], "fields": {"allow": ["nothing"]}}}),
            409,
        ),
        ("a past end", &home.alice, json!({"name": "x", "access": reading(), "until": "2020-01-01T00:00:00Z"}), 400),
        ("more", &home.alice, json!({"name": "x", "access": reading(), "admin": true}), 400),
    ] {
        let refused = client.post(path, &body).await.unwrap();
        assert_eq!(refused.status, status, "{who}: {}", refused.text);
        code(&refused);
    }
    assert_eq!(home.alice.get(path).await.unwrap().json, json!([]), "nothing was made");
    assert_eq!(home.alice.get("/api/v1/grants").await.unwrap().json.as_array().map(Vec::len), Some(1), "but the app's");
    let whole = made(&home.alice, everything).await;
    let diary = asks(&home.node.url, "alice", &whole.password, "{ Diary { text } Contact { name phone tag } }").await;
    assert_eq!(
        (diary.status, diary.json["data"]["Contact"].as_array().map(Vec::len)),
        (200, Some(2)),
        "{}",
        diary.text
    );
    let own = made(&home.alice, body).await;

    // Another person has nothing to do with it.
    for (method, path) in [
        (Method::GET, format!("{path}/{}", own.id)),
        (Method::PUT, format!("{path}/{}", own.id)),
        (Method::PUT, format!("{path}/{}/end", own.id)),
        (Method::DELETE, format!("{path}/{}", own.id)),
    ] {
        let body = if path.ends_with("/end") { json!({"until": null}) } else { json!({"access": reading()}) };
        let refused = bob.send(bob.request(method.clone(), &path).json(&body)).await.unwrap();
        assert_eq!((refused.status, code(&refused)), (404, "not_found"), "{method} {path}");
    }
    assert_eq!(bob.get(path).await.unwrap().json, json!([]));
    assert_eq!(opens(&home, &own).await, 200, "control");
    // Of many at once as many are made as one may have.
    home.node.cli_ok(&["quota", "set", "app_passwords", "3", "--user", "bob"]).unwrap();
    bob.define("type Contact { name: String }").await.unwrap();
    let many = (0..8).map(|n| {
        let bob = bob.clone();
        async move { bob.post(path, &json!({"name": format!("tool {n}"), "access": reading()})).await.unwrap() }
    });
    let answers = futures::future::join_all(many).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 3);
    assert!(answers.iter().filter(|answer| answer.status != 201).all(|answer| code(answer) == "quota_exceeded"));
    assert_eq!(bob.get(path).await.unwrap().json.as_array().map(Vec::len), Some(3));
    unhurt(&home).await;
}

#[tokio::test]
async fn it_is_held_to_less_ends_at_another_time_and_is_removed_while_it_is_used() {
    let home = home().await;
    let path = |made: &Made| format!("/api/v1/app-passwords/{}", made.id);
    let both = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": {"allow": ["name", "phone"]}});
    let one = made(&home.alice, json!({"name": "script", "access": both, "until": "P1D"})).await;
    let phones = async |made: &Made| {
        asks(&home.node.url, "alice", &made.password, "{ Contact { phone } }").await.codes().is_empty()
    };
    assert!(phones(&one).await, "control");
    let less = home.alice.put(&path(&one), &json!({"access": reading()})).await.unwrap();
    assert_eq!((less.status, &less.json["app_password"]), (200, &json!(one.id)), "{}", less.text);
    assert_ne!(less.json["grant"], one.whole["grant"]);
    assert!(!phones(&one).await && opens(&home, &one).await == 200);
    let wider = home.alice.put(&path(&one), &json!({"access": both})).await.unwrap();
    assert_eq!((wider.status, code(&wider)), (403, "grant_wider"));
    let longer = home.alice.put(&format!("{}/end", path(&one)), &json!({"until": null})).await.unwrap();
    assert_eq!((longer.status, &longer.json["expires"]), (200, &Value::Null), "{}", longer.text);
    assert_eq!(opens(&home, &one).await, 200);
    // By the grant, as an app's.
    let grant = longer.json["grant"].as_str().unwrap();
    let ends = home.alice.put(&format!("/api/v1/grants/{grant}/end"), &json!({"until": "P2D"})).await.unwrap();
    assert_eq!(ends.status, 200, "{}", ends.text);
    assert_eq!(opens(&home, &one).await, 200, "the password stays");

    let other = made(&home.alice, json!({"name": "other", "access": reading()})).await;
    let (url, password) = (home.node.url.clone(), one.password.clone());
    let (first, mut served) = tokio::sync::mpsc::channel(1);
    let running = tokio::spawn(async move {
        let mut served = Instant::now();
        loop {
            let begun = Instant::now();
            match asks(&url, "alice", &password, ASK).await.status {
                200 => {
                    served = begun;
                    let _ = first.try_send(());
                }
                // Its grant is gone already, it itself not yet.
                404 => {}
                401 => return served,
                other => panic!("{other}"),
            }
        }
    });
    served.recv().await.expect("control: it is served while it is there");
    let removed = home.alice.delete(&path(&one)).await.unwrap();
    let acknowledged = Instant::now();
    assert_eq!((removed.status, &removed.json["removed"]), (200, &json!(true)), "{}", removed.text);
    assert!(running.await.unwrap() < acknowledged, "a request was served that began after the removal");
    assert_eq!((opens(&home, &one).await, opens(&home, &other).await), (401, 200), "the other stays");
    assert_eq!(home.alice.delete(&path(&one)).await.unwrap().status, 404);
    // Taking the grant back ends it as well.
    let grant = other.whole["grant"].as_str().unwrap();
    assert_eq!(home.alice.delete(&format!("/api/v1/grants/{grant}")).await.unwrap().status, 200);
    assert_eq!(opens(&home, &other).await, 401);
    assert_eq!(home.alice.get("/api/v1/app-passwords").await.unwrap().json, json!([]));
    let acts = home.node.cli_ok(&["audit", "--user", "alice"]).unwrap();
    let acts: Vec<_> = acts.as_array().unwrap().iter().map(|act| act["action"].as_str().unwrap()).collect();
    for action in ["app_password.created", "app_password.removed", "grant.narrowed", "grant.extended"] {
        assert!(acts.contains(&action), "{action}: {acts:?}");
    }
    unhurt(&home).await;
}

#[tokio::test]
async fn one_that_is_changed_at_the_moment_is_removed_all_the_same() {
    let home = home().await;
    for round in 0..6 {
        let one = made(&home.alice, json!({"name": "tool", "access": reading()})).await;
        assert_eq!(opens(&home, &one).await, 200, "control");
        let path = format!("/api/v1/app-passwords/{}", one.id);
        let (end, less) = (format!("{path}/end"), json!({"access": reading()}));
        let changes = async {
            let changed = home.alice.put(&path, &less).await.unwrap();
            let later = home.alice.put(&end, &json!({"until": "P9D"})).await.unwrap();
            (changed, later)
        };
        // In each round somewhat later.
        let removes = async {
            tokio::time::sleep(Duration::from_millis(round * 4)).await;
            home.alice.delete(&path).await.unwrap()
        };
        let ((changed, later), removed) = futures::join!(changes, removes);
        for answer in [changed, later] {
            assert!([200, 404].contains(&answer.status), "round {round}: {}", answer.text);
        }
        assert_eq!((removed.status, opens(&home, &one).await), (200, 401), "round {round}: {}", removed.text);
        // Of two changes at once both are done.
        let two = made(&home.alice, json!({"name": "two", "access": reading()})).await;
        let path = format!("/api/v1/app-passwords/{}", two.id);
        let (end, until) = (format!("{path}/end"), json!({"until": "P9D"}));
        let (one, other) = futures::join!(home.alice.put(&path, &less), home.alice.put(&end, &until));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!((one.status, other.status), (200, 200), "round {round}: {} {}", one.text, other.text);
        assert_eq!(home.alice.delete(&path).await.unwrap().status, 200);
    }
    assert_eq!(home.alice.get("/api/v1/grants").await.unwrap().json, json!([]));
    unhurt(&home).await;
}

#[tokio::test]
async fn one_that_is_taken_back_on_another_device_ends_here() {
    let home = home().await;
    let (one, other) = (
        made(&home.alice, json!({"name": "one", "access": reading()})).await,
        made(&home.alice, json!({"name": "other", "access": reading()})).await,
    );
    let (app, of_app) = home.app(&reading(), &reading());
    assert_eq!(
        (opens(&home, &one).await, app.try_graphql(ASK, Value::Null).await.unwrap().status),
        (200, 200),
        "control"
    );
    let invite = home.node.cli_ok(&["device", "invite"]).unwrap();
    let dir = home.root.path().join("laptop");
    home.node.allod.ok(&dir, &["device", "join", invite["code"].as_str().unwrap()]).unwrap();
    let laptop = Node::serve(&home.node.allod, &dir).unwrap();
    laptop.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    for grant in [one.whole["grant"].as_str().unwrap(), &of_app] {
        laptop.cli_ok(&["grant", "revoke", grant]).unwrap();
    }
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let listed = home.alice.get("/api/v1/app-passwords").await.unwrap().json;
        let told = asks(&home.node.url, "alice", &one.password, ASK).await;
        let by_app = app.try_graphql(ASK, Value::Null).await.unwrap();
        if listed.as_array().map(Vec::len) == Some(1) && (told.status, by_app.status) == (401, 401) {
            assert_eq!(code(&told), "app_password_wrong", "{}", told.text);
            break;
        }
        assert!(Instant::now() < until, "something of it is left: {listed} {} {}", told.text, by_app.text);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(opens(&home, &other).await, 200, "control: the other");
    laptop.stop().unwrap();
    unhurt(&home).await;
}

#[tokio::test]
async fn what_is_sent_again_with_its_key_is_done_once_and_no_secret_is_told_again() {
    let home = home().await;
    let with_key = async |request: reqwest::RequestBuilder, key: &str, body: &Value| {
        let answer = request.header("idempotency-key", key).json(body).send().await.unwrap();
        let replayed = answer.headers().contains_key("idempotency-replayed");
        (answer.status().as_u16(), replayed, answer.json::<Value>().await.unwrap())
    };
    let path = "/api/v1/app-passwords";
    let writing = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "create"], "fields": {"allow": ["name"]}});
    let body = json!({"name": "tool", "access": writing});
    let first = with_key(home.alice.request(Method::POST, path), "k-1", &body).await;
    assert_eq!((first.0, first.1), (201, false), "{}", first.2);
    let again = with_key(home.alice.request(Method::POST, path), "k-1", &body).await;
    assert_eq!((again.0, again.1, &again.2["code"]), (409, false, &json!("idempotency_answer_gone")), "{}", again.2);
    assert_eq!(home.alice.get(path).await.unwrap().json.as_array().map(Vec::len), Some(1), "it was made once");
    // Whoever has the code of an invitation makes a device.
    let invite = async || with_key(home.alice.request(Method::POST, "/api/v1/devices/invite"), "k-2", &json!({})).await;
    let (invited, again) = (invite().await, invite().await);
    assert_eq!((invited.0, invited.2["code"].is_string()), (200, true), "{}", invited.2);
    assert_eq!((again.0, again.1, &again.2["code"]), (409, false, &json!("idempotency_answer_gone")), "{}", again.2);

    let password = first.2["password"].as_str().unwrap();
    let add = json!({"query": r#"mutation { add_Contact(input: {name: "Eve"}) { name } }"#});
    let nobody = Client::new(&home.node.url, None).unwrap();
    let by_tool = || nobody.request(Method::POST, "/api/v1/graphql").basic_auth("alice", Some(password));
    let first = with_key(by_tool(), "k-1", &add).await;
    assert_eq!(
        (first.0, first.1, &first.2["data"]["add_Contact"][0]["name"]),
        (200, false, &json!("Eve")),
        "{}",
        first.2
    );
    assert_eq!(with_key(by_tool(), "k-1", &add).await, (200, true, first.2));
    let wrong = nobody.request(Method::POST, "/api/v1/graphql").basic_auth("alice", Some("allod-app-x"));
    assert_eq!(with_key(wrong, "k-1", &add).await.0, 401, "whoever guesses is given nothing");
    let read = home.alice.graphql(r#"{ Contact(filter: {name: {_eq: "Eve"}}) { name } }"#).await.unwrap();
    assert_eq!(read["Contact"].as_array().map(Vec::len), Some(1), "{read}");
    unhurt(&home).await;
}

#[tokio::test]
async fn no_route_but_those_for_data_takes_one() {
    let home = home().await;
    let made = made(&home.alice, json!({"name": "tool", "access": reading()})).await;
    let data = [
        "/api/v1/spaces",
        "/api/v1/graphql",
        "/api/graphql",
        "/api/v0/graphql",
        "/api/v1/collections",
        "/api/v1/schema",
        "/api/v0/schema",
    ];
    let api = home.alice.nobody().get("/openapi.json").await.unwrap().json;
    let (mut took, mut others) = (BTreeSet::new(), 0);
    for (path, item) in api["paths"].as_object().unwrap() {
        let filled = path.split('/').map(|part| if part.starts_with('{') { "nobody-of-this-name" } else { part });
        let filled = filled.collect::<Vec<_>>().join("/");
        for method in ["get", "put", "post", "delete", "patch"].iter().filter(|method| item.get(**method).is_some()) {
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = (method != Method::GET).then(|| json!({}));
            let by_it = tool(&home.node.url, "alice", &made.password, method.clone(), &filled, body.clone()).await;
            let mut request = home.alice.with_token("no token at all").request(method.clone(), &filled);
            if let Some(body) = body {
                request = request.json(&body);
            }
            let by_nothing = home.alice.send(request).await.unwrap();
            if by_it.status != by_nothing.status {
                took.insert(path.as_str());
            } else {
                others += 1;
            }
        }
    }
    assert!(took.iter().all(|path| data.contains(path)), "{took:?}");
    assert!(
        took.contains("/api/v1/graphql") && took.contains("/api/v1/spaces") && others > 80,
        "control: {took:?} {others}"
    );
    unhurt(&home).await;
}

/// Waits until nothing is left of what ended: at most a minute.
async fn taken_back(client: &Client) {
    for _ in 0..120 {
        if client.get("/api/v1/grants").await.unwrap().json == json!([]) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the grant is not taken back");
}

#[tokio::test]
async fn it_ends_with_the_password_with_signing_out_everywhere_and_with_a_suspension() {
    let home = home().await;
    let bob = home.user("bob", None).await;
    bob.define("type Contact { name: String }").await.unwrap();
    let tool = async |by: &Client| made(by, json!({"name": "tool", "access": reading()})).await;
    let status = async |node: &Node, made: &Made| asks(&node.url, "bob", &made.password, ASK).await.status;
    let hers = tool(&home.alice).await;

    let one = tool(&bob).await;
    assert_eq!(status(&home.node, &one).await, 200, "control");
    let others = bob.delete("/api/v1/sessions?others=true").await.unwrap();
    assert_eq!((others.status, status(&home.node, &one).await), (200, 200), "it is no session");
    let changed = json!({"current": "the long password of bob", "new": "another password of bob"});
    assert_eq!(bob.put("/api/v1/me/password", &changed).await.unwrap().status, 200);
    assert_eq!(status(&home.node, &one).await, 401, "it ended with the password");
    taken_back(&bob).await;

    let one = tool(&bob).await;
    assert_eq!(status(&home.node, &one).await, 200, "control");
    assert_eq!(bob.delete("/api/v1/sessions").await.unwrap().status, 200);
    assert_eq!(status(&home.node, &one).await, 401, "it ended with signing out everywhere");
    assert_eq!(
        bob.post("/api/v1/app-passwords", &json!({"name": "late", "access": reading()})).await.unwrap().status,
        401
    );

    let bob = home.node.sign_in("bob", "another password of bob").await.unwrap();
    let one = tool(&bob).await;
    assert_eq!(status(&home.node, &one).await, 200, "control");
    home.node.cli_ok(&["user", "suspend", "bob"]).unwrap();
    assert_eq!(status(&home.node, &one).await, 401, "he is suspended");
    home.node.cli_ok(&["user", "suspend", "bob", "--end"]).unwrap();
    assert_eq!(status(&home.node, &one).await, 401, "what ended stays so");
    let bob = home.node.sign_in("bob", "another password of bob").await.unwrap();
    taken_back(&bob).await;
    assert_eq!(opens(&home, &hers).await, 200, "control: another person's");

    // What lapses is refused, and forgotten; what was made lives through a start.
    let lasts = made(&bob, json!({"name": "lasts", "access": reading()})).await;
    let short = made(&bob, json!({"name": "short", "access": reading(), "until": "PT5M"})).await;
    assert_eq!((status(&home.node, &lasts).await, status(&home.node, &short).await), (200, 200), "control");
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.kill().unwrap();
    let mut command = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("ALLOD_CLOCK_AHEAD", "400");
    let node = Node::serve_by(allod, &dir, command).unwrap();
    assert_eq!((status(&node, &lasts).await, status(&node, &short).await), (200, 401));
    let bob = node.sign_in("bob", "another password of bob").await.unwrap();
    for _ in 0..120 {
        if bob.get("/api/v1/app-passwords").await.unwrap().json.as_array().map(Vec::len) == Some(1) {
            drop(root);
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("what lapsed is not forgotten");
}

#[tokio::test]
async fn guesses_are_slowed_and_told_and_keep_out_neither_the_person_nor_their_tools() {
    let home = home().await;
    let made = made(&home.alice, json!({"name": "tool", "access": reading()})).await;
    let url = home.node.url.clone();
    let guesses = (0..24).map(|n| {
        let url = url.clone();
        async move { asks(&url, "alice", &format!("allod-app-{n:032}"), ASK).await.status }
    });
    let guessing = tokio::spawn(futures::future::join_all(guesses));
    // Most of them wait: ten of one name from one address are answered at once.
    let operator = home.node.operator().unwrap();
    let waiting = async || {
        let figures = operator.get("/metrics").await.unwrap().text;
        let line = figures.lines().find_map(|line| line.strip_prefix(WAITING)).unwrap_or_default();
        line.trim().parse::<u64>().unwrap_or_default()
    };
    let until = Instant::now() + Duration::from_secs(60);
    while waiting().await < 5 {
        assert!(Instant::now() < until && !guessing.is_finished(), "no guess waits");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for _ in 0..5 {
        assert_eq!(opens(&home, &made).await, 200, "what is right waits for nobody");
    }
    home.node.sign_in(OWNER.0, OWNER.1).await.expect("she signs in meanwhile");
    assert!(guessing.await.unwrap().iter().all(|status| [401, 429].contains(status)));
    for _ in 0..120 {
        let acts = home.alice.get("/api/v1/audit").await.unwrap().text;
        if acts.contains("sign_in.refused") {
            return unhurt(&home).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("nobody told her");
}

#[tokio::test]
async fn the_command_line_makes_lists_changes_and_removes_them() {
    let home = home().await;
    let add = [
        "app-password",
        "add",
        "rsync of notes",
        "--collection",
        "Contact",
        "--fields",
        "name,phone",
        "--until",
        "P90D",
    ];
    let made = home.node.cli_ok(&add).unwrap();
    let (id, password) = (made["app_password"].as_str().unwrap(), made["password"].as_str().unwrap());
    assert_eq!(made["access"][0]["actions"], json!(["read", "search"]), "{made}");
    assert_eq!(asks(&home.node.url, "alice", password, ASK).await.status, 200);
    let list = home.node.cli_ok(&["app-password", "list"]).unwrap();
    assert_eq!((&list[0]["name"], &list[0]["app_password"]), (&json!("rsync of notes"), &made["app_password"]));
    assert!(!list.to_string().contains(password));
    let less = home.file("less.json", &reading().to_string());
    let less = home.node.cli_ok(&["app-password", "shrink", id, &less]).unwrap();
    assert_eq!(less["access"][0]["fields"]["allow"], json!(["name"]));
    assert!(home.node.cli_ok(&["app-password", "extend", id, "never"]).unwrap()["expires"].is_null());
    assert_eq!(home.node.cli(&["app-password", "add", "bare"]).unwrap().refused(2).unwrap(), "usage");
    let file = home.file("access.json", &reading().to_string());
    let other = home.node.cli_ok(&["app-password", "add", "by a file", "--access", &file]).unwrap();
    home.node.cli_ok(&["app-password", "remove", id]).unwrap();
    assert_eq!(asks(&home.node.url, "alice", password, ASK).await.status, 401);
    assert_eq!(asks(&home.node.url, "alice", other["password"].as_str().unwrap(), ASK).await.status, 200);
    assert_eq!(home.node.cli(&["app-password", "remove", id]).unwrap().refused(4).unwrap(), "not_found");
    unhurt(&home).await;
}
