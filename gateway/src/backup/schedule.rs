//! Backups that the node makes by itself: the section `backup` of its settings.

use std::sync::Arc;
use std::time::Duration;

use gateway_people::realm::Realm as _;
use serde_json::Value;

use super::create::{Wish, create};
use super::prune::{Keep, prune};
use crate::app::App;
use crate::failure::Failure;
use crate::places::{PlaceName, Target};

/// What the node was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub to: PlaceName,
    pub every: Duration,
    /// `None`: nothing is removed.
    pub keep: Option<Keep>,
}

/// How often the clock is looked at, which may leap.
const LOOK: Duration = Duration::from_secs(15);
/// A try that failed is made again after this, or after the time between two backups if that is less.
const AGAIN: Duration = Duration::from_secs(15 * 60);
/// And one for which the place has no room after this: what it sends is sent for nothing.
const AGAIN_IF_FULL: Duration = Duration::from_secs(6 * 60 * 60);
const FULL: &str = "backup_place_full";

/// Makes backups for as long as the node runs.
pub async fn run(app: Arc<App>, schedule: Schedule) {
    app.backups.set_interval(schedule.every);
    let mut look = tokio::time::interval(LOOK.min(schedule.every));
    let mut tried: Option<(tokio::time::Instant, Duration)> = None;
    loop {
        look.tick().await;
        let waits = tried.is_some_and(|(at, again)| at.elapsed() < again.min(schedule.every));
        if waits || !is_due(&app, &schedule) {
            continue;
        }
        let target = Target { to: schedule.to.clone(), key: None };
        tried = match once(&app, &target, schedule.keep).await {
            Ok(()) => None,
            Err(Failure { message: why, code, .. }) => {
                tracing::error!(to = %schedule.to, code, %why, "backing up has failed");
                app.backups.failed(why);
                Some((tokio::time::Instant::now(), if code == FULL { AGAIN_IF_FULL } else { AGAIN }))
            }
        };
    }
}

pub(super) fn is_due(app: &App, schedule: &Schedule) -> bool {
    let standing = app.backups.standing();
    let Some(last) = standing.last.filter(|last| last.to == schedule.to.to_string()) else { return true };
    let since = app.now().0 - last.at;
    // A clock that was ahead has noted a time that is yet to come.
    since < 0 || since as u128 >= schedule.every.as_micros()
}

pub(super) async fn once(app: &App, target: &Target, keep: Option<Keep>) -> Result<(), Failure> {
    let made = match create(app, target, Wish::default()).await {
        // What need not stay, and what tries that were broken off have left, makes room.
        Err(full) if full.code == FULL => {
            tracing::warn!(to = %target.to, why = full.message, "the place is full: what need not stay is removed, and it is tried once more");
            if pruned(app, target, keep).await.is_err() {
                return Err(full);
            }
            create(app, target, Wish::default()).await?
        }
        other => other?,
    };
    tracing::info!(backup = %made["backup"], new_bytes = %made["new_bytes"], untested = %made["untested"], "backed up");
    let pruned = pruned(app, target, keep).await.map_err(|failure| Failure {
        message: format!("the backup was made, but old ones were not removed: {}", failure.message),
        ..failure
    })?;
    tracing::info!(bytes = %pruned["bytes"], "old backups removed");
    Ok(())
}

async fn pruned(app: &App, target: &Target, keep: Option<Keep>) -> Result<Value, Failure> {
    prune(app, target, keep, false).await
}
