//! The token endpoint: codes and refresh tokens become pairs of tokens.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{GrantId, Holder, UserId};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use super::Data;
use super::client::{OAuthError, client, fields};
use super::form::Fields;
use crate::directory::{Act, Actor, Pair, RegisteredApp, Rotation, Taken};
use crate::front::account::grants::enforced;
use crate::front::described::{Access, Id};
use crate::grants::revoke;
use crate::node::{Node, NodeError};

#[derive(utoipa::OpenApi)]
#[openapi(paths(token))]
pub(super) struct Api;

/// Parameters of a request for tokens (RFC 6749, RFC 7636).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read as a form")]
struct TokenForm {
    /// `authorization_code` or `refresh_token`.
    #[schema(examples("refresh_token"))]
    grant_type: String,
    code: Option<String>,
    code_verifier: Option<String>,
    redirect_uri: Option<String>,
    refresh_token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Tokens for a code or a refresh token
#[utoipa::path(post, path = "/oauth/token", tag = "oauth", security(()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "Tokens", body = TokensShown),
    (status = 400, description = "`invalid_grant`, `invalid_request`, `unsupported_grant_type`"),
    (status = 401, description = "`invalid_client`: the app is not known, or its secret is wrong")))]
pub(super) async fn token(node: Data, req: HttpRequest, body: Bytes) -> Result<HttpResponse, OAuthError> {
    let node = &**node;
    let fields = fields(&req, &body)?;
    let app = client(node, &req, &fields).await?;
    let pair = match fields.get("grant_type") {
        Some("authorization_code") => by_code(node, &app, &fields).await?,
        Some("refresh_token") => by_refresh(node, &app, &fields).await?,
        _ => {
            let text = "The grant types are authorization_code and refresh_token.";
            return Err(OAuthError::new("unsupported_grant_type", text));
        }
    };
    let answer = token_answer(node, &pair).await.map_err(|error| match error {
        NodeError::NotFound => OAuthError::invalid_grant(),
        error => error.into(),
    })?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).insert_header(("pragma", "no-cache")).json(answer))
}

async fn by_code(node: &dyn Node, app: &RegisteredApp, fields: &Fields) -> Result<Pair, OAuthError> {
    let missing = |name: &str| OAuthError::new("invalid_request", format!("`{name}` is missing."));
    let code = fields.get("code").ok_or_else(|| missing("code"))?;
    let verifier = fields.get("code_verifier").ok_or_else(|| missing("code_verifier"))?;
    let redirect_uri = fields.get("redirect_uri").ok_or_else(|| missing("redirect_uri"))?;
    let directory = node.directory();
    let code = match directory.take_code(code, app.client, node.now()).await? {
        Taken::Once(code) => code,
        Taken::Refused => return Err(OAuthError::invalid_grant()),
        Taken::Twice { user, grant } => {
            // Someone else holds the code: nothing that came of it can be trusted.
            end(node, app, user, grant, "code.reused").await?;
            return Err(OAuthError::invalid_grant());
        }
    };
    if code.redirect_uri != redirect_uri || !verifies(verifier, &code.challenge) {
        return Err(OAuthError::invalid_grant());
    }
    let row = directory.grant_row(code.grant).await?.ok_or_else(OAuthError::invalid_grant)?;
    directory.first_pair(&row, node.now()).await?.ok_or_else(OAuthError::invalid_grant)
}

/// PKCE (RFC 7636, section 4.6).
fn verifies(verifier: &str, challenge: &str) -> bool {
    let shape = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
    let digest = data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
    shape && bool::from(digest.as_bytes().ct_eq(challenge.as_bytes()))
}

async fn by_refresh(node: &dyn Node, app: &RegisteredApp, fields: &Fields) -> Result<Pair, OAuthError> {
    let text = fields.get("refresh_token");
    let text = text.ok_or_else(|| OAuthError::new("invalid_request", "`refresh_token` is missing."))?;
    match node.directory().rotate(text, app.client, node.now()).await? {
        Rotation::Rotated(pair) => Ok(pair),
        Rotation::Refused => Err(OAuthError::invalid_grant()),
        Rotation::Reused { user, grant } => {
            node.advance_epoch();
            let detail = json!({ "grant": grant, "client_id": app.client });
            node.directory().audit(user, Actor::App(app.client), "refresh_token.reused", detail, node.now()).await?;
            Err(OAuthError::invalid_grant())
        }
    }
}

/// Ends a grant because what the app holds has been copied.
async fn end(node: &dyn Node, app: &RegisteredApp, user: UserId, grant: GrantId, why: &str) -> Result<(), OAuthError> {
    // Without a row the grant is revoked already.
    let Some(row) = node.directory().grant_row(grant).await? else { return Ok(()) };
    let detail = json!({ "grant": grant, "client_id": app.client });
    node.directory().audit(user, Actor::App(app.client), why, detail, node.now()).await?;
    // Its tokens are gone, whatever is pending.
    let _ =
        revoke(node, (user, row.space, Holder::Client(row.client), grant), &Act::new(Actor::App(app.client))).await?;
    Ok(())
}

/// Tokens that an app gets, with the access as it is enforced.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokensShown {
    #[schema(value_type = Id)]
    grant: GrantId,
    access_token: String,
    refresh_token: String,
    #[schema(examples("Bearer"))]
    token_type: &'static str,
    /// In seconds.
    expires_in: i64,
    #[schema(value_type = Vec<Access>)]
    authorization_details: Value,
}

/// The answer that hands tokens over, with the access as it is enforced.
pub(crate) async fn token_answer(node: &dyn Node, pair: &Pair) -> Result<TokensShown, NodeError> {
    let access = enforced(node, &pair.grant).await?;
    Ok(TokensShown {
        grant: pair.grant.id,
        access_token: pair.access.text().to_owned(),
        refresh_token: pair.refresh.text().to_owned(),
        token_type: "Bearer",
        expires_in: pair.expires.seconds() - node.now().seconds(),
        authorization_details: access,
    })
}
