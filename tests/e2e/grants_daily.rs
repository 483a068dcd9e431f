//! A grant that gives so many rows a day gives no more, by whatever question, and says when it gives more.

use harness::{Answer, Client, Node, authorize, exchange};
use serde_json::{Value, json};

use crate::home::{Home, OWNER};
use crate::hostile::{code, unhurt};
use crate::masks::ask;

const BACK: &str = "http://127.0.0.1:9/cb";

async fn contacts(count: usize) -> Home {
    let home = Home::new().await;
    let sdl =
        "type Contact { name: String phone: String age: Int pets: [Pet] } type Pet { name: String owner: Contact }";
    home.alice.define(sdl).await.unwrap();
    for n in 0..count {
        let add = "mutation($i: [ContactMutationInputArg!]!) { add_Contact(input: $i) { _docID } }";
        let input = json!({"i": [{"name": format!("Contact {n}"), "phone": n.to_string(), "age": n}]});
        let made = home.alice.graphql_with(add, input).await.unwrap();
        let add = "mutation($i: [PetMutationInputArg!]!) { add_Pet(input: $i) { _docID } }";
        let pet = json!({"i": [{"name": format!("Pet {n}"), "owner": made["add_Contact"][0]["_docID"]}]});
        home.alice.graphql_with(add, pet).await.unwrap();
    }
    home
}

fn access(rows: Option<u32>) -> Value {
    let mut access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search", "update", "history"],
        "fields": {"allow": ["name", "age"]}});
    if let Some(rows) = rows {
        access["limits"] = json!({ "rows_per_day": rows });
    }
    access
}

fn is_refused(answer: &Answer) -> bool {
    answer.codes() == ["limit_rows_per_day"] && answer.json["data"].is_null()
}

/// How much is used today, as its person is told.
async fn used(home: &Home, grant: &str) -> Value {
    let shown = home.alice.get(&format!("/api/v1/grants/{grant}")).await.unwrap();
    shown.json["today"][0]["told"].clone()
}

const LIST: &str = "{ Contact(limit: 4) { name } }";

#[tokio::test]
async fn a_day_has_so_many_rows_and_each_answer_counts() {
    let home = contacts(6).await;
    let (app, grant) = home.app(&access(None), &access(Some(10)));
    let (free, other) = home.app(&access(None), &access(None));
    assert_eq!(used(&home, &grant).await, 0);
    assert_eq!(app.graphql(LIST).await.unwrap()["Contact"].as_array().unwrap().len(), 4, "control");
    assert_eq!(used(&home, &grant).await, 4);
    // More than is left is told not at all, and asking so is a question.
    let refused = ask(&app, "{ Contact { name } COUNT(Contact: {}) }").await;
    assert!(is_refused(&refused) && refused.status == 200, "{}", refused.text);
    assert!(refused.text.contains("Contact") && refused.text.contains("T00:00:00Z"), "{}", refused.text);
    assert_eq!(used(&home, &grant).await, 6, "of two questions");
    // Numbers, groups, and what is answered by nothing.
    for (question, told) in [
        ("{ COUNT(Contact: {}) }", 7),
        ("{ Contact(filter: {name: {_eq: \"nobody\"}}) { name } }", 8),
        ("{ Contact(groupBy: [name], limit: 1) { name } }", 9),
    ] {
        assert!(ask(&app, question).await.codes().is_empty(), "{question}");
        assert_eq!(used(&home, &grant).await, told, "{question}");
    }
    assert!(ask(&app, "{ _commits(limit: 1) { cid } }").await.codes().is_empty());
    for question in [
        LIST,
        "{ COUNT(Contact: {}) }",
        "{ Contact(limit: 1) { _docID } }",
        "{ Contact(filter: {name: {_eq: \"nobody\"}}) { name } }",
        "{ MAX(Contact: {field: age}) }",
        "{ _commits(limit: 1) { cid } }",
        "mutation { update_Contact(filter: {name: {_eq: \"Contact 1\"}}, input: {age: 99}) { name } }",
    ] {
        assert!(is_refused(&ask(&app, question).await), "{question}");
        assert!(ask(&free, question).await.codes().is_empty(), "control {question}");
    }
    assert_eq!(used(&home, &grant).await, 10);
    let ages = home.alice.graphql("{ MAX(Contact: {field: age}) }").await.unwrap();
    assert_eq!(ages["MAX"], 99, "control: by the app without a limit");
    home.alice
        .graphql("mutation { update_Contact(filter: {age: {_eq: 99}}, input: {age: 1}) { name } }")
        .await
        .unwrap();
    // Over the old way too, by GET and in the other shape.
    assert!(is_refused(&app.try_graphql(LIST, Value::Null).await.unwrap()));
    let by_get = app.get("/api/v1/graphql?query=%7B%20Contact%20%7B%20name%20%7D%20%7D").await.unwrap();
    assert!(is_refused(&by_get), "{}", by_get.text);
    let v0 = app.post("/api/v0/graphql", &json!({"query": "{ Contact { name } }"})).await.unwrap();
    assert!(is_refused(&v0), "{}", v0.text);
    let request =
        app.request(reqwest::Method::POST, "/api/v1/graphql").header("accept", "application/graphql-response+json");
    let told = request.json(&json!({"query": LIST})).send().await.unwrap();
    assert_eq!(told.status(), 429);
    let wait: u64 = told.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait));
    // Definitions are no rows, and neither is what its person looks at.
    assert!(ask(&app, "{ __schema { types { name } } }").await.codes().is_empty());
    assert_eq!(home.alice.get(&format!("/api/v1/grants/{grant}/preview")).await.unwrap().status, 200);
    assert_eq!(used(&home, &grant).await, 10);
    let shown = home.node.cli_ok(&["grant", "show", &grant]).unwrap();
    assert_eq!(shown["access"][0]["limits"], json!({"rows_per_day": 10}));
    assert_eq!((&shown["today"][0]["collection"], &shown["today"][0]["rows_per_day"]), (&json!("Contact"), &json!(10)));
    assert!(shown["today"][0]["again"].as_str().unwrap().ends_with("T00:00:00Z"), "{shown}");
    assert_eq!(home.node.cli_ok(&["grant", "show", &other]).unwrap()["today"], json!([]));
    unhurt(&home).await;
}

#[tokio::test]
async fn a_change_is_refused_before_it_is_done_or_told_no_more_than_is_left() {
    let home = contacts(6).await;
    let (app, grant) = home.app(&access(None), &access(Some(5)));
    let update = "mutation { update_Contact(input: {age: 7}) { name } }";
    let refused = ask(&app, update).await;
    assert!(is_refused(&refused) && refused.text.contains("It was done"), "{}", refused.text);
    assert!(!refused.text.contains("Contact 1"), "{}", refused.text);
    assert_eq!(used(&home, &grant).await, 5, "nothing is left");
    let done = home.alice.graphql("{ COUNT(Contact: {filter: {age: {_eq: 7}}}) }").await.unwrap();
    assert_eq!(done["COUNT"], 6);
    let refused = ask(&app, "mutation { update_Contact(input: {age: 8}) { name } }").await;
    assert!(is_refused(&refused) && !refused.text.contains("It was done"), "{}", refused.text);
    let done = home.alice.graphql("{ COUNT(Contact: {filter: {age: {_eq: 8}}}) }").await.unwrap();
    assert_eq!(done["COUNT"], 0);
    unhurt(&home).await;
}

#[tokio::test]
async fn neither_a_restart_nor_a_kill_gives_the_day_anew_nor_does_another_grant_in_its_place() {
    let home = contacts(6).await;
    let (app, grant) = home.app(&access(None), &access(Some(9)));
    app.graphql(LIST).await.unwrap();
    app.graphql(LIST).await.unwrap();
    let Home { node, alice, root, .. } = home;
    let allod = node.allod.clone();
    let dir = node.kill().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let app = Client::new(&node.url, app.token.as_deref()).unwrap();
    assert!(is_refused(&ask(&app, LIST).await), "eight are told");
    let dir = node.stop().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let (app, alice) = (app.at(&node.url), alice.at(&node.url));
    assert!(is_refused(&ask(&app, LIST).await));
    // Held to less, the day goes on; nobody raises a limit but who is asked.
    let file = |rows: u32| {
        let path = root.path().join(format!("{rows}.json"));
        std::fs::write(&path, access(Some(rows)).to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let less = node.cli_ok(&["grant", "shrink", &grant, &file(3)]).unwrap();
    assert!(is_refused(&ask(&app, "{ Contact(limit: 1) { name } }").await), "more was told today than it now gives");
    let grant = less["grant"].as_str().unwrap();
    let held = node.cli_ok(&["grant", "shrink", grant, &file(500)]).unwrap();
    assert_eq!(held["access"][0]["limits"]["rows_per_day"], 3, "a limit is not raised so");
    let asked = app.post("/api/v1/requests", &json!({"access": access(Some(20))})).await.unwrap();
    assert_eq!(asked.status, 201, "{}", asked.text);
    let waiting = alice.get("/api/v1/requests").await.unwrap();
    assert!(waiting.json[0]["sentences"][0].as_str().unwrap().contains("at most 20 a day"), "{}", waiting.text);
    node.cli_ok(&["request", "approve", asked.json["request"].as_str().unwrap()]).unwrap();
    assert!(ask(&app, LIST).await.codes().is_empty(), "what is left of twenty");
    let now = alice.get("/api/v1/grants").await.unwrap();
    assert_eq!(now.json[0]["access"].as_array().unwrap().len(), 1, "the same with more takes its place: {}", now.text);
    drop(root);
}

#[tokio::test]
async fn who_asks_all_at_once_is_told_no_more() {
    let home = contacts(4).await;
    let (app, grant) = home.app(&access(None), &access(Some(50)));
    let asks = (0..40).map(|_| {
        let app = app.clone();
        async move { ask(&app, LIST).await }
    });
    let answers = futures::future::join_all(asks).await;
    let told: usize = answers.iter().filter_map(|one| one.json["data"]["Contact"].as_array()).map(Vec::len).sum();
    assert!((40..=50).contains(&told), "{told}");
    assert!(answers.iter().any(is_refused));
    assert!(used(&home, &grant).await.as_u64().unwrap() >= told as u64);
    unhurt(&home).await;
}

#[tokio::test]
async fn limits_are_within_the_manifest_and_shown_and_chosen_on_the_page() {
    let home = contacts(3).await;
    let manifest =
        json!({"name": "An App", "redirect_uris": [BACK], "access": [access(Some(100))], "confidential": false});
    let made = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
    let client = made["client_id"].as_str().unwrap();
    let give = |rows: Value| {
        let mut access = access(None);
        access["limits"] = rows;
        json!({"user": "alice", "client_id": client, "access": access})
    };
    let operator = home.node.operator().unwrap();
    for (rows, status, expected) in [
        (json!({"rows_per_day": 101}), 403, "grant_outside_manifest"),
        (json!({"rows_per_day": 0}), 400, "grant_malformed"),
        (json!({"rows_per_day": "1"}), 400, "grant_malformed"),
        (json!({"bytes_per_day": 1}), 400, "grant_key_unsupported"),
    ] {
        let refused = operator.post("/api/v1/grants", &give(rows.clone())).await.unwrap();
        assert_eq!((refused.status, code(&refused)), (status, expected), "{rows}");
    }
    for (rows, limit) in [(json!(null), 100), (json!({"rows_per_day": 7}), 7)] {
        let given = operator.post("/api/v1/grants", &give(rows)).await.unwrap();
        assert_eq!(given.status, 201, "{}", given.text);
        assert_eq!(given.json["authorization_details"][0]["limits"]["rows_per_day"], limit, "{}", given.text);
    }
    let mut page = String::new();
    let (code, verifier) = authorize(&home.node.url, client, BACK, &access(None), OWNER, |form| {
        page.clone_from(&form.html);
        form.set("rows-0", "2");
    })
    .await
    .unwrap();
    assert!(
        page.contains("name=\"rows-0\"") && page.contains("value=\"100\"") && page.contains("it asks for 100"),
        "{page}"
    );
    let given = exchange(&home.node.url, client, BACK, &code, &verifier).await.unwrap();
    assert_eq!(given.response["authorization_details"][0]["limits"]["rows_per_day"], 2);
    let app = home.alice.with_token(&given.access_token);
    assert!(ask(&app, "{ Contact(limit: 2) { name } }").await.codes().is_empty());
    assert!(is_refused(&ask(&app, "{ Contact(limit: 1) { name } }").await));
    let all = access(None);
    let more = authorize(&home.node.url, client, BACK, &all, OWNER, |form| form.set("rows-0", "101"));
    assert!(more.await.is_err(), "more than the app asks");
    unhurt(&home).await;
}
