//! What a node logs, at which level, and what never comes into its log.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Allod, Client, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::{Home, OWNER};

/// Serves a node whose log goes whole into a file beside it.
fn served(allod: &Allod, dir: &Path, level: &str) -> (Node, PathBuf) {
    let log = dir.with_extension("log");
    let inner = allod.command(dir, &["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--log-level", level]);
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$0" "$@" 2>>"$ALLOD_TEST_LOG""#]).arg(inner.get_program()).args(inner.get_args());
    command.env("ALLOD_TEST_LOG", &log).env_remove("ALLOD_DATA").env_remove("RUST_LOG");
    (Node::serve_by(allod.clone(), dir, command).unwrap(), log)
}

fn lines(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

/// The first line that is so, when it is there.
async fn line(log: &Path, is: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..200 {
        if let Some(line) = lines(log).into_iter().find(&is) {
            return line;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("never: {}", std::fs::read_to_string(log).unwrap())
}

#[tokio::test]
async fn what_an_operator_must_see_stands_at_its_level_with_its_request() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let dir = root.path().join("home");
    Node::init(&allod, &dir, OWNER.0, "home", OWNER.1).unwrap();
    let (node, log) = served(&allod, &dir, "warn,allod=info");
    let started = line(&log, |line| line["message"] == "started").await;
    assert_eq!((&started["level"], &started["target"]), (&json!("INFO"), &json!("allod::node")), "{started}");

    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let wrong = json!({ "user": "alice", "password": "the wrong canary password" });
    let refused = alice.nobody().request(Method::POST, "/api/v1/session").json(&wrong).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let id = refused.headers()["x-request-id"].to_str().unwrap().to_owned();
    let told = line(&log, |line| line["target"] == "allod::sign_in").await;
    assert_eq!((&told["level"], &told["failures"]), (&json!("WARN"), &json!(1)), "{told}");
    assert_eq!(told["span"]["request_id"], json!(id), "{told}");

    alice.define("type Book { title: String }").await.unwrap();
    let link = json!({ "collection": "Book", "fields": ["title"], "until": "P1D" });
    let link = alice.post("/api/v1/links", &link).await.unwrap();
    assert!(link.status < 300, "{}", link.text);
    let of_link = format!("/api/v1/links/{}", link.json["link"].as_str().expect("an id"));
    let removed = alice.request(Method::DELETE, &of_link).send().await.unwrap();
    let id = removed.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(removed.status().is_success());
    let told = line(&log, |line| line["action"] == "link.removed").await;
    assert_eq!((&told["level"], &told["span"]["request_id"]), (&json!("INFO"), &json!(id)), "{told}");
    let out = alice.request(Method::DELETE, "/api/v1/session").send().await.unwrap();
    let id = out.headers()["x-request-id"].to_str().unwrap().to_owned();
    let told = line(&log, |line| line["action"] == "token.ended").await;
    assert_eq!(told["span"]["request_id"], json!(id), "{told}");

    // A stranger's node dials this one, which shares nothing with it.
    let other = Home::new().await;
    let at: Value = serde_json::from_slice(&std::fs::read(dir.join("node.json")).unwrap()).unwrap();
    other.node.cli_ok(&["replica", "add", at["p2p"][0].as_str().unwrap()]).unwrap();
    let told = line(&log, |line| line["target"] == "allod::sync").await;
    assert_eq!(told["level"], "WARN", "{told}");
    assert!(told["peer"].as_str().is_some_and(|peer| peer.starts_with("12D3Koo")) && told["times"] == 1, "{told}");

    node.stop().unwrap();
    let said: Vec<Value> = lines(&log).into_iter().filter(|line| line["target"] == "allod::node").collect();
    let said: Vec<&str> = said.iter().filter_map(|line| line["message"].as_str()).collect();
    assert_eq!(said, ["started", "stopping", "stopped"]);
}

/// Everything that the node and its libraries have to say.
#[tokio::test]
async fn no_value_no_password_and_no_token_comes_into_a_log_however_much_is_logged() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let dir = root.path().join("home");
    let password = "canarypassword of the owner";
    Node::init(&allod, &dir, "alice", "home", password).unwrap();
    let (node, log) = served(&allod, &dir, "trace");
    let alice = node.sign_in("alice", password).await.unwrap();
    alice.define("type Note { text: String }").await.unwrap();
    alice.graphql(r#"mutation { add_Note(input: [{ text: "canaryvalue" }]) { _docID } }"#).await.unwrap();
    let filtered = r#"{ Note(filter: { text: { _eq: "canaryvalue" } }) { text _docID } }"#;
    assert!(alice.graphql(filtered).await.unwrap().to_string().contains("canaryvalue"), "control");
    alice
        .get("/api/v1/graphql?query=%7BNote(filter:%7Btext:%7B_eq:%22canaryvalue%22%7D%7D)%7Btext%7D%7D")
        .await
        .unwrap();
    alice.graphql(r#"mutation { update_Note(filter: { text: { _eq: "canaryvalue" } }, input: { text: "canaryvalue2" }) { text } }"#)
        .await
        .unwrap();
    alice
        .try_graphql(r#"{ Note(filter: { text: { _eq: canaryvalue } }) { canaryvalue } }"#, Value::Null)
        .await
        .unwrap();
    alice.post("/api/v1/session/confirm", &json!({ "password": "canarypassword, wrong" })).await.unwrap();
    for (user, password) in [("alice", "canarypassword, wrong"), ("canaryvalue", "x"), ("canary\nvalue", "x")] {
        alice.nobody().post("/api/v1/session", &json!({ "user": user, "password": password })).await.unwrap();
    }
    alice.get("/api/v1/canaryvalue?token=canaryvalue").await.unwrap();
    alice.nobody().with_token("canaryvalue").get("/api/v1/spaces").await.unwrap();
    let link = json!({ "collection": "Note", "fields": ["text"], "until": "P1D" });
    let link = alice.post("/api/v1/links", &link).await.unwrap();
    let secret = link.json["token"].as_str().expect("a token").to_owned();
    let visitor: Client = alice.with_token(&secret);
    visitor.graphql("{ Note { text } }").await.unwrap();
    visitor.nobody().get(&format!("/l/{secret}")).await.unwrap();
    let operator = node.operator().unwrap();
    operator.get("/api/v1/policy/audit").await.unwrap();
    let tokens = [alice.token.clone().unwrap(), operator.token.unwrap(), secret];
    node.stop().unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("\"TRACE\"") && text.contains("/api/v1/graphql"), "control: much is logged");
    for never in tokens.iter().map(String::as_str).chain(["canaryvalue", "canarypassword", "canary\\nvalue"]) {
        let found = text.lines().find(|line| line.contains(never));
        assert!(found.is_none(), "{never} in {found:?}");
    }
}
