//! What is read of a request, and kept of its answer: nothing but a small head before it is known who asks, and never
//! more than the share of whoever does.
//!
//! Bodies are charged to their sender from before the first byte of them is read until the request is answered;
//! answers, to whoever asked, from when they are made until they are sent. An answer that is not read is dropped.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, RETRY_AFTER, TRANSFER_ENCODING};
use actix_web::middleware::Next;
use actix_web::web::{self, Bytes};
use actix_web::{HttpMessage as _, HttpResponse};
use futures::{Stream, StreamExt as _};
use vault::shares::{Lease, Payer};

use super::error::ApiError;
use super::terms::{LEAST_BODY, Terms};
use crate::pools::Pools;
use gateway_people::realm::Realm;

/// Bodies of so little are not charged: all connections together hold little of them, and whoever signs in waits for no
/// stranger's.
const FREE_BODY: usize = 4 << 10;
/// What a byte of a body costs: it is there as it came, as what was read of it, and as what is to be stored.
const COST: u64 = 3;
/// What a body costs that goes on as it comes, however long it is.
const STREAMED: u64 = 1 << 20;
/// How long a request waits until there is memory for its body.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of a body that is refused so much is let go by, within so long: who still sends when the connection ends sees no
/// answer.
const LET_GO: usize = 32 << 20;
const LET_GO_WITHIN: Duration = Duration::from_secs(10);
/// Who sends nothing for so long waits for the answer.
const LET_GO_PAUSE: Duration = Duration::from_millis(500);

/// Answers of less are handed over as they are.
const WHOLE: u64 = 16 << 10;
/// How much of an answer is handed over at a time.
const CHUNK: usize = 64 << 10;
/// Whoever takes less than so much of an answer within so long is not reading it.
const LEAST_READ: usize = 256 << 10;
const READ_WITHIN: Duration = Duration::from_secs(15);

/// The largest body that the operator lets in from the network, whatever a front takes (`http.max_body`).
#[derive(Debug, Clone, Copy)]
pub struct MaxBody(pub usize);

/// How long the body is: `None`, there is none; `Some(None)`, it comes in chunks.
fn announced(request: &ServiceRequest) -> Option<Option<usize>> {
    if request.headers().contains_key(TRANSFER_ENCODING) {
        return Some(None);
    }
    let length = request.headers().get(CONTENT_LENGTH)?.to_str().ok()?;
    // A length that is no number never gets here: the request is malformed.
    let length = length.parse().unwrap_or(usize::MAX);
    (length > 0).then_some(Some(length))
}

/// The request is answered before its body is read: the connection ends with it.
fn unread(request: ServiceRequest, mut response: HttpResponse) -> ServiceResponse<BoxBody> {
    response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
    request.into_response(response)
}

/// As [`unread`], for somebody who is known: their body is let go by first, and nothing of it is kept.
async fn let_go(mut request: ServiceRequest, response: HttpResponse) -> ServiceResponse<BoxBody> {
    let mut body = request.take_payload();
    let read = async {
        let mut left = LET_GO;
        while let Ok(Some(Ok(bytes))) = actix_web::rt::time::timeout(LET_GO_PAUSE, body.next()).await {
            let Some(less) = left.checked_sub(bytes.len()) else { return };
            left = less;
        }
    };
    let _ = actix_web::rt::time::timeout(LET_GO_WITHIN, read).await;
    unread(request, response)
}

/// A caller asks for too much at a time.
pub fn busy() -> ApiError {
    let text = "You send or ask for too much at a time: wait until some of it is answered, then try again.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
}

/// Reads no body before it is known whose it is, and keeps what is read and answered within their share.
pub async fn admitted<B: MessageBody + 'static>(
    terms: Terms,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(length) = announced(&request) else { return next.call(request).await.map(metered) };
    let (node, pools) = (request.app_data::<web::Data<dyn Realm>>(), request.app_data::<web::Data<Pools>>());
    let (Some(node), Some(pools)) = (node.cloned(), pools.cloned()) else {
        return next.call(request).await.map(metered);
    };
    let known = (terms.clients)(request.request(), &**node).await;
    // What is streamed has quotas of its own.
    let within = request.app_data::<MaxBody>().filter(|_| !terms.limits.streamed);
    let largest = within.map_or(terms.limits.body, |MaxBody(max)| terms.limits.body.min(*max));
    let (payer, most) = match &known {
        Ok(principal) => (Payer::from(&principal.caller), largest),
        Err(_) => (Payer::Nobody, LEAST_BODY.min(largest)),
    };
    if length.is_some_and(|length| length > most) {
        return Ok(match known {
            Err(error) if largest > most => unread(request, (terms.errors)(&ApiError::from(error))),
            Err(_) => unread(request, (terms.errors)(&too_large(most))),
            Ok(_) => let_go(request, (terms.errors)(&too_large(most))).await,
        });
    }
    if length.is_some_and(|length| length <= FREE_BODY) {
        return next.call(request).await.map(metered);
    }
    let cost = match terms.limits.streamed {
        true => STREAMED,
        false => length.unwrap_or(most) as u64 * COST,
    };
    let Ok(lease) = pools.bodies.take(payer, cost, PATIENCE).await else {
        let mut answer = match known {
            Ok(_) => let_go(request, (terms.errors)(&busy())).await,
            Err(_) => unread(request, (terms.errors)(&busy())),
        };
        answer.headers_mut().insert(RETRY_AFTER, actix_web::http::header::HeaderValue::from_static("1"));
        return Ok(answer);
    };
    let lease = Rc::new(RefCell::new(lease));
    // The request may outlive whoever waits for it: its body is charged for as long.
    request.extensions_mut().insert(Charge(Rc::clone(&lease)));
    if length.is_none() && !terms.limits.streamed {
        let counted = Counted { body: request.take_payload(), read: 0, most, lease: Rc::clone(&lease) };
        request.set_payload(Payload::Stream { payload: Box::pin(counted) });
    }
    let answer = next.call(request).await;
    if let Ok(answer) = &answer {
        answer.request().extensions_mut().remove::<Charge>();
    }
    drop(lease);
    answer.map(metered)
}

/// What the body of a request is charged to.
struct Charge(#[expect(dead_code, reason = "it is held")] Rc<RefCell<Lease>>);

fn too_large(most: usize) -> ApiError {
    let text = format!("The body is too large: here and for you it has at most {} KiB.", most >> 10);
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "limit_body", text)
}

/// A body of unknown length, read as far as it may be.
struct Counted {
    body: Payload,
    read: usize,
    most: usize,
    /// For the largest body; for what has come, when it has.
    lease: Rc<RefCell<Lease>>,
}

impl Stream for Counted {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = std::task::ready!(Pin::new(&mut self.body).poll_next(cx));
        match &next {
            Some(Ok(bytes)) => {
                self.read = self.read.saturating_add(bytes.len());
                if self.read > self.most {
                    return Poll::Ready(Some(Err(PayloadError::Overflow)));
                }
            }
            Some(Err(_)) => {}
            None => self.lease.borrow_mut().shrink(self.read as u64 * COST),
        }
        Poll::Ready(next)
    }
}

/// What is charged for an answer that has been made: to be kept until it is sent.
struct Charged(Option<Lease>);

/// Answers `body`, charged with `charged` until it is sent.
pub fn charged(mut answer: HttpResponse, charge: Option<Lease>) -> HttpResponse {
    answer.extensions_mut().insert(Charged(charge));
    answer
}

/// Hands a large answer over bit by bit, and drops it when nobody reads it.
fn metered<B: MessageBody + 'static>(mut answer: ServiceResponse<B>) -> ServiceResponse<BoxBody> {
    let charge = answer.response_mut().extensions_mut().remove::<Charged>().and_then(|charge| charge.0);
    let sized = matches!(answer.response().body().size(), BodySize::Sized(size) if size > WHOLE);
    answer.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) if sized => BoxBody::new(Metered::new(bytes, charge)),
        Ok(bytes) => BoxBody::new(bytes),
        Err(body) => BoxBody::new(body),
    })
}

/// What is left of an answer.
struct Rest {
    bytes: RefCell<Option<(Bytes, Option<Lease>)>>,
    taken: Cell<usize>,
}

struct Metered {
    length: u64,
    rest: Rc<Rest>,
}

impl Metered {
    fn new(bytes: Bytes, charge: Option<Lease>) -> Metered {
        let length = bytes.len() as u64;
        let rest = Rc::new(Rest { bytes: RefCell::new(Some((bytes, charge))), taken: Cell::new(0) });
        actix_web::rt::spawn(watch(Rc::downgrade(&rest), READ_WITHIN));
        Metered { length, rest }
    }
}

/// Drops what is left of an answer when its reader has stopped.
async fn watch(rest: Weak<Rest>, within: Duration) {
    let mut before = 0;
    loop {
        actix_web::rt::time::sleep(within).await;
        let Some(rest) = rest.upgrade() else { return };
        if rest.taken.get() < before + LEAST_READ {
            rest.bytes.borrow_mut().take();
            return;
        }
        before = rest.taken.get();
    }
}

/// The reader took too long.
#[derive(Debug, thiserror::Error)]
#[error("the answer was not read in time")]
struct NotRead;

impl MessageBody for Metered {
    type Error = NotRead;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, NotRead>>> {
        let mut rest = self.rest.bytes.borrow_mut();
        let Some((bytes, _)) = rest.as_mut() else { return Poll::Ready(Some(Err(NotRead))) };
        if bytes.is_empty() {
            return Poll::Ready(None);
        }
        let chunk = bytes.split_to(bytes.len().min(CHUNK));
        self.rest.taken.set(self.rest.taken.get() + chunk.len());
        Poll::Ready(Some(Ok(chunk)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn an_answer_that_nobody_reads_is_dropped_and_one_that_is_read_is_whole() {
        let pool = Pools::default().bodies;
        let text: Bytes = (0..300_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>().into();
        let take = || pool.take(Payer::Nobody, 1_000, Duration::ZERO);
        let mut read = Metered::new(text.clone(), Some(take().await.unwrap()));
        let mut all = Vec::new();
        while let Some(chunk) = std::future::poll_fn(|cx| Pin::new(&mut read).poll_next(cx)).await {
            all.extend_from_slice(&chunk.unwrap());
        }
        assert!(all == text);

        let rest =
            Rc::new(Rest { bytes: RefCell::new(Some((text, Some(take().await.unwrap())))), taken: Cell::new(0) });
        let mut stalled = Metered { length: 1_200_000, rest: Rc::clone(&rest) };
        watch(Rc::downgrade(&rest), Duration::from_millis(1)).await;
        let next = std::future::poll_fn(|cx| Pin::new(&mut stalled).poll_next(cx)).await;
        assert!(matches!(next, Some(Err(NotRead))));
        assert!(rest.bytes.borrow().is_none(), "with its charge");
    }
}
