//! The evaluator against a real SpiceDB: random schemas, relationships and questions, every answer compared.
//!
//! `deploy/with-spicedb.sh` starts the server; without one the comparison is skipped. `make differential ROUNDS=2000`
//! asks long, `SEED=n` begins elsewhere. Each disagreement is cut down and printed as a validation file.

mod answer;
mod compare;
mod dice;
mod grow;
mod ours;
mod report;
mod shrink;
mod spicedb;
mod tally;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use compare::{Comparison, Extent, Mismatch};
use grow::questions::Measure;
use spicedb::Store;
use tally::{Tally, Verdict};
use world::World;

/// Stores are never freed: a few worlds one after the other share one.
const WORLDS_IN_A_STORE: u64 = 25;
/// More disagreements than these are counted, but not cut down and shown.
const SHOWN: usize = 12;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_micros()).expect("a clock before the year 290000")
}

/// Worlds `seeds`, several at a time.
async fn compare(address: &str, seeds: std::ops::Range<u64>, extent: Extent) -> anyhow::Result<(Tally, Vec<Mismatch>)> {
    let next = Arc::new(AtomicU64::new(seeds.start));
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..4 {
        let (next, address, end) = (Arc::clone(&next), address.to_owned(), seeds.end);
        workers.spawn(async move {
            let (mut tally, mut mismatches) = (Tally::default(), Vec::new());
            let mut store = None;
            for turn in 0.. {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    break;
                }
                if turn % WORLDS_IN_A_STORE == 0 {
                    store = Some(Store::new(&address, &format!("keep-{}-{worker}-{seed}", now()))?);
                }
                let Some(store) = &store else { continue };
                store.clear().await?;
                let mut dice = dice::Dice::new(seed);
                let now = now();
                let world = grow::world(&mut dice, now);
                let mut comparison =
                    Comparison { store, seed, now, world, tally: Tally::default(), mismatches: Vec::new() };
                comparison.run(&mut dice, extent).await;
                tally.join(comparison.tally);
                mismatches.append(&mut comparison.mismatches);
            }
            anyhow::Ok((tally, mismatches))
        });
    }
    let (mut tally, mut mismatches) = (Tally::default(), Vec::new());
    while let Some(done) = workers.join_next().await {
        let (more, found) = done??;
        tally.join(more);
        mismatches.extend(found);
    }
    Ok((tally, mismatches))
}

/// Compares, prints, and fails on a disagreement.
async fn measure(address: &str, seeds: std::ops::Range<u64>, extent: Extent) -> anyhow::Result<()> {
    let (tally, mut mismatches) = compare(address, seeds, extent).await?;
    println!("{tally}");
    // One of each world is enough: the rest have the same cause more often than not.
    mismatches.sort_by_key(|mismatch| (mismatch.seed, mismatch.world.relationships.len()));
    mismatches.dedup_by_key(|mismatch| mismatch.seed);
    let store = Store::new(address, &format!("keep-{}-shrink", now()))?;
    for mismatch in mismatches.into_iter().take(SHOWN) {
        let smaller = shrink::Shrinker::new(&store, now()).shrink(mismatch).await;
        println!("{}", report::yaml(&smaller));
    }
    assert_eq!(tally.count(Verdict::Mismatch), 0, "mismatches");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_worlds_are_seen_alike() -> anyhow::Result<()> {
    let Ok(address) = std::env::var("ALLOD_TEST_SPICEDB") else {
        eprintln!("note: skipped, because ALLOD_TEST_SPICEDB is not set (deploy/with-spicedb.sh sets it)");
        return Ok(());
    };
    let extent = Extent { measure: Measure { checks: 200, lookups: 12 }, misfits: 3, spoiled: 2, changed: 2 };
    measure(&address, 0..30, extent).await
}

/// What is counted as SpiceDB's contradiction is no more than what it does by mistake.
#[tokio::test]
async fn an_end_in_place_of_a_caveat_of_its_name_is_counted_apart() -> anyhow::Result<()> {
    let Ok(address) = std::env::var("ALLOD_TEST_SPICEDB") else {
        eprintln!("note: skipped, because ALLOD_TEST_SPICEDB is not set (deploy/with-spicedb.sh sets it)");
        return Ok(());
    };
    let (store, world) = (Store::new(&address, &format!("end-{}", now()))?, World::with_a_caveat_called_expiration());
    let text = world.schema.text();
    let (tally, mismatches) = (Tally::default(), Vec::new());
    let mut comparison = Comparison { store: &store, seed: 0, now: now(), world, tally, mismatches };
    let mut ours = comparison.schema(&text, "grown").await.ok_or_else(|| anyhow::anyhow!("not a schema"))?;
    for line in ["doc:1#viewer@user:a[expiration]", "doc:1#viewer@user:a", "doc:1#viewer@user:*"] {
        comparison.misfit(&mut ours, line.parse()?).await;
    }
    assert_eq!(comparison.tally.count(Verdict::Equal), 4);
    for line in
        ["doc:1#viewer@user:b[expiration:2100-01-01T00:00:00Z]", "doc:1#viewer@user:*[expiration:2100-01-01T00:00:00Z]"]
    {
        comparison.misfit(&mut ours, line.parse()?).await;
    }
    assert_eq!([Verdict::Equal, Verdict::SelfContradiction].map(|verdict| comparison.tally.count(verdict)), [5, 1]);
    assert!(comparison.mismatches.is_empty(), "{:?}", comparison.mismatches);
    // Nothing is left of it.
    let check: policy_core::Tuple = "doc:1#viewer@user:b".parse()?;
    let lookup = policy_core::LookupSubjects {
        resource: check.resource,
        permission: "viewer".to_owned(),
        kind: "user".to_owned(),
        relation: None,
        context: Default::default(),
    };
    let found = store.lookup_subjects(&lookup).await;
    assert!(found.is_ok_and(|found| found.iter().all(|entry| entry.id != "b")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long; `make differential` runs it"]
async fn many_worlds_are_seen_alike() -> anyhow::Result<()> {
    let address = std::env::var("ALLOD_TEST_SPICEDB")?;
    let (rounds, seed) = (number("ROUNDS").unwrap_or(2_000), number("SEED").unwrap_or(1_000));
    let extent = Extent { measure: Measure { checks: 500, lookups: 24 }, misfits: 4, spoiled: 3, changed: 2 };
    measure(&address, seed..seed + rounds, extent).await
}
