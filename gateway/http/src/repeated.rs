//! `Idempotency-Key`: a request that makes something is done once, however often its client sends it.
//!
//! A key is its sender's own, and of a person the session's. The request goes on when its client goes away, and the
//! answer is kept: whoever sends the same request with the same key again is given it. What was refused is not
//! kept, so it can be tried again. An answer that tells a secret says that nobody keeps it (`Cache-Control: no-store`),
//! nor does the node: that the request was done is known, and no more. Keys are kept in memory alone: a node that was
//! started again knows none.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};
use vault::shares::Payer;

use super::error::ApiError;
use super::request_id::RequestId;
use super::terms::Terms;
use crate::authn::only;
use crate::pools::Pools;
use crate::repeats::{Answered, Begun, KeptAnswer, Key, RequestHash, Sender};
use gateway_people::directory::SecretHash;
use gateway_people::realm::Realm;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says of an answer that it was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;
/// Of a request that is being done: whatever becomes of it, its key does not stay taken.
struct Running {
    pools: web::Data<Pools>,
    sender: Sender,
    key: Key,
    given: Option<Answered>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.pools.repeats.end(self.sender, &self.key, self.given.take(), Instant::now());
    }
}

fn asked(request: &ServiceRequest, body: &[u8]) -> RequestHash {
    let header = |name: HeaderName| request.headers().get(name).map(HeaderValue::as_bytes).unwrap_or_default();
    let address = request.uri().path_and_query().map_or("", |address| address.as_str());
    let mut digest = Sha256::new();
    let space = header(HeaderName::from_static("allod-space"));
    for part in [request.method().as_str().as_bytes(), address.as_bytes(), space, header(CONTENT_TYPE), body] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// The key of a request; `None`: it has none.
fn key(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let wrong = || {
        ApiError::bad_request(format!(
            "An `Idempotency-Key` is one, of 1 to {MAX_KEY_BYTES} printable characters of ASCII."
        ))
    };
    let Some(key) = only(request, &KEY).map_err(|()| wrong())? else { return Ok(None) };
    let fits = (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if fits { Ok(Some(key.to_owned())) } else { Err(wrong()) }
}

fn refusal(begun: &Begun) -> ApiError {
    let (status, code, text, hint) = match begun {
        Begun::Other => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "This `Idempotency-Key` was sent with another request.",
            "Draw a new key for each request.",
        ),
        Begun::TooMany => (
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "Too many requests with an `Idempotency-Key` are under way.",
            "Wait until some are answered.",
        ),
        Begun::Gone => (
            StatusCode::CONFLICT,
            "idempotency_answer_gone",
            "The request with this `Idempotency-Key` was done; its answer was too large to be kept, or told a secret.",
            "Read what was made; a secret is told once, so make it anew.",
        ),
        Begun::Now | Begun::Before(_) | Begun::Running => (
            StatusCode::CONFLICT,
            "idempotency_in_progress",
            "The request with this `Idempotency-Key` is still being done.",
            "Send it again in a while.",
        ),
    };
    ApiError::new(status, code, text).hint(hint)
}

/// Does a `POST` with an `Idempotency-Key` once.
pub async fn once(
    terms: Terms,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if *request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.call(request).await;
    }
    let key = match key(request.request()) {
        Ok(Some(key)) => key,
        Ok(None) => return next.call(request).await,
        Err(error) => return Ok(request.into_response((terms.errors)(&error))),
    };
    let (node, pools) = (request.app_data::<web::Data<dyn Realm>>(), request.app_data::<web::Data<Pools>>());
    let (Some(node), Some(pools)) = (node.cloned(), pools.cloned()) else { return next.call(request).await };
    // Whoever is not known is refused, or signs in: nothing is kept for them.
    let Ok(principal) = (terms.clients)(request.request(), &**node).await else { return next.call(request).await };
    let body = match request.extract::<Bytes>().await {
        Ok(body) => body,
        Err(error) => return Ok(request.error_response(error)),
    };
    let asked = asked(&request, &body);
    request.set_payload(Payload::from(body));
    let sender = Sender { payer: Payer::from(&principal.caller), operator: principal.operator };
    let within = principal.caller.app.as_ref().and_then(|app| app.within.as_ref());
    let session = principal.session.or_else(|| within.map(|within| SecretHash(within.id())));
    let key = Key { session, text: key };
    let refused = match pools.repeats.begin(sender, &key, asked, Instant::now()) {
        Begun::Now => None,
        Begun::Before(given) => {
            let mut answer = HttpResponse::build(given.status);
            for header in given.headers {
                answer.append_header(header);
            }
            answer.insert_header((REPLAYED, "true"));
            return Ok(request.into_response(answer.body(given.body)));
        }
        refused => Some(refusal(&refused)),
    };
    if let Some(error) = refused {
        return Ok(request.into_response((terms.errors)(&error)));
    }
    let running = Running { pools, sender, key, given: None };
    // It is done to its end, also when its client goes away: by then nobody knows how far it came.
    let work = done(running, request, next);
    let task = match RequestId::current() {
        Some(id) => actix_web::rt::spawn(async move { id.of(work).await }),
        None => actix_web::rt::spawn(work),
    };
    task.await.unwrap_or_else(|_| Err(actix_web::error::ErrorInternalServerError("the request was cut off")))
}

async fn done(
    mut running: Running,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let (request, answer) = next.call(request).await?.into_parts();
    let (head, body) = answer.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        // An answer that is written while it is sent is not kept.
        Err(body) => return Ok(ServiceResponse::new(request, head.set_body(body))),
    };
    // What a mutation answers with 200 may be errors alone; it tells documents, which can be read again.
    let documents = request.path().ends_with("/graphql");
    if head.status().is_success() && (!documents || body.starts_with(b"{\"data\":")) {
        running.given = Some(match !documents && is_no_store(head.headers()) {
            true => Answered::Unkept,
            false => Answered::Kept(KeptAnswer {
                status: head.status(),
                headers: head.headers().clone(),
                body: body.clone(),
            }),
        });
    }
    Ok(ServiceResponse::new(request, head.set_body(body).map_into_boxed_body()))
}

/// Whether a handler says of its answer that nobody keeps it. What every answer says to caches is put on after this.
fn is_no_store(headers: &HeaderMap) -> bool {
    headers.get(CACHE_CONTROL).is_some_and(|value| value == "no-store")
}
