//! Who gets in by a browser: what every answer says to browsers and caches, the session of a page, the name under which
//! pages live, and acts that ask for the password again.

use harness::Client;
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::{Home, OWNER};

#[tokio::test]
async fn no_answer_is_sniffed_or_kept() {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String }").await.unwrap();
    let made = home.alice.post("/api/v1/links", &json!({"collection": "Contact", "fields": ["name"]})).await.unwrap();
    let link = format!("/l/{}", made.json["token"].as_str().unwrap());
    let nobody = Client::new(&home.node.url, None).unwrap();
    let paths = [
        "/",
        "/admin",
        "/admin/",
        "/admin/nothing",
        "/healthz",
        "/readyz",
        "/setup?token=x",
        &link,
        "/l/x",
        "/oauth/authorize",
        "/oauth/style.css",
        "/.well-known/oauth-authorization-server",
        "/api/v1/audit",
        "/api/v1/spaces",
        "/api/v1/grants",
        "/api/v1/nothing",
        "/nothing",
        "/api/v1/graphql",
        "/api/v1/links",
    ];
    for client in [&home.alice, &nobody] {
        for path in paths {
            for method in [Method::GET, Method::POST, Method::PUT, Method::HEAD, Method::OPTIONS] {
                let answer = client.request(method.clone(), path).send().await.unwrap();
                let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                let status = answer.status();
                assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{method} {path} {status}");
                assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{method} {path} {status}");
            }
        }
    }
    let large = home.alice.request(Method::POST, "/api/v1/collections").body(vec![b' '; 17 << 20]);
    if let Ok(answer) = large.send().await {
        assert_eq!(answer.headers()["cache-control"], "no-store", "{}", answer.status());
    }
}

/// A page's session: its cookie, as a browser sends it, and its key.
async fn page_session(nobody: &Client, user: (&str, &str)) -> (String, String) {
    let request = nobody.request(Method::POST, "/api/v1/session").header("sec-fetch-site", "same-origin");
    let answer = request.json(&json!({"user": user.0, "password": user.1})).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["access_token"], Value::Null);
    (cookie, body["page_key"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_a_neighbouring_port_receives_and_sets_opens_nothing() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let nobody = Client::new(&home.node.url, None).unwrap();
    let (cookie, key) = page_session(&nobody, OWNER).await;
    let (theirs, _) = page_session(&nobody, ("bob", "the long password of bob")).await;
    let half = cookie.split_once('=').unwrap().1;
    let request = |method: Method, path: &str| {
        let request = nobody.request(method.clone(), path);
        if method == Method::POST { request.json(&json!({"query": "{ __typename }"})) } else { request }
    };
    for (method, path) in [
        (Method::GET, "/api/v1/spaces"),
        (Method::GET, "/api/v1/audit"),
        (Method::GET, "/api/v1/devices"),
        (Method::POST, "/api/v1/devices/invite"),
        (Method::POST, "/api/v1/graphql"),
        (Method::DELETE, "/api/v1/sessions"),
    ] {
        let ask = || request(method.clone(), path);
        let mut tries = vec![
            ask().bearer_auth(half),
            ask().bearer_auth(&cookie),
            ask().bearer_auth(&key),
            ask().header("cookie", &cookie),
            ask().header("cookie", &cookie).header("allod-csrf", "1"),
            ask().header("cookie", &cookie).header("sec-fetch-site", "same-origin"),
            ask().header("cookie", &cookie).header("origin", &home.node.url).header("sec-fetch-site", "same-origin"),
            ask().header("cookie", &cookie).header("allod-page-key", half),
            ask().header("allod-page-key", &key),
            ask().header("cookie", &theirs).header("allod-page-key", &key),
        ];
        for site in ["same-site", "cross-site", "none"] {
            let whole = ask().header("cookie", &cookie).header("allod-page-key", &key);
            tries.push(whole.header("sec-fetch-site", site));
        }
        for (at, one) in tries.into_iter().enumerate() {
            let answer = nobody.send(one).await.unwrap();
            assert_eq!(answer.status, 401, "{method} {path}, try {at}: {}", answer.text);
        }
    }
    let both = nobody.request(Method::GET, "/api/v1/spaces").header("cookie", format!("{theirs}; {cookie}"));
    let answer =
        nobody.send(both.header("allod-page-key", &key).header("sec-fetch-site", "same-origin")).await.unwrap();
    let own = home.alice.get("/api/v1/spaces").await.unwrap();
    assert_eq!((answer.status, answer.json), (200, own.json), "control: the node's own page");
    assert_eq!(bob.get("/api/v1/spaces").await.unwrap().status, 200, "control: nobody was signed out");
}

#[tokio::test]
async fn a_page_that_is_opened_by_number_moves_to_its_own_name() {
    let home = Home::new().await;
    let nobody = Client::new(&home.node.url, None).unwrap();
    let port = home.node.url.rsplit(':').next().unwrap();
    let open = |path: &'static str| nobody.request(Method::GET, path).header("sec-fetch-mode", "navigate").send();
    for path in ["/", "/admin/", "/setup?token=a%2Bb&x=1", "/l/abc", "/oauth/authorize?client_id=1&state=a%20b"] {
        let answer = open(path).await.unwrap();
        let to = answer.headers()["location"].to_str().unwrap();
        assert_eq!((answer.status().as_u16(), to), (307, format!("http://allod.localhost:{port}{path}").as_str()));
        assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
        let there = nobody.request(Method::GET, path).header("sec-fetch-mode", "navigate");
        let there = there.header("host", format!("allod.localhost:{port}")).send().await.unwrap();
        let again = there.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        assert!(again.is_none_or(|to| to == "/admin/"), "{path} goes round in a circle");
    }
    assert_eq!(nobody.get("/admin/").await.unwrap().status, 200, "control: a program is answered by number");
    assert_eq!(open("/healthz").await.unwrap().status(), 200, "what is no page stays");
    // The operator's token stays with loopback by number.
    let operator = home.node.operator().unwrap();
    for (host, status) in [(format!("127.0.0.1:{port}"), 200), (format!("allod.localhost:{port}"), 401)] {
        let request = operator.request(Method::GET, "/api/v1/users").header("host", &host);
        assert_eq!(operator.send(request).await.unwrap().status, status, "{host}");
    }
}

#[tokio::test]
async fn acts_that_outlive_a_session_ask_for_the_password_again() {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String }").await.unwrap();
    home.user("bob", None).await;
    let group = home.alice.post("/api/v1/groups", &json!({"name": "Friends"})).await.unwrap().json;
    let members = format!("/api/v1/groups/{}/members", group["group"].as_str().unwrap());
    let replica = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    // A session that no password was given for.
    let minted = home.node.cli_ok(&["user", "token", "alice", "--ttl", "1h"]).unwrap();
    let alice = home.alice.with_token(minted["access_token"].as_str().unwrap());
    let whole = json!({"collection": "Contact", "with": {"user": "bob"}, "role": "viewer"});
    let acts = [
        ("/api/v1/devices/invite", json!({})),
        ("/api/v1/replicas", json!({ "addr": replica })),
        ("/api/v1/shares", whole.clone()),
        ("/api/v1/shares", json!({"with": {"user": "bob"}, "role": "viewer"})),
        ("/api/v1/links", json!({"collection": "Contact", "fields": ["name"]})),
        ("/api/v1/links", json!({"collection": "Contact", "fields": ["name"], "where": {"name": {"_neq": "x"}}})),
        (
            "/api/v1/field-rules",
            json!({"collection": "Contact", "field": "name", "rule": "reader", "who": {"user": "bob"}}),
        ),
        (members.as_str(), json!({"user": "bob"})),
    ];
    for (path, body) in &acts {
        let answer = alice.request(Method::POST, path).json(body).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path} {body}");
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(
            challenge.starts_with(r#"Bearer error="insufficient_user_authentication", max_age=300"#),
            "{challenge}"
        );
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "insufficient_user_authentication");
    }
    let removal = alice.delete("/api/v1/replicas/none").await.unwrap();
    assert_eq!(
        (removal.status, removal.json["error"]["code"].as_str()),
        (401, Some("insufficient_user_authentication"))
    );
    assert_eq!(alice.get("/api/v1/shares").await.unwrap().json["given"], json!([]), "nothing was given");
    assert_eq!(alice.get("/api/v1/spaces").await.unwrap().status, 200, "control: the session is good for the rest");
    let wrong = alice.post("/api/v1/session/confirm", &json!({"password": "not hers"})).await.unwrap();
    assert_eq!((wrong.status, wrong.json["error"]["code"].as_str()), (401, Some("wrong_password")));
    assert_eq!(alice.post("/api/v1/devices/invite", &json!({})).await.unwrap().status, 401);
    let confirmed = alice.post("/api/v1/session/confirm", &json!({"password": OWNER.1})).await.unwrap();
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    for (path, body) in acts.iter().filter(|(path, _)| *path != "/api/v1/replicas") {
        let answer = alice.post(path, body).await.unwrap();
        assert!((200..300).contains(&answer.status), "control: {path} {body}: {}", answer.text);
    }
    assert_eq!(home.alice.post("/api/v1/shares", &whole).await.unwrap().status, 200, "control: signed in just now");
    let replica = alice.delete("/api/v1/replicas/none").await.unwrap();
    assert_eq!(replica.status, 404, "control: confirmed, one may remove a replica: {}", replica.text);
    home.node.cli_ok(&["device", "invite"]).expect("control: the machine's own token is not asked");
}

/// What ends may widen, too: who was kept from something sees it from then on.
#[tokio::test]
async fn what_shows_more_than_one_document_to_somebody_asks_for_the_password_again() {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String phone: String }").await.unwrap();
    let added = "mutation { add_Contact(input: [{name: \"Ann\"}, {name: \"Ben\"}, {name: \"Cid\"}]) { _docID } }";
    home.alice.graphql(added).await.unwrap();
    let contacts = home.alice.graphql("{ Contact { _docID } }").await.unwrap();
    let id = |n: usize| contacts["Contact"][n]["_docID"].as_str().unwrap().to_owned();
    home.user("bob", None).await;
    let add = async |path: &str, body: Value, key: &str| {
        let made = home.alice.post(path, &body).await.unwrap();
        assert_eq!(made.status, 201, "{path} {body}: {}", made.text);
        made.json[key].as_str().unwrap_or_default().to_owned()
    };
    let group = async |name: &str| add("/api/v1/groups", json!({"name": name}), "group").await;
    let members = |group: &str| format!("/api/v1/groups/{group}/members");
    // A group in one from which a field is kept, with bob in it; and one from which nothing is.
    let (outer, inner, free) = (group("Outer").await, group("Inner").await, group("Free").await);
    add(&members(&outer), json!({"group": inner}), "").await;
    for group in [&inner, &free] {
        add(&members(group), json!({"user": "bob"}), "").await;
    }
    let rule = |field: &str, rule: &str, who: Value| json!({"collection": "Contact", "field": field, "rule": rule, "who": who});
    let rules = "/api/v1/field-rules";
    add(rules, rule("phone", "hidden", json!({"group": outer})), "field_rule").await;
    let hidden = add(rules, rule("phone", "hidden", json!({"user": "bob"})), "field_rule").await;
    let sealed = add(rules, json!({"collection": "Contact", "field": "name", "rule": "sealed"}), "field_rule").await;
    let reader = add(rules, rule("name", "reader", json!({"user": "bob"})), "field_rule").await;
    let folder = async |name: &str, parent: Option<&str>| {
        add("/api/v1/folders", json!({"collection": "Contact", "name": name, "parent": parent}), "folder").await
    };
    let shared = folder("Shared", None).await;
    let within = folder("Within", Some(&shared)).await;
    let own = folder("Own", None).await;
    add("/api/v1/shares", json!({"folder": shared, "with": {"user": "bob"}, "role": "viewer"}), "share").await;

    let minted = home.node.cli_ok(&["user", "token", "alice", "--ttl", "1h"]).unwrap();
    let alice = home.alice.with_token(minted["access_token"].as_str().unwrap());
    let documents = |folder: &str| format!("/api/v1/folders/{folder}/documents");
    let several = json!({"documents": [id(0), id(1)]});
    let acts = [
        (Method::POST, documents(&shared), several.clone()),
        (Method::POST, documents(&within), several.clone()),
        (Method::DELETE, format!("{rules}/{hidden}"), Value::Null),
        (Method::DELETE, format!("{rules}/{sealed}"), Value::Null),
        (Method::DELETE, format!("{}/users/bob", members(&inner)), Value::Null),
        (Method::DELETE, format!("/api/v1/groups/{inner}"), Value::Null),
    ];
    let send = async |(method, path, body): &(Method, String, Value)| {
        let request = alice.request(method.clone(), path);
        let request = if body.is_null() { request } else { request.json(body) };
        alice.send(request).await.unwrap()
    };
    for act in &acts {
        let refused = send(act).await;
        let code = refused.json["error"]["code"].as_str();
        assert_eq!(
            (refused.status, code),
            (401, Some("insufficient_user_authentication")),
            "{act:?}: {}",
            refused.text
        );
    }
    let rules_now = home.alice.get(rules).await.unwrap();
    assert_eq!(rules_now.json.as_array().unwrap().len(), 4, "nothing has ended: {}", rules_now.text);
    // What takes away, and what shows one document or nothing to anybody, needs no more than the session.
    for act in [
        (Method::POST, documents(&own), several.clone()),
        (Method::POST, documents(&shared), json!({"documents": [id(2)]})),
        (Method::DELETE, format!("{rules}/{reader}"), Value::Null),
        (Method::DELETE, format!("{}/users/bob", members(&free)), Value::Null),
        (Method::DELETE, format!("/api/v1/groups/{free}"), Value::Null),
    ] {
        let done = send(&act).await;
        assert!((200..300).contains(&done.status), "control: {act:?}: {}", done.text);
    }
    let confirmed = alice.post("/api/v1/session/confirm", &json!({"password": OWNER.1})).await.unwrap();
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    for act in &acts {
        let done = send(act).await;
        assert!((200..300).contains(&done.status), "control: {act:?}: {}", done.text);
    }
}

#[tokio::test]
async fn a_flood_of_sign_ins_holds_nobody_who_signed_in_before_and_is_told() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let nobody = Client::new(&home.node.url, None).unwrap();
    let sign_in = |user: String, password: String| {
        let nobody = nobody.clone();
        async move { nobody.post("/api/v1/session", &json!({"user": user, "password": password})).await.unwrap() }
    };
    // One name, many names that nobody has, and the honest one's own.
    for names in [&|_| "mallory".to_owned() as String, &|n: usize| format!("name{n}"), &|_| "bob".to_owned()]
        as [&(dyn Fn(usize) -> String + Sync); 3]
    {
        let flood: Vec<_> = (0..300).map(|n| tokio::spawn(sign_in(names(n), "not the password".into()))).collect();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let answer = sign_in(OWNER.0.into(), OWNER.1.into()).await;
        let waiting = flood.iter().filter(|one| !one.is_finished()).count();
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(waiting > 0, "the flood was over before: nothing was shown");
        assert_eq!(bob.get("/api/v1/spaces").await.unwrap().status, 200, "control: others work");
        for one in flood {
            let answer = one.await.unwrap();
            assert!(matches!(answer.status, 401 | 429), "{}: {}", answer.status, answer.text);
        }
    }
    let told = |client: &Client| {
        let client = client.clone();
        async move { client.get("/api/v1/audit").await.unwrap().text.matches("sign_in.refused").count() }
    };
    for _ in 0..100 {
        if told(&bob).await > 0 && home.node.said().contains("sign-ins were refused") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let lines = home.node.said().matches("sign-ins were refused").count();
    assert!((1..=10).contains(&lines), "{}", home.node.said());
    assert!((1..=10).contains(&told(&bob).await), "whose name was given is told, at a bounded rate");
    assert_eq!(told(&home.alice).await, 0, "control: nobody gave hers");
}
