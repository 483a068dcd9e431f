//! Devices that signed two histories, as people are told of them.

use policy_core::{SpaceId, UserId};
use serde::Serialize;
use sync_core::{CommitId, Scope};

use crate::identity::peer_id;
use crate::ledger::{Chain, Forked};
use crate::node::SyncNode;
use crate::store::StoreError;
use crate::waiting::counts;

/// A device signed two commits with one number: each side of it keeps its own, and neither gets the other's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fork {
    /// The space, or none: the account's own lane.
    pub space: Option<String>,
    pub device: String,
    /// The number that was used twice.
    pub number: u64,
    /// The commit that is held here, and the other, as hexadecimal digits.
    pub here: String,
    pub elsewhere: String,
    /// Who has the other.
    pub peer: String,
}

fn hex(commit: CommitId) -> String {
    commit.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn told((chain, forked): &(Chain, Forked)) -> Fork {
    Fork {
        space: match chain.0 {
            Scope::Account(_) => None,
            Scope::Space(id) => Some(id.to_string()),
        },
        device: chain.2.to_string(),
        number: forked.tip.seq,
        here: hex(forked.tip.commit),
        elsewhere: hex(forked.other),
        peer: peer_id(forked.peer).unwrap_or_default(),
    }
}

impl SyncNode {
    async fn unseen(&self, user: UserId, space: Option<SpaceId>) -> Vec<(Chain, Forked)> {
        let vault = &self.inner.store.vault;
        let spaces = match vault.spaces(user).await {
            Ok(spaces) => spaces,
            Err(error) => {
                tracing::warn!(%error, "it is not known which spaces are forked");
                return Vec::new();
            }
        };
        // Of our own devices the vault sees to it: another takes the place of one that was put back.
        let own = vault.own(user);
        let mut all = self.inner.ledger.forks(|scope| {
            counts(scope, space)
                && match scope {
                    Scope::Account(id) => id == user,
                    Scope::Space(id) => spaces.contains(&id),
                }
        });
        all.retain(|((_, _, device), _)| !own.contains(device));
        all
    }

    /// The forks in what is `user`'s (in `space`) that nobody has seen yet.
    pub async fn forks(&self, user: UserId, space: Option<SpaceId>) -> Vec<Fork> {
        self.unseen(user, space).await.iter().map(told).collect()
    }

    /// `user` knows of their forks (in `space`): they are told no more. Those that are found later are.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub async fn see_forks(&self, user: UserId, space: Option<SpaceId>) -> Result<(), StoreError> {
        let chains: Vec<_> = self.unseen(user, space).await.into_iter().map(|(chain, _)| chain).collect();
        self.inner.ledger.see_forks(&chains).await
    }
}
