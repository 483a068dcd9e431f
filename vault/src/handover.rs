//! Rows of the log leave towards a peer by this alone, and only by a right that is shown anew for each batch: the
//! gate's permit where a node holds keys, enrolment where it holds none.

use policy_core::{Caller, DeviceId, PeerKey, Permits, Replicate, UserId};
use vault_core::tags::LaneTag;

use crate::admission::Admission;

/// That a peer is a device of an account, by what the account's lane says at the moment.
///
/// Who has one can tell whose device the peer is,
/// ```
/// fn whose(enrolled: &vault::handover::Enrolled) -> policy_core::UserId {
///     enrolled.user()
/// }
/// ```
/// and nobody can put one together:
/// ```compile_fail,E0451
/// fn another(enrolled: vault::handover::Enrolled, user: policy_core::UserId) -> vault::handover::Enrolled {
///     vault::handover::Enrolled { user, ..enrolled }
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Enrolled {
    user: UserId,
    device: DeviceId,
    peer: PeerKey,
}

impl Enrolled {
    pub fn user(&self) -> UserId {
        self.user
    }

    /// What the gate is asked about: the person, at this device.
    pub fn caller(&self) -> Caller {
        Caller { user: self.user, app: None, device: Some(self.device) }
    }
}

/// By what right rows are handed to a peer.
///
/// A permit to replicate is one,
/// ```
/// use policy_core::{Permits, Replicate};
/// use vault::handover::Pass;
/// fn pass(permits: &Permits<Replicate>) -> Pass<'_> {
///     Pass::Space(permits)
/// }
/// ```
/// and one to read is none:
/// ```compile_fail,E0308
/// use policy_core::{Permits, Read};
/// use vault::handover::Pass;
/// fn pass(permits: &Permits<Read>) -> Pass<'_> {
///     Pass::Space(permits)
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Pass<'a> {
    /// The space that the permit names, to the peer that it names.
    Space(&'a Permits<Replicate>),
    /// The lane of an account, to a device of it. Policy has no say here: keys and devices are what its own questions
    /// rest on.
    Account(&'a Enrolled),
    /// The lane of an account, to a replica that stores the space of this permit: it verifies that by the lane.
    AccountOf(&'a Permits<Replicate>),
}

/// Which rows are wanted.
pub struct Wanted<'a> {
    /// Those of the control lane, or of all others.
    pub control: bool,
    /// Behind this position.
    pub after: u64,
    /// What of each chain is not wanted.
    pub have: &'a (dyn Fn(LaneTag, DeviceId) -> u64 + Sync),
    /// The most, in bytes; one row, if that is larger.
    pub max_bytes: usize,
}

impl Admission {
    /// Whether a peer is a device of an account that is in use.
    pub fn enrolled(&self, user: UserId, peer: PeerKey) -> Option<Enrolled> {
        let account = self.account(user)?;
        let device = account.devices().find(|device| device.transport == peer)?.id;
        Some(Enrolled { user, device, peer })
    }

    /// Whether what was proven is so still.
    pub(crate) fn is_enrolled(&self, enrolled: &Enrolled) -> bool {
        self.enrolled(enrolled.user, enrolled.peer).is_some()
    }
}
