//! The bound values of one statement: values never stand in its text.

use hashbrown::HashMap;
use rusqlite::Statement;
use rusqlite::types::Value as Sql;

/// Parameters of one statement: SQLite takes 32,766.
const PARAMETERS: usize = 32_000;
/// A value that is longer is bound anew each time.
const MAX_REUSED_BYTES: usize = 64;

/// Parameters `?1…`; the first `arguments` are given anew for each execution. A value that stands in many places is
/// bound once: the conditions of a permit are asked wherever a relation leads to what they cover.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters {
    arguments: usize,
    values: Vec<Sql>,
    known: HashMap<Known, usize>,
}

/// A short value, so that it is found again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Known {
    Null,
    Integer(i64),
    /// Its bits.
    Real(u64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Known {
    fn of(value: &Sql) -> Option<Known> {
        Some(match value {
            Sql::Null => Known::Null,
            Sql::Integer(n) => Known::Integer(*n),
            Sql::Real(n) => Known::Real(n.to_bits()),
            Sql::Text(text) if text.len() <= MAX_REUSED_BYTES => Known::Text(text.as_bytes().to_vec()),
            Sql::Blob(bytes) if bytes.len() <= MAX_REUSED_BYTES => Known::Blob(bytes.clone()),
            Sql::Text(_) | Sql::Blob(_) => return None,
        })
    }
}

impl Parameters {
    pub(super) fn with_arguments(arguments: usize) -> Self {
        Parameters { arguments, ..Parameters::default() }
    }

    /// Takes a value and names its parameter.
    pub(super) fn bind(&mut self, value: Sql) -> String {
        let next = self.arguments + self.values.len() + 1;
        if let Some(known) = Known::of(&value) {
            let number = *self.known.entry(known).or_insert(next);
            if number != next {
                return format!("?{number}");
            }
        }
        self.values.push(value);
        format!("?{next}")
    }

    /// Whether there are more than a statement takes.
    pub(super) fn is_wide(&self) -> bool {
        self.arguments + self.values.len() > PARAMETERS
    }

    /// Binds all but the arguments, once for all executions.
    pub(super) fn give(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
        for (i, value) in self.values.iter().enumerate() {
            statement.raw_bind_parameter(self.arguments + i + 1, value)?;
        }
        Ok(())
    }
}
