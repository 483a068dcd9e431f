//! Entries are evaluated one by one, never as a product of unions: one that gives names of work documents and one that
//! gives phones of all do not add up to all names. What is outside changes nothing that is seen.

use harness::Client;
use serde_json::{Value, json};

use crate::hostile::unhurt;
use crate::masks::ask;
use crate::sharing::People;
use crate::sharing_fields::rule;

/// Roads on which a name or a phone could show.
const ROADS: [&str; 20] = [
    "{ Contact(order: {phone: ASC}) { name phone } }",
    "{ Contact(order: {name: ASC}) { name } }",
    "{ Contact(order: {name: DESC}, limit: 1) { phone } }",
    "{ Contact(order: [{name: ASC}, {phone: DESC}]) { phone } }",
    "{ Contact(filter: {name: {_neq: null}}) { name phone } }",
    "{ Contact(filter: {name: {_eq: null}}, order: {phone: ASC}) { phone } }",
    "{ Contact(filter: {_not: {name: {_eq: \"Ann\"}}}, order: {phone: ASC}) { phone } }",
    "{ Contact(filter: {name: {_like: \"A%\"}}) { phone } }",
    "{ Contact(filter: {_or: [{name: {_eq: \"Ann\"}}, {name: {_eq: \"Zoe\"}}]}) { phone } }",
    "{ Contact(filter: {_and: [{phone: {_eq: \"1\"}}, {name: {_neq: null}}]}) { phone } }",
    "{ Contact(groupBy: [name]) { name COUNT(GROUP: {}) } }",
    "{ Contact(groupBy: [name, phone]) { name phone } }",
    "{ Contact(groupBy: [phone], order: {phone: ASC}) { phone GROUP { name } } }",
    "{ COUNT(Contact: {filter: {name: {_neq: null}}}) }",
    "{ COUNT(Contact: {filter: {name: {_gt: \"B\"}}}) }",
    "{ Contact(groupBy: [phone], order: {phone: ASC}) { COUNT(GROUP: {filter: {name: {_neq: null}}}) } }",
    "{ _commits { fieldName height delta docID } }",
    "{ _commits(fieldName: \"name\") { height delta } }",
    "{ Contact { _version { height delta } } }",
    "{ Contact(showDeleted: true) { name phone _deleted } }",
];

async fn answers(client: &Client) -> Vec<String> {
    let mut all = Vec::new();
    for road in ROADS {
        all.push(ask(client, road).await.text);
    }
    all
}

/// Alice changes a field of one of her contacts, found by another.
async fn change(alice: &Client, by: (&str, &str), field: &str, value: &str) {
    let (key, is) = by;
    let update = format!(
        "mutation {{ update_Contact(filter: {{{key}: {{_eq: \"{is}\"}}}}, input: {{{field}: \"{value}\"}}) {{ _docID }} }}"
    );
    let done = alice.graphql(&update).await.unwrap();
    assert_eq!(done["update_Contact"].as_array().unwrap().len(), 1, "{update}");
}

#[tokio::test]
async fn names_of_work_and_phones_of_all_are_not_names_of_all() {
    let people = People::new().await;
    let alice = &people.home.alice;
    let entry = |fields: Value, rows: Value| {
        json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search", "history"],
            "fields": {"allow": fields}, "where": rows})
    };
    let work = entry(json!(["name"]), json!({"tag": {"_eq": "work"}}));
    let all = entry(json!(["phone"]), json!({}));
    let manifest = json!({"name": "Two", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [work, all], "confidential": false});
    let node = &people.home.node;
    let client = node.cli_ok(&["app", "add", &people.home.file("two.json", &manifest.to_string())]).unwrap();
    let client = client["client_id"].as_str().unwrap().to_owned();
    let granted = |access: Value| {
        let file = people.home.file("grant.json", &access.to_string());
        let made = node.cli_ok(&["grant", "add", "--user", "alice", "--app", &client, &file]).unwrap();
        alice.with_token(made["access_token"].as_str().unwrap())
    };
    let both = granted(json!([work, all]));
    let rows = both.graphql("{ Contact(order: {phone: ASC}) { name phone } COUNT(Contact: {}) }").await.unwrap();
    let expected = json!([{"name": null, "phone": "1"}, {"name": "Ben", "phone": "2"}, {"name": null, "phone": "3"}]);
    assert_eq!(rows, json!({"Contact": expected, "COUNT": 3}));
    // Two consents are two tokens, and neither has what the other gives.
    let (only_work, only_all) = (granted(json!([work])), granted(json!([all])));
    assert_eq!(only_work.graphql("{ Contact { name } }").await.unwrap()["Contact"], json!([{"name": "Ben"}]));
    assert!(!ask(&only_work, "{ Contact { phone } }").await.codes().is_empty());
    assert_eq!(only_all.graphql("{ COUNT(Contact: {}) }").await.unwrap(), json!({"COUNT": 3}));
    assert!(!ask(&only_all, "{ Contact { name } }").await.codes().is_empty());
    // A name outside the entry that gives names changes no answer; a phone does, and so does a name inside it.
    let before = answers(&both).await;
    let owners = answers(alice).await;
    change(alice, ("phone", "1"), "name", "Zoe").await;
    let (after, control) = (answers(&both).await, answers(alice).await);
    for (n, road) in ROADS.iter().enumerate() {
        assert_eq!(before[n], after[n], "{road}");
    }
    assert!(owners.iter().zip(&control).filter(|(a, b)| a != b).count() > 10, "control: Alice sees it by most roads");
    change(alice, ("name", "Ben"), "name", "Bob").await;
    let inside = answers(&both).await;
    assert!(after.iter().zip(&inside).filter(|(a, b)| a != b).count() > 5, "control: {inside:?}");
    change(alice, ("name", "Zoe"), "phone", "9").await;
    assert!(inside.iter().zip(&answers(&both).await).filter(|(a, b)| a != b).count() > 5, "control");
    unhurt(&people.home).await;
}

/// The same of a person: what is hidden from them, blocked for them or not shared with them changes nothing.
#[tokio::test]
async fn what_a_person_does_not_see_changes_nothing_that_they_see() {
    let people = People::new().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    let all = alice.graphql("{ Contact(order: {name: ASC}) { _docID } }").await.unwrap();
    let id = |n: usize| all["Contact"][n]["_docID"].as_str().unwrap();
    people.share(json!({"collection": "Contact", "with": {"user": "bob"}, "role": "viewer"})).await;
    people.share(json!({"collection": "Contact", "document": id(2), "with": {"user": "bob"}, "role": "blocked"})).await;
    people
        .share(json!({"collection": "Contact", "document": id(0), "with": {"user": "carol"}, "role": "editor"}))
        .await;
    rule(alice, json!({"collection": "Contact", "field": "name", "rule": "hidden", "who": {"user": "bob"}})).await;
    let roads: Vec<String> = ROADS.iter().map(|road| road.replace("name", "tag")).collect();
    let seen = |client: &Client| {
        let (client, roads) = (client.clone(), roads.clone());
        async move {
            let mut all = Vec::new();
            for road in &roads {
                all.push(ask(&client, road).await.text);
            }
            all
        }
    };
    let before = (seen(&bob).await, seen(&carol).await);
    // A hidden field, a blocked document, documents of others.
    change(alice, ("phone", "1"), "name", "Zoe").await;
    change(alice, ("phone", "3"), "tag", "secret").await;
    assert_eq!(seen(&bob).await, before.0, "hidden, blocked");
    change(alice, ("phone", "2"), "tag", "other").await;
    assert_ne!(seen(&bob).await, before.0, "control: that he sees");
    assert_ne!(seen(&carol).await, before.1, "control: the name of hers is in her history");
    let before = seen(&carol).await;
    change(alice, ("phone", "3"), "tag", "more").await;
    change(alice, ("phone", "2"), "tag", "others").await;
    alice.graphql("mutation { add_Contact(input: {name: \"Dot\", tag: \"new\"}) { _docID } }").await.unwrap();
    assert_eq!(seen(&carol).await, before, "not shared with her");
    change(alice, ("phone", "1"), "tag", "hers").await;
    assert_ne!(seen(&carol).await, before, "control");
    unhurt(&people.home).await;
}
