//! What sleeps after a restore: apps, links and what is shared wait until the owner has looked at the list, since nobody
//! can say which of it was taken back after the backup was taken.

use policy_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::place::failed;
use crate::app::App;
use crate::failure::Failure;
use crate::grants::rfc3339;
use crate::node::Node as _;
use crate::restoring::Sleeping;

/// What sleeps since a restore, or woke.
#[derive(Debug, Serialize, ToSchema)]
pub struct Asleep {
    /// When the node was restored; absent if nothing sleeps.
    #[schema(examples("2026-11-02T03:00:00Z"))]
    pub asleep_since: Option<String>,
    #[serde(flatten)]
    pub sleeping: Sleeping,
}

/// How much there is that sleeps after a restore.
///
/// # Errors
/// If it cannot be read.
pub async fn sleeping(app: &App) -> Result<Sleeping, Failure> {
    let held = app.directory.held().await.map_err(failed)?;
    Ok(Sleeping { grants: held.grants, links: held.links, shares: held.shares })
}

/// Since when the node sleeps, if it does, and what would wake.
///
/// # Errors
/// If the list cannot be read.
pub async fn status(app: &App) -> Result<Asleep, Failure> {
    let asleep_since = app.directory.asleep_since().map(|at| rfc3339(Timestamp(at.0)));
    Ok(Asleep { asleep_since, sleeping: sleeping(app).await? })
}

/// Wakes all of it; answers with what woke.
///
/// # Errors
/// If it cannot be written.
pub async fn confirm(app: &App) -> Result<Asleep, Failure> {
    let woken = status(app).await?;
    app.directory.wake().await.map_err(failed)?;
    app.advance_epoch();
    Ok(woken)
}
