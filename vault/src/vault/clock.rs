//! A clock that was ahead and is right again.
//!
//! What was written under it has readings that no other device takes before their time, and so has what
//! was written later: a reading is greater than all before it. Our own clock alone cannot tell that from
//! one that is behind now (a machine without a battery wakes up years ago). So readings are pulled back
//! when another device of the account does not take our commits because they are ahead, and our own clock
//! says so too; and where the account has no other device, after our clock has said so for a while without
//! a leap. An entry in the account's lane does it: one row of the log, written once, after which nothing
//! is ahead.

use std::collections::{BTreeMap, HashMap};

use policy_core::{DeviceId, SpaceId, Timestamp, UserId};
use vault_core::build;
use vault_core::control::{Clocks, MAX_READINGS, Piece, Reading};
use vault_core::document::Hlc;
use vault_core::tags::LaneTag;

use super::arriving::CLOCK_AHEAD_US;
use super::{Vault, VaultError};
use crate::feed::Moved;
use crate::log::Scope;
use crate::space::{SpaceError, decode, largest_hlc};
use crate::turn::Turn;

/// For so long a lone device's clock says that its readings are ahead before it believes itself.
const STEADY_US: i64 = CLOCK_AHEAD_US;
/// A clock that goes on by more than this between two looks has leapt.
const LEAP_US: i64 = 120_000_000;
/// A space is pulled back at most once in this time: where the largest reading is another device's, which only that
/// one can pull back, each write would do it again.
const AGAIN_US: i64 = 60_000_000;

/// What is known of the clock readings of spaces.
#[derive(Default)]
pub(super) struct Readings {
    /// The largest of each space, and at which position of the log.
    largest: HashMap<SpaceId, (u64, Hlc)>,
    /// Since when readings are ahead of a clock that goes steadily, and when it was looked at last.
    ahead_since: Option<Timestamp>,
    looked: Option<Timestamp>,
    /// When a space was pulled back last.
    pulled: HashMap<SpaceId, Timestamp>,
}

/// The end of a chain that lies ahead of the clock.
struct Ahead {
    lane: LaneTag,
    device: DeviceId,
    first: u64,
    last: u64,
    /// The last reading as it was written, and as it counts.
    written: Hlc,
    counts: Hlc,
    /// The reading of the commit before the first.
    before: Hlc,
}

fn wall(now: Timestamp) -> Hlc {
    Hlc::from_parts(now.0.max(0).unsigned_abs() / 1_000, 0)
}

impl Vault {
    /// By how many seconds the clock readings of `user`'s spaces (of all) lie ahead of the clock, if that is more
    /// than other devices take.
    pub fn clock_ahead(&self, user: Option<UserId>) -> Option<u64> {
        let now = (self.0.clock)();
        let known: Vec<_> = self.0.readings.lock().largest.iter().map(|(id, (_, hlc))| (*id, *hlc)).collect();
        let open: Vec<_> = self.0.spaces.lock().values().cloned().collect();
        let open = open.iter().filter_map(|space| Some((space.id, space.core().try_lock()?.hlc)));
        let of = |id: &SpaceId| user.is_none_or(|user| self.owner_of(*id) == Some(user));
        let all = known.into_iter().chain(open).filter(|(_, hlc)| is_ahead(*hlc, now)).filter(|(id, _)| of(id));
        all.map(|(_, hlc)| (hlc.timestamp().0 - now.0).unsigned_abs() / 1_000_000).max()
    }

    /// Looks how far the readings of all spaces have come; pulls back those of accounts that have no other device,
    /// if the clock has said for a while that they are ahead. To be called now and then.
    pub async fn look_at_clocks(&self) -> Result<(), VaultError> {
        let now = (self.0.clock)();
        let mut ahead = Vec::new();
        for user in self.users() {
            for space in self.space_ids(user) {
                if is_ahead(self.largest(space).await?, now) {
                    ahead.push((user, space));
                }
            }
        }
        let steady = {
            let mut known = self.0.readings.lock();
            let leapt = known.looked.is_none_or(|last| !(0..=LEAP_US).contains(&(now.0 - last.0)));
            known.looked = Some(now);
            match known.ahead_since.filter(|_| !leapt && !ahead.is_empty()) {
                Some(since) => now.0 - since.0 >= STEADY_US,
                None => {
                    known.ahead_since = (!ahead.is_empty()).then_some(now);
                    false
                }
            }
        };
        for (user, space) in ahead.into_iter().filter(|_| steady) {
            if self.0.admission.transports(user).iter().all(|key| *key == self.transport()) {
                self.pull_back(Scope::Space(space)).await?;
            }
        }
        Ok(())
    }

    /// The largest reading that was applied in a space.
    async fn largest(&self, space: SpaceId) -> Result<Hlc, VaultError> {
        let position = self.0.admission.log().position(Scope::Space(space));
        let open = self.0.spaces.lock().get(&space).cloned();
        let open = open.and_then(|space| Some(space.core().try_lock()?.hlc));
        let known = self.0.readings.lock().largest.get(&space).copied();
        let largest = match (open, known) {
            (Some(hlc), _) => hlc,
            (None, Some((at, hlc))) if at == position => hlc,
            (None, _) => largest_hlc(&self.0.admission, space).await?,
        };
        self.0.readings.lock().largest.insert(space, (position, largest));
        Ok(largest)
    }

    /// Pulls back what this node has written ahead of its clock as it is now, if that is more than other
    /// devices take. Another device has said so: two clocks agree.
    pub async fn pull_back(&self, scope: Scope) -> Result<(), VaultError> {
        let Scope::Space(space) = scope else { return Ok(()) };
        let Some(user) = self.owner_of(space) else { return Ok(()) };
        let now = (self.0.clock)();
        let lately =
            self.0.readings.lock().pulled.get(&space).is_some_and(|at| (0..AGAIN_US).contains(&(now.0 - at.0)));
        if lately || !is_ahead(self.largest(space).await?, now) {
            return Ok(());
        }
        self.in_turn(move |vault, turn| Box::pin(vault.pull_back_in(turn, user, space, now))).await
    }

    async fn pull_back_in(&self, turn: &Turn, user: UserId, space: SpaceId, now: Timestamp) -> Result<(), VaultError> {
        let scope = Scope::Space(space);
        let account = self.0.accounts.get(user).ok_or(SpaceError::NotFound)?;
        let lane = turn.account(user).ok_or(SpaceError::NotFound)?;
        let mut chains = Vec::new();
        for ((tag, device), (last, _)) in turn.log().chains(scope) {
            if account.is_own(device) {
                chains.extend(self.ahead_of(turn, space, (tag, device, last), lane.clocks(), now).await?);
            }
        }
        let to = chains.iter().map(|chain| chain.counts).max().unwrap_or_default();
        if !is_ahead(to, now) {
            return Ok(());
        }
        let back = to.milliseconds().saturating_sub(wall(now).milliseconds());
        let mut of: BTreeMap<DeviceId, Vec<Reading>> = BTreeMap::new();
        for chain in chains {
            let piece = Piece {
                first: chain.first,
                last: chain.last,
                // What it was pulled back before counts on.
                ahead_ms: back + (chain.written.milliseconds() - chain.counts.milliseconds()),
                floor: Hlc(chain.before.0.saturating_add(1)),
                ceiling: wall(now),
            };
            of.entry(chain.device).or_default().push(Reading { space, lane: chain.lane, piece });
        }
        let entries = of
            .iter()
            .flat_map(|(device, readings)| readings.chunks(MAX_READINGS).map(|some| build::clock_entry(*device, some)));
        tracing::warn!(%space, seconds = back / 1_000, "the clock was ahead; what was written then is pulled back");
        let scope = Scope::Account(user);
        let by = &account.device;
        let end = turn.log().chain(scope, LaneTag::CONTROL, by.id);
        let entries = entries.collect();
        let frame = build::account_entries(user, by, entries, &lane.heads, end, self.tick(), &mut rand::rng())?;
        let mut batch = turn.begin();
        batch.admit(scope, frame.into_bytes())?;
        batch.store().await?;
        self.follow_clocks(turn, user, lane.clocks()).await?;
        self.0.readings.lock().pulled.insert(space, now);
        let _ = self.0.feed.send(Moved::Log(scope));
        // Sessions begin anew: what a peer refused is offered to it at once.
        let _ = self.0.feed.send(Moved::Rewritten);
        Ok(())
    }

    /// The end of a chain that lies ahead of `now`. Readings grow along a chain of our own: where the clock was right
    /// is searched by halves.
    async fn ahead_of(
        &self,
        turn: &Turn,
        space: SpaceId,
        (lane, device, last): (LaneTag, DeviceId, u64),
        clocks: &Clocks,
        now: Timestamp,
    ) -> Result<Option<Ahead>, VaultError> {
        let log = turn.log();
        let row = async |later: u64| match log.row_before_end(Scope::Space(space), lane, device, later).await? {
            None => Ok::<_, VaultError>(None),
            Some(row) => {
                let entries = decode(&row)?.entries.into_iter();
                let reading = |entry: vault_core::frame::Entry| {
                    (entry.commit.seq, entry.commit.hlc, clocks.reading(space, &entry.commit))
                };
                Ok(Some(entries.map(reading).collect::<Vec<_>>()))
            }
        };
        let is_beyond = |row: &Option<Vec<(u64, Hlc, Hlc)>>| {
            row.as_ref().and_then(|row| row.last()).is_some_and(|(_, _, counts)| *counts > wall(now))
        };
        let newest = row(0).await?;
        if !is_beyond(&newest) {
            return Ok(None);
        }
        // Row `inside` from the end is ahead, row `outside` is not, or is not there.
        let (mut inside, mut outside) = (0, 1);
        while is_beyond(&row(outside).await?) {
            (inside, outside) = (outside, outside * 2);
        }
        while outside - inside > 1 {
            let middle = inside + (outside - inside) / 2;
            if is_beyond(&row(middle).await?) { inside = middle } else { outside = middle }
        }
        let earlier = row(outside).await?.unwrap_or_default();
        let oldest = row(inside).await?.unwrap_or_default();
        let mut before = earlier.last().map_or(Hlc::default(), |(_, _, counts)| *counts);
        let mut first = None;
        for (seq, _, counts) in oldest {
            if counts > wall(now) {
                first = Some(seq);
                break;
            }
            before = counts;
        }
        let end = newest.and_then(|row| row.last().copied());
        Ok(first.zip(end).map(|(first, (_, written, counts))| Ahead {
            lane,
            device,
            first,
            last,
            written,
            counts,
            before,
        }))
    }

    /// Lets spaces follow clock readings that were pulled back: their views are made anew when they are opened next.
    /// Returns the spaces.
    pub(super) async fn follow_clocks(
        &self,
        turn: &Turn,
        user: UserId,
        before: &Clocks,
    ) -> Result<Vec<SpaceId>, VaultError> {
        let now = turn.clocks_of(Scope::Account(user));
        let mut changed: Vec<_> = now.spaces().into_iter().collect();
        changed.retain(|space| before.digest(*space) != now.digest(*space) && self.owner_of(*space) == Some(user));
        for space in &changed {
            self.replace_space(turn, *space, false).await?;
            self.0.readings.lock().largest.remove(space);
            let _ = self.0.feed.send(Moved::Control(*space));
        }
        Ok(changed)
    }
}

/// Whether a reading is further ahead of the clock than other devices take.
fn is_ahead(hlc: Hlc, now: Timestamp) -> bool {
    hlc.timestamp().0.saturating_sub(now.0) > CLOCK_AHEAD_US
}
