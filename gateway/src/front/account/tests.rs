use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use gateway_people::realm::Realm as _;
use serde_json::{Value, json};

use super::Owner;
use crate::authn::Principal;
use crate::directory::DirectoryError;
use crate::node::fake::{ALICE, Fake, LOCAL, PASSWORD, access, bearer, code_at};

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}")).to_owned()
}

#[actix_web::test]
async fn a_node_is_set_up_once() {
    let node = Fake::fresh().await;
    let nobody = node.call(get("/api/v1/audit")).await;
    assert_eq!((nobody.status, nobody.code().as_str()), (StatusCode::UNAUTHORIZED, "not_set_up"));
    let local = node.call(Fake::local(get("/api/v1/users"))).await;
    assert_eq!(local.status, StatusCode::UNAUTHORIZED, "not even the operator, for there is nobody to act as");
    assert_eq!(super::setup(&*node, Owner { password: "short", ..ALICE }).await.unwrap_err().code, "unfit");
    let made = super::setup(&*node, ALICE).await.unwrap();
    assert_eq!(node.directory().owner(), Some(made.user));
    assert_eq!(super::setup(&*node, Owner { user: "eve", ..ALICE }).await.unwrap_err().code, "already_set_up");
    assert_eq!(node.call(Fake::local(get("/api/v1/users"))).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn sessions_begin_by_password_and_end_when_asked() {
    let (node, _) = Fake::set_up().await;
    for (user, password) in [("alice", "wrong password"), ("nobody", PASSWORD), ("", "")] {
        assert_eq!(node.sign_in(user, password).await.code(), "wrong_password");
    }
    let answer = node.sign_in("alice", PASSWORD).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
    assert!(text(&answer.json(), "expires").ends_with('Z'));
    assert!(answer.cookies().is_empty(), "a bearer is never a cookie");
    let first = text(&answer.json(), "access_token");
    let second = text(&node.sign_in("alice", PASSWORD).await.json(), "access_token");
    let third = text(&node.sign_in("alice", PASSWORD).await.json(), "access_token");
    let audit = async |token: &str| node.call(bearer(get("/api/v1/audit"), token)).await.status;
    assert_eq!(audit(&first).await, StatusCode::OK);
    let epoch = node.epoch();
    let gone = node.call(bearer(TestRequest::delete().uri("/api/v1/session"), &first)).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert!(node.epoch() > epoch, "a permit minted under the session is refused from here on");
    assert_eq!(audit(&first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(audit(&second).await, StatusCode::OK, "control");
    let epoch = node.epoch();
    let all = node.call(bearer(TestRequest::delete().uri("/api/v1/sessions"), &second)).await;
    assert_eq!(all.json(), json!({"ended": 2}));
    assert!(node.epoch() > epoch);
    for token in [&second, &third] {
        assert_eq!(audit(token).await, StatusCode::UNAUTHORIZED);
    }
    let fresh = text(&node.sign_in("alice", PASSWORD).await.json(), "access_token");
    assert_eq!(audit(&fresh).await, StatusCode::OK);
    node.pass(8 * 86_400);
    let lapsed = node.call(bearer(get("/api/v1/audit"), &fresh)).await;
    assert_eq!((lapsed.status, lapsed.code().as_str()), (StatusCode::UNAUTHORIZED, "invalid_token"));
    // Where a client learns who issues tokens (RFC 9728).
    let named = r#"resource_metadata="http://127.0.0.1:8420/.well-known/oauth-protected-resource""#;
    assert_eq!(lapsed.header("www-authenticate"), format!(r#"Bearer error="invalid_token", {named}"#));
    assert_eq!(node.call(get("/api/v1/audit")).await.header("www-authenticate"), format!("Bearer {named}"));
}

#[actix_web::test]
async fn a_person_sees_their_sessions_and_ends_one_or_the_others() {
    let (node, _) = Fake::set_up().await;
    node.operator_post("/api/v1/users", json!({"name": "bob", "password": "another long password"})).await;
    let from = |agent: &'static str, name: &str, password: &str| {
        let body = json!({ "user": name, "password": password });
        let request = TestRequest::post().uri("/api/v1/session").insert_header(("user-agent", agent));
        node.call(request.peer_addr("192.0.2.7:5".parse().unwrap()).set_json(body))
    };
    let first = text(&from("curl/8.5.0", "alice", PASSWORD).await.json(), "access_token");
    node.pass(60);
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let second = text(&from(firefox, "alice", PASSWORD).await.json(), "access_token");
    let bob = text(&from("curl/8.5.0", "bob", "another long password").await.json(), "access_token");
    let list = async |token: &str| node.call(bearer(get("/api/v1/sessions"), token)).await.json();
    let seen = list(&first).await;
    let own = seen.as_array().unwrap().iter().find(|one| one["this"] == json!(true)).unwrap();
    assert_eq!((&own["by"], seen.as_array().unwrap().len()), (&Value::Null, 2), "what it was last used by: {seen}");
    let other = seen.as_array().unwrap().iter().find(|one| one["this"] == json!(false)).unwrap();
    assert_eq!((&other["by"], &other["from"]), (&json!("Firefox on Linux"), &json!("192.0.2.7")), "{seen}");
    assert!(own["last_used"].as_str() > own["begun"].as_str(), "it was used a minute later: {seen}");
    assert!(!seen.to_string().contains(&first) && !seen.to_string().contains(&second), "{seen}");
    let end = async |token: &str, id: &str| {
        node.call(bearer(TestRequest::delete().uri(&format!("/api/v1/sessions/{id}")), token)).await.status
    };
    let id = text(other, "session");
    assert_eq!(end(&bob, &id).await, StatusCode::NOT_FOUND, "another's");
    for none in ["", "x", &"0".repeat(32), &id.to_uppercase(), &first] {
        assert_eq!(end(&first, none).await, StatusCode::NOT_FOUND, "{none}");
    }
    assert_eq!(node.call(bearer(get("/api/v1/audit"), &second)).await.status, StatusCode::OK, "control");
    let epoch = node.epoch();
    assert_eq!(end(&first, &id).await, StatusCode::NO_CONTENT);
    assert!(node.epoch() > epoch);
    assert_eq!(node.call(bearer(get("/api/v1/audit"), &second)).await.status, StatusCode::UNAUTHORIZED);
    from(firefox, "alice", PASSWORD).await;
    let wrong = node.call(bearer(TestRequest::delete().uri("/api/v1/sessions?other=true"), &first)).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "a word that is mistyped does not end them all");
    let others = node.call(bearer(TestRequest::delete().uri("/api/v1/sessions?others=true"), &first)).await;
    assert_eq!(others.json(), json!({"ended": 1}));
    assert_eq!(list(&first).await.as_array().unwrap().len(), 1, "control: whoever asked stays");
    assert_eq!(list(&bob).await.as_array().unwrap().len(), 1, "control: nobody else's");
    node.pass(86_400);
    assert_eq!(node.call(bearer(get("/api/v1/sessions"), &first)).await.status, StatusCode::UNAUTHORIZED, "unused");
}

#[actix_web::test]
async fn a_cookie_lasts_as_long_as_its_session_can() {
    let (node, _) = Fake::set_up().await;
    node.directory().keep_sessions(crate::directory::Lifetimes { idle: 600, absolute: 3_600 });
    let page = node.page_sign_in("alice", PASSWORD).await;
    assert!(page.header("set-cookie").contains("Max-Age=3600"), "{}", page.header("set-cookie"));
    let token = text(&node.sign_in("alice", PASSWORD).await.json(), "access_token");
    for _ in 0..6 {
        assert_eq!(node.call(bearer(get("/api/v1/audit"), &token)).await.status, StatusCode::OK, "it is used");
        node.pass(599);
    }
    node.pass(6);
    assert_eq!(node.call(bearer(get("/api/v1/audit"), &token)).await.code(), "invalid_token", "however much");
}

#[actix_web::test]
async fn another_site_cannot_sign_anyone_in() {
    let (node, _) = Fake::set_up().await;
    let body = json!({"user": "alice", "password": PASSWORD});
    let post = || TestRequest::post().uri("/api/v1/session");
    let plain = post().insert_header(("content-type", "text/plain")).set_payload(body.to_string());
    assert_eq!(node.call(plain).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let cross = post().insert_header(("sec-fetch-site", "cross-site")).set_json(body.clone());
    assert_eq!(node.call(cross).await.code(), "cross_site");
    let own = post().insert_header(("sec-fetch-site", "same-origin")).set_json(body);
    assert_eq!(node.call(own).await.status, StatusCode::OK, "control");
    for bad in [r#"{"user":"alice","user":"bob","password":"x"}"#, r#"{"user":"alice"}"#, "{", ""] {
        let request = post().insert_header(("content-type", "application/json")).set_payload(bad);
        assert_eq!(node.call(request).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[actix_web::test]
async fn a_cookie_and_a_page_key_count_together_and_neither_alone() {
    let (node, _) = Fake::set_up().await;
    let answer = node.page_sign_in("alice", PASSWORD).await;
    let set = answer.header("set-cookie").to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Path=/"), "{set}");
    assert_eq!(answer.json()["access_token"], Value::Null, "a page gets no bearer");
    let (cookie, key) = (answer.cookies().remove(0), text(&answer.json(), "page_key"));
    let (name, half) = cookie.split_once('=').unwrap();
    assert!(name.ends_with(&node.directory().node()[..8]), "nodes of one host do not overwrite each other's: {name}");
    let ask = async |cookies: &str, key: Option<&str>, site: Option<&str>| {
        let mut request = get("/api/v1/audit").insert_header(("cookie", cookies.to_owned()));
        for (header, value) in [("allod-page-key", key), ("sec-fetch-site", site)] {
            if let Some(value) = value {
                request = request.insert_header((header, value.to_owned()));
            }
        }
        node.call(request).await
    };
    let own = Some("same-origin");
    assert_eq!(ask(&cookie, Some(&key), own).await.status, StatusCode::OK, "control");
    assert_eq!(ask(&cookie, Some(&key), None).await.status, StatusCode::OK, "a browser that does not say who asks");
    for wrong in [None, Some(""), Some("guess"), Some(half)] {
        assert_eq!(ask(&cookie, wrong, own).await.status, StatusCode::UNAUTHORIZED, "{wrong:?}");
    }
    for site in ["cross-site", "same-site", "none", ""] {
        assert_eq!(ask(&cookie, Some(&key), Some(site)).await.code(), "cross_site", "{site}");
    }
    for bearer_text in [half, &key, &format!("{half}{key}")] {
        assert_eq!(node.call(bearer(get("/api/v1/audit"), bearer_text)).await.code(), "invalid_token");
    }
    // Another port of the host sets cookies of the same name, before ours and after: they neither count nor hinder.
    let theirs = node.page_sign_in("alice", PASSWORD).await.cookies().remove(0);
    assert_eq!(ask(&theirs, Some(&key), own).await.code(), "invalid_token", "another session's cookie");
    for cookies in
        [format!("{theirs}; {cookie}"), format!("{cookie}; {theirs}"), format!("{name}=; {name}=x; {cookie}")]
    {
        assert_eq!(ask(&cookies, Some(&key), own).await.status, StatusCode::OK, "{cookies}");
    }
    let flood = format!("{theirs}; ").repeat(500) + &cookie;
    assert_eq!(ask(&flood, Some(&key), own).await.code(), "invalid_token", "so many are not looked at");
    let basic = get("/api/v1/audit")
        .insert_header(("cookie", cookie.clone()))
        .insert_header(("allod-page-key", key.clone()))
        .insert_header(("authorization", "Basic YTpi"));
    assert_eq!(node.call(basic).await.code(), "invalid_token", "a credential of another kind is not passed over");
    let out = TestRequest::delete().uri("/api/v1/session").insert_header(("cookie", cookie.clone()));
    let refused = node.call(out).await;
    assert!(refused.status == StatusCode::UNAUTHORIZED && refused.cookies().is_empty());
    let out = TestRequest::delete().uri("/api/v1/session").insert_header(("cookie", cookie.clone()));
    let gone = node.call(out.insert_header(("allod-page-key", key.clone()))).await;
    assert!(gone.status == StatusCode::NO_CONTENT && gone.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(ask(&cookie, Some(&key), own).await.code(), "invalid_token");
}

#[actix_web::test]
async fn a_password_is_confirmed_for_five_minutes_of_one_session() {
    let (node, _) = Fake::set_up().await;
    let post = |token: &str, password: &str| {
        bearer(TestRequest::post().uri("/api/v1/session/confirm"), token).set_json(json!({ "password": password }))
    };
    let confirmed = async |token: &str| {
        let token = node.directory().token(token, node.now()).await.unwrap().unwrap();
        Principal::of_token(node.directory(), &token, node.now()).await.unwrap().confirmed(node.now()).is_ok()
    };
    let fresh = text(&node.sign_in("alice", PASSWORD).await.json(), "access_token");
    let minted = node.operator_post("/api/v1/users/alice/token", json!({"ttl_s": 3_600})).await;
    let minted = text(&minted.json(), "access_token");
    assert!(confirmed(&fresh).await && !confirmed(&minted).await);
    node.pass(300);
    assert!(!confirmed(&fresh).await, "five minutes are over");
    for wrong in ["", "wrong password", &fresh] {
        assert_eq!(node.call(post(&fresh, wrong)).await.code(), "wrong_password");
    }
    assert!(!confirmed(&fresh).await);
    let answer = node.call(post(&fresh, PASSWORD)).await;
    assert!(answer.status == StatusCode::OK && text(&answer.json(), "expires").ends_with('Z'), "{}", answer.text);
    assert!(confirmed(&fresh).await && !confirmed(&minted).await, "this session and no other");
    node.pass(299);
    assert!(confirmed(&fresh).await);
    node.pass(1);
    assert!(!confirmed(&fresh).await);
    assert_eq!(node.call(post("nobody's", PASSWORD)).await.code(), "invalid_token");
    node.operator_post("/api/v1/users", json!({"name": "bob", "password": "another long password"})).await;
    assert_eq!(node.call(post(&fresh, "another long password")).await.code(), "wrong_password", "another's password");
}

#[actix_web::test]
async fn a_second_factor_is_asked_for_and_is_taken_away_by_whom_it_is_or_by_the_operator() {
    let (node, _) = Fake::set_up().await;
    let session = text(&node.sign_in("alice", PASSWORD).await.json(), "access_token");
    let post = |path: &str, body: Value| bearer(TestRequest::post().uri(path), &session).set_json(body);
    let confirm = async |code: Value| {
        node.call(post("/api/v1/session/confirm", json!({ "password": PASSWORD, "totp": code }))).await
    };
    let begin = async || node.call(post("/api/v1/me/totp", json!({}))).await;
    let first = async |code: &str| node.call(post("/api/v1/me/totp/confirm", json!({ "code": code }))).await;
    let sign_in = async |code: Value| {
        let body = json!({ "user": "alice", "password": PASSWORD, "totp": code });
        node.call(TestRequest::post().uri("/api/v1/session").set_json(body)).await
    };
    node.pass(300);
    assert_eq!(begin().await.code(), "insufficient_user_authentication");
    assert_eq!(confirm(Value::Null).await.status, StatusCode::OK);
    let begun = begin().await;
    assert_eq!((begun.status, begun.header("cache-control")), (StatusCode::CREATED, "no-store"), "{}", begun.text);
    let replaced = text(&begun.json(), "secret");
    let secret = text(&begin().await.json(), "secret");
    let code = |secret: &str| code_at(secret, node.now());
    assert_eq!(first(&code(&replaced)).await.code(), "wrong_code", "another was begun since");
    assert_eq!(sign_in(Value::Null).await.status, StatusCode::OK, "control: it does not count yet");
    let counts = first(&code(&secret)).await;
    assert_eq!(counts.status, StatusCode::OK, "{}", counts.text);
    let recovery = counts.json()["recovery_codes"].as_array().unwrap().clone();
    assert_eq!(begin().await.code(), "exists");
    assert_eq!(sign_in(Value::Null).await.code(), "totp_needed");
    assert_eq!(sign_in(json!(code(&secret))).await.code(), "wrong_code", "it was used");
    node.pass(30);
    assert_eq!(sign_in(json!(code(&secret))).await.status, StatusCode::OK);
    // Whoever confirms gives both again.
    assert_eq!(confirm(Value::Null).await.code(), "totp_needed");
    assert_eq!(confirm(json!("000000")).await.code(), "wrong_code");
    assert_eq!(confirm(recovery[0].clone()).await.status, StatusCode::OK);
    assert_eq!(confirm(recovery[0].clone()).await.code(), "wrong_code", "once");
    let list = node.call(bearer(get("/api/v1/me/credentials"), &session)).await;
    assert!(!list.text.contains(&secret) && !list.text.contains("argon2"), "{}", list.text);
    let list = list.json();
    let of =
        |kind: &str| list.as_array().unwrap().iter().filter(|one| one["kind"] == kind).cloned().collect::<Vec<_>>();
    assert_eq!((of("password").len(), of("totp").len(), of("recovery_code").len()), (1, 1, recovery.len() - 1));
    let remove = async |one: &Value| {
        let path = format!("/api/v1/me/credentials/{}", text(one, "credential"));
        node.call(bearer(TestRequest::delete().uri(&path), &session)).await
    };
    assert_eq!(remove(&of("password")[0]).await.code(), "last_way_in");
    assert_eq!(remove(&of("recovery_code")[0]).await.status, StatusCode::NO_CONTENT);
    assert_eq!(remove(&of("recovery_code")[0]).await.status, StatusCode::NOT_FOUND);
    node.pass(300);
    assert_eq!(remove(&of("totp")[0]).await.code(), "insufficient_user_authentication");
    assert_eq!(sign_in(Value::Null).await.code(), "totp_needed", "control");
    let path = "/api/v1/users/alice/totp";
    assert_eq!(node.call(bearer(TestRequest::delete().uri(path), &session)).await.code(), "operator_only");
    assert_eq!(node.call(Fake::local(TestRequest::delete().uri(path))).await.status, StatusCode::NO_CONTENT);
    assert_eq!(sign_in(Value::Null).await.status, StatusCode::OK);
    let told = node.call(bearer(get("/api/v1/audit"), &session)).await.text;
    assert!(
        told.contains("credential.added") && told.contains("credential.removed") && !told.contains(&secret),
        "{told}"
    );
}

#[actix_web::test]
async fn the_local_token_counts_on_the_machine_only() {
    let (node, _) = Fake::set_up().await;
    assert_eq!(node.call(Fake::local(get("/api/v1/users"))).await.status, StatusCode::OK, "control");
    for header in ["Origin", "X-Forwarded-For", "Forwarded", "X-Real-IP"] {
        let request = Fake::local(get("/api/v1/users")).insert_header((header, "http://127.0.0.1:8420"));
        assert_eq!(node.call(request).await.code(), "invalid_token", "{header}");
    }
    let far = Fake::local(get("/api/v1/users")).peer_addr("192.168.1.7:5".parse().unwrap());
    assert_eq!(node.call(far).await.code(), "invalid_token");
    let wrong = bearer(get("/api/v1/users").peer_addr("127.0.0.1:5".parse().unwrap()), &LOCAL.replace("the", "The"));
    assert_eq!(node.call(wrong).await.code(), "invalid_token");
}

#[actix_web::test]
async fn tenants_and_users_are_the_operators() {
    let (node, made) = Fake::set_up().await;
    let minted =
        text(&node.operator_post("/api/v1/users/alice/token", json!({"ttl_s": 600})).await.json(), "access_token");
    let alice = text(&node.sign_in("alice", PASSWORD).await.json(), "access_token");
    for path in ["/api/v1/users", "/api/v1/tenants", "/api/v1/apps", "/api/v1/audit/all"] {
        assert_eq!(node.call(bearer(get(path), &minted)).await.code(), "operator_only", "no sign-in of hers: {path}");
        assert_eq!(node.call(bearer(get(path), &alice)).await.status, StatusCode::OK, "control {path}");
        assert_eq!(node.call(Fake::local(get(path))).await.status, StatusCode::OK, "control {path}");
    }
    assert_eq!(node.operator_post("/api/v1/tenants", json!({"name": "acme"})).await.status, StatusCode::CREATED);
    assert_eq!(node.operator_post("/api/v1/tenants", json!({"name": "acme"})).await.status, StatusCode::CONFLICT);
    assert!(node.call(Fake::local(get("/api/v1/tenants"))).await.text.contains("acme"));
    let new = |name: &str, tenant: Value| json!({"name": name, "password": "another long password", "tenant": tenant});
    let nowhere = node.operator_post("/api/v1/users", new("bob", json!("nowhere"))).await;
    assert_eq!((nowhere.status, nowhere.code().as_str()), (StatusCode::NOT_FOUND, "unknown_tenant"));
    let bob = node.operator_post("/api/v1/users", new("bob", Value::Null)).await;
    assert_eq!(bob.status, StatusCode::CREATED, "{}", bob.text);
    assert_eq!(bob.json()["tenant"], json!(made.tenant));
    assert_eq!(node.operator_post("/api/v1/users", new("bob", Value::Null)).await.status, StatusCode::CONFLICT);
    let carol = node.operator_post("/api/v1/users", new("carol", json!("acme"))).await;
    assert_ne!(carol.json()["tenant"], json!(made.tenant));
    let token = node.operator_post("/api/v1/users/bob/token", json!({"ttl_s": 60})).await;
    let token = text(&token.json(), "access_token");
    let slice = node.call(bearer(get("/api/v1/audit"), &token)).await;
    let first = &slice.json()[0];
    assert_eq!((&first["actor"], &first["action"]), (&json!("operator"), &json!("session.created")), "{}", slice.text);
    node.pass(61);
    assert_eq!(node.call(bearer(get("/api/v1/audit"), &token)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(node.operator_post("/api/v1/users/eve/token", json!({"ttl_s": 60})).await.status, StatusCode::NOT_FOUND);
    for ttl in [0, -1, i64::MAX] {
        let refused = node.operator_post("/api/v1/users/bob/token", json!({"ttl_s": ttl})).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{ttl}");
    }
    assert!(matches!(node.directory().can_add_user("BOB", Some(PASSWORD)).await, Err(DirectoryError::Taken(_))));
}

#[actix_web::test]
async fn a_grant_is_given_shown_used_and_taken_back() {
    let (node, made) = Fake::set_up().await;
    let app = node.app(access(), false).await;
    let client = text(&app, "client_id");
    let give = |access: Value| json!({"user": "alice", "client_id": client, "access": access});
    let given = node.operator_post("/api/v1/grants", give(access())).await;
    assert_eq!(given.status, StatusCode::CREATED, "{}", given.text);
    let given = given.json();
    assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(3_600)));
    assert_eq!(given["authorization_details"][0]["fields"]["allow"], json!(["phone", "name"]), "in the order asked");
    for (change, status, code) in [
        (json!({"egress": []}), StatusCode::BAD_REQUEST, "grant_key_unsupported"),
        (json!({"actions": ["read", "delete"]}), StatusCode::FORBIDDEN, "grant_outside_manifest"),
        (json!({"fields": {"allow": ["name", "notes"]}}), StatusCode::FORBIDDEN, "grant_outside_manifest"),
        (json!({"where": {"nothing": {"_eq": 1}}}), StatusCode::FORBIDDEN, "grant_outside_manifest"),
        (json!({"where": {"name": {"_eq": 1}}}), StatusCode::CONFLICT, "grant_schema_mismatch"),
        (json!({"fields": {}}), StatusCode::BAD_REQUEST, "grant_malformed"),
    ] {
        let mut odd = access()[0].clone();
        odd.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused = node.operator_post("/api/v1/grants", give(odd)).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{change}");
    }
    let unknown = json!({"user": "alice", "client_id": "00".repeat(16), "access": access()});
    assert_eq!(node.operator_post("/api/v1/grants", unknown).await.code(), "unknown_app");

    let (id, token) = (text(&given, "grant"), text(&given, "access_token"));
    let alice = text(&node.sign_in("alice", PASSWORD).await.json(), "access_token");
    let listed = node.call(bearer(get("/api/v1/grants"), &alice)).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["user"], &listed[0]["client_id"]), (&json!(made.user), &app["client_id"]));
    assert!(listed[0]["expires"].is_string() && listed[0]["last_used"].is_null(), "{listed}");
    let used = node.call(bearer(get("/api/v1/grants"), &token)).await;
    assert_eq!((used.status, used.code().as_str()), (StatusCode::FORBIDDEN, "not_for_apps"));
    let path = format!("/api/v1/grants/{id}");
    assert!(node.call(bearer(get(&path), &alice)).await.json()["last_used"].is_string());

    node.operator_post("/api/v1/users", json!({"name": "bob", "password": "another long password"})).await;
    let bob = text(&node.sign_in("bob", "another long password").await.json(), "access_token");
    assert_eq!(node.call(bearer(get("/api/v1/grants"), &bob)).await.json(), json!([]));
    for request in [get(&path), TestRequest::delete().uri(&path)] {
        assert_eq!(node.call(bearer(request, &bob)).await.status, StatusCode::NOT_FOUND, "another's");
    }
    let epoch = node.epoch();
    let revoked = node.call(bearer(TestRequest::delete().uri(&path), &alice)).await;
    assert_eq!(revoked.status, StatusCode::OK, "{}", revoked.text);
    assert!(node.epoch() > epoch);
    assert!(node.records.lock().is_empty());
    assert_eq!(node.call(bearer(get("/api/v1/grants"), &token)).await.code(), "invalid_token");
    assert_eq!(node.call(Fake::local(get(&path))).await.status, StatusCode::NOT_FOUND);
    let slice = node.call(bearer(get("/api/v1/audit"), &alice)).await.text;
    assert!(slice.contains("grant.created") && slice.contains("grant.revoked") && !slice.contains(&token), "{slice}");
}

#[actix_web::test]
async fn an_operator_changes_things_within_five_minutes_of_their_password() {
    let (node, made) = Fake::set_up().await;
    let page = node.page_sign_in("alice", PASSWORD).await;
    let (cookie, key) = (page.cookies()[0].clone(), text(&page.json(), "page_key"));
    let by_page = |request: TestRequest| {
        request.insert_header(("cookie", cookie.clone())).insert_header(("allod-page-key", key.clone()))
    };
    let me = node.call(by_page(get("/api/v1/me"))).await.json();
    assert_eq!((&me["user"], &me["operator"]), (&json!(made.user), &json!(true)));
    let add = |name: &str| TestRequest::post().uri("/api/v1/users").set_json(json!({ "name": name }));
    let alone = add("bob").insert_header(("cookie", cookie.clone()));
    assert_eq!(node.call(alone).await.code(), "cross_site", "what another port of the host can have");
    assert_eq!(node.call(by_page(add("bob"))).await.status, StatusCode::CREATED);
    let invited = node.call(by_page(TestRequest::post().uri("/api/v1/users/bob/invite"))).await;
    assert_eq!(invited.status, StatusCode::CREATED, "{}", invited.text);
    node.pass(301);
    let late = node.call(by_page(add("carol"))).await;
    assert_eq!((late.status, late.code().as_str()), (StatusCode::UNAUTHORIZED, "insufficient_user_authentication"));
    assert_eq!(node.call(by_page(get("/api/v1/users"))).await.status, StatusCode::OK, "control: looking is free");
    let again = TestRequest::post().uri("/api/v1/session/confirm").set_json(json!({ "password": PASSWORD }));
    assert_eq!(node.call(by_page(again)).await.status, StatusCode::OK);
    assert_eq!(node.call(by_page(add("carol"))).await.status, StatusCode::CREATED);
    let told = node.call(by_page(get("/api/v1/audit/all?user=carol&by=operator"))).await.json();
    assert_eq!(
        (&told[0]["actor"], &told[0]["actor_name"]),
        (&json!(format!("operator:{}", made.user)), &json!("alice")),
        "{told}"
    );
    assert_eq!(node.call(by_page(get("/api/v1/audit/all?user=carol&by=app"))).await.json(), json!([]));
    for wrong in ["by=god", "app=x", "limit=0", "cursor=x", "colour=red"] {
        let path = format!("/api/v1/audit/all?{wrong}");
        assert_eq!(node.call(by_page(get(&path))).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    // An operator who is one no more sees no more, in the same session.
    assert_eq!(
        node.call(Fake::local(TestRequest::put().uri("/api/v1/users/bob/operator"))).await.status,
        StatusCode::OK
    );
    let off = node.call(by_page(TestRequest::delete().uri("/api/v1/users/alice/operator"))).await;
    assert_eq!((off.status, &off.json()["operator"]), (StatusCode::OK, &json!(false)), "{}", off.text);
    assert_eq!(node.call(by_page(get("/api/v1/users"))).await.code(), "operator_only");
    let last = node.call(Fake::local(TestRequest::delete().uri("/api/v1/users/bob/operator"))).await;
    assert_eq!((last.status, last.code().as_str()), (StatusCode::CONFLICT, "last_operator"));
}
