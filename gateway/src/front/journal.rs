//! One line of the log a request: what was asked, what became of it, and an id to find it by. No values: a path can hold
//! a secret, so the line names its route.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest};
use data_encoding::HEXLOWER;
use vault::shares::Payer;

use crate::authn;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a request is called, on its answer and in the log.
#[derive(Debug, Clone)]
struct RequestId(HeaderValue);

impl RequestId {
    fn draw() -> RequestId {
        let mut bytes = [0; 12];
        rand::fill(&mut bytes);
        // Hexadecimal is always a header.
        RequestId(HeaderValue::from_str(&HEXLOWER.encode(&bytes)).unwrap_or(HeaderValue::from_static("none")))
    }
}

/// Names every request, and writes one line of it when it is answered.
pub async fn kept<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let begun = Instant::now();
    let id = RequestId::draw();
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let answer = next.call(request).await;
    let status = match &answer {
        Ok(answer) => answer.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let ms = begun.elapsed().as_micros() as f64 / 1_000.0;
    match answer {
        Ok(mut answer) => {
            let req = answer.request();
            let route = req.match_pattern().unwrap_or_else(|| "(none)".to_owned());
            let caller = caller(req);
            let from = authn::address(req).map(|from| from.to_string()).unwrap_or_default();
            line(&method, &route, status.as_u16(), ms, &id, &caller, &from);
            answer.headers_mut().insert(REQUEST_ID, id.0);
            Ok(answer)
        }
        Err(error) => {
            line(&method, "(cut)", status.as_u16(), ms, &id, "", "");
            Err(error)
        }
    }
}

/// Who asked, by the ids that audits use.
fn caller(req: &HttpRequest) -> String {
    match req.extensions().get::<Payer>() {
        Some(Payer::Person(user)) => user.to_string(),
        Some(Payer::Part(user, grant)) => format!("{user} by grant {grant}"),
        Some(Payer::Nobody) | None => "nobody".to_owned(),
    }
}

fn line(method: &actix_web::http::Method, route: &str, status: u16, ms: f64, id: &RequestId, caller: &str, from: &str) {
    let id = id.0.to_str().unwrap_or_default();
    if status >= 500 {
        tracing::warn!(target: "allod::http", %method, route, status, ms, request_id = id, caller, from, "failed");
    } else {
        tracing::info!(target: "allod::http", %method, route, status, ms, request_id = id, caller, from, "answered");
    }
}
