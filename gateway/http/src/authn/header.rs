//! Headers that count once.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

/// The one value of a header; an error if there are several or it is no text.
#[expect(clippy::result_unit_err, reason = "what it means is said by whoever reads the header")]
pub fn only<'a>(req: &'a HttpRequest, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = req.headers().get_all(name);
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(());
    }
    first.to_str().map(Some).map_err(|_| ())
}
