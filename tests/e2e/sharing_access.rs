//! Who can see a field and why, what an app can see, and that every act is in the chained audit: what is told must be
//! what happens when it is tried.

use std::collections::BTreeSet;

use harness::Client;
use serde_json::{Value, json};

use crate::hostile::unhurt;
use crate::masks::ask;
use crate::sharing::{People, end};
use crate::sharing_fields::rule;
use crate::sharing_groups::{group, put};

/// Every entry about a field, by pages of `limit`.
pub async fn told(client: &Client, question: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/access?{question}&limit={limit}{after}");
        let answer = client.get(&path).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let page = answer.json["entries"].as_array().unwrap();
        assert!(page.len() <= limit);
        all.extend(page.iter().cloned());
        match answer.json["next"].as_str() {
            None => return all,
            Some(next) => after = format!("&after={next}"),
        }
    }
}

pub fn by<'a>(entries: &'a [Value], key: &str) -> BTreeSet<&'a str> {
    entries
        .iter()
        .filter(|one| one[key].is_string() && (key != "user" || one["grant"].is_null() && one["link"].is_null()))
        .filter_map(|one| one[key].as_str())
        .collect()
}

/// Whether the field shows to the client (in the document, if one is named).
pub async fn shows(client: &Client, field: &str, document: Option<&str>) -> bool {
    let query = match document {
        None => format!("{{ Contact {{ {field} }} }}"),
        Some(id) => format!("{{ Contact(docID: \"{id}\") {{ {field} }} }}"),
    };
    let answer = ask(client, &query).await;
    let rows = answer.json["data"]["Contact"].as_array().map(Vec::as_slice).unwrap_or_default();
    answer.codes().is_empty() && rows.iter().any(|row| !row[field].is_null())
}

#[tokio::test]
async fn what_is_told_of_who_sees_a_field_is_what_they_see() {
    let people = People::new().await;
    people.acquainted().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    let (dan, eve) = (people.home.user("dan", None).await, people.home.user("eve", None).await);
    let (dan, eve) = (dan.in_space(&people.space), eve.in_space(&people.space));
    let all = alice.graphql("{ Contact(order: {name: ASC}) { _docID } }").await.unwrap();
    let id = [0, 1, 2].map(|n: usize| all["Contact"][n]["_docID"].as_str().unwrap().to_owned());
    let (firm, sales) = (group(alice, "Firm").await, group(alice, "Sales").await);
    assert_eq!(put(alice, &firm, json!({"group": sales})).await.status, 201);
    assert_eq!(put(alice, &sales, json!({"user": "carol"})).await.status, 201);
    people.share(json!({"with": {"user": "bob"}, "role": "viewer", "until": "P1D"})).await;
    people.share(json!({"collection": "Contact", "with": {"group": firm}, "role": "viewer"})).await;
    let single = people
        .share(json!({"collection": "Contact", "document": id[0], "with": {"user": "dan"}, "role": "viewer"}))
        .await;
    people.share(json!({"collection": "Contact", "document": id[2], "with": {"user": "bob"}, "role": "blocked"})).await;
    people.share(json!({"collection": "Diary", "with": {"user": "eve"}, "role": "viewer"})).await;
    rule(alice, json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "bob"}})).await;
    rule(alice, json!({"collection": "Contact", "field": "notes", "rule": "sealed"})).await;
    rule(alice, json!({"collection": "Contact", "field": "notes", "rule": "reader", "who": {"group": sales}})).await;
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name", "notes"]}, "where": {"tag": {"_eq": "family"}}});
    let (app, grant) = people.home.app(&access, &access);
    let made = alice
        .post("/api/v1/links", &json!({"collection": "Contact", "fields": ["phone"], "where": {"age": {"_lt": 45}}}))
        .await
        .unwrap();
    let link = alice.with_token(made.json["token"].as_str().unwrap());

    let clients: [(&str, &Client); 5] =
        [("alice", alice), ("bob", &bob), ("carol", &carol), ("dan", &dan), ("eve", &eve)];
    for field in ["name", "phone", "notes", "tag"] {
        for document in [None, Some(0), Some(1), Some(2)] {
            let document = document.map(|n: usize| id[n].as_str());
            let question = match document {
                None => format!("collection=Contact&field={field}"),
                Some(id) => format!("collection=Contact&field={field}&document={id}"),
            };
            let entries = told(alice, &question, 100).await;
            assert_eq!(told(alice, &question, 1).await, entries, "page by page, {question}");
            let mut expected = BTreeSet::new();
            for (name, client) in clients {
                if shows(client, field, document).await {
                    expected.insert(name);
                }
            }
            assert_eq!(by(&entries, "user"), expected, "{question}");
            assert_eq!(!by(&entries, "grant").is_empty(), shows(&app, field, document).await, "the app, {question}");
            assert_eq!(!by(&entries, "link").is_empty(), shows(&link, field, document).await, "the link, {question}");
            for one in &entries {
                assert!(!one["path"].as_array().unwrap().is_empty(), "why? {one}");
            }
        }
    }
    // The paths say by which relationships.
    let entries = told(alice, "collection=Contact&field=notes", 100).await;
    let of = |key: &str, value: &str| {
        entries.iter().find(|one| one[key] == value).unwrap_or_else(|| panic!("{value} in {entries:?}"))
    };
    let path = of("user", "carol")["path"].to_string();
    assert!(path.contains(&sales) && path.contains("#reader@") && path.contains("#viewer@"), "{path}");
    assert!(of("group", &sales)["path"].to_string().contains("#reader@"), "{entries:?}");
    assert!(!by(&entries, "group").contains(firm.as_str()), "Firm views the collection and is no reader");
    assert_eq!(
        by(&told(alice, "collection=Contact&field=name", 100).await, "group"),
        BTreeSet::from([firm.as_str(), sales.as_str()])
    );
    assert_eq!(of("app", "An App")["where"], json!({"tag": {"_eq": "family"}}));
    let entries = told(alice, "collection=Contact&field=name", 100).await;
    let of = |name: &str| {
        entries.iter().find(|one| one["user"] == name && one["grant"].is_null()).unwrap()["documents"].clone()
    };
    assert_eq!((of("alice"), of("bob"), of("dan")), (json!("all"), json!({"all_but": 1}), json!({"only": 1})));
    // Who does not manage the collection is told nothing.
    for (client, status) in [(&bob, 403), (&carol, 403), (&dan, 403), (&eve, 404)] {
        let answer = client.get("/api/v1/access?collection=Contact&field=name").await.unwrap();
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    for (question, status) in [
        ("collection=Contact&field=nothing", 404),
        ("collection=Nothing&field=name", 404),
        ("collection=Contact&field=name&document=000000000000000000000000000000aa", 404),
        ("collection=Contact&field=name&limit=0", 400),
        ("collection=Contact&field=name&limit=1001", 400),
        ("collection=Contact", 400),
    ] {
        assert_eq!(alice.get(&format!("/api/v1/access?{question}")).await.unwrap().status, status, "{question}");
    }
    end(alice, &single).await;
    assert!(!by(&told(alice, "collection=Contact&field=name", 100).await, "user").contains("dan"));

    // What the app sees, and what the operator asks about others.
    let node = &people.home.node;
    let client_id = node.cli_ok(&["grant", "list"]).unwrap()[0]["client_id"].as_str().unwrap().to_owned();
    let sees = node.cli_ok(&["policy", "app", &client_id]).unwrap()["entries"].take();
    let entry = &sees[0]["collections"][0]["entries"][0];
    assert_eq!(
        (&sees[0]["collections"][0]["collection"], &entry["fields"], &entry["where"]),
        (&json!("Contact"), &json!(["name", "notes"]), &json!({"tag": {"_eq": "family"}})),
        "{sees}"
    );
    assert_eq!(bob.get(&format!("/api/v1/access/apps/{client_id}")).await.unwrap().json["entries"], json!([]));
    assert_eq!(alice.get("/api/v1/access/apps/000000000000000000000000000000aa").await.unwrap().status, 404);
    let who = node.cli_ok(&["policy", "who", "Contact.phone"]).unwrap();
    assert!(!who.to_string().contains("\"bob\"") && who.to_string().contains("\"carol\""), "{who}");
    let check = |user: &str, what: &str, extra: &[&str]| {
        let mut args = vec!["check", "--user", user, "--space", &people.space, "--explain", "read", what];
        args.extend(extra);
        node.cli(&args).unwrap()
    };
    let shared = check("bob", "Contact.name", &[]);
    assert_eq!((shared.code, &shared.json["reason"]), (0, &json!("shared")), "{}", shared.stdout);
    assert!(shared.json["path"].to_string().contains("#viewer@user:"), "{}", shared.stdout);
    assert_eq!(check("bob", "Contact.phone", &[]).code, 3);
    assert_eq!(check("bob", "Contact.name", &[&id[2]]).code, 3, "blocked");
    assert_eq!(check("bob", "Contact.name", &[&id[1]]).code, 0, "control");
    assert_eq!(check("eve", "Contact.name", &[]).code, 3);
    node.cli_ok(&["grant", "revoke", &grant]).unwrap();
    assert_eq!(node.cli_ok(&["policy", "app", &client_id]).unwrap(), json!({"entries": [], "next": null}));
    unhurt(&people.home).await;
}

#[tokio::test]
async fn every_act_is_in_the_chained_audit_with_who_did_it() {
    let people = People::new().await;
    people.acquainted().await;
    let (alice, [bob, _]) = (&people.home.alice, people.looking());
    let all = alice.graphql("{ Contact { _docID } }").await.unwrap();
    let document = all["Contact"][0]["_docID"].as_str().unwrap();
    let firm = group(alice, "Firm").await;
    assert_eq!(put(alice, &firm, json!({"user": "carol"})).await.status, 201);
    let given = people.share(json!({"collection": "Contact", "with": {"user": "bob"}, "role": "owner"})).await;
    let renewed = people.share(json!({"with": {"group": firm}, "role": "viewer", "until": "P1D"})).await;
    alice.post("/api/v1/shares", &json!({"with": {"group": firm}, "role": "viewer", "until": "P2D"})).await.unwrap();
    let hidden =
        rule(&bob, json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "carol"}}))
            .await;
    let folder = bob.post("/api/v1/folders", &json!({"collection": "Contact", "name": "Work"})).await.unwrap();
    let folder = folder.json["folder"].as_str().unwrap_or_else(|| panic!("{}", folder.text)).to_owned();
    let filed =
        bob.post(&format!("/api/v1/folders/{folder}/documents"), &json!({"documents": [document]})).await.unwrap();
    assert_eq!(filed.status, 200, "{}", filed.text);
    for path in [
        format!("/api/v1/folders/{folder}/documents/{document}"),
        format!("/api/v1/folders/{folder}"),
        format!("/api/v1/field-rules/{hidden}"),
    ] {
        assert_eq!(bob.delete(&path).await.unwrap().status, 204, "{path}");
    }
    end(alice, &given).await;
    end(alice, &renewed).await;
    for path in [format!("/api/v1/groups/{firm}/members/users/carol"), format!("/api/v1/groups/{firm}")] {
        assert_eq!(alice.delete(&path).await.unwrap().status, 204, "{path}");
    }
    let link = alice.post("/api/v1/links", &json!({"collection": "Contact", "fields": ["name"]})).await.unwrap();
    let link = link.json["link"].as_str().unwrap_or_else(|| panic!("{}", link.text)).to_owned();
    assert_eq!(alice.delete(&format!("/api/v1/links/{link}")).await.unwrap().status, 204);
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"],
        "fields": {"allow": ["name"]}});
    let (_, grant) = people.home.app(&access, &access);
    assert_eq!(alice.delete(&format!("/api/v1/grants/{grant}")).await.unwrap().status, 200);
    let rows = people.home.node.cli_ok(&["policy", "audit"]).unwrap();
    let users = people.home.node.cli_ok(&["user", "list"]).unwrap();
    let id = |name: &str| {
        let user = users.as_array().unwrap().iter().find(|user| user["name"] == name).unwrap();
        format!("user:{}", user["user"].as_str().unwrap())
    };
    let actor = |name: &str| if name == "operator" { name.to_owned() } else { id(name) };
    for (action, who) in [
        ("group.created", "alice"),
        ("group.member_added", "alice"),
        ("share.given", "alice"),
        ("field_rule.set", "bob"),
        ("folder.created", "bob"),
        ("folder.filed", "bob"),
        ("folder.unfiled", "bob"),
        ("folder.removed", "bob"),
        ("field_rule.removed", "bob"),
        ("share.ended", "alice"),
        ("group.member_removed", "alice"),
        ("group.removed", "alice"),
        ("link.created", "alice"),
        ("link.removed", "alice"),
        ("grant.created", "operator"),
        ("grant.revoked", "alice"),
    ] {
        let row = rows.as_array().unwrap().iter().find(|row| row["detail"]["by"]["action"] == action);
        let row = row.unwrap_or_else(|| panic!("{action} in {rows}"));
        let said = &row["detail"]["by"];
        assert_eq!(said["actor"], json!(actor(who)), "{row}");
        let changed = |key: &str| row["detail"][key].as_array().map_or(0, Vec::len);
        assert!(changed("put") + changed("remove") > 0, "{row}");
        // The same request is in the slice of who did it.
        let client = if who == "bob" { &people.bob } else { alice };
        let slice = client.get("/api/v1/audit").await.unwrap();
        assert!(slice.text.contains(said["request"].as_str().unwrap()), "{action} in {}", slice.text);
    }
    let before = rows.as_array().unwrap().iter().find(|row| row["detail"]["by"]["before"]["until"].is_string());
    assert!(before.is_some(), "a renewal says what was before: {rows}");
    unhurt(&people.home).await;
}
