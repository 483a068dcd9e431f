//! Signing out: from an app (OpenID Connect RP-Initiated Logout 1.0), and what apps are told (Back-Channel Logout 1.0). The
//! names are those of the OpenID Foundation's conformance suite where that has one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

use crate::home::{Home, OWNER};
use crate::openid::{App, BACK, Browser, Shown, posted, signed_in, user_info, verified};

const AFTER: &str = "https://app.example/after?x=1";

fn app(home: &Home) -> App {
    App::new(home, &json!({ "name": "An <App>", "redirect_uris": [BACK], "post_logout_redirect_uris": [AFTER] }))
}

async fn ask(home: &Home, browser: &Browser, pairs: &[(&str, &str)]) -> Shown {
    let mut url = Url::parse(&format!("{}/oauth/logout", home.node.url)).unwrap();
    url.query_pairs_mut().extend_pairs(pairs);
    browser.shown(browser.http.get(url)).await
}

#[tokio::test]
async fn oidcc_rp_initiated_logout() {
    let home = Home::new().await;
    let (app, browser) = (app(&home), Browser::of(&home));
    let (tokens, _) = signed_in(&home, &browser, &app, &[]).await;
    let (other, _) = signed_in(&home, &browser, &app, &[]).await;
    let (hint, token) = (tokens["id_token"].as_str().unwrap(), tokens["access_token"].as_str().unwrap());
    let asked = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("state", "a b&c")];
    let (status, page) = ask(&home, &browser, &asked).await.page();
    assert!(status == 200 && page.contains("Sign out of An &lt;App&gt;?"), "{page}");
    assert_eq!(user_info(&home, token).await.0, 200, "a link alone signs nobody out");
    let mut form = browser.form(&page, "decision");
    form.set("decision", "stay");
    assert_eq!(browser.send(&form).await.page().0, 200);
    assert_eq!(user_info(&home, token).await.0, 200, "they stay");
    // Of another page, or changed, the form counts for nothing.
    form.set("decision", "leave");
    let mut forged = form.clone();
    forged.set("request", "id_token_hint=x");
    assert_eq!(browser.send(&forged).await.page().0, 403);
    let foreign = browser.http.post(form.action.clone()).header("origin", "https://evil.example").form(&form.fields);
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    let Shown::Sent(to) = browser.send(&form).await else { panic!("it leads back") };
    assert_eq!(to.as_str(), "https://app.example/after?x=1&state=a+b%26c");
    assert_eq!(user_info(&home, token).await.0, 401);
    assert_eq!(user_info(&home, other["access_token"].as_str().unwrap()).await.0, 200, "another sign-in goes on");
    // Once more leads to the same place.
    assert!(matches!(browser.send(&form).await, Shown::Sent(_)));
    for (name, pairs) in [
        ("oidcc-rp-initiated-logout-no-state", vec![("id_token_hint", hint), ("post_logout_redirect_uri", AFTER)]),
        ("oidcc-rp-initiated-logout-no-post-logout-redirect-uri", vec![("id_token_hint", hint), ("state", "s")]),
        ("oidcc-rp-initiated-logout-no-params", vec![]),
        ("oidcc-rp-initiated-logout-only-state", vec![("state", "s")]),
        ("with its own client_id", vec![("id_token_hint", hint), ("client_id", app.id.as_str())]),
    ] {
        let (status, page) = ask(&home, &browser, &pairs).await.page();
        assert_eq!(status, 200, "{name}: {page}");
    }
    // What an app's page posts is asked about as well.
    let posted = browser.http.post(form.action.clone()).header("origin", "https://app.example").form(&asked);
    assert_eq!(browser.shown(posted).await.page().0, 200);
}

#[tokio::test]
async fn signing_out_of_an_app_with_data_ends_the_tokens_of_that_sign_in_and_leaves_the_grant() {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String }").await.unwrap();
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": {"allow": ["name"]}});
    let app = App::new(&home, &json!({ "name": "An App", "redirect_uris": [BACK], "access": [access] }));
    let details = json!([access]).to_string();
    let browser = Browser::of(&home);
    let (tokens, _) = signed_in(&home, &browser, &app, &[("authorization_details", &details)]).await;
    let (other, _) = signed_in(&home, &browser, &app, &[]).await;
    let works = async |tokens: &Value| {
        let app = home.alice.with_token(tokens["access_token"].as_str().unwrap());
        app.graphql("{ Contact { name } }").await.is_ok()
    };
    assert!(works(&tokens).await, "control");
    let hint = tokens["id_token"].as_str().unwrap();
    let (_, page) = ask(&home, &browser, &[("id_token_hint", hint)]).await.page();
    assert!(page.contains("access to your data too"), "{page}");
    let mut form = browser.form(&page, "decision");
    form.set("decision", "leave");
    assert_eq!(browser.send(&form).await.page().0, 200);
    assert!(!works(&tokens).await);
    assert_eq!(user_info(&home, tokens["access_token"].as_str().unwrap()).await.0, 401);
    assert_eq!(user_info(&home, other["access_token"].as_str().unwrap()).await.0, 200, "another sign-in goes on");
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", app.id.as_str()),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    assert_eq!(posted(&home, "/oauth/token", &refresh).await.1["error"], "invalid_grant");
    let grant = tokens["grant"].as_str().unwrap();
    assert_eq!(home.alice.get(&format!("/api/v1/grants/{grant}")).await.unwrap().status, 200, "it stays");
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_id_token_hint_and_its_kin() {
    let home = Home::new().await;
    let (app, browser) = (app(&home), Browser::of(&home));
    let other = App::signing_in(&home);
    let (tokens, _) = signed_in(&home, &browser, &app, &[]).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let (theirs, _) = signed_in(&home, &browser, &other, &[]).await;
    let mut modified = hint.to_owned();
    modified.replace_range(
        hint.len() - 9..hint.len() - 8,
        if &hint[hint.len() - 9..hint.len() - 8] == "A" { "B" } else { "A" },
    );
    let long = "x".repeat(20_000);
    for (name, pairs) in [
        (
            "oidcc-rp-initiated-logout-bad-id-token-hint",
            vec![("id_token_hint", "x"), ("post_logout_redirect_uri", AFTER)],
        ),
        (
            "oidcc-rp-initiated-logout-modified-id-token-hint",
            vec![("id_token_hint", modified.as_str()), ("post_logout_redirect_uri", AFTER)],
        ),
        ("oidcc-rp-initiated-logout-no-id-token-hint", vec![("post_logout_redirect_uri", AFTER)]),
        (
            "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri",
            vec![("id_token_hint", hint), ("post_logout_redirect_uri", "https://evil.example/")],
        ),
        (
            "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
            vec![("id_token_hint", hint), ("post_logout_redirect_uri", "https://app.example/after?x=1&y=2")],
        ),
        ("a redirect address of the app", vec![("id_token_hint", hint), ("post_logout_redirect_uri", BACK)]),
        (
            "another app's address",
            vec![("id_token_hint", theirs["id_token"].as_str().unwrap()), ("post_logout_redirect_uri", AFTER)],
        ),
        ("another app's name", vec![("id_token_hint", hint), ("client_id", other.id.as_str())]),
        ("twice", vec![("id_token_hint", hint), ("id_token_hint", hint)]),
        ("an access token", vec![("id_token_hint", tokens["access_token"].as_str().unwrap())]),
        ("too long", vec![("state", long.as_str())]),
    ] {
        let (status, page) = ask(&home, &browser, &pairs).await.page();
        assert_eq!(status, 400, "{name}: {page}");
        assert!(!page.contains("evil.example"), "{name}");
    }
    let (status, _) = ask(&home, &browser, &[("id_token_hint", hint)]).await.page();
    assert_eq!(status, 200, "control");
}

/// An app that listens: what it is told, each time; so many times it is not well before.
async fn listening(mut unwell: u32) -> (String, Arc<tokio::sync::Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/backchannel", listener.local_addr().unwrap());
    let heard = Arc::new(tokio::sync::Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut text = String::new();
            let mut part = vec![0; 16_384];
            while !text.contains("logout_token=") {
                let Ok(length) = stream.read(&mut part).await else { break };
                text.push_str(&String::from_utf8_lossy(&part[..length]));
                if length == 0 {
                    break;
                }
            }
            let status = if unwell > 0 { "503 Service Unavailable" } else { "200 OK" };
            if unwell == 0 {
                let token = text.rsplit("logout_token=").next().unwrap_or_default().to_owned();
                kept.lock().await.push(token);
            }
            unwell = unwell.saturating_sub(1);
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, heard)
}

#[tokio::test]
async fn apps_are_told_who_signed_out_everywhere_and_who_takes_it_back_and_told_again_if_they_are_not_well() {
    let home = Home::with("[http]\noutbound_allow = [\"127.0.0.0/8\"]\n").await;
    let (url, heard) = listening(1).await;
    let manifest = json!({ "name": "An App", "redirect_uris": [BACK], "backchannel_logout_uri": url });
    let (app, quiet, browser) = (App::new(&home, &manifest), App::signing_in(&home), Browser::of(&home));
    let (tokens, claims) = signed_in(&home, &browser, &app, &[]).await;
    signed_in(&home, &browser, &quiet, &[]).await;
    let told = async |count: usize| -> Value {
        loop {
            let heard = heard.lock().await;
            if heard.len() >= count {
                let token = heard[count - 1].clone();
                drop(heard);
                return verified(&home, &token).await;
            }
            drop(heard);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let alice = home.node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(alice.delete("/api/v1/sessions").await.unwrap().status, 200);
    let first = told(1).await;
    assert_eq!((&first["iss"], &first["aud"], &first["sub"]), (&claims["iss"], &claims["aud"], &claims["sub"]));
    assert_eq!(first["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert!(first["jti"].is_string() && first.get("nonce").is_none() && first["exp"].is_i64(), "{first}");
    assert_eq!(user_info(&home, tokens["access_token"].as_str().unwrap()).await.0, 401);
    // They may sign in again without being asked; then they take it back.
    signed_in(&home, &browser, &app, &[]).await;
    let alice = home.node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(alice.delete(&format!("/api/v1/sign-ins/{}", app.id)).await.unwrap().status, 204);
    let second = told(2).await;
    assert_eq!(second["sub"], claims["sub"]);
    assert_ne!(second["jti"], first["jti"]);
}
