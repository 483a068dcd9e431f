//! What is acknowledged survives kill -9, and is never acknowledged before it is on disk.

use std::os::unix::fs::PermissionsExt;

use harness::Node;
use serde_json::Value;

use crate::home::{Home, OWNER};

#[tokio::test]
async fn kill_9_loses_no_acknowledged_write() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    for n in 0..40 {
        home.alice.graphql(&format!("mutation {{ add_Note(input: {{n: {n}}}) {{ _docID }} }}")).await.unwrap();
    }
    let (allod, _root) = (home.node.allod.clone(), home.root);
    let dir = home.node.kill().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 40);
}

#[tokio::test]
async fn a_missing_or_wrong_node_key_is_a_clear_refusal_and_makes_no_new_key() {
    let home = Home::new().await;
    let (allod, _root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    let key = std::fs::read(dir.join("node.key")).unwrap();
    std::fs::remove_file(dir.join("node.key")).unwrap();
    let refused = allod.run(&dir, &["serve", "--listen", "127.0.0.1:0"]).unwrap();
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(!dir.join("node.key").exists(), "a new key was made silently");
    let mut wrong = key.clone();
    wrong[0] ^= 1;
    std::fs::write(dir.join("node.key"), &wrong).unwrap();
    std::fs::set_permissions(dir.join("node.key"), PermissionsExt::from_mode(0o600)).unwrap();
    let refused = allod.run(&dir, &["serve", "--listen", "127.0.0.1:0"]).unwrap();
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    std::fs::write(dir.join("node.key"), &key).unwrap();
    std::fs::set_permissions(dir.join("node.key"), PermissionsExt::from_mode(0o600)).unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    node.sign_in(OWNER.0, OWNER.1).await.expect("control: with the right key it serves");
}

/// strace makes every fsync and fdatasync of the node fail from a moment on: nothing written after it
/// may be acknowledged, and what was acknowledged before is there when the node is started again.
#[tokio::test]
async fn a_write_whose_fsync_fails_is_never_acknowledged() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    home.alice.graphql("mutation { add_Note(input: {n: 1}) { _docID } }").await.unwrap();
    let pid = home.node.pid().to_string();
    let injected = "inject=fsync,fdatasync:error=EIO";
    let strace = std::process::Command::new("strace")
        .args(["-f", "-q", "-e", "trace=fsync,fdatasync", "-e", injected, "-o", "/dev/null", "-p", &pid])
        .stderr(std::process::Stdio::piped())
        .spawn();
    let Ok(mut strace) = strace else {
        eprintln!("skipped: strace is not installed");
        return;
    };
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    if let Ok(Some(_)) = strace.try_wait() {
        eprintln!("skipped: this machine does not let strace attach");
        return;
    }
    let refused = home.alice.try_graphql("mutation { add_Note(input: {n: 2}) { _docID } }", Value::Null).await;
    let acknowledged = refused.as_ref().is_ok_and(|answer| answer.json["data"]["add_Note"].is_array());
    let _ = strace.kill();
    let _ = strace.wait();
    assert!(!acknowledged, "a write was acknowledged whose fsync failed: {refused:?}");
    let (allod, _root) = (home.node.allod.clone(), home.root);
    let dir = home.node.kill().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let there = alice.graphql("{ Note(order: {n: ASC}) { n } }").await.unwrap();
    assert_eq!(there["Note"][0]["n"], 1, "{there}");
    alice
        .graphql("mutation { add_Note(input: {n: 3}) { _docID } }")
        .await
        .expect("control: without the fault it writes");
}
