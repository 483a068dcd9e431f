//! The spaces of a node: what they are called, and what policy is told of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use policy::Relationships;
use policy_core::{Context, GrantId, SpaceId, UserId};
use vault::{Vault, VaultError};

use crate::directory::{Directory, ELSEWHERE, SpaceRow};
use crate::node::NodeError;

/// What the vault has, as directory and policy know it.
pub struct Spaces {
    pub vault: Vault,
    pub policy: Relationships,
    pub directory: Arc<Directory>,
    /// What spaces are called, as it is noted.
    names: RwLock<HashMap<SpaceId, String>>,
    /// Who gives a grant, as long as it is being given: its record arrives here too.
    giving: Mutex<HashMap<GrantId, Context>>,
    /// Spaces that policy was told of by this process.
    introduced: Mutex<HashSet<SpaceId>>,
    /// Grants that are taken back, and whose spaces do not say so yet: whose they are, and where.
    unrecorded: Mutex<HashMap<GrantId, (UserId, SpaceId)>>,
}

impl Spaces {
    pub fn new(vault: Vault, policy: Relationships, directory: Arc<Directory>) -> Spaces {
        let (names, giving, introduced, unrecorded) =
            (RwLock::default(), Mutex::default(), Mutex::default(), Mutex::default());
        Spaces { vault, policy, directory, names, giving, introduced, unrecorded }
    }

    /// What these spaces are called, of those that are here; one whose name is not noted yet is opened for it.
    pub async fn named_spaces(&self, ids: &[SpaceId]) -> Result<Vec<SpaceRow>, NodeError> {
        let failed = |error: crate::directory::DirectoryError| NodeError::Failed(error.to_string());
        let mut named = self.directory.noted_spaces(ids).await.map_err(failed)?;
        for id in ids {
            if named.iter().any(|space| space.id == *id) {
                continue;
            }
            match self.vault.policy(*id).await {
                Ok(terms) => {
                    let space = SpaceRow { id: *id, name: terms.name.clone(), personal: terms.personal };
                    self.directory.note_space(&space).await.map_err(failed)?;
                    named.push(space);
                }
                // Offered by another device, its keys not sealed to this one yet.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(node_error(error)),
            }
        }
        Ok(named)
    }

    /// Notes what a space is called, if that is news.
    async fn note_name(&self, space: SpaceId, terms: &vault::Policy) -> Result<(), NodeError> {
        let row = SpaceRow { id: space, name: terms.name.clone(), personal: terms.personal };
        if self.names.read().get(&space) == Some(&row.name) {
            return Ok(());
        }
        self.directory.note_space(&row).await.map_err(|error| NodeError::Failed(error.to_string()))?;
        self.names.write().insert(space, row.name);
        Ok(())
    }

    /// Makes a space and its grants known to policy. Idempotent.
    pub async fn project(&self, space: SpaceId) -> Result<(), NodeError> {
        let policy_failed = |error: policy::PolicyError| NodeError::Failed(error.to_string());
        let owner = self.vault.owner_of(space).ok_or(NodeError::NotFound)?;
        let terms = self.vault.policy(space).await.map_err(node_error)?;
        self.note_name(space, &terms).await?;
        self.declare(space, owner).await?;
        for record in &terms.grants {
            if !self.policy.is_revoked(record.grant.id) {
                let given = self.giving.lock().get(&record.grant.id).cloned();
                let by = given.unwrap_or_else(|| arrived("grant.arrived"));
                // What is pending is looked at by whoever asks.
                let _ = self.policy.put_grant(Arc::new(record.grant.clone()), by).await.map_err(policy_failed)?;
            } else if !terms.revoked.contains_key(&record.grant.id) {
                self.unrecorded.lock().insert(record.grant.id, (owner, space));
            }
        }
        for id in terms.revoked.keys() {
            if !self.policy.is_revoked(*id) {
                let by = arrived("revocation.arrived");
                let _ = self.policy.revoke_grant(*id, by).await.map_err(policy_failed)?;
            }
        }
        Ok(())
    }

    /// Tells policy of a space whose owner has a device here, once: its keys are not needed for that. Whether it had not
    /// been told by this process before.
    pub async fn introduce(&self, space: SpaceId) -> Result<bool, NodeError> {
        let Some(owner) = self.vault.owner_of(space) else { return Ok(false) };
        if self.introduced.lock().contains(&space) {
            return Ok(false);
        }
        self.declare(space, owner).await?;
        self.policy.settle().await.map_err(|error| NodeError::Unavailable(error.to_string()))?;
        Ok(true)
    }

    async fn declare(&self, space: SpaceId, owner: UserId) -> Result<(), NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::Failed(error.to_string());
        let user = self.directory.user(owner).await.map_err(|error| failed(&error))?;
        let tenant = user.map_or(ELSEWHERE, |user| user.tenant);
        self.policy.declare_space(space, tenant, owner).await.map_err(|error| failed(&error))?;
        self.introduced.lock().insert(space);
        Ok(())
    }

    /// Forgets a space that is not here any more.
    pub fn forget(&self, space: SpaceId) {
        self.names.write().remove(&space);
        self.introduced.lock().remove(&space);
        self.unrecorded.lock().retain(|_, (_, of)| *of != space);
    }

    /// Notes who gives a grant, until what is returned goes.
    pub fn giving(&self, id: GrantId, by: Context) -> impl Drop + Send + '_ {
        Giving::begin(&self.giving, id, by)
    }

    /// A grant is taken back, and its space does not say so yet.
    pub fn is_unrecorded(&self, id: GrantId, owner: UserId, space: SpaceId) {
        self.unrecorded.lock().insert(id, (owner, space));
    }

    /// The space of a grant says that it is taken back, or is not here.
    pub fn is_recorded(&self, id: GrantId) {
        self.unrecorded.lock().remove(&id);
    }

    /// Grants that are taken back and whose spaces do not say so: whose they are, and where.
    pub fn unrecorded(&self) -> Vec<(GrantId, (UserId, SpaceId))> {
        self.unrecorded.lock().iter().map(|(id, of)| (*id, *of)).collect()
    }
}

/// Who gives a grant, until it is given or whoever asked has gone away.
struct Giving<'a> {
    all: &'a Mutex<HashMap<GrantId, Context>>,
    id: GrantId,
}

impl<'a> Giving<'a> {
    fn begin(all: &'a Mutex<HashMap<GrantId, Context>>, id: GrantId, by: Context) -> Self {
        all.lock().insert(id, by);
        Giving { all, id }
    }
}

impl Drop for Giving<'_> {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

/// What the audit of policy says of what a space says by itself: the entry in the space tells who wrote it.
fn arrived(action: &str) -> Context {
    [("action", action), ("actor", "space")].map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect()
}

pub(crate) fn node_error(error: VaultError) -> NodeError {
    if error.is_not_found() { NodeError::NotFound } else { NodeError::Failed(error.to_string()) }
}
