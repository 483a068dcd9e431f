//! A node is killed while folders, links and those who manage come and go: each is there whole afterwards, or not at all.

use harness::{Client, Node};
use serde_json::{Value, json};

use crate::home::Home;
use crate::killed_rights::{bob, given, reads, shared};
use crate::trap::{killed, killed_by, point, points};

/// What a command lists, by the ids of its elements.
fn listed(node: &Node, args: &[&str], id: &str) -> Vec<String> {
    let list = node.cli_ok(args).unwrap();
    list.as_array().unwrap().iter().map(|one| one[id].as_str().unwrap().to_owned()).collect()
}

fn folders(node: &Node) -> Vec<String> {
    listed(node, &["folder", "list"], "folder")
}

fn made(home: &Home, args: &[&str], id: &str) -> String {
    home.node.cli_ok(args).unwrap()[id].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_folder_that_was_killed_anywhere_is_there_with_what_it_gives_or_is_not() {
    let (mut home, space) = shared().await;
    let notes = home.alice.graphql("{ Note { _docID } }").await.unwrap();
    let doc = notes["Note"][0]["_docID"].as_str().unwrap().to_owned();
    let mut early = [0; 4];
    for n in 0..points() {
        let (call, nth) = point(n);
        let outer = made(&home, &["folder", "add", "Note", "outer"], "folder");
        let done = killed(&mut home, &["folder", "add", "Note", "inner", "--parent", &outer], n).await.code == 0;
        let mut inner = folders(&home.node);
        inner.retain(|id| *id != outer);
        assert!(inner.len() == 1 || (inner.is_empty() && !done), "making killed at {call} {nth}: {inner:?}");
        early[0] += usize::from(!done);
        // What is in the outer one is listed: nothing else keeps it from being removed.
        for id in &inner {
            home.node.cli_ok(&["folder", "remove", id]).unwrap();
        }
        home.node.cli_ok(&["folder", "remove", &outer]).unwrap_or_else(|error| panic!("{call} {nth}: {error:#}"));

        let folder = made(&home, &["folder", "add", "Note", "family"], "folder");
        home.node.cli_ok(&["share", "add", "--user", "bob", "--folder", &folder]).unwrap();
        let file = ["folder", "file", &folder, &doc];
        let lies = |home: &Home| {
            let list = home.node.cli_ok(&["folder", "documents", &folder]).unwrap();
            list["documents"].as_array().unwrap().len() == 1
        };
        let done = killed(&mut home, &file, n).await.code == 0;
        assert_eq!(reads(&home.node, &space).await, lies(&home), "filing killed at {call} {nth}");
        assert!(!done || lies(&home), "filing acknowledged, and killed at {call} {nth}");
        early[1] += usize::from(!done);
        home.node.cli_ok(&file).unwrap();
        assert!(reads(&home.node, &space).await, "control");
        let done = killed(&mut home, &["folder", "unfile", &folder, &doc], n).await.code == 0;
        assert_eq!(reads(&home.node, &space).await, lies(&home), "unfiling killed at {call} {nth}");
        assert!(!done || !lies(&home), "unfiling acknowledged, and killed at {call} {nth}");
        early[2] += usize::from(!done);
        home.node.cli_ok(&file).unwrap();

        let done = killed(&mut home, &["folder", "remove", &folder], n).await.code == 0;
        let there = folders(&home.node).contains(&folder);
        assert_eq!(reads(&home.node, &space).await, there, "removal killed at {call} {nth}");
        assert_eq!(given(&home.node).len(), usize::from(there), "removal killed at {call} {nth}");
        assert!(!(done && there), "removal acknowledged, and killed at {call} {nth}");
        early[3] += usize::from(!done);
        if there {
            home.node.cli_ok(&["folder", "remove", &folder]).unwrap();
        }
        assert!(!reads(&home.node, &space).await && given(&home.node).is_empty(), "control");
    }
    assert!(early.iter().all(|early| *early > 0), "no kill came in time: {early:?}");
}

#[tokio::test]
async fn a_link_that_was_killed_anywhere_is_listed_and_leads_somewhere_or_neither() {
    let (mut home, _) = shared().await;
    // What is left of a link that nobody sees would leave no room for another.
    home.node.cli_ok(&["quota", "set", "links", "1"]).unwrap();
    let add = ["link", "add", "Note", "--fields", "n"];
    let links = |node: &Node| listed(node, &["link", "list"], "link");
    let mut early = [0; 2];
    for n in 0..points() {
        let (call, nth) = point(n);
        let leads = async |node: &Node, token: &str| {
            let nobody = Client::new(&node.url, None).unwrap();
            nobody.get(&format!("/l/{token}")).await.unwrap().status == 200
        };
        let outcome = killed(&mut home, &add, n).await;
        let there = links(&home.node);
        if outcome.code == 0 {
            let token = outcome.json["token"].as_str().unwrap();
            assert!(there.len() == 1 && leads(&home.node, token).await, "acknowledged, and killed at {call} {nth}");
        }
        early[0] += usize::from(outcome.code != 0);
        for id in &there {
            home.node.cli_ok(&["link", "remove", id]).unwrap();
        }
        let link = home.node.cli_ok(&add).unwrap_or_else(|error| panic!("making killed at {call} {nth}: {error:#}"));
        let (id, token) = (link["link"].as_str().unwrap(), link["token"].as_str().unwrap());
        assert!(leads(&home.node, token).await, "control");
        let done = killed(&mut home, &["link", "remove", id], n).await.code == 0;
        let there = links(&home.node);
        assert_eq!(leads(&home.node, token).await, there == [id], "removal killed at {call} {nth}: {there:?}");
        assert!(!done || there.is_empty(), "removal acknowledged, and killed at {call} {nth}");
        early[1] += usize::from(!done);
        for id in &there {
            home.node.cli_ok(&["link", "remove", id]).unwrap();
        }
        assert!(!leads(&home.node, token).await, "control");
        let link = home.node.cli_ok(&add).unwrap_or_else(|error| panic!("removal killed at {call} {nth}: {error:#}"));
        home.node.cli_ok(&["link", "remove", link["link"].as_str().unwrap()]).unwrap();
    }
    assert!(early.iter().all(|early| *early > 0), "no kill came in time: {early:?}");
}

#[tokio::test]
async fn with_a_manager_whose_removal_was_killed_anywhere_goes_what_they_gave_themselves_or_nothing_does() {
    let (mut home, space) = shared().await;
    let mut early = [0; 3];
    for n in 0..points() {
        let (call, nth) = point(n);
        // Of a collection, by the one who owns it.
        let manage = ["share", "add", "--user", "bob", "--collection", "Note", "--role", "owner"];
        let managing = made(&home, &manage, "share");
        let own = json!({ "space": space, "collection": "Note", "role": "viewer", "with": { "user": "bob" } });
        let gave = bob(&home.node).await.post("/api/v1/shares", &own).await.unwrap();
        assert_eq!(gave.status, 201, "{}", gave.text);
        let done = killed(&mut home, &["share", "remove", &managing], n).await.code == 0;
        let left = given(&home.node).len();
        assert!(left == 2 || left == 0, "removal killed at {call} {nth}: {left}");
        assert_eq!(reads(&home.node, &space).await, left == 2, "removal killed at {call} {nth}");
        assert!(!done || left == 0, "removal acknowledged, and killed at {call} {nth}");
        early[0] += usize::from(!done);
        if left == 2 {
            home.node.cli_ok(&["share", "remove", &managing]).unwrap();
        }
        assert!(!reads(&home.node, &space).await && given(&home.node).is_empty(), "control");

        // Of a group.
        let group = made(&home, &["group", "add", "friends"], "group");
        home.node.cli_ok(&["share", "add", "--group", &group, "--collection", "Note"]).unwrap();
        home.node.cli_ok(&["group", "member", "add", &group, "--user", "bob", "--manager"]).unwrap();
        let members = format!("/api/v1/groups/{group}/members");
        let joined = bob(&home.node).await.post(&members, &json!({ "user": "bob" })).await.unwrap();
        assert!(joined.status == 201 && reads(&home.node, &space).await, "control: {}", joined.text);
        let out = ["group", "member", "remove", &group, "--user", "bob", "--manager"];
        let done = killed(&mut home, &out, n).await.code == 0;
        let manages = bob(&home.node).await.get(&format!("/api/v1/groups/{group}")).await.unwrap().status == 200;
        assert_eq!(reads(&home.node, &space).await, manages, "dismissal killed at {call} {nth}");
        assert!(!(done && manages), "dismissal acknowledged, and killed at {call} {nth}");
        early[1] += usize::from(!done);
        home.node.cli_ok(&["group", "remove", &group]).unwrap();
        assert!(!reads(&home.node, &space).await, "control");

        // Who was given something leaves by themselves.
        let share = made(&home, &["share", "add", "--user", "bob"], "share");
        assert!(reads(&home.node, &space).await, "control");
        let leave = async |bob: &Client| {
            let left = bob.delete(&format!("/api/v1/shares/{share}")).await;
            left.is_ok_and(|answer| answer.status == 204)
        };
        let client = bob(&home.node).await;
        let done = killed_by(&mut home, n, async |_| leave(&client).await).await;
        let listed = given(&home.node).len();
        assert_eq!(reads(&home.node, &space).await, listed == 1, "leaving killed at {call} {nth}");
        assert!(!done || listed == 0, "leaving acknowledged, and killed at {call} {nth}");
        early[2] += usize::from(!done);
        if listed == 1 {
            assert!(leave(&bob(&home.node).await).await, "once more");
        }
        assert!(!reads(&home.node, &space).await, "control");
    }
    assert!(early.iter().all(|early| *early > 0), "no kill came in time: {early:?}");
}

#[tokio::test]
async fn a_promise_whose_taking_up_was_killed_anywhere_is_kept_once() {
    let mut home = Home::new().await;
    home.node.cli_ok(&["tenant", "add", "guests"]).unwrap();
    home.user("bob", Some("guests")).await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    home.alice.graphql("mutation { add_Note(input: {n: 1}) { _docID } }").await.unwrap();
    let space = home.made["space"].as_str().unwrap().to_owned();
    let mut early = 0;
    for n in 0..points() {
        let (call, nth) = point(n);
        home.node.cli_ok(&["share", "add", "--user", "bob", "--collection", "Note"]).unwrap();
        let comes = async |home: &Home| {
            let client = home.node.sign_in("bob", "the long password of bob").await;
            let Ok(client) = client else { return Value::Null };
            let read = client.in_space(&space).try_graphql("{ Note { n } }", Value::Null).await;
            read.map_or(Value::Null, |read| read.json["data"]["Note"].clone())
        };
        let done = killed_by(&mut home, n, comes).await == json!([{ "n": 1 }]);
        early += usize::from(!done);
        assert!(reads(&home.node, &space).await, "killed at {call} {nth}");
        let listed = bob(&home.node).await.get("/api/v1/shares").await.unwrap().json;
        assert_eq!(listed["received"].as_array().map(Vec::len), Some(1), "killed at {call} {nth}: {listed}");
        let shares = given(&home.node);
        assert_eq!(shares.len(), 1, "killed at {call} {nth}");
        home.node.cli_ok(&["share", "remove", &shares[0]]).unwrap();
        assert!(!reads(&home.node, &space).await, "control");
    }
    assert!(early > 0, "no kill came in time");
}
