//! What forms send, and proof that our own page made them.

use std::collections::{BTreeMap, HashSet};

use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderName, ORIGIN};
use actix_web::{HttpRequest, HttpResponse};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::Url;

use super::page::notice;
use super::speech;
use super::words::words;
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

    /// The fields of a form that was posted; `None` if the body is of another type. The answer
    /// speaks as the form's page, or as one chooses.
    pub(crate) fn of_body(req: &HttpRequest, body: &[u8]) -> Option<Fields> {
        media::sent(req, &[media::FORM], "").ok()?;
        let fields = Fields::read(std::str::from_utf8(body).ok()?);
        match fields.get(speech::CHOICE) {
            Some(tag) => speech::choose(tag),
            None => fields.get(speech::SPEAKS).into_iter().for_each(speech::keep),
        }
        Some(fields)
    }

    /// Whether the form was sent by the choice of a language alone: it is shown again in that.
    pub(crate) fn chooses_language(&self) -> bool {
        self.get(speech::CHOICE).is_some()
    }

    /// A form with these fields.
    pub(super) fn of(pairs: Vec<(String, String)>) -> Fields {
        Fields(pairs)
    }

    /// The same with these fields beside its own, none twice.
    pub(super) fn with(&self, more: impl IntoIterator<Item = (String, String)>) -> Fields {
        let mut all = self.0.clone();
        for pair in more {
            if !all.contains(&pair) {
                all.push(pair);
            }
        }
        Fields(all)
    }

    /// The fields whose names begin so, each with its value if it occurs once.
    pub(super) fn beginning(&self, prefix: &str) -> BTreeMap<&str, Option<&str>> {
        let mut found: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for (name, value) in self.0.iter().filter(|(name, _)| name.starts_with(prefix)) {
            found.entry(name).and_modify(|once| *once = None).or_insert(Some(value));
        }
        found
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

    /// All but these, as they stand in an address.
    pub(super) fn without(&self, names: &[&str]) -> String {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
    }

    /// Whether a field occurs twice whose name begins with none of these.
    pub(super) fn doubled_but(&self, lists: &[&str]) -> bool {
        let mut seen = HashSet::with_capacity(self.0.len());
        let names = self.0.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !lists.iter().any(|list| name.starts_with(list))).any(|name| !seen.insert(name))
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
pub(crate) fn foreign(req: &HttpRequest) -> Option<HttpResponse> {
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
    Some(notice(StatusCode::FORBIDDEN, words().refused(), words().foreign_form()))
}

fn authority(origin: &Url) -> String {
    let host = origin.host_str().unwrap_or_default();
    origin.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The answer to a form whose tag is missing, foreign or of another page.
pub(super) fn stale() -> HttpResponse {
    notice(StatusCode::FORBIDDEN, words().out_of_date(), words().page_is_stale())
}
