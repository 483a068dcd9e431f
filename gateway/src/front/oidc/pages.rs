//! Where browsers go on their way to a provider and back.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use url::form_urlencoded::Serializer;

use super::arrive::arrive;
use super::{Data, api, provider, refusal};
use crate::authn::address;
use crate::directory::{Actor, Secret};
use crate::front::error::ApiError;
use crate::front::oauth::form::Fields;
use crate::front::oauth::{Factors, code_page, consent_outside, foreign, is_request, notice, words};
use crate::front::pages::is_opened;
use crate::front::refusals::{AskedWrongly, SentByAnotherSite};
use crate::oidc::{OidcError, Purpose};

#[derive(utoipa::OpenApi)]
#[openapi(paths(start, callback, code, logout))]
pub(super) struct Api;

fn away(to: &str) -> HttpResponse {
    // The address may hold the state and the code of a sign-in: it is told to nobody else.
    let mut answer = HttpResponse::SeeOther();
    answer.insert_header((LOCATION, to)).insert_header((CACHE_CONTROL, "no-store"));
    answer.insert_header((REFERRER_POLICY, "no-referrer")).finish()
}

fn error_page(error: &ApiError) -> HttpResponse {
    notice(error.status, words().did_not_work(), &words().refusal(error))
}

/// Goes to a provider
///
/// With the query of an app's request as `request`: to consent to it. Else a browser goes to the console, which begins
/// the sign-in, and a program to the provider; what comes back to it, it sends to `POST /api/v1/oidc/{name}/finish`.
#[utoipa::path(get, path = "/auth/oidc/{name}/start", tag = "pages", security(()),
    params(("name" = String, Path, description = "The provider", example = "firm"),
        ("request" = Option<String>, Query, description = "The query of `/oauth/authorize`")), responses(
    (status = 303, description = "To the provider"),
    AskedWrongly,
    (status = 404, description = "There is no such provider", body = String, content_type = "text/html; charset=utf-8"),
    (status = 502, description = "It cannot be asked", body = String, content_type = "text/html; charset=utf-8")))]
pub(super) async fn start(node: Data, req: HttpRequest, name: Path<String>) -> HttpResponse {
    let provider = match provider(&**node, &name) {
        Ok(provider) => provider,
        Err(error) => return error_page(&error),
    };
    let purpose = match Fields::read(req.query_string()).get("request") {
        Some(request) => match is_request(&req, &**node, request).await {
            Ok(()) => Purpose::Consent { request: request.to_owned() },
            Err(answer) => return answer,
        },
        None if is_opened(&req) => {
            let with = Serializer::new(String::new()).append_pair("with", &name).finish();
            return away(&format!("/admin/outside?{with}"));
        }
        None => Purpose::SignIn { page: None },
    };
    match node.providers().begin(provider, &node.url(), purpose, address(&req)).await {
        Ok(url) => away(&url),
        Err(error) => error_page(&refusal(provider, &error)),
    }
}

/// Comes back from a provider
#[utoipa::path(get, path = "/auth/oidc/{name}/callback", tag = "pages", security(()),
    params(("name" = String, Path, description = "The provider", example = "firm")), responses(
    (status = 200, description = "The consent, or a question for a code", body = String, content_type = "text/html; charset=utf-8"),
    (status = 303, description = "To the console"),
    (status = 400, description = "The sign-in is out of date", body = String, content_type = "text/html; charset=utf-8"),
    (status = 403, description = "Nobody is let in", body = String, content_type = "text/html; charset=utf-8"),
    (status = 404, description = "There is no such provider", body = String, content_type = "text/html; charset=utf-8"),
    (status = 502, description = "The provider cannot be relied on", body = String, content_type = "text/html; charset=utf-8")))]
pub(super) async fn callback(node: Data, req: HttpRequest, name: Path<String>) -> HttpResponse {
    let fields = Fields::read(req.query_string());
    let get = |name: &str| fields.get(name).unwrap_or_default();
    match node.providers().flows.purpose(&name, get("state")) {
        Some(Purpose::Consent { .. }) => match consent(&node, &req, &name, &fields, None).await {
            Ok(answer) => answer,
            Err(error) => error_page(&error),
        },
        // The console ends it. What it needs stands behind `#`, which browsers send nowhere. A code that comes with the
        // state of another provider's sign-in is given to nobody: that provider would be told it in exchange.
        waiting => {
            let mut back = Serializer::new(String::new());
            back.append_pair("with", &name);
            if waiting.is_none() {
                back.append_pair("error", "stale");
                return away(&format!("/admin/outside#{}", back.finish()));
            }
            for known in ["state", "code", "iss", "error"] {
                if let Some(value) = fields.get(known).filter(|value| value.len() <= 4_096) {
                    back.append_pair(known, value);
                }
            }
            away(&format!("/admin/outside#{}", back.finish()))
        }
    }
}

/// Gives the code of a second factor, on the way to a consent
#[utoipa::path(post, path = "/auth/oidc/{name}/code", tag = "pages", security(()),
    params(("name" = String, Path, description = "The provider", example = "firm")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "The consent", body = String, content_type = "text/html; charset=utf-8"),
    (status = 400, description = "The sign-in is out of date", body = String, content_type = "text/html; charset=utf-8"),
    (status = 401, description = "The code is wrong", body = String, content_type = "text/html; charset=utf-8"),
    SentByAnotherSite,
    (status = 404, description = "There is no such provider", body = String, content_type = "text/html; charset=utf-8")))]
pub(super) async fn code(node: Data, req: HttpRequest, name: Path<String>, body: Bytes) -> HttpResponse {
    if let Some(answer) = foreign(&req) {
        return answer;
    }
    let Some(fields) = Fields::of_body(&req, &body) else {
        return error_page(&ApiError::bad_request("This form is none of this page."));
    };
    let given = fields.get("totp").unwrap_or_default().to_owned();
    match consent(&node, &req, &name, &fields, Some(&given)).await {
        Ok(answer) => answer,
        Err(error) => error_page(&error),
    }
}

/// Shows the consent to whoever the provider signed in; `given`: the code of their second factor, once they were asked.
async fn consent(
    node: &Data,
    req: &HttpRequest,
    name: &str,
    fields: &Fields,
    given: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    let node = &***node;
    let provider = provider(node, name)?;
    let state = fields.get("state").unwrap_or_default();
    let stale = || refusal(provider, &OidcError::Stale);
    let mut flow = node.providers().flows.take(name, state).ok_or_else(stale)?;
    let Purpose::Consent { request } = flow.purpose.clone() else { return Err(stale()) };
    if given.is_some() && flow.proved.is_none() {
        return Err(stale());
    }
    if fields.get("error").is_some() {
        return Err(refusal(provider, &OidcError::Refused));
    }
    let code = fields.get("code").unwrap_or_default().to_owned();
    let proved = api::proved(node, provider, &mut flow, code, fields.get("iss"), address(req)).await?;
    let (user, opened) = arrive(node, provider, &proved).await?;
    // From here on it waits under what this page alone knows: whoever began it knows its state.
    let state = Secret::draw().text().to_owned();
    flow.begun.state.clone_from(&state);
    match api::with_code(node, flow, user, given, req).await {
        Ok(user) => {
            let by = Factors { password: false, code: given.is_some(), passkey: false, fresh: opened.proved };
            Ok(consent_outside(req, node, &request, (user, by)).await)
        }
        Err(error) if matches!(error.code, "totp_needed" | "wrong_code") => {
            let wrong = given.map(|_| words().wrong_code());
            Ok(code_page(name, &state, wrong))
        }
        Err(error) => Err(error),
    }
}

/// Hears that somebody signed out at a provider
///
/// OpenID Connect Back-Channel Logout 1.0: the sessions end that the session there opened.
#[utoipa::path(post, path = "/auth/oidc/{name}/logout", tag = "pages", security(()),
    params(("name" = String, Path, description = "The provider", example = "firm")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "They ended, or there were none"),
    (status = 400, description = "It is no such token of this provider"),
    (status = 404, description = "There is no such provider")))]
pub(super) async fn logout(
    node: Data,
    req: HttpRequest,
    name: Path<String>,
    body: Bytes,
) -> Result<HttpResponse, ApiError> {
    let node = &**node;
    let provider = provider(node, &name)?;
    let refused =
        || ApiError::new(StatusCode::BAD_REQUEST, "invalid_request", "This is no logout token for this node.");
    let fields = Fields::of_body(&req, &body).ok_or_else(refused)?;
    let token = fields.get("logout_token").ok_or_else(refused)?;
    let told = match provider.logged_out(token, node.now()).await {
        Ok(told) => told,
        Err(error) => {
            // What is wrong stands in the log alone.
            refusal(provider, &error);
            return Err(refused());
        }
    };
    let (issuer, directory) = (&provider.config().issuer, node.directory());
    node.providers().flows.forget(issuer, told.subject.as_deref(), told.session.as_deref());
    let ended = directory.end_outside_sessions(issuer, told.subject.as_deref(), told.session.as_deref()).await?;
    if ended > 0 {
        node.advance_epoch();
        tracing::info!(provider = %provider.config().name, ended, "somebody signed out at a provider");
        if let Some(subject) = told.subject {
            let identity = crate::directory::outside::Identity { issuer: issuer.clone(), subject };
            if let Some((user, _)) = directory.user_outside(&identity).await? {
                let detail = serde_json::json!({ "ended": ended, "provider": provider.config().name });
                directory.audit(user.id, Actor::Person(user.id), "session.ended", detail, node.now()).await?;
            }
        }
    }
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish())
}
