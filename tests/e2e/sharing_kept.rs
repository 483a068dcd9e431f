//! What is kept from whom: never anything from who manages what contains it, always from who was removed.

use serde_json::{Value, json};

use crate::hostile::unhurt;
use crate::masks::ask;
use crate::sharing::{People, share};
use crate::sharing_fields::rule;
use crate::sharing_groups::{group, put};

async fn names(client: &harness::Client) -> Vec<String> {
    let found = client.graphql("{ Contact(order: {name: ASC}) { name } }").await.unwrap();
    let list = found["Contact"].as_array().unwrap().iter();
    list.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// Whoever owns a part cannot shut out who owns the whole, by whatever road.
#[tokio::test]
async fn an_owner_of_a_part_shuts_nobody_out_who_manages_what_contains_it() {
    let people = People::new().await;
    let (alice, [bob, _]) = (&people.home.alice, people.looking());
    let dan = people.home.user("dan", None).await.in_space(&people.space);
    let all = alice.graphql("{ Contact(order: {name: ASC}) { _docID } }").await.unwrap();
    let id = |n: usize| all["Contact"][n]["_docID"].as_str().unwrap().to_owned();
    share(alice, json!({"collection": "Contact", "with": {"user": "bob"}, "role": "owner"})).await;
    share(&bob, json!({"collection": "Contact", "with": {"user": "dan"}, "role": "viewer"})).await;
    let (outer, inner) = (group(&bob, "Everybody").await, group(&bob, "Inner").await);
    for (of, member) in
        [(&inner, json!({"user": "alice"})), (&inner, json!({"user": "dan"})), (&outer, json!({"group": inner}))]
    {
        assert_eq!(put(&bob, of, member).await.status, 201);
    }
    for who in [&outer, &inner] {
        rule(&bob, json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"group": who}})).await;
        share(&bob, json!({"collection": "Contact", "document": id(0), "with": {"group": who}, "role": "blocked"}))
            .await;
    }
    rule(&bob, json!({"collection": "Contact", "field": "tag", "rule": "hidden", "who": {"user": "alice"}})).await;
    rule(&bob, json!({"collection": "Contact", "field": "notes", "rule": "sealed"})).await;
    rule(&bob, json!({"collection": "Contact", "field": "notes", "rule": "hidden", "who": {"group": outer}})).await;
    rule(&bob, json!({"collection": "Contact", "field": "age", "rule": "hidden", "who": {"user": "bob"}})).await;
    let read = "{ Contact(order: {name: ASC}) { name phone tag notes } }";
    let seen = alice.graphql(read).await.unwrap();
    assert_eq!(seen["Contact"].as_array().unwrap().len(), 3, "{seen}");
    assert_eq!(seen["Contact"][0], json!({"name": "Ann", "phone": "1", "tag": "family", "notes": "secret"}));
    let written =
        ask(alice, "mutation { update_Contact(input: {phone: \"9\", tag: \"x\", notes: \"y\"}) { name phone } }").await;
    assert_eq!(written.json["data"]["update_Contact"].as_array().map(Vec::len), Some(3), "{}", written.text);
    // Control: the same rules keep it from Dan, who is in the group too and manages nothing.
    assert_eq!(names(&dan).await, ["Ben", "Cid"]);
    assert!(!ask(&dan, "{ Contact { phone } }").await.codes().is_empty());
    assert!(!ask(&dan, "{ Contact { notes } }").await.codes().is_empty());
    // What somebody keeps from themselves is kept from them.
    assert!(ask(&bob, "{ Contact { tag } }").await.codes().is_empty(), "control");
    assert!(!ask(&bob, "{ Contact { age } }").await.codes().is_empty());
    unhurt(&people.home).await;
}

/// To be hidden from somebody outweighs that they are a reader of it, whichever came first.
#[tokio::test]
async fn hidden_outweighs_reader() {
    let people = People::new().await;
    let (alice, [bob, _]) = (&people.home.alice, people.looking());
    share(alice, json!({"with": {"user": "bob"}, "role": "editor"})).await;
    let firm = group(alice, "Firm").await;
    assert_eq!(put(alice, &firm, json!({"user": "bob"})).await.status, 201);
    let phone = async || ask(&bob, "{ Contact { phone } }").await.codes().is_empty();
    let notes = async || ask(&bob, "{ Contact { notes } }").await.codes().is_empty();
    rule(alice, json!({"collection": "Contact", "field": "notes", "rule": "sealed"})).await;
    assert!(phone().await && !notes().await, "control");
    for field in ["phone", "notes"] {
        rule(alice, json!({"collection": "Contact", "field": field, "rule": "reader", "who": {"user": "bob"}})).await;
    }
    assert!(phone().await && notes().await, "control");
    for field in ["phone", "notes"] {
        rule(alice, json!({"collection": "Contact", "field": field, "rule": "hidden", "who": {"group": firm}})).await;
    }
    assert!(!phone().await && !notes().await);
    let written = ask(&bob, "mutation { update_Contact(input: {phone: \"0\"}) { name } }").await;
    assert!(!written.codes().is_empty(), "{}", written.text);
}

/// A manager who is removed keeps nothing that rests on their own word alone.
#[tokio::test]
async fn managers_who_are_removed_keep_nothing_that_they_gave_themselves() {
    let people = People::new().await;
    let (alice, [bob, _]) = (&people.home.alice, people.looking());
    let all = alice.graphql("{ Contact(order: {name: ASC}) { _docID } }").await.unwrap();
    let document = all["Contact"][1]["_docID"].as_str().unwrap();
    let dan = people.home.user("dan", None).await.in_space(&people.space);
    for keep in [false, true] {
        let owner = share(alice, json!({"collection": "Contact", "with": {"user": "bob"}, "role": "owner"})).await;
        let firm = group(&bob, "Firm").await;
        let folder = bob.post("/api/v1/folders", &json!({"collection": "Contact", "name": "Mine"})).await.unwrap();
        let folder = folder.json["folder"].as_str().unwrap().to_owned();
        for what in [
            json!({"collection": "Contact", "with": {"user": "bob"}, "role": "editor"}),
            json!({"collection": "Contact", "with": {"group": firm}, "role": "viewer"}),
            json!({"collection": "Contact", "document": document, "with": {"user": "bob"}, "role": "owner"}),
            json!({"folder": folder, "with": {"user": "bob"}, "role": "owner"}),
        ] {
            share(&bob, what).await;
        }
        if !keep {
            share(&bob, json!({"collection": "Contact", "with": {"user": "dan"}, "role": "viewer"})).await;
        }
        let diary = share(alice, json!({"collection": "Diary", "with": {"user": "bob"}, "role": "viewer"})).await;
        let query = if keep { "?keep=true" } else { "" };
        let gone = alice.delete(&format!("/api/v1/shares/{owner}{query}")).await.unwrap();
        assert_eq!(gone.status, 200, "{}", gone.text);
        let count = |key: &str| gone.json[key].as_array().map_or(0, Vec::len);
        if keep {
            assert_eq!((count("taken"), count("reaches")), (0, 5), "{}", gone.text);
            assert_eq!(names(&bob).await.len(), 3, "kept");
            break;
        }
        assert_eq!((count("taken"), count("reaches")), (4, 1), "{}", gone.text);
        assert_eq!(gone.json["reaches"][0]["share"], json!(diary), "what Alice gave stays, and is told");
        assert!(!ask(&bob, "{ Contact { name } }").await.codes().is_empty());
        assert!(ask(&bob, "{ Diary { entry } }").await.codes().is_empty());
        assert_eq!(names(&dan).await.len(), 3, "what he gave others is theirs");
        alice.delete(&format!("/api/v1/shares/{diary}")).await.unwrap();
    }

    // The same of groups.
    let crew = group(alice, "Crew").await;
    assert_eq!(put(alice, &crew, json!({"user": "bob", "role": "manager"})).await.status, 201);
    let own = group(&bob, "His").await;
    for member in [json!({"user": "bob"}), json!({"group": own}), json!({"user": "dan"})] {
        assert_eq!(put(&bob, &crew, member).await.status, 201);
    }
    let gone = alice.delete(&format!("/api/v1/groups/{crew}/managers/bob")).await.unwrap();
    assert_eq!((gone.status, gone.json["taken"].as_array().map(Vec::len)), (200, Some(2)), "{}", gone.text);
    let shown = alice.get(&format!("/api/v1/groups/{crew}")).await.unwrap();
    let members: Vec<&Value> = shown.json["members"].as_array().unwrap().iter().map(|one| &one["user"]).collect();
    assert_eq!(members, [&json!("alice"), &json!("dan")], "{}", shown.text);
    unhurt(&people.home).await;
}

/// What is deleted may come back, and is seen in history: it can be kept from somebody too.
#[tokio::test]
async fn a_deleted_document_can_be_blocked() {
    let people = People::new().await;
    let (alice, [bob, _]) = (&people.home.alice, people.looking());
    share(alice, json!({"collection": "Contact", "with": {"user": "bob"}, "role": "viewer"})).await;
    let all = alice.graphql("{ Contact(order: {name: ASC}) { _docID } }").await.unwrap();
    let document = all["Contact"][0]["_docID"].as_str().unwrap();
    alice
        .graphql_with("mutation($id: ID!) { delete_Contact(docID: $id) { _docID } }", json!({ "id": document }))
        .await
        .unwrap();
    let block = json!({"collection": "Contact", "document": document, "with": {"user": "bob"}, "role": "blocked"});
    let blocked = share(alice, block.clone()).await;
    let own = people.bob.in_space(&people.space);
    assert_eq!(own.post("/api/v1/shares", &block).await.unwrap().status, 404, "who does not manage it is told nothing");
    let deleted = "{ Contact(showDeleted: true) { name } }";
    assert_eq!(bob.graphql(deleted).await.unwrap()["Contact"].as_array().unwrap().len(), 2);
    assert_eq!(alice.graphql(deleted).await.unwrap()["Contact"].as_array().unwrap().len(), 3, "control");
    assert_eq!(alice.delete(&format!("/api/v1/shares/{blocked}")).await.unwrap().status, 204);
    assert_eq!(bob.graphql(deleted).await.unwrap()["Contact"].as_array().unwrap().len(), 3, "control");
}
