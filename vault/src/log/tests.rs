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
        body: Body::Whole(vec![lane, device, last as u8, 0, 255]),
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
        rows[999].body = Body::Whole(vec![0xAB; 3 << 20]);
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

/// A row whose body is large, and differs at every byte that a part could begin at.
fn large(scope: Scope, lane: u8, first: u64, len: usize) -> (NewRow, Vec<u8>) {
    let bytes: Vec<u8> = (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    (NewRow { body: Body::Whole(bytes.clone()), ..row(scope, lane, 1, first, first) }, bytes)
}

async fn parts_and_pending(log: &Log) -> (u64, u64) {
    use sea_orm::PaginatorTrait;
    let parts = table::part::Entity::find().count(&log.disk.db).await.unwrap();
    (parts, table::pending::Entity::find().count(&log.disk.db).await.unwrap())
}

#[tokio::test]
async fn a_large_body_that_was_put_ahead_is_read_whole_and_goes_with_its_row() {
    for backend in Backend::all().await {
        let scope = Scope::Space(SpaceId::from_bytes([4; 16]));
        let log = open(&backend).await;
        let (one, bytes) = large(scope, 1, 1, (3 << 20) + 77);
        let mut rows = vec![row(scope, 9, 1, 1, 1), one, row(scope, 9, 1, 2, 2)];
        log.put_ahead(&mut rows).await.unwrap();
        assert_eq!((log.position(scope), parts_and_pending(&log).await), (0, (7, 1)), "nothing is appended yet");
        assert_eq!(append(&log, rows).await.unwrap(), [1, 2, 3]);
        assert_eq!(parts_and_pending(&log).await, (7, 0));
        assert_eq!(log.bytes(scope).await.unwrap(), bytes.len() as u64 + 10);
        drop(log);
        let log = open(&backend).await;
        let rows = log.rows(scope, false, 0, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.body().len()).collect::<Vec<_>>(), [5, bytes.len(), 5]);
        assert!(rows[1].body() == bytes);
        let (device, lane) = (DeviceId::from_bytes([1; 16]), LaneTag([1; 16]));
        assert!(log.chain_rows(scope, lane, device, 0).await.unwrap()[0].body() == bytes);
        assert!(log.row_before_end(scope, lane, device, 0).await.unwrap().unwrap().body() == bytes);
        assert_eq!(log.commit_at(scope, lane, device, 1).await.unwrap(), Some(rows[1].tip()));
        let start = Admission::unread(log.clone()).turn().await;
        let gone = start.run(move |turn| Box::pin(async move { turn.exchange(&[(scope, 2)], &[], Vec::new()).await }));
        gone.await.unwrap().unwrap();
        assert_eq!(parts_and_pending(&log).await, (0, 0), "its parts go with the row");
        assert_eq!(log.rows(scope, false, 0, 10).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn parts_of_rows_that_never_came_are_gone_at_the_next_opening_or_when_they_are_given_back() {
    for backend in Backend::all().await {
        let scope = Scope::Space(SpaceId::from_bytes([5; 16]));
        let log = open(&backend).await;
        append(&log, vec![row(scope, 0, 1, 1, 1)]).await.unwrap();
        let mut back = vec![large(scope, 1, 1, 2 << 20).0];
        log.put_ahead(&mut back).await.unwrap();
        log.take_back(&back).await;
        assert_eq!(parts_and_pending(&log).await, (0, 0));
        let (kept, bytes) = large(scope, 2, 1, 1 << 20);
        let mut kept = vec![kept];
        log.put_ahead(&mut kept).await.unwrap();
        append(&log, kept).await.unwrap();
        // Killed here.
        let mut lost = vec![large(scope, 3, 1, 2 << 20).0];
        log.put_ahead(&mut lost).await.unwrap();
        assert_eq!(parts_and_pending(&log).await, (6, 1));
        drop((log, lost));
        let log = open(&backend).await;
        assert_eq!(parts_and_pending(&log).await, (2, 0));
        let rows = log.rows(scope, false, 0, 10).await.unwrap();
        assert_eq!(rows.len(), 2);
        assert!(rows[1].body() == bytes, "control: what was appended is whole");
    }
}

#[tokio::test]
async fn what_was_written_moves_into_the_file_beside_those_who_write() {
    let dir = tempfile::tempdir().unwrap();
    let scope = Scope::Space(SpaceId::from_bytes([6; 16]));
    let log =
        Log::open(crate::database::open_log(&crate::data_dir::DataDir::at(dir.path())).await.unwrap()).await.unwrap();
    for n in 1..=40 {
        let mut rows = vec![large(scope, 1, n, 2 << 20).0];
        log.put_ahead(&mut rows).await.unwrap();
        append(&log, rows).await.unwrap();
    }
    // However fast they are: the write-ahead log begins anew now and then.
    let size = std::fs::metadata(dir.path().join("log.db-wal")).unwrap().len();
    assert!(size < 64 << 20, "{size} bytes");
    assert_eq!(log.rows(scope, false, 0, 100).await.unwrap().len(), 40, "control");
}
