//! An account whose keys are destroyed: what was written in its spaces stays in the log, sealed, and nobody opens it here
//! again.
//!
//! The keys of a space lie in its log, sealed to the devices of its owner (format.md, "Control"). This node opens them by
//! the secret of its own device of the account, which lies in the node database under the node key. That secret, those of
//! devices before it and the root key of the account are what is destroyed, with the views and their keys.

use policy_core::{SpaceId, UserId};

use super::{Vault, VaultError};

impl Vault {
    /// Destroys what this node has to open an account by: its devices here, its root key, its views. When this returns the
    /// node opens none of its spaces, and neither does another start. Again is no change: what was broken off is gone on
    /// with so. Runs to its end, whoever goes away.
    ///
    /// What lies elsewhere is not reached: other devices of the account, replicas, backups.
    ///
    /// # Errors
    /// If the node database or a view cannot be written; then it is to be tried again.
    pub async fn shred(&self, user: UserId) -> Result<(), VaultError> {
        // Keys first: from here on nothing of the account is opened.
        self.in_turn(move |vault, turn| {
            Box::pin(async move { Ok::<_, VaultError>(vault.0.accounts.destroy(turn, user).await?) })
        })
        .await?;
        for space in self.space_ids(user) {
            self.shred_view(space).await?;
        }
        Ok(self.0.accounts.scrub().await?)
    }

    /// Closes a space whose account is gone and removes what was made of its log.
    async fn shred_view(&self, space: SpaceId) -> Result<(), VaultError> {
        // Whoever was opening it has done so, or found no account.
        self.opening(space, move |vault, _| {
            Box::pin(async move {
                let closed = vault
                    .in_turn(move |vault, turn| Box::pin(async move { vault.replace_space(turn, space, true).await }));
                closed.await?;
                Ok::<_, VaultError>(vault.0.accounts.destroy_view(space).await?)
            })
        })
        .await
    }
}
