//! Backups that the node makes by itself: the section `backup` of its settings.

use std::sync::Arc;
use std::time::Duration;

use gateway_people::realm::Realm as _;

use super::create::{LAST, create};
use super::prune::{Keep, prune};
use crate::app::App;
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

/// Reads what was noted of the last backup.
pub async fn remember(app: &App) {
    match app.vault.accounts().setting(LAST).await {
        Ok(Some(text)) => {
            if let Ok(last) = serde_json::from_str(&text) {
                app.backups.made(last);
            }
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "what was noted of the last backup cannot be read"),
    }
}

/// Makes backups for as long as the node runs.
pub async fn run(app: Arc<App>, schedule: Schedule) {
    app.backups.set_interval(schedule.every);
    let mut look = tokio::time::interval(LOOK.min(schedule.every));
    let mut tried: Option<tokio::time::Instant> = None;
    loop {
        look.tick().await;
        let waits = tried.is_some_and(|at| at.elapsed() < AGAIN.min(schedule.every));
        if waits || !is_due(&app, &schedule) {
            continue;
        }
        tried = match once(&app, &schedule).await {
            Ok(()) => None,
            Err(why) => {
                tracing::error!(to = %schedule.to, %why, "the backup was not made");
                app.backups.failed(why);
                Some(tokio::time::Instant::now())
            }
        };
    }
}

fn is_due(app: &App, schedule: &Schedule) -> bool {
    let standing = app.backups.standing();
    let Some(last) = standing.last.filter(|last| last.to == schedule.to.to_string()) else { return true };
    let since = app.now().0 - last.at;
    // A clock that was ahead has noted a time that is yet to come.
    since < 0 || since as u128 >= schedule.every.as_micros()
}

async fn once(app: &App, schedule: &Schedule) -> Result<(), String> {
    let target = Target { to: schedule.to.clone(), key: None };
    let made = create(app, &target, None).await.map_err(|failure| failure.message)?;
    tracing::info!(backup = %made["backup"], new_bytes = %made["new_bytes"], "backed up");
    if let Some(keep) = schedule.keep {
        let pruned = prune(app, &target, keep, false).await.map_err(|failure| failure.message)?;
        tracing::info!(bytes = %pruned["bytes"], "old backups removed");
    }
    Ok(())
}
