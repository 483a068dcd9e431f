//! Links: whoever has one reads what it names and nothing beside it, until it ends.

use std::time::{Duration, Instant};

use harness::{Client, Node};
use serde_json::{Value, json};

use crate::home::OWNER;
use crate::hostile::{code, unhurt};
use crate::masks::{alike, ask, changed};
use crate::sharing::{People, share};
use crate::sharing_fields::{never_was, rule};

struct Link {
    id: String,
    client: Client,
    url: String,
}

async fn link(alice: &Client, what: Value) -> Link {
    let made = alice.post("/api/v1/links", &what).await.unwrap();
    assert_eq!(made.status, 201, "{what}: {}", made.text);
    let text = |key: &str| made.json[key].as_str().unwrap_or_else(|| panic!("{key} in {}", made.text)).to_owned();
    Link { id: text("link"), client: alice.with_token(&text("token")), url: text("url") }
}

async fn page(url: &str) -> (u16, String) {
    let answer = Client::new("", None).unwrap().get(url).await.unwrap();
    (answer.status, answer.text)
}

fn family() -> Value {
    json!({"collection": "Contact", "fields": ["phone", "name"], "where": {"tag": {"_eq": "family"}}})
}

#[tokio::test]
async fn a_link_reads_what_it_names_and_nothing_else() {
    let people = People::new().await;
    let alice = &people.home.alice;
    let all = alice.graphql("{ Contact(order: {name: ASC}) { _docID } }").await.unwrap();
    let ben = all["Contact"][1]["_docID"].as_str().unwrap().to_owned();
    alice
        .graphql("mutation { add_Contact(input: {name: \"<b>Dot</b>\", phone: \"4\", tag: \"family\"}) { _docID } }")
        .await
        .unwrap();
    let made = link(alice, family()).await;
    let by_link = &made.client;
    let shown = by_link.graphql("{ Contact(order: {phone: ASC}) { name phone } COUNT(Contact: {}) }").await.unwrap();
    let expected =
        json!([{"name": "Ann", "phone": "1"}, {"name": "Cid", "phone": "3"}, {"name": "<b>Dot</b>", "phone": "4"}]);
    assert_eq!(shown, json!({"Contact": expected, "COUNT": 3}));
    // Fields outside it, the one that it chooses documents by included, and what it is no link to.
    for (field, never) in [("tag", "tab"), ("notes", "nates"), ("age", "abe")] {
        never_was(by_link, field, never).await;
    }
    for (hidden, never) in [("Diary", "Dairy"), ("Company", "Compony")] {
        for road in [
            "{ ¤ { _docID } }",
            "{ COUNT(¤: {}) }",
            "{ __type(name: \"¤\") { name } }",
            "mutation { add_¤(input: {}) { _docID } }",
        ] {
            alike(by_link, road, hidden, never).await;
        }
    }
    for road in [
        "{ Contact(docID: \"¤\") { name } }",
        "{ Contact(filter: {_docID: {_eq: \"¤\"}}) { name } }",
        "{ COUNT(Contact: {filter: {_docID: {_eq: \"¤\"}}}) }",
        "{ _commits(docID: \"¤\") { cid } }",
        "{ Contact(docID: \"¤\") { _version { cid } } }",
        "mutation { update_Contact(docID: \"¤\", input: {phone: \"9\"}) { name } }",
    ] {
        alike(by_link, road, &ben, &changed(&ben)).await;
    }
    for mutation in [
        "mutation { add_Contact(input: {name: \"Eve\"}) { name } }",
        "mutation { update_Contact(input: {phone: \"9\"}) { name } }",
        "mutation { delete_Contact(filter: {name: {_eq: \"Ann\"}}) { name } }",
        "mutation { upsert_Contact(filter: {name: {_eq: \"Ann\"}}, add: {name: \"Ann\"}, update: {phone: \"9\"}) { name } }",
    ] {
        let refused = ask(by_link, mutation).await;
        assert!(!refused.codes().is_empty() && refused.json["data"].is_null(), "{mutation}: {}", refused.text);
    }
    assert_eq!(
        alice.graphql("{ COUNT(Contact: {}) SUM(Contact: {field: age}) }").await.unwrap(),
        json!({"COUNT": 4, "SUM": 120})
    );
    // It is nobody: it shares, defines, lists and signs out nothing.
    for path in
        ["/api/v1/shares", "/api/v1/groups", "/api/v1/links", "/api/v1/grants", "/api/v1/audit", "/api/v1/devices"]
    {
        assert_eq!(by_link.get(path).await.unwrap().status, 403, "{path}");
    }
    assert_eq!(by_link.post("/api/v1/links", &family()).await.unwrap().status, 403);
    assert_eq!(
        by_link.post("/api/v1/collections", &json!({"sdl": "type Planted { x: String }"})).await.unwrap().status,
        403
    );
    assert_eq!(by_link.post("/api/v1/spaces", &json!({"name": "x"})).await.unwrap().status, 403);
    assert_eq!(by_link.get("/api/v1/spaces").await.unwrap().json, json!([]), "no name of a space is told");
    let list = by_link.get("/api/v1/collections").await.unwrap();
    assert_eq!(list.json.as_array().unwrap().len(), 1, "{}", list.text);
    let elsewhere = alice.new_space("work").await.unwrap();
    let there = by_link.in_space(elsewhere.space.as_deref().unwrap());
    assert_eq!(ask(&there, "{ __typename }").await.status, 404);
    // Its page shows the same, and nothing in it becomes markup.
    let (status, html) = page(&made.url).await;
    assert_eq!(status, 200);
    for word in ["Ann", "Cid", "&lt;b&gt;Dot&lt;/b&gt;", "<td>1</td>"] {
        assert!(html.contains(word), "{word} in {html}");
    }
    for word in ["Ben", "secret", "family", "<b>", "<script"] {
        assert!(!html.contains(word), "{word} in {html}");
    }
    unhurt(&people.home).await;
}

#[tokio::test]
async fn the_page_of_a_link_tells_times_to_readers_and_drops_no_field_in_silence() {
    let people = People::new().await;
    let alice = people.home.alice.new_space("books").await.unwrap();
    alice
        .define("type Author { name: String books: [Book] } type Book { title: String out: DateTime author: Author }")
        .await
        .unwrap();
    alice
        .graphql(r#"mutation { add_Book(input: {title: "Emma", out: "1815-12-23T09:00:00+01:00"}) { _docID } }"#)
        .await
        .unwrap();
    let made = link(&alice, json!({"collection": "Book", "fields": ["title", "out", "author"]})).await;
    let (status, html) = page(&made.url).await;
    assert_eq!(status, 200);
    for part in ["<td>Emma</td>", ">23 Dec 1815, 08:00 UTC</time>", "<strong>author</strong> leads to other documents"]
    {
        assert!(html.contains(part), "{part} in {html}");
    }
    let made = link(&alice, json!({"collection": "Author", "fields": ["name", "books"]})).await;
    let (status, html) = page(&made.url).await;
    assert!(status == 200 && html.contains("<strong>books</strong> leads to other documents"), "{html}");
    let made = link(&alice, json!({"collection": "Book", "fields": ["title"]})).await;
    assert!(!page(&made.url).await.1.contains("leads to"), "control: of what is not granted nothing is said");
}

#[tokio::test]
async fn a_link_ends_when_it_is_removed_or_lapses_and_never_outlives_what_its_maker_sees() {
    let people = People::new().await;
    let alice = &people.home.alice;
    let (one, other) = (link(alice, family()).await, link(alice, family()).await);
    let listed = alice.get("/api/v1/links").await.unwrap();
    let shown = &listed.json[0];
    assert_eq!(
        (&shown["collection"], &shown["where"]),
        (&json!("Contact"), &json!({"tag": {"_eq": "family"}})),
        "{}",
        listed.text
    );
    assert!(!listed.text.contains("token") && !listed.text.contains(one.client.token.as_deref().unwrap()));
    assert_eq!(alice.get("/api/v1/grants").await.unwrap().json, json!([]), "it is no grant to an app");
    for stranger in [&people.bob, &people.carol] {
        assert_eq!(stranger.get("/api/v1/links").await.unwrap().json, json!([]));
        assert_eq!(stranger.delete(&format!("/api/v1/links/{}", one.id)).await.unwrap().status, 404);
    }
    // Signing out everywhere ends sessions, not links.
    let request = alice.request(reqwest::Method::DELETE, "/api/v1/sessions");
    assert_eq!(alice.send(request).await.unwrap().status, 200);
    let alice = people.home.node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let names = "{ Contact(order: {name: ASC}) { name phone } }";
    for link in [&one, &other] {
        assert_eq!(link.client.graphql(names).await.unwrap()["Contact"][0], json!({"name": "Ann", "phone": "1"}));
    }
    assert_eq!(alice.delete(&format!("/api/v1/links/{}", one.id)).await.unwrap().status, 204);
    assert_eq!(ask(&one.client, names).await.status, 401);
    let (gone, never) = (page(&one.url).await, page(&format!("{}/l/nothing", people.home.node.url)).await);
    assert_eq!(gone, never, "removed and unknown answer alike");
    assert_eq!(gone.0, 404);
    assert_eq!(alice.delete(&format!("/api/v1/links/{}", one.id)).await.unwrap().status, 404);
    other.client.graphql(names).await.expect("control: the other is good still");
    // What is kept from its maker is kept from the link.
    let hidden =
        rule(&alice, json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "alice"}}))
            .await;
    never_was(&other.client, "phone", "phony").await;
    assert_eq!(other.client.graphql("{ Contact { name } }").await.unwrap()["Contact"].as_array().unwrap().len(), 2);
    assert_eq!(alice.delete(&format!("/api/v1/field-rules/{hidden}")).await.unwrap().status, 204);
    other.client.graphql(names).await.expect("control");
    let audit = alice.get("/api/v1/audit").await.unwrap();
    assert!(audit.text.contains("link.created") && audit.text.contains("link.removed"), "{}", audit.text);
    let mut short = family();
    short["until"] = json!("PT5S");
    let short = link(&alice, short).await;
    short.client.graphql(names).await.expect("it is good at first");
    let begun = Instant::now();
    while ask(&short.client, names).await.status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not lapse");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(page(&short.url).await, gone);
    assert_eq!(alice.get("/api/v1/links").await.unwrap().json.as_array().unwrap().len(), 1);
    // The node forgets it by itself: its record, its row, what policy has of it.
    let forgotten = |rows: &Value| {
        rows.as_array().unwrap().iter().any(|row| {
            let (by, gone) = (&row["detail"]["by"], row["detail"]["remove"].as_array());
            row["detail"]["grant"] == short.id.as_str()
                && (&by["action"], &by["actor"]) == (&json!("link.removed"), &json!("node"))
                && gone.is_some_and(|gone| !gone.is_empty())
        })
    };
    let begun = Instant::now();
    while !forgotten(&people.home.node.cli_ok(&["policy", "audit"]).unwrap()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not forgotten");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    other.client.graphql(names).await.expect("control: the one that has not lapsed is there");
    // It survives a start.
    let People { home, .. } = people;
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let again = Client::new(&node.url, other.client.token.as_deref()).unwrap();
    assert_eq!(again.graphql(names).await.unwrap()["Contact"].as_array().unwrap().len(), 2);
    assert_eq!(ask(&Client::new(&node.url, one.client.token.as_deref()).unwrap(), names).await.status, 401);
    drop(root);
}

#[tokio::test]
async fn links_are_made_by_who_manages_the_space_and_of_what_there_is() {
    let people = People::new().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    people.share(json!({"with": {"user": "bob"}, "role": "editor"})).await;
    let refused = bob.post("/api/v1/links", &family()).await.unwrap();
    assert_eq!((refused.status, code(&refused)), (403, "forbidden"));
    assert_eq!(carol.post("/api/v1/links", &family()).await.unwrap().status, 404);
    share(alice, json!({"collection": "Contact", "with": {"user": "bob"}, "role": "owner"})).await;
    assert_eq!(bob.post("/api/v1/links", &family()).await.unwrap().status, 403, "a link is recorded in the space");
    for (bad, status) in [
        (json!({"collection": "Contact"}), 400),
        (json!({"collection": "Contact", "fields": []}), 400),
        (json!({"collection": "Contact", "fields": "name"}), 400),
        (json!({"collection": "Contact", "fields": ["name"], "actions": ["create"]}), 400),
        (json!({"collection": "Contact", "fields": ["name"], "where": {"tag": "family"}}), 400),
        (json!({"collection": "Contact", "fields": ["name"], "until": "2001-01-01T00:00:00Z"}), 400),
        (json!({"collection": "Contact", "fields": ["nothing"]}), 409),
        (json!({"collection": "Contact", "fields": ["name"], "where": {"age": {"_eq": "old"}}}), 409),
        (json!({"collection": "Nothing", "fields": ["name"]}), 404),
    ] {
        let answer = alice.post("/api/v1/links", &bad).await.unwrap();
        assert_eq!(answer.status, status, "{bad}: {}", answer.text);
    }
    assert_eq!(alice.get("/api/v1/links").await.unwrap().json, json!([]));
    let node = &people.home.node;
    let made = node
        .cli_ok(&["link", "add", "Contact", "--fields", "name,phone", "--where", "{\"age\":{\"_geq\":40}}"])
        .unwrap();
    let by_link = alice.with_token(made["token"].as_str().unwrap());
    let rows = by_link.graphql("{ Contact(order: {name: ASC}) { name } }").await.unwrap();
    assert_eq!(rows["Contact"], json!([{"name": "Ben"}, {"name": "Cid"}]));
    assert_eq!(node.cli_ok(&["link", "list"]).unwrap()[0]["link"], made["link"]);
    node.cli(&["link", "add", "Contact", "--fields", "name", "--where", "{"]).unwrap().refused(2).unwrap();
    node.cli_ok(&["link", "remove", made["link"].as_str().unwrap()]).unwrap();
    assert_eq!(ask(&by_link, "{ Contact { name } }").await.status, 401);
    node.cli(&["link", "remove", made["link"].as_str().unwrap()]).unwrap().refused(4).unwrap();
    unhurt(&people.home).await;
}

/// Apps are nobody here, and the address of a link is for its own token.
#[tokio::test]
async fn tokens_of_apps_and_people_are_no_links_and_apps_ask_nothing_of_sharing() {
    let people = People::new().await;
    let alice = &people.home.alice;
    let made = link(alice, family()).await;
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"],
        "actions": ["create", "read", "update", "delete", "search", "history"], "fields": {"allow": ["name"]}});
    let (app, _) = people.home.app(&access, &access);
    app.graphql("{ Contact { name } }").await.expect("control: it is good where it counts");
    let client_id = people.home.node.cli_ok(&["grant", "list"]).unwrap()[0]["client_id"].clone();
    let sees = format!("/api/v1/access/apps/{}", client_id.as_str().unwrap());
    for path in ["/api/v1/links", "/api/v1/access?collection=Contact&field=name", &sees] {
        assert_eq!(alice.get(path).await.unwrap().status, 200, "control, {path}");
        for client in [&app, &made.client] {
            let refused = client.get(path).await.unwrap();
            assert_eq!((refused.status, code(&refused)), (403, "not_for_apps"), "{path}: {}", refused.text);
        }
    }
    assert_eq!(app.post("/api/v1/links", &family()).await.unwrap().status, 403);
    assert_eq!(app.delete(&format!("/api/v1/links/{}", made.id)).await.unwrap().status, 403);
    assert_eq!(page(&made.url).await.0, 200, "control: it is there still");
    let at = |token: &str| format!("{}/l/{token}", people.home.node.url);
    let never = page(&at("nothing")).await;
    for client in [alice, &app] {
        assert_eq!(page(&at(client.token.as_deref().unwrap())).await, never);
    }
    assert_eq!(page(&at(made.client.token.as_deref().unwrap())).await.0, 200, "control");
    unhurt(&people.home).await;
}
