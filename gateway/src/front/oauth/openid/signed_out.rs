//! What apps are told when somebody signs out (OpenID Connect Back-Channel Logout 1.0).

use policy_core::{ClientId, UserId};
use serde::Serialize;

use super::{id_token, subject};
use crate::directory::DirectoryError;
use crate::node::Node;

/// How long it is good, in seconds: an app may be told again within that.
const LASTS: i64 = 300;

#[derive(Serialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
    jti: String,
    events: Events,
}

#[derive(Serialize)]
struct Events {
    #[serde(rename = "http://schemas.openid.net/event/backchannel-logout")]
    logout: Nothing,
}

#[derive(Serialize)]
struct Nothing {}

/// Tells the apps that a person signs in to that they signed out: all of them, or the one whose sign-in was just
/// ended. Whoever asked does not wait, and an
/// app that cannot be told keeps nobody from signing out.
pub(crate) async fn tell(node: &dyn Node, user: UserId, only: Option<ClientId>) {
    if let Err(error) = tell_apps(node, user, only).await {
        tracing::warn!(%error, "apps are not told of a sign-out");
    }
}

async fn tell_apps(node: &dyn Node, user: UserId, only: Option<ClientId>) -> Result<(), DirectoryError> {
    let directory = node.directory();
    let clients = match only {
        Some(only) => vec![only],
        None => directory.sign_ins(user).await?.into_iter().map(|row| row.client).collect(),
    };
    for client in clients {
        let Some(app) = directory.app(client).await? else { continue };
        let Some(uri) = app.manifest.backchannel_logout_uri.clone() else { continue };
        let now = node.now();
        let claims = Claims {
            iss: node.url(),
            sub: subject(node, user, &app),
            aud: app.client_id(),
            iat: now.seconds(),
            exp: now.seconds() + LASTS,
            jti: crate::directory::Secret::draw().text().to_owned(),
            events: Events { logout: Nothing {} },
        };
        let token = id_token::sign(node, "logout+jwt", &claims, now).await?;
        node.back_channel().tell(uri, &token);
    }
    Ok(())
}
