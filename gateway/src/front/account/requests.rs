//! Apps ask for more than they were granted; their person finds it in the inbox, and decides.

use std::collections::HashMap;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::HEXLOWER;
use gateway_people::language::Language;
use policy_core::{AppCaller, ClientId, Holder, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{ApiError, Data, body, person};
use crate::authn::{Principal, authenticate};
use crate::directory::notices::{About, NoticeKind, Telling};
use crate::directory::requests::{AccessRequest, Decision, Filed, NewRequest, RequestId, RequestState};
use crate::directory::{Act, Actor};
use crate::front::described::{Access, Id, Instant};
use crate::front::listed::Page;
use crate::front::refusals::{NotConfirmed, NotTheirs};
use crate::front::sharing::{Pending, end_of};
use crate::grants::{
    Changed, IssueError, Order, Terms, Widening, compile, parse_value, reads_as_line, rfc3339, sentences, show_json,
    turns_text,
};
use crate::node::Node;

#[derive(utoipa::OpenApi)]
#[openapi(paths(file, list, one, approve, decline))]
pub(super) struct Api;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AccessAsked {
    /// One element, or a list of them; each within the app's manifest.
    #[schema(value_type = Vec<Access>)]
    access: Value,
    /// Why, in a line of 200 characters at most; shown to the person.
    #[schema(examples("To print labels for your letters"))]
    purpose: Option<String>,
}

/// How a request stands.
#[derive(Debug, Serialize, ToSchema)]
struct RequestStanding {
    #[schema(value_type = Id)]
    request: String,
    /// `waiting`, `approved`, `declined`, or `lapsed`: nobody decided in time.
    #[schema(examples("waiting"))]
    state: &'static str,
    #[schema(value_type = Instant)]
    created: String,
    /// Until when it waits.
    #[schema(value_type = Instant)]
    expires: String,
}

impl RequestStanding {
    fn of(request: &AccessRequest) -> RequestStanding {
        RequestStanding {
            request: HEXLOWER.encode(&request.id),
            state: request.state.word(),
            created: rfc3339(request.created),
            expires: rfc3339(request.expires),
        }
    }
}

/// A request that was granted.
#[derive(Debug, Serialize, ToSchema)]
struct RequestGranted {
    #[serde(flatten)]
    standing: RequestStanding,
    #[serde(flatten)]
    pending: Pending,
}

/// A request that waits for its person.
#[derive(Debug, Serialize, ToSchema)]
struct RequestView {
    #[serde(flatten)]
    standing: RequestStanding,
    user_name: String,
    #[schema(value_type = Id)]
    client_id: ClientId,
    /// What the app calls itself.
    #[schema(examples("Address book"))]
    app: String,
    /// Where the app is answered: what it calls itself anybody can.
    #[schema(examples(json!(["app.example.org"])))]
    hosts: Vec<String>,
    /// Why, as the app says it.
    purpose: Option<String>,
    /// What would come beside what it was granted.
    #[schema(value_type = Vec<Access>)]
    access: Value,
    /// The same in sentences, made of what would be enforced.
    #[schema(examples(json!(["Read phone in every Contact, present and future, until 1 May 2027, 10:00 UTC."])))]
    sentences: Vec<String>,
    /// Why it cannot be granted as it is; else null.
    unfit: Option<String>,
}

/// The app that asks, and the grant that it has.
struct Asking {
    client: ClientId,
    grant: policy_core::GrantId,
}

/// An app with a token of its own: neither a person nor a link.
fn asking(principal: &Principal) -> Result<Asking, ApiError> {
    match &principal.caller.app {
        // Whoever was given less of it does not ask for more.
        Some(AppCaller { holder: Holder::Client(client), grant, within: None }) => {
            Ok(Asking { client: *client, grant: *grant })
        }
        _ => Err(not_an_app()),
    }
}

fn not_an_app() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", "An app asks so, with the token of its grant.")
}

/// Asks for more than was granted
///
/// For an app, with its token. The request waits for two weeks in the inbox of the person, one of the app at a time. What the
/// manifest states is taken alike, whether the space has such collections and fields or not: that is not told to apps.
#[utoipa::path(post, path = "/api/v1/requests", tag = "grants", request_body = AccessAsked, responses(
    (status = 201, description = "It waits", body = RequestStanding),
    (status = 403, description = "`grant_outside_manifest`: the app's manifest does not state it; or `forbidden`: only an app asks so"),
    (status = 404, description = "`not_found`: the grant is gone"),
    (status = 409, description = "`request_waits`: another request of the app waits"),
    (status = 429, description = "`too_many_requests`: the app asked too often, or too much waits for the person; or `busy`")))]
pub(super) async fn file(node: Data, req: HttpRequest, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = authenticate(&req, &**node).await?;
    let Asking { client, grant } = asking(&principal)?;
    let AccessAsked { access, purpose } = body::json(&req, &bytes)?;
    let purpose = purpose.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if purpose.as_deref().is_some_and(|text| !reads_as_line(text, 200)) {
        return Err(ApiError::bad_request("`purpose` is a line of 200 characters at most, which turns no text about."));
    }
    let (directory, now, user) = (node.directory(), node.now(), principal.caller.user);
    // What a tool does by a password of its own asks for nothing: nobody registered it.
    let app = directory.app(client).await?.ok_or_else(not_an_app)?;
    let row = directory.grant_row(grant).await?.ok_or_else(ApiError::not_found)?;
    let asked = app.manifest.narrow(&parse_value(&access)?)?;
    // The space of its grant an app knows.
    if asked.iter().any(|one| one.space.is_some_and(|space| space != row.space)) {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "grant_malformed",
            "The app asks for the space of its grant.",
        ));
    }
    let list: Value = asked.iter().map(crate::grants::Access::to_json).collect();
    // Whether it fits the definitions the person is told, and the app is not: the answer would tell which collections and
    // fields there are, and of what type, of which it was granted nothing.
    let new = NewRequest { user, client, grant, access: list.to_string(), purpose };
    let request = match directory.file_request(new, now).await? {
        Filed::Waits(request) => request,
        Filed::Another => {
            let text = "A request of this app waits already.";
            return Err(ApiError::new(StatusCode::CONFLICT, "request_waits", text));
        }
        Filed::TooMany => {
            let text = "The app asked too often today, or too much waits for the person.";
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", text));
        }
    };
    let detail = json!({ "client_id": client, "id": HEXLOWER.encode(&request.id) });
    directory.audit(user, Actor::App(client), "request.filed", detail, now).await?;
    let about = About::Words(app.manifest.name.clone());
    directory.tell(Telling { user, kind: NoticeKind::AccessAsked, about }, now).await?;
    Ok(HttpResponse::Created().json(RequestStanding::of(&request)))
}

/// What apps ask, and their person has not decided; oldest first
///
/// For the operator: of everybody.
#[utoipa::path(get, path = "/api/v1/requests", tag = "grants", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<RequestView>)))]
pub(super) async fn list(node: Data, req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let of = (!principal.operator).then_some(principal.caller.user);
    let mut names = HashMap::new();
    let mut views = Vec::new();
    for request in node.directory().waiting_requests(of, node.now()).await? {
        views.extend(request_view(&**node, request, &mut names).await?);
    }
    Page::answer(&req, &views, |one| one.standing.request.clone())
}

/// How a request is told; `None`: its app or its grant is gone.
async fn request_view(
    node: &dyn Node,
    request: AccessRequest,
    names: &mut HashMap<policy_core::UserId, String>,
) -> Result<Option<RequestView>, ApiError> {
    let directory = node.directory();
    let (Some(app), Some(row)) = (directory.app(request.client).await?, directory.grant_row(request.grant).await?)
    else {
        return Ok(None);
    };
    let asked = read_back(&request)?;
    let schema = node.schema(row.space).await?;
    let holder = Holder::Client(request.client);
    let terms = Terms { id: row.id, grantor: request.user, holder, space: row.space, now: node.now() };
    let (access, sentences, unfit) = match compile(&asked, terms, &schema) {
        Ok(grant) => {
            let order = Order::of(&asked, &grant, &schema);
            (
                show_json(&grant, &schema, &order, node.now()),
                sentences(&grant, &schema, &order, Language::English),
                // Nothing comes beside what is over.
                row.expires.is_some_and(|end| end <= node.now()).then(|| IssueError::Ended.to_string()),
            )
        }
        Err(error) => (json!([]), Vec::new(), Some(error.to_string())),
    };
    let user_name = match names.get(&request.user) {
        Some(name) => name.clone(),
        None => {
            let name = directory.user(request.user).await?.map(|user| user.name).unwrap_or_default();
            names.insert(request.user, name.clone());
            name
        }
    };
    let host = |uri: &String| Some(url::Url::parse(uri).ok()?.host_str()?.to_owned());
    let mut hosts: Vec<String> = app.manifest.redirect_uris.iter().filter_map(host).collect();
    hosts.sort();
    hosts.dedup();
    let standing = RequestStanding::of(&request);
    let (client_id, purpose) = (request.client, request.purpose);
    // What turns text about would turn that of the node.
    let app = app.manifest.name.chars().filter(|letter| !turns_text(*letter)).collect();
    Ok(Some(RequestView { standing, user_name, client_id, app, hosts, purpose, access, sentences, unfit }))
}

fn read_back(request: &AccessRequest) -> Result<Vec<crate::grants::Access>, ApiError> {
    let value: Value = serde_json::from_str(&request.access).map_err(|_| ApiError::not_found())?;
    Ok(parse_value(&value)?)
}

fn id_of(text: &str) -> Option<RequestId> {
    HEXLOWER.decode(text.to_ascii_lowercase().as_bytes()).ok()?.try_into().ok()
}

/// How a request stands
///
/// For the app that asked and for its person; nothing else is told.
#[utoipa::path(get, path = "/api/v1/requests/{id}", tag = "grants", params(("id" = Id, Path, description = "Its id")),
    responses((status = 200, description = "How", body = RequestStanding),
    NotTheirs))]
pub(super) async fn one(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = authenticate(&req, &**node).await?;
    let found = match id_of(&id) {
        Some(id) => node.directory().access_request(id, node.now()).await?,
        None => None,
    };
    let own = |request: &AccessRequest| match &principal.caller.app {
        Some(_) => {
            let of_app = asking(&principal).is_ok_and(|by| by.client == request.client);
            of_app && request.user == principal.caller.user
        }
        None => principal.operator || request.user == principal.caller.user,
    };
    let request = found.filter(own).ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok().json(RequestStanding::of(&request)))
}

/// A request that waits for whoever asks.
async fn waiting(node: &dyn Node, by: &Principal, id: &str) -> Result<AccessRequest, ApiError> {
    let found = match id_of(id) {
        Some(id) => node.directory().access_request(id, node.now()).await?,
        None => None,
    };
    let own = |request: &AccessRequest| by.operator || request.user == by.caller.user;
    let request = found.filter(own).ok_or_else(ApiError::not_found)?;
    if request.state == RequestState::Waiting { Ok(request) } else { Err(decided()) }
}

fn decided() -> ApiError {
    IssueError::Decided.into()
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Approval {
    /// What is left of it, each within an element of the request; without it all.
    #[schema(value_type = Option<Vec<Access>>)]
    access: Option<Value>,
    /// It ends no later than this; without it, as the app asked.
    #[schema(value_type = Option<Instant>)]
    until: Option<String>,
}

/// Grants what an app asked, or less
///
/// It comes beside what the app was granted, and the app keeps its tokens. For who proved within the last five minutes who
/// they are.
#[utoipa::path(post, path = "/api/v1/requests/{id}/approve", tag = "grants", request_body = Approval,
    params(("id" = Id, Path, description = "Its id")),
    responses((status = 200, description = "It is granted", body = RequestGranted),
    NotConfirmed,
    (status = 403, description = "`grant_wider`: it names more than was asked; `grant_outside_manifest`: the app's manifest states it no more; or `not_for_apps`"),
    NotTheirs,
    (status = 409, description = "`request_decided`: it was decided before, or waits no more; or `grant_schema_mismatch`, `grant_elsewhere`, `grant_ended`")))]
pub(super) async fn approve(
    node: Data,
    req: HttpRequest,
    id: Path<String>,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    principal.confirmed(node.now())?;
    let Approval { access, until } = body::json(&req, &bytes)?;
    let chosen = access.as_ref().map(parse_value).transpose()?;
    let until = end_of(until.as_deref(), node.now())?;
    let request = waiting(&**node, &principal, &id).await?;
    let directory = node.directory();
    let app = directory.app(request.client).await?.ok_or_else(ApiError::not_found)?;
    // The manifest as it is now: what the app may be granted at all.
    let asked = app.manifest.narrow(&read_back(&request)?)?;
    let widening = Widening { asked, chosen, until };
    let decision = directory.begin_deciding(request.id, node.now()).await?.ok_or_else(decided)?;
    // To its end, whoever goes away: the request says what became of it.
    let (work, act) = (node.clone(), Act::new(principal.actor()));
    let granted = actix_web::rt::spawn(async move { grant(work, request, (widening, decision), act).await });
    let granted = granted.await.map_err(|_| ApiError::not_found())??;
    Ok(HttpResponse::Ok().json(granted))
}

/// The request is approved in the moment in which the grant counts: what fails afterwards leaves it so.
async fn grant(
    node: Data,
    request: AccessRequest,
    (widening, decision): (Widening, Decision),
    act: Act,
) -> Result<RequestGranted, ApiError> {
    let directory = node.directory();
    let widened = async {
        let row = directory.grant_row(request.grant).await?.ok_or(crate::node::NodeError::NotFound)?;
        let changed = Changed::Widened(widening, decision);
        crate::grants::change(node.clone().into_inner(), (row.space, row.id), changed, act).await
    };
    let widened: Result<_, IssueError> = widened.await;
    if widened.is_err() {
        directory.stop_deciding(decision).await?;
    }
    let (_, delivery) = widened?;
    let request = directory.access_request(request.id, node.now()).await?.ok_or_else(ApiError::not_found)?;
    Ok(RequestGranted { standing: RequestStanding::of(&request), pending: Pending::of(&delivery) })
}

/// Declines what an app asked
#[utoipa::path(post, path = "/api/v1/requests/{id}/decline", tag = "grants",
    params(("id" = Id, Path, description = "Its id")),
    responses((status = 200, description = "Nothing is granted", body = RequestStanding),
    NotTheirs,
    (status = 409, description = "`request_decided`: it was decided before, or waits no more")))]
pub(super) async fn decline(node: Data, req: HttpRequest, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let principal = person(&req, &**node).await?;
    let request = waiting(&**node, &principal, &id).await?;
    let (directory, now): (_, Timestamp) = (node.directory(), node.now());
    if !directory.decline_request(request.id, now).await? {
        return Err(decided());
    }
    let detail = json!({ "client_id": request.client, "id": HEXLOWER.encode(&request.id) });
    directory.audit(request.user, principal.actor(), "request.declined", detail, now).await?;
    let request = directory.access_request(request.id, now).await?.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok().json(RequestStanding::of(&request)))
}
