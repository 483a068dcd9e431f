//! Shares: what one person gives another is there for them until it ends, and nothing beside it is. Every
//! refusal stands beside its control.

use std::time::{Duration, Instant};

use harness::{Answer, Client, Node};
use serde_json::{Value, json};

use crate::home::Home;
use crate::hostile::{code, unhurt};
use crate::masks::{alike, ask};
use crate::sharing_groups::{group, put};

const SDL: &str = "type Contact { name: String phone: String tag: String notes: String age: Int company: Company }
    type Company { title: String staff: [Contact] }
    type Diary { entry: String }";

/// The people of these tests: Alice owns, Bob is of her tenant, Carol is not.
pub struct People {
    pub home: Home,
    pub bob: Client,
    pub carol: Client,
    pub space: String,
}

impl People {
    pub async fn new() -> People {
        let home = Home::new().await;
        home.node.cli_ok(&["tenant", "add", "elsewhere"]).unwrap();
        let bob = home.user("bob", None).await;
        let carol = home.user("carol", Some("elsewhere")).await;
        home.alice.define(SDL).await.unwrap();
        let contacts: Vec<Value> = [("Ann", "1", "family", 30), ("Ben", "2", "work", 40), ("Cid", "3", "family", 50)]
            .into_iter()
            .map(|(name, phone, tag, age)| json!({"name": name, "phone": phone, "tag": tag, "age": age, "notes": "secret"}))
            .collect();
        let add = "mutation($i: [ContactMutationInputArg!]!) { add_Contact(input: $i) { _docID } add_Company(input: {title: \"Acme\"}) { _docID } add_Diary(input: {entry: \"dear\"}) { _docID } }";
        home.alice.graphql_with(add, json!({"i": contacts})).await.unwrap();
        let space = home.made["space"].as_str().unwrap().to_owned();
        People { home, bob, carol, space }
    }

    /// Alice shares; the answer must be 201.
    pub async fn share(&self, what: Value) -> String {
        share(&self.home.alice, what).await
    }

    /// Carol takes up something that Alice shares: from then on Alice may name her.
    pub async fn acquainted(&self) {
        acquainted(&self.home.alice, &self.carol, "carol").await;
    }

    /// How the others look at Alice's space.
    pub fn looking(&self) -> [Client; 2] {
        [self.bob.in_space(&self.space), self.carol.in_space(&self.space)]
    }
}

/// Who is of another tenant takes up something that `client` shares, and joins a group: they may be named from then on.
pub async fn acquainted(client: &Client, other: &Client, name: &str) {
    let made = client.post("/api/v1/spaces", &json!({"name": "Met"})).await.unwrap();
    let space = made.json["id"].as_str().unwrap();
    let what = json!({"space": space, "with": {"user": name}, "role": "viewer"});
    let offered = share(client, what).await;
    assert_eq!(ask(&other.in_space(space), "{ __typename }").await.status, 200);
    let shown = client.get(&format!("/api/v1/shares/{offered}")).await.unwrap();
    assert_eq!((shown.status, &shown.json["pending"]), (200, &Value::Null), "{}", shown.text);
    let met = group(client, "Met").await;
    assert_eq!(put(client, &met, json!({"user": name})).await.status, 201);
    end(client, &offered).await;
}

pub async fn share(client: &Client, what: Value) -> String {
    let made = client.post("/api/v1/shares", &what).await.unwrap();
    assert_eq!(made.status, 201, "{what}: {}", made.text);
    made.json["share"].as_str().unwrap().to_owned()
}

pub async fn end(client: &Client, share: &str) {
    let gone = client.delete(&format!("/api/v1/shares/{share}")).await.unwrap();
    assert_eq!(gone.status, 204, "{}", gone.text);
}

/// To the client the space is one that never was, by every road.
pub async fn shut_out(client: &Client, space: &str) {
    let unknown = "000000000000000000000000000000aa";
    for query in [
        "{ Contact { name } }",
        "{ _commits { cid } }",
        "{ __schema { types { name } } }",
        "mutation { add_Contact(input: {name: \"x\"}) { name } }",
    ] {
        let there = ask(&client.in_space(space), query).await;
        let never = ask(&client.in_space(unknown), query).await;
        assert_eq!((there.status, &there.text), (404, &never.text), "{query}");
    }
    let list = client.in_space(space).get("/api/v1/collections").await.unwrap();
    assert_eq!(list.status, 404);
    let spaces = client.get("/api/v1/spaces").await.unwrap();
    assert!(!spaces.text.contains(space), "{}", spaces.text);
    for with in [json!({"user": "carol"}), json!({"user": "bob"})] {
        let there =
            client.post("/api/v1/shares", &json!({"space": space, "with": with, "role": "viewer"})).await.unwrap();
        let never =
            client.post("/api/v1/shares", &json!({"space": unknown, "with": with, "role": "viewer"})).await.unwrap();
        assert_eq!((there.status, &there.text), (404, &never.text));
    }
}

async fn names(client: &Client) -> Value {
    client.graphql("{ Contact(order: {name: ASC}) { name } }").await.unwrap()
}

#[tokio::test]
async fn a_shared_space_is_there_for_who_got_it_and_gone_when_the_share_ends() {
    let people = People::new().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    shut_out(&people.bob, &people.space).await;
    let given = people.share(json!({"with": {"user": "bob"}, "role": "viewer"})).await;
    let all = json!({"Contact": [{"name": "Ann"}, {"name": "Ben"}, {"name": "Cid"}]});
    assert_eq!(names(&bob).await, all);
    shut_out(&people.carol, &people.space).await;
    let spaces = people.bob.get("/api/v1/spaces").await.unwrap();
    let shown = &spaces.json[1];
    assert_eq!(
        (&shown["id"], &shown["role"], &shown["owner"], &shown["whole"]),
        (&json!(people.space), &json!("viewer"), &json!("alice"), &json!(true)),
        "{}",
        spaces.text
    );
    // A viewer changes nothing, defines nothing, and shares nothing on.
    for mutation in [
        "mutation { add_Contact(input: {name: \"Eve\"}) { _docID } }",
        "mutation { update_Contact(input: {phone: \"9\"}) { _docID } }",
        "mutation { delete_Contact(filter: {name: {_eq: \"Ann\"}}) { _docID } }",
        "mutation { upsert_Contact(filter: {name: {_eq: \"Ann\"}}, add: {name: \"Ann\"}, update: {phone: \"9\"}) { _docID } }",
    ] {
        let refused = ask(&bob, mutation).await;
        assert!(!refused.codes().is_empty() && refused.json["data"].is_null(), "{mutation}: {}", refused.text);
    }
    let define = bob.post("/api/v1/collections", &json!({"sdl": "type Planted { x: String }"})).await.unwrap();
    assert_eq!((define.status, code(&define)), (403, "forbidden"));
    let on = bob.post("/api/v1/shares", &json!({"with": {"user": "carol"}, "role": "viewer"})).await.unwrap();
    assert_eq!((on.status, code(&on)), (403, "forbidden"));
    assert_eq!(names(alice).await, all, "nothing of this wrote");

    // As an editor he writes; Alice's device signs, and the commit says who it was.
    let edits = people.share(json!({"with": {"user": "bob"}, "role": "editor"})).await;
    let made =
        bob.graphql("mutation { add_Contact(input: {name: \"Dot\", phone: \"4\"}) { name phone } }").await.unwrap();
    assert_eq!(made["add_Contact"], json!([{"name": "Dot", "phone": "4"}]));
    bob.graphql("mutation { update_Contact(filter: {name: {_eq: \"Ben\"}}, input: {phone: \"8\"}) { name } }")
        .await
        .unwrap();
    let ben = alice.graphql("{ Contact(filter: {name: {_eq: \"Ben\"}}) { phone } COUNT(Contact: {}) }").await.unwrap();
    assert_eq!(ben, json!({"Contact": [{"phone": "8"}], "COUNT": 4}));
    let define = bob.post("/api/v1/collections", &json!({"sdl": "type Planted { x: String }"})).await.unwrap();
    assert_eq!((define.status, code(&define)), (403, "forbidden"));
    assert_eq!(people.bob.get("/api/v1/spaces").await.unwrap().json[1]["role"], "editor");
    end(alice, &edits).await;
    let refused = ask(&bob, "mutation { add_Contact(input: {name: \"Eve\"}) { _docID } }").await;
    assert!(!refused.codes().is_empty(), "{}", refused.text);
    assert_eq!(names(&bob).await["Contact"].as_array().unwrap().len(), 4, "control: he views still");
    end(alice, &given).await;
    shut_out(&people.bob, &people.space).await;
    assert_eq!(carol.get("/api/v1/collections").await.unwrap().status, 404);
    unhurt(&people.home).await;
}

#[tokio::test]
async fn a_shared_collection_shows_that_collection_alone() {
    let people = People::new().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    people.share(json!({"collection": "Contact", "with": {"user": "bob"}, "role": "editor"})).await;
    assert_eq!(names(&bob).await, names(alice).await);
    shut_out(&people.carol, &people.space).await;
    let list = bob.get("/api/v1/collections").await.unwrap();
    assert_eq!(list.json.as_array().unwrap().len(), 1, "{}", list.text);
    let spaces = people.bob.get("/api/v1/spaces").await.unwrap();
    assert_eq!((&spaces.json[1]["role"], &spaces.json[1]["whole"]), (&json!("editor"), &json!(false)));
    for (hidden, never) in [("Diary", "Dairy"), ("Company", "Compony")] {
        for road in [
            "{ ¤ { _docID } }",
            "{ COUNT(¤: {}) }",
            "{ __type(name: \"¤\") { name fields { name } } }",
            "mutation { add_¤(input: {}) { _docID } }",
            "mutation { delete_¤ { _docID } }",
        ] {
            alike(&bob, road, hidden, never).await;
        }
    }
    for (hidden, never) in [("company", "compony"), ("_companyID", "_componyID")] {
        for road in [
            "{ Contact { ¤ } }",
            "{ Contact(filter: {¤: {_eq: null}}) { name } }",
            "{ Contact(groupBy: [¤]) { name } }",
        ] {
            alike(&bob, road, hidden, never).await;
        }
    }
    let schema = ask(&bob, "{ __schema { types { name fields { name } inputFields { name } } } }").await;
    assert!(
        schema.text.contains("\"phone\"") && !schema.text.contains("Diary") && !schema.text.contains("ompany"),
        "{}",
        schema.text
    );
    alice.graphql("{ Diary { entry } Company { title staff { name } } }").await.expect("control");
    bob.graphql("mutation { add_Contact(input: {name: \"Dot\"}) { _docID } }").await.expect("control");
    let whole = people
        .bob
        .post("/api/v1/shares", &json!({"space": people.space, "with": {"user": "carol"}, "role": "viewer"}))
        .await
        .unwrap();
    assert_eq!(whole.status, 403, "he knows the space, and manages nothing of it");
    for name in ["Diary", "Dairy"] {
        let what = json!({"space": people.space, "collection": name, "with": {"user": "carol"}, "role": "viewer"});
        assert_eq!(people.bob.post("/api/v1/shares", &what).await.unwrap().status, 404, "{name}");
    }
    shut_out(&people.carol, &people.space).await;
    drop(carol);
    // After a start the node enforces the same, whoever asks first.
    let People { home, bob, carol, space } = people;
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let again = |client: &Client| Client::new(&node.url, client.token.as_deref()).unwrap();
    let spaces = again(&bob).get("/api/v1/spaces").await.unwrap();
    assert_eq!(spaces.json[1]["id"], json!(space), "{}", spaces.text);
    assert_eq!(
        again(&bob).in_space(&space).get("/api/v1/collections").await.unwrap().json.as_array().unwrap().len(),
        1
    );
    assert_eq!(names(&again(&bob).in_space(&space)).await["Contact"].as_array().unwrap().len(), 4);
    shut_out(&again(&carol), &space).await;
    drop(root);
}

#[tokio::test]
async fn what_a_group_got_its_members_have_for_as_long_as_they_are_in_it() {
    let people = People::new().await;
    people.acquainted().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    let (outer, inner) = (group(alice, "Firm").await, group(alice, "Sales").await);
    assert_eq!(put(alice, &outer, json!({"group": inner})).await.status, 201);
    let given = people.share(json!({"collection": "Contact", "with": {"group": outer}, "role": "viewer"})).await;
    shut_out(&people.bob, &people.space).await;
    assert_eq!(put(alice, &inner, json!({"user": "bob"})).await.status, 201);
    assert_eq!(names(&bob).await, names(alice).await);
    let received = people.bob.get("/api/v1/shares").await.unwrap();
    assert_eq!(received.json["received"][0]["share"], json!(given), "{}", received.text);
    assert_eq!(received.json["given"], json!([]));
    let refused = people.bob.delete(&format!("/api/v1/shares/{given}")).await.unwrap();
    assert_eq!((refused.status, code(&refused)), (403, "forbidden"), "it is not his alone");
    assert_eq!(people.carol.delete(&format!("/api/v1/shares/{given}")).await.unwrap().status, 404);
    assert_eq!(alice.delete(&format!("/api/v1/groups/{inner}/members/users/bob")).await.unwrap().status, 204);
    shut_out(&people.bob, &people.space).await;
    assert_eq!(put(alice, &inner, json!({"user": "carol"})).await.status, 201);
    assert_eq!(names(&carol).await, names(alice).await, "a subject may be of any tenant");
    assert_eq!(alice.delete(&format!("/api/v1/groups/{outer}/members/groups/{inner}")).await.unwrap().status, 204);
    shut_out(&people.carol, &people.space).await;
    assert_eq!(put(alice, &outer, json!({"user": "carol"})).await.status, 201);
    assert_eq!(names(&carol).await, names(alice).await);
    assert_eq!(alice.delete(&format!("/api/v1/groups/{outer}")).await.unwrap().status, 204);
    shut_out(&people.carol, &people.space).await;
    assert_eq!(alice.get("/api/v1/shares").await.unwrap().json["given"], json!([]), "the share went with its group");
    unhurt(&people.home).await;
}

/// Asks until the answer is 404; true if it was before `deadline`.
async fn refused_by(client: &Client, deadline: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < deadline {
        if ask(client, "{ Contact { name } }").await.status == 404 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn a_share_that_lapses_is_refused_from_that_instant() {
    let people = People::new().await;
    people.acquainted().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    let firm = group(alice, "Firm").await;
    assert_eq!(put(alice, &firm, json!({"user": "carol"})).await.status, 201);
    let mut shares = Vec::new();
    for (client, what) in [
        (&bob, json!({"with": {"user": "bob"}, "role": "editor", "until": "PT6S"})),
        (&carol, json!({"collection": "Contact", "with": {"group": firm}, "role": "viewer", "until": "PT6S"})),
    ] {
        shares.push(people.share(what).await);
        assert_eq!(names(client).await, names(alice).await);
        assert!(refused_by(client, Duration::from_secs(30)).await);
    }
    shut_out(&people.bob, &people.space).await;
    shut_out(&people.carol, &people.space).await;
    for share in shares {
        assert_eq!(alice.get(&format!("/api/v1/shares/{share}")).await.unwrap().status, 404);
    }
    assert_eq!(alice.get("/api/v1/shares").await.unwrap().json, json!({"given": [], "received": []}));
    let renewed = alice
        .post("/api/v1/shares", &json!({"with": {"user": "bob"}, "role": "editor", "until": "P1D"}))
        .await
        .unwrap();
    assert!(matches!(renewed.status, 200 | 201), "{}", renewed.text);
    assert_eq!(names(&bob).await, names(alice).await, "renewed");
    let shorter = alice
        .post("/api/v1/shares", &json!({"with": {"user": "bob"}, "role": "editor", "until": "PT1S"}))
        .await
        .unwrap();
    assert_eq!(shorter.status, 200, "{}", shorter.text);
    assert!(refused_by(&bob, Duration::from_secs(20)).await);
    unhurt(&people.home).await;
}

#[tokio::test]
async fn what_cannot_be_shared_is_refused_and_shares_are_listed_shown_and_left() {
    let people = People::new().await;
    let alice = &people.home.alice;
    let refused: Answer =
        alice.post("/api/v1/shares", &json!({"with": {"user": "alice"}, "role": "viewer"})).await.unwrap();
    assert_eq!((refused.status, code(&refused)), (409, "own"));
    for (what, status) in [
        (json!({"with": {"user": "bob"}, "role": "owner"}), 400),
        (json!({"with": {"user": "bob"}, "role": "blocked"}), 400),
        (json!({"with": {"user": "bob"}}), 400),
        (json!({"role": "viewer"}), 400),
        (json!({"with": {}, "role": "viewer"}), 400),
        (json!({"with": {"user": "bob", "group": "x"}, "role": "viewer"}), 400),
        (json!({"with": {"user": "bob"}, "role": "viewer", "until": "2001-01-01T00:00:00Z"}), 400),
        (json!({"with": {"user": "bob"}, "role": "viewer", "until": "soon"}), 400),
        (json!({"with": {"user": "bob"}, "role": "viewer", "fields": ["name"]}), 400),
        (json!({"with": {"user": "no body"}, "role": "viewer"}), 400),
        (json!({"with": {"group": "000000000000000000000000000000aa"}, "role": "viewer"}), 404),
        (json!({"space": "here", "with": {"user": "bob"}, "role": "viewer"}), 404),
        (json!({"collection": "Nothing", "with": {"user": "bob"}, "role": "viewer"}), 404),
    ] {
        let refused = alice.post("/api/v1/shares", &what).await.unwrap();
        assert_eq!(refused.status, status, "{what}: {}", refused.text);
    }
    shut_out(&people.bob, &people.space).await;
    let given = people.share(json!({"collection": "Diary", "with": {"user": "bob"}, "role": "viewer"})).await;
    let again = alice
        .post("/api/v1/shares", &json!({"collection": "Diary", "with": {"user": "bob"}, "role": "viewer"}))
        .await
        .unwrap();
    assert_eq!((again.status, &again.json["share"]), (200, &json!(given)), "one and the same");
    let listed = alice.get("/api/v1/shares").await.unwrap();
    let shown = &listed.json["given"][0];
    assert_eq!(
        (&shown["collection"], &shown["with"], &shown["role"], &shown["by"]),
        (&json!("Diary"), &json!({"user": "bob"}), &json!("viewer"), &json!("alice")),
        "{}",
        listed.text
    );
    assert_eq!(people.bob.get("/api/v1/shares").await.unwrap().json["received"][0]["share"], json!(given));
    for path in [
        format!("/api/v1/shares/{given}"),
        "/api/v1/shares/000000000000000000000000000000aa".into(),
        "/api/v1/shares/x".into(),
    ] {
        assert_eq!(people.carol.get(&path).await.unwrap().status, 404);
        assert_eq!(people.carol.delete(&path).await.unwrap().status, 404);
    }
    let line = people.home.node.cli_ok(&["share", "list"]).unwrap();
    assert_eq!(line["given"][0]["share"], json!(given));
    // Who got a share in person may leave it.
    end(&people.bob, &given).await;
    shut_out(&people.bob, &people.space).await;
    let made =
        people.home.node.cli_ok(&["share", "add", "--user", "bob", "--collection", "Diary", "--until", "P1D"]).unwrap();
    let diary = people.bob.in_space(&people.space).graphql("{ Diary { entry } }").await.unwrap();
    assert_eq!(diary["Diary"][0]["entry"], "dear");
    people.home.node.cli_ok(&["share", "remove", made["share"].as_str().unwrap()]).unwrap();
    shut_out(&people.bob, &people.space).await;
    people.home.node.cli(&["share", "remove", made["share"].as_str().unwrap()]).unwrap().refused(4).unwrap();
    for client in [alice, &people.bob] {
        let audit = client.get("/api/v1/audit").await.unwrap();
        assert!(audit.text.contains("share.given") && audit.text.contains("share.ended"), "{}", audit.text);
    }
    let other = people.carol.get("/api/v1/audit").await.unwrap();
    assert!(!other.text.contains("share."), "{}", other.text);
    // An app has no part in this.
    let access =
        json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"], "fields": {"allow": ["name"]}});
    let (app, _) = people.home.app(&access, &access);
    for path in ["/api/v1/shares", "/api/v1/groups"] {
        assert_eq!(app.get(path).await.unwrap().status, 403, "{path}");
    }
    let share = app.post("/api/v1/shares", &json!({"with": {"user": "bob"}, "role": "viewer"})).await.unwrap();
    assert_eq!((share.status, code(&share)), (403, "not_for_apps"));
    unhurt(&people.home).await;
}
