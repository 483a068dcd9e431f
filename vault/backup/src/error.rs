//! Why a place cannot be used.

/// Why a place cannot be used. The words in front of the colon are stable codes; a place is named as people name it.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("backup_place_missing: there are no backups at {0}")]
    Missing(String),
    #[error("backup_place_foreign: {0} holds other things than backups; choose an empty place")]
    Foreign(String),
    #[error(
        "backup_place_locked: the key does not open {0}: it is for other recovery words, or its file `allod-backup` was altered"
    )]
    Locked(String),
    #[error("backup_place_newer_version: {0} was made by a newer version of Allod; use that")]
    NewerVersion(String),
    #[error("backup_place_in_use: another backup to {0} is under way; wait until it is done")]
    InUse(String),
    #[error("backup_place_refused: {place} refuses it: {problem}")]
    Refused { place: String, problem: String },
    #[error("backup_place_full: {place} has no room: {problem}")]
    Full { place: String, problem: String },
    #[error("backup_place_unreachable: {place}: {problem}")]
    Unreachable { place: String, problem: String },
    #[error("backup_damaged: {path}: {problem}")]
    Damaged { path: String, problem: &'static str },
    #[error("backup_incomplete: {0} is missing")]
    Lost(String),
    #[error("backup_failed: what belongs to the backup is more than a manifest can say; nothing was added")]
    TooMuch,
    #[error("io: {path}: {source}")]
    Io { path: String, source: std::io::Error },
}
