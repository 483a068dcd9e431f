//! Refusals that many operations share, each with the words that the description of the API has for it: a handler names
//! them beside the answers that are its own. What every request can meet (nobody is signed in, too many attempts at a
//! time) no handler names; the description adds it.

use utoipa::IntoResponses;

/// `insufficient_user_authentication`: prove again who you are; or `unauthenticated`, `invalid_token`
#[derive(IntoResponses)]
#[response(status = 401)]
pub struct NotConfirmed;

/// `invalid_client`: the app is not known, or its secret is wrong
#[derive(IntoResponses)]
#[response(status = 401)]
pub struct UnknownClient;

/// `forbidden`: it is for its person, in a session
#[derive(IntoResponses)]
#[response(status = 403)]
pub struct NotInTheirSession;

/// `not_found`: the account is on another node
#[derive(IntoResponses)]
#[response(status = 404)]
pub struct AccountElsewhere;

/// `not_found`: there is none of this id, or it is another's
#[derive(IntoResponses)]
#[response(status = 404)]
pub struct NotTheirs;

/// `not_found`: there is no such space or collection
#[derive(IntoResponses)]
#[response(status = 404)]
pub struct UnknownCollection;

/// `not_found`: there is no such space
#[derive(IntoResponses)]
#[response(status = 404)]
pub struct UnknownSpace;

/// `unknown_user`: there is no user of this name
#[derive(IntoResponses)]
#[response(status = 404)]
pub struct UnknownUser;

/// `conflict`: policy refuses it
#[derive(IntoResponses)]
#[response(status = 409)]
pub struct RefusedByPolicy;

/// `grant_schema_mismatch`: it does not fit the definitions of the space
#[derive(IntoResponses)]
#[response(status = 409)]
pub struct SchemaMismatch;

/// `suspended`: they are suspended
#[derive(IntoResponses)]
#[response(status = 409)]
pub struct UserSuspended;

/// Refusals that are pages, for people.
const HTML: &str = "text/html; charset=utf-8";

/// The app asks wrongly
#[derive(IntoResponses)]
#[response(status = 400, content_type = HTML)]
pub struct AskedWrongly(pub String);

/// The form again
#[derive(IntoResponses)]
#[response(status = 400, content_type = HTML)]
pub struct FormAgain(pub String);

/// Another site sent it
#[derive(IntoResponses)]
#[response(status = 403, content_type = HTML)]
pub struct SentByAnotherSite(pub String);

/// The link is not good
#[derive(IntoResponses)]
#[response(status = 404, content_type = HTML)]
pub struct LinkNotGood(pub String);
