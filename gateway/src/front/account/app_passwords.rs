//! `/api/v1/app-passwords`: passwords of the node's own making, for tools that can send a name and a password and no more.
//! Each holds a grant, as an app does, and is good on routes for data alone.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{ClientId, GrantId, SpaceId, Verbs};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use vault_core::schema::Collection;

use super::grants::{GrantUsed, Narrowing, NewEnd, extended, narrowed};
use super::{ApiError, Data, body, person};
use crate::authn::Principal;
use crate::directory::app_passwords::{AppPassword, NewAppPassword};
use crate::directory::{Act, FOLLOWED, QuotaKind};
use crate::front::described::{Access, Id, Instant};
use crate::front::listed::Page;
use crate::front::refusals::{NotConfirmed, NotTheirs, SchemaMismatch};
use crate::front::sharing::{Pending, end_of};
use crate::grants::{
    self, Changed, GrantRequest, HeldBy, IssueError, enforced, issue, parse_value, remove_app_password,
};
use crate::node::{Node, NodeError};

/// Collections that one for a whole space names at most: a grant has so many entries.
const MAX_COLLECTIONS: usize = 32;

#[derive(utoipa::OpenApi)]
#[openapi(paths(add, list, one, narrow, extend, remove))]
pub(super) struct Api;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// What the person recognises it by.
    #[schema(examples("curl on my laptop"))]
    name: String,
    /// What the tool may do: one element, or a list of them.
    #[schema(value_type = Option<Vec<Access>>)]
    access: Option<Value>,
    /// In place of `access`: everything in this space, as its collections are now.
    #[schema(value_type = Option<Id>)]
    whole_space: Option<String>,
    /// When all of it ends: an instant (RFC 3339), or a duration from now (ISO 8601). Without it: as `access` says.
    #[schema(examples("P90D"))]
    until: Option<String>,
}

/// An app password.
#[derive(Serialize, ToSchema)]
struct AppPasswordView {
    #[schema(value_type = Id)]
    app_password: ClientId,
    name: String,
    /// The grant that it holds, which gets another id when it is changed.
    #[schema(value_type = Id)]
    grant: GrantId,
    #[schema(value_type = Id)]
    space: SpaceId,
    #[schema(value_type = Vec<Access>)]
    access: Value,
    #[schema(value_type = Instant)]
    created: String,
    /// When the last of it lapses; null: until it is removed.
    #[schema(value_type = Option<Instant>)]
    expires: Option<String>,
    #[schema(value_type = Option<Instant>)]
    last_used: Option<String>,
    /// The address from which it was last used.
    #[schema(examples("192.0.2.7"))]
    from: Option<String>,
    /// What it was last used by, as that calls itself.
    #[schema(examples("curl"))]
    by: Option<String>,
    used: GrantUsed,
}

/// An app password that was made.
#[derive(Serialize, ToSchema)]
struct AppPasswordMade {
    #[serde(flatten)]
    view: AppPasswordView,
    /// The name that the tool sends beside it.
    #[schema(examples("alice"))]
    user: String,
    /// Told here and nowhere else.
    #[schema(examples("allod-app-k5qw4tzbpx2m7dgejbswy3dpehpk3pxp"))]
    password: String,
}

async fn app_password_view(node: &dyn Node, one: AppPassword) -> Result<AppPasswordView, ApiError> {
    let AppPassword { client, name, created, address, product, grant, .. } = one;
    let access = match enforced(node, &grant).await {
        Ok(access) => access,
        // It is taken back at this moment.
        Err(NodeError::NotFound) => Value::Array(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let schema = node.schema(grant.space).await?;
    Ok(AppPasswordView {
        app_password: client,
        name,
        grant: grant.id,
        space: grant.space,
        access,
        created: body::instant(created),
        expires: grant.expires.map(body::instant),
        last_used: grant.last_used.map(body::instant),
        from: address,
        by: product,
        used: GrantUsed::of(&grant.usage, &schema),
    })
}

async fn find(node: &dyn Node, by: &Principal, id: &str) -> Result<AppPassword, ApiError> {
    let id: ClientId = id.parse().map_err(|_| ApiError::not_found())?;
    let all = node.directory().app_passwords(Some(by.caller.user)).await?;
    all.into_iter().find(|one| one.client == id).ok_or_else(ApiError::not_found)
}

/// Makes an app password
///
/// For a tool that can send a name and a password (Basic, RFC 7617) and no more: scripts, and clients of old. It may do
/// what its grant says, with data alone: it opens no account, and nothing for operators. Prefer OAuth where a tool has it.
#[utoipa::path(post, path = "/api/v1/app-passwords", tag = "grants", request_body = NewPassword, responses(
    (status = 201, description = "It is made", body = AppPasswordMade),
    (status = 400, description = "`grant_malformed`, `grant_key_unsupported`, `unfit`, `invalid_input`, `bad_request`: it does not fit"),
    NotConfirmed,
    (status = 403, description = "`quota_exceeded`: remove one; or `not_for_apps`"),
    (status = 404, description = "`not_found`: the space is not theirs, or the account is on another node"),
    SchemaMismatch))]
pub(super) async fn add(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    principal.confirmed(node.now())?;
    let NewPassword { name, access, whole_space, until } = body::json(&req, &bytes)?;
    let directory = node.directory();
    let user = directory.user(principal.caller.user).await?.ok_or_else(ApiError::not_found)?;
    let access = match (access, whole_space) {
        (Some(access), None) => parse_value(&access)?,
        (None, Some(space)) => whole(&**node, &principal, &space).await?,
        _ => return Err(ApiError::bad_request("Say by `access` what it may do, or name a `whole_space`.")),
    };
    let until = end_of(until.as_deref(), node.now())?;
    let maker = directory.making(user.id).await;
    directory.room_for_one(&maker, QuotaKind::AppPasswords).await?;
    let named = user.name.clone();
    let new = NewAppPassword::draw(user, &name, principal.session)?;
    let request = GrantRequest {
        grantor: principal.caller.user,
        to: HeldBy::Password(&new),
        access: &access,
        until,
        actor: principal.actor(),
    };
    let issued = issue(&**node, request).await?;
    issued.given(&**node).await?;
    let view = app_password_view(&**node, find(&**node, &principal, &new.client.to_string()).await?).await?;
    let answer = AppPasswordMade { view, user: named, password: new.secret.text().to_owned() };
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(answer))
}

/// All that can be done in a space of theirs, as it is defined now.
async fn whole(node: &dyn Node, by: &Principal, space: &str) -> Result<Vec<grants::Access>, ApiError> {
    let user = by.caller.user;
    let space: SpaceId = space.parse().map_err(|_| ApiError::not_found())?;
    if !node.spaces(user).await?.iter().any(|own| own.id == space && own.owner == user) {
        return Err(ApiError::not_found());
    }
    let entry = |collection: &Collection| grants::Access {
        space: Some(space),
        datatypes: vec![collection.name.clone()],
        verbs: Verbs::ALL,
        allow: collection.fields.iter().map(|field| field.name.clone()).collect(),
        required: Vec::new(),
        conditions: Vec::new(),
        documents: None,
        rows_per_day: None,
        purpose: None,
        duration: None,
    };
    let schema = node.schema(space).await?;
    let count = schema.collections.len();
    if count == 0 || count > MAX_COLLECTIONS {
        let text = format!("A whole space has between 1 and {MAX_COLLECTIONS} collections here; this one has {count}.");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "grant_malformed", text).hint("Name them by `access`."));
    }
    Ok(schema.collections.iter().map(entry).collect())
}

/// One's app passwords, oldest first
#[utoipa::path(get, path = "/api/v1/app-passwords", tag = "grants", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<AppPasswordView>)))]
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let mut list = Vec::new();
    for one in node.directory().app_passwords(Some(principal.caller.user)).await? {
        list.push(app_password_view(&**node, one).await?);
    }
    Page::answer(&req, &list, |one| one.app_password.to_string())
}

/// One app password
#[utoipa::path(get, path = "/api/v1/app-passwords/{id}", tag = "grants",
    params(("id" = Id, Path, description = "Its id")), responses(
    (status = 200, description = "It", body = AppPasswordView),
    NotTheirs))]
pub(super) async fn one(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    Ok(HttpResponse::Ok().json(app_password_view(&**node, find(&**node, &principal, &id).await?).await?))
}

/// An app password whose grant was changed.
#[derive(Serialize, ToSchema)]
struct AppPasswordChanged {
    #[serde(flatten)]
    view: AppPasswordView,
    #[serde(flatten)]
    pending: Pending,
}

async fn put(node: &Data, by: &Principal, id: &str, changed: Changed) -> Result<HttpResponse, ApiError> {
    let mut grant = find(&***node, by, id).await?.grant;
    let mut followed = 0;
    let (_, delivery) = loop {
        let act = Act::new(by.actor());
        match grants::change(node.clone().into_inner(), (grant.space, grant.id), changed.clone(), act).await {
            // Another may have taken its place at this moment: the password holds that one now.
            Err(error @ (IssueError::Node(NodeError::NotFound) | IssueError::Elsewhere)) => {
                let held = find(&***node, by, id).await?.grant;
                if held.id == grant.id || followed == FOLLOWED {
                    return Err(error.into());
                }
                grant = held;
                followed += 1;
            }
            done => break done?,
        }
    };
    let view = app_password_view(&***node, find(&***node, by, id).await?).await?;
    Ok(HttpResponse::Ok().json(AppPasswordChanged { view, pending: Pending::of(&delivery) }))
}

/// Holds an app password to less
///
/// Acknowledged when no further request is served under what it was.
#[utoipa::path(put, path = "/api/v1/app-passwords/{id}", tag = "grants", request_body = Narrowing,
    params(("id" = Id, Path, description = "Its id")), responses(
    (status = 200, description = "It is held to this", body = AppPasswordChanged),
    (status = 403, description = "`grant_wider`: it names more than it was given; or `not_for_apps`"),
    NotTheirs,
    SchemaMismatch))]
pub(super) async fn narrow(
    node: Data,
    req: HttpRequest,
    id: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    put(&node, &principal, &id, narrowed(&req, &bytes)?).await
}

/// Lets an app password end at another time
///
/// As when it was made, who gives more has shown who they are within the last five minutes.
#[utoipa::path(put, path = "/api/v1/app-passwords/{id}/end", tag = "grants", request_body = NewEnd,
    params(("id" = Id, Path, description = "Its id")), responses(
    (status = 200, description = "It ends then", body = AppPasswordChanged),
    NotConfirmed,
    NotTheirs,
    (status = 409, description = "`grant_ended`: it has ended")))]
pub(super) async fn extend(
    node: Data,
    req: HttpRequest,
    id: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    put(&node, &principal, &id, extended(&principal, node.now(), &req, &bytes)?).await
}

/// An app password that was removed.
#[derive(Serialize, ToSchema)]
struct AppPasswordRemoved {
    #[schema(value_type = Id)]
    app_password: ClientId,
    removed: bool,
    #[serde(flatten)]
    pending: Pending,
}

/// Removes an app password
///
/// Acknowledged when no further request is served by it.
#[utoipa::path(delete, path = "/api/v1/app-passwords/{id}", tag = "grants",
    params(("id" = Id, Path, description = "Its id")), responses(
    (status = 200, description = "It opens nothing any more", body = AppPasswordRemoved),
    NotTheirs))]
pub(super) async fn remove(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let one = find(&**node, &principal, &id).await?;
    let delivery = remove_app_password(&**node, &one, &Act::new(principal.actor())).await?;
    Ok(HttpResponse::Ok().json(AppPasswordRemoved {
        app_password: one.client,
        removed: true,
        pending: Pending::of(&delivery),
    }))
}
