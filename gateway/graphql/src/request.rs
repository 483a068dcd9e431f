//! A request as it came in, and what it may cost.

/// A request as it came in.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The document.
    pub text: String,
    /// Which of its operations; `None`: the only one.
    pub operation_name: Option<String>,
    /// By name, without `$`.
    pub variables: serde_json::Map<String, serde_json::Value>,
}

impl Request {
    /// A request of a text alone.
    pub fn text(text: impl Into<String>) -> Request {
        Request { text: text.into(), ..Request::default() }
    }
}

/// What one request may cost before it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the document.
    pub tokens: usize,
    /// Of the document.
    pub operations: usize,
    /// Fields deep.
    pub depth: usize,
    /// Of an operation.
    pub aliases: usize,
    /// Root fields of an operation.
    pub roots: usize,
    /// Fields and fragments of an operation, fragments written out.
    pub nodes: usize,
    /// Values of the variables.
    pub values: usize,
    /// Conditions of all filters of an operation, and the keys of its orders.
    pub conditions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            tokens: 250_000,
            operations: 20,
            depth: 24,
            aliases: 256,
            roots: 64,
            nodes: 5_000,
            values: 250_000,
            conditions: 1_024,
        }
    }
}
