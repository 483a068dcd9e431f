//! `allod policy schema | write | explain | audit | migrate`: policy of the running node.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::super::Common;
use super::super::output::{Exit, Failure, lines, print};

#[derive(Debug, Args)]
pub struct Write {
    /// The whole schema: what `allod policy schema` prints, and more
    file: PathBuf,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// As in `document:1#view@user:tom`
    check: String,
    /// A JSON object: what the request knows, for caveats
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
}

#[derive(Debug, Args)]
pub struct Audit {
    /// Begin behind this number
    #[arg(long, default_value_t = 0)]
    after: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    Spicedb,
    Embedded,
}

#[derive(Debug, Args)]
pub struct Migrate {
    /// Which engine is to have everything
    #[arg(long)]
    to: Engine,
    /// SpiceDB's address, host:port
    #[arg(long, value_name = "ADDRESS")]
    spicedb: String,
    /// A file that holds SpiceDB's preshared key
    #[arg(long, value_name = "FILE")]
    spicedb_key_file: PathBuf,
    /// As for `allod serve`
    #[arg(long, value_name = "TLS", default_value = "system")]
    spicedb_tls: String,
    /// Let the target keep what it has
    #[arg(long)]
    merge: bool,
}

pub async fn schema(common: &Common) -> Result<Exit, Failure> {
    let answer = common.node()?.get("/api/v1/policy/schema").await?;
    print(common.json, &answer, |answer| answer["schema"].as_str().unwrap_or_default().to_owned());
    Ok(Exit::Done)
}

impl Write {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let text = super::read(&self.file, policy_core::MAX_SCHEMA_BYTES)?;
        let body = Some(("text/plain", text.into_bytes()));
        let answer = common.node()?.send(Method::PUT, "/api/v1/policy/schema", body).await?.ok()?;
        print(common.json, &answer, |answer| match answer["changed"].as_bool() {
            Some(true) => lines(&answer["changes"]),
            _ => "Nothing changed.".to_owned(),
        });
        Ok(Exit::Done)
    }
}

impl Explain {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let context: Value = match &self.context {
            None => json!({}),
            Some(text) => serde_json::from_str(text)
                .map_err(|error| Failure::usage("context_not_json", &format!("--context is no JSON: {error}")))?,
        };
        let question = json!({ "check": self.check, "context": context });
        let answer = common.node()?.post("/api/v1/policy/explain", &question).await?;
        print(common.json, &answer, explanation);
        Ok(if answer["allowed"] == true { Exit::Done } else { Exit::Refused })
    }
}

impl Audit {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let path = format!("/api/v1/policy/audit?after={}", self.after);
        let answer = common.node()?.get(&path).await?;
        print(common.json, &answer, lines);
        Ok(Exit::Done)
    }
}

impl Migrate {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let to = if self.to == Engine::Spicedb { "spicedb" } else { "embedded" };
        let key_file = std::path::absolute(&self.spicedb_key_file)
            .map_err(|error| Failure::usage("spicedb_key", &error.to_string()))?;
        let order = json!({ "to": to, "address": self.spicedb, "key_file": key_file, "tls": self.spicedb_tls,
            "merge": self.merge });
        let answer = common.node()?.post("/api/v1/policy/migrate", &order).await?;
        print(common.json, &answer, |moved| {
            format!(
                "{} relationships under {} definitions are there; {} questions were answered alike.",
                moved["relationships"], moved["definitions"], moved["checks"]
            )
        });
        Ok(Exit::Done)
    }
}

/// The answer, then what it rests on, indented by the way that it was found.
fn explanation(answer: &Value) -> String {
    let mut out = vec![answer["answer"].as_str().unwrap_or_default().to_owned()];
    let mut open = vec![(&answer["steps"], 0usize)];
    while let Some((step, depth)) = open.pop() {
        let indent = "  ".repeat(depth);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        out.push(format!("{indent}{}: {}", text(&step["check"]), text(&step["answer"])));
        let followed = std::iter::once(&step["by"]).chain(step["direct"].as_array().into_iter().flatten());
        for by in followed.filter(|by| !by.is_null()) {
            let caveat = &by["caveat"];
            let caveat = if caveat.is_null() {
                String::new()
            } else {
                format!(
                    "; {} ({}) with {}: {}",
                    text(&caveat["name"]),
                    text(&caveat["expression"]),
                    caveat["values"],
                    caveat["outcome"]
                )
            };
            out.push(format!("{indent}  by {}{caveat}", text(&by["relationship"])));
        }
        open.extend(step["steps"].as_array().into_iter().flatten().rev().map(|step| (step, depth + 1)));
    }
    out.join("\n")
}
