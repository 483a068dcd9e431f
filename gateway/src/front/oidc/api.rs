//! What the console, and programs, call.

use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::arrive::arrive;
use super::{Data, provider, refusal};
use crate::authn::{CONFIRMED_SECONDS, Principal, address, is_page, whence};
use crate::directory::outside::Linked;
use crate::directory::sign_in::Refused;
use crate::directory::{Actor, DirectoryError, SecretHash, User};
use crate::front::account::body;
use crate::front::account::person;
use crate::front::account::session::{opened, second_factor};
use crate::front::described::Instant;
use crate::front::error::ApiError;
use crate::node::Node;
use crate::oidc::{Flow, MAX_CODES, OidcError, Person, Provider, Purpose};

#[derive(utoipa::OpenApi)]
#[openapi(paths(list, start, finish))]
pub(super) struct Api;

/// A provider by which people sign in.
#[derive(Serialize, ToSchema)]
struct ProviderListed {
    /// In addresses.
    #[schema(examples("firm"))]
    name: String,
    /// For people.
    #[schema(examples("The firm's sign-in"))]
    label: String,
}

/// The providers by which people sign in
#[utoipa::path(get, path = "/api/v1/oidc", tag = "session", security(()), responses(
    (status = 200, description = "Those that the operator set up (`oidc.NAME.…`)", body = Vec<ProviderListed>)))]
pub(super) async fn list(node: Data) -> HttpResponse {
    let one = |config: &crate::oidc::ProviderConfig| ProviderListed {
        name: config.name.clone(),
        label: config.label.clone(),
    };
    HttpResponse::Ok().json(node.providers().all().map(one).collect::<Vec<_>>())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Wish {
    /// A session.
    SignIn,
    /// To sign in by it from now on: for who is signed in, and has given their password of late.
    Link,
    /// What giving the password again is for who has one.
    Confirm,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Start {
    purpose: Wish,
    /// What the page drew, and keeps for `finish`; a page must send one, and so must who links or confirms.
    #[schema(min_length = 32, max_length = 128, examples("pTq0v2n8y1m4x7c3b6z9w5k2j8h1g4f7"))]
    key: Option<String>,
}

/// A sign-in that began.
#[derive(Serialize, ToSchema)]
struct Started {
    /// Where the browser goes. It comes back to `/auth/oidc/{name}/callback`, which a program reads `state`, `code` and
    /// `iss` from.
    #[schema(examples("https://id.example.org/authorize?response_type=code&client_id=allod"))]
    url: String,
}

/// Begins a sign-in at a provider
///
/// It is good for ten minutes.
#[utoipa::path(post, path = "/api/v1/oidc/{name}/start", tag = "session", security(()), request_body = Start,
    params(("name" = String, Path, description = "The provider", example = "firm")), responses(
    (status = 200, description = "Where to go", body = Started),
    (status = 401, description = "`insufficient_user_authentication`: give the password again, to link; or `unauthenticated`, `invalid_token`"),
    (status = 403, description = "`cross_site`: another site cannot sign you in"),
    (status = 404, description = "`unknown_provider`: there is no such provider"),
    (status = 502, description = "`provider_failed`: the provider cannot be asked")))]
pub(super) async fn start(
    node: Data,
    req: HttpRequest,
    name: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    crate::front::account::session::same_site(&req)?;
    let Start { purpose, key } = body::json(&req, &bytes)?;
    if key.as_ref().is_some_and(|key| !(32..=128).contains(&key.len())) {
        return Err(ApiError::bad_request("`key` has 32 to 128 characters."));
    }
    let page = key.as_deref().map(SecretHash::of);
    let needed = || ApiError::bad_request("`key` is missing: draw one, and keep it for `finish`.");
    let purpose = match purpose {
        Wish::SignIn if is_page(&req) && page.is_none() => return Err(needed()),
        Wish::SignIn => Purpose::SignIn { page },
        wish => {
            let principal = person(&req, &**node).await?;
            let (session, page) = (session_of(&principal)?, page.ok_or_else(needed)?);
            let user = principal.caller.user;
            if wish == Wish::Link {
                principal.confirmed(node.now())?;
                Purpose::Link { user, session, page }
            } else {
                Purpose::Confirm { user, session, page }
            }
        }
    };
    let provider = provider(&**node, &name)?;
    let url = node.providers().begin(provider, &node.url(), purpose, address(&req)).await;
    let url = url.map_err(|error| refusal(provider, &error))?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(Started { url }))
}

fn session_of(principal: &Principal) -> Result<SecretHash, ApiError> {
    principal.session.ok_or_else(|| ApiError::bad_request("Whoever holds the machine has no session to do this in."))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Finish {
    /// What the browser brought back.
    state: String,
    code: String,
    iss: Option<String>,
    /// What was sent to `start`.
    key: Option<String>,
    /// A code of the second factor, if one is asked for: then the same request is sent once more, with it.
    #[schema(examples("287082"))]
    totp: Option<String>,
}

/// A sign-in at a provider that ended well. A session for which it was has what `POST /api/v1/session` answers.
#[derive(Serialize, ToSchema)]
struct Finished {
    /// `linked`: one signs in by it from now on; `confirmed`: as when the password is given again.
    #[schema(examples("confirmed"))]
    done: &'static str,
    /// Until when it is confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Instant>)]
    expires: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes what two answers have")]
enum SignInFinished {
    Session(crate::front::account::session::SessionOpened),
    Done(Finished),
}

/// Ends a sign-in at a provider
///
/// Once. Where a second factor is asked for, the same is sent again with its code.
#[utoipa::path(post, path = "/api/v1/oidc/{name}/finish", tag = "session", security(()), request_body = Finish,
    params(("name" = String, Path, description = "The provider", example = "firm")), responses(
    (status = 200, description = "What it was begun for is done", body = SignInFinished),
    (status = 401, description = "`totp_needed`: send a code too; `wrong_code`: the code is wrong, or was used; or `invalid_token`"),
    (status = 403, description = "`no_account`: nobody here signs in by it; `not_admitted`: the operator lets others in; `not_yours`: it is not an account by which you sign in; or `cross_site`"),
    (status = 404, description = "`unknown_provider`: there is no such provider"),
    (status = 409, description = "`exists`: somebody signs in by it already; `name_taken`: no name is free for a new account"),
    (status = 429, description = "`busy`: too many sign-ins are ended from there at once"),
    (status = 502, description = "`provider_failed`: the provider, or what it says, cannot be relied on")))]
pub(super) async fn finish(
    node: Data,
    req: HttpRequest,
    name: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    crate::front::account::session::same_site(&req)?;
    let Finish { state, code, iss, key, totp } = body::json(&req, &bytes)?;
    drop(bytes);
    let node = &**node;
    let provider = provider(node, &name)?;
    let stale = || refusal(provider, &OidcError::Stale);
    let mut flow = node.providers().flows.take(&name, &state).ok_or_else(stale)?;
    let page = key.as_deref().map(SecretHash::of);
    let begun_here = match &flow.purpose {
        Purpose::SignIn { page: begun } => *begun == page && (begun.is_some() || !is_page(&req)),
        Purpose::Link { page: begun, .. } | Purpose::Confirm { page: begun, .. } => Some(*begun) == page,
        Purpose::Consent { .. } => false,
    };
    if !begun_here {
        return Err(stale());
    }
    let proved = proved(node, provider, &mut flow, code, iss.as_deref(), address(&req)).await?;
    match flow.purpose.clone() {
        Purpose::SignIn { .. } => {
            let (user, by) = arrive(node, provider, &proved).await?;
            let user = with_code(node, flow, user, totp.as_deref(), &req).await?;
            opened(node, &req, &user, None, Some(&by)).await
        }
        Purpose::Link { user, session, .. } => {
            let principal = same_session(node, &req, user, session).await?;
            principal.confirmed(node.now())?;
            link(node, &req, user, &proved).await
        }
        Purpose::Confirm { user, session, .. } => {
            same_session(node, &req, user, session).await?;
            // As where the password is given again.
            let known = node.directory().user(user).await?.ok_or_else(ApiError::not_found)?;
            with_code(node, flow, known, totp.as_deref(), &req).await?;
            confirm(node, &req, user, session, &proved).await
        }
        Purpose::Consent { .. } => Err(stale()),
    }
}

/// Whom the provider signed in: by the code, or as it was found before a second factor was asked for.
pub(super) async fn proved(
    node: &dyn Node,
    provider: &Provider,
    flow: &mut Flow,
    code: String,
    iss: Option<&str>,
    from: Option<IpAddr>,
) -> Result<Person, ApiError> {
    if let Some(proved) = &flow.proved {
        return Ok(proved.clone());
    }
    // Each is a call to the provider in this node's name.
    let _exchange = node.providers().flows.exchange(from).ok_or(DirectoryError::Busy)?;
    let person = provider.exchange(&flow.begun, &node.url(), code, iss).await;
    let person = person.map_err(|error| refusal(provider, &error))?;
    flow.proved = Some(person.clone());
    Ok(person)
}

/// The user, if they need no code or the code is right; else what is known waits for one.
pub(super) async fn with_code(
    node: &dyn Node,
    mut flow: Flow,
    user: User,
    code: Option<&str>,
    req: &HttpRequest,
) -> Result<User, ApiError> {
    let Err(refused) = node.directory().prove_code(&user, code, node.now()).await? else { return Ok(user) };
    if refused == Refused::WrongCode {
        flow.wrong_codes += 1;
    }
    if flow.wrong_codes < MAX_CODES {
        node.providers().flows.put(flow, address(req));
    }
    Err(second_factor(refused))
}

/// The person of the session in which it was begun.
async fn same_session(
    node: &dyn Node,
    req: &HttpRequest,
    user: policy_core::UserId,
    session: SecretHash,
) -> Result<Principal, ApiError> {
    let principal = person(req, node).await?;
    let same = principal.caller.user == user && principal.session == Some(session);
    same.then_some(principal).ok_or_else(|| {
        let text = "This was begun in another session; begin it again.";
        ApiError::new(StatusCode::BAD_REQUEST, "sign_in_stale", text)
    })
}

async fn link(
    node: &dyn Node,
    req: &HttpRequest,
    user: policy_core::UserId,
    proved: &Person,
) -> Result<HttpResponse, ApiError> {
    let (directory, now) = (node.directory(), node.now());
    match directory.link_outside(user, &proved.identity, &proved.label, now).await? {
        Linked::Done(_) => {
            let mut detail = whence(req);
            detail["kind"] = "outside".into();
            detail["label"] = proved.label.as_str().into();
            directory.audit(user, Actor::Person(user), "credential.added", detail, now).await?;
            Ok(HttpResponse::Ok().json(Finished { done: "linked", expires: None }))
        }
        Linked::Taken => {
            let text = "Somebody signs in by this account already.";
            Err(ApiError::new(StatusCode::CONFLICT, "exists", text))
        }
    }
}

async fn confirm(
    node: &dyn Node,
    req: &HttpRequest,
    user: policy_core::UserId,
    session: SecretHash,
    proved: &Person,
) -> Result<HttpResponse, ApiError> {
    let (directory, now) = (node.directory(), node.now());
    let theirs = directory.user_outside(&proved.identity).await?.is_some_and(|(found, _)| found.id == user);
    // A provider that did not ask anew has proved nothing.
    if !theirs || !proved.is_fresh(now) {
        let text = "It is not an account by which you sign in, or the provider did not ask for you anew.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "not_yours", text));
    }
    directory.confirm_session(session, now).await?;
    directory.audit(user, Actor::Person(user), "session.confirmed", whence(req), now).await?;
    let until = body::instant(Timestamp(now.0 + CONFIRMED_SECONDS * 1_000_000));
    Ok(HttpResponse::Ok().json(Finished { done: "confirmed", expires: Some(until) }))
}
