//! `allod policy diff`.

use std::path::PathBuf;

use clap::Args;
use policy_core::Difference;
use serde_json::{Value, json};

use super::super::Common;
use super::super::output::{Exit, Failure, print};

#[derive(Debug, Args)]
pub struct Diff {
    /// The schema that is in force
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The schema that is to take its place
    #[arg(value_name = "NEW")]
    new: PathBuf,
}

/// What a difference means for relationships that are stored, or for questions that are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Nothing changes for what is there.
    None,
    /// More can be written than before.
    Allows,
    /// The new schema is refused as long as there are such relationships.
    RefusedWhileUsed,
    /// The new schema is refused.
    Refused,
    /// Checks may answer otherwise.
    OtherAnswers,
    /// Whoever asks for it gets an error.
    Gone,
    /// Relationships that are stored lack it: who asks must give it, or the answer is conditional.
    Lacking,
}

impl Effect {
    fn of(difference: &Difference) -> Effect {
        use Difference as D;
        match difference {
            D::DefinitionCommentChanged(_)
            | D::RelationCommentChanged(_)
            | D::PermissionCommentChanged(_)
            | D::CaveatCommentChanged(_) => Effect::None,
            D::DefinitionAdded(_)
            | D::RelationAdded(_)
            | D::SubjectTypeAdded { .. }
            | D::PermissionAdded(_)
            | D::CaveatAdded(_) => Effect::Allows,
            D::DefinitionRemoved(_) | D::RelationRemoved(_) | D::SubjectTypeRemoved { .. } | D::CaveatRemoved(_) => {
                Effect::RefusedWhileUsed
            }
            D::ParameterRemoved(_) | D::ParameterTypeChanged { .. } => Effect::Refused,
            D::PermissionExpressionChanged(_) | D::CaveatExpressionChanged(_) => Effect::OtherAnswers,
            D::PermissionRemoved(_) => Effect::Gone,
            D::ParameterAdded(_) => Effect::Lacking,
        }
    }

    /// The word for scripts, and the sentence for people.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Effect::None => ("none", "nothing changes for what is there"),
            Effect::Allows => ("allows", "more can be written; nothing changes for what is there"),
            Effect::RefusedWhileUsed => {
                ("refused_while_used", "refused as long as a relationship needs it; remove those first")
            }
            Effect::Refused => ("refused", "refused: relationships may carry values for it; give it another name"),
            Effect::OtherAnswers => ("other_answers", "checks may answer otherwise from then on"),
            Effect::Gone => ("gone", "whoever asks for it gets an error from then on"),
            Effect::Lacking => {
                ("lacking", "stored relationships lack it: without it in the request, answers are conditional")
            }
        }
    }
}

impl Diff {
    pub fn run(self, common: &Common) -> Result<Exit, Failure> {
        let (old, new) = (super::schema(&self.old)?, super::schema(&self.new)?);
        let found: Vec<Value> = old.diff(&new).iter().map(difference_json).collect();
        print(common.json, &Value::Array(found), text);
        Ok(Exit::Done)
    }
}

fn difference_json(difference: &Difference) -> Value {
    let (effect, meaning) = Effect::of(difference).words();
    json!({ "change": difference.to_string(), "effect": effect, "meaning": meaning, "difference": difference })
}

fn text(found: &Value) -> String {
    let lines: Vec<String> = found
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            format!(
                "{}\n    {}",
                one["change"].as_str().unwrap_or_default(),
                one["meaning"].as_str().unwrap_or_default()
            )
        })
        .collect();
    if lines.is_empty() { "The schemas are the same.".to_owned() } else { lines.join("\n") }
}
