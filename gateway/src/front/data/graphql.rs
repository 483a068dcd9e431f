//! `/api/v1/graphql` (also `/api/graphql`) and `/api/v0/graphql`: one request, straight down.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{CollectionId, Mask, SealRefusal};
use serde::Deserialize;
use serde::de::IgnoredAny;
use vault::view::ViewError;
use vault::{ReadError, WriteError};

use super::response::Shape;
use super::{space_of, unavailable};
use crate::app::App;
use crate::authn::{self, Principal};
use crate::front::Routes;
use crate::front::error::ApiError;
use crate::front::graphql::{Context, GraphQlError, Limits, Plan, Request, Spelling, plan};
use crate::front::media;
use crate::grants::reads_once;

/// A body that is the operation itself.
const TEXT: &str = "application/graphql";
/// How often a request is begun again because policy moved meanwhile.
const TRIES: usize = 8;

pub fn routes(routes: &mut Routes) {
    for (path, spelling) in
        [("/api/v1/graphql", Spelling::V1), ("/api/graphql", Spelling::V1), ("/api/v0/graphql", Spelling::V0)]
    {
        let post = move |request: HttpRequest, app: web::Data<App>, body: Bytes| post(request, app, body, spelling);
        let get = move |request: HttpRequest, app: web::Data<App>| get(request, app, spelling);
        routes.post(path, post).get(path, get);
    }
}

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

async fn post(
    request: HttpRequest,
    app: web::Data<App>,
    body: Bytes,
    spelling: Spelling,
) -> Result<HttpResponse, ApiError> {
    let Some(shape) = Shape::wanted(&request) else { return Ok(Shape::not_acceptable()) };
    let principal = authn::authenticate(&request, &**app).await?;
    let kind = media::sent(&request, &[media::JSON, TEXT], "Send application/json or application/graphql.")?;
    let wire = if kind == TEXT {
        match String::from_utf8(body.to_vec()) {
            Ok(text) => Request::text(text),
            Err(_) => return Ok(shape.malformed("The operation is not UTF-8.")),
        }
    } else {
        match serde_json::from_slice::<Wire>(&body) {
            Ok(wire) if wire.variables.is_some() && !std::str::from_utf8(&body).is_ok_and(reads_once) => {
                return Ok(shape.malformed("A key occurs twice in one object of the body."));
            }
            Ok(wire) => wire.into(),
            Err(error) => return Ok(shape.malformed(format!("The body is not a GraphQL request: {error}"))),
        }
    };
    answer(&app, &principal, &request, &wire, spelling, shape, true).await
}

/// GET runs queries only.
async fn get(request: HttpRequest, app: web::Data<App>, spelling: Spelling) -> Result<HttpResponse, ApiError> {
    #[derive(Deserialize)]
    struct Parameters {
        query: String,
        #[serde(rename = "operationName")]
        operation_name: Option<String>,
        variables: Option<String>,
        extensions: Option<String>,
    }
    let Some(shape) = Shape::wanted(&request) else { return Ok(Shape::not_acceptable()) };
    let principal = authn::authenticate(&request, &**app).await?;
    let parameters = match web::Query::<Parameters>::from_query(request.query_string()) {
        Ok(parameters) => parameters.into_inner(),
        Err(error) => return Ok(shape.malformed(format!("The address has no `query`: {error}"))),
    };
    let variables = match parameters.variables.as_deref().map(serde_json::from_str::<Option<_>>).transpose() {
        Ok(variables) => variables.flatten(),
        Err(error) => return Ok(shape.malformed(format!("`variables` is not a JSON object: {error}"))),
    };
    if parameters.variables.as_deref().is_some_and(|text| !reads_once(text)) {
        return Ok(shape.malformed("A key occurs twice in one object of `variables`."));
    }
    let extensions = match parameters.extensions.as_deref().map(serde_json::from_str::<Option<_>>).transpose() {
        Ok(extensions) => extensions.flatten(),
        Err(error) => return Ok(shape.malformed(format!("`extensions` is not a JSON object: {error}"))),
    };
    let (query, operation_name) = (parameters.query, parameters.operation_name);
    let wire = Wire { query, operation_name, variables, _extensions: extensions };
    answer(&app, &principal, &request, &wire.into(), spelling, shape, false).await
}

/// Credentials -> permits -> plan -> vault.
async fn answer(
    app: &App,
    principal: &Principal,
    http: &HttpRequest,
    request: &Request,
    spelling: Spelling,
    shape: Shape,
    allow_mutation: bool,
) -> Result<HttpResponse, ApiError> {
    let space = space_of(app, principal, http).await?;
    for _ in 0..TRIES {
        let (catalogue, permits) = app.read_permits(&principal.caller, space).await?;
        let masks = |id: CollectionId| -> Option<Arc<Mask>> { permits.mask(id).cloned() };
        let context = Context {
            schema: &catalogue.schema,
            masks: &masks,
            spelling,
            allow_mutation,
            limits: Limits::default(),
            caches: &app.caches,
        };
        let planned = match plan(request, &context) {
            Ok(planned) => planned,
            Err(errors) if !allow_mutation && errors.iter().any(|error| error.code == "method_not_allowed") => {
                return Ok(shape.needs_post(&errors));
            }
            Err(errors) => return Ok(shape.refused(&errors)),
        };
        let only = planned.only_root().map(str::to_owned);
        let data = match planned {
            Plan::Answer(data) => Ok(data.to_vec()),
            Plan::Query(query) => match app.vault.read(permits, query).await {
                Err(ReadError::Seal(SealRefusal::Moved)) => continue,
                other => other.map_err(|error| read_error(&error)),
            },
            Plan::Change(change) => {
                let (_, permits) = app.write_permits(&principal.caller, space).await?;
                match app.vault.write(permits, change).await {
                    Err(WriteError::Permit(SealRefusal::Moved)) => continue,
                    other => other.map_err(|error| write_error(&error)),
                }
            }
        };
        return Ok(match data {
            Ok(data) => shape.done(wrap(&data, spelling == Spelling::V0 && only.is_some())),
            Err(mut error) => {
                error.path.extend(only);
                shape.refused(&[error])
            }
        });
    }
    Err(unavailable("Policy is moving; try again."))
}

/// `{"data": …}`. In the spelling of 2023 the list of a single root is `data` itself (`bare`); what introspection
/// answers is not, as its clients look for `__schema`.
fn wrap(data: &[u8], bare: bool) -> Vec<u8> {
    let inner = if bare { only_value(data).unwrap_or(data) } else { data };
    let mut body = Vec::with_capacity(inner.len() + 9);
    body.extend_from_slice(b"{\"data\":");
    body.extend_from_slice(inner);
    body.push(b'}');
    body
}

/// The value of an object with one member. Response names are GraphQL names: nothing in them is escaped.
fn only_value(object: &[u8]) -> Option<&[u8]> {
    let rest = object.strip_prefix(b"{\"")?.strip_suffix(b"}")?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    rest[end + 1..].strip_prefix(b":")
}

fn read_error(error: &ReadError) -> GraphQlError {
    let (code, message): (&'static str, String) = match error {
        ReadError::Seal(_) => ("unauthenticated", "The right to read this has ended.".into()),
        ReadError::Unsupported(what) => ("invalid_input", (*what).to_owned()),
        ReadError::Time(_) => ("limit_time", error.to_string()),
        ReadError::Rows(_) => ("limit_rows", error.to_string()),
        ReadError::View(ViewError::Behind) => {
            ("unavailable", "The node cannot show everything that it has acknowledged; try again.".into())
        }
        ReadError::Hidden | ReadError::View(_) => {
            tracing::error!(%error, "a read failed");
            ("internal", "The node could not answer; its log says why.".into())
        }
    };
    GraphQlError::new(code, message)
}

fn write_error(error: &WriteError) -> GraphQlError {
    let code = match error {
        WriteError::Permit(_) => "unauthenticated",
        WriteError::Forbidden => "forbidden",
        WriteError::NotNull { .. } => "not_null",
        WriteError::NotUnique { .. } => "not_unique",
        WriteError::InvalidInput { .. } => "invalid_input",
        WriteError::ValueTooLarge { .. } => "value_too_large",
        WriteError::Conflict => "conflict",
        WriteError::TooManyRows => "limit_rows",
        WriteError::Busy | WriteError::Log | WriteError::Stopped | WriteError::View(ViewError::Behind) => "unavailable",
        WriteError::View(_) => {
            tracing::error!(%error, "a write failed");
            return GraphQlError::new("internal", "The node could not do this; its log says why.");
        }
    };
    GraphQlError::new(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spelling_of_2023_unwraps_a_single_root() {
        let data = b"{\"Book\":[{\"a\":1}]}";
        assert_eq!(wrap(data, true), b"{\"data\":[{\"a\":1}]}");
        assert_eq!(wrap(data, false), b"{\"data\":{\"Book\":[{\"a\":1}]}}");
        assert_eq!(only_value(b"[]"), None);
    }
}
