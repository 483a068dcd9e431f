//! One side of a conversation with one authenticated peer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use policy_core::{DeviceId, Timestamp};

use crate::limits::Limits;
use crate::message::{Message, Offer, Reason};
use crate::question::{Answer, Event, Item, Question, Report, Shared, Ticket};
use crate::scoped::Scoped;
use crate::sending::{Batch, Cursor, Sending, Tier};
use crate::tips::{CommitId, Compared, Lane, Scope, Tip, Tips};

/// The peer breaks the protocol: the driver closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// More was handed in than a bound allows. A driver that asks [`Session::can_take`] first sees
    /// this only for data beyond the window.
    #[error("the peer sent more than it may")]
    Flood,
}

#[derive(Debug)]
enum Asked {
    Admit,
    Compare { scope: Scope, theirs: Tips },
    Read { scope: Scope, tier: Tier, generation: u64 },
    Store { scope: Scope, batch: u64, bytes: usize },
}

/// The state machine.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    scopes: BTreeMap<Scope, Scoped>,
    to_offer: BTreeSet<Scope>,
    out: VecDeque<Message>,
    events: VecDeque<Event>,
    asked: BTreeMap<Ticket, Asked>,
    next_ticket: u64,
    next_batch: u64,
    reading: bool,
    last_read: Option<Scope>,
    /// Bytes sent and not acknowledged.
    sent_bytes: usize,
    /// Bytes received and not stored.
    storing_bytes: usize,
    collecting_tips: usize,
    holds: BTreeSet<Scope>,
    reports: VecDeque<Report>,
    /// The peer has offered.
    greeted: bool,
    offered_at: Timestamp,
    heard_at: Timestamp,
    gone: bool,
}

/// Reports that wait; more of them say nothing new.
const REPORTS: usize = 64;
/// Offers of unknown scopes that are being decided on; others are offered again later.
const ADMISSIONS: usize = 16;

impl Session {
    /// A session that begins now.
    pub fn new(limits: Limits, now: Timestamp) -> Self {
        Session {
            limits,
            scopes: BTreeMap::new(),
            to_offer: BTreeSet::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            asked: BTreeMap::new(),
            next_ticket: 0,
            next_batch: 0,
            reading: false,
            last_read: None,
            sent_bytes: 0,
            storing_bytes: 0,
            collecting_tips: 0,
            holds: BTreeSet::new(),
            reports: VecDeque::new(),
            greeted: false,
            offered_at: now,
            heard_at: now,
            gone: false,
        }
    }

    /// Shares a scope with the peer; for one that is shared, the same as [`Session::moved`].
    /// Returns whether it is shared now: beyond the bound on scopes it is not.
    pub fn share(&mut self, shared: Shared) -> bool {
        if let Some(scoped) = self.scopes.get_mut(&shared.scope) {
            scoped.own = shared.own;
            self.moved(shared.scope, shared.tips);
            return true;
        }
        if self.scopes.len() >= self.limits.scopes {
            return false;
        }
        let sending = Sending { acked: shared.acked, ..Sending::default() };
        let scoped = Scoped {
            owner: shared.owner,
            mine: shared.tips,
            own: shared.own,
            compared: false,
            differing: BTreeSet::new(),
            active: false,
            sending,
            collecting: None,
        };
        self.scopes.insert(shared.scope, scoped);
        self.to_offer.insert(shared.scope);
        true
    }

    /// The local log of a scope has grown to `tips`, which are on disk.
    pub fn moved(&mut self, scope: Scope, tips: Arc<Tips>) {
        if let Some(scoped) = self.scopes.get_mut(&scope) {
            scoped.mine = tips;
            scoped.sending.wake(&scoped.mine);
        }
    }

    /// Stops sharing a scope: policy took it away.
    pub fn withdraw(&mut self, scope: Scope) {
        if let Some(scoped) = self.scopes.remove(&scope) {
            self.sent_bytes -= scoped.sending.inflight.iter().map(|batch| batch.bytes).sum::<usize>();
            self.collecting_tips -= scoped.collecting.map_or(0, |(_, tips)| tips.len());
        }
        self.to_offer.remove(&scope);
        self.holds.remove(&scope);
    }

    /// Whether this node shares `scope` with the peer.
    pub fn shares(&self, scope: Scope) -> bool {
        self.scopes.contains_key(&scope)
    }

    /// Whether a message may be handed in now. If not, leave it with the transport, whose
    /// backpressure slows the peer down.
    pub fn can_take(&self) -> bool {
        self.out.len() < self.limits.queued_messages
            && self.events.len() < self.limits.queued_events
            && self.storing_bytes < self.limits.window_bytes
    }

    /// Takes a message of the peer.
    pub fn handle(&mut self, message: Message, now: Timestamp) -> Result<(), Busy> {
        if !self.can_take() {
            return Err(Busy::Flood);
        }
        self.heard_at = now;
        match message {
            Message::Offers(offers) => self.on_offers(offers),
            Message::AskTips(scope) => self.on_ask_tips(scope),
            Message::Tips { scope, part, last, tips } => return self.on_tips(scope, part, last, tips),
            Message::Data { scope, batch, frames } => return self.on_data(scope, batch, frames),
            Message::Ack { scope, batch } => self.on_ack(scope, batch),
            Message::Nack { scope, batch, stored, reason } => self.on_nack(scope, batch, stored, reason, now),
            Message::Fork { scope, tip, other } => self.on_fork(scope, tip, other),
        }
        Ok(())
    }

    /// Takes an answer of the store. One that nothing asked for changes nothing.
    pub fn answer(&mut self, ticket: Ticket, answer: Answer, now: Timestamp) {
        let Some(asked) = self.asked.remove(&ticket) else { return };
        match (asked, answer) {
            (Asked::Admit, Answer::Admitted(all)) => {
                for shared in all {
                    let scope = shared.scope;
                    // The peer offered it, so both sides share it from here on; its tips are asked
                    // for once it has heard our own offer.
                    if self.share(shared) {
                        self.activate(scope);
                    }
                }
            }
            (Asked::Admit, _) => {}
            (Asked::Compare { scope, theirs }, answer) => {
                self.collecting_tips -= theirs.len();
                self.on_compared(scope, theirs, answer, now);
            }
            (Asked::Read { scope, tier, generation }, answer) => {
                self.reading = false;
                self.on_read((scope, tier, generation), answer, now);
            }
            (Asked::Store { scope, batch, bytes }, answer) => {
                self.storing_bytes -= bytes;
                self.on_stored(scope, batch, answer);
            }
        }
    }

    /// What is due at `now`.
    pub fn tick(&mut self, now: Timestamp) {
        if now.0 >= self.offered_at.0.saturating_add(self.limits.announce_us) {
            self.offered_at = now;
            self.to_offer.extend(self.scopes.keys());
        }
        if !self.can_take() {
            // It is we who do not listen.
            self.heard_at = now;
        }
        self.gone |= now.0 >= self.heard_at.0.saturating_add(self.limits.silence_us);
        let mut again = Vec::new();
        for (&scope, scoped) in &mut self.scopes {
            let sending = &mut scoped.sending;
            if sending.paused_until.is_some_and(|until| until <= now) {
                sending.paused_until = None;
                sending.setbacks = 0;
                again.push(scope);
            } else if sending.ahead_until.is_some_and(|until| until <= now) {
                sending.ahead_until = None;
                sending.ahead.clear();
                again.push(scope);
            } else if let Some(first) = sending.inflight.front()
                && now.0 >= first.at.0.saturating_add(self.limits.resend_us)
            {
                again.push(scope);
            }
        }
        for scope in again {
            self.start_over(scope);
        }
    }

    /// When `tick` is due next.
    pub fn poll_timeout(&self) -> Timestamp {
        let mut due = self.offered_at.0.saturating_add(self.limits.announce_us);
        due = due.min(self.heard_at.0.saturating_add(self.limits.silence_us));
        for scoped in self.scopes.values() {
            for until in [scoped.sending.paused_until, scoped.sending.ahead_until].into_iter().flatten() {
                due = due.min(until.0);
            }
            if let Some(first) = scoped.sending.inflight.front() {
                due = due.min(first.at.0.saturating_add(self.limits.resend_us));
            }
        }
        Timestamp(due)
    }

    /// The next message for the peer.
    pub fn poll_transmit(&mut self) -> Option<Message> {
        if !self.to_offer.is_empty() {
            let mut offers = Vec::new();
            while offers.len() < Limits::ENTRIES
                && let Some(scope) = self.to_offer.pop_first()
            {
                if let Some(scoped) = self.scopes.get(&scope) {
                    offers.push(Offer { scope, owner: scoped.owner, digest: scoped.offered() });
                }
            }
            if !offers.is_empty() {
                return Some(Message::Offers(offers));
            }
        }
        self.out.pop_front()
    }

    /// The next thing for the driver to do.
    pub fn poll_event(&mut self, now: Timestamp) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        if let Some(scope) = self.holds.pop_first()
            && let Some(scoped) = self.scopes.get(&scope)
        {
            return Some(Event::Holds { scope, tips: Arc::clone(&scoped.sending.acked) });
        }
        if let Some(report) = self.reports.pop_front() {
            return Some(Event::Report(report));
        }
        if self.gone {
            return Some(Event::Gone);
        }
        self.next_read(now)
    }

    /// The scopes shared with the peer.
    pub fn scopes(&self) -> Vec<Scope> {
        self.scopes.keys().copied().collect()
    }

    /// Whether the peer has offered what it shares, every such scope is decided on, and both sides
    /// hold the same of each, as far as this one knows.
    pub fn is_settled(&self) -> bool {
        self.greeted
            && self.asked.is_empty()
            && self.scopes.values().all(|scoped| {
                let sending = &scoped.sending;
                !scoped.active
                    || (sending.known && scoped.mine.within(&sending.acked) && sending.acked.within(&scoped.mine))
            })
    }

    /// Commits of `scope` that the peer is owed; `None` while its tips are not known.
    pub fn owed(&self, scope: Scope) -> Option<u64> {
        let scoped = self.scopes.get(&scope)?;
        scoped.sending.known.then(|| scoped.mine.beyond(&scoped.sending.acked))
    }

    fn ask(&mut self, asked: Asked, question: Question) -> Event {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.asked.insert(ticket, asked);
        Event::Ask(ticket, question)
    }

    fn report(&mut self, report: Report) {
        if self.reports.len() < REPORTS && !self.reports.contains(&report) {
            self.reports.push_back(report);
        }
    }

    fn activate(&mut self, scope: Scope) {
        if let Some(scoped) = self.scopes.get_mut(&scope)
            && !scoped.active
        {
            scoped.active = true;
            self.out.push_back(Message::AskTips(scope));
        }
    }

    fn on_offers(&mut self, offers: Vec<Offer>) {
        self.greeted = true;
        let mut strange = Vec::new();
        for offer in offers {
            let Some(scoped) = self.scopes.get_mut(&offer.scope) else {
                strange.push(offer);
                continue;
            };
            scoped.active = true;
            let sending = &mut scoped.sending;
            if scoped.mine.digest() == offer.digest {
                // The same on both sides: nothing is owed, whatever is still on its way.
                self.sent_bytes -= sending.inflight.drain(..).map(|batch| batch.bytes).sum::<usize>();
                let news = !sending.known || sending.acked != scoped.mine;
                sending.acked = Arc::clone(&scoped.mine);
                sending.sent = Arc::clone(&scoped.mine);
                sending.known = true;
                sending.setbacks = 0;
                if news {
                    self.holds.insert(offer.scope);
                }
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

    fn on_ask_tips(&mut self, scope: Scope) {
        let Some(scoped) = self.scopes.get(&scope) else { return };
        let tips: Vec<Tip> = scoped.told().take(self.limits.tips).collect();
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

    fn on_tips(&mut self, scope: Scope, part: u32, last: bool, tips: Vec<Tip>) -> Result<(), Busy> {
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
        let event = self.ask(Asked::Compare { scope, theirs }, Question::Compare { scope, theirs: own });
        self.events.push_back(event);
        Ok(())
    }

    /// The peer's whole vector is known, and how our own chains lie to it: now something may be sent.
    fn on_compared(&mut self, scope: Scope, theirs: Tips, answer: Answer, now: Timestamp) {
        let pause = self.limits.again_us;
        let Some(scoped) = self.scopes.get_mut(&scope) else { return };
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
        scoped.sending.learn(theirs);
        scoped.sending.wake(&scoped.mine);
        self.holds.insert(scope);
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

    fn on_data(&mut self, scope: Scope, batch: u64, frames: Vec<Bytes>) -> Result<(), Busy> {
        if !self.scopes.contains_key(&scope) {
            self.out.push_back(Message::Nack { scope, batch, stored: 0, reason: Reason::NotShared });
            return Ok(());
        }
        let bytes = frames.iter().map(Bytes::len).sum::<usize>();
        // The last message that the window admits may go beyond it by its own size.
        let most = self.limits.window_bytes + self.limits.batch_bytes + Limits::FRAME_BYTES;
        if self.storing_bytes + bytes > most {
            return Err(Busy::Flood);
        }
        self.storing_bytes += bytes;
        let event = self.ask(Asked::Store { scope, batch, bytes }, Question::Store { scope, frames });
        self.events.push_back(event);
        Ok(())
    }

    fn on_stored(&mut self, scope: Scope, batch: u64, answer: Answer) {
        let (stored, refused, fork) = match answer {
            Answer::Stored { stored, refused, fork } => (stored, refused, fork),
            Answer::Failed(reason) => (Vec::new(), Some(reason), None),
            Answer::Admitted(_) | Answer::Read { .. } | Answer::Compared(_) => {
                (Vec::new(), Some(Reason::Unavailable), None)
            }
        };
        let Some(scoped) = self.scopes.get_mut(&scope) else { return };
        let before = stored.len();
        for &tip in &stored {
            Arc::make_mut(&mut scoped.mine).advance(tip);
            // The peer sent it, so the peer has it.
            scoped.sending.holds(tip);
        }
        if before > 0 && scoped.sending.known {
            self.holds.insert(scope);
        }
        let (mine, acked) = (&scoped.mine, &scoped.sending.acked);
        let alike: Vec<_> =
            scoped.differing.iter().filter(|(l, d)| mine.get(*l, *d) == acked.get(*l, *d)).copied().collect();
        for chain in alike {
            // We have caught up with what the peer holds of our own chain.
            scoped.differing.remove(&chain);
            scoped.sending.rewind();
            self.to_offer.insert(scope);
        }
        match refused {
            None => self.out.push_back(Message::Ack { scope, batch }),
            Some(reason) => {
                let stored = u32::try_from(before).unwrap_or(u32::MAX);
                self.out.push_back(Message::Nack { scope, batch, stored, reason });
                if reason != Reason::Gap {
                    self.report(Report::Rejected { scope, reason });
                }
            }
        }
        if let Some((tip, other)) = fork {
            self.block(scope, tip.lane, tip.device);
            self.report(Report::Fork { scope, tip, other });
            self.out.push_back(Message::Fork { scope, tip, other });
        }
    }

    fn on_ack(&mut self, scope: Scope, number: u64) {
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
    }

    fn on_nack(&mut self, scope: Scope, number: u64, stored: u32, reason: Reason, now: Timestamp) {
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

    fn on_fork(&mut self, scope: Scope, theirs: Tip, ours: CommitId) {
        let Some(scoped) = self.scopes.get(&scope) else { return };
        // Their `other` is our commit, if they are right: a claim about a chain we do not hold at
        // that number proves nothing.
        if scoped.mine.seq(theirs.lane, theirs.device) < theirs.seq || theirs.commit == ours {
            return;
        }
        self.block(scope, theirs.lane, theirs.device);
        self.report(Report::Fork { scope, tip: Tip { commit: ours, ..theirs }, other: theirs.commit });
    }

    fn block(&mut self, scope: Scope, lane: Lane, device: DeviceId) {
        if let Some(scoped) = self.scopes.get_mut(&scope)
            && scoped.sending.blocked.len() < self.limits.tips
        {
            scoped.sending.blocked.insert((lane, device));
        }
    }

    /// Forgets what is on its way and asks the peer where it stands.
    fn start_over(&mut self, scope: Scope) {
        let Some(scoped) = self.scopes.get_mut(&scope) else { return };
        let sending = &mut scoped.sending;
        self.sent_bytes -= sending.inflight.drain(..).map(|batch| batch.bytes).sum::<usize>();
        sending.known = false;
        if sending.paused_until.is_none() && scoped.active {
            self.out.push_back(Message::AskTips(scope));
        }
    }

    fn tier(scope: Scope, control: bool) -> Tier {
        match (scope, control) {
            (Scope::Account(_), _) => Tier::Account,
            (Scope::Space(_), true) => Tier::SpaceControl,
            (Scope::Space(_), false) => Tier::SpaceData,
        }
    }

    /// Asks the store for the next rows to send, lower tiers first, scopes of a tier in turn.
    fn next_read(&mut self, now: Timestamp) -> Option<Event> {
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

    fn next_due(&self, now: Timestamp) -> Option<(Scope, Tier)> {
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

    fn on_read(&mut self, asked: (Scope, Tier, u64), answer: Answer, now: Timestamp) {
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
}
