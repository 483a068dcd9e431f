//! The files of a data directory: one table, which says of each whose it is and for whose eyes.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where views lie.
pub(super) const VIEWS: &str = "views";

/// A file of a data directory, but for views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataFile {
    /// Held by the process that works on the directory; says whether its databases have been there.
    Lock,
    /// The key under which a node seals what it keeps for itself.
    NodeKey,
    /// The control plane, encrypted as a whole.
    NodeDatabase,
    /// Sealed commits, of a node or of a blind replica.
    Log,
    /// Where the running node is.
    NodeAddress,
    /// What scripts of the operator bear over TCP while the node runs.
    LocalToken,
    /// The socket by which the command line reaches the node, or the replica, while it runs.
    ControlSocket,
    /// The seed of a blind replica's identity.
    ReplicaKey,
    /// A blind replica's small database.
    ReplicaDatabase,
    /// Where the blind replica listened last, so that it is found there again.
    ReplicaListen,
    /// Where the running blind replica is.
    ReplicaAddress,
}

impl DataFile {
    pub const ALL: [DataFile; 11] = [
        DataFile::Lock,
        DataFile::NodeKey,
        DataFile::NodeDatabase,
        DataFile::Log,
        DataFile::NodeAddress,
        DataFile::LocalToken,
        DataFile::ControlSocket,
        DataFile::ReplicaKey,
        DataFile::ReplicaDatabase,
        DataFile::ReplicaListen,
        DataFile::ReplicaAddress,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            DataFile::Lock => "node.lock",
            DataFile::NodeKey => "node.key",
            DataFile::NodeDatabase => "node.db",
            DataFile::Log => "log.db",
            DataFile::NodeAddress => "node.json",
            DataFile::LocalToken => "local.token",
            DataFile::ControlSocket => "control.sock",
            DataFile::ReplicaKey => "replica.key",
            DataFile::ReplicaDatabase => "replica.db",
            DataFile::ReplicaListen => "replica.addr",
            DataFile::ReplicaAddress => "replica.json",
        }
    }

    /// Who had the chance to read one may have it: it is not closed behind its owner's back, but refused.
    pub const fn is_key(self) -> bool {
        matches!(self, DataFile::NodeKey | DataFile::ReplicaKey)
    }

    const fn is_database(self) -> bool {
        matches!(self, DataFile::NodeDatabase | DataFile::Log | DataFile::ReplicaDatabase)
    }

    /// The stable code of its loss.
    pub const fn missing_code(self) -> &'static str {
        match self {
            DataFile::NodeKey => "node_key_missing",
            DataFile::NodeDatabase => "node_database_missing",
            DataFile::Log => "log_missing",
            DataFile::ReplicaKey => "replica_key_missing",
            DataFile::ReplicaDatabase => "replica_database_missing",
            DataFile::Lock
            | DataFile::NodeAddress
            | DataFile::LocalToken
            | DataFile::ControlSocket
            | DataFile::ReplicaListen
            | DataFile::ReplicaAddress => "file_missing",
        }
    }

    /// The file, and what SQLite keeps beside it.
    pub(crate) fn with_companions(self, dir: &Path) -> impl Iterator<Item = PathBuf> {
        let companions: &[&str] = if self.is_database() { &["", "-wal", "-shm", "-journal"] } else { &[""] };
        let path = dir.join(self.name());
        companions.iter().map(move |suffix| {
            let mut path = path.as_os_str().to_owned();
            path.push(suffix);
            PathBuf::from(path)
        })
    }
}

/// Takes from others what an earlier version, or a careless copy, let them read. Keys are not among it: their owner
/// has to know.
pub(super) fn narrow(dir: &Path) {
    for file in DataFile::ALL.into_iter().filter(|file| !file.is_key()) {
        file.with_companions(dir).for_each(|path| close_file(&path));
    }
    let views = dir.join(VIEWS);
    if ours(&views, true).is_some() {
        close(&views, 0o700);
    }
    if let Ok(entries) = std::fs::read_dir(&views) {
        entries.filter_map(Result::ok).for_each(|entry| close_file(&entry.path()));
    }
    // A directory that also holds what is not ours (a home directory, say) is its owner's to close.
    let only_ours = std::fs::read_dir(dir).is_ok_and(|mut entries| {
        entries.all(|entry| entry.is_ok_and(|entry| is_known(&entry.file_name().to_string_lossy())))
    });
    if let Some(found) = ours(dir, true)
        && only_ours
        && found.mode() & 0o1000 == 0
    {
        close(dir, 0o700);
    }
}

/// Whether a name in the directory is one of ours, or one that a fresh file system has.
fn is_known(name: &str) -> bool {
    let of_a_file = |file: DataFile| {
        name.strip_prefix(file.name()).is_some_and(|rest| matches!(rest, "" | ".new" | "-wal" | "-shm" | "-journal"))
    };
    let snapshot = name.starts_with(crate::upgrade::SNAPSHOT);
    snapshot
        || name == VIEWS
        || name == "lost+found"
        || name == "allod.toml"
        || DataFile::ALL.into_iter().any(of_a_file)
}

/// What lies there, if it is of this user and others have some right to it.
fn ours(path: &Path, directory: bool) -> Option<std::fs::Metadata> {
    let found = path.symlink_metadata().ok()?;
    let kind = if directory { found.is_dir() } else { found.is_file() };
    (kind && found.mode() & 0o077 != 0 && found.uid() == rustix::process::geteuid().as_raw()).then_some(found)
}

fn close_file(path: &Path) {
    if ours(path, false).is_some() {
        close(path, 0o600);
    }
}

fn close(path: &Path, mode: u32) {
    if let Err(error) = std::fs::set_permissions(path, Permissions::from_mode(mode)) {
        tracing::warn!(path = %path.display(), %error, "others may read this; it could not be changed");
    }
}
