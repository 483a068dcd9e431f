//! Rights of single documents and folders: what is not in the set is a document that never was, by whatever road.

use std::collections::HashMap;

use harness::{Client, Node};
use serde_json::{Value, json};

use crate::hostile::{code, unhurt};
use crate::masks::{alike, ask, changed};
use crate::sharing::{People, end, share, shut_out};
use crate::sharing_fields::{never_was, rule};
use crate::sharing_groups::{group, put};

const DOCUMENT_ROADS: [&str; 18] = [
    "{ Contact(docID: \"¤\") { name } }",
    "{ Contact(docID: [\"¤\"]) { name phone _docID __typename } }",
    "{ Contact(filter: {_docID: {_eq: \"¤\"}}) { name } }",
    "{ Contact(filter: {_not: {_docID: {_ne: \"¤\"}}}) { name } }",
    "{ Contact(filter: {_or: [{_docID: {_eq: \"¤\"}}, {name: {_eq: \"nobody\"}}]}) { name } }",
    "{ COUNT(Contact: {filter: {_docID: {_eq: \"¤\"}}}) }",
    "{ SUM(Contact: {field: age, filter: {_docID: {_eq: \"¤\"}}}) }",
    "{ Contact(groupBy: [name], filter: {_docID: {_eq: \"¤\"}}) { name COUNT(GROUP: {}) } }",
    "{ Contact(docID: \"¤\", order: {age: DESC}, limit: 1) { age } }",
    "{ Contact(docID: \"¤\", showDeleted: true) { name _deleted } }",
    "{ Contact(docID: \"¤\") { _version { cid } } }",
    "{ _commits(docID: \"¤\") { cid height fieldName } }",
    "mutation { update_Contact(docID: \"¤\", input: {phone: \"9\"}) { name } }",
    "mutation { update_Contact(docID: [\"¤\"], input: {phone: \"9\"}) { _docID } }",
    "mutation { update_Contact(filter: {_docID: {_eq: \"¤\"}}, input: {phone: \"9\"}) { name } }",
    "mutation { delete_Contact(docID: \"¤\") { name } }",
    "mutation { delete_Contact(filter: {_docID: {_eq: \"¤\"}}) { name } }",
    "mutation { add_Contact(input: {_docID: \"¤\", name: \"Eve\"}) { name } }",
];

/// To the client the document never was.
pub async fn document_never_was(client: &Client, document: &str) {
    for road in DOCUMENT_ROADS {
        alike(client, road, document, &changed(document)).await;
    }
    let history = ask(client, "{ _commits { docID } }").await;
    assert!(!history.text.contains(document), "{}", history.text);
    let list = ask(client, "{ Contact { _docID } }").await;
    assert!(!list.text.contains(document), "{}", list.text);
}

/// The ids of Alice's contacts by name.
pub async fn ids(alice: &Client) -> HashMap<String, String> {
    let all = alice.graphql("{ Contact { name _docID } }").await.unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all["Contact"].as_array().unwrap().iter().map(|one| (text(&one["name"]), text(&one["_docID"]))).collect()
}

async fn names(client: &Client) -> Vec<String> {
    let answer = client.graphql("{ Contact(order: {name: ASC}) { name } COUNT(Contact: {}) }").await.unwrap();
    let rows = answer["Contact"].as_array().unwrap();
    assert_eq!(answer["COUNT"], json!(rows.len()), "a count is of what is listed");
    rows.iter().map(|row| row["name"].as_str().unwrap_or("null").to_owned()).collect()
}

#[tokio::test]
async fn a_shared_document_is_all_that_there_is_of_its_collection() {
    let people = People::new().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    let id = ids(alice).await;
    let given = people
        .share(json!({"collection": "Contact", "document": id["Ann"], "with": {"user": "bob"}, "role": "viewer"}))
        .await;
    assert_eq!(names(&bob).await, ["Ann"]);
    shut_out(&people.carol, &people.space).await;
    for hidden in ["Ben", "Cid"] {
        document_never_was(&bob, &id[hidden]).await;
    }
    let shown = bob.graphql("{ Contact { name phone tag notes age } MAX(Contact: {field: age}) }").await.unwrap();
    assert_eq!(shown["Contact"], json!([{"name": "Ann", "phone": "1", "tag": "family", "notes": "secret", "age": 30}]));
    assert_eq!(shown["MAX"], 30, "not of those who are not there");
    let spaces = people.bob.get("/api/v1/spaces").await.unwrap();
    assert_eq!((&spaces.json[1]["role"], &spaces.json[1]["whole"]), (&json!("viewer"), &json!(false)));
    for (hidden, never) in [("Diary", "Dairy"), ("Company", "Compony")] {
        alike(&bob, "{ ¤ { _docID } }", hidden, never).await;
    }
    let commits = bob.graphql(&format!("{{ _commits(docID: \"{}\") {{ fieldName }} }}", id["Ann"])).await.unwrap();
    assert!(commits.to_string().contains("notes"), "control: {commits}");
    // A viewer of it changes nothing; an editor changes it, makes no other, and touches no other.
    let update = |name: &str| {
        format!("mutation {{ update_Contact(docID: \"{}\", input: {{phone: \"9\"}}) {{ name }} }}", id[name])
    };
    let refused = ask(&bob, &update("Ann")).await;
    assert!(!refused.codes().is_empty(), "{}", refused.text);
    let edits = people
        .share(json!({"collection": "Contact", "document": id["Ann"], "with": {"user": "bob"}, "role": "editor"}))
        .await;
    bob.graphql(&update("Ann")).await.unwrap();
    bob.graphql("mutation { update_Contact(input: {phone: \"8\"}) { name } }").await.unwrap();
    let phones = alice.graphql("{ Contact(order: {name: ASC}) { phone } }").await.unwrap();
    assert_eq!(phones["Contact"], json!([{"phone": "8"}, {"phone": "2"}, {"phone": "3"}]));
    let add = ask(&bob, "mutation { add_Contact(input: {name: \"Eve\"}) { name } }").await;
    assert!(!add.codes().is_empty() && add.json["data"].is_null(), "{}", add.text);
    document_never_was(&bob, &id["Ben"]).await;
    assert_eq!(names(alice).await, ["Ann", "Ben", "Cid"]);
    // Rules for fields count in it as anywhere.
    rule(alice, json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "bob"}})).await;
    rule(alice, json!({"collection": "Contact", "field": "notes", "rule": "sealed"})).await;
    never_was(&bob, "phone", "phony").await;
    never_was(&bob, "notes", "nates").await;
    assert_eq!(
        bob.graphql("{ Contact { name age } }").await.unwrap()["Contact"],
        json!([{"name": "Ann", "age": 30}]),
        "control"
    );
    // Carol gets another; each sees their own.
    people
        .share(json!({"collection": "Contact", "document": id["Ben"], "with": {"user": "carol"}, "role": "viewer"}))
        .await;
    assert_eq!((names(&bob).await, names(&carol).await), (vec!["Ann".to_owned()], vec!["Ben".to_owned()]));
    end(alice, &edits).await;
    end(alice, &given).await;
    shut_out(&people.bob, &people.space).await;
    assert_eq!(names(&carol).await, ["Ben"], "control");
    unhurt(&people.home).await;
}

#[tokio::test]
async fn a_blocked_document_is_kept_from_who_sees_all_the_others() {
    let people = People::new().await;
    people.acquainted().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    let id = ids(alice).await;
    people.share(json!({"with": {"user": "bob"}, "role": "editor"})).await;
    people.share(json!({"collection": "Contact", "with": {"user": "carol"}, "role": "viewer"})).await;
    assert_eq!(names(&bob).await, ["Ann", "Ben", "Cid"]);
    let firm = group(alice, "Firm").await;
    assert_eq!(put(alice, &firm, json!({"user": "carol"})).await.status, 201);
    let blocked = people
        .share(json!({"collection": "Contact", "document": id["Ben"], "with": {"user": "bob"}, "role": "blocked"}))
        .await;
    people
        .share(json!({"collection": "Contact", "document": id["Cid"], "with": {"group": firm}, "role": "blocked"}))
        .await;
    assert_eq!(
        (names(&bob).await, names(&carol).await),
        (vec!["Ann".into(), "Cid".into()], vec!["Ann".to_owned(), "Ben".into()])
    );
    document_never_was(&bob, &id["Ben"]).await;
    document_never_was(&carol, &id["Cid"]).await;
    // A page is full, an aggregate whole, and what is changed leaves it alone.
    let page =
        bob.graphql("{ Contact(order: {name: ASC}, limit: 2) { name } SUM(Contact: {field: age}) }").await.unwrap();
    assert_eq!(page, json!({"Contact": [{"name": "Ann"}, {"name": "Cid"}], "SUM": 80}));
    bob.graphql("mutation { update_Contact(input: {phone: \"8\"}) { name } }").await.unwrap();
    bob.graphql("mutation { add_Contact(input: {name: \"Dot\"}) { name } }").await.expect("he makes new ones");
    let phones = alice.graphql("{ Contact(order: {name: ASC}, filter: {age: {_gt: 0}}) { phone } }").await.unwrap();
    assert_eq!(phones["Contact"], json!([{"phone": "8"}, {"phone": "2"}, {"phone": "8"}]));
    // He is not told, and a share of the same document does not outweigh it.
    for client in [&people.bob, &people.carol] {
        let told = [client.get("/api/v1/shares").await.unwrap().text, client.get("/api/v1/audit").await.unwrap().text];
        assert!(told.iter().all(|text| !text.contains("blocked")), "{told:?}");
    }
    assert_eq!(people.bob.get(&format!("/api/v1/shares/{blocked}")).await.unwrap().status, 404);
    assert_eq!(people.bob.delete(&format!("/api/v1/shares/{blocked}")).await.unwrap().status, 404);
    people
        .share(json!({"collection": "Contact", "document": id["Ben"], "with": {"user": "bob"}, "role": "viewer"}))
        .await;
    document_never_was(&bob, &id["Ben"]).await;
    end(alice, &blocked).await;
    assert_eq!(names(&bob).await, ["Ann", "Ben", "Cid", "Dot"]);
    for (what, status, expected) in [
        (
            json!({"collection": "Contact", "document": id["Ben"], "with": {"user": "alice"}, "role": "blocked"}),
            409,
            "own",
        ),
        (json!({"collection": "Contact", "with": {"user": "bob"}, "role": "blocked"}), 400, "invalid_input"),
        (
            json!({"collection": "Contact", "document": id["Ben"], "with": {"user": "bob"}, "role": "blocked", "until": "P1D"}),
            400,
            "invalid_input",
        ),
    ] {
        let refused = alice.post("/api/v1/shares", &what).await.unwrap();
        assert_eq!((refused.status, code(&refused)), (status, expected), "{what}");
    }
    // The rest of the story survives a start.
    let People { home, carol, space, .. } = people;
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let carol = Client::new(&node.url, carol.token.as_deref()).unwrap().in_space(&space);
    assert_eq!(names(&carol).await, ["Ann", "Ben", "Dot"]);
    document_never_was(&carol, &id["Cid"]).await;
    drop(root);
}

async fn folder(client: &Client, what: Value) -> String {
    let made = client.post("/api/v1/folders", &what).await.unwrap();
    assert_eq!(made.status, 201, "{what}: {}", made.text);
    made.json["folder"].as_str().unwrap().to_owned()
}

async fn file(client: &Client, folder: &str, documents: &[&str]) -> u16 {
    let answer = client.post(&format!("/api/v1/folders/{folder}/documents"), &json!({"documents": documents})).await;
    answer.unwrap().status
}

#[tokio::test]
async fn a_shared_folder_shows_what_lies_in_it_for_as_long_as_it_does() {
    let people = People::new().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    let id = ids(alice).await;
    let outer = folder(alice, json!({"collection": "Contact", "name": "Work"})).await;
    let inner = folder(alice, json!({"collection": "Contact", "name": "Sales", "parent": outer})).await;
    let beside = folder(alice, json!({"collection": "Contact", "name": "Home"})).await;
    let given = people.share(json!({"folder": outer, "with": {"user": "bob"}, "role": "editor"})).await;
    people.share(json!({"folder": inner, "with": {"user": "carol"}, "role": "viewer"})).await;
    shut_out(&people.bob, &people.space).await;
    assert_eq!(file(alice, &outer, &[&id["Ann"]]).await, 200);
    assert_eq!(file(alice, &inner, &[&id["Ben"]]).await, 200);
    assert_eq!(file(alice, &beside, &[&id["Cid"], &id["Ben"]]).await, 200);
    assert_eq!((names(&bob).await, names(&carol).await), (vec!["Ann".into(), "Ben".into()], vec!["Ben".to_owned()]));
    document_never_was(&bob, &id["Cid"]).await;
    document_never_was(&carol, &id["Ann"]).await;
    bob.graphql("mutation { update_Contact(input: {phone: \"7\"}) { name } }").await.unwrap();
    let refused = ask(&carol, "mutation { update_Contact(input: {phone: \"6\"}) { name } }").await;
    assert!(!refused.codes().is_empty(), "{}", refused.text);
    let phones = alice.graphql("{ Contact(order: {name: ASC}) { phone } }").await.unwrap();
    assert_eq!(phones["Contact"], json!([{"phone": "7"}, {"phone": "7"}, {"phone": "3"}]));
    // Folders are there for who views them.
    let listed = |client: &Client| {
        let client = client.clone();
        async move {
            let list = client.get("/api/v1/folders").await.unwrap();
            list.json
                .as_array()
                .unwrap()
                .iter()
                .map(|one| (one["name"].clone(), one["parent"].clone()))
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(&bob).await, [(json!("Sales"), json!(outer)), (json!("Work"), Value::Null)]);
    assert_eq!(listed(&carol).await, [(json!("Sales"), Value::Null)]);
    assert_eq!(listed(alice).await.len(), 3);
    let inside = bob.get(&format!("/api/v1/folders/{inner}/documents")).await.unwrap();
    assert_eq!(inside.json["documents"], json!([id["Ben"]]), "{}", inside.text);
    for hidden in [&beside, "000000000000000000000000000000aa", "x"] {
        assert_eq!(bob.get(&format!("/api/v1/folders/{hidden}/documents")).await.unwrap().status, 404);
        assert_eq!(file(&bob, hidden, &[&id["Ann"]]).await, 404);
        assert_eq!(bob.delete(&format!("/api/v1/folders/{hidden}")).await.unwrap().status, 404);
        let what = json!({"space": people.space, "folder": hidden, "with": {"user": "carol"}, "role": "viewer"});
        assert_eq!(people.bob.post("/api/v1/shares", &what).await.unwrap().status, 404);
    }
    // An editor of a folder puts nothing into it, and shares it with nobody.
    assert_eq!(file(&bob, &outer, &[&id["Ben"]]).await, 403);
    assert_eq!(bob.delete(&format!("/api/v1/folders/{inner}")).await.unwrap().status, 403);
    let on = json!({"folder": outer, "with": {"user": "carol"}, "role": "viewer"});
    assert_eq!(bob.post("/api/v1/shares", &on).await.unwrap().status, 403);
    // What is taken out is gone; what lies elsewhere too stays there.
    let out = alice.delete(&format!("/api/v1/folders/{inner}/documents/{}", id["Ben"])).await.unwrap();
    assert_eq!(out.status, 204, "{}", out.text);
    assert_eq!(names(&bob).await, ["Ann"]);
    shut_out(&people.carol, &people.space).await;
    let full = alice.delete(&format!("/api/v1/folders/{outer}")).await.unwrap();
    assert_eq!((full.status, code(&full)), (409, "folder_in_use"));
    assert_eq!(alice.delete(&format!("/api/v1/folders/{inner}")).await.unwrap().status, 204);
    end(alice, &given).await;
    shut_out(&people.bob, &people.space).await;
    people.share(json!({"folder": outer, "with": {"user": "bob"}, "role": "owner"})).await;
    assert_eq!(names(&bob).await, ["Ann"]);
    assert_eq!(file(&bob, &outer, &[&id["Cid"]]).await, 404, "he owns the folder and does not see that document");
    share(&bob, on).await;
    assert_eq!(names(&carol).await, ["Ann"], "an owner shares on");
    assert_eq!(alice.delete(&format!("/api/v1/folders/{outer}")).await.unwrap().status, 204);
    shut_out(&people.bob, &people.space).await;
    shut_out(&people.carol, &people.space).await;
    assert_eq!(names(alice).await, ["Ann", "Ben", "Cid"], "the documents stay");
    unhurt(&people.home).await;
}

#[tokio::test]
async fn owners_of_parts_share_them_on_and_nothing_else() {
    let people = People::new().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    let id = ids(alice).await;
    people
        .share(json!({"collection": "Contact", "document": id["Ann"], "with": {"user": "bob"}, "role": "owner"}))
        .await;
    share(&bob, json!({"collection": "Contact", "document": id["Ann"], "with": {"user": "carol"}, "role": "viewer"}))
        .await;
    assert_eq!(names(&carol).await, ["Ann"]);
    for (what, status) in [
        (json!({"collection": "Contact", "document": id["Ben"], "with": {"user": "carol"}, "role": "viewer"}), 404),
        (json!({"collection": "Contact", "with": {"user": "carol"}, "role": "viewer"}), 403),
        (json!({"with": {"user": "carol"}, "role": "viewer"}), 403),
    ] {
        assert_eq!(bob.post("/api/v1/shares", &what).await.unwrap().status, status, "{what}");
    }
    let given = people.bob.get("/api/v1/shares").await.unwrap();
    assert_eq!(given.json["given"].as_array().unwrap().len(), 1, "{}", given.text);
    // An id says nothing of whose document it is: one of the same id elsewhere is another.
    people.bob.define("type Contact { name: String }").await.unwrap();
    let same = format!("mutation {{ add_Contact(input: {{_docID: \"{}\", name: \"Bait\"}}) {{ name }} }}", id["Ben"]);
    people.bob.graphql(&same).await.unwrap();
    share(
        &people.bob,
        json!({"collection": "Contact", "document": id["Ben"], "with": {"user": "carol"}, "role": "owner"}),
    )
    .await;
    assert_eq!(names(&carol).await, ["Ann"]);
    document_never_was(&carol, &id["Ben"]).await;
    let home = people.bob.get("/api/v1/spaces").await.unwrap().json[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(names(&people.carol.in_space(&home)).await, ["Bait"], "control");
    // Who owns a collection manages it: its shares, its field rules, not the space.
    people.share(json!({"collection": "Contact", "with": {"user": "bob"}, "role": "owner"})).await;
    share(&bob, json!({"collection": "Contact", "with": {"user": "carol"}, "role": "viewer"})).await;
    assert_eq!(names(&carol).await, ["Ann", "Ben", "Cid"]);
    rule(&bob, json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "carol"}})).await;
    never_was(&carol, "phone", "phony").await;
    let define = bob.post("/api/v1/collections", &json!({"sdl": "type Planted { x: String }"})).await.unwrap();
    assert_eq!(define.status, 403);
    assert_eq!(
        bob.post("/api/v1/shares", &json!({"collection": "Diary", "with": {"user": "carol"}, "role": "viewer"}))
            .await
            .unwrap()
            .status,
        404
    );
    let refused = alice
        .post(
            "/api/v1/shares",
            &json!({"collection": "Contact", "with": {"group": group(alice, "Firm").await}, "role": "owner"}),
        )
        .await
        .unwrap();
    assert_eq!(refused.status, 400, "{}", refused.text);
    unhurt(&people.home).await;
}

/// A page of a folder ends at a document that its reader views, and how many others there are it does not tell.
#[tokio::test]
async fn the_pages_of_a_folder_name_nothing_that_is_kept_from_the_reader() {
    let people = People::new().await;
    let (alice, [bob, _]) = (&people.home.alice, people.looking());
    let inputs: Vec<Value> = (0..1_002).map(|n| json!({"name": format!("n{n}")})).collect();
    let add = "mutation($all: [ContactMutationInputArg!]!) { add_Contact(input: $all) { _docID } }";
    let added = alice.graphql_with(add, json!({"all": inputs})).await.unwrap();
    let mut ids: Vec<String> =
        added["add_Contact"].as_array().unwrap().iter().map(|one| one["_docID"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    let work = alice.post("/api/v1/folders", &json!({"collection": "Contact", "name": "Work"})).await.unwrap();
    let work = work.json["folder"].as_str().unwrap().to_owned();
    let inside = format!("/api/v1/folders/{work}/documents");
    for some in ids.chunks(500) {
        let filed = alice.post(&inside, &json!({"documents": some})).await.unwrap();
        assert_eq!(filed.status, 200, "{}", filed.text);
    }
    people.share(json!({"folder": work, "with": {"user": "bob"}, "role": "viewer"})).await;
    let pages = async |by: &Client| {
        let (mut all, mut ends, mut after) = (Vec::new(), Vec::new(), String::new());
        loop {
            let page = by.get(&format!("{inside}{after}")).await.unwrap();
            let told = page.json["documents"].as_array().unwrap_or_else(|| panic!("{}", page.text)).clone();
            all.extend(told.iter().map(|id| id.as_str().unwrap().to_owned()));
            let Some(next) = page.json["next"].as_str() else { return (all, ends) };
            ends.push(next.to_owned());
            after = format!("?after={next}");
        }
    };
    assert_eq!(pages(&bob).await, (ids.clone(), vec![ids[999].clone()]), "control: all of them are seen");
    // The one at which the page ended, and one before.
    let hidden = [ids[999].clone(), ids[10].clone()];
    let delete = "mutation($ids: [ID!]!) { delete_Contact(docID: $ids) { _docID } }";
    alice.graphql_with(delete, json!({"ids": hidden})).await.unwrap();
    let (told, ends) = pages(&bob).await;
    let left: Vec<String> = ids.iter().filter(|id| !hidden.contains(id)).cloned().collect();
    assert_eq!(told, left);
    assert!(ends.iter().all(|end| left.contains(end)), "{ends:?}");
}

#[tokio::test]
async fn folders_by_the_command_line_and_what_they_refuse() {
    let people = People::new().await;
    let (alice, [bob, _]) = (&people.home.alice, people.looking());
    let (node, id) = (&people.home.node, ids(alice).await);
    let made = node.cli_ok(&["folder", "add", "Contact", "Work"]).unwrap();
    let work = made["folder"].as_str().unwrap();
    node.cli_ok(&["folder", "file", work, &id["Ann"], &id["Ben"]]).unwrap();
    node.cli_ok(&["share", "add", "--user", "bob", "--folder", work]).unwrap();
    node.cli_ok(&[
        "share",
        "add",
        "--user",
        "bob",
        "--collection",
        "Contact",
        "--document",
        &id["Cid"],
        "--until",
        "P1D",
    ])
    .unwrap();
    assert_eq!(names(&bob).await, ["Ann", "Ben", "Cid"]);
    node.cli_ok(&["folder", "unfile", work, &id["Ben"]]).unwrap();
    assert_eq!(names(&bob).await, ["Ann", "Cid"]);
    let inside = node.cli_ok(&["folder", "documents", work]).unwrap();
    assert_eq!((&inside["documents"], &inside["next"]), (&json!([id["Ann"]]), &Value::Null));
    assert_eq!(node.cli_ok(&["folder", "list", "--collection", "Contact"]).unwrap()[0]["folder"], json!(work));
    for (args, exit) in [
        (vec!["folder", "add", "Nothing", "Work"], 4),
        (vec!["folder", "add", "Contact", " "], 2),
        (vec!["folder", "add", "Contact", "x", "--parent", "000000000000000000000000000000aa"], 4),
        (vec!["folder", "file", work, "000000000000000000000000000000aa"], 4),
        (vec!["folder", "file", work, "no id"], 2),
        (vec!["folder", "unfile", work, &id["Ben"]], 4),
        (vec!["share", "add", "--user", "bob", "--document", &id["Cid"]], 2),
        (vec!["share", "add", "--user", "bob", "--collection", "Diary", "--folder", work], 4),
        (vec!["share", "add", "--user", "bob", "--collection", "Diary", "--document", &id["Cid"]], 4),
    ] {
        node.cli(&args).unwrap().refused(exit).unwrap_or_else(|error| panic!("{args:?}: {error}"));
    }
    for bad in [json!({"documents": []}), json!({"documents": vec![&id["Ann"]; 20_000]}), json!({})] {
        let answer = alice.post(&format!("/api/v1/folders/{work}/documents"), &bad).await.unwrap();
        let fits = bad["documents"].as_array().is_some_and(|all| all.len() > 1);
        assert_eq!(answer.status, if fits { 200 } else { 400 }, "{}", answer.text);
    }
    let mut parent = work.to_owned();
    for n in 2..=20 {
        parent = folder(alice, json!({"collection": "Contact", "name": format!("level {n}"), "parent": parent})).await;
    }
    assert_eq!(file(alice, &parent, &[&id["Ben"]]).await, 200);
    assert_eq!(names(&bob).await, ["Ann", "Ben", "Cid"], "down to the last");
    let deeper =
        alice.post("/api/v1/folders", &json!({"collection": "Contact", "name": "x", "parent": parent})).await.unwrap();
    assert_eq!((deeper.status, code(&deeper)), (409, "folder_depth"));
    unhurt(&people.home).await;
}
