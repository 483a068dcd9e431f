//! What commands print, and the codes they end with.

use std::io::{IsTerminal, Write};

use serde_json::{Value, json};

use super::logging;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Refused = 3,
    NotFound = 4,
    Unreachable = 5,
}

/// Why a command failed: a stable code, a sentence, and what to do next.
#[derive(Debug, Clone)]
pub struct Failure {
    pub exit: Exit,
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, code: &str, message: &str) -> Self {
        Failure { exit, code: code.to_owned(), message: message.to_owned(), hint: None }
    }
    pub fn failed(code: &str, message: &str) -> Self {
        Self::new(Exit::Failed, code, message)
    }
    pub fn usage(code: &str, message: &str) -> Self {
        Self::new(Exit::Usage, code, message)
    }
    #[must_use]
    pub fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }

    /// A failure whose message begins with its code and a colon.
    pub fn coded(exit: Exit, message: &str) -> Self {
        match message.split_once(": ") {
            Some((code, rest)) if code.chars().all(|c| c.is_ascii_lowercase() || c == '_') => {
                Self::new(exit, code, rest)
            }
            _ => Self::new(exit, "failed", message),
        }
    }
}

impl From<vault::keyring::DirectoryError> for Failure {
    fn from(error: vault::keyring::DirectoryError) -> Self {
        Failure::coded(Exit::Failed, &error.to_string())
    }
}

/// Prints a result: as JSON, or by `text` for people. Who does not read it to its end has read enough.
pub fn print(json_wanted: bool, value: &Value, text: impl FnOnce(&Value) -> String) {
    let text = if json_wanted { value.to_string() } else { text(value) };
    say(text.trim_end());
}

/// Prints a failure.
pub fn print_failure(failure: &Failure, json_wanted: bool) {
    if json_wanted {
        let hint = failure.hint.as_deref().filter(|hint| !hint.is_empty());
        say(&json!({"error": {"code": failure.code, "message": failure.message, "hint": hint}}).to_string());
    } else {
        logging::line(&format!("error: {} ({})", failure.message, failure.code));
        if let Some(hint) = failure.hint.as_ref().filter(|hint| !hint.is_empty()) {
            logging::line(&format!("hint: {hint}"));
        }
    }
}

/// A line on stdout. Who does not read it to its end has read enough.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A list of objects as lines of `name: value`, for people.
pub fn lines(value: &Value) -> String {
    let one = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let object = |value: &Value| match value {
        Value::Object(map) => map.iter().map(|(k, v)| format!("{k}: {}", one(v))).collect::<Vec<_>>().join("  "),
        other => one(other),
    };
    match value {
        Value::Array(items) if items.is_empty() => "(none)".to_owned(),
        Value::Array(items) => items.iter().map(object).collect::<Vec<_>>().join("\n"),
        Value::Object(map) => map.iter().map(|(k, v)| format!("{k}: {}", one(v))).collect::<Vec<_>>().join("\n"),
        other => one(other),
    }
}

/// A bar for long work, on stderr, if a person looks.
pub fn progress(message: &'static str) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(0);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    if let Ok(style) = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(message);
    bar
}
