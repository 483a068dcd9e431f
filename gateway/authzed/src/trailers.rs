//! What SpiceDB's clients read beside an answer: the id of the request and what it cost.

use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tonic::codegen::{Body as HttpBody, BoxFuture, Bytes, Service};
use tonic::server::NamedService;
use tonic::{Status, codegen::StdError};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Every answer is the work of this one process.
const COSTS: [(&str, &str); 2] =
    [("io.spicedb.respmeta.dispatchedoperationscount", "1"), ("io.spicedb.respmeta.cachedoperationscount", "0")];

/// A service whose answers end with these trailers.
#[derive(Clone)]
pub struct Trailers<S>(pub S);

impl<S: NamedService> NamedService for Trailers<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Trailers<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Into<StdError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<Response<Body>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let id = request.headers().get(REQUEST_ID).cloned().or_else(new_id);
        let answer = self.0.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            // An answer that is nothing but a failure has its trailers among the headers.
            if answer.headers().contains_key("grpc-status") {
                extend(answer.headers_mut(), id.as_ref());
                return Ok(answer);
            }
            Ok(answer.map(|body| Body::new(Ending { body, id })))
        })
    }
}

fn new_id() -> Option<HeaderValue> {
    HeaderValue::try_from(uuid::Uuid::new_v4().simple().to_string()).ok()
}

fn extend(headers: &mut HeaderMap, id: Option<&HeaderValue>) {
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id.clone());
    }
    for (name, value) in COSTS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// A body with more trailers than it had.
struct Ending {
    body: Body,
    id: Option<HeaderValue>,
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            let mut frame = frame?;
            if let Some(trailers) = frame.trailers_mut() {
                extend(trailers, self.id.as_ref());
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
