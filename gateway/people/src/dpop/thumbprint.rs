//! How a key is named (RFC 7638).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The SHA-256 thumbprint of a public key, as tokens are bound to it: `jkt` (RFC 9449, 6.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint(pub(crate) [u8; 32]);

impl Thumbprint {
    /// Of the point of a key of P-256: both coordinates, big-endian.
    pub(super) fn of_point(point: &[u8; 64]) -> Thumbprint {
        let encode = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
        let (x, y) = (encode(&point[..32]), encode(&point[32..]));
        let members = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{x}\",\"y\":\"{y}\"}}");
        Thumbprint(Sha256::digest(members.as_bytes()).into())
    }

    /// As it is stored.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Option<Thumbprint> {
        bytes.try_into().ok().map(Thumbprint)
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

/// The text is no thumbprint by SHA-256 in base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a thumbprint is a SHA-256 in base64url: 43 characters")]
pub struct NoThumbprint;

impl FromStr for Thumbprint {
    type Err = NoThumbprint;

    fn from_str(text: &str) -> Result<Self, NoThumbprint> {
        // Longer texts are not decoded.
        let bytes = (text.len() == 43).then(|| data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()));
        bytes.and_then(Result::ok).and_then(|bytes| Thumbprint::of_bytes(&bytes)).ok_or(NoThumbprint)
    }
}
