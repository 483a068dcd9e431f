//! What one peer is owed of one scope, and what is on its way.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use policy_core::{DeviceId, Timestamp};

use crate::message::Reason;
use crate::tips::{Lane, Tip, Tips};

/// Which frames travel before which. Everything of a lower tier is on the peer's disk before
/// anything of a higher one is read: data is verified against control lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    Account,
    SpaceControl,
    SpaceData,
}

impl Tier {
    pub(crate) const ALL: [Tier; 3] = [Tier::Account, Tier::SpaceControl, Tier::SpaceData];
}

/// How far the log was read for this peer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor {
    /// The position of the last row read.
    pub(crate) after: u64,
    /// Whether rows may lie behind it.
    pub(crate) more: bool,
}

/// A data message on its way.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) number: u64,
    pub(crate) tier: Tier,
    pub(crate) bytes: usize,
    /// The end of each frame, in order.
    pub(crate) tips: Vec<Tip>,
    pub(crate) at: Timestamp,
}

/// The sending half of a scope.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// What the peer holds on disk, as it told; meaningful once `known`.
    pub(crate) acked: Arc<Tips>,
    /// Whether the peer's tips are known in this session. Nothing is sent before.
    pub(crate) known: bool,
    /// `acked` and what is on its way.
    pub(crate) sent: Arc<Tips>,
    pub(crate) control: Cursor,
    pub(crate) data: Cursor,
    pub(crate) inflight: VecDeque<Batch>,
    /// Chains that are not sent in this session: forked, or refused as invalid.
    pub(crate) blocked: BTreeSet<(Lane, DeviceId)>,
    /// Chains whose clock is ahead of the peer's, and when they are tried again.
    pub(crate) ahead: BTreeSet<(Lane, DeviceId)>,
    pub(crate) ahead_until: Option<Timestamp>,
    /// Refusals since the peer last acknowledged something.
    pub(crate) setbacks: u32,
    /// Moved by every step back: a row read before it was read from the old place.
    pub(crate) generation: u64,
    /// Nothing is sent until then.
    pub(crate) paused_until: Option<Timestamp>,
}

impl Sending {
    pub(crate) fn cursor(&mut self, tier: Tier) -> &mut Cursor {
        match tier {
            Tier::Account | Tier::SpaceControl => &mut self.control,
            Tier::SpaceData => &mut self.data,
        }
    }

    /// The peer told its whole vector.
    pub(crate) fn learn(&mut self, theirs: Tips) {
        self.known = true;
        self.acked = Arc::new(theirs);
        self.rewind();
    }

    /// Reads again from the start of the log, leaving out what the peer holds or is being sent.
    pub(crate) fn rewind(&mut self) {
        self.generation += 1;
        let mut sent = Tips::clone(&self.acked);
        for batch in &self.inflight {
            for &tip in &batch.tips {
                sent.advance(tip);
            }
        }
        self.sent = Arc::new(sent);
        self.control = Cursor { after: 0, more: true };
        self.data = Cursor { after: 0, more: true };
    }

    /// Whether something is owed, by a chain that is sent at all, and nothing is under way.
    pub(crate) fn is_stuck(&self, mine: &Tips) -> bool {
        self.inflight.is_empty()
            && !self.control.more
            && !self.data.more
            && mine
                .iter()
                .any(|tip| !self.keeps_back(tip.lane, tip.device) && self.acked.seq(tip.lane, tip.device) < tip.seq)
    }

    /// Whether a chain is not sent now.
    pub(crate) fn keeps_back(&self, lane: Lane, device: DeviceId) -> bool {
        self.blocked.contains(&(lane, device)) || self.ahead.contains(&(lane, device))
    }

    /// The local log has more.
    pub(crate) fn wake(&mut self, mine: &Tips) {
        let more = !mine.within(&self.sent);
        self.control.more |= more;
        self.data.more |= more;
    }

    /// The peer holds `tip` on disk.
    pub(crate) fn holds(&mut self, tip: Tip) {
        Arc::make_mut(&mut self.acked).advance(tip);
        Arc::make_mut(&mut self.sent).advance(tip);
    }

    /// What a refusal means for the frames to come.
    pub(crate) fn refused(&mut self, reason: Reason, at: Option<Tip>, now: Timestamp, pause_us: i64) {
        if let (Reason::Invalid | Reason::Forked, Some(tip)) = (reason, at) {
            // One bad commit does not keep back the chains of others.
            self.blocked.insert((tip.lane, tip.device));
        }
        if let (Reason::Ahead, Some(tip)) = (reason, at) {
            // It waits for its time, and nobody else's chain with it.
            self.ahead.insert((tip.lane, tip.device));
            self.ahead_until.get_or_insert(Timestamp(now.0.saturating_add(pause_us)));
            return;
        }
        self.setbacks += 1;
        let patient = matches!(reason, Reason::Quota | Reason::NotShared | Reason::Unavailable | Reason::Ahead);
        if patient || self.setbacks > 3 {
            self.paused_until = Some(Timestamp(now.0.saturating_add(pause_us)));
        }
    }
}
