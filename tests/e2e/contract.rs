//! The names, exit codes and JSON shapes that scripts rely on.

use harness::{Allod, Client, Node, Replica};
use serde_json::json;

use crate::home::Home;

#[tokio::test]
async fn init_refuses_a_directory_that_is_already_a_node_and_serve_a_second_process() {
    let home = Home::new().await;
    for key in ["node", "user", "tenant", "space"] {
        assert!(home.made[key].is_string(), "init answers {key}: {}", home.made);
    }
    let password = home.file("again.password", "a password that is long enough");
    let again = home.node.cli(&["init", "--owner", "eve", "--password-file", &password]).unwrap();
    again.refused(1).unwrap();
    let second = home.node.cli(&["serve", "--listen", "127.0.0.1:0"]).unwrap();
    assert_eq!(second.refused(1).unwrap(), "data_dir_in_use");
    let doctor = home.node.cli(&["doctor", "--rebuild"]).unwrap();
    assert_eq!(doctor.refused(1).unwrap(), "data_dir_in_use");
    let asked = home.node.cli_ok(&["doctor"]).expect("without --rebuild the running node is asked");
    assert_eq!(asked["spaces"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_running_node_says_where_it_is_and_cleans_up_when_it_stops() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new().await;
    for name in ["node.json", "local.token", "control.sock"] {
        let mode = std::fs::metadata(home.node.dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let said: serde_json::Value =
        serde_json::from_slice(&std::fs::read(home.node.dir.join("node.json")).unwrap()).unwrap();
    assert_eq!(said["url"].as_str().unwrap().trim_end_matches('/'), home.node.url);
    assert_eq!(said["pid"], home.node.pid());
    assert!(
        said["p2p"].as_array().is_some_and(|list| list.iter().all(|a| a.as_str().unwrap().contains("/p2p/"))),
        "{said}"
    );
    for route in ["/healthz", "/readyz"] {
        assert_eq!(Client::new(&home.node.url, None).unwrap().get(route).await.unwrap().status, 200, "{route}");
    }
    let (allod, root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    assert!(!dir.join("node.json").exists() && !dir.join("control.sock").exists());
    allod.run(&dir, &["client", "ping"]).unwrap().refused(5).unwrap();
    let report = allod.ok(&dir, &["doctor"]).unwrap();
    let space = &report["spaces"][0];
    for key in ["id", "position", "documents", "digest"] {
        assert!(!space[key].is_null(), "{key} in {report}");
    }
    let rebuilt = allod.ok(&dir, &["doctor", "--rebuild"]).unwrap();
    assert_eq!(report["spaces"], rebuilt["spaces"], "a rebuilt view has the same digest");
    drop(root);
}

#[tokio::test]
async fn first_start_prints_a_setup_link_that_works_once() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let node = Node::serve(&allod, &root.path().join("fresh")).unwrap();
    let link = node.setup.clone().expect("a setup link");
    assert!(link.starts_with(&node.url), "{link}");
    let page = Client::new("", None).unwrap().get(&link).await.unwrap();
    assert_eq!(page.status, 200);
    assert!(page.text.contains("<form") && !page.text.contains("<script"), "{}", page.text);
    let stranger = Client::new(&node.url, None).unwrap().graphql("{ __typename }").await;
    assert!(stranger.is_err(), "nobody is served before set-up");
}

#[tokio::test]
async fn people_apps_and_grants_have_the_promised_shapes() {
    let home = Home::new().await;
    home.node.cli_ok(&["tenant", "add", "acme"]).unwrap();
    assert!(home.node.cli_ok(&["tenant", "list"]).unwrap().to_string().contains("acme"));
    let password = home.file("bob.password", "the long password of bob");
    home.node.cli_ok(&["user", "add", "bob", "--tenant", "acme", "--password-file", &password]).unwrap();
    let taken = home.node.cli(&["user", "add", "bob", "--password-file", &password]).unwrap();
    taken.refused(1).unwrap();
    home.node
        .cli(&["user", "add", "eve", "--tenant", "nowhere", "--password-file", &password])
        .unwrap()
        .refused(4)
        .unwrap();
    let token = home.node.cli_ok(&["user", "token", "bob", "--ttl", "1h"]).unwrap();
    let bob = Client::new(&home.node.url, token["access_token"].as_str()).unwrap();
    assert_eq!(bob.get("/api/v1/spaces").await.unwrap().status, 200);

    home.alice.define("type Contact { name: String phone: String tag: String }").await.unwrap();
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name", "phone"], "required": ["name"]}, "where": {"tag": {"_eq": "family"}}, "duration": "P30D"});
    let (_, grant) = home.app(&access, &access);
    let listed = home.node.cli_ok(&["grant", "list"]).unwrap();
    for key in ["grant", "user", "client_id", "access", "expires"] {
        assert!(!listed[0][key].is_null(), "{key} in {listed}");
    }
    assert!(home.node.cli_ok(&["grant", "show", &grant]).unwrap().to_string().contains("family"));
    let allowed = home.node.cli_ok(&["check", "--user", "alice", "--explain", "read", "Contact.name"]).unwrap();
    assert_eq!(allowed["allowed"], true);
    assert!(allowed["path"].is_array() && allowed["mask"].is_array(), "{allowed}");
    let app = listed[0]["client_id"].as_str().unwrap();
    let refused =
        home.node.cli(&["check", "--user", "alice", "--app", app, "--explain", "read", "Contact.tag"]).unwrap();
    assert_eq!((refused.code, &refused.json["allowed"]), (3, &json!(false)), "{}", refused.stdout);
    home.node.cli_ok(&["grant", "revoke", &grant]).unwrap();
    home.node.cli(&["grant", "show", "00000000000000000000000000000001"]).unwrap().refused(4).unwrap();
}

#[tokio::test]
async fn unknown_keys_of_a_grant_and_wrong_usage_are_exit_2() {
    let home = Home::new().await;
    home.alice.define("type Contact { name: String }").await.unwrap();
    let access =
        json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"], "fields": {"allow": ["name"]}});
    let (_, _) = home.app(&access, &access);
    let app = home.node.cli_ok(&["grant", "list"]).unwrap()[0]["client_id"].as_str().unwrap().to_owned();
    let mut odd = access.clone();
    odd["egress"] = json!(["https://api.example.org"]);
    let file = home.file("odd.json", &odd.to_string());
    let refused = home.node.cli(&["grant", "add", "--user", "alice", "--app", &app, &file]).unwrap();
    assert_eq!(refused.refused(2).unwrap(), "grant_key_unsupported");
    let mut wide = access.clone();
    wide["actions"] = json!(["read", "search"]);
    let file = home.file("wide.json", &wide.to_string());
    assert_ne!(
        home.node.cli(&["grant", "add", "--user", "alice", "--app", &app, &file]).unwrap().code,
        0,
        "wider than the manifest"
    );
    for garbage in ["", "{", "[]", "null", "{\"type\":1}"] {
        let file = home.file("garbage.json", garbage);
        assert_ne!(
            home.node.cli(&["grant", "add", "--user", "alice", "--app", &app, &file]).unwrap().code,
            0,
            "{garbage}"
        );
        assert_ne!(home.node.cli(&["app", "add", &file]).unwrap().code, 0, "{garbage}");
    }
    assert_eq!(home.node.cli(&["grant", "frobnicate"]).unwrap().code, 2);
}

#[tokio::test]
async fn spaces_and_collections_over_http() {
    let home = Home::new().await;
    let space = home.alice.new_space("work").await.unwrap();
    let made = space.define("type Book { title: String }").await.unwrap();
    assert!(made[0]["name"] == "Book" && made[0]["id"].is_string() && made[0]["version"].is_string(), "{made}");
    let again = space.post("/api/v1/collections", &json!({"sdl": "type Book { title: String }"})).await.unwrap();
    assert_eq!(again.status, 409, "{}", again.text);
    let absent = home.alice.try_graphql("{ Book { title } }", json!(null)).await.unwrap();
    assert!(!absent.codes().is_empty(), "the personal space has no Book: {}", absent.text);
    let list = home.alice.get("/api/v1/spaces").await.unwrap();
    assert_eq!(list.json.as_array().unwrap().len(), 2, "{}", list.text);
    assert!(list.json[0]["role"].is_string());
    let nobody = Client::new(&home.node.url, None).unwrap().try_graphql("{ __typename }", json!(null)).await.unwrap();
    assert_eq!(nobody.status, 401);
    let wrong = home.alice.with_token("no such token").try_graphql("{ __typename }", json!(null)).await.unwrap();
    assert_eq!(wrong.status, 401);
    let broken = home
        .alice
        .send(
            home.alice
                .request(reqwest::Method::POST, "/api/v1/graphql")
                .header("content-type", "application/json")
                .body("{"),
        )
        .await
        .unwrap();
    assert_eq!(broken.status, 400);
    let mutation = home.alice.get("/api/v1/graphql?query=mutation%7B__typename%7D").await.unwrap();
    assert_eq!(mutation.status, 405, "{}", mutation.text);
}

#[tokio::test]
async fn a_query_is_asked_in_the_spelling_in_which_it_is_valid() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    let query = |args: &[&str]| home.node.cli(&[&["client", "query"], args].concat()).unwrap();
    // Valid in the current spelling alone, and in both: the current one answers.
    let added = query(&["mutation { add_Note(input: {n: 1}) { _docID n } }"]).ok().unwrap();
    assert!(added["data"]["add_Note"].is_array(), "{added}");
    let id = added["data"]["add_Note"][0]["_docID"].as_str().unwrap();
    let found = query(&[&format!("{{ Note(docID: \"{id}\") {{ n }} }}")]).ok().unwrap();
    assert_eq!(found["data"]["Note"], json!([{ "n": 1 }]));
    // Valid in the older one alone, with variables too.
    let older = "mutation($d: String) { create_Note(data: $d) { n } }";
    let variables = r#"{"d": "{\"n\": 2}"}"#;
    let made = query(&[older, "--variables", variables]).ok().unwrap();
    assert_eq!(made["data"][0]["n"], 2, "{made}");
    assert_ne!(query(&["--api", "v1", older, "--variables", variables]).code, 0, "control: it is not valid in v1");
    // Valid in neither: the current spelling says why; and what fails when it runs is not run again.
    let neither = query(&["{ Nope { n } }"]);
    assert_eq!((neither.code, neither.json["errors"].as_array().map(Vec::len)), (1, Some(1)), "{}", neither.stdout);
    let count = query(&["{ COUNT(Note: {}) }"]).ok().unwrap();
    assert_eq!(count["data"]["COUNT"], 2, "nothing was added twice: {count}");
}

#[tokio::test]
async fn what_a_node_hands_out_names_its_public_address() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    let (allod, _root) = (home.node.allod.clone(), home.root);
    let dir = home.node.stop().unwrap();
    let public = "https://cloud.example.org";
    for wrong in
        ["cloud.example.org", "ftp://cloud.example.org", "https://cloud.example.org/allod", "https://a:b@c.d", ""]
    {
        allod.run(&dir, &["serve", "--listen", "127.0.0.1:0", "--public-url", wrong]).unwrap().refused(2).unwrap();
    }
    let by_flag = allod
        .command(&dir, &["serve", "--insecure", "--listen", "0.0.0.0:0", "--public-url", "https://cloud.example.org/"]);
    let mut by_variable = allod.command(&dir, &["serve", "--insecure", "--listen", "0.0.0.0:0"]);
    by_variable.env("ALLOD_URL", public);
    let neither = allod.command(&dir, &["serve", "--insecure", "--listen", "0.0.0.0:0"]);
    for (command, public) in [(by_flag, Some(public)), (by_variable, Some(public)), (neither, None)] {
        let node = Node::serve_by(allod.clone(), &dir, command).unwrap();
        assert!(node.url.starts_with("http://127.0.0.1:"), "the ready line names it by number: {}", node.url);
        let public = public.unwrap_or(&node.url);
        let client = Client::new(&node.url, None).unwrap();
        let metadata = client.get("/.well-known/oauth-authorization-server").await.unwrap().json;
        assert_eq!(metadata["issuer"], public);
        assert!(metadata["token_endpoint"].as_str().unwrap().starts_with(public), "{metadata}");
        let link = node.cli_ok(&["link", "add", "Note", "--fields", "n", "--until", "P1D"]).unwrap();
        assert!(link["url"].as_str().unwrap().starts_with(&format!("{public}/l/")), "{link}");
        node.cli_ok(&["client", "ping"]).expect("the command line finds it by number");
        node.stop().unwrap();
    }
}

#[tokio::test]
async fn a_replica_is_waited_for_and_stopped_by_the_command_line() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let dir = root.path().join("p".repeat(200)).join("centre");
    Replica::init(&allod, &dir).unwrap();
    allod.run(&dir, &["wait", "--timeout", "1s"]).unwrap().refused(5).unwrap();
    allod.run(&dir, &["stop"]).unwrap().refused(5).unwrap();
    let replica = Replica::serve(&allod, &dir, None).unwrap();
    allod.ok(&dir, &["wait"]).unwrap();
    let copy = root.path().join("copy");
    assert!(std::process::Command::new("cp").arg("-a").arg(&dir).arg(&copy).status().unwrap().success());
    allod.run(&copy, &["stop"]).unwrap().refused(5).expect("a copy commands nothing");
    allod.run(&dir, &["user", "list"]).unwrap().refused(5).expect("it answers nothing else");
    allod.ok(&dir, &["stop"]).unwrap();
    allod.run(&dir, &["stop"]).unwrap().refused(5).expect("it is gone");
    assert!(!dir.join("replica.json").exists() && !dir.join("control.sock").exists());
    drop(replica);
    // What a killed one leaves does not hinder the next.
    Replica::serve(&allod, &dir, None).unwrap().kill().unwrap();
    assert!(dir.join("replica.json").exists() && dir.join("control.sock").exists());
    allod.run(&dir, &["wait", "--timeout", "1s"]).unwrap().refused(5).expect("nobody listens there");
    let replica = Replica::serve(&allod, &dir, None).unwrap();
    allod.ok(&dir, &["stop"]).unwrap();
    drop(replica);
}
