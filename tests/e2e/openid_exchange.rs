//! An app exchanges a token of its own for one that opens less (RFC 8693), and never for anything else.

use harness::Client;
use serde_json::{Value, json};

use crate::home::Home;
use crate::openid::{App, BACK, Browser, posted, signed_in, user_info};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

fn contacts(actions: &[&str], fields: &[&str]) -> Value {
    json!({ "type": "allod_doc", "datatypes": ["Contact"], "actions": actions, "fields": { "allow": fields } })
}

/// A node with two contacts, and an app with tokens for all of their name and phone.
async fn held(home: &Home) -> (App, Value) {
    home.alice.define("type Contact { name: String phone: String salary: Int }").await.unwrap();
    for input in [r#"{name: "Ann", phone: "1", salary: 10}"#, r#"{name: "Ben", phone: "2", salary: 20}"#] {
        home.alice.graphql(&format!("mutation {{ add_Contact(input: {input}) {{ _docID }} }}")).await.unwrap();
    }
    let access = contacts(&["read", "search", "update"], &["name", "phone"]);
    let manifest = json!({ "name": "An App", "redirect_uris": [BACK], "access": [access], "confidential": true });
    let app = App::new(home, &manifest);
    let details = json!([access]).to_string();
    let more = [("authorization_details", details.as_str()), ("scope", "openid profile")];
    let (tokens, _) = signed_in(home, &Browser::of(home), &app, &more).await;
    (app, tokens)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key}: {value}"))
}

/// Asks for an exchange; `more` stands in the place of what is usual.
async fn exchanged(home: &Home, app: &App, token: &str, more: &[(&str, &str)]) -> (u16, Value) {
    let mut pairs = vec![
        ("grant_type", EXCHANGE),
        ("client_id", app.id.as_str()),
        ("subject_token", token),
        ("subject_token_type", ACCESS),
    ];
    pairs.extend(app.secret.as_deref().map(|secret| ("client_secret", secret)));
    for (name, value) in more {
        pairs.retain(|(known, _)| known != name);
        pairs.push((name, value));
    }
    posted(home, "/oauth/token", &pairs).await
}

fn with(home: &Home, tokens: &Value) -> Client {
    home.alice.with_token(text(tokens, "access_token"))
}

#[tokio::test]
async fn a_token_for_less_opens_what_it_says_on_every_front_and_ends_with_what_it_came_of() {
    let home = Home::new().await;
    let (app, tokens) = held(&home).await;
    let told = home.alice.nobody().get("/.well-known/oauth-authorization-server").await.unwrap().json;
    assert!(told["grant_types_supported"].as_array().unwrap().contains(&json!(EXCHANGE)), "{told}");
    let mut less = contacts(&["read", "search"], &["name"]);
    less["where"] = json!({ "phone": { "_eq": "1" } });
    let details = json!([less]).to_string();
    let asked = [("authorization_details", details.as_str()), ("resource", home.node.url.as_str())];
    let (status, new) = exchanged(&home, &app, text(&tokens, "access_token"), &asked).await;
    assert_eq!(status, 200, "{new}");
    assert_eq!((text(&new, "issued_token_type"), text(&new, "token_type")), (ACCESS, "Bearer"));
    assert!(new.get("refresh_token").is_none() && new.get("scope").is_none() && new.get("id_token").is_none(), "{new}");
    assert!((1..=900).contains(&new["expires_in"].as_i64().unwrap()), "{new}");
    let [shown] = new["authorization_details"].as_array().unwrap().as_slice() else { panic!("{new}") };
    assert_eq!((&shown["fields"]["allow"], &shown["where"]), (&json!(["name"]), &less["where"]));
    assert_eq!(shown["actions"], json!(["read", "search"]));
    // GraphQL, in both spellings of it, the list of collections, and what introspection says.
    let (whole, part) = (with(&home, &tokens), with(&home, &new));
    let seen = part.graphql("{ Contact { name } }").await.unwrap();
    assert_eq!(seen["Contact"], json!([{ "name": "Ann" }]));
    assert_eq!(
        whole.graphql("{ Contact { name phone } }").await.unwrap()["Contact"].as_array().unwrap().len(),
        2,
        "control"
    );
    let ann = whole.graphql(r#"{ Contact(filter: {name: {_eq: "Ann"}}) { _docID } }"#).await.unwrap();
    let ann = text(&ann["Contact"][0], "_docID").to_owned();
    let update = format!(r#"mutation {{ update_Contact(docID: "{ann}", input: {{name: "Anna"}}) {{ name }} }}"#);
    assert!(part.graphql(&update).await.is_err());
    assert!(part.graphql("{ Contact { phone } }").await.is_err());
    assert!(part.graphql_v0("{ Contact { phone } }").await.is_err());
    whole.graphql(&update).await.expect("control");
    let collections = part.get("/api/v1/collections").await.unwrap().json.to_string();
    assert!(collections.contains("name") && !collections.contains("phone"), "{collections}");
    let known = async |token: &str| {
        let pairs =
            [("client_id", app.id.as_str()), ("client_secret", app.secret.as_deref().unwrap()), ("token", token)];
        posted(&home, "/oauth/introspect", &pairs).await.1
    };
    let told = known(text(&new, "access_token")).await;
    assert_eq!((&told["active"], &told["authorization_details"]), (&json!(true), &new["authorization_details"]));
    assert!(told.get("sub").is_none(), "{told}");
    assert!(known(text(&tokens, "access_token")).await["sub"].is_string(), "control");
    // It tells nothing of who the person is, and asks for no more access.
    assert_eq!(user_info(&home, text(&new, "access_token")).await.0, 403);
    let request = json!({ "access": [contacts(&["read"], &["phone"])] });
    assert_eq!(part.post("/api/v1/requests", &request).await.unwrap().status, 403);
    assert_eq!(whole.post("/api/v1/requests", &request).await.unwrap().status, 201, "control");
    // One for less of it, and none for more.
    let (status, told) = exchanged(&home, &app, text(&new, "access_token"), &[]).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["authorization_details"], new["authorization_details"], "the same, if nothing is asked for");
    let wider = json!([contacts(&["read", "search"], &["name", "phone"])]).to_string();
    let (status, refused) =
        exchanged(&home, &app, text(&new, "access_token"), &[("authorization_details", &wider)]).await;
    assert_eq!((status, text(&refused, "error")), (400, "invalid_authorization_details"));
    // The token that it came of ends, and what came of it.
    let revoked = [
        ("client_id", app.id.as_str()),
        ("client_secret", app.secret.as_deref().unwrap()),
        ("token", text(&tokens, "access_token")),
    ];
    assert_eq!(posted(&home, "/oauth/revoke", &revoked).await.0, 200);
    for token in [&tokens, &new, &told] {
        assert!(with(&home, token).graphql("{ Contact { name } }").await.is_err());
    }
}

/// Of what a token names no documents of, it tells nothing by any road; and no token has a count of rows of its own.
#[tokio::test]
async fn a_token_for_single_documents_tells_of_no_other() {
    let home = Home::new().await;
    let (app, tokens) = held(&home).await;
    let whole = with(&home, &tokens);
    let all = whole.graphql("{ Contact(order: {name: ASC}) { _docID } }").await.unwrap();
    let [ann, ben] = [0, 1].map(|n| text(&all["Contact"][n], "_docID").to_owned());
    let mut one = contacts(&["read", "search", "update"], &["name", "phone"]);
    one["documents"] = json!([ann]);
    let details = json!([one]).to_string();
    let (status, new) =
        exchanged(&home, &app, text(&tokens, "access_token"), &[("authorization_details", details.as_str())]).await;
    assert_eq!(status, 200, "{new}");
    assert_eq!(new["authorization_details"][0]["documents"], json!([ann]));
    let part = with(&home, &new);
    for (road, nothing) in [
        ("Contact(docID: \"BEN\") { name }", json!([])),
        ("Contact(filter: {name: {_eq: \"Ben\"}}) { name }", json!([])),
        ("Contact(filter: {_not: {name: {_eq: \"Ann\"}}}) { name }", json!([])),
        ("Contact(order: {phone: DESC}, limit: 1) { name }", json!([{ "name": "Ann" }])),
        ("Contact(groupBy: [name]) { name }", json!([{ "name": "Ann" }])),
        ("COUNT(Contact: {})", json!(1)),
    ] {
        let query = format!("{{ got: {} }}", road.replace("BEN", &ben));
        assert_eq!(part.graphql(&query).await.unwrap()["got"], nothing, "{road}");
        assert_ne!(whole.graphql(&query).await.unwrap()["got"], nothing, "control: {road}");
    }
    // One that is not there and one that is kept from it are changed alike: not at all.
    let update =
        |doc: &str| format!("mutation {{ update_Contact(docID: \"{doc}\", input: {{name: \"x\"}}) {{ name }} }}");
    let absent = format!("{}{}", &ben[..ben.len() - 1], if ben.ends_with('0') { '1' } else { '0' });
    let kept = part.try_graphql(&update(&ben), Value::Null).await.unwrap();
    let absent = part.try_graphql(&update(&absent), Value::Null).await.unwrap();
    assert_eq!((kept.status, &kept.json["data"], kept.codes()), (absent.status, &absent.json["data"], absent.codes()));
    assert_eq!(whole.graphql("{ COUNT(Contact: {filter: {name: {_eq: \"Ben\"}}}) }").await.unwrap()["COUNT"], 1);
    one["limits"] = json!({ "rows_per_day": 1 });
    let details = json!([one]).to_string();
    let asked = [("authorization_details", details.as_str())];
    let (status, refused) = exchanged(&home, &app, text(&tokens, "access_token"), &asked).await;
    assert_eq!((status, text(&refused, "error")), (400, "invalid_authorization_details"));
}

#[tokio::test]
async fn taking_the_grant_back_or_holding_it_to_less_counts_for_tokens_that_came_of_its_own() {
    let home = Home::new().await;
    let (app, tokens) = held(&home).await;
    let details = json!([contacts(&["read", "search"], &["name", "phone"])]).to_string();
    let (_, new) = exchanged(&home, &app, text(&tokens, "access_token"), &[("authorization_details", &details)]).await;
    let part = with(&home, &new);
    part.graphql("{ Contact { phone } }").await.expect("control");
    let grant = text(&tokens, "grant");
    let less = json!({ "access": [contacts(&["read", "search"], &["name"])] });
    let shrunk = home.alice.put(&format!("/api/v1/grants/{grant}"), &less).await.unwrap();
    assert_eq!(shrunk.status, 200, "{}", shrunk.json);
    assert!(part.graphql("{ Contact { phone } }").await.is_err());
    part.graphql("{ Contact { name } }").await.expect("what is left of both");
    let now = text(&shrunk.json, "grant");
    assert_eq!(home.alice.delete(&format!("/api/v1/grants/{now}")).await.unwrap().status, 200);
    for token in [&tokens, &new] {
        assert!(with(&home, token).graphql("{ Contact { name } }").await.is_err());
    }
    assert_eq!(exchanged(&home, &app, text(&tokens, "access_token"), &[]).await.0, 400);
}

#[tokio::test]
async fn what_is_wider_another_s_or_no_token_of_an_app_is_not_exchanged() {
    let home = Home::new().await;
    let (app, tokens) = held(&home).await;
    let token = text(&tokens, "access_token");
    let wider = |entry: Value| json!([entry]).to_string();
    let mut by_salary = contacts(&["read"], &["name"]);
    by_salary["where"] = json!({ "salary": { "_gt": 15 } });
    let mut by_nothing = by_salary.clone();
    by_nothing["where"] = json!({ "nowhere": { "_gt": 15 } });
    let mut texts = Vec::new();
    for entry in [
        contacts(&["read", "delete"], &["name"]),
        contacts(&["read"], &["name", "salary"]),
        contacts(&["read"], &["name", "nowhere"]),
        by_salary,
        by_nothing,
        json!({ "type": "allod_doc", "datatypes": ["Film"], "actions": ["read"], "fields": { "allow": ["name"] } }),
    ] {
        let details = wider(entry.clone());
        let (status, told) = exchanged(&home, &app, token, &[("authorization_details", &details)]).await;
        assert_eq!((status, text(&told, "error")), (400, "invalid_authorization_details"), "{entry}: {told}");
        texts.push(text(&told, "error_description").to_owned());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "what there is beside it is not told: {texts:?}");
    for (more, error) in [
        (vec![("actor_token", token), ("actor_token_type", ACCESS)], "invalid_request"),
        (vec![("subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], "invalid_request"),
        (vec![("subject_token_type", "")], "invalid_request"),
        (vec![("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")], "invalid_request"),
        (vec![("audience", "another")], "invalid_target"),
        (vec![("resource", "https://elsewhere.example/")], "invalid_target"),
        (vec![("scope", "admin")], "invalid_scope"),
        (vec![("authorization_details", "[")], "invalid_authorization_details"),
        (vec![("subject_token", "another")], "invalid_request"),
        (vec![("subject_token", text(&tokens, "refresh_token"))], "invalid_request"),
    ] {
        let (status, told) = exchanged(&home, &app, token, &more).await;
        assert_eq!((status, text(&told, "error")), (400, error), "{more:?}: {told}");
    }
    let (status, scoped) = exchanged(&home, &app, token, &[("scope", "openid")]).await;
    assert_eq!((status, text(&scoped, "scope")), (200, "openid"), "control");
    let (status, info) = user_info(&home, text(&scoped, "access_token")).await;
    assert!(status == 200 && info.get("preferred_username").is_none(), "{info}");
    let (status, told) = exchanged(&home, &app, text(&scoped, "access_token"), &[("scope", "openid profile")]).await;
    assert_eq!((status, text(&told, "error")), (400, "invalid_scope"));
    // Of a person, of whoever holds the machine, of a link, an app password, and another app's.
    let session =
        home.alice.post("/api/v1/session", &json!({ "user": "alice", "password": crate::home::OWNER.1 })).await;
    let session = text(&session.unwrap().json, "access_token").to_owned();
    let password =
        home.node.cli_ok(&["app-password", "add", "curl", "--collection", "Contact", "--fields", "name"]).unwrap();
    let link = home.node.cli_ok(&["link", "add", "Contact", "--fields", "name"]).unwrap();
    let link = text(&link, "token").to_owned();
    let other = App::new(&home, &json!({ "name": "Other", "redirect_uris": [BACK] }));
    let (mine, _) = signed_in(&home, &Browser::of(&home), &other, &[]).await;
    for (whose, token, app) in [
        ("a session", session.as_str(), &app),
        ("an app password", text(&password, "password"), &app),
        ("a link", link.as_str(), &app),
        ("another app's", token, &other),
        ("one that opens no data", text(&mine, "access_token"), &other),
    ] {
        let (status, told) = exchanged(&home, app, token, &[]).await;
        assert_eq!((status, text(&told, "error")), (400, "invalid_request"), "{whose}: {told}");
    }
    let (status, _) = exchanged(&home, &app, token, &[("client_secret", "another")]).await;
    assert_eq!(status, 401);
    let (status, _) = exchanged(&home, &app, token, &[]).await;
    assert_eq!(status, 200, "control");
}
