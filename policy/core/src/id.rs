//! Identifiers: 16 bytes each, one type a noun, so that one cannot be passed where another is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not an id: ids are 32 hexadecimal digits (a document id may also be a hyphenated UUID).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {noun}: expected 32 hexadecimal digits")]
pub struct ParseIdError {
    noun: &'static str,
    text: String,
}

fn from_hex(noun: &'static str, text: &str) -> Result<[u8; 16], ParseIdError> {
    let fail = || ParseIdError { noun, text: text.chars().take(64).collect() };
    let bytes = text.as_bytes();
    if bytes.len() != 32 {
        return Err(fail());
    }
    let mut out = [0u8; 16];
    for (slot, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
        *slot = digit(pair[0]).ok_or_else(fail)? << 4 | digit(pair[1]).ok_or_else(fail)?;
    }
    Ok(out)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The id with exactly these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
            /// The sixteen bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
            /// The id in `bytes`, if there are sixteen.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        id!($(#[$doc])* $name, $noun);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                from_hex($noun, text).map(Self)
            }
        }
    };
}

hex_id!(
    /// A person: the id of their account, which is the head of its genesis hash (vault/docs/format.md).
    UserId, "a user id"
);
hex_id!(
    /// A household or firm on a node.
    TenantId, "a tenant id"
);
hex_id!(
    /// A group of users.
    GroupId, "a group id"
);
hex_id!(
    /// A set of collections with its own keys, history and view.
    SpaceId, "a space id"
);
hex_id!(
    /// A folder of documents of one collection.
    FolderId, "a folder id"
);
hex_id!(
    /// A right that a person gave or took: a share, or a rule for a field.
    AssignmentId, "an assignment id"
);
hex_id!(
    /// A registered app.
    ClientId, "a client id"
);
hex_id!(
    /// A link that shows something to whoever has it: the head of the hash of its token.
    LinkId, "a link id"
);
hex_id!(
    /// One consent of one person to one app, or to whoever has a link.
    GrantId, "a grant id"
);
hex_id!(
    /// A device of an account.
    DeviceId, "a device id"
);
hex_id!(
    /// A collection of documents in a space.
    CollectionId, "a collection id"
);
hex_id!(
    /// A field of a collection.
    FieldId, "a field id"
);
id!(
    /// A document. Written as a hyphenated UUID; generated ids are UUIDv7 (RFC 9562).
    DocId, "a document id"
);

impl fmt::Display for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for DocId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let bytes = text.as_bytes();
        if bytes.len() == 36 && [8, 13, 18, 23].iter().all(|&at| bytes[at] == b'-') {
            let digits: String = text.chars().filter(|&c| c != '-').collect();
            return from_hex("a document id", &digits).map(Self);
        }
        from_hex("a document id", text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_as_they_parse_and_refuse_the_rest() {
        let id: SpaceId = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0e0f");
        let doc: DocId = "01930000-0000-7000-8000-00000000000a".parse().unwrap();
        assert_eq!(doc.to_string(), "01930000-0000-7000-8000-00000000000a");
        for bad in ["", "00", "000102030405060708090a0b0c0d0e0g", "é00102030405060708090a0b0c0d0e0", "----"] {
            assert!(bad.parse::<SpaceId>().is_err(), "{bad}");
            assert!(bad.parse::<DocId>().is_err(), "{bad}");
        }
    }
}
