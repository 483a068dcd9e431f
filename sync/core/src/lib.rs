//! The sync protocol as a state machine: no sockets, no clocks, no storage.
//!
//! A [`Session`] is one side of one conversation with one authenticated peer. Its driver feeds it
//! messages, the time and the answers of the store, and carries out what it polls:
//!
//! ```text
//! handle(message, now)      poll_transmit() -> Message      what goes to the peer
//! answer(answer, now)       poll_event()    -> Event        questions to the store, news to keep
//! tick(now)                 poll_timeout()  -> Timestamp    when `tick` is due
//! ```
//!
//! The bytes are written down in `sync/docs/protocol.md`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod limits;
mod message;
mod question;
mod scoped;
mod sending;
mod session;
mod tips;
mod wire;

pub use limits::Limits;
pub use message::{DecodeError, Message, Offer, Reason, Version};
pub use question::{Answer, Event, Item, Question, Report, Shared, Ticket};
pub use session::{Busy, Session};
pub use tips::{CommitId, Compared, Lane, Scope, Tip, Tips};
