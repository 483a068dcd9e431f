//! `DIR/control.sock`: who reaches it is the operator, by the word of the kernel; who does not is not.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::{Allod, Client, Node};
use reqwest::Method;
use serde_json::json;

use crate::home::{Home, OWNER};

#[tokio::test]
async fn whoever_holds_the_machine_comes_by_the_socket_and_no_header_says_so() {
    let home = Home::new().await;
    let operator = Client::at_socket(&home.node.dir).unwrap();
    assert_eq!(operator.get("/api/v1/users").await.unwrap().status, 200, "control");
    // Who sends a token there is whom it names.
    for (token, status) in [("a guess", 401), (home.alice.token.as_deref().unwrap(), 403)] {
        assert_eq!(operator.with_token(token).get("/api/v1/doctor").await.unwrap().status, status);
    }
    let nobody = Client::new(&home.node.url, None).unwrap();
    for (name, value) in [
        ("Accept", "application/json"),
        ("Host", "localhost"),
        ("Origin", "http://127.0.0.1:8420"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-At-The-Machine", "yes"),
        ("Authorization", "Bearer "),
        ("Authorization", "Bearer x"),
    ] {
        for (method, path) in
            [(Method::GET, "/api/v1/users"), (Method::GET, "/api/v1/doctor"), (Method::POST, "/api/v1/stop")]
        {
            let answer = nobody.send(nobody.request(method, path).header(name, value)).await.unwrap();
            assert!(matches!(answer.status, 401 | 403), "{path} {name}: {value}: {}", answer.text);
        }
    }
    let stop = home.alice.post("/api/v1/stop", &json!({})).await.unwrap();
    assert_eq!(stop.status, 403, "nor may the owner, over the network: {}", stop.text);
    // The token that scripts use over TCP counts as before, and the command line needs it no more.
    assert_eq!(home.node.operator().unwrap().get("/api/v1/users").await.unwrap().status, 200, "local.token");
    std::fs::remove_file(home.node.dir.join("local.token")).unwrap();
    home.node.cli_ok(&["user", "list"]).unwrap();
}

/// Runs the command line as another user, where this one may become another (only root may).
fn as_user(program: &Path, dir: &Path, uid: u32) -> std::process::Output {
    let mut command = std::process::Command::new(program);
    command.args(["user", "list", "--json", "--data"]).arg(dir).uid(uid).gid(uid).current_dir("/");
    command.output().unwrap()
}

#[tokio::test]
async fn a_process_of_another_user_is_refused_also_where_the_files_let_it_through() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("note: only root can become another user; not tested");
        return;
    }
    let home = Home::new().await;
    let open = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let program = home.root.path().join("allod");
    std::fs::copy(home.node.allod.path(), &program).unwrap();
    open(home.root.path(), 0o755);
    open(&home.node.dir, 0o755);
    open(&home.node.dir.join("node.json"), 0o644);
    open(&home.node.dir.join("control.sock"), 0o666);
    let out = as_user(&program, &home.node.dir, 0);
    assert_eq!(out.status.code(), Some(0), "control: {out:?}");
    let out = as_user(&program, &home.node.dir, 65_534);
    assert_eq!(out.status.code(), Some(5), "the command line takes no socket that is not its user's: {out:?}");
    // Nor is one answered that does not ask first.
    let neighbour = std::process::Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket"])
        .arg(home.node.dir.join("control.sock"))
        .arg("http://localhost/api/v1/users")
        .uid(65_534)
        .gid(65_534)
        .output();
    match neighbour {
        Ok(out) => assert_eq!(String::from_utf8_lossy(&out.stdout), "403"),
        Err(error) => {
            eprintln!("note: curl does not run ({error}); a neighbour without the command line is not tested")
        }
    }
    home.node.cli_ok(&["user", "list"]).expect("control");
}

#[tokio::test]
async fn the_command_line_tells_nothing_to_who_put_a_link_in_the_place_of_the_socket() {
    let home = Home::new().await;
    let socket = home.node.dir.join("control.sock");
    let trap = home.root.path().join("trap.sock");
    let listener = UnixListener::bind(&trap).unwrap();
    let caught = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&caught);
    std::thread::spawn(move || {
        while listener.accept().is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let kept = home.node.dir.join("control.kept");
    std::fs::rename(&socket, &kept).unwrap();
    std::os::unix::fs::symlink(&trap, &socket).unwrap();
    for command in [&["user", "list"][..], &["client", "ping"], &["stop"], &["wait", "--timeout", "1s"]] {
        home.node.cli(command).unwrap().refused(5).unwrap();
    }
    assert_eq!(caught.load(Ordering::SeqCst), 0);
    std::os::unix::net::UnixStream::connect(&trap).unwrap();
    std::fs::rename(&kept, &socket).unwrap();
    home.node.cli_ok(&["user", "list"]).expect("control");
}

#[tokio::test]
async fn a_directory_with_a_long_path_is_reached_as_well() {
    let root = tempfile::tempdir().unwrap();
    let allod = Allod::find().unwrap();
    let dir = root.path().join("d".repeat(150)).join("home");
    std::fs::create_dir_all(dir.parent().unwrap()).unwrap();
    Node::init(&allod, &dir, OWNER.0, "home", OWNER.1).unwrap();
    let node = Node::serve(&allod, &dir).unwrap();
    node.cli_ok(&["user", "list"]).unwrap();
    node.stop().unwrap();
    assert!(!dir.join("control.sock").exists());
}
