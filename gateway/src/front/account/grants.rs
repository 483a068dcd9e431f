//! Grants: given by the operator, seen and taken back by the person who gave them.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{ClientId, GrantId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use vault_core::control::GrantRecord;

use super::people::unknown_user;
use super::{ApiError, Data, body, operator, person};
use crate::authn::Principal;
use crate::directory::{Act, Actor, GrantRow};
use crate::front::described::{Access, Id, Instant};
use crate::front::listed::Page;
use crate::front::oauth::{TokensShown, token_answer};
use crate::front::sharing::Pending;
use crate::grants::{GrantRequest, Order, ends, issue, parse_value, show_json};
use crate::node::{Node, NodeError};

#[derive(utoipa::OpenApi)]
#[openapi(paths(add, list, one, revoke))]
pub(super) struct Api;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewGrant {
    /// The name of the person who grants.
    #[schema(examples("alice"))]
    user: String,
    #[schema(value_type = Id)]
    client_id: String,
    /// One element, or a list of them.
    #[schema(value_type = Vec<Access>)]
    access: Value,
}

/// Grants an app access, in the name of a person
///
/// The checks are those of the consent page, without the page.
#[utoipa::path(post, path = "/api/v1/grants", tag = "grants", request_body = NewGrant, responses(
    (status = 201, description = "It is granted", body = TokensShown),
    (status = 403, description = "`grant_outside_manifest`: the app does not ask for this; or `operator_only`"),
    (status = 404, description = "`unknown_user`: there is no user of this name; or `unknown_app`, `not_found`"),
    (status = 409, description = "`grant_schema_mismatch`: it does not fit the definitions of the space")))]
pub(super) async fn add(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    operator(&req, &**node).await?;
    let NewGrant { user, client_id, access } = body::json(&req, &bytes)?;
    let asked = parse_value(&access)?;
    let directory = node.directory();
    let user = directory.user_named(&user).await?.ok_or_else(unknown_user)?;
    let app = match client_id.parse::<ClientId>() {
        Ok(client) => directory.app(client).await?,
        Err(_) => None,
    };
    let app = app.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "unknown_app", "There is no app of this id."))?;
    let access = app.manifest.narrow(&asked)?;
    let request = GrantRequest { grantor: user.id, app: &app, access: &access, actor: Actor::Operator };
    let issued = issue(&**node, request).await?;
    let pair = directory.first_pair(&issued.row, node.now()).await?.ok_or_else(ApiError::not_found)?;
    let answer = token_answer(&**node, &pair).await?;
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(answer))
}

/// A grant with what is known of it beside.
struct Known {
    record: GrantRecord,
    row: Option<GrantRow>,
    shown: GrantShown,
}

/// A grant to an app.
#[derive(Debug, Serialize, ToSchema)]
struct GrantShown {
    #[schema(value_type = Id)]
    grant: GrantId,
    #[schema(value_type = Id)]
    user: UserId,
    user_name: String,
    #[schema(value_type = Option<Id>)]
    client_id: Option<ClientId>,
    app: String,
    #[schema(value_type = Vec<Access>)]
    access: Value,
    #[schema(value_type = Instant)]
    created: String,
    /// When the last of it lapses; null: until it is revoked.
    #[schema(value_type = Option<Instant>)]
    expires: Option<String>,
    #[schema(value_type = Option<Instant>)]
    last_used: Option<String>,
}

/// A grant that was revoked.
#[derive(Debug, Serialize, ToSchema)]
struct GrantRevoked {
    #[schema(value_type = Id)]
    grant: GrantId,
    revoked: bool,
    #[serde(flatten)]
    pending: Pending,
}

/// The grants in the person's spaces, oldest first
///
/// For the operator: in everybody's.
#[utoipa::path(get, path = "/api/v1/grants", tag = "grants", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<GrantShown>)))]
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let list: Vec<GrantShown> = known(&**node, &principal).await?.into_iter().map(|known| known.shown).collect();
    Page::answer(&req, &list, |one| one.grant.to_string())
}

/// One grant
#[utoipa::path(get, path = "/api/v1/grants/{id}", tag = "grants", params(("id" = Id, Path, description = "Its id")),
    responses((status = 200, description = "It", body = GrantShown),
    (status = 404, description = "`not_found`: there is none of this id, or it is another's")))]
pub(super) async fn one(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    Ok(HttpResponse::Ok().json(find(&**node, &principal, &id).await?.shown))
}

/// Revokes a grant
///
/// Acknowledged when no further request is served under it.
#[utoipa::path(delete, path = "/api/v1/grants/{id}", tag = "grants", params(("id" = Id, Path, description = "Its id")),
    responses((status = 200, description = "It is revoked", body = GrantRevoked),
    (status = 404, description = "`not_found`: there is none of this id, or it is another's")))]
pub(super) async fn revoke(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let record = find(&**node, &principal, &id).await?.record;
    let grant = &record.grant;
    let actor = if principal.operator { Actor::Operator } else { Actor::Person(principal.caller.user) };
    let of = (grant.grantor, grant.space, grant.holder, grant.id);
    let delivery = crate::grants::revoke(&**node, of, &Act::new(actor)).await?;
    Ok(HttpResponse::Ok().json(GrantRevoked { grant: grant.id, revoked: true, pending: Pending::of(&delivery) }))
}

async fn find(node: &dyn Node, principal: &Principal, id: &str) -> Result<Known, ApiError> {
    let id: GrantId = id.parse().map_err(|_| ApiError::not_found())?;
    let all = known(node, principal).await?;
    all.into_iter().find(|known| known.record.grant.id == id).ok_or_else(ApiError::not_found)
}

/// The grants in the spaces of the person (for the operator: of everyone), whichever device gave them.
async fn known(node: &dyn Node, principal: &Principal) -> Result<Vec<Known>, ApiError> {
    let directory = node.directory();
    let mut users: Vec<(UserId, String)> = Vec::new();
    if principal.operator {
        users.extend(directory.users().await?.into_iter().map(|user| (user.id, user.name)));
    }
    // The owner of a device may have no row here: their account lives on another node.
    let me = principal.caller.user;
    if !users.iter().any(|(id, _)| *id == me) {
        let name = directory.user(me).await?.map(|user| user.name).unwrap_or_default();
        users.push((me, name));
    }
    let only = (!principal.operator).then_some(principal.caller.user);
    let rows = directory.grant_rows(only).await?;
    let mut rows: HashMap<GrantId, GrantRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    let mut out = Vec::new();
    for (user, name) in &users {
        for space in node.spaces(*user).await?.into_iter().filter(|space| space.owner == *user) {
            let mut records = node.grants(space.id).await?;
            // Links are listed by themselves.
            records.retain(|record| record.grant.holder.client().is_some());
            if records.is_empty() {
                continue;
            }
            let schema = node.schema(space.id).await?;
            for record in records {
                let row = rows.remove(&record.grant.id);
                let order = row.as_ref().map(|row| Order::from_lines(&row.field_order)).unwrap_or_default();
                let access = show_json(&record.grant, &schema, &order, record.created);
                let shown = shown(name, &record, row.as_ref(), access);
                out.push(Known { record, row, shown });
            }
        }
    }
    out.sort_by_key(|known| (known.record.created, known.row.is_some()));
    Ok(out)
}

fn shown(user_name: &str, record: &GrantRecord, row: Option<&GrantRow>, access: Value) -> GrantShown {
    GrantShown {
        grant: record.grant.id,
        user: record.grant.grantor,
        user_name: user_name.to_owned(),
        client_id: record.grant.holder.client(),
        app: record.app.name.clone(),
        access,
        created: body::instant(record.created),
        expires: ends(&record.grant).map(body::instant),
        last_used: row.and_then(|row| row.last_used).map(body::instant),
    }
}

/// The access of a grant in force, as it is enforced.
pub(crate) async fn enforced(node: &dyn Node, row: &GrantRow) -> Result<Value, NodeError> {
    let records = node.grants(row.space).await?;
    let record = records.into_iter().find(|record| record.grant.id == row.id).ok_or(NodeError::NotFound)?;
    let schema = node.schema(row.space).await?;
    Ok(show_json(&record.grant, &schema, &Order::from_lines(&row.field_order), record.created))
}
