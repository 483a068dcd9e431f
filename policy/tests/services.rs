//! Every relationship service does the same; and what is particular about the one in memory.

mod service;
#[path = "support/spicedb.rs"]
mod spicedb;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use policy::{Memory, RelationshipService};
use policy_core::{Permissionship, Timestamp};

use service::{Store, of_page, tuple};

/// The first second of 2026.
const NOW: i64 = 1_767_225_600_000_000;

#[tokio::test]
async fn memory_does_what_every_service_does() {
    for (name, case) in service::every() {
        println!("{name}");
        let memory = Memory::new(Arc::new(|| Timestamp(NOW)));
        case(&Store { service: &memory, base: "", complete: true }).await;
    }
}

#[tokio::test]
async fn spicedb_does_what_every_service_does() {
    let complete = std::env::var_os("ALLOD_SPICEDB").is_some();
    for (name, case) in service::every() {
        let Some(store) = spicedb::Store::new() else { return };
        println!("{name}");
        case(&Store { service: &store.client(), base: "", complete }).await;
    }
}

#[tokio::test]
async fn time_is_what_its_clock_says() {
    let clock = Arc::new(AtomicI64::new(NOW));
    let hand = Arc::clone(&clock);
    let memory = Memory::new(Arc::new(move || Timestamp(hand.load(Ordering::SeqCst))));
    let store = Store { service: &memory, base: "", complete: true };
    let until = tuple("page:1#viewer@person:ann[expiration:2026-01-01T00:00:10Z]");
    store.with(&[&until.to_text()]).await;
    assert_eq!(store.ask("page:1#view@person:ann").await, Permissionship::Yes);
    clock.fetch_add(9_999_999, Ordering::SeqCst);
    assert_eq!(store.ask("page:1#view@person:ann").await, Permissionship::Yes);
    clock.fetch_add(1, Ordering::SeqCst);
    assert_eq!(store.ask("page:1#view@person:ann").await, Permissionship::No);
    assert!(store.read(&of_page("1")).await.is_empty());
}

#[tokio::test]
async fn clones_are_one_store_and_others_are_others() {
    let clock = || Timestamp(NOW);
    let (one, other) = (Memory::new(Arc::new(clock)), Memory::new(Arc::new(clock)));
    Store { service: &one, base: "", complete: true }.with_schema().await;
    assert!(one.clone().read_schema().await.is_ok());
    assert!(other.read_schema().await.is_err());
}
