//! Groups: who makes one manages it, who is in it sees it, and to everybody else it is not there.

use harness::{Answer, Client};
use serde_json::{Value, json};

use crate::home::Home;
use crate::hostile::{code, unhurt};
use crate::sharing::acquainted;

const UNKNOWN: &str = "000000000000000000000000000000aa";

pub async fn group(client: &Client, name: &str) -> String {
    let made = client.post("/api/v1/groups", &json!({ "name": name })).await.unwrap();
    assert_eq!((made.status, &made.json["role"]), (201, &json!("manager")), "{}", made.text);
    made.json["group"].as_str().unwrap().to_owned()
}

pub async fn put(client: &Client, group: &str, member: Value) -> Answer {
    client.post(&format!("/api/v1/groups/{group}/members"), &member).await.unwrap()
}

async fn listed(client: &Client) -> Vec<(String, String)> {
    let list = client.get("/api/v1/groups").await.unwrap();
    assert_eq!(list.status, 200, "{}", list.text);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.json.as_array().unwrap().iter().map(|one| (text(&one["group"]), text(&one["role"]))).collect()
}

#[tokio::test]
async fn a_group_is_there_for_who_manages_it_or_is_in_it_and_for_nobody_else() {
    let home = Home::new().await;
    home.node.cli_ok(&["tenant", "add", "elsewhere"]).unwrap();
    let bob = home.user("bob", None).await;
    let carol = home.user("carol", Some("elsewhere")).await;
    let family = group(&home.alice, "Family").await;
    assert_eq!(listed(&home.alice).await, [(family.clone(), "manager".to_owned())]);
    assert!(listed(&bob).await.is_empty());

    // To strangers it answers as one that never was, whatever they try.
    let member = json!({"user": "bob"});
    for stranger in [&bob, &carol] {
        for (there, never) in [
            (
                stranger.get(&format!("/api/v1/groups/{family}")).await,
                stranger.get(&format!("/api/v1/groups/{UNKNOWN}")).await,
            ),
            (
                stranger.delete(&format!("/api/v1/groups/{family}")).await,
                stranger.delete(&format!("/api/v1/groups/{UNKNOWN}")).await,
            ),
            (
                stranger.delete(&format!("/api/v1/groups/{family}/managers/alice")).await,
                stranger.delete(&format!("/api/v1/groups/{UNKNOWN}/managers/alice")).await,
            ),
            (Ok(put(stranger, &family, member.clone()).await), Ok(put(stranger, UNKNOWN, member.clone()).await)),
        ] {
            let (there, never) = (there.unwrap(), never.unwrap());
            assert_eq!((there.status, &there.text), (404, &never.text));
        }
        let theirs = group(stranger, "Mine").await;
        let (there, never) = (
            put(stranger, &theirs, json!({"group": family})).await,
            put(stranger, &theirs, json!({"group": UNKNOWN})).await,
        );
        assert_eq!((there.status, &there.text), (404, &never.text), "a foreign group cannot be nested");
    }

    let added = put(&home.alice, &family, json!({"user": "bob"})).await;
    assert_eq!((added.status, &added.json), (201, &json!({"user": "bob", "role": "member"})), "{}", added.text);
    assert!(listed(&bob).await.contains(&(family.clone(), "member".to_owned())));
    // A member sees the group, not who else is in it, and changes nothing.
    let seen = bob.get(&format!("/api/v1/groups/{family}")).await.unwrap();
    assert_eq!((seen.status, &seen.json["name"], &seen.json["members"]), (200, &json!("Family"), &Value::Null));
    for refused in [
        put(&bob, &family, json!({"user": "carol"})).await,
        bob.delete(&format!("/api/v1/groups/{family}")).await.unwrap(),
        bob.delete(&format!("/api/v1/groups/{family}/members/users/bob")).await.unwrap(),
    ] {
        assert_eq!((refused.status, code(&refused)), (403, "forbidden"));
    }
    let shown = home.alice.get(&format!("/api/v1/groups/{family}")).await.unwrap();
    let members = json!([{"user": "alice", "role": "manager"}, {"user": "bob", "role": "member"}]);
    assert_eq!(shown.json["members"], members, "{}", shown.text);

    let gone = home.alice.delete(&format!("/api/v1/groups/{family}/members/users/bob")).await.unwrap();
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert!(!listed(&bob).await.iter().any(|(id, _)| *id == family));
    let again = home.alice.delete(&format!("/api/v1/groups/{family}/members/users/bob")).await.unwrap();
    assert_eq!(again.status, 404);
    let last = home.alice.delete(&format!("/api/v1/groups/{family}/managers/alice")).await.unwrap();
    assert_eq!((last.status, code(&last)), (409, "last_manager"));
    acquainted(&home.alice, &carol, "carol").await;
    assert_eq!(put(&home.alice, &family, json!({"user": "carol", "role": "manager"})).await.status, 201);
    let unknown = put(&carol, &family, json!({"user": "bob"})).await;
    assert_eq!((unknown.status, code(&unknown)), (404, "unknown_user"), "Bob is of another tenant than she");
    assert_eq!(put(&home.alice, &family, json!({"user": "bob"})).await.status, 201);
    assert_eq!(put(&carol, &family, json!({"user": "bob", "until": "PT1H"})).await.status, 201, "she manages it now");
    assert_eq!(home.alice.delete(&format!("/api/v1/groups/{family}")).await.unwrap().status, 204);
    for client in [&home.alice, &bob, &carol] {
        assert!(!listed(client).await.iter().any(|(id, _)| *id == family));
    }
    unhurt(&home).await;
}

#[tokio::test]
async fn groups_do_not_contain_themselves_nor_nest_without_end() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let mut chain = Vec::new();
    for n in 0..21 {
        chain.push(group(&home.alice, &format!("level {n}")).await);
    }
    let itself = put(&home.alice, &chain[0], json!({"group": chain[0]})).await;
    assert_eq!((itself.status, code(&itself)), (409, "group_cycle"));
    for pair in chain[..20].windows(2) {
        assert_eq!(put(&home.alice, &pair[0], json!({"group": pair[1]})).await.status, 201);
    }
    for (outer, inner, expected) in
        [(19, 0, "group_cycle"), (10, 3, "group_cycle"), (19, 20, "group_depth"), (20, 0, "group_depth")]
    {
        let refused = put(&home.alice, &chain[outer], json!({"group": chain[inner]})).await;
        assert_eq!((refused.status, code(&refused)), (409, expected), "{outer} {inner}");
    }
    assert_eq!(put(&home.alice, &chain[20], json!({"group": chain[1]})).await.status, 201, "control: one level less");
    assert_eq!(put(&home.alice, &chain[19], json!({"user": "bob"})).await.status, 201);
    assert_eq!(listed(&bob).await.len(), 21, "in all of them, by way of the innermost");
    let taken = home.alice.delete(&format!("/api/v1/groups/{}/members/groups/{}", chain[4], chain[5])).await.unwrap();
    assert_eq!(taken.status, 204, "{}", taken.text);
    assert_eq!(listed(&bob).await.len(), 15);
    unhurt(&home).await;
}

#[tokio::test]
async fn groups_by_the_command_line_and_bad_input() {
    let home = Home::new().await;
    home.user("bob", None).await;
    let made = home.node.cli_ok(&["group", "add", "Friends"]).unwrap();
    let id = made["group"].as_str().unwrap();
    home.node.cli_ok(&["group", "member", "add", id, "--user", "bob", "--until", "P30D"]).unwrap();
    let shown = home.node.cli_ok(&["group", "show", id]).unwrap();
    assert!(shown["members"][1]["until"].is_string(), "{shown}");
    assert_eq!(
        home.node.cli_ok(&["group", "list"]).unwrap(),
        json!([{"group": id, "name": "Friends", "role": "manager"}])
    );
    for (args, exit) in [
        (vec!["group", "member", "add", id], 2),
        (vec!["group", "member", "add", id, "--user", "bob", "--group", id], 2),
        (vec!["group", "member", "add", id, "--user", "nobody"], 4),
        (vec!["group", "member", "add", id, "--user", "bob", "--until", "yesterday"], 2),
        (vec!["group", "member", "add", id, "--user", "bob", "--until", "2001-01-01T00:00:00Z"], 2),
        (vec!["group", "member", "add", id, "--group", id], 1),
        (vec!["group", "show", UNKNOWN], 4),
        (vec!["group", "show", "no id"], 4),
        (vec!["group", "add", ""], 2),
    ] {
        home.node.cli(&args).unwrap().refused(exit).unwrap_or_else(|error| panic!("{args:?}: {error}"));
    }
    for bad in [
        json!({}),
        json!({"user": "bob", "group": id}),
        json!({"user": "bob", "role": "owner"}),
        json!({"user": 1}),
        json!({"user": "bob", "until": 3}),
        json!({"user": "bob", "role": "manager", "until": "P1D"}),
        json!({"who": "bob"}),
    ] {
        let refused = put(&home.alice, id, bad.clone()).await;
        assert_eq!(refused.status, 400, "{bad}: {}", refused.text);
    }
    home.node.cli_ok(&["group", "member", "remove", id, "--user", "bob"]).unwrap();
    home.node.cli_ok(&["group", "remove", id]).unwrap();
    assert_eq!(home.node.cli_ok(&["group", "list"]).unwrap(), json!([]));
    let audit = home.alice.get("/api/v1/audit").await.unwrap();
    for action in ["group.created", "group.member_added", "group.member_removed", "group.removed"] {
        assert!(audit.text.contains(action), "{action}");
    }
    unhurt(&home).await;
}
