//! The real SpiceDB that `deploy/with-spicedb.sh` starts, through our own client of it. It holds its relationships in
//! memory, in a store that is made for tests and searched from end to end; a SpiceDB on a database is quicker where
//! there are many.

use std::time::{Duration, Instant};

use policy::{
    Consistency, PresharedKey, Reason, RelationshipService, ServiceError, SpiceDb, SpiceDbConfig, Tls, Token, Window,
    Write,
};
use policy_core::{Check, Context, LookupResources, Update};

use crate::SLICE;
use crate::world::{SCHEMA, World, reader};

/// Relationships of one write: as many as SpiceDB takes.
const BATCH: usize = 1_000;

/// What it is given for one answer.
const DEADLINE: Duration = Duration::from_secs(30);

pub struct Loaded {
    service: SpiceDb,
    /// What it answers from: nothing changes while it is measured, and its caches may help it.
    at: Token,
}

fn in_time<T>(answer: Result<T, ServiceError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) if error.reason == Reason::Unavailable => {
            eprintln!("note: SpiceDB has not answered within {} s", DEADLINE.as_secs());
            None
        }
        Err(error) => panic!("SpiceDB answers: {error}"),
    }
}

impl Loaded {
    /// `None`, with a note, when no SpiceDB runs beside the bench.
    pub async fn open(world: &World) -> Option<Loaded> {
        let Ok(address) = std::env::var("ALLOD_TEST_SPICEDB") else {
            eprintln!("note: no SpiceDB beside this run; its columns stay empty (make bench starts one)");
            return None;
        };
        // Every token has a store of its own.
        let key = format!("bench-{}-{}", std::process::id(), world.tuples.len());
        let mut config = SpiceDbConfig::new(address, PresharedKey::new(&key).expect("a key"));
        config.tls = Tls::Off;
        config.deadline = DEADLINE;
        config.stream_deadline = config.deadline;
        let service = SpiceDb::new(&config).expect("a configuration");
        let mut at = service.write_schema(SCHEMA).await.expect("SpiceDB takes the schema");
        for batch in world.tuples.chunks(BATCH) {
            let updates = batch.iter().cloned().map(Update::Touch).collect();
            let write = Write { updates, ..Write::default() };
            at = service.write(write).await.expect("SpiceDB takes the relationships");
        }
        Some(Loaded { service, at })
    }

    fn at(&self) -> Consistency {
        Consistency::AtLeast(self.at.clone())
    }

    /// `None`, with a note, if it has not answered by the deadline.
    async fn answers(&self, checks: &[Check]) -> Option<Vec<bool>> {
        let answers = in_time(self.service.check(checks, &self.at()).await)?;
        Some(answers.decisions.into_iter().map(|decision| decision.expect("an answer").allowed()).collect())
    }

    /// One check a call, microseconds a check.
    pub async fn check(&self, checks: &[Check], expected: bool) -> Option<f64> {
        let (start, mut times) = (Instant::now(), 0usize);
        while start.elapsed() < SLICE {
            let check = std::slice::from_ref(&checks[times % checks.len()]);
            assert_eq!(self.answers(check).await?, [expected], "{}", check[0]);
            times += 1;
        }
        Some(start.elapsed().as_secs_f64() * 1e6 / times as f64)
    }

    /// Many checks a call, checks a second.
    pub async fn bulk(&self, checks: &[Check]) -> Option<f64> {
        let (start, mut done) = (Instant::now(), 0);
        while start.elapsed() < SLICE {
            done += self.answers(checks).await?.len();
        }
        Some(done as f64 / start.elapsed().as_secs_f64())
    }

    /// One lookup of everything that the reader may see, milliseconds.
    pub async fn lookup(&self, expected: usize) -> Option<f64> {
        let lookup = LookupResources {
            kind: "document".into(),
            permission: "view".into(),
            subject: reader(),
            context: Context::new(),
        };
        let (start, mut times) = (Instant::now(), 0);
        while start.elapsed() < SLICE {
            let page = in_time(self.service.lookup_resources(&lookup, &Window::default(), &self.at()).await)?;
            assert_eq!(page.items.len(), expected);
            times += 1;
        }
        Some(start.elapsed().as_secs_f64() * 1e3 / f64::from(times))
    }
}
