//! What is kept of permits: bounded, and by nobody for others.

use super::*;

#[test]
fn masks_with_many_documents_do_not_pile_up() {
    let engine = Arc::new(Lines::default());
    engine.open(&[1]);
    let gate = gate(&engine);
    let each = 100_000u128;
    for d in 0..each {
        let object = document_object(books(), DocId::from_bytes(d.to_be_bytes()));
        engine.say(format!("{object}#view@user:{}", user(1)));
    }
    engine.singles(1, "view", &[]);
    for schema in 0..=(cache::ROOM as u64 / 1_600_000) {
        let resources = Resources { schema: SchemaVersion(schema), ..resources(&[1]) };
        block_on(gate.read(&person(1), &resources, NOW)).unwrap();
        let kept = gate.cache.bytes();
        assert!(kept > 1_600_000 && kept <= cache::ROOM, "{kept}");
    }
    let calls = engine.calls.load(Ordering::SeqCst);
    block_on(gate.read(&person(1), &Resources { schema: SchemaVersion(0), ..resources(&[1]) }, NOW)).unwrap();
    assert!(engine.calls.load(Ordering::SeqCst) > calls, "the oldest went");
}

#[test]
fn the_cache_is_bounded_and_nobody_empties_it_for_others() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[]);
    engine.member(2, &[1], &[]);
    let gate = gate(&engine);
    block_on(gate.read(&person(2), &resources(&[1]), NOW)).unwrap();
    let most = cache::ROOM / cache::EACH;
    // Two answers each.
    for schema in 0..(most as u64 * 2 / 3) {
        let resources = Resources { schema: SchemaVersion(schema), ..resources(&[1]) };
        block_on(gate.read(&person(1), &resources, NOW)).unwrap();
    }
    assert!(gate.cache.bytes() <= cache::ROOM && gate.cache.len() > most / 2, "{}", gate.cache.len());
    let asked = || engine.calls.load(Ordering::SeqCst);
    let before = asked();
    block_on(gate.read(&person(2), &resources(&[1]), NOW)).unwrap();
    assert_eq!(asked(), before, "what somebody else asked little of is known still");
    block_on(gate.read(&person(1), &Resources { schema: SchemaVersion(0), ..resources(&[1]) }, NOW)).unwrap();
    assert!(asked() > before, "control: the oldest of whoever asked much went");
}

#[test]
#[ignore = "a measurement: run it by name, optimised"]
fn a_cached_mint_is_measured() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2, 3], &[1]);
    let gate = gate(&engine);
    let resources = resources(&[1, 2, 3]);
    let started = std::time::Instant::now();
    for _ in 0..100_000 {
        block_on(gate.read(&person(1), &resources, NOW)).unwrap();
    }
    println!("{:?} a mint", started.elapsed() / 100_000);
}
