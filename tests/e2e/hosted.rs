//! Backups to a place at another node: two real nodes, one of which loses its disk.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use harness::{Allod, Client, Node};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::OWNER;
use crate::places::{add, over, texts, token};

/// A node that keeps a place, and one that backs itself up there.
struct Pair {
    root: tempfile::TempDir,
    keeper: Node,
    node: Node,
    made: Value,
    address: String,
    secret: String,
    /// The flags that say what opens the place.
    key: Vec<String>,
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A file for its owner's eyes only.
fn private(path: PathBuf, content: &str) -> PathBuf {
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

impl Pair {
    async fn new(tls: bool, quota: &str) -> Pair {
        let root = tempfile::tempdir().unwrap();
        let plain = Allod::find().unwrap();
        let dir = root.path().join("keeper");
        Node::init(&plain, &dir, "ben", "box", "the long password of ben").unwrap();
        let mut serve = vec!["serve", "--listen", "127.0.0.1:0"];
        if tls {
            serve.extend(["--tls", "internal"]);
        }
        let keeper = Node::serve_by(plain.clone(), &dir, plain.command(&dir, &serve)).unwrap();
        let made = keeper.cli_ok(&["backup", "place", "add", "anna", "--quota", quota]).unwrap();
        let (address, secret) =
            (made["address"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned());
        let file = private(root.path().join("place-secret"), &format!("{secret}\n"));
        // A house's own machines are called where the operator allows it.
        let allod = plain.with("ALLOD_HTTP_OUTBOUND_ALLOW", "127.0.0.0/8");
        let mut key = vec!["--place-secret-file".to_owned(), text(&file).to_owned()];
        if tls {
            let pem = keeper.ready["root"]["path"].as_str().unwrap().to_owned();
            key.extend(["--place-root-file".to_owned(), pem]);
        }
        let home = root.path().join("home");
        let made = Node::init(&allod, &home, OWNER.0, "home", OWNER.1).unwrap();
        let node = Node::serve(&allod, &home).unwrap();
        node.cli_ok(&["recovery", "create", "--file", text(&root.path().join("words"))]).unwrap();
        Pair { root, keeper, node, made, address, secret, key }
    }

    fn words(&self) -> PathBuf {
        self.root.path().join("words")
    }

    fn at(&self) -> PathBuf {
        self.root.path().join("keeper/places/anna")
    }

    async fn alice(&self) -> Client {
        self.node.sign_in(OWNER.0, OWNER.1).await.unwrap()
    }

    fn backup(&self) -> Value {
        self.node.cli_ok(&self.to("create", &[])).unwrap()
    }

    /// A command about the backups in the place.
    fn to<'a>(&'a self, what: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let key = self.key.iter().map(String::as_str);
        ["backup", what, "--to", &self.address].into_iter().chain(key).chain(more.iter().copied()).collect()
    }
}

fn objects(dir: PathBuf) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut left = vec![dir];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { left.push(path) } else { all.push(path) }
        }
    }
    all.sort();
    all
}

#[tokio::test]
async fn a_node_is_backed_up_to_another_over_tls_loses_its_disk_and_is_found_again() {
    let pair = Pair::new(true, "1GB").await;
    assert!(pair.address.starts_with("https://") && pair.secret.starts_with("allod_place_"));
    let alice = pair.alice().await;
    alice.define("type Note { text: String }").await.unwrap();
    add(&alice, "canary-one").await;
    let first = pair.backup();
    assert!(first["verified"]["equal"].as_u64().unwrap() >= 1 && first["caution"] == Value::Null, "{first}");
    add(&alice, "two").await;
    let second = pair.backup();
    assert!(second["new_bytes"].as_u64().unwrap() < first["new_bytes"].as_u64().unwrap(), "{first} {second}");

    // What the other node has of it is for its eyes alone, and tells nothing.
    for file in objects(pair.at()) {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(mode, 0o600, "{}", file.display());
        for canary in ["canary-one", pair.secret.as_str(), OWNER.0] {
            assert!(
                !bytes.windows(canary.len()).any(|part| part == canary.as_bytes()),
                "{canary} in {}",
                file.display()
            );
        }
    }
    // What is altered or lost there is found by the next backup.
    let data = objects(pair.at().join("objects/data"));
    for (n, file) in data.iter().enumerate() {
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        if n % 2 == 0 { std::fs::write(file, bytes).unwrap() } else { std::fs::remove_file(file).unwrap() }
    }
    assert!(pair.node.cli(&pair.to("verify", &[])).unwrap().refused(1).is_ok());
    let third = pair.backup();
    assert!(third["mended"].as_u64().unwrap() >= 2, "{third}");
    pair.node.cli_ok(&pair.to("verify", &[])).unwrap();
    assert_eq!(pair.node.cli_ok(&pair.to("list", &[])).unwrap().as_array().unwrap().len(), 3);
    let pruned = pair.node.cli_ok(&pair.to("prune", &["--keep-daily", "1"])).unwrap();
    assert_eq!(pruned["removed"].as_array().unwrap().len(), 2, "{pruned}");

    // Who keeps the place sees how much it takes, and its own backups hold nothing of it.
    let listed = pair.keeper.cli_ok(&["backup", "place", "list"]).unwrap();
    assert!(listed[0]["taken"].as_u64().unwrap() > 0 && listed[0]["objects"].as_u64().unwrap() > 2, "{listed}");
    let doctor = pair.keeper.cli_ok(&["doctor"]).unwrap();
    let check = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "places").unwrap();
    assert!(check["state"] == "ok" && check["detail"].as_str().unwrap().contains("anna takes"), "{check}");
    // Nobody tells the secret again.
    let config = pair.node.cli(&["config"]).unwrap();
    let status = pair.node.cli(&["status"]).unwrap();
    for said in
        [listed.to_string(), doctor.to_string(), config.stdout, status.stdout, pair.node.said(), pair.keeper.said()]
    {
        assert!(!said.contains(&pair.secret), "{said}");
    }

    // The disk is gone.
    let allod = pair.node.allod.clone();
    let (words, address, key, root) = (pair.words(), pair.address.clone(), pair.key.clone(), pair.root);
    let key: Vec<&str> = key.iter().map(String::as_str).collect();
    std::fs::remove_dir_all(pair.node.kill().unwrap()).unwrap();
    let back = root.path().join("back");
    let restore = ["restore", "--from", &address, "--recovery-key-file", text(&words)];
    let restored = allod.ok(&back, &[&restore[..], &key].concat()).unwrap();
    assert_eq!(restored["user"], pair.made["user"]);
    let node = Node::serve(&allod, &back).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(texts(&alice).await, ["canary-one", "two"]);
    add(&alice, "three").await;
    let next = node.cli_ok(&[&["backup", "create", "--to", &address][..], &key].concat()).unwrap();
    assert!(next["position"].as_u64() > second["position"].as_u64(), "{next}");
    // The other node's root is what is trusted: without it nothing is sent.
    let told = allod.run(&root.path().join("new"), &[&restore[..], &key[..2]].concat()).unwrap();
    assert_eq!(told.refused(1).unwrap(), "backup_place_unreachable");
    drop(pair.keeper);
}

#[tokio::test]
async fn a_place_that_is_full_of_another_or_not_to_be_called_is_said_and_nothing_is_half_done() {
    let pair = Pair::new(false, "1MB").await;
    let alice = pair.alice().await;
    alice.define("type Note { text: String }").await.unwrap();
    add(&alice, &"x".repeat(900_000)).await;
    let code = |args: &[&str]| pair.node.cli(args).unwrap().refused(1).unwrap();
    let full = pair.node.cli(&pair.to("create", &[])).unwrap();
    assert!(full.stdout.contains("1 MB"), "{}", full.stdout);
    assert_eq!(full.refused(1).unwrap(), "backup_place_full");
    assert_eq!(pair.node.cli_ok(&pair.to("list", &[])).unwrap(), json!([]));

    // For once, by a flag: another place, with another secret.
    let other = pair.keeper.cli_ok(&["backup", "place", "add", "other"]).unwrap();
    let (address, secret) = (other["address"].as_str().unwrap(), other["secret"].as_str().unwrap());
    assert_eq!(
        code(&[&["backup", "create", "--to", address][..], &pair.to("", &[])[4..]].concat()),
        "backup_place_refused"
    );
    let file = private(pair.root.path().join("other-secret"), secret);
    let to = ["--to", address, "--place-secret-file", text(&file)];
    let made = pair.node.cli_ok(&[&["backup", "create"][..], &to].concat()).unwrap();
    assert_eq!(pair.node.cli_ok(&[&["backup", "list"][..], &to].concat()).unwrap()[0]["backup"], made["backup"]);
    // A secret that others can write is not taken; one that they can read is, as containers bring them.
    let by = |mode: u32| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        pair.node.cli(&[&["backup", "list"][..], &to].concat()).unwrap()
    };
    assert_eq!(by(0o666).refused(2).unwrap(), "secret_file_writable");
    assert_eq!(by(0o444).code, 0);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();

    // Another node with other words finds a place that is not its own.
    let dir = pair.root.path().join("stranger");
    Node::init(&pair.node.allod, &dir, "carl", "far", "the long password of carl").unwrap();
    pair.node.allod.ok(&dir, &["recovery", "create"]).unwrap();
    let told = pair.node.allod.run(&dir, &[&["backup", "create"][..], &to].concat()).unwrap();
    assert_eq!(told.refused(1).unwrap(), "backup_place_locked");
    // Nobody calls within without being allowed to, and no address holds a secret.
    let plain = Allod::find().unwrap();
    let told = plain.run(&dir, &[&["backup", "create"][..], &to].concat()).unwrap();
    assert!(told.stdout.contains("outbound_allow"), "{}", told.stdout);
    assert_eq!(told.refused(1).unwrap(), "backup_place_refused");
    let told = plain.run(&dir, &["backup", "create", "--to", address]).unwrap();
    assert_eq!(told.refused(2).unwrap(), "backup_place_secret_unset");
    let leaky = address.replace("://", &format!("://{secret}@"));
    assert!(!plain.command(&dir, &["backup", "create", "--to", &leaky]).output().unwrap().status.success());
}

#[tokio::test]
async fn a_fresh_node_becomes_the_one_that_lies_at_another() {
    let pair = Pair::new(false, "1GB").await;
    let alice = pair.alice().await;
    alice.define("type Note { text: String }").await.unwrap();
    add(&alice, "one").await;
    pair.backup();
    let allod = Allod::find().unwrap().with("ALLOD_HTTP_OUTBOUND_ALLOW", "127.0.0.0/8");
    let fresh = Node::serve(&allod, &pair.root.path().join("fresh")).unwrap();
    let client = Client::new(&fresh.url, None).unwrap();
    let words = std::fs::read_to_string(pair.words()).unwrap();
    let ask = async |key: Value| {
        let body = json!({ "from": pair.address, "words": words, "place_key": key });
        let post = client.request(Method::POST, "/api/v1/setup/restore").header("allod-setup-token", token(&fresh));
        let answer = client.send(post.json(&body)).await.unwrap();
        (answer.status, answer.json["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(ask(Value::Null).await, (400, "backup_place_secret_unset".to_owned()));
    assert_eq!(ask(json!({ "secret": "x" })).await, (400, "backup_place_secret_wrong".to_owned()));
    let other = pair.keeper.cli_ok(&["backup", "place", "add", "other"]).unwrap();
    assert_eq!(ask(json!({ "secret": other["secret"] })).await.0, 202);
    let failed = over(&fresh, &token(&fresh)).await;
    assert_eq!(failed["problem"]["code"], "backup_place_refused", "{failed}");
    // On the welcome page, which tells no secret again.
    let page = async |secret: &str| {
        let link = token(&fresh);
        let fields = [("token", link.as_str()), ("from", &pair.address), ("words", &words), ("place-secret", secret)];
        let post = client.request(Method::POST, "/setup/restore").form(&fields).send().await.unwrap();
        (post.status().as_u16(), post.text().await.unwrap())
    };
    let (status, text) = page("").await;
    assert!(status == 400 && text.contains("needs its secret"), "{status} {text}");
    let (status, text) = page("allod_place_secret").await;
    assert!(status == 400 && text.contains("no secret of a place") && !text.contains("allod_place_secret"), "{text}");
    assert!(text.contains("<details class=\"more\" open>"), "what was typed there is seen: {text}");
    assert_eq!(page(&pair.secret).await.0, 303);
    let done = over(&fresh, &token(&fresh)).await;
    assert_eq!(done["state"], "done", "{done}");
    assert!(!done.to_string().contains(&pair.secret));
    assert_eq!(texts(&fresh.sign_in(OWNER.0, OWNER.1).await.unwrap()).await, ["one"]);
}

#[tokio::test]
async fn the_routes_of_a_place_are_for_its_secret_and_take_what_fits() {
    let pair = Pair::new(false, "1MB").await;
    let path = |name: &str| format!("/places/anna/object?name={name}");
    let at = |token: Option<&str>| Client::new(&pair.keeper.url, token).unwrap();
    let anna = at(Some(&pair.secret));
    let holder = "0".repeat(32);
    let put = async |client: &Client, path: &str, bytes: Vec<u8>| {
        let put = client.request(Method::PUT, path).header("allod-holder", &holder);
        let answer = client.send(put.body(bytes)).await.unwrap();
        (answer.status, answer.json["code"].as_str().unwrap_or_default().to_owned())
    };
    let ben = pair.keeper.sign_in("ben", "the long password of ben").await.unwrap();
    let local = pair.keeper.operator().unwrap();
    // Whoever is not the place's, its keeper's owner too, is nobody here; as is whoever asks for one that is not there.
    let code = |status: u16, code: &str| (status, code.to_owned());
    for (who, wanted) in [(&at(None), "unauthenticated"), (&ben, "invalid_token"), (&local, "invalid_token")] {
        for size in [10, 300_000] {
            let told = put(who, &path("backups/a"), vec![1; size]).await;
            assert!(told == code(401, wanted) || told == code(401, "unauthenticated"), "{told:?}");
        }
        assert_eq!(who.get("/places/anna").await.unwrap().status, 401);
        assert_eq!(who.get("/places/anna/objects?under=data").await.unwrap().status, 401);
    }
    let absent = anna.get("/places/carl").await.unwrap();
    let wrong = at(Some("allod_place_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).get("/places/anna").await.unwrap();
    let without_id = |answer: &harness::Answer| {
        let mut json = answer.json.clone();
        json.as_object_mut().unwrap().remove("request_id");
        (answer.status, json)
    };
    assert_eq!(without_id(&absent), without_id(&wrong));
    // Nor does the secret of a place open anything else.
    for other in ["/api/v1/me", "/api/v1/places", "/api/v1/status"] {
        assert_eq!(anna.get(other).await.unwrap().status, 401, "{other}");
    }

    // Which backups there are is for whoever has the lock.
    let lock = async |body: Value| anna.send(anna.request(Method::PUT, "/places/anna/lock").json(&body)).await.unwrap();
    assert_eq!(put(&anna, &path("backups/a"), vec![1; 300_000]).await, code(423, "place_not_held"));
    let taken = lock(json!({ "do": "take", "holder": holder, "lease_ms": 60_000 })).await;
    assert_eq!(taken.json["holds"], true, "{}", taken.text);
    let unnamed = anna.request(Method::PUT, &path("backups/a")).body(vec![1; 10]);
    assert_eq!(anna.send(unnamed).await.unwrap().status, 423);
    assert_eq!(put(&anna, &path("backups/a"), vec![1; 300_000]).await.0, 201, "control");
    assert_eq!(put(&anna, &path("backups/a"), vec![2; 300_000]).await.0, 204);
    let only_new = anna.request(Method::PUT, &path("backups/a")).header("if-none-match", "*");
    let only_new = only_new.header("allod-holder", &holder).body(vec![3; 10]);
    assert_eq!(anna.send(only_new).await.unwrap().status, 412);
    let got = anna.send(anna.request(Method::GET, &path("backups/a"))).await.unwrap();
    assert_eq!((got.status, got.text.len()), (200, 300_000));
    for name in ["lock", "..%2F..%2Fnode.key", "backups/../a", "%2Fetc%2Fpasswd", "data/zz/a", "", "backups%2F"] {
        assert_eq!(put(&anna, &path(name), vec![1; 10]).await, code(400, "bad_request"), "{name}");
        assert_eq!(anna.get(&path(name)).await.unwrap().status, 400, "{name}");
    }
    assert_eq!(put(&anna, &path("backups/b"), vec![1; 900_000]).await, code(507, "place_full"));
    let standing = anna.get("/places/anna").await.unwrap().json;
    assert_eq!((&standing["objects"], &standing["quota"]), (&json!(1), &json!(1_000_000)), "{standing}");
    // A body that is not as long as it was said leaves nothing.
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = pair.keeper.url.trim_start_matches("http://").to_owned();
    for head in ["content-length: 5000", "transfer-encoding: chunked"] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let request = format!(
            "PUT {} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nallod-holder: {holder}\r\n{head}\r\n\r\n",
            path("backups/cut"),
            pair.secret
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(b"5\r\nhello\r\n0\r\n\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(anna.get(&path("backups/cut")).await.unwrap().status, 404);
    for _ in 0..600 {
        if objects(pair.at().join("fresh")).is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(objects(pair.at().join("fresh")).is_empty());
    let other = anna.request(Method::DELETE, &path("backups/a")).header("allod-holder", "1".repeat(32));
    assert_eq!(anna.send(other).await.unwrap().json["code"], "place_not_held");
    let delete = anna.request(Method::DELETE, &path("backups/a")).header("allod-holder", &holder);
    assert_eq!(anna.send(delete).await.unwrap().status, 204);
    assert_eq!(anna.get(&path("backups/a")).await.unwrap().status, 404);
    assert_eq!(lock(json!({ "do": "take", "holder": "../x", "lease_ms": 1_000 })).await.status, 400);
    let other = lock(json!({ "do": "take", "holder": "1".repeat(32), "lease_ms": 60_000 })).await;
    assert_eq!(other.json["holds"], false);
}

#[tokio::test]
async fn a_node_backs_itself_up_to_another_in_its_time_and_says_what_went_wrong() {
    let mut pair = Pair::new(false, "1GB").await;
    let alice = pair.alice().await;
    alice.define("type Note { text: String }").await.unwrap();
    let dir = pair.node.dir.clone();
    pair.node.kill_in_place().unwrap();
    let allod = pair.node.allod.clone().with("ALLOD_BACKUP_TO", &pair.address).with("ALLOD_BACKUP_EVERY", "1m");
    let allod = allod.with("ALLOD_BACKUP_PLACE_SECRET_FILE", pair.root.path().join("place-secret"));
    pair.node = Node::serve(&allod, &dir).unwrap();
    let backups = async |wanted: fn(&Value) -> bool| {
        for _ in 0..1_800 {
            let status = pair.node.cli_ok(&["status"]).unwrap();
            if wanted(&status["backups"]) {
                return status;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("it never came to that: {}", pair.node.cli_ok(&["status"]).unwrap()["backups"]);
    };
    let status = backups(|backups| backups["last"].is_string()).await;
    assert_eq!(status["backups"]["trouble"], Value::Null);
    // A place that is gone: said, by name, in status and doctor alike.
    pair.keeper.cli_ok(&["backup", "place", "remove", "anna"]).unwrap();
    let status = backups(|backups| backups["trouble"].is_string()).await;
    let trouble = status["backups"]["trouble"].as_str().unwrap();
    assert!(trouble.contains(&pair.address) && !trouble.contains(&pair.secret), "{trouble}");
    assert!(pair.node.cli(&["doctor"]).unwrap().stdout.contains("secret is wrong, or there is no such place"));
}

#[tokio::test]
async fn a_place_that_is_full_of_what_no_backup_rests_on_is_made_room_in() {
    let mut pair = Pair::new(false, "3MB").await;
    let alice = pair.alice().await;
    alice.define("type Note { text: String }").await.unwrap();
    let random = || (0..900_000 / 16).map(|_| format!("{:016x}", rand::random::<u64>())).collect::<String>();
    add(&alice, &random()).await;
    let first = pair.node.cli_ok(&pair.to("create", &["--no-verify"])).unwrap();
    // As a try leaves it that was broken off before its manifest.
    for manifest in objects(pair.at().join("objects/backups")) {
        std::fs::remove_file(manifest).unwrap();
    }
    add(&alice, &random()).await;
    let full = pair.node.cli(&pair.to("create", &["--no-verify"])).unwrap();
    assert_eq!(full.refused(1).unwrap(), "backup_place_full", "control: {first}");
    let dir = pair.node.dir.clone();
    pair.node.kill_in_place().unwrap();
    let allod = pair.node.allod.clone().with("ALLOD_BACKUP_TO", &pair.address).with("ALLOD_BACKUP_EVERY", "1m");
    let allod = allod.with("ALLOD_BACKUP_PLACE_SECRET_FILE", pair.root.path().join("place-secret"));
    pair.node = Node::serve(&allod, &dir).unwrap();
    for _ in 0..1_800 {
        let status = pair.node.cli_ok(&["status"]).unwrap();
        if status["backups"]["last"].is_string() && status["backups"]["last"] != first["at"] {
            assert_eq!(status["backups"]["trouble"], Value::Null, "{status}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("it never made room: {}", pair.node.cli_ok(&["status"]).unwrap()["backups"]);
}

/// What hears requests, and answers each that nothing is there: their heads.
async fn hears() -> (String, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/places/anna", listener.local_addr().unwrap());
    let noted = std::sync::Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut head, mut part) = (Vec::new(), [0; 4_096]);
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut part).await {
                    Ok(n @ 1..) => head.extend_from_slice(&part[..n]),
                    _ => break,
                }
            }
            noted.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
            let _ =
                stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        }
    });
    (address, heard)
}

#[tokio::test]
async fn the_secret_of_the_settings_goes_to_the_place_of_the_settings_alone() {
    let ((own, heard), (other, heard_there)) = (hears().await, hears().await);
    let root = tempfile::tempdir().unwrap();
    let secret = format!("allod_place_{}", "A".repeat(43));
    let file = private(root.path().join("place-secret"), &secret);
    let allod = Allod::find().unwrap().with("ALLOD_HTTP_OUTBOUND_ALLOW", "127.0.0.0/8");
    let allod = allod.with("ALLOD_BACKUP_PLACE_SECRET_FILE", &file).with("ALLOD_BACKUP_TO", &own);
    let words = root.path().join("words");
    let dir = root.path().join("home");
    Node::init(&allod, &dir, OWNER.0, "home", OWNER.1).unwrap();
    allod.ok(&dir, &["recovery", "create", "--file", text(&words)]).unwrap();
    // A node that nobody owns, asked by whoever has the set-up link.
    let fresh = Node::serve(&allod, &root.path().join("fresh")).unwrap();
    let client = Client::new(&fresh.url, None).unwrap();
    let ask = async |from: &str| {
        let body = json!({ "from": from, "words": std::fs::read_to_string(&words).unwrap() });
        let post = client.request(Method::POST, "/api/v1/setup/restore").header("allod-setup-token", token(&fresh));
        let answer = client.send(post.json(&body)).await.unwrap();
        (answer.status, answer.json["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(ask(&other).await, (400, "backup_place_secret_unset".to_owned()));
    // And by commands, of the wrong address.
    let told = allod.run(&dir, &["backup", "list", "--to", &other]).unwrap();
    assert_eq!(told.refused(2).unwrap(), "backup_place_secret_unset");
    let again = root.path().join("again");
    let told = allod.run(&again, &["restore", "--from", &other, "--recovery-key-file", text(&words)]).unwrap();
    assert_eq!(told.refused(2).unwrap(), "backup_place_secret_unset");
    assert!(heard_there.lock().unwrap().is_empty());
    // Control: to its own place it goes.
    assert_eq!(ask(&own).await.0, 202);
    let failed = over(&fresh, &token(&fresh)).await;
    assert_eq!(failed["problem"]["code"], "backup_place_refused", "{failed}");
    assert!(heard.lock().unwrap().iter().any(|head| head.contains(&secret)));
    assert!(heard_there.lock().unwrap().is_empty());
}
