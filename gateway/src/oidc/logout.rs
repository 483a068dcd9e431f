//! A provider says that somebody signed out there (OpenID Connect Back-Channel Logout 1.0).

use std::num::NonZeroUsize;

use lru::LruCache;
use openidconnect::JsonWebKey as _;
use openidconnect::core::CoreJwsSigningAlgorithm;
use parking_lot::Mutex;
use policy_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::OidcError;
use super::provider::{Metadata, Provider, is_asymmetric, payload};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How far a logout token's instant may lie from ours, in seconds.
const FRESH_SECONDS: i64 = 300;
const MAX_TOKEN: usize = 16 << 10;
/// Tokens that were seen are remembered: so many fit into the time for which one is good.
const SEEN: NonZeroUsize = NonZeroUsize::new(4_096).expect("more than none");

/// The logout tokens that were taken, by `jti`.
pub(super) struct UsedTokens(Mutex<LruCache<String, ()>>);

impl Default for UsedTokens {
    fn default() -> Self {
        UsedTokens(Mutex::new(LruCache::new(SEEN)))
    }
}

/// Whose session ended there.
#[derive(Debug, PartialEq, Eq)]
pub struct LoggedOut {
    pub subject: Option<String>,
    pub session: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: CoreJwsSigningAlgorithm,
    kid: Option<String>,
}

impl Provider {
    /// Whom a logout token is about, if it is this provider's, for this node, of now, and was not seen before.
    ///
    /// # Errors
    /// `Failed`, with what is wrong with it.
    pub async fn logged_out(&self, token: &str, now: Timestamp) -> Result<LoggedOut, OidcError> {
        let refused = |why: &str| OidcError::Failed(format!("the logout token {why}"));
        let claims = payload(token).filter(|_| token.len() <= MAX_TOKEN).ok_or_else(|| refused("is no JWT"))?;
        // What it says is looked at before its signature: a stranger's nonsense costs no arithmetic.
        let told = self.read(&claims, now).map_err(refused)?;
        if !is_signed(self.metadata(false).await?.as_ref(), token)
            && !is_signed(self.metadata(true).await?.as_ref(), token)
        {
            return Err(refused("is not signed by the provider"));
        }
        let jti = claims.get("jti").and_then(Value::as_str).unwrap_or_default();
        if self.logouts.0.lock().put(jti.to_owned(), ()).is_some() {
            return Err(refused("was used before"));
        }
        Ok(told)
    }

    fn read(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<LoggedOut, &'static str> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if text("iss") != Some(&self.config().issuer) {
            return Err("is of another issuer");
        }
        let own = |audience: &Value| audience == self.config().client_id.as_str();
        let audience = claims.get("aud").ok_or("is for nobody")?;
        if !(own(audience) || audience.as_array().is_some_and(|all| all.iter().any(own))) {
            return Err("is for somebody else");
        }
        let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
        let at = seconds("iat").ok_or("does not say when it is of")?;
        let over = seconds("exp").is_some_and(|end| end <= now.seconds());
        if now.seconds().saturating_sub(at).saturating_abs() > FRESH_SECONDS || over {
            return Err("is not of now");
        }
        if claims.contains_key("nonce") || text("jti").is_none() {
            return Err("is another kind of token");
        }
        if !claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object) {
            return Err("tells of something else");
        }
        let (subject, session) = (text("sub").map(str::to_owned), text("sid").map(str::to_owned));
        if subject.is_none() && session.is_none() {
            return Err("tells of nobody");
        }
        Ok(LoggedOut { subject, session })
    }
}

fn is_signed(metadata: &Metadata, token: &str) -> bool {
    let verified = || {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, _) = message.split_once('.')?;
        let decode = |part: &str| data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok();
        let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
        let signature = decode(signature)?;
        if !is_asymmetric(&header.alg) {
            return None;
        }
        let of_id = |key: &&openidconnect::core::CoreJsonWebKey| {
            header.kid.as_deref().is_none_or(|kid| key.key_id().is_some_and(|id| id.as_str() == kid))
        };
        let mut keys = metadata.jwks().keys().iter().filter(of_id).take(16);
        keys.find(|key| key.verify_signature(&header.alg, message.as_bytes(), &signature).is_ok())
    };
    verified().is_some()
}
