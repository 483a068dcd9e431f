//! What forms send, and proof that our own page made them.

use std::collections::HashSet;

use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderName, ORIGIN};
use actix_web::{HttpRequest, HttpResponse};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::Url;

use super::page::notice;
use crate::authn::only;
use crate::front::media;
use crate::node::Node;

/// The fields of a query string or form, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

/// Fields of one form: far more than the largest consent.
const MAX_FIELDS: usize = 20_000;

impl Fields {
    /// Reads `application/x-www-form-urlencoded` text. A parameter without a value counts as one that was left
    /// out (RFC 6749, section 3.1).
    pub(crate) fn read(text: &str) -> Fields {
        let sent = url::form_urlencoded::parse(text.as_bytes()).take(MAX_FIELDS);
        Fields(sent.filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n.into_owned(), v.into_owned())).collect())
    }

    /// The fields of a form that was posted; `None` if the body is of another type.
    pub(super) fn of_body(req: &HttpRequest, body: &[u8]) -> Option<Fields> {
        media::sent(req, &[media::FORM], "").ok()?;
        Some(Fields::read(std::str::from_utf8(body).ok()?))
    }

    /// The value of a field that occurs once; `None` if it is absent or occurs twice.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        let (_, first) = values.next()?;
        values.next().is_none().then_some(first.as_str())
    }

    /// The values of a field that may occur several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a field occurs twice: OAuth forbids that, and two readers may pick different ones.
    pub(crate) fn doubled(&self) -> bool {
        let mut seen = HashSet::with_capacity(self.0.len());
        self.0.iter().any(|(name, _)| !seen.insert(name.as_str()))
    }
}

/// Authenticates a form: only a page that we made for whom `binding` names, for this step and these fixed fields,
/// carries it.
pub(super) fn tag(node: &dyn Node, step: &str, binding: &[u8], fixed: &str) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&mac(node, step, binding, fixed).finalize().into_bytes())
}

/// Whether `sent` is the tag of this form.
pub(super) fn is_tag(node: &dyn Node, step: &str, binding: &[u8], fixed: &str, sent: Option<&str>) -> bool {
    let sent = sent.and_then(|text| data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok());
    sent.is_some_and(|bytes| mac(node, step, binding, fixed).verify_slice(&bytes).is_ok())
}

fn mac(node: &dyn Node, step: &str, binding: &[u8], fixed: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(node.directory().form_key()).expect("HMAC takes any key");
    for part in [step.as_bytes(), binding, fixed.as_bytes()] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

/// The refusal of a form that another site's page sent.
pub(super) fn foreign(req: &HttpRequest) -> Option<HttpResponse> {
    let site = only(req, &HeaderName::from_static("sec-fetch-site"));
    let same_site = matches!(site, Ok(None | Some("same-origin" | "none")));
    let same_origin = match only(req, &ORIGIN) {
        Ok(None) => true,
        Ok(Some(origin)) => {
            let host = only(req, &HOST).ok().flatten().unwrap_or_default();
            // `Host` leaves the default port out, as an origin does.
            Url::parse(origin).is_ok_and(|origin| authority(&origin).eq_ignore_ascii_case(host))
        }
        Err(()) => false,
    };
    if same_site && same_origin {
        return None;
    }
    Some(notice(StatusCode::FORBIDDEN, "Refused", "This form was sent by another site. Nothing was changed."))
}

fn authority(origin: &Url) -> String {
    let host = origin.host_str().unwrap_or_default();
    origin.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The answer to a form whose tag is missing, foreign or of another page.
pub(super) fn stale() -> HttpResponse {
    let text = "This page is no longer current. Go back to the app and begin again. Nothing was changed.";
    notice(StatusCode::FORBIDDEN, "Out of date", text)
}
