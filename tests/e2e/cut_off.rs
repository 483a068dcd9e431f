//! Connections that are closed while the node stores what they asked for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::home::Home;
use harness::Node;

const LINK: (&str, &str) = ("/api/v1/links", r#"{"collection": "Note", "fields": ["text"]}"#);

/// What is asked in round `n`: a definition, a link (which is a grant), a space, a document.
fn asked(n: u64) -> Vec<(&'static str, Value)> {
    let mut all = vec![
        ("/api/v1/collections", json!({ "sdl": format!("type T{n} {{ a: Int }}") })),
        (LINK.0, serde_json::from_str(LINK.1).unwrap()),
        (
            "/api/v1/graphql",
            json!({ "query": format!("mutation {{ add_Note(input: {{text: \"{n}\"}}) {{ _docID }} }}") }),
        ),
    ];
    if n.is_multiple_of(3) {
        all.push(("/api/v1/spaces", json!({ "name": format!("Space {n}") })));
    }
    all
}

#[tokio::test]
async fn a_node_whose_callers_hang_up_in_the_middle_goes_on_writing() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let (mut cut, mut answered) = (0, 0);
    for n in 0..48 {
        for (path, body) in asked(n) {
            // At another moment each time: from before the request is read to after it is answered.
            match tokio::time::timeout(Duration::from_micros(n * 700), home.alice.post(path, &body)).await {
                Err(_) => cut += 1,
                Ok(answer) => {
                    let answer = answer.unwrap();
                    assert!(answer.status < 500, "{path}: {}", answer.text);
                    answered += 1;
                }
            }
        }
        home.alice
            .graphql(&format!("mutation {{ add_Note(input: {{text: \"and {n}\"}}) {{ _docID }} }}"))
            .await
            .unwrap();
    }
    assert!(cut > 0, "control: some were cut off; {answered} were answered");
    home.alice.define("type After { a: Int }").await.unwrap();
    home.alice.new_space("After").await.unwrap();
    let made = home.alice.post(LINK.0, &serde_json::from_str(LINK.1).unwrap()).await.unwrap();
    assert!((200..300).contains(&made.status), "{}", made.text);
    let ready = home.alice.get("/readyz").await.unwrap();
    assert_eq!(ready.json["writing"], true, "{}", ready.text);
    let notes = "{ Note(order: [{text: ASC}]) { text } }";
    let before = home.alice.graphql(notes).await.unwrap();
    let Home { node, root: _root, .. } = home;
    let (allod, dir) = (node.allod.clone(), node.stop().unwrap());
    let health = allod.ok(&dir, &["doctor"]).unwrap();
    assert_eq!(allod.ok(&dir, &["doctor", "--rebuild"]).unwrap()["spaces"], health["spaces"], "{health}");
    let node = Node::serve(&allod, &dir).unwrap();
    let alice = node.sign_in(crate::home::OWNER.0, crate::home::OWNER.1).await.unwrap();
    assert_eq!(alice.graphql(notes).await.unwrap(), before);
    alice.define("type Again { a: Int }").await.unwrap();
}
