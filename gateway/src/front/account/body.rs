//! Bodies of requests and shapes of answers that several routes share.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use gateway_graphql::weight;
use policy_core::Timestamp;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ApiError;
use crate::front::media;
use crate::grants::reads_once;

/// The most values in a body: more of them take far more memory than their text.
const VALUES_MAX: usize = 150_000;

/// A JSON body. Only the media type that makes a browser ask first is taken: a form of another site
/// cannot send it.
pub(crate) fn json<T: DeserializeOwned>(req: &HttpRequest, body: &[u8]) -> Result<T, ApiError> {
    media::sent(req, &[media::JSON], "The body must be application/json.")?;
    let text = std::str::from_utf8(body).map_err(|_| ApiError::bad_request("The body is not UTF-8."))?;
    if weight::values(body) > VALUES_MAX {
        let text = format!("The body has more than {VALUES_MAX} values.");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "limit_body", text));
    }
    if !reads_once(text) {
        return Err(ApiError::bad_request("The body is not JSON, or a key occurs twice in one object."));
    }
    serde_json::from_str(text).map_err(|error| ApiError::bad_request(format!("The body does not fit: {error}.")))
}

/// RFC 3339 in UTC.
pub(crate) fn instant(at: Timestamp) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc3339).unwrap_or_default()
}
