mod cached;
mod held;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::FutureExt;
use parking_lot::Mutex;

use super::*;
use crate::{
    Check, ClientId, Comparison, Condition, Decision, DocId, Engine, EngineUnavailable, Found, Grant, GrantEntry,
    GrantScope, LinkId, Lookup, LookupResources, Permissionship, Scalar,
};

const NOW: Timestamp = Timestamp(1_000);

/// The engine of these tests never waits, so neither does a mint.
fn block_on<T>(minting: impl Future<Output = T>) -> T {
    minting.now_or_never().expect("answered at once")
}

/// Says yes to the lines `resource#permission@subject` that it holds.
#[derive(Default)]
struct Lines {
    clock: Arc<EpochClock>,
    yes: Mutex<HashSet<String>>,
    until: Mutex<HashMap<String, Timestamp>>,
    grants: Mutex<HashMap<GrantId, Arc<Grant>>>,
    calls: AtomicUsize,
    lookups: AtomicUsize,
    down: Mutex<bool>,
    /// Does not hear of changes.
    deaf: Mutex<bool>,
    /// Moves the clock while it answers.
    moves: Mutex<bool>,
}

#[async_trait]
impl Engine for Lines {
    fn clock(&self) -> &Arc<EpochClock> {
        &self.clock
    }
    fn is_fresh(&self) -> bool {
        !*self.deaf.lock()
    }
    async fn check(&self, checks: &[Check], _now: Timestamp) -> Result<Vec<Decision>, EngineUnavailable> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if *self.down.lock() {
            return Err(EngineUnavailable { reason: "max_depth".to_owned() });
        }
        if *self.moves.lock() {
            self.clock.advance();
        }
        let (yes, until) = (self.yes.lock(), self.until.lock());
        let answer = |check: &Check| {
            let line = format!("{}#{}@{}", check.resource, check.permission, check.subject);
            Decision {
                missing: Vec::new(),
                permissionship: if yes.contains(&line) { Permissionship::Yes } else { Permissionship::No },
                valid_until: until.get(&line).copied(),
            }
        };
        Ok(checks.iter().map(answer).collect())
    }
    async fn lookup_resources(&self, lookup: &LookupResources, _now: Timestamp) -> Result<Lookup, EngineUnavailable> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let end = format!("#{}@{}", lookup.permission, lookup.subject);
        let yes = self.yes.lock();
        let ids = yes.iter().filter_map(|line| line.strip_suffix(&end)?.strip_prefix(&format!("{}:", lookup.kind)));
        let mut found: Vec<Found> = ids
            .map(|id| Found { id: id.to_owned(), permissionship: Permissionship::Yes, missing: Vec::new() })
            .collect();
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Ok(Lookup { found, valid_until: self.until.lock().get(&end).copied() })
    }
    async fn grant(&self, id: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable> {
        Ok(self.grants.lock().get(&id).cloned())
    }
}

fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}
fn space() -> SpaceId {
    SpaceId::from_bytes([7; 16])
}
fn books() -> CollectionId {
    CollectionId::from_bytes([8; 16])
}
fn field(n: u8) -> FieldId {
    FieldId::from_bytes([n; 16])
}
fn client() -> ClientId {
    ClientId::from_bytes([5; 16])
}
fn grant_id(n: u8) -> GrantId {
    GrantId::from_bytes([n; 16])
}
fn resources(fields: &[u8]) -> Resources {
    let fields = fields.iter().map(|&n| field(n)).collect();
    Resources {
        space: space(),
        schema: SchemaVersion(1),
        collections: vec![CollectionResource { id: books(), fields }],
    }
}
fn person(n: u8) -> Caller {
    Caller { user: user(n), app: None, device: None }
}
fn app(n: u8, grant: u8) -> Caller {
    Caller { user: user(n), app: Some(AppCaller::new(Holder::Client(client()), grant_id(grant))), device: None }
}
fn equals(n: u8, text: &str) -> Predicate {
    let comparison = Comparison::Eq(Scalar::String(text.to_owned()));
    Predicate { conditions: vec![Condition { field: field(n), comparison }] }
}
fn entry(verbs: &[Verb], fields: &[u8], predicate: Predicate) -> GrantEntry {
    let fields = fields.iter().map(|&n| field(n)).collect();
    GrantEntry {
        verbs: verbs.iter().copied().collect(),
        scopes: vec![GrantScope { collection: books(), fields, predicate, documents: None, rows_per_day: None }],
        purpose: None,
        until: None,
    }
}

impl Lines {
    fn say(&self, line: String) {
        self.yes.lock().insert(line);
    }
    /// The user sees the space; views `view` and edits `edit` of the collection.
    fn member(&self, n: u8, view: &[u8], edit: &[u8]) {
        let who = format!("user:{}", user(n));
        self.say(format!("space:{}#view@{who}", space()));
        self.say(format!("collection:{}#view@{who}", books()));
        if !edit.is_empty() {
            self.say(format!("collection:{}#edit@{who}", books()));
        }
        view.iter().for_each(|&f| self.say(format!("{}#view@{who}", field_object(books(), field(f)))));
        edit.iter().for_each(|&f| self.say(format!("{}#edit@{who}", field_object(books(), field(f)))));
    }
    fn grants(&self, n: u8, grantor: u8, entries: Vec<GrantEntry>) {
        for (i, entry) in entries.iter().enumerate() {
            for verb in entry.verbs.iter() {
                self.say(format!("{}#{verb}@client:{}", grant_object(grant_id(n), i), client()));
            }
        }
        let grant = Grant {
            id: grant_id(n),
            grantor: user(grantor),
            holder: Holder::Client(client()),
            space: space(),
            entries,
        };
        self.grants.lock().insert(grant.id, Arc::new(grant));
    }
}

#[expect(clippy::disallowed_methods, reason = "tests open their own gates")]
fn gate(engine: &Arc<Lines>) -> Gate {
    Gate::new(1, Arc::clone(engine) as Arc<dyn Engine>)
}

fn mask_of(gate: &Gate, caller: &Caller, fields: &[u8]) -> Option<Arc<Mask>> {
    block_on(gate.read(caller, &resources(fields), NOW)).unwrap().mask(books()).cloned()
}

fn shape(mask: &Mask) -> Vec<(Verbs, Vec<u8>)> {
    mask.entries.iter().map(|entry| (entry.verbs, entry.fields.iter().map(|f| f.as_bytes()[0]).collect())).collect()
}

fn verbs(list: &[Verb]) -> Verbs {
    list.iter().copied().collect()
}

const SEE: [Verb; 3] = [Verb::Read, Verb::Search, Verb::History];
const PUT: [Verb; 3] = [Verb::Create, Verb::Update, Verb::Delete];

#[test]
fn a_person_has_one_entry_where_view_and_edit_agree_and_two_where_not() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2], &[2, 1]);
    engine.member(2, &[1, 2], &[1]);
    engine.member(3, &[1], &[]);
    let gate = gate(&engine);
    assert_eq!(shape(&mask_of(&gate, &person(1), &[2, 1]).unwrap()), [(Verbs::ALL, vec![1, 2])]);
    let two = [(verbs(&SEE), vec![1, 2]), (verbs(&PUT), vec![1])];
    assert_eq!(shape(&mask_of(&gate, &person(2), &[1, 2]).unwrap()), two);
    assert_eq!(shape(&mask_of(&gate, &person(3), &[1, 2]).unwrap()), [(verbs(&SEE), vec![1])]);
}

#[test]
fn a_sealed_field_is_seen_by_whom_view_sealed_names() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[]);
    engine.say(format!("{}#view_sealed@user:{}", field_object(books(), field(2)), user(1)));
    assert_eq!(shape(&mask_of(&gate(&engine), &person(1), &[1, 2, 3]).unwrap()), [(verbs(&SEE), vec![1, 2])]);
}

#[test]
fn a_foreign_space_and_an_unknown_one_are_refused_alike() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[]);
    let gate = gate(&engine);
    assert!(block_on(gate.read(&person(1), &resources(&[1]), NOW)).is_ok());
    for _ in 0..2 {
        assert_eq!(block_on(gate.read(&person(2), &resources(&[1]), NOW)).unwrap_err(), Refusal::Denied);
        assert_eq!(block_on(gate.write(&person(2), &resources(&[1]), NOW)).unwrap_err(), Refusal::Denied);
        let unknown = Resources { space: SpaceId::from_bytes([99; 16]), ..resources(&[]) };
        assert_eq!(block_on(gate.read(&person(1), &unknown, NOW)).unwrap_err(), Refusal::Denied);
    }
}

#[test]
fn a_collection_without_entries_is_absent() {
    let engine = Arc::new(Lines::default());
    engine.say(format!("space:{}#view@user:{}", space(), user(1)));
    assert!(mask_of(&gate(&engine), &person(1), &[1]).is_none());
}

#[test]
fn a_share_of_one_collection_shows_that_collection_of_the_space_and_no_other() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[]);
    engine.yes.lock().remove(&format!("space:{}#view@user:{}", space(), user(1)));
    let gate = gate(&engine);
    let other = CollectionResource { id: CollectionId::from_bytes([77; 16]), fields: Arc::new([field(1)]) };
    let mut two = resources(&[1]);
    two.collections.push(other.clone());
    for _ in 0..2 {
        let permits = block_on(gate.read(&person(1), &two, NOW)).unwrap();
        assert!(permits.mask(books()).is_some() && permits.mask(other.id).is_none() && !permits.manages());
        assert_eq!(block_on(gate.read(&person(2), &two, NOW)).unwrap_err(), Refusal::Denied);
    }
    let none = Resources { collections: vec![other], ..resources(&[]) };
    assert_eq!(block_on(gate.read(&person(1), &none, NOW)).unwrap_err(), Refusal::Denied);
}

#[test]
fn only_the_owner_in_person_manages() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[1]);
    engine.member(2, &[1], &[1]);
    engine.say(format!("space:{}#manage@user:{}", space(), user(1)));
    engine.grants(1, 1, vec![entry(&Verb::ALL, &[1], Predicate::default())]);
    let gate = gate(&engine);
    let manages = |caller: &Caller| block_on(gate.write(caller, &resources(&[1]), NOW)).unwrap().manages();
    assert!(manages(&person(1)));
    assert!(!manages(&person(2)));
    assert!(!manages(&app(1, 1)));
}

#[test]
fn an_app_gets_what_the_grant_and_the_person_both_give() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2], &[2]);
    engine.grants(1, 1, vec![entry(&[Verb::Read, Verb::Create, Verb::Delete], &[2, 3], Predicate::default())]);
    let mask = mask_of(&gate(&engine), &app(1, 1), &[1, 2, 3]).unwrap();
    assert_eq!(shape(&mask), [(verbs(&[Verb::Read, Verb::Create, Verb::Delete]), vec![2])]);
}

#[test]
fn a_verb_that_the_engine_refuses_or_the_terms_lack_is_not_given() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[1]);
    engine.grants(1, 1, vec![entry(&[Verb::Read, Verb::Search], &[1], Predicate::default())]);
    let read = format!("{}#read@client:{}", grant_object(grant_id(1), 0), client());
    engine.say(format!("{}#delete@client:{}", grant_object(grant_id(1), 0), client()));
    let shown = |caller: &Caller| shape(&mask_of(&gate(&engine), caller, &[1]).unwrap());
    assert_eq!(shown(&app(1, 1)), [(verbs(&[Verb::Read, Verb::Search]), vec![1])]);
    engine.yes.lock().remove(&read);
    assert_eq!(shown(&app(1, 1)), [(verbs(&[Verb::Search]), vec![1])]);
}

/// Field sets of one entry never meet the documents of another.
#[test]
fn entries_are_never_merged() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2, 3], &[]);
    engine.grants(
        1,
        1,
        vec![entry(&[Verb::Read], &[1], equals(3, "work")), entry(&[Verb::Read], &[2], Predicate::default())],
    );
    let mask = mask_of(&gate(&engine), &app(1, 1), &[1, 2, 3]).unwrap();
    assert_eq!(shape(&mask), [(verbs(&[Verb::Read]), vec![1]), (verbs(&[Verb::Read]), vec![2])]);
    assert_eq!(mask.entries[0].predicate, equals(3, "work"));
    assert!(mask.entries[1].predicate.is_everything());
    let holds = |f: u8| mask.entries.iter().filter(|e| e.holds(field(f))).count();
    assert_eq!((holds(1), holds(2)), (1, 1), "each field in its own entry only");
}

/// One app, two people: what one granted is not had with the token of the other.
#[test]
fn an_app_with_grants_of_two_people_uses_the_one_that_its_token_names() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2], &[]);
    engine.member(2, &[1, 2], &[]);
    engine.grants(1, 1, vec![entry(&[Verb::Read], &[1, 2], Predicate::default())]);
    engine.grants(2, 2, vec![entry(&[Verb::Read], &[1], Predicate::default())]);
    let gate = gate(&engine);
    for _ in 0..2 {
        assert_eq!(shape(&mask_of(&gate, &app(1, 1), &[1, 2]).unwrap()), [(verbs(&[Verb::Read]), vec![1, 2])]);
        assert_eq!(shape(&mask_of(&gate, &app(2, 2), &[1, 2]).unwrap()), [(verbs(&[Verb::Read]), vec![1])]);
        for crossed in [app(2, 1), app(1, 2)] {
            assert_eq!(block_on(gate.read(&crossed, &resources(&[1, 2]), NOW)).unwrap_err(), Refusal::Denied);
        }
    }
}

#[test]
fn a_link_acts_as_its_grant_says_and_is_no_app_of_the_same_id() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2], &[1]);
    let link = LinkId::from_bytes(*client().as_bytes());
    let entries = vec![entry(&[Verb::Read, Verb::Search, Verb::Update], &[1, 3], Predicate::default())];
    let grant = Grant { id: grant_id(1), grantor: user(1), holder: Holder::Link(link), space: space(), entries };
    engine.grants.lock().insert(grant.id, Arc::new(grant));
    for verb in ["read", "search"] {
        engine.say(format!("{}#{verb}@link:{link}", grant_object(grant_id(1), 0)));
    }
    let gate = gate(&engine);
    let by_link = Caller { app: Some(AppCaller::new(Holder::Link(link), grant_id(1))), ..person(1) };
    let mask = mask_of(&gate, &by_link, &[1, 2, 3]).unwrap();
    assert_eq!(shape(&mask), [(verbs(&[Verb::Read, Verb::Search]), vec![1])]);
    assert!(!block_on(gate.write(&by_link, &resources(&[1]), NOW)).unwrap().manages());
    assert_eq!(block_on(gate.read(&app(1, 1), &resources(&[1]), NOW)).unwrap_err(), Refusal::Denied);
    let another = Caller { user: user(2), ..by_link };
    assert_eq!(block_on(gate.read(&another, &resources(&[1]), NOW)).unwrap_err(), Refusal::Denied);
}

#[test]
fn a_grant_for_another_app_or_space_is_none() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[]);
    engine.grants(1, 1, vec![entry(&[Verb::Read], &[1], Predicate::default())]);
    let gate = gate(&engine);
    assert!(block_on(gate.read(&app(1, 1), &resources(&[1]), NOW)).is_ok());
    let mut other = app(1, 1);
    other.app = Some(AppCaller::new(Holder::Client(ClientId::from_bytes([6; 16])), grant_id(1)));
    assert_eq!(block_on(gate.read(&other, &resources(&[1]), NOW)).unwrap_err(), Refusal::Denied);
    assert_eq!(block_on(gate.read(&app(1, 9), &resources(&[1]), NOW)).unwrap_err(), Refusal::Denied);
    let elsewhere = Resources { space: SpaceId::from_bytes([9; 16]), ..resources(&[1]) };
    engine.say(format!("space:{}#view@user:{}", elsewhere.space, user(1)));
    assert!(block_on(gate.read(&person(1), &elsewhere, NOW)).is_ok());
    assert_eq!(block_on(gate.read(&app(1, 1), &elsewhere, NOW)).unwrap_err(), Refusal::Denied);
}

#[test]
fn an_app_never_outlives_what_its_person_may() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2], &[1]);
    engine.grants(1, 1, vec![entry(&Verb::ALL, &[1], equals(2, "x"))]);
    let gate = gate(&engine);
    assert!(mask_of(&gate, &app(1, 1), &[1, 2]).is_some());
    // The field of the predicate is hidden from the person: its values must not show through.
    engine.yes.lock().remove(&format!("{}#view@user:{}", field_object(books(), field(2)), user(1)));
    engine.clock.advance();
    assert!(mask_of(&gate, &app(1, 1), &[1, 2]).is_none());
    engine.say(format!("{}#view@user:{}", field_object(books(), field(2)), user(1)));
    engine.yes.lock().remove(&format!("space:{}#view@user:{}", space(), user(1)));
    engine.clock.advance();
    assert!(mask_of(&gate, &app(1, 1), &[1, 2]).is_some(), "a share of the collection alone carries as far");
    engine.yes.lock().remove(&format!("collection:{}#view@user:{}", books(), user(1)));
    engine.yes.lock().remove(&format!("collection:{}#edit@user:{}", books(), user(1)));
    engine.clock.advance();
    assert_eq!(block_on(gate.read(&app(1, 1), &resources(&[1]), NOW)).unwrap_err(), Refusal::Denied);
}

#[test]
fn a_second_mint_asks_nothing_until_the_epoch_moves_or_the_answer_lapses() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[1]);
    let line = format!("collection:{}#view@user:{}", books(), user(1));
    engine.until.lock().insert(line, Timestamp(2_000));
    let gate = gate(&engine);
    let calls = || engine.calls.load(Ordering::SeqCst);
    let mint = |now| block_on(gate.read(&person(1), &resources(&[1]), now)).unwrap();
    assert_eq!(mint(NOW).valid_until(), Some(Timestamp(2_000)));
    mint(Timestamp(1_999));
    assert_eq!(calls(), 1);
    mint(Timestamp(2_000));
    assert_eq!(calls(), 2, "the answer lapsed");
    engine.until.lock().clear();
    engine.clock.advance();
    mint(NOW);
    mint(NOW);
    assert_eq!(calls(), 3, "the epoch moved once");
    block_on(gate.read(&person(1), &resources(&[1, 2]), NOW)).unwrap();
    assert_eq!(calls(), 4, "other fields are another question");
    block_on(gate.write(&person(1), &resources(&[1, 2]), NOW)).unwrap();
    assert_eq!(calls(), 4, "reading and writing share the masks");
}

#[test]
fn nothing_is_answered_from_memory_while_the_engine_does_not_hear_of_changes() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[1]);
    let gate = gate(&engine);
    let mint = || block_on(gate.read(&person(1), &resources(&[1]), NOW));
    let calls = || engine.calls.load(Ordering::SeqCst);
    mint().unwrap();
    *engine.deaf.lock() = true;
    mint().unwrap();
    assert_eq!(calls(), 2);
    engine.yes.lock().clear();
    assert_eq!(mint().unwrap_err(), Refusal::Denied, "no epoch moved, and the change counts");
    *engine.deaf.lock() = false;
    let before = calls();
    mint().unwrap_err();
    assert_eq!(calls(), before, "answers are remembered again");
}

#[test]
fn an_entry_that_ended_gives_nothing() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2], &[]);
    let mut ending = entry(&[Verb::Read], &[1], Predicate::default());
    ending.until = Some(Timestamp(1_500));
    engine.grants(1, 1, vec![ending, entry(&[Verb::Read], &[2], Predicate::default())]);
    let gate = gate(&engine);
    let at = |now| block_on(gate.read(&app(1, 1), &resources(&[1, 2]), now)).unwrap();
    assert_eq!(shape(at(NOW).mask(books()).unwrap()).len(), 2);
    assert_eq!(at(NOW).valid_until(), Some(Timestamp(1_500)));
    assert_eq!(shape(at(Timestamp(1_500)).mask(books()).unwrap()), [(verbs(&[Verb::Read]), vec![2])]);
}

#[test]
fn a_permit_counts_for_the_definitions_that_it_was_minted_for() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[]);
    let gate = gate(&engine);
    let permits = block_on(gate.read(&person(1), &resources(&[1]), NOW)).unwrap();
    let own = permits.schema();
    assert_eq!(gate.seal().admits(&permits, own, NOW), Ok(()), "control");
    for other in [own.0.wrapping_add(1), own.0.wrapping_sub(1)] {
        assert_eq!(gate.seal().admits(&permits, SchemaVersion(other), NOW), Err(SealRefusal::Moved));
    }
}

#[test]
fn a_change_while_the_engine_answers_makes_the_permit_stale() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[]);
    let gate = gate(&engine);
    let fresh = block_on(gate.read(&person(1), &resources(&[1]), NOW)).unwrap();
    assert_eq!(gate.seal().admits(&fresh, fresh.schema(), NOW), Ok(()));
    engine.clock.advance();
    assert_eq!(gate.seal().admits(&fresh, fresh.schema(), NOW), Err(SealRefusal::Moved));
    *engine.moves.lock() = true;
    let stale = block_on(gate.read(&person(1), &resources(&[1]), NOW)).unwrap();
    assert_eq!(gate.seal().admits(&stale, stale.schema(), NOW), Err(SealRefusal::Moved));
    *engine.moves.lock() = false;
    block_on(gate.read(&person(1), &resources(&[1]), NOW)).unwrap();
    assert_eq!(engine.calls.load(Ordering::SeqCst), 3, "what was asked at a past epoch is asked again");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is about a second gate")]
fn a_permit_of_another_gate_or_past_its_time_is_not_admitted() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[]);
    engine.until.lock().insert(format!("space:{}#view@user:{}", space(), user(1)), Timestamp(2_000));
    let (own, other) = (gate(&engine), Gate::new(2, Arc::clone(&engine) as Arc<dyn Engine>));
    let permits = block_on(other.read(&person(1), &resources(&[1]), NOW)).unwrap();
    assert_eq!(other.seal().admits(&permits, permits.schema(), NOW), Ok(()));
    assert_eq!(own.seal().admits(&permits, permits.schema(), NOW), Err(SealRefusal::ForeignGate));
    assert_eq!(other.seal().admits(&permits, permits.schema(), Timestamp(2_000)), Err(SealRefusal::Lapsed));
}

#[test]
fn an_engine_that_cannot_decide_is_a_refusal_with_its_reason() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[]);
    *engine.down.lock() = true;
    let gate = gate(&engine);
    let refused = Refusal::Unavailable("max_depth".to_owned());
    assert_eq!(block_on(gate.read(&person(1), &resources(&[1]), NOW)).unwrap_err(), refused);
    *engine.down.lock() = false;
    assert!(block_on(gate.read(&person(1), &resources(&[1]), NOW)).is_ok(), "a failure is not remembered");
}

#[test]
fn only_a_device_of_a_person_who_sees_the_space_replicates() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[]);
    engine.grants(1, 1, vec![entry(&Verb::ALL, &[1], Predicate::default())]);
    let gate = gate(&engine);
    let device = Some(DeviceId::from_bytes([4; 16]));
    let ask = |caller: Caller| block_on(gate.replicate(&caller, PeerKey([3; 32]), space(), NOW));
    let permits = ask(Caller { device, ..person(1) }).unwrap();
    assert_eq!((permits.peer(), permits.collections().count()), (PeerKey([3; 32]), 0));
    assert_eq!(gate.seal().admits(&permits, permits.schema(), NOW), Ok(()));
    for refused in [person(1), Caller { device, ..person(2) }, Caller { device, ..app(1, 1) }] {
        assert_eq!(ask(refused).unwrap_err(), Refusal::Denied);
    }
    // A replica is no device of anybody: who sees a space does not yet say where it is stored.
    engine.say(format!("space:{}#place@user:{}", space(), user(1)));
    assert_eq!(ask(person(1)).unwrap().caller().device, None);
    assert_eq!(ask(app(1, 1)).unwrap_err(), Refusal::Denied);
}

fn doc(n: u8) -> DocId {
    DocId::from_bytes([n; 16])
}

impl Lines {
    /// The user has the permission on these documents of the collection, which has such.
    fn singles(&self, n: u8, permission: &str, docs: &[u8]) {
        self.say(format!("collection:{}#exceptional@user:{}", books(), user(n)));
        for &d in docs {
            self.say(format!("{}#{permission}@user:{}", document_object(books(), doc(d)), user(n)));
        }
    }
    /// Fields of the collection that are open to it.
    fn open(&self, fields: &[u8]) {
        for &f in fields {
            self.say(format!("{}#collection@collection:{}", field_object(books(), field(f)), books()));
        }
    }
}

/// Verbs, fields and documents of each entry.
fn reach(mask: &Mask) -> Vec<(Verbs, Vec<u8>, Documents)> {
    mask.entries
        .iter()
        .zip(shape(mask))
        .map(|(entry, (verbs, fields))| (verbs, fields, entry.documents.clone()))
        .collect()
}

fn only(docs: &[u8]) -> Documents {
    Documents::only(docs.iter().map(|&n| doc(n)).collect())
}
fn except(docs: &[u8]) -> Documents {
    Documents::except(docs.iter().map(|&n| doc(n)).collect())
}

#[test]
fn a_collection_without_exceptions_asks_for_no_documents() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1], &[1]);
    engine.say(format!("{}#view@user:{}", document_object(books(), doc(9)), user(2)));
    let gate = gate(&engine);
    assert_eq!(reach(&mask_of(&gate, &person(1), &[1]).unwrap()), [(Verbs::ALL, vec![1], Documents::All)]);
    assert!(block_on(gate.read(&person(2), &resources(&[1]), NOW)).is_err(), "the mark is what is looked at");
    assert_eq!((engine.calls.load(Ordering::SeqCst), engine.lookups.load(Ordering::SeqCst)), (2, 0));
}

#[test]
fn what_is_kept_from_a_person_is_taken_out_of_the_whole() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2], &[1, 2]);
    engine.member(2, &[1, 2], &[]);
    engine.singles(1, "barred", &[5, 3]);
    engine.singles(2, "barred", &[3]);
    engine.singles(2, "edit", &[7]);
    engine.open(&[1, 2]);
    engine.say(format!("{}#kept@user:{}", field_object(books(), field(2)), user(2)));
    engine.yes.lock().remove(&format!("{}#view@user:{}", field_object(books(), field(2)), user(2)));
    let gate = gate(&engine);
    assert_eq!(reach(&mask_of(&gate, &person(1), &[1, 2]).unwrap()), [(Verbs::ALL, vec![1, 2], except(&[3, 5]))]);
    let update = verbs(&[Verb::Update, Verb::Delete]);
    assert_eq!(
        reach(&mask_of(&gate, &person(2), &[1, 2]).unwrap()),
        [(verbs(&SEE), vec![1], except(&[3])), (update, vec![1], only(&[7]))],
        "what is hidden from a viewer is not put by way of a document that they edit"
    );
}

#[test]
fn single_documents_show_what_of_their_fields_is_neither_sealed_nor_hidden() {
    let engine = Arc::new(Lines::default());
    engine.singles(1, "view", &[2, 1]);
    engine.singles(1, "edit", &[2]);
    // Of another collection, and so of no account here.
    engine.say(format!("{}#view@user:{}", document_object(CollectionId::from_bytes([77; 16]), doc(8)), user(1)));
    engine.open(&[1, 2]);
    engine.say(format!("{}#kept@user:{}", field_object(books(), field(2)), user(1)));
    let gate = gate(&engine);
    let permits = block_on(gate.read(&person(1), &resources(&[1, 2, 3]), NOW)).unwrap();
    let update = verbs(&[Verb::Update, Verb::Delete]);
    let expected = [(verbs(&SEE), vec![1], only(&[1, 2])), (update, vec![1], only(&[2]))];
    assert_eq!(reach(permits.mask(books()).unwrap()), expected);
    // A reader of the sealed field reads it in these documents.
    engine.say(format!("{}#view_sealed@user:{}", field_object(books(), field(3)), user(1)));
    engine.clock.advance();
    assert_eq!(shape(&mask_of(&gate, &person(1), &[1, 2, 3]).unwrap())[0].1, [1, 3]);
    assert!(block_on(gate.read(&person(2), &resources(&[1, 2, 3]), NOW)).is_err());
}

#[test]
fn an_app_reaches_the_documents_of_its_person_that_its_entry_covers() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2], &[]);
    engine.singles(1, "barred", &[3]);
    engine.singles(1, "edit", &[7]);
    engine.open(&[1, 2]);
    engine.grants(
        1,
        1,
        vec![
            entry(&[Verb::Read, Verb::Update], &[1], equals(2, "work")),
            entry(&[Verb::Read], &[2], Predicate::default()),
        ],
    );
    let mask = mask_of(&gate(&engine), &app(1, 1), &[1, 2]).unwrap();
    assert_eq!(
        reach(&mask),
        [
            (verbs(&[Verb::Read]), vec![1], except(&[3])),
            (verbs(&[Verb::Update]), vec![1], only(&[7])),
            (verbs(&[Verb::Read]), vec![2], except(&[3])),
        ]
    );
    assert_eq!(mask.entries.iter().map(|e| e.predicate.is_everything()).collect::<Vec<_>>(), [false, false, true]);
}

#[test]
fn an_entry_that_names_documents_reaches_these_alone_and_makes_none() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2], &[1, 2]);
    engine.member(2, &[1, 2], &[]);
    for n in [1, 2] {
        engine.singles(n, "barred", &[3]);
    }
    engine.singles(2, "edit", &[7]);
    engine.open(&[1, 2]);
    let naming = |verbs: &[Verb], docs: &[u8]| {
        let mut entry = entry(verbs, &[1], Predicate::default());
        entry.scopes[0].documents = Some(docs.iter().map(|&n| doc(n)).collect());
        entry
    };
    let all = |docs: &[u8]| vec![naming(&Verb::ALL, docs), entry(&[Verb::Read], &[2], Predicate::default())];
    let gate = gate(&engine);
    let given = |grant: u8, user: u8, docs: &[u8]| {
        engine.grants(grant, user, all(docs));
        engine.clock.advance();
        reach(&mask_of(&gate, &app(user, grant), &[1, 2]).unwrap())
    };
    let rest = (verbs(&[Verb::Read]), vec![2], except(&[3]));
    let but_create: Verbs = Verb::ALL.into_iter().filter(|verb| *verb != Verb::Create).collect();
    // What is kept from the person is none of what they can name, and what nobody has is nothing.
    assert_eq!(given(1, 1, &[2, 3, 9]), [(but_create, vec![1], only(&[2, 9])), rest.clone()]);
    assert_eq!(given(2, 1, &[3]), std::slice::from_ref(&rest));
    // Where the person edits one of them, the app does so.
    let update = verbs(&[Verb::Update, Verb::Delete]);
    assert_eq!(
        given(3, 2, &[6, 7]),
        [(verbs(&SEE), vec![1], only(&[6, 7])), (update, vec![1], only(&[7])), rest.clone()]
    );
    assert_eq!(given(4, 2, &[6]), [(verbs(&SEE), vec![1], only(&[6])), rest]);
}

#[test]
fn a_grant_that_is_foreseen_shows_what_it_shows_once_it_is_given() {
    let engine = Arc::new(Lines::default());
    engine.member(1, &[1, 2], &[1]);
    engine.singles(1, "barred", &[3]);
    engine.open(&[1, 2]);
    let mut ended = entry(&Verb::ALL, &[1, 2], Predicate::default());
    ended.until = Some(NOW);
    let mut ending = entry(&[Verb::Read, Verb::Search, Verb::Create], &[1, 2, 3], equals(2, "work"));
    ending.until = Some(Timestamp(1_500));
    let hidden = entry(&Verb::ALL, &[1], equals(9, "x"));
    engine.grants(1, 1, vec![ending, ended, hidden, entry(&[Verb::Read], &[2], Predicate::default())]);
    let gate = gate(&engine);
    // In every mix of its entries, in the order in which they stand.
    let whole = engine.grants.lock()[&grant_id(1)].as_ref().clone();
    for mix in 0..16 {
        let entries = whole.entries.iter().enumerate().filter(|(at, _)| mix & (1 << at) != 0);
        let entries: Vec<GrantEntry> = entries.map(|(_, one)| one.clone()).collect();
        let grant = Grant { id: grant_id(2), entries: entries.clone(), ..whole.clone() };
        let previewed = block_on(gate.preview(&grant, &resources(&[1, 2, 3]), NOW));
        engine.grants(2, 1, entries);
        engine.clock.advance();
        let given = block_on(gate.read(&app(1, 2), &resources(&[1, 2, 3]), NOW));
        match (previewed, given) {
            (Ok(previewed), Ok(given)) => {
                assert_eq!(previewed.mask(books()), given.mask(books()), "{mix}");
                assert_eq!(
                    (previewed.caller(), previewed.valid_until()),
                    (given.caller(), given.valid_until()),
                    "{mix}"
                );
                assert!(!previewed.manages() && !given.manages());
            }
            (previewed, given) => assert_eq!(previewed.unwrap_err(), given.unwrap_err(), "{mix}"),
        }
        engine.yes.lock().retain(|line| !line.starts_with("grant:"));
    }
    // Of a stranger's data nothing, in another space nothing.
    let foreign = Grant { grantor: user(2), ..whole.clone() };
    let of = |grant: &Grant| block_on(gate.preview(grant, &resources(&[1, 2, 3]), NOW));
    assert_eq!(of(&foreign).unwrap_err(), Refusal::Denied);
    assert_eq!(of(&Grant { space: SpaceId::from_bytes([9; 16]), ..whole.clone() }).unwrap_err(), Refusal::Denied);
    assert!(of(&whole).is_ok(), "control");
    assert!(gate.seal().admits(&of(&whole).unwrap(), SchemaVersion(1), NOW).is_ok());
    engine.clock.advance();
}

#[test]
fn a_list_of_documents_that_lapses_ends_the_permit_and_one_too_long_is_a_refusal() {
    let engine = Arc::new(Lines::default());
    engine.singles(1, "view", &[1]);
    engine.open(&[1]);
    engine.until.lock().insert(format!("#view@user:{}", user(1)), Timestamp(2_000));
    let gate = gate(&engine);
    let mint = |now| block_on(gate.read(&person(1), &resources(&[1]), now));
    assert_eq!(mint(NOW).unwrap().valid_until(), Some(Timestamp(2_000)));
    let asked = || engine.lookups.load(Ordering::SeqCst);
    let before = asked();
    mint(Timestamp(1_999)).unwrap();
    assert_eq!(asked(), before);
    mint(Timestamp(2_000)).unwrap();
    assert!(asked() > before, "the list lapsed");
    {
        let mut yes = engine.yes.lock();
        for n in 0..=MAX_DOCUMENTS as u128 {
            let object = document_object(books(), DocId::from_bytes(n.to_be_bytes()));
            yes.insert(format!("{object}#view@user:{}", user(1)));
        }
    }
    engine.clock.advance();
    assert_eq!(mint(NOW).unwrap_err(), Refusal::TooManyDocuments);
    let before = asked();
    assert_eq!(mint(Timestamp(1_999)).unwrap_err(), Refusal::TooManyDocuments);
    assert_eq!(asked(), before, "that it is too long is remembered");
    assert_eq!(mint(Timestamp(2_000)).unwrap_err(), Refusal::TooManyDocuments);
    assert!(asked() > before, "until something of it lapses,");
    let before = asked();
    engine.clock.advance();
    assert_eq!(mint(NOW).unwrap_err(), Refusal::TooManyDocuments);
    assert!(asked() > before, "or changes");
    // So many of another collection are nobody's trouble here.
    let elsewhere = CollectionResource { id: CollectionId::from_bytes([77; 16]), fields: Arc::new([field(1)]) };
    engine.say(format!("collection:{}#exceptional@user:{}", elsewhere.id, user(1)));
    engine.say(format!("{}#view@user:{}", document_object(elsewhere.id, doc(1)), user(1)));
    engine.say(format!("{}#collection@collection:{}", field_object(elsewhere.id, field(1)), elsewhere.id));
    let there = Resources { collections: vec![elsewhere.clone()], ..resources(&[]) };
    let permits = block_on(gate.read(&person(1), &there, NOW)).unwrap();
    assert_eq!(permits.mask(elsewhere.id).unwrap().entries[0].documents, only(&[1]));
}
