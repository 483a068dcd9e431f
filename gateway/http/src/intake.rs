//! What is read of a request, and kept of its answer: nothing but a small head before it is known who asks, and never
//! more than the share of whoever does.
//!
//! Bodies are charged to their sender from before the first byte of them is read until the request is answered;
//! answers, to whoever asked, from when they are made until they are sent. An answer that is not read is dropped.

use std::cell::{Cell, RefCell};
use std::future::Future as _;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::rt::time::{Instant, Sleep, sleep, timeout};
use actix_web::web::{self, Bytes};
use actix_web::{HttpMessage as _, HttpResponse};
use futures::{Stream, StreamExt as _};
use vault::memory::AnswerLease;
use vault::shares::{Lease, Payer, Use};

use super::error::ApiError;
use super::terms::{LEAST_BODY, Terms};
use crate::authn;
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
/// Whoever sends nothing of a body for so long holds no memory for it any more; of strangers the whole of it comes within
/// so long.
const BODY_PAUSE: Duration = Duration::from_secs(15);
const STRANGER_PAUSE: Duration = Duration::from_secs(5);
const STRANGER_BODY: Duration = Duration::from_secs(20);
/// Of a body that is refused so much is let go by, within so long: who still sends when the connection ends sees no
/// answer.
const LET_GO: usize = 32 << 20;
const LET_GO_WITHIN: Duration = Duration::from_secs(10);
/// Who sends nothing for so long waits for the answer.
const LET_GO_PAUSE: Duration = Duration::from_millis(500);

/// Answers of no more are handed over as they are, and nobody is charged for them.
const WHOLE: usize = 16 << 10;
/// What stands around what was charged when it was made is no more than this.
const AROUND: u64 = 1 << 10;
/// How long an answer that is there waits until there is room for it, and how large it may be to wait at all: whoever makes
/// larger ones takes room for them before.
const ANSWER_PATIENCE: Duration = Duration::from_secs(15);
const WAITS: usize = 1 << 20;
/// How much of an answer is handed over at a time.
const CHUNK: usize = 64 << 10;
/// Whoever takes less than so much of an answer within so long is not reading it: more, the fuller the memory of answers is.
const LEAST_READ: usize = 256 << 10;
const LEAST_READ_HALF_FULL: usize = 1 << 20;
const LEAST_READ_FULL: usize = 4 << 20;
pub const READ_WITHIN: Duration = Duration::from_secs(15);

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
        while let Ok(Some(Ok(bytes))) = timeout(LET_GO_PAUSE, body.next()).await {
            let Some(less) = left.checked_sub(bytes.len()) else { return };
            left = less;
        }
    };
    let _ = timeout(LET_GO_WITHIN, read).await;
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
    let Some(length) = announced(&request) else { return metered(terms, next.call(request).await?).await };
    let (node, pools) = (request.app_data::<web::Data<dyn Realm>>(), request.app_data::<web::Data<Pools>>());
    let (Some(node), Some(pools)) = (node.cloned(), pools.cloned()) else {
        return metered(terms, next.call(request).await?).await;
    };
    let known = (terms.clients)(request.request(), &**node).await;
    // What is streamed has quotas of its own.
    let within = request.app_data::<MaxBody>().filter(|_| !terms.limits.streamed);
    let largest = within.map_or(terms.limits.body, |MaxBody(max)| terms.limits.body.min(*max));
    let (payer, most) = match &known {
        Ok(principal) => (Payer::from(&principal.caller), largest),
        Err(_) => (authn::stranger(request.request()), LEAST_BODY.min(largest)),
    };
    if length.is_some_and(|length| length > most) {
        return Ok(match known {
            Err(error) if largest > most => unread(request, (terms.errors)(&ApiError::from(error))),
            Err(_) => unread(request, (terms.errors)(&too_large(most))),
            Ok(_) => let_go(request, (terms.errors)(&too_large(most))).await,
        });
    }
    if length.is_some_and(|length| length <= FREE_BODY) {
        return metered(terms, next.call(request).await?).await;
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
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return Ok(answer);
    };
    let lease = Rc::new(RefCell::new(lease));
    // The request may outlive whoever waits for it: its body is charged for as long.
    request.extensions_mut().insert(Charge(Rc::clone(&lease)));
    if !terms.limits.streamed {
        let within = known.is_err().then(|| Instant::now() + STRANGER_BODY);
        let pause = if known.is_err() { STRANGER_PAUSE } else { BODY_PAUSE };
        let counted = Counted::new(request.take_payload(), most, Rc::clone(&lease), (pause, within));
        request.set_payload(Payload::Stream { payload: Box::pin(counted) });
    }
    let answer = next.call(request).await;
    if let Ok(answer) = &answer {
        answer.request().extensions_mut().remove::<Charge>();
    }
    drop(lease);
    metered(terms, answer?).await
}

/// What the body of a request is charged to.
struct Charge(#[expect(dead_code, reason = "it is held")] Rc<RefCell<Lease>>);

fn too_large(most: usize) -> ApiError {
    let text = format!("The body is too large: here and for you it has at most {} KiB.", most >> 10);
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "limit_body", text)
}

/// A body, read as far as it may be and for as long as it comes.
struct Counted {
    body: Payload,
    read: usize,
    most: usize,
    /// For the largest body, or for what was announced; for what has come, when it has.
    lease: Rc<RefCell<Lease>>,
    pause: Duration,
    /// By when it is to be there.
    within: Option<Instant>,
    patience: Pin<Box<Sleep>>,
}

impl Counted {
    fn new(
        body: Payload,
        most: usize,
        lease: Rc<RefCell<Lease>>,
        (pause, within): (Duration, Option<Instant>),
    ) -> Counted {
        Counted { body, read: 0, most, lease, pause, within, patience: Box::pin(sleep(pause)) }
    }
}

impl Stream for Counted {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_next(cx) else {
            std::task::ready!(self.patience.as_mut().poll(cx));
            self.body = Payload::None;
            return Poll::Ready(Some(Err(PayloadError::Io(std::io::ErrorKind::TimedOut.into()))));
        };
        match &next {
            Some(Ok(bytes)) => {
                self.read = self.read.saturating_add(bytes.len());
                if self.read > self.most {
                    return Poll::Ready(Some(Err(PayloadError::Overflow)));
                }
                let until = Instant::now() + self.pause;
                let until = self.within.map_or(until, |within| until.min(within));
                self.patience.as_mut().reset(until);
            }
            Some(Err(_)) => {}
            None => self.lease.borrow_mut().shrink(self.read as u64 * COST),
        }
        Poll::Ready(next)
    }
}

/// What was charged for an answer when it was made: to be kept until it is sent.
struct Charged(Option<AnswerLease>);

/// Answers `body`, charged with `charge` until it is sent.
pub fn charged(mut answer: HttpResponse, charge: Option<AnswerLease>) -> HttpResponse {
    answer.extensions_mut().insert(Charged(charge));
    answer
}

/// Charges an answer to whoever asked, hands a large one over bit by bit, and drops it when nobody reads it.
async fn metered<B: MessageBody + 'static>(
    terms: Terms,
    answer: ServiceResponse<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let (request, mut answer) = answer.into_parts();
    let charge = answer.extensions_mut().remove::<Charged>().and_then(|charge| charge.0);
    let (head, body) = answer.into_parts();
    let bytes = match body.try_into_bytes() {
        Ok(bytes) if bytes.len() > WHOLE => bytes,
        Ok(bytes) => return Ok(ServiceResponse::new(request, head.set_body(BoxBody::new(bytes)))),
        Err(body) => return Ok(ServiceResponse::new(request, head.set_body(BoxBody::new(body)))),
    };
    // What is there anyway, as files of the console are, costs nothing more.
    let cost = if bytes.is_unique() { bytes.len() as u64 } else { 0 };
    let left = cost.saturating_sub(charge.as_ref().map_or(0, AnswerLease::amount));
    let pools = request.app_data::<web::Data<Pools>>().cloned();
    let rest = match pools.filter(|_| left > AROUND) {
        None => None,
        Some(pools) => {
            let payer = request.extensions().get::<Payer>().copied();
            let payer = payer.unwrap_or_else(|| authn::stranger(&request));
            let patience = if bytes.len() <= WAITS { ANSWER_PATIENCE } else { Duration::ZERO };
            match pools.answers.take(payer, left, patience).await {
                Ok(lease) => Some(lease),
                Err(_) => {
                    let error = no_room(request.method(), head.status());
                    return Ok(ServiceResponse::new(request, (terms.errors)(&error)));
                }
            }
        }
    };
    let body = BoxBody::new(Metered::new(bytes, [charge, rest]));
    Ok(ServiceResponse::new(request, head.set_body(body)))
}

/// There is no room for an answer that is there.
fn no_room(method: &Method, status: StatusCode) -> ApiError {
    if matches!(*method, Method::GET | Method::HEAD) || !status.is_success() {
        return busy();
    }
    let text = "It is done, but you ask for too much at a time: there is no room for the answer. Do not send it again.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", text)
}

/// What answers are charged to.
type Leases = [Option<AnswerLease>; 2];

/// What is left of an answer.
struct Rest {
    bytes: RefCell<Option<(Bytes, Leases)>>,
    taken: Cell<usize>,
}

impl Rest {
    /// How much of it is to be taken within [`READ_WITHIN`], lest it be dropped.
    fn least(&self) -> usize {
        let held = self.bytes.borrow();
        let leases = held.iter().flat_map(|(_, leases)| leases.iter().flatten());
        leases.map(|lease| least_read(lease.usage())).max().unwrap_or(LEAST_READ)
    }
}

/// How much of an answer is to be taken within [`READ_WITHIN`], as the memory is used that it is a part of.
pub fn least_read(memory: Use) -> usize {
    match memory {
        Use { waiting: 1.., .. } => LEAST_READ_FULL,
        Use { total, held, .. } if held > total / 8 * 7 => LEAST_READ_FULL,
        Use { total, held, .. } if held > total / 2 => LEAST_READ_HALF_FULL,
        _ => LEAST_READ,
    }
}

struct Metered {
    length: u64,
    rest: Rc<Rest>,
}

impl Metered {
    fn new(bytes: Bytes, charge: Leases) -> Metered {
        let length = bytes.len() as u64;
        let rest = Rc::new(Rest { bytes: RefCell::new(Some((bytes, charge))), taken: Cell::new(0) });
        actix_web::rt::spawn(watch(Rc::downgrade(&rest), READ_WITHIN));
        Metered { length, rest }
    }
}

/// Drops what is left of an answer when its reader has stopped, or is slower than the others can wait.
async fn watch(rest: Weak<Rest>, within: Duration) {
    let mut before = 0;
    loop {
        sleep(within).await;
        let Some(rest) = rest.upgrade() else { return };
        if rest.taken.get() < before + rest.least() {
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
mod tests;
