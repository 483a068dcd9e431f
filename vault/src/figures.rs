//! What a vault is doing, in numbers: of all callers together, and of nobody.

use crate::shares::Use;

/// A vault at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Whether it takes writes.
    pub writing: bool,
    /// Requests that wait for the writer.
    pub writes_waiting: usize,
    /// Places for reads that are done within a moment.
    pub short_reads: Use,
    /// Places for all other reads.
    pub long_reads: Use,
    /// Bytes of answers that are being made, or not sent yet.
    pub answers: Use,
    /// Views that are open.
    pub views: usize,
    /// What open views take on disk, in bytes.
    pub view_bytes: u64,
    /// What the log takes on disk, in bytes.
    pub log_bytes: u64,
}
