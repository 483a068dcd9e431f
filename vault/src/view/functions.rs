//! Functions that SQL calls back for what it cannot say itself: conditions on lists, JSON and
//! patterns, sets of documents, and sums that do not overflow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use policy_core::DocId;
use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value as Sql, ValueRef};

use super::matching::Test;

/// How many bytes are looked through between two looks at the clock.
const CLOCK_EVERY: usize = 1 << 20;

/// What the running query calls back for, by number: its text stays the same whatever this holds.
#[derive(Default)]
pub(super) struct Called {
    pub(super) tests: Vec<Test>,
    /// Sorted.
    pub(super) documents: Vec<Arc<[DocId]>>,
}

/// `allod_test(value, n)`: whether the value passes test `n` of the running query. `allod_among(doc, n)`: whether
/// the document is in set `n` of it.
pub(super) fn register(
    connection: &Connection,
    called: &Arc<Mutex<Called>>,
    deadline: &Arc<Mutex<Option<Instant>>>,
) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let (tests, deadline) = (Arc::clone(called), Arc::clone(deadline));
    let looked_through = AtomicUsize::new(0);
    connection.create_scalar_function("allod_test", 2, flags, move |context| {
        let number: i64 = context.get(1)?;
        let called = tests.lock();
        let Some(test) = usize::try_from(number).ok().and_then(|n| called.tests.get(n)) else { return Ok(false) };
        let value = context.get_raw(0);
        // SQLite looks at the clock between its own steps: one of ours may take as long as many of them.
        if looked_through.fetch_add(test.cost(value), Ordering::Relaxed) > CLOCK_EVERY {
            looked_through.store(0, Ordering::Relaxed);
            if deadline.lock().is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(rusqlite::Error::UserFunctionError("the time is up".into()));
            }
        }
        Ok(test.passes(value))
    })?;
    let documents = Arc::clone(called);
    connection.create_scalar_function("allod_among", 2, flags, move |context| {
        let number: i64 = context.get(1)?;
        let called = documents.lock();
        let set = usize::try_from(number).ok().and_then(|n| called.documents.get(n));
        // A set that is not there would be a defect: an error, and not false, for the answer may stand under NOT.
        let set = set.ok_or_else(|| rusqlite::Error::UserFunctionError("no such set of documents".into()))?;
        let document = context.get_raw(0).as_blob().ok().and_then(DocId::from_slice);
        Ok(document.is_some_and(|document| set.binary_search(&document).is_ok()))
    })?;
    let flags = flags | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_aggregate_function("allod_sum", 1, flags, Numbers { average: false })?;
    connection.create_aggregate_function("allod_avg", 1, flags, Numbers { average: true })
}

struct Numbers {
    average: bool,
}

/// The numbers so far: integers exactly, floats apart.
#[derive(Default)]
struct Sum {
    count: u64,
    ints: i128,
    floats: Option<f64>,
}

impl Aggregate<Sum, Sql> for Numbers {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Sum> {
        Ok(Sum::default())
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut Sum) -> rusqlite::Result<()> {
        match context.get_raw(0) {
            ValueRef::Integer(n) => sum.ints += i128::from(n),
            ValueRef::Real(n) => *sum.floats.get_or_insert(0.0) += n,
            _ => return Ok(()),
        }
        sum.count += 1;
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sum: Option<Sum>) -> rusqlite::Result<Sql> {
        let sum = sum.unwrap_or_default();
        if sum.count == 0 {
            return Ok(Sql::Integer(0));
        }
        let total = || sum.ints as f64 + sum.floats.unwrap_or(0.0);
        Ok(match (self.average, sum.floats, i64::try_from(sum.ints)) {
            (true, ..) => Sql::Real(total() / sum.count as f64),
            (false, None, Ok(n)) => Sql::Integer(n),
            _ => Sql::Real(total()),
        })
    }
}
