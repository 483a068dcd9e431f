use policy_core::{CollectionId, DocId, UserId};
use proptest::prelude::*;

use super::*;
use crate::commit::cid_of;
use crate::document::Author;

fn field(n: u8) -> FieldId {
    FieldId::from_bytes([n; 16])
}

fn int(n: i64) -> Value {
    Value::Scalar(Scalar::Int(n))
}

fn delta(field_number: u8, delta: Delta) -> FieldDelta {
    FieldDelta { field: field(field_number), generation: 0, part: [field_number; 32], delta }
}

fn commit(n: u32, parents: &[u32], device: u8, deltas: Vec<FieldDelta>) -> DocumentCommit {
    let cid = cid_of(&n.to_be_bytes());
    DocumentCommit {
        collection: CollectionId::from_bytes([1; 16]),
        doc: DocId::from_bytes([2; 16]),
        cid,
        root: if parents.is_empty() { cid } else { cid_of(&0u32.to_be_bytes()) },
        salt: parents.is_empty().then_some([n as u8; 16]),
        parents: parents.iter().map(|p| cid_of(&p.to_be_bytes())).collect(),
        height: u64::from(n) + 1,
        hlc: Hlc(u64::from(n) * 10),
        device: DeviceId::from_bytes([device; 16]),
        seq: u64::from(n),
        author: Author { user: UserId::from_bytes([3; 16]), app: None },
        status: None,
        deltas,
    }
}

fn with_status(mut commit: DocumentCommit, status: Status) -> DocumentCommit {
    commit.status = Some(status);
    commit
}

#[test]
fn a_concurrent_write_stays_as_a_conflict_until_a_write_that_saw_both() {
    let root = commit(0, &[], 1, vec![delta(1, Delta::Set(int(0)))]);
    let a = commit(1, &[0], 1, vec![delta(1, Delta::Set(int(1)))]);
    let b = commit(2, &[0], 2, vec![delta(1, Delta::Set(int(2)))]);
    let mut state = DocumentState::fold(&[root.clone(), a.clone(), b.clone()]);
    assert_eq!(state.value(field(1), Reading::Register), int(2));
    assert_eq!(state.field(field(1)).unwrap().conflicts()[0].value, int(1));
    assert_eq!(state.heads.len(), 2);
    let merged = commit(3, &[1, 2], 1, vec![delta(1, Delta::Set(int(3)))]);
    assert!(state.apply_linear(&merged));
    assert!(state.field(field(1)).unwrap().conflicts().is_empty());
    assert_eq!(state, DocumentState::fold(&[merged, b, root, a]));
}

/// Each kind is listed beside another until a write of the other has seen all of it.
#[test]
fn what_was_written_under_another_kind_is_listed_until_it_is_seen() {
    let step = |plus| Delta::IntCounter { plus, minus: 0 };
    let root = commit(0, &[], 1, vec![delta(1, step(3))]);
    let apart = commit(1, &[0], 2, vec![delta(1, step(4))]);
    let set = commit(2, &[0], 1, vec![delta(1, Delta::Set(int(9)))]);
    let float = commit(3, &[0], 3, vec![delta(1, Delta::FloatCounter { total: 0.5 })]);
    let beside = |commits: &[&DocumentCommit], reading| {
        let commits: Vec<DocumentCommit> = commits.iter().map(|commit| (*commit).clone()).collect();
        let state = DocumentState::fold(&commits);
        let all = state.field(field(1)).unwrap().beside(reading);
        all.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
    };
    use Reading::{FloatCounter, IntCounter, Register};
    let half = Value::Scalar(Scalar::Float(0.5));
    assert_eq!(beside(&[&root], Register), [int(3)]);
    assert_eq!(beside(&[&root, &set], Register), [], "seen");
    assert_eq!(beside(&[&root, &apart, &set], Register), [int(7)], "one step is not seen");
    let both = commit(4, &[1, 2], 1, vec![delta(1, Delta::Set(int(10)))]);
    assert_eq!(beside(&[&root, &apart, &set, &both], Register), []);
    let again = commit(5, &[4], 2, vec![delta(1, step(5))]);
    assert_eq!(beside(&[&root, &apart, &set, &both, &again], Register), [int(8)], "a step of later");
    // The other way round.
    assert_eq!(beside(&[&root, &apart, &set, &both], IntCounter), [int(10)]);
    assert_eq!(beside(&[&root, &apart, &set, &both, &again], IntCounter), []);
    assert_eq!(beside(&[&root, &set, &float], FloatCounter), [int(9)], "the steps are seen, the write is not");
    assert_eq!(beside(&[&root, &set, &float], Register), std::slice::from_ref(&half));
    assert_eq!(beside(&[&root, &set, &float], IntCounter), [int(9), half]);
    let saw = commit(6, &[2, 3], 3, vec![delta(1, Delta::FloatCounter { total: 1.5 })]);
    assert_eq!(beside(&[&root, &set, &float, &saw], FloatCounter), []);
}

#[test]
fn a_delete_wins_only_over_what_it_saw() {
    let root = commit(0, &[], 1, vec![delta(1, Delta::Set(int(0)))]);
    let edit = commit(1, &[0], 1, vec![delta(1, Delta::Set(int(1)))]);
    let saw = with_status(commit(2, &[1], 2, vec![]), Status::Deleted);
    let concurrent = with_status(commit(3, &[0], 2, vec![]), Status::Deleted);
    assert!(DocumentState::fold(&[root.clone(), edit.clone(), saw.clone()]).deleted);
    assert!(!DocumentState::fold(&[root.clone(), edit.clone(), concurrent]).deleted);
    let undeleted = with_status(commit(4, &[2], 1, vec![]), Status::Undeleted);
    assert!(!DocumentState::fold(&[root.clone(), edit.clone(), saw.clone(), undeleted]).deleted);
    let merge = commit(5, &[2], 1, vec![]);
    assert!(DocumentState::fold(&[root, edit, saw, merge]).deleted);
}

#[test]
fn counters_count_redelivery_once_and_clamp() {
    let counted = |plus, minus| Delta::IntCounter { plus, minus };
    let root = commit(0, &[], 1, vec![delta(1, counted(5, 0)), delta(2, Delta::FloatCounter { total: 0.5 })]);
    let a = commit(1, &[0], 1, vec![delta(1, counted(7, 1))]);
    let b = commit(2, &[0], 2, vec![delta(1, counted(0, 10)), delta(2, Delta::FloatCounter { total: 1.0 })]);
    let state = DocumentState::fold(&[b.clone(), a.clone(), b, root.clone(), a, root]);
    assert_eq!(state.value(field(1), Reading::IntCounter), int(-4));
    assert_eq!(state.value(field(2), Reading::FloatCounter), Value::Scalar(Scalar::Float(1.5)));
    assert_eq!(state.field(field(1)).unwrap().int_totals(DeviceId::from_bytes([1; 16])), (7, 1));
    let huge = commit(9, &[], 9, vec![delta(1, counted(i128::MAX, 0))]);
    assert_eq!(DocumentState::fold(&[huge]).value(field(1), Reading::IntCounter), int(i64::MAX));
}

#[test]
fn the_smallest_root_counts_and_missing_parents_do_not_panic() {
    let (a, b) = (commit(1, &[], 1, vec![]), commit(2, &[], 2, vec![]));
    let smaller = if a.cid < b.cid { &a } else { &b };
    let state = DocumentState::fold(&[a.clone(), b.clone()]);
    assert_eq!(state.root, smaller.salt.map(|salt| (smaller.cid, salt)));
    let orphan = commit(7, &[6], 1, vec![delta(1, Delta::Set(int(1)))]);
    assert_eq!(DocumentState::fold(std::slice::from_ref(&orphan)).heads, [orphan.cid]);
    let itself = commit(8, &[8], 1, vec![delta(1, Delta::Set(int(1)))]);
    assert!(!DocumentState::default().apply_linear(&itself));
    DocumentState::fold(&[itself]);
}

fn some_delta() -> impl Strategy<Value = Delta> {
    prop_oneof![
        3 => any::<i64>().prop_map(|n| Delta::Set(int(n))),
        1 => (0i128..1000, 0i128..1000).prop_map(|(plus, minus)| Delta::IntCounter { plus, minus }),
        1 => (-1e9..1e9f64).prop_map(|total| Delta::FloatCounter { total }),
    ]
}

/// A random graph: commit `n` names some of the commits before it.
fn dag() -> impl Strategy<Value = Vec<DocumentCommit>> {
    let status = prop_oneof![4 => Just(None), 1 => Just(Some(Status::Deleted)), 1 => Just(Some(Status::Undeleted))];
    let one = (
        proptest::collection::vec(any::<u8>(), 0..3),
        0u8..3,
        proptest::collection::vec((0u8..4, some_delta()), 0..3),
        status,
        0u64..4,
    );
    proptest::collection::vec(one, 1..14).prop_map(|all| {
        let mut commits = Vec::new();
        for (n, (picks, device, deltas, status, hlc)) in all.into_iter().enumerate() {
            let parents: Vec<u32> =
                if n == 0 { vec![] } else { picks.iter().map(|&pick| u32::from(pick) % n as u32).collect() };
            let deltas = deltas.into_iter().map(|(f, d)| delta(f, d)).collect();
            let mut made = commit(n as u32, &parents, device, deltas);
            made.status = status;
            made.hlc = Hlc(hlc);
            made.seq = hlc;
            commits.push(made);
        }
        commits
    })
}

proptest! {
    #[test]
    fn any_order_and_duplication_folds_alike(commits in dag(), order in proptest::collection::vec(any::<u16>(), 30)) {
        let state = DocumentState::fold(&commits);
        let mut keyed: Vec<(u16, DocumentCommit)> = order
            .iter()
            .enumerate()
            .map(|(i, &key)| (key, commits[i % commits.len()].clone()))
            .collect();
        keyed.extend(commits.iter().map(|c| (40_000, c.clone())));
        keyed.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<DocumentCommit> = keyed.into_iter().map(|(_, c)| c).collect();
        prop_assert_eq!(DocumentState::fold(&shuffled), state);
    }

    #[test]
    fn linear_application_equals_the_fold(commits in dag(), next in proptest::collection::vec((0u8..4, some_delta()), 0..4)) {
        let mut state = DocumentState::fold(&commits);
        let deltas = next.into_iter().map(|(f, d)| delta(f, d)).collect();
        let mut last = commit(99, &[], 1, deltas);
        last.parents = state.heads.clone();
        last.salt = None;
        prop_assert!(state.apply_linear(&last));
        let mut all = commits;
        all.push(last);
        prop_assert_eq!(DocumentState::fold(&all), state);
    }

    #[test]
    fn states_and_commits_round_trip_and_damage_never_panics(commits in dag(), at in any::<usize>(), byte: u8) {
        let state = DocumentState::fold(&commits);
        let mut bytes = state.encode();
        prop_assert_eq!(DocumentState::decode(&bytes).unwrap(), state);
        let n = bytes.len();
        bytes[at % n] = byte;
        let _ = DocumentState::decode(&bytes);
        for commit in commits {
            let mut bytes = encode_commit(&commit);
            prop_assert_eq!(decode_commit(commit.collection, commit.doc, commit.cid, &bytes).unwrap(), commit.clone());
            let n = bytes.len();
            bytes[at % n] = byte;
            let _ = decode_commit(commit.collection, commit.doc, commit.cid, &bytes);
        }
    }
}
