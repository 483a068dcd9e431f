//! Tokens that are held to less than their grant.

use super::*;

/// The same app, whose token is held to these entries of the grant.
fn held(caller: &Caller, id: u8, entries: Vec<GrantEntry>) -> Caller {
    let mut caller = caller.clone();
    caller.app.as_mut().unwrap().within = Some(Arc::new(Narrowing::new([id; 32], entries)));
    caller
}

#[test]
fn a_token_that_is_held_to_less_gives_what_it_has_in_common_with_its_grant_as_that_is_now() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2, 3], &[1, 2, 3]);
    let given = || {
        vec![
            entry(&[Verb::Read], &[3], Predicate::default()),
            entry(&[Verb::Read, Verb::Search, Verb::Update], &[1, 2], equals(1, "a")),
        ]
    };
    engine.grants(4, 1, given());
    let (gate, whole) = (gate(&engine), app(1, 4));
    assert_eq!(shape(&mask_of(&gate, &whole, &[1, 2, 3]).unwrap()).len(), 2, "control");
    let less = held(&whole, 1, vec![entry(&[Verb::Read, Verb::Delete], &[2, 3], equals(2, "b"))]);
    let mask = mask_of(&gate, &less, &[1, 2, 3]).unwrap();
    // Not the third field: where it shows the second is not read, and who sees it by a condition on that would learn of it.
    assert_eq!(shape(&mask), [(verbs(&[Verb::Read]), vec![2])]);
    let both = Predicate { conditions: [equals(1, "a").conditions, equals(2, "b").conditions].concat() };
    assert_eq!(mask.entries[0].predicate, both, "of both what each says of rows");
    let plain = held(&whole, 9, vec![entry(&[Verb::Read, Verb::Delete], &[2, 3], Predicate::default())]);
    let two = [(verbs(&[Verb::Read]), vec![3]), (verbs(&[Verb::Read]), vec![2])];
    assert_eq!(shape(&mask_of(&gate, &plain, &[1, 2, 3]).unwrap()), two, "control: without a condition");
    assert_eq!(shape(&mask_of(&gate, &whole, &[1, 2, 3]).unwrap()).len(), 2, "the two share no answer");
    // What policy says of the grant's own entry counts: the second is taken back alone.
    engine.yes.lock().retain(|line| !line.starts_with(&format!("{}#", grant_object(grant_id(4), 1))));
    engine.clock.advance();
    assert_eq!(shape(&mask_of(&gate, &plain, &[1, 2, 3]).unwrap()), [(verbs(&[Verb::Read]), vec![3])]);
    assert_eq!(block_on(gate.read(&less, &resources(&[1, 2, 3]), NOW)).unwrap_err(), Refusal::Denied);
    // A grant in the place of that, in another order and with less.
    engine.grants(5, 1, vec![entry(&[Verb::Search], &[3], Predicate::default()), given().remove(1)]);
    let mut moved = less.clone();
    moved.app.as_mut().unwrap().grant = grant_id(5);
    assert_eq!(shape(&mask_of(&gate, &moved, &[1, 2, 3]).unwrap()), [(verbs(&[Verb::Read]), vec![2])]);
    // One that has ended, and one with which it has nothing in common.
    let mut over = entry(&[Verb::Read], &[3], Predicate::default());
    over.until = Some(NOW);
    for (id, entries) in
        [(2, vec![over]), (3, vec![entry(&[Verb::Delete], &[1, 2], Predicate::default())]), (4, vec![])]
    {
        let none = held(&whole, id, entries);
        assert_eq!(block_on(gate.read(&none, &resources(&[1, 2, 3]), NOW)).unwrap_err(), Refusal::Denied, "{id}");
    }
    // Nobody else's, whatever it says.
    let foreign = held(&app(2, 4), 5, given());
    assert_eq!(block_on(gate.read(&foreign, &resources(&[1, 2, 3]), NOW)).unwrap_err(), Refusal::Denied);
}

/// Single documents are those of both, and so few rows a day as either says.
#[test]
fn a_token_that_names_documents_gives_those_that_its_grant_gives() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[1]);
    let naming = |docs: &[u8], rows: Option<u32>| {
        let mut named = entry(&[Verb::Read], &[1], Predicate::default());
        named.scopes[0].documents = (!docs.is_empty()).then(|| docs.iter().map(|&n| doc(n)).collect());
        named.scopes[0].rows_per_day = rows;
        named
    };
    engine.grants(4, 1, vec![naming(&[1, 2], Some(7))]);
    engine.grants(5, 1, vec![naming(&[], None)]);
    let gate = gate(&engine);
    let (some, all) = (app(1, 4), app(1, 5));
    let of = |caller: &Caller| mask_of(&gate, caller, &[1]).unwrap().entries[0].documents.clone();
    assert_eq!((of(&some), of(&all)), (only(&[1, 2]), Documents::All), "control");
    assert_eq!(of(&held(&some, 1, vec![naming(&[2, 3], None)])), only(&[2]));
    assert_eq!(of(&held(&some, 2, vec![naming(&[], None)])), only(&[1, 2]));
    assert_eq!(of(&held(&all, 3, vec![naming(&[3], None)])), only(&[3]));
    let none = held(&some, 4, vec![naming(&[3], None)]);
    assert_eq!(block_on(gate.read(&none, &resources(&[1]), NOW)).unwrap_err(), Refusal::Denied);
    let grant = block_on(engine.grant(grant_id(4))).unwrap().unwrap();
    for (asked, left) in [(Some(3), 3), (Some(9), 7), (None, 7)] {
        let narrowed = Narrowing::new([9; 32], vec![naming(&[1], asked)]).of(&grant);
        assert_eq!(narrowed.grant.entries[0].scopes[0].rows_per_day, Some(left));
    }
}
