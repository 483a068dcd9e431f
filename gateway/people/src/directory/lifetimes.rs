//! How long sessions last.

use policy_core::Timestamp;

/// How long a session that began with a sign-in lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Unused, in seconds.
    pub idle: u32,
    /// However much it is used, in seconds.
    pub absolute: u32,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Lifetimes { idle: 86_400, absolute: 7 * 86_400 }
    }
}

impl Lifetimes {
    /// [`Lifetimes::idle`] in microseconds.
    pub fn idle_us(self) -> i64 {
        i64::from(self.idle) * 1_000_000
    }

    /// [`Lifetimes::absolute`] in microseconds.
    pub fn absolute_us(self) -> i64 {
        i64::from(self.absolute) * 1_000_000
    }

    /// When a session that was used last at `used` ends if it may lie unused for `idle` microseconds, and no longer than
    /// now is said.
    pub fn unused(self, used: Timestamp, idle: i64) -> Timestamp {
        Timestamp(used.0.saturating_add(idle.min(self.idle_us())))
    }

    /// When a session that began at `begun` ends however much it is used.
    pub fn over(self, begun: Timestamp) -> Timestamp {
        Timestamp(begun.0.saturating_add(self.absolute_us()))
    }
}
