//! Grants: given by the operator, seen and taken back by the person who gave them.

use std::collections::{HashMap, HashSet};

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{ClientId, GrantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use vault_core::control::GrantRecord;
use vault_core::schema::Schema;

use super::people::{suspended, unknown_user};
use super::{ApiError, Data, body, person};
use crate::authn::Principal;
use crate::directory::daily_rows::{DailyLimit, next_day};
use crate::directory::usage::Usage;
use crate::directory::{Act, Actor, FOLLOWED, GrantRow};
use crate::front::described::{Access, Id, Instant};
use crate::front::listed::Page;
use crate::front::oauth::{TokensView, token_answer};
use crate::front::operator::AtTheMachine;
use crate::front::refusals::{NotConfirmed, NotTheirs};
use crate::front::sharing::{Pending, end_of};
use crate::grants::{Changed, GrantRequest, HeldBy, IssueError, Order, ends, issue, parse_value, show_json};
use crate::node::{Node, NodeError};

#[derive(utoipa::OpenApi)]
#[openapi(paths(add, list, one, narrow, extend, revoke))]
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
    (status = 201, description = "It is granted", body = TokensView),
    (status = 403, description = "`grant_outside_manifest`: the app does not ask for this; or `operator_only`"),
    (status = 404, description = "`unknown_user`: there is no user of this name; or `unknown_app`, `not_found`"),
    (status = 409, description = "`grant_schema_mismatch`: it does not fit the definitions of the space; or `dpop_required`: the app gets tokens by the proof of a key alone")))]
pub(super) async fn add(
    node: Data,
    req: HttpRequest,
    _by: AtTheMachine,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let NewGrant { user, client_id, access } = body::json(&req, &bytes)?;
    let asked = parse_value(&access)?;
    let directory = node.directory();
    let user = directory.user_named(&user).await?.ok_or_else(unknown_user)?;
    let app = match client_id.parse::<ClientId>() {
        Ok(client) => directory.app(client).await?,
        Err(_) => None,
    };
    let app = app.ok_or_else(unknown_app)?;
    if directory.is_suspended(user.id) {
        return Err(suspended());
    }
    if app.manifest.dpop_bound_access_tokens {
        let text = "The app gets tokens by the proof of a key alone (DPoP), and is handed none.";
        return Err(ApiError::new(StatusCode::CONFLICT, "dpop_required", text)
            .hint("The app asks its person itself, at /oauth/authorize."));
    }
    let access = app.manifest.narrow(&asked)?;
    let request =
        GrantRequest { grantor: user.id, to: HeldBy::App(&app), access: &access, until: None, actor: Actor::Operator };
    let issued = issue(&**node, request).await?;
    let pair = directory.first_pair(&issued.row, node.now()).await?.ok_or_else(ApiError::not_found)?;
    let answer = token_answer(&**node, &pair).await?;
    issued.given(&**node).await?;
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(answer))
}

pub(super) fn unknown_app() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_app", "There is no app of this id.")
}

/// A grant with what is known of it beside.
struct KnownGrant {
    record: GrantRecord,
    row: Option<GrantRow>,
    view: GrantView,
}

/// A grant to an app.
#[derive(Debug, Serialize, ToSchema)]
struct GrantView {
    #[schema(value_type = Id)]
    grant: GrantId,
    #[schema(value_type = Id)]
    user: UserId,
    user_name: String,
    #[schema(value_type = Option<Id>)]
    client_id: Option<ClientId>,
    app: String,
    /// Whether it is of an app password, and no app's: `/api/v1/app-passwords` lists those.
    app_password: bool,
    #[schema(value_type = Vec<Access>)]
    access: Value,
    #[schema(value_type = Instant)]
    created: String,
    /// When the last of it lapses; null: until it is revoked.
    #[schema(value_type = Option<Instant>)]
    expires: Option<String>,
    #[schema(value_type = Option<Instant>)]
    last_used: Option<String>,
    used: GrantUsed,
    /// How much of its limits is used today (UTC); of those that it has.
    today: Vec<LimitUsed>,
}

/// How much of a limit is used.
#[derive(Debug, Serialize, ToSchema)]
struct LimitUsed {
    #[schema(examples("Contact"))]
    collection: String,
    #[schema(examples(500))]
    rows_per_day: u32,
    /// Rows that were told today.
    #[schema(examples(120))]
    told: u64,
    /// When the next day begins.
    #[schema(value_type = Instant)]
    again: String,
}

/// How much of its limits is used of a grant.
async fn used_today(
    node: &dyn Node,
    record: &GrantRecord,
    row: Option<&GrantRow>,
    schema: &Schema,
) -> Result<Vec<LimitUsed>, ApiError> {
    let now = node.now();
    let scopes = record.grant.entries.iter().enumerate().filter(|(_, entry)| entry.until.is_none_or(|end| end > now));
    let scopes = scopes.flat_map(|(entry, one)| one.scopes.iter().map(move |scope| (entry, scope)));
    let limits: Vec<DailyLimit> = scopes
        .filter_map(|(entry, scope)| {
            Some(DailyLimit { entry, collection: scope.collection, most: scope.rows_per_day? })
        })
        .collect();
    if limits.is_empty() {
        return Ok(Vec::new());
    }
    let told = match row {
        Some(row) => node.directory().rows_told(row.id, &limits, now).await?,
        None => vec![0; limits.len()],
    };
    let used = limits.iter().zip(told).filter_map(|(limit, told)| {
        let collection = schema.collection(limit.collection)?.name.clone();
        Some(LimitUsed { collection, rows_per_day: limit.most, told, again: body::instant(next_day(now)) })
    });
    Ok(used.collect())
}

/// What an app really used of a grant, on this node.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct GrantUsed {
    /// Requests for data that were answered.
    requests: u64,
    /// Documents in those answers; one counts as often as it was told.
    rows: u64,
    bytes: u64,
    /// Fields that it was told, or asked about in a filter or an order.
    #[schema(examples(json!(["Contact.name"])))]
    fields: Vec<String>,
}

impl GrantUsed {
    pub(super) fn of(usage: &Usage, schema: &Schema) -> GrantUsed {
        let named = schema.collections.iter().flat_map(|collection| {
            let used = collection.fields.iter().filter(|field| usage.fields.contains(&field.id));
            used.map(|field| format!("{}.{}", collection.name, field.name))
        });
        GrantUsed { requests: usage.requests, rows: usage.rows, bytes: usage.bytes, fields: named.collect() }
    }
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
    (status = 200, description = "All of them", body = Vec<GrantView>)))]
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let list: Vec<GrantView> = known(&**node, &principal).await?.into_iter().map(|known| known.view).collect();
    Page::answer(&req, &list, |one| one.grant.to_string())
}

/// One grant
#[utoipa::path(get, path = "/api/v1/grants/{id}", tag = "grants", params(("id" = Id, Path, description = "Its id")),
    responses((status = 200, description = "It", body = GrantView),
    NotTheirs))]
pub(super) async fn one(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    Ok(HttpResponse::Ok().json(find(&**node, &principal, &id).await?.view))
}

/// What a grant is held to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Narrowing {
    /// One element, or a list of them; each within an element of the grant. Its conditions come on top of the grant's,
    /// and it ends no later.
    #[schema(value_type = Vec<Access>)]
    access: Value,
}

/// When a grant ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEnd {
    /// Null: it lasts until it is revoked.
    #[schema(value_type = Option<Instant>)]
    #[serde(deserialize_with = "Option::deserialize")]
    until: Option<String>,
}

/// Holds a grant to less
///
/// The app keeps its tokens, and the grant gets another id. Acknowledged when no further request is served under the
/// one before.
#[utoipa::path(put, path = "/api/v1/grants/{id}", tag = "grants", params(("id" = Id, Path, description = "Its id")),
    request_body = Narrowing, responses((status = 200, description = "It is held to this", body = GrantChanged),
    (status = 403, description = "`grant_wider`: it names more than was granted"),
    NotTheirs,
    (status = 409, description = "`grant_schema_mismatch`: it does not fit the definitions of the space; or \
                                  `grant_elsewhere`: another of the person's nodes has its tokens")))]
pub(super) async fn narrow(
    node: Data,
    req: HttpRequest,
    id: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    put(&node, &principal, &id, narrowed(&req, &bytes)?).await
}

/// What a [`Narrowing`] asks for.
pub(super) fn narrowed(req: &HttpRequest, bytes: &[u8]) -> Result<Changed, ApiError> {
    let Narrowing { access } = body::json(req, bytes)?;
    Ok(Changed::Narrowed(parse_value(&access)?))
}

/// What a [`NewEnd`] asks for, of who has shown who they are within the last five minutes.
pub(super) fn extended(by: &Principal, now: Timestamp, req: &HttpRequest, bytes: &[u8]) -> Result<Changed, ApiError> {
    by.confirmed(now)?;
    let NewEnd { until } = body::json(req, bytes)?;
    Ok(Changed::Extended(end_of(until.as_deref(), now)?))
}

/// Lets a grant end at another time
///
/// As when it was given, who gives more has shown who they are within the last five minutes.
#[utoipa::path(put, path = "/api/v1/grants/{id}/end", tag = "grants", params(("id" = Id, Path, description = "Its id")),
    request_body = NewEnd, responses((status = 200, description = "It ends then", body = GrantChanged),
    NotConfirmed,
    NotTheirs,
    (status = 409, description = "`grant_elsewhere`: another of the person's nodes has its tokens; or \
                                  `grant_ended`: nothing of it is left to extend")))]
pub(super) async fn extend(
    node: Data,
    req: HttpRequest,
    id: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    put(&node, &principal, &id, extended(&principal, node.now(), &req, &bytes)?).await
}

async fn put(node: &Data, by: &Principal, id: &str, changed: Changed) -> Result<HttpResponse, ApiError> {
    let grant = find(&***node, by, id).await?.record.grant;
    let actor = if by.operator { Actor::Operator } else { Actor::Person(by.caller.user) };
    let (row, delivery) =
        crate::grants::change(node.clone().into_inner(), (grant.space, grant.id), changed, Act::new(actor)).await?;
    let view = find(&***node, by, &row.id.to_string()).await?.view;
    Ok(HttpResponse::Ok().json(GrantChanged { view, before: grant.id, pending: Pending::of(&delivery) }))
}

/// A grant that took the place of another.
#[derive(Debug, Serialize, ToSchema)]
struct GrantChanged {
    #[serde(flatten)]
    view: GrantView,
    /// The id that it had.
    #[schema(value_type = Id)]
    before: GrantId,
    #[serde(flatten)]
    pending: Pending,
}

/// Revokes a grant
///
/// Acknowledged when no further request is served under it.
#[utoipa::path(delete, path = "/api/v1/grants/{id}", tag = "grants", params(("id" = Id, Path, description = "Its id")),
    responses((status = 200, description = "It is revoked", body = GrantRevoked),
    NotTheirs))]
pub(super) async fn revoke(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let record = find(&**node, &principal, &id).await?.record;
    let grant = &record.grant;
    let actor = if principal.operator { Actor::Operator } else { Actor::Person(principal.caller.user) };
    let (mut id, mut followed) = (grant.id, 0);
    let delivery = loop {
        let of = (grant.grantor, grant.space, grant.holder, id);
        match crate::grants::revoke(&**node, of, &Act::new(actor)).await {
            // Another may have taken its place since it was found: whoever takes it back means what the app has.
            Err(IssueError::Node(NodeError::NotFound)) if followed < FOLLOWED => {
                let replaced = node.directory().replaced_grants(Some(grant.space)).await?;
                let now = replaced.into_iter().find(|one| one.before == id).ok_or_else(ApiError::not_found)?;
                (id, followed) = (now.now, followed + 1);
            }
            done => break done?,
        }
    };
    Ok(HttpResponse::Ok().json(GrantRevoked { grant: grant.id, revoked: true, pending: Pending::of(&delivery) }))
}

/// The grants that a person gave.
pub(crate) async fn all(node: &dyn Node, principal: &Principal) -> Result<Vec<impl Serialize + use<>>, ApiError> {
    Ok(known(node, principal).await?.into_iter().map(|known| known.view).collect::<Vec<_>>())
}

async fn find(node: &dyn Node, principal: &Principal, id: &str) -> Result<KnownGrant, ApiError> {
    let id: GrantId = id.parse().map_err(|_| ApiError::not_found())?;
    let all = known(node, principal).await?;
    all.into_iter().find(|known| known.record.grant.id == id).ok_or_else(ApiError::not_found)
}

/// A grant that the person gave themselves, and the order of its fields. What others gave is no operator's to look into.
pub(super) async fn given_by(
    node: &dyn Node,
    principal: &Principal,
    id: &str,
) -> Result<(GrantRecord, Order), ApiError> {
    let KnownGrant { record, row, .. } = find(node, principal, id).await?;
    if record.grant.grantor != principal.caller.user {
        return Err(ApiError::not_found());
    }
    let order = row.map(|row| Order::from_lines(&row.field_order)).unwrap_or_default();
    Ok((record, order))
}

/// The grants in the spaces of the person (for the operator: of everyone), whichever device gave them.
async fn known(node: &dyn Node, principal: &Principal) -> Result<Vec<KnownGrant>, ApiError> {
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
    let passwords = directory.app_passwords(only).await?;
    let passwords: HashSet<ClientId> = passwords.into_iter().map(|one| one.client).collect();
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
                let used = row.as_ref().map(|row| GrantUsed::of(&row.usage, &schema)).unwrap_or_default();
                let mut view = grant_view(name, &record, row.as_ref(), access, used);
                view.today = used_today(node, &record, row.as_ref(), &schema).await?;
                view.app_password = view.client_id.is_some_and(|client| passwords.contains(&client));
                out.push(KnownGrant { record, row, view });
            }
        }
    }
    out.sort_by_key(|known| (known.record.created, known.row.is_some()));
    Ok(out)
}

fn grant_view(
    user_name: &str,
    record: &GrantRecord,
    row: Option<&GrantRow>,
    access: Value,
    used: GrantUsed,
) -> GrantView {
    GrantView {
        grant: record.grant.id,
        user: record.grant.grantor,
        user_name: user_name.to_owned(),
        client_id: record.grant.holder.client(),
        app: record.app.name.clone(),
        app_password: false,
        access,
        created: body::instant(record.created),
        expires: ends(&record.grant).map(body::instant),
        last_used: row.and_then(|row| row.last_used).map(body::instant),
        used,
        today: Vec::new(),
    }
}
