//! What an app gets: exactly its grant, each entry by itself, and nothing once it is revoked. Every
//! refusal stands beside its control: Alice makes the same request and succeeds.

use serde_json::{Value, json};

use crate::home::Home;

async fn contacts(home: &Home) {
    home.alice.define("type Contact { name: String phone: String tag: String notes: String }").await.unwrap();
    for (name, phone, tag) in [("Ann", "1", "family"), ("Ben", "2", "work"), ("Cid", "3", "family")] {
        home.alice
            .graphql_with(
                "mutation($i: [ContactMutationInputArg!]!) { add_Contact(input: $i) { _docID } }",
                json!({"i": [{"name": name, "phone": phone, "tag": tag, "notes": "secret"}]}),
            )
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn rows_outside_the_filter_and_fields_outside_the_mask_do_not_exist() {
    let home = Home::new().await;
    contacts(&home).await;
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name"]}, "where": {"tag": {"_eq": "family"}}});
    let (app, grant) = home.app(&access, &access);
    let names = app.graphql("{ Contact(order: {name: ASC}) { name } COUNT(Contact: {}) }").await.unwrap();
    assert_eq!(names, json!({"Contact": [{"name": "Ann"}, {"name": "Cid"}], "COUNT": 2}));
    let ben = home.alice.graphql(r#"{ Contact(filter: {name: {_eq: "Ben"}}) { _docID } }"#).await.unwrap();
    let ben = ben["Contact"][0]["_docID"].as_str().unwrap().to_owned();
    let by_id = format!("{{ Contact(docID: \"{ben}\") {{ name }} }}");
    assert_eq!(app.graphql(&by_id).await.unwrap(), json!({"Contact": []}));
    assert_eq!(home.alice.graphql(&by_id).await.unwrap(), json!({"Contact": [{"name": "Ben"}]}), "control");
    for query in [
        "{ Contact { phone } }".to_owned(),
        r#"{ Contact(filter: {phone: {_eq: "1"}}) { name } }"#.to_owned(),
        r#"{ Contact(filter: {_not: {phone: {_eq: "1"}}}) { name } }"#.to_owned(),
        "{ Contact(order: {phone: ASC}) { name } }".to_owned(),
        "{ Contact(order: [{name: ASC}, {phone: ASC}]) { name } }".to_owned(),
        "{ Contact(groupBy: [tag]) { tag } }".to_owned(),
        r#"{ COUNT(Contact: {filter: {tag: {_eq: "work"}}}) }"#.to_owned(),
        "{ _commits { cid } }".to_owned(),
        "{ Contact { _version { cid } } }".to_owned(),
        format!("mutation {{ update_Contact(docID: \"{ben}\", input: {{name: \"B\"}}) {{ _docID }} }}"),
        r#"mutation { add_Contact(input: {name: "New"}) { _docID } }"#.to_owned(),
        format!("mutation {{ delete_Contact(docID: \"{ben}\") {{ _docID }} }}"),
    ] {
        let refused = app.try_graphql(&query, Value::Null).await.unwrap();
        assert!(!refused.codes().is_empty() && refused.json["data"].is_null(), "{query}: {}", refused.text);
        home.alice.graphql(&query).await.unwrap_or_else(|error| panic!("control {query}: {error}"));
    }
    home.node.cli_ok(&["grant", "revoke", &grant]).unwrap();
    assert_eq!(app.try_graphql("{ Contact { name } }", Value::Null).await.unwrap().status, 401);
}

#[tokio::test]
async fn entries_are_evaluated_one_by_one_never_as_a_product_of_unions() {
    let home = Home::new().await;
    contacts(&home).await;
    let family = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name", "tag"]}, "where": {"tag": {"_eq": "family"}}});
    let everyone = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": {"allow": ["phone"]}});
    let manifest = json!({"name": "Two", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [family, everyone], "confidential": false});
    let app = home.node.cli_ok(&["app", "add", &home.file("two.json", &manifest.to_string())]).unwrap();
    let file = home.file("both.json", &json!([family, everyone]).to_string());
    let made = home
        .node
        .cli_ok(&["grant", "add", "--user", "alice", "--app", app["client_id"].as_str().unwrap(), &file])
        .unwrap();
    let app = home.alice.with_token(made["access_token"].as_str().unwrap());
    let rows = app.graphql("{ Contact(order: {phone: ASC}) { phone name } }").await.unwrap();
    assert_eq!(
        rows["Contact"],
        json!([{"phone": "1", "name": "Ann"}, {"phone": "2", "name": null}, {"phone": "3", "name": "Cid"}]),
        "Ben's phone is covered, his name is not"
    );
    let probe = app.graphql(r#"{ Contact(filter: {name: {_eq: "Ben"}}) { phone } }"#).await.unwrap();
    assert_eq!(probe["Contact"], json!([]), "a filter sees only what its entry covers");
    let control = home.alice.graphql(r#"{ Contact(filter: {name: {_eq: "Ben"}}) { phone } }"#).await.unwrap();
    assert_eq!(control["Contact"], json!([{"phone": "2"}]));
}

#[tokio::test]
async fn an_app_writes_only_inside_its_scope() {
    let home = Home::new().await;
    contacts(&home).await;
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["create", "read", "update", "delete", "search"],
        "fields": {"allow": ["name", "phone"]}, "where": {"tag": {"_eq": "family"}}});
    let (app, _) = home.app(&access, &access);
    app.graphql(r#"mutation { add_Contact(input: {name: "Dot"}) { _docID name } }"#).await.unwrap();
    let dot = home.alice.graphql(r#"{ Contact(filter: {name: {_eq: "Dot"}}) { tag } }"#).await.unwrap();
    assert_eq!(dot["Contact"], json!([{"tag": "family"}]), "the scope's own value is set by add");
    let touched = app.graphql(r#"mutation { update_Contact(input: {phone: "9"}) { name } }"#).await.unwrap();
    assert_eq!(touched["update_Contact"].as_array().unwrap().len(), 3, "{touched}");
    let ben = home.alice.graphql(r#"{ Contact(filter: {name: {_eq: "Ben"}}) { phone } }"#).await.unwrap();
    assert_eq!(ben["Contact"], json!([{"phone": "2"}]), "outside the scope nothing changed");
    let gone = app.graphql(r#"mutation { delete_Contact { name } }"#).await;
    if gone.is_ok() {
        let left = home.alice.graphql("{ Contact { name } }").await.unwrap();
        assert_eq!(left["Contact"], json!([{"name": "Ben"}]));
    }
}
