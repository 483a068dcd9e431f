//! Argument values: literals and variables in one form, checked against the types of the schema.
//!
//! Validation of the document leaves gaps that are closed here, where every value passes anyway:
//! variables inside lists and objects are compared with their position, input keys that occur twice
//! are refused, custom scalars are looked at, undefined variables inside them too, a default of `null`
//! is nullable, and "absent" is not "null".

use std::collections::HashMap;

use apollo_compiler::Node;
use apollo_compiler::ast::{Type, Value, VariableDefinition};
use apollo_compiler::schema::{ExtendedType, Schema};

use super::error::GraphQlError;

/// A value of a request, before it has a type. Numbers stay text, so that no bit is lost.
#[derive(Debug, Clone, PartialEq)]
pub enum Input<'a> {
    Null,
    Bool(bool),
    Int(&'a str),
    Float(&'a str),
    Str(&'a str),
    Enum(&'a str),
    /// Only before [`Variables::conform`].
    Var(&'a str),
    List(Vec<Input<'a>>),
    Object(Vec<(&'a str, Input<'a>)>),
}

impl<'a> Input<'a> {
    pub fn from_literal(value: &'a Value) -> Input<'a> {
        match value {
            Value::Null => Input::Null,
            Value::Enum(name) => Input::Enum(name.as_str()),
            Value::Variable(name) => Input::Var(name.as_str()),
            Value::String(text) => Input::Str(text),
            Value::Float(number) => Input::Float(number.as_str()),
            Value::Int(number) => Input::Int(number.as_str()),
            Value::Boolean(value) => Input::Bool(*value),
            Value::List(items) => Input::List(items.iter().map(|item| Input::from_literal(item)).collect()),
            Value::Object(fields) => {
                Input::Object(fields.iter().map(|(name, value)| (name.as_str(), Input::from_literal(value))).collect())
            }
        }
    }

    pub fn from_json(value: &'a serde_json::Value) -> Input<'a> {
        use serde_json::Value as Json;
        match value {
            Json::Null => Input::Null,
            Json::Bool(value) => Input::Bool(*value),
            Json::Number(number) => {
                let text = number.as_str();
                if text.contains(['.', 'e', 'E']) { Input::Float(text) } else { Input::Int(text) }
            }
            Json::String(text) => Input::Str(text),
            Json::Array(items) => Input::List(items.iter().map(Input::from_json).collect()),
            Json::Object(map) => {
                Input::Object(map.iter().map(|(key, value)| (key.as_str(), Input::from_json(value))).collect())
            }
        }
    }

    /// About what a copy takes, in bytes.
    pub fn weight(&self) -> usize {
        VALUE_WEIGHT
            + match self {
                Input::Null | Input::Bool(_) => 0,
                Input::Int(text) | Input::Float(text) | Input::Str(text) | Input::Enum(text) | Input::Var(text) => {
                    text.len()
                }
                Input::List(items) => items.iter().map(Input::weight).sum(),
                Input::Object(fields) => fields.iter().map(|(_, value)| value.weight()).sum(),
            }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Input::Null)
    }

    /// The value of a key, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Input<'a>> {
        match self {
            Input::Object(fields) => fields.iter().find(|(name, _)| *name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The elements of a list; a single value is a list of one.
    pub fn items(&self) -> &[Input<'a>] {
        match self {
            Input::List(items) => items,
            Input::Null => &[],
            other => std::slice::from_ref(other),
        }
    }
}

struct Variable<'a> {
    ty: &'a Type,
    /// Has a default that is not null.
    has_default: bool,
    value: Option<Input<'a>>,
}

/// The variables of one request, each checked against its declared type.
pub struct Variables<'a> {
    schema: &'a Schema,
    declared: HashMap<&'a str, Variable<'a>>,
}

const DEPTH_MAX: usize = 128;
/// What a value takes beside its text, in bytes.
pub(super) const VALUE_WEIGHT: usize = 64;

impl<'a> Variables<'a> {
    /// Takes the declared variables out of `given`; what is given and not declared is ignored.
    pub fn new(
        schema: &'a Schema,
        declared: &'a [Node<VariableDefinition>],
        given: &'a serde_json::Map<String, serde_json::Value>,
    ) -> Result<Variables<'a>, GraphQlError> {
        let mut variables = Variables { schema, declared: HashMap::new() };
        for definition in declared {
            let (name, ty) = (definition.name.as_str(), &*definition.ty);
            let default = definition.default_value.as_deref();
            let raw = match (given.get(name), default) {
                (Some(value), _) => Some(Input::from_json(value)),
                (None, Some(default)) => Some(Input::from_literal(default)),
                (None, None) if ty.is_non_null() => {
                    let message = format!("The variable `${name}` has no value.");
                    return Err(GraphQlError::invalid(message).at(definition.name.location()));
                }
                (None, None) => None,
            };
            let value = match raw {
                Some(raw) => variables.conform(ty, raw, name).map_err(|error| error.at(definition.name.location()))?,
                None => None,
            };
            let has_default = default.is_some_and(|value| !value.is_null());
            variables.declared.insert(name, Variable { ty, has_default, value });
        }
        Ok(variables)
    }

    /// The value as its position takes it: variables replaced, single values made lists, keys and
    /// types checked. `None`: a variable without a value stands here. `at` is what an error names.
    pub fn conform(&self, ty: &Type, input: Input<'a>, at: &str) -> Result<Option<Input<'a>>, GraphQlError> {
        self.conform_within(ty, input, at, 0)
    }

    fn conform_within(
        &self,
        ty: &Type,
        input: Input<'a>,
        at: &str,
        depth: usize,
    ) -> Result<Option<Input<'a>>, GraphQlError> {
        if depth > DEPTH_MAX {
            return Err(GraphQlError::new("limit_depth", format!("The value of `{at}` is nested too deeply.")));
        }
        let input = match input {
            Input::Var(name) => match self.used_at(ty, name, at)? {
                Some(value) => value,
                None if ty.is_non_null() => {
                    return Err(GraphQlError::invalid(format!("The variable `${name}` has no value.")));
                }
                None => return Ok(None),
            },
            other => other,
        };
        if input.is_null() {
            return if ty.is_non_null() {
                Err(GraphQlError::invalid(format!("The value of `{at}` is null, but `{ty}` is wanted.")))
            } else {
                Ok(Some(Input::Null))
            };
        }
        let name = match ty {
            Type::List(item) | Type::NonNullList(item) => {
                let items = match input {
                    Input::List(items) => items,
                    single => vec![single],
                };
                let mut out = Vec::with_capacity(items.len());
                for (n, value) in items.into_iter().enumerate() {
                    match self.conform_within(item, value, at, depth + 1).map_err(|error| error.in_item(n))? {
                        Some(value) => out.push(value),
                        None => out.push(Input::Null),
                    }
                }
                return Ok(Some(Input::List(out)));
            }
            Type::Named(name) | Type::NonNullNamed(name) => name,
        };
        let wrong = || GraphQlError::invalid(format!("The value of `{at}` is not of type `{ty}`."));
        match self.schema.types.get(name) {
            Some(ExtendedType::InputObject(definition)) => {
                let Input::Object(fields) = input else { return Err(wrong()) };
                let mut out: Vec<(&'a str, Input<'a>)> = Vec::with_capacity(fields.len());
                let mut seen = std::collections::HashSet::with_capacity(fields.len());
                for (key, value) in fields {
                    let Some(field) = definition.fields.get(key) else {
                        let message = format!("field `{key}` does not exist on `{name}`");
                        return Err(GraphQlError::new("unknown_field", message).beneath(key));
                    };
                    let beneath = |error: GraphQlError| error.beneath(key);
                    if !seen.insert(key) {
                        return Err(beneath(GraphQlError::invalid(format!("The key `{key}` is given twice."))));
                    }
                    if let Some(value) = self.conform_within(&field.ty, value, key, depth + 1).map_err(beneath)? {
                        out.push((key, value));
                    }
                }
                for (key, field) in &definition.fields {
                    if field.ty.is_non_null() && !out.iter().any(|(given, _)| *given == key.as_str()) {
                        return Err(GraphQlError::invalid(format!("`{name}` lacks its key `{key}`.")));
                    }
                }
                Ok(Some(Input::Object(out)))
            }
            Some(ExtendedType::Enum(definition)) => match input {
                Input::Str(value) | Input::Enum(value) if definition.values.contains_key(value) => {
                    Ok(Some(Input::Enum(value)))
                }
                Input::Str(value) | Input::Enum(value) => {
                    let message = format!("value `{value}` does not exist on `{name}`");
                    Err(GraphQlError::new("unknown_field", message))
                }
                _ => Err(wrong()),
            },
            Some(ExtendedType::Scalar(_)) => {
                let fits = match (name.as_str(), &input) {
                    ("ID", Input::Str(_) | Input::Int(_))
                    | ("String" | "DateTime" | "Blob", Input::Str(_))
                    | ("Boolean", Input::Bool(_)) => true,
                    ("Int", Input::Int(text)) => text.parse::<i64>().is_ok(),
                    ("Float" | "Float64" | "Float32", Input::Int(text) | Input::Float(text)) => {
                        text.parse::<f64>().is_ok_and(f64::is_finite)
                    }
                    ("JSON", _) => return self.substituted(input, at, depth).map(Some),
                    _ => false,
                };
                if fits { Ok(Some(input)) } else { Err(wrong()) }
            }
            _ => Err(wrong()),
        }
    }

    /// JSON with its variables replaced; one without a value is null.
    fn substituted(&self, input: Input<'a>, at: &str, depth: usize) -> Result<Input<'a>, GraphQlError> {
        if depth > DEPTH_MAX {
            return Err(GraphQlError::new("limit_depth", format!("The value of `{at}` is nested too deeply.")));
        }
        Ok(match input {
            Input::Var(name) => self.variable(name)?.value.clone().unwrap_or(Input::Null),
            Input::List(items) => {
                let item = |(n, item)| self.substituted(item, at, depth + 1).map_err(|error| error.in_item(n));
                Input::List(items.into_iter().enumerate().map(item).collect::<Result<_, _>>()?)
            }
            Input::Object(fields) => {
                let mut out: Vec<(&'a str, Input<'a>)> = Vec::with_capacity(fields.len());
                let mut seen = std::collections::HashSet::with_capacity(fields.len());
                for (key, value) in fields {
                    let beneath = |error: GraphQlError| error.beneath(key);
                    if !seen.insert(key) {
                        return Err(beneath(GraphQlError::invalid(format!("The key `{key}` is given twice."))));
                    }
                    out.push((key, self.substituted(value, at, depth + 1).map_err(beneath)?));
                }
                Input::Object(out)
            }
            other => other,
        })
    }

    fn variable(&self, name: &str) -> Result<&Variable<'a>, GraphQlError> {
        let unknown = || GraphQlError::invalid(format!("variable `${name}` is not defined"));
        self.declared.get(name).ok_or_else(unknown)
    }

    /// The value of a variable at a position of type `ty`, if its declared type may stand there. The
    /// position may be a list of what the variable is: lists take a single value.
    fn used_at(&self, ty: &Type, name: &str, at: &str) -> Result<Option<Input<'a>>, GraphQlError> {
        let variable = self.variable(name)?;
        let declared = if variable.has_default { variable.ty.clone().non_null() } else { variable.ty.clone() };
        let mut position = ty;
        loop {
            if declared.is_assignable_to(position) || position.inner_named_type().as_str() == "JSON" {
                return Ok(variable.value.clone());
            }
            match position {
                Type::List(item) | Type::NonNullList(item) => position = item,
                _ => {
                    let message = format!(
                        "The variable `${name}` of type `{}` cannot be used for `{at}` of type `{ty}`.",
                        variable.ty
                    );
                    return Err(GraphQlError::invalid(message));
                }
            }
        }
    }
}
