//! What an attacker or a broken client sends over HTTP: each gets a clear refusal that names the place,
//! nothing panics, nothing is written, and the node lives on.

use harness::{Answer, Client};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::home::Home;

/// The node answers its owner, and no thread of it has panicked.
pub async fn unhurt(home: &Home) {
    let spaces = home.alice.get("/api/v1/spaces").await.expect("the node answers");
    assert_eq!(spaces.status, 200, "{}", spaces.text);
    let said = home.node.said();
    assert!(!said.contains("panicked"), "{said}");
}

/// The code of an error in the shape of the JSON routes, which every refusal has.
pub fn code(answer: &Answer) -> &str {
    assert!(answer.json["error"]["message"].is_string(), "{} {}", answer.status, shown(&answer.text));
    answer.json["error"]["code"].as_str().unwrap_or_else(|| panic!("no code: {}", shown(&answer.text)))
}

pub fn shown(text: &str) -> String {
    text.chars().take(300).collect()
}

async fn body(client: &Client, path: &str, kind: &str, bytes: impl Into<reqwest::Body>) -> Answer {
    let request = client.request(Method::POST, path).header("content-type", kind).body(bytes);
    client.send(request).await.expect("an answer")
}

/// Bytes as they are on the wire, and all that comes back.
async fn raw(url: &str, bytes: &[u8]) -> String {
    let address = url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let _ = stream.write_all(bytes).await;
    let mut out = Vec::new();
    let _ = tokio::time::timeout(std::time::Duration::from_secs(8), stream.read_to_end(&mut out)).await;
    String::from_utf8_lossy(&out).into_owned()
}

#[tokio::test]
async fn hostile_definitions_are_refused_by_name_and_define_nothing() {
    let home = Home::new().await;
    let fields = |n: usize| (0..n).map(|n| format!("f{n}: Int ")).collect::<String>();
    let deep_list = format!("type A {{ x: {}Int{} }}", "[".repeat(5_000), "]".repeat(5_000));
    let deep_value = format!("type A {{ x: Int @default(value: {}1{}) }}", "[".repeat(5_000), "]".repeat(5_000));
    let deep_braces = "type A ".to_owned() + &"{".repeat(100_000);
    let mut wrong = Vec::new();
    for (what, sdl, says) in [
        ("empty", String::new(), ""),
        ("no type", "# nothing\n".into(), "line 1"),
        ("garbage", "}{ \u{0} ]]".into(), "line 1"),
        ("half", "type A { name: String".into(), "line"),
        ("second line", "type A { name: String }\ntype B { name String }".into(), "line 2"),
        ("unknown type", "type A { x: Foo }".into(), "Foo"),
        ("no fields", "type A { }".into(), "line 1"),
        ("double type", "type A { x: Int } type A { y: Int }".into(), "A"),
        ("double field", "type A { x: Int x: String }".into(), "x"),
        ("reserved type", "type Query { x: Int }".into(), "Query"),
        ("introspection", "type __Schema { x: Int }".into(), "__Schema"),
        ("a scalar's name", "type String { x: Int }".into(), "String"),
        ("reserved field", "type A { _docID: Int }".into(), "_docID"),
        ("reserved group", "type A { GROUP: Int }".into(), "GROUP"),
        ("underscore", "type _A { x: Int }".into(), "_A"),
        ("unknown directive", "type A { x: Int @frob }".into(), "frob"),
        ("wrong directive", "type A { x: String @crdt(type: pcounter) }".into(), "x"),
        ("wrong default", "type A { x: Int @default(value: \"one\") }".into(), "x"),
        ("huge default", "type A { x: Int @default(value: 999999999999999999999999999) }".into(), "x"),
        ("enum", "enum E { A B }".into(), "line 1"),
        ("interface", "interface I { x: Int }".into(), "line 1"),
        ("operation", "query { A { x } }".into(), "line 1"),
        ("10k fields", format!("type A {{ {} }}", fields(10_000)), ""),
        ("deep list", deep_list, ""),
        ("deep value", deep_value, ""),
        ("deep braces", deep_braces, ""),
        ("10k types", (0..10_000).map(|n| format!("type A{n} {{ x: Int }} ")).collect(), ""),
        ("a long name", format!("type {} {{ x: Int }}", "A".repeat(100_000)), ""),
        ("tokens", "type A { ".to_owned() + &"! ".repeat(400_000), ""),
    ] {
        let begun = std::time::Instant::now();
        let answer = body(&home.alice, "/api/v1/collections", "text/plain", sdl.clone()).await;
        let message = answer.json["error"]["message"].as_str().unwrap_or_default();
        if answer.status != 400 || !message.contains(says) || message.is_empty() || answer.text.len() > 4_000 {
            wrong.push(format!("{what}: {} {}", answer.status, shown(&answer.text)));
        }
        assert!(begun.elapsed().as_secs() < 5, "{what} took {:?}", begun.elapsed());
        let wrapped = body(&home.alice, "/api/v0/schema", "application/json", json!({ "sdl": sdl }).to_string()).await;
        assert!([400, 413].contains(&wrapped.status), "{what}: {}", shown(&wrapped.text));
        code(&wrapped);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let big = body(&home.alice, "/api/v1/collections", "text/plain", "#".repeat(2 << 20)).await;
    assert_eq!((big.status, code(&big)), (413, "limit_body"));
    let latin = body(&home.alice, "/api/v1/collections", "text/plain", b"type A { x: Int } # \xff\xfe".to_vec()).await;
    assert_eq!(latin.status, 400, "{}", latin.text);
    for wrapped in
        ["{}", "[]", "{\"sdl\": 1}", "{\"sdl\": \"type A { x: Int }\", \"sdl\": \"type B { x: Int }\"}", "\u{0}"]
    {
        let answer = body(&home.alice, "/api/v1/collections", "application/json", wrapped).await;
        assert_eq!((answer.status, code(&answer)), (400, "invalid_input"), "{wrapped}");
    }
    let list = home.alice.get("/api/v1/collections").await.unwrap();
    assert_eq!(list.json, json!([]), "a refused definition leaves nothing");
    home.alice.define("type A { x: Int }").await.expect("control: a good definition is taken");
    home.alice.define(&format!("type Wide {{ {} }}", fields(200))).await.expect("control: 200 fields are taken");
    unhurt(&home).await;
}

#[tokio::test]
async fn hostile_bodies_of_graphql_are_refused_and_write_nothing() {
    let home = Home::new().await;
    home.alice
        .define("type Item { name: String n: Int f: Float on: Boolean tags: [String!] at: DateTime j: JSON }")
        .await
        .unwrap();
    let add = "mutation($i: [ItemMutationInputArg!]!) { add_Item(input: $i) { _docID } }";
    let with = |variables: &str| format!("{{\"query\": {}, \"variables\": {variables}}}", json!(add));
    let deep = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
    for (what, text) in [
        ("empty", String::new()),
        ("a word", "nonsense".into()),
        ("null", "null".into()),
        ("a list", "[]".into()),
        ("nothing in it", "{}".into()),
        ("a number as query", "{\"query\": 1}".into()),
        ("a list as variables", with("[1]")),
        ("a text as variables", with("\"{}\"")),
        ("deep", with(&format!("{{\"i\": {deep}}}"))),
        ("half", "{\"query\": \"{ __typename".into()),
        ("a doubled key", "{\"query\": \"{ __typename }\", \"query\": \"{ Item { name } }\"}".into()),
        ("a doubled variable", with("{\"i\": [{\"n\": 1}], \"i\": [{\"n\": 2}]}")),
        ("a doubled key within", with("{\"i\": [{\"n\": 1, \"n\": 2}]}")),
        ("a lone surrogate", "{\"query\": \"\\ud800\"}".into()),
        ("more behind", "{\"query\": \"{ __typename }\"} {}".into()),
    ] {
        let answer = body(&home.alice, "/api/v1/graphql", "application/json", text).await;
        assert_eq!((answer.status, answer.codes()), (400, vec!["invalid_input"]), "{what}: {}", shown(&answer.text));
    }
    let latin = body(&home.alice, "/api/v1/graphql", "application/json", b"{\"query\": \"\xff\"}".to_vec()).await;
    assert_eq!(latin.status, 400, "{}", latin.text);
    let latin = body(&home.alice, "/api/v1/graphql", "application/graphql", b"{ \xff }".to_vec()).await;
    assert_eq!(latin.status, 400, "{}", latin.text);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml"] {
        let answer = body(&home.alice, "/api/v1/graphql", kind, "{\"query\": \"{ __typename }\"}").await;
        assert_eq!(answer.status, 415, "{kind}: a form of another site could send this");
    }
    let mut taken = Vec::new();
    for input in [
        "{\"n\": 1e999999999}",
        "{\"n\": 9223372036854775808}",
        "{\"n\": 1.5}",
        "{\"n\": \"1\"}",
        "{\"n\": [1]}",
        "{\"n\": {\"$serde_json::private::Number\": \"1\", \"x\": 1}}",
        "{\"f\": 1e999999999}",
        "{\"f\": \"NaN\"}",
        "{\"on\": 1}",
        "{\"on\": \"true\"}",
        "{\"tags\": [1]}",
        "{\"tags\": [null]}",
        "{\"tags\": {\"a\": 1}}",
        "{\"at\": \"yesterday\"}",
        "{\"at\": 5}",
        "{\"name\": 5}",
        "{\"name\": {}}",
        "{\"unknown\": 5}",
        "{\"_docID\": \"bae-x\"}",
        "{\"_deleted\": true}",
        "5",
        "null",
    ] {
        let answer =
            body(&home.alice, "/api/v1/graphql", "application/json", with(&format!("{{\"i\": [{input}]}}"))).await;
        if answer.codes().is_empty() || answer.codes().contains(&"internal") {
            taken.push(format!("{input}: {} {}", answer.status, shown(&answer.text)));
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
    assert_eq!(home.alice.graphql("{ COUNT(Item: {}) }").await.unwrap()["COUNT"], 0, "nothing was written");
    let good =
        body(&home.alice, "/api/v1/graphql", "application/json", with("{\"i\": [{\"n\": 9223372036854775807}]}")).await;
    assert!(good.json["data"]["add_Item"][0]["_docID"].is_string(), "control: {}", good.text);
    unhurt(&home).await;
}

#[tokio::test]
async fn hostile_bodies_of_the_json_routes_are_refused_in_one_shape() {
    let home = Home::new().await;
    let operator = home.node.operator().unwrap();
    let deep = format!("{{\"name\": {}1{}}}", "[".repeat(30_000), "]".repeat(30_000));
    let routes = [
        "/api/v1/spaces",
        "/api/v1/tenants",
        "/api/v1/users",
        "/api/v1/users/alice/token",
        "/api/v1/apps",
        "/api/v1/grants",
        "/api/v1/replicas",
        "/api/v1/sync/wait",
        "/api/v1/check",
        "/api/v1/session",
    ];
    for route in routes {
        for text in [
            "",
            "{",
            "[]",
            "null",
            "5",
            "\"x\"",
            "{\"name\": \"a\", \"name\": \"b\"}",
            "{\"unknown\": 1}",
            &deep,
            "{\"name\": 1, \"user\": 2}",
            "{\"name\": null}",
            "{\"ttl_s\": 1e99}",
            "{\"timeout_s\": -1}",
        ] {
            let answer = body(&operator, route, "application/json", text.to_owned()).await;
            assert_eq!(answer.status, 400, "{route} {}: {}", shown(text), shown(&answer.text));
            code(&answer);
        }
        let latin = body(&operator, route, "application/json", b"{\"name\": \"\xff\"}".to_vec()).await;
        assert_eq!(latin.status, 400, "{route}: {}", latin.text);
        code(&latin);
        let form = body(&operator, route, "text/plain", "{}").await;
        assert_eq!((form.status, code(&form)), (415, "unsupported_media_type"), "{route}");
        if route != "/api/v1/session" {
            let nobody = body(&Client::new(&home.node.url, None).unwrap(), route, "application/json", "{").await;
            assert_eq!(nobody.status, 401, "{route}: a stranger is not told what a body should be: {}", nobody.text);
        }
    }
    for (name, ttl) in [("alice", 0), ("alice", -1), ("alice", i64::MAX), ("nobody", 60)] {
        let answer = operator.post(&format!("/api/v1/users/{name}/token"), &json!({ "ttl_s": ttl })).await.unwrap();
        assert!([400, 404].contains(&answer.status), "{name} {ttl}: {}", answer.text);
    }
    for name in ["", " ", "a\nb", "\u{0}", &"x".repeat(100_000)] {
        let answer = home.alice.post("/api/v1/spaces", &json!({ "name": name })).await.unwrap();
        assert_eq!(answer.status, 400, "{name:?}: {}", answer.text);
        for route in ["/api/v1/tenants", "/api/v1/users"] {
            let mut body = json!({ "name": name });
            if route.ends_with("users") {
                body["password"] = json!("long enough for anyone");
            }
            let answer = operator.post(route, &body).await.unwrap();
            assert_eq!(answer.status, 400, "{route} {name:?}: {}", shown(&answer.text));
        }
    }
    let spaces = home.alice.get("/api/v1/spaces").await.unwrap();
    assert_eq!(spaces.json.as_array().unwrap().len(), 1, "no space was made: {}", spaces.text);
    assert_eq!(home.alice.post("/api/v1/spaces", &json!({"name": "good"})).await.unwrap().status, 201, "control");
    unhurt(&home).await;
}

#[tokio::test]
async fn bodies_over_the_limit_unknown_routes_and_broken_http_get_an_answer_and_no_more() {
    let home = Home::new().await;
    let token = home.alice.token.clone().unwrap();
    for route in
        ["/api/v1/graphql", "/api/v1/collections", "/api/v1/users", "/oauth/token", "/oauth/authorize", "/setup"]
    {
        let head = format!(
            "POST {route} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{{",
            17 << 20
        );
        let answer = raw(&home.node.url, head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{route}: {}", shown(&answer));
        assert!(answer.contains("\"limit_body\""), "{route}: {answer}");
    }
    // Without a length, the limit is met on the way.
    let mut chunked = format!(
        "POST /api/v1/graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for _ in 0..17 {
        chunked.extend_from_slice(b"100000\r\n");
        chunked.extend(std::iter::repeat_n(b' ', 1 << 20));
        chunked.extend_from_slice(b"\r\n");
    }
    let answer = raw(&home.node.url, &chunked).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{}", shown(&answer));
    for (method, path, status) in [
        (Method::GET, "/api/v1/nothing", 404),
        (Method::GET, "/.env", 404),
        (Method::GET, "/api/v1/../../etc/passwd", 404),
        (Method::DELETE, "/api/v1/graphql", 405),
        (Method::PUT, "/api/v1/spaces", 405),
    ] {
        let answer = home.alice.send(home.alice.request(method.clone(), path)).await.unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        code(&answer);
    }
    for path in ["/admin/..%2f..%2f..%2fetc%2fpasswd", "/admin/%2e%2e/%2e%2e/etc/passwd", "/admin//etc/passwd"] {
        let answer = home.alice.get(path).await.unwrap();
        assert!(!answer.text.contains("root:"), "{path}: {}", shown(&answer.text));
    }
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"POST /api/v1/graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /api/v1/graphql HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/graphql HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let answer = raw(&home.node.url, garbage).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{}", shown(&answer));
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1 << 20));
    assert!(!raw(&home.node.url, long.as_bytes()).await.starts_with("HTTP/1.1 2"));
    let many = format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-A: b\r\n".repeat(10_000));
    assert!(!raw(&home.node.url, many.as_bytes()).await.starts_with("HTTP/1.1 5"));
    unhurt(&home).await;
}

#[tokio::test]
async fn a_space_header_that_names_nothing_answers_like_a_foreign_one() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let foreign = bob.get("/api/v1/spaces").await.unwrap().json[0]["id"].as_str().unwrap().to_owned();
    let own = home.made["space"].as_str().unwrap().to_owned();
    let ask = json!({"query": "{ __typename }"});
    let expected = home.alice.in_space(&foreign).post("/api/v1/graphql", &ask).await.unwrap();
    assert_eq!(expected.status, 404);
    let long = "a".repeat(4_000);
    for garbage in [
        "",
        "x",
        "null",
        "0",
        "' OR 1=1 --",
        "../..",
        long.as_str(),
        &own[..31],
        &format!("{own}0"),
        &format!("{own}, {own}"),
    ] {
        for path in ["/api/v1/graphql", "/api/v0/graphql", "/api/v1/collections"] {
            let foreign = home.alice.in_space(&foreign).post(path, &ask).await.unwrap();
            let answer = home.alice.in_space(garbage).post(path, &ask).await.unwrap();
            assert_eq!((answer.status, &answer.text), (404, &foreign.text), "{garbage:?} at {path}");
        }
    }
    let bytes = reqwest::header::HeaderValue::from_bytes(b"\xff\xfe").unwrap();
    let odd = home.alice.request(Method::POST, "/api/v1/graphql").header("Allod-Space", bytes).json(&ask);
    let odd = home.alice.send(odd).await.unwrap();
    assert_eq!((odd.status, &odd.text), (404, &expected.text));
    let twice =
        home.alice.in_space(&own).request(Method::POST, "/api/v1/graphql").header("Allod-Space", &foreign).json(&ask);
    let twice = home.alice.send(twice).await.unwrap();
    assert_eq!((twice.status, &twice.text), (404, &expected.text), "two spaces are none");
    let control = home.alice.in_space(&own).post("/api/v1/graphql", &ask).await.unwrap();
    assert_eq!(control.status, 200, "{}", control.text);
    unhurt(&home).await;
}

#[tokio::test]
async fn the_local_token_counts_only_for_who_sits_at_the_machine() {
    let home = Home::new().await;
    let operator = home.node.operator().unwrap();
    let get = |name: &'static str, value: &'static str| {
        let request = operator.request(Method::GET, "/api/v1/users").header(name, value);
        operator.send(request)
    };
    for (name, value) in [
        ("Origin", "http://127.0.0.1:8420"),
        ("Origin", "null"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-Proto", "http"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("Via", "1.1 proxy"),
    ] {
        let answer = get(name, value).await.unwrap();
        assert_eq!((answer.status, code(&answer)), (401, "invalid_token"), "{name}: {value}");
    }
    for value in ["allod.example.org", "127.0.0.1.example.org", "localhost.example.org:8420"] {
        let answer = get("Host", value).await.unwrap();
        assert_eq!((answer.status, code(&answer)), (421, "host_unknown"), "{value}");
    }
    for (name, value) in [("Host", "localhost:1"), ("Accept", "application/json")] {
        assert_eq!(get(name, value).await.unwrap().status, 200, "control: {name}: {value}");
    }
    let token = operator.token.clone().unwrap();
    for authorization in
        [format!("Basic {token}"), token.clone(), "Bearer".into(), "Bearer ".into(), format!("Bearer {token}x")]
    {
        let nobody = Client::new(&home.node.url, None).unwrap();
        let request = nobody.request(Method::GET, "/api/v1/users").header("Authorization", authorization.as_str());
        assert_eq!(nobody.send(request).await.unwrap().status, 401, "{}", authorization.len());
    }
    unhurt(&home).await;
}

/// Every peer port takes garbage from anyone who can connect.
#[tokio::test]
async fn garbage_at_the_port_for_peers_does_not_hurt_the_node() {
    let home = Home::new().await;
    let file: Value = serde_json::from_slice(&std::fs::read(home.node.dir.join("node.json")).unwrap()).unwrap();
    let parts: Vec<&str> = file["p2p"][0].as_str().unwrap().split('/').collect();
    let address = format!("{}:{}", parts[2], parts[4]);
    let select = b"\x13/multistream/1.0.0\n";
    let noise = [&select[..], b"\x07/noise\n"].concat();
    let mut floods: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        vec![0xff; 1 << 20],
        vec![0; 1 << 20],
        select.to_vec(),
        [&select[..], b"\xff\xff\xff\xff\x7f"].concat(),
        [&noise[..], &[0xff; 70_000]].concat(),
        [&noise[..], &[0, 0, 0, 0]].concat(),
        [&noise[..], &[0, 32], &[7; 32]].concat(),
    ];
    floods.extend((0..20u8).map(|n| (0..4_096u32).map(|at| (at as u8).wrapping_mul(n | 1) ^ n).collect()));
    let mut open = Vec::new();
    for flood in &floods {
        let mut stream = tokio::net::TcpStream::connect(&address).await.expect("the port takes connections");
        let _ = stream.write_all(flood).await;
        let mut answer = [0; 64];
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), stream.read(&mut answer)).await;
        open.push(stream);
    }
    for _ in 0..200 {
        open.push(tokio::net::TcpStream::connect(&address).await.expect("the port takes connections"));
    }
    unhurt(&home).await;
    drop(open);
    assert!(tokio::net::TcpStream::connect(&address).await.is_ok(), "the port still takes connections");
    unhurt(&home).await;
    let allod = home.node.allod.clone();
    let code = home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    allod.ok(&home.root.path().join("second"), &["device", "join", &code]).expect("control: a real peer is served");
}
