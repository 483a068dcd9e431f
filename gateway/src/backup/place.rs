//! The place that backups of a node go to.

use std::path::{Path, PathBuf};

use vault::backup::BackupError;
use vault_backup::{Backup, Place, PlaceError};

use crate::app::App;
use crate::failure::{Exit, Failure};

impl From<PlaceError> for Failure {
    fn from(error: PlaceError) -> Self {
        Failure::coded(Exit::Failed, &error.to_string())
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        Failure::coded(Exit::Failed, &error.to_string())
    }
}

pub(super) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::failed("failed", &error.to_string())
}

/// Does what waits for disks on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| failed("the work was broken off; try again"))?
}

/// The place that a person names, if backups of the node may lie there.
pub(super) fn place_path(app: &App, to: &Path) -> Result<PathBuf, Failure> {
    if !to.is_absolute() {
        return Err(Failure::usage("backup_place_relative", "the place for backups is named by its whole path"));
    }
    let there = to.ancestors().find_map(|part| part.canonicalize().ok()).unwrap_or_else(|| to.to_owned());
    let home = app.dir.path().canonicalize().map_err(failed)?;
    if there.starts_with(&home) || home.starts_with(to.canonicalize().unwrap_or_else(|_| to.to_owned())) {
        let text = "the place for backups lies within the data directory, or around it: one disk would lose both";
        return Err(Failure::usage("backup_place_inside", text).hint("choose a directory on another disk"));
    }
    Ok(to.to_owned())
}

pub(super) async fn open_place(app: &App, to: &Path) -> Result<Place, Failure> {
    let (to, key) = (place_path(app, to)?, crate::recovery::secret(app).await?.backup_key());
    blocking(move || Ok(Place::open(&to, key)?)).await
}

/// The backup of a place that is called so (the beginning of its id does); without a name, the newest.
pub(super) fn pick(backups: &[Backup], id: Option<&str>) -> Result<Backup, Failure> {
    let missing = |text: &str| {
        Failure::new(Exit::NotFound, "backup_not_found", text).hint("`allod backup list` shows what is there")
    };
    let Some(id) = id else {
        return backups.first().cloned().ok_or_else(|| missing("there is no backup in the place"));
    };
    let mut found = backups.iter().filter(|backup| backup.name.to_string().starts_with(id) && id.len() >= 4);
    match (found.next(), found.next()) {
        (Some(backup), None) => Ok(backup.clone()),
        (None, _) => Err(missing("there is no backup of this id in the place")),
        (Some(_), Some(_)) => {
            Err(Failure::usage("backup_ambiguous", "several backups begin with this id; say more of it"))
        }
    }
}
