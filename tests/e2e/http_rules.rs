//! HTTP's own rules (RFC 9110), on every route alike: `HEAD`, `OPTIONS`, `Allow`, and media types without case.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::home::Home;

/// The head and the body of the answer to a request on a connection of its own.
async fn raw(home: &Home, method: &str, path: &str, token: Option<&str>) -> (String, Vec<u8>) {
    let address = home.node.url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n{token}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut out = Vec::new();
    stream.read_to_end(&mut out).await.unwrap();
    let end = out.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    (String::from_utf8(out[..end].to_vec()).unwrap(), out[end + 4..].to_vec())
}

/// Status line and headers, but for those that differ from one answer to the next.
fn told(head: &str) -> (String, BTreeMap<String, String>) {
    let mut lines = head.lines();
    let status = lines.next().unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    (status, headers.filter(|(name, _)| !["date", "set-cookie", "x-request-id"].contains(&name.as_str())).collect())
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let home = Home::new().await;
    home.alice.define("type Book { title: String }").await.unwrap();
    let token = home.alice.token.as_deref();
    let query = "/api/v1/graphql?query=%7B__typename%7D";
    for (path, token) in [
        ("/", None),
        ("/healthz", None),
        ("/readyz", None),
        ("/admin/", None),
        ("/admin/index.html", None),
        ("/oauth/authorize", None),
        ("/oauth/style.css", None),
        ("/setup", None),
        ("/.well-known/oauth-authorization-server", None),
        ("/api/v1/spaces", token),
        ("/api/v1/collections", token),
        ("/api/v1/users", token),
        ("/api/v1/grants", token),
        ("/api/v1/groups", token),
        ("/api/v1/shares", token),
        ("/api/v1/links", token),
        ("/api/v1/devices", token),
        ("/api/v1/policy/audit", token),
        ("/api/v1/grants/00000000000000000000000000000001", token),
        (query, token),
        (query, None),
        ("/api/v1/graphql", token),
        ("/api/v1/graphql?query=mutation%7B__typename%7D", token),
        ("/l/nothing", None),
        ("/api/v1/spaces", None),
        ("/nowhere", None),
    ] {
        let (get, body) = raw(&home, "GET", path, token).await;
        let (head, nothing) = raw(&home, "HEAD", path, token).await;
        assert_eq!(told(&get), told(&head), "{path}");
        assert!(nothing.is_empty(), "{path}: {}", String::from_utf8_lossy(&nothing));
        let length = told(&head).1.get("content-length").map(|length| length.parse::<usize>().unwrap());
        assert_eq!(length, Some(body.len()), "{path}: the length of what GET answers");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let home = Home::new().await;
    for (method, path, allow) in [
        ("DELETE", "/healthz", "GET, HEAD, OPTIONS"),
        ("GET", "/oauth/token", "POST, OPTIONS"),
        ("HEAD", "/oauth/token", "POST, OPTIONS"),
        ("PATCH", "/api/v1/session", "POST, DELETE, OPTIONS"),
        ("FROB", "/api/v1/graphql", "POST, GET, HEAD, OPTIONS"),
        ("PUT", "/admin/assets/app.js", "GET, HEAD, OPTIONS"),
        ("POST", "/l/token", "GET, HEAD, OPTIONS"),
    ] {
        let (head, body) = raw(&home, method, path, None).await;
        let (status, headers) = told(&head);
        assert!(status.starts_with("HTTP/1.1 405 "), "{method} {path}: {head}");
        assert_eq!(headers["allow"], allow, "{method} {path}");
        assert_eq!(body.is_empty(), method == "HEAD", "{method} {path}");
        let (head, body) = raw(&home, "OPTIONS", path, None).await;
        assert!(head.starts_with("HTTP/1.1 204 ") && body.is_empty(), "{path}: {head}");
        assert_eq!(told(&head).1["allow"], allow, "{path}");
    }
    let token = home.alice.token.as_deref();
    for path in ["/api/v1/graphql", "/api/v0/graphql"] {
        let mutation = format!("{path}?query=mutation%7B__typename%7D");
        let told_of = async |method: &str, path: &str| told(&raw(&home, method, path, token).await.0);
        let ((by_get, one), (by_put, other)) = (told_of("GET", &mutation).await, told_of("PUT", path).await);
        assert!(by_get.starts_with("HTTP/1.1 405 ") && by_put.starts_with("HTTP/1.1 405 "), "{by_get} {by_put}");
        assert_eq!(one["allow"], other["allow"], "{path}: what the resource takes");
    }
    assert!(raw(&home, "DELETE", "/nowhere", None).await.0.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_compressed_body_is_refused_before_it_is_read() {
    let home = Home::new().await;
    let body = json!({ "query": "{ __typename }" }).to_string();
    for (coding, status) in [
        ("identity", 200),
        ("Identity", 200),
        ("gzip", 415),
        ("GZIP", 415),
        ("br", 415),
        ("identity, gzip", 415),
        ("x", 415),
    ] {
        for client in [&home.alice, &harness::Client::new(&home.node.url, None).unwrap()] {
            let request = client.request(Method::POST, "/api/v1/graphql").header("content-encoding", coding);
            let answer = request.header("content-type", "application/json").body(body.clone()).send().await.unwrap();
            let wanted = if status == 200 && client.token.is_none() { 401 } else { status };
            assert_eq!(answer.status(), wanted, "{coding}");
            let takes = answer.headers().get("accept-encoding").map(|takes| takes.to_str().unwrap());
            assert_eq!(takes, (wanted == 415).then_some("identity"), "{coding}");
        }
    }
}

#[tokio::test]
async fn media_types_have_no_case() {
    let home = Home::new().await;
    let send = async |path: &str, kind: &str, text: &str| {
        let request = home.alice.request(Method::POST, path).header("content-type", kind).body(text.to_owned());
        home.alice.send(request).await.unwrap()
    };
    let session = json!({ "user": "alice", "password": "correct horse battery staple" }).to_string();
    let (query, space) = (json!({ "query": "{ __typename }" }).to_string(), json!({ "name": "work" }).to_string());
    let form = "token=nothing&client_id=nobody";
    for (n, json) in [
        "application/json",
        "Application/JSON",
        "APPLICATION/JSON; CHARSET=\"UTF-8\"",
        "application/json ;charset=utf-8",
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(send("/api/v1/graphql", json, &query).await.status, 200, "{json}");
        assert_eq!(send("/api/v1/session", json, &session).await.status, 200, "{json}");
        assert_eq!(send("/api/v1/spaces", json, &space).await.status, 201, "{json}");
        let sdl = json!({ "sdl": format!("type Book{n} {{ title: String }}") }).to_string();
        assert_eq!(send("/api/v1/collections", json, &sdl).await.status, 201, "{json}");
    }
    assert_eq!(send("/api/v1/graphql", "Application/GraphQL", "{ __typename }").await.status, 200);
    assert_eq!(send("/api/v1/collections", "TEXT/Plain; charset=UTF-8", "type Other { a: Int }").await.status, 201);
    let plain = send("/oauth/revoke", "application/x-www-form-urlencoded", form).await;
    let odd = send("/oauth/revoke", "Application/X-WWW-Form-URLEncoded; Charset=utf-8", form).await;
    assert_eq!((odd.status, &odd.text), (plain.status, &plain.text), "a form by another spelling of its name");
    for kind in ["application/json; charset=utf-16", "application/jsonp", "application/json, text/plain", "json"] {
        for path in ["/api/v1/graphql", "/api/v1/session", "/api/v1/spaces", "/api/v1/collections"] {
            let answer = send(path, kind, &query).await;
            let code = &answer.json["error"]["code"];
            assert_eq!(
                (answer.status, code),
                (415, &json!("unsupported_media_type")),
                "{path} {kind}: {}",
                answer.text
            );
        }
    }
    let untyped = home.alice.request(Method::POST, "/api/v1/graphql").body(query.clone());
    assert_eq!(home.alice.send(untyped).await.unwrap().status, 415, "a body that says nothing of itself");
}
