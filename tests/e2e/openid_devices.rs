//! Devices without a browser (RFC 8628).

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use crate::home::Home;
use crate::hostile::unhurt;
use crate::openid::{App, BACK, Browser, Shown, posted, user_info, verified};

fn access() -> Value {
    json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": {"allow": ["name"]}})
}

/// A node with contacts and an app.
async fn app() -> (Home, App) {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String phone: String }").await.unwrap();
    let manifest = json!({ "name": "A Television", "redirect_uris": [BACK], "access": [access()], "devices": true });
    let app = App::new(&home, &manifest);
    (home, app)
}

pub(crate) async fn begun(home: &Home, app: &App, more: &[(&str, &str)]) -> Value {
    let mut pairs = vec![("client_id", app.id.as_str())];
    pairs.extend(more);
    let (status, answer) = posted(home, "/oauth/device_authorization", &pairs).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn polled(home: &Home, app: &App, begun: &Value) -> (u16, Value) {
    let pairs = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", app.id.as_str()),
        ("device_code", begun["device_code"].as_str().unwrap()),
    ];
    posted(home, "/oauth/token", &pairs).await
}

/// What the page answers to a code.
async fn typed(browser: &Browser, home: &Home, code: &str) -> Shown {
    let page = Url::parse(&format!("{}/oauth/device", home.node.url)).unwrap();
    let html = browser.http.get(page.clone()).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("If somebody sent you here"), "{html}");
    let mut form = harness::ConsentForm::read(&page, &html, "user_code").unwrap();
    form.set("user_code", code);
    browser.send(&form).await
}

/// The consent that a code leads to.
pub(crate) async fn asked(browser: &Browser, home: &Home, code: &str) -> harness::ConsentForm {
    let (status, html) = typed(browser, home, code).await.page();
    assert_eq!(status, 200, "{html}");
    let (status, html) = browser.gives_password(&html).await.page();
    assert!(status == 200 && html.contains("You let in a device"), "{html}");
    browser.form(&html, "decision")
}

#[tokio::test]
async fn a_device_is_let_in_by_its_code_once_and_gets_what_was_ticked() {
    let (home, app) = app().await;
    let browser = Browser::of(&home);
    let details = json!([access()]).to_string();
    let begun =
        begun(&home, &app, &[("scope", "openid profile"), ("nonce", "n"), ("authorization_details", &details)]).await;
    let code = begun["user_code"].as_str().unwrap();
    assert_eq!(begun["verification_uri"], format!("{}/oauth/device", home.node.url));
    let whole = begun["verification_uri_complete"].as_str().unwrap();
    let html = browser.http.get(whole).send().await.unwrap().text().await.unwrap();
    assert!(html.contains(code) && html.contains("If somebody sent you here"), "opening it sends nothing: {html}");
    assert_eq!(polled(&home, &app, &begun).await.1["error"], "authorization_pending");
    assert_eq!(polled(&home, &app, &begun).await.1["error"], "slow_down");
    let mut form = asked(&browser, &home, &code.to_lowercase()).await;
    form.set("decision", "allow");
    let answers = futures::future::join_all((0..20).map(|_| browser.send(&form))).await;
    let let_in = answers.iter().filter(|answer| matches!(answer, Shown::Page(status, _) if *status == 200)).count();
    assert_eq!(let_in, 1, "{answers:?}");
    let tokens = loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        match polled(&home, &app, &begun).await {
            (200, tokens) => break tokens,
            (status, answer) => assert_eq!((status, &answer["error"]), (400, &json!("slow_down"))),
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
    };
    home.alice.with_token(tokens["access_token"].as_str().unwrap()).graphql("{ Contact { name } }").await.unwrap();
    let claims = verified(&home, tokens["id_token"].as_str().unwrap()).await;
    assert!(claims.get("nonce").is_none(), "no browser began: {claims}");
    let told = user_info(&home, tokens["access_token"].as_str().unwrap()).await;
    assert_eq!((told.0, &told.1["sub"], &claims["preferred_username"]), (200, &claims["sub"], &json!("alice")));
    assert_eq!(polled(&home, &app, &begun).await.1["error"], "invalid_grant", "once");
    assert_eq!(typed(&browser, &home, code).await.page().0, 404, "once");
    unhurt(&home).await;
}

#[tokio::test]
async fn devices_are_refused_that_nobody_lets_in_and_codes_are_not_guessed_for_long() {
    let (home, app) = app().await;
    let browser = Browser::of(&home);
    let first = begun(&home, &app, &[("scope", "openid")]).await;
    let mut form = asked(&browser, &home, first["user_code"].as_str().unwrap()).await;
    form.set("decision", "deny");
    assert_eq!(browser.send(&form).await.page().0, 200);
    assert_eq!(polled(&home, &app, &first).await.1["error"], "access_denied");
    // Who let the app know who they are is asked for each device all the same.
    for _ in 0..2 {
        let next = begun(&home, &app, &[("scope", "openid")]).await;
        let mut form = asked(&browser, &home, next["user_code"].as_str().unwrap()).await;
        form.set("decision", "allow");
        assert_eq!(browser.send(&form).await.page().0, 200);
        let (status, tokens) = polled(&home, &app, &next).await;
        assert_eq!((status, tokens.get("grant")), (200, None), "{tokens}");
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(user_info(&home, token).await.0, 200);
        assert_eq!(home.alice.with_token(token).get("/api/v1/spaces").await.unwrap().status, 403);
    }
    // Another app's device, and what the app may not ask.
    let other = App::new(&home, &json!({ "name": "Another", "redirect_uris": [BACK], "devices": true }));
    let none = App::signing_in(&home);
    let waits = begun(&home, &app, &[]).await;
    assert_eq!(polled(&home, &other, &waits).await.1["error"], "invalid_grant");
    let wide =
        json!([{"type": "allod_doc", "datatypes": ["Contact"], "actions": ["delete"], "fields": {"allow": ["name"]}}]);
    for (name, pairs, status, error) in [
        ("no app", vec![], 401, "invalid_client"),
        (
            "wide",
            vec![("client_id", app.id.as_str()), ("authorization_details", &wide.to_string())],
            400,
            "invalid_authorization_details",
        ),
        ("not for devices", vec![("client_id", none.id.as_str()), ("scope", "openid")], 400, "unauthorized_client"),
        ("nothing to ask", vec![("client_id", other.id.as_str())], 400, "invalid_scope"),
        ("twice", vec![("client_id", app.id.as_str()), ("client_id", app.id.as_str())], 400, "invalid_request"),
    ] {
        let (got, body) = posted(&home, "/oauth/device_authorization", &pairs).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{name}: {body}");
    }
    // A form of another site, and codes that are none.
    let page = format!("{}/oauth/device", home.node.url);
    let code = waits["user_code"].as_str().unwrap();
    let foreign = browser.http.post(&page).header("origin", "https://evil.example").form(&[("user_code", code)]);
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    // No address leads past the page on which a code is typed.
    let link = [("device".to_owned(), code.to_owned()), ("client_id".to_owned(), app.id.clone())];
    assert_eq!(browser.open(&link).await.page().0, 400);
    for _ in 0..10 {
        assert_eq!(typed(&browser, &home, "BCDF-GHJK\"><script>").await.page().0, 404);
    }
    let (status, html) = typed(&browser, &home, code).await.page();
    assert!(status == 429 && !html.contains("<script"), "{status} {html}");
    unhurt(&home).await;
}
