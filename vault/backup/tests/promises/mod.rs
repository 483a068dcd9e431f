//! What every store of a place keeps to: a directory, a bucket, another node. Each runs it in its own tests.

use std::sync::Arc;

use vault_backup::{
    BackupKey, LogIdentity, Manifest, ObjectKind, Place, PlaceError, RecoverySecret, ScopeEnd, Store, Stored,
};

pub fn key(n: u8) -> BackupKey {
    RecoverySecret::from_entropy([n; 32]).backup_key()
}

pub fn manifest(number: u64, position: u64, segments: Vec<Stored>) -> Manifest {
    Manifest {
        node: [1; 16],
        log: LogIdentity { log: [2; 16], run: [3; 16], number: 4 },
        number,
        at: 0,
        node_key: [7; 32].into(),
        scopes: vec![ScopeEnd { scope: [1; 17], position, rows: position, commit: [9; 32] }],
        segments,
        pieces: Vec::new(),
        database: 0,
        digests: Vec::new(),
        files: Vec::new(),
    }
}

pub fn put(place: &Place, content: &[u8]) -> Stored {
    let (name, bytes) = place.put(ObjectKind::Segment, content).unwrap();
    Stored { name, bytes, ranges: Vec::new() }
}

/// What every store keeps to. `open` opens the same one again; `spoil` writes other bytes in place of a file.
pub fn conforms(open: &dyn Fn() -> Arc<dyn Store>, spoil: &dyn Fn(&str, &[u8])) {
    assert!(matches!(Place::open(open(), key(1)), Err(PlaceError::Missing(_))));
    let place = Place::open_or_create(open(), key(1)).unwrap();
    assert!(Place::open(open(), key(1)).is_ok(), "control");
    assert!(matches!(Place::open(open(), key(2)), Err(PlaceError::Locked(_))));
    assert!(matches!(Place::open_or_create(open(), key(2)), Err(PlaceError::Locked(_))), "nor is it made another's");
    assert!(!open().create("allod-backup", b"another").unwrap(), "what is there stays");

    // One adds at a time.
    let lock = place.lock().unwrap();
    let other = Place::open(open(), key(1)).unwrap();
    assert!(matches!(other.lock(), Err(PlaceError::InUse(_))));
    lock.release();
    let lock = other.lock().unwrap();

    // What was put is there, under its name, with its length.
    let shared = put(&place, b"shared");
    let large = vec![9; 17 << 20];
    let old = put(&place, &large);
    let first = place.commit(&manifest(1, 10, vec![shared.clone(), old.clone()]), &lock).unwrap().0;
    let new = put(&place, b"new");
    let second = place.commit(&manifest(2, 12, vec![shared.clone(), new.clone()]), &lock).unwrap().0;
    place.note_tested(first, 7, &lock).unwrap();
    let again = Place::open(open(), key(1)).unwrap();
    assert!(again.get(ObjectKind::Segment, old.name).unwrap()[..] == large[..]);
    let data = again.data().unwrap();
    assert_eq!(data.len(), 3);
    for stored in [&shared, &old, &new] {
        assert_eq!(data[&stored.name], stored.bytes);
    }
    let (all, bad) = again.backups().unwrap();
    assert_eq!(all.iter().map(|one| (one.name, one.tested)).collect::<Vec<_>>(), [(second, None), (first, Some(7))]);
    assert!(bad.is_empty());

    // What was altered, cut or exchanged is noticed, and mended by being put again.
    let path = |stored: &Stored| {
        let name = stored.name.to_string();
        format!("data/{}/{name}", &name[..2])
    };
    for bytes in [&b""[..], b"x", b"allodb\x01\x01 another content of some length"] {
        spoil(&path(&shared), bytes);
        assert!(matches!(again.get(ObjectKind::Segment, shared.name), Err(PlaceError::Damaged { .. })));
        assert_ne!(again.data().unwrap()[&shared.name], shared.bytes, "its length tells, too");
        assert_eq!(put(&place, b"shared").name, shared.name);
        place.settle().unwrap();
        assert_eq!(&again.get(ObjectKind::Segment, shared.name).unwrap()[..], b"shared");
    }
    open().remove(&[path(&new), "data/00/never".to_owned()], lock.hold()).unwrap();
    assert!(matches!(again.get(ObjectKind::Segment, new.name), Err(PlaceError::Lost(_))));
    put(&place, b"new");
    place.settle().unwrap();

    // Pruning leaves what the others rest on.
    let left = &again.backups().unwrap().0[..1];
    assert_eq!(again.remove(&[first], left, &lock).unwrap(), (1, old.bytes));
    assert_eq!(again.data().unwrap().len(), 2);
    let (all, bad) = again.backups().unwrap();
    assert!(all.len() == 1 && all[0].name == second && bad.is_empty());
    spoil("backups/letter.txt", b"dear");
    assert_eq!(again.backups().unwrap().1.len(), 1, "what else lies there is said");
    lock.release();
}
