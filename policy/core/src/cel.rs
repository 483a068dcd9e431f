//! Expressions of caveats: the Common Expression Language as SpiceDB 1.54 has it.
//!
//! An expression is compiled against the names and types of parameters, and evaluated with values for
//! some of them: a parameter without a value is unknown, and the outcome says which ones decided
//! nothing for lack of a value. Its language is CEL's standard library with optional values, and
//! SpiceDB's `in_cidr` and `isSubtreeOf`. An evaluation is bounded in the work it does.
//!
//! Left out of what SpiceDB takes: message literals such as `google.protobuf.Duration{seconds: 1}`, the
//! accumulator `__result__` of folds, and expressions whose types or evaluation would take very long.

mod ast;
mod check;
mod context;
mod eval;
mod format;
mod functions;
mod ip;
mod lex;
mod number;
mod parse;
mod pattern;
mod plan;
mod signatures;
mod stack;
#[cfg(test)]
mod tests;
mod time;
mod types;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use check::TYPE_NAMES;
use eval::Stop;
use plan::PlanNode;

pub use ip::Address;
pub use time::Instant;
pub use value::{Map, Value, Written};

/// The longest expression, in bytes, blanks at its ends not counted; SpiceDB's bound.
pub const MAX_EXPRESSION_BYTES: usize = 100_000;
/// How deep types of parameters may nest.
const MAX_TYPE_NESTING: usize = 16;
/// The most parameters of one expression.
const MAX_PARAMETERS: usize = 1000;

/// The declared type of a caveat's parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// Anything that JSON can hold; checked when evaluated.
    Any,
    /// True or false.
    Bool,
    /// Text of Unicode.
    String,
    /// Signed, of 64 bits.
    Int,
    /// Checked as an int, yet a uint when evaluated: it compares with ints and is added to none.
    Uint,
    /// IEEE 754, of 64 bits.
    Double,
    /// Any bytes.
    Bytes,
    /// A length of time.
    Duration,
    /// An instant.
    Timestamp,
    /// Elements of one type.
    List(Box<Type>),
    /// Its keys are strings.
    Map(Box<Type>),
    /// An address of IPv4 or IPv6; SpiceDB's, not CEL's.
    IpAddress,
}

impl Type {
    /// The type of that name. Types that take no arguments ignore those given, as in SpiceDB.
    ///
    /// # Errors
    /// There is no such type, `list` or `map` is not given one argument, or it nests too deep.
    pub fn named(name: &str, arguments: Vec<Type>) -> Result<Type, String> {
        let plain = match name {
            "any" => Type::Any,
            "bool" => Type::Bool,
            "string" => Type::String,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "bytes" => Type::Bytes,
            "duration" => Type::Duration,
            "timestamp" => Type::Timestamp,
            "ipaddress" => Type::IpAddress,
            "list" | "map" => {
                let found = arguments.len();
                let mut arguments = arguments.into_iter();
                let (Some(of), None) = (arguments.next(), arguments.next()) else {
                    return Err(format!("type `{name}` requires 1 generic types; found {found}"));
                };
                if of.nesting() >= MAX_TYPE_NESTING {
                    return Err(format!("type `{name}` nests deeper than {MAX_TYPE_NESTING} levels"));
                }
                let of = Box::new(of);
                return Ok(if name == "list" { Type::List(of) } else { Type::Map(of) });
            }
            _ => return Err(format!("unknown type `{name}`")),
        };
        Ok(plain)
    }

    fn nesting(&self) -> usize {
        let mut levels = 0;
        let mut at = self;
        while let Type::List(of) | Type::Map(of) = at {
            levels += 1;
            at = of;
        }
        levels
    }
}

/// As a schema writes it: `list<string>`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Type::Any => "any",
            Type::Bool => "bool",
            Type::String => "string",
            Type::Int => "int",
            Type::Uint => "uint",
            Type::Double => "double",
            Type::Bytes => "bytes",
            Type::Duration => "duration",
            Type::Timestamp => "timestamp",
            Type::List(of) => return write!(f, "list<{of}>"),
            Type::Map(of) => return write!(f, "map<{of}>"),
            Type::IpAddress => "ipaddress",
        };
        f.write_str(name)
    }
}

/// The text is no well-typed expression that yields a boolean. The place is within the text, both
/// numbers from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// From 1 on.
    pub line: u32,
    /// In characters.
    pub column: u32,
    /// A sentence.
    pub message: String,
}

/// What an evaluation comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<Failure = String> {
    /// The caveat holds.
    True,
    /// It does not.
    False,
    /// Undecided: the names of parameters without a value that might decide it.
    Missing(BTreeSet<String>),
    /// The evaluation failed.
    Failed(Failure),
}

/// A compiled expression.
#[derive(Debug)]
pub struct Program {
    text: String,
    source: String,
    parameters: Vec<(String, bool)>,
    plan: Result<PlanNode, String>,
}

impl Program {
    /// Compiles `text`, in which the parameters may stand.
    ///
    /// # Errors
    /// The first fault of form or type; also if the expression yields something else than a boolean.
    pub fn compile(text: &str, parameters: &[(String, Type)]) -> Result<Program, CompileError> {
        let start = lex::At { line: 1, column: 1 };
        if text.trim().len() > MAX_EXPRESSION_BYTES {
            let bound = MAX_EXPRESSION_BYTES;
            return Err(
                start.error(format!("caveat expression provided exceeds maximum allowed size of {bound} characters"))
            );
        }
        if parameters.len() > MAX_PARAMETERS {
            return Err(start.error(format!("an expression takes {MAX_PARAMETERS} parameters at most")));
        }
        if let Some((name, _)) = parameters.iter().find(|(name, _)| TYPE_NAMES.contains(&name.as_str())) {
            return Err(start.error(format!("overlapping identifier for name '{name}'")));
        }
        let expr = parse::parse(text)?;
        let checked = check::check(&expr, parameters)?;
        let names = parameters.iter().map(|(name, _)| name.clone());
        Ok(Program {
            text: text.to_owned(),
            source: format::format(&expr),
            parameters: names.zip(checked.used).collect(),
            plan: match checked.broken {
                Some(why) => Err(why),
                None => Ok(checked.node),
            },
        })
    }

    /// Whether the expression refers to the parameter. What stands only in a key of a map that the
    /// expression writes does not count, as in SpiceDB.
    pub fn uses(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(name, used)| *used && name == parameter)
    }

    /// The expression as it was compiled.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The expression in normal form, as SpiceDB shows it. Lines break behind logical operators where they
    /// would be long.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Evaluates with the values of parameters by name; names that are no parameters are ignored.
    pub fn evaluate(&self, values: &BTreeMap<String, Value>) -> Outcome {
        let values: Vec<Option<Value>> = self.parameters.iter().map(|(name, _)| values.get(name).cloned()).collect();
        self.evaluate_in_order(&values)
    }

    /// Evaluates with the values of parameters in the order in which they were declared.
    pub(crate) fn evaluate_in_order(&self, values: &[Option<Value>]) -> Outcome {
        let node = match &self.plan {
            Ok(node) => node,
            Err(why) => return Outcome::Failed(why.clone()),
        };
        match eval::evaluate(node, values) {
            Ok(Value::Bool(true)) => Outcome::True,
            Ok(Value::Bool(false)) => Outcome::False,
            Ok(other) => Outcome::Failed(format!("the expression yielded a value of type {}, not bool", other.kind())),
            Err(Stop::Unknown(names)) => Outcome::Missing(names.iter().filter_map(|name| self.name(*name)).collect()),
            Err(Stop::Fault(why) | Stop::Abort(why)) => Outcome::Failed(why.into_owned()),
        }
    }

    fn name(&self, number: u16) -> Option<String> {
        self.parameters.get(usize::from(number)).map(|(name, _)| name.clone())
    }
}
