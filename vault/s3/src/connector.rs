//! How requests go out: over reqwest, to the server that was named and nowhere else, bounded in time and in what is read.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use vault_backup::ObjectKind;

use crate::settings::is_nowhere;

const CONNECT: Duration = Duration::from_secs(10);
/// Nothing is heard for so long.
const SILENCE: Duration = Duration::from_secs(30);
/// A request takes at most so long, and a second more for each of so many bytes that it sends.
const PATIENCE: Duration = Duration::from_secs(120);
const BYTES_A_SECOND: u64 = 32 << 10;
/// What is read of an answer: of an error, of a list, of an object.
const ERROR: usize = 64 << 10;
const LIST: usize = 16 << 20;
const OBJECT: usize = ObjectKind::Manifest.most_sealed() as usize;

/// Makes the client of a store.
#[derive(Debug)]
pub(crate) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .dns_resolver(std::sync::Arc::new(Somewhere))
            .build()
            .map_err(|source| object_store::Error::Generic { store: "S3", source: Box::new(source) })?;
        Ok(HttpClient::new(Client(client)))
    }
}

/// Resolves names, but to no address at which no server of objects is.
struct Somewhere;

impl Resolve for Somewhere {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.filter(|address| !is_nowhere(address.ip())).collect();
            if found.is_empty() {
                return Err(Box::from("its name leads nowhere"));
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[derive(Debug)]
struct Client(reqwest::Client);

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = parts
            .uri
            .to_string()
            .parse()
            .map_err(|_| HttpError::new(HttpErrorKind::Unknown, Broken("the address is no URL")))?;
        let lists = parts.uri.query().is_some_and(|query| query.contains("list-type"));
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        let sends = body.content_length() as u64;
        *request.timeout_mut() = Some(PATIENCE + Duration::from_secs(sends / BYTES_A_SECOND));
        *request.body_mut() = Some(match body.as_bytes() {
            Some(bytes) => bytes.clone().into(),
            None => reqwest::Body::wrap(body),
        });
        let answer = self.0.execute(request).await.map_err(failed)?;
        let most = match (answer.status().is_success(), lists) {
            (false, _) => ERROR,
            (true, true) => LIST,
            (true, false) => OBJECT,
        };
        let (parts, body) = http::Response::<reqwest::Body>::from(answer).into_parts();
        let body = Limited::new(body, most).map_err(broken);
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// An answer that broke off, in words that hold no address.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Broken(&'static str);

fn failed(error: reqwest::Error) -> HttpError {
    let (kind, text) = if error.is_timeout() {
        (HttpErrorKind::Timeout, "no answer came in time")
    } else if error.is_connect() {
        (HttpErrorKind::Connect, "no connection was made")
    } else {
        // It may have been heard. What is written twice is the same.
        (HttpErrorKind::Request, "the connection broke off")
    };
    HttpError::new(kind, Broken(text))
}

fn broken(error: Box<dyn Error + Send + Sync>) -> HttpError {
    if error.downcast_ref::<http_body_util::LengthLimitError>().is_some() {
        return HttpError::new(HttpErrorKind::Decode, Broken("the answer is longer than any that was asked for"));
    }
    let late = error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout);
    let kind = if late { HttpErrorKind::Timeout } else { HttpErrorKind::Interrupted };
    HttpError::new(kind, Broken("the answer broke off"))
}
