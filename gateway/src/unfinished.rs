//! People whose making was broken off.
//!
//! An account is made first, then its person is named, then policy hears of them. Killed before the name, the account
//! is nobody's, and the next who is added gets it: nothing was ever written in it, and no tenant knows it. Killed behind
//! the name, the rest is done at the next start.

use std::collections::BTreeSet;

use policy_core::UserId;
use vault::accounts::AccountsError;

use crate::app::App;
use crate::directory::DirectoryError;
use crate::node::{Node as _, NodeError};

/// Before the id of who is named and not yet known to policy.
const ENROLLING: &str = "enrolling ";

/// Why what was broken off cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum UnfinishedError {
    #[error(transparent)]
    Vault(#[from] vault::VaultError),
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl App {
    pub(crate) async fn begin_enrolling(&self, user: UserId) -> Result<(), AccountsError> {
        self.vault.accounts().set(&format!("{ENROLLING}{user}"), "").await
    }

    pub(crate) async fn end_enrolling(&self, user: UserId) -> Result<(), AccountsError> {
        self.vault.accounts().unset(&format!("{ENROLLING}{user}")).await
    }

    /// Finds the accounts that are nobody's. Only while nobody is being added: at the start.
    pub async fn find_spare(&self) -> Result<(), UnfinishedError> {
        if self.directory.owner().is_none() {
            // That of a set-up, which goes on with it.
            return Ok(());
        }
        let mut known: BTreeSet<UserId> = self.directory.users().await?.into_iter().map(|user| user.id).collect();
        // Whose removal was broken off before their keys were destroyed.
        known.extend(self.directory.being_removed().await?.into_iter().map(|person| person.id));
        let spare = self.vault.unused_accounts(&known).await?;
        *self.spare.lock() = spare;
        Ok(())
    }

    /// Tells policy of people who were named and whom it has not heard of.
    pub async fn finish_people(&self) -> Result<(), UnfinishedError> {
        let begun = self.vault.accounts().settings_under(ENROLLING).await?;
        for id in begun.iter().filter_map(|id| id.parse::<UserId>().ok()) {
            if let Some(user) = self.directory.user(id).await? {
                self.enrol(user.tenant, user.id, user.space).await?;
            }
        }
        Ok(())
    }
}
