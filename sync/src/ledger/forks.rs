//! Chains that have two histories: nothing mends them, so they are told until a person has seen them.

use policy_core::{DeviceId, PeerKey, Timestamp};
use sync_core::{CommitId, Lane, Scope, Tip};

/// A device's chain in a lane of a scope.
pub(crate) type Chain = (Scope, Lane, DeviceId);

/// Two commits of one device with one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forked {
    /// The one that is held here.
    pub(crate) tip: Tip,
    pub(crate) other: CommitId,
    /// Who has the other one.
    pub(crate) peer: PeerKey,
    pub(crate) at: Timestamp,
    /// A person knows of it.
    pub(crate) seen: bool,
}
