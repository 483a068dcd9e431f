//! What a node notes of its backups in its own database: how the last one went, and which backups of which places come before
//! the next one.

use std::collections::BTreeSet;

use gateway_people::realm::Realm as _;
use vault::backup::Followed;
use vault_backup::Backup;

use super::place::failed;
use crate::app::App;
use crate::backup_standing::LastBackup;
use crate::failure::Failure;
use crate::places::PlaceName;

/// The setting that says how the last backup went.
const LAST: &str = "backup last";
/// The setting that says which backups this directory comes after, by places.
const FOLLOWED: &str = "backup followed";
/// So many places, and backups of each, are remembered: those that were used last.
const PLACES: usize = 32;
const BACKUPS: usize = 4_096;

/// Of each place the ids of the backups that this directory comes after, the newest first.
type Places = Vec<(String, Vec<String>)>;

async fn setting<T: serde::de::DeserializeOwned>(app: &App, name: &str) -> Result<Option<T>, Failure> {
    let text = app.vault.accounts().setting(name).await.map_err(failed)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

async fn note(app: &App, name: &str, value: &impl serde::Serialize) -> Result<(), Failure> {
    app.vault.accounts().set(name, &serde_json::to_string(value).map_err(failed)?).await.map_err(failed)
}

/// Reads what was noted of the last backup.
pub async fn remember(app: &App) {
    match setting(app, LAST).await {
        Ok(last) => last.into_iter().for_each(|last| app.backups.made(last)),
        Err(failure) => tracing::warn!(why = failure.message, "what was noted of the last backup cannot be read"),
    }
}

/// One is in the place. When one was last tested there is known still.
pub(super) async fn made(app: &App, to: &PlaceName, backup: &Backup) -> Result<(), Failure> {
    let before: Option<LastBackup> = setting(app, LAST).await?;
    let to = to.to_string();
    let tested = before.filter(|before| before.to == to).and_then(|before| before.tested).max(backup.tested);
    let last = LastBackup { to, backup: backup.id(), at: backup.manifest.at, tested };
    note(app, LAST, &last).await?;
    app.backups.made(last);
    Ok(())
}

/// One of the place was restored for a test, and is whole.
pub(super) async fn tested(app: &App, to: &PlaceName) -> Result<(), Failure> {
    let last: Option<LastBackup> = setting(app, LAST).await?;
    let Some(last) = last.filter(|last| last.to == to.to_string()) else { return Ok(()) };
    let last = LastBackup { tested: Some(app.now().0), ..last };
    note(app, LAST, &last).await?;
    app.backups.tested(last);
    Ok(())
}

/// The backups that this directory comes after.
pub(super) async fn followed(app: &App) -> Result<Followed, Failure> {
    let places: Places = setting(app, FOLLOWED).await?.unwrap_or_default();
    let mut ids: BTreeSet<String> = places.into_iter().flat_map(|(_, ids)| ids).collect();
    // All that was noted by versions before this.
    let last: Option<LastBackup> = setting(app, LAST).await?;
    ids.extend(last.map(|last| last.backup));
    Ok(Followed::These(ids))
}

/// The directory comes after these of a place, the newest first.
pub(super) async fn follow(app: &App, to: &PlaceName, mut ids: Vec<String>) -> Result<(), Failure> {
    let mut places: Places = setting(app, FOLLOWED).await?.unwrap_or_default();
    let to = to.to_string();
    places.retain(|(place, _)| *place != to);
    ids.truncate(BACKUPS);
    places.push((to, ids));
    let gone = places.len().saturating_sub(PLACES);
    places.drain(..gone);
    note(app, FOLLOWED, &places).await
}
