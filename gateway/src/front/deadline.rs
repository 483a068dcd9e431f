//! No request holds a connection for ever: not by a body that trickles in, not by work that hangs.

use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::{Error, ResponseError};
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
    type Response = ServiceResponse<EitherBody<B>>;
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
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let waits = request.path() == WAITS;
        let (after, http) = (self.after, request.request().clone());
        let answer = self.service.call(request);
        Box::pin(async move {
            if waits {
                drop(http);
                return answer.await.map(ServiceResponse::map_into_left_body);
            }
            match actix_web::rt::time::timeout(after, answer).await {
                Ok(answer) => {
                    drop(http);
                    answer.map(ServiceResponse::map_into_left_body)
                }
                Err(_) => {
                    let text = "The request took too long: send its body faster, or ask for less.";
                    let error = ApiError::new(StatusCode::REQUEST_TIMEOUT, "limit_time", text);
                    let mut response = error.error_response();
                    response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
                    Ok(ServiceResponse::new(http, response).map_into_right_body())
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::web::Bytes;
    use actix_web::{App, HttpResponse, test, web};

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
        let cut = test::call_service(&app, test::TestRequest::post().uri("/x").to_request()).await;
        assert_eq!(cut.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
