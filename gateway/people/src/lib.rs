//! The people of a node: who they are, how they show it, what they let apps and others do, and what is told of it.
//!
//! [`directory`] keeps accounts, credentials, sessions, apps, tokens and audit; [`grants`] reads what apps ask for and
//! makes of it what policy enforces; [`dpop`] reads proofs of a key; [`principal`] says who asks, of a
//! [`realm`]. None of it knows HTTP.
#![forbid(unsafe_code)]

pub mod directory;
pub mod dpop;
pub mod grants;
pub mod language;
mod letters;
pub mod principal;
pub mod realm;
