//! Directories that are behind, ahead, and upgrades that fail or are cut short.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use sea_orm_migration::prelude::*;

use super::*;

/// What a later version does to the node database.
struct Later;
/// The same, but it fails half-way.
struct Failing;

#[async_trait::async_trait]
impl MigratorTrait for Later {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Add), Box::new(Fill)]
    }
    fn migration_table_name() -> DynIden {
        "later_migration".into_iden()
    }
}

#[async_trait::async_trait]
impl MigratorTrait for Failing {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Add), Box::new(Break)]
    }
    fn migration_table_name() -> DynIden {
        "later_migration".into_iden()
    }
}

struct Add;
struct Fill;
struct Break;

impl MigrationName for Add {
    fn name(&self) -> &str {
        "later_0001"
    }
}
impl MigrationName for Fill {
    fn name(&self) -> &str {
        "later_0002"
    }
}
impl MigrationName for Break {
    fn name(&self) -> &str {
        "later_0002"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Add {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("CREATE TABLE later(x)").await.map(drop)
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Fill {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DELETE FROM vault_setting").await.map(drop)
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Break {
    fn use_transaction(&self) -> Option<bool> {
        // Alone among all: what it has done before it fails stays done.
        Some(false)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DELETE FROM vault_setting").await?;
        Err(DbErr::Custom("the disk of this test is full".into()))
    }
}

/// What later versions do to the log, well or badly.
struct OfLog<const N: usize>;

const OF_LOG: [&str; 5] = [
    "CREATE TABLE later(x)",
    "UPDATE log_row SET body = x'0102'",
    "UPDATE log_row SET \"first\" = 7",
    "UPDATE log_part SET bytes = x'0102'",
    "ALTER TABLE log_row RENAME COLUMN body TO content",
];

#[async_trait::async_trait]
impl<const N: usize> MigratorTrait for OfLog<N> {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(OfLog::<N>)]
    }
    fn migration_table_name() -> DynIden {
        "later_migration".into_iden()
    }
}

impl<const N: usize> MigrationName for OfLog<N> {
    fn name(&self) -> &str {
        "later_0001"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl<const N: usize> MigrationTrait for OfLog<N> {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(OF_LOG[N]).await.map(drop)
    }
}

async fn of_log<const N: usize>(dir: &DataDir) -> Result<(), UpgradeError> {
    let parts = vec![Part::of::<log::Migrator>(), Part::of::<OfLog<N>>()];
    bring_up(dir, &[Tables { file: DataFile::Log, key: None, parts }], fine).await
}

fn now(key: &NodeKey) -> [Tables; 2] {
    [Tables::of_node(key, Vec::new()), Tables::of_log()]
}

fn later<M: MigratorTrait + 'static>(key: &NodeKey) -> [Tables; 2] {
    [Tables::of_node(key, vec![Part::of::<M>()]), Tables::of_log()]
}

/// A directory as this version makes one.
async fn made() -> (tempfile::TempDir, DataDir, NodeKey) {
    let root = tempfile::tempdir().unwrap();
    let dir = DataDir::at(root.path());
    let key = NodeKey::create(&dir, None).unwrap();
    for tables in now(&key) {
        let db = tables.open(&dir).await.unwrap();
        for part in &tables.parts {
            part.up(&db).await.unwrap();
        }
        if tables.key.is_some() {
            db.execute_unprepared("INSERT INTO vault_setting VALUES ('kept', 'a canary')").await.unwrap();
        }
        db.close().await.unwrap();
    }
    (root, dir, key)
}

async fn ask(dir: &DataDir, key: &NodeKey, sql: &str) -> Option<String> {
    let db = database::open_node(dir, key).await.unwrap();
    let row = db.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await;
    let answer = row.ok().flatten().map(|row| row.try_get_by_index::<String>(0).unwrap());
    db.close().await.unwrap();
    answer
}

const KEPT: &str = "SELECT value FROM vault_setting WHERE name = 'kept'";
const LATER: &str = "SELECT name FROM sqlite_master WHERE name = 'later'";

/// Every file, but for what SQLite keeps for itself beside a database.
fn files(dir: &DataDir) -> BTreeMap<String, Vec<u8>> {
    let all = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap());
    let own = all.filter(|entry| entry.path().is_file());
    let named = own.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()));
    named.filter(|(name, _)| !name.ends_with("-shm") && !name.ends_with("-wal")).collect()
}

/// As an upgrade takes it that is killed then.
fn taken(dir: &DataDir) -> Snapshot {
    let opening = opening_of_the_log(dir).unwrap();
    Snapshot::take(dir, &[DataFile::NodeDatabase, DataFile::Log], &opening).unwrap()
}

/// What a version before does that knows nothing of snapshots: the next opening of the log, and writes.
async fn serves(dir: &DataDir, key: &NodeKey, value: &str) {
    let (log, node) = (database::open_log(dir).await.unwrap(), database::open_node(dir, key).await.unwrap());
    let opened = log::Log::open(log.clone()).await.unwrap();
    let next = log::identity::Identity::next(opened.identity().await.unwrap()).unwrap();
    opened.set_identity(next).await.unwrap();
    drop(opened);
    node.execute_unprepared(&format!("UPDATE vault_setting SET value = '{value}' WHERE name = 'kept'")).await.unwrap();
    log.close().await.unwrap();
    node.close().await.unwrap();
}

async fn fine() -> Result<(), String> {
    Ok(())
}

#[tokio::test]
async fn what_is_lacking_is_done_and_the_snapshot_is_gone_then() {
    let (_root, dir, key) = made().await;
    bring_up(&dir, &now(&key), fine).await.expect("control: nothing is to be done");
    let mut asked = false;
    let verify = async || {
        asked = true;
        assert!(dir.path().join(snapshot::NAME).is_dir(), "until it is verified there is a way back");
        Ok::<_, String>(())
    };
    bring_up(&dir, &later::<Later>(&key), verify).await.unwrap();
    assert!(asked);
    assert_eq!(ask(&dir, &key, LATER).await.as_deref(), Some("later"));
    let left = std::fs::read_dir(dir.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(left, 0, "nothing is left of the snapshot");
    bring_up(&dir, &later::<Later>(&key), async || Err("asked again")).await.expect("once is enough");
}

#[tokio::test]
async fn what_a_newer_version_wrote_is_refused_and_not_touched() {
    let (_root, dir, key) = made().await;
    bring_up(&dir, &later::<Later>(&key), fine).await.unwrap();
    let before = files(&dir);
    let refused = bring_up(&dir, &now(&key), fine).await.unwrap_err();
    assert_eq!(refused.code(), "newer_directory", "a part that is not known");
    assert!(refused.to_string().contains("later_migration"), "{refused}");
    assert_eq!(files(&dir), before);
    // A change of a part that is known.
    let db = database::open_log(&dir).await.unwrap();
    db.execute_unprepared("INSERT INTO log_migration VALUES ('log_9999', 0)").await.unwrap();
    db.close().await.unwrap();
    let before = files(&dir);
    let refused = bring_up(&dir, &later::<Later>(&key), fine).await.unwrap_err();
    assert!(matches!(refused, UpgradeError::Newer { file: "log.db", .. }), "{refused}");
    assert_eq!(files(&dir), before);
}

#[tokio::test]
async fn an_upgrade_that_fails_half_way_or_is_not_verified_is_undone() {
    let (_root, dir, key) = made().await;
    let before = files(&dir);
    let failed = bring_up(&dir, &later::<Failing>(&key), fine).await.unwrap_err();
    assert_eq!(failed.code(), "upgrade_failed");
    assert!(failed.to_string().contains("the disk of this test is full"), "{failed}");
    assert_eq!(files(&dir), before, "byte for byte");
    assert_eq!((ask(&dir, &key, KEPT).await.as_deref(), ask(&dir, &key, LATER).await), (Some("a canary"), None));
    let before = files(&dir);
    let failed = bring_up(&dir, &later::<Later>(&key), async || Err("what is there does not open")).await.unwrap_err();
    assert!(failed.to_string().contains("does not open"), "{failed}");
    assert_eq!(files(&dir), before);
    bring_up(&dir, &later::<Later>(&key), fine).await.expect("control: the same goes well otherwise");
    assert_eq!(ask(&dir, &key, KEPT).await, None, "control: it deletes the canary");
}

#[tokio::test]
async fn an_upgrade_that_alters_what_the_log_holds_or_makes_it_unreadable_is_undone() {
    let (_root, dir, _key) = made().await;
    let db = database::open_log(&dir).await.unwrap();
    let row = "INSERT INTO log_row(scope, position, lane, device, \"first\", \"last\", \"commit\", body) VALUES";
    for values in ["(x'00', 1, x'00', x'00', 1, 1, x'aa', x'01')", "(x'00', 2, x'00', x'00', 2, 2, x'bb', x'')"] {
        db.execute_unprepared(&format!("{row} {values}")).await.unwrap();
    }
    db.execute_unprepared("INSERT INTO log_part(\"commit\", n, bytes) VALUES (x'bb', 0, x'03')").await.unwrap();
    db.close().await.unwrap();
    let before = files(&dir);
    for (what, failed) in [
        ("the body of a row", of_log::<1>(&dir).await),
        ("its first number", of_log::<2>(&dir).await),
        ("a part of a body", of_log::<3>(&dir).await),
        ("what can be read", of_log::<4>(&dir).await),
    ] {
        assert_eq!(failed.expect_err(what).code(), "upgrade_failed", "{what}");
        assert_eq!(files(&dir), before, "{what}: byte for byte");
    }
    of_log::<0>(&dir).await.expect("control: a table more");
    assert_ne!(files(&dir), before);
}

#[tokio::test]
async fn an_upgrade_that_was_killed_is_undone_at_the_next_start_and_done_again() {
    let (_root, dir, key) = made().await;
    let files_now = files(&dir);
    // Killed behind the first change of two.
    let killed = taken(&dir);
    let db = database::open_node(&dir, &key).await.unwrap();
    Later::up(&db, Some(1)).await.unwrap();
    db.execute_unprepared("DELETE FROM vault_setting").await.unwrap();
    db.close().await.unwrap();
    drop(killed);
    assert_ne!(files(&dir), files_now, "control");
    // The version before takes it up again, and so does the later one.
    bring_up(&dir, &now(&key), fine).await.unwrap();
    assert_eq!(files(&dir), files_now);
    assert!(!dir.path().join(snapshot::NAME).exists());
    // Killed while the snapshot was made: it counts for nothing.
    std::fs::create_dir(dir.path().join("before-upgrade.new")).unwrap();
    std::fs::write(dir.path().join("before-upgrade.new/node.db"), b"half").unwrap();
    bring_up(&dir, &later::<Later>(&key), fine).await.unwrap();
    assert_eq!(ask(&dir, &key, LATER).await.as_deref(), Some("later"));
    assert!(!dir.path().join("before-upgrade.new").exists());
}

#[tokio::test]
async fn a_directory_that_is_not_there_yet_is_nobodys_business() {
    let root = tempfile::tempdir().unwrap();
    let dir = DataDir::at(root.path());
    let key = NodeKey::create(&dir, None).unwrap();
    bring_up(&dir, &now(&key), async || Err("asked")).await.unwrap();
    assert!(!dir.file(DataFile::NodeDatabase).exists() && !dir.file(DataFile::Log).exists());
}

#[tokio::test]
async fn a_snapshot_is_not_put_back_over_what_was_served_since() {
    let (_root, dir, key) = made().await;
    serves(&dir, &key, "of the first week").await;
    // Control: killed before the first change, and nobody has served since.
    drop(taken(&dir));
    bring_up(&dir, &now(&key), fine).await.unwrap();
    assert!(!dir.path().join(snapshot::NAME).exists());
    drop(taken(&dir));
    serves(&dir, &key, "of the second week").await;
    let (before, kept) = (files(&dir), dir.path().join(snapshot::NAME));
    for _ in 0..2 {
        let refused = bring_up(&dir, &later::<Later>(&key), fine).await.unwrap_err();
        assert_eq!(refused.code(), "upgrade_overtaken", "{refused}");
        assert_eq!(files(&dir), before, "byte for byte");
        assert!(kept.join("node.db").is_file() && kept.join("log.db").is_file(), "the snapshot is there");
    }
    assert_eq!(ask(&dir, &key, KEPT).await.as_deref(), Some("of the second week"));
    // What the operator is told to do.
    std::fs::rename(&kept, dir.path().join("elsewhere")).unwrap();
    bring_up(&dir, &later::<Later>(&key), fine).await.unwrap();
    assert_eq!(ask(&dir, &key, LATER).await.as_deref(), Some("later"));
}

#[tokio::test]
async fn what_was_half_put_back_is_put_back_at_the_next_start() {
    let (_root, dir, key) = made().await;
    serves(&dir, &key, "of the first week").await;
    let before = files(&dir);
    for half in [&b""[..], &b"SQLite format 3\0 and no more"[..]] {
        let kept = dir.path().join(snapshot::NAME);
        drop(taken(&dir));
        let whole = std::fs::read(dir.file(DataFile::Log)).unwrap();
        std::fs::write(dir.file(DataFile::Log), half).unwrap();
        let refused = bring_up(&dir, &now(&key), fine).await.unwrap_err();
        assert!(matches!(refused, UpgradeError::Overtaken | UpgradeError::Leftover(_)), "not by us: {refused}");
        assert!(kept.is_dir() && std::fs::read(dir.file(DataFile::Log)).unwrap() == half);
        std::fs::write(kept.join("putting-back"), "").unwrap();
        bring_up(&dir, &now(&key), fine).await.unwrap();
        assert!(!kept.exists() && whole == std::fs::read(dir.file(DataFile::Log)).unwrap());
        assert_eq!(files(&dir), before);
    }
    // Whoever could open what was half put back, and has served, is not taken back either.
    drop(taken(&dir));
    std::fs::write(dir.path().join(snapshot::NAME).join("putting-back"), "").unwrap();
    serves(&dir, &key, "of the second week").await;
    let refused = bring_up(&dir, &now(&key), fine).await.unwrap_err();
    assert_eq!(refused.code(), "upgrade_overtaken", "{refused}");
}
