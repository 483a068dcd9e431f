//! `ETag`, and requests that hold only for what their sender has seen (RFC 9110, 13).

use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::ApiError;

/// A strong tag: the head of a digest of what is shown.
fn tag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("\"{}\"", data_encoding::BASE64URL_NOPAD.encode(&digest[..16]))
}

/// Whether a header lists the tag. Weakly: `W/` makes no difference, which only reading may overlook.
fn lists(request: &HttpRequest, header: &HeaderName, tag: &str, weakly: bool) -> Option<bool> {
    let mut values = request.headers().get_all(header).peekable();
    values.peek()?;
    Some(
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|one| one == "*" || one == tag || weakly && one.strip_prefix("W/") == Some(tag)),
    )
}

/// Gives what `GET` shows a tag, and answers 304 to whoever has it already.
pub async fn tagged(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let answer = next.call(request).await?;
    if !reads || answer.status() != StatusCode::OK {
        return Ok(answer);
    }
    let (request, answer) = answer.into_parts();
    let (mut head, body) = answer.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        Err(body) => return Ok(ServiceResponse::new(request, head.set_body(body))),
    };
    let tag = tag(&body);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        head.headers_mut().insert(ETAG, tag);
    }
    if lists(&request, &IF_NONE_MATCH, &tag, true) == Some(true) {
        *head.status_mut() = StatusCode::NOT_MODIFIED;
        head.headers_mut().remove(CONTENT_TYPE);
        return Ok(ServiceResponse::new(request, head.set_body(BoxBody::new(()))));
    }
    Ok(ServiceResponse::new(request, head.set_body(body).map_into_boxed_body()))
}

/// Refuses to replace what is not as whoever asks has seen it: `now` is what `GET` shows.
pub fn expected(request: &HttpRequest, now: &impl Serialize) -> Result<(), ApiError> {
    let tag = serde_json::to_vec(now).map(|body| tag(&body)).unwrap_or_default();
    let unseen = lists(request, &IF_MATCH, &tag, false) == Some(false);
    if unseen || lists(request, &IF_NONE_MATCH, &tag, true) == Some(true) {
        let text = "It is not as this request expects: somebody changed it meanwhile.";
        let error = ApiError::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", text);
        return Err(error.hint("Read it again, and send the `ETag` of that answer in `If-Match`."));
    }
    Ok(())
}

/// Why a request is refused that changes something only under a condition which nothing looks at: what was to be kept from
/// being overwritten would be (RFC 9110, 13.1). `asked`: whether it has a condition that is not looked at.
pub fn unheeded(method: &Method, asked: impl Fn(&HeaderName) -> bool) -> Option<ApiError> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let header =
        [(IF_MATCH, "If-Match"), (IF_NONE_MATCH, "If-None-Match")].into_iter().find(|(header, _)| asked(header));
    let text = format!("This route does not look at `{}`, and so nothing was done.", header?.1);
    let error = ApiError::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", text);
    Some(error.hint("Send it without the condition."))
}

/// Of an answer that `GET` would give now.
pub fn put_etag(now: &impl Serialize, answer: &mut HttpResponse) {
    let tag = serde_json::to_vec(now).map(|body| tag(&body)).unwrap_or_default();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_tag_stands_for_what_is_shown_and_a_weak_one_replaces_nothing() {
        let now = [1, 2];
        let own = tag(b"[1,2]");
        let with = |header: HeaderName, value: String| {
            let request = TestRequest::default().insert_header((header, value)).to_http_request();
            expected(&request, &now).map_err(|error| error.status.as_u16())
        };
        assert_eq!(
            expected(&TestRequest::default().to_http_request(), &now).ok(),
            Some(()),
            "control: nothing is expected"
        );
        assert_eq!(with(IF_MATCH, own.clone()), Ok(()));
        assert_eq!(with(IF_MATCH, format!("\"x\", {own}")), Ok(()));
        assert_eq!(with(IF_MATCH, "*".to_owned()), Ok(()));
        for wrong in ["\"x\"".to_owned(), String::new(), format!("W/{own}"), own.replace('"', "")] {
            assert_eq!(with(IF_MATCH, wrong.clone()), Err(412), "{wrong}");
        }
        assert_eq!(with(IF_NONE_MATCH, "*".to_owned()), Err(412), "only if there is none");
        assert_eq!(with(IF_NONE_MATCH, tag(b"[1]")), Ok(()));
    }
}
