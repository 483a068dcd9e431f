//! A disagreement as a validation file of SpiceDB, which says what SpiceDB answers.

use std::fmt::Write;

use serde_json::Value;

use crate::compare::{Mismatch, Question};

pub fn yaml(mismatch: &Mismatch) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "# seed {}; SpiceDB: {}; ours: {}", mismatch.seed, mismatch.theirs, mismatch.ours);
    let schema = match &mismatch.question {
        Question::Schema(schema) => schema.clone(),
        _ => mismatch.world.schema.text(),
    };
    text.push_str("schema: |-\n");
    for line in schema.lines() {
        let _ = writeln!(text, "  {line}");
    }
    if !matches!(mismatch.question, Question::Schema(_)) {
        text.push_str("relationships: |-\n");
        for tuple in &mismatch.world.relationships {
            let _ = writeln!(text, "  {}", tuple.to_text());
        }
    }
    match &mismatch.question {
        Question::Relationship(tuple) => text.push_str(&format!("# relationship: {:?}\n", tuple.to_text())),
        Question::Resource(lookup, _) => text.push_str(&format!("# {lookup:?}\n")),
        Question::Subject(lookup, _) => text.push_str(&format!("# {lookup:?}\n")),
        Question::Change(schema) => text.push_str(&format!("# changed to {schema:?}\n")),
        Question::Schema(_) | Question::Check(_) => {}
    }
    let Some(check) = mismatch.question.check() else { return text };
    let list = match mismatch.theirs.as_str() {
        theirs if theirs.contains("Yes") => "assertTrue",
        theirs if theirs.contains("No") => "assertFalse",
        theirs if theirs.contains("Conditional") || theirs.contains("Maybe") => "assertCaveated",
        _ => "# an error:",
    };
    let context = match check.context.is_empty() {
        true => String::new(),
        false => format!(" with {}", Value::Object(check.context.clone())),
    };
    let _ = writeln!(text, "assertions:\n  {list}:\n    - '{}'", format!("{check}{context}").replace('\'', "''"));
    text
}
