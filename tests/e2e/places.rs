//! Backups to a bucket, and a node that is restored while nobody owns it yet.

use std::path::PathBuf;

use harness::s3::{Fault, KEY, KEY_ID, S3Server};
use harness::{Allod, Client, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::OWNER;

const PLACE: &str = "s3://backups/home";

/// A node that reaches a bucket, with recovery words.
struct Kept {
    server: S3Server,
    allod: Allod,
    root: tempfile::TempDir,
    node: Node,
    made: Value,
    words: String,
}

impl Kept {
    async fn new() -> Kept {
        let server = S3Server::start("backups");
        let root = tempfile::tempdir().unwrap();
        let allod =
            server.variables().iter().fold(Allod::find().unwrap(), |allod, (key, value)| allod.with(key, value));
        let dir = root.path().join("home");
        let made = Node::init(&allod, &dir, OWNER.0, "home", OWNER.1).unwrap();
        let node = Node::serve(&allod, &dir).unwrap();
        let words = root.path().join("words").to_str().unwrap().to_owned();
        node.cli_ok(&["recovery", "create", "--file", &words]).unwrap();
        Kept { server, allod, root, node, made, words }
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    async fn alice(&self) -> Client {
        self.node.sign_in(OWNER.0, OWNER.1).await.unwrap()
    }

    fn backup(&self) -> Value {
        self.node.cli_ok(&["backup", "create", "--to", PLACE]).unwrap()
    }

    fn words(&self) -> String {
        std::fs::read_to_string(&self.words).unwrap()
    }
}

pub(crate) async fn add(client: &Client, text: &str) {
    client.graphql(&format!("mutation {{ add_Note(input: {{text: \"{text}\"}}) {{ _docID }} }}")).await.unwrap();
}

pub(crate) async fn texts(client: &Client) -> Vec<String> {
    let read = client.graphql("{ Note(order: {text: ASC}) { text } }").await.unwrap();
    read["Note"].as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_node_is_backed_up_to_a_bucket_verified_pruned_mended_and_found_again_from_it() {
    let kept = Kept::new().await;
    let alice = kept.alice().await;
    alice.define("type Note { text: String }").await.unwrap();
    add(&alice, "one").await;
    let first = kept.backup();
    assert_eq!((&first["bytes"], &first["caution"]), (&first["new_bytes"], &Value::Null), "{first}");
    assert!(first["verified"]["equal"].as_u64().unwrap() >= 1);
    add(&alice, "two").await;
    let second = kept.backup();
    assert!(second["new_bytes"].as_u64().unwrap() < first["new_bytes"].as_u64().unwrap(), "{first} {second}");

    // A file that is lost, and one that is altered, are found by the next backup.
    let mut files: Vec<PathBuf> = Vec::new();
    for part in std::fs::read_dir(kept.server.file("backups/home/data")).unwrap() {
        files.extend(std::fs::read_dir(part.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    for (n, file) in files.iter().enumerate() {
        let whole = std::fs::read(file).unwrap();
        if n % 2 == 0 {
            std::fs::remove_file(file).unwrap();
        } else {
            let mut bad = whole.clone();
            bad[whole.len() / 3] ^= 4;
            std::fs::write(file, bad).unwrap();
        }
    }
    assert!(kept.node.cli(&["backup", "verify", "--to", PLACE]).unwrap().refused(1).is_ok());
    let third = kept.backup();
    assert!(third["mended"].as_u64().unwrap() >= 2, "{third}");
    kept.node.cli_ok(&["backup", "verify", "--to", PLACE]).unwrap();
    let listed = kept.node.cli_ok(&["backup", "list", "--to", PLACE]).unwrap();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["backup"]), (3, &third["backup"]));
    let pruned = kept.node.cli_ok(&["backup", "prune", "--to", PLACE, "--keep-daily", "1"]).unwrap();
    assert_eq!((pruned["kept"].as_array().unwrap().len(), pruned["removed"].as_array().unwrap().len()), (1, 2));
    let status = kept.node.cli_ok(&["status"]).unwrap();
    assert!(status.to_string().contains("backup"), "{status}");

    // What the bucket holds tells nothing, and nothing of the node tells the key.
    for file in walk(kept.server.file("backups")) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(8).any(|part| part == b"add_Note" || part == b"\"text\": "), "{}", file.display());
    }
    for told in [kept.node.cli(&["config"]).unwrap(), kept.node.cli(&["doctor"]).unwrap()] {
        assert!(!format!("{}{}", told.stdout, told.stderr).contains(KEY));
    }

    // A copy that has stayed behind overwrites nothing.
    let (dir, copy) = (kept.node.stop().unwrap(), kept.root.path().join("copy"));
    let place = kept.root.path().join("dir-place");
    kept.allod.ok(&dir, &["backup", "create", "--to", place.to_str().unwrap()]).unwrap();
    let from = ["restore", "--from", place.to_str().unwrap(), "--recovery-key-file", &kept.words];
    kept.allod.ok(&copy, &from).unwrap();
    let node = Node::serve(&kept.allod, &dir).unwrap();
    add(&node.sign_in(OWNER.0, OWNER.1).await.unwrap(), "three").await;
    node.cli_ok(&["backup", "create", "--to", PLACE]).unwrap();
    let dir = node.stop().unwrap();
    let behind = kept.allod.run(&copy, &["backup", "create", "--to", PLACE]).unwrap().refused(1).unwrap();
    assert!(behind.starts_with("backup_place_"), "{behind}");

    std::fs::remove_dir_all(dir).unwrap();
    let back = kept.root.path().join("back");
    let restored = kept.allod.ok(&back, &["restore", "--from", PLACE, "--recovery-key-file", &kept.words]).unwrap();
    assert!(restored["sleeping"]["grants"].is_u64() && restored["verified"]["equal"].as_u64() >= Some(1), "{restored}");
    let node = Node::serve(&kept.allod, &back).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(texts(&alice).await, ["one", "three", "two"]);
    // The chain goes on, and is not sent everything again.
    let next = node.cli_ok(&["backup", "create", "--to", PLACE]).unwrap();
    assert!(next["new_bytes"].as_u64().unwrap() < next["bytes"].as_u64().unwrap(), "{next}");
}

fn walk(dir: PathBuf) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(walk(path)) } else { all.push(path) }
    }
    all
}

#[tokio::test]
async fn a_bucket_that_fails_is_named_and_the_node_serves_meanwhile() {
    let kept = Kept::new().await;
    let alice = kept.alice().await;
    alice.define("type Note { text: String }").await.unwrap();
    kept.backup();
    kept.server.faults(|_, _| Some(Fault::Unavailable));
    let mut failing = kept.allod.command(&kept.node.dir, &["backup", "create", "--to", PLACE]);
    let failing = failing.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    add(&alice, "meanwhile").await;
    assert_eq!(texts(&alice).await, ["meanwhile"]);
    let told = failing.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(text.contains("backup_place_unreachable") && text.contains("SlowDown"), "{text}");
    assert!(!text.contains("canary") && !text.contains(KEY_ID), "{text}");
    kept.server.well();
    assert_eq!(kept.backup()["mended"], 0, "control");
    // Nobody says how buckets are reached.
    let plain = Allod::find().unwrap();
    let told = plain.run(&kept.dir("new"), &["restore", "--from", PLACE, "--recovery-key-file", &kept.words]).unwrap();
    assert_eq!(told.refused(2).unwrap(), "backup_s3_unset");
    let clear = plain.with("ALLOD_BACKUP_S3_ENDPOINT", "http://127.0.0.1:9");
    assert_eq!(clear.run(&kept.dir("new"), &["config", "check"]).unwrap().refused(2).unwrap(), "config_value");
}

/// A fresh node's answer to a restore, asked as its set-up page asks.
async fn asked(client: &Client, token: &str, body: &Value) -> (u16, Value) {
    let post = client.request(Method::POST, "/api/v1/setup/restore").header("allod-setup-token", token).json(body);
    let answer = client.send(post).await.unwrap();
    (answer.status, answer.json)
}

/// Asks how it stands until it is over; the connection may break meanwhile.
pub(crate) async fn over(node: &Node, token: &str) -> Value {
    for _ in 0..600 {
        let client = Client::new(&node.url, None).unwrap();
        let get = client.request(Method::GET, "/api/v1/setup/restore").header("allod-setup-token", token);
        if let Ok(answer) = client.send(get).await
            && (answer.json["state"] == "done" || answer.json["state"] == "failed")
        {
            return answer.json;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it is never over");
}

pub(crate) fn token(node: &Node) -> String {
    node.setup.as_deref().unwrap().split_once("token=").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_fresh_node_becomes_the_one_of_a_backup_without_another_start() {
    let kept = Kept::new().await;
    let alice = kept.alice().await;
    alice.define("type Note { text: String }").await.unwrap();
    add(&alice, "one").await;
    kept.backup();
    let place = kept.dir("place");
    kept.node.cli_ok(&["backup", "create", "--to", place.to_str().unwrap()]).unwrap();
    let (server, words) = (&kept.server, kept.words());

    let plain = Allod::find().unwrap();
    let fresh = Node::serve(&plain, &kept.dir("fresh")).unwrap();
    let stranger = Client::new(&fresh.url, None).unwrap();
    let s3 = json!({
        "endpoint": server.url(), "allow_http": true, "access_key_id": KEY_ID, "secret_access_key": KEY,
    });
    let body = json!({ "from": PLACE, "words": words, "s3": s3 });
    let token = token(&fresh);
    // Only for whoever has the link, and only what can be done.
    for wrong in ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let (status, told) = asked(&stranger, wrong, &body).await;
        assert_eq!((status, &told["code"]), (404, &json!("setup_link_spent")));
        let get = stranger.request(Method::GET, "/api/v1/setup/restore").header("allod-setup-token", wrong);
        assert_eq!(stranger.send(get).await.unwrap().status, 404);
    }
    for (part, value, code) in [
        ("words", json!("some words"), "recovery_words_wrong"),
        ("from", json!("relative"), "backup_place_relative"),
        ("from", json!(kept.dir("fresh").join("inside")), "backup_place_inside"),
        ("s3", Value::Null, "backup_s3_unset"),
        ("s3", json!({"endpoint": server.url(), "access_key_id": "x", "secret_access_key": "y"}), "backup_s3_wrong"),
    ] {
        let mut wrong = body.clone();
        wrong[part] = value;
        let (status, told) = asked(&stranger, &token, &wrong).await;
        assert_eq!((status, told["code"].as_str().unwrap()), (400, code), "{told}");
    }
    // What cannot be opened changes nothing, and can be tried again.
    let mut other = body.clone();
    other["words"] = json!(format!("{}art", "abandon ".repeat(23)));
    assert_eq!(asked(&stranger, &token, &other).await.0, 202);
    let failed = over(&fresh, &token).await;
    assert_eq!(failed["problem"]["code"], "backup_place_locked", "{failed}");
    assert!(!failed.to_string().contains(KEY));

    let (status, begun) = asked(&stranger, &token, &body).await;
    assert_eq!(status, 202, "{begun}");
    let again = asked(&stranger, &token, &body).await;
    assert!(again.0 == 409 || again.0 == 404, "{again:?}");
    let done = over(&fresh, &token).await;
    assert_eq!(done["state"], "done", "{done}");
    assert!(done["restored"]["verified"]["equal"].as_u64().unwrap() >= 1 && done["restored"]["asleep"] == true);
    assert!(done["files"].as_u64().unwrap() >= 2 && done["files"] == done["files_done"], "{done}");
    // The same process, the same address, another node.
    let alice = fresh.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(texts(&alice).await, ["one"]);
    assert_eq!((&done["restored"]["node"], &done["restored"]["user"]), (&kept.made["node"], &kept.made["user"]));
    assert_eq!(asked(&stranger, &token, &body).await.0, 404, "the link is spent");
    let woken = fresh.cli_ok(&["restore", "confirm"]).unwrap();
    assert!(woken["grants"].is_u64() && woken["links"].is_u64() && woken["shares"].is_u64(), "{woken}");
    add(&alice, "two").await;
    let dir = fresh.stop().unwrap();
    let left: Vec<String> =
        std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| ["restoring", "restored", "moving"].contains(&name.as_str())), "{left:?}");
    let again = Node::serve(&plain, &dir).unwrap();
    assert_eq!(texts(&again.sign_in(OWNER.0, OWNER.1).await.unwrap()).await, ["one", "two"]);

    // From a directory, with a kill at any time: what is started again is fresh, or the restored one.
    let body = json!({ "from": place, "words": words });
    for ms in [0, 150, 400, 800, 1_400, 1_700, 2_000, 2_500] {
        let dir = kept.dir(&format!("killed{ms}"));
        let node = Node::serve(&plain, &dir).unwrap();
        let client = Client::new(&node.url, None).unwrap();
        assert_eq!(asked(&client, &crate::places::token(&node), &body).await.0, 202);
        tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
        node.kill().unwrap();
        let node = Node::serve(&plain, &dir).unwrap();
        match &node.setup {
            Some(_) => {
                let client = Client::new(&node.url, None).unwrap();
                let token = crate::places::token(&node);
                assert_eq!(asked(&client, &token, &body).await.0, 202);
                assert_eq!(over(&node, &token).await["state"], "done", "after {ms} ms");
            }
            None => assert!(ms > 0),
        }
        assert_eq!(texts(&node.sign_in(OWNER.0, OWNER.1).await.unwrap()).await, ["one"], "after {ms} ms");
    }
}

#[tokio::test]
async fn recovery_words_are_made_once_however_often_the_request_is_sent() {
    let root = tempfile::tempdir().unwrap();
    let (allod, dir) = (Allod::find().unwrap(), root.path().join("home"));
    Node::init(&allod, &dir, OWNER.0, "home", OWNER.1).unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let operator = node.operator().unwrap();
    let make = async |key: &str| {
        let post = operator.request(Method::POST, "/api/v1/recovery").header("idempotency-key", key);
        let answer = operator.send(post).await.unwrap();
        (answer.status, answer.json["words"].as_str().map(str::to_owned))
    };
    let first = make("one").await;
    assert!(first.0 == 200 && first.1.is_some());
    // Words are kept nowhere in clear: whoever lost the answer asks to be shown them, with the password.
    assert_eq!(make("one").await, (409, None));
    assert_eq!(make("another").await.0, 409);
}
