//! A password that is changed, and the command line as a person who is no operator.

use std::os::unix::fs::PermissionsExt;

use harness::{Client, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::{Home, OWNER};

const ASK: &str = "{ __typename }";

async fn status(client: &Client) -> u16 {
    client.try_graphql(ASK, Value::Null).await.unwrap().status
}

async fn put(client: &Client, path: &str, body: &Value) -> harness::Answer {
    client.send(client.request(Method::PUT, path).json(body)).await.unwrap()
}

#[tokio::test]
async fn another_password_ends_the_other_sessions_and_outlives_a_kill() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let other = home.node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let me = home.alice.get("/api/v1/me").await.unwrap();
    assert_eq!(
        (me.status, &me.json["name"], &me.json["operator"]),
        (200, &json!("alice"), &json!(true)),
        "{}",
        me.text
    );
    let him = bob.get("/api/v1/me").await.unwrap().json;
    assert_eq!((&him["name"], &him["operator"]), (&json!("bob"), &json!(false)));
    let new = "another horse, another battery";
    for (body, expected) in [
        (json!({"current": "a guess of mine", "new": new}), 401),
        (json!({"current": OWNER.1, "new": "short"}), 400),
        (json!({"current": OWNER.1, "new": "alice"}), 400),
        (json!({"current": OWNER.1}), 400),
        (json!({"current": OWNER.1, "new": new, "user": "bob"}), 400),
    ] {
        let answer = put(&home.alice, "/api/v1/me/password", &body).await;
        assert_eq!(answer.status, expected, "{body}: {}", answer.text);
    }
    // Nobody else's: not without a session, not by another person, and not over the network by the owner.
    let nobody = Client::new(&home.node.url, None).unwrap();
    let wish = json!({"current": OWNER.1, "new": new});
    assert_eq!(put(&nobody, "/api/v1/me/password", &wish).await.status, 401);
    assert_eq!(put(&bob, "/api/v1/me/password", &wish).await.status, 401, "bob's current password is another");
    assert_eq!(put(&home.alice, "/api/v1/users/bob/password", &json!({"password": new})).await.status, 403);
    for session in [&home.alice, &other, &bob] {
        assert_eq!(status(session).await, 200, "control: nothing was changed");
    }
    let changed = put(&home.alice, "/api/v1/me/password", &wish).await;
    assert_eq!((changed.status, &changed.json["ended"]), (200, &json!(1)), "{}", changed.text);
    assert_eq!(status(&other).await, 401, "a session of before the change");
    for session in [&home.alice, &bob] {
        assert_eq!(status(session).await, 200, "control: whoever asked, and whoever else");
    }
    let told = home.alice.get("/api/v1/audit").await.unwrap().text;
    assert!(told.contains("password.changed") && told.contains("127.0.0.1") && !told.contains(new), "{told}");
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.kill().unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    assert!(node.sign_in(OWNER.0, OWNER.1).await.is_err(), "the former password");
    let alice = node.sign_in(OWNER.0, new).await.unwrap();
    // Whoever holds the machine gives one without the former.
    let file = root.path().join("given");
    std::fs::write(&file, "a password that was given\n").unwrap();
    node.cli_ok(&["user", "password", "alice", "--password-file", file.to_str().unwrap()]).unwrap();
    assert_eq!(status(&alice).await, 401, "all of them end");
    node.sign_in(OWNER.0, "a password that was given").await.unwrap();
    let unknown = ["user", "password", "eve", "--password-file", file.to_str().unwrap()];
    node.cli(&unknown).unwrap().refused(4).unwrap();
}

#[tokio::test]
async fn a_person_uses_the_command_line_as_themselves_and_by_nobody_elses_file() {
    let home = Home::new().await;
    home.user("bob", None).await;
    let password = home.root.path().join("bob.password");
    let token = home.root.path().join("bob.token");
    let (password, file) = (password.to_str().unwrap(), token.to_str().unwrap());
    let elsewhere = home.root.path().join("no-node");
    let run = |args: &[&str]| home.node.allod.run(&elsewhere, args).unwrap();
    let url = home.node.url.clone();
    let login = ["login", &url, "--user", "bob", "--password-file", password];
    assert_eq!(run(&login).refused(2).unwrap(), "token_file_missing");
    let wrong = home.file("wrong", "not the password of bob");
    let guess = ["login", &url, "--user", "bob", "--password-file", &wrong, "--token-file", file];
    assert_eq!(run(&guess).code, 3, "a wrong password");
    assert!(!token.exists());
    let far = ["login", "http://192.0.2.1:8420", "--user", "bob", "--password-file", password, "--token-file", file];
    assert_eq!(run(&far).refused(2).unwrap(), "login_in_clear");
    let made = home.node.allod.ok(&elsewhere, &[&login[..], &["--token-file", file]].concat()).unwrap();
    assert_eq!((&made["user"], &made["url"]), (&json!("bob"), &json!(url)));
    assert!(made.get("access_token").is_none(), "it is in the file alone: {made}");
    assert_eq!(std::fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
    // Bob, with bob's rights, also on the operator's own directory.
    home.node.allod.ok(&elsewhere, &["grant", "list", "--token-file", file]).unwrap();
    for dir in [&elsewhere, &home.node.dir] {
        let refused = home.node.allod.run(dir, &["user", "list", "--token-file", file]).unwrap();
        assert_eq!(refused.refused(3).unwrap(), "operator_only");
    }
    home.node.cli_ok(&["user", "list"]).expect("control: the operator");
    for command in [&["stop"][..], &["doctor"], &["wait"]] {
        let refused = home.node.cli(&[command, &["--token-file", file]].concat()).unwrap();
        assert_eq!(refused.refused(2).unwrap(), "token_file_unused", "{command:?}");
    }
    // A file that others can read or wrote, or that is none.
    let open = |mode| std::fs::set_permissions(&token, PermissionsExt::from_mode(mode)).unwrap();
    open(0o644);
    assert_eq!(run(&["grant", "list", "--token-file", file]).refused(2).unwrap(), "token_file_exposed");
    open(0o600);
    if std::os::unix::fs::chown(&token, Some(65_534), None).is_ok() {
        assert_eq!(run(&["grant", "list", "--token-file", file]).refused(2).unwrap(), "token_file_foreign");
        std::os::unix::fs::chown(&token, Some(0), None).unwrap();
    }
    assert_eq!(run(&["grant", "list", "--token-file", password]).code, 2);
    // A password and sessions of one's own.
    let next = home.file("next", "the next password of bob");
    let change = |current: &str| {
        run(&["password", "change", "--password-file", current, "--new-password-file", &next, "--token-file", file])
            .code
    };
    assert_eq!((change(&wrong), change(password)), (3, 0));
    let other = home.node.sign_in("bob", "the next password of bob").await.unwrap();
    let sessions = home.node.allod.ok(&elsewhere, &["session", "list", "--token-file", file]).unwrap();
    let this = |is: bool| sessions.as_array().unwrap().iter().filter(move |one| one["this"] == json!(is));
    let (own, others) = (this(true).next().unwrap(), this(false).count());
    assert_eq!((&own["by"], &own["from"], others), (&json!("allod"), &json!("127.0.0.1"), 1), "{sessions}");
    home.node.allod.ok(&elsewhere, &["session", "end-others", "--token-file", file]).unwrap();
    assert_eq!(status(&other).await, 401);
    let text = std::fs::read(&token).unwrap();
    home.node.allod.ok(&elsewhere, &["logout", "--token-file", file]).unwrap();
    assert!(!token.exists());
    std::fs::write(&token, text).unwrap();
    open(0o600);
    assert_eq!(run(&["grant", "list", "--token-file", file]).code, 3, "a copy of it is dead");
}

#[tokio::test]
async fn somebody_new_sets_their_own_password_by_a_link() {
    let home = Home::new().await;
    let made = home.node.cli_ok(&["user", "invite", "carol"]).unwrap();
    let link = made["link"].as_str().unwrap();
    assert!(link.starts_with(&home.node.url) && made["expires"].is_string(), "{made}");
    let nobody = Client::new(&home.node.url, None).unwrap();
    let path = link.strip_prefix(&home.node.url).unwrap();
    let page = nobody.get(path).await.unwrap();
    assert!(page.status == 200 && page.text.contains("carol"), "{}", page.text);
    let token = path.split_once("token=").unwrap().1;
    let password = "the long password of carol";
    let form = [("token", token), ("password", password), ("password-again", password)];
    let set = || nobody.request(Method::POST, "/invite").header("origin", &home.node.url).form(&form);
    assert_eq!(nobody.send(set()).await.unwrap().status, 200);
    assert_eq!(nobody.send(set()).await.unwrap().status, 404, "once");
    let carol = home.node.sign_in("carol", password).await.unwrap();
    assert_eq!(status(&carol).await, 200);
    home.node.cli_ok(&["user", "invite", "carol"]).expect("for who forgot theirs");
    assert_eq!(status(&carol).await, 200, "nothing changes until it is used");
}

/// Gives bob a second factor; the codes of recovery.
async fn second_factor(bob: &Client) -> Vec<String> {
    let confirmed =
        bob.post("/api/v1/session/confirm", &json!({"password": "the long password of bob"})).await.unwrap();
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    let begun = bob.post("/api/v1/me/totp", &json!({})).await.unwrap();
    assert_eq!(begun.status, 201, "{}", begun.text);
    let totp = totp_rs::Totp::from_url(begun.json["uri"].as_str().unwrap()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let first = json!({"code": totp.generate(now).to_string()});
    let counts = bob.post("/api/v1/me/totp/confirm", &first).await.unwrap();
    assert_eq!(counts.status, 200, "{}", counts.text);
    counts.json["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

/// Who has a session and the password, and not the phone, shuts nobody out.
#[tokio::test]
async fn who_has_a_second_factor_gives_it_to_change_the_password() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let (current, new) = ("the long password of bob", "another horse, another battery");
    let codes = second_factor(&bob).await;
    // A session in which nothing was proved of late.
    let minted = home.node.cli_ok(&["user", "token", "bob", "--ttl", "1h"]).unwrap();
    let bob = bob.with_token(minted["access_token"].as_str().unwrap());
    let change = async |body: Value| {
        let answer = put(&bob, "/api/v1/me/password", &body).await;
        (answer.status, answer.json["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |code: &str| (401, code.to_owned());
    assert_eq!(change(json!({"current": current, "new": new})).await, refused("insufficient_user_authentication"));
    let with = |current: &str, code: &str| json!({"current": current, "new": new, "totp": code});
    assert_eq!(change(with(current, "AAAA-AAAA-AAAA-AAAA")).await, refused("wrong_code"));
    assert_eq!(change(with("a guess of mine", &codes[0])).await, refused("wrong_password"));
    let nobody = Client::new(&home.node.url, None).unwrap();
    let sign_in = async |password: &str, code: &str| {
        let body = json!({"user": "bob", "password": password, "totp": code});
        nobody.post("/api/v1/session", &body).await.unwrap().status
    };
    assert_eq!(sign_in(current, &codes[1]).await, 200, "control: nothing was changed");
    assert_eq!(change(with(current, &codes[0])).await.0, 200, "control: with a code, which the guess did not use up");
    assert_eq!(sign_in(new, &codes[0]).await, 401, "that counted once");
    // Who proved of late in this session who they are gave one for that.
    let confirm = json!({"password": new, "totp": codes[2]});
    assert_eq!(bob.post("/api/v1/session/confirm", &confirm).await.unwrap().status, 200);
    assert_eq!(change(json!({"current": new, "new": "a third horse, a third battery"})).await.0, 200);
    // On the command line the code is asked for, or named; here nobody can be asked.
    let minted = home.node.cli_ok(&["user", "token", "bob", "--ttl", "1h"]).unwrap();
    let session = json!({"url": home.node.url, "user": "bob", "access_token": minted["access_token"], "expires": ""});
    let files = [
        home.file("now", "a third horse, a third battery\n"),
        home.file("next", "a fourth horse, a fourth battery\n"),
        home.file("session", &session.to_string()),
    ];
    std::fs::set_permissions(&files[2], PermissionsExt::from_mode(0o600)).unwrap();
    let args = [
        "password",
        "change",
        "--password-file",
        &files[0],
        "--new-password-file",
        &files[1],
        "--token-file",
        &files[2],
    ];
    let elsewhere = home.root.path().join("no-node");
    let run = |more: &[&str]| home.node.allod.run(&elsewhere, &[&args[..], more].concat()).unwrap();
    assert_eq!(run(&[]).refused(3).unwrap(), "insufficient_user_authentication");
    let changed = run(&["--totp", &codes[3]]);
    assert_eq!(changed.code, 0, "{} {}", changed.stdout, changed.stderr);
    assert_eq!(sign_in("a fourth horse, a fourth battery", &codes[4]).await, 200);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_on_the_command_line_and_the_operator_takes_it_away() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    let file = |name: &str| home.root.path().join(name).to_str().unwrap().to_owned();
    let (password, token) = (file("bob.password"), file("bob.token"));
    let codes = second_factor(&bob).await;
    let elsewhere = home.root.path().join("no-node");
    let login = |code: Option<&str>| {
        let mut args =
            vec!["login", &home.node.url, "--user", "bob", "--password-file", &password, "--token-file", &token];
        args.extend(code.map(|code| ["--totp", code]).into_iter().flatten());
        home.node.allod.run(&elsewhere, &args).unwrap()
    };
    assert_eq!(login(None).refused(3).unwrap(), "totp_needed");
    assert_eq!(login(Some("AAAA-AAAA-AAAA-AAAA")).refused(3).unwrap(), "wrong_code");
    assert_eq!(login(Some(&codes[0])).code, 0);
    assert_eq!(login(Some(&codes[0])).refused(3).unwrap(), "wrong_code", "each counts once");
    // It outlives a kill.
    let allod = home.node.allod.clone();
    let node = Node::serve(&allod, &home.node.kill().unwrap()).unwrap();
    assert!(node.sign_in("bob", "the long password of bob").await.is_err());
    node.cli_ok(&["user", "remove-totp", "bob"]).unwrap();
    node.sign_in("bob", "the long password of bob").await.unwrap();
    node.cli(&["user", "remove-totp", "eve"]).unwrap().refused(4).unwrap();
}

#[tokio::test]
async fn the_node_key_is_sealed_under_another_passphrase_while_no_node_runs() {
    let home = Home::new().await;
    let [first, second] = ["first", "second"].map(|name| {
        let file = home.file(name, &format!("the {name} passphrase"));
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        file
    });
    let change = ["passphrase", "change", "--new-passphrase-file", &first];
    assert_eq!(home.node.cli(&change).unwrap().refused(1).unwrap(), "data_dir_in_use");
    let allod = home.node.allod.clone();
    let dir = home.node.stop().unwrap();
    allod.ok(&dir, &change).unwrap();
    let again = ["passphrase", "change", "--new-passphrase-file", &second, "--passphrase-file"];
    assert_eq!(allod.run(&dir, &[&again[..], &[&second]].concat()).unwrap().refused(1).unwrap(), "passphrase_wrong");
    allod.ok(&dir, &[&again[..], &[&first]].concat()).unwrap();
    assert_eq!(allod.run(&dir, &["doctor", "--passphrase-file", &first]).unwrap().code, 1);
    let serve = ["serve", "--listen", "127.0.0.1:0", "--passphrase-file", &second];
    let node = Node::serve_by(allod.clone(), &dir, allod.command(&dir, &serve)).unwrap();
    node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    node.cli_ok(&["healthcheck", "--wait", "5s"]).unwrap();
    node.cli_ok(&["healthcheck", "--url", &node.url]).unwrap();
    let dir = node.stop().unwrap();
    allod.run(&dir, &["healthcheck"]).unwrap().refused(5).unwrap();
}
