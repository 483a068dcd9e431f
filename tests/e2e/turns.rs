//! One person's slow work holds up nobody else: definitions of many types, and writes of many megabytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::Node;
use reqwest::Method;
use serde_json::json;

use crate::home::Home;

const ADD: &str = r#"mutation { add_Note(input: {text: "little"}) { _docID } }"#;

#[tokio::test]
async fn a_definition_of_many_types_holds_up_no_neighbour_and_its_space_opens_again() {
    let home = Home::new().await;
    let (hog, neighbour) = (home.user("hog", None).await, home.user("neighbour", None).await);
    neighbour.define("type Note { text: String }").await.unwrap();
    home.node.cli_ok(&["quota", "set", "collections", "400", "--user", "hog"]).unwrap();
    let fields: String = (0..20).map(|n| format!("f{n}: Int ")).collect();
    let sdl: String = (0..400).map(|n| format!("type T{n} {{ {fields} }}\n")).collect();
    let defining = tokio::spawn({
        let hog = hog.clone();
        async move { hog.define(&sdl).await }
    });
    let mut answered = 0;
    while !defining.is_finished() || answered == 0 {
        neighbour.graphql(ADD).await.unwrap();
        answered += 1;
    }
    let defined = defining.await.unwrap().unwrap();
    assert_eq!(defined.as_array().unwrap().len(), 400, "control");
    hog.graphql("mutation { add_T399(input: {f19: 7}) { _docID } }").await.unwrap();
    let Home { node, root: _root, .. } = home;
    let (allod, dir) = (node.allod.clone(), node.stop().unwrap());
    std::fs::remove_dir_all(dir.join("views")).unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let hog = node.sign_in("hog", "the long password of hog").await.unwrap();
    assert_eq!(hog.graphql("{ T399 { f19 } }").await.unwrap(), json!({ "T399": [{ "f19": 7 }] }));
}

#[tokio::test]
async fn definitions_beyond_what_a_space_may_hold_are_refused() {
    let home = Home::new().await;
    let wide = |name: &str, fields: usize| {
        let fields: String = (0..fields).map(|n| format!("f{n}: Int ")).collect();
        format!("type {name} {{ {fields} }}\n")
    };
    let ten: String = (0..10).map(|n| wide(&format!("T{n}"), 1_000)).collect();
    let more = json!({ "sdl": format!("{ten}{}", wide("More", 1)) });
    let refused = home.alice.post("/api/v1/collections", &more).await.unwrap();
    assert_eq!(
        (refused.status, &refused.json["error"]["code"]),
        (400, &json!("limit_definitions")),
        "{}",
        refused.text
    );
    let indexed: String = (0..65).map(|n| format!("f{n}: Int @index ")).collect();
    let refused = home.alice.post("/api/v1/collections", &json!({ "sdl": format!("type I {{ {indexed} }}") })).await;
    assert_eq!(refused.unwrap().json["error"]["code"], "limit_definitions");
    home.alice.define("type Fine { f: Int @index }").await.unwrap();
}

#[tokio::test]
async fn many_large_adds_of_one_person_hold_up_no_neighbour() {
    const LARGE: usize = 8;
    let home = Home::new().await;
    let (hog, neighbour) = (home.user("hog", None).await, home.user("neighbour", None).await);
    for client in [&hog, &neighbour] {
        client.define("type Note { text: String }").await.unwrap();
    }
    let done = Arc::new(AtomicUsize::new(0));
    let input: Vec<_> = (0..12).map(|_| json!({ "text": "x".repeat(900_000) })).collect();
    let query = "mutation M($i: [NoteMutationInputArg!]!) { add_Note(input: $i) { _docID } }";
    // Written once: who opened a connection and is then busy writing for seconds is taken for one who says nothing.
    let body = json!({ "query": query, "variables": { "i": input } }).to_string();
    let sending: Vec<_> = (0..LARGE)
        .map(|_| {
            let (hog, done, body) = (hog.clone(), Arc::clone(&done), body.clone());
            tokio::spawn(async move {
                let request = hog.request(Method::POST, "/api/v1/graphql").header("content-type", "application/json");
                let answer = hog.send(request.body(body)).await.unwrap();
                done.fetch_add(1, Ordering::SeqCst);
                (answer.status, answer.codes().join(","))
            })
        })
        .collect();
    while done.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    neighbour.graphql(ADD).await.unwrap();
    assert!(done.load(Ordering::SeqCst) < LARGE, "the neighbour waited for everything");
    let mut written = 0;
    for one in sending {
        match one.await.unwrap() {
            (200, codes) if codes.is_empty() => written += 1,
            // Whoever queues more than a share is told so, and nobody else is.
            (_, codes) => assert!(codes.contains("unavailable") || codes.contains("busy"), "{codes}"),
        }
    }
    assert!(written > 0, "control: some of them were written");
}
