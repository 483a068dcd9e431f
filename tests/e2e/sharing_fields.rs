//! Field rules: a field that is kept from somebody is for them a field that never was, by whatever road.

use harness::{Client, Node};
use serde_json::{Value, json};

use crate::hostile::{code, unhurt};
use crate::masks::{FIELD_ROADS, alike, ask};
use crate::sharing::People;
use crate::sharing_groups::{group, put};

pub async fn rule(client: &Client, what: Value) -> String {
    let made = client.post("/api/v1/field-rules", &what).await.unwrap();
    assert_eq!(made.status, 201, "{what}: {}", made.text);
    made.json["field_rule"].as_str().unwrap().to_owned()
}

async fn lift(client: &Client, rule: &str) {
    let gone = client.delete(&format!("/api/v1/field-rules/{rule}")).await.unwrap();
    assert_eq!(gone.status, 204, "{}", gone.text);
}

/// To the client the field never was: selections, filters, orders, groups, aggregates, mutations, history,
/// introspection, and the words of every refusal.
pub async fn never_was(client: &Client, field: &str, never: &str) {
    for road in FIELD_ROADS {
        let answer = alike(client, road, field, never).await;
        assert!(!answer.codes().is_empty() && answer.json["data"].is_null(), "{road}: {}", answer.text);
    }
    for road in [
        "mutation { add_Contact(input: {name: \"x\", ¤: null}) { name } }",
        "{ _commits(fieldName: \"¤\") { cid } }",
        "{ __type(name: \"Contact\") { fields(includeDeprecated: true) { name } } }",
    ] {
        alike(client, road, field, never).await;
    }
    for query in [
        "{ __schema { types { name fields { name } inputFields { name } enumValues { name } } } }",
        "{ _commits { fieldName links { name } } }",
        "{ Contact { _version { links { name } } } }",
    ] {
        let answer = ask(client, query).await;
        assert!(!answer.text.contains(&format!("\"{field}\"")), "{field} in {}", answer.text);
    }
}

async fn column(client: &Client, field: &str) -> Value {
    let answer = client.graphql(&format!("{{ Contact(order: {{name: ASC}}) {{ {field} }} }}")).await;
    answer.unwrap_or_else(|error| panic!("{field}: {error}"))["Contact"].clone()
}

#[tokio::test]
async fn a_hidden_field_never_was_for_whom_it_is_hidden_and_is_there_for_the_others() {
    let people = People::new().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    for name in ["bob", "carol"] {
        people.share(json!({"with": {"user": name}, "role": "editor"})).await;
    }
    for field in ["phone", "notes", "age"] {
        assert_eq!(column(&bob, field).await, column(alice, field).await, "control");
    }
    let before = alice.graphql("{ Contact(order: {name: ASC}) { name phone tag notes age } }").await.unwrap();
    let hidden =
        rule(alice, json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "bob"}})).await;
    let firm = group(alice, "Firm").await;
    rule(alice, json!({"collection": "Contact", "field": "notes", "rule": "hidden", "who": {"group": firm}})).await;
    assert_eq!(column(&bob, "notes").await, column(alice, "notes").await, "control: he is not in it");
    assert_eq!(put(alice, &firm, json!({"user": "bob"})).await.status, 201);
    for (field, never) in [("phone", "phony"), ("notes", "nates")] {
        never_was(&bob, field, never).await;
        assert_eq!(column(&carol, field).await, column(alice, field).await, "control");
        let history = ask(&carol, "{ _commits { fieldName } }").await;
        assert!(history.text.contains(&format!("\"{field}\"")), "control: {}", history.text);
    }
    assert_eq!(column(&bob, "age").await, column(alice, "age").await, "the other fields are untouched");
    // What he makes and changes leaves the field alone.
    bob.graphql("mutation { update_Contact(filter: {name: {_eq: \"Ann\"}}, input: {age: 31}) { age } }").await.unwrap();
    let ann = alice.graphql("{ Contact(filter: {name: {_eq: \"Ann\"}}) { phone age } }").await.unwrap();
    assert_eq!(ann["Contact"], json!([{"phone": "1", "age": 31}]));
    alice
        .graphql("mutation { update_Contact(filter: {name: {_eq: \"Ann\"}}, input: {age: 30}) { age } }")
        .await
        .unwrap();
    let after = alice.graphql("{ Contact(order: {name: ASC}) { name phone tag notes age } }").await.unwrap();
    assert_eq!(before, after, "nothing of this wrote");
    // An edit of a hidden field leaves no trace in the history that he sees.
    let seen = |client: &Client| {
        let client = client.clone();
        async move { ask(&client, "{ _commits { cid height fieldName docID } }").await.text }
    };
    let unchanged = seen(&bob).await;
    alice
        .graphql("mutation { update_Contact(filter: {name: {_eq: \"Ben\"}}, input: {phone: \"7\"}) { name } }")
        .await
        .unwrap();
    assert_eq!(seen(&bob).await, unchanged);
    assert_ne!(seen(&carol).await, unchanged, "control");
    // A group that something is hidden from is not removed: its members would see it.
    let kept = alice.delete(&format!("/api/v1/groups/{firm}")).await.unwrap();
    assert_eq!((kept.status, code(&kept)), (409, "group_in_use"));
    lift(alice, &hidden).await;
    assert_eq!(column(&bob, "phone").await, column(alice, "phone").await, "it is there again at once");
    never_was(&bob, "notes", "nates").await;
    unhurt(&people.home).await;
}

#[tokio::test]
async fn a_sealed_field_is_seen_by_its_readers_and_who_manages_and_by_nobody_else() {
    let people = People::new().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    people.share(json!({"with": {"user": "bob"}, "role": "editor"})).await;
    people.share(json!({"collection": "Contact", "with": {"user": "carol"}, "role": "viewer"})).await;
    let secret = column(alice, "notes").await;
    let sealed = rule(alice, json!({"collection": "Contact", "field": "notes", "rule": "sealed"})).await;
    for client in [&bob, &carol] {
        never_was(client, "notes", "nates").await;
        assert_eq!(column(client, "name").await, column(alice, "name").await, "control");
    }
    assert_eq!(column(alice, "notes").await, secret);
    let edit = "mutation { update_Contact(filter: {name: {_eq: \"Ann\"}}, input: {notes: \"new\"}) { notes } }";
    assert_eq!(alice.graphql(edit).await.unwrap()["update_Contact"], json!([{"notes": "new"}]), "she manages it");
    // A reader reads, and does not write.
    let reader =
        rule(alice, json!({"collection": "Contact", "field": "notes", "rule": "reader", "who": {"user": "carol"}}))
            .await;
    assert_eq!(column(&carol, "notes").await, column(alice, "notes").await);
    people.share(json!({"collection": "Contact", "with": {"user": "carol"}, "role": "editor"})).await;
    let refused = ask(&carol, &edit.replace("new", "forged")).await;
    assert!(!refused.codes().is_empty() && refused.json["data"].is_null(), "{}", refused.text);
    carol.graphql(&edit.replace("notes", "phone")).await.expect("control: she edits the rest");
    // An app of hers sees what she sees, and no more than its grant.
    let access = |field: &str| json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": {"allow": ["name", field]}});
    let (app, _) = people.home.app(&access("notes"), &access("notes"));
    assert_eq!(column(&app, "notes").await, column(alice, "notes").await);
    // After a start it is sealed still, whoever asks first.
    let People { home, bob, carol, space } = people;
    let (allod, root, owner) = (home.node.allod.clone(), home.root, home.alice.clone());
    let dir = home.node.stop().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let again = |client: &Client| Client::new(&node.url, client.token.as_deref()).unwrap();
    let (alice, bob, carol) = (again(&owner), again(&bob).in_space(&space), again(&carol).in_space(&space));
    never_was(&bob, "notes", "nates").await;
    assert_eq!(column(&carol, "notes").await, column(&alice, "notes").await);
    lift(&alice, &reader).await;
    never_was(&carol, "notes", "nates").await;
    lift(&alice, &sealed).await;
    for client in [&bob, &carol] {
        assert_eq!(column(client, "notes").await, column(&alice, "notes").await, "open again");
    }
    let sealed = rule(&alice, json!({"collection": "Contact", "field": "notes", "rule": "sealed"})).await;
    never_was(&bob, "notes", "nates").await;
    lift(&alice, &sealed).await;
    bob.graphql(edit).await.expect("he edits it as before");
    drop(root);
}

#[tokio::test]
async fn only_who_manages_the_collection_sets_and_sees_rules() {
    let people = People::new().await;
    people.acquainted().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    people.share(json!({"with": {"user": "bob"}, "role": "editor"})).await;
    let made =
        rule(alice, json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "carol"}}))
            .await;
    for field in ["phone", "nothing"] {
        let what = json!({"collection": "Contact", "field": field, "rule": "hidden", "who": {"user": "carol"}});
        let refused = bob.post("/api/v1/field-rules", &what).await.unwrap();
        assert_eq!((refused.status, code(&refused)), (403, "forbidden"), "{field}");
        assert_eq!(carol.post("/api/v1/field-rules", &what).await.unwrap().status, 404, "{field}");
    }
    assert_eq!(bob.get("/api/v1/field-rules").await.unwrap().json, json!([]));
    assert_eq!(carol.get("/api/v1/field-rules").await.unwrap().status, 404);
    for client in [&bob, &carol] {
        for id in [made.as_str(), "000000000000000000000000000000aa", "x"] {
            assert_eq!(client.delete(&format!("/api/v1/field-rules/{id}")).await.unwrap().status, 404);
            assert_eq!(client.get(&format!("/api/v1/shares/{id}")).await.unwrap().status, 404, "a rule is no share");
            assert_eq!(client.delete(&format!("/api/v1/shares/{id}")).await.unwrap().status, 404);
        }
    }
    let shares = alice.get("/api/v1/shares").await.unwrap();
    assert!(!shares.text.contains(&made), "{}", shares.text);
    for client in [&people.bob, &people.carol] {
        let audit = client.get("/api/v1/audit").await.unwrap();
        assert!(!audit.text.contains("field_rule"), "who is kept from something is not told: {}", audit.text);
    }
    assert!(alice.get("/api/v1/audit").await.unwrap().text.contains("field_rule.set"), "control");
    for bad in [
        json!({"collection": "Contact", "field": "phone", "rule": "hidden"}),
        json!({"collection": "Contact", "field": "phone", "rule": "sealed", "who": {"user": "bob"}}),
        json!({"collection": "Contact", "field": "phone", "rule": "secret", "who": {"user": "bob"}}),
        json!({"collection": "Contact", "rule": "sealed"}),
        json!({"field": "phone", "rule": "sealed"}),
        json!({"collection": "Contact", "field": "phone", "rule": "sealed", "until": "P1D"}),
    ] {
        let refused = alice.post("/api/v1/field-rules", &bad).await.unwrap();
        assert_eq!(refused.status, 400, "{bad}: {}", refused.text);
    }
    for (collection, field) in [("Contact", "nothing"), ("Nothing", "phone")] {
        let what = json!({"collection": collection, "field": field, "rule": "sealed"});
        assert_eq!(alice.post("/api/v1/field-rules", &what).await.unwrap().status, 404);
    }
    let node = &people.home.node;
    let sealed = node.cli_ok(&["field-rule", "seal", "Contact.age"]).unwrap();
    node.cli_ok(&["field-rule", "read", "Contact.age", "--user", "bob"]).unwrap();
    node.cli_ok(&["field-rule", "hide", "Contact.tag", "--user", "bob"]).unwrap();
    let listed = node.cli_ok(&["field-rule", "list", "--collection", "Contact"]).unwrap();
    let rules: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["hidden", "sealed", "reader", "hidden"], "{listed}");
    never_was(&bob, "tag", "tab").await;
    assert_eq!(column(&bob, "age").await, column(alice, "age").await);
    node.cli_ok(&["field-rule", "remove", sealed["field_rule"].as_str().unwrap()]).unwrap();
    node.cli(&["field-rule", "seal", "Contact"]).unwrap().refused(2).unwrap();
    node.cli(&["field-rule", "seal", "Contact.nothing"]).unwrap().refused(4).unwrap();
    unhurt(&people.home).await;
}
