//! Apps register themselves, where the operator lets them (RFC 7591), and read and end their registration (RFC 7592).

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL};
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use url::Url;
use utoipa::ToSchema;

use super::super::account::body;
use super::Data;
use super::client::OAuthError;
use crate::authn::{network, only};
use crate::directory::Actor;
use crate::directory::registrations::{RegisteredBy, Registration};
use crate::front::described::Access;
use crate::front::error::ApiError;
use crate::front::pages::is_at_pages;
use crate::grants::Manifest;
use crate::grants::client_metadata::{MetadataError, TokenAuth, client_name, manifest_of, metadata_of, token_auth};
use crate::node::Node;
use crate::registration::RegistrationPolicy;

#[derive(utoipa::OpenApi)]
#[openapi(paths(register, read, delete))]
pub(super) struct Api;

/// What an app says of itself (RFC 7591, 2). What is not known is ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is read member by member")]
struct ClientMetadata {
    #[schema(examples(json!(["https://shelf.example/callback"])))]
    redirect_uris: Vec<String>,
    #[schema(examples("Shelf"))]
    client_name: Option<String>,
    /// `none`, `client_secret_basic` (if nothing is said) or `client_secret_post`.
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    post_logout_redirect_uris: Option<Vec<String>>,
    /// Of a host that one of `redirect_uris` is of.
    backchannel_logout_uri: Option<String>,
    require_pushed_authorization_requests: Option<bool>,
    dpop_bound_access_tokens: Option<bool>,
    /// What it may ask for, as in a manifest; left out: it only signs people in.
    access: Option<Vec<Access>>,
}

/// Registers the app that asks (RFC 7591)
///
/// Only where `oauth.registration` lets apps: `token` those that send a token of an operator's (`allod app
/// registration-token`) as a bearer; `open` everybody, ten a minute from one network.
#[utoipa::path(post, path = "/oauth/register", tag = "oauth", security(()), request_body = ClientMetadata, responses(
    (status = 201, description = "It is registered: `client_id`, `client_secret` if it keeps one, what it manages this by (`registration_access_token` at `registration_client_uri`), and what counts of what it said", body = Object),
    (status = 400, description = "`invalid_redirect_uri`, `invalid_client_metadata`"),
    (status = 401, description = "`invalid_token`: the operator's token is missing, used up, or has lapsed"),
    (status = 403, description = "`access_denied`: apps do not register themselves here")))]
pub(super) async fn register(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, OAuthError> {
    let node = &**node;
    let (directory, from) = (node.directory(), network(&req));
    let token = bearer(&req);
    let by = match node.registrations().policy {
        // Before anybody owns the node nobody is let in.
        _ if node.owner().is_none() => return Err(denied()),
        RegistrationPolicy::Off => return Err(denied()),
        RegistrationPolicy::Token => {
            let token = token.as_deref().ok_or_else(no_token)?;
            if !directory.is_registration_token(token, node.now()).await? {
                return Err(no_token());
            }
            RegisteredBy::Token(token)
        }
        RegistrationPolicy::Open => RegisteredBy::Network(&from),
    };
    let said =
        body::json::<Value>(&req, &bytes).map_err(|error| OAuthError::new("invalid_client_metadata", error.message))?;
    let (manifest, auth) =
        looked_into(node, &req, &said).map_err(|error| OAuthError::new(error.code(), error.to_string()))?;
    if matches!(by, RegisteredBy::Network(_)) && !node.registrations().may(&from) {
        let text = "Too many apps register themselves; try again in a minute.";
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", text).into());
    }
    let now = node.now();
    let new = directory.register_app(&manifest, auth, by, now).await?.ok_or_else(no_token)?;
    if let (RegisteredBy::Token(_), Some(owner)) = (by, node.owner()) {
        let detail = json!({ "client_id": new.client, "by": "itself" });
        directory.audit(owner, Actor::App(new.client), "app.registered", detail, now).await?;
    }
    let mut told = metadata_of(&manifest, auth);
    told["client_id"] = json!(new.client);
    told["client_id_issued_at"] = json!(now.seconds());
    if let Some(secret) = &new.secret {
        told["client_secret"] = json!(secret.text());
        told["client_secret_expires_at"] = json!(0);
    }
    told["registration_access_token"] = json!(new.management.text());
    told["registration_client_uri"] = json!(format!("{}/oauth/register/{}", node.url(), new.client));
    Ok(HttpResponse::Created()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("pragma", "no-cache"))
        .json(told))
}

fn denied() -> OAuthError {
    let text = "Apps do not register themselves here; an operator registers them.";
    OAuthError::bearer("access_denied", text, StatusCode::FORBIDDEN)
}

/// One that is missing, and one that is no good, answer alike.
fn no_token() -> OAuthError {
    let text = "The token is missing, used up, or has lapsed, or is not of this app.";
    OAuthError::bearer("invalid_token", text, StatusCode::UNAUTHORIZED)
}

fn bearer(req: &HttpRequest) -> Option<String> {
    let (scheme, token) = only(req, &AUTHORIZATION).ok().flatten()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// What an app would be registered as, by what it says.
fn looked_into(node: &dyn Node, req: &HttpRequest, said: &Value) -> Result<(Manifest, TokenAuth), MetadataError> {
    let not_an_object = || MetadataError::Metadata("What an app says of itself is a JSON object.".to_owned());
    let map = said.as_object().ok_or_else(not_an_object)?;
    let auth = token_auth(map)?.unwrap_or(TokenAuth::Secret("client_secret_basic"));
    let first = map.get("redirect_uris").and_then(|uris| uris[0].as_str()).and_then(|uri| Url::parse(uri).ok());
    let place = first.and_then(|uri| uri.host_str().map(str::to_owned)).unwrap_or_else(|| "?".to_owned());
    let name = client_name(map)?.unwrap_or(place);
    let manifest = manifest_of(map, &name, auth)?;
    let own = node.url();
    let addresses = || manifest.redirect_uris.iter().chain(&manifest.post_logout_redirect_uris);
    if let Some(uri) = addresses().find(|uri| is_at_pages(req, &own, uri)) {
        let text = format!("{uri} is an address of this node itself, or of the name under which it shows its pages.");
        return Err(MetadataError::Redirect(text));
    }
    // This node calls it: no other host than those to which the app's answers go anyway.
    let host = |uri: &String| Url::parse(uri).ok().and_then(|uri| uri.host_str().map(str::to_owned));
    if let Some(uri) = &manifest.backchannel_logout_uri
        && !manifest.redirect_uris.iter().any(|back| host(back) == host(uri))
    {
        let text = "`backchannel_logout_uri` is of no host that one of `redirect_uris` is of.";
        return Err(MetadataError::Metadata(text.to_owned()));
    }
    Ok((manifest, auth))
}

/// The registration that a request manages.
async fn managed(node: &dyn Node, req: &HttpRequest, client_id: &str) -> Result<Registration, OAuthError> {
    let token = bearer(req).ok_or_else(no_token)?;
    // An app that is not there any more answers as one of another token (RFC 7592, 2.1).
    node.directory().registration(client_id, &token).await?.ok_or_else(no_token)
}

/// What an app is registered as (RFC 7592)
///
/// For an app that registered itself, by its `registration_access_token`. Its secret was told once.
#[utoipa::path(get, path = "/oauth/register/{client}", tag = "oauth",
    params(("client" = String, Path, description = "Its `client_id`")), responses(
    (status = 200, description = "What counts of what it said", body = Object),
    (status = 401, description = "`invalid_token`: the token is not of this app, or there is no such app")))]
pub(super) async fn read(node: Data, req: HttpRequest, client: Path<String>) -> Result<HttpResponse, OAuthError> {
    let node = &**node;
    let Registration { app, auth, created } = managed(node, &req, &client).await?;
    let mut told = metadata_of(&app.manifest, auth);
    told["client_id"] = json!(app.client);
    told["client_id_issued_at"] = json!(created.seconds());
    told["registration_client_uri"] = json!(format!("{}/oauth/register/{}", node.url(), app.client));
    told["registration_access_token"] = json!(bearer(&req));
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(told))
}

/// Ends the registration of an app (RFC 7592)
///
/// Everything that it was granted, by whomever, is revoked first.
#[utoipa::path(delete, path = "/oauth/register/{client}", tag = "oauth",
    params(("client" = String, Path, description = "Its `client_id`")), responses(
    (status = 204, description = "It is gone"),
    (status = 401, description = "`invalid_token`: the token is not of this app, or there is no such app")))]
pub(super) async fn delete(node: Data, req: HttpRequest, client: Path<String>) -> Result<HttpResponse, OAuthError> {
    let node = &**node;
    let client = managed(node, &req, &client).await?.app.client;
    let revoked = crate::apps::remove(node, client, Actor::App(client)).await?;
    if let (true, Some(owner)) = (revoked > 0, node.owner()) {
        let detail = json!({ "client_id": client, "revoked": revoked, "by": "itself" });
        node.directory().audit(owner, Actor::App(client), "app.removed", detail, node.now()).await?;
    }
    Ok(HttpResponse::NoContent().insert_header((CACHE_CONTROL, "no-store")).finish())
}
