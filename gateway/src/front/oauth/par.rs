//! An app sends its request here itself, and then its person with a name for it (RFC 9126): nobody on the way reads or
//! changes it.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::Data;
use super::authorize::{KEY, MAX_REQUEST_BYTES, URN, Wish, Wrong, checked};
use super::client::{OAuthError, asking, fields, proof};
use crate::authn::network;
use crate::directory::pushed::PUSHED_SECONDS;
use crate::dpop::Proof;
use crate::front::refusals::UnknownClient;

#[derive(utoipa::OpenApi)]
#[openapi(paths(par))]
pub(super) struct Api;

/// What proves the app, and is no part of its request.
const SECRETS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// What the authorization endpoint takes, and what proves the app.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read as a form")]
struct PushForm {
    client_id: Option<String>,
    client_secret: Option<String>,
    #[schema(examples("code"))]
    response_type: String,
    redirect_uri: String,
    code_challenge: String,
    #[schema(examples("S256"))]
    code_challenge_method: String,
    scope: Option<String>,
    authorization_details: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    /// The thumbprint of the key whose holder alone may exchange the code (RFC 9449, 10).
    dpop_jkt: Option<String>,
}

/// The name of a request.
#[derive(Serialize, ToSchema)]
struct Pushed {
    /// Goes to the authorization endpoint, with `client_id`; good for one answer.
    request_uri: String,
    /// In seconds.
    expires_in: i64,
}

/// Takes a request of an app, and names it
///
/// With a proof of a key (DPoP, RFC 9449) the code that comes of it is for the holder of that key, as with `dpop_jkt`.
#[utoipa::path(post, path = "/oauth/par", tag = "oauth", security(()),
    params(("DPoP" = Option<String>, Header, description = "A proof of the key that the code is to be bound to")),
    request_body(content = PushForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 201, description = "The name of the request", body = Pushed),
    (status = 400, description = "What the authorization endpoint would refuse: `invalid_request`, `invalid_authorization_details`, …; `invalid_dpop_proof`: the proof of a key does not fit, was sent before, or is another key's than `dpop_jkt`"),
    UnknownClient))]
pub(super) async fn par(node: Data, req: HttpRequest, body: Bytes) -> Result<HttpResponse, OAuthError> {
    let node = &**node;
    let mut fields = fields(&req, &body)?;
    let proof = proof(node, &req)?;
    let app = asking(node, &req, &fields).await?;
    if fields.get("request_uri").is_some() {
        return Err(OAuthError::new("invalid_request", "A request that is sent here names no other."));
    }
    let wish = checked(&req, node, &app, &fields).await.map_err(|wrong| match wrong {
        Wrong::Person(text) => OAuthError::new("invalid_request", text),
        Wrong::App { error, text, .. } => OAuthError::new(error, text),
        Wrong::Failed(error) => error.into(),
    })?;
    let (by, from) = ((app.client, app.manifest.confidential), network(&req));
    if let Some(proof) = proof {
        of_its_key(&wish, &proof)?;
        let proofs = node.directory().proofs();
        proofs.take(proofs.of_nobody(by, &from), &proof, node.now()).map_err(OAuthError::proof)?;
        fields = fields.with([(KEY.to_owned(), proof.key.to_string())]);
    }
    let request = fields.without(&SECRETS);
    if request.len() > MAX_REQUEST_BYTES {
        return Err(OAuthError::new("invalid_request", "The request is too long."));
    }
    let kept = node.directory().push_request(by, &from, &request, node.now()).await?;
    let answer = Pushed { request_uri: format!("{URN}{}", kept.text()), expires_in: PUSHED_SECONDS };
    Ok(HttpResponse::build(StatusCode::CREATED).insert_header((CACHE_CONTROL, "no-store")).json(answer))
}

/// Whether a proof is of the key that the request names, if it names one (RFC 9449, 10.1).
fn of_its_key(wish: &Wish, proof: &Proof) -> Result<(), OAuthError> {
    if wish.key.is_some_and(|key| key != proof.key) {
        return Err(OAuthError::new("invalid_dpop_proof", "The proof is of another key than `dpop_jkt`."));
    }
    Ok(())
}
