//! The first person of a node.

use actix_web::http::StatusCode;
use policy_core::{SpaceId, TenantId, UserId};
use serde::Serialize;
use serde_json::json;

use super::ApiError;
use crate::directory::Actor;
use crate::node::Node;

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

/// Makes `user` the owner of the node, in a tenant of this name. Once: a node that has an owner refuses.
pub async fn setup(node: &dyn Node, user: &str, tenant: &str, password: &str) -> Result<SetUp, ApiError> {
    let directory = node.directory();
    let _alone = directory.setting_up().await;
    // A device of somebody else's account is somebody's already.
    if node.owner().is_some() {
        return Err(ApiError::new(StatusCode::CONFLICT, "already_set_up", "This node is set up already."));
    }
    directory.can_add_user(user, password).await?;
    // Broken off anywhere before the owner is named, it is begun again: tenant and account are those of the first time.
    let tenant = directory.setup_tenant(tenant, node.now()).await?;
    let (id, space) = node.create_account().await?;
    node.declare_tenant(tenant.id, Some(id)).await?;
    node.enrol(tenant.id, id, space).await?;
    directory.add_owner((id, space), user, tenant.id, password, node.now()).await?;
    directory.audit(id, Actor::Person(id), "node.set_up", json!({ "tenant": tenant.id }), node.now()).await?;
    Ok(SetUp { node: directory.node().to_owned(), user: id, tenant: tenant.id, space })
}
