//! Two devices of one person, and a blind replica, over real connections.

use harness::{Node, Replica};

use crate::home::Home;

#[tokio::test]
async fn a_second_device_joins_by_a_code_used_once_and_converges() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    home.alice.graphql(r#"mutation { add_Note(input: {text: "from home"}) { _docID } }"#).await.unwrap();
    let invite = home.node.cli_ok(&["device", "invite"]).unwrap();
    let code = invite["code"].as_str().unwrap();
    assert!(invite["expires"].is_string() || invite["expires"].is_number());
    let dir = home.root.path().join("laptop");
    let joined = home.node.allod.ok(&dir, &["device", "join", code]).unwrap();
    assert!(joined["device"].is_string() && joined["user"].is_string() && joined["spaces"].is_array(), "{joined}");
    let twice = home.node.allod.run(&home.root.path().join("thief"), &["device", "join", code]).unwrap();
    assert_ne!(twice.code, 0, "a code works once");
    assert_eq!(home.node.cli_ok(&["device", "list"]).unwrap().as_array().unwrap().len(), 2);
    let laptop = Node::serve(&home.node.allod, &dir).unwrap();
    let waited = laptop.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    assert!(waited["peers"][0]["reachable"].as_bool().unwrap(), "{waited}");
    let there = laptop.operator().unwrap();
    assert_eq!(there.graphql("{ Note { text } }").await.unwrap()["Note"][0]["text"], "from home");
    there.graphql(r#"mutation { add_Note(input: {text: "from the laptop"}) { _docID } }"#).await.unwrap();
    laptop.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    assert_eq!(home.alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"], 2);
    // A link works where its maker has an account, and so is made there.
    let link = ["link", "add", "Note", "--fields", "text"];
    assert_eq!(laptop.cli(&link).unwrap().refused(1).unwrap(), "account_elsewhere");
    assert_eq!(laptop.cli_ok(&["link", "list"]).unwrap(), serde_json::json!([]), "nothing was made");
    home.node.cli_ok(&link).expect("control");
    // So are people and tenants.
    let file = home.file("bob.password", "the long password of bob");
    let bob = ["user", "add", "bob", "--password-file", &file];
    assert_eq!(laptop.cli(&bob).unwrap().refused(1).unwrap(), "not_home");
    assert_eq!(laptop.cli(&["tenant", "add", "firm"]).unwrap().refused(1).unwrap(), "not_home");
    home.node.cli_ok(&bob).expect("control");
    // A device that is away is waited for, and said; when it is left out, there is nobody else.
    let devices = home.node.cli_ok(&["device", "list"]).unwrap();
    let away = devices.as_array().unwrap().iter().find(|device| device["this"] == false).unwrap().clone();
    laptop.stop().unwrap();
    home.alice.graphql(r#"mutation { add_Note(input: {text: "later"}) { _docID } }"#).await.unwrap();
    let waited = home.node.cli(&["--json", "sync", "wait", "--timeout", "1s"]).unwrap();
    assert_eq!(waited.code, 1, "{}", waited.stdout);
    let said: serde_json::Value = serde_json::from_str(&waited.stdout).unwrap();
    let said = &said["peers"][0];
    let expected = (&away["peer"], &serde_json::json!("device"), &serde_json::json!(false), &serde_json::json!(1));
    assert_eq!((&said["peer"], &said["kind"], &said["reachable"], &said["lag_commits"]), expected);
    let listed = home.node.cli_ok(&["device", "list"]).unwrap();
    let listed = listed.as_array().unwrap().iter().find(|device| device["this"] == false).unwrap();
    assert_eq!((&listed["reachable"], &listed["lag_commits"]), (&serde_json::json!(false), &serde_json::json!(1)));
    home.node.cli_ok(&["sync", "wait", "--timeout", "1s", "--except", away["peer"].as_str().unwrap()]).unwrap();
    let _laptop = Node::serve(&home.node.allod, &dir).unwrap();
    home.node.cli_ok(&["sync", "wait", "--timeout", "60s"]).expect("control: it has come back");
}

/// `ALLOD_JOINS` says how often; the default is few. A wait that ends one message too early fails in most of them.
#[tokio::test]
async fn sync_wait_of_a_device_that_has_just_joined_ends_when_everything_is_there() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    for n in 0..6 {
        let notes: Vec<_> = (0..500).map(|m| serde_json::json!({ "text": format!("{n} {m}") })).collect();
        let add = "mutation($i: [NoteMutationInputArg!]!) { add_Note(input: $i) { _docID } }";
        home.alice.graphql_with(add, serde_json::json!({ "i": notes })).await.unwrap();
    }
    let joins = std::env::var("ALLOD_JOINS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    for n in 0..joins {
        // Those of the rounds before are away.
        let devices = home.node.cli_ok(&["device", "list"]).unwrap();
        let away = devices.as_array().unwrap().iter().filter(|device| device["this"] == false);
        let away: Vec<_> = away.flat_map(|device| ["--except", device["peer"].as_str().unwrap()]).collect();
        let code = home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
        let dir = home.root.path().join(format!("laptop-{n}"));
        home.node.allod.ok(&dir, &["device", "join", &code]).unwrap();
        let laptop = Node::serve(&home.node.allod, &dir).unwrap();
        laptop.cli_ok(&[&["sync", "wait", "--timeout", "60s"], &away[..]].concat()).unwrap();
        let there = laptop.operator().unwrap().graphql("{ COUNT(Note: {}) }").await.unwrap();
        assert_eq!(there["COUNT"], 3_000, "join {n}");
        laptop.stop().unwrap();
    }
}

#[tokio::test]
async fn a_code_survives_a_restart_of_the_inviter() {
    let mut home = Home::new().await;
    let code = home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let allod = home.node.allod.clone();
    let dir = home.node.stop().unwrap();
    home.node = Node::serve(&allod, &dir).unwrap();
    allod.ok(&home.root.path().join("laptop"), &["device", "join", &code]).unwrap();
    let twice = allod.run(&home.root.path().join("thief"), &["device", "join", &code]).unwrap();
    assert_ne!(twice.code, 0, "a code works once");
}

#[tokio::test]
async fn a_replica_is_added_when_it_answers_and_people_name_public_addresses_only() {
    let home = Home::new().await;
    let dir = home.root.path().join("centre");
    Replica::init(&home.node.allod, &dir).unwrap();
    let replica = Replica::serve(&home.node.allod, &dir, None).unwrap();
    let (_, peer) = replica.addr.rsplit_once("/p2p/").unwrap();
    let bob = home.user("bob", None).await;
    let named = |addr: &str| serde_json::json!({ "addr": addr });
    for private in [
        replica.addr.clone(),
        format!("/ip4/10.0.0.1/tcp/4001/p2p/{peer}"),
        format!("/ip6/::ffff:127.0.0.1/tcp/4001/p2p/{peer}"),
        format!("/ip6/fd00::1/tcp/4001/p2p/{peer}"),
        format!("/ip4/1.1.1.1/tcp/25/p2p/{peer}"),
    ] {
        let refused = bob.post("/api/v1/replicas", &named(&private)).await.unwrap();
        assert_eq!(
            (refused.status, refused.json["error"]["code"].as_str()),
            (403, Some("address_not_allowed")),
            "{private}"
        );
    }
    let name = bob.post("/api/v1/replicas", &named(&format!("/dns4/localhost/tcp/4001/p2p/{peer}"))).await.unwrap();
    assert_eq!(name.status, 400, "names are not looked up");
    assert_eq!(bob.get("/api/v1/replicas").await.unwrap().json, serde_json::json!([]));
    // A wrong port is told, and nothing is kept.
    let wrong = format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}");
    assert_eq!(home.node.cli(&["replica", "add", &wrong]).unwrap().refused(1).unwrap(), "replica_unreachable");
    assert_eq!(home.node.cli_ok(&["replica", "list"]).unwrap(), serde_json::json!([]));
    // The operator's, also unseen; and it can be removed again.
    home.node.cli_ok(&["replica", "add", "--unseen", &wrong]).unwrap();
    assert_eq!(home.node.cli(&["sync", "wait", "--timeout", "1s"]).unwrap().code, 1);
    home.node.cli_ok(&["replica", "remove", peer]).unwrap();
    assert_eq!(home.node.cli(&["replica", "remove", peer]).unwrap().refused(4).unwrap(), "not_found");
    home.node.cli_ok(&["sync", "wait", "--timeout", "5s"]).unwrap();
    home.node.cli_ok(&["replica", "add", &replica.addr]).unwrap();
    home.node.cli_ok(&["sync", "wait", "--timeout", "60s"]).expect("control");
}

#[tokio::test]
async fn a_blind_replica_holds_everything_and_reads_nothing() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let secret = "canary-7f3a91c2-in-the-coal-mine";
    home.alice.graphql(&format!("mutation {{ add_Note(input: {{text: \"{secret}\"}}) {{ _docID }} }}")).await.unwrap();
    let dir = home.root.path().join("centre");
    Replica::init(&home.node.allod, &dir).unwrap();
    let replica = Replica::serve(&home.node.allod, &dir, None).unwrap();
    let added = home.node.cli_ok(&["replica", "add", &replica.addr]).unwrap();
    assert!(added["replica"].is_string() && added["spaces"].is_array(), "{added}");
    home.node.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    let listed = home.node.cli_ok(&["replica", "list"]).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let dir = replica.kill().unwrap();
    let mut bytes = Vec::new();
    let mut dirs = vec![dir];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match std::fs::symlink_metadata(&path).unwrap().file_type() {
                kind if kind.is_dir() => dirs.push(path),
                kind if kind.is_file() => bytes.extend(std::fs::read(path).unwrap()),
                _ => {}
            }
        }
    }
    let holds = |needle: &str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
    assert!(bytes.len() > 1_000, "the replica stored something");
    assert!(!holds(secret) && !holds("Note"), "plaintext on the replica");
    let read = home.alice.graphql("{ Note { text } }").await.unwrap();
    assert!(read.to_string().contains(secret), "control: Alice reads it");
}

#[tokio::test]
async fn people_name_addresses_in_the_ranges_that_the_operator_allows() {
    let mut home = Home::new().await;
    let dir = home.root.path().join("centre");
    Replica::init(&home.node.allod, &dir).unwrap();
    let replica = Replica::serve(&home.node.allod, &dir, None).unwrap();
    home.user("bob", None).await;
    let allod = home.node.allod.clone();
    let node = home.node.stop().unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--dial-allow", "10.0.0.0/8,127.0.0.0/8"];
    home.node = Node::serve_by(allod.clone(), &node, allod.command(&node, &serve)).unwrap();
    let bob = home.node.sign_in("bob", "the long password of bob").await.unwrap();
    // What a dial met with is not told, only that nothing answered.
    let peer = replica.addr.rsplit_once("/p2p/").unwrap().1.to_owned();
    let wrong = serde_json::json!({ "addr": format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}") });
    let refused = bob.post("/api/v1/replicas", &wrong).await.unwrap();
    assert_eq!((refused.status, refused.json["error"]["code"].as_str()), (409, Some("replica_unreachable")));
    assert!(!refused.text.to_lowercase().contains("refused") && !refused.text.contains("os error"), "{}", refused.text);
    let added = bob.post("/api/v1/replicas", &serde_json::json!({ "addr": replica.addr })).await.unwrap();
    assert_eq!(added.status, 201, "control: {}", added.text);
    replica.kill().unwrap();
    assert_eq!(bob.get("/api/v1/replicas").await.unwrap().json[0]["error"], serde_json::Value::Null);
}

#[tokio::test]
async fn sync_wait_of_a_node_that_is_alone_is_done_at_once() {
    let home = Home::new().await;
    assert_eq!(home.node.cli_ok(&["sync", "wait", "--timeout", "1s"]).unwrap(), serde_json::json!({ "peers": [] }));
}

#[tokio::test]
async fn who_waits_many_times_at_once_is_told_so_and_nobody_else() {
    let home = Home::new().await;
    let dir = home.root.path().join("centre");
    Replica::init(&home.node.allod, &dir).unwrap();
    let replica = Replica::serve(&home.node.allod, &dir, None).unwrap();
    let gone = replica.addr.clone();
    replica.kill().unwrap();
    home.node.cli_ok(&["replica", "add", "--unseen", &gone]).unwrap();
    let bob = home.user("bob", None).await;
    let asked = async |client: &harness::Client, seconds: u64| {
        client.post("/api/v1/sync/wait", &serde_json::json!({ "timeout_s": seconds })).await.unwrap()
    };
    let waits = (0..8).map(async |_| {
        loop {
            // The one more may have had a place at that moment.
            let waited = asked(&home.alice, 10).await;
            if waited.status != 429 {
                break waited;
            }
        }
    });
    let others = async {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(9);
        loop {
            let one_more = asked(&home.alice, 0).await;
            if one_more.status == 429 {
                assert_eq!(one_more.json["code"], "busy", "{}", one_more.text);
                break;
            }
            assert!(std::time::Instant::now() < until, "all of them wait: {} {}", one_more.status, one_more.text);
        }
        assert_eq!(asked(&bob, 0).await.status, 200, "somebody else");
    };
    let (waited, ()) = futures::join!(futures::future::join_all(waits), others);
    assert!(waited.iter().any(|answer| answer.status == 200 && answer.json["done"] == false));
    assert_eq!(asked(&home.alice, 0).await.status, 200, "control: none waits any more");
}

/// A port that is passed on to another, as a router or an engine of containers does it: which, and how often it was dialled.
async fn published(to: u16) -> (u16, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, dialled) = (listener.local_addr().unwrap().port(), std::sync::Arc::default());
    let count = std::sync::Arc::<std::sync::atomic::AtomicUsize>::clone(&dialled);
    tokio::spawn(async move {
        while let Ok((mut outer, _)) = listener.accept().await {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tokio::spawn(async move {
                let mut inner = tokio::net::TcpStream::connect(("127.0.0.1", to)).await?;
                tokio::io::copy_bidirectional(&mut outer, &mut inner).await
            });
        }
    });
    (port, dialled)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_that_moved_is_found_by_devices_that_are_told_where() {
    let home = Home::new().await;
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    let serve = |dir: &std::path::Path, more: &[&str]| {
        let command = allod.command(dir, &[&["serve", "--listen", "127.0.0.1:0"], more].concat());
        Node::serve_by(allod.clone(), dir, command).unwrap()
    };
    let at = || format!("/ip4/127.0.0.1/tcp/{}", harness::free_port());
    let node = serve(&dir, &["--p2p-listen", &at()]);
    let code = node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let laptop = root.path().join("laptop");
    allod.ok(&laptop, &["device", "join", &code]).unwrap();
    node.stop().unwrap();

    let moved = at();
    let node = serve(&dir, &["--p2p-listen", &moved]);
    let there = node.ready["p2p"][0].as_str().unwrap().to_owned();
    let lost = serve(&laptop, &[]);
    let waited = lost.cli(&["sync", "wait", "--timeout", "2s"]).unwrap();
    assert_eq!(waited.code, 1, "control: it dials where home was");
    let laptop = lost.stop().unwrap();
    let found = serve(&laptop, &["--peers", &there]);
    found.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    let laptop = found.stop().unwrap();
    for wrong in [&moved[..], "/dns4/home.example/tcp/1", "home"] {
        assert_eq!(allod.run(&laptop, &["serve", "--p2p-peers", wrong]).unwrap().refused(2).unwrap(), "config_value");
    }
    // Whoever is no peer is made none by it.
    let stranger = root.path().join("stranger");
    allod.ok(&stranger, &["replica", "init"]).unwrap();
    let command = allod.command(&stranger, &["replica", "serve", "--listen", &at()]);
    let stranger = Replica::serve_by(&stranger, command).unwrap();
    let found = serve(&laptop, &["--p2p-peers", &format!("{there},{}", stranger.addr)]);
    assert!(found.says("this node dials no such peer"));
    found.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    assert_eq!(found.cli_ok(&["replica", "list"]).unwrap().as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_behind_a_published_port_is_reached_where_it_says() {
    let home = Home::new().await;
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    // Where it listens leads nowhere from elsewhere: it is not what a code says.
    let within = harness::free_port();
    let (port, dialled) = published(within).await;
    let (listen, announced) = (format!("/ip4/0.0.0.0/tcp/{within}"), format!("/ip4/127.0.0.1/tcp/{port}"));
    let serve = |announce: &[&str]| {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--p2p-listen", &listen];
        let command = allod.command(&dir, &[&serve[..], announce].concat());
        Node::serve_by(allod.clone(), &dir, command).unwrap()
    };
    let node = serve(&["--p2p-announce", &announced]);
    let told = node.ready["p2p"].as_array().unwrap().clone();
    assert!(told[0].as_str().unwrap().starts_with(&format!("{announced}/p2p/")) && told.len() > 1, "{told:?}");
    let code = node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let bytes = data_encoding::BASE32_NOPAD.decode(code.as_bytes()).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains(&announced) && !text.contains(&format!("/tcp/{within}")), "{text}");
    let laptop = root.path().join("laptop");
    allod.ok(&laptop, &["device", "join", &code]).unwrap();
    let joined = dialled.load(std::sync::atomic::Ordering::SeqCst);
    assert!(joined > 0, "it joined by the port that was told");
    let laptop = Node::serve(&allod, &laptop).unwrap();
    laptop.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
    assert!(dialled.load(std::sync::atomic::Ordering::SeqCst) > joined);
    drop(laptop);
    node.stop().unwrap();

    // Control: a node that announces nothing tells where it listens.
    let node = serve(&[]);
    let code = node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let bytes = data_encoding::BASE32_NOPAD.decode(code.as_bytes()).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains(&format!("/tcp/{within}")));
    node.stop().unwrap();
    let wrong = allod.run(&dir, &["serve", "--p2p-announce", "/ip4/0.0.0.0/tcp/4001"]).unwrap();
    assert_eq!(wrong.refused(2).unwrap(), "config_value");

    let replica = root.path().join("centre");
    allod.ok(&replica, &["replica", "init"]).unwrap();
    let listen = format!("/ip4/0.0.0.0/tcp/{}", harness::free_port());
    let command = allod.command(&replica, &["replica", "serve", "--listen", &listen, "--announce", &announced]);
    let replica = Replica::serve_by(&replica, command).unwrap();
    assert!(replica.addr.starts_with(&format!("{announced}/p2p/")), "{}", replica.addr);
}
