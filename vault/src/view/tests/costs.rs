//! What a read costs is bounded by what is asked and not by its square, and held to its limits within any part of it.

use std::time::Instant;

use serde_json::json;
use vault_core::query::{CommitItem, CommitItemKind, CommitOrder, CommitSelect};

use super::select::all_commits;
use super::*;

/// Book 30, changed `n` times one after the other, with `title` in its first commit.
fn changed(n: usize, title: &str) -> Fixture {
    let mut fixture = Fixture::library();
    let name = |step: usize| format!("s{step}");
    let commits: Vec<DocumentCommit> = (0..=n)
        .map(|step| {
            let values = match step {
                0 => vec![(TITLE, text(title)), (PAGES, int(1))],
                _ => vec![(RATING, float(step as f64))],
            };
            let parent = name(step.saturating_sub(1));
            let parents: &[&str] = if step == 0 { &[] } else { &[&parent] };
            let mut one = commit(BOOK, doc(30), &name(step), parents, values);
            (one.root, one.height) = (cid("s0"), step as u64 + 1);
            one
        })
        .collect();
    fixture.apply(&commits);
    fixture
}

/// Books of few pages, with their history.
fn of_few_pages() -> Masked {
    let all = [TITLE, RATING, PAGES];
    let verbs = [Verb::Read, Verb::Search, Verb::History];
    with(owner(), BOOK, vec![entry(&verbs, &all, vec![(PAGES, Comparison::Lt(Scalar::Int(100)))])])
}

fn query(kind: RootKind) -> Query {
    Query { roots: vec![Root { key: "r".into(), kind }] }
}

fn short(limits: Limits) -> Limits {
    Limits { time: Duration::from_millis(1), ..limits }
}

#[test]
fn a_long_history_under_a_condition_is_folded_once_and_by_the_clock() {
    const N: usize = 3_000;
    let fixture = changed(N, "Long");
    let masks = of_few_pages();
    let args = SelectArgs { doc_ids: Some(vec![doc(30)]), ..SelectArgs::default() };
    let height = CommitItem { key: "h".into(), kind: CommitItemKind::Height };
    let version = select(BOOK, args, vec![item("v", ItemKind::Version(vec![height]))]);
    let begun = Instant::now();
    let read = fixture.read(&masks, version.clone()).unwrap();
    assert_eq!(read, json!([{ "v": [{ "h": N + 1 }] }]));
    let rows = fixture.read(&masks, RootKind::Commits(all_commits(Some(vec![doc(30)])))).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 2 * N + 3, "control: each commit, and each of its parts");
    // Its square would be nine millions of folds.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    for root in [version, RootKind::Commits(all_commits(Some(vec![doc(30)])))] {
        let refused = fixture.answer(&masks, &query(root), &short(Limits::default()), || Ok(()));
        assert!(matches!(refused, Err(ReadError::Time(_))), "{refused:?}");
    }
}

#[test]
fn documents_as_they_were_take_what_is_named_and_are_held_to_the_limits() {
    let fixture = changed(40, &"x".repeat(100_000));
    let cids: Vec<Cid> = (0..=40).map(|step| cid(&format!("s{step}"))).collect();
    let at = |cids: &[Cid], filter: Option<Filter>, items: Vec<Item>| {
        let order = vec![by(RATING, false)];
        query(select(BOOK, SelectArgs { cids: Some(cids.to_vec()), filter, order, ..SelectArgs::default() }, items))
    };
    let limits = Limits { bytes: 1 << 20, time: Duration::from_secs(300), ..Limits::default() };
    let rating = || vec![item("r", ItemKind::Field(RATING))];
    for masks in [owner(), of_few_pages()] {
        let read = |query: &Query, limits: &Limits| fixture.answer(&masks, query, limits, || Ok(()));
        let all: serde_json::Value =
            serde_json::from_slice(&read(&at(&cids, None, rating()), &limits).unwrap()).unwrap();
        let found: Vec<f64> = all["r"].as_array().unwrap().iter().map(|row| row["r"].as_f64().unwrap_or(0.0)).collect();
        assert_eq!(found, (0..=40).map(f64::from).collect::<Vec<_>>(), "control: of each what is named");
        let whole = || vec![item("t", ItemKind::Field(TITLE))];
        let titled = is(TITLE, Operator::Neq(text("")));
        for held in [at(&cids, None, whole()), at(&cids, Some(titled.clone()), rating())] {
            let refused = read(&held, &limits);
            assert!(matches!(refused, Err(ReadError::Bytes(_))), "{refused:?}");
        }
        for few in [at(&cids[..4], None, whole()), at(&cids[..4], Some(titled), rating())] {
            let all: serde_json::Value = serde_json::from_slice(&read(&few, &limits).unwrap()).unwrap();
            assert_eq!(all["r"].as_array().unwrap().len(), 4, "control");
        }
    }
}

#[test]
fn ids_and_keys_of_commits_count_once() {
    let fixture = Fixture::library();
    let ids: Vec<DocId> = (0..100_000).map(|n| doc(if n % 2 == 0 { 11 } else { 200 })).collect();
    let once = fixture.read(&owner(), RootKind::Commits(all_commits(Some(vec![doc(11)])))).unwrap();
    let often = fixture.read(&owner(), RootKind::Commits(all_commits(Some(ids)))).unwrap();
    assert_eq!(often, once);
    assert!(once.as_array().unwrap().len() > 3, "control");
    let by = |order: Vec<(CommitOrder, bool)>| {
        let select = CommitSelect { order, ..all_commits(None) };
        fixture.read(&owner(), RootKind::Commits(select)).unwrap()
    };
    let mut order = vec![(CommitOrder::Height, true); 100_000];
    order.extend([(CommitOrder::Cid, false), (CommitOrder::Height, false), (CommitOrder::FieldName, true)]);
    let short = vec![(CommitOrder::Height, true), (CommitOrder::Cid, false), (CommitOrder::FieldName, true)];
    assert_eq!(by(order), by(short));
}
