//! What sleeps after a restore: apps, links and what is shared wait until the owner has looked at the list, since nobody
//! can say which of it was taken back after the backup was taken.

use policy_core::Timestamp;
use serde_json::{Value, json};

use super::place::failed;
use crate::app::App;
use crate::failure::Failure;
use crate::grants::rfc3339;
use crate::node::Node as _;

/// Since when the node sleeps, if it does, and what would wake.
///
/// # Errors
/// If the list cannot be read.
pub async fn status(app: &App) -> Result<Value, Failure> {
    let held = app.directory.held().await.map_err(failed)?;
    Ok(json!({
        "asleep_since": app.directory.asleep_since().map(|at| rfc3339(Timestamp(at.0))),
        "grants": held.grants, "links": held.links, "shares": held.shares,
    }))
}

/// Wakes all of it; answers with what woke.
///
/// # Errors
/// If it cannot be written.
pub async fn confirm(app: &App) -> Result<Value, Failure> {
    let woken = status(app).await?;
    app.directory.wake().await.map_err(failed)?;
    app.advance_epoch();
    Ok(woken)
}
