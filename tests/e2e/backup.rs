//! Backups: everything is in them, everything is found again, and what is wrong with them is said in one sentence.

use std::path::{Path, PathBuf};

use harness::{Allod, Client, Node};
use serde_json::{Value, json};

use crate::home::{Home, OWNER};
use crate::sharing::share;

/// A node with recovery words, and a place for its backups.
struct Kept {
    home: Home,
    words: String,
    place: String,
}

impl Kept {
    async fn new() -> Kept {
        let home = Home::new().await;
        let path = |name: &str| home.root.path().join(name).to_str().unwrap().to_owned();
        let (words, place) = (path("words"), path("place"));
        home.node.cli_ok(&["recovery", "create", "--file", &words]).unwrap();
        Kept { home, words, place }
    }

    /// Alice, by a connection of her own: one that is idle while a command runs is closed by the node.
    fn alice(&self) -> Client {
        Client::new(&self.home.node.url, self.home.alice.token.as_deref()).unwrap()
    }

    fn backup(&self) -> Value {
        self.home.node.cli_ok(&["backup", "create", "--to", &self.place]).unwrap()
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.home.root.path().join(name)
    }

    fn restore(&self, dir: &Path, more: &[&str]) -> harness::Outcome {
        let args = [&["restore", "--from", &self.place, "--recovery-key-file", &self.words][..], more].concat();
        self.home.node.allod.run(dir, &args).unwrap()
    }
}

fn digests(allod: &Allod, dir: &Path) -> Value {
    let report = allod.ok(dir, &["doctor"]).unwrap();
    let mut spaces: Vec<Value> = report["spaces"].as_array().unwrap().clone();
    spaces.iter_mut().for_each(|space| drop(space.as_object_mut().unwrap().remove("position")));
    spaces.into()
}

async fn add(client: &Client, text: &str) -> String {
    let made = client.graphql(&format!("mutation {{ add_Note(input: {{text: \"{text}\"}}) {{ _docID }} }}")).await;
    made.unwrap()["add_Note"][0]["_docID"].as_str().unwrap().to_owned()
}

async fn texts(client: &Client) -> Vec<String> {
    let read = client.graphql("{ Note(order: {text: ASC}) { text } }").await.unwrap();
    read["Note"].as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap().to_owned()).collect()
}

fn wait(node: &Node) {
    node.cli_ok(&["sync", "wait", "--timeout", "60s"]).unwrap();
}

#[tokio::test]
async fn a_node_whose_directory_is_destroyed_is_found_again_from_its_words_and_the_place() {
    let mut kept = Kept::new().await;
    let allod = kept.home.node.allod.clone();
    let bob = kept.home.user("bob", None).await;
    kept.alice().define("type Note { text: String }").await.unwrap();
    let space = kept.home.made["space"].as_str().unwrap().to_owned();
    let doc = add(&kept.alice(), "first").await;
    let change = format!("mutation {{ update_Note(docID: \"{doc}\", input: {{text: \"one\"}}) {{ _docID }} }}");
    kept.alice().graphql(&change).await.unwrap();
    let fields = json!({"allow": ["text"]});
    let access = json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read", "search"], "fields": fields});
    let (app, _) = kept.home.app(&access, &access);
    assert_eq!(texts(&app).await, ["one"], "control: the app reads");
    let password =
        kept.alice().post("/api/v1/app-passwords", &json!({"name": "tool", "access": access})).await.unwrap();
    let password = password.json["password"].as_str().unwrap().to_owned();
    let by_tool = async |node: &Node| {
        let nobody = Client::new(&node.url, None).unwrap();
        let request = nobody.request(reqwest::Method::GET, "/api/v1/graphql?query={Note{text}}");
        nobody.send(request.basic_auth("alice", Some(&password))).await.unwrap().status
    };
    assert_eq!(by_tool(&kept.home.node).await, 200, "control: the tool reads");
    share(&kept.alice(), json!({"with": {"user": "bob"}, "role": "viewer"})).await;
    assert_eq!(texts(&bob.in_space(&space)).await, ["one"], "control: Bob reads");
    kept.home.node.cli_ok(&["group", "add", "family"]).unwrap();
    let code = kept.home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let laptop = kept.dir("laptop");
    allod.ok(&laptop, &["device", "join", &code]).unwrap();
    let laptop = Node::serve(&allod, &laptop).unwrap();
    wait(&laptop);

    let first = kept.backup();
    assert!(first["verified"]["equal"].as_u64().unwrap() >= 2, "{first}");
    assert_eq!(first["bytes"], first["new_bytes"]);
    add(&kept.alice(), "two").await;
    let second = kept.backup();
    assert!(second["new_bytes"].as_u64().unwrap() < first["new_bytes"].as_u64().unwrap(), "{first} {second}");
    let listed = kept.home.node.cli_ok(&["backup", "list", "--to", &kept.place]).unwrap();
    assert_eq!(listed[0]["backup"], second["backup"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    kept.home.node.cli_ok(&["backup", "verify", "--to", &kept.place]).unwrap();
    // After the last backup, and known to the laptop alone once home is gone.
    add(&laptop.operator().unwrap(), "after").await;
    wait(&laptop);

    let history = format!("{{ _commits(docID: \"{doc}\") {{ cid }} }}");
    let before = kept.alice().graphql(&history).await.unwrap();
    let gone = kept.home.node.stop().unwrap();
    std::fs::remove_dir_all(&gone).unwrap();
    let back = kept.home.root.path().join("back");
    let args = ["restore", "--from", &kept.place, "--recovery-key-file", &kept.words];
    let restored = allod.ok(&back, &args).unwrap();
    assert_eq!((&restored["backup"], &restored["node"]), (&second["backup"], &kept.home.made["node"]));
    let report = allod.ok(&back, &["doctor"]).unwrap();
    assert!(report["checks"].as_array().unwrap().iter().all(|check| check["state"] == "ok"), "{report}");
    assert_eq!(digests(&allod, &back), {
        allod.ok(&back, &["doctor", "--rebuild"]).unwrap();
        digests(&allod, &back)
    });

    kept.home.node = Node::serve(&allod, &back).unwrap();
    let node = &kept.home.node;
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    assert_eq!(alice.graphql(&history).await.unwrap(), before, "the same history, the same CIDs");
    assert!(texts(&alice).await.contains(&"two".to_owned()));
    let old = Client::new(&node.url, app.token.as_deref()).unwrap();
    let old = old.try_graphql("{ Note { text } }", json!({})).await.unwrap();
    assert_eq!(old.status, 401, "the app's token is void: {}", old.text);
    assert_eq!(by_tool(node).await, 401, "the tool's password is void");
    assert_eq!(alice.get("/api/v1/app-passwords").await.unwrap().json, json!([]));
    // What was given out sleeps, until the owner has said so.
    let bob = node.sign_in("bob", "the long password of bob").await.unwrap();
    let asleep = bob.in_space(&space).try_graphql("{ Note { text } }", json!({})).await.unwrap();
    assert!(asleep.json["data"]["Note"].is_null() && asleep.text.contains("restored"), "{}", asleep.text);
    let woken = node.cli_ok(&["restore", "confirm"]).unwrap();
    assert!(woken["shares"].as_u64().unwrap() >= 1 && woken["asleep_since"].is_string(), "{woken}");
    assert_eq!(woken["grants"], 1, "the app's, and none of a password that is void: {woken}");
    assert_eq!(by_tool(node).await, 401, "it does not wake");
    assert!(texts(&bob.in_space(&space)).await.contains(&"two".to_owned()), "control: awake again");
    // The laptop brings what came after, and nothing is forked.
    add(&alice, "again").await;
    wait(&laptop);
    wait(node);
    let all = ["after", "again", "one", "two"];
    assert_eq!(texts(&alice).await, all);
    assert_eq!(texts(&laptop.operator().unwrap()).await, all);
    // The same place goes on, and is not sent everything once more.
    let third = node.cli_ok(&["backup", "create", "--to", &kept.place]).unwrap();
    assert!(third["new_bytes"].as_u64().unwrap() < third["bytes"].as_u64().unwrap(), "{third}");
    assert!(third["position"].as_u64().unwrap() > second["position"].as_u64().unwrap());
}

#[tokio::test]
async fn what_is_wrong_with_a_backup_is_refused_by_name_and_leaves_nothing() {
    let kept = Kept::new().await;
    let node = &kept.home.node;
    kept.alice().define("type Note { text: String }").await.unwrap();
    add(&kept.alice(), "one").await;
    let first = kept.backup();
    let (fresh, full) = (kept.dir("fresh"), kept.dir("full"));
    let other = kept.home.file("other words", &format!("{}art\n", "abandon ".repeat(23)));
    let misspelt = kept.home.file("misspelt", "some words");
    for file in [&other, &misspelt] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let with = |words: &str| {
        node.allod.run(&fresh, &["restore", "--from", &kept.place, "--recovery-key-file", words]).unwrap()
    };
    assert_eq!(with(&other).refused(1).unwrap(), "backup_place_locked");
    assert_eq!(with(&misspelt).refused(2).unwrap(), "recovery_words_wrong");
    assert_eq!(kept.restore(&fresh, &["--backup", "0000"]).refused(4).unwrap(), "backup_not_found");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("letter.txt"), "dear").unwrap();
    assert_eq!(kept.restore(&full, &[]).refused(1).unwrap(), "directory_not_empty");
    assert_eq!(std::fs::read_to_string(full.join("letter.txt")).unwrap(), "dear");
    let inside = node.dir.join("place");
    let create = |to: &str| node.cli(&["backup", "create", "--to", to]).unwrap();
    assert_eq!(create(inside.to_str().unwrap()).refused(2).unwrap(), "backup_place_inside");
    assert_eq!(create(full.to_str().unwrap()).refused(1).unwrap(), "backup_place_foreign");
    assert_eq!(node.cli(&["recovery", "create"]).unwrap().refused(1).unwrap(), "recovery_exists");
    node.cli_ok(&["recovery", "confirm", &kept.words]).unwrap();
    assert_eq!(node.cli(&["recovery", "confirm", &other]).unwrap().refused(2).unwrap(), "recovery_words_others");
    let password = kept.home.file("owner.password", OWNER.1);
    let shown = node.cli_ok(&["backup", "key", "--password-file", &password]).unwrap();
    assert_eq!(shown["recovery_key"].as_str().unwrap(), std::fs::read_to_string(&kept.words).unwrap().trim());
    let wrong = kept.home.file("wrong.password", "not the password of alice");
    assert_eq!(node.cli(&["backup", "key", "--password-file", &wrong]).unwrap().refused(3).unwrap(), "wrong_password");
    assert_eq!(kept.alice().post("/api/v1/backups/list", &json!({"to": kept.place})).await.unwrap().status, 403);

    // A bit of a file that the backup rests on.
    let data = Path::new(&kept.place).join("data");
    let mut files: Vec<PathBuf> = Vec::new();
    for part in std::fs::read_dir(&data).unwrap() {
        files.extend(std::fs::read_dir(part.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    for file in &files {
        let whole = std::fs::read(file).unwrap();
        let mut bad = whole.clone();
        bad[whole.len() / 3] ^= 4;
        std::fs::write(file, &bad).unwrap();
        assert_eq!(kept.restore(&fresh, &[]).refused(1).unwrap(), "backup_damaged", "{}", file.display());
        std::fs::remove_file(file).unwrap();
        assert_eq!(kept.restore(&fresh, &[]).refused(1).unwrap(), "backup_incomplete", "{}", file.display());
        std::fs::write(file, &whole).unwrap();
    }
    let left: Vec<_> = std::fs::read_dir(&fresh).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "node.lock"), "nothing is half done: {left:?}");
    kept.restore(&fresh, &["--backup", &first["backup"].as_str().unwrap()[..8]]).ok().expect("control: it is whole");
    assert_eq!(kept.restore(&fresh, &[]).refused(1).unwrap(), "already_a_node");
}

/// A bit in the middle of a backup's manifest.
fn flip(place: &str, made: &Value) -> PathBuf {
    let id = made["backup"].as_str().unwrap();
    let mut all = std::fs::read_dir(Path::new(place).join("backups")).unwrap().map(|entry| entry.unwrap().path());
    let path = all.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(id)).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn where_the_newest_backup_does_not_read_no_other_is_taken_for_it() {
    let kept = Kept::new().await;
    let node = &kept.home.node;
    kept.alice().define("type Note { text: String }").await.unwrap();
    assert!(node.cli_ok(&["doctor"]).unwrap()["checks"].as_array().unwrap().iter().any(|check| {
        check["name"] == "backups" && check["detail"].as_str().unwrap().contains("nothing was ever backed up")
    }));
    add(&kept.alice(), "one").await;
    let first = kept.backup();
    add(&kept.alice(), "two").await;
    let second = kept.backup();
    let manifest = flip(&kept.place, &second);
    let fresh = kept.dir("fresh");
    let verify = ["backup", "verify", "--to", &kept.place];
    for told in [kept.restore(&fresh, &[]), node.cli(&verify).unwrap()] {
        for named in [manifest.to_str().unwrap(), first["backup"].as_str().unwrap()] {
            assert!(told.stdout.contains(named), "{named}: {}", told.stdout);
        }
        assert_eq!(told.refused(1).unwrap(), "backup_damaged");
    }
    assert!(!fresh.join("node.key").exists());
    // The node that made it comes after it: it adds the next one, and says what is wrong.
    let made = node.cli(&["backup", "create", "--to", &kept.place]).unwrap();
    assert!(made.stdout.contains("was made, but"), "{}", made.stdout);
    assert_eq!(made.refused(1).unwrap(), "backup_damaged");
    let status = node.cli_ok(&["status"]).unwrap();
    assert!(status["backups"]["trouble"].as_str().unwrap().contains(manifest.to_str().unwrap()), "{status}");
    let restored =
        kept.restore(&fresh, &["--backup", first["backup"].as_str().unwrap()]).ok().expect("control: it is named");
    assert_eq!(restored["backup"], first["backup"]);
    flip(&kept.place, &second);
    let verified = node.cli_ok(&verify).expect("control: all of them read");
    assert!(verified["backup"] != first["backup"] && verified["backup"] != second["backup"], "{verified}");
    let last = kept.backup();
    assert_eq!(kept.restore(&kept.dir("again"), &[]).ok().unwrap()["backup"], last["backup"]);
    let status = node.cli_ok(&["status"]).unwrap();
    assert_eq!(status["backups"]["trouble"], Value::Null);
}

#[tokio::test]
async fn a_directory_that_was_put_back_adds_nothing_where_people_and_shares_have_gone_on_without_it() {
    let mut kept = Kept::new().await;
    let allod = kept.home.node.allod.clone();
    kept.backup();
    let copy = |from: &Path, to: &Path| {
        let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
        assert!(copied.success());
    };
    let (dir, older) = (kept.home.node.stop().unwrap(), kept.home.root.path().join("older"));
    copy(&dir, &older);
    kept.home.node = Node::serve(&allod, &dir).unwrap();
    // No row of the log tells of it.
    kept.home.node.cli_ok(&["group", "add", "family"]).unwrap();
    let newest = kept.backup();
    kept.home.node.stop().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    copy(&older, &dir);
    // More than one start: how often the log was opened does not tell either.
    kept.home.node = Node::serve(&allod, &dir).unwrap();
    kept.home.node.stop().unwrap();
    kept.home.node = Node::serve(&allod, &dir).unwrap();
    let create = ["backup", "create", "--to", &kept.place];
    let told = kept.home.node.cli(&create).unwrap();
    assert!(told.stdout.contains(newest["backup"].as_str().unwrap()), "{}", told.stdout);
    assert_eq!(told.refused(1).unwrap(), "backup_place_newer");
    let back = kept.dir("back");
    assert_eq!(kept.restore(&back, &[]).ok().unwrap()["backup"], newest["backup"]);
    let back = Node::serve(&allod, &back).unwrap();
    assert!(back.cli_ok(&["group", "list"]).unwrap().to_string().contains("family"), "what was put away last");
    // If its owner says that it is the one that counts it goes on there, and needs no words then.
    kept.home.node.cli_ok(&[&create[..], &["--continue"]].concat()).expect("control");
    kept.backup();
    let told = back.cli(&create).unwrap().refused(1).unwrap();
    assert!(["backup_place_newer", "backup_place_diverged"].contains(&told.as_str()), "{told}");
}

#[tokio::test]
async fn a_restore_that_was_broken_off_is_begun_again_and_no_node_is_made_beside_it() {
    let kept = Kept::new().await;
    kept.backup();
    let half = kept.dir("half");
    std::fs::create_dir_all(half.join("restoring/views")).unwrap();
    std::fs::write(half.join("restoring/node.db"), "half").unwrap();
    std::fs::create_dir_all(half.join("views")).unwrap();
    let serve = kept.home.node.allod.run(&half, &["serve", "--listen", "127.0.0.1:0"]).unwrap();
    assert_eq!(serve.refused(1).unwrap(), "restore_unfinished");
    assert!(!half.join("node.key").exists());
    kept.restore(&half, &[]).ok().expect("it begins anew");
    Node::serve(&kept.home.node.allod, &half).expect("control: it is a node now");
}

#[tokio::test]
async fn old_backups_are_pruned_and_a_stopped_node_is_backed_up_by_the_command() {
    let kept = Kept::new().await;
    kept.alice().define("type Note { text: String }").await.unwrap();
    for text in ["one", "two", "three"] {
        add(&kept.alice(), text).await;
        kept.backup();
    }
    let prune = ["backup", "prune", "--to", &kept.place, "--keep-daily", "1"];
    let pruned = kept.home.node.cli_ok(&prune).unwrap();
    assert_eq!((pruned["kept"].as_array().unwrap().len(), pruned["removed"].as_array().unwrap().len()), (1, 2));
    let nothing = kept.home.node.cli(&["backup", "prune", "--to", &kept.place]).unwrap();
    assert_eq!(nothing.refused(2).unwrap(), "keep_nothing");
    let (allod, place, words) = (kept.home.node.allod.clone(), kept.place.clone(), kept.words.clone());
    let dir = kept.home.node.stop().unwrap();
    let made = allod.ok(&dir, &["backup", "create", "--to", &place, "--verify"]).unwrap();
    assert_eq!(made["verified"]["equal"], 1, "{made}");
    let report = allod.ok(&dir, &["doctor"]).unwrap();
    let backups = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "backups").unwrap();
    let detail = backups["detail"].as_str().unwrap();
    assert!(detail.contains(made["at"].as_str().unwrap()) && detail.contains("last tested"), "{detail}");
    let back = kept.home.root.path().join("back");
    allod.ok(&back, &["restore", "--from", &place, "--recovery-key-file", &words]).unwrap();
    assert_eq!(digests(&allod, &back), digests(&allod, &dir));
}

#[tokio::test]
async fn whatever_is_killed_can_be_begun_again() {
    let kept = Kept::new().await;
    kept.alice().define("type Note { text: String }").await.unwrap();
    for n in 0..20 {
        add(&kept.alice(), &format!("note {n}")).await;
    }
    let (allod, place, words) = (kept.home.node.allod.clone(), kept.place.clone(), kept.words.clone());
    let dir = kept.home.node.stop().unwrap();
    let (create, back) = (["backup", "create", "--to", &place, "--no-verify"], kept.home.root.path().join("back"));
    let restore = ["restore", "--from", &place, "--recovery-key-file", &words];
    let killed_after = |dir: &Path, args: &[&str], ms: u64| {
        let mut child = allod.command(dir, args).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(ms));
        let _ = child.kill();
        child.wait().unwrap();
    };
    for ms in [5, 20, 40, 60, 80, 110, 150, 200] {
        killed_after(&dir, &create, ms);
        let _ = allod.run(&dir, &["backup", "list", "--to", &place]).unwrap();
    }
    allod.ok(&dir, &["backup", "create", "--to", &place, "--verify"]).unwrap();
    let wanted = digests(&allod, &dir);
    for ms in [20, 60, 100, 140, 180, 220, 260, 300, 350, 400] {
        killed_after(&back, &restore, ms);
        if back.join("node.key").exists() {
            break;
        }
        let _ = allod.run(&back, &["doctor"]).unwrap().refused(1).unwrap();
    }
    if !back.join("node.key").exists() {
        allod.ok(&back, &restore).unwrap();
    }
    assert_eq!(digests(&allod, &back), wanted);
    // Between the moving of two files, as a kill there leaves it.
    let half = kept.home.root.path().join("half");
    std::fs::create_dir_all(half.join("restoring/views")).unwrap();
    std::fs::write(half.join("restoring/node.key"), "allod-node-key-1 00").unwrap();
    std::fs::rename(back.join("log.db"), half.join("log.db")).unwrap();
    assert_eq!(allod.run(&half, &["doctor"]).unwrap().refused(1).unwrap(), "node_key_missing");
    allod.ok(&half, &restore).unwrap();
    assert_eq!(digests(&allod, &half), wanted);
}
