//! A node whose own chains are longer elsewhere: it was put back from an older copy.
//!
//! Numbers of a chain are never used twice. A start that finds the log in another file than before, as a copy is, takes
//! a new device before anything is written. Where that cannot be seen (a snapshot of a disk): as soon as a peer shows, with a frame that our own device
//! has signed, that more was written by that device than this node knows, another device takes its
//! place. What was written here meanwhile, on numbers that were taken, is written again under the new
//! one: taken out, and back in, in one transaction of the log. None of it had reached that peer.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cid::Cid;
use policy_core::{CollectionId, DeviceId, DocId, FieldId, SpaceId, Timestamp, UserId};
use vault_core::build::{self, DocumentDraft, SealedFrame, TxnBuilder};
use vault_core::commit::CommitKind;
use vault_core::control::Heads;
use vault_core::crdt::DocumentState;
use vault_core::document::Delta;
use vault_core::frame::Frame;
use vault_core::identity::DeviceSecret;
use vault_core::tags::LaneTag;

use super::spaces::remove_view;
use super::{Vault, VaultError};
use crate::accounts::Account;
use crate::admission::head_of;
use crate::feed::Moved;
use crate::log::{Row, Scope};
use crate::replicate::{Incoming, Tip};
use crate::space::{Space, SpaceError, decode};
use crate::turn::Turn;

/// What frames of our own devices led to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reclaimed {
    /// The account in which another device took the place of ours.
    pub(super) succeeded: Option<UserId>,
    /// The end of a chain was written again.
    pub(super) rewritten: bool,
}

impl Vault {
    /// The devices that this node is and was in an account, by which it knows its own chains.
    pub fn own_devices(&self, user: UserId) -> Vec<DeviceId> {
        self.0.accounts.get(user).map(|account| account.devices().map(|device| device.id).collect()).unwrap_or_default()
    }

    /// Which chains of our own a peer holds otherwise than we do, as its tips say: more of them, or
    /// something else at the same number. Such a chain is not sent to that peer before it has shown what
    /// it holds.
    pub async fn differing(&self, scope: Scope, theirs: &[Tip]) -> Result<Vec<(LaneTag, DeviceId)>, VaultError> {
        let log = self.0.admission.log();
        let mut differing = Vec::new();
        for tip in theirs {
            if self.0.accounts.owning(tip.device).is_none() {
                continue;
            }
            let same = match log.chain(scope, tip.lane, tip.device) {
                Some((seq, cid)) if seq == tip.seq => cid == tip.cid,
                Some((seq, _)) if seq > tip.seq => {
                    log.commit_at(scope, tip.lane, tip.device, tip.seq).await? == Some(tip.cid)
                }
                _ => false,
            };
            if !same {
                differing.push((tip.lane, tip.device));
            }
        }
        Ok(differing)
    }

    /// Looks at frames of our own devices before they are taken.
    pub(super) async fn reclaim(
        &self,
        turn: &Turn,
        scope: Scope,
        frames: &[Incoming],
    ) -> Result<Reclaimed, VaultError> {
        let mut done = Reclaimed::default();
        let mut ahead = None;
        for bytes in frames.iter().filter_map(Incoming::bytes) {
            let Ok((lane, device, (last, tip))) = head_of(bytes) else { continue };
            let Some(account) = self.0.accounts.owning(device) else { continue };
            let held = turn.log().chain(scope, lane, device);
            if held.is_none_or(|(seq, _)| seq < last) && account.device.id == device {
                ahead = Some(account.user);
            }
            let Some((seq, _)) = held else { continue };
            let Ok(frame) = Frame::decode(bytes) else { continue };
            let first = &frame.first().commit;
            if first.seq > seq || (last <= seq && turn.log().commit_at(scope, lane, device, last).await? == Some(tip)) {
                continue;
            }
            let before = match first.seq.checked_sub(1).filter(|before| *before > 0) {
                Some(before) => turn.log().commit_at(scope, lane, device, before).await?,
                None => None,
            };
            if before == first.prev && self.rewrite(turn, &account, scope, &frame, bytes).await? {
                done.rewritten = true;
                done.succeeded = Some(account.user);
            }
        }
        if let Some(user) = ahead
            && done.succeeded.is_none()
        {
            // Somebody may have made them up: only frames that verify count.
            let (batch, _) = turn.take(scope, frames.to_vec(), None);
            let current = self.device(user);
            if batch.admitted().iter().any(|(_, frame)| Some(frame.get().txn.device) == current) {
                drop(batch);
                self.retire(turn, user).await?;
                done.succeeded = Some(user);
            }
        }
        Ok(done)
    }

    /// Tells what [`Vault::reclaim`] has done. Without the turn.
    pub(super) async fn reclaimed(&self, scope: Scope, done: Reclaimed) -> Result<(), VaultError> {
        if let Some(user) = done.succeeded {
            self.heal_envelopes(user).await?;
            let _ = self.0.feed.send(Moved::Log(Scope::Account(user)));
            let _ = self.0.feed.send(Moved::Sharing);
        }
        if done.rewritten {
            if let Scope::Space(space) = scope {
                let _ = self.0.feed.send(Moved::Control(space));
            }
            let _ = self.0.feed.send(Moved::Rewritten);
        }
        Ok(())
    }

    /// Whether the place of our device was taken by one that is not ours: a copy of our directory was served.
    fn is_displaced(&self, user: UserId) -> bool {
        let Some(account) = self.0.accounts.get(user) else { return false };
        self.successor(user, account.device.id).is_some_and(|device| !account.is_own(device))
    }

    /// Takes a new device if another node has taken the place of ours; whether it has.
    pub(super) async fn give_way(&self, turn: &Turn, user: UserId) -> Result<bool, VaultError> {
        let displaced = self.is_displaced(user);
        if displaced {
            self.retire(turn, user).await?;
        }
        Ok(displaced)
    }

    /// Makes sure of the device of this node at a start; `copied`: its log lies in another file than before, and the
    /// numbers of a chain that may be longer elsewhere are not used again.
    pub(super) async fn begin_as(&self, turn: &Turn, user: UserId, copied: bool) -> Result<(), VaultError> {
        self.succeed(turn, user).await?;
        if copied && self.0.admission.account(user).is_some() {
            self.retire(turn, user).await?;
        }
        Ok(())
    }

    /// Lets a new device take the place of the one by which this node writes.
    async fn retire(&self, turn: &Turn, user: UserId) -> Result<(), VaultError> {
        let device = DeviceSecret::random(&mut rand::rng());
        tracing::warn!(
            account = %user, device = %device.id,
            "this node was copied or put back from an older copy: a new device takes the place of the one it had"
        );
        // Keys first: a log entry whose keys are lost could not be undone. Should it end here, the next
        // start goes on.
        self.0.accounts.replace(turn, user, device).await?;
        self.succeed(turn, user).await?;
        for id in turn.spaces_of(user) {
            self.replace_space(turn, id, false).await?;
        }
        // Before anything is written by it: sessions know their own by then.
        let _ = self.0.feed.send(Moved::Sharing);
        Ok(())
    }

    /// Enrols the device of this node, if it has taken the place of another and is not enrolled yet.
    pub(super) async fn succeed(&self, turn: &Turn, user: UserId) -> Result<(), VaultError> {
        let (Some(account), Some(lane)) = (self.0.accounts.get(user), turn.account(user)) else {
            return Ok(());
        };
        let old = account.former.iter().rev().find(|device| lane.device(device.id).is_some());
        let Some(old) = old.filter(|_| lane.device(account.device.id).is_none()) else { return Ok(()) };
        let new = (&*account.device, self.transport());
        let frame = build::succeed_device(user, old, new, &lane.heads, self.tick(), &mut rand::rng())?;
        let mut batch = turn.begin();
        batch.admit(Scope::Account(user), frame.into_bytes())?;
        batch.store().await?;
        Ok(())
    }

    /// Closes a space so that it is opened anew; `anew`: and its view made from the log again.
    pub(super) async fn replace_space(&self, _turn: &Turn, id: SpaceId, anew: bool) -> Result<(), VaultError> {
        let space = self.0.spaces.lock().remove(&id);
        if let Some(space) = space {
            space.replace();
            let closed = tokio::task::spawn_blocking(move || space.close()).await;
            if !matches!(closed, Ok(Ok(()))) {
                tracing::warn!(space = %id, "a view was not closed; it is checked when it is opened again");
            }
        }
        if anew {
            let _alone = self.0.preparing.of(id).await;
            remove_view(&self.0.views, id)?;
        }
        Ok(())
    }

    /// Puts `theirs`, a frame of our own device, where this node has written something else, and writes
    /// that again under another device. False: the frame does not verify there.
    async fn rewrite(
        &self,
        turn: &Turn,
        account: &Account,
        scope: Scope,
        theirs: &Frame,
        bytes: &[u8],
    ) -> Result<bool, VaultError> {
        let (lane, device, first) = (theirs.lane, theirs.txn.device, &theirs.first().commit);
        let left = first.prev.map(|cid| (first.seq - 1, cid));
        let mut gone = turn.log().chain_rows(scope, lane, device, first.seq - 1).await?;
        if gone.first().is_none_or(|row| row.first() != first.seq) {
            return Ok(false);
        }
        let mut left = vec![(device, left)];
        if turn.begin_without(scope, lane, &left, &gone).await?.admit(scope, bytes.to_vec()).is_err() {
            return Ok(false);
        }
        if lane != LaneTag::CONTROL {
            self.resting(account, scope, lane, &mut left, &mut gone).await?;
        }
        if left.iter().any(|(device, _)| *device == account.device.id) {
            self.retire(turn, account.user).await?;
        }
        let account = self.0.accounts.get(account.user).ok_or(SpaceError::NotFound)?;
        tracing::warn!(
            ?scope, %device, from = first.seq, rows = gone.len(),
            "what was written on numbers that were taken is written again under another device"
        );
        let mut batch = turn.begin_without(scope, lane, &left, &gone).await?;
        batch.admit(scope, bytes.to_vec())?;
        let end = batch.chain(scope, lane, account.device.id);
        let again = match scope {
            Scope::Account(user) => {
                let heads = batch.account(user).ok_or(SpaceError::NotFound)?.heads.clone();
                let mut entries = Vec::new();
                for row in &gone {
                    entries.extend(decode(row)?.entries.into_iter().map(|mut e| (e.commit.kind, e.parts.remove(0))));
                }
                let by = &account.device;
                vec![build::account_entries(user, by, entries, &heads, end, self.tick(), &mut rand::rng())?]
            }
            Scope::Space(id) => {
                let heads = batch.space(id).ok_or(SpaceError::NotFound)?.heads.clone();
                let open = self.0.spaces.lock().get(&id).cloned();
                let space = match open {
                    Some(space) => space,
                    None => Arc::new(self.open_space(turn, account.clone(), id).await?),
                };
                let again = Again { space, account, heads, end, now: (self.0.clock)() };
                let work = move || match lane {
                    LaneTag::CONTROL => again.control(&gone),
                    _ => again.documents(&gone),
                };
                tokio::task::spawn_blocking(work)
                    .await
                    .map_err(|_| SpaceError::Entry("writing again was cut off"))??
            }
        };
        for frame in again {
            batch.admit(scope, frame.into_bytes())?;
        }
        batch.readmit()?;
        batch.store().await?;
        if let Scope::Space(id) = scope {
            self.replace_space(turn, id, true).await?;
        }
        Ok(true)
    }
}

impl Vault {
    /// Finds what this node's other devices wrote that rests on rows that are taken out: the end of a chain
    /// from the first such commit.
    async fn resting(
        &self,
        account: &Account,
        scope: Scope,
        lane: LaneTag,
        left: &mut Vec<(DeviceId, Option<(u64, Cid)>)>,
        gone: &mut Vec<Row>,
    ) -> Result<(), VaultError> {
        let mut dropped: HashSet<Cid> = HashSet::new();
        for row in gone.iter() {
            dropped.extend(decode(row)?.entries.iter().map(|entry| entry.cid));
        }
        loop {
            let before = left.len();
            for device in account.devices().map(|device| device.id) {
                if left.iter().any(|(other, _)| *other == device) {
                    continue;
                }
                let mut cut = false;
                for row in self.0.admission.log().chain_rows(scope, lane, device, 0).await? {
                    let frame = decode(&row)?;
                    let rests = |commit: &vault_core::commit::Commit| {
                        commit.root.iter().chain(&commit.parents).any(|cid| dropped.contains(cid))
                    };
                    if !cut && frame.entries.iter().any(|entry| rests(&entry.commit)) {
                        cut = true;
                        let first = &frame.first().commit;
                        left.push((device, first.prev.map(|cid| (first.seq - 1, cid))));
                    }
                    if cut {
                        dropped.extend(frame.entries.iter().map(|entry| entry.cid));
                        gone.push(row);
                    }
                }
            }
            if left.len() == before {
                gone.sort_by_key(|row| row.position());
                return Ok(());
            }
        }
    }
}

/// A field of a document.
type FieldAt = (CollectionId, DocId, FieldId);

/// Writes rows of former devices again.
struct Again {
    space: Arc<Space>,
    account: Account,
    heads: Heads,
    /// The end of the new device's chain in the lane.
    end: Option<(u64, Cid)>,
    now: Timestamp,
}

impl Again {
    fn control(mut self, gone: &[Row]) -> Result<Vec<SealedFrame>, VaultError> {
        let mut frames: Vec<SealedFrame> = Vec::new();
        let mut core = self.space.core().lock();
        let keys = Arc::clone(&core.keys);
        for row in gone {
            let end = self.end;
            let held = move |_| end;
            let mut rng = rand::rng();
            let (device, user) = (&self.account.device, self.account.user);
            let mut txn = TxnBuilder::new(&keys, device.id, user, self.heads.head_ids(), &held, &mut rng);
            for entry in &decode(row)?.entries {
                let body = match entry.commit.kind {
                    CommitKind::Schema | CommitKind::Policy => {
                        keys.open_control(entry).map_err(|_| SpaceError::Entry("an entry of our own does not open"))?
                    }
                    _ => entry.parts[0].clone(),
                };
                core.hlc = core.hlc.tick(self.now);
                txn.again(entry.commit.kind, body, &mut self.heads, core.hlc, &mut rng)?;
            }
            let frame = txn.finish(&device.signer).remove(0);
            self.end = Some((frame.tip().seq, frame.tip().cid));
            frames.push(frame);
        }
        Ok(frames)
    }

    fn documents(mut self, gone: &[Row]) -> Result<Vec<SealedFrame>, VaultError> {
        let frames = gone.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        let dropped: HashSet<Cid> = frames.iter().flat_map(|frame| &frame.entries).map(|entry| entry.cid).collect();
        // What the documents are without what is written again: counters go on from there.
        let mut without: HashMap<(CollectionId, DocId), DocumentState> = HashMap::new();
        // What was counted since, by whom: the new device counts for all of them.
        let mut ints: HashMap<FieldAt, HashMap<DeviceId, (i128, i128)>> = HashMap::new();
        let mut floats: HashMap<FieldAt, HashMap<DeviceId, f64>> = HashMap::new();
        let mut renamed: HashMap<Cid, Cid> = HashMap::new();
        let mut roots: HashMap<Cid, (DocId, (Cid, [u8; 16]))> = HashMap::new();
        let mut again = Vec::new();
        let mut core = self.space.core().lock();
        let keys = Arc::clone(&core.keys);
        for frame in &frames {
            let end = self.end;
            let held = move |_| end;
            let mut rng = rand::rng();
            let (device, user) = (&self.account.device, self.account.user);
            let mut txn = TxnBuilder::new(&keys, device.id, user, self.heads.head_ids(), &held, &mut rng);
            for entry in &frame.entries {
                let root = match entry.commit.root {
                    None => None,
                    Some(cid) => match roots.get(&cid) {
                        Some(root) => Some(*root),
                        None => core.view.root(&cid)?.map(|(doc, salt)| (doc, (cid, salt))),
                    },
                };
                // The old salt opens what was sealed; a root that is written again has a new one.
                let old = match entry.commit.root {
                    None => None,
                    Some(cid) => core.view.root(&cid)?,
                };
                let commit = keys
                    .open_commit(entry, self.space.owner, |_| old)
                    .map_err(|_| SpaceError::Entry("a change of our own does not open"))?;
                let at = (commit.collection, commit.doc);
                let state = match without.entry(at) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let mut history = core.view.history(at.0, at.1)?;
                        history.retain(|known| !dropped.contains(&known.cid));
                        new.insert(DocumentState::fold(&history))
                    }
                };
                let deltas = commit.deltas.iter().map(|change| {
                    let field = state.field(change.field);
                    let delta = match &change.delta {
                        Delta::Set(value) => Delta::Set(value.clone()),
                        Delta::IntCounter { plus, minus } => {
                            let totals = |device| field.map_or((0, 0), |field| field.int_totals(device));
                            let (before, own) = (totals(commit.device), totals(device.id));
                            let since = ints.entry((at.0, at.1, change.field)).or_default();
                            since.insert(commit.device, (plus - before.0, minus - before.1));
                            let sum = since.values().fold(own, |sum, more| (sum.0 + more.0, sum.1 + more.1));
                            Delta::IntCounter { plus: sum.0, minus: sum.1 }
                        }
                        Delta::FloatCounter { total } => {
                            let of = |device| field.map_or(0.0, |field| field.float_total(device));
                            let since = floats.entry((at.0, at.1, change.field)).or_default();
                            since.insert(commit.device, total - of(commit.device));
                            Delta::FloatCounter { total: of(device.id) + since.values().sum::<f64>() }
                        }
                    };
                    (change.field, delta)
                });
                core.hlc = core.hlc.tick(self.now);
                let draft = DocumentDraft {
                    collection: commit.collection,
                    doc: commit.doc,
                    root: root.map(|(_, root)| root),
                    parents: commit.parents.iter().map(|cid| renamed.get(cid).copied().unwrap_or(*cid)).collect(),
                    height: commit.height.saturating_sub(1),
                    hlc: core.hlc,
                    author: commit.author,
                    status: commit.status,
                    deltas: deltas.collect(),
                };
                let written = txn.push(draft, &mut rng)?;
                renamed.insert(entry.cid, written.cid);
                if let Some(salt) = written.salt {
                    roots.insert(entry.cid, (commit.doc, (written.cid, salt)));
                }
            }
            let frame = txn.finish(&device.signer).remove(0);
            self.end = Some((frame.tip().seq, frame.tip().cid));
            again.push(frame);
        }
        Ok(again)
    }
}
