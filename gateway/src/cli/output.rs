//! What commands print.

use std::io::IsTerminal;

use serde_json::{Value, json};

use super::logging;
pub use crate::failure::{Exit, Failure};
pub use crate::stdout::say;

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
