//! A node that nobody owns yet becomes the one that a backup was taken of, while it runs.
//!
//! The backup is made a directory of its own, `DIR/restoring`, beside the files of the fresh node. Once it is whole and was
//! compared it is called `DIR/restored`: from then on it is what counts. Nobody works on the fresh files any more, they
//! are removed, it is called `DIR/moving`, and its files are moved up, the node key last. Whatever is killed, the next
//! start finds which of the three there is, and goes on from there ([`finish`]).

use std::path::Path;

use parking_lot::Mutex;
use policy_core::{SpaceId, UserId};
use serde::Serialize;
use sync::pairing::Code;
use tokio::sync::Notify;
use utoipa::ToSchema;
use vault::data_dir::{DataDir, DataFile};
use zeroize::Zeroizing;

use crate::directory::SecretHash;
use crate::failure::Failure;
use crate::places::{PlaceAccess, PlaceName};

/// Where a backup is made a directory of.
pub const UNFINISHED: &str = "restoring";
/// Where a backup is made a directory of for a test.
pub const VERIFYING: &str = "verifying";
const RESTORED: &str = "restored";
const MOVING: &str = "moving";

/// What is to be restored.
pub struct Wanted {
    pub from: PlaceName,
    pub access: PlaceAccess,
    /// Its id, or the beginning of it; else the newest.
    pub backup: Option<String>,
    pub words: Zeroizing<String>,
}

/// What is to take the place of the node.
pub enum Taking {
    /// What a backup was taken of.
    Backup(Box<Wanted>),
    /// A device of the account whose device made this code.
    Device(Code),
}

/// How far a restore is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestoreState {
    /// Nobody asked for one.
    #[default]
    Idle,
    /// The place is opened, and the backup is looked for.
    Opening,
    /// Its files are fetched.
    Fetching,
    /// What it shows is compared with what the node showed.
    Comparing,
    /// The node goes on as the restored one: it answers nothing for some seconds.
    Starting,
    /// It is the restored node.
    Done,
    /// It did not come to that; nothing was changed.
    Failed,
}

/// What was compared after a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Compared {
    pub spaces: usize,
    /// Of so many the digest was noted with the backup, and is the same.
    pub equal: usize,
    pub documents: u64,
}

/// What sleeps after a restore, until the owner confirms it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sleeping {
    /// What apps were allowed.
    pub grants: u64,
    pub links: u64,
    /// What is shared with others.
    pub shares: u64,
}

/// What a restore made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Restored {
    /// The id of the backup.
    pub backup: String,
    /// When it was taken: what came after is not in it.
    #[schema(examples("2026-11-02T03:00:00Z"))]
    pub restored_as_of: String,
    pub node: String,
    /// The id of the owner.
    pub user: Option<String>,
    pub verified: Compared,
    pub asleep: bool,
    pub sleeping: Sleeping,
}

/// Why a restore failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RestoreProblem {
    #[schema(examples("backup_place_locked"))]
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
}

/// How a restore stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RestoreStanding {
    pub state: RestoreState,
    /// Files of the backup that were fetched, of how many.
    pub files_done: u64,
    pub files: u64,
    /// Once it is there.
    pub restored: Option<Restored>,
    /// Of the last try.
    pub problem: Option<RestoreProblem>,
}

/// How far the joining is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JoinState {
    /// Nobody asked for it.
    #[default]
    Idle,
    /// The other device is asked.
    Asking,
    /// The node goes on as the device: it answers nothing for some seconds.
    Starting,
    /// It is the device.
    Done,
    /// It did not come to that; nothing was changed.
    Failed,
}

/// What the node became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Joined {
    /// The id of the device.
    pub device: String,
    /// The id of the account.
    pub user: String,
    /// Ids of the spaces that come to it.
    pub spaces: Vec<String>,
}

impl Joined {
    pub fn new(device: impl ToString, user: UserId, spaces: &[SpaceId]) -> Joined {
        let spaces = spaces.iter().map(ToString::to_string).collect();
        Joined { device: device.to_string(), user: user.to_string(), spaces }
    }
}

/// How the joining stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct JoinStanding {
    pub state: JoinState,
    /// Once it is there.
    pub joined: Option<Joined>,
    /// Of the last try.
    pub problem: Option<RestoreProblem>,
}

impl JoinStanding {
    pub fn is_under_way(&self) -> bool {
        matches!(self.state, JoinState::Asking | JoinState::Starting)
    }
}

#[derive(Default)]
struct Inner {
    standing: RestoreStanding,
    joining: JoinStanding,
    wanted: Option<Taking>,
    /// Of the link by which it was asked for: it tells how it stands as long as the node runs.
    by: Option<SecretHash>,
}

/// The restore of a node, if somebody asked for one.
#[derive(Default)]
pub struct Restoring {
    inner: Mutex<Inner>,
    asked: Notify,
}

/// What outlives the fresh node.
pub struct Outcome {
    standing: RestoreStanding,
    joining: JoinStanding,
    by: Option<SecretHash>,
}

impl Restoring {
    /// Goes on with what the fresh node knew, whose place the restored one has taken.
    pub fn take_up(&self, outcome: Outcome) {
        let Outcome { mut standing, mut joining, by } = outcome;
        match joining.joined {
            Some(_) => joining.state = JoinState::Done,
            None => standing.state = RestoreState::Done,
        }
        *self.inner.lock() = Inner { standing, joining, wanted: None, by };
    }

    /// Asks for one; whether none was under way.
    pub fn ask(&self, wanted: Taking, by: Option<SecretHash>) -> bool {
        let mut inner = self.inner.lock();
        if inner.is_under_way() {
            return false;
        }
        let (mut standing, mut joining) = (RestoreStanding::default(), JoinStanding::default());
        match &wanted {
            Taking::Backup(_) => standing.state = RestoreState::Opening,
            Taking::Device(_) => joining.state = JoinState::Asking,
        }
        *inner = Inner { standing, joining, wanted: Some(wanted), by };
        self.asked.notify_one();
        true
    }

    /// Waits until somebody asks.
    pub async fn wanted(&self) -> Taking {
        loop {
            if let Some(wanted) = self.inner.lock().wanted.take() {
                return wanted;
            }
            self.asked.notified().await;
        }
    }

    /// Whether one is under way: nobody may set the node up meanwhile.
    pub fn is_under_way(&self) -> bool {
        self.inner.lock().is_under_way()
    }

    /// Whether it was asked for by whoever has this secret.
    pub fn is_by(&self, text: &str) -> bool {
        self.inner.lock().by.as_ref().is_some_and(|by| SecretHash::of(text).matches(by))
    }

    pub fn standing(&self) -> RestoreStanding {
        self.inner.lock().standing.clone()
    }

    /// How a joining stands.
    pub fn joining(&self) -> JoinStanding {
        self.inner.lock().joining.clone()
    }

    /// So many files of so many are there.
    pub fn fetched(&self, done: u64, files: u64) {
        let mut inner = self.inner.lock();
        let state = if done == files { RestoreState::Comparing } else { RestoreState::Fetching };
        (inner.standing.state, inner.standing.files_done, inner.standing.files) = (state, done, files);
    }

    pub fn failed(&self, failure: &Failure) {
        let mut inner = self.inner.lock();
        let Failure { code, hint, .. } = failure.clone();
        let problem = Some(RestoreProblem { code, message: failure.sentence(), hint });
        if inner.joining.is_under_way() {
            inner.joining = JoinStanding { state: JoinState::Failed, joined: None, problem };
        } else {
            (inner.standing.state, inner.standing.problem) = (RestoreState::Failed, problem);
        }
    }

    /// The device is made.
    pub fn joined(&self, joined: Joined) {
        self.inner.lock().joining = JoinStanding { state: JoinState::Starting, joined: Some(joined), problem: None };
    }

    /// It is whole.
    pub fn done(&self, restored: Restored) {
        let mut inner = self.inner.lock();
        inner.standing.state = RestoreState::Starting;
        inner.standing.restored = Some(restored);
    }

    pub fn outcome(&self) -> Outcome {
        let inner = self.inner.lock();
        Outcome { standing: inner.standing.clone(), joining: inner.joining.clone(), by: inner.by }
    }
}

impl Inner {
    fn is_under_way(&self) -> bool {
        self.standing.is_under_way() || self.joining.is_under_way()
    }
}

impl RestoreStanding {
    pub fn is_under_way(&self) -> bool {
        !matches!(self.state, RestoreState::Idle | RestoreState::Done | RestoreState::Failed)
    }
}

/// The names of the databases' files, and of what SQLite keeps beside them: those first.
pub fn databases() -> impl Iterator<Item = String> {
    let names = |file: DataFile| ["-wal", "-shm", ""].map(|suffix| format!("{}{suffix}", file.name()));
    [DataFile::NodeDatabase, DataFile::Log].into_iter().flat_map(names)
}

/// What was made in [`UNFINISHED`] is what counts from now on, whatever is killed.
///
/// # Errors
/// If that cannot be noted: then it does not.
pub fn commit(dir: &DataDir) -> std::io::Result<()> {
    commit_made(dir, &dir.path().join(UNFINISHED))
}

/// The same of what was made there, within the directory.
///
/// # Errors
/// As there.
pub fn commit_made(dir: &DataDir, made: &Path) -> std::io::Result<()> {
    sync(made)?;
    std::fs::rename(made, dir.path().join(RESTORED))?;
    sync(dir.path())
}

/// Removes what a restore that was broken off has left, and goes on with one that counts. Nobody works on the directory;
/// the caller holds its lock.
///
/// # Errors
/// If a file cannot be removed or moved: the next start tries again.
pub fn finish(dir: &DataDir) -> std::io::Result<()> {
    let (restored, moving) = (dir.path().join(RESTORED), dir.path().join(MOVING));
    // A second copy of everything, of a test that was broken off.
    remove_all(&dir.path().join(VERIFYING))?;
    // Of a directory without a key `allod restore` removes it, with what it has moved up.
    if dir.has(DataFile::NodeKey) {
        remove_all(&dir.path().join(UNFINISHED))?;
    }
    if is_dir(&restored) || is_dir(&moving) {
        // What was open is what it takes the place of.
        dir.mark_closed()?;
    }
    if is_dir(&restored) {
        remove_all(&dir.views())?;
        for name in databases().chain([DataFile::NodeKey.name().to_owned()]) {
            absent(std::fs::remove_file(dir.path().join(name)))?;
        }
        sync(dir.path())?;
        std::fs::rename(&restored, &moving)?;
        sync(dir.path())?;
    }
    if is_dir(&moving) {
        // Settings that whoever made this node gave it count on.
        if !dir.path().join("allod.toml").exists() {
            absent(std::fs::rename(moving.join("allod.toml"), dir.path().join("allod.toml")))?;
        }
        // Devices trust the authority that the node had.
        move_files(&moving.join("certs"), &dir.certs())?;
        move_up(&moving, dir)?;
    }
    Ok(())
}

/// Moves what makes a node up from a directory within its own, the node key last, and removes that.
///
/// # Errors
/// As [`finish`].
pub fn move_up(inner: &Path, dir: &DataDir) -> std::io::Result<()> {
    let rename = |name: &str| absent(std::fs::rename(inner.join(name), dir.path().join(name)));
    // `node.lock` stays: it is held, and says what it must at the next start.
    for name in databases() {
        rename(&name)?;
    }
    for name in ["views", "certs", "allod.toml"] {
        if !dir.path().join(name).exists() {
            rename(name)?;
        }
    }
    sync(dir.path())?;
    rename(DataFile::NodeKey.name())?;
    sync(dir.path())?;
    remove_all(inner)
}

/// Moves the files of a directory and of those within into another, if both are there.
fn move_files(from: &Path, to: &Path) -> std::io::Result<()> {
    if !is_dir(from) || !is_dir(to) {
        return Ok(());
    }
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        if is_dir(&entry.path()) && is_dir(&there) {
            move_files(&entry.path(), &there)?;
        } else {
            std::fs::rename(entry.path(), there)?;
        }
    }
    sync(to)
}

/// Whether `allod restore` was broken off in a directory that is no node yet: it is begun again, and nothing else is made
/// there.
pub fn is_broken_off(dir: &DataDir) -> bool {
    !dir.has(DataFile::NodeKey) && is_dir(&dir.path().join(UNFINISHED))
}

fn is_dir(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

fn sync(dir: &Path) -> std::io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

/// What is not there any more is gone.
fn absent(done: std::io::Result<()>) -> std::io::Result<()> {
    match done {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn remove_all(dir: &Path) -> std::io::Result<()> {
    absent(std::fs::remove_dir_all(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, files: &[&str], text: &str) {
        for file in files {
            let path = dir.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    fn read(dir: &Path, file: &str) -> Option<String> {
        std::fs::read_to_string(dir.join(file)).ok()
    }

    const NODE: [&str; 4] = ["node.key", "node.db", "log.db", "views/a.db"];

    /// A fresh node, and a restored one that counts.
    fn committed() -> (tempfile::TempDir, DataDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path());
        write(dir.path(), &NODE, "fresh");
        write(
            dir.path(),
            &["node.db-wal", "allod.toml", "certs/server.crt", "certs/acme/a/x.pem", "node.lock"],
            "fresh",
        );
        let made = dir.path().join(UNFINISHED);
        write(&made, &NODE, "restored");
        write(&made, &["allod.toml", "certs/root.crt", "certs/acme/a/account.json", "log.db-wal"], "restored");
        commit(&dir).unwrap();
        (root, dir)
    }

    fn is_restored(dir: &DataDir) {
        let at = dir.path();
        for file in NODE.into_iter().chain(["certs/root.crt", "certs/acme/a/account.json", "log.db-wal"]) {
            assert_eq!(read(at, file).as_deref(), Some("restored"), "{file}");
        }
        for file in ["allod.toml", "certs/server.crt", "certs/acme/a/x.pem", "node.lock"] {
            assert_eq!(read(at, file).as_deref(), Some("fresh"), "{file}");
        }
        assert_eq!(read(at, "node.db-wal"), None);
        assert!(![UNFINISHED, RESTORED, MOVING].iter().any(|name| at.join(name).exists()));
    }

    #[test]
    fn what_counts_takes_the_place_of_the_fresh_node_and_its_settings_stay() {
        let (_root, dir) = committed();
        finish(&dir).unwrap();
        is_restored(&dir);
        finish(&dir).unwrap();
        is_restored(&dir);
    }

    #[test]
    fn broken_off_anywhere_it_is_gone_on_with() {
        // After each file that can be removed, and after each that can be moved.
        let fresh = ["views", "node.db-wal", "node.db", "log.db", "node.key"];
        for gone in 0..=fresh.len() {
            let (_root, dir) = committed();
            for name in &fresh[..gone] {
                let path = dir.path().join(name);
                let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
            }
            finish(&dir).unwrap();
            is_restored(&dir);
        }
        let moved = ["node.db", "log.db-wal", "log.db", "views", "node.key"];
        for gone in 0..=moved.len() {
            let (_root, dir) = committed();
            for name in fresh {
                let path = dir.path().join(name);
                let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
            }
            let moving = dir.path().join(MOVING);
            std::fs::rename(dir.path().join(RESTORED), &moving).unwrap();
            for name in &moved[..gone] {
                std::fs::rename(moving.join(name), dir.path().join(name)).unwrap();
            }
            finish(&dir).unwrap();
            is_restored(&dir);
        }
    }

    #[test]
    fn what_does_not_count_yet_changes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path());
        write(dir.path(), &NODE, "fresh");
        write(&dir.path().join(UNFINISHED), &["node.db"], "half");
        finish(&dir).unwrap();
        for file in NODE {
            assert_eq!(read(dir.path(), file).as_deref(), Some("fresh"), "{file}");
        }
        assert!(!dir.path().join(UNFINISHED).exists());
    }

    #[test]
    fn a_test_that_was_broken_off_leaves_nothing_and_a_restore_is_told_from_a_fresh_directory() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path());
        assert!(!is_broken_off(&dir), "control");
        write(&dir.path().join(VERIFYING), &NODE, "scratch");
        write(&dir.path().join(UNFINISHED), &["node.db"], "half");
        finish(&dir).unwrap();
        assert!(!dir.path().join(VERIFYING).exists());
        assert!(is_broken_off(&dir));
        write(dir.path(), &["node.key"], "fresh");
        assert!(!is_broken_off(&dir), "the set-up page restores beside a node that is there");
    }

    #[tokio::test]
    async fn one_is_under_way_at_a_time_and_a_failed_one_can_be_tried_again() {
        let backup = || Wanted {
            from: "/mnt".parse().unwrap(),
            access: PlaceAccess::default(),
            backup: None,
            words: Zeroizing::new("words".to_owned()),
        };
        let wanted = || Taking::Backup(Box::new(backup()));
        let restoring = Restoring::default();
        assert!(!restoring.is_under_way() && restoring.ask(wanted(), Some(SecretHash::of("link"))));
        assert!(!restoring.ask(wanted(), None), "one at a time");
        let Taking::Backup(taken) = restoring.wanted().await else { panic!("it was a backup") };
        assert_eq!(taken.words.as_str(), "words");
        restoring.fetched(1, 2);
        assert_eq!(restoring.standing().state, RestoreState::Fetching);
        restoring.failed(&Failure::failed("backup_damaged", "it is"));
        assert!(restoring.is_by("link") && !restoring.is_by("another"));
        assert!(!restoring.is_under_way() && restoring.ask(wanted(), None));
        assert!(restoring.standing().problem.is_none());
        let after = Restoring::default();
        after.take_up(restoring.outcome());
        assert_eq!(after.standing().state, RestoreState::Done);
    }
}
