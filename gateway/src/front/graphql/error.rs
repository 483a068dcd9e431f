//! Errors as a GraphQL answer shows them.

use serde_json::{Value, json};

/// One element of `errors`. Messages are sentences without values of documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GraphQlError {
    pub message: String,
    /// The `code` in `extensions`.
    pub code: &'static str,
    /// By response names; empty if the request as a whole is at fault.
    pub path: Vec<String>,
    /// Line and column in the request's text, both from 1.
    pub locations: Vec<(u32, u32)>,
}

impl GraphQlError {
    /// An error without path and location. Names in messages come from the request, so a message is
    /// cut after 400 characters.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((at, _)) = message.char_indices().nth(400) {
            message.truncate(at);
            message.push('…');
        }
        GraphQlError { message, code, path: Vec::new(), locations: Vec::new() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("invalid_input", message)
    }

    /// The element of `errors`.
    pub fn to_json(&self) -> Value {
        let mut out = json!({ "message": self.message });
        if !self.locations.is_empty() {
            let at = |&(line, column): &(u32, u32)| json!({ "line": line, "column": column });
            out["locations"] = self.locations.iter().map(at).collect();
        }
        if !self.path.is_empty() {
            out["path"] = json!(self.path);
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
}
