//! What apps ask for beyond what they were granted.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::Common;
use super::output::{Exit, Failure, lines, print};
use super::people::json_file;
use super::remote::segment;

#[derive(Debug, Subcommand)]
pub enum Request {
    /// List what waits for a decision
    List,
    /// Grant what an app asked, or what a file says of it; the app keeps its tokens
    Approve {
        id: String,
        /// A file that says what is left of it
        #[arg(long, value_name = "FILE")]
        access: Option<PathBuf>,
        /// It ends no later than this: an RFC 3339 instant, or a duration such as P30D
        #[arg(long)]
        until: Option<String>,
    },
    /// Decline what an app asked
    Decline { id: String },
}

impl Request {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let decide = |id: &str, what: &str| format!("/api/v1/requests/{}/{what}", segment(id));
        let value = match self {
            Request::List => node.get("/api/v1/requests").await?,
            Request::Approve { id, access, until } => {
                let access = access.map(|file| json_file(&file)).transpose()?;
                node.post(&decide(&id, "approve"), &json!({ "access": access, "until": until })).await?
            }
            Request::Decline { id } => node.post(&decide(&id, "decline"), &json!({})).await?,
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}
