//! Backups of a vault: what is sent, what is found lost, and what is put back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use policy_core::{SpaceId, UserId};
use vault::backup::{BackupError, Created, Extras, Followed, prepare, restore};
use vault::data_dir::DataDir;
use vault_backup::{Backup, BackupKey, ObjectKind, Place, RecoverySecret};

use crate::node::Node;

fn key() -> BackupKey {
    RecoverySecret::from_entropy([5; 32]).backup_key()
}

struct Home {
    node: Node,
    user: UserId,
    space: SpaceId,
    root: tempfile::TempDir,
    /// What the gateway remembers in its settings.
    followed: Mutex<BTreeSet<String>>,
}

impl Home {
    async fn new() -> Home {
        let node = Node::new().await;
        let account = node.account().await;
        let root = tempfile::tempdir().unwrap();
        Home { node, user: account.user, space: account.space, root, followed: Mutex::default() }
    }

    fn place(&self) -> Place {
        Place::open_or_create_directory(&self.root.path().join("place"), key()).unwrap()
    }

    async fn add(&self, texts: &[&str]) {
        self.node.add(self.user, self.space, texts).await.unwrap();
    }

    async fn backup(&self) -> Result<Created, BackupError> {
        let followed = self.followed.lock().unwrap().clone();
        self.backup_after(Followed::These(followed)).await
    }

    async fn backup_after(&self, followed: Followed) -> Result<Created, BackupError> {
        let snapshot = self.node.vault.snapshot(&DataDir::at(self.node.dir.path())).await?;
        let place = self.place();
        let made = tokio::task::spawn_blocking(move || -> Result<_, BackupError> {
            let lock = place.lock()?;
            let extras = Extras { node: [1; 16], at: 0, files: Vec::new(), digests: Vec::new(), followed };
            let prepared = prepare(&snapshot, &place, extras)?;
            let followed = prepared.followed();
            Ok((prepared.commit(&place, &lock)?, followed))
        });
        let (made, followed): (Created, Vec<String>) = made.await.unwrap()?;
        self.followed.lock().unwrap().extend(followed);
        Ok(made)
    }

    /// Puts a backup into a directory of its own, and opens that as a node.
    async fn put_back(&self, backup: &Backup) -> Home {
        let mut node = Node::new().await;
        node.vault.shutdown().await.unwrap();
        node.dir = tempfile::tempdir().unwrap();
        restore(self.place(), backup.manifest.clone(), &DataDir::at(node.dir.path()), None, |_, _| {}).await.unwrap();
        node.reopen().await;
        let root = tempfile::tempdir().unwrap();
        let followed = Mutex::new(BTreeSet::from([backup.id()]));
        Home { node, user: self.user, space: self.space, root, followed }
    }

    async fn digest(&self) -> [u8; 32] {
        let found = self.node.vault.doctor(false, |_, _| {}).await.unwrap();
        found.into_iter().find(|health| health.space == self.space).unwrap().digest
    }

    async fn texts(&self) -> String {
        self.node.texts(self.user, self.space).await
    }
}

fn data(place: &Place) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for part in std::fs::read_dir(Path::new(&place.name()).join("data")).unwrap() {
        files.extend(std::fs::read_dir(part.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.sort();
    files
}

#[tokio::test]
async fn a_backup_holds_everything_the_next_what_is_new_and_what_is_put_back_is_the_same_on_a_new_device() {
    let home = Home::new().await;
    home.add(&["one", "two"]).await;
    home.add(&["three"]).await;
    let first = home.backup().await.unwrap();
    assert_eq!(first.bytes, first.new_bytes);
    home.add(&["four"]).await;
    let digest = home.digest().await;
    let second = home.backup().await.unwrap();
    assert!(second.backup.manifest.segments.len() == 2 && second.mended == 0);
    assert_eq!(second.backup.manifest.segments[0], first.backup.manifest.segments[0], "nothing is sent twice");
    let (listed, bad) = home.place().backups().unwrap();
    assert!(bad.is_empty());
    assert_eq!(listed.iter().map(Backup::id).collect::<Vec<_>>(), [second.backup.id(), first.backup.id()]);

    let device = home.node.vault.own_devices(home.user);
    let back = home.put_back(&second.backup).await;
    assert_eq!((back.digest().await, back.texts().await), (digest, home.texts().await));
    let now = back.node.vault.own_devices(home.user);
    assert!(now.len() == device.len() + 1 && now[0] != device[0], "a new device writes from now on");
    // The same place goes on, and little is sent.
    let at = back.root.path().join("place");
    std::os::unix::fs::symlink(home.place().name(), &at).unwrap();
    back.add(&["five"]).await;
    let third = back.backup().await.unwrap();
    assert_eq!(third.backup.manifest.segments[..2], second.backup.manifest.segments);
    assert!(third.new_bytes < first.new_bytes, "{} of {}", third.new_bytes, first.new_bytes);
    // The original goes on too: it would write over what it does not know.
    home.add(&["elsewhere"]).await;
    assert!(matches!(home.backup().await, Err(BackupError::Newer(_) | BackupError::Diverged)));
    let older = home.put_back(&first.backup).await;
    assert!(!older.texts().await.contains("four") && older.texts().await.contains("three"));
    std::os::unix::fs::symlink(home.place().name(), older.root.path().join("place")).unwrap();
    assert!(matches!(older.backup().await, Err(BackupError::Newer(_) | BackupError::Diverged)));
    assert_eq!(home.place().backups().unwrap().0.len(), 3, "what was refused has left nothing");
}

#[tokio::test]
async fn what_the_place_has_lost_is_found_by_the_next_backup_and_sent_again() {
    let home = Home::new().await;
    home.add(&["one"]).await;
    let first = home.backup().await.unwrap();
    let place = home.place();
    for harm in [
        (|path| std::fs::remove_file(path).unwrap()) as fn(&Path),
        |path| std::fs::write(path, "short").unwrap(),
        |path| {
            let mut bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes).unwrap();
        },
    ] {
        data(&place).iter().for_each(|path| harm(path));
        let dir = tempfile::tempdir().unwrap();
        let broken =
            restore(place.clone(), first.backup.manifest.clone(), &DataDir::at(dir.path()), None, |_, _| {}).await;
        assert!(matches!(broken, Err(BackupError::Place(_))), "the restore tells");
        let next = home.backup().await.unwrap();
        assert!(next.mended >= 1);
        assert!(place.get(ObjectKind::Segment, first.backup.manifest.segments[0].name).is_ok(), "under its old name");
        assert_eq!(home.put_back(&next.backup).await.texts().await, home.texts().await);
    }
}

#[tokio::test]
async fn a_first_backup_that_was_broken_off_goes_on_with_what_it_left() {
    let home = Home::new().await;
    home.add(&["one", "two"]).await;
    let first = home.backup().await.unwrap();
    let place = home.place();
    // As if it had ended before its manifest was there.
    let broken_off = || {
        for file in std::fs::read_dir(Path::new(&place.name()).join("backups")).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        assert!(place.backups().unwrap().0.is_empty());
    };
    broken_off();
    let next = home.backup().await.unwrap();
    assert_eq!(next.backup.manifest.segments, first.backup.manifest.segments);
    let of_segments: u64 = first.backup.manifest.segments.iter().map(|stored| stored.bytes).sum();
    assert!(next.new_bytes + of_segments <= first.new_bytes, "{} of {}", next.new_bytes, first.new_bytes);
    assert_eq!(home.put_back(&next.backup).await.texts().await, home.texts().await);
    // What it left and cannot be read is written anew.
    for path in data(&place) {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    broken_off();
    let anew = home.backup().await.unwrap();
    assert!(anew.new_bytes >= of_segments);
    assert!(place.get(ObjectKind::Segment, anew.backup.manifest.segments[0].name).is_ok());
}

#[tokio::test]
async fn what_is_written_meanwhile_is_of_the_next_backup() {
    let home = Home::new().await;
    home.add(&["before"]).await;
    let snapshot = home.node.vault.snapshot(&DataDir::at(home.node.dir.path())).await.unwrap();
    home.add(&["meanwhile"]).await;
    let place = home.place();
    let followed = Followed::Everything;
    let extras = Extras { node: [1; 16], at: 0, files: Vec::new(), digests: Vec::new(), followed };
    let made = tokio::task::spawn_blocking(move || {
        let lock = place.lock().unwrap();
        prepare(&snapshot, &place, extras).unwrap().commit(&place, &lock)
    });
    let made = made.await.unwrap().unwrap();
    home.followed.lock().unwrap().insert(made.backup.id());
    let back = home.put_back(&made.backup).await.texts().await;
    assert!(back.contains("before") && !back.contains("meanwhile"));
    let next = home.backup().await.unwrap();
    assert_eq!(home.put_back(&next.backup).await.texts().await, home.texts().await);
}

/// A bit of a file in the middle.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn nothing_is_added_where_the_newest_backup_may_be_one_that_does_not_read() {
    let home = Home::new().await;
    home.add(&["one"]).await;
    let first = home.backup().await.unwrap();
    let copy = home.put_back(&first.backup).await;
    std::os::unix::fs::symlink(home.place().name(), copy.root.path().join("place")).unwrap();
    home.add(&["two"]).await;
    let second = home.backup().await.unwrap();
    let manifest = |made: &Created| Path::new(&home.place().name()).join("backups").join(made.backup.name.to_string());
    flip(&manifest(&second));
    // As far as the copy can read, the newest is the one that it was made of.
    let count = || std::fs::read_dir(Path::new(&home.place().name()).join("backups")).unwrap().count();
    assert!(matches!(copy.backup().await, Err(BackupError::Untold(_))));
    assert_eq!(count(), 2, "nothing was added");
    // Whoever made it knows that they come after it, and says that it does not read.
    let third = home.backup().await.unwrap();
    assert_eq!(third.unreadable.iter().map(|bad| bad.name).collect::<Vec<_>>(), [Some(second.backup.name)]);
    assert_eq!(home.put_back(&third.backup).await.texts().await, home.texts().await);
    flip(&manifest(&second));
    assert_eq!(home.place().backups().unwrap().0[0].name, third.backup.name, "also once that reads again");
    assert!(home.backup().await.unwrap().unreadable.is_empty(), "control");
}

#[tokio::test]
async fn a_place_that_is_ahead_in_nothing_but_the_node_database_takes_nothing_unless_that_is_said() {
    let home = Home::new().await;
    home.add(&["one"]).await;
    let first = home.backup().await.unwrap();
    let copy = home.put_back(&first.backup).await;
    std::os::unix::fs::symlink(home.place().name(), copy.root.path().join("place")).unwrap();
    // The log is where it was: people, shares and policy may have changed.
    let second = home.backup().await.unwrap();
    assert_eq!(second.backup.manifest.position(), first.backup.manifest.position());
    assert!(matches!(copy.backup().await, Err(BackupError::Unfollowed(id)) if id == second.backup.id()));
    assert_eq!(home.place().backups().unwrap().0[0].name, second.backup.name, "nothing was added");
    home.backup().await.expect("control: the directory that made it goes on");
    let said = copy.backup_after(Followed::Everything).await.unwrap();
    assert_eq!(home.place().backups().unwrap().0[0].name, said.backup.name);
    copy.backup().await.expect("said once");
    assert!(home.backup().await.is_err(), "the other one is behind now");
}

#[tokio::test]
async fn a_large_write_that_lies_in_parts_is_put_back_whole() {
    let home = Home::new().await;
    let large = "x".repeat(900_000);
    home.add(&[&large, "small", &large]).await;
    let digest = home.digest().await;
    let made = home.backup().await.unwrap();
    let back = home.put_back(&made.backup).await;
    assert_eq!((back.digest().await, back.texts().await), (digest, home.texts().await));
}
