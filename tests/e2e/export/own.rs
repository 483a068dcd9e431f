//! A person's own export: everything of theirs, and of nobody else.

use std::collections::BTreeMap;

use super::*;

/// The values of an export, by the names of its lines.
fn lines(text: &str) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let (name, value) = line.as_object().unwrap().iter().next().unwrap();
        all.entry(name.clone()).or_default().push(value.clone());
    }
    all
}

#[tokio::test]
async fn everything_of_ones_own_and_nothing_of_anybody_elses() {
    let Shared { home, bob, token, .. } = shared().await;
    bob.define("type Secret { of: String }").await.unwrap();
    add(&bob, "Secret", vec![json!({"of": "BOBS OWN"})]).await;
    home.node.cli_ok(&["link", "add", "Note", "--fields", "title"]).unwrap();
    let gone =
        home.alice.graphql("mutation { delete_Note(filter: {title: {_eq: \"title 3\"}}) { _docID } }").await.unwrap();
    let gone = gone["delete_Note"][0]["_docID"].as_str().unwrap().to_owned();
    home.alice
        .graphql("mutation { update_Note(filter: {title: {_eq: \"title 4\"}}, input: {tag: \"TWICE\"}) { _docID } }")
        .await
        .unwrap();

    // A session in which nobody has given a password.
    let unasked = home.node.cli_ok(&["user", "token", "alice", "--ttl", "1h"]).unwrap();
    let unasked = home.alice.with_token(unasked["access_token"].as_str().unwrap());
    assert_eq!(unasked.get("/api/v1/me").await.unwrap().status, 200, "control: it is a session");
    let asked = unasked.get("/api/v1/me/export").await.unwrap();
    assert_eq!(
        (asked.status, &asked.json["code"]),
        (401, &json!("insufficient_user_authentication")),
        "{}",
        asked.text
    );
    assert_eq!(Client::new(&home.node.url, None).unwrap().get("/api/v1/me/export").await.unwrap().status, 401);
    let alice = confirmed(&home.node).await;
    let answer = alice.request(reqwest::Method::GET, "/api/v1/me/export").send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert!(header("content-disposition").starts_with("attachment; filename=\"allod-20"), "{:?}", answer.headers());
    assert_eq!((header("content-type"), header("cache-control")), ("application/jsonl".into(), "no-store".into()));
    let text = answer.text().await.unwrap();
    let all = lines(&text);
    let count = |name: &str| all.get(name).map_or(0, Vec::len);
    assert_eq!(all["end"][0]["lines"].as_u64().unwrap() as usize + 1, text.lines().count());
    assert!(text.lines().next_back().unwrap().starts_with("{\"end\""), "it is the last");
    assert_eq!(all["profile"][0]["name"], "alice");
    assert_eq!((count("document"), count("definition"), count("space")), (31, 2, 1));
    // Deleted documents are there, with what they were, and every change with them.
    let dead: Vec<_> = all["document"].iter().filter(|one| one["document"]["_deleted"] == true).collect();
    assert!(dead.len() == 1 && dead[0]["document"]["_docID"] == gone.as_str(), "{dead:?}");
    let changes = all["commit"].iter().filter(|one| one["commit"]["fieldName"] == "_C");
    assert_eq!(changes.count(), 31 + 2, "each document was made, one was changed, and one deleted");
    assert_eq!((count("link"), count("field_rule"), count("device")), (1, 1, 1));
    assert!(count("session") >= 2 && count("credential") >= 1 && count("act") > 3, "{:?}", all.keys());
    assert_eq!(all["share"][0]["given"]["with"]["user"], "bob", "{:?}", all["share"]);
    assert!(text.contains("CANARY 5") && text.contains("CANARY of the diary") && text.contains("TWICE"));
    for hidden in ["BOBS OWN", "Secret", alice.token.as_deref().unwrap(), "$argon2"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    let audit = alice.get("/api/v1/audit").await.unwrap().text;
    assert!(audit.contains("me.exported"), "{audit}");

    // The same by the command line: the operator is not asked again, whoever comes with a token is.
    let (hers, his) = (home.root.path().join("hers.jsonl"), home.root.path().join("his.jsonl"));
    let told = home.node.cli_ok(&["export", "--mine", text_of(&hers)]).unwrap();
    assert!(told["bytes"].as_u64().unwrap() as usize >= text.len() / 2, "{told}");
    let password = home.file("bob.password", "the long password of bob");
    let as_bob =
        |args: &[&str]| home.node.allod.run(home.root.path(), &[args, &["--token-file", &token]].concat()).unwrap();
    let given = home.node.cli_ok(&["user", "token", "bob", "--ttl", "1h"]).unwrap();
    let mut session: Value = serde_json::from_str(&std::fs::read_to_string(&token).unwrap()).unwrap();
    session["access_token"] = given["access_token"].clone();
    std::fs::write(&token, session.to_string()).unwrap();
    assert_eq!(as_bob(&["export", "--mine", text_of(&his)]).refused(2).unwrap(), "password_missing");
    assert!(!his.exists());
    as_bob(&["export", "--mine", text_of(&his), "--password-file", &password]).ok().unwrap();
    let his = std::fs::read_to_string(&his).unwrap();
    assert!(his.contains("BOBS OWN") && !his.contains("CANARY"), "control: it is in bob's");
    assert_eq!(lines(&his)["share"][0]["received"]["role"], "viewer");
    // A file of one's own is none that is imported, and is said to be.
    assert_eq!(home.node.cli(&["import", text_of(&hers)]).unwrap().refused(2).unwrap(), "file_malformed");
}

fn text_of(path: &Path) -> &str {
    text(path)
}

#[tokio::test]
async fn one_at_a_time_and_it_ends_with_the_session() {
    let home = Home::new().await;
    home.alice.define("type Note { text: String }").await.unwrap();
    // More than what is made ahead and what a connection holds.
    for _ in 0..24 {
        add(&home.alice, "Note", (0..10).map(|_| json!({"text": "x".repeat(100_000)})).collect()).await;
    }
    let alice = confirmed(&home.node).await;
    let mut slow = alice.request(reqwest::Method::GET, "/api/v1/me/export").send().await.unwrap();
    assert_eq!(slow.status(), 200);
    let second = alice.get("/api/v1/me/export").await.unwrap();
    assert_eq!((second.status, &second.json["code"]), (429, &json!("export_running")), "{}", second.text);
    let bob = home.user("bob", None).await;
    bob.post("/api/v1/session/confirm", &json!({"password": "the long password of bob"})).await.unwrap();
    assert_eq!(bob.get("/api/v1/me/export").await.unwrap().status, 200, "nobody else waits");
    let ended = alice.delete("/api/v1/session").await.unwrap();
    assert_eq!(ended.status, 204);
    let mut text = Vec::new();
    while let Ok(Some(part)) = slow.chunk().await {
        text.extend_from_slice(&part);
    }
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("{\"end\":"), "whoever signs out is told no more: {} bytes", text.len());
    // Whoever goes away makes room for themselves.
    let alice = confirmed(&home.node).await;
    drop(alice.request(reqwest::Method::GET, "/api/v1/me/export").send().await.unwrap());
    let mut again = loop {
        let again = alice.request(reqwest::Method::GET, "/api/v1/me/export").send().await.unwrap();
        if again.status() != 429 {
            break again;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(again.status() == 200 && again.chunk().await.unwrap().is_some(), "control: it is told again");
}
