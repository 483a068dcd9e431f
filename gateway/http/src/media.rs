//! Media types (RFC 9110, 8.3 and 12.5.1): what a body is sent as, and what answer is wanted. Types and the names
//! of parameters have no case.

use actix_web::HttpRequest;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use actix_web::middleware::Next;

use super::error::ApiError;
use super::paths::errors_for;
use crate::authn::only;

pub const JSON: &str = "application/json";
pub const FORM: &str = "application/x-www-form-urlencoded";

/// A media type or range.
#[derive(Debug, PartialEq, Eq)]
struct MediaType {
    /// `type/subtype` in lower case.
    essence: String,
    /// Names in lower case, values without their quotes.
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// `None`: the text is no media type.
    fn parse(text: &str) -> Option<MediaType> {
        let mut parts = split(text, ';');
        let (kind, subtype) = parts.next()?.trim_matches(BLANK).split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut parameters = Vec::new();
        for part in parts.map(|part| part.trim_matches(BLANK)).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            let value = match value.strip_prefix('"') {
                Some(quoted) => unquoted(quoted.strip_suffix('"')?)?,
                None if is_token(value) => value.to_owned(),
                None => return None,
            };
            if !is_token(name) {
                return None;
            }
            parameters.push((name.to_ascii_lowercase(), value));
        }
        Some(MediaType { essence: format!("{kind}/{subtype}").to_ascii_lowercase(), parameters })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Whether its text is UTF-8; it is where nothing else is said.
    fn is_utf8(&self) -> bool {
        let utf8 = |charset: &str| ["utf-8", "utf8"].iter().any(|name| charset.eq_ignore_ascii_case(name));
        self.parameters.iter().filter(|(name, _)| name == "charset").all(|(_, value)| utf8(value))
    }
}

const BLANK: [char; 2] = [' ', '\t'];

fn is_token(text: &str) -> bool {
    let mark = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
}

/// The inside of a quoted string with its escapes undone.
fn unquoted(inside: &str) -> Option<String> {
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?),
            '"' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

/// The parts of `text` between separators that stand outside quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        let escapes = quoted && !escaped && c == '\\';
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = escapes;
        c == separator && !quoted
    })
}

/// Which of the types in `taken` (lower case) the body is sent as; else 415 and the sentence `wanted`. A body that
/// says nothing of itself has no type: a page elsewhere can send one without being asked about first.
pub fn sent<'t>(request: &HttpRequest, taken: &[&'t str], wanted: &str) -> Result<&'t str, ApiError> {
    of_body(request, taken, wanted)?.ok_or_else(|| unsupported(wanted))
}

/// [`sent`], for a route that also takes a body without a type: `None` then.
pub fn of_body<'t>(request: &HttpRequest, taken: &[&'t str], wanted: &str) -> Result<Option<&'t str>, ApiError> {
    let Some(text) = only(request, &CONTENT_TYPE).map_err(|()| unsupported(wanted))? else { return Ok(None) };
    let sent = MediaType::parse(text).ok_or_else(|| unsupported(wanted))?;
    if !sent.is_utf8() {
        return Err(unsupported("The text of a body is UTF-8."));
    }
    taken.iter().find(|kind| **kind == sent.essence).map(|kind| Some(*kind)).ok_or_else(|| unsupported(wanted))
}

/// Refuses a body that is compressed (RFC 9110, 8.4): 200 kB can become 200 MB, and nobody knows before it is decoded.
pub async fn uncoded<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if request.headers().get_all(CONTENT_ENCODING).all(is_plain) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let error = unsupported("Send the body as it is, without `Content-Encoding`.");
    let mut answer = errors_for(request.request())(&error);
    answer.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // The body is not read: nothing else can follow it on this connection.
    answer.head_mut().set_connection_type(actix_http::ConnectionType::Close);
    Ok(request.into_response(answer).map_into_right_body())
}

fn unsupported(text: &str) -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text)
}

/// Which of `offered` the request wants most: by quality, then by how exactly it is named, then by the place in
/// `Accept`, then by the place in `offered`. The first where `Accept` is absent; `None`: it takes none of them.
pub fn accepted<'o>(request: &HttpRequest, offered: &[&'o str]) -> Option<&'o str> {
    let headers: Vec<&str> = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok()).collect();
    wanted(&headers, offered)
}

fn wanted<'o>(headers: &[&str], offered: &[&'o str]) -> Option<&'o str> {
    let listed = headers.iter().flat_map(|text| split(text, ',')).filter(|text| !text.trim_matches(BLANK).is_empty());
    let listed: Vec<Option<(MediaType, u32)>> = listed.map(|text| MediaType::parse(text).and_then(weighed)).collect();
    if listed.is_empty() {
        return offered.first().copied();
    }
    let mut best: Option<(u32, u32, std::cmp::Reverse<usize>, &'o str)> = None;
    for &kind in offered {
        // The most exact range that covers a type says what it is worth (RFC 9110, 12.5.1).
        let covering = listed.iter().enumerate().filter_map(|(at, range)| {
            let (range, quality) = range.as_ref()?;
            Some((exactness(range, kind)?, std::cmp::Reverse(at), *quality))
        });
        let Some((exact, at, quality)) = covering.max() else { continue };
        if quality > 0 && best.is_none_or(|(q, e, a, _)| (quality, exact, at) > (q, e, a)) {
            best = Some((quality, exact, at, kind));
        }
    }
    best.map(|(_, _, _, kind)| kind)
}

/// How exactly a range names a type; `None`: not at all.
fn exactness(range: &MediaType, kind: &str) -> Option<u32> {
    if !range.is_utf8() {
        return None;
    }
    let (top, _) = kind.split_once('/')?;
    match range.essence.as_str() {
        exact if exact == kind => Some(2),
        "*/*" => Some(0),
        wide => (wide.strip_suffix("/*") == Some(top)).then_some(1),
    }
}

/// A range with its weight in thousandths; `None`: the weight is none.
fn weighed(range: MediaType) -> Option<(MediaType, u32)> {
    let Some(weight) = range.parameter("q") else { return Some((range, 1_000)) };
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u32 = format!("{part:0<3}").parse().ok()?;
    let quality = match whole {
        "0" if digits => thousandths,
        "1" if digits && thousandths == 0 => 1_000,
        _ => return None,
    };
    Some((range, quality))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    fn sent_as(kind: &str) -> Result<&'static str, u16> {
        let request = TestRequest::post().insert_header((CONTENT_TYPE, kind)).to_http_request();
        sent(&request, &[JSON, "text/plain"], "JSON, please.").map_err(|error| error.status.as_u16())
    }

    #[test]
    fn types_have_no_case_and_may_have_parameters() {
        for same in [
            "application/json",
            "Application/JSON",
            "APPLICATION/JSON; CHARSET=UTF-8",
            "application/json;charset=utf-8",
            "application/json \t;\t charset=\"Utf-8\" ;",
            "application/json; odd=\"a;b\\\",c\"; charset=UTF8",
        ] {
            assert_eq!(sent_as(same), Ok(JSON), "{same}");
        }
        assert_eq!(sent_as("Text/Plain"), Ok("text/plain"));
        for other in [
            "application/jsonp",
            "application/json-seq",
            "application/jsonx; charset=utf-8",
            "json",
            "application/",
            "/json",
            "application/json, text/plain",
            "application/json; charset=iso-8859-1",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json; charset",
            "application/json; charset=\"utf-8",
            "application /json",
            "text/html",
            "*/*",
            "",
        ] {
            assert_eq!(sent_as(other), Err(415), "{other}");
        }
        let none = TestRequest::post().to_http_request();
        assert!(sent(&none, &[JSON], "").is_err() && of_body(&none, &[JSON], "") == Ok(None));
        let twice = TestRequest::post().append_header((CONTENT_TYPE, JSON)).append_header((CONTENT_TYPE, JSON));
        assert!(sent(&twice.to_http_request(), &[JSON], "").is_err(), "two readers may take different ones");
    }

    #[test]
    fn the_answer_is_what_accept_wants_most() {
        const NEW: &str = "application/graphql-response+json";
        let of = |accept: &[&str]| wanted(accept, &[JSON, NEW]);
        for (accept, answer) in [
            (&[][..], Some(JSON)),
            (&[""], Some(JSON)),
            (&["*/*"], Some(JSON)),
            (&["application/*"], Some(JSON)),
            (&["application/json"], Some(JSON)),
            (&["Application/GraphQL-Response+JSON; charset=UTF-8"], Some(NEW)),
            (&["application/graphql-response+json, application/json;q=0.9"], Some(NEW)),
            (&["application/graphql-response+json, application/json"], Some(NEW)),
            (&["application/json, application/graphql-response+json"], Some(JSON)),
            (&["application/json;q=0.9, application/graphql-response+json;q=1.0"], Some(NEW)),
            (&["application/json;q=0.9", "application/graphql-response+json"], Some(NEW)),
            (&["application/graphql-response+json;q=0.1, */*;q=0.5"], Some(JSON)),
            (&["*/*, application/graphql-response+json"], Some(NEW)),
            (&["application/json;q=0, */*"], Some(NEW)),
            (&["text/html, */*;q=0.8"], Some(JSON)),
            (&["application/json;q=0.001, text/html"], Some(JSON)),
            (&["text/html"], None),
            (&["application/json;q=0"], None),
            (&["application/json;q=2"], None),
            (&["application/json;q=0.1234"], None),
            (&["application/json;charset=utf-16"], None),
            (&["text/*, image/png"], None),
            (&["nonsense"], None),
        ] {
            assert_eq!(of(accept), answer, "{accept:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in prop_oneof![any::<String>(), "[a-z/;,=\"\\\\ *.0-9]{0,40}"]) {
            let _ = MediaType::parse(&text);
            let kind = wanted(&[&text], &[JSON, FORM]);
            prop_assert!(kind.is_none_or(|kind| [JSON, FORM].contains(&kind)));
        }

        #[test]
        fn what_is_written_is_read(kind in "[a-zA-Z0-9.+-]{1,9}", sub in "[a-zA-Z0-9.+-]{1,9}", value in "[ -~]{0,12}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let read = MediaType::parse(&format!("{kind}/{sub}; P=\"{quoted}\"")).expect("a media type");
            prop_assert_eq!(&read.essence, &format!("{kind}/{sub}").to_ascii_lowercase());
            prop_assert_eq!(read.parameter("p"), Some(value.as_str()));
        }
    }
}
