//! No request holds a connection for ever: not by a body that trickles in, not by work that hangs.

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::{Error, HttpResponse, ResponseError};
use futures::future::{LocalBoxFuture, Ready, ok};

use super::error::ApiError;

/// The one route that waits as long as it is told to.
const WAITS: &str = "/api/v1/sync/wait";

/// Answers 408 to a request whose answer has not begun after this long.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Duration);

impl<S, B> Transform<S, ServiceRequest> for Deadline
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = DeadlineService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ok(DeadlineService { service, after: self.0 })
    }
}

/// See [`Deadline`].
pub struct DeadlineService<S> {
    service: S,
    after: Duration,
}

impl<S, B> Service<ServiceRequest> for DeadlineService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let waits = request.path() == WAITS;
        let after = self.after;
        // The request itself is the router's alone: while it looks for the route, nobody else may hold it.
        let answer = self.service.call(request);
        Box::pin(async move {
            if waits {
                return answer.await;
            }
            actix_web::rt::time::timeout(after, answer).await.unwrap_or_else(|_| Err(TooLong.into()))
        })
    }
}

/// The answer to a request that took too long; the connection ends with it.
#[derive(Debug, thiserror::Error)]
#[error("The request took too long: send its body faster, or ask for less.")]
struct TooLong;

impl ResponseError for TooLong {
    fn status_code(&self) -> StatusCode {
        StatusCode::REQUEST_TIMEOUT
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = ApiError::new(self.status_code(), "limit_time", self.to_string()).error_response();
        response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::web::Bytes;
    use actix_web::{App, test, web};

    #[actix_web::test]
    async fn a_slow_answer_is_cut_and_a_quick_one_is_not() {
        async fn slow(body: Bytes) -> HttpResponse {
            if body.is_empty() {
                futures::future::pending::<()>().await;
            }
            HttpResponse::Ok().body(body)
        }
        let app = App::new().wrap(Deadline(Duration::from_millis(50))).route("/x", web::post().to(slow));
        let app = test::init_service(app).await;
        let quick = test::call_service(&app, test::TestRequest::post().uri("/x").set_payload("hi").to_request()).await;
        assert_eq!(quick.status(), StatusCode::OK);
        let cut = test::try_call_service(&app, test::TestRequest::post().uri("/x").to_request()).await;
        let cut = cut.expect_err("an answer that never begins").error_response();
        assert_eq!(cut.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
