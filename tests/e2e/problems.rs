//! What a node answers when it does not do what was asked: problems (RFC 9457) on `/api/v1`, and beside it the shape of
//! whatever protocol was spoken.

use reqwest::Method;
use serde_json::{Value, json};

use crate::home::Home;

/// Status, media type, name of the request and body of an answer.
async fn told(request: reqwest::RequestBuilder) -> (u16, String, String, Value) {
    let answer = request.send().await.unwrap();
    let header =
        |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let (status, kind, id) = (answer.status().as_u16(), header("content-type"), header("x-request-id"));
    (status, kind, id, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
}

#[tokio::test]
async fn whatever_is_refused_on_the_api_is_a_problem() {
    let home = Home::new().await;
    let (alice, nobody) = (&home.alice, home.alice.nobody());
    let json = |method: Method, path: &str, text: &str| {
        alice.request(method, path).header("content-type", "application/json").body(text.to_owned())
    };
    let unhosted = alice.request(Method::GET, "/api/v1/spaces").header("host", "evil.example");
    for (what, request, status, code) in [
        ("nobody", nobody.request(Method::GET, "/api/v1/spaces"), 401, "unauthenticated"),
        ("a token of nobody", alice.with_token("x").request(Method::GET, "/api/v1/spaces"), 401, "invalid_token"),
        ("not allowed", alice.request(Method::GET, "/api/v1/doctor"), 403, "operator_only"),
        ("not there", alice.request(Method::GET, "/api/v1/grants/1"), 404, "not_found"),
        ("no route", alice.request(Method::GET, "/api/v1/nowhere"), 404, "not_found"),
        ("no route, nobody", nobody.request(Method::POST, "/api/v1"), 404, "not_found"),
        ("a method", alice.request(Method::PUT, "/api/v1/spaces"), 405, "method_not_allowed"),
        ("no JSON", json(Method::POST, "/api/v1/spaces", "{"), 400, "bad_request"),
        ("a key", json(Method::POST, "/api/v1/spaces", r#"{"name":"a","x":1}"#), 400, "bad_request"),
        ("a type", alice.request(Method::POST, "/api/v1/spaces").body("x"), 415, "unsupported_media_type"),
        ("a parameter", alice.request(Method::GET, "/api/v1/folders?space=a&space=b"), 400, "bad_request"),
        ("large", json(Method::POST, "/api/v1/spaces", &"x".repeat((1 << 20) + 1)), 413, "limit_body"),
        (
            "coded",
            json(Method::POST, "/api/v1/spaces", "{}").header("content-encoding", "gzip"),
            415,
            "unsupported_media_type",
        ),
        ("a host", unhosted, 421, "host_unknown"),
    ] {
        let (told_status, kind, id, problem) = told(request).await;
        assert_eq!((told_status, &problem["code"]), (status, &json!(code)), "{what}: {problem}");
        assert_eq!(kind, "application/problem+json", "{what}");
        assert_eq!(problem["status"], status, "{what}");
        assert_eq!(problem["type"], format!("urn:problem-type:allod:{code}"), "{what}");
        assert_eq!((&problem["request_id"], id.len()), (&json!(id), 24), "{what}");
        for text in ["title", "detail"] {
            assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{what}: {text} of {problem}");
        }
        assert!(problem["hint"].is_string(), "{what}: {problem}");
        // The shape of before, for a version.
        assert_eq!(problem["error"]["code"], code, "{what}");
    }
    let (status, kind, _, made) = told(json(Method::POST, "/api/v1/spaces", r#"{"name":"a"}"#)).await;
    assert_eq!((status, kind.as_str()), (201, "application/json"), "control: {made}");
}

#[tokio::test]
async fn other_protocols_keep_their_shapes() {
    let home = Home::new().await;
    let nobody = home.alice.nobody();
    for path in ["/api/v1/graphql", "/api/graphql", "/api/v0/graphql"] {
        let sent = |method: Method| nobody.request(method, path).json(&json!({ "query": "{__typename}" }));
        for (request, status, code) in
            [(sent(Method::POST), 401, "unauthenticated"), (sent(Method::PUT), 405, "method_not_allowed")]
        {
            let (told_status, kind, id, body) = told(request).await;
            assert_eq!((told_status, kind.as_str()), (status, "application/json"), "{path}: {body}");
            assert_eq!(body["errors"][0]["extensions"]["code"], code, "{path}: {body}");
            assert_eq!(body["errors"][0]["extensions"]["request_id"], id.as_str(), "{path}");
            assert!(body["errors"][0]["message"].is_string() && body.get("data").is_none(), "{path}: {body}");
        }
    }
    let large = nobody.request(Method::POST, "/oauth/token").body("x".repeat((64 << 10) + 1));
    for (request, status) in [
        (nobody.request(Method::PUT, "/oauth/token"), 405),
        (nobody.request(Method::GET, "/oauth/nowhere"), 404),
        (large, 413),
    ] {
        let (told_status, kind, _, body) = told(request).await;
        assert_eq!((told_status, kind.as_str()), (status, "application/json"), "{body}");
        assert_eq!(body["error"], "invalid_request", "{body}");
        assert!(body["error_description"].is_string(), "{body}");
    }
    let (status, kind, id, body) = told(nobody.request(Method::GET, "/api/v0/nowhere")).await;
    assert_eq!((status, kind.as_str(), &body["error"]["code"]), (404, "application/json", &json!("not_found")));
    assert_eq!(body["request_id"], id.as_str());
}

#[tokio::test]
async fn the_command_line_keeps_its_shape() {
    let home = Home::new().await;
    let run = home.node.cli(&["grant", "show", "00000000000000000000000000000001"]).expect("the command runs");
    assert_eq!(run.refused(4).unwrap(), "not_found");
}
