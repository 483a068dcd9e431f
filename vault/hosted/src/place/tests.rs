use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::keeper::Keeper;

fn name(text: &str) -> ObjectName {
    text.parse().unwrap()
}

struct Kept {
    root: tempfile::TempDir,
    keeper: Keeper,
    place: Arc<KeptPlace>,
}

fn kept(quota: u64) -> Kept {
    let root = tempfile::tempdir().unwrap();
    let keeper = Keeper::open(root.path().join("places"));
    let secret = keeper.add(&"anna".parse().unwrap(), quota, 1).unwrap();
    let place = keeper.admitted("anna", secret.text()).unwrap();
    take(&place, HOLDER);
    Kept { root, keeper, place }
}

const HOLDER: &str = "00000000000000000000000000000001";
const OTHER: &str = "00000000000000000000000000000002";

fn take(place: &KeptPlace, holder: &str) {
    let asked = |what| LockAsked { what, holder: holder.to_owned(), lease_ms: 100 };
    while !place.lock(&asked(crate::wire::LockDo::Take)).unwrap().holds {
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn begin(place: &Arc<KeptPlace>, text: &str, bytes: u64, only_new: bool) -> Result<Upload, KeepError> {
    place.begin(name(text), bytes, only_new, Some(HOLDER.to_owned()))
}

fn put(place: &Arc<KeptPlace>, text: &str, bytes: &[u8], only_new: bool) -> Result<bool, KeepError> {
    let upload = begin(place, text, bytes.len() as u64, only_new)?;
    upload.create()?.write_all(bytes)?;
    upload.finish()
}

fn read(place: &KeptPlace, text: &str) -> Result<Vec<u8>, KeepError> {
    let (mut file, length) = place.read(&name(text))?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes)?;
    assert_eq!(bytes.len() as u64, length);
    Ok(bytes)
}

#[test]
fn objects_are_whole_counted_before_they_come_and_for_the_keepers_eyes_alone() {
    let Kept { root, place, .. } = kept(40 << 10);
    assert!(!put(&place, "backups/a", &[1; 5_000], false).unwrap());
    assert_eq!(read(&place, "backups/a").unwrap(), [1; 5_000]);
    assert!(matches!(put(&place, "backups/a", b"x", true), Err(KeepError::Exists)));
    assert!(put(&place, "backups/a", &[2; 4_000], false).unwrap(), "it takes the place of the first");
    let standing = place.standing().unwrap();
    assert_eq!((standing.taken, standing.objects), (4_096, 1));
    let mode = place.path(&name("backups/a")).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // What is on its way counts; what was given up does not.
    let upload = begin(&place, "data/00/b", 30 << 10, false).unwrap();
    assert!(matches!(begin(&place, "data/00/c", 8 << 10, false), Err(KeepError::Full { quota: 40_960, .. })));
    upload.create().unwrap().write_all(b"less than was said").unwrap();
    assert!(matches!(upload.finish(), Err(KeepError::Cut)));
    assert!(matches!(read(&place, "data/00/b"), Err(KeepError::Missing)));
    put(&place, "data/00/c", &[3; 8 << 10], false).unwrap();
    assert!(matches!(begin(&place, "data/00/d", MAX_OBJECT_BYTES + 1, false), Err(KeepError::TooLong)));
    // In the place of another an object may come though the place is full.
    put(&place, "data/00/e", &[4; 28 << 10], false).unwrap();
    assert!(matches!(put(&place, "data/00/f", b"x", false), Err(KeepError::Full { .. })));
    assert!(put(&place, "data/00/e", &[5; 28 << 10], false).unwrap());
    place.remove(&name("data/00/e"), Some(HOLDER)).unwrap();
    place.remove(&name("data/00/e"), Some(HOLDER)).unwrap();
    assert_eq!(place.standing().unwrap().taken, 12 << 10);
    assert!(!root.path().join("places/anna/fresh").read_dir().unwrap().any(|_| true), "nothing is left over");

    // The next start counts the same.
    let keeper = Keeper::open(root.path().join("places"));
    assert_eq!(keeper.all()[0].standing().unwrap(), place.standing().unwrap());
}

#[test]
fn a_link_in_the_place_of_an_object_is_not_followed() {
    let Kept { root, place, .. } = kept(1 << 20);
    let secret = root.path().join("secret");
    std::fs::write(&secret, "canary").unwrap();
    put(&place, "backups/a", b"x", false).unwrap();
    std::fs::remove_file(place.path(&name("backups/a"))).unwrap();
    std::os::unix::fs::symlink(&secret, place.path(&name("backups/a"))).unwrap();
    assert!(place.read(&name("backups/a")).is_err());
    assert!(put(&place, "backups/a", b"new", false).unwrap());
    assert_eq!(std::fs::read(secret).unwrap(), b"canary");
    assert_eq!(read(&place, "backups/a").unwrap(), b"new");
}

#[test]
fn lists_come_in_pages_and_in_order() {
    let Kept { root: _root, place, .. } = kept(10 << 20);
    let mut wanted = Vec::new();
    for part in ["00", "7f", "ff"] {
        for n in 0..7 {
            let text = format!("data/{part}/{n}");
            put(&place, &text, b"x", true).unwrap();
            wanted.push(text);
        }
    }
    for page in [1, 3, 7, 20, 100] {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let listed = place.listed("data", &after, page).unwrap();
            all.extend(listed.objects.into_iter().map(|object| object.name));
            match listed.next {
                Some(next) => after = next,
                None => break,
            }
        }
        assert_eq!(all, wanted, "{page}");
    }
    assert_eq!(place.listed("backups", "", 9).unwrap(), Listed { objects: vec![], next: None });
}

#[tokio::test]
async fn requests_are_bounded_in_number_and_in_time() {
    let Kept { root: _root, place, .. } = kept(1 << 20);
    let mut held = Vec::new();
    for _ in 0..AT_ONCE {
        held.push(place.turn().await.unwrap());
    }
    assert!(tokio::time::timeout(Duration::from_millis(20), place.turn()).await.is_err(), "it waits");
    drop(held);
    let mut refused = false;
    for _ in 0..4_000 {
        refused |= matches!(place.turn().await, Err(KeepError::Busy));
    }
    assert!(refused);
}

#[test]
fn what_is_to_be_replaced_and_is_gone_by_then_makes_no_room() {
    let Kept { root: _root, place, .. } = kept(12 << 10);
    put(&place, "backups/a", &[1; 8 << 10], false).unwrap();
    let twice: Vec<Upload> = (0..2).map(|_| begin(&place, "backups/a", 8 << 10, false).unwrap()).collect();
    for upload in &twice {
        upload.create().unwrap().write_all(&[2; 8 << 10]).unwrap();
    }
    place.remove(&name("backups/a"), Some(HOLDER)).unwrap();
    put(&place, "backups/b", &[3; 8 << 10], false).unwrap();
    for upload in twice {
        assert!(matches!(upload.finish(), Err(KeepError::Full { .. })));
    }
    assert_eq!(place.standing().unwrap().taken, 8 << 10);
    put(&place, "backups/c", b"x", false).expect("control: nothing is kept for what did not come");
}

#[tokio::test]
async fn who_had_a_place_that_was_removed_does_nothing_in_the_next_of_its_name() {
    let Kept { root: _root, keeper, place: old } = kept(1 << 20);
    put(&old, "backups/a", b"old", false).unwrap();
    let upload = begin(&old, "backups/a", 3, false).unwrap();
    let mut turns = Vec::new();
    for _ in 0..AT_ONCE {
        turns.push(old.turn().await.unwrap());
    }
    let waiting = tokio::spawn({
        let old = Arc::clone(&old);
        async move { old.turn().await.map(drop) }
    });
    let anna = "anna".parse().unwrap();
    keeper.remove(&anna).unwrap().delete().unwrap();
    let secret = keeper.add(&anna, 1 << 20, 1).unwrap();
    let new = keeper.admitted("anna", secret.text()).unwrap();
    take(&new, HOLDER);
    put(&new, "backups/a", b"new", false).unwrap();
    drop(turns);
    assert!(matches!(waiting.await.unwrap(), Err(KeepError::Gone)));
    upload.create().unwrap().write_all(b"bad").unwrap();
    assert!(matches!(upload.finish(), Err(KeepError::Gone)));
    assert!(matches!(read(&old, "backups/a"), Err(KeepError::Gone)));
    assert!(matches!(old.remove(&name("backups/a"), Some(HOLDER)), Err(KeepError::Gone)));
    assert!(matches!(old.listed("backups", "", 9), Err(KeepError::Gone)));
    assert!(matches!(old.standing(), Err(KeepError::Gone)));
    assert!(matches!(put(&old, "backups/b", b"bad", false), Err(KeepError::Gone)));
    assert_eq!(read(&new, "backups/a").unwrap(), b"new", "control");
    assert_eq!(new.standing().unwrap().objects, 1);
}

#[tokio::test]
async fn lists_are_made_one_at_a_time() {
    let Kept { root: _root, place, .. } = kept(1 << 20);
    put(&place, "backups/a", b"x", false).unwrap();
    let first = place.listing().await;
    assert!(tokio::time::timeout(Duration::from_millis(20), place.listing()).await.is_err(), "it waits");
    assert!(first.read("photos", None).is_err());
    let listed = tokio::task::spawn_blocking({
        let listing = place.listing().await;
        move || listing.read("backups", None)
    });
    assert_eq!(listed.await.unwrap().unwrap().objects.len(), 1);
}

#[test]
fn what_says_which_backups_there_are_is_changed_by_the_holder_of_the_lock_alone() {
    let Kept { root: _root, place, .. } = kept(1 << 20);
    put(&place, "backups/a", b"first", true).unwrap();
    // Two bodies are on their way when the lock lapses and somebody else takes it: one comes whole before, one after.
    let before = begin(&place, "backups/b", 1, true).unwrap();
    let after = begin(&place, "backups/c", 1, true).unwrap();
    for upload in [&before, &after] {
        upload.create().unwrap().write_all(b"x").unwrap();
    }
    before.finish().expect("control: late, and nobody else's");
    take(&place, OTHER);
    assert!(matches!(after.finish(), Err(KeepError::NotHeld)));
    assert!(matches!(put(&place, "backups/a", b"again", false), Err(KeepError::NotHeld)));
    assert!(matches!(put(&place, "tested/a", b"note", false), Err(KeepError::NotHeld)));
    let nobody = place.begin(name("backups/d"), 1, true, None);
    assert!(matches!(nobody, Err(KeepError::NotHeld)), "who is of before names nobody");
    for holder in [Some(HOLDER), Some(""), None] {
        for object in ["backups/a", "data/00/a", "data/00/never"] {
            assert!(matches!(place.remove(&name(object), holder), Err(KeepError::NotHeld)), "{holder:?} {object}");
        }
    }
    assert_eq!(read(&place, "backups/a").unwrap(), b"first");
    assert!(matches!(read(&place, "backups/c"), Err(KeepError::Missing)));
    put(&place, "data/00/a", b"rows", false).expect("what is called by its content may come late");
    // Control: whoever has it changes what it likes.
    place.remove(&name("backups/a"), Some(OTHER)).unwrap();
    let upload = place.begin(name("backups/a"), 1, true, Some(OTHER.to_owned())).unwrap();
    upload.create().unwrap().write_all(b"y").unwrap();
    upload.finish().unwrap();
}
