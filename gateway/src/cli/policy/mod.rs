//! The relationship schema without a node: test it, compare two, look for likely mistakes, serve it from memory.

mod diff;
mod lint;
mod serve_testing;
mod test;
mod why;

use std::path::Path;

use clap::Subcommand;
use policy_core::{MAX_SCHEMA_BYTES, Schema};

use super::Common;
use super::output::{Exit, Failure};

#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Run SpiceDB validation files: what they assert and expect must follow from their schema and relationships
    Test(test::Test),
    /// What changes from one schema to another, and what that means for relationships that exist
    Diff(diff::Diff),
    /// What in a schema is likely a mistake
    Lint(lint::Lint),
    /// Serve SpiceDB's API from memory, an empty store for each bearer token, for tests of its clients
    ServeTesting(serve_testing::ServeTesting),
}

impl Policy {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Policy::Test(command) => command.run(common).await,
            Policy::Diff(command) => command.run(common),
            Policy::Lint(command) => command.run(common),
            Policy::ServeTesting(command) => command.run(common).await,
        }
    }
}

/// The text of a file, if it is not longer than `most` bytes.
fn read(path: &Path, most: usize) -> Result<String, Failure> {
    use std::io::Read;
    let unreadable = |error: std::io::Error| Failure::usage("unreadable", &format!("{}: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() > most {
        return Err(Failure::usage("too_long", &format!("{}: longer than {most} bytes", path.display())));
    }
    Ok(text)
}

/// The schema in a file, and its text.
fn schema(path: &Path) -> Result<Schema, Failure> {
    let text = read(path, MAX_SCHEMA_BYTES)?;
    Schema::parse(&text).map_err(|error| Failure::failed("schema_wrong", &format!("{}: {error}", path.display())))
}
