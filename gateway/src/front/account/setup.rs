//! The first person of a node, and the link by which they come.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use policy_core::{SpaceId, TenantId, UserId};
use serde::Serialize;
use serde_json::json;
use tokio::sync::MutexGuard;
use utoipa::ToSchema;

use crate::directory::{Actor, SETUP_SECONDS, Secret};
use crate::front::error::ApiError;
use crate::front::operator::AtTheMachine;
use crate::node::Node;

#[derive(utoipa::OpenApi)]
#[openapi(paths(link))]
pub(super) struct Api;

/// A way to set a node up.
#[derive(Debug, Serialize, ToSchema)]
struct Link {
    /// To be opened in a browser, once; it holds the secret.
    url: String,
    /// For how many seconds it is good.
    #[schema(examples(1800))]
    expires_in: i64,
}

/// A new link to set the node up by; the one before it is good no more
#[utoipa::path(post, path = "/api/v1/setup-link", tag = "node", responses(
    (status = 200, description = "The link, told once", body = Link),
    (status = 409, description = "`already_set_up`: the node has an owner")))]
pub(super) async fn link(node: web::Data<dyn Node>, _by: AtTheMachine) -> Result<HttpResponse, ApiError> {
    // Nor is there a link to a node that is a device of somebody's account.
    if node.owner().is_some() {
        return Err(already());
    }
    let secret = node.directory().begin_setup(node.now()).await?.ok_or_else(already)?;
    let url = setup_url(&node.url(), &secret);
    let answer = Link { url, expires_in: SETUP_SECONDS };
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(answer))
}

/// The address of the setup page, for whoever has this secret.
pub fn setup_url(node: &str, secret: &Secret) -> String {
    format!("{node}/setup?token={}", secret.text())
}

fn already() -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "already_set_up", "This node is set up already.")
}

/// What the setup made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetUp {
    /// The id of the node.
    pub node: String,
    pub user: UserId,
    pub tenant: TenantId,
    /// The owner's personal space.
    pub space: SpaceId,
}

/// The person who is to own a node.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    pub user: &'a str,
    /// The name of their household or firm.
    pub tenant: &'a str,
    pub password: &'a str,
}

/// Makes a person the owner of the node, for whoever holds its directory. Once: a node that has an owner refuses.
pub async fn setup(node: &dyn Node, owner: Owner<'_>) -> Result<SetUp, ApiError> {
    let alone = node.directory().setting_up().await;
    made(node, owner, alone).await
}

/// Makes a person the owner of the node, for whoever has the secret of its present link. Of several who have it one is
/// first; for the others the link is spent.
///
/// # Errors
/// `setup_link_spent` if the link is another's, has lapsed, or was used; otherwise as [`setup`].
pub async fn setup_by_link(node: &dyn Node, token: &str, owner: Owner<'_>) -> Result<SetUp, ApiError> {
    let alone = node.directory().setting_up().await;
    // Looked at while nobody else sets up and no newer link is drawn: both would end this one.
    if !node.directory().is_setup_secret(token, node.now()).await? {
        let text = "This set-up link is not, or no longer, good.";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "setup_link_spent", text));
    }
    made(node, owner, alone).await
}

async fn made(node: &dyn Node, owner: Owner<'_>, _alone: MutexGuard<'_, ()>) -> Result<SetUp, ApiError> {
    let directory = node.directory();
    // A device of somebody else's account is somebody's already.
    if node.owner().is_some() {
        return Err(already());
    }
    if node.is_being_restored() {
        let text = "A backup is being restored in the place of this node.";
        return Err(ApiError::new(StatusCode::CONFLICT, "restore_under_way", text)
            .hint("Wait until it is there; if it fails, set the node up then."));
    }
    let Owner { user, tenant, password } = owner;
    directory.can_add_user(user, Some(password)).await?;
    // Broken off anywhere before the owner is named, it is begun again: tenant and account are those of the first time.
    let tenant = directory.setup_tenant(tenant, node.now()).await?;
    let (id, space) = node.create_account().await?;
    node.declare_tenant(tenant.id, Some(id)).await?;
    node.enrol(tenant.id, id, space).await?;
    directory.add_owner((id, space), user, tenant.id, password, node.now()).await?;
    directory.audit(id, Actor::Person(id), "node.set_up", json!({ "tenant": tenant.id }), node.now()).await?;
    Ok(SetUp { node: directory.node().to_owned(), user: id, tenant: tenant.id, space })
}
