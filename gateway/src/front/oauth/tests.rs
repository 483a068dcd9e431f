use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use data_encoding::BASE64URL_NOPAD;
use gateway_people::realm::Realm as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::form_urlencoded::Serializer;

use crate::directory::SETUP_SECONDS;
use crate::node::fake::{Answer, Fake, PASSWORD, REDIRECT, access, bearer, code_at};

const VERIFIER: &str = "a-verifier-that-is-long-enough-to-be-taken-0123";

pub(super) type Pairs = Vec<(String, String)>;

pub(super) fn encode<'a>(pairs: impl IntoIterator<Item = &'a (String, String)>) -> String {
    let mut form = Serializer::new(String::new());
    for (name, value) in pairs {
        form.append_pair(name, value);
    }
    form.finish()
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn set(pairs: &mut Pairs, name: &str, value: &str) {
    match pairs.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => value.clone_into(old),
        None => pairs.push((name.to_owned(), value.to_owned())),
    }
}

/// What a browser would send of the form on a page: hidden fields, ticked boxes, selected options.
pub(super) fn form(html: &str) -> Pairs {
    let plain = |text: &str| {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    };
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split_once(&format!(" {name}=\""))?.1;
        Some(plain(rest.split_once('"')?.0))
    };
    let (mut out, mut select) = (Vec::new(), String::new());
    for tag in html.split('<').filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag)) {
        let counts = tag.starts_with("input") && (!tag.contains("checkbox") || tag.contains("checked"));
        if let Some(name) = attribute(tag, "name").filter(|_| counts && !tag.contains("disabled")) {
            out.push((name, attribute(tag, "value").unwrap_or_default()));
        }
        if tag.starts_with("select") {
            select = attribute(tag, "name").unwrap_or_default();
        }
        if tag.starts_with("option") && tag.contains(" selected") {
            out.push((select.clone(), attribute(tag, "value").unwrap_or_default()));
        }
    }
    out
}

pub(super) fn request(client: &str) -> Pairs {
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(VERIFIER));
    pairs(&[
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", REDIRECT),
        ("state", "st&te"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("authorization_details", &access().to_string()),
    ])
}

/// A person's browser. No cookie of these pages opens anything: they set but the one by which a browser is known.
pub(super) struct Browser {
    pub(super) node: Arc<Fake>,
}

impl Browser {
    pub(super) fn of(node: &Arc<Fake>) -> Browser {
        Browser { node: Arc::clone(node) }
    }

    pub(super) async fn send(&self, request: TestRequest) -> Answer {
        let answer = self.node.call(request).await;
        assert!(answer.cookies().iter().all(|cookie| cookie.contains("-known-")), "{:?}", answer.cookies());
        answer
    }

    pub(super) async fn get(&self, pairs: &Pairs) -> Answer {
        self.send(TestRequest::get().uri(&format!("/oauth/authorize?{}", encode(pairs)))).await
    }

    pub(super) async fn post(&self, pairs: &Pairs) -> Answer {
        self.send(posted("/oauth/authorize", pairs)).await
    }

    /// Signs in; the consent page.
    pub(super) async fn consent(&self, request: &Pairs) -> Answer {
        let page = self.get(request).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let mut fields = form(&page.text);
        set(&mut fields, "user", "alice");
        set(&mut fields, "password", PASSWORD);
        let page = self.post(&fields).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        page
    }

    /// Looks at what is chosen, and allows it.
    pub(super) async fn allows(&self, fields: &Pairs) -> Answer {
        let mut chosen = fields.clone();
        set(&mut chosen, "decision", "look");
        let page = self.post(&chosen).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let shown = form(&page.text).into_iter().find(|(name, _)| name == "shown");
        set(&mut chosen, "shown", &shown.unwrap_or_else(|| panic!("{}", page.text)).1);
        set(&mut chosen, "decision", "allow");
        self.post(&chosen).await
    }

    pub(super) async fn code(&self, client: &str) -> String {
        let page = self.consent(&request(client)).await;
        let mut fields = form(&page.text);
        set(&mut fields, "decision", "allow");
        redirected(&self.post(&fields).await, "code").expect("a code")
    }
}

pub(super) fn posted(path: &str, pairs: &Pairs) -> TestRequest {
    let form = "application/x-www-form-urlencoded";
    TestRequest::post().uri(path).insert_header(("content-type", form)).set_payload(encode(pairs))
}

/// A parameter of the redirect to the app, which always names us and returns the state.
pub(super) fn redirected(answer: &Answer, name: &str) -> Option<String> {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let to = url::Url::parse(answer.header("location")).unwrap();
    assert!(to.as_str().starts_with(REDIRECT), "{to}");
    let get = |name: &str| to.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert_eq!((get("state").unwrap(), get("iss").unwrap()), ("st&te".into(), "http://127.0.0.1:8420".into()));
    get(name)
}

pub(super) async fn token(node: &Arc<Fake>, changes: &[(&str, &str)]) -> Answer {
    let mut fields =
        pairs(&[("grant_type", "authorization_code"), ("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)]);
    for (name, value) in changes {
        set(&mut fields, name, value);
    }
    node.call(posted("/oauth/token", &fields)).await
}

pub(super) async fn public_app() -> (Arc<Fake>, String) {
    let (node, _) = Fake::set_up().await;
    let client = node.app(access(), false).await["client_id"].as_str().unwrap().to_owned();
    (node, client)
}

async fn alive(node: &Arc<Fake>, access_token: &Value) -> bool {
    // An app is refused by name where it is known, as nobody where it is not.
    let request = bearer(TestRequest::get().uri("/api/v1/grants"), access_token.as_str().unwrap());
    node.call(request).await.code() == "not_for_apps"
}

#[actix_web::test]
async fn a_person_consents_and_the_app_gets_what_was_shown() {
    let (node, client) = public_app().await;
    let browser = Browser::of(&node);
    let page = browser.consent(&request(&client)).await;
    assert!(page.text.contains("An &lt;App&gt;") && !page.text.contains("<App>"));
    assert_eq!(page.text.matches("<script").count(), 1);
    assert!(page.text.contains("<script src=\"/oauth/consent.js\" defer></script>"), "{}", page.text);
    assert!(
        page.text.contains("Read and search by name in"),
        "what the app can do without is not ticked: {}",
        page.text
    );
    assert!(page.text.contains("To call.") && !page.text.contains("value=\"notes\""), "{}", page.text);
    let policy = page.header("content-security-policy");
    assert_eq!(
        policy,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self' http://127.0.0.1:9; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    assert_eq!((page.header("x-frame-options"), page.header("cache-control")), ("DENY", "no-store"));
    let mut fields = form(&page.text);
    fields.push(("field-0".into(), "phone".into()));
    set(&mut fields, "decision", "look");
    let looked = browser.post(&fields).await;
    assert_eq!(looked.status, StatusCode::OK, "{}", looked.text);
    assert!(looked.text.contains("Read and search by phone and name"), "{}", looked.text);
    assert!(looked.text.contains("<td>&lt;phone&gt;</td><td>&lt;name&gt;</td>"), "{}", looked.text);
    assert!(
        page.text.contains("<td>&lt;name&gt;</td>") && !page.text.contains("<td>&lt;phone&gt;</td>"),
        "{}",
        page.text
    );
    assert!(node.records.lock().is_empty(), "whoever looks gives nothing");
    let mut fields = form(&looked.text);
    set(&mut fields, "decision", "allow");
    let code = redirected(&browser.post(&fields).await, "code").unwrap();
    let answer = token(&node, &[("client_id", &client), ("code", &code)]).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"), "{}", answer.text);
    let tokens = answer.json();
    assert_eq!(tokens["authorization_details"][0]["fields"]["allow"], json!(["phone", "name"]));
    assert_eq!(tokens["authorization_details"][0]["duration"], "P30D");
    assert!(alive(&node, &tokens["access_token"]).await);
    // Each consent asks for the password: nothing else in the browser stands for the person.
    let again = browser.get(&request(&client)).await;
    assert!(!again.text.contains("name=\"decision\"") && again.text.contains("type=\"password\""));
    assert!(!again.text.contains("personal space") && !again.text.contains("alice"), "{}", again.text);
}

#[actix_web::test]
async fn a_denial_goes_back_to_the_app_and_gives_nothing() {
    let (node, client) = public_app().await;
    let browser = Browser::of(&node);
    let page = browser.consent(&request(&client)).await;
    let mut fields = form(&page.text);
    set(&mut fields, "decision", "deny");
    assert_eq!(redirected(&browser.post(&fields).await, "error").unwrap(), "access_denied");
    assert!(node.records.lock().is_empty());
    set(&mut fields, "decision", "switch");
    let other = browser.post(&fields).await;
    assert!(other.status == StatusCode::OK && other.text.contains("type=\"password\""), "{}", other.text);
}

#[actix_web::test]
async fn requests_that_do_not_fit_their_app_never_reach_a_redirect() {
    let (node, client) = public_app().await;
    let browser = Browser::of(&node);
    for uri in
        ["http://127.0.0.1:9/cb/", "http://127.0.0.1:9/cb?x", "http://127.0.0.1:9/CB", "https://evil.example/", ""]
    {
        let mut odd = request(&client);
        set(&mut odd, "redirect_uri", uri);
        let page = browser.get(&odd).await;
        assert_eq!((page.status, page.header("location")), (StatusCode::BAD_REQUEST, ""), "{uri}");
    }
    let mut twice = request(&client);
    twice.push(("redirect_uri".into(), "https://evil.example/".into()));
    assert_eq!(browser.get(&twice).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.get(&request(&"00".repeat(16))).await.status, StatusCode::BAD_REQUEST);
    let wide =
        json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["delete"], "fields": {"allow": ["name"]}});
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("request_uri", "https://evil.example/r", "request_uri_not_supported"),
        ("authorization_details", "{", "invalid_authorization_details"),
        ("authorization_details", &wide.to_string(), "invalid_authorization_details"),
    ] {
        let mut odd = request(&client);
        set(&mut odd, name, value);
        assert_eq!(redirected(&browser.get(&odd).await, "error").as_deref(), Some(error), "{name}={value}");
    }
    assert_eq!(browser.get(&request(&client)).await.status, StatusCode::OK, "control");
}

#[actix_web::test]
async fn a_code_needs_its_app_its_address_and_its_verifier_and_is_good_once() {
    let (node, client) = public_app().await;
    let other = node.app(access(), false).await["client_id"].as_str().unwrap().to_owned();
    let browser = Browser::of(&node);
    for (name, value) in [
        ("code_verifier", "another-verifier-that-is-long-enough-0123456789"),
        ("code_verifier", "short"),
        ("redirect_uri", "http://127.0.0.1:9/other"),
        ("client_id", other.as_str()),
        ("code", "no such code"),
    ] {
        let code = browser.code(&client).await;
        let mut changes = vec![("client_id", client.as_str()), ("code", code.as_str())];
        changes.retain(|(known, _)| *known != name);
        changes.push((name, value));
        let refused = token(&node, &changes).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_grant")),
            "{name}"
        );
    }
    let late = browser.code(&client).await;
    node.pass(61);
    assert_eq!(token(&node, &[("client_id", &client), ("code", &late)]).await.json()["error"], "invalid_grant");
    let code = browser.code(&client).await;
    let given = token(&node, &[("client_id", &client), ("code", &code)]).await.json();
    assert!(alive(&node, &given["access_token"]).await);
    let (grants, epoch) = (node.records.lock().len(), node.epoch());
    assert_eq!(token(&node, &[("client_id", &client), ("code", &code)]).await.json()["error"], "invalid_grant");
    assert!(!alive(&node, &given["access_token"]).await, "what a stolen code gave is gone");
    assert_eq!(node.records.lock().len(), grants - 1);
    assert!(node.epoch() > epoch);
}

#[actix_web::test]
async fn a_refresh_token_used_twice_ends_the_family() {
    let (node, client) = public_app().await;
    let code = Browser::of(&node).code(&client).await;
    let first = token(&node, &[("client_id", &client), ("code", &code)]).await.json();
    let refresh = async |tokens: &Value| {
        let text = tokens["refresh_token"].as_str().unwrap();
        token(&node, &[("client_id", &client), ("grant_type", "refresh_token"), ("refresh_token", text)]).await.json()
    };
    let second = refresh(&first).await;
    assert!(alive(&node, &second["access_token"]).await, "{second}");
    let again = refresh(&first).await;
    assert_eq!(again["refresh_token"], second["refresh_token"], "asked for twice at once");
    assert!(alive(&node, &again["access_token"]).await && alive(&node, &second["access_token"]).await);
    node.pass(11);
    let epoch = node.epoch();
    assert_eq!(refresh(&first).await["error"], "invalid_grant");
    assert!(node.epoch() > epoch);
    assert!(!alive(&node, &first["access_token"]).await && !alive(&node, &second["access_token"]).await);
    assert_eq!(refresh(&second).await["error"], "invalid_grant");
}

#[actix_web::test]
async fn forms_of_other_pages_sessions_and_sites_are_refused() {
    let (node, client) = public_app().await;
    let browser = Browser::of(&node);
    let page = browser.get(&request(&client)).await;
    let mut sign_in = form(&page.text);
    set(&mut sign_in, "user", "alice");
    set(&mut sign_in, "password", PASSWORD);
    for (header, value) in [("origin", "http://127.0.0.1:19999"), ("sec-fetch-site", "same-site")] {
        let foreign = posted("/oauth/authorize", &sign_in).insert_header((header, value));
        assert_eq!(browser.send(foreign).await.status, StatusCode::FORBIDDEN, "nobody signs others in: {header}");
    }
    let page = browser.consent(&request(&client)).await;
    let mut fields = form(&page.text);
    set(&mut fields, "decision", "allow");
    node.operator_post("/api/v1/users", json!({"name": "bob", "password": "another long password"})).await;
    let bob = node.directory().user_named("bob").await.unwrap().unwrap().id.to_string();
    for (name, value) in [
        ("proof", ""),
        ("proof", "AAAA"),
        ("signed-user", &bob),
        ("signed-user", ""),
        ("signed-at", "0"),
        ("signed-at", "9223372036854775807"),
        ("signed-at", "-9223372036854775808"),
    ] {
        let mut odd = fields.clone();
        set(&mut odd, name, value);
        assert_eq!(browser.post(&odd).await.status, StatusCode::FORBIDDEN, "{name} {value}");
    }
    let mut other = fields.clone();
    let mut wider = request(&client);
    set(&mut wider, "state", "another");
    set(&mut other, "request", &encode(&wider));
    assert_eq!(browser.post(&other).await.status, StatusCode::FORBIDDEN, "the proof is for the request that was shown");
    let mut cookie = fields.clone();
    cookie.retain(|(name, _)| !matches!(name.as_str(), "proof" | "signed-user" | "signed-at"));
    let session = node.page_sign_in("alice", PASSWORD).await;
    let by_cookie = posted("/oauth/authorize", &cookie).insert_header(("cookie", session.cookies().remove(0)));
    assert_eq!(browser.send(by_cookie).await.status, StatusCode::FORBIDDEN, "a cookie consents to nothing");
    for (header, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:9"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let foreign = posted("/oauth/authorize", &fields).insert_header((header, value));
        assert_eq!(browser.send(foreign).await.status, StatusCode::FORBIDDEN, "{header}: {value}");
    }
    assert!(node.records.lock().is_empty());
    let own = posted("/oauth/authorize", &fields).insert_header(("origin", "http://127.0.0.1:8420"));
    assert!(redirected(&browser.send(own).await, "code").is_some(), "control");
    node.pass(901);
    assert_eq!(browser.post(&fields).await.status, StatusCode::FORBIDDEN, "a password is not good for ever");
}

#[actix_web::test]
async fn a_confidential_app_proves_itself_and_may_ask_about_its_own_tokens() {
    let (node, public) = public_app().await;
    let app = node.app(access(), true).await;
    let (client, secret) = (app["client_id"].as_str().unwrap(), app["client_secret"].as_str().unwrap());
    let browser = Browser::of(&node);
    let code = browser.code(client).await;
    for changes in [vec![], vec![("client_secret", "wrong")]] {
        let mut changes = changes;
        changes.extend([("client_id", client), ("code", code.as_str())]);
        let refused = token(&node, &changes).await;
        assert_eq!((refused.status, &refused.json()["error"]), (StatusCode::UNAUTHORIZED, &json!("invalid_client")));
        assert!(refused.header("www-authenticate").starts_with("Basic"));
    }
    let given = token(&node, &[("client_id", client), ("client_secret", secret), ("code", &code)]).await.json();
    let text = given["access_token"].as_str().unwrap();
    let ask = async |path: &str, text: &str| {
        let basic = data_encoding::BASE64.encode(format!("{client}:{secret}").as_bytes());
        let request = posted(path, &pairs(&[("token", text)]));
        node.call(request.insert_header(("authorization", format!("Basic {basic}")))).await
    };
    let about = ask("/oauth/introspect", text).await.json();
    assert_eq!((&about["active"], &about["client_id"]), (&json!(true), &json!(client)), "{about}");
    assert_eq!(about["authorization_details"], given["authorization_details"]);
    assert!(about.get("sub").is_none(), "it did not ask who they are: {about}");
    let code = browser.code(&public).await;
    let foreign = token(&node, &[("client_id", &public), ("code", &code)]).await.json();
    let session = node.sign_in("alice", PASSWORD).await.json();
    for other in [&foreign["access_token"], &session["access_token"], &json!("nothing")] {
        let text = other.as_str().unwrap();
        assert_eq!(ask("/oauth/introspect", text).await.json(), json!({"active": false}));
        assert_eq!(ask("/oauth/revoke", text).await.status, StatusCode::OK);
    }
    assert!(alive(&node, &foreign["access_token"]).await, "an app cannot end another's tokens");
    let by_public = posted("/oauth/introspect", &pairs(&[("client_id", &public), ("token", text)]));
    assert_eq!(node.call(by_public).await.json()["error"], "invalid_client");
    let epoch = node.epoch();
    assert_eq!(ask("/oauth/revoke", given["refresh_token"].as_str().unwrap()).await.status, StatusCode::OK);
    assert!(node.epoch() > epoch);
    assert!(!alive(&node, &given["access_token"]).await);
    assert_eq!(ask("/oauth/introspect", text).await.json(), json!({"active": false}));
}

#[actix_web::test]
async fn the_page_of_an_invite_sets_a_password_once() {
    let (node, _) = Fake::set_up().await;
    let added = node.operator_post("/api/v1/users", json!({ "name": "bob" })).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    let minted = node.operator_post("/api/v1/users/bob/token", json!({ "ttl_s": 600 })).await.json();
    let path = "/api/v1/users/bob/invite";
    let by_bob = bearer(TestRequest::post().uri(path), minted["access_token"].as_str().unwrap());
    assert_eq!(node.call(by_bob).await.code(), "operator_only");
    assert_eq!(node.operator_post("/api/v1/users/eve/invite", json!({})).await.code(), "unknown_user");
    let made = node.operator_post(path, json!({})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let link = made.json()["link"].as_str().unwrap().strip_prefix("http://127.0.0.1:8420").unwrap().to_owned();
    let show = async |path: &str| node.call(TestRequest::get().uri(path)).await;
    for bad in ["/invite", "/invite?token=x", "/invite?token=x&token=y"] {
        assert_eq!(show(bad).await.status, StatusCode::NOT_FOUND, "{bad}");
    }
    let page = show(&link).await;
    assert!(page.status == StatusCode::OK && page.text.contains("value=\"bob\"") && !page.text.contains("<script"));
    let mut fields = form(&page.text);
    let post = async |fields: &Pairs| node.call(posted("/invite", fields)).await;
    for (password, again) in [("another long password", "something else"), ("short", "short"), ("bobbobbob", "")] {
        set(&mut fields, "password", password);
        set(&mut fields, "password-again", again);
        let refused = post(&fields).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{password}");
        assert!(refused.text.contains("role=\"alert\"") && !refused.text.contains(password), "{}", refused.text);
    }
    set(&mut fields, "password", "another long password");
    set(&mut fields, "password-again", "another long password");
    let foreign = posted("/invite", &fields).insert_header(("origin", "https://evil.example"));
    assert_eq!(node.call(foreign).await.status, StatusCode::FORBIDDEN);
    assert_eq!(node.sign_in("bob", "another long password").await.status, StatusCode::UNAUTHORIZED, "control");
    let done = post(&fields).await;
    assert!(done.status == StatusCode::OK && done.cookies().is_empty(), "{}", done.text);
    assert_eq!(post(&fields).await.status, StatusCode::NOT_FOUND, "once");
    assert_eq!(show(&link).await.status, StatusCode::NOT_FOUND);
    assert_eq!(node.sign_in("bob", "another long password").await.status, StatusCode::OK);
}

#[actix_web::test]
async fn the_page_asks_for_a_second_factor_where_there_is_one() {
    let (node, client) = public_app().await;
    let alice = node.directory().user_named("alice").await.unwrap().unwrap();
    let secret = node.directory().begin_totp(&alice, node.now()).await.unwrap().unwrap().secret;
    let browser = Browser::of(&node);
    let page = browser.consent(&request(&client)).await;
    assert!(!page.text.contains("one-time-code"), "control: it does not count yet");
    let before = form(&page.text);
    let code = |at| code_at(&secret, at);
    node.directory().confirm_totp(&alice, &code(node.now()), node.now()).await.unwrap().expect("the code is right");
    let mut decided = before.clone();
    set(&mut decided, "decision", "allow");
    assert_ne!(browser.post(&decided).await.status, StatusCode::SEE_OTHER, "what the password alone opened is over");
    let mut fields = form(&browser.get(&request(&client)).await.text);
    set(&mut fields, "user", "alice");
    set(&mut fields, "password", "a wrong password");
    assert!(!browser.post(&fields).await.text.contains("one-time-code"), "nobody is told who has one");
    set(&mut fields, "password", PASSWORD);
    let asked = browser.post(&fields).await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    assert!(asked.text.contains("one-time-code") && asked.text.contains("value=\"alice\""), "{}", asked.text);
    assert!(!asked.text.contains(PASSWORD), "{}", asked.text);
    let mut german = form(&asked.text);
    set(&mut german, "lang", "de");
    let german = node.call(posted("/oauth/authorize", &german)).await;
    assert!(german.text.contains("one-time-code") && german.text.contains("lang=\"de\""), "{}", german.text);
    let mut fields = form(&asked.text);
    set(&mut fields, "password", PASSWORD);
    set(&mut fields, "code", &code(node.now()));
    let used = browser.post(&fields).await;
    assert!(used.status == StatusCode::UNAUTHORIZED && used.text.contains("one-time-code"), "{}", used.text);
    node.pass(30);
    set(&mut fields, "code", &code(node.now()));
    let page = browser.post(&fields).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let mut fields = form(&page.text);
    set(&mut fields, "decision", "allow");
    assert!(redirected(&browser.post(&fields).await, "code").is_some());
}

#[actix_web::test]
async fn the_setup_page_works_once_and_for_its_link_only() {
    let node = Fake::fresh().await;
    let link = node.directory().begin_setup(node.now()).await.unwrap().unwrap();
    let newer = node.directory().begin_setup(node.now()).await.unwrap().unwrap();
    let show = async |token: &str| node.call(TestRequest::get().uri(&format!("/setup?token={token}"))).await;
    assert_eq!(show(link.text()).await.status, StatusCode::NOT_FOUND, "a newer start has a newer link");
    assert_eq!(show("").await.status, StatusCode::NOT_FOUND);
    let page = show(newer.text()).await;
    assert!(page.status == StatusCode::OK && page.text.contains("<form") && !page.text.contains("<script"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let mut fields = form(&page.text);
    for (name, value) in [("user", "alice"), ("tenant", "home"), ("password", PASSWORD), ("password-again", PASSWORD)] {
        set(&mut fields, name, value);
    }
    let post = async |fields: &Pairs| node.call(posted("/setup", fields)).await;
    let mut odd = fields.clone();
    set(&mut odd, "password-again", "something else");
    assert_eq!(post(&odd).await.status, StatusCode::BAD_REQUEST);
    set(&mut odd, "token", "a guess");
    assert_eq!(post(&odd).await.status, StatusCode::NOT_FOUND);
    let foreign = posted("/setup", &fields).insert_header(("origin", "https://evil.example"));
    assert_eq!(node.call(foreign).await.status, StatusCode::FORBIDDEN);
    assert_eq!(node.directory().owner(), None);
    let done = post(&fields).await;
    assert!(done.status == StatusCode::OK && done.cookies().is_empty(), "{}", done.text);
    assert!(node.directory().owner().is_some());
    assert_eq!(post(&fields).await.status, StatusCode::NOT_FOUND);
    assert_eq!(show(newer.text()).await.status, StatusCode::NOT_FOUND);
    assert!(node.directory().begin_setup(node.now()).await.unwrap().is_none());
    assert_eq!(node.sign_in("alice", PASSWORD).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_setup_link_is_good_for_half_an_hour() {
    let node = Fake::fresh().await;
    let begin = async || node.directory().begin_setup(node.now()).await.unwrap().unwrap();
    let fields = |token: &str| {
        pairs(&[
            ("token", token),
            ("user", "alice"),
            ("tenant", "home"),
            ("password", PASSWORD),
            ("password-again", PASSWORD),
        ])
    };
    let post = async |token: &str| node.call(posted("/setup", &fields(token))).await.status;
    let show = async |token: &str| node.call(TestRequest::get().uri(&format!("/setup?token={token}"))).await.status;
    let lapsed = begin().await;
    node.pass(SETUP_SECONDS - 1);
    assert_eq!(show(lapsed.text()).await, StatusCode::OK, "control: a second before");
    node.pass(1);
    assert_eq!((show(lapsed.text()).await, post(lapsed.text()).await), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    assert_eq!(node.directory().owner(), None);
    let fresh = begin().await;
    assert_eq!(post(lapsed.text()).await, StatusCode::NOT_FOUND, "a newer link does not revive it");
    assert_eq!(post(fresh.text()).await, StatusCode::OK);
    assert!(node.directory().owner().is_some());
}

#[actix_web::test]
async fn a_new_setup_link_is_for_whoever_holds_the_machine() {
    let node = Fake::fresh().await;
    let path = "/api/v1/setup-link";
    let ask = async || node.operator_post(path, json!({})).await;
    let token = |answer: &Answer| answer.json()["url"].as_str().unwrap().split_once("token=").unwrap().1.to_owned();
    let show = async |token: &str| node.call(TestRequest::get().uri(&format!("/setup?token={token}"))).await.status;
    let (first, second) = (token(&ask().await), token(&ask().await));
    assert_eq!(first.len(), 43, "256 bits");
    assert_eq!((show(&first).await, show(&second).await), (StatusCode::NOT_FOUND, StatusCode::OK));
    let elsewhere = Fake::local(TestRequest::post().uri(path)).insert_header(("x-forwarded-for", "10.0.0.1"));
    for stranger in [TestRequest::post().uri(path), bearer(TestRequest::post().uri(path), &second), elsewhere] {
        assert_eq!(node.call(stranger).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(show(&second).await, StatusCode::OK, "control: nobody's asking ended it");
    let (owned, _) = Fake::set_up().await;
    assert_eq!(owned.operator_post(path, json!({})).await.code(), "already_set_up");
}

#[actix_web::test]
async fn metadata_names_what_is_there() {
    let (node, _) = Fake::set_up().await;
    let answer = node.call(TestRequest::get().uri("/.well-known/oauth-authorization-server")).await.json();
    assert_eq!(
        (&answer["issuer"], &answer["code_challenge_methods_supported"]),
        (&json!(node.url()), &json!(["S256"]))
    );
    for key in ["authorization_endpoint", "token_endpoint", "introspection_endpoint", "revocation_endpoint"] {
        let path = answer[key].as_str().unwrap().strip_prefix(&node.url()).unwrap().to_owned();
        assert_ne!(node.call(TestRequest::post().uri(&path)).await.status, StatusCode::NOT_FOUND, "{key}");
    }
    let sheet = node.call(TestRequest::get().uri("/oauth/style.css")).await;
    assert!(sheet.header("content-type").starts_with("text/css") && sheet.text.contains("main"));
}

#[actix_web::test]
async fn no_app_is_answered_at_the_name_of_the_pages() {
    let (node, _) = Fake::set_up().await;
    let manifest = json!({ "name": "Near", "redirect_uris": ["http://allod.localhost:1/cb"], "access": access() });
    assert_eq!(node.operator_post("/api/v1/apps", manifest).await.code(), "redirect_to_pages", "and not malformed");
    for uri in ["https://allod.localhost:19999/cb", "https://ALLOD.localhost./cb", "https://x.allod.localhost/cb"]
        .into_iter()
        .chain(["http://127.0.0.1:8420/cb", "http://[::1]:8420/oauth/authorize"])
    {
        let manifest = json!({ "name": "Near", "redirect_uris": [REDIRECT, uri], "access": access() });
        let refused = node.operator_post("/api/v1/apps", manifest.clone()).await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::BAD_REQUEST, "redirect_to_pages"), "{uri}");
        // One that was registered when that was taken is refused where it asks.
        let manifest = crate::grants::Manifest::parse(&manifest).unwrap();
        let (client, _) = node.directory().add_app(&manifest, node.now()).await.unwrap();
        let mut asked = request(&client.to_string());
        assert_eq!(Browser::of(&node).get(&asked).await.status, StatusCode::OK, "control");
        set(&mut asked, "redirect_uri", uri);
        let page = Browser::of(&node).get(&asked).await;
        assert_eq!((page.status, page.header("location")), (StatusCode::BAD_REQUEST, ""), "{uri}");
    }
}
