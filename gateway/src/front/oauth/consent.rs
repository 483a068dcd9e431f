//! The consent page: what the app would get, in sentences made from the grant that would be enforced,
//! and what the person may take away from it.

use std::fmt::Write;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use policy_core::{Grant, Holder, SpaceId, Timestamp};
use serde_json::Value;
use vault_core::schema::{FieldType, ScalarType, Schema};

use super::authorize::{Wish, back, failed};
use super::form::{Fields, stale};
use super::page::{alert, escape, hidden, notice, page};
use super::sign_in::{self, Signed};
use crate::directory::{Actor, Directory, NewCode};
use crate::front::error::ApiError;
use crate::grants::{
    Access, AccessError, Asked, GrantRequest, IssueError, Operator, Order, Span, Terms, compile, date, issue,
    sentences, space_of,
};
use crate::node::{Node, NodeError};

const STEP: &str = "consent";
/// What the duration offers besides what the app asks for; days.
const OFFERED: [(u32, &str); 4] = [(1, "for a day"), (30, "for 30 days"), (180, "for 180 days"), (365, "for a year")];
/// Chosen where the app leaves it open.
const USUAL: u32 = 30;
/// The value of the option `until I revoke it`.
const FOREVER: &str = "none";

/// The operators that a row filter offers, with their words.
const FILTERS: [(Operator, &str); 6] = [
    (Operator::Eq, "is"),
    (Operator::Neq, "is not"),
    (Operator::Gt, "is more than"),
    (Operator::Geq, "is at least"),
    (Operator::Lt, "is less than"),
    (Operator::Leq, "is at most"),
];

/// The grant as it would be, for the page.
struct Preview {
    space: SpaceId,
    space_name: String,
    grant: Grant,
    schema: std::sync::Arc<Schema>,
}

async fn preview(node: &dyn Node, wish: &Wish, signed: &Signed) -> Result<Preview, IssueError> {
    let space = space_of(node, signed.user.id, &wish.access).await?;
    let spaces = node.spaces(signed.user.id).await?;
    let named = spaces.into_iter().find(|own| own.id == space).ok_or(NodeError::NotFound)?;
    let space_name =
        if named.personal { "your personal space".to_owned() } else { format!("your space “{}”", named.name) };
    let schema = node.schema(space).await?;
    let terms = Terms {
        id: Directory::new_grant_id(),
        grantor: signed.user.id,
        holder: Holder::Client(wish.app.client),
        space,
        now: node.now(),
    };
    let grant = compile(&limited(&wish.access, &initial(&wish.access), node.now()), terms, &schema)?;
    Ok(Preview { space, space_name, grant, schema })
}

/// What a person chose, and why it cannot be done so.
pub(super) struct Wrong<'a> {
    text: &'a str,
    /// The form as it was sent: what was ticked, filled in and selected stays so.
    sent: &'a Fields,
}

/// The page.
pub(super) async fn show(node: &dyn Node, wish: &Wish, signed: &Signed, wrong: Option<Wrong<'_>>) -> HttpResponse {
    let preview = match preview(node, wish, signed).await {
        Ok(preview) => preview,
        Err(IssueError::Access(error @ AccessError::Schema(_))) => {
            let text = format!("{} asks for something that is not here. {error}", wish.app.manifest.name);
            return notice(StatusCode::CONFLICT, "Nothing to share", &text);
        }
        Err(IssueError::Node(NodeError::NotFound)) => {
            return notice(StatusCode::NOT_FOUND, "Nothing to share", "The app asks for a space that you do not have.");
        }
        Err(error) => return failed(&error.into()),
    };
    let html = body(node, wish, signed, &preview, wrong.as_ref());
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    page(status, &format!("{} asks for access", wish.app.manifest.name), &html, Some(&wish.redirect_uri))
}

fn body(node: &dyn Node, wish: &Wish, signed: &Signed, preview: &Preview, wrong: Option<&Wrong<'_>>) -> String {
    let sent = wrong.map(|wrong| wrong.sent);
    let manifest = &wish.app.manifest;
    let order = Order::of(&wish.access, &preview.grant, &preview.schema);
    let mut html = alert(wrong.map(|wrong| wrong.text));
    let place = url::Url::parse(&wish.redirect_uri).ok();
    let place = place.and_then(|uri| uri.host_str().map(str::to_owned)).unwrap_or_else(|| "this device".to_owned());
    let _ = write!(
        html,
        "<p>You are signed in as <strong>{}</strong>. The app is answered at <strong>{}</strong>; \
         it names itself, and nobody has reviewed it. It asks for data in {}.</p>\n\
         <form method=\"post\" action=\"/oauth/authorize\">\n{}{}{}",
        escape(&signed.user.name),
        escape(&place),
        escape(&preview.space_name),
        hidden("step", STEP),
        hidden("request", &wish.raw),
        signed.fields(node, wish),
    );
    for (at, (access, entry)) in wish.access.iter().zip(&preview.grant.entries).enumerate() {
        let alone = Grant { entries: vec![entry.clone()], ..preview.grant.clone() };
        let _ = write!(html, "<fieldset>\n<legend>{}</legend>\n", escape(&access.datatypes.join(", ")));
        for sentence in sentences(&alone, &preview.schema, &order) {
            let _ = writeln!(html, "<p>{}</p>", escape(&sentence));
        }
        if let Some(purpose) = &entry.purpose {
            let _ = writeln!(html, "<p class=\"soft\">The app says why: “{}”</p>", escape(purpose));
        }
        for name in &access.allow {
            let required = access.required.contains(name);
            let shown = escape(name);
            let ticked = sent.is_none_or(|sent| sent.all(&format!("field-{at}")).any(|one| one == name));
            let ticked = if ticked { " checked" } else { "" };
            // A box that cannot be unticked sends nothing by itself: the hidden field does.
            let _ = match required {
                true => write!(
                    html,
                    "<label class=\"tick\"><input type=\"checkbox\" checked disabled> {shown} <span class=\"soft\">(the app needs it)</span></label>\n{}",
                    hidden(&format!("field-{at}"), name)
                ),
                false => writeln!(
                    html,
                    "<label class=\"tick\"><input type=\"checkbox\" name=\"field-{at}\" value=\"{shown}\"{ticked}> {shown}</label>"
                ),
            };
        }
        row_filter(&mut html, at, sent);
        html.push_str("</fieldset>\n");
    }
    durations(&mut html, &wish.access, node.now(), sent);
    let _ = write!(
        html,
        "<div class=\"choice\">\n<button type=\"submit\" name=\"decision\" value=\"deny\" class=\"plain\">Deny</button>\n\
         <button type=\"submit\" name=\"decision\" value=\"allow\">Allow</button>\n</div>\n\
         <p class=\"soft\">You can take this back at any time; it then ends with the app's next request.</p>\n\
         <p>Not you? <button type=\"submit\" name=\"decision\" value=\"switch\" class=\"link\">Sign in as someone else</button></p>\n\
         </form>\n<p class=\"soft\">{} · {}</p>",
        escape(&manifest.name),
        escape(manifest.client_uri.as_deref().unwrap_or("no web page named")),
    );
    html
}

fn row_filter(html: &mut String, at: usize, sent: Option<&Fields>) {
    let kept = |part: &str| sent.and_then(|sent| sent.get(&format!("where-{part}-{at}"))).unwrap_or_default();
    let (field, test, value) = (kept("field"), kept("test"), kept("value"));
    let open = if field.is_empty() && value.is_empty() { "" } else { " open" };
    let _ = write!(
        html,
        "<details{open}>\n<summary>Only some of them</summary>\n<div class=\"row\">\n\
         <span><label for=\"where-field-{at}\">Field</label><input id=\"where-field-{at}\" name=\"where-field-{at}\" type=\"text\" value=\"{}\" autocapitalize=\"none\"></span>\n\
         <span><label for=\"where-test-{at}\">Test</label><select id=\"where-test-{at}\" name=\"where-test-{at}\">",
        escape(field),
    );
    for (operator, words) in FILTERS {
        let selected = if operator.word() == test { " selected" } else { "" };
        let _ = write!(html, "<option value=\"{}\"{selected}>{words}</option>", operator.word());
    }
    let _ = write!(
        html,
        "</select></span>\n<span><label for=\"where-value-{at}\">Value</label>\
         <input id=\"where-value-{at}\" name=\"where-value-{at}\" type=\"text\" value=\"{}\"></span>\n</div>\n</details>\n",
        escape(value),
    );
}

fn durations(html: &mut String, access: &[Access], now: Timestamp, sent: Option<&Fields>) {
    html.push_str("<label for=\"duration\">How long?</label>\n<select id=\"duration\" name=\"duration\">\n");
    let initial = initial(access);
    let offered = offered(access, now);
    let kept = sent.and_then(|sent| sent.get("duration")).filter(|kept| offered.iter().any(|(value, _)| value == kept));
    let chosen = kept.unwrap_or(&initial);
    for (value, words) in &offered {
        let selected = if value == chosen { " selected" } else { "" };
        let _ = writeln!(html, "<option value=\"{}\"{selected}>{}</option>", escape(value), escape(words));
    }
    html.push_str("</select>\n");
    if let Some(most) = longest(access) {
        // Beside the choice: a long option would be cut on a small screen.
        let _ = writeln!(html, "<p class=\"soft\">The app asks for it until {}.</p>", date(most.after(now)));
    }
}

/// The longest that any entry asks for; `None`: one asks for no end.
fn longest(access: &[Access]) -> Option<Span> {
    let start = Timestamp(0);
    let spans = access.iter().map(|one| one.duration).collect::<Option<Vec<_>>>()?;
    spans.into_iter().max_by_key(|span| span.after(start))
}

/// The values and words of the duration, shortest first.
fn offered(access: &[Access], now: Timestamp) -> Vec<(String, String)> {
    let most = longest(access);
    let days = OFFERED.into_iter().filter_map(|(days, words)| Span::days(days).map(|span| (span, words)));
    let shorter = days.filter(|(span, _)| most.is_none_or(|most| span.after(now) < most.after(now)));
    let mut out: Vec<_> = shorter.map(|(span, words)| (span.to_string(), words.to_owned())).collect();
    out.push(match most {
        Some(most) => (most.to_string(), "as the app asks".to_owned()),
        None => (FOREVER.to_owned(), "until I revoke it".to_owned()),
    });
    out
}

fn initial(access: &[Access]) -> String {
    longest(access).or_else(|| Span::days(USUAL)).map(|span| span.to_string()).unwrap_or_default()
}

/// The entries, none of which lasts longer than `value` says.
fn limited(access: &[Access], value: &str, now: Timestamp) -> Vec<Access> {
    let limit: Option<Span> = value.parse().ok();
    let narrow = |one: &Access| {
        let duration = match (one.duration, limit) {
            (Some(asked), Some(limit)) if limit.after(now) < asked.after(now) => Some(limit),
            (asked, limit) => asked.or(limit),
        };
        Access { duration, ..one.clone() }
    };
    access.iter().map(narrow).collect()
}

/// What the person left of what was asked.
fn chosen(wish: &Wish, fields: &Fields, schema: &Schema, now: Timestamp) -> Result<Vec<Access>, String> {
    let duration = fields.get("duration").unwrap_or_default();
    if !offered(&wish.access, now).iter().any(|(value, _)| value == duration) {
        return Err("Choose how long the access lasts.".to_owned());
    }
    let mut out = Vec::new();
    for (at, access) in limited(&wish.access, duration, now).into_iter().enumerate() {
        let name = format!("field-{at}");
        let ticked: Vec<&str> = fields.all(&name).collect();
        let allow: Vec<String> = access.allow.iter().filter(|name| ticked.contains(&name.as_str())).cloned().collect();
        if let Some(missing) = access.required.iter().find(|name| !allow.contains(name)) {
            return Err(format!("The app needs `{missing}`. If it is not to have it, deny."));
        }
        if allow.is_empty() {
            continue;
        }
        let mut conditions = access.conditions.clone();
        conditions.extend(row_condition(fields, at, &access, schema)?);
        out.push(Access { allow, conditions, ..access });
    }
    if out.is_empty() {
        return Err("Nothing is ticked. Tick what the app may have, or deny.".to_owned());
    }
    Ok(out)
}

fn row_condition(fields: &Fields, at: usize, access: &Access, schema: &Schema) -> Result<Option<Asked>, String> {
    let field = fields.get(&format!("where-field-{at}")).map(str::trim).unwrap_or_default();
    if field.is_empty() {
        return Ok(None);
    }
    let test = fields.get(&format!("where-test-{at}")).and_then(Operator::of_word);
    let operator = test.filter(|operator| FILTERS.iter().any(|(known, _)| known == operator));
    let operator = operator.ok_or_else(|| "Choose how the field is compared.".to_owned())?;
    let text = fields.get(&format!("where-value-{at}")).unwrap_or_default();
    let collection = access.datatypes.first().and_then(|name| schema.collection_named(name));
    let kind = collection.and_then(|collection| collection.field_named(field)).map(|field| &field.kind);
    let value = match kind {
        Some(FieldType::Scalar {
            of: ScalarType::Int | ScalarType::Float64 | ScalarType::Float32 | ScalarType::Boolean,
            ..
        }) => serde_json::from_str::<Value>(text.trim())
            .map_err(|_| format!("“{text}” does not fit the field `{field}`."))?,
        _ => Value::String(text.to_owned()),
    };
    Ok(Some(Asked { field: field.to_owned(), operator, value }))
}

/// The decision.
pub(super) async fn submit(node: &dyn Node, wish: &Wish, signed: &Signed, fields: &Fields) -> HttpResponse {
    let state = wish.state.as_deref();
    match fields.get("decision") {
        Some("allow") => match allow(node, wish, signed, fields).await {
            Ok(Ok(code)) => back(node, &wish.redirect_uri, state, &[("code", &code)]),
            Ok(Err(text)) => show(node, wish, signed, Some(Wrong { text: &text, sent: fields })).await,
            Err(error) => failed(&error),
        },
        Some("deny") => {
            let denied = [("error", "access_denied"), ("error_description", "The person denied the access.")];
            back(node, &wish.redirect_uri, state, &denied)
        }
        Some("switch") => sign_in::show(wish, None, sign_in::Asks::Password, None),
        _ => stale(),
    }
}

/// Gives what was chosen; the code, or what is to be chosen otherwise.
async fn allow(
    node: &dyn Node,
    wish: &Wish,
    signed: &Signed,
    fields: &Fields,
) -> Result<Result<String, String>, ApiError> {
    let preview = preview(node, wish, signed).await?;
    let mut access = match chosen(wish, fields, &preview.schema, node.now()) {
        Ok(access) => access,
        Err(wrong) => return Ok(Err(wrong)),
    };
    // The space that was shown is the one that is given, whatever becomes personal meanwhile.
    access.iter_mut().for_each(|one| one.space = Some(preview.space));
    let actor = Actor::Person(signed.user.id);
    let request = GrantRequest { grantor: signed.user.id, app: &wish.app, access: &access, actor };
    let issued = match issue(node, request).await {
        Ok(issued) => issued,
        Err(IssueError::Access(error)) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let code = NewCode {
        user: signed.user.id,
        client: wish.app.client,
        grant: issued.row.id,
        redirect_uri: wish.redirect_uri.clone(),
        challenge: wish.challenge.clone(),
    };
    Ok(Ok(node.directory().issue_code(code, node.now()).await?.text().to_owned()))
}
