//! What was done: the slice of whoever asks, and for operators everybody's.

use std::collections::HashMap;

use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::HEXLOWER;
use policy_core::{ClientId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::people::unknown_user;
use super::{ApiError, Data, body, person};
use crate::directory::{ActorKind, AuditRow, Directory, Wanted};
use crate::front::described::{Id, Instant};
use crate::front::listed::linked;
use crate::front::operator::Operator;
use crate::front::refusals::UnknownUser;

#[derive(utoipa::OpenApi)]
#[openapi(paths(own, all))]
pub(super) struct Api;

/// How many acts are shown at once.
const MAX_ROWS: u64 = 500;

/// An act that concerns the person.
#[derive(Debug, Serialize, ToSchema)]
struct ActView {
    #[schema(value_type = Instant)]
    at: String,
    /// `operator`, `node`, or a person (as an operator, too) or an app by their id.
    actor: String,
    #[schema(examples("grant.revoked"))]
    action: String,
    /// Ids of what it was about.
    #[schema(value_type = Object)]
    detail: Value,
}

/// An act that concerns somebody.
#[derive(Debug, Serialize, ToSchema)]
struct ActOfAll {
    #[serde(flatten)]
    act: ActView,
    /// Whom it concerns.
    #[schema(value_type = Id)]
    user: UserId,
    /// Null: the account is not on this node.
    #[schema(required = true)]
    user_name: Option<String>,
    /// The name of the person or app that acted, if they are known here.
    #[schema(required = true)]
    actor_name: Option<String>,
    /// Whether it was a person who is not here any more.
    actor_removed: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// What was done, as the audit names it.
    #[param(example = "grant.revoked")]
    action: Option<String>,
    /// By whom: `operator`, `person`, `app` or `node`.
    #[param(example = "app")]
    by: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Where to go on: what `Link` names.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQueryOfAll {
    /// What concerns this person, by name.
    user: Option<String>,
    /// What an app did, and what is about it.
    #[param(value_type = Option<Id>)]
    app: Option<String>,
    /// What was done, as the audit names it.
    #[param(example = "grant.revoked")]
    action: Option<String>,
    /// By whom: `operator`, `person`, `app` or `node`.
    #[param(example = "app")]
    by: Option<String>,
    /// How many at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// Where to go on: what `Link` names.
    cursor: Option<String>,
}

fn kind(word: Option<&str>) -> Result<Option<ActorKind>, ApiError> {
    let Some(word) = word else { return Ok(None) };
    let known = ActorKind::ALL.into_iter().find(|kind| kind.word() == word);
    known.map(Some).ok_or_else(|| ApiError::bad_request("`by` is `operator`, `person`, `app` or `node`."))
}

/// The act behind which a part begins.
fn behind(cursor: Option<&str>) -> Result<Option<(Timestamp, Vec<u8>)>, ApiError> {
    let Some(text) = cursor else { return Ok(None) };
    let read = || {
        let (at, id) = text.split_once('.')?;
        Some((Timestamp(at.parse().ok()?), HEXLOWER.decode(id.as_bytes()).ok()?))
    };
    read().map(Some).ok_or_else(|| ApiError::bad_request("`cursor` is none that was given here."))
}

/// A part of what is wanted, and the cursor of the next.
async fn part(
    directory: &Directory,
    wanted: &Wanted<'_>,
    limit: Option<u64>,
    cursor: Option<&str>,
) -> Result<(Vec<AuditRow>, Option<String>), ApiError> {
    let most = limit.unwrap_or(MAX_ROWS);
    if !(1..=MAX_ROWS).contains(&most) {
        return Err(ApiError::bad_request(format!("`limit` lies between 1 and {MAX_ROWS}.")));
    }
    let mut rows = directory.acts_before(wanted, behind(cursor)?, most + 1).await?;
    let more = rows.len() as u64 > most;
    rows.truncate(most as usize);
    let next = rows.last().filter(|_| more).map(|last| format!("{}.{}", last.at.0, HEXLOWER.encode(&last.id)));
    Ok((rows, next))
}

fn act_view(row: AuditRow) -> ActView {
    ActView { at: body::instant(row.at), actor: row.actor, action: row.action, detail: row.detail }
}

/// What concerns the one who asks, newest first
#[utoipa::path(get, path = "/api/v1/audit", tag = "people", params(AuditQuery), responses(
    (status = 200, description = "The newest acts, or those behind `cursor`; `Link: rel=\"next\"` leads to older ones", body = Vec<ActView>),
    (status = 400, description = "`invalid_input`: `limit`, `by` or `cursor` is none")))]
pub(super) async fn own(node: Data, req: HttpRequest, asked: Query<AuditQuery>) -> Result<HttpResponse, ApiError> {
    let user = person(&req, &**node).await?.caller.user;
    let by = kind(asked.by.as_deref())?;
    let wanted = Wanted { user: Some(user), by, app: None, action: asked.action.as_deref() };
    let (rows, next) = part(node.directory(), &wanted, asked.limit, asked.cursor.as_deref()).await?;
    let list: Vec<ActView> = rows.into_iter().map(act_view).collect();
    Ok(linked(&req, HttpResponse::Ok().json(list), next.map(|next| ("cursor", next))))
}

/// What concerns anybody, newest first
///
/// For operators. It tells that something was done and to which ids, and nothing of what anybody has written.
#[utoipa::path(get, path = "/api/v1/audit/all", tag = "people", params(AuditQueryOfAll), responses(
    (status = 200, description = "The newest acts, or those behind `cursor`; `Link: rel=\"next\"` leads to older ones", body = Vec<ActOfAll>),
    (status = 400, description = "`invalid_input`: `app`, `limit`, `by` or `cursor` is none"),
    UnknownUser))]
pub(super) async fn all(
    node: Data,
    req: HttpRequest,
    _by: Operator,
    asked: Query<AuditQueryOfAll>,
) -> Result<HttpResponse, ApiError> {
    let directory = node.directory();
    let user = match &asked.user {
        None => None,
        Some(name) => Some(directory.user_named(name).await?.ok_or_else(unknown_user)?.id),
    };
    let app = asked.app.as_deref().map(str::parse::<ClientId>).transpose();
    let app = app.map_err(|_| ApiError::bad_request("`app` is the id of an app."))?;
    let wanted = Wanted { user, by: kind(asked.by.as_deref())?, app, action: asked.action.as_deref() };
    let (rows, next) = part(directory, &wanted, asked.limit, asked.cursor.as_deref()).await?;
    let names: HashMap<UserId, String> =
        directory.users().await?.into_iter().map(|user| (user.id, user.name)).collect();
    let apps: HashMap<String, String> =
        directory.apps().await?.into_iter().map(|app| (app.client.to_string(), app.manifest.name)).collect();
    let actor_name = |actor: &str| match actor.split_once(':') {
        Some(("app", id)) => apps.get(id).cloned(),
        Some((_, id)) => names.get(&id.parse().ok()?).cloned(),
        None => None,
    };
    let of_all = |row: AuditRow| ActOfAll {
        user: row.user,
        user_name: names.get(&row.user).cloned(),
        actor_name: actor_name(&row.actor),
        actor_removed: row
            .actor
            .split_once(':')
            .filter(|(kind, _)| *kind != "app")
            .and_then(|(_, id)| id.parse().ok())
            .is_some_and(|id| directory.is_removed(id)),
        act: act_view(row),
    };
    let list: Vec<ActOfAll> = rows.into_iter().map(of_all).collect();
    Ok(linked(&req, HttpResponse::Ok().json(list), next.map(|next| ("cursor", next))))
}
