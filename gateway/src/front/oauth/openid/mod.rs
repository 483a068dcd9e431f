//! Who somebody is, for apps that ask (OpenID Connect Core 1.0): what they ask, and what they are told.
//!
//! A person has another `sub` in each sector. An app that asks for `openid` alone gets a token that opens no data.

pub(super) mod consent;
pub(super) mod id_token;
pub(super) mod jwks;
pub(super) mod logout;
pub(crate) mod signed_out;
pub(super) mod userinfo;

use policy_core::UserId;
use url::{Host, Url};

use super::form::Fields;
use crate::directory::{OpenidScope, RegisteredApp};
use crate::front::error::ApiError;
use crate::node::Node;

/// Somebody proved one thing: a password here, or an account elsewhere.
pub(super) const ACR_ONE: &str = "urn:allod:acr:1";
/// And a code of their second factor.
pub(super) const ACR_TWO: &str = "urn:allod:acr:2";

/// The longest of what an app sends along.
const MAX_NONCE_BYTES: usize = 512;
const MAX_LOGIN_HINT_BYTES: usize = 64;
const MAX_ID_TOKEN_HINT_BYTES: usize = 4_096;

/// What an app asks about who somebody is.
#[derive(Debug, Clone)]
pub(in super::super) struct OpenidRequest {
    pub(super) scope: OpenidScope,
    pub(super) nonce: Option<String>,
    pub(super) login_hint: Option<String>,
    /// The person is asked again whether the app may know.
    consents: bool,
    /// The person proves now who they are.
    fresh: bool,
    /// The `sub` that the app expects.
    expects: Option<String>,
}

/// Why what an app asks is not looked into.
pub(super) enum AskedError {
    /// A word of OAuth, and why.
    Refused(&'static str, &'static str),
    Failed(ApiError),
}

impl OpenidRequest {
    /// Reads what an app asks; `None` if it does not ask who somebody is.
    pub(super) async fn read(
        node: &dyn Node,
        app: &RegisteredApp,
        fields: &Fields,
    ) -> Result<Option<OpenidRequest>, AskedError> {
        let invalid = |text| AskedError::Refused("invalid_request", text);
        let Some(scope) = fields.get("scope").and_then(OpenidScope::of) else { return Ok(None) };
        let kept = |name: &str, most: usize| fields.get(name).map(|text| (text, text.len() <= most));
        let nonce = match kept("nonce", MAX_NONCE_BYTES) {
            Some((_, false)) => return Err(invalid("`nonce` is longer than 512 bytes.")),
            nonce => nonce.map(|(text, _)| text.to_owned()),
        };
        // Who cannot be meant is not named to the person.
        let login_hint =
            kept("login_hint", MAX_LOGIN_HINT_BYTES).filter(|(_, fits)| *fits).map(|(text, _)| text.to_owned());
        if fields.get("max_age").is_some_and(|age| age.parse::<u32>().is_err()) {
            return Err(invalid("`max_age` is a number of seconds."));
        }
        let prompts: Vec<&str> =
            fields.get("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()).collect();
        if prompts.contains(&"none") {
            return Err(match prompts.len() {
                // Nothing of a browser tells who sits before it: who signs in does so on the page.
                1 => AskedError::Refused("login_required", "The person signs in each time, on the page."),
                _ => invalid("`prompt=none` goes with no other value."),
            });
        }
        let expects = match kept("id_token_hint", MAX_ID_TOKEN_HINT_BYTES) {
            None => None,
            Some((text, true)) => {
                let claims =
                    id_token::read_id_token(node, text).await.map_err(|error| AskedError::Failed(error.into()))?;
                let claims = claims.filter(|claims| claims.aud == app.client_id());
                Some(claims.ok_or_else(|| invalid("`id_token_hint` is no ID token of this node for this app."))?.sub)
            }
            Some(_) => return Err(invalid("`id_token_hint` is longer than 4096 bytes.")),
        };
        let fresh = fields.get("max_age").is_some() || prompts.contains(&"login");
        Ok(Some(OpenidRequest { scope, nonce, login_hint, consents: prompts.contains(&"consent"), fresh, expects }))
    }
}

/// Where a person has one `sub`: the host to which an app's answers go, if it is one and the app's own; else the app
/// (OpenID Connect Core, 8.1). Whoever listens on this machine, or owns a scheme, has no host of their own; nor does a
/// device, whose answers go to whoever asks.
pub(super) fn sector(app: &RegisteredApp) -> String {
    if app.manifest.devices {
        return format!("app:{}", app.client);
    }
    let host = |uri: &String| {
        let uri = Url::parse(uri).ok().filter(|uri| uri.scheme() == "https")?;
        match uri.host()? {
            Host::Domain(name) if name != "localhost" && !name.ends_with(".localhost") => Some(name.to_owned()),
            _ => None,
        }
    };
    let hosts: Option<std::collections::BTreeSet<String>> = app.manifest.redirect_uris.iter().map(host).collect();
    let one = hosts.filter(|hosts| hosts.len() == 1).and_then(|mut hosts| hosts.pop_first());
    one.map_or_else(|| format!("app:{}", app.client), |host| format!("host:{host}"))
}

/// What a person is called to an app.
pub(super) fn subject(node: &dyn Node, user: UserId, app: &RegisteredApp) -> String {
    node.directory().subject(user, &sector(app))
}
