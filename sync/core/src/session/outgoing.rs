//! What the peer lacks: read from the store, sent, acknowledged or refused.

use std::sync::Arc;

use policy_core::Timestamp;

use super::{Asked, Session};
use crate::limits::Limits;
use crate::message::{Message, Reason};
use crate::question::{Answer, Event, Item, Question, Report};
use crate::sending::{Batch, Cursor, Tier};
use crate::tips::{Compared, Scope};

impl Session {
    pub(super) fn tier(scope: Scope, control: bool) -> Tier {
        match (scope, control) {
            (Scope::Account(_), _) => Tier::Account,
            (Scope::Space(_), true) => Tier::SpaceControl,
            (Scope::Space(_), false) => Tier::SpaceData,
        }
    }

    /// Asks the store for the next rows to send, lower tiers first, scopes of a tier in turn.
    pub(super) fn next_read(&mut self, now: Timestamp) -> Option<Event> {
        if self.reading || self.sent_bytes >= self.limits.window_bytes || self.out.len() >= self.limits.queued_messages
        {
            return None;
        }
        let (scope, tier) = self.next_due(now)?;
        let scoped = self.scopes.get_mut(&scope)?;
        let after = scoped.sending.cursor(tier).after;
        let have = Arc::clone(&scoped.sending.sent);
        let generation = scoped.sending.generation;
        let control = tier != Tier::SpaceData;
        self.reading = true;
        self.last_read = Some(scope);
        let max_bytes = self.limits.batch_bytes;
        Some(
            self.ask(
                Asked::Read { scope, tier, generation },
                Question::Read { scope, control, after, have, max_bytes },
            ),
        )
    }

    pub(super) fn next_due(&self, now: Timestamp) -> Option<(Scope, Tier)> {
        for tier in Tier::ALL {
            let mut first = None;
            let mut next = None;
            let mut waiting = false;
            for (&scope, scoped) in &self.scopes {
                let sending = &scoped.sending;
                let paused = sending.paused_until.is_some_and(|until| until > now);
                if !scoped.active || paused {
                    continue;
                }
                waiting |= sending.inflight.iter().any(|batch| batch.tier == tier);
                let here = Self::tier(scope, tier != Tier::SpaceData) == tier;
                let cursor = if tier == Tier::SpaceData { sending.data } else { sending.control };
                if here && sending.known && cursor.more {
                    first = first.or(Some(scope));
                    if self.last_read.is_some_and(|last| scope > last) {
                        next = next.or(Some(scope));
                    }
                }
            }
            if let Some(scope) = next.or(first) {
                return Some((scope, tier));
            }
            if waiting {
                return None;
            }
        }
        None
    }

    pub(super) fn on_read(&mut self, asked: (Scope, Tier, u64), answer: Answer, now: Timestamp) {
        let (scope, tier, generation) = asked;
        let pause = self.limits.again_us;
        let Some(scoped) = self.scopes.get_mut(&scope) else { return };
        let sending = &mut scoped.sending;
        if !sending.known || sending.generation != generation {
            // The session went back while the store read: this is from the old place.
            return;
        }
        let Answer::Read { items, position, end } = answer else {
            sending.refused(Reason::Unavailable, None, now, pause);
            return;
        };
        let cursor = sending.cursor(tier);
        if position < cursor.after {
            return;
        }
        cursor.after = position;
        cursor.more = !end;
        let mut frames = Vec::new();
        let mut tips = Vec::new();
        let mut bytes = 0;
        for Item { position, tip, frame } in items {
            // What our own devices wrote beside a chain that differs may rest on its end.
            let rests = scoped.own.contains(&tip.device) && scoped.differing.iter().any(|(lane, _)| *lane == tip.lane);
            if rests || sending.keeps_back(tip.lane, tip.device) || sending.sent.compare(&tip) != Compared::Ahead {
                continue;
            }
            if frame.len() > Limits::FRAME_BYTES {
                // Nothing that the vault writes is that large, and no peer would take it.
                sending.blocked.insert((tip.lane, tip.device));
                continue;
            }
            if frames.len() >= Limits::FRAMES {
                *sending.cursor(tier) = Cursor { after: position - 1, more: true };
                break;
            }
            Arc::make_mut(&mut sending.sent).advance(tip);
            bytes += frame.len();
            tips.push(tip);
            frames.push(frame);
        }
        if !frames.is_empty() {
            let number = self.next_batch;
            self.next_batch += 1;
            self.sent_bytes += bytes;
            sending.inflight.push_back(Batch { number, tier, bytes, tips, at: now });
            self.out.push_back(Message::Data { scope, batch: number, frames });
        }
    }

    pub(super) fn on_ack(&mut self, scope: Scope, number: u64) {
        let Some(scoped) = self.scopes.get_mut(&scope) else { return };
        let sending = &mut scoped.sending;
        let Some(at) = sending.inflight.iter().position(|batch| batch.number == number) else { return };
        let Some(batch) = sending.inflight.remove(at) else { return };
        self.sent_bytes -= batch.bytes;
        for tip in batch.tips {
            sending.holds(tip);
        }
        sending.setbacks = 0;
        self.holds.insert(scope);
        self.offer_end(scope);
    }

    pub(super) fn on_nack(&mut self, scope: Scope, number: u64, stored: u32, reason: Reason, now: Timestamp) {
        let pause = self.limits.announce_us;
        let Some(scoped) = self.scopes.get_mut(&scope) else { return };
        let sending = &mut scoped.sending;
        let Some(at) = sending.inflight.iter().position(|batch| batch.number == number) else { return };
        let refused = sending.inflight[at].tips.get(stored as usize).copied();
        if stored > 0 {
            sending.setbacks = 0;
        }
        sending.refused(reason, refused, now, pause);
        if reason != Reason::Gap {
            self.report(Report::Refused { scope, reason });
        }
        self.start_over(scope);
    }

    /// Forgets what is on its way and asks the peer where it stands.
    pub(super) fn start_over(&mut self, scope: Scope) {
        let Some(scoped) = self.scopes.get_mut(&scope) else { return };
        let sending = &mut scoped.sending;
        self.sent_bytes -= sending.inflight.drain(..).map(|batch| batch.bytes).sum::<usize>();
        sending.known = false;
        if sending.paused_until.is_none() && scoped.active {
            self.out.push_back(Message::AskTips(scope));
        }
    }
}
