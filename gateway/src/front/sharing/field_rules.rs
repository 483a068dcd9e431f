//! `/api/v1/field-rules`: who sees a field less than its collection, or more.
//!
//! `hidden`: from whom it is kept. `sealed`: nobody sees it but its readers and who manages the collection.
//! `reader`: who sees it though it is sealed, as far as they see the collection.

use actix_web::web::{self, Bytes, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use policy::facts::Thing;
use policy_core::AssignmentId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::assign::{Right, begin, end};
use super::pending::{removed, say_pending};
use super::place::{Names, Place, Said, manage_all, may_take, no};
use super::{ApiError, Named, Sharer, Turn, invalid};
use crate::app::App;
use crate::directory::Assignment;
use crate::front::Routes;
use crate::front::account::body;
use crate::grants::rfc3339;

pub(super) fn routes(routes: &mut Routes) {
    routes.post("/api/v1/field-rules", add).get("/api/v1/field-rules", list).delete("/api/v1/field-rules/{id}", remove);
}

const RULES: [&str; 3] = ["hidden", "sealed", "reader"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRule {
    space: Option<String>,
    collection: String,
    field: String,
    rule: String,
    who: Option<Named>,
}

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
    let said = said(new.space.as_deref(), Some(&new.collection));
    let place = Place::find(&app, &by, &req, said).await?;
    let group = new.who.as_ref().and_then(Named::turn);
    let _alone = app.sharing.of(group.into_iter().chain([Turn::Space(place.space)])).await;
    let place = Place::find(&app, &by, &req, said).await?;
    place.managed(&app, &by).await?;
    let collection = place.collection.and_then(|id| place.schema.collection(id)).ok_or_else(ApiError::not_found)?;
    let field = collection.field_named(&new.field).ok_or_else(|| no("field", &new.field))?;
    let party = match &new.who {
        Some(who) => Some(who.party(&app, &by).await?),
        None => None,
    };
    let thing = Thing::Field(collection.id, field.id);
    let right = Right { id: None, space: place.space, thing, relation: &new.rule, party, until: None };
    let (rule, made, delivery) = begin(&app, &by, "field_rule.set", right).await?;
    let mut shown = shown(&app, &rule, &mut Names::default()).await?;
    say_pending(&mut shown, &delivery);
    Ok(if made { HttpResponse::Created().json(shown) } else { HttpResponse::Ok().json(shown) })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    space: Option<String>,
    collection: Option<String>,
}

/// The rules of what the person manages in a space, oldest first.
async fn list(req: HttpRequest, app: web::Data<App>, which: Query<Which>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let place = Place::find(&app, &by, &req, said(which.space.as_deref(), which.collection.as_deref())).await?;
    let mut names = Names::default();
    let mut list: Vec<Value> = Vec::new();
    let mut rules = app.directory.assignments_in(place.space, place.collection).await?;
    rules.retain(|rule| matches!(rule.thing, Thing::Field(..)));
    let things: Vec<Thing> = rules.iter().map(|rule| rule.thing).collect();
    for (rule, managed) in rules.iter().zip(manage_all(&app, by.user(), &things).await?) {
        if managed {
            list.push(shown(&app, rule, &mut names).await?);
        }
    }
    Ok(HttpResponse::Ok().json(list))
}

fn said<'a>(space: Option<&'a str>, collection: Option<&'a str>) -> Said<'a> {
    Said { space, collection, ..Said::default() }
}

/// Ends a rule. To everybody but who manages the collection it is not there.
async fn remove(req: HttpRequest, app: web::Data<App>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let id: AssignmentId = id.parse().map_err(|_| ApiError::not_found())?;
    let rule = app.directory.assignment(id).await?.ok_or_else(ApiError::not_found)?;
    let _alone = app.sharing.of([Turn::Space(rule.space)]).await;
    let rule = app.directory.assignment(id).await?.ok_or_else(ApiError::not_found)?;
    if !matches!(rule.thing, Thing::Field(..)) || !may_take(&app, by.user(), rule.space, rule.thing).await? {
        return Err(ApiError::not_found());
    }
    let delivery = end(&app, &by, "field_rule.removed", &rule).await?;
    Ok(removed(json!({}), &delivery))
}

async fn shown(app: &App, rule: &Assignment, names: &mut Names) -> Result<Value, ApiError> {
    let mut shown = json!({ "field_rule": rule.id, "space": rule.space, "rule": rule.relation,
        "created": rfc3339(rule.created) });
    names.describe(app, rule.space, rule.thing, &mut shown).await?;
    if let Some(party) = rule.party {
        shown["who"] = names.party(app, party).await?;
    }
    shown["by"] = names.user(app, rule.giver).await?;
    Ok(shown)
}
