//! One side of a conversation with one authenticated peer.

mod comparing;
mod incoming;
mod outgoing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use policy_core::Timestamp;

use crate::limits::Limits;
use crate::message::{Message, Offer, Version};
use crate::question::{Answer, Event, Question, Report, Shared, Ticket};
use crate::scoped::Scoped;
use crate::sending::{Sending, Tier};
use crate::tips::{Scope, Tips};

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
    Compare { scope: Scope, nth: u64, theirs: Tips },
    Read { scope: Scope, tier: Tier, generation: u64 },
    Store { scope: Scope, batch: u64, bytes: usize },
}

/// The state machine.
#[derive(Debug)]
pub struct Session {
    limits: Limits,
    version: Version,
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
    /// The peer has offered all that it shares.
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
    /// A session that begins now, on a stream of this version.
    pub fn new(limits: Limits, version: Version, now: Timestamp) -> Self {
        Session {
            limits,
            version,
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
            offered: None,
            theirs: None,
            all_known: false,
            all_said: false,
            active: false,
            sending,
            collecting: None,
            vectors: 0,
            learned: 0,
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
            Message::Offers { offers, last } => self.on_offers(offers, last),
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
            (Asked::Compare { scope, nth, theirs }, answer) => {
                self.collecting_tips -= theirs.len();
                self.on_compared((scope, nth), theirs, answer, now);
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
                if let Some(scoped) = self.scopes.get_mut(&scope) {
                    let all_sent = self.version >= Version::Two && scoped.all_sent();
                    let digest = scoped.digest();
                    (scoped.offered, scoped.all_said) = (Some(digest), all_sent);
                    offers.push(Offer { scope, owner: scoped.owner, digest, all_sent });
                }
            }
            if !offers.is_empty() {
                return Some(Message::Offers { offers, last: self.to_offer.is_empty() });
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

    /// Whether the peer has offered all that it shares, every such scope is decided on, and both sides
    /// hold the same of each: all that the peer held when it last offered it, and all that this side holds.
    pub fn is_settled(&self) -> bool {
        self.greeted
            && self.asked.is_empty()
            && self.scopes.values().all(|scoped| !scoped.active || scoped.is_settled())
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
}
