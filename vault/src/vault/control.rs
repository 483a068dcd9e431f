//! Entries of the control lanes of spaces: definitions, grants and envelopes.

use std::sync::Arc;

use cid::Cid;
use policy_core::{GrantId, Permits, SpaceId, UserId, Write};
use vault_core::build::{SealError, TxnBuilder};
use vault_core::control::{GrantRecord, Heads, PolicyEntry};
use vault_core::document::Hlc;
use vault_core::frame::Frame;
use vault_core::schema::{Collection, NewCollection};
use vault_core::tags::LaneTag;

use super::{Vault, VaultError};
use crate::admission::Admission;
use crate::define;
use crate::feed::Moved;
use crate::log::Scope;
use crate::space::{Reserved, Space, SpaceError};
use crate::turn::{Turn, to_its_end};

impl Vault {
    /// Adds collections. Everything or nothing.
    pub async fn define(&self, permits: &Permits<Write>, new: &[NewCollection]) -> Result<Vec<Collection>, VaultError> {
        let managed = self.managing(permits).await?;
        let tags = managed.space.core().lock().keys.tags().clone();
        let mut collections = define::with_ids(&tags, &managed.space.schema(), new)?;
        let entry = collections.clone();
        let seal =
            move |txn: &mut TxnBuilder<'_>, heads: &mut Heads, hlc| txn.schema(&entry, heads, hlc, &mut rand::rng());
        let cid = self.enter(managed, Some(permits), seal).await?;
        for collection in &mut collections {
            collection.version = cid;
        }
        Ok(collections)
    }

    /// Records a consent in the space's control lane.
    pub async fn put_grant(&self, permits: &Permits<Write>, record: GrantRecord) -> Result<(), VaultError> {
        self.policy_entry(permits, PolicyEntry::Grant(record)).await
    }

    /// Records the end of a grant. Final.
    pub async fn revoke_grant(&self, permits: &Permits<Write>, id: GrantId) -> Result<(), VaultError> {
        self.policy_entry(permits, PolicyEntry::Revoke(id)).await
    }

    async fn policy_entry(&self, permits: &Permits<Write>, entry: PolicyEntry) -> Result<(), VaultError> {
        let managed = self.managing(permits).await?;
        let seal =
            move |txn: &mut TxnBuilder<'_>, heads: &mut Heads, hlc| txn.policy(&entry, heads, hlc, &mut rand::rng());
        self.enter(managed, Some(permits), seal).await.map(drop)
    }

    /// The space of the permits, for who manages it.
    async fn managing(&self, permits: &Permits<Write>) -> Result<Managed, VaultError> {
        if !permits.manages() {
            return Err(VaultError::Forbidden);
        }
        let space = self.space(permits.space()).await?;
        let reserved = space.reserve().await;
        self.0.seal.admits(permits, space.schema().version, (self.0.clock)()).map_err(VaultError::Permit)?;
        Ok(Managed { reserved, space })
    }

    /// Writes one entry of a space, in a turn in which the permits, if it is by any, hold, and takes it in behind that
    /// turn: it may define as much as a space can hold. Runs to its end, whoever goes away.
    async fn enter(
        &self,
        managed: Managed,
        permits: Option<&Permits<Write>>,
        write: impl FnOnce(&mut TxnBuilder<'_>, &mut Heads, Hlc) -> Result<Cid, SealError> + Send + 'static,
    ) -> Result<Cid, VaultError> {
        let Managed { reserved, space } = managed;
        let start = self.0.admission.turn().await;
        if let Some(permits) = permits {
            self.0.seal.admits(permits, space.schema().version, (self.0.clock)()).map_err(VaultError::Permit)?;
        }
        let vault = self.clone();
        let work = async move {
            let storing = Arc::clone(&space);
            let stored = vault.begin(start, move |vault, turn| {
                Box::pin(async move { vault.store_entry(turn, &storing, write).await })
            });
            let (cid, frame) = stored.await?;
            let followed = vault.follow_behind(&space, &reserved, vec![frame], false).await;
            let _ = vault.0.feed.send(Moved::Control(space.id));
            let _ = vault.0.feed.send(Moved::Log(Scope::Space(space.id)));
            followed.map(|()| cid)
        };
        to_its_end(self.0.admission.runtime(), work).await?
    }

    /// Writes one entry to a space's control lane.
    async fn store_entry(
        &self,
        turn: &Turn,
        space: &Arc<Space>,
        write: impl FnOnce(&mut TxnBuilder<'_>, &mut Heads, Hlc) -> Result<Cid, SealError>,
    ) -> Result<(Cid, Frame), VaultError> {
        if space.is_replaced() {
            return Err(SpaceError::Replaced.into());
        }
        let scope = Scope::Space(space.id);
        let mut heads = turn.space(space.id).ok_or(SpaceError::NotFound)?.heads.clone();
        let device = &space.account.device;
        let tip = turn.log().chain(scope, LaneTag::CONTROL, device.id);
        let (cid, frame) = {
            let mut core = space.core().lock();
            core.hlc = core.hlc.tick((self.0.clock)());
            let hlc = core.hlc;
            let held = move |_| tip;
            let mut txn =
                TxnBuilder::new(&core.keys, device.id, space.account.user, heads.head_ids(), &held, &mut rand::rng());
            let cid = write(&mut txn, &mut heads, hlc)?;
            (cid, txn.finish(&device.signer).remove(0))
        };
        let mut batch = turn.begin();
        let frame = batch.admit(scope, frame.into_bytes())?.get().clone();
        batch.store().await?;
        Ok((cid, frame))
    }

    /// Lets an open space follow the log: `control` has been stored in its control lane, and `changes` beside it. One
    /// that cannot is opened anew, by what the log says.
    pub(super) async fn let_follow(
        &self,
        turn: &Turn,
        space: &Arc<Space>,
        control: Vec<Frame>,
        changes: bool,
    ) -> Result<(), VaultError> {
        match follow(turn, space, control, changes).await {
            Ok(()) => Ok(()),
            Err(error) => self.open_anew(turn, space.id, error).await,
        }
    }

    /// As [`Vault::let_follow`], behind the turn in which it was stored, by who has the space for long: nobody else
    /// writes there until it has followed, and everybody elsewhere does.
    pub(super) async fn follow_behind(
        &self,
        space: &Arc<Space>,
        _reserved: &Reserved,
        control: Vec<Frame>,
        changes: bool,
    ) -> Result<(), VaultError> {
        let Err(error) = follow(&self.0.admission, space, control, changes).await else { return Ok(()) };
        let id = space.id;
        self.in_turn(move |vault, turn| Box::pin(vault.open_anew(turn, id, error))).await
    }

    async fn open_anew(&self, turn: &Turn, id: SpaceId, error: SpaceError) -> Result<(), VaultError> {
        tracing::error!(space = %id, %error, "a space could not follow the log; it is opened anew");
        self.replace_space(turn, id, false).await?;
        Err(error.into())
    }

    /// Seals the keys of an account's spaces to its devices that lack them.
    pub async fn heal_envelopes(&self, user: UserId) -> Result<(), VaultError> {
        let Some(account) = self.0.admission.account(user) else { return Ok(()) };
        let devices: Vec<_> = account.devices().copied().collect();
        for id in self.0.admission.spaces_of(user) {
            let Some(lane) = self.0.admission.space(id) else { continue };
            let missing: Vec<_> = lane
                .epochs()
                .flat_map(|(epoch, held)| {
                    let lacking = devices.iter().filter(|device| !held.sealed.contains_key(&device.id));
                    lacking.map(|device| (epoch, held.number, *device)).collect::<Vec<_>>()
                })
                .collect();
            if missing.is_empty() {
                continue;
            }
            let space = match self.space(id).await {
                Ok(space) => space,
                // Not ours to heal: another device, which has the keys, does it.
                Err(SpaceError::Keys(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            for (epoch, number, device) in missing {
                let sealed = space.core().lock().keys.envelope(epoch, number, &device, &mut rand::rng());
                let Some(sealed) = sealed else { continue };
                let sealed = sealed.map_err(|_| SealError::Unknown)?;
                let managed = Managed { reserved: space.reserve().await, space: Arc::clone(&space) };
                let seal = move |txn: &mut TxnBuilder<'_>, heads: &mut Heads, hlc| {
                    txn.envelope(epoch, device.id, &sealed, heads, hlc, &mut rand::rng())
                };
                self.enter(managed, None, seal).await?;
            }
        }
        Ok(())
    }
}

/// A space that is about to be changed by who manages it.
struct Managed {
    reserved: Reserved,
    space: Arc<Space>,
}

/// Takes in what has been stored: `control` in the control lane, and `changes` beside it.
async fn follow(
    admission: &Admission,
    space: &Arc<Space>,
    control: Vec<Frame>,
    changes: bool,
) -> Result<(), SpaceError> {
    if !control.is_empty() {
        let taking = Arc::clone(space);
        let apply = move || control.iter().try_for_each(|frame| taking.apply_control(frame));
        tokio::task::spawn_blocking(apply)
            .await
            .map_err(|_| SpaceError::Entry("taking in a control entry was cut off"))??;
    }
    if changes || space.is_behind() {
        space.catch_up(admission).await?;
    }
    Ok(())
}
