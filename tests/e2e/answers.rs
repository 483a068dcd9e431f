//! What is answered is charged to whoever asked, whatever it is: nobody fills the node by answers that they do not read, and
//! what is refused does not send back what was sent.

use std::time::{Duration, Instant};

use harness::Client;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::home::Home;
use crate::hostile::{shown, unhurt};

/// A question whose answer is many megabytes over a few types: each argument's type with its fields, eight times.
fn introspection() -> String {
    let one = |n: usize| format!("a{n}: type {{ inputFields {{ name type {{ name kind ofType {{ name kind }} }} }} }}");
    let all = (0..8).map(one).collect::<String>();
    format!("{{ __schema {{ types {{ name kind fields {{ name args {{ name {all} }} }} }} }} }}")
}

async fn asked(home: &Home, client: &Client, query: &str) -> TcpStream {
    let at = home.node.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(at).await.unwrap();
    let (token, body) = (client.token.clone().unwrap(), json!({ "query": query }).to_string());
    let head = format!(
        "POST /api/v1/graphql HTTP/1.1\r\nHost: {at}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The beginning of an answer, of which no more is read.
async fn begun(stream: &mut TcpStream) -> String {
    let mut out = vec![0; 1_024];
    let mut read = 0;
    while read < out.len() {
        // A short answer is whole, and the connection stays.
        let wait = if read == 0 { Duration::from_secs(30) } else { Duration::from_millis(500) };
        match tokio::time::timeout(wait, stream.read(&mut out[read..])).await {
            Ok(Ok(some)) if some > 0 => read += some,
            Err(_) if read == 0 => panic!("no answer"),
            _ => break,
        }
    }
    String::from_utf8_lossy(&out[..read]).into_owned()
}

#[tokio::test]
async fn introspection_that_nobody_reads_is_charged_to_whoever_asked() {
    let home = Home::new().await;
    let fields: String = (0..150).map(|n| format!("f{n}: Int s{n}: String ")).collect();
    let sdl: String = (0..4).map(|n| format!("type T{n} {{ {fields} }} ")).collect();
    home.alice.define(&sdl).await.unwrap();
    let bob = home.user("bob", None).await;
    let (mut kept, mut refused) = (Vec::new(), None);
    let whole = home.alice.try_graphql(&introspection(), Value::Null).await.unwrap();
    assert!(whole.codes().is_empty(), "control: it is read whole: {}", shown(&whole.text));
    assert!(whole.text.len() > 2_000_000, "control: it is large: {}", whole.text.len());
    for n in 0..40 {
        // By another text each: none of them is kept.
        let mut stream = asked(&home, &home.alice, &format!("{} # {n}", introspection())).await;
        let head = begun(&mut stream).await;
        if head.contains("\"errors\"") {
            refused = Some(head);
            break;
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        kept.push(stream);
    }
    let refused = refused.expect("a refusal: answers without end are held");
    assert!(refused.contains("unavailable"), "{refused}");
    assert!(kept.len() * whole.text.len() < 48 << 20, "{} of {}", kept.len(), whole.text.len());
    let theirs = bob.graphql("{ __schema { types { name fields { name } } } }").await.unwrap();
    assert!(theirs["__schema"]["types"].is_array(), "others are answered");
    let small = home.alice.graphql("{ __type (name: \"T0\") { name } }").await.unwrap();
    assert_eq!(small["__type"]["name"], "T0", "and so is what is small");
    drop(kept);
    let mut again = Value::Null;
    for _ in 0..50 {
        let answer = home.alice.try_graphql(&introspection(), Value::Null).await.unwrap();
        again = answer.json["data"]["__schema"].clone();
        if !again.is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(again.is_object(), "control: when they have gone there is room");
    unhurt(&home).await;
}

#[tokio::test]
async fn an_answer_of_many_megabytes_is_read_whole() {
    let home = Home::new().await;
    home.alice.define("type Item { a: String }").await.unwrap();
    let add = "mutation($i: [ItemMutationInputArg!]!) { add_Item(input: $i) { _docID } }";
    for _ in 0..2 {
        let items: Vec<Value> = (0..10).map(|_| json!({ "a": "x".repeat(1_000_000) })).collect();
        home.alice.graphql_with(add, json!({ "i": items })).await.unwrap();
    }
    for _ in 0..2 {
        let all = home.alice.graphql("{ Item { a } }").await.unwrap();
        let all = all["Item"].as_array().unwrap();
        assert_eq!(all.iter().map(|one| one["a"].as_str().unwrap().len()).sum::<usize>(), 20_000_000);
    }
}

#[tokio::test]
async fn what_is_refused_does_not_send_back_what_was_sent() {
    let home = Home::new().await;
    home.alice.define("type Item { a: String }").await.unwrap();
    let name = "A".repeat(3_000_000);
    for query in [
        format!("{{ {name}: Item(limit: -1) {{ _docID }} }}"),
        format!("{{ Item {{ {name} }} }}"),
        format!("{{ {name}: Item {{ a: _docID a: a }} }}"),
        format!("{{ Item(filter: {{ {name}: {{ _eq: 1 }} }}) {{ a }} }}"),
        format!("mutation {{ {name}: update_Item(docID: \"no id\", input: {{ a: \"x\" }}) {{ _docID }} }}"),
    ] {
        let answer = home.alice.try_graphql(&query, Value::Null).await.unwrap();
        assert!(!answer.codes().is_empty(), "{}", shown(&answer.text));
        assert!(answer.text.len() < 8_000, "{} bytes: {}", answer.text.len(), shown(&answer.text));
    }
    let short = home.alice.try_graphql("{ short: Item(limit: -1) { _docID } }", Value::Null).await.unwrap();
    assert_eq!(short.json["errors"][0]["path"], json!(["short"]), "control");
    let key = "k".repeat(900_000);
    for path in ["/api/v1/groups", "/api/v1/spaces", "/api/v1/shares", "/api/v1/links"] {
        let answer = home.alice.post(path, &json!({ &key: 1 })).await.unwrap();
        assert!((400..500).contains(&answer.status), "{path} {}", answer.status);
        assert!(answer.text.len() < 16_000, "{path}: {} bytes", answer.text.len());
    }
    let short = home.alice.post("/api/v1/groups", &json!({ "nme": 1 })).await.unwrap();
    assert!(short.text.contains("unknown field `nme`"), "control: {}", short.text);
    let nobody = Client::new(&home.node.url, None).unwrap();
    let answer = nobody.post("/api/v1/session", &json!({ "k".repeat(60_000): 1 })).await.unwrap();
    assert!(answer.status == 400 && answer.text.len() < 16_000, "{} {}", answer.status, answer.text.len());
    unhurt(&home).await;
}

/// A stranger's network, of this machine.
fn from(last: u8) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(std::net::SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    socket
}

#[tokio::test]
async fn strangers_who_send_nothing_keep_no_form_of_others_out() {
    let home = Home::new().await;
    let at: std::net::SocketAddr = home.node.url.trim_start_matches("http://").parse().unwrap();
    let post = |path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut slow = Vec::new();
    for n in 0..200 {
        let mut stream = from(2 + n % 2).connect(at).await.unwrap();
        stream.write_all(post("/oauth/token", 65_536).as_bytes()).await.unwrap();
        slow.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Another network, with a form that is charged.
    let (body, began) = (format!("grant_type=nothing&x={}", "x".repeat(9_000)), Instant::now());
    let mut stream = from(1).connect(at).await.unwrap();
    stream.write_all(post("/oauth/token", body.len()).as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let answer = begun(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 40"), "control: a form is read: {answer}");
    assert!(began.elapsed() < Duration::from_secs(4), "others waited for {:?}", began.elapsed());
    // Whoever sends nothing is let go.
    let answer = begun(&mut slow[0]).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("did not come on"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let known = home.alice.request(Method::POST, "/api/v1/groups").json(&json!({ "name": "n".repeat(5_000) }));
    assert!(home.alice.send(known).await.unwrap().status < 500, "control: whoever is known is answered");
    unhurt(&home).await;
}
