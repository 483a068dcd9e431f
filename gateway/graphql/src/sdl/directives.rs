//! Directives of fields and types.

use apollo_compiler::Node;
use apollo_compiler::ast::{Directive, FieldDefinition, ObjectTypeDefinition, Value as Literal};
use vault_core::schema::{FieldType, Merge, NewFieldType, NewIndex, ScalarType};
use vault_core::value::Value;

use super::draft::DraftKind;
use super::error::{Places, SdlError};
use crate::input::Input;
use crate::scalar;

/// What the directives of a field say.
pub struct FieldDirectives {
    pub indexes: Vec<NewIndex>,
    pub merge: Merge,
    pub default: Option<Value>,
    pub size: Option<u32>,
    pub primary: bool,
    pub relation: Option<String>,
}

const LATER: [&str; 4] = ["policy", "text", "fulltext", "locked"];

fn unknown(directive: &Node<Directive>, on: &str, places: &Places<'_>) -> SdlError {
    let name = &directive.name;
    if LATER.contains(&name.as_str()) {
        return places.unsupported(directive, format!("`@{name}` on `{on}` is not supported yet"));
    }
    places.invalid(directive, format!("The directive `@{name}` on `{on}` is not known"))
}

/// Refuses arguments that the directive does not have, and ones given twice.
fn only(directive: &Node<Directive>, names: &[&str], on: &str, places: &Places<'_>) -> Result<(), SdlError> {
    let mut seen = std::collections::HashSet::new();
    for argument in &directive.arguments {
        let name = argument.name.as_str();
        if !names.contains(&name) {
            let message = format!("`@{}` on `{on}` has no argument `{name}`", directive.name);
            return Err(places.invalid(argument, message));
        }
        if !seen.insert(name) {
            let message = format!("`@{}` on `{on}` gives `{name}` twice", directive.name);
            return Err(places.invalid(argument, message));
        }
    }
    Ok(())
}

impl FieldDirectives {
    pub fn read(
        field: &Node<FieldDefinition>,
        full: &str,
        kind: &DraftKind,
        places: &Places<'_>,
    ) -> Result<FieldDirectives, SdlError> {
        let mut out = FieldDirectives {
            indexes: Vec::new(),
            merge: Merge::Lww,
            default: None,
            size: None,
            primary: false,
            relation: None,
        };
        let mut seen = std::collections::HashSet::new();
        for directive in &field.directives {
            let name = directive.name.as_str();
            if name != "index" && !seen.insert(name) {
                return Err(places.invalid(directive, format!("`@{name}` stands twice on `{full}`")));
            }
            match name {
                "index" => out.indexes.push(index(directive, full, Some(field.name.as_str()), places)?),
                "crdt" => out.merge = merge(directive, full, kind, places)?,
                "default" => out.default = Some(default(directive, full, kind, places)?),
                "constraints" => out.size = Some(size(directive, full, kind, places)?),
                "primary" | "relation" => {
                    if matches!(kind, DraftKind::Stored(_)) {
                        return Err(places.invalid(directive, format!("`@{name}` on `{full}`, which is no relation")));
                    }
                    if name == "primary" {
                        only(directive, &[], full, places)?;
                        out.primary = true;
                    } else {
                        only(directive, &["name"], full, places)?;
                        out.relation = Some(text(directive, "name", full, places)?);
                    }
                }
                _ => return Err(unknown(directive, full, places)),
            }
        }
        if out.default.is_some() && out.size.is_some() {
            let length = match &out.default {
                Some(Value::List(items)) => u32::try_from(items.len()).ok(),
                _ => out.size,
            };
            if length != out.size {
                return Err(places.invalid(field, format!("The default of `{full}` has not the size that is asked")));
            }
        }
        Ok(out)
    }
}

/// `@index` on a type.
pub fn type_indexes(node: &Node<ObjectTypeDefinition>, places: &Places<'_>) -> Result<Vec<NewIndex>, SdlError> {
    let mut out = Vec::new();
    for directive in &node.directives {
        match directive.name.as_str() {
            "index" => out.push(index(directive, &node.name, None, places)?),
            _ => return Err(unknown(directive, &node.name, places)),
        }
    }
    Ok(out)
}

fn text(directive: &Node<Directive>, name: &str, on: &str, places: &Places<'_>) -> Result<String, SdlError> {
    match directive.specified_argument_by_name(name).and_then(|value| value.as_str()) {
        Some(text) if !text.is_empty() && text.len() <= 120 => Ok(text.to_owned()),
        _ => Err(places.invalid(directive, format!("`@{}` on `{on}` needs a text `{name}`", directive.name))),
    }
}

fn descending(value: &Literal) -> Option<bool> {
    match value {
        Literal::Enum(name) => match name.as_str() {
            "ASC" => Some(false),
            "DESC" => Some(true),
            _ => None,
        },
        _ => None,
    }
}

fn index(directive: &Node<Directive>, on: &str, own: Option<&str>, places: &Places<'_>) -> Result<NewIndex, SdlError> {
    only(directive, &["name", "unique", "direction", "includes"], on, places)?;
    let bad = |what: &str| places.invalid(directive, format!("`@index` on `{on}`: {what}"));
    let name = match directive.specified_argument_by_name("name") {
        Some(_) => {
            let name = text(directive, "name", on, places)?;
            if !apollo_compiler::Name::is_valid_syntax(&name) {
                return Err(bad("`name` has characters other than letters, digits and `_`"));
            }
            Some(name)
        }
        None => None,
    };
    let unique = match directive.specified_argument_by_name("unique").map(|value| &**value) {
        None => false,
        Some(Literal::Boolean(unique)) => *unique,
        Some(_) => return Err(bad("`unique` is true or false")),
    };
    let direction = match directive.specified_argument_by_name("direction") {
        None => false,
        Some(value) => descending(value).ok_or_else(|| bad("`direction` is ASC or DESC"))?,
    };
    let mut keys: Vec<(String, bool)> = Vec::new();
    if let Some(includes) = directive.specified_argument_by_name("includes") {
        let single = [includes.clone()];
        let items = includes.as_list().unwrap_or(&single);
        for item in items {
            let item = item.as_object().ok_or_else(|| bad("`includes` is a list of `{field: \"…\"}`"))?;
            let mut key = None;
            let mut down = direction;
            for (name, value) in item {
                match (name.as_str(), &**value) {
                    ("field", Literal::String(field)) => key = Some(field.clone()),
                    ("field", Literal::Enum(field)) => key = Some(field.to_string()),
                    ("direction", value) => {
                        down = descending(value).ok_or_else(|| bad("`direction` is ASC or DESC"))?;
                    }
                    _ => return Err(bad("`includes` is a list of `{field: \"…\", direction: ASC}`")),
                }
            }
            keys.push((key.ok_or_else(|| bad("an element of `includes` names no field"))?, down));
        }
    }
    if let Some(own) = own
        && !keys.iter().any(|(key, _)| key == own)
    {
        keys.insert(0, (own.to_owned(), direction));
    }
    if keys.is_empty() {
        return Err(bad("on a type it needs `includes`"));
    }
    if keys.len() > 16 {
        return Err(bad("it has more than 16 fields"));
    }
    Ok(NewIndex { name, unique, keys })
}

fn merge(directive: &Node<Directive>, full: &str, kind: &DraftKind, places: &Places<'_>) -> Result<Merge, SdlError> {
    only(directive, &["type"], full, places)?;
    let given = directive.specified_argument_by_name("type").map(|value| &**value);
    let name = match given {
        Some(Literal::Enum(name)) => name.as_str(),
        Some(Literal::String(name)) => name.as_str(),
        _ => "",
    };
    let merge = match name {
        "lww" => Merge::Lww,
        "pcounter" => Merge::PCounter,
        "pncounter" => Merge::PnCounter,
        _ => {
            let message = format!("`@crdt` on `{full}` needs `type`: lww, pcounter or pncounter");
            return Err(places.invalid(directive, message));
        }
    };
    let counts = matches!(
        kind,
        DraftKind::Stored(NewFieldType::Scalar { of: ScalarType::Int | ScalarType::Float64 | ScalarType::Float32, .. })
    );
    if merge != Merge::Lww && !counts {
        return Err(places.invalid(directive, format!("`{full}` is no number and cannot be a counter")));
    }
    Ok(merge)
}

fn size(directive: &Node<Directive>, full: &str, kind: &DraftKind, places: &Places<'_>) -> Result<u32, SdlError> {
    only(directive, &["size"], full, places)?;
    if !matches!(kind, DraftKind::Stored(NewFieldType::List { .. })) {
        return Err(places.invalid(directive, format!("`@constraints` on `{full}`, which is no list")));
    }
    match directive.specified_argument_by_name("size").map(|value| &**value) {
        Some(Literal::Int(size)) => size.as_str().parse().ok().filter(|size| *size > 0),
        _ => None,
    }
    .ok_or_else(|| places.invalid(directive, format!("`@constraints` on `{full}` needs a positive `size`")))
}

fn default(directive: &Node<Directive>, full: &str, kind: &DraftKind, places: &Places<'_>) -> Result<Value, SdlError> {
    const KINDS: [(&str, &[ScalarType]); 10] = [
        ("string", &[ScalarType::String, ScalarType::Id]),
        ("bool", &[ScalarType::Boolean]),
        ("boolean", &[ScalarType::Boolean]),
        ("int", &[ScalarType::Int]),
        ("float", &[ScalarType::Float64, ScalarType::Float32]),
        ("float64", &[ScalarType::Float64]),
        ("float32", &[ScalarType::Float32]),
        ("dateTime", &[ScalarType::DateTime]),
        ("json", &[ScalarType::Json]),
        ("blob", &[ScalarType::Blob]),
    ];
    let mut names = vec!["value"];
    names.extend(KINDS.iter().map(|(name, _)| *name));
    only(directive, &names, full, places)?;
    let [argument] = directive.arguments.as_slice() else {
        return Err(places.invalid(directive, format!("`@default` on `{full}` takes exactly one value")));
    };
    let (field, of) = match kind {
        DraftKind::Stored(NewFieldType::Scalar { of, not_null }) => {
            (FieldType::Scalar { of: *of, not_null: *not_null }, *of)
        }
        DraftKind::Stored(NewFieldType::List { of, item_not_null, not_null }) => {
            (FieldType::List { of: *of, item_not_null: *item_not_null, not_null: *not_null }, *of)
        }
        _ => return Err(places.invalid(directive, format!("`@default` on `{full}`, which is a relation"))),
    };
    let fits = KINDS.iter().find(|(name, _)| argument.name == *name).is_none_or(|(_, kinds)| kinds.contains(&of));
    if !fits {
        let message = format!("`@default({}:)` does not fit the type of `{full}`", argument.name);
        return Err(places.invalid(argument, message));
    }
    // The kind `json` of the 2023 spelling writes JSON as a text.
    let parsed;
    let input = match (&*argument.value, of) {
        (Literal::String(text), ScalarType::Json) if argument.name == "json" => {
            parsed = serde_json::from_str(text)
                .map_err(|_| places.invalid(argument, format!("The default of `{full}` is not JSON")))?;
            Input::from_json(&parsed)
        }
        (literal, _) => Input::from_literal(literal),
    };
    if input.is_null() {
        return Err(places.invalid(argument, format!("The default of `{full}` is null, which needs no default")));
    }
    scalar::value(&field, &input, full)
        .map_err(|error| places.invalid(argument, error.message.trim_end_matches('.').to_owned()))
}
