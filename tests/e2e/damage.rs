//! Keys that are not what they were, files with flipped bytes, and a disk that is full: a clear refusal
//! or the right answer, never silently a wrong one.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Allod, Client, Node};
use serde_json::{Value, json};

use crate::home::{Home, OWNER};

const NOTES: usize = 60;
const ALL: &str = "{ Note(order: {n: ASC}) { n text } }";

/// A stopped node with notes; what it holds.
async fn stopped() -> (Allod, PathBuf, Value, tempfile::TempDir) {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int text: String }").await.unwrap();
    for n in 0..NOTES {
        let add = format!(
            "mutation {{ add_Note(input: {{n: {n}, text: \"{}\"}}) {{ _docID }} }}",
            format!("note {n} ").repeat(40)
        );
        home.alice.graphql(&add).await.unwrap();
    }
    let notes = home.alice.graphql(ALL).await.unwrap();
    assert_eq!(notes["Note"].as_array().unwrap().len(), NOTES);
    let (allod, root) = (home.node.allod.clone(), home.root);
    (allod, home.node.stop().unwrap(), notes, root)
}

/// The files of a directory but the lock and what SQLite keeps beside a database while it is open.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            out.extend(files(&path));
        } else if name != "node.lock" && !name.ends_with("-shm") && !name.ends_with("-wal") {
            out.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    out
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x40;
    // Written in place: the permissions stay.
    std::fs::write(path, bytes).unwrap();
}

/// What `doctor` says of the one space, and apart from it how far its log has come.
fn apart(said: &Value) -> (Value, u64) {
    let mut said = said["spaces"].clone();
    let position = said[0].as_object_mut().expect("a space").remove("position").expect("its position");
    (said, position.as_u64().expect("a number"))
}

/// Starts the node and asks for everything: the answer, or why there is none.
async fn all(allod: &Allod, dir: &Path) -> Result<Value, String> {
    let node = Node::serve(allod, dir).map_err(|error| format!("{error:#}"))?;
    let answer = async {
        let alice = node.sign_in(OWNER.0, OWNER.1).await?;
        alice.graphql(ALL).await
    };
    let answer = answer.await.map_err(|error| format!("{error:#}"));
    assert!(!node.said().contains("panicked"), "{}", node.said());
    answer
}

#[tokio::test]
async fn without_its_right_key_a_node_refuses_by_a_stable_code_and_changes_nothing() {
    let (allod, dir, notes, _root) = stopped().await;
    let path = dir.join("node.key");
    let key = std::fs::read_to_string(&path).unwrap();
    let mut other = key.clone().into_bytes();
    let at = other.len() - 10;
    other[at] = if other[at] == b'0' { b'1' } else { b'0' };
    let other = String::from_utf8(other).unwrap();
    let put = |text: Option<&str>, mode: u32| {
        let _ = std::fs::remove_file(&path);
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    for (what, text, mode, code) in [
        ("missing", None, 0o600, "node_key_missing"),
        ("wrong", Some(other.as_str()), 0o600, "database_unreadable"),
        ("exposed", Some(key.as_str()), 0o644, "node_key_exposed"),
        ("exposed to the group", Some(key.as_str()), 0o640, "node_key_exposed"),
        ("empty", Some(""), 0o600, "node_key_damaged"),
        ("short", Some(&key[..40]), 0o600, "node_key_damaged"),
        ("another word", Some("allod-node-key-9 00"), 0o600, "node_key_damaged"),
        ("not hexadecimal", Some(&key.replace(&key[20..22], "zz")), 0o600, "node_key_damaged"),
    ] {
        put(text, mode);
        let before = files(&dir);
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["doctor"], &["doctor", "--rebuild"]] {
            let refused = allod.run(&dir, command).unwrap();
            assert_eq!(refused.refused(1).unwrap(), code, "{what}: {command:?}");
        }
        let password = dir.with_file_name("again.password");
        std::fs::write(&password, "a password that is long enough").unwrap();
        let again =
            allod.run(&dir, &["init", "--owner", "eve", "--password-file", password.to_str().unwrap()]).unwrap();
        again.refused(1).unwrap();
        assert_eq!(files(&dir), before, "{what}: something was changed");
    }
    put(Some(&key), 0o600);
    assert_eq!(all(&allod, &dir).await.unwrap(), notes, "control: with the right key all is there");
}

#[tokio::test]
async fn a_flipped_byte_in_a_database_is_refused_or_harmless_and_never_a_wrong_answer() {
    let (allod, dir, notes, root) = stopped().await;
    let sound = allod.ok(&dir, &["doctor", "--rebuild"]).unwrap();
    let mut refused = BTreeMap::from([("node.db", 0), ("log.db", 0)]);
    for file in ["node.db", "log.db"] {
        let length = std::fs::metadata(dir.join(file)).unwrap().len() as usize;
        for part in 0..14 {
            let at = (length / 14) * part + 700 + part * 37;
            if at >= length {
                continue;
            }
            let copied = root.path().join(format!("{file}-{part}"));
            copy(&dir, &copied);
            flip(&copied.join(file), at);
            match all(&allod, &copied).await {
                Ok(answer) => assert_eq!(answer, notes, "{file} at {at}: another answer, and no word of it"),
                Err(why) => {
                    assert!(!why.contains("did not print"), "{file} at {at}: {why}");
                    *refused.get_mut(file).unwrap() += 1;
                }
            }
            // Made anew from the damaged log, the view is the same, or the command says that it is not.
            let doctor = allod.run(&copied, &["doctor", "--rebuild"]).unwrap();
            if doctor.code == 0 {
                // A copy that was served has taken a device of its own, which is an entry of its log.
                let (found, position) = apart(&doctor.json);
                let (sound, least) = apart(&sound);
                assert_eq!(found, sound, "{file} at {at}: a rebuilt view lacks something, and no word of it");
                assert!((least..=least + 1).contains(&position), "{file} at {at}: position {position}, not {least}");
            } else {
                let named = |check: &Value| check["state"] == "bad" && check["detail"] != "";
                let said = doctor.json["checks"].as_array().is_some_and(|checks| checks.iter().any(named));
                assert!(doctor.code == 1 && said, "{file} at {at}: {}", doctor.stdout);
                *refused.get_mut(file).unwrap() += 1;
            }
            std::fs::remove_dir_all(&copied).unwrap();
        }
    }
    assert!(refused.values().all(|&times| times > 0), "the flips hit nothing: {refused:?}");
    assert_eq!(all(&allod, &dir).await.unwrap(), notes, "control: the undamaged copy");
}

#[tokio::test]
async fn a_damaged_or_missing_view_is_made_anew_from_the_log() {
    let (allod, dir, notes, _root) = stopped().await;
    let sound = allod.ok(&dir, &["doctor"]).unwrap();
    let views: Vec<PathBuf> = files(&dir.join("views")).into_keys().collect();
    assert!(!views.is_empty());
    for damage in ["flipped", "cut", "emptied", "garbage", "missing"] {
        for view in &views {
            let bytes = std::fs::read(view).unwrap();
            match damage {
                "flipped" => flip(view, bytes.len() / 2),
                "cut" => std::fs::write(view, &bytes[..bytes.len() / 2]).unwrap(),
                "emptied" => std::fs::write(view, b"").unwrap(),
                "garbage" => std::fs::write(view, vec![0x5a; bytes.len()]).unwrap(),
                _ => std::fs::remove_file(view).unwrap(),
            }
        }
        assert_eq!(all(&allod, &dir).await.unwrap_or_else(|why| panic!("{damage}: {why}")), notes, "{damage}");
        assert_eq!(allod.ok(&dir, &["doctor"]).unwrap()["spaces"], sound["spaces"], "{damage}");
    }
}

/// A small file system of its own, if this machine lets us have one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, size: &str) -> Option<SmallDisk> {
        std::fs::create_dir_all(&at).ok()?;
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", size, "tmpfs"]).arg(&at).output().ok()?;
        done.status.success().then_some(SmallDisk(at))
    }

    fn grow(&self, size: &str) {
        let options = format!("remount,{size}");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn add(client: &Client, n: usize) -> harness::Answer {
    let text = "x".repeat(100_000);
    let query = format!("mutation($t: String) {{ add_Note(input: {{n: {n}, text: $t}}) {{ _docID }} }}");
    client.try_graphql(&query, json!({ "t": text })).await.expect("an answer")
}

/// Whatever room there is: a device that the account has taken keeps its keys, and is the same device when it is tried again.
#[tokio::test]
async fn a_joining_for_which_the_disk_has_no_room_goes_on_with_the_same_device() {
    let home = Home::new().await;
    home.node.cli_ok(&["quota", "set", "codes", "64"]).unwrap();
    let devices = || home.node.cli_ok(&["device", "list"]).unwrap().as_array().unwrap().len();
    let (mut unfinished, mut before) = (0, devices());
    // Between the size at which nothing was asked for yet and the one at which all goes well.
    let (mut small, mut large) = (200, 6_000);
    while unfinished == 0 && small + 8 < large {
        let kilobytes = (small + large) / 2;
        let at = home.root.path().join(format!("disk-{kilobytes}"));
        let Some(disk) = SmallDisk::mount(at, &format!("size={kilobytes}k")) else {
            eprintln!("skipped: this machine does not let us mount a small file system");
            return;
        };
        let dir = disk.0.join("laptop");
        let code = home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
        let join = || home.node.allod.run(&dir, &["device", "join", &code]).unwrap();
        let first = join();
        let taken = devices() > before;
        match (first.code, taken) {
            (0, _) => large = kilobytes,
            (_, false) => small = kilobytes,
            (_, true) => {
                unfinished += 1;
                disk.grow("size=64m");
                let again = join();
                assert_eq!(again.code, 0, "{kilobytes} kB: {again:?} after {first:?}");
                assert_eq!(devices(), before + 1, "{kilobytes} kB: one device of two tries");
            }
        }
        before = devices();
    }
    assert!(unfinished > 0, "at no size the account had taken the device before the disk was full");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_nothing_acknowledged() {
    full_disk(false).await;
}

/// On a full disk SQLite takes the view's open transaction back, and with it notes that were
/// acknowledged: the node then shows all of them or says that it cannot, and with space it shows them.
#[tokio::test]
async fn a_full_disk_hides_nothing_that_was_acknowledged() {
    full_disk(true).await;
}

/// Fills a small disk with notes. `reads`: whether what was acknowledged must be seen before a restart.
async fn full_disk(reads: bool) {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(root.path().join("disk"), "size=12m") else {
        eprintln!("skipped: this machine does not let us mount a small file system");
        return;
    };
    let allod = Allod::find().unwrap();
    let dir = disk.0.join("node");
    Node::init(&allod, &dir, OWNER.0, "home", OWNER.1).unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    alice.define("type Note { n: Int text: String }").await.unwrap();
    let mut acknowledged = Vec::new();
    let mut refusals = 0;
    for n in 0..400 {
        let answer = add(&alice, n).await;
        if answer.json["data"]["add_Note"][0]["_docID"].is_string() {
            acknowledged.push(json!({ "n": n }));
            assert_eq!(refusals, 0, "it wrote again without space: {n}");
            continue;
        }
        assert_eq!(answer.codes(), ["unavailable"], "{n}: {} {}", answer.status, answer.text);
        refusals += 1;
        if refusals == 5 {
            break;
        }
    }
    assert!(refusals > 0 && acknowledged.len() > 5, "{} were taken, {refusals} refused", acknowledged.len());
    let ready = Client::new(&node.url, None).unwrap().get("/readyz").await.unwrap();
    assert_eq!(ready.status, 503, "a node that cannot write is not ready: {}", ready.text);
    let numbers = "{ Note(order: {n: ASC}) { n } }";
    let seen = alice.try_graphql(numbers, Value::Null).await.expect("an answer");
    if reads {
        if seen.codes() != ["unavailable"] {
            assert_eq!(seen.json["data"]["Note"], json!(acknowledged), "{} {}", seen.text, node.said());
        }
        disk.grow("size=64m");
        let seen = alice.graphql(numbers).await.expect("with space again it shows everything");
        assert_eq!(seen["Note"], json!(acknowledged));
    } else if let Some(seen) = seen.json["data"]["Note"].as_array() {
        assert!(seen.iter().all(|note| acknowledged.contains(note)), "a note is shown that was refused: {seen:?}");
    }
    assert!(!node.said().contains("panicked"), "{}", node.said());
    disk.grow("size=64m");
    let dir = node.kill().unwrap();
    let node = Node::serve(&allod, &dir).expect("control: with more space it starts");
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let after = alice.graphql(numbers).await.unwrap();
    let kept = after["Note"].as_array().unwrap();
    assert!(acknowledged.iter().all(|note| kept.contains(note)), "{} of {} notes", kept.len(), acknowledged.len());
    let answer = add(&alice, 1_000).await;
    assert!(answer.codes().is_empty(), "control: with more space it writes: {}", answer.text);
}
