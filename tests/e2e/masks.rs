//! What a grant hides answers byte for byte as what never existed, by whichever road it is asked for.
//! Each road is walked by the owner as well, for whom it leads somewhere.

use harness::{Answer, Client};
use serde_json::{Value, json};

use crate::home::Home;
use crate::hostile::unhurt;

/// A home with contacts, of which an app sees `name` and `phone` of those in the family; companies and
/// diaries it does not see.
struct Masked {
    home: Home,
    app: Client,
    /// Ben is not family.
    ben: String,
    ann: String,
    /// Commits of theirs.
    ben_cid: String,
    ann_cid: String,
}

async fn masked(actions: Value) -> Masked {
    let home = Home::new().await;
    home.alice
        .define(
            "type Contact { name: String phone: String tag: String notes: String age: Int email: String @index(unique: true) company: Company }
             type Company { title: String staff: [Contact] }
             type Diary { entry: String }",
        )
        .await
        .unwrap();
    let made = home.alice.graphql(
        r#"mutation { add_Company(input: {title: "Acme"}) { _docID } add_Diary(input: {entry: "dear"}) { _docID } }"#,
    );
    let company = made.await.unwrap()["add_Company"][0]["_docID"].clone();
    let mut ids = Vec::new();
    for (name, phone, tag, age) in [("Ann", "1", "family", 30), ("Ben", "2", "work", 40), ("Cid", "3", "family", 50)] {
        let input = json!({"name": name, "phone": phone, "tag": tag, "notes": format!("notes on {name}"), "age": age,
            "email": format!("{name}@example.org"), "company": company});
        let made = home
            .alice
            .graphql_with(
                "mutation($i: [ContactMutationInputArg!]!) { add_Contact(input: $i) { _docID _version { cid } } }",
                json!({"i": [input]}),
            )
            .await
            .unwrap();
        let one = &made["add_Contact"][0];
        ids.push([&one["_docID"], &one["_version"][0]["cid"]].map(|id| id.as_str().unwrap().to_owned()));
    }
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": actions,
        "fields": {"allow": ["name", "phone"]}, "where": {"tag": {"_eq": "family"}}});
    let (app, _) = home.app(&access, &access);
    let [[ann, ann_cid], [ben, ben_cid], _] = <[[String; 2]; 3]>::try_from(ids).unwrap();
    Masked { home, app, ben, ann, ben_cid, ann_cid }
}

pub async fn ask(client: &Client, query: &str) -> Answer {
    client.try_graphql(query, Value::Null).await.unwrap()
}

/// Asks for something hidden and for something that never was; the answers must not differ in a byte
/// once the one name is put for the other.
pub async fn alike(client: &Client, template: &str, hidden: &str, never: &str) -> Answer {
    assert_eq!(hidden.len(), never.len(), "positions in messages would differ");
    let one = ask(client, &template.replace('¤', hidden)).await;
    let other = ask(client, &template.replace('¤', never)).await;
    let put = other.text.replace(never, hidden);
    assert_eq!((one.status, &one.text), (other.status, &put), "{template} by {hidden}");
    one
}

/// An id of the same form that names nothing.
pub fn changed(id: &str) -> String {
    let at = id.len() - 8;
    let other = if id.as_bytes()[at] == b'a' { 'b' } else { 'a' };
    format!("{}{other}{}", &id[..at], &id[at + 1..])
}

pub const FIELD_ROADS: [&str; 22] = [
    "{ Contact { ¤ } }",
    "{ Contact { name x: ¤ } }",
    "{ Contact(filter: {¤: {_eq: null}}) { name } }",
    "{ Contact(filter: {_not: {¤: {_neq: null}}}) { name } }",
    "{ Contact(filter: {_or: [{name: {_eq: \"Ann\"}}, {¤: {_neq: null}}]}) { name } }",
    "{ Contact(order: {¤: ASC}) { name } }",
    "{ Contact(order: [{name: ASC}, {¤: DESC}]) { name } }",
    "{ Contact(groupBy: [¤]) { COUNT(GROUP: {}) } }",
    "{ Contact(groupBy: [name, ¤]) { name } }",
    "{ COUNT(Contact: {filter: {¤: {_neq: null}}}) }",
    "{ SUM(Contact: {field: ¤}) }",
    "{ MAX(Contact: {field: ¤}) }",
    "{ Contact(groupBy: [name]) { name MIN(GROUP: {field: ¤}) } }",
    "{ Contact(groupBy: [name]) { GROUP { ¤ } } }",
    "{ ...F } fragment F on Query { Contact { ¤ } }",
    "{ Contact { ...F } } fragment F on Contact { ¤ }",
    "{ Contact { ... on Contact { ¤ } } }",
    "{ Contact { name ¤ @include(if: false) } }",
    "mutation { update_Contact(input: {¤: null}) { name } }",
    "mutation { update_Contact(filter: {¤: {_neq: null}}, input: {phone: \"9\"}) { name } }",
    "mutation { delete_Contact(filter: {¤: {_neq: null}}) { name } }",
    "mutation { update_Contact(filter: {name: {_eq: \"no one\"}}, input: {phone: \"9\"}) { ¤ } }",
];

#[tokio::test]
async fn a_hidden_field_is_a_field_that_never_was() {
    let masked = masked(json!(["create", "read", "update", "delete", "search"])).await;
    let before =
        masked.home.alice.graphql("{ Contact(order: {name: ASC}) { name phone tag notes age email } }").await.unwrap();
    for road in FIELD_ROADS {
        for (hidden, never) in [("tag", "tab"), ("notes", "nates"), ("age", "abe"), ("email", "emall")] {
            let answer = alike(&masked.app, road, hidden, never).await;
            assert!(!answer.codes().is_empty() && answer.json["data"].is_null(), "{road}: {}", answer.text);
        }
    }
    for (hidden, never) in [("company", "compony"), ("_companyID", "_componyID")] {
        for road in [
            "{ Contact { ¤ } }",
            "{ Contact { ¤ { title } } }",
            "{ Contact(filter: {¤: {title: {_eq: \"Acme\"}}}) { name } }",
            "{ Contact(filter: {¤: {_eq: null}}) { name } }",
            "{ Contact(order: {¤: {title: ASC}}) { name } }",
            "{ Contact(groupBy: [¤]) { name } }",
            "mutation { add_Contact(input: {name: \"x\", ¤: null}) { name } }",
        ] {
            let answer = alike(&masked.app, road, hidden, never).await;
            assert!(!answer.codes().is_empty(), "{road}: {}", answer.text);
        }
    }
    // By variables, whose types hide the field as well.
    for (query, variables) in [
        ("query($f: ContactFilterArg) { Contact(filter: $f) { name } }", json!({"f": {"¤": {"_eq": "x"}}})),
        ("query($o: [ContactOrderArg]) { Contact(order: $o) { name } }", json!({"o": [{"¤": "ASC"}]})),
        ("query($g: [ContactField!]) { Contact(groupBy: $g) { name } }", json!({"g": ["¤"]})),
        (
            "mutation($i: [ContactMutationInputArg!]!) { add_Contact(input: $i) { name } }",
            json!({"i": [{"name": "x", "¤": "y"}]}),
        ),
        ("mutation($i: ContactMutationInputArg!) { update_Contact(input: $i) { name } }", json!({"i": {"¤": "y"}})),
    ] {
        let mut texts = Vec::new();
        for name in ["notes", "nates"] {
            let variables: Value = serde_json::from_str(&variables.to_string().replace('¤', name)).unwrap();
            let answer = masked.app.try_graphql(query, variables).await.unwrap();
            assert!(!answer.codes().is_empty(), "{query}: {}", answer.text);
            texts.push((answer.status, answer.text.replace("nates", "notes")));
        }
        assert_eq!(texts[0], texts[1], "{query}");
    }
    let after =
        masked.home.alice.graphql("{ Contact(order: {name: ASC}) { name phone tag notes age email } }").await.unwrap();
    assert_eq!(before, after, "nothing of this wrote");
    for road in &FIELD_ROADS[..18] {
        if road.contains("SUM") {
            continue;
        }
        masked.home.alice.graphql(&road.replace('¤', "age")).await.unwrap_or_else(|error| panic!("control: {error}"));
    }
    unhurt(&masked.home).await;
}

#[tokio::test]
async fn a_hidden_collection_is_a_collection_that_never_was() {
    let masked = masked(json!(["create", "read", "update", "delete", "search"])).await;
    for (hidden, never) in [("Diary", "Dairy"), ("Company", "Compony")] {
        for road in [
            "{ ¤ { _docID } }",
            "{ ¤(docID: \"01a20baa-4e07-7000-814b-fc7d21c447da\") { _docID } }",
            "{ COUNT(¤: {}) }",
            "{ x: ¤ { __typename } }",
            "{ ...F } fragment F on Query { ¤ { _docID } }",
            "{ Contact { ...F } } fragment F on ¤ { _docID }",
            "{ __type(name: \"¤\") { name fields { name } } }",
            "{ __type(name: \"¤FilterArg\") { name inputFields { name } } }",
            "{ __type(name: \"¤MutationInputArg\") { name inputFields { name } } }",
            "query($f: ¤FilterArg) { Contact { name } }",
            "mutation { add_¤(input: {}) { _docID } }",
            "mutation { update_¤(input: {}) { _docID } }",
            "mutation { delete_¤ { _docID } }",
            "mutation { upsert_¤(filter: {}, add: {}, update: {}) { _docID } }",
        ] {
            alike(&masked.app, road, hidden, never).await;
        }
    }
    let schema =
        ask(&masked.app, "{ __schema { types { name fields { name } inputFields { name } enumValues { name } } } }")
            .await;
    let field = ask(&masked.app, "{ __type(name: \"Contact\") { fields { name args { name type { name } } } } }").await;
    for word in ["Diary", "Company", "company", "notes", "\"tag\"", "email", "staff"] {
        assert!(!schema.text.contains(word) && !field.text.contains(word), "{word}");
    }
    let all = ask(&masked.home.alice, "{ __schema { types { name fields { name } } } }").await;
    for word in ["Diary", "Company", "company", "notes", "\"tag\"", "email", "staff"] {
        assert!(all.text.contains(word), "control: {word}");
    }
    assert!(schema.text.contains("\"phone\""), "control: {}", schema.text);
    let list = masked.app.get("/api/v1/collections").await.unwrap();
    assert!(list.text.contains("Contact") && !list.text.contains("Diary"), "{}", list.text);
    masked.home.alice.graphql("{ Diary { entry } Company { title staff { name } } }").await.expect("control");
}

#[tokio::test]
async fn a_hidden_document_is_a_document_that_never_was() {
    let masked = masked(json!(["create", "read", "update", "delete", "search", "history"])).await;
    let (ben, nobody) = (masked.ben.clone(), changed(&masked.ben));
    let count = "{ COUNT(Contact: {}) Contact(order: {name: ASC}) { name phone } }";
    let before = masked.home.alice.graphql(count).await.unwrap();
    for road in [
        "{ Contact(docID: \"¤\") { name } }",
        "{ Contact(docID: [\"¤\"]) { name phone _docID __typename } }",
        "{ Contact(filter: {_docID: {_eq: \"¤\"}}) { name } }",
        "{ COUNT(Contact: {filter: {_docID: {_eq: \"¤\"}}}) }",
        "{ _commits(docID: \"¤\") { cid height } }",
        "{ Contact(docID: \"¤\", showDeleted: true) { name _deleted } }",
        "{ Contact(docID: \"¤\") { _version { cid } } }",
        "mutation { update_Contact(docID: \"¤\", input: {phone: \"9\"}) { name } }",
        "mutation { update_Contact(docID: [\"¤\"], input: {phone: \"9\"}) { _docID } }",
        "mutation { delete_Contact(docID: \"¤\") { name } }",
        "mutation { update_Contact(filter: {_docID: {_eq: \"¤\"}}, input: {phone: \"9\"}) { name } }",
    ] {
        alike(&masked.app, road, &ben, &nobody).await;
    }
    for road in [
        "{ Contact(filter: {name: {_eq: \"¤\"}}) { name } }",
        "{ COUNT(Contact: {filter: {name: {_like: \"¤%\"}}}) }",
        "mutation { update_Contact(filter: {name: {_eq: \"¤\"}}, input: {phone: \"9\"}) { name } }",
        "mutation { delete_Contact(filter: {name: {_eq: \"¤\"}}) { name } }",
    ] {
        alike(&masked.app, road, "Ben", "Bem").await;
    }
    // Commits: of a hidden document, and of the hidden fields of a document that is seen.
    let (hidden, never) = (masked.ben_cid.clone(), changed(&masked.ben_cid));
    for road in [
        "{ _commits(cid: \"¤\") { cid height docID fieldName } }",
        "{ Contact(cid: \"¤\") { name phone } }",
        "{ Contact(cid: \"¤\", docID: \"01a20baa-4e07-7000-814b-fc7d21c447da\") { name } }",
    ] {
        alike(&masked.app, road, &hidden, &never).await;
    }
    let history = ask(&masked.app, "{ _commits { cid docID fieldName } }").await;
    assert!(!history.text.contains(&ben) && !history.text.contains(&masked.ben_cid), "{}", history.text);
    for word in ["notes", "email", "\"tag\"", "age", "company"] {
        assert!(!history.text.contains(word), "{word} in {}", history.text);
    }
    assert!(history.text.contains(&masked.ann), "control: {}", history.text);
    let then = ask(&masked.app, &format!("{{ Contact(cid: \"{}\") {{ name phone }} }}", masked.ann_cid)).await;
    assert_eq!(then.json["data"]["Contact"][0]["name"], "Ann", "control: {}", then.text);
    let owner =
        masked.home.alice.graphql(&format!("{{ _commits(docID: \"{ben}\") {{ cid fieldName }} }}")).await.unwrap();
    assert!(owner.to_string().contains("notes") && owner.to_string().contains(&masked.ben_cid), "control: {owner}");
    assert_eq!(masked.home.alice.graphql(count).await.unwrap(), before, "nothing of this wrote");
    unhurt(&masked.home).await;
}

#[tokio::test]
async fn writing_tells_nothing_of_what_is_hidden() {
    let masked = masked(json!(["create", "read", "update", "delete", "search"])).await;
    // A hidden document's id cannot be taken, and trying to tells no more than any other attempt.
    let ids = [masked.ben.clone(), changed(&masked.ben)];
    let mut taken = Vec::new();
    for id in &ids {
        let add = format!("mutation {{ add_Contact(input: {{_docID: \"{id}\", name: \"Eve\"}}) {{ name }} }}");
        taken.push(ask(&masked.app, &add).await);
    }
    assert_eq!((taken[0].status, &taken[0].text), (taken[1].status, &taken[1].text), "an id tells whether it is taken");
    // An upsert sees only what its caller sees: a hidden Ben is no match.
    for (n, name) in ["Ben", "Bem"].into_iter().enumerate() {
        let upsert = format!(
            "mutation {{ upsert_Contact(filter: {{name: {{_eq: \"{name}\"}}}}, add: {{name: \"new {n}\"}}, update: {{phone: \"9\"}}) {{ phone }} }}"
        );
        let answer = ask(&masked.app, &upsert).await;
        assert_eq!(answer.json["data"]["upsert_Contact"], json!([{"phone": null}]), "{name}: {}", answer.text);
    }
    let ben = masked
        .home
        .alice
        .graphql(&format!("{{ Contact(docID: \"{}\") {{ name phone tag }} }}", masked.ben))
        .await
        .unwrap();
    assert_eq!(ben["Contact"], json!([{"name": "Ben", "phone": "2", "tag": "work"}]));
    unhurt(&masked.home).await;
}

/// A unique index tells who sets a value whether another has it: who does not see all rows may not set it.
#[tokio::test]
async fn a_unique_index_is_no_oracle() {
    let masked = masked(json!(["read", "search"])).await;
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["create", "read", "update", "search"],
        "fields": {"allow": ["name", "email"]}, "where": {"tag": {"_eq": "family"}}});
    let (app, _) = masked.home.app(&access, &access);
    for road in [
        "mutation { add_Contact(input: {name: \"x\", email: \"¤@example.org\"}) { name } }",
        "mutation { update_Contact(filter: {name: {_eq: \"Ann\"}}, input: {email: \"¤@example.org\"}) { name } }",
        "mutation { upsert_Contact(filter: {name: {_eq: \"Ann\"}}, add: {name: \"x\"}, update: {email: \"¤@example.org\"}) { name } }",
        "mutation { upsert_Contact(filter: {name: {_eq: \"none\"}}, add: {email: \"¤@example.org\"}, update: {name: \"x\"}) { name } }",
    ] {
        let answer = alike(&app, road, "Ben", "Bem").await;
        assert_eq!(answer.codes(), ["forbidden"], "{road}: {}", answer.text);
    }
    let add = |name: &str| {
        format!("mutation {{ add_Contact(input: {{name: \"x\", email: \"{name}@example.org\"}}) {{ name }} }}")
    };
    assert_eq!(ask(&masked.home.alice, &add("Ben")).await.codes(), ["not_unique"], "control: the owner may know");
    app.graphql("mutation { add_Contact(input: {name: \"fine\"}) { name } }")
        .await
        .expect("control: without the field");
}

/// A relation through a granted field leads no further than the grant does.
#[tokio::test]
async fn a_granted_relation_to_a_collection_that_is_not_granted_leads_nowhere() {
    let masked = masked(json!(["read", "search"])).await;
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name", "company"]}});
    let (app, _) = masked.home.app(&access, &access);
    for road in [
        "{ Contact { name company { title } } }",
        "{ Contact { name company { _docID } } }",
        "{ Contact(filter: {company: {title: {_eq: \"Acme\"}}}) { name } }",
        "{ Contact(order: {company: {title: ASC}}) { name } }",
        "{ Contact { company { staff { name notes } } } }",
        "{ Company { title } }",
    ] {
        let answer = ask(&app, road).await;
        assert!(!answer.codes().is_empty() && !answer.text.contains("Acme"), "{road}: {}", answer.text);
        masked.home.alice.graphql(road).await.unwrap_or_else(|error| panic!("control {road}: {error}"));
    }
    app.graphql("{ Contact { name } }").await.expect("control: the app sees the contacts");
    // Granted from the other side only, the way back shows no hidden contact.
    let companies = json!({"type": "allod_doc", "datatypes": ["Company"], "actions": ["read", "search"], "fields": {"allow": ["title", "staff"]}});
    let family = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name"]}, "where": {"tag": {"_eq": "family"}}});
    let both = json!([companies, family]);
    let manifest =
        json!({"name": "Both", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": both, "confidential": false});
    let made = masked.home.node.cli_ok(&["app", "add", &masked.home.file("both.json", &manifest.to_string())]).unwrap();
    let file = masked.home.file("both-grant.json", &both.to_string());
    let made = masked
        .home
        .node
        .cli_ok(&["grant", "add", "--user", "alice", "--app", made["client_id"].as_str().unwrap(), &file])
        .unwrap();
    let app = masked.home.alice.with_token(made["access_token"].as_str().unwrap());
    for road in [
        "{ Company { title staff { name } } }",
        "{ Company { COUNT(staff: {}) } }",
        "{ Company(filter: {staff: {name: {_eq: \"Ben\"}}}) { title } }",
    ] {
        let answer = ask(&app, road).await;
        assert!(!answer.text.contains("Ben") && !answer.text.contains(":3"), "{road}: {}", answer.text);
        let owner = ask(&masked.home.alice, road).await;
        assert!(owner.codes().is_empty(), "control {road}: {}", owner.text);
        assert_ne!(owner.text, answer.text, "{road}");
    }
}
