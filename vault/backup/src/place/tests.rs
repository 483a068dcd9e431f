use std::fs::File;

use super::*;
use crate::RecoverySecret;
use crate::manifest::{Stored, example};
use proptest::prelude::*;

fn key(n: u8) -> BackupKey {
    RecoverySecret::from_entropy([n; 32]).backup_key()
}

fn file(place: &Place, kind: ObjectKind, name: DataName) -> std::path::PathBuf {
    Path::new(&place.name()).join(path(kind, name))
}

fn place() -> (tempfile::TempDir, Place) {
    let root = tempfile::tempdir().unwrap();
    let place = Place::open_or_create_directory(&root.path().join("place"), key(1)).unwrap();
    (root, place)
}

#[test]
fn a_place_opens_under_its_key_alone_and_is_made_of_nothing_else() {
    let (root, place) = place();
    assert!(Place::open_directory(Path::new(&place.name()), key(1)).is_ok(), "control");
    assert!(matches!(Place::open_directory(Path::new(&place.name()), key(2)), Err(PlaceError::Locked(_))));
    assert!(matches!(Place::open_directory(&root.path().join("nowhere"), key(1)), Err(PlaceError::Missing(_))));
    let full = root.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("holiday.jpg"), "x").unwrap();
    assert!(matches!(Place::open_or_create_directory(&full, key(1)), Err(PlaceError::Foreign(_))));
    std::fs::remove_file(full.join("holiday.jpg")).unwrap();
    // A making that was broken off.
    std::fs::create_dir(full.join("fresh")).unwrap();
    assert!(Place::open_or_create_directory(&full, key(1)).is_ok());
    let header = Path::new(&place.name()).join(HEADER);
    for (text, newer) in [("allod-backup-2 x", true), ("", false), ("allod-backup-x", false), ("something", false)] {
        std::fs::write(&header, text).unwrap();
        let refused = Place::open_directory(Path::new(&place.name()), key(1)).unwrap_err();
        assert_eq!(matches!(refused, PlaceError::NewerVersion(_)), newer, "{text}: {refused}");
        assert!(matches!(refused, PlaceError::NewerVersion(_) | PlaceError::Damaged { .. }), "{refused}");
    }
}

#[test]
fn one_process_at_a_time_adds_and_what_was_broken_off_is_gone() {
    let (_root, place) = place();
    std::fs::write(Path::new(&place.name()).join("fresh").join("half"), "x").unwrap();
    let lock = place.lock().unwrap();
    assert!(!Path::new(&place.name()).join("fresh").join("half").exists());
    assert!(matches!(place.lock(), Err(PlaceError::InUse(_))));
    drop(lock);
    place.lock().unwrap();
}

#[test]
fn what_was_put_is_there_and_links_and_floods_in_its_place_are_refused() {
    let (root, place) = place();
    let (name, bytes) = place.put(ObjectKind::Segment, b"rows").unwrap();
    place.settle().unwrap();
    assert_eq!(&place.get(ObjectKind::Segment, name).unwrap()[..], b"rows");
    assert_eq!(place.data().unwrap(), HashMap::from([(name, bytes)]));
    let path = file(&place, ObjectKind::Segment, name);
    let aside = root.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    assert!(matches!(place.get(ObjectKind::Segment, name), Err(PlaceError::Lost(_))));
    std::os::unix::fs::symlink(&aside, &path).unwrap();
    assert!(matches!(place.get(ObjectKind::Segment, name), Err(PlaceError::Damaged { problem: "it is a link", .. })));
    assert!(place.data().unwrap().is_empty());
    std::fs::remove_file(&path).unwrap();
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(place.get(ObjectKind::Segment, name), Err(PlaceError::Damaged { .. })));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(place.get(ObjectKind::Segment, name), Err(PlaceError::Damaged { .. })));
    std::fs::remove_dir(&path).unwrap();
    assert_eq!(place.put(ObjectKind::Segment, b"rows").unwrap().0, name, "sent again it has its name");
    place.settle().unwrap();
    assert!(place.get(ObjectKind::Segment, name).is_ok());
}

#[test]
fn backups_are_listed_by_position_and_pruning_leaves_what_the_others_rest_on() {
    let (_root, place) = place();
    let lock = place.lock().unwrap();
    let put = |content: &[u8]| {
        let (name, bytes) = place.put(ObjectKind::Segment, content).unwrap();
        Stored { name, bytes, ranges: Vec::new() }
    };
    let (shared, old, new) = (put(b"shared"), put(b"old"), put(b"new"));
    let manifest = |number, position, own: &Stored| {
        let mut manifest = example();
        (manifest.number, manifest.scopes[0].position) = (number, position);
        (manifest.segments, manifest.pieces) = (vec![shared.clone(), own.clone()], Vec::new());
        place.put(ObjectKind::Manifest, &manifest.encode()).unwrap().0
    };
    // Put in the other order.
    let (newer, older) = (manifest(2, 12, &new), manifest(1, 10, &old));
    place.note_tested(older, 7, &lock).unwrap();
    let (all, bad) = place.backups().unwrap();
    assert_eq!(all.iter().map(|one| (one.name, one.tested)).collect::<Vec<_>>(), [(newer, None), (older, Some(7))]);
    assert!(bad.is_empty());
    assert_eq!(place.remove(&[older], &all[..1], &lock).unwrap(), (1, old.bytes));
    let (left, _) = place.backups().unwrap();
    assert!(
        left.len() == 1
            && place.get(ObjectKind::Segment, shared.name).is_ok()
            && place.get(ObjectKind::Segment, new.name).is_ok()
    );
    std::fs::write(file(&place, ObjectKind::Manifest, newer), "x").unwrap();
    let (left, bad) = place.backups().unwrap();
    assert!(
        left.is_empty()
            && matches!(bad[..], [Unreadable { name: Some(name), error: PlaceError::Damaged { .. } }] if name == newer)
    );
}

/// A directory that keeps of manifests half.
#[derive(Debug)]
struct Halving(Directory);

impl Store for Halving {
    fn name(&self) -> String {
        self.0.name()
    }
    fn prepare(&self, known: &[&str]) -> Result<(), PlaceError> {
        self.0.prepare(known)
    }
    fn create(&self, path: &str, bytes: &[u8]) -> Result<bool, PlaceError> {
        self.0.create(path, bytes)
    }
    fn write(&self, path: &str, mut bytes: Vec<u8>, held: Option<&dyn Hold>) -> Result<(), PlaceError> {
        if path.starts_with(BACKUPS) {
            bytes.truncate(bytes.len() / 2);
        }
        self.0.write(path, bytes, held)
    }
    fn settle(&self) -> Result<(), PlaceError> {
        self.0.settle()
    }
    fn read(&self, path: &str, most: u64) -> Result<Vec<u8>, PlaceError> {
        self.0.read(path, most)
    }
    fn list(&self, dir: &str) -> Result<Vec<crate::store::Found>, PlaceError> {
        self.0.list(dir)
    }
    fn remove(&self, paths: &[String], held: &dyn Hold) -> Result<(), PlaceError> {
        self.0.remove(paths, held)
    }
    fn lock(&self) -> Result<Box<dyn Hold>, PlaceError> {
        self.0.lock()
    }
}

#[test]
fn a_backup_whose_manifest_does_not_read_in_the_place_was_not_made() {
    let (_root, place) = place();
    let lock = place.lock().unwrap();
    let made = place.commit(&example(), &lock).expect("control").0;
    assert_eq!(place.backups().unwrap().0[0].name, made);
    lock.release();
    let halving = Place::open(Arc::new(Halving(Directory::new(Path::new(&place.name())))), key(1)).unwrap();
    let lock = halving.lock().unwrap();
    let mut next = example();
    next.number += 1;
    assert!(matches!(halving.commit(&next, &lock), Err(PlaceError::Damaged { .. })));
    // What no version reads again is not written at all.
    let mut many = example();
    let file = many.files[0].clone();
    many.files = (0..crate::MAX_FILES).map(|_| file.clone()).collect();
    lock.release();
    let lock = place.lock().unwrap();
    place.commit(&many, &lock).expect("control: as many as there may be");
    many.files.push(file);
    let before = place.backups().unwrap().0.len();
    assert!(matches!(place.commit(&many, &lock), Err(PlaceError::TooMuch)));
    assert_eq!(place.backups().unwrap().0.len(), before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_flipped_bit_of_any_file_is_noticed(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (_root, place) = place();
        let lock = place.lock().unwrap();
        let (segment, _) = place.put(ObjectKind::Segment, b"rows of the log").unwrap();
        let (manifest, _) = place.put(ObjectKind::Manifest, &example().encode()).unwrap();
        place.note_tested(manifest, 5, &lock).unwrap();
        let whole = |place: &Path| {
            let place = Place::open_directory(place, key(1)).ok()?;
            place.get(ObjectKind::Segment, segment).ok()?;
            place.backups().ok()?.0.pop()?.tested
        };
        prop_assert_eq!(whole(Path::new(&place.name())), Some(5));
        let files = [
            Path::new(&place.name()).join(HEADER),
            file(&place, ObjectKind::Segment, segment),
            file(&place, ObjectKind::Manifest, manifest),
            file(&place, ObjectKind::Tested, manifest),
        ];
        for file in files {
            let before = std::fs::read(&file).unwrap();
            let mut flipped = before.clone();
            let n = at.index(flipped.len());
            flipped[n] ^= 1 << bit;
            // The header is words: the blank at its end is none of them.
            let is_blank = |byte: u8| char::from(byte).is_whitespace();
            let blank = file.ends_with(HEADER) && is_blank(flipped[n]) && is_blank(before[n]);
            std::fs::write(&file, &flipped).unwrap();
            prop_assert!(blank || whole(Path::new(&place.name())).is_none(), "byte {} of {}", n, file.display());
            std::fs::write(&file, &before).unwrap();
        }
    }
}
