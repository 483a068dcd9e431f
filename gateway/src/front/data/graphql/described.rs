//! How the routes of GraphQL are described: three paths, two spellings. What can be asked of a space, its own schema
//! says (`__schema`).

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::response::{Response, ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::{Content, Ref, RefOr};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use crate::front::described::SpaceHeader;

#[derive(utoipa::OpenApi)]
#[openapi(paths(post_v1, get_v1, post_bare, get_bare, post_v0, get_v0), components(schemas(GraphQlAnswer)))]
pub(super) struct Api;

/// A request ("GraphQL over HTTP").
#[derive(ToSchema)]
#[expect(dead_code, reason = "it stands for what `incoming` reads")]
struct GraphQlRequest {
    #[schema(examples("{ __typename }"))]
    query: String,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    variables: Option<Value>,
    #[schema(value_type = Option<Object>)]
    extensions: Option<Value>,
}

/// The same in an address: queries only.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it stands for what `incoming` reads")]
struct GraphQlParameters {
    #[param(example = "{ __typename }")]
    query: String,
    #[param(rename = "operationName")]
    operation_name: Option<String>,
    /// A JSON object, as text.
    variables: Option<String>,
    /// A JSON object, as text.
    extensions: Option<String>,
}

/// An answer: `data`, or `errors`, or both.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it stands for what the vault writes")]
struct GraphQlAnswer {
    data: Option<Value>,
    #[schema(value_type = Option<Vec<Object>>)]
    errors: Option<Value>,
}

/// What each of the routes answers.
struct GraphQlAnswers;

impl IntoResponses for GraphQlAnswers {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let answer = || Content::new(Some(Ref::from_schema_name(GraphQlAnswer::name())));
        let answered = |text: &str| {
            let response = ResponseBuilder::new().description(text).content("application/json", answer());
            response.content("application/graphql-response+json", answer())
        };
        let refused = |text: &str| ResponseBuilder::new().description(text);
        ResponsesBuilder::new()
            .response("200", answered("What came of it"))
            .response("400", answered("`invalid_input`: it is no request"))
            .response("404", refused("`not_found`: there is no such space"))
            .response("405", answered("`method_not_allowed`: a mutation by GET"))
            .response("406", refused("`not_acceptable`: no wanted media type"))
            .response("409", answered("`conflict`, `not_unique`"))
            .build()
            .into()
    }
}

/// Runs an operation
#[utoipa::path(post, path = "/api/v1/graphql", tag = "graphql", params(SpaceHeader), request_body(
    content((GraphQlRequest = "application/json"), (String = "application/graphql"))), responses(GraphQlAnswers))]
#[expect(dead_code, reason = "it carries the description")]
fn post_v1() {}

/// Runs a query
#[utoipa::path(
    get,
    path = "/api/v1/graphql",
    tag = "graphql",
    params(SpaceHeader, GraphQlParameters),
    responses(GraphQlAnswers)
)]
#[expect(dead_code, reason = "it carries the description")]
fn get_v1() {}

/// Runs an operation
#[utoipa::path(post, path = "/api/graphql", tag = "graphql", params(SpaceHeader), request_body(
    content((GraphQlRequest = "application/json"), (String = "application/graphql"))), responses(GraphQlAnswers))]
#[expect(dead_code, reason = "it carries the description")]
fn post_bare() {}

/// Runs a query
#[utoipa::path(
    get,
    path = "/api/graphql",
    tag = "graphql",
    params(SpaceHeader, GraphQlParameters),
    responses(GraphQlAnswers)
)]
#[expect(dead_code, reason = "it carries the description")]
fn get_bare() {}

/// Runs an operation, in the spelling of 2023
#[utoipa::path(post, path = "/api/v0/graphql", tag = "graphql", params(SpaceHeader), request_body(
    content((GraphQlRequest = "application/json"), (String = "application/graphql"))), responses(GraphQlAnswers))]
#[expect(dead_code, reason = "it carries the description")]
fn post_v0() {}

/// Runs a query, in the spelling of 2023
#[utoipa::path(
    get,
    path = "/api/v0/graphql",
    tag = "graphql",
    params(SpaceHeader, GraphQlParameters),
    responses(GraphQlAnswers)
)]
#[expect(dead_code, reason = "it carries the description")]
fn get_v0() {}
