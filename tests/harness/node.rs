//! Running nodes and replicas. Dropped, they are killed; nothing outlives a test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{Allod, Client, Outcome};

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A served data directory.
#[derive(Debug)]
pub struct Node {
    pub allod: Allod,
    pub dir: PathBuf,
    pub url: String,
    /// The setup link, if the directory was not yet a node.
    pub setup: Option<String>,
    /// The line that it said when it was ready.
    pub ready: Value,
    /// From the start of the process to its ready line.
    pub ready_after: Duration,
    said: Said,
    child: Child,
}

/// The last lines that a process wrote to stderr.
type Said = Arc<Mutex<std::collections::VecDeque<String>>>;
/// How many of them are kept.
const LINES: usize = 400;
/// How long a line is waited for.
const SAYS: Duration = Duration::from_secs(30);

impl Node {
    /// Makes `dir` a node whose owner is `owner`, without starting it.
    pub fn init(allod: &Allod, dir: &Path, owner: &str, tenant: &str, password: &str) -> Result<Value> {
        let file = password_file(dir.parent().context("a data directory needs a parent")?, owner, password)?;
        allod.ok(dir, &["init", "--owner", owner, "--tenant", tenant, "--password-file", path_text(&file)?])
    }

    /// Serves `dir` on a free port. Where `ALLOD_TEST_ENGINE` is `spicedb`, the SpiceDB at `ALLOD_TEST_SPICEDB` answers
    /// policy: so one test is one of either engine.
    pub fn serve(allod: &Allod, dir: &Path) -> Result<Node> {
        match (std::env::var("ALLOD_TEST_ENGINE").as_deref(), std::env::var("ALLOD_TEST_SPICEDB")) {
            (Ok("spicedb"), Ok(address)) => Self::serve_with_spicedb(allod, dir, &address),
            _ => Self::serve_by(allod.clone(), dir, allod.command(dir, &SERVE)),
        }
    }

    /// Serves `dir` on a free port, with policy in a store of its own in the SpiceDB at `address`. What is there is
    /// moved the first time.
    pub fn serve_with_spicedb(allod: &Allod, dir: &Path, address: &str) -> Result<Node> {
        let key = dir.with_extension("spicedb.key");
        let flags = ["--spicedb", address, "--spicedb-key-file", path_text(&key)?, "--spicedb-tls", "off"];
        if !key.exists() {
            // A store is named by its key; the directory is one of this test's alone.
            let name: String = path_text(dir)?.chars().filter(char::is_ascii_alphanumeric).collect();
            std::fs::write(&key, format!("{name}{}", std::process::id()))?;
            let node = Self::serve_by(allod.clone(), dir, allod.command(dir, &SERVE))?;
            node.cli_ok(&[&["policy", "migrate", "--to", "spicedb"], &flags[..]].concat())?;
            node.stop()?;
        }
        Self::serve_by(allod.clone(), dir, allod.command(dir, &[&SERVE, &flags[..]].concat()))
    }

    /// Serves `dir` by a command of the caller's: under strace, with variables, with another listener.
    pub fn serve_by(allod: Allod, dir: &Path, command: Command) -> Result<Node> {
        let begun = Instant::now();
        let (child, ready, said) = start(command)?;
        ensure!(ready["event"] == "ready", "not a ready line: {ready}");
        Ok(Node {
            allod,
            dir: dir.to_owned(),
            url: ready["url"].as_str().context("no url in the ready line")?.trim_end_matches('/').to_owned(),
            setup: ready["setup"].as_str().map(str::to_owned),
            ready_after: begun.elapsed(),
            ready,
            said,
            child,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last lines that the node wrote to stderr.
    pub fn said(&self) -> String {
        text_of(&self.said)
    }

    /// Whether the node writes this to stderr, soon: a line comes by a pipe, after what it tells of is seen elsewhere.
    pub fn says(&self, text: &str) -> bool {
        let until = Instant::now() + SAYS;
        while !self.said().contains(text) {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// A command on this node's directory.
    pub fn cli(&self, args: &[&str]) -> Result<Outcome> {
        self.allod.run(&self.dir, args)
    }

    /// A command on this node's directory that must succeed.
    pub fn cli_ok(&self, args: &[&str]) -> Result<Value> {
        self.allod.ok(&self.dir, args)
    }

    /// The operator: what `local.token` gives.
    pub fn operator(&self) -> Result<Client> {
        let token = std::fs::read_to_string(self.dir.join("local.token")).context("reading local.token")?;
        Client::new(&self.url, Some(token.trim()))
    }

    /// A person, signed in by password.
    pub async fn sign_in(&self, user: &str, password: &str) -> Result<Client> {
        Client::new(&self.url, None)?.sign_in(user, password).await
    }

    /// Ends the process as a power cut would: no chance to finish anything.
    pub fn kill(mut self) -> Result<PathBuf> {
        self.kill_in_place()?;
        Ok(self.dir.clone())
    }

    /// As [`Node::kill`], of a node that another takes the place of. It may be dead already.
    pub fn kill_in_place(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// `allod stop`, and the process must be gone.
    pub fn stop(mut self) -> Result<PathBuf> {
        self.allod.ok(&self.dir, &["stop"])?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "the node still runs after `allod stop`");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(self.dir.clone())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A blind replica, served.
#[derive(Debug)]
pub struct Replica {
    pub dir: PathBuf,
    /// Ends in `/p2p/PEER`.
    pub addr: String,
    child: Child,
}

impl Replica {
    pub fn init(allod: &Allod, dir: &Path) -> Result<()> {
        allod.ok(dir, &["replica", "init"]).map(drop)
    }

    /// `trace`: where the replica writes every protocol message that it sends or receives, decoded.
    pub fn serve(allod: &Allod, dir: &Path, trace: Option<&Path>) -> Result<Replica> {
        let mut command = allod.command(dir, &["replica", "serve", "--listen", "/ip4/127.0.0.1/tcp/0"]);
        if let Some(file) = trace {
            command.env("ALLOD_SYNC_TRACE", file);
        }
        Self::serve_by(dir, command)
    }

    /// Serves `dir` by a command of the caller's.
    pub fn serve_by(dir: &Path, command: Command) -> Result<Replica> {
        let (child, ready, _) = start(command)?;
        let addr = ready["addr"].as_str().context("no addr in the ready line")?.to_owned();
        ensure!(addr.contains("/p2p/"), "the address names no peer: {addr}");
        Ok(Replica { dir: dir.to_owned(), addr, child })
    }

    pub fn kill(mut self) -> Result<PathBuf> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.dir.clone())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a password where `--password-file` can read it, for its owner's eyes only.
pub fn password_file(dir: &Path, user: &str, password: &str) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let file = dir.join(format!("{user}.password"));
    std::fs::write(&file, password)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

/// Starts a process and waits for its first line on stdout, which must be JSON.
fn start(mut command: Command) -> Result<(Child, Value, Said)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("starting allod")?;
    let stdout = child.stdout.take().context("no stdout")?;
    let (send, receive) = mpsc::sync_channel(1);
    // Both pipes are drained for the whole life of the process, or it would block on a full one.
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines();
        let _ = send.send(lines.next());
        for _ in lines {}
    });
    let said = Said::default();
    let tail = child.stderr.take().map(|stderr| drain(stderr, Arc::clone(&said)));
    let line = match receive.recv_timeout(READY_WITHIN) {
        Ok(Some(Ok(line))) => line,
        _ => {
            let _ = child.kill();
            let _ = child.wait();
            let _ = tail.map(std::thread::JoinHandle::join);
            bail!("allod did not become ready: {}", text_of(&said))
        }
    };
    let ready = serde_json::from_str(&line).with_context(|| format!("the first line is not JSON: {line}"))?;
    Ok((child, ready, said))
}

/// Keeps the last lines of a process's stderr in `said`.
fn drain(stderr: ChildStderr, said: Said) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let Ok(mut said) = said.lock() else { return };
            if said.len() == LINES {
                said.pop_front();
            }
            said.push_back(line);
        }
    })
}

fn text_of(said: &Said) -> String {
    said.lock().map(|lines| lines.iter().cloned().collect::<Vec<_>>().join("\n")).unwrap_or_default()
}
