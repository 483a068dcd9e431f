//! How a right or a rule begins and ends: in the rows, in policy, in the audit.

use gateway_people::realm::Realm as _;
use policy::Delivery;
use policy::facts::{Party, Resource};
use policy_core::{AssignmentId, SpaceId, Timestamp};
use serde_json::json;

use super::{ApiError, Sharer, in_person, note, unchanged};
use crate::app::App;
use crate::directory::{Assignment, Directory, QuotaKind};
use crate::grants::rfc3339;
use crate::rights::Change;

/// What is to begin.
pub(super) struct Right<'a> {
    /// The id that it was promised under.
    pub(super) id: Option<AssignmentId>,
    pub(super) space: SpaceId,
    pub(super) resource: Resource,
    pub(super) relation: &'a str,
    pub(super) party: Option<Party>,
    pub(super) until: Option<Timestamp>,
}

/// Notes a right and enforces it; one that is there gets this end. Whether it is new, and whether it is in force: what
/// keeps something from somebody may be pending.
pub(super) async fn begin(
    app: &App,
    by: &Sharer,
    action: &str,
    right: Right<'_>,
) -> Result<(Assignment, bool, Delivery), ApiError> {
    let before = app.directory.assignment_of(right.resource, right.relation, right.party).await?;
    // It counts for who gave it last.
    let maker = app.directory.making(by.user()).await;
    if before.as_ref().is_none_or(|before| before.giver != by.user()) {
        app.directory.room_for_one(&maker, QuotaKind::Shares).await?;
    }
    let begun = Assignment {
        id: before.as_ref().map_or_else(|| right.id.unwrap_or_else(Directory::new_assignment_id), |before| before.id),
        space: right.space,
        resource: right.resource,
        relation: right.relation.to_owned(),
        party: right.party,
        until: right.until,
        // What somebody keeps from themselves stays their own.
        giver: before.as_ref().filter(|before| before.is_of_oneself()).map_or(by.user(), |before| before.giver),
        created: before.as_ref().map_or(app.now(), |before| before.created),
    };
    let change = Change::Begins(begun.space, begun.id);
    app.begin_change(&change).await?;
    match &before {
        None => app.directory.add_assignment(&begun).await?,
        Some(_) => app.directory.renew_assignment(&begun).await?,
    }
    let (put, remove) = begun.begun();
    let mut said = by.metadata(action);
    if let Some(before) = &before {
        said.insert("before".to_owned(), json!({ "until": before.until.map(rfc3339) }));
    }
    let delivery = match app.policy.write_by(put, remove, said).await {
        Ok(delivery) => delivery,
        Err(error) => {
            match &before {
                None => app.directory.remove_assignment(begun.id).await?,
                Some(before) => app.directory.renew_assignment(before).await?,
            }
            app.end_change(&change).await?;
            return Err(unchanged(error));
        }
    };
    noted(app, by, action, &begun).await?;
    if let Some(promised) = right.id {
        app.directory.remove_offer(promised).await?;
    }
    app.end_change(&change).await?;
    Ok((begun, before.is_none(), delivery))
}

/// Ends a right: when this returns, no permit rests on it.
pub(super) async fn end(app: &App, by: &Sharer, action: &str, right: &Assignment) -> Result<Delivery, ApiError> {
    let (put, remove) = right.ended();
    let change = Change::Ends(right.space, right.id);
    app.begin_change(&change).await?;
    let ended = app.policy.write_by(put, remove, by.metadata(action)).await;
    if ended.is_ok() {
        app.directory.remove_assignment(right.id).await?;
        noted(app, by, action, right).await?;
    }
    app.end_change(&change).await?;
    ended.map_err(unchanged)
}

/// Writes into the audit of everyone whom it concerns that a right began or ended.
async fn noted(app: &App, by: &Sharer, action: &str, right: &Assignment) -> Result<(), ApiError> {
    let mut concerned = match right.relation.as_str() {
        // What is kept from somebody is not told them.
        "hidden" | "blocked" => Vec::new(),
        _ => right.party.map(in_person).unwrap_or_default(),
    };
    concerned.extend(app.vault.owner_of(right.space));
    let detail = json!({
        "id": right.id,
        "space": right.space,
        "on": right.resource.object().to_string(),
        "relation": right.relation,
        "with": right.party.map(|party| party.subject().to_string()),
        "until": right.until.map(rfc3339),
    });
    note(app, by, &concerned, action, detail).await
}
