//! The node itself, as people and apps meet it.

use std::sync::Arc;

use async_trait::async_trait;
use gateway_people::realm::Realm;
use policy::Delivery;
use policy_core::{Context, Grant, GrantId, SpaceId, TenantId, Timestamp, UserId};
use vault_core::control::GrantRecord;
use vault_core::schema::Schema;

use super::{Node, NodeError, OwnSpace, Preview};
use crate::app::App;
use crate::back_channel::BackChannel;
use crate::client_documents::ClientDocuments;
use crate::directory::removals::RemovedPerson;
use crate::directory::{Directory, Secret, SecretHash};
use crate::grants::Order;
use crate::oidc::Providers;
use crate::outbound::Outbound;
use crate::passkeys::Ceremonies;
use crate::registration::Registrations;
use crate::rights::Change;
use crate::spaces::node_error;
use crate::turns::Turn;

impl Realm for App {
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
}

#[async_trait]
impl Node for App {
    fn providers(&self) -> &Providers {
        self.providers.get_or_init(Providers::default)
    }
    fn ceremonies(&self) -> &Ceremonies {
        &self.ceremonies
    }
    fn back_channel(&self) -> &BackChannel {
        self.back_channel.get_or_init(|| BackChannel::new(Outbound::new(sync::Reach::new(Vec::new()))))
    }
    fn client_documents(&self) -> &ClientDocuments {
        self.client_documents.get_or_init(ClientDocuments::default)
    }
    fn registrations(&self) -> &Registrations {
        self.registrations.get_or_init(Registrations::default)
    }
    fn is_being_restored(&self) -> bool {
        self.restoring.is_under_way()
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

    async fn finish_removal(&self, person: &RemovedPerson) -> Result<(), NodeError> {
        App::finish_removal(self, person).await.map_err(|error| NodeError::Failed(error.to_string()))
    }

    async fn finish_tenant_removal(&self, tenant: TenantId) -> Result<(), NodeError> {
        App::finish_tenant_removal(self, tenant).await.map_err(|error| NodeError::Failed(error.to_string()))
    }

    fn standing_moved(&self) {
        self.vault.sharing_moved();
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

    async fn preview(&self, grant: &Grant, order: &Order) -> Result<Preview, NodeError> {
        self.preview_grant(grant, order).await
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

    async fn is_taken_back_elsewhere(&self, space: SpaceId, id: GrantId) -> Result<bool, NodeError> {
        let owner = self.vault.owner_of(space).ok_or(NodeError::NotFound)?;
        let own = self.vault.own_devices(owner);
        let terms = self.vault.policy(space).await.map_err(node_error)?;
        Ok(terms.revoked.get(&id).is_some_and(|by| by.iter().any(|device| !own.contains(device))))
    }

    async fn turn(&self, space: SpaceId) -> Box<dyn Send> {
        Box::new(self.sharing.of([Turn::Space(space)]).await)
    }
    async fn begin_giving(&self, space: SpaceId, id: GrantId) -> Result<Box<dyn Send>, NodeError> {
        let alone = self.turns([Turn::Space(space)]).await?;
        self.begin_change(&Change::Gives(space, id)).await?;
        Ok(Box::new(alone))
    }
    async fn end_giving(&self, space: SpaceId, id: GrantId) -> Result<(), NodeError> {
        self.end_change(&Change::Gives(space, id)).await
    }
    async fn begin_taking(&self, space: SpaceId, id: GrantId) -> Result<(), NodeError> {
        self.begin_change(&Change::TakesBack(space, id)).await
    }
    async fn end_taking(&self, space: SpaceId, id: GrantId) -> Result<(), NodeError> {
        self.end_change(&Change::TakesBack(space, id)).await
    }
    async fn begin_replacing(&self, space: SpaceId, old: GrantId, new: GrantId) -> Result<Box<dyn Send>, NodeError> {
        let alone = self.turns([Turn::Space(space)]).await?;
        self.begin_change(&Change::Replaces(space, old, new)).await?;
        Ok(Box::new(alone))
    }
    async fn end_replacing(&self, space: SpaceId, old: GrantId, new: GrantId) -> Result<(), NodeError> {
        self.end_change(&Change::Replaces(space, old, new)).await
    }
}
