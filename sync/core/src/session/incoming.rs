//! What the peer sends: given to the store, and answered once it is on disk.

use std::sync::Arc;

use bytes::Bytes;

use super::{Asked, Busy, Session};
use crate::limits::Limits;
use crate::message::{Message, Reason};
use crate::question::{Answer, Question, Report};
use crate::tips::Scope;

impl Session {
    pub(super) fn on_data(&mut self, scope: Scope, batch: u64, frames: Vec<Bytes>) -> Result<(), Busy> {
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

    pub(super) fn on_stored(&mut self, scope: Scope, batch: u64, answer: Answer) {
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
        self.offer_end(scope);
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
}
