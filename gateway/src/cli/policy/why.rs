//! How an answer came about, in lines for people.

use policy_core::{CaveatOutcome, Followed, Permissionship, Traced};

/// More lines than this are not shown.
const MAX_LINES: usize = 40;

pub fn word(permissionship: Permissionship) -> &'static str {
    match permissionship {
        Permissionship::Yes => "yes",
        Permissionship::No => "no",
        Permissionship::Conditional => "conditional",
    }
}

/// One line a step, indented by how far it is from the question; below a step the relationships that were followed.
pub fn lines(traced: &Traced) -> Vec<String> {
    let mut lines = Vec::new();
    // The steps that are still to be told, the next one last.
    let mut open = vec![(traced, 0)];
    while let Some((step, depth)) = open.pop() {
        if lines.len() >= MAX_LINES {
            lines.push("…".to_owned());
            break;
        }
        let indent = "  ".repeat(depth);
        let check = &step.check;
        let mut line = format!("{indent}{}#{}: {}", check.resource, check.permission, word(step.permissionship));
        if !step.missing.is_empty() {
            line.push_str(&format!(", lacks {}", step.missing.join(", ")));
        }
        lines.push(line);
        lines.extend(step.via.iter().map(|followed| format!("{indent}  by {}", relationship(followed))));
        lines.extend(step.direct.iter().map(|followed| format!("{indent}  {}", relationship(followed))));
        open.extend(step.steps.iter().rev().map(|step| (step, depth + 1)));
    }
    lines
}

/// A relationship, and what its caveat says.
fn relationship(followed: &Followed) -> String {
    let mut text = followed.tuple.to_text();
    if let Some(caveat) = &followed.caveat {
        let outcome = match &caveat.outcome {
            CaveatOutcome::True => "is met".to_owned(),
            CaveatOutcome::False => "is not met".to_owned(),
            CaveatOutcome::Missing(names) => format!("lacks {}", names.join(", ")),
            CaveatOutcome::Failed(why) => format!("cannot be evaluated ({why})"),
        };
        let values = serde_json::Value::Object(caveat.context.clone());
        text.push_str(&format!("; caveat {} {outcome}: {} with {values}", caveat.name, caveat.expression.trim()));
    }
    text
}
