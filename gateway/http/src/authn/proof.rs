//! Tokens that are bound to a key (DPoP, RFC 9449): the proof that comes beside them.

use actix_web::http::header::HeaderName;
use actix_web::{HttpMessage as _, HttpRequest};

use gateway_people::directory::proofs::ProofOf;
use gateway_people::directory::{SecretHash, Token, TokenKind};
use gateway_people::dpop::{Proof, ProofError, Wanted};
use gateway_people::principal::AuthError;
use gateway_people::realm::Realm;

use super::header::only;

/// Where a proof is sent.
pub const DPOP: HeaderName = HeaderName::from_static("dpop");

/// In the extensions of a request what became of its proof: a proof counts once, and a request is asked several times who
/// sent it.
#[derive(Clone, Copy)]
struct Taken(Result<Proof, ProofError>);

/// The proof of a request, checked but for whether it was sent before; `None` if there is none. `token` is the access token
/// that it must be about.
///
/// # Errors
/// If there are several, or something is wrong with it.
pub fn proof(req: &HttpRequest, node: &dyn Realm, token: Option<SecretHash>) -> Result<Option<Proof>, ProofError> {
    if !req.headers().contains_key(DPOP) {
        return Ok(None);
    }
    let several = req.headers().get_all(DPOP).nth(1).is_some();
    let wrong = if several { ProofError::Several } else { ProofError::Malformed };
    let text = only(req, &DPOP).map_err(|()| wrong)?.unwrap_or_default();
    let address = format!("{}{}", node.url(), req.uri().path());
    let token = token.map(|hash| hash.0);
    let wanted = Wanted { method: req.method().as_str(), address: &address, token, now: node.now() };
    Proof::check(text, &wanted).map(Some)
}

/// The token that `text` is, if whoever sent it proves the key that it is bound to. What is wrong with a proof alone is found
/// before anything is looked up; a proof is used up only by who has a token of its key.
pub(super) async fn token(req: &HttpRequest, node: &dyn Realm, text: &str) -> Result<Token, AuthError> {
    let before = req.extensions().get::<Taken>().copied();
    let held = match before {
        Some(Taken(held)) => held?,
        None => proof(req, node, Some(SecretHash::of(text)))?.ok_or(ProofError::Missing)?,
    };
    let token = node.directory().token(text, node.now()).await?.filter(|token| token.key == Some(held.key));
    let token = token.ok_or(AuthError::NotOfTheKey)?;
    let (TokenKind::Access { client, .. } | TokenKind::Identity { client, .. }) = token.kind else {
        return Err(AuthError::NotOfTheKey);
    };
    if before.is_none() {
        let taken = node.directory().proofs().take(ProofOf::App(token.user, client), &held, node.now());
        req.extensions_mut().insert(Taken(taken.map(|()| held)));
        taken?;
    }
    Ok(token)
}
