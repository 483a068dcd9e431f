//! What lies on the disk is held against what it says of itself.

use std::path::Path;

use policy_core::{SpaceId, UserId};
use rusqlite::Connection;
use rusqlite::types::Value::{self, Blob, Integer};
use vault::admission::AdmissionError;
use vault::data_dir::{DataDir, DataFile};
use vault::database::look_at_frames;
use vault::log::Scope;
use vault::replica::ReplicaLog;
use vault::witness::Loss;
use vault::{SpaceError, VaultError};
use vault_core::frame::Frame;
use vault_core::tags::LaneTag;

use crate::node::Node;

/// A stopped node whose log has two rows of one chain of documents, and more.
struct Stopped {
    node: Node,
    user: UserId,
    space: SpaceId,
}

impl Stopped {
    async fn new() -> Stopped {
        let node = Node::new().await;
        let account = node.account().await;
        let (user, space) = (account.user, account.space);
        node.add(user, space, &["one"]).await.unwrap();
        node.add(user, space, &["two"]).await.unwrap();
        node.vault.shutdown().await.unwrap();
        Stopped { node, user, space }
    }

    fn log(&self) -> Connection {
        Connection::open(self.node.dir.path().join("log.db")).unwrap()
    }

    /// The positions of the rows of documents, in order.
    fn documents(&self) -> Vec<i64> {
        let log = self.log();
        let mut rows = log
            .prepare("SELECT position FROM log_row WHERE scope = ?1 AND lane <> zeroblob(16) ORDER BY position")
            .unwrap();
        rows.query_map([&self.scope()[..]], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn scope(&self) -> Vec<u8> {
        [&[1][..], self.space.as_bytes()].concat()
    }

    /// Sets a column of a row of the space, and says what it was.
    fn set(&self, position: i64, column: &str, to: Value) -> Value {
        let (log, scope) = (self.log(), self.scope());
        let was = log
            .query_row(
                &format!(r#"SELECT "{column}" FROM log_row WHERE scope = ?1 AND position = ?2"#),
                (&scope, position),
                |row| row.get(0),
            )
            .unwrap();
        let done = log
            .execute(
                &format!(r#"UPDATE log_row SET "{column}" = ?3 WHERE scope = ?1 AND position = ?2"#),
                (&scope, position, to),
            )
            .unwrap();
        assert_eq!(done, 1);
        was
    }

    fn get(&self, position: i64, column: &str) -> Value {
        let sql = format!(r#"SELECT "{column}" FROM log_row WHERE scope = ?1 AND position = ?2"#);
        self.log().query_row(&sql, (&self.scope(), position), |row| row.get(0)).unwrap()
    }

    async fn faults(&self) -> Vec<String> {
        self.node.vault.look_at_log().await.unwrap().faults
    }
}

/// One bit of it is another.
fn flipped(value: Value, at: usize) -> Value {
    match value {
        Integer(number) => Integer(number ^ 1),
        Blob(mut bytes) => {
            bytes[at] ^= 4;
            Blob(bytes)
        }
        other => panic!("no such column: {other:?}"),
    }
}

#[tokio::test]
async fn a_row_that_ends_a_chain_of_ours_and_is_not_what_it_says_stops_the_opening() {
    let mut all = Stopped::new().await;
    let last = *all.documents().last().unwrap();
    for column in ["first", "last", "commit", "device", "lane"] {
        let was = all.set(last, column, flipped(all.get(last, column), 3));
        // Of a commit the marks say so already.
        let refused = match all.node.try_reopen(false).await {
            Err(VaultError::Space(SpaceError::Frame { position, .. })) => position == last as u64,
            Err(VaultError::Loss(Loss::LogForeign)) => column == "commit",
            other => panic!("{column}: {:?}", other.err()),
        };
        assert!(refused, "{column}");
        all.set(last, column, was);
    }
    all.node.reopen().await;
    assert_eq!(all.faults().await, Vec::<String>::new(), "control");
    all.node.add(all.user, all.space, &["three"]).await.unwrap();
    assert_eq!(all.faults().await, Vec::<String>::new(), "control");
}

#[tokio::test]
async fn the_doctor_finds_any_row_that_is_not_what_it_says() {
    let mut all = Stopped::new().await;
    let earlier = all.documents()[0];
    for column in ["first", "last", "commit"] {
        let was = all.set(earlier, column, flipped(all.get(earlier, column), 3));
        all.node.reopen().await;
        let faults = all.faults().await;
        assert!(
            faults.iter().any(|fault| fault.starts_with(&format!("at position {earlier}: "))),
            "{column}: {faults:?}"
        );
        all.node.vault.shutdown().await.unwrap();
        all.set(earlier, column, was);
    }
    let control: i64 = all
        .log()
        .query_row(
            "SELECT position FROM log_row WHERE scope = ?1 AND lane = zeroblob(16) ORDER BY position LIMIT 1",
            [&all.scope()],
            |row| row.get(0),
        )
        .unwrap();
    for column in ["first", "last", "commit"] {
        let was = all.set(control, column, flipped(all.get(control, column), 3));
        let refused = all.node.try_reopen(false).await.err();
        let damaged = matches!(&refused, Some(VaultError::Admission(AdmissionError::Damaged { position, .. })) if *position == control as u64);
        assert!(damaged, "{column} of a control lane: {refused:?}");
        all.set(control, column, was);
    }
    all.node.reopen().await;
    assert_eq!(all.faults().await, Vec::<String>::new(), "control");
}

/// Flips a bit of the signature in a row.
fn of_another_hand(all: &Stopped, position: i64) {
    let Blob(body) = all.get(position, "body") else { panic!("a body") };
    let signature = Frame::decode(&body).unwrap().txn.signature;
    let at = body.windows(signature.len()).position(|bytes| bytes == signature).expect("its signature");
    all.set(position, "body", flipped(Blob(body), at + 7));
}

#[tokio::test]
async fn the_doctor_of_a_node_and_of_a_replica_look_at_every_signature() {
    let mut all = Stopped::new().await;
    let earlier = all.documents()[0];
    let body = all.get(earlier, "body");
    of_another_hand(&all, earlier);
    let named = |faults: &[String]| {
        assert_eq!(faults, [format!("at position {earlier}: the signature does not verify")]);
    };
    all.node.reopen().await;
    named(&all.faults().await);
    all.node.vault.shutdown().await.unwrap();
    // What holds no keys sees it too.
    let replica = async || {
        let log = vault::database::open_log(&DataDir::at(all.node.dir.path())).await.unwrap();
        let log = ReplicaLog::open(vault::log::Log::open(log).await.unwrap()).await.unwrap();
        let faults = log.look_at_log().await.unwrap().faults;
        log.close().await.unwrap();
        faults
    };
    named(&replica().await);
    all.set(earlier, "body", body);
    assert_eq!(replica().await, Vec::<String>::new(), "control");
    all.node.reopen().await;
    assert_eq!(all.faults().await, Vec::<String>::new(), "control");
}

#[tokio::test]
async fn whoever_goes_on_without_what_an_older_log_lacks_does_so_as_another_device() {
    let mut all = Stopped::new().await;
    let path = all.node.dir.path().join("log.db");
    let older = std::fs::read(&path).unwrap();
    all.node.reopen().await;
    let device = all.node.vault.device(all.user).unwrap();
    all.node.add(all.user, all.space, &["lost"]).await.unwrap();
    let chains = all.node.vault.admission().tips(Scope::Space(all.space));
    all.node.vault.shutdown().await.unwrap();
    // In place: it is the same file, and does not look like a copy.
    std::fs::write(&path, older).unwrap();
    let refused = all.node.try_reopen(false).await.err();
    assert!(matches!(refused, Some(VaultError::Loss(Loss::LogRolledBack(_)))), "{refused:?}");
    all.node.try_reopen(true).await.unwrap();
    let next = all.node.vault.device(all.user).unwrap();
    assert_ne!(next, device);
    all.node.add(all.user, all.space, &["new"]).await.unwrap();
    let now = all.node.vault.admission().tips(Scope::Space(all.space));
    for (chain, (seq, _)) in now.iter().filter(|((lane, of), _)| *of == device && *lane != LaneTag::CONTROL) {
        assert!(chains.get(chain).is_some_and(|(had, _)| seq < had), "a number was used again");
    }
    all.node.vault.shutdown().await.unwrap();
    all.node.reopen().await;
    assert_eq!(all.node.vault.device(all.user), Some(next), "control: once");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { std::fs::copy(&path, &target).map(|_| ()).unwrap() }
    }
}

#[tokio::test]
async fn frames_that_are_gone_are_missed_by_the_directory_itself() {
    let mut all = Stopped::new().await;
    all.node.reopen().await;
    all.node.add(all.user, all.space, &["three"]).await.unwrap();
    let root = tempfile::tempdir().unwrap();
    // As a node that is killed leaves it.
    let killed = root.path().join("killed");
    copy(all.node.dir.path(), &killed);
    assert_eq!(look_at_frames(&DataDir::at(&killed)), Ok(()), "control");
    for (gone, file) in [
        (&["log.db-wal"][..], DataFile::Log),
        (&["node.db-wal"], DataFile::NodeDatabase),
        (&["node.db-wal", "log.db-wal"], DataFile::NodeDatabase),
    ] {
        let dir = root.path().join(gone.join(" "));
        copy(&killed, &dir);
        gone.iter().for_each(|name| std::fs::remove_file(dir.join(name)).unwrap());
        assert_eq!(look_at_frames(&DataDir::at(&dir)), Err(Loss::FramesMissing { file }), "{gone:?}");
    }
    // What is missing altogether is another thing.
    for name in ["log.db", "log.db-wal"] {
        std::fs::remove_file(killed.join(name)).unwrap();
    }
    assert_eq!(look_at_frames(&DataDir::at(&killed)), Ok(()));
    all.node.vault.shutdown().await.unwrap();
    let stopped = root.path().join("stopped");
    copy(all.node.dir.path(), &stopped);
    let _ = std::fs::remove_file(stopped.join("log.db-wal"));
    let _ = std::fs::remove_file(stopped.join("node.db-wal"));
    assert_eq!(look_at_frames(&DataDir::at(&stopped)), Ok(()), "control: after a stop nothing lies beside them");
}
