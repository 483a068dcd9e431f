//! The vault as sync sees it.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use policy_core::{Caller, DeviceId, PeerKey, Permits, Refusal, Replicate, SpaceId, UserId};
use sync_core::{CommitId, Item, Lane, Reason, Scope, Tip, Tips};
use tokio::sync::broadcast;
use vault::Vault;
use vault::admission::Admission;
use vault::handover::{Pass, Wanted};
use vault::replicate::{Beyond, Refused};
use vault_core::commit::{cid_from_digest, digest_of};
use vault_core::tags::LaneTag;

use crate::member::Member;
use crate::store::{Moved, Owned, Recipient, Rows, StoreError, Stored};

impl From<vault::VaultError> for StoreError {
    fn from(error: vault::VaultError) -> Self {
        StoreError(error.to_string())
    }
}

/// What says by whom a space may be had: the gate of the node.
#[async_trait]
pub trait ReplicateGate: Send + Sync + 'static {
    /// As [`policy_core::Gate::replicate`], now.
    ///
    /// # Errors
    /// As there.
    async fn replicate(&self, caller: &Caller, peer: PeerKey, space: SpaceId) -> Result<Permits<Replicate>, Refusal>;

    /// Whether this person is suspended or removed: their devices and replicas get nothing, and bring nothing. Asked for
    /// each batch; nothing waits for it.
    fn is_out(&self, user: UserId) -> bool;
}

/// How often a batch is begun because policy moved meanwhile.
const TRIES: usize = 8;

/// Offered spaces that are waited for at most.
const ADOPTED: usize = 65_536;

/// A vault whose log is synced.
pub struct VaultMember {
    vault: Vault,
    gate: Arc<dyn ReplicateGate>,
    /// Spaces that devices of an account have offered and whose genesis has not arrived yet.
    adopted: Mutex<BTreeSet<(UserId, SpaceId)>>,
    feed: broadcast::Sender<Moved>,
}

impl VaultMember {
    /// `gate` is asked before each batch that leaves. Must be called within a runtime: it passes the vault's news on until
    /// the vault is gone.
    pub fn new(vault: Vault, gate: Arc<dyn ReplicateGate>) -> Arc<Self> {
        let (feed, _) = broadcast::channel(vault::feed::FEED);
        let (mut news, sender) = (vault.feed(), feed.clone());
        tokio::spawn(async move {
            use broadcast::error::RecvError;
            loop {
                let moved = match news.recv().await {
                    Ok(vault::feed::Moved::Log(scope)) => Moved::Log(from_vault(scope)),
                    Ok(vault::feed::Moved::Rewritten) => Moved::Rewritten,
                    Ok(vault::feed::Moved::Sharing) | Err(RecvError::Lagged(_)) => Moved::Sharing,
                    Ok(vault::feed::Moved::Control(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                // Nobody listens yet: whoever comes looks at everything.
                let _ = sender.send(moved);
            }
        });
        Arc::new(VaultMember { vault, gate, adopted: Mutex::default(), feed })
    }

    /// Rows by fresh passes, until policy has not moved while they were read.
    async fn hand_over(&self, to: Recipient, owned: Owned, wanted: Asked<'_>) -> Result<Option<Rows>, StoreError> {
        for _ in 0..TRIES {
            let handed = match self.hand_over_once(to, owned, wanted).await {
                Ok(handed) => handed,
                Err(vault::VaultError::Permit(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            return match handed {
                Ok(found) => Ok(Some(rows(found))),
                Err(Refusal::Unavailable(reason)) => Err(StoreError(format!("policy cannot decide: {reason}"))),
                Err(Refusal::Denied | Refusal::TooManyDocuments) => Ok(None),
            };
        }
        Err(StoreError("policy is moving".to_owned()))
    }

    async fn hand_over_once(
        &self,
        to: Recipient,
        Owned { scope, owner }: Owned,
        Asked { control, after, have, max_bytes }: Asked<'_>,
    ) -> Result<Result<Beyond, Refusal>, vault::VaultError> {
        let have = |lane: LaneTag, device| have.seq(Lane(lane.0), device);
        let wanted = Wanted { control, after, have: &have, max_bytes };
        let admission = self.vault.admission();
        let found = match (to, scope) {
            (Recipient::Device(key), scope) => {
                let Some(enrolled) = admission.enrolled(owner, key) else { return Ok(Err(Refusal::Denied)) };
                match scope {
                    Scope::Account(_) => self.vault.hand_over(Pass::Account(&enrolled), wanted).await?,
                    Scope::Space(space) => match self.gate.replicate(&enrolled.caller(), key, space).await {
                        Ok(permits) => self.vault.hand_over(Pass::Space(&permits), wanted).await?,
                        Err(refusal) => return Ok(Err(refusal)),
                    },
                }
            }
            (Recipient::Replica(key), scope) => {
                let caller = Caller { user: owner, app: None, device: None };
                let permits = match scope {
                    Scope::Space(space) => self.gate.replicate(&caller, key, space).await,
                    Scope::Account(_) => self.any_space(&caller, key).await,
                };
                match (permits, scope) {
                    (Ok(permits), Scope::Space(_)) => self.vault.hand_over(Pass::Space(&permits), wanted).await?,
                    (Ok(permits), Scope::Account(_)) => self.vault.hand_over(Pass::AccountOf(&permits), wanted).await?,
                    (Err(refusal), _) => return Ok(Err(refusal)),
                }
            }
        };
        Ok(Ok(found))
    }

    /// The permit for some space of the account that the replica may store.
    async fn any_space(&self, caller: &Caller, replica: PeerKey) -> Result<Permits<Replicate>, Refusal> {
        for space in self.vault.admission().spaces_of(caller.user) {
            match self.gate.replicate(caller, replica, space).await {
                Err(Refusal::Denied) => {}
                answer => return answer,
            }
        }
        Err(Refusal::Denied)
    }
}

/// What a session asks the log for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) control: bool,
    pub(crate) after: u64,
    pub(crate) have: &'a Tips,
    pub(crate) max_bytes: usize,
}

pub(crate) fn to_vault(scope: Scope) -> vault::log::Scope {
    match scope {
        Scope::Account(user) => vault::log::Scope::Account(user),
        Scope::Space(space) => vault::log::Scope::Space(space),
    }
}

pub(crate) fn from_vault(scope: vault::log::Scope) -> Scope {
    match scope {
        vault::log::Scope::Account(user) => Scope::Account(user),
        vault::log::Scope::Space(space) => Scope::Space(space),
    }
}

pub(crate) fn tips_of(admission: &Admission, scope: Scope) -> Tips {
    let chains = admission.tips(to_vault(scope));
    chains
        .into_iter()
        .map(|((lane, device), (seq, cid))| Tip { lane: Lane(lane.0), device, seq, commit: CommitId(digest_of(&cid)) })
        .collect()
}

/// Rows as sessions carry them.
pub(crate) fn rows(found: Beyond) -> Rows {
    let item = |row: vault::log::Row| Item {
        position: row.position(),
        tip: Tip {
            lane: Lane(row.lane().0),
            device: row.device(),
            seq: row.last(),
            commit: CommitId(digest_of(&row.tip())),
        },
        frame: Bytes::from(row.into_body()),
    };
    Rows { items: found.rows.into_iter().map(item).collect(), position: found.position, end: found.end }
}

pub(crate) fn stored(taken: vault::replicate::Taken) -> Stored {
    let tip = |tip: vault::replicate::Tip| Tip {
        lane: Lane(tip.lane.0),
        device: tip.device,
        seq: tip.seq,
        commit: CommitId(digest_of(&tip.cid)),
    };
    let mut fork = None;
    let refused = taken.refused.map(|refused| match refused {
        Refused::Gap => Reason::Gap,
        Refused::Ahead => Reason::Ahead,
        Refused::Invalid(error) => {
            tracing::warn!(%error, "a frame of a peer was refused");
            Reason::Invalid
        }
        Refused::Forked(fork_of) => {
            let (held, other) = *fork_of;
            fork = Some((tip(held), CommitId(digest_of(&other))));
            Reason::Forked
        }
    });
    Stored { stored: taken.stored.into_iter().map(tip).collect(), refused, fork }
}

#[async_trait]
impl Member for VaultMember {
    async fn accounts(&self) -> Result<Vec<UserId>, StoreError> {
        let mut users = self.vault.users();
        users.retain(|user| !self.gate.is_out(*user));
        Ok(users)
    }

    async fn transports(&self, user: UserId) -> Result<Vec<PeerKey>, StoreError> {
        Ok(self.vault.admission().transports(user))
    }

    async fn spaces(&self, user: UserId) -> Result<Vec<SpaceId>, StoreError> {
        let mut spaces = self.vault.space_ids(user);
        let mut adopted = self.adopted.lock();
        // From its genesis on a space belongs to whom that says, whoever offered it.
        adopted.retain(|(_, space)| self.vault.admission().space(*space).is_none());
        spaces.extend(adopted.iter().filter(|(owner, _)| *owner == user).map(|(_, space)| *space));
        Ok(spaces)
    }

    async fn adopt(&self, owner: UserId, space: SpaceId) -> Result<bool, StoreError> {
        if !self.vault.users().contains(&owner) || self.vault.admission().space(space).is_some() {
            return Ok(false);
        }
        let mut adopted = self.adopted.lock();
        if adopted.len() >= ADOPTED && !adopted.contains(&(owner, space)) {
            return Ok(false);
        }
        adopted.insert((owner, space));
        Ok(true)
    }

    async fn tips(&self, scope: Scope) -> Result<Arc<Tips>, StoreError> {
        Ok(Arc::new(tips_of(self.vault.admission(), scope)))
    }

    fn own(&self, owner: UserId) -> BTreeSet<DeviceId> {
        self.vault.own_devices(owner).into_iter().collect()
    }

    async fn differing(&self, scope: Scope, theirs: &[Tip]) -> Result<Vec<(Lane, DeviceId)>, StoreError> {
        let tip = |tip: &Tip| vault::replicate::Tip {
            lane: LaneTag(tip.lane.0),
            device: tip.device,
            seq: tip.seq,
            cid: cid_from_digest(tip.commit.0),
        };
        let theirs: Vec<_> = theirs.iter().map(tip).collect();
        let differing = self.vault.differing(to_vault(scope), &theirs).await?;
        Ok(differing.into_iter().map(|(lane, device)| (Lane(lane.0), device)).collect())
    }

    async fn ahead(&self, scope: Scope) -> Result<(), StoreError> {
        Ok(self.vault.pull_back(to_vault(scope)).await?)
    }

    async fn rows(
        &self,
        to: Recipient,
        owned: Owned,
        control: bool,
        after: u64,
        have: &Tips,
        max_bytes: usize,
    ) -> Result<Option<Rows>, StoreError> {
        let here = match owned.scope {
            Scope::Account(_) => true,
            Scope::Space(space) => self.vault.admission().space(space).is_some(),
        };
        if !here {
            // It is waited for: nothing of it is here, and nobody can be asked about it yet.
            return Ok(Some(Rows { items: Vec::new(), position: after, end: true }));
        }
        self.hand_over(to, owned, Asked { control, after, have, max_bytes }).await
    }

    async fn ingest(&self, _from: PeerKey, scope: Scope, frames: Vec<Bytes>) -> Result<Stored, StoreError> {
        let frames = frames.into_iter().map(Vec::from).collect();
        Ok(stored(self.vault.ingest(to_vault(scope), frames).await?))
    }

    fn feed(&self) -> broadcast::Receiver<Moved> {
        self.feed.subscribe()
    }
}
