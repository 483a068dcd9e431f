//! The time of this machine.

use std::time::{SystemTime, UNIX_EPOCH};

use policy_core::Timestamp;

/// Now, by the clock of this machine.
pub fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
