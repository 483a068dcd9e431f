//! Ports that a test names before somebody listens there.

use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that systems give to connections and to who listens at port 0 (Linux: from 32768 on), so that none of
/// these is taken between the choice of one and its use.
const FIRST: u16 = 25_000;
const COUNT: u16 = 7_000;

/// Two runs of tests at once begin at different ones.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let seed = std::collections::hash_map::RandomState::new();
    let any = std::hash::BuildHasher::hash_one(&seed, std::process::id());
    AtomicU16::new(u16::try_from(any % u64::from(COUNT)).unwrap_or_default())
});

/// A port of loopback where nothing listens, which no other test of this process is told.
///
/// # Panics
/// If all are taken.
pub fn free_port() -> u16 {
    (0..COUNT)
        .map(|_| FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
