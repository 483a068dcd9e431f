//! Passkeys: made and proved by a device that a test plays.

mod device;

use harness::{Answer, Client, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::{Home, OWNER};
use device::{Device, MODEL, Odd};

const NAME: &str = "allod.localhost";

/// Where the pages of a node on this machine are.
fn pages(url: &str) -> String {
    url.replace("127.0.0.1", NAME)
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.json["code"].as_str().unwrap_or_default())
}

async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.post(&format!("/api/v1/passkeys/{path}"), body).await.unwrap()
}

async fn begin(client: &Client, what: &str) -> Value {
    let begun = post(client, &format!("{what}/start"), &json!({})).await;
    assert_eq!(begun.status, 200, "{what}: {}", begun.text);
    begun.json
}

/// Adds a passkey of whoever `client` is.
async fn add(client: &Client, name: &str) -> (Device, Value) {
    let begun = begin(client, "register").await;
    let (device, made) = Device::make(&begun["public_key"], &pages(&client.base), &Odd::default());
    let body = json!({"ceremony": begun["ceremony"], "name": name, "credential": made});
    let added = post(client, "register/finish", &body).await;
    assert_eq!(added.status, 201, "{}", added.text);
    (device, added.json)
}

/// What comes of a sign-in by a device that does something odd.
async fn try_sign_in(nobody: &Client, device: &mut Device, odd: &Odd) -> Answer {
    let begun = begin(nobody, "sign-in").await;
    let proved = device.prove(&begun["public_key"], &pages(&nobody.base), odd);
    post(nobody, "sign-in/finish", &json!({"ceremony": begun["ceremony"], "credential": proved})).await
}

async fn sign_in(nobody: &Client, device: &mut Device) -> Client {
    let answer = try_sign_in(nobody, device, &Odd::default()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    nobody.with_token(answer.json["access_token"].as_str().unwrap())
}

async fn list(client: &Client) -> Value {
    client.get("/api/v1/passkeys").await.unwrap().json
}

async fn audit(client: &Client, action: &str) -> Vec<Value> {
    let rows = client.get(&format!("/api/v1/audit?action={action}")).await.unwrap();
    rows.json.as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_passkey_is_made_and_is_the_whole_sign_in() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let nobody = bob.nobody();
    // A second factor beside the password is none beside a passkey, which is both.
    let begun = bob.post("/api/v1/me/totp", &json!({})).await.unwrap();
    let totp = totp_rs::Totp::from_url(begun.json["uri"].as_str().unwrap()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let confirmed = bob.post("/api/v1/me/totp/confirm", &json!({"code": totp.generate(now).to_string()})).await;
    assert_eq!(confirmed.unwrap().status, 200);

    let (mut device, made) = add(&bob, " Bob's\u{202e} phone ").await;
    assert_eq!(made["name"], "Bob's phone");
    assert_eq!((&made["relying_party"], &made["counts"]), (&json!(NAME), &json!(true)));
    assert_eq!(made["model"].as_str().unwrap().replace('-', ""), data_encoding::HEXLOWER.encode(&MODEL));
    assert_eq!(made["transports"], json!(["internal", "hybrid"]));
    assert_eq!(made["last_used"], Value::Null);
    let me = bob.get("/api/v1/me").await.unwrap().json;
    assert_ne!(data_encoding::HEXLOWER.encode(&device.handle), me["user"].as_str().unwrap(), "not the person's id");
    // Whoever has the device is known to it by one handle.
    let (mut tablet, _) = add(&bob, "Tablet").await;
    assert_eq!(tablet.handle, device.handle);

    for device in [&mut device, &mut tablet] {
        let session = sign_in(&nobody, device).await;
        assert_eq!(session.get("/api/v1/me").await.unwrap().json["name"], "bob");
        // It was proved just now: dangerous acts are not asked for again.
        assert_eq!(post(&session, "register/start", &json!({})).await.status, 200);
    }
    let rows = audit(&bob, "session.created").await;
    assert_eq!(rows.iter().filter(|row| row["detail"]["by"] == "passkey").count(), 2, "{rows:?}");
    assert_eq!(
        audit(&bob, "credential.added").await.iter().filter(|row| row["detail"]["kind"] == "passkey").count(),
        2
    );
    let all = list(&bob).await;
    assert!(all.as_array().unwrap().iter().all(|one| one["last_used"].is_string()), "{all}");
    let ways = bob.get("/api/v1/me/credentials").await.unwrap().json;
    assert_eq!(ways.as_array().unwrap().iter().filter(|way| way["kind"] == "passkey").count(), 2);
    assert!(!ways.to_string().contains("cred_id"), "no keys");
    assert_eq!(list(&home.alice).await, json!([]), "nobody else's");

    // Called otherwise, and removed: with what it opened.
    let id = made["passkey"].as_str().unwrap();
    let path = format!("/api/v1/passkeys/{id}");
    let put = async |client: &Client, name: &str| {
        client.send(client.request(Method::PUT, &path).json(&json!({"name": name}))).await.unwrap()
    };
    assert_eq!(code(&put(&home.alice, "Mine").await), (404, "not_found"), "another's");
    assert_eq!(code(&put(&bob, " \u{7} ").await).0, 400);
    assert_eq!(put(&bob, "Old phone").await.status, 204);
    assert_eq!(list(&bob).await[0]["name"], "Old phone");
    let opened = sign_in(&nobody, &mut device).await;
    assert_eq!(code(&home.alice.delete(&path).await.unwrap()), (404, "not_found"), "another's");
    assert_eq!(bob.delete(&path).await.unwrap().status, 204);
    assert_eq!(opened.get("/api/v1/me").await.unwrap().status, 401, "what it opened has ended");
    assert_eq!(code(&try_sign_in(&nobody, &mut device, &Odd::default()).await), (401, "passkey_refused"));
    sign_in(&nobody, &mut tablet).await;
    assert_eq!(code(&bob.delete(&path).await.unwrap()), (404, "not_found"));

    // An app has no part in any of it, and whoever holds the machine no passkey.
    let access =
        json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read"], "fields": {"allow": ["text"]}});
    home.alice.define("type Note { text: String }").await.unwrap();
    let (app, _) = home.app(&access, &access);
    assert_eq!(code(&app.get("/api/v1/passkeys").await.unwrap()), (403, "not_for_apps"));
    for start in ["register/start", "confirm/start"] {
        assert_eq!(code(&post(&app, start, &json!({})).await), (403, "not_for_apps"));
        assert_eq!(post(&home.node.operator().unwrap(), start, &json!({})).await.status, 400);
        assert_eq!(code(&post(&nobody, start, &json!({})).await), (401, "unauthenticated"));
    }
}

#[tokio::test]
async fn what_proves_nothing_opens_nothing() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let nobody = bob.nobody();
    let (mut device, _) = add(&bob, "Phone").await;
    let (mut other, _) = add(&home.alice, "Phone").await;
    let here = pages(&nobody.base);
    let other_port = format!("http://{NAME}:1");
    let refused = (401, "passkey_refused");
    let odd = Odd::default;
    let cases = [
        ("another origin", Odd { origin: Some("https://evil.example".into()), ..odd() }, refused),
        ("another port", Odd { origin: Some(other_port), ..odd() }, refused),
        ("under the name", Odd { origin: Some(here.replace("//", "//x.")), ..odd() }, refused),
        ("by number", Odd { origin: Some(nobody.base.clone()), ..odd() }, refused),
        ("another name", Odd { relying_party: Some("evil.example"), ..odd() }, refused),
        ("another challenge", Odd { challenge: Some("A".repeat(43)), ..odd() }, refused),
        ("a making", Odd { kind: Some("webauthn.create"), ..odd() }, refused),
        ("within another's page", Odd { cross_origin: true, ..odd() }, refused),
        ("another's handle", Odd { handle: Some(Some(other.handle.clone())), ..odd() }, refused),
        ("no handle", Odd { handle: Some(None), ..odd() }, refused),
        ("another signature", Odd { forged: true, ..odd() }, refused),
        ("a person who was not checked", Odd { unchecked: true, ..odd() }, (401, "passkey_unverified")),
    ];
    for (what, odd, expected) in cases {
        assert_eq!(code(&try_sign_in(&nobody, &mut device, &odd).await), expected, "{what}");
        sign_in(&nobody, &mut device).await;
    }
    // A key of somebody else under the name of this passkey.
    let (own, handle) = (other.credential.clone(), other.handle.clone());
    (other.credential, other.handle) = (device.credential.clone(), device.handle.clone());
    assert_eq!(code(&try_sign_in(&nobody, &mut other, &odd()).await), refused);
    (other.credential, other.handle) = (own, handle);
    sign_in(&nobody, &mut other).await;
    // One that nobody has answers alike.
    let begun = begin(&bob, "register").await;
    let (mut unknown, _) = Device::make(&begun["public_key"], &here, &odd());
    let answers = [
        try_sign_in(&nobody, &mut unknown, &odd()).await,
        try_sign_in(&nobody, &mut device, &Odd { forged: true, ..odd() }).await,
    ];
    assert_eq!((code(&answers[0]), answers[0].text.as_str()), (refused, answers[1].text.as_str()));

    // Said twice: the ceremony is over, and in another one it answers another challenge.
    let begun = begin(&nobody, "sign-in").await;
    let proved = device.prove(&begun["public_key"], &here, &odd());
    let body = json!({"ceremony": begun["ceremony"], "credential": proved});
    assert_eq!(post(&nobody, "sign-in/finish", &body).await.status, 200, "control");
    assert_eq!(code(&post(&nobody, "sign-in/finish", &body).await), (400, "sign_in_stale"));
    let again = begin(&nobody, "sign-in").await;
    let body = json!({"ceremony": again["ceremony"], "credential": proved});
    assert_eq!(code(&post(&nobody, "sign-in/finish", &body).await), refused);
    // Of fifty who end one at once one is let in.
    let begun = begin(&nobody, "sign-in").await;
    let proved = device.prove(&begun["public_key"], &here, &odd());
    let body = json!({"ceremony": begun["ceremony"], "credential": proved});
    let all = futures::future::join_all((0..50).map(|_| post(&nobody, "sign-in/finish", &body))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(all.iter().filter(|answer| code(answer) == (400, "sign_in_stale")).count(), 49);

    // What is no answer of a device at all.
    for credential in [json!(null), json!({}), json!({"id": "x", "rawId": "!", "type": "public-key", "response": {}})] {
        let begun = begin(&nobody, "sign-in").await;
        let body = json!({"ceremony": begun["ceremony"], "credential": credential});
        assert_eq!(post(&nobody, "sign-in/finish", &body).await.status, 400, "{credential}");
    }
    for part in ["authenticatorData", "clientDataJSON", "signature"] {
        let begun = begin(&nobody, "sign-in").await;
        let mut proved = device.prove(&begun["public_key"], &here, &odd());
        proved["response"][part] = json!("AAAA");
        let body = json!({"ceremony": begun["ceremony"], "credential": proved});
        assert_eq!(post(&nobody, "sign-in/finish", &body).await.status, 401, "{part}");
    }
    // Nor does a page of another site, or one of this node under another address, begin or end one.
    for (name, value, expected) in [
        ("sec-fetch-site", "cross-site", (403, "cross_site")),
        ("origin", "https://evil.example", (409, "passkeys_elsewhere")),
        ("origin", nobody.base.as_str(), (409, "passkeys_elsewhere")),
    ] {
        for path in ["start", "finish"] {
            let begun = begin(&nobody, "sign-in").await;
            let proved = device.prove(&begun["public_key"], &here, &odd());
            let body = json!({"ceremony": begun["ceremony"], "credential": proved});
            let request = nobody.request(Method::POST, &format!("/api/v1/passkeys/sign-in/{path}")).json(&body);
            assert_eq!(code(&nobody.send(request.header(name, value)).await.unwrap()), expected, "{path}: {value}");
        }
    }
    let from_page = nobody.request(Method::POST, "/api/v1/passkeys/sign-in/start").header("origin", &here);
    assert_eq!(nobody.send(from_page).await.unwrap().status, 200, "control");
}

#[tokio::test]
async fn a_passkey_that_is_in_two_places_is_refused_and_told() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let nobody = bob.nobody();
    let (mut device, made) = add(&bob, "Phone").await;
    for _ in 0..3 {
        sign_in(&nobody, &mut device).await;
    }
    assert_eq!(audit(&bob, "passkey.went_back").await, [Value::Null; 0], "control");
    for count in [0, -1, -3] {
        let answer = try_sign_in(&nobody, &mut device, &Odd { count: Some(count), ..Odd::default() }).await;
        assert_eq!(code(&answer), (401, "passkey_went_back"), "{count}");
    }
    let told = audit(&bob, "passkey.went_back").await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!((&told[0]["detail"]["credential"], &told[0]["detail"]["label"]), (&made["passkey"], &json!("Phone")));
    assert_eq!(audit(&home.alice, "passkey.went_back").await.len(), 0, "nobody else is told");
    // Who has no key tells nothing so.
    let forged = Odd { count: Some(-1), forged: true, ..Odd::default() };
    assert_eq!(code(&try_sign_in(&nobody, &mut device, &forged).await), (401, "passkey_refused"));
    assert_eq!(audit(&bob, "passkey.went_back").await.len(), 3);
    sign_in(&nobody, &mut device).await;
    // A device that counts nothing is one as well.
    let (mut still, _) = add(&bob, "Cloud").await;
    let zero = Odd { count: Some(0), ..Odd::default() };
    for _ in 0..2 {
        assert_eq!(try_sign_in(&nobody, &mut still, &zero).await.status, 200);
    }
}

#[tokio::test]
async fn a_passkey_is_made_for_who_asked_and_proved_of_late_who_they_are() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let here = pages(&bob.base);
    let minted = home.node.cli_ok(&["user", "token", "bob", "--ttl", "1h"]).unwrap();
    let script = bob.with_token(minted["access_token"].as_str().unwrap());
    let needed = (401, "insufficient_user_authentication");
    assert_eq!(code(&post(&script, "register/start", &json!({})).await), needed);
    let odd = Odd::default;
    let unfit = (400, "passkey_unfit");
    let cases = [
        ("another origin", Odd { origin: Some("https://evil.example".into()), ..odd() }, unfit),
        ("another name", Odd { relying_party: Some("evil.example"), ..odd() }, unfit),
        ("another challenge", Odd { challenge: Some("A".repeat(43)), ..odd() }, unfit),
        ("a proof", Odd { kind: Some("webauthn.get"), ..odd() }, unfit),
        ("within another's page", Odd { cross_origin: true, ..odd() }, unfit),
        ("a person who was not checked", Odd { unchecked: true, ..odd() }, (401, "passkey_unverified")),
    ];
    for (what, odd, expected) in cases {
        let begun = begin(&bob, "register").await;
        let (_, made) = Device::make(&begun["public_key"], &here, &odd);
        let body = json!({"ceremony": begun["ceremony"], "credential": made});
        assert_eq!(code(&post(&bob, "register/finish", &body).await), expected, "{what}");
    }
    let begun = begin(&bob, "register").await;
    let (_, mut made) = Device::make(&begun["public_key"], &here, &odd());
    made["clientExtensionResults"]["credProps"]["rk"] = json!(false);
    let body = json!({"ceremony": begun["ceremony"], "credential": made});
    assert_eq!(code(&post(&bob, "register/finish", &body).await), unfit, "it would not be found");
    assert_eq!(list(&bob).await, json!([]), "none of it is kept");

    // In no other session, and by nobody else; nor for another purpose.
    let second = home.node.sign_in("bob", "the long password of bob").await.unwrap();
    for stranger in [&home.alice, &second] {
        let begun = begin(&bob, "register").await;
        let (_, made) = Device::make(&begun["public_key"], &here, &odd());
        let body = json!({"ceremony": begun["ceremony"], "credential": made});
        assert_eq!(code(&post(stranger, "register/finish", &body).await), (400, "sign_in_stale"));
        assert_eq!(code(&post(&bob, "register/finish", &body).await), (400, "sign_in_stale"), "it is over");
    }
    let (mut device, _) = add(&bob, "Phone").await;
    assert_eq!(list(&bob).await.as_array().map(Vec::len), Some(1), "control");
    // The same passkey is nobody's second.
    let begun = begin(&home.alice, "register").await;
    let made = device.attest(&begun["public_key"], &here, &odd());
    let body = json!({"ceremony": begun["ceremony"], "credential": made});
    assert_eq!(code(&post(&home.alice, "register/finish", &body).await), (409, "exists"));

    // Proved once more, by a passkey of theirs, in the session that asked.
    assert_eq!(code(&post(&script, "register/start", &json!({})).await), needed, "control");
    let confirm = async |by: &Client, device: &mut Device, odd: &Odd| {
        let begun = begin(&script, "confirm").await;
        assert_eq!(begun["public_key"]["allowCredentials"][0]["transports"][0], "internal");
        let proved = device.prove(&begun["public_key"], &here, odd);
        let body = json!({"ceremony": begun["ceremony"], "credential": proved});
        (post(by, "confirm/finish", &body).await, body)
    };
    let (mut of_alice, _) = add(&home.alice, "Phone").await;
    let refused = confirm(&script, &mut of_alice, &odd()).await.0;
    assert_eq!(code(&refused), (401, "passkey_refused"), "another's");
    for stranger in [&second, &home.alice] {
        let refused = confirm(stranger, &mut device, &odd()).await.0;
        assert_eq!(code(&refused), (400, "sign_in_stale"), "another session");
    }
    let refused = confirm(&script, &mut device, &Odd { unchecked: true, ..odd() }).await.0;
    assert_eq!(code(&refused), (401, "passkey_unverified"));
    for (begun, ended) in [("sign-in", "confirm"), ("confirm", "sign-in"), ("register", "sign-in")] {
        let by = if begun == "register" { &bob } else { &script };
        let started = begin(by, begun).await;
        let mut asked = started["public_key"].clone();
        asked["rpId"] = json!(NAME);
        let body = json!({"ceremony": started["ceremony"], "credential": device.prove(&asked, &here, &odd())});
        assert_eq!(code(&post(by, &format!("{ended}/finish"), &body).await), (400, "sign_in_stale"), "{begun}");
    }
    assert_eq!(code(&post(&script, "register/start", &json!({})).await), needed, "none of it confirmed anything");
    let (confirmed, body) = confirm(&script, &mut device, &odd()).await;
    assert!(confirmed.status == 200 && confirmed.json["expires"].is_string(), "{}", confirmed.text);
    assert_eq!(post(&script, "register/start", &json!({})).await.status, 200);
    assert_eq!(code(&post(&script, "confirm/finish", &body).await), (400, "sign_in_stale"), "once");
    assert_eq!(code(&post(&home.alice, "confirm/start", &json!({})).await).0, 200, "control: she has one");
    let carol = home.user("carol", None).await;
    assert_eq!(code(&post(&carol, "confirm/start", &json!({})).await), (404, "not_found"), "she has none");
}

#[tokio::test]
async fn the_last_way_in_stays_and_whoever_is_suspended_is_out() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let nobody = bob.nobody();
    let way = async |client: &Client, kind: &str| {
        let ways = client.get("/api/v1/me/credentials").await.unwrap().json;
        let one = ways.as_array().unwrap().iter().find(|way| way["kind"] == kind).cloned();
        one.unwrap()["credential"].as_str().unwrap().to_owned()
    };
    let remove = async |client: &Client, kind: &str| {
        let id = way(client, kind).await;
        client.delete(&format!("/api/v1/me/credentials/{id}")).await.unwrap()
    };
    assert_eq!(code(&remove(&bob, "password").await), (409, "last_way_in"), "control");
    let (mut device, made) = add(&bob, "Phone").await;
    assert_eq!(remove(&bob, "password").await.status, 204);
    let path = format!("/api/v1/passkeys/{}", made["passkey"].as_str().unwrap());
    assert_eq!(code(&bob.delete(&path).await.unwrap()), (409, "last_way_in"));
    let (_, second) = add(&bob, "Tablet").await;
    assert_eq!(
        bob.delete(&path.replace(made["passkey"].as_str().unwrap(), second["passkey"].as_str().unwrap()))
            .await
            .unwrap()
            .status,
        204
    );
    // A password is set by who has none, and proved of late who they are.
    let set = async |client: &Client, body: Value| {
        client.send(client.request(Method::PUT, "/api/v1/me/password").json(&body)).await.unwrap()
    };
    let minted = home.node.cli_ok(&["user", "token", "bob", "--ttl", "1h"]).unwrap();
    let script = bob.with_token(minted["access_token"].as_str().unwrap());
    let first = json!({"new": "the first password of bob"});
    assert_eq!(code(&set(&script, first.clone()).await), (401, "insufficient_user_authentication"));
    assert_eq!(
        code(&set(&bob, json!({"current": "", "new": "the first password of bob"})).await),
        (401, "wrong_password")
    );
    assert_eq!(set(&bob, first.clone()).await.status, 200);
    assert_eq!(code(&set(&bob, first).await), (401, "wrong_password"), "he has one by now");
    home.node.sign_in("bob", "the first password of bob").await.unwrap();
    assert_eq!(remove(&bob, "password").await.status, 204);
    // Whoever owns the node keeps the way in that depends on no device.
    add(&home.alice, "Phone").await;
    assert_eq!(code(&remove(&home.alice, "password").await), (409, "last_way_in"));
    assert_eq!(remove(&home.alice, "passkey").await.status, 204);

    let session = sign_in(&nobody, &mut device).await;
    let suspend = async |method: Method| {
        home.alice.send(home.alice.request(method, "/api/v1/users/bob/suspension")).await.unwrap()
    };
    assert_eq!(suspend(Method::PUT).await.status, 200);
    assert_eq!(session.get("/api/v1/me").await.unwrap().status, 401);
    assert_eq!(code(&try_sign_in(&nobody, &mut device, &Odd::default()).await), (403, "suspended"));
    let forged = Odd { forged: true, ..Odd::default() };
    assert_eq!(code(&try_sign_in(&nobody, &mut device, &forged).await), (401, "passkey_refused"), "not told to others");
    assert!(suspend(Method::DELETE).await.status < 300);
    sign_in(&nobody, &mut device).await;
}

#[tokio::test]
async fn a_node_of_another_name_says_which_passkeys_are_dead() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let (mut device, _) = add(&bob, "Phone").await;
    add(&home.alice, "Phone").await;
    let id = bob.get("/api/v1/me/credentials").await.unwrap().json[0]["credential"].as_str().unwrap().to_owned();
    assert_eq!(bob.delete(&format!("/api/v1/me/credentials/{id}")).await.unwrap().status, 204, "his password");
    let doctor = |node: &Node| {
        let checks = node.cli_ok(&["doctor"]).unwrap()["checks"].as_array().cloned().unwrap();
        checks.into_iter().find(|check| check["name"] == "passkeys")
    };
    assert_eq!(doctor(&home.node), None, "control");
    let allod = home.node.allod.clone();
    let dir = home.node.stop().unwrap();
    let serve = |flags: &[&str]| {
        let mut command = allod.command(&dir, &[&["serve", "--listen", "127.0.0.1:0"], flags].concat());
        command.env_remove("RUST_LOG");
        Node::serve_by(allod.clone(), &dir, command).unwrap()
    };
    // Behind a proxy that speaks TLS.
    let node = serve(&["--public-url", "https://cloud.example.org", "--tls", "off"]);
    let told = "2 passkeys of 2 people count no more: they were made for allod.localhost, and passkeys count for \
                cloud.example.org now. 1 of them have no other way in.";
    let check = doctor(&node).expect("it is told");
    assert_eq!((check["state"].as_str(), check["detail"].as_str()), (Some("warn"), Some(told)));
    assert!(node.says(told), "{}", node.said());
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let all = list(&alice).await;
    assert_eq!((&all[0]["counts"], &all[0]["relying_party"]), (&json!(false), &json!(NAME)));
    let nobody = alice.nobody();
    let begun = begin(&nobody, "sign-in").await;
    assert_eq!(begun["public_key"]["rpId"], "cloud.example.org");
    for (name, origin) in [(NAME, pages(&node.url)), ("cloud.example.org", "https://cloud.example.org".to_owned())] {
        let begun = begin(&nobody, "sign-in").await;
        let mut asked = begun["public_key"].clone();
        asked["rpId"] = json!(name);
        let proved = device.prove(&asked, &origin, &Odd::default());
        let body = json!({"ceremony": begun["ceremony"], "credential": proved});
        assert_eq!(code(&post(&nobody, "sign-in/finish", &body).await), (401, "passkey_refused"), "{name}");
    }
    assert_eq!(code(&post(&alice, "confirm/start", &json!({})).await), (404, "not_found"));
    // What is dead is no way in, and can go.
    let path = format!("/api/v1/passkeys/{}", all[0]["passkey"].as_str().unwrap());
    assert_eq!(alice.delete(&path).await.unwrap().status, 204);
    node.stop().unwrap();
    // In clear browsers keep passkeys for nobody: the node says so.
    let node = serve(&["--public-url", "http://cloud.example.org"]);
    let nobody = Client::new(&node.url, None).unwrap();
    assert_eq!(code(&post(&nobody, "sign-in/start", &json!({})).await), (409, "no_passkeys"));
    node.stop().unwrap();
    // Under the former name they count again.
    let node = serve(&[]);
    assert_eq!(doctor(&node), None);
    sign_in(&Client::new(&node.url, None).unwrap(), &mut device).await;
}

#[tokio::test]
async fn a_consent_is_opened_by_a_passkey() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    let (mut device, made) = add(&home.alice, "Phone").await;
    let access =
        json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read"], "fields": {"allow": ["text"]}});
    let manifest = json!({"name": "An App", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [access]});
    let app = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", app["client_id"].as_str().unwrap()),
            ("redirect_uri", "http://127.0.0.1:9/cb"),
            ("code_challenge", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    let nobody = home.alice.nobody();
    let page = nobody.send(nobody.request(Method::GET, &format!("/oauth/authorize?{query}"))).await.unwrap();
    assert!(page.text.contains(r#"<script src="/oauth/passkey.js" defer>"#), "{}", page.text);
    assert!(page.text.contains(r#"id="passkey" class="plain" hidden"#), "nothing to see where no script runs");
    let script = nobody.get("/oauth/passkey.js").await.unwrap();
    assert!(script.status == 200 && script.text.contains("navigator.credentials.get"));
    let open = async |device: &mut Device, odd: &Odd, site: &str| {
        let begun = begin(&nobody, "sign-in").await;
        let proved = device.prove(&begun["public_key"], &pages(&nobody.base), odd).to_string();
        let fields = [
            ("step", "passkey"),
            ("request", &query),
            ("ceremony", begun["ceremony"].as_str().unwrap()),
            ("credential", &proved),
        ];
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = nobody.request(Method::POST, "/oauth/authorize").header("sec-fetch-site", site);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        nobody.send(request).await.unwrap()
    };
    let consent = open(&mut device, &Odd::default(), "same-origin").await;
    assert!(
        consent.status == 200 && consent.text.contains("You are signed in as <strong>alice</strong>"),
        "{}",
        consent.text
    );
    assert_eq!(consent.text.matches("<script").count(), 1, "the one that looks again");
    assert!(consent.text.contains("<script src=\"/oauth/consent.js\" defer></script>"), "{}", consent.text);
    let wrong = open(&mut device, &Odd { forged: true, ..Odd::default() }, "same-origin").await;
    assert!(wrong.status == 401 && wrong.text.contains("This passkey is none by which somebody signs in here."));
    assert_eq!(open(&mut device, &Odd::default(), "cross-site").await.status, 403);
    assert_eq!(audit(&home.alice, "consent.opened").await.len(), 1);
    // What it opened, and nobody answered, ends with it.
    let answer = async |html: &str| {
        let at = url::Url::parse(&format!("{}/oauth/authorize", nobody.base)).unwrap();
        let mut form = harness::ConsentForm::read(&at, html, "decision").unwrap();
        form.set("decision", "deny");
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        let request = nobody.request(Method::POST, "/oauth/authorize").header("sec-fetch-site", "same-origin");
        nobody.send(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await.unwrap()
    };
    assert_ne!(answer(&consent.text).await.status, 403, "control");
    let path = format!("/api/v1/passkeys/{}", made["passkey"].as_str().unwrap());
    assert_eq!(home.alice.delete(&path).await.unwrap().status, 204);
    assert_eq!(answer(&consent.text).await.status, 403);
}

#[tokio::test]
async fn whoever_holds_the_machine_removes_the_passkeys_of_an_intruder() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let nobody = bob.nobody();
    let (mut intruder, _) = add(&bob, "Phone").await;
    let (mut alices, _) = add(&home.alice, "Phone").await;
    let session = sign_in(&nobody, &mut intruder).await;
    let path = "/api/v1/users/bob/passkeys";
    assert_eq!(home.alice.delete(path).await.unwrap().status, 403, "no session has that");
    assert_eq!(session.get("/api/v1/me").await.unwrap().status, 200, "control");
    assert_eq!(home.node.operator().unwrap().delete("/api/v1/users/nobody/passkeys").await.unwrap().status, 404);
    home.node.cli_ok(&["user", "passkeys", "bob", "--remove"]).unwrap();
    assert_eq!(session.get("/api/v1/me").await.unwrap().status, 401);
    assert_eq!(code(&try_sign_in(&nobody, &mut intruder, &Odd::default()).await), (401, "passkey_refused"));
    sign_in(&nobody, &mut alices).await;
    let bob = home.node.sign_in("bob", "the long password of bob").await.unwrap();
    let removed = audit(&bob, "credential.removed").await;
    assert_eq!((removed.len(), &removed[0]["detail"]["removed"]), (1, &json!(1)), "{removed:?}");
}
