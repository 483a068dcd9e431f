//! Where a client that was refused learns who issues tokens for the node (RFC 9728).

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use actix_web::web::Data;
use gateway_people::realm::Realm;

/// What the node says of itself as a resource, below its own address (RFC 9728, 3).
pub const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Adds to a challenge for a token where [`METADATA`] is (RFC 9728, 5.1). Other answers stay as they are.
pub(super) fn name_metadata(request: &HttpRequest, headers: &mut HeaderMap) {
    let Some(challenge) = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()) else { return };
    let more = match challenge.strip_prefix("Bearer") {
        Some("") => " ",
        Some(_) => ", ",
        None => return,
    };
    let Some(node) = request.app_data::<Data<dyn Realm>>() else { return };
    let named = format!("{challenge}{more}resource_metadata=\"{}{METADATA}\"", node.url());
    if let Ok(named) = HeaderValue::from_str(&named) {
        headers.insert(WWW_AUTHENTICATE, named);
    }
}
