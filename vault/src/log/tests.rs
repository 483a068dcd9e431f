//! What every database under the log must do.

use policy_core::{DeviceId, SpaceId, UserId};
use vault_core::commit::cid_of;
use vault_core::tags::LaneTag;

use super::*;
use crate::admission::Admission;
use crate::backend::Backend;

async fn open(backend: &Backend) -> Log {
    Log::open(backend.open().await).await.unwrap()
}

/// Appends rows that are nobody's frames, in a turn of their own.
async fn append(log: &Log, rows: Vec<NewRow>) -> Result<Vec<u64>, DbErr> {
    let start = Admission::unread(log.clone()).turn().await;
    start.run(move |turn| Box::pin(turn.append(rows))).await.unwrap()
}

fn row(scope: Scope, lane: u8, device: u8, first: u64, last: u64) -> NewRow {
    NewRow {
        scope,
        lane: LaneTag([lane; 16]),
        device: DeviceId::from_bytes([device; 16]),
        first,
        last,
        tip: cid_of(&[lane, device, last as u8]),
        body: vec![lane, device, last as u8, 0, 255],
    }
}

#[tokio::test]
async fn rows_keep_their_order_and_chains_their_ends_over_a_restart() {
    for backend in Backend::all().await {
        let (a, b) = (Scope::Space(SpaceId::from_bytes([1; 16])), Scope::Account(UserId::from_bytes([1; 16])));
        let log = open(&backend).await;
        let rows = vec![row(a, 0, 1, 1, 3), row(b, 0, 1, 1, 2), row(a, 7, 1, 1, 9), row(a, 0, 1, 4, 4)];
        let positions = append(&log, rows).await.unwrap();
        assert_eq!(positions, [1, 1, 2, 3]);
        assert_eq!(append(&log, vec![row(a, 7, 2, 1, 1)]).await.unwrap(), [4]);
        drop(log);
        let log = open(&backend).await;
        assert_eq!((log.position(a), log.position(b)), (4, 1));
        assert_eq!(log.scopes(), [b, a]);
        let device = DeviceId::from_bytes([1; 16]);
        assert_eq!(log.chain(a, LaneTag([0; 16]), device), Some((4, cid_of(&[0, 1, 4]))));
        assert_eq!(log.chain(a, LaneTag([7; 16]), device), Some((9, cid_of(&[7, 1, 9]))));
        assert_eq!(log.chain(b, LaneTag([7; 16]), device), None);
        let rows = log.rows(a, false, 1, 2).await.unwrap();
        assert_eq!(
            rows.iter().map(|row| (row.position, row.first, row.last)).collect::<Vec<_>>(),
            [(2, 1, 9), (3, 4, 4)]
        );
        assert_eq!(rows[0].body, [7, 1, 9, 0, 255]);
        let control = log.rows(a, true, 0, 100).await.unwrap();
        assert_eq!(control.iter().map(|row| row.position).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(append(&log, vec![row(b, 0, 1, 3, 3)]).await.unwrap(), [2], "positions go on");
    }
}

#[tokio::test]
async fn many_rows_and_large_bodies_are_one_transaction() {
    for backend in Backend::all().await {
        let scope = Scope::Space(SpaceId::from_bytes([2; 16]));
        let log = open(&backend).await;
        let mut rows: Vec<_> = (0..1_000).map(|n| row(scope, (n % 200) as u8 + 1, 1, n + 1, n + 1)).collect();
        rows[999].body = vec![0xAB; 3 << 20];
        assert_eq!(append(&log, rows).await.unwrap().len(), 1_000);
        let last = log.rows(scope, false, 999, 10).await.unwrap();
        assert_eq!((last.len(), last[0].body.len()), (1, 3 << 20));
        assert_eq!(log.chains(scope).len(), 200);
    }
}

#[tokio::test]
async fn an_append_that_is_broken_off_ends_the_writing_until_the_log_is_opened_again() {
    let scope = Scope::Space(SpaceId::from_bytes([3; 16]));
    let backend = &Backend::all().await[0];
    let log = open(backend).await;
    append(&log, vec![row(scope, 0, 1, 1, 1)]).await.unwrap();
    let admission = Admission::unread(log.clone());
    let broken = admission.turn().await.run(move |turn| {
        Box::pin(async move {
            turn.append(vec![row(scope, 0, 1, 2, 2)]).await.unwrap();
            panic!("between the disk and what is known of it");
        })
    });
    assert_eq!(broken.await, Err::<(), _>(crate::turn::CutOff));
    assert!(log.has_stopped());
    assert!(append(&log, vec![row(scope, 0, 1, 3, 3)]).await.is_err());
    let log = open(backend).await;
    assert!(!log.has_stopped());
    assert_eq!(append(&log, vec![row(scope, 0, 1, 3, 3)]).await.unwrap(), [3], "control");
}
