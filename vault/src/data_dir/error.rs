//! Why a data directory cannot be used.

use std::path::{Path, PathBuf};

/// Why a data directory cannot be used. The words in front of the colon are stable codes.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("already_a_node: {0} already holds a node; choose an empty directory")]
    AlreadyANode(PathBuf),
    #[error("not_a_node: {0} does not hold a node; run `allod init` first")]
    NotANode(PathBuf),
    #[error("data_dir_in_use: a node is running on {0}; stop it first")]
    InUse(PathBuf),
    #[error("node_key_missing: {0} is missing; put it back from your backup, nothing was changed")]
    KeyMissing(PathBuf),
    #[error("node_key_damaged: {0} is not a node key; put it back from your backup, nothing was changed")]
    KeyDamaged(PathBuf),
    #[error("passphrase_needed: the node key is sealed; give its passphrase with --passphrase-file")]
    PassphraseNeeded,
    #[error("passphrase_wrong: this passphrase does not open the node key; nothing was changed")]
    PassphraseWrong,
    #[error("{code}: {path} can be read by others; run `chmod 600` on it")]
    KeyExposed { code: &'static str, path: PathBuf },
    #[error("holds_a_replica: {0} holds a blind replica; choose another directory")]
    AReplica(PathBuf),
    #[error(
        "path_too_long: the path of the data directory has {bytes} bytes, and SQLite takes {most}; choose a shorter one"
    )]
    PathTooLong { bytes: usize, most: usize },
    #[error("path_not_unicode: SQLite takes no path that is not UTF-8; choose another one than {0}")]
    PathNotUtf8(PathBuf),
    #[error(
        "network_file_system: {dir} lies on {kind}, whose locks do not keep two machines apart; choose a directory on a \
         local disk"
    )]
    NetworkFileSystem { dir: PathBuf, kind: String },
    #[error("no_locks: the file system of {0} does not keep locks; choose a directory on a local disk")]
    NoLocks(PathBuf),
    #[error("io: {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
}

pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> DirectoryError + '_ {
    move |source| DirectoryError::Io { path: path.to_owned(), source }
}
