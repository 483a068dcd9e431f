//! Requests that apps send to the node itself (RFC 9126). The names are those of the FAPI 2.0 conformance suite where that
//! has one.

use serde_json::{Value, json};

use crate::home::Home;
use crate::hostile::unhurt;
use crate::openid::{App, BACK, Browser, exchanged, posted};

fn app(home: &Home, more: &Value) -> App {
    let mut manifest = json!({ "name": "An App", "redirect_uris": [BACK], "confidential": true });
    for (key, value) in more.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    App::new(home, &manifest)
}

async fn push(home: &Home, app: &App, more: &[(&str, &str)]) -> (u16, Value) {
    let mut pairs = app.asks(more);
    pairs.extend(app.secret.clone().map(|secret| ("client_secret".to_owned(), secret)));
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    posted(home, "/oauth/par", &pairs).await
}

async fn pushed(home: &Home, app: &App) -> String {
    let (status, answer) = push(home, app, &[]).await;
    assert_eq!(status, 201, "{answer}");
    assert!(answer["expires_in"].as_i64().is_some_and(|seconds| (1..600).contains(&seconds)), "{answer}");
    answer["request_uri"].as_str().unwrap().to_owned()
}

fn named(app: &App, uri: &str) -> Vec<(String, String)> {
    vec![("client_id".to_owned(), app.id.clone()), ("request_uri".to_owned(), uri.to_owned())]
}

#[tokio::test]
async fn fapi2_security_profile_happy_flow_and_attempts_to_reuse_the_request_uri() {
    let home = Home::new().await;
    let must = json!({ "require_pushed_authorization_requests": true });
    let (app, other, browser) = (app(&home, &must), app(&home, &json!({})), Browser::of(&home));
    let uri = pushed(&home, &app).await;
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:"), "{uri}");
    // Looking does not answer it.
    for _ in 0..2 {
        assert_eq!(browser.open(&named(&app, &uri)).await.page().0, 200);
    }
    let (status, page) = browser.open(&named(&other, &uri)).await.page();
    assert_eq!(status, 400, "fapi2-security-profile-par-attempt-to-use-request_uri-for-different-client: {page}");
    // What stands beside it counts for nothing.
    let mut beside = named(&app, &uri);
    beside.extend(
        [("redirect_uri", "https://evil.example/"), ("state", "evil")].map(|(a, b)| (a.to_owned(), b.to_owned())),
    );
    let sent = browser.allows(&beside).await;
    let pairs = sent.pairs();
    assert_eq!((pairs["state"].as_str(), pairs["iss"].as_str()), ("s", home.node.url.as_str()));
    assert_eq!(exchanged(&home, &app, &sent.code()).await.0, 200);
    let (status, _) = browser.open(&named(&app, &uri)).await.page();
    assert_eq!(status, 400, "fapi2-security-profile-par-attempt-reuse-request_uri");
    let (status, _) = browser.open(&named(&app, "urn:ietf:params:oauth:request_uri:x")).await.page();
    assert_eq!(status, 400, "fapi2-security-profile-par-attempt-invalid-request_uri");
    let plain = browser.open(&app.asks(&[])).await;
    assert_eq!(plain.error(&home), "invalid_request", "fapi2-security-profile-ensure-request-object-is-pushed");
    browser.open(&other.asks(&[])).await.page();
    unhurt(&home).await;
}

#[tokio::test]
async fn a_pushed_request_that_is_answered_by_fifty_at_once_gives_one_code() {
    let home = Home::new().await;
    let (app, browser) = (app(&home, &json!({})), Browser::of(&home));
    let uri = pushed(&home, &app).await;
    let (_, page) = browser.signs_in(&named(&app, &uri)).await.page();
    let mut form = browser.form(&page, "decision");
    form.set("decision", "allow");
    let answers = futures::future::join_all((0..50).map(|_| browser.send(&form))).await;
    let sent = answers.iter().filter(|answer| matches!(answer, crate::openid::Shown::Sent(_))).count();
    assert_eq!(sent, 1, "{answers:?}");
}

#[tokio::test]
async fn fapi2_security_profile_what_is_refused_where_requests_are_pushed() {
    let home = Home::new().await;
    let app = app(&home, &json!({}));
    assert_eq!(push(&home, &app, &[]).await.0, 201, "control");
    for (name, more, status, error) in [
        ("par-authorization-request-containing-request_uri", ("request_uri", "urn:x"), 400, "invalid_request"),
        (
            "par-pushed-authorization-url-as-audience",
            ("request", "eyJhbGciOiJub25lIn0.e30."),
            400,
            "request_not_supported",
        ),
        ("ensure-unsigned-redirect-uri", ("redirect_uri", "https://evil.example/"), 400, "invalid_request"),
        ("par-without-redirect-uri", ("redirect_uri", ""), 400, "invalid_request"),
        ("par-plain-pkce-rejected", ("code_challenge_method", "plain"), 400, "invalid_request"),
        ("par-without-code-challenge", ("code_challenge", ""), 400, "invalid_request"),
        ("par-response-type", ("response_type", "code id_token"), 400, "unsupported_response_type"),
        ("no client", ("client_id", ""), 401, "invalid_client"),
        ("another secret", ("client_id", "00000000000000000000000000000001"), 401, "invalid_client"),
        ("nonsense", ("authorization_details", "{"), 400, "invalid_authorization_details"),
    ] {
        let (got, body) = push(&home, &app, &[more]).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{name}: {body}");
    }
    let secret = app.secret.clone().unwrap();
    let twice = [("client_id", app.id.as_str()), ("client_secret", &secret), ("state", "a"), ("state", "b")];
    assert_eq!(posted(&home, "/oauth/par", &twice).await.1["error"], "invalid_request", "twice");
    // However many are begun and left, an app that proves itself is not shut out.
    for _ in 0..70 {
        assert_eq!(push(&home, &app, &[]).await.0, 201);
    }
}
