//! No request holds a connection for ever: not by a body that trickles in, not by work that hangs.

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::{Error, HttpResponse, ResponseError};
use futures::future::{LocalBoxFuture, Ready, ok};

use super::error::{ApiError, Errors};

/// Answers 408 to a request whose answer has not begun after this long; `None`: the request itself says how long.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    pub after: Option<Duration>,
    pub errors: Errors,
}

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
        ok(DeadlineService { service, deadline: *self })
    }
}

/// See [`Deadline`].
pub struct DeadlineService<S> {
    service: S,
    deadline: Deadline,
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
        let Deadline { after, errors } = self.deadline;
        // The request itself is the router's alone: while it looks for the route, nobody else may hold it.
        let answer = self.service.call(request);
        Box::pin(async move {
            let Some(after) = after else { return answer.await };
            actix_web::rt::time::timeout(after, answer).await.unwrap_or_else(|_| Err(TooLong(errors).into()))
        })
    }
}

/// The answer to a request that took too long; the connection ends with it.
#[derive(Debug, thiserror::Error)]
#[error("The request took too long: send its body faster, or ask for less.")]
struct TooLong(Errors);

impl ResponseError for TooLong {
    fn status_code(&self) -> StatusCode {
        StatusCode::REQUEST_TIMEOUT
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = (self.0)(&ApiError::new(self.status_code(), "limit_time", self.to_string()));
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
        let deadline = Deadline { after: Some(Duration::from_millis(50)), errors: crate::error::json_errors };
        let app = App::new().wrap(deadline).route("/x", web::post().to(slow));
        let app = test::init_service(app).await;
        let quick = test::call_service(&app, test::TestRequest::post().uri("/x").set_payload("hi").to_request()).await;
        assert_eq!(quick.status(), StatusCode::OK);
        let cut = test::try_call_service(&app, test::TestRequest::post().uri("/x").to_request()).await;
        let cut = cut.expect_err("an answer that never begins").error_response();
        assert_eq!(cut.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
