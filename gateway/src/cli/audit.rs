//! `allod audit`: who did what, and when.

use clap::Args;
use serde_json::Value;

use super::Common;
use super::output::{Exit, Failure, print};
use super::remote::segment;

/// Who did what and when, newest first: everybody's, for operators
#[derive(Debug, Args)]
pub struct Audit {
    /// Only one's own, as the person of --token-file
    #[arg(long, conflicts_with_all = ["user", "app"])]
    mine: bool,
    /// What concerns this person
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// What an app did, and what is about it
    #[arg(long, value_name = "CLIENT_ID")]
    app: Option<String>,
    /// What was done, as the audit names it: grant.revoked
    #[arg(long)]
    action: Option<String>,
    /// By whom: operator, person, app or node
    #[arg(long)]
    by: Option<String>,
}

impl Audit {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let said = [("user", self.user), ("app", self.app), ("action", self.action), ("by", self.by)];
        let said: Vec<String> =
            said.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", segment(&value?)))).collect();
        let path = if self.mine { "/api/v1/audit" } else { "/api/v1/audit/all" };
        let acts = common.node()?.get(&format!("{path}?{}", said.join("&"))).await?;
        print(common.json, &acts, table);
        Ok(Exit::Done)
    }
}

/// A line an act.
fn table(acts: &Value) -> String {
    let text = |act: &Value, key: &str| act[key].as_str().unwrap_or_default().to_owned();
    let line = |act: &Value| {
        let by = act["actor_name"].as_str().unwrap_or_else(|| act["actor"].as_str().unwrap_or_default());
        format!(
            "{}  {:<12} {:<24} {:<12} {}",
            text(act, "at"),
            text(act, "user_name"),
            text(act, "action"),
            by,
            act["detail"]
        )
    };
    acts.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(line).collect::<Vec<_>>().join("\n")
}
