//! The people of the demo, their node, and how a step is told.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::{Allod, Client, Node};

pub const ALICE: (&str, &str) = ("alice", "correct horse battery staple");
pub const BOB: (&str, &str) = ("bob", "a different long password");
pub const CAROL: (&str, &str) = ("carol", "yet another long password");

/// What the steps share.
pub struct Story {
    pub allod: Allod,
    pub root: tempfile::TempDir,
    /// Alice's home node; taken while it is down.
    node: Option<Node>,
    pub alice: Client,
    pub canaries: Vec<crate::canary::Canary>,
    step: u32,
}

impl Story {
    pub async fn begin() -> Result<Story> {
        let allod = Allod::find()?;
        let root = tempfile::tempdir()?;
        let dir = root.path().join("home");
        println!("Allod: {}", allod.path().display());
        println!("\n1. A home node, from an empty directory");
        let made = Node::init(&allod, &dir, ALICE.0, "home", ALICE.1)?;
        verified(&format!("init made user {}, tenant {}, space {}", made["user"], made["tenant"], made["space"]));
        let node = Node::serve(&allod, &dir)?;
        verified(&format!("ready after {:.0} ms on {}", node.ready_after.as_secs_f64() * 1000.0, node.url));
        let alice = node.sign_in(ALICE.0, ALICE.1).await?;
        verified("Alice signs in by her password");
        Ok(Story { allod, root, node: Some(node), alice, canaries: Vec::new(), step: 1 })
    }

    pub fn step(&mut self, title: &str) {
        self.step += 1;
        println!("\n{}. {title}", self.step);
    }

    pub fn node(&self) -> Result<&Node> {
        self.node.as_ref().context("the home node is down")
    }

    pub fn take_node(&mut self) -> Result<Node> {
        self.node.take().context("the home node is down")
    }

    /// Serves the home directory again, and signs Alice in.
    pub async fn restart(&mut self, dir: &Path) -> Result<()> {
        let node = Node::serve(&self.allod, dir)?;
        self.alice = node.sign_in(ALICE.0, ALICE.1).await?;
        self.node = Some(node);
        Ok(())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

/// Prints what was just verified.
pub fn verified(what: &str) {
    println!("   ✓ {what}");
}
