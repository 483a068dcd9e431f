//! An app exchanges an access token of its own for one that opens less (RFC 8693), for a part of itself that needs no more.
//! Nobody is named anew by it: no other person, no other app, nowhere else.

use policy_core::{GrantId, Holder};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::client::OAuthError;
use super::form::Fields;
use crate::directory::exchange::HeldTo;
use crate::directory::proofs::ProofOf;
use crate::directory::{FOLLOWED, GrantRow, OpenidScope, RegisteredApp, Token, TokenKind};
use crate::dpop::{Proof, ProofError, token_type};
use crate::front::described::{Access, Id};
use crate::grants::{Terms, left_of, narrow_unseen, parse, record_of, shown};
use crate::node::{Node, NodeError};

/// The grant type.
pub(super) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What is exchanged, and what for.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A token for less.
#[derive(Serialize, ToSchema)]
pub(super) struct ExchangedView {
    access_token: String,
    #[schema(examples("urn:ietf:params:oauth:token-type:access_token"))]
    issued_token_type: &'static str,
    /// `DPoP` of one that is bound to a key, else `Bearer`.
    #[schema(examples("Bearer"))]
    token_type: &'static str,
    /// In seconds.
    expires_in: i64,
    #[schema(value_type = Id)]
    grant: GrantId,
    /// What it opens, as it is enforced.
    #[schema(value_type = Vec<Access>)]
    authorization_details: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
}

fn invalid(text: &str) -> OAuthError {
    OAuthError::new("invalid_request", text)
}

/// What is asked, but for the token that is exchanged.
struct Asked {
    access: Option<Vec<crate::grants::Access>>,
    openid: Option<OpenidScope>,
}

impl Asked {
    /// Reads and refuses what has nothing to do with any token.
    fn read(node: &dyn Node, fields: &Fields) -> Result<Asked, OAuthError> {
        if fields.get("actor_token").is_some() || fields.get("actor_token_type").is_some() {
            return Err(invalid("No `actor_token` is taken: nobody acts for somebody else by an exchange."));
        }
        let is_access = |name: &str| fields.get(name).is_none_or(|kind| kind == ACCESS_TOKEN);
        if !is_access("requested_token_type") {
            return Err(invalid("`requested_token_type` is an access token's alone."));
        }
        if fields.get("subject_token_type") != Some(ACCESS_TOKEN) {
            return Err(invalid("`subject_token_type` is an access token's alone."));
        }
        // What the token is for stays this node.
        if ["resource", "audience"].iter().any(|name| fields.get(name).is_some_and(|at| at != node.url())) {
            return Err(OAuthError::new("invalid_target", "A token of this node is for this node alone."));
        }
        let access = fields.get("authorization_details").map(parse).transpose();
        let access = access.map_err(|error| OAuthError::new("invalid_authorization_details", error.to_string()))?;
        let openid = match fields.get("scope") {
            None => None,
            Some(scope) => {
                let known = scope.split(' ').all(|word| matches!(word, "openid" | "profile"));
                let read = OpenidScope::of(scope).filter(|_| known);
                Some(read.ok_or_else(|| OAuthError::new("invalid_scope", "The scopes are `openid` and `profile`."))?)
            }
        };
        Ok(Asked { access, openid })
    }
}

/// The answer to an exchange.
pub(super) async fn exchanged(
    node: &dyn Node,
    (app, proof): (&RegisteredApp, Option<&Proof>),
    fields: &Fields,
) -> Result<ExchangedView, OAuthError> {
    let asked = Asked::read(node, fields)?;
    let text = fields.get("subject_token").ok_or_else(|| invalid("`subject_token` is missing."))?;
    // Unknown, another app's, a person's, a link's, one of a key that is not proved: all the same.
    let unfit = || invalid("`subject_token` is no access token of this app for data, has ended, or is of another key.");
    let (directory, now) = (node.directory(), node.now());
    let mut of = directory.token(text, now).await?.ok_or_else(unfit)?;
    match (of.key, proof) {
        (Some(_), None) => return Err(OAuthError::proof(ProofError::Missing)),
        (Some(key), Some(proof)) if proof.key != key => return Err(unfit()),
        _ => {}
    }
    let openid = match of.kind {
        TokenKind::Access { client, openid, .. } if client == app.client => openid,
        _ => return Err(unfit()),
    };
    if asked.openid.is_some_and(|asked| !openid.is_some_and(|has| has.covers(asked))) {
        return Err(OAuthError::new("invalid_scope", "The token tells less of who the person is."));
    }
    if let Some(proof) = proof {
        directory.proofs().take(ProofOf::App(of.user, app.client), proof, now).map_err(OAuthError::proof)?;
    }
    // Another grant may take the place of the one that the token is of, at any moment.
    for _ in 0..FOLLOWED {
        let TokenKind::Access { grant, .. } = of.kind else { return Err(unfit()) };
        if let Some(row) = directory.grant_row(grant).await? {
            match held(node, &of, &row, &asked).await {
                Ok((entries, access)) => {
                    let to = HeldTo { entries, openid: asked.openid, key: proof.map(|proof| proof.key) };
                    let key = to.key;
                    if let Some((secret, expires)) = directory.exchange((&of, app.client), &row, to, now).await? {
                        return Ok(ExchangedView {
                            access_token: secret.text().to_owned(),
                            issued_token_type: ACCESS_TOKEN,
                            token_type: token_type(key),
                            expires_in: expires.seconds() - now.seconds(),
                            grant: row.id,
                            authorization_details: access,
                            scope: asked.openid.map(OpenidScope::text),
                        });
                    }
                }
                Err(Held::Wider) => {
                    let text = "The access is not within what the token opens.";
                    return Err(OAuthError::new("invalid_authorization_details", text));
                }
                Err(Held::Node(NodeError::NotFound)) => {}
                Err(Held::Node(error)) => return Err(error.into()),
            }
        }
        of = directory.token(text, now).await?.ok_or_else(unfit)?;
    }
    Err(unfit())
}

/// Why a token is not held to what is asked.
enum Held {
    Wider,
    Node(NodeError),
}

impl From<NodeError> for Held {
    fn from(error: NodeError) -> Self {
        Held::Node(error)
    }
}

/// The entries to which the new token is held, and how they are shown.
async fn held(
    node: &dyn Node,
    of: &Token,
    row: &GrantRow,
    asked: &Asked,
) -> Result<(Vec<policy_core::GrantEntry>, Value), Held> {
    let record = record_of(node, row).await?;
    let schema = node.schema(row.space).await?;
    let has = match &of.within {
        Some(within) => left_of(&record.grant, within),
        None => record.grant.clone(),
    };
    let new = match &asked.access {
        None => has,
        Some(list) => {
            let holder = Holder::Client(row.client);
            let terms = Terms { id: row.id, grantor: row.user, holder, space: row.space, now: node.now() };
            narrow_unseen(&has, list, terms, &schema).map_err(|_| Held::Wider)?
        }
    };
    let access = shown(&new, &record, &schema, row);
    Ok((new.entries, access))
}
