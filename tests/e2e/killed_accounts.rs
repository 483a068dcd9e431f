//! A node is killed while somebody allows an app, changes their password, takes an invitation, makes recovery words, or
//! names a replica: what was acknowledged is so, the rest is whole or not at all, and can be done once more.

use std::os::unix::fs::PermissionsExt as _;

use harness::{Client, Replica, authorize, exchange};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::{Home, OWNER};
use crate::killed_rights::shared;
use crate::trap::{killed, killed_by, point, points};

const REDIRECT: &str = "http://127.0.0.1:9/cb";

#[tokio::test]
async fn a_consent_that_was_killed_anywhere_is_listed_or_was_none() {
    let (mut home, _) = shared().await;
    let access =
        json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read", "search"], "fields": {"allow": ["n"]}});
    let manifest = json!({"name": "An App", "redirect_uris": [REDIRECT], "access": [access], "confidential": false});
    let app = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
    let client = app["client_id"].as_str().unwrap().to_owned();
    let allow = async |home: &Home| authorize(&home.node.url, &client, REDIRECT, &json!([access]), OWNER, |_| {}).await;
    let mut early = [0; 2];
    for n in 0..points() {
        let (call, nth) = point(n);
        let allowed = killed_by(&mut home, n, allow).await;
        let tokens = async |home: &Home, (code, verifier): (String, String)| {
            exchange(&home.node.url, &client, REDIRECT, &code, &verifier).await.unwrap()
        };
        let list = |home: &Home| home.node.cli_ok(&["grant", "list"]).unwrap().as_array().unwrap().clone();
        assert!(list(&home).len() <= 1, "killed at {call} {nth}");
        early[0] += usize::from(allowed.is_err());
        // The app goes on with what it was answered, or asks once more.
        let code = match allowed {
            Ok(code) => code,
            Err(_) => allow(&home).await.unwrap_or_else(|error| panic!("killed at {call} {nth}: {error:#}")),
        };
        let app = tokens(&home, code).await;
        let asks = |home: &Home| Client::new(&home.node.url, Some(&app.access_token)).unwrap();
        assert!(asks(&home).graphql("{ Note { n } }").await.is_ok(), "control");
        // Its person takes it back.
        let grants = list(&home);
        let grant = grants.last().unwrap()["grant"].as_str().unwrap().to_owned();
        let alice = home.node.sign_in(OWNER.0, OWNER.1).await.unwrap();
        let revoke = async |_: &Home| {
            let answer = alice.delete(&format!("/api/v1/grants/{grant}")).await;
            answer.is_ok_and(|answer| answer.status == 200)
        };
        let done = killed_by(&mut home, n, revoke).await;
        let serves = asks(&home).graphql("{ Note { n } }").await.is_ok();
        let there = list(&home).iter().any(|one| one["grant"] == grant.as_str());
        assert_eq!(there, serves, "revocation killed at {call} {nth}");
        assert!(!(done && serves), "revocation acknowledged, and killed at {call} {nth}");
        early[1] += usize::from(!done);
        for one in list(&home) {
            home.node.cli_ok(&["grant", "revoke", one["grant"].as_str().unwrap()]).unwrap();
        }
        assert!(asks(&home).graphql("{ Note { n } }").await.is_err() && list(&home).is_empty(), "control");
    }
    assert!(early.iter().all(|early| *early > 0), "no kill came in time: {early:?}");
}

#[tokio::test]
async fn of_a_password_whose_change_was_killed_anywhere_one_opens() {
    let (mut home, _) = shared().await;
    let mut current = "the long password of bob".to_owned();
    let mut early = 0;
    for n in 0..points() {
        let (call, nth) = point(n);
        let next = format!("the long password of bob, number {n}");
        let other = home.node.sign_in("bob", &current).await.unwrap();
        let change = async |bob: &Client| {
            let body = json!({ "current": current, "new": next });
            let answer = bob.send(bob.request(Method::PUT, "/api/v1/me/password").json(&body)).await;
            answer.is_ok_and(|answer| answer.status < 300)
        };
        let bob = home.node.sign_in("bob", &current).await.unwrap();
        let done = killed_by(&mut home, n, async |_| change(&bob).await).await;
        let opens = async |home: &Home, password: &str| home.node.sign_in("bob", password).await.is_ok();
        let changed = opens(&home, &next).await;
        assert_eq!(opens(&home, &current).await, !changed, "killed at {call} {nth}");
        assert!(!done || changed, "acknowledged, and killed at {call} {nth}");
        early += usize::from(!done);
        // What the former one opened ends with it.
        let other = Client::new(&home.node.url, other.token.as_deref()).unwrap();
        let stays = other.get("/api/v1/me").await.unwrap().status == 200;
        assert_eq!(stays, !changed, "killed at {call} {nth}");
        if !changed {
            let bob = home.node.sign_in("bob", &current).await.unwrap();
            assert!(change(&bob).await, "once more");
        }
        assert!(opens(&home, &next).await && !opens(&home, &current).await, "control");
        current = next;
    }
    assert!(early > 0, "no kill came in time");
}

#[tokio::test]
async fn an_invitation_that_was_killed_anywhere_is_good_or_taken() {
    let mut home = Home::new().await;
    let mut early = [0; 2];
    for n in 0..points() {
        let (call, nth) = point(n);
        let (name, password) = (format!("person{n}"), format!("the long password of person{n}"));
        let invited = killed(&mut home, &["user", "invite", &name], n).await;
        early[0] += usize::from(invited.code != 0);
        // Whoever had no answer asks once more; the one that was answered is good.
        let answered = if invited.code == 0 { Ok(invited.json) } else { home.node.cli_ok(&["user", "invite", &name]) };
        let link = answered.unwrap_or_else(|error| panic!("inviting killed at {call} {nth}: {error:#}"));
        let token = link["link"].as_str().unwrap().split_once("token=").unwrap().1.to_owned();
        let users = home.node.cli_ok(&["user", "list"]).unwrap();
        assert_eq!(users.as_array().unwrap().len(), n + 2, "inviting killed at {call} {nth}: {users}");
        let take = async |home: &Home| {
            let nobody = Client::new(&home.node.url, None).unwrap();
            let form = [("token", token.as_str()), ("password", &password), ("password-again", &password)];
            let request = nobody.request(Method::POST, "/invite").header("origin", &home.node.url).form(&form);
            nobody.send(request).await.is_ok_and(|answer| answer.status == 200)
        };
        let done = killed_by(&mut home, n, take).await;
        let nobody = Client::new(&home.node.url, None).unwrap();
        let good = nobody.get(&format!("/invite?token={token}")).await.unwrap().status == 200;
        let opens = home.node.sign_in(&name, &password).await.is_ok();
        assert_eq!(good, !opens, "taking killed at {call} {nth}");
        assert!(!done || opens, "taking acknowledged, and killed at {call} {nth}");
        early[1] += usize::from(!done);
        if good {
            assert!(take(&home).await, "once more");
        }
        let person = home.node.sign_in(&name, &password).await.unwrap();
        person.define("type Note { n: Int }").await.unwrap_or_else(|error| panic!("killed at {call} {nth}: {error:#}"));
    }
    assert!(early.iter().all(|early| *early > 0), "no kill came in time: {early:?}");
}

#[tokio::test]
async fn recovery_words_whose_making_was_killed_anywhere_are_made_or_none() {
    let mut early = 0;
    for n in 0..points() {
        let (call, nth) = point(n);
        let mut home = Home::new().await;
        let password = home.file("password", OWNER.1);
        let made = killed(&mut home, &["recovery", "create"], n).await;
        early += usize::from(made.code != 0);
        let status = home.node.cli_ok(&["recovery", "status"]).unwrap();
        let ways = status["ways"].as_array().unwrap().len();
        assert!(ways == 1 || (ways == 0 && made.code != 0), "killed at {call} {nth}: {status}");
        if ways == 0 {
            home.node.cli_ok(&["recovery", "create"]).unwrap();
        }
        let again = home.node.cli_ok(&["backup", "key", "--password-file", &password]).unwrap();
        let words = again["recovery_key"].as_str().unwrap();
        assert_eq!(words.split_whitespace().count(), 24, "killed at {call} {nth}");
        let told = [&made.json["words"], &made.json["recovery_key"]].into_iter().find_map(Value::as_str);
        assert!(told.is_none_or(|told| told == words), "those that were told are those that open: {call} {nth}");
        let file = home.file("words", words);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        home.node.cli_ok(&["recovery", "confirm", &file]).unwrap();
    }
    assert!(early > 0, "no kill came in time");
}

#[tokio::test]
async fn a_replica_whose_naming_was_killed_anywhere_is_named_or_not() {
    let (mut home, _) = shared().await;
    let dir = home.root.path().join("replica");
    Replica::init(&home.node.allod, &dir).unwrap();
    let replica = Replica::serve(&home.node.allod, &dir, None).unwrap();
    let addr = replica.addr.clone();
    let (_, peer) = addr.rsplit_once("/p2p/").unwrap();
    let list = |home: &Home| home.node.cli_ok(&["replica", "list"]).unwrap().as_array().unwrap().len();
    let mut early = [0; 2];
    for n in 0..points() {
        let (call, nth) = point(n);
        let done = killed(&mut home, &["replica", "add", &addr], n).await.code == 0;
        let named = list(&home);
        assert!(named == 1 || (named == 0 && !done), "killed at {call} {nth}");
        early[0] += usize::from(!done);
        home.node.cli_ok(&["replica", "add", &addr]).unwrap();
        home.node.cli_ok(&["sync", "wait"]).unwrap_or_else(|error| panic!("killed at {call} {nth}: {error:#}"));
        assert_eq!(list(&home), 1, "control");
        let done = killed(&mut home, &["replica", "remove", peer], n).await.code == 0;
        let named = list(&home);
        assert!(named == 0 || !done, "removal acknowledged, and killed at {call} {nth}");
        early[1] += usize::from(!done);
        if named == 1 {
            home.node.cli_ok(&["replica", "remove", peer]).unwrap();
        }
        assert_eq!(list(&home), 0, "control");
    }
    replica.kill().unwrap();
    assert!(early.iter().all(|early| *early > 0), "no kill came in time: {early:?}");
}
