//! The relationship schema without a node.

mod serve_testing;

use clap::Subcommand;

use super::Common;
use super::output::{Exit, Failure};

#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Serve SpiceDB's API from memory, an empty store for each bearer token, for tests of its clients
    ServeTesting(serve_testing::ServeTesting),
}

impl Policy {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self {
            Policy::ServeTesting(command) => command.run(common).await,
        }
    }
}
