//! `allod status` and `allod doctor`: how a running node is, for whoever holds its machine.

use std::os::unix::fs::PermissionsExt;

use harness::{Allod, Node};
use serde_json::{Value, json};

use crate::home::Home;

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[tokio::test]
async fn status_is_one_screen_for_operators_alone() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    home.alice.graphql(r#"mutation { add_Note(input: {text: "canary"}) { _docID } }"#).await.unwrap();
    let status = home.node.cli_ok(&["status"]).unwrap();
    assert_eq!((&status["set_up"], &status["ready"]), (&json!(true), &json!(true)), "{status}");
    assert_eq!((status["people"]["users"].as_u64(), status["spaces"].as_u64()), (Some(1), Some(1)), "{status}");
    for bytes in ["log", "views", "free"] {
        assert!(status["bytes"][bytes].as_u64().unwrap() > 0, "{bytes} in {status}");
    }
    assert!(status["reasons"].as_array().unwrap().is_empty() && status["certificate"].is_null(), "{status}");
    assert!(!status.to_string().contains("canary"));
    let bob = home.user("bob", None).await;
    for (who, client, expected) in [
        ("a stranger", home.alice.nobody(), 401),
        ("somebody else", bob, 403),
        ("an operator", home.alice.clone(), 200),
    ] {
        assert_eq!(client.get("/api/v1/status").await.unwrap().status, expected, "{who}");
    }
    let output = home.node.allod.command(&home.node.dir, &["status"]);
    // Without --json: a screen.
    let args: Vec<_> = output.get_args().filter(|arg| *arg != "--json").map(ToOwned::to_owned).collect();
    let said = std::process::Command::new(output.get_program()).args(args).output().unwrap();
    let screen = String::from_utf8(said.stdout).unwrap();
    assert!(screen.starts_with("Allod ") && screen.contains("well") && screen.lines().count() < 20, "{screen}");
    let dir = home.node.stop().unwrap();
    assert_eq!(Allod::find().unwrap().run(&dir, &["status"]).unwrap().refused(5).unwrap(), "node_unreachable");
}

#[tokio::test]
async fn doctor_is_a_checklist_that_asks_a_running_node() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    for n in 0..40 {
        home.alice.graphql(&format!("mutation {{ add_Note(input: {{n: {n}}}) {{ _docID }} }}")).await.unwrap();
    }
    let report = home.node.cli_ok(&["doctor"]).unwrap();
    for name in [
        "node_key",
        "node_database",
        "log",
        "file_modes",
        "disk",
        "writing",
        "clock",
        "policy",
        "peers",
        "node_pages",
        "log_chain",
        "views",
    ] {
        let check = check(&report, name);
        assert_eq!((check["state"].as_str(), check["fix"].as_str()), (Some("ok"), Some("")), "{check}");
        assert!(check["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{check}");
    }
    let commits = check(&report, "log_chain")["detail"].as_str().unwrap().split(' ').next().unwrap().parse::<u64>();
    assert!(commits.unwrap() >= 40, "{report}");
    // What others could read meanwhile is named, with the command that closes it.
    let key = home.node.dir.join("node.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = home.node.cli(&["doctor"]).unwrap();
    let modes = check(&open.json, "file_modes");
    assert_eq!((open.code, modes["state"].as_str()), (1, Some("bad")), "{modes}");
    assert_eq!(modes["fix"], format!("chmod go= {}", key.display()));
    let status = home.node.cli_ok(&["status"]).unwrap();
    assert_eq!((&status["ready"], &status["reasons"][0]["name"]), (&json!(false), &json!("file_modes")), "{status}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    home.node.cli_ok(&["doctor"]).expect("control: it is closed again");
}

#[tokio::test]
async fn a_frame_of_the_log_that_was_changed_on_the_disk_is_found_and_named() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    for n in 0..8 {
        home.alice.graphql(&format!("mutation {{ add_Note(input: {{text: \"{n}\"}}) {{ _docID }} }}")).await.unwrap();
    }
    let allod = home.node.allod.clone();
    let dir = home.node.stop().unwrap();
    assert_eq!(check(&allod.ok(&dir, &["doctor"]).unwrap(), "log_chain")["state"], "ok", "control");
    let log = rusqlite::Connection::open(dir.join("log.db")).unwrap();
    let table: String = log
        .query_row("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%body%'", [], |row| row.get(0))
        .unwrap();
    let (id, mut body): (i64, Vec<u8>) = log
        .query_row(&format!("SELECT rowid, body FROM {table} ORDER BY rowid DESC LIMIT 1"), [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let middle = body.len() / 2;
    body[middle] ^= 1;
    log.execute(&format!("UPDATE {table} SET body = ?1 WHERE rowid = ?2"), (&body, id)).unwrap();
    drop(log);
    let found = allod.run(&dir, &["doctor"]).unwrap();
    let chain = check(&found.json, "log_chain");
    assert_eq!((found.code, chain["state"].as_str()), (1, Some("bad")), "{}", found.stdout);
    assert!(chain["detail"].as_str().unwrap().contains("at position"), "{chain}");
}

#[tokio::test]
async fn a_node_that_is_not_set_up_says_so() {
    let root = tempfile::tempdir().unwrap();
    let node = Node::serve(&Allod::find().unwrap(), &root.path().join("fresh")).unwrap();
    let status = node.cli_ok(&["status"]).unwrap();
    assert_eq!((&status["set_up"], &status["ready"]), (&json!(false), &json!(false)), "{status}");
}
