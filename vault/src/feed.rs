//! News of the log, for sync and for whoever projects control entries. A receiver that falls behind
//! looks at everything again: the log is the truth, the feed only says when to look.

use crate::log::Scope;
use policy_core::SpaceId;

/// How much news waits for a slow receiver.
pub const FEED: usize = 1_024;

/// Something changed, on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// A scope's log has grown.
    Log(Scope),
    /// Definitions, grants or the name of a space have changed.
    Control(SpaceId),
    /// An account has new devices or spaces.
    Sharing,
    /// The end of a chain of this node's own was written again under another device, or its clock was
    /// pulled back: what is known of the log is to be looked up anew.
    Rewritten,
}
