//! The command line under wrong use: exit 2 (or the code that says why), and with `--json` one JSON
//! value on stdout, always.

use harness::Outcome;
use serde_json::json;

use crate::home::Home;
use crate::hostile::unhurt;

fn code(outcome: Outcome, exit: i32) -> String {
    let shown = format!("{outcome:?}");
    assert!(!outcome.stderr.contains("panicked"), "{shown}");
    outcome.refused(exit).unwrap_or_else(|error| panic!("{error:#}\n{shown}"))
}

#[tokio::test]
async fn wrong_use_of_a_command_is_exit_2_and_one_json_value() {
    let home = Home::new().await;
    let password = home.file("some.password", "a password that is long enough");
    let missing = home.root.path().join("missing").to_str().unwrap().to_owned();
    for args in [
        &["frobnicate"][..],
        &["serve", "--frobnicate"],
        &["init"],
        &["init", "--owner", "eve"],
        &["init", "--owner", "eve", "--password-file", &missing],
        &["grant", "add"],
        &["grant", "revoke"],
        &["grant", "add", "--user", "alice", "--app", "x", &missing],
        &["app", "add", &missing],
        &["app", "add", "/dev/zero"],
        &["app", "add", "/"],
        &["user", "add", "eve"],
        &["user", "add", "eve", "--password-file", &missing],
        &["user", "add", "eve", "--password-file", "/"],
        &["user", "add", "", "--password-file", &password],
        &["user", "add", "a b\nc", "--password-file", &password],
        &["user", "add", "eve", "--password-file", "/dev/null"],
        &["tenant", "add", ""],
        &["user", "token", "alice", "--ttl", "1y"],
        &["user", "token", "alice", "--ttl", "-1s"],
        &["user", "token", "alice", "--ttl", "0s"],
        &["user", "token", "alice", "--ttl", "99999999999999999999d"],
        &["user", "token", "alice", "--ttl", ""],
        &["user", "token", "alice", "--ttl", "１h"],
        &["sync", "wait", "--timeout", "soon"],
        &["sync", "wait", "--space", "nonsense", "--timeout", "1s"],
        &["check", "--user", "alice", "admire", "Contact"],
        &["check", "--user", "alice", "--app", "nonsense", "read", "Contact"],
        &["check", "--user", "alice", "read", "Contact", "nonsense"],
        &["replica", "add", "nonsense"],
        &["replica", "add", ""],
        &["replica", "add", "/ip4/127.0.0.1/tcp/1"],
        &["replica", "add", "/ip4/999.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"],
        &["replica", "add", "/ip4/127.0.0.1/tcp/1/p2p/nonsense"],
        &["client", "query", "--api", "v1", "{ x }", "--variables", "nonsense"],
    ] {
        code(home.node.cli(args).unwrap_or_else(|error| panic!("{args:?}: {error:#}")), 2);
    }
    for (args, exit) in [
        (&["grant", "show", "nonsense"][..], 4),
        (&["grant", "revoke", "../../session"], 4),
        (&["grant", "revoke", "00000000000000000000000000000001"], 4),
        (&["user", "token", "nobody"], 4),
        (&["user", "token", "../users"], 4),
        (&["check", "--user", "nobody", "read", "Contact"], 4),
        (&["check", "--user", "alice", "read", "Nothing"], 4),
        (&["user", "add", "eve", "--tenant", "nowhere", "--password-file", &password], 4),
    ] {
        code(home.node.cli(args).unwrap_or_else(|error| panic!("{args:?}: {error:#}")), exit);
    }
    assert_eq!(home.node.cli_ok(&["user", "list"]).unwrap().as_array().unwrap().len(), 1, "nobody was added");
    assert_eq!(home.node.cli_ok(&["replica", "list"]).unwrap(), json!([]), "no replica was added");
    home.node.cli_ok(&["user", "token", "alice", "--ttl", "1m"]).expect("control");
    unhurt(&home).await;
}

#[tokio::test]
async fn bad_addresses_and_codes_leave_the_directory_as_it_was() {
    let home = Home::new().await;
    let allod = home.node.allod.clone();
    let fresh = home.root.path().join("fresh");
    for listen in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:-1", "", "http://127.0.0.1:1"] {
        code(allod.run(&fresh, &["serve", "--listen", listen]).unwrap(), 2);
        assert!(!fresh.exists(), "{listen}");
    }
    let invited = home.node.cli_ok(&["device", "invite"]).unwrap();
    let good = invited["code"].as_str().unwrap();
    let half = &good[..good.len() / 2];
    // The secret stands in front: a letter of it is another one.
    let letter = if &good[10..11] == "A" { "B" } else { "A" };
    let mistyped = format!("{}{letter}{}", &good[..10], &good[11..]);
    for bad in ["", "nonsense", "00000000", half, "ＡＢＣ", &"A".repeat(10_000)] {
        code(allod.run(&fresh, &["device", "join", bad]).unwrap(), 2);
        assert!(!fresh.exists(), "{bad}");
    }
    // It still reads as a code; the inviter refuses it, and nothing stays of the try.
    let refused = allod.run(&fresh, &["device", "join", &mistyped]).unwrap();
    assert!([1, 2].contains(&refused.code) && refused.json["error"]["code"].is_string(), "{refused:?}");
    assert!(!fresh.exists());
    code(allod.run(&fresh, &["replica", "serve"]).unwrap(), 1);
    code(allod.run(&fresh, &["doctor"]).unwrap(), 1);
    assert!(!fresh.join("node.key").exists());
    allod.ok(&fresh, &["device", "join", good]).expect("control: the code itself still works");
    unhurt(&home).await;
}

/// A command that has done its work ends well: nothing that still closes crashes it on the way out.
#[tokio::test]
async fn commands_that_open_the_databases_end_with_their_own_code_every_time() {
    let home = Home::new().await;
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    for _ in 0..40 {
        allod.ok(&dir, &["doctor"]).unwrap();
    }
    let password = root.path().join("alice.password");
    let path = password.to_str().unwrap();
    for n in 0..10 {
        let fresh = root.path().join(format!("fresh-{n}"));
        allod.ok(&fresh, &["init", "--owner", "alice", "--password-file", path]).unwrap();
        code(allod.run(&fresh, &["init", "--owner", "alice", "--password-file", path]).unwrap(), 1);
    }
}
