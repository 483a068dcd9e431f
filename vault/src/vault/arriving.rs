//! What comes from other devices: frames, and new devices.

use std::sync::Arc;

use policy_core::{DeviceId, SpaceId, Timestamp, UserId};
use vault_core::build;
use vault_core::document::Hlc;
use vault_core::frame::{Frame, FrameError};
use vault_core::identity::{DeviceKeys, DeviceSecret};
use vault_core::tags::LaneTag;

use super::succession::Reclaimed;
use super::{Vault, VaultError};
use crate::feed::Moved;
use crate::log::Scope;
use crate::replicate::{Incoming, Refused, Taken};
use crate::space::{Space, SpaceError};
use crate::turn::{Turn, to_its_end};

/// How far a device's clock may be ahead of ours, in microseconds: ten minutes.
pub(super) const CLOCK_AHEAD_US: i64 = 600_000_000;

/// What came of frames that arrived.
struct Arrived {
    taken: Taken,
    mine: Reclaimed,
    /// Something of them is new here.
    stored: bool,
    /// Spaces in which clock readings were pulled back by them.
    pulled: Vec<SpaceId>,
    behind: Option<Behind>,
}

/// What a space that was reserved has yet to follow. Dropped before that, its view is behind, and says so.
struct Behind {
    space: Option<Arc<Space>>,
    control: Vec<Frame>,
    changes: bool,
}

impl Drop for Behind {
    fn drop(&mut self) {
        if let Some(space) = &self.space {
            space.mark_behind();
        }
    }
}

impl Vault {
    /// Frames from elsewhere: verified, stored, applied. Stops at the first that is refused; answers
    /// after the fsync. Runs to its end, whoever goes away.
    pub async fn ingest(&self, scope: Scope, frames: Vec<Vec<u8>>) -> Result<Taken, VaultError> {
        let vault = self.clone();
        to_its_end(self.0.admission.runtime(), async move { vault.arrive(scope, frames).await }).await?
    }

    async fn arrive(&self, scope: Scope, frames: Vec<Vec<u8>>) -> Result<Taken, VaultError> {
        let known = self.0.admission.owner(scope).is_some();
        // Until the view has followed nobody else writes there: the writer's next position must not skip these rows. The
        // space is waited for before the turn, and follows behind it: neither takes longer for those who write elsewhere.
        let reserved = match scope {
            Scope::Space(id) => self.open_now(id),
            Scope::Account(_) => None,
        };
        let reserved = match reserved {
            Some(space) => Some((space.reserve().await, space)),
            None => None,
        };
        let frames = self.0.admission.look_at::<VaultError>(scope, frames).await?;
        let had = reserved.as_ref().map(|(_, space)| Arc::clone(space));
        let Arrived { taken, mine, stored, pulled, behind } = self
            .in_turn(move |vault, turn| Box::pin(async move { vault.take(turn, scope, frames, had.as_ref()).await }))
            .await?;
        if let (Some(mut behind), Some((reserved, space))) = (behind, &reserved) {
            let control = std::mem::take(&mut behind.control);
            let moved = !control.is_empty();
            let followed = self.follow_behind(space, reserved, control, behind.changes).await;
            // It has followed, or is opened anew.
            behind.space = None;
            if moved {
                let _ = self.0.feed.send(Moved::Control(space.id));
            }
            followed?;
        }
        drop(reserved);
        for space in pulled {
            // Another clock of the account has said what is now: ours may have been ahead together with it.
            self.pull_back(Scope::Space(space)).await?;
        }
        self.reclaimed(scope, mine).await?;
        if !stored {
            return Ok(taken);
        }
        if let Scope::Account(user) = scope {
            self.heal_envelopes(user).await?;
        }
        if matches!(scope, Scope::Account(_)) || !known {
            let _ = self.0.feed.send(Moved::Sharing);
        }
        let _ = self.0.feed.send(Moved::Log(scope));
        Ok(taken)
    }

    /// `reserved`: the opening of the space that follows behind the turn.
    async fn take(
        &self,
        turn: &Turn,
        scope: Scope,
        frames: Vec<Incoming>,
        reserved: Option<&Arc<Space>>,
    ) -> Result<Arrived, VaultError> {
        let mut mine = self.reclaim(turn, scope, &frames).await?;
        let devices: Vec<_> = frames.iter().map(Incoming::device).collect();
        let now = (self.0.clock)();
        let latest = Hlc::default().tick(Timestamp(now.0.saturating_add(CLOCK_AHEAD_US)));
        let (batch, mut taken) = turn.take(scope, frames, Some(latest));
        let stopped = devices.get(taken.stored.len()).copied().flatten();
        if let Some(Refused::Invalid(FrameError::Chain(_)) | Refused::Forked(_)) = &taken.refused
            && stopped.is_some_and(|device| self.0.accounts.owning(device).is_some())
        {
            // A branch of our own chain that begins before what was sent: what comes before it decides.
            taken.refused = Some(Refused::Gap);
        }
        if batch.is_empty() {
            return Ok(Arrived { taken, mine, stored: false, pulled: Vec::new(), behind: None });
        }
        let frames = || batch.admitted().iter().map(|(_, frame)| frame.get());
        let control: Vec<_> = frames().filter(|frame| frame.lane == LaneTag::CONTROL).cloned().collect();
        let changes = frames().any(|frame| frame.lane != LaneTag::CONTROL);
        let before = turn.clocks_of(scope);
        batch.store().await?;
        let (mut pulled, mut behind) = (Vec::new(), None);
        match scope {
            Scope::Space(id) => match (self.open_now(id), reserved) {
                (Some(open), Some(reserved)) if Arc::ptr_eq(&open, reserved) => {
                    behind = Some(Behind { space: Some(open), control, changes });
                }
                (open, _) => self.follow(turn, id, open, control, changes).await?,
            },
            Scope::Account(user) => {
                pulled = self.follow_clocks(turn, user, &before).await?;
                if self.give_way(turn, user).await? {
                    mine.succeeded = Some(user);
                }
            }
        }
        Ok(Arrived { taken, mine, stored: true, pulled, behind })
    }

    /// Lets an open space follow the log; one that is not open follows when it is opened.
    async fn follow(
        &self,
        turn: &Turn,
        id: SpaceId,
        open: Option<Arc<Space>>,
        control: Vec<Frame>,
        changes: bool,
    ) -> Result<(), VaultError> {
        let moved = !control.is_empty();
        let followed = match open {
            Some(space) => self.let_follow(turn, &space, control, changes).await,
            None => Ok(()),
        };
        if moved {
            let _ = self.0.feed.send(Moved::Control(id));
        }
        followed
    }

    /// Enrols a device that came by a one-time code, and seals the keys of all spaces to it. Runs to its end, whoever
    /// goes away.
    pub async fn enrol(&self, user: UserId, device: DeviceKeys, code: [u8; 32]) -> Result<(), VaultError> {
        let vault = self.clone();
        let enrol = async move {
            vault
                .in_turn(move |vault, turn| Box::pin(async move { vault.enrol_in(turn, user, device, code).await }))
                .await?;
            vault.heal_envelopes(user).await
        };
        to_its_end(self.0.admission.runtime(), enrol).await?
    }

    async fn enrol_in(&self, turn: &Turn, user: UserId, device: DeviceKeys, code: [u8; 32]) -> Result<(), VaultError> {
        let scope = Scope::Account(user);
        let account = self.0.accounts.get(user).ok_or(SpaceError::NotFound)?;
        let lane = turn.account(user).ok_or(SpaceError::NotFound)?;
        let held = turn.log().chain(scope, LaneTag::CONTROL, account.device.id);
        let frame = build::enrol_device(
            user,
            &account.device,
            &device,
            &code,
            &lane.heads,
            held,
            self.tick(),
            &mut rand::rng(),
        )?;
        let mut batch = turn.begin();
        batch.admit(scope, frame.into_bytes())?;
        batch.store().await?;
        let _ = self.0.feed.send(Moved::Sharing);
        let _ = self.0.feed.send(Moved::Log(scope));
        Ok(())
    }

    /// Keeps the device by which this node writes from now on for an account that was made elsewhere.
    pub async fn join(&self, user: UserId, device: DeviceSecret) -> Result<(), VaultError> {
        self.in_turn(move |vault, turn| {
            Box::pin(async move { Ok(vault.0.accounts.add(turn, user, device, None).await?) })
        })
        .await
    }

    /// All devices that ever were enrolled in an account.
    pub fn devices(&self, user: UserId) -> Vec<DeviceKeys> {
        self.0.admission.account(user).map(|lane| lane.enrolled().copied().collect()).unwrap_or_default()
    }

    /// The device by which this node writes for an account.
    pub fn device(&self, user: UserId) -> Option<DeviceId> {
        self.0.accounts.get(user).map(|account| account.device.id)
    }

    /// The device that took the place of another.
    pub fn successor(&self, user: UserId, device: DeviceId) -> Option<DeviceId> {
        self.0.admission.account(user)?.successor(device)
    }
}
