//! A node is killed while rights change hands: what it says of them and what it enforces are the same afterwards, and what
//! was acknowledged is so.

use harness::{Client, Node};
use serde_json::{Value, json};

use crate::home::{Home, OWNER};
use crate::trap::{killed, point, points};

pub async fn bob(node: &Node) -> Client {
    node.sign_in("bob", "the long password of bob").await.unwrap()
}

/// Whether Bob reads Alice's notes.
pub async fn reads(node: &Node, space: &str) -> bool {
    let read = bob(node).await.in_space(space).try_graphql("{ Note { n } }", Value::Null).await.unwrap();
    read.json["data"]["Note"] == json!([{ "n": 1 }])
}

pub async fn shared() -> (Home, String) {
    let home = Home::new().await;
    home.user("bob", None).await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    home.alice.graphql("mutation { add_Note(input: {n: 1}) { _docID } }").await.unwrap();
    let space = home.made["space"].as_str().unwrap().to_owned();
    (home, space)
}

pub fn given(node: &Node) -> Vec<String> {
    let list = node.cli_ok(&["share", "list"]).unwrap();
    list["given"].as_array().unwrap().iter().map(|one| one["share"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_share_that_was_killed_anywhere_is_there_or_is_not() {
    let (mut home, space) = shared().await;
    let (mut begun, mut ended) = (0, 0);
    for n in 0..points() {
        let (call, nth) = point(n);
        let done = killed(&mut home, &["share", "add", "--user", "bob", "--collection", "Note"], n).await.code == 0;
        let listed = given(&home.node);
        assert_eq!(reads(&home.node, &space).await, listed.len() == 1, "killed at {call} {nth}: {listed:?}");
        assert!(!done || listed.len() == 1, "acknowledged, and killed at {call} {nth}");
        begun += usize::from(!done);
        home.node.cli_ok(&["share", "add", "--user", "bob", "--collection", "Note"]).unwrap();
        let share = given(&home.node).pop().unwrap();
        assert!(reads(&home.node, &space).await, "control");
        let done = killed(&mut home, &["share", "remove", &share], n).await.code == 0;
        let listed = given(&home.node);
        assert_eq!(reads(&home.node, &space).await, listed.len() == 1, "removal killed at {call} {nth}: {listed:?}");
        assert!(!done || listed.is_empty(), "removal acknowledged, and killed at {call} {nth}");
        ended += usize::from(!done);
        if let Some(share) = listed.first() {
            home.node.cli_ok(&["share", "remove", share]).unwrap();
        }
        assert!(!reads(&home.node, &space).await, "control");
    }
    assert!(begun > 0 && ended > 0, "no kill came in time");
}

#[tokio::test]
async fn a_group_whose_removal_was_killed_anywhere_is_there_or_is_not() {
    let (mut home, space) = shared().await;
    let mut early = 0;
    for n in 0..points() {
        let (call, nth) = point(n);
        let made = home.node.cli_ok(&["group", "add", "friends"]).unwrap();
        let group = made["group"].as_str().unwrap().to_owned();
        home.node.cli_ok(&["group", "member", "add", &group, "--user", "bob"]).unwrap();
        home.node.cli_ok(&["share", "add", "--group", &group, "--collection", "Note"]).unwrap();
        assert!(reads(&home.node, &space).await, "control");
        let done = killed(&mut home, &["group", "remove", &group], n).await.code == 0;
        let groups = home.node.cli_ok(&["group", "list"]).unwrap();
        let there = groups.as_array().unwrap().len() == 1;
        assert_eq!(reads(&home.node, &space).await, there, "killed at {call} {nth}");
        assert_eq!(given(&home.node).len(), usize::from(there), "killed at {call} {nth}");
        assert!(!(done && there), "acknowledged, and killed at {call} {nth}");
        early += usize::from(!done);
        if there {
            home.node.cli_ok(&["group", "remove", &group]).unwrap();
        }
        assert!(!reads(&home.node, &space).await, "control");
    }
    assert!(early > 0, "no kill came in time");
}

#[tokio::test]
async fn a_grant_that_was_killed_anywhere_is_listed_or_gives_nothing() {
    let (mut home, _) = shared().await;
    let access =
        json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read", "search"], "fields": {"allow": ["n"]}});
    let manifest = json!({"name": "An App", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [access], "confidential": false});
    let app = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
    let client = app["client_id"].as_str().unwrap().to_owned();
    let file = home.file("grant.json", &access.to_string());
    let add = ["grant", "add", "--user", OWNER.0, "--app", &client, &file];
    let list = |node: &Node| node.cli_ok(&["grant", "list"]).unwrap().as_array().unwrap().clone();
    let mut early = 0;
    for n in 0..points() {
        let (call, nth) = point(n);
        let before = list(&home.node).len();
        let done = killed(&mut home, &add, n).await.code == 0;
        let after = list(&home.node);
        assert!(after.len() >= before + usize::from(done), "acknowledged, and killed at {call} {nth}");
        early += usize::from(!done);
        // Whatever is there can be seen, and taken back: before the kill, or after it.
        let made = home.node.cli_ok(&add).unwrap();
        let (grant, token) = (made["grant"].as_str().unwrap(), made["access_token"].as_str().unwrap());
        let app = |node: &Node| Client::new(&node.url, Some(token)).unwrap();
        assert!(app(&home.node).graphql("{ Note { n } }").await.is_ok(), "control");
        let done = killed(&mut home, &["grant", "revoke", grant], n).await.code == 0;
        let live = app(&home.node).graphql("{ Note { n } }").await.is_ok();
        let listed = list(&home.node).iter().any(|one| one["grant"] == grant);
        assert!(listed || !live, "revocation killed at {call} {nth}: it is not listed, and serves");
        assert!(!done || !live, "revocation acknowledged, and killed at {call} {nth}");
        for one in list(&home.node) {
            home.node.cli_ok(&["grant", "revoke", one["grant"].as_str().unwrap()]).unwrap();
        }
        assert!(app(&home.node).graphql("{ Note { n } }").await.is_err(), "control");
        assert!(list(&home.node).is_empty(), "each of them could be taken back");
    }
    assert!(early > 0, "no kill came in time");
}

#[tokio::test]
async fn a_grant_whose_narrowing_was_killed_anywhere_is_one_of_both_and_opens_as_it_is_listed() {
    let (mut home, _) = shared().await;
    let access = json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read", "search", "update"],
        "fields": {"allow": ["n"]}});
    let mut less = access.clone();
    less["actions"] = json!(["read", "search"]);
    let file = home.file("less.json", &less.to_string());
    let list = |node: &Node| node.cli_ok(&["grant", "list"]).unwrap().as_array().unwrap().clone();
    let mut early = 0;
    for n in 0..points() {
        let (call, nth) = point(n);
        let (app, grant) = home.app(&access, &access);
        let app = |node: &Node| app.at(&node.url);
        let writes =
            async |node: &Node| app(node).graphql("mutation { update_Note(input: {n: 1}) { _docID } }").await.is_ok();
        assert!(writes(&home.node).await, "control");
        let done = killed(&mut home, &["grant", "shrink", &grant, &file], n).await.code == 0;
        let listed = list(&home.node);
        let [one] = &listed[..] else { panic!("killed at {call} {nth}: {listed:?}") };
        let wide = one["access"][0]["actions"].as_array().unwrap().len() == 3;
        assert_eq!(one["grant"] == grant.as_str(), wide, "killed at {call} {nth}");
        assert_eq!(writes(&home.node).await, wide, "killed at {call} {nth}");
        assert!(app(&home.node).graphql("{ Note { n } }").await.is_ok(), "killed at {call} {nth}: its tokens open it");
        assert!(!(done && wide), "acknowledged, and killed at {call} {nth}");
        early += usize::from(!done);
        home.node.cli_ok(&["grant", "revoke", one["grant"].as_str().unwrap()]).unwrap();
        assert!(app(&home.node).graphql("{ Note { n } }").await.is_err(), "control");
    }
    assert!(early > 0, "no kill came in time");
}
