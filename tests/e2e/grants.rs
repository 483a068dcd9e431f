//! What an app gets: exactly its grant, each entry by itself, and nothing once it is revoked. Every
//! refusal stands beside its control: Alice makes the same request and succeeds.

use std::time::{Duration, Instant};

use harness::{Client, Node};
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
async fn who_gave_a_grant_sees_the_first_rows_of_it_as_the_app_does_and_nobody_else() {
    let home = Home::new().await;
    contacts(&home).await;
    let bob = home.user("bob", None).await;
    // An operator who did not give it, too.
    home.node.cli_ok(&["user", "operator", "bob"]).unwrap();
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["phone", "name"]}, "where": {"tag": {"_eq": "family"}}});
    let (app, grant) = home.app(&access, &access);
    let path = format!("/api/v1/grants/{grant}/preview");
    let seen = home.alice.get(&path).await.unwrap();
    assert_eq!((seen.status, &seen.json["types_left"]), (200, &json!(0)), "{}", seen.text);
    let shown = &seen.json["types"][0];
    assert_eq!(shown["fields"], json!(["phone", "name"]), "in the order in which the app asks");
    assert_eq!((&shown["shows"], &shown["more"], &shown["versions"]), (&json!("rows"), &json!(false), &json!(false)));
    let by_app = app.graphql("{ Contact { phone name } }").await.unwrap();
    let by_app: Vec<Value> =
        by_app["Contact"].as_array().unwrap().iter().map(|row| json!([row["phone"], row["name"]])).collect();
    assert_eq!(shown["rows"], json!(by_app), "control: so the app sees it");
    assert!(!seen.text.contains("Ben") && !seen.text.contains("secret"), "{}", seen.text);
    assert_eq!(bob.get(&path).await.unwrap().status, 404);
    assert_eq!(app.get(&path).await.unwrap().status, 403);
    assert_eq!(app.nobody().get(&path).await.unwrap().status, 401);
    home.node.cli_ok(&["grant", "revoke", &grant]).unwrap();
    assert_eq!(home.alice.get(&path).await.unwrap().status, 404);
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

#[tokio::test]
async fn a_grant_that_is_held_to_less_is_so_for_the_tokens_that_the_app_has() {
    let home = Home::new().await;
    contacts(&home).await;
    let bob = home.user("bob", None).await;
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search", "update"],
        "fields": {"allow": ["name", "phone"]}, "where": {"tag": {"_eq": "family"}}, "duration": "P30D"});
    let (app, grant) = home.app(&access, &access);
    let before = home.node.cli_ok(&["grant", "show", &grant]).unwrap();
    let less = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name"]}, "where": {"name": {"_neq": "Cid"}}});
    let route = format!("/api/v1/grants/{grant}");
    assert_eq!(app.graphql("{ Contact { phone } }").await.unwrap()["Contact"].as_array().unwrap().len(), 2, "control");

    // More is refused, and nobody else's grant is anything.
    for (key, more) in [("fields", json!({"allow": ["name", "notes"]})), ("actions", json!(["read", "delete"]))] {
        let mut wider = less.clone();
        wider[key] = more;
        let refused = home.alice.put(&route, &json!({ "access": wider })).await.unwrap();
        assert_eq!((refused.status, refused.json["error"]["code"].as_str()), (403, Some("grant_wider")), "{key}");
    }
    for stranger in [&bob, &app] {
        let refused = stranger.put(&route, &json!({ "access": less })).await.unwrap();
        assert!([401, 403, 404].contains(&refused.status), "{}", refused.text);
    }
    assert_eq!(
        home.node.cli_ok(&["grant", "show", &grant]).unwrap()["access"],
        before["access"],
        "nothing was changed"
    );

    let held = home.alice.put(&route, &json!({ "access": less })).await.unwrap();
    assert_eq!(held.status, 200, "{}", held.text);
    let new = held.json["grant"].as_str().unwrap().to_owned();
    assert_eq!((held.json["before"].as_str(), new == grant), (Some(grant.as_str()), false));
    assert_eq!(held.json["expires"], before["expires"], "it ends when it did");
    // By the very token that it has, from the next request on.
    let rows = app.graphql("{ Contact { name } }").await.unwrap();
    assert_eq!(rows, json!({"Contact": [{"name": "Ann"}]}), "the filters of both hold");
    for query in ["{ Contact { phone } }", r#"mutation { update_Contact(input: {name: "X"}) { _docID } }"#] {
        assert!(!app.try_graphql(query, Value::Null).await.unwrap().codes().is_empty(), "{query}");
    }
    let listed = home.node.cli_ok(&["grant", "list"]).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["access"][0]["fields"]["allow"], json!(["name"]));
    // The one before is gone for good, and cannot be brought back by its id.
    let again = home.alice.put(&route, &json!({ "access": access })).await.unwrap();
    assert_eq!(again.status, 404);
    let audit = home.node.cli_ok(&["audit"]).unwrap().to_string();
    assert!(audit.contains("grant.narrowed") && audit.contains(&new), "{audit}");

    // For longer it lasts only by who has just shown who they are; the local token is whoever holds the machine.
    let end = format!("/api/v1/grants/{new}/end");
    let minted = home.node.cli_ok(&["user", "token", "alice", "--ttl", "1h"]).unwrap();
    let unconfirmed = home.alice.with_token(minted["access_token"].as_str().unwrap());
    let refused = unconfirmed.put(&end, &json!({ "until": null })).await.unwrap();
    assert_eq!(
        (refused.status, refused.json["error"]["code"].as_str()),
        (401, Some("insufficient_user_authentication"))
    );
    let past = home.node.cli(&["grant", "extend", &new, "2001-01-01T00:00:00Z"]).unwrap();
    assert_ne!(past.code, 0);
    let longer = home.node.cli_ok(&["grant", "extend", &new, "never"]).unwrap();
    assert_eq!((&longer["expires"], &longer["before"]), (&Value::Null, &json!(new)));
    assert_eq!(app.graphql("{ Contact { name } }").await.unwrap(), json!({"Contact": [{"name": "Ann"}]}));

    let last = longer["grant"].as_str().unwrap();
    home.node.cli_ok(&["grant", "revoke", last]).unwrap();
    assert_eq!(app.try_graphql("{ Contact { name } }", Value::Null).await.unwrap().status, 401);
    assert_ne!(home.node.cli(&["grant", "shrink", last, &home.file("less.json", &less.to_string())]).unwrap().code, 0);
}

#[tokio::test]
async fn what_is_taken_back_on_another_device_ends_though_it_was_changed_meanwhile() {
    let home = Home::new().await;
    contacts(&home).await;
    let wide = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name", "phone"]}});
    let less = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name"]}});
    let (app, grant) = home.app(&wide, &wide);
    let (other, others) = home.app(&wide, &wide);
    let invite = home.node.cli_ok(&["device", "invite"]).unwrap();
    let dir = home.root.path().join("laptop");
    home.node.allod.ok(&dir, &["device", "join", invite["code"].as_str().unwrap()]).unwrap();
    let laptop = Node::serve(&home.node.allod, &dir).unwrap();
    laptop.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();

    let less = home.file("less.json", &less.to_string());
    let Home { node, root, .. } = home;
    let (allod, at_home) = (node.allod.clone(), node.stop().unwrap());
    laptop.cli_ok(&["grant", "revoke", &grant]).unwrap();
    laptop.stop().unwrap();
    let node = Node::serve(&allod, &at_home).unwrap();
    let (app, other) = (app.at(&node.url), other.at(&node.url));
    // Twice, so that the laptop has not heard of the one before either.
    let once = node.cli_ok(&["grant", "shrink", &grant, &less]).unwrap();
    node.cli_ok(&["grant", "extend", once["grant"].as_str().unwrap(), "never"]).unwrap();
    node.cli_ok(&["grant", "shrink", &others, &less]).unwrap();
    for one in [&app, &other] {
        assert_eq!(one.try_graphql("{ Contact { name } }", Value::Null).await.unwrap().status, 200, "control");
    }

    let laptop = Node::serve(&allod, &dir).unwrap();
    laptop.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    node.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while app.try_graphql("{ Contact { name } }", Value::Null).await.unwrap().status != 401 {
        assert!(Instant::now() < until, "the app still reads");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(other.try_graphql("{ Contact { name } }", Value::Null).await.unwrap().status, 200, "control");
    let left = node.cli_ok(&["grant", "list"]).unwrap();
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    drop(root);
}

#[tokio::test]
async fn a_person_sees_what_an_app_really_used_and_what_it_was_refused_counts_for_nothing() {
    let home = Home::new().await;
    contacts(&home).await;
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name", "phone", "tag"]}});
    let (app, grant) = home.app(&access, &access);
    let used = async || home.alice.get(&format!("/api/v1/grants/{grant}")).await.unwrap().json["used"].clone();
    assert_eq!(used().await, json!({"requests": 0, "rows": 0, "bytes": 0, "fields": []}));
    app.try_graphql("{ Contact { notes } }", Value::Null).await.unwrap();
    app.try_graphql("{ Contact(filter: {notes: {_eq: \"secret\"}}) { name } }", Value::Null).await.unwrap();
    assert_eq!(used().await["requests"], 0, "it is not told what it may not see");
    home.alice.graphql("{ Contact { name phone tag notes } }").await.unwrap();
    assert_eq!(used().await["requests"], 0, "her own requests are not the app's");

    app.graphql("{ Contact { name } }").await.unwrap();
    let told = used().await;
    let counted = (&told["requests"], &told["rows"], &told["fields"]);
    assert_eq!(counted, (&json!(1), &json!(3), &json!(["Contact.name"])));
    assert!(told["bytes"].as_u64().is_some_and(|bytes| bytes > 30), "{told}");
    // What is asked about is looked at, too, shown or not.
    app.graphql("{ Contact(filter: {tag: {_eq: \"work\"}}) { name } }").await.unwrap();
    let told = used().await;
    assert_eq!((&told["requests"], &told["rows"]), (&json!(2), &json!(4)));
    assert_eq!(told["fields"], json!(["Contact.name", "Contact.tag"]), "{told}");
    let Home { node, alice, root, .. } = home;
    let before = told;
    let (allod, dir) = (node.allod.clone(), node.stop().unwrap());
    let node = Node::serve(&allod, &dir).unwrap();
    let alice = Client::new(&node.url, alice.token.as_deref()).unwrap();
    let after = alice.get(&format!("/api/v1/grants/{grant}")).await.unwrap();
    assert_eq!(after.json["used"], before, "it outlives a stop");
    drop(root);
}
