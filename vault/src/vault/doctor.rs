//! What a space holds, by a digest; and views that do not read made anew.

use policy_core::SpaceId;

use super::{Vault, VaultError};
use crate::log::Scope;
use crate::log_health::LogHealth;
use crate::space::SpaceError;

/// What `allod doctor` says of a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub space: SpaceId,
    pub position: u64,
    pub documents: u64,
    pub digest: [u8; 32],
    /// Definitions and changes of policy that some device of the account wrote, and that say nothing.
    pub left_out: usize,
}

impl Vault {
    /// Digests of all spaces; `rebuild`: after making every view anew from the log.
    pub async fn doctor(
        &self,
        rebuild: bool,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Vec<Health>, VaultError> {
        let mut ids: Vec<_> = self.users().into_iter().flat_map(|user| self.0.admission.spaces_of(user)).collect();
        ids.sort();
        let mut all = Vec::with_capacity(ids.len());
        for (n, id) in ids.iter().enumerate() {
            progress(n, ids.len());
            if rebuild {
                self.forget_view(*id).await?;
            }
            let health = if rebuild { self.health(*id).await? } else { self.shown(*id).await? };
            all.extend(health);
        }
        progress(ids.len(), ids.len());
        Ok(all)
    }

    /// What a space shows; `None`: its keys are not sealed to this device yet.
    ///
    /// # Errors
    /// If it does not open.
    pub async fn shown(&self, id: SpaceId) -> Result<Option<Health>, VaultError> {
        match self.health(id).await {
            // What no opening looked at does not read: a view is a cache, and is made anew from the log.
            Err(VaultError::View(error)) => {
                tracing::warn!(space = %id, %error, "the view is made anew");
                self.forget_view(id).await?;
                self.health(id).await
            }
            other => other,
        }
    }

    /// Reads the log from its begin to its end, and says what of it does not read.
    ///
    /// # Errors
    /// If it cannot be read at all.
    pub async fn look_at_log(&self) -> Result<LogHealth, VaultError> {
        Ok(self.0.admission.look_at_log().await?)
    }

    /// Closes a space, whoever works with it, and removes its view: the next opening makes it anew.
    async fn forget_view(&self, id: SpaceId) -> Result<(), VaultError> {
        self.opening(id, move |vault, _| {
            Box::pin(vault.in_turn(move |vault, turn| Box::pin(vault.replace_space(turn, id, true))))
        })
        .await
    }

    /// `None`: the keys of the space are not sealed to this device yet.
    async fn health(&self, id: SpaceId) -> Result<Option<Health>, VaultError> {
        let space = match self.space(id).await {
            Ok(space) => space,
            Err(SpaceError::Keys(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let position = self.0.admission.log().position(Scope::Space(id));
        let left_out = space.left_out();
        let digest = move || {
            space.settle()?;
            space.core().lock().view.digest()
        };
        let (documents, digest) =
            tokio::task::spawn_blocking(digest).await.map_err(|_| SpaceError::Entry("the digest was cut off"))??;
        Ok(Some(Health { space: id, position, documents, digest, left_out }))
    }
}
