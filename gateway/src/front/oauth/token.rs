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
use super::client::{OAuthError, client, fields, proof};
use super::exchange::{EXCHANGE, ExchangedView, exchanged};
use super::form::Fields;
use super::openid::id_token::id_token;
use crate::directory::proofs::ProofOf;
use crate::directory::waiting::Polled;
use crate::directory::{
    Act, Actor, Bound, Code, DirectoryError, Exchanger, FOLLOWED, Family, Openid, OpenidScope, Pair, RegisteredApp,
    Rotation, Taken, TokenKind,
};
use crate::dpop::{Proof, ProofError, token_type};
use crate::front::described::{Access, Id};
use crate::front::refusals::UnknownClient;
use crate::grants::{IssueError, enforced, revoke};
use crate::node::{Node, NodeError};

#[derive(utoipa::OpenApi)]
#[openapi(paths(token))]
pub(super) struct Api;

/// The grant type of devices (RFC 8628).
pub(super) const OF_DEVICES: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Parameters of a request for tokens (RFC 6749, RFC 7636).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read as a form")]
struct TokenForm {
    /// `authorization_code`, `refresh_token`, `urn:ietf:params:oauth:grant-type:device_code` or
    /// `urn:ietf:params:oauth:grant-type:token-exchange`.
    #[schema(examples("refresh_token"))]
    grant_type: String,
    code: Option<String>,
    code_verifier: Option<String>,
    redirect_uri: Option<String>,
    refresh_token: Option<String>,
    device_code: Option<String>,
    /// Of an exchange: an access token of the app.
    subject_token: Option<String>,
    #[schema(examples("urn:ietf:params:oauth:token-type:access_token"))]
    subject_token_type: Option<String>,
    /// Of an exchange: what the new token opens, within what the other does; left out: the same.
    authorization_details: Option<String>,
    /// Of an exchange: what the new token tells of who the person is; left out: nothing.
    scope: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Tokens for a code or a refresh token
///
/// With a proof of a key (DPoP, RFC 9449) the tokens are bound to it. An app without a secret refreshes by proofs of the same
/// key. An access token of an app is exchanged for one that opens less (RFC 8693), lasts a quarter of an hour at most, and ends with it.
#[utoipa::path(post, path = "/oauth/token", tag = "oauth", security(()),
    params(("DPoP" = Option<String>, Header, description = "A proof of the key that the tokens are to be bound to; needed of apps with `dpop_bound_access_tokens`")),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "Tokens", body = Handed),
    (status = 400, description = "`invalid_grant`, `invalid_request`, `unsupported_grant_type`; of an exchange `invalid_target`, `invalid_scope`, `invalid_authorization_details`; `invalid_dpop_proof`: the proof of a key does not fit, was sent before, or is missing"),
    UnknownClient))]
pub(super) async fn token(node: Data, req: HttpRequest, body: Bytes) -> Result<HttpResponse, OAuthError> {
    let node = &**node;
    let fields = fields(&req, &body)?;
    let proof = proof(node, &req)?;
    let app = client(node, &req, &fields).await?;
    if app.manifest.dpop_bound_access_tokens && proof.is_none() {
        return Err(OAuthError::proof(ProofError::Missing));
    }
    let by = By { app: &app, proof };
    let (pair, openid) = match fields.get("grant_type") {
        Some("authorization_code") => match by_code(node, &by, &fields).await? {
            Opened::Data(opened) => *opened,
            Opened::Identity(shown) => return Ok(handed_over(&shown)),
        },
        Some(OF_DEVICES) => match by_device(node, &by, &fields).await? {
            Opened::Data(opened) => *opened,
            Opened::Identity(shown) => return Ok(handed_over(&shown)),
        },
        Some("refresh_token") => (by_refresh(node, &by, &fields).await?, None),
        Some(EXCHANGE) => return Ok(handed_over(&exchanged(node, (&app, by.proof.as_ref()), &fields).await?)),
        _ => {
            let text = "The grant types are authorization_code, refresh_token, and those of devices (RFC 8628) and of \
                        exchanges (RFC 8693).";
            return Err(OAuthError::new("unsupported_grant_type", text));
        }
    };
    let mut answer = token_answer(node, &pair).await.map_err(|error| match error {
        NodeError::NotFound => OAuthError::invalid_grant(),
        error => error.into(),
    })?;
    if let Some(openid) = openid {
        answer.id_token = Some(id_token(node, &app, pair.grant.user, &openid, pair.access.text()).await?);
    }
    Ok(handed_over(&answer))
}

fn handed_over(answer: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).insert_header(("pragma", "no-cache")).json(answer)
}

/// Who asks for tokens.
struct By<'a> {
    app: &'a RegisteredApp,
    /// Of a key that the tokens are to be bound to.
    proof: Option<Proof>,
}

impl By<'_> {
    /// Whether they hold the key that a code is for, if it is for one; the proof counts once. Before the code is taken:
    /// who has a copy of it and not the key neither uses it up nor ends what came of it.
    async fn holds(&self, node: &dyn Node, code: &str) -> Result<(), OAuthError> {
        let code = node.directory().code(code, self.app.client).await?.ok_or_else(OAuthError::invalid_grant)?;
        match (code.key, &self.proof) {
            (Some(_), None) => return Err(OAuthError::proof(ProofError::Missing)),
            (Some(key), Some(proof)) if proof.key != key => return Err(OAuthError::invalid_grant()),
            _ => {}
        }
        let Some(proof) = &self.proof else { return Ok(()) };
        let of = ProofOf::App(code.user, self.app.client);
        node.directory().proofs().take(of, proof, node.now()).map_err(OAuthError::proof)
    }
}

/// What a code opens.
enum Opened {
    Data(Box<(Pair, Option<Openid>)>),
    Identity(IdentityView),
}

async fn by_code(node: &dyn Node, by: &By<'_>, fields: &Fields) -> Result<Opened, OAuthError> {
    let app = by.app;
    let missing = |name: &str| OAuthError::new("invalid_request", format!("`{name}` is missing."));
    let text = fields.get("code").ok_or_else(|| missing("code"))?;
    let verifier = fields.get("code_verifier").ok_or_else(|| missing("code_verifier"))?;
    let redirect_uri = fields.get("redirect_uri").ok_or_else(|| missing("redirect_uri"))?;
    let directory = node.directory();
    by.holds(node, text).await?;
    let code = match directory.take_code(text, app.client, node.now()).await? {
        Taken::Once(code) => code,
        Taken::Refused => return Err(OAuthError::invalid_grant()),
        Taken::Twice { user, .. } => {
            // Someone else holds the code: nothing that came of it can be trusted.
            for _ in 0..FOLLOWED {
                let Some(grant) = directory.grant_of_code(text).await? else { break };
                end(node, app, user, grant, "code.reused").await?;
            }
            return Err(OAuthError::invalid_grant());
        }
        Taken::TwiceIdentity { user } => {
            node.advance_epoch();
            let detail = json!({ "client_id": app.client });
            directory.audit(user, Actor::App(app.client), "code.reused", detail, node.now()).await?;
            return Err(OAuthError::invalid_grant());
        }
    };
    if code.redirect_uri != redirect_uri || !verifies(verifier, &code.challenge) {
        return Err(OAuthError::invalid_grant());
    }
    opened(node, by, code, text).await
}

/// A device asks whether its person has let it in (RFC 8628, 3.4).
async fn by_device(node: &dyn Node, by: &By<'_>, fields: &Fields) -> Result<Opened, OAuthError> {
    let app = by.app;
    let text = fields.get("device_code");
    let text = text.ok_or_else(|| OAuthError::new("invalid_request", "`device_code` is missing."))?;
    let (directory, now) = (node.directory(), node.now());
    // From then on it is a code like any other, which nobody else has seen.
    let code = match directory.poll_device(text, app.client, by.proof.as_ref(), now).await? {
        Polled::Allowed(code) => code,
        Polled::Pending => return Err(OAuthError::new("authorization_pending", "The person has not answered yet.")),
        Polled::SlowDown => return Err(OAuthError::new("slow_down", "Wait longer between two questions.")),
        Polled::Denied => return Err(OAuthError::new("access_denied", "The person did not let the device in.")),
        Polled::Lapsed => return Err(OAuthError::new("expired_token", "Nobody let the device in; begin again.")),
        Polled::Unproven(error) => return Err(OAuthError::proof(error)),
        Polled::Refused => return Err(OAuthError::invalid_grant()),
    };
    match directory.take_code(code.text(), app.client, now).await? {
        Taken::Once(taken) => opened(node, by, taken, code.text()).await,
        _ => Err(OAuthError::invalid_grant()),
    }
}

/// The tokens of a code that was taken.
async fn opened(node: &dyn Node, by: &By<'_>, code: Code, text: &str) -> Result<Opened, OAuthError> {
    let (app, directory) = (by.app, node.directory());
    if code.grant.is_none() {
        return identity(node, by, code).await.map(Opened::Identity);
    }
    let openid = match code.openid {
        // The person may have taken that back alone, meanwhile.
        Some(openid) if directory.note_sign_in(code.user, app.client, node.now()).await? => Some(openid),
        _ => None,
    };
    let of = openid.as_ref().map_or((Family::draw(), None), |openid| (openid.family, Some(openid.scope)));
    let bound = Bound::by(by.proof.as_ref(), app.manifest.confidential);
    // Another grant may take the place of the one that it was issued for, at any moment.
    for _ in 0..FOLLOWED {
        let grant = directory.grant_of_code(text).await?.ok_or_else(OAuthError::invalid_grant)?;
        let Some(row) = directory.grant_row(grant).await? else { continue };
        if let Some(pair) = directory.first_pair_of(&row, of, bound, node.now()).await? {
            return Ok(Opened::Data(Box::new((pair, openid))));
        }
    }
    Err(OAuthError::invalid_grant())
}

/// The tokens of a code that signs in alone.
async fn identity(node: &dyn Node, by: &By<'_>, code: Code) -> Result<IdentityView, OAuthError> {
    let openid = code.openid.as_ref().ok_or_else(OAuthError::invalid_grant)?;
    let (app, key) = (by.app, by.proof.map(|proof| proof.key));
    let issued = node.directory().identity_token(&code, openid, (app.client, key), node.now()).await?;
    let (access, expires) = issued.ok_or_else(OAuthError::invalid_grant)?;
    Ok(IdentityView {
        id_token: id_token(node, app, code.user, openid, access.text()).await?,
        access_token: access.text().to_owned(),
        token_type: token_type(key),
        expires_in: expires.seconds() - node.now().seconds(),
        scope: openid.scope.text(),
    })
}

/// PKCE (RFC 7636, section 4.6).
fn verifies(verifier: &str, challenge: &str) -> bool {
    let shape = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
    let digest = data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
    shape && bool::from(digest.as_bytes().ct_eq(challenge.as_bytes()))
}

async fn by_refresh(node: &dyn Node, by: &By<'_>, fields: &Fields) -> Result<Pair, OAuthError> {
    let app = by.app;
    let text = fields.get("refresh_token");
    let text = text.ok_or_else(|| OAuthError::new("invalid_request", "`refresh_token` is missing."))?;
    let confidential = app.manifest.confidential;
    let exchanger = Exchanger { client: app.client, confidential, proof: by.proof.as_ref() };
    match node.directory().rotate(text, exchanger, node.now()).await? {
        Rotation::Rotated(pair) => Ok(*pair),
        Rotation::Refused => Err(OAuthError::invalid_grant()),
        Rotation::Unproven(error) => Err(OAuthError::proof(error)),
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
    let of = (user, row.space, Holder::Client(row.client), grant);
    match revoke(node, of, &Act::new(Actor::App(app.client))).await {
        Ok(_) | Err(IssueError::Node(NodeError::NotFound)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Tokens that an app gets, with the access as it is enforced.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokensView {
    #[schema(value_type = Id)]
    grant: GrantId,
    access_token: String,
    refresh_token: String,
    /// `DPoP` of one that is bound to a key, else `Bearer`.
    #[schema(examples("Bearer"))]
    token_type: &'static str,
    /// In seconds.
    expires_in: i64,
    #[schema(value_type = Vec<Access>)]
    authorization_details: Value,
    /// Who the person is, if the app asked, and they let it know.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

/// Tokens of an app that asked only who the person is: they open no data.
#[derive(Serialize, ToSchema)]
pub(crate) struct IdentityView {
    access_token: String,
    /// `DPoP` of one that is bound to a key, else `Bearer`.
    #[schema(examples("Bearer"))]
    token_type: &'static str,
    /// In seconds.
    expires_in: i64,
    #[schema(examples("openid profile"))]
    scope: &'static str,
    id_token: String,
}

/// What the token endpoint hands over.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it carries the description")]
enum Handed {
    Data(TokensView),
    Identity(IdentityView),
    Exchanged(ExchangedView),
}

fn failed(error: DirectoryError) -> NodeError {
    NodeError::Failed(error.to_string())
}

/// The answer that hands tokens over, with the access as it is enforced.
pub(crate) async fn token_answer(node: &dyn Node, pair: &Pair) -> Result<TokensView, NodeError> {
    let mut row = pair.grant.clone();
    let mut followed = 0;
    let access = loop {
        match enforced(node, &row).await {
            // Another has taken its place, which the token opens by now.
            Err(NodeError::NotFound) if followed < FOLLOWED => followed += 1,
            access => break access?,
        }
        let token = node.directory().token(pair.access.text(), node.now()).await.map_err(failed)?;
        let Some(TokenKind::Access { grant, .. }) = token.map(|token| token.kind) else {
            return Err(NodeError::NotFound);
        };
        row = node.directory().grant_row(grant).await.map_err(failed)?.unwrap_or(row);
    };
    Ok(TokensView {
        grant: row.id,
        access_token: pair.access.text().to_owned(),
        refresh_token: pair.refresh.text().to_owned(),
        token_type: token_type(pair.key),
        expires_in: pair.expires.seconds() - node.now().seconds(),
        authorization_details: access,
        scope: pair.openid.map(OpenidScope::text),
        id_token: None,
    })
}
