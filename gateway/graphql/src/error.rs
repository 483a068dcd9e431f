//! Errors as a GraphQL answer shows them.

use std::borrow::Cow;

use apollo_compiler::parser::SourceSpan;
use serde_json::{Value, json};

/// So much is said of what came with a request: of a message, and of each name in a path.
const MESSAGE_LETTERS: usize = 400;
const NAME_LETTERS: usize = 200;

/// One element of `errors`. Messages are sentences without values of documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GraphQlError {
    /// For people.
    pub message: String,
    /// The `code` in `extensions`.
    pub code: &'static str,
    /// By response names; empty if the request as a whole is at fault.
    pub path: Vec<String>,
    /// Line and column in the request's text, both from 1: of the field, argument or key at fault, not of its value.
    pub locations: Vec<(u32, u32)>,
    place: Option<Box<Fault>>,
}

/// Where an error is, before that is line and column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Fault {
    span: Option<SourceSpan>,
    /// The way down from an argument's value to the key at fault, the deepest step first.
    within: Vec<Step>,
}

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

/// A text that came with the request, or its beginning.
fn cut(text: &str, letters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(letters) {
        Some((at, _)) => Cow::Owned(format!("{}…", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

impl GraphQlError {
    /// An error without path and location. Names in messages come from the request, so a message is
    /// cut after 400 characters.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let message = cut(&message, MESSAGE_LETTERS).into_owned();
        GraphQlError { message, code, path: Vec::new(), locations: Vec::new(), place: None }
    }

    /// The text or a value of the request is at fault.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new("invalid_input", message)
    }

    /// A mutation where none may be.
    pub(super) fn no_mutation() -> Self {
        Self::new("method_not_allowed", "A mutation needs the method POST.")
    }

    /// A field that is not there, or that the caller does not see: the two are told alike.
    pub(super) fn unknown_field(owner: &str, name: &str) -> Self {
        Self::new("unknown_field", format!("type `{owner}` does not have a field `{name}`"))
    }

    fn place_mut(&mut self) -> &mut Fault {
        self.place.get_or_insert_default()
    }

    /// The error, beneath this key of a value.
    pub(super) fn beneath(mut self, key: &str) -> Self {
        self.place_mut().within.push(Step::Key(key.to_owned()));
        self
    }

    /// The error, in this item of a list.
    pub(super) fn in_item(mut self, at: usize) -> Self {
        self.place_mut().within.push(Step::Item(at));
        self
    }

    /// The error, of what stands at `span`, unless it is known to be elsewhere.
    pub(super) fn at(mut self, span: Option<SourceSpan>) -> Self {
        let place = self.place_mut();
        place.span = place.span.or(span);
        self
    }

    /// The way down from an argument's value, the deepest step first.
    pub(super) fn within(&self) -> &[Step] {
        self.place.as_ref().map(|place| place.within.as_slice()).unwrap_or_default()
    }

    pub(super) fn span(&self) -> Option<SourceSpan> {
        self.place.as_ref().and_then(|place| place.span)
    }

    /// The element of `errors`.
    pub fn to_json(&self) -> Value {
        let mut out = json!({ "message": self.message });
        if !self.locations.is_empty() {
            let at = |&(line, column): &(u32, u32)| json!({ "line": line, "column": column });
            out["locations"] = self.locations.iter().map(at).collect();
        }
        if !self.path.is_empty() {
            // Response names come from the request, and may be as long as that.
            out["path"] = self.path.iter().map(|name| cut(name, NAME_LETTERS)).collect();
        }
        out["extensions"] = json!({ "code": self.code });
        out
    }

    /// The whole answer to a request that failed: `{"errors": […]}`, without `data`.
    pub fn answer(errors: &[GraphQlError]) -> Vec<u8> {
        let errors: Vec<Value> = errors.iter().map(GraphQlError::to_json).collect();
        json!({ "errors": errors }).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_shape_of_the_specification() {
        let mut error = GraphQlError::new("not_unique", "The value is taken.");
        assert_eq!(error.to_json(), json!({"message": "The value is taken.", "extensions": {"code": "not_unique"}}));
        error.path = vec!["add_Book".into(), "title".into()];
        error.locations = vec![(1, 3)];
        let answer: Value = serde_json::from_slice(&GraphQlError::answer(&[error])).unwrap();
        assert_eq!(
            answer,
            json!({"errors": [{"message": "The value is taken.", "path": ["add_Book", "title"],
                "locations": [{"line": 1, "column": 3}], "extensions": {"code": "not_unique"}}]})
        );
    }

    #[test]
    fn what_came_with_the_request_is_not_sent_back_whole() {
        let long = "A".repeat(1_000_000);
        let mut error = GraphQlError::new("unknown_field", format!("type `Query` does not have a field `{long}`"));
        error.path = vec![long, "title".into()];
        let answer = GraphQlError::answer(&[error]);
        assert!(answer.len() < 1_000, "{}", answer.len());
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["errors"][0]["path"][1], "title", "control");
    }
}
