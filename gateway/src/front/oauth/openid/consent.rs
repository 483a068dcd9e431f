//! What a person is asked before an app learns who they are.

use std::fmt::Write;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

use super::super::authorize::{Wish, back, failed};
use super::super::form::Fields;
use super::super::page::{escape, hidden, page};
use super::super::sign_in::Signed;
use super::super::words::words;
use super::{OpenidRequest, subject};
use crate::directory::{Actor, Family, NewCode, Openid, OpenidScope};
use crate::front::error::ApiError;
use crate::node::Node;

/// The field of whoever lets an app know their name.
const NAME: &str = "profile";

/// What the app would be told, with what may be left out; `sent`: the form as it came, if it comes back.
pub(in super::super) fn asked_identity(asked: &OpenidRequest, signed: &Signed, sent: Option<&Fields>) -> String {
    let words = words();
    let mut html = format!("<fieldset>\n<legend>{}</legend>\n<p>{}</p>\n", words.who_you_are(), words.told_a_number());
    if asked.scope.profile {
        let ticked = sent.is_none_or(|sent| sent.get(NAME).is_some());
        let _ = writeln!(
            html,
            "<label class=\"tick\"><input type=\"checkbox\" name=\"{NAME}\" value=\"yes\"{}> <span>{}</span></label>",
            if ticked { " checked" } else { "" },
            words.and_your_name(escape(&signed.user.name)),
        );
    }
    html.push_str("</fieldset>\n");
    html
}

/// The page for an app that asks nothing else; `sent`: the form as it came, if it comes back.
pub(in super::super) fn show(node: &dyn Node, wish: &Wish, signed: &Signed, sent: Option<&Fields>) -> HttpResponse {
    let words = words();
    let again = if wish.device.is_some() { String::new() } else { format!("{} ", words.not_asked_again()) };
    let name = &wish.app.manifest.name;
    let strong = |text: &str| format!("<strong>{}</strong>", escape(text));
    let html = format!(
        "<p>{} {}</p>\n\
         <form id=\"page\" method=\"post\" action=\"/oauth/authorize\" autocomplete=\"off\">\n{}{}{}{}\
         <div class=\"choice\">\n<button type=\"submit\" name=\"decision\" value=\"deny\" class=\"plain\">{}</button>\n\
         <button type=\"submit\" name=\"decision\" value=\"allow\">{}</button>\n</div>\n\
         <p class=\"soft\">{again}{}</p>\n\
         <p>{} <button type=\"submit\" name=\"decision\" value=\"switch\" class=\"link\">{}</button></p>\n\
         </form>\n<p class=\"soft\">{} · {}</p>",
        words.who_asks(strong(&signed.user.name), strong(&wish.place())),
        words.asks_for_no_data(),
        hidden("step", "consent"),
        hidden("request", &wish.raw),
        signed.fields(node, wish),
        wish.warning() + &wish.openid.as_ref().map(|asked| asked_identity(asked, signed, sent)).unwrap_or_default(),
        words.deny(),
        words.allow(),
        words.take_back_sign_in(),
        words.not_you(),
        words.sign_in_as_other(),
        escape(name),
        escape(wish.app.manifest.client_uri.as_deref().unwrap_or(words.no_page_named())),
    );
    page(StatusCode::OK, &words.asks_who_you_are(name), &html, Some(&wish.redirect_uri))
}

/// What of the question the person answered with yes.
fn chosen(asked: &OpenidRequest, fields: &Fields) -> OpenidScope {
    OpenidScope { profile: asked.scope.profile && fields.get(NAME).is_some() }
}

/// Notes that the app may know; what stands behind its code. `None`: it did not ask.
pub(in super::super) async fn allowed(
    node: &dyn Node,
    wish: &Wish,
    signed: &Signed,
    fields: &Fields,
) -> Result<Option<Openid>, ApiError> {
    let Some(asked) = &wish.openid else { return Ok(None) };
    let (directory, user, client, now) = (node.directory(), signed.user.id, wish.app.client, node.now());
    let scope = chosen(asked, fields);
    directory.let_in_app(&wish.app, now).await?;
    directory.allow_sign_in(user, client, (scope, wish.app.terms()), now).await?;
    let detail = json!({ "client_id": client, "scope": scope.text() });
    directory.audit(user, Actor::Person(user), "app.sign_in_allowed", detail, now).await?;
    Ok(Some(openid(asked, signed, scope)))
}

fn openid(asked: &OpenidRequest, signed: &Signed, scope: OpenidScope) -> Openid {
    Openid {
        scope,
        nonce: asked.nonce.clone(),
        at: signed.by.fresh.then_some(signed.at),
        amr: signed.by.amr(),
        family: Family::draw(),
    }
}

/// The person lets the app know; the code.
pub(in super::super) async fn allow(
    node: &dyn Node,
    wish: &Wish,
    signed: &Signed,
    fields: &Fields,
) -> Result<String, ApiError> {
    wish.answered(node).await?;
    let scope = match allowed(node, wish, signed, fields).await? {
        Some(openid) => openid.scope,
        None => return Err(ApiError::not_found()),
    };
    code(node, wish, signed, scope).await
}

/// A code for an app that asks only who the person is, and may know.
async fn code(node: &dyn Node, wish: &Wish, signed: &Signed, scope: OpenidScope) -> Result<String, ApiError> {
    let Some(asked) = &wish.openid else { return Err(ApiError::not_found()) };
    let (user, client) = (signed.user.id, wish.app.client);
    let new = NewCode {
        user,
        client,
        grant: None,
        redirect_uri: wish.redirect_uri.clone(),
        challenge: wish.challenge.clone(),
        openid: Some(openid(asked, signed, scope)),
        key: wish.key,
    };
    let code = wish.allowed(node, new).await?;
    let detail = json!({ "client_id": client });
    node.directory().audit(user, Actor::Person(user), "app.signed_in", detail, node.now()).await?;
    Ok(code)
}

/// What comes of a sign-in without a further question: back to the app, with a code, if it asks only who the person is,
/// and may know that; or with an error, if it expects somebody else.
pub(in super::super) async fn known(node: &dyn Node, wish: &Wish, signed: &Signed) -> Option<HttpResponse> {
    let asked = wish.openid.as_ref()?;
    let state = wish.state.as_deref();
    if asked.expects.as_ref().is_some_and(|sub| *sub != subject(node, signed.user.id, &wish.app)) {
        let other = [("error", "login_required"), ("error_description", "Somebody else signed in.")];
        return Some(back(node, &wish.redirect_uri, state, &other));
    }
    if asked.fresh && !signed.by.fresh {
        let stale = [("error", "login_required"), ("error_description", "The provider did not ask the person anew.")];
        return Some(back(node, &wish.redirect_uri, state, &stale));
    }
    // Who types a code of a device is asked each time.
    if asked.consents || !wish.access.is_empty() || wish.device.is_some() {
        return None;
    }
    let known = match node.directory().sign_in_at(signed.user.id, wish.app.client).await {
        Ok(found) => found?,
        Err(error) => return Some(failed(&error.into())),
    };
    // What an app says of itself elsewhere may change: they said yes to what it said then.
    if !known.scope.covers(asked.scope) || known.terms != wish.app.terms() {
        return None;
    }
    if let Err(error) = wish.answered(node).await {
        return Some(failed(&error));
    }
    Some(match self::code(node, wish, signed, asked.scope).await {
        Ok(code) => wish.done(node, &code),
        Err(error) => failed(&error),
    })
}
