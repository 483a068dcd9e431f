//! Tokens that are bound to a key (DPoP, RFC 9449): whoever has a copy of one, and not the key, does nothing with it.

use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::BASE64URL_NOPAD;
use reqwest::{Method, StatusCode};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::home::Home;
use crate::hostile::unhurt;
use crate::openid::{App, BACK, Browser, VERIFIER, now, posted};
use crate::openid_devices::{asked, begun};

/// A key of an app, of which nobody else makes proofs.
struct Key(EcdsaKeyPair);

fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

impl Key {
    fn draw() -> Key {
        let random = SystemRandom::new();
        let bytes = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Key(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes.as_ref(), &random).unwrap())
    }

    fn coordinates(&self) -> (String, String) {
        let point = self.0.public_key().as_ref();
        (encode(&point[1..33]), encode(&point[33..]))
    }

    /// RFC 7638.
    fn thumbprint(&self) -> String {
        let (x, y) = self.coordinates();
        encode(&Sha256::digest(format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{x}\",\"y\":\"{y}\"}}")))
    }

    fn signed(&self, head: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encode(signature.as_ref()))
    }

    /// A proof of its own for each request, with `more` claims.
    fn proof(&self, method: &str, url: &str, more: &Value) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (x, y) = self.coordinates();
        let head = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": { "kty": "EC", "crv": "P-256", "x": x, "y": y } });
        let id = format!("proof {}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut claims = json!({ "jti": id, "htm": method, "htu": url, "iat": now() });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.signed(&head, &claims)
    }

    /// The same beside an access token.
    fn beside(&self, method: &str, url: &str, token: &str) -> String {
        self.proof(method, url, &json!({ "ath": encode(&Sha256::digest(token)) }))
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The status, the body, and what is asked for.
async fn sent(request: reqwest::RequestBuilder) -> (u16, Value, String) {
    let answer = request.send().await.unwrap();
    let all = answer.headers().get_all("www-authenticate").iter().map(|one| one.to_str().unwrap());
    let asked = all.collect::<Vec<_>>().join("; ");
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null), asked)
}

/// Tokens for these fields, by these proofs.
async fn asks(home: &Home, path: &str, pairs: &[(&str, &str)], proofs: &[&str]) -> (u16, Value) {
    let mut request = http().post(format!("{}{path}", home.node.url)).form(pairs);
    for proof in proofs {
        request = request.header("DPoP", *proof);
    }
    let (status, body, _) = sent(request).await;
    (status, body)
}

fn at(home: &Home, path: &str) -> String {
    format!("{}{path}", home.node.url)
}

fn by<'a>(app: &'a App, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut pairs = vec![("client_id", app.id.as_str())];
    pairs.extend(app.secret.as_deref().map(|secret| ("client_secret", secret)));
    pairs.extend(more);
    pairs
}

async fn exchanged(home: &Home, app: &App, code: &str, proofs: &[&str]) -> (u16, Value) {
    let pairs =
        [("grant_type", "authorization_code"), ("redirect_uri", BACK), ("code", code), ("code_verifier", VERIFIER)];
    asks(home, "/oauth/token", &by(app, &pairs), proofs).await
}

async fn refreshed(home: &Home, app: &App, token: &str, proofs: &[&str]) -> (u16, Value) {
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", token)];
    asks(home, "/oauth/token", &by(app, &pairs), proofs).await
}

fn access() -> Value {
    json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": {"allow": ["name"]}})
}

/// A node with a contact, and an app that its manifest says `more` of.
async fn app(more: &Value) -> (Home, App) {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String }").await.unwrap();
    home.alice.graphql(r#"mutation { add_Contact(input: {name: "Ann"}) { _docID } }"#).await.unwrap();
    let app = another(&home, more);
    (home, app)
}

fn another(home: &Home, more: &Value) -> App {
    let mut manifest = json!({ "name": "An App", "redirect_uris": [BACK], "access": [access()] });
    for (key, value) in more.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    App::new(home, &manifest)
}

/// What the person is asked for: data, and who they are.
fn wishes<'a>(details: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("authorization_details", details)], more].concat()
}

async fn code(home: &Home, app: &App, more: &[(&str, &str)]) -> String {
    let details = json!([access()]).to_string();
    Browser::of(home).allows(&app.asks(&wishes(&details, more))).await.code()
}

async fn bound(home: &Home, app: &App, key: &Key) -> Value {
    let proof = key.proof("POST", &at(home, "/oauth/token"), &json!({}));
    let (status, tokens) = exchanged(home, app, &code(home, app, &[]).await, &[&proof]).await;
    assert_eq!((status, &tokens["token_type"]), (200, &json!("DPoP")), "{tokens}");
    tokens
}

const DATA: &str = "/api/v1/graphql";
const ASK: &str = r#"{"query":"{ Contact { name } }"}"#;

fn data(home: &Home) -> reqwest::RequestBuilder {
    http().post(at(home, DATA)).header("content-type", "application/json").body(ASK)
}

#[tokio::test]
async fn a_bound_token_opens_data_by_proofs_of_its_key_and_a_copy_of_it_opens_nothing() {
    let (home, app) = app(&json!({})).await;
    let (key, thief) = (Key::draw(), Key::draw());
    let tokens = bound(&home, &app, &key).await;
    let token = tokens["access_token"].as_str().unwrap();
    for (method, path) in
        [("POST", DATA), ("GET", "/api/v1/spaces"), ("GET", "/api/v1/collections"), ("GET", "/oauth/userinfo")]
    {
        let url = at(&home, path);
        let request = || match method {
            "POST" => data(&home),
            _ => http().request(Method::GET, &url),
        };
        let dpop = |proof: &str| request().header("authorization", format!("DPoP {token}")).header("DPoP", proof);
        let proof = key.beside(method, &url, token);
        let (status, body, _) = sent(dpop(&proof)).await;
        assert_eq!(status, 200, "control {path}: {body}");
        if path == DATA {
            assert_eq!(body["data"]["Contact"][0]["name"], "Ann", "{body}");
        }
        let other = if method == "POST" { "GET" } else { "POST" };
        let twice = key.beside(method, &url, token);
        let proofs = [
            (dpop(&proof), "invalid_dpop_proof", "sent before"),
            (dpop(&thief.beside(method, &url, token)), "invalid_token", "another key"),
            (dpop(&key.beside(other, &url, token)), "invalid_dpop_proof", "another method"),
            (dpop(&key.beside(method, &at(&home, "/api/v1/me"), token)), "invalid_dpop_proof", "another address"),
            (dpop(&key.beside(method, &url, "another")), "invalid_dpop_proof", "another token"),
            (dpop(&key.proof(method, &url, &json!({}))), "invalid_dpop_proof", "no token"),
            (dpop("x"), "invalid_dpop_proof", "none"),
            (dpop(&"x".repeat(5_000)), "invalid_dpop_proof", "a huge one"),
            (dpop(&twice).header("DPoP", &twice), "invalid_dpop_proof", "two"),
            (request().header("authorization", format!("DPoP {token}")), "invalid_dpop_proof", "without"),
        ];
        for (request, error, what) in proofs {
            let (status, body, asked) = sent(request).await;
            assert_eq!(status, 401, "{path} {what}: {body}");
            assert!(asked.starts_with(&format!("DPoP error=\"{error}\"")), "{path} {what}: {asked}");
            assert!(asked.contains("algs=\"ES256\"") && asked.contains("resource_metadata="), "{path} {what}: {asked}");
        }
        let (status, body, asked) = sent(request().bearer_auth(token)).await;
        assert_eq!(status, 401, "{path}: {body}");
        assert!(asked.starts_with("Bearer error=\"invalid_token\"") && asked.contains("; DPoP algs="), "{asked}");
        let both = dpop(&twice).header("authorization", format!("Bearer {token}"));
        assert_eq!(sent(both).await.0, 401, "{path}: two ways at once");
        let (status, body, _) = sent(dpop(&key.beside(method, &url, token))).await;
        assert_eq!(status, 200, "control: nothing of it has ended: {path}: {body}");
    }
    let form = http().post(at(&home, "/oauth/userinfo")).form(&[("access_token", token)]);
    assert_eq!(sent(form).await.0, 401, "in a form");
    // One that is bound to nothing is not made more by a proof.
    let (status, plain) = exchanged(&home, &app, &code(&home, &app, &[]).await, &[]).await;
    assert_eq!((status, &plain["token_type"]), (200, &json!("Bearer")), "{plain}");
    let plain = plain["access_token"].as_str().unwrap();
    let proof = key.beside("POST", &at(&home, DATA), plain);
    let (status, _, asked) =
        sent(data(&home).header("authorization", format!("DPoP {plain}")).header("DPoP", proof)).await;
    assert!(status == 401 && asked.starts_with("DPoP error=\"invalid_token\""), "{asked}");
    assert_eq!(sent(data(&home).bearer_auth(plain)).await.0, 200, "control");
    let session = home.alice.token.clone().unwrap();
    let proof = key.beside("POST", &at(&home, DATA), &session);
    let by_session = data(&home).header("authorization", format!("DPoP {session}")).header("DPoP", proof);
    assert_eq!(sent(by_session).await.0, 401, "nor is a session");
    unhurt(&home).await;
}

#[tokio::test]
async fn a_proof_that_is_sent_by_fifty_at_once_counts_once() {
    let (home, app) = app(&json!({})).await;
    let key = Key::draw();
    let tokens = bound(&home, &app, &key).await;
    let token = tokens["access_token"].as_str().unwrap();
    let proof = key.beside("POST", &at(&home, DATA), token);
    let one =
        || async { sent(data(&home).header("authorization", format!("DPoP {token}")).header("DPoP", &proof)).await.0 };
    let answers = futures::future::join_all((0..50).map(|_| one())).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 401].contains(status)), "{answers:?}");
    // What is done once for a key of its sender is one request too.
    let url = at(&home, DATA);
    for n in 0..2 {
        let fresh = key.beside("POST", &url, token);
        let request = data(&home).header("authorization", format!("DPoP {token}")).header("DPoP", fresh);
        let (status, body, _) = sent(request.header("Idempotency-Key", "a key")).await;
        assert_eq!(status, 200, "{n}: {body}");
    }
}

#[tokio::test]
async fn tokens_are_handed_to_whoever_proves_a_key_and_to_nobody_who_pretends_to() {
    let (home, app) = app(&json!({ "dpop_bound_access_tokens": true })).await;
    let (key, url) = (Key::draw(), at(&home, "/oauth/token"));
    let good = || key.proof("POST", &url, &json!({}));
    let of = |more: Value| key.proof("POST", &url, &more);
    let (x, y) = key.coordinates();
    let jwk = |more: Value| {
        let mut jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        more.as_object().unwrap().iter().for_each(|(name, value)| jwk[name] = value.clone());
        jwk
    };
    let claims = || json!({ "jti": "j", "htm": "POST", "htu": url, "iat": now() });
    let head = |more: Value| {
        let mut head = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(json!({})) });
        more.as_object().unwrap().iter().for_each(|(name, value)| head[name] = value.clone());
        key.signed(&head, &claims())
    };
    for (what, proofs) in [
        ("dpop-missing", vec![]),
        ("two of them", vec![good(), good()]),
        ("wrong typ", vec![head(json!({ "typ": "jwt" }))]),
        ("alg none", vec![head(json!({ "alg": "none" }))]),
        ("alg HS256", vec![head(json!({ "alg": "HS256" }))]),
        ("private key", vec![head(json!({ "jwk": jwk(json!({ "d": encode(&[1; 32]) })) }))]),
        ("no point of the curve", vec![head(json!({ "jwk": jwk(json!({ "y": x })) }))]),
        (
            "another key",
            vec![Key::draw().signed(&json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(json!({})) }), &claims())],
        ),
        ("wrong htm", vec![of(json!({ "htm": "GET" }))]),
        ("wrong htu", vec![of(json!({ "htu": at(&home, "/oauth/par") }))]),
        ("another node's", vec![of(json!({ "htu": "https://evil.example/oauth/token" }))]),
        ("old", vec![of(json!({ "iat": now() - 120 }))]),
        ("ahead", vec![of(json!({ "iat": now() + 120 }))]),
        ("no jti", vec![of(json!({ "jti": null }))]),
        ("huge", vec!["x".repeat(5_000)]),
    ] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let (status, body) = exchanged(&home, &app, "no code", &proofs).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_dpop_proof")), "{what}: {body}");
    }
    let (status, body) = exchanged(&home, &app, "no code", &[&good()]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")), "control: {body}");
    // A code that was refused for want of a proof is still there: nothing was looked up.
    let held = code(&home, &app, &[]).await;
    assert_eq!(exchanged(&home, &app, &held, &[]).await.1["error"], "invalid_dpop_proof");
    let proof = good();
    let (status, tokens) = exchanged(&home, &app, &held, &[&proof]).await;
    assert_eq!((status, &tokens["token_type"]), (200, &json!("DPoP")), "{tokens}");
    let again = exchanged(&home, &app, &code(&home, &app, &[]).await, &[&proof]).await;
    assert_eq!(again.1["error"], "invalid_dpop_proof", "the same proof: {}", again.1);
    // Nor does whoever holds the machine hand its tokens over.
    let (file, id) = (home.file("grant.json", &access().to_string()), app.id.as_str());
    let given = home.node.cli(&["grant", "add", "--user", "alice", "--app", id, &file]).unwrap();
    assert_eq!(given.json["error"]["code"], "dpop_required", "{given:?}");
    let listed = home.node.cli_ok(&["app", "list"]).unwrap();
    assert_eq!(listed[0]["dpop_bound_access_tokens"], true, "{listed}");
    unhurt(&home).await;
}

#[tokio::test]
async fn a_refresh_token_is_the_key_s_of_an_app_that_has_no_secret_and_the_app_s_of_one_that_has() {
    let (home, public) = app(&json!({})).await;
    let confidential = another(&home, &json!({ "confidential": true }));
    let (key, next_key, url) = (Key::draw(), Key::draw(), at(&home, "/oauth/token"));
    let proof = |key: &Key| key.proof("POST", &url, &json!({}));
    let tokens = bound(&home, &public, &key).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let (status, body) = refreshed(&home, &public, refresh, &[]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_dpop_proof")), "a copy: {body}");
    let (status, body) = refreshed(&home, &public, refresh, &[&proof(&next_key)]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")), "a copy, and a key: {body}");
    let (status, next) = refreshed(&home, &public, refresh, &[&proof(&key)]).await;
    assert_eq!((status, &next["token_type"]), (200, &json!("DPoP")), "control: {next}");
    let token = next["access_token"].as_str().unwrap();
    let opens = |token: &str, key: &Key| {
        let proof = key.beside("POST", &at(&home, DATA), token);
        sent(data(&home).header("authorization", format!("DPoP {token}")).header("DPoP", proof))
    };
    assert_eq!(opens(token, &key).await.0, 200);
    assert_eq!(opens(token, &next_key).await.0, 401);
    // What was bound to nothing can be from then on.
    let (_, plain) = exchanged(&home, &public, &code(&home, &public, &[]).await, &[]).await;
    let (_, begun) = refreshed(&home, &public, plain["refresh_token"].as_str().unwrap(), &[&proof(&key)]).await;
    assert_eq!(begun["token_type"], "DPoP", "{begun}");
    let (_, refused) = refreshed(&home, &public, begun["refresh_token"].as_str().unwrap(), &[]).await;
    assert_eq!(refused["error"], "invalid_dpop_proof", "{refused}");
    let tokens = bound(&home, &confidential, &key).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let (status, next) = refreshed(&home, &confidential, refresh, &[&proof(&next_key)]).await;
    assert_eq!((status, &next["token_type"]), (200, &json!("DPoP")), "{next}");
    let token = next["access_token"].as_str().unwrap();
    assert_eq!(opens(token, &next_key).await.0, 200);
    assert_eq!(opens(token, &key).await.0, 401);
    // What it is bound to is told to the app that asks.
    let (_, known) = posted(&home, "/oauth/introspect", &by(&confidential, &[("token", token)])).await;
    assert_eq!((&known["active"], &known["token_type"]), (&json!(true), &json!("DPoP")), "{known}");
    assert_eq!(known["cnf"], json!({ "jkt": next_key.thumbprint() }));
    let (_, plain) = refreshed(&home, &confidential, next["refresh_token"].as_str().unwrap(), &[]).await;
    let token = plain["access_token"].as_str().unwrap();
    let (_, known) = posted(&home, "/oauth/introspect", &by(&confidential, &[("token", token)])).await;
    assert_eq!((&known["token_type"], known.get("cnf")), (&json!("Bearer"), None), "{known}");
}

#[tokio::test]
async fn a_code_is_for_the_holder_of_the_key_that_was_named_when_it_was_asked_for() {
    let (home, app) = app(&json!({ "confidential": true })).await;
    let (key, thief, url) = (Key::draw(), Key::draw(), at(&home, "/oauth/token"));
    let print = key.thumbprint();
    let named = [("dpop_jkt", print.as_str())];
    let exchange = async |code: &str, key: Option<&Key>| {
        let proof = key.map(|key| key.proof("POST", &url, &json!({})));
        exchanged(&home, &app, code, &proof.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let (status, body) = exchange(&code(&home, &app, &named).await, None).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_dpop_proof")), "{body}");
    let (status, body) = exchange(&code(&home, &app, &named).await, Some(&thief)).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")), "{body}");
    // Whoever has a copy of the code and not the key uses nothing up, and ends nothing.
    let copied = code(&home, &app, &named).await;
    for other in [None, Some(&thief)] {
        assert_eq!(exchange(&copied, other).await.0, 400);
    }
    let (status, tokens) = exchange(&copied, Some(&key)).await;
    assert_eq!(status, 200, "control: {tokens}");
    let active = async || {
        let token = tokens["access_token"].as_str().unwrap();
        posted(&home, "/oauth/introspect", &by(&app, &[("token", token)])).await.1["active"].clone()
    };
    for other in [None, Some(&thief)] {
        assert_eq!(exchange(&copied, other).await.0, 400);
        assert_eq!(active().await, true);
    }
    assert_eq!(exchange(&copied, Some(&key)).await.1["error"], "invalid_grant");
    assert_eq!(active().await, false, "control: who holds the key has shown it twice");
    for wrong in ["x", &print[1..], &print.replace(&print[..1], "=")] {
        let shown = Browser::of(&home).open(&app.asks(&[("dpop_jkt", wrong)])).await;
        assert_eq!(shown.error(&home), "invalid_request", "{wrong}");
    }
    // Pushed: by the parameter, by a proof, and by both that agree.
    let par = at(&home, "/oauth/par");
    let push = async |key: Option<&Key>, print: Option<&str>| {
        let details = json!([access()]).to_string();
        let more: Vec<(&str, &str)> = print.map(|print| ("dpop_jkt", print)).into_iter().collect();
        let pairs = app.asks(&wishes(&details, &more));
        let mut pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        pairs.push(("client_secret", app.secret.as_deref().unwrap()));
        let proof = key.map(|key| key.proof("POST", &par, &json!({})));
        asks(&home, "/oauth/par", &pairs, &proof.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    for (by_proof, by_name) in [(Some(&key), None), (None, Some(print.as_str())), (Some(&key), Some(print.as_str()))] {
        for (holder, expected) in [(&thief, 400), (&key, 200)] {
            let (status, pushed) = push(by_proof, by_name).await;
            assert_eq!(status, 201, "{pushed}");
            let uri = pushed["request_uri"].as_str().unwrap().to_owned();
            let query = [("client_id".to_owned(), app.id.clone()), ("request_uri".to_owned(), uri)];
            let code = Browser::of(&home).allows(&query).await.code();
            let (status, body) = exchange(&code, Some(holder)).await;
            assert_eq!(status, expected, "{body}");
        }
    }
    let (status, body) = push(Some(&thief), Some(&print)).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_dpop_proof")), "they do not agree: {body}");
    let proof = key.proof("POST", &par, &json!({}));
    let details = json!([access()]).to_string();
    let pairs = app.asks(&wishes(&details, &[]));
    let mut pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    pairs.push(("client_secret", app.secret.as_deref().unwrap()));
    assert_eq!(asks(&home, "/oauth/par", &pairs, &[&proof]).await.0, 201, "control");
    assert_eq!(asks(&home, "/oauth/par", &pairs, &[&proof]).await.1["error"], "invalid_dpop_proof", "sent before");
    unhurt(&home).await;
}

#[tokio::test]
async fn who_somebody_is_alone_is_told_to_the_holder_of_the_key_too() {
    let home = Home::new().await;
    let app = App::signing_in(&home);
    let (key, url) = (Key::draw(), at(&home, "/oauth/token"));
    let code = Browser::of(&home).allows(&app.asks(&[])).await.code();
    let (status, tokens) = exchanged(&home, &app, &code, &[&key.proof("POST", &url, &json!({}))]).await;
    assert_eq!((status, &tokens["token_type"]), (200, &json!("DPoP")), "{tokens}");
    let (token, url) = (tokens["access_token"].as_str().unwrap(), at(&home, "/oauth/userinfo"));
    assert_eq!(sent(http().get(&url).bearer_auth(token)).await.0, 401);
    let proof = key.beside("GET", &url, token);
    let (status, told, _) =
        sent(http().get(&url).header("authorization", format!("dpop {token}")).header("DPoP", proof)).await;
    assert_eq!(status, 200, "control: {told}");
}

#[tokio::test]
async fn a_device_without_a_browser_proves_its_key_when_it_is_let_in() {
    let home = Home::new().await;
    let manifest =
        json!({ "name": "A Television", "redirect_uris": [BACK], "devices": true, "dpop_bound_access_tokens": true });
    let (app, browser, key) = (App::new(&home, &manifest), Browser::of(&home), Key::draw());
    let let_in = async || {
        let begun = begun(&home, &app, &[("scope", "openid")]).await;
        let mut form = asked(&browser, &home, begun["user_code"].as_str().unwrap()).await;
        form.set("decision", "allow");
        assert_eq!(browser.send(&form).await.page().0, 200);
        begun["device_code"].as_str().unwrap().to_owned()
    };
    let polled = async |code: &str, proofs: &[&str]| {
        let pairs = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", code)];
        asks(&home, "/oauth/token", &by(&app, &pairs), proofs).await
    };
    let proof = || key.proof("POST", &at(&home, "/oauth/token"), &json!({}));
    let (first, spent) = (let_in().await, proof());
    assert_eq!(polled(&first, &[]).await.1["error"], "invalid_dpop_proof");
    assert_eq!(polled(&first, &[&spent]).await.0, 200);
    // Who sends a proof a second time loses nothing, and sends another.
    let second = let_in().await;
    for _ in 0..2 {
        assert_eq!(polled(&second, &[&spent]).await.1["error"], "invalid_dpop_proof");
    }
    let (status, tokens) = polled(&second, &[&proof()]).await;
    assert_eq!((status, &tokens["token_type"]), (200, &json!("DPoP")), "control: {tokens}");
    let (token, url) = (tokens["access_token"].as_str().unwrap(), at(&home, "/oauth/userinfo"));
    assert_eq!(sent(http().get(&url).bearer_auth(token)).await.0, 401);
    let proof = key.beside("GET", &url, token);
    let told = sent(http().get(&url).header("authorization", format!("DPoP {token}")).header("DPoP", proof)).await;
    assert_eq!(told.0, 200, "control: {told:?}");
}

#[tokio::test]
async fn what_the_node_takes_is_told_and_pages_of_other_origins_may_send_it() {
    let home = Home::with("[http]\nallowed_origins = [\"https://app.example.org\"]\n").await;
    let nobody = home.alice.nobody();
    let told = nobody.get("/.well-known/oauth-authorization-server").await.unwrap().json;
    assert_eq!(told["dpop_signing_alg_values_supported"], json!(["ES256"]));
    let resource = nobody.get("/.well-known/oauth-protected-resource").await.unwrap().json;
    assert_eq!(resource["dpop_signing_alg_values_supported"], json!(["ES256"]));
    assert_eq!(resource["dpop_bound_access_tokens_required"], false);
    for path in [DATA, "/oauth/token", "/oauth/userinfo", "/oauth/par"] {
        let request = http()
            .request(Method::OPTIONS, at(&home, path))
            .header("origin", "https://app.example.org")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,dpop");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let allowed = answer.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
        assert!(allowed.contains("dpop"), "{path}: {allowed}");
    }
    let (status, _, asked) = sent(data(&home)).await;
    assert_eq!(status, 401);
    let at = format!("resource_metadata=\"{}/.well-known/oauth-protected-resource\"", home.node.url);
    assert_eq!(asked, format!("Bearer {at}; DPoP algs=\"ES256\", {at}"));
}

#[tokio::test]
async fn behind_a_proxy_a_proof_is_about_the_public_address() {
    let settings = "[http]\npublic_url = \"https://cloud.example.org\"\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let home = Home::with(settings).await;
    let app = App::signing_in(&home);
    let key = Key::draw();
    let public = "https://cloud.example.org/oauth/token";
    for (url, error) in [(at(&home, "/oauth/token").as_str(), "invalid_dpop_proof"), (public, "invalid_grant")] {
        let (status, body) = exchanged(&home, &app, "no code", &[&key.proof("POST", url, &json!({}))]).await;
        assert_eq!((status, &body["error"]), (400, &json!(error)), "{url}: {body}");
    }
}
