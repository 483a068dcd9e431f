//! Setting up, joining and starting are killed at many points: what is left can always be gone on with.
//!
//! The points are exact where `strace` can be used: the process dies at its n-th system call that makes something last
//! (a sync, a rename, a removal). `ALLOD_KILLS` sets how many points of each kind are tried; the default is few.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::{Allod, Client, Node, Replica};
use serde_json::{Value, json};

use crate::home::{Home, OWNER};

/// The calls at which the state on disk changes: before each of them is a point to die at.
const CALLS: &str = "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,pwrite64,mkdir,mkdirat";

/// Before which call of a thread a process dies; without strace, after how long.
#[derive(Debug, Clone)]
enum Point {
    Call(String, usize),
    After(Duration),
}

/// How many points of a kind are tried.
fn kills(few: usize) -> usize {
    std::env::var("ALLOD_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

/// The points of a command, in the order of its calls, thinned out to as many as are wished. `command` is run once, to
/// its end or for four seconds.
fn points(command: &Command, trace: &Path, wished: usize) -> Vec<Point> {
    let mut traced = Command::new("timeout");
    traced.args(["-s", "KILL", "4", "strace", "-f", "-q", "-e", &format!("trace={CALLS}"), "-o"]).arg(trace);
    traced.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    let ran = traced.output();
    let lines = std::fs::read_to_string(trace).unwrap_or_default();
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    let mut all = Vec::new();
    for line in lines.lines() {
        let mut words = line.split_whitespace();
        let (Some(thread), Some(rest)) = (words.next(), words.next()) else { continue };
        let Some((call, _)) = rest.split_once('(') else { continue };
        let count = seen.entry((thread.to_owned(), call.to_owned())).or_default();
        *count += 1;
        // strace counts each call of each thread by itself: the first thread that gets there ends them all.
        if !all.iter().any(|point| matches!(point, Point::Call(known, n) if known == call && n == count)) {
            all.push(Point::Call(call.to_owned(), *count));
        }
    }
    if all.is_empty() {
        eprintln!("note: strace cannot be used here ({ran:?}); the points are only approximate");
        all = (0..300).map(|n| Point::After(Duration::from_millis(n))).collect();
    }
    let step = all.len() as f64 / wished.min(all.len()) as f64;
    (0..wished.min(all.len())).map(|n| all[(n as f64 * step) as usize].clone()).collect()
}

/// Runs a command that dies at a point, or, if it does not come there, after four seconds.
fn killed_at(command: &Command, point: &Point) {
    let mut run = Command::new("timeout");
    match point {
        Point::Call(call, n) => {
            let kill = format!("inject={call}:signal=KILL:when={n}");
            run.args(["-s", "KILL", "4", "strace", "-f", "-q", "-o", "/dev/null", "-e", &kill]);
        }
        Point::After(time) => drop(run.args(["-s", "KILL", &format!("{}", time.as_secs_f64())])),
    }
    run.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    run.output().unwrap();
}

/// The owner signs in, and the node keeps what they write.
async fn works(node: &Node, what: &str) {
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
    alice.define("type Note { n: Int }").await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
    alice.graphql("mutation { add_Note(input: {n: 1}) { _docID } }").await.unwrap();
    assert_eq!(alice.graphql("{ Note { n } }").await.unwrap(), json!({ "Note": [{ "n": 1 }] }), "{what}");
    let users = node.cli_ok(&["user", "list"]).unwrap();
    assert_eq!(users.as_array().unwrap().len(), 1, "{what}: {users}");
    let tenants = node.cli_ok(&["tenant", "list"]).unwrap();
    assert_eq!(tenants.as_array().unwrap().len(), 1, "{what}: {tenants}");
}

#[tokio::test]
async fn a_set_up_that_was_killed_anywhere_is_done_again() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let password = harness::password_file(root.path(), OWNER.0, OWNER.1).unwrap();
    let init = |tenant: &'static str| {
        ["init", "--owner", OWNER.0, "--tenant", tenant, "--password-file", password.to_str().unwrap()]
            .map(str::to_owned)
    };
    let command = |dir: &Path, tenant| {
        let args = init(tenant);
        allod.command(dir, &args.each_ref().map(String::as_str))
    };
    let all = points(&command(&root.path().join("whole"), "home"), &root.path().join("trace"), kills(8));
    let (mut again, mut done) = (0, 0);
    for (n, point) in all.iter().enumerate() {
        let dir = root.path().join(format!("at-{n}"));
        killed_at(&command(&dir, "home"), point);
        // Set up once more; or the kill came behind the end of the set-up.
        let args = init("household");
        let outcome = allod.run(&dir, &args.each_ref().map(String::as_str)).unwrap();
        match outcome.code {
            0 => again += 1,
            _ => {
                assert_eq!(outcome.refused(1).unwrap(), "already_a_node", "killed at {point:?}");
                done += 1;
            }
        }
        let node = Node::serve(&allod, &dir).unwrap_or_else(|error| panic!("killed at {point:?}: {error:#}"));
        works(&node, &format!("killed at {point:?}")).await;
        node.stop().unwrap();
        assert_eq!(allod.ok(&dir, &["doctor", "--rebuild"]).unwrap()["spaces"][0]["documents"], 1, "{point:?}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
    assert!(again > 0, "no kill came in time ({done} after the end)");
}

#[tokio::test]
async fn a_first_start_that_was_killed_anywhere_starts_and_gives_a_link() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let serve = |dir: &Path| allod.command(dir, &["serve", "--listen", "127.0.0.1:0"]);
    let all = points(&serve(&root.path().join("whole")), &root.path().join("trace"), kills(4));
    for (n, point) in all.iter().enumerate() {
        let dir = root.path().join(format!("at-{n}"));
        killed_at(&serve(&dir), point);
        let node = Node::serve(&allod, &dir).unwrap_or_else(|error| panic!("killed at {point:?}: {error:#}"));
        let link = node.setup.clone().unwrap_or_else(|| panic!("killed at {point:?}: no link"));
        let token = link.split_once("token=").unwrap().1;
        let form = [
            ("token", token),
            ("user", OWNER.0),
            ("tenant", "home"),
            ("password", OWNER.1),
            ("password-again", OWNER.1),
        ];
        let client = Client::new(&node.url, None).unwrap();
        let post = client.request(reqwest::Method::POST, "/setup").header("origin", &node.url).form(&form);
        let answer = client.send(post).await.unwrap();
        assert_eq!(answer.status, 200, "killed at {point:?}: {}", answer.text);
        works(&node, &format!("killed at {point:?}")).await;
    }
}

#[tokio::test]
async fn a_joining_that_was_killed_anywhere_is_done_again() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int }").await.unwrap();
    home.alice.graphql("mutation { add_Note(input: {n: 1}) { _docID } }").await.unwrap();
    // What was killed leaves its code waiting, and a person has four at most.
    home.node.cli_ok(&["quota", "set", "codes", "64"]).unwrap();
    let allod = home.node.allod.clone();
    let invite = || home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let join_by = |dir: &Path, code: &str| allod.command(dir, &["device", "join", code]);
    let join = |dir: &Path| join_by(dir, &invite());
    let all = points(&join(&home.root.path().join("whole")), &home.root.path().join("trace"), kills(4));
    let mut again = 0;
    for (n, point) in all.iter().enumerate() {
        let dir = home.root.path().join(format!("joined-{n}"));
        let code = invite();
        killed_at(&join_by(&dir, &code), point);
        // By the same code, or by a new one.
        let code = if n % 2 == 0 { code } else { invite() };
        let outcome = allod.run(&dir, &["device", "join", &code]).unwrap();
        match outcome.code {
            0 => again += 1,
            _ => assert_eq!(outcome.refused(1).unwrap(), "already_a_node", "killed at {point:?}"),
        }
        let laptop = Node::serve(&allod, &dir).unwrap_or_else(|error| panic!("killed at {point:?}: {error:#}"));
        let operator = laptop.operator().unwrap();
        let mut seen = Value::Null;
        for _ in 0..200 {
            seen = operator.try_graphql("{ Note { n } }", Value::Null).await.unwrap().json;
            if seen["data"]["Note"] == json!([{ "n": 1 }]) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(seen["data"]["Note"], json!([{ "n": 1 }]), "killed at {point:?}: {seen}");
        laptop.stop().unwrap();
    }
    assert!(again > 0, "no kill came in time");
    let devices = home.node.cli_ok(&["device", "list"]).unwrap().as_array().unwrap().len();
    // Home, one a directory, and that of the points if it was done in time.
    assert!(devices - 1 - all.len() <= 1, "{devices} devices of {} directories: some never come", all.len());
}

#[tokio::test]
async fn people_whose_making_was_killed_anywhere_are_made() {
    let mut home = Home::new().await;
    let allod = home.node.allod.clone();
    home.node.cli_ok(&["tenant", "add", "guests"]).unwrap();
    let few = kills(8);
    for n in 0..few {
        let name = format!("person{n}");
        let password = format!("the long password of {name}");
        let file = home.file(&format!("{name}.password"), &password);
        let add = |tenant| ["user", "add", &name, "--tenant", tenant, "--password-file", &file].map(str::to_owned);
        let dir = home.node.dir.clone();
        let mut adding = allod.command(&dir, &add("guests").each_ref().map(String::as_str));
        let mut adding = adding.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(600 * n as u64 / few as u64));
        let dir = home.node.kill().unwrap();
        adding.wait().unwrap();
        home.node = Node::serve(&allod, &dir).unwrap_or_else(|error| panic!("killed at {n}: {error:#}"));
        // Once more, by another tenant's name: nothing of the first try is left behind.
        let again = home.node.cli(&add("home").each_ref().map(String::as_str)).unwrap();
        let users = home.node.cli_ok(&["user", "list"]).unwrap();
        let users = users.as_array().unwrap();
        assert_eq!(users.len(), n + 2, "{users:?}");
        if again.code != 0 {
            assert_eq!(again.refused(1).unwrap(), "name_taken", "killed at {n}");
        }
        let person =
            home.node.sign_in(&name, &password).await.unwrap_or_else(|error| panic!("killed at {n}: {error:#}"));
        person.define("type Note { n: Int }").await.unwrap_or_else(|error| panic!("killed at {n}: {error:#}"));
        person.graphql("mutation { add_Note(input: {n: 1}) { _docID } }").await.unwrap();
        let spaces = home.node.cli_ok(&["doctor"]).unwrap()["spaces"].as_array().unwrap().len();
        assert!(spaces <= users.len() + 1, "killed at {n}: accounts that nobody sees: {spaces} of {}", users.len());
    }
}

#[tokio::test]
async fn a_replica_that_was_killed_while_it_was_made_is_made_again() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let [init, serve] = [&["replica", "init"][..], &["replica", "serve"]]
        .map(|args| move |allod: &Allod, dir: &Path| allod.command(dir, args));
    let trace = root.path().join("trace");
    let whole = root.path().join("whole");
    let made = points(&init(&allod, &whole), &trace, kills(2));
    let served = points(&serve(&allod, &whole), &trace, kills(4));
    for (n, point) in served.iter().enumerate() {
        let dir = root.path().join(format!("at-{n}"));
        killed_at(&init(&allod, &dir), &made[n % made.len()]);
        let again = allod.run(&dir, &["replica", "init"]).unwrap();
        if again.code != 0 {
            assert_eq!(again.refused(1).unwrap(), "already_a_node", "killed at {point:?}");
        }
        killed_at(&serve(&allod, &dir), point);
        let replica =
            Replica::serve(&allod, &dir, None).unwrap_or_else(|error| panic!("killed at {point:?}: {error:#}"));
        replica.kill().unwrap();
    }
}
