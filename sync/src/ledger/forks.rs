//! Chains that have two histories: nothing mends them, so they are told until a person has seen them.

use policy_core::{DeviceId, PeerKey, Timestamp};
use sea_orm::EntityTrait;
use sea_orm::sea_query::OnConflict;
use sync_core::{CommitId, Lane, Scope, Tip};

use super::Ledger;
use super::table::fork;
use crate::store::StoreError;

/// So many forked chains are kept, and so many of them of one scope: a device can sign as many as it likes.
const FORKS: usize = 1_024;
const FORKS_PER_SCOPE: usize = 64;

/// A device's chain in a lane of a scope.
pub(crate) type Chain = (Scope, Lane, DeviceId);

/// Two commits of one device with one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forked {
    /// The one that is held here.
    pub(crate) tip: Tip,
    pub(crate) other: CommitId,
    /// Who has the other one.
    pub(crate) peer: PeerKey,
    pub(crate) at: Timestamp,
    /// A person knows of it.
    pub(crate) seen: bool,
}

impl Ledger {
    /// Keeps what was found first of a chain: that it is forked does not change any more.
    pub(super) fn forked(&self, chain: Chain, forked: Forked) {
        let mut memory = self.memory.lock();
        let of_scope = memory.forks.keys().filter(|(scope, ..)| *scope == chain.0).count();
        let full = memory.forks.len() >= FORKS || of_scope >= FORKS_PER_SCOPE;
        if !full && !memory.forks.contains_key(&chain) {
            memory.forks.insert(chain, forked);
            memory.unsaved_forks.insert(chain);
        }
    }

    /// The forks of these scopes that nobody has seen yet.
    pub(crate) fn forks(&self, mut of: impl FnMut(Scope) -> bool) -> Vec<(Chain, Forked)> {
        let memory = self.memory.lock();
        memory.forks.iter().filter(|((scope, ..), fork)| !fork.seen && of(*scope)).map(|(c, f)| (*c, *f)).collect()
    }

    /// A person knows of these. On disk when this returns.
    pub(crate) async fn see_forks(&self, chains: &[Chain]) -> Result<(), StoreError> {
        {
            let mut memory = self.memory.lock();
            for chain in chains {
                if let Some(fork) = memory.forks.get_mut(chain) {
                    fork.seen = true;
                    memory.unsaved_forks.insert(*chain);
                }
            }
        }
        self.flush_forks().await
    }

    pub(super) async fn flush_forks(&self) -> Result<(), StoreError> {
        let rows: Vec<_> = {
            let mut memory = self.memory.lock();
            let unsaved = std::mem::take(&mut memory.unsaved_forks);
            unsaved.into_iter().filter_map(|chain| Some((chain, *memory.forks.get(&chain)?))).collect()
        };
        for chunk in rows.chunks(64) {
            use fork::Column::{Device, Kind, Lane, Scope, Seen};
            let clash = OnConflict::columns([Kind, Scope, Lane, Device]).update_column(Seen).to_owned();
            let models = chunk.iter().map(|(chain, forked)| fork::row(*chain, forked));
            let written = fork::Entity::insert_many(models).on_conflict(clash);
            if let Err(error) = written.exec_without_returning(&self.database).await {
                self.memory.lock().unsaved_forks.extend(rows.iter().map(|(chain, _)| *chain));
                return Err(error.into());
            }
        }
        Ok(())
    }
}
