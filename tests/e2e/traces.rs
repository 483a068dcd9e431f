//! What a node tells a collector of traces, what is never among it, and that nobody waits for a collector.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use harness::{Allod, Client, Node};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Said;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::home::OWNER;

/// Head and body of what came.
type Post = (String, Vec<u8>);

/// A collector in this process.
#[derive(Clone, Default)]
struct Collector {
    came: Arc<Mutex<Vec<Post>>>,
    dialled: Arc<Mutex<usize>>,
}

/// Serves one connection; never answers, if `silent`.
async fn connection(mut stream: tokio::net::TcpStream, collector: Collector, silent: bool) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 8_192];
        let n = stream.read(&mut part).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&part[..n]);
        let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        let whole = end + 4 + length.parse::<usize>().ok()?;
        if bytes.len() < whole {
            continue;
        }
        collector.came.lock().unwrap().push((head, bytes[end + 4..whole].to_vec()));
        bytes.drain(..whole);
        if silent {
            std::future::pending::<()>().await;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.ok()?;
    }
}

impl Collector {
    async fn start(silent: bool) -> (String, Collector) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let collector = Collector::default();
        let own = collector.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *own.dialled.lock().unwrap() += 1;
                tokio::spawn(connection(stream, own.clone(), silent));
            }
        });
        (at, collector)
    }

    fn spans(&self) -> Vec<Span> {
        let came = self.came.lock().unwrap();
        let all = came.iter().map(|(_, body)| ExportTraceServiceRequest::decode(body.as_slice()).expect("OTLP"));
        all.flat_map(|all| all.resource_spans).flat_map(|of| of.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// The span of a request, if it came.
    fn of(&self, request: &str) -> Option<Span> {
        self.spans().into_iter().find(|span| said(span, "allod.request_id") == request)
    }
}

/// What an attribute of a span says.
fn said(span: &Span, key: &str) -> String {
    let value = span.attributes.iter().find(|one| one.key == key).and_then(|one| one.value.clone()?.value);
    match value {
        Some(Said::StringValue(text)) => text,
        Some(Said::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn secret(root: &Path, name: &str, text: &str) -> PathBuf {
    let path = root.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A node of alice's that is told so by variables.
async fn served(root: &Path, told: &[(&str, &str)]) -> (Node, Client) {
    let allod = told.iter().fold(Allod::find().unwrap(), |allod, (key, value)| allod.with(key, value));
    let dir = root.join("home");
    if !dir.exists() {
        Node::init(&allod, &dir, OWNER.0, "canaryhouse", OWNER.1).unwrap();
    }
    let node = Node::serve(&allod, &dir).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    (node, alice)
}

/// What the answer to a request calls it.
async fn id_of(request: reqwest::RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    answer.headers()["x-request-id"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_is_told_of_requests_and_steps_and_of_nobody() {
    let root = tempfile::tempdir().unwrap();
    let (at, collector) = Collector::start(false).await;
    let file = secret(root.path(), "authorization", "Bearer canarybearer\n");
    let told = [("ALLOD_TRACE_ENDPOINT", at.as_str()), ("ALLOD_TRACE_AUTHORIZATION_FILE", file.to_str().unwrap())];
    let (node, alice) = served(root.path(), &told).await;
    alice.define("type Canarybird { feathersong: String }").await.unwrap();
    let add = r#"mutation { add_Canarybird(input: [{ feathersong: "canaryvalue" }]) { _docID } }"#;
    let body = json!({ "query": add });
    let write = id_of(alice.request(Method::POST, "/api/v1/graphql").json(&body)).await;
    let query = "/api/v1/graphql?query=%7BCanarybird%7Bfeathersong%7D%7D&canaryquery=1";
    let read = id_of(alice.request(Method::GET, query)).await;
    let nowhere = id_of(alice.request(Method::GET, "/canarypath/feathersong?canaryquery=2")).await;
    let wrong = json!({ "user": "mallorycanary", "password": "the wrong canary password" });
    id_of(alice.nobody().request(Method::POST, "/api/v1/session").json(&wrong)).await;
    let metrics = alice.get("/metrics").await.unwrap().text;
    assert!(metrics.contains(r#"allod_trace_spans_total{outcome="crowded"} 0"#), "{metrics}");
    let space = node.cli_ok(&["doctor"]).unwrap()["spaces"][0]["id"].as_str().unwrap().to_owned();
    let config = node.cli(&["config"]).unwrap().stdout;
    assert!(config.contains(&at) && !config.contains("canarybearer"), "{config}");
    let log = node.said();
    // What waits goes when the node stops: the last request is among it.
    node.stop().unwrap();

    let spans = collector.spans();
    let span = collector.of(&write).unwrap_or_else(|| panic!("{write} of {spans:?}"));
    assert_eq!(span.name, "POST /api/v1/graphql");
    assert_eq!(
        (said(&span, "http.route"), said(&span, "http.response.status_code")),
        ("/api/v1/graphql".into(), "200".into())
    );
    let of = |name: &str, span: &Span| {
        spans
            .iter()
            .any(|step| step.name == name && step.trace_id == span.trace_id && step.parent_span_id == span.span_id)
    };
    assert!(of("vault write", &span), "{spans:?}");
    assert!(of("vault read", &collector.of(&read).unwrap()), "{spans:?}");
    assert!(spans.iter().any(|span| span.name.starts_with("policy ")), "{spans:?}");
    let unknown = collector.of(&nowhere).unwrap();
    assert_eq!((unknown.name.as_str(), said(&unknown, "http.response.status_code").as_str()), ("GET (none)", "404"));
    assert!(spans.iter().any(|span| span.name == "POST /api/v1/stop"), "{spans:?}");
    // The node's own call to the collector is no part of it, and no line of the log is.
    assert!(spans.iter().all(|span| span.name != "outbound call" && span.events.is_empty()), "{spans:?}");

    let secrets = [alice.token.clone().unwrap(), space];
    let names = ["alice", "canary", "Canary", "mallory", "feathersong", "127.0.0.1"].map(str::to_owned);
    let came = collector.came.lock().unwrap();
    for (head, body) in came.iter() {
        assert!(head.contains("authorization: Bearer canarybearer"), "control: {head}");
        let text = String::from_utf8_lossy(body);
        for never in secrets.iter().chain(&names) {
            assert!(!text.contains(never.as_str()), "{never} in {text}");
        }
    }
    assert!(!log.contains("canarybearer") && !log.contains("policy check"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trace_of_a_caller_counts_by_the_word_of_a_proxy_alone() {
    let root = tempfile::tempdir().unwrap();
    let (at, collector) = Collector::start(false).await;
    let (trace, above) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let asked = async |client: &Client, flags: &str| {
        let said = format!("00-{trace}-{above}-{flags}");
        id_of(client.request(Method::GET, "/healthz").header("traceparent", said)).await
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (node, alice) = served(root.path(), &[("ALLOD_TRACE_ENDPOINT", &at)]).await;
    let (of_stranger, hidden) = (asked(&alice, "01").await, asked(&alice, "00").await);
    node.stop().unwrap();
    for id in [of_stranger, hidden] {
        let span = collector.of(&id).unwrap();
        assert!(hex(&span.trace_id) != trace && span.parent_span_id.is_empty(), "{span:?}");
    }
    let proxies = ("ALLOD_HTTP_TRUSTED_PROXIES", "127.0.0.0/8");
    let (node, alice) = served(root.path(), &[("ALLOD_TRACE_ENDPOINT", &at), proxies]).await;
    let (by_proxy, left_out) = (asked(&alice, "01").await, asked(&alice, "00").await);
    let malformed = id_of(alice.request(Method::GET, "/healthz").header("traceparent", "00-canary")).await;
    node.stop().unwrap();
    let span = collector.of(&by_proxy).unwrap();
    assert_eq!((hex(&span.trace_id).as_str(), hex(&span.parent_span_id).as_str()), (trace, above));
    assert!(collector.of(&left_out).is_none(), "the proxy tells nobody of it");
    assert!(hex(&collector.of(&malformed).unwrap().trace_id) != trace);

    // Nor does anybody's mark make the node tell of more than it is told to.
    let none = ("ALLOD_TRACE_SAMPLE", "0");
    let (node, alice) = served(root.path(), &[("ALLOD_TRACE_ENDPOINT", &at), proxies, none]).await;
    let marked = asked(&alice, "01").await;
    node.stop().unwrap();
    assert!(collector.of(&marked).is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_collector_nothing_is_dialled_and_one_that_is_silent_holds_nobody_up() {
    let root = tempfile::tempdir().unwrap();
    let (at, collector) = Collector::start(true).await;
    // What others' programs hear of is not heard.
    let base = at.trim_end_matches("/v1/traces");
    let others = [("OTEL_EXPORTER_OTLP_ENDPOINT", base), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", at.as_str())];
    let (node, alice) = served(root.path(), &others).await;
    alice.define("type Note { text: String }").await.unwrap();
    assert!(!alice.get("/metrics").await.unwrap().text.contains("allod_trace"));
    node.stop().unwrap();
    assert_eq!(*collector.dialled.lock().unwrap(), 0);

    let (node, alice) = served(root.path(), &[("ALLOD_TRACE_ENDPOINT", &at)]).await;
    for _ in 0..40 {
        assert_eq!(alice.get("/healthz").await.unwrap().status, 200);
    }
    while collector.came.lock().unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // It has some, and never says that it has: the node serves, and stops.
    alice.graphql(r#"mutation { add_Note(input: [{ text: "x" }]) { _docID } }"#).await.unwrap();
    node.stop().unwrap();
    assert!(*collector.dialled.lock().unwrap() >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_collector_is_said_before_a_node_is_served() {
    let root = tempfile::tempdir().unwrap();
    let file = secret(root.path(), "authorization", "Bearer canarybearer");
    let dir = root.path().join("home");
    let plain = Allod::find().unwrap();
    Node::init(&plain, &dir, OWNER.0, "home", OWNER.1).unwrap();
    let refused = |told: &[(&str, &str)]| {
        let allod = told.iter().fold(plain.clone(), |allod, (key, value)| allod.with(key, value));
        let served = allod.run(&dir, &["serve", "--listen", "127.0.0.1:0"]).unwrap();
        let checked = allod.run(&dir, &["config", "check"]).unwrap();
        assert!(!served.stdout.contains("canarybearer") && !served.stderr.contains("canarybearer"));
        let code = served.refused(2).unwrap();
        assert_eq!(checked.refused(2).unwrap(), code);
        code
    };
    let (at, bearer) = ("http://127.0.0.1:9/v1/traces", ("ALLOD_TRACE_AUTHORIZATION_FILE", file.to_str().unwrap()));
    for (told, code) in [
        (&[("ALLOD_TRACE_ENDPOINT", "127.0.0.1:4318")][..], "config_value"),
        (&[("ALLOD_TRACE_ENDPOINT", "http://169.254.169.254/v1/traces")], "config_value"),
        (&[("ALLOD_TRACE_ENDPOINT", at), ("ALLOD_TRACE_SAMPLE", "2")], "config_value"),
        (&[("ALLOD_TRACE_ENDPOINT", "http://10.0.0.7:4318/v1/traces"), bearer], "config_value"),
        (&[bearer], "config_incomplete"),
    ] {
        assert_eq!(refused(told), code, "{told:?}");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o622)).unwrap();
    assert_eq!(refused(&[("ALLOD_TRACE_ENDPOINT", at), bearer]), "secret_file_writable");
    std::fs::write(dir.join("allod.toml"), "[trace]\nendpont = \"x\"\n").unwrap();
    let unknown = plain.run(&dir, &["config", "check"]).unwrap();
    assert!(unknown.stdout.contains("trace.endpoint"), "{}", unknown.stdout);
    assert_eq!(unknown.refused(2).unwrap(), "config_unknown_key");
    std::fs::write(dir.join("allod.toml"), format!("[trace]\nendpoint = \"{at}\"\nsample = 0.5\n")).unwrap();
    plain.ok(&dir, &["config", "check"]).expect("control");
}
