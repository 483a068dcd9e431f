//! A data directory is for its owner's eyes, on a disk that keeps locks, and is nobody's but the node's that works on
//! it; and nothing that happens to the log of the process holds the node up.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Allod, Client, Node, Replica};
use serde_json::{Value, json};

use crate::home::{Home, OWNER};

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything in a directory that others could read, itself included.
fn readable_by_others(dir: &Path) -> Vec<(PathBuf, u32)> {
    let mut all = vec![(dir.to_owned(), mode(dir))];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(readable_by_others(&path));
        } else {
            all.push((path.clone(), mode(&path)));
        }
    }
    all.retain(|(_, mode)| mode & 0o077 != 0);
    all
}

/// Runs a command with a wide umask, as most shells have it.
fn wide(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 000 && exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    shell.stdin(Stdio::null());
    shell
}

#[tokio::test]
async fn files_are_for_their_owner_alone_whatever_the_umask_and_what_was_wider_is_narrowed() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let dir = root.path().join("new/home");
    let serve = allod.command(&dir, &["serve", "--listen", "127.0.0.1:0"]);
    let password = harness::password_file(root.path(), OWNER.0, OWNER.1).unwrap();
    let init = allod.command(&dir, &["init", "--owner", OWNER.0, "--password-file", password.to_str().unwrap()]);
    assert!(wide(&init).output().unwrap().status.success());
    let node = Node::serve_by(allod.clone(), &dir, wide(&serve)).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    alice.define("type Note { n: Int }").await.unwrap();
    assert_eq!(readable_by_others(&dir), [], "while it runs");
    let dir = node.stop().unwrap();
    assert_eq!(readable_by_others(&dir), [], "when it has ended");
    for name in ["node.db", "log.db", "node.lock"] {
        set_mode(&dir.join(name), 0o644);
    }
    set_mode(&dir.join("views"), 0o755);
    set_mode(&dir, 0o755);
    assert!(!readable_by_others(&dir).is_empty());
    let node = Node::serve(&allod, &dir).unwrap();
    assert_eq!(readable_by_others(&dir), [], "narrowed");
    node.stop().unwrap();

    let centre = root.path().join("centre");
    assert!(wide(&allod.command(&centre, &["replica", "init"])).output().unwrap().status.success());
    let replica = Replica::serve(&allod, &centre, None).unwrap();
    assert_eq!(readable_by_others(&centre), []);
    replica.kill().unwrap();
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused_and_of_a_secret_that_was_brought_it_is_said() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let centre = root.path().join("centre");
    Replica::init(&allod, &centre).unwrap();
    let secret = root.path().join("passphrase");
    std::fs::write(&secret, "a long passphrase of the node").unwrap();
    let dir = root.path().join("home");
    let password = harness::password_file(root.path(), OWNER.0, OWNER.1).unwrap();
    let init = [
        "init",
        "--owner",
        OWNER.0,
        "--password-file",
        password.to_str().unwrap(),
        "--passphrase-file",
        secret.to_str().unwrap(),
    ];
    // What is brought may be read by others, as container engines mount it; what others write is no secret.
    for wider in [0o660, 0o620, 0o602, 0o666] {
        set_mode(&secret, wider);
        assert_eq!(allod.run(&dir, &init).unwrap().refused(2).unwrap(), "secret_file_writable", "{wider:o}");
    }
    for wider in [0o644, 0o640, 0o604, 0o660, 0o620] {
        set_mode(&centre.join("replica.key"), wider);
        let replica = allod.run(&centre, &["replica", "serve"]).unwrap();
        assert_eq!(replica.refused(1).unwrap(), "replica_key_exposed", "{wider:o}");
    }
    set_mode(&centre.join("replica.key"), 0o600);
    set_mode(&secret, 0o444);
    let made = allod.run(&dir, &init).unwrap();
    assert!(made.code == 0 && made.stderr.contains("can read"), "{} {}", made.code, made.stderr);
    let doctor = |dir: &Path| allod.run(dir, &["doctor", "--passphrase-file", secret.to_str().unwrap()]).unwrap();
    let warned = doctor(&dir);
    assert!(warned.code == 0 && warned.stderr.contains("can read"), "{} {}", warned.code, warned.stderr);
    assert!(!warned.stderr.contains("a long passphrase"), "{}", warned.stderr);
    set_mode(&secret, 0o600);
    let quiet = doctor(&dir);
    assert!(quiet.code == 0 && !quiet.stderr.contains("can read"), "control: {}", quiet.stderr);
    // The node's own key stays for its owner alone.
    set_mode(&dir.join("node.key"), 0o440);
    assert_eq!(doctor(&dir).code, 1);
    set_mode(&dir.join("node.key"), 0o600);
    Replica::serve(&allod, &centre, None).expect("control").kill().unwrap();
    // A pipe has no mode that says anything: `--passphrase-file <(pass allod)`.
    let mut piped = Command::new("bash");
    let program = allod.path().to_str().unwrap();
    let doctor =
        format!("{program} doctor --json --data {} --passphrase-file <(cat {})", dir.display(), secret.display());
    let output = piped.args(["-c", &doctor]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn a_node_leaves_no_core_and_lets_no_other_process_read_its_memory() {
    let home = Home::new().await;
    let proc = PathBuf::from(format!("/proc/{}", home.node.pid()));
    let limits = std::fs::read_to_string(proc.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    // What is not dumpable belongs to root, whoever runs it (proc(5)); as root that shows nothing.
    use std::os::unix::fs::MetadataExt;
    let status = std::fs::read_to_string(proc.join("status")).unwrap();
    if let Some(dump) = status.lines().find(|line| line.starts_with("CoreDumping")) {
        assert!(dump.ends_with('0'));
    }
    assert_eq!(std::fs::metadata(proc.join("environ")).unwrap().uid(), 0);
}

#[tokio::test]
async fn no_secret_is_in_a_list_of_processes() {
    let home = Home::new().await;
    let token = std::fs::read_to_string(home.node.dir.join("local.token")).unwrap();
    let laptop = home.root.path().join("laptop");
    let code = home.node.cli_ok(&["device", "invite"]).unwrap()["code"].as_str().unwrap().to_owned();
    let mut join = home.node.allod.command(&laptop, &["device", "join", "-"]);
    let mut child = join.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let listed = || {
        let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        all.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .collect::<Vec<_>>()
    };
    // A process shows its arguments a moment after it has begun.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !listed().iter().any(|line| line.contains("device join -")) {
        assert!(Instant::now() < deadline, "control: the list is read");
    }
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), code.as_bytes()).unwrap();
    while child.try_wait().unwrap().is_none() {
        for secret in [token.trim(), OWNER.1, &code] {
            assert!(!listed().iter().any(|line| line.contains(secret)));
        }
    }
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn a_long_path_works_or_is_refused_at_once_in_plain_words() {
    let root = tempfile::tempdir().unwrap();
    let base = root.path().canonicalize().unwrap();
    let of_length = |bytes: usize| {
        let mut path = base.clone();
        while bytes - path.as_os_str().len() > 101 {
            path.push("p".repeat(100));
        }
        path.join("q".repeat(bytes - path.as_os_str().len() - 1))
    };
    let allod = Allod::find().unwrap();
    let password = harness::password_file(root.path(), OWNER.0, OWNER.1).unwrap();
    let init = ["init", "--owner", OWNER.0, "--password-file", password.to_str().unwrap()];
    for dir in [of_length(461), of_length(512), of_length(1_200), of_length(4_000), root.path().join("n".repeat(256))] {
        for command in
            [&init[..], &["serve", "--listen", "127.0.0.1:0"], &["replica", "init"], &["device", "join", "AA"]]
        {
            let outcome = allod.run(&dir, command).unwrap();
            let message = outcome.stdout.clone();
            if command[0] == "device" {
                outcome.refused(2).expect("the code is wrong before anything else");
                continue;
            }
            assert_eq!(outcome.refused(1).unwrap(), "path_too_long", "{command:?}");
            assert!(message.contains("choose a shorter one"), "{message}");
        }
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "nothing was made but the password file");
    for bytes in [90, 108, 250, 460] {
        let dir = of_length(bytes.max(base.as_os_str().len() + 2));
        allod.ok(&dir, &init).unwrap();
        let node = Node::serve(&allod, &dir).unwrap_or_else(|error| panic!("{bytes} bytes: {error:#}"));
        let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
        alice.define("type Note { n: Int }").await.unwrap();
        alice.graphql("mutation { add_Note(input: {n: 1}) { _docID } }").await.unwrap();
        assert_eq!(alice.graphql("{ Note { n } }").await.unwrap(), json!({ "Note": [{ "n": 1 }] }), "{bytes} bytes");
        node.cli_ok(&["client", "ping"]).unwrap();
        node.stop().unwrap();
    }
}

#[tokio::test]
async fn an_odd_path_works() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let password = harness::password_file(root.path(), OWNER.0, OWNER.1).unwrap();
    for name in [&b"a b"[..], b"a?mode=memory", b"a#b%20c", b"file:x", "größe".as_bytes(), b"a'b\"c"] {
        let dir = root.path().join(std::ffi::OsStr::from_bytes(name));
        let init = ["init", "--owner", OWNER.0, "--password-file", password.to_str().unwrap()];
        allod.ok(&dir, &init).unwrap_or_else(|error| panic!("{dir:?}: {error:#}"));
        assert!(dir.join("node.db").is_file() && dir.join("log.db").is_file(), "{dir:?}");
        let node = Node::serve(&allod, &dir).unwrap_or_else(|error| panic!("{dir:?}: {error:#}"));
        let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
        alice.define("type Note { n: Int }").await.unwrap();
        assert!(std::fs::read_dir(dir.join("views")).unwrap().any(|entry| entry.is_ok()), "{dir:?}");
        node.stop().unwrap();
    }
    let dir = root.path().join(std::ffi::OsStr::from_bytes(b"not-utf8-\xff"));
    let init = ["init", "--owner", OWNER.0, "--password-file", password.to_str().unwrap()];
    assert_eq!(allod.run(&dir, &init).unwrap().refused(1).unwrap(), "path_not_unicode");
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_copied_directory_does_not_command_the_node_of_the_original() {
    let home = Home::new().await;
    let allod = &home.node.allod;
    let copy = home.root.path().join("copy");
    assert!(Command::new("cp").arg("-a").arg(&home.node.dir).arg(&copy).status().unwrap().success());
    assert!(copy.join("node.json").exists() && std::fs::symlink_metadata(copy.join("control.sock")).is_ok());
    let url = home.node.url.clone();
    for command in [
        &["stop"][..],
        &["client", "ping"],
        &["user", "list"],
        &["user", "token", "alice"],
        &["device", "invite"],
        &["sync", "wait"],
        &["client", "query", "{ __typename }"],
        &["wait", "--timeout", "1s"],
    ] {
        let outcome = allod.run(&copy, command).unwrap();
        let said = outcome.stdout.clone();
        assert_eq!(outcome.refused(5).unwrap(), "copied_directory", "{command:?}");
        assert!(said.contains("copied"), "{said}");
    }
    let named = allod.run(&copy, &["client", "--url", &url, "query", "{ __typename }"]).unwrap();
    assert_ne!(named.code, 0, "its token does not count at that address either: {}", named.stdout);
    home.node.cli_ok(&["client", "ping"]).expect("control: the node of the original runs, and answers there");
    // Through a link it is the same directory.
    let link = home.root.path().join("link");
    std::os::unix::fs::symlink(&home.node.dir, &link).unwrap();
    allod.ok(&link, &["client", "ping"]).expect("control");
    // The copy serves, and is commanded, by itself.
    let second = Node::serve(allod, &copy).unwrap();
    second.cli_ok(&["client", "ping"]).unwrap();
    second.stop().unwrap();
    home.node.cli_ok(&["client", "ping"]).expect("the first runs on");
}

/// Makes the node say much: every request is a line, or several.
fn talkative(allod: &Allod, dir: &Path) -> Command {
    let mut command = allod.command(dir, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("RUST_LOG", "trace").stdout(Stdio::piped()).stdin(Stdio::null());
    command
}

async fn answers(dir: &Path, child: &mut std::process::Child, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let url = loop {
        let file = std::fs::read(dir.join("node.json")).unwrap_or_default();
        if let Some(url) =
            serde_json::from_slice::<Value>(&file).ok().and_then(|file| Some(file["url"].as_str()?.to_owned()))
        {
            break url;
        }
        assert!(child.try_wait().unwrap().is_none() && Instant::now() < deadline, "{what}: it does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let client = Client::new(&url, None).unwrap();
    let refused = client.sign_in(OWNER.0, "not the password").await;
    assert!(
        refused.is_err_and(|error| error.to_string().contains("401")),
        "{what}: a refusal, and not a broken connection"
    );
    let alice = client.sign_in(OWNER.0, OWNER.1).await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
    for _ in 0..300 {
        let answer = alice.graphql("{ __typename }").await.unwrap_or_else(|error| panic!("{what}: {error:#}"));
        assert_eq!(answer["__typename"], "Query");
    }
    assert_eq!(client.get("/readyz").await.unwrap().status, 200, "{what}");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_ends_and_holds_up_no_request() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let dir = root.path().join("home");
    Node::init(&allod, &dir, OWNER.0, "home", OWNER.1).unwrap();
    for what in ["a full disk", "a closed pipe", "a pipe that nobody reads", "no stderr at all", "stdout full as well"]
    {
        let mut command = talkative(&allod, &dir);
        let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut held = None;
        match what {
            "a full disk" => drop(command.stderr(full())),
            "stdout full as well" => drop(command.stderr(full()).stdout(full())),
            "no stderr at all" => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "exec \"$0\" \"$@\" 2>&-"]).arg(command.get_program()).args(command.get_args());
                shell.env("RUST_LOG", "trace").stdin(Stdio::null()).stdout(Stdio::null());
                command = shell;
            }
            _ => drop(command.stderr(Stdio::piped())),
        }
        let mut child = command.spawn().unwrap();
        match what {
            "a closed pipe" => drop(child.stderr.take()),
            "a pipe that nobody reads" => held = child.stderr.take(),
            _ => {}
        }
        answers(&dir, &mut child, what).await;
        allod.ok(&dir, &["stop"]).unwrap_or_else(|error| panic!("{what}: {error:#}"));
        assert!(child.wait().unwrap().success(), "{what}");
        if let Some(mut pipe) = held {
            let mut said = Vec::new();
            pipe.read_to_end(&mut said).unwrap();
            // It holds sixteen pages, which need not be full each.
            assert!(said.len() > 32_000, "control: the pipe was full: {} bytes", said.len());
        }
    }
}

#[tokio::test]
async fn a_socket_or_link_in_a_place_of_ours_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let dir = root.path().join("home");
    Node::init(&allod, &dir, OWNER.0, "home", OWNER.1).unwrap();
    let elsewhere = root.path().join("elsewhere");
    std::fs::write(&elsewhere, b"mine").unwrap();
    set_mode(&elsewhere, 0o644);
    for name in ["local.token", "node.json", "control.sock"] {
        std::os::unix::fs::symlink(&elsewhere, dir.join(name)).unwrap();
    }
    let node = Node::serve(&allod, &dir).unwrap();
    assert_eq!((std::fs::read(&elsewhere).unwrap(), mode(&elsewhere)), (b"mine".to_vec(), 0o644));
    assert!(!std::fs::symlink_metadata(dir.join("local.token")).unwrap().file_type().is_socket());
    assert!(std::fs::symlink_metadata(dir.join("control.sock")).unwrap().file_type().is_socket());
    node.cli_ok(&["client", "ping"]).unwrap();
    node.stop().unwrap();
    std::fs::create_dir(dir.join("control.sock")).unwrap();
    let refused = allod.run(&dir, &["serve", "--listen", "127.0.0.1:0"]).unwrap();
    assert!(refused.stdout.contains("is no socket"), "{}", refused.stdout);
    refused.refused(1).unwrap();
}
