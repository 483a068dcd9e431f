//! ID tokens (OpenID Connect Core, 2): made, and known again when an app gives one back.

use policy_core::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ACR_ONE, ACR_TWO, subject};
use crate::directory::signing::verifies;
use crate::directory::{DirectoryError, Openid, RegisteredApp};
use crate::node::Node;

/// How long one is good, in seconds.
const LASTS: i64 = 3_600;
const ALG: &str = "ES256";

/// The head of what is signed (RFC 7515, 4).
#[derive(Serialize, Deserialize)]
struct Head {
    alg: String,
    kid: String,
    typ: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    acr: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
    at_hash: String,
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
}

fn encode(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

/// `claims`, signed by the node's key of now (RFC 7515, 7.1).
pub(super) async fn sign(
    node: &dyn Node,
    typ: &str,
    claims: &impl Serialize,
    now: Timestamp,
) -> Result<String, DirectoryError> {
    let key = node.directory().signing_key(now).await?;
    let head = Head { alg: ALG.to_owned(), kid: key.public.kid.clone(), typ: typ.to_owned() };
    let [head, claims] =
        [serde_json::to_vec(&head), serde_json::to_vec(claims)].map(|json| json.expect("texts and numbers are JSON"));
    let signed = format!("{}.{}", encode(&head), encode(&claims));
    let signature = key.sign(signed.as_bytes());
    Ok(format!("{signed}.{}", encode(&signature)))
}

/// The ID token beside an access token.
pub(in super::super) async fn id_token(
    node: &dyn Node,
    app: &RegisteredApp,
    user: UserId,
    openid: &Openid,
    access_token: &str,
) -> Result<String, DirectoryError> {
    let now = node.now();
    let name = if openid.scope.profile { node.directory().user(user).await?.map(|user| user.name) } else { None };
    let digest = Sha256::digest(access_token.as_bytes());
    let claims = Claims {
        iss: node.url(),
        sub: subject(node, user, app),
        aud: app.client_id(),
        exp: now.seconds() + LASTS,
        iat: now.seconds(),
        auth_time: openid.at.map(Timestamp::seconds),
        nonce: openid.nonce.as_deref(),
        acr: if openid.amr.iter().any(|word| matches!(word.as_str(), "otp" | "mfa")) { ACR_TWO } else { ACR_ONE },
        amr: &openid.amr,
        at_hash: encode(&digest[..16]),
        sid: openid.family.sid(),
        preferred_username: name,
    };
    sign(node, "JWT", &claims, now).await
}

/// What an ID token says of whom, and for which app.
#[derive(Deserialize)]
pub(super) struct IdTokenClaims {
    iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    pub(super) sid: String,
}

/// What an ID token of this node says, whether or not it has lapsed; `None` if it is none: by another's key, by none, by
/// another way of signing, or of another kind.
pub(super) async fn read_id_token(node: &dyn Node, text: &str) -> Result<Option<IdTokenClaims>, DirectoryError> {
    let keys = node.directory().signing_keys(node.now()).await?;
    let read = || {
        let (signed, signature) = text.rsplit_once('.')?;
        let (head, claims) = signed.split_once('.')?;
        let decode = |part: &str| data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok();
        let head: Head = serde_json::from_slice(&decode(head)?).ok()?;
        if head.alg != ALG || head.typ != "JWT" {
            return None;
        }
        let key = keys.iter().find(|key| key.kid == head.kid)?;
        if !verifies(key, signed.as_bytes(), &decode(signature)?) {
            return None;
        }
        let claims: IdTokenClaims = serde_json::from_slice(&decode(claims)?).ok()?;
        (claims.iss == node.url()).then_some(claims)
    };
    Ok(read())
}
