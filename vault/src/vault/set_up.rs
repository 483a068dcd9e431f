//! Making an account, in a way that can be broken off anywhere.

use std::collections::BTreeSet;

use policy_core::UserId;
use vault_core::build;
use vault_core::control::PolicyEntry;
use vault_core::identity::{DeviceSecret, Signer};
use vault_core::tags::LaneTag;

use super::{CreatedAccount, Vault, VaultError};
use crate::feed::Moved;
use crate::log::Scope;
use crate::turn::Turn;

/// The name of a personal space.
fn personal() -> PolicyEntry {
    PolicyEntry::Space { name: "Personal".to_owned(), personal: true }
}

impl Vault {
    /// Makes an account, its first device (this node's) and its personal space. Runs to its end, whoever goes away.
    pub async fn create_account(&self) -> Result<CreatedAccount, VaultError> {
        self.in_turn(|vault, turn| Box::pin(vault.create_account_in(turn))).await
    }

    async fn create_account_in(&self, turn: &Turn) -> Result<CreatedAccount, VaultError> {
        let (root, device, user, frame) = {
            let mut rng = rand::rng();
            let (root, device) = (Signer::random(&mut rng), DeviceSecret::random(&mut rng));
            let (user, frame) = build::create_account(&root, &device.public(self.transport()), self.tick(), &mut rng)?;
            (root, device, user, frame)
        };
        let id = device.id;
        // Keys first: a log entry whose keys are lost could not be undone.
        self.0.accounts.add(turn, user, device.clone(), Some(&root)).await?;
        let own = [device.public(self.transport())];
        let (space, first) = build::create_space(user, &device, &own, &personal(), self.tick(), &mut rand::rng())?;
        // Account and space are in the log, or neither is.
        let mut batch = turn.begin();
        batch.admit(Scope::Account(user), frame.into_bytes())?;
        batch.admit(Scope::Space(space), first.into_bytes())?;
        batch.store().await?;
        let _ = self.0.feed.send(Moved::Sharing);
        let _ = self.0.feed.send(Moved::Log(Scope::Space(space)));
        Ok(CreatedAccount { user, device: id, space })
    }

    /// The account of a set-up that was broken off: for a node that has no owner yet, and so had no other account made
    /// here. One that is not in the log is forgotten.
    pub async fn resume_account(&self) -> Result<Option<CreatedAccount>, VaultError> {
        for user in self.users() {
            let Some(account) = self.0.accounts.get(user).filter(|account| account.made_here) else { continue };
            if self.0.admission.account(user).is_none() {
                self.in_turn(move |vault, turn| {
                    Box::pin(async move { Ok::<_, VaultError>(vault.0.accounts.forget(turn, user).await?) })
                })
                .await?;
                continue;
            }
            let found = self.spaces(user).await?.into_iter().find(|space| space.personal);
            let space = match found {
                Some(space) => space.id,
                None => self.make_space(user, personal()).await?,
            };
            return Ok(Some(CreatedAccount { user, device: account.device.id, space }));
        }
        Ok(None)
    }

    /// Accounts that were made here for nobody in `known`, and in which nothing was ever written; those that are not
    /// even in the log are forgotten.
    pub async fn unused_accounts(&self, known: &BTreeSet<UserId>) -> Result<Vec<CreatedAccount>, VaultError> {
        let mut unused = Vec::new();
        for user in self.users().into_iter().filter(|user| !known.contains(user)) {
            let Some(account) = self.0.accounts.get(user).filter(|account| account.made_here) else { continue };
            if self.0.admission.account(user).is_none() {
                self.in_turn(move |vault, turn| {
                    Box::pin(async move { Ok::<_, VaultError>(vault.0.accounts.forget(turn, user).await?) })
                })
                .await?;
                continue;
            }
            let spaces = self.spaces(user).await?;
            let [space] = &spaces[..] else { continue };
            let chains = self.0.admission.log().chains(Scope::Space(space.id));
            let written = chains.keys().any(|(lane, _)| *lane != LaneTag::CONTROL);
            if space.personal && !written && self.schema(space.id).await?.collections.is_empty() {
                unused.push(CreatedAccount { user, device: account.device.id, space: space.id });
            }
        }
        Ok(unused)
    }

    /// The accounts that this node joined as a further device.
    pub fn joined(&self) -> Vec<UserId> {
        let made = |user: &UserId| self.0.accounts.get(*user).is_some_and(|account| account.made_here);
        self.users().into_iter().filter(|user| !made(user)).collect()
    }
}
