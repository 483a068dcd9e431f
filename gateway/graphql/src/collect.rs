//! The fields of a selection by response name: fragments expanded, conditions applied, like fields merged.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use apollo_compiler::Node;
use apollo_compiler::ast::{Argument, Value};
use apollo_compiler::executable::{DirectiveList, Field, Selection, SelectionSet};
use apollo_compiler::parser::SourceSpan;

use super::document::Prepared;
use super::error::{GraphQlError, Step};
use super::input::{Input, Variables};

/// The most that the arguments of one operation may weigh, in bytes.
const WEIGHT_MAX: usize = 64 << 20;

/// The fields behind one response name; all have the same name and arguments.
pub struct Merged<'a> {
    pub response: &'a str,
    pub fields: Vec<&'a Node<Field>>,
}

impl<'a> Merged<'a> {
    pub fn field(&self) -> &'a Node<Field> {
        self.fields[0]
    }
    pub fn name(&self) -> &'a str {
        self.fields[0].name.as_str()
    }
}

/// What planning of one request shares.
pub struct Walk<'a> {
    pub prepared: &'a Prepared,
    pub variables: Variables<'a>,
    /// Nodes that may still be visited.
    budget: usize,
    /// What all arguments so far weigh, in bytes.
    weight: Cell<usize>,
    path: Vec<String>,
}

impl<'a> Walk<'a> {
    pub fn new(prepared: &'a Prepared, variables: Variables<'a>, budget: usize) -> Walk<'a> {
        Walk { prepared, variables, budget, weight: Cell::new(0), path: Vec::new() }
    }

    /// One step deeper in the answer.
    pub fn enter(&mut self, response: &str) {
        self.path.push(response.to_owned());
    }

    pub fn leave(&mut self) {
        self.path.pop();
    }

    /// The error with its path and location, unless it has them from a deeper step.
    pub fn placed(&self, mut error: GraphQlError, merged: &Merged<'a>) -> GraphQlError {
        if error.path.is_empty() {
            error.path = self.path.to_vec();
        }
        self.prepared.placed(error.at(merged.field().location()))
    }

    /// The fields of an operation, by response name in the order of the request.
    pub fn roots(&mut self) -> Result<Vec<Merged<'a>>, GraphQlError> {
        let prepared = self.prepared;
        self.collect(&[&prepared.operation.selection_set])
    }

    /// The fields inside `merged`.
    pub fn children(&mut self, merged: &Merged<'a>) -> Result<Vec<Merged<'a>>, GraphQlError> {
        let sets: Vec<&'a SelectionSet> = merged.fields.iter().map(|field| &field.selection_set).collect();
        self.collect(&sets)
    }

    fn collect(&mut self, sets: &[&'a SelectionSet]) -> Result<Vec<Merged<'a>>, GraphQlError> {
        let mut out = Vec::new();
        let mut by_name = HashMap::new();
        let mut seen = HashSet::new();
        for set in sets {
            self.collect_into(set, &mut out, &mut by_name, &mut seen)?;
        }
        Ok(out)
    }

    fn collect_into(
        &mut self,
        set: &'a SelectionSet,
        out: &mut Vec<Merged<'a>>,
        by_name: &mut HashMap<&'a str, usize>,
        seen: &mut HashSet<&'a str>,
    ) -> Result<(), GraphQlError> {
        for selection in &set.selections {
            let Some(left) = self.budget.checked_sub(1) else {
                let message = "The operation has too many fields with its fragments written out.";
                return Err(GraphQlError::new("limit_fragments", message));
            };
            self.budget = left;
            match selection {
                Selection::Field(field) => {
                    if !self.included(&field.directives)? {
                        continue;
                    }
                    let response = field.response_key().as_str();
                    match by_name.get(response) {
                        None => {
                            by_name.insert(response, out.len());
                            out.push(Merged { response, fields: vec![field] });
                        }
                        Some(&at) => {
                            if !same(out[at].field(), field) {
                                let message = format!("`{response}` is asked for twice with different arguments.");
                                return Err(GraphQlError::invalid(message).at(field.location()));
                            }
                            out[at].fields.push(field);
                        }
                    }
                }
                Selection::InlineFragment(fragment) => {
                    if self.included(&fragment.directives)? {
                        self.collect_into(&fragment.selection_set, out, by_name, seen)?;
                    }
                }
                Selection::FragmentSpread(spread) => {
                    if !self.included(&spread.directives)? || !seen.insert(spread.fragment_name.as_str()) {
                        continue;
                    }
                    let prepared = self.prepared;
                    if let Some(fragment) = prepared.document.fragments.get(&spread.fragment_name) {
                        self.collect_into(&fragment.selection_set, out, by_name, seen)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// `@skip` and `@include`.
    fn included(&self, directives: &'a DirectiveList) -> Result<bool, GraphQlError> {
        for (name, kept) in [("skip", false), ("include", true)] {
            let Some(directive) = directives.get(name) else { continue };
            let Some(condition) = directive.specified_argument_by_name("if") else { continue };
            let wanted = apollo_compiler::ty!(Boolean!);
            let at = |error: GraphQlError| error.at(directive.location());
            match self.variables.conform(&wanted, Input::from_literal(condition), "if").map_err(at)? {
                Some(Input::Bool(value)) if value == kept => {}
                Some(Input::Bool(_)) => return Ok(false),
                _ => return Err(at(GraphQlError::invalid(format!("`@{name}` has no condition.")))),
            }
        }
        Ok(true)
    }

    /// Counts what is copied out of an argument into the plan. A variable and a fragment are written once and may stand
    /// in many places.
    pub fn weigh(&self, bytes: usize) -> Result<(), GraphQlError> {
        self.weight.set(self.weight.get().saturating_add(bytes));
        if self.weight.get() > WEIGHT_MAX {
            let message = "The arguments are too large with variables and fragments written out.";
            return Err(GraphQlError::new("limit_tokens", message));
        }
        Ok(())
    }

    /// The arguments of a field as the schema takes them; an absent one is not in the list.
    pub fn arguments(&self, field: &'a Node<Field>) -> Result<Arguments<'a>, GraphQlError> {
        let mut given = Vec::with_capacity(field.arguments.len());
        let mut unset = Vec::new();
        for argument in &field.arguments {
            let Some(definition) = field.definition.argument_by_name(&argument.name) else { continue };
            let raw = Input::from_literal(&argument.value);
            let pointed = |error: GraphQlError| {
                let span = key_of(argument, error.within());
                error.at(span)
            };
            // Where the argument has a default, a variable that may be null may stand (All Variable Usages Are
            // Allowed), and only a null that is given then is wrong.
            let defaults = definition.ty.is_non_null() && definition.default_value.is_some();
            let ty = if defaults { definition.ty.as_ref().clone().nullable() } else { definition.ty.as_ref().clone() };
            match self.variables.conform(&ty, raw, &argument.name).map_err(pointed)? {
                Some(Input::Null) if defaults => {
                    let message =
                        format!("The value of `{}` is null, but `{}` is wanted.", argument.name, definition.ty);
                    return Err(pointed(GraphQlError::invalid(message)));
                }
                Some(value) => {
                    self.weigh(value.weight())?;
                    given.push((argument.name.as_str(), value));
                }
                None => unset.push(argument.name.as_str()),
            }
        }
        Ok(Arguments { given, unset })
    }
}

/// Where the argument's name stands, or that of the key in its value which `within` (deepest step first) leads to.
fn key_of(argument: &Node<Argument>, within: &[Step]) -> Option<SourceSpan> {
    let (mut name, mut value) = (&argument.name, &argument.value);
    for step in within.iter().rev() {
        match (step, &**value) {
            (Step::Key(key), Value::Object(fields)) => {
                // Of a key that is given twice it is the second.
                let Some((own, inner)) = fields.iter().rfind(|(own, _)| own == key.as_str()) else { break };
                (name, value) = (own, inner);
            }
            (Step::Item(at), Value::List(items)) => {
                let Some(item) = items.get(*at) else { break };
                value = item;
            }
            // A single value where a list is taken.
            (Step::Item(_), _) => {}
            _ => break,
        }
    }
    name.location()
}

/// Same name, same arguments in any order.
fn same(a: &Field, b: &Field) -> bool {
    a.name == b.name
        && a.arguments.len() == b.arguments.len()
        && a.arguments.iter().all(|argument| {
            b.arguments.iter().any(|other| other.name == argument.name && equal(&argument.value, &other.value))
        })
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.iter().any(|(other, with)| key == other && equal(value, with)))
        }
        (a, b) => a == b,
    }
}

/// The arguments of one field.
pub struct Arguments<'a> {
    given: Vec<(&'a str, Input<'a>)>,
    /// Written with a variable that has no value.
    unset: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    /// The value; `None` where absent or null.
    pub fn get(&self, name: &str) -> Option<&Input<'a>> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// Whether the argument is written but says nothing: null, or a variable without a value. Where
    /// an argument narrows what is changed, that must not widen it to everything.
    pub fn is_hollow(&self, name: &str) -> bool {
        self.unset.contains(&name) || self.given.iter().any(|(given, value)| *given == name && value.is_null())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &Input<'a>)> {
        self.given.iter().map(|(name, value)| (*name, value))
    }

    /// A number that is not negative.
    pub fn count(&self, name: &str) -> Result<Option<u64>, GraphQlError> {
        self.get(name).map(|value| count(value, name)).transpose()
    }
}

/// A number that is not negative.
pub fn count(value: &Input<'_>, name: &str) -> Result<u64, GraphQlError> {
    match value {
        Input::Int(text) => {
            let number: i64 = text.parse().unwrap_or(-1);
            u64::try_from(number).map_err(|_| GraphQlError::invalid(format!("`{name}` is negative.")))
        }
        _ => Err(GraphQlError::invalid(format!("`{name}` is not an integer."))),
    }
}
