//! The node itself, as people and apps meet it.

use std::sync::Arc;

use async_trait::async_trait;
use policy::Delivery;
use policy_core::{Context, GrantId, SpaceId, TenantId, Timestamp, UserId};
use vault_core::control::GrantRecord;
use vault_core::schema::Schema;

use super::{Node, NodeError, OwnSpace};
use crate::app::App;
use crate::directory::{Directory, Secret, SecretHash};
use crate::spaces::node_error;

#[async_trait]
impl Node for App {
    fn directory(&self) -> &Directory {
        &self.directory
    }
    fn now(&self) -> Timestamp {
        (self.clock)()
    }
    fn url(&self) -> String {
        self.url.get().cloned().unwrap_or_default()
    }
    fn local_token(&self) -> SecretHash {
        *self.local_token.get_or_init(|| Secret::draw().hash())
    }
    /// Who set the node up, or whose device this is.
    fn owner(&self) -> Option<UserId> {
        self.directory.owner().or_else(|| self.vault.joined().first().copied())
    }
    fn advance_epoch(&self) {
        self.policy.advance_epoch();
    }

    async fn create_account(&self) -> Result<(UserId, SpaceId), NodeError> {
        // Before anybody owns the node, an account here is that of a set-up which was broken off.
        let left = match self.owner() {
            None => self.vault.resume_account().await.map_err(node_error)?,
            Some(_) => self.spare.lock().pop(),
        };
        let made = match left {
            Some(made) => made,
            None => self.vault.create_account().await.map_err(node_error)?,
        };
        self.begin_enrolling(made.user).await.map_err(|error| NodeError::Failed(error.to_string()))?;
        Ok((made.user, made.space))
    }

    async fn declare_tenant(&self, tenant: TenantId, owner: Option<UserId>) -> Result<(), NodeError> {
        self.policy.declare_tenant(tenant, owner).await.map_err(|error| NodeError::Failed(error.to_string()))
    }

    async fn enrol(&self, tenant: TenantId, user: UserId, space: SpaceId) -> Result<(), NodeError> {
        let policy_failed = |error: policy::PolicyError| NodeError::Failed(error.to_string());
        self.policy.add_member(tenant, user).await.map_err(policy_failed)?;
        self.policy.declare_space(space, tenant, user).await.map_err(policy_failed)?;
        self.end_enrolling(user).await.map_err(|error| NodeError::Failed(error.to_string()))
    }

    async fn spaces(&self, user: UserId) -> Result<Vec<OwnSpace>, NodeError> {
        let spaces = self.vault.spaces(user).await.map_err(node_error)?;
        let own = |space: vault::SpaceInfo| OwnSpace {
            id: space.id,
            name: space.name,
            personal: space.personal,
            owner: space.owner,
        };
        Ok(spaces.into_iter().map(own).collect())
    }

    async fn schema(&self, space: SpaceId) -> Result<Arc<Schema>, NodeError> {
        self.vault.schema(space).await.map_err(node_error)
    }

    async fn grants(&self, space: SpaceId) -> Result<Vec<GrantRecord>, NodeError> {
        self.vault.grants(space).await.map_err(node_error)
    }

    async fn put_grant(&self, record: GrantRecord, by: Context) -> Result<(), NodeError> {
        self.records.put(record, by).await
    }

    async fn revoke_grant(
        &self,
        grantor: UserId,
        space: SpaceId,
        id: GrantId,
        by: Context,
    ) -> Result<Delivery, NodeError> {
        self.records.revoke(grantor, space, id, by).await
    }
}
