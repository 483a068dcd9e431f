//! What opens a place: 256 bits, of which the keeper has a hash alone.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What each begins with: who finds one somewhere knows what it is, and so does what looks for secrets in texts.
pub const PREFIX: &str = "allod_place_";

/// The secret of a place, to be handed over once.
#[derive(Clone)]
pub struct PlaceSecret(Zeroizing<String>);

impl fmt::Debug for PlaceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlaceSecret(…)")
    }
}

impl PlaceSecret {
    /// Draws one.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn draw() -> std::io::Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|_| std::io::Error::other("the system gives no randomness"))?;
        Ok(PlaceSecret(Zeroizing::new(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&*bytes)))))
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl FromStr for PlaceSecret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let drawn = text.strip_prefix(PREFIX).and_then(|rest| BASE64URL_NOPAD.decode(rest.as_bytes()).ok());
        match drawn {
            Some(bytes) if bytes.len() == 32 => Ok(PlaceSecret(Zeroizing::new(text.to_owned()))),
            _ => Err("it is no secret of a place: those begin with allod_place_"),
        }
    }
}

/// SHA-256 of a secret: it has 256 bits of its own, so nothing slower is needed.
#[derive(Clone, Copy)]
pub(crate) struct SecretHash([u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

impl SecretHash {
    /// That of no secret.
    pub(crate) const NONE: SecretHash = SecretHash([0; 32]);

    pub(crate) fn of(text: &str) -> Self {
        SecretHash(Sha256::digest(text.as_bytes()).into())
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(SecretHash)
    }

    pub(crate) fn text(self) -> String {
        HEXLOWER.encode(&self.0)
    }

    pub(crate) fn matches(self, other: SecretHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_is_not_printed_and_is_known_by_its_hash_alone() {
        let (one, two) = (PlaceSecret::draw().unwrap(), PlaceSecret::draw().unwrap());
        assert!(one.text().starts_with(PREFIX) && one.text() != two.text());
        assert_eq!(one.text().parse::<PlaceSecret>().unwrap().text(), one.text());
        assert!(!format!("{one:?}").contains(&one.text()[PREFIX.len()..]));
        let kept = SecretHash::read(&one.hash().text()).unwrap();
        assert!(kept.matches(one.hash()) && !kept.matches(two.hash()) && !SecretHash::NONE.matches(two.hash()));
        for text in ["", PREFIX, "allod_place_short", &one.text()[1..]] {
            assert!(text.parse::<PlaceSecret>().is_err(), "{text}");
        }
    }
}
