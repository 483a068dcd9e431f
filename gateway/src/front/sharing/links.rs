//! `/api/v1/links`: links that show something to whoever has them. A link is a grant whose holder is the link: it
//! reads and searches what its grant names, as far as the person who made it does.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use data_encoding::HEXLOWER;
use gateway_people::language::Language;
use gateway_people::realm::Realm as _;
use policy::facts::Resource;
use policy_core::{Caller, GrantId, Holder, SpaceId, Timestamp, UserId, Verb};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset};
use utoipa::ToSchema;
use vault::view::{Cell, Row};
use vault_core::control::{AppDescription, GrantRecord};
use vault_core::query::{Item, ItemKind, Select, SelectArgs};
use vault_core::schema::FieldType;

use super::pending::{Pending, removed};
use super::place::{ResourcePath, VisibleResource};
use super::rows::rows;
use super::{ApiError, Sharer, Turn, end_of, note};
use crate::app::App;
use crate::authn::{AuthError, Principal};
use crate::directory::{Directory, LinkRow, QuotaKind, Secret, TokenKind};
use crate::front::account::body;
use crate::front::contract::Limits;
use crate::front::contract::{LEAST_BODY, json_errors};
use crate::front::described::{Id, Instant};
use crate::front::listed::Page;
use crate::front::oauth::{escape, notice, wide_page, words};
use crate::front::refusals::{NotTheirs, RefusedByPolicy, UnknownCollection};
use crate::front::route::Routes;
use crate::grants::{Order, Terms, compile, german_month, parse_value, rfc3339, show_json};
use crate::node::Node;
use crate::rights::Change;

/// Documents that the page of a link shows at most.
const MAX_ROWS: usize = 200;
/// Fewer, where they are so large that an answer does not hold them.
const PAGE_ROWS: [usize; 4] = [MAX_ROWS, 32, 6, 1];
/// Characters of a value that it shows at most.
const MAX_VALUE_CHARACTERS: usize = 1_000;
/// Links on one space.
const MAX_LINKS_PER_SPACE: usize = 1_000;

pub(super) fn routes(routes: &mut Routes) {
    routes
        .post("/api/v1/links", add)
        .get("/api/v1/links", list)
        .delete("/api/v1/links/{id}", remove)
        .get("/l/{token}", open)
        .limited("/l/{token}", Limits::body(LEAST_BODY))
        .erring("/l/{token}", json_errors);
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(add, list, remove, open))]
pub(super) struct Api;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLink {
    /// Without it: the space that the request is about.
    #[schema(value_type = Option<Id>)]
    space: Option<String>,
    #[schema(examples("Contact"))]
    collection: String,
    /// Names of the fields that it shows.
    #[schema(value_type = Vec<String>, examples(json!(["name"])))]
    fields: Value,
    /// As in a grant.
    #[serde(rename = "where")]
    #[schema(value_type = Option<Object>)]
    rows: Option<Value>,
    /// An instant (RFC 3339), or a duration from now (ISO 8601).
    #[schema(examples("P30D"))]
    until: Option<String>,
}

/// A link.
#[derive(Debug, Serialize, ToSchema)]
struct LinkView {
    #[schema(value_type = Id)]
    link: GrantId,
    #[schema(value_type = Id)]
    space: SpaceId,
    #[schema(value_type = Option<String>)]
    collection: Value,
    #[schema(value_type = Option<Vec<String>>)]
    fields: Value,
    #[serde(rename = "where")]
    #[schema(value_type = Option<Object>)]
    rows: Value,
    #[schema(value_type = Instant)]
    created: String,
    #[schema(value_type = Option<Instant>)]
    until: Option<String>,
    #[schema(value_type = Option<Instant>)]
    last_used: Option<String>,
    /// Told when it is made and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// As `token`: the address of its page.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// Makes a link
///
/// The token is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/links", tag = "sharing", request_body = NewLink, responses(
    (status = 201, description = "It is made", body = LinkView),
    UnknownCollection,
    (status = 409, description = "`too_many_links`: remove some; or `account_elsewhere`, `grant_schema_mismatch`")))]
async fn add(req: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let new: NewLink = body::json(&req, &bytes)?;
    // A filter may let every row pass: no link is made without a password.
    by.confirmed(&app)?;
    let path =
        ResourcePath { space: new.space.as_deref(), collection: Some(&new.collection), ..ResourcePath::default() };
    // A link is opened where its maker has an account; a device that joined has none for them.
    if app.directory.user(by.user()).await?.is_none() {
        let message = "Your account is not on this node, and a link works where it is; make it there.";
        return Err(super::conflict("account_elsewhere", message));
    }
    // A space that is slow to open holds up nobody: it is open before the others' turn is taken.
    let place = VisibleResource::find(&app, &by, &req, path).await?;
    let _alone = app.turns([Turn::Space(place.space)]).await?;
    let place = VisibleResource::find(&app, &by, &req, path).await?;
    // What is recorded in a space is recorded by who manages it.
    if !app.access.may(by.user(), Resource::Space(place.space), "manage").await? {
        return Err(super::forbidden("Only who manages the space may make links into it."));
    }
    let now = app.now();
    let maker = app.directory.making(by.user()).await;
    app.directory.room_for_one(&maker, QuotaKind::Links).await?;
    if records(&app, place.space).await?.iter().filter(|record| lives(record, now)).count() >= MAX_LINKS_PER_SPACE {
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
    let change = Change::Gives(place.space, terms.id);
    app.begin_change(&change).await?;
    app.put_grant(record.clone(), by.metadata("link.created")).await?;
    let row = LinkRow { grant: terms.id, user: by.user(), space: place.space, created: now, last_used: None };
    app.directory.open_link(&secret, &row, until).await?;
    note(&app, &by, &[], "link.created", json!({ "link": terms.id, "space": place.space })).await?;
    app.end_change(&change).await?;
    let mut answer = link_view(&app, &record).await?;
    answer.token = Some(secret.text().to_owned());
    answer.url = Some(format!("{}/l/{}", app.url(), secret.text()));
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

async fn link_view(app: &App, record: &GrantRecord) -> Result<LinkView, ApiError> {
    let grant = &record.grant;
    let schema = app.schema(grant.space).await?;
    let access = show_json(grant, &schema, &Order::default(), record.created);
    let row = app.directory.link_row(grant.id).await?;
    Ok(LinkView {
        link: grant.id,
        space: grant.space,
        collection: access[0]["datatypes"][0].clone(),
        fields: access[0]["fields"]["allow"].clone(),
        rows: access[0]["where"].clone(),
        created: rfc3339(record.created),
        until: grant.entries.iter().find_map(|entry| entry.until).map(rfc3339),
        last_used: row.and_then(|row| row.last_used).map(rfc3339),
        token: None,
        url: None,
    })
}

/// The links into the spaces of the person, oldest first; what lapsed is not there
#[utoipa::path(get, path = "/api/v1/links", tag = "sharing", params(Page), responses(
    (status = 200, description = "All of them", body = Vec<LinkView>)))]
async fn list(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    Page::answer(&req, &listed(&app, by.user()).await?, |one| one.link.to_string())
}

/// The links into the spaces of a person, without what opens them.
pub(crate) async fn all(app: &App, user: UserId) -> Result<Vec<impl Serialize + use<>>, ApiError> {
    listed(app, user).await
}

async fn listed(app: &App, user: UserId) -> Result<Vec<LinkView>, ApiError> {
    let mut list = Vec::new();
    for space in app.vault.space_ids(user) {
        list.extend(records(app, space).await?);
    }
    let now = app.now();
    list.retain(|record| lives(record, now));
    list.sort_by_key(|record| (record.created, record.grant.id));
    let mut answer = Vec::new();
    for record in &list {
        answer.push(link_view(app, record).await?);
    }
    Ok(answer)
}

/// Removes a link
///
/// Acknowledged when no further request is served by it.
#[utoipa::path(delete, path = "/api/v1/links/{id}", tag = "sharing", params(("id" = Id, Path, description = "Its id")), responses(
    (status = 204, description = "It is removed"),
    (status = 202, description = "It is removed here, and policy elsewhere is being told", body = Pending),
    NotTheirs,
    RefusedByPolicy))]
async fn remove(req: HttpRequest, app: web::Data<App>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let by = Sharer::of(&req, &app).await?;
    let id: GrantId = id.parse().map_err(|_| ApiError::not_found())?;
    for space in app.vault.space_ids(by.user()) {
        let found = records(&app, space).await?.into_iter().find(|record| record.grant.id == id);
        if let Some(GrantRecord { grant, .. }) = found {
            let of = (grant.grantor, space, grant.holder, id);
            let delivery = crate::grants::revoke(&**app, of, &by.act).await?;
            return Ok(removed(&delivery));
        }
    }
    Err(ApiError::not_found())
}

/// The page of a link, for a browser: without scripts, and for whoever has the address
#[utoipa::path(get, path = "/l/{token}", tag = "pages", security(()),
    params(("token" = String, Path, description = "The secret of the link")), responses(
    (status = 200, description = "A page", body = String, content_type = "text/html; charset=utf-8"),
    (status = 404, description = "It leads nowhere", body = String, content_type = "text/html; charset=utf-8"),
    (status = 503, description = "Not now", body = String, content_type = "text/html; charset=utf-8"),
    (status = 507, description = "A document is too large to show", body = String,
        content_type = "text/html; charset=utf-8")))]
async fn open(app: web::Data<App>, token: Path<String>) -> HttpResponse {
    match shows(&app, &token).await {
        Ok(shown) => wide_page(StatusCode::OK, &shown.collection, &table(&shown)),
        Err(error) => {
            // Unknown, removed and lapsed answer alike.
            let words = words();
            let text = match error.status {
                StatusCode::NOT_FOUND => words.link_leads_nowhere(),
                _ => words.link_not_now(),
            };
            notice(error.status, words.a_link(), text)
        }
    }
}

/// How the values of a column are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Value,
    /// The id of another document.
    Relation,
}

/// What the page of a link shows.
struct LinkPage {
    collection: String,
    /// The fields in the order of the definition.
    columns: Vec<(String, Shows)>,
    /// Fields that are granted and cannot be shown: they lead to documents that the link does not reach.
    left_out: Vec<String>,
    rows: Vec<Row>,
    /// How many rows are shown.
    most: usize,
}

fn table(shown: &LinkPage) -> String {
    let words = words();
    let head = |(name, _): &(String, Shows)| format!("<th scope=\"col\">{}</th>", escape(name));
    let head: String = shown.columns.iter().map(head).collect();
    let line = |row: &Row| {
        let cells: String = row.iter().map(|(_, value)| cell(value)).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let lines: String = shown.rows.iter().take(shown.most).map(line).collect();
    let mut html = format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{}\" tabindex=\"0\">\n\
         <table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table>\n</div>\n",
        escape(&shown.collection),
    );
    if shown.rows.len() > shown.most {
        html.push_str(&format!("<p class=\"soft\">{}</p>\n", words.there_is_more()));
    }
    if shown.columns.iter().any(|(_, shows)| *shows == Shows::Relation) {
        html.push_str(&format!("<p class=\"soft\">{}</p>\n", words.related_by_id()));
    }
    for name in &shown.left_out {
        let text = words.leads_to_others();
        html.push_str(&format!("<p class=\"soft\"><strong>{}</strong> {text}</p>\n", escape(name)));
    }
    html
}

/// What a link shows.
async fn shows(app: &App, token: &str) -> Result<LinkPage, ApiError> {
    for most in PAGE_ROWS {
        match shows_at_most(app, token, most).await {
            Err(error) if error.code() == "limit_bytes" => {}
            shown => return shown,
        }
    }
    Err(ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "limit_bytes", "A document of this link is too large to show."))
}

async fn shows_at_most(app: &App, token: &str, most: usize) -> Result<LinkPage, ApiError> {
    let token = app.directory.token(token, app.now()).await?.ok_or_else(ApiError::not_found)?;
    let TokenKind::Link { grant } = token.kind else { return Err(ApiError::not_found()) };
    let caller: Caller = match Principal::of_token(&app.directory, &token, app.now()).await {
        // Its maker has no account here any more.
        Err(AuthError::Invalid) => return Err(ApiError::not_found()),
        found => found?.caller,
    };
    let space = app.access.grant_space(grant).await?;
    let (rows, shown) = rows(app, &caller, space, |catalogue, permits| {
        let collection = catalogue.schema.collections.iter().find(|one| permits.mask(one.id).is_some());
        let collection = collection.ok_or_else(ApiError::not_found)?;
        let mask = permits.mask(collection.id).ok_or_else(ApiError::not_found)?;
        let (mut columns, mut items, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for field in collection.fields.iter().filter(|field| mask.shows(field.id, Verb::Read)) {
            let (shows, kind) = match field.kind {
                FieldType::Scalar { .. } | FieldType::List { .. } => (Shows::Value, ItemKind::Field(field.id)),
                // An id shows only to who sees the collection that it is of.
                FieldType::ToOne { target, .. } if permits.mask(target).is_some() => {
                    (Shows::Relation, ItemKind::RelationId(field.id))
                }
                FieldType::ToOne { .. } | FieldType::Inverse { .. } => {
                    left_out.push(field.name.clone());
                    continue;
                }
            };
            items.push(Item { key: field.name.clone(), kind });
            columns.push((field.name.clone(), shows));
        }
        let select = Select {
            collection: collection.id,
            args: SelectArgs { limit: Some(most as u64 + 1), ..SelectArgs::default() },
            items,
        };
        Ok((select, LinkPage { collection: collection.name.clone(), columns, left_out, rows: Vec::new(), most }))
    })
    .await?;
    Ok(LinkPage { rows: rows.unwrap_or_default(), ..shown })
}

/// A value as a cell shows it: at most [`MAX_VALUE_CHARACTERS`] characters of it.
fn cell(value: &Cell) -> String {
    let text = match value {
        Cell::Null => return "<td></td>".to_owned(),
        Cell::Text(text) => Cow::from(text),
        Cell::Bytes(bytes) => HEXLOWER.encode(bytes).into(),
        Cell::Document(id) => return format!("<td><code>{id}</code></td>"),
        Cell::Instant(at) => {
            let text = rfc3339(*at);
            let shown = match OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000) {
                Ok(at) => instant(at),
                Err(_) => text.clone(),
            };
            return format!("<td><time datetime=\"{}\">{}</time></td>", escape(&text), escape(&shown));
        }
        // A text in JSON reads as a text.
        Cell::Json(json) => serde_json::from_str::<String>(json).unwrap_or_else(|_| json.clone()).into(),
        other => other.to_json().into(),
    };
    match text.char_indices().nth(MAX_VALUE_CHARACTERS) {
        None => format!("<td>{}</td>", escape(&text)),
        Some((end, _)) => format!("<td>{}…</td>", escape(&text[..end])),
    }
}

/// An instant for a reader, in UTC: `28 Nov 2026, 14:35 UTC`, `28. November 2026, 14:35 UTC`.
fn instant(at: OffsetDateTime) -> String {
    let at = at.checked_to_offset(UtcOffset::UTC).unwrap_or(at);
    let seconds = if at.second() == 0 { String::new() } else { format!(":{:02}", at.second()) };
    let clock = format!("{}, {:02}:{:02}{seconds} UTC", at.year(), at.hour(), at.minute());
    match words().0 {
        Language::English => format!("{} {} {clock}", at.day(), at.month().to_string().get(..3).unwrap_or_default()),
        Language::German => format!("{}. {} {clock}", at.day(), german_month(at.month())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(of: &str) -> Cell {
        Cell::Text(of.to_owned())
    }

    #[test]
    fn a_cell_shows_so_much_of_a_value_and_no_markup() {
        assert_eq!(cell(&Cell::Null), "<td></td>");
        assert_eq!(cell(&Cell::Int(7)), "<td>7</td>");
        assert_eq!(cell(&Cell::Bytes(vec![0, 255])), "<td>00ff</td>");
        assert_eq!(cell(&Cell::List(vec![text("<b>")])), "<td>[&quot;&lt;b&gt;&quot;]</td>");
        assert_eq!(cell(&Cell::Json("{\"a\":\"<\"}".into())), "<td>{&quot;a&quot;:&quot;&lt;&quot;}</td>");
        assert_eq!(cell(&Cell::Json("\"<\"".into())), "<td>&lt;</td>");
        let fits = "é".repeat(MAX_VALUE_CHARACTERS);
        assert_eq!(cell(&text(&fits)), format!("<td>{fits}</td>"));
        assert_eq!(cell(&text(&format!("{fits}<"))), format!("<td>{fits}…</td>"));
        let long = Cell::List(vec![text("x"); MAX_VALUE_CHARACTERS]);
        assert!(cell(&long).chars().count() < MAX_VALUE_CHARACTERS * 7 && cell(&long).ends_with("…</td>"));
    }

    #[test]
    fn a_table_tells_instants_to_readers_relations_by_id_and_what_it_leaves_out() {
        let at = |micros: i64| cell(&Cell::Instant(Timestamp(micros)));
        assert_eq!(
            at(1_795_876_500_000_000),
            "<td><time datetime=\"2026-11-28T14:35:00Z\">28 Nov 2026, 14:35 UTC</time></td>"
        );
        assert!(at(-7_192_999_999).ends_with(">31 Dec 1969, 22:00:07 UTC</time></td>"));
        let id = policy_core::DocId::from_bytes([7; 16]);
        let row = |title: &str, author: Cell| vec![("title".into(), text(title)), ("author".into(), author)];
        let shown = LinkPage {
            collection: "Book<".into(),
            columns: vec![("title".into(), Shows::Value), ("author".into(), Shows::Relation)],
            left_out: vec!["loans".into()],
            most: MAX_ROWS,
            rows: vec![row("Emma", Cell::Document(id)), row("Anon", Cell::Null)],
        };
        let html = table(&shown);
        let first = format!("<tr><td>Emma</td><td><code>{id}</code></td></tr>");
        for part in [
            first.as_str(),
            "<tr><td>Anon</td><td></td></tr>",
            "are told by their ids",
            "<strong>loans</strong> leads to other documents",
            "aria-label=\"Book&lt;\"",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("There is more"));
    }
}
