//! What a place promises, held against a directory and a bucket alike; and what a bucket does when its server fails.

#[path = "../../backup/tests/promises/mod.rs"]
mod promises;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::s3::{Fault, KEY, KEY_ID, S3Server};
use promises::{conforms, key, manifest, put};
use vault_backup::{Directory, ObjectKind, Place, PlaceError, Store};
use vault_s3::{S3Settings, S3Store};

const BUCKET: &str = "backups";
/// Short enough that a test waits for one.
const LEASE: Duration = Duration::from_millis(900);

fn settings(server: &S3Server) -> S3Settings {
    S3Settings {
        endpoint: Some(S3Settings::parse_endpoint(&server.url(), true).unwrap()),
        region: S3Settings::REGION.to_owned(),
        access_key_id: KEY_ID.to_owned(),
        secret_access_key: KEY.to_owned().into(),
        session_token: None,
        virtual_hosted: false,
    }
}

fn bucket(server: &S3Server, prefix: &str) -> Arc<dyn Store> {
    let address = format!("s3://{BUCKET}/{prefix}").parse().unwrap();
    Arc::new(S3Store::new(&address, &settings(server)).unwrap().with_lease(LEASE))
}

/// Writes an object of the place, whoever's it is.
fn write(server: &S3Server, path: &str, bytes: &[u8]) {
    let store = bucket(server, "home");
    store.write(path, bytes.to_vec(), None).unwrap();
    store.settle().unwrap();
}

#[test]
fn a_directory_keeps_what_a_place_promises() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("place");
    let spoil = |path: &str, bytes: &[u8]| std::fs::write(dir.join(path), bytes).unwrap();
    conforms(&|| Arc::new(Directory::new(&dir)), &spoil);
}

#[test]
fn a_bucket_keeps_what_a_place_promises() {
    let server = S3Server::start(BUCKET);
    conforms(&|| bucket(&server, "home"), &|path, bytes| write(&server, path, bytes));
    // Beside it another place may lie, and in a part of the bucket that holds something else none is made.
    assert!(Place::open_or_create(bucket(&server, "work"), key(2)).is_ok());
    std::fs::create_dir(server.file("backups/photos")).unwrap();
    std::fs::write(server.file("backups/photos/holiday.jpg"), "x").unwrap();
    assert!(matches!(Place::open_or_create(bucket(&server, "photos"), key(1)), Err(PlaceError::Foreign(_))));
}

#[test]
fn of_two_that_make_a_place_at_once_one_does() {
    let server = S3Server::start(BUCKET);
    let made: Vec<_> = std::thread::scope(|scope| {
        let make = |n| {
            let store = bucket(&server, "race");
            scope.spawn(move || Place::open_or_create(store, key(n)).is_ok())
        };
        let all: Vec<_> = (1..=4).map(make).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().filter(|made| **made).count() >= 1);
    let opens = (1..=4).filter(|n| Place::open(bucket(&server, "race"), key(*n)).is_ok()).count();
    assert_eq!(opens, 1, "{made:?}");
}

/// Fails each request that fits, so often.
fn times(server: &S3Server, n: usize, fits: impl Fn(&str, &str) -> bool + Send + 'static, fault: Fault) {
    let left = AtomicUsize::new(n);
    server.faults(move |method, path| {
        let hit = fits(method.as_str(), path)
            && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        hit.then_some(fault)
    });
}

#[test]
fn a_server_that_fails_for_a_while_is_asked_again_and_nothing_is_half_there() {
    let server = S3Server::start(BUCKET);
    let place = Place::open_or_create(bucket(&server, "home"), key(1)).unwrap();
    let rows = vec![7; 100_000];
    let stored = put(&place, &rows);
    place.settle().unwrap();
    for fault in [Fault::Unavailable, Fault::Cut] {
        times(&server, 2, |method, _| method == "PUT", fault);
        assert_eq!(put(&place, &rows).name, stored.name);
        place.settle().unwrap();
        times(&server, 1, |method, _| method == "GET", fault);
        assert_eq!(place.get(ObjectKind::Segment, stored.name).unwrap()[..], rows[..], "{fault:?}");
        times(&server, 1, |method, path| method == "PUT" && path.ends_with("/lock"), fault);
        place.lock().unwrap().release();
    }
    for fault in [Fault::Truncated, Fault::Altered] {
        times(&server, 100, |method, path| method == "GET" && path.contains("/data/"), fault);
        let told = place.get(ObjectKind::Segment, stored.name).unwrap_err();
        let known = matches!(told, PlaceError::Damaged { .. } | PlaceError::Unreachable { .. });
        assert!(known, "{fault:?}: {told}");
    }
    server.well();
    assert_eq!(place.get(ObjectKind::Segment, stored.name).unwrap()[..], rows[..], "control");
}

#[test]
fn a_server_that_fails_for_good_is_named_and_neither_keys_nor_its_words_are() {
    let server = S3Server::start(BUCKET);
    let place = Place::open_or_create(bucket(&server, "home"), key(1)).unwrap();
    let lock = place.lock().unwrap();
    let stored = put(&place, b"rows");
    place.commit(&manifest(1, 10, vec![stored.clone()]), &lock).unwrap();
    server.faults(|_, _| Some(Fault::Unavailable));
    place.put(ObjectKind::Segment, b"more rows").unwrap();
    let told = [
        place.settle().unwrap_err(),
        place.get(ObjectKind::Segment, stored.name).unwrap_err(),
        // What cannot be asked for is not missing: nothing is sent again for it, and nothing is removed.
        place.backups().err().expect("it cannot be told"),
        lock_refused(&place),
    ];
    server.well();
    for told in told {
        assert!(matches!(told, PlaceError::Unreachable { .. }), "{told:?}");
        let text = format!("{told} {told:?}");
        assert!(text.contains("SlowDown") && text.contains("s3://backups/home"), "{text}");
        assert!(!text.contains("canary") && !text.contains(KEY_ID), "{text}");
    }
    let mut wrong = settings(&server);
    wrong.secret_access_key = "canary-another-key".to_owned().into();
    let address = format!("s3://{BUCKET}/home").parse().unwrap();
    let refused = Place::open(Arc::new(S3Store::new(&address, &wrong).unwrap()), key(1)).unwrap_err();
    assert!(matches!(refused, PlaceError::Refused { .. }), "{refused:?}");
    assert!(!format!("{refused} {refused:?}").contains("canary"));
    let address = "s3://nothere/home".parse().unwrap();
    let missing = Place::open_or_create(Arc::new(S3Store::new(&address, &settings(&server)).unwrap()), key(1));
    assert!(matches!(missing, Err(PlaceError::Refused { .. } | PlaceError::Unreachable { .. })), "{missing:?}");
    lock.release();
}

fn lock_refused(place: &Place) -> PlaceError {
    place.lock().expect_err("it is held, or cannot be asked for")
}

#[test]
fn a_lock_that_was_left_behind_lapses_and_whoever_lost_it_adds_and_removes_nothing() {
    let server = S3Server::start(BUCKET);
    let place = Place::open_or_create(bucket(&server, "home"), key(1)).unwrap();
    // What a kill leaves.
    write(&server, "lock", b"somebody 7\n");
    let lock = place.lock().unwrap();
    assert!(lock.caution().is_none());
    let stored = put(&place, b"rows");
    let first = place.commit(&manifest(1, 10, vec![stored.clone()]), &lock).unwrap().0;
    // Kept for longer than a lease it is still held.
    std::thread::sleep(LEASE * 2);
    assert!(matches!(lock_refused(&place), PlaceError::InUse(_)));
    // Somebody else's word is there: another tag.
    write(&server, "lock", b"somebody else 1\n");
    assert!(matches!(place.commit(&manifest(2, 12, Vec::new()), &lock), Err(PlaceError::InUse(_))));
    assert!(matches!(place.remove(&[first], &[], &lock), Err(PlaceError::InUse(_))));
    lock.release();
    assert_eq!(std::fs::read_to_string(server.file("backups/home/lock")).unwrap(), "somebody else 1\n");
    let (all, _) = place.backups().unwrap();
    assert_eq!(all.iter().map(|one| one.name).collect::<Vec<_>>(), [first]);
    assert!(place.get(ObjectKind::Segment, stored.name).is_ok());
}

#[test]
fn of_a_server_that_knows_no_conditions_it_is_said() {
    for fault in [Fault::Unconditional, Fault::Unimplemented] {
        let server = S3Server::start(BUCKET);
        let place = Place::open_or_create(bucket(&server, "home"), key(1)).unwrap();
        // Its word is written twice on a condition at most; what is written later goes through.
        times(&server, 6, |method, path| method == "PUT" && path.ends_with("/lock"), fault);
        let lock = place.lock().unwrap();
        server.well();
        let caution = lock.caution().expect("it is said");
        assert!(caution.contains("conditional"), "{caution}");
        let stored = put(&place, b"rows");
        place.commit(&manifest(1, 10, vec![stored]), &lock).unwrap();
        write(&server, "lock", b"somebody else 1\n");
        assert!(matches!(place.commit(&manifest(2, 12, Vec::new()), &lock), Err(PlaceError::InUse(_))), "{fault:?}");
        lock.release();
    }
}
