//! Who shares what with whom: groups of people, shares with them, folders to share, links, and
//! rules for fields. The rows in the directory say who made it so and when; the
//! relationships in policy enforce it. A right is noted first and enforced then, and ends the other way
//! round, so that a node that stops in between enforces no more than it shows.

mod access;
mod assign;
pub(crate) mod field_rules;
pub(crate) mod folders;
pub(crate) mod groups;
mod leaving;
pub(crate) mod links;
mod offers;
mod pending;
mod place;
mod rows;
pub(crate) mod shares;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use gateway_people::realm::Realm as _;
pub(crate) use pending::Pending;
use policy::PolicyError;
use policy::facts::{Party, Resource};
use policy_core::{Caller, Context, GroupId, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::account::person;
use super::error::ApiError;
use crate::app::App;
use crate::authn::Principal;
use crate::directory::{Act, Actor, ELSEWHERE, Group};
use crate::front::contract::SMALL_BODY;
use crate::front::contract::{Front, Terms};
use crate::front::described::Id;
use crate::front::route::Routes;
use crate::grants::Span;
use crate::turns::Turn;

pub const FRONT: Front = Front { routes, terms: Terms::api(SMALL_BODY) };

fn routes(routes: &mut Routes) {
    routes
        .part(groups::routes)
        .part(shares::routes)
        .part(field_rules::routes)
        .part(folders::routes)
        .part(links::routes)
        .part(access::routes);
    routes
        .described::<groups::Api>()
        .described::<shares::Api>()
        .described::<field_rules::Api>()
        .described::<folders::Api>()
        .described::<links::Api>()
        .described::<access::Api>();
}

/// Relationships of one change.
const CHANGES: usize = 5_000;

/// The person who asks, and how the audits name what they do.
struct Sharer {
    principal: Principal,
    act: Act,
}

impl Sharer {
    /// Somebody for whom something is done that they asked for before.
    fn again(user: UserId, tenant: TenantId) -> Sharer {
        let caller = Caller { user, app: None, device: None };
        Sharer { principal: Principal::of_person(caller, tenant), act: Act::new(Actor::Person(user)) }
    }

    /// The node, which goes on with what somebody asked for before.
    async fn of_node(app: &App, user: UserId) -> Result<Sharer, ApiError> {
        let tenant = app.directory.user(user).await?.map_or(ELSEWHERE, |user| user.tenant);
        Ok(Sharer { act: Act::new(Actor::Node), ..Sharer::again(user, tenant) })
    }

    /// Nothing here is for apps.
    async fn of(req: &HttpRequest, app: &App) -> Result<Sharer, ApiError> {
        let principal = person(req, app).await?;
        let actor = if principal.operator { Actor::Operator } else { Actor::Person(principal.caller.user) };
        Ok(Sharer { principal, act: Act::new(actor) })
    }

    /// Refuses, unless the person gave their password within the last five minutes: for what opens a whole collection
    /// or more to others.
    fn confirmed(&self, app: &App) -> Result<(), ApiError> {
        Ok(self.principal.confirmed(app.now())?)
    }

    fn user(&self) -> UserId {
        self.principal.caller.user
    }

    /// What the audit of policy says of a change beside the change itself.
    fn metadata(&self, action: &str) -> Context {
        self.act.metadata(self.user(), action)
    }
}

fn forbidden(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}

fn conflict(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, code, message)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid_input", message)
}

/// A change that policy did not take.
fn unchanged(error: PolicyError) -> ApiError {
    match error {
        PolicyError::Conflict(message) => conflict("conflict", format!("Policy refuses this: {message}.")),
        error => {
            tracing::error!(%error, "policy could not be changed");
            super::data::unavailable("Policy could not be changed; the node's log says why.")
        }
    }
}

/// Who gets or loses a right: `{"user": NAME}` or `{"group": ID}`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PartyName {
    /// A person's name.
    #[schema(examples("bob"))]
    user: Option<String>,
    #[schema(value_type = Option<Id>)]
    group: Option<String>,
}

impl PartyName {
    /// The turn of the group that is named: what is given to it ends with it.
    fn turn(&self) -> Option<Turn> {
        self.group.as_deref().and_then(|id| id.parse().ok()).map(Turn::Group)
    }

    /// The party that is named. A person counts if they are of the tenant of the one who asks, or known to them
    /// otherwise; a group if they are in it or manage it. Whatever else there is answers as what never was.
    async fn party(&self, app: &App, by: &Sharer) -> Result<Party, ApiError> {
        match (&self.user, &self.group) {
            (Some(name), None) => {
                let unknown = || {
                    let message = "Nobody of this name is in your tenant, or known to you.";
                    let error = ApiError::new(StatusCode::NOT_FOUND, "unknown_user", message);
                    error.hint("Share something with them: who takes that up is known to you from then on.")
                };
                Ok(Party::User(offers::known(app, by, name).await?.ok_or_else(unknown)?))
            }
            (None, Some(id)) => Ok(Party::Group(known_group(app, by, id).await?.0.id)),
            _ => Err(invalid("Name one user or one group.")),
        }
    }
}

/// A group that the person is in or manages, and whether they manage it. Others answer as unknown.
async fn known_group(app: &App, by: &Sharer, id: &str) -> Result<(Group, bool), ApiError> {
    let unknown = || ApiError::new(StatusCode::NOT_FOUND, "unknown_group", "There is no group of this id.");
    let id: GroupId = id.parse().map_err(|_| unknown())?;
    let group = app.directory.group(id).await?.ok_or_else(unknown)?;
    let user = by.user();
    let manages = app.access.may(user, Resource::Group(id), "manage").await?;
    if manages || app.directory.groups_of(user, app.now()).await?.contains(&id) {
        return Ok((group, manages));
    }
    Err(unknown())
}

/// A person by name, or a group by id and name.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
enum PartyView {
    User {
        /// Null: the account is not on this node.
        #[schema(required = true)]
        user: Option<String>,
    },
    Group {
        #[schema(value_type = Id)]
        group: GroupId,
        name: Option<String>,
    },
}

/// How a party is shown.
async fn party_view(app: &App, party: Party) -> Result<PartyView, ApiError> {
    Ok(match party {
        Party::User(id) => PartyView::User { user: app.directory.user(id).await?.map(|user| user.name) },
        Party::Group(id) => {
            PartyView::Group { group: id, name: app.directory.group(id).await?.map(|group| group.name) }
        }
    })
}

/// When a right ends: an instant (RFC 3339) or a duration from now (ISO 8601). It must lie ahead.
pub(super) fn end_of(until: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = until else { return Ok(None) };
    let at = match text.parse::<Span>() {
        Ok(span) => Some(span.after(now)),
        Err(()) => {
            let at = OffsetDateTime::parse(text, &Rfc3339).ok();
            at.and_then(|at| i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000)).ok()).map(Timestamp)
        }
    };
    match at {
        Some(at) if at > now => Ok(Some(at)),
        Some(_) => Err(invalid("`until` lies in the past.")),
        None => Err(invalid("`until` must be an instant such as 2030-01-31T00:00:00Z or a duration such as P30D.")),
    }
}

/// Writes an act into the audit of who does it and of everyone else whom it concerns, once each.
async fn note(app: &App, by: &Sharer, concerned: &[UserId], action: &str, mut detail: Value) -> Result<(), ApiError> {
    detail["request"] = json!(by.act.request);
    let mut users = vec![by.user()];
    users.extend(concerned);
    users.sort_unstable();
    users.dedup();
    for user in users {
        app.directory.audit(user, by.act.actor, action, detail.clone(), app.now()).await?;
    }
    Ok(())
}

/// The user whom a right goes to in person.
fn in_person(party: Party) -> Vec<UserId> {
    match party {
        Party::User(id) => vec![id],
        Party::Group(_) => Vec::new(),
    }
}
