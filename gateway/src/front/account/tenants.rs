//! Tenants: made, suspended with all of their people, and removed with them.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::people::{at_home, unknown_tenant};
use super::{ApiError, Data, body};
use crate::directory::Tenant;
use crate::directory::tenants::TenantAct;
use crate::front::described::{Id, Instant};
use crate::front::listed::Page;
use crate::front::oauth::signed_out;
use crate::front::operator::{ConfirmedOperator, Operator};
use crate::node::Node;

#[derive(utoipa::OpenApi)]
#[openapi(paths(add_tenant, tenants, suspend, resume, remove))]
pub(super) struct Api;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    #[schema(examples("acme"))]
    name: String,
}

/// Adds a tenant
#[utoipa::path(post, path = "/api/v1/tenants", tag = "people", request_body = NewTenant, responses(
    (status = 201, description = "It is added", body = TenantView),
    (status = 409, description = "`name_taken`: there is a tenant of this name; or `not_home`")))]
pub(super) async fn add_tenant(
    node: Data,
    req: HttpRequest,
    by: ConfirmedOperator,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    at_home(&**node)?;
    let NewTenant { name } = body::json(&req, &bytes)?;
    let tenant = node.directory().add_tenant(&name, node.now()).await?;
    node.declare_tenant(tenant.id, None).await?;
    let detail = json!({ "tenant": tenant.id });
    node.directory().audit(by.user(), by.actor(), "tenant.created", detail, node.now()).await?;
    Ok(HttpResponse::Created().json(tenant_view(&tenant)))
}

/// The tenants of the node
#[utoipa::path(get, path = "/api/v1/tenants", tag = "people", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<TenantView>)))]
pub(super) async fn tenants(node: Data, req: HttpRequest, _by: Operator) -> Result<HttpResponse, ApiError> {
    let list: Vec<TenantView> = node.directory().tenants().await?.iter().map(tenant_view).collect();
    Page::answer(&req, &list, |one| one.tenant.to_string())
}

/// A household or firm on the node.
#[derive(Debug, Serialize, ToSchema)]
struct TenantView {
    #[schema(value_type = Id)]
    tenant: TenantId,
    name: String,
    /// Since when all of its people are suspended; null: they are not.
    #[schema(required = true, value_type = Option<Instant>)]
    suspended: Option<String>,
}

fn tenant_view(tenant: &Tenant) -> TenantView {
    TenantView { tenant: tenant.id, name: tenant.name.clone(), suspended: tenant.suspended.map(body::instant) }
}

async fn named(node: &dyn Node, name: &str) -> Result<Tenant, ApiError> {
    node.directory().tenant_named(name).await?.ok_or_else(unknown_tenant)
}

/// Why a tenant stays as it is.
fn kept(act: TenantAct) -> Option<ApiError> {
    let conflict = |code, text: &str| ApiError::new(StatusCode::CONFLICT, code, text);
    match act {
        TenantAct::Done | TenantAct::Already => None,
        TenantAct::OfTheOwner => Some(conflict("is_owner", "The owner of the node is in this tenant.")),
        TenantAct::OfAnOperator => Some(
            conflict("is_operator", "Somebody in this tenant is an operator of the node.")
                .hint("Take their operator's rights away first: `allod user operator NAME --remove`."),
        ),
    }
}

/// Suspends a tenant
///
/// All of its people are suspended, whoever they are, until it is resumed: they are signed out, and what apps and links hold
/// in their name is refused from here on. Nobody comes into it meanwhile.
#[utoipa::path(put, path = "/api/v1/tenants/{name}/suspension", tag = "people",
    params(("name" = String, Path, description = "Its name", example = "acme")), responses(
    (status = 200, description = "It is suspended", body = TenantView),
    (status = 404, description = "`unknown_tenant`: there is no tenant of this name"),
    (status = 409, description = "`is_owner`: the owner of the node is in it; `is_operator`: an operator is")))]
pub(super) async fn suspend(node: Data, by: ConfirmedOperator, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let tenant = named(&**node, &name).await?;
    let act = node.directory().suspend_tenant(tenant.id, (by.user(), by.actor()), node.now()).await?;
    if let Some(refused) = kept(act) {
        return Err(refused);
    }
    // Also if it was suspended before: whoever asked then may have gone away before this.
    node.advance_epoch();
    node.standing_moved();
    if act == TenantAct::Done {
        for person in node.directory().people_of(tenant.id).await? {
            signed_out::tell(&**node, person.id, None).await;
        }
    }
    Ok(HttpResponse::Ok().json(tenant_view(&named(&**node, &name).await?)))
}

/// Ends the suspension of a tenant
///
/// Its people sign in again, but those who are suspended by themselves; apps and links go on.
#[utoipa::path(delete, path = "/api/v1/tenants/{name}/suspension", tag = "people",
    params(("name" = String, Path, description = "Its name", example = "acme")), responses(
    (status = 200, description = "It is not suspended", body = TenantView),
    (status = 404, description = "`unknown_tenant`: there is no tenant of this name")))]
pub(super) async fn resume(node: Data, by: ConfirmedOperator, name: Path<String>) -> Result<HttpResponse, ApiError> {
    let tenant = named(&**node, &name).await?;
    if node.directory().resume_tenant(tenant.id).await? {
        node.standing_moved();
        let detail = json!({ "tenant": tenant.id });
        node.directory().audit(by.user(), by.actor(), "tenant.resumed", detail, node.now()).await?;
    }
    Ok(HttpResponse::Ok().json(tenant_view(&named(&**node, &name).await?)))
}

/// A tenant is removed.
#[derive(Serialize, ToSchema)]
struct TenantRemoved {
    #[schema(value_type = Id)]
    tenant: TenantId,
    /// Nothing of it counts any more. False: its people are not forgotten to the end yet, and the node goes on with it.
    finished: bool,
}

/// Removes a tenant and all of its people for good
///
/// Each of them as `DELETE /api/v1/users/{name}` does; then the tenant. Its people are refused from here on, and its name is
/// free.
#[utoipa::path(delete, path = "/api/v1/tenants/{name}", tag = "people",
    params(("name" = String, Path, description = "Its name", example = "acme")), responses(
    (status = 200, description = "It is removed", body = TenantRemoved),
    (status = 404, description = "`unknown_tenant`: there is no tenant of this name"),
    (status = 409, description = "`is_owner`: the owner of the node is in it; `is_operator`: an operator is; or `not_home`")))]
pub(super) async fn remove(node: Data, by: ConfirmedOperator, name: Path<String>) -> Result<HttpResponse, ApiError> {
    at_home(&**node)?;
    let tenant = named(&**node, &name).await?.id;
    let (node, by) = (node.into_inner(), (by.user(), by.actor()));
    // To its end, whoever goes away. Broken off in the middle, the node goes on with it.
    let work = tokio::spawn(async move {
        match node.directory().begin_tenant_removal(tenant, by, node.now()).await? {
            TenantAct::Done => {}
            TenantAct::Already => return Err(unknown_tenant()),
            act => return Err(kept(act).unwrap_or_else(unknown_tenant)),
        }
        node.advance_epoch();
        node.standing_moved();
        for person in node.directory().people_of(tenant).await? {
            signed_out::tell(&*node, person.id, None).await;
        }
        let finished = node.finish_tenant_removal(tenant).await;
        if let Err(error) = &finished {
            tracing::error!(%tenant, %error, "a tenant was removed, and is not forgotten to the end yet");
        }
        Ok(finished.is_ok())
    });
    let finished = work.await.unwrap_or(Ok(false))?;
    Ok(HttpResponse::Ok().json(TenantRemoved { tenant, finished }))
}
