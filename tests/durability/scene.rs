//! A node in a directory of its own, behind the layer of `disk.c`.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use harness::{Allod, Node};
use serde_json::Value;

use crate::work::SCHEMA;

const LAYER: &str = include_str!("disk.c");
pub const OWNER: (&str, &str) = ("alice", "correct horse battery staple");
/// How many numbers the layer's control holds.
const WORDS: usize = 16;

/// What the layer can be told, by its place in the control.
#[derive(Debug, Clone, Copy)]
pub enum Word {
    FailWith = 0,
    WritesLeft = 1,
    Syncs = 2,
    SyncError = 3,
    SyncsLeft = 4,
    Clock = 5,
    SyncDelay = 6,
}

pub struct Scene {
    pub allod: Allod,
    /// The node's directory.
    pub dir: PathBuf,
    root: tempfile::TempDir,
    boots: std::cell::Cell<u64>,
}

impl Scene {
    /// A node that was set up and stopped. `unsynced`: of which files the layer says wrongly that they are synced, when
    /// it is told to.
    pub async fn set(unsynced: Option<&str>) -> Result<Scene> {
        let memory = Path::new("/dev/shm");
        let root = tempfile::Builder::new()
            .prefix("allod-durability.")
            .tempdir_in(memory)
            .or_else(|_| tempfile::tempdir())
            .context("a directory for the rig")?;
        let base = root.path().canonicalize()?;
        let (source, layer, dir) = (base.join("disk.c"), base.join("disk.so"), base.join("node"));
        std::fs::write(&source, LAYER)?;
        let flags = ["-O1", "-shared", "-fPIC", "-o"];
        let built = Command::new("cc").args(flags).arg(&layer).arg(&source).args(["-ldl", "-lpthread"]).output();
        let built = built.context("no C compiler: apt-get install gcc")?;
        ensure!(built.status.success(), "disk.c does not compile: {}", String::from_utf8_lossy(&built.stderr));
        std::fs::write(base.join("control"), [0; WORDS * 8])?;
        let mut allod = Allod::find()?
            .with("LD_PRELOAD", &layer)
            .with("RIG_DIR", &dir)
            .with("RIG_CONTROL", base.join("control"))
            .with("RIG_BOOT", base.join("boot"));
        if let Some(unsynced) = unsynced {
            allod = allod.with("RIG_UNSYNCED", unsynced);
        }
        let scene = Scene { allod, dir, root, boots: std::cell::Cell::new(0) };
        scene.boot()?;
        Node::init(&scene.allod, &scene.dir, OWNER.0, "home", OWNER.1)?;
        let journal = scene.file("journal");
        let node = scene.serve(Some(&journal))?;
        node.operator()?.define(SCHEMA).await?;
        node.stop()?;
        let seen = journal.metadata().map_or(0, |file| file.len());
        ensure!(
            seen > 0,
            "the layer sees nothing of {}: a static binary cannot be looked at",
            scene.allod.path().display()
        );
        Ok(scene)
    }

    /// Something of the rig, outside of the node's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.with_file_name(name)
    }

    /// The machine was started again, as far as the node can tell.
    pub fn boot(&self) -> Result<()> {
        self.boots.set(self.boots.get() + 1);
        let id = format!("00000000-0000-4000-8000-{:012x}\n", self.boots.get());
        Ok(std::fs::write(self.root.path().join("boot"), id)?)
    }

    /// Serves the directory; what it does to it goes into a new `journal`.
    pub fn serve(&self, journal: Option<&Path>) -> Result<Node> {
        let mut command = self.allod.command(&self.dir, &["serve", "--listen", "127.0.0.1:0"]);
        if let Some(journal) = journal {
            let _ = std::fs::remove_file(journal);
            command.env("RIG_JOURNAL", journal);
        }
        Node::serve_by(self.allod.clone(), &self.dir, command)
    }

    /// Tells the layer something.
    pub fn tell(&self, word: Word, value: i64) -> Result<()> {
        let file = OpenOptions::new().write(true).open(self.file("control"))?;
        Ok(file.write_all_at(&value.to_le_bytes(), word as u64 * 8)?)
    }

    /// The layer does no harm any more.
    pub fn calm(&self) -> Result<()> {
        [Word::FailWith, Word::Syncs, Word::SyncError, Word::Clock, Word::SyncDelay]
            .into_iter()
            .try_for_each(|word| self.tell(word, 0))
    }

    /// What `doctor` says of the stopped node: whether all is well, and the digest of its space.
    pub fn doctor(&self, rebuild: bool) -> Result<(bool, Value)> {
        let args: &[&str] = if rebuild { &["doctor", "--rebuild"] } else { &["doctor"] };
        let outcome = self.allod.run(&self.dir, args)?;
        Ok((outcome.code == 0, outcome.json))
    }

    /// Keeps the directory for whoever looks for the fault.
    pub fn keep(&self, name: &str) -> Result<PathBuf> {
        let to = std::env::temp_dir().join(format!("allod-durability-{name}"));
        let _ = std::fs::remove_dir_all(&to);
        Command::new("cp").arg("-a").arg(&self.dir).arg(&to).status()?;
        Ok(to)
    }
}

/// Of a `doctor`: what is bad.
pub fn bad(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let bad = checks.iter().filter(|check| check["state"] == "bad");
    bad.map(|check| format!("{}: {}", check["name"], check["detail"])).collect()
}

/// Of a `doctor`: digest and number of documents of every space.
pub fn digests(report: &Value) -> Vec<(String, String, String)> {
    let spaces = report["spaces"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |space: &Value| (space["id"].to_string(), space["digest"].to_string(), space["documents"].to_string());
    spaces.iter().map(one).collect()
}
