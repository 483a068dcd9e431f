//! A node that nobody owns yet becomes a device of an account, by its set-up page and while it runs.

use std::time::Duration;

use harness::{Allod, Client, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::Home;

/// The nodes of a test lie on this machine, where whoever has a set-up link has nothing dialled.
fn near() -> Allod {
    Allod::find().unwrap().with("ALLOD_P2P_DIAL_ALLOW", "127.0.0.0/8")
}

fn token(node: &Node) -> String {
    node.setup.as_deref().unwrap().split_once("token=").unwrap().1.to_owned()
}

async fn asked(client: &Client, token: &str, code: &str) -> (u16, Value) {
    let post = client.request(Method::POST, "/api/v1/setup/join").header("allod-setup-token", token);
    let answer = client.send(post.json(&json!({ "code": code }))).await.unwrap();
    (answer.status, answer.json)
}

/// Asks how it stands until it is over; the connection may break meanwhile.
async fn over(node: &Node, token: &str) -> Value {
    for _ in 0..900 {
        let client = Client::new(&node.url, None).unwrap();
        let get = client.request(Method::GET, "/api/v1/setup/join").header("allod-setup-token", token);
        if let Ok(answer) = client.send(get).await
            && (answer.json["state"] == "done" || answer.json["state"] == "failed")
        {
            return answer.json;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it is never over");
}

async fn home() -> Home {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    home.alice.graphql(r#"mutation { add_Note(input: {text: "from home"}) { _docID } }"#).await.unwrap();
    home
}

fn code(home: &Home) -> String {
    home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned()
}

/// Everything of the account comes to it.
async fn is_device(node: &Node) {
    for _ in 0..600 {
        let there = node.operator().unwrap();
        let notes = there.try_graphql("{ Note { text } }", json!({})).await.unwrap();
        if notes.json["data"]["Note"][0]["text"] == "from home" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("what is the account's does not come");
}

fn left(node: &Node) -> Vec<String> {
    let names = std::fs::read_dir(&node.dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| ["joining", "restoring", "restored", "moving"].contains(&name.as_str())).collect()
}

#[tokio::test]
async fn a_fresh_node_becomes_a_device_without_another_start() {
    let home = home().await;
    let fresh = Node::serve(&near(), &home.root.path().join("fresh")).unwrap();
    let stranger = Client::new(&fresh.url, None).unwrap();
    let (token, code) = (token(&fresh), code(&home));
    for wrong in ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let (status, told) = asked(&stranger, wrong, &code).await;
        assert_eq!((status, &told["code"]), (404, &json!("setup_link_spent")));
        let get = stranger.request(Method::GET, "/api/v1/setup/join").header("allod-setup-token", wrong);
        assert_eq!(stranger.send(get).await.unwrap().status, 404);
    }
    for wrong in ["", "no code", &code[..code.len() - 8], &"A".repeat(5_000)] {
        let (status, told) = asked(&stranger, &token, wrong).await;
        assert_eq!((status, &told["code"]), (400, &json!("code_malformed")), "{told}");
    }
    let (status, begun) = asked(&stranger, &token, &code).await;
    assert_eq!((status, &begun["state"]), (202, &json!("asking")), "{begun}");
    let again = asked(&stranger, &token, &code).await;
    assert!(again.0 == 409 || again.0 == 404, "{again:?}");
    let done = over(&fresh, &token).await;
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(done["joined"]["user"], home.made["user"], "{done}");
    is_device(&fresh).await;
    assert_eq!(home.node.cli_ok(&["device", "list"]).unwrap().as_array().unwrap().len(), 2);
    assert_eq!(asked(&stranger, &token, &code).await.0, 404, "the link is spent");
    assert_eq!(left(&fresh), [] as [&str; 0]);
    assert_eq!(fresh.cli(&["setup-link"]).unwrap().refused(1).unwrap(), "already_set_up");
}

#[tokio::test]
async fn what_does_not_come_to_it_changes_nothing() {
    let home = home().await;
    // Nobody has this machine's own addresses dialled by a set-up link.
    let fresh = Node::serve(&Allod::find().unwrap(), &home.root.path().join("far")).unwrap();
    let stranger = Client::new(&fresh.url, None).unwrap();
    let (far, unused) = (token(&fresh), code(&home));
    assert_eq!(asked(&stranger, &far, &unused).await.0, 202);
    let failed = over(&fresh, &far).await;
    assert_eq!(failed["problem"]["code"], "inviter_unreachable", "{failed}");
    assert!(!failed.to_string().contains("127.0.0.1"), "it tells nothing of where it looked: {failed}");
    assert_eq!((left(&fresh), &failed["joined"]), (vec![], &Value::Null));
    // A code that was used, and the same node still can be set up anew.
    let near = Node::serve(&near(), &home.root.path().join("near")).unwrap();
    let stranger = Client::new(&near.url, None).unwrap();
    let token = token(&near);
    home.node.allod.ok(&home.root.path().join("other"), &["device", "join", &unused]).unwrap();
    assert_eq!(asked(&stranger, &token, &unused).await.0, 202);
    let failed = over(&near, &token).await;
    assert_eq!(failed["problem"]["code"], "code_refused", "{failed}");
    assert_eq!(left(&near), [] as [&str; 0]);
    let form = [("token", token.as_str()), ("user", "eve"), ("tenant", "home"), ("password", "correct horse battery")];
    let form = form.into_iter().chain([("password-again", "correct horse battery")]).collect::<Vec<_>>();
    let post = stranger.request(Method::POST, "/setup").header("origin", &stranger.base).form(&form);
    assert_eq!(stranger.send(post).await.unwrap().status, 200, "control");
    assert_eq!(asked(&stranger, &token, &code(&home)).await.0, 404);
}

#[tokio::test]
async fn killed_anywhere_it_is_a_device_or_nobody_s_and_can_be_begun_again() {
    let home = home().await;
    for (n, after) in [0, 60, 250, 700, 1_600].into_iter().enumerate() {
        let dir = home.root.path().join(format!("killed-{n}"));
        let fresh = Node::serve(&near(), &dir).unwrap();
        let (first, code_of_it) = (token(&fresh), code(&home));
        let stranger = Client::new(&fresh.url, None).unwrap();
        assert_eq!(asked(&stranger, &first, &code_of_it).await.0, 202);
        tokio::time::sleep(Duration::from_millis(after)).await;
        fresh.kill().unwrap();
        let again = Node::serve(&near(), &dir).unwrap();
        if again.setup.is_some() {
            // The same code goes on where it was broken off; one that was used for nothing is made anew.
            let stranger = Client::new(&again.url, None).unwrap();
            let token = token(&again);
            let mut told = Value::Null;
            // A person has few codes at a time: a second one is made where it is needed.
            for first in [true, false] {
                let code = if first { code_of_it.clone() } else { code(&home) };
                assert_eq!(asked(&stranger, &token, &code).await.0, 202);
                told = over(&again, &token).await;
                if told["state"] == "done" {
                    break;
                }
                assert_eq!(told["problem"]["code"], "code_refused", "{after}: {told}");
            }
            assert_eq!(told["state"], "done", "{after}: {told}");
        }
        is_device(&again).await;
        assert_eq!(left(&again), [] as [&str; 0], "{after}");
    }
}
