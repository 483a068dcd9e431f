//! The bound values of one statement: values never stand in its text.

use rusqlite::Statement;
use rusqlite::types::Value as Sql;

/// Parameters `?1…`; the first `arguments` are given anew for each execution.
#[derive(Debug, Clone, Default)]
pub(super) struct Parameters {
    arguments: usize,
    values: Vec<Sql>,
}

impl Parameters {
    pub(super) fn with_arguments(arguments: usize) -> Self {
        Parameters { arguments, values: Vec::new() }
    }

    /// Takes a value and names its parameter.
    pub(super) fn bind(&mut self, value: Sql) -> String {
        self.values.push(value);
        format!("?{}", self.arguments + self.values.len())
    }

    /// Binds all but the arguments, once for all executions.
    pub(super) fn give(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
        for (i, value) in self.values.iter().enumerate() {
            statement.raw_bind_parameter(self.arguments + i + 1, value)?;
        }
        Ok(())
    }
}
