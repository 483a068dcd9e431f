//! Which app calls the token, introspection or revocation endpoint, and errors as RFC 6749 has them.

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use super::form::Fields;
use super::named::{Unnamed, named};
use crate::authn::{AuthError, only};
use crate::directory::RegisteredApp;
use crate::dpop::{ALG, Proof, ProofError};
use crate::front::error::{ApiError, DPOP, cut};
use crate::front::request_id::request_id;
use crate::front::shape::OAuthBody;
use crate::node::Node;

/// An error of an endpoint that apps call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct OAuthError {
    pub(super) code: &'static str,
    text: String,
    status: StatusCode,
    asks: Asks,
}

/// What a refusal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// That the app proves itself.
    App,
    /// Another access token (RFC 6750, 3), with a proof of its key or without.
    Token,
    /// A token with a proof that fits (RFC 9449, 7.1).
    Proof,
}

impl OAuthError {
    pub(super) fn new(code: &'static str, text: impl Into<String>) -> Self {
        let status = if code == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        OAuthError { code, text: cut(text.into()), status, asks: Asks::App }
    }

    /// Why an access token does not do (RFC 6750, section 3.1).
    pub(super) fn bearer(code: &'static str, text: &str, status: StatusCode) -> Self {
        OAuthError { code, text: text.to_owned(), status, asks: Asks::Token }
    }

    /// Why a proof of a key does not do, at an endpoint that apps call (RFC 9449, 5).
    pub(super) fn proof(error: ProofError) -> Self {
        OAuthError::new("invalid_dpop_proof", error.to_string())
    }

    /// Why an access token was not taken.
    pub(super) fn token(error: AuthError) -> Self {
        let of = |code, asks| {
            let text = error.to_string();
            OAuthError { code, text, status: StatusCode::UNAUTHORIZED, asks }
        };
        match &error {
            AuthError::Proof(_) => of("invalid_dpop_proof", Asks::Proof),
            AuthError::NotOfTheKey => of("invalid_token", Asks::Proof),
            AuthError::Bound => of("invalid_token", Asks::Token),
            AuthError::Directory(_) => error.into(),
            _ => {
                let text = "The access token is missing, unknown, revoked, or has lapsed.";
                OAuthError::bearer("invalid_token", text, StatusCode::UNAUTHORIZED)
            }
        }
    }

    /// There is no such app, or it did not prove itself.
    pub(super) fn unknown_client() -> Self {
        OAuthError::new("invalid_client", "The app is not known, or its secret is wrong or missing.")
    }

    pub(super) fn invalid_grant() -> Self {
        OAuthError::new("invalid_grant", "The code or token is unknown, used, revoked, has lapsed or is another app's.")
    }
}

impl ResponseError for OAuthError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        answer.insert_header((CACHE_CONTROL, "no-store"));
        // RFC 6750 (3) leaves quotes and backslashes out of descriptions, and all that is not ASCII.
        let plain = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        let text: String = self.text.replace('`', "'").chars().filter(plain).collect();
        let told = format!("error=\"{}\", error_description=\"{text}\"", self.code);
        match self.asks {
            Asks::Token => {
                answer.append_header((WWW_AUTHENTICATE, format!("Bearer {told}")));
                answer.append_header((WWW_AUTHENTICATE, DPOP));
            }
            Asks::Proof => {
                answer.append_header((WWW_AUTHENTICATE, format!("DPoP {told}, algs=\"{ALG}\"")));
            }
            Asks::App if self.status == StatusCode::UNAUTHORIZED => {
                answer.insert_header((WWW_AUTHENTICATE, "Basic realm=\"allod\""));
            }
            Asks::App => {}
        }
        answer.json(OAuthBody { error: self.code, error_description: &self.text, code: None, request_id: request_id() })
    }
}

impl<E: Into<ApiError>> From<E> for OAuthError {
    fn from(error: E) -> Self {
        let error = error.into();
        OAuthError { code: "server_error", text: error.message, status: error.status, asks: Asks::App }
    }
}

impl OAuthError {
    /// Why a `client_id` names no app.
    fn unnamed(unnamed: Unnamed) -> Self {
        match unnamed {
            Unnamed::Unknown => OAuthError::unknown_client(),
            Unnamed::Undescribed => {
                OAuthError::new("invalid_client", "The address that names the app leads to no description of it.")
            }
            Unnamed::Busy => {
                let text = "Too many apps are being looked up; try again in a minute.";
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", text).into()
            }
            Unnamed::Failed(error) => error.into(),
        }
    }
}

/// The form of a request; parameters occur once.
pub(super) fn fields(req: &HttpRequest, body: &[u8]) -> Result<Fields, OAuthError> {
    let fields = Fields::of_body(req, body).filter(|fields| !fields.doubled());
    fields.ok_or_else(|| {
        OAuthError::new(
            "invalid_request",
            "The body must be a form (application/x-www-form-urlencoded), each parameter once.",
        )
    })
}

/// The proof of a key beside a request, if there is one, but for whether it was sent before. It is looked at before anything
/// is looked up.
pub(super) fn proof(node: &dyn Node, req: &HttpRequest) -> Result<Option<Proof>, OAuthError> {
    crate::authn::proof(req, node, None).map_err(OAuthError::proof)
}

/// What an app says of itself: its `client_id`, and its secret.
struct Said {
    client_id: String,
    secret: Option<String>,
}

/// The app that calls, which was let in before: a confidential one proves itself by its secret, a public one only names
/// itself.
pub(super) async fn client(node: &dyn Node, req: &HttpRequest, fields: &Fields) -> Result<RegisteredApp, OAuthError> {
    let said = said(req, fields)?;
    let app = node.directory().app_called(&said.client_id).await?.ok_or_else(OAuthError::unknown_client)?;
    proven(app, &said)
}

/// [`client`], or an app that describes itself, and that nobody here may have heard of.
pub(super) async fn asking(node: &dyn Node, req: &HttpRequest, fields: &Fields) -> Result<RegisteredApp, OAuthError> {
    let said = said(req, fields)?;
    proven(named(node, req, &said.client_id).await.map_err(OAuthError::unnamed)?, &said)
}

fn said(req: &HttpRequest, fields: &Fields) -> Result<Said, OAuthError> {
    let unknown = OAuthError::unknown_client;
    let (client_id, secret) = match only(req, &AUTHORIZATION).map_err(|()| unknown())? {
        Some(header) => {
            let (id, secret) = basic(header).ok_or_else(unknown)?;
            if fields.get("client_secret").is_some() || fields.get("client_id").is_some_and(|named| named != id) {
                return Err(OAuthError::new("invalid_request", "The app must prove itself in one way only."));
            }
            // A public app may send itself as a name with an empty secret (RFC 6749, section 2.3.1).
            (id, Some(secret).filter(|secret| !secret.is_empty()))
        }
        None => {
            let id = fields.get("client_id").ok_or_else(unknown)?;
            (id.to_owned(), fields.get("client_secret").map(str::to_owned))
        }
    };
    Ok(Said { client_id, secret })
}

fn proven(app: RegisteredApp, said: &Said) -> Result<RegisteredApp, OAuthError> {
    let proven = match (&said.secret, app.manifest.confidential) {
        (Some(secret), true) => app.has_secret(secret),
        (None, false) => true,
        _ => false,
    };
    if proven { Ok(app) } else { Err(OAuthError::unknown_client()) }
}

/// Name and secret of HTTP Basic, each form-encoded within (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, text) = header.split_once(' ')?;
    let bytes = data_encoding::BASE64.decode(text.trim().as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (id, secret) = text.split_once(':')?;
    let decode = |text: &str| {
        let pair = format!("x={text}");
        let first = url::form_urlencoded::parse(pair.as_bytes()).next();
        first.map(|(_, value)| value.into_owned())
    };
    Some((decode(id)?, decode(secret)?))
}
