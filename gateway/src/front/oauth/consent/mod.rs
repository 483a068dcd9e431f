//! The consent page: what the app would get, in sentences made from the grant that would be enforced,
//! and what the person may take away from it.

mod choices;
mod entry;
mod preview;
#[cfg(test)]
mod tests;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use policy_core::{Grant, Holder, SpaceId, Timestamp};
use std::fmt::Write;
use std::sync::Arc;
use vault_core::schema::Schema;

use self::choices::Slip;
use self::entry::EntryForm;
use self::preview::PreviewPane;
use super::authorize::{Wish, failed};
use super::form::{Fields, is_tag, stale, tag};
use super::openid;
use super::page::{alert, escape, hidden, notice, quoted, scripted_page};
use super::sign_in::{self, Signed};
use super::words::{Words, words};
use crate::directory::{Actor, Directory, NewCode};
use crate::front::error::ApiError;
use crate::grants::{
    Access, AccessError, GrantRequest, HeldBy, IssueError, Order, Terms, compile, issue, marked, sentences, space_of,
};
use crate::node::{Node, NodeError};

const STEP: &str = "consent";
/// The field that proves which choices the page showed in words.
const SHOWN: &str = "shown";
/// The address of the script that looks again whenever something is chosen.
pub(super) const SCRIPT: &str = "/oauth/consent.js";

/// `GET /oauth/consent.js`.
pub(super) async fn script() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/javascript; charset=utf-8"))
        .body(include_str!("../consent.js"))
}

/// Where what is asked for lies.
struct AskedSpace {
    space: SpaceId,
    /// What it is called, unless it is the person's own.
    name: Option<String>,
    schema: Arc<Schema>,
    terms: Terms,
}

impl AskedSpace {
    async fn of(node: &dyn Node, wish: &Wish, signed: &Signed) -> Result<AskedSpace, IssueError> {
        let space = space_of(node, signed.user.id, &wish.access).await?;
        let spaces = node.spaces(signed.user.id).await?;
        let found = spaces.into_iter().find(|own| own.id == space).ok_or(NodeError::NotFound)?;
        let terms = Terms {
            id: Directory::new_grant_id(),
            grantor: signed.user.id,
            holder: Holder::Client(wish.app.client),
            space,
            now: node.now(),
        };
        let place = AskedSpace {
            space,
            name: (!found.personal).then_some(found.name),
            schema: node.schema(space).await?,
            terms,
        };
        // What cannot be asked for is told before anything is chosen.
        compile(&wish.access, place.terms, &place.schema)?;
        Ok(place)
    }

    fn grant(&self, access: &[Access]) -> Result<(Grant, Order), AccessError> {
        let grant = compile(access, self.terms, &self.schema)?;
        let order = Order::of(access, &grant, &self.schema);
        Ok((grant, order))
    }
}

/// What is left of each entry, or why that cannot be told.
type Chosen = Vec<Result<Option<Access>, Slip>>;

fn chosen(wish: &Wish, sent: &Fields, schema: &Schema, now: Timestamp) -> Chosen {
    let all = wish.access.len();
    wish.access
        .iter()
        .enumerate()
        .map(|(at, asked)| choices::of((at, all), asked, sent, schema, (now, words().0)))
        .collect()
}

/// What the page shows of these choices, as what proves it names it: for whom, for which request, and what. `None` if
/// something of it cannot be chosen so.
struct Proof {
    binding: Vec<u8>,
    text: String,
}

impl Proof {
    fn of(wish: &Wish, signed: &Signed, place: &AskedSpace, chosen: &Chosen, sent: &Fields) -> Option<Proof> {
        let left: Vec<Option<Access>> = chosen.iter().cloned().collect::<Result<_, _>>().ok()?;
        place.grant(&left.iter().flatten().cloned().collect::<Vec<_>>()).ok()?;
        let binding = [signed.user.id.as_bytes().as_slice(), wish.raw.as_bytes()].concat();
        Some(Proof { binding, text: choices::text(place.space, &left, sent) })
    }

    fn field(&self, node: &dyn Node) -> String {
        hidden(SHOWN, &tag(node, SHOWN, &self.binding, &self.text))
    }

    fn is_in(&self, node: &dyn Node, fields: &Fields) -> bool {
        is_tag(node, SHOWN, &self.binding, &self.text, fields.get(SHOWN))
    }
}

/// What a person is told, and at which control they go on.
struct Wrong {
    text: String,
    control: Option<String>,
    /// Nothing is wrong: they look once more.
    looks: bool,
}

impl From<&Slip> for Wrong {
    fn from(slip: &Slip) -> Wrong {
        Wrong { text: slip.text(words()), control: Some(slip.control.clone()), looks: false }
    }
}

fn plainly(text: impl Into<String>) -> Wrong {
    Wrong { text: text.into(), control: None, looks: false }
}

/// The types of which entries are, in words.
fn kinds(access: &[Access]) -> String {
    access.iter().flat_map(|one| one.datatypes.clone()).collect::<Vec<_>>().join(", ")
}

/// Why what was asked, or chosen, is not granted, in the page's language.
fn refusal_words(error: &AccessError, kinds: &str) -> String {
    match (words(), error) {
        (Words(gateway_people::language::Language::English), AccessError::Malformed(text)) => text.clone(),
        (words, AccessError::Contradiction(_)) => words.contradiction(kinds),
        (words, _) => words.definitions_moved().to_owned(),
    }
}

/// The page as it is first.
pub(super) async fn show(node: &dyn Node, wish: &Wish, signed: &Signed) -> HttpResponse {
    consent_page(node, wish, signed, None, None).await
}

/// The page: what was ticked, filled in and selected stays so.
async fn consent_page(
    node: &dyn Node,
    wish: &Wish,
    signed: &Signed,
    sent: Option<&Fields>,
    wrong: Option<Wrong>,
) -> HttpResponse {
    let words = words();
    let app = &wish.app.manifest.name;
    if wish.access.is_empty() {
        return openid::consent::show(node, wish, signed, sent);
    }
    let place = match AskedSpace::of(node, wish, signed).await {
        Ok(place) => place,
        Err(IssueError::Access(AccessError::Schema(text))) => {
            let mut said = words.asks_for_missing(app);
            if let Words(gateway_people::language::Language::English) = words {
                said = format!("{said} {text}");
            }
            return notice(StatusCode::CONFLICT, words.nothing_to_share(), &said);
        }
        Err(IssueError::Access(AccessError::Contradiction(_))) => {
            let said = words.contradiction(kinds(&wish.access));
            return notice(StatusCode::CONFLICT, words.nothing_to_share(), &said);
        }
        Err(IssueError::Node(NodeError::NotFound)) => {
            return notice(StatusCode::NOT_FOUND, words.nothing_to_share(), words.asks_for_foreign_space());
        }
        Err(error) => return failed(&error.into()),
    };
    let first = choices::initial(&wish.access);
    let sent = Form { fields: sent.unwrap_or(&first), is_first: sent.is_none() };
    let status =
        if wrong.as_ref().is_some_and(|wrong| !wrong.looks) { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let html = body(node, wish, signed, &place, &sent, wrong).await;
    scripted_page(status, &words.asks_for_access(app), &html, Some(&wish.redirect_uri), SCRIPT)
}

/// The form as it was sent, or as it is first.
struct Form<'a> {
    fields: &'a Fields,
    is_first: bool,
}

async fn body(
    node: &dyn Node,
    wish: &Wish,
    signed: &Signed,
    place: &AskedSpace,
    form: &Form<'_>,
    wrong: Option<Wrong>,
) -> String {
    let words = words();
    let (sent, now) = (form.fields, place.terms.now);
    let chosen = chosen(wish, sent, &place.schema, now);
    let seen = preview(node, place, &chosen).await;
    let strong = |text: &str| format!("<strong>{}</strong>", escape(text));
    let within = place
        .name
        .as_ref()
        .map_or_else(|| words.your_personal_space().to_owned(), |name| words.your_space(marked(name)));
    let mut html = alert(wrong.as_ref().map(|wrong| wrong.text.as_str()));
    // What Enter does in a field: it looks, and decides nothing.
    let _ = write!(
        html,
        "<p>{} {}</p>\n<form id=\"page\" method=\"post\" action=\"/oauth/authorize\" autocomplete=\"off\" novalidate>\n\
         <button type=\"submit\" name=\"decision\" value=\"look\" class=\"unseen\" tabindex=\"-1\" aria-hidden=\"true\"></button>\n\
         <div id=\"chosen\" data-live>{}</div>\n{}{}{}{}",
        words.who_asks(strong(&signed.user.name), strong(&wish.place())),
        words.asks_for_data_in(quoted(&within, words.0)),
        Proof::of(wish, signed, place, &chosen, sent).map(|proof| proof.field(node)).unwrap_or_default(),
        hidden("step", STEP),
        hidden("request", &wish.raw),
        signed.fields(node, wish),
        wish.warning(),
    );
    if let Some(asked) = &wish.openid {
        html.push_str(&openid::consent::asked_identity(asked, signed, (!form.is_first).then_some(sent)));
    }
    for (at, (asked, left)) in wish.access.iter().zip(&chosen).enumerate() {
        let sentences = match left {
            Ok(Some(access)) => match place.grant(std::slice::from_ref(access)) {
                Ok((grant, order)) => sentences(&grant, &place.schema, &order, words.0),
                Err(error) => vec![refusal_words(&error, &asked.datatypes.join(", "))],
            },
            Ok(None) => vec![words.nothing_of_this().to_owned()],
            Err(slip) => vec![slip.text(words)],
        };
        let form = EntryForm {
            at: (at, wish.access.len()),
            asked,
            sentences: &sentences,
            sent,
            schema: &place.schema,
            wrong: wrong.as_ref().and_then(|wrong| wrong.control.as_deref()),
            now,
            words,
        };
        html.push_str(&form.html());
    }
    let _ = write!(
        html,
        "<section aria-labelledby=\"seen-title\">\n<h2 id=\"seen-title\">{}</h2>\n<div id=\"seen\" data-live aria-live=\"polite\">\n{}</div>\n\
         <p class=\"alert\" id=\"late\" role=\"status\" hidden>{}</p>\n\
         <p><button type=\"submit\" id=\"look\" name=\"decision\" value=\"look\" class=\"plain\">{}</button></p>\n</section>\n\
         <div class=\"choice\">\n<button type=\"submit\" name=\"decision\" value=\"deny\" class=\"plain\">{}</button>\n\
         <button type=\"submit\" name=\"decision\" value=\"allow\">{}</button>\n</div>\n\
         <p class=\"soft\">{}</p>\n\
         <p>{} <button type=\"submit\" name=\"decision\" value=\"switch\" class=\"link\">{}</button></p>\n\
         </form>\n<p class=\"soft\">{} · {}</p>",
        words.what_it_would_see(),
        seen.html(words),
        words.seen_too_old(),
        words.show_what(),
        words.deny(),
        words.allow(),
        words.take_back(),
        words.not_you(),
        words.sign_in_as_other(),
        escape(&wish.app.manifest.name),
        escape(wish.app.manifest.client_uri.as_deref().unwrap_or(words.no_page_named())),
    );
    html
}

/// What the app would see first, were it granted what is chosen. Nobody but the person who signed in looks, at what they
/// see themselves.
async fn preview(node: &dyn Node, place: &AskedSpace, chosen: &Chosen) -> PreviewPane {
    let Ok(left) = chosen.iter().cloned().collect::<Result<Vec<_>, _>>() else { return PreviewPane::Unclear };
    let left: Vec<Access> = left.into_iter().flatten().collect();
    if left.is_empty() {
        return PreviewPane::Nothing;
    }
    let Ok((grant, order)) = place.grant(&left) else { return PreviewPane::Unclear };
    match node.preview(&grant, &order).await {
        Ok(preview) => PreviewPane::Rows(preview),
        Err(error) => {
            tracing::info!(%error, "what a grant would show is not shown");
            PreviewPane::Unavailable
        }
    }
}

/// The decision.
pub(super) async fn submit(node: &dyn Node, wish: &Wish, signed: &Signed, fields: &Fields) -> HttpResponse {
    // Of two that are sent none would count, and so less would be chosen than either says.
    if fields.doubled_but(&choices::LISTS) {
        return stale();
    }
    if let Some(all) = fields.get("all") {
        let at = all.parse().unwrap_or(usize::MAX);
        return consent_page(node, wish, signed, Some(&choices::all_ticked(fields, &wish.access, at)), None).await;
    }
    match fields.get("decision") {
        Some("look") => consent_page(node, wish, signed, Some(fields), None).await,
        Some("allow") => match allow(node, wish, signed, fields).await {
            Ok(Ok(code)) => wish.done(node, &code),
            Ok(Err(wrong)) => consent_page(node, wish, signed, Some(fields), Some(wrong)).await,
            Err(error) => failed(&error),
        },
        Some("deny") => wish.denied(node).await.unwrap_or_else(|error| failed(&error)),
        Some("switch") => sign_in::show(node, wish, None, sign_in::Asks::Password, None),
        None if fields.chooses_language() => consent_page(node, wish, signed, Some(fields), None).await,
        _ => stale(),
    }
}

/// Gives what was chosen; the code, or what is to be chosen otherwise.
async fn allow(
    node: &dyn Node,
    wish: &Wish,
    signed: &Signed,
    fields: &Fields,
) -> Result<Result<String, Wrong>, ApiError> {
    if wish.access.is_empty() {
        return Ok(Ok(openid::consent::allow(node, wish, signed, fields).await?));
    }
    let place = AskedSpace::of(node, wish, signed).await?;
    let chosen = chosen(wish, fields, &place.schema, node.now());
    let proof = Proof::of(wish, signed, &place, &chosen, fields);
    let left: Result<Vec<_>, Slip> = chosen.into_iter().collect();
    let mut access: Vec<Access> = match left {
        Ok(left) => left.into_iter().flatten().collect(),
        Err(slip) => return Ok(Err(Wrong::from(&slip))),
    };
    if access.is_empty() {
        return Ok(Err(plainly(words().nothing_ticked())));
    }
    // Before it is answered: what is wrong can be put right.
    if let Err(error) = place.grant(&access) {
        return Ok(Err(plainly(refusal_words(&error, &kinds(&access)))));
    }
    // Allowed is what the page said, in words, when the button was pressed.
    if !proof.is_some_and(|proof| proof.is_in(node, fields)) {
        return Ok(Err(Wrong { text: words().look_once_more().to_owned(), control: None, looks: true }));
    }
    // The space that was shown is the one that is given, whatever becomes personal meanwhile.
    access.iter_mut().for_each(|one| one.space = Some(place.space));
    let actor = Actor::Person(signed.user.id);
    wish.answered(node).await?;
    node.directory().let_in_app(&wish.app, node.now()).await?;
    let request =
        GrantRequest { grantor: signed.user.id, to: HeldBy::App(&wish.app), access: &access, until: None, actor };
    let issued = match issue(node, request).await {
        Ok(issued) => issued,
        Err(IssueError::Access(error)) => return Ok(Err(plainly(refusal_words(&error, &kinds(&access))))),
        Err(error) => return Err(error.into()),
    };
    let code = NewCode {
        user: signed.user.id,
        client: wish.app.client,
        grant: Some(issued.row.id),
        redirect_uri: wish.redirect_uri.clone(),
        challenge: wish.challenge.clone(),
        openid: openid::consent::allowed(node, wish, signed, fields).await?,
        key: wish.key,
    };
    let code = wish.allowed(node, code).await?;
    issued.given(node).await?;
    Ok(Ok(code))
}
