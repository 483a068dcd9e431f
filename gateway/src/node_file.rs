//! `DIR/node.json`: where the running node is, and which process wrote that, on which directory. A blind replica has
//! a `DIR/replica.json` like it, without an address for HTTP.

use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};
use vault::data_dir::{DataDir, DataFile};

/// What the file says. Written at start (0600), removed at a clean end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFile {
    pub url: String,
    /// Where scripts reach the node in clear, on this machine alone, if `url` speaks TLS: a certificate is for
    /// the names by which others know the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    pub pid: u32,
    pub p2p: Vec<String>,
    written: Written,
}

/// By whom, and where. A copy of the directory is another directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    /// Device and inode of the directory.
    device: u64,
    inode: u64,
    /// The boot of the machine, and when the process began, in ticks since then (proc(5)): a process id comes again.
    boot: String,
    began: u64,
}

/// Why there is no node to speak to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// No file, or its process is gone.
    NotRunning,
    /// The file was copied: its node runs on another directory.
    Copied,
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedBy {
    Node,
    Replica,
}

impl ServedBy {
    fn file(self) -> DataFile {
        match self {
            ServedBy::Node => DataFile::NodeAddress,
            ServedBy::Replica => DataFile::ReplicaAddress,
        }
    }
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// When a process began; `None` if it is not there.
fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the 20th field behind it is the time.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

impl NodeFile {
    /// What the node, or the replica (with an empty `url`), of this process that runs on `dir` says.
    ///
    /// # Errors
    /// If the directory cannot be looked at.
    pub fn new(dir: &DataDir, url: &str, p2p: &[String]) -> std::io::Result<Self> {
        let found = dir.path().metadata()?;
        let pid = std::process::id();
        let written =
            Written { device: found.dev(), inode: found.ino(), boot: boot(), began: began(pid).unwrap_or_default() };
        Ok(NodeFile { url: url.to_owned(), local: None, pid, p2p: p2p.to_vec(), written })
    }

    /// The file of the node, or of the replica, that runs on `dir`.
    ///
    /// # Errors
    /// If none does, with whether the file is a copy of another directory's.
    pub fn read(dir: &DataDir, of: ServedBy) -> Result<Self, Absent> {
        let text = std::fs::read_to_string(dir.file(of.file())).map_err(|_| Absent::NotRunning)?;
        let file: NodeFile = serde_json::from_str(&text).map_err(|_| Absent::NotRunning)?;
        if file.written.boot != boot() || began(file.pid).is_none_or(|began| began != file.written.began) {
            return Err(Absent::NotRunning);
        }
        let found = dir.path().metadata().map_err(|_| Absent::NotRunning)?;
        if (found.dev(), found.ino()) == (file.written.device, file.written.inode) {
            Ok(file)
        } else {
            Err(Absent::Copied)
        }
    }

    /// The process that wrote the file.
    pub fn process(&self) -> Process {
        Process { pid: self.pid, began: self.written.began }
    }

    pub fn write(&self, dir: &DataDir, of: ServedBy) -> std::io::Result<()> {
        dir.write(of.file(), &serde_json::to_vec(self)?)
    }

    pub fn remove(dir: &DataDir, of: ServedBy) {
        dir.remove(of.file());
    }
}

/// A process of this machine, told from a later one of the same id.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    pid: u32,
    began: u64,
}

impl Process {
    pub fn is_running(self) -> bool {
        began(self.pid) == Some(self.began) && !is_zombie(self.pid)
    }
}

/// The process has ended, but its parent has not asked for its result yet.
fn is_zombie(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_only_on_its_directory_and_for_its_process() {
        let root = tempfile::tempdir().unwrap();
        let [home, copy] = ["home", "copy"].map(|name| DataDir::at(root.path().join(name)));
        for dir in [&home, &copy] {
            std::fs::create_dir(dir.path()).unwrap();
        }
        assert_eq!(NodeFile::read(&home, ServedBy::Node).unwrap_err(), Absent::NotRunning);
        let file = NodeFile::new(&home, "http://127.0.0.1:1", &[]).unwrap();
        file.write(&home, ServedBy::Node).unwrap();
        assert_eq!(NodeFile::read(&home, ServedBy::Node).unwrap().pid, std::process::id(), "control");
        std::fs::copy(home.file(DataFile::NodeAddress), copy.file(DataFile::NodeAddress)).unwrap();
        assert_eq!(NodeFile::read(&copy, ServedBy::Node).unwrap_err(), Absent::Copied);
        let changed = |change: fn(&mut NodeFile)| {
            let mut other = file.clone();
            change(&mut other);
            other.write(&home, ServedBy::Node).unwrap();
            NodeFile::read(&home, ServedBy::Node).unwrap_err()
        };
        assert_eq!(changed(|file| file.written.began += 1), Absent::NotRunning, "another process under the same id");
        assert_eq!(changed(|file| file.written.boot.push('0')), Absent::NotRunning, "another boot");
        assert_eq!(changed(|file| file.pid = u32::MAX), Absent::NotRunning);
    }
}
