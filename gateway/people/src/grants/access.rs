//! What an app asks for, in the words of `authorization_details`, and its strict reader.

use std::collections::HashSet;
use std::fmt;

use policy_core::{Comparison, DocId, SpaceId, Verb, Verbs};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use super::span::Span;

/// Why a requested access cannot become a grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("The key `{0}` is not supported in a grant; nothing is shown that is not enforced.")]
    UnsupportedKey(String),
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    OutsideManifest(String),
    /// A grant is held to less only by what lies within it.
    #[error("{0}")]
    Wider(String),
    /// The definitions of the space do not fit.
    #[error("{0}")]
    Schema(String),
    /// No document can meet all conditions.
    #[error("{0}")]
    Contradiction(String),
}

impl AccessError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            AccessError::UnsupportedKey(_) => "grant_key_unsupported",
            AccessError::Malformed(_) => "grant_malformed",
            AccessError::OutsideManifest(_) => "grant_outside_manifest",
            AccessError::Wider(_) => "grant_wider",
            AccessError::Schema(_) | AccessError::Contradiction(_) => "grant_schema_mismatch",
        }
    }

    pub(super) fn malformed(text: impl Into<String>) -> Self {
        AccessError::Malformed(text.into())
    }
}

/// One element of the list that an app asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// `None`: the grantor's personal space.
    pub space: Option<SpaceId>,
    /// Names of collections; not empty, no doubles.
    pub datatypes: Vec<String>,
    /// Not empty.
    pub verbs: Verbs,
    /// Names of fields in the order asked; not empty, no doubles.
    pub allow: Vec<String>,
    /// Within `allow`: the app is of no use without these.
    pub required: Vec<String>,
    /// All of them hold.
    pub conditions: Vec<AskedCondition>,
    /// And of those these documents alone: not empty, no doubles. `None`: all.
    pub documents: Option<Vec<DocId>>,
    /// Of each type so many rows are told in a day at most; above 0. `None`: as many as are asked for.
    pub rows_per_day: Option<u32>,
    pub purpose: Option<String>,
    /// `None`: until revoked.
    pub duration: Option<Span>,
}

/// One condition on rows: a field compared with a JSON value, which is a list for `_in` and `_nin`.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedCondition {
    pub field: String,
    pub operator: Operator,
    pub value: Value,
}

/// The operators of `where`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    Eq,
    Neq,
    In,
    Nin,
    Gt,
    Geq,
    Lt,
    Leq,
}

impl Operator {
    pub const ALL: [Operator; 8] = [
        Operator::Eq,
        Operator::Neq,
        Operator::In,
        Operator::Nin,
        Operator::Gt,
        Operator::Geq,
        Operator::Lt,
        Operator::Leq,
    ];

    /// The key in `where`.
    pub const fn word(self) -> &'static str {
        match self {
            Operator::Eq => "_eq",
            Operator::Neq => "_neq",
            Operator::In => "_in",
            Operator::Nin => "_nin",
            Operator::Gt => "_gt",
            Operator::Geq => "_geq",
            Operator::Lt => "_lt",
            Operator::Leq => "_leq",
        }
    }

    /// The operator of a comparison.
    pub fn of(comparison: &Comparison) -> Operator {
        match comparison {
            Comparison::Eq(_) => Operator::Eq,
            Comparison::Neq(_) => Operator::Neq,
            Comparison::In(_) => Operator::In,
            Comparison::Nin(_) => Operator::Nin,
            Comparison::Gt(_) => Operator::Gt,
            Comparison::Geq(_) => Operator::Geq,
            Comparison::Lt(_) => Operator::Lt,
            Comparison::Leq(_) => Operator::Leq,
        }
    }

    /// The operator of this key.
    pub fn of_word(word: &str) -> Option<Operator> {
        Operator::ALL.into_iter().find(|operator| operator.word() == word)
    }

    /// Whether its value is a list.
    pub const fn takes_list(self) -> bool {
        matches!(self, Operator::In | Operator::Nin)
    }
}

const KEYS: [&str; 10] =
    ["type", "space", "datatypes", "actions", "fields", "where", "documents", "limits", "purpose", "duration"];
/// Elements of one grant, names in one list, values of one `_in`.
const MAX_ENTRIES: usize = 32;
const MAX_NAMES: usize = 256;
/// The greatest number of rows a day.
const MAX_ROWS: u32 = 1_000_000_000;
/// Documents that one entry names.
pub(super) const MAX_DOCUMENTS: usize = 256;
/// Documents that a grant names in all its entries, for each of their types: what is written down of one, and looked at
/// with each request.
pub(super) const MAX_NAMED: usize = 4_096;
const MAX_NAME_BYTES: usize = 128;
const MAX_PURPOSE_CHARACTERS: usize = 500;
const MAX_VALUE_BYTES: usize = 1_024;

/// Reads one object or a list of them. Refuses what it does not know, doubled keys included.
pub fn parse(text: &str) -> Result<Vec<Access>, AccessError> {
    if !reads_once(text) {
        return Err(AccessError::malformed("The access is not JSON, or a key occurs twice in one object."));
    }
    let value = serde_json::from_str(text).map_err(|_| AccessError::malformed("The access is not JSON."))?;
    parse_value(&value)
}

/// The same from a parsed value. The caller has seen to doubled keys (see [`reads_once`]).
pub fn parse_value(value: &Value) -> Result<Vec<Access>, AccessError> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if list.is_empty() || list.len() > MAX_ENTRIES {
        return Err(AccessError::malformed(format!("A grant has between 1 and {MAX_ENTRIES} entries.")));
    }
    let list: Vec<Access> = list.iter().map(one).collect::<Result<_, _>>()?;
    named_within_bounds(list.iter().map(|one| one.documents.as_ref().map_or(0, Vec::len) * one.datatypes.len()).sum())?;
    Ok(list)
}

/// The smaller of two limits, where there is one.
pub(super) fn fewer(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.into_iter().chain(other).min()
}

/// Refuses a grant that names more documents than one may.
pub(super) fn named_within_bounds(named: usize) -> Result<(), AccessError> {
    if named > MAX_NAMED {
        let text = format!("A grant names at most {MAX_NAMED} documents, counted for each type of each entry.");
        return Err(AccessError::Malformed(text));
    }
    Ok(())
}

fn one(value: &Value) -> Result<Access, AccessError> {
    let map = value.as_object().ok_or_else(|| AccessError::malformed("An entry of a grant is a JSON object."))?;
    known(map, &KEYS)?;
    if map.get("type").and_then(Value::as_str) != Some("allod_doc") {
        return Err(AccessError::malformed("`type` must be \"allod_doc\"."));
    }
    let space = match map.get("space") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let id = value.as_str().and_then(|text| text.parse().ok());
            Some(id.ok_or_else(|| AccessError::malformed("`space` must be the id of a space."))?)
        }
    };
    let datatypes = names(map.get("datatypes"), "datatypes")?;
    let mut verbs = Verbs::NONE;
    for word in names(map.get("actions"), "actions")? {
        let verb: Verb = word.parse().map_err(|()| {
            AccessError::malformed("`actions` holds words of create, read, update, delete, search, history.")
        })?;
        verbs = verbs.with(verb);
    }
    let fields = map
        .get("fields")
        .and_then(Value::as_object)
        .ok_or_else(|| AccessError::malformed("`fields` must be an object with the list `allow`."))?;
    known(fields, &["allow", "required"])?;
    let allow = names(fields.get("allow"), "fields.allow")?;
    let required = match fields.get("required") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) if list.is_empty() => Vec::new(),
        some => names(some, "fields.required")?,
    };
    if !required.iter().all(|name| allow.contains(name)) {
        return Err(AccessError::malformed("`fields.required` must lie within `fields.allow`."));
    }
    if verbs.has(Verb::Search) && !verbs.has(Verb::Read) {
        return Err(AccessError::malformed("`search` needs `read`: who may look for values learns them."));
    }
    let documents = documents(map.get("documents"))?;
    if documents.is_some() && verbs.has(Verb::Create) {
        return Err(creates_among_named());
    }
    Ok(Access {
        space,
        datatypes,
        verbs,
        allow,
        required,
        conditions: conditions(map.get("where"))?,
        documents,
        rows_per_day: limits(map.get("limits"))?,
        purpose: purpose(map.get("purpose"))?,
        duration: duration(map.get("duration"))?,
    })
}

fn known(map: &Map<String, Value>, keys: &[&str]) -> Result<(), AccessError> {
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(AccessError::UnsupportedKey(key.chars().take(64).collect())),
        None => Ok(()),
    }
}

fn names(value: Option<&Value>, key: &str) -> Result<Vec<String>, AccessError> {
    let fail = || AccessError::malformed(format!("`{key}` must be a list of names, without doubles and not empty."));
    let list = value.and_then(Value::as_array).ok_or_else(fail)?;
    if list.is_empty() || list.len() > MAX_NAMES {
        return Err(fail());
    }
    let mut out: Vec<String> = Vec::with_capacity(list.len());
    for name in list {
        let name = name.as_str().filter(|name| is_name(name)).ok_or_else(fail)?;
        if out.iter().any(|seen| seen == name) {
            return Err(fail());
        }
        out.push(name.to_owned());
    }
    Ok(out)
}

/// Names of the definition language (GraphQL's): no page needs to fear them.
fn is_name(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.len() <= MAX_NAME_BYTES && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn conditions(value: Option<&Value>) -> Result<Vec<AskedCondition>, AccessError> {
    let map = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(AccessError::malformed("`where` must be an object: {field: {operator: value}}.")),
    };
    let mut out = Vec::new();
    for (field, tests) in map {
        if !is_name(field) {
            return Err(AccessError::malformed("`where` names something that cannot be a field."));
        }
        let tests = tests.as_object().filter(|tests| !tests.is_empty());
        let tests = tests.ok_or_else(|| {
            AccessError::malformed(format!("`where.{field}` must be an object: {{operator: value}}."))
        })?;
        for (word, value) in tests {
            let operator = Operator::of_word(word).ok_or_else(|| {
                AccessError::malformed(format!(
                    "`where.{field}` knows the operators _eq, _neq, _in, _nin, _gt, _geq, _lt and _leq."
                ))
            })?;
            let fits = match value {
                Value::Array(list) => {
                    operator.takes_list() && (1..=MAX_NAMES).contains(&list.len()) && list.iter().all(is_scalar)
                }
                one => !operator.takes_list() && is_scalar(one),
            };
            if !fits {
                return Err(AccessError::malformed(format!(
                    "The value of `where.{field}.{word}` does not fit the operator."
                )));
            }
            out.push(AskedCondition { field: field.clone(), operator, value: value.clone() });
        }
    }
    if out.len() > MAX_ENTRIES {
        return Err(AccessError::malformed(format!("`where` has at most {MAX_ENTRIES} conditions.")));
    }
    Ok(out)
}

fn limits(value: Option<&Value>) -> Result<Option<u32>, AccessError> {
    let map = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(AccessError::malformed("`limits` must be an object: {\"rows_per_day\": number}.")),
    };
    known(map, &["rows_per_day"])?;
    match map.get("rows_per_day") {
        None | Some(Value::Null) => Ok(None),
        Some(rows) => {
            let rows = rows.as_u64().and_then(|rows| u32::try_from(rows).ok());
            rows.filter(|rows| (1..=MAX_ROWS).contains(rows)).map(Some).ok_or_else(|| {
                AccessError::malformed(format!("`limits.rows_per_day` must be a whole number from 1 to {MAX_ROWS}."))
            })
        }
    }
}

/// Nothing new can be among documents that are named.
pub(super) fn creates_among_named() -> AccessError {
    AccessError::malformed("`create` goes without `documents`: nothing new is among those that are named.")
}

fn documents(value: Option<&Value>) -> Result<Option<Vec<DocId>>, AccessError> {
    let list = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_array().filter(|list| (1..=MAX_DOCUMENTS).contains(&list.len())),
    };
    let ids = list.and_then(|list| {
        let ids: Vec<DocId> = list.iter().map(|id| id.as_str()?.parse().ok()).collect::<Option<_>>()?;
        (ids.iter().collect::<HashSet<_>>().len() == ids.len()).then_some(ids)
    });
    let fail = || {
        AccessError::malformed(format!(
            "`documents` must be a list of 1 to {MAX_DOCUMENTS} ids of documents, without doubles."
        ))
    };
    ids.map(Some).ok_or_else(fail)
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => text.len() <= MAX_VALUE_BYTES,
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn purpose(value: Option<&Value>) -> Result<Option<String>, AccessError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text))
            if text.chars().count() <= MAX_PURPOSE_CHARACTERS && !text.chars().any(char::is_control) =>
        {
            // What turns text about, or is not seen, would stand amid what the node says.
            let text: String = text.chars().filter(|letter| !turns_text(*letter)).collect();
            Ok(Some(text).filter(|text| !text.trim().is_empty()))
        }
        Some(_) => Err(AccessError::malformed(format!(
            "`purpose` must be one line of at most {MAX_PURPOSE_CHARACTERS} characters."
        ))),
    }
}

fn duration(value: Option<&Value>) -> Result<Option<Span>, AccessError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let span = value.as_str().and_then(|text| text.parse().ok());
            span.map(Some)
                .ok_or_else(|| AccessError::malformed("`duration` must be an ISO 8601 duration such as P30D, or null."))
        }
    }
}

impl Access {
    /// The element as JSON, as [`parse`] reads it.
    pub fn to_json(&self) -> Value {
        let mut fields = json!({ "allow": self.allow });
        if !self.required.is_empty() {
            fields["required"] = json!(self.required);
        }
        let actions: Vec<&str> = self.verbs.iter().map(Verb::word).collect();
        let mut out = json!({ "type": "allod_doc", "datatypes": self.datatypes, "actions": actions, "fields": fields });
        if let Some(space) = self.space {
            out["space"] = json!(space);
        }
        if !self.conditions.is_empty() {
            out["where"] = rows_json(&self.conditions);
        }
        if let Some(documents) = &self.documents {
            out["documents"] = documents.iter().map(|id| json!(id.to_string())).collect();
        }
        if let Some(rows) = self.rows_per_day {
            out["limits"] = json!({ "rows_per_day": rows });
        }
        if let Some(purpose) = &self.purpose {
            out["purpose"] = json!(purpose);
        }
        if let Some(duration) = self.duration {
            out["duration"] = json!(duration.to_string());
        }
        out
    }
}

/// Conditions as `where` writes them.
pub(super) fn rows_json(conditions: &[AskedCondition]) -> Value {
    let mut rows = Map::new();
    for asked in conditions {
        let tests = rows.entry(asked.field.clone()).or_insert_with(|| json!({}));
        tests[asked.operator.word()] = asked.value.clone();
    }
    Value::Object(rows)
}

/// Whether a letter turns the text around it about, or is not seen: then a name or a reason would read as another one
/// (Unicode, UAX 9 and UTS 39).
pub fn turns_text(letter: char) -> bool {
    matches!(letter,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether a text is a line of so many letters at most that reads as it is written.
pub fn reads_as_line(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(|letter| letter.is_control() || turns_text(letter))
}

/// Whether `text` is JSON in which no object has a key twice. Two readers may disagree on such an
/// object, and what one shows is then not what the other enforces.
pub fn reads_once(text: &str) -> bool {
    unreadable(text).is_none()
}

/// Why and where `text` is not such JSON.
pub fn unreadable(text: &str) -> Option<String> {
    serde_json::from_str::<Once>(text).err().map(|error| error.to_string())
}

struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without doubled keys")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }
    fn visit_str<E>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }
    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Once, A::Error> {
        while seq.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                let key: String = key.chars().take(64).collect();
                return Err(serde::de::Error::custom(format_args!("the key `{key}` occurs twice in one object")));
            }
            seen.insert(key);
            map.next_value::<Once>()?;
        }
        Ok(Once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHOLE: &str = r#"{"type":"allod_doc","space":"000102030405060708090a0b0c0d0e0f","datatypes":["Contact"],
        "actions":["read","search"],"fields":{"allow":["phone","name"],"required":["name"]},
        "where":{"tag":{"_eq":"family"},"age":{"_geq":18,"_lt":99.5},"kind":{"_in":["a",null,true]}},
        "purpose":"To call them.","duration":"P30D"}"#;

    #[test]
    fn a_whole_entry_reads_and_writes() {
        let list = parse(WHOLE).unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].allow, ["phone", "name"]);
        assert_eq!(list[0].conditions.len(), 4);
        assert_eq!(parse(&list[0].to_json().to_string()).unwrap(), list);
        assert_eq!(parse(&format!("[{WHOLE},{WHOLE}]")).unwrap().len(), 2);
    }

    #[test]
    fn other_keys_are_named_and_refused() {
        for key in ["egress", "owner", "Type", ""] {
            let mut value: Value = serde_json::from_str(WHOLE).unwrap();
            value[key] = json!(null);
            assert_eq!(parse_value(&value), Err(AccessError::UnsupportedKey(key.to_owned())));
        }
        let mut value: Value = serde_json::from_str(WHOLE).unwrap();
        value["fields"]["deny"] = json!([]);
        assert_eq!(parse_value(&value).unwrap_err().code(), "grant_key_unsupported");
    }

    #[test]
    fn what_is_not_an_entry_is_malformed() {
        let with = |key: &str, value: Value| {
            let mut whole: Value = serde_json::from_str(WHOLE).unwrap();
            whole[key] = value;
            whole
        };
        for bad in [
            json!(null),
            json!([]),
            json!([[]]),
            json!({"type": 1}),
            with("type", json!("allod_file")),
            with("space", json!("mine")),
            with("datatypes", json!([])),
            with("datatypes", json!(["<b>"])),
            with("datatypes", json!(["A", "A"])),
            with("actions", json!(["search"])),
            with("actions", json!(["read", "execute"])),
            with("actions", json!("read")),
            with("fields", json!({"allow": []})),
            with("fields", json!({"allow": ["name"], "required": ["phone"]})),
            with("where", json!({"tag": "family"})),
            with("where", json!({"tag": {}})),
            with("where", json!({"tag": {"_like": "f%"}})),
            with("where", json!({"tag": {"_eq": ["a"]}})),
            with("where", json!({"tag": {"_in": "a"}})),
            with("where", json!({"tag": {"_in": []}})),
            with("where", json!({"_or": [{"tag": {"_eq": 1}}]})),
            with("purpose", json!("two\nlines")),
            with("duration", json!("30 days")),
            with("duration", json!(30)),
        ] {
            assert_eq!(parse_value(&bad).map_err(|error| error.code()), Err("grant_malformed"), "{bad}");
        }
        let twice = WHOLE.replacen("\"purpose\"", "\"duration\":null,\"purpose\"", 1);
        assert_eq!(parse(&twice).unwrap_err().code(), "grant_malformed");
        assert!(reads_once(r#"{"a":[1.5,{"a":-1e400}],"b":12345678901234567890123}"#), "control");
    }

    #[test]
    fn documents_are_named_by_their_ids_within_bounds_and_never_with_create() {
        let with = |more: Value| {
            let mut one = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"], "fields": {"allow": ["name"]}});
            more.as_object().unwrap().iter().for_each(|(key, value)| one[key] = value.clone());
            one
        };
        let id = |n: usize| format!("{n:032x}");
        let read = |more: Value| parse_value(&with(more)).map(|list| list[0].documents.as_ref().map(Vec::len));
        assert_eq!(read(json!({})), Ok(None));
        assert_eq!(read(json!({"documents": null})), Ok(None));
        assert_eq!(read(json!({"documents": [id(1), id(2)]})), Ok(Some(2)));
        let most: Vec<String> = (0..MAX_DOCUMENTS).map(id).collect();
        assert_eq!(read(json!({"documents": most})), Ok(Some(MAX_DOCUMENTS)));
        let again = parse_value(&with(json!({"documents": [id(1)]}))).unwrap();
        assert_eq!(parse_value(&again[0].to_json()).unwrap(), again);
        for bad in [
            json!({"documents": []}),
            json!({"documents": id(1)}),
            json!({"documents": [1]}),
            json!({"documents": ["x"]}),
            // One id in two spellings.
            json!({"documents": [id(1), "00000000-0000-0000-0000-000000000001"]}),
            json!({"documents": (0..=MAX_DOCUMENTS).map(id).collect::<Vec<_>>()}),
            json!({"documents": [id(1)], "actions": ["read", "create"]}),
        ] {
            assert_eq!(read(bad.clone()).unwrap_err().code(), "grant_malformed", "{bad}");
        }
        assert!(read(json!({"actions": ["read", "create"]})).is_ok(), "control");
        let entry = |types: &[&str]| with(json!({"documents": most, "datatypes": types}));
        let all = |count: usize| parse_value(&Value::Array(vec![entry(&["A", "B"]); count]));
        assert!(all(MAX_NAMED / MAX_DOCUMENTS / 2).is_ok());
        assert_eq!(all(MAX_NAMED / MAX_DOCUMENTS / 2 + 1).unwrap_err().code(), "grant_malformed");
    }

    #[test]
    fn a_limit_is_a_whole_number_of_rows() {
        let read = |limits: Value| {
            parse_value(&json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"],
                "fields": {"allow": ["name"]}, "limits": limits}))
        };
        for (limits, rows) in [
            (json!(null), None),
            (json!({}), None),
            (json!({"rows_per_day": null}), None),
            (json!({"rows_per_day": 1}), Some(1)),
            (json!({"rows_per_day": MAX_ROWS}), Some(MAX_ROWS)),
        ] {
            let list = read(limits.clone()).unwrap();
            assert_eq!(list[0].rows_per_day, rows, "{limits}");
            assert_eq!(parse_value(&list[0].to_json()).unwrap(), list);
        }
        for bad in [0.into(), (-1).into(), json!(1.5), json!("10"), json!(u64::from(MAX_ROWS) + 1), json!([1])] {
            assert_eq!(read(json!({"rows_per_day": bad})).unwrap_err().code(), "grant_malformed", "{bad}");
        }
        assert_eq!(read(json!(5)).unwrap_err().code(), "grant_malformed");
        assert_eq!(read(json!({"bytes_per_day": 5})).unwrap_err().code(), "grant_key_unsupported");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(junk in "\\PC{0,80}", at in 0usize..400, put in "[\\[\\]{}\",:0-9a-z_]{0,3}") {
            let _ = parse(&junk);
            let mut damaged = WHOLE.to_owned();
            let at = at % damaged.len();
            if damaged.is_char_boundary(at) {
                damaged.replace_range(at..=at, &put);
            }
            if let Ok(list) = parse(&damaged) {
                let again: Vec<Access> = list.iter().flat_map(|one| parse_value(&one.to_json()).unwrap()).collect();
                prop_assert_eq!(again.len(), list.len());
            }
        }
    }
}
