//! What `_commits` says of relations, deletions and restorings, and what it does not say to whom does not see the other
//! side of a relation.

use data_encoding::BASE64;
use harness::Client;
use serde_json::{Value, json};

use crate::home::Home;
use crate::hostile::unhurt;
use crate::masks::ask;

const SDL: &str = "type Author { name: String books: [Book] } type Book { title: String by: Author }";

/// A home with the authors Ann and Zoe, and two books: of one the author was Ann, then Zoe; of the other Ann, then
/// nobody. Both were deleted and restored. The ids of Ann, Zoe and the books.
async fn shelf() -> (Home, [String; 4]) {
    let home = Home::new().await;
    let alice = &home.alice;
    alice.define(SDL).await.unwrap();
    let id = |made: &Value| made[0]["_docID"].as_str().unwrap().to_owned();
    let mut ids = Vec::new();
    for name in ["Ann", "Zoe"] {
        let made = alice.graphql(&format!("mutation {{ add_Author(input: {{name: \"{name}\"}}) {{ _docID }} }}")).await;
        ids.push(id(&made.unwrap()["add_Author"]));
    }
    for then in [format!("\"{}\"", ids[1]), "null".to_owned()] {
        let add = format!("mutation {{ add_Book(input: {{title: \"T\", by: \"{}\"}}) {{ _docID }} }}", ids[0]);
        let book = id(&alice.graphql(&add).await.unwrap()["add_Book"]);
        for change in [
            format!("mutation {{ update_Book(docID: \"{book}\", input: {{by: {then}}}) {{ _docID }} }}"),
            format!("mutation {{ delete_Book(docID: \"{book}\") {{ _docID }} }}"),
            format!("mutation {{ restore_Book(docID: \"{book}\") {{ _docID }} }}"),
        ] {
            alice.graphql(&change).await.unwrap();
        }
        ids.push(book);
    }
    (home, <[String; 4]>::try_from(ids).unwrap())
}

async fn commits(client: &Client, book: &str) -> Vec<(String, Vec<u8>)> {
    let query = format!("{{ _commits(docID: \"{book}\") {{ fieldName delta }} }}");
    let rows = client.graphql(&query).await.unwrap();
    let row = |row: &Value| {
        let delta = BASE64.decode(row["delta"].as_str().unwrap().as_bytes()).unwrap();
        (row["fieldName"].as_str().unwrap().to_owned(), delta)
    };
    rows["_commits"].as_array().unwrap().iter().map(row).collect()
}

fn of<'a>(rows: &'a [(String, Vec<u8>)], field: &str) -> Vec<&'a [u8]> {
    rows.iter().filter(|(name, _)| name == field).map(|(_, delta)| delta.as_slice()).collect()
}

/// A text of 36 bytes in CBOR: an id.
fn text(id: &str) -> Vec<u8> {
    [&[0x78, 36], id.as_bytes()].concat()
}

/// A map of one boolean.
fn deleted(yes: bool) -> Vec<u8> {
    [b"\xa1\x68_deleted".as_slice(), &[if yes { 0xf5 } else { 0xf4 }]].concat()
}

#[tokio::test]
async fn deltas_tell_set_from_cleared_and_deleted_from_restored_and_no_more_than_a_read() {
    let (home, [ann, zoe, set, cleared]) = shelf().await;
    let rows = (commits(&home.alice, &set).await, commits(&home.alice, &cleared).await);
    // Newest first.
    assert_eq!(of(&rows.0, "by"), [text(&zoe), text(&ann)]);
    assert_eq!(of(&rows.1, "by"), [vec![0xf6], text(&ann)]);
    for rows in [&rows.0, &rows.1] {
        assert_eq!(of(rows, "_C")[..2], [deleted(false), deleted(true)]);
    }
    let v0 = home.alice.graphql_v0(&format!("{{ commits(docID: \"{set}\") {{ delta }} }}")).await.unwrap();
    assert_eq!(v0["commits"].as_array().or(v0.as_array()).unwrap().len(), rows.0.len());

    let entry = |datatype: &str, fields: Value, rows: Value| {
        json!({"type": "allod_doc", "datatypes": [datatype], "actions": ["read", "search", "history"],
            "fields": {"allow": fields}, "where": rows})
    };
    let granted = |access: Value| {
        let manifest = json!({"name": "Reads", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": access, "confidential": false});
        let made = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
        let file = home.file("grant.json", &access.to_string());
        let client = made["client_id"].as_str().unwrap();
        let made = home.node.cli_ok(&["grant", "add", "--user", "alice", "--app", client, &file]).unwrap();
        home.alice.with_token(made["access_token"].as_str().unwrap())
    };
    let books = entry("Book", json!(["title", "by"]), json!({}));
    let some = granted(json!([books, entry("Author", json!(["name", "books"]), json!({"name": {"_eq": "Ann"}}))]));
    let all = granted(json!([books, entry("Author", json!(["name", "books"]), json!({}))]));
    // Set to whom the app does not see is as cleared, as it is to a read; control: to one that sees both it is not.
    let (hidden, null) = (commits(&some, &set).await, commits(&some, &cleared).await);
    assert_eq!(hidden, null);
    assert_eq!(of(&hidden, "by"), [vec![0xf6], text(&ann)]);
    assert_eq!(commits(&all, &set).await, rows.0);
    let read = some.graphql("{ Book { by { name } _byID } }").await.unwrap();
    assert_eq!(read["Book"], json!([{"by": null, "_byID": null}, {"by": null, "_byID": null}]));
    // Without any right to authors there is no such field, and no commit of it.
    let alone = granted(json!([books]));
    let rows = commits(&alone, &set).await;
    assert!(of(&rows, "by").is_empty() && of(&rows, "_C").len() == 3, "{rows:?}");
    for (field, of_all) in [("by", 2), ("never", 0)] {
        let query = format!("{{ _commits(docID: \"{set}\", fieldName: \"{field}\") {{ cid height }} }}");
        let (one, other) = (ask(&alone, &query).await, ask(&all, &query).await);
        assert_eq!(one.json["data"]["_commits"], json!([]), "{field}");
        assert_eq!(other.json["data"]["_commits"].as_array().unwrap().len(), of_all, "control: {field}");
    }
    let heads = format!("{{ Book(docID: \"{set}\") {{ _version {{ height delta links {{ fieldName }} }} }} }}");
    assert!(!ask(&alone, &heads).await.text.contains("by"), "{}", ask(&alone, &heads).await.text);
    unhurt(&home).await;
}

#[tokio::test]
async fn a_document_that_somebody_changed_meanwhile_is_neither_changed_nor_deleted_nor_restored() {
    let home = Home::new().await;
    let alice = &home.alice;
    alice.define("type Note { text: String }").await.unwrap();
    let made = alice.graphql(r#"mutation { add_Note(input: {text: "a"}) { _docID _version { cid } } }"#).await.unwrap();
    let made = &made["add_Note"][0];
    let id = made["_docID"].as_str().unwrap();
    let cids = |version: &Value| {
        let all = version.as_array().unwrap().iter().map(|row| row["cid"].as_str().unwrap().to_owned());
        all.collect::<Vec<_>>()
    };
    let mut heads = cids(&made["_version"]);
    for (stale, fresh, now) in
        [("update", "update", r#", input: {text: "b"}"#), ("delete", "delete", ""), ("restore", "restore", "")]
    {
        let change = |verb: &str, heads: &[String]| {
            format!("mutation {{ {verb}_Note(docID: \"{id}\"{now}, expectHeads: {heads:?}) {{ _version {{ cid }} }} }}")
        };
        for wrong in [vec![], vec![heads[0].clone(), made["_version"][0]["cid"].as_str().unwrap().to_owned() + "x"]] {
            let refused = ask(alice, &change(stale, &wrong)).await;
            assert!(["conflict", "invalid_input"].contains(&refused.codes()[0]), "{}", refused.text);
        }
        if stale != "update" {
            let old = cids(&made["_version"]);
            assert_eq!(ask(alice, &change(stale, &old)).await.codes(), ["conflict"], "{stale}");
        }
        let twice = [heads.clone(), heads.clone()].concat();
        let done = alice.graphql(&change(fresh, &twice)).await.unwrap();
        let next = cids(&done[format!("{fresh}_Note")][0]["_version"]);
        assert_ne!(next, heads);
        heads = next;
    }
    let forgotten = "mutation($h: [String!]) { delete_Note(expectHeads: $h) { _docID } }";
    assert_eq!(alice.try_graphql(forgotten, Value::Null).await.unwrap().codes(), ["invalid_input"]);
    assert_eq!(alice.graphql("{ Note { text } }").await.unwrap()["Note"], json!([{"text": "b"}]));
    // To whom history does not show there is no such argument.
    let access = json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read", "search", "delete"],
        "fields": {"allow": ["text"]}});
    let (app, _) = home.app(&access, &access);
    let refused = ask(&app, &format!("mutation {{ delete_Note(docID: \"{id}\", expectHeads: []) {{ text }} }}")).await;
    assert_eq!(refused.codes(), ["unknown_field"], "{}", refused.text);
    unhurt(&home).await;
}
