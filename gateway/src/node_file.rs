//! `DIR/node.json`: where the running node is.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What the file says. Written at start (0600), removed at a clean end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeFile {
    pub url: String,
    pub pid: u32,
    pub p2p: Vec<String>,
}

fn path(dir: &Path) -> PathBuf {
    dir.join("node.json")
}

/// Writes a file for its owner's eyes only, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let fresh = path.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

impl NodeFile {
    /// The file of a running node; `None` if there is none, or if its process is gone.
    pub fn read(dir: &Path) -> Option<Self> {
        let file: NodeFile = serde_json::from_str(&std::fs::read_to_string(path(dir)).ok()?).ok()?;
        Path::new(&format!("/proc/{}", file.pid)).exists().then_some(file)
    }

    pub fn write(&self, dir: &Path) -> std::io::Result<()> {
        write_private(&path(dir), &serde_json::to_vec(self)?)
    }

    pub fn remove(dir: &Path) {
        let _ = std::fs::remove_file(path(dir));
    }
}
