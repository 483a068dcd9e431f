//! A disagreement as a validation file of SpiceDB, which says what SpiceDB answers.

use std::fmt::Write;

use policy_core::{Check, Object, Subject};
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
    let check = match &mismatch.question {
        Question::Schema(_) => return text,
        Question::Relationship(tuple) => {
            let _ = writeln!(text, "# relationship: {:?}", tuple.to_text());
            return text;
        }
        Question::Check(check) => check.clone(),
        Question::Resource(lookup, id) => {
            let _ = writeln!(text, "# look-up of resources {} {}", lookup.kind, lookup.permission);
            Check {
                resource: Object::new(&lookup.kind, id),
                permission: lookup.permission.clone(),
                subject: lookup.subject.clone(),
                context: lookup.context.clone(),
            }
        }
        Question::Subject(lookup, id) => {
            let _ = writeln!(text, "# look-up of subjects {} {:?}", lookup.kind, lookup.relation);
            Check {
                resource: lookup.resource.clone(),
                permission: lookup.permission.clone(),
                subject: Subject { object: Object::new(&lookup.kind, id), relation: lookup.relation.clone() },
                context: lookup.context.clone(),
            }
        }
    };
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
