//! What definitions demand of a document, by every road on which it comes alive or changes.

use harness::Client;
use serde_json::{Value, json};

use crate::home::Home;

async fn id(home: &Home, mutation: &str) -> String {
    let made = home.alice.graphql(mutation).await.unwrap();
    let list = made.as_object().unwrap().values().next().unwrap();
    list[0]["_docID"].as_str().unwrap().to_owned()
}

/// The code of a refused operation.
async fn refused(client: &Client, mutation: &str) -> String {
    let answer = client.try_graphql(mutation, json!({})).await.unwrap();
    answer.codes().first().map(|code| (*code).to_owned()).unwrap_or_else(|| panic!("{mutation}: {answer:?}"))
}

#[tokio::test]
async fn what_is_restored_is_unique_and_one_to_one_like_what_is_added() {
    let home = Home::new().await;
    home.alice
        .define(
            "type Thing { name: String @index(unique: true) n: Int @crdt(type: pncounter) @index(unique: true) }
             type Pair @index(unique: true, includes: [{field: \"a\"}, {field: \"b\"}]) { a: String b: Int c: Int }
             type Man { name: String wife: Wife @primary }
             type Wife { name: String man: Man }",
        )
        .await
        .unwrap();
    let first = id(&home, r#"mutation { add_Thing(input: {name: "a"}) { _docID } }"#).await;
    let gone = id(&home, r#"mutation { add_Thing(input: {name: "control"}) { _docID } }"#).await;
    for doc in [&first, &gone] {
        home.alice.graphql(&format!(r#"mutation {{ delete_Thing(docID: "{doc}") {{ _docID }} }}"#)).await.unwrap();
    }
    let second = id(&home, r#"mutation { add_Thing(input: {name: "a"}) { _docID } }"#).await;
    for by in [
        format!(r#"docID: "{first}""#),
        format!(r#"docID: ["{gone}", "{first}"]"#),
        r#"filter: {name: {_like: "%"}}"#.into(),
    ] {
        let code = refused(&home.alice, &format!("mutation {{ restore_Thing({by}) {{ _docID }} }}")).await;
        assert_eq!(code, "not_unique", "{by}");
    }
    assert_eq!(home.alice.graphql("{ COUNT(Thing: {}) }").await.unwrap()["COUNT"], 1, "nothing was written");
    home.alice.graphql(&format!(r#"mutation {{ restore_Thing(docID: "{gone}") {{ _docID }} }}"#)).await.unwrap();
    // What is freed in the same request is free.
    let swap = format!(
        r#"mutation {{ update_Thing(docID: "{second}", input: {{name: "b"}}) {{ _docID }} restore_Thing(docID: "{first}") {{ name }} }}"#
    );
    assert_eq!(home.alice.graphql(&swap).await.unwrap()["restore_Thing"], json!([{"name": "a"}]));

    // Counters: the sum counts, not the step.
    let set = |doc: &str, n: i64| format!(r#"mutation {{ update_Thing(docID: "{doc}", input: {{n: {n}}}) {{ n }} }}"#);
    home.alice.graphql(&set(&first, 5)).await.unwrap();
    home.alice.graphql(&set(&second, 3)).await.unwrap();
    assert_eq!(refused(&home.alice, &set(&second, 2)).await, "not_unique");
    assert_eq!(home.alice.graphql(&set(&first, 3)).await.unwrap()["update_Thing"][0]["n"], 8, "a step that is taken");

    // A counter stands at what 64 bits hold, and its step is taken whole or not at all.
    assert_eq!(refused(&home.alice, &set(&second, i64::MAX)).await, "invalid_input");
    home.alice.graphql(&set(&second, i64::MAX - 3)).await.expect("control: it stood at 3");
    home.alice.graphql(&set(&second, -i64::MAX)).await.expect("and comes back");
    // A part of a compound index, and documents of one request beside each other.
    let pair = id(&home, r#"mutation { add_Pair(input: [{a: "x", b: 1}, {a: "x", b: 2}]) { _docID } }"#).await;
    assert_eq!(
        refused(&home.alice, &format!(r#"mutation {{ update_Pair(docID: "{pair}", input: {{b: 2}}) {{ _docID }} }}"#))
            .await,
        "not_unique"
    );
    assert_eq!(
        refused(&home.alice, r#"mutation { update_Pair(filter: {}, input: {b: 7}) { _docID } }"#).await,
        "not_unique"
    );
    assert_eq!(
        refused(&home.alice, r#"mutation { add_Pair(input: [{a: "y", b: 1}, {a: "y", b: 1}]) { _docID } }"#).await,
        "not_unique"
    );
    assert_eq!(
        refused(
            &home.alice,
            r#"mutation { upsert_Pair(filter: {b: {_eq: 1}}, add: {a: "z"}, update: {b: 2}) { _docID } }"#
        )
        .await,
        "not_unique"
    );
    home.alice
        .graphql(&format!(r#"mutation {{ update_Pair(docID: "{pair}", input: {{c: 2}}) {{ _docID }} }}"#))
        .await
        .unwrap();
    home.alice
        .graphql(r#"mutation { add_Pair(input: [{b: 1}, {b: 1}]) { _docID } }"#)
        .await
        .expect("a null equals nothing");

    let wife = id(&home, r#"mutation { add_Wife(input: {name: "w"}) { _docID } }"#).await;
    let man = id(&home, &format!(r#"mutation {{ add_Man(input: {{name: "1", wife: "{wife}"}}) {{ _docID }} }}"#)).await;
    home.alice.graphql(&format!(r#"mutation {{ delete_Man(docID: "{man}") {{ _docID }} }}"#)).await.unwrap();
    let other =
        id(&home, &format!(r#"mutation {{ add_Man(input: {{name: "2", wife: "{wife}"}}) {{ _docID }} }}"#)).await;
    let restore = format!(r#"mutation {{ restore_Man(docID: "{man}") {{ name }} }}"#);
    assert_eq!(refused(&home.alice, &restore).await, "not_unique");
    home.alice.graphql(&format!(r#"mutation {{ delete_Man(docID: "{other}") {{ _docID }} }}"#)).await.unwrap();
    home.alice.graphql(&restore).await.expect("control");
}

#[tokio::test]
async fn who_does_not_see_all_of_a_unique_field_restores_nothing() {
    let home = Home::new().await;
    home.alice.define("type Note { name: String @index(unique: true) mine: Int }").await.unwrap();
    let doc = id(&home, r#"mutation { add_Note(input: {name: "a", mine: 1}) { _docID } }"#).await;
    let all = json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read", "search", "delete", "history"],
        "fields": {"allow": ["name", "mine"]}});
    let mut entry = all.clone();
    entry["where"] = json!({"mine": {"_eq": 1}});
    let restore = format!(r#"mutation {{ restore_Note(docID: "{doc}") {{ _docID }} }}"#);
    for (entry, allowed) in [(entry, false), (all, true)] {
        let (app, _) = home.app(&entry, &entry);
        app.graphql(&format!(r#"mutation {{ delete_Note(docID: "{doc}") {{ _docID }} }}"#)).await.unwrap();
        match allowed {
            true => {
                assert_eq!(app.graphql(&restore).await.unwrap()["restore_Note"][0]["_docID"], Value::from(doc.clone()))
            }
            false => assert_eq!(refused(&app, &restore).await, "forbidden"),
        }
        home.alice.graphql(&restore).await.unwrap();
    }
}
