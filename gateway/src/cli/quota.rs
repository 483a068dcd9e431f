//! `allod quota`: how much each person may have.

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::Common;
use super::output::{Exit, Failure, lines, print};
use super::remote::segment;

#[derive(Debug, Subcommand)]
pub enum Quota {
    /// List what everybody may have, or one person
    List {
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Set it: spaces, groups, shares, links, codes, app_passwords, replicas, collections (of one space), folders, filings
    Set {
        kind: String,
        /// At most so many, or `default`
        #[arg(value_parser = most)]
        most: Most,
        /// For this person alone
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

/// A number, or what holds where nothing is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most(Option<u64>);

fn most(text: &str) -> Result<Most, String> {
    match text {
        "default" => Ok(Most(None)),
        number => number.parse().map(|n| Most(Some(n))).map_err(|_| "expected a number or `default`".to_owned()),
    }
}

impl Quota {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let value = match self {
            Quota::List { user: None } => node.get("/api/v1/quotas").await?,
            Quota::List { user: Some(user) } => node.get(&format!("/api/v1/quotas?user={}", segment(&user))).await?,
            Quota::Set { kind, most: Most(most), user } => {
                let body = json!({ "most": most, "user": user });
                node.call(Method::PUT, &format!("/api/v1/quotas/{}", segment(&kind)), Some(&body)).await?
            }
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}
