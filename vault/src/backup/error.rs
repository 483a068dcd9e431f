//! Why a backup was not made, or not put back.

use vault_backup::{Ahead, PlaceError, Refused};

use crate::data_dir::DirectoryError;
use crate::database::DatabaseError;
use crate::log::Scope;

/// Why a backup was not made, or not put back. The words in front of the colon are stable codes.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("backup_place_newer: the place holds a newer backup of this node than this directory is{}; nothing was written: restore that backup, or choose another place", first(.0))]
    Newer(Vec<Ahead>),
    #[error(
        "backup_place_diverged: since its newest backup the place has gone on from another copy of this directory; nothing was written: choose another place"
    )]
    Diverged,
    #[error(
        "backup_place_newer: the newest backup of the place ({0}) was not made by this directory, nor is it what this was restored from: another copy of the directory has gone on, and this one may be older; nothing was written: restore that backup, choose another place, or say --continue if this directory is the one that counts"
    )]
    Unfollowed(String),
    #[error(
        "backup_damaged: {0}; it may be the newest backup of the place, made by another copy of this directory; nothing was written: put the file back or move it elsewhere, or say --continue if this directory is the one that counts"
    )]
    Untold(String),
    #[error("backup_place_of_another: the backups of the place are of another node; choose another place")]
    Another,
    #[error("backup_damaged: {0}")]
    Damaged(&'static str),
    #[error("the log or the node database failed: {0}")]
    Sql(#[from] rusqlite::Error),
    #[error("the log failed: {0}")]
    Log(#[from] sea_orm::DbErr),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("io: {0}")]
    Io(#[from] std::io::Error),
    #[error("the work was broken off; try again")]
    CutOff(#[from] crate::turn::CutOff),
}

impl From<Refused> for BackupError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Newer(ahead) => BackupError::Newer(ahead),
            Refused::Diverged(_) => BackupError::Diverged,
            Refused::Another => BackupError::Another,
        }
    }
}

fn first(ahead: &[Ahead]) -> String {
    let Some(Ahead { scope, has, had }) = ahead.first() else { return String::new() };
    let of = match Scope::from_bytes(scope) {
        Some(Scope::Account(id)) => format!("account {id}"),
        Some(Scope::Space(id)) => format!("space {id}"),
        None => return String::new(),
    };
    format!(" ({of} has {has} of {had} positions)")
}
