//! What apps learn of who somebody is: the scope that was consented to, and what stands behind a code.

use std::fmt;

use policy_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::secret::random;

/// All tokens that descend from one consent.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Family(pub(super) [u8; 16]);

impl Family {
    /// A new one.
    pub fn draw() -> Family {
        Family(random())
    }

    pub(super) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// How the app that holds the tokens is told that they belong together: the `sid` of OpenID Connect.
    pub fn sid(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// The family that [`Family::sid`] names. It opens nothing.
    pub fn of_sid(sid: &str) -> Option<Family> {
        data_encoding::HEXLOWER.decode(sid.as_bytes()).ok()?.try_into().ok().map(Family)
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Family(…)")
    }
}

/// What an app may know of who somebody is: a number that stands for them there, and perhaps their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenidScope {
    /// Their name for signing in as well.
    pub profile: bool,
}

impl OpenidScope {
    /// As OpenID Connect writes it.
    pub fn text(self) -> &'static str {
        if self.profile { "openid profile" } else { "openid" }
    }

    /// What an app asks for; words that are not known count for nothing (OpenID Connect Core, 3.1.2.1). `None`: it does
    /// not ask who somebody is.
    pub fn of(scope: &str) -> Option<OpenidScope> {
        let has = |word: &str| scope.split(' ').any(|one| one == word);
        has("openid").then(|| OpenidScope { profile: has("profile") })
    }

    /// Whether who consented to this has consented to `asked`.
    pub fn covers(self, asked: OpenidScope) -> bool {
        self.profile || !asked.profile
    }
}

/// What stands behind a code of an app that asks who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Openid {
    pub scope: OpenidScope,
    pub nonce: Option<String>,
    /// When they proved who they are, if that is known.
    pub at: Option<Timestamp>,
    /// Words of RFC 8176 for how.
    pub amr: Vec<String>,
    /// The tokens that come of it.
    pub family: Family,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    scope: String,
    nonce: Option<String>,
    at: Option<i64>,
    amr: Vec<String>,
    family: String,
}

impl Openid {
    pub(super) fn to_text(&self) -> String {
        let stored = Stored {
            scope: self.scope.text().to_owned(),
            nonce: self.nonce.clone(),
            at: self.at.map(|at| at.0),
            amr: self.amr.clone(),
            family: data_encoding::HEXLOWER.encode(&self.family.0),
        };
        serde_json::to_string(&stored).expect("texts and numbers are JSON")
    }

    /// `None`: it is damaged.
    pub(super) fn of_text(text: &str) -> Option<Openid> {
        let stored: Stored = serde_json::from_str(text).ok()?;
        let family = data_encoding::HEXLOWER.decode(stored.family.as_bytes()).ok()?;
        Some(Openid {
            scope: OpenidScope::of(&stored.scope)?,
            nonce: stored.nonce,
            at: stored.at.map(Timestamp),
            amr: stored.amr,
            family: Family(family.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_words_and_none_is_read_into_another() {
        assert_eq!(OpenidScope::of("openid"), Some(OpenidScope { profile: false }));
        assert_eq!(OpenidScope::of("email profile openid x"), Some(OpenidScope { profile: true }));
        for none in ["", "profile", "openidx", "OPENID", "openid\tprofile", "xopenid profile"] {
            assert_eq!(OpenidScope::of(none), None, "{none}");
        }
        let (least, most) = (OpenidScope { profile: false }, OpenidScope { profile: true });
        assert!(most.covers(least) && most.covers(most) && least.covers(least) && !least.covers(most));
        for scope in [least, most] {
            assert_eq!(OpenidScope::of(scope.text()), Some(scope));
        }
    }
}
