//! Policy: schemas without a node (test, compare, lint, serve from memory), and what is in force on a running one.

mod access;
mod diff;
mod lint;
mod node;
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
    /// Print the schema that is in force on the running node
    Schema,
    /// Put a schema into force: the platform's definitions as they are, and your own
    Write(node::Write),
    /// Ask the running node, and be told how the answer came about
    Explain(node::Explain),
    /// Who can see a field, and by which relationships
    Who(access::Who),
    /// What an app can see
    App(access::Sees),
    /// Every change of policy on the running node; fails if the record was tampered with
    Audit(node::Audit),
    /// Move schema and relationships to SpiceDB or back, and verify that nothing was lost
    Migrate(node::Migrate),
    /// Serve SpiceDB's API from memory, an empty store for each bearer token, for tests of its clients
    ServeTesting(serve_testing::ServeTesting),
}

impl Policy {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Policy::Test(command) => command.run(common).await,
            Policy::Diff(command) => command.run(common),
            Policy::Lint(command) => command.run(common),
            Policy::Schema => node::schema(common).await,
            Policy::Write(command) => command.run(common).await,
            Policy::Explain(command) => command.run(common).await,
            Policy::Who(command) => command.run(common).await,
            Policy::App(command) => command.run(common).await,
            Policy::Audit(command) => command.run(common).await,
            Policy::Migrate(command) => command.run(common).await,
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
