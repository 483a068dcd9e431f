//! Every bound of the protocol, in one place.

/// Bounds that both sides keep. A test fills each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Scopes shared in one session.
    pub scopes: usize,
    /// Entries of one tips vector.
    pub tips: usize,
    /// Messages that wait to be sent, beyond which nothing more is taken from the peer.
    pub queued_messages: usize,
    /// Questions that wait for the store, beyond which nothing more is taken from the peer.
    pub queued_events: usize,
    /// Bytes of frames sent and not yet acknowledged. A peer that sends more is cut off.
    pub window_bytes: usize,
    /// Bytes of frames in one read from the store, and so in one message, plus one frame.
    pub batch_bytes: usize,
    /// Microseconds after which an unacknowledged batch is sent again.
    pub resend_us: i64,
    /// Microseconds between two offers: anti-entropy, and a sign of life.
    pub announce_us: i64,
    /// Microseconds after which our own store, which gave no answer, is asked again.
    pub again_us: i64,
    /// Microseconds of silence after which the peer counts as gone.
    pub silence_us: i64,
}

impl Limits {
    /// Bytes of one frame: a transaction of 16 MiB and what seals and signs it.
    pub const FRAME_BYTES: usize = 17 << 20;
    /// Bytes of one encoded message.
    pub const MESSAGE_BYTES: usize = 34 << 20;
    /// Offers, or tips, in one message: it stays below 64 KiB.
    pub const ENTRIES: usize = 512;
    /// Frames in one message.
    pub const FRAMES: usize = 16_384;
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            scopes: 8_192,
            tips: 65_536,
            queued_messages: 1_024,
            queued_events: 256,
            window_bytes: 32 << 20,
            batch_bytes: 4 << 20,
            resend_us: 60_000_000,
            announce_us: 20_000_000,
            again_us: 2_000_000,
            silence_us: 65_000_000,
        }
    }
}
