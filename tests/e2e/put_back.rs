//! A device, or home itself, that is put back from an older copy of its directory.

use std::path::Path;
use std::process::Command;

use harness::{Client, Node};
use serde_json::Value;

use crate::home::Home;

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(copied.success());
}

/// Puts the content of `from` into the files of `to` themselves: as the snapshot of a disk does, and nothing that a node
/// could see of its files says so.
fn roll_back(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(to).expect("a directory") {
        let path = entry.expect("an entry").path();
        if !from.join(path.file_name().expect("a name")).exists() {
            match path.is_dir() {
                true => std::fs::remove_dir_all(&path).expect("removing"),
                false => std::fs::remove_file(&path).expect("removing"),
            }
        }
    }
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let there = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            std::fs::create_dir_all(&there).expect("a directory");
            roll_back(&path, &there);
        } else if path.is_file() {
            // Not a copy of the file: its bytes, in the file that is there.
            std::fs::write(&there, std::fs::read(&path).expect("reading")).expect("writing");
        }
    }
}

async fn add(client: &Client, text: &str) {
    client.graphql(&format!("mutation {{ add_Note(input: {{text: \"{text}\"}}) {{ _docID }} }}")).await.unwrap();
}

async fn texts(client: &Client) -> Vec<String> {
    let read = client.graphql("{ Note(order: {text: ASC}) { text } }").await.unwrap();
    read["Note"].as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap().to_owned()).collect()
}

fn wait(node: &Node) {
    node.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
}

/// Stops both, and compares what they hold.
fn alike(home: Node, laptop: Node) {
    let allod = home.allod.clone();
    let mut digests = Vec::new();
    for dir in [home.stop().unwrap(), laptop.stop().unwrap()] {
        for rebuild in [&["doctor"][..], &["doctor", "--rebuild"]] {
            digests.push(allod.ok(&dir, rebuild).unwrap()["spaces"][0]["digest"].clone());
        }
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]) && digests[0].is_string(), "{digests:?}");
}

fn devices(node: &Node) -> Vec<Value> {
    node.cli_ok(&["device", "list"]).unwrap().as_array().unwrap().clone()
}

#[tokio::test]
async fn a_device_put_back_from_an_older_copy_loses_nothing() {
    let mut home = Home::new().await;
    let allod = home.node.allod.clone();
    home.alice.define("type Note { text: String }").await.unwrap();
    let code = home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let (dir, older) = (home.root.path().join("laptop"), home.root.path().join("older"));
    allod.ok(&dir, &["device", "join", &code]).unwrap();
    let laptop = Node::serve(&allod, &dir).unwrap();
    wait(&laptop);
    add(&laptop.operator().unwrap(), "before").await;
    wait(&laptop);
    laptop.stop().unwrap();
    copy(&dir, &older);
    let laptop = Node::serve(&allod, &dir).unwrap();
    for text in ["lost one", "lost two"] {
        add(&laptop.operator().unwrap(), text).await;
    }
    wait(&laptop);
    laptop.stop().unwrap();

    // Put back, and opened before home is reachable: once only read, once written too.
    for (round, offline) in [(0, &[][..]), (1, &["offline one", "offline two", "offline three"][..])] {
        let at_home = home.node.stop().unwrap();
        copy(&older, &dir);
        let laptop = Node::serve(&allod, &dir).unwrap();
        let there = laptop.operator().unwrap();
        assert_eq!(texts(&there).await, ["before"], "round {round}");
        for text in offline {
            add(&there, text).await;
        }
        home.node = Node::serve(&allod, &at_home).unwrap();
        wait(&laptop);
        add(&there, &format!("after {round}")).await;
        wait(&laptop);
        wait(&home.node);
        laptop.stop().unwrap();
        let here = texts(&home.node.operator().unwrap()).await;
        assert!(here.contains(&format!("after {round}")) && here.len() == 4 + round + offline.len(), "{here:?}");
    }
    let laptop = Node::serve(&allod, &dir).unwrap();
    wait(&laptop);
    let all = ["after 0", "after 1", "before", "lost one", "lost two", "offline one", "offline three", "offline two"];
    assert_eq!(texts(&laptop.operator().unwrap()).await, all);
    assert_eq!(texts(&home.node.operator().unwrap()).await, all);
    let listed = devices(&laptop);
    // Home, the device of the first round, whose keys were lost with the second copy, and the present one.
    assert_eq!(listed.iter().filter(|device| device["replaced_by"].is_null()).count(), 3, "{listed:?}");
    assert!(listed.len() > 3 && listed.iter().filter(|device| device["this"] == true).count() == 1, "{listed:?}");
    alike(home.node, laptop);
}

#[tokio::test]
async fn home_put_back_from_an_older_copy_loses_nothing_that_a_device_has() {
    let mut home = Home::new().await;
    let allod = home.node.allod.clone();
    home.alice.define("type Note { text: String }").await.unwrap();
    let code = home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let (dir, older) = (home.root.path().join("laptop"), home.root.path().join("older"));
    allod.ok(&dir, &["device", "join", &code]).unwrap();
    let laptop = Node::serve(&allod, &dir).unwrap();
    wait(&laptop);
    let at_home = home.node.stop().unwrap();
    copy(&at_home, &older);
    home.node = Node::serve(&allod, &at_home).unwrap();
    add(&home.node.operator().unwrap(), "lost at home").await;
    home.node.operator().unwrap().define("type Lost { text: String }").await.unwrap();
    wait(&home.node);
    home.node.stop().unwrap();
    copy(&older, &at_home);
    home.node = Node::serve(&allod, &at_home).unwrap();
    add(&home.node.operator().unwrap(), "new at home").await;
    wait(&laptop);
    wait(&home.node);
    for node in [&home.node, &laptop] {
        let client = node.operator().unwrap();
        assert_eq!(texts(&client).await, ["lost at home", "new at home"]);
        assert_eq!(client.graphql("{ COUNT(Lost: {}) }").await.unwrap()["COUNT"], 0);
    }
    alike(home.node, laptop);
}

#[tokio::test]
async fn a_device_whose_disk_was_rolled_back_under_it_loses_nothing_and_forks_nothing() {
    let mut home = Home::new().await;
    let allod = home.node.allod.clone();
    home.alice.define("type Note { text: String }").await.unwrap();
    let code = home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let (dir, snapshot) = (home.root.path().join("laptop"), home.root.path().join("snapshot"));
    allod.ok(&dir, &["device", "join", &code]).unwrap();
    let mut laptop = Node::serve(&allod, &dir).unwrap();
    wait(&laptop);
    add(&laptop.operator().unwrap(), "before").await;
    wait(&laptop);
    let log = |dir: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(dir.join("log.db")).unwrap());
    let file = log(&dir);
    // Once it was stopped when the machine was put back, once it ran and died with it.
    let mut all = vec!["before".to_owned()];
    for (round, stopped) in [(0, true), (1, false)] {
        laptop.stop().unwrap();
        copy(&dir, &snapshot);
        let running = Node::serve(&allod, &dir).unwrap();
        for text in ["lost", "lost too"].map(|text| format!("{text} {round}")) {
            add(&running.operator().unwrap(), &text).await;
            all.push(text);
        }
        wait(&running);
        match stopped {
            true => running.stop().map(drop).unwrap(),
            false => running.kill().map(drop).unwrap(),
        }
        let at_home = home.node.stop().unwrap();
        roll_back(&snapshot, &dir);
        let rolled = Node::serve(&allod, &dir).unwrap();
        assert_eq!(log(&dir), file, "it is the same file");
        let there = rolled.operator().unwrap();
        let known = devices(&rolled).len();
        for text in ["offline", "offline two", "offline three"].map(|text| format!("{text} {round}")) {
            add(&there, &text).await;
            all.push(text);
        }
        assert_eq!(devices(&rolled).len(), known, "nothing shows it before a peer is met");
        home.node = Node::serve(&allod, &at_home).unwrap();
        wait(&rolled);
        add(&there, &format!("after {round}")).await;
        all.push(format!("after {round}"));
        wait(&rolled);
        wait(&home.node);
        all.sort();
        for node in [&rolled, &home.node] {
            assert_eq!(texts(&node.operator().unwrap()).await, all, "round {round}");
        }
        assert!(devices(&rolled).len() > known, "another device took its place");
        laptop = rolled;
    }
    alike(home.node, laptop);
}
