//! Apps ask for more than they were granted: what they ask waits for its person, who grants it, or less, or declines.

use harness::{Client, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::{Home, OWNER};
use crate::hostile::code;

fn element(fields: &[&str], actions: &[&str]) -> Value {
    json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": actions, "fields": {"allow": fields}})
}

/// A home with contacts, an app that may ask for all of them, and was granted their names.
async fn home() -> (Home, Client, String) {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String phone: String } type Diary { text: String }").await.unwrap();
    home.alice.graphql(r#"mutation { add_Contact(input: {name: "Ann", phone: "123"}) { _docID } }"#).await.unwrap();
    let all = element(&["name", "phone"], &["read", "search", "update"]);
    let (app, grant) = home.app(&all, &element(&["name"], &["read", "search"]));
    (home, app, grant)
}

async fn ask(app: &Client, access: &Value) -> harness::Answer {
    app.post("/api/v1/requests", &json!({"access": [access], "purpose": "To print labels"})).await.unwrap()
}

async fn decide(by: &Client, request: &Value, what: &str, body: &Value) -> harness::Answer {
    by.post(&format!("/api/v1/requests/{}/{what}", request.as_str().unwrap()), body).await.unwrap()
}

async fn standing(app: &Client, request: &Value) -> harness::Answer {
    app.get(&format!("/api/v1/requests/{}", request.as_str().unwrap())).await.unwrap()
}

/// The phones that an app is told of; `None`: it knows of no such field.
async fn phones(app: &Client) -> Option<Value> {
    let answer = app.try_graphql("{ Contact { phone } }", Value::Null).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["data"].get("Contact").filter(|list| !list.is_null()).cloned()
}

#[tokio::test]
async fn what_an_app_asks_waits_and_is_granted_beside_what_it_has_by_who_proves_who_they_are() {
    let (home, app, grant) = home().await;
    let bob = home.user("bob", None).await;
    assert_eq!(phones(&app).await, None, "control");
    let filed = ask(&app, &element(&["phone"], &["read", "search"])).await;
    assert_eq!((filed.status, &filed.json["state"]), (201, &json!("waiting")), "{}", filed.text);
    let request = &filed.json["request"];
    let keys: Vec<&String> = filed.json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["created", "expires", "request", "state"], "an app is told how it stands, and no more");
    let told = home.alice.get("/api/v1/notices").await.unwrap();
    assert_eq!((&told.json[0]["kind"], &told.json[0]["about"]), (&json!("access_asked"), &json!("An App")));
    let listed = home.alice.get("/api/v1/requests").await.unwrap();
    let one = &listed.json[0];
    assert_eq!((&one["request"], &one["app"], &one["hosts"]), (request, &json!("An App"), &json!(["127.0.0.1"])));
    assert_eq!((&one["purpose"], &one["unfit"]), (&json!("To print labels"), &Value::Null));
    let sentence = one["sentences"][0].as_str().unwrap();
    assert!(sentence.starts_with("Read and search by phone in every Contact"), "{sentence}");
    assert_eq!(bob.get("/api/v1/requests").await.unwrap().json, json!([]));
    for what in ["approve", "decline"] {
        assert_eq!(decide(&bob, request, what, &json!({})).await.status, 404, "another's");
        let refused = decide(&app, request, what, &json!({})).await;
        assert_eq!((refused.status, code(&refused)), (403, "not_for_apps"), "the app itself");
    }
    assert_eq!(standing(&bob, request).await.status, 404);
    let granted = decide(&home.alice, request, "approve", &json!({})).await;
    assert_eq!((granted.status, &granted.json["state"]), (200, &json!("approved")), "{}", granted.text);
    assert_eq!(phones(&app).await, Some(json!([{"phone": "123"}])), "by the token that it has");
    assert_eq!(standing(&app, request).await.json["state"], "approved");
    let grants = home.alice.get("/api/v1/grants").await.unwrap();
    let now = &grants.json[0];
    assert!(grants.json.as_array().unwrap().len() == 1 && now["grant"] != json!(grant), "{}", grants.text);
    assert_eq!(now["access"].as_array().unwrap().len(), 2, "beside what it had: {now}");
    for what in ["approve", "decline"] {
        let again = decide(&home.alice, request, what, &json!({})).await;
        assert_eq!((again.status, code(&again)), (409, "request_decided"));
    }
    let acts = home.node.cli_ok(&["audit", "--user", OWNER.0]).unwrap();
    let acts: Vec<_> = acts.as_array().unwrap().iter().map(|act| act["action"].as_str().unwrap()).collect();
    assert!(acts.contains(&"request.filed") && acts.contains(&"grant.widened"), "{acts:?}");
    // What the vault says of it outlives a start.
    let Home { node, root, .. } = home;
    let (allod, dir) = (node.allod.clone(), node.stop().unwrap());
    let node = Node::serve(&allod, &dir).unwrap();
    assert_eq!(phones(&app.at(&node.url)).await, Some(json!([{"phone": "123"}])));
    drop(root);
}

#[tokio::test]
async fn less_is_granted_than_was_asked_for_a_shorter_time_and_never_more() {
    let (home, app, _) = home().await;
    let filed = ask(&app, &element(&["name", "phone"], &["read", "search"])).await;
    let request = &filed.json["request"];
    for (body, code_of) in [
        (json!({"access": [element(&["phone"], &["update"])]}), "grant_wider"),
        (json!({"access": [element(&["secret"], &["read"])]}), "grant_schema_mismatch"),
        (json!({"access": []}), "grant_malformed"),
        (json!({"until": "2001-01-01T00:00:00Z"}), "invalid_input"),
        (json!({"more": true}), "bad_request"),
    ] {
        let refused = decide(&home.alice, request, "approve", &body).await;
        assert_eq!(code(&refused), code_of, "{body}: {}", refused.text);
        assert_eq!(standing(&app, request).await.json["state"], "waiting", "it waits on: {body}");
    }
    assert_eq!(phones(&app).await, None);
    let less = json!({"access": [element(&["phone"], &["read"])], "until": "P7D"});
    let granted = decide(&home.alice, request, "approve", &less).await;
    assert_eq!(granted.status, 200, "{}", granted.text);
    let grants = home.alice.get("/api/v1/grants").await.unwrap();
    let added =
        grants.json[0]["access"].as_array().unwrap().iter().find(|one| one["fields"]["allow"] == json!(["phone"]));
    let added = added.expect("what was added");
    let lasts = added["duration"].as_str().unwrap();
    assert!(added["actions"] == json!(["read"]) && (lasts == "P7D" || lasts.starts_with("P6D")), "{added}");
}

#[tokio::test]
async fn what_is_asked_stays_within_the_manifest_and_so_does_how_often() {
    let (home, app, grant) = home().await;
    let asked = async |access: Value, purpose: &str| {
        app.post("/api/v1/requests", &json!({"access": access, "purpose": purpose})).await.unwrap()
    };
    let phone = element(&["phone"], &["read"]);
    let diary =
        json!({"type": "allod_doc", "datatypes": ["Diary"], "actions": ["read"], "fields": {"allow": ["text"]}});
    for (access, status, wrong) in [
        (json!([diary]), 403, "grant_outside_manifest"),
        (json!([element(&["phone"], &["delete"])]), 403, "grant_outside_manifest"),
        (json!([]), 400, "grant_malformed"),
        (json!([{"type": "allod_doc"}]), 400, "grant_malformed"),
    ] {
        let refused = asked(access, "x").await;
        assert_eq!((refused.status, code(&refused)), (status, wrong), "{}", refused.text);
    }
    for purpose in ["a\nb", "a\u{202e}b", "a\u{2066}b", "\u{200b}", &"x".repeat(201)] {
        let refused = asked(json!([phone]), purpose).await;
        assert_eq!((refused.status, code(&refused)), (400, "bad_request"), "{purpose:?}");
    }
    assert_eq!(home.alice.get("/api/v1/requests").await.unwrap().json, json!([]), "none of them bothers anybody");
    // A person, a link and nobody do not ask so.
    let link = home.alice.post("/api/v1/links", &json!({"collection": "Contact", "fields": ["name"]})).await.unwrap();
    let link = home.alice.with_token(link.json["token"].as_str().unwrap());
    for (client, status) in [(&home.alice, 403), (&link, 403), (&app.nobody(), 401)] {
        assert_eq!(ask(client, &phone).await.status, status);
    }
    // Markup is words.
    let evil = "<img src=x onerror=alert(1)>";
    let many = futures::future::join_all((0..50).map(|_| asked(json!([phone]), evil))).await;
    assert_eq!(many.iter().filter(|one| one.status == 201).count(), 1, "one waits");
    assert!(many.iter().filter(|one| one.status != 201).all(|one| code(one) == "request_waits"));
    let listed = home.alice.get("/api/v1/requests").await.unwrap();
    assert_eq!(listed.json[0]["purpose"], evil);
    for n in 0..3 {
        let request = home.alice.get("/api/v1/requests").await.unwrap().json[0]["request"].clone();
        let declined = decide(&home.alice, &request, "decline", &json!({})).await;
        assert_eq!((declined.status, &declined.json["state"]), (200, &json!("declined")), "{}", declined.text);
        assert_eq!(standing(&app, &request).await.json["state"], "declined");
        let again = asked(json!([phone]), "please").await;
        if n < 2 {
            assert_eq!(again.status, 201, "{}", again.text);
        } else {
            assert_eq!((again.status, code(&again)), (429, "too_many_requests"), "{}", again.text);
        }
    }
    assert_eq!(phones(&app).await, None, "nothing was granted");
    // With the grant its requests go.
    home.node.cli_ok(&["grant", "revoke", &grant]).unwrap();
    assert_eq!(home.alice.get("/api/v1/requests").await.unwrap().json, json!([]));
    assert_eq!(ask(&app, &phone).await.status, 401);
}

/// What it was not granted an app can ask for; what there is of it, and of what type, it is not told.
#[tokio::test]
async fn an_app_learns_nothing_of_the_space_by_what_it_asks() {
    let home = Home::new().await;
    let sdl = "type Contact { name: String phone: String salary: Int } type Diary { text: String }";
    home.alice.define(sdl).await.unwrap();
    let of = |kind: &str, fields: &[&str]| json!({"type": "allod_doc", "datatypes": [kind], "actions": ["read"], "fields": {"allow": fields}});
    let manifest = json!({"name": "An App", "redirect_uris": ["http://127.0.0.1:9/cb"], "confidential": false,
        "access": [of("Contact", &["name", "phone", "never"]), of("Diary", &["text"]), of("Never", &["text"])]});
    let app = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
    let granted = home.file("grant.json", &of("Contact", &["name"]).to_string());
    let made = ["grant", "add", "--user", OWNER.0, "--app", app["client_id"].as_str().unwrap(), &granted];
    let made = home.node.cli_ok(&made).unwrap();
    let app = home.alice.with_token(made["access_token"].as_str().unwrap());
    let rows = |field: &str, value: Value| {
        let mut asked = of("Contact", &["phone"]);
        asked["where"] = json!({ field: {"_eq": value} });
        asked
    };
    // Beyond the manifest: there, of another type, and never.
    let mut told = Vec::new();
    for asked in
        [rows("salary", json!(1)), rows("salary", json!("x")), rows("salaries", json!(1)), rows("nothing", Value::Null)]
    {
        let refused = ask(&app, &asked).await;
        assert_eq!((refused.status, code(&refused)), (403, "grant_outside_manifest"), "{asked}");
        told.push(refused.text);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "alike: {told:?}");
    assert_eq!(home.alice.get("/api/v1/requests").await.unwrap().json, json!([]), "none of them bothers anybody");
    // Within it: what is there, what never was, and what is of another type are taken alike; the person is told.
    let mut fit = Vec::new();
    for asked in [of("Diary", &["text"]), of("Never", &["text"]), rows("phone", json!(1))] {
        let filed = ask(&app, &asked).await;
        assert_eq!((filed.status, &filed.json["state"]), (201, &json!("waiting")), "{asked}: {}", filed.text);
        let keys: Vec<&String> = filed.json.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["created", "expires", "request", "state"]);
        // Also while one waits.
        for another in [of("Diary", &["text"]), of("Never", &["text"]), rows("never", json!(1))] {
            assert_eq!(code(&ask(&app, &another).await), "request_waits", "{another}");
        }
        let listed = home.alice.get("/api/v1/requests").await.unwrap();
        fit.push(listed.json[0]["unfit"].is_null());
        let decided = decide(&home.alice, &filed.json["request"], "approve", &json!({})).await;
        match fit.last() {
            Some(true) => assert_eq!(decided.status, 200, "control: {}", decided.text),
            _ => {
                assert_eq!((decided.status, code(&decided)), (409, "grant_schema_mismatch"), "the person is told");
                assert_eq!(standing(&app, &filed.json["request"]).await.json["state"], "waiting");
                let declined = decide(&home.alice, &filed.json["request"], "decline", &json!({})).await;
                assert_eq!(declined.status, 200, "{}", declined.text);
            }
        }
    }
    assert_eq!(fit, [true, false, false]);
}

#[tokio::test]
async fn of_fifty_decisions_at_once_one_counts_and_an_old_session_decides_nothing() {
    let (home, app, _) = home().await;
    let filed = ask(&app, &element(&["phone"], &["read"])).await;
    let request = filed.json["request"].clone();
    let approve = format!("/api/v1/requests/{}/approve", request.as_str().unwrap());
    let empty = json!({});
    let many = futures::future::join_all((0..50).map(|_| home.alice.post(&approve, &empty))).await;
    assert_eq!(many.iter().filter(|one| one.as_ref().is_ok_and(|one| one.status == 200)).count(), 1);
    let grants = home.alice.get("/api/v1/grants").await.unwrap();
    assert_eq!(grants.json[0]["access"].as_array().unwrap().len(), 2, "once: {}", grants.text);

    let filed = ask(&app, &element(&["phone"], &["update"])).await;
    assert_eq!(filed.status, 201, "{}", filed.text);
    let request = filed.json["request"].clone();
    // Ten minutes later.
    let Home { node, alice, root, .. } = home;
    let (allod, dir) = (node.allod.clone(), node.stop().unwrap());
    let mut command = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("ALLOD_CLOCK_AHEAD", "600");
    let node = Node::serve_by(allod.clone(), &dir, command).unwrap();
    let refused = decide(&alice.at(&node.url), &request, "approve", &json!({})).await;
    assert_eq!((refused.status, code(&refused)), (401, "insufficient_user_authentication"));
    let declined = decide(&alice.at(&node.url), &request, "decline", &json!({})).await;
    assert_eq!(declined.status, 200, "control: no is no danger");
    node.stop().unwrap();
    // Two weeks later nobody is asked any more.
    let mut command = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("ALLOD_CLOCK_AHEAD", (86_400 * 2).to_string());
    let node = Node::serve_by(allod, &dir, command).unwrap();
    assert_eq!(standing(&app.at(&node.url), &request).await.status, 401, "its token has lapsed");
    drop((node, root));
}

#[tokio::test]
async fn whoever_holds_the_machine_decides_by_command() {
    let (home, app, _) = home().await;
    let filed = ask(&app, &element(&["name", "phone"], &["read", "search"])).await;
    let request = filed.json["request"].as_str().unwrap().to_owned();
    let listed = home.node.cli_ok(&["request", "list"]).unwrap();
    assert_eq!((&listed[0]["request"], &listed[0]["user_name"]), (&json!(request), &json!(OWNER.0)));
    let less = home.file("less.json", &element(&["phone"], &["read", "search"]).to_string());
    home.node.cli_ok(&["request", "approve", &request, "--access", &less, "--until", "P1D"]).unwrap();
    assert_eq!(phones(&app).await, Some(json!([{"phone": "123"}])));
    assert_eq!(home.node.cli(&["request", "decline", &request]).unwrap().refused(1).unwrap(), "request_decided");
    let filed = ask(&app, &element(&["phone"], &["update"])).await;
    let declined = home.node.cli_ok(&["request", "decline", filed.json["request"].as_str().unwrap()]).unwrap();
    assert_eq!(declined["state"], "declined");
    assert_ne!(home.node.cli(&["request", "approve", "nonsense"]).unwrap().code, 0);
    let status = home.alice.send(home.alice.request(Method::GET, "/api/v1/requests/nonsense")).await.unwrap();
    assert_eq!(status.status, 404);
}

#[tokio::test]
async fn nothing_comes_beside_a_grant_that_has_ended() {
    let (home, app, grant) = home().await;
    home.node.cli_ok(&["grant", "extend", &grant, "P1D"]).unwrap();
    let filed = ask(&app, &element(&["phone"], &["read"])).await;
    assert_eq!(filed.status, 201, "{}", filed.text);
    let request = &filed.json["request"];
    assert_eq!(home.alice.get("/api/v1/requests").await.unwrap().json[0]["unfit"], Value::Null, "control");
    // Two days later.
    let Home { node, root, .. } = home;
    let (allod, dir) = (node.allod.clone(), node.stop().unwrap());
    let mut command = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("ALLOD_CLOCK_AHEAD", (2 * 86_400).to_string());
    let node = Node::serve_by(allod, &dir, command).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let listed = alice.get("/api/v1/requests").await.unwrap();
    assert!(listed.json[0]["unfit"].as_str().is_some_and(|why| why.contains("ended")), "{}", listed.text);
    let refused = decide(&alice, request, "approve", &json!({})).await;
    assert_eq!((refused.status, code(&refused)), (409, "grant_ended"), "{}", refused.text);
    let declined = decide(&alice, request, "decline", &json!({})).await;
    assert_eq!(declined.status, 200, "it waited on: {}", declined.text);
    drop((node, root));
}
