use std::pin::pin;

use futures::FutureExt;
use sea_orm::Database;

use super::*;

#[tokio::test]
async fn so_many_lists_at_a_time_and_no_more() {
    let engine =
        Embedded::open(Database::connect("sqlite::memory:").await.unwrap(), Arc::new(crate::wall_clock)).await.unwrap();
    let lookup = LookupResources {
        kind: "document".to_owned(),
        permission: "view".to_owned(),
        subject: policy_core::Subject::object("user", UserId::from_bytes([1; 16])),
        context: Context::new(),
    };
    let all = engine.inner.lookups.available_permits();
    assert!(all >= 1);
    let taken = Arc::clone(&engine.inner.lookups).acquire_many_owned(u32::try_from(all).unwrap()).await.unwrap();
    let mut asked = pin!(engine.lookup_resources(&lookup, Timestamp(0)));
    for _ in 0..100 {
        assert!(asked.as_mut().now_or_never().is_none(), "it waits for its turn");
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    }
    drop(taken);
    assert!(asked.await.unwrap().found.is_empty());
    assert_eq!(engine.inner.lookups.available_permits(), all, "and gives its place back");
}
