//! What a hostile app, or someone who copied what an app holds, tries at the OAuth endpoints, and what
//! manifests and grants may not say.

use harness::{Client, authorize, exchange};
use serde_json::{Value, json};
use url::Url;

use crate::home::{Home, OWNER};
use crate::hostile::{shown, unhurt};

const BACK: &str = "http://127.0.0.1:9/cb";
/// The S256 challenge of [`VERIFIER`] (RFC 7636, appendix B).
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn access() -> Value {
    json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name", "phone"], "required": ["name"]}, "duration": "P30D"})
}

fn manifest() -> Value {
    json!({"name": "An App", "redirect_uris": [BACK, "https://app.example/cb"], "access": [access()], "confidential": false})
}

/// A node with contacts and an app; the id of the app.
async fn app() -> (Home, String) {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String phone: String }").await.unwrap();
    home.alice.graphql(r#"mutation { add_Contact(input: {name: "Ann", phone: "1"}) { _docID } }"#).await.unwrap();
    let made = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest().to_string())]).unwrap();
    let id = made["client_id"].as_str().unwrap().to_owned();
    (home, id)
}

fn browser() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// The status of the authorization endpoint, where it sends the browser, and its page.
async fn ask(home: &Home, pairs: &[(&str, &str)]) -> (u16, Option<Url>, String) {
    let mut url = Url::parse(&format!("{}/oauth/authorize", home.node.url)).unwrap();
    url.query_pairs_mut().extend_pairs(pairs);
    let answer = browser().get(url).send().await.unwrap();
    let to = answer.headers().get("location").map(|to| Url::parse(to.to_str().unwrap()).unwrap());
    (answer.status().as_u16(), to, answer.text().await.unwrap())
}

async fn token(home: &Home, pairs: &[(&str, &str)]) -> (u16, Value) {
    let answer = browser().post(format!("{}/oauth/token", home.node.url)).form(pairs).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
}

#[tokio::test]
async fn requests_for_a_consent_are_checked_before_anything_is_sent_anywhere() {
    let (home, client) = app().await;
    let long = "x".repeat(40_000);
    let good = [
        ("response_type", "code"),
        ("client_id", client.as_str()),
        ("redirect_uri", BACK),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let (status, to, page) = ask(&home, &good).await;
    assert!(status == 200 && to.is_none() && page.contains("<form"), "control: {status} {page}");
    let with = |name: &str, value: Option<&str>| -> Vec<(String, String)> {
        let kept = good.iter().filter(|(known, _)| *known != name).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        kept.chain(value.map(|value| (name.to_owned(), value.to_owned()))).collect()
    };
    // Told to the person: the app is unknown, or the address is not the app's. No redirect.
    for (name, value) in [
        ("client_id", None),
        ("client_id", Some("")),
        ("client_id", Some("00000000000000000000000000000001")),
        ("client_id", Some("' OR 1=1 --")),
        ("redirect_uri", None),
        ("redirect_uri", Some("")),
        ("redirect_uri", Some("https://evil.example/cb")),
        ("redirect_uri", Some("http://127.0.0.1:9/cb/")),
        ("redirect_uri", Some("http://127.0.0.1:9/cb?x=1")),
        ("redirect_uri", Some("http://127.0.0.1:9/cb#x")),
        ("redirect_uri", Some("http://127.0.0.1:10/cb/")),
        ("redirect_uri", Some("http://127.0.0.2:9/cb")),
        ("redirect_uri", Some("http://localhost:9/cb")),
        ("redirect_uri", Some("https://app.example:8443/cb")),
        ("redirect_uri", Some("http://127.0.0.1:9@evil.example/cb")),
        ("redirect_uri", Some("https://app.example/cb/../../x")),
        ("redirect_uri", Some("HTTPS://app.example/cb")),
        ("redirect_uri", Some("javascript:alert(1)")),
        ("state", Some(long.as_str())),
    ] {
        let pairs = with(name, value);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let (status, to, page) = ask(&home, &pairs).await;
        assert!(status == 400 && to.is_none(), "{name} {value:?}: {status} {to:?}");
        assert!(!page.contains("evil.example") && !page.contains("javascript:"), "{page}");
    }
    for name in good.map(|(name, _)| name) {
        let mut twice = good.to_vec();
        twice.push((name, "again"));
        let (status, to, _) = ask(&home, &twice).await;
        assert!(status == 400 && to.is_none(), "{name} twice: {status} {to:?}");
    }
    // Told to the app, at its own address, with its state.
    let wide = json!([{"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "delete"],
        "fields": {"allow": ["name"]}}])
    .to_string();
    let deep = "[".repeat(10_000);
    for (name, value, error) in [
        ("response_type", None, "unsupported_response_type"),
        ("response_type", Some("token"), "unsupported_response_type"),
        ("code_challenge", None, "invalid_request"),
        ("code_challenge", Some(VERIFIER.split_at(20).0), "invalid_request"),
        ("code_challenge_method", None, "invalid_request"),
        ("code_challenge_method", Some("plain"), "invalid_request"),
        ("request_uri", Some("https://evil.example/r"), "request_uri_not_supported"),
        ("authorization_details", Some("nonsense"), "invalid_authorization_details"),
        ("authorization_details", Some("[]"), "invalid_authorization_details"),
        (
            "authorization_details",
            Some("{\"type\":\"allod_doc\",\"type\":\"allod_doc\"}"),
            "invalid_authorization_details",
        ),
        ("authorization_details", Some(deep.as_str()), "invalid_authorization_details"),
        ("authorization_details", Some(wide.as_str()), "invalid_authorization_details"),
    ] {
        let pairs = with(name, value);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let (status, to, _) = ask(&home, &pairs).await;
        let to = to.unwrap_or_else(|| panic!("{name} {value:?}: {status}"));
        assert!(to.as_str().starts_with(BACK), "{to}");
        let got: std::collections::HashMap<_, _> = to.query_pairs().into_owned().collect();
        assert_eq!((got["error"].as_str(), got["state"].as_str()), (error, "s"), "{name} {value:?}");
        assert!(!got.contains_key("code"));
    }
    unhurt(&home).await;
}

#[tokio::test]
async fn a_code_is_good_once_for_its_app_its_address_and_its_verifier() {
    let (home, client) = app().await;
    let url = home.node.url.clone();
    let code = || async { authorize(&url, &client, BACK, &access(), OWNER, |_| {}).await.unwrap() };
    let other = home.node.cli_ok(&["app", "add", &home.file("other.json", &manifest().to_string())]).unwrap();
    let other = other["client_id"].as_str().unwrap();
    let (first, verifier) = code().await;
    let good = [
        ("grant_type", "authorization_code"),
        ("client_id", client.as_str()),
        ("redirect_uri", BACK),
        ("code", first.as_str()),
        ("code_verifier", verifier.as_str()),
    ];
    // These are refused before the code is looked at, and leave it good.
    for (name, value, status, error) in [
        ("grant_type", Some("password"), 400, "unsupported_grant_type"),
        ("grant_type", None, 400, "unsupported_grant_type"),
        ("client_id", None, 401, "invalid_client"),
        ("client_id", Some("x"), 401, "invalid_client"),
        ("client_id", Some(other), 400, "invalid_grant"),
        ("code", None, 400, "invalid_request"),
        ("code", Some("x"), 400, "invalid_grant"),
        ("code_verifier", None, 400, "invalid_request"),
        ("redirect_uri", None, 400, "invalid_request"),
        ("client_secret", Some("x"), 401, "invalid_client"),
    ] {
        let mut pairs: Vec<_> = good.iter().copied().filter(|(known, _)| *known != name).collect();
        pairs.extend(value.map(|value| (name, value)));
        let (got, body) = token(&home, &pairs).await;
        assert_eq!((got, &body["error"]), (status, &json!(error)), "{name} {value:?}: {body}");
    }
    let mut twice = good.to_vec();
    twice.push(("code", "x"));
    assert_eq!(token(&home, &twice).await.1["error"], "invalid_request");
    let (status, pair) = token(&home, &good).await;
    assert_eq!(status, 200, "control: {pair}");
    let app = home.alice.with_token(pair["access_token"].as_str().unwrap());
    app.graphql("{ Contact { name } }").await.expect("control: the token works");
    // A second use is a sign of theft: what came of the first ends at once.
    assert_eq!(token(&home, &good).await.1["error"], "invalid_grant");
    assert_eq!(app.try_graphql("{ Contact { name } }", Value::Null).await.unwrap().status, 401);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", &client),
        ("refresh_token", pair["refresh_token"].as_str().unwrap()),
    ];
    assert_eq!(token(&home, &refresh).await.1["error"], "invalid_grant");
    // A wrong verifier or address burns the code.
    for (name, value) in
        [("code_verifier", VERIFIER), ("code_verifier", "short"), ("redirect_uri", "https://app.example/cb")]
    {
        let (code, verifier) = code().await;
        let mut pairs = good.to_vec();
        pairs[3].1 = &code;
        pairs[4].1 = &verifier;
        let right = pairs.clone();
        pairs.iter_mut().filter(|(known, _)| *known == name).for_each(|pair| pair.1 = value);
        assert_eq!(token(&home, &pairs).await.1["error"], "invalid_grant", "{name}");
        assert_eq!(token(&home, &right).await.1["error"], "invalid_grant", "{name}: the code was burnt");
    }
    unhurt(&home).await;
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_all_that_came_of_the_consent() {
    let (home, client) = app().await;
    let (code, verifier) = authorize(&home.node.url, &client, BACK, &access(), OWNER, |_| {}).await.unwrap();
    let first = exchange(&home.node.url, &client, BACK, &code, &verifier).await.unwrap();
    let refresh = first.refresh_token.unwrap();
    let pairs = [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", refresh.as_str())];
    let (status, second) = token(&home, &pairs).await;
    assert_eq!(status, 200, "control: {second}");
    let fresh = home.alice.with_token(second["access_token"].as_str().unwrap());
    fresh.graphql("{ Contact { name } }").await.expect("control: the new token works");
    let next = [pairs[0], pairs[1], ("refresh_token", second["refresh_token"].as_str().unwrap())];
    let (status, third) = token(&home, &next).await;
    assert_eq!(status, 200, "control: the successor is good: {third}");
    assert_eq!(token(&home, &pairs).await.1["error"], "invalid_grant");
    for access in
        [&first.access_token, second["access_token"].as_str().unwrap(), third["access_token"].as_str().unwrap()]
    {
        let answer = home.alice.with_token(access).try_graphql("{ Contact { name } }", Value::Null).await.unwrap();
        assert_eq!(answer.status, 401, "{}", answer.text);
    }
    let last = [pairs[0], pairs[1], ("refresh_token", third["refresh_token"].as_str().unwrap())];
    assert_eq!(token(&home, &last).await.1["error"], "invalid_grant");
    unhurt(&home).await;
}

#[tokio::test]
async fn refreshes_at_once_leave_the_app_with_tokens_that_work() {
    let (home, client) = app().await;
    let (code, verifier) = authorize(&home.node.url, &client, BACK, &access(), OWNER, |_| {}).await.unwrap();
    let mut refresh = exchange(&home.node.url, &client, BACK, &code, &verifier).await.unwrap().refresh_token.unwrap();
    for _ in 0..3 {
        let pairs = [("grant_type", "refresh_token"), ("client_id", &client), ("refresh_token", refresh.as_str())];
        let answers = futures::future::join_all((0..4).map(|_| token(&home, &pairs))).await;
        for (status, answer) in &answers {
            assert_eq!(*status, 200, "{answer}");
            let app = home.alice.with_token(answer["access_token"].as_str().unwrap());
            app.graphql("{ Contact { name } }").await.expect("each answer works");
        }
        let next: Vec<&str> = answers.iter().map(|(_, answer)| answer["refresh_token"].as_str().unwrap()).collect();
        assert!(next.iter().all(|text| *text == next[0]), "one successor, whoever asked first");
        refresh = next[0].to_owned();
    }
    unhurt(&home).await;
}

#[tokio::test]
async fn an_app_on_this_machine_is_answered_at_whichever_port_it_listens() {
    let (home, client) = app().await;
    for back in ["http://127.0.0.1:51004/cb", "http://127.0.0.1/cb", BACK] {
        let (code, verifier) = authorize(&home.node.url, &client, back, &access(), OWNER, |_| {}).await.unwrap();
        let mut pairs = [
            ("grant_type", "authorization_code"),
            ("client_id", client.as_str()),
            ("redirect_uri", back),
            ("code", code.as_str()),
            ("code_verifier", verifier.as_str()),
        ];
        let (status, answer) = token(&home, &pairs).await;
        assert_eq!(status, 200, "{back}: {answer}");
        // The code is bound to the very address, port and all.
        let (code, verifier) = authorize(&home.node.url, &client, back, &access(), OWNER, |_| {}).await.unwrap();
        (pairs[2].1, pairs[3].1, pairs[4].1) = ("http://127.0.0.1:51005/cb", &code, &verifier);
        assert_eq!(token(&home, &pairs).await.1["error"], "invalid_grant", "{back}");
    }
    unhurt(&home).await;
}

#[tokio::test]
async fn parameters_without_a_value_count_as_left_out() {
    let (home, client) = app().await;
    let good = [
        ("response_type", "code"),
        ("client_id", client.as_str()),
        ("redirect_uri", BACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for empty in ["authorization_details", "request", "request_uri", "state", "scope"] {
        let mut pairs = good.to_vec();
        pairs.push((empty, ""));
        let (status, to, page) = ask(&home, &pairs).await;
        assert!(status == 200 && page.contains("<form"), "{empty}: {status} {to:?}");
    }
    let (code, verifier) = authorize(&home.node.url, &client, BACK, &access(), OWNER, |_| {}).await.unwrap();
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", &client),
        ("client_secret", ""),
        ("refresh_token", ""),
        ("scope", ""),
        ("redirect_uri", BACK),
        ("code", &code),
        ("code_verifier", &verifier),
    ];
    let (status, answer) = token(&home, &pairs).await;
    assert_eq!(status, 200, "{answer}");
    let text = answer["access_token"].as_str().unwrap();
    for (route, pairs, status) in [
        ("/oauth/token", &[("grant_type", ""), ("client_id", &client)][..], 400),
        ("/oauth/token", &[("grant_type", "authorization_code"), ("client_id", "")], 401),
        ("/oauth/revoke", &[("client_id", &client), ("token", "")], 400),
        (
            "/oauth/revoke",
            &[("client_id", &client), ("token", text), ("token_type_hint", ""), ("client_secret", "")],
            200,
        ),
    ] {
        let answer = browser().post(format!("{}{route}", home.node.url)).form(pairs).send().await.unwrap();
        assert_eq!(answer.status(), status, "{route} {pairs:?}");
    }
    assert_eq!(home.alice.with_token(text).try_graphql("{ Contact { name } }", Value::Null).await.unwrap().status, 401);
    // By HTTP Basic as well: a public app is its name with an empty secret.
    let (code, verifier) = authorize(&home.node.url, &client, BACK, &access(), OWNER, |_| {}).await.unwrap();
    let pairs =
        [("grant_type", "authorization_code"), ("redirect_uri", BACK), ("code", &code), ("code_verifier", &verifier)];
    let request = || browser().post(format!("{}/oauth/token", home.node.url)).form(&pairs);
    assert_eq!(request().basic_auth(&client, Some("guess")).send().await.unwrap().status(), 401);
    assert_eq!(request().basic_auth(&client, Some("")).send().await.unwrap().status(), 200);
    unhurt(&home).await;
}

#[tokio::test]
async fn twenty_thousand_parameters_cost_no_time() {
    let (home, client) = app().await;
    let many: String = (0..400_000).map(|n| format!("name-of-a-parameter-{n:06}=&")).collect();
    let begun = std::time::Instant::now();
    for route in ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/authorize", "/setup"] {
        let request = browser().post(format!("{}{route}", home.node.url));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(many.clone());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_client_error(), "{route}: {}", answer.status());
    }
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    let (status, _, _) = ask(&home, &[("client_id", &client), ("redirect_uri", BACK)]).await;
    assert_eq!(status, 303, "control: an incomplete request of a known app is told to it");
    unhurt(&home).await;
}

#[tokio::test]
async fn hostile_manifests_and_grants_are_refused_by_name() {
    let (home, client) = app().await;
    let operator = home.node.operator().unwrap();
    let altered = |base: Value, at: &str, value: Value| {
        let mut base = base;
        match value {
            Value::Null => drop(base.as_object_mut().unwrap().remove(at)),
            value => base[at] = value,
        }
        base
    };
    let names = |n: usize| (0..n).map(|n| format!("f{n}")).collect::<Vec<_>>();
    for (at, value, code) in [
        ("name", Value::Null, "grant_malformed"),
        ("name", json!(""), "grant_malformed"),
        ("name", json!("x".repeat(81)), "grant_malformed"),
        ("name", json!("two\nlines"), "grant_malformed"),
        ("name", json!(["An App"]), "grant_malformed"),
        ("redirect_uris", Value::Null, "grant_malformed"),
        ("redirect_uris", json!([]), "grant_malformed"),
        ("redirect_uris", json!(vec![BACK; 17]), "grant_malformed"),
        ("redirect_uris", json!(["javascript:alert(1)"]), "grant_malformed"),
        ("redirect_uris", json!(["javascript://a.b/%0aalert(1)"]), "grant_malformed"),
        ("redirect_uris", json!(["JAVASCRIPT:alert(1)"]), "grant_malformed"),
        ("redirect_uris", json!([" javascript:alert(1)"]), "grant_malformed"),
        ("redirect_uris", json!(["data:text/html,x"]), "grant_malformed"),
        ("redirect_uris", json!(["file:///etc/passwd"]), "grant_malformed"),
        ("redirect_uris", json!(["http://app.example/cb"]), "grant_malformed"),
        ("redirect_uris", json!(["https://app.example/cb#x"]), "grant_malformed"),
        ("redirect_uris", json!(["https://app.example/\r\nSet-Cookie: a=b"]), "grant_malformed"),
        ("redirect_uris", json!([format!("https://app.example/{}", "x".repeat(2_000))]), "grant_malformed"),
        ("redirect_uris", json!([1]), "grant_malformed"),
        ("confidential", json!("yes"), "grant_malformed"),
        ("client_uri", json!("javascript:alert(1)"), "grant_malformed"),
        ("logo_uri", json!("data:image/png,x"), "grant_malformed"),
        ("access", json!([]), "grant_malformed"),
        ("access", json!(vec![access(); 33]), "grant_malformed"),
        ("access", json!("all"), "grant_malformed"),
        ("scope", json!("*"), "grant_key_unsupported"),
        ("egress", json!([]), "grant_key_unsupported"),
    ] {
        let manifest = altered(manifest(), at, value);
        let answer = operator.post("/api/v1/apps", &manifest).await.unwrap();
        assert_eq!(
            (answer.status, answer.json["error"]["code"].as_str()),
            (400, Some(code)),
            "{at}: {}",
            shown(&answer.text)
        );
        let refused = home.node.cli(&["app", "add", &home.file("bad.json", &manifest.to_string())]).unwrap();
        assert_eq!(refused.refused(2).unwrap(), code, "{at}");
    }
    for (at, value, status, code) in [
        ("type", json!("allod_file"), 400, "grant_malformed"),
        ("datatypes", json!([]), 400, "grant_malformed"),
        ("datatypes", json!("Contact"), 400, "grant_malformed"),
        ("datatypes", json!(names(257)), 400, "grant_malformed"),
        ("datatypes", json!(["Film"]), 403, "grant_outside_manifest"),
        ("actions", json!(["read", "admin"]), 400, "grant_malformed"),
        ("actions", json!(["search"]), 400, "grant_malformed"),
        ("actions", json!(["read", "update"]), 403, "grant_outside_manifest"),
        ("fields", json!({"allow": []}), 400, "grant_malformed"),
        ("fields", json!({"allow": names(50_000)}), 400, "grant_malformed"),
        ("fields", json!({"allow": ["name"], "deny": ["phone"]}), 400, "grant_key_unsupported"),
        ("fields", json!({"allow": ["phone"]}), 403, "grant_outside_manifest"),
        ("where", json!({"name": {"_like": "%"}}), 400, "grant_malformed"),
        ("where", json!({"name": {"_in": names(257)}}), 400, "grant_malformed"),
        ("where", json!({"name": {"_eq": "x".repeat(2_000)}}), 400, "grant_malformed"),
        ("where", json!({"name' OR 1=1 --": {"_eq": 1}}), 400, "grant_malformed"),
        ("where", json!({"nothing": {"_eq": 1}}), 403, "grant_outside_manifest"),
        ("where", json!({"name": {"_eq": 1}}), 409, "grant_schema_mismatch"),
        ("purpose", json!("x".repeat(501)), 400, "grant_malformed"),
        ("purpose", json!(1), 400, "grant_malformed"),
        ("duration", json!("P99999999999Y"), 400, "grant_malformed"),
        ("duration", json!("PT0S"), 400, "grant_malformed"),
        ("duration", json!("-P1D"), 400, "grant_malformed"),
        ("duration", json!("P31D"), 403, "grant_outside_manifest"),
        ("space", json!("mine"), 400, "grant_malformed"),
        ("space", json!("00000000000000000000000000000001"), 404, "not_found"),
        ("owner", json!("alice"), 400, "grant_key_unsupported"),
    ] {
        let grant = json!({"user": "alice", "client_id": client, "access": altered(access(), at, value.clone())});
        let answer = operator.post("/api/v1/grants", &grant).await.unwrap();
        assert_eq!(
            (answer.status, answer.json["error"]["code"].as_str()),
            (status, Some(code)),
            "{at} {}: {}",
            shown(&value.to_string()),
            shown(&answer.text)
        );
    }
    let twice = manifest().to_string().replacen("\"name\"", "\"name\":\"Trusted Bank\",\"name\"", 1);
    let refused = home.node.cli(&["app", "add", &home.file("twice.json", &twice)]).unwrap();
    assert_eq!(refused.refused(2).unwrap(), "file_not_json", "a doubled key is not silently one of the two");
    assert_eq!(home.node.cli_ok(&["grant", "list"]).unwrap(), json!([]));
    assert_eq!(home.node.cli_ok(&["app", "list"]).unwrap().as_array().unwrap().len(), 1);
    let good = json!({"user": "alice", "client_id": client, "access": access()});
    assert_eq!(operator.post("/api/v1/grants", &good).await.unwrap().status, 201, "control");
    unhurt(&home).await;
}

#[tokio::test]
async fn what_an_app_says_of_itself_is_text_on_the_pages_and_never_markup() {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String phone: String }").await.unwrap();
    let mut wicked = manifest();
    wicked["name"] = json!("<script>alert(1)</script>\"'&");
    wicked["access"][0]["purpose"] = json!("</p><img src=x onerror=alert(2)>");
    let made = home.node.cli_ok(&["app", "add", &home.file("wicked.json", &wicked.to_string())]).unwrap();
    let client = made["client_id"].as_str().unwrap();
    let mut asked = access();
    asked["purpose"] = wicked["access"][0]["purpose"].clone();
    let mut seen = String::new();
    authorize(&home.node.url, client, BACK, &asked, OWNER, |form| seen.clone_from(&form.html)).await.unwrap();
    assert!(seen.contains("&lt;script&gt;alert(1)") && seen.contains("&lt;img"), "{seen}");
    let own = "<script src=\"/oauth/consent.js\" defer></script>";
    assert!(!seen.replace(own, "").contains("<script") && !seen.contains("<img"), "{seen}");
    let nobody = Client::new(&home.node.url, None).unwrap();
    let page = nobody.get(&format!("/oauth/authorize?client_id={client}")).await.unwrap();
    assert!(!page.text.contains("<script"), "{}", page.text);
    unhurt(&home).await;
}
