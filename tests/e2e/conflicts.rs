//! `_conflicts` after two devices met: unique values and one-one relations that both took are listed, alike on both, and
//! told to nobody who does not see all that they are about.

use harness::{Client, Node};
use serde_json::{Value, json};

use crate::home::Home;
use crate::hostile::unhurt;
use crate::masks::ask;

const SDL: &str = "type Person { name: String @index(unique: true) secret: String @index(unique: true) tag: String
        passport: Passport @primary }
    type Passport { number: String holder: Person }";

const ALL: &str = "{ Person(order: {tag: ASC}) { tag _conflicts { fieldName value reason } } }";

async fn add(client: &Client, tag: &str, passport: &str) {
    let input = json!({"name": "same", "secret": "s", "tag": tag, "passport": passport});
    let add = "mutation($i: [PersonMutationInputArg!]!) { add_Person(input: $i) { _docID } }";
    client.graphql_with(add, json!({ "i": [input] })).await.unwrap();
}

/// What is listed of each person, by tag: fields, values and reasons.
fn listed(rows: &Value, tag: &str) -> Vec<(String, Value, String)> {
    let row = rows["Person"].as_array().unwrap().iter().find(|row| row["tag"] == tag);
    let all = row.unwrap_or_else(|| panic!("{tag} in {rows}"))["_conflicts"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<_> =
        all.iter().map(|one| (text(&one["fieldName"]), one["value"].clone(), text(&one["reason"]))).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[tokio::test]
async fn what_two_devices_took_both_is_listed_on_both_and_only_to_who_sees_it_all() {
    let mut home = Home::new().await;
    home.alice.define(SDL).await.unwrap();
    let made = home.alice.graphql("mutation { add_Passport(input: {number: \"1\"}) { _docID } }").await.unwrap();
    let passport = made["add_Passport"][0]["_docID"].as_str().unwrap().to_owned();
    home.alice.graphql("mutation { add_Person(input: {name: \"other\", tag: \"edited\"}) { _docID } }").await.unwrap();
    let code = home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let (allod, dir) = (home.node.allod.clone(), home.root.path().join("laptop"));
    allod.ok(&dir, &["device", "join", &code]).unwrap();
    let laptop = Node::serve(&allod, &dir).unwrap();
    laptop.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();

    // Apart: one of them runs at a time.
    let home_dir = home.node.stop().unwrap();
    let edit = |to: &str| {
        format!(
            "mutation {{ update_Person(filter: {{tag: {{_eq: \"edited\"}}}}, input: {{secret: \"{to}\"}}) {{ _docID }} }}"
        )
    };
    let there = laptop.operator().unwrap();
    add(&there, "laptop", &passport).await;
    there.graphql(&edit("by the laptop")).await.unwrap();
    laptop.stop().unwrap();
    home.node = Node::serve(&allod, &home_dir).unwrap();
    home.alice = home.node.sign_in("alice", crate::home::OWNER.1).await.unwrap();
    let alice = home.alice.clone();
    add(&alice, "home", &passport).await;
    alice.graphql(&edit("by home")).await.unwrap();
    // Alone each of them refuses what it sees.
    let twice = "mutation { add_Person(input: {name: \"same\", tag: \"third\"}) { _docID } }";
    assert_eq!(ask(&alice, twice).await.codes(), ["not_unique"]);
    let taken = format!("mutation {{ add_Person(input: {{tag: \"third\", passport: \"{passport}\"}}) {{ _docID }} }}");
    assert_eq!(ask(&alice, &taken).await.codes(), ["not_unique"]);
    assert!(listed(&alice.graphql(ALL).await.unwrap(), "home").is_empty(), "control: nothing has met yet");
    let laptop = Node::serve(&allod, &dir).unwrap();
    laptop.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    home.node.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();

    let (here, there) = (alice.graphql(ALL).await.unwrap(), laptop.operator().unwrap());
    assert_eq!(here, there.graphql(ALL).await.unwrap(), "the same on both");
    // Home wrote later: its claim is the greater, and the one that is listed.
    let unique = |field: &str, value: &str| (field.to_owned(), json!(value), "unique".to_owned());
    assert_eq!(listed(&here, "home"), [unique("name", "same"), unique("passport", &passport), unique("secret", "s")]);
    assert!(listed(&here, "laptop").is_empty());
    assert_eq!(listed(&here, "edited"), [("secret".to_owned(), json!("by the laptop"), "concurrent".to_owned())]);

    // An app that sees all people without their secrets and passports; one that sees those of home alone; and one that
    // sees everything.
    let entry = |datatype: &str, fields: Value, rows: Value| {
        json!({"type": "allod_doc", "datatypes": [datatype], "actions": ["read", "search", "history"],
            "fields": {"allow": fields}, "where": rows})
    };
    let granted = |access: Value| {
        let manifest =
            json!({"name": "App", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": access, "confidential": false});
        let made = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
        let file = home.file("grant.json", &access.to_string());
        let made =
            home.node.cli_ok(&["grant", "add", "--user", "alice", "--app", made["client_id"].as_str().unwrap(), &file]);
        alice.with_token(made.unwrap()["access_token"].as_str().unwrap())
    };
    let fields = granted(json!([entry("Person", json!(["name", "tag"]), json!({}))]));
    let answer = ask(&fields, ALL).await;
    assert_eq!(listed(&answer.json["data"], "home"), [unique("name", "same")], "{}", answer.text);
    assert!(listed(&answer.json["data"], "edited").is_empty(), "{}", answer.text);
    assert!(!answer.text.contains("secret") && !answer.text.contains(&passport), "{}", answer.text);
    // Without history nothing is said of any: there is no such field.
    let mut without = entry("Person", json!(["name", "tag"]), json!({}));
    without["actions"] = json!(["read", "search"]);
    assert_eq!(ask(&granted(json!([without])), ALL).await.codes(), ["unknown_field"]);
    let all = json!(["name", "secret", "tag", "passport"]);
    let rows = granted(json!([
        entry("Person", all.clone(), json!({"tag": {"_eq": "home"}})),
        entry("Passport", json!(["number", "holder"]), json!({}))
    ]));
    let answer = ask(&rows, ALL).await;
    assert_eq!(answer.json["data"]["Person"], json!([{"tag": "home", "_conflicts": []}]), "that another is there");
    let whole = granted(json!([
        entry("Person", all.clone(), json!({})),
        entry("Passport", json!(["number", "holder"]), json!({}))
    ]));
    assert_eq!(listed(&whole.graphql(ALL).await.unwrap(), "home"), listed(&here, "home"), "control");
    // A passport that does not show is no value to tell.
    let other = granted(json!([
        entry("Person", all, json!({})),
        entry("Passport", json!(["number", "holder"]), json!({"number": {"_eq": "2"}}))
    ]));
    let answer = ask(&other, ALL).await;
    assert!(!answer.text.contains(&passport), "{}", answer.text);

    // What is resolved is listed no more, on either.
    alice.graphql("mutation { delete_Person(filter: {tag: {_eq: \"home\"}}) { _docID } }").await.unwrap();
    alice.graphql(&edit("by both")).await.unwrap();
    home.node.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    for client in [&alice, &there] {
        let rows = client.graphql(ALL).await.unwrap();
        assert!(listed(&rows, "laptop").is_empty() && listed(&rows, "edited").is_empty(), "{rows}");
    }
    unhurt(&home).await;
}
