//! Sign-in by passkeys: Web Authentication Level 3, as a relying party.
//!
//! A passkey is for a name: that of the node's pages. It is kept where it was made (discoverable), so nobody types who
//! they are, and its device checks the person (user verification), so it counts for both factors.

mod ceremonies;
mod party;

pub use ceremonies::{Ceremonies, Purpose};
pub use party::RelyingParty;
