//! Apps register themselves (RFC 7591, RFC 7592; OpenID Connect Dynamic Client Registration 1.0). The tests bear the names of
//! the OpenID Foundation's conformance suite (`oidcc-…`) where that has one; each refusal stands beside a control.

use harness::Client;
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::Home;
use crate::openid::{App, BACK, Browser, exchanged, posted, signed_in, user_info};

const OPEN: &str = "[oauth]\nregistration = \"open\"\n";
const BY_TOKEN: &str = "[oauth]\nregistration = \"token\"\n";

/// Sends an app's word of itself; the status and the answer.
async fn registers(home: &Home, token: Option<&str>, said: &Value) -> (u16, Value) {
    let answer = Client::new(&home.node.url, token).unwrap().post("/oauth/register", said).await.unwrap();
    (answer.status, answer.json)
}

fn said(more: &Value) -> Value {
    let mut said = json!({ "client_name": "Shelf", "redirect_uris": [BACK] });
    for (key, value) in more.as_object().unwrap() {
        said[key] = value.clone();
    }
    said
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key}: {value}"))
}

fn app(registered: &Value) -> App {
    let mut app = App::called(text(registered, "client_id"), BACK);
    app.secret = registered["client_secret"].as_str().map(str::to_owned);
    app
}

/// What the holder of a token does with a registration.
async fn manages(home: &Home, method: Method, registered: &Value, token: &str) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent = http.request(method, text(registered, "registration_client_uri")).bearer_auth(token).send();
    let answer = sent.await.unwrap();
    assert!(answer.url().as_str().starts_with(&home.node.url));
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

#[tokio::test]
async fn oidcc_registration_and_sign_in_with_client_secret_basic_and_none() {
    let home = Home::with(OPEN).await;
    let browser = Browser::of(&home);
    let told = home.alice.nobody().get("/.well-known/openid-configuration").await.unwrap().json;
    assert_eq!(told["registration_endpoint"], format!("{}/oauth/register", home.node.url));
    let (status, secret) = registers(&home, None, &said(&json!({}))).await;
    assert_eq!(status, 201, "{secret}");
    assert_eq!(
        (&secret["client_secret_expires_at"], &secret["token_endpoint_auth_method"]),
        (&json!(0), &json!("client_secret_basic"))
    );
    assert_eq!((&secret["client_name"], &secret["redirect_uris"]), (&json!("Shelf"), &json!([BACK])));
    let (_, public) = registers(&home, None, &said(&json!({ "token_endpoint_auth_method": "none" }))).await;
    assert!(public.get("client_secret").is_none() && public["registration_access_token"].is_string(), "{public}");
    for registered in [&secret, &public] {
        let app = app(registered);
        let (_, page) = browser.signs_in(&app.asks(&[])).await.page();
        assert!(page.contains("This app registered itself"), "{page}");
        let (tokens, claims) = signed_in(&home, &browser, &app, &[]).await;
        assert_eq!(claims["aud"], registered["client_id"]);
        assert_eq!(user_info(&home, text(&tokens, "access_token")).await.0, 200);
    }
    // Without its secret the first gets nothing.
    let mut app = app(&secret);
    app.secret = None;
    let code = browser.allows(&app.asks(&[])).await.code();
    assert_eq!(exchanged(&home, &app, &code).await.0, 401);
    let listed = home.node.cli_ok(&["app", "list"]).unwrap();
    assert!(listed.as_array().unwrap().iter().all(|one| one["registered_itself"] == true), "{listed}");
}

/// `oidcc-registration-…`, `oidcc-redirect-uri-…`: what is refused, in the words of RFC 7591, 3.2.2.
#[tokio::test]
async fn oidcc_registration_of_what_does_not_do() {
    let home = Home::with(OPEN).await;
    let pages = format!("{}/cb", home.node.url);
    for (more, error) in [
        // oidcc-redirect-uri-regfrag
        (json!({ "redirect_uris": ["https://app.example/cb#fragment"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["http://app.example/cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["javascript:alert(1)"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": null }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["https://allod.localhost:9/cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [pages] }), "invalid_redirect_uri"),
        // oidcc-registration-sector-bad; a good one is not taken either, which the suite has as oidcc-registration-sector-uri
        (json!({ "sector_identifier_uri": "https://app.example/redirect_uris.json" }), "invalid_client_metadata"),
        (json!({ "response_types": ["token"] }), "invalid_client_metadata"),
        (json!({ "grant_types": ["client_credentials"] }), "invalid_client_metadata"),
        (json!({ "token_endpoint_auth_method": "private_key_jwt" }), "invalid_client_metadata"),
        (json!({ "client_name": "Your\u{202e}knaB" }), "invalid_client_metadata"),
        (json!({ "access": [{ "type": "allod_doc" }] }), "invalid_client_metadata"),
        (json!({ "backchannel_logout_uri": "https://victim.example/" }), "invalid_client_metadata"),
    ] {
        let (status, told) = registers(&home, None, &said(&more)).await;
        assert_eq!((status, text(&told, "error")), (400, error), "{more}: {told}");
    }
    // What is not known is ignored, and widens nothing.
    let more = json!({ "devices": true, "confidential": false, "software_statement": "x", "scope": "all", "jwks_uri": "https://x.example/",
        "client_id": "mine", "client_secret": "mine", "id_token_signed_response_alg": "none", "dpop_bound_access_tokens": true });
    let (status, registered) = registers(&home, None, &said(&more)).await;
    assert_eq!(status, 201, "control: {registered}");
    assert_ne!(registered["client_id"], "mine");
    assert_ne!(registered["client_secret"], "mine");
    assert_eq!(registered["id_token_signed_response_alg"], "ES256");
    assert_eq!(registered["dpop_bound_access_tokens"], true);
    let secret = text(&registered, "client_secret");
    let pairs = [("client_id", text(&registered, "client_id")), ("client_secret", secret), ("scope", "openid")];
    let (status, told) = posted(&home, "/oauth/device_authorization", &pairs).await;
    assert_eq!((status, text(&told, "error")), (400, "unauthorized_client"), "{told}");
}

/// Links to pages of the app are taken; the node shows none of them but its own page.
#[tokio::test]
async fn oidcc_registration_logo_uri_and_policy_uri_and_tos_uri() {
    let home = Home::with(OPEN).await;
    for key in ["logo_uri", "policy_uri", "tos_uri", "client_uri"] {
        let (status, registered) = registers(&home, None, &said(&json!({ key: "https://app.example/page" }))).await;
        assert_eq!(status, 201, "{key}: {registered}");
        let app = app(&registered);
        let (_, page) = Browser::of(&home).signs_in(&app.asks(&[])).await.page();
        assert_eq!(page.contains("https://app.example/page"), key == "client_uri", "{key}");
    }
}

#[tokio::test]
async fn oidcc_redirect_uri_query_ok_and_query_added_and_query_mismatch() {
    let home = Home::with(OPEN).await;
    let registered_at = "http://127.0.0.1:9/cb?foo=bar";
    let (_, registered) = registers(&home, None, &said(&json!({ "redirect_uris": [registered_at] }))).await;
    let (app, browser) = (app(&registered), Browser::of(&home));
    for other in ["http://127.0.0.1:9/cb", "http://127.0.0.1:9/cb?foo=bar&baz=1", "http://127.0.0.1:9/cb?foo=baz"] {
        let (status, page) = browser.open(&app.asks(&[("redirect_uri", other)])).await.page();
        assert_eq!(status, 400, "{other}: {page}");
    }
    let pairs = browser.allows(&app.asks(&[("redirect_uri", registered_at)])).await.pairs();
    assert_eq!(pairs["foo"], "bar", "control");
    assert!(pairs.contains_key("code"), "{pairs:?}");
}

#[tokio::test]
async fn an_app_reads_and_ends_its_own_registration_and_no_others() {
    let home = Home::with(OPEN).await;
    home.alice.define("type Contact { name: String }").await.unwrap();
    let access = json!({ "type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": { "allow": ["name"] } });
    let more = json!({ "token_endpoint_auth_method": "none", "access": [access] });
    let (_, one) = registers(&home, None, &said(&more)).await;
    let (_, other) = registers(&home, None, &said(&json!({}))).await;
    let (status, read) = manages(&home, Method::GET, &one, text(&one, "registration_access_token")).await;
    assert_eq!(status, 200, "{read}");
    for key in ["client_id", "client_name", "redirect_uris", "access", "registration_client_uri", "client_id_issued_at"]
    {
        assert_eq!(read[key], one[key], "{key}");
    }
    let details = json!([access]).to_string();
    let (tokens, _) = signed_in(&home, &Browser::of(&home), &app(&one), &[("authorization_details", &details)]).await;
    let reads = home.alice.with_token(text(&tokens, "access_token"));
    reads.graphql("{ Contact { name } }").await.unwrap();
    let mut nobody = one.clone();
    nobody["registration_client_uri"] = json!(format!("{}/oauth/register/{}", home.node.url, "0".repeat(32)));
    for (of, token) in [
        (&one, text(&other, "registration_access_token")),
        (&one, text(&tokens, "access_token")),
        (&one, text(&other, "client_secret")),
        (&nobody, text(&one, "registration_access_token")),
    ] {
        for method in [Method::GET, Method::DELETE] {
            let (status, told) = manages(&home, method, of, token).await;
            assert_eq!((status, text(&told, "error")), (401, "invalid_token"), "{told}");
        }
    }
    let (status, _) = manages(&home, Method::PUT, &one, text(&one, "registration_access_token")).await;
    assert_eq!(status, 405);
    let (status, _) = manages(&home, Method::DELETE, &one, text(&one, "registration_access_token")).await;
    assert_eq!(status, 204, "control");
    assert!(reads.graphql("{ Contact { name } }").await.is_err(), "what it was granted has ended");
    assert_eq!(home.alice.get("/api/v1/grants").await.unwrap().json, json!([]));
    let (status, _) = manages(&home, Method::GET, &one, text(&one, "registration_access_token")).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn by_policy_nobody_registers_or_who_has_a_token_as_often_as_it_says() {
    let off = Home::new().await;
    let told = off.alice.nobody().get("/.well-known/oauth-authorization-server").await.unwrap().json;
    assert!(told.get("registration_endpoint").is_none(), "{told}");
    let (status, told) = registers(&off, None, &said(&json!({}))).await;
    assert_eq!((status, text(&told, "error")), (403, "access_denied"));
    let refused = off.node.cli(&["app", "registration-token"]).unwrap();
    assert!(
        refused.stderr.contains("oauth.registration") || refused.stdout.contains("registration_off"),
        "{refused:?}"
    );

    let home = Home::with(BY_TOKEN).await;
    let made = home.node.cli_ok(&["app", "registration-token", "--count", "2", "--for", "1h"]).unwrap();
    let token = text(&made, "token");
    for wrong in [None, Some("another"), Some("")] {
        let (status, told) = registers(&home, wrong, &said(&json!({}))).await;
        assert_eq!((status, text(&told, "error")), (401, "invalid_token"), "{told}");
    }
    // What is refused does not use it up.
    let (status, _) = registers(&home, Some(token), &said(&json!({ "redirect_uris": [] }))).await;
    assert_eq!(status, 400);
    let sent = (0..20).map(|_| async { registers(&home, Some(token), &said(&json!({}))).await.0 });
    let told = futures::future::join_all(sent).await;
    assert_eq!(told.iter().filter(|status| **status == 201).count(), 2, "{told:?}");
    assert!(told.iter().all(|status| matches!(status, 201 | 401)), "{told:?}");
    assert_eq!(home.node.cli_ok(&["app", "registration-token", "--list"]).unwrap(), json!([]));
    // One that is ended lets nobody in; nor does one for people make one.
    let made = home.node.cli_ok(&["app", "registration-token"]).unwrap();
    home.node.cli_ok(&["app", "registration-token", "--end", text(&made, "registration_token")]).unwrap();
    assert_eq!(registers(&home, Some(text(&made, "token")), &said(&json!({}))).await.0, 401);
    let bob = home.user("bob", None).await;
    let refused = bob.post("/api/v1/registration-tokens", &json!({ "count": 1, "ttl_s": 60 })).await.unwrap();
    assert_eq!(refused.status, 403, "{}", refused.json);
}

#[tokio::test]
async fn so_many_register_from_one_network_within_a_minute() {
    let home = Home::with(OPEN).await;
    let mut told = Vec::new();
    for _ in 0..12 {
        told.push(registers(&home, None, &said(&json!({}))).await.0);
    }
    assert_eq!(told, [[201; 10].as_slice(), &[429; 2]].concat());
    assert_eq!(
        registers(&home, None, &said(&json!({ "redirect_uris": [] }))).await.0,
        400,
        "what is refused costs nothing"
    );
}
