//! The embedded engine, in this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use policy_core::{
    Caller, Check, CollectionId, CollectionResource, Context, Decision, Engine, EngineUnavailable, EpochClock, FieldId,
    Gate, Grant, GrantId, Lookup, LookupResources, Permissionship, Resources, SchemaVersion, SpaceId, Timestamp, Tuple,
    Tuples, UserId,
};

use crate::SLICE;
use crate::world::{World, document, reader, user};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub struct Loaded {
    pub tuples: Tuples,
    pub seconds: f64,
    pub bytes: f64,
}

fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or_default() * 4096.0
}

pub fn load(world: &World) -> Loaded {
    let (before, start) = (resident(), Instant::now());
    // Copied one at a time, as they come from a database: what is freed on the way is not counted.
    let tuples = Tuples::load(Arc::clone(&world.schema), world.tuples.iter().cloned()).expect("of the schema");
    let seconds = start.elapsed().as_secs_f64();
    let bytes = (resident() - before) / world.tuples.len() as f64;
    Loaded { tuples, seconds, bytes }
}

/// Runs `work` on a batch at a time, made outside of the time that counts; how often, and how long it took.
fn batches<T>(mut make: impl FnMut(usize) -> T, mut work: impl FnMut(&T)) -> (f64, f64) {
    let (mut times, mut taken) = (0usize, Duration::ZERO);
    while taken < SLICE {
        // As in a request, what is asked is at hand and what answers it is wherever it is. The clock is read once a
        // batch: it costs as much as a check.
        let batch: Vec<T> = (times..times + 64).map(&mut make).collect();
        let start = Instant::now();
        batch.iter().for_each(&mut work);
        taken += start.elapsed();
        times += batch.len();
    }
    (times as f64, taken.as_secs_f64())
}

pub fn check(tuples: &Tuples, world: &World, kind: &str, expected: bool) -> f64 {
    let (times, seconds) = batches(
        |i| world.check(kind, i),
        |check| {
            let allowed = tuples.check(check, NOW).expect("an answer").allowed();
            assert_eq!(allowed, expected, "{check}");
        },
    );
    seconds * 1e6 / times
}

pub fn bulk(tuples: &Tuples, checks: &[Check]) -> f64 {
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < SLICE {
        done += tuples.check_all(checks, NOW).iter().filter(|answer| answer.is_ok()).count();
    }
    done as f64 / start.elapsed().as_secs_f64()
}

pub fn lookup(tuples: &Tuples, expected: usize) -> f64 {
    let lookup = LookupResources {
        kind: "document".into(),
        permission: "view".into(),
        subject: reader(),
        context: Context::new(),
    };
    let (start, mut times) = (Instant::now(), 0);
    while start.elapsed() < SLICE {
        let found = tuples.lookup_resources(&lookup, NOW).expect("an answer");
        assert_eq!(found.found.len(), expected);
        times += 1;
    }
    start.elapsed().as_secs_f64() * 1e3 / f64::from(times)
}

/// A copy of the snapshot, one relationship more, published and checked.
pub fn write(tuples: &Tuples) -> f64 {
    let shared = arc_swap::ArcSwap::from_pointee(tuples.clone());
    let make = |i: usize| {
        let tuple = Tuple::new(document(usize::MAX / 2 + i), "owner", user(i % 1_000));
        let check = Check::new(tuple.resource.clone(), "owner", tuple.subject.clone());
        (tuple, check)
    };
    let (times, seconds) = batches(make, |(tuple, check)| {
        let mut next = Tuples::clone(&shared.load());
        assert!(next.put(tuple).expect("a relationship of the schema"));
        shared.store(Arc::new(next));
        assert!(shared.load().check(check, NOW).expect("an answer").allowed());
    });
    seconds * 1e6 / times
}

/// Answers every check with yes: what is measured is what the gate remembers.
struct Yes(Arc<EpochClock>);

#[async_trait]
impl Engine for Yes {
    fn clock(&self) -> &Arc<EpochClock> {
        &self.0
    }
    async fn check(&self, checks: &[Check], _: Timestamp) -> Result<Vec<Decision>, EngineUnavailable> {
        let yes = Decision { permissionship: Permissionship::Yes, missing: Vec::new(), valid_until: None };
        Ok(vec![yes; checks.len()])
    }
    async fn lookup_resources(&self, _: &LookupResources, _: Timestamp) -> Result<Lookup, EngineUnavailable> {
        Ok(Lookup::default())
    }
    async fn grant(&self, _: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable> {
        Ok(None)
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench opens its own gate")]
pub async fn mask() -> f64 {
    let gate = Gate::new(1, Arc::new(Yes(Arc::default())));
    let fields: Arc<[FieldId]> = (0..16u8).map(|n| FieldId::from_bytes([n; 16])).collect();
    let resources = Resources {
        space: SpaceId::from_bytes([1; 16]),
        schema: SchemaVersion(1),
        collections: vec![CollectionResource { id: CollectionId::from_bytes([2; 16]), fields }],
    };
    let caller = Caller { user: UserId::from_bytes([3; 16]), app: None, device: None };
    let (start, mut times) = (Instant::now(), 0u32);
    while start.elapsed() < SLICE {
        for _ in 0..64 {
            let permits = gate.read(&caller, &resources, NOW).await.expect("a permit");
            assert_eq!(permits.collections().count(), 1);
            times += 1;
        }
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}
