//! One caller asks for more than their share: they are told so, and whoever else is there is answered.

use std::time::Duration;

use harness::{Client, Node};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::home::Home;
use crate::hostile::{code, shown, unhurt};

async fn link(alice: &Client, collection: &str) -> Client {
    let made = alice.post("/api/v1/links", &json!({ "collection": collection, "fields": ["a"] })).await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text);
    alice.with_token(made.json["token"].as_str().expect("a token"))
}

/// A node whose owner has `n` documents of `size` bytes each, and a link to them.
async fn filled(n: usize, size: usize) -> (Home, Client) {
    let home = Home::new().await;
    home.alice.define("type Item { a: String }").await.unwrap();
    let add = "mutation($i: [ItemMutationInputArg!]!) { add_Item(input: $i) { _docID } }";
    for from in (0..n).step_by(500) {
        let items: Vec<Value> =
            (from..n.min(from + 500)).map(|n| json!({ "a": format!("{n:06}{}", "x".repeat(size)) })).collect();
        home.alice.graphql_with(add, json!({ "i": items })).await.unwrap();
    }
    let link = link(&home.alice, "Item").await;
    (home, link)
}

fn likes(n: usize) -> Value {
    let each = |n: usize| json!({ "a": { "_like": format!("%{n}y%") } });
    json!({ "_or": (0..n).map(each).collect::<Vec<_>>() })
}

const COUNT: &str = "query($f: ItemFilterArg) { COUNT(Item: {filter: $f}) }";

#[tokio::test]
async fn many_conditions_are_refused_however_they_are_written() {
    let (home, link) = filled(3, 10).await;
    let wide = |n: usize| likes(n);
    for filter in [
        wide(1_025),
        json!({ "_and": vec![json!({}); 1_025] }),
        json!({ "_not": { "_or": [{ "_or": likes(600)["_or"] }, { "_and": likes(600)["_or"] }] } }),
    ] {
        for client in [&home.alice, &link] {
            let answer = client.try_graphql(COUNT, json!({ "f": filter })).await.unwrap();
            assert_eq!(answer.codes(), ["limit_conditions"], "{}", shown(&answer.text));
        }
    }
    let twice = "query($f: ItemFilterArg) { a: COUNT(Item: {filter: $f}) b: COUNT(Item: {filter: $f}) }";
    let answer = home.alice.try_graphql(twice, json!({ "f": wide(600) })).await.unwrap();
    assert_eq!(answer.codes(), ["limit_conditions"], "of the operation and not of one filter: {}", shown(&answer.text));
    let update = "mutation($f: ItemFilterArg) { update_Item(filter: $f, input: {a: \"z\"}) { _docID } }";
    let answer = home.alice.try_graphql(update, json!({ "f": wide(1_025) })).await.unwrap();
    assert_eq!(answer.codes(), ["limit_conditions"], "{}", shown(&answer.text));
    let some = home.alice.graphql_with(COUNT, json!({ "f": wide(1_024) })).await.expect("control: 1,024 are taken");
    assert_eq!(some["COUNT"], 0);
    let one_of: Vec<String> = (0..5_000).map(|n| format!("{n:06}{}", "x".repeat(10))).collect();
    let some = home.alice.graphql_with(COUNT, json!({ "f": { "a": { "_in": one_of } } })).await.unwrap();
    assert_eq!(some["COUNT"], 3, "control: many values of one field are one condition");
    let runs = json!({ "a": { "_like": format!("{}x{}", "%".repeat(60_000), "%".repeat(60_000)) } });
    let some = home.alice.graphql_with(COUNT, json!({ "f": runs })).await.unwrap();
    assert_eq!(some["COUNT"], 3, "control: runs of `%` are one");
    unhurt(&home).await;
}

#[tokio::test]
async fn a_neighbour_is_answered_while_a_link_reads_all_that_it_may() {
    let (home, link) = filled(4_000, 60).await;
    let bob = home.user("bob", None).await;
    bob.define("type Mine { a: String }").await.unwrap();
    bob.graphql("mutation { add_Mine(input: {a: \"b\"}) { _docID } }").await.unwrap();
    let reads: Vec<_> = (0..12)
        .map(|_| {
            let link = link.clone();
            tokio::spawn(async move { link.try_graphql(COUNT, json!({ "f": likes(800) })).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let running = reads.iter().filter(|read| !read.is_finished()).count();
    assert!(running >= 6, "control: the link's reads take long ({running} of them run)");
    for query in ["{ Mine { a } }", "{ COUNT(Mine: {filter: {a: {_like: \"%b%\"}}}) }"] {
        bob.graphql(query).await.expect("an answer");
    }
    home.alice.graphql("{ COUNT(Item: {filter: {a: {_like: \"%x%\"}}}) }").await.expect("who gave the link as well");
    let still = reads.iter().filter(|read| !read.is_finished()).count();
    assert!(still > 0, "control: and the link's reads had not all ended by then");
    reads.iter().for_each(tokio::task::JoinHandle::abort);
    unhurt(&home).await;
}

#[tokio::test]
async fn the_page_of_a_link_shows_fewer_documents_where_they_are_large() {
    let (home, _) = filled(12, 900_000).await;
    let made = home.alice.post("/api/v1/links", &json!({ "collection": "Item", "fields": ["a"] })).await.unwrap();
    let page =
        home.alice.nobody().get(made.json["url"].as_str().unwrap().split_at(home.node.url.len()).1).await.unwrap();
    assert_eq!(page.status, 200, "{}", shown(&page.text));
    assert!(page.text.contains("000000xxx") && page.text.contains("There is more."), "{}", shown(&page.text));
    unhurt(&home).await;
}

#[tokio::test]
async fn an_answer_is_bounded_in_bytes_whatever_it_is_made_of() {
    let (home, link) = filled(4, 900_000).await;
    let aliases: String = (0..200).map(|n| format!("a{n}: a ")).collect();
    for (client, what) in [(&link, "a link"), (&home.alice, "the owner")] {
        for query in [
            format!("{{ Item {{ {aliases} }} }}"),
            format!("{{ Item(groupBy: [a]) {{ GROUP {{ {aliases} }} }} }}"),
            (0..60).fold("{ ".to_owned(), |text, n| text + &format!("r{n}: Item {{ a }} ")) + "}",
        ] {
            let answer = client.try_graphql(&query, Value::Null).await.unwrap();
            assert_eq!(answer.codes(), ["limit_bytes"], "{what}: {}", shown(&answer.text));
        }
        let all = client.graphql("{ Item { a } }").await.expect("control: all documents once");
        assert_eq!(all["Item"].as_array().unwrap().len(), 4, "{what}");
    }
    let touched = format!("mutation {{ update_Item(input: {{a: \"{}\"}}) {{ {aliases} }} }}", "y".repeat(500_000));
    let answer = home.alice.try_graphql(&touched, Value::Null).await.unwrap();
    assert_eq!(answer.codes(), ["limit_bytes"], "{}", shown(&answer.text));
    let same = home.alice.graphql("{ COUNT(Item: {filter: {a: {_like: \"y%\"}}}) }").await.unwrap();
    assert_eq!(same["COUNT"], 0, "what cannot be answered is not done");
    unhurt(&home).await;
}

#[tokio::test]
async fn variables_of_many_values_are_refused_before_they_are_read() {
    let (home, _) = filled(1, 10).await;
    let body =
        |values: &str| format!("{{\"query\": {}, \"variables\": {{\"f\": {{\"_or\": [{values}]}}}}}}", json!(COUNT));
    for values in ["{},".repeat(1_000_000) + "{}", "1,".repeat(2_000_000) + "1", "[".repeat(300_000)] {
        let request = home.alice.request(Method::POST, "/api/v1/graphql").header("content-type", "application/json");
        let answer = home.alice.send(request.body(body(&values))).await.unwrap();
        assert_eq!(answer.codes(), ["limit_tokens"], "{}", shown(&answer.text));
    }
    let items: Vec<Value> = (0..3_000).map(|n| json!({ "a": n.to_string() })).collect();
    let add = "mutation($i: [ItemMutationInputArg!]!) { add_Item(input: $i) { _docID } }";
    let added = home.alice.graphql_with(add, json!({ "i": items })).await.expect("control: many documents at once");
    assert_eq!(added["add_Item"].as_array().unwrap().len(), 3_000);
    let nested = format!("{{\"name\": {}}}", json!(vec![json!({}); 200_000]));
    for route in ["/api/v1/spaces", "/api/v1/apps", "/api/v1/grants", "/api/v1/links", "/api/v1/shares"] {
        let request = home.alice.request(Method::POST, route).header("content-type", "application/json");
        let answer = home.alice.send(request.body(nested.clone())).await.unwrap();
        assert!((400..500).contains(&answer.status), "{route}: {} {}", answer.status, shown(&answer.text));
        code(&answer);
    }
    unhurt(&home).await;
}

/// Sends a head and some of its body, and reads what comes.
async fn begun(home: &Home, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(home.node.url.trim_start_matches("http://")).await.expect("a connection");
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    let _ = stream.write_all(body).await;
    let mut out = vec![0; 4_096];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut out)).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&out[..read]).into_owned()
}

#[tokio::test]
async fn nothing_but_a_head_is_read_of_who_is_not_known() {
    let (home, _) = filled(1, 10).await;
    let host = home.node.url.trim_start_matches("http://").to_owned();
    let post = |path: &str, more: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json{more}")
    };
    for path in ["/api/v1/graphql", "/api/v0/graphql", "/api/v1/collections", "/api/v1/spaces", "/api/v1/links"] {
        for who in ["", "\r\nAuthorization: Bearer nonsense", "\r\nCookie: allod=nonsense"] {
            let answer = begun(&home, &post(path, &format!("{who}\r\nContent-Length: 15000000")), b"{\"query\"").await;
            assert!(answer.starts_with("HTTP/1.1 401"), "{path}{who}: {answer}");
            assert!(answer.to_lowercase().contains("connection: close"), "{path}{who}: {answer}");
        }
    }
    for path in ["/api/v1/session", "/oauth/token", "/oauth/authorize", "/setup", "/nowhere"] {
        let answer = begun(&home, &post(path, "\r\nContent-Length: 15000000"), b"a=b").await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    }
    let mut chunks = Vec::new();
    for _ in 0..80 {
        chunks.extend_from_slice(format!("400\r\n{}\r\n", "x".repeat(1_024)).as_bytes());
    }
    let answer = begun(&home, &post("/api/v1/graphql", "\r\nTransfer-Encoding: chunked"), &chunks).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "of unknown length as well: {answer}");
    let token = home.alice.token.clone().unwrap();
    let whole =
        format!("{{\"query\": \"{{ COUNT(Item: {{}}) }}\", \"variables\": {{\"x\": \"{}\"}}}}", "x".repeat(9 << 20));
    let bearer = format!("\r\nAuthorization: Bearer {token}\r\nContent-Length: {}", whole.len());
    let answer = begun(&home, &post("/api/v1/graphql", &bearer), whole.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "control: who is known is read: {answer}");
    let mut chunked = Vec::new();
    for part in whole.as_bytes().chunks(100_000) {
        chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        chunked.extend_from_slice(part);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let bearer = format!("\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked");
    let answer = begun(&home, &post("/api/v1/graphql", &bearer), &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "control: by chunks too: {answer}");
    unhurt(&home).await;
}

#[tokio::test]
async fn who_is_known_and_sends_too_much_sees_why() {
    let (home, _) = filled(1, 10).await;
    // More than lies between the two ends of a connection: who is not read meanwhile is still sending.
    let body = "x".repeat(24 << 20);
    for _ in 0..3 {
        let request = home.alice.request(Method::POST, "/api/v1/graphql").header("content-type", "application/json");
        let answer = home.alice.send(request.body(body.clone())).await.expect("an answer");
        assert_eq!((answer.status, code(&answer)), (413, "limit_body"), "{}", shown(&answer.text));
    }
    unhurt(&home).await;
}

#[tokio::test]
async fn a_few_commits_of_many_are_the_first_of_them() {
    let (home, link) = filled(2_500, 10).await;
    let five = home.alice.graphql("{ _commits(limit: 5) { cid height fieldName docID } }").await.unwrap();
    let all = home.alice.graphql("{ _commits { cid height fieldName docID } }").await.unwrap();
    let (five, all) = (five["_commits"].as_array().unwrap(), all["_commits"].as_array().unwrap());
    assert_eq!((five.len(), all.len()), (5, 5_000));
    assert_eq!(*five, all[..5]);
    for (window, from, to) in
        [("limit: 7, offset: 4990", 4_990, 4_997), ("offset: 4998", 4_998, 5_000), ("limit: 0", 0, 0)]
    {
        let some = home.alice.graphql(&format!("{{ _commits({window}) {{ cid height fieldName docID }} }}")).await;
        assert_eq!(*some.unwrap()["_commits"].as_array().unwrap(), all[from..to], "{window}");
    }
    let mut by_cid: Vec<&str> = all.iter().map(|row| row["cid"].as_str().unwrap()).collect();
    by_cid.sort_unstable();
    let some = home.alice.graphql("{ _commits(order: {cid: ASC}, limit: 3, offset: 2) { cid } }").await.unwrap();
    let some: Vec<&str> = some["_commits"].as_array().unwrap().iter().map(|row| row["cid"].as_str().unwrap()).collect();
    assert_eq!(some, by_cid[2..5]);
    let few = link.try_graphql("{ _commits(limit: 2) { cid } }", Value::Null).await.unwrap();
    assert_eq!(few.codes(), ["unknown_field"], "control: a link has no history");
    unhurt(&home).await;
}

/// Whether a connection of this machine is answered; it stays open then.
async fn connected(node: &Node) -> Option<TcpStream> {
    let at = node.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(at).await.ok()?;
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nhost: {at}\r\n\r\n").as_bytes()).await.ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.ok()?;
    (head == *b"HTTP/1.1 200").then_some(stream)
}

#[tokio::test]
async fn who_opens_many_connections_leaves_room_for_others() {
    let home = Home::new().await;
    let allod = home.node.allod.clone();
    let dir = home.node.stop().unwrap();
    // Where the system grants few files.
    let serve = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    let mut few = std::process::Command::new("sh");
    few.args(["-c", "ulimit -n 1024; exec \"$0\" \"$@\""]).arg(serve.get_program()).args(serve.get_args());
    few.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let node = Node::serve_by(allod, &dir, few).unwrap();
    let mut open = Vec::new();
    for _ in 0..300 {
        open.extend(connected(&node).await);
    }
    assert!((64..=128).contains(&open.len()), "a quarter of half of the files: {}", open.len());
    assert!(connected(&node).await.is_none());
    let other = reqwest::Client::builder().no_proxy().local_address(std::net::IpAddr::from([127, 1, 0, 1]));
    let health = format!("{}/healthz", node.url);
    assert_eq!(other.build().unwrap().get(&health).send().await.unwrap().status(), 200, "another address");
    drop(open);
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while connected(&node).await.is_none() {
        assert!(std::time::Instant::now() < until, "control: they have ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    node.stop().unwrap();
}
