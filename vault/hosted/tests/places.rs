//! What a place promises, held against another node: a real one, that is killed and started again, too.

#[path = "../../backup/tests/promises/mod.rs"]
mod promises;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use harness::{Allod, Node};
use promises::{conforms, key, manifest, put};
use vault_backup::{ObjectKind, Place, PlaceError, Store};
use vault_hosted::{HostedSettings, HostedStore, PlaceSecret};

/// Long enough that none lapses where it must not, however slow the machine is.
const LEASE: Duration = Duration::from_secs(30);
/// Short enough that a test waits for one to lapse.
const SHORT: Duration = Duration::from_millis(1_800);

struct Keeping {
    root: tempfile::TempDir,
    node: Node,
    address: String,
    secret: PlaceSecret,
}

impl Keeping {
    fn new(quota: &str) -> Keeping {
        let root = tempfile::tempdir().unwrap();
        let (allod, dir) = (Allod::find().unwrap(), root.path().join("keeper"));
        Node::init(&allod, &dir, "ben", "box", "the long password of ben").unwrap();
        let node = Node::serve(&allod, &dir).unwrap();
        let made = node.cli_ok(&["backup", "place", "add", "anna", "--quota", quota]).unwrap();
        let secret = made["secret"].as_str().unwrap().parse().unwrap();
        Keeping { root, node, address: made["address"].as_str().unwrap().to_owned(), secret }
    }

    fn settings(&self) -> HostedSettings {
        HostedSettings { secret: self.secret.clone(), root: None, judge: Arc::new(|_, _| Ok(())) }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store_by(&self.address, &self.settings())
    }

    fn store_by(&self, address: &str, settings: &HostedSettings) -> Arc<dyn Store> {
        self.leased(address, settings, LEASE)
    }

    fn leased(&self, address: &str, settings: &HostedSettings, lease: Duration) -> Arc<dyn Store> {
        Arc::new(HostedStore::new(&address.parse().unwrap(), settings).unwrap().with_lease(lease))
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root.path().join("keeper/places/anna/objects").join(path)
    }
}

#[test]
fn another_node_keeps_what_a_place_promises() {
    let keeping = Keeping::new("1GB");
    conforms(&|| keeping.store(), &|path, bytes| std::fs::write(keeping.file(path), bytes).unwrap());
}

#[test]
fn a_place_is_opened_by_its_secret_alone_and_absence_and_refusal_look_alike() {
    let keeping = Keeping::new("1GB");
    let place = Place::open_or_create(keeping.store(), key(1)).unwrap();
    let stored = put(&place, b"rows");
    place.settle().unwrap();
    let other = keeping.node.cli_ok(&["backup", "place", "add", "carl"]).unwrap();
    let mut texts = Vec::new();
    for (address, secret) in [
        (keeping.address.clone(), PlaceSecret::draw().unwrap()),
        (keeping.address.clone(), other["secret"].as_str().unwrap().parse().unwrap()),
        (keeping.address.replace("anna", "nobody"), keeping.secret.clone()),
        (other["address"].as_str().unwrap().to_owned(), keeping.secret.clone()),
    ] {
        let store = keeping.store_by(&address, &HostedSettings { secret: secret.clone(), ..keeping.settings() });
        let refused = Place::open(Arc::clone(&store), key(1)).unwrap_err();
        assert!(matches!(refused, PlaceError::Refused { .. }), "{refused}");
        assert!(matches!(Place::open_or_create(store, key(1)), Err(PlaceError::Refused { .. })));
        let text = format!("{refused} {refused:?}");
        assert!(!text.contains(secret.text()), "{text}");
        texts.push(text.replace(&address, ""));
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    let never = HostedSettings { judge: Arc::new(|_, _| Err("it is not called")), ..keeping.settings() };
    let by_name = keeping.address.replace("127.0.0.1", "localhost");
    assert!(HostedStore::new(&keeping.address.parse().unwrap(), &never).is_err());
    let told = Place::open(keeping.store_by(&by_name, &never), key(1)).unwrap_err();
    assert!(matches!(&told, PlaceError::Refused { problem, .. } if problem == "it is not called"), "{told}");
    assert!(Place::open(keeping.store_by(&by_name, &keeping.settings()), key(1)).is_ok(), "control");

    keeping.node.cli_ok(&["backup", "place", "remove", "anna"]).unwrap();
    assert!(matches!(place.get(ObjectKind::Segment, stored.name), Err(PlaceError::Refused { .. })));
    assert!(!keeping.file("").exists());
}

#[test]
fn a_full_place_says_so_and_what_is_in_it_stays_whole() {
    let keeping = Keeping::new("2MB");
    let place = Place::open_or_create(keeping.store(), key(1)).unwrap();
    let lock = place.lock().unwrap();
    let stored = put(&place, b"rows");
    let first = place.commit(&manifest(1, 10, vec![stored.clone()]), &lock).unwrap().0;
    put(&place, &vec![7; 3_000_000]);
    let full = place.settle().unwrap_err();
    assert!(matches!(&full, PlaceError::Full { problem, .. } if problem.contains("2 MB")), "{full}");
    let large = put(&place, &vec![8; 1_500_000]);
    let second = place.commit(&manifest(2, 12, vec![large.clone()]), &lock).unwrap().0;
    put(&place, &vec![9; 1_500_000]);
    assert!(matches!(place.settle().unwrap_err(), PlaceError::Full { .. }));
    assert_eq!(&place.get(ObjectKind::Segment, stored.name).unwrap()[..], b"rows");
    let left = place.backups().unwrap().0.into_iter().filter(|one| one.name == first).collect::<Vec<_>>();
    assert_eq!(place.remove(&[second], &left, &lock).unwrap().0, 1);
    put(&place, &vec![9; 1_500_000]);
    place.settle().unwrap();
    lock.release();
}

#[test]
fn a_keeper_that_is_killed_is_waited_for_and_a_holder_that_is_gone_lapses() {
    let mut keeping = Keeping::new("1GB");
    let place = Place::open_or_create(keeping.store(), key(1)).unwrap();
    let lock = place.lock().unwrap();
    let stored = put(&place, b"rows");
    place.commit(&manifest(1, 10, vec![stored.clone()]), &lock).unwrap();
    let at = keeping.node.url.rsplit(':').next().unwrap().to_owned();
    keeping.node.kill_in_place().unwrap();
    // It is away while something is put, and comes back under its address.
    let more = place.put(ObjectKind::Segment, b"more rows").unwrap();
    let (allod, dir) = (keeping.node.allod.clone(), keeping.node.dir.clone());
    let again = allod.command(&dir, &["serve", "--listen", &format!("127.0.0.1:{at}")]);
    keeping.node = Node::serve_by(allod, &dir, again).unwrap();
    place.settle().unwrap();
    let stored = vault_backup::Stored { name: more.0, bytes: more.1, ranges: Vec::new() };
    place.commit(&manifest(2, 12, vec![stored]), &lock).unwrap();
    // Whoever is at work is not waited for; of one that is gone the lock lapses.
    assert!(matches!(place.lock(), Err(PlaceError::InUse(_))));
    lock.release();
    let holder = keeping.root.path().join("keeper/places/anna/holder");
    assert!(!holder.exists(), "it was let go");
    drop(place);
    let place = Place::open(keeping.leased(&keeping.address, &keeping.settings(), SHORT), key(1)).unwrap();
    std::mem::forget(place.lock().unwrap());
    drop(place);
    // The runtime that renewed it is gone with its store.
    let place = Place::open(keeping.store(), key(1)).unwrap();
    let lock = place.lock().unwrap();
    assert_eq!(place.backups().unwrap().0.len(), 2);
    lock.release();
}

#[test]
fn what_a_holder_sends_that_has_lost_the_lock_is_refused_and_the_next_ones_backups_are_whole() {
    let keeping = Keeping::new("1GB");
    let stalled = Place::open_or_create(keeping.leased(&keeping.address, &keeping.settings(), SHORT), key(1)).unwrap();
    let lost = stalled.lock().unwrap();
    let stored = put(&stalled, b"rows");
    let first = stalled.commit(&manifest(1, 10, vec![stored.clone()]), &lost).unwrap().0;
    // It is heard of no more. What it had looked at before, and sends now, comes by a connection of its own.
    drop(stalled);
    let late = keeping.store();
    late.write("tested/late", b"x".to_vec(), Some(lost.hold())).unwrap();
    late.settle().expect("control: nobody else has it yet");

    let place = Place::open(keeping.store(), key(1)).unwrap();
    let lock = place.lock().unwrap();
    let more = put(&place, b"more rows");
    let second = place.commit(&manifest(2, 12, vec![stored.clone(), more.clone()]), &lock).unwrap().0;
    for path in ["backups/late".to_owned(), format!("backups/{second}"), "tested/late".to_owned()] {
        late.write(&path, b"another manifest".to_vec(), Some(lost.hold())).unwrap();
        let refused = late.settle().unwrap_err();
        assert!(matches!(refused, PlaceError::InUse(_)), "{path}: {refused}");
        assert!(matches!(late.remove(&[path], lost.hold()), Err(PlaceError::InUse(_))));
    }
    let name = more.name.to_string();
    let data = format!("data/{}/{name}", &name[..2]);
    assert!(matches!(late.remove(&[data], lost.hold()), Err(PlaceError::InUse(_))));
    let (all, bad) = place.backups().unwrap();
    assert_eq!(all.iter().map(|one| one.name).collect::<Vec<_>>(), [second, first]);
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!(&place.get(ObjectKind::Segment, more.name).unwrap()[..], b"more rows");
    // And it goes on.
    let last = place.commit(&manifest(3, 13, vec![stored, more]), &lock).unwrap().0;
    assert_eq!(place.remove(&[first], &place.backups().unwrap().0[..2], &lock).unwrap().0, 0);
    assert_eq!(place.backups().unwrap().0[0].name, last);
    lock.release();
    std::mem::forget(lost);
}
