//! `/api/v1/field-rules`: who sees a field less than its collection, or more.
//!
//! `hidden`: from whom it is kept. `sealed`: nobody sees it but its readers and who manages the collection.
//! `reader`: who sees it though it is sealed, as far as they see the collection.

use actix_web::web::{self, Bytes, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use policy::facts::Resource;
use policy_core::{AssignmentId, SpaceId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::assign::{Right, begin, end};
use super::pending::{Pending, removed};
use super::place::{Described, Names, ResourcePath, VisibleResource, manage_all, may_take, no};
use super::{ApiError, PartyName, PartyView, Sharer, Turn, invalid};
use crate::app::App;
use crate::directory::Assignment;
use crate::front::Routes;
use crate::front::account::body;
use crate::front::described::{Id, Instant};
use crate::front::listed::Page;
use crate::front::refusals::{RefusedByPolicy, UnknownCollection};
use crate::grants::rfc3339;

pub(super) fn routes(routes: &mut Routes) {
    routes.post("/api/v1/field-rules", add).get("/api/v1/field-rules", list).delete("/api/v1/field-rules/{id}", remove);
}

const RULES: [&str; 3] = ["hidden", "sealed", "reader"];

#[derive(utoipa::OpenApi)]
#[openapi(paths(add, list, remove))]
pub(super) struct Api;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRule {
    /// Without it: the space that the request is about.
    #[schema(value_type = Option<Id>)]
    space: Option<String>,
    #[schema(examples("Contact"))]
    collection: String,
    #[schema(examples("phone"))]
    field: String,
    /// `hidden`, `sealed` or `reader`.
    #[schema(examples("hidden"))]
    rule: String,
    who: Option<PartyName>,
}

/// A rule for a field.
#[derive(Debug, Serialize, ToSchema)]
struct FieldRuleView {
    #[schema(value_type = Id)]
    field_rule: AssignmentId,
    #[schema(value_type = Id)]
    space: SpaceId,
    rule: String,
    #[schema(value_type = Instant)]
    created: String,
    #[serde(flatten)]
    on: Described,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<PartyView>,
    by: Option<String>,
    /// Whether who set it was removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    by_removed: bool,
    #[serde(flatten)]
    pending: Pending,
}

/// Makes a rule for a field
#[utoipa::path(post, path = "/api/v1/field-rules", tag = "sharing", request_body = NewRule, responses(
    (status = 200, description = "It is there already", body = FieldRuleView),
    (status = 201, description = "It is made", body = FieldRuleView),
    (status = 404, description = "`not_found`: there is no such field, or it is not theirs to see; or `unknown_user`"),
    RefusedByPolicy))]
async fn add(req: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let new: NewRule = body::json(&req, &bytes)?;
    if !RULES.contains(&new.rule.as_str()) {
        return Err(invalid(format!("`rule` is one of {}.", RULES.join(", "))));
    }
    if (new.rule == "sealed") == new.who.is_some() {
        return Err(invalid("`hidden` and `reader` name who is meant in `who`; `sealed` names nobody."));
    }
    if new.rule == "reader" {
        by.confirmed(&app)?;
    }
    // A space that is slow to open holds up nobody: it is open before the others' turn is taken.
    let path = path(new.space.as_deref(), Some(&new.collection));
    let place = VisibleResource::find(&app, &by, &req, path).await?;
    let group = new.who.as_ref().and_then(PartyName::turn);
    let _alone = app.turns(group.into_iter().chain([Turn::Space(place.space)])).await?;
    let place = VisibleResource::find(&app, &by, &req, path).await?;
    place.managed(&app, &by).await?;
    let collection = place.collection.and_then(|id| place.schema.collection(id)).ok_or_else(ApiError::not_found)?;
    let field = collection.field_named(&new.field).ok_or_else(|| no("field", &new.field))?;
    let party = match &new.who {
        Some(who) => Some(who.party(&app, &by).await?),
        None => None,
    };
    let resource = Resource::Field(collection.id, field.id);
    let right = Right { id: None, space: place.space, resource, relation: &new.rule, party, until: None };
    let (rule, made, delivery) = begin(&app, &by, "field_rule.set", right).await?;
    let mut view = field_rule_view(&app, &rule, &mut Names::default()).await?;
    view.pending = Pending::of(&delivery);
    Ok(if made { HttpResponse::Created().json(view) } else { HttpResponse::Ok().json(view) })
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    #[param(value_type = Option<Id>)]
    space: Option<String>,
    collection: Option<String>,
    /// As of every list.
    #[serde(rename = "limit")]
    _limit: Option<u32>,
    /// As of every list.
    #[serde(rename = "cursor")]
    _cursor: Option<String>,
}

/// The rules of what the person manages in a space, oldest first
#[utoipa::path(get, path = "/api/v1/field-rules", tag = "sharing", params(Which), responses(
    (status = 200, description = "All of them", body = Vec<FieldRuleView>),
    UnknownCollection))]
async fn list(req: HttpRequest, app: web::Data<App>, which: Query<Which>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let place =
        VisibleResource::find(&app, &by, &req, path(which.space.as_deref(), which.collection.as_deref())).await?;
    let mut names = Names::default();
    let mut list = Vec::new();
    let mut rules = app.directory.assignments_in(place.space, place.collection).await?;
    rules.retain(|rule| matches!(rule.resource, Resource::Field(..)));
    let resources: Vec<Resource> = rules.iter().map(|rule| rule.resource).collect();
    for (rule, managed) in rules.iter().zip(manage_all(&app, by.user(), &resources).await?) {
        if managed {
            list.push(field_rule_view(&app, rule, &mut names).await?);
        }
    }
    Page::answer(&req, &list, |one| one.field_rule.to_string())
}

/// The rules in a space of the person's own.
pub(crate) async fn all(app: &App, user: UserId, space: SpaceId) -> Result<Vec<impl Serialize + use<>>, ApiError> {
    let mut list = Vec::new();
    if app.vault.owner_of(space) != Some(user) {
        return Ok(list);
    }
    let mut names = Names::default();
    let rules = app.directory.assignments_in(space, None).await?;
    for rule in rules.iter().filter(|rule| matches!(rule.resource, Resource::Field(..))) {
        list.push(field_rule_view(app, rule, &mut names).await?);
    }
    Ok(list)
}

fn path<'a>(space: Option<&'a str>, collection: Option<&'a str>) -> ResourcePath<'a> {
    ResourcePath { space, collection, ..ResourcePath::default() }
}

/// A rule that the person may end: asked also before they wait for the turn of its space.
async fn endable(app: &App, by: &Sharer, id: AssignmentId) -> Result<Assignment, ApiError> {
    let rule = app.directory.assignment(id).await?.ok_or_else(ApiError::not_found)?;
    let is_rule = matches!(rule.resource, Resource::Field(..));
    match is_rule && may_take(app, by.user(), rule.space, rule.resource).await? {
        true => Ok(rule),
        false => Err(ApiError::not_found()),
    }
}

/// Ends a rule
///
/// To everybody but who manages the collection it is not there. The end of `hidden` and `sealed` shows the field: it is for who
/// proved within the last five minutes who they are.
#[utoipa::path(delete, path = "/api/v1/field-rules/{id}", tag = "sharing", params(("id" = Id, Path, description = "Its id")), responses(
    (status = 204, description = "It has ended"),
    (status = 202, description = "It has ended here, and policy elsewhere is being told", body = Pending),
    (status = 401, description = "`insufficient_user_authentication`: the password is asked for again; or `unauthenticated`, `invalid_token`"),
    (status = 404, description = "`not_found`: there is none of this id"),
    RefusedByPolicy))]
async fn remove(req: HttpRequest, app: web::Data<App>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let id: AssignmentId = id.parse().map_err(|_| ApiError::not_found())?;
    let rule = endable(&app, &by, id).await?;
    let _alone = app.turns([Turn::Space(rule.space)]).await?;
    let rule = endable(&app, &by, id).await?;
    // Its end shows the field of every document.
    if rule.relation != "reader" {
        by.confirmed(&app)?;
    }
    let delivery = end(&app, &by, "field_rule.removed", &rule).await?;
    Ok(removed(&delivery))
}

async fn field_rule_view(app: &App, rule: &Assignment, names: &mut Names) -> Result<FieldRuleView, ApiError> {
    let who = match rule.party {
        Some(party) => Some(names.party(app, party).await?),
        None => None,
    };
    Ok(FieldRuleView {
        field_rule: rule.id,
        space: rule.space,
        rule: rule.relation.clone(),
        created: rfc3339(rule.created),
        on: names.describe(app, rule.space, rule.resource).await,
        who,
        by: names.user(app, rule.giver).await?,
        by_removed: app.directory.is_removed(rule.giver),
        pending: Pending::default(),
    })
}
