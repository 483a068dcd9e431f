//! What a row says of its frame, held against the frame.

use cid::Cid;
use policy_core::DeviceId;
use vault_core::frame::{Frame, FrameError};
use vault_core::tags::LaneTag;

use super::Row;

/// What is said of a frame beside it: lane, device, numbers of the first and the last commit, and the last commit.
pub(crate) type Told = (LaneTag, DeviceId, u64, u64, Cid);

/// What is to be said of a frame beside it.
pub(crate) fn told_of(frame: &Frame) -> Told {
    let last = frame.last();
    (frame.lane, frame.txn.device, frame.first().commit.seq, last.commit.seq, last.cid)
}

/// What lies beside a frame says something else than it.
pub(crate) const TOLD_OTHERWISE: FrameError = FrameError::Chain("what lies beside the frame says otherwise");

impl Row {
    pub(crate) fn told(&self) -> Told {
        (self.lane, self.device, self.first, self.last, self.tip)
    }

    /// The frame, if it is what the row says of it: nothing else holds the two together, and a bit that flips beside a frame
    /// breaks no hash.
    ///
    /// # Errors
    /// If the body is no frame, or another than the row says.
    pub fn frame(&self) -> Result<Frame, FrameError> {
        let frame = Frame::decode(&self.body)?;
        if told_of(&frame) == self.told() { Ok(frame) } else { Err(TOLD_OTHERWISE) }
    }
}
