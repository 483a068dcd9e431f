//! What each side holds: offers, tips, and where chains differ.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy_core::{DeviceId, Timestamp};

use super::{ADMISSIONS, Asked, Busy, Session};
use crate::limits::Limits;
use crate::message::{Message, Offer, Reason, Version};
use crate::question::{Answer, Question, Report};
use crate::tips::{CommitId, Compared, Lane, Scope, Tip, Tips};

impl Session {
    pub(super) fn activate(&mut self, scope: Scope) {
        if let Some(scoped) = self.scopes.get_mut(&scope)
            && !scoped.active
        {
            scoped.active = true;
            self.out.push_back(Message::AskTips(scope));
        }
    }

    pub(super) fn on_offers(&mut self, offers: Vec<Offer>, last: bool) {
        self.greeted |= last;
        let mut strange = Vec::new();
        for offer in offers {
            let Some(scoped) = self.scopes.get_mut(&offer.scope) else {
                strange.push(offer);
                continue;
            };
            scoped.active = true;
            scoped.theirs = Some(offer.digest);
            let sending = &mut scoped.sending;
            let alike = scoped.mine.digest() == offer.digest;
            scoped.all_known = alike || offer.all_sent;
            if alike {
                // The same on both sides: nothing is owed, whatever is still on its way.
                self.sent_bytes -= sending.inflight.drain(..).map(|batch| batch.bytes).sum::<usize>();
                let news = !sending.known || sending.acked != scoped.mine;
                sending.acked = Arc::clone(&scoped.mine);
                sending.sent = Arc::clone(&scoped.mine);
                sending.known = true;
                sending.setbacks = 0;
                // The peer sees the same by our offer, if that is what it says.
                scoped.all_said |= scoped.offered == Some(offer.digest);
                if news {
                    self.holds.insert(offer.scope);
                }
                self.offer_end(offer.scope);
            } else if !sending.known || sending.acked.digest() != offer.digest {
                self.out.push_back(Message::AskTips(offer.scope));
            } else if sending.paused_until.is_none() {
                sending.wake(&scoped.mine);
                if sending.is_stuck(&scoped.mine) {
                    sending.rewind();
                }
            }
        }
        strange.truncate(self.limits.scopes.saturating_sub(self.scopes.len()));
        let asking = self.asked.values().filter(|asked| matches!(asked, Asked::Admit)).count();
        if !strange.is_empty() && asking < ADMISSIONS {
            let event = self.ask(Asked::Admit, Question::Admit(strange));
            self.events.push_back(event);
        }
    }

    /// Offers a scope again once the peer has been sent everything, if it has not heard so.
    pub(super) fn offer_end(&mut self, scope: Scope) {
        if self.version >= Version::Two
            && self.scopes.get(&scope).is_some_and(|scoped| scoped.active && !scoped.all_said && scoped.all_sent())
        {
            self.to_offer.insert(scope);
        }
    }

    pub(super) fn on_ask_tips(&mut self, scope: Scope) {
        let Some(scoped) = self.scopes.get(&scope) else { return };
        let tips: Vec<Tip> = scoped.advertised().take(self.limits.tips).collect();
        let mut parts = tips.chunks(Limits::ENTRIES).peekable();
        if parts.peek().is_none() {
            self.out.push_back(Message::Tips { scope, part: 0, last: true, tips: Vec::new() });
        }
        let mut part = 0;
        while let Some(chunk) = parts.next() {
            let last = parts.peek().is_none();
            self.out.push_back(Message::Tips { scope, part, last, tips: chunk.to_vec() });
            part += 1;
        }
    }

    pub(super) fn on_tips(&mut self, scope: Scope, part: u32, last: bool, tips: Vec<Tip>) -> Result<(), Busy> {
        let Some(scoped) = self.scopes.get_mut(&scope) else { return Ok(()) };
        let (next, mut all) = match scoped.collecting.take() {
            Some(collecting) => {
                self.collecting_tips -= collecting.1.len();
                if part == 0 { (0, Vec::new()) } else { collecting }
            }
            None => (0, Vec::new()),
        };
        if part != next {
            // A part is missing: the next offer makes us ask again.
            return Ok(());
        }
        all.extend(tips);
        if self.collecting_tips + all.len() > self.limits.tips {
            return Err(Busy::Flood);
        }
        if !last {
            self.collecting_tips += all.len();
            scoped.collecting = Some((part.saturating_add(1), all));
            return Ok(());
        }
        let theirs: Tips = all.into_iter().collect();
        let own: Vec<Tip> = theirs.iter().filter(|tip| scoped.own.contains(&tip.device)).collect();
        // Counted until the store has answered.
        self.collecting_tips += theirs.len();
        scoped.vectors += 1;
        let nth = scoped.vectors;
        let event = self.ask(Asked::Compare { scope, nth, theirs }, Question::Compare { scope, theirs: own });
        self.events.push_back(event);
        Ok(())
    }

    /// The peer's whole vector is known, and how our own chains lie to it: now something may be sent.
    pub(super) fn on_compared(&mut self, (scope, nth): (Scope, u64), theirs: Tips, answer: Answer, now: Timestamp) {
        let pause = self.limits.again_us;
        let Some(scoped) = self.scopes.get_mut(&scope) else { return };
        if nth < scoped.learned {
            // The store was faster with a later vector.
            return;
        }
        let Answer::Compared(differing) = answer else {
            scoped.sending.refused(Reason::Unavailable, None, now, pause);
            return;
        };
        if !scoped.compared {
            scoped.compared = true;
            // From here on it is told of our own chains what the peer lacks: also where that is not handed over yet.
            self.to_offer.insert(scope);
        }
        let differing: BTreeSet<_> = differing.into_iter().collect();
        if scoped.differing != differing {
            // Offered again without them: the peer asks, and sends what it has.
            self.to_offer.insert(scope);
            scoped.differing = differing;
        }
        let mut forks = Vec::new();
        for tip in theirs.iter().filter(|tip| !scoped.differing.contains(&(tip.lane, tip.device))) {
            if let Compared::Forked { ours } = scoped.mine.compare(&tip) {
                scoped.sending.blocked.insert((tip.lane, tip.device));
                forks.push((tip, ours));
            }
        }
        let stale = !scoped.sending.acked.within(&theirs);
        scoped.learned = nth;
        // Tips may leave out what the peer has not compared yet: then they are not what it offered.
        scoped.all_known = (scoped.all_known && !stale) || scoped.theirs == Some(theirs.digest());
        scoped.sending.learn(theirs);
        scoped.sending.wake(&scoped.mine);
        self.holds.insert(scope);
        self.offer_end(scope);
        if stale {
            self.report(Report::Stale { scope });
        }
        for (tip, ours) in forks {
            self.report(Report::Fork { scope, tip: Tip { commit: ours, ..tip }, other: tip.commit });
            if self.out.len() < self.limits.queued_messages {
                self.out.push_back(Message::Fork { scope, tip: Tip { commit: ours, ..tip }, other: tip.commit });
            }
        }
    }

    pub(super) fn on_fork(&mut self, scope: Scope, theirs: Tip, ours: CommitId) {
        let Some(scoped) = self.scopes.get(&scope) else { return };
        // Their `other` is our commit, if they are right: a claim about a chain we do not hold at
        // that number proves nothing.
        if scoped.mine.seq(theirs.lane, theirs.device) < theirs.seq || theirs.commit == ours {
            return;
        }
        self.block(scope, theirs.lane, theirs.device);
        self.report(Report::Fork { scope, tip: Tip { commit: ours, ..theirs }, other: theirs.commit });
    }

    pub(super) fn block(&mut self, scope: Scope, lane: Lane, device: DeviceId) {
        if let Some(scoped) = self.scopes.get_mut(&scope)
            && scoped.sending.blocked.len() < self.limits.tips
        {
            scoped.sending.blocked.insert((lane, device));
        }
    }
}
