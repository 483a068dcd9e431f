//! For whom passkeys are made here, and what all ceremonies are refused for.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::ORIGIN;

use crate::authn::only;
use crate::front::error::ApiError;
use crate::node::Node;
use crate::passkeys::RelyingParty;

/// For whom passkeys are made and proved, where they can be from there.
pub(super) fn party(req: &HttpRequest, node: &dyn Node) -> Result<RelyingParty, ApiError> {
    let party = node.relying_party().ok_or_else(|| {
        let text = "The pages of this node have no name that browsers keep passkeys for: they are reached by number, or in clear.";
        ApiError::new(StatusCode::CONFLICT, "no_passkeys", text)
            .hint("The operator gives the node a name (`http.public_url = \"https://NAME\"`).")
    })?;
    // A browser would refuse, and not say why.
    let elsewhere = only(req, &ORIGIN).map_or(true, |origin| origin.is_some_and(|origin| origin != party.origin()));
    if elsewhere {
        let text = format!("The passkeys of this node count at {} alone.", party.origin());
        return Err(ApiError::new(StatusCode::CONFLICT, "passkeys_elsewhere", text)
            .hint("Open the node there; the operator says by `http.public_url` where that is."));
    }
    Ok(party)
}

pub(super) fn stale() -> ApiError {
    let text = "This was begun too long ago, elsewhere, or is done already; begin it again.";
    ApiError::new(StatusCode::BAD_REQUEST, "sign_in_stale", text)
}
