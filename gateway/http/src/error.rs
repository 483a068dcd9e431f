//! Errors of the routes. Each front says them in a shape of its own: [`Errors`].

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;

use super::headers::guard;
use super::request_id::request_id;
use crate::authn::AuthError;
use gateway_people::directory::DirectoryError;
use gateway_people::grants;

/// That a token may also come with the proof of a key, and how such proofs are signed (RFC 9449, 7.1).
pub const DPOP: &str = r#"DPoP algs="ES256""#;

/// Makes the answer that says an error.
pub type Errors = fn(&ApiError) -> HttpResponse;

/// What a route answers when it does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: &'static str,
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: &'static str,
    /// What `WWW-Authenticate` says of a 401, a line each (RFC 6750, RFC 9470, RFC 9449).
    challenges: &'static [&'static str],
}

/// So much of a message is told, in letters: names in it come from the request, and may be as long as that.
const MESSAGE_LETTERS: usize = 1_000;

/// A message, or its beginning.
pub fn cut(mut message: String) -> String {
    if let Some((at, _)) = message.char_indices().nth(MESSAGE_LETTERS) {
        message.truncate(at);
        message.push('…');
        message.shrink_to_fit();
    }
    message
}

impl ApiError {
    /// An error whose message is cut after 1,000 letters.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        ApiError { status, code, message: cut(message.into()), hint: "", challenges: &["Bearer"] }
    }

    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// The stable word for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    pub fn plain(&self) -> Plain {
        Plain { code: self.code, message: self.message.clone(), hint: self.hint }
    }

    /// The answer that says it, but for the body.
    pub fn head(&self) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(self.status);
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            answer.insert_header((RETRY_AFTER, "5"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            for challenge in self.challenges {
                answer.append_header((WWW_AUTHENTICATE, *challenge));
            }
        }
        let mut guarded = HeaderMap::new();
        guard(&mut guarded);
        for header in guarded {
            answer.insert_header(header);
        }
        answer
    }

    /// Not there, or not the caller's: the two answer alike.
    pub fn not_found() -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", "There is nothing of this id.")
    }

    /// Accounts are not for apps.
    pub fn for_people() -> Self {
        let text = "An app cannot do this; its grant is for data only.";
        ApiError::new(StatusCode::FORBIDDEN, "not_for_apps", text)
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// For what stands before every front; a front's own shape comes from [`super::shape::shaped`].
    fn error_response(&self) -> HttpResponse {
        json_errors(self)
    }
}

/// `{"error": {"code", "message", "hint"}, "request_id"}`.
pub fn json_errors(error: &ApiError) -> HttpResponse {
    #[derive(Serialize)]
    struct Body {
        error: Plain,
        request_id: String,
    }
    error.head().json(Body { error: error.plain(), request_id: request_id() })
}

/// An error as it is told beside `/api/v1`.
#[derive(Debug, Serialize)]
pub struct Plain {
    code: &'static str,
    message: String,
    hint: &'static str,
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let unauthorized = |code| ApiError::new(StatusCode::UNAUTHORIZED, code, error.to_string());
        match error {
            AuthError::Missing => ApiError { challenges: &["Bearer", DPOP], ..unauthorized("unauthenticated") },
            AuthError::AppPassword => {
                let challenges = &[r#"Basic realm="allod", charset="UTF-8""#];
                ApiError { challenges, ..unauthorized("app_password_wrong") }
            }
            AuthError::Invalid | AuthError::Bound => {
                ApiError { challenges: &[r#"Bearer error="invalid_token""#, DPOP], ..unauthorized("invalid_token") }
            }
            AuthError::NotOfTheKey => {
                let challenges = &[r#"DPoP error="invalid_token", algs="ES256""#];
                ApiError { challenges, ..unauthorized("invalid_token") }
            }
            AuthError::Proof(_) => {
                let challenges = &[r#"DPoP error="invalid_dpop_proof", algs="ES256""#];
                ApiError { challenges, ..unauthorized("invalid_dpop_proof") }
            }
            AuthError::NotConfirmed => {
                let challenges = &[r#"Bearer error="insufficient_user_authentication", max_age=300"#];
                ApiError { challenges, ..unauthorized("insufficient_user_authentication") }
            }
            AuthError::IdentityAlone => ApiError::new(StatusCode::FORBIDDEN, "insufficient_scope", error.to_string()),
            AuthError::CrossSite => unauthorized("cross_site"),
            AuthError::NotSetUp => unauthorized("not_set_up"),
            AuthError::Directory(error) => error.into(),
        }
    }
}

/// Whether the disk failed under a database: it is read-only (8), answers with errors (10), is full (13), or opens no file
/// (14). SQLite's word for that stands in the text of its errors, with more in the higher bits.
fn is_of_the_disk(error: &str) -> bool {
    let code = error.split_once("(code: ").and_then(|(_, rest)| rest.split(')').next()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 8 | 10 | 13 | 14))
}

/// What went wrong inside is for the log, not for the caller.
pub fn internal(error: &dyn std::error::Error) -> ApiError {
    tracing::error!(%error, "a request failed");
    if is_of_the_disk(&error.to_string()) {
        let message = "The node cannot write to its disk at this moment; try again.";
        return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            .hint("`allod doctor`, on the machine, says what is wrong with the disk.");
    }
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The node failed; its log says more.")
}

impl From<DirectoryError> for ApiError {
    fn from(error: DirectoryError) -> Self {
        match &error {
            DirectoryError::Database(_) | DirectoryError::Damaged(_) => internal(&error),
            DirectoryError::Taken(_) => ApiError::new(StatusCode::CONFLICT, "name_taken", error.to_string()),
            DirectoryError::Unfit(text) => ApiError::new(StatusCode::BAD_REQUEST, "unfit", *text),
            DirectoryError::Quota { .. } => ApiError::new(StatusCode::FORBIDDEN, "quota_exceeded", error.to_string())
                .hint("`allod quota list` says what is allowed, and `allod quota set` changes it."),
            DirectoryError::Busy => ApiError::new(StatusCode::TOO_MANY_REQUESTS, "busy", error.to_string()),
        }
    }
}

impl From<grants::AccessError> for ApiError {
    fn from(error: grants::AccessError) -> Self {
        let status = match &error {
            grants::AccessError::OutsideManifest(_) | grants::AccessError::Wider(_) => StatusCode::FORBIDDEN,
            grants::AccessError::Schema(_) | grants::AccessError::Contradiction(_) => StatusCode::CONFLICT,
            grants::AccessError::UnsupportedKey(_) | grants::AccessError::Malformed(_) => StatusCode::BAD_REQUEST,
        };
        ApiError::new(status, error.code(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_name_the_way_of_signing_that_is_taken() {
        assert_eq!(DPOP, format!("DPoP algs=\"{}\"", gateway_people::dpop::ALG));
        for error in [AuthError::NotOfTheKey, AuthError::Proof(gateway_people::dpop::ProofError::Missing)] {
            let [challenge] = ApiError::from(error).challenges else { panic!("one") };
            assert!(challenge.ends_with(DPOP.strip_prefix("DPoP").unwrap().trim()), "{challenge}");
        }
    }

    #[test]
    fn what_came_with_the_request_is_not_sent_back_whole() {
        let long = ApiError::bad_request(format!("unknown field `{}`", "ä".repeat(1_000_000)));
        assert!(long.message.len() < 2_100 && long.message.ends_with('…'), "{}", long.message.len());
        let whole = "ä".repeat(MESSAGE_LETTERS);
        assert_eq!(ApiError::bad_request(whole.clone()).message, whole, "control");
    }

    #[test]
    fn a_disk_that_fails_is_no_failure_of_the_node() {
        let of = |text: &str| internal(&std::io::Error::other(text.to_owned()));
        for full in
            ["error returned from database: (code: 13) database or disk is full", "x: (code: 778) disk I/O error"]
        {
            let told = of(full);
            assert_eq!((told.status, told.code), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"), "{full}");
        }
        for other in [
            "error returned from database: (code: 1) no such table: t",
            "(code: )",
            "a row is damaged",
            "(code: 2067) UNIQUE",
        ] {
            assert_eq!(of(other).code, "internal", "{other}");
        }
    }
}
