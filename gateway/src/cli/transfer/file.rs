//! Which format a file has.

use std::path::Path;

use gateway_transfer::{Format, TransferError};

use super::super::output::{Exit, Failure};

const FORMATS: &str = "jsonl, json, csv, sqlite";

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Failure {
        let exit = match error.code {
            "file_failed" => Exit::Failed,
            _ => Exit::Usage,
        };
        let failure = Failure::new(exit, error.code, &error.message);
        match error.code {
            "file_exists" => failure.hint("name another file, or say --force to replace it"),
            _ => failure,
        }
    }
}

/// The format that is said, or that the name of the file says.
pub fn format_of(said: Option<&str>, file: &Path) -> Result<Format, Failure> {
    let ending = file.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let name = said.unwrap_or(ending);
    if name.eq_ignore_ascii_case("car") {
        let text = "CAR archives are neither written nor read here";
        return Err(Failure::usage("format_unsupported", text)
            .hint("`allod backup create` keeps everything with its history; for documents alone take jsonl"));
    }
    match said {
        Some(name) => Format::named(name),
        None => Format::of(file),
    }
    .ok_or_else(|| {
        let text = match said {
            Some(name) => format!("`{name}` is no format"),
            None => format!("the name of {} does not say its format", file.display()),
        };
        Failure::usage("format_unknown", &text).hint(&format!("say --format: {FORMATS}"))
    })
}

/// Whether it is stdin or stdout that is meant.
pub fn is_std(file: &Path) -> bool {
    file.as_os_str() == "-"
}
