//! One line of the log a request: what was asked, what became of it, and an id to find it by. No values: a path can hold
//! a secret, so the line names its route.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderName;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, ResponseError, web};
use tracing::Instrument as _;
use vault::shares::Payer;

use super::addresses::Addresses;
use super::request_id::{REQUEST_ID, RequestId};
use crate::authn;
use crate::requests::{Requests, known};

/// The trace that a request is a part of (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Names every request, and writes one line of it when it is answered.
pub async fn kept<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let begun = Instant::now();
    let id = RequestId::draw();
    let method = request.method().clone();
    let requests = request.app_data::<web::Data<Requests>>().cloned();
    let open = requests.as_ref().map(|requests| requests.begun());
    // Whatever is logged on the way to the answer names its request. An error's span: it is there at every level.
    let span = tracing::error_span!(target: "allod::http", "request", request_id = id.text());
    let trace = gateway_trace::request(known(&method), id.text(), caller_trace(&request));
    let answer = id.of(async { next.call(request).await }).instrument(span).instrument(trace.clone()).await;
    drop(open);
    let (req, status) = match &answer {
        Ok(answer) => (Some(answer.request()), answer.status()),
        Err(error) => (None, error.as_response_error().status_code()),
    };
    if !trace.is_disabled() {
        gateway_trace::answered(&trace, known(&method), &route(req), status.as_u16());
    }
    drop(trace);
    if let Some(requests) = requests {
        requests.answered(&method, route(req), status, begun.elapsed());
    }
    let ms = begun.elapsed().as_micros() as f64 / 1_000.0;
    match answer {
        Ok(mut answer) => {
            line(&method, Some(answer.request()), answer.status(), ms, &id);
            answer.headers_mut().insert(REQUEST_ID, id.0);
            Ok(answer)
        }
        Err(error) => {
            line(&method, None, error.as_response_error().status_code(), ms, &id);
            Err(Cut { error, id }.into())
        }
    }
}

/// An error that no route has made an answer of, with the name of its request.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
struct Cut {
    error: actix_web::Error,
    id: RequestId,
}

impl ResponseError for Cut {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = self.id.of_now(|| self.error.error_response());
        answer.headers_mut().insert(REQUEST_ID, self.id.0.clone());
        answer
    }
}

/// The trace that a request is a part of, if a proxy of ours says so: a stranger's word would join this node's traces to
/// whatever the stranger likes.
fn caller_trace(request: &ServiceRequest) -> Option<gateway_trace::Caller> {
    let said = authn::only(request.request(), &TRACEPARENT).ok()??;
    let (addresses, peer) = (request.app_data::<web::Data<Addresses>>()?, request.peer_addr()?);
    gateway_trace::Caller::read(said).filter(|_| addresses.trusts(peer.ip()))
}

/// The route that answered, as the table of routes writes it.
fn route(req: Option<&HttpRequest>) -> String {
    match req {
        Some(req) => req.match_pattern().unwrap_or_else(|| "(none)".to_owned()),
        None => "(cut)".to_owned(),
    }
}

/// Who asked, by the ids that audits use.
fn caller(req: Option<&HttpRequest>) -> String {
    match req.and_then(|req| req.extensions().get::<Payer>().copied()) {
        Some(Payer::Person(user)) => user.to_string(),
        Some(Payer::Part(user, grant)) => format!("{user} by grant {grant}"),
        Some(Payer::Stranger(_)) | None => "nobody".to_owned(),
    }
}

fn from(req: Option<&HttpRequest>) -> String {
    req.and_then(authn::address).map(|from| from.to_string()).unwrap_or_default()
}

/// What stands in the line is put together only if it is written.
fn line(method: &Method, req: Option<&HttpRequest>, status: StatusCode, ms: f64, id: &RequestId) {
    let (id, code) = (id.text(), status.as_u16());
    if status.is_server_error() {
        tracing::warn!(target: "allod::http", %method, route = route(req), status = code, ms, request_id = id,
            caller = caller(req), from = from(req), "failed");
    } else {
        tracing::info!(target: "allod::http", %method, route = route(req), status = code, ms, request_id = id,
            caller = caller(req), from = from(req), "answered");
    }
}
