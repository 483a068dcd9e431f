//! Letters to people, handed to a server of the tests: to addresses that gave a code back, of kinds that they wish, once
//! each, whatever becomes of the server or the node meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::smtp::{Manner, Received, SmtpServer};
use harness::{Client, Node};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::home::{Home, OWNER};
use crate::hostile::code;

const FROM: &str = "Allod <allod@home.example>";

fn settings(port: u16, more: &str) -> String {
    format!("[mail]\nhost = \"127.0.0.1\"\nport = {port}\nfrom = \"{FROM}\"\n{more}\n")
}

async fn home() -> (SmtpServer, Home) {
    let server = SmtpServer::start(None);
    let home = Home::with(&settings(server.port, "tls = \"off\"")).await;
    (server, home)
}

/// The code of a letter.
fn code_of(letter: &Received) -> String {
    let line = letter.text.lines().find(|line| line.starts_with("    ")).expect("a code");
    line.trim().to_owned()
}

/// Lets a person be written to at an address; the letters until then are `before`.
async fn written_to(client: &Client, server: &SmtpServer, address: &str) {
    let before = server.letters().len();
    let wished = client.put("/api/v1/notices/address", &json!({"address": address})).await.unwrap();
    assert_eq!((wished.status, &wished.json["wished"]), (202, &json!(address)), "{}", wished.text);
    let letters = server.has(before + 1).await.unwrap();
    let letter = letters.iter().rev().find(|one| one.to == [address]).expect("a letter to it");
    let code = json!({"code": code_of(letter)});
    let verified = client.post("/api/v1/notices/address/verify", &code).await.unwrap();
    assert_eq!((verified.status, &verified.json["address"]), (200, &json!(address)), "{}", verified.text);
}

async fn share(home: &Home) {
    let share = json!({"with": {"user": "bob"}, "collection": "Note", "role": "viewer"});
    let share = home.alice.post("/api/v1/shares", &share).await.unwrap();
    assert!(matches!(share.status, 200 | 201), "{}", share.text);
}

#[tokio::test]
async fn what_happens_is_written_to_an_address_that_gave_its_code_back_and_says_nothing_private() {
    let (server, home) = home().await;
    let bob = home.user("bob", None).await;
    home.alice.define("type Note { canary: String }").await.unwrap();
    share(&home).await;
    let unknown = bob.get("/api/v1/notices/address").await.unwrap();
    assert_eq!(unknown.json, json!({"sends": true, "address": null, "wished": null, "until": null}));
    for wrong in ["", "bob", "a@example.org, b@example.org", "a@example.org\r\nBcc: eve@example.org", "a@127.0.0.1"] {
        let refused = bob.put("/api/v1/notices/address", &json!({"address": wrong})).await.unwrap();
        assert_eq!((refused.status, code(&refused)), (400, "invalid_address"), "{wrong:?}");
    }
    assert_eq!(server.letters(), [], "nothing is sent to nobody");
    written_to(&bob, &server, "bob@example.org").await;
    let first = server.letters();
    assert_eq!(first.len(), 1, "and of what was before nothing is written");
    assert_eq!(first[0].from, "allod@home.example");
    assert!(!first[0].text.contains("alice") && first[0].header("Subject").is_ascii());

    // Read once, so that the next is one of its own.
    bob.post("/api/v1/notices/read", &json!({})).await.unwrap();
    share(&home).await;
    let letters = server.has(2).await.unwrap();
    let letter = &letters[1];
    assert_eq!(
        (letter.to.as_slice(), letter.header("Subject")),
        (["bob@example.org".to_owned()].as_slice(), "Something was shared with you")
    );
    assert!(letter.text.contains(&format!("{}/admin/shares", home.node.url)), "{}", letter.text);
    assert_eq!((letter.header("To"), letter.header("Auto-Submitted")), ("bob@example.org", "auto-generated"));
    for private in ["alice", "bob ", "Note", "canary"] {
        assert!(!letter.text.contains(private), "{private}: {}", letter.text);
    }
    // It is bob's alone to see: not an operator's, not whoever's who holds the machine, not in the log.
    let machine = home.node.operator().unwrap();
    let refused = machine.get("/api/v1/notices/address").await.unwrap();
    assert_eq!((refused.status, code(&refused)), (403, "forbidden"));
    for path in ["/api/v1/users", "/api/v1/status", "/api/v1/audit/all"] {
        let seen = machine.get(path).await.unwrap();
        assert!(seen.status == 200 && !seen.text.contains("bob@example.org"), "{path}: {}", seen.text);
    }
    assert!(!home.node.said().contains("bob@example.org"), "{}", home.node.said());
    let own = bob.get("/api/v1/notices/address").await.unwrap();
    assert_eq!(own.json["address"], "bob@example.org", "control");
}

#[tokio::test]
async fn another_address_is_a_dangerous_act_and_the_one_before_is_told() {
    let (server, home) = home().await;
    written_to(&home.alice, &server, "old@example.org").await;
    let guess = home.alice.post("/api/v1/notices/address/verify", &json!({"code": "00000000"})).await.unwrap();
    assert_eq!((guess.status, code(&guess)), (404, "not_found"), "no code waits");
    let wished = home.alice.put("/api/v1/notices/address", &json!({"address": "new@example.org"})).await.unwrap();
    assert_eq!(
        (&wished.json["address"], &wished.json["wished"]),
        (&json!("old@example.org"), &json!("new@example.org"))
    );
    let letters = server.has(2).await.unwrap();
    for n in 0..4 {
        let wrong = home.alice.post("/api/v1/notices/address/verify", &json!({"code": format!("{n}")})).await.unwrap();
        assert_eq!((wrong.status, code(&wrong)), (401, "wrong_code"));
    }
    let right = json!({"code": code_of(&letters[1])});
    // Fifty at once: one of them counts, and no more are tried.
    let many = (0..50).map(|_| home.alice.post("/api/v1/notices/address/verify", &right));
    let many = futures::future::join_all(many).await;
    assert_eq!(many.into_iter().filter(|one| one.as_ref().is_ok_and(|one| one.status == 200)).count(), 1);
    let letters = server.has(3).await.unwrap();
    assert_eq!(letters[2].to, ["old@example.org"]);
    assert!(letters[2].text.contains("nothing more is sent to this address"), "{}", letters[2].text);

    let acts = home.node.cli_ok(&["audit", "--user", OWNER.0]).unwrap();
    let acts: Vec<_> = acts.as_array().unwrap().iter().map(|act| act["action"].as_str().unwrap()).collect();
    let acts: Vec<_> = acts.into_iter().filter(|act| act.starts_with("mail.")).collect();
    assert_eq!(acts, ["mail.set", "mail.asked", "mail.set", "mail.asked"]);

    // Ten minutes later.
    let Home { node, alice, root, .. } = home;
    let (allod, dir) = (node.allod.clone(), node.stop().unwrap());
    let mut command = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("ALLOD_CLOCK_AHEAD", "600");
    let node = Node::serve_by(allod, &dir, command).unwrap();
    let old = alice.at(&node.url);
    let address = "/api/v1/notices/address";
    for refused in [
        old.put(address, &json!({"address": "eve@example.org"})).await.unwrap(),
        old.post("/api/v1/notices/address/verify", &right).await.unwrap(),
        old.delete(address).await.unwrap(),
    ] {
        assert_eq!((refused.status, code(&refused)), (401, "insufficient_user_authentication"));
    }
    let fresh = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(fresh.delete(address).await.unwrap().status, 204, "control");
    let letters = server.has(4).await.unwrap();
    assert_eq!(letters[3].to, ["new@example.org"]);
    assert_eq!(fresh.get(address).await.unwrap().json["address"], Value::Null);
    drop(root);
}

#[tokio::test]
async fn letters_outlive_a_server_that_fails_and_a_node_that_is_killed() {
    let (server, home) = home().await;
    written_to(&home.alice, &server, "alice@example.org").await;
    server.behave(Manner::Later);
    let change = json!({"current": OWNER.1, "new": "another horse, another battery"});
    assert_eq!(home.alice.put("/api/v1/me/password", &change).await.unwrap().status, 200);
    let begun = Instant::now();
    let tried = server.came();
    while server.came() == tried {
        assert!(begun.elapsed() < Duration::from_secs(60), "it was not tried");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let Home { node, root, .. } = home;
    let allod = node.allod.clone();
    let dir = node.kill().unwrap();
    server.behave(Manner::Takes);
    let node = Node::serve(&allod, &dir).unwrap();
    let letters = server.has(2).await.unwrap();
    assert_eq!(letters[1].header("Subject"), "Your password was changed");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.letters().len(), 2, "once");
    let ids: Vec<_> = letters.iter().map(|one| one.header("Message-ID").to_owned()).collect();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| id.starts_with('<')), "{ids:?}");
    drop((node, root));
}

#[tokio::test]
async fn a_server_that_hangs_holds_nobody_and_the_operator_is_told() {
    let (server, home) = home().await;
    written_to(&home.alice, &server, "alice@example.org").await;
    let status = async || home.alice.get("/api/v1/status").await.unwrap().json;
    let mail = |status: &Value| status["checks"].as_array().unwrap().iter().find(|one| one["name"] == "mail").cloned();
    assert_eq!(mail(&status().await).unwrap()["state"], "ok");
    server.behave(Manner::Hangs);
    let change = json!({"current": OWNER.1, "new": "another horse, another battery"});
    assert_eq!(home.alice.put("/api/v1/me/password", &change).await.unwrap().status, 200, "it is not waited for");
    let outcome = home.node.cli(&["mail", "test", "someone@example.org"]).unwrap();
    assert_eq!(outcome.refused(1).unwrap(), "mail_failed");
    let standing = mail(&status().await).unwrap();
    assert_eq!(standing["state"], "warn", "{standing}");
    assert_eq!(status().await["ready"], true, "a node without letters serves all the same");
    server.behave(Manner::Takes);
    let taken = home.node.cli_ok(&["mail", "test", "someone@example.org"]).unwrap();
    assert_eq!(
        (&taken["address"], &taken["taken_by"]),
        (&json!("someone@example.org"), &json!(format!("127.0.0.1:{}", server.port)))
    );
    server.has(3).await.unwrap();
    server.behave(Manner::Refuses);
    let outcome = home.node.cli(&["mail", "test", "nobody@example.org"]).unwrap();
    assert_eq!(outcome.refused(1).unwrap(), "mail_failed");
    assert_eq!(mail(&status().await).unwrap()["state"], "ok", "the server takes letters; not that one");
}

#[tokio::test]
async fn nobody_makes_the_node_flood_an_address() {
    let (server, home) = home().await;
    let mut sent = 0;
    for name in ["bob", "carol", "dave", "erin"] {
        let client = home.user(name, None).await;
        for n in 0..4 {
            let address = json!({"address": format!("Victim+{name}{n}@example.org")});
            let answer = client.put("/api/v1/notices/address", &address).await.unwrap();
            match answer.status {
                202 => sent += 1,
                429 => assert_eq!(code(&answer), "too_many_letters"),
                _ => panic!("{}", answer.text),
            }
        }
    }
    assert_eq!(sent, 3, "to one person's address, in whatever spelling and by whomever");
    written_to(&home.alice, &server, "alice@example.org").await;
    let before = server.letters().len();
    home.node.cli_ok(&["tenant", "add", "firm"]).unwrap();
    let stranger = home.user("mallory", Some("firm")).await;
    stranger.define("type Note { text: String }").await.unwrap();
    for n in 0..20 {
        let role = if n % 2 == 0 { "viewer" } else { "editor" };
        let offer = json!({"with": {"user": "alice"}, "collection": "Note", "role": role});
        let offered = stranger.post("/api/v1/shares", &offer).await.unwrap();
        assert!(matches!(offered.status, 200 | 201), "{}", offered.text);
    }
    for _ in 0..5 {
        let wrong = json!({"user": OWNER.0, "password": "not hers at all"});
        assert_eq!(home.alice.nobody().post("/api/v1/session", &wrong).await.unwrap().status, 401);
    }
    server.has(before + 1).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.letters().len(), before + 1, "one tells of all of them");
}

#[tokio::test]
async fn without_a_server_nothing_is_promised_and_what_is_said_of_one_is_looked_at() {
    let home = Home::new().await;
    let answer = home.alice.put("/api/v1/notices/address", &json!({"address": "a@example.org"})).await.unwrap();
    assert_eq!((answer.status, code(&answer)), (409, "mail_unset"));
    assert_eq!(home.alice.get("/api/v1/notices/address").await.unwrap().json["sends"], false);
    assert_eq!(home.node.cli(&["mail", "test", "a@example.org"]).unwrap().refused(1).unwrap(), "mail_unset");
    let check = |text: &str| {
        std::fs::write(home.node.dir.join("allod.toml"), text).unwrap();
        home.node.cli(&["config", "check"]).unwrap()
    };
    let good = "[mail]\nhost = \"smtp.example.org\"\nfrom = \"a@example.org\"\n";
    assert_eq!(check(good).code, 0, "control");
    for (text, code) in [
        ("[mail]\nhost = \"smtp.example.org\"\n".to_owned(), "config_incomplete"),
        ("[mail]\nfrom = \"a@example.org\"\n".to_owned(), "config_incomplete"),
        (format!("{good}user = \"node\"\n"), "config_incomplete"),
        (format!("{good}password = \"secret\"\n"), "config_incomplete"),
        (format!("{good}tls = \"off\"\n"), "config_value"),
        (format!("{good}tls = \"maybe\"\n"), "config_value"),
        (format!("{good}port = 0\n"), "config_value"),
        (format!("{good}root = \"/nowhere\"\n"), "config_value"),
        ("[mail]\nhost = \"smtp.example.org\"\nfrom = \"nobody\"\n".to_owned(), "config_value"),
        ("[mail]\nhost = \"a b\"\nfrom = \"a@example.org\"\n".to_owned(), "config_value"),
    ] {
        let outcome = check(&text);
        assert!(!outcome.stdout.contains("secret") && !outcome.stderr.contains("secret"));
        assert_eq!(outcome.refused(2).unwrap_or_else(|error| panic!("{text}: {error:#}")), code, "{text}");
    }
}

#[tokio::test]
async fn starttls_is_insisted_on_with_a_server_that_is_vouched_for() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let server = SmtpServer::start(Some(TlsAcceptor::from(Arc::new(config))));
    let root = tempfile::tempdir().unwrap();
    let pem = root.path().join("root.pem");
    std::fs::write(&pem, cert.pem()).unwrap();
    for (vouched, more) in [(true, format!("root = \"{}\"", pem.display())), (false, String::new())] {
        let home = Home::with(&settings(server.port, &more)).await;
        let outcome = home.node.cli(&["mail", "test", "a@example.org"]).unwrap();
        assert_eq!(outcome.code == 0, vouched, "{outcome:?}");
    }
    let letters = server.letters();
    assert_eq!((letters.len(), letters[0].sealed), (1, true));
    let plain = SmtpServer::start(None);
    let home = Home::with(&settings(plain.port, "")).await;
    assert_eq!(home.node.cli(&["mail", "test", "a@example.org"]).unwrap().refused(1).unwrap(), "mail_failed");
    assert_eq!(plain.letters(), [], "in clear nothing is handed over");
}
