//! `allod check --explain`: a refusal names what refuses, and nothing that gives; a question finds the space that it is
//! about; and what an app has says of each entry until when.

use harness::{Node, Outcome};
use serde_json::{Value, json};

use crate::hostile::unhurt;
use crate::sharing::People;
use crate::sharing_fields::rule;
use crate::sharing_groups::{group, put};

fn check(node: &Node, user: &str, rest: &[&str]) -> Outcome {
    let mut args = vec!["check", "--user", user, "--explain"];
    args.extend(rest);
    node.cli(&args).unwrap()
}

/// A refusal by `by`, whose sentence has `says` in it and whose path gives nothing.
#[track_caller]
fn refused(ran: &Outcome, by: &str, says: &str) -> Value {
    assert_eq!((ran.code, &ran.json["allowed"]), (3, &json!(false)), "{}", ran.stdout);
    assert_eq!(ran.json["refused_by"], by, "{}", ran.stdout);
    let reason = ran.json["reason"].as_str().unwrap();
    assert!(reason.contains(says), "{reason}");
    for step in ran.json["path"].as_array().unwrap() {
        let step = step.as_str().unwrap();
        let gives = ["viewer", "editor", "owner", "manager", "admin", "reader", "holder", "grantor"];
        assert!(gives.iter().all(|relation| !step.contains(&format!("#{relation}@"))), "{step} gives");
    }
    ran.json.clone()
}

#[track_caller]
fn allowed(ran: &Outcome) {
    assert_eq!((ran.code, &ran.json["allowed"]), (0, &json!(true)), "{}", ran.stdout);
    assert!(!ran.json["path"].as_array().unwrap().is_empty(), "{}", ran.stdout);
}

#[tokio::test]
async fn a_refusal_names_what_refuses_and_no_path_that_gives() {
    let people = People::new().await;
    let (alice, node) = (&people.home.alice, &people.home.node);
    let all = alice.graphql("{ Contact(order: {name: ASC}) { _docID } }").await.unwrap();
    let id = |n: usize| all["Contact"][n]["_docID"].as_str().unwrap();
    let here = ["--space", &people.space];
    let asks = |user: &str, rest: &[&str]| check(node, user, &[&here[..], rest].concat());
    // Nothing is shared with Bob.
    let none = refused(&asks("bob", &["read", "Contact.name"]), "no_entry", "nothing is shared");
    assert_eq!(none["path"], json!([]));
    people.share(json!({"collection": "Contact", "with": {"user": "bob"}, "role": "viewer"})).await;
    allowed(&asks("bob", &["read", "Contact.name"]));
    allowed(&asks("bob", &["read", "Contact.name", id(0)]));
    refused(&asks("bob", &["update", "Contact.name"]), "no_entry", "`update`");
    refused(&asks("bob", &["read", "Diary.entry"]), "no_entry", "`read`");
    refused(&asks("bob", &["read", "Contact.name", "00000000-0000-7000-8000-0000000000aa"]), "not_there", "not there");
    // A document kept from him, by a share to him and by one to a group that he is in.
    let blocked = json!({"collection": "Contact", "document": id(0), "with": {"user": "bob"}, "role": "blocked"});
    let blocked = people.share(blocked).await;
    let told = refused(&asks("bob", &["read", "Contact.name", id(0)]), "blocked", &blocked);
    assert!(told["path"].to_string().contains("#blocked@user:"), "{told}");
    let firm = group(alice, "Firm").await;
    assert_eq!(put(alice, &firm, json!({"user": "bob"})).await.status, 201);
    let of_firm = json!({"collection": "Contact", "document": id(1), "with": {"group": firm}, "role": "blocked"});
    let of_firm = people.share(of_firm).await;
    refused(&asks("bob", &["read", "Contact", id(1)]), "blocked", &of_firm);
    allowed(&asks("bob", &["read", "Contact.name", id(2)]));
    // Fields: hidden from him, hidden from his group, sealed.
    let hidden =
        rule(alice, json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "bob"}})).await;
    let told = refused(&asks("bob", &["read", "Contact.phone"]), "hidden", &hidden);
    assert!(told["path"].to_string().contains("#hidden@user:"), "{told}");
    let hidden =
        rule(alice, json!({"collection": "Contact", "field": "tag", "rule": "hidden", "who": {"group": firm}})).await;
    refused(&asks("bob", &["read", "Contact.tag", id(2)]), "hidden", &hidden);
    let sealed = rule(alice, json!({"collection": "Contact", "field": "notes", "rule": "sealed"})).await;
    refused(&asks("bob", &["read", "Contact.notes"]), "sealed", &sealed);
    let reads = json!({"collection": "Contact", "field": "notes", "rule": "reader", "who": {"user": "bob"}});
    let reader = rule(alice, reads).await;
    allowed(&asks("bob", &["read", "Contact.notes"]));
    assert_eq!(alice.delete(&format!("/api/v1/field-rules/{reader}")).await.unwrap().status, 204);
    refused(&asks("bob", &["read", "Contact.notes"]), "sealed", &sealed);
    // To whom nothing is shared no rule is told: nothing is what refuses.
    refused(&asks("carol", &["read", "Contact.phone"]), "no_entry", "nothing is shared");
    for answer in [asks("bob", &["read", "Contact.phone"]), asks("bob", &["read", "Contact", id(0)])] {
        assert!(!answer.json["mask"].to_string().contains("phone"), "{}", answer.stdout);
    }
    unhurt(&people.home).await;
}

#[tokio::test]
async fn an_app_is_refused_by_its_filter_by_its_entries_or_by_what_its_person_has() {
    let people = People::new().await;
    let (alice, home) = (&people.home.alice, &people.home);
    let all = alice.graphql("{ Contact(order: {name: ASC}) { _docID } }").await.unwrap();
    let id = |n: usize| all["Contact"][n]["_docID"].as_str().unwrap();
    let entry = |fields: Value, tag: &str, duration: Value| {
        json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
            "fields": {"allow": fields}, "where": {"tag": {"_eq": tag}}, "duration": duration})
    };
    let access = json!([entry(json!(["name"]), "family", json!("P1D")), entry(json!(["phone"]), "work", Value::Null)]);
    let manifest =
        json!({"name": "Two", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": access, "confidential": false});
    let made = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
    let client = made["client_id"].as_str().unwrap();
    let ask = |rest: &[&str]| check(&home.node, "alice", &[&["--app", client], rest].concat());
    refused(&ask(&["read", "Contact.name"]), "no_entry", "no grant");
    let file = home.file("grant.json", &access.to_string());
    let made = home.node.cli_ok(&["grant", "add", "--user", "alice", "--app", client, &file]).unwrap();
    let grant = made["grant"].as_str().unwrap();
    // Ann is family, Ben is work: each entry gives its own field of its own documents, and is named.
    let given = ask(&["read", "Contact.name", id(0)]);
    allowed(&given);
    assert_eq!(given.json["entry"], format!("{grant}/0"));
    assert_eq!(ask(&["read", "Contact.phone", id(1)]).json["entry"], format!("{grant}/1"));
    for (field, document, entry, tag) in [("Contact.name", id(1), 0, "family"), ("Contact.phone", id(0), 1, "work")] {
        let told = refused(&ask(&["read", field, document]), "filter", tag);
        assert_eq!(told["entry"], format!("{grant}/{entry}"));
        assert_eq!(told["path"], json!([]));
    }
    refused(&ask(&["read", "Contact.notes", id(0)]), "no_entry", "`read`");
    refused(&ask(&["update", "Contact.name", id(0)]), "no_entry", "`update`");
    refused(&ask(&["read", "Diary.entry"]), "no_entry", "`read`");
    refused(&ask(&["read", "Contact.name", "00000000-0000-7000-8000-0000000000aa"]), "not_there", "not there");

    // What the app has, each entry with its own end.
    let sees = home.node.cli_ok(&["policy", "app", client]).unwrap();
    let collections = sees["entries"][0]["collections"].as_array().unwrap();
    let entries: Vec<&Value> = collections.iter().flat_map(|one| one["entries"].as_array().unwrap()).collect();
    let end = |field: &str| {
        let found = entries.iter().find(|entry| entry["fields"] == json!([field]));
        found.unwrap_or_else(|| panic!("{field} in {sees}"))["until"].clone()
    };
    let until = end("name");
    assert!(until.as_str().is_some_and(|text| text.ends_with('Z')) && end("phone").is_null(), "{sees}");
    // Gone with the grant.
    home.node.cli_ok(&["grant", "revoke", grant]).unwrap();
    refused(&ask(&["read", "Contact.name", id(0)]), "no_entry", "no grant");
    unhurt(home).await;
}

#[tokio::test]
async fn a_question_finds_the_space_that_it_is_about_or_says_that_it_needs_it() {
    let people = People::new().await;
    let (alice, node) = (&people.home.alice, &people.home.node);
    let unknown = check(node, "bob", &["read", "Contact.name"]);
    assert_eq!(unknown.refused(4).unwrap(), "unknown_type");
    people.share(json!({"collection": "Contact", "with": {"user": "bob"}, "role": "viewer"})).await;
    let found = check(node, "bob", &["read", "Contact.name"]);
    allowed(&found);
    assert_eq!(found.json["space"], people.space);
    // Through a group as well.
    let firm = group(alice, "Firm").await;
    assert_eq!(put(alice, &firm, json!({"user": "bob"})).await.status, 201);
    people.share(json!({"collection": "Company", "with": {"group": firm}, "role": "viewer"})).await;
    let found = check(node, "bob", &["read", "Company.title"]);
    allowed(&found);
    assert_eq!(found.json["space"], people.space);
    // Two spaces have one: then it has to be said which. One's own goes before all others.
    let second = alice.new_space("second").await.unwrap();
    second.define("type Contact { name: String }").await.unwrap();
    let spaces = alice.get("/api/v1/spaces").await.unwrap();
    let second_id = spaces.json.as_array().unwrap().iter().find(|one| one["name"] == "second").unwrap()["id"].clone();
    let share = json!({"space": second_id, "with": {"user": "bob"}, "role": "viewer"});
    people.share(share).await;
    let several = check(node, "bob", &["read", "Contact.name"]);
    assert!(several.code != 0 && several.code != 3, "{}", several.code);
    let told = format!("{}{}", several.stdout, several.stderr);
    for part in [&people.space, second_id.as_str().unwrap(), "--space"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let named = check(node, "bob", &["--space", second_id.as_str().unwrap(), "read", "Contact.name"]);
    allowed(&named);
    people.bob.define("type Contact { name: String }").await.unwrap();
    let own = check(node, "bob", &["read", "Contact.name"]);
    allowed(&own);
    assert_eq!(own.json["reason"], "own");
    unhurt(&people.home).await;
}
