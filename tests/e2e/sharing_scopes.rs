//! What an app may write is judged by what becomes of a document; what a grant shows is what it enforces.

use serde_json::{Value, json};

use crate::home::Home;
use crate::masks::ask;

fn access(fields: Value, rows: Value) -> Value {
    json!({"type": "allod_doc", "datatypes": ["Item"], "actions": ["create", "read", "update", "search"],
        "fields": {"allow": fields}, "where": rows})
}

/// A counter is moved by a step, and what counts is where it comes to stand.
#[tokio::test]
async fn a_counter_does_not_leave_the_scope_of_who_moves_it() {
    let home = Home::new().await;
    home.alice
        .define("type Item { name: String n: Int @crdt(type: pncounter) f: Float @crdt(type: pncounter) }")
        .await
        .unwrap();
    home.alice.graphql(r#"mutation { add_Item(input: {name: "a", n: 1, f: 1}) { _docID } }"#).await.unwrap();
    for (field, rows) in [("n", json!({"n": {"_lt": 3}})), ("f", json!({"f": {"_leq": 2.5}}))] {
        let grant = access(json!(["name", "n", "f"]), rows);
        let (app, _) = home.app(&grant, &grant);
        let step = async |by: &str| {
            ask(&app, &format!("mutation {{ update_Item(input: {{{field}: {by}}}) {{ {field} }} }}")).await
        };
        for far in ["10", "2", "9000000000000000"] {
            let refused = step(far).await;
            assert!(!refused.codes().is_empty(), "{field} by {far}: {}", refused.text);
        }
        let moved = step("1").await;
        let stands = |answer: &harness::Answer| answer.json["data"]["update_Item"][0][field].as_f64();
        assert_eq!(stands(&moved), Some(2.0), "control: {}", moved.text);
        assert!(!step("1").await.codes().is_empty(), "{field}: it stands at the edge");
        let back = step("-1").await;
        assert_eq!(stands(&back), Some(1.0), "{}", back.text);
        let other = ask(&app, r#"mutation { update_Item(input: {name: "b"}) { name } }"#).await;
        assert!(other.codes().is_empty(), "control: {}", other.text);
    }
    let all = home.alice.graphql("{ Item { n f } }").await.unwrap();
    assert_eq!(all["Item"], json!([{"n": 1, "f": 1.0}]));
}

/// Whoever moves a counter that they do not see is not told that it would go too far: that tells where it stands.
#[tokio::test]
async fn a_counter_that_is_moved_unseen_does_not_tell_where_it_stands() {
    let home = Home::new().await;
    home.alice
        .define("type Item { name: String n: Int @crdt(type: pncounter) f: Float @crdt(type: pncounter) }")
        .await
        .unwrap();
    home.alice.graphql(r#"mutation { add_Item(input: {name: "a", n: 41, f: 41}) { _docID } }"#).await.unwrap();
    let id = home.alice.graphql("{ Item { _docID } }").await.unwrap()["Item"][0]["_docID"].as_str().unwrap().to_owned();
    let grant =
        json!({"type": "allod_doc", "datatypes": ["Item"], "actions": ["update"], "fields": {"allow": ["n", "f"]}});
    let (app, _) = home.app(&grant, &grant);
    let there_and_back = |field: &str, step: &str| {
        let by = |step: String| format!("update_Item(docID: \"{id}\", input: {{{field}: {step}}}) {{ _docID }}");
        format!("mutation {{ a: {} b: {} }}", by(step.to_owned()), by(format!("-{step}")))
    };
    let max = i64::MAX;
    for step in [max - 42, max - 41, max - 40, max] {
        let query = there_and_back("n", &step.to_string());
        assert!(ask(&app, &query).await.codes().is_empty(), "{step}");
        // Control: who sees it is told that it would go too far.
        assert_eq!(ask(&home.alice, &query).await.codes().is_empty(), step <= max - 41, "{step}");
    }
    for step in ["1e150", "1e100"] {
        assert!(ask(&app, &there_and_back("f", step)).await.codes().is_empty(), "{step}");
    }
    for step in ["1e151", "1.7e308"] {
        assert_eq!(
            ask(&app, &there_and_back("f", step)).await.codes(),
            ["invalid_input"],
            "whatever it stands at: {step}"
        );
    }
    assert_eq!(home.alice.graphql("{ Item { n } }").await.unwrap()["Item"][0]["n"], 41);
}

/// Of a unique key with a part that the app does not see, the answer does not tell what that part holds.
#[tokio::test]
async fn a_hidden_part_of_a_unique_key_is_not_told() {
    let home = Home::new().await;
    let sdl = r#"type Item @index(includes: [{field: "a"}, {field: "b"}], unique: true) { name: String a: String b: String }"#;
    home.alice.define(sdl).await.unwrap();
    home.alice
        .graphql(r#"mutation { add_Item(input: [{name: "null", a: "1"}, {name: "full", a: "2", b: "x"}, {name: "other", a: "3", b: "x"}]) { _docID } }"#)
        .await
        .unwrap();
    let grant = access(json!(["name", "a"]), Value::Null);
    let (app, _) = home.app(&grant, &grant);
    let mut told = Vec::new();
    for (name, value) in [("null", "9"), ("full", "9"), ("full", "3"), ("null", "3")] {
        let update = format!(
            "mutation {{ update_Item(filter: {{name: {{_eq: \"{name}\"}}}}, input: {{a: \"{value}\"}}) {{ a }} }}"
        );
        told.push(ask(&app, &update).await);
    }
    for answer in &told {
        assert_eq!((answer.codes(), &answer.text), (vec!["forbidden"], &told[0].text));
    }
    let named =
        ask(&app, r#"mutation { update_Item(filter: {name: {_eq: "null"}}, input: {name: "n"}) { name } }"#).await;
    assert!(named.codes().is_empty(), "control: {}", named.text);
    // Who sees both parts is told.
    let whole = access(json!(["name", "a", "b"]), Value::Null);
    let (app, _) = home.app(&whole, &whole);
    let taken = ask(&app, r#"mutation { update_Item(filter: {name: {_eq: "full"}}, input: {a: "3"}) { a } }"#).await;
    assert_eq!(taken.codes(), ["not_unique"], "{}", taken.text);
    let free = ask(&app, r#"mutation { update_Item(filter: {name: {_eq: "full"}}, input: {a: "4"}) { a } }"#).await;
    assert!(free.codes().is_empty(), "{}", free.text);
}

/// Of two conditions on one field, by the app's manifest and by the person, both hold; so both are shown.
#[tokio::test]
async fn a_filter_is_shown_as_it_is_enforced() {
    let home = Home::new().await;
    home.alice.define("type Item { name: String n: Int }").await.unwrap();
    let add = r#"mutation { add_Item(input: [{name: "a", n: 1}, {name: "b", n: 5}, {name: "c", n: 9}]) { _docID } }"#;
    home.alice.graphql(add).await.unwrap();
    let fields = json!(["name", "n"]);
    for (stated, asked, shown, found) in [
        (json!({"n": {"_gt": 0}}), json!({"n": {"_gt": 4}}), json!({"n": {"_gt": 4}}), 2),
        (json!({"n": {"_gt": 4}}), json!({"n": {"_gt": 0}}), json!({"n": {"_gt": 4}}), 2),
        (json!({"name": {"_neq": "a"}}), json!({"name": {"_neq": "b"}}), json!({"name": {"_nin": ["a", "b"]}}), 1),
        (json!({"n": {"_in": [1, 5]}}), json!({"n": {"_in": [5, 9]}}), json!({"n": {"_in": [5]}}), 1),
    ] {
        let (app, grant) = home.app(&access(fields.clone(), stated), &access(fields.clone(), asked));
        let told = home.node.cli_ok(&["grant", "show", &grant]).unwrap();
        assert_eq!(told["access"][0]["where"], shown, "{told}");
        let seen = app.graphql("{ Item { name } }").await.unwrap();
        assert_eq!(seen["Item"].as_array().unwrap().len(), found, "{seen}");
    }
    // What contradicts itself gives nothing, and is not given.
    let manifest = access(fields.clone(), json!({"name": {"_eq": "a"}}));
    let manifest = json!({"name": "App", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [manifest]});
    let app = home.node.cli_ok(&["app", "add", &home.file("odd.json", &manifest.to_string())]).unwrap();
    let grant = home.file("odd_grant.json", &access(fields, json!({"name": {"_eq": "b"}})).to_string());
    let client_id = app["client_id"].as_str().unwrap();
    let refused = home.node.cli(&["grant", "add", "--user", "alice", "--app", client_id, &grant]).unwrap();
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    // A filter that cannot be read is refused where it is wrong.
    for (text, place) in [("{\"n\": {\"_eq\" 1}}", "column 14"), ("{\"n\": 1, \"n\": 2}", "`n`"), ("{", "line 1")] {
        let refused = home.node.cli(&["link", "add", "Item", "--fields", "name", "--where", text]).unwrap();
        assert_eq!(refused.code, 2, "{}", refused.stdout);
        assert!(refused.stdout.contains(place), "{text}: {}", refused.stdout);
    }
    let refused = home.node.cli(&["share", "add", "--user", "bob", "--collection", "Nope"]).unwrap();
    assert!(refused.code == 4 && refused.stdout.contains("There is no collection `Nope`"), "{}", refused.stdout);
}
