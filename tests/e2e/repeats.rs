//! What a client may say of a request: that it is the same as before (`Idempotency-Key`), that it counts only for what
//! was seen (`ETag`), and which part of a list it wants.

use reqwest::Method;
use serde_json::{Value, json};

use crate::home::{Home, OWNER};
use harness::Client;

struct Told {
    status: u16,
    body: Value,
    text: String,
    tag: String,
    link: Option<String>,
    replayed: bool,
}

async fn told(request: reqwest::RequestBuilder) -> Told {
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (tag, link, replayed) = (header("etag").unwrap_or_default(), header("link"), header("idempotency-replayed"));
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Told { status, body, text, tag, link, replayed: replayed.is_some() }
}

async fn with_key(client: &Client, path: &str, key: &str, body: &Value) -> Told {
    told(client.request(Method::POST, path).header("idempotency-key", key).json(body)).await
}

async fn spaces(client: &Client) -> usize {
    client.get("/api/v1/spaces").await.unwrap().json.as_array().unwrap().len()
}

#[tokio::test]
async fn what_one_session_was_told_is_for_no_other_session_of_the_person() {
    let home = Home::new().await;
    let first = home.node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let second = home.node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let name = json!({ "name": "Whose" });
    let made = with_key(&first, "/api/v1/spaces", "k-1", &name).await;
    assert_eq!((made.status, made.replayed), (201, false), "{}", made.text);
    let again = with_key(&first, "/api/v1/spaces", "k-1", &name).await;
    assert_eq!((again.status, again.replayed, &again.text), (201, true, &made.text), "control");
    let other = with_key(&second, "/api/v1/spaces", "k-1", &name).await;
    assert_eq!((other.status, other.replayed), (201, false), "{}", other.text);
    assert_ne!(other.body["id"], made.body["id"]);
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once() {
    let home = Home::new().await;
    let (alice, bob) = (&home.alice, home.user("bob", None).await);
    let before = spaces(alice).await;
    let name = json!({ "name": "Once" });
    let first = with_key(alice, "/api/v1/spaces", "k-1", &name).await;
    assert_eq!((first.status, first.replayed), (201, false), "{}", first.text);
    for _ in 0..3 {
        let again = with_key(alice, "/api/v1/spaces", "k-1", &name).await;
        assert_eq!((again.status, again.replayed, &again.text), (201, true, &first.text));
    }
    assert_eq!(spaces(alice).await, before + 1);
    let other = with_key(alice, "/api/v1/spaces", "k-1", &json!({ "name": "Other" })).await;
    assert_eq!((other.status, &other.body["code"]), (422, &json!("idempotency_key_reused")), "{}", other.text);
    let elsewhere = with_key(alice, "/api/v1/groups", "k-1", &name).await;
    assert_eq!(elsewhere.status, 422, "the key is of another route: {}", elsewhere.text);
    let theirs = with_key(&bob, "/api/v1/spaces", "k-1", &name).await;
    assert_eq!((theirs.status, theirs.replayed), (201, false), "another's key is another key");
    assert_ne!(theirs.body["id"], first.body["id"]);
    let new = with_key(alice, "/api/v1/spaces", "k-2", &name).await;
    assert_eq!((new.status, new.replayed), (201, false), "control: another key makes another");
    // What was refused can be mended and sent again; what no key is is refused.
    let refused = with_key(alice, "/api/v1/spaces", "k-3", &json!({ "name": "" })).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert_eq!(with_key(alice, "/api/v1/spaces", "k-3", &name).await.status, 201);
    for wrong in ["", &"k".repeat(256)] {
        assert_eq!(with_key(alice, "/api/v1/spaces", wrong, &name).await.status, 400, "{wrong}");
    }
    assert_eq!(with_key(&alice.nobody(), "/api/v1/spaces", "k-1", &name).await.status, 401);
    // The operator's answers are the operator's, though it acts as the owner.
    let operator = home.node.operator().unwrap();
    let token = json!({ "ttl_s": 60 });
    let made = with_key(&operator, "/api/v1/users/bob/token", "k-4", &token).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let tried = with_key(alice, "/api/v1/users/bob/token", "k-4", &token).await;
    assert_eq!((tried.status, &tried.body["code"]), (403, &json!("operator_only")), "{}", tried.text);
}

#[tokio::test]
async fn requests_with_one_key_at_once_make_one_thing() {
    let home = Home::new().await;
    let before = spaces(&home.alice).await;
    let name = json!({ "name": "At once" });
    let all = futures::future::join_all((0..6).map(|_| with_key(&home.alice, "/api/v1/spaces", "same", &name))).await;
    assert!(all.iter().any(|one| one.status == 201 && !one.replayed));
    for one in &all {
        let busy = one.status == 409 && one.body["code"] == "idempotency_in_progress";
        assert!(one.status == 201 || busy, "{} {}", one.status, one.text);
    }
    assert_eq!(spaces(&home.alice).await, before + 1);
    home.alice.define("type Note { text: String }").await.unwrap();
    let add = json!({ "query": "mutation { add_Note(input: {text: \"a\"}) { _docID } }" });
    let first = with_key(&home.alice, "/api/v1/graphql", "doc", &add).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert!(first.body["data"]["add_Note"].is_array(), "{}", first.text);
    let again = with_key(&home.alice, "/api/v1/graphql", "doc", &add).await;
    assert_eq!((again.replayed, &again.text), (true, &first.text));
    let notes = home.alice.graphql("{ Note { text } }").await.unwrap();
    assert_eq!(notes["Note"].as_array().unwrap().len(), 1, "{notes}");
}

#[tokio::test]
async fn what_was_changed_meanwhile_is_not_replaced() {
    let home = Home::new().await;
    let operator = home.node.operator().unwrap();
    let read = || operator.request(Method::GET, "/api/v1/quotas");
    let put = |tag: &str, most: u64| {
        let request = operator.request(Method::PUT, "/api/v1/quotas/spaces").json(&json!({ "most": most }));
        told(request.header("if-match", tag))
    };
    let first = told(read()).await;
    assert!(first.tag.starts_with('"'), "{}", first.tag);
    assert_eq!(told(read().header("if-none-match", &first.tag)).await.status, 304);
    let one = put(&first.tag, 7).await;
    assert_eq!(one.status, 200, "{}", one.text);
    let late = put(&first.tag, 8).await;
    assert_eq!((late.status, &late.body["code"]), (412, &json!("precondition_failed")), "{}", late.text);
    assert_eq!(told(read().header("if-none-match", &first.tag)).await.tag, one.tag, "the tag of what it is now");
    assert_eq!(put(&one.tag, 8).await.status, 200, "control: what was seen may be replaced");

    let schema = told(operator.request(Method::GET, "/api/v1/policy/schema")).await;
    let text = format!("{}\ndefinition extra {{}}\n", schema.body["schema"].as_str().unwrap());
    let write = |tag: &str| {
        let request = operator.request(Method::PUT, "/api/v1/policy/schema").header("content-type", "text/plain");
        told(request.header("if-match", tag).body(text.clone()))
    };
    assert_eq!(write("\"x\"").await.status, 412);
    let written = write(&schema.tag).await;
    assert_eq!(written.status, 200, "{}", written.text);
    assert_eq!(write(&schema.tag).await.status, 412, "it is another now");
}

#[tokio::test]
async fn a_condition_that_nothing_looks_at_changes_nothing() {
    let home = Home::new().await;
    let made = home.alice.post("/api/v1/groups", &json!({ "name": "Friends" })).await.unwrap();
    let group = format!("/api/v1/groups/{}", made.json["group"].as_str().unwrap());
    let groups = async || home.alice.get("/api/v1/groups").await.unwrap().json.as_array().unwrap().len();
    let tag = told(home.alice.request(Method::GET, "/api/v1/groups")).await.tag;
    for (header, value) in
        [("if-match", "\"x\""), ("if-match", tag.as_str()), ("if-match", "*"), ("if-none-match", "*")]
    {
        let delete = told(home.alice.request(Method::DELETE, &group).header(header, value)).await;
        assert_eq!((delete.status, &delete.body["code"]), (412, &json!("precondition_failed")), "{}", delete.text);
        let post = home.alice.request(Method::POST, "/api/v1/groups").json(&json!({ "name": "Others" }));
        assert_eq!(told(post.header(header, value)).await.status, 412, "{header}: {value}");
        let query = home.alice.request(Method::POST, "/api/v1/graphql").json(&json!({ "query": "{ __typename }" }));
        assert_eq!(told(query.header(header, value)).await.status, 412, "{header}: {value}");
    }
    assert_eq!(groups().await, 1);
    let unread = told(home.alice.request(Method::GET, "/api/v1/groups").header("if-match", "\"x\"")).await;
    assert_eq!(unread.status, 200, "control: reading changes nothing");
    let patch = told(home.alice.request(Method::PATCH, &group).header("if-match", "*")).await;
    assert_eq!(patch.status, 405, "control: there is no such method");
    let delete = told(home.alice.request(Method::DELETE, &group)).await;
    assert!(delete.status < 300, "control: {}", delete.text);
    assert_eq!(groups().await, 0);
}

#[tokio::test]
async fn a_list_is_read_in_parts_while_it_changes() {
    let home = Home::new().await;
    for n in 0..7 {
        let made = home.alice.post("/api/v1/groups", &json!({ "name": format!("group {n}") })).await.unwrap();
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let whole = home.alice.get("/api/v1/groups").await.unwrap().json;
    let mut path = "/api/v1/groups?limit=2".to_owned();
    let (mut seen, mut parts) = (Vec::new(), 0);
    loop {
        let part = told(home.alice.request(Method::GET, &path)).await;
        let list = part.body.as_array().expect("an array").clone();
        assert!(list.len() <= 2, "{}", part.text);
        seen.extend(list);
        parts += 1;
        if parts == 1 {
            // The last that was told goes, and the next part begins where it would have.
            let gone = seen.last().unwrap()["group"].as_str().unwrap().to_owned();
            assert_eq!(home.alice.delete(&format!("/api/v1/groups/{gone}")).await.unwrap().status, 204);
        }
        let Some(link) = part.link else { break };
        path = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
        assert!(path.starts_with("/api/v1/groups?limit=2&cursor="), "{path}");
    }
    assert_eq!(seen, *whole.as_array().unwrap(), "each once, in its order");
    for wrong in ["limit=0", "limit=1001", "limit=x", "cursor=x", "limit=1&cursor="] {
        assert_eq!(home.alice.get(&format!("/api/v1/groups?{wrong}")).await.unwrap().status, 400, "{wrong}");
    }
    let folders = home.alice.get("/api/v1/folders?limit=1").await.unwrap();
    assert_eq!(folders.status, 200, "beside other parameters: {}", folders.text);
}

#[tokio::test]
async fn shares_and_acts_are_told_in_parts() {
    let home = Home::new().await;
    home.user("bob", None).await;
    let names = ["A", "B", "C", "D", "E"];
    home.alice.define(&names.map(|name| format!("type {name} {{ n: Int }}")).join("\n")).await.unwrap();
    for name in names {
        let share = json!({ "collection": name, "with": { "user": "bob" }, "role": "viewer" });
        assert_eq!(home.alice.post("/api/v1/shares", &share).await.unwrap().status, 201);
    }
    for (path, limit) in [("/api/v1/shares", 2), ("/api/v1/audit", 2)] {
        // An act is told as a thing by itself, a share by the list that it is in.
        let told_of = |body: &Value| match body["given"].as_array() {
            Some(given) => [given.as_slice(), body["received"].as_array().unwrap()].concat(),
            None => body.as_array().unwrap().clone(),
        };
        let whole = told_of(&home.alice.get(path).await.unwrap().json);
        let (mut seen, mut next) = (Vec::new(), format!("{path}?limit={limit}"));
        loop {
            let part = told(home.alice.request(Method::GET, &next)).await;
            let list = told_of(&part.body);
            assert!((1..=limit).contains(&list.len()), "{}", part.text);
            seen.extend(list);
            let Some(link) = part.link else { break };
            next = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
        }
        assert!(seen.len() >= names.len(), "{seen:?}");
        assert_eq!(seen, whole, "{path}: each once, in its order");
        for wrong in ["limit=0", "limit=1001", "limit=x", "cursor=x"] {
            assert_eq!(home.alice.get(&format!("{path}?{wrong}")).await.unwrap().status, 400, "{path}?{wrong}");
        }
    }
    let listed = home.node.cli_ok(&["share", "list"]).unwrap();
    assert_eq!(listed["given"].as_array().unwrap().len(), names.len());
}
