//! Tenants, users, and what was done in a person's name.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{ApiError, Data, body, operator, person};
use crate::directory::{Actor, AuditRow, Tenant, User};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    name: String,
}

/// People and tenants are kept where they sign in: at home. A device that joined is one person's.
fn at_home(node: &dyn crate::node::Node) -> Result<(), ApiError> {
    if node.directory().owner().is_some() {
        return Ok(());
    }
    let message = "This node is one person's device: people and tenants are made at home.";
    Err(ApiError::new(StatusCode::CONFLICT, "not_home", message).hint("Run the command on the node that was set up."))
}

/// `POST /api/v1/tenants {"name"}`.
pub(super) async fn add_tenant(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = operator(&req, &**node).await?;
    at_home(&**node)?;
    let NewTenant { name } = body::json(&req, &bytes)?;
    let tenant = node.directory().add_tenant(&name, node.now()).await?;
    node.declare_tenant(tenant.id, None).await?;
    let detail = json!({ "tenant": tenant.id });
    node.directory().audit(principal.caller.user, Actor::Operator, "tenant.created", detail, node.now()).await?;
    Ok(HttpResponse::Created().json(shown_tenant(&tenant)))
}

/// `GET /api/v1/tenants`.
pub(super) async fn tenants(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    operator(&req, &**node).await?;
    let list: Vec<Value> = node.directory().tenants().await?.iter().map(shown_tenant).collect();
    Ok(HttpResponse::Ok().json(list))
}

fn shown_tenant(tenant: &Tenant) -> Value {
    json!({ "tenant": tenant.id, "name": tenant.name })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    password: String,
    tenant: Option<String>,
}

/// `POST /api/v1/users {"name","password","tenant"?}`: without a tenant, the owner's.
pub(super) async fn add_user(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = operator(&req, &**node).await?;
    at_home(&**node)?;
    let NewUser { name, password, tenant } = body::json(&req, &bytes)?;
    let password = Zeroizing::new(password);
    let directory = node.directory();
    let tenant = match tenant {
        None => principal.tenant,
        Some(name) => match directory.tenant_named(&name).await? {
            Some(tenant) => tenant.id,
            None => {
                let error = ApiError::new(StatusCode::NOT_FOUND, "unknown_tenant", "There is no tenant of this name.");
                return Err(error.hint("`allod tenant add NAME` makes one."));
            }
        },
    };
    // Before the account is made: an account without a user could not be removed again.
    directory.can_add_user(&name, &password).await?;
    // Broken off before they are named, the account waits for the next who is added; behind that, a start goes on.
    let (id, space) = node.create_account().await?;
    let user = directory.add_user((id, space), &name, tenant, &password, node.now()).await?;
    node.enrol(tenant, id, space).await?;
    directory.audit(id, Actor::Operator, "user.created", json!({ "tenant": tenant }), node.now()).await?;
    Ok(HttpResponse::Created().json(shown_user(&user)))
}

/// `GET /api/v1/users`.
pub(super) async fn users(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    operator(&req, &**node).await?;
    let list: Vec<Value> = node.directory().users().await?.iter().map(shown_user).collect();
    Ok(HttpResponse::Ok().json(list))
}

fn shown_user(user: &User) -> Value {
    json!({ "user": user.id, "name": user.name, "tenant": user.tenant, "space": user.space })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    ttl_s: i64,
}

/// A leap year, in seconds.
const LONGEST: i64 = 366 * 86_400;

/// `POST /api/v1/users/{name}/token {"ttl_s"}`: a session in the name of a user, which their audit slice shows.
pub(super) async fn token(
    node: Data,
    req: HttpRequest,
    name: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    operator(&req, &**node).await?;
    let Lifetime { ttl_s } = body::json(&req, &bytes)?;
    if !(1..=LONGEST).contains(&ttl_s) {
        return Err(ApiError::bad_request("`ttl_s` must lie between 1 and 31622400 (366 days)."));
    }
    let directory = node.directory();
    let user = directory.user_named(&name).await?.ok_or_else(unknown_user)?;
    let (secret, token) = directory.open_session(user.id, node.now(), ttl_s, None).await?;
    let detail = json!({ "expires": body::instant(token.expires) });
    directory.audit(user.id, Actor::Operator, "session.created", detail, node.now()).await?;
    let answer = json!({ "access_token": secret.text(), "expires": body::instant(token.expires) });
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer))
}

pub(super) fn unknown_user() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_user", "There is no user of this name.")
}

/// How many acts `GET /api/v1/audit` shows.
const SHOWN: u64 = 500;

/// `GET /api/v1/audit`: what concerns the one who asks, newest first.
pub(super) async fn audit(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let user = person(&req, &**node).await?.caller.user;
    let shown = |row: &AuditRow| json!({ "at": body::instant(row.at), "actor": row.actor, "action": row.action, "detail": row.detail });
    let list: Vec<Value> = node.directory().audit_of(user, SHOWN).await?.iter().map(shown).collect();
    Ok(HttpResponse::Ok().json(list))
}
