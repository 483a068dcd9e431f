//! `/api/v1/shares`: rights that one person gives another, or a group.

use std::collections::BTreeSet;

use actix_web::web::{self, Bytes, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::realm::Realm as _;
use policy::Delivery;
use policy::facts::{Party, Resource};
use policy_core::{AssignmentId, SpaceId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::assign::{Right, begin, end};
use super::leaving::{leave, quits};
use super::offers;
use super::pending::{Pending, Removed, removed};
use super::place::{Described, Names, ResourcePath, VisibleResource, manage_all, manages, may_take};
use super::{ApiError, PartyName, PartyView, Sharer, Turn, conflict, end_of, forbidden, invalid};
use crate::app::App;
use crate::directory::{Assignment, Offer, Offered};
use crate::front::Routes;
use crate::front::account::body;
use crate::front::data::space_of;
use crate::front::described::{Id, Instant};
use crate::front::listed::{Page, linked};
use crate::front::refusals::{NotTheirs, RefusedByPolicy};
use crate::grants::rfc3339;
use crate::rights::Change;

pub(super) fn routes(routes: &mut Routes) {
    routes
        .post("/api/v1/shares", add)
        .get("/api/v1/shares", list)
        .get("/api/v1/shares/{id}", one)
        .delete("/api/v1/shares/{id}", remove);
}

/// Spaces that one part of the list opens at most.
const SPACES: usize = 32;

/// The roles that a share can give on a resource: the relations of the relationship schema.
fn roles(resource: Resource) -> &'static [&'static str] {
    match resource {
        Resource::Space(_) => &["viewer", "editor"],
        Resource::Collection(_) | Resource::Folder(..) => &["viewer", "editor", "owner"],
        Resource::Document(..) => &["viewer", "editor", "owner", "blocked"],
        Resource::Field(..) | Resource::Group(_) => &[],
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(add, list, one, remove))]
pub(super) struct Api;

/// What is shared, with whom, as what.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewShare {
    /// Without it: the space that the request is about.
    #[schema(value_type = Option<Id>)]
    space: Option<String>,
    #[schema(examples("Contact"))]
    collection: Option<String>,
    #[schema(value_type = Option<Id>)]
    folder: Option<String>,
    /// The id of a document of `collection`.
    document: Option<String>,
    with: PartyName,
    /// `viewer`, `editor`, `owner` or `blocked`.
    #[schema(examples("viewer"))]
    role: String,
    /// An instant (RFC 3339), or a duration from now (ISO 8601).
    #[schema(examples("P30D"))]
    until: Option<String>,
}

/// A share, or a rule that shows somebody a field.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShareView {
    #[serde(flatten)]
    pub(super) id: ShareId,
    #[schema(value_type = Id)]
    pub(super) space: SpaceId,
    pub(super) role: String,
    #[schema(value_type = Instant)]
    pub(super) created: String,
    #[serde(flatten)]
    pub(super) on: Described,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) with: Option<PartyView>,
    /// Who gave it. Null: they were removed, or their account is on another node.
    pub(super) by: Option<String>,
    /// Whether who gave it was removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) by_removed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Instant>)]
    pub(super) until: Option<String>,
    #[serde(flatten)]
    pub(super) pending: Pending,
}

/// Which of the two it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ShareId {
    Share {
        #[schema(value_type = Id)]
        share: AssignmentId,
    },
    FieldRule {
        #[schema(value_type = Id)]
        field_rule: AssignmentId,
    },
}

/// What somebody gave, and what they got.
#[derive(Debug, Serialize, ToSchema)]
struct SharesView {
    given: Vec<ShareView>,
    received: Vec<ShareView>,
}

impl NewShare {
    /// What is shared, in its space.
    fn path(&self) -> ResourcePath<'_> {
        ResourcePath {
            space: None,
            collection: self.collection.as_deref(),
            folder: self.folder.as_deref(),
            document: self.document.as_deref(),
            deleted: self.role == "blocked",
        }
    }
}

fn named_space(text: &str) -> Result<SpaceId, ApiError> {
    text.trim().parse().map_err(|_| ApiError::not_found())
}

/// Whether an assignment is a share.
fn is_share(one: &Assignment) -> bool {
    roles(one.resource).contains(&one.relation.as_str())
}

/// Whether who got a share knows of it: what is kept from somebody is not told them.
fn is_known_to_receiver(one: &Assignment) -> bool {
    is_share(one) && one.relation != "blocked"
}

/// Shares something with a person or a group
#[utoipa::path(post, path = "/api/v1/shares", tag = "sharing", request_body = NewShare, responses(
    (status = 200, description = "It is shared already; its end is as asked", body = ShareView),
    (status = 201, description = "It is shared, or offered", body = ShareView),
    (status = 401, description = "`insufficient_user_authentication`: the password is asked for again, for more than one document; or `unauthenticated`, `invalid_token`"),
    (status = 404, description = "`not_found`: there is no such resource, or it is not theirs to see; or `unknown_user`"),
    (status = 409, description = "`own`: the owner's rights stay; or `conflict`")))]
async fn add(req: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let new: NewShare = body::json(&req, &bytes)?;
    if !["viewer", "editor", "owner", "blocked"].contains(&new.role.as_str()) {
        return Err(invalid("`role` is viewer, editor, owner or blocked."));
    }
    if new.document.is_none() {
        by.confirmed(&app)?;
    }
    let space = match &new.space {
        Some(space) => named_space(space)?,
        None => space_of(&app, &by.principal, &req).await?,
    };
    let new = NewShare { space: Some(space.to_string()), ..new };
    // Who does not see it takes no turn of those who share it; and a space that is slow to open holds up nobody.
    VisibleResource::within(&app, &by, space, new.path()).await?;
    let _alone = app.turns(new.with.turn().into_iter().chain([Turn::Space(space)])).await?;
    match give(&app, &by, &new, None).await? {
        ShareOutcome::Done(share, made, delivery) => {
            let mut view = share_view(&app, &share, &mut Names::default()).await?;
            view.pending = Pending::of(&delivery);
            Ok(if made { HttpResponse::Created().json(view) } else { HttpResponse::Ok().json(view) })
        }
        ShareOutcome::Offered(offer) => Ok(HttpResponse::Created().json(offers::offer_view(&app, &offer).await?)),
    }
}

/// What became of a request to share.
pub(super) enum ShareOutcome {
    /// The share, and whether it is new.
    Done(Assignment, bool, Delivery),
    Offered(Offer),
}

/// Shares what the request says, if who asks may: with whom it names, or with the person who takes up what was promised
/// them under an id. `new.space` is there.
pub(super) async fn give(
    app: &App,
    by: &Sharer,
    new: &NewShare,
    taken_up: Option<(AssignmentId, UserId)>,
) -> Result<ShareOutcome, ApiError> {
    let space = named_space(new.space.as_deref().unwrap_or_default())?;
    let place = VisibleResource::within(app, by, space, new.path()).await?;
    let resource = place.managed(app, by).await?;
    if !roles(resource).contains(&new.role.as_str()) {
        return Err(invalid(format!("Here `role` is one of {}.", roles(resource).join(", "))));
    }
    let elsewhere = match (&new.with.user, taken_up) {
        // What is kept from somebody must be in force at once, so they must be known.
        (Some(name), None) if new.role != "blocked" && new.with.group.is_none() => {
            offers::elsewhere(app, by, name).await?
        }
        _ => None,
    };
    let party = match (taken_up, &elsewhere) {
        (Some((_, user)), _) => Some(Party::User(user)),
        (None, Some(_)) => None,
        (None, None) => Some(new.with.party(app, by).await?),
    };
    let until = end_of(new.until.as_deref(), app.now())?;
    let owns = new.role == "owner";
    if owns && matches!(party, Some(Party::Group(_))) {
        return Err(invalid("An owner is one person."));
    }
    if until.is_some() && (owns || new.role == "blocked") {
        return Err(invalid("An owner is one, and who is blocked is so, until that is taken back."));
    }
    if app.vault.owner_of(place.space).is_some_and(|owner| party == Some(Party::User(owner))) {
        return Err(conflict("own", "Who owns the space has every right in it, and keeps it."));
    }
    if let Some(name) = elsewhere {
        let body = offers::body(new, until)?;
        return Ok(ShareOutcome::Offered(offers::offer(app, by, Offered::Share(place.space, body), name).await?));
    }
    let id = taken_up.map(|(id, _)| id);
    let right = Right { id, space: place.space, resource, relation: &new.role, party, until };
    let (share, made, delivery) = begin(app, by, "share.given", right).await?;
    Ok(ShareOutcome::Done(share, made, delivery))
}

/// An element of the list, before anything of it is looked up.
enum Listed {
    Given(Assignment),
    /// By the person who asks.
    Offered(Offer),
    /// To the person who asks.
    Promised(Offer),
    Received(Assignment),
}

impl Listed {
    /// A name within the list: what somebody gave themselves is in it twice.
    fn id(&self) -> String {
        match self {
            Listed::Given(share) => format!("given {}", share.id),
            Listed::Offered(offer) => format!("offered {}", offer.id),
            Listed::Promised(offer) => format!("promised {}", offer.id),
            Listed::Received(share) => format!("received {}", share.id),
        }
    }
}

/// What I gave and what I got, oldest first; what lapsed is not there
///
/// A part of the list has what was given before what was received.
#[utoipa::path(get, path = "/api/v1/shares", tag = "sharing", params(Page), responses(
    (status = 200, description = "A part of it; `Link: rel=\"next\"` leads to the next", body = SharesView),
    (status = 400, description = "`invalid_input`: `limit` or `cursor` is none")))]
async fn list(req: HttpRequest, app: web::Data<App>, page: Query<Page>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let all = listed(&app, by.user()).await?;
    let (part, _) = page.of(&all, Listed::id)?;
    let (part, next) = page.at_most(in_few_spaces(part)).of(&all, Listed::id)?;
    let (mut given, mut received) = (Vec::new(), Vec::new());
    // Only what is told is looked up: for the names of its collections a space is opened.
    let mut names = Names::default();
    for one in part {
        match one {
            Listed::Given(share) => given.push(share_view(&app, share, &mut names).await?),
            Listed::Offered(offer) => given.push(offers::offer_view(&app, offer).await?),
            Listed::Promised(offer) => received.push(offers::offer_view(&app, offer).await?),
            Listed::Received(share) => received.push(share_view(&app, share, &mut names).await?),
        }
    }
    let answer = HttpResponse::Ok().json(SharesView { given, received });
    Ok(linked(&req, answer, next.map(|next| ("cursor", next))))
}

/// How many of the first elements lie in no more spaces than one answer opens.
fn in_few_spaces(part: &[Listed]) -> usize {
    let mut spaces = BTreeSet::new();
    let mut within = |one: &&Listed| match one {
        Listed::Given(share) | Listed::Received(share) => {
            spaces.insert(share.space);
            spaces.len() <= SPACES
        }
        Listed::Offered(_) | Listed::Promised(_) => true,
    };
    part.iter().take_while(|one| within(one)).count().max(1)
}

/// All that a person gave and got, in the order in which it is told.
async fn listed(app: &App, user: UserId) -> Result<Vec<Listed>, ApiError> {
    let now = app.now();
    let mut given = app.directory.assignments_by(user).await?;
    for space in app.vault.space_ids(user) {
        given.extend(app.directory.assignments_in(space, None).await?);
    }
    given.sort_by_key(|one| (one.created, one.id));
    given.dedup_by_key(|one| one.id);
    given.retain(|one| is_share(one) && one.lives(now));
    let resources: Vec<Resource> = given.iter().map(|one| one.resource).collect();
    let managed = manage_all(app, user, &resources).await?;
    // Who owns a space manages what is in it, also where policy has not heard yet what that is: nobody has opened it.
    let owns = |one: &Assignment| app.vault.owner_of(one.space) == Some(user);
    let given = given.into_iter().zip(managed).filter(|(one, managed)| *managed || owns(one));
    let mut all: Vec<Listed> = given.map(|(one, _)| Listed::Given(one)).collect();
    all.extend(app.directory.offers_by(user).await?.into_iter().map(Listed::Offered));
    all.extend(offers::received(app, user).await?.into_iter().map(Listed::Promised));
    let mut received = app.directory.assignments_to(&app.directory.parties_of(user, now).await?).await?;
    received.retain(|one| is_known_to_receiver(one) && one.lives(now));
    received.sort_by_key(|one| (one.created, one.id));
    all.extend(received.into_iter().map(Listed::Received));
    Ok(all)
}

/// A share, as it is told to whoever gave it or got it.
pub(crate) enum ShareSide {
    Given(serde_json::Value),
    Received(serde_json::Value),
}

/// Tells all that a person gave and got, one after the other: for the names of its collections a space is opened.
pub(crate) async fn each<E: From<ApiError>>(
    app: &App,
    user: UserId,
    mut tell: impl AsyncFnMut(ShareSide) -> Result<(), E>,
) -> Result<(), E> {
    let mut names = Names::default();
    let json = |view: ShareView| serde_json::to_value(view).unwrap_or_default();
    for one in listed(app, user).await? {
        tell(match &one {
            Listed::Given(share) => ShareSide::Given(json(share_view(app, share, &mut names).await?)),
            Listed::Offered(offer) => ShareSide::Given(json(offers::offer_view(app, offer).await?)),
            Listed::Promised(offer) => ShareSide::Received(json(offers::offer_view(app, offer).await?)),
            Listed::Received(share) => ShareSide::Received(json(share_view(app, share, &mut names).await?)),
        })
        .await?;
    }
    Ok(())
}

/// A live share.
async fn live(app: &App, id: &str) -> Result<Assignment, ApiError> {
    let id: AssignmentId = id.parse().map_err(|_| ApiError::not_found())?;
    let found = app.directory.assignment(id).await?.filter(|one| is_share(one) && one.lives(app.now()));
    found.ok_or_else(ApiError::not_found)
}

/// A live share that the person may know of, and whether they manage what it is on.
async fn known(app: &App, user: UserId, id: &str) -> Result<(Assignment, bool), ApiError> {
    let found = live(app, id).await?;
    // Policy is asked in any case, and without an answer of it nothing is told; whoever owns the space manages what is in
    // it, also where policy has not heard yet what that is.
    if manages(app, user, found.resource).await? || app.vault.owner_of(found.space) == Some(user) {
        return Ok((found, true));
    }
    let mine = app.directory.parties_of(user, app.now()).await?;
    let told = is_known_to_receiver(&found) && found.party.is_some_and(|party| mine.contains(&party));
    if told { Ok((found, false)) } else { Err(ApiError::not_found()) }
}

/// Refuses whoever neither got a share nor manages what it is on.
async fn may_end(app: &App, user: UserId, share: &Assignment) -> Result<(), ApiError> {
    let own = is_known_to_receiver(share) && share.party == Some(Party::User(user));
    if own || may_take(app, user, share.space, share.resource).await? {
        return Ok(());
    }
    known(app, user, &share.id.to_string()).await?;
    Err(forbidden("Only who manages what is shared may end a share with a group."))
}

/// One share
#[utoipa::path(get, path = "/api/v1/shares/{id}", tag = "sharing", params(("id" = Id, Path, description = "Its id")), responses(
    (status = 200, description = "It", body = ShareView),
    NotTheirs))]
async fn one(req: HttpRequest, app: web::Data<App>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    if let Some(offer) = offers::own(&app, by.user(), &id).await? {
        return Ok(HttpResponse::Ok().json(offers::offer_view(&app, &offer).await?));
    }
    let (share, _) = known(&app, by.user(), &id).await?;
    Ok(HttpResponse::Ok().json(share_view(&app, &share, &mut Names::default()).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// Whether a manager who is removed keeps what they gave themselves.
    #[serde(default)]
    #[param(required = false)]
    keep: bool,
}

/// Ends a share: by who manages what it is on, or by the person who got it
///
/// Acknowledged when no further request is
/// served by it; where policy cannot be asked, what can be known without it is enough to take away.
#[utoipa::path(delete, path = "/api/v1/shares/{id}", tag = "sharing",
    params(("id" = Id, Path, description = "Its id"), Removal), responses(
    (status = 204, description = "It has ended"),
    (status = 200, description = "It has ended; who managed by it had or has more", body = Removed<ShareView>),
    (status = 202, description = "It has ended here, and policy elsewhere is being told", body = Removed<ShareView>),
    NotTheirs,
    RefusedByPolicy))]
async fn remove(
    req: HttpRequest,
    app: web::Data<App>,
    id: Path<String>,
    removal: Query<Removal>,
) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let user = by.user();
    let space = match offers::own(&app, user, &id).await? {
        Some(Offer { what: Offered::Share(space, _), .. }) => space,
        // Nobody waits for the turn of a space in which they may end nothing.
        None => {
            let share = live(&app, &id).await?;
            may_end(&app, user, &share).await?;
            share.space
        }
    };
    let _alone = app.turns([Turn::Space(space)]).await?;
    if let Some(offer) = offers::own(&app, user, &id).await? {
        app.directory.remove_offer(offer.id).await?;
        return Ok(HttpResponse::NoContent().finish());
    }
    let share = live(&app, &id).await?;
    may_end(&app, user, &share).await?;
    let Some(lost) = quits(&by, &share) else {
        return Ok(removed(&end(&app, &by, "share.ended", &share).await?));
    };
    let change = Change::Quits(lost);
    if !removal.keep {
        app.begin_change(&change).await?;
    }
    let ended = end(&app, &by, "share.ended", &share).await;
    if ended.is_err() {
        app.end_change(&change).await?;
    }
    let delivery = ended?;
    // What fails in between is gone on with: with the share goes what they gave themselves.
    let left = leave(&app, &by, &lost, removal.keep).await?;
    app.end_change(&change).await?;
    let (taken, reaches) = left.views(&app, async |app, right, names| share_view(app, right, names).await).await?;
    Ok(Removed::new(taken, reaches).answer(&delivery.and(left.delivery)))
}

async fn share_view(app: &App, share: &Assignment, names: &mut Names) -> Result<ShareView, ApiError> {
    let with = match share.party {
        Some(party) => Some(names.party(app, party).await?),
        None => None,
    };
    Ok(ShareView {
        id: match is_share(share) {
            true => ShareId::Share { share: share.id },
            false => ShareId::FieldRule { field_rule: share.id },
        },
        space: share.space,
        role: share.relation.clone(),
        created: rfc3339(share.created),
        on: names.describe(app, share.space, share.resource).await,
        with,
        by: names.user(app, share.giver).await?,
        by_removed: app.directory.is_removed(share.giver),
        until: share.until.map(rfc3339),
        pending: Pending::default(),
    })
}
