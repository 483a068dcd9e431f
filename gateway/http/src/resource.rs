//! Where a client that was refused learns who issues tokens for the node (RFC 9728).

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use actix_web::web::Data;
use gateway_people::realm::Realm;

/// What the node says of itself as a resource, below its own address (RFC 9728, 3).
pub const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Adds to each challenge for a token where [`METADATA`] is (RFC 9728, 5.1). Other answers stay as they are.
pub(super) fn name_metadata(request: &HttpRequest, headers: &mut HeaderMap) {
    if !headers.contains_key(WWW_AUTHENTICATE) {
        return;
    }
    let Some(node) = request.app_data::<Data<dyn Realm>>() else { return };
    let challenges: Vec<HeaderValue> = headers.remove(WWW_AUTHENTICATE).collect();
    for challenge in challenges {
        let named = challenge.to_str().ok().and_then(|text| named(text, &node.url()));
        headers.append(WWW_AUTHENTICATE, named.unwrap_or(challenge));
    }
}

/// A challenge for a token, with the address; `None` if it is for something else.
fn named(challenge: &str, url: &str) -> Option<HeaderValue> {
    let told = ["Bearer", "DPoP"].iter().find_map(|scheme| challenge.strip_prefix(scheme))?;
    let more = if told.is_empty() { " " } else { ", " };
    HeaderValue::from_str(&format!("{challenge}{more}resource_metadata=\"{url}{METADATA}\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_for_tokens_name_the_document_and_others_do_not() {
        let at = "resource_metadata=\"https://a.example/.well-known/oauth-protected-resource\"";
        let told = |challenge: &str| Some(named(challenge, "https://a.example")?.to_str().unwrap().to_owned());
        for (challenge, more) in [("Bearer", " "), ("Bearer error=\"x\"", ", "), ("DPoP algs=\"ES256\"", ", ")] {
            assert_eq!(told(challenge), Some(format!("{challenge}{more}{at}")));
        }
        assert_eq!(told("Basic realm=\"allod\""), None);
    }
}
