//! The databases that tests of the vault's tables run on: SQLite, and the PostgreSQL server that `ALLOD_TEST_POSTGRES`
//! names (`make test` starts one).

use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};

use crate::data_dir::DataDir;

/// Opens the same database again and again; dropped with the test.
pub(crate) enum Backend {
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

impl Backend {
    pub(crate) async fn all() -> Vec<Backend> {
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

    pub(crate) async fn open(&self) -> DatabaseConnection {
        match self {
            Backend::Sqlite(dir) => crate::database::open_log(&DataDir::at(dir.path())).await.unwrap(),
            Backend::Postgres(url) => Database::connect(url).await.unwrap(),
        }
    }
}
