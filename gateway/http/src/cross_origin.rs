//! Which pages of other origins may call this node (CORS; Fetch standard, 3.2).
//!
//! They come as apps do, with a token of their own: never with the session of this node's pages. So what they reach are
//! the routes of data and of OAuth that apps use, and no answer says that credentials count.

use std::rc::Rc;
use std::str::FromStr;

use actix_cors::Cors;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::middleware::Next;
use actix_web::web;
use url::Url;

use crate::authn::DPOP;
use crate::paths::Paths;

/// How long a browser remembers what it was told before a request, in seconds.
const PREFLIGHT_SECONDS: usize = 7_200;
const SPACE: HeaderName = HeaderName::from_static("allod-space");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An origin whose pages may call this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// `*`: every one.
    Any,
    /// Scheme, host and port, as browsers write them.
    Only(String),
}

impl FromStr for Allowed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "an origin is https://NAME or https://NAME:PORT, with nothing behind it; * is every one";
        if text == "*" {
            return Ok(Allowed::Any);
        }
        let url = Url::parse(text).map_err(|_| WRONG)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let written = url.origin().ascii_serialization();
        // A name with a star in it would look like a pattern, and be none.
        let whole = text.trim_end_matches('/').eq_ignore_ascii_case(&written) && !text.contains('*');
        if matches!(url.scheme(), "http" | "https") && bare && whole { Ok(Allowed::Only(written)) } else { Err(WRONG) }
    }
}

/// The origins whose pages may call this node; none, unless the operator names some.
#[derive(Debug, Clone, Default)]
pub struct Origins(pub Vec<Allowed>);

impl Origins {
    fn any(&self) -> bool {
        self.0.contains(&Allowed::Any)
    }

    fn allow(&self, origin: &HeaderValue) -> bool {
        // What a page in a sandbox, or of no origin, says of itself is nobody's name.
        let named = origin.to_str().ok().filter(|origin| *origin != "null");
        named.is_some_and(|origin| self.any() || self.0.iter().any(|one| *one == Allowed::Only(origin.to_owned())))
    }
}

/// The middleware, for every worker its own: on the paths that fronts open to other origins (`Routes::open`).
pub fn allowing(origins: Origins, paths: web::Data<Paths>) -> Cors {
    let origins = Rc::new(origins);
    Cors::default()
        .block_on_origin_mismatch(false)
        .allowed_origin_fn(move |origin, head| paths.is_open(head.uri.path()) && origins.allow(origin))
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE])
        .allowed_headers([ACCEPT, AUTHORIZATION, CONTENT_TYPE, DPOP, IF_MATCH, IF_NONE_MATCH, SPACE, IDEMPOTENCY_KEY])
        .expose_headers([ETAG, LINK, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE, REQUEST_ID])
        .max_age(PREFLIGHT_SECONDS)
}

/// Where every origin is allowed, says so: an answer that caches may give to all. Where this one is not, says nothing.
pub async fn spelt<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let any = request.app_data::<web::Data<Origins>>().is_some_and(|origins| origins.any());
    let mut answer = next.call(request).await?;
    match answer.headers_mut().get_mut(ACCESS_CONTROL_ALLOW_ORIGIN) {
        Some(origin) if any => *origin = HeaderValue::from_static("*"),
        Some(_) => {}
        None => drop(answer.headers_mut().remove(ACCESS_CONTROL_EXPOSE_HEADERS)),
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_name_and_a_port() {
        let parse = |text: &str| text.parse::<Allowed>();
        let only = |text: &str| Ok(Allowed::Only(text.to_owned()));
        assert_eq!(parse("*"), Ok(Allowed::Any));
        assert_eq!(parse("https://app.example"), only("https://app.example"));
        assert_eq!(parse("https://APP.example/"), only("https://app.example"));
        assert_eq!(parse("http://localhost:5173"), only("http://localhost:5173"));
        assert_eq!(parse("https://[::1]:8"), only("https://[::1]:8"));
        for wrong in [
            "",
            "app.example",
            "https://*.app.example",
            "https://app.example/x",
            "https://app.example?x",
            "https://a@app.example",
            "ftp://app.example",
            "null",
            "file:///x",
            "https://app.example:443",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
