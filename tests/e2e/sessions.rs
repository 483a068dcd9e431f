//! Who may do what with which credential, and that an ended credential ends at once.

use std::time::{Duration, Instant};

use harness::Client;
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::{Home, OWNER};
use crate::hostile::{code, shown, unhurt};

const ASK: &str = "{ __typename }";

fn reading() -> Value {
    json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["create", "read", "update", "delete", "search", "history"],
        "fields": {"allow": ["name"]}})
}

async fn status(client: &Client) -> u16 {
    client.try_graphql(ASK, Value::Null).await.unwrap().status
}

#[tokio::test]
async fn signing_out_everywhere_ends_every_session_of_that_person_and_no_other() {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String }").await.unwrap();
    let bob = home.user("bob", None).await;
    let (app, _) = home.app(&reading(), &reading());
    let mut sessions = vec![home.alice.clone()];
    for _ in 0..3 {
        sessions.push(home.node.sign_in(OWNER.0, OWNER.1).await.unwrap());
    }
    let minted = home.node.cli_ok(&["user", "token", "alice", "--ttl", "1h"]).unwrap();
    sessions.push(home.alice.with_token(minted["access_token"].as_str().unwrap()));
    for session in &sessions {
        assert_eq!(status(session).await, 200, "control");
    }
    let out = sessions[1].send(sessions[1].request(Method::DELETE, "/api/v1/session")).await.unwrap();
    assert_eq!(out.status, 204, "{}", out.text);
    assert_eq!(status(&sessions[1]).await, 401);
    assert_eq!(status(&sessions[0]).await, 200, "control: signing out ends one session");
    // Requests are under way all the time: none that begins after the acknowledgement is served.
    let eager = sessions[2].clone();
    let running = tokio::spawn(async move {
        let mut served = Instant::now();
        loop {
            let begun = Instant::now();
            match status(&eager).await {
                200 => served = begun,
                401 => return served,
                other => panic!("{other}"),
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let out = sessions[0].send(sessions[0].request(Method::DELETE, "/api/v1/sessions")).await.unwrap();
    let acknowledged = Instant::now();
    assert_eq!((out.status, &out.json["ended"]), (200, &json!(4)), "{}", out.text);
    for session in &sessions {
        let answer = session.try_graphql(ASK, Value::Null).await.unwrap();
        assert_eq!((answer.status, code(&answer)), (401, "invalid_token"));
        assert_eq!(session.get("/api/v1/grants").await.unwrap().status, 401);
    }
    assert!(running.await.unwrap() < acknowledged, "a request was served that began after the sign-out");
    assert_eq!(status(&bob).await, 200, "control: another person");
    assert_eq!(status(&app).await, 200, "what was granted to apps stays");
    assert_eq!(status(&home.node.sign_in(OWNER.0, OWNER.1).await.unwrap()).await, 200, "control: a new session");
    home.node.cli_ok(&["user", "list"]).expect("control: the operator");
}

#[tokio::test]
async fn a_revoked_grant_serves_nothing_from_its_acknowledgement_on_whichever_way_it_is_revoked() {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String }").await.unwrap();
    for by_command in [true, false] {
        let (app, grant) = home.app(&reading(), &reading());
        let (other, _) = home.app(&reading(), &reading());
        let ask = "{ Contact { name } }";
        app.graphql(ask).await.expect("control");
        let begun = Instant::now();
        if by_command {
            home.node.cli_ok(&["grant", "revoke", &grant]).unwrap();
        } else {
            let path = format!("/api/v1/grants/{grant}");
            assert_eq!(home.alice.send(home.alice.request(Method::DELETE, &path)).await.unwrap().status, 200);
        }
        let answer = app.try_graphql(ask, Value::Null).await.unwrap();
        assert_eq!((answer.status, code(&answer)), (401, "invalid_token"), "{}", answer.text);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        for path in ["/api/v1/spaces", "/api/v1/collections"] {
            assert_eq!(app.get(path).await.unwrap().status, 401, "{path}");
        }
        let write =
            app.try_graphql(r#"mutation { add_Contact(input: {name: "x"}) { _docID } }"#, Value::Null).await.unwrap();
        assert_eq!(write.status, 401);
        other.graphql(ask).await.expect("control: another grant");
    }
    assert_eq!(home.alice.graphql("{ COUNT(Contact: {}) }").await.unwrap()["COUNT"], 0);
    unhurt(&home).await;
}

/// Routes of accounts and machines; an app has no business with any.
fn routes(grant: &str) -> Vec<(Method, String, Value)> {
    let grant_path = format!("/api/v1/grants/{grant}");
    [
        (Method::DELETE, "/api/v1/session", Value::Null),
        (Method::GET, "/api/v1/sessions", Value::Null),
        (Method::DELETE, "/api/v1/sessions", Value::Null),
        (Method::DELETE, "/api/v1/sessions/00000000000000000000000000000000", Value::Null),
        (Method::GET, "/api/v1/tenants", Value::Null),
        (Method::POST, "/api/v1/tenants", json!({"name": "planted"})),
        (Method::GET, "/api/v1/users", Value::Null),
        (Method::POST, "/api/v1/users", json!({"name": "planted", "password": "long enough for anyone"})),
        (Method::POST, "/api/v1/users/alice/token", json!({"ttl_s": 60})),
        (Method::GET, "/api/v1/audit", Value::Null),
        (Method::GET, "/api/v1/apps", Value::Null),
        (
            Method::POST,
            "/api/v1/apps",
            json!({"name": "x", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [reading()]}),
        ),
        (Method::GET, "/api/v1/grants", Value::Null),
        (Method::POST, "/api/v1/grants", json!({"user": "alice", "client_id": grant, "access": reading()})),
        (Method::GET, &grant_path, Value::Null),
        (Method::DELETE, &grant_path, Value::Null),
        (Method::GET, "/api/v1/devices", Value::Null),
        (Method::POST, "/api/v1/devices/invite", json!({})),
        (Method::GET, "/api/v1/replicas", Value::Null),
        (
            Method::POST,
            "/api/v1/replicas",
            json!({"addr": "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"}),
        ),
        (Method::POST, "/api/v1/sync/wait", json!({"timeout_s": 1})),
        (Method::POST, "/api/v1/check", json!({"user": "alice", "verb": "read", "collection": "Contact"})),
        (Method::POST, "/api/v1/stop", json!({})),
        (Method::POST, "/api/v1/spaces", json!({"name": "planted"})),
        (Method::POST, "/api/v1/collections", json!({"sdl": "type Planted { x: String }"})),
        (Method::POST, "/api/v0/schema", json!({"sdl": "type Planted { x: String }"})),
    ]
    .map(|(method, path, body)| (method, path.to_owned(), body))
    .into()
}

async fn call(client: &Client, (method, path, body): &(Method, String, Value)) -> harness::Answer {
    let mut request = client.request(method.clone(), path);
    if !body.is_null() {
        request = request.json(body);
    }
    client.send(request).await.unwrap()
}

#[tokio::test]
async fn an_app_reaches_no_route_of_accounts_devices_replicas_and_definitions() {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String } type Secret { x: String }").await.unwrap();
    let (app, grant) = home.app(&reading(), &reading());
    for route in routes(&grant) {
        let answer = call(&app, &route).await;
        assert_eq!(answer.status, 403, "{} {}: {}", route.0, route.1, shown(&answer.text));
        code(&answer);
    }
    // Nor does the refusal of a definition tell what is there.
    let mut answers = Vec::new();
    for sdl in ["type Secret { x: String }", "type Other { x: String }", "type Other { x: Secret }", "nonsense"] {
        let answer = app.post("/api/v1/collections", &json!({ "sdl": sdl })).await.unwrap();
        answers.push((answer.status, answer.text));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    // An app's token in a cookie is nobody's session.
    let nobody = Client::new(&home.node.url, None).unwrap();
    for token in [app.token.as_deref().unwrap(), "x", ""] {
        let request = nobody.request(Method::GET, "/api/v1/grants");
        let name = format!("allod-{}", &home.made["node"].as_str().unwrap()[..8]);
        let request = request.header("cookie", format!("{name}={token}")).header("allod-page-key", token);
        assert_eq!(nobody.send(request).await.unwrap().status, 401);
    }
    assert_eq!(home.node.cli_ok(&["grant", "list"]).unwrap().as_array().unwrap().len(), 1, "nothing was revoked");
    assert_eq!(status(&app).await, 200, "control: the app reaches its data");
    assert_eq!(home.alice.get("/api/v1/grants").await.unwrap().status, 200, "control: the person");
    unhurt(&home).await;
}

#[tokio::test]
async fn a_user_of_the_tenant_is_not_its_operator_and_does_not_touch_others() {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String }").await.unwrap();
    let (_, grant) = home.app(&reading(), &reading());
    let bob = home.user("bob", None).await;
    for route in routes(&grant) {
        let operators = ["/api/v1/tenants", "/api/v1/users", "/api/v1/apps", "/api/v1/check", "/api/v1/stop"];
        let operator = operators.iter().any(|path| route.1.starts_with(path))
            || (route.0 == Method::POST && route.1 == "/api/v1/grants");
        if operator {
            let answer = call(&bob, &route).await;
            assert_eq!(answer.status, 403, "{} {}: {}", route.0, route.1, shown(&answer.text));
        }
    }
    let unknown = bob.get("/api/v1/grants/00000000000000000000000000000001").await.unwrap();
    for (method, body) in [(Method::GET, Value::Null), (Method::DELETE, Value::Null)] {
        let answer = call(&bob, &(method, format!("/api/v1/grants/{grant}"), body)).await;
        assert_eq!((answer.status, &answer.text), (404, &unknown.text), "a foreign grant is none");
    }
    assert_eq!(bob.get("/api/v1/grants").await.unwrap().json, json!([]));
    assert!(!bob.get("/api/v1/audit").await.unwrap().text.contains(&grant));
    let space = home.made["space"].as_str().unwrap();
    let wait = bob.post("/api/v1/sync/wait", &json!({"space": space, "timeout_s": 1})).await.unwrap();
    let nowhere = bob
        .post("/api/v1/sync/wait", &json!({"space": "000000000000000000000000000000aa", "timeout_s": 1}))
        .await
        .unwrap();
    assert_eq!((wait.status, &wait.text), (nowhere.status, &nowhere.text));
    let replica = |space: &str| json!({"space": space, "addr": "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"});
    let foreign = bob.post("/api/v1/replicas", &replica(space)).await.unwrap();
    let nowhere = bob.post("/api/v1/replicas", &replica("000000000000000000000000000000aa")).await.unwrap();
    assert_eq!((foreign.status, &foreign.text), (nowhere.status, &nowhere.text), "a foreign space is as one unknown");
    assert!(matches!(foreign.status, 403 | 404), "a foreign space is not given to a replica: {}", foreign.text);
    assert_eq!(bob.get("/api/v1/replicas").await.unwrap().json, json!([]), "nor is there one");
    assert_eq!(home.alice.get(&format!("/api/v1/grants/{grant}")).await.unwrap().status, 200, "control");
    home.node
        .operator()
        .unwrap()
        .get("/api/v1/users")
        .await
        .map(|answer| assert_eq!(answer.status, 200))
        .expect("control");
    unhurt(&home).await;
}

#[tokio::test]
async fn wrong_passwords_and_unknown_names_are_refused_alike() {
    let home = Home::new().await;
    let nobody = Client::new(&home.node.url, None).unwrap();
    let try_in = |user: String, password: String| {
        let nobody = nobody.clone();
        async move {
            let begun = Instant::now();
            let answer = nobody.post("/api/v1/session", &json!({"user": user, "password": password})).await.unwrap();
            (answer, begun.elapsed())
        }
    };
    let (first, _) = try_in("alice".into(), "not her password".into()).await;
    assert_eq!((first.status, code(&first)), (401, "wrong_password"));
    let long = "x".repeat(30_000);
    for (user, password) in [
        ("nobody", "not her password"),
        ("nobody", OWNER.1),
        ("alice", ""),
        ("", ""),
        ("' OR 1=1 --", "x"),
        ("alice\u{0}", OWNER.1),
        ("alice", long.as_str()),
        (long.as_str(), "x"),
        (long.as_str(), long.as_str()),
    ] {
        let (answer, _) = try_in(user.into(), password.into()).await;
        assert_eq!((answer.status, &answer.text), (401, &first.text), "{} {}", shown(user), shown(password));
    }
    let (too_long, _) = try_in("alice".into(), "x".repeat(100_000)).await;
    assert_eq!((too_long.status, code(&too_long)), (413, "limit_body"));
    // An unknown name costs what a known one does: the least that each took, which a busy machine changes least, are
    // within a factor of two.
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..7 {
        for (user, list) in ["alice", "nobody"].into_iter().zip(&mut took) {
            list.push(try_in(user.into(), "not her password".into()).await.1);
        }
    }
    let [known, unknown] = took.map(|list| list.iter().min().expect("seven").as_secs_f64());
    assert!(known < unknown * 2.0 && unknown < known * 2.0, "{known} s and {unknown} s");
    assert_eq!(try_in(OWNER.0.into(), OWNER.1.into()).await.0.status, 200, "control");
    unhurt(&home).await;
}
