//! A flood of sign-ins under somebody's own name, from their own address, does not keep out a browser that they signed in
//! with before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::Client;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::home::{Home, OWNER};

const BOB: (&str, &str) = ("bob", "the long password of bob");
const BACK: &str = "http://127.0.0.1:9/cb";

/// What a browser sets at a sign-in: `Set-Cookie` lines.
fn set(answer: &reqwest::Response) -> Vec<String> {
    answer.headers().get_all("set-cookie").iter().map(|line| line.to_str().unwrap().to_owned()).collect()
}

/// The cookie by which a browser is known at a path, as it sends it.
fn known(set: &[String], path: &str) -> String {
    let line = set.iter().find(|line| line.contains("-known-") && line.contains(&format!("Path={path};")));
    line.unwrap_or_else(|| panic!("{path}: {set:?}")).split(';').next().unwrap().to_owned()
}

async fn sign_in(url: &str, (user, password): (&str, &str), cookie: &str) -> reqwest::Response {
    let request = Client::new(url, None).unwrap().request(Method::POST, "/api/v1/session");
    let request = request.header("sec-fetch-site", "same-origin").header("cookie", cookie);
    request.json(&json!({"user": user, "password": password})).send().await.unwrap()
}

/// Many who try wrong passwords under one name until they are dropped.
struct Flood {
    _all: JoinSet<()>,
    refused: Arc<AtomicUsize>,
}

impl Flood {
    fn begin(url: &str, name: &'static str) -> Flood {
        let (mut all, refused) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..150 {
            let (client, refused) = (Client::new(url, None).unwrap(), Arc::clone(&refused));
            all.spawn(async move {
                let body = json!({"user": name, "password": "not the password"});
                loop {
                    let answer = client.post("/api/v1/session", &body).await;
                    if answer.is_ok_and(|answer| answer.status == 429) {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
        Flood { _all: all, refused }
    }

    /// Waits until as many more were refused: it goes on.
    async fn goes_on(&self) {
        let seen = self.refused.load(Ordering::Relaxed);
        while self.refused.load(Ordering::Relaxed) < seen + 50 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn a_flood_under_ones_own_name_from_ones_own_address_does_not_hold_a_known_browser() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    bob.define("type Contact { name: String }").await.unwrap();
    let url = home.node.url.as_str();
    let asked =
        json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"], "fields": {"allow": ["name"]}});
    let manifest = json!({"name": "An App", "redirect_uris": [BACK], "access": [asked]});
    let made = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
    let request = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", made["client_id"].as_str().unwrap()),
            ("redirect_uri", BACK),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    let form = [("step", "sign-in"), ("request", request.as_str()), ("user", BOB.0), ("password", BOB.1)];
    let consent = async |cookie: &str| {
        let request = Client::new(url, None).unwrap().request(Method::POST, "/oauth/authorize");
        request.header("cookie", cookie).form(&form).send().await.unwrap()
    };

    // Bob's browser from before he signed out everywhere, the one that he has, and somebody else's.
    let before = set(&sign_in(url, BOB, "").await);
    let out = bob.delete("/api/v1/sessions").await.unwrap();
    assert_eq!(out.status, 200, "{}", out.text);
    let first = sign_in(url, BOB, "").await;
    let now = set(&first);
    let theirs = set(&sign_in(url, OWNER, "").await);
    let (own, old) = (known(&now, "/api/v1/session"), known(&before, "/api/v1/session"));
    let (name, value) = own.split_once('=').unwrap();
    assert_ne!(
        known(&theirs, "/api/v1/session").split_once('=').unwrap().0,
        name,
        "people of one browser have their own"
    );
    let foreign = format!("{name}={}", known(&theirs, "/api/v1/session").split_once('=').unwrap().1);
    for line in now.iter().filter(|line| line.contains("-known-")) {
        assert!(line.contains("HttpOnly") && line.contains("SameSite=Strict") && line.contains("Max-Age="), "{line}");
        assert!(!line.contains("Path=/;") && !line.contains("bob"), "{line}");
    }
    let at_consent = consent("").await;
    assert_eq!(at_consent.status(), 200, "control");
    let at_consent = known(&set(&at_consent), "/oauth/authorize");

    // It opens nothing, and a bearer's sign-in gets none.
    let key: Value = first.json().await.unwrap();
    let session = Client::new(url, None).unwrap().request(Method::GET, "/api/v1/spaces").header("cookie", &own);
    let session = session.header("allod-page-key", key["page_key"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(session.status(), 401);
    assert_eq!(Client::new(url, Some(value)).unwrap().get("/api/v1/spaces").await.unwrap().status, 401);
    assert_eq!(sign_in(url, (BOB.0, "not the password"), &own).await.status(), 401, "a password is asked for as ever");
    let bearer = Client::new(url, None).unwrap().request(Method::POST, "/api/v1/session");
    let bearer = bearer.json(&json!({"user": BOB.0, "password": BOB.1})).send().await.unwrap();
    assert!(bearer.status() == 200 && set(&bearer).is_empty(), "{:?}", set(&bearer));
    let bearer: Value = bearer.json().await.unwrap();
    let bob = Client::new(url, Some(bearer["access_token"].as_str().unwrap())).unwrap();

    let flood = Flood::begin(url, BOB.0);
    flood.goes_on().await;
    let (unknown, revoked, others) =
        tokio::join!(sign_in(url, BOB, ""), sign_in(url, BOB, &old), sign_in(url, BOB, &foreign));
    for (answer, whose) in
        [(unknown, "unknown"), (revoked, "of before he signed out everywhere"), (others, "another's")]
    {
        assert_eq!(answer.status(), 429, "control: a browser that is {whose} is kept out");
    }
    let signed_in = sign_in(url, BOB, &own).await;
    assert_eq!(signed_in.status(), 200, "the browser that he signed in with before");
    assert_ne!(known(&set(&signed_in), "/api/v1/session"), own, "the next token is another");
    let among = format!("{name}=x; {foreign}; {own}");
    assert_eq!(sign_in(url, BOB, &among).await.status(), 200, "whatever another port of the host set beside it");
    assert_eq!(consent(&at_consent).await.status(), 200, "on the way to a consent");
    let confirmed = bob.post("/api/v1/session/confirm", &json!({"password": BOB.1})).await.unwrap();
    assert_eq!(confirmed.status, 200, "in a session: {}", confirmed.text);
    flood.goes_on().await;

    // Whoever stole it has some guesses in that lane, and then waits with the strangers.
    for _ in 0..10 {
        sign_in(url, (BOB.0, "not the password"), &own).await;
    }
    assert_eq!(sign_in(url, BOB, &own).await.status(), 429);
    assert_eq!(sign_in(url, BOB, &known(&set(&signed_in), "/api/v1/session")).await.status(), 200, "control: another");
    flood.goes_on().await;
}
