//! `allod policy test`.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use policy::Memory;
use policy::validation::{Asserted, Compared, MAX_VALIDATION_FILE_BYTES, Report, SchemaSource, ValidationFile, run};
use policy_core::MAX_SCHEMA_BYTES;
use serde_json::{Value, json};

use super::super::Common;
use super::super::output::{Exit, Failure, print};
use super::why;

#[derive(Debug, Args)]
pub struct Test {
    /// Validation files: schema or schemaFile, relationships, assertions, validation
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

impl Test {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let mut files = Vec::with_capacity(self.files.len());
        for path in &self.files {
            files.push(one(path).await?);
        }
        let passed = files.iter().all(|file| file["passed"] == true);
        print(common.json, &json!({ "passed": passed, "files": files }), text);
        Ok(if passed { Exit::Done } else { Exit::Failed })
    }
}

/// What came out of one file. A file that cannot be opened is wrong usage; what is wrong in it is a failed test.
async fn one(path: &Path) -> Result<Value, Failure> {
    let name = path.display().to_string();
    let text = super::read(path, MAX_VALIDATION_FILE_BYTES)?;
    let failed = |error: String| json!({ "file": name, "passed": false, "error": error });
    let file = match ValidationFile::parse(&text) {
        Ok(file) => file,
        Err(error) => return Ok(failed(error.to_string())),
    };
    let schema = match &file.schema {
        SchemaSource::Here { text, .. } => text.clone(),
        SchemaSource::File { path: schema, at } => {
            if !Path::new(schema).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
                let message = format!(
                    "line {}: schemaFile `{schema}` must be a file in or below the directory of the validation file",
                    at.line
                );
                return Ok(failed(message));
            }
            super::read(&path.parent().unwrap_or(Path::new(".")).join(schema), MAX_SCHEMA_BYTES)?
        }
    };
    Ok(match run(&file, &schema, &Memory::new(Arc::new(policy::wall_clock))).await {
        Ok(report) => reported(&name, &report),
        Err(error) => failed(error.to_string()),
    })
}

fn reported(name: &str, report: &Report) -> Value {
    json!({
        "file": name,
        "passed": report.passed(),
        "relationships": report.relationships,
        "assertions": report.assertions.iter().map(asserted).collect::<Vec<_>>(),
        "validation": report.expected.iter().map(compared).collect::<Vec<_>>(),
    })
}

fn asserted(one: &Asserted) -> Value {
    let mut value = json!({
        "line": one.at.line, "column": one.at.column, "check": one.text, "passed": one.passed(),
        "expected": why::word(one.expected),
        "got": one.got.as_ref().map_or("error", |got| why::word(*got)),
    });
    if !one.passed() {
        let error = one.got.as_ref().err().into_iter().cloned();
        let lacks = (!one.missing.is_empty()).then(|| format!("lacks {}", one.missing.join(", ")));
        let trace = one.trace.iter().flat_map(why::lines);
        value["why"] = error.chain(lacks).chain(trace).collect();
    }
    value
}

fn compared(one: &Compared) -> Value {
    let differences: Vec<Value> =
        one.differences.iter().map(|one| json!({ "line": one.at.line, "message": one.message })).collect();
    json!({
        "line": one.at.line, "permission": format!("{}#{}", one.resource, one.member), "passed": one.passed(),
        "differences": differences,
    })
}

fn text(value: &Value) -> String {
    let files: Vec<&Value> = value["files"].as_array().into_iter().flatten().collect();
    let mut lines: Vec<String> = files.iter().flat_map(|file| file_lines(file)).collect();
    if files.len() > 1 {
        let passed = files.iter().filter(|file| file["passed"] == true).count();
        lines.push(format!("{passed} of {} files passed", files.len()));
    }
    lines.join("\n")
}

fn file_lines(file: &Value) -> Vec<String> {
    let name = file["file"].as_str().unwrap_or_default();
    if let Some(error) = file["error"].as_str() {
        return vec![format!("{name}: cannot be run"), format!("  {error}")];
    }
    let list = |key: &str| file[key].as_array().map_or(&[][..], Vec::as_slice);
    let (assertions, validation) = (list("assertions"), list("validation"));
    let wrong = |list: &[Value]| list.iter().filter(|one| one["passed"] != true).count();
    let (failed, all) = (wrong(assertions) + wrong(validation), assertions.len() + validation.len());
    let about = format!(
        "{}, {}, {}",
        count(file["relationships"].as_u64().unwrap_or_default(), "relationship"),
        count(assertions.len(), "assertion"),
        count(validation.len(), "list of members")
    );
    if failed == 0 {
        return vec![format!("{name}: passed ({about})")];
    }
    let mut lines = vec![format!("{name}: {failed} of {all} failed ({about})")];
    for one in assertions.iter().filter(|one| one["passed"] != true) {
        let word = |key: &str| one[key].as_str().unwrap_or_default();
        lines.push(format!("  line {}: {}", one["line"], word("check")));
        lines.push(format!("    expected {}, got {}", word("expected"), word("got")));
        lines.extend(
            one["why"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|why| format!("      {}", why.as_str().unwrap_or_default())),
        );
    }
    for one in validation.iter().filter(|one| one["passed"] != true) {
        lines.push(format!(
            "  line {}: the members of {}",
            one["line"],
            one["permission"].as_str().unwrap_or_default()
        ));
        for difference in one["differences"].as_array().into_iter().flatten() {
            lines.push(format!(
                "    line {}: {}",
                difference["line"],
                difference["message"].as_str().unwrap_or_default()
            ));
        }
    }
    lines
}

/// `1 thing`, `2 things`; of `list of members` the list is counted.
fn count<N: TryInto<u64>>(n: N, thing: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    match thing.split_once(' ') {
        _ if n == 1 => format!("1 {thing}"),
        Some((first, rest)) => format!("{n} {first}s {rest}"),
        None => format!("{n} {thing}s"),
    }
}
