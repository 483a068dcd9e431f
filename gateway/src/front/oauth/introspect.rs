//! What a token is good for (RFC 7662), and ending it (RFC 7009).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Data;
use super::client::{OAuthError, client, fields};
use super::openid::subject;
use crate::directory::TokenKind;
use crate::dpop::{Thumbprint, token_type};
use crate::front::refusals::UnknownClient;
use crate::grants::enforced_within;
use crate::node::NodeError;

#[derive(utoipa::OpenApi)]
#[openapi(paths(introspect, revoke))]
pub(super) struct Api;

/// A token, and the app that asks of it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read as a form")]
struct TokenAsked {
    token: String,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// What a token is good for (RFC 7662)
///
/// For a confidential app, about its own access tokens. Of any other token
/// it learns nothing.
#[utoipa::path(post, path = "/oauth/introspect", tag = "oauth", security(()),
    request_body(content = TokenAsked, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "`active`, and if it is, of whom, until when and for what; `cnf`: the key that it is bound to (RFC 9449)", body = Object),
    (status = 400, description = "`invalid_request`"),
    UnknownClient))]
pub(super) async fn introspect(node: Data, req: HttpRequest, body: Bytes) -> Result<HttpResponse, OAuthError> {
    let node = &**node;
    let fields = fields(&req, &body)?;
    let app = client(node, &req, &fields).await?;
    if !app.manifest.confidential {
        return Err(OAuthError::new("invalid_client", "Only an app that holds a secret may ask."));
    }
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-store"));
    let inactive = json!({ "active": false });
    let text = fields.get("token").unwrap_or_default();
    let Some(token) = node.directory().token(text, node.now()).await? else { return Ok(answer.json(inactive)) };
    if let TokenKind::Identity { client, openid, .. } = token.kind
        && client == app.client
        && node.directory().sign_in_at(token.user, client).await?.is_some()
    {
        let told = json!({
            "active": true,
            "client_id": client,
            "sub": subject(node, token.user, &app),
            "token_type": token_type(token.key),
            "iat": token.created.seconds(),
            "exp": token.expires.seconds(),
            "iss": node.url(),
            "scope": openid.text(),
        });
        return Ok(answer.json(confirmed(told, token.key)));
    }
    let TokenKind::Access { client, grant, openid, .. } = token.kind else { return Ok(answer.json(inactive)) };
    let row = node.directory().grant_row(grant).await?.filter(|_| client == app.client);
    let Some(row) = row else { return Ok(answer.json(inactive)) };
    let access = match enforced_within(node, &row, token.within.as_deref()).await {
        Ok(access) => access,
        Err(NodeError::NotFound) => return Ok(answer.json(inactive)),
        Err(error) => return Err(error.into()),
    };
    let mut told = json!({
        "active": true,
        "client_id": client,
        "token_type": token_type(token.key),
        "iat": token.created.seconds(),
        "exp": token.expires.seconds(),
        "iss": node.url(),
        "grant": grant,
        "authorization_details": access,
    });
    // Who the person is, an app learns only if it asked, and they let it.
    if openid.is_some() && node.directory().sign_in_at(token.user, client).await?.is_some() {
        told["sub"] = subject(node, token.user, &app).into();
    }
    Ok(answer.json(confirmed(told, token.key)))
}

/// What is told of a token, with the key that it is bound to (RFC 9449, 6.2).
fn confirmed(mut told: Value, key: Option<Thumbprint>) -> Value {
    if let Some(key) = key {
        told["cnf"] = json!({ "jkt": key.to_string() });
    }
    told
}

/// Ends a token (RFC 7009)
///
/// Ends an access token, or with a refresh token all that descends from the same
/// consent. The grant stays: it is the person's to take back. Answers alike for what is unknown.
#[utoipa::path(post, path = "/oauth/revoke", tag = "oauth", security(()),
    request_body(content = TokenAsked, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "It has ended, or was none"),
    (status = 400, description = "`invalid_request`"),
    UnknownClient))]
pub(super) async fn revoke(node: Data, req: HttpRequest, body: Bytes) -> Result<HttpResponse, OAuthError> {
    let node = &**node;
    let fields = fields(&req, &body)?;
    let app = client(node, &req, &fields).await?;
    let text = fields.get("token").ok_or_else(|| OAuthError::new("invalid_request", "`token` is missing."))?;
    let directory = node.directory();
    if let Some(family) = directory.refresh_family(text, app.client).await? {
        directory.end_family(family).await?;
        node.advance_epoch();
    } else if let Some(token) = directory.token(text, node.now()).await?
        && matches!(token.kind, TokenKind::Access { client, .. } | TokenKind::Identity { client, .. } if client == app.client)
    {
        directory.end_token(token.hash).await?;
        node.advance_epoch();
    }
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish())
}
