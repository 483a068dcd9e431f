//! `/api/v1/links`: links that show something to whoever has them. A link is a grant whose holder is the link: it
//! reads and searches what its grant names, as far as the person who made it does.

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use policy::facts::Thing;
use policy_core::{Caller, GrantId, Holder, Timestamp, Verb};
use serde::Deserialize;
use serde_json::{Value, json};
use vault_core::control::{AppDescription, GrantRecord};
use vault_core::query::{Item, ItemKind, Select, SelectArgs};
use vault_core::schema::{Field, FieldType};

use super::place::{Place, Said};
use super::rows::rows;
use super::{ApiError, Sharer, end_of, note};
use crate::app::App;
use crate::authn::{self, AuthError};
use crate::directory::{Directory, Kind, LinkRow, Secret};
use crate::front::Routes;
use crate::front::account::body;
use crate::front::oauth::{escape, notice, page};
use crate::grants::{Order, Terms, compile, parse_value, rfc3339, show_json};
use crate::node::Node;

/// Documents that the page of a link shows at most.
const SHOWN: usize = 200;
/// Characters of a value that it shows at most.
const LONGEST: usize = 1_000;
/// Links on one space.
const MOST: usize = 1_000;

pub(super) fn routes(routes: &mut Routes) {
    routes
        .post("/api/v1/links", add)
        .get("/api/v1/links", list)
        .delete("/api/v1/links/{id}", remove)
        .get("/l/{token}", open);
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLink {
    space: Option<String>,
    collection: String,
    fields: Value,
    #[serde(rename = "where")]
    rows: Option<Value>,
    until: Option<String>,
}

/// The token is in this answer and nowhere else.
async fn add(req: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let new: NewLink = body::json(&req, &bytes)?;
    let said = Said { space: new.space.as_deref(), collection: Some(&new.collection), ..Said::default() };
    // A link is opened where its maker has an account; a device that joined has none for them.
    if app.directory.user(by.user()).await?.is_none() {
        let message = "Your account is not on this node, and a link works where it is; make it there.";
        return Err(super::conflict("account_elsewhere", message));
    }
    let _alone = app.sharing.lock().await;
    let place = Place::find(&app, &by, &req, said).await?;
    // What is recorded in a space is recorded by who manages it.
    if !app.may(by.user(), Thing::Space(place.space), "manage").await? {
        return Err(super::forbidden("Only who manages the space may make links into it."));
    }
    let now = app.now();
    if records(&app, place.space).await?.iter().filter(|record| lives(record, now)).count() >= MOST {
        return Err(super::conflict("too_many_links", "A space has at most 1,000 links; remove some."));
    }
    let secret = Secret::draw();
    let until = end_of(new.until.as_deref(), now)?;
    let access = parse_value(&json!({ "type": "allod_doc", "datatypes": [new.collection],
        "actions": ["read", "search"], "fields": { "allow": new.fields }, "where": new.rows }))?;
    let terms = Terms {
        id: Directory::new_grant_id(),
        grantor: by.user(),
        holder: Holder::Link(secret.hash().link()),
        space: place.space,
        now,
    };
    let mut grant = compile(&access, terms, &place.schema)?;
    for entry in &mut grant.entries {
        entry.until = until;
    }
    let name = AppDescription { name: "Link".to_owned(), uri: None, redirect_uris: Vec::new() };
    let record = GrantRecord { grant, app: name, created: now };
    app.put_grant(record.clone(), by.metadata("link.created")).await?;
    let row = LinkRow { grant: terms.id, user: by.user(), space: place.space, created: now, last_used: None };
    app.directory.open_link(&secret, &row, until).await?;
    note(&app, &by, &[], "link.created", json!({ "link": terms.id, "space": place.space })).await?;
    let mut answer = shown(&app, &record).await?;
    answer["token"] = json!(secret.text());
    answer["url"] = json!(format!("{}/l/{}", app.url(), secret.text()));
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(answer))
}

/// The links on a space that are not removed, oldest first.
async fn records(app: &App, space: policy_core::SpaceId) -> Result<Vec<GrantRecord>, ApiError> {
    let mut records = app.grants(space).await?;
    records.retain(|record| record.grant.holder.client().is_none());
    Ok(records)
}

fn lives(record: &GrantRecord, now: Timestamp) -> bool {
    record.grant.entries.iter().any(|entry| entry.until.is_none_or(|until| until > now))
}

async fn shown(app: &App, record: &GrantRecord) -> Result<Value, ApiError> {
    let grant = &record.grant;
    let schema = app.schema(grant.space).await?;
    let access = show_json(grant, &schema, &Order::default(), record.created);
    let row = app.directory.link_row(grant.id).await?;
    Ok(json!({
        "link": grant.id,
        "space": grant.space,
        "collection": access[0]["datatypes"][0],
        "fields": access[0]["fields"]["allow"],
        "where": access[0]["where"],
        "created": rfc3339(record.created),
        "until": grant.entries.iter().find_map(|entry| entry.until).map(rfc3339),
        "last_used": row.and_then(|row| row.last_used).map(rfc3339),
    }))
}

/// The links into the spaces of the person, oldest first; what lapsed is not there.
async fn list(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let mut list = Vec::new();
    for space in app.vault.space_ids(by.user()) {
        list.extend(records(&app, space).await?);
    }
    let now = app.now();
    list.retain(|record| lives(record, now));
    list.sort_by_key(|record| (record.created, record.grant.id));
    let mut answer = Vec::new();
    for record in &list {
        answer.push(shown(&app, record).await?);
    }
    Ok(HttpResponse::Ok().json(answer))
}

/// Removes a link: acknowledged when no further request is served by it.
async fn remove(req: HttpRequest, app: web::Data<App>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let id: GrantId = id.parse().map_err(|_| ApiError::not_found())?;
    for space in app.vault.space_ids(by.user()) {
        let found = records(&app, space).await?.into_iter().find(|record| record.grant.id == id);
        if let Some(GrantRecord { grant, .. }) = found {
            crate::grants::revoke(&**app, (grant.grantor, space, grant.holder, id), &by.act).await?;
            return Ok(HttpResponse::NoContent().finish());
        }
    }
    Err(ApiError::not_found())
}

/// The page of a link, for a browser: without scripts, and for whoever has the address.
async fn open(app: web::Data<App>, token: Path<String>) -> HttpResponse {
    match shows(&app, &token).await {
        Ok((collection, names, rows)) => {
            let more = if rows.len() > SHOWN { "<p class=\"soft\">There is more.</p>" } else { "" };
            let head: String = names.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
            let line = |row: &Value| {
                let cells: String = names.iter().map(|name| cell(&row[name])).collect();
                format!("<tr>{cells}</tr>\n")
            };
            let lines: String = rows.iter().take(SHOWN).map(line).collect();
            let table = format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table>\n{more}");
            page(StatusCode::OK, &collection, &table, None)
        }
        Err(error) => {
            // Unknown, removed and lapsed answer alike.
            let text = if error.status == StatusCode::NOT_FOUND {
                "This link leads nowhere: it was removed, or has ended."
            } else {
                "The node cannot show this now; try again."
            };
            notice(error.status, "A link", text)
        }
    }
}

/// What a link shows: the name of the collection, the fields in the order of the definition, the documents.
async fn shows(app: &App, token: &str) -> Result<(String, Vec<String>, Vec<Value>), ApiError> {
    let token = app.directory.token(token, app.now()).await?.ok_or_else(ApiError::not_found)?;
    let Kind::Link { grant } = token.kind else { return Err(ApiError::not_found()) };
    let caller: Caller = match authn::of_token(app, &token).await {
        // Its maker has no account here any more.
        Err(AuthError::Invalid) => return Err(ApiError::not_found()),
        found => found?.caller,
    };
    let space = app.grant_space(grant).await?;
    let (rows, (collection, names)) = rows(app, &caller, space, |catalogue, permits| {
        let collection = catalogue.schema.collections.iter().find(|one| permits.mask(one.id).is_some());
        let collection = collection.ok_or_else(ApiError::not_found)?;
        let mask = permits.mask(collection.id).ok_or_else(ApiError::not_found)?;
        let plain = |kind: &FieldType| matches!(kind, FieldType::Scalar { .. } | FieldType::List { .. });
        let fields = collection.fields.iter().filter(|field| plain(&field.kind) && mask.shows(field.id, Verb::Read));
        let fields: Vec<_> = fields.collect();
        let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
        let item = |field: &&Field| Item { response: field.name.clone(), kind: ItemKind::Field(field.id) };
        let select = Select {
            collection: collection.id,
            args: SelectArgs { limit: Some(SHOWN as u64 + 1), ..SelectArgs::default() },
            items: fields.iter().map(item).collect(),
        };
        Ok((select, (collection.name.clone(), names)))
    })
    .await?;
    Ok((collection, names, rows.unwrap_or_default()))
}

/// A value as a cell shows it: at most [`LONGEST`] characters of it.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return "<td></td>".to_owned(),
        Value::String(text) => text.as_str().into(),
        other => std::borrow::Cow::from(other.to_string()),
    };
    match text.char_indices().nth(LONGEST) {
        None => format!("<td>{}</td>", escape(&text)),
        Some((end, _)) => format!("<td>{}…</td>", escape(&text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_shows_so_much_of_a_value_and_no_markup() {
        assert_eq!(cell(&json!(null)), "<td></td>");
        assert_eq!(cell(&json!(7)), "<td>7</td>");
        assert_eq!(cell(&json!(["<b>"])), "<td>[&quot;&lt;b&gt;&quot;]</td>");
        let fits = "é".repeat(LONGEST);
        assert_eq!(cell(&json!(fits)), format!("<td>{fits}</td>"));
        assert_eq!(cell(&json!(format!("{fits}<"))), format!("<td>{fits}…</td>"));
        let long = json!(vec!["x"; LONGEST]);
        assert!(cell(&long).chars().count() < LONGEST * 7 && cell(&long).ends_with("…</td>"));
    }
}
