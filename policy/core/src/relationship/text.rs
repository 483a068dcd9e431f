//! The text form: `document:1#viewer@group:eng#member[caveat:{"key":1}][expiration:2030-01-01T00:00:00Z]`.

use std::str::FromStr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{CaveatUse, EVERYONE, Tuple, is_object_id};
use crate::{Context, Object, Subject, Timestamp};

/// A text that is no relationship.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a relationship: {why}")]
pub struct RelationshipTextError {
    /// What was to be read.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl FromStr for Object {
    type Err = RelationshipTextError;
    /// `kind:id`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |why| RelationshipTextError { text: text.chars().take(200).collect(), why };
        let (kind, id) = text.split_once(':').ok_or_else(|| fail("an object is written `type:id`"))?;
        if !is_type_path(kind) {
            return Err(fail("a type is lower-case letters, digits, `_` and `/`"));
        }
        if id != EVERYONE && !is_object_id(id) {
            return Err(fail("an object id is 1 to 1024 letters, digits and / _ | - = +"));
        }
        Ok(Object { kind: kind.to_owned(), id: id.to_owned() })
    }
}

impl FromStr for Subject {
    type Err = RelationshipTextError;
    /// `kind:id`, `kind:*` or `kind:id#relation`; `#...` is the object itself.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (object, relation) = match text.split_once('#') {
            None => (text, None),
            Some((object, "...")) => (object, None),
            Some((object, relation)) => (object, Some(relation)),
        };
        if relation.is_some_and(|relation| !is_word(relation)) {
            let why = "the relation of a subject is lower-case letters, digits and `_`";
            return Err(RelationshipTextError { text: text.chars().take(200).collect(), why });
        }
        Ok(Subject { object: object.parse()?, relation: relation.map(str::to_owned) })
    }
}

impl FromStr for Tuple {
    type Err = RelationshipTextError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |why| RelationshipTextError { text: text.chars().take(200).collect(), why };
        let text = text.trim();
        let (head, traits) = match text.find('[') {
            None => (text, ""),
            Some(at) => text.split_at(at),
        };
        let (left, subject) = head.split_once('@').ok_or_else(|| fail("it is written `resource#relation@subject`"))?;
        let (resource, relation) =
            left.split_once('#').ok_or_else(|| fail("it is written `resource#relation@subject`"))?;
        if !is_word(relation) {
            return Err(fail("a relation is lower-case letters, digits and `_`"));
        }
        let resource: Object = resource.parse()?;
        if resource.id == EVERYONE {
            return Err(fail("a resource is one object"));
        }
        let mut tuple = Tuple::new(resource, relation, subject.parse()?);
        let mut rest = traits;
        while !rest.is_empty() {
            let (inner, after) = bracketed(rest).ok_or_else(|| fail("a bracket does not close"))?;
            if let Some(expiry) = inner.strip_prefix("expiration:") {
                let at = OffsetDateTime::parse(expiry, &Rfc3339)
                    .map_err(|_| fail("an expiration is written as in 2030-01-01T00:00:00Z"))?;
                let micros =
                    i64::try_from(at.unix_timestamp_nanos() / 1_000).map_err(|_| fail("the expiration is too far"))?;
                if tuple.until.replace(Timestamp(micros)).is_some() {
                    return Err(fail("there are two expirations"));
                }
            } else {
                let (name, context) = match inner.split_once(':') {
                    None => (inner, Context::new()),
                    Some((name, json)) => (
                        name,
                        serde_json::from_str(json).map_err(|_| fail("the context of a caveat is a JSON object"))?,
                    ),
                };
                if !is_type_path(name) {
                    return Err(fail("a caveat's name is lower-case letters, digits, `_` and `/`"));
                }
                if tuple.caveat.replace(CaveatUse { name: name.to_owned(), context }).is_some() {
                    return Err(fail("there are two caveats"));
                }
            }
            rest = after;
        }
        Ok(tuple)
    }
}

impl Tuple {
    /// The whole relationship as text, caveat and expiry included; [`Tuple::from_str`] reads it.
    pub fn to_text(&self) -> String {
        let mut text = self.to_string();
        if let Some(caveat) = &self.caveat {
            text.push('[');
            text.push_str(&caveat.name);
            if !caveat.context.is_empty() {
                text.push(':');
                text.push_str(&serde_json::Value::Object(caveat.context.clone()).to_string());
            }
            text.push(']');
        }
        if let Some(until) = self.until {
            text.push_str("[expiration:");
            text.push_str(&until.to_rfc3339());
            text.push(']');
        }
        text
    }
}

impl Timestamp {
    /// As in RFC 3339, in UTC; an instant outside the years 0 to 9999 as the nearest that is inside.
    pub fn to_rfc3339(self) -> String {
        let nanos = i128::from(self.0) * 1_000;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().and_then(|at| at.format(&Rfc3339).ok());
        at.unwrap_or_else(|| if self.0 < 0 { "0000-01-01T00:00:00Z".into() } else { "9999-12-31T23:59:59Z".into() })
    }
}

/// `[inner]rest`, where brackets in JSON strings and nested lists do not close it.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some((text.get(1..at)?, text.get(at + 1..)?));
                }
            }
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_type_path(text: &str) -> bool {
    text.split('/').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in [
            "document:1#viewer@user:tom",
            "a/document:1/2|3=+-_#viewer@group:eng#member",
            "document:1#viewer@user:*",
            r#"document:1#viewer@user:tom[only_on:{"days":["mon","t\"]ue"],"n":{"k":[1,2]}}]"#,
            "document:1#viewer@user:tom[only_on]",
            "document:1#viewer@user:tom[expiration:2030-01-01T00:00:00Z]",
            r#"document:1#viewer@user:tom[only_on:{"a":1}][expiration:2030-01-01T00:00:00.5Z]"#,
        ] {
            let tuple: Tuple = text.parse().unwrap();
            assert_eq!(tuple.to_text(), text);
        }
        let plain: Tuple = " document:1#viewer@user:tom#... ".parse().unwrap();
        assert_eq!(plain.to_text(), "document:1#viewer@user:tom");
    }

    #[test]
    fn what_is_no_relationship_is_refused() {
        for text in [
            "",
            "document:1",
            "document:1#viewer",
            "document:1@user:tom",
            "document#viewer@user:tom",
            "document:#viewer@user:tom",
            "document:*#viewer@user:tom",
            "document:a.b#viewer@user:tom",
            "document:1#viewer@user:t@m",
            "document:1#viewer@user:tom#",
            "document:1#Viewer@user:tom",
            "document:1#viewer@user:tom[",
            "document:1#viewer@user:tom[c:{]",
            "document:1#viewer@user:tom[c:[]]",
            "document:1#viewer@user:tom[c][d]",
            "document:1#viewer@user:tom[c]x",
            "document:1#viewer@user:tom[expiration:soon]",
            "document:1#viewer@user:tom[expiration:2030-01-01T00:00:00Z][expiration:2030-01-01T00:00:00Z]",
        ] {
            assert!(text.parse::<Tuple>().is_err(), "{text}");
        }
        let long = format!("document:{}#viewer@user:tom", "x".repeat(1025));
        assert!(long.parse::<Tuple>().is_err());
    }
}
