//! The node as people and apps meet it: what sign-in, consent and the account routes need of the
//! vault and of policy, and nothing more.

use std::sync::Arc;

use async_trait::async_trait;
use policy::Delivery;
use policy_core::{Context, GrantId, SpaceId, TenantId, Timestamp, UserId};
use vault_core::control::GrantRecord;
use vault_core::schema::Schema;

use crate::directory::{Directory, SecretHash};

/// A space of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSpace {
    pub id: SpaceId,
    pub name: String,
    pub personal: bool,
    pub owner: UserId,
}

/// Why the node did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// Not there, or not the caller's: the two answer alike.
    #[error("There is nothing of this id.")]
    NotFound,
    #[error("The node cannot decide at this moment ({0}); try again.")]
    Unavailable(String),
    /// Policy gives no answer; the engine's word for why.
    #[error("Policy cannot decide this now: {}.", crate::engine::sentence(.0).0)]
    Policy(String),
    #[error("The node failed: {0}")]
    Failed(String),
}

/// What the handlers of accounts and of OAuth are given.
#[async_trait]
pub trait Node: Send + Sync + 'static {
    fn directory(&self) -> &Directory;
    /// The present instant.
    fn now(&self) -> Timestamp;
    /// The address under which people and apps reach the node, without a slash at the end.
    fn url(&self) -> String;
    /// The hash of this start's local token.
    fn local_token(&self) -> SecretHash;
    /// The person whom the operator acts as; `None` before the setup.
    fn owner(&self) -> Option<UserId> {
        self.directory().owner()
    }
    /// Moves the policy epoch: called after every revocation and before it is acknowledged.
    fn advance_epoch(&self);

    /// Makes an account with its personal space.
    async fn create_account(&self) -> Result<(UserId, SpaceId), NodeError>;
    /// Makes a tenant known to policy.
    async fn declare_tenant(&self, tenant: TenantId, owner: Option<UserId>) -> Result<(), NodeError>;
    /// Makes a new account known to policy: a member of its tenant, the owner of its personal space.
    async fn enrol(&self, tenant: TenantId, user: UserId, space: SpaceId) -> Result<(), NodeError>;

    async fn spaces(&self, user: UserId) -> Result<Vec<OwnSpace>, NodeError>;
    async fn schema(&self, space: SpaceId) -> Result<Arc<Schema>, NodeError>;

    /// Stores a grant, then enforces it. Durable when this returns. The grantor must manage the space. `by` is what the
    /// audit of policy says of who does it.
    async fn put_grant(&self, record: GrantRecord, by: Context) -> Result<(), NodeError>;
    /// Stops enforcing a grant, then stores that. No request after this returns is served under it; pending, if that is
    /// not known everywhere yet. `by` is as there.
    async fn revoke_grant(
        &self,
        grantor: UserId,
        space: SpaceId,
        id: GrantId,
        by: Context,
    ) -> Result<Delivery, NodeError>;
    /// The grants of a space that are not revoked.
    async fn grants(&self, space: SpaceId) -> Result<Vec<GrantRecord>, NodeError>;
}

#[cfg(test)]
pub(crate) mod fake;
mod own;
