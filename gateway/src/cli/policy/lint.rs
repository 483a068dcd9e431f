//! `allod policy lint`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::super::Common;
use super::super::output::{Exit, Failure, print};

#[derive(Debug, Args)]
pub struct Lint {
    /// The schemas
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl Lint {
    pub fn run(self, common: &Common) -> Result<Exit, Failure> {
        let mut found = Vec::new();
        for file in &self.files {
            for lint in super::schema(file)?.lint() {
                found.push(json!({
                    "file": file.display().to_string(), "line": lint.line, "column": lint.column,
                    "name": lint.kind.name(), "message": lint.message,
                }));
            }
        }
        let exit = if found.is_empty() { Exit::Done } else { Exit::Failed };
        print(common.json, &Value::Array(found), text);
        Ok(exit)
    }
}

fn text(found: &Value) -> String {
    let one = |lint: &Value| {
        let word = |key: &str| lint[key].as_str().unwrap_or_default().to_owned();
        format!("{}:{}:{}: {} ({})", word("file"), lint["line"], lint["column"], word("message"), word("name"))
    };
    let lines: Vec<String> = found.as_array().into_iter().flatten().map(one).collect();
    if lines.is_empty() { "Nothing looks like a mistake.".to_owned() } else { lines.join("\n") }
}
