//! A clock that was ahead and came back.

use std::time::{Duration, Instant};

use harness::{Client, Node};
use serde_json::Value;

use crate::home::Home;

async fn add(client: &Client, text: &str) {
    client.graphql(&format!("mutation {{ add_Note(input: {{text: \"{text}\"}}) {{ _docID }} }}")).await.unwrap();
}

async fn texts(node: &Node) -> Vec<String> {
    let read = node.operator().unwrap().graphql("{ Note(order: {text: ASC}) { text } }").await.unwrap();
    read["Note"].as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap().to_owned()).collect()
}

async fn ready(node: &Node) -> Value {
    let answer = Client::new(&node.url, None).unwrap().get("/readyz").await.unwrap();
    assert_eq!(answer.status, 200, "it serves all the same");
    answer.json
}

fn waiting(node: &Node) -> Value {
    let waited = node.cli(&["sync", "wait", "--timeout", "1s"]).unwrap();
    assert_eq!(waited.code, 1, "{waited:?}");
    waited.json
}

fn listed(node: &Node, this: bool) -> Value {
    let devices = node.cli_ok(&["device", "list"]).unwrap();
    devices.as_array().unwrap().iter().find(|device| device["this"] == this).unwrap().clone()
}

/// Looks until `look` is so, for half a minute at most.
fn until(what: &str, mut look: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !look() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[tokio::test]
async fn what_is_written_after_the_clock_came_back_reaches_a_device() {
    let mut home = Home::new().await;
    let allod = home.node.allod.clone();
    home.alice.define("type Note { text: String }").await.unwrap();
    let code = home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let dir = home.root.path().join("laptop");
    allod.ok(&dir, &["device", "join", &code]).unwrap();
    let laptop = Node::serve(&allod, &dir).unwrap();
    add(&home.node.operator().unwrap(), "before").await;
    home.node.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    assert_eq!(texts(&laptop).await, ["before"], "control: a clock that is right");
    assert!(ready(&home.node).await["clock"].is_null() && listed(&home.node, true)["clock_ahead_s"].is_null());

    // Two hours ahead, one write.
    let at_home = home.node.stop().unwrap();
    let mut command = allod.command(&at_home, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("ALLOD_CLOCK_AHEAD", "7200");
    home.node = Node::serve_by(allod.clone(), &at_home, command).unwrap();
    add(&home.node.operator().unwrap(), "ahead").await;
    until("nobody says whose clock it is", || {
        listed(&home.node, false)["waits_for"] == "our_clock" && listed(&laptop, false)["waits_for"] == "their_clock"
    });
    assert_eq!(waiting(&home.node)["peers"][0]["waits_for"], "our_clock");
    assert_eq!(texts(&laptop).await, ["before"]);
    laptop.stop().unwrap();

    // The clock is right again, and nobody is there to say so.
    let at_home = home.node.stop().unwrap();
    home.node = Node::serve(&allod, &at_home).unwrap();
    add(&home.node.operator().unwrap(), "later").await;
    let clock = ready(&home.node).await["clock"].clone();
    assert!(
        clock["ahead_s"].as_u64().is_some_and(|s| (7_000..=7_200).contains(&s)) && clock["fix"].is_string(),
        "{clock}"
    );
    assert!(listed(&home.node, true)["clock_ahead_s"].as_u64().is_some_and(|seconds| seconds > 7_000));
    assert!(waiting(&home.node)["clock"]["ahead_s"].as_u64().is_some_and(|seconds| seconds > 7_000));

    // Its device comes: it receives all of it, without waiting.
    let laptop = Node::serve(&allod, &dir).unwrap();
    home.node.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    assert_eq!(texts(&laptop).await, ["ahead", "before", "later"]);
    assert!(ready(&home.node).await["clock"].is_null(), "it is over");
    assert!(listed(&home.node, true)["clock_ahead_s"].is_null() && listed(&home.node, false)["waits_for"].is_null());
    add(&home.node.operator().unwrap(), "new").await;
    add(&laptop.operator().unwrap(), "there").await;
    for node in [&home.node, &laptop] {
        node.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    }
    for node in [&home.node, &laptop] {
        assert_eq!(texts(node).await, ["ahead", "before", "later", "new", "there"]);
    }
    let digests = [home.node.stop().unwrap(), laptop.stop().unwrap()].map(|dir| {
        let digest = |args: &[&str]| allod.ok(&dir, args).unwrap()["spaces"][0]["digest"].clone();
        [digest(&["doctor"]), digest(&["doctor", "--rebuild"])]
    });
    assert!(digests.iter().flatten().all(|digest| *digest == digests[0][0] && digest.is_string()), "{digests:?}");
}
