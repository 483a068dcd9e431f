//! Signing in to apps (OpenID Connect Core 1.0). The tests bear the names of the OpenID Foundation's conformance suite
//! (`oidcc-…`, `fapi2-…`) where that has one; each refusal stands beside a control.

use std::collections::HashMap;

use data_encoding::BASE64URL_NOPAD;
use harness::{Client, ConsentForm};
use reqwest::StatusCode;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::home::{Home, OWNER};
use crate::hostile::unhurt;

pub(crate) const BACK: &str = "http://127.0.0.1:9/cb";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// An app that is registered, and what it says.
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    back: String,
}

impl App {
    pub(crate) fn new(home: &Home, manifest: &Value) -> App {
        let made = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
        App {
            id: made["client_id"].as_str().unwrap().to_owned(),
            secret: made["client_secret"].as_str().map(str::to_owned),
            back: manifest["redirect_uris"][0].as_str().unwrap().to_owned(),
        }
    }

    /// One that is known by this `client_id`, and holds no secret.
    pub(crate) fn called(id: &str, back: &str) -> App {
        App { id: id.to_owned(), secret: None, back: back.to_owned() }
    }

    /// One that only signs people in.
    pub(crate) fn signing_in(home: &Home) -> App {
        App::new(home, &json!({ "name": "An App", "redirect_uris": [BACK] }))
    }

    /// A request for a sign-in, with `more`; a pair without a value leaves that out.
    pub(crate) fn asks(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.back),
            ("scope", "openid"),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        for (name, value) in more {
            pairs.retain(|(known, _)| known != name);
            if !value.is_empty() {
                pairs.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        pairs
    }
}

/// A person's browser.
pub(crate) struct Browser {
    pub(crate) http: reqwest::Client,
    url: String,
    user: (&'static str, String),
}

/// What a browser is shown, or where it is sent.
#[derive(Debug)]
pub(crate) enum Shown {
    Page(StatusCode, String),
    Sent(Url),
}

impl Shown {
    pub(crate) fn pairs(&self) -> HashMap<String, String> {
        match self {
            Shown::Sent(to) => to.query_pairs().into_owned().collect(),
            Shown::Page(status, html) => panic!("sent nowhere: {status} {html}"),
        }
    }

    pub(crate) fn page(self) -> (StatusCode, String) {
        match self {
            Shown::Page(status, html) => (status, html),
            Shown::Sent(to) => panic!("sent to {to}"),
        }
    }

    /// The error that the app is told, at its own address, with its state and our name.
    pub(crate) fn error(&self, home: &Home) -> String {
        let pairs = self.pairs();
        assert_eq!((pairs["state"].as_str(), pairs["iss"].as_str()), ("s", home.node.url.as_str()), "{pairs:?}");
        assert!(!pairs.contains_key("code"));
        pairs["error"].clone()
    }

    pub(crate) fn code(&self) -> String {
        self.pairs()["code"].clone()
    }
}

impl Browser {
    pub(crate) fn of(home: &Home) -> Browser {
        Browser::of_user(home, OWNER.0, OWNER.1)
    }

    pub(crate) fn of_user(home: &Home, name: &'static str, password: &str) -> Browser {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        Browser { http: http.build().unwrap(), url: home.node.url.clone(), user: (name, password.to_owned()) }
    }

    pub(crate) async fn shown(&self, request: reqwest::RequestBuilder) -> Shown {
        let answer = request.send().await.unwrap();
        match answer.headers().get("location") {
            Some(to) => Shown::Sent(Url::parse(to.to_str().unwrap()).unwrap()),
            None => Shown::Page(answer.status(), answer.text().await.unwrap()),
        }
    }

    pub(crate) async fn open(&self, pairs: &[(String, String)]) -> Shown {
        let mut url = Url::parse(&format!("{}/oauth/authorize", self.url)).unwrap();
        url.query_pairs_mut().extend_pairs(pairs);
        self.shown(self.http.get(url)).await
    }

    /// Whoever allows what they ticked is shown it once more, and allows that.
    pub(crate) async fn send(&self, form: &ConsentForm) -> Shown {
        match self.send_once(form).await {
            Shown::Page(StatusCode::OK, html) if html.contains("Look at it once more") => {
                let mut again = ConsentForm::read(&form.action, &html, "decision").unwrap();
                again.set("decision", "allow");
                self.send_once(&again).await
            }
            shown => shown,
        }
    }

    pub(crate) async fn send_once(&self, form: &ConsentForm) -> Shown {
        let origin = form.action.origin().ascii_serialization();
        self.shown(self.http.post(form.action.clone()).header("origin", origin).form(&form.fields)).await
    }

    pub(crate) fn form(&self, html: &str, holding: &str) -> ConsentForm {
        let page = Url::parse(&format!("{}/oauth/authorize", self.url)).unwrap();
        let mut form = ConsentForm::read(&page, html, holding).unwrap();
        form.tick_all();
        form
    }

    /// What comes of a right name and password.
    pub(crate) async fn signs_in(&self, pairs: &[(String, String)]) -> Shown {
        let (status, html) = self.open(pairs).await.page();
        assert_eq!(status, StatusCode::OK, "{html}");
        self.gives_password(&html).await
    }

    /// Fills the page of the sign-in in.
    pub(crate) async fn gives_password(&self, html: &str) -> Shown {
        let mut form = self.form(html, "password");
        form.set("user", self.user.0);
        form.set("password", &self.user.1);
        self.send(&form).await
    }

    /// Signs in, allows what is asked, if anything is, and returns where that leads.
    pub(crate) async fn allows(&self, pairs: &[(String, String)]) -> Shown {
        match self.signs_in(pairs).await {
            Shown::Page(_, html) => {
                let mut form = self.form(&html, "decision");
                form.set("decision", "allow");
                self.send(&form).await
            }
            sent => sent,
        }
    }
}

pub(crate) async fn posted(home: &Home, path: &str, pairs: &[(&str, &str)]) -> (u16, Value) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.post(format!("{}{path}", home.node.url)).form(pairs).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

pub(crate) async fn exchanged(home: &Home, app: &App, code: &str) -> (u16, Value) {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("client_id", app.id.as_str()),
        ("redirect_uri", app.back.as_str()),
        ("code", code),
        ("code_verifier", VERIFIER),
    ];
    pairs.extend(app.secret.as_deref().map(|secret| ("client_secret", secret)));
    posted(home, "/oauth/token", &pairs).await
}

/// Signs somebody in: the answer of the token endpoint, and what the ID token says.
pub(crate) async fn signed_in(home: &Home, browser: &Browser, app: &App, more: &[(&str, &str)]) -> (Value, Value) {
    let code = browser.allows(&app.asks(more)).await.code();
    let (status, tokens) = exchanged(home, app, &code).await;
    assert_eq!(status, 200, "{tokens}");
    let claims = verified(home, tokens["id_token"].as_str().unwrap()).await;
    (tokens, claims)
}

pub(crate) fn decoded(part: &str) -> Value {
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

/// The claims of a token, whose signature is by a key that the node tells.
pub(crate) async fn verified(home: &Home, token: &str) -> Value {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let head = decoded(head);
    assert_eq!(head["alg"], "ES256", "{head}");
    let keys = home.alice.nobody().get("/oauth/jwks").await.unwrap().json;
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == head["kid"]).expect("the key is told");
    assert!(key.get("d").is_none(), "{key}");
    let point = |name: &str| BASE64URL_NOPAD.decode(key[name].as_str().unwrap().as_bytes()).unwrap();
    let point = [vec![4], point("x"), point("y")].concat();
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(signed.as_bytes(), &signature).expect("the signature is right");
    assert!(key.verify(b"another", &signature).is_err(), "control");
    decoded(claims)
}

pub(crate) async fn user_info(home: &Home, token: &str) -> (u16, Value) {
    let answer = home.alice.with_token(token).get("/oauth/userinfo").await.unwrap();
    (answer.status, answer.json)
}

#[tokio::test]
async fn oidcc_discovery_endpoint_verification() {
    let home = Home::new().await;
    let nobody = home.alice.nobody();
    let told = nobody.get("/.well-known/openid-configuration").await.unwrap().json;
    assert_eq!(told["issuer"], home.node.url);
    assert_eq!(told["id_token_signing_alg_values_supported"], json!(["ES256"]));
    assert_eq!(told["subject_types_supported"], json!(["pairwise"]));
    assert_eq!(told["response_types_supported"], json!(["code"]));
    for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
        let url = told[name].as_str().unwrap();
        assert!(url.starts_with(&home.node.url), "{url}");
    }
    for off in ["claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"] {
        assert_eq!(told[off], false, "{off}");
    }
    assert_eq!(nobody.get("/.well-known/oauth-authorization-server").await.unwrap().json, told);
    let keys = nobody.get("/oauth/jwks").await.unwrap().json;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "{keys}");
}

/// RFC 9728: whoever knows the address of the data alone finds who issues tokens for it.
#[tokio::test]
async fn a_client_that_is_refused_finds_who_issues_tokens() {
    let home = Home::new().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let graphql = format!("{}/api/v1/graphql", home.node.url);
    for (token, error) in [(None, ""), (Some("x"), "error=\"invalid_token\", ")] {
        let mut asked = client.post(&graphql).json(&json!({ "query": "{ __typename }" }));
        if let Some(token) = token {
            asked = asked.bearer_auth(token);
        }
        let refused = asked.send().await.unwrap();
        assert_eq!(refused.status(), 401);
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
        let at = format!("{}/.well-known/oauth-protected-resource", home.node.url);
        assert_eq!(challenge, format!("Bearer {error}resource_metadata=\"{at}\""));
        let resource: Value = client.get(at).send().await.unwrap().json().await.unwrap();
        assert_eq!(resource["resource"], home.node.url);
        assert_eq!(resource["authorization_servers"], json!([home.node.url]));
    }
}

#[tokio::test]
async fn oidcc_server_and_id_token() {
    let home = Home::new().await;
    let (app, browser) = (App::signing_in(&home), Browser::of(&home));
    let before = now();
    let (tokens, claims) = signed_in(&home, &browser, &app, &[("scope", "openid profile")]).await;
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(home.node.url), &json!(app.id)));
    assert_eq!((&claims["nonce"], &claims["preferred_username"]), (&json!("n"), &json!("alice")));
    assert_eq!((&claims["acr"], &claims["amr"]), (&json!("urn:allod:acr:1"), &json!(["pwd"])));
    let at = |name: &str| claims[name].as_i64().unwrap();
    assert!(at("iat") >= before && at("auth_time") >= before && at("auth_time") <= at("iat"), "{claims}");
    assert_eq!(at("exp") - at("iat"), 3_600);
    let digest = Sha256::digest(tokens["access_token"].as_str().unwrap().as_bytes());
    assert_eq!(claims["at_hash"], BASE64URL_NOPAD.encode(&digest[..16]));
    assert!(claims["sid"].as_str().is_some_and(|sid| sid.len() == 32), "{claims}");
    assert_eq!((&tokens["scope"], &tokens["token_type"]), (&json!("openid profile"), &json!("Bearer")));
    assert!(tokens.get("refresh_token").is_none() && tokens.get("grant").is_none(), "{tokens}");
    let (_, again) = signed_in(&home, &browser, &app, &[("nonce", "")]).await;
    assert!(again.get("nonce").is_none(), "who sends none gets none: {again}");
    assert!(again.get("preferred_username").is_none(), "nor a name that was not asked for");
    assert_eq!(again["sub"], claims["sub"]);
    assert_ne!(again["sid"], claims["sid"], "each sign-in is one of its own");
}

pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[tokio::test]
async fn oidcc_userinfo_get_and_post_and_post_body() {
    let home = Home::new().await;
    let (app, browser) = (App::signing_in(&home), Browser::of(&home));
    let (tokens, claims) = signed_in(&home, &browser, &app, &[("scope", "openid profile")]).await;
    let token = tokens["access_token"].as_str().unwrap();
    let expected = json!({ "sub": claims["sub"], "preferred_username": "alice" });
    assert_eq!(user_info(&home, token).await, (200, expected.clone()));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/oauth/userinfo", home.node.url);
    let head = http.post(&url).bearer_auth(token).send().await.unwrap();
    assert_eq!(head.json::<Value>().await.unwrap(), expected);
    let body = http.post(&url).form(&[("access_token", token)]).send().await.unwrap();
    assert_eq!(body.json::<Value>().await.unwrap(), expected);
    // Refused: twice, none, another's, a session's, in the address.
    let twice = http.post(&url).bearer_auth(token).form(&[("access_token", token)]).send().await.unwrap();
    assert_eq!(twice.status(), 400);
    for request in [
        http.get(&url),
        http.get(format!("{url}?access_token={token}")),
        http.get(&url).bearer_auth("x"),
        http.post(&url).form(&[("access_token", "x")]),
        http.get(&url).bearer_auth(home.alice.token.as_deref().unwrap()),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{challenge}");
    }
    // A token for data tells nothing of who the person is.
    home.alice.define("type Contact { name: String }").await.unwrap();
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": {"allow": ["name"]}});
    let (data, _) = home.app(&access, &access);
    data.graphql("{ Contact { name } }").await.expect("control");
    let answer = data.get("/oauth/userinfo").await.unwrap();
    assert_eq!((answer.status, &answer.json["error"]), (403, &json!("insufficient_scope")));
}

#[tokio::test]
async fn a_token_for_openid_alone_opens_nothing_else() {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String }").await.unwrap();
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": {"allow": ["name"]}});
    let manifest = json!({ "name": "An App", "redirect_uris": [BACK], "access": [access] });
    let (app, browser) = (App::new(&home, &manifest), Browser::of(&home));
    let (tokens, _) = signed_in(&home, &browser, &app, &[]).await;
    let token = home.alice.with_token(tokens["access_token"].as_str().unwrap());
    for path in [
        "/api/v1/spaces",
        "/api/v1/me",
        "/api/v1/collections",
        "/api/v1/grants",
        "/api/v1/sign-ins",
        "/api/v1/sessions",
        "/api/v1/schema",
        "/api/v1/audit",
        "/api/v1/me/export",
        "/api/v1/status",
    ] {
        let answer = token.get(path).await.unwrap();
        assert_eq!(answer.status, 403, "{path}: {}", answer.text);
    }
    let answer = token.try_graphql("{ Contact { name } }", Value::Null).await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert_eq!(user_info(&home, tokens["access_token"].as_str().unwrap()).await.0, 200, "control");
    // With access asked as well, one code gives both.
    let both = [("authorization_details", access.to_string()), ("scope", "openid profile".to_owned())];
    let both: Vec<(&str, &str)> = both.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (tokens, claims) = signed_in(&home, &browser, &app, &both).await;
    let data = home.alice.with_token(tokens["access_token"].as_str().unwrap());
    data.graphql("{ Contact { name } }").await.expect("the token opens what was granted");
    assert_eq!(data.get("/oauth/userinfo").await.unwrap().json["sub"], claims["sub"]);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let pairs = [("grant_type", "refresh_token"), ("client_id", app.id.as_str()), ("refresh_token", refresh)];
    let (status, next) = posted(&home, "/oauth/token", &pairs).await;
    assert_eq!((status, &next["scope"]), (200, &json!("openid profile")), "{next}");
    assert_eq!(user_info(&home, next["access_token"].as_str().unwrap()).await.1["sub"], claims["sub"]);
    // Without the scope it is as it ever was.
    let plain = browser.allows(&app.asks(&[("scope", ""), ("authorization_details", &access.to_string())])).await;
    let (_, tokens) = exchanged(&home, &app, &plain.code()).await;
    assert!(tokens.get("id_token").is_none() && tokens.get("scope").is_none(), "{tokens}");
    assert_eq!(user_info(&home, tokens["access_token"].as_str().unwrap()).await.0, 403);
    unhurt(&home).await;
}

#[tokio::test]
async fn a_person_is_another_to_each_app_unless_both_answer_at_one_host() {
    let home = Home::new().await;
    home.user("bob", None).await;
    let (alice, bob) = (Browser::of(&home), Browser::of_user(&home, "bob", "the long password of bob"));
    let of = |uris: Value| App::new(&home, &json!({ "name": "An App", "redirect_uris": uris }));
    let apps = [
        of(json!([BACK])),
        of(json!([BACK])),
        of(json!(["https://a.example/cb"])),
        of(json!(["https://a.example/other"])),
        of(json!(["https://b.example/cb"])),
        of(json!(["https://a.example/cb", "https://b.example/cb"])),
        of(json!(["org.example.app:/cb"])),
    ];
    let mut subs = Vec::new();
    for app in &apps {
        let (_, claims) = signed_in(&home, &alice, app, &[]).await;
        let sub = claims["sub"].as_str().unwrap().to_owned();
        let (_, theirs) = signed_in(&home, &bob, app, &[]).await;
        assert_ne!(theirs["sub"], claims["sub"]);
        let me = home.alice.get("/api/v1/me").await.unwrap().json;
        assert!(!sub.contains(me["user"].as_str().unwrap()) && sub.len() == 43, "{sub}");
        subs.push(sub);
    }
    assert_eq!(subs[2], subs[3], "one host");
    // Whoever asks as a device needs no answer at that host: such an app is no part of its sector.
    let manifest = json!({ "name": "An App", "redirect_uris": ["https://a.example/cb"], "devices": true });
    let (_, claims) = signed_in(&home, &alice, &App::new(&home, &manifest), &[]).await;
    assert_ne!(claims["sub"], subs[2]);
    let different: std::collections::HashSet<_> = subs.iter().collect();
    assert_eq!(different.len(), subs.len() - 1);
}

#[tokio::test]
async fn who_consented_is_not_asked_again_until_the_app_asks_for_more_or_they_take_it_back() {
    let home = Home::new().await;
    let (app, browser) = (App::signing_in(&home), Browser::of(&home));
    let asks = async |more: &[(&str, &str)]| browser.signs_in(&app.asks(more)).await;
    let (_, page) = asks(&[]).await.page();
    assert!(page.contains("An App wants to know who you are"), "{page}");
    assert!(!page.contains("name=\"profile\""), "it does not ask for the name");
    // Who denies is asked again.
    let mut form = browser.form(&page, "decision");
    form.set("decision", "deny");
    assert_eq!(browser.send(&form).await.error(&home), "access_denied");
    let (tokens, _) = signed_in(&home, &browser, &app, &[]).await;
    asks(&[]).await.code();
    let (_, page) = asks(&[("scope", "openid profile")]).await.page();
    let mut form = browser.form(&page, "decision");
    // The name can be kept back.
    form.untick("profile", "yes");
    form.set("decision", "allow");
    let (_, kept) = exchanged(&home, &app, &browser.send(&form).await.code()).await;
    assert_eq!(kept["scope"], "openid", "{kept}");
    let told = user_info(&home, kept["access_token"].as_str().unwrap()).await.1;
    assert!(told.get("preferred_username").is_none(), "{told}");
    asks(&[("prompt", "consent")]).await.page();
    let list = home.alice.get("/api/v1/sign-ins").await.unwrap().json;
    assert_eq!(
        (&list[0]["client_id"], &list[0]["app"], &list[0]["name"]),
        (&json!(app.id), &json!("An App"), &json!(false))
    );
    // Another person sees none of it, and ends none of it.
    let bob = home.user("bob", None).await;
    assert_eq!(bob.get("/api/v1/sign-ins").await.unwrap().json, json!([]));
    let path = format!("/api/v1/sign-ins/{}", app.id);
    assert_eq!(bob.delete(&path).await.unwrap().status, 404);
    let waiting = asks(&[]).await.code();
    assert_eq!(home.alice.delete(&path).await.unwrap().status, 204);
    assert_eq!(home.alice.delete(&path).await.unwrap().status, 404);
    for token in [&tokens, &kept] {
        assert_eq!(user_info(&home, token["access_token"].as_str().unwrap()).await.0, 401);
    }
    assert_eq!(exchanged(&home, &app, &waiting).await.1["error"], "invalid_grant", "a code that waited");
    asks(&[]).await.page();
}

#[tokio::test]
async fn oidcc_codereuse_and_fifty_at_once() {
    let home = Home::new().await;
    let (app, browser) = (App::signing_in(&home), Browser::of(&home));
    let code = browser.allows(&app.asks(&[])).await.code();
    let answers = futures::future::join_all((0..50).map(|_| exchanged(&home, &app, &code))).await;
    let good: Vec<&Value> = answers.iter().filter(|(status, _)| *status == 200).map(|(_, body)| body).collect();
    assert!(good.len() <= 1, "{answers:?}");
    for (status, body) in answers.iter().filter(|(status, _)| *status != 200) {
        assert_eq!((*status, &body["error"]), (400, &json!("invalid_grant")));
    }
    for tokens in good {
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(user_info(&home, token).await.0, 401, "what came of a code that was copied has ended");
    }
    let (tokens, _) = signed_in(&home, &browser, &app, &[]).await;
    assert_eq!(user_info(&home, tokens["access_token"].as_str().unwrap()).await.0, 200, "control");
    let (status, _) =
        posted(&home, "/oauth/revoke", &[("client_id", &app.id), ("token", tokens["access_token"].as_str().unwrap())])
            .await;
    assert_eq!(status, 200);
    assert_eq!(user_info(&home, tokens["access_token"].as_str().unwrap()).await.0, 401, "revoked");
}

/// What is refused to the app, at its own address: name, parameters, error.
#[tokio::test]
async fn oidcc_prompt_none_not_logged_in_and_what_is_not_taken() {
    let home = Home::new().await;
    let (app, browser) = (App::signing_in(&home), Browser::of(&home));
    let long = "x".repeat(600);
    for (name, more, error) in [
        ("oidcc-prompt-none-not-logged-in", [("prompt", "none")].as_slice(), "login_required"),
        ("prompt none with another", &[("prompt", "none login")], "invalid_request"),
        (
            "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported",
            &[("request", "eyJhbGciOiJub25lIn0.e30.")],
            "request_not_supported",
        ),
        ("oidcc-request-uri-unsigned", &[("request_uri", "https://evil.example/r")], "request_uri_not_supported"),
        ("registration", &[("registration", "{}")], "registration_not_supported"),
        ("oidcc-claims-essential", &[("claims", "{\"userinfo\":{\"name\":{\"essential\":true}}}")], "invalid_request"),
        ("oidcc-response-type-missing", &[("response_type", "")], "unsupported_response_type"),
        ("implicit", &[("response_type", "id_token")], "unsupported_response_type"),
        ("hybrid", &[("response_type", "code id_token")], "unsupported_response_type"),
        ("fragment", &[("response_mode", "fragment")], "invalid_request"),
        ("form_post", &[("response_mode", "form_post")], "invalid_request"),
        ("a nonce that is too long", &[("nonce", long.as_str())], "invalid_request"),
        ("max_age that is none", &[("max_age", "-1")], "invalid_request"),
        ("id_token_hint that is none", &[("id_token_hint", "x")], "invalid_request"),
        (
            "fapi2-security-profile-ensure-authorization-request-without-code-challenge",
            &[("code_challenge", "")],
            "invalid_request",
        ),
        ("plain", &[("code_challenge_method", "plain")], "invalid_request"),
    ] {
        assert_eq!(browser.open(&app.asks(more)).await.error(&home), error, "{name}");
    }
    // Words that are not known count for nothing.
    for (name, more) in [
        ("oidcc-ensure-request-with-unknown-parameter-succeeds", ("extra", "foobar")),
        ("oidcc-scope-email", ("scope", "openid email address phone")),
        ("oidcc-scope-offline_access", ("scope", "openid offline_access")),
        ("oidcc-display-page", ("display", "page")),
        ("oidcc-display-popup", ("display", "popup")),
        ("oidcc-ui-locales", ("ui_locales", "se")),
        ("oidcc-claims-locales", ("claims_locales", "se")),
        ("oidcc-ensure-request-with-acr-values-succeeds", ("acr_values", "urn:allod:acr:2 1")),
        ("oidcc-prompt-login", ("prompt", "login")),
        ("oidcc-max-age-1", ("max_age", "1")),
        ("response_mode", ("response_mode", "query")),
    ] {
        let (_, claims) = signed_in(&home, &browser, &app, &[more]).await;
        assert!(claims["auth_time"].is_i64(), "{name}");
        assert_eq!(claims["acr"], "urn:allod:acr:1", "{name}: what was not proved is not said");
    }
    let (_, page) = browser.open(&app.asks(&[("login_hint", "bob<b>")])).await.page();
    assert!(page.contains("value=\"bob&lt;b&gt;\""), "oidcc-login-hint: {page}");
    let twice: Vec<_> = app.asks(&[]).into_iter().chain(app.asks(&[])).collect();
    assert_eq!(browser.open(&twice).await.page().0, 400, "everything twice");
}

#[tokio::test]
async fn oidcc_id_token_hint() {
    let home = Home::new().await;
    home.user("bob", None).await;
    let (app, other) = (App::signing_in(&home), App::signing_in(&home));
    let (alice, bob) = (Browser::of(&home), Browser::of_user(&home, "bob", "the long password of bob"));
    let (tokens, _) = signed_in(&home, &alice, &app, &[]).await;
    let hint = tokens["id_token"].as_str().unwrap();
    signed_in(&home, &alice, &app, &[("id_token_hint", hint)]).await;
    let wrong = bob.signs_in(&app.asks(&[("id_token_hint", hint)])).await;
    assert_eq!(wrong.error(&home), "login_required", "somebody else signed in");
    // Another app's, and what is signed by nobody, by a shared secret, or by another key.
    let at_other = alice.open(&other.asks(&[("id_token_hint", hint)])).await;
    assert_eq!(at_other.error(&home), "invalid_request");
    let parts: Vec<&str> = hint.split('.').collect();
    let head = decoded(parts[0]);
    let with = |alg: &str, signature: &str| {
        let head = json!({ "alg": alg, "kid": head["kid"], "typ": "JWT" }).to_string();
        format!("{}.{}.{signature}", BASE64URL_NOPAD.encode(head.as_bytes()), parts[1])
    };
    let claims = decoded(parts[1]);
    let mut changed = claims.clone();
    changed["sub"] = json!("x");
    let changed = BASE64URL_NOPAD.encode(changed.to_string().as_bytes());
    for forged in [
        with("none", ""),
        with("None", ""),
        with("HS256", parts[2]),
        with("ES384", parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{changed}.{}", parts[0], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], BASE64URL_NOPAD.encode(&[0; 64])),
        tokens["access_token"].as_str().unwrap().to_owned(),
    ] {
        let answer = alice.open(&app.asks(&[("id_token_hint", &forged)])).await;
        assert_eq!(answer.error(&home), "invalid_request", "{forged}");
    }
}

#[tokio::test]
async fn oidcc_redirect_uri_query_mismatch_and_its_kin() {
    let home = Home::new().await;
    let app = App::new(&home, &json!({ "name": "An App", "redirect_uris": ["https://app.example/cb?a=1"] }));
    let browser = Browser::of(&home);
    assert_eq!(browser.open(&app.asks(&[])).await.page().0, 200, "control");
    for (name, uri) in [
        ("oidcc-redirect-uri-query-mismatch", "https://app.example/cb?a=2"),
        ("oidcc-redirect-uri-query-added", "https://app.example/cb?a=1&b=2"),
        ("oidcc-redirect-uri-regfrag", "https://app.example/cb?a=1#x"),
        ("oidcc-ensure-registered-redirect-uri", "https://app.example/cb"),
        ("oidcc-ensure-redirect-uri-in-authorization-request", ""),
    ] {
        let (status, page) = browser.open(&app.asks(&[("redirect_uri", uri)])).await.page();
        assert_eq!(status, 400, "{name}: {page}");
    }
}

#[tokio::test]
async fn oidcc_server_client_secret_post_and_what_fapi2_refuses_at_the_token_endpoint() {
    let home = Home::new().await;
    let manifest = json!({ "name": "An App", "redirect_uris": [BACK], "confidential": true });
    let (app, other) = (App::new(&home, &manifest), App::new(&home, &manifest));
    let browser = Browser::of(&home);
    let (tokens, _) = signed_in(&home, &browser, &app, &[]).await;
    let code = browser.allows(&app.asks(&[])).await.code();
    let stolen = App { id: other.id.clone(), secret: other.secret.clone(), back: BACK.to_owned() };
    let (status, body) = exchanged(&home, &stolen, &code).await;
    assert_eq!(
        (status, &body["error"]),
        (400, &json!("invalid_grant")),
        "ensure-authorization-code-is-bound-to-client"
    );
    let nameless = App { id: app.id.clone(), secret: None, back: BACK.to_owned() };
    assert_eq!(exchanged(&home, &nameless, &code).await.1["error"], "invalid_client");
    assert_eq!(exchanged(&home, &app, &code).await.0, 200, "control");
    // What a confidential app is told of its token; another is told nothing.
    let told = async |app: &App| {
        let pairs = [
            ("client_id", app.id.as_str()),
            ("client_secret", app.secret.as_deref().unwrap()),
            ("token", tokens["access_token"].as_str().unwrap()),
        ];
        posted(&home, "/oauth/introspect", &pairs).await.1
    };
    let own = told(&app).await;
    assert_eq!((&own["active"], &own["scope"]), (&json!(true), &json!("openid")), "{own}");
    assert!(own.get("authorization_details").is_none());
    assert_eq!(told(&other).await, json!({ "active": false }));
}

#[tokio::test]
async fn an_app_that_only_signs_in_is_granted_nothing_and_goes_with_all_that_it_knew() {
    let home = Home::new().await;
    let (app, browser) = (App::signing_in(&home), Browser::of(&home));
    let (tokens, _) = signed_in(&home, &browser, &app, &[]).await;
    let plain = browser.open(&app.asks(&[("scope", "")])).await;
    assert_eq!(plain.error(&home), "invalid_scope");
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": {"allow": ["name"]}});
    let wide = browser.open(&app.asks(&[("authorization_details", &access.to_string())])).await;
    assert_eq!(wide.error(&home), "invalid_authorization_details");
    // Signing out everywhere ends no app; a restart neither; removing the app ends it.
    let exported: Client = home.alice.clone();
    let lines = exported.get("/api/v1/me/export").await.unwrap().text;
    assert!(lines.contains("\"sign_in\"") && lines.contains(&app.id), "it is in one's own export");
    home.node.cli_ok(&["app", "remove", &app.id]).unwrap();
    assert_eq!(home.alice.get("/api/v1/sign-ins").await.unwrap().json, json!([]));
    assert_eq!(user_info(&home, tokens["access_token"].as_str().unwrap()).await.0, 401);
}
