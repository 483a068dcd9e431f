//! What becomes of a backup once it is in its place: what is said of it, and what is left of others.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use vault::backup::{Extras, Followed, prepare};
use vault::data_dir::DataDir;
use vault_backup::{Place, SpaceDigest};

use super::schedule::{is_due, once};
use super::*;
use crate::app::App;
use crate::front::account::Owner;
use crate::places::{PlaceAccess, PlaceName, Target};
use crate::restoring::VERIFYING;

/// A node with an owner and words, and a place beside it.
struct Kept {
    app: App,
    root: tempfile::TempDir,
}

impl Kept {
    async fn new() -> Kept {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("home")).unwrap();
        let app = crate::app::open_or_create(&DataDir::at(root.path().join("home")), None, None).await.unwrap();
        let owner = Owner { user: "alice", tenant: "home", password: "correct horse battery staple" };
        crate::front::account::setup(&app, owner).await.unwrap();
        crate::recovery::create(&app).await.unwrap();
        Kept { app, root }
    }

    fn place(&self) -> PathBuf {
        self.root.path().join("place")
    }

    fn target(&self) -> Target {
        Target { to: PlaceName::Directory(self.place()), key: None }
    }

    async fn list(&self) -> Vec<Value> {
        list(&self.app, &self.target()).await.unwrap().as_array().unwrap().clone()
    }

    /// A backup that says this of what spaces showed.
    async fn with_digests(&self, digests: Vec<SpaceDigest>) {
        let snapshot = self.app.vault.snapshot(&self.app.dir).await.unwrap();
        let node = data_encoding::HEXLOWER.decode(self.app.directory.node().as_bytes()).unwrap().try_into().unwrap();
        let key = crate::recovery::secret(&self.app).await.unwrap().backup_key();
        let place = self.place();
        let made = tokio::task::spawn_blocking(move || {
            let place = Place::open_or_create_directory(&place, key).unwrap();
            let lock = place.lock().unwrap();
            let extras = Extras { node, at: 0, files: Vec::new(), digests, followed: Followed::Everything };
            prepare(&snapshot, &place, extras).unwrap().commit(&place, &lock).unwrap().backup.id()
        });
        noted::follow(&self.app, &self.target().to, vec![made.await.unwrap()]).await.unwrap();
    }

    async fn digests(&self, kind: u64, digest: Option<[u8; 32]>) -> Vec<SpaceDigest> {
        let all = self.app.vault.doctor(false, |_, _| {}).await.unwrap().into_iter();
        all.map(|health| SpaceDigest {
            space: *health.space.as_bytes(),
            documents: health.documents,
            digest: digest.unwrap_or(health.digest),
            kind,
        })
        .collect()
    }
}

fn data(place: &Path) -> usize {
    let parts = std::fs::read_dir(place.join("data")).into_iter().flatten().flatten();
    parts.flat_map(|part| std::fs::read_dir(part.path()).unwrap()).count()
}

#[tokio::test]
async fn a_backup_of_which_nothing_can_be_compared_is_not_called_tested() {
    let kept = Kept::new().await;
    for digests in [Vec::new(), kept.digests(vault::DIGEST_KIND + 1, Some([7; 32])).await] {
        kept.with_digests(digests).await;
        let told = verify(&kept.app, &kept.target(), None).await.unwrap_err();
        assert_eq!(told.code, "backup_untested", "{told:?}");
        assert_eq!(kept.list().await[0]["verified"], Value::Null);
    }
    kept.with_digests(kept.digests(vault::DIGEST_KIND, Some([7; 32])).await).await;
    assert_eq!(verify(&kept.app, &kept.target(), None).await.unwrap_err().code, "backup_differs");
    // What is wanted of a backup in no way makes it one that cannot be tested.
    let wish = Wish { tested: Some(false), go_on: false };
    create(&kept.app, &kept.target(), wish).await.unwrap();
    assert_eq!(kept.app.backups.standing().last.unwrap().tested, None, "control");
    let whole = verify(&kept.app, &kept.target(), None).await.unwrap();
    assert!(whole["verified"]["equal"] == 1 && whole["verified"]["spaces"] == 1, "{whole}");
    assert!(kept.list().await[0]["verified"].is_string());
    assert!(kept.app.backups.standing().last.unwrap().tested.is_some(), "and the node knows it");
    // It does so still when the next one is not tested.
    create(&kept.app, &kept.target(), wish).await.unwrap();
    assert!(kept.app.backups.standing().last.unwrap().tested.is_some());
    assert_eq!(kept.list().await[0]["verified"], Value::Null);
    kept.app.shutdown().await;
}

#[tokio::test]
async fn a_restore_of_what_differs_names_the_newest_that_was_tested_and_goes_on_if_that_is_said() {
    let kept = Kept::new().await;
    let tested = create(&kept.app, &kept.target(), Wish::default()).await.unwrap();
    kept.with_digests(kept.digests(vault::DIGEST_KIND, Some([7; 32])).await).await;
    let words = crate::recovery::secret(&kept.app).await.unwrap().words();
    let (from, access, back) = (kept.target().to, PlaceAccess::default(), DataDir::at(kept.root.path().join("back")));
    let restored = async |chosen| restore(&from, &access, chosen, &words, &back, None, |_, _| {}).await;
    let told = restored(Chosen::default()).await.unwrap_err();
    assert_eq!(told.code, "backup_differs");
    assert!(told.hint.as_deref().unwrap().contains(tested["backup"].as_str().unwrap()), "{told:?}");
    let taken = restored(Chosen { backup: None, unverified: true }).await.unwrap();
    assert_eq!((taken.verified.equal, taken.verified.spaces), (0, 1));
    kept.app.shutdown().await;
}

#[tokio::test]
async fn a_backup_that_could_not_be_tested_was_made_and_is_not_made_again_at_once() {
    let kept = Kept::new().await;
    let schedule = Schedule { to: kept.target().to, every: Duration::from_secs(3_600), keep: None };
    assert!(is_due(&kept.app, &schedule), "control");
    // Nothing can be restored where a file lies.
    let scratch = kept.app.dir.path().join(VERIFYING);
    std::fs::write(&scratch, "in the way").unwrap();
    let told = once(&kept.app, &kept.target(), None).await.unwrap_err();
    assert!(told.message.contains("was made, but"), "{told:?}");
    let standing = kept.app.backups.standing();
    assert_eq!(kept.list().await[0]["backup"], standing.last.unwrap().backup);
    assert_eq!(standing.trouble.as_deref(), Some(told.message.as_str()), "and the operator hears of it");
    assert!(!is_due(&kept.app, &schedule));
    std::fs::remove_file(&scratch).unwrap();
    once(&kept.app, &kept.target(), None).await.expect("control");
    assert_eq!(kept.app.backups.standing().trouble, None);
    assert!(!scratch.exists());
    // What else lies among the backups is said as well, and hinders none.
    std::fs::write(kept.place().join("backups/letter.txt"), "dear").unwrap();
    let told = once(&kept.app, &kept.target(), None).await.unwrap_err();
    assert!(told.code == "backup_damaged" && told.message.contains("was made, but"), "{told:?}");
    assert!(!is_due(&kept.app, &schedule));
    kept.app.shutdown().await;
}

#[tokio::test]
async fn what_a_try_that_was_broken_off_has_left_goes_with_the_next_one_that_is_made() {
    let kept = Kept::new().await;
    once(&kept.app, &kept.target(), None).await.unwrap();
    // As a kill leaves it that came before the manifest.
    for file in std::fs::read_dir(kept.place().join("backups")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    kept.app.vault.accounts().set("of other pages", &"x".repeat(200_000)).await.unwrap();
    let left = data(&kept.place());
    create(&kept.app, &kept.target(), Wish::default()).await.unwrap();
    assert!(data(&kept.place()) > left, "control: something new was written");
    once(&kept.app, &kept.target(), None).await.unwrap();
    assert_eq!(kept.list().await.len(), 2, "without numbers all stay");
    let tidy = prune(&kept.app, &kept.target(), None, false).await.unwrap();
    assert_eq!((&tidy["files"], &tidy["bytes"]), (&Value::from(0), &Value::from(0)), "nothing is left over");
    kept.app.shutdown().await;
}
