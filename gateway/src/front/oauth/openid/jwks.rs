//! The keys by which ID tokens are signed (RFC 7517).

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Data;
use super::super::client::OAuthError;
use crate::directory::signing::PublicKey;

#[derive(utoipa::OpenApi)]
#[openapi(paths(jwks))]
pub(in super::super) struct Api;

/// A public key (RFC 7517, 4; RFC 7518, 6.2.1).
#[derive(Serialize, ToSchema)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    #[serde(rename = "use")]
    used: &'static str,
    alg: &'static str,
    kid: String,
    x: String,
    y: String,
}

/// The keys of the node.
#[derive(Serialize, ToSchema)]
struct Jwks {
    keys: Vec<Jwk>,
}

impl From<PublicKey> for Jwk {
    fn from(key: PublicKey) -> Self {
        Jwk { kty: "EC", crv: "P-256", used: "sig", alg: "ES256", kid: key.kid, x: key.x, y: key.y }
    }
}

/// The keys by which ID tokens are signed
///
/// A new one is told a day before it signs, and an old one until nothing that it signed is good any more.
#[utoipa::path(get, path = "/oauth/jwks", tag = "oauth", security(()), responses(
    (status = 200, description = "The public keys (RFC 7517)", body = Jwks)))]
pub(in super::super) async fn jwks(node: Data) -> Result<HttpResponse, OAuthError> {
    let keys = node.directory().signing_keys(node.now()).await?;
    let keys = keys.into_iter().map(Jwk::from).collect();
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=3600")).json(Jwks { keys }))
}
