//! What a node is told: flags, environment, `allod.toml`, and `allod config`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use harness::{Allod, Client, Node};
use serde_json::Value;

use crate::home::Home;

fn write(dir: &Path, text: &str) {
    std::fs::write(dir.join("allod.toml"), text).unwrap();
}

fn of<'a>(settings: &'a Value, key: &str) -> &'a Value {
    settings.as_array().unwrap().iter().find(|one| one["key"] == key).expect("a setting")
}

#[tokio::test]
async fn a_node_is_told_by_its_file_and_shows_who_said_what() {
    let home = Home::new().await;
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    write(&dir, "[http]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://file.example.org\"\n");
    let issuer = async |node: &Node| {
        let metadata = Client::new(&node.url, None).unwrap().get("/.well-known/oauth-authorization-server").await;
        metadata.unwrap().json["issuer"].as_str().unwrap().to_owned()
    };
    let node = Node::serve_by(allod.clone(), &dir, allod.command(&dir, &["serve"])).unwrap();
    assert_eq!(issuer(&node).await, "https://file.example.org");
    let shown = node.cli_ok(&["config"]).unwrap();
    assert_eq!(of(&shown, "http.public_url")["value"], "https://file.example.org");
    assert!(of(&shown, "http.public_url")["source"].as_str().unwrap().starts_with("file "), "{shown}");
    assert_eq!(of(&shown, "log.format")["source"], "default");
    node.stop().unwrap();

    let mut command = allod.command(&dir, &["serve"]);
    command.env("ALLOD_URL", "https://variable.example.org");
    let node = Node::serve_by(allod.clone(), &dir, command).unwrap();
    assert_eq!(issuer(&node).await, "https://variable.example.org");
    node.stop().unwrap();

    let mut command = allod.command(&dir, &["serve", "--public-url", "https://flag.example.org"]);
    command.env("ALLOD_HTTP_PUBLIC_URL", "https://variable.example.org");
    let node = Node::serve_by(allod.clone(), &dir, command).unwrap();
    assert_eq!(issuer(&node).await, "https://flag.example.org");
    node.stop().unwrap();

    // A file of another name, and one that is not there.
    let other = root.path().join("other.toml");
    std::fs::rename(dir.join("allod.toml"), &other).unwrap();
    let other = other.to_str().unwrap();
    let shown = allod.ok(&dir, &["config", "--config", other]).unwrap();
    assert_eq!(of(&shown, "http.listen")["value"], "127.0.0.1:0");
    assert_eq!(of(&allod.ok(&dir, &["config"]).unwrap(), "http.listen")["value"], "127.0.0.1:8420");
    let missing = allod.run(&dir, &["serve", "--config", "/nowhere/allod.toml"]).unwrap();
    assert_eq!(missing.refused(2).unwrap(), "config_unreadable");
}

#[tokio::test]
async fn bodies_are_as_large_as_the_operator_lets_in() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let add = |length: usize| {
        let query = "mutation($t: String) { add_Note(input: {text: $t}) { _docID } }";
        serde_json::json!({ "query": query, "variables": { "t": "x".repeat(length) } })
    };
    let post = async |client: &Client, length| client.post("/api/v1/graphql", &add(length)).await.unwrap();
    assert_eq!(post(&home.alice, 200 << 10).await.status, 200, "control");
    let allod = home.node.allod.clone();
    let dir = home.node.stop().unwrap();
    let mut command = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("ALLOD_HTTP_MAX_BODY", "128KiB");
    let node = Node::serve_by(allod, &dir, command).unwrap();
    let alice = home.alice.at(&node.url);
    let refused = post(&alice, 200 << 10).await;
    assert_eq!((refused.status, refused.json["errors"][0]["extensions"]["code"].as_str()), (413, Some("limit_body")));
    assert!(refused.text.contains("128 KiB"), "{}", refused.text);
    assert_eq!(post(&alice, 100 << 10).await.status, 200);
}

#[tokio::test]
async fn bad_settings_are_refused_before_anything_begins_and_tell_no_secret() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let dir = root.path().join("home");
    std::fs::create_dir(&dir).unwrap();
    let key = root.path().join("key");
    std::fs::write(&key, "canary-of-the-key-4711").unwrap();
    let with = |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    with(0o600);
    let file = format!("key_file = {:?}", key.to_str().unwrap());
    let listens = "[policy]\nlisten = \"127.0.0.1:0\"\n";
    for (text, code) in [
        ("[http]\nlistne = \"127.0.0.1:0\"".to_owned(), "config_unknown_key"),
        ("[http]\nlisten = 8420".to_owned(), "config_value"),
        ("[http]\nlisten = \"127.0.0.1\"".to_owned(), "config_value"),
        ("[http]\npublic_url = \"cloud.example.org\"".to_owned(), "config_value"),
        ("[p2p]\ndial_allow = [\"10.0.0.0/99\"]".to_owned(), "config_value"),
        ("[p2p]\npeers = [\"/ip4/10.0.0.7/tcp/4001\"]".to_owned(), "config_value"),
        ("[http]\nmax_body = \"17MiB\"".to_owned(), "config_value"),
        ("[http]\nmax_body = \"1KB\"".to_owned(), "config_value"),
        ("[log]\nformat = \"xml\"".to_owned(), "config_value"),
        ("[log]\nlevel = \"loud,\"".to_owned(), "config_value"),
        ("[http\n".to_owned(), "config_malformed"),
        (listens.to_owned(), "config_incomplete"),
        ("[policy]\nwrite = true".to_owned(), "config_incomplete"),
        ("[policy]\nspicedb = \"127.0.0.1:1\"".to_owned(), "config_incomplete"),
        (format!("{listens}{file}\nkey = \"canary-of-the-key-4711\""), "config_contradiction"),
        (format!("{listens}key_file = \"/nowhere/key\""), "secret_file_unreadable"),
        (format!("{listens}key = \"canary-of-the-key-4711"), "config_malformed"),
    ] {
        write(&dir, &text);
        for command in [&["serve"][..], &["config", "check"]] {
            let refused = allod.run(&dir, command).unwrap();
            assert!(!format!("{}{}", refused.stdout, refused.stderr).contains("canary"), "{}", refused.stdout);
            assert_eq!(refused.refused(2).unwrap(), code, "{text}");
        }
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "nothing was begun by {text}");
    }
    // The control, and what others may do with the key's file.
    write(&dir, &format!("{listens}{file}"));
    let check = || allod.run(&dir, &["config", "check"]).unwrap();
    assert_eq!(check().ok().unwrap()["warnings"], serde_json::json!([]));
    with(0o444);
    let warned = check().ok().unwrap();
    assert_eq!(warned["warnings"].as_array().unwrap().len(), 1, "{warned}");
    with(0o622);
    assert_eq!(check().refused(2).unwrap(), "secret_file_writable");
    let shown = allod.ok(&dir, &["config"]).unwrap();
    assert!(!shown.to_string().contains("canary"), "{shown}");
}

#[tokio::test]
async fn a_log_in_json_is_json_in_every_line() {
    let home = Home::new().await;
    let allod = home.node.allod.clone();
    let dir = home.node.stop().unwrap();
    let mut command = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    command.env("ALLOD_HTTP_LISTNE", "x").env_remove("RUST_LOG");
    let node = Node::serve_by(allod.clone(), &dir, command).unwrap();
    let said = loop {
        let said = node.said();
        if said.contains("LISTNE") {
            break said;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).expect("a JSON line");
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    assert!(said.contains("did you mean ALLOD_HTTP_LISTEN?"), "{said}");
    node.stop().unwrap();
}
