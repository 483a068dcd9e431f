//! Places in lists. A cursor holds the snapshot that its list is of, and knows the question that it belongs to.

use std::fmt::Debug;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::service::{Consistency, Cursor, Reason, ServiceError, Token};

/// The inside of a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CursorBody {
    /// Of the question.
    of: String,
    /// Where the list was read.
    pub(super) at: String,
    /// What the page before ended with.
    pub(super) after: String,
    /// How a page of relationships was asked for: SpiceDB's own cursor goes with no other way.
    pub(super) asked: Option<Asked>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) limit: u32,
    pub(super) consistency: Wanted,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wanted {
    Full,
    AtLeast(String),
    Exactly(String),
}

impl From<&Wanted> for Consistency {
    fn from(wanted: &Wanted) -> Self {
        match wanted {
            Wanted::Full => Consistency::Full,
            Wanted::AtLeast(token) => Consistency::AtLeast(Token(token.clone())),
            Wanted::Exactly(token) => Consistency::Exactly(Token(token.clone())),
        }
    }
}

impl CursorBody {
    pub(super) fn new(question: &impl Debug, at: &Token, after: &str, asked: Option<Asked>) -> Self {
        CursorBody { of: digest(question), at: at.0.clone(), after: after.to_owned(), asked }
    }

    pub(super) fn encode(&self) -> Cursor {
        // What serde_json cannot write, it does not have: only text and numbers are in it.
        Cursor(BASE64URL_NOPAD.encode(&serde_json::to_vec(self).unwrap_or_default()))
    }

    /// # Errors
    /// If it is no cursor, or one of another question.
    pub(super) fn decode(cursor: &Cursor, question: &impl Debug) -> Result<Self, ServiceError> {
        let place = BASE64URL_NOPAD.decode(cursor.0.as_bytes()).ok();
        let place = place.and_then(|bytes| serde_json::from_slice::<CursorBody>(&bytes).ok());
        let own = place.filter(|place| place.of == digest(question));
        own.ok_or_else(|| ServiceError::new(Reason::InvalidCursor, "the cursor does not belong to this request"))
    }
}

/// The same for the same question in every process of this version.
fn digest(question: &impl Debug) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(format!("{question:?}"))[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_with_its_question_only() {
        let asked = Some(Asked { limit: 7, consistency: Wanted::AtLeast("t".into()) });
        let place = CursorBody::new(&("doc", 1), &Token("t".into()), "id", asked);
        let cursor = place.encode();
        assert_eq!(CursorBody::decode(&cursor, &("doc", 1)), Ok(place));
        for (cursor, question) in
            [(&cursor, ("doc", 2)), (&Cursor("x".into()), ("doc", 1)), (&Cursor(String::new()), ("doc", 1))]
        {
            assert_eq!(CursorBody::decode(cursor, &question).map_err(|error| error.reason), Err(Reason::InvalidCursor));
        }
    }
}
