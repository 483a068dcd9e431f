//! What is said of a frame beside it.

use cid::Cid;
use policy_core::DeviceId;
use vault_core::frame::{Frame, FrameError};
use vault_core::tags::LaneTag;

/// What is said of a frame beside it: lane, device, numbers of the first and the last commit, and the last commit.
pub(crate) type Told = (LaneTag, DeviceId, u64, u64, Cid);

/// What is to be said of a frame beside it.
pub(crate) fn told_of(frame: &Frame) -> Told {
    let last = frame.last();
    (frame.lane, frame.txn.device, frame.first().commit.seq, last.commit.seq, last.cid)
}

/// What lies beside a frame says something else than it.
pub(crate) const TOLD_OTHERWISE: FrameError = FrameError::Chain("what lies beside the frame says otherwise");
