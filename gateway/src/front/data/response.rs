//! The two shapes of a GraphQL answer over HTTP ("GraphQL over HTTP", media types and status codes): which one the
//! request wants, and what status it then has.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use gateway_graphql::GraphQlError;

use crate::front::media;

const RESPONSE: &str = "application/graphql-response+json";

/// In which shape an answer goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `application/json`, also where nothing is said: a request that is one gets 200, whatever came of it.
    Json,
    /// `application/graphql-response+json`: the status says what came of it.
    Response,
}

impl Shape {
    /// What `Accept` wants most; `None` if it takes neither shape. Asked before anything is done: a change that was
    /// made and then not told would be made twice.
    pub(super) fn wanted(request: &HttpRequest) -> Option<Shape> {
        let kind = media::accepted(request, &[media::JSON, RESPONSE])?;
        Some(if kind == RESPONSE { Shape::Response } else { Shape::Json })
    }

    /// The answer to who takes neither.
    pub(super) fn not_acceptable() -> HttpResponse {
        let message = format!("The answer is {} or {RESPONSE}; `Accept` takes neither.", media::JSON);
        let error = GraphQlError::new("not_acceptable", message);
        Shape::Json.with(StatusCode::NOT_ACCEPTABLE, GraphQlError::answer(&[error]))
    }

    fn content_type(self) -> &'static str {
        match self {
            Shape::Json => media::JSON,
            Shape::Response => "application/graphql-response+json; charset=utf-8",
        }
    }

    fn with(self, status: StatusCode, body: Vec<u8>) -> HttpResponse {
        HttpResponse::build(status)
            .insert_header((CONTENT_TYPE, self.content_type()))
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(body)
    }

    /// What was asked for.
    pub(super) fn done(self, body: Vec<u8>) -> HttpResponse {
        self.with(StatusCode::OK, body)
    }

    /// A request that is one, and is not answered: the body has `errors` and no `data`.
    pub(super) fn refused(self, errors: &[GraphQlError]) -> HttpResponse {
        let told = errors.first().map_or(StatusCode::BAD_REQUEST, |error| status_of(error.code));
        let status = if self == Shape::Response { told } else { StatusCode::OK };
        self.with(status, GraphQlError::answer(errors))
    }

    /// A body or an address that is no GraphQL request at all.
    pub(super) fn malformed(self, error: &GraphQlError) -> HttpResponse {
        self.with(StatusCode::BAD_REQUEST, GraphQlError::answer(std::slice::from_ref(error)))
    }

    /// A mutation that was asked for by `GET`.
    pub(super) fn needs_post(self, errors: &[GraphQlError]) -> HttpResponse {
        let mut answer = self.with(StatusCode::METHOD_NOT_ALLOWED, GraphQlError::answer(errors));
        // What the resource takes, and not what this operation does.
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, GET, HEAD, OPTIONS"));
        answer
    }
}

/// The status of an answer without `data`.
fn status_of(code: &str) -> StatusCode {
    match code {
        "unauthenticated" => StatusCode::UNAUTHORIZED,
        "forbidden" => StatusCode::FORBIDDEN,
        "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
        "conflict" | "not_unique" => StatusCode::CONFLICT,
        "limit_rows_per_day" => StatusCode::TOO_MANY_REQUESTS,
        "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        "internal" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::ACCEPT;
    use actix_web::test::TestRequest;

    use super::*;

    fn shape(accept: &str) -> Option<Shape> {
        Shape::wanted(&TestRequest::post().insert_header((ACCEPT, accept)).to_http_request())
    }

    #[test]
    fn the_status_speaks_only_where_the_client_listens_to_it() {
        assert_eq!(shape("*/*"), Some(Shape::Json));
        assert_eq!(shape("application/graphql-response+json, application/json;q=0.9"), Some(Shape::Response));
        assert_eq!(shape("text/html"), None);
        assert_eq!(Shape::not_acceptable().status(), 406);
        for (code, status) in [
            ("invalid_input", 400),
            ("unknown_field", 400),
            ("limit_depth", 400),
            ("unauthenticated", 401),
            ("forbidden", 403),
            ("not_unique", 409),
            ("limit_rows_per_day", 429),
            ("internal", 500),
            ("unavailable", 503),
        ] {
            let errors = [GraphQlError::new(code, "So it is.")];
            assert_eq!(Shape::Json.refused(&errors).status(), 200, "{code}");
            assert_eq!(Shape::Response.refused(&errors).status(), status, "{code}");
        }
    }
}
