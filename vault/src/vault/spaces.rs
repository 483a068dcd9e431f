//! Spaces: made, listed, opened and closed.

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use policy_core::{CollectionId, SpaceId, UserId};
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard};
use vault_core::build;
use vault_core::control::{GrantRecord, PolicyEntry};
use vault_core::schema::Schema;

use super::{SpaceInfo, Vault, VaultError};
use crate::accounts::Account;
use crate::admission::Admission;
use crate::feed::Moved;
use crate::log::Scope;
use crate::space::{Policy, Prepared, Space, SpaceError};
use crate::turn::{CutOff, Turn, to_its_end};

/// At most so many spaces are open.
const OPEN_SPACES: usize = 64;

/// How often a space is made ready outside of the turn: if what it is made ready by changes each time, it is in a turn.
const AHEAD: usize = 3;

/// Nobody else opens or closes this space. Lent, as a turn is, to work that runs to its end.
pub(super) struct Opening {
    space: SpaceId,
    _alone: OwnedMutexGuard<()>,
    _some: OwnedRwLockReadGuard<()>,
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
        self.opening(id, move |vault, _| {
            Box::pin(async move {
                if let Some(space) = vault.opened(id) {
                    return Ok(space);
                }
                let owner = vault.0.admission.space(id).ok_or(SpaceError::NotFound)?.owner;
                let account = vault.0.accounts.get(owner).ok_or(SpaceError::NotFound)?;
                // Those that are opened beside this one have room as well, if there is any to be had.
                while vault.0.spaces.lock().len() >= OPEN_SPACES && vault.close_oldest().await? {}
                // Its view may be as far behind as the log is long: it follows before the turn.
                for _ in 0..AHEAD {
                    let prepared = {
                        // Before the lock of the space, which turns wait for.
                        let _may = vault.0.ahead.of(owner).await;
                        let _alone = vault.0.preparing.of(id).await;
                        vault.prepare_space(&vault.0.admission, account.clone(), id).await?
                    };
                    let device = account.device.id;
                    let opened: Option<Arc<Space>> = vault
                        .in_turn(move |vault, turn| {
                            Box::pin(async move {
                                let Some(current) = vault.0.accounts.get(owner) else { return Ok(None) };
                                let same = current.device.id == device;
                                let space = if same { prepared.go_on(turn, device).await? } else { None };
                                Ok::<_, SpaceError>(space.map(|space| vault.is_open(space)))
                            })
                        })
                        .await?;
                    if let Some(space) = opened {
                        return Ok(space);
                    }
                }
                vault
                    .in_turn(move |vault, turn| {
                        Box::pin(async move {
                            let account = vault.0.accounts.get(owner).ok_or(SpaceError::NotFound)?;
                            Ok(vault.is_open(vault.open_space(turn, account, id).await?))
                        })
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

    /// Opens or closes a space, to the end, whoever goes away meanwhile.
    pub(super) async fn opening<T: Send + 'static, E: From<CutOff> + Send + 'static>(
        &self,
        space: SpaceId,
        work: impl for<'a> FnOnce(&'a Vault, &'a Opening) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    ) -> Result<T, E> {
        let some = Arc::clone(&self.0.opening).read_owned().await;
        let opening = Opening { space, _alone: self.0.openings.of(space).await, _some: some };
        let vault = self.clone();
        to_its_end(self.0.admission.runtime(), async move { work(&vault, &opening).await }).await?
    }

    /// Nothing is stored between the last row that its view has followed and its place in the map.
    fn is_open(&self, space: Space) -> Arc<Space> {
        let space = Arc::new(space);
        space.touch(self.seconds());
        self.0.spaces.lock().insert(space.id, Arc::clone(&space));
        space
    }

    /// Opens a space in a turn, when nobody else prepares one.
    pub(super) async fn open_space(&self, turn: &Turn, account: Account, id: SpaceId) -> Result<Space, SpaceError> {
        // Whoever prepares outside of the turn waits for no turn as long as they do.
        let _alone = self.0.preparing.of(id).await;
        let device = account.device.id;
        let prepared = self.prepare_space(turn, account, id).await?;
        prepared.go_on(turn, device).await?.ok_or(SpaceError::Replaced)
    }

    pub(super) async fn prepare_space(
        &self,
        admission: &Admission,
        account: Account,
        id: SpaceId,
    ) -> Result<Prepared, SpaceError> {
        let record = self.0.accounts.view(id).await?;
        if !record.clean && record.boot != self.0.boot {
            remove_view(&self.0.views, id)?;
        }
        self.0.accounts.mark_view(id, false, &self.0.boot).await?;
        match Space::prepare(admission, account.clone(), id, &self.0.views, record.key.clone()).await {
            Err(SpaceError::View(error)) => {
                // A view is a cache: what cannot be read is made anew from the log.
                tracing::warn!(space = %id, %error, "the view is made anew");
                remove_view(&self.0.views, id)?;
                Space::prepare(admission, account, id, &self.0.views, record.key).await
            }
            other => other,
        }
    }

    /// Makes room for one more: of those that nobody uses, or opens at this moment, the one that waits longest is closed.
    /// False: there is none.
    async fn close_oldest(&self) -> Result<bool, SpaceError> {
        let mut idle: Vec<(u64, SpaceId)> = {
            let spaces = self.0.spaces.lock();
            let idle = spaces.values().filter(|space| Arc::strong_count(space) == 1);
            idle.map(|space| (space.last_used(), space.id)).collect()
        };
        idle.sort_unstable();
        for (_, space) in idle {
            // Whoever opens a space does not wait for others who do.
            let Ok(some) = Arc::clone(&self.0.opening).try_read_owned() else { return Ok(false) };
            let Some(alone) = self.0.openings.now(space) else { continue };
            if self.close_space(&Opening { space, _alone: alone, _some: some }).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// False: somebody works with it, or it is not open.
    async fn close_space(&self, opening: &Opening) -> Result<bool, SpaceError> {
        let id = opening.space;
        let space = {
            let mut spaces = self.0.spaces.lock();
            // Somebody works with it: not now.
            if spaces.get(&id).is_none_or(|space| Arc::strong_count(space) > 1) {
                return Ok(false);
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
        Ok(true)
    }

    /// Closes views that nobody has used for so long.
    pub async fn close_idle(&self, seconds: u64) -> Result<(), VaultError> {
        let now = (self.0.clock)().seconds().max(0) as u64;
        let idle: Vec<_> = {
            let spaces = self.0.spaces.lock();
            spaces.values().filter(|space| space.last_used() + seconds <= now).map(|space| space.id).collect()
        };
        for id in idle {
            self.opening(id, |vault, opening| Box::pin(vault.close_space(opening))).await?;
        }
        Ok(())
    }

    /// Writes out and closes everything; the last thing before the process ends.
    pub async fn shutdown(&self) -> Result<(), VaultError> {
        let nobody = Arc::clone(&self.0.opening).write_owned().await;
        let vault = self.clone();
        let closed = to_its_end(self.0.admission.runtime(), async move {
            let _nobody = nobody;
            vault.in_turn(|vault, turn| Box::pin(async move { vault.close_all(turn).await })).await
        });
        closed.await?
    }

    async fn close_all(&self, turn: &Turn) -> Result<(), VaultError> {
        // What was acknowledged is on disk, and databases that are closed leave nothing beside them.
        drop(self.0.in_use.lock().take());
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
