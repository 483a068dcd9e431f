//! A node that nobody owns yet, on a listener that strangers reach too.

use futures::future::join_all;
use harness::{Allod, Client, Node};
use reqwest::Method;
use serde_json::json;

const PASSWORD: &str = "correct horse battery staple";

fn token(link: &str) -> String {
    link.split_once("token=").expect("a link").1.to_owned()
}

async fn submit(client: &Client, token: &str, user: &str) -> u16 {
    let form =
        [("token", token), ("user", user), ("tenant", "home"), ("password", PASSWORD), ("password-again", PASSWORD)];
    let post = client.request(Method::POST, "/setup").header("origin", &client.base).form(&form);
    client.send(post).await.unwrap().status
}

/// The node at an address of this machine to which it listens only if it listens for the network.
fn beyond(node: &Node) -> Client {
    Client::new(&node.url.replace("127.0.0.1", "127.0.0.2"), None).unwrap()
}

#[tokio::test]
async fn before_the_set_up_an_explicit_listener_answers_health_and_set_up_alone_and_after_it_everything() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let dir = root.path().join("fresh");
    let command = allod.command(&dir, &["serve", "--listen", "0.0.0.0:0", "--insecure"]);
    let node = Node::serve_by(allod.clone(), &dir, command).unwrap();
    let stranger = beyond(&node);
    let status = async |path: &str| stranger.get(path).await.unwrap().status;
    assert_eq!((status("/healthz").await, status("/readyz").await), (200, 503));
    assert_eq!(status("/oauth/style.css").await, 200);
    for path in
        ["/", "/admin/", "/api/v1/spaces", "/api/v1/setup-link", "/openapi.json", "/metrics", "/nowhere", "/setup/"]
    {
        for method in [Method::GET, Method::POST, Method::OPTIONS, Method::DELETE] {
            let answer = stranger.send(stranger.request(method.clone(), path)).await.unwrap();
            assert_eq!(answer.status, 503, "{method} {path}: {}", answer.text);
            assert!(answer.text.contains("allod setup-link"), "it says what to do: {}", answer.text);
        }
    }
    let problem = stranger.get("/api/v1/spaces").await.unwrap().json;
    assert_eq!((&problem["code"], &problem["status"]), (&json!("not_set_up"), &json!(503)), "{problem}");
    let graphql = stranger.try_graphql("{ __typename }", json!({})).await.unwrap();
    assert_eq!((graphql.status, graphql.codes()), (503, vec!["not_set_up"]));
    let page = stranger.request(Method::GET, "/admin/").header("sec-fetch-mode", "navigate");
    let page = stranger.send(page).await.unwrap();
    assert!(page.status == 503 && page.text.contains("<h1>Not set up yet</h1>"), "{}", page.text);
    // Whoever holds the machine may look at it, and the health check of a container waits for nobody's set-up.
    assert_eq!(node.cli(&["healthcheck"]).unwrap().refused(1).unwrap(), "not_ready");
    node.cli_ok(&["healthcheck", "--before-setup"]).unwrap();

    let first = token(node.setup.as_deref().unwrap());
    assert_eq!(status(&format!("/setup?token={first}")).await, 200, "control");
    assert_eq!(status("/setup?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").await, 404);
    let link = node.cli_ok(&["setup-link"]).unwrap();
    let second = token(link["url"].as_str().unwrap());
    assert_eq!(status(&format!("/setup?token={first}")).await, 404, "the one before is good no more");
    assert_eq!(submit(&stranger, &first, "eve").await, 404);
    assert_eq!(submit(&stranger, "", "eve").await, 404);

    // Of fifty who have the link at once one is first.
    let names: Vec<String> = (0..50).map(|n| format!("user{n}")).collect();
    let answers = join_all(names.iter().map(|name| submit(&stranger, &second, name))).await;
    let count = |status: u16| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(200), count(404)), (1, 49), "{answers:?}");
    let winner = &names[answers.iter().position(|answer| *answer == 200).unwrap()];

    // It goes on without another start.
    assert_eq!((status("/readyz").await, status("/api/v1/spaces").await), (200, 401));
    let other = names.iter().find(|name| *name != winner).unwrap();
    assert!(stranger.sign_in(other, PASSWORD).await.is_err(), "{other} owns nothing");
    let owner = stranger.sign_in(winner, PASSWORD).await.unwrap();
    owner.define("type Note { text: String }").await.unwrap();
    assert_eq!(node.cli_ok(&["user", "list"]).unwrap().as_array().unwrap().len(), 1);
    assert_eq!(node.cli(&["setup-link"]).unwrap().refused(1).unwrap(), "already_set_up");
    assert_eq!(submit(&stranger, &second, "eve").await, 404);
    let dir = node.stop().unwrap();
    assert_eq!(allod.run(&dir, &["setup-link"]).unwrap().refused(5).unwrap(), "node_unreachable");
}

#[tokio::test]
async fn without_being_told_a_node_listens_on_its_own_machine_alone() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let node = Node::serve(&allod, &root.path().join("fresh")).unwrap();
    assert!(beyond(&node).get("/healthz").await.is_err(), "it is reached from elsewhere");
    assert_eq!(Client::new(&node.url, None).unwrap().get("/healthz").await.unwrap().status, 200, "control");
}
