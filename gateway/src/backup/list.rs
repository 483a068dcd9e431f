//! `allod backup list`.

use policy_core::Timestamp;
use serde_json::{Value, json};
use vault_backup::{Backup, Place};

use super::place::{blocking, open_place};
use crate::app::App;
use crate::failure::Failure;
use crate::grants::rfc3339;
use crate::places::Target;

/// The backups of a place, the newest first.
///
/// # Errors
/// If the place cannot be opened.
pub async fn list(app: &App, target: &Target) -> Result<Value, Failure> {
    let place = open_place(app, target).await?;
    blocking(move || backups_json(&place)).await
}

fn backups_json(place: &Place) -> Result<Value, Failure> {
    let (backups, bad) = place.backups()?;
    let one = |backup: &Backup| {
        json!({
            "backup": backup.id(), "at": rfc3339(Timestamp(backup.manifest.at)), "bytes": bytes(backup),
            "position": backup.manifest.position(),
            "verified": backup.tested.map(|at| rfc3339(Timestamp(at))),
        })
    };
    let mut all: Vec<Value> = backups.iter().map(one).collect();
    all.extend(bad.iter().map(|error| json!({ "backup": Value::Null, "problem": error.to_string() })));
    Ok(all.into())
}

/// The files that a backup rests on, but for its manifest.
fn bytes(backup: &Backup) -> u64 {
    backup.manifest.segments.iter().map(|stored| stored.bytes).sum::<u64>() + backup.manifest.database
}
