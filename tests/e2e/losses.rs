//! Files of a data directory that are missing, older or another's: named, refused, and never passed over in silence.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Allod, Client, Node, Replica};
use serde_json::{Value, json};

use crate::home::{Home, OWNER};

const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0"];

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Puts the file `name`, and what SQLite keeps beside it, of one directory into another.
fn put_back(name: &str, from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("{name}{suffix}");
        let _ = std::fs::remove_file(to.join(&name));
        if from.join(&name).exists() {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

fn remove(name: &str, dir: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.join(format!("{name}{suffix}")));
    }
}

async fn note(alice: &Client, n: i64) {
    alice.graphql(&format!("mutation {{ add_Note(input: {{n: {n}}}) {{ _docID }} }}")).await.unwrap();
}

/// A stopped node with a note, an older copy of it, and the node as it was after two more notes and another user.
struct Older {
    allod: Allod,
    older: PathBuf,
    newer: PathBuf,
    root: tempfile::TempDir,
}

impl Older {
    /// `kill`: the node is killed each time, and not stopped.
    async fn new(kill: bool) -> Older {
        let home = Home::new().await;
        home.alice.define("type Note { n: Int }").await.unwrap();
        note(&home.alice, 1).await;
        assert_eq!(home.alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 1);
        let (allod, root) = (home.node.allod.clone(), home.root);
        let end = |node: Node| if kill { node.kill().unwrap() } else { node.stop().unwrap() };
        let newer = end(home.node);
        let older = root.path().join("older");
        copy(&newer, &older);
        let node = Node::serve(&allod, &newer).unwrap();
        let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
        note(&alice, 2).await;
        note(&alice, 3).await;
        assert_eq!(alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 3);
        let password = harness::password_file(root.path(), "bob", "a long password of bob").unwrap();
        node.cli_ok(&["user", "add", "bob", "--password-file", password.to_str().unwrap()]).unwrap();
        end(node);
        Older { allod, older, newer, root }
    }

    /// A copy of the newer directory, changed.
    fn with(&self, name: &str, change: impl FnOnce(&Path)) -> PathBuf {
        let dir = self.root.path().join(name);
        copy(&self.newer, &dir);
        change(&dir);
        dir
    }

    /// Nothing works on the directory, by this code; and the files are as they were.
    fn refused(&self, dir: &Path, code: &str) {
        let names = || {
            let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.retain(|name| !name.to_string_lossy().ends_with("-wal") && !name.to_string_lossy().ends_with("-shm"));
            names.sort();
            names
        };
        let before = names();
        for command in [SERVE, &["doctor"], &["doctor", "--rebuild"]] {
            let outcome = self.allod.run(dir, command).unwrap();
            let said = outcome.stdout.clone();
            assert_eq!(outcome.refused(1).unwrap(), code, "{command:?}: {said}");
        }
        let doctor = self.allod.run(dir, &["doctor"]).unwrap();
        assert_eq!(doctor.json["checks"][0]["state"], "bad", "{}", doctor.stdout);
        let password = self.root.path().join("alice.password");
        let init = ["init", "--owner", "eve", "--password-file", password.to_str().unwrap()];
        assert_eq!(self.allod.run(dir, &init).unwrap().code, 1, "nor is it a fresh directory");
        assert_eq!(names(), before, "a file was made or removed");
    }
}

#[tokio::test]
async fn a_file_that_is_missing_is_named_and_nothing_is_served() {
    let all = Older::new(false).await;
    for (name, code) in
        [("log.db", "log_missing"), ("node.db", "node_database_missing"), ("node.key", "node_key_missing")]
    {
        let dir = all.with("without", |dir| remove(name, dir));
        all.refused(&dir, code);
        put_back(name, &all.newer, &dir);
        let node = Node::serve(&all.allod, &dir).expect("control: put back, it serves");
        let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
        assert_eq!(alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 3);
        node.stop().unwrap();
    }
    for (name, code) in [("log.db", "log_missing"), ("node.db", "node_database_missing")] {
        let dir = all.with("emptied", |dir| {
            remove(name, dir);
            std::fs::write(dir.join(name), b"").unwrap();
        });
        let outcome = all.allod.run(&dir, SERVE).unwrap();
        assert_eq!(outcome.refused(1).unwrap(), code, "{name} emptied");
    }
    for views in [true, false] {
        let dir = all.with("key-alone", |dir| {
            ["node.db", "log.db"].into_iter().for_each(|name| remove(name, dir));
            if !views {
                std::fs::remove_dir_all(dir.join("views")).unwrap();
            }
        });
        all.refused(&dir, "node_database_missing");
    }
    let dir = all.with("without-both", |dir| ["node.key", "node.db"].into_iter().for_each(|name| remove(name, dir)));
    all.refused(&dir, "node_key_missing");
}

#[tokio::test]
async fn a_log_that_is_older_than_what_lies_beside_it_is_refused_until_the_loss_is_accepted() {
    for kill in [false, true] {
        let all = Older::new(kill).await;
        let dir = all.with("old-log", |dir| put_back("log.db", &all.older, dir));
        all.refused(&dir, "log_rolled_back");
        let dir = all.with("old-log-no-views", |dir| {
            put_back("log.db", &all.older, dir);
            std::fs::remove_dir_all(dir.join("views")).unwrap();
        });
        all.refused(&dir, "log_rolled_back");
        let told = all.allod.run(&dir, &["doctor"]).unwrap();
        let message = told.json["error"]["message"].as_str().unwrap();
        assert!(kill || (message.contains("positions") && message.contains("are lost")), "what is lost: {message}");
        let accepted = all.allod.ok(&dir, &["doctor", "--rebuild", "--accept-loss"]).unwrap();
        assert_eq!(
            (&accepted["checks"][0]["state"], &accepted["spaces"][0]["documents"]),
            (&json!("accepted"), &json!(1))
        );
        let node = Node::serve(&all.allod, &dir).expect("and then it serves");
        let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
        assert_eq!(alice.graphql("{ Note { n } }").await.unwrap(), json!({ "Note": [{ "n": 1 }] }));
        node.stop().unwrap();
        let dir = all.with("sound", |_| {});
        all.allod.ok(&dir, &["doctor", "--rebuild"]).expect("control: the newer one, untouched");
    }
}

#[tokio::test]
async fn a_log_that_lacks_what_a_view_shows_is_refused_also_within_one_start() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    note(&home.alice, 1).await;
    let (allod, dir) = (home.node.allod.clone(), home.node.dir.clone());
    // As a snapshot of the disk would have it: both files at once, of a node that runs on.
    let older = home.root.path().join("older");
    copy(&dir, &older);
    note(&home.alice, 2).await;
    assert_eq!(home.alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 2);
    home.node.kill().unwrap();
    put_back("log.db", &older, &dir);
    for command in [SERVE, &["doctor"], &["doctor", "--rebuild"]] {
        let outcome = allod.run(&dir, command).unwrap();
        let said = outcome.stdout.clone();
        assert_eq!(outcome.refused(1).unwrap(), "log_older_than_view", "{command:?}: {said}");
        assert!(said.contains("are lost"), "{said}");
    }
    let accepted = allod.ok(&dir, &["doctor", "--rebuild", "--accept-loss"]).unwrap();
    assert_eq!(accepted["spaces"][0]["documents"], 1);
    allod.ok(&dir, &["doctor", "--rebuild"]).expect("once is enough");
}

#[tokio::test]
async fn a_node_database_that_is_older_than_the_log_is_refused() {
    for kill in [false, true] {
        let all = Older::new(kill).await;
        let dir = all.with("old-database", |dir| put_back("node.db", &all.older, dir));
        all.refused(&dir, "node_database_rolled_back");
        let dir = all.with("both-old", |dir| {
            let _ = std::fs::remove_dir_all(dir);
            copy(&all.older, dir);
        });
        Node::serve(&all.allod, &dir).expect("control: a whole older directory belongs together").stop().unwrap();
    }
}

/// SQLite takes a damaged frame for the torn end of what was written, and forgets what was acknowledged behind it.
#[tokio::test]
async fn what_was_last_written_and_is_damaged_is_no_torn_end() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    for n in 0..4 {
        note(&alice, n).await;
        node.cli_ok(&["group", "add", &format!("Group {n}")]).unwrap();
    }
    let killed = node.kill().unwrap();
    let copied = root.path().join("copied");
    for (name, code) in [("node.db", "node_database_damaged"), ("log.db", "log_damaged")] {
        copy(&killed, &copied);
        let frames = copied.join(format!("{name}-wal"));
        let mut bytes = std::fs::read(&frames).unwrap();
        assert!(bytes.len() > 20_000, "control: {name} has frames: {}", bytes.len());
        // In the first page that was written.
        bytes[1_000] ^= 1;
        std::fs::write(&frames, &bytes).unwrap();
        for command in [SERVE, &["doctor"]] {
            let outcome = allod.run(&copied, command).unwrap();
            let said = outcome.stdout.clone();
            assert_eq!(outcome.refused(1).unwrap(), code, "{command:?}: {said}");
            assert!(said.contains(&format!("{name}-wal is damaged")), "{said}");
        }
        assert_eq!(std::fs::read(&frames).unwrap(), bytes, "{name}: nothing was changed");
        bytes[1_000] ^= 1;
        // The end of what was written may be torn: that was acknowledged to nobody.
        bytes.extend([7; 5_000]);
        std::fs::write(&frames, &bytes).unwrap();
        let again = Node::serve(&allod, &copied).unwrap_or_else(|error| panic!("control: {name}: {error:#}"));
        let alice = again.sign_in(OWNER.0, OWNER.1).await.unwrap();
        assert_eq!(alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 4);
        assert_eq!(again.cli_ok(&["group", "list"]).unwrap().as_array().unwrap().len(), 4);
        drop(again);
        // What is lost can be given up.
        copy(&killed, &copied);
        let mut bytes = std::fs::read(&frames).unwrap();
        bytes[1_000] ^= 1;
        std::fs::write(&frames, &bytes).unwrap();
        allod
            .ok(&copied, &["doctor", "--rebuild", "--accept-loss"])
            .unwrap_or_else(|error| panic!("{name}: {error:#}"));
        Node::serve(&allod, &copied).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    }
}

/// The files that a node has open lie in pairs: a copy of one half of them shows nothing of what was written last.
#[tokio::test]
async fn a_database_without_what_lay_beside_it_is_no_older_one() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    note(&home.alice, 1).await;
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    note(&node.sign_in(OWNER.0, OWNER.1).await.unwrap(), 2).await;
    node.cli_ok(&["group", "add", "Family"]).unwrap();
    let killed = node.kill().unwrap();
    let copied = root.path().join("copied");
    let bare = |dir: &Path, names: &[&str]| {
        for at in [dir.to_owned(), dir.join("views")] {
            for entry in std::fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if names.iter().any(|of| name.starts_with(of)) && (name.ends_with("-wal") || name.ends_with("-shm")) {
                    std::fs::remove_file(path).unwrap();
                }
            }
        }
    };
    for (names, code) in [
        (&[""][..], "node_database_incomplete"),
        (&["node.db"], "node_database_incomplete"),
        (&["log.db"], "log_incomplete"),
    ] {
        copy(&killed, &copied);
        bare(&copied, names);
        for command in [SERVE, &["doctor"], &["doctor", "--rebuild"]] {
            let outcome = allod.run(&copied, command).unwrap();
            let said = outcome.stdout.clone();
            assert_eq!(outcome.refused(1).unwrap(), code, "{names:?} {command:?}: {said}");
        }
    }
    // Nothing was changed: put beside it again, it is as it was.
    std::fs::copy(killed.join("log.db-wal"), copied.join("log.db-wal")).unwrap();
    let node = Node::serve(&allod, &copied).expect("control: put back, it serves");
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 2);
    let device = |node: &Node| {
        let devices = node.cli_ok(&["device", "list"]).unwrap();
        devices.as_array().unwrap().iter().find(|device| device["this"] == true).unwrap()["device"].clone()
    };
    let before = device(&node);
    node.stop().unwrap();
    allod.ok(&copied, &["doctor"]).expect("control: after a stop nothing lies beside them");
    // Given up: what was lost had numbers, which are not used again.
    copy(&killed, &copied);
    bare(&copied, &[""]);
    allod.ok(&copied, &["doctor", "--rebuild", "--accept-loss"]).unwrap();
    let node = Node::serve(&allod, &copied).unwrap();
    assert_ne!(device(&node), before);
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 1);
    note(&alice, 3).await;
    drop(node);
    Node::serve(&allod, &killed).expect("control: killed, and untouched").stop().unwrap();
}

#[tokio::test]
async fn the_doctor_reads_what_a_replica_keeps() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let allod = home.node.allod.clone();
    let dir = home.root.path().join("centre");
    Replica::init(&allod, &dir).unwrap();
    let replica = Replica::serve(&allod, &dir, None).unwrap();
    home.node.cli_ok(&["replica", "add", &replica.addr]).unwrap();
    for n in 0..3 {
        let add = format!("mutation {{ add_Note(input: {{text: \"{n}\"}}) {{ _docID }} }}");
        home.alice.graphql(&add).await.unwrap();
    }
    home.node.cli_ok(&["sync", "wait"]).unwrap();
    let chain = |report: &Value| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "log_chain").unwrap().clone()
    };
    let well = allod.ok(&dir, &["doctor"]).expect("control: while it runs");
    assert_eq!(chain(&well)["state"], "ok", "{well}");
    allod.ok(&dir, &["stop"]).unwrap();
    drop(replica);
    let well = allod.ok(&dir, &["doctor"]).expect("control: while it does not");
    assert_eq!(chain(&well)["state"], "ok", "{well}");
    let log = rusqlite::Connection::open(dir.join("log.db")).unwrap();
    let (row, mut body): (i64, Vec<u8>) = log
        .query_row("SELECT rowid, body FROM log_row WHERE lane <> zeroblob(16) ORDER BY position LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    let at = body.len() - 3;
    body[at] ^= 1;
    assert_eq!(log.execute("UPDATE log_row SET body = ?2 WHERE rowid = ?1", (row, body)).unwrap(), 1);
    drop(log);
    let found = allod.run(&dir, &["doctor"]).unwrap();
    assert_eq!((found.code, &chain(&found.json)["state"]), (1, &json!("bad")), "{}", found.stdout);
    let _replica = Replica::serve(&allod, &dir, None).expect("it serves what reads");
    let found = allod.run(&dir, &["doctor"]).unwrap();
    assert_eq!((found.code, &chain(&found.json)["state"]), (1, &json!("bad")), "{}", found.stdout);
}

#[tokio::test]
async fn the_log_of_another_node_is_refused() {
    let all = Older::new(false).await;
    let other = all.root.path().join("other");
    Node::init(&all.allod, &other, OWNER.0, "home", OWNER.1).unwrap();
    let dir = all.with("foreign", |dir| put_back("log.db", &other, dir));
    all.refused(&dir, "log_foreign");
}

#[tokio::test]
async fn files_that_vanish_under_a_running_node_are_noticed() {
    for (name, code) in [("log.db", "log_missing"), ("node.db", "node_database_missing")] {
        let home = Home::new().await;
        let client = Client::new(&home.node.url, None).unwrap();
        assert_eq!(client.get("/readyz").await.unwrap().status, 200, "control");
        let well = home.node.cli_ok(&["doctor"]).expect("control: it answers while it runs");
        assert!(well["checks"].as_array().unwrap().iter().all(|check| check["state"] == "ok"), "{well}");
        std::fs::rename(home.node.dir.join(name), home.root.path().join(name)).unwrap();
        let ready = client.get("/readyz").await.unwrap();
        assert_eq!((ready.status, &ready.json["missing"]), (503, &json!([code])));
        let doctor = home.node.cli(&["doctor"]).unwrap();
        let bad = |checks: &Value| checks.as_array().unwrap().iter().filter(|check| check["state"] == "bad").count();
        assert_eq!((doctor.code, bad(&doctor.json["checks"])), (1, 1), "{}", doctor.stdout);
    }
}

#[tokio::test]
async fn a_replica_notices_as_well() {
    let home = Home::new().await;
    let allod = home.node.allod.clone();
    let dir = home.root.path().join("centre");
    Replica::init(&allod, &dir).unwrap();
    let replica = Replica::serve(&allod, &dir, None).unwrap();
    home.node.cli_ok(&["replica", "add", &replica.addr]).unwrap();
    home.node.cli_ok(&["sync", "wait"]).unwrap();
    replica.kill().unwrap();
    let older = home.root.path().join("older");
    copy(&dir, &older);
    let replica = Replica::serve(&allod, &dir, None).unwrap();
    home.alice.define("type Note { n: Int }").await.unwrap();
    note(&home.alice, 1).await;
    replica.kill().unwrap();
    let serve: &[&str] = &["replica", "serve"];
    let newer = home.root.path().join("newer");
    copy(&dir, &newer);
    for (what, name, code) in [
        ("without", "log.db", "log_missing"),
        ("without", "replica.db", "replica_database_missing"),
        ("without", "replica.key", "replica_key_missing"),
        ("older", "log.db", "log_rolled_back"),
        ("older", "replica.db", "replica_database_rolled_back"),
    ] {
        copy(&newer, &dir);
        match what {
            "older" => put_back(name, &older, &dir),
            _ => remove(name, &dir),
        }
        let outcome = allod.run(&dir, serve).unwrap();
        assert_eq!(outcome.refused(1).unwrap(), code, "{what} {name}");
        assert_eq!(
            allod.run(&dir, &["replica", "init"]).unwrap().code,
            1,
            "nor is it a fresh directory: {what} {name}"
        );
    }
    copy(&newer, &dir);
    Replica::serve(&allod, &dir, None).expect("control: untouched it serves");
}
