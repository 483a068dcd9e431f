//! Functions that SQL calls back for what it cannot say itself: conditions on lists, JSON and
//! patterns, sets of documents, and sums that do not overflow.

use std::sync::Arc;

use parking_lot::Mutex;
use policy_core::DocId;
use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value as Sql, ValueRef};

use super::matching::Test;
use super::watch::Meter;

/// What the running query calls back for, by number: its text stays the same whatever this holds.
#[derive(Default)]
pub(super) struct Called {
    pub(super) tests: Vec<Test>,
    /// Sorted.
    pub(super) documents: Vec<Arc<[DocId]>>,
    /// The rows of documents as they were, by column.
    pub(super) past: Vec<Vec<Sql>>,
}

/// `allod_test(value, n)`: whether the value passes test `n` of the running query. `allod_among(doc, n)`: whether
/// the document is in set `n` of it. `allod_past(n, column)`: a value of a document as it was.
pub(super) fn register(connection: &Connection, called: &Arc<Mutex<Called>>, meter: &Meter) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let (tests, spent) = (Arc::clone(called), meter.clone());
    connection.create_scalar_function("allod_test", 2, flags, move |context| {
        let number: i64 = context.get(1)?;
        let called = tests.lock();
        let Some(test) = usize::try_from(number).ok().and_then(|n| called.tests.get(n)) else { return Ok(false) };
        // SQLite looks at the clock between its own steps: one of ours may take as long as many of them.
        Ok(test.passes(context.get_raw(0), &spent)?)
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
    let (past, spent) = (Arc::clone(called), meter.clone());
    connection.create_scalar_function("allod_past", 2, flags, move |context| {
        let (row, column): (i64, i64) = (context.get(0)?, context.get(1)?);
        let called = past.lock();
        let row = usize::try_from(row).ok().and_then(|row| called.past.get(row));
        let value = usize::try_from(column).ok().zip(row).and_then(|(column, row)| row.get(column));
        let value = value.ok_or_else(|| rusqlite::Error::UserFunctionError("no such row of the past".into()))?;
        // It is copied, each time that a column is looked at.
        if let Sql::Text(text) = value {
            spent.spend(text.len())?;
        } else if let Sql::Blob(bytes) = value {
            spent.spend(bytes.len())?;
        }
        Ok(value.clone())
    })?;
    let flags = flags | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_aggregate_function("allod_sum", 1, flags, Numbers { average: false })?;
    connection.create_aggregate_function("allod_avg", 1, flags, Numbers { average: true })
}

struct Numbers {
    average: bool,
}

/// The numbers so far: integers exactly, floats as a sum of floats that do not overlap (Shewchuk, "Adaptive Precision
/// Floating-Point Arithmetic", 1997), so that the total is the same in whatever order the rows come.
#[derive(Default)]
struct Sum {
    count: u64,
    ints: i128,
    /// Ascending by magnitude. `None`: there was no float.
    floats: Option<Vec<f64>>,
}

/// Takes a float into a sum of floats that do not overlap.
fn take(parts: &mut Vec<f64>, mut x: f64) {
    let mut kept = 0;
    for i in 0..parts.len() {
        let (large, small) = if x.abs() < parts[i].abs() { (parts[i], x) } else { (x, parts[i]) };
        let high = large + small;
        let low = small - (high - large);
        if low != 0.0 {
            parts[kept] = low;
            kept += 1;
        }
        x = high;
    }
    parts.truncate(kept);
    parts.push(x);
}

/// The float that is nearest to the sum.
fn rounded(parts: &[f64]) -> f64 {
    let Some((&last, mut rest)) = parts.split_last() else { return 0.0 };
    let (mut high, mut low) = (last, 0.0);
    while let Some((&y, before)) = rest.split_last() {
        let x = high;
        high = x + y;
        low = y - (high - x);
        rest = before;
        if low != 0.0 {
            break;
        }
    }
    // Half-way between two floats, what is left says which is nearer.
    if let Some(&next) = rest.last()
        && ((low < 0.0 && next < 0.0) || (low > 0.0 && next > 0.0))
    {
        let twice = low * 2.0;
        let other = high + twice;
        if twice == other - high {
            high = other;
        }
    }
    high
}

impl Sum {
    fn total(&self) -> f64 {
        let Some(floats) = &self.floats else { return self.ints as f64 };
        let mut parts = floats.clone();
        const LOW: i128 = (1 << 48) - 1;
        for (shift, piece) in [(0, self.ints & LOW), (48, (self.ints >> 48) & LOW), (96, self.ints >> 96)] {
            take(&mut parts, piece as f64 * 2f64.powi(shift));
        }
        rounded(&parts)
    }
}

impl Aggregate<Sum, Sql> for Numbers {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Sum> {
        Ok(Sum::default())
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut Sum) -> rusqlite::Result<()> {
        match context.get_raw(0) {
            ValueRef::Integer(n) => sum.ints += i128::from(n),
            ValueRef::Real(n) => take(sum.floats.get_or_insert_default(), n),
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
        let number = match (self.average, &sum.floats, i64::try_from(sum.ints)) {
            (true, ..) => sum.total() / sum.count as f64,
            (false, None, Ok(n)) => return Ok(Sql::Integer(n)),
            _ => sum.total(),
        };
        // A null would say that there is nothing.
        if number.is_finite() {
            Ok(Sql::Real(number))
        } else {
            Err(rusqlite::Error::UserFunctionError(TOO_LARGE.into()))
        }
    }
}

/// What is said of a sum that no float holds.
pub(super) const TOO_LARGE: &str = "a sum is beyond the range of 64-bit floats";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(all: &[f64]) -> f64 {
        let mut parts = Vec::new();
        all.iter().for_each(|x| take(&mut parts, *x));
        rounded(&parts)
    }

    #[test]
    fn sums_are_exact() {
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1e16, 1.0, -1e16]), 1.0);
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(sum(&[]), 0.0);
        assert!(!sum(&[1e308, 1e308]).is_finite());
        let mixed = Sum { count: 2, ints: (1 << 53) + 1, floats: Some(vec![-9_007_199_254_740_992.0]) };
        assert_eq!(mixed.total(), 1.0);
    }

    proptest! {
        #[test]
        fn sums_do_not_depend_on_the_order(mut all in proptest::collection::vec(-1e200..1e200f64, 0..20), small in proptest::collection::vec(-1e-3..1e3f64, 0..20)) {
            all.extend(small);
            let forth = sum(&all);
            all.reverse();
            prop_assert_eq!(forth.to_bits(), sum(&all).to_bits());
        }
    }
}
