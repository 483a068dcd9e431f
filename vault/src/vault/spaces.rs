//! Spaces: made, listed, opened and closed.

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use policy_core::{CollectionId, SpaceId, UserId};
use tokio::sync::OwnedMutexGuard;
use vault_core::build;
use vault_core::control::{GrantRecord, PolicyEntry};
use vault_core::schema::Schema;

use super::{SpaceInfo, Vault, VaultError};
use crate::accounts::Account;
use crate::feed::Moved;
use crate::log::Scope;
use crate::space::{Policy, Space, SpaceError};
use crate::turn::{CutOff, Turn, to_its_end};

/// At most so many spaces are open.
const OPEN_SPACES: usize = 64;

/// Nobody else opens or closes a space. Lent, as a turn is, to work that runs to its end.
pub(super) struct Opening {
    _alone: OwnedMutexGuard<()>,
}

impl Vault {
    /// Makes a space owned by `owner`, which must have a device here.
    pub async fn create_space(&self, owner: UserId, name: &str) -> Result<SpaceId, VaultError> {
        self.make_space(owner, PolicyEntry::Space { name: name.to_owned(), personal: false }).await
    }

    pub(super) async fn make_space(&self, owner: UserId, name: PolicyEntry) -> Result<SpaceId, VaultError> {
        self.in_turn(move |vault, turn| {
            Box::pin(async move {
                let account = vault.0.accounts.get(owner).ok_or(SpaceError::NotFound)?;
                let lane = turn.account(owner).ok_or(SpaceError::NotFound)?;
                let devices: Vec<_> = lane.devices().copied().collect();
                let (space, frame) =
                    build::create_space(owner, &account.device, &devices, &name, vault.tick(), &mut rand::rng())?;
                let mut batch = turn.begin();
                batch.admit(Scope::Space(space), frame.into_bytes())?;
                batch.store().await?;
                let _ = vault.0.feed.send(Moved::Sharing);
                let _ = vault.0.feed.send(Moved::Log(Scope::Space(space)));
                Ok(space)
            })
        })
        .await
    }

    /// The spaces that an account owns here, personal first, then by id.
    pub async fn spaces(&self, user: UserId) -> Result<Vec<SpaceInfo>, VaultError> {
        let mut all = Vec::new();
        if self.0.accounts.get(user).is_none() {
            return Ok(all);
        }
        for id in self.0.admission.spaces_of(user) {
            match self.space(id).await {
                Ok(space) => {
                    let policy = space.policy();
                    all.push(SpaceInfo { id, name: policy.name.clone(), personal: policy.personal, owner: user });
                }
                // Offered by another device, its keys not sealed to this one yet.
                Err(SpaceError::Keys(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        all.sort_by_key(|space| (!space.personal, space.id));
        Ok(all)
    }

    /// The ids of an account's spaces, without opening them.
    pub fn space_ids(&self, user: UserId) -> Vec<SpaceId> {
        self.0.admission.spaces_of(user)
    }

    /// Who owns a space that this node serves.
    pub fn owner_of(&self, space: SpaceId) -> Option<UserId> {
        self.0.admission.space(space).map(|lane| lane.owner).filter(|owner| self.0.accounts.get(*owner).is_some())
    }

    /// The definitions of a space.
    pub async fn schema(&self, space: SpaceId) -> Result<Arc<Schema>, VaultError> {
        Ok(self.space(space).await?.schema())
    }

    /// Name and grants of a space.
    pub async fn policy(&self, space: SpaceId) -> Result<Arc<Policy>, VaultError> {
        Ok(self.space(space).await?.policy())
    }

    /// The live grants on a space.
    pub async fn grants(&self, space: SpaceId) -> Result<Vec<GrantRecord>, VaultError> {
        Ok(self.policy(space).await?.grants.clone())
    }

    /// The collections of a space as policy names them.
    pub async fn collection_ids(&self, space: SpaceId) -> Result<Vec<CollectionId>, VaultError> {
        Ok(self.schema(space).await?.collections.iter().map(|collection| collection.id).collect())
    }

    /// An open space.
    pub(crate) async fn space(&self, id: SpaceId) -> Result<Arc<Space>, SpaceError> {
        if let Some(space) = self.opened(id) {
            return Ok(space);
        }
        self.opening(move |vault, opening| {
            Box::pin(async move {
                if let Some(space) = vault.opened(id) {
                    return Ok(space);
                }
                let owner = vault.0.admission.space(id).ok_or(SpaceError::NotFound)?.owner;
                let account = vault.0.accounts.get(owner).ok_or(SpaceError::NotFound)?;
                if vault.0.spaces.lock().len() >= OPEN_SPACES {
                    vault.close_oldest(opening).await?;
                }
                // Nothing is stored between the last row that the view has followed and its place in the map.
                let open = move |vault: &Vault, space: Space| {
                    let space = Arc::new(space);
                    space.touch(vault.seconds());
                    vault.0.spaces.lock().insert(id, Arc::clone(&space));
                    space
                };
                vault
                    .in_turn(move |vault, turn| {
                        Box::pin(async move { Ok(open(vault, vault.open_space(turn, account, id).await?)) })
                    })
                    .await
            })
        })
        .await
    }

    /// A space, if it is open.
    pub(super) fn open_now(&self, id: SpaceId) -> Option<Arc<Space>> {
        self.0.spaces.lock().get(&id).cloned()
    }

    fn opened(&self, id: SpaceId) -> Option<Arc<Space>> {
        let space = self.open_now(id)?;
        space.touch(self.seconds());
        Some(space)
    }

    fn seconds(&self) -> u64 {
        (self.0.clock)().seconds().max(0) as u64
    }

    /// Opens or closes spaces, to the end, whoever goes away meanwhile.
    pub(super) async fn opening<T: Send + 'static, E: From<CutOff> + Send + 'static>(
        &self,
        work: impl for<'a> FnOnce(&'a Vault, &'a Opening) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    ) -> Result<T, E> {
        let opening = Opening { _alone: Arc::clone(&self.0.opening).lock_owned().await };
        let vault = self.clone();
        to_its_end(self.0.admission.runtime(), async move { work(&vault, &opening).await }).await?
    }

    pub(super) async fn open_space(&self, turn: &Turn, account: Account, id: SpaceId) -> Result<Space, SpaceError> {
        let record = self.0.accounts.view(id).await?;
        if !record.clean && record.boot != self.0.boot {
            remove_view(&self.0.views, id)?;
        }
        self.0.accounts.mark_view(id, false, &self.0.boot).await?;
        match Space::open(turn, account.clone(), id, &self.0.views, record.key.clone()).await {
            Err(SpaceError::View(error)) => {
                // A view is a cache: what cannot be read is made anew from the log.
                tracing::warn!(space = %id, %error, "the view is made anew");
                remove_view(&self.0.views, id)?;
                Space::open(turn, account, id, &self.0.views, record.key).await
            }
            other => other,
        }
    }

    async fn close_oldest(&self, opening: &Opening) -> Result<(), SpaceError> {
        let oldest = {
            let spaces = self.0.spaces.lock();
            let idle = spaces.values().filter(|space| Arc::strong_count(space) == 1);
            idle.min_by_key(|space| space.last_used()).map(|space| space.id)
        };
        if let Some(id) = oldest {
            self.close_space(opening, id).await?;
        }
        Ok(())
    }

    async fn close_space(&self, _opening: &Opening, id: SpaceId) -> Result<(), SpaceError> {
        let space = {
            let mut spaces = self.0.spaces.lock();
            // Somebody works with it: not now.
            if spaces.get(&id).is_none_or(|space| Arc::strong_count(space) > 1) {
                return Ok(());
            }
            spaces.remove(&id)
        };
        if let Some(space) = space {
            tokio::task::spawn_blocking(move || space.close())
                .await
                .map_err(|_| SpaceError::Entry("closing the view was cut off"))??;
            // A view that is closed is not looked into at the next start: the mark speaks for it.
            self.0.witness.note(self.0.admission.log()).await?;
            self.0.accounts.mark_view(id, true, &self.0.boot).await?;
        }
        Ok(())
    }

    /// Closes views that nobody has used for so long.
    pub async fn close_idle(&self, seconds: u64) -> Result<(), VaultError> {
        let now = (self.0.clock)().seconds().max(0) as u64;
        let idle: Vec<_> = {
            let spaces = self.0.spaces.lock();
            spaces.values().filter(|space| space.last_used() + seconds <= now).map(|space| space.id).collect()
        };
        self.opening(move |vault, opening| {
            Box::pin(async move {
                for id in idle {
                    vault.close_space(opening, id).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Writes out and closes everything; the last thing before the process ends.
    pub async fn shutdown(&self) -> Result<(), VaultError> {
        self.opening(|vault, _| {
            Box::pin(vault.in_turn(|vault, turn| Box::pin(async move { vault.close_all(turn).await })))
        })
        .await
    }

    async fn close_all(&self, turn: &Turn) -> Result<(), VaultError> {
        self.0.witness.note(turn.log()).await?;
        let ids: Vec<_> = self.0.spaces.lock().keys().copied().collect();
        for id in ids {
            let space = self.0.spaces.lock().remove(&id);
            if let Some(space) = space {
                tokio::task::spawn_blocking(move || space.close())
                    .await
                    .map_err(|_| SpaceError::Entry("closing the view was cut off"))??;
                self.0.accounts.mark_view(id, true, &self.0.boot).await?;
            }
        }
        turn.log().close().await?;
        Ok(())
    }
}

pub(super) fn remove_view(dir: &Path, id: SpaceId) -> Result<(), SpaceError> {
    for suffix in ["", "-wal", "-shm"] {
        let path = dir.join(format!("{id}.view{suffix}"));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(SpaceError::Entry("a view could not be removed"));
            }
            _ => {}
        }
    }
    Ok(())
}
