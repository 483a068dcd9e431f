//! Spans against a collector that listens here: what comes to it, and what becomes of them where nothing does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::{Span, status};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::Instrument as _;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;
use zeroize::Zeroizing;

use super::*;

/// Long enough for a slow machine; what is waited for ends before.
const LONG: Duration = Duration::from_secs(60);

/// Heads and bodies that came.
type Came = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Answers each request with `answer`; `None`: never.
async fn collector(answer: Option<Vec<u8>>) -> (url::Url, Came) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let came = Came::default();
    let kept = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (kept, answer) = (Arc::clone(&kept), answer.clone());
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                loop {
                    let mut part = [0; 8_192];
                    match stream.read(&mut part).await {
                        Ok(n @ 1..) => bytes.extend_from_slice(&part[..n]),
                        _ => return,
                    }
                    let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
                    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                    let whole = end + 4 + length.parse::<usize>().unwrap();
                    if bytes.len() < whole {
                        continue;
                    }
                    kept.lock().unwrap().push((head, bytes[end + 4..whole].to_vec()));
                    bytes.drain(..whole);
                    match &answer {
                        Some(answer) => stream.write_all(answer).await.unwrap(),
                        None => std::future::pending().await,
                    }
                }
            });
        }
    });
    (at.parse().unwrap(), came)
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn to(endpoint: url::Url, sample: f64) -> (DefaultGuard, Sending) {
    let authorization = Some(Zeroizing::new("Bearer canary-secret".to_owned()));
    let (layer, tracing) = begin(TraceSettings { endpoint, sample, authorization }).unwrap();
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    (guard, tracing.send())
}

fn spans(came: &Came) -> Vec<Span> {
    let came = came.lock().unwrap();
    let decoded = came.iter().map(|(_, body)| ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
    decoded.flat_map(|all| all.resource_spans).flat_map(|of| of.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    span.attributes.iter().map(|one| (one.key.clone(), format!("{:?}", one.value))).collect()
}

#[tokio::test]
async fn a_request_and_its_steps_come_together_and_nothing_else_does() {
    let (at, came) = collector(Some(answer("200 OK", b""))).await;
    let (guard, sending) = to(at, 1.0);
    let caller = Caller::read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let request = request("GET", "the-id", Some(caller));
    let work = async {
        tracing::error!(canary = "canary-event", "canary-line");
        let other = tracing::error_span!("canary-span", canary = "canary-field");
        async { async { tracing::error!("canary-inner") }.instrument(step("a step")).await }.instrument(other).await;
    };
    work.instrument(request.clone()).await;
    answered(&request, "GET", "/x/{id}", 503);
    drop(request);
    drop(step("beside every request"));
    let counts = sending.counts();
    sending.finish(LONG).await;
    drop(guard);

    let spans = spans(&came);
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["a step", "GET /x/{id}"], "{spans:?}");
    let (step, request) = (&spans[0], &spans[1]);
    assert_eq!((&step.trace_id, &step.parent_span_id), (&request.trace_id, &request.span_id));
    assert_eq!(request.trace_id[..2], [0x4b, 0xf9]);
    assert_eq!(request.parent_span_id[..2], [0x00, 0xf0]);
    assert_eq!(request.status.as_ref().unwrap().code, status::StatusCode::Error as i32);
    let about = attributes(request);
    let keys: Vec<&str> = about.keys().map(String::as_str).collect();
    assert_eq!(keys, ["allod.request_id", "http.request.method", "http.response.status_code", "http.route"]);
    assert!(about["allod.request_id"].contains("the-id") && about["http.response.status_code"].contains("503"));
    assert!(attributes(step).is_empty() && spans.iter().all(|span| span.events.is_empty()), "{spans:?}");
    assert_eq!((counts.sent.get(), counts.refused.get(), counts.crowded.get()), (2, 0, 0));
    let came = came.lock().unwrap();
    for (head, body) in came.iter() {
        assert!(
            head.starts_with("POST /v1/traces ") && head.contains("content-type: application/x-protobuf"),
            "{head}"
        );
        assert!(head.contains("authorization: Bearer canary-secret"), "control: {head}");
        let text = String::from_utf8_lossy(body);
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_neither_requests_nor_the_end() {
    let (at, came) = collector(None).await;
    let (_guard, sending) = to(at, 1.0);
    let counts = sending.counts();
    let one = || drop(request("GET", "id", None));
    one();
    while came.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // It has the first one, and takes no more. Nobody waits here: the task that sends runs on this very thread.
    (0..WAITING + 50).for_each(|_| one());
    assert_eq!(counts.crowded.get(), 50);
    sending.finish(Duration::from_millis(10)).await;
    assert_eq!((counts.sent.get(), came.lock().unwrap().len()), (0, 1));
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_counted() {
    let some = ExportTraceServiceResponse {
        partial_success: Some(opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess {
            rejected_spans: 1,
            error_message: "canary".to_owned(),
        }),
    };
    let long = answer("200 OK", &vec![0; 70_000]);
    for (answer, sent, refused) in [
        (answer("200 OK", b""), 3, 0),
        (answer("200 OK", &some.encode_to_vec()), 2, 1),
        (answer("200 OK", b"\xff\xff no protobuf"), 3, 0),
        (answer("503 Service Unavailable", b"canary"), 0, 3),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec(), 0, 3),
        (long, 0, 3),
    ] {
        let (at, came) = collector(Some(answer)).await;
        let (guard, sending) = to(at, 1.0);
        (0..3).for_each(|_| drop(request("GET", "id", None)));
        let counts = sending.counts();
        sending.finish(LONG).await;
        drop(guard);
        assert_eq!((counts.sent.get(), counts.refused.get()), (sent, refused), "{:?}", came.lock().unwrap());
    }
    // Nobody listens.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (_guard, sending) = to(format!("http://{gone}/v1/traces").parse().unwrap(), 1.0);
    (0..600).for_each(|_| drop(request("GET", "id", None)));
    let counts = sending.counts();
    sending.finish(LONG).await;
    assert_eq!((counts.sent.get(), counts.refused.get()), (0, 600));
}

#[tokio::test]
async fn where_nothing_is_to_be_told_nothing_is_dialled() {
    let (at, came) = collector(Some(answer("200 OK", b""))).await;
    let (_guard, sending) = to(at, 0.0);
    (0..300).for_each(|_| drop(request("GET", "id", None)));
    sending.finish(LONG).await;
    assert!(came.lock().unwrap().is_empty());
}
