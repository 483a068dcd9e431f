//! What is acknowledged survives kill -9, and is never acknowledged before it is on disk.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::{Client, Node};
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

/// Attaches strace to a running node; `None`, with a note, where that cannot be done.
async fn strace(node: &Node, args: &[&str]) -> Option<Child> {
    let pid = node.pid().to_string();
    let mut command = Command::new("strace");
    command.args(["-f", "-q"]).args(args).args(["-p", &pid]).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("skipped: strace is not installed");
        return None;
    };
    tokio::time::sleep(Duration::from_millis(800)).await;
    if let Ok(Some(_)) = child.try_wait() {
        eprintln!("skipped: this machine does not let strace attach");
        return None;
    }
    Some(child)
}

fn end(mut strace: Child) {
    // SIGTERM lets it detach and write out; a killed one would leave the node stopped.
    let _ = Command::new("kill").arg(strace.id().to_string()).status();
    // It hears no signal while it waits for threads of a process that died under it, sometimes for ever.
    for _ in 0..100 {
        if matches!(strace.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = strace.kill();
    let _ = strace.wait();
}

async fn serve(home: Home, durable: bool) -> (Home, Node, Client) {
    let (allod, dir) = (home.node.allod.clone(), home.node.dir.clone());
    let Home { node, root, alice, made } = home;
    alice.define("type Note { n: Int }").await.unwrap();
    alice.graphql("mutation { add_Note(input: {n: 1}) { _docID } }").await.unwrap();
    node.stop().unwrap();
    let mut command = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    if !durable {
        command.env("ALLOD_TEST_LOG_WITHOUT_FSYNC", "1");
    }
    let node = Node::serve_by(allod.clone(), &dir, command).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    // A first read, so that what is written next is the write alone.
    assert_eq!(alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 1);
    let spare = Node::init(&allod, &root.path().join("spare"), OWNER.0, "home", OWNER.1).unwrap();
    let idle = Node::serve(&allod, &root.path().join("spare")).unwrap();
    drop(spare);
    (Home { node: idle, root, alice: alice.clone(), made }, node, alice)
}

/// Every fsync and fdatasync of the node fails from a moment on: is a write acknowledged?
async fn acknowledged_while_fsync_fails(node: &Node, alice: &Client) -> Option<bool> {
    let inject = "inject=fsync,fdatasync:error=EIO";
    let tracer = strace(node, &["-e", "trace=fsync,fdatasync", "-e", inject, "-o", "/dev/null"]).await?;
    let answer = alice.try_graphql("mutation { add_Note(input: {n: 2}) { _docID } }", Value::Null).await;
    end(tracer);
    Some(answer.is_ok_and(|answer| answer.json["data"]["add_Note"].is_array()))
}

/// Nothing written after it is acknowledged, and what was acknowledged before is there when the node
/// is started again.
#[tokio::test]
async fn a_write_whose_fsync_fails_is_never_acknowledged() {
    let (home, node, alice) = serve(Home::new().await, true).await;
    let Some(acknowledged) = acknowledged_while_fsync_fails(&node, &alice).await else { return };
    assert!(!acknowledged, "a write was acknowledged whose fsync failed");
    let still = alice.try_graphql("mutation { add_Note(input: {n: 4}) { _docID } }", Value::Null).await.unwrap();
    assert_eq!(still.codes(), ["unavailable"], "a node whose log failed does not write: {}", still.text);
    let allod = node.allod.clone();
    let dir = node.kill().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let there = alice.graphql("{ Note(order: {n: ASC}) { n } }").await.unwrap();
    assert_eq!(there["Note"][0]["n"], 1, "{there}");
    let again = alice.graphql("mutation { add_Note(input: {n: 3}) { _docID } }").await;
    again.expect("control: without the fault it writes");
    drop(home);
}

/// A large write is put on disk in parts. Wherever among them the node dies, all of it is there afterwards or nothing, and
/// nothing is left of what is not there.
#[tokio::test]
async fn a_large_write_that_is_killed_between_its_parts_is_there_whole_or_not_at_all() {
    const DOCUMENTS: usize = 12;
    let home = Home::new().await;
    home.alice.define("type Big { text: String }").await.unwrap();
    let (allod, root) = (home.node.allod.clone(), home.root);
    let mut dir = home.node.stop().unwrap();
    let items = vec![serde_json::json!({ "text": "x".repeat(900_000) }); DOCUMENTS];
    let add = "mutation($i: [BigMutationInputArg!]!) { add_Big(input: $i) { _docID } }";
    let (mut there, mut lost) = (0, 0);
    for sync in [1, 2, 4, 8, 1_000] {
        let node = Node::serve(&allod, &dir).unwrap();
        let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
        let kill = format!("inject=fsync,fdatasync:signal=KILL:when={sync}");
        let Some(tracer) = strace(&node, &["-e", "trace=fsync,fdatasync", "-e", &kill, "-o", "/dev/null"]).await else {
            return;
        };
        let answer = alice.try_graphql(add, serde_json::json!({ "i": items })).await;
        let written = answer.is_ok_and(|answer| answer.json["data"]["add_Big"].is_array());
        end(tracer);
        dir = node.kill().unwrap();
        let node = Node::serve(&allod, &dir).unwrap();
        let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
        let count = alice.graphql("{ COUNT(Big: {}) }").await.unwrap()["COUNT"].as_u64().unwrap() as usize;
        assert!(count == there || count == there + DOCUMENTS, "{count} after {there}, killed at sync {sync}");
        assert!(!written || count > there, "acknowledged and lost, killed at sync {sync}");
        lost += usize::from(count == there);
        there = count;
        let whole = alice.graphql("{ COUNT(Big: {filter: {text: {_like: \"%x\"}}}) }").await.unwrap();
        assert_eq!(whole["COUNT"], there);
        dir = node.stop().unwrap();
        let log = rusqlite::Connection::open(dir.join("log.db")).unwrap();
        let left = "SELECT count(*) FROM log_part WHERE \"commit\" NOT IN (SELECT \"commit\" FROM log_row)";
        assert_eq!(log.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap(), 0, "killed at sync {sync}");
    }
    assert!(lost > 0 && there > 0, "control: some died before their end ({lost}), and not all ({there} are there)");
    drop(root);
}

/// The control of the test on a sync that fails: a log that does not wait for the disk acknowledges such a write, so
/// the check can fail. Only development builds can be opened so.
#[tokio::test]
async fn the_check_fails_on_a_log_that_does_not_wait_for_the_disk() {
    let (home, node, alice) = serve(Home::new().await, false).await;
    let Some(acknowledged) = acknowledged_while_fsync_fails(&node, &alice).await else { return };
    assert!(acknowledged, "this binary cannot be opened without fsync: is it a release build?");
    drop(home);
}

/// Between a request and its answer the log is synced: seen from outside, in the order of system calls.
#[tokio::test]
async fn every_acknowledgement_comes_after_an_fsync_of_the_log() {
    let (home, node, alice) = serve(Home::new().await, true).await;
    let trace = home.root.path().join("trace");
    let calls = "trace=fsync,fdatasync,write,writev,sendto,sendmsg";
    let file = trace.to_str().expect("a UTF-8 path");
    let Some(tracer) = strace(&node, &["-y", "-s", "64", "-e", calls, "-o", file]).await else { return };
    for n in 0..5 {
        alice.graphql(&format!("mutation {{ add_Note(input: {{n: {n}}}) {{ _docID }} }}")).await.unwrap();
    }
    end(tracer);
    let text = std::fs::read_to_string(&trace).unwrap();
    let (mut synced, mut answers) = (false, 0);
    for line in text.lines() {
        if line.contains("sync(") && line.contains("log.db") {
            synced = true;
        }
        if line.contains("HTTP/1.1 200 OK") {
            assert!(synced, "an answer without an fsync of the log before it:\n{text}");
            synced = false;
            answers += 1;
        }
    }
    assert_eq!(answers, 5, "{text}");
}
