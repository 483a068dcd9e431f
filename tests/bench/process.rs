//! A node to measure, how long it takes to start, and what it holds when nobody asks it anything.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::{Allod, Client, Node};

use harness::report::{Report, median};

/// A node in a temporary directory, with its owner signed in.
pub struct Subject {
    pub node: Node,
    pub owner: Client,
    pub root: tempfile::TempDir,
}

const OWNER: (&str, &str) = ("alice", "a password for the benchmark");

impl Subject {
    pub async fn start() -> Result<Subject> {
        let root = tempfile::tempdir()?;
        let allod = Allod::find()?;
        let dir = root.path().join("node");
        Node::init(&allod, &dir, OWNER.0, "bench", OWNER.1)?;
        let node = Node::serve(&allod, &dir)?;
        let owner = node.sign_in(OWNER.0, OWNER.1).await?;
        Ok(Subject { node, owner, root })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.node.url.trim_start_matches("http://").to_owned()
    }
}

/// From the start of the process to its ready line, over a node that holds documents.
pub async fn start(report: &mut Report) -> Result<()> {
    if !report.wants("start") {
        return Ok(());
    }
    let subject = Subject::start().await?;
    crate::reads::load(&subject.owner, 10_000).await?;
    let Subject { node, root, .. } = subject;
    let allod = node.allod.clone();
    let mut dir: PathBuf = node.stop()?;
    let mut times = Vec::new();
    for _ in 0..3 {
        let node = Node::serve(&allod, &dir)?;
        times.push(node.ready_after.as_secs_f64() * 1_000.0);
        dir = node.stop()?;
    }
    drop(root);
    report.alone("start", median(times), "ms", "to the ready line, 10,000 documents".into());
    Ok(())
}

/// Resident memory after a minute in which no view is open.
pub async fn idle(report: &mut Report) -> Result<()> {
    if !report.wants("idle memory") {
        return Ok(());
    }
    let subject = Subject::start().await?;
    crate::reads::load(&subject.owner, 10_000).await?;
    tokio::time::sleep(Duration::from_secs(65)).await;
    let rss = resident_mb(subject.node.pid())?;
    report.alone("idle memory", rss, "MB", "resident, 65 s after 10,000 documents were added".into());
    Ok(())
}

pub fn resident_mb(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kb: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kb / 1_000.0)
}
