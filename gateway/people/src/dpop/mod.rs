//! Proofs that whoever sends a request holds a key (DPoP, RFC 9449): read, and checked as far as that needs nothing that is
//! kept. Whether one was taken before is known to [`crate::directory::proofs`].

#[cfg(test)]
pub(crate) mod tests;
mod thumbprint;

use policy_core::Timestamp;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::{Digest, Sha256};
use url::Url;

pub use thumbprint::Thumbprint;

/// The one way of signing that is taken (RFC 7518, 3.4).
pub const ALG: &str = "ES256";
/// The longest proof that is looked at, in bytes.
pub const LONGEST: usize = 4_096;
/// How old a proof may be, and how far ahead of the node the clock may go by which it was made, in seconds.
pub const PAST: i64 = 60;
pub const AHEAD: i64 = 10;
/// The longest id of a proof, in bytes.
const MAX_ID_LENGTH: usize = 256;
const TYPE: &str = "dpop+jwt";

/// What an access token is called that is bound to a key, or is not.
pub fn token_type(key: Option<Thumbprint>) -> &'static str {
    if key.is_some() { "DPoP" } else { "Bearer" }
}

/// What a proof must be about.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Of the request.
    pub method: &'a str,
    /// The request's address as people and apps reach it, without its query.
    pub address: &'a str,
    /// The SHA-256 of the access token beside it; `None` where there is none.
    pub token: Option<[u8; 32]>,
    pub now: Timestamp,
}

/// A proof that fits, and is signed by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The key that its sender holds.
    pub key: Thumbprint,
    /// When it was made, by its sender's clock: in seconds since the Unix epoch, within the window.
    pub(crate) made: i64,
    /// Stands for its key and its id.
    pub(crate) mark: [u8; 16],
}

/// Why a proof does not count (RFC 9449, 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("A proof is missing: send one in the header `DPoP` (RFC 9449).")]
    Missing,
    #[error("There is more than one header `DPoP`.")]
    Several,
    #[error("The proof is longer than {LONGEST} bytes.")]
    Long,
    #[error("The proof is no JWT, or lacks something that proofs have.")]
    Malformed,
    #[error("The `typ` of a proof is `{TYPE}`.")]
    Type,
    #[error("A proof is signed by {ALG}, and extends nothing (`crit`).")]
    Algorithm,
    #[error("The `jwk` of a proof is a public key of the curve P-256, without private parts.")]
    Key,
    #[error("The proof is not signed by its key.")]
    Signature,
    #[error("The proof is of another method: its `htm` is the request's.")]
    Method,
    #[error("The proof is of another address: its `htu` is the request's, as the node's public address begins.")]
    Address,
    #[error("The proof was made too long ago, or is ahead of the node's clock: its `iat` is the time of the request.")]
    Time,
    #[error("The `jti` of a proof has 1 to {MAX_ID_LENGTH} bytes.")]
    Id,
    #[error("The proof is of another token: its `ath` is the SHA-256 of the access token, in base64url.")]
    Token,
    #[error("The proof was sent before: make another for each request.")]
    Replayed,
    #[error("The node does not know any more whether a proof of this age was sent before: make another.")]
    Crowded,
}

/// The head (RFC 7515, 4). What is named twice is no proof.
#[derive(Deserialize)]
struct Head {
    typ: Option<String>,
    alg: Option<String>,
    jwk: Option<Jwk>,
    crit: Option<IgnoredAny>,
}

/// A key (RFC 7517, 4; RFC 7518, 6), with the names of what only its holder may know.
#[derive(Deserialize)]
struct Jwk {
    kty: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    jti: Option<String>,
    htm: Option<String>,
    htu: Option<String>,
    iat: Option<f64>,
    ath: Option<String>,
}

impl Jwk {
    /// Its coordinates, if it is a public key of the curve. Whether they are a point of that is seen when it verifies.
    fn point(&self) -> Option<[u8; 64]> {
        let private = [&self.d, &self.k, &self.p, &self.q, &self.dp, &self.dq, &self.qi, &self.oth];
        if private.into_iter().any(Option::is_some) {
            return None;
        }
        if (self.kty.as_deref(), self.crv.as_deref()) != (Some("EC"), Some("P-256")) {
            return None;
        }
        let mut point = [0; 64];
        for (half, text) in [(0, &self.x), (32, &self.y)] {
            let bytes = decode(text.as_deref()?)?;
            point.get_mut(half..half + 32)?.copy_from_slice(bytes.get(..32).filter(|_| bytes.len() == 32)?);
        }
        Some(point)
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok()
}

fn read<T: DeserializeOwned>(part: &str) -> Result<T, ProofError> {
    let bytes = decode(part).ok_or(ProofError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| ProofError::Malformed)
}

impl Proof {
    /// Checks a proof (RFC 9449, 4.3). What costs most, the signature, is looked at last.
    ///
    /// # Errors
    /// The first thing that is wrong with it. Never [`ProofError::Replayed`]: what was taken is not known here.
    pub fn check(text: &str, wanted: &Wanted<'_>) -> Result<Proof, ProofError> {
        if text.len() > LONGEST {
            return Err(ProofError::Long);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(ProofError::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(ProofError::Malformed)?;
        let head: Head = read(head)?;
        if head.typ.as_deref() != Some(TYPE) {
            return Err(ProofError::Type);
        }
        if head.alg.as_deref() != Some(ALG) || head.crit.is_some() {
            return Err(ProofError::Algorithm);
        }
        let point = head.jwk.as_ref().and_then(Jwk::point).ok_or(ProofError::Key)?;
        let claims: Claims = read(claims)?;
        let (id, made) = claims.fit(wanted)?;
        let signature = decode(signature).ok_or(ProofError::Malformed)?;
        // Uncompressed (SEC 1, 2.3.3); what is no point of the curve verifies nothing.
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], point.as_slice()].concat());
        key.verify(signed.as_bytes(), &signature).map_err(|_| ProofError::Signature)?;
        let key = Thumbprint::of_point(&point);
        let digest = Sha256::new().chain_update(key.0).chain_update(id).finalize();
        let mut mark = [0; 16];
        mark.copy_from_slice(&digest[..16]);
        Ok(Proof { key, made, mark })
    }
}

impl Claims {
    /// The id and the time of what is about the request that is wanted.
    fn fit(&self, wanted: &Wanted<'_>) -> Result<(&str, i64), ProofError> {
        if self.htm.as_deref() != Some(wanted.method) {
            return Err(ProofError::Method);
        }
        if !self.htu.as_deref().is_some_and(|told| is_same(told, wanted.address)) {
            return Err(ProofError::Address);
        }
        let now = wanted.now.seconds();
        let made = self.iat.filter(|at| (0.0..1e12).contains(at)).ok_or(ProofError::Time)?.floor() as i64;
        if !(now - PAST..=now + AHEAD).contains(&made) {
            return Err(ProofError::Time);
        }
        let id = self.jti.as_deref().filter(|id| (1..=MAX_ID_LENGTH).contains(&id.len())).ok_or(ProofError::Id)?;
        if let Some(token) = wanted.token
            && self.ath.as_deref() != Some(data_encoding::BASE64URL_NOPAD.encode(&token).as_str())
        {
            return Err(ProofError::Token);
        }
        Ok((id, made))
    }
}

/// Whether two addresses are one, but for query and fragment, after what RFC 3986 (6.2.2, 6.2.3) lets be written otherwise.
fn is_same(told: &str, asked: &str) -> bool {
    // What a browser would read leniently is not read at all.
    if !told.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return false;
    }
    let (Ok(told), Ok(asked)) = (Url::parse(told), Url::parse(asked)) else { return false };
    let place = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
    let nobody = told.username().is_empty() && told.password().is_none();
    nobody && place(&told) == place(&asked) && spelt(told.path()) == spelt(asked.path())
}

/// A path in its one spelling: what need not be encoded is not, and the rest is in capitals.
fn spelt(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|two| u8::from_str_radix(two, 16).ok());
        match byte.map(char::from) {
            Some(plain) if plain.is_ascii_alphanumeric() || "-._~".contains(plain) => out.push(plain),
            Some(_) => out.extend(['%'].into_iter().chain(after[..2].chars().map(|digit| digit.to_ascii_uppercase()))),
            None => {
                out.push('%');
                rest = after;
                continue;
            }
        }
        rest = &after[2..];
    }
    out.push_str(rest);
    out
}
