//! What may enter the log: frames that verify against the control lanes as they are held.
//!
//! A member and a blind replica share this. It keeps the folds of all control lanes in memory and
//! hands the log rows only for frames that `vault_core` has verified.

use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use parking_lot::Mutex;
use policy_core::{DeviceId, PeerKey, SpaceId, UserId};
use sea_orm::DbErr;
use vault_core::control::{AccountLane, Clocks, SpaceLane};
use vault_core::frame::{Frame, FrameError, Parsed, Verified};
use vault_core::tags::LaneTag;

use crate::log::{Log, NewRow, Row, Scope, TOLD_OTHERWISE, told_of};
use crate::turn::Turn;

const PAGE: u64 = 256;

/// The folds of the control lanes.
#[derive(Default, Clone)]
struct Folds {
    accounts: HashMap<UserId, Arc<AccountLane>>,
    spaces: HashMap<SpaceId, Arc<SpaceLane>>,
}

/// Why the log cannot be opened or a batch not stored.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    #[error("the log failed: {0}")]
    Log(#[from] DbErr),
    #[error("position {position} of the log does not verify: {source}")]
    Damaged { position: u64, source: FrameError },
}

/// The log, guarded. From outside it can be looked at; what may be appended is decided here.
///
/// What is held can be asked,
/// ```
/// use vault::{admission::Admission, log::Scope};
/// fn ask(admission: &Admission, scope: Scope) -> usize {
///     admission.tips(scope).len()
/// }
/// ```
/// but nothing can be added to it:
/// ```compile_fail,E0624
/// use vault::{admission::Admission, log::Scope};
/// fn ask(admission: &Admission, scope: Scope) {
///     admission.log();
/// }
/// ```
pub struct Admission {
    log: Log,
    folds: Mutex<Folds>,
    /// Held by whoever appends; see [`crate::turn`].
    alone: Arc<tokio::sync::Mutex<()>>,
    /// Where what is begun in a turn is run.
    runtime: tokio::runtime::Handle,
}

/// Frames that were admitted one after the other and are stored together.
pub(crate) struct Batch<'a> {
    turn: &'a Turn,
    folds: Folds,
    /// Where chains end that this batch goes on with, or has cut.
    chains: HashMap<(Scope, LaneTag, DeviceId), Option<(u64, Cid)>>,
    admitted: Vec<(Scope, Verified<Frame>)>,
    /// Rows that this batch takes out of the log.
    gone: Vec<(Scope, u64)>,
    /// Those of them that come back behind what is admitted meanwhile.
    behind: Vec<(Scope, Vec<u8>)>,
}

impl Admission {
    /// Reads and verifies every control lane of the log.
    pub(crate) async fn open(log: Log) -> Result<Self, AdmissionError> {
        let runtime = tokio::runtime::Handle::current();
        let admission = Admission { log, folds: Mutex::default(), alone: Arc::default(), runtime };
        // Accounts come first in the order of scopes: spaces are verified against them.
        for scope in admission.log.scopes() {
            let mut after = 0;
            let mut chains: HashMap<DeviceId, (u64, Cid)> = HashMap::new();
            loop {
                let rows = admission.log.rows(scope, true, after, PAGE).await?;
                let Some(last) = rows.last() else { break };
                after = last.position();
                let mut folds = admission.folds.lock();
                for row in rows {
                    let (position, device, told) = (row.position(), row.device(), row.told());
                    let tip = chains.get(&device).copied();
                    let verified = Parsed::read(row.into_body())
                        .and_then(|parsed| if told_of(parsed.get()) == told { Ok(parsed) } else { Err(TOLD_OTHERWISE) })
                        .and_then(|parsed| folds.admit(scope, parsed, tip))
                        .map_err(|source| AdmissionError::Damaged { position, source })?;
                    let last = verified.get().last();
                    chains.insert(device, (last.commit.seq, last.cid));
                }
            }
        }
        Ok(admission)
    }

    /// A log whose rows are nobody's frames.
    #[cfg(test)]
    pub(crate) fn unread(log: Log) -> Arc<Self> {
        let runtime = tokio::runtime::Handle::current();
        Arc::new(Admission { log, folds: Mutex::default(), alone: Arc::default(), runtime })
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    pub(crate) fn alone(&self) -> &Arc<tokio::sync::Mutex<()>> {
        &self.alone
    }

    pub(crate) fn runtime(&self) -> &tokio::runtime::Handle {
        &self.runtime
    }

    pub fn account(&self, user: UserId) -> Option<Arc<AccountLane>> {
        self.folds.lock().accounts.get(&user).cloned()
    }

    pub fn space(&self, space: SpaceId) -> Option<Arc<SpaceLane>> {
        self.folds.lock().spaces.get(&space).cloned()
    }

    /// By what clock readings commits of a space count.
    pub fn clocks(&self, space: SpaceId) -> Arc<Clocks> {
        self.folds.lock().clocks(space)
    }

    /// What was pulled back of an account's clock readings; of a space, nothing: its account's lane has it.
    pub fn clocks_of(&self, scope: Scope) -> Arc<Clocks> {
        match scope {
            Scope::Account(user) => self.account(user).map(|lane| Arc::clone(lane.clocks())).unwrap_or_default(),
            Scope::Space(_) => Arc::default(),
        }
    }

    /// The account that owns a scope.
    pub fn owner(&self, scope: Scope) -> Option<UserId> {
        match scope {
            Scope::Account(user) => Some(user),
            Scope::Space(space) => self.space(space).map(|lane| lane.owner),
        }
    }

    /// The key by which a device signs in a scope, as far as that is known here.
    pub(crate) fn signer(&self, scope: Scope, device: DeviceId) -> Option<[u8; 32]> {
        let account = self.account(self.owner(scope)?)?;
        account.device(device).map(|device| device.sign)
    }

    /// The spaces that an account owns, sorted.
    pub fn spaces_of(&self, user: UserId) -> Vec<SpaceId> {
        let mut spaces: Vec<_> =
            self.folds.lock().spaces.values().filter(|lane| lane.owner == user).map(|lane| lane.space).collect();
        spaces.sort();
        spaces
    }

    /// The transport keys of an account's devices.
    pub fn transports(&self, user: UserId) -> Vec<PeerKey> {
        self.account(user).map(|lane| lane.devices().map(|device| device.transport).collect()).unwrap_or_default()
    }
}

impl Turn {
    /// A batch of frames for the log.
    pub(crate) fn begin(&self) -> Batch<'_> {
        Batch {
            turn: self,
            folds: self.folds.lock().clone(),
            chains: HashMap::new(),
            admitted: Vec::new(),
            gone: Vec::new(),
            behind: Vec::new(),
        }
    }

    /// A batch that cuts chains of one lane: `gone` are the rows of their ends, `left` is where each of them
    /// ends then.
    /// Rows of a control lane that rest on those are taken out with them; [`Batch::readmit`] brings them
    /// back.
    pub(crate) async fn begin_without(
        &self,
        scope: Scope,
        lane: LaneTag,
        left: &[(DeviceId, Option<(u64, Cid)>)],
        gone: &[Row],
    ) -> Result<Batch<'_>, AdmissionError> {
        let mut batch = self.begin();
        batch.chains.extend(left.iter().map(|(device, end)| ((scope, lane, *device), *end)));
        batch.gone = gone.iter().map(|row| (scope, row.position())).collect();
        if lane != LaneTag::CONTROL {
            return Ok(batch);
        }
        match scope {
            Scope::Account(user) => drop(batch.folds.accounts.remove(&user)),
            Scope::Space(space) => drop(batch.folds.spaces.remove(&space)),
        }
        let mut ends: HashMap<DeviceId, (u64, Cid)> = HashMap::new();
        let mut after = 0;
        loop {
            let rows = self.log.rows(scope, true, after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(batch) };
            after = last.position();
            for row in rows {
                if gone.iter().any(|other| other.position() == row.position()) {
                    continue;
                }
                let end = ends.get(&row.device()).copied();
                let parsed = Parsed::read(row.body().to_vec());
                match parsed.and_then(|parsed| batch.folds.admit(scope, parsed, end)) {
                    Ok(verified) => {
                        let last = verified.get().last();
                        ends.insert(row.device(), (last.commit.seq, last.cid));
                    }
                    Err(FrameError::Device | FrameError::Gap { .. }) => {
                        batch.chains.insert((scope, lane, row.device()), end);
                        batch.gone.push((scope, row.position()));
                        batch.behind.push((scope, row.into_body()));
                    }
                    Err(source) => return Err(AdmissionError::Damaged { position: row.position(), source }),
                }
            }
        }
    }
}

impl Folds {
    fn clocks(&self, space: SpaceId) -> Arc<Clocks> {
        let owner = self.spaces.get(&space).and_then(|lane| self.accounts.get(&lane.owner));
        owner.map(|account| Arc::clone(account.clocks())).unwrap_or_default()
    }

    fn admit(&mut self, scope: Scope, parsed: Parsed, tip: Option<(u64, Cid)>) -> Result<Verified<Frame>, FrameError> {
        match scope {
            Scope::Account(user) => {
                let held = self.accounts.get(&user).map(|lane| &**lane);
                let (lane, verified) = AccountLane::admit_parsed(held, parsed, tip)?;
                if lane.user != user {
                    return Err(FrameError::Rule("a frame of another account"));
                }
                self.accounts.insert(user, Arc::new(lane));
                Ok(verified)
            }
            Scope::Space(space) => {
                let held = self.spaces.get(&space).cloned();
                let owner = match &held {
                    Some(lane) => lane.owner,
                    None => SpaceLane::owner_in(parsed.get())?,
                };
                let account = self.accounts.get(&owner).ok_or(FrameError::Device)?;
                match &held {
                    Some(lane) if parsed.get().lane != LaneTag::CONTROL => {
                        lane.admit_parsed_changes(account, parsed, tip)
                    }
                    _ => {
                        let (lane, verified) = SpaceLane::admit_parsed(held.as_deref(), account, parsed, tip)?;
                        if lane.space != space {
                            return Err(FrameError::Rule("a frame of another space"));
                        }
                        self.spaces.insert(space, Arc::new(lane));
                        Ok(verified)
                    }
                }
            }
        }
    }
}

impl Batch<'_> {
    /// Verifies a frame against what is held and what this batch has admitted before it.
    pub(crate) fn admit(&mut self, scope: Scope, bytes: Vec<u8>) -> Result<&Verified<Frame>, FrameError> {
        self.admit_parsed(scope, Parsed::read(bytes)?)
    }

    /// As [`Batch::admit`], of a frame that was parsed before.
    pub(crate) fn admit_parsed(&mut self, scope: Scope, parsed: Parsed) -> Result<&Verified<Frame>, FrameError> {
        let (lane, device) = (parsed.get().lane, parsed.get().txn.device);
        let key = (scope, lane, device);
        let tip = self.chain(scope, lane, device);
        let verified = self.folds.admit(scope, parsed, tip)?;
        let last = verified.get().last();
        self.chains.insert(key, Some((last.commit.seq, last.cid)));
        self.admitted.push((scope, verified));
        Ok(&self.admitted[self.admitted.len() - 1].1)
    }

    /// The end of a chain: of what this batch admitted, or of what the log holds.
    pub(crate) fn chain(&self, scope: Scope, lane: LaneTag, device: DeviceId) -> Option<(u64, Cid)> {
        match self.chains.get(&(scope, lane, device)) {
            Some(end) => *end,
            None => self.turn.log.chain(scope, lane, device),
        }
    }

    /// Admits again, in their order, rows that rested on what was taken out.
    pub(crate) fn readmit(&mut self) -> Result<(), FrameError> {
        for (scope, bytes) in std::mem::take(&mut self.behind) {
            self.admit(scope, bytes)?;
        }
        Ok(())
    }

    /// By what clock readings commits of a space count.
    pub fn clocks(&self, space: SpaceId) -> Arc<Clocks> {
        self.folds.clocks(space)
    }

    /// What this batch makes of an account's control lane.
    pub(crate) fn account(&self, user: UserId) -> Option<&Arc<AccountLane>> {
        self.folds.accounts.get(&user)
    }

    /// What this batch makes of a space's control lane.
    pub(crate) fn space(&self, space: SpaceId) -> Option<&Arc<SpaceLane>> {
        self.folds.spaces.get(&space)
    }

    pub(crate) fn admitted(&self) -> &[(Scope, Verified<Frame>)] {
        &self.admitted
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.admitted.is_empty()
    }

    /// Stores what was admitted; returns after the fsync, with the position of each frame.
    pub(crate) async fn store(self) -> Result<Vec<u64>, DbErr> {
        let Batch { turn, folds, admitted, chains, gone, .. } = self;
        let rows = admitted.into_iter().map(|(scope, frame)| NewRow::verified(scope, frame)).collect();
        let ends: Vec<_> = chains.into_iter().map(|((scope, lane, device), end)| (scope, lane, device, end)).collect();
        let positions = turn.exchange(&gone, &ends, rows).await?;
        *turn.folds.lock() = folds;
        Ok(positions)
    }
}

/// Lane, device and end of a frame, as its transaction record says. Nothing of it is verified.
pub(crate) fn head_of(bytes: &[u8]) -> Result<(LaneTag, DeviceId, (u64, Cid)), FrameError> {
    let mut r = vault_core::cbor::Reader::new(bytes);
    r.array_of(5)?;
    r.uint()?;
    let _: [u8; 16] = r.array_bytes()?;
    let lane = LaneTag(r.array_bytes()?);
    let record = vault_core::txn::SignedTxn::decode(r.bytes(128 * 1024)?)?;
    let tip = record.tip(lane).ok_or(FrameError::Chain("the transaction does not name the lane"))?;
    Ok((lane, record.device, (tip.seq, tip.cid)))
}
