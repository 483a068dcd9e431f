//! Who administers a node: each of its routes for operators, asked by everybody there is.

use std::collections::BTreeSet;

use harness::{Answer, Client, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::{Home, OWNER};

/// What a route asks of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    /// An operator in a session of theirs.
    Look,
    /// The same, with the password given within five minutes.
    Change,
    /// Whoever holds the machine.
    Machine,
}

use May::{Change, Look, Machine};

/// Every route for operators. What is asked here changes nothing where it is allowed: names that nobody has, and bodies
/// that say nothing.
const ROUTES: [(May, &str, &str); 55] = [
    (Look, "GET", "/api/v1/users"),
    (Look, "GET", "/api/v1/tenants"),
    (Look, "GET", "/api/v1/quotas"),
    (Look, "GET", "/api/v1/apps"),
    (Look, "GET", "/api/v1/registration-tokens"),
    (Look, "GET", "/api/v1/audit/all"),
    (Look, "GET", "/api/v1/status"),
    (Look, "GET", "/metrics"),
    (Look, "GET", "/api/v1/policy/schema"),
    (Look, "POST", "/api/v1/policy/schema/check"),
    (Look, "GET", "/api/v1/policy/audit"),
    (Look, "POST", "/api/v1/policy/explain"),
    (Look, "POST", "/api/v1/check"),
    (Look, "GET", "/api/v1/recovery"),
    (Look, "GET", "/api/v1/places"),
    (Look, "GET", "/api/v1/restore"),
    (Change, "POST", "/api/v1/tenants"),
    (Change, "DELETE", "/api/v1/tenants/{name}"),
    (Change, "PUT", "/api/v1/tenants/{name}/suspension"),
    (Change, "DELETE", "/api/v1/tenants/{name}/suspension"),
    (Change, "POST", "/api/v1/users"),
    (Change, "DELETE", "/api/v1/users/{name}"),
    (Change, "POST", "/api/v1/users/{name}/invite"),
    (Change, "PUT", "/api/v1/users/{name}/operator"),
    (Change, "DELETE", "/api/v1/users/{name}/operator"),
    (Change, "PUT", "/api/v1/users/{name}/suspension"),
    (Change, "DELETE", "/api/v1/users/{name}/suspension"),
    (Change, "PUT", "/api/v1/quotas/{kind}"),
    (Change, "POST", "/api/v1/apps"),
    (Change, "DELETE", "/api/v1/apps/{client}"),
    (Change, "POST", "/api/v1/registration-tokens"),
    (Change, "DELETE", "/api/v1/registration-tokens/{id}"),
    (Change, "POST", "/api/v1/places"),
    (Change, "DELETE", "/api/v1/places/{place}"),
    (Machine, "POST", "/api/v1/users/{name}/token"),
    (Machine, "PUT", "/api/v1/users/{name}/password"),
    (Machine, "DELETE", "/api/v1/users/{name}/totp"),
    (Machine, "DELETE", "/api/v1/users/{name}/passkeys"),
    (Machine, "POST", "/api/v1/grants"),
    (Machine, "POST", "/api/v1/setup-link"),
    (Machine, "PUT", "/api/v1/policy/schema"),
    (Machine, "POST", "/api/v1/policy/migrate"),
    (Machine, "POST", "/api/v1/backups"),
    (Machine, "POST", "/api/v1/backups/list"),
    (Machine, "POST", "/api/v1/backups/verify"),
    (Machine, "POST", "/api/v1/backups/prune"),
    (Change, "POST", "/api/v1/recovery"),
    (Change, "POST", "/api/v1/recovery/confirm"),
    (Change, "POST", "/api/v1/recovery/words"),
    (Machine, "POST", "/api/v1/restore/confirm"),
    (Machine, "GET", "/api/v1/doctor"),
    (Machine, "POST", "/api/v1/mail/test"),
    (Machine, "POST", "/api/v1/stop"),
    (Look, "HEAD", "/api/v1/users"),
    (Look, "HEAD", "/api/v1/status"),
];

/// The path with a name in each of its places that nothing has.
fn filled(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "nobody-of-this-name".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

async fn ask(client: &Client, method: &str, path: &str) -> Answer {
    let method: Method = method.parse().unwrap();
    let mut request = client.request(method.clone(), &filled(path));
    if !matches!(method, Method::GET | Method::HEAD) {
        request = request.json(&json!({}));
    }
    client.send(request).await.unwrap()
}

/// Status, and the code if it is refused.
fn told(answer: &Answer) -> (u16, String) {
    let json = &answer.json;
    let code = json["code"].as_str().or(json["error"]["code"].as_str()).unwrap_or_default();
    (answer.status, if answer.status < 400 { String::new() } else { code.to_owned() })
}

#[tokio::test]
async fn every_route_for_operators_refuses_everybody_else_and_each_as_it_says() {
    let home = Home::new().await;
    home.user("bob", None).await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let note = json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read"], "fields": {"allow": ["text"]}});
    let (app, _) = home.app(&note, &note);
    let link = home.alice.post("/api/v1/links", &json!({"collection": "Note", "fields": ["text"]})).await.unwrap();
    let link = home.alice.with_token(link.json["token"].as_str().unwrap());
    let Home { node, alice: unconfirmed, root, .. } = home;
    // Ten minutes later.
    let (allod, dir) = (node.allod.clone(), node.stop().unwrap());
    let mut command = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("ALLOD_CLOCK_AHEAD", "600");
    let node = Node::serve_by(allod, &dir, command).unwrap();
    let at = |client: &Client| Client::new(&node.url, client.token.as_deref()).unwrap();
    let (unconfirmed, app, link, machine) = (at(&unconfirmed), at(&app), at(&link), node.operator().unwrap());
    let minted = async |user: &str| {
        let made = machine.post(&format!("/api/v1/users/{user}/token"), &json!({"ttl_s": 600})).await.unwrap();
        machine.with_token(made.json["access_token"].as_str().unwrap())
    };
    let (owners_script, nobody) = (minted("alice").await, machine.nobody());
    let bob = node.sign_in("bob", "the long password of bob").await.unwrap();
    let confirmed = node.sign_in(OWNER.0, OWNER.1).await.unwrap();

    for (may, method, path) in ROUTES {
        let what = format!("{method} {path}");
        // An answer to HEAD has no body to tell a code in.
        let expect = |answer: Answer, status: u16, code: &str, who: &str| {
            let code = if method == "HEAD" { String::new() } else { code.to_owned() };
            assert_eq!(told(&answer), (status, code), "{what} by {who}: {}", answer.text);
        };
        let lets_in = |answer: Answer, who: &str| {
            assert!(!matches!(answer.status, 401 | 403), "{what} by {who}: {} {}", answer.status, answer.text);
        };
        expect(ask(&nobody, method, path).await, 401, "unauthenticated", "nobody");
        for (who, client) in [("another person", &bob), ("a script with the owner's token", &owners_script)] {
            expect(ask(client, method, path).await, 403, "operator_only", who);
        }
        for (who, client) in [("an app", &app), ("a link", &link)] {
            let code = if may == Machine { "operator_only" } else { "not_for_apps" };
            expect(ask(client, method, path).await, 403, code, who);
        }
        match may {
            Look => {
                lets_in(ask(&unconfirmed, method, path).await, "an operator");
                lets_in(ask(&confirmed, method, path).await, "an operator who gave the password");
            }
            Change => {
                let code = "insufficient_user_authentication";
                expect(ask(&unconfirmed, method, path).await, 401, code, "an operator");
                lets_in(ask(&confirmed, method, path).await, "an operator who gave the password");
            }
            Machine => {
                expect(ask(&unconfirmed, method, path).await, 403, "operator_only", "an operator");
                expect(ask(&confirmed, method, path).await, 403, "operator_only", "an operator who gave the password");
            }
        }
        if path != "/api/v1/stop" {
            lets_in(ask(&machine, method, path).await, "whoever holds the machine");
        }
    }

    // There is no other: whatever refuses bob for being no operator stands above.
    let api = machine.get("/openapi.json").await.unwrap().json;
    let mut found = BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete", "patch"].iter().filter(|method| item.get(**method).is_some()) {
            // Some of them end the session that asks.
            let answer = ask(&minted("bob").await, &method.to_uppercase(), path).await;
            if told(&answer).1 == "operator_only" {
                found.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    let listed = ROUTES.iter().filter(|one| one.1 != "HEAD");
    let listed: BTreeSet<_> = listed.map(|(_, method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(found, listed);
    drop(root);
}

#[tokio::test]
async fn the_words_that_open_backups_are_for_who_owns_the_node_and_for_no_other_operator() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    home.node.cli_ok(&["user", "operator", "bob"]).unwrap();
    assert_eq!(bob.get("/api/v1/recovery").await.unwrap().json, json!({"ways": []}), "control: he sees how it stands");
    let (words, password) = (json!({"words": "abandon"}), json!({"password": "the long password of bob"}));
    let asked =
        [("/api/v1/recovery", &json!({})), ("/api/v1/recovery/confirm", &words), ("/api/v1/recovery/words", &password)];
    for (path, body) in asked {
        assert_eq!(told(&bob.post(path, body).await.unwrap()), (403, "operator_only".to_owned()), "{path}");
    }
    assert_eq!(home.alice.get("/api/v1/me").await.unwrap().json["owner"], true);
    assert_eq!(bob.get("/api/v1/me").await.unwrap().json["owner"], false);

    let alice = home.node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let made = alice.post("/api/v1/recovery", &json!({})).await.unwrap();
    let said = made.json["words"].as_str().unwrap().to_owned();
    assert_eq!((made.status, said.split(' ').count()), (200, 24), "{}", made.text);
    let again = alice.post("/api/v1/recovery", &json!({})).await.unwrap();
    assert_eq!(told(&again), (409, "recovery_exists".to_owned()));
    let wrong = alice.post("/api/v1/recovery/words", &json!({"password": "not hers at all"})).await.unwrap();
    assert_eq!((told(&wrong), wrong.text.contains(&said)), ((403, "wrong_password".to_owned()), false));
    let shown = alice.post("/api/v1/recovery/words", &json!({"password": OWNER.1})).await.unwrap();
    assert_eq!(shown.json["recovery_key"], said);
    let misspelt = said.replacen(' ', "x ", 1);
    let misspelt = alice.post("/api/v1/recovery/confirm", &json!({"words": misspelt})).await.unwrap();
    assert_eq!(told(&misspelt), (400, "recovery_words_wrong".to_owned()));
    assert_eq!(bob.get("/api/v1/recovery").await.unwrap().json["ways"][0]["tested"], Value::Null);
    let right = alice.post("/api/v1/recovery/confirm", &json!({"words": said})).await.unwrap();
    assert!(right.json["ways"][0]["tested"].is_string(), "{}", right.text);
    let acts = home.node.cli_ok(&["audit", "--user", OWNER.0]).unwrap();
    let acts: Vec<_> = acts.as_array().unwrap().iter().map(|act| act["action"].as_str().unwrap()).collect();
    let acts: Vec<_> = acts.into_iter().filter(|act| act.starts_with("recovery.")).collect();
    assert_eq!(acts, ["recovery.tested", "recovery.shown", "recovery.made"]);
}

#[tokio::test]
async fn an_operator_is_named_by_the_machine_and_sees_no_documents_for_it() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    home.alice.define("type Note { text: String }").await.unwrap();
    home.alice.graphql(r#"mutation { add_Note(input: {text: "canary"}) { _docID } }"#).await.unwrap();
    let space = home.made["space"].as_str().unwrap();
    assert_eq!(bob.get("/api/v1/users").await.unwrap().status, 403, "control");
    let named = home.node.cli_ok(&["user", "operator", "bob"]).unwrap();
    assert_eq!((&named["name"], &named["operator"]), (&json!("bob"), &json!(true)));
    assert_eq!(bob.get("/api/v1/me").await.unwrap().json["operator"], true);
    let people = bob.get("/api/v1/users").await.unwrap();
    assert_eq!(people.json.as_array().map(Vec::len), Some(2), "{}", people.text);
    // Nothing of alice's shows to him: her space, her grants, her links, and documents by no route.
    assert_eq!(bob.in_space(space).try_graphql("{ Note { text } }", Value::Null).await.unwrap().status, 404);
    for path in
        ["/api/v1/spaces", "/api/v1/grants", "/api/v1/links", "/api/v1/shares", "/api/v1/audit/all", "/api/v1/status"]
    {
        let answer = bob.get(path).await.unwrap();
        assert!(answer.status == 200 && !answer.text.contains("canary"), "{path}: {}", answer.text);
    }
    assert_eq!(bob.get("/api/v1/grants").await.unwrap().json, json!([]));
    // He may ask what policy says of her.
    let question = json!({"user": "alice", "verb": "read", "collection": "Note", "field": "text", "explain": true});
    let said = bob.post("/api/v1/check", &question).await.unwrap();
    assert_eq!((said.status, &said.json["allowed"]), (200, &json!(true)), "{}", said.text);
    assert!(!said.json["path"].as_array().unwrap().is_empty(), "{}", said.text);
    assert_eq!(home.node.cli(&["user", "suspend", "bob"]).unwrap().refused(1).unwrap(), "is_operator");
    let off = home.node.cli_ok(&["user", "operator", "bob", "--remove"]).unwrap();
    assert_eq!(off["operator"], false);
    assert_eq!(bob.get("/api/v1/users").await.unwrap().status, 403);
    assert_eq!(home.node.cli(&["user", "operator", "alice", "--remove"]).unwrap().refused(1).unwrap(), "last_operator");
    assert_eq!(home.node.cli(&["user", "operator", "eve"]).unwrap().refused(4).unwrap(), "unknown_user");
    let acts = home.node.cli_ok(&["audit", "--user", "bob"]).unwrap();
    let acts: Vec<_> = acts.as_array().unwrap().iter().map(|act| act["action"].as_str().unwrap()).collect();
    assert_eq!(acts[..2], ["operator.removed", "operator.named"], "{acts:?}");
}
