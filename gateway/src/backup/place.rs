//! The place that backups of a node go to.

use std::sync::Arc;

use policy_core::Timestamp;
use vault::backup::BackupError;
use vault_backup::{Backup, Place, PlaceError, PlaceLock, Store, Unreadable};

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::grants::rfc3339;
use crate::places::{PlaceName, Target, place_failed};

impl From<PlaceError> for Failure {
    fn from(error: PlaceError) -> Self {
        place_failed(error)
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Place(error) => place_failed(error),
            other => Failure::coded(Exit::Failed, &other.to_string()),
        }
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

/// What keeps the files of the place that a person names, if backups of the node may lie there.
pub(super) fn store(app: &App, target: &Target) -> Result<Arc<dyn Store>, Failure> {
    let Target { to, key } = target;
    to.is_apart_from(app.dir.path())?;
    if let PlaceName::Hosted(address) = to
        && app.url.get().is_some_and(|own| *own == address.origin())
    {
        let text = "the place for backups is at this node itself: one disk would lose both";
        return Err(Failure::usage("backup_place_inside", text).hint("choose a place at another node"));
    }
    let access = app.access_to_places.get().cloned().unwrap_or_default();
    to.store(&access.with(to, key.clone()))
}

pub(super) async fn open_place(app: &App, target: &Target) -> Result<Place, Failure> {
    let (store, key) = (store(app, target)?, crate::recovery::secret(app).await?.backup_key());
    blocking(move || Ok(Place::open(store, key)?)).await
}

/// Does what needs the lock of a place, and lets go of it whatever comes of that.
pub(super) async fn locked<T>(
    place: &Place,
    work: impl AsyncFnOnce(Arc<PlaceLock>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let at = place.clone();
    let lock = Arc::new(blocking(move || Ok(at.lock()?)).await?);
    let done = work(Arc::clone(&lock)).await;
    blocking(move || {
        // Where something of the work still has it, it goes with that.
        Arc::into_inner(lock).into_iter().for_each(PlaceLock::release);
        Ok(())
    })
    .await?;
    done
}

/// The backup of a place that is called so (the beginning of its id does); without a name, the newest, if that can be told:
/// what cannot be read (`bad`) may be newer than all that can.
pub(super) fn pick(backups: &[Backup], bad: &[Unreadable], id: Option<&str>) -> Result<Backup, Failure> {
    let missing = |text: &str| {
        Failure::new(Exit::NotFound, "backup_not_found", text).hint("`allod backup list` shows what is there")
    };
    let Some(id) = id else {
        if !bad.is_empty() {
            return Err(untold(backups, bad));
        }
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

/// Of so many files that cannot be read it is said why.
const NAMED: usize = 4;

fn untold(backups: &[Backup], bad: &[Unreadable]) -> Failure {
    let named = bad.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let newest = match backups.first() {
        Some(newest) => {
            format!("the newest that can be read is {}, of {}", newest.id(), rfc3339(Timestamp(newest.manifest.at)))
        }
        None => "none of the place can be read".to_owned(),
    };
    let text = format!(
        "{} files among the backups of the place cannot be read, and one of them may be the newest: {named}; {newest}",
        bad.len()
    );
    Failure::failed("backup_damaged", &text)
        .hint("put the files back, or say which backup you want: `restore --backup ID`, `backup verify ID`")
}

#[cfg(test)]
mod tests {
    use super::super::prune::tests::backup;
    use super::*;
    use vault_backup::DataName;

    #[test]
    fn the_newest_is_not_guessed_where_something_cannot_be_read() {
        let backups = [backup(0xab, 2), backup(0xcd, 1)];
        let error =
            PlaceError::Damaged { path: "/mnt/backups/xyz".to_owned(), problem: "it does not hold what was put there" };
        let bad = [Unreadable { name: Some(DataName([9; 32])), error }];
        assert_eq!(pick(&backups, &[], None).unwrap().name, backups[0].name, "control");
        let refused = pick(&backups, &bad, None).err().unwrap();
        assert_eq!(refused.code, "backup_damaged");
        for named in ["/mnt/backups/xyz", &backups[0].id()] {
            assert!(refused.message.contains(named), "{}", refused.message);
        }
        assert_eq!(pick(&backups, &bad, Some("cdcd")).unwrap().name, backups[1].name, "control: it was said");
        assert_eq!(pick(&[], &[], None).err().unwrap().code, "backup_not_found");
    }
}
