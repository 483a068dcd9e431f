//! The node as people and apps meet it: what sign-in, consent and the account routes need of the
//! vault and of policy, and nothing more.

use std::sync::Arc;

use async_trait::async_trait;
use gateway_people::grants::Order;
use gateway_people::realm::Realm;
use policy::Delivery;
use policy_core::{Context, Grant, GrantId, SpaceId, TenantId, UserId};
use vault_core::control::GrantRecord;
use vault_core::schema::Schema;

use crate::back_channel::BackChannel;
use crate::client_documents::ClientDocuments;
use crate::directory::removals::RemovedPerson;
use crate::oidc::Providers;
use crate::passkeys::{Ceremonies, RelyingParty};
use crate::registration::Registrations;

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

/// What a grant would show of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypePreview {
    pub collection: String,
    pub shows: PreviewContent,
    /// Whether every version shows, those of today too: history lists by itself, and needs no other verb.
    pub versions: bool,
}

/// What of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreviewContent {
    /// Nothing is read.
    Nothing,
    /// What is asked for by its id alone: nothing is listed.
    Named,
    /// The first rows. `fields_left`: so many fields are not among these; `more`: there are more rows.
    Rows { fields: Vec<String>, fields_left: usize, rows: Vec<Vec<Option<String>>>, more: bool },
    /// The first rows are too large to be looked at.
    Large,
}

/// What a grant would show first, and of how many types it is not told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    pub types: Vec<TypePreview>,
    pub types_left: usize,
}

/// What the handlers of accounts and of OAuth are given.
#[async_trait]
pub trait Node: Realm {
    /// The outside providers by which people sign in.
    fn providers(&self) -> &Providers;
    /// The ceremonies of passkeys that are on their way.
    fn ceremonies(&self) -> &Ceremonies;
    /// For whom passkeys are made here; `None` where the node's pages have no name.
    fn relying_party(&self) -> Option<RelyingParty> {
        RelyingParty::of(&self.url())
    }
    /// By which apps are told that somebody signed out.
    fn back_channel(&self) -> &BackChannel;
    /// What reads the documents in which apps describe themselves, if they may.
    fn client_documents(&self) -> &ClientDocuments;
    /// Whether apps may register themselves, and which did of late.
    fn registrations(&self) -> &Registrations;
    /// Whether a backup is being restored in its place: nobody sets it up meanwhile.
    fn is_being_restored(&self) -> bool {
        false
    }
    /// Moves the policy epoch: called after every revocation and before it is acknowledged.
    fn advance_epoch(&self);

    /// Makes an account with its personal space.
    async fn create_account(&self) -> Result<(UserId, SpaceId), NodeError>;
    /// Makes a tenant known to policy.
    async fn declare_tenant(&self, tenant: TenantId, owner: Option<UserId>) -> Result<(), NodeError>;
    /// Makes a new account known to policy: a member of its tenant, the owner of its personal space.
    async fn enrol(&self, tenant: TenantId, user: UserId, space: SpaceId) -> Result<(), NodeError>;

    /// Destroys the keys of somebody who is marked as being removed, undoes what hangs on them and forgets them. What fails
    /// is gone on with by the node itself.
    async fn finish_removal(&self, person: &RemovedPerson) -> Result<(), NodeError>;
    /// [`Node::finish_removal`] of everybody in a tenant that is marked so, which is forgotten then.
    async fn finish_tenant_removal(&self, tenant: TenantId) -> Result<(), NodeError>;
    /// Somebody was suspended, or is so no more: what is synced of theirs begins or ends.
    fn standing_moved(&self);

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
    /// Nobody else changes rights in the space until what is returned goes. Whoever has it asks for no other.
    async fn turn(&self, space: SpaceId) -> Box<dyn Send>;
    /// Notes that a grant in a space is being given, and what opens it: what is broken off before [`Node::end_giving`] is
    /// taken back. Nobody else changes rights in the space until what is returned goes.
    async fn begin_giving(&self, space: SpaceId, id: GrantId) -> Result<Box<dyn Send>, NodeError>;
    /// It is given.
    async fn end_giving(&self, space: SpaceId, id: GrantId) -> Result<(), NodeError>;
    /// Notes that a grant is being taken back, in the turn of its space: what is broken off before [`Node::end_taking`] is gone on with.
    async fn begin_taking(&self, space: SpaceId, id: GrantId) -> Result<(), NodeError>;
    /// It is taken back, or is not.
    async fn end_taking(&self, space: SpaceId, id: GrantId) -> Result<(), NodeError>;
    /// Notes that a grant takes the place of `old`: what is broken off before [`Node::end_replacing`] is gone on with, or
    /// `old` stays, by which of them the directory knows. Nobody else changes rights in the space until what is returned
    /// goes.
    async fn begin_replacing(&self, space: SpaceId, old: GrantId, new: GrantId) -> Result<Box<dyn Send>, NodeError>;
    /// It has, or has not.
    async fn end_replacing(&self, space: SpaceId, old: GrantId, new: GrantId) -> Result<(), NodeError>;
    /// What a grant that is not given yet would show first, its fields in this order. Its grantor looks.
    async fn preview(&self, grant: &Grant, order: &Order) -> Result<Preview, NodeError>;
    /// Whether a grant was taken back on another of its person's nodes.
    async fn is_taken_back_elsewhere(&self, space: SpaceId, id: GrantId) -> Result<bool, NodeError>;
    /// The grants of a space that are not revoked.
    async fn grants(&self, space: SpaceId) -> Result<Vec<GrantRecord>, NodeError>;
}

#[cfg(test)]
pub(crate) mod fake;
mod own;
#[cfg(test)]
pub(crate) mod served;
