//! What every database under the log must do: run on SQLite, and on the PostgreSQL server that
//! `ALLOD_TEST_POSTGRES` names (`make test` starts one).

use std::sync::atomic::{AtomicU32, Ordering};

use policy_core::{DeviceId, SpaceId, UserId};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use vault::log::{Log, NewRow, Scope};
use vault_core::commit::cid_of;
use vault_core::tags::LaneTag;

/// Opens the same database again and again; dropped with the test.
pub enum Backend {
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

impl Backend {
    pub async fn all() -> Vec<Backend> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut all = vec![Backend::Sqlite(tempfile::tempdir().unwrap())];
        match std::env::var("ALLOD_TEST_POSTGRES") {
            Err(_) => eprintln!("note: ALLOD_TEST_POSTGRES is not set; PostgreSQL is not tested"),
            Ok(server) => {
                let name = format!("log_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
                let admin = Database::connect(&server).await.expect("the PostgreSQL server of ALLOD_TEST_POSTGRES");
                admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
                let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
                all.push(Backend::Postgres(format!("{base}/{name}")));
            }
        }
        all
    }

    pub async fn open(&self) -> DatabaseConnection {
        match self {
            Backend::Sqlite(dir) => vault::database::open_log(dir.path()).await.unwrap(),
            Backend::Postgres(url) => Database::connect(url).await.unwrap(),
        }
    }
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
        let log = Log::open(backend.open().await).await.unwrap();
        let positions = log
            .append(vec![row(a, 0, 1, 1, 3), row(b, 0, 1, 1, 2), row(a, 7, 1, 1, 9), row(a, 0, 1, 4, 4)])
            .await
            .unwrap();
        assert_eq!(positions, [1, 1, 2, 3]);
        assert_eq!(log.append(vec![row(a, 7, 2, 1, 1)]).await.unwrap(), [4]);
        drop(log);
        let log = Log::open(backend.open().await).await.unwrap();
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
        assert_eq!(log.append(vec![row(b, 0, 1, 3, 3)]).await.unwrap(), [2], "positions go on");
    }
}

#[tokio::test]
async fn many_rows_and_large_bodies_are_one_transaction() {
    for backend in Backend::all().await {
        let scope = Scope::Space(SpaceId::from_bytes([2; 16]));
        let log = Log::open(backend.open().await).await.unwrap();
        let mut rows: Vec<_> = (0..1_000).map(|n| row(scope, (n % 200) as u8 + 1, 1, n + 1, n + 1)).collect();
        rows[999].body = vec![0xAB; 3 << 20];
        assert_eq!(log.append(rows).await.unwrap().len(), 1_000);
        let last = log.rows(scope, false, 999, 10).await.unwrap();
        assert_eq!((last.len(), last[0].body.len()), (1, 3 << 20));
        assert_eq!(log.chains(scope).len(), 200);
    }
}
