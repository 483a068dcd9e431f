//! Directories of every version that was released are opened, queried, written to and synced by this one; and what was
//! written by a later version is left alone. `tests/fixtures/make.sh` makes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Allod, Client, Node, Replica};
use serde_json::{Value, json};

use crate::home::{Home, OWNER};

const BOB: (&str, &str) = ("bob", "a long password of bob");
const BOOKS: &str = "{ Book(order: {title: ASC}) { title rating tags } COUNT(Diary: {}) }";
const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0"];

/// The directories of one version.
struct Fixture {
    name: String,
    kept: PathBuf,
    root: tempfile::TempDir,
}

impl Fixture {
    fn all() -> Vec<Fixture> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let mut all = Vec::new();
        for entry in std::fs::read_dir(fixtures).unwrap() {
            let kept = entry.unwrap().path();
            if kept.is_dir() {
                let name = kept.file_name().unwrap().to_string_lossy().into_owned();
                let root = tempfile::tempdir().unwrap();
                for dir in ["home", "laptop", "centre"] {
                    let mut tar = Command::new("tar");
                    tar.arg("-C").arg(root.path()).arg("-xzf").arg(kept.join(format!("{dir}.tar.gz")));
                    assert!(tar.status().unwrap().success());
                }
                all.push(Fixture { name, kept, root });
            }
        }
        assert!(!all.is_empty());
        all
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What the version itself answered to [`BOOKS`].
    fn books(&self) -> Value {
        let answer: Value = serde_json::from_slice(&std::fs::read(self.kept.join("books.json")).unwrap()).unwrap();
        answer["data"].clone()
    }
}

async fn books(client: &Client) -> Value {
    client.graphql(BOOKS).await.unwrap()
}

#[tokio::test]
async fn directories_of_every_version_are_opened_queried_and_synced() {
    let allod = Allod::find().unwrap();
    for fixture in Fixture::all() {
        let (name, expected) = (&fixture.name, fixture.books());
        assert_eq!(expected["Book"].as_array().unwrap().len(), 3, "control: {name}");
        let sound = allod.ok(&fixture.dir("home"), &["doctor"]).unwrap();
        let home = Node::serve(&allod, &fixture.dir("home")).unwrap();
        let alice = home.sign_in(OWNER.0, OWNER.1).await.unwrap();
        assert_eq!(books(&alice).await, expected, "{name}");
        let history = alice.graphql("{ Book(filter: {title: {_eq: \"Emma\"}}) { _version { cid } } }").await.unwrap();
        assert!(!history["Book"][0]["_version"].as_array().unwrap().is_empty(), "{name}: {history}");
        // What was shared is, and what was hidden is hidden.
        let bob = home.sign_in(BOB.0, BOB.1).await.unwrap();
        let spaces = bob.get("/api/v1/spaces").await.unwrap().json;
        let shared =
            spaces.as_array().unwrap().iter().find(|space| space["personal"] == false || space["role"] != "owner");
        let shared = bob.in_space(shared.unwrap()["id"].as_str().unwrap());
        let titles = json!([{ "title": "Emma" }, { "title": "Persuasion" }, { "title": "Sanditon" }]);
        let ask = "{ Book(order: {title: ASC}) { title } }";
        assert_eq!(shared.graphql(ask).await.unwrap()["Book"], titles, "{name}");
        assert!(shared.graphql("{ Book { rating } }").await.is_err(), "{name}");
        let token = std::fs::read_to_string(fixture.kept.join("link")).unwrap();
        assert_eq!(alice.with_token(token.trim()).graphql(ask).await.unwrap()["Book"], titles, "{name}");
        // It writes, and its devices get that.
        alice.graphql("mutation { add_Book(input: {title: \"Lady Susan\"}) { _docID } }").await.unwrap();
        let laptop = Node::serve(&allod, &fixture.dir("laptop")).unwrap();
        let centre = Replica::serve(&allod, &fixture.dir("centre"), None).unwrap();
        home.cli_ok(&["replica", "add", &centre.addr]).unwrap();
        for node in [&home, &laptop] {
            node.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
        let there = laptop.operator().unwrap();
        assert_eq!(books(&there).await, books(&alice).await, "{name}");
        assert_eq!(books(&there).await["Book"].as_array().unwrap().len(), 4, "{name}");
        there.graphql("mutation { add_Book(input: {title: \"Love and Freindship\"}) { _docID } }").await.unwrap();
        laptop.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
        assert_eq!(books(&alice).await["Book"].as_array().unwrap().len(), 5, "{name}");
        centre.kill().unwrap();
        laptop.stop().unwrap();
        let dir = home.stop().unwrap();
        let after = allod.ok(&dir, &["doctor"]).unwrap();
        assert_eq!(allod.ok(&dir, &["doctor", "--rebuild"]).unwrap()["spaces"], after["spaces"], "{name}");
        assert_ne!(after["spaces"], sound["spaces"], "control");
    }
}

/// Every file of a directory, but for what SQLite keeps for itself.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.is_file() && !name.ends_with("-shm") && !name.ends_with("-wal") && !name.ends_with(".lock") {
            all.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    all
}

fn change_log(dir: &Path, sql: &str) {
    let log = rusqlite::Connection::open(dir.join("log.db")).unwrap();
    log.execute_batch(sql).unwrap();
    log.close().unwrap();
}

#[tokio::test]
async fn what_a_later_version_wrote_is_refused_in_one_sentence_and_left_as_it_is() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    let centre = root.path().join("centre");
    Replica::init(&allod, &centre).unwrap();
    let replica = Replica::serve(&allod, &centre, None).unwrap();
    // What is opened below by another program was closed by its own.
    allod.ok(&centre, &["stop"]).unwrap();
    drop(replica);
    for (dir, serve) in [(&dir, SERVE), (&centre, &["replica", "serve"][..])] {
        change_log(dir, "INSERT INTO log_migration VALUES ('log_9999', 0)");
        let before = files(dir);
        let mut commands = vec![serve];
        if dir.join("node.key").exists() {
            commands.extend([&["doctor"][..], &["doctor", "--rebuild"]]);
        }
        for command in commands {
            let outcome = allod.run(dir, command).unwrap();
            let said = outcome.stdout.clone();
            assert_eq!(outcome.refused(1).unwrap(), "newer_directory", "{command:?}: {said}");
            assert!(said.contains("newer version") && said.contains("log_9999"), "{said}");
        }
        assert!(files(dir) == before, "a file was changed");
        change_log(dir, "DELETE FROM log_migration WHERE version = 'log_9999'");
    }
    Node::serve(&allod, &dir).expect("control: without it the node starts").stop().unwrap();
    Replica::serve(&allod, &centre, None).expect("control").kill().unwrap();
}

/// The log before its bodies lay in parts.
const BEFORE_PARTS: &str =
    "DROP TABLE log_part; DROP TABLE log_pending; DELETE FROM log_migration WHERE version = 'log_0003'";

#[tokio::test]
async fn a_directory_of_an_earlier_version_is_upgraded_and_an_upgrade_that_fails_is_undone() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    home.alice.graphql("mutation { add_Note(input: {n: 1}) { _docID } }").await.unwrap();
    let (allod, _root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    let devices = |dir: &Path| {
        let node = Node::serve(&allod, dir).unwrap();
        let devices = node.cli_ok(&["device", "list"]).unwrap().as_array().unwrap().len();
        node.stop().unwrap();
        devices
    };
    assert_eq!(devices(&dir), 1);
    // The change that is to be made cannot be: a table of its name is there.
    change_log(&dir, &format!("{BEFORE_PARTS}; CREATE TABLE log_pending(x)"));
    let before = files(&dir);
    for _ in 0..2 {
        let outcome = allod.run(&dir, SERVE).unwrap();
        let said = outcome.stdout.clone();
        assert_eq!(outcome.refused(1).unwrap(), "upgrade_failed", "{said}");
        assert!(said.contains("log_pending") && said.contains("as it was before"), "{said}");
        assert!(files(&dir) == before, "byte for byte, and nothing beside it");
    }
    change_log(&dir, "DROP TABLE log_pending");
    let node = Node::serve(&allod, &dir).expect("control: and now it can be");
    assert!(node.says("upgrading") && node.says("of this version"), "{}", node.said());
    assert!(!dir.join("before-upgrade").exists());
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(alice.graphql("{ Note { n } }").await.unwrap(), json!({ "Note": [{ "n": 1 }] }));
    alice.graphql("mutation { add_Note(input: {n: 2}) { _docID } }").await.unwrap();
    node.stop().unwrap();
    assert_eq!(devices(&dir), 1, "the log lies in the file where it lay: no new device");
    let again = Node::serve(&allod, &dir).unwrap();
    assert!(!again.said().contains("upgrading"), "once is enough: {}", again.said());
}
