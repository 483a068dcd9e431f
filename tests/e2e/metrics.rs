//! What a node tells of itself in figures, to whom, and what is never among them.

use std::process::Command;

use harness::{Allod, Client, Node};
use serde_json::json;

use crate::home::{Home, OWNER};

/// The value of a sample; 0 if it is not told.
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().expect("a number"))
}

async fn told(node: &Node) -> String {
    let answer = node.operator().unwrap().get("/metrics").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

/// Answers are kept for half a second: asks until `enough`.
async fn told_when(node: &Node, enough: impl Fn(&str) -> bool) -> String {
    for _ in 0..100 {
        let text = told(node).await;
        if enough(&text) {
            return text;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("never: {}", told(node).await)
}

#[tokio::test]
async fn figures_follow_what_happens_and_hold_no_name() {
    let home = Home::new().await;
    home.alice.define("type Canarybird { feathersong: String }").await.unwrap();
    home.node.cli_ok(&["tenant", "add", "canaryhouse"]).unwrap();
    home.user("mallorycanary", Some("canaryhouse")).await;
    let access = json!({ "type": "allod_doc", "datatypes": ["Canarybird"], "actions": ["read", "search"],
        "fields": { "allow": ["feathersong"] } });
    let (app, grant) = home.app(&access, &access);
    let before = told(&home.node).await;
    let graphql = r#"allod_http_requests_total{route="/api/v1/graphql",method="POST",status="2xx"}"#;
    let seconds = r#"allod_http_request_duration_seconds_count{route="/api/v1/graphql",method="POST"}"#;
    for _ in 0..3 {
        let add = r#"mutation { add_Canarybird(input: [{ feathersong: "canaryvalue" }]) { _docID } }"#;
        home.alice.graphql(add).await.unwrap();
    }
    app.graphql("{ Canarybird { feathersong } }").await.unwrap();
    let unmatched = r#"allod_http_requests_total{route="(none)",method="GET",status="4xx"}"#;
    home.alice.get("/canarypath/feathersong").await.unwrap();
    let after = told_when(&home.node, |text| value(text, graphql) >= value(&before, graphql) + 4.0).await;
    assert_eq!(value(&after, graphql), value(&before, graphql) + 4.0);
    assert_eq!(value(&after, seconds), value(&before, seconds) + 4.0);
    assert_eq!(value(&after, unmatched), value(&before, unmatched) + 1.0);
    let commits = "allod_log_commit_seconds_count";
    assert!(value(&after, commits) >= value(&before, commits) + 3.0, "{after}");
    assert!(value(&after, "allod_log_size_bytes") > 0.0 && value(&after, "allod_views_open") >= 1.0, "{after}");
    assert!(value(&after, "allod_views_size_bytes") > 0.0 && value(&after, "allod_policy_epoch") > 0.0, "{after}");
    assert_eq!(value(&after, "allod_writing"), 1.0);
    assert!(value(&after, "allod_background_tasks") >= 2.0, "{after}");
    assert!(value(&after, "process_resident_memory_bytes") > 1e6, "{after}");
    assert!(value(&after, r#"allod_memory_budget_bytes{pool="bodies"}"#) > 1e6, "{after}");
    assert!(after.contains("allod_policy_answer_seconds_count{question=\"check\",outcome=\"answered\"}"), "{after}");
    let secrets = [home.alice.token.clone().unwrap(), app.token.clone().unwrap(), grant];
    let ids = ["user", "tenant", "space"].map(|key| home.made[key].as_str().unwrap().to_owned());
    let names = ["alice", "mallory", "canary", "Canary", "feathersong", "An App"].map(str::to_owned);
    for never in secrets.iter().chain(&ids).chain(&names) {
        assert!(!after.contains(never), "{never} in {after}");
    }
}

#[tokio::test]
async fn only_operators_read_them_at_the_address_of_people() {
    let home = Home::new().await;
    home.alice.define("type Book { title: String }").await.unwrap();
    let access =
        json!({ "type": "allod_doc", "datatypes": ["Book"], "actions": ["read"], "fields": { "allow": ["title"] } });
    let (app, _) = home.app(&access, &access);
    let bob = home.user("bob", None).await;
    for (who, client, status) in [
        ("a stranger", home.alice.nobody(), 401),
        ("a wrong token", home.alice.with_token("nothing"), 401),
        ("another person", bob, 403),
        ("an app", app, 403),
    ] {
        let answer = client.get("/metrics").await.unwrap();
        assert_eq!(answer.status, status, "{who}: {}", answer.text);
        assert!(!answer.text.contains("allod_http"), "{who}: {}", answer.text);
    }
    assert!(told(&home.node).await.contains("allod_http_requests_total"), "control");
    assert!(home.alice.get("/metrics").await.unwrap().text.contains("allod_http_requests_total"), "an operator");
}

#[tokio::test]
async fn an_address_of_their_own_serves_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let dir = root.path().join("home");
    Node::init(&allod, &dir, OWNER.0, "home", OWNER.1).unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
    let command: Command = allod.command(&dir, &serve);
    let node = Node::serve_by(allod, &dir, command).unwrap();
    let there = node.ready["metrics"].as_str().expect("where they are");
    let there = Client::new(there.strip_suffix("/metrics").unwrap(), None).unwrap();
    let answer = there.get("/metrics").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.text.ends_with("# EOF\n") && answer.text.contains("allod_build_info{"), "{}", answer.text);
    let token = std::fs::read_to_string(node.dir.join("local.token")).unwrap();
    let operator = there.with_token(token.trim());
    for path in
        ["/", "/healthz", "/admin/", "/api/v1/users", "/api/v1/session", "/metrics/", "/setup", "/oauth/authorize"]
    {
        assert_eq!(operator.get(path).await.unwrap().status, 404, "{path}");
    }
    assert_eq!(operator.post("/api/v1/stop", &json!({})).await.unwrap().status, 404);
    assert_eq!(operator.post("/metrics", &json!({})).await.unwrap().status, 405);
    let main = node.operator().unwrap().nobody().get("/metrics").await.unwrap();
    assert_eq!(main.status, 401, "the node's own address does not tell them to whoever asks");
    node.stop().unwrap();
    assert!(there.get("/metrics").await.is_err(), "nobody is there any more");
}
