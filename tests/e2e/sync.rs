//! Two devices of one person, and a blind replica, over real connections.

use harness::{Node, Replica};

use crate::home::Home;

#[tokio::test]
async fn a_second_device_joins_by_a_code_used_once_and_converges() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    home.alice.graphql(r#"mutation { add_Note(input: {text: "from home"}) { _docID } }"#).await.unwrap();
    let invite = home.node.cli_ok(&["device", "invite"]).unwrap();
    let code = invite["code"].as_str().unwrap();
    assert!(invite["expires"].is_string() || invite["expires"].is_number());
    let dir = home.root.path().join("laptop");
    let joined = home.node.allod.ok(&dir, &["device", "join", code]).unwrap();
    assert!(joined["device"].is_string() && joined["user"].is_string() && joined["spaces"].is_array(), "{joined}");
    let twice = home.node.allod.run(&home.root.path().join("thief"), &["device", "join", code]).unwrap();
    assert_ne!(twice.code, 0, "a code works once");
    assert_eq!(home.node.cli_ok(&["device", "list"]).unwrap().as_array().unwrap().len(), 2);
    let laptop = Node::serve(&home.node.allod, &dir).unwrap();
    let waited = laptop.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    assert!(waited["peers"][0]["reachable"].as_bool().unwrap(), "{waited}");
    let there = laptop.operator().unwrap();
    assert_eq!(there.graphql("{ Note { text } }").await.unwrap()["Note"][0]["text"], "from home");
    there.graphql(r#"mutation { add_Note(input: {text: "from the laptop"}) { _docID } }"#).await.unwrap();
    laptop.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    assert_eq!(home.alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 2);
    // A link works where its maker has an account, and so is made there.
    let link = ["link", "add", "Note", "--fields", "text"];
    assert_eq!(laptop.cli(&link).unwrap().refused(1).unwrap(), "account_elsewhere");
    assert_eq!(laptop.cli_ok(&["link", "list"]).unwrap(), serde_json::json!([]), "nothing was made");
    home.node.cli_ok(&link).expect("control");
}

#[tokio::test]
async fn a_blind_replica_holds_everything_and_reads_nothing() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let secret = "canary-7f3a91c2-in-the-coal-mine";
    home.alice.graphql(&format!("mutation {{ add_Note(input: {{text: \"{secret}\"}}) {{ _docID }} }}")).await.unwrap();
    let dir = home.root.path().join("centre");
    Replica::init(&home.node.allod, &dir).unwrap();
    let replica = Replica::serve(&home.node.allod, &dir, None).unwrap();
    let added = home.node.cli_ok(&["replica", "add", &replica.addr]).unwrap();
    assert!(added["replica"].is_string() && added["spaces"].is_array(), "{added}");
    home.node.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    let listed = home.node.cli_ok(&["replica", "list"]).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let dir = replica.kill().unwrap();
    let mut bytes = Vec::new();
    let mut dirs = vec![dir];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { bytes.extend(std::fs::read(path).unwrap()) }
        }
    }
    let holds = |needle: &str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
    assert!(bytes.len() > 1_000, "the replica stored something");
    assert!(!holds(secret) && !holds("Note"), "plaintext on the replica");
    let read = home.alice.graphql("{ Note { text } }").await.unwrap();
    assert!(read.to_string().contains(secret), "control: Alice reads it");
}

#[tokio::test]
async fn sync_wait_without_a_reachable_peer_fails() {
    let home = Home::new().await;
    let waited = home.node.cli(&["sync", "wait", "--timeout", "1s"]).unwrap();
    assert_eq!(waited.code, 1, "{}", waited.stdout);
}
