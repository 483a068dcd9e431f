//! Grants as their spaces record them: what is given is written there first and enforced then, what is taken back the
//! other way round.

use std::sync::Arc;

use policy::Delivery;
use policy_core::{Caller, Context, GrantId, SpaceId, UserId};
use vault::VaultError;
use vault_core::control::GrantRecord;

use crate::access::Access;
use crate::node::NodeError;
use crate::spaces::{Spaces, node_error};

/// Who gives and takes back.
pub struct Records {
    access: Arc<Access>,
    spaces: Arc<Spaces>,
}

impl Records {
    pub fn new(access: Arc<Access>, spaces: Arc<Spaces>) -> Records {
        Records { access, spaces }
    }

    /// Stores a grant, then enforces it.
    pub async fn put(&self, record: GrantRecord, by: Context) -> Result<(), NodeError> {
        let grant = Arc::new(record.grant.clone());
        let id = grant.id;
        let _giving = self.spaces.giving(id, by.clone());
        self.record(grant.grantor, grant.space, PolicyChange::Put(record)).await?;
        let put = self.spaces.policy.put_grant(grant, by).await;
        put.map(drop).map_err(|error| NodeError::Failed(error.to_string()))
    }

    /// Stops enforcing a grant, then stores that.
    pub async fn revoke(
        &self,
        grantor: UserId,
        space: SpaceId,
        id: GrantId,
        by: Context,
    ) -> Result<Delivery, NodeError> {
        let revoked = self.spaces.policy.revoke_grant(id, by).await;
        let delivery = revoked.map_err(|error| NodeError::Failed(error.to_string()))?;
        match self.record(grantor, space, PolicyChange::Revoke(id)).await {
            Err(NodeError::Policy(reason)) => {
                // The space says so as soon as policy answers again; nobody is served by the grant meanwhile.
                self.spaces.is_unrecorded(id, grantor, space);
                Ok(delivery.and(Delivery::Pending(reason)))
            }
            recorded => recorded.map(|()| delivery),
        }
    }

    /// Records in their spaces what was taken back while policy could not answer.
    pub async fn record_revocations(&self) {
        for (id, (user, space)) in self.spaces.unrecorded() {
            match self.record(user, space, PolicyChange::Revoke(id)).await {
                Ok(()) | Err(NodeError::NotFound) => self.spaces.is_recorded(id),
                Err(error) => {
                    tracing::warn!(grant = %id, %error, "a space does not say yet that a grant is taken back")
                }
            }
        }
    }

    /// Records a change of a space's grants, again if its permits hold no more.
    async fn record(&self, user: UserId, space: SpaceId, change: PolicyChange) -> Result<(), NodeError> {
        let caller = Caller { user, app: None, device: None };
        let mut attempts = self.access.attempts(&caller, space);
        loop {
            let (_, permits) = attempts.write().await?;
            let done = match &change {
                PolicyChange::Put(record) => self.spaces.vault.put_grant(&permits, record.clone()).await,
                PolicyChange::Revoke(id) => self.spaces.vault.revoke_grant(&permits, *id).await,
            };
            match done {
                Err(VaultError::Permit(refusal)) if refusal.calls_for_another() => {}
                other => return other.map_err(node_error),
            }
        }
    }
}

/// A change of a space's grants.
enum PolicyChange {
    Put(GrantRecord),
    Revoke(GrantId),
}
