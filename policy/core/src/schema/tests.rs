//! Every row of these tables is what SpiceDB 1.54.0 answers.

mod caveats;
mod diff;
mod language;
mod limits;
mod lint;
mod names;
mod partials;
mod reach;
mod reflect;
mod source;
mod syntax;
mod types;

use super::*;

const USER: &str = "definition user {}\n";

fn fails(text: &str) -> SchemaError {
    match Schema::parse(text) {
        Err(error) => error,
        Ok(_) => panic!("taken: {}", beginning(text)),
    }
}

fn reads(text: &str) -> Schema {
    Schema::parse(text).unwrap_or_else(|error| panic!("{}: {error}", beginning(text)))
}

fn beginning(text: &str) -> String {
    text.chars().take(500).collect()
}

/// Each text is refused at this line and column, with exactly this message.
fn refused(fault: SchemaFault, rows: &[(&str, (u32, u32), &str)]) {
    for (text, place, message) in rows {
        let error = fails(text);
        assert_eq!(error.message, *message, "{text}");
        assert_eq!((error.fault, (error.line, error.column)), (fault, *place), "{text}");
    }
}

/// Each text is taken, and written out again as this.
fn accepted(rows: &[(&str, &str)]) {
    for (text, source) in rows {
        assert_eq!(reads(text).to_source(), *source, "{text}");
    }
}
