//! What a GraphQL request says, read from its body or address: within its limits, and off the threads that serve
//! everybody where it is large.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::web;
use gateway_graphql::{GraphQlError, Limits, Request, weight};
use serde::Deserialize;
use serde::de::IgnoredAny;
use vault::shares::Payer;
use vault_core::schema::Schema;

use super::unavailable;
use crate::app::App;
use crate::authn::Principal;
use crate::front::error::ApiError;
use crate::front::intake::busy;
use crate::grants::reads_once;

/// A request of at most so many bytes is read and planned on the thread that serves it.
pub(super) const LIGHT: usize = 16 << 10;
/// And only where there are at most so many fields in all definitions.
const LIGHT_FIELDS: usize = 2_000;
/// How long a large request waits for its turn to be planned.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// The body of a request over HTTP.
#[derive(Debug, Deserialize)]
struct Wire {
    query: String,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    /// Of no meaning here; an object where it is given.
    #[serde(default, rename = "extensions")]
    _extensions: Option<HashMap<String, IgnoredAny>>,
}

impl From<Wire> for Request {
    fn from(wire: Wire) -> Self {
        Request {
            text: wire.query,
            operation_name: wire.operation_name.filter(|name| !name.is_empty()),
            variables: wire.variables.unwrap_or_default(),
        }
    }
}

/// The parameters of a request in an address.
#[derive(Deserialize)]
struct Parameters {
    query: String,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

/// A body that is an operation.
pub(crate) fn of_text(body: &[u8]) -> Result<Request, GraphQlError> {
    let text = std::str::from_utf8(body).map_err(|_| GraphQlError::invalid("The operation is not UTF-8."))?;
    Ok(Request::text(text))
}

/// A body of JSON.
pub(crate) fn of_json(body: &[u8]) -> Result<Request, GraphQlError> {
    bounded(body)?;
    let unfit = |error| GraphQlError::invalid(format!("The body is not a GraphQL request: {error}"));
    let wire: Wire = serde_json::from_slice(body).map_err(unfit)?;
    if wire.variables.is_some() && !std::str::from_utf8(body).is_ok_and(reads_once) {
        return Err(GraphQlError::invalid("A key occurs twice in one object of the body."));
    }
    Ok(wire.into())
}

/// The parameters of an address.
pub(crate) fn of_address(query: &str) -> Result<Request, GraphQlError> {
    let unfit = |error| GraphQlError::invalid(format!("The address has no `query`: {error}"));
    let parameters = web::Query::<Parameters>::from_query(query).map_err(unfit)?.into_inner();
    let object = |name: &str, error| GraphQlError::invalid(format!("`{name}` is not a JSON object: {error}"));
    let variables = parameters.variables.as_deref().unwrap_or("null");
    bounded(variables.as_bytes())?;
    if !reads_once(variables) {
        // What is no JSON at all is told as such.
        let read = serde_json::from_str::<IgnoredAny>(variables);
        read.map_err(|error| object("variables", error))?;
        return Err(GraphQlError::invalid("A key occurs twice in one object of `variables`."));
    }
    let variables = serde_json::from_str(variables).map_err(|error| object("variables", error))?;
    let extensions = parameters.extensions.as_deref().unwrap_or("null");
    let extensions = serde_json::from_str(extensions).map_err(|error| object("extensions", error))?;
    let (query, operation_name) = (parameters.query, parameters.operation_name);
    Ok(Wire { query, operation_name, variables, _extensions: extensions }.into())
}

/// Refuses a text of JSON of more values than an operation may have, before any of them is made.
fn bounded(json: &[u8]) -> Result<(), GraphQlError> {
    let most = Limits::default().values;
    if weight::values(json) > most {
        return Err(GraphQlError::new("limit_tokens", format!("The request has more than {most} values.")));
    }
    Ok(())
}

/// Whether planning a short request costs so little that it is done where it was asked: definitions are few, and it is
/// not they that are asked for.
pub(super) fn is_light(text: &str, schema: &Schema) -> bool {
    let fields: usize = schema.collections.iter().map(|collection| collection.fields.len()).sum();
    fields <= LIGHT_FIELDS && !introspects(text)
}

/// Whether a text may ask for definitions. A name is a name, whatever stands behind it; in a comment or a text it costs a
/// turn among the large ones, and no more.
pub(super) fn introspects(text: &str) -> bool {
    let mut names = text.match_indices("__type").map(|(at, _)| &text[at..]);
    text.contains("__schema") || names.any(|name| !name.starts_with("__typename"))
}

/// Does heavy work off the threads that serve everybody, in a place of the caller's share.
pub(crate) async fn apart<T: Send + 'static>(
    app: &App,
    principal: &Principal,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let place = app.pools.planning.take(Payer::from(&principal.caller), 1, PATIENCE).await.map_err(|_| busy())?;
    let run = move || {
        let _place = place;
        work()
    };
    tokio::task::spawn_blocking(run).await.map_err(|_| unavailable("The request was cut off; try again."))
}

#[cfg(test)]
mod tests {
    use super::introspects;

    #[test]
    fn introspection_is_told_however_it_is_spelt() {
        for text in [
            "{ __schema { types { name } } }",
            "{ __type(name: \"A\") { name } }",
            "{ __type (name: \"A\") { name } }",
            "{ __type\n(name: \"A\") { name } }",
            "{ __type#x\n(name: \"A\") { name } }",
            "{ __typename __type,(name: \"A\") { __typename } }",
            "{ a:__type\u{feff}(name: \"A\") { name } }",
        ] {
            assert!(introspects(text), "{text}");
        }
        for text in ["{ Book { __typename title } }", "{ __typename }", "{ Book { type } }"] {
            assert!(!introspects(text), "control: {text}");
        }
    }
}
