//! How much one person may have: at the quota, one beyond it, and by many requests at once.

use harness::{Answer, Client, Node};
use serde_json::{Value, json};

use crate::home::Home;

fn set(node: &Node, kind: &str, most: u64, user: Option<&str>) {
    let most = most.to_string();
    let mut args = vec!["quota", "set", kind, &most];
    args.extend(user.into_iter().flat_map(|user| ["--user", user]));
    node.cli_ok(&args).unwrap();
}

fn code(answer: &Answer) -> &str {
    answer.json["error"]["code"].as_str().unwrap_or_default()
}

fn is_refused(answer: &Answer) {
    assert_eq!((answer.status, code(answer)), (403, "quota_exceeded"), "{}", answer.text);
    let message = answer.json["error"]["message"].as_str().unwrap();
    assert!(message.contains("quota") && message.contains("operator"), "what to do: {message}");
}

async fn space(client: &Client, n: usize) -> Answer {
    client.post("/api/v1/spaces", &json!({ "name": format!("space {n}") })).await.unwrap()
}

#[tokio::test]
async fn each_quota_lets_in_as_many_as_it_says_and_not_one_more() {
    let home = Home::new().await;
    let (bob, carol) = (home.user("bob", None).await, home.user("carol", None).await);
    for kind in ["spaces", "groups", "shares", "links", "codes"] {
        set(&home.node, kind, 2, Some("bob"));
    }
    set(&home.node, "replicas", 0, Some("bob"));
    set(&home.node, "collections", 3, Some("bob"));

    // The personal space counts.
    assert_eq!(space(&bob, 1).await.status, 201, "control");
    is_refused(&space(&bob, 2).await);
    assert_eq!(space(&carol, 2).await.status, 201, "carol has the quota of everybody");

    let group = |n: usize| json!({ "name": format!("group {n}") });
    let mut groups = Vec::new();
    for n in 0..2 {
        let made = bob.post("/api/v1/groups", &group(n)).await.unwrap();
        assert_eq!(made.status, 201, "{}", made.text);
        groups.push(made.json["group"].as_str().unwrap().to_owned());
    }
    is_refused(&bob.post("/api/v1/groups", &group(3)).await.unwrap());
    // Whom others make a manager has no fewer of their own.
    let hers = carol.post("/api/v1/groups", &group(4)).await.unwrap();
    let hers = hers.json["group"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/groups/{}", groups[0]);
    assert_eq!(bob.delete(&path).await.unwrap().status, 204);
    let manager = json!({ "user": "bob", "role": "manager" });
    assert_eq!(carol.post(&format!("/api/v1/groups/{hers}/members"), &manager).await.unwrap().status, 201);
    assert_eq!(bob.post("/api/v1/groups", &group(5)).await.unwrap().status, 201, "there is room again");
    is_refused(&bob.post("/api/v1/groups", &group(6)).await.unwrap());

    bob.define("type A { x: Int } type B { x: Int }").await.unwrap();
    let third = |name: &str| json!({ "sdl": format!("type {name} {{ x: Int }}") });
    let two = json!({ "sdl": "type C { x: Int } type D { x: Int }" });
    is_refused(&bob.post("/api/v1/collections", &two).await.unwrap());
    assert_eq!(bob.post("/api/v1/collections", &third("C")).await.unwrap().status, 201, "control");
    is_refused(&bob.post("/api/v1/collections", &third("D")).await.unwrap());

    let share =
        |collection: &str, role: &str| json!({ "collection": collection, "with": { "user": "carol" }, "role": role });
    for collection in ["A", "B"] {
        let given = bob.post("/api/v1/shares", &share(collection, "viewer")).await.unwrap();
        assert_eq!(given.status, 201, "{}", given.text);
    }
    is_refused(&bob.post("/api/v1/shares", &share("C", "viewer")).await.unwrap());
    let again = bob.post("/api/v1/shares", &share("A", "viewer")).await.unwrap();
    assert_eq!(again.status, 200, "the same share once more is no further one: {}", again.text);

    let link = json!({ "collection": "A", "fields": ["x"] });
    for _ in 0..2 {
        let made = bob.post("/api/v1/links", &link).await.unwrap();
        assert_eq!(made.status, 201, "{}", made.text);
    }
    is_refused(&bob.post("/api/v1/links", &link).await.unwrap());

    for _ in 0..2 {
        assert_eq!(bob.post("/api/v1/devices/invite", &json!({})).await.unwrap().status, 200);
    }
    is_refused(&bob.post("/api/v1/devices/invite", &json!({})).await.unwrap());
    assert_eq!(carol.post("/api/v1/devices/invite", &json!({})).await.unwrap().status, 200, "carol's are her own");

    let replica = json!({ "addr": "/ip4/127.0.0.1/tcp/9/p2p/12D3KooWGjMCwVEbhb1gtUWAkqNLCpdfVZQJFCuoEVVQWJ1R8Ctb" });
    is_refused(&bob.post("/api/v1/replicas", &replica).await.unwrap());
    let other = carol.post("/api/v1/replicas", &replica).await.unwrap();
    assert_ne!(code(&other), "quota_exceeded", "{}", other.text);
}

#[tokio::test]
async fn folders_and_what_lies_in_them_are_the_owners_and_counted() {
    let home = Home::new().await;
    let (bob, carol) = (home.user("bob", None).await, home.user("carol", None).await);
    set(&home.node, "folders", 3, Some("bob"));
    set(&home.node, "filings", 4, Some("bob"));
    let sdl = "type Note { n: Int }";
    let add = "mutation { add_Note(input: [{n: 1}, {n: 2}, {n: 3}]) { _docID } }";
    for client in [&bob, &carol] {
        client.define(sdl).await.unwrap();
        client.graphql(add).await.unwrap();
    }
    let notes = bob.graphql("{ Note { _docID } }").await.unwrap();
    let ids: Vec<&str> = notes["Note"].as_array().unwrap().iter().map(|one| one["_docID"].as_str().unwrap()).collect();
    let space = bob.get("/api/v1/me").await.unwrap().json["space"].as_str().unwrap().to_owned();
    let other = self::space(&bob, 1).await.json["id"].as_str().unwrap().to_owned();
    bob.in_space(&other).define(sdl).await.unwrap();
    let folder = async |client: &Client, space: &str, n: usize| {
        let new = json!({ "space": space, "collection": "Note", "name": format!("folder {n}") });
        client.post("/api/v1/folders", &new).await.unwrap()
    };
    let mut made = Vec::new();
    for n in 0..2 {
        let answer = folder(&bob, &space, n).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        made.push(answer.json["folder"].as_str().unwrap().to_owned());
    }
    // All spaces of a person count together, and whoever makes one in them takes room of the owner's.
    assert_eq!(folder(&bob, &other, 2).await.status, 201);
    is_refused(&folder(&bob, &other, 3).await);
    is_refused(&folder(&bob, &space, 3).await);
    let share = json!({ "space": space, "collection": "Note", "with": { "user": "carol" }, "role": "owner" });
    assert_eq!(bob.post("/api/v1/shares", &share).await.unwrap().status, 201);
    is_refused(&folder(&carol, &space, 3).await);
    let hers = carol.get("/api/v1/me").await.unwrap().json["space"].as_str().unwrap().to_owned();
    assert_eq!(folder(&carol, &hers, 3).await.status, 201, "control: carol's own are not bob's");

    let file = async |client: &Client, folder: &str, documents: &[&str]| {
        let body = json!({ "documents": documents });
        client.post(&format!("/api/v1/folders/{folder}/documents"), &body).await.unwrap()
    };
    assert_eq!(file(&bob, &made[0], &ids).await.status, 200);
    is_refused(&file(&bob, &made[1], &ids[..2]).await);
    is_refused(&file(&carol, &made[1], &ids[..2]).await);
    assert_eq!(file(&bob, &made[1], &ids[..1]).await.status, 200, "control: the fourth");
    assert_eq!(file(&bob, &made[0], &ids).await.status, 200, "what lies there takes no room again");
    is_refused(&file(&bob, &made[1], &ids[1..2]).await);
    let path = format!("/api/v1/folders/{}/documents/{}", made[0], ids[2]);
    assert_eq!(bob.delete(&path).await.unwrap().status, 204);
    assert_eq!(file(&bob, &made[1], &ids[1..2]).await.status, 200, "there is room again");
    // The list goes on where a part ended.
    let first = bob.get("/api/v1/folders?limit=1").await.unwrap();
    assert_eq!(first.json.as_array().unwrap().len(), 1, "{}", first.text);
    assert_eq!(first.json[0]["name"], "folder 0");
    let all = bob.get("/api/v1/folders").await.unwrap();
    assert_eq!(all.json.as_array().unwrap().len(), 2, "{}", all.text);
}

#[tokio::test]
async fn many_requests_at_once_do_not_pass_a_quota_together() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    set(&home.node, "spaces", 3, None);
    let answers = futures::future::join_all((0..12).map(|n| space(&bob, n))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 2, "beside the personal one");
    answers.iter().filter(|answer| answer.status != 201).for_each(is_refused);
    let sdl = |n: usize| json!({ "sdl": format!("type T{n} {{ x: Int }}") });
    set(&home.node, "collections", 2, None);
    let answers = futures::future::join_all((0..6).map(|n| {
        let (bob, sdl) = (&bob, sdl(n));
        async move { bob.post("/api/v1/collections", &sdl).await.unwrap() }
    }))
    .await;
    assert!(answers.iter().filter(|answer| answer.status == 201).count() <= 2);
    let listed = bob.get("/api/v1/collections").await.unwrap();
    assert!(listed.json.as_array().unwrap().len() <= 2, "{}", listed.text);
}

#[tokio::test]
async fn quotas_are_the_operators_and_outlive_a_restart() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let most = |list: &Value, kind: &str| {
        list.as_array().unwrap().iter().find(|one| one["quota"] == kind).map(|one| one["most"].clone()).unwrap()
    };
    let list = home.node.cli_ok(&["quota", "list"]).unwrap();
    let defaults = [
        ("spaces", 32),
        ("groups", 64),
        ("shares", 1_000),
        ("links", 256),
        ("codes", 4),
        ("app_passwords", 32),
        ("replicas", 8),
        ("collections", 200),
        ("folders", 256),
        ("filings", 10_000),
    ];
    for (kind, default) in defaults {
        assert_eq!(most(&list, kind), default, "{kind}");
    }
    for request in [reqwest::Method::GET, reqwest::Method::PUT] {
        let path = if request == reqwest::Method::PUT { "/api/v1/quotas/spaces" } else { "/api/v1/quotas" };
        let asked = bob.request(request, path).json(&json!({ "most": 1_000 }));
        assert_eq!(bob.send(asked).await.unwrap().status, 403, "not the operator");
    }
    set(&home.node, "spaces", 7, None);
    set(&home.node, "spaces", 9, Some("bob"));
    let Home { node, root: _root, .. } = home;
    let (allod, dir) = (node.allod.clone(), node.stop().unwrap());
    let node = Node::serve(&allod, &dir).unwrap();
    assert_eq!(most(&node.cli_ok(&["quota", "list"]).unwrap(), "spaces"), 7);
    assert_eq!(most(&node.cli_ok(&["quota", "list", "--user", "bob"]).unwrap(), "spaces"), 9);
    node.cli_ok(&["quota", "set", "spaces", "default", "--user", "bob"]).unwrap();
    assert_eq!(most(&node.cli_ok(&["quota", "list", "--user", "bob"]).unwrap(), "spaces"), 7);
    let unknown = node.cli(&["quota", "set", "spoons", "3"]).unwrap();
    assert_eq!(unknown.json["error"]["code"], "unknown_quota");
}

#[tokio::test]
async fn the_list_of_spaces_opens_none_of_those_that_others_share() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let mut shared = Vec::new();
    for n in 0..6 {
        let made = space(&home.alice, n).await;
        let id = made.json["id"].as_str().unwrap().to_owned();
        let share = json!({ "space": id, "with": { "user": "bob" }, "role": if n == 0 { "editor" } else { "viewer" } });
        assert_eq!(home.alice.post("/api/v1/shares", &share).await.unwrap().status, 201);
        shared.push(id);
    }
    let before = bob.get("/api/v1/spaces").await.unwrap();
    let Home { node, root: _root, .. } = home;
    let (allod, dir) = (node.allod.clone(), node.stop().unwrap());
    for view in std::fs::read_dir(dir.join("views")).unwrap() {
        std::fs::remove_file(view.unwrap().path()).unwrap();
    }
    let node = Node::serve(&allod, &dir).unwrap();
    let bob = node.sign_in("bob", "the long password of bob").await.unwrap();
    let list = bob.get("/api/v1/spaces").await.unwrap();
    assert_eq!(list.json, before.json, "the same as before the restart");
    assert_eq!(list.json.as_array().unwrap().len(), 7, "{}", list.text);
    let of = |id: &str| list.json.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone();
    assert_eq!(of(&shared[0])["role"], "editor");
    let last = of(&shared[5]);
    assert_eq!((&last["name"], &last["role"], &last["owner"]), (&json!("space 5"), &json!("viewer"), &json!("alice")));
    for id in &shared {
        assert!(!dir.join(format!("views/{id}.view")).exists(), "{id} was opened for a list");
    }
    let data = bob.in_space(&shared[0]).define("type X { y: Int }").await;
    assert!(data.is_err(), "an editor defines nothing");
    assert_eq!(bob.in_space(&shared[0]).get("/api/v1/collections").await.unwrap().status, 200);
    assert!(dir.join(format!("views/{}.view", shared[0])).exists(), "control: a view is opened where it is asked for");
}
