//! What is on its way to the keeper's disk, into whichever place. Each place has a quota; the disk is everybody's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The keeper's disk keeps so much for itself, whatever places may take.
const KEPT_FREE: u64 = 1 << 30;

/// How many bytes are under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnderWay(Arc<AtomicU64>);

/// So many of them, until this is let go.
#[derive(Debug)]
pub(crate) struct Coming {
    all: UnderWay,
    bytes: u64,
}

impl UnderWay {
    /// Counts so many more; `None`: `free` is not enough for everything that is under way.
    ///
    /// # Errors
    /// As `free`.
    pub(crate) fn add<E>(&self, bytes: u64, free: impl FnOnce() -> Result<u64, E>) -> Result<Option<Coming>, E> {
        // First counted, then looked at: of two that come at once one at least sees the other.
        let all = self.0.fetch_add(bytes, Ordering::SeqCst).saturating_add(bytes);
        let coming = Coming { all: self.clone(), bytes };
        Ok((free()? >= KEPT_FREE.saturating_add(all)).then_some(coming))
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_at_once_counts_together() {
        let (all, free) = (UnderWay::default(), || Ok::<_, std::io::Error>(KEPT_FREE + 100));
        let first = all.add(60, free).unwrap().unwrap();
        assert!(all.add(60, free).unwrap().is_none());
        let second = all.add(40, free).unwrap().unwrap();
        assert!(all.add(1, free).unwrap().is_none());
        drop((first, second));
        assert!(all.add(100, free).unwrap().is_some(), "control: what is over does not count");
    }
}
