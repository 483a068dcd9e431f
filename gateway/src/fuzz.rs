//! The parsers of what clients send, for fuzzers: they take any bytes and must not panic.

use std::str::FromStr;

use actix_web::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use actix_web::test::TestRequest;
use serde_json::Value;

use crate::authn;
use crate::dpop::{Proof, Thumbprint, Wanted};
use crate::front::addresses::Addresses;
use crate::front::cross_origin::Allowed;
use crate::front::data::incoming;
use crate::front::oauth::form::Fields;
use crate::grants;
use crate::places::PlaceName;
use gateway_people::language::Language;

/// A requested access, or a grant.
pub fn grant(text: &str) {
    if let Ok(list) = grants::parse(text) {
        assert!(!list.is_empty());
    }
    let _ = grants::reads_once(text);
    let _ = grants::Span::from_str(text);
}

/// An app's manifest.
pub fn manifest(text: &str) {
    if let Ok(value) = serde_json::from_str::<Value>(text)
        && let Ok(manifest) = grants::Manifest::parse(&value)
    {
        assert!(manifest.redirect_uris.iter().all(|uri| !uri.to_ascii_lowercase().starts_with("javascript:")));
    }
}

/// A GraphQL request, or a form.
pub fn request(bytes: &[u8]) {
    let _ = incoming::of_text(bytes);
    let _ = incoming::of_json(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = incoming::of_address(text);
        let fields = Fields::read(text);
        let _ = (fields.doubled(), fields.get("state"));
    }
}

/// A proof of a key, and one made of a line each: head, claims, signature.
pub fn proof(text: &str) {
    let wanted = Wanted {
        method: "POST",
        address: "https://cloud.example.org/oauth/token",
        token: None,
        now: policy_core::Timestamp::from_seconds(1_764_000_000),
    };
    let made: Vec<String> =
        text.split('\n').map(|part| data_encoding::BASE64URL_NOPAD.encode(part.as_bytes())).collect();
    for text in [text, &made.join(".")] {
        // Nobody who does not hold the key signs.
        assert!(Proof::check(text, &wanted).is_err(), "{text}");
    }
    if let Ok(print) = Thumbprint::from_str(text) {
        assert_eq!(print.to_string(), text);
    }
}

/// `Host`, `X-Forwarded-For`, `Authorization` and `Origin`, a line each.
pub fn headers(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut value = || HeaderValue::from_bytes(lines.next().unwrap_or_default()).ok();
    let (host, forwarded, authorization, origin) = (value(), value(), value(), value());
    let proxies = ["127.0.0.0/8", "10.0.0.0/8"].map(|range| range.parse().expect("a range")).to_vec();
    let listening = "127.0.0.1:8420".parse().expect("an address");
    let addresses = Addresses::new(proxies, Some("https://cloud.example.org"), listening);
    if let Some(host) = host.as_ref().and_then(|host| host.to_str().ok())
        && addresses.knows(host)
    {
        // A name that is taken is one of ours, whatever stands around it.
        let lower = host.to_ascii_lowercase();
        assert!(!lower.contains("evil"), "{host}");
    }
    let mut map = HeaderMap::new();
    if let Some(forwarded) = forwarded {
        map.append(HeaderName::from_static("x-forwarded-for"), forwarded);
    }
    let _ = addresses.origin([127, 0, 0, 1].into(), &map);
    let mut request = TestRequest::default();
    for (name, value) in [(AUTHORIZATION, authorization), (HOST, host)] {
        request = value.into_iter().fold(request, |request, value| request.append_header((name.clone(), value)));
    }
    let _ = authn::bearer(&request.to_http_request());
    if let Some(origin) = origin.as_ref().and_then(|origin| origin.to_str().ok())
        && let Ok(Allowed::Only(origin)) = Allowed::from_str(origin)
    {
        assert_eq!(Allowed::from_str(&origin), Ok(Allowed::Only(origin.clone())));
    }
}

/// A place for backups.
pub fn place(text: &str) {
    if let Ok(place) = PlaceName::from_str(text) {
        // What is written down names the same place.
        assert_eq!(PlaceName::from_str(&place.to_string()).as_ref(), Ok(&place), "{text}");
    }
}

/// Who asks: `Authorization`, `Cookie`, `User-Agent` and `Accept-Language`, a line each.
pub fn sender(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut request = TestRequest::default();
    for name in [AUTHORIZATION, COOKIE, USER_AGENT] {
        let value = HeaderValue::from_bytes(lines.next().unwrap_or_default()).ok();
        request = value.into_iter().fold(request, |request, value| request.append_header((name.clone(), value)));
    }
    let request = request.to_http_request();
    let _ = authn::sent(&request);
    // A cookie alone opens nothing, whatever it says.
    assert!(!authn::is_page(&request));
    if let Some(product) = authn::session_origin(&request).product {
        assert!(!product.is_empty() && product.len() <= 64 && !product.contains(['<', '>', '&', '"']), "{product}");
    }
    if let Some(language) = lines.next().and_then(|line| std::str::from_utf8(line).ok()) {
        let _ = Language::accepted(language);
    }
}
