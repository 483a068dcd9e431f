//! What the process says on stdout.

use std::io::Write;

/// A line on stdout. Who does not read it to its end has read enough.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
