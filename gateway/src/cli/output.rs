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
        for line in failure_lines(failure) {
            logging::line(&line);
        }
    }
}

/// A failure, for people. What a node says of one may hold anything.
fn failure_lines(failure: &Failure) -> Vec<String> {
    let mut lines = vec![format!("error: {} ({})", plain(&failure.message), plain(&failure.code))];
    let hint = failure.hint.as_ref().filter(|hint| !hint.is_empty());
    lines.extend(hint.map(|hint| format!("hint: {}", plain(hint))));
    lines
}

/// Without what a terminal would obey; what is on lines of its own stays so.
fn plain(text: &str) -> String {
    text.chars().map(|one| if one.is_control() && one != '\n' { '\u{fffd}' } else { one }).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_moves_no_cursor() {
        let (message, code) = ("\u{1b}]0;title\u{7}\u{1b}[2Kno\rtwo\nlines\u{9b}1m", "x\u{1b}[31m");
        let said = failure_lines(&Failure::failed(code, message).hint("\u{8}try")).join("\n");
        assert!(!said.chars().any(|one| one.is_control() && one != '\n'), "{said:?}");
        assert!(said.contains("two\nlines") && said.contains("hint: ") && said.contains("try"), "{said:?}");
        let failure = Failure::failed("file_exists", "“ä” is there already").hint("--force replaces it");
        let lines = ["error: “ä” is there already (file_exists)", "hint: --force replaces it"];
        assert_eq!(failure_lines(&failure), lines, "control");
    }
}
