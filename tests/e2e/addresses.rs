//! The node in a network: names, proxies, pages of other origins, and the log of its requests.

use harness::{Client, Node};
use reqwest::Method;
use serde_json::Value;

use crate::home::{Home, OWNER};

async fn served(flags: &[&str], json_log: bool) -> (Node, tempfile::TempDir) {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    let allod = home.node.allod.clone();
    let dir = home.node.stop().unwrap();
    let mut args = vec!["serve", "--listen", "127.0.0.1:0"];
    args.extend(flags);
    if json_log {
        args.extend(["--log-format", "json"]);
    }
    let mut command = allod.command(&dir, &args);
    command.env_remove("RUST_LOG");
    (Node::serve_by(allod.clone(), &dir, command).unwrap(), home.root)
}

async fn raw(node: &Node, method: Method, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut request = client.request(method, format!("{}{path}", node.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header(answer: &reqwest::Response, name: &str) -> Option<String> {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_node_answers_under_its_own_names_and_no_stranger_s() {
    let (node, _root) = served(&["--public-url", "https://cloud.example.org"], false).await;
    let port = node.url.rsplit(':').next().unwrap().to_owned();
    let status =
        async |host: &str, path: &str| raw(&node, Method::GET, path, &[("host", host)]).await.status().as_u16();
    for host in
        ["127.0.0.1", "localhost:1", "[::1]:8420", "allod.localhost", "cloud.example.org", "CLOUD.example.org:443"]
    {
        assert_eq!(status(host, "/.well-known/oauth-authorization-server").await, 200, "{host}");
    }
    for host in ["evil.example", "cloud.example.org.evil.example", "x.cloud.example.org", &format!("nas:{port}")] {
        for path in ["/.well-known/oauth-authorization-server", "/admin/", "/setup", "/api/v1/spaces", "/nowhere"] {
            assert_eq!(status(host, path).await, 421, "{host}{path}");
        }
        assert_eq!(status(host, "/healthz").await, 200, "who asks whether it lives asks by any name");
    }
}

#[tokio::test]
async fn a_sign_in_is_charged_to_the_address_that_a_trusted_proxy_names() {
    for (trusted, seen) in [(true, "203.0.113.9"), (false, "127.0.0.1")] {
        let flags: &[&str] = if trusted { &["--trusted-proxies", "127.0.0.0/8"] } else { &[] };
        let (node, _root) = served(flags, false).await;
        let nobody = Client::new(&node.url, None).unwrap();
        let wrong = serde_json::json!({ "user": OWNER.0, "password": "not the password" });
        let request = nobody.request(Method::POST, "/api/v1/session").json(&wrong);
        // What the client claimed stands left of what the proxy saw.
        let request = request.header("x-forwarded-for", "198.51.100.1, 203.0.113.9");
        assert_eq!(nobody.send(request).await.unwrap().status, 401);
        let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
        let told = loop {
            let audit = alice.get("/api/v1/audit").await.unwrap().json.to_string();
            if audit.contains("sign_in.refused") {
                break audit;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        assert!(told.contains(seen) && !told.contains("198.51.100.1"), "{trusted}: {told}");
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_reach_data_and_no_others_anything() {
    let app = "https://app.example.org";
    let (node, _root) = served(&["--allowed-origins", app], false).await;
    let preflight = async |path: &str, origin: &str, headers: &str| {
        let ask = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", headers),
        ];
        raw(&node, Method::OPTIONS, path, &ask).await
    };
    for path in ["/api/v1/graphql", "/api/v0/graphql", "/oauth/token"] {
        let answer = preflight(path, app, "authorization,content-type,allod-space").await;
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        assert_eq!(header(&answer, "access-control-allow-origin").as_deref(), Some(app), "{path}");
        let allowed = header(&answer, "access-control-allow-headers").unwrap().to_lowercase();
        assert!(allowed.contains("authorization") && !allowed.contains("allod-page-key"), "{allowed}");
        assert!(header(&answer, "access-control-max-age").is_some());
        assert_eq!(header(&answer, "access-control-allow-credentials"), None);
    }
    for (path, origin, headers) in [
        ("/api/v1/graphql", "https://evil.example", "authorization"),
        ("/api/v1/graphql", "https://app.example.org.evil.example", "authorization"),
        ("/api/v1/graphql", "http://app.example.org", "authorization"),
        ("/api/v1/graphql", "null", "authorization"),
        ("/api/v1/graphql", app, "allod-page-key"),
        ("/api/v1/session", app, "content-type"),
        ("/oauth/authorize", app, "content-type"),
        ("/api/v1/users", app, "authorization"),
        ("/setup", app, "content-type"),
    ] {
        let answer = preflight(path, origin, headers).await;
        let allowed = header(&answer, "access-control-allow-origin");
        assert!(!answer.status().is_success() || allowed.is_none(), "{path} {origin} {headers}: {allowed:?}");
    }
    // The request itself: its answer, and a refusal, can be read by the page.
    let token = node.cli_ok(&["user", "token", OWNER.0]).unwrap()["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let query = "/api/v1/graphql?query=%7BNote%7Bn%7D%7D";
    let answer = raw(&node, Method::GET, query, &[("origin", app), ("authorization", &bearer)]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "access-control-allow-origin").as_deref(), Some(app));
    assert!(header(&answer, "vary").unwrap().to_lowercase().contains("origin"));
    let exposed = header(&answer, "access-control-expose-headers").unwrap().to_lowercase();
    assert!(["etag", "www-authenticate", "x-request-id"].iter().all(|name| exposed.contains(name)), "{exposed}");
    let refused = raw(&node, Method::GET, query, &[("origin", app)]).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(header(&refused, "access-control-allow-origin").as_deref(), Some(app));
    let stranger =
        raw(&node, Method::GET, query, &[("origin", "https://evil.example"), ("authorization", &bearer)]).await;
    assert_eq!(header(&stranger, "access-control-allow-origin"), None);

    let (every, _root) = served(&["--allowed-origins", "*"], false).await;
    let answer = raw(&every, Method::GET, query, &[("origin", "https://any.example")]).await;
    assert_eq!(header(&answer, "access-control-allow-origin").as_deref(), Some("*"));
    assert_eq!(header(&answer, "access-control-allow-credentials"), None);
    let pages = raw(&every, Method::GET, "/admin/", &[("origin", "https://any.example")]).await;
    assert_eq!(header(&pages, "access-control-allow-origin"), None);
    let (closed, _root) = served(&[], false).await;
    let answer = raw(&closed, Method::GET, query, &[("origin", app)]).await;
    assert_eq!(header(&answer, "access-control-allow-origin"), None, "nobody is allowed unless the operator says so");
}

#[tokio::test]
async fn every_request_is_a_line_of_the_log_without_its_values() {
    let (node, _root) = served(&[], true).await;
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    alice.graphql("mutation { add_Note(input: {n: 4711}) { _docID } }").await.unwrap();
    let link = node.cli_ok(&["link", "add", "Note", "--fields", "n", "--until", "P1D"]).unwrap();
    let secret = link["token"].as_str().unwrap().to_owned();
    let answer = raw(&node, Method::GET, &format!("/l/{secret}?canary=4712"), &[]).await;
    let id = header(&answer, "x-request-id").unwrap();
    let line = loop {
        let said = node.said();
        if let Some(line) = said.lines().find(|line| line.contains(&id)) {
            break line.to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((line["method"].as_str(), line["status"].as_u64()), (Some("GET"), Some(200)), "{line}");
    assert!(line["route"].as_str().unwrap().starts_with("/l/{"), "{line}");
    assert!(line["ms"].is_number() && line["from"] == "127.0.0.1", "{line}");
    let said = node.said();
    for kept in [secret.as_str(), OWNER.1, "4711", "4712", alice.token.as_deref().unwrap()] {
        assert!(!said.contains(kept), "{kept} stands in the log");
    }
    // Each has an id of its own, also what no route answers and what is refused before one is looked for.
    let mut ids = vec![id];
    for (path, host) in [("/nowhere", "127.0.0.1"), ("/api/v1/spaces", "evil.example"), ("/api/v1/spaces", "127.0.0.1")]
    {
        ids.push(header(&raw(&node, Method::GET, path, &[("host", host)]).await, "x-request-id").unwrap());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}
